//! The networks: pure `Config -> new(&config, weights) -> forward`, laid out and named as diffusers and transformers do, so that
//! their files load as they are.
//!
//! They are our own, on candle's tensors: a config decides every shape, and what a config asks for that is not built here is an
//! error that names the field. What they are given and what they give is f32, whatever they compute in. The numbers are held against
//! diffusers and transformers in `tests/networks_match_diffusers.rs`.

#![expect(clippy::needless_pass_by_value, reason = "weights are a handle: `pp` makes one for each layer")]

mod clip;
mod clip_image;
mod clip_layers;
mod clip_text;
mod fields;
#[cfg(test)]
mod half_tests;
mod resnet;
mod unet;
mod upscaler;
mod vae;

pub use crate::kernels::{
    Activation, BYTES, Form, Keep, Kept, MOST_AT_ONCE_ON_GPU, Section, Weights, computes_f16, is_out_of_memory,
    multiplies_bf16, multiplies_bytes, packing, read_numbers,
};
pub use clip::{Clip, ClipConfig};
pub use clip_image::{ClipImage, ClipImageConfig};
pub use clip_layers::ClipLayersConfig;
pub use clip_text::{ClipText, ClipTextConfig, Encoded, Learned, Output, Read};
pub use fields::ConfigError;
pub(crate) use fields::Fields;
pub use unet::{About, Addition, Control, ControlNet, ControlNetConfig, Deep, Level, Middle, UNet, UNetConfig, Words};
pub use upscaler::{CompactConfig, NotAnUpscaler, RrdbConfig, Shapes, Spelling, UpscalerConfig, UpscalerNetwork};
pub use vae::{AutoencoderKl, AutoencoderKlConfig, AutoencoderTiny, AutoencoderTinyConfig, GoesOn, Vae, VaeConfig};
