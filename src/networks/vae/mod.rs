//! The picture's encoder and decoder (Kingma & Welling 2014, Rombach et al. 2022), laid out as diffusers' `AutoencoderKL`.
//!
//! What leaves [`AutoencoderKl::encode`] and enters [`AutoencoderKl::decode`] is scaled: the factor, and where a model has them
//! the shift, means and deviations, live in here and nowhere else.

mod bands;
mod blocks;
mod config;
mod tiny;

use crate::kernels::{Conv2d, Weights, to_channels_first, to_channels_last};
use blocks::{Decoder, Encoder};
use candle_core::{DType, Result, Tensor};
pub use config::AutoencoderKlConfig;
pub use tiny::{AutoencoderTiny, AutoencoderTinyConfig};

/// Whether to go on: asked before each block of a network that takes long. Where it says no, the network gives an error.
pub type GoesOn<'a> = &'a dyn Fn() -> bool;

/// An error where it is not to go on.
fn check(goes_on: GoesOn<'_>) -> Result<()> {
    if goes_on() { Ok(()) } else { Err(candle_core::Error::msg("it was stopped")) }
}

/// Picture to latent and back, by whichever network.
#[derive(Clone, Debug)]
pub enum Vae {
    /// The one that the model was trained with, or one like it.
    Kl(Box<AutoencoderKl>),
    /// One that was taught to do the same with less.
    Tiny(AutoencoderTiny),
}

impl From<AutoencoderKl> for Vae {
    fn from(network: AutoencoderKl) -> Self {
        Self::Kl(Box::new(network))
    }
}

impl From<AutoencoderTiny> for Vae {
    fn from(network: AutoencoderTiny) -> Self {
        Self::Tiny(network)
    }
}

impl Vae {
    /// As [`AutoencoderKl::encode`].
    pub fn encode(&self, rgb: &Tensor) -> Result<Tensor> {
        self.encode_while(rgb, &|| true)
    }

    /// As [`AutoencoderKl::encode_while`]. A tiny one does not take long, and is asked only once.
    pub fn encode_while(&self, rgb: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        match self {
            Self::Kl(network) => network.encode_while(rgb, goes_on),
            Self::Tiny(network) => check(goes_on).and_then(|()| network.encode(rgb)),
        }
    }

    /// As [`AutoencoderKl::decode`].
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        self.decode_while(latent, &|| true)
    }

    /// As [`AutoencoderKl::decode_while`]. A tiny one does not take long, and is asked only once.
    pub fn decode_while(&self, latent: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        match self {
            Self::Kl(network) => network.decode_while(latent, goes_on),
            Self::Tiny(network) => check(goes_on).and_then(|()| network.decode(latent)),
        }
    }

    /// How many picture pixels a side of a latent pixel has.
    pub fn downscale(&self) -> usize {
        match self {
            Self::Kl(network) => network.downscale(),
            Self::Tiny(network) => network.config().downscale(),
        }
    }
}

/// What is known of a [`Vae`] without its weights.
#[derive(Clone, Debug, PartialEq)]
pub enum VaeConfig {
    /// Of [`Vae::Kl`].
    Kl(AutoencoderKlConfig),
    /// Of [`Vae::Tiny`].
    Tiny(AutoencoderTinyConfig),
}

impl VaeConfig {
    /// Channels of a latent.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Tiny(config) => config.latent_channels,
        }
    }

    /// How many picture pixels a side of a latent pixel has.
    pub fn downscale(&self) -> usize {
        match self {
            Self::Kl(config) => config.downscale(),
            Self::Tiny(config) => config.downscale(),
        }
    }

    /// Channels of the finest layers, which decide what decoding takes.
    pub fn finest_width(&self) -> usize {
        match self {
            Self::Kl(config) => config.block_out_channels.first().copied().unwrap_or(0),
            Self::Tiny(config) => config.width,
        }
    }
}

/// Picture to latent and back.
#[derive(Clone, Debug)]
pub struct AutoencoderKl {
    encoder: Encoder,
    quant: Option<Conv2d>,
    post_quant: Option<Conv2d>,
    decoder: Decoder,
    /// (1, C, 1, 1): a latent is (mean of the posterior) · factor + offset.
    factor: Tensor,
    offset: Tensor,
    config: AutoencoderKlConfig,
}

impl AutoencoderKl {
    /// Reads the weights.
    pub fn new(config: &AutoencoderKlConfig, weights: Weights<'_>) -> Result<Self> {
        let channels = config.latent_channels;
        let quant = config.use_quant_conv.then(|| Conv2d::new(2 * channels, 2 * channels, 1, weights.pp("quant_conv")));
        let post_quant =
            config.use_post_quant_conv.then(|| Conv2d::new(channels, channels, 1, weights.pp("post_quant_conv")));
        let (factor, offset): (Vec<f32>, Vec<f32>) = (0..channels).map(|channel| config.scaling(channel)).unzip();
        let row = |values| Tensor::from_vec(values, (1, channels, 1, 1), weights.device());
        Ok(Self {
            encoder: Encoder::new(config, &weights.pp("encoder"))?,
            quant: quant.transpose()?,
            post_quant: post_quant.transpose()?,
            decoder: Decoder::new(config, &weights.pp("decoder"))?,
            factor: row(factor)?,
            offset: row(offset)?,
            config: config.clone(),
        })
    }

    /// RGB (B, 3, H, W) in -1..1, both sides multiples of [`Self::downscale`], to a latent (B, C, H/8, W/8): the mean of the
    /// posterior, scaled.
    pub fn encode(&self, rgb: &Tensor) -> Result<Tensor> {
        self.encode_while(rgb, &|| true)
    }

    /// As [`Self::encode`], as long as it is to go on.
    pub fn encode_while(&self, rgb: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        let mut moments = self.encoder.forward(&to_channels_last(rgb)?, goes_on)?;
        if let Some(quant) = &self.quant {
            moments = quant.forward(&moments)?;
        }
        let mean = to_channels_first(&moments)?.narrow(1, 0, self.config.latent_channels)?.to_dtype(DType::F32)?;
        mean.broadcast_mul(&self.factor)?.broadcast_add(&self.offset)
    }

    /// A scaled latent (B, C, H/8, W/8) to RGB (B, 3, H, W), in -1..1 but for what the network overshoots.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        self.decode_while(latent, &|| true)
    }

    /// As [`Self::decode`], as long as it is to go on.
    pub fn decode_while(&self, latent: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        let mut hidden = to_channels_last(&latent.broadcast_sub(&self.offset)?.broadcast_div(&self.factor)?)?;
        if let Some(post_quant) = &self.post_quant {
            hidden = post_quant.forward(&hidden)?;
        }
        to_channels_first(&self.decoder.forward(&hidden, goes_on)?)?.to_dtype(DType::F32)
    }

    /// How many picture pixels a side of a latent pixel has: 8 for Stable Diffusion.
    pub fn downscale(&self) -> usize {
        self.config.downscale()
    }

    /// Channels of a latent.
    pub fn latent_channels(&self) -> usize {
        self.config.latent_channels
    }
}
