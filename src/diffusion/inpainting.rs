//! Repainting a part. With a model for whatever: the estimate is held to the original outside the mask at every step, and the finished pixels are laid
//! over the original's, so that what the mask keeps stays as it was to the bit. Models for this alone see the mask, and what it leaves, beside
//! the noise (Rombach et al. 2022), and nothing is held.

use super::{Denoiser, Error};
use crate::geom::Extent;
use crate::pixels::Mask;
use candle_core::{Device, Tensor};

/// Holds the estimate to the original where the mask keeps it: estimate·m + original·(1−m) at each step, as A1111 and `ComfyUI`
/// do. Masks may be soft.
pub struct Inpainting<D> {
    /// What paints.
    pub inner: D,
    /// The original's latent (1, C, h, w).
    pub original: Tensor,
    /// (1, 1, h, w): 1 repaints, 0 keeps.
    pub mask: Tensor,
}

impl<D: Denoiser> Denoiser for Inpainting<D> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        self.held(&self.inner.denoise(x, sigma)?)
    }

    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        let (denoised, negative) = self.inner.denoise_apart(x, sigma)?;
        Ok((self.held(&denoised)?, self.held(&negative)?))
    }
}

impl<D> Inpainting<D> {
    fn held(&self, estimate: &Tensor) -> Result<Tensor, Error> {
        let change = (estimate - &self.original)?;
        Ok((&self.original + change.broadcast_mul(&self.mask)?)?)
    }
}

/// The mask as a latent sees it, (1, 1, H/downscale, W/downscale) in 0..1: the mean coverage of each latent pixel's area. The
/// mask's sides are multiples of `downscale`.
pub(super) fn mask_in_latent(mask: &Mask, downscale: usize, device: &Device) -> Result<Tensor, Error> {
    let Extent { width, height } = mask.extent();
    let (columns, rows) = (width as usize / downscale, height as usize / downscale);
    let mut sums = vec![0_u32; columns * rows];
    for (y, row) in mask.coverage().chunks_exact(width as usize).enumerate() {
        for (x, &coverage) in row.iter().enumerate() {
            sums[y / downscale * columns + x / downscale] += u32::from(coverage);
        }
    }
    let full = (255 * downscale * downscale) as f32;
    let means: Vec<f32> = sums.into_iter().map(|sum| sum as f32 / full).collect();
    Ok(Tensor::from_vec(means, (1, 1, rows, columns), device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent::new(8, 4);

    #[test]
    fn a_latent_mask_is_the_mean_coverage_of_each_area() {
        let mut coverage = vec![0; 32];
        for y in 0..4 {
            coverage[y * 8 + 4..][..4].fill(255);
        }
        coverage[0] = 255;
        let mask = mask_in_latent(&Mask::from_coverage(EXTENT, coverage).unwrap(), 4, &Device::Cpu).unwrap();
        assert_eq!(mask.dims(), [1, 1, 1, 2]);
        assert_eq!(mask.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0 / 16.0, 1.0]);
    }

    #[test]
    fn the_estimate_is_the_originals_where_the_mask_keeps_it() {
        struct Nine;
        impl Denoiser for Nine {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                Ok((x.zeros_like()? + 9.0)?)
            }
        }
        let original = Tensor::new(&[[[[1_f32, 2.0, 5.0]]]], &Device::Cpu).unwrap();
        let mask = Tensor::new(&[[[[0_f32, 1.0, 0.5]]]], &Device::Cpu).unwrap();
        let estimate = Inpainting { inner: Nine, original: original.clone(), mask }.denoise(&original, 1.0).unwrap();
        assert_eq!(estimate.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 9.0, 7.0]);
    }
}
