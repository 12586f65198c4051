//! Products and convolutions by tiles: of bf16 ([`super::tiles`]), for networks of bf16, where numbers are rounded to 8 significant bits,
//! and for those of f32, where numbers are split in two, both summed in f32; or of bytes ([`super::bytes`]). A task lays a block of its picture out in tiles, padded with zeros, so that for each place
//! of the kernel the same tiles are read from another line on, and nothing is unfolded; then the weight's panels pass over it.
//! Each output is summed in one go, so that nothing but its shape decides its bytes.

use super::bytes::Levels;
use super::gemm::{Epilogue, WORTH_A_THREAD};
use super::rounding::{Number, lay_row, lay_row_split};
use super::shared::{Shared, each, fetch, threads, with_scratch};
use super::tiled::{Tiled, TiledGated};
use super::tiles::{AT_ONCE, Line, PANEL, Parts, Products, Rows, SIDE, STEP, Sums, Tiling};
use super::vector::{dispatch, gelu, take};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// How a square kernel walks over a picture (B, H, W, C). Rows of a plain matrix are a picture of one column.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Walk {
    pub(in crate::kernels) batch: usize,
    /// Of the picture as it is stored.
    pub(in crate::kernels) height: usize,
    pub(in crate::kernels) width: usize,
    /// 2 for a picture that is seen enlarged by repeating pixels, otherwise 1.
    pub(in crate::kernels) scale: usize,
    pub(in crate::kernels) kernel: usize,
    pub(in crate::kernels) stride: usize,
    /// Zeros at the left and at the top; those at the right and at the bottom follow from the output's size.
    pub(in crate::kernels) before: usize,
    /// Height and width of the output.
    pub(in crate::kernels) output: (usize, usize),
}

impl Walk {
    /// Over the rows of a matrix.
    pub(in crate::kernels) fn rows(count: usize) -> Self {
        Self { batch: 1, height: count, width: 1, scale: 1, kernel: 1, stride: 1, before: 0, output: (count, 1) }
    }

    fn outputs(&self) -> usize {
        self.batch * self.output.0 * self.output.1
    }

    /// Whether each output sees a pixel of its own, and no other does.
    fn is_by_pixels(&self) -> bool {
        (self.kernel, self.stride, self.scale, self.before) == (1, 1, 1, 0)
    }
}

/// The picture seen by the weight's kernel and multiplied with it, and what is added, to `out` (B, H', W', N).
pub(in crate::kernels) fn multiply_by_tiles<X: Number, Y: Number>(
    x: &[X],
    walk: Walk,
    weight: &Tiled,
    epilogue: Epilogue<'_>,
    out: &mut [Y],
) {
    assert_eq!(out.len(), walk.outputs() * weight.outputs, "a result of another size");
    epilogue.check(walk.outputs(), weight.outputs);
    over_blocks(x, walk, weight, &Plain { width: weight.outputs, epilogue, out: Shared::new(out) });
}

/// As [`multiply_by_tiles`], then each output times [`gelu`] of its gate, to `out` (M, N): GEGLU, Shazeer 2020.
pub(in crate::kernels) fn multiply_gated_by_tiles<X: Number, Y: Number>(
    x: &[X],
    rows: usize,
    weight: &TiledGated,
    out: &mut [Y],
) {
    assert_eq!(out.len(), rows * weight.outputs, "a result of another size");
    let gated = Gated { width: weight.outputs, bias: &weight.bias, out: Shared::new(out) };
    over_blocks(x, Walk::rows(rows), &weight.matrix, &gated);
}

/// Bytes of a block in tiles, at most: most of a second cache of 2 MiB, or half of it beside a weight that is being split.
const fn block_bytes(products: Products) -> usize {
    match products {
        Products::Bf16(Tiling { parts: Parts::One, .. }) | Products::Bytes(_) => 3 << 19,
        Products::Bf16(Tiling { parts: Parts::Two, .. }) => 1 << 20,
    }
}

/// Columns of a block.
const BLOCK_WIDTH: usize = 64;
/// Steps for which a panel is split at once: with a block, they stay in the second cache.
const STEPS_AT_ONCE: usize = 16;
/// Outputs of a block for which a weight is worth reading again.
const BLOCK_OUTPUTS: usize = 128;

