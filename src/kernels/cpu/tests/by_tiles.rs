//! Products, convolutions and attention of rounded numbers: against the definition, or against what f32 makes of the same rounded numbers.
//! Those of split numbers stand beside f32's own in the tests above, and here where they are held against themselves.

use super::*;
use crate::kernels::cpu::rounding::{Number, lay_row_split, round_halves, split};

/// What of this machine multiplies bf16, and what multiplies it anywhere.
fn kinds() -> Vec<Kind> {
    match Kind::best() {
        #[cfg(target_arch = "x86_64")]
        Some(Kind::Tiles) => vec![Kind::Numbers, Kind::Vectors, Kind::Tiles],
        best => [Kind::Numbers].into_iter().chain(best).collect(),
    }
}

fn rounding(kind: Kind) -> Tiling {
    Tiling { kind, parts: Parts::One }
}

fn rounded(numbers: &[f32]) -> Vec<f32> {
    numbers.iter().map(|number| bf16::from_f32(*number).to_f32()).collect()
}

fn narrow(numbers: &[f32]) -> Vec<bf16> {
    numbers.iter().map(|number| bf16::from_f32(*number)).collect()
}

#[test]
fn what_is_read_after_a_step_goes_on_into_the_next_panel_and_ends_with_the_weight() {
    let weight = Tiled::new(rounding(Kind::Numbers), Values::F32(&vec![1.0; 64 * 96]), 64, 96);
    assert!(std::ptr::eq(weight.after(0, 3, 3), weight.rounded(1, 0..3)));
    assert!(std::ptr::eq(weight.after(0, 1, 1), weight.rounded(0, 1..2)));
    let over_both = weight.after(0, 2, 2);
    assert_eq!((over_both.as_ptr(), over_both.len()), (weight.rounded(0, 2..3).as_ptr(), 2 * tiles::STEP));
    assert!(std::ptr::eq(weight.after(1, 2, 3), weight.rounded(1, 2..3)));
    assert!(weight.after(1, 3, 3).is_empty());
}

#[test]
fn rounding_to_bf16_is_to_the_nearest_and_then_to_the_even_one() {
    for bits in (0..=u32::MAX).step_by(4099).chain([
        0x3F80_8000,
        0x3F81_8000,
        0x7F7F_FFFF,
        0x7F80_0000,
        0x7F80_0001,
        0xFFFF_FFFF,
    ]) {
        let x = f32::from_bits(bits);
        assert_eq!(bf16::of(x).to_bits(), bf16::from_f32(x).to_bits(), "{x}");
    }
}

