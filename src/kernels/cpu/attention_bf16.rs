//! Attention in bf16, as [`super::attention`] in blocks of keys (Dao et al. 2022, "FlashAttention"): scores and weighted sums are products of
//! [`super::tiles`], weights are taken of scores in f32 and rounded. A head's keys and values are laid out once, as weights are.

use super::attention::AttentionShape;
use super::bf16::{Number, lay_row, put_rounded, with_lines};
use super::shared::{Shared, each, threads};
use super::tiles::{AT_ONCE, DEPTH, Kind, Line, PANEL, SIDE, Sums};
use super::vector::{dispatch, power_of_two};
use half::bf16;
use half::slice::HalfFloatSliceExt;
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
/// Lines of what stands on the right for a tile of the depth.
const STEP: usize = AT_ONCE * SIDE;
/// Multiplications below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 22;

/// Scaled dot-product attention of what is rounded already to `out` (B, N, H · W). `causal`: a query sees the keys up to its own
/// number.
pub(in crate::kernels) fn attention_bf16<'a>(
    kind: Kind,
    (query, key, value): (&'a [bf16], &'a [bf16], &'a [bf16]),
    shape: AttentionShape,
    causal: bool,
    out: &mut [bf16],
) {
    let AttentionShape { batch, queries, keys, heads, width } = shape;
    assert!(query.len() == batch * queries * heads * width && out.len() == query.len(), "queries of another size");
    assert!(key.len() == batch * keys * heads * width && value.len() == key.len(), "keys of another size");
    if keys == 0 || width == 0 {
        return out.fill(bf16::ZERO);
    }
    let tiles = width.div_ceil(DEPTH);
    let (key_lines, value_lines) = (keys.div_ceil(PANEL) * tiles * STEP, tiles * keys.div_ceil(DEPTH) * STEP);
    let mut packed = vec![Line::ZERO; batch * heads * (key_lines + value_lines)];
    let parallel = batch * heads * queries * keys * width > WORTH_A_THREAD && threads() > 1;
    let pack = |(index, packed): (usize, &mut [Line])| {
        let (keys_of, values_of) = packed.split_at_mut(key_lines);
        let start = index / heads * keys * heads * width + index % heads * width;
        let row = |of: &'a [bf16], number: usize| of[start + number * heads * width..][..width].reinterpret_cast();
        for number in 0..keys {
            let column = number % PANEL;
            let at = number / PANEL * tiles * STEP + column / SIDE * SIDE;
            let (pairs, rest) = row(key, number).as_chunks::<2>();
            for (pair, numbers) in pairs.iter().enumerate() {
                let line = &mut keys_of[at + pair / SIDE * STEP + pair % SIDE].0;
                line.as_chunks_mut::<2>().0[column % SIDE] = *numbers;
            }
            if let [last] = rest {
                keys_of[at + pairs.len() / SIDE * STEP + pairs.len() % SIDE].0[column % SIDE * 2] = *last;
            }
        }
        let zeros = vec![0; width];
        for number in (0..keys).step_by(2) {
            let at = number / DEPTH * STEP + number % DEPTH / 2;
            let first = row(value, number).chunks(SIDE);
            let second = if number + 1 < keys { row(value, number + 1) } else { &zeros };
            for (tile, (first, second)) in first.zip(second.chunks(SIDE)).enumerate() {
                let line = &mut values_of[tile / AT_ONCE * keys.div_ceil(DEPTH) * STEP + at + tile % AT_ONCE * SIDE].0;
                for (pair, (first, second)) in line.as_chunks_mut::<2>().0.iter_mut().zip(first.iter().zip(second)) {
                    *pair = [*first, *second];
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
        let task = Task { kind, query, keys_of, values_of, shape, head, causal, out: &out };
        kind.with(|| {
            (queries.start..queries.end)
                .step_by(ROWS)
                .for_each(|first| task.tile(first..queries.end.min(first + ROWS)));
        });
    });
}

struct Task<'a> {
    kind: Kind,
    query: &'a [bf16],
    /// For each panel of keys, for each tile of their width.
    keys_of: &'a [Line],
    /// For each panel of the width, for each tile of keys.
    values_of: &'a [Line],
    shape: AttentionShape,
    /// Counted over the batch.
    head: usize,
    causal: bool,
    out: &'a Shared<'a, bf16>,
}

impl Task<'_> {
    /// Some queries, at most [`ROWS`].
    fn tile(&self, rows: Range<usize>) {
        let AttentionShape { keys, width, heads, queries, .. } = self.shape;
        let (tiles, panels) = (width.div_ceil(DEPTH), KEYS_AT_ONCE / PANEL);
        let lines_of_sums = size_of::<Sums>() / size_of::<Line>();
        let place = |row: usize| ((self.head / heads * queries + rows.start + row) * heads + self.head % heads) * width;
        with_lines(tiles * ROWS + panels * ROWS + (panels + tiles) * lines_of_sums, |lines| {
            let (query, lines) = lines.split_at_mut(tiles * ROWS);
            let (weights, lines) = lines.split_at_mut(panels * ROWS);
            let (scores, sums) = bytemuck::cast_slice_mut::<Line, [f32; PANEL]>(lines).split_at_mut(panels * ROWS);
            query.fill(Line::ZERO);
            sums.fill([0.0; PANEL]);
            for row in 0..rows.len() {
                dispatch(Query { row: &self.query[place(row)..][..width], lines: &mut query[row..] });
            }
            let starts = &[0, SIDE][..rows.len().div_ceil(SIDE)];
            let mut seen = [Seen { greatest: f32::NEG_INFINITY, sum: 0.0 }; ROWS];
            let mut of_panel = Sums::ZERO;
            let steps: Vec<u32> = (0..tiles.max(panels)).map(|tile| (tile * ROWS) as u32).collect();
            // Of the keys behind the last query's own, none is seen.
            let seen_keys = if self.causal { keys.min(rows.end) } else { keys };
            for first in (0..seen_keys).step_by(KEYS_AT_ONCE) {
                let block = first..(first + KEYS_AT_ONCE).min(keys);
                let panels = block.len().div_ceil(PANEL);
                for (panel, scores) in scores.chunks_exact_mut(ROWS).enumerate().take(panels) {
                    let right = &self.keys_of[(first / PANEL + panel) * tiles * STEP..][..tiles * STEP];
                    self.kind.multiply(starts, query, &steps[..tiles], right, &mut of_panel);
                    scores.copy_from_slice(&of_panel.0);
                }
                dispatch(Weigh {
                    scores: &*scores,
                    weights,
                    sums,
                    seen: &mut seen,
                    rows: rows.clone(),
                    keys: block,
                    causal: self.causal,
                    factor: LOG2_E / (width as f32).sqrt(),
                });
                for (panel, sums) in sums.chunks_exact_mut(ROWS).enumerate() {
                    let right = (panel * keys.div_ceil(DEPTH) + first / DEPTH) * STEP;
                    let right = &self.values_of[right..][..panels * STEP];
                    self.kind.multiply(starts, weights, &steps[..panels], right, &mut of_panel);
                    dispatch(Add { sums: &mut sums[..rows.len()], more: &of_panel });
                }
            }
            for (row, seen) in seen.iter().enumerate().take(rows.len()) {
                // SAFETY: tasks share no query and head.
                let out = unsafe { self.out.part(place(row), width) };
                for (panel, out) in out.chunks_mut(PANEL).enumerate() {
                    for (out, sum) in out.iter_mut().zip(&sums[panel * ROWS + row]) {
                        *out = bf16::of(sum / seen.sum);
                    }
                }
            }
        });
    }
}

