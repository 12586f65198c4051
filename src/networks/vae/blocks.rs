use super::bands::{Rows, through_conv, through_resnet};
use super::config::AutoencoderKlConfig;
use super::{GoesOn, check};
use crate::kernels::{Activation, Conv2d, GroupNorm, Linear, Mask, Padding, Weights, attention};
use crate::memory::{available_memory, give_back_freed_memory};
use crate::networks::resnet::{Groups, Resnet};
use candle_core::{Result, Tensor};

/// Added to variances; fixed in diffusers.
const EPSILON: f64 = 1e-6;

fn groups(config: &AutoencoderKlConfig) -> Groups {
    Groups { count: config.norm_num_groups, epsilon: EPSILON }
}

fn resnets(
    config: &AutoencoderKlConfig,
    entering: usize,
    channels: usize,
    count: usize,
    weights: &Weights<'_>,
) -> Result<Vec<Resnet>> {
    (0..count)
        .map(|layer| {
            let inputs = if layer == 0 { entering } else { channels };
            Resnet::new(inputs, channels, groups(config), None, &weights.pp(format!("resnets.{layer}")))
        })
        .collect()
}

fn out_norm(config: &AutoencoderKlConfig, channels: usize, weights: &Weights<'_>) -> Result<GroupNorm> {
    GroupNorm::new(config.norm_num_groups, channels, EPSILON, Activation::Silu, weights.pp("conv_norm_out"))
}

/// Picture to the moments of the posterior.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    levels: Vec<(Vec<Resnet>, Option<Conv2d>)>,
    mid: MidBlock,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    /// Channels of the finest level.
    finest: usize,
}

impl Encoder {
    pub(super) fn new(config: &AutoencoderKlConfig, weights: &Weights<'_>) -> Result<Self> {
        let channels = &config.block_out_channels;
        let coarsest = channels[channels.len() - 1];
        let levels = (0..channels.len()).map(|index| {
            let weights = weights.pp(format!("down_blocks.{index}"));
            let width = channels[index];
            let resnets = resnets(config, channels[index.saturating_sub(1)], width, config.layers_per_block, &weights)?;
            let halve = (index + 1 < channels.len()).then(|| {
                let padding = Padding { before: 0, after: 1 };
                Conv2d::strided(width, width, 3, 2, padding, weights.pp("downsamplers.0.conv"))
            });
            Ok((resnets, halve.transpose()?))
        });
        Ok(Self {
            conv_in: Conv2d::new(config.in_channels, channels[0], 3, weights.pp("conv_in"))?,
            levels: levels.collect::<Result<_>>()?,
            mid: MidBlock::new(config, coarsest, &weights.pp("mid_block"))?,
            norm_out: out_norm(config, coarsest, weights)?,
            conv_out: Conv2d::new(coarsest, 2 * config.latent_channels, 3, weights.pp("conv_out"))?,
            finest: channels[0],
        })
    }

    /// (B, H, W, 3) to (B, h, w, 2C): means, then logarithms of variances.
    pub(super) fn forward(&self, rgb: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        let (batch, height, width, _) = rgb.dims4()?;
        if self.goes_in_bands((batch, height, width), available_memory) {
            return self.in_bands(rgb, goes_on);
        }
        let mut x = self.conv_in.forward(rgb)?;
        for (resnets, halve) in &self.levels {
            for resnet in resnets {
                check(goes_on)?;
                x = resnet.forward(&x, None)?;
            }
            if let Some(halve) = halve {
                x = halve.forward(&x)?;
            }
        }
        self.conv_out.forward(&self.norm_out.forward(&self.mid.forward(&x, goes_on)?)?)
    }

    fn goes_in_bands(&self, (batch, height, width): (usize, usize, usize), free: Free) -> bool {
        goes_in_bands(&self.norm_out, batch, height * width * self.finest, free)
    }

