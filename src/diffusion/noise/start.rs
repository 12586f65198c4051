//! What a run starts from: the noise of its seed, varied and laid around as its request says.

use super::super::{Program, Reproduce};
use super::Noise;

/// The first noise of a picture, and where that of later steps comes from.
pub(in crate::diffusion) struct Start {
    /// Of the latent's shape.
    pub(in crate::diffusion) first: Vec<f32>,
    pub(in crate::diffusion) then: Noise,
}

/// How near two noises lie that are mixed in a straight line: the mean cosine of their columns.
const PARALLEL: f64 = 0.9995;

impl Start {
    /// Of a latent (C, h, w) whose pixels stand for `downscale` pixels of the picture. A1111's `ImageRNG` (`modules/rng.py`).
    pub(in crate::diffusion) fn new(reproduce: &Reproduce, seed: u64, shape: [usize; 3], downscale: usize) -> Self {
        let count = |[channels, height, width]: [usize; 3]| channels * height * width;
        let drawn = |seed| Noise::of(reproduce.noise, true, seed, reproduce.batch);
        let [channels, ..] = shape;
        let smaller = |side: u32| side as usize / downscale;
        let other = reproduce.resized_from.map(|from| [channels, smaller(from.height), smaller(from.width)]);
        let other = other.filter(|other| *other != shape && count(*other) > 0);
        let mut noise = drawn(seed);
        let at = other.unwrap_or(shape);
        // A noise of another shape is drawn apart.
        let mut first = if other.is_some() { drawn(seed).normals(count(at)) } else { noise.normals(count(at)) };
        if let Some(variation) = reproduce.variation {
            first = between(&first, &drawn(variation.seed).normals(count(at)), variation.strength, at);
        }
        if let Some(other) = other {
            let mut around = noise.normals(count(shape));
            lay(&first, other, &mut around, shape);
            first = around;
        }
        let later = |seed| Noise::of(reproduce.noise, false, seed, reproduce.batch);
        let then = match (reproduce.program, reproduce.noise) {
            // Its samplers seed a generator of their own, on the CPU with the next seed.
            (Program::ComfyUi, super::NoiseSource::Cpu) => later(seed.wrapping_add(1)),
            (Program::ComfyUi, _) => later(seed),
            _ if reproduce.ensd != 0 => later(seed.wrapping_add_signed(reproduce.ensd)),
            (_, super::NoiseSource::CpuThenNv) => later(seed),
            _ => noise,
        };
        Self { first, then }
    }
}

/// From `low` to `high`, (C, h, w), by `share`, on an arc: each column of each channel on its own, as A1111's `slerp` takes the first of the
/// dimensions of a picture. Columns without an angle between them are mixed in a straight line, where A1111 has no number.
fn between(low: &[f32], high: &[f32], share: f64, [channels, height, width]: [usize; 3]) -> Vec<f32> {
    let columns = (0..channels).flat_map(|channel| (0..width).map(move |x| channel * height * width + x));
    let column = |values: &[f32], from: usize| -> Vec<f64> {
        (0..height).map(|y| f64::from(values[from + y * width])).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosines: Vec<(usize, f64)> = columns
        .map(|from| {
            let (low, high) = (column(low, from), column(high, from));
            (from, dot(&low, &high) / (dot(&low, &low) * dot(&high, &high)).sqrt())
        })
        .collect();
    let mean = cosines.iter().map(|(_, cosine)| cosine).sum::<f64>() / cosines.len() as f64;
    let mut mixed = vec![0.0; low.len()];
    for (from, cosine) in cosines {
        let angle = cosine.clamp(-1.0, 1.0).acos();
        let weights = if mean > PARALLEL {
            // The wrong way round, as there; so near, it hardly matters.
            (share, 1.0 - share)
        } else if angle.sin() < 1e-6 {
            (1.0 - share, share)
        } else {
            (((1.0 - share) * angle).sin() / angle.sin(), (share * angle).sin() / angle.sin())
        };
        for at in (0..height).map(|y| from + y * width) {
            mixed[at] = (f64::from(low[at]) * weights.0 + f64::from(high[at]) * weights.1) as f32;
        }
    }
    mixed
}

/// Lays what of `noise` fits over the middle of `around`.
fn lay(noise: &[f32], [channels, height, width]: [usize; 3], around: &mut [f32], [_, rows, columns]: [usize; 3]) {
    // Half of what is over, rounded down, is before it, or left out of it; what is odd is left out at the end.
    let middle = |of: usize, all: usize| {
        let before = (all as isize - of as isize).div_euclid(2);
        let length = if before >= 0 { of } else { (of as isize + 2 * before) as usize };
        (before.max(0) as usize, (-before).max(0) as usize, length)
    };
    let ((to_x, from_x, across), (to_y, from_y, down)) = (middle(width, columns), middle(height, rows));
    for channel in 0..channels {
        for y in 0..down {
            let to = (channel * rows + to_y + y) * columns + to_x;
            let from = (channel * height + from_y + y) * width + from_x;
            around[to..to + across].copy_from_slice(&noise[from..from + across]);
        }
    }
}
