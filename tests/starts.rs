//! What runs start from when they follow another program: the first noise, and a picture under noise. The numbers come from
//! `tests/fixtures/generate_starts.py`, which says by whose formulas.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;
#[path = "shared/runs.rs"]
mod runs;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::{Device, Tensor};
use runs::{a_picture, apart, load, painted, request};
use sfumato::checkpoints::Model;
use sfumato::diffusion::{
    Extras, Input, Program, Progress, Reproduce, Request, SamplerName, ScheduleName, Stop, paint,
};
use std::collections::HashMap;
use std::ops::ControlFlow::{Break, Continue};
use tiny_checkpoint::{Tiny, fixtures};

/// What the first call of the network is made from, at which noise, and how many steps there are.
fn start(model: &Model, request: &Request) -> (Tensor, f64, usize) {
    let mut found = None;
    let ending = paint(model, Extras::default(), request, &mut |progress| match progress {
        Progress::Step { index: 0, count, sigma, x, .. } => {
            found = Some((x.clone(), sigma, count as usize));
            Break(Stop::Discard)
        }
        _ => Continue(()),
    });
    ending.unwrap();
    found.unwrap()
}

#[test]
fn runs_start_as_in_the_program_that_they_follow() {
    let home = tempfile::tempdir().unwrap();
    let model = load(&Tiny::read("sd1").write_file(home.path(), "tiny.safetensors"));
    let expected = candle_core::safetensors::load(fixtures().join("starts.safetensors"), &Device::Cpu).unwrap();
    let steps = std::fs::read_to_string(fixtures().join("starts.json")).unwrap();
    let steps: HashMap<String, usize> = serde_json::from_str(&steps).unwrap();
    let (a1111, comfy) = (Reproduce::usual(Program::A1111), Reproduce::usual(Program::ComfyUi));
    let exact = Reproduce { exact_steps: true, ..a1111 };
    let cases = [
        ("a1111, noise", a1111, None),
        ("a1111, sgm noise", Reproduce { sgm_noise: true, ..a1111 }, None),
        ("a1111, picture, 0.75", a1111, Some(0.75)),
        ("a1111, picture, 0.4", a1111, Some(0.4)),
        ("a1111, picture, 0.4, exactly", exact, Some(0.4)),
        ("a1111, ddim, noise", a1111, None),
        ("a1111, ddim, picture, 0.75", a1111, Some(0.75)),
        ("comfyui, noise", comfy, None),
        ("comfyui, picture, 1", comfy, Some(1.0)),
        ("comfyui, picture, 0.75", comfy, Some(0.75)),
        ("comfyui, picture, 0.4", comfy, Some(0.4)),
    ];
    assert_eq!(cases.len(), expected.len());
    for (name, reproduce, strength) in cases {
        let (sampler, schedule) = if name.contains("ddim") {
            (SamplerName::Ddim, ScheduleName::DdimUniform)
        } else {
            (SamplerName::Euler, ScheduleName::Karras)
        };
        let input = strength.map(|strength| Input::new(a_picture(), strength, None));
        let request = Request { seed: 7, steps: 20, sampler, schedule, reproduce, ..request("", input) };
        let (x, sigma, count) = start(&model, &request);
        assert_eq!(count, steps[name], "{name}");
        parity::within(
            "what a run starts from",
            name,
            "A1111's and ComfyUI's formulas",
            apart(&x, &expected[name], sigma),
            1e-5,
        );
    }
}

#[test]
fn words_that_change_are_counted_in_all_steps_where_a1111_is_followed() {
    let home = tempfile::tempdir().unwrap();
    let model = load(&Tiny::read("sd1").write_file(home.path(), "tiny.safetensors"));
    let picture = |when: &str, program| {
        let prompt = format!("[a red apple:a green hill:{when}]");
        let input = Some(Input::new(a_picture(), 0.5, None));
        let reproduce = Reproduce { program, ..Reproduce::default() };
        painted(&model, &Request { prompt, steps: 8, reproduce, ..request("", input) }).1.picture
    };
    // Five of eight steps run there, and four here.
    assert_eq!(picture("0.5", Program::A1111), picture("4", Program::A1111));
    assert_ne!(picture("0.5", Program::A1111), picture("2", Program::A1111));
    assert_eq!(picture("0.5", Program::Diffusers), picture("2", Program::Diffusers));
}
