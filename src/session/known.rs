//! What is known of the models that can be chosen, and of the VAEs that they can paint with.

use super::Draft;
use crate::checkpoints::WeightBytes;
use crate::diffusion::{Defaults, Precision, Prediction};
use crate::geom::Extent;
use std::path::PathBuf;

/// A model that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name, as in requests and in [`ChooseModel`](super::Action::ChooseModel).
    pub name: String,
    /// One line about it: its family and where it lies.
    pub description: String,
    /// What suits it, and an example prompt: the draft of a first start.
    pub example: Draft,
    /// What its network's output is taken for where none of its files says.
    pub guessed: Option<Prediction>,
    /// What to choose it by; none of one that cannot be used.
    pub details: Option<Details>,
    /// Whether it can leave layers of its text encoder out.
    pub skips_layers: bool,
    /// The hash by which A1111 names it, once it was read.
    pub hash: Option<String>,
    /// Whether it edits pictures by instruction.
    pub edits: bool,
    /// The VAEs that it can paint with instead of its own.
    pub vaes: Vec<KnownVae>,
    /// The models from which it can take what it lacks; none where it is whole.
    pub lenders: Vec<String>,
    /// Why it cannot be used, if it can't.
    pub problem: Option<String>,
    /// Whether it is loaded, on its way, or neither.
    pub state: ModelState,
}

impl Model {
    /// A model with an example that suits it. The first start's seed is one whose picture was seen to be good.
    pub fn new(name: impl Into<String>, description: impl Into<String>, defaults: &Defaults) -> Self {
        let name = name.into();
        let example = Draft {
            prompt: "red apple".into(),
            model: name.clone(),
            sampler: defaults.sampler,
            schedule: defaults.schedule,
            steps: defaults.steps,
            guidance_scale: defaults.guidance_scale,
            extent: defaults.extent,
            ..Draft::default()
        };
        Self {
            name,
            description: description.into(),
            example,
            guessed: None,
            details: None,
            skips_layers: false,
            hash: None,
            edits: false,
            vaes: Vec::new(),
            lenders: Vec::new(),
            problem: None,
            state: ModelState::OnDisk,
        }
    }

    /// The VAE of this name, or of this file name, as A1111 calls it.
    pub fn vae(&self, name: &str) -> Option<&KnownVae> {
        self.vaes.iter().find(|vae| vae.is_called(name))
    }

    /// A model that cannot be used, and why.
    pub fn unusable(name: impl Into<String>, description: impl Into<String>, problem: impl Into<String>) -> Self {
        let (name, description) = (name.into(), description.into());
        let example = Draft { model: name.clone(), ..Draft::default() };
        Self {
            name,
            description,
            example,
            guessed: None,
            details: None,
            skips_layers: false,
            hash: None,
            edits: false,
            vaes: Vec::new(),
            lenders: Vec::new(),
            problem: Some(problem.into()),
            state: ModelState::OnDisk,
        }
    }
}

/// A VAE that models can paint with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVae {
    /// Its name, as in requests.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The hash by which A1111 names it, once it was read.
    pub hash: Option<String>,
}

impl KnownVae {
    /// Whether a request or a picture's text means it by this.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.path.file_name().is_some_and(|file| file == name)
    }
}

/// What to choose a model by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Its family and what it is for, as people call them.
    pub kind: String,
    /// In which numbers most of its weights are stored.
    pub stored: &'static str,
    /// How many bytes its weights have on disk.
    pub bytes: u64,
    /// How many they have as they are read, with what it takes from another model.
    pub weights: WeightBytes,
    /// How many channels the finest layers of its VAE have.
    pub vae_width: usize,
    /// Where it lies.
    pub path: PathBuf,
    /// The picture that is kept with it.
    pub preview: Option<PathBuf>,
}

impl Details {
    /// The bytes of memory that painting a picture of this size takes, about, with the networks multiplying in `precision`.
    pub fn memory(&self, extent: Extent, precision: Precision) -> u64 {
        self.weights.needed(extent, self.vae_width, precision)
    }
}

/// How far a model is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ModelState {
    /// Not asked for.
    OnDisk,
    /// The engine reads it.
    Loading,
    /// Ready.
    Loaded {
        /// How long it took to load.
        seconds: f64,
    },
    /// It could not be loaded; a notice says why.
    Failed,
}
