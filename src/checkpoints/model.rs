use super::folder::Folder;
use super::ldm::{SingleFile, UNetNames};
use super::lora::{Adapted, Layer, Lora, LoraWeights, Net, OtherName};
use super::weights::Weights;
use super::{Error, Family, LatentToRgb, Precision, Prediction, PredictionSource, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{AutoencoderKl, AutoencoderKlConfig, ClipText, ClipTextConfig, UNet, UNetConfig};
use crate::prompt::{TaughtWords, Tokenizer};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Loaded weights, and what must be known to use them.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name of its folder or file.
    pub name: String,
    /// The kind of model, where it is a known one.
    pub family: Option<&'static Family>,
    /// The noise that it was trained on.
    pub training: Training,
    /// What the U-Net's output means.
    pub prediction: Prediction,
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// The words that mean something to it, where they are few.
    pub taught: Option<TaughtWords>,
    /// Ids to conditioning.
    pub text_encoder: ClipText,
    /// Noisy latent to prediction.
    pub unet: UNet,
    /// Picture to latent and back.
    pub vae: AutoencoderKl,
    /// Latent to a small picture.
    pub preview: LatentToRgb,
    /// The size that it was trained at.
    pub native_extent: Extent,
    /// What its makers say suits it.
    pub suggestion: Suggestion,
    /// Where the weights are; what the networks are given must be there too, in f32.
    pub device: Device,
    /// Where the networks came from, and come from again when `LoRA`s change them.
    parts: Parts,
}

/// Everything that configs say of a model.
#[derive(Clone, Debug)]
pub(super) struct Configs {
    pub(super) text_encoder: ClipTextConfig,
    pub(super) unet: UNetConfig,
    pub(super) vae: AutoencoderKlConfig,
    pub(super) training: Training,
    pub(super) suggestion: Suggestion,
}

impl Configs {
    /// Reads those of a folder, and checks that they fit together.
    pub(super) fn read(folder: &Folder) -> Result<Self, Error> {
        let configs = Self {
            text_encoder: folder.config("text_encoder", "config.json", ClipTextConfig::from_json)?,
            unet: folder.config("unet", "config.json", UNetConfig::from_json)?,
            vae: folder.config("vae", "config.json", AutoencoderKlConfig::from_json)?,
            training: folder.config("scheduler", "scheduler_config.json", Training::from_json)?,
            suggestion: Suggestion::load(&folder.path)?,
        };
        configs.check(&folder.path)?;
        Ok(configs)
    }

    /// Checks that they fit together.
    pub(super) fn check(&self, path: &Path) -> Result<(), Error> {
        let mismatch = |reason: String| Err(Error::Mismatch { reason, path: path.to_owned() });
        let (words, unet, vae) = (&self.text_encoder, &self.unet, &self.vae);
        if let Some(level) = unet.levels.iter().find(|level| level.conditioning_width != words.layers.hidden_size) {
            let width = level.conditioning_width;
            return mismatch(format!(
                "the text encoder is {} wide, the U-Net expects {width}",
                words.layers.hidden_size
            ));
        }
        if unet.in_channels != vae.latent_channels || unet.out_channels != vae.latent_channels {
            let (inputs, outputs, latent) = (unet.in_channels, unet.out_channels, vae.latent_channels);
            return mismatch(format!(
                "the U-Net takes {inputs} channels and gives {outputs}, the VAE has {latent} (inpainting models are not supported yet)"
            ));
        }
        if vae.in_channels != 3 || vae.out_channels != 3 {
            return mismatch(format!(
                "the VAE takes {} channels and gives {}, not RGB",
                vae.in_channels, vae.out_channels
            ));
        }
        Ok(())
    }

    /// The family that they are of, if any.
    pub(super) fn family(&self) -> Option<&'static Family> {
        Family::of(self.unet.conditioning_width(), self.vae.latent_channels, self.vae.scaling_factor)
    }

    /// The size that the model was trained at; 64 latent pixels a side where its config does not say.
    pub(super) fn native_extent(&self) -> Extent {
        let (height, width) = self.unet.sample_size.unwrap_or((64, 64));
        let downscale = self.vae.downscale() as u32;
        Extent::new((width as u32).saturating_mul(downscale), (height as u32).saturating_mul(downscale))
    }
}

