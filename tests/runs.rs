//! Stable Diffusion 1 and 2, and one distilled to consistency: what they paint, step by step, is what diffusers paints. The numbers come from
//! `tests/fixtures/generate_runs.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;
#[path = "shared/runs.rs"]
#[allow(dead_code, reason = "nothing starts from a picture here")]
mod runs;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::Device;
use runs::{apart, load, painted, request};
use sfumato::checkpoints::Prediction;
use sfumato::diffusion::{Program, Reproduce, Request, SamplerName, ScheduleName};
use tiny_checkpoint::{Tiny, fixtures};

#[test]
fn each_step_is_diffusers() {
    let home = tempfile::tempdir().unwrap();
    let expected = candle_core::safetensors::load(fixtures().join("runs.safetensors"), &Device::Cpu).unwrap();
    let plain = request("blurry", None);
    let (sampler, schedule) = (SamplerName::Lcm, ScheduleName::Automatic);
    let consistent = Request { sampler, schedule, ..plain.clone() };
    let of_v = Request { prediction: Some(Prediction::VPrediction), ..plain.clone() };
    let (sampler, schedule) = (SamplerName::Ddim, ScheduleName::DdimUniform);
    let walked = Request { sampler, schedule, ..plain.clone() };
    let cases =
        [("sd1", "sd1", plain), ("sd2_v", "sd2", of_v), ("lcm", "sd1", consistent), ("sd1_ddim", "sd1", walked)];
    for (key, tiny, request) in cases {
        let model = load(&Tiny::read(tiny).write_file(home.path(), "tiny.safetensors"));
        let off = apart(&painted(&model, &request).0, &expected[key], 14.6146);
        parity::within("latents of each step", key, "diffusers", off, 1e-4);
    }
}

/// Its weight is the guidance scale by 12.5, of one step all that there is; of more the noise that is left is what the negative prompt sees.
#[test]
fn cfg_plus_plus_follows_the_prompt_within_what_the_negative_one_leaves() {
    let home = tempfile::tempdir().unwrap();
    let model = load(&Tiny::read("sd1").write_file(home.path(), "tiny.safetensors"));
    // Whose schedules end at no noise.
    let reproduce = Reproduce::usual(Program::ComfyUi);
    let latent = |sampler, guidance_scale, steps, negative: &str| {
        let request = Request { sampler, guidance_scale, steps, reproduce, ..request(negative, None) };
        let latents = painted(&model, &request).0;
        latents.narrow(0, latents.dim(0).unwrap() - 1, 1).unwrap()
    };
    let (plain, plus) = (SamplerName::Ddim, SamplerName::DdimCfgPp);
    assert!(apart(&latent(plus, 6.25, 1, "blurry"), &latent(plain, 0.5, 1, "blurry"), 0.0) < 1e-5);
    assert!(apart(&latent(plus, 6.25, 3, "blurry"), &latent(plain, 0.5, 3, "blurry"), 0.0) > 1e-3);
    // Where both prompts are one, so are the two samplers.
    let prompt = request("", None).prompt;
    assert!(apart(&latent(plus, 12.5, 3, &prompt), &latent(plain, 3.0, 3, &prompt), 0.0) < 1e-4);
}
