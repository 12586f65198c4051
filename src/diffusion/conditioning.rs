//! From prompts to what conditions the network at each step: which words count when, in chunks that the text encoder takes, each
//! token weighed as stable-diffusion-webui 1.10 does it (emphasis "Original", `sd_emphasis.py`).

use super::denoiser::is_finite;
use super::{Error, Request, last_layer};
use crate::checkpoints::{LearnedWord, LearnedWordSummary, Model};
use crate::networks::Learned;
use crate::prompt::{Chunk, Spelled, at_each_step};
use candle_core::{D, Tensor};
use std::collections::HashMap;

/// What conditions a run.
pub(super) struct Conditioning {
    /// (B, N, C) each, the negative prompt's first where there is one: N is a multiple of the text encoder's length.
    pub(super) stages: Vec<Tensor>,
    /// Which stage conditions each step.
    pub(super) of_step: Vec<usize>,
    /// What the person should know of the prompts.
    pub(super) notes: Vec<String>,
}

impl Conditioning {
    /// Of `prompts`, each with what a person calls it and words of `learned` in it, for `count` steps.
    pub(super) fn new(
        model: &Model,
        learned: &[LearnedWord],
        request: &Request,
        prompts: &[(&str, &str)],
        count: usize,
    ) -> Result<Self, Error> {
        let mut encoder = Encoder {
            model,
            skipped: 0,
            learned: Vec::new(),
            words: Vec::new(),
            known: HashMap::new(),
            notes: Vec::new(),
        };
        encoder.skip(request.clip_skip)?;
        encoder.learn(learned)?;
        let at_each_step: Vec<_> = prompts.iter().map(|(_, text)| at_each_step(text, count as u32)).collect();
        let (mut stages, mut texts_of_stage, mut of_step) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..count {
            let texts: Vec<&str> = at_each_step.iter().map(|steps| steps[step].as_str()).collect();
            let known = texts_of_stage.iter().position(|stage| *stage == texts);
            of_step.push(known.unwrap_or(stages.len()));
            if known.is_none() {
                let encoded: Vec<_> = std::iter::zip(&texts, prompts)
                    .map(|(text, (what, _))| encoder.encoded(text, what))
                    .collect::<Result<_, _>>()?;
                stages.push(encoder.side_by_side(encoded)?);
                texts_of_stage.push(texts);
            }
        }
        Ok(Self { stages, of_step, notes: encoder.notes })
    }
}

/// How many chunks the text encoder sees together: however long a prompt is, it takes no more memory.
const CHUNKS_AT_ONCE: usize = 8;

/// Encodes each text once.
struct Encoder<'a> {
    model: &'a Model,
    /// How many layers of the text encoder are left out.
    skipped: usize,
    /// The vectors (n, C) of words that it learned, and how they are written.
    learned: Vec<&'a Tensor>,
    words: Vec<Spelled>,
    /// (1, N, C) each.
    known: HashMap<String, Tensor>,
    notes: Vec<String>,
}

impl<'a> Encoder<'a> {
    /// Once, however many stages it is true of.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Reads the text encoder from this layer on, counted from its last.
    fn skip(&mut self, clip_skip: u32) -> Result<(), Error> {
        let (model, depth) = (self.model, self.model.text_encoder.depth());
        if clip_skip as usize > depth {
            return Err(Error::ClipSkip { clip_skip, depth });
        }
        if model.family.is_none_or(|family| family.skips_layers) {
            self.skipped = clip_skip as usize - 1;
        } else if clip_skip != last_layer() {
            self.note("clip skip was passed over: it is for models of Stable Diffusion 1".to_owned());
        }
        Ok(())
    }

    /// Takes up the words that are for such a text encoder, and notes those that are not.
    fn learn(&mut self, learned: &'a [LearnedWord]) -> Result<(), Error> {
        let (width, room) = (self.model.text_encoder.width(), self.model.text_encoder.context_length() - 2);
        for word in learned {
            let LearnedWordSummary { vectors, widths, .. } = &word.summary;
            let Some(found) = word.vectors(width).filter(|_| widths.len() == 1 && *vectors <= room) else {
                let widths: Vec<String> = widths.iter().map(ToString::to_string).collect();
                let made_for = word.summary.family().map_or_else(String::new, |family| format!(", for {family}"));
                self.note(format!(
                    "the embedding {} was passed over and read as words: it has {vectors} vectors {} wide{made_for}, and this model's \
                     text encoder takes {room} that are {width} wide",
                    word.name,
                    widths.join(" and "),
                ));
                continue;
            };
            for spelling in word.spellings() {
                if let Some(ids) = self.model.tokenizer.spelling(&spelling)? {
                    self.words.push(Spelled { ids, vectors: *vectors, word: self.learned.len() });
                }
            }
            self.learned.push(found);
        }
        Ok(())
    }