/// A part of the output: a picture, lines and columns of it.
#[derive(Clone, Debug)]
struct Block {
    picture: usize,
    lines: Range<usize>,
    columns: Range<usize>,
    /// Of the whole picture, where bytes are multiplied and pixels have none of their own.
    levels: Option<Levels>,
}

/// Where the sums of a panel go. `rows` says which rows of the output they are, [`usize::MAX`] those that are none.
trait Sink: Sync {
    /// These will be the next: what is read and written for them is asked for while they are being summed. It lies far apart, and
    /// fetching it would take longer than the sums of a small depth.
    fn expect(&self, rows: &[usize], panel: usize);

    fn put(&self, sums: &Sums, rows: &[usize], panel: usize);
}

fn over_blocks<X: Number>(x: &[X], walk: Walk, weight: &Tiled, sink: &dyn Sink) {
    let Walk { batch, height, width, output, kernel, .. } = walk;
    assert_eq!(x.len(), batch * height * width * weight.depth, "a picture of another size than its shape");
    assert_eq!(weight.taps, kernel * kernel, "a kernel of another size");
    let panels = weight.panels();
    if walk.outputs() == 0 || panels == 0 {
        return;
    }
    let per_output = weight.taps * weight.depth;
    let threads = threads().min(walk.outputs() * weight.outputs * per_output / (8 * WORTH_A_THREAD) + 1);
    // What two threads both need is what is smaller: the picture or the weight.
    let by_lines = walk.outputs() >= weight.outputs * weight.taps && batch * output.0 >= threads;
    let columns_each =
        output.1.div_ceil(output.1.div_ceil(BLOCK_WIDTH)).next_multiple_of(if output.1 > SIDE { SIDE } else { 1 });
    let of_pixel = weight.depth.div_ceil(weight.products.depth()) * weight.products.lines() * size_of::<Line>();
    let line_bytes = columns_each * walk.stride * walk.stride * of_pixel;
    let fewest = BLOCK_OUTPUTS.div_ceil(columns_each);
    let lines_at_most = (block_bytes(weight.products) / line_bytes.max(1)).saturating_sub(kernel - 1).max(fewest);
    let pieces = output.0.div_ceil(lines_at_most);
    let pieces = if by_lines && batch < threads { pieces.next_multiple_of(threads) } else { pieces };
    let lines_each = output.0.div_ceil(pieces);
    let lines_each = if output.1 == 1 { lines_each.next_multiple_of(SIDE) } else { lines_each };
    let (down, across) = (output.0.div_ceil(lines_each), output.1.div_ceil(columns_each));
    let blocks = batch * down * across;
    let levels: Vec<Levels> = match weight.products {
        Products::Bytes(_) if !walk.is_by_pixels() => {
            x.chunks_exact(height * width * weight.depth).map(Levels::of_picture).collect()
        }
        _ => Vec::new(),
    };
    let parts = if by_lines || blocks.is_multiple_of(threads) { 1 } else { threads.min(panels) };
    let panels_each = panels.div_ceil(parts);
    each(blocks * parts, threads > 1, |index| {
        let (block, part) = (index / parts, index % parts);
        let panels = (part * panels_each).min(panels)..((part + 1) * panels_each).min(panels);
        let (line, column) = (block / across % down * lines_each, block % across * columns_each);
        let picture = block / across / down;
        let block = Block {
            picture,
            lines: line..(line + lines_each).min(output.0),
            columns: column..(column + columns_each).min(output.1),
            levels: levels.get(picture).copied(),
        };
        multiply_block(x, walk, weight, &block, panels, sink);
    });
}

