//! Soft masks whose grey says how much is painted anew: differential diffusion (Levin & Fried 2023, arXiv 2306.00950). White is painted
//! from the first step on, grey joins in as much later as it is darker, and until then is the original with the noise of the step:
//! a middle grey is changed about as much as a strength of one half changes a picture. Black stays.

use super::{Denoiser, Error, TrainingSigmas};
use crate::pixels::Mask;
use candle_core::{DType, Tensor};

/// The estimate is held to the original where the mask is darker than the step is far up, in timesteps, and there the network sees the
/// original with this much of the noise. As `ComfyUI`'s node `DifferentialDiffusion`, but black never joins in.
pub(super) struct Differential<'a, D> {
    /// What paints.
    pub(super) inner: D,
    /// The original's latent (1, C, h, w).
    pub(super) original: Tensor,
    /// The noise that the run began with, of the same shape.
    pub(super) noise: Tensor,
    /// (1, 1, h, w) in 0..1: how much is painted anew.
    pub(super) mask: Tensor,
    /// The run's first sigma.
    pub(super) first: f64,
    /// Which timestep a sigma is.
    pub(super) training: &'a TrainingSigmas,
}

impl<D> Differential<'_, D> {
    /// How dark a mask is not painted yet at this sigma: from 1 at the first to 0 at the last.
    fn threshold(&self, sigma: f64) -> f64 {
        let first = self.training.sigma_to_timestep(self.first);
        if first > 0.0 { (self.training.sigma_to_timestep(sigma) / first).clamp(0.0, 1.0) } else { 0.0 }
    }
}

impl<D: Denoiser> Denoiser for Differential<'_, D> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        Ok(self.denoise_apart(x, sigma)?.0)
    }

    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        let joined = (self.mask.ge(self.threshold(sigma))? * self.mask.gt(0.0)?)?.to_dtype(DType::F32)?;
        let held = (&self.original + (&self.noise * sigma)?)?;
        let seen = (&held + (x - &held)?.broadcast_mul(&joined)?)?;
        let held = |estimate: Tensor| &self.original + (estimate - &self.original)?.broadcast_mul(&joined)?;
        let (denoised, negative) = self.inner.denoise_apart(&seen, sigma)?;
        Ok((held(denoised)?, held(negative)?))
    }
}

/// How a picture that was painted this way is laid back: what the mask changes at all is taken, with the original showing through in its
/// darkest eighth, so that there is no edge where it begins.
pub(super) fn laid_back(mask: &Mask) -> Mask {
    let coverage = mask.coverage().iter().map(|coverage| coverage.saturating_mul(8)).collect();
    Mask::from_coverage(mask.extent(), coverage).expect("as many bytes as the mask has")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::schedule::tests::stable_diffusion;
    use candle_core::Device;

    #[test]
    fn white_is_painted_at_once_grey_joins_in_and_black_never_does() {
        /// Gives back what it sees, and 100.
        struct Sees;
        impl Denoiser for Sees {
            fn denoise(&self, x: &Tensor, _: f64) -> Result<Tensor, Error> {
                Ok((x + 100.0)?)
            }
        }
        let row = |values: [f32; 4]| Tensor::new(&[[[values]]], &Device::Cpu).unwrap();
        let training = TrainingSigmas::from_alphas_cumprod(&stable_diffusion());
        let at = |timestep: f64| training.timestep_to_sigma(timestep);
        let soft = Differential {
            inner: Sees,
            original: row([1.0; 4]),
            noise: row([0.0; 4]),
            mask: row([0.0, 0.25, 0.5, 1.0]),
            first: at(800.0),
            training: &training,
        };
        let x = row([7.0; 4]);
        for (timestep, expected) in [
            (800.0, [1.0, 1.0, 1.0, 107.0]),
            (401.0, [1.0, 1.0, 1.0, 107.0]),
            (399.0, [1.0, 1.0, 107.0, 107.0]),
            (199.0, [1.0, 107.0, 107.0, 107.0]),
            (0.0, [1.0, 107.0, 107.0, 107.0]),
        ] {
            let estimate = soft.denoise(&x, at(timestep)).unwrap();
            assert_eq!(estimate.flatten_all().unwrap().to_vec1::<f32>().unwrap(), expected, "at {timestep}");
        }
    }
}
