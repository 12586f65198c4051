//! What the networks spend their time in, as few semantic operations. A network says *what* is to be computed (a convolution
//! with its bias, an attention, a norm followed by an activation); how is decided here alone, so that a faster way of doing
//! it, on whatever device, changes no network. Every operation gives the same bytes whatever the number of threads: work is
//! cut along outputs by shape, never along a sum.

#![expect(clippy::needless_pass_by_value, reason = "a VarBuilder is a handle: `pp` makes one for each layer")]

mod activation;
mod attention;
mod conv;
mod linear;
mod norm;

pub use activation::{Activation, geglu};
pub use attention::{Mask, attention};
pub use conv::{Conv2d, Padding, upsample_nearest};
pub use linear::{Embedding, Linear};
pub use norm::{GroupNorm, LayerNorm};
