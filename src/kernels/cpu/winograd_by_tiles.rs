//! Convolutions of 3×3 as [`super::winograd`] makes them, by tiles of numbers that are split in two ([`super::tiles`]): a quarter of the
//! products. What a picture and a kernel become is f32, and split then.

use super::by_tiles::with_lines;
use super::gemm::{Addition, Epilogue, WORTH_A_THREAD};
use super::packed::PANEL_VECTORS;
use super::rounding::split_lines;
use super::shared::{Shared, each, fetch};
use super::tiled::Tiled;
use super::tiles::{AT_ONCE, DEPTH, Line, PANEL, Products, Rows, SIDE, STEP, Sums};
use super::vector::{dispatch, put, take};
use super::winograd::{self, POSITIONS, Seen, SumsOfSquares, change_pixels, change_taps};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Squares that are multiplied with changed kernels at once, in whole tiles: so many that changing the kernels is little beside it.
const SQUARES_AT_ONCE: usize = 16 * SIDE;
/// Steps of the depth whose sums become results, which further ones are added to. What [`SQUARES_AT_ONCE`] are at one position then stays in
/// a second cache of 2 MiB while the kernels pass over it.
const STEPS_AT_ONCE: usize = 16;
/// Lines of changed kernels that are made before they are multiplied: a part of the third cache.
const KERNEL_LINES: usize = 1 << 17;
/// Squares whose sums become results at once.
const PUT_AT_ONCE: usize = 64;
/// Squares of a picture, and channels, below which changing costs more than it saves.
const WORTH_CHANGING: (usize, usize) = (32, DEPTH);

/// Whether [`convolve`] is the faster way for such a picture. Does not depend on the batch, and so neither do the bytes.
pub(super) fn pays(height: usize, width: usize, inputs: usize) -> bool {
    let squares = height.div_ceil(4) * width.div_ceil(4);
    squares >= WORTH_CHANGING.0 && inputs >= WORTH_CHANGING.1
}

/// `weight` has the nine taps of a kernel, and its numbers are split; `out` is (B, H, W, outputs).
pub(super) fn convolve(seen: Seen<'_>, weight: &Tiled, epilogue: Epilogue<'_>, out: &mut [f32]) {
    let depth = weight.depth;
    assert_eq!(weight.taps, 9, "a kernel of another size");
    assert_eq!(seen.x.len() * seen.scale * seen.scale, seen.batch * seen.height * seen.width * depth);
    assert_eq!(out.len(), seen.batch * seen.height * seen.width * weight.outputs, "a result of another size");
    let (squares, steps) = (seen.squares(), depth.div_ceil(DEPTH));
    if squares == 0 {
        return;
    }
    let block = squares.div_ceil(squares.div_ceil(SQUARES_AT_ONCE)).next_multiple_of(SIDE);
    let part = steps.div_ceil(steps.div_ceil(STEPS_AT_ONCE));
    let group = (KERNEL_LINES / (POSITIONS * kernel_lines(part))).clamp(1, weight.panels().max(1));
    let blocks =
        (0..squares).step_by(block).flat_map(|first| (0..steps).step_by(part).map(move |start| (first, start)));
    let out = Shared::new(out);
    let zeros = vec![0.0; depth];
    let kernels = group * POSITIONS * kernel_lines(part);
    let sums = group * POSITIONS * block.div_ceil(AT_ONCE * SIDE) * size_of::<Sums>() / size_of::<Line>();
    with_lines(POSITIONS * picture_lines(block, part) + kernels + sums, |lines| {
        let (picture, rest) = lines.split_at_mut(POSITIONS * picture_lines(block, part));
        let (kernels, sums) = rest.split_at_mut(kernels);
        for (first, start) in blocks {
            let block = Block {
                seen,
                squares: first..(first + block).min(squares),
                room: block,
                steps: start..(start + part).min(steps),
                weight,
            };
            let addition = Addition {
                epilogue: if block.steps.end == steps { epilogue } else { Epilogue::default() },
                onto: start > 0,
                width: weight.outputs,
            };
            block.change_picture(&zeros, picture);
            for first in (0..weight.panels()).step_by(group) {
                let panels = first..(first + group).min(weight.panels());
                block.change_kernels(panels.clone(), kernels);
                block.multiply(panels.len(), picture, kernels, sums);
                block.put_down(panels, sums, &addition, &out);
            }
        }
    });
}

