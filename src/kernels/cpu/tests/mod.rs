//! Each kernel against its definition in f64, over shapes chosen to be awkward, and to the byte over threads and batches.

use super::*;
use crate::kernels::Activation;
use half::{bf16, f16};
use proptest::prelude::*;
use proptest::test_runner::Config;

mod by_tiles;
mod bytes;
mod functions;
mod kept;

/// Fewer cases where `narrower_vectors_pass_the_same_tests` runs them all again.
fn config() -> Config {
    // Miri runs what is written for any machine, a thousand times slower: `MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks
    // -Zmiri-disable-stacked-borrows" RAYON_NUM_THREADS=1 cargo +nightly miri test --no-default-features --lib kernels::cpu::tests::a`. What
    // rayon's threads share does not pass the rules of aliasing that it tries out; what lies out of bounds or was never set it finds all the
    // same.
    let cases = if cfg!(miri) {
        1
    } else if vector::Vectors::allowed() == vector::Vectors::All {
        48
    } else {
        6
    };
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// A length of 1 up to `end`, shorter where Miri runs the tests.
fn up_to(end: usize) -> std::ops::Range<usize> {
    1..if cfg!(miri) { 2 + end / 8 } else { end }
}

/// Numbers in -1..1 that look random and are the same every time.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// How f32 is split, by everything that there is for it.
fn splitting() -> impl Iterator<Item = Tiling> {
    [Some(Tiling { kind: Kind::Numbers, parts: Parts::Two }), Tiling::of_f32()].into_iter().flatten()
}

/// How far a product of numbers that are split may be off, of its size: each lacks up to 2⁻¹⁷, and what both lack is left out, up to 2⁻¹⁶.
/// Of a sum of products as large together it is less.
const SPLIT: f64 = 1.0 / (1u64 << 15) as f64;

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (f64::from(*found) - expected).abs();
        assert!(apart <= tolerance * (1.0 + expected.abs()), "{found} instead of {expected} at {index}");
    }
}

#[track_caller]
fn assert_same_bytes(a: &[f32], b: &[f32]) {
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    assert!(bits(a) == bits(b));
}

#[expect(clippy::too_many_arguments, reason = "they are what a group norm is")]
fn group_norm<Y: rounding::Number>(
    x: &[f32],
    shape: PictureShape,
    groups: usize,
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    activation: Activation,
    out: &mut [Y],
) {
    let mut measured = vec![Moments::default(); shape.batch * groups];
    measure(x, shape, &mut measured);
    normalise(x, shape, &measured, weight, bias, epsilon, activation, out);
}

fn gelu(x: f64) -> f64 {
    // The series of erf (Abramowitz & Stegun 1964, 7.1.6), which has no term that cancels.
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= 2.0 * z * z / f64::from(2 * n + 1);
        sum += term;
    }
    x * 0.5 * (1.0 + std::f64::consts::FRAC_2_SQRT_PI * (-z * z).exp() * sum)
}

