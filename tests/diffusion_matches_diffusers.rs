//! Noise, schedules, samplers and whole runs against torch, k-diffusion and diffusers. The numbers are written by
//! `tests/fixtures/generate_diffusion.py`, which says where each comes from.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod shared;

use candle_core::{Device, Tensor};
use sfumato::checkpoints::{Model, Precision, Prediction};
use sfumato::diffusion::{
    Borrowed, Denoiser, Emphasis, Ending, Error, Extras, Guided, Input, Noise, Progress, Reproduce, Request, Rescale,
    SamplerName, Savings, ScheduleName, Step, Stop, TrainingSigmas, Tuning, Walk, paint, sample, sigmas,
};
use sfumato::geom::Extent;
use sfumato::pixels::{Mask, Picture};
use shared::parity::within;
use shared::sampling::{ClosedForm, RunCase, SamplersFixture, run_in_closed_form, samplers_fixture, stable_diffusion};
use shared::{fixture, largest, largest_difference, values};
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::sync::Arc;

#[test]
fn each_call_of_one_generator_equals_torch() {
    let expected = candle_core::safetensors::load(fixture("diffusion_noise.safetensors"), &Device::Cpu).unwrap();
    for seed in [7, (1 << 40) + 5] {
        let mut noise = Noise::new(seed);
        for (call, shape) in [&[1, 8, 16, 16][..], &[1, 8, 16, 16], &[5], &[20], &[3]].into_iter().enumerate() {
            let found = values(&noise.tensor(shape, &Device::Cpu).unwrap());
            let off = largest_difference(&found, &values(&expected[&format!("seed_{seed}_call_{call}")]));
            let case = format!("seed {seed}, call {call}");
            within("noise", &case, "torch.randn on the CPU", f64::from(off), 1e-6);
        }
    }
}

#[test]
fn every_schedule_equals_its_source() {
    let fixture = samplers_fixture();
    for &name in ScheduleName::ALL {
        assert!(fixture.schedules.iter().any(|case| case.name == name.key()), "{}", name.label());
    }
    for case in fixture.schedules {
        within("schedule, relative", &case.name, "k-diffusion, ComfyUI, diffusers", case.off(), 1e-6);
    }
}

/// Whether it chooses its sigmas itself.
fn is_free(name: SamplerName) -> bool {
    matches!(name, SamplerName::DpmFast | SamplerName::DpmAdaptive | SamplerName::Restart)
}

#[test]
fn every_sampler_on_every_schedule_and_however_turned_equals_its_source() {
    let fixture = samplers_fixture();
    for &sampler in SamplerName::ALL {
        for &schedule in ScheduleName::ALL.iter().filter(|name| **name != ScheduleName::Automatic) {
            let is_it = |case: &RunCase| case.name() == sampler && case.schedule == schedule.key();
            assert!(fixture.runs.iter().any(is_it), "{} on {}", sampler.label(), schedule.label());
        }
        let turned = fixture.runs.iter().any(|case| case.name() == sampler && case.tuning != Tuning::default());
        assert!(turned || (sampler.usual_eta().is_none() && !sampler.churns()), "{}", sampler.label());
    }
    for case in &fixture.runs {
        let mut seen = Vec::new();
        let off = case.off(&fixture, &mut |step| {
            seen.push((step.index, step.sigma));
            Continue(())
        });
        let what = format!("{} on {} in {} steps, {:?}", case.sampler, case.schedule, case.steps, case.tuning);
        within("sampler, in closed form", &case.sampler, &case.source, f64::from(off), 1e-5);
        let visited = case.visited();
        if is_free(case.name()) {
            assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{what}");
            assert!(seen.iter().all(|(index, _)| *index < case.steps), "{what}");
        } else {
            assert_eq!(seen, visited[..case.steps].iter().copied().enumerate().collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn rescaled_guidance_equals_diffusers() {
    struct Both(Tensor);
    impl Denoiser for Both {
        fn denoise(&self, _: &Tensor, _: f64) -> Result<Tensor, Error> {
            Ok(self.0.clone())
        }
    }
    let SamplersFixture { shape, rescale, .. } = samplers_fixture();
    let tensor = |values: &[f32]| Tensor::from_slice(values, &shape[..], &Device::Cpu).unwrap();
    for case in rescale.cases {
        let both = Tensor::cat(&[tensor(&case.negative), tensor(&case.positive)], 0).unwrap();
        let of = Prediction::from_name(&case.prediction).unwrap();
        let how = Rescale { share: rescale.share, of };
        let guided = Guided {
            inner: Both(both),
            scale: rescale.scale,
            weights: vec![1.0],
            areas: vec![],
            picture: None,
            rescale: how,
            when: |_| true,
        };
        let found = guided.denoise(&tensor(&rescale.x), rescale.sigma).unwrap();
        let off = largest_difference(&values(&found), &case.result) / largest(&case.result);
        within("guidance rescale", &case.prediction, "diffusers", f64::from(off), 1e-6);
    }
}

#[test]
fn every_sampler_stops_at_the_step_it_is_told_to() {
    let visited = sigmas(ScheduleName::Karras, &stable_diffusion(), 10);
    for &name in SamplerName::ALL {
        let mut steps = 0;
        let run = (name, Tuning::default());
        let outcome = run_in_closed_form(run, &visited, &[1, 2, 3, 4], 1, &mut |_| {
            steps += 1;
            if steps == 4 { Break(Stop::Keep) } else { Continue(()) }
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
            let walk = Walk {
                denoiser: &calls,
                sigmas: &visited,
                training: &stable_diffusion(),
                ends_at: stable_diffusion().min(),
                tuning: Tuning::default(),
                draw: &mut || Ok(x.clone()),
                enter: &mut |_, _, _| Ok(None),
                on_step: &mut on_step,
            };
            assert!(sample(name, walk, x.clone()).unwrap().is_break());
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
        borrowed: Borrowed::default(),
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
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
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
    within("Bozzetto, a whole run", what, "diffusers", f64::from(off), f64::from(tolerance));
}

#[test]
fn bozzettos_whole_run_equals_stable_diffusion_pipeline() {
    let (model, expected) = (bozzetto(), bozzetto_fixture());
    let training = TrainingSigmas::from_alphas_cumprod(&model.training.alphas_cumprod);
    let mut steps = 0;
    let ending = paint(&model, Extras::default(), &request(), &mut |progress| {
        match progress {
            Progress::Phase(_) | Progress::Piece { .. } | Progress::Block => {}
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
                assert_close(&scaled, named("scaled_x"), 1e-3, "x of each step");
                // Guided estimates of the first steps reach 17, and the network is steep there: rounding is relative.
                let largest = values(named("denoised")).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                assert_close(denoised, named("denoised"), 2e-4 * largest, "estimate of each step");
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
    assert_close(&latent, &expected["img2img_latent"], 1e-3, "latent from a picture");
}

#[test]
fn repainting_inside_a_mask_equals_a_loop_over_diffusers_parts() {
    let (model, expected) = (bozzetto(), bozzetto_fixture());
    let inside = |x: usize, y: usize| (32..64).contains(&y) && x >= 32;
    let coverage = (0..128 * 128).map(|i| if inside(i % 128, i / 128) { 255 } else { 0 }).collect();
    let mask = Mask::from_coverage(Extent::new(128, 128), coverage).unwrap();
    let input = Input::new(Arc::new(test_picture()), 0.75, Some(Arc::new(mask)));
    let latent = latent_of(&model, &Request { input: Some(input), ..request() });
    assert_close(&latent, &expected["inpainted_latent"], 1e-3, "latent inside a mask");
}
