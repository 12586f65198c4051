//! The step that samplers have in common, and the walk of such steps along a schedule.

use super::super::schedule::NOISE_ALONE;
use super::estimates::{self, Bh, Correction};
use super::{Denoiser, Draw, Error, Step, Stop, TrainingSigmas, Walk, mixed, towards};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// What a sampler is made of.
pub(super) struct Recipe {
    pub(super) estimate: Estimate,
    pub(super) split: Split,
    /// How much of what is taken away comes back as noise, where the request does not say it.
    pub(super) eta: f64,
    pub(super) turn: Turn,
}

/// What of a request's [`Tuning`] a sampler heeds. None heeds both.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Turn {
    Nothing,
    Eta,
    Churn,
}

/// Which estimate speaks for a whole step; see the function of each.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Estimate {
    /// That of where it starts.
    Own,
    /// The same, but the noise that is left is what the negative prompt sees.
    Apart,
    Ends,
    MiddleSlope,
    Middle,
    NoisyMiddle,
    TwoSteps(Correction),
    ThreeSteps,
    Slopes,
    EvenSlopes,
    UniPc(Bh),
    Consistency,
}

/// How a step to `next` is divided into a way down and noise up from there, down² + up² = next².
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Split {
    /// up is eta times the deviation of DDPM's posterior (Ho et al. 2020). k-diffusion `get_ancestral_step`; Song et al. 2020, equation
    /// 16, is the same in sigmas.
    Variance,
    /// The way down is (1 + eta) times as long in ln σ: the stochastic equation's (Lu et al. 2022, section 4.3). k-diffusion
    /// `sample_dpmpp_2m_sde`. The same as `Variance` for eta 0 and 1.
    Decay,
    /// All the way down, and all noise is fresh: consistency sampling (Song et al. 2023, algorithm 1).
    All,
    /// Down to the timestep that is 1 − eta of the next one: strategic stochastic sampling (Zheng et al. 2024, algorithm 4), as diffusers'
    /// `TCDScheduler`, which rounds it down and ends at the first timestep, where the clean latent is still a little noisy.
    Timesteps,
}

impl Split {
    pub(super) fn of(self, sigma: f64, next: f64, eta: f64, training: &TrainingSigmas) -> (f64, f64) {
        let beside = |side: f64| (next * next - side * side).max(0.0).sqrt();
        if next == 0.0 {
            return (0.0, 0.0);
        }
        match self {
            Self::Variance => {
                let up = next.min(eta * (next * next * (sigma * sigma - next * next) / (sigma * sigma)).sqrt());
                (beside(up), up)
            }
            Self::Decay => {
                let down = next * (next / sigma).powf(eta);
                (down, beside(down))
            }
            Self::All => (0.0, next),
            Self::Timesteps if eta == 0.0 => (next, 0.0),
            Self::Timesteps => {
                // Of what is a whole timestep but for rounding, the whole one.
                let whole = ((1.0 - eta) * training.sigma_to_timestep(next) + 1e-6).floor();
                let down = training.timestep_to_sigma(whole).min(next);
                (down, beside(down))
            }
        }
    }
}

/// Noise between sigmas as that of one Brownian path, divided by the root of how long it is: a part of a step has a part of its noise.
/// What k-diffusion's `BrownianTreeNoiseSampler` gives, in the order in which it is asked for.
pub(super) struct Path<'a> {
    draw: Draw<'a>,
    /// From where, to where, and what noise: of the last that was asked for.
    last: Option<(f64, f64, Tensor)>,
}

impl<'a> Path<'a> {
    pub(super) fn new(draw: Draw<'a>) -> Self {
        Self { draw, last: None }
    }

    pub(super) fn noise(&mut self, from: f64, to: f64) -> Result<Tensor, Error> {
        let fresh = (self.draw)()?;
        let noise = match self.last.take() {
            Some((start, end, before)) if start.to_bits() == from.to_bits() && end > to => {
                let share = (from - end) / (from - to);
                mixed(share.sqrt(), &before, (1.0 - share).sqrt(), &fresh)?
            }
            _ => fresh,
        };
        self.last = Some((from, to, noise.clone()));
        Ok(noise)
    }
}

/// Where the network was asked, and what it said.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) sigma: f64,
    pub(super) x: Tensor,
    pub(super) denoised: Tensor,
}