#[test]
fn every_f16_is_rounded_to_the_nearest_bf16() {
    for first in (0..=u16::MAX).step_by(32) {
        let mut line = [tiles::Line::ZERO];
        (first..=first + 31).zip(&mut line[0].0).for_each(|(bits, half)| *half = bits);
        round_halves(&mut line);
        for (bits, found) in (first..=first + 31).zip(line[0].0) {
            let wide = f16::from_bits(bits).to_f32();
            assert!(
                found == bf16::from_f32(wide).to_bits() || wide.is_nan() && bf16::from_bits(found).is_nan(),
                "{wide}"
            );
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_product_in_bf16_is_the_sum_of_products_of_rounded_numbers(
        rows in 1..150usize, depth in 1..300usize, columns in 1..100usize, all in any::<bool>(),
    ) {
        let w: Vec<f32> = noise(columns * depth, 2).iter().map(|w| w / (depth as f32).sqrt()).collect();
        let a = noise(rows * depth, 1);
        let (bias, residual) = (noise(columns, 3), noise(rows * columns, 4));
        let shift = noise(rows.div_ceil(3) * columns, 5);
        let epilogue = if all {
            Epilogue { bias: Some(&bias), shift: Some((&shift, 3)), residual: Some(&residual) }
        } else {
            Epilogue::default()
        };
        let mut expected = product(&rounded(&a), &rounded(&w), rows, depth);
        if all {
            for (at, expected) in expected.iter_mut().enumerate() {
                let (row, column) = (at / columns, at % columns);
                *expected += f64::from(bias[column]) + f64::from(shift[row / 3 * columns + column]) + f64::from(residual[at]);
            }
        }
        for kind in kinds() {
            let weight = Tiled::new(rounding(kind), Values::F32(&w), columns, depth);
            let mut out = vec![f32::NAN; rows * columns];
            multiply_by_tiles(&a, Walk::rows(rows), &weight, epilogue, &mut out);
            assert_close(&out, &expected, 2e-6);
            let (mut again, mut rounded) = (out.clone(), vec![bf16::NAN; out.len()]);
            multiply_by_tiles(&narrow(&a), Walk::rows(rows), &weight, epilogue, &mut again);
            assert_same_bytes(&out, &again);
            multiply_by_tiles(&a, Walk::rows(rows), &weight, epilogue, &mut rounded);
            prop_assert_eq!(rounded, narrow(&out));
        }
    }

    #[test]
    fn a_gated_product_in_bf16_is_the_first_half_times_gelu_of_the_second(
        rows in 1..70usize, depth in 1..200usize, columns in 1..60usize,
    ) {
        let w: Vec<f32> = noise(2 * columns * depth, 2).iter().map(|w| w / (depth as f32).sqrt()).collect();
        let (a, bias) = (noise(rows * depth, 1), noise(2 * columns, 3));
        let both = product(&rounded(&a), &rounded(&w), rows, depth);
        let expected: Vec<f64> = (0..rows * columns)
            .map(|at| {
                let (row, column) = (at / columns, at % columns);
                let of = |column: usize| both[row * 2 * columns + column] + f64::from(bias[column]);
                of(column) * gelu(of(columns + column))
            })
            .collect();
        for kind in kinds() {
            let mut out = vec![f32::NAN; rows * columns];
            multiply_gated_by_tiles(&a, rows, &TiledGated::new(rounding(kind), Values::F32(&w), &bias, columns, depth), &mut out);
            assert_close(&out, &expected, 1e-5);
        }
    }

    #[test]
    fn a_convolution_in_bf16_is_the_sum_over_its_kernel_of_rounded_numbers(
        (height, width, batch) in (1..14usize, prop_oneof![3 => 1..20usize, 1 => 60..140usize], 1..4usize),
        inputs in prop_oneof![8 => 1..40usize, 1 => 60..100usize],
        outputs in 1..40usize,
        kind in 0..6usize,
        doubled in any::<bool>(),
    ) {
        let (kernel, stride, padding) = [(1, 1, (0, 0)), (3, 1, (1, 1)), (3, 1, (1, 1)), (3, 2, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2))][kind];
        let size = ((inputs * kernel * kernel) as f32).sqrt();
        let w: Vec<f32> = noise(outputs * inputs * kernel * kernel, 2).iter().map(|w| w / size).collect();
        let x = noise(batch * height * width * inputs, 1);
        let scale = if doubled { 2 } else { 1 };
        let reference = Conv::new(Values::F32(&rounded(&w)), outputs, inputs, kernel, stride, padding);
        let Some((rows, columns)) = reference.output_size(height * scale, width * scale) else { return Ok(()) };
        let residual = noise(batch * rows * columns * outputs, 3);
        let shift = noise(batch * outputs, 4);
        let epilogue = Epilogue { bias: None, shift: Some((&shift, rows * columns)), residual: Some(&residual) };
        // What f32 makes of rounded numbers; the test above holds it against the definition.
        let mut expected = vec![f32::NAN; residual.len()];
        reference.forward(&rounded(&x), (batch, height, width), doubled, epilogue, &mut expected);
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        for kind in kinds() {
            let conv = Conv::tiled(rounding(kind), Values::F32(&w), outputs, inputs, kernel, stride, padding);
            let mut out = vec![f32::NAN; residual.len()];
            conv.forward_by_tiles(&x, (batch, height, width), doubled, epilogue, &mut out);
            assert_close(&out, &expected, 2e-5);
        }
    }

    #[test]
    fn attention_in_bf16_is_the_weighted_mean_of_values(
        (batch, heads, width) in (1..3usize, 1..4usize, 1..90usize),
        (queries, keys) in (1..150usize, 1..600usize),
        causal in any::<bool>(),
    ) {
        let channels = heads * width;
        let (q, k, v) = (noise(batch * queries * channels, 1), noise(batch * keys * channels, 2), noise(batch * keys * channels, 3));
        let q: Vec<f32> = q.iter().map(|q| q * 10.0).collect();
        let (q, k, v) = (narrow(&q), narrow(&k), narrow(&v));
        let wide = |x: &[bf16]| x.iter().map(|x| x.to_f32()).collect::<Vec<_>>();
        let shape = AttentionShape { batch, queries, keys, heads, width };
        // What f32 makes of the same numbers; a test of its own holds it against the definition.
        let mut expected = vec![f32::NAN; q.len()];
        attention(&wide(&q), &wide(&k), &wide(&v), shape, causal, &mut expected);
        for kind in kinds() {
            let mut out = vec![bf16::NAN; q.len()];
            attention_by_tiles(rounding(kind), (&q, &k, &v), shape, causal, &mut out);
            for (found, expected) in out.iter().zip(&expected) {
                // Weights are rounded by half a 2⁻⁸ each, and so is the result; values are up to 1.
                prop_assert!((found.to_f32() - expected).abs() <= 1.0 / 128.0, "{kind:?}: {found} instead of {expected}");
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: config().cases.div_ceil(2), ..config() })]

    #[test]
    fn a_changed_convolution_by_tiles_is_the_sum_over_its_kernel(
        (height, width, batch) in (up_to(40), up_to(40), 1..3usize),
        inputs in prop_oneof![8 => 1..70usize, 1 => 510..560usize],
        outputs in up_to(100),
        doubled in any::<bool>(),
    ) {
        let inputs = if cfg!(miri) { inputs % 40 + 1 } else { inputs };
        let size = ((inputs * 9) as f32).sqrt();
        let w: Vec<f32> = noise(outputs * inputs * 9, 2).iter().map(|w| w / size).collect();
        let x = noise(batch * height * width * inputs, 1);
        let scale = if doubled { 2 } else { 1 };
        let (rows, columns) = (height * scale, width * scale);
        let (bias, residual) = (noise(outputs, 4), noise(batch * rows * columns * outputs, 3));
        let shift = noise(batch * outputs, 5);
        let shift = Some((&*shift, rows * columns));
        let epilogue = Epilogue { bias: Some(&bias), shift, residual: Some(&residual) };
        // What f32 makes of it; the tests above hold that against the definition.
        let mut expected = vec![f32::NAN; residual.len()];
        let reference = Conv::new(Values::F32(&w), outputs, inputs, 3, 1, (1, 1));
        reference.forward(&x, (batch, height, width), doubled, epilogue, &mut expected);
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        let seen = winograd::Seen { x: &x, batch, height: rows, width: columns, scale };
        for tiling in splitting() {
            let weight = Tiled::of_taps(tiling.into(), Values::F32(&w), outputs, inputs, 9);
            let mut out = vec![f32::NAN; residual.len()];
            winograd_by_tiles::convolve(seen, &weight, epilogue, &mut out);
            // As in the test above.
            assert_close(&out, &expected, 4.0 * SPLIT);
        }
    }
}

#[test]
fn the_weights_of_a_changed_convolution_are_those_that_are_stored() {
    let (inputs, outputs, side) = (40, 70, 9);
    let (x, w) = (noise(side * side * inputs, 1), noise(outputs * inputs * 9, 2));
    let halves: Vec<f16> = w.iter().map(|w| f16::from_f32(*w)).collect();
    let widened: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
    let wide_rounded = rounded(&w);
    for tiling in splitting() {
        let run = |values: Values<'_>| {
            let weight = Tiled::of_taps(tiling.into(), values, outputs, inputs, 9);
            let mut out = vec![f32::NAN; side * side * outputs];
            let seen = winograd::Seen { x: &x, batch: 1, height: side, width: side, scale: 1 };
            winograd_by_tiles::convolve(seen, &weight, Epilogue::default(), &mut out);
            out
        };
        assert_same_bytes(&run(Values::F16(&halves)), &run(Values::F32(&widened)));
        assert_same_bytes(&run(Values::Bf16(&narrow(&w))), &run(Values::F32(&wide_rounded)));
    }
}

