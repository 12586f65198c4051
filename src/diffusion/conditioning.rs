//! From prompts to what conditions the network at each step: which words count when, in chunks that the text encoders take, each
//! token weighed as [`Emphasis`] says.

use super::denoiser::is_finite;
use super::{Emphasis, Error, Precision, Program, Request, last_layer};
use crate::checkpoints::{LearnedWord, LearnedWordSummary, Model, TextEncoder};
use crate::geom::Extent;
use crate::networks::{About, Addition, Learned, Read};
use crate::prompt::{Chunk, Part, Spelled, at_each_step, weighted, weighted_absolutely, without_tags};
use candle_core::{D, Tensor};
use std::collections::HashMap;

/// What conditions a run.
pub(super) struct Conditioning {
    /// One for each combination of texts.
    pub(super) stages: Vec<Stage>,
    /// Which stage conditions each step.
    pub(super) of_step: Vec<usize>,
    /// What the person should know of the prompts.
    pub(super) notes: Vec<String>,
}

/// What conditions the network at some steps.
pub(super) struct Stage {
    /// (B, N, C), the negative prompt's first where there is one: N is a multiple of the text encoder's length.
    pub(super) words: Tensor,
    /// What the network is told beside the words, if it is.
    pub(super) about: Option<About>,
}

impl Stage {
    /// The same for one more item before the others, which is as the first.
    pub(super) fn with_negative_twice(&self) -> Result<Self, candle_core::Error> {
        let twice = |tensor: &Tensor| Tensor::cat(&[&tensor.narrow(0, 0, 1)?, tensor], 0);
        let about = self.about.as_ref().map(|about| {
            let numbers = about.numbers.first().into_iter().chain(&about.numbers).cloned().collect();
            Ok::<_, candle_core::Error>(About { pooled: twice(&about.pooled)?, numbers })
        });
        Ok(Self { words: twice(&self.words)?, about: about.transpose()? })
    }
}

impl Conditioning {
    /// Of `prompts`, each with what a person calls it and words of `learned` in it, for `count` steps. Of several the first is negative. What
    /// counts from some step on is counted in `of` steps, at least as many.
    pub(super) fn new(
        model: &Model,
        learned: &[LearnedWord],
        request: &Request,
        prompts: &[(&str, String)],
        (count, of): (usize, usize),
    ) -> Result<Self, Error> {
        let (skipped, mut notes) = layers_to_skip(model, request.clip_skip)?;
        let (learned, passed_over) = fitting(model, learned);
        notes.extend(passed_over);
        let spelled = model.texts.iter().map(|text| spelled(text, &learned)).collect::<Result<_, _>>()?;
        let Request { emphasis, precision, .. } = *request;
        let known = HashMap::new();
        let mut encoder = Encoder { model, emphasis, precision, skipped, learned, spelled, known, notes };
        // Square brackets are letters in ComfyUI.
        let steps = |text: &str| match emphasis {
            Emphasis::ComfyUi => vec![without_tags(text); of],
            _ => at_each_step(text, of as u32),
        };
        let at_each_step: Vec<_> = prompts.iter().map(|(_, text)| steps(text)).collect();
        let (mut stages, mut texts_of_stage, mut of_step) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..count {
            let texts: Vec<&str> = at_each_step.iter().map(|steps| steps[step].as_str()).collect();
            let known = texts_of_stage.iter().position(|stage| *stage == texts);
            of_step.push(known.unwrap_or(stages.len()));
            if known.is_none() {
                let mut encoded: Vec<_> = std::iter::zip(&texts, prompts)
                    .map(|(text, (what, _))| encoder.encoded(text, what))
                    .collect::<Result<_, _>>()?;
                // ComfyUI encodes it as any other text.
                let is_zero = model.empty_is_zero && request.reproduce.program != Program::ComfyUi;
                if is_zero && texts.len() > 1 && texts[0].is_empty() {
                    encoded[0] = encoded[0].zeros_like()?;
                }
                stages.push(encoder.side_by_side(encoded, request.extent)?);
                texts_of_stage.push(texts);
            }
        }
        Ok(Self { stages, of_step, notes: encoder.notes })
    }
}