impl Model {
    /// Loads a diffusers folder or a checkpoint in one file, whatever the precision of its weights; `precision` is what the networks
    /// multiply in.
    pub fn load(path: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        let parts = Parts::open(path, device, precision)?;
        let tokenizer = parts.source.tokenizer()?;
        let configs = &parts.configs;
        let (largest, vocab) = (tokenizer.largest_id(), configs.text_encoder.vocab_size);
        if largest as usize >= vocab {
            let reason = format!("the tokenizer has a token {largest}, the text encoder only {vocab} in all");
            return Err(Error::Mismatch { reason, path: path.to_owned() });
        }
        let (text_encoder, unet, vae) = (parts.text_encoder()?, parts.unet()?, parts.vae()?);
        let (channels, scale) = (configs.vae.latent_channels, configs.vae.scaling_factor);
        Ok(Self {
            name: super::library::name_of(path),
            family: parts.source.family(configs),
            preview: LatentToRgb::load(&parts.source.file_about("vae", "preview.json"), channels, scale)?,
            native_extent: configs.native_extent(),
            prediction: configs.training.prediction,
            suggestion: configs.suggestion,
            training: configs.training.clone(),
            tokenizer,
            taught: taught_words(&parts.source.file_about("text_encoder", "words.txt"))?,
            text_encoder,
            unet,
            vae,
            device: device.clone(),
            parts,
        })
    }

    /// The same model with these `LoRA`s, and no others, in U-Net and text encoder, whose weights are read anew; all else stays as it is.
    /// Whether they fit is checked before: a `LoRA` that does not leaves the model to who asked.
    pub fn with_loras(self, loras: Vec<(Arc<Lora>, LoraWeights)>) -> Result<Self, Error> {
        let layers = self.parts.layers();
        let name = &self.name;
        loras.iter().try_for_each(|(lora, _)| lora.check(name, &layers))?;
        let Self { text_encoder, unet, mut parts, .. } = self;
        let before = std::mem::replace(&mut parts.loras, loras);
        let changed = |net| before.iter().chain(&parts.loras).any(|(lora, _)| lora.changes(net));
        // Two of them at once may be more than the machine holds.
        let unet = if changed(Net::Unet) {
            drop(unet);
            parts.unet()?
        } else {
            unet
        };
        let text_encoder = if changed(Net::Text) { parts.text_encoder()? } else { text_encoder };
        Ok(Self { text_encoder, unet, parts, ..self })
    }

    /// Checks that a `LoRA` was made for such a model.
    pub fn check(&self, lora: &Lora) -> Result<(), Error> {
        lora.check(&self.name, &self.parts.layers())
    }
}

/// The words of a model's file `words.txt`, where there is one.
fn taught_words(path: &Path) -> Result<Option<TaughtWords>, Error> {
    path.is_file().then(|| Ok(TaughtWords::parse(&super::folder::text_in(path)?))).transpose()
}

/// How a model lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder in the layout of diffusers.
    Folder,
    /// One .safetensors file.
    Safetensors,
    /// One file of `torch.save`.
    Torch,
}

impl Format {
    /// How it is spelled in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Folder => "diffusers",
            Self::Safetensors => "safetensors",
            Self::Torch => "torch",
        }
    }
}

/// Where a model's networks are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Folder(Folder),
    File(SingleFile),
}

impl Source {
    /// Reads a folder's index or a file's header.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if path.is_file() { SingleFile::open(path).map(Self::File) } else { Folder::open(path).map(Self::Folder) }
    }

    /// What its configs say, and where what the network's output means is from.
    pub(super) fn configs(&self) -> Result<(Configs, PredictionSource), Error> {
        match self {
            Self::Folder(folder) => Ok((Configs::read(folder)?, PredictionSource::Config)),
            Self::File(file) => file.configs(),
        }
    }

    /// The family that it is of, if any.
    pub(super) fn family(&self, configs: &Configs) -> Option<&'static Family> {
        match self {
            Self::Folder(_) => configs.family(),
            Self::File(file) => Some(file.family),
        }
    }

    pub(super) fn format(&self) -> Format {
        match self {
            Self::Folder(_) => Format::Folder,
            Self::File(file) => file.format,
        }
    }

    /// A file beside a folder's parts that is about one of them; a model in one file has none.
    fn file_about(&self, part: &str, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.file_about(part, name),
            Self::File(file) => file.path.join(name),
        }
    }

    fn tokenizer(&self) -> Result<Tokenizer, Error> {
        match self {
            Self::Folder(folder) => Ok(Tokenizer::load(&folder.part("tokenizer"))?),
            Self::File(file) => Ok(file.tokenizer()),
        }
    }
}

