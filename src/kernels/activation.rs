use super::Weights;
use super::cpu;
use super::host::{Host, activations, filled, takes, widened};
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
        if takes(x) && self != Self::Identity {
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

/// x where it is positive, elsewhere x times its channel's slope.
#[derive(Clone, Debug)]
pub struct Rectifier {
    slopes: Slopes,
    channels: usize,
}

/// (channels).
#[derive(Clone, Debug)]
enum Slopes {
    Own(Host),
    Candle(Tensor),
}

impl Rectifier {
    /// Reads `weight` (channels), the slopes: `PReLU` (He et al. 2015).
    pub fn learned(channels: usize, weights: Weights<'_>) -> Result<Self> {
        let slopes = weights.get(channels, "weight")?;
        let are_ours = weights.serve(&slopes);
        Self::from_slopes(slopes, are_ours)
    }

    /// One slope for all channels, on the device and in the precision of `weights`: leaky `ReLU` (Maas et al. 2013).
    pub fn leaky(channels: usize, slope: f32, weights: &Weights<'_>) -> Result<Self> {
        let slopes = Tensor::full(slope, channels, weights.device())?.to_dtype(activations(weights))?;
        let are_ours = weights.serve(&slopes);
        Self::from_slopes(slopes, are_ours)
    }

    /// `are_ours`: for our own kernels.
    fn from_slopes(slopes: Tensor, are_ours: bool) -> Result<Self> {
        let channels = slopes.dims1()?;
        if channels == 0 {
            candle_core::bail!("there are no channels to rectify");
        }
        let slopes = if are_ours { Slopes::Own(widened(&slopes)?) } else { Slopes::Candle(slopes) };
        Ok(Self { slopes, channels })
    }

    /// (…, channels) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dims().last() != Some(&self.channels) {
            candle_core::bail!("a rectifier of {} channels cannot take {:?}", self.channels, x.shape());
        }
        match &self.slopes {
            Slopes::Own(slopes) => {
                let host = Host::new(x)?;
                let (numbers, slopes) = (host.numbers(), slopes.numbers());
                filled(x.shape(), |out| cpu::rectify(&numbers, &slopes, out))
            }
            Slopes::Candle(slopes) => by_candle(x, slopes),
        }
    }
}

fn by_candle(x: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    let below = x.minimum(0.0)?;
    (x - &below)? + below.broadcast_mul(slopes)?
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
    fn both_ways_to_rectify_are_the_definition() {
        let x = Tensor::new(&[[1f32, -1.0, -2.0], [0.5, 3.0, -4.0]], &Device::Cpu).unwrap();
        let slopes = Tensor::new(&[0.5f32, 0.25, -1.0], &Device::Cpu).unwrap();
        let own = Rectifier::from_slopes(slopes.clone(), true).unwrap().forward(&x).unwrap();
        let candles = by_candle(&x, &slopes).unwrap();
        for y in [&own, &candles] {
            assert_eq!(y.to_vec2::<f32>().unwrap(), [[1.0, -0.25, 2.0], [0.5, 3.0, 4.0]]);
        }
        assert!(Rectifier::from_slopes(slopes, true).unwrap().forward(&x.t().unwrap()).is_err());
    }
}