fn multiply_block<X: Number>(
    x: &[X],
    walk: Walk,
    weight: &Tiled,
    block: &Block,
    panels: Range<usize>,
    sink: &dyn Sink,
) {
    let Walk { kernel, stride, .. } = walk;
    // The kernel's places of one remainder by the stride see the same pixels, so each remainder has a plane of its own.
    let reach = (kernel - 1) / stride;
    let (height, width) = (block.lines.len() + reach, block.columns.len() + reach);
    // The last tile reads past the block; an odd number of lines spreads planes over the cache.
    let plane = (stride * stride * height * width + SIDE) | 1;
    let tiles = weight.depth.div_ceil(weight.products.depth());
    let place = |tap: usize| {
        let (down, across) = (tap / kernel, tap % kernel);
        let remainder = down % stride * stride + across % stride;
        (remainder * height + down / stride) * width + across / stride
    };
    let steps: Vec<u32> =
        (0..tiles).flat_map(|tile| (0..weight.taps).map(move |tap| (tile * plane + place(tap)) as u32)).collect();
    let (starts, rows) = rows_of(walk, block, width);
    let low = tiles * plane;
    let size = (height, width);
    // What is split passes over the whole block before more of it is, and sums wait for it.
    let (split_lines, at_once) = match weight.products {
        Products::Bf16(Tiling { parts: Parts::Two, .. }) => (STEPS_AT_ONCE * 2 * STEP, STEPS_AT_ONCE),
        _ => (0, steps.len().max(1)),
    };
    let wait = at_once < steps.len();
    let sums_lines = if wait { starts.len().div_ceil(AT_ONCE) } else { 1 } * size_of::<Sums>() / size_of::<Line>();
    let mut of_pixels = vec![Levels::default(); if block.levels.is_none() { plane } else { 0 }];
    with_lines(weight.products.lines() * low + split_lines + sums_lines, |lines| {
        let (left, lines) = lines.split_at_mut(weight.products.lines() * low);
        let (scratch, sums) = lines.split_at_mut(split_lines);
        let sums: &mut [Sums] = bytemuck::cast_slice_mut(sums);
        let laid = match (weight.products, block.levels) {
            (Products::Bf16(Tiling { parts: Parts::One, .. }), _) => Laid::Rounded,
            (Products::Bf16(Tiling { parts: Parts::Two, .. }), _) => Laid::Split { low },
            (Products::Bytes(_), Some(levels)) => Laid::Bytes(levels),
            (Products::Bytes(_), None) => Laid::BytesOfPixels(&mut of_pixels),
        };
        dispatch(Lay { x, walk, depth: weight.depth, block, size, plane, laid, lines: left });
        let left = &*left;
        weight.products.with(|| {
            for panel in panels {
                for first in (0..steps.len()).step_by(at_once) {
                    let range = first..(first + at_once).min(steps.len());
                    let (steps_of, last) = (&steps[range.clone()], range.end == steps.len());
                    let ahead = weight.after(panel, range.end, at_once);
                    let right = match weight.products {
                        Products::Bf16(Tiling { parts: Parts::One, .. }) => weight.rounded(panel, range),
                        Products::Bf16(Tiling { parts: Parts::Two, .. }) => weight.split(panel, range, scratch),
                        Products::Bytes(_) => weight.bytes().steps(panel, range),
                    };
                    let rows = starts.chunks(AT_ONCE).zip(rows.chunks(AT_ONCE * SIDE));
                    for (index, (starts, rows)) in rows.enumerate() {
                        if last {
                            sink.expect(rows, panel);
                        }
                        let sums = &mut sums[if wait { index } else { 0 }];
                        let ahead = ahead.get(index * weight.products.ahead() * steps_of.len()..).unwrap_or_default();
                        let left = Rows { lines: left, starts, steps: steps_of, ahead };
                        match weight.products {
                            Products::Bf16(Tiling { kind, parts: Parts::One }) => {
                                kind.multiply(left, right, sums, first > 0);
                            }
                            Products::Bf16(Tiling { kind, parts: Parts::Two }) => {
                                kind.multiply_split(left, low, right, sums, first > 0);
                            }
                            Products::Bytes(kind) => {
                                kind.multiply(left, right, sums);
                                let of =
                                    |pixel: usize| block.levels.or(of_pixels.get(pixel).copied()).unwrap_or_default();
                                weight.bytes().widen(panel, left.numbers().map(of), sums);
                            }
                        }
                        if last {
                            sink.put(sums, rows, panel);
                        }
                    }
                }
            }
        });
    });
}

