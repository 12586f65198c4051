//! Products of tiles by what x86-64 has for them.

use super::{AT_ONCE, Line, PANEL, Parts, Rows, SIDE, Sums};
use std::arch::asm;
use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

/// As the processor tells what its tiles multiply.
#[cfg(target_os = "linux")]
pub(super) const AMX_BF16: u32 = 1 << 22;
#[cfg(target_os = "linux")]
pub(super) const AMX_INT8: u32 = 1 << 25;

/// Whether the processor has tiles that multiply `what` and the system lets this process use them (Linux 5.16, "Using XSTATE features
/// in user space applications").
#[cfg(target_os = "linux")]
pub(super) fn takes_tiles(what: u32) -> bool {
    const REQUEST_PERMISSION: libc::c_ulong = 0x1023;
    const TILE_DATA: libc::c_ulong = 18;
    const FEATURES: u32 = 7;
    const AMX_TILE: u32 = 1 << 24;
    let found = if std::arch::x86_64::__cpuid(0).eax < FEATURES {
        0
    } else {
        std::arch::x86_64::__cpuid_count(FEATURES, 0).edx
    };
    // SAFETY: the call takes two numbers and changes nothing but what instructions this process may use.
    found & (what | AMX_TILE) == what | AMX_TILE
        && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) } == 0
}

/// While it lives, this thread's eight tiles have [`SIDE`] rows of a line each.
pub(in crate::kernels::cpu) struct Tiles(());

/// As `ldtilecfg` reads it: palette 1, then bytes of a row and rows of each tile.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    zeros: [u8; 15],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Tiles {
    pub(in crate::kernels::cpu) fn configured() -> Self {
        let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
        row_bytes[..8].fill(size_of::<Line>() as u16);
        rows[..8].fill(SIDE as u8);
        let configuration = Configuration { palette: 1, zeros: [0; 15], row_bytes, rows };
        // SAFETY: only what has asked for tiles gets here; 64 bytes are read.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: nothing is left in them that anyone wants; the system need not keep them for this thread any more.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Asks for lines of what will be read soon, if anything will be, and goes on to those behind them. No address is a fault to it.
macro_rules! asked {
    (8) => {
        concat!("test {ahead}, {ahead}\n", "jz 3f\n", asked!(lines), "add {ahead}, 512\n", "3:")
    };
    (16) => {
        concat!(
            "test {ahead}, {ahead}\n",
            "jz 3f\n",
            asked!(lines),
            "add {ahead}, 512\n",
            asked!(lines),
            "add {ahead}, 512\n",
            "3:"
        )
    };
    (lines) => {
        concat!(
            "prefetcht1 [{ahead}]\n",
            "prefetcht1 [{ahead} + 64]\n",
            "prefetcht1 [{ahead} + 128]\n",
            "prefetcht1 [{ahead} + 192]\n",
            "prefetcht1 [{ahead} + 256]\n",
            "prefetcht1 [{ahead} + 320]\n",
            "prefetcht1 [{ahead} + 384]\n",
            "prefetcht1 [{ahead} + 448]\n",
        )
    };
}

const _: () = assert!(Parts::One.ahead() == 8 && Parts::Two.ahead() == 16, "as many lines as are asked for");

macro_rules! by_tiles {
    ($name:ident, $multiply:literal) => {
        /// # Safety
        /// As [`super::Kind::multiply`] checks; the tiles must be configured.
        #[expect(clippy::too_many_lines, reason = "they are instructions, one by one")]
        pub(in crate::kernels::cpu) unsafe fn $name(
            rows: Rows<'_>,
            right: *const Line,
            sums: &mut Sums,
            more: bool,
        ) {
            const LINE: usize = size_of::<Line>();
            const ROW: usize = PANEL * size_of::<f32>();
            let (Rows { lines, starts, steps, .. }, ahead) = (rows, rows.next());
            if steps.is_empty() {
                if !more {
                    *sums = Sums::ZERO;
                }
                return;
            }
            let end = steps.as_ptr_range().end;
            let sums = sums.0.as_mut_ptr();
            let left = lines.as_ptr().wrapping_add(starts[0]);
            if let [first, second] = starts {
                let apart = second.wrapping_sub(*first).wrapping_mul(LINE);
                // SAFETY: promised by the caller.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                        "test {more}, {more}",
                        "jz 2f",
                        "tileloadd tmm0, [{sums} + {row}*1]",
                        "tileloadd tmm1, [{sums} + {row}*1 + 64]",
                        "tileloadd tmm2, [{sums} + {row}*1 + 2048]",
                        "tileloadd tmm3, [{sums} + {row}*1 + 2112]",
                        "2:",
                        "mov {at:e}, dword ptr [{step}]",
                        "shl {at}, 6",
                        "add {at}, {left}",
                        "tileloadd tmm6, [{right} + {line}*1]",
                        "tileloadd tmm4, [{at} + {line}*1]",
                        concat!($multiply, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{right} + {line}*1 + 1024]",
                        concat!($multiply, " tmm1, tmm4, tmm7"),
                        "add {at}, {apart}",
                        "tileloadd tmm5, [{at} + {line}*1]",
                        concat!($multiply, " tmm2, tmm5, tmm6"),
                        concat!($multiply, " tmm3, tmm5, tmm7"),
                        asked!(8),
                        "add {right}, 2048",
                        "add {step}, 4",
                        "cmp {step}, {end}",
                        "jne 2b",
                        "tilestored [{sums} + {row}*1], tmm0",
                        "tilestored [{sums} + {row}*1 + 64], tmm1",
                        "tilestored [{sums} + {row}*1 + 2048], tmm2",
                        "tilestored [{sums} + {row}*1 + 2112], tmm3",
                        at = out(reg) _, step = inout(reg) steps.as_ptr() => _, end = in(reg) end, left = in(reg) left,
                        apart = in(reg) apart, right = inout(reg) right => _, ahead = inout(reg) ahead => _,
                        line = in(reg) LINE, sums = in(reg) sums, row = in(reg) ROW,
                        more = in(reg_byte) u8::from(more),
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
                        out("tmm7") _, options(nostack),
                    );
                }
            } else {
                // SAFETY: promised by the caller.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1",
                        "test {more}, {more}",
                        "jz 2f",
                        "tileloadd tmm0, [{sums} + {row}*1]",
                        "tileloadd tmm1, [{sums} + {row}*1 + 64]",
                        "2:",
                        "mov {at:e}, dword ptr [{step}]",
                        "shl {at}, 6",
                        "add {at}, {left}",
                        "tileloadd tmm6, [{right} + {line}*1]",
                        "tileloadd tmm4, [{at} + {line}*1]",
                        concat!($multiply, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{right} + {line}*1 + 1024]",
                        concat!($multiply, " tmm1, tmm4, tmm7"),
                        asked!(8),
                        "add {right}, 2048",
                        "add {step}, 4",
                        "cmp {step}, {end}",
                        "jne 2b",
                        "tilestored [{sums} + {row}*1], tmm0",
                        "tilestored [{sums} + {row}*1 + 64], tmm1",
                        at = out(reg) _, step = inout(reg) steps.as_ptr() => _, end = in(reg) end, left = in(reg) left,
                        right = inout(reg) right => _, ahead = inout(reg) ahead => _,
                        line = in(reg) LINE, sums = in(reg) sums, row = in(reg) ROW,
                        more = in(reg_byte) u8::from(more),
                        out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _, options(nostack),
                    );
                }
            }
        }
    };
}

