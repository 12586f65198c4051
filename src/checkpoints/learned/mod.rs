//! Words that a text encoder learned after it was trained (Gal et al. 2022, textual inversion), which people call embeddings: a name, and
//! the vectors that stand in the place of its tokens.

mod card;

use super::header::{Place, Stored, read_places};
use super::weights::Weights;
use super::{Error, FAMILIES, library};
use candle_core::{DType, Device, Tensor};
use candle_nn::var_builder::SimpleBackend;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// More vectors than a text encoder of Stable Diffusion reads at once are none.
const MAX_VECTORS: usize = 75;

/// A learned word on this machine.
#[derive(Debug)]
pub struct LearnedWordEntry {
    /// By which prompts name it: the file's name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What it holds, or why it cannot be used.
    pub summary: Result<LearnedWordSummary, Error>,
}

/// What can be told of a learned word without its vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedWordSummary {
    /// How many tokens it takes.
    pub vectors: usize,
    /// How wide each vector is, of each text encoder that it is for, the narrowest first.
    pub widths: Vec<usize>,
    /// The word that diffusers puts into prompts for it.
    pub token: Option<String>,
}

impl LearnedWordSummary {
    /// The family with such text encoders, in words.
    pub fn family(&self) -> Option<&'static str> {
        let width: usize = self.widths.iter().sum();
        FAMILIES.iter().find(|family| family.conditioning_width == width).map(|family| family.name)
    }
}

impl LearnedWordEntry {
    /// The one in a file; none where it is a picture of something else.
    pub fn of_file(path: PathBuf) -> Option<Self> {
        let summary = LearnedWord::open(&path).transpose()?.map(|word| word.summary);
        Some(Self { name: library::name_of(&path), path, summary })
    }

    /// What prompts may call it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let token = self.summary.as_ref().ok().and_then(|summary| summary.token.as_deref());
        std::iter::once(self.name.as_str()).chain(token)
    }
}

/// A learned word with its vectors.
#[derive(Clone, Debug)]
pub struct LearnedWord {
    /// By which prompts name it.
    pub name: String,
    /// What it holds.
    pub summary: LearnedWordSummary,
    /// (n, width) in f32, in the order of the widths.
    vectors: Vec<Tensor>,
}

impl LearnedWord {
    /// Reads a file: .safetensors, what `torch.save` writes, or a PNG that carries one; none where a PNG does not.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let (vectors, token) = if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
            match card::read(path)? {
                Some(vectors) => (vec![vectors], None),
                None => return Ok(None),
            }
        } else {
            of_weights(path)?
        };
        Self::new(path, vectors, token).map(Some)
    }

    fn new(path: &Path, mut vectors: Vec<Tensor>, token: Option<String>) -> Result<Self, Error> {
        let sizes = vectors.iter().map(Tensor::dims2).collect::<Result<Vec<_>, _>>();
        let count = match sizes.as_deref() {
            Ok([(count, _), rest @ ..]) if rest.iter().all(|(other, _)| other == count) => *count,
            _ => 0,
        };
        if count == 0 || count > MAX_VECTORS {
            return Err(Error::NotAnEmbedding(path.to_owned()));
        }
        vectors.sort_by_key(|tensor| tensor.dims()[1]);
        let widths = vectors.iter().map(|tensor| tensor.dims()[1]).collect();
        let summary = LearnedWordSummary { vectors: count, widths, token };
        Ok(Self { name: library::name_of(path), summary, vectors })
    }

    /// What prompts may call it: its name alone, as in A1111, or as `ComfyUI` has it, and as diffusers has it.
    pub fn spellings(&self) -> impl Iterator<Item = String> {
        [self.name.clone(), format!("embedding:{}", self.name)].into_iter().chain(self.summary.token.clone())
    }

    /// The vectors (n, width) for a text encoder so wide, if it was made for such.
    pub fn vectors(&self, width: usize) -> Option<&Tensor> {
        self.vectors.iter().find(|vectors| vectors.dims()[1] == width)
    }
}

/// The vectors in a file of weights, and what diffusers calls them: `emb_params` or the only tensor, or one for each of XL's encoders.
fn of_weights(path: &Path) -> Result<(Vec<Tensor>, Option<String>), Error> {
    let places = read_places(path)?;
    let not = || Error::NotAnEmbedding(path.to_owned());
    let names: Vec<String> = match find(&places, &["clip_l", "clip_g"]).or_else(|| find(&places, &["emb_params"])) {
        Some(names) => names,
        None if places.len() == 1 => places.keys().cloned().collect(),
        None => return Err(not()),
    };
    let is_small = |name: &String| match places[name].shape[..] {
        [width] => width <= MAX_WIDTH,
        [count, width] => count <= MAX_VECTORS && width <= MAX_WIDTH,
        _ => false,
    };
    if !names.iter().all(|name| is_small(name) && is_a_float(places[name].stored)) {
        return Err(not());
    }
    let given = ["*", "emb_params", "clip_l", "clip_g"];
    let token = names.first().filter(|name| !given.contains(&name.as_str())).cloned();
    let weights = Weights::open_file(path, places)?;
    let tensor = |name: &String| {
        let tensor = weights.get_unchecked(name, DType::F32, &Device::Cpu)?.to_dtype(DType::F32)?;
        if tensor.rank() == 1 { tensor.unsqueeze(0) } else { Ok(tensor) }
    };
    let vectors = names.iter().map(tensor).collect::<candle_core::Result<_>>();
    Ok((vectors.map_err(|error| Error::from_candle(&error, path))?, token))
}

/// Wider than any text encoder.
const MAX_WIDTH: usize = 1 << 14;

/// These names, where all are there.
fn find(places: &BTreeMap<String, Place>, names: &[&str]) -> Option<Vec<String>> {
    names.iter().all(|name| places.contains_key(*name)).then(|| names.iter().map(|name| (*name).to_owned()).collect())
}

fn is_a_float(stored: Stored) -> bool {
    match stored {
        Stored::Numbers(dtype) => dtype.is_float(),
        Stored::Float8E5M2 | Stored::Blocks(_) => true,
    }
}
