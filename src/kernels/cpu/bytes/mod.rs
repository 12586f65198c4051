//! Products of 8-bit integers, summed in 32-bit integers: a quarter of the memory of f32. A weight's numbers are, for each output, whole multiples from -127 to 127 of
//! a step; those of a row of the left side, or of a whole picture under a kernel of several places, are 256 [`Levels`] between its least and
//! its greatest, found when it is multiplied (Jacob et al. 2017, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
//! Inference", section 2; "dynamic quantization" elsewhere). The sums are exact, so all kinds of instructions give the same bytes.
//!
//! Tiles lie as those of bf16 do ([`super::tiles`]), with four numbers in the place of two: on the left 16 rows of 64, on the right the numbers 0 to 3 of each
//! of 16 columns, then 4 to 7.

mod multiply;

pub(in crate::kernels) use multiply::Kind;

use super::kept::{Numbers, Section};
use super::packed::Values;
use super::rounding::Number;
use super::tiles::{Line, PANEL, SIDE, STEP, Sums};
use half::slice::HalfFloatSliceExt;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a row that a line of the cache holds.
pub(super) const DEPTH: usize = size_of::<Line>();
/// Numbers that are multiplied and summed at once.
const GROUP: usize = 4;
/// Added to a small number it leaves the nearest whole one in the lowest bits, the even one of two.
const WHOLE: f32 = (3 << 22) as f32;
/// Products of which a sum, with what is taken from it again, stays within 32 bits.
pub(in crate::kernels) const MOST_PRODUCTS: usize = 1 << 15;

/// What the numbers of a row or picture are told apart by: a number is `step` times what its byte is above `zero`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Levels {
    step: f32,
    zero: u8,
}

/// The least and the greatest of some numbers and 0. Beside what is no finite number, `step` becomes none either, and so all that is computed with it.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    least: f32,
    greatest: f32,
    /// 0 times each number: 0, or not a number.
    nothing: f32,
}

impl Reach {
    #[inline(always)]
    fn of(numbers: &[f32]) -> Self {
        const LANES: usize = 32;
        let mut lanes = [Self::default(); LANES];
        let (chunks, rest) = numbers.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane = lane.with(*x);
            }
        }
        rest.iter().fold(lanes.into_iter().fold(Self::default(), Self::and), |reach, x| reach.with(*x))
    }

    #[inline(always)]
    fn with(self, x: f32) -> Self {
        Self {
            least: if x < self.least { x } else { self.least },
            greatest: if x > self.greatest { x } else { self.greatest },
            nothing: self.nothing + x * 0.0,
        }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        let both = self.with(other.least).with(other.greatest);
        Self { nothing: both.nothing + other.nothing, ..both }
    }

    #[inline(always)]
    fn levels(self) -> Levels {
        let step = self.greatest / 255.0 - self.least / 255.0;
        if !self.nothing.is_finite() {
            return Levels { step: f32::NAN, zero: 0 };
        }
        // What is smaller than any normal number is nothing.
        if step < f32::MIN_POSITIVE {
            return Levels::default();
        }
        Levels { step, zero: (-self.least / step).round() as u8 }
    }
}