/// Where the tiles of a block begin in its plane, and which row of the output each of their rows is.
fn rows_of(walk: Walk, block: &Block, width: usize) -> (Vec<usize>, Vec<usize>) {
    let (down, across) = (block.lines.len(), block.columns.len());
    let row = |line: usize, column: usize| {
        let (height, width) = walk.output;
        (block.picture * height + block.lines.start + line) * width + block.columns.start + column
    };
    // Either tiles of their own for each line, or tiles that go on from line to line and past the padding between them.
    let (apart, on) = (down * across.div_ceil(SIDE), ((down - 1) * width + across).div_ceil(SIDE));
    let starts: Vec<usize> = if on <= apart {
        (0..on).map(|tile| tile * SIDE).collect()
    } else {
        (0..down).flat_map(|line| (0..across).step_by(SIDE).map(move |column| line * width + column)).collect()
    };
    let mut rows = Vec::with_capacity(starts.len() * SIDE);
    for &start in &starts {
        let of_line = if on <= apart { usize::MAX } else { start / width };
        rows.extend((start..start + SIDE).map(|at| {
            let (line, column) = (at / width, at % width);
            let is_one = line < down && column < across && (of_line == usize::MAX || line == of_line);
            if is_one { row(line, column) } else { usize::MAX }
        }));
    }
    (starts, rows)
}

/// Lends so many lines of any value, kept by the thread for the next time.
pub(super) fn with_lines<T>(count: usize, work: impl FnOnce(&mut [Line]) -> T) -> T {
    with_scratch(count * size_of::<Line>() / size_of::<f32>(), |scratch| work(bytemuck::cast_slice_mut(scratch)))
}

/// As what a block's pixels are laid out.
enum Laid<'a> {
    Rounded,
    /// So many lines behind stands what is lacking.
    Split {
        low: usize,
    },
    Bytes(Levels),
    /// Each by levels of its own, which are put down here.
    BytesOfPixels(&'a mut [Levels]),
}

impl Laid<'_> {
    /// A line of zeros.
    fn zeros(&self) -> Line {
        if let Self::Bytes(levels) = self { levels.zeros() } else { Line::ZERO }
    }
}

/// Lays a block out: for as many channels as a line holds a plane of lines, one for each pixel.
struct Lay<'a, X> {
    x: &'a [X],
    walk: Walk,
    depth: usize,
    block: &'a Block,
    /// Height and width of a remainder's part of a plane.
    size: (usize, usize),
    plane: usize,
    laid: Laid<'a>,
    lines: &'a mut [Line],
}

impl<X: Number> WithSimd for Lay<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, walk, depth, block, size, plane, mut laid, lines } = self;
        let (stride, scale) = (walk.stride, walk.scale);
        for remainder in 0..stride * stride {
            let along = |at: usize, first: usize, remainder: usize, side: usize| {
                ((at + first) * stride + remainder)
                    .checked_sub(walk.before)
                    .map(|at| at / scale)
                    .filter(|at| *at < side)
            };
            for line in 0..size.0 {
                let y = along(line, block.lines.start, remainder / stride, walk.height);
                for column in 0..size.1 {
                    let to = (remainder * size.0 + line) * size.1 + column;
                    let pixel = y.zip(along(column, block.columns.start, remainder % stride, walk.width));
                    if let Some((y, left)) = pixel {
                        let at = ((block.picture * walk.height + y) * walk.width + left) * depth;
                        let row = &x[at..at + depth];
                        let lines = &mut lines[to..];
                        match &mut laid {
                            Laid::Rounded => lay_row(simd, row, lines, plane),
                            Laid::Split { low } => lay_row_split(&X::widened(row), lines, plane, *low),
                            Laid::Bytes(levels) => levels.lay_row(&X::widened(row), lines, plane),
                            Laid::BytesOfPixels(levels) => {
                                let row = X::widened(row);
                                levels[to] = Levels::of_row(&row);
                                levels[to].lay_row(&row, lines, plane);
                            }
                        }
                    } else {
                        // The planes of what is lacking follow on the others.
                        let zeros = laid.zeros();
                        lines[to..].iter_mut().step_by(plane).for_each(|line| *line = zeros);
                    }
                }
            }
        }
    }
}