#[test]
fn what_is_not_finite_stays_within_a_square_of_a_changed_convolution() {
    let (side, channels, outputs) = (25, 33, 5);
    let w = noise(outputs * channels * 9, 2);
    for tiling in splitting() {
        let conv = Conv::tiled(tiling, Values::F32(&w), outputs, channels, 3, 1, (1, 1));
        for broken in [f32::NAN, f32::INFINITY] {
            let mut x = noise(side * side * channels, 1);
            x[(8 * side + 9) * channels + 32] = broken;
            let mut out = vec![0f32; side * side * outputs];
            conv.forward_by_tiles(&x, (1, side, side), false, Epilogue::default(), &mut out);
            for (pixel, out) in out.chunks(outputs).enumerate() {
                let (row, column) = (pixel / side, pixel % side);
                if row.abs_diff(8) <= 1 && column.abs_diff(9) <= 1 {
                    assert!(out.iter().all(|y| !y.is_finite()), "at {row}, {column}");
                } else if row.abs_diff(8) > 4 || column.abs_diff(9) > 4 {
                    assert!(out.iter().all(|y| y.is_finite()), "at {row}, {column}");
                }
            }
        }
    }
}

#[test]
fn scores_as_large_as_they_get_leave_weights_that_sum_to_one_in_bf16() {
    let (one, many) = (vec![bf16::from_f32(5e4); 64], vec![bf16::from_f32(5e4); 3 * 64]);
    let values = narrow(&noise(3 * 64, 4));
    for kind in kinds() {
        let mut out = vec![bf16::NAN; 64];
        let shape = AttentionShape { batch: 1, queries: 1, keys: 3, heads: 1, width: 64 };
        attention_by_tiles(rounding(kind), (&one, &many, &values), shape, false, &mut out);
        for (column, found) in out.iter().enumerate() {
            let mean = (0..3).map(|key| values[key * 64 + column].to_f32()).sum::<f32>() / 3.0;
            assert!((found.to_f32() - mean).abs() <= 1.0 / 128.0, "{kind:?}: {found} instead of {mean}");
        }
    }
}

