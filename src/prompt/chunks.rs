//! Prompts of any length: cut into chunks that a text encoder takes one by one, as stable-diffusion-webui 1.10 does
//! (`sd_hijack_clip.tokenize_line`).

use super::weights::Part;
use super::{Error, Pieces, Tokenizer};

/// How far back a chunk is cut at a comma, in tokens, so that what belongs together stays together.
const BACKTRACK: usize = 20;

/// How a word is written that stands for vectors of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// Its tokens, at least one.
    pub ids: Vec<u32>,
    /// In the place of how many tokens it stands: at least 1, and no more than a chunk has room for.
    pub vectors: usize,
    /// Which word it is, by a number of the caller's.
    pub word: usize,
}

/// What a text encoder takes at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Begin, tokens, end, padding: as many as were asked for.
    pub ids: Vec<u32>,
    /// What each of them weighs.
    pub weights: Vec<f32>,
    /// Where words with vectors of their own begin, and which: what `ids` has there means nothing.
    pub learned: Vec<(usize, usize)>,
}

/// A token of the text.
#[derive(Clone, Copy)]
struct Token {
    id: u32,
    weight: f32,
    /// The word whose vectors begin here.
    learned: Option<usize>,
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
    /// Cuts a prompt, parted by its weights, into chunks of `length` tokens, which is at least 3. A chunk that is full ends behind a comma
    /// if there is one among its last twenty tokens; `BREAK` ends one anywhere. Where one of `words` is written, the longest if several are, it
    /// stands whole in one chunk.
    pub fn chunks(&self, parts: Vec<Part>, length: usize, words: &[Spelled]) -> Result<Chunks, Error> {
        let room = length.saturating_sub(2).max(1);
        let comma = self.inner.token_to_id(",</w>");
        let (mut chunks, mut unknown) = (Vec::new(), Vec::new());
        // Of the chunk that is being filled: its tokens, and where it may be cut.
        let mut open: Vec<Token> = Vec::with_capacity(room);
        let mut cut = None;
        for part in parts {
            let Part::Text(text, weight) = part else {
                chunks.push(std::mem::take(&mut open));
                cut = None;
                continue;
            };
            let pieces = self.pieces(&text)?;
            unknown.extend(pieces.unknown);
            let mut rest = pieces.ids.as_slice();
            while let [id, ..] = *rest {
                let written = words.iter().filter(|word| rest.starts_with(&word.ids)).max_by_key(|word| word.ids.len());
                let is_comma = written.is_none() && Some(id) == comma;
                if open.len() < room {
                    cut = if is_comma { Some(open.len() + 1) } else { cut };
                } else {
                    // A comma of its own begins the next chunk; before other tokens what follows the last comma goes along.
                    let at = cut.take().filter(|cut| !is_comma && room - cut < BACKTRACK).unwrap_or(room);
                    let along = open.split_off(at);
                    chunks.push(std::mem::replace(&mut open, along));
                }
                let weight = weight as f32;
                let Some(Spelled { ids, vectors, word }) = written else {
                    open.push(Token { id, weight, learned: None });
                    rest = &rest[1..];
                    continue;
                };
                if open.len() + vectors > room {
                    chunks.push(std::mem::take(&mut open));
                    cut = None;
                }
                let learned = |index| (index == 0).then_some(*word);
                open.extend((0..*vectors).map(|index| Token { id: 0, weight, learned: learned(index) }));
                rest = &rest[ids.len()..];
            }
        }
        if !open.is_empty() || chunks.is_empty() {
            chunks.push(open);
        }
        Ok(Chunks { chunks: chunks.into_iter().map(|tokens| self.chunk(&tokens, room + 2)).collect(), unknown })
    }

    /// How many tokens a prompt takes of chunks of `length`: those of the last one and, as A1111's counter has it, all that the others have room
    /// for.
    pub fn count(&self, parts: Vec<Part>, length: usize) -> Result<usize, Error> {
        let chunks = self.chunks(parts, length, &[])?.chunks;
        let last = chunks.last().and_then(|chunk| chunk.ids.iter().position(|id| *id == self.end)).unwrap_or(1);
        Ok((chunks.len() - 1) * length.saturating_sub(2) + last - 1)
    }

    /// The tokens that a word is written with; none where the vocabulary lacks some of them.
    pub fn spelling(&self, word: &str) -> Result<Option<Vec<u32>>, Error> {
        let Pieces { ids, unknown, .. } = self.pieces(word)?;
        Ok(Some(ids).filter(|ids| !ids.is_empty() && unknown.is_empty()))
    }

    fn chunk(&self, tokens: &[Token], length: usize) -> Chunk {
        let (ids, weights): (Vec<u32>, Vec<f32>) = tokens.iter().map(|token| (token.id, token.weight)).unzip();
        let begins = tokens.iter().enumerate().filter_map(|(at, token)| Some((at + 1, token.learned?)));
        let mut chunk = Chunk {
            ids: [&[self.begin], &ids[..], &[self.end]].concat(),
            weights: [&[1.0], &weights[..]].concat(),
            learned: begins.collect(),
        };
        chunk.ids.resize(length, self.pad);
        chunk.weights.resize(length, 1.0);
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::super::weights::weighted;
    use super::*;
    use std::path::Path;

    fn tokenizer() -> Tokenizer {
        Tokenizer::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto/tokenizer")).unwrap()
    }

    /// How many tokens of the text are in each chunk, by the place of the end.
    fn lengths(text: &str, length: usize) -> Vec<usize> {
        let tokenizer = tokenizer();
        let chunks = tokenizer.chunks(weighted(text), length, &[]).unwrap().chunks;
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
    fn a_word_with_vectors_of_its_own_stands_whole_in_a_chunk() {
        let tokenizer = tokenizer();
        let spelled =
            |text: &str, vectors, word| Spelled { ids: tokenizer.spelling(text).unwrap().unwrap(), vectors, word };
        let words = [spelled("apple", 2, 7), spelled("apple car", 3, 8)];
        let placed = |text: &str| -> Vec<_> {
            let chunks = tokenizer.chunks(weighted(text), 6, &words).unwrap().chunks;
            chunks.into_iter().map(|chunk| (chunk.learned, chunk.weights)).collect()
        };
        assert_eq!(placed("red (Apple:1.5)"), [(vec![(2, 7)], vec![1.0, 1.0, 1.5, 1.5, 1.0, 1.0])]);
        assert_eq!(placed("apple car"), [(vec![(1, 8)], vec![1.0; 6])]);
        // Four tokens fit: the first has room for "red apple" and one more, and the second word begins the next.
        let plain = vec![1.0; 6];
        assert_eq!(placed("red apple apple"), [(vec![(2, 7)], plain.clone()), (vec![(1, 7)], plain.clone())]);
        // What goes along behind a comma stays what it is.
        assert_eq!(placed("red, apple red"), [(vec![], plain.clone()), (vec![(1, 7)], plain)]);
    }

    #[test]
    fn weights_stand_where_their_tokens_stand() {
        let Chunks { chunks, unknown } = tokenizer().chunks(weighted("red (apple:1.5), 红"), 8, &[]).unwrap();
        assert_eq!(chunks[0].weights, [1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!((chunks.len(), unknown.len()), (1, 0));
        let plain = tokenizer().chunks(weighted("red apple, 红"), 8, &[]).unwrap();
        assert_eq!(chunks[0].ids, plain.chunks[0].ids);
        assert_eq!(chunks[0].ids, tokenizer().encode("red apple, 红", 8).unwrap().ids);
    }
}
