//! Products and convolutions of 8-bit integers, against what is made of the numbers that they stand for.

use super::*;
use crate::kernels::cpu::bytes::Kind;

/// What of this machine multiplies bytes, and what multiplies them anywhere.
fn kinds() -> impl Iterator<Item = Products> {
    [Kind::Numbers].into_iter().chain(Kind::all().iter().copied()).map(Products::Bytes)
}

/// What numbers are as levels between their least and their greatest.
fn levelled(numbers: &[f32]) -> Vec<f32> {
    let (least, greatest) = numbers.iter().fold((0f32, 0f32), |(least, greatest), x| (least.min(*x), greatest.max(*x)));
    let step = greatest / 255.0 - least / 255.0;
    if step == 0.0 {
        return vec![0.0; numbers.len()];
    }
    let zero = (-least / step).round();
    numbers.iter().map(|x| ((x * step.recip() + zero).clamp(0.0, 255.0).round_ties_even() - zero) * step).collect()
}

/// What the numbers of each output are as multiples of a 127th of the largest.
fn multiples(weight: &[f32], of_output: usize) -> Vec<f32> {
    let of = |weight: &[f32]| {
        let step = weight.iter().fold(0f32, |most, w| most.max(w.abs())) / 127.0;
        weight
            .iter()
            .map(|w| if step == 0.0 { 0.0 } else { (w * step.recip()).round_ties_even() * step })
            .collect::<Vec<_>>()
    };
    weight.chunks(of_output).flat_map(of).collect()
}

fn by_rows(numbers: &[f32], width: usize) -> Vec<f32> {
    numbers.chunks(width).flat_map(levelled).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_product_in_bytes_is_the_sum_of_products_of_levels(
        rows in 1..150usize, depth in 1..400usize, columns in 1..100usize, all in any::<bool>(), middle in -1.0..1.0f32,
    ) {
        let w: Vec<f32> = noise(columns * depth, 2).iter().map(|w| w / (depth as f32).sqrt()).collect();
        let a: Vec<f32> = noise(rows * depth, 1).iter().map(|a| a + middle).collect();
        let (bias, residual) = (noise(columns, 3), noise(rows * columns, 4));
        let epilogue = if all {
            Epilogue { bias: Some(&bias), shift: None, residual: Some(&residual) }
        } else {
            Epilogue::default()
        };
        let mut expected = product(&by_rows(&a, depth), &multiples(&w, depth), rows, depth);
        if all {
            for (at, expected) in expected.iter_mut().enumerate() {
                *expected += f64::from(bias[at % columns]) + f64::from(residual[at]);
            }
        }
        for kind in kinds() {
            let weight = Tiled::new(kind, Values::F32(&w), columns, depth);
            let mut out = vec![f32::NAN; rows * columns];
            multiply_by_tiles(&a, Walk::rows(rows), &weight, epilogue, &mut out);
            assert_close(&out, &expected, 1e-5);
        }
    }

    #[test]
    fn a_gated_product_in_bytes_is_the_first_half_times_gelu_of_the_second(
        rows in 1..70usize, depth in 1..200usize, columns in 1..60usize,
    ) {
        let w: Vec<f32> = noise(2 * columns * depth, 2).iter().map(|w| w / (depth as f32).sqrt()).collect();
        let (a, bias) = (noise(rows * depth, 1), noise(2 * columns, 3));
        let both = product(&by_rows(&a, depth), &multiples(&w, depth), rows, depth);
        let expected: Vec<f64> = (0..rows * columns)
            .map(|at| {
                let (row, column) = (at / columns, at % columns);
                let of = |column: usize| both[row * 2 * columns + column] + f64::from(bias[column]);
                of(column) * gelu(of(columns + column))
            })
            .collect();
        for kind in kinds() {
            let mut out = vec![f32::NAN; rows * columns];
            multiply_gated_by_tiles(&a, rows, &TiledGated::new(kind, Values::F32(&w), &bias, columns, depth), &mut out);
            assert_close(&out, &expected, 1e-5);
        }
    }

    #[test]
    fn a_convolution_in_bytes_is_the_sum_over_its_kernel_of_levels(
        (height, width, batch) in (1..14usize, prop_oneof![3 => 1..20usize, 1 => 60..140usize], 1..4usize),
        inputs in prop_oneof![8 => 1..40usize, 1 => 60..140usize],
        outputs in 1..40usize,
        walk in 0..6usize,
        doubled in any::<bool>(),
    ) {
        let (kernel, stride, padding) = [(1, 1, (0, 0)), (3, 1, (1, 1)), (3, 1, (1, 1)), (3, 2, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2))][walk];
        let of_output = inputs * kernel * kernel;
        let w: Vec<f32> = noise(outputs * of_output, 2).iter().map(|w| w / (of_output as f32).sqrt()).collect();
        let x: Vec<f32> = noise(batch * height * width * inputs, 1).iter().map(|x| x + 0.3).collect();
        let scale = if doubled { 2 } else { 1 };
        let reference = Conv::new(Values::F32(&multiples(&w, of_output)), outputs, inputs, kernel, stride, padding);
        let Some((rows, columns)) = reference.output_size(height * scale, width * scale) else { return Ok(()) };
        let residual = noise(batch * rows * columns * outputs, 3);
        let epilogue = Epilogue { bias: None, shift: None, residual: Some(&residual) };
        let at_once = if kernel == 1 && !doubled { inputs } else { height * width * inputs };
        let mut expected = vec![f32::NAN; residual.len()];
        reference.forward(&by_rows(&x, at_once), (batch, height, width), doubled, epilogue, &mut expected);
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        for kind in kinds() {
            let conv = Conv::tiled(kind, Values::F32(&w), outputs, inputs, kernel, stride, padding);
            let mut out = vec![f32::NAN; residual.len()];
            conv.forward_by_tiles(&x, (batch, height, width), doubled, epilogue, &mut out);
            assert_close(&out, &expected, 2e-5);
        }
    }
}

