//! Samplers that call the network twice a step, and add no noise.

use super::super::schedule::NOISE_ALONE;
use super::{Denoiser, Draw, Error, OnStep, Step, Stop, mixed, steps, towards};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// Heun's second-order method: two calls a step, one in the last, and one in a step from noise
/// alone, whose end says nothing of its beginning. Karras et al. 2022, algorithm 1; k-diffusion `sample_heun`.
pub(super) fn heun(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    _: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        let there = towards(&x, &denoised, next / sigma)?;
        if next == 0.0 || sigma >= NOISE_ALONE {
            x = there;
            continue;
        }
        let slope = ((&x - &denoised)? / sigma)?;
        let slope_there = ((&there - denoiser.denoise(&there, next)?)? / next)?;
        x = (x + mixed((next - sigma) / 2.0, &slope, (next - sigma) / 2.0, &slope_there)?)?;
    }
    Ok(Continue(x))
}

/// The midpoint method, in the middle of log sigma: two calls a step, one in the last and in one from noise alone. k-diffusion
/// `sample_dpm_2`, inspired by DPM-Solver-2 (Lu et al. 2022) and algorithm 2 of Karras et al. 2022.
pub(super) fn dpm_2(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    _: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        if next == 0.0 || sigma >= NOISE_ALONE {
            x = towards(&x, &denoised, next / sigma)?;
            continue;
        }
        let middle = (sigma * next).sqrt();
        let there = towards(&x, &denoised, middle / sigma)?;
        let slope = ((&there - denoiser.denoise(&there, middle)?)? / middle)?;
        x = (x + (slope * (next - sigma))?)?;
    }
    Ok(Continue(x))
}