    /// (1, N, C), of a text that a person calls `what`.
    fn encoded(&mut self, text: &str, what: &str) -> Result<Tensor, Error> {
        if let Some(known) = self.known.get(text) {
            return Ok(known.clone());
        }
        let encoder = &self.model.text_encoder;
        let length = encoder.context_length();
        let chunked = self.model.tokenizer.chunks(text, length, &self.words)?;
        if !chunked.unknown.is_empty() {
            self.note(format!("the model has no token for this in the {what}: {}", chunked.unknown.join(" ")));
        }
        let untaught = self.model.taught.as_ref().map(|taught| taught.missing_in(text)).unwrap_or_default();
        if !untaught.is_empty() {
            self.note(format!("the model was never taught this of the {what}: {}", listed(&untaught)));
        }
        let mut all = Vec::new();
        for some in chunked.chunks.chunks(CHUNKS_AT_ONCE) {
            let ids: Vec<u32> = some.iter().flat_map(|chunk| chunk.ids.iter().copied()).collect();
            let ids = Tensor::from_vec(ids, (some.len(), length), &self.model.device)?;
            let learned: Vec<_> =
                some.iter().enumerate().flat_map(|(text, chunk)| self.learned_in(text, chunk)).collect();
            let encoded = encoder.read(&ids, &learned, self.skipped)?;
            if !is_finite(&encoded)? {
                return Err(Error::PartNotFinite { part: "the text encoder" });
            }
            for (index, chunk) in some.iter().enumerate() {
                all.push(weighed(&encoded.narrow(0, index, 1)?, chunk)?);
            }
        }
        let encoded = Tensor::cat(&all, 1)?;
        self.known.insert(text.to_owned(), encoded.clone());
        Ok(encoded)
    }

    /// The vectors of the words in a chunk, which is this one of a batch.
    fn learned_in(&self, text: usize, chunk: &Chunk) -> impl Iterator<Item = Learned<'a>> {
        let learned = &self.learned;
        chunk.learned.iter().map(move |&(at, word)| Learned { text, at, vectors: learned[word] })
    }

    /// (1, N, C) each to (B, N, C): to those that are shorter, chunks without words are added.
    fn side_by_side(&mut self, encoded: Vec<Tensor>) -> Result<Tensor, Error> {
        let lengths: Vec<usize> = encoded.iter().map(|one| one.dim(1)).collect::<Result<_, _>>()?;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut padded = Vec::new();
        for (one, length) in encoded.into_iter().zip(lengths) {
            if length == longest {
                padded.push(one);
                continue;
            }
            let empty = self.encoded("", "")?;
            let missing = (longest - length) / self.model.text_encoder.context_length();
            padded.push(Tensor::cat(&[one, empty.repeat((1, missing, 1))?], 1)?);
        }
        Ok(Tensor::cat(&padded, 0)?)
    }
}

/// The first of many words.
fn listed(words: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = words.len().saturating_sub(SHOWN);
    let first = words[..words.len() - more].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// Each token of `encoded` (1, N, C) times its weight; the mean of all stays what it was.
fn weighed(encoded: &Tensor, chunk: &Chunk) -> Result<Tensor, candle_core::Error> {
    let is_plain = |weight: &f32| (weight - 1.0).abs() < f32::EPSILON;
    if chunk.weights.iter().all(is_plain) {
        return Ok(encoded.clone());
    }
    let weights = Tensor::new(chunk.weights.as_slice(), encoded.device())?.unsqueeze(D::Minus1)?;
    let weighed = encoded.broadcast_mul(&weights)?;
    let mean = |tensor: &Tensor| tensor.mean_all()?.to_scalar::<f32>();
    let (before, after) = (mean(encoded)?, mean(&weighed)?);
    // A mean of nothing cannot be restored.
    if after == 0.0 { Ok(weighed) } else { weighed * f64::from(before / after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_weighed_token_is_stronger_and_the_mean_stays() {
        let encoded = Tensor::new(&[[[1_f32, 2.0], [3.0, 4.0]]], &Device::Cpu).unwrap();
        let chunk = |weights: [f32; 2]| Chunk { ids: vec![0, 1], weights: weights.to_vec(), learned: Vec::new() };
        let values = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(weighed(&encoded, &chunk([1.0, 1.0])).unwrap()), [1.0, 2.0, 3.0, 4.0]);
        // z *= w, then z *= mean before / mean after: 2.5 / 4.25 here.
        let stronger = values(weighed(&encoded, &chunk([1.0, 2.0])).unwrap());
        for (found, expected) in stronger.iter().zip([1.0, 2.0, 6.0, 8.0].map(|z: f32| z * 2.5 / 4.25)) {
            assert!((found - expected).abs() < 1e-6, "{stronger:?}");
        }
        assert_eq!(values(weighed(&encoded, &chunk([0.0, 0.0])).unwrap()), [0.0; 4]);
    }
}
