//! Products of matrices. Rows are read where they lie: a row is as many stretches of numbers as the weight has taps, so that a
//! plain matrix and a picture seen through a kernel (Dukhan 2019, "The Indirect Convolution Algorithm") are the same work and
//! nothing is unfolded. Six rows by two vectors are summed in registers; a block of the weight stays in the first cache while all
//! rows of a task, which stay in the second, pass over it.

use super::packed::{PANEL_VECTORS, Packed, PackedGated};
use super::shared::{Shared, each, fetch, threads, with_scratch};
use super::vector::{dispatch, gelu, load, put, take};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Rows of a tile.
pub(super) const TILE: usize = 6;
/// Numbers of a row that are multiplied before the sums are put down.
const DEPTH_AT_ONCE: usize = 320;
/// Rows of a task at most: with the depth above they fill half of a second cache of 512 KiB.
const ROWS_AT_ONCE: usize = 192;
/// Multiplications below which another thread is not worth waking.
pub(super) const WORTH_A_THREAD: usize = 1 << 20;

/// What is added to a product.
#[derive(Clone, Copy, Default)]
pub(in crate::kernels) struct Epilogue<'a> {
    /// (N): to every row.
    pub(in crate::kernels) bias: Option<&'a [f32]>,
    /// (B, N), and how many rows belong to each of B.
    pub(in crate::kernels) shift: Option<(&'a [f32], usize)>,
    /// (M, N).
    pub(in crate::kernels) residual: Option<&'a [f32]>,
}

impl Epilogue<'_> {
    pub(super) fn check(&self, rows: usize, columns: usize) {
        assert!(self.bias.is_none_or(|bias| bias.len() == columns), "a bias of another width");
        assert!(self.residual.is_none_or(|residual| residual.len() == rows * columns), "a residual of another size");
        let fits = |(shift, each): (&[f32], usize)| each > 0 && shift.len() * each >= rows * columns;
        assert!(self.shift.is_none_or(fits), "a shift for too few rows");
    }
}

/// Where the rows of the left matrix lie.
pub(in crate::kernels) trait Rows: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// All numbers.
    fn data(&self) -> &[f32];

    /// Where the stretch of `row` for `tap` begins in [`Self::data`]; none stands for zeros.
    fn place(&self, row: usize, tap: usize) -> Option<usize>;
}

/// Rows one after the other, `stride` apart.
pub(in crate::kernels) struct Matrix<'a> {
    pub(in crate::kernels) data: &'a [f32],
    pub(in crate::kernels) rows: usize,
    pub(in crate::kernels) stride: usize,
}

impl Rows for Matrix<'_> {
    fn count(&self) -> usize {
        self.rows
    }

    fn data(&self) -> &[f32] {
        self.data
    }

    fn place(&self, row: usize, _: usize) -> Option<usize> {
        Some(row * self.stride)
    }
}

/// (M, K) times the transpose of (N, K), and what is added, to `out` (M, N).
pub(in crate::kernels) fn multiply(rows: &impl Rows, weight: &Packed, epilogue: Epilogue<'_>, out: &mut [f32]) {
    let count = rows.count();
    assert_eq!(out.len(), count * weight.outputs, "a result of another size");
    epilogue.check(count, weight.outputs);
    let out = Shared::new(out);
    let widening = if weight.numbers.needs_widening() { DEPTH_AT_ONCE.max(weight.depth) * weight.panel } else { 0 };
    in_tasks(count, weight, |task, panels| {
        with_stretches(rows, &task, weight, widening, |stretches, widened| {
            dispatch(Product { weight, epilogue, task: task.clone(), panels, stretches, widened, out: &out });
        });
    });
}

/// As [`multiply`], then each output times [`gelu`] of its gate, to `out` (M, N): GEGLU, Shazeer 2020.
pub(in crate::kernels) fn multiply_gated(rows: &impl Rows, weight: &PackedGated, out: &mut [f32]) {
    assert_eq!(out.len(), rows.count() * weight.outputs, "a result of another size");
    let out = Shared::new(out);
    let matrix = &weight.matrix;
    let widening = if matrix.numbers.needs_widening() { matrix.depth * matrix.panel } else { 0 };
    in_tasks(rows.count(), matrix, |task, panels| {
        with_stretches(rows, &task, matrix, widening, |stretches, widened| {
            dispatch(Gated { weight, task: task.clone(), panels, stretches, widened, out: &out });
        });
    });
}

