//! The network that estimates noise (Ronneberger et al. 2015, Rombach et al. 2022), laid out as diffusers'
//! `UNet2DConditionModel`: down through the levels, keeping what was seen, and up again with it. A `ControlNet` looks along on the
//! way down, at a picture that guides, and adds to what is kept.

mod blocks;
mod config;
mod controlnet;
mod encoder;
mod transformer;

use crate::kernels::{Activation, Conv2d, GroupNorm, Weights, by_items, to_channels_first};
use blocks::{BlockWords, Signal, UpBlock};
use candle_core::{DType, Device, Result, Tensor};
pub use config::{Addition, Level, Middle, UNetConfig};
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

/// What stays the same during a run: what a network looks up in the words of one conditioning, and how it looks at itself.
#[derive(Clone, Debug)]
pub struct Words {
    /// For the blocks on the way down, the one in the middle, and those on the way up, if it has them.
    blocks: Vec<BlockWords>,
    /// What is added to the time embedding, (B, width).
    added: Option<Tensor>,
    /// What is added to the timestep's sinusoid, (1, channels). See [`UNet::told_guidance`].
    guidance: Option<Tensor>,
    /// See [`Words::merging`].
    merged: f64,
}

/// What a network that has an [`Addition`] is told of a picture beside the words.
#[derive(Clone, Debug)]
pub struct About {
    /// The pooled text, (B, P).
    pub pooled: Tensor,
    /// The same count of numbers for each item of the batch.
    pub numbers: Vec<Vec<f64>>,
}

impl Words {
    /// With the places of the finest level that resemble each other taken together while they look at each other: a share of all,
    /// 0..1, of which no more than three quarters can be. Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion".
    #[must_use]
    pub fn merging(self, share: f64) -> Self {
        Self { merged: share, ..self }
    }

    /// Those of one item of the batch.
    pub fn item(&self, index: usize) -> Result<Self> {
        let of_block = |block: &BlockWords| {
            block.iter().map(|layers| layers.iter().map(|layer| layer.item(index)).collect()).collect::<Result<_>>()
        };
        let blocks = self.blocks.iter().map(of_block).collect::<Result<_>>()?;
        Ok(Self {
            blocks,
            added: self.added.as_ref().map(|added| added.narrow(0, index, 1)).transpose()?,
            guidance: self.guidance.clone(),
            merged: self.merged,
        })
    }
}

