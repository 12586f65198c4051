//! What some networks see beside the noisy latent: inpainting models the mask and what it leaves (Rombach et al. 2022), models that edit by
//! instruction the picture (Brooks et al. 2023).

use super::Error;
use super::latent::picture_to_rgb;
use crate::checkpoints::Model;
use crate::geom::Extent;
use crate::pixels::{Mask, Picture};
use candle_core::{DType, Tensor};

/// What is seen beside each item of a batch.
pub(super) struct Beside {
    /// (1, C', h, w).
    latent: Tensor,
    /// Whether the first of several sees nothing instead.
    first_sees_none: bool,
}

impl Beside {
    /// For a batch, (B, C', h, w).
    pub(super) fn of(&self, batch: usize) -> Result<Tensor, candle_core::Error> {
        let all = self.latent.repeat((batch, 1, 1, 1))?;
        if !self.first_sees_none || batch == 1 {
            return Ok(all);
        }
        Tensor::cat(&[&self.latent.zeros_like()?, &all.narrow(0, 1, batch - 1)?], 0)
    }
}

/// The picture that is to be edited, as its encoder gives it: not scaled, as in diffusers' `StableDiffusionInstructPix2PixPipeline`. With guidance
/// by it, the first of a batch does not see it. `encode` gives the latent of RGB, or why not.
pub(super) fn picture_to_edit<E: From<Error> + From<candle_core::Error>>(
    model: &Model,
    picture: &Picture,
    guidance: Option<f64>,
    encode: impl FnOnce(&Tensor) -> Result<Tensor, E>,
) -> Result<Beside, E> {
    let latent = encode(&picture_to_rgb(picture, &model.device)?)?;
    Ok(Beside { latent: (latent / model.latent_scale())?, first_sees_none: guidance.is_some() })
}

/// What an inpainting model sees beside the noisy latent, (1, 1 + C, h, w): where to repaint, 1 or 0, and the latent of the picture that
/// is grey there. Picture and mask are of `extent`. It has no halves: as in diffusers' `StableDiffusionInpaintPipeline`, and A1111. Without a mask all is to be repainted.
/// `encode` is as for [`picture_to_edit`].
pub(super) fn masked_picture<E: From<Error> + From<candle_core::Error>>(
    model: &Model,
    extent: Extent,
    masked: Option<(&Picture, &Mask)>,
    encode: impl FnOnce(&Tensor) -> Result<Tensor, E>,
) -> Result<Beside, E> {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let repaints = |index: usize| masked.is_none_or(|(_, mask)| mask.coverage()[index] >= 128);
    let ones = |kept: bool| (0..width * height).map(|index| f32::from(u8::from(repaints(index) != kept))).collect();
    let mask = Tensor::from_vec(ones(false), (1, 1, height, width), &model.device)?;
    let rgb = match masked {
        Some((picture, _)) => picture_to_rgb(picture, &model.device)?.broadcast_mul(&Tensor::from_vec(
            ones(true),
            (1, 1, height, width),
            &model.device,
        )?)?,
        None => Tensor::zeros((1, 3, height, width), DType::F32, &model.device)?,
    };
    let latent = encode(&rgb)?;
    let downscale = model.vae_config().downscale();
    let nearest = mask.upsample_nearest2d(height / downscale, width / downscale)?;
    let latent = Tensor::cat(&[&nearest.to_dtype(latent.dtype())?, &latent], 1)?;
    Ok(Beside { latent, first_sees_none: false })
}
