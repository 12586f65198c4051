//! Convolutions of 3×3 in a quarter of the multiplications: Winograd's F(4×4, 3×3) (Lavin & Gray 2016, "Fast Algorithms for
//! Convolutional Neural Networks"). Each 6×6 of the picture becomes 36 numbers, which are multiplied with the 36 that a kernel
//! becomes, channel by channel as 36 products of matrices, and whose sums become 4×4 of the result. The points at which the
//! polynomials are taken are 0, ±√½, ±√2 and infinity, which round less than the usual 0, ±1, ±2.
//!
//! Kernels are changed as they are used, a few channels of one panel at a time, since kept they would take four times the
//! memory.
#![expect(clippy::needless_range_loop, reason = "squares are read across their rows: indices say so more plainly")]

use super::gemm::{Addition, Epilogue, TILE, WORTH_A_THREAD, accumulate};
use super::packed::{PANEL_VECTORS, Packed};
use super::shared::{Shared, each, with_scratch};
use super::vector::{dispatch, load, put, store, take};
use pulp::{Simd, WithSimd};
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};
use std::ops::Range;

/// Pixels along the side of what a square of results comes from, and of the results.
pub(super) const SIDE: usize = 6;
const RESULTS: usize = 4;
pub(super) const POSITIONS: usize = SIDE * SIDE;
/// Channels that are summed before the sums are put down. With [`SQUARES_AT_ONCE`] it keeps the changed kernels and the sums of
/// a panel in a second cache of 512 KiB.
const CHANNELS_AT_ONCE: usize = 64;
/// Squares that pass over changed kernels, in whole tiles.
const SQUARES_AT_ONCE: usize = 16 * TILE;
/// Channels whose sums become results, which further channels are added to. With [`SQUARES_AT_ONCE`] it keeps the changed picture
/// in a part of the third cache.
const CHANNELS_OF_A_PART: usize = 512;
/// Numbers of a cache line.
const LINE: usize = 16;
/// Squares of a picture, and channels, below which changing costs more than it saves.
const WORTH_CHANGING: (usize, usize) = (4, 8);

/// A picture (B, H, W, C) that a kernel of 3×3 is to pass over, padded by one pixel of zeros.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) x: &'a [f32],
    pub(super) batch: usize,
    /// Of the result, and so of what the kernel walks over.
    pub(super) height: usize,
    pub(super) width: usize,
    /// 2 for a picture that is seen enlarged by repeating pixels, otherwise 1.
    pub(super) scale: usize,
}

impl<'x> Seen<'x> {
    fn rows(&self) -> usize {
        self.height.div_ceil(RESULTS)
    }

    fn columns(&self) -> usize {
        self.width.div_ceil(RESULTS)
    }

    /// Of all pictures.
    pub(super) fn squares(&self) -> usize {
        self.batch * self.rows() * self.columns()
    }

    /// Picture, top and left of the results of a square.
    fn place(&self, square: usize) -> (usize, usize, usize) {
        let (row, column) = (square / self.columns(), square % self.columns());
        (row / self.rows(), row % self.rows() * RESULTS, column * RESULTS)
    }