impl Levels {
    /// Of a whole picture.
    pub(super) fn of_picture<X: Number>(picture: &[X]) -> Self {
        struct Of<'a, X>(&'a [X]);
        impl<X: Number> WithSimd for Of<'_, X> {
            type Output = Reach;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Reach {
                Reach::of(&X::widened(self.0))
            }
        }
        const AT_ONCE: usize = 1 << 14;
        let of = |numbers: &[X]| super::vector::dispatch(Of(numbers));
        if picture.len() > AT_ONCE && super::shared::threads() > 1 {
            picture.par_chunks(AT_ONCE).map(of).reduce(Reach::default, Reach::and).levels()
        } else {
            picture.chunks(AT_ONCE).map(of).fold(Reach::default(), Reach::and).levels()
        }
    }

    /// Of a row.
    #[inline(always)]
    pub(super) fn of_row(row: &[f32]) -> Self {
        Reach::of(row).levels()
    }

    /// A line of zeros.
    pub(super) fn zeros(self) -> Line {
        bytemuck::cast([self.zero; DEPTH])
    }

    /// Lays a row out from a line on, each [`DEPTH`] numbers `apart` from the last.
    #[inline(always)]
    pub(super) fn lay_row(self, row: &[f32], lines: &mut [Line], apart: usize) {
        let (per_step, zero) = (if self.step > 0.0 { self.step.recip() } else { 0.0 }, f32::from(self.zero));
        let level = |x: f32| {
            let level = x * per_step + zero;
            let level = if level > 0.0 { level } else { 0.0 };
            let level = if level < 255.0 { level } else { 255.0 };
            (level + WHOLE).to_bits() as u8
        };
        let (tiles, rest) = row.as_chunks::<DEPTH>();
        let mut lines = lines.iter_mut().step_by(apart);
        for (tile, line) in tiles.iter().zip(&mut lines) {
            let bytes: &mut [u8; DEPTH] = bytemuck::cast_mut(line);
            for (byte, x) in bytes.iter_mut().zip(tile) {
                *byte = level(*x);
            }
        }
        if let (false, Some(line)) = (rest.is_empty(), lines.next()) {
            *line = self.zeros();
            let bytes: &mut [u8; DEPTH] = bytemuck::cast_mut(line);
            bytes.iter_mut().zip(rest).for_each(|(byte, x)| *byte = level(*x));
        }
    }
}

/// A weight in panels of [`PANEL`] outputs: panel, tile of the depth, tap, tile of the outputs.
#[derive(Debug)]
pub(super) struct Bytes {
    lines: Numbers<Line>,
    columns: Numbers<Column>,
    steps: usize,
}

/// What is known of a column.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Column {
    /// What a byte counts.
    step: f32,
    /// The sum of all bytes.
    total: i32,
}

impl Bytes {
    /// `values` (outputs, depth, taps), as files store them; `output` says which output stands in a column, zeros where it gives none.
    pub(super) fn new(
        values: Values<'_>,
        (panels, taps, depth): (usize, usize, usize),
        output: impl Fn(usize) -> Option<usize> + Sync,
    ) -> Self {
        assert!(depth * taps <= MOST_PRODUCTS, "more products than a sum can hold");
        let (tiles, of_output) = (depth.div_ceil(DEPTH), depth * taps);
        let steps = tiles * taps;
        let mut lines = super::shared::zeros::<Line>(panels * steps * STEP);
        let mut columns = vec![Column::default(); panels * PANEL];
        let of_panels = lines.par_chunks_mut((steps * STEP).max(1)).zip(columns.par_chunks_mut(PANEL));
        of_panels.enumerate().for_each(|(panel, (lines, columns))| {
            // Columns without an output and channels beyond the last stay zeros.
            let (mut numbers, mut bytes) = (vec![0.0; of_output], vec![0; PANEL * tiles * DEPTH * taps]);
            for ((column, about), bytes) in
                columns.iter_mut().enumerate().zip(bytes.chunks_exact_mut(tiles * DEPTH * taps))
            {
                let Some(output) = output(panel * PANEL + column) else { continue };
                values.widen(output * of_output, &mut numbers);
                *about = super::vector::dispatch(Count { numbers: &numbers, bytes });
            }
            for (tile, lines) in lines.chunks_exact_mut(taps * STEP).enumerate() {
                for (column, bytes) in bytes.chunks_exact(tiles * DEPTH * taps).enumerate() {
                    let bytes = &bytes[tile * DEPTH * taps..][..DEPTH * taps];
                    // The compiler unrolls what it knows: nearly all weights are matrices or kernels of 3×3.
                    match taps {
                        1 => put_column(bytes, 1, column, lines),
                        9 => put_column(bytes, 9, column, lines),
                        taps => put_column(bytes, taps, column, lines),
                    }
                }
            }
        });
        Self { lines: lines.into(), columns: columns.into(), steps }
    }

