use super::blocks::{BlockWords, DownBlock, MidBlock, Signal, time_width};
use super::config::{Addition, UNetConfig};
use super::{About, Words, side_by_side};
use crate::kernels::{Activation, Conv2d, Linear, Weights, to_channels_last};
use candle_core::{Result, Tensor};

/// The way down and the middle: what a U-Net and its `ControlNet`s have alike.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    time1: Linear,
    time2: Linear,
    /// From the sinusoid of the guidance scale to what is added to that of the timestep.
    guidance: Option<Linear>,
    /// What makes of all that is said beside the words something to add to the time embedding.
    about: Option<(Linear, Linear)>,
    down: Vec<DownBlock>,
    mid: MidBlock,
    pub(super) config: UNetConfig,
}

/// What is seen on the way down, channels last.
pub(super) struct Seen {
    /// silu of the time embedding, (1 or B, width).
    pub(super) time: Tensor,
    /// After the first convolution and after each part of each block: for the way up.
    pub(super) skips: Vec<Tensor>,
    /// After the middle.
    pub(super) middle: Tensor,
}

impl Encoder {
    pub(super) fn new(config: &UNetConfig, weights: &Weights<'_>) -> Result<Self> {
        let (channels, time) = (config.levels[0].channels, weights.pp("time_embedding").exact());
        Ok(Self {
            conv_in: Conv2d::new(config.in_channels, channels, config.conv_in_kernel, weights.pp("conv_in"))?,
            time1: Linear::new(channels, time_width(config), time.pp("linear_1"))?,
            time2: Linear::new(time_width(config), time_width(config), time.pp("linear_2"))?,
            guidance: config
                .guidance_width
                .map(|width| Linear::new_without_bias(width, channels, time.pp("cond_proj")))
                .transpose()?,
            about: config.addition.map(|addition| about(addition, time_width(config), weights)).transpose()?,
            down: side_by_side(config.levels.len(), weights.device(), |index| {
                DownBlock::new(config, index, &weights.pp(format!("down_blocks.{index}")))
            })?,
            mid: MidBlock::new(config, &weights.pp("mid_block"))?,
            config: config.clone(),
        })
    }

    /// What its blocks look up in a conditioning (B, N, D): those on the way down, then the middle.
    pub(super) fn prepare(&self, conditioning: &Tensor) -> impl Iterator<Item = Result<BlockWords>> {
        let mid = std::iter::once_with(|| self.mid.prepare(conditioning));
        self.down.iter().map(|block| block.prepare(conditioning)).chain(mid)
    }

    /// Looks at a noisy latent (B, C, h, w); `hint` (1 or B, h, w, channels) is added to what the first convolution sees.
    pub(super) fn forward(&self, x: &Tensor, timestep: f64, words: &Words, hint: Option<&Tensor>) -> Result<Seen> {
        let (mut x, time) = self.enter(x, timestep, words, hint)?;
        let mut skips = vec![x.clone()];
        for (index, (block, of_block)) in self.down.iter().zip(&words.blocks).enumerate() {
            let merged = if index == 0 { words.merged } else { 0.0 };
            x = block.forward(x, Signal { time: &time, words: of_block, merged }, &mut skips)?;
        }
        let of_block = &words.blocks[self.down.len()];
        let middle = self.mid.forward(x, Signal { time: &time, words: of_block, merged: 0.0 })?;
        Ok(Seen { time, skips, middle })
    }

    /// After the first convolution, (B, h, w, channels), and silu of the time embedding, (1 or B, width).
    pub(super) fn enter(
        &self,
        x: &Tensor,
        timestep: f64,
        words: &Words,
        hint: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let time = self.time(timestep, words, x)?;
        Ok((self.conv_in.forward_adding(&to_channels_last(x)?, None, hint)?, time))
    }

    /// For [`Words::added`]: (B, width), or none if the network is told nothing beside the words.
    pub(super) fn added(&self, about: Option<&About>) -> Result<Option<Tensor>> {
        let (Some(addition), Some((enter, leave))) = (self.config.addition, &self.about) else {
            return Ok(None);
        };
        let Some(About { pooled, numbers }) = about else {
            candle_core::bail!("the network must be told of the picture's size");
        };
        let of_number = |number: &f64| {
            sinusoid(addition.number_width, *number, self.config.flip_sin_to_cos, self.config.freq_shift)
        };
        let rows: Vec<Vec<f32>> = numbers.iter().map(|row| row.iter().flat_map(of_number).collect()).collect();
        let width = rows.first().map_or(0, Vec::len);
        let numbers = Tensor::from_vec(rows.concat(), (rows.len(), width), pooled.device())?;
        let all = Tensor::cat(&[pooled, &numbers.to_dtype(pooled.dtype())?], 1)?;
        leave.forward(&Activation::Silu.forward(&enter.forward(&all)?)?).map(Some)
    }

