//! Between pixels and tensors: pictures as RGB tensors, latents as previews.

use super::Error;
use crate::checkpoints::LatentToRgb;
use crate::geom::Extent;
use crate::networks::{Vae, read_numbers};
use crate::pixels::Picture;
use candle_core::{Device, Tensor};

/// The picture as RGB (1, 3, H, W) in -1..1, laid on white where it is transparent.
pub(super) fn picture_to_rgb(picture: &Picture, device: &Device) -> Result<Tensor, Error> {
    let area = picture.extent().area();
    let mut planes = vec![0_f32; 3 * area];
    for (index, pixel) in picture.rgba().chunks_exact(4).enumerate() {
        let alpha = f32::from(pixel[3]) / 255.0;
        for (channel, &value) in pixel[..3].iter().enumerate() {
            planes[channel * area + index] = (f32::from(value) * alpha + 255.0 * (1.0 - alpha)) / 127.5 - 1.0;
        }
    }
    Ok(Tensor::from_vec(planes, (1, 3, picture.extent().height as usize, picture.extent().width as usize), device)?)
}

/// RGB (1, 3, H, W) in -1..1 as an opaque picture, rounded half to even as diffusers' `VaeImageProcessor` does.
pub(super) fn rgb_to_picture(rgb: &Tensor) -> Result<Picture, Error> {
    let (_, _, height, width) = rgb.dims4()?;
    let planes = read_numbers(rgb)?;
    Ok(interleaved(Extent::new(width as u32, height as u32), &planes))
}

/// A rough picture of a latent (1, C, h, w), of the latent's size: each pixel is a linear map of the channels. Meant for
/// the estimate of the clean latent; the map is the model family's.
pub fn preview(denoised: &Tensor, map: &LatentToRgb) -> Result<Picture, Error> {
    let (_, channels, height, width) = denoised.dims4()?;
    let area = height * width;
    let latent = read_numbers(denoised)?;
    let mut planes: Vec<f32> = map.bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, area)).collect();
    for (row, values) in map.matrix.iter().zip(latent.chunks_exact(area)).take(channels) {
        for (&weight, plane) in row.iter().zip(planes.chunks_exact_mut(area)) {
            for (value, &x) in plane.iter_mut().zip(values) {
                *value += weight * x;
            }
        }
    }
    Ok(interleaved(Extent::new(width as u32, height as u32), &planes))
}

/// As [`preview`], but as large as the picture will be: by a VAE, which had better be a tiny one.
pub fn fine_preview(denoised: &Tensor, vae: &Vae) -> Result<Picture, Error> {
    rgb_to_picture(&vae.decode(denoised)?)
}

/// Three planes of -1..1 as RGBA bytes. What is not a number becomes black.
fn interleaved(extent: Extent, planes: &[f32]) -> Picture {
    let area = extent.area();
    let byte = |value: f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let rgba =
        (0..area).flat_map(|i| [byte(planes[i]), byte(planes[area + i]), byte(planes[2 * area + i]), 255]).collect();
    Picture::from_rgba(extent, rgba).expect("four bytes a pixel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_to_a_tensor_and_back() {
        let rgba: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2, 255]).collect();
        let picture = Picture::from_rgba(Extent::new(32, 8), rgba).unwrap();
        let tensor = picture_to_rgb(&picture, &Device::Cpu).unwrap();
        assert_eq!(tensor.dims(), [1, 3, 8, 32]);
        assert_eq!(rgb_to_picture(&tensor).unwrap(), picture);
    }

    #[test]
    fn what_is_transparent_is_white_to_the_model() {
        let picture = Picture::filled(Extent::new(1, 1), [7, 7, 7, 0]);
        let tensor = picture_to_rgb(&picture, &Device::Cpu).unwrap();
        assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_preview_maps_each_latent_pixel_linearly() {
        let latent = Tensor::new(&[[[[1_f32, 0.0]], [[0.0, 2.0]]]], &Device::Cpu).unwrap();
        let map = LatentToRgb { matrix: vec![[1.0, 0.0, -1.0], [0.0, 0.25, 0.25]], bias: [0.0, 0.0, 0.5] };
        let picture = preview(&latent, &map).unwrap();
        assert_eq!(picture.extent(), Extent::new(2, 1));
        // (v / 2 + 0.5) · 255, half to even: 1 → 255, 0 → 127.5 → 128, -0.5 → 63.75, 0.5 → 191.25.
        assert_eq!(picture.rgba(), [255, 128, 64, 255, 128, 191, 255, 255]);
    }
}
