use super::Precision;
use crate::geom::Extent;
use crate::networks::is_out_of_memory;
use crate::pixels::Picture;

/// Why a picture could not be painted, in words for the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed, as where a model's parts do not fit together.
    #[error("the network could not compute: {0}")]
    Compute(#[source] candle_core::Error),
    /// A GPU has no memory left.
    #[error(
        "the GPU has too little memory for this: choose a smaller size or model, close what else uses it, or compute on the CPU \
         (`--device cpu`)"
    )]
    OutOfMemory(#[source] candle_core::Error),
    /// The weights of a network could not be loaded.
    #[error(transparent)]
    Model(#[from] crate::checkpoints::Error),
    /// What was painted in does not fit.
    #[error(transparent)]
    Invalid(#[from] super::Invalid),
    /// The prompt could not be read.
    #[error("the prompt cannot be read by this model: {0}")]
    Prompt(#[from] crate::prompt::Error),
    /// NaN or infinity, seen where the sigma is known; [`Error::NotFinite`] says which step that was.
    #[error("the network gave something that is not a number at sigma {sigma:.3}")]
    NetworkNotFinite {
        /// The sigma it was called with.
        sigma: f64,
    },
    /// NaN or infinity in a step.
    #[error(
        "the network gave something that is not a number in step {step} of {count} (sigma {sigma:.3}): try {}a lower guidance \
         scale or another sampler; if it stays, the weights are damaged or in a precision this device cannot compute with",
        unless_f32(*precision, "f32 as the precision, ")
    )]
    NotFinite {
        /// Which step, from 1.
        step: usize,
        /// How many there are.
        count: usize,
        /// The sigma the network was called with.
        sigma: f64,
        /// What it multiplies in.
        precision: Precision,
    },
    /// NaN or infinity outside the steps.
    #[error(
        "{part} gave something that is not a number: {}its weights are damaged or in a precision this device cannot compute with",
        unless_f32(*precision, "try f32 as the precision; if it stays, ")
    )]
    PartNotFinite {
        /// Which part of the model.
        part: &'static str,
        /// What it multiplied in at last.
        precision: Precision,
    },
    /// A size the model has no latent for.
    #[error("this model paints sizes whose sides are multiples of {multiple}, not {extent}: choose {}", extent.rounded_to(*multiple))]
    Extent {
        /// The size asked for.
        extent: Extent,
        /// What both sides must be a multiple of.
        multiple: u32,
    },
    /// A text encoder of fewer layers.
    #[error(
        "the model's text encoder has {depth} layers, so there is no layer {clip_skip} from its end: choose a clip skip between 1 and {depth}"
    )]
    ClipSkip {
        /// What was asked for.
        clip_skip: u32,
        /// How many there are.
        depth: usize,
    },
    /// A model that edits pictures, and none to edit.
    #[error(
        "this model edits a picture as the prompt says, and there is none: open a picture, or name one (`--image FILE`)"
    )]
    NoPictureToEdit,
    /// A run without the upscaler that its request names.
    #[error("the upscaler {0} is not loaded")]
    NoUpscaler(String),
    /// A run without the `ControlNet` that its request names.
    #[error("the ControlNet {0} is not loaded")]
    NoControlNet(String),
    /// A `ControlNet` for another kind of model.
    #[error("the ControlNet {name} does not fit this model: {reason}; choose one for this model, or paint without")]
    ControlNetMisfit {
        /// Its name.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// A picture too large to be enlarged so much.
    #[error(
        "this picture is {extent} and would become {largest} on the way, but at most {side} pixels a side and {mega} million in all \
         are taken: choose a smaller scale or picture",
        side = Picture::MAX_SIDE, mega = Picture::MAX_AREA / 1_000_000
    )]
    TooLarge {
        /// Its size.
        extent: Extent,
        /// The largest size that the network would make of it.
        largest: Extent,
    },
    /// The trace could not be written.
    #[error("the trace was not written: {0}")]
    Trace(#[from] crate::files::SaveError),
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        if is_out_of_memory(&error) { Self::OutOfMemory(error) } else { Self::Compute(error) }
    }
}

/// What is a way out only where it was not computed in f32 already.
fn unless_f32(precision: Precision, words: &'static str) -> &'static str {
    if precision == Precision::F32 { "" } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_not_said_in_the_words_of_the_driver() {
        let said = |words: &str| Error::from(candle_core::Error::msg(words)).to_string();
        let short = said("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
        assert!(short.starts_with("the GPU has too little memory for this: ") && !short.contains("CUDA"), "{short}");
        assert!(said("shape mismatch").contains("shape mismatch"));
    }

    #[test]
    fn f32_is_a_way_out_of_numbers_too_large_where_it_was_not_computed_in_already() {
        for &precision in Precision::ALL {
            let errors = [
                Error::NotFinite { step: 1, count: 4, sigma: 2.0, precision },
                Error::PartNotFinite { part: "the text encoder", precision },
            ];
            for said in errors.map(|error| error.to_string()) {
                assert_eq!(said.contains("try f32 as the precision"), precision != Precision::F32, "{said}");
            }
        }
    }
}
