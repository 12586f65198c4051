//! What some networks see beside the noisy latent: inpainting models the mask and what it leaves (Rombach et al. 2022), models that edit by
//! instruction the picture (Brooks et al. 2023).

use super::Error;
use super::latent::picture_to_rgb;
use crate::geom::Extent;
use crate::pixels::{Mask, Picture};
use candle_core::{DType, Device, Tensor};

/// What is seen beside each item of a batch.
pub(super) struct Beside {
    /// (1, C', h, w).
    latent: Tensor,
    /// Whether the first of several sees nothing instead.
    first_sees_none: bool,
}

impl Beside {
    /// The picture that is to be edited, by its latent as its encoder gives it: not scaled, as in diffusers' `StableDiffusionInstructPix2PixPipeline`.
    /// With guidance by it, the first of a batch does not see it.
    pub(super) fn picture(latent: Tensor, guidance: Option<f64>) -> Self {
        Self { latent, first_sees_none: guidance.is_some() }
    }

    /// For an inpainting model, (1, 1 + C, h, w): where to repaint, of the size of the picture, and the latent of what is left of it.
    pub(super) fn masked(mask: &Tensor, latent: &Tensor) -> Result<Self, candle_core::Error> {
        let (_, _, height, width) = latent.dims4()?;
        let nearest = mask.upsample_nearest2d(height, width)?;
        let latent = Tensor::cat(&[&nearest.to_dtype(latent.dtype())?, latent], 1)?;
        Ok(Self { latent, first_sees_none: false })
    }

    /// For a batch, (B, C', h, w).
    pub(super) fn of(&self, batch: usize) -> Result<Tensor, candle_core::Error> {
        let all = self.latent.repeat((batch, 1, 1, 1))?;
        if !self.first_sees_none || batch == 1 {
            return Ok(all);
        }
        Tensor::cat(&[&self.latent.zeros_like()?, &all.narrow(0, 1, batch - 1)?], 0)
    }
}

/// The picture without what an inpainting model is to repaint, as RGB (1, 3, H, W) that is grey there, and where that is, (1, 1, H, W) of 1 or 0.
/// Picture and mask are of `extent`. The mask has no halves: as in diffusers' `StableDiffusionInpaintPipeline`, and A1111. Without one all is to be
/// repainted.
pub(super) fn without_masked(
    extent: Extent,
    masked: Option<(&Picture, &Mask)>,
    device: &Device,
) -> Result<[Tensor; 2], Error> {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let repaints = |index: usize| masked.is_none_or(|(_, mask)| mask.coverage()[index] >= 128);
    let one = |index: usize, kept: bool| f32::from(u8::from(repaints(index) != kept));
    let ones = |kept: bool| (0..width * height).map(|index| one(index, kept)).collect::<Vec<f32>>();
    let plane = |kept: bool| Tensor::from_vec(ones(kept), (1, 1, height, width), device);
    let rgb = match masked {
        Some((picture, _)) => picture_to_rgb(picture, device)?.broadcast_mul(&plane(true)?)?,
        None => Tensor::zeros((1, 3, height, width), DType::F32, device)?,
    };
    Ok([rgb, plane(false)?])
}
