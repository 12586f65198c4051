//! DPM-Solver (Lu et al. 2022, "A Fast ODE Solver for Diffusion Probabilistic Model Sampling in Around 10 Steps"): single steps of first to
//! third order in t = −ln σ that choose their own sigmas between the first of a schedule and the model's smallest, where they end, as A1111 has
//! them end. k-diffusion's `DPMSolver`.

use super::step::{Path, Split};
use super::{Denoiser, Enter, Error, OnStep, SamplerName, Step, Stop, TrainingSigmas, Walk, mixed};
use candle_core::Tensor;
use std::ops::ControlFlow::{self, Break, Continue};

/// Steps of third order, as many as fit into as many calls of the network as the schedule has steps. Appendix D.2; k-diffusion
/// `sample_dpm_fast`.
pub(super) fn fast(walk: Walk<'_>, x: Tensor) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let calls = walk.sigmas.len() - 1;
    let mut orders = vec![3; calls / 3];
    match calls % 3 {
        0 => {
            orders.pop();
            orders.extend([2, 1]);
        }
        rest => orders.push(rest),
    }
    let mut solver = Solver::new(walk, SamplerName::DpmFast);
    let (from, to, count) = (solver.from, solver.to, orders.len() as f64);
    let run = || {
        let mut x = x;
        for (index, order) in orders.into_iter().enumerate() {
            let at = |index: usize| from + (to - from) * index as f64 / count;
            let way = solver.way(at(index), at(index + 1));
            x = solver.entered(solver.index, &way, &x)?.unwrap_or(x);
            let mut asked = Vec::new();
            x = solver.step(&x, &way, order, 1.0 / if order == 2 { 2.0 } else { 3.0 }, &mut asked)?;
            x = solver.noised(x, &way)?;
        }
        Ok(x)
    };
    ended(run())
}

/// How far a step of second and one of third order may be apart: of the larger of their values, and in all.
const TOLERANCE: (f64, f64) = (0.05, 0.0078);
/// The first step, in −ln σ.
const FIRST: f64 = 0.05;
/// The least growth of a step that is made.
const ACCEPTED: f64 = 0.81;

/// Steps of third order, as long as one of second order says nearly the same. Section 3.4; k-diffusion `sample_dpm_adaptive` with its
/// usual tolerances.
pub(super) fn adaptive(walk: Walk<'_>, x: Tensor) -> Result<ControlFlow<Stop, Tensor>, Error> {
    let mut solver = Solver::new(walk, SamplerName::DpmAdaptive);
    let order = if solver.eta > 0.0 { 1.5 } else { 3.0 };
    let run = || {
        let (mut x, mut low_before, mut at, mut length) = (x.clone(), x, solver.from, FIRST);
        let mut attempts = 0..;
        while at < solver.to - 1e-5 {
            let way = solver.way(at, (at + length).min(solver.to));
            if let Some(painted) = solver.entered(attempts.next().unwrap_or(usize::MAX), &way, &x)? {
                (x, low_before) = (painted.clone(), painted);
            }
            let mut asked = Vec::new();
            let low = solver.step(&x, &way, 2, 1.0 / 3.0, &mut asked)?;
            let high = solver.step(&x, &way, 3, 1.0 / 3.0, &mut asked)?;
            let factor = 1.0 + ((1.0 / (apart(&low, &high, &low_before)? + 1e-8)).powf(1.0 / order) - 1.0).atan();
            if factor >= ACCEPTED {
                x = solver.noised(high, &way)?;
                (low_before, at) = (low, way.to);
            }
            length *= factor;
        }
        Ok(x)
    };
    ended(run())
}

/// How far two results are apart, 1 where it is just tolerable.
fn apart(low: &Tensor, high: &Tensor, before: &Tensor) -> Result<f64, candle_core::Error> {
    let (relative, absolute) = TOLERANCE;
    let tolerable = ((low.abs()?.maximum(&before.abs()?)? * relative)?).maximum(absolute)?;
    let squares = ((low - high)? / tolerable)?.sqr()?.mean_all()?;
    Ok(f64::from(squares.to_dtype(candle_core::DType::F32)?.to_scalar::<f32>()?).sqrt())
}

/// A step from one −ln σ to another.
struct Way {
    from: f64,
    /// Where it ends, and to where it goes down before there is noise up to that.
    to: f64,
    down: f64,
}

struct Solver<'a> {
    denoiser: &'a dyn Denoiser,
    training: &'a TrainingSigmas,
    path: Path<'a>,
    enter: Enter<'a>,
    on_step: OnStep<'a>,
    eta: f64,
    noise: f64,
    /// −ln σ at the begin and the end of the walk.
    from: f64,
    to: f64,
    /// How many steps it is told as, and which one is next.
    count: usize,
    index: usize,
    is_adaptive: bool,
}

