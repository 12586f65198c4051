use super::Error;
use super::header::{Place, read_places};
use super::weights::Weights;
use crate::networks::{UpscalerConfig, UpscalerNetwork};
use candle_core::{DType, Device};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An upscaler with its weights.
#[derive(Clone, Debug)]
pub struct Upscaler {
    /// What its tensors decide.
    pub config: UpscalerConfig,
    /// RGB to more RGB.
    pub network: UpscalerNetwork,
    /// Where the weights are; what the network is given must be there too.
    pub device: Device,
}

impl Upscaler {
    /// Loads a .safetensors or .pth file; its tensors decide which network it is.
    pub fn load(path: &Path, device: &Device) -> Result<Self, Error> {
        let (config, places) = detect(path)?;
        let weights = Weights::open_file(path, places)?.into_builder(DType::F32, device);
        let network =
            UpscalerNetwork::new(&config, weights.into()).map_err(|error| Error::from_candle(&error, path))?;
        Ok(Self { config, network, device: device.clone() })
    }

    /// How many times larger it makes pictures.
    pub fn scale(&self) -> u32 {
        self.config.scale() as u32
    }
}

/// An upscaler on this machine.
#[derive(Debug)]
pub struct UpscalerEntry {
    /// By which requests and the command line name it.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The name of the model that it came with.
    pub model: Option<String>,
    /// What it holds, or why it cannot be used.
    pub summary: Result<UpscalerSummary, Error>,
}

/// What can be told of an upscaler without loading its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpscalerSummary {
    /// The kind of network, in few words.
    pub kind: String,
    /// How many times larger it makes pictures.
    pub scale: u32,
    /// Bytes of its weights on disk.
    pub bytes: u64,
}

impl UpscalerSummary {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let (config, places) = detect(path)?;
        let bytes = places.values().map(|place| place.bytes as u64).sum();
        Ok(Self { kind: config.describe(), scale: config.scale() as u32, bytes })
    }
}

fn detect(path: &Path) -> Result<(UpscalerConfig, BTreeMap<String, Place>), Error> {
    let places = read_places(path)?;
    let shapes = places.iter().map(|(name, place)| (name.clone(), place.shape.clone())).collect();
    match UpscalerConfig::detect(&shapes) {
        Ok(config) => Ok((config, places)),
        Err(source) => Err(Error::NotAnUpscaler { path: path.to_owned(), source }),
    }
}
