//! Networks that enlarge pictures: compact ones, a row of convolutions (Real-ESRGAN's `SRVGGNetCompact`), and ESRGAN's, of dense
//! blocks (`RRDBNet`; Wang et al. 2018 and 2021). Which one a file holds, how wide, how deep and for which scale follows from the
//! names and shapes of its tensors.

mod compact;
mod config;
mod rrdb;

use crate::kernels::Weights;
use candle_core::{Result, Tensor};
use compact::Compact;
pub use config::{CompactConfig, NotAnUpscaler, RrdbConfig, Shapes, Spelling, UpscalerConfig};
use rrdb::Rrdb;

/// Picture to a larger picture.
#[derive(Clone, Debug)]
pub enum UpscalerNetwork {
    /// A row of convolutions.
    Compact(Compact),
    /// Dense blocks.
    Rrdb(Box<Rrdb>),
}

impl UpscalerNetwork {
    /// Reads the weights.
    pub fn new(config: &UpscalerConfig, weights: Weights<'_>) -> Result<Self> {
        Ok(match config {
            UpscalerConfig::Compact(config) => Self::Compact(Compact::new(config, &weights)?),
            UpscalerConfig::Rrdb(config) => Self::Rrdb(Box::new(Rrdb::new(config, &weights)?)),
        })
    }

    /// RGB (B, H, W, 3) in 0..1, sRGB, both sides multiples of [`UpscalerConfig::multiple`], to (B, sH, sW, 3), in 0..1 but for what the
    /// network overshoots.
    pub fn forward(&self, rgb: &Tensor) -> Result<Tensor> {
        match self {
            Self::Compact(network) => network.forward(rgb),
            Self::Rrdb(network) => network.forward(rgb),
        }
    }
}
