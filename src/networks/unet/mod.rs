//! The network that estimates noise (Ronneberger et al. 2015, Rombach et al. 2022), laid out as diffusers'
//! `UNet2DConditionModel`: down through the levels, keeping what was seen, and up again with it.

mod blocks;
mod config;
mod transformer;

use crate::kernels::{Activation, Conv2d, GroupNorm, Linear, by_items, to_channels_first, to_channels_last};
use blocks::{BlockWords, DownBlock, MidBlock, Signal, UpBlock, time_width};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
pub use config::{Level, UNetConfig};
use rayon::prelude::*;

/// Noisy latent, timestep and conditioning to the prediction.
#[derive(Clone, Debug)]
pub struct UNet {
    conv_in: Conv2d,
    time1: Linear,
    time2: Linear,
    down: Vec<DownBlock>,
    mid: MidBlock,
    up: Vec<UpBlock>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    config: UNetConfig,
}

/// What a U-Net looks up in the words of one conditioning: made once a run, not once a step.
#[derive(Clone, Debug)]
pub struct Words {
    /// For the blocks on the way down, the one in the middle, and those on the way up.
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
        let count = config.levels.len();
        let time = weights.pp("time_embedding");
        Ok(Self {
            conv_in: Conv2d::new(config.in_channels, channels, config.conv_in_kernel, weights.pp("conv_in"))?,
            time1: Linear::new(channels, time_width(config), time.pp("linear_1"))?,
            time2: Linear::new(time_width(config), time_width(config), time.pp("linear_2"))?,
            down: side_by_side(count, |index| {
                DownBlock::new(config, index, &weights.pp(format!("down_blocks.{index}")))
            })?,
            mid: MidBlock::new(config, &weights.pp("mid_block"))?,
            up: side_by_side(count, |index| UpBlock::new(config, index, &weights.pp(format!("up_blocks.{index}"))))?,
            norm_out: GroupNorm::new(
                config.norm_num_groups,
                channels,
                config.norm_eps,
                Activation::Silu,
                weights.pp("conv_norm_out"),
            )?,
            conv_out: Conv2d::new(channels, config.out_channels, config.conv_out_kernel, weights.pp("conv_out"))?,
            config: config.clone(),
        })
    }

    /// Channels of the noisy latent.
    pub fn in_channels(&self) -> usize {
        self.config.in_channels
    }

    /// What its config.json decided.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// Prepares a conditioning (B, N, D) for [`Self::forward`].
    pub fn prepare(&self, conditioning: &Tensor) -> Result<Words> {
        let down = self.down.iter().map(|block| block.prepare(conditioning));
        let mid = std::iter::once_with(|| self.mid.prepare(conditioning));
        let up = self.up.iter().map(|block| block.prepare(conditioning));
        Ok(Words { blocks: down.chain(mid).chain(up).collect::<Result<_>>()? })
    }

    /// A noisy latent (B, C, h, w), the timestep it is at (0..1000, fractions allowed) and the words that condition it to the
    /// prediction (B, C', h, w), whose meaning the checkpoint's scheduler says.
    pub fn forward(&self, x: &Tensor, timestep: f64, words: &Words) -> Result<Tensor> {
        let (batch, _, height, width) = x.dims4()?;
        let numbers = height * width * self.config.levels[0].channels;
        let together = || self.compute(x, timestep, words);
        by_items(batch, numbers, x.device(), together, |item| {
            self.compute(&x.narrow(0, item, 1)?, timestep, &words.item(item)?)
        })
    }

    fn compute(&self, x: &Tensor, timestep: f64, words: &Words) -> Result<Tensor> {
        let sinusoid =
            sinusoid(self.config.levels[0].channels, timestep, self.config.flip_sin_to_cos, self.config.freq_shift);
        let sinusoid =
            Tensor::from_vec(sinusoid, (1, self.config.levels[0].channels), x.device())?.to_dtype(x.dtype())?;
        let time = self.time2.forward(&Activation::Silu.forward(&self.time1.forward(&sinusoid)?)?)?;
        let time = &Activation::Silu.forward(&time)?;
        let mut signals = words.blocks.iter().map(|words| Signal { time, words });
        let mut signal = || signals.next().expect("the words were prepared for as many blocks as there are");

        let mut x = self.conv_in.forward(&to_channels_last(x)?)?;
        let mut skips = vec![x.clone()];
        for block in &self.down {
            x = block.forward(x, signal(), &mut skips)?;
        }
        x = self.mid.forward(&x, signal())?;
        for block in &self.up {
            x = block.forward(x, signal(), &mut skips)?;
        }
        to_channels_first(&self.conv_out.forward(&self.norm_out.forward(&x)?)?)
    }
}

/// Loads blocks on all threads: while one is read, others are packed. Of several errors the first block's is given.
fn side_by_side<T: Send>(count: usize, block: impl Fn(usize) -> Result<T> + Sync + Send) -> Result<Vec<T>> {
    (0..count).into_par_iter().map(block).collect::<Vec<_>>().into_iter().collect()
}

/// The timestep as sines and cosines of falling frequency (Vaswani et al. 2017; diffusers' `get_timestep_embedding`), computed
/// in f64: in half precision the angles near 1000 would be off by whole radians.
fn sinusoid(width: usize, timestep: f64, cosines_first: bool, shift: f64) -> Vec<f32> {
    let half = width / 2;
    let angles = (0..half).map(|i| timestep * (-(10_000f64.ln()) * i as f64 / (half as f64 - shift)).exp());
    let (sines, cosines): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.sin() as f32, angle.cos() as f32)).unzip();
    if cosines_first { [cosines, sines].concat() } else { [sines, cosines].concat() }
}
