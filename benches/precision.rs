//! How far Bozzetto's pictures in bf16 are from those in f32: `cargo bench --bench precision`. Each prompt is painted in both with the
//! same seeds and the model's own settings; of each pair the peak signal-to-noise ratio and the largest difference of a channel.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use candle_core::Device;
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{Defaults, Ending, Extras, Request, paint};
use std::ops::ControlFlow;
use std::path::Path;

const PROMPTS: [&str; 8] = [
    "red apple",
    "a blue car",
    "cat",
    "a purple balloon in the sky",
    "house in the snow",
    "猫和狗",
    "green tree on a hill",
    "sun",
];
const SEEDS: [u64; 3] = [7, 8, 9];

fn main() {
    if !Precision::Bf16.is_there(&Device::Cpu) {
        println!("this machine does not multiply in bf16");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let model = |precision| Model::load(&folder, &Device::Cpu, precision).expect("the model that ships can be loaded");
    let models = Precision::ALL.iter().map(|precision| (model(*precision), *precision)).collect::<Vec<_>>();
    let (mut ratios, mut largest) = (Vec::new(), Vec::new());
    for prompt in PROMPTS {
        for seed in SEEDS {
            let pictures: Vec<Vec<u8>> =
                models.iter().map(|(model, precision)| painted(model, *precision, prompt, seed)).collect();
            let apart = pictures[0].iter().zip(&pictures[1]).map(|(a, b)| a.abs_diff(*b));
            let squares = apart.clone().map(|apart| f64::from(apart).powi(2)).sum::<f64>() / pictures[0].len() as f64;
            let ratio = 10.0 * (255.0 * 255.0 / squares).log10();
            let most = apart.max().expect("a picture has pixels");
            println!("{ratio:5.1} dB, at most {most:3} of 255: {prompt}, seed {seed}");
            ratios.push(ratio);
            largest.push(most);
        }
    }
    ratios.sort_by(f64::total_cmp);
    largest.sort_unstable();
    let middle = ratios.len() / 2;
    println!(
        "\n{} pictures: median {:.1} dB, lowest {:.1} dB; largest difference of a channel: median {}, most {}",
        ratios.len(),
        ratios[middle],
        ratios[0],
        largest[middle],
        largest[largest.len() - 1]
    );
}

/// The channels of a picture's pixels, without how much shines through.
fn painted(model: &Model, precision: Precision, prompt: &str, seed: u64) -> Vec<u8> {
    let defaults = Defaults::of(model);
    let request = Request {
        model: model.name.clone(),
        prompt: prompt.to_owned(),
        negative_prompt: String::new(),
        extent: defaults.extent,
        seed,
        sampler: defaults.sampler,
        schedule: defaults.schedule,
        steps: defaults.steps,
        guidance_scale: defaults.guidance_scale,
        precision,
        input: None,
        control: None,
        upscale: None,
    };
    match paint(model, Extras::default(), &request, &mut |_| ControlFlow::Continue(())) {
        Ok(Ending::Finished(painted)) => painted
            .picture
            .rgba()
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|[red, green, blue, _]| [*red, *green, *blue])
            .collect(),
        _ => unreachable!("nothing stops it"),
    }
}
