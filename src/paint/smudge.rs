//! Wet paint that is pushed along: the brush holds what it lay on, leaves some of it, and takes some of what it meets. Works in
//! premultiplied numbers with fractions, so that paint that is pushed for long neither darkens nor gets stuck.

use super::blend::{premultiplied, straight};
use super::tiles::{Grid, TILE_AREA, Tile};
use super::tip::Tip;
use super::{Brush, Layer};
use crate::geom::Point;
use crate::pixels::Mask;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the brush holds where it has not been on the layer yet.
const NOTHING: [f32; 4] = [0.0, 0.0, 0.0, -1.0];

/// A stroke that pushes the paint of a layer.
#[derive(Clone, Debug)]
pub(super) struct Smudge {
    before: Arc<Layer>,
    /// Where it may push; what lies elsewhere is only taken up.
    mask: Option<Arc<Mask>>,
    /// Whether it came to a place where it may.
    pushes: bool,
    grid: Grid,
    /// The layer as it is pushed, where it is: premultiplied, 0..1.
    wet: Vec<Option<Box<[[f32; 4]]>>>,
    changed: BTreeSet<usize>,
    /// What the brush holds, `2 reach + 1` pixels wide.
    held: Vec<[f32; 4]>,
    reach: i64,
    /// 0..1: how much of what the brush holds it keeps from dab to dab.
    strength: f32,
}

impl Smudge {
    /// Clean, on this layer, where this mask of its extent covers, with a brush that presses no wider than `brush`.
    pub(super) fn new(before: Arc<Layer>, mask: Option<Arc<Mask>>, brush: Brush, strength: f32) -> Self {
        let grid = before.tiles.grid();
        let reach = Tip::new(brush).outer.ceil() as i64;
        // Wider than the picture it would hold nothing more.
        let reach = reach.min(i64::from(grid.extent.width.max(grid.extent.height)));
        let held = vec![NOTHING; ((2 * reach + 1) * (2 * reach + 1)) as usize];
        let (wet, changed) = (vec![None; grid.count()], BTreeSet::new());
        Self { before, mask, pushes: false, grid, wet, changed, held, reach, strength }
    }

    pub(super) fn dab(&mut self, tip: Tip, centre: Point) {
        let Some(bounds) = tip.reach(self.grid.extent, centre) else { return };
        let (column, line) = (centre.x.floor() as i64, centre.y.floor() as i64);
        let touched: Vec<_> = self.grid.touched(bounds).collect();
        for index in touched {
            let Some(shared) = self.grid.bounds(index).intersection(bounds) else { continue };
            let before = &self.before;
            let wet = self.wet[index].get_or_insert_with(|| before.tiles.tile(index).map_or_else(dry, wetted));
            for y in shared.top..shared.bottom() {
                for x in shared.left..shared.right() {
                    let (right, below) = (i64::from(x) - column, i64::from(y) - line);
                    if right.abs() > self.reach || below.abs() > self.reach {
                        continue;
                    }
                    let distance = Point::new(x as f32 + 0.5, y as f32 + 0.5).distance(centre);
                    let held =
                        &mut self.held[((below + self.reach) * (2 * self.reach + 1) + right + self.reach) as usize];
                    let is_open = self.mask.as_ref().is_none_or(|mask| {
                        mask.coverage()[y as usize * self.grid.extent.width as usize + x as usize] > 0
                    });
                    let cover = if is_open { tip.falloff(distance) } else { 0.0 };
                    self.pushes |= cover > 0.0;
                    push(&mut wet[self.grid.place(x, y).1], held, cover, self.strength);
                }
            }
            self.changed.insert(index);
        }
    }

    /// Whether it was on the layer, and nowhere where it may push.
    pub(super) fn lies_beside(&self) -> bool {
        !self.pushes && self.wet.iter().any(Option::is_some)
    }

    pub(super) fn take_changed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    /// A tile of the layer as it is now. Pixels that were not pushed stay the same to the last bit.
    pub(super) fn tile(&self, index: usize) -> Option<Arc<Tile>> {
        let before = self.before.tiles.tile(index);
        let Some(wet) = &self.wet[index] else { return before.cloned() };
        let mut tile = before.map_or_else(|| Tile::filled([0; 4]), |tile| Tile::clone(tile));
        let keeps_alpha = self.before.look.keeps_alpha;
        for (pixel, &wet) in tile.pixels_mut().iter_mut().zip(wet) {
            if wet.map(f32::to_bits) == premultiplied(*pixel, 1.0).map(f32::to_bits) {
                continue;
            }
            let pushed = straight(wet);
            *pixel = match (keeps_alpha, pixel[3]) {
                (false, _) => pushed,
                (true, alpha) if alpha > 0 && pushed[3] > 0 => [pushed[0], pushed[1], pushed[2], alpha],
                (true, _) => *pixel,
            };
        }
        (!tile.is_clear()).then(|| Arc::new(tile))
    }
}

/// One pixel under the brush: what it holds there meets what lies there.
fn push(wet: &mut [f32; 4], held: &mut [f32; 4], cover: f32, strength: f32) {
    if held[3] < 0.0 {
        *held = *wet;
        return;
    }
    for (wet, held) in wet.iter_mut().zip(held) {
        *held = *wet + (*held - *wet) * strength;
        *wet += (*held - *wet) * cover;
    }
}

fn dry() -> Box<[[f32; 4]]> {
    vec![[0.0; 4]; TILE_AREA].into_boxed_slice()
}

fn wetted(tile: &Arc<Tile>) -> Box<[[f32; 4]]> {
    tile.pixels().iter().map(|&pixel| premultiplied(pixel, 1.0)).collect()
}

#[cfg(test)]
#[path = "smudge_tests.rs"]
mod tests;