    /// As [`Self::forward`], of a large picture.
    fn in_bands(&self, rgb: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        let mut x = self.conv_in.forward(rgb)?;
        for (resnets, halve) in &self.levels {
            for resnet in resnets {
                x = through_resnet(resnet, &Rows::Stored(x), goes_on)?;
            }
            if let Some(halve) = halve {
                x = halve.forward(&x)?;
            }
        }
        self.conv_out.forward(&self.norm_out.forward(&self.mid.forward(&x, goes_on)?)?)
    }
}

/// Numbers of the finest feature map up to which a picture is never worth bands: 1.5 megapixels of Stable Diffusion.
const LARGE: usize = 128 * (3 << 19);
/// Feature maps of the finest level, of f32, that are in memory at once where nothing goes in bands.
const MAPS: u64 = 6;

/// Tells how much memory is free, in bytes.
type Free = fn() -> Option<u64>;

/// Whether a picture is too large for the memory that is free to be held whole between the layers of its finest level. In bands it takes half of the
/// time more, or all of it. `numbers` has the finest feature map.
fn goes_in_bands(norm: &GroupNorm, batch: usize, numbers: usize, free: Free) -> bool {
    let needed = (numbers * size_of::<f32>()) as u64 * MAPS;
    let may = batch == 1 && numbers > LARGE && norm.measured().is_some();
    let is_short = || free().is_none_or(|free| needed > free / 4 * 3);
    // What the steps before it freed is kept for the next who asks, and counts as taken until it is given back.
    may && is_short() && {
        give_back_freed_memory();
        is_short()
    }
}

/// Latent to picture.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    conv_in: Conv2d,
    mid: MidBlock,
    levels: Vec<(Vec<Resnet>, Option<Conv2d>)>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    /// Channels of the finest level.
    finest: usize,
}

impl Decoder {
    pub(super) fn new(config: &AutoencoderKlConfig, weights: &Weights<'_>) -> Result<Self> {
        let channels: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let finest = channels[channels.len() - 1];
        let levels = (0..channels.len()).map(|index| {
            let weights = weights.pp(format!("up_blocks.{index}"));
            let width = channels[index];
            let resnets =
                resnets(config, channels[index.saturating_sub(1)], width, config.layers_per_block + 1, &weights)?;
            let double =
                (index + 1 < channels.len()).then(|| Conv2d::new(width, width, 3, weights.pp("upsamplers.0.conv")));
            Ok((resnets, double.transpose()?))
        });
        Ok(Self {
            conv_in: Conv2d::new(config.latent_channels, channels[0], 3, weights.pp("conv_in"))?,
            mid: MidBlock::new(config, channels[0], &weights.pp("mid_block"))?,
            levels: levels.collect::<Result<_>>()?,
            norm_out: out_norm(config, finest, weights)?,
            conv_out: Conv2d::new(finest, config.out_channels, 3, weights.pp("conv_out"))?,
            finest,
        })
    }

    /// (B, h, w, C) to (B, H, W, 3).
    pub(super) fn forward(&self, latent: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        let (batch, height, width, _) = latent.dims4()?;
        if self.goes_in_bands((batch, height, width), available_memory) {
            return self.in_bands(latent, goes_on);
        }
        let mut x = self.mid.forward(&self.conv_in.forward(latent)?, goes_on)?;
        for (resnets, double) in &self.levels {
            for resnet in resnets {
                check(goes_on)?;
                x = resnet.forward(&x, None)?;
            }
            if let Some(conv) = double {
                let (_, height, width, _) = x.dims4()?;
                x = conv.forward_enlarged(&x, 2 * height, 2 * width)?;
            }
        }
        self.conv_out.forward(&self.norm_out.forward(&x)?)
    }

    /// Whether the picture of a latent of these sizes does.
    fn goes_in_bands(&self, (batch, height, width): (usize, usize, usize), free: Free) -> bool {
        let pixels = (height * width) << (2 * (self.levels.len() - 1));
        goes_in_bands(&self.norm_out, batch, pixels * self.finest, free)
    }

