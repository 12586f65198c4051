use super::config::{Level, Middle, UNetConfig};
use super::transformer::{KeysAndValues, Sizes, Transformer};
use crate::kernels::{Conv2d, Padding, Weights, concatenate};
use crate::networks::resnet::{Groups, Resnet};
use candle_core::{Result, Tensor};

/// What every block is told.
#[derive(Clone, Copy)]
pub(super) struct Signal<'a> {
    /// silu of the time embedding, (1 or B, width).
    pub(super) time: &'a Tensor,
    /// What the block's transformers look up.
    pub(super) words: &'a BlockWords,
    /// How much of what looks at itself is merged.
    pub(super) merged: f64,
}

/// What each transformer of a block, and each layer in it, looks up in the conditioning.
pub(super) type BlockWords = Vec<Vec<KeysAndValues>>;

fn prepare(transformers: &[Transformer], conditioning: &Tensor) -> Result<BlockWords> {
    transformers.iter().map(|transformer| transformer.prepare(conditioning)).collect()
}

fn groups(config: &UNetConfig) -> Groups {
    Groups { count: config.norm_num_groups, epsilon: config.norm_eps }
}

/// The time embedding's width: diffusers makes it four times the finest level's.
pub(super) fn time_width(config: &UNetConfig) -> usize {
    config.levels[0].channels * 4
}

/// Behind each residual block of a part one of so many layers, or none.
fn transformers(
    config: &UNetConfig,
    level: &Level,
    layers: &[usize],
    weights: &Weights<'_>,
) -> Result<Vec<Transformer>> {
    let sizes = |layers: usize| Sizes {
        channels: level.channels,
        heads: level.heads,
        layers,
        conditioning_width: level.conditioning_width,
        groups: config.norm_num_groups,
        linear_projection: config.use_linear_projection,
        // Those of Stable Diffusion 2, which its makers' code computes in f32 (`ATTN_PRECISION`), and `ComfyUI`'s too.
        large_scores: config.use_linear_projection && config.addition.is_none(),
    };
    let attending = layers.iter().enumerate().filter(|(_, layers)| **layers > 0);
    attending
        .map(|(index, layers)| Transformer::new(sizes(*layers), &weights.pp(format!("attentions.{index}"))))
        .collect()
}

/// `DownBlock2D` and `CrossAttnDownBlock2D`.
#[derive(Clone, Debug)]
pub(super) struct DownBlock {
    resnets: Vec<Resnet>,
    transformers: Vec<Transformer>,
    halve: Option<Conv2d>,
}

impl DownBlock {
    pub(super) fn new(config: &UNetConfig, index: usize, weights: &Weights<'_>) -> Result<Self> {
        let level = &config.levels[index];
        let (channels, time) = (level.channels, Some(time_width(config)));
        let entering = if index == 0 { channels } else { config.levels[index - 1].channels };
        let padding = Padding::even(config.downsample_padding);
        let halve = (index + 1 < config.levels.len())
            .then(|| Conv2d::strided(channels, channels, 3, 2, padding, weights.pp("downsamplers.0.conv")));
        Ok(Self {
            resnets: (0..level.down.len())
                .map(|layer| {
                    let inputs = if layer == 0 { entering } else { channels };
                    Resnet::new(inputs, channels, groups(config), time, &weights.pp(format!("resnets.{layer}")))
                })
                .collect::<Result<_>>()?,
            transformers: transformers(config, level, &level.down, weights)?,
            halve: halve.transpose()?,
        })
    }

    /// For [`Signal::words`], from the conditioning (B, N, D).
    pub(super) fn prepare(&self, conditioning: &Tensor) -> Result<BlockWords> {
        prepare(&self.transformers, conditioning)
    }