/// Lines that a position of changed squares takes: first what is rounded, step by step, then what it lacks. One more than a power of two
/// might be, so that positions do not all fall on one set of the cache.
fn picture_lines(squares: usize, steps: usize) -> usize {
    2 * steps * squares + 1
}

/// As [`picture_lines`], of the changed kernels of a panel.
fn kernel_lines(steps: usize) -> usize {
    2 * steps * STEP + 1
}

/// Some squares, and channels of them.
struct Block<'a> {
    seen: Seen<'a>,
    squares: Range<usize>,
    /// For how many squares there is room.
    room: usize,
    steps: Range<usize>,
    weight: &'a Tiled,
}

impl Block<'_> {
    /// Whether threads are worth waking.
    fn is_large(&self) -> bool {
        self.squares.len() * self.steps.len() * DEPTH * self.weight.outputs * POSITIONS > WORTH_A_THREAD
    }

    fn change_picture(&self, zeros: &[f32], out: &mut [Line]) {
        let out = &Shared::new(out);
        each(self.squares.len().div_ceil(SIDE), self.is_large(), |tile| {
            let squares = tile * SIDE..((tile + 1) * SIDE).min(self.squares.len());
            dispatch(ChangePicture { block: self, squares, zeros, out });
        });
    }

    /// To panel, position, step, rounded and lacking.
    fn change_kernels(&self, panels: Range<usize>, out: &mut [Line]) {
        let out = &Shared::new(out);
        let steps = self.steps.len();
        each(panels.len() * steps, self.is_large(), |task| {
            dispatch(ChangeKernels {
                block: self,
                panels: panels.clone(),
                panel: task / steps,
                step: task % steps,
                out,
            });
        });
    }

    /// To panel, position, pair of tiles of squares.
    fn multiply(&self, panels: usize, picture: &[Line], kernels: &[Line], sums: &mut [Line]) {
        let Products::Bf16(tiling) = self.weight.products else { unreachable!("bytes are not split") };
        let steps = self.steps.len();
        let pairs = self.pairs();
        let sums: &Shared<'_, Sums> = &Shared::new(bytemuck::cast_slice_mut(sums));
        let places: Vec<u32> = (0..steps).map(|step| (step * self.room) as u32).collect();
        each(POSITIONS * panels, self.is_large(), |task| {
            // A thread stays with a position: its squares are what is larger.
            let (position, panel) = (task / panels, task % panels);
            let left = &picture[position * picture_lines(self.room, steps)..][..picture_lines(self.room, steps)];
            let right = &kernels[(panel * POSITIONS + position) * kernel_lines(steps)..][..kernel_lines(steps)];
            let next = if panel + 1 < panels {
                &kernels[((panel + 1) * POSITIONS + position) * kernel_lines(steps)..]
            } else {
                &[]
            };
            // SAFETY: tasks share no panel and position.
            let sums = unsafe { sums.part((panel * POSITIONS + position) * pairs, pairs) };
            tiling.kind.with(|| {
                for (pair, sums) in sums.iter_mut().enumerate() {
                    let first = pair * AT_ONCE * SIDE;
                    let starts = [first, first + SIDE];
                    let starts = &starts[..(self.squares.len() - first).div_ceil(SIDE).min(AT_ONCE)];
                    let ahead = next.get(pair * tiling.parts.ahead() * steps..kernel_lines(steps)).unwrap_or_default();
                    let rows = Rows { lines: left, starts, steps: &places, ahead };
                    tiling.kind.multiply_split(rows, steps * self.room, right, sums, false);
                }
            });
        });
    }

    fn put_down(&self, panels: Range<usize>, sums: &[Line], addition: &Addition<'_>, out: &Shared<'_>) {
        let numbers: &[f32] = bytemuck::cast_slice(sums);
        let squares = self.pairs() * AT_ONCE * SIDE;
        let of_panel = POSITIONS * squares * PANEL;
        let pieces = self.squares.len().div_ceil(PUT_AT_ONCE);
        each(panels.len() * pieces, self.is_large(), |task| {
            let (panel, piece) = (task / pieces, task % pieces);
            let sums = &numbers[panel * of_panel..][..of_panel];
            let start = self.squares.start + piece * PUT_AT_ONCE;
            dispatch(PutDown {
                seen: self.seen,
                squares: start..(start + PUT_AT_ONCE).min(self.squares.end),
                sums: SumsOfSquares { sums, first: self.squares.start, squares, width: PANEL },
                panel: panels.start + panel,
                addition,
                out,
            });
        });
    }

    fn pairs(&self) -> usize {
        self.squares.len().div_ceil(AT_ONCE * SIDE)
    }
}

