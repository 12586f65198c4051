//! Numbers as tiles take them: rounded to bf16, or split into two numbers of bf16 that together keep 16 significant bits.

#[cfg(target_arch = "x86_64")]
use super::tiles::has_vectors;
use super::tiles::{DEPTH, Line, SIDE};
use super::vector::{put, take};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use pulp::Simd;
use std::borrow::Cow;

/// Rounds to the nearest bf16, to the even one of two. What is not a number stays so.
#[inline(always)]
pub(super) fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16;
    (if x.is_nan() { bits >> 16 | 0x40 } else { nearest }) as u16
}

/// Stores as many [`rounded`] numbers as there is room for.
#[inline(always)]
pub(super) fn put_rounded<S: Simd>(simd: S, to: &mut [u16], x: S::f32s) {
    let (one, sixteen) = (simd.splat_u32s(1), simd.splat_u32s(16));
    let bits = simd.transmute_u32s_f32s(x);
    let odd = simd.and_u32s(simd.wrapping_dyn_shr_u32s(bits, sixteen), one);
    let nearest = simd.add_u32s(simd.add_u32s(bits, simd.splat_u32s(0x7FFF)), odd);
    let quiet = simd.or_u32s(bits, simd.splat_u32s(0x40_0000));
    let is_number = simd.equal_f32s(x, x);
    let kept = simd.transmute_u32s_f32s(simd.select_f32s(
        is_number,
        simd.transmute_f32s_u32s(nearest),
        simd.transmute_f32s_u32s(quiet),
    ));
    let mut halves = [0f32; SIDE];
    put(simd, &mut halves, simd.transmute_f32s_u32s(simd.wrapping_dyn_shr_u32s(kept, sixteen)));
    match to.first_chunk_mut::<SIDE>() {
        Some(to) if S::F32_LANES == SIDE => {
            to.iter_mut().zip(halves).for_each(|(to, half)| *to = half.to_bits() as u16);
        }
        _ => to.iter_mut().zip(&halves[..S::F32_LANES]).for_each(|(to, half)| *to = half.to_bits() as u16),
    }
}

/// Numbers that are multiplied in bf16, or what came of it.
pub(in crate::kernels) trait Number: Copy + Default + Send + Sync {
    fn of(x: f32) -> Self;

    /// Rounds a row of a tile.
    fn lay<S: Simd>(simd: S, from: &[Self; DEPTH], to: &mut [u16; DEPTH]);

    /// Rounds what there is.
    fn rounded(self) -> u16;

    fn widened(row: &[Self]) -> Cow<'_, [f32]>;

    /// Stores as many numbers as there is room for.
    fn put<S: Simd>(simd: S, to: &mut [Self], value: S::f32s);
}

impl Number for f32 {
    #[inline(always)]
    fn of(x: f32) -> Self {
        x
    }

    #[inline(always)]
    fn lay<S: Simd>(simd: S, from: &[Self; DEPTH], to: &mut [u16; DEPTH]) {
        #[cfg(target_arch = "x86_64")]
        if has_vectors() {
            // SAFETY: the machine has what the function is compiled for.
            return unsafe { x86::round_line(from, to) };
        }
        for (from, to) in from.chunks_exact(S::F32_LANES).zip(to.chunks_exact_mut(S::F32_LANES)) {
            put_rounded(simd, to, take(simd, from));
        }
    }

    #[inline(always)]
    fn rounded(self) -> u16 {
        rounded(self)
    }

    fn widened(row: &[Self]) -> Cow<'_, [f32]> {
        Cow::Borrowed(row)
    }

    #[inline(always)]
    fn put<S: Simd>(simd: S, to: &mut [Self], value: S::f32s) {
        put(simd, to, value);
    }
}

impl Number for bf16 {
    #[inline(always)]
    fn of(x: f32) -> Self {
        Self::from_bits(rounded(x))
    }

    #[inline(always)]
    fn lay<S: Simd>(_: S, from: &[Self; DEPTH], to: &mut [u16; DEPTH]) {
        to.copy_from_slice(from.reinterpret_cast());
    }

    #[inline(always)]
    fn rounded(self) -> u16 {
        self.to_bits()
    }

    fn widened(row: &[Self]) -> Cow<'_, [f32]> {
        Cow::Owned(row.to_f32_vec())
    }

    #[inline(always)]
    fn put<S: Simd>(simd: S, to: &mut [Self], value: S::f32s) {
        put_rounded(simd, to.reinterpret_cast_mut(), value);
    }
}

