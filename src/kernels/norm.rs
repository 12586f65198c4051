use super::Activation;
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

/// Group normalisation (Wu & He 2018) with the activation that follows it.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    norm: candle_nn::GroupNorm,
    activation: Activation,
}

impl GroupNorm {
    /// Reads `weight` and `bias` (channels). `groups` must divide `channels`.
    pub fn new(
        groups: usize,
        channels: usize,
        epsilon: f64,
        activation: Activation,
        weights: VarBuilder<'_>,
    ) -> Result<Self> {
        let (weight, bias) = (weights.get(channels, "weight")?, weights.get(channels, "bias")?);
        Ok(Self { norm: candle_nn::GroupNorm::new(weight, bias, channels, groups, epsilon)?, activation })
    }

    /// (B, C, H, W) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.activation.forward(&self.norm.forward(x)?)
    }
}

/// Layer normalisation (Ba et al. 2016) over the last dimension.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    norm: candle_nn::LayerNorm,
}

impl LayerNorm {
    /// Reads `weight` and `bias` (width).
    pub fn new(width: usize, epsilon: f64, weights: VarBuilder<'_>) -> Result<Self> {
        let (weight, bias) = (weights.get(width, "weight")?, weights.get(width, "bias")?);
        Ok(Self { norm: candle_nn::LayerNorm::new(weight, bias, epsilon) })
    }

    /// (…, width) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.norm.forward(x)
    }
}
