//! Latent consistency models that are told the guidance scale, of Stable Diffusion 1 and XL: what they paint, step by step, is what diffusers
//! paints. The numbers come from `tests/fixtures/generate_consistency.py`.

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

use candle_core::{DType, Device, Tensor};
use hashed::weights;
use runs::{apart, load, painted, request};
use serde_json::{Value, json};
use sfumato::checkpoints::{Library, Prediction};
use sfumato::diffusion::{Request, SamplerName, ScheduleName};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tiny_checkpoint::{Tiny, fixtures};

const WIDTH: usize = 32;
const PREFIX: &str = "model.diffusion_model.";
const NAME: &str = "time_embedding.cond_proj.weight";

/// The matrix that sees the guidance scale.
fn matrix(channels: usize) -> Tensor {
    weights(&format!("{PREFIX}{NAME}"), (channels, WIDTH)).to_dtype(DType::F16).unwrap()
}

/// A tiny checkpoint with the matrix under a name.
fn told(tiny: &str, name: &str, folder: &Path) -> PathBuf {
    let mut tensors = Tiny::read(tiny).tensors();
    let channels = tensors[&format!("{PREFIX}input_blocks.0.0.weight")].dims()[0];
    tensors.insert(format!("{PREFIX}{name}"), matrix(channels));
    let path = folder.join(format!("{tiny}.safetensors"));
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

fn consistent(guidance_scale: f64) -> Request {
    let (sampler, schedule) = (SamplerName::Lcm, ScheduleName::Lcm);
    Request { sampler, schedule, guidance_scale, ..request("", None) }
}

#[test]
fn each_step_is_diffusers() {
    let home = tempfile::tempdir().unwrap();
    let expected = candle_core::safetensors::load(fixtures().join("consistency.safetensors"), &Device::Cpu).unwrap();
    for tiny in ["sd1", "xl"] {
        let model = load(&told(tiny, NAME, home.path()));
        for (which, scale) in [("usual", 8.5), ("less", 1.5)] {
            let off = apart(&painted(&model, &consistent(scale)).0, &expected[&format!("{tiny}, {which}")], 14.6146);
            let case = format!("{tiny}, latent consistency model, guidance {scale}");
            parity::within("latents of each step", &case, "diffusers", off, 1e-4);
        }
    }
}

#[test]
fn a_folder_and_another_spelling_give_the_same_picture() {
    let home = tempfile::tempdir().unwrap();
    let file = painted(&load(&told("sd1", NAME, home.path())), &consistent(8.5)).1.picture;
    let spelled = load(&told("sd1", "time_embed.cond_proj.weight", home.path()));
    assert_eq!(painted(&spelled, &consistent(8.5)).1.picture, file);

    let folder = home.path().join("folder");
    Tiny::read("sd1").write_folder(&folder, Prediction::Epsilon);
    let (config, stored) = (folder.join("unet/config.json"), folder.join("unet/diffusion_pytorch_model.safetensors"));
    let mut fields: Value = serde_json::from_str(&std::fs::read_to_string(&config).unwrap()).unwrap();
    fields["time_cond_proj_dim"] = json!(WIDTH);
    std::fs::write(&config, fields.to_string()).unwrap();
    let mut tensors: HashMap<String, Tensor> = candle_core::safetensors::load(&stored, &Device::Cpu).unwrap();
    let channels = tensors["conv_in.weight"].dims()[0];
    tensors.insert(NAME.to_owned(), matrix(channels));
    candle_core::safetensors::save(&tensors, &stored).unwrap();
    assert_eq!(painted(&load(&folder), &consistent(8.5)).1.picture, file);
}

#[test]
fn they_take_no_negative_prompt_and_say_so_and_several_prompts_together() {
    let home = tempfile::tempdir().unwrap();
    let path = told("sd1", NAME, home.path());
    let model = load(&path);
    let plain = painted(&model, &consistent(8.5)).1;
    let negative = painted(&model, &Request { negative_prompt: "blurry".to_owned(), ..consistent(8.5) }).1;
    assert_eq!(negative.picture, plain.picture);
    assert!(plain.notes.is_empty() && negative.notes[0].contains("negative prompt"), "{:?}", negative.notes);
    let together = Request { prompt: "a red apple AND a green hill :0.5".to_owned(), ..consistent(8.5) };
    assert_ne!(painted(&model, &together).1.picture, plain.picture);
    let library = Library::discover(&[home.path().to_owned()]);
    let summary = library.entries()[0].summary.as_ref().unwrap();
    assert_eq!((summary.unet.guidance_width, summary.use_alone()), (Some(WIDTH), " LCM".to_owned()));
}
