//! What is done where a GPU has too little memory, however much it was thought to need: what is held is given back, and what is tried after that takes
//! less of it.

use super::Studio;
use crate::diffusion::Request;
use crate::engine::Error;
use crate::{checkpoints, diffusion};

/// Whether this says that a GPU has too little memory, or does not take weights, for which it hardly has another reason.
fn is_short_of_memory(error: &Error) -> bool {
    matches!(
        error,
        Error::Model(checkpoints::Error::Device { .. })
            | Error::Paint(
                diffusion::Error::OutOfMemory(_) | diffusion::Error::Model(checkpoints::Error::Device { .. })
            )
    )
}

/// The pixels of what a request paints or enlarges, whichever are more.
fn pixels(request: &Request) -> usize {
    request.extent.area().max(request.picture_extent().area())
}

/// What is told of a picture whose model was loaded in parts.
pub(super) fn told_of_parts(ran_out: bool) -> &'static str {
    if ran_out {
        "the GPU has too little memory for this and all of the model, so each part of the model was loaded when it was needed and freed \
         after: choose a smaller size or model to paint the next picture sooner"
    } else {
        "memory is short, so each part of the model was loaded when it was needed and freed after: close other programs to \
         paint the next picture sooner"
    }
}

impl Studio {
    /// Waits until nothing is left to do on the device, and takes away what failed there: Metal tells of work that it could not do to whoever waits next,
    /// also if that is another picture, and keeps what nobody uses any more until somebody waits without such news.
    pub(super) fn settle(&self) {
        if let Err(error) = self.device.synchronize() {
            tracing::debug!("the device tells of what failed before: {error}");
        }
    }

    /// Does some work. Where a GPU has too little memory for it, it is done once more without what is held beside it.
    pub(super) fn with_room<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        match work(self) {
            Err(error) if is_short_of_memory(&error) => {
                tracing::debug!("once more, with nothing else in memory: {error}");
                self.give_back();
                work(self)
            }
            result => result,
        }
    }

    /// Whether a GPU had too little memory for such a picture, or a smaller one, beside all of the loaded model.
    pub(super) fn ran_out_with(&self, request: &Request) -> bool {
        self.ran_out_at.is_some_and(|least| pixels(request) >= least)
    }

    /// Remembers that, if it is what failed, and makes room for the next try.
    pub(super) fn learn_from(&mut self, error: &Error, request: &Request) {
        if is_short_of_memory(error) {
            let least = self.ran_out_at.unwrap_or(usize::MAX);
            self.ran_out_at = Some(least.min(pixels(request)));
            self.give_back();
        }
    }

    /// Frees the memory of all that a picture is made with until it is asked for again. From then on the model is loaded in parts, unless it turns out
    /// before a picture that all of it fits. The CLIP stays, which is not to be another one than what it saw was kept by.
    pub(super) fn give_back(&mut self) {
        self.settle();
        if let Some((.., model)) = &self.loaded {
            model.give_back();
        }
        self.tiny_vae = None;
        self.upscaler = None;
        self.controlnet = None;
        self.sparing = true;
        // Only now nobody uses it.
        self.settle();
    }
}
