//! What can be told of a model from its configs and headers.

use super::header::{Place, read_places};
use super::ldm::DOWNSCALE;
use super::memory::{BytesRead, WeightBytes};
use super::precision::overflows;
use super::source::{Source, Sources, native_extent};
use super::{Error, Family, Format, Precision, PredictionSource, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{UNetConfig, VaeConfig};
use candle_core::Device;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What can be told of a model without loading its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The size that it was trained at.
    pub native_extent: Extent,
    /// Bytes of all its weights on disk.
    pub parameters_bytes: u64,
    /// Bytes of all its weights as they are read, and of what it takes from another model.
    pub weights: WeightBytes,
    /// The family that it is of, where it is a known one.
    pub family: Option<&'static Family>,
    /// How it lies on disk.
    pub format: Format,
    /// The noise that it was trained on, from which follows what suits it.
    pub training: Training,
    /// What says what its network's output means.
    pub prediction_source: PredictionSource,
    /// What its makers say suits it.
    pub suggestion: Suggestion,
    /// The shape of what estimates noise, which a `ControlNet` must fit.
    pub unet: UNetConfig,
    /// How many times smaller than pictures its latents are.
    pub downscale: usize,
    /// In which numbers most of its weights are stored, as `f16`.
    pub stored: &'static str,
    /// How many channels the finest layers of its VAE have, which decides what decoding takes.
    pub vae_width: usize,
    /// What a whole model has and its file has not, in words.
    pub lacks: Option<&'static str>,
}

impl Summary {
    /// How it was taught to finish early, and what it is for where that is not pictures of whatever, to stand behind the family's name.
    pub fn use_alone(&self) -> String {
        let distilled = self.suggestion.distilled;
        let distilled = distilled.map_or_else(String::new, |distilled| format!(" {}", distilled.name()));
        let purpose = match (self.unet.sees_mask(), self.unet.sees_picture()) {
            (true, _) => " inpainting",
            (_, true) => " instruct-pix2pix",
            _ => "",
        };
        distilled + purpose
    }

    /// The bytes of its memory that painting a picture of this size takes on `device`, about, with the networks multiplying in `precision`.
    pub fn memory(&self, extent: Extent, precision: Precision, device: &Device) -> u64 {
        self.weights.on(device).needed(extent, self.vae_width, precision)
    }
}

/// Why what lies at this path cannot be painted with.
pub fn why_no_model(path: PathBuf) -> Error {
    summary(&path).err().unwrap_or(Error::NotAModel(path))
}

pub(super) fn summary(path: &Path) -> Result<Summary, Error> {
    let source = Source::open(path)?;
    let lacks = source.lacks();
    let (facts, prediction_source) = source.facts()?;
    let vae = if lacks.is_none() { Some(Sources::of(source.clone())?.configs()?.0.vae) } else { None };
    let in_files = |files: Vec<PathBuf>| -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for file in files {
            places.extend(read_places(&file)?.into_values());
        }
        Ok(places)
    };
    let (places, of_unet): (Vec<Place>, Vec<Place>) = match &source {
        Source::File(file) => (file.used().cloned().collect(), file.of_unet().cloned().collect()),
        Source::Folder(folder) => (in_files(folder.weight_files()?)?, in_files(folder.unet_files()?)?),
    };
    let (all, unet) = (BytesRead::of(&places), BytesRead::of(&of_unet));
    Ok(Summary {
        family: source.family()?,
        format: source.format(),
        prediction_source,
        native_extent: native_extent(&facts.unet, vae.as_ref().map_or(DOWNSCALE, VaeConfig::downscale)),
        parameters_bytes: places.iter().map(|place| place.bytes as u64).sum(),
        weights: WeightBytes {
            unet,
            others: all.without(unet),
            vae_overflows: vae.as_ref().is_some_and(|vae| overflows(vae, &facts.unet)),
            on_gpu: false,
        },
        stored: mostly_stored(&places),
        vae_width: vae.as_ref().map_or(0, VaeConfig::finest_width),
        downscale: vae.as_ref().map_or(DOWNSCALE, VaeConfig::downscale),
        training: facts.training,
        suggestion: facts.suggestion,
        unet: facts.unet,
        lacks,
    })
}

/// The type of the numbers that take the most bytes.
fn mostly_stored(places: &[Place]) -> &'static str {
    let mut bytes = BTreeMap::new();
    for place in places {
        *bytes.entry(place.stored.name()).or_insert(0) += place.bytes;
    }
    bytes.into_iter().max_by_key(|(_, bytes)| *bytes).map_or("", |(name, _)| name)
}