    /// For [`Words::guidance`]: (1, channels), or none if the network is not told. diffusers' `get_guidance_scale_embedding`, which takes
    /// what goes beyond no guidance a thousandfold.
    pub(super) fn guidance(&self, scale: f64, like: &Tensor) -> Result<Option<Tensor>> {
        let (Some(width), Some(projection)) = (self.config.guidance_width, &self.guidance) else { return Ok(None) };
        let sinusoid = sinusoid(width, (scale - 1.0) * 1000.0, false, 1.0);
        let sinusoid = Tensor::from_vec(sinusoid, (1, width), like.device())?.to_dtype(like.dtype())?;
        projection.forward(&sinusoid).map(Some)
    }

    fn time(&self, timestep: f64, words: &Words, like: &Tensor) -> Result<Tensor> {
        let width = self.config.levels[0].channels;
        let sinusoid = sinusoid(width, timestep, self.config.flip_sin_to_cos, self.config.freq_shift);
        let mut sinusoid = Tensor::from_vec(sinusoid, (1, width), like.device())?.to_dtype(like.dtype())?;
        if let Some(guidance) = &words.guidance {
            sinusoid = (sinusoid + guidance)?;
        }
        let mut time = self.time2.forward(&Activation::Silu.forward(&self.time1.forward(&sinusoid)?)?)?;
        if let Some(added) = &words.added {
            time = time.broadcast_add(added)?;
        }
        Activation::Silu.forward(&time)
    }
}

fn about(addition: Addition, width: usize, weights: &Weights<'_>) -> Result<(Linear, Linear)> {
    let weights = weights.pp("add_embedding").exact();
    let enter = Linear::new(addition.inputs, width, weights.pp("linear_1"))?;
    Ok((enter, Linear::new(width, width, weights.pp("linear_2"))?))
}

/// The timestep as sines and cosines of falling frequency (Vaswani et al. 2017; diffusers' `get_timestep_embedding`), computed
/// in f64: in half precision the angles near 1000 would be off by whole radians.
fn sinusoid(width: usize, timestep: f64, cosines_first: bool, shift: f64) -> Vec<f32> {
    let half = width / 2;
    let angles = (0..half).map(|i| timestep * (-(10_000f64.ln()) * i as f64 / (half as f64 - shift)).exp());
    let (sines, cosines): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.sin() as f32, angle.cos() as f32)).unzip();
    if cosines_first { [cosines, sines].concat() } else { [sines, cosines].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::half_tests::{apart, noise};
    use candle_core::{DType, Device};
    use candle_nn::{VarBuilder, VarMap};
    use std::collections::HashMap;

    #[test]
    fn time_guidance_and_size_are_embedded_in_f32_where_candle_computes_the_rest_in_f16() {
        let json = r#"{"block_out_channels": [32], "norm_num_groups": 8, "attention_head_dim": 4, "cross_attention_dim": 48,
            "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 72, "time_cond_proj_dim": 16}"#;
        let config = UNetConfig::from_json(json).unwrap();
        let asked = VarMap::new();
        Encoder::new(&config, &Weights::from(VarBuilder::from_varmap(&asked, DType::F32, &Device::Cpu))).unwrap();
        let fill = |name: &str, shape: &[usize]| (noise(shape, name.len() as u64) * 0.2).unwrap();
        let filled: HashMap<String, Tensor> =
            asked.data().lock().unwrap().iter().map(|(name, of)| (name.clone(), fill(name, of.dims()))).collect();
        let builder = |dtype| VarBuilder::from_tensors(filled.clone(), dtype, &Device::Cpu);
        let weights = [Weights::from(builder(DType::F32)), Weights::of_candle(builder(DType::F16))];

        let (like, about) = (noise(&[1, 1], 1), About { pooled: noise(&[1, 24], 2), numbers: vec![vec![512.0; 6]] });
        let [ours, candles] = weights.map(|weights| {
            let encoder = Encoder::new(&config, &weights).unwrap();
            let (added, guidance) = (encoder.added(Some(&about)).unwrap(), encoder.guidance(7.5, &like).unwrap());
            let words = Words { blocks: Vec::new(), added: added.clone(), guidance: guidance.clone(), merged: 0.0 };
            [added.unwrap(), guidance.unwrap(), encoder.time(981.0, &words, &like).unwrap()]
        });
        for (expected, found) in ours.iter().zip(&candles) {
            assert_eq!(found.dtype(), DType::F32);
            let apart = apart(found, expected);
            assert!(apart < 1e-5, "{apart}");
        }
    }
}
