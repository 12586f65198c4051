//! Checkpoints in one file, as latent-diffusion (Rombach et al. 2022) and what came of it write them: U-Net, VAE and text encoder
//! under one roof, no config, no tokenizer. What a file holds, the names and shapes in its header say.

mod facts;
mod names;
mod shapes;

use super::families::{Family, TextLayout, TextPart};
use super::header::{Place, kind_of, read_metadata, read_places};
use super::open_clip::OpenClipNames;
use super::renamed::Renamed;
use super::source::{Facts, Format};
use super::stamps::Stamp;
use super::weights::Weights;
use super::{Error, PredictionSource};
use crate::networks::{AutoencoderKlConfig, ClipTextConfig, UNetConfig};
use crate::prompt::{Fill, Tokenizer};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use names::UNET;
pub(super) use names::{Prefixed, UNetNames, VAES, VaeNames};
pub(super) use shapes::{Reason, Shapes, vae as vae_of};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A checkpoint in one file, whose header was read.
#[derive(Clone, Debug)]
pub(super) struct SingleFile {
    pub(super) path: PathBuf,
    pub(super) family: &'static Family,
    pub(super) format: Format,
    /// Of the file as it was when its header was read.
    stamp: Stamp,
    places: BTreeMap<String, Place>,
    /// What stands before the names of the U-Net: nothing where it is alone.
    unet_prefix: &'static str,
    /// What stands before the names of each text encoder; none where it has not all of them.
    text_prefixes: Option<Vec<&'static str>>,
    /// What stands before the names of the VAE, where it has one.
    vae_prefix: Option<&'static str>,
}

/// What else people keep beside checkpoints, by how some name in it begins.
const OTHERS: [(&str, &str); 13] = [
    ("lora_", "it is a LoRA"),
    ("control_model.", "it is a ControlNet"),
    ("controlnet_", "it is a ControlNet"),
    ("input_hint_block.", "it is a ControlNet"),
    ("model.diffusion_model.double_blocks.", "it is a Flux model"),
    ("double_blocks.", "it is a Flux model"),
    ("model.diffusion_model.joint_blocks.", "it is a Stable Diffusion 3 model"),
    ("first_stage_model.", "it is a VAE alone"),
    ("decoder.", "it is a VAE alone"),
    ("emb_params", "it is an embedding"),
    ("down_blocks.", "it is a part of a diffusers folder, which is used as a whole"),
    ("text_model.", "it is a text encoder alone"),
    ("transformer.resblocks.", "it is a text encoder alone"),
];

/// Longer than any tensor whose numbers tell something of a file.
const MAX_SMALL_BYTES: usize = 1 << 16;

/// How many picture pixels a side of a latent pixel has, where there is no VAE that says it.
pub(super) const DOWNSCALE: usize = 8;

