//! What pictures and words mean, as far as a CLIP has learnt it (Radford et al. 2021): both become unit vectors, and the cosine of
//! two of them tells how well they belong together.

mod embedding;
mod eye;

pub use embedding::Embedding;
pub use eye::{Eye, Seen};

use crate::checkpoints::{Clip, Preprocessing};
use crate::geom::{Bounds, Extent};
use crate::networks::read_numbers;
use crate::pixels::Picture;
use candle_core::Tensor;

/// Why something could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The words cannot be cut into tokens.
    #[error(transparent)]
    Words(#[from] crate::prompt::Error),
    /// A picture without pixels.
    #[error("the picture has no pixels: choose another")]
    Empty,
    /// The encoder broke off.
    #[error("the CLIP broke off ({0}): choose another")]
    Network(String),
    /// What came out is no direction.
    #[error("the CLIP's numbers are not finite: its weights are damaged, copy or download its folder anew")]
    NotFinite,
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

/// What a text says. One that is longer than the CLIP reads counts as far as it reads.
pub fn of_words(clip: &Clip, text: &str) -> Result<Embedding, Error> {
    let length = clip.network.context_length();
    let ids = clip.tokenizer.encode(text, length)?.ids;
    let ids = Tensor::from_vec(ids, (1, length), &clip.device)?;
    Embedding::new(read_numbers(&clip.network.embed_texts(&ids)?)?).ok_or(Error::NotFinite)
}

/// What is in a picture. What is transparent counts as white; what a square in the middle leaves out at the long sides is not seen.
pub fn of_picture(clip: &Clip, picture: &Picture) -> Result<Embedding, Error> {
    if picture.extent().is_empty() {
        return Err(Error::Empty);
    }
    let side = clip.preprocessing.crop as usize;
    let rgb = Tensor::from_vec(preprocessed(picture, &clip.preprocessing), (1, 3, side, side), &clip.device)?;
    Embedding::new(read_numbers(&clip.network.embed_pictures(&rgb)?)?).ok_or(Error::NotFinite)
}

/// The picture (3, S, S) as the image encoder takes it: laid on white, resized, cropped, normalised, as transformers'
/// `CLIPImageProcessorPil` does with an opaque one. It must have pixels.
pub fn preprocessed(picture: &Picture, how: &Preprocessing) -> Vec<f32> {
    let Extent { width, height } = picture.extent();
    let shorter = u64::from(width.min(height));
    let scaled = |side: u32| (u64::from(side) * u64::from(how.shorter_side) / shorter) as u32;
    let to = Extent::new(scaled(width), scaled(height));
    let left_over = |side: u32| (side - how.crop) / 2;
    let crop = Extent::new(how.crop, how.crop);
    let middle = Bounds { left: left_over(to.width), top: left_over(to.height), extent: crop };
    let middle = picture.flattened().resized_bicubic(to, middle);
    let channel = |channel: usize| {
        let (mean, std) = (how.mean[channel], how.std[channel]);
        middle.rgba().iter().skip(channel).step_by(4).map(move |&value| (f32::from(value) / 255.0 - mean) / std)
    };
    (0..3).flat_map(channel).collect()
}
