//! Pictures and masks on the CPU: the only place where a pixel is decided. Image files enter and leave here.

mod mask;
mod picture;

pub use mask::Mask;
pub use picture::Picture;
