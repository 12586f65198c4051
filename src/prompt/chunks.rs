//! Prompts of any length: cut into chunks that a text encoder takes one by one, as stable-diffusion-webui 1.10 does
//! (`sd_hijack_clip.tokenize_line`).

use super::weights::{Part, weighted};
use super::{Error, Tokenizer};

/// How far back a chunk is cut at a comma, in tokens, so that what belongs together stays together.
const BACKTRACK: usize = 20;

/// What a text encoder takes at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Begin, tokens, end, padding: as many as were asked for.
    pub ids: Vec<u32>,
    /// What each of them weighs.
    pub weights: Vec<f32>,
}

/// A whole prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunks {
    /// At least one.
    pub chunks: Vec<Chunk>,
    /// Pieces of the text that the vocabulary has no token for.
    pub unknown: Vec<String>,
}

impl Tokenizer {
    /// Cuts a prompt with its weights into chunks of `length` tokens, which is at least 3. A chunk that is full ends behind a comma
    /// if there is one among its last twenty tokens; `BREAK` ends one anywhere.
    pub fn chunks(&self, text: &str, length: usize) -> Result<Chunks, Error> {
        let room = length.saturating_sub(2).max(1);
        let comma = self.inner.token_to_id(",</w>");
        let (mut chunks, mut unknown) = (Vec::new(), Vec::new());
        // Of the chunk that is being filled: tokens and weights, and where it may be cut.
        let mut open: Vec<(u32, f32)> = Vec::with_capacity(room);
        let mut cut = None;
        for part in weighted(text) {
            let Part::Text(text, weight) = part else {
                chunks.push(std::mem::take(&mut open));
                cut = None;
                continue;
            };
            let pieces = self.pieces(&text)?;
            unknown.extend(pieces.unknown);
            for id in pieces.ids {
                let is_comma = Some(id) == comma;
                if open.len() < room {
                    cut = if is_comma { Some(open.len() + 1) } else { cut };
                } else {
                    // A comma of its own begins the next chunk; before other tokens what follows the last comma goes along.
                    let at = cut.take().filter(|cut| !is_comma && room - cut < BACKTRACK).unwrap_or(room);
                    let rest = open.split_off(at);
                    chunks.push(std::mem::replace(&mut open, rest));
                }
                open.push((id, weight as f32));
            }
        }
        if !open.is_empty() || chunks.is_empty() {
            chunks.push(open);
        }
        Ok(Chunks { chunks: chunks.into_iter().map(|tokens| self.chunk(&tokens, room + 2)).collect(), unknown })
    }

    fn chunk(&self, tokens: &[(u32, f32)], length: usize) -> Chunk {
        let (ids, weights): (Vec<u32>, Vec<f32>) = tokens.iter().copied().unzip();
        let mut chunk =
            Chunk { ids: [&[self.begin], &ids[..], &[self.end]].concat(), weights: [&[1.0], &weights[..]].concat() };
        chunk.ids.resize(length, self.pad);
        chunk.weights.resize(length, 1.0);
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn tokenizer() -> Tokenizer {
        Tokenizer::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto/tokenizer")).unwrap()
    }

    /// How many tokens of the text are in each chunk, by the place of the end.
    fn lengths(text: &str, length: usize) -> Vec<usize> {
        let tokenizer = tokenizer();
        let chunks = tokenizer.chunks(text, length).unwrap().chunks;
        for chunk in &chunks {
            assert_eq!((chunk.ids.len(), chunk.weights.len(), chunk.ids[0]), (length, length, tokenizer.begin()));
        }
        chunks.iter().map(|chunk| chunk.ids.iter().position(|&id| id == tokenizer.end()).unwrap() - 1).collect()
    }

    #[test]
    fn a_long_prompt_fills_chunks_and_is_cut_behind_a_comma() {
        // "red" is one token: 8 of them and room for 5.
        assert_eq!(lengths(&["red"; 8].join(" "), 7), [5, 3]);
        assert_eq!(lengths("red red red, red red red red", 7), [4, 4]);
        assert_eq!(lengths("red red red red red, red", 7), [5, 2], "a comma of its own begins the next chunk");
        // A comma further back than twenty tokens does not count.
        assert_eq!(lengths(&("red, ".to_owned() + &["red"; 30].join(" ")), 32), [30, 2]);
        assert_eq!(lengths(&(["red"; 9].join(" ") + ", " + &["red"; 30].join(" ")), 32), [30, 10]);
        assert_eq!(lengths(&(["red"; 10].join(" ") + ", " + &["red"; 30].join(" ")), 32), [11, 30]);
        assert_eq!(lengths("", 7), [0]);
        assert_eq!(lengths("red BREAK red red", 7), [1, 2]);
    }

    #[test]
    fn weights_stand_where_their_tokens_stand() {
        let Chunks { chunks, unknown } = tokenizer().chunks("red (apple:1.5), 红", 8).unwrap();
        assert_eq!(chunks[0].weights, [1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!((chunks.len(), unknown.len()), (1, 0));
        let plain = tokenizer().chunks("red apple, 红", 8).unwrap();
        assert_eq!(chunks[0].ids, plain.chunks[0].ids);
        assert_eq!(chunks[0].ids, tokenizer().encode("red apple, 红", 8).unwrap().ids);
    }
}
