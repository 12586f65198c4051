use super::folder::text_in;
use super::header::read_places;
use super::packed::built;
use super::weights::{Weights, weight_files, weights_and_config};
use super::{Error, PackedFolder, Precision};
use crate::networks::{ControlNet, ControlNetConfig};
use candle_core::Device;
use std::path::{Path, PathBuf};

/// The name of a `ControlNet`'s weights in its folder.
const STEM: &str = "diffusion_pytorch_model";

/// A `ControlNet` on this machine.
#[derive(Debug)]
pub struct ControlNetEntry {
    /// By which requests and the command line name it.
    pub name: String,
    /// Its folder, in the layout of diffusers.
    pub path: PathBuf,
    /// The name of the model that it came with.
    pub model: Option<String>,
    /// What it holds, or why it cannot be used.
    pub summary: Result<ControlNetSummary, Error>,
}

/// What can be told of a `ControlNet` without loading its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlNetSummary {
    /// What its config.json decides.
    pub config: ControlNetConfig,
    /// Bytes of its weights on disk.
    pub bytes: u64,
}

impl ControlNetSummary {
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let config = config(folder)?;
        let mut bytes = 0;
        for file in weight_files(folder, STEM)? {
            bytes += read_places(&file)?.values().map(|place| place.bytes as u64).sum::<u64>();
        }
        Ok(Self { config, bytes })
    }
}

/// Loads a `ControlNet` from its folder, whatever the precision of its weights; `precision` is what it multiplies in, and what is packed of it is
/// kept in `packed`.
pub fn load_controlnet(
    folder: &Path,
    device: &Device,
    precision: Precision,
    packed: Option<&PackedFolder>,
) -> Result<ControlNet, Error> {
    let (config, dtype) = (config(folder)?, precision.dtype(device)?);
    let keeping = packed.filter(|_| device.is_cpu()).and_then(|packed| {
        let files = weights_and_config(folder, STEM).ok()?;
        packed.keeping("controlnet", dtype, files, Box::new(|_, _, _| ()))
    });
    let weights = Weights::open(folder, STEM)?.into_builder(dtype, device);
    built(keeping, weights, |weights| ControlNet::new(&config, weights))
        .map_err(|error| Error::from_candle(&error, folder))
}

fn config(folder: &Path) -> Result<ControlNetConfig, Error> {
    let path = folder.join("config.json");
    ControlNetConfig::from_json(&text_in(&path)?).map_err(|source| Error::Config { path, source })
}
