use super::shared::{Shared, each};
use super::vector::{dispatch, gelu, gelu_tanh, put, take, times_sigmoid};
use crate::kernels::Activation;
use pulp::{Simd, WithSimd};

/// Numbers below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 15;

/// Each number of `x` (…, C) below zero multiplied by its channel's slope, of `slopes` (C).
pub(in crate::kernels) fn rectify(x: &[f32], slopes: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many numbers out as in");
    let channels = slopes.len();
    let at_once = (WORTH_A_THREAD / channels).max(1) * channels;
    let out = Shared::new(out);
    each(x.len().div_ceil(at_once), true, |task| {
        let x = &x[task * at_once..((task + 1) * at_once).min(x.len())];
        // SAFETY: tasks share no number.
        let out = unsafe { out.part(task * at_once, x.len()) };
        dispatch(Rectify { x, slopes, out });
    });
}

/// Applied to each number of `x`.
pub(in crate::kernels) fn activate(activation: Activation, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many numbers out as in");
    let out = Shared::new(out);
    each(x.len().div_ceil(WORTH_A_THREAD), true, |task| {
        let x = &x[task * WORTH_A_THREAD..((task + 1) * WORTH_A_THREAD).min(x.len())];
        // SAFETY: tasks share no number.
        let out = unsafe { out.part(task * WORTH_A_THREAD, x.len()) };
        dispatch(Activate { activation, x, out });
    });
}

struct Activate<'a> {
    activation: Activation,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (x, out) in self.x.chunks(S::F32_LANES).zip(self.out.chunks_mut(S::F32_LANES)) {
            let x = take(simd, x);
            let y = match self.activation {
                Activation::Identity => x,
                Activation::Silu => times_sigmoid(simd, x, 1.0),
                Activation::QuickGelu => times_sigmoid(simd, x, 1.702),
                Activation::Gelu => gelu(simd, x),
                Activation::GeluTanh => gelu_tanh(simd, x),
            };
            put(simd, out, y);
        }
    }
}

struct Rectify<'a> {
    x: &'a [f32],
    slopes: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let zero = simd.splat_f32s(0.0);
        let channels = self.slopes.len();
        for (x, out) in self.x.chunks(channels).zip(self.out.chunks_mut(channels)) {
            let lanes = S::F32_LANES;
            for ((x, slopes), out) in x.chunks(lanes).zip(self.slopes.chunks(lanes)).zip(out.chunks_mut(lanes)) {
                let x = take(simd, x);
                let falling = simd.mul_f32s(x, take(simd, slopes));
                put(simd, out, simd.select_f32s(simd.less_than_f32s(x, zero), falling, x));
            }
        }
    }
}
