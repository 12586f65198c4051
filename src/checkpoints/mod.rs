//! From files to networks: formats, families, discovery.

use crate::geom::Extent;
use crate::networks::{AutoencoderKl, ClipText, UNet};
use crate::prompt::Tokenizer;
use candle_core::Device;
use std::path::{Path, PathBuf};

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The clean latent.
    Sample,
    /// √ᾱ · noise - √(1-ᾱ) · clean latent (Salimans & Ho 2022).
    VPrediction,
}

/// Which timesteps a short run visits, as the model's makers ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// From 0 up in even steps, plus an offset.
    Leading,
    /// Even from the first to the last.
    Linspace,
    /// From the last down in even steps.
    Trailing,
}

/// The noise the model was trained on.
#[derive(Clone, Debug)]
pub struct Training {
    /// ᾱ at each training timestep, falling; the last is at least 2⁻²⁴, so that every sigma is finite.
    pub alphas_cumprod: Vec<f64>,
    /// Which timesteps a short run visits.
    pub spacing: Spacing,
    /// What [`Spacing::Leading`] adds.
    pub steps_offset: usize,
}

/// A linear map from a latent to RGB in -1..1.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentToRgb {
    /// One row a latent channel.
    pub matrix: Vec<[f32; 3]>,
    /// Added to each pixel.
    pub bias: [f32; 3],
}

/// Loaded weights and what must be known to use them.
pub struct Model {
    /// The folder's name.
    pub name: String,
    /// The noise it was trained on.
    pub training: Training,
    /// What the U-Net's output means.
    pub prediction: Prediction,
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids to conditioning.
    pub text_encoder: ClipText,
    /// Noisy latent to prediction.
    pub unet: UNet,
    /// Latent to picture and back.
    pub vae: AutoencoderKl,
    /// Latent to a small preview.
    pub preview: LatentToRgb,
    /// The size that it was trained at.
    pub native_extent: Extent,
}

impl Model {
    /// Loads a diffusers folder.
    pub fn load(_folder: &Path, _device: &Device) -> Result<Self, Error> {
        unimplemented!("follows")
    }
}

/// The models on this machine.
pub struct Library;

/// One of them.
pub struct ModelEntry {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// What to call it.
    pub display_name: Option<String>,
    /// What it holds, or why it cannot be used.
    pub summary: Result<Summary, Error>,
}

/// What can be told without loading weights.
pub struct Summary {
    /// The size that it was trained at.
    pub native_extent: Extent,
    /// Bytes of all its weights on disk.
    pub parameters_bytes: u64,
    /// The noise it was trained on.
    pub training: Training,
}

impl Library {
    /// Looks through `extra`, then the built-in places.
    pub fn discover(_extra: &[PathBuf]) -> Self {
        unimplemented!("follows")
    }

    /// All models, the first of each name.
    pub fn entries(&self) -> &[ModelEntry] {
        unimplemented!("follows")
    }

    /// The model of this name, or in this folder.
    pub fn find(&self, _name_or_path: &str) -> Result<PathBuf, Error> {
        unimplemented!("follows")
    }
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {}