by_tiles!(tiles, "tdpbf16ps");
// Of bytes without sign on the left and with one on the right.
by_tiles!(tiles_of_bytes, "tdpbusd");

/// # Safety
/// As [`super::Kind::multiply_split`] checks; the tiles must be configured.
#[expect(clippy::too_many_lines, reason = "they are instructions, one by one")]
pub(super) unsafe fn split_tiles(rows: Rows<'_>, low: usize, right: *const Line, sums: &mut Sums, more: bool) {
    const LINE: usize = size_of::<Line>();
    const ROW: usize = PANEL * size_of::<f32>();
    let (Rows { lines, starts, steps, .. }, ahead) = (rows, rows.next());
    if steps.is_empty() {
        if !more {
            *sums = Sums::ZERO;
        }
        return;
    }
    let end = steps.as_ptr_range().end;
    let sums = sums.0.as_mut_ptr();
    let left = lines.as_ptr().wrapping_add(starts[0]);
    let low = low * LINE;
    if let [first, second] = starts {
        let apart = second.wrapping_sub(*first).wrapping_mul(LINE);
        // SAFETY: promised by the caller.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "test {more}, {more}",
                "jz 2f",
                "tileloadd tmm0, [{sums} + {row}*1]",
                "tileloadd tmm1, [{sums} + {row}*1 + 64]",
                "tileloadd tmm2, [{sums} + {row}*1 + 2048]",
                "tileloadd tmm3, [{sums} + {row}*1 + 2112]",
                "2:",
                "mov {at:e}, dword ptr [{step}]",
                "shl {at}, 6",
                "add {at}, {left}",
                // What the left lacks comes first: then nothing has to be read twice.
                "add {at}, {low}",
                "lea {other}, [{at} + {apart}]",
                "tileloadd tmm4, [{at} + {line}*1]",
                "tileloadd tmm6, [{right} + {line}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {line}*1 + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{other} + {line}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "sub {at}, {low}",
                "sub {other}, {low}",
                "tileloadd tmm4, [{at} + {line}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{other} + {line}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                asked!(16),
                // What the right lacks.
                "tileloadd tmm6, [{right} + {line}*1 + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{right} + {line}*1 + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {right}, 4096",
                "add {step}, 4",
                "cmp {step}, {end}",
                "jne 2b",
                "tilestored [{sums} + {row}*1], tmm0",
                "tilestored [{sums} + {row}*1 + 64], tmm1",
                "tilestored [{sums} + {row}*1 + 2048], tmm2",
                "tilestored [{sums} + {row}*1 + 2112], tmm3",
                at = out(reg) _, other = out(reg) _, step = inout(reg) steps.as_ptr() => _, end = in(reg) end,
                left = in(reg) left, apart = in(reg) apart, low = in(reg) low, right = inout(reg) right => _, ahead = inout(reg) ahead => _,
                line = in(reg) LINE, sums = in(reg) sums, row = in(reg) ROW,
                more = in(reg_byte) u8::from(more),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
                out("tmm7") _, options(nostack),
            );
        }
    } else {
        // SAFETY: promised by the caller.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1",
                "test {more}, {more}",
                "jz 2f",
                "tileloadd tmm0, [{sums} + {row}*1]",
                "tileloadd tmm1, [{sums} + {row}*1 + 64]",
                "2:",
                "mov {at:e}, dword ptr [{step}]",
                "shl {at}, 6",
                "add {at}, {left}",
                "tileloadd tmm4, [{at} + {line}*1]",
                "add {at}, {low}",
                "tileloadd tmm5, [{at} + {line}*1]",
                "tileloadd tmm6, [{right} + {line}*1]",
                "tdpbf16ps tmm0, tmm5, tmm6",
                "tileloadd tmm7, [{right} + {line}*1 + 1024]",
                "tdpbf16ps tmm1, tmm5, tmm7",
                asked!(16),
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm6, [{right} + {line}*1 + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{right} + {line}*1 + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {right}, 4096",
                "add {step}, 4",
                "cmp {step}, {end}",
                "jne 2b",
                "tilestored [{sums} + {row}*1], tmm0",
                "tilestored [{sums} + {row}*1 + 64], tmm1",
                at = out(reg) _, step = inout(reg) steps.as_ptr() => _, end = in(reg) end, left = in(reg) left,
                low = in(reg) low, right = inout(reg) right => _, ahead = inout(reg) ahead => _,
                line = in(reg) LINE, sums = in(reg) sums, row = in(reg) ROW,
                more = in(reg_byte) u8::from(more),
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _, options(nostack),
            );
        }
    }
}

