//! CLIP's text encoder (Radford et al. 2021), laid out as transformers' `CLIPTextModel`.

use super::clip_layers::{ClipLayer, ClipLayersConfig, layers};
use super::fields::{ConfigError, Fields};
use crate::kernels::{Embedding, LayerNorm, Linear, Mask, Weights, activations};
use candle_core::{DType, IndexOp, Result, Tensor};

/// What `text_encoder/config.json` decides. Absent fields have transformers' defaults, which are CLIP ViT-L/14's but for sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipTextConfig {
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// How many tokens a text has, with those that begin, end and fill it.
    pub max_position_embeddings: usize,
    /// The layers; their width is the conditioning's.
    pub layers: ClipLayersConfig,
    /// The token that ends a text.
    pub eos_token_id: u32,
    /// How many numbers the pooled text is projected to, where it is (transformers' `CLIPTextModelWithProjection`).
    pub projection: Option<usize>,
    /// Where the conditioning leaves it.
    pub output: Output,
}

/// Where the conditioning leaves a text encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Behind the last layer, through the final norm.
    Last,
    /// Behind the last layer but one, as it is.
    Penultimate,
}

impl ClipTextConfig {
    /// The `eos_token_id` of configs of old, which no vocabulary means: a text ends at its largest id.
    pub const LARGEST_ENDS: u32 = 2;

    /// Reads a config.json, of the text encoder alone or of a whole CLIP.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let fields = Fields::parse(json)?.or_inner("text_config");
        Ok(Self {
            vocab_size: fields.count("vocab_size", 1 << 24, Some(49408))?,
            max_position_embeddings: fields.count("max_position_embeddings", 1 << 16, Some(77))?,
            layers: ClipLayersConfig::from_fields(&fields, (512, 2048), 8)?,
            eos_token_id: fields.count("eos_token_id", u32::MAX as usize, Some(49407))? as u32,
            projection: None,
            output: Output::Last,
        })
    }
}

impl ClipTextConfig {
    /// As [`Self::from_json`], of a text encoder with a projection.
    pub fn with_projection(json: &str) -> std::result::Result<Self, ConfigError> {
        let projection = Some(Fields::parse(json)?.count("projection_dim", 1 << 16, Some(512))?);
        Ok(Self { projection, ..Self::from_json(json)? })
    }
}

/// Token ids to conditioning.
#[derive(Clone, Debug)]
pub struct ClipText {
    tokens: Embedding,
    positions: Embedding,
    layers: Vec<ClipLayer>,
    final_norm: LayerNorm,
    projection: Option<Linear>,
    config: ClipTextConfig,
}

/// Vectors in the place of tokens'.
#[derive(Clone, Copy, Debug)]
pub struct Learned<'a> {
    /// Which text of the batch.
    pub text: usize,
    /// In the place of its tokens from this one on.
    pub at: usize,
    /// (n, D).
    pub vectors: &'a Tensor,
}

/// What a text encoder reads in texts, in f32.
#[derive(Clone, Debug)]
pub struct Read {
    /// (B, N, D).
    pub conditioning: Tensor,
    /// (B, P): the end of each text behind the last layer and the final norm, projected; where there is a projection.
    pub pooled: Option<Tensor>,
}

/// Everything that a text encoder can tell about a text.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// (B, N, D) each: the embeddings, then every layer's output, none of them through the final norm. The last but one entry is
    /// what "clip skip 2" and SDXL use.
    pub hidden: Vec<Tensor>,
    /// (B, N, D): the last layer's output through the final norm.
    pub conditioning: Tensor,
    /// (B, D): the conditioning where each text ends.
    pub pooled: Tensor,
}

impl ClipText {
    /// Reads the weights, whose names may begin with `text_model.` (transformers before 5) or not.
    pub fn new(config: &ClipTextConfig, weights: Weights<'_>) -> Result<Self> {
        let projection =
            |outputs| Linear::new_without_bias(config.layers.hidden_size, outputs, weights.pp("text_projection"));
        let projection = config.projection.map(projection).transpose()?;
        let prefixed = weights.contains_tensor("text_model.embeddings.token_embedding.weight");
        let weights = if prefixed { weights.pp("text_model") } else { weights };
        let width = config.layers.hidden_size;
        let embeddings = weights.pp("embeddings");
        Ok(Self {
            tokens: Embedding::new(config.vocab_size, width, embeddings.pp("token_embedding"))?,
            positions: Embedding::new(config.max_position_embeddings, width, embeddings.pp("position_embedding"))?,
            layers: layers(&config.layers, &weights)?,
            // Its output is the conditioning, which is not rounded.
            final_norm: LayerNorm::new(
                width,
                config.layers.layer_norm_eps,
                weights.pp("final_layer_norm").set_dtype(activations(&weights)),
            )?,
            projection,
            config: config.clone(),
        })
    }