/// How many layers of the text encoders are left out, and what to say of it.
fn layers_to_skip(model: &Model, clip_skip: u32) -> Result<(usize, Vec<String>), Error> {
    if clip_skip != last_layer() && model.family.is_some_and(|family| !family.skips_layers) {
        return Ok((0, vec!["clip skip was passed over: it is for models of Stable Diffusion 1".to_owned()]));
    }
    let depth = model.texts[0].config.layers.num_hidden_layers;
    if clip_skip as usize > depth {
        return Err(Error::ClipSkip { clip_skip, depth });
    }
    Ok((clip_skip as usize - 1, Vec::new()))
}

/// The words that are for such text encoders, and what to say of those that are not.
fn fitting<'a>(model: &Model, learned: &'a [LearnedWord]) -> (Vec<&'a LearnedWord>, Vec<String>) {
    let mut ours: Vec<usize> = model.texts.iter().map(|text| text.config.layers.hidden_size).collect();
    ours.sort_unstable();
    let room = model.texts[0].config.max_position_embeddings - 2;
    let (fitting, others): (Vec<_>, Vec<_>) =
        learned.iter().partition(|word| word.summary.widths == ours && word.summary.vectors <= room);
    let listed = |widths: &[usize]| widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let passed_over = |word: &LearnedWord| {
        let LearnedWordSummary { vectors, widths, .. } = &word.summary;
        let made_for = word.summary.family().map_or_else(String::new, |family| format!(", for {family}"));
        format!(
            "the embedding {} was passed over and read as words: it has {vectors} vectors {} wide{made_for}, and this model's text \
             encoder takes {room} that are {} wide",
            word.name,
            listed(widths),
            listed(&ours),
        )
    };
    (fitting, others.into_iter().map(passed_over).collect())
}

/// How words are written, by the tokens of a text encoder.
fn spelled(text: &TextEncoder, learned: &[&LearnedWord]) -> Result<Vec<Spelled>, Error> {
    let mut all = Vec::new();
    for (word, learned) in learned.iter().enumerate() {
        for spelling in learned.spellings() {
            let ids = text.tokenizer.spelling(&spelling)?;
            all.extend(ids.map(|ids| Spelled { ids, vectors: learned.summary.vectors, word }));
        }
    }
    Ok(all)
}

/// A text, encoded.
#[derive(Clone)]
struct Encoded {
    /// (1, N, C).
    words: Tensor,
    /// The pooled text of the first chunk, (1, P), where a text encoder has it.
    pooled: Option<Tensor>,
}

impl Encoded {
    fn zeros_like(&self) -> Result<Self, Error> {
        let pooled = self.pooled.as_ref().map(Tensor::zeros_like).transpose()?;
        Ok(Self { words: self.words.zeros_like()?, pooled })
    }
}

const UNTAUGHT: &str = "the model was never taught this of the ";
const NO_TOKEN: &str = "the model has no token for this in the ";

/// Whether a note on a picture is about words alone: it is true of every picture of these words by this model.
pub fn is_of_words(note: &str) -> bool {
    [UNTAUGHT, NO_TOKEN].iter().any(|beginning| note.starts_with(beginning))
}

/// How many chunks the text encoder sees together: however long a prompt is, it takes no more memory.
const CHUNKS_AT_ONCE: usize = 8;

/// Encodes each text once.
struct Encoder<'a> {
    model: &'a Model,
    emphasis: Emphasis,
    /// What the model multiplies in.
    precision: Precision,
    /// How many layers of the text encoders are left out.
    skipped: usize,
    /// Words that they learned, and for each encoder how they are written.
    learned: Vec<&'a LearnedWord>,
    spelled: Vec<Vec<Spelled>>,
    known: HashMap<String, Encoded>,
    notes: Vec<String>,
}