    /// The pixels that the results of a square come from, as many channels as `zeros`, which stand beside the picture.
    #[inline(always)]
    pub(super) fn pixels<'a>(&self, square: usize, zeros: &'a [f32]) -> [[&'a [f32]; SIDE]; SIDE]
    where
        'x: 'a,
    {
        let Self { x, height, width, scale, .. } = *self;
        let depth = zeros.len();
        let (picture, top, left) = self.place(square);
        let mut pixels = [[zeros; SIDE]; SIDE];
        for (row, pixels) in pixels.iter_mut().enumerate() {
            for (column, pixel) in pixels.iter_mut().enumerate() {
                let (y, at) = ((top + row).wrapping_sub(1), (left + column).wrapping_sub(1));
                if y < height && at < width {
                    let start = ((picture * height / scale + y / scale) * (width / scale) + at / scale) * depth;
                    *pixel = &x[start..start + depth];
                }
            }
        }
        pixels
    }
}

/// Whether [`convolve`] is the faster way for such a picture. Does not depend on the batch, and so neither do the bytes.
pub(super) fn pays(height: usize, width: usize, inputs: usize) -> bool {
    let squares = height.div_ceil(RESULTS) * width.div_ceil(RESULTS);
    squares >= WORTH_CHANGING.0 && inputs >= WORTH_CHANGING.1
}

/// `weight` has the nine taps of a kernel; `out` is (B, H, W, outputs).
pub(super) fn convolve(seen: Seen<'_>, weight: &Packed, epilogue: Epilogue<'_>, out: &mut [f32]) {
    let depth = weight.depth;
    assert_eq!(weight.taps, 9, "a kernel of another size");
    assert_eq!(seen.x.len() * seen.scale * seen.scale, seen.batch * seen.height * seen.width * depth);
    assert_eq!(out.len(), seen.batch * seen.height * seen.width * weight.outputs, "a result of another size");
    let squares = seen.squares();
    if squares == 0 {
        return;
    }
    let block = squares.div_ceil(squares.div_ceil(SQUARES_AT_ONCE)).next_multiple_of(TILE);
    let part = depth.div_ceil(depth.div_ceil(CHANNELS_OF_A_PART)).next_multiple_of(CHANNELS_AT_ONCE).min(depth);
    let blocks =
        (0..squares).step_by(block).flat_map(|first| (0..depth).step_by(part).map(move |start| (first, start)));
    let out = Shared::new(out);
    with_scratch(Changed { squares: block, channels: 0..part }.len() + depth, |scratch| {
        let (zeros, numbers) = scratch.split_at_mut(depth);
        zeros.fill(0.0);
        for (first, start) in blocks {
            let squares = first..(first + block).min(squares);
            let changed = &Changed { squares: block, channels: start..(start + part).min(depth) };
            let shared = Shared::new(numbers);
            let parallel = squares.len() * changed.channels.len() * weight.outputs * POSITIONS > WORTH_A_THREAD;
            each(squares.len().div_ceil(TILE), parallel, |task| {
                let start = squares.start + task * TILE;
                let squares = start..(start + TILE).min(squares.end);
                dispatch(ChangePicture { seen, squares, first, changed, zeros, out: &shared });
            });
            let numbers = &*numbers;
            each(weight.panels(), parallel, |panel| {
                let sizes = Sizes::of(squares.len().next_multiple_of(TILE), weight);
                with_scratch(sizes.total(), |scratch| {
                    let squares = squares.clone();
                    dispatch(Multiply {
                        seen,
                        squares,
                        panel,
                        numbers,
                        changed,
                        weight,
                        epilogue,
                        sizes,
                        scratch,
                        out: &out,
                    });
                });
            });
        }
    });
}

/// How a changed picture lies: block of channels, position, square, channel.
struct Changed {
    squares: usize,
    channels: Range<usize>,
}

impl Changed {
    fn len(&self) -> usize {
        self.blocks() * self.block()
    }

    /// Blocks of channels.
    fn blocks(&self) -> usize {
        self.channels.len().div_ceil(CHANNELS_AT_ONCE)
    }

    /// Numbers of a block of channels.
    fn block(&self) -> usize {
        POSITIONS * self.position()
    }

    /// Numbers of a position. A cache line more than a power of two might be, so that the positions of a square do not all
    /// fall on one set of the cache.
    fn position(&self) -> usize {
        self.squares * CHANNELS_AT_ONCE + LINE
    }

    /// What is added to the sums of these channels, of `depth` in all.
    fn addition<'a>(&self, epilogue: Epilogue<'a>, depth: usize, width: usize) -> Addition<'a> {
        let epilogue = if self.channels.end == depth { epilogue } else { Epilogue::default() };
        Addition { epilogue, onto: self.channels.start > 0, width }
    }

    fn channels(&self, block: usize) -> Range<usize> {
        let start = self.channels.start + block * CHANNELS_AT_ONCE;
        start..(start + CHANNELS_AT_ONCE).min(self.channels.end)
    }
}

/// Scratch of a task, in numbers.
#[derive(Clone, Copy)]
struct Sizes {
    kernels: usize,
    sums: usize,
    widened: usize,
}

