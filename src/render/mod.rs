//! Shows a document through wgpu. Pixels are decided elsewhere, on the CPU: what goes wrong here is seen, never saved.
//!
//! [`CanvasPicture`] keeps what the GPU is to hold and queues only what changed; [`CanvasPaint`] is one frame of it inside
//! egui's render pass. Each shader in shaders/ has a twin of the same name here that computes one pixel of it on the CPU.

pub mod canvas;
mod damage;
mod gpu;
mod kept;
mod levels;
mod shaders;
mod spline;
mod uploads;

pub use gpu::{CanvasPaint, install, is_fast};
pub use kept::KeptWindow;
pub use levels::{Content, Slot, Upload};
pub use shaders::{SHADERS, Shader};
pub use uploads::CanvasPicture;
