use super::gemm::{Epilogue, Matrix, multiply};
use super::packed::{Packed, Values};
use super::rounding::Number;
use super::shared::{Shared, each};
use rayon::prelude::*;

/// Rows that are compared at once: what they are compared with is all others, so this bounds the memory.
const ROWS_AT_ONCE: usize = 512;

/// Numbers below which another thread is not worth waking.
const WORTH_A_THREAD: usize = 1 << 15;

/// For each of the `rows` of `x` (N, C), which of the `others`, of which there is one, it resembles most, by the cosine, and how much: the first of several.
/// What is not a number resembles the first one, as little as can be.
pub(in crate::kernels) fn most_alike(
    x: &[f32],
    channels: usize,
    rows: &[usize],
    others: &[usize],
) -> Vec<(usize, f32)> {
    assert!(channels > 0 && x.len().is_multiple_of(channels), "rows of another width");
    let unit = |rows: &[usize]| -> Vec<f32> {
        let unit = |row: &usize| {
            let row = &x[row * channels..][..channels];
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter().map(move |x| if length > 0.0 { x / length } else { 0.0 })
        };
        rows.iter().flat_map(unit).collect()
    };
    let weight = Packed::new(Values::F32(&unit(others)), others.len(), channels);
    let mut found = Vec::with_capacity(rows.len());
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let mut cosines = vec![0f32; rows.len() * others.len()];
        let matrix = Matrix { data: &unit(rows), rows: rows.len(), stride: channels };
        multiply(&matrix, &weight, Epilogue::default(), &mut cosines);
        let largest = |cosines: &[f32]| {
            let first = (0, f32::NEG_INFINITY);
            cosines.iter().enumerate().fold(first, |best, (at, x)| if *x > best.1 { (at, *x) } else { best })
        };
        found.par_extend(cosines.par_chunks_exact(others.len()).map(largest));
    }
    found
}

/// The means of groups of rows of `x` (N, C) to `out` (groups, C): `ends` says where in `members` each group ends.
pub(in crate::kernels) fn means<X: Number>(
    x: &[X],
    channels: usize,
    members: &[usize],
    ends: &[usize],
    out: &mut [f32],
) {
    assert_eq!(out.len(), ends.len() * channels, "a result of another size");
    by_rows(out, channels, |group, out| {
        let members = &members[group.checked_sub(1).map_or(0, |before| ends[before])..ends[group]];
        for member in members {
            let row = X::widened(&x[member * channels..][..channels]);
            out.iter_mut().zip(row.iter()).for_each(|(sum, x)| *sum += x);
        }
        if members.len() > 1 {
            let share = 1.0 / members.len() as f32;
            for sum in out {
                *sum *= share;
            }
        }
    });
}

/// Each row of `residual` (N, C) and the row of `x` that is named for it, to `out`.
pub(in crate::kernels) fn add_rows(x: &[f32], channels: usize, named: &[usize], residual: &[f32], out: &mut [f32]) {
    assert!(out.len() == named.len() * channels && residual.len() == out.len(), "a result of another size");
    by_rows(out, channels, |row, out| {
        let (x, residual) = (&x[named[row] * channels..][..channels], &residual[row * channels..][..channels]);
        out.iter_mut().zip(x.iter().zip(residual)).for_each(|(sum, (x, residual))| *sum = x + residual);
    });
}

/// Calls `fill` with each row and its number.
fn by_rows(out: &mut [f32], channels: usize, fill: impl Fn(usize, &mut [f32]) + Sync) {
    let rows_at_once = (WORTH_A_THREAD / channels).max(1);
    let rows = out.len() / channels;
    let out = Shared::new(out);
    each(rows.div_ceil(rows_at_once), true, |task| {
        for row in task * rows_at_once..((task + 1) * rows_at_once).min(rows) {
            // SAFETY: tasks share no row.
            fill(row, unsafe { out.part(row * channels, channels) });
        }
    });
}
