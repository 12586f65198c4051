use super::Activation;
use super::Weights;
use super::cpu;
use super::host::{Host, filled, filled_rounded, rounds, widened};
use candle_core::{D, DType, Module, Result, Tensor};

/// Group normalisation (Wu & He 2018) with the activation that follows it. In a network of bf16 what comes out is rounded: it is
/// there to be multiplied.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    scale: Scale,
    groups: usize,
    channels: usize,
    epsilon: f64,
    activation: Activation,
}

/// What a norm multiplies with and adds, (channels) each.
#[derive(Clone, Debug)]
enum Scale {
    /// `rounds`: what comes out is rounded to bf16, because it will be multiplied in bf16 and nothing else.
    Own { weight: Host, bias: Host, rounds: bool },
    /// Of f32.
    Candle { weight: Tensor, bias: Tensor },
}

impl Scale {
    fn new(width: usize, weights: &Weights<'_>) -> Result<Self> {
        let exact = weights.clone().exact();
        let (weight, bias) = (exact.get(width, "weight")?, exact.get(width, "bias")?);
        Ok(if weights.serve(&weight) {
            Self::Own { weight: widened(&weight)?, bias: widened(&bias)?, rounds: rounds(weights) }
        } else {
            Self::Candle { weight: weight.to_dtype(DType::F32)?, bias: bias.to_dtype(DType::F32)? }
        })
    }
}

impl GroupNorm {
    /// Reads `weight` and `bias` (channels). `groups` must divide `channels`.
    pub fn new(
        groups: usize,
        channels: usize,
        epsilon: f64,
        activation: Activation,
        weights: Weights<'_>,
    ) -> Result<Self> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            candle_core::bail!("{channels} channels cannot be normalised in {groups} groups");
        }
        Ok(Self { scale: Scale::new(channels, &weights)?, groups, channels, epsilon, activation })
    }

    /// (B, H, W, C) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Scale::Candle { weight, bias } = &self.scale {
            return self.by_candle(x, weight, bias);
        }
        let mut measured = Measured::nothing(x.dim(0)? * self.groups);
        self.measure(x, &mut measured)?;
        self.forward_measured(x, &measured)
    }

    /// By candle, in f32 whatever the picture is of: the squares of numbers of a few hundreds are too large for f16.
    fn by_candle(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let cpu::PictureShape { batch, pixels, channels } = self.shape_of(x)?;
        let width = channels / self.groups;
        let numbers = x.to_dtype(DType::F32)?.reshape((batch, pixels, self.groups, width))?;
        let count = (pixels * width) as f64;
        let mean = (numbers.sum_keepdim((1, 3))? / count)?;
        let variance = (numbers.broadcast_sub(&mean)?.sqr()?.sum_keepdim((1, 3))? / count)?;
        let of_channels = |x: &Tensor| x.reshape((1, 1, self.groups, width));
        // One product and one sum for each number.
        let factor = (variance + self.epsilon)?.sqrt()?.recip()?.broadcast_mul(&of_channels(weight)?)?;
        let offset = of_channels(bias)?.broadcast_sub(&mean.broadcast_mul(&factor)?)?;
        // Assigned, not bound anew: of a large picture, what is no longer needed must not stay.
        let mut normed = numbers.broadcast_mul(&factor)?;
        drop(numbers);
        normed = normed.broadcast_add(&offset)?.reshape(x.shape())?;
        normed = self.activation.forward(&normed)?;
        normed.to_dtype(x.dtype())
    }

    /// For a picture (1, H, W, C) that is too large for another of its size: what is to be measured of it before its parts are
    /// normalised, none of it yet. None on devices where pictures are normalised whole.
    pub fn measured(&self) -> Option<Measured> {
        matches!(self.scale, Scale::Own { .. }).then(|| Measured::nothing(self.groups))
    }

    /// So many rows of a picture of this width, or a multiple of them, can be measured apart from those that follow without a bit of
    /// difference.
    pub fn rows_at_once(&self, width: usize) -> usize {
        let pixels = cpu::pixels_at_once(self.channels);
        (1..pixels).find(|rows| (rows * width).is_multiple_of(pixels)).unwrap_or(pixels)
    }

    /// Measures the next rows (1, h, W, C).
    pub fn measure(&self, x: &Tensor, measured: &mut Measured) -> Result<()> {
        let shape = self.shape_of(x)?;
        cpu::measure(&Host::new(x)?.numbers(), shape, &mut measured.0);
        Ok(())
    }

    /// As [`Self::forward`], of rows (1, h, W, C) of a picture that was measured.
    pub fn forward_measured(&self, x: &Tensor, Measured(measured): &Measured) -> Result<Tensor> {
        let shape = self.shape_of(x)?;
        let Scale::Own { weight, bias, rounds } = &self.scale else {
            candle_core::bail!("candle normalises whole pictures");
        };
        let (x, whole) = (Host::new(x)?, x.shape());
        let (x, weight, bias) = (x.numbers(), weight.numbers(), bias.numbers());
        let (epsilon, activation) = (self.epsilon as f32, self.activation);
        if *rounds {
            return filled_rounded(whole, |out| {
                cpu::normalise(&x, shape, measured, &weight, &bias, epsilon, activation, out);
            });
        }
        filled(whole, |out| cpu::normalise(&x, shape, measured, &weight, &bias, epsilon, activation, out))
    }

    fn shape_of(&self, x: &Tensor) -> Result<cpu::PictureShape> {
        let (batch, height, width, channels) = x.dims4()?;
        if channels != self.channels {
            candle_core::bail!("a norm of {} channels cannot take {:?}", self.channels, x.shape());
        }
        Ok(cpu::PictureShape { batch, pixels: height * width, channels })
    }
}

/// Mean and variance of each group, of what a [`GroupNorm`] has seen so far.
#[derive(Clone, Debug)]
pub struct Measured(Vec<cpu::Moments>);

impl Measured {
    fn nothing(groups: usize) -> Self {
        Self(vec![cpu::Moments::default(); groups])
    }
}

/// Layer normalisation (Ba et al. 2016) over the last dimension. In a network of bf16 what comes out is rounded: it is there to be
/// multiplied.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    scale: Scale,
    width: usize,
    epsilon: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias` (width).
    pub fn new(width: usize, epsilon: f64, weights: Weights<'_>) -> Result<Self> {
        Ok(Self { scale: Scale::new(width, &weights)?, width, epsilon })
    }

    /// (…, width) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.dim(D::Minus1)? != self.width {
            candle_core::bail!("a norm of width {} cannot take {:?}", self.width, x.shape());
        }
        match &self.scale {
            Scale::Own { weight, bias, rounds } => {
                let shape = x.shape();
                let x = Host::new(x)?;
                let (x, weight, bias) = (x.numbers(), weight.numbers(), bias.numbers());
                let epsilon = self.epsilon as f32;
                if *rounds {
                    return filled_rounded(shape, |out| {
                        cpu::layer_norm(&x, self.width, &weight, &bias, epsilon, out);
                    });
                }
                filled(shape, |out| cpu::layer_norm(&x, self.width, &weight, &bias, epsilon, out))
            }
            // In f32 whatever x is of: Metal rounds the mean to what it is given.
            Scale::Candle { weight, bias } => {
                let norm = candle_nn::LayerNorm::new(weight.clone(), bias.clone(), self.epsilon);
                norm.forward(&x.to_dtype(DType::F32)?)?.to_dtype(x.dtype())
            }
        }
    }
}