impl Encoder<'_> {
    /// Once, however many stages it is true of.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Of a text that a person calls `what`: the words of all text encoders side by side.
    fn encoded(&mut self, text: &str, what: &str) -> Result<Encoded, Error> {
        if let Some(known) = self.known.get(text) {
            return Ok(known.clone());
        }
        let untaught = self.model.taught.as_ref().map(|taught| taught.missing_in(text)).unwrap_or_default();
        if !untaught.is_empty() {
            self.note(format!("{UNTAUGHT}{what}: {}", listed(&untaught)));
        }
        let (mut words, mut pooled) = (Vec::new(), None);
        for index in 0..self.model.texts.len() {
            let (read, unknown) = self.read(index, text)?;
            if !unknown.is_empty() {
                self.note(format!("{NO_TOKEN}{what}: {}", unknown.join(" ")));
            }
            words.push(read.words);
            pooled = read.pooled.or(pooled);
        }
        let encoded = Encoded { words: Tensor::cat(&words, D::Minus1)?, pooled };
        self.known.insert(text.to_owned(), encoded.clone());
        Ok(encoded)
    }

    /// By one text encoder; and what there is no token for.
    fn read(&self, index: usize, text: &str) -> Result<(Encoded, Vec<String>), Error> {
        let TextEncoder { tokenizer, network, .. } = &self.model.texts[index];
        let network = network.get()?;
        let length = network.context_length();
        let parts = match self.emphasis {
            Emphasis::Original | Emphasis::NoNorm | Emphasis::Ignore => weighted(text),
            Emphasis::ComfyUi => weighted_absolutely(text),
            Emphasis::None => vec![Part::Text(text.to_owned(), 1.0)],
        };
        let chunked = tokenizer.chunks(parts, length, &self.spelled[index])?;
        let is_weighed = |chunk: &Chunk| chunk.weights.iter().any(|weight| (weight - 1.0).abs() > f32::EPSILON);
        let empty = if self.emphasis == Emphasis::ComfyUi && chunked.chunks.iter().any(is_weighed) {
            let empty = tokenizer.encode("", length)?.ids;
            Some(
                network
                    .read(&Tensor::from_vec(empty, (1, length), &self.model.device)?, &[], self.skipped)?
                    .conditioning,
            )
        } else {
            None
        };
        let (mut words, mut first_pooled) = (Vec::new(), None);
        for some in chunked.chunks.chunks(CHUNKS_AT_ONCE) {
            let ids: Vec<u32> = some.iter().flat_map(|chunk| chunk.ids.iter().copied()).collect();
            let ids = Tensor::from_vec(ids, (some.len(), length), &self.model.device)?;
            let learned: Vec<_> = some
                .iter()
                .enumerate()
                .flat_map(|(text, chunk)| self.learned_in(network.width(), text, chunk))
                .collect();
            let Read { conditioning, pooled } = network.read(&ids, &learned, self.skipped)?;
            if !is_finite(&conditioning)? {
                return Err(Error::PartNotFinite { part: "the text encoder", precision: self.precision });
            }
            for (index, chunk) in some.iter().enumerate() {
                let encoded = conditioning.narrow(0, index, 1)?;
                words.push(if is_weighed(chunk) {
                    weighed(&encoded, &chunk.weights, self.emphasis, empty.as_ref())?
                } else {
                    encoded
                });
            }
            if let (None, Some(pooled)) = (&first_pooled, pooled) {
                first_pooled = Some(pooled.narrow(0, 0, 1)?);
            }
        }
        Ok((Encoded { words: Tensor::cat(&words, 1)?, pooled: first_pooled }, chunked.unknown))
    }

    /// The vectors so wide of the words in a chunk, which is this one of a batch.
    fn learned_in<'b>(&'b self, width: usize, text: usize, chunk: &'b Chunk) -> impl Iterator<Item = Learned<'b>> {
        let vectors =
            move |&(at, word): &(usize, usize)| Some(Learned { text, at, vectors: self.learned[word].vectors(width)? });
        chunk.learned.iter().filter_map(vectors)
    }

    /// All of them as one batch: to those that are shorter, chunks without words are added.
    fn side_by_side(&mut self, encoded: Vec<Encoded>, extent: Extent) -> Result<Stage, Error> {
        let lengths: Vec<usize> = encoded.iter().map(|one| one.words.dim(1)).collect::<Result<_, _>>()?;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let about = self.about(&encoded, extent)?;
        let mut padded = Vec::new();
        for (one, length) in encoded.into_iter().zip(lengths) {
            if length == longest {
                padded.push(one.words);
                continue;
            }
            let empty = self.encoded("", "")?.words;
            let missing = (longest - length) / self.model.texts[0].config.max_position_embeddings;
            padded.push(Tensor::cat(&[one.words, empty.repeat((1, missing, 1))?], 1)?);
        }
        Ok(Stage { words: Tensor::cat(&padded, 0)?, about })
    }

    /// What the network is told of the picture beside the words, as in diffusers' pipelines of Stable Diffusion XL: how large it was before
    /// it was cut, where, and how large it then is; the refiner instead of the last, how people like it.
    fn about(&self, encoded: &[Encoded], extent: Extent) -> Result<Option<About>, Error> {
        /// Of a picture that people like, and of one that they do not.
        const SCORES: [f64; 2] = [6.0, 2.5];
        let Some(Addition { number_width, inputs }) = self.model.unet_config().addition else {
            return Ok(None);
        };
        let pooled: Vec<&Tensor> = encoded.iter().filter_map(|one| one.pooled.as_ref()).collect();
        let pooled = Tensor::cat(&pooled, 0)?;
        let (height, width) = (f64::from(extent.height), f64::from(extent.width));
        let is_scored = (inputs - pooled.dim(1)?) / number_width == 5;
        let numbers = (0..encoded.len()).map(|place| {
            let is_negative = encoded.len() > 1 && place == 0;
            let last = if is_scored { vec![SCORES[usize::from(is_negative)]] } else { vec![height, width] };
            [vec![height, width, 0.0, 0.0], last].concat()
        });
        Ok(Some(About { numbers: numbers.collect(), pooled }))
    }
}

