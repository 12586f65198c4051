use candle_core::{D, Result, Tensor};

/// A picture (B, C, H, W), as the world has them, as (B, H, W, C), as all kernels take and give them.
pub fn to_channels_last(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// The way back from [`to_channels_last`].
pub fn to_channels_first(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}

/// The channels of two pictures (B, H, W, C₁) and (B, H, W, C₂) of one size, one after the other.
pub fn concatenate(first: &Tensor, second: &Tensor) -> Result<Tensor> {
    Tensor::cat(&[first, second], D::Minus1)
}

/// Enlarges (B, H, W, C) to (B, height, width, C) by repeating pixels, as torch's `interpolate(mode="nearest")`.
pub fn enlarged(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    to_channels_last(&to_channels_first(x)?.upsample_nearest2d(height, width)?)
}

/// Channels (B, H, W, C·s²) laid out as pixels (B, sH, sW, C), as torch's `pixel_shuffle` (Shi et al. 2016): channel c·s² + i·s + j
/// becomes channel c of row i and column j of a pixel's square.
pub fn pixel_shuffle(x: &Tensor, scale: usize) -> Result<Tensor> {
    let (batch, height, width, channels) = x.dims4()?;
    let channels = channels / (scale * scale);
    x.reshape(&[batch, height, width, channels, scale, scale][..])?.permute([0, 1, 4, 2, 5, 3])?.reshape((
        batch,
        height * scale,
        width * scale,
        channels,
    ))
}

/// The way back from [`pixel_shuffle`]: (B, sH, sW, C) to (B, H, W, C·s²), as torch's `pixel_unshuffle`.
pub fn pixel_unshuffle(x: &Tensor, scale: usize) -> Result<Tensor> {
    let (batch, height, width, channels) = x.dims4()?;
    let (height, width) = (height / scale, width / scale);
    x.reshape(&[batch, height, scale, width, scale, channels][..])?.permute([0, 1, 3, 5, 2, 4])?.reshape((
        batch,
        height,
        width,
        channels * scale * scale,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn channels_become_pixels_row_by_row_and_back() {
        // torch 2.15: pixel_shuffle(arange(8).reshape(1, 8, 1, 1), 2) is [[[0, 1], [2, 3]], [[4, 5], [6, 7]]], channels first.
        let x = Tensor::arange(0u32, 8, &Device::Cpu).unwrap().reshape((1, 1, 1, 8)).unwrap();
        let pixels = pixel_shuffle(&x, 2).unwrap();
        assert_eq!(pixels.dims(), [1, 2, 2, 2]);
        assert_eq!(pixels.flatten_all().unwrap().to_vec1::<u32>().unwrap(), [0, 4, 1, 5, 2, 6, 3, 7]);
        let back = pixel_unshuffle(&pixels, 2).unwrap();
        assert_eq!(back.flatten_all().unwrap().to_vec1::<u32>().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(pixel_shuffle(&x, 3).is_err() && pixel_unshuffle(&x, 2).is_err());
    }
}