/// Rows whose sums stay in registers, with two vectors each.
const ROWS: usize = 8;

/// # Safety
/// As [`super::Kind::multiply`] checks.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn vectors(
    Rows { lines, starts, steps, .. }: Rows<'_>,
    right: *const Line,
    sums: &mut Sums,
    more: bool,
) {
    for first in (0..starts.len() * SIDE).step_by(ROWS) {
        let left = lines.as_ptr().wrapping_add(starts[first / SIDE] + first % SIDE);
        let mut tile = [[_mm512_setzero_ps(); AT_ONCE]; ROWS];
        if more {
            for (sums, tile) in sums.0[first..first + ROWS].iter().zip(&mut tile) {
                for (sums, sum) in sums.chunks_exact(SIDE).zip(tile) {
                    // SAFETY: they are as many numbers as a vector has.
                    *sum = unsafe { _mm512_loadu_ps(sums.as_ptr()) };
                }
            }
        }
        for (index, step) in steps.iter().enumerate() {
            // SAFETY: promised by the caller: each step has that many lines on both sides, and pairs are read within a line.
            unsafe {
                let left = left.add(*step as usize).cast::<i32>();
                let right = right.add(index * AT_ONCE * SIDE);
                for pair in 0..SIDE {
                    let load = |tile: usize| {
                        let bits = _mm512_loadu_si512(right.add(tile * SIDE + pair).cast());
                        std::mem::transmute::<__m512i, __m512bh>(bits)
                    };
                    let right = [load(0), load(1)];
                    for (row, tile) in tile.iter_mut().enumerate() {
                        let both = _mm512_set1_epi32(left.add(row * SIDE + pair).read());
                        let both = std::mem::transmute::<__m512i, __m512bh>(both);
                        for (sum, right) in tile.iter_mut().zip(right) {
                            *sum = _mm512_dpbf16_ps(*sum, both, right);
                        }
                    }
                }
            }
        }
        for (sums, tile) in sums.0[first..first + ROWS].iter_mut().zip(tile) {
            for (sums, sum) in sums.chunks_exact_mut(SIDE).zip(tile) {
                // SAFETY: they are as many numbers as a vector has.
                unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), sum) };
            }
        }
    }
}
