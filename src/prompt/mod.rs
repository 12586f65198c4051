//! From prompt to token ids: which words count at which step ([`at_each_step`]), what each weighs ([`weighted`]), and CLIP's
//! lower-casing byte-level BPE (Radford et al. 2021) in chunks as long as a text encoder takes.
//!
//! Han characters get spaces around them before anything else, so that 红苹果 is read as three words and not as one that no
//! vocabulary has; tokenizer.json cannot be relied on for that.

mod builtin;
mod chunks;
mod files;
mod nudge;
mod spacing;
mod steps;
mod styles;
mod tags;
mod taught;
mod together;
mod weights;
mod wildcards;

pub use builtin::Fill;
pub use chunks::{Chunk, Chunks, Spelled};
pub use nudge::nudged;
pub use steps::{at_each_step, plain};
pub use styles::Style;
pub use tags::{LoraTag, loras, names, without_tags};
pub use taught::TaughtWords;
pub use together::together;
pub use weights::{Part, weighted, weighted_absolutely};
pub use wildcards::Wildcards;

use spacing::Spaced;
use std::path::PathBuf;

/// What a text became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Begin, the text, end, padding: exactly the length that was asked for.
    pub ids: Vec<u32>,
    /// The end of the text that did not fit.
    pub truncated: Option<String>,
    /// Pieces of the text that the vocabulary has no token for.
    pub unknown: Vec<String>,
}

/// A text cut into tokens.
struct Pieces {
    ids: Vec<u32>,
    /// Where each begins in the text.
    starts: Vec<usize>,
    /// What of the text there are no tokens for.
    unknown: Vec<String>,
}

/// CLIP's tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    begin: u32,
    end: u32,
    pad: u32,
    unknown: Option<u32>,
}

impl Tokenizer {
    /// Cuts `text` into tokens, `length` in all: begin, as many of the text's as fit, end, padding. `length` is at least 2.
    pub fn encode(&self, text: &str, length: usize) -> Result<Tokens, Error> {
        let Pieces { ids: all, starts, unknown } = self.pieces(text)?;
        let kept = all.len().min(length.saturating_sub(2));
        let truncated = starts.get(kept).map(|&start| text[start..].trim().to_owned());
        let mut ids = Vec::with_capacity(length);
        ids.push(self.begin);
        ids.extend_from_slice(&all[..kept]);
        ids.push(self.end);
        ids.resize(length.max(2), self.pad);
        Ok(Tokens { ids, truncated, unknown })
    }

    /// The tokens of a text, and nothing around them.
    fn pieces(&self, text: &str) -> Result<Pieces, Error> {
        let spaced = Spaced::new(text);
        let encoding =
            self.inner.encode(spaced.text.as_str(), false).map_err(|error| Error::Encode(error.to_string()))?;
        let (ids, offsets) = (encoding.get_ids(), encoding.get_offsets());
        let unknown = ids
            .iter()
            .zip(offsets)
            .filter(|(id, _)| Some(**id) == self.unknown)
            .map(|(_, (start, end))| spaced.original(text, *start, *end).trim().to_owned())
            .filter(|piece| !piece.is_empty() && self.inner.token_to_id(piece) != self.unknown)
            .collect();
        let start = |&(start, _): &(usize, usize)| text.len() - spaced.original(text, start, spaced.text.len()).len();
        Ok(Pieces { ids: ids.to_vec(), starts: offsets.iter().map(start).collect(), unknown })
    }

    /// The token that begins a text.
    pub fn begin(&self) -> u32 {
        self.begin
    }

    /// The token that ends a text.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// The largest id that it can give.
    pub fn largest_id(&self) -> u32 {
        self.inner.get_vocab(true).into_values().max().unwrap_or(0)
    }
}

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none in the folder.
    #[error("there is no tokenizer.json, nor vocab.json and merges.txt: copy them from where the model came from, into {}", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read.
    #[error("the tokenizer's file cannot be read ({source}): {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("the tokenizer's file is damaged ({reason}); fetch it anew: {}", path.display())]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A token that every text needs is not in the vocabulary.
    #[error("the tokenizer has no token {token}, which {role}; its files do not belong together: {}", path.display())]
    MissingToken {
        /// Which token.
        token: String,
        /// What for.
        role: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A tag whose weights are no numbers.
    #[error(
        "the tag {0} cannot be followed: a LoRA is added by <lora:NAME:WEIGHT>, with a number of at most 100 as the weight"
    )]
    Tag(String),
    /// Something that a prompt leaves open cannot be chosen.
    #[error("the prompt cannot be completed: {0}")]
    Wildcard(String),
    /// A file of styles cannot be used.
    #[error("the styles cannot be read ({reason}): {}", path.display())]
    Styles {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A text cannot be cut into tokens.
    #[error("the prompt cannot be cut into tokens ({0}): write it differently")]
    Encode(String),
}