/// A step, as far as it is known when its estimate is due.
pub(super) struct Due<'a, 'b> {
    pub(super) denoiser: &'a dyn Denoiser,
    pub(super) path: &'a mut Path<'b>,
    /// Where it starts, and behind it where the steps before did, the newest first.
    pub(super) points: &'a mut [Point],
    pub(super) next: f64,
    pub(super) down: f64,
    pub(super) eta: f64,
    /// What noise is multiplied by.
    pub(super) noise: f64,
    /// How many steps were made before this one, and how many there are from it on.
    pub(super) made: usize,
    pub(super) left: usize,
    pub(super) training: &'a TrainingSigmas,
}

impl Due<'_, '_> {
    pub(super) fn sigma(&self) -> f64 {
        self.points[0].sigma
    }

    pub(super) fn denoised(&self) -> &Tensor {
        &self.points[0].denoised
    }

    /// Whether only where it starts speaks for it: it goes all the way, or comes from noise alone, of which nothing says what it was.
    pub(super) fn is_plain(&self) -> bool {
        self.down == 0.0 || self.sigma() >= NOISE_ALONE
    }

    fn estimate(&mut self, estimate: Estimate) -> Result<Tensor, Error> {
        match estimate {
            Estimate::Own | Estimate::Apart => Ok(self.denoised().clone()),
            Estimate::Ends => estimates::ends(self),
            Estimate::MiddleSlope => estimates::middle_slope(self),
            Estimate::Middle => estimates::middle(self),
            Estimate::NoisyMiddle => estimates::noisy_middle(self),
            Estimate::TwoSteps(correction) => estimates::two_steps(self, correction),
            Estimate::ThreeSteps => estimates::three_steps(self),
            Estimate::Slopes => estimates::slopes(self),
            Estimate::EvenSlopes => estimates::even_slopes(self),
            Estimate::UniPc(bh) => estimates::unipc(self, bh),
            Estimate::Consistency => estimates::consistency(self),
        }
    }
}

/// How many points an estimate looks at.
const POINTS: usize = 4;

/// One step from each sigma to the next.
pub(super) fn walk(recipe: &Recipe, walk: Walk<'_>, mut x: Tensor) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let Walk { denoiser, sigmas, training, tuning, draw, enter, on_step, .. } = walk;
    let (mut path, mut points) = (Path::new(draw), Vec::<Point>::new());
    let eta = tuning.eta.filter(|_| recipe.turn == Turn::Eta).unwrap_or(recipe.eta);
    let count = sigmas.len() - 1;
    for (index, pair) in sigmas.windows(2).enumerate() {
        let (start, next) = (pair[0], pair[1]);
        let mut sigma = start;
        if let Some(painted) = enter(index, start, &x)? {
            x = painted;
            points.clear();
        }
        // Noise is drawn at each step, as k-diffusion draws it, also where none of it is added.
        if recipe.turn == Turn::Churn && tuning.churn > 0.0 {
            let noise = (path.draw)()?;
            sigma = tuning.churned(start, count);
            x = (x + (noise * (tuning.noise * (sigma * sigma - start * start).sqrt()))?)?;
        }
        let (denoised, negative) = if recipe.estimate == Estimate::Apart {
            let (denoised, negative) = denoiser.denoise_apart(&x, sigma)?;
            (denoised, Some(negative))
        } else {
            (denoiser.denoise(&x, sigma)?, None)
        };
        if let Break(stop) = on_step(Step { index, sigma: start, x: &x, denoised: &denoised }) {
            return Ok(Break(stop));
        }
        points.insert(0, Point { sigma, x, denoised });
        points.truncate(POINTS);
        let (down, up) = recipe.split.of(sigma, next, eta, training);
        let mut due = Due {
            denoiser,
            path: &mut path,
            points: &mut points,
            next,
            down,
            eta,
            noise: tuning.noise,
            made: index,
            left: count - index,
            training,
        };
        let estimate = due.estimate(recipe.estimate)?;
        if next == 0.0 && recipe.split == Split::Timesteps {
            let last = training.min().min(sigma);
            x = (towards(&points[0].x, &estimate, last / sigma)? / (1.0 + last * last).sqrt())?;
            break;
        }
        x = match negative {
            Some(negative) => (estimate + ((&points[0].x - negative)? * (down / sigma))?)?,
            None => towards(&points[0].x, &estimate, down / sigma)?,
        };
        if up > 0.0 {
            x = (x + (path.noise(sigma, next)? * (up * tuning.noise))?)?;
        }
    }
    Ok(Continue(x))
}