impl<'a> Solver<'a> {
    fn new(walk: Walk<'a>, name: SamplerName) -> Self {
        let Walk { denoiser, sigmas, training, ends_at, tuning, draw, enter, on_step } = walk;
        let count = sigmas.len() - 1;
        let last = ends_at.min(sigmas[0]);
        Self {
            denoiser,
            training,
            path: Path::new(draw),
            enter,
            on_step,
            eta: tuning.eta.unwrap_or(0.0),
            noise: tuning.noise,
            from: -sigmas[0].ln(),
            to: -last.ln(),
            count,
            index: 0,
            is_adaptive: name == SamplerName::DpmAdaptive,
        }
    }

    fn way(&self, from: f64, to: f64) -> Way {
        let (down, _) = Split::Variance.of((-from).exp(), (-to).exp(), self.eta, self.training);
        Way { from, to, down: if self.eta > 0.0 { (-down.ln()).min(self.to) } else { to } }
    }

    /// What a step starts from instead, if something is painted in.
    fn entered(&mut self, index: usize, way: &Way, x: &Tensor) -> Result<Option<Tensor>, Error> {
        (self.enter)(index, (-way.from).exp(), x)
    }

    /// Fresh noise at the end of a step.
    fn noised(&mut self, x: Tensor, way: &Way) -> Result<Tensor, Halt> {
        if way.down <= way.to {
            return Ok(x);
        }
        let up = ((-2.0 * way.to).exp() - (-2.0 * way.down).exp()).sqrt();
        let noise = self.path.noise((-way.from).exp(), (-way.to).exp())?;
        Ok((x + (noise * (up * self.noise))?)?)
    }

    /// The slope at `time`, which is told. `asked` are those of this step, in their order, and stay for another order.
    fn slope(&mut self, x: &Tensor, time: f64) -> Result<Tensor, Halt> {
        let sigma = (-time).exp();
        let denoised = self.denoiser.denoise(x, sigma)?;
        if self.is_adaptive {
            // A step that is made anew begins where it began.
            let share = (time - self.from) / (self.to - self.from);
            self.index = self.index.max((self.count as f64 * share) as usize);
        }
        let step = Step { index: self.index.min(self.count - 1), sigma, x, denoised: &denoised };
        self.index += usize::from(!self.is_adaptive);
        match (self.on_step)(step) {
            Break(stop) => Err(Halt::Stopped(stop)),
            Continue(()) => Ok(((x - denoised)? / sigma)?),
        }
    }

    /// A step of first, second or third order, with its first inner point at `inner` of its length. The slopes in `asked` are those that another
    /// order asked for on the same way.
    fn step(
        &mut self,
        x: &Tensor,
        way: &Way,
        order: usize,
        inner: f64,
        asked: &mut Vec<Tensor>,
    ) -> Result<Tensor, Halt> {
        let length = way.down - way.from;
        // To a share of the way along the first slope, and how much bending by the second counts there.
        let sigma_at = |share: f64| (-(way.from + share * length)).exp();
        let grown = |share: f64| (share * length).exp_m1();
        if asked.is_empty() {
            asked.push(self.slope(x, way.from)?);
        }
        let along = |share: f64, slope: &Tensor| x - (slope * (sigma_at(share) * grown(share)))?;
        if order == 1 {
            return Ok(along(1.0, &asked[0])?);
        }
        if asked.len() == 1 {
            let there = along(inner, &asked[0])?;
            asked.push(self.slope(&there, way.from + inner * length)?);
        }
        if order == 2 {
            let half = 1.0 / (2.0 * inner);
            return Ok(along(1.0, &mixed(1.0 - half, &asked[0], half, &asked[1])?)?);
        }
        let bent = |share: f64, by: f64, slope: &Tensor| {
            let weight = sigma_at(share) * by * (grown(share) / (share * length) - 1.0);
            along(share, &asked[0])? - ((slope - &asked[0])? * weight)?
        };
        let outer = 2.0 * inner;
        let there = bent(outer, 2.0, &asked[1])?;
        let last = self.slope(&there, way.from + outer * length)?;
        Ok(bent(1.0, 1.0 / outer, &last)?)
    }
}

/// Why a walk ends early.
enum Halt {
    Stopped(Stop),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn ended(outcome: Result<Tensor, Halt>) -> Result<ControlFlow<Stop, Tensor>, Error> {
    match outcome {
        Ok(x) => Ok(Continue(x)),
        Err(Halt::Stopped(stop)) => Ok(Break(stop)),
        Err(Halt::Failed(error)) => Err(error),
    }
}
