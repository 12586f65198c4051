//! Models that edit a picture by instruction, of Stable Diffusion 1 and XL: what they paint, step by step, is what diffusers paints. The numbers
//! come from `tests/fixtures/generate_editing.py`.

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
use runs::{a_picture, apart, load, painted, request};
use sfumato::checkpoints::{Library, Model};
use sfumato::diffusion::{Extras, Input, Request, Savings, paint};
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use tiny_checkpoint::{Tiny, fixtures};

const FIRST: &str = "model.diffusion_model.input_blocks.0.0.weight";

/// A tiny checkpoint whose U-Net sees so many channels.
fn seeing(channels: usize, tiny: &str, folder: &Path) -> PathBuf {
    let mut tensors = Tiny::read(tiny).tensors();
    let width = tensors[FIRST].dims()[0];
    tensors.insert(FIRST.to_owned(), weights(FIRST, (width, channels, 3, 3)).to_dtype(DType::F16).unwrap());
    let path = folder.join(format!("{tiny} sees {channels}.safetensors"));
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

fn model(tiny: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    load(&seeing(8, tiny, folder.path()))
}

/// The fixtures' picture has no halves of 255, so that nothing hangs on how they are rounded.
fn asked(image_guidance: Option<f64>) -> Request {
    request("blurry", Some(Input { image_guidance, ..Input::new(a_picture(), 1.0, None) }))
}

#[test]
fn each_step_is_diffusers() {
    let expected = candle_core::safetensors::load(fixtures().join("editing.safetensors"), &Device::Cpu).unwrap();
    for tiny in ["sd1", "xl"] {
        let off = apart(&painted(&model(tiny), &asked(Some(1.6))).0, &expected[tiny], 14.6146);
        parity::within("latents of each step", &format!("{tiny}, instruct-pix2pix"), "diffusers", off, 1e-4);
    }
}

#[test]
fn guidance_by_the_picture_is_as_usual_unless_it_is_said_otherwise() {
    let model = model("sd1");
    let picture = |request: &Request| painted(&model, request).1.picture;
    let usual = picture(&asked(None));
    assert_eq!(usual, picture(&asked(Some(1.5))));
    assert_ne!(usual, picture(&asked(Some(1.0))));
    // Without guidance by words there is none by the picture, as in diffusers.
    let plain = |image_guidance| Request { guidance_scale: 1.0, ..asked(image_guidance) };
    assert_eq!(picture(&plain(Some(1.6))), picture(&plain(Some(1.0))));
    let saving = Savings { deep_every: 2, guidance_end: 0.5, ..Savings::default() };
    assert_ne!(picture(&Request { savings: saving, ..asked(None) }), usual);
    let together = Request { prompt: "a red apple AND a [green|blue] hill :0.5".to_owned(), ..asked(None) };
    assert_ne!(picture(&together), usual);
}

#[test]
fn they_are_listed_as_such_and_want_a_picture() {
    let home = tempfile::tempdir().unwrap();
    let path = seeing(8, "sd1", home.path());
    seeing(7, "sd1", home.path());
    let library = Library::discover(&[home.path().to_owned()]);
    let summary = |name: &str| &library.entries().iter().find(|entry| entry.name == name).unwrap().summary;
    let edits = summary("sd1 sees 8").as_ref().unwrap();
    assert!(edits.unet.sees_picture() && !edits.unet.sees_mask() && edits.use_alone() == " instruct-pix2pix");
    let error = summary("sd1 sees 7").as_ref().unwrap_err().to_string();
    assert!(error.contains("takes 7 channels and gives 4") && error.ends_with("sd1 sees 7.safetensors"), "{error}");
    let painted = paint(&load(&path), Extras::default(), &request("", None), &mut |_| Continue(()));
    let error = painted.unwrap_err().to_string();
    assert!(error.contains("there is none: open a picture"), "{error}");
}