    /// As [`Self::forward`], of a large picture.
    fn in_bands(&self, latent: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        let mut x = self.mid.forward(&self.conv_in.forward(latent)?, goes_on)?;
        // What doubles a picture for the finest level makes the largest of all feature maps, which is never there whole.
        let mut doubles = None;
        for (index, (resnets, double)) in self.levels.iter().enumerate() {
            for resnet in resnets {
                let rows = match doubles.take() {
                    Some(conv) => Rows::Enlarged { from: x, conv },
                    None => Rows::Stored(x),
                };
                x = through_resnet(resnet, &rows, goes_on)?;
            }
            match double {
                Some(conv) if index + 2 == self.levels.len() => doubles = Some(conv),
                Some(conv) => {
                    let (_, height, width, _) = x.dims4()?;
                    x = conv.forward_enlarged(&x, 2 * height, 2 * width)?;
                }
                None => {}
            }
        }
        through_conv(&self.norm_out, &self.conv_out, &Rows::Stored(x), goes_on)
    }
}

/// `UNetMidBlock2D`.
#[derive(Clone, Debug)]
struct MidBlock {
    first: Resnet,
    attention: Option<Attention>,
    second: Resnet,
}

impl MidBlock {
    fn new(config: &AutoencoderKlConfig, channels: usize, weights: &Weights<'_>) -> Result<Self> {
        let resnet = |name| Resnet::new(channels, channels, groups(config), None, &weights.pp(name));
        let attention =
            config.mid_block_add_attention.then(|| Attention::new(config, channels, &weights.pp("attentions.0")));
        Ok(Self { first: resnet("resnets.0")?, attention: attention.transpose()?, second: resnet("resnets.1")? })
    }

    fn forward(&self, x: &Tensor, goes_on: GoesOn<'_>) -> Result<Tensor> {
        check(goes_on)?;
        let mut x = self.first.forward(x, None)?;
        if let Some(attention) = &self.attention {
            check(goes_on)?;
            x = attention.forward(&x)?;
        }
        check(goes_on)?;
        self.second.forward(&x, None)
    }
}

