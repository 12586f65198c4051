//! Whole runs on tiny checkpoints: what each step arrives at.

use candle_core::{Device, Tensor};
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{
    Borrowed, Emphasis, Ending, Extras, Input, Painted, Progress, Reproduce, Request, SamplerName, Savings,
    ScheduleName, Tuning, paint,
};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::Arc;

pub(crate) const EXTENT: Extent = Extent::new(64, 64);

/// What the fixtures ask of them.
pub(crate) fn request(negative_prompt: &str, input: Option<Input>) -> Request {
    Request {
        model: "tiny".to_owned(),
        borrowed: Borrowed::default(),
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
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input,
        control: None,
        upscale: None,
        hints: Vec::new(),
    }
}

pub(crate) fn load(path: &Path) -> Model {
    Model::load(path, &Device::Cpu, Precision::F32).unwrap()
}

/// Two ramps.
pub(crate) fn a_picture() -> Arc<Picture> {
    let pixel = |index: u32| [(index % 64 * 4) as u8, (index / 64 * 4) as u8, 128, 255];
    Arc::new(Picture::from_rgba(EXTENT, (0..64 * 64).flat_map(pixel).collect()).unwrap())
}

/// The latents after each step, as one tensor, and the picture.
pub(crate) fn painted(model: &Model, request: &Request) -> (Tensor, Painted) {
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

/// The largest difference, by what the noise was at the start, of this sigma: to the network it is 1.
pub(crate) fn apart(found: &Tensor, expected: &Tensor, sigma: f64) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let worst: f32 = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap();
    f64::from(worst) / (1.0 + sigma * sigma).sqrt()
}