impl Sizes {
    fn of(squares: usize, weight: &Packed) -> Self {
        let row = CHANNELS_AT_ONCE.min(weight.depth) * weight.panel;
        let widened = if weight.numbers.needs_widening() { 9 * row } else { 0 };
        Self { kernels: POSITIONS * (row + LINE), sums: POSITIONS * squares * weight.panel, widened }
    }

    fn total(self) -> usize {
        self.kernels + self.sums + self.widened
    }
}

/// The changed numbers of a few squares.
struct ChangePicture<'a> {
    seen: Seen<'a>,
    squares: Range<usize>,
    /// The first square of the block.
    first: usize,
    changed: &'a Changed,
    zeros: &'a [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for ChangePicture<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for square in self.squares.clone() {
            let pixels = self.seen.pixels(square, self.zeros);
            for block in 0..self.changed.blocks() {
                let channels = self.changed.channels(block);
                let start = block * self.changed.block() + (square - self.first) * CHANNELS_AT_ONCE;
                let mut channel = channels.start;
                while channel < channels.end {
                    let end = (channel + S::F32_LANES).min(channels.end);
                    change_pixels(simd, &pixels, channel..end, |position, value| {
                        let at = start + position * self.changed.position() + channel - channels.start;
                        // SAFETY: squares share no numbers, and this is the only part of this task now.
                        put(simd, unsafe { self.out.part(at, end - channel) }, value);
                    });
                    channel = end;
                }
            }
        }
    }
}

/// A square of a picture, changed: at most a vector of its channels.
#[inline(always)]
pub(super) fn change_pixels<S: Simd>(
    simd: S,
    pixels: &[[&[f32]; SIDE]; SIDE],
    channels: Range<usize>,
    mut put: impl FnMut(usize, S::f32s),
) {
    let mut columns = [[simd.splat_f32s(0.0); SIDE]; SIDE];
    for column in 0..SIDE {
        let mut line = [simd.splat_f32s(0.0); SIDE];
        for row in 0..SIDE {
            line[row] = take(simd, &pixels[row][column][channels.clone()]);
        }
        columns[column] = change_line(simd, line);
    }
    for row in 0..SIDE {
        let mut line = [simd.splat_f32s(0.0); SIDE];
        for column in 0..SIDE {
            line[column] = columns[column][row];
        }
        for (column, value) in change_line(simd, line).into_iter().enumerate() {
            put(row * SIDE + column, value);
        }
    }
}

/// A kernel, changed: at most a vector of its channels and outputs. `tap` gives those of a place.
#[inline(always)]
pub(super) fn change_taps<S: Simd>(simd: S, tap: impl Fn(usize) -> S::f32s, mut put: impl FnMut(usize, S::f32s)) {
    let mut columns = [[simd.splat_f32s(0.0); SIDE]; 3];
    for (column, changed) in columns.iter_mut().enumerate() {
        *changed = change_kernel_line(simd, [tap(column), tap(3 + column), tap(6 + column)]);
    }
    for row in 0..SIDE {
        let line = [columns[0][row], columns[1][row], columns[2][row]];
        for (column, value) in change_kernel_line(simd, line).into_iter().enumerate() {
            put(row * SIDE + column, value);
        }
    }
}

/// Bᵀ of a line of a picture.
#[inline(always)]
fn change_line<S: Simd>(simd: S, d: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    let by = |factor: f32, x: S::f32s, y: S::f32s| simd.mul_add_e_f32s(simd.splat_f32s(factor), x, y);
    let even = by(-2.0, d[2], d[4]);
    let odd = by(FRAC_1_SQRT_2, d[3], simd.mul_f32s(simd.splat_f32s(-SQRT_2), d[1]));
    let even_far = by(-0.5, d[2], d[4]);
    let odd_far = by(SQRT_2, d[3], simd.mul_f32s(simd.splat_f32s(-FRAC_1_SQRT_2), d[1]));
    [
        by(-2.5, d[2], simd.add_f32s(d[0], d[4])),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(even_far, odd_far),
        simd.sub_f32s(even_far, odd_far),
        by(-2.5, d[3], simd.add_f32s(d[1], d[5])),
    ]
}

