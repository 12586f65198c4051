//! Soft masks by differential diffusion: what is painted, step by step, is what diffusers' networks paint with `ComfyUI`'s arithmetic. The
//! numbers come from `tests/fixtures/generate_differential.py`.

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

use candle_core::Device;
use runs::{EXTENT, a_picture, apart, load, painted, request};
use sfumato::checkpoints::Model;
use sfumato::diffusion::{Input, Request, ScheduleName};
use sfumato::pixels::Mask;
use std::sync::Arc;
use tiny_checkpoint::{Tiny, fixtures};

/// Of columns of latent pixels.
const GREYS: [u8; 8] = [0, 20, 60, 100, 140, 180, 220, 255];

fn model() -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.safetensors");
    candle_core::safetensors::save(&Tiny::read("sd1").tensors(), &path).unwrap();
    load(&path)
}

fn input(coverage: impl Fn(usize) -> u8, soft_mask: bool) -> Input {
    let mask = Mask::from_coverage(EXTENT, (0..64 * 64).map(|index| coverage(index % 64)).collect()).unwrap();
    Input { soft_mask, ..Input::new(a_picture(), 1.0, Some(Arc::new(mask))) }
}

#[test]
fn each_step_is_the_references_and_black_stays_to_the_bit() {
    let expected = candle_core::safetensors::load(fixtures().join("differential.safetensors"), &Device::Cpu).unwrap();
    let model = model();
    let (latents, soft) = painted(&model, &request("blurry", Some(input(|x| GREYS[x / 8], true))));
    let off = apart(&latents, &expected["soft"], 14.6146);
    parity::within("latents of each step", "differential diffusion", "diffusers", off, 1e-4);
    let (found, kept) = (soft.picture.rgba(), a_picture());
    for row in 0..64 {
        assert_eq!(found[row * 256..row * 256 + 32], kept.rgba()[row * 256..row * 256 + 32]);
    }
    let (hard, _) = painted(&model, &request("blurry", Some(input(|x| GREYS[x / 8], false))));
    assert!(apart(&hard, &expected["soft"], 14.6146) > 0.01, "grey means another thing otherwise");
}

#[test]
fn what_is_darker_is_changed_less() {
    let model = model();
    let last = |coverage: &dyn Fn(usize) -> u8| {
        let asked = request("", Some(input(coverage, true)));
        let asked = Request { steps: 12, schedule: ScheduleName::Normal, ..asked };
        painted(&model, &asked).0.narrow(0, 11, 1).unwrap().narrow(3, 0, 4).unwrap()
    };
    let original = last(&|_| 0);
    let changes = [40, 128, 255].map(|grey| {
        let latent = last(&|x| if x < 32 { grey } else { 255 });
        let apart = (latent - &original).unwrap().sqr().unwrap().mean_all().unwrap();
        apart.to_scalar::<f32>().unwrap()
    });
    assert!(0.0 < changes[0] && changes[0] < changes[1] && changes[1] < changes[2], "{changes:?}");
}
