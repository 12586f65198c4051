//! From files to networks: what is in a folder, whether it is whole, which facts its configs state, and the networks with
//! their weights. Nothing here is about one model: what a diffusers folder or a checkpoint's header says decides.

mod clip;
mod controlnet;
pub mod download;
mod elsewhere;
mod error;
mod families;
mod folder;
mod gguf;
mod hashes;
mod header;
mod held;
mod ldm;
mod learned;
mod library;
mod lora;
mod memory;
mod model;
mod open_clip;
mod pickle;
mod places;
mod precision;
mod preview;
mod renamed;
mod suggestion;
mod torch;
mod training;
mod upscaler;
mod weights;

pub use crate::networks::ControlNet;
pub use clip::{Clip, ClipEntry, ClipSummary, Preprocessing};
pub use controlnet::{ControlNetEntry, ControlNetSummary, load_controlnet};
pub use error::Error;
pub use families::{FAMILIES, Family};
pub use hashes::Hashes;
pub use held::Held;
pub use learned::{LearnedWord, LearnedWordEntry, LearnedWordSummary};
pub use library::{Library, ModelEntry, Summary};
pub use lora::{Lora, LoraEntry, LoraSummary, LoraWeights};
pub use memory::memory_needed;
pub use model::{Format, Model, Parts, TextEncoder, tokenizer};
pub use precision::Precision;
pub use preview::LatentToRgb;
pub use suggestion::Suggestion;
pub use training::{Prediction, PredictionSource, Spacing, Training};
pub use upscaler::{Upscaler, UpscalerEntry, UpscalerSummary};
