//! The fixtures of schedules and samplers, `tests/fixtures/diffusion_samplers.json`, and runs on the denoiser in closed form that
//! they were made with.

use super::{fixture, largest, largest_difference, values};
use candle_core::{Device, Tensor};
use sfumato::diffusion::{
    Denoiser, Error, Noise, SamplerName, ScheduleName, Step, Stop, TrainingSigmas, Tuning, Walk, sample, sigmas,
};
use std::ops::ControlFlow::{self, Continue};

#[derive(serde::Deserialize)]
pub(crate) struct SamplersFixture {
    pub(crate) seed: u64,
    pub(crate) shape: Vec<usize>,
    pub(crate) schedules: Vec<ScheduleCase>,
    pub(crate) rescale: RescaleFixture,
    pub(crate) runs: Vec<RunCase>,
}

/// A schedule's sigmas for a kind of model.
#[derive(serde::Deserialize)]
pub(crate) struct ScheduleCase {
    pub(crate) name: String,
    pub(crate) of: String,
    pub(crate) sigmas: Vec<f64>,
}

/// A sampler's result from the fixture's noise.
#[derive(serde::Deserialize)]
pub(crate) struct RunCase {
    pub(crate) sampler: String,
    pub(crate) schedule: String,
    pub(crate) steps: usize,
    pub(crate) tuning: Tuning,
    pub(crate) source: String,
    pub(crate) result: Vec<f32>,
}

#[derive(serde::Deserialize)]
pub(crate) struct RescaleFixture {
    pub(crate) sigma: f64,
    pub(crate) scale: f64,
    pub(crate) share: f64,
    pub(crate) x: Vec<f32>,
    pub(crate) cases: Vec<RescaleCase>,
}

#[derive(serde::Deserialize)]
pub(crate) struct RescaleCase {
    pub(crate) prediction: String,
    pub(crate) negative: Vec<f32>,
    pub(crate) positive: Vec<f32>,
    pub(crate) result: Vec<f32>,
}

pub(crate) fn samplers_fixture() -> SamplersFixture {
    serde_json::from_slice(&std::fs::read(fixture("diffusion_samplers.json")).unwrap()).unwrap()
}

/// Stable Diffusion's: betas even in their square roots from 0.00085 to 0.012.
pub(crate) fn stable_diffusion() -> TrainingSigmas {
    let (first, last) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
    let mut product = 1.0;
    let alphas = (0..1000).map(|t| {
        product *= 1.0 - (first + (last - first) * f64::from(t) / 999.0).powi(2);
        product
    });
    TrainingSigmas::from_alphas_cumprod(&alphas.collect::<Vec<_>>())
}

impl ScheduleCase {
    /// The largest difference from its source, as a share of the sigma. k-diffusion takes fractional timesteps in single precision.
    pub(crate) fn off(&self) -> f64 {
        let training = match self.of.as_str() {
            "xl" => stable_diffusion().of_xl(),
            "zero_terminal_snr" => stable_diffusion().with_zero_terminal_snr(),
            _ => stable_diffusion(),
        };
        let name = ScheduleName::from_name(&self.name).unwrap();
        let found = sigmas(name, &training, self.sigmas.len() as u32 - 1);
        assert_eq!(found.len(), self.sigmas.len(), "{}", self.name);
        let shares = found.iter().zip(&self.sigmas).map(|(f, e)| (f - e).abs() / e.max(f64::MIN_POSITIVE));
        shares.fold(0.0, f64::max)
    }
}

/// The denoiser in closed form of the fixtures.
pub(crate) struct ClosedForm;

impl Denoiser for ClosedForm {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        let pattern = (0..x.elem_count()).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
        let pattern = (Tensor::from_vec(pattern, x.shape(), x.device())? * (sigma * sigma))?;
        let mean = ((x + pattern)? / (1.0 + sigma * sigma))?;
        Ok((mean + (x.tanh()? * (0.2 * sigma / (1.0 + sigma)))?)?)
    }

    fn denoise_apart(&self, x: &Tensor, sigma: f64) -> Result<(Tensor, Tensor), Error> {
        let denoised = self.denoise(x, sigma)?;
        let negative = (&denoised - (x.tanh()? * 0.3)?)?;
        Ok((denoised, negative))
    }
}

/// A run on the denoiser in closed form from seeded noise.
pub(crate) fn run_in_closed_form(
    (name, tuning): (SamplerName, Tuning),
    visited: &[f64],
    shape: &[usize],
    seed: u64,
    on_step: &mut dyn FnMut(Step<'_>) -> ControlFlow<Stop>,
) -> ControlFlow<Stop, Tensor> {
    let mut noise = Noise::new(seed);
    let first = noise.tensor(shape, &Device::Cpu).unwrap();
    let x = (first * (1.0 + visited[0] * visited[0]).sqrt()).unwrap();
    let mut draw = || Ok(noise.tensor(shape, &Device::Cpu)?);
    let walk = Walk {
        denoiser: &ClosedForm,
        sigmas: visited,
        training: &stable_diffusion(),
        ends_at: stable_diffusion().min(),
        tuning,
        draw: &mut draw,
        enter: &mut |_, _, _| Ok(None),
        on_step,
    };
    sample(name, walk, x).unwrap()
}

impl RunCase {
    /// What it visits; the fixture's sigmas are ours, as [`ScheduleCase::off`] says.
    pub(crate) fn visited(&self) -> Vec<f64> {
        sigmas(ScheduleName::from_name(&self.schedule).unwrap(), &stable_diffusion(), self.steps as u32)
    }

    pub(crate) fn name(&self) -> SamplerName {
        SamplerName::from_name(&self.sampler).unwrap()
    }

    /// The largest difference from its source, as a share of the largest value.
    pub(crate) fn off(&self, fixture: &SamplersFixture, on_step: &mut dyn FnMut(Step<'_>) -> ControlFlow<Stop>) -> f32 {
        let run = (self.name(), self.tuning);
        let Continue(found) = run_in_closed_form(run, &self.visited(), &fixture.shape, fixture.seed, on_step) else {
            panic!("nobody stopped it")
        };
        largest_difference(&values(&found), &self.result) / largest(&self.result)
    }
}
