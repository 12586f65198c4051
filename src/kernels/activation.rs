use super::cpu;
use super::host::{Host, filled, serves};
use candle_core::{Result, Tensor};

/// A function applied to every element. The names in configs are ambiguous between libraries, hence the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x.
    Identity,
    /// x · sigmoid(x).
    Silu,
    /// x · sigmoid(1.702 x): the activation of CLIP ViT-L/14.
    QuickGelu,
    /// x · Φ(x) by the error function: what torch and transformers call `gelu`. Candle's own `gelu` is [`Self::GeluTanh`].
    Gelu,
    /// The tanh approximation of [`Self::Gelu`]: `gelu_new` and `gelu_pytorch_tanh` in transformers.
    GeluTanh,
}

impl Activation {
    /// Applied to each element of `x`, of any shape.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        if serves(x) && self != Self::Identity {
            let host = Host::new(x)?;
            let numbers = host.numbers();
            return filled(x.shape(), |out| cpu::activate(self, &numbers, out));
        }
        match self {
            Self::Identity => Ok(x.clone()),
            Self::Silu => x.silu(),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// torch 2.15: `gelu`, `gelu(approximate="tanh")`, `x * sigmoid(1.702 * x)`, `silu` at 1.
    #[test]
    fn activations_have_torchs_values_at_one() {
        let one = Tensor::new(1f32, &Device::Cpu).unwrap();
        for (activation, expected) in [
            (Activation::Identity, 1.0),
            (Activation::Silu, 0.731_058_6),
            (Activation::QuickGelu, 0.845_795_8),
            (Activation::Gelu, 0.841_344_7),
            (Activation::GeluTanh, 0.841_192),
        ] {
            let found = activation.forward(&one).unwrap().to_scalar::<f32>().unwrap();
            assert!((found - expected).abs() < 2e-6, "{activation:?}: {found} instead of {expected}");
        }
    }
}
