//! Checkpoints in one file, as latent-diffusion (Rombach et al. 2022) and what came of it write them: U-Net, VAE and text encoder
//! under one roof, no config, no tokenizer. What a file holds, the names and shapes in its header say.

mod facts;
mod names;
mod shapes;

use super::families::{Family, TextLayout, TextPart};
use super::header::{Place, kind_of, read_metadata, read_places};
use super::model::{Configs, Format};
use super::open_clip::OpenClipNames;
use super::renamed::Renamed;
use super::weights::Weights;
use super::{Error, PredictionSource, Suggestion};
use crate::networks::{AutoencoderKlConfig, UNetConfig};
use crate::prompt::{Fill, Tokenizer};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
pub(super) use names::UNetNames;
use names::{Prefixed, UNET, VAE, VaeNames};
use shapes::{Reason, Shapes};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A checkpoint in one file, whose header was read.
#[derive(Clone, Debug)]
pub(super) struct SingleFile {
    pub(super) path: PathBuf,
    pub(super) family: &'static Family,
    pub(super) format: Format,
    places: BTreeMap<String, Place>,
    /// What stands before the names of each text encoder.
    text_prefixes: Vec<&'static str>,
}

/// What else people keep beside checkpoints, by how some name in it begins.
const OTHERS: [(&str, &str); 11] = [
    ("lora_", "it is a LoRA"),
    ("control_model.", "it is a ControlNet"),
    ("controlnet_", "it is a ControlNet"),
    ("model.diffusion_model.double_blocks.", "it is a Flux model"),
    ("double_blocks.", "it is a Flux model"),
    ("model.diffusion_model.joint_blocks.", "it is a Stable Diffusion 3 model"),
    ("first_stage_model.", "it is a VAE alone"),
    ("decoder.", "it is a VAE alone"),
    ("emb_params", "it is an embedding"),
    ("input_blocks.", "it is a U-Net alone, without a text encoder and a VAE"),
    ("text_model.", "it is a text encoder alone"),
];

impl SingleFile {
    /// Reads the header of a file.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let places = read_places(path)?;
        let shapes = Shapes(&places);
        let not = |reason: &str| Error::NotACheckpoint { reason: reason.to_owned(), path: path.to_owned() };
        if !shapes.has(&format!("{UNET}input_blocks.0.0.weight")) {
            let other = OTHERS.iter().find(|(prefix, _)| shapes.has_under(prefix));
            return Err(not(other.map_or("it has no U-Net", |(_, what)| what)));
        }
        if shapes.has("edm_mean") {
            let found = "a Playground model".to_owned();
            return Err(Error::UnsupportedCheckpoint { found, path: path.to_owned() });
        }
        let Some((family, text_prefixes)) = Family::with_texts(|name| shapes.has(name)) else {
            return Err(not("it has no text encoder"));
        };
        Ok(Self { path: path.to_owned(), family, format: kind_of(path), text_prefixes, places })
    }

    /// Where lies what is used of it.
    pub(super) fn used(&self) -> impl Iterator<Item = &Place> {
        let used = self.text_prefixes.iter().chain(&[UNET, VAE]);
        let is_used = move |name: &str| used.clone().any(|prefix| name.starts_with(prefix));
        self.places.iter().filter(move |(name, _)| is_used(name)).map(|(_, place)| place)
    }

    /// What configs say elsewhere, and where what the network's output means is from.
    pub(super) fn configs(&self) -> Result<(Configs, PredictionSource), Error> {
        let shapes = Shapes(&self.places);
        let incomplete = |reason: Reason| Error::Incomplete { reason, path: self.path.clone() };
        let metadata = read_metadata(&self.path);
        let (prediction, source) = facts::prediction(&self.path, &metadata, &self.places, self.family);
        let mut unet = shapes::unet(&shapes, self.family).map_err(incomplete)?;
        let vae = shapes::vae(&shapes, self.family).map_err(incomplete)?;
        let side = facts::native_side(&self.path, &metadata, self.family, prediction)
            / (1 << (vae.block_out_channels.len() - 1));
        unet.sample_size = Some((side, side));
        let text = |(part, prefix): (&TextPart, &&str)| shapes::text(&shapes, part.layout, self.family.output, prefix);
        let texts = std::iter::zip(self.family.texts, &self.text_prefixes).map(text);
        let configs = Configs {
            texts: texts.collect::<Result<_, _>>().map_err(incomplete)?,
            unet,
            vae,
            training: facts::training(prediction),
            suggestion: Suggestion::default(),
            empty_is_zero: self.family.empty_is_zero,
        };
        configs.check(&self.path)?;
        Ok((configs, source))
    }

    /// CLIP's own, filled as the text encoder was trained.
    pub(super) fn tokenizer(&self, index: usize) -> Tokenizer {
        Tokenizer::clip(match self.family.texts[index].layout {
            TextLayout::Transformers => Fill::End,
            TextLayout::OpenClip => Fill::Zero,
        })
    }

    /// The weights of a text encoder, by transformers' names.
    pub(super) fn text_encoder(
        &self,
        index: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, Error> {
        let (weights, prefix) = (self.weights()?, self.text_prefixes[index]);
        Ok(match self.family.texts[index].layout {
            TextLayout::Transformers => Renamed::new(weights, Prefixed(prefix)).into_builder(dtype, device),
            TextLayout::OpenClip => Renamed::new(weights, OpenClipNames::of_text(prefix)).into_builder(dtype, device),
        })
    }

    /// The weights of the U-Net, by diffusers' names.
    pub(super) fn unet(
        &self,
        config: &UNetConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, Error> {
        Ok(Renamed::new(self.weights()?, UNetNames::of(config)).into_builder(dtype, device))
    }

    /// The weights of the VAE, by diffusers' names.
    pub(super) fn vae(
        &self,
        config: &AutoencoderKlConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, Error> {
        let names = VaeNames { levels: config.block_out_channels.len() };
        Ok(Renamed::new(self.weights()?, names).into_builder(dtype, device))
    }

    fn weights(&self) -> Result<Weights, Error> {
        Weights::open_file(&self.path, self.places.clone())
    }
}
