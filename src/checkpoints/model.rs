use super::folder::Folder;
use super::weights::Weights;
use super::{Error, Family, LatentToRgb, Precision, Prediction, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{AutoencoderKl, AutoencoderKlConfig, ClipText, ClipTextConfig, UNet, UNetConfig};
use crate::prompt::{TaughtWords, Tokenizer};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::path::Path;

/// Loaded weights, and what must be known to use them.
#[derive(Clone, Debug)]
pub struct Model {
    /// The folder's name.
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
}

/// Every config of a folder.
#[derive(Clone, Debug)]
pub(super) struct Configs {
    pub(super) text_encoder: ClipTextConfig,
    pub(super) unet: UNetConfig,
    pub(super) vae: AutoencoderKlConfig,
    pub(super) training: Training,
    pub(super) suggestion: Suggestion,
}

impl Configs {
    /// Reads them, and checks that they fit together.
    pub(super) fn read(folder: &Folder) -> Result<Self, Error> {
        let configs = Self {
            text_encoder: folder.config("text_encoder", "config.json", ClipTextConfig::from_json)?,
            unet: folder.config("unet", "config.json", UNetConfig::from_json)?,
            vae: folder.config("vae", "config.json", AutoencoderKlConfig::from_json)?,
            training: folder.config("scheduler", "scheduler_config.json", Training::from_json)?,
            suggestion: Suggestion::load(&folder.path)?,
        };
        let mismatch = |reason: String| Err(Error::Mismatch { reason, path: folder.path.clone() });
        let (words, unet, vae) = (&configs.text_encoder, &configs.unet, &configs.vae);
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
        Ok(configs)
    }

    /// The size that the model was trained at; 64 latent pixels a side where its config does not say.
    pub(super) fn native_extent(&self) -> Extent {
        let (height, width) = self.unet.sample_size.unwrap_or((64, 64));
        let downscale = self.vae.downscale() as u32;
        Extent::new((width as u32).saturating_mul(downscale), (height as u32).saturating_mul(downscale))
    }
}

impl Model {
    /// Loads a diffusers folder, whatever the precision of its weights; `precision` is what the networks multiply in.
    pub fn load(folder: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        let parts = Parts::open(folder, device, precision)?;
        let (folder, configs) = (&parts.folder, &parts.configs);
        let tokenizer = Tokenizer::load(&folder.part("tokenizer"))?;
        let (largest, vocab) = (tokenizer.largest_id(), configs.text_encoder.vocab_size);
        if largest as usize >= vocab {
            let reason = format!("the tokenizer has a token {largest}, the text encoder only {vocab} in all");
            return Err(Error::Mismatch { reason, path: folder.path.clone() });
        }
        let (text_encoder, unet, vae) = (parts.text_encoder()?, parts.unet()?, parts.vae()?);
        let (channels, scale) = (configs.vae.latent_channels, configs.vae.scaling_factor);
        Ok(Self {
            name: super::library::name_of(&folder.path),
            family: Family::of(channels, scale),
            preview: LatentToRgb::load(&folder.part("preview.json"), channels, scale)?,
            native_extent: configs.native_extent(),
            prediction: configs.training.prediction,
            suggestion: configs.suggestion,
            training: parts.configs.training,
            tokenizer,
            taught: taught_words(&folder.part("words.txt"))?,
            text_encoder,
            unet,
            vae,
            device: parts.device,
        })
    }
}

/// The words of a model's file `words.txt`, where there is one.
fn taught_words(path: &Path) -> Result<Option<TaughtWords>, Error> {
    path.is_file().then(|| Ok(TaughtWords::parse(&super::folder::text_in(path)?))).transpose()
}

/// A model's folder whose networks are loaded one by one, each when it is asked for.
#[derive(Clone, Debug)]
pub struct Parts {
    folder: Folder,
    configs: Configs,
    device: Device,
    /// What the networks multiply in.
    dtype: DType,
}

impl Parts {
    /// Reads the configs of a diffusers folder, and no weights yet. The networks will multiply in `precision` on `device`.
    pub fn open(folder: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        let dtype = precision.dtype(device)?;
        let folder = Folder::open(folder)?;
        let configs = Configs::read(&folder)?;
        Ok(Self { folder, configs, device: device.clone(), dtype })
    }

    /// Loads what turns ids into conditioning.
    pub fn text_encoder(&self) -> Result<ClipText, Error> {
        self.network("text_encoder", "model", |weights| ClipText::new(&self.configs.text_encoder, weights))
    }

    /// Loads what estimates noise.
    pub fn unet(&self) -> Result<UNet, Error> {
        self.network("unet", "diffusion_pytorch_model", |weights| UNet::new(&self.configs.unet, weights))
    }

    /// Loads what turns a picture into a latent and back.
    pub fn vae(&self) -> Result<AutoencoderKl, Error> {
        self.network("vae", "diffusion_pytorch_model", |weights| AutoencoderKl::new(&self.configs.vae, weights))
    }

    fn network<T>(
        &self,
        part: &str,
        stem: &str,
        new: impl FnOnce(VarBuilder<'_>) -> candle_core::Result<T>,
    ) -> Result<T, Error> {
        let folder = self.folder.part(part);
        let weights = Weights::open(&folder, stem)?;
        new(weights.into_builder(self.dtype, &self.device)).map_err(|error| Error::from_candle(&error, &folder))
    }
}
