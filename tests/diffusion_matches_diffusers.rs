//! Noise, schedules, samplers and whole runs against torch, k-diffusion and diffusers. The numbers are written by
//! `tests/fixtures/generate_diffusion.py`, which says where each comes from.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use candle_core::{Device, Tensor};
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{
    Denoiser, Ending, Error, Extras, Input, Noise, Progress, Request, SamplerName, Savings, ScheduleName, Step, Stop,
    TrainingSigmas, paint, sampler, sigmas,
};
use sfumato::geom::Extent;
use sfumato::pixels::{Mask, Picture};
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow::{self, Break, Continue};
use std::path::PathBuf;
use std::sync::Arc;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference between two lists of the same length.
fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max)
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, v| most.max(v.abs()))
}

#[test]
fn each_call_of_one_generator_equals_torch() {
    let expected = candle_core::safetensors::load(fixture("diffusion_noise.safetensors"), &Device::Cpu).unwrap();
    for seed in [7, (1 << 40) + 5] {
        let mut noise = Noise::new(seed);
        for (call, shape) in [&[1, 8, 16, 16][..], &[1, 8, 16, 16], &[5], &[20], &[3]].into_iter().enumerate() {
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
        let found = sigmas(ScheduleName::from_name(&expected.name).unwrap(), &stable_diffusion(), 10);
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
        let Continue(found) = outcome else { panic!("nobody stopped it") };
        let off = largest_difference(&values(&found), &expected.result) / largest(&expected.result);
        assert!(off < 1e-5, "{} on {} is {off:e} off {}", expected.sampler, expected.schedule, expected.source);
        assert_eq!(seen, visited[..10].iter().copied().enumerate().collect::<Vec<_>>(), "{}", expected.sampler);
    }
}

#[test]
fn every_sampler_stops_at_the_step_it_is_told_to() {
    let visited = sigmas(ScheduleName::Karras, &stable_diffusion(), 10);
    for &name in SamplerName::ALL {
        let mut steps = 0;
        let outcome = run(name, &visited, &[1, 2, 3, 4], 1, &mut |step| {
            steps += 1;
            if step.index == 3 { Break(Stop::Keep) } else { Continue(()) }
        });
        assert_eq!(outcome.break_value(), Some(Stop::Keep));
        assert_eq!(steps, 4, "{}", name.label());
    }
}

/// Counts its calls.
struct Counting(Cell<usize>);

impl Denoiser for Counting {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Result<Tensor, Error> {
        self.0.set(self.0.get() + 1);
        ClosedForm.denoise(x, sigma)
    }
}

#[test]
fn a_stop_asked_for_during_any_call_of_the_network_lets_at_most_one_more_begin() {
    let visited = sigmas(ScheduleName::Karras, &stable_diffusion(), 5);
    let x = Noise::new(1).tensor(&[1, 1, 4, 4], &Device::Cpu).unwrap();
    for &name in SamplerName::ALL {
        for asked_during in 1..=5 {
            let calls = Counting(Cell::new(0));
            let mut on_step = |_: Step<'_>| {
                if calls.0.get() >= asked_during { Break(Stop::Discard) } else { Continue(()) }
            };
            let outcome = sampler(name)(&calls, x.clone(), &visited, &mut || Ok(x.clone()), &mut on_step).unwrap();
            assert!(outcome.is_break());
            assert!(calls.0.get() <= asked_during + 1, "{}, asked during call {asked_during}", name.label());
        }
    }
}

/// Bozzetto in the source tree.
fn bozzetto() -> Model {
    Model::load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto"), &Device::Cpu, Precision::F32)
        .unwrap()
}

/// What the fixtures ask of Bozzetto.
fn request() -> Request {
    Request {
        model: "bozzetto".to_owned(),
        prompt: "a red apple".to_owned(),
        negative_prompt: "blue".to_owned(),
        extent: Extent::new(128, 128),
        seed: 7,
        sampler: SamplerName::Ddim,
        schedule: ScheduleName::Simple,
        steps: 20,
        guidance_scale: 3.5,
        precision: Precision::F32,
        savings: Savings::default(),
        prediction: None,
        clip_skip: 1,
        input: None,
        control: None,
        upscale: None,
    }
}

/// What the weights' numbers are held to. They change with the weights.
fn bozzetto_fixture() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture("diffusion_bozzetto.safetensors"), &Device::Cpu).unwrap()
}

