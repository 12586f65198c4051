//! `ControlNet` (Zhang et al. 2023), laid out as diffusers' `ControlNetModel`: a copy of the way down that also sees a picture of
//! lines, and whose findings are added to what the U-Net keeps.

use super::Words;
use super::config::UNetConfig;
use super::encoder::{Encoder, Seen};
use crate::kernels::{Activation, Conv2d, Linear, Padding, Weights, to_channels_last};
use crate::networks::fields::{ConfigError, Fields};
use candle_core::{Result, Tensor};
use serde_json::json;

/// What a `ControlNet`'s config.json decides. Absent fields have the defaults of diffusers' `ControlNetModel`.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlNetConfig {
    /// The way down, as of the U-Net that it was trained with.
    pub encoder: UNetConfig,
    /// Channels of the picture that guides.
    pub conditioning_channels: usize,
    /// Channels of the layers that look at it: each but the first halves it.
    pub embedding_channels: Vec<usize>,
}

impl ControlNetConfig {
    /// Reads a config.json; what it asks for that is not built here is an error.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        fields.unsupported_unless("controlnet_conditioning_channel_order", &[json!("rgb")])?;
        fields.unsupported_unless("addition_embed_type", &[])?;
        fields.unsupported_unless("time_cond_proj_dim", &[])?;
        fields.unsupported_unless("global_pool_conditions", &[json!(false)])?;
        Ok(Self {
            encoder: UNetConfig::of_encoder(&fields)?,
            conditioning_channels: fields.count("conditioning_channels", 1 << 12, Some(3))?,
            embedding_channels: match fields.get("conditioning_embedding_out_channels") {
                None => vec![16, 32, 96, 256],
                Some(_) => fields.counts("conditioning_embedding_out_channels", 1 << 16)?,
            },
        })
    }

    /// How many pixels of the picture that guides make a pixel of the latent, along a side.
    pub fn downscale(&self) -> usize {
        1 << (self.embedding_channels.len() - 1)
    }

    /// Why it cannot guide a U-Net of this config, whose latents are `downscale` times smaller than pictures; none if it can.
    pub fn misfit(&self, unet: &UNetConfig, downscale: usize) -> Option<String> {
        if self.conditioning_channels != 3 || self.downscale() != downscale {
            let (channels, ours) = (self.conditioning_channels, self.downscale());
            return Some(format!(
                "it looks at {channels} channels and makes {ours} pixels one, not at 3 and {downscale}"
            ));
        }
        let of = |config: &UNetConfig| {
            let levels = config.levels.iter().map(|level| (level.channels, level.down.len(), level.conditioning_width));
            levels.collect::<Vec<_>>()
        };
        // Beside the noisy latent it sees nothing.
        let ours = (self.encoder.in_channels, of(&self.encoder));
        let theirs = (unet.out_channels, of(unet));
        (ours != theirs).then(|| {
            let channels =
                |config: &UNetConfig| config.levels.iter().map(|l| l.channels.to_string()).collect::<Vec<_>>();
            let widths = (self.encoder.conditioning_width(), unet.conditioning_width());
            format!(
                "it was trained with a U-Net of {} channels and {} wide words, the model's has {} and {}",
                channels(&self.encoder).join(", "),
                widths.0,
                channels(unet).join(", "),
                widths.1
            )
        })
    }
}

/// Adds to what a U-Net sees in a noisy latent, guided by a picture.
#[derive(Clone, Debug)]
pub struct ControlNet {
    encoder: Encoder,
    embedding: Embedding,
    /// One for each skip.
    skips: Vec<Linear>,
    middle: Linear,
    config: ControlNetConfig,
}

impl ControlNet {
    /// Reads the weights.
    pub fn new(config: &ControlNetConfig, weights: Weights<'_>) -> Result<Self> {
        let zero = |channels: usize, name: String| Linear::from_pointwise_conv(channels, channels, weights.pp(name));
        let coarsest = config.encoder.levels.last().map_or(0, |level| level.channels);
        Ok(Self {
            encoder: Encoder::new(&config.encoder, &weights)?,
            embedding: Embedding::new(config, &weights.pp("controlnet_cond_embedding"))?,
            skips: skip_channels(&config.encoder)
                .enumerate()
                .map(|(index, channels)| zero(channels, format!("controlnet_down_blocks.{index}")))
                .collect::<Result<_>>()?,
            middle: zero(coarsest, "controlnet_mid_block".to_owned())?,
            config: config.clone(),
        })
    }

