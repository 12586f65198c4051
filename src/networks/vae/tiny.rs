//! A small encoder and decoder that were taught to do what a large pair does, for a fraction of its time and memory: TAESD (Ollin Boer
//! Bohan 2023, madebyollin/taesd), laid out and named as diffusers' `AutoencoderTiny`. Its latents are scaled already.

use crate::kernels::{Conv2d, Padding, Rectifier, Weights, to_channels_first, to_channels_last};
use crate::networks::fields::{ConfigError, Fields};
use candle_core::{DType, Result, Tensor};
use serde_json::json;

/// How far latents reach: what is beyond is bent back by a hyperbolic tangent.
const REACH: f64 = 3.0;

/// What decides the shapes. The levels of the way down go from the finest, those of the way up from the coarsest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoencoderTinyConfig {
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Channels of all layers of the decoder.
    pub width: usize,
    /// Blocks at each level of the decoder; each level but the last doubles the picture.
    pub decoder_blocks: Vec<usize>,
    /// Channels of all layers of the encoder, and blocks at each of its levels; none where there is no encoder.
    pub encoder: Option<(usize, Vec<usize>)>,
}

impl AutoencoderTinyConfig {
    /// The most levels that are read: pictures 2048 times as large as latents.
    pub const MAX_LEVELS: usize = 12;

    /// Reads a config.json of diffusers; what it asks for that is not built here is an error.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        for (field, neutral) in [
            ("act_fn", json!("relu")),
            ("upsample_fn", json!("nearest")),
            ("upsampling_scaling_factor", json!(2)),
            ("in_channels", json!(3)),
            ("out_channels", json!(3)),
        ] {
            fields.unsupported_unless(field, &[neutral])?;
        }
        let side = |widths: &'static str, blocks: &'static str| {
            let all = fields.counts(widths, 1 << 12)?;
            let blocks = fields.count_per_block(blocks, 100, all.len())?.unwrap_or_else(|| vec![3; all.len()]);
            match all.first() {
                Some(width) if all.iter().all(|other| other == width) => Ok((*width, blocks)),
                _ => Err(fields.wrong(widths, "the same number at all levels")),
            }
        };
        let (width, decoder_blocks) = side("decoder_block_out_channels", "num_decoder_blocks")?;
        let encoder = side("encoder_block_out_channels", "num_encoder_blocks")?;
        if encoder.1.len() != decoder_blocks.len() {
            return Err(fields.wrong("encoder_block_out_channels", "as many levels as the decoder has"));
        }
        if decoder_blocks.len() > Self::MAX_LEVELS {
            return Err(fields.wrong("decoder_block_out_channels", "at most twelve levels"));
        }
        let latent_channels = fields.count("latent_channels", 1 << 10, Some(4))?;
        Ok(Self { latent_channels, width, decoder_blocks, encoder: Some(encoder) })
    }

    /// How many picture pixels a side of a latent pixel has.
    pub fn downscale(&self) -> usize {
        1 << (self.decoder_blocks.len() - 1)
    }
}

/// Picture to latent, where there is an encoder, and back.
#[derive(Clone, Debug)]
pub struct AutoencoderTiny {
    encoder: Option<Layers>,
    decoder: Layers,
    config: AutoencoderTinyConfig,
}

impl AutoencoderTiny {
    /// Reads the weights of the decoder and, if the config has one, of the encoder, each by the numbers of its layers.
    pub fn new(config: &AutoencoderTinyConfig, encoder: Weights<'_>, decoder: Weights<'_>) -> Result<Self> {
        let down =
            |(width, blocks): &(usize, Vec<usize>)| Layers::down(*width, blocks, config.latent_channels, &encoder);
        Ok(Self {
            encoder: config.encoder.as_ref().map(down).transpose()?,
            decoder: Layers::up(config, &decoder)?,
            config: config.clone(),
        })
    }

    /// As [`AutoencoderKl::encode`](super::AutoencoderKl::encode); an error where there is no encoder.
    pub fn encode(&self, rgb: &Tensor) -> Result<Tensor> {
        let Some(encoder) = &self.encoder else { candle_core::bail!("the tiny VAE has a decoder alone") };
        to_channels_first(&encoder.forward(&to_channels_last(&((rgb + 1.0)? / 2.0)?)?)?)?.to_dtype(DType::F32)
    }

