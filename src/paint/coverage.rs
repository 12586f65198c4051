//! How much of each pixel a stroke covers, before it meets a layer. A stroke is laid as one coat: dabs only ever approach the
//! shape of the brush, the faster the more it flows, and never go beyond it, however often they come.

use super::ink::{Coat, laid};
use super::tiles::{Grid, TILE_AREA, TILE_SIDE, Tile};
use super::tip::Tip;
use super::within::coverage;
use crate::geom::{Extent, Point};
use crate::pixels::Mask;
use std::collections::BTreeSet;

const SIDE: usize = TILE_SIDE as usize;

/// Coverage, 0..1, in tiles that are there once something covers them.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    grid: Grid,
    tiles: Vec<Option<Box<[f32]>>>,
    changed: BTreeSet<usize>,
}

impl Coverage {
    pub(super) fn none(extent: Extent) -> Self {
        let grid = Grid::new(extent);
        Self { grid, tiles: vec![None; grid.count()], changed: BTreeSet::new() }
    }

    /// Adds a dab that brings each pixel `flow` (0..1) of the way to what the tip covers there, of which it covers `most` (0..1).
    pub(super) fn dab(&mut self, tip: Tip, centre: Point, flow: f32, most: f32) {
        let Some(bounds) = tip.reach(self.grid.extent, centre) else { return };
        for index in self.grid.touched(bounds) {
            let (left, top) = self.grid.corner(index);
            let tile = self.tiles[index].get_or_insert_with(|| vec![0.0; TILE_AREA].into_boxed_slice());
            let rows = bounds.top.max(top)..bounds.bottom().min(top + TILE_SIDE);
            let (first, end) = (bounds.left.max(left), bounds.right().min(left + TILE_SIDE));
            for y in rows {
                let start = (y - top) as usize * SIDE;
                let row = &mut tile[start + (first - left) as usize..start + (end - left) as usize];
                dab_row(row, tip, (flow, most), first as f32 + 0.5 - centre.x, y as f32 + 0.5 - centre.y);
            }
            self.changed.insert(index);
        }
    }

    /// Whether something is covered, and nothing of that is masked.
    pub(super) fn lies_beside(&self, mask: &Mask) -> bool {
        let mut touched = self.tiles.iter().enumerate().filter_map(|(index, tile)| Some((index, tile.as_deref()?)));
        let is_masked = |(index, tile): (usize, &[f32])| {
            let mut rows = coverage(mask, self.grid, index).zip(tile.chunks_exact(SIDE));
            rows.any(|(row, line)| row.iter().zip(line).any(|(&masks, &covers)| masks > 0 && covers > 0.0))
        };
        touched.clone().next().is_some() && !touched.any(is_masked)
    }

    /// The tiles that changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    /// A tile of a layer under one coat; `before` where nothing covers it.
    pub(super) fn coated(&self, index: usize, before: Option<&Tile>, coat: Coat) -> Option<Tile> {
        match &self.tiles[index] {
            Some(coverage) => Some(laid(before, coverage, coat)),
            None => before.cloned(),
        }
    }
}

/// One row of a dab, `dx` and `dy` pixels from its centre at the first of them. Without branches, for the compiler's vectors.
fn dab_row(row: &mut [f32], tip: Tip, (flow, most): (f32, f32), dx: f32, dy: f32) {
    let (down, slope) = (dy * dy, 1.0 / (tip.outer - tip.inner));
    for (x, coverage) in row.iter_mut().enumerate() {
        let across = dx + x as f32;
        let t = ((tip.outer - (across * across + down).sqrt()) * slope).clamp(0.0, 1.0);
        let dab = t * t * (3.0 - 2.0 * t) * most;
        *coverage += flow * (dab - *coverage).max(0.0);
    }
}