#[test]
fn threads_and_batches_do_not_change_a_byte_in_bf16() {
    let Some(kind) = Kind::best() else { return };
    let (inputs, outputs, side) = (48, 64, 33);
    let (x, w) = (noise(2 * side * side * inputs, 1), noise(outputs * inputs * 9, 2));
    let conv = Conv::tiled(rounding(kind), Values::F32(&w), outputs, inputs, 3, 1, (1, 1));
    let tokens = side * side;
    let run = |x: &[f32], batch: usize| {
        let mut hidden = vec![0f32; batch * tokens * outputs];
        conv.forward_by_tiles(x, (batch, side, side), false, Epilogue::default(), &mut hidden);
        let mut normal = vec![bf16::ZERO; hidden.len()];
        layer_norm(&hidden, outputs, &vec![1.0; outputs], &vec![0.0; outputs], 1e-5, &mut normal);
        let mut found = normal.clone();
        let shape = AttentionShape { batch, queries: tokens, keys: tokens, heads: 2, width: outputs / 2 };
        attention_by_tiles(rounding(kind), (&normal, &normal, &normal), shape, false, &mut found);
        let weight = Tiled::new(rounding(kind), Values::F32(&w[..outputs * outputs]), outputs, outputs);
        multiply_by_tiles(&found, Walk::rows(batch * tokens), &weight, Epilogue::default(), &mut hidden);
        hidden
    };
    let one = on_threads(1, || run(&x, 2));
    for threads in [2, 3, 5] {
        assert_same_bytes(&one, &on_threads(threads, || run(&x, 2)));
    }
    let half = x.len() / 2;
    assert_same_bytes(&one, &[run(&x[..half], 1), run(&x[half..], 1)].concat());
}

