//! CLIP's image encoder (Radford et al. 2021), a vision transformer (Dosovitskiy et al. 2020), laid out as transformers'
//! `CLIPVisionModel`.

use super::clip_layers::{ClipLayer, ClipLayersConfig, layers};
use super::fields::{ConfigError, Fields};
use crate::kernels::{Embedding, LayerNorm, Linear, Mask, Weights, activations, pixel_unshuffle, to_channels_last};
use candle_core::{IndexOp, Result, Tensor};
use serde_json::json;

/// What `vision_config` in a CLIP's config.json decides. Absent fields have transformers' defaults, which are CLIP ViT-B/32's.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipImageConfig {
    /// The side of the pictures it takes, in pixels.
    pub image_size: usize,
    /// The side of the squares they are cut into, in pixels; what is left over at the right and at the bottom is not seen.
    pub patch_size: usize,
    /// The layers.
    pub layers: ClipLayersConfig,
}

impl ClipImageConfig {
    /// Reads a config.json, of the image encoder alone or of a whole CLIP.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let fields = Fields::parse(json)?.or_inner("vision_config");
        fields.unsupported_unless("num_channels", &[json!(3)])?;
        let image_size = fields.count("image_size", 1 << 12, Some(224))?;
        Ok(Self {
            image_size,
            patch_size: fields.count("patch_size", image_size, Some(32.min(image_size)))?,
            layers: ClipLayersConfig::from_fields(&fields, (768, 3072), 12)?,
        })
    }

    /// How many squares a side has.
    fn squares(&self) -> usize {
        self.image_size / self.patch_size
    }
}

/// Pictures to what is in them.
#[derive(Clone, Debug)]
pub struct ClipImage {
    /// (1, 1, D): what stands before the squares and gathers what they say.
    class: Tensor,
    patches: Linear,
    positions: Embedding,
    first_norm: LayerNorm,
    layers: Vec<ClipLayer>,
    last_norm: LayerNorm,
    config: ClipImageConfig,
}

impl ClipImage {
    /// Reads the weights of a `CLIPVisionModel`.
    pub fn new(config: &ClipImageConfig, weights: Weights<'_>) -> Result<Self> {
        let (width, epsilon) = (config.layers.hidden_size, config.layers.layer_norm_eps);
        let embeddings = weights.pp("embeddings");
        let class = embeddings.get(width, "class_embedding")?.to_dtype(activations(&weights))?;
        let places = config.squares() * config.squares() + 1;
        Ok(Self {
            class: class.reshape((1, 1, width))?,
            patches: Linear::from_patches(3, config.patch_size, width, embeddings.pp("patch_embedding"))?,
            positions: Embedding::new(places, width, embeddings.pp("position_embedding"))?,
            // The name is transformers' own.
            first_norm: LayerNorm::new(width, epsilon, weights.pp("pre_layrnorm"))?,
            layers: layers(&config.layers, &weights)?,
            last_norm: LayerNorm::new(width, epsilon, weights.pp("post_layernorm"))?,
            config: config.clone(),
        })
    }

    /// The side of the pictures it takes, in pixels.
    pub fn image_size(&self) -> usize {
        self.config.image_size
    }

    /// Pictures (B, 3, S, S), normalised as the encoder was trained, to what is in them (B, D): the class token after the last norm.
    pub fn forward(&self, rgb: &Tensor) -> Result<Tensor> {
        let (batch, _, height, width) = rgb.dims4()?;
        let (side, squares, patch) = (self.config.image_size, self.config.squares(), self.config.patch_size);
        if (height, width) != (side, side) {
            candle_core::bail!("a picture of {width}x{height} is not the image encoder's {side}x{side}");
        }
        let whole = rgb.narrow(2, 0, squares * patch)?.narrow(3, 0, squares * patch)?;
        let squares_in_rows = pixel_unshuffle(&to_channels_last(&whole)?, patch)?;
        let squares_in_line = squares_in_rows.reshape((batch, squares * squares, 3 * patch * patch))?;
        let tokens = self.patches.forward(&squares_in_line)?;
        let class = self.class.expand((batch, 1, self.config.layers.hidden_size))?;
        let tokens = Tensor::cat(&[&class, &tokens], 1)?;
        let tokens = tokens.broadcast_add(&self.positions.first_rows(squares * squares + 1)?)?;
        let mut tokens = self.first_norm.forward(&tokens)?;
        for layer in &self.layers {
            tokens = layer.forward(&tokens, Mask::None)?;
        }
        self.last_norm.forward(&tokens.i((.., 0))?.contiguous()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_larger_than_the_picture_is_refused() {
        let error =
            ClipImageConfig::from_json(r#"{"vision_config": {"image_size": 32, "patch_size": 33}}"#).unwrap_err();
        assert_eq!(error.to_string(), "the field `patch_size` is 33, but must be a whole number between 1 and 32");
    }
}