#[test]
fn whatever_multiplies_bytes_and_on_however_many_threads_they_are_the_same() {
    let (inputs, outputs, side) = (100, 64, 33);
    let (x, w) = (noise(2 * side * side * inputs, 1), noise(outputs * inputs * 9, 2));
    let run = |kind: Products, x: &[f32], batch: usize| {
        let conv = Conv::tiled(kind, Values::F32(&w), outputs, inputs, 3, 1, (1, 1));
        let mut hidden = vec![0f32; batch * side * side * outputs];
        conv.forward_by_tiles(x, (batch, side, side), false, Epilogue::default(), &mut hidden);
        let weight = Tiled::new(kind, Values::F32(&w[..outputs * outputs]), outputs, outputs);
        let mut found = vec![0f32; hidden.len()];
        multiply_by_tiles(&hidden, Walk::rows(batch * side * side), &weight, Epilogue::default(), &mut found);
        found
    };
    let one = on_threads(1, || run(Products::Bytes(Kind::Numbers), &x, 2));
    for kind in kinds() {
        for threads in [1, 2, 3] {
            assert_same_bytes(&one, &on_threads(threads, || run(kind, &x, 2)));
        }
        let half = x.len() / 2;
        assert_same_bytes(&one, &[run(kind, &x[..half], 1), run(kind, &x[half..], 1)].concat());
    }
}

#[test]
fn a_weight_of_halves_is_as_one_of_the_same_numbers() {
    let halves: Vec<f16> = noise(40 * 70, 1).iter().map(|x| f16::from_f32(*x)).collect();
    let wide: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
    let narrow: Vec<bf16> = wide.iter().map(|x| bf16::from_f32(*x)).collect();
    let narrow_wide: Vec<f32> = narrow.iter().map(|x| x.to_f32()).collect();
    let a = noise(9 * 70, 2);
    let of = |values: Values<'_>| {
        let mut out = vec![0f32; 9 * 40];
        let weight = Tiled::new(Products::Bytes(Kind::Numbers), values, 40, 70);
        multiply_by_tiles(&a, Walk::rows(9), &weight, Epilogue::default(), &mut out);
        out
    };
    assert_same_bytes(&of(Values::F16(&halves)), &of(Values::F32(&wide)));
    assert_same_bytes(&of(Values::Bf16(&narrow)), &of(Values::F32(&narrow_wide)));
}

#[test]
fn what_is_no_number_stays_in_its_row_of_bytes_and_what_is_nothing_is_nothing() {
    for (kind, broken) in
        kinds().flat_map(|kind| [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|broken| (kind, broken)))
    {
        let mut a = noise(40 * 70, 1);
        a[7 * 70 + 3] = broken;
        a[8 * 70..9 * 70].fill(0.0);
        a[9 * 70..10 * 70].fill(1e-42);
        a[10 * 70..11 * 70].iter_mut().zip([f32::MAX, f32::MIN].into_iter().cycle()).for_each(|(a, x)| *a = x);
        let mut out = vec![f32::NAN; 40 * 9];
        let weight = Tiled::new(kind, Values::F32(&[1.0 / 70.0; 9 * 70]), 9, 70);
        multiply_by_tiles(&a, Walk::rows(40), &weight, Epilogue::default(), &mut out);
        for (row, out) in out.chunks(9).enumerate() {
            assert!(out.iter().all(|y| y.is_finite() == (row != 7)), "{kind:?}, row {row}: {out:?}");
        }
        assert!(out[8 * 9..10 * 9].iter().all(|y| *y == 0.0));
    }
    let weight = Tiled::new(Products::Bytes(Kind::Numbers), Values::F32(&[f32::NAN, 1.0, 0.5, 0.5]), 2, 2);
    let mut out = [0f32; 2];
    multiply_by_tiles(&[1.0, 1.0], Walk::rows(1), &weight, Epilogue::default(), &mut out);
    assert!(out[0].is_nan() && (out[1] - 1.0).abs() < 1e-2, "{out:?}");
}
