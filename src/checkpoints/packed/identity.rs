use crate::networks::packing;
use candle_core::DType;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What decides the bytes of packed weights: which program packed them, how, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::checkpoints) struct Identity {
    version: String,
    packing: String,
    /// What the network multiplies in.
    dtype: String,
    /// Which network of those in the files it is.
    part: String,
    files: Vec<Original>,
}

/// A file, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Original {
    path: PathBuf,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
}

impl Original {
    fn of(path: &Path) -> Option<Self> {
        let path = std::path::absolute(path).ok()?;
        // JSON has no others.
        path.to_str()?;
        let about = path.metadata().ok()?;
        let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { path, bytes: about.len(), modified: u64::try_from(modified.as_nanos()).ok()? })
    }
}

impl Identity {
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// That of a network which is packed now from what these files hold; none where they do not tell that they are the same the next time.
    /// To be made before anything is read of them.
    pub(in crate::checkpoints) fn of(part: &str, dtype: DType, files: &[PathBuf]) -> Option<Self> {
        Some(Self {
            version: Self::VERSION.to_owned(),
            packing: packing(),
            dtype: dtype.as_str().to_owned(),
            part: part.to_owned(),
            files: files.iter().map(|path| Original::of(path)).collect::<Option<_>>()?,
        })
    }

    /// Whether the files are still those.
    pub(super) fn is_current(&self) -> bool {
        self.files.iter().all(|file| Original::of(&file.path).as_ref() == Some(file))
    }

    /// Whether this program packs as it says.
    pub(super) fn is_of_this_program(&self) -> bool {
        self.version == Self::VERSION && self.packing == packing()
    }

    /// What a file is called that belongs to it.
    pub(super) fn name(&self) -> String {
        let json = serde_json::to_vec(self).expect("numbers and texts, of which its paths are some");
        format!("{:x}", Sha256::digest(&json))[..16].to_owned()
    }
}