    /// What its config.json decided.
    pub fn config(&self) -> &ControlNetConfig {
        &self.config
    }

    /// Prepares what stays the same during a run: a conditioning (B, N, D), and the picture that guides, (1, 3, H, W) in 0..1 with
    /// H and W those of the picture to paint. What it adds is multiplied by `weight`: 1 is as it was trained, 0 adds nothing.
    pub fn guide(&self, conditioning: &Tensor, picture: &Tensor, weight: f64) -> Result<Control<'_>> {
        let blocks = self.encoder.prepare(conditioning).collect::<Result<_>>()?;
        let words = Words { blocks, added: None, guidance: None, merged: 0.0 };
        Ok(Control { network: self, words, hint: self.embedding.forward(picture)?, weight })
    }
}

/// A [`ControlNet`] at work.
#[derive(Clone, Debug)]
pub struct Control<'a> {
    network: &'a ControlNet,
    words: Words,
    /// The picture that guides, (1, h, w, channels).
    hint: Tensor,
    weight: f64,
}

impl Control<'_> {
    /// For one item of the batch.
    pub fn item(&self, index: usize) -> Result<Self> {
        Ok(Self { words: self.words.item(index)?, hint: self.hint.clone(), ..*self })
    }

    /// Adds what it finds in a noisy latent (B, C or more, h, w) to what the U-Net saw in it. Gives what it added to the first skip.
    pub(super) fn add_to(&self, seen: &mut Seen, x: &Tensor, timestep: f64) -> Result<Tensor> {
        let x = x.narrow(1, 0, self.network.encoder.config.in_channels)?.contiguous()?;
        let found = self.network.encoder.forward(&x, timestep, &self.words, Some(&self.hint))?;
        let skips = &self.network.skips;
        if skips.len() != seen.skips.len() || found.skips.len() != skips.len() {
            candle_core::bail!("a ControlNet of {} parts for a U-Net of {}", skips.len(), seen.skips.len());
        }
        let weighed = |zero: &Linear, found: &Tensor| zero.forward(found)? * self.weight;
        let added = skips.iter().zip(&found.skips).map(|(zero, found)| weighed(zero, found));
        let mut added = added.collect::<Result<Vec<_>>>()?;
        for (skip, added) in seen.skips.iter_mut().zip(&added) {
            *skip = (&*skip + added)?;
        }
        seen.middle = (&seen.middle + weighed(&self.network.middle, &found.middle)?)?;
        Ok(added.swap_remove(0))
    }
}

/// Channels of everything that is kept on the way down: after the first convolution, each layer, each halving.
fn skip_channels(config: &UNetConfig) -> impl Iterator<Item = usize> {
    let last = config.levels.len() - 1;
    let of_level = move |(index, level): (usize, &super::Level)| {
        std::iter::repeat_n(level.channels, level.down.len() + usize::from(index < last))
    };
    std::iter::once(config.levels[0].channels).chain(config.levels.iter().enumerate().flat_map(of_level))
}

/// `ControlNetConditioningEmbedding`: from pixels to the size of the latent.
#[derive(Clone, Debug)]
struct Embedding {
    /// Each but the last is followed by silu.
    convs: Vec<Conv2d>,
}

impl Embedding {
    fn new(config: &ControlNetConfig, weights: &Weights<'_>) -> Result<Self> {
        let channels = &config.embedding_channels;
        let mut convs = vec![Conv2d::new(config.conditioning_channels, channels[0], 3, weights.pp("conv_in"))?];
        for (index, pair) in channels.windows(2).enumerate() {
            let block = |offset: usize| weights.pp(format!("blocks.{}", 2 * index + offset));
            convs.push(Conv2d::new(pair[0], pair[0], 3, block(0))?);
            convs.push(Conv2d::strided(pair[0], pair[1], 3, 2, Padding::even(1), block(1))?);
        }
        let (last, width) = (channels[channels.len() - 1], config.encoder.levels[0].channels);
        convs.push(Conv2d::new(last, width, 3, weights.pp("conv_out"))?);
        Ok(Self { convs })
    }

    /// (1, 3, H, W) to (1, h, w, channels).
    fn forward(&self, picture: &Tensor) -> Result<Tensor> {
        let mut x = to_channels_last(picture)?;
        for (index, conv) in self.convs.iter().enumerate() {
            if index > 0 {
                x = Activation::Silu.forward(&x)?;
            }
            x = conv.forward(&x)?;
        }
        Ok(x)
    }
}