fn product(a: &[f32], w: &[f32], rows: usize, depth: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for a in a.chunks(depth).take(rows) {
        for w in w.chunks(depth) {
            out.push(a.iter().zip(w).map(|(a, w)| f64::from(*a) * f64::from(*w)).sum());
        }
    }
    out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_product_is_the_sum_of_products(rows in up_to(40), depth in up_to(600), columns in 1..40usize, all in any::<bool>()) {
        // Of the size that weights have, so that sums stay about as large as what is summed.
        let w: Vec<f32> = noise(columns * depth, 2).iter().map(|w| w / (depth as f32).sqrt()).collect();
        let a = noise(rows * depth, 1);
        let (bias, residual) = (noise(columns, 3), noise(rows * columns, 4));
        let shift = noise(rows.div_ceil(3) * columns, 5);
        let epilogue = if all {
            Epilogue { bias: Some(&bias), shift: Some((&shift, 3)), residual: Some(&residual) }
        } else {
            Epilogue::default()
        };
        let mut out = vec![f32::NAN; rows * columns];
        let matrix = Matrix { data: &a, rows, stride: depth };
        multiply(&matrix, &Packed::new(Values::F32(&w), columns, depth), epilogue, &mut out);
        let mut expected = product(&a, &w, rows, depth);
        if all {
            for (at, expected) in expected.iter_mut().enumerate() {
                let (row, column) = (at / columns, at % columns);
                *expected += f64::from(bias[column] + shift[row / 3 * columns + column] + residual[at]);
            }
        }
        assert_close(&out, &expected, 2e-6);
        for tiling in splitting() {
            let mut split = vec![f32::NAN; rows * columns];
            multiply_by_tiles(&a, Walk::rows(rows), &Tiled::new(tiling, Values::F32(&w), columns, depth), epilogue, &mut split);
            assert_close(&split, &expected, SPLIT);
        }

        let halves: Vec<f16> = w.iter().map(|w| f16::from_f32(*w)).collect();
        let widened: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
        let mut of_halves = vec![f32::NAN; rows * columns];
        multiply(&matrix, &Packed::new(Values::F16(&halves), columns, depth), epilogue, &mut of_halves);
        multiply(&matrix, &Packed::new(Values::F32(&widened), columns, depth), epilogue, &mut out);
        assert_same_bytes(&out, &of_halves);
        for tiling in splitting() {
            let run = |values: Values<'_>, out: &mut [f32]| {
                multiply_by_tiles(&a, Walk::rows(rows), &Tiled::new(tiling, values, columns, depth), epilogue, out);
            };
            run(Values::F16(&halves), &mut of_halves);
            run(Values::F32(&widened), &mut out);
            assert_same_bytes(&out, &of_halves);
        }

        let halves: Vec<bf16> = w.iter().map(|w| bf16::from_f32(*w)).collect();
        let widened: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
        multiply(&matrix, &Packed::new(Values::Bf16(&halves), columns, depth), epilogue, &mut of_halves);
        multiply(&matrix, &Packed::new(Values::F32(&widened), columns, depth), epilogue, &mut out);
        assert_same_bytes(&out, &of_halves);
        for tiling in splitting() {
            let run = |values: Values<'_>, out: &mut [f32]| {
                multiply_by_tiles(&a, Walk::rows(rows), &Tiled::new(tiling, values, columns, depth), epilogue, out);
            };
            run(Values::Bf16(&halves), &mut of_halves);
            run(Values::F32(&widened), &mut out);
            assert_same_bytes(&out, &of_halves);
        }
    }

    #[test]
    fn a_gated_product_is_the_first_half_times_gelu_of_the_second(rows in up_to(20), depth in up_to(300), columns in 1..30usize) {
        // Of the size that normalised tokens have: erf is kept to an absolute error, which large factors enlarge.
        let w: Vec<f32> = noise(2 * columns * depth, 2).iter().map(|w| w / (depth as f32).sqrt()).collect();
        let (a, bias) = (noise(rows * depth, 1), noise(2 * columns, 3));
        let mut out = vec![f32::NAN; rows * columns];
        let weight = PackedGated::new(Values::F32(&w), &bias, columns, depth);
        multiply_gated(&Matrix { data: &a, rows, stride: depth }, &weight, &mut out);
        let both = product(&a, &w, rows, depth);
        let expected: Vec<f64> = (0..rows * columns)
            .map(|at| {
                let (row, column) = (at / columns, at % columns);
                let of = |column: usize| both[row * 2 * columns + column] + f64::from(bias[column]);
                of(column) * gelu(of(columns + column))
            })
            .collect();
        assert_close(&out, &expected, 1e-5);
        for tiling in splitting() {
            multiply_gated_by_tiles(&a, rows, &TiledGated::new(tiling, Values::F32(&w), &bias, columns, depth), &mut out);
            assert_close(&out, &expected, 1e-5 + SPLIT);
        }
    }

    #[test]
    fn a_convolution_is_the_sum_over_its_kernel(
        (height, width, batch) in (1..14usize, 1..14usize, 1..4usize),
        inputs in prop_oneof![8 => 1..40usize, 2 => 60..140usize, 1 => 510..560usize],
        outputs in 1..40usize,
        kind in 0..6usize,
        doubled in any::<bool>(),
    ) {
        let (kernel, stride, padding) = [(1, 1, (0, 0)), (3, 1, (1, 1)), (3, 1, (1, 1)), (3, 2, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2))][kind];
        // Of the size that weights have, so that sums stay about as large as what is summed.
        let size = ((inputs * kernel * kernel) as f32).sqrt();
        let w: Vec<f32> = noise(outputs * inputs * kernel * kernel, 2).iter().map(|w| w / size).collect();
        let x = noise(batch * height * width * inputs, 1);
        let conv = Conv::new(Values::F32(&w), outputs, inputs, kernel, stride, padding);
        let scale = if doubled { 2 } else { 1 };
        let (seen_height, seen_width) = (height * scale, width * scale);
        let Some((rows, columns)) = conv.output_size(seen_height, seen_width) else { return Ok(()) };
        let residual = noise(batch * rows * columns * outputs, 3);
        let shift = noise(batch * outputs, 4);
        let mut expected = Vec::new();
        for (at, residual) in residual.iter().enumerate() {
            let (output, pixel) = (at % outputs, at / outputs);
            let (column, row, picture) = (pixel % columns, pixel / columns % rows, pixel / columns / rows);
            let mut sum = f64::from(*residual) + f64::from(shift[picture * outputs + output]);
            for place in 0..kernel * kernel {
                let y = (row * stride + place / kernel).wrapping_sub(padding.0);
                let left = (column * stride + place % kernel).wrapping_sub(padding.0);
                if y < seen_height && left < seen_width {
                    let pixel = ((picture * height + y / scale) * width + left / scale) * inputs;
                    for input in 0..inputs {
                        let w = w[(output * inputs + input) * kernel * kernel + place];
                        sum += f64::from(x[pixel + input]) * f64::from(w);
                    }
                }
            }
            expected.push(sum);
        }
        let epilogue = Epilogue { bias: None, shift: Some((&shift, rows * columns)), residual: Some(&residual) };
        let mut out = vec![f32::NAN; residual.len()];
        conv.forward(&x, (batch, height, width), doubled, epilogue, &mut out);
        assert_close(&out, &expected, 2e-5);
        for tiling in splitting() {
            let conv = Conv::tiled(tiling, Values::F32(&w), outputs, inputs, kernel, stride, padding);
            conv.forward_by_tiles(&x, (batch, height, width), doubled, epilogue, &mut out);
            // In those that are changed some numbers are enlarged and taken from each other at the end.
            assert_close(&out, &expected, 4.0 * SPLIT);
        }
    }

    #[test]
    fn attention_is_the_weighted_mean_of_values(
        (batch, heads, width) in (1..3usize, 1..4usize, up_to(50)),
        (queries, keys) in (up_to(120), up_to(600)),
        causal in any::<bool>(),
    ) {
        let channels = heads * width;
        let (q, k, v) = (noise(batch * queries * channels, 1), noise(batch * keys * channels, 2), noise(batch * keys * channels, 3));
        // Scores far apart are what makes sums overflow or vanish.
        let q: Vec<f32> = q.iter().map(|q| q * 40.0).collect();
        let mut out = vec![f32::NAN; q.len()];
        attention(&q, &k, &v, AttentionShape { batch, queries, keys, heads, width }, causal, &mut out);
        let mut expected = vec![0f64; q.len()];
        for picture in 0..batch {
            for head in 0..heads {
                for query in 0..queries {
                    let at = (picture * queries + query) * channels + head * width;
                    let seen = if causal { keys.min(query + 1) } else { keys };
                    let row = |key: usize| (picture * keys + key) * channels + head * width;
                    let scores: Vec<f64> = (0..seen)
                        .map(|key| (0..width).map(|c| f64::from(q[at + c]) * f64::from(k[row(key) + c])).sum::<f64>())
                        .map(|score| score / (width as f64).sqrt())
                        .collect();
                    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = scores.iter().map(|score| (score - greatest).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    for c in 0..width {
                        expected[at + c] =
                            weights.iter().enumerate().map(|(key, w)| w / sum * f64::from(v[row(key) + c])).sum();
                    }
                }
            }
        }
        assert_close(&out, &expected, 2e-4);
        for tiling in splitting() {
            let shape = AttentionShape { batch, queries, keys, heads, width };
            attention_by_tiles(tiling, (&q, &k, &v), shape, causal, &mut out);
            // Weights are as far off as the scores in their exponents, which are up to 40 times the root of the width.
            assert_close(&out, &expected, 2e-4 + 40.0 * (width as f64).sqrt() * SPLIT / 4.0);
        }
    }

    #[test]
    fn norms_have_mean_and_variance_as_defined(batch in 1..3usize, pixels in up_to(200), groups in 1..5usize, each in 1..40usize) {
        let channels = groups * each;
        // A mean that is large beside the spread shows what cancels.
        let x: Vec<f32> = noise(batch * pixels * channels, 1).iter().map(|x| x + 20.0).collect();
        let (weight, bias) = (noise(channels, 2), noise(channels, 3));
        let normal = |x: &[f64]| -> Vec<f64> {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / x.len() as f64;
            x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt()).collect()
        };
        let mut expected = vec![0f64; x.len()];
        for picture in 0..batch {
            for group in 0..groups {
                let places: Vec<usize> = (0..pixels)
                    .flat_map(|pixel| (0..each).map(move |c| (picture * pixels + pixel) * channels + group * each + c))
                    .collect();
                let numbers: Vec<f64> = places.iter().map(|at| f64::from(x[*at])).collect();
                for (at, normal) in places.into_iter().zip(normal(&numbers)) {
                    let y = normal * f64::from(weight[at % channels]) + f64::from(bias[at % channels]);
                    expected[at] = y / (1.0 + (-y).exp());
                }
            }
        }
        let mut out = vec![f32::NAN; x.len()];
        group_norm(&x, PictureShape { batch, pixels, channels }, groups, &weight, &bias, 1e-5, Activation::Silu, &mut out);
        assert_close(&out, &expected, 1e-4);

        let mut expected = Vec::new();
        for row in x.chunks(channels) {
            let numbers: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            expected.extend(normal(&numbers).iter().zip(weight.iter().zip(&bias)).map(|(y, (w, b))| y * f64::from(*w) + f64::from(*b)));
        }
        layer_norm(&x, channels, &weight, &bias, 1e-5, &mut out);
        // Of a few numbers close together, the variance itself is as small as what was rounded off of them.
        assert_close(&out, &expected, 2e-2);
    }
}

