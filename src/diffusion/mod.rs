//! From a [`Request`] to a picture: seeded noise, a schedule of sigmas, a sampler that walks it, and wrappers around the
//! network ([`Denoiser`]s) that add guidance and inpainting.

mod progress;
mod request;

pub use progress::{Ending, Painted, Phase, Progress, Stop};
pub use request::{Input, Invalid, Record, Request, SamplerName, ScheduleName};
