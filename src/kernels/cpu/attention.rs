//! Attention without its matrix of scores: blocks of keys pass over blocks of queries, and what was summed under a smaller
//! greatest score is scaled down when a greater one comes (Milakov & Gimelshein 2018, Dao et al. 2022). Queries are read where
//! they lie; the keys and values of a head are packed once, as the weights of a product are.

use super::gemm::{TILE, accumulate};
use super::packed::PANEL_VECTORS;
use super::shared::{Shared, each, threads, with_scratch};
use super::vector::{dispatch, lanes, power_of_two, put, store, take};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// Keys of a block: with their values, at a usual width, they stay in the second cache.
const KEYS_AT_ONCE: usize = 256;
/// Where the scores of the next query begin: room for whole panels of the widest vectors.
const SCORE_ROW: usize = KEYS_AT_ONCE;
/// Queries of a task, in whole tiles.
const QUERIES_AT_ONCE: usize = 16 * TILE;
/// Multiplications below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 19;

/// The shape of an attention: queries (B, N, H · W), keys and values (B, M, H · W).
#[derive(Clone, Copy)]
pub(in crate::kernels) struct AttentionShape {
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) queries: usize,
    pub(in crate::kernels) keys: usize,
    pub(in crate::kernels) heads: usize,
    pub(in crate::kernels) width: usize,
}

/// Scaled dot-product attention to `out` (B, N, H · W). `causal`: a query sees the keys up to its own number.
pub(in crate::kernels) fn attention(
    query: &[f32],
    key: &[f32],
    value: &[f32],
    shape: AttentionShape,
    causal: bool,
    out: &mut [f32],
) {
    let AttentionShape { batch, queries, keys, heads, width } = shape;
    assert!(query.len() == batch * queries * heads * width && out.len() == query.len(), "queries of another size");
    assert!(key.len() == batch * keys * heads * width && value.len() == key.len(), "keys of another size");
    if keys == 0 || width == 0 {
        return out.fill(0.0);
    }
    let panel = PANEL_VECTORS * lanes();
    let (key_numbers, value_numbers) = (keys.next_multiple_of(panel) * width, keys * width.next_multiple_of(panel));
    let numbers = key_numbers + value_numbers;
    let mut packed = vec![0f32; batch * heads * numbers];
    let parallel = batch * heads * queries * keys * width > WORTH_A_THREAD && threads() > 1;
    let pack = |(index, packed): (usize, &mut [f32])| {
        let (keys_of, values_of) = packed.split_at_mut(key_numbers);
        let start = index / heads * keys * heads * width + index % heads * width;
        for (number, (key, value)) in
            key[start..].chunks(heads * width).zip(value[start..].chunks(heads * width)).take(keys).enumerate()
        {
            let column = &mut keys_of[number / panel * panel * width + number % panel..];
            for (k, key) in key[..width].iter().enumerate() {
                column[k * panel] = *key;
            }
            for (at, values) in value[..width].chunks(panel).enumerate() {
                values_of[(at * keys + number) * panel..][..values.len()].copy_from_slice(values);
            }
        }
    };
    let blocks = queries.div_ceil(QUERIES_AT_ONCE);
    let out = Shared::new(out);
    let run = |packed: &[f32], index: usize| {
        let (head, block) = (index / blocks, index % blocks);
        let (keys_of, values_of) = packed[head * numbers..(head + 1) * numbers].split_at(key_numbers);
        let first = block * QUERIES_AT_ONCE;
        let count = QUERIES_AT_ONCE.min(queries - first);
        let columns = width.next_multiple_of(lanes());
        with_scratch(QUERIES_AT_ONCE * columns + TILE * SCORE_ROW, |scratch| {
            dispatch(Task { query, keys_of, values_of, shape, head, first, count, causal, scratch, out: &out });
        });
    };
    if parallel {
        packed.par_chunks_mut(numbers).enumerate().for_each(pack);
    } else {
        packed.chunks_mut(numbers).enumerate().for_each(pack);
    }
    each(batch * heads * blocks, parallel, |index| run(&packed, index));
}