impl UNet {
    /// Reads the weights.
    pub fn new(config: &UNetConfig, weights: Weights<'_>) -> Result<Self> {
        let channels = config.levels[0].channels;
        Ok(Self {
            encoder: Encoder::new(config, &weights)?,
            up: side_by_side(config.levels.len(), weights.device(), |index| {
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
        self.prepare_with(conditioning, None)
    }

    /// As [`Self::prepare`], for a network that is told more than words.
    pub fn prepare_with(&self, conditioning: &Tensor, about: Option<&About>) -> Result<Words> {
        let up = self.up.iter().map(|block| block.prepare(conditioning));
        let blocks = self.encoder.prepare(conditioning).chain(up).collect::<Result<_>>()?;
        Ok(Words { blocks, added: self.encoder.added(about)?, guidance: None, merged: 0.0 })
    }

    /// The words for a network that is told how far to follow them: a guidance scale, of which 1 is none. Others pass over it. `like` is of the
    /// device and the type that it computes in.
    pub fn told_guidance(&self, words: Words, scale: f64, like: &Tensor) -> Result<Words> {
        Ok(Words { guidance: self.encoder.guidance(scale, like)?, ..words })
    }

    /// A noisy latent (B, C, h, w), the timestep it is at (0..1000, fractions allowed), the words that condition it and what guides
    /// it, to the prediction (B, C', h, w) in f32, whose meaning the checkpoint's scheduler says.
    pub fn forward(&self, x: &Tensor, timestep: f64, words: &Words, control: Option<&Control<'_>>) -> Result<Tensor> {
        self.forward_reusing(x, timestep, words, control, &mut None)
    }

    /// As [`Self::forward`], but what is in `deep`, from a call at a timestep near by, is taken over instead of computed. What
    /// was computed of another batch, or with a `ControlNet` where there is none now, is computed anew. Leaves in `deep` what was used.
    pub fn forward_reusing(
        &self,
        x: &Tensor,
        timestep: f64,
        words: &Words,
        control: Option<&Control<'_>>,
        deep: &mut Option<Deep>,
    ) -> Result<Tensor> {
        let (batch, _, height, width) = x.dims4()?;
        let numbers = height * width * self.config().levels[0].channels;
        let kept = deep.take().filter(|deep| deep.fits(x, control.is_some()));
        let together = || self.compute(x, timestep, words, control, kept.as_ref());
        let mut found = by_items(batch, numbers, x.device(), together, |item| {
            let control = control.map(|control| control.item(item)).transpose()?;
            let kept = kept.as_ref().map(|deep| deep.item(item)).transpose()?;
            self.compute(&x.narrow(0, item, 1)?, timestep, &words.item(item)?, control.as_ref(), kept.as_ref())
        })?
        .into_iter();
        let prediction = found.next().expect("it is what a network is for");
        *deep = found.next().map(|features| Deep { features, added: found.next() });
        Ok(prediction)
    }

    /// The prediction, then the fields of a [`Deep`].
    fn compute(
        &self,
        x: &Tensor,
        timestep: f64,
        words: &Words,
        control: Option<&Control<'_>>,
        kept: Option<&Deep>,
    ) -> Result<Vec<Tensor>> {
        let words_of = &words.blocks[words.blocks.len() - self.up.len()..];
        let (last, others) = self.up.split_last().expect("there is a level");
        let (last_words, other_words) = words_of.split_last().expect("there is a level");
        let (deep, mut skips, time) = if let Some(deep) = kept {
            let (x, time) = self.encoder.enter(x, timestep, words, None)?;
            let skip = deep.added.as_ref().map_or_else(|| Ok(x.clone()), |added| &x + added)?;
            (deep.clone(), vec![skip], time)
        } else {
            let mut seen = self.encoder.forward(x, timestep, words, None)?;
            let added = control.map(|control| control.add_to(&mut seen, x, timestep)).transpose()?;
            let mut x = seen.middle;
            for (block, words) in others.iter().zip(other_words) {
                x = block.forward(x, Signal { time: &seen.time, words, merged: 0.0 }, &mut seen.skips)?;
            }
            let signal = Signal { time: &seen.time, words: last_words, merged: words.merged };
            let features = last.up_to_last(x, signal, &mut seen.skips)?;
            (Deep { features, added }, seen.skips, seen.time)
        };
        let signal = Signal { time: &time, words: last_words, merged: words.merged };
        let x = last.last(&deep.features, signal, &mut skips)?;
        let prediction =
            to_channels_first(&self.conv_out.forward(&self.norm_out.forward(&x)?)?)?.to_dtype(DType::F32)?;
        Ok([Some(prediction), Some(deep.features), deep.added].into_iter().flatten().collect())
    }
}

/// What a call found below the last layer on the way up, which is nearly all of its work and changes little from step to step: Ma et
/// al. 2024, "`DeepCache`: Accelerating Diffusion Models for Free", with the skip of the first layer.
#[derive(Clone, Debug)]
pub struct Deep {
    /// What the last layer on the way up takes, (B, h, w, C).
    features: Tensor,
    /// What a `ControlNet` added to what that layer keeps from the way down, (B, h, w, C).
    added: Option<Tensor>,
}

impl Deep {
    /// Of one item of the batch.
    pub fn item(&self, index: usize) -> Result<Self> {
        let of = |tensor: &Tensor| tensor.narrow(0, index, 1);
        Ok(Self { features: of(&self.features)?, added: self.added.as_ref().map(of).transpose()? })
    }

    /// How many items it is of.
    pub fn batch(&self) -> usize {
        self.features.dims()[0]
    }

    fn fits(&self, x: &Tensor, controlled: bool) -> bool {
        self.batch() == x.dims()[0] && self.added.is_some() == controlled
    }
}

/// Loads blocks on all threads: while one is read, others are packed. Of several errors the first block's is given. To another device than the CPU they
/// go one after the other: there is nothing to pack, and its libraries are not made to be asked by many threads at once.
fn side_by_side<T: Send>(
    count: usize,
    device: &Device,
    block: impl Fn(usize) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    if !device.is_cpu() {
        return (0..count).map(block).collect();
    }
    (0..count).into_par_iter().map(block).collect::<Vec<_>>().into_iter().collect()
}