struct Query<'a> {
    row: &'a [bf16],
    lines: &'a mut [Line],
}

impl WithSimd for Query<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        lay_row(simd, self.row, self.lines, ROWS);
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
    /// For each panel, for each row.
    scores: &'a [[f32; PANEL]],
    /// As the scores.
    weights: &'a mut [Line],
    /// For each panel of the width, for each row.
    sums: &'a mut [[f32; PANEL]],
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
        let Self { scores, weights, sums, seen, rows, keys, causal, factor } = self;
        let panels = keys.len().div_ceil(PANEL);
        for (row, seen) in seen.iter_mut().enumerate().take(rows.len()) {
            let end =
                if causal { keys.len().min((rows.start + row + 1).saturating_sub(keys.start)) } else { keys.len() };
            let (whole, rest) = (end / PANEL, end % PANEL);
            let mut greatest = [simd.splat_f32s(f32::NEG_INFINITY); 2];
            for panel in 0..whole {
                for (at, scores) in S::as_simd_f32s(&scores[panel * ROWS + row]).0.iter().enumerate() {
                    greatest[at % 2] = simd.max_f32s(greatest[at % 2], *scores);
                }
            }
            let mut greatest = simd.reduce_max_f32s(simd.max_f32s(greatest[0], greatest[1]));
            let mut last = [f32::NEG_INFINITY; PANEL];
            if rest > 0 {
                last[..rest].copy_from_slice(&scores[whole * ROWS + row][..rest]);
                greatest = last.iter().fold(greatest, |a, b| a.max(*b));
            }
            let greatest = seen.greatest.max(greatest * factor);
            // Before any score that is not minus infinity there is nothing to scale, and no difference to take.
            let base = if greatest == f32::NEG_INFINITY { 0.0 } else { greatest };
            let (by, base_of_all) = (simd.splat_f32s(factor), simd.splat_f32s(base));
            let mut total = simd.splat_f32s(0.0);
            for panel in 0..panels {
                let numbers = match panel.cmp(&whole) {
                    std::cmp::Ordering::Less => &scores[panel * ROWS + row],
                    std::cmp::Ordering::Equal if rest > 0 => &last,
                    _ => {
                        weights[panel * ROWS + row] = Line::ZERO;
                        continue;
                    }
                };
                let weights = weights[panel * ROWS + row].0.chunks_exact_mut(S::F32_LANES);
                for (weights, score) in weights.zip(S::as_simd_f32s(numbers).0) {
                    // Multiplied and then subtracted, each rounded: the greatest is 0 and not what rounding left of it.
                    let power = power_of_two(simd, simd.sub_f32s(simd.mul_f32s(*score, by), base_of_all));
                    total = simd.add_f32s(total, power);
                    put_rounded(simd, weights, power);
                }
            }
            let shrink = (seen.greatest - base).exp2();
            *seen = Seen { greatest, sum: seen.sum * shrink + simd.reduce_sum_f32s(total) };
            // Not `< 1`: it may be NaN.
            if shrink.to_bits() != 1f32.to_bits() {
                for sum in sums.iter_mut().skip(row).step_by(ROWS).flatten() {
                    *sum *= shrink;
                }
            }
        }
    }
}

struct Add<'a> {
    sums: &'a mut [[f32; PANEL]],
    more: &'a Sums,
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (sums, more) in self.sums.iter_mut().zip(&self.more.0) {
            for (sum, more) in S::as_mut_simd_f32s(sums).0.iter_mut().zip(S::as_simd_f32s(more).0) {
                *sum = simd.add_f32s(*sum, *more);
            }
        }
    }
}
