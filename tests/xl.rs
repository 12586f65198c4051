//! Stable Diffusion XL and its refiner: what they paint, step by step, is what diffusers paints. The numbers come from
//! `tests/fixtures/generate_xl.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;
#[path = "shared/runs.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod runs;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::{DType, Device, Tensor};
use runs::{a_picture, apart, load, painted, request};
use sfumato::checkpoints::{Format, Library, Model, Precision, Prediction};
use sfumato::diffusion::{Defaults, Input, Program, Reproduce, Request, SamplerName, ScheduleName};
use sfumato::geom::Extent;
use std::collections::HashMap;
use tiny_checkpoint::{Tiny, fixtures};

fn expected() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixtures().join("xl.safetensors"), &Device::Cpu).unwrap()
}

#[test]
fn each_step_of_xl_is_diffusers_from_a_folder_and_from_a_file() {
    let home = tempfile::tempdir().unwrap();
    let (tiny, expected) = (Tiny::read("xl"), expected());
    let folder = home.path().join("folder");
    tiny.write_folder(&folder, Prediction::Epsilon);
    let (of_folder, of_file) = (load(&folder), load(&tiny.write_file(home.path(), "tiny.safetensors")));
    assert_eq!(of_file.family.map(|family| family.key), Some("sdxl"));
    for (negative, key) in [("", "plain"), ("blurry", "negative")] {
        let request = request(negative, None);
        let (latents, picture) = painted(&of_folder, &request);
        let off = apart(&latents, &expected[key], 14.6146);
        parity::within("latents of each step", &format!("xl, {key}"), "diffusers", off, 1e-4);
        assert_eq!(painted(&of_file, &request).1.picture, picture.picture, "{key}");
    }
}

/// SSD-1B and KOALA, which are XL with blocks taken away.
#[test]
fn each_step_of_small_xl_is_diffusers_from_a_folder_and_from_a_file() {
    let (expected, request) = (expected(), request("", None));
    for name in ["ssd1b", "koala"] {
        let home = tempfile::tempdir().unwrap();
        let tiny = Tiny::read(name);
        let folder = home.path().join("folder");
        tiny.write_folder(&folder, Prediction::Epsilon);
        let (latents, picture) = painted(&load(&folder), &request);
        let off = apart(&latents, &expected[name], 14.6146);
        parity::within("latents of each step", name, "diffusers", off, 1e-4);
        let of_file = load(&tiny.write_file(home.path(), "tiny.safetensors"));
        assert_eq!(of_file.family.map(|family| family.key), Some("sdxl"));
        assert_eq!(painted(&of_file, &request).1.picture, picture.picture, "{name}");
    }
}

/// As `NoobAI` and its like are: a file says of itself that it was trained on v, and to a last timestep of noise alone.
#[test]
fn each_step_of_xl_of_v_that_begins_with_noise_alone_is_diffusers() {
    let home = tempfile::tempdir().unwrap();
    let mut tensors = Tiny::read("xl").tensors();
    let marker = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
    tensors.extend(["v_pred", "ztsnr"].map(|name| (name.to_owned(), marker.clone())));
    let path = home.path().join("tiny.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let model = load(&path);
    assert_eq!(model.prediction, Prediction::VPrediction);
    let defaults = Defaults::of(&model);
    assert_eq!((defaults.sampler, defaults.schedule), (SamplerName::Ddim, ScheduleName::Simple));
    let request = Request { sampler: defaults.sampler, schedule: defaults.schedule, ..request("", None) };
    let (latents, _) = painted(&model, &request);
    // The first of the latents is that of timestep 749.
    let off = apart(&latents, &expected()["ztsnr"], 4.0);
    parity::within("latents of each step", "xl of v, from noise alone", "diffusers", off, 1e-4);
}

#[test]
fn each_step_of_the_refiner_is_diffusers() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("xl_refiner");
    let folder = home.path().join("folder");
    tiny.write_folder(&folder, Prediction::Epsilon);
    let input = Input::new(a_picture(), 0.5, None);
    let request = request("blurry", Some(input));
    let (latents, of_folder) = painted(&load(&folder), &request);
    let off = apart(&latents, &expected()["refined"], 0.0);
    parity::within("latents of each step", "xl refiner", "diffusers", off, 1e-4);
    let of_file = load(&tiny.write_file(home.path(), "tiny.safetensors"));
    assert_eq!(of_file.family.map(|family| family.key), Some("sdxl_refiner"));
    assert_eq!(painted(&of_file, &request).1.picture, of_folder.picture);
}

#[test]
fn an_empty_negative_prompt_is_nothing_at_all_but_in_comfyui() {
    let home = tempfile::tempdir().unwrap();
    let model = load(&Tiny::read("xl").write_file(home.path(), "tiny.safetensors"));
    let picture = |negative: &str, program| {
        let reproduce = Reproduce { program, ..Reproduce::default() };
        painted(&model, &Request { reproduce, ..request(negative, None) }).1.picture
    };
    assert_ne!(picture("", Program::ComfyUi), picture("", Program::Diffusers));
    assert_eq!(picture("blurry", Program::ComfyUi), picture("blurry", Program::Diffusers));
}

#[test]
fn they_are_listed_for_what_they_are() {
    let home = tempfile::tempdir().unwrap();
    Tiny::read("xl").write_file(home.path(), "juniper.safetensors");
    Tiny::read("xl_refiner").write_torch(home.path(), "finisher.ckpt");
    let library = Library::discover(&[home.path().to_owned()]);
    let found = |name: &str| {
        let summary = library.entries().iter().find(|entry| entry.name == name).unwrap().summary.as_ref().unwrap();
        (summary.family.unwrap().key, summary.format, summary.native_extent)
    };
    assert_eq!(found("juniper"), ("sdxl", Format::Safetensors, Extent::new(1024, 1024)));
    assert_eq!(found("finisher"), ("sdxl_refiner", Format::Torch, Extent::new(1024, 1024)));
}

#[test]
fn clip_skip_is_passed_over_and_parts_that_do_not_fit_are_named() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("xl");
    let model = load(&tiny.write_file(home.path(), "tiny.safetensors"));
    let skipping = Request { clip_skip: 2, ..request("", None) };
    let (one, two) = (painted(&model, &request("", None)).1, painted(&model, &skipping).1);
    assert_eq!(one.picture, two.picture);
    assert!(two.notes[0].contains("clip skip"), "{:?}", two.notes);

    let mut tensors = tiny.tensors();
    tensors.remove("conditioner.embedders.1.model.text_projection").unwrap();
    let path = home.path().join("cut.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let error = Model::load(&path, &Device::Cpu, Precision::F32).unwrap_err().to_string();
    assert!(error.contains("text_projection is missing") && error.ends_with("cut.safetensors"), "{error}");
}
