//! Noise, schedules, samplers and whole runs against torch, k-diffusion and diffusers. The numbers are written by
//! tests/fixtures/generate_diffusion.py, which says where each comes from.

use candle_core::{Device, Tensor};
use sfumato::diffusion::{
    Denoiser, Error, Noise, SamplerName, ScheduleName, Step, Stop, TrainingSigmas, sampler, sigmas,
};
use std::collections::HashMap;
use std::ops::ControlFlow::{self, Break, Continue};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference between two lists of the same length.
fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f - e).abs())
        .fold(0.0, f32::max)
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, v| most.max(v.abs()))
}

#[test]
fn each_call_of_one_generator_equals_torch() {
    let expected = candle_core::safetensors::load(fixture("diffusion_noise.safetensors"), &Device::Cpu).unwrap();
    for seed in [7, (1 << 40) + 5] {
        let mut noise = Noise::new(seed);
        for (call, shape) in [&[1, 8, 16, 16][..], &[1, 8, 16, 16], &[5], &[20], &[3]]
            .into_iter()
            .enumerate()
        {
            let found = values(&noise.tensor(shape, &Device::Cpu).unwrap());
            let off = largest_difference(&found, &values(&expected[&format!("seed_{seed}_call_{call}")]));
            assert!(off < 1e-6, "seed {seed}, call {call}: {off:e} off");
        }
    }
}

#[derive(serde::Deserialize)]
struct SamplersFixture {
    seed: u64,
    shape: Vec<usize>,
    schedules: Vec<ScheduleFixture>,
    runs: Vec<RunFixture>,
}

#[derive(serde::Deserialize)]
struct ScheduleFixture {
    name: String,
    sigmas: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct RunFixture {
    sampler: String,
    schedule: String,
    source: String,
    result: Vec<f32>,
}

fn samplers_fixture() -> SamplersFixture {
    serde_json::from_slice(&std::fs::read(fixture("diffusion_samplers.json")).unwrap()).unwrap()
}

/// Stable Diffusion's: betas even in their square roots from 0.00085 to 0.012.
fn stable_diffusion() -> TrainingSigmas {
    let (first, last) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
    let mut product = 1.0;
    let alphas = (0..1000).map(|t| {
        product *= 1.0 - (first + (last - first) * f64::from(t) / 999.0).powi(2);
        product
    });
    TrainingSigmas::from_alphas_cumprod(&alphas.collect::<Vec<_>>())
}

#[test]
fn every_schedule_equals_its_source() {
    let fixture = samplers_fixture();
    assert_eq!(fixture.schedules.len(), ScheduleName::ALL.len());
    for expected in fixture.schedules {
        let found = sigmas(
            ScheduleName::from_name(&expected.name).unwrap(),
            &stable_diffusion(),
            10,
        );
        assert_eq!(found.len(), expected.sigmas.len(), "{}", expected.name);
        for (f, e) in found.iter().zip(&expected.sigmas) {
            // k-diffusion takes fractional timesteps in single precision.
            assert!((f - e).abs() <= 1e-6 * e, "{}: {f} is not {e}", expected.name);
        }
    }
}

/// The denoiser in closed form of the fixtures.
struct ClosedForm;

impl Denoiser for ClosedForm {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        let pattern = (0..x.elem_count()).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
        let pattern = (Tensor::from_vec(pattern, x.shape(), x.device())? * (sigma * sigma))?;
        let mean = ((x + pattern)? / (1.0 + sigma * sigma))?;
        Ok((mean + (x.tanh()? * (0.2 * sigma / (1.0 + sigma)))?)?)
    }
}

/// A run on the denoiser in closed form from seeded noise, and how many times the noise was drawn.
fn run(
    name: SamplerName,
    visited: &[f64],
    shape: &[usize],
    seed: u64,
    on_step: &mut dyn FnMut(Step<'_>) -> ControlFlow<Stop>,
) -> ControlFlow<Stop, Tensor> {
    let mut noise = Noise::new(seed);
    let first = noise.tensor(shape, &Device::Cpu).unwrap();
    let x = (first * (1.0 + visited[0] * visited[0]).sqrt()).unwrap();
    let mut draw = || Ok(noise.tensor(shape, &Device::Cpu)?);
    sampler(name)(&ClosedForm, x, visited, &mut draw, on_step).unwrap()
}

#[test]
fn every_sampler_on_every_schedule_equals_its_source() {
    let fixture = samplers_fixture();
    let sigmas: HashMap<_, _> = fixture.schedules.iter().map(|s| (s.name.as_str(), &s.sigmas)).collect();
    assert_eq!(fixture.runs.len(), SamplerName::ALL.len() * ScheduleName::ALL.len());
    for expected in &fixture.runs {
        let name = SamplerName::from_name(&expected.sampler).unwrap();
        let visited = sigmas[expected.schedule.as_str()];
        let mut seen = Vec::new();
        let outcome = run(name, visited, &fixture.shape, fixture.seed, &mut |step| {
            seen.push((step.index, step.sigma));
            Continue(())
        });
        let Continue(found) = outcome else {
            panic!("nobody stopped it")
        };
        let off = largest_difference(&values(&found), &expected.result) / largest(&expected.result);
        assert!(
            off < 1e-5,
            "{} on {} is {off:e} off {}",
            expected.sampler,
            expected.schedule,
            expected.source
        );
        assert_eq!(
            seen,
            visited[..10].iter().copied().enumerate().collect::<Vec<_>>(),
            "{}",
            expected.sampler
        );
    }
}

#[test]
fn every_sampler_stops_at_the_step_it_is_told_to() {
    let visited = sigmas(ScheduleName::Karras, &stable_diffusion(), 10);
    for &name in SamplerName::ALL {
        let mut steps = 0;
        let outcome = run(name, &visited, &[1, 2, 3, 4], 1, &mut |step| {
            steps += 1;
            if step.index == 3 {
                Break(Stop::Keep)
            } else {
                Continue(())
            }
        });
        assert_eq!(outcome.break_value(), Some(Stop::Keep));
        assert_eq!(steps, 4, "{}", name.label());
    }
}
