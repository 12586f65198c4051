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
pub(super) fn enlarged(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    to_channels_last(&to_channels_first(x)?.upsample_nearest2d(height, width)?)
}
