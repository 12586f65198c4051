//! What pulp's vectors lack: loads by pointer, and the exponential and error functions.

use pulp::{Arch, Simd, WithSimd};
use std::sync::LazyLock;

/// What of the machine's vectors is used: tests name less than there is in `SFUMATO_VECTORS`, so that one machine runs what others will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Vectors {
    Scalar,
    Avx2,
    Avx512,
    All,
}

impl Vectors {
    pub(super) fn allowed() -> Self {
        static ALLOWED: LazyLock<Vectors> = LazyLock::new(|| match std::env::var("SFUMATO_VECTORS").as_deref() {
            Ok("scalar") => Vectors::Scalar,
            Ok("avx2") => Vectors::Avx2,
            Ok("avx512") => Vectors::Avx512,
            _ => Vectors::All,
        });
        *ALLOWED
    }
}

/// Runs `work` with the widest vectors of this machine.
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    static ARCH: LazyLock<Arch> = LazyLock::new(|| match Vectors::allowed() {
        Vectors::Scalar => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx2 => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    });
    ARCH.dispatch(work)
}

/// How many f32 a vector of this machine holds.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}

/// # Safety
/// A whole vector must be readable at `from`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(_: S, from: *const f32) -> S::f32s {
    // SAFETY: promised by the caller; a vector may be read from any place and is any bytes.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// A whole vector must be writable at `to`.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(_: S, to: *mut f32, value: S::f32s) {
    // SAFETY: promised by the caller.
    unsafe { to.cast::<S::f32s>().write_unaligned(value) }
}

/// A vector of the numbers there are, zeros behind them.
#[inline(always)]
pub(super) fn take<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    if from.len() >= S::F32_LANES {
        // SAFETY: it is a whole vector.
        unsafe { load(simd, from.as_ptr()) }
    } else {
        simd.partial_load_f32s(from)
    }
}

/// Stores as many numbers as there is room for.
#[inline(always)]
pub(super) fn put<S: Simd>(simd: S, to: &mut [f32], value: S::f32s) {
    if to.len() >= S::F32_LANES {
        // SAFETY: it is a whole vector.
        unsafe { store(simd, to.as_mut_ptr(), value) }
    } else {
        simd.partial_store_f32s(to, value);
    }
}

/// e^x to 2 ulp: 2^n · e^r with n whole and |r| ≤ ½ ln 2, a polynomial of degree 6 (Taylor's, whose rest is below half an ulp
/// there). Below -87.3 it is 0 but for NaN, above 88.7 infinity.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5 · 2²³ rounds to whole numbers, which then stand in the low bits.
    let magic = simd.splat_f32s(12_582_912.0);
    let clamped = simd.max_f32s(simd.min_f32s(x, simd.splat_f32s(89.0)), simd.splat_f32s(-88.0));
    let shifted = simd.mul_add_e_f32s(clamped, simd.splat_f32s(std::f32::consts::LOG2_E), magic);
    let n = simd.sub_f32s(shifted, magic);
    // ln 2 in two parts, the first exact in few bits: Cody & Waite 1980.
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-0.693_359_4), clamped);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let mut y = simd.splat_f32s(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        y = simd.mul_add_e_f32s(y, r, simd.splat_f32s(coefficient));
    }
    // 2^n in two factors, so that neither leaves the range of exponents.
    let bits = simd.transmute_u32s_f32s(shifted);
    let twenty_three = simd.splat_u32s(23);
    let half = simd.wrapping_dyn_shr_u32s(simd.sub_u32s(bits, simd.splat_u32s(0x4B40_0000 - 512)), simd.splat_u32s(1));
    let rest = simd.sub_u32s(simd.sub_u32s(bits, simd.splat_u32s(0x4B40_0000 - 512)), half);
    let bias = simd.splat_u32s(127_u32.wrapping_sub(256));
    for exponent in [half, rest] {
        let power = simd.wrapping_dyn_shl_u32s(simd.add_u32s(exponent, bias), twenty_three);
        y = simd.mul_f32s(y, simd.transmute_f32s_u32s(power));
    }
    let y = simd.select_f32s(simd.less_than_f32s(x, simd.splat_f32s(-87.336_54)), simd.splat_f32s(0.0), y);
    let y = simd.select_f32s(simd.greater_than_f32s(x, simd.splat_f32s(88.722_83)), simd.splat_f32s(f32::INFINITY), y);
    simd.select_f32s(simd.equal_f32s(x, x), y, x)
}

/// 2^x of x ≤ 0 to 2 ulp: 2^n · 2^r with n whole and |r| ≤ ½, a polynomial of degree 5 (Remez's). Below -126 it is 0.
#[inline(always)]
pub(super) fn power_of_two<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let vanishes = simd.less_than_f32s(x, simd.splat_f32s(-126.0));
    let t = simd.select_f32s(vanishes, simd.splat_f32s(0.0), x);
    // Adding 1.5 · 2²³ rounds to whole numbers; with 127 more, the low bits hold the exponent of 2^n.
    let magic = simd.splat_f32s(12_583_039.0);
    let shifted = simd.add_f32s(t, magic);
    let r = simd.sub_f32s(t, simd.sub_f32s(shifted, magic));
    let mut y = simd.splat_f32s(0.001_327_647_2);
    for coefficient in [0.009_675_541, 0.055_507_13, 0.240_221_2, 0.693_146_94, 1.000_000_1] {
        y = simd.mul_add_e_f32s(y, r, simd.splat_f32s(coefficient));
    }
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let y = simd.mul_f32s(y, simd.transmute_f32s_u32s(power));
    simd.select_f32s(vanishes, simd.splat_f32s(0.0), y)
}

/// x · sigmoid(factor · x).
#[inline(always)]
pub(super) fn times_sigmoid<S: Simd>(simd: S, x: S::f32s, factor: f32) -> S::f32s {
    let e = exp(simd, simd.mul_f32s(x, simd.splat_f32s(-factor)));
    simd.div_f32s(x, simd.add_f32s(simd.splat_f32s(1.0), e))
}

/// x · Φ(x), by the error function to 2e-7: Abramowitz & Stegun 1964, 7.1.26, is good to 1.5e-7.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let z = simd.mul_f32s(simd.abs_f32s(x), simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.div_f32s(one, simd.mul_add_e_f32s(z, simd.splat_f32s(0.327_591_1), one));
    let mut y = simd.splat_f32s(1.061_405_4);
    for coefficient in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        y = simd.mul_add_e_f32s(y, t, simd.splat_f32s(coefficient));
    }
    let tail = simd.mul_f32s(simd.mul_f32s(y, t), exp(simd, simd.mul_f32s(simd.neg_f32s(z), z)));
    // Φ of -|x| is tail / 2: where x is negative that is the answer, and nothing cancels.
    let half_tail = simd.mul_f32s(tail, simd.splat_f32s(0.5));
    let positive = simd.sub_f32s(one, half_tail);
    let phi = simd.select_f32s(simd.less_than_f32s(x, simd.splat_f32s(0.0)), half_tail, positive);
    simd.mul_f32s(x, phi)
}

/// The tanh approximation of [`gelu`]: x · sigmoid(2 · √(2/π) · (x + 0.044715 x³)), which is the same.
#[inline(always)]
pub(super) fn gelu_tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let cubic = simd.mul_f32s(simd.mul_f32s(x, x), x);
    let inner = simd.mul_add_e_f32s(cubic, simd.splat_f32s(0.044_715), x);
    let e = exp(simd, simd.mul_f32s(inner, simd.splat_f32s(-1.595_769)));
    simd.div_f32s(x, simd.add_f32s(simd.splat_f32s(1.0), e))
}
