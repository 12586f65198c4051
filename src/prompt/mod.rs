//! From prompt to token ids.

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

/// CLIP's tokenizer.
pub struct Tokenizer;

impl Tokenizer {
    /// Cuts `text` into exactly `length` tokens.
    pub fn encode(&self, _text: &str, _length: usize) -> Result<Tokens, Error> {
        unimplemented!("follows")
    }
}

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {}
