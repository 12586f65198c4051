//! The machine's limit: how many multiply-adds of f32 it makes in a second when they wait for nothing. What the compiler could
//! work out by itself, it is not told (`black_box`).

use std::hint::black_box;
use std::time::Instant;

/// Multiply-adds under way at once in a thread: enough to fill two units with a latency of six cycles.
const CHAINS: usize = 12;
const ROUNDS: u64 = 10_000_000;

/// The widest vectors of floating-point numbers that this processor has, as [`gflops`] uses them.
pub(crate) fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "AVX2 and FMA";
        }
    }
    if cfg!(target_arch = "aarch64") { "NEON" } else { "what the compiler assumes" }
}

/// 10⁹ floating-point operations a second, of so many threads together: the best of five tries.
pub(crate) fn gflops(threads: usize) -> f64 {
    (0..5).map(|_| once(threads)).fold(0.0, f64::max)
}

fn once(threads: usize) -> f64 {
    let started = Instant::now();
    let operations: f64 = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(spin)).collect();
        all.into_iter().map(|one| one.join().expect("a sum does not panic")).sum()
    });
    operations / started.elapsed().as_secs_f64() / 1e9
}

/// Computes for a while; how many operations that were.
fn spin() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        #[expect(unsafe_code, reason = "what needs vectors is called where they were found")]
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: just found.
            black_box(unsafe { x86::spin_512(black_box(ROUNDS)) });
            return operations(16);
        } else if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            // SAFETY: just found.
            black_box(unsafe { x86::spin_256(black_box(ROUNDS)) });
            return operations(8);
        }
    }
    let (factor, addend) = (black_box(0.999_999), black_box(1e-6));
    let mut sums = black_box([[1f32; 4]; CHAINS]);
    for _ in 0..black_box(ROUNDS) {
        for lane in sums.iter_mut().flatten() {
            *lane = lane.mul_add(factor, addend);
        }
    }
    black_box(sums);
    operations(4)
}

fn operations(lanes: usize) -> f64 {
    2.0 * (lanes * CHAINS) as f64 * ROUNDS as f64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, black_box};
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm512_add_ps,
        _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    #[target_feature(enable = "avx512f")]
    pub(super) fn spin_512(rounds: u64) -> f32 {
        let (factor, addend) = (_mm512_set1_ps(black_box(0.999_999)), _mm512_set1_ps(black_box(1e-6)));
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        for sum in &mut sums {
            *sum = _mm512_set1_ps(black_box(1.0));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, addend);
            }
        }
        _mm512_reduce_add_ps(sums.into_iter().fold(_mm512_setzero_ps(), |a, b| _mm512_add_ps(a, b)))
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn spin_256(rounds: u64) -> f32 {
        let (factor, addend) = (_mm256_set1_ps(black_box(0.999_999)), _mm256_set1_ps(black_box(1e-6)));
        let mut sums = [_mm256_setzero_ps(); CHAINS];
        for sum in &mut sums {
            *sum = _mm256_set1_ps(black_box(1.0));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, addend);
            }
        }
        _mm256_cvtss_f32(sums.into_iter().fold(_mm256_setzero_ps(), |a, b| _mm256_add_ps(a, b)))
    }
}