/// A model whose networks are loaded one by one, each when it is asked for.
#[derive(Clone, Debug)]
pub struct Parts {
    source: Source,
    configs: Configs,
    device: Device,
    /// What the networks multiply in.
    dtype: DType,
    /// What is added to U-Net and text encoder.
    loras: Vec<(Arc<Lora>, LoraWeights)>,
    /// The layers of U-Net and text encoder, as soon as they were loaded.
    layers: Arc<Mutex<Vec<Layer>>>,
}

impl Parts {
    /// Reads the configs of a diffusers folder or the header of a checkpoint, and no weights yet. The networks will multiply in
    /// `precision` on `device`.
    pub fn open(path: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        let dtype = precision.dtype(device)?;
        let source = Source::open(path)?;
        let (configs, _) = source.configs()?;
        let (loras, layers) = (Vec::new(), Arc::default());
        Ok(Self { source, configs, device: device.clone(), dtype, loras, layers })
    }

    /// Loads what turns ids into conditioning.
    pub fn text_encoder(&self) -> Result<ClipText, Error> {
        let of_file = |file: &SingleFile| file.text_encoder(self.dtype, &self.device);
        self.network("text_encoder", "model", Some(Net::Text), of_file, |weights| {
            ClipText::new(&self.configs.text_encoder, weights)
        })
    }

    /// Loads what estimates noise.
    pub fn unet(&self) -> Result<UNet, Error> {
        let config = &self.configs.unet;
        let of_file = |file: &SingleFile| file.unet(config, self.dtype, &self.device);
        self.network("unet", "diffusion_pytorch_model", Some(Net::Unet), of_file, |weights| UNet::new(config, weights))
    }

    /// Loads what turns a picture into a latent and back.
    pub fn vae(&self) -> Result<AutoencoderKl, Error> {
        let config = &self.configs.vae;
        let of_file = |file: &SingleFile| file.vae(config, self.dtype, &self.device);
        self.network("vae", "diffusion_pytorch_model", None, of_file, |weights| AutoencoderKl::new(config, weights))
    }

    /// Builds a network from the weights called `stem` in the folder of a part, or from those of a file.
    fn network<T>(
        &self,
        part: &str,
        stem: &str,
        net: Option<Net>,
        of_file: impl FnOnce(&SingleFile) -> Result<VarBuilder<'static>, Error>,
        new: impl FnOnce(VarBuilder<'_>) -> candle_core::Result<T>,
    ) -> Result<T, Error> {
        let (weights, path) = match &self.source {
            Source::Folder(folder) => {
                let path = folder.part(part);
                (Weights::open(&path, stem)?.into_builder(self.dtype, &self.device), path)
            }
            Source::File(file) => (of_file(file)?, file.path.clone()),
        };
        let weights = match net {
            None => weights,
            Some(net) => self.adapted(net, weights),
        };
        new(weights).map_err(|error| Error::from_candle(&error, &path))
    }

    /// Weights with what the `LoRA`s add to them.
    fn adapted(&self, net: Net, base: VarBuilder<'static>) -> VarBuilder<'static> {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|layer| layer.net != net);
        drop(layers);
        let names = UNetNames::of(&self.configs.unet);
        let other_name: OtherName = match net {
            Net::Unet => Box::new(move |layer| names.layer(layer)),
            Net::Text => Box::new(|_| None),
        };
        let (loras, layers) = (self.loras.clone(), Arc::clone(&self.layers));
        Adapted { base, net, other_name, loras, layers }.into_builder(self.dtype, &self.device)
    }

    fn layers(&self) -> Vec<Layer> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