impl Number for f16 {
    #[inline(always)]
    fn of(x: f32) -> Self {
        Self::from_f32(x)
    }

    #[inline(always)]
    fn lay<S: Simd>(simd: S, from: &[Self; DEPTH], to: &mut [u16; DEPTH]) {
        f32::lay(simd, &from.map(Self::to_f32), to);
    }

    #[inline(always)]
    fn rounded(self) -> u16 {
        rounded(self.to_f32())
    }

    fn widened(row: &[Self]) -> Cow<'_, [f32]> {
        Cow::Owned(row.to_f32_vec())
    }

    #[inline(always)]
    fn put<S: Simd>(simd: S, to: &mut [Self], value: S::f32s) {
        let mut numbers = [0f32; SIDE];
        put(simd, &mut numbers, value);
        for (to, x) in to.iter_mut().zip(&numbers[..S::F32_LANES]) {
            *to = Self::of(*x);
        }
    }
}

/// x to the nearest bf16, and to the nearest bf16 what that lacks. What is infinite or not a number lacks nothing.
#[inline(always)]
pub(super) fn split(x: f32) -> [u16; 2] {
    let high = rounded(x);
    let wide = f32::from_bits(u32::from(high) << 16);
    [high, if wide.is_finite() { rounded(x - wide) } else { 0 }]
}

/// Puts a row's numbers down in lines that are `apart` from each other.
#[inline(always)]
pub(super) fn lay_row<S: Simd, X: Number>(simd: S, row: &[X], lines: &mut [Line], apart: usize) {
    let (whole, rest) = row.as_chunks::<DEPTH>();
    for (tile, numbers) in whole.iter().enumerate() {
        X::lay(simd, numbers, &mut lines[tile * apart].0);
    }
    if !rest.is_empty() {
        let line = &mut lines[whole.len() * apart].0;
        *line = [0; DEPTH];
        for (to, number) in line.iter_mut().zip(rest) {
            *to = number.rounded();
        }
    }
}

/// As [`lay_row`], [`split`]: what is lacking stands `low` lines behind.
pub(super) fn lay_row_split(row: &[f32], lines: &mut [Line], apart: usize, low: usize) {
    let tiles = row.len().div_ceil(DEPTH);
    assert!(tiles == 0 || lines.len() > (tiles - 1) * apart + low, "too few lines for a row");
    let (whole, rest) = row.as_chunks::<DEPTH>();
    let (high, low) = lines.split_at_mut(low);
    let mut lines = high.iter_mut().step_by(apart).zip(low.iter_mut().step_by(apart));
    split_lines(whole, &mut lines);
    if !rest.is_empty() {
        let mut last = [0f32; DEPTH];
        last[..rest.len()].copy_from_slice(rest);
        split_lines(&[last], lines);
    }
}

/// Splits lines of f32. `to` are where each goes: what is rounded, and what that lacks.
#[inline]
pub(super) fn split_lines<'a>(from: &[[f32; DEPTH]], to: impl IntoIterator<Item = (&'a mut Line, &'a mut Line)>) {
    #[cfg(target_arch = "x86_64")]
    if has_vectors() {
        // SAFETY: the machine has what the function is compiled for.
        return unsafe { x86::split_lines(from, to) };
    }
    for (numbers, (high, low)) in from.iter().zip(to) {
        split_line(numbers, high, low);
    }
}

/// Splits lines of f16.
pub(super) fn split_halves(from: &[Line], high: &mut [Line], low: &mut [Line]) {
    #[cfg(target_arch = "x86_64")]
    if has_vectors() {
        // SAFETY: the machine has what the function is compiled for.
        return unsafe { x86::split_halves(from, high, low) };
    }
    for ((from, high), low) in from.iter().zip(high).zip(low) {
        let halves: &[f16; DEPTH] = bytemuck::cast_ref(&from.0);
        split_line(&halves.map(f16::to_f32), high, low);
    }
}

/// The numbers of a line of f16.
pub(super) fn widen_halves(from: &Line, to: &mut [f32; DEPTH]) {
    #[cfg(target_arch = "x86_64")]
    if has_vectors() {
        // SAFETY: the machine has what the function is compiled for.
        return unsafe { x86::widen_halves(from, to) };
    }
    let halves: &[f16; DEPTH] = bytemuck::cast_ref(&from.0);
    *to = halves.map(f16::to_f32);
}

