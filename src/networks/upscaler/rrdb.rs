use super::{RrdbConfig, Spelling};
use crate::kernels::{Conv2d, Rectifier, Weights, concatenate, pixel_unshuffle};
use candle_core::{Result, Tensor};

/// How much of what a block found is added to its input.
const SHARE: f64 = 0.2;
/// Of the leaky rectifiers.
const SLOPE: f32 = 0.2;

/// A trunk of residual blocks of dense blocks at the picture's own size, then doublings. Laid out as Real-ESRGAN's `RRDBNet`, which for
/// scales below 4 first makes squares of pixels channels.
#[derive(Clone, Debug)]
pub struct Rrdb {
    unshuffle: usize,
    first: Conv2d,
    blocks: Vec<[Dense; 3]>,
    trunk: Conv2d,
    doublings: Vec<Conv2d>,
    high: Conv2d,
    last: Conv2d,
    rectifier: Rectifier,
}

impl Rrdb {
    pub(super) fn new(config: &RrdbConfig, weights: &Weights<'_>) -> Result<Self> {
        let &RrdbConfig { spelling, features, growth, doublings, unshuffle, .. } = config;
        let conv = |name: String, inputs, outputs| Conv2d::new(inputs, outputs, 3, weights.pp(name));
        let blocks = (0..config.blocks).map(|block| {
            let dense = |part| Dense::new(spelling, (block, part), features, growth, weights);
            Ok([dense(1)?, dense(2)?, dense(3)?])
        });
        Ok(Self {
            unshuffle,
            first: conv(spelling.first(), 3 * unshuffle * unshuffle, features)?,
            blocks: blocks.collect::<Result<_>>()?,
            trunk: conv(spelling.trunk(config.blocks), features, features)?,
            doublings: (1..=doublings)
                .map(|index| conv(spelling.doubling(index), features, features))
                .collect::<Result<_>>()?,
            high: conv(spelling.high(doublings), features, features)?,
            last: conv(spelling.last(doublings), features, 3)?,
            rectifier: Rectifier::leaky(features, SLOPE, weights)?,
        })
    }

    pub(super) fn forward(&self, rgb: &Tensor) -> Result<Tensor> {
        let rgb = if self.unshuffle == 1 { rgb.clone() } else { pixel_unshuffle(rgb, self.unshuffle)? };
        let first = self.first.forward(&rgb)?;
        let mut x = first.clone();
        for block in &self.blocks {
            let mut found = x.clone();
            for dense in block {
                found = dense.forward(&found)?;
            }
            x = ((found * SHARE)? + x)?;
        }
        x = self.trunk.forward_adding(&x, None, Some(&first))?;
        for conv in &self.doublings {
            let (_, height, width, _) = x.dims4()?;
            x = conv.forward_enlarged(&x, 2 * height, 2 * width)?;
            x = self.rectifier.forward(&x)?;
        }
        x = self.high.forward(&x)?;
        x = self.rectifier.forward(&x)?;
        self.last.forward(&x)
    }
}

/// Five convolutions, each of which sees the input and what all before it found: ESRGAN's `ResidualDenseBlock`.
#[derive(Clone, Debug)]
struct Dense {
    growing: Vec<Conv2d>,
    last: Conv2d,
    rectifier: Rectifier,
}

impl Dense {
    fn new(
        spelling: Spelling,
        place: (usize, usize),
        features: usize,
        growth: usize,
        weights: &Weights<'_>,
    ) -> Result<Self> {
        let conv = |index: usize, outputs| {
            Conv2d::new(features + (index - 1) * growth, outputs, 3, weights.pp(spelling.dense(place, index)))
        };
        Ok(Self {
            growing: (1..=4).map(|index| conv(index, growth)).collect::<Result<_>>()?,
            last: conv(5, features)?,
            rectifier: Rectifier::leaky(growth, SLOPE, weights)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut seen = x.clone();
        for conv in &self.growing {
            let found = self.rectifier.forward(&conv.forward(&seen)?)?;
            seen = concatenate(&seen, &found)?;
        }
        (self.last.forward(&seen)? * SHARE)? + x
    }
}