impl SingleFile {
    /// Reads the header of a file.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let stamp = Stamp::of(path)?;
        let mut places = read_places(path)?;
        if names::is_unet_of_diffusers(&places) {
            places =
                names::in_names_of_ldm(places).map_err(|reason| Error::Incomplete { reason, path: path.to_owned() })?;
        }
        for prefix in [UNET, ""] {
            places = names::without_gaps(places, prefix);
        }
        // As other programs have it.
        for prefix in [UNET, ""] {
            if let Some(place) = places.remove(&format!("{prefix}time_embed.cond_proj.weight")) {
                places.insert(format!("{prefix}time_embedding.cond_proj.weight"), place);
            }
        }
        let shapes = Shapes(&places);
        let not = |reason: &str| Error::NotACheckpoint { reason: reason.to_owned(), path: path.to_owned() };
        let has_unet = |prefix: &str| shapes.has(&format!("{prefix}input_blocks.0.0.weight"));
        let unet_prefix = [UNET, ""].into_iter().find(|prefix| has_unet(prefix));
        let Some(unet_prefix) = unet_prefix.filter(|_| !shapes.has_under("input_hint_block.")) else {
            let other = OTHERS.iter().find(|(prefix, _)| shapes.has_under(prefix));
            return Err(not(other.map_or("it has no U-Net", |(_, what)| what)));
        };
        if shapes.has("edm_mean") {
            let found = "a Playground model".to_owned();
            return Err(Error::UnsupportedCheckpoint { found, path: path.to_owned() });
        }
        let with_texts = Family::with_texts(|name| shapes.has(name));
        let family = match &with_texts {
            Some((family, _)) => family,
            None => shapes::family_of_unet(&shapes, unet_prefix)
                .ok_or_else(|| not("its U-Net is of no family that is known"))?,
        };
        let vae_prefix = VAES.into_iter().find(|prefix| shapes.has(&format!("{prefix}decoder.conv_in.weight")));
        let text_prefixes = with_texts.map(|(_, prefixes)| prefixes);
        Ok(Self {
            path: path.to_owned(),
            family,
            format: kind_of(path),
            stamp,
            unet_prefix,
            text_prefixes,
            vae_prefix,
            places,
        })
    }

    /// Where lies what is used of it.
    pub(super) fn used(&self) -> impl Iterator<Item = &Place> {
        let texts = self.text_prefixes.iter().flatten().copied();
        let used: Vec<&str> = texts.chain([self.unet_prefix]).chain(self.vae_prefix).collect();
        let is_used = move |name: &str| used.iter().any(|prefix| name.starts_with(prefix));
        self.places.iter().filter(move |(name, _)| is_used(name)).map(|(_, place)| place)
    }

    /// Where lies the U-Net.
    pub(super) fn of_unet(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|(name, _)| name.starts_with(self.unet_prefix)).map(|(_, place)| place)
    }

    pub(super) fn has_texts(&self) -> bool {
        self.text_prefixes.is_some()
    }

    pub(super) fn has_vae(&self) -> bool {
        self.vae_prefix.is_some()
    }

    /// What configs say elsewhere of the U-Net and its training, and where what the network's output means is from.
    pub(super) fn facts(&self) -> Result<(Facts, PredictionSource), Error> {
        let shapes = Shapes(&self.places);
        let metadata = read_metadata(&self.path);
        let mut unet =
            shapes::unet(&shapes, self.unet_prefix, self.family).map_err(|reason| self.incomplete(reason))?;
        let about = facts::About {
            path: &self.path,
            metadata: &metadata,
            places: &self.places,
            family: self.family,
            in_channels: unet.in_channels,
            unet_prefix: self.unet_prefix,
            spread: &|name| self.spread(name),
        };
        let (prediction, source) = about.prediction();
        let downscale = if self.has_vae() { self.vae_config()?.downscale() } else { DOWNSCALE };
        let side = about.native_side(prediction) / downscale;
        unet.sample_size = Some((side, side));
        let facts = Facts {
            unet,
            training: about.training(prediction),
            suggestion: about.suggestion(),
            empty_is_zero: self.family.empty_is_zero,
        };
        Ok((facts, source))
    }

    /// The standard deviation of the numbers of a small tensor, where it is there and can be read.
    fn spread(&self, name: &str) -> Option<f64> {
        let shape = self.places.get(name).filter(|place| place.bytes <= MAX_SMALL_BYTES)?.shape.clone();
        let weights = Renamed::new(self.weights().ok()?, Prefixed("")).into_builder(DType::F32, &Device::Cpu);
        let numbers = weights.get(shape, name).and_then(|numbers| numbers.to_dtype(DType::F64)?.flatten_all());
        let numbers: Vec<f64> = numbers.and_then(|numbers| numbers.to_vec1()).ok()?;
        let mean =
            |of: &dyn Fn(f64) -> f64| numbers.iter().map(|number| of(*number)).sum::<f64>() / numbers.len() as f64;
        let middle = mean(&|number| number);
        Some(mean(&|number| (number - middle).powi(2)).sqrt())
    }

    /// What configs say elsewhere of its text encoders; nothing where it has none.
    pub(super) fn text_configs(&self) -> Result<Vec<ClipTextConfig>, Error> {
        let shapes = Shapes(&self.places);
        let text = |(part, prefix): (&TextPart, &&str)| shapes::text(&shapes, part.layout, self.family.output, prefix);
        let texts = std::iter::zip(self.family.texts, self.text_prefixes.iter().flatten()).map(text);
        texts.collect::<Result<_, _>>().map_err(|reason| self.incomplete(reason))
    }

    /// What a config says elsewhere of its VAE.
    pub(super) fn vae_config(&self) -> Result<AutoencoderKlConfig, Error> {
        let names = self.vae_names(0);
        vae_of(&Shapes(&self.places), &names, self.family.latent_scale).map_err(|reason| self.incomplete(reason))
    }

    fn vae_names(&self, levels: usize) -> VaeNames {
        VaeNames { prefix: self.vae_prefix.unwrap_or(VAES[0]), levels }
    }

    fn incomplete(&self, reason: Reason) -> Error {
        Error::Incomplete { reason, path: self.path.clone() }
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
        let prefix = self.text_prefixes.as_ref().and_then(|prefixes| prefixes.get(index)).copied().unwrap_or_default();
        let weights = self.weights()?;
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
        Ok(Renamed::new(self.weights()?, UNetNames::of(config).after(self.unet_prefix)).into_builder(dtype, device))
    }

    /// The weights of the VAE, by diffusers' names.
    pub(super) fn vae(
        &self,
        config: &AutoencoderKlConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, Error> {
        let names = self.vae_names(config.block_out_channels.len());
        Ok(Renamed::new(self.weights()?, names).into_builder(dtype, device))
    }

    /// Whether it was changed since.
    pub(super) fn is_outdated(&self) -> bool {
        self.stamp.is_outdated(&self.path)
    }

    fn weights(&self) -> Result<Weights, Error> {
        self.stamp.check(&self.path)?;
        Weights::open_file(&self.path, self.places.clone())
    }
}