#[test]
fn activations_are_as_defined_from_end_to_end() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let defined = |activation, x: f64| match activation {
        Activation::Identity => x,
        Activation::Silu => x * sigmoid(x),
        Activation::QuickGelu => x * sigmoid(1.702 * x),
        // The series of the reference holds to |x| = 8; beyond, the function is x or 0.
        Activation::Gelu if x.abs() > 8.0 => x.max(0.0),
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => {
            x * 0.5 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
    };
    let x: Vec<f32> = (-4000..=4000).map(|i| i as f32 / 100.0).collect();
    let mut out = vec![0f32; x.len()];
    for activation in
        [Activation::Identity, Activation::Silu, Activation::QuickGelu, Activation::Gelu, Activation::GeluTanh]
    {
        activate(activation, &x, &mut out);
        let expected: Vec<f64> = x.iter().map(|x| defined(activation, f64::from(*x))).collect();
        assert_close(&out, &expected, 1e-6);
    }
}

#[test]
fn what_is_below_zero_is_multiplied_by_its_channels_slope() {
    // More than a task takes, in rows that are no whole number of vectors.
    let (channels, rows) = (19, 4000);
    let (x, slopes) = (noise(channels * rows, 3), noise(channels, 4));
    let mut out = vec![0f32; x.len()];
    rectify(&x, &slopes, &mut out);
    let expected: Vec<f32> =
        x.iter().zip(slopes.iter().cycle()).map(|(&x, slope)| if x < 0.0 { x * slope } else { x }).collect();
    assert_same_bytes(&out, &expected);
}