    /// Those that were kept: `steps` of all panels.
    pub(super) fn kept(lines: &Section, columns: &Section, panels: usize, steps: usize) -> Option<Self> {
        let (lines, columns) = (Numbers::of(lines, steps * STEP)?, Numbers::of(columns, panels * PANEL)?);
        Some(Self { lines, columns, steps: steps / panels.max(1) })
    }

    pub(super) fn keep(&self) -> Vec<Section> {
        vec![self.lines.keep(), self.columns.keep()]
    }

    /// Panel by panel.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Some steps of a panel.
    pub(super) fn steps(&self, panel: usize, steps: Range<usize>) -> &[Line] {
        &self.lines[(panel * self.steps + steps.start) * STEP..][..steps.len() * STEP]
    }

    /// Makes sums of integers of a panel into numbers. `levels` are those of the rows, from the first on.
    pub(super) fn widen(&self, panel: usize, levels: impl Iterator<Item = Levels>, sums: &mut Sums) {
        let columns = self.columns[panel * PANEL..][..PANEL].as_array().expect("a panel has so many columns");
        super::vector::dispatch(Widen { columns, levels, sums });
    }
}

struct Widen<'a, L> {
    columns: &'a [Column; PANEL],
    levels: L,
    sums: &'a mut Sums,
}

impl<L: Iterator<Item = Levels>> WithSimd for Widen<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (steps, totals) = (self.columns.map(|column| column.step), self.columns.map(|column| column.total));
        for (sums, levels) in self.sums.0.iter_mut().zip(self.levels) {
            let zero = i32::from(levels.zero);
            for ((sum, step), total) in sums.iter_mut().zip(&steps).zip(&totals) {
                *sum = (sum.to_bits() as i32).wrapping_sub(zero.wrapping_mul(*total)) as f32 * (levels.step * step);
            }
        }
    }
}

/// Makes an output's numbers into multiples of a 127th of the largest.
struct Count<'a> {
    numbers: &'a [f32],
    bytes: &'a mut [i8],
}

impl WithSimd for Count<'_> {
    type Output = Column;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Column {
        let Reach { least, greatest, nothing } = Reach::of(self.numbers);
        if !nothing.is_finite() {
            return Column { step: f32::NAN, total: 0 };
        }
        let step = greatest.max(-least) / 127.0;
        if step < f32::MIN_POSITIVE {
            return Column::default();
        }
        let per_step = step.recip();
        for (byte, x) in self.bytes.iter_mut().zip(self.numbers) {
            *byte = (x * per_step + WHOLE).to_bits() as i8;
        }
        Column { step, total: self.bytes.iter().map(|byte| i32::from(*byte)).sum() }
    }
}

/// Puts an output's bytes (channels, taps) of a tile down in its column of the steps, in groups of channels.
#[inline(always)]
fn put_column(bytes: &[i8], taps: usize, column: usize, steps: &mut [Line]) {
    let (side, column) = (column / SIDE * SIDE, column % SIDE * GROUP);
    for (group, bytes) in bytes.chunks_exact(GROUP * taps).enumerate() {
        for (tap, step) in steps.chunks_exact_mut(STEP).enumerate() {
            let line: &mut [i8; DEPTH] = bytemuck::cast_mut(&mut step[side + group]);
            for (place, to) in line[column..][..GROUP].iter_mut().enumerate() {
                *to = bytes[place * taps + tap];
            }
        }
    }
}

impl Values<'_> {
    /// So many numbers from one on, as f32.
    fn widen(self, first: usize, to: &mut [f32]) {
        let range = first..first + to.len();
        match self {
            Self::F32(values) => to.copy_from_slice(&values[range]),
            Self::F16(values) => values[range].convert_to_f32_slice(to),
            Self::Bf16(values) => values[range].convert_to_f32_slice(to),
        }
    }
}