/// The first of many words.
fn listed(words: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = words.len().saturating_sub(SHOWN);
    let first = words[..words.len() - more].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// Each token of `encoded` (1, N, C) weighed; `empty` is an empty prompt, encoded, where the emphasis needs it.
fn weighed(
    encoded: &Tensor,
    weights: &[f32],
    emphasis: Emphasis,
    empty: Option<&Tensor>,
) -> Result<Tensor, candle_core::Error> {
    let weights = Tensor::new(weights, encoded.device())?.unsqueeze(D::Minus1)?;
    if let Some(empty) = empty {
        return (encoded - empty)?.broadcast_mul(&weights)? + empty;
    }
    if matches!(emphasis, Emphasis::Ignore | Emphasis::None) {
        return Ok(encoded.clone());
    }
    let weighed = encoded.broadcast_mul(&weights)?;
    if emphasis == Emphasis::NoNorm {
        return Ok(weighed);
    }
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
    fn a_weighed_token_is_as_strong_as_the_emphasis_says() {
        let encoded = Tensor::new(&[[[1_f32, 2.0], [3.0, 4.0]]], &Device::Cpu).unwrap();
        let empty = Tensor::new(&[[[1_f32, 1.0], [1.0, 2.0]]], &Device::Cpu).unwrap();
        let found = |weights: [f32; 2], emphasis, empty: Option<&Tensor>| {
            weighed(&encoded, &weights, emphasis, empty).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        // z *= w, then z *= mean before / mean after: 2.5 / 4.25 here.
        let stronger = found([1.0, 2.0], Emphasis::Original, None);
        for (found, expected) in stronger.iter().zip([1.0, 2.0, 6.0, 8.0].map(|z: f32| z * 2.5 / 4.25)) {
            assert!((found - expected).abs() < 1e-6, "{stronger:?}");
        }
        assert_eq!(found([0.0, 0.0], Emphasis::Original, None), [0.0; 4]);
        assert_eq!(found([1.0, 2.0], Emphasis::NoNorm, None), [1.0, 2.0, 6.0, 8.0]);
        assert_eq!(found([1.0, 2.0], Emphasis::Ignore, None), [1.0, 2.0, 3.0, 4.0]);
        // (z - empty) * w + empty.
        assert_eq!(found([1.0, 2.0], Emphasis::ComfyUi, Some(&empty)), [1.0, 2.0, 5.0, 6.0]);
    }
}