#[test]
fn what_is_not_a_number_or_not_finite_passes_through() {
    let mut out = [0f32; 4];
    rectify(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.5], &[0.25, 0.25], &mut out);
    assert!(out[0].is_nan(), "{out:?}");
    assert_same_bytes(&out[1..], &[f32::INFINITY, f32::NEG_INFINITY, -0.125]);
    activate(Activation::Silu, &[f32::NAN, f32::INFINITY, 1e30, -1e30], &mut out);
    assert!(out[0].is_nan(), "{out:?}");
    assert_same_bytes(&out[1..], &[f32::INFINITY, 1e30, -0.0]);
    for broken in [f32::NAN, f32::INFINITY] {
        let mut a = noise(40 * 20, 1);
        a[7 * 20 + 3] = broken;
        let mut out = vec![0f32; 40 * 9];
        let weight = Packed::new(Values::F32(&[1.0; 9 * 20]), 9, 20);
        multiply(&Matrix { data: &a, rows: 40, stride: 20 }, &weight, Epilogue::default(), &mut out);
        for (row, out) in out.chunks(9).enumerate() {
            assert!(out.iter().all(|y| y.is_finite() == (row != 7)), "row {row}");
        }
        attention(
            &a,
            &a,
            &a,
            AttentionShape { batch: 1, queries: 40, keys: 40, heads: 1, width: 20 },
            false,
            &mut vec![0.0; 800],
        );
    }
    let mut x = noise(6 * 10, 1);
    x[0] = f32::NAN;
    let mut out = vec![0f32; 60];
    let shape = PictureShape { batch: 1, pixels: 6, channels: 10 };
    group_norm(&x, shape, 2, &[1.0; 10], &[0.0; 10], 1e-5, Activation::Identity, &mut out);
    for pixel in out.chunks(10) {
        assert!(pixel[..5].iter().all(|y| y.is_nan()) && pixel[5..].iter().all(|y| y.is_finite()));
    }
}

