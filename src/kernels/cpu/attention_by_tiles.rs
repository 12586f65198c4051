//! Attention by tiles, as [`super::attention`] in blocks of keys (Dao et al. 2022, "FlashAttention"): scores and weighted sums are products of
//! [`super::tiles`], weights are taken of scores in f32 and rounded or split. A head's keys and values are laid out once, as weights are.

use super::attention::AttentionShape;
use super::by_tiles::with_lines;
use super::rounding::{Number, lay_row, lay_row_split, split_lines};
use super::shared::{Shared, each, threads};
use super::tiles::{AT_ONCE, DEPTH, Line, PANEL, Parts, Rows, SIDE, STEP, Sums, Tiling};
use super::vector::{dispatch, power_of_two};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// Keys of a block: their scores for the queries of a pair of tiles stay in the first cache.
const KEYS_AT_ONCE: usize = 8 * PANEL;
/// Queries of a task.
const QUERIES_AT_ONCE: usize = 4 * AT_ONCE * SIDE;
/// Queries that are scored at once.
const ROWS: usize = AT_ONCE * SIDE;
/// Multiplications below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 22;

/// Scaled dot-product attention to `out` (B, N, H · W), of bf16 where tiles hold what is rounded, of f32 where they hold what is split.
/// `causal`: a query sees the keys up to its own number.
pub(in crate::kernels) fn attention_by_tiles<X: Number>(
    tiling: Tiling,
    (query, key, value): (&[X], &[X], &[X]),
    shape: AttentionShape,
    causal: bool,
    out: &mut [X],
) {
    let AttentionShape { batch, queries, keys, heads, width } = shape;
    assert!(query.len() == batch * queries * heads * width && out.len() == query.len(), "queries of another size");
    assert!(key.len() == batch * keys * heads * width && value.len() == key.len(), "keys of another size");
    if keys == 0 || width == 0 {
        return out.fill(X::default());
    }
    let parts = tiling.parts as usize;
    let (tiles, step) = (width.div_ceil(DEPTH), parts * STEP);
    let (key_lines, value_lines) = (keys.div_ceil(PANEL) * tiles * step, tiles * keys.div_ceil(DEPTH) * step);
    let mut packed = vec![Line::ZERO; batch * heads * (key_lines + value_lines)];
    let parallel = batch * heads * queries * keys * width > WORTH_A_THREAD && threads() > 1;
    let pack = |(index, packed): (usize, &mut [Line])| {
        let (keys_of, values_of) = packed.split_at_mut(key_lines);
        let start = index / heads * keys * heads * width + index % heads * width;
        let row = |of: &[X], number: usize, lines: &mut [Line]| {
            lay(tiling.parts, &of[start + number * heads * width..][..width], lines, 1);
        };
        let row_lines = parts * tiles;
        let mut lines = vec![Line::ZERO; 2 * row_lines];
        for number in 0..keys {
            let column = number % PANEL;
            let at = number / PANEL * tiles * step + column / SIDE * SIDE;
            row(key, number, &mut lines);
            for (index, line) in lines[..row_lines].iter().enumerate() {
                let (part, tile) = (index / tiles, index % tiles);
                let to = keys_of[at + tile * step + part * STEP..].iter_mut();
                for (to, pair) in to.zip(line.0.as_chunks::<2>().0) {
                    to.0.as_chunks_mut::<2>().0[column % SIDE] = *pair;
                }
            }
        }
        for number in (0..keys).step_by(2) {
            let at = number / DEPTH * step + number % DEPTH / 2;
            let (first, second) = lines.split_at_mut(row_lines);
            row(value, number, first);
            if number + 1 < keys {
                row(value, number + 1, second);
            } else {
                second.fill(Line::ZERO);
            }
            for (index, (first, second)) in first.iter().zip(&*second).enumerate() {
                let (part, tile) = (index / tiles, index % tiles);
                let at = tile * keys.div_ceil(DEPTH) * step + at + part * STEP;
                for (half, (first, second)) in first.0.chunks(SIDE).zip(second.0.chunks(SIDE)).enumerate() {
                    let pairs = values_of[at + half * SIDE].0.as_chunks_mut::<2>().0;
                    for (pair, (first, second)) in pairs.iter_mut().zip(first.iter().zip(second)) {
                        *pair = [*first, *second];
                    }
                }
            }
        }
    };
    if parallel {
        packed.par_chunks_mut(key_lines + value_lines).enumerate().for_each(pack);
    } else {
        packed.chunks_mut(key_lines + value_lines).enumerate().for_each(pack);
    }
    let blocks = queries.div_ceil(QUERIES_AT_ONCE);
    let out = Shared::new(out);
    each(batch * heads * blocks, parallel, |index| {
        let (head, block) = (index / blocks, index % blocks);
        let (keys_of, values_of) =
            packed[head * (key_lines + value_lines)..][..key_lines + value_lines].split_at(key_lines);
        let queries = block * QUERIES_AT_ONCE..((block + 1) * QUERIES_AT_ONCE).min(queries);
        let task = Task { tiling, query, keys_of, values_of, shape, head, causal, out: &out };
        tiling.kind.with(|| {
            (queries.start..queries.end)
                .step_by(ROWS)
                .for_each(|first| task.tile(first..queries.end.min(first + ROWS)));
        });
    });
}

