use super::shared::{Shared, each};
use super::vector::{dispatch, gelu, gelu_tanh, put, take, times_sigmoid};
use crate::kernels::Activation;
use pulp::{Simd, WithSimd};

/// Numbers below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 15;

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
