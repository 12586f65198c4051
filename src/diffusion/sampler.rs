//! How to get from one sigma to the next: each sampler is a pure function that integrates dx/dσ = (x − denoised)/σ
//! (Karras et al. 2022, equation 1 with σ(t) = t) along a schedule. The functions are named after k-diffusion's
//! sampling.py, whose results they match; `sampler` is the table of all.

use super::schedule::NOISE_ALONE;
use super::{Denoiser, Error, SamplerName, Stop};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// A step that is being made.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Which one, from 0.
    pub index: usize,
    /// The sigma that it starts from.
    pub sigma: f64,
    /// The noisy latent that it starts from.
    pub x: &'a Tensor,
    /// The estimate of the clean latent at `x`.
    pub denoised: &'a Tensor,
}

impl<'a> Step<'a> {
    fn new(index: usize, sigma: f64, x: &'a Tensor, denoised: &'a Tensor) -> Self {
        Self { index, sigma, x, denoised }
    }
}

/// A source of noise: each call draws a tensor of x's shape, standard deviation 1.
pub type Draw<'a> = &'a mut dyn FnMut() -> Result<Tensor, Error>;

/// Told each step once, after its (first) call of the network; breaks to stop there. A second-order sampler calls the
/// network twice a step, so a stop that is asked for at any moment takes effect at most one call of the network late.
pub type OnStep<'a> = &'a mut dyn FnMut(Step<'_>) -> ControlFlow<Stop>;

/// Takes `x` (1, C, h, w), noisy by the first of the sigmas, to the last of them. Gives the latent it arrives at, or how it
/// was stopped. Progress counts steps, that is, sigmas, not calls of the network.
pub type Sampler = fn(&dyn Denoiser, Tensor, &[f64], Draw<'_>, OnStep<'_>) -> Result<ControlFlow<Stop, Tensor>, Error>;

/// The sampler of this name.
pub fn sampler(name: SamplerName) -> Sampler {
    match name {
        SamplerName::Euler | SamplerName::Ddim => euler,
        SamplerName::EulerAncestral => euler_ancestral,
        SamplerName::Heun => heun,
        SamplerName::DpmPlusPlus2M => dpmpp_2m,
    }
}

/// The steps of a schedule: index, sigma, and the sigma after it.
fn steps(sigmas: &[f64]) -> impl Iterator<Item = (usize, f64, f64)> {
    sigmas.windows(2).enumerate().map(|(index, pair)| (index, pair[0], pair[1]))
}

/// A straight line from `x` to the estimate, of which `rest` is left: Euler's step, x + (σ' − σ)·(x − denoised)/σ with
/// rest = σ'/σ, in the form that keeps its precision when sigma is large.
fn towards(x: &Tensor, denoised: &Tensor, rest: f64) -> candle_core::Result<Tensor> {
    mixed(rest, x, 1.0 - rest, denoised)
}

/// a·x + b·y.
fn mixed(a: f64, x: &Tensor, b: f64, y: &Tensor) -> candle_core::Result<Tensor> {
    (x * a)? + (y * b)?
}

/// Euler's method. Karras et al. 2022, algorithm 2 without churn; k-diffusion `sample_euler`.
///
/// It is also denoising diffusion implicit models with eta 0: Song et al. 2020, equation 12, keeps in sigmas the direction from
/// the estimate and shortens it, denoised + σ'/σ · (x − denoised). Equal to diffusers' `DDIMScheduler`.
fn euler(
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
        x = towards(&x, &denoised, next / sigma)?;
    }
    Ok(Continue(x))
}

/// Euler's method to below the next sigma, then fresh noise up to it (eta 1). k-diffusion `sample_euler_ancestral`; the
/// split of the variance is that of DDPM (Ho et al. 2020).
fn euler_ancestral(
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
        let down = next * next / sigma;
        let up = (next * next - down * down).sqrt();
        x = towards(&x, &denoised, down / sigma)?;
        if next > 0.0 {
            x = (x + (draw()? * up)?)?;
        }
    }
    Ok(Continue(x))
}

/// Heun's second-order method: two calls a step, one in the last, and one in a step from noise
/// alone, whose end says nothing of its beginning. Karras et al. 2022, algorithm 1; k-diffusion `sample_heun`.
fn heun(
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

/// DPM-Solver++(2M): exact in the linear part, the estimate extrapolated from the last two. Lu et al. 2022, algorithm 2
/// with λ = −ln σ; first order in the first and last step; k-diffusion `sample_dpmpp_2m`.
fn dpmpp_2m(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    _: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let mut last: Option<(f64, Tensor)> = None;
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        let estimate = match &last {
            Some((last_sigma, last_denoised)) if next > 0.0 => {
                let half_ratio = (sigma / next).ln() / (last_sigma / sigma).ln() / 2.0;
                mixed(1.0 + half_ratio, &denoised, -half_ratio, last_denoised)?
            }
            _ => denoised.clone(),
        };
        x = towards(&x, &estimate, next / sigma)?;
        last = Some((sigma, denoised));
    }
    Ok(Continue(x))
}
