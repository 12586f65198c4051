//! What each way to paint faster does to pictures and to their time: `cargo bench --bench faster`. Bozzetto paints each prompt with the same
//! seeds and its own settings, as it does by itself and in each way; of each pair the peak signal-to-noise ratio and the largest difference of
//! a channel.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use candle_core::Device;
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{Borrowed, Defaults, Emphasis, Ending, Extras, Reproduce, Request, Savings, Tuning, paint};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

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

const NONE: Savings =
    Savings { guidance_start: 0.0, guidance_end: 1.0, negative_min_sigma: 0.0, deep_every: 1, merge_tokens: 0.0 };
const SAVINGS: [(&str, Savings); 9] = [
    ("--guidance-end 0.8", Savings { guidance_end: 0.8, ..NONE }),
    ("--guidance-end 0.5", Savings { guidance_end: 0.5, ..NONE }),
    ("--guidance-start 0.2", Savings { guidance_start: 0.2, ..NONE }),
    ("--negative-min-sigma 0.5", Savings { negative_min_sigma: 0.5, ..NONE }),
    ("--negative-min-sigma 1", Savings { negative_min_sigma: 1.0, ..NONE }),
    ("--deep-every 2", Savings { deep_every: 2, ..NONE }),
    ("--deep-every 3", Savings { deep_every: 3, ..NONE }),
    ("--deep-every 5", Savings { deep_every: 5, ..NONE }),
    ("--guidance-end 0.8 --deep-every 2", Savings { guidance_end: 0.8, deep_every: 2, ..NONE }),
];

fn main() {
    let load = |precision| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
        Model::load(&folder, &Device::Cpu, precision).expect("the model that ships can be loaded")
    };
    let exact = load(Precision::F32);
    let coarser: Vec<(String, Model, Precision)> = [Precision::Bf16, Precision::Int8]
        .into_iter()
        .filter(|precision| precision.is_there(&Device::Cpu))
        .map(|precision| (format!("--precision {}", precision.name()), load(precision), precision))
        .collect();
    let mut ways: Vec<(&str, &Model, Precision, Savings)> =
        SAVINGS.iter().map(|(name, savings)| (*name, &exact, Precision::F32, *savings)).collect();
    ways.extend(coarser.iter().map(|(name, model, precision)| (name.as_str(), model, *precision, NONE)));

    let mut of_way = vec![(Vec::new(), Vec::new(), Vec::new()); ways.len()];
    for prompt in PROMPTS {
        for seed in SEEDS {
            let (whole, seconds) = painted(&exact, Precision::F32, NONE, prompt, seed);
            for ((_, model, precision, savings), (ratios, largest, times)) in ways.iter().zip(&mut of_way) {
                let (picture, taken) = painted(model, *precision, *savings, prompt, seed);
                let apart = whole.iter().zip(&picture).map(|(a, b)| a.abs_diff(*b));
                let squares = apart.clone().map(|apart| f64::from(apart).powi(2)).sum::<f64>() / whole.len() as f64;
                ratios.push(10.0 * (255.0 * 255.0 / squares).log10());
                largest.push(f64::from(apart.max().expect("a picture has pixels")));
                times.push(taken / seconds);
            }
        }
    }
    println!("{} pictures each\n", PROMPTS.len() * SEEDS.len());
    println!("| | time, of a whole picture | dB, median | lowest | largest difference of a channel, median | most |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for ((name, ..), (mut ratios, mut largest, mut times)) in ways.into_iter().zip(of_way) {
        for numbers in [&mut ratios, &mut largest, &mut times] {
            numbers.sort_by(f64::total_cmp);
        }
        let middle = ratios.len() / 2;
        println!(
            "| `{name}` | {:.2} | {:.1} | {:.1} | {} | {} |",
            times[middle],
            ratios[middle],
            ratios[0],
            largest[middle],
            largest[largest.len() - 1]
        );
    }
}

/// The channels of a picture's pixels, without how much shines through, and the seconds that it took.
fn painted(model: &Model, precision: Precision, savings: Savings, prompt: &str, seed: u64) -> (Vec<u8>, f64) {
    let defaults = Defaults::of(model);
    let request = Request {
        model: model.name.clone(),
        borrowed: Borrowed::default(),
        prompt: prompt.to_owned(),
        negative_prompt: String::new(),
        extent: defaults.extent,
        seed,
        sampler: defaults.sampler,
        schedule: defaults.schedule,
        steps: defaults.steps,
        guidance_scale: defaults.guidance_scale,
        precision,
        savings,
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    };
    let started = Instant::now();
    match paint(model, Extras::default(), &request, &mut |_| ControlFlow::Continue(())) {
        Ok(Ending::Finished(painted)) => {
            let channels = |pixel: &[u8; 4]| [pixel[0], pixel[1], pixel[2]];
            let picture = painted.picture.rgba().as_chunks::<4>().0.iter().flat_map(channels).collect();
            (picture, started.elapsed().as_secs_f64())
        }
        _ => unreachable!("nothing stops it"),
    }
}