/// A tile of squares of the picture, in their lines.
struct ChangePicture<'a> {
    block: &'a Block<'a>,
    /// Of the block's.
    squares: Range<usize>,
    zeros: &'a [f32],
    out: &'a Shared<'a, Line>,
}

impl WithSimd for ChangePicture<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { block, squares, zeros, out } = self;
        let (room, steps) = (block.room, block.steps.len());
        let mut pixels = [[[zeros; winograd::SIDE]; winograd::SIDE]; SIDE];
        for (square, pixels) in squares.clone().zip(&mut pixels) {
            *pixels = block.seen.pixels(block.squares.start + square, zeros);
        }
        let mut numbers = [[0f32; DEPTH]; POSITIONS];
        // Step by step, since the lines of neighbours are neighbours.
        for (number, step) in block.steps.clone().enumerate() {
            for (square, pixels) in squares.clone().zip(&pixels) {
                for lane in (0..DEPTH).step_by(S::F32_LANES) {
                    let channel = (step * DEPTH + lane).min(zeros.len());
                    let channels = channel..(channel + S::F32_LANES).min(zeros.len());
                    change_pixels(simd, pixels, channels, |position, value| {
                        put(simd, &mut numbers[position][lane..], value);
                    });
                }
                let lines = (0..POSITIONS).map(|position| {
                    let at = position * picture_lines(room, steps) + number * room + square;
                    // SAFETY: squares share no lines, and these are two that are apart.
                    let (high, low) = unsafe { (out.part(at, 1), out.part(at + steps * room, 1)) };
                    (&mut high[0], &mut low[0])
                });
                split_lines(&numbers, lines);
            }
        }
    }
}

/// A step of the kernels of a panel, in its lines.
struct ChangeKernels<'a> {
    block: &'a Block<'a>,
    panels: Range<usize>,
    /// Of these.
    panel: usize,
    /// Of the block.
    step: usize,
    out: &'a Shared<'a, Line>,
}

impl WithSimd for ChangeKernels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { block: Block { steps, weight, .. }, panels, panel, step, out } = self;
        let lines = kernel_lines(steps.len());
        let first = (steps.start + step) * weight.taps;
        let steps_of_taps: [_; 9] = std::array::from_fn(|tap| weight.step(panels.start + panel, first + tap));
        let mut taps = [[0f32; DEPTH]; 9];
        let mut numbers = [[0f32; DEPTH]; POSITIONS];
        let next = match step + 1 {
            next if next < steps.len() => weight.after(panels.start + panel, first + weight.taps, weight.taps),
            _ => weight.after(panels.start + panel + 1, steps.start * weight.taps, weight.taps),
        };
        let next_each = next.len().div_ceil(STEP);
        for line in 0..STEP {
            fetch(next.chunks(next_each.max(1)).nth(line).unwrap_or_default());
            for (step, numbers) in steps_of_taps.iter().zip(&mut taps) {
                step.widened(line, numbers);
            }
            for lane in (0..DEPTH).step_by(S::F32_LANES) {
                let tap = |tap: usize| take(simd, &taps[tap][lane..]);
                change_taps(simd, tap, |position, value| put(simd, &mut numbers[position][lane..], value));
            }
            let lines = (0..POSITIONS).map(|position| {
                let at = (panel * POSITIONS + position) * lines + step * 2 * STEP + line;
                // SAFETY: panels and steps share no lines, and these are two that are apart.
                let (high, low) = unsafe { (out.part(at, 1), out.part(at + STEP, 1)) };
                (&mut high[0], &mut low[0])
            });
            split_lines(&numbers, lines);
        }
    }
}

struct PutDown<'a> {
    seen: Seen<'a>,
    squares: Range<usize>,
    sums: SumsOfSquares<'a>,
    panel: usize,
    addition: &'a Addition<'a>,
    out: &'a Shared<'a>,
}

impl WithSimd for PutDown<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { seen, squares, sums, panel, addition, out } = self;
        let first = panel * PANEL;
        let width = PANEL_VECTORS * S::F32_LANES;
        for from in (0..PANEL.min(addition.width - first)).step_by(width) {
            let columns = first + from..(first + from + width).min(addition.width);
            sums.put_down(simd, (seen, squares.clone()), (from, columns), addition, out);
        }
    }
}
