//! What the networks spend their time in, as few semantic operations. A network says *what* is to be computed (a convolution
//! with its bias, an attention, a norm followed by an activation); how is decided here alone, so that a faster way of doing
//! it, on whatever device, changes no network. Pictures are channels last in here, (B, H, W, C), so that a pixel is a row of a
//! matrix and a token alike and nothing is ever transposed between operations.
//!
//! On the CPU the kernels in `cpu` compute; on other devices, and for weights that are being trained, candle does, in f32 or f16. In f16 what goes
//! from layer to layer is f16, but all sums of products are of f32: candle's matrix products and its softmax add up so on CUDA and Metal, and norms are computed in f32 here. Every
//! operation gives the same bytes whatever the number of threads: work is cut along outputs by shape, never along a sum.

#![expect(clippy::needless_pass_by_value, reason = "weights are a handle: `pp` makes one for each layer")]

mod activation;
mod attention;
mod conv;
mod cpu;
mod device;
#[cfg(test)]
pub(crate) mod half_tests;
mod host;
mod items;
mod layout;
mod linear;
mod merging;
mod norm;
mod weights;

pub use activation::{Activation, Rectifier};
pub use attention::{Mask, attention};
pub use conv::{Conv2d, Padding};
pub use cpu::{Form, Kept, Section, packing};
pub use device::{MOST_AT_ONCE_ON_GPU, is_out_of_memory, read_numbers};
pub use host::{BYTES, activations, computes_f16, multiplies_bf16, multiplies_bytes};
pub use items::by_items;
pub use layout::{concatenate, enlarged, pixel_shuffle, pixel_unshuffle, to_channels_first, to_channels_last};
pub use linear::{Embedding, GatedLinear, Linear};
pub use merging::Merging;
pub use norm::{GroupNorm, LayerNorm, Measured};
pub use weights::{Keep, Weights};
