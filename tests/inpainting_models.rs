//! Inpainting models, which see the mask and what it leaves: what they paint, step by step, is what diffusers paints. The numbers come
//! from `tests/fixtures/generate_inpainting.py`.

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

use candle_core::{DType, Device};
use hashed::weights;
use runs::{EXTENT, a_picture, apart, load, painted, request};
use sfumato::checkpoints::{Library, Model};
use sfumato::diffusion::{Ending, Extras, Input, Phase, Progress, Request, Savings, Stop, paint};
use sfumato::pixels::Mask;
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiny_checkpoint::{Tiny, fixtures};

const FIRST: &str = "model.diffusion_model.input_blocks.0.0.weight";

/// The tiny Stable Diffusion 1, whose U-Net sees so many channels.
fn seeing(channels: usize, folder: &Path) -> PathBuf {
    let mut tensors = Tiny::read("sd1").tensors();
    let first = weights(FIRST, (32, channels, 3, 3)).to_dtype(DType::F16).unwrap();
    tensors.insert(FIRST.to_owned(), first);
    let path = folder.join(format!("sees {channels}.safetensors"));
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    load(&seeing(9, folder.path()))
}

fn input(strength: f64) -> Input {
    let inside = |index: usize| (12..43).contains(&(index / 64)) && (20..61).contains(&(index % 64));
    let coverage = (0..64 * 64).map(|index| if inside(index) { 255 } else { 0 }).collect();
    Input::new(a_picture(), strength, Some(Arc::new(Mask::from_coverage(EXTENT, coverage).unwrap())))
}

#[test]
fn each_step_is_diffusers_and_what_the_mask_keeps_stays() {
    let expected = candle_core::safetensors::load(fixtures().join("inpainting.safetensors"), &Device::Cpu).unwrap();
    let model = model();
    let (latents, repainted) = painted(&model, &request("blurry", Some(input(1.0))));
    let off = apart(&latents, &expected["repainted"], 14.6146);
    parity::within("latents of each step", "inpainting model, repainted", "diffusers", off, 1e-4);
    assert_eq!(repainted.picture.rgba()[..12 * 64 * 4], a_picture().rgba()[..12 * 64 * 4]);
    // Without a picture, and without a mask, nothing is left to see.
    let whole = painted(&model, &request("blurry", None));
    let off = apart(&whole.0, &expected["whole"], 14.6146);
    parity::within("latents of each step", "inpainting model, whole", "diffusers", off, 1e-4);
    let unmasked = Input { mask: None, ..input(1.0) };
    assert_eq!(painted(&model, &request("blurry", Some(unmasked))).1.picture, whole.1.picture);
    assert!(apart(&expected["whole"], &expected["repainted"], 14.6146) > 0.01);
}

#[test]
fn savings_and_changing_words_see_the_mask_as_well() {
    let model = model();
    let part = request("blurry", Some(input(0.6)));
    let plain = painted(&model, &part).1;
    let alone = Request { savings: Savings { deep_every: 2, guidance_end: 0.5, ..Savings::default() }, ..part.clone() };
    assert_ne!(painted(&model, &alone).1.picture, plain.picture);
    let changing = Request { prompt: "a [red|green] apple".to_owned(), ..part };
    assert_ne!(painted(&model, &changing).1.picture, plain.picture);
}

#[test]
fn a_stop_is_heard_while_what_the_mask_leaves_is_encoded() {
    let (mut is_encoding, mut asked) = (false, 0);
    let ending = paint(&model(), Extras::default(), &request("blurry", Some(input(1.0))), &mut |progress| {
        is_encoding |= matches!(progress, Progress::Phase(Phase::Sample));
        if !is_encoding || !matches!(progress, Progress::Block | Progress::Step { .. }) {
            return Continue(());
        }
        asked += 1;
        Break(Stop::Keep)
    });
    assert!(matches!(ending.unwrap(), Ending::Discarded), "there is no estimate to keep yet");
    assert_eq!(asked, 1);
}

#[test]
fn they_are_listed_as_such() {
    let home = tempfile::tempdir().unwrap();
    seeing(9, home.path());
    let library = Library::discover(&[home.path().to_owned()]);
    let summary = |name: &str| &library.entries().iter().find(|entry| entry.name == name).unwrap().summary;
    assert!(summary("sees 9").as_ref().unwrap().unet.sees_mask());
}