/// G of a line of a kernel.
#[inline(always)]
fn change_kernel_line<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; SIDE] {
    let times = |factor: f32, x: S::f32s| simd.mul_f32s(simd.splat_f32s(factor), x);
    let even = times(-2.0 / 3.0, simd.mul_add_e_f32s(simd.splat_f32s(0.5), g[2], g[0]));
    let odd = times(SQRT_2 / 3.0, g[1]);
    let even_far = times(1.0 / 6.0, simd.mul_add_e_f32s(simd.splat_f32s(2.0), g[2], g[0]));
    let odd_far = times(SQRT_2 / 6.0, g[1]);
    [
        g[0],
        simd.sub_f32s(even, odd),
        simd.add_f32s(even, odd),
        simd.add_f32s(even_far, odd_far),
        simd.sub_f32s(even_far, odd_far),
        g[2],
    ]
}

/// Aᵀ of a line of sums.
#[inline(always)]
fn change_back<S: Simd>(simd: S, m: [S::f32s; SIDE]) -> [S::f32s; RESULTS] {
    let by = |factor: f32, x: S::f32s, y: S::f32s| simd.mul_add_e_f32s(simd.splat_f32s(factor), x, y);
    let times = |factor: f32, x: S::f32s| simd.mul_f32s(simd.splat_f32s(factor), x);
    let (even, odd) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (even_far, odd_far) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(simd.add_f32s(m[0], even), even_far),
        by(FRAC_1_SQRT_2, odd, times(SQRT_2, odd_far)),
        by(0.5, even, times(2.0, even_far)),
        by(0.5 * FRAC_1_SQRT_2, odd, by(2.0 * SQRT_2, odd_far, m[5])),
    ]
}

/// One panel of the results of a block of squares.
struct Multiply<'a> {
    seen: Seen<'a>,
    squares: Range<usize>,
    panel: usize,
    /// The changed picture.
    numbers: &'a [f32],
    changed: &'a Changed,
    weight: &'a Packed,
    epilogue: Epilogue<'a>,
    sizes: Sizes,
    scratch: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = PANEL_VECTORS * S::F32_LANES;
        assert_eq!(self.weight.panel, width, "packed for vectors of another width");
        let (kernels, rest) = std::mem::take(&mut self.scratch).split_at_mut(self.sizes.kernels);
        let (sums, widened) = rest.split_at_mut(self.sizes.sums);
        let squares = self.squares.len().next_multiple_of(TILE);
        for block in 0..self.changed.blocks() {
            let channels = self.changed.channels(block);
            change_kernels(simd, self.weight, self.panel, channels.clone(), widened, kernels);
            let numbers = &self.numbers[block * self.changed.block()..][..self.changed.block()];
            for position in 0..POSITIONS {
                let rows = &numbers[position * self.changed.position()..][..squares * CHANNELS_AT_ONCE];
                let right = &kernels[position * (channels.len() * width + LINE)..][..channels.len() * width];
                for first in (0..squares).step_by(TILE) {
                    let sums = &mut sums[(position * squares + first) * width..][..TILE * width];
                    let mut tile = [[simd.splat_f32s(0.0); PANEL_VECTORS]; TILE];
                    let mut starts = [std::ptr::null(); TILE];
                    for (row, start) in starts.iter_mut().enumerate() {
                        *start = rows[(first + row) * CHANNELS_AT_ONCE..][..CHANNELS_AT_ONCE].as_ptr();
                    }
                    // SAFETY: a tile of sums is six rows of two vectors, each row of numbers and each column of the panel has
                    // at least `channels.len()` numbers.
                    unsafe {
                        if block > 0 {
                            for (row, tile) in tile.iter_mut().enumerate() {
                                for (vector, sum) in tile.iter_mut().enumerate() {
                                    *sum = load(simd, sums.as_ptr().add(row * width + vector * S::F32_LANES));
                                }
                            }
                        }
                        accumulate(simd, &mut tile, starts, right.as_ptr(), channels.len());
                        for (row, tile) in tile.iter().enumerate() {
                            for (vector, sum) in tile.iter().enumerate() {
                                store(simd, sums.as_mut_ptr().add(row * width + vector * S::F32_LANES), *sum);
                            }
                        }
                    }
                }
            }
        }
        let outputs = self.weight.outputs;
        let columns = self.panel * width..((self.panel + 1) * width).min(outputs);
        let addition = self.changed.addition(self.epilogue, self.weight.depth, outputs);
        let sums = SumsOfSquares { sums, first: self.squares.start, squares, width };
        sums.put_down(simd, (self.seen, self.squares), (0, columns), &addition, self.out);
    }
}

