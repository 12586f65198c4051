use candle_core::{D, Result, Tensor};

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
        match self {
            Self::Identity => Ok(x.clone()),
            Self::Silu => x.silu(),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
        }
    }
}

/// Gated linear unit of the transformers in a U-Net: (…, 2C) to (…, C), the first half times the [`Activation::Gelu`] of the
/// second. Shazeer 2020, laid out as diffusers' GEGLU.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let value = x.narrow(D::Minus1, 0, half)?;
    let gate = x.narrow(D::Minus1, half, half)?.contiguous()?;
    value * gate.gelu_erf()?
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

    #[test]
    fn geglu_gates_the_first_half_with_the_second() {
        let x = Tensor::new(&[[2f32, 3.0, 1.0, 0.0]], &Device::Cpu).unwrap();
        let y = geglu(&x).unwrap().to_vec2::<f32>().unwrap();
        assert!((y[0][0] - 2.0 * 0.841_344_7).abs() < 2e-6);
        assert!(y[0][1].abs() < 1e-6);
    }
}
