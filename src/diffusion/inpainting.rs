//! Repainting a part: the estimate is held to the original outside the mask at every step, and the finished pixels are laid
//! over the original's, so that what the mask keeps stays as it was to the bit.

use super::{Denoiser, Error};
use crate::geom::Extent;
use crate::pixels::{Mask, Picture};
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
        let change = (self.inner.denoise(x, sigma)? - &self.original)?;
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

/// `painted` laid over `original` by the mask's coverage; both are of the mask's extent. A pixel of coverage 0 is the
/// original's to the bit, one of coverage 255 is the painted one. Colours are mixed by their alpha, so that what is
/// invisible in the original does not shine through a soft edge.
pub(super) fn laid_over(original: &Picture, painted: &Picture, mask: &Mask) -> Picture {
    let mut rgba = original.rgba().to_vec();
    for ((under, over), &coverage) in rgba
        .chunks_exact_mut(4)
        .zip(painted.rgba().chunks_exact(4))
        .zip(mask.coverage())
    {
        match coverage {
            0 => {}
            255 => under.copy_from_slice(over),
            _ => mix(under, over, u32::from(coverage)),
        }
    }
    Picture::from_rgba(original.extent(), rgba).expect("as many bytes as the original has")
}

/// Mixes `over` into `under`, RGBA with straight alpha, with a weight of 1..=254 out of 255.
fn mix(under: &mut [u8], over: &[u8], coverage: u32) {
    let (under_weight, over_weight) = (u32::from(under[3]) * (255 - coverage), u32::from(over[3]) * coverage);
    let weight = under_weight + over_weight;
    if weight == 0 {
        return;
    }
    for (u, &o) in under[..3].iter_mut().zip(over) {
        *u = ((u32::from(*u) * under_weight + u32::from(o) * over_weight + weight / 2) / weight) as u8;
    }
    under[3] = ((weight + 127) / 255) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXTENT: Extent = Extent::new(8, 4);

    proptest! {
        #[test]
        fn what_the_mask_keeps_stays_to_the_bit(
            original in proptest::collection::vec(any::<u8>(), 8 * 4 * 4),
            painted in proptest::collection::vec(any::<u8>(), 8 * 4 * 4),
            coverage in proptest::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 8 * 4),
        ) {
            let original = Picture::from_rgba(EXTENT, original).unwrap();
            let painted = Picture::from_rgba(EXTENT, painted).unwrap();
            let mask = Mask::from_coverage(EXTENT, coverage).unwrap();
            let result = laid_over(&original, &painted, &mask);
            for (index, &c) in mask.coverage().iter().enumerate() {
                let at = |picture: &Picture| picture.rgba()[index * 4..][..4].to_vec();
                let (o, p, r) = (at(&original), at(&painted), at(&result));
                match c {
                    0 => prop_assert_eq!(r, o),
                    255 => prop_assert_eq!(r, p),
                    _ => for channel in 0..4 {
                        let (low, high) = (o[channel].min(p[channel]), o[channel].max(p[channel]));
                        prop_assert!((low..=high).contains(&r[channel]));
                    },
                }
            }
        }
    }

    #[test]
    fn half_coverage_mixes_opaque_pixels_in_halves() {
        let original = Picture::filled(Extent::new(1, 1), [0, 100, 200, 255]);
        let painted = Picture::filled(Extent::new(1, 1), [100, 100, 0, 255]);
        let mask = Mask::from_coverage(Extent::new(1, 1), vec![51]).unwrap();
        assert_eq!(laid_over(&original, &painted, &mask).rgba(), [20, 100, 160, 255]);
    }

    #[test]
    fn an_invisible_colour_does_not_shine_through_a_soft_edge() {
        let original = Picture::filled(Extent::new(1, 1), [255, 0, 0, 0]);
        let painted = Picture::filled(Extent::new(1, 1), [0, 0, 255, 255]);
        let mask = Mask::from_coverage(Extent::new(1, 1), vec![128]).unwrap();
        assert_eq!(laid_over(&original, &painted, &mask).rgba(), [0, 0, 255, 128]);
    }

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
        let estimate = Inpainting {
            inner: Nine,
            original: original.clone(),
            mask,
        }
        .denoise(&original, 1.0)
        .unwrap();
        assert_eq!(
            estimate.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            [1.0, 9.0, 7.0]
        );
    }
}