/// The sums of the squares of a block for some outputs: position, square, output.
pub(super) struct SumsOfSquares<'a> {
    pub(super) sums: &'a [f32],
    /// The square that they begin with.
    pub(super) first: usize,
    /// As there is room for.
    pub(super) squares: usize,
    /// Outputs of a row.
    pub(super) width: usize,
}

impl SumsOfSquares<'_> {
    /// Changes the sums of `squares` back and puts them down as the results they are: two vectors of outputs at most, which are `columns` of the result
    /// and begin `from` in a row.
    #[inline(always)]
    pub(super) fn put_down<S: Simd>(
        &self,
        simd: S,
        (seen, squares): (Seen<'_>, Range<usize>),
        (from, columns): (usize, Range<usize>),
        addition: &Addition<'_>,
        out: &Shared<'_>,
    ) {
        for square in squares {
            let (picture, top, left) = seen.place(square);
            let rows = (top..seen.height.min(top + RESULTS)).map(|row| {
                let start = (picture * seen.height + row) * seen.width + left;
                start..start + RESULTS.min(seen.width - left)
            });
            rows.clone().for_each(|pixels| addition.expect(pixels, columns.clone(), out));
            let mut results = [[[simd.splat_f32s(0.0); PANEL_VECTORS]; RESULTS]; RESULTS];
            for vector in 0..PANEL_VECTORS {
                let mut lines = [[simd.splat_f32s(0.0); SIDE]; RESULTS];
                for column in 0..SIDE {
                    let mut line = [simd.splat_f32s(0.0); SIDE];
                    for (row, sum) in line.iter_mut().enumerate() {
                        let square = (row * SIDE + column) * self.squares + square - self.first;
                        let at = square * self.width + from + vector * S::F32_LANES;
                        *sum = take(simd, &self.sums[at..at + S::F32_LANES]);
                    }
                    for (row, value) in change_back(simd, line).into_iter().enumerate() {
                        lines[row][column] = value;
                    }
                }
                for (row, line) in lines.into_iter().enumerate() {
                    for (column, value) in change_back(simd, line).into_iter().enumerate() {
                        results[row][column][vector] = value;
                    }
                }
            }
            for (results, pixels) in results.iter().zip(rows) {
                addition.put(simd, results, pixels, columns.clone(), out);
            }
        }
    }
}

/// The kernels of a panel for a few channels: position, channel, output.
#[inline(always)]
fn change_kernels<S: Simd>(
    simd: S,
    weight: &Packed,
    panel: usize,
    channels: Range<usize>,
    widened: &mut [f32],
    out: &mut [f32],
) {
    let len = channels.len() * weight.panel;
    let mut taps: [&[f32]; 9] = [&[]; 9];
    let mut rest = widened;
    for (tap, numbers) in taps.iter_mut().enumerate() {
        let start = weight.offset(panel, tap, channels.start);
        let (scratch, behind) =
            std::mem::take(&mut rest).split_at_mut(if weight.numbers.needs_widening() { len } else { 0 });
        *numbers = weight.numbers.widened(start, len, scratch);
        rest = behind;
    }
    for at in (0..len).step_by(S::F32_LANES) {
        let tap = |tap: usize| take(simd, &taps[tap][at..at + S::F32_LANES]);
        change_taps(simd, tap, |position, value| {
            let at = position * (len + LINE) + at;
            put(simd, &mut out[at..at + S::F32_LANES], value);
        });
    }
}
