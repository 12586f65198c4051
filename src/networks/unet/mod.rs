//! The network that estimates noise (Ronneberger et al. 2015, Rombach et al. 2022), laid out as diffusers'
//! `UNet2DConditionModel`: down through the levels, keeping what was seen, and up again with it. A `ControlNet` looks along on the
//! way down, at a picture that guides, and adds to what is kept.

mod blocks;
mod config;
mod controlnet;
mod encoder;
mod transformer;

use crate::kernels::{Activation, Conv2d, GroupNorm, by_items, to_channels_first};
use blocks::{BlockWords, Signal, UpBlock};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
pub use config::{Level, UNetConfig};
pub use controlnet::{Control, ControlNet, ControlNetConfig};
use encoder::Encoder;
use rayon::prelude::*;

/// Noisy latent, timestep and conditioning to the prediction.
#[derive(Clone, Debug)]
pub struct UNet {
    encoder: Encoder,
    up: Vec<UpBlock>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// What a network looks up in the words of one conditioning: made once a run, not once a step.
#[derive(Clone, Debug)]
pub struct Words {
    /// For the blocks on the way down, the one in the middle, and those on the way up, if it has them.
    blocks: Vec<BlockWords>,
}

impl Words {
    /// Those of one item of the batch.
    fn item(&self, index: usize) -> Result<Self> {
        let of_block = |block: &BlockWords| {
            block.iter().map(|layers| layers.iter().map(|layer| layer.item(index)).collect()).collect::<Result<_>>()
        };
        Ok(Self { blocks: self.blocks.iter().map(of_block).collect::<Result<_>>()? })
    }
}

impl UNet {
    /// Reads the weights.
    pub fn new(config: &UNetConfig, weights: VarBuilder<'_>) -> Result<Self> {
        let channels = config.levels[0].channels;
        Ok(Self {
            encoder: Encoder::new(config, &weights)?,
            up: side_by_side(config.levels.len(), |index| {
                UpBlock::new(config, index, &weights.pp(format!("up_blocks.{index}")))
            })?,
            norm_out: GroupNorm::new(
                config.norm_num_groups,
                channels,
                config.norm_eps,
                Activation::Silu,
                weights.pp("conv_norm_out"),
            )?,
            conv_out: Conv2d::new(channels, config.out_channels, config.conv_out_kernel, weights.pp("conv_out"))?,
        })
    }

    /// Channels of the noisy latent.
    pub fn in_channels(&self) -> usize {
        self.config().in_channels
    }

    /// What its config.json decided.
    pub fn config(&self) -> &UNetConfig {
        &self.encoder.config
    }

    /// Prepares a conditioning (B, N, D) for [`Self::forward`].
    pub fn prepare(&self, conditioning: &Tensor) -> Result<Words> {
        let up = self.up.iter().map(|block| block.prepare(conditioning));
        Ok(Words { blocks: self.encoder.prepare(conditioning).chain(up).collect::<Result<_>>()? })
    }

    /// A noisy latent (B, C, h, w), the timestep it is at (0..1000, fractions allowed), the words that condition it and what guides
    /// it, to the prediction (B, C', h, w), whose meaning the checkpoint's scheduler says.
    pub fn forward(&self, x: &Tensor, timestep: f64, words: &Words, control: Option<&Control<'_>>) -> Result<Tensor> {
        let (batch, _, height, width) = x.dims4()?;
        let numbers = height * width * self.config().levels[0].channels;
        let together = || self.compute(x, timestep, words, control);
        by_items(batch, numbers, x.device(), together, |item| {
            let control = control.map(|control| control.item(item)).transpose()?;
            self.compute(&x.narrow(0, item, 1)?, timestep, &words.item(item)?, control.as_ref())
        })
    }

    fn compute(&self, x: &Tensor, timestep: f64, words: &Words, control: Option<&Control<'_>>) -> Result<Tensor> {
        let mut seen = self.encoder.forward(x, timestep, words, None)?;
        if let Some(control) = control {
            control.add_to(&mut seen, x, timestep)?;
        }
        let (mut x, time) = (seen.middle, &seen.time);
        let words = &words.blocks[words.blocks.len() - self.up.len()..];
        for (block, words) in self.up.iter().zip(words) {
            x = block.forward(x, Signal { time, words }, &mut seen.skips)?;
        }
        to_channels_first(&self.conv_out.forward(&self.norm_out.forward(&x)?)?)
    }
}

/// Loads blocks on all threads: while one is read, others are packed. Of several errors the first block's is given.
fn side_by_side<T: Send>(count: usize, block: impl Fn(usize) -> Result<T> + Sync + Send) -> Result<Vec<T>> {
    (0..count).into_par_iter().map(block).collect::<Vec<_>>().into_iter().collect()
}