#[test]
fn threads_and_batches_do_not_change_a_byte_of_what_is_split() {
    for tiling in splitting() {
        // More steps than are split at once, in a convolution that is changed and in one that is not.
        for side in [17, 25] {
            let (inputs, outputs) = (100, 64);
            let (x, w) = (noise(2 * side * side * inputs, 1), noise(outputs * inputs * 9, 2));
            let halves: Vec<f16> = w.iter().map(|w| f16::from_f32(*w)).collect();
            let conv = Conv::tiled(tiling, Values::F16(&halves), outputs, inputs, 3, 1, (1, 1));
            let tokens = side * side;
            let run = |x: &[f32], batch: usize| {
                let mut hidden = vec![0f32; batch * tokens * outputs];
                conv.forward_by_tiles(x, (batch, side, side), false, Epilogue::default(), &mut hidden);
                let mut found = hidden.clone();
                let shape = AttentionShape { batch, queries: tokens, keys: tokens, heads: 2, width: outputs / 2 };
                attention_by_tiles(tiling, (&*hidden, &*hidden, &*hidden), shape, false, &mut found);
                let weight = Tiled::new(tiling, Values::F32(&w[..outputs * outputs]), outputs, outputs);
                multiply_by_tiles(&found, Walk::rows(batch * tokens), &weight, Epilogue::default(), &mut hidden);
                hidden
            };
            let one = on_threads(1, || run(&x, 2));
            for threads in [2, 3] {
                assert_same_bytes(&one, &on_threads(threads, || run(&x, 2)));
            }
            let half = x.len() / 2;
            assert_same_bytes(&one, &[run(&x[..half], 1), run(&x[half..], 1)].concat());
        }
    }
}

#[test]
fn a_number_and_what_it_lacks_keep_sixteen_bits() {
    for bits in (0..=u32::MAX).step_by(4099).chain([0x7F80_0000, 0x7F80_0001, 0xFFFF_FFFF, 0xFF80_0000]) {
        let x = f32::from_bits(bits);
        let [high, low] = split(x).map(|part| bf16::from_bits(part).to_f32());
        if !x.is_finite() || high.is_infinite() {
            assert!(low == 0.0 && (high.is_nan() == x.is_nan()), "{x}: {high} and {low}");
        } else if x.abs() > 1e-30 {
            assert!(((x - high) - low).abs() <= x.abs() / 65536.0, "{x}: {high} and {low}");
        }
    }
    let row = noise(3 * 32 + 5, 1);
    let (mut lines, tiles) = ([tiles::Line::ZERO; 8], 4);
    lay_row_split(&row, &mut lines, 1, tiles);
    for (at, x) in row.iter().enumerate() {
        assert_eq!([lines[at / 32].0[at % 32], lines[tiles + at / 32].0[at % 32]], split(*x), "{x}");
    }
}

#[test]
fn what_is_not_a_number_stays_in_its_row_in_bf16() {
    for (kind, broken) in kinds().into_iter().flat_map(|kind| [(kind, f32::NAN), (kind, f32::INFINITY)]) {
        let mut a = noise(40 * 20, 1);
        a[7 * 20 + 3] = broken;
        let mut out = vec![0f32; 40 * 9];
        for tiling in splitting().chain([rounding(kind)]) {
            let weight = Tiled::new(tiling, Values::F32(&[1.0; 9 * 20]), 9, 20);
            multiply_by_tiles(&a, Walk::rows(40), &weight, Epilogue::default(), &mut out);
            for (row, out) in out.chunks(9).enumerate() {
                assert!(out.iter().all(|y| y.is_finite() == (row != 7)), "{tiling:?}, row {row}");
            }
        }
    }
}