#[test]
fn threads_and_batches_do_not_change_a_byte() {
    let (inputs, outputs, side) = (48, 64, 33);
    let (x, w) = (noise(2 * side * side * inputs, 1), noise(outputs * inputs * 9, 2));
    let conv = Conv::new(Values::F32(&w), outputs, inputs, 3, 1, (1, 1));
    let tokens = side * side;
    let run = |x: &[f32], batch: usize| {
        let mut hidden = vec![0f32; batch * tokens * outputs];
        conv.forward(x, (batch, side, side), false, Epilogue::default(), &mut hidden);
        let mut normal = vec![0f32; hidden.len()];
        let shape = PictureShape { batch, pixels: tokens, channels: outputs };
        let (one, zero) = (vec![1.0; outputs], vec![0.0; outputs]);
        group_norm(&hidden, shape, 8, &one, &zero, 1e-5, Activation::Silu, &mut normal);
        let mut out = vec![0f32; hidden.len()];
        let shape = AttentionShape { batch, queries: tokens, keys: tokens, heads: 2, width: outputs / 2 };
        attention(&normal, &normal, &normal, shape, false, &mut out);
        layer_norm(&out, outputs, &one, &zero, 1e-5, &mut normal);
        activate(Activation::Gelu, &normal, &mut out);
        out
    };
    let one = on_threads(1, || run(&x, 2));
    for threads in [2, 3, 5] {
        assert_same_bytes(&one, &on_threads(threads, || run(&x, 2)));
    }
    let half = x.len() / 2;
    assert_same_bytes(&one, &[run(&x[..half], 1), run(&x[half..], 1)].concat());
}