/// One head over all places of the coarsest level.
#[derive(Clone, Debug)]
struct Attention {
    norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Attention {
    /// Reads the names of today, or those of diffusers before 0.18.
    fn new(config: &AutoencoderKlConfig, channels: usize, weights: &Weights<'_>) -> Result<Self> {
        let old = weights.contains_tensor("query.weight");
        let linear = |today, before| Linear::new(channels, channels, weights.pp(if old { before } else { today }));
        Ok(Self {
            norm: GroupNorm::new(
                config.norm_num_groups,
                channels,
                EPSILON,
                Activation::Identity,
                weights.pp("group_norm"),
            )?,
            query: linear("to_q", "query")?,
            key: linear("to_k", "key")?,
            value: linear("to_v", "value")?,
            out: linear("to_out.0", "proj_attn")?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let tokens = self.norm.forward(x)?.reshape((batch, height * width, channels))?;
        let of = |linear: &Linear| linear.forward_rounded(&tokens);
        let found = attention(&of(&self.query)?, &of(&self.key)?, &of(&self.value)?, 1, Mask::None)?;
        let residual = x.reshape((batch, height * width, channels))?;
        self.out.forward_adding(&found, &residual)?.reshape((batch, height, width, channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};
    use candle_nn::{Init, VarBuilder, VarMap};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A VAE of random weights, wide enough that its products are made by tiles where there are some.
    fn config() -> AutoencoderKlConfig {
        let json = r#"{"block_out_channels": [64, 128], "layers_per_block": 1, "norm_num_groups": 16,
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]}"#;
        AutoencoderKlConfig::from_json(json).unwrap()
    }

    fn bytes(x: &Tensor) -> Vec<u32> {
        x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    }

    fn noise(shape: &[usize], mean: f64, stdev: f64) -> Tensor {
        Init::Randn { mean, stdev }.var(shape, DType::F32, &Device::Cpu).unwrap().as_detached_tensor()
    }

    /// Random ones of such a shape, of the size that trained ones have: what comes out is about as large as what goes in.
    fn weights_like(name: &str, of: &Tensor) -> Tensor {
        match *of.dims() {
            [_] if name.ends_with("weight") => noise(of.dims(), 1.0, 0.1),
            [_] => noise(of.dims(), 0.0, 0.1),
            [outputs, ..] => noise(of.dims(), 0.0, (outputs as f64 / of.elem_count() as f64).sqrt()),
            [] => of.clone(),
        }
    }

    /// Whether what was freed still counts as taken.
    static KEPT: AtomicBool = AtomicBool::new(true);

    #[test]
    fn a_picture_in_bands_has_the_bytes_of_the_whole() {
        let weights = VarMap::new();
        let builder = Weights::from(VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu));
        let (_, _) = (
            Decoder::new(&config(), &builder.pp("decoder")).unwrap(),
            Encoder::new(&config(), &builder.pp("encoder")).unwrap(),
        );
        // What is trained is candle's; what was is not. A builder makes all of it zeros.
        let still =
            weights.data().lock().unwrap().iter().map(|(name, of)| (name.clone(), weights_like(name, of))).collect();
        let still = Weights::from(VarBuilder::from_tensors(still, DType::F32, &Device::Cpu));
        let (decoder, encoder) = (
            Decoder::new(&config(), &still.pp("decoder")).unwrap(),
            Encoder::new(&config(), &still.pp("encoder")).unwrap(),
        );
        // Two bands at least, the last of which is longer than the others; so narrow that a shorter one would be computed in another way.
        // Where memory is short, or may be, and from a size on: maps of 3 · 2²⁶ numbers, six of which take 4.5 GiB.
        let (unknown, short, enough): (Free, Free, Free) = (|| None, || Some(5 << 30), || Some(7 << 30));
        assert!(decoder.goes_in_bands((1, 2048, 385), short) && !decoder.goes_in_bands((1, 2048, 384), short));
        assert!(encoder.goes_in_bands((1, 3072, 1025), short) && !encoder.goes_in_bands((2, 3072, 1025), short));
        assert!(decoder.goes_in_bands((1, 2048, 385), unknown) && !decoder.goes_in_bands((1, 2048, 385), enough));
        // What was freed is given back before it is said to be short.
        let in_time: Free = || Some(if KEPT.swap(false, Ordering::Relaxed) { 5 << 30 } else { 7 << 30 });
        assert!(!decoder.goes_in_bands((1, 2048, 385), in_time) && !KEPT.load(Ordering::Relaxed));
        let latent = noise(&[1, 139, 8, 4], 0.0, 1.0);
        let on: GoesOn<'_> = &|| true;
        assert_eq!(bytes(&decoder.in_bands(&latent, on).unwrap()), bytes(&decoder.forward(&latent, on).unwrap()));
        let rgb = noise(&[1, 278, 16, 3], 0.0, 1.0);
        assert_eq!(bytes(&encoder.in_bands(&rgb, on).unwrap()), bytes(&encoder.forward(&rgb, on).unwrap()));
        let asked = std::cell::Cell::new(0_u32);
        let stops = || {
            asked.set(asked.get() + 1);
            !asked.get().is_multiple_of(3)
        };
        for stopped in [
            decoder.forward(&latent, &stops),
            decoder.in_bands(&latent, &stops),
            encoder.forward(&rgb, &stops),
            encoder.in_bands(&rgb, &stops),
        ] {
            assert!(stopped.unwrap_err().to_string().contains("stopped"));
        }
        assert_eq!(asked.get(), 12, "none goes on after the third question");
    }
}
