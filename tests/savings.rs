//! Runs that leave calls out, against the same runs written down call by call. Painted with Bozzetto.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use candle_core::{Device, Tensor};
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{
    Borrowed, Emphasis, Ending, Extras, Invalid, Prediction, Progress, Reproduce, Request, SamplerName, Savings,
    ScheduleName, TrainingSigmas, Tuning, paint, sigmas,
};
use sfumato::geom::Extent;
use std::ops::ControlFlow::Continue;
use std::path::Path;

const OFF: Savings =
    Savings { guidance_start: 0.0, guidance_end: 1.0, negative_min_sigma: 0.0, deep_every: 1, merge_tokens: 0.0 };

fn bozzetto() -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    Model::load(&folder, &Device::Cpu, Precision::F32).unwrap()
}

fn request(savings: Savings) -> Request {
    Request {
        model: "bozzetto".to_owned(),
        borrowed: Borrowed::default(),
        prompt: "a red apple".to_owned(),
        negative_prompt: "blue".to_owned(),
        extent: Extent::new(64, 64),
        seed: 3,
        sampler: SamplerName::Ddim,
        schedule: ScheduleName::Simple,
        steps: 6,
        guidance_scale: 3.5,
        precision: Precision::F32,
        savings,
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

/// What a run starts with, and what its sampler leaves.
struct Ran {
    conditioning: Tensor,
    noise: Tensor,
    latent: Tensor,
}

fn run(model: &Model, request: &Request) -> Ran {
    let (mut start, mut end) = (None, None);
    let ending = paint(model, Extras::default(), &request.clone().checked().unwrap(), &mut |progress| {
        match progress {
            Progress::Start { conditioning, noise } => start = Some((conditioning.clone(), noise.clone())),
            Progress::Latent(latent) => end = Some(latent.clone()),
            _ => {}
        }
        Continue(())
    });
    assert!(matches!(ending.unwrap(), Ending::Finished(_)));
    let (conditioning, noise) = start.unwrap();
    Ran { conditioning, noise, latent: end.unwrap() }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn apart(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

/// DDIM by hand: in each step two calls of one item each, or one where `guides` says no, all of it or, where `looks_deep` says no,
/// the last layer alone.
fn by_hand(
    model: &Model,
    ran: &Ran,
    guides: impl Fn(usize, f64) -> bool,
    looks_deep: impl Fn(usize) -> bool,
) -> Tensor {
    let training = TrainingSigmas::from_alphas_cumprod(&model.training.alphas_cumprod);
    let sigmas = sigmas(ScheduleName::Simple, &training, 6);
    let words =
        [0, 1].map(|item| model.unet.get().unwrap().prepare(&ran.conditioning.narrow(0, item, 1).unwrap()).unwrap());
    let mut x = (&ran.noise * (1.0 + sigmas[0] * sigmas[0]).sqrt()).unwrap();
    let mut deep = [None, None];
    for (step, pair) in sigmas.windows(2).enumerate() {
        let (sigma, next) = (pair[0], pair[1]);
        let mut estimate = |item: usize| {
            let input = (&x / (sigma * sigma + 1.0).sqrt()).unwrap();
            if looks_deep(step) {
                deep[item] = None;
            }
            let (timestep, deep) = (training.sigma_to_timestep(sigma), &mut deep[item]);
            let predicted =
                model.unet.get().unwrap().forward_reusing(&input, timestep, &words[item], None, deep).unwrap();
            let (skip, out) = match model.prediction {
                Prediction::Epsilon => (1.0, -sigma),
                Prediction::VPrediction => (1.0 / (sigma * sigma + 1.0), -sigma / (sigma * sigma + 1.0).sqrt()),
                Prediction::Sample => (0.0, 1.0),
            };
            ((&x * skip).unwrap() + (predicted * out).unwrap()).unwrap()
        };
        let mut denoised = estimate(1);
        if guides(step, sigma) {
            let negative = estimate(0);
            denoised = (&negative + ((denoised - &negative).unwrap() * 3.5).unwrap()).unwrap();
        }
        x = ((&x * (next / sigma)).unwrap() + (denoised * (1.0 - next / sigma)).unwrap()).unwrap();
    }
    x
}

#[test]
fn a_run_with_savings_is_the_one_written_down() {
    let model = bozzetto();
    let training = TrainingSigmas::from_alphas_cumprod(&model.training.alphas_cumprod);
    let middle = sigmas(ScheduleName::Simple, &training, 6)[3];
    let whole = run(&model, &request(OFF));
    let same = |savings: Savings, guides: &dyn Fn(usize, f64) -> bool, looks_deep: &dyn Fn(usize) -> bool| {
        let ran = run(&model, &request(savings));
        let expected = by_hand(&model, &ran, guides, looks_deep);
        assert!(apart(&ran.latent, &expected) < 1e-4, "{savings:?}: {}", apart(&ran.latent, &expected));
        if savings != OFF {
            assert!(apart(&ran.latent, &whole.latent) > 1e-2, "{savings:?} changes as good as nothing");
        }
    };
    same(OFF, &|_, _| true, &|_| true);
    same(Savings { guidance_start: 0.2, guidance_end: 0.7, ..OFF }, &|step, _| (2..4).contains(&step), &|_| true);
    same(Savings { negative_min_sigma: middle, ..OFF }, &|step, _| step <= 3, &|_| true);
    same(Savings { deep_every: 3, ..OFF }, &|_, _| true, &|step| step.is_multiple_of(3));
    // The first step without guidance takes over from one with it; guidance that comes back looks deep.
    let mixed = Savings { guidance_end: 0.5, deep_every: 2, ..OFF };
    same(mixed, &|step, _| step < 3, &|step| step.is_multiple_of(2));
    let late = Savings { guidance_start: 0.5, deep_every: 2, ..OFF };
    same(late, &|step, _| step >= 3, &|step| step.is_multiple_of(2) || step == 3);
}

#[test]
fn without_any_guided_step_the_picture_is_that_of_guidance_one() {
    let model = bozzetto();
    let unguided = run(&model, &Request { guidance_scale: 1.0, ..request(OFF) });
    for savings in [Savings { guidance_end: 0.0, ..OFF }, Savings { guidance_start: 1.0, ..OFF }] {
        let ran = run(&model, &request(savings));
        assert_eq!(bits(&ran.latent), bits(&unguided.latent), "{savings:?}");
    }
}

#[test]
fn savings_go_with_prompts_that_change_and_with_every_sampler() {
    let model = bozzetto();
    for &sampler in SamplerName::ALL {
        let savings = Savings {
            guidance_start: 0.3,
            guidance_end: 0.9,
            negative_min_sigma: 0.1,
            deep_every: 2,
            merge_tokens: 0.5,
        };
        let changing = Request { prompt: "a red [apple|car]".to_owned(), sampler, ..request(savings) };
        run(&model, &changing);
    }
    // Each of two prompts in turn has every other step: there is nothing as young as a step to take over.
    let of = |savings| run(&model, &Request { prompt: "a red [apple|car]".to_owned(), ..request(savings) });
    assert_eq!(bits(&of(Savings { deep_every: 2, ..OFF }).latent), bits(&of(OFF).latent));
    assert_ne!(bits(&of(Savings { deep_every: 3, ..OFF }).latent), bits(&of(OFF).latent));
}

#[test]
fn savings_out_of_range_are_refused_in_a_sentence() {
    for (savings, expected) in [
        (Savings { guidance_start: 0.8, guidance_end: 0.2, ..OFF }, Invalid::GuidanceSteps(0.8, 0.2)),
        (Savings { guidance_end: 1.5, ..OFF }, Invalid::GuidanceSteps(0.0, 1.5)),
        (Savings { negative_min_sigma: -1.0, ..OFF }, Invalid::GuidanceSigma(-1.0)),
        (Savings { deep_every: 0, ..OFF }, Invalid::DeepEvery(0)),
        (Savings { merge_tokens: 0.8, ..OFF }, Invalid::MergeTokens(0.8)),
        (Savings { deep_every: 21, ..OFF }, Invalid::DeepEvery(21)),
    ] {
        let found = request(savings).checked().unwrap_err();
        assert_eq!(found, expected);
        assert!(found.to_string().contains("choose"), "{found}");
    }
    let nan = request(Savings { negative_min_sigma: f64::NAN, ..OFF }).checked().unwrap_err();
    assert!(nan.to_string().contains("NaN"), "{nan}");
}
