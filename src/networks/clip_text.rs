//! CLIP's text encoder (Radford et al. 2021), laid out as transformers' `CLIPTextModel`.

use super::fields::{ConfigError, Fields};
use crate::kernels::{Activation, Embedding, LayerNorm, Linear, Mask, activations, attention};
use candle_core::{IndexOp, Result, Tensor};
use candle_nn::VarBuilder;

/// What `text_encoder/config.json` decides. Absent fields have transformers' defaults, which are CLIP ViT-L/14's but for sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipTextConfig {
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// How many tokens a text has, with those that begin, end and fill it.
    pub max_position_embeddings: usize,
    /// Width of the conditioning.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads; they divide `hidden_size`.
    pub num_attention_heads: usize,
    /// Between the two feed-forward matrices.
    pub hidden_act: Activation,
    /// Added to variances.
    pub layer_norm_eps: f64,
    /// The token that ends a text.
    pub eos_token_id: u32,
}

impl ClipTextConfig {
    /// Reads a config.json, of the text encoder alone or of a whole CLIP.
    pub fn from_json(json: &str) -> std::result::Result<Self, ConfigError> {
        let fields = Fields::parse(json)?.or_inner("text_config");
        let config = Self {
            vocab_size: fields.count("vocab_size", 1 << 24, Some(49408))?,
            max_position_embeddings: fields.count("max_position_embeddings", 1 << 16, Some(77))?,
            hidden_size: fields.count("hidden_size", 1 << 16, Some(512))?,
            intermediate_size: fields.count("intermediate_size", 1 << 18, Some(2048))?,
            num_hidden_layers: fields.count("num_hidden_layers", 1000, Some(12))?,
            num_attention_heads: fields.count("num_attention_heads", 1 << 16, Some(8))?,
            hidden_act: fields.choice("hidden_act", ACTIVATIONS, Some(Activation::QuickGelu))?,
            layer_norm_eps: fields.number("layer_norm_eps", Some(1e-5))?,
            eos_token_id: fields.count("eos_token_id", u32::MAX as usize, Some(49407))? as u32,
        };
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(fields
                .wrong("num_attention_heads", format!("a divisor of hidden_size, which is {}", config.hidden_size)));
        }
        Ok(config)
    }
}

/// transformers' names (`ACT2FN`).
const ACTIVATIONS: &[(&str, Activation)] = &[
    ("quick_gelu", Activation::QuickGelu),
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("silu", Activation::Silu),
];

/// Token ids to conditioning.
#[derive(Clone, Debug)]
pub struct ClipText {
    tokens: Embedding,
    positions: Embedding,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    config: ClipTextConfig,
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
    pub fn new(config: &ClipTextConfig, weights: VarBuilder<'_>) -> Result<Self> {
        let prefixed = weights.contains_tensor("text_model.embeddings.token_embedding.weight");
        let weights = if prefixed { weights.pp("text_model") } else { weights };
        let width = config.hidden_size;
        let embeddings = weights.pp("embeddings");
        Ok(Self {
            tokens: Embedding::new(config.vocab_size, width, embeddings.pp("token_embedding"))?,
            positions: Embedding::new(config.max_position_embeddings, width, embeddings.pp("position_embedding"))?,
            layers: (0..config.num_hidden_layers)
                .map(|index| Layer::new(config, weights.pp(format!("encoder.layers.{index}"))))
                .collect::<Result<_>>()?,
            // Its output is the conditioning, which is not rounded.
            final_norm: LayerNorm::new(
                width,
                config.layer_norm_eps,
                weights.pp("final_layer_norm").set_dtype(activations(&weights)),
            )?,
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
        self.config.hidden_size
    }

    /// Token ids (B, N) as u32 to the conditioning (B, N, D).
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let mut hidden = self.embed(ids)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden)?;
        }
        self.final_norm.forward(&hidden)
    }

    /// As [`Self::forward`], with every layer's output and the pooled text.
    pub fn encode(&self, ids: &Tensor) -> Result<Encoded> {
        let mut hidden = vec![self.embed(ids)?];
        for layer in &self.layers {
            let next = layer.forward(&hidden[hidden.len() - 1])?;
            hidden.push(next);
        }
        let conditioning = self.final_norm.forward(&hidden[hidden.len() - 1])?;
        let pooled = ids
            .to_vec2::<u32>()?
            .iter()
            .enumerate()
            .map(|(text, ids)| conditioning.i((text, self.end_of(ids))))
            .collect::<Result<Vec<_>>>()?;
        Ok(Encoded { hidden, pooled: Tensor::stack(&pooled, 0)?, conditioning })
    }

    fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let count = ids.dim(1)?;
        if count > self.context_length() {
            candle_core::bail!("{count} tokens are more than the text encoder's {}", self.context_length());
        }
        self.tokens.forward(ids)?.broadcast_add(&self.positions.first_rows(count)?)
    }

    /// Where a text ends: at its first end token. Configs of old say 2 there, which no vocabulary means; transformers then takes
    /// the largest id, and so do we.
    fn end_of(&self, ids: &[u32]) -> usize {
        let end =
            if self.config.eos_token_id == 2 { ids.iter().max().copied() } else { Some(self.config.eos_token_id) };
        ids.iter().position(|id| Some(*id) == end).unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
struct Layer {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    activation: Activation,
}

impl Layer {
    fn new(config: &ClipTextConfig, weights: VarBuilder<'_>) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (attention, mlp) = (weights.pp("self_attn"), weights.pp("mlp"));
        Ok(Self {
            norm1: LayerNorm::new(width, config.layer_norm_eps, weights.pp("layer_norm1"))?,
            query: Linear::new(width, width, attention.pp("q_proj"))?,
            key: Linear::new(width, width, attention.pp("k_proj"))?,
            value: Linear::new(width, width, attention.pp("v_proj"))?,
            out: Linear::new(width, width, attention.pp("out_proj"))?,
            norm2: LayerNorm::new(width, config.layer_norm_eps, weights.pp("layer_norm2"))?,
            fc1: Linear::new(width, inner, mlp.pp("fc1"))?,
            fc2: Linear::new(inner, width, mlp.pp("fc2"))?,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let of = |linear: &Linear| linear.forward_rounded(&normed);
        let found = attention(&of(&self.query)?, &of(&self.key)?, &of(&self.value)?, self.heads, Mask::Causal)?;
        let x = self.out.forward_adding(&found, x)?;
        let inner = self.activation.forward(&self.fc1.forward(&self.norm2.forward(&x)?)?)?;
        self.fc2.forward_adding(&inner, &x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((config.hidden_size, config.hidden_act), (768, Activation::Gelu));
    }
}
