use super::Request;
use crate::pixels::Picture;
use candle_core::Tensor;
use std::sync::Arc;

/// What a run is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading weights.
    LoadModel,
    /// Turning words into conditioning.
    EncodePrompt,
    /// Turning the starting picture into a latent.
    EncodePicture,
    /// Removing noise.
    Sample,
    /// Turning the latent into pixels.
    Decode,
    /// Enlarging the picture.
    Upscale,
}

/// How a running job is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Decode what there is and keep it.
    Keep,
    /// Throw it away, without decoding.
    Discard,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A phase begins.
    Phase(Phase),
    /// The text encoder's output for the prompt and the negative prompt, and the noise the run starts from.
    Start {
        /// (B, N, C): the prompt's conditioning, after the negative prompt's where guidance is on (B = 2).
        conditioning: &'a Tensor,
        /// (1, C, H/8, W/8), standard deviation 1.
        noise: &'a Tensor,
    },
    /// A step was made.
    Step {
        /// Which one, from 0.
        index: u32,
        /// How many will be made.
        count: u32,
        /// The sigma that the step started from.
        sigma: f64,
        /// The noisy latent that the step started from.
        x: &'a Tensor,
        /// The estimate of the clean latent.
        denoised: &'a Tensor,
    },
    /// The finished latent, before it is decoded.
    Latent(&'a Tensor),
    /// The next block of the VAE is to be computed, while a picture becomes a latent or a latent a picture.
    Block,
    /// A piece of the picture is to be enlarged.
    Piece {
        /// Which one, from 0.
        index: u32,
        /// How many there are.
        count: u32,
    },
}

/// A picture and how it came about.
#[derive(Clone, Debug)]
pub struct Painted {
    /// The picture.
    pub picture: Arc<Picture>,
    /// The request it answers.
    pub request: Box<Request>,
    /// How many steps were made.
    pub steps_made: u32,
    /// From start to finished pixels, without loading the model.
    pub seconds: f64,
    /// What the person should know: a prompt that was cut, words that the model does not know.
    pub notes: Vec<String>,
}

/// How a run ended, when nothing went wrong.
#[derive(Clone, Debug)]
pub enum Ending {
    /// All steps were made.
    Finished(Painted),
    /// Stopped early and kept.
    Stopped(Painted),
    /// Stopped early and thrown away.
    Discarded,
}
