//! The transformer that CLIP's two encoders are made of (Radford et al. 2021), laid out as transformers' `CLIPEncoder`.

use super::fields::{ConfigError, Fields};
use crate::kernels::{Activation, LayerNorm, Linear, Mask, Weights, attention};
use candle_core::{Result, Tensor};

/// What decides a transformer's layers. Absent fields have transformers' defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipLayersConfig {
    /// Width of what goes through.
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
}

/// transformers' names (`ACT2FN`).
const ACTIVATIONS: &[(&str, Activation)] = &[
    ("quick_gelu", Activation::QuickGelu),
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("silu", Activation::Silu),
];

impl ClipLayersConfig {
    /// Reads them from a config.json; `widths` and `heads` are what width, inner width and heads are where it does not say.
    pub(super) fn from_fields(
        fields: &Fields,
        widths: (usize, usize),
        heads: usize,
    ) -> std::result::Result<Self, ConfigError> {
        let config = Self {
            hidden_size: fields.count("hidden_size", 1 << 16, Some(widths.0))?,
            intermediate_size: fields.count("intermediate_size", 1 << 18, Some(widths.1))?,
            num_hidden_layers: fields.count("num_hidden_layers", 1000, Some(12))?,
            num_attention_heads: fields.count("num_attention_heads", 1 << 16, Some(heads))?,
            hidden_act: fields.choice("hidden_act", ACTIVATIONS, Some(Activation::QuickGelu))?,
            layer_norm_eps: fields.number("layer_norm_eps", Some(1e-5))?,
        };
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(fields
                .wrong("num_attention_heads", format!("a divisor of hidden_size, which is {}", config.hidden_size)));
        }
        Ok(config)
    }
}

/// All layers of an encoder.
pub(super) fn layers(config: &ClipLayersConfig, weights: &Weights<'_>) -> Result<Vec<ClipLayer>> {
    (0..config.num_hidden_layers)
        .map(|index| ClipLayer::new(config, weights.pp(format!("encoder.layers.{index}"))))
        .collect()
}

/// One of them: attention and a feed-forward net, each after a norm and added to what came in.
#[derive(Clone, Debug)]
pub(super) struct ClipLayer {
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

impl ClipLayer {
    fn new(config: &ClipLayersConfig, weights: Weights<'_>) -> Result<Self> {
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

    /// (B, N, D) to the same.
    pub(super) fn forward(&self, x: &Tensor, mask: Mask) -> Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let of = |linear: &Linear| linear.forward_rounded(&normed);
        let found = attention(&of(&self.query)?, &of(&self.key)?, &of(&self.value)?, self.heads, mask)?;
        let x = self.out.forward_adding(&found, x)?;
        let inner = self.activation.forward(&self.fc1.forward(&self.norm2.forward(&x)?)?)?;
        self.fc2.forward_adding(&inner, &x)
    }
}