/// Puts sums down with what is added to them.
struct Plain<'a, Y> {
    /// Of the output.
    width: usize,
    epilogue: Epilogue<'a>,
    out: Shared<'a, Y>,
}

impl<Y: Number> Sink for Plain<'_, Y> {
    fn expect(&self, rows: &[usize], panel: usize) {
        let first = panel * PANEL;
        let len = PANEL.min(self.width - first);
        for row in rows.iter().filter(|row| **row != usize::MAX) {
            let start = row * self.width + first;
            self.out.fetch(start, len);
            if let Some(residual) = self.epilogue.residual {
                fetch(&residual[start..start + len]);
            }
        }
    }

    fn put(&self, sums: &Sums, rows: &[usize], panel: usize) {
        dispatch(Put { sums, rows, panel, to: self });
    }
}

struct Put<'a, Y> {
    sums: &'a Sums,
    rows: &'a [usize],
    panel: usize,
    to: &'a Plain<'a, Y>,
}

impl<Y: Number> WithSimd for Put<'_, Y> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let &Plain { width, epilogue: Epilogue { bias, shift, residual }, ref out } = self.to;
        let first = self.panel * PANEL;
        let len = PANEL.min(width - first);
        for (row, sums) in self.rows.iter().zip(&self.sums.0).filter(|(row, _)| **row != usize::MAX) {
            let start = row * width + first;
            // SAFETY: tasks share no row and panel.
            let out = unsafe { out.part(start, len) };
            for (vector, out) in out.chunks_mut(S::F32_LANES).enumerate() {
                let (at, len) = (vector * S::F32_LANES, out.len());
                let mut sum = take(simd, &sums[at..]);
                if let Some(bias) = bias {
                    sum = simd.add_f32s(sum, take(simd, &bias[first + at..][..len]));
                }
                if let Some((shift, each)) = shift {
                    sum = simd.add_f32s(sum, take(simd, &shift[row / each * width + first + at..][..len]));
                }
                if let Some(residual) = residual {
                    sum = simd.add_f32s(sum, take(simd, &residual[start + at..][..len]));
                }
                Y::put(simd, out, sum);
            }
        }
    }
}

/// Puts sums down times their gates.
struct Gated<'a, Y> {
    /// Of the output.
    width: usize,
    /// Of one panel after the other.
    bias: &'a [f32],
    out: Shared<'a, Y>,
}

impl<Y: Number> Sink for Gated<'_, Y> {
    fn expect(&self, rows: &[usize], panel: usize) {
        let first = panel * SIDE;
        for row in rows.iter().filter(|row| **row != usize::MAX) {
            self.out.fetch(row * self.width + first, SIDE.min(self.width - first));
        }
    }

    fn put(&self, sums: &Sums, rows: &[usize], panel: usize) {
        dispatch(PutGated { sums, rows, panel, to: self });
    }
}

struct PutGated<'a, Y> {
    sums: &'a Sums,
    rows: &'a [usize],
    panel: usize,
    to: &'a Gated<'a, Y>,
}

impl<Y: Number> WithSimd for PutGated<'_, Y> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let &Gated { width, bias, ref out } = self.to;
        let first = self.panel * SIDE;
        let len = SIDE.min(width - first);
        let (value_bias, gate_bias) = bias[self.panel * PANEL..][..PANEL].split_at(SIDE);
        for (row, sums) in self.rows.iter().zip(&self.sums.0).filter(|(row, _)| **row != usize::MAX) {
            let (values, gates) = sums.split_at(SIDE);
            // SAFETY: tasks share no row and panel.
            let out = unsafe { out.part(row * width + first, len) };
            for (at, out) in out.chunks_mut(S::F32_LANES).enumerate() {
                let at = at * S::F32_LANES;
                let plus = |sums: &[f32], bias: &[f32]| simd.add_f32s(take(simd, &sums[at..]), take(simd, &bias[at..]));
                let gate = gelu(simd, plus(gates, gate_bias));
                Y::put(simd, out, simd.mul_f32s(plus(values, value_bias), gate));
            }
        }
    }
}
