//! Functions of one number, norms in bf16, what is not finite, and all of it once more with narrower vectors.

use super::*;
use crate::kernels::cpu::vector::{Vectors, dispatch, exp, power_of_two, put, take};
use pulp::{Simd, WithSimd};

/// A function applied to each number of a slice.
struct Map<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
    power_of_two: bool,
}

impl WithSimd for Map<'_> {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        for (x, out) in self.x.chunks(S::F32_LANES).zip(self.out.chunks_mut(S::F32_LANES)) {
            let x = take(simd, x);
            put(simd, out, if self.power_of_two { power_of_two(simd, x) } else { exp(simd, x) });
        }
    }
}

fn mapped(x: &[f32], power_of_two: bool) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len()];
    dispatch(Map { x, out: &mut out, power_of_two });
    out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn exponentials_are_right_to_two_units_in_the_last_place(x in proptest::collection::vec(-87.0..88.7f32, 1..70)) {
        for (found, x) in mapped(&x, false).iter().zip(&x) {
            let exact = f64::from(*x).exp();
            prop_assert!((f64::from(*found) - exact).abs() <= exact * 2.0 * f64::from(f32::EPSILON), "e^{x}: {found}, not {exact}");
        }
        let below: Vec<f32> = x.iter().map(|x| (x - 88.7) / 1.5).filter(|x| *x >= -126.0).collect();
        for (found, x) in mapped(&below, true).iter().zip(&below) {
            let exact = f64::from(*x).exp2();
            prop_assert!((f64::from(*found) - exact).abs() <= exact * 2.0 * f64::from(f32::EPSILON), "2^{x}: {found}, not {exact}");
        }
    }

    #[test]
    fn norms_in_bf16_are_those_of_f32_rounded(batch in 1..3usize, pixels in 1..90usize, groups in 1..5usize, each in 1..40usize) {
        let channels = groups * each;
        let (x, weight, bias) = (noise(batch * pixels * channels, 1), noise(channels, 2), noise(channels, 3));
        let (mut exact, mut found) = (vec![f32::NAN; x.len()], vec![bf16::NAN; x.len()]);
        let shape = PictureShape { batch, pixels, channels };
        group_norm(&x, shape, groups, &weight, &bias, 1e-5, Activation::Silu, &mut exact);
        group_norm(&x, shape, groups, &weight, &bias, 1e-5, Activation::Silu, &mut found);
        prop_assert_eq!(&found, &exact.iter().map(|y| bf16::from_f32(*y)).collect::<Vec<_>>());
        layer_norm(&x, channels, &weight, &bias, 1e-5, &mut exact);
        layer_norm(&x, channels, &weight, &bias, 1e-5, &mut found);
        prop_assert_eq!(&found, &exact.iter().map(|y| bf16::from_f32(*y)).collect::<Vec<_>>());
    }

    #[test]
    fn slopes_count_below_zero_whatever_the_channels(channels in 1..40usize, rows in 1..40usize) {
        let (x, slopes) = (noise(channels * rows, 1), noise(channels, 2));
        let mut out = vec![f32::NAN; x.len()];
        rectify(&x, &slopes, &mut out);
        let expected: Vec<f32> = x.iter().zip(slopes.iter().cycle()).map(|(&x, s)| if x < 0.0 { x * s } else { x }).collect();
        assert_same_bytes(&out, &expected);
    }
}

#[test]
fn exponentials_have_their_limits() {
    let found = mapped(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 89.0, -104.0, 0.0, -0.0, 1e-40], false);
    assert!(found[0].is_nan());
    assert_same_bytes(&found[1..], &[f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0, 1.0]);
    let found = mapped(&[f32::NAN, f32::NEG_INFINITY, -127.0], true);
    assert!(found[0].is_nan());
    assert_same_bytes(&found[1..], &[0.0, 0.0]);
}

/// Winograd's squares are six pixels wide: what is not finite reaches those results whose square has it, and no other.
#[test]
fn what_is_not_finite_stays_within_a_square_of_a_convolution() {
    let (side, channels) = (17, 12);
    let w = noise(5 * channels * 9, 2);
    let conv = Conv::new(Values::F32(&w), 5, channels, 3, 1, (1, 1));
    for broken in [f32::NAN, f32::INFINITY] {
        let mut x = noise(side * side * channels, 1);
        x[(8 * side + 9) * channels + 4] = broken;
        let mut out = vec![0f32; side * side * 5];
        conv.forward(&x, (1, side, side), false, Epilogue::default(), &mut out);
        for (pixel, out) in out.chunks(5).enumerate() {
            let (row, column) = (pixel / side, pixel % side);
            if row.abs_diff(8) <= 1 && column.abs_diff(9) <= 1 {
                assert!(out.iter().all(|y| !y.is_finite()), "at {row}, {column}");
            } else if row.abs_diff(8) > 4 || column.abs_diff(9) > 4 {
                assert!(out.iter().all(|y| y.is_finite()), "at {row}, {column}");
            }
        }
    }
}

#[test]
fn denormal_numbers_are_numbers() {
    let x = [1e-40f32, -1e-41, 3e-39, 0.0];
    let mut out = [0f32; 4];
    multiply(
        &Matrix { data: &x, rows: 1, stride: 4 },
        &Packed::new(Values::F32(&[1.0, 1.0, 1.0, 1.0]), 1, 4),
        Epilogue::default(),
        &mut out[..1],
    );
    assert_same_bytes(&out[..1], &[x.iter().sum()]);
    activate(Activation::Silu, &x, &mut out);
    assert_same_bytes(&out, &x.map(|x| x / 2.0));
}

/// All tests of the kernels again, in processes that use less of the machine.
#[test]
fn narrower_vectors_pass_the_same_tests() {
    if Vectors::allowed() != Vectors::All {
        return;
    }
    for vectors in ["scalar", "avx2", "avx512"] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let done = command.args(["kernels::cpu", "-q"]).env("SFUMATO_VECTORS", vectors).output().unwrap();
        assert!(done.status.success(), "{vectors}: {}", String::from_utf8_lossy(&done.stdout));
    }
}
