//! Pictures and masks on the CPU: the only place where a pixel is decided. Image files enter and leave here, with the texts
//! that are written into them.

mod bicubic;
mod composite;
mod edges;
mod error;
mod feather;
mod fill;
mod grow;
mod mask;
mod picture;
mod read;
mod rough;
mod seam;
mod texts;
mod write;

pub use bicubic::cubic;
pub use composite::composite;
pub use edges::edges;
pub use error::Error;
pub use mask::Mask;
pub use picture::Picture;
pub use texts::{read_texts, texts_in};
pub use write::Format;