    /// As [`AutoencoderKl::decode`](super::AutoencoderKl::decode).
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        let bent = ((latent / REACH)?.tanh()? * REACH)?;
        let rgb = self.decoder.forward(&to_channels_last(&bent)?)?;
        (to_channels_first(&rgb)?.to_dtype(DType::F32)? * 2.0)? - 1.0
    }

    /// What decides its shapes.
    pub fn config(&self) -> &AutoencoderTinyConfig {
        &self.config
    }
}

/// One after the other.
#[derive(Clone, Debug)]
struct Layers {
    layers: Vec<Layer>,
    rectifier: Rectifier,
}

#[derive(Clone, Debug)]
enum Layer {
    Conv(Conv2d),
    Rectify,
    Block([Conv2d; 3]),
    /// Of the picture twice as large.
    Doubled(Conv2d),
}

impl Layers {
    fn down(width: usize, blocks: &[usize], latent_channels: usize, weights: &Weights<'_>) -> Result<Self> {
        let mut layers = vec![Layer::Conv(Conv2d::new(3, width, 3, weights.pp(0))?)];
        for (level, count) in blocks.iter().enumerate() {
            if level > 0 {
                let halve = Conv2d::without_bias(width, width, 3, 2, Padding::even(1), weights.pp(layers.len()))?;
                layers.push(Layer::Conv(halve));
            }
            for _ in 0..*count {
                layers.push(block(width, &weights.pp(layers.len()))?);
            }
        }
        layers.push(Layer::Conv(Conv2d::new(width, latent_channels, 3, weights.pp(layers.len()))?));
        Ok(Self { layers, rectifier: Rectifier::leaky(width, 0.0, weights)? })
    }

    fn up(config: &AutoencoderTinyConfig, weights: &Weights<'_>) -> Result<Self> {
        let width = config.width;
        let mut layers =
            vec![Layer::Conv(Conv2d::new(config.latent_channels, width, 3, weights.pp(0))?), Layer::Rectify];
        // What doubles a picture has a number of its own.
        let mut number = layers.len();
        for (level, count) in config.decoder_blocks.iter().enumerate() {
            for _ in 0..*count {
                layers.push(block(width, &weights.pp(number))?);
                number += 1;
            }
            if level + 1 < config.decoder_blocks.len() {
                let conv = Conv2d::without_bias(width, width, 3, 1, Padding::even(1), weights.pp(number + 1))?;
                layers.push(Layer::Doubled(conv));
                number += 2;
            }
        }
        layers.push(Layer::Conv(Conv2d::new(width, 3, 3, weights.pp(number))?));
        Ok(Self { layers, rectifier: Rectifier::leaky(width, 0.0, weights)? })
    }

    /// (B, h, w, in) to (B, h', w', out).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = match layer {
                Layer::Conv(conv) => conv.forward(&x)?,
                Layer::Rectify => self.rectifier.forward(&x)?,
                Layer::Block([first, second, third]) => {
                    let mut hidden = self.rectifier.forward(&first.forward(&x)?)?;
                    hidden = self.rectifier.forward(&second.forward(&hidden)?)?;
                    self.rectifier.forward(&third.forward_adding(&hidden, None, Some(&x))?)?
                }
                Layer::Doubled(conv) => {
                    let (_, height, width, _) = x.dims4()?;
                    conv.forward_enlarged(&x, 2 * height, 2 * width)?
                }
            };
        }
        Ok(x)
    }
}

/// diffusers' `AutoencoderTinyBlock`.
fn block(width: usize, weights: &Weights<'_>) -> Result<Layer> {
    let conv = |number: usize| Conv2d::new(width, width, 3, weights.pp(format!("conv.{number}")));
    Ok(Layer::Block([conv(0)?, conv(2)?, conv(4)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_of_another_kind_is_refused_by_name() {
        let error = AutoencoderTinyConfig::from_json(r#"{"act_fn": "gelu"}"#).unwrap_err().to_string();
        assert!(error.contains("`act_fn`"), "{error}");
        let widths = r#"{"decoder_block_out_channels": [64, 32], "num_decoder_blocks": [1, 1]}"#;
        let error = AutoencoderTinyConfig::from_json(widths).unwrap_err().to_string();
        assert!(error.contains("`decoder_block_out_channels`"), "{error}");
        let levels = [64; 13];
        let deep = json!({ "decoder_block_out_channels": levels, "encoder_block_out_channels": levels }).to_string();
        assert!(AutoencoderTinyConfig::from_json(&deep).unwrap_err().to_string().contains("twelve levels"));
    }
}