/// Cuts a product into blocks of rows by ranges of panels, one after the other or on several threads.
fn in_tasks(rows: usize, weight: &Packed, work: impl Fn(Range<usize>, Range<usize>) + Sync) {
    let panels = weight.panels();
    if rows == 0 || panels == 0 {
        return;
    }
    let multiplications = rows * weight.outputs * weight.taps * weight.depth;
    let threads = threads().min(multiplications / WORTH_A_THREAD + 1);
    let blocks = rows.div_ceil(ROWS_AT_ONCE).next_multiple_of(if rows >= 8 * TILE * threads { threads } else { 1 });
    let rows_each = rows.div_ceil(blocks).next_multiple_of(TILE);
    let blocks = rows.div_ceil(rows_each);
    let parts = if blocks.is_multiple_of(threads) || blocks > 4 * threads { 1 } else { threads.min(panels) };
    let panels_each = panels.div_ceil(parts);
    let run = |index: usize| {
        let (block, part) = (index / parts, index % parts);
        let panels = (part * panels_each).min(panels)..((part + 1) * panels_each).min(panels);
        work(block * rows_each..((block + 1) * rows_each).min(rows), panels);
    };
    each(blocks * parts, threads > 1, run);
}

/// Where the stretches of the rows of a task begin: for each tap, for each row.
struct Stretches {
    starts: Vec<*const f32>,
    rows: usize,
}

/// Lends `work` the stretches of a task, and `widening` numbers of scratch.
fn with_stretches(
    rows: &impl Rows,
    task: &Range<usize>,
    weight: &Packed,
    widening: usize,
    work: impl FnOnce(&Stretches, &mut [f32]),
) {
    with_scratch(weight.depth + widening, |scratch| {
        let (zero, widened) = scratch.split_at_mut(weight.depth);
        zero.fill(0.0);
        work(&Stretches::of(rows, task, weight.taps, weight.depth, zero), widened);
    });
}

impl Stretches {
    /// `zeros` holds a stretch of zeros.
    fn of(rows: &impl Rows, task: &Range<usize>, taps: usize, depth: usize, zeros: &[f32]) -> Self {
        assert!(zeros.len() >= depth, "too few zeros");
        let (data, count) = (rows.data(), task.len().next_multiple_of(TILE));
        let mut starts = Vec::with_capacity(taps * count);
        for tap in 0..taps {
            // The last tile is filled up with its last row, whose results are thrown away.
            starts.extend((0..count).map(|row| {
                let place = rows.place((task.start + row).min(task.end - 1), tap);
                place.map_or(zeros.as_ptr(), |place| data[place..place + depth].as_ptr())
            }));
        }
        Self { starts, rows: count }
    }

    #[inline(always)]
    fn tile(&self, tap: usize, first: usize) -> &[*const f32; TILE] {
        let at = tap * self.rows + first;
        self.starts[at..at + TILE].try_into().expect("rows are filled up to whole tiles")
    }
}

type Sums<S> = [[<S as Simd>::f32s; PANEL_VECTORS]; TILE];

#[inline(always)]
fn zeros<S: Simd>(simd: S) -> Sums<S> {
    [[simd.splat_f32s(0.0); PANEL_VECTORS]; TILE]
}

/// Adds `depth` products to each of the sums: of a panel, or of its first vectors.
///
/// # Safety
/// Each row must have `depth` numbers, the panel `depth` times its width.
#[inline(always)]
pub(super) unsafe fn accumulate<S: Simd, const VECTORS: usize>(
    simd: S,
    sums: &mut [[S::f32s; VECTORS]; TILE],
    rows: [*const f32; TILE],
    panel: *const f32,
    depth: usize,
) {
    for k in 0..depth {
        // SAFETY: promised by the caller.
        unsafe {
            let from = panel.add(k * PANEL_VECTORS * S::F32_LANES);
            let mut right = [simd.splat_f32s(0.0); VECTORS];
            for (vector, right) in right.iter_mut().enumerate() {
                *right = load(simd, from.add(vector * S::F32_LANES));
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                let left = simd.splat_f32s(*row.add(k));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = simd.mul_add_e_f32s(left, right, *sum);
                }
            }
        }
    }
}

/// The taps and the part of each that are multiplied together.
fn blocks(taps: usize, depth: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let together = (DEPTH_AT_ONCE / depth.max(1)).clamp(1, taps.max(1));
    let pieces = if together > 1 { 1 } else { depth.div_ceil(DEPTH_AT_ONCE).max(1) };
    let each = depth.div_ceil(pieces);
    (0..taps).step_by(together).flat_map(move |tap| {
        (0..pieces).map(move |piece| (tap..(tap + together).min(taps), piece * each..((piece + 1) * each).min(depth)))
    })
}