/// Puts a row down in lines that are `apart` from each other, and what it lacks, if it is split, behind all of them.
fn lay<X: Number>(parts: Parts, row: &[X], lines: &mut [Line], apart: usize) {
    match parts {
        Parts::One => dispatch(Rounding { row, lines, apart }),
        Parts::Two => lay_row_split(&X::widened(row), lines, apart, row.len().div_ceil(DEPTH) * apart),
    }
}

struct Rounding<'a, X> {
    row: &'a [X],
    lines: &'a mut [Line],
    apart: usize,
}

impl<X: Number> WithSimd for Rounding<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        lay_row(simd, self.row, self.lines, self.apart);
    }
}

struct Task<'a, X> {
    tiling: Tiling,
    query: &'a [X],
    /// For each panel of keys, for each tile of their width.
    keys_of: &'a [Line],
    /// For each panel of the width, for each tile of keys.
    values_of: &'a [Line],
    shape: AttentionShape,
    /// Counted over the batch.
    head: usize,
    causal: bool,
    out: &'a Shared<'a, X>,
}

impl<X: Number> Task<'_, X> {
    /// Some queries, at most [`ROWS`].
    fn tile(&self, rows: Range<usize>) {
        let AttentionShape { keys, width, heads, queries, .. } = self.shape;
        let (tiles, panels) = (width.div_ceil(DEPTH), KEYS_AT_ONCE / PANEL);
        let (kind, parts) = (self.tiling.kind, self.tiling.parts as usize);
        let step = parts * STEP;
        let lines_of_sums = size_of::<Sums>() / size_of::<Line>();
        let place = |row: usize| ((self.head / heads * queries + rows.start + row) * heads + self.head % heads) * width;
        with_lines(parts * (tiles + panels) * ROWS + (panels + tiles) * lines_of_sums, |lines| {
            let (query, lines) = lines.split_at_mut(parts * tiles * ROWS);
            let (weights, lines) = lines.split_at_mut(parts * panels * ROWS);
            let (scores, sums) = bytemuck::cast_slice_mut::<Line, Sums>(lines).split_at_mut(panels);
            query.fill(Line::ZERO);
            sums.fill(Sums::ZERO);
            for row in 0..rows.len() {
                lay(self.tiling.parts, &self.query[place(row)..][..width], &mut query[row..], ROWS);
            }
            let starts = &[0, SIDE][..rows.len().div_ceil(SIDE)];
            let mut seen = [Seen { greatest: f32::NEG_INFINITY, sum: 0.0 }; ROWS];
            let steps: Vec<u32> = (0..tiles.max(panels)).map(|tile| (tile * ROWS) as u32).collect();
            // Of the keys behind the last query's own, none is seen.
            let seen_keys = if self.causal { keys.min(rows.end) } else { keys };
            for first in (0..seen_keys).step_by(KEYS_AT_ONCE) {
                let block = first..(first + KEYS_AT_ONCE).min(keys);
                let of_block = block.len().div_ceil(PANEL);
                for (panel, scores) in scores.iter_mut().enumerate().take(of_block) {
                    let right = &self.keys_of[(first / PANEL + panel) * tiles * step..][..tiles * step];
                    let left = Rows { lines: query, starts, steps: &steps[..tiles], ahead: &[] };
                    match self.tiling.parts {
                        Parts::One => kind.multiply(left, right, scores, false),
                        Parts::Two => kind.multiply_split(left, tiles * ROWS, right, scores, false),
                    }
                }
                dispatch(Weigh {
                    scores: &*scores,
                    weights,
                    low: (self.tiling.parts == Parts::Two).then_some(panels * ROWS),
                    sums,
                    seen: &mut seen,
                    rows: rows.clone(),
                    keys: block,
                    causal: self.causal,
                    factor: LOG2_E / (width as f32).sqrt(),
                });
                for (panel, sums) in sums.iter_mut().enumerate() {
                    let right = (panel * keys.div_ceil(DEPTH) + first / DEPTH) * step;
                    let right = &self.values_of[right..][..of_block * step];
                    let left = Rows { lines: weights, starts, steps: &steps[..of_block], ahead: &[] };
                    match self.tiling.parts {
                        Parts::One => kind.multiply(left, right, sums, true),
                        Parts::Two => kind.multiply_split(left, panels * ROWS, right, sums, true),
                    }
                }
            }
            for (row, seen) in seen.iter().enumerate().take(rows.len()) {
                // SAFETY: tasks share no query and head.
                let out = unsafe { self.out.part(place(row), width) };
                for (out, sums) in out.chunks_mut(PANEL).zip(&*sums) {
                    for (out, sum) in out.iter_mut().zip(&sums.0[row]) {
                        *out = X::of(sum / seen.sum);
                    }
                }
            }
        });
    }
}