/// Rounds lines of f16 to lines of bf16.
pub(super) fn round_halves(lines: &mut [Line]) {
    for line in lines {
        #[cfg(target_arch = "x86_64")]
        if has_vectors() {
            // SAFETY: the machine has what the function is compiled for.
            unsafe { x86::round_halves(line) };
            continue;
        }
        line.0 = line.0.map(|half| rounded(f16::from_bits(half).to_f32()));
    }
}

fn split_line(numbers: &[f32; DEPTH], high: &mut Line, low: &mut Line) {
    for ((number, high), low) in numbers.iter().zip(&mut high.0).zip(&mut low.0) {
        [*high, *low] = split(*number);
    }
}

/// What AVX-512 has for bf16. It takes what is smaller than 2⁻¹²⁶ for zero.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{DEPTH, Line};
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm256_loadu_si256, _mm512_castsi512_ps, _mm512_castsi512_si256,
        _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh, _mm512_cvtph_ps, _mm512_extracti64x4_epi64, _mm512_fpclass_ps_mask,
        _mm512_loadu_ps, _mm512_maskz_sub_ps, _mm512_slli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
    };
    use std::mem::transmute;

    /// Infinite or not a number.
    const BEYOND_NUMBERS: i32 = 0x99;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn round_line(numbers: &[f32; DEPTH], to: &mut [u16; DEPTH]) {
        // SAFETY: they are two vectors of numbers, and a line.
        unsafe {
            let (first, second) = (_mm512_loadu_ps(numbers.as_ptr()), _mm512_loadu_ps(numbers.as_ptr().add(16)));
            _mm512_storeu_si512(
                to.as_mut_ptr().cast(),
                transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)),
            );
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn widen_halves(from: &Line, to: &mut [f32; DEPTH]) {
        let (from, to) = (from.0.as_ptr(), to.as_mut_ptr());
        // SAFETY: both are two times sixteen numbers.
        unsafe {
            _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())));
            _mm512_storeu_ps(to.add(16), _mm512_cvtph_ps(_mm256_loadu_si256(from.add(16).cast())));
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn round_halves(line: &mut Line) {
        let line = line.0.as_mut_ptr();
        // SAFETY: a line is two times sixteen numbers.
        unsafe {
            let (first, second) = (_mm256_loadu_si256(line.cast()), _mm256_loadu_si256(line.add(16).cast()));
            let both = _mm512_cvtne2ps_pbh(_mm512_cvtph_ps(second), _mm512_cvtph_ps(first));
            _mm512_storeu_si512(line.cast(), transmute::<__m512bh, __m512i>(both));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
    pub(super) fn split_lines<'a>(from: &[[f32; DEPTH]], to: impl IntoIterator<Item = (&'a mut Line, &'a mut Line)>) {
        for (numbers, (high, low)) in from.iter().zip(to) {
            // SAFETY: they are two vectors of numbers.
            let numbers = unsafe { (_mm512_loadu_ps(numbers.as_ptr()), _mm512_loadu_ps(numbers.as_ptr().add(16))) };
            split(numbers, high, low);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
    pub(super) fn split_halves(from: &[Line], high: &mut [Line], low: &mut [Line]) {
        for ((from, high), low) in from.iter().zip(high).zip(low) {
            let from = from.0.as_ptr();
            // SAFETY: a line is two times sixteen numbers.
            let (first, second) = unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast())) };
            split((_mm512_cvtph_ps(first), _mm512_cvtph_ps(second)), high, low);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
    fn split((first, second): (__m512, __m512), high: &mut Line, low: &mut Line) {
        // SAFETY: both are 512 bits, whatever they are taken for.
        let both = unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) };
        let wide = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
        let lacks = |number, wide| {
            let beyond = _mm512_fpclass_ps_mask::<BEYOND_NUMBERS>(wide);
            _mm512_maskz_sub_ps(!beyond, number, wide)
        };
        let first = lacks(first, wide(_mm512_castsi512_si256(both)));
        let second = lacks(second, wide(_mm512_extracti64x4_epi64::<1>(both)));
        // SAFETY: both are lines.
        unsafe {
            _mm512_storeu_si512(high.0.as_mut_ptr().cast(), both);
            let lacking = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
            _mm512_storeu_si512(low.0.as_mut_ptr().cast(), lacking);
        }
    }
}
