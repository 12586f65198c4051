//! What can be told of a model from its configs and headers.

use super::header::{Place, read_places};
use super::ldm::DOWNSCALE;
use super::memory::memory_needed;
use super::source::{Source, Sources, native_extent};
use super::{Error, Family, Format, Precision, PredictionSource, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{UNetConfig, VaeConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What can be told of a model without loading its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The size that it was trained at.
    pub native_extent: Extent,
    /// Bytes of all its weights on disk.
    pub parameters_bytes: u64,
    /// Bytes of all its weights in memory, where those of eight bits and less become f16.
    pub memory_bytes: u64,
    /// Those of them that are not the U-Net's.
    pub memory_beside_unet: u64,
    /// Bytes in memory of the parts that it takes from another model.
    pub lent_bytes: u64,
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

    /// The bytes of memory that painting a picture of this size takes, about, with the networks multiplying in `precision`.
    pub fn memory(&self, extent: Extent, precision: Precision) -> u64 {
        let of_unet = self.memory_bytes - self.memory_beside_unet;
        let saved = match precision {
            Precision::Int8 if self.stored == "f32" => of_unet / 4 * 3,
            Precision::Int8 => of_unet / 2,
            Precision::F32 | Precision::Bf16 => 0,
        };
        memory_needed(self.memory_bytes + self.lent_bytes - saved, extent, self.vae_width)
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
    let in_memory = |places: &[Place]| places.iter().map(Place::bytes_in_memory).sum::<u64>();
    let (places, of_unet): (Vec<Place>, Vec<Place>) = match &source {
        Source::File(file) => (file.used().cloned().collect(), file.of_unet().cloned().collect()),
        Source::Folder(folder) => (in_files(folder.weight_files()?)?, in_files(folder.unet_files()?)?),
    };
    let memory_bytes = in_memory(&places);
    Ok(Summary {
        family: source.family()?,
        format: source.format(),
        prediction_source,
        native_extent: native_extent(&facts.unet, vae.as_ref().map_or(DOWNSCALE, VaeConfig::downscale)),
        parameters_bytes: places.iter().map(|place| place.bytes as u64).sum(),
        memory_bytes,
        memory_beside_unet: memory_bytes.saturating_sub(in_memory(&of_unet)),
        lent_bytes: 0,
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