/// What is known of a query's scores so far.
#[derive(Clone, Copy)]
struct Seen {
    greatest: f32,
    sum: f32,
}

/// Turns scores into weights under the greatest score so far, and makes earlier sums smaller as needed.
struct Weigh<'a> {
    /// Of each panel.
    scores: &'a [Sums],
    /// For each panel, for each row.
    weights: &'a mut [Line],
    /// How many lines behind stands what is lacking, if weights are split.
    low: Option<usize>,
    /// Of each panel of the width.
    sums: &'a mut [Sums],
    seen: &'a mut [Seen; ROWS],
    rows: Range<usize>,
    keys: Range<usize>,
    causal: bool,
    /// What scores are multiplied with to be powers of two.
    factor: f32,
}

impl WithSimd for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { scores, weights, low, sums, seen, rows, keys, causal, factor } = self;
        let panels = keys.len().div_ceil(PANEL);
        for (row, seen) in seen.iter_mut().enumerate().take(rows.len()) {
            let end =
                if causal { keys.len().min((rows.start + row + 1).saturating_sub(keys.start)) } else { keys.len() };
            let (whole, rest) = (end / PANEL, end % PANEL);
            let mut greatest = [simd.splat_f32s(f32::NEG_INFINITY); 2];
            for scores in &scores[..whole] {
                for (at, scores) in S::as_simd_f32s(&scores.0[row]).0.iter().enumerate() {
                    greatest[at % 2] = simd.max_f32s(greatest[at % 2], *scores);
                }
            }
            let mut greatest = simd.reduce_max_f32s(simd.max_f32s(greatest[0], greatest[1]));
            let mut last = [f32::NEG_INFINITY; PANEL];
            if rest > 0 {
                last[..rest].copy_from_slice(&scores[whole].0[row][..rest]);
                greatest = last.iter().fold(greatest, |a, b| a.max(*b));
            }
            let greatest = seen.greatest.max(greatest * factor);
            // Before any score that is not minus infinity there is nothing to scale, and no difference to take.
            let base = if greatest == f32::NEG_INFINITY { 0.0 } else { greatest };
            let (by, base_of_all) = (simd.splat_f32s(factor), simd.splat_f32s(base));
            let mut total = simd.splat_f32s(0.0);
            // Of keys that are not seen they stay zeros.
            let mut powers = [[0f32; PANEL]; KEYS_AT_ONCE / PANEL];
            let numbers = scores[..whole].iter().map(|scores| &scores.0[row]).chain((rest > 0).then_some(&last));
            for (powers, numbers) in powers.iter_mut().zip(numbers) {
                for (power, score) in S::as_mut_simd_f32s(powers).0.iter_mut().zip(S::as_simd_f32s(numbers).0) {
                    // Multiplied and then subtracted, each rounded: the greatest is 0 and not what rounding left of it.
                    *power = power_of_two(simd, simd.sub_f32s(simd.mul_f32s(*score, by), base_of_all));
                    total = simd.add_f32s(total, *power);
                }
            }
            let (high, lacking) = weights.split_at_mut(low.unwrap_or(weights.len()));
            let high = high.iter_mut().skip(row).step_by(ROWS);
            if low.is_some() {
                split_lines(&powers[..panels], high.zip(lacking.iter_mut().skip(row).step_by(ROWS)));
            } else {
                powers[..panels].iter().zip(high).for_each(|(powers, line)| f32::lay(simd, powers, &mut line.0));
            }
            let shrink = (seen.greatest - base).exp2();
            *seen = Seen { greatest, sum: seen.sum * shrink + simd.reduce_sum_f32s(total) };
            // Not `< 1`: it may be NaN.
            if shrink.to_bits() != 1f32.to_bits() {
                for sum in sums.iter_mut().flat_map(|sums| &mut sums.0[row]) {
                    *sum *= shrink;
                }
            }
        }
    }
}
