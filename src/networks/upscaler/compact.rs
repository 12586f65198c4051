use super::CompactConfig;
use crate::kernels::{Conv2d, Rectifier, Weights, enlarged, pixel_shuffle};
use candle_core::{Result, Tensor};

/// What is added to the enlarged picture comes of 3×3 convolutions at the picture's own size, the last of which has a channel for
/// each pixel of the square that a pixel becomes. Laid out as Real-ESRGAN's `SRVGGNetCompact` with `PReLU`.
#[derive(Clone, Debug)]
pub struct Compact {
    layers: Vec<(Conv2d, Rectifier)>,
    last: Conv2d,
    scale: usize,
}

impl Compact {
    pub(super) fn new(config: &CompactConfig, weights: &Weights<'_>) -> Result<Self> {
        let features = config.features;
        let weights = |index: usize| weights.pp(format!("body.{index}"));
        let layers = (0..=config.convolutions).map(|layer| {
            let inputs = if layer == 0 { 3 } else { features };
            Ok((
                Conv2d::new(inputs, features, 3, weights(2 * layer))?,
                Rectifier::learned(features, weights(2 * layer + 1))?,
            ))
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            last: Conv2d::new(features, 3 * config.scale * config.scale, 3, weights(2 * config.convolutions + 2))?,
            scale: config.scale,
        })
    }

    pub(super) fn forward(&self, rgb: &Tensor) -> Result<Tensor> {
        let (_, height, width, _) = rgb.dims4()?;
        let mut x = rgb.clone();
        for (conv, rectifier) in &self.layers {
            x = conv.forward(&x)?;
            x = rectifier.forward(&x)?;
        }
        x = pixel_shuffle(&self.last.forward(&x)?, self.scale)?;
        x + enlarged(rgb, self.scale * height, self.scale * width)?
    }
}