    /// How many tokens it takes at most, with those that begin, end and fill a text.
    pub fn context_length(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// How many different tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    /// D, the width of the conditioning.
    pub fn width(&self) -> usize {
        self.config.layers.hidden_size
    }

    /// How many layers it has.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Token ids (B, N) as u32 to the conditioning (B, N, D).
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Ok(self.read(ids, &[], 0)?.conditioning)
    }

    /// As [`Self::forward`], with `learned` vectors in the place of some tokens' (Gal et al. 2022, textual inversion), and without the
    /// last `skipped` layers: what comes out of those before them goes where that of all would, as in A1111 and
    /// diffusers.
    pub fn read(&self, ids: &Tensor, learned: &[Learned<'_>], skipped: usize) -> Result<Read> {
        let is_whole = self.config.output == Output::Last;
        let Some(count) = self.depth().checked_sub(skipped + usize::from(!is_whole)) else {
            candle_core::bail!("{skipped} layers cannot be left out of {}", self.depth());
        };
        let mut hidden = self.embed(ids, learned)?;
        for layer in &self.layers[..count] {
            hidden = layer.forward(&hidden, Mask::Causal)?;
        }
        let conditioning = if is_whole { self.final_norm.forward(&hidden)? } else { hidden.clone() };
        let conditioning = conditioning.to_dtype(DType::F32)?;
        let Some(projection) = &self.projection else {
            return Ok(Read { conditioning, pooled: None });
        };
        for layer in &self.layers[count..] {
            hidden = layer.forward(&hidden, Mask::Causal)?;
        }
        let pooled = self.pool(&self.final_norm.forward(&hidden)?, ids)?;
        Ok(Read { conditioning, pooled: Some(projection.forward(&pooled)?.to_dtype(DType::F32)?) })
    }

    /// As [`Self::forward`], with every layer's output and the pooled text.
    pub fn encode(&self, ids: &Tensor) -> Result<Encoded> {
        let mut hidden = vec![self.embed(ids, &[])?];
        for layer in &self.layers {
            let next = layer.forward(&hidden[hidden.len() - 1], Mask::Causal)?;
            hidden.push(next);
        }
        let conditioning = self.final_norm.forward(&hidden[hidden.len() - 1])?;
        Ok(Encoded { hidden, pooled: self.pool(&conditioning, ids)?, conditioning })
    }

    /// The conditioning (B, N, D) of `ids` (B, N) where each text ends: (B, D).
    pub(super) fn pool(&self, conditioning: &Tensor, ids: &Tensor) -> Result<Tensor> {
        let ids = ids.to_vec2::<u32>()?;
        let ends = ids.iter().enumerate().map(|(text, ids)| conditioning.i((text, self.end_of(ids))));
        Tensor::stack(&ends.collect::<Result<Vec<_>>>()?, 0)
    }

    fn embed(&self, ids: &Tensor, learned: &[Learned<'_>]) -> Result<Tensor> {
        let count = ids.dim(1)?;
        if count > self.context_length() {
            candle_core::bail!("{count} tokens are more than the text encoder's {}", self.context_length());
        }
        let mut tokens = self.tokens.forward(ids)?;
        for &Learned { text, at, vectors } in learned {
            let (rows, width) = vectors.dims2()?;
            let vectors = vectors.to_dtype(tokens.dtype())?.to_device(tokens.device())?.unsqueeze(0)?;
            tokens = tokens.slice_assign(&[text..text + 1, at..at + rows, 0..width], &vectors)?;
        }
        tokens.broadcast_add(&self.positions.first_rows(count)?)
    }

    /// Where a text ends: at its first end token, as in transformers.
    fn end_of(&self, ids: &[u32]) -> usize {
        let end = match self.config.eos_token_id {
            ClipTextConfig::LARGEST_ENDS => ids.iter().max().copied(),
            end => Some(end),
        };
        ids.iter().position(|id| Some(*id) == end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Activation;

    #[test]
    fn an_unknown_activation_is_named() {
        let error = ClipTextConfig::from_json(r#"{"hidden_act": "mish"}"#).unwrap_err().to_string();
        assert!(error.starts_with(r#"the field `hidden_act` is "mish", but must be "quick_gelu" or "#), "{error}");
    }

    #[test]
    fn heads_must_divide_the_width() {
        let error =
            ClipTextConfig::from_json(r#"{"hidden_size": 10, "num_attention_heads": 4}"#).unwrap_err().to_string();
        assert_eq!(error, "the field `num_attention_heads` is 4, but must be a divisor of hidden_size, which is 10");
    }

    #[test]
    fn the_config_of_a_whole_clip_holds_that_of_its_text_encoder() {
        let config = ClipTextConfig::from_json(
            r#"{"text_config": {"hidden_size": 768, "hidden_act": "gelu"}, "vision_config": {}}"#,
        );
        let config = config.unwrap();
        assert_eq!((config.layers.hidden_size, config.layers.hidden_act), (768, Activation::Gelu));
    }
}
