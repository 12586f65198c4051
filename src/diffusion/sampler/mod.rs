//! How to get from one sigma to the next: each sampler is a pure function that integrates dx/dσ = (x − denoised)/σ
//! (Karras et al. 2022, equation 1 with σ(t) = t) along a schedule. The functions are named after k-diffusion's
//! sampling.py, whose results they match; `sampler` is the table of all.

mod ancestral;
mod multistep;
mod second_order;

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
        SamplerName::EulerAncestral => ancestral::euler_ancestral,
        SamplerName::Heun => second_order::heun,
        SamplerName::DpmPlusPlus2M => multistep::dpmpp_2m,
        SamplerName::Lms => multistep::lms,
        SamplerName::Dpm2 => second_order::dpm_2,
        SamplerName::Dpm2Ancestral => ancestral::dpm_2_ancestral,
        SamplerName::DpmPlusPlus2SAncestral => ancestral::dpmpp_2s_ancestral,
        SamplerName::DpmPlusPlusSde => ancestral::dpmpp_sde,
        SamplerName::DpmPlusPlus2MSde => multistep::dpmpp_2m_sde,
        SamplerName::DpmPlusPlus2MSdeHeun => multistep::dpmpp_2m_sde_heun,
        SamplerName::DpmPlusPlus3MSde => multistep::dpmpp_3m_sde,
        SamplerName::Lcm => ancestral::lcm,
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
