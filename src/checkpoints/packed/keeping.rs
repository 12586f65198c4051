use super::file::{Packed, Tensors, bytes_of};
use super::writers::Writer;
use super::{Identity, PackedFolder};
use crate::memory::available_memory;
use crate::networks::{Keep, Kept, Weights};
use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is to be told of a tensor that need not be read: its name, its shape, and the numbers that it was stored as.
pub(in crate::checkpoints) type Found = Box<dyn Fn(&str, &[usize], DType) + Send + Sync>;

/// What is kept of one network, while it is built.
pub(in crate::checkpoints) struct Keeping {
    pub(super) folder: PackedFolder,
    /// What the network is built of, by the paths that lead there.
    pub(super) files: Vec<PathBuf>,
    pub(super) identity: Identity,
    pub(super) found: Found,
    /// What its file holds, where there is one.
    pub(super) mapped: Option<Tensors>,
    /// What was packed because it was not in there.
    pub(super) taken: Mutex<Tensors>,
}

/// A network that `new` makes of these weights, and of what is kept of them where something is.
pub(in crate::checkpoints) fn built<T>(
    keeping: Option<Arc<Keeping>>,
    weights: VarBuilder<'_>,
    new: impl FnOnce(Weights<'_>) -> Result<T>,
) -> Result<T> {
    let Some(keeping) = keeping else { return new(weights.into()) };
    let network = new(Weights::kept(weights, keeping.clone()))?;
    keeping.finish();
    Ok(network)
}

impl Keeping {
    /// To be called when the network was built: what was packed for it is written by a thread of its own. On Linux such a thread steps back
    /// where the one that makes it does; elsewhere it does not, but waits for the disk most of the time.
    pub(super) fn finish(&self) {
        let Some(taken) = self.to_be_written() else { return };
        let (folder, identity) = (self.folder.clone(), self.identity.clone());
        let writer = Writer::new();
        let write = move || {
            match folder.write(&identity, taken) {
                Ok(()) => tracing::debug!("packed weights are kept as {}", folder.path_of(&identity).display()),
                Err(error) => tracing::debug!("packed weights are not kept: {error}"),
            }
            drop(writer);
        };
        if let Err(error) = std::thread::Builder::new().name("packed weights".to_owned()).spawn(write) {
            tracing::debug!("packed weights are not kept: {error}");
        }
    }

    /// What was packed, if it is worth a file: a small network is packed as soon as it is read.
    pub(super) fn to_be_written(&self) -> Option<Tensors> {
        let taken = std::mem::take(&mut *self.taken());
        let bytes = bytes_of(&taken);
        if self.mapped.is_some() {
            // The name of a file decides what is in it: where something is not as kernels want it, the whole file is wrong.
            if !taken.is_empty() {
                super::remove(&self.folder.path_of(&self.identity));
            }
            return None;
        }
        if bytes < self.folder.least {
            return None;
        }
        if !self.identity.is_of(&self.files) {
            tracing::debug!("packed weights are not kept: the model was changed while it was read");
            return None;
        }
        if !is_room_beside(bytes, available_memory()) {
            tracing::debug!("packed weights are not kept: there is too little memory");
            return None;
        }
        Some(taken)
    }

    fn taken(&self) -> MutexGuard<'_, Tensors> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether so many bytes may stay in memory until they are written, where so many more are free. By then the network may have been given back, and
/// another loaded; and who writes breaks off when memory becomes short.
pub(super) fn is_room_beside(bytes: u64, free: Option<u64>) -> bool {
    free.is_none_or(|free| free / 3 * 2 >= bytes)
}

impl Keep for Keeping {
    fn find(&self, name: &str, shape: &[usize]) -> Option<Kept> {
        let packed = self.mapped.as_ref()?.get(name).filter(|packed| packed.shape == shape)?;
        (self.found)(name, shape, packed.dtype);
        Some(packed.kept.clone())
    }

    fn take(&self, name: &str, weight: &Tensor, kept: Kept) {
        let packed = Packed { kept, shape: weight.dims().to_vec(), dtype: weight.dtype() };
        self.taken().insert(name.to_owned(), packed);
    }
}
