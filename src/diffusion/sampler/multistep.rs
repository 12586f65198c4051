//! Samplers that remember the estimates of the steps before.

use super::{Denoiser, Draw, Error, OnStep, Step, Stop, mixed, steps, towards};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// DPM-Solver++(2M): exact in the linear part, the estimate extrapolated from the last two. Lu et al. 2022, algorithm 2
/// with λ = −ln σ; first order in the first and last step; k-diffusion `sample_dpmpp_2m`.
pub(super) fn dpmpp_2m(
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

/// How many slopes the linear multistep method looks at.
const LMS_ORDER: usize = 4;

/// The linear multistep method: the slope is the polynomial through those of the last steps. k-diffusion `sample_lms`, order 4.
pub(super) fn lms(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    _: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let mut slopes: Vec<(f64, Tensor)> = Vec::new();
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        slopes.insert(0, (sigma, ((&x - &denoised)? / sigma)?));
        slopes.truncate(LMS_ORDER);
        for (index, (_, slope)) in slopes.iter().enumerate() {
            let others = || slopes.iter().enumerate().filter(|(other, _)| *other != index);
            let own = slopes[index].0;
            let basis = |at: f64| others().map(|(_, (other, _))| (at - other) / (own - other)).product::<f64>();
            // Simpson's rule is exact for what is at most cubic.
            let integral =
                (next - sigma) / 6.0 * (basis(sigma) + 4.0 * basis(f64::midpoint(sigma, next)) + basis(next));
            x = (x + (slope * integral)?)?;
        }
    }
    Ok(Continue(x))
}

/// How [`sde_2m`] takes in the step before.
#[derive(Clone, Copy)]
enum Correction {
    Midpoint,
    Heun,
}

/// DPM-Solver++(2M) of the stochastic equation, eta 1. Lu et al. 2022; k-diffusion `sample_dpmpp_2m_sde` with `midpoint`.
pub(super) fn dpmpp_2m_sde(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    sde_2m(denoiser, x, sigmas, draw, on_step, Correction::Midpoint)
}

/// As [`dpmpp_2m_sde`], with `heun`.
pub(super) fn dpmpp_2m_sde_heun(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    sde_2m(denoiser, x, sigmas, draw, on_step, Correction::Heun)
}

fn sde_2m(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
    correction: Correction,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let mut last: Option<(f64, Tensor)> = None;
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        if next == 0.0 {
            x = denoised;
            continue;
        }
        let length = (sigma / next).ln();
        // e^(-2h), of the step and of the noise alike.
        let rest = (next / sigma).powi(2);
        let mut there = towards(&x, &denoised, rest)?;
        if let Some((last_length, last_denoised)) = &last {
            let factor = match correction {
                Correction::Midpoint => (1.0 - rest) / 2.0,
                Correction::Heun => 1.0 - (1.0 - rest) / (2.0 * length),
            };
            there = (there + ((&denoised - last_denoised)? * (factor * length / last_length))?)?;
        }
        x = (there + (draw()? * (next * (1.0 - rest).sqrt()))?)?;
        last = Some((length, denoised));
    }
    Ok(Continue(x))
}

/// DPM-Solver++(3M) of the stochastic equation, eta 1. k-diffusion `sample_dpmpp_3m_sde`.
pub(super) fn dpmpp_3m_sde(
    denoiser: &dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f64],
    draw: Draw<'_>,
    on_step: OnStep<'_>,
) -> Result<ControlFlow<Stop, Tensor>, Error> {
    // The steps before, the newest first: how long each was in log sigma, and what was estimated at its start.
    let mut last: Vec<(f64, Tensor)> = Vec::new();
    for (index, sigma, next) in steps(sigmas) {
        let denoised = denoiser.denoise(&x, sigma)?;
        if let Break(stop) = on_step(Step::new(index, sigma, &x, &denoised)) {
            return Ok(Break(stop));
        }
        if next == 0.0 {
            x = denoised;
            continue;
        }
        let length = (sigma / next).ln();
        let (twice, rest) = (2.0 * length, (next / sigma).powi(2));
        let mut there = towards(&x, &denoised, rest)?;
        let phi_2 = 1.0 - (1.0 - rest) / twice;
        let phi_3 = phi_2 / twice - 0.5;
        match &last[..] {
            [(first, one), (second, two)] => {
                let (near, far) = (first / length, second / length);
                let (slope, before) = (((&denoised - one)? / near)?, ((one - two)? / far)?);
                let bend = ((&slope - before)? / (near + far))?;
                there = (there + mixed(phi_2, &slope, phi_2 * near - phi_3, &bend)?)?;
            }
            [(first, one)] => there = (there + ((&denoised - one)? * (phi_2 * length / first))?)?,
            _ => {}
        }
        x = (there + (draw()? * (next * (1.0 - rest).sqrt()))?)?;
        last.insert(0, (length, denoised));
        last.truncate(2);
    }
    Ok(Continue(x))
}
