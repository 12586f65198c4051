//! Stable Diffusion XL and its refiner: what they paint, step by step, is what diffusers paints. The numbers come from
//! `tests/fixtures/generate_xl.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::{Device, Tensor};
use sfumato::checkpoints::{Format, Library, Model, Precision, Prediction};
use sfumato::diffusion::{
    Ending, Extras, Input, Painted, Progress, Request, SamplerName, Savings, ScheduleName, Tuning, paint,
};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use std::collections::HashMap;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::Arc;
use tiny_checkpoint::{Tiny, fixtures};

const EXTENT: Extent = Extent::new(64, 64);

fn expected() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixtures().join("xl.safetensors"), &Device::Cpu).unwrap()
}

fn request(negative_prompt: &str, input: Option<Input>) -> Request {
    Request {
        model: "tiny".to_owned(),
        prompt: "a red apple, café on a hill".to_owned(),
        negative_prompt: negative_prompt.to_owned(),
        extent: EXTENT,
        seed: 3,
        sampler: SamplerName::Euler,
        schedule: ScheduleName::Karras,
        steps: 4,
        guidance_scale: 3.0,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        input,
        control: None,
        upscale: None,
    }
}

/// The latents after each step, as one tensor, and the picture.
fn painted(model: &Model, request: &Request) -> (Tensor, Painted) {
    let mut latents = Vec::new();
    let ending = paint(model, Extras::default(), request, &mut |progress| {
        match progress {
            Progress::Step { index, x, .. } if index > 0 => latents.push(x.clone()),
            Progress::Latent(latent) => latents.push(latent.clone()),
            _ => {}
        }
        Continue(())
    });
    let Ending::Finished(painted) = ending.unwrap() else { panic!("nobody stopped it") };
    (Tensor::cat(&latents, 0).unwrap(), painted)
}

/// Compares latents by what the noise was at the start, of this sigma: to the network it is 1.
fn assert_near(found: &Tensor, expected: &Tensor, sigma: f64, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let worst: f32 = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap();
    let worst = f64::from(worst) / (1.0 + sigma * sigma).sqrt();
    assert!(worst < 1e-4, "{what} is {worst} away from diffusers'");
}

fn load(path: &Path) -> Model {
    Model::load(path, &Device::Cpu, Precision::F32).unwrap()
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
        assert_near(&latents, &expected[key], 14.6146, key);
        assert_eq!(painted(&of_file, &request).1.picture, picture.picture, "{key}");
    }
}

#[test]
fn each_step_of_the_refiner_is_diffusers() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("xl_refiner");
    let folder = home.path().join("folder");
    tiny.write_folder(&folder, Prediction::Epsilon);
    let pixel = |index: u32| [(index % 64 * 4) as u8, (index / 64 * 4) as u8, 128, 255];
    let picture = Picture::from_rgba(EXTENT, (0..64 * 64).flat_map(pixel).collect()).unwrap();
    let input = Input::new(Arc::new(picture), 0.5, None);
    let request = request("blurry", Some(input));
    let (latents, of_folder) = painted(&load(&folder), &request);
    assert_near(&latents, &expected()["refined"], 0.0, "refined");
    let of_file = load(&tiny.write_file(home.path(), "tiny.safetensors"));
    assert_eq!(of_file.family.map(|family| family.key), Some("sdxl_refiner"));
    assert_eq!(painted(&of_file, &request).1.picture, of_folder.picture);
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
