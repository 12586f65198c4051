//! Tiles of bytes by what the processor has for them: AMX, or vectors with `vpdpbusd` (AVX-512 VNNI, AVX-VNNI).

use super::{DEPTH, GROUP};
#[cfg(target_arch = "x86_64")]
use crate::kernels::cpu::tiles;
use crate::kernels::cpu::tiles::{Line, Rows, SIDE, STEP, Sums};
#[cfg(target_arch = "x86_64")]
use crate::kernels::cpu::vector::Vectors;

/// How tiles are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Kind {
    /// By AMX.
    #[cfg(target_arch = "x86_64")]
    Tiles,
    /// By vectors of 512 bits.
    #[cfg(target_arch = "x86_64")]
    Wide,
    /// By vectors of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Narrow,
    /// Number by number, on any machine: what tests hold the others against.
    #[cfg_attr(not(test), expect(dead_code, reason = "nobody would wait for it"))]
    Numbers,
}

impl Kind {
    /// Those that this machine has, the fastest first.
    pub(in crate::kernels) fn all() -> &'static [Self] {
        use std::sync::LazyLock;
        static ALL: LazyLock<Vec<Kind>> = LazyLock::new(|| {
            #[allow(unused_mut, reason = "other processors have none")]
            let mut all = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                if tiles::has_tiles_of_bytes() {
                    all.push(Kind::Tiles);
                }
                if Vectors::allowed() >= Vectors::Avx512
                    && std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
                {
                    all.push(Kind::Wide);
                }
                if Vectors::allowed() >= Vectors::Avx2
                    && std::arch::is_x86_feature_detected!("avx2")
                    && std::arch::is_x86_feature_detected!("avxvnni")
                {
                    all.push(Kind::Narrow);
                }
            }
            all
        });
        &ALL
    }

    /// The fastest of this machine; none if it does not multiply bytes.
    pub(in crate::kernels) fn best() -> Option<Self> {
        Self::all().first().copied()
    }

    /// Does `work`, which may call [`Self::multiply`].
    pub(in crate::kernels::cpu) fn with<T>(self, work: impl FnOnce() -> T) -> T {
        #[cfg(target_arch = "x86_64")]
        let _tiles = (self == Self::Tiles).then(tiles::Tiles::configured);
        work()
    }

    /// The sums of products of rows of bytes from 0 to 255 with two tiles of columns of bytes from -127 to 127 side by side, which are the next of `right` at
    /// each step. Their bits are put into `sums`; with one tile of rows, the lower half stays as it was.
    pub(in crate::kernels::cpu) fn multiply(self, rows: Rows<'_>, right: &[Line], sums: &mut Sums) {
        rows.check(0);
        assert!(right.len() >= rows.steps.len() * STEP, "too few columns");
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: whoever has this kind has asked for it; the lines are there, as just checked.
            Self::Tiles => unsafe { tiles::tiles_of_bytes(rows, right.as_ptr(), sums, false) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Wide => unsafe { x86::wide(rows, right.as_ptr(), sums) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Narrow => unsafe { x86::narrow(rows, right.as_ptr(), sums) },
            Self::Numbers => numbers(rows, right, sums),
        }
    }
}

/// As [`Kind::multiply`].
fn numbers(rows: Rows<'_>, right: &[Line], sums: &mut Sums) {
    for (row, sums) in rows.numbers().zip(&mut sums.0) {
        for (column, sum) in sums.iter_mut().enumerate() {
            let mut total = 0i32;
            for (step, right) in rows.steps.iter().zip(right.chunks_exact(STEP)) {
                let left: &[u8; DEPTH] = bytemuck::cast_ref(&rows.lines[row + *step as usize]);
                for (group, right) in right[column / SIDE * SIDE..][..SIDE].iter().enumerate() {
                    let right: &[i8; DEPTH] = bytemuck::cast_ref(right);
                    for place in 0..GROUP {
                        let (left, right) = (left[group * GROUP + place], right[column % SIDE * GROUP + place]);
                        total += i32::from(left) * i32::from(right);
                    }
                }
            }
            *sum = f32::from_bits(total as u32);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::kernels::cpu::tiles::{AT_ONCE, Line, Rows, SIDE, STEP, Sums};
    use std::arch::x86_64::{
        _mm256_dpbusd_avx_epi32, _mm256_loadu_si256, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_storeu_si256,
        _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
    };

    /// # Safety
    /// As [`super::Kind::multiply`] checks.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) unsafe fn wide(Rows { lines, starts, steps, .. }: Rows<'_>, right: *const Line, sums: &mut Sums) {
        /// Rows whose sums stay in registers, with two vectors each.
        const ROWS: usize = 8;
        for first in (0..starts.len() * SIDE).step_by(ROWS) {
            let left = lines.as_ptr().wrapping_add(starts[first / SIDE] + first % SIDE);
            let mut tile = [[_mm512_setzero_si512(); AT_ONCE]; ROWS];
            for (index, step) in steps.iter().enumerate() {
                // SAFETY: promised by the caller: each step has that many lines on both sides, and groups are read within a line.
                unsafe {
                    let left = left.add(*step as usize).cast::<i32>();
                    let right = right.add(index * STEP);
                    for group in 0..SIDE {
                        let columns = [0, 1].map(|tile| _mm512_loadu_si512(right.add(tile * SIDE + group).cast()));
                        for (row, tile) in tile.iter_mut().enumerate() {
                            let four = _mm512_set1_epi32(left.add(row * SIDE + group).read());
                            for (sum, columns) in tile.iter_mut().zip(columns) {
                                *sum = _mm512_dpbusd_epi32(*sum, four, columns);
                            }
                        }
                    }
                }
            }
            for (sums, tile) in sums.0[first..first + ROWS].iter_mut().zip(tile) {
                for (sums, sum) in sums.chunks_exact_mut(SIDE).zip(tile) {
                    // SAFETY: they are as many numbers as a vector has.
                    unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum) };
                }
            }
        }
    }

    /// # Safety
    /// As [`super::Kind::multiply`] checks.
    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) unsafe fn narrow(Rows { lines, starts, steps, .. }: Rows<'_>, right: *const Line, sums: &mut Sums) {
        /// Rows whose sums stay in registers, with two vectors each: those of a tile of columns.
        const ROWS: usize = 4;
        const HALF: usize = SIDE / 2;
        for first in (0..starts.len() * SIDE).step_by(ROWS) {
            let left = lines.as_ptr().wrapping_add(starts[first / SIDE] + first % SIDE);
            for side in 0..AT_ONCE {
                let mut tile = [[_mm256_setzero_si256(); 2]; ROWS];
                for (index, step) in steps.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe {
                        let left = left.add(*step as usize).cast::<i32>();
                        let right = right.add(index * STEP + side * SIDE);
                        for group in 0..SIDE {
                            let line = right.add(group).cast::<i32>();
                            let columns = [0, HALF].map(|half| _mm256_loadu_si256(line.add(half).cast()));
                            for (row, tile) in tile.iter_mut().enumerate() {
                                let four = _mm256_set1_epi32(left.add(row * SIDE + group).read());
                                for (sum, columns) in tile.iter_mut().zip(columns) {
                                    *sum = _mm256_dpbusd_avx_epi32(*sum, four, columns);
                                }
                            }
                        }
                    }
                }
                for (sums, tile) in sums.0[first..first + ROWS].iter_mut().zip(tile) {
                    for (sums, sum) in sums[side * SIDE..][..SIDE].chunks_exact_mut(HALF).zip(tile) {
                        // SAFETY: they are as many numbers as a vector has.
                        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), sum) };
                    }
                }
            }
        }
    }
}
