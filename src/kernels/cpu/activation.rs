use super::vector::{dispatch, gelu, gelu_tanh, times_sigmoid};
use crate::kernels::Activation;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Numbers below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 15;

/// Applied to each number of `x`.
pub(in crate::kernels) fn activate(activation: Activation, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many numbers out as in");
    let run = |(x, out): (&[f32], &mut [f32])| dispatch(Activate { activation, x, out });
    if x.len() <= WORTH_A_THREAD || rayon::current_num_threads() == 1 {
        run((x, out));
    } else {
        x.par_chunks(WORTH_A_THREAD).zip(out.par_chunks_mut(WORTH_A_THREAD)).for_each(run);
    }
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
        match self.activation {
            Activation::Identity => self.out.copy_from_slice(self.x),
            Activation::Silu => each(simd, self.x, self.out, |x| times_sigmoid(simd, x, 1.0)),
            Activation::QuickGelu => each(simd, self.x, self.out, |x| times_sigmoid(simd, x, 1.702)),
            Activation::Gelu => each(simd, self.x, self.out, |x| gelu(simd, x)),
            Activation::GeluTanh => each(simd, self.x, self.out, |x| gelu_tanh(simd, x)),
        }
    }
}

#[inline(always)]
fn each<S: Simd>(simd: S, x: &[f32], out: &mut [f32], function: impl Fn(S::f32s) -> S::f32s) {
    for (x, out) in x.chunks(S::F32_LANES).zip(out.chunks_mut(S::F32_LANES)) {
        simd.partial_store_f32s(out, function(simd.partial_load_f32s(x)));
    }
}
