//! CLIP (Radford et al. 2021): an encoder of texts and one of pictures, trained so that what belongs together points the same way.
//! Laid out as transformers' `CLIPModel`.

use super::clip_image::{ClipImage, ClipImageConfig};
use super::clip_text::{ClipText, ClipTextConfig};
use super::fields::{ConfigError, Fields};
use crate::kernels::{Linear, Weights};
use candle_core::{D, Result, Tensor};
use serde_json::json;

/// What a CLIP's config.json decides.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipConfig {
    /// The text encoder.
    pub text: ClipTextConfig,
    /// The image encoder.
    pub image: ClipImageConfig,
    /// How many numbers an embedding has.
    pub projection_dim: usize,
}

impl ClipConfig {
    /// Reads a config.json.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        fields.unsupported_unless("model_type", &[json!("clip")])?;
        for encoder in ["text_config", "vision_config"] {
            if fields.inner(encoder).is_none() {
                return Err(fields.wrong(encoder, "an object: both encoders are needed"));
            }
        }
        Ok(Self {
            text: ClipTextConfig::from_json(json)?,
            image: ClipImageConfig::from_json(json)?,
            projection_dim: fields.count("projection_dim", 1 << 16, Some(512))?,
        })
    }
}

/// Texts and pictures to embeddings: unit vectors, the closer the more they belong together.
#[derive(Clone, Debug)]
pub struct Clip {
    text: ClipText,
    text_projection: Linear,
    image: ClipImage,
    image_projection: Linear,
    scale: f32,
}

impl Clip {
    /// Reads the weights of a `CLIPModel`.
    pub fn new(config: &ClipConfig, weights: Weights<'_>) -> Result<Self> {
        let projection = |width, name| Linear::new_without_bias(width, config.projection_dim, weights.pp(name));
        let scale = weights.get((), "logit_scale")?.to_dtype(candle_core::DType::F32)?.to_scalar::<f32>()?;
        Ok(Self {
            text: ClipText::new(&config.text, weights.pp("text_model"))?,
            text_projection: projection(config.text.layers.hidden_size, "text_projection")?,
            image: ClipImage::new(&config.image, weights.pp("vision_model"))?,
            image_projection: projection(config.image.layers.hidden_size, "visual_projection")?,
            scale: scale.exp(),
        })
    }

    /// How many tokens a text has, with those that begin, end and fill it.
    pub fn context_length(&self) -> usize {
        self.text.context_length()
    }

    /// The side of the pictures it takes, in pixels.
    pub fn image_size(&self) -> usize {
        self.image.image_size()
    }

    /// What the cosine of two embeddings is multiplied by before a softmax tells which of several fits: 100 in most.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Token ids (B, N) as u32, each row with its end token, to unit vectors (B, P).
    pub fn embed_texts(&self, ids: &Tensor) -> Result<Tensor> {
        let pooled = self.text.pool(&self.text.forward(ids)?, ids)?;
        of_unit_length(&self.text_projection.forward(&pooled)?)
    }

    /// Pictures (B, 3, S, S), normalised as the encoder was trained, to unit vectors (B, P).
    pub fn embed_pictures(&self, rgb: &Tensor) -> Result<Tensor> {
        of_unit_length(&self.image_projection.forward(&self.image.forward(rgb)?)?)
    }
}

/// Each row (B, P) divided by its length.
fn of_unit_length(x: &Tensor) -> Result<Tensor> {
    x.broadcast_div(&x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_pair_of_encoders_is_refused_by_field() {
        let error = |json| ClipConfig::from_json(json).unwrap_err().to_string();
        let siglip = error(r#"{"model_type": "siglip", "text_config": {}, "vision_config": {}}"#);
        assert!(siglip.contains(r#"`model_type` is "siglip""#), "{siglip}");
        assert_eq!(error(r#"{"model_type": "clip", "text_config": {}}"#), "the field `vision_config` is missing");
    }
}