const REGENERATE: &str =
    "if the weights were replaced, run tests/fixtures/generate_diffusion.py --model assets/models/bozzetto";

fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f32, what: &str) {
    let off = largest_difference(&values(found), &values(expected));
    assert!(off < tolerance, "{what}: {off:e} off; {REGENERATE}");
}

#[test]
fn bozzettos_whole_run_equals_stable_diffusion_pipeline() {
    let (model, expected) = (bozzetto(), bozzetto_fixture());
    let training = TrainingSigmas::from_alphas_cumprod(&model.training.alphas_cumprod);
    let mut steps = 0;
    let ending = paint(&model, Extras::default(), &request(), &mut |progress| {
        match progress {
            Progress::Phase(_) | Progress::Piece { .. } => {}
            Progress::Start { conditioning, noise } => {
                assert_close(noise, &expected["noise"], 1e-6, "noise");
                assert_close(conditioning, &expected["conditioning"], 1e-3, "conditioning");
            }
            Progress::Step { index, count, sigma, x, denoised } => {
                assert_eq!((index, count), (steps, 20));
                steps += 1;
                let named = |name: &str| &expected[&format!("step_{index:03}_{name}")];
                assert!((training.sigma_to_timestep(sigma) - f64::from(values(named("timestep"))[0])).abs() < 1e-6);
                let scaled = (x / (1.0 + sigma * sigma).sqrt()).unwrap();
                assert_close(&scaled, named("scaled_x"), 1e-3, &format!("x of step {index}"));
                // Guided estimates of the first steps reach 17, and the network is steep there: rounding is relative.
                let largest = values(named("denoised")).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                assert_close(denoised, named("denoised"), 2e-4 * largest, &format!("denoised of step {index}"));
            }
            Progress::Latent(latent) => assert_close(latent, &expected["latent"], 1e-3, "latent"),
        }
        Continue(())
    });
    let Ending::Finished(painted) = ending.unwrap() else { panic!("nobody stopped it") };
    assert_eq!((steps, painted.steps_made), (20, 20));
    let image: Vec<u8> = expected["image"].flatten_all().unwrap().to_vec1().unwrap();
    let found = painted.picture.rgba().chunks_exact(4).flat_map(|pixel| &pixel[..3]);
    let off = found.zip(&image).map(|(f, e)| f.abs_diff(*e)).max().unwrap();
    assert!(off <= 1, "the image is {off} of 255 off; {REGENERATE}");
}

/// 128 by 128; the fixtures' script makes the same one.
fn test_picture() -> Picture {
    let rgba = (0..128_u8).flat_map(|y| (0..128_u8).flat_map(move |x| [2 * x, 2 * y, 255 - x - y, 255])).collect();
    Picture::from_rgba(Extent::new(128, 128), rgba).unwrap()
}

/// The finished latent of a run.
fn latent_of(model: &Model, request: &Request) -> Tensor {
    let mut latent = None;
    paint(model, Extras::default(), request, &mut |progress| {
        if let Progress::Latent(finished) = progress {
            latent = Some(finished.clone());
        }
        Continue(())
    })
    .unwrap();
    latent.unwrap()
}

#[test]
fn painting_from_a_picture_equals_diffusers() {
    let (model, expected) = (bozzetto(), bozzetto_fixture());
    let input = Input::new(Arc::new(test_picture()), 0.6, None);
    let latent = latent_of(&model, &Request { input: Some(input), ..request() });
    assert_close(&latent, &expected["img2img_latent"], 1e-3, "latent");
}

#[test]
fn repainting_inside_a_mask_equals_a_loop_over_diffusers_parts() {
    let (model, expected) = (bozzetto(), bozzetto_fixture());
    let inside = |x: usize, y: usize| (32..64).contains(&y) && x >= 32;
    let coverage = (0..128 * 128).map(|i| if inside(i % 128, i / 128) { 255 } else { 0 }).collect();
    let mask = Mask::from_coverage(Extent::new(128, 128), coverage).unwrap();
    let input = Input::new(Arc::new(test_picture()), 0.75, Some(Arc::new(mask)));
    let latent = latent_of(&model, &Request { input: Some(input), ..request() });
    assert_close(&latent, &expected["inpainted_latent"], 1e-3, "latent");
}
