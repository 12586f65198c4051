//! Samplers that go below the next sigma and come up to it with fresh noise, all of it (eta 1).

use super::super::schedule::NOISE_ALONE;
use super::{Denoiser, Draw, Error, OnStep, Step, Stop, mixed, steps, towards};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// Euler's method to below the next sigma, then fresh noise up to it (eta 1). k-diffusion `sample_euler_ancestral`; the
/// split of the variance is that of DDPM (Ho et al. 2020).
pub(super) fn euler_ancestral(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        x = euler_step(&x, &denoised, sigma, next, draw)?;
    }
    Ok(Continue(x))
}

/// How far below `next` a step from `sigma` goes, and how much noise leads up from there. k-diffusion `get_ancestral_step`.
fn down_and_up(sigma: f64, next: f64) -> (f64, f64) {
    let down = next * next / sigma;
    (down, (next * next - down * down).sqrt())
}

/// The midpoint method to below the next sigma. k-diffusion `sample_dpm_2_ancestral`.
pub(super) fn dpm_2_ancestral(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        if next == 0.0 || sigma >= NOISE_ALONE {
            x = euler_step(&x, &denoised, sigma, next, draw)?;
            continue;
        }
        let (down, up) = down_and_up(sigma, next);
        let middle = (sigma * down).sqrt();
        let there = towards(&x, &denoised, middle / sigma)?;
        let slope = ((&there - denoiser.denoise(&there, middle)?)? / middle)?;
        x = ((x + (slope * (down - sigma))?)? + (draw()? * up)?)?;
    }
    Ok(Continue(x))
}

/// DPM-Solver++(2S) to below the next sigma: the estimate at the middle of log sigma, for the whole step. Lu et al. 2022, algorithm 1;
/// k-diffusion `sample_dpmpp_2s_ancestral`.
pub(super) fn dpmpp_2s_ancestral(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        if next == 0.0 || sigma >= NOISE_ALONE {
            x = euler_step(&x, &denoised, sigma, next, draw)?;
            continue;
        }
        let (down, up) = down_and_up(sigma, next);
        let middle = (sigma * down).sqrt();
        let there = towards(&x, &denoised, middle / sigma)?;
        let estimate = denoiser.denoise(&there, middle)?;
        x = (towards(&x, &estimate, down / sigma)? + (draw()? * up)?)?;
    }
    Ok(Continue(x))
}

/// DPM-Solver++ of the stochastic equation: with noise to the middle of log sigma, and with noise, of which that is a part, to the next.
/// k-diffusion `sample_dpmpp_sde` with r = 1/2; the noise is that of one Brownian path in sigma, as its `BrownianTreeNoiseSampler`'s.
pub(super) fn dpmpp_sde(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        if next == 0.0 || sigma >= NOISE_ALONE {
            x = euler_step(&x, &denoised, sigma, next, draw)?;
            continue;
        }
        let middle = (sigma * next).sqrt();
        let (down, up) = down_and_up(sigma, middle);
        let first = draw()?;
        let there = (towards(&x, &denoised, down / sigma)? + (&first * up)?)?;
        let estimate = denoiser.denoise(&there, middle)?;
        let (down, up) = down_and_up(sigma, next);
        let share = (sigma - middle) / (sigma - next);
        let noise = mixed(share.sqrt(), &first, (1.0 - share).sqrt(), &draw()?)?;
        x = (towards(&x, &estimate, down / sigma)? + (noise * up)?)?;
    }
    Ok(Continue(x))
}

/// The estimate, and fresh noise on it: multistep consistency sampling (Song et al. 2023, algorithm 1; Luo et al. 2023, algorithm 3), as
/// diffusers' `LCMScheduler` and `ComfyUI`'s `sample_lcm` have it.
pub(super) fn lcm(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        x = if next > 0.0 { (denoised + (draw()? * next)?)? } else { denoised };
    }
    Ok(Continue(x))
}

/// Euler's step, with noise where the schedule goes on.
fn euler_step(x: &Tensor, denoised: &Tensor, sigma: f64, next: f64, draw: Draw<'_>) -> Result<Tensor, Error> {
    let (down, up) = down_and_up(sigma, next);
    let there = towards(x, denoised, down / sigma)?;
    Ok(if next > 0.0 { (there + (draw()? * up)?)? } else { there })
}