    /// Each result on the way is kept in `skips`, for the way up.
    pub(super) fn forward(&self, x: Tensor, signal: Signal<'_>, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        let mut x = x;
        for (index, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(&x, Some(signal.time))?;
            if let (Some(transformer), Some(words)) = (self.transformers.get(index), signal.words.get(index)) {
                x = transformer.forward(&x, words, signal.merged)?;
            }
            skips.push(x.clone());
        }
        if let Some(halve) = &self.halve {
            x = halve.forward(&x)?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

/// `UNetMidBlock2DCrossAttn`, or what is left of it: `UNetMidBlock2D`, or nothing.
#[derive(Clone, Debug)]
pub(super) struct MidBlock {
    resnets: Vec<Resnet>,
    /// Behind the first.
    transformers: Vec<Transformer>,
}

impl MidBlock {
    pub(super) fn new(config: &UNetConfig, weights: &Weights<'_>) -> Result<Self> {
        let level = &config.levels[config.levels.len() - 1];
        let (resnets, layers) = match config.middle {
            Middle::Nothing => (0, 0),
            Middle::Resnet => (1, 0),
            Middle::Attention(layers) => (2, layers),
        };
        let resnet = |index| {
            let weights = weights.pp(format!("resnets.{index}"));
            Resnet::new(level.channels, level.channels, groups(config), Some(time_width(config)), &weights)
        };
        Ok(Self {
            resnets: (0..resnets).map(resnet).collect::<Result<_>>()?,
            transformers: transformers(config, level, &[layers], weights)?,
        })
    }

    /// For [`Signal::words`], from the conditioning (B, N, D).
    pub(super) fn prepare(&self, conditioning: &Tensor) -> Result<BlockWords> {
        prepare(&self.transformers, conditioning)
    }

    pub(super) fn forward(&self, x: Tensor, signal: Signal<'_>) -> Result<Tensor> {
        let mut x = x;
        for (index, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(&x, Some(signal.time))?;
            if let (Some(transformer), Some(words)) = (self.transformers.get(index), signal.words.get(index)) {
                x = transformer.forward(&x, words, signal.merged)?;
            }
        }
        Ok(x)
    }
}

/// `UpBlock2D` and `CrossAttnUpBlock2D`.
#[derive(Clone, Debug)]
pub(super) struct UpBlock {
    resnets: Vec<Resnet>,
    transformers: Vec<Transformer>,
    double: Option<Conv2d>,
}

impl UpBlock {
    /// `index` counts from the coarsest level.
    pub(super) fn new(config: &UNetConfig, index: usize, weights: &Weights<'_>) -> Result<Self> {
        let from_coarsest = |index: usize| &config.levels[config.levels.len() - 1 - index.min(config.levels.len() - 1)];
        let level = from_coarsest(index);
        let entering = from_coarsest(index.saturating_sub(1)).channels;
        let finer = from_coarsest(index + 1).channels;
        let (channels, layers) = (level.channels, level.up.len());
        let double = (index + 1 < config.levels.len())
            .then(|| Conv2d::new(channels, channels, 3, weights.pp("upsamplers.0.conv")));
        Ok(Self {
            resnets: (0..layers)
                .map(|layer| {
                    let skip = if layer + 1 == layers { finer } else { channels };
                    let inputs = if layer == 0 { entering } else { channels } + skip;
                    let time = Some(time_width(config));
                    Resnet::new(inputs, channels, groups(config), time, &weights.pp(format!("resnets.{layer}")))
                })
                .collect::<Result<_>>()?,
            transformers: transformers(config, level, &level.up, weights)?,
            double: double.transpose()?,
        })
    }

    /// For [`Signal::words`], from the conditioning (B, N, D).
    pub(super) fn prepare(&self, conditioning: &Tensor) -> Result<BlockWords> {
        prepare(&self.transformers, conditioning)
    }

    /// Takes its skips from the end of `skips`. It enlarges to the size of the next one, which for odd sizes is not the double.
    pub(super) fn forward(&self, x: Tensor, signal: Signal<'_>, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        let x = self.up_to_last(x, signal, skips)?;
        let x = self.last(&x, signal, skips)?;
        match (&self.double, skips.last()) {
            (Some(conv), Some(next)) => {
                let (_, height, width, _) = next.dims4()?;
                conv.forward_enlarged(&x, height, width)
            }
            _ => Ok(x),
        }
    }

    /// All layers but the last.
    pub(super) fn up_to_last(&self, x: Tensor, signal: Signal<'_>, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        (0..self.resnets.len() - 1).try_fold(x, |x, index| self.layer(index, &x, signal, skips))
    }

    /// The last layer, which takes what [`Self::up_to_last`] gives.
    pub(super) fn last(&self, x: &Tensor, signal: Signal<'_>, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        self.layer(self.resnets.len() - 1, x, signal, skips)
    }

    fn layer(&self, index: usize, x: &Tensor, signal: Signal<'_>, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        let skip = skips.pop().expect("the way down keeps as many skips as the way up takes");
        let x = self.resnets[index].forward(&concatenate(x, &skip)?, Some(signal.time))?;
        match (self.transformers.get(index), signal.words.get(index)) {
            (Some(transformer), Some(words)) => transformer.forward(&x, words, signal.merged),
            _ => Ok(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::half_tests::noise;
    use candle_core::{DType, Device};
    use candle_nn::{VarBuilder, VarMap};
    use std::collections::HashMap;

    /// Whether a transformer of such a network gives numbers by candle's operations in f16 where its scores are too large for that.
    fn bears_large_scores(more: &str) -> bool {
        let json = format!(
            r#"{{"block_out_channels": [32], "norm_num_groups": 8, "attention_head_dim": 4, "cross_attention_dim": 48,
                "down_block_types": ["CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D"]{more}}}"#
        );
        let config = UNetConfig::from_json(&json).unwrap();
        let build = |weights: &Weights<'_>| transformers(&config, &config.levels[0], &[1], weights).unwrap().remove(0);
        let asked = VarMap::new();
        build(&Weights::from(VarBuilder::from_varmap(&asked, DType::F32, &Device::Cpu)));
        let fill = |name: &str, shape: &[usize]| {
            let size = match shape {
                [_] => 1.0,
                // Queries and keys come to be about a thousand.
                _ if name.contains("to_q") || name.contains("to_k") => 200.0,
                _ => 0.1,
            };
            (noise(shape, name.len() as u64) * size).unwrap()
        };
        let filled: HashMap<String, Tensor> =
            asked.data().lock().unwrap().iter().map(|(name, of)| (name.clone(), fill(name, of.dims()))).collect();
        let weights = Weights::of_candle(VarBuilder::from_tensors(filled, DType::F16, &Device::Cpu));
        let transformer = build(&weights);
        let words = transformer.prepare(&noise(&[1, 7, 48], 1)).unwrap();
        let x = noise(&[1, 3, 4, 32], 2).to_dtype(DType::F16).unwrap();
        let found = transformer.forward(&x, &words, 0.0).unwrap();
        assert_eq!(found.dtype(), DType::F16);
        let numbers = found.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        numbers.into_iter().all(f32::is_finite)
    }

    #[test]
    fn scores_too_large_for_f16_are_borne_by_stable_diffusion_2_alone() {
        let of_xl = r#", "use_linear_projection": true, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 72"#;
        assert!(bears_large_scores(r#", "use_linear_projection": true"#));
        assert!(!bears_large_scores("") && !bears_large_scores(of_xl), "f16 alone multiplies faster");
    }
}