/// Queries `first..first + count` of a head.
struct Task<'a> {
    query: &'a [f32],
    /// (panels of keys, width, keys of a panel).
    keys_of: &'a [f32],
    /// (panels of columns, keys, columns of a panel).
    values_of: &'a [f32],
    shape: AttentionShape,
    /// Counted over the batch.
    head: usize,
    first: usize,
    count: usize,
    causal: bool,
    scratch: &'a mut [f32],
    out: &'a Shared<'a>,
}

/// What is known of a query's scores so far.
#[derive(Clone, Copy)]
struct Seen {
    greatest: f32,
    sum: f32,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let AttentionShape { keys, width, .. } = self.shape;
        let columns = width.next_multiple_of(S::F32_LANES);
        let mut seen = [Seen { greatest: f32::NEG_INFINITY, sum: 0.0 }; QUERIES_AT_ONCE];
        let (sums, scores) = std::mem::take(&mut self.scratch).split_at_mut(QUERIES_AT_ONCE * columns);
        sums.fill(0.0);
        for first_key in (0..keys).step_by(KEYS_AT_ONCE) {
            let block = first_key..(first_key + KEYS_AT_ONCE).min(keys);
            for tile in (0..self.count).step_by(TILE) {
                self.score(simd, tile, block.clone(), scores);
                for row in 0..TILE {
                    let scores = &mut scores[row * SCORE_ROW..][..block.len()];
                    let shrink = seen[tile + row].take_in(simd, scores);
                    // Not `< 1`: it may be NaN.
                    if shrink.to_bits() != 1f32.to_bits() {
                        scale(simd, &mut sums[(tile + row) * columns..][..columns], shrink);
                    }
                }
                self.gather(simd, block.clone(), scores, &mut sums[tile * columns..], columns);
            }
        }
        let channels = self.shape.heads * width;
        let of_picture = self.head / self.shape.heads * self.shape.queries + self.first;
        for row in 0..self.count {
            let at = (of_picture + row) * channels + self.head % self.shape.heads * width;
            // SAFETY: tasks share no query and head.
            let out = unsafe { self.out.part(at, width) };
            let sums = &mut sums[row * columns..][..columns];
            scale(simd, sums, 1.0 / seen[row].sum);
            out.copy_from_slice(&sums[..width]);
        }
    }
}

impl Task<'_> {
    /// The scaled scores of a tile of queries against a block of keys; minus infinity where a query may not look.
    #[inline(always)]
    fn score<S: Simd>(&self, simd: S, tile: usize, keys: Range<usize>, scores: &mut [f32]) {
        let AttentionShape { queries, heads, width, .. } = self.shape;
        let panel = PANEL_VECTORS * S::F32_LANES;
        // In powers of two, which are the cheaper exponential.
        let factor = simd.splat_f32s(LOG2_E / (width as f32).sqrt());
        let mut rows = [std::ptr::null(); TILE];
        for (row, start) in rows.iter_mut().enumerate() {
            let query = self.first + (tile + row).min(self.count - 1);
            let at = ((self.head / heads * queries + query) * heads + self.head % heads) * width;
            *start = self.query[at..at + width].as_ptr();
        }
        for offset in (0..keys.len()).step_by(panel) {
            let packed = &self.keys_of[(keys.start + offset) * width..][..panel * width];
            let mut sums = [[simd.splat_f32s(0.0); PANEL_VECTORS]; TILE];
            // SAFETY: each query is `width` numbers, and so is each key of the panel.
            unsafe { accumulate(simd, &mut sums, rows, packed.as_ptr(), width) };
            for (row, sums) in sums.iter().enumerate() {
                let scores = &mut scores[row * SCORE_ROW + offset..][..panel];
                for (vector, sum) in sums.iter().enumerate() {
                    // SAFETY: the row of scores has a whole panel left.
                    unsafe {
                        store(simd, scores.as_mut_ptr().add(vector * S::F32_LANES), simd.mul_f32s(*sum, factor));
                    }
                }
            }
        }
        if self.causal {
            for row in 0..TILE {
                let seen = (self.first + tile + row + 1).saturating_sub(keys.start).min(keys.len());
                scores[row * SCORE_ROW + seen..row * SCORE_ROW + keys.len()].fill(f32::NEG_INFINITY);
            }
        }
    }

    /// Adds the values of a block of keys, each times its weight, to the sums of a tile of queries.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, keys: Range<usize>, weights: &[f32], sums: &mut [f32], columns: usize) {
        let panel = PANEL_VECTORS * S::F32_LANES;
        let mut rows = [std::ptr::null(); TILE];
        for (row, start) in rows.iter_mut().enumerate() {
            *start = weights[row * SCORE_ROW..][..keys.len()].as_ptr();
        }
        for (index, column) in (0..columns).step_by(panel).enumerate() {
            let values = &self.values_of[(index * self.shape.keys + keys.start) * panel..][..keys.len() * panel];
            // SAFETY: each row has a weight for each of the keys.
            unsafe {
                if column + S::F32_LANES < columns {
                    gather_panel::<S, PANEL_VECTORS>(simd, rows, values, &mut sums[column..], columns);
                } else {
                    gather_panel::<S, 1>(simd, rows, values, &mut sums[column..], columns);
                }
            }
        }
    }
}

