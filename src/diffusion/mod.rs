//! From a [`Request`] to a picture: seeded noise, a schedule of sigmas, a sampler that walks it, and wrappers around the
//! network ([`Denoiser`]s) that add guidance and inpainting.
//!
//! Everything is written in terms of sigma, the standard deviation of the noise in a latent whose clean part is not scaled
//! (Karras et al. 2022, "variance exploding"); a model's own scaling and its timesteps are known to [`Network`] alone.

mod beside;
mod conditioning;
mod control;
mod defaults;
mod denoiser;
mod differential;
mod error;
mod hints;
mod inpainting;
mod input;
mod latent;
mod names;
mod noise;
mod pipeline;
mod place;
mod progress;
mod regions;
mod reproduce;
mod request;
mod sampler;
mod savings;
mod schedule;
mod trace;
mod tuning;
mod upscale;

pub use conditioning::is_of_words;
pub use control::{Control, Preprocessor};
pub use defaults::Defaults;
pub use denoiser::{Denoiser, Guided, Network, Prediction, Rescale};
pub use error::Error;
pub use hints::{Hint, Incoming};
pub use inpainting::Inpainting;
pub use input::{Input, Region};
pub use latent::{fine_preview, preview};
pub use names::{Emphasis, MaskedContent, NoiseSource, Program, SamplerName, ScheduleName};
pub use noise::Noise;
pub use pipeline::{Extras, OnProgress, paint};
pub use place::{Place, extent_to_paint};
pub use progress::{Ending, Painted, Phase, Progress, Stop};
pub use reproduce::{Batch, Reproduce, StepCounts, Variation};
pub use request::{Borrowed, Invalid, Record, Request, Upscale, last_layer};
pub use sampler::{Draw, Enter, OnStep, Step, Walk, sample};
pub use savings::Savings;
pub use schedule::{TrainingSigmas, sigmas, sigmas_for};
pub use trace::Trace;
pub use tuning::Tuning;
pub use upscale::{MAX_FACTOR, times, upscale};

pub use crate::checkpoints::Precision;
pub use crate::networks::is_out_of_memory;