struct Product<'a> {
    weight: &'a Packed,
    epilogue: Epilogue<'a>,
    task: Range<usize>,
    panels: Range<usize>,
    stretches: &'a Stretches,
    widened: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Packed { outputs, taps, depth, panel: width, .. } = *self.weight;
        assert_eq!(width, PANEL_VECTORS * S::F32_LANES, "packed for vectors of another width");
        let last = blocks(taps, depth).count() - 1;
        for (index, (block_taps, piece)) in blocks(taps, depth).enumerate() {
            let numbers = block_taps.len() * piece.len() * width;
            let addition = Addition {
                epilogue: if index == last { self.epilogue } else { Epilogue::default() },
                onto: index > 0,
                width: outputs,
            };
            for panel in self.panels.clone() {
                let start = self.weight.offset(panel, block_taps.start, piece.start);
                let right = self.weight.numbers.widened(start, numbers, self.widened);
                let columns = panel * width..((panel + 1) * width).min(outputs);
                for first in (0..self.task.len()).step_by(TILE) {
                    let task_rows = self.task.start + first..(self.task.start + first + TILE).min(self.task.end);
                    addition.expect(task_rows.clone(), columns.clone(), self.out);
                    let mut sums = zeros(simd);
                    for tap in block_taps.clone() {
                        let mut rows = *self.stretches.tile(tap, first);
                        for row in &mut rows {
                            *row = row.wrapping_add(piece.start);
                        }
                        let panel = right[(tap - block_taps.start) * piece.len() * width..].as_ptr();
                        // SAFETY: each stretch has `depth` numbers, and `right` as many as the block's taps take.
                        unsafe { accumulate(simd, &mut sums, rows, panel, piece.len()) };
                    }
                    addition.put(simd, &sums, task_rows, columns.clone(), self.out);
                }
            }
        }
    }
}

/// How a tile of sums is put down.
pub(super) struct Addition<'a> {
    pub(super) epilogue: Epilogue<'a>,
    /// Whether it is added to what is there.
    pub(super) onto: bool,
    /// Of the result.
    pub(super) width: usize,
}

/// Adds `len` numbers of `from`, if there is one.
#[inline(always)]
fn plus<S: Simd>(simd: S, sum: S::f32s, from: Option<&[f32]>, at: usize, len: usize) -> S::f32s {
    match from {
        None => sum,
        Some(from) => simd.add_f32s(sum, take(simd, &from[at..at + len])),
    }
}

impl Addition<'_> {
    /// Asks the cache for what [`Self::put`] will read and write of these rows.
    #[inline(always)]
    pub(super) fn expect(&self, rows: Range<usize>, columns: Range<usize>, out: &Shared<'_>) {
        for row in rows {
            let start = row * self.width + columns.start;
            out.fetch(start, columns.len());
            if let Some(residual) = self.epilogue.residual {
                fetch(&residual[start..start + columns.len()]);
            }
        }
    }

    #[inline(always)]
    pub(super) fn put<S: Simd>(
        &self,
        simd: S,
        sums: &[[S::f32s; PANEL_VECTORS]],
        rows: Range<usize>,
        columns: Range<usize>,
        out: &Shared<'_>,
    ) {
        let Epilogue { bias, shift, residual } = self.epilogue;
        for (row, sums) in rows.zip(sums) {
            let start = row * self.width;
            for (vector, sum) in sums.iter().enumerate() {
                let column = columns.start + vector * S::F32_LANES;
                if column >= columns.end {
                    break;
                }
                let len = S::F32_LANES.min(columns.end - column);
                // SAFETY: tasks share no row and panel, and this is the only part of this task now.
                let out = unsafe { out.part(start + column, len) };
                let mut sum = *sum;
                if self.onto {
                    sum = plus(simd, sum, Some(&*out), 0, len);
                }
                sum = plus(simd, sum, bias, column, len);
                if let Some((shift, each)) = shift {
                    sum = plus(simd, sum, Some(shift), row / each * self.width + column, len);
                }
                sum = plus(simd, sum, residual, start + column, len);
                put(simd, out, sum);
            }
        }
    }
}

struct Gated<'a> {
    weight: &'a PackedGated,
    task: Range<usize>,
    panels: Range<usize>,
    stretches: &'a Stretches,
    widened: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (matrix, outputs) = (&self.weight.matrix, self.weight.outputs);
        let width = PANEL_VECTORS * S::F32_LANES;
        assert_eq!(matrix.panel, width, "packed for vectors of another width");
        for panel in self.panels.clone() {
            let right = matrix.numbers.widened(matrix.offset(panel, 0, 0), matrix.depth * width, self.widened);
            let columns = panel * S::F32_LANES..((panel + 1) * S::F32_LANES).min(outputs);
            let bias = &self.weight.bias[panel * width..][..width];
            // SAFETY: the bias of a panel is two vectors.
            let (value_bias, gate_bias) =
                unsafe { (load(simd, bias.as_ptr()), load(simd, bias.as_ptr().add(S::F32_LANES))) };
            for first in (0..self.task.len()).step_by(TILE) {
                let mut sums = zeros(simd);
                // SAFETY: each row has `depth` numbers, and so has each column of the panel.
                unsafe { accumulate(simd, &mut sums, *self.stretches.tile(0, first), right.as_ptr(), matrix.depth) };
                let rows = self.task.start + first..(self.task.start + first + TILE).min(self.task.end);
                for (row, [value, gate]) in rows.zip(sums) {
                    let gate = gelu(simd, simd.add_f32s(gate, gate_bias));
                    let gated = simd.mul_f32s(simd.add_f32s(value, value_bias), gate);
                    // SAFETY: tasks share no row and panel.
                    let out = unsafe { self.out.part(row * outputs + columns.start, columns.len()) };
                    put(simd, out, gated);
                }
            }
        }
    }
}