/// Adds a panel's values, each times its weight, to the sums of a tile of queries, which lie `stride` apart.
///
/// # Safety
/// Each of `rows` must have as many weights as the panel has keys.
#[inline(always)]
unsafe fn gather_panel<S: Simd, const VECTORS: usize>(
    simd: S,
    rows: [*const f32; TILE],
    values: &[f32],
    sums: &mut [f32],
    stride: usize,
) {
    let mut tile = [[simd.splat_f32s(0.0); VECTORS]; TILE];
    for (row, tile) in tile.iter_mut().enumerate() {
        for (vector, tile) in tile.iter_mut().enumerate() {
            *tile = take(simd, &sums[row * stride + vector * S::F32_LANES..][..S::F32_LANES]);
        }
    }
    // SAFETY: promised by the caller; the panel is whole.
    unsafe { accumulate(simd, &mut tile, rows, values.as_ptr(), values.len() / (PANEL_VECTORS * S::F32_LANES)) };
    for (row, tile) in tile.into_iter().enumerate() {
        for (vector, tile) in tile.into_iter().enumerate() {
            put(simd, &mut sums[row * stride + vector * S::F32_LANES..][..S::F32_LANES], tile);
        }
    }
}

impl Seen {
    /// Turns a row of scores into weights under the greatest score so far. Gives what earlier sums have to be multiplied with.
    #[inline(always)]
    fn take_in<S: Simd>(&mut self, simd: S, scores: &mut [f32]) -> f32 {
        let mut greatest = simd.splat_f32s(self.greatest);
        let (vectors, rest) = S::as_mut_simd_f32s(scores);
        for score in vectors.iter() {
            greatest = simd.max_f32s(greatest, *score);
        }
        let mut greatest = simd.reduce_max_f32s(greatest);
        for score in rest.iter() {
            greatest = greatest.max(*score);
        }
        // Before any score that is not minus infinity there is nothing to scale, and no difference to take.
        let base = if greatest == f32::NEG_INFINITY { 0.0 } else { greatest };
        let minus = simd.splat_f32s(base);
        let mut sum = simd.splat_f32s(0.0);
        for score in vectors.iter_mut() {
            *score = power_of_two(simd, simd.sub_f32s(*score, minus));
            sum = simd.add_f32s(sum, *score);
        }
        let mut sum = simd.reduce_sum_f32s(sum);
        if !rest.is_empty() {
            let weights = power_of_two(simd, simd.sub_f32s(simd.partial_load_f32s(rest), minus));
            simd.partial_store_f32s(rest, weights);
            sum += rest.iter().sum::<f32>();
        }
        let shrink = (self.greatest - base).exp2();
        *self = Self { greatest, sum: self.sum * shrink + sum };
        shrink
    }
}

#[inline(always)]
fn scale<S: Simd>(simd: S, numbers: &mut [f32], factor: f32) {
    let by = simd.splat_f32s(factor);
    let (vectors, rest) = S::as_mut_simd_f32s(numbers);
    for numbers in vectors {
        *numbers = simd.mul_f32s(*numbers, by);
    }
    for number in rest {
        *number *= factor;
    }
}
