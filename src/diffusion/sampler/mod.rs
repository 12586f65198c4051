//! How to get from one sigma to the next: each sampler integrates dx/dσ = (x − denoised)/σ (Karras et al. 2022, equation 1 with
//! σ(t) = t) along a schedule.
//!
//! They are all one step, the exponential integrator's in −ln σ: from `x` straight towards an estimate of the clean latent, to
//! `down`, and with fresh noise up to the next sigma where down² + up² = next²:
//!
//! > x' = down/σ · x + (1 − down/σ) · estimate + up · noise
//!
//! What tells them apart is a row of [`recipe`]: which estimate speaks for the whole step ([`estimates`]), and how the step is
//! divided into down and up ([`Split`]). Only those that choose their sigmas themselves walk otherwise: [`solver`] and [`restart`].

mod estimates;
mod restart;
mod solver;
mod step;

use super::{Denoiser, Error, SamplerName, Stop, TrainingSigmas, Tuning};
use candle_core::Tensor;
use estimates::{Bh, Correction};
use std::ops::ControlFlow;
use step::{Estimate, Recipe, Split, Turn};

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

/// A source of noise: each call draws a tensor of x's shape, standard deviation 1.
pub type Draw<'a> = &'a mut dyn FnMut() -> Result<Tensor, Error>;

/// Told each step once, after its (first) call of the network; breaks to stop there. A second-order sampler calls the
/// network twice a step, so a stop that is asked for at any moment takes effect at most one call of the network late.
pub type OnStep<'a> = &'a mut dyn FnMut(Step<'_>) -> ControlFlow<Stop>;

/// Asked before each step, with its number and its sigma, what is painted into the noisy latent that it starts from. Gives another one to go
/// on from: what samplers know of the steps before does not hold for that.
pub type Enter<'a> = &'a mut dyn FnMut(usize, f64, &Tensor) -> Result<Option<Tensor>, Error>;

/// What a sampler walks on.
pub struct Walk<'a> {
    /// What estimates the clean latent.
    pub denoiser: &'a dyn Denoiser,
    /// The sigmas to visit, from high to low; the last is 0.
    pub sigmas: &'a [f64],
    /// What the model was trained on.
    pub training: &'a TrainingSigmas,
    /// Where DPM fast and DPM adaptive end, which choose their own sigmas.
    pub ends_at: f64,
    /// How the sampler is turned.
    pub tuning: Tuning,
    /// Where noise comes from.
    pub draw: Draw<'a>,
    /// What is painted in.
    pub enter: Enter<'a>,
    /// Who is told.
    pub on_step: OnStep<'a>,
}

/// Takes `x` (1, C, h, w), noisy by the first of the sigmas, to the last of them. Gives the latent it arrives at, or how it
/// was stopped. Progress counts steps, that is, sigmas, not calls of the network; DPM fast and DPM adaptive alone, which choose their
/// sigmas between the first and [`Walk::ends_at`], tell each call.
pub fn sample(name: SamplerName, walk: Walk<'_>, x: Tensor) -> Result<ControlFlow<Stop, Tensor>, Error> {
    match name {
        SamplerName::DpmFast => solver::fast(walk, x),
        SamplerName::DpmAdaptive => solver::adaptive(walk, x),
        SamplerName::Restart => restart::restart(walk, x),
        _ => step::walk(&recipe(name), walk, x),
    }
}

/// The table of samplers: their sources are named at [`SamplerName`].
fn recipe(name: SamplerName) -> Recipe {
    use Estimate as E;
    use SamplerName as S;
    use Turn::{Churn, Eta, Nothing};
    let row = |estimate, split, eta, turn| Recipe { estimate, split, eta, turn };
    match name {
        //                             estimate                            down and up       eta  heeds
        S::Euler => row(E::Own, Split::Variance, 0.0, Churn),
        S::EulerAncestral => row(E::Own, Split::Variance, 1.0, Eta),
        // The last two choose their sigmas themselves; only what they heed is read here.
        S::Ddim | S::DpmFast | S::DpmAdaptive => row(E::Own, Split::Variance, 0.0, Eta),
        S::DdimCfgPp => row(E::Apart, Split::Variance, 0.0, Eta),
        S::Ddpm => row(E::Own, Split::Variance, 1.0, Nothing),
        S::Heun => row(E::Ends, Split::Variance, 0.0, Churn),
        S::Restart => row(E::Ends, Split::Variance, 0.0, Nothing),
        S::Dpm2 => row(E::MiddleSlope, Split::Variance, 0.0, Churn),
        S::Dpm2Ancestral => row(E::MiddleSlope, Split::Variance, 1.0, Eta),
        S::DpmPlusPlus2SAncestral => row(E::Middle, Split::Variance, 1.0, Eta),
        S::DpmPlusPlusSde => row(E::NoisyMiddle, Split::Variance, 1.0, Eta),
        S::DpmPlusPlus2M => row(E::TwoSteps(Correction::Midpoint), Split::Decay, 0.0, Nothing),
        S::DpmPlusPlus2MSde => row(E::TwoSteps(Correction::Midpoint), Split::Decay, 1.0, Eta),
        S::DpmPlusPlus2MSdeHeun => row(E::TwoSteps(Correction::Heun), Split::Decay, 1.0, Eta),
        S::DpmPlusPlus3MSde => row(E::ThreeSteps, Split::Decay, 1.0, Eta),
        S::Lms => row(E::Slopes, Split::Variance, 0.0, Nothing),
        S::Plms => row(E::EvenSlopes, Split::Variance, 0.0, Nothing),
        S::UniPc => row(E::UniPc(Bh::One), Split::Variance, 0.0, Nothing),
        S::UniPcBh2 => row(E::UniPc(Bh::Two), Split::Variance, 0.0, Nothing),
        S::Lcm => row(E::Consistency, Split::All, 1.0, Nothing),
        S::Tcd => row(E::Own, Split::Timesteps, 0.3, Eta),
    }
}

impl SamplerName {
    /// Whether it heeds [`Tuning::eta`], and what it takes where that is not set.
    pub fn usual_eta(self) -> Option<f64> {
        let recipe = recipe(self);
        (recipe.turn == Turn::Eta).then_some(recipe.eta)
    }

    /// Whether it heeds [`Tuning::churn`].
    pub fn churns(self) -> bool {
        recipe(self).turn == Turn::Churn
    }
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
