//! The mask as a selection: what changes a layer changes it only where the mask covers, and no further than it covers; and what is moved
//! is what is masked, lifted off the rest.

use super::beyond::{Passage, Placed};
use super::blend::{premultiplied, straight};
use super::document::Document;
use super::layer_edits::open;
use super::tiles::{Grid, TILE_SIDE, Tile, row_of};
use super::{Error, Layer, LayerEdit, LayerId, LayerKind, Stack, Tiles, Transform};
use crate::geom::{Bounds, Extent, Point};
use crate::pixels::Mask;
use std::sync::Arc;

const SIDE: usize = TILE_SIDE as usize;

/// What keeps changes of a layer inside a mask of its extent, or nothing where none does.
#[derive(Clone, Debug, Default)]
pub(super) struct Within(Option<Arc<Mask>>);

impl Within {
    pub(super) fn new(mask: Option<&Arc<Mask>>) -> Self {
        Self(mask.cloned())
    }

    pub(super) fn mask(&self) -> Option<&Arc<Mask>> {
        self.0.as_ref()
    }

    /// What becomes of a tile where the mask covers it: wholly what `change` makes of it, or as much of that as it covers. Pixels that are
    /// not masked stay the same to the last bit; a tile in which nothing changes is the one that was there.
    pub(super) fn tile(
        &self,
        grid: Grid,
        index: usize,
        before: Option<&Arc<Tile>>,
        change: impl FnOnce() -> Option<Arc<Tile>>,
    ) -> Option<Arc<Tile>> {
        let Some(mask) = &self.0 else { return change() };
        if is_all(mask, grid, index, 0) {
            return before.cloned();
        }
        let after = change();
        if is_all(mask, grid, index, 255) {
            return after;
        }
        let mut tile = before.map_or_else(|| Tile::filled([0; 4]), |tile| Tile::clone(tile));
        let mut changes = false;
        for (y, row) in coverage(mask, grid, index).enumerate() {
            for (x, &covers) in row.iter().enumerate().filter(|(_, covers)| **covers > 0) {
                let at = y * SIDE + x;
                let to = after.as_ref().map_or([0; 4], |after| after.pixels()[at]);
                let pixel = &mut tile.pixels_mut()[at];
                if *pixel != to {
                    let mixed = mixed(*pixel, to, covers);
                    changes |= mixed != *pixel;
                    *pixel = mixed;
                }
            }
        }
        if !changes {
            return before.cloned();
        }
        (!tile.is_clear()).then(|| Arc::new(tile))
    }

    /// What becomes of a whole layer that a change made other.
    fn tiles(&self, before: &Tiles, after: &Tiles) -> Tiles {
        let changed: Vec<_> = after.changed(before).collect();
        let mut within = before.clone();
        let grid = before.grid();
        within.set_all(&changed, |index| self.tile(grid, index, before.tile(index), || after.tile(index).cloned()));
        within
    }
}

/// A pixel that goes `covers` of 255 of the way to another.
fn mixed(from: [u8; 4], to: [u8; 4], covers: u8) -> [u8; 4] {
    if covers == 255 {
        return to;
    }
    let share = f32::from(covers) / 255.0;
    let (from, to) = (premultiplied(from, 1.0), premultiplied(to, 1.0));
    straight(std::array::from_fn(|c| from[c] + (to[c] - from[c]) * share))
}

/// The rows of a mask in a tile, as much of them as lies in the picture.
pub(super) fn coverage(mask: &Mask, grid: Grid, index: usize) -> impl Iterator<Item = &[u8]> {
    let bounds = grid.bounds(index);
    (bounds.top..bounds.bottom()).map(move |y| &mask.coverage()[row_of(grid, bounds, y)])
}

fn is_all(mask: &Mask, grid: Grid, index: usize, covers: u8) -> bool {
    coverage(mask, grid, index).all(|row| row.iter().all(|&c| c == covers))
}

/// What of a layer is masked, lifted off it to be put down elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Lifted {
    mask: Arc<Mask>,
    part: Layer,
    rest: Tiles,
}

impl Lifted {
    /// Cuts a layer in two: what is masked, as opaque as it is masked, and what is left.
    pub(super) fn off(layer: &Layer, mask: &Arc<Mask>) -> Self {
        let before = &layer.tiles;
        let grid = before.grid();
        let all: Vec<_> = (0..before.count()).filter(|&index| before.tile(index).is_some()).collect();
        let (part, mut rest) = (before.masked_part(mask), before.clone());
        rest.set_all(&all, |index| {
            let from = before.tile(index)?;
            if is_all(mask, grid, index, 0) {
                return Some(Arc::clone(from));
            }
            let mut tile = Tile::clone(from);
            for (y, row) in coverage(mask, grid, index).enumerate() {
                for (pixel, &covers) in tile.pixels_mut()[y * SIDE..].iter_mut().zip(row).filter(|(_, c)| **c > 0) {
                    *pixel = faded(*pixel, 255 - covers);
                }
            }
            (!tile.is_clear()).then(|| Arc::new(tile))
        });
        Self { mask: Arc::clone(mask), part: Layer { tiles: part, beyond: None, ..layer.clone() }, rest }
    }

    /// What was lifted off, on its way.
    pub(super) fn passage(&self) -> Passage {
        Passage::of(&self.part, self.part.tiles.extent())
    }

    /// A tile of what is left.
    pub(super) fn rest(&self, index: usize) -> Option<&Arc<Tile>> {
        self.rest.tile(index)
    }

    /// The mask, which goes along. None if nothing moves.
    pub(super) fn mask(&self, transform: &Transform) -> Option<Mask> {
        moved(&self.mask, transform)
    }
}

/// A tile with another laid over it.
pub(super) fn put_down(over: Option<Arc<Tile>>, rest: Option<&Arc<Tile>>) -> Option<Arc<Tile>> {
    let (over, rest) = match (over, rest) {
        (Some(over), Some(rest)) => (over, rest),
        (over, rest) => return over.or_else(|| rest.cloned()),
    };
    let mut tile = Tile::clone(rest);
    for (under, &over) in tile.pixels_mut().iter_mut().zip(over.pixels()).filter(|(_, over)| over[3] > 0) {
        let (below, above) = (premultiplied(*under, 1.0), premultiplied(over, 1.0));
        let both = || straight(std::array::from_fn(|c| above[c] + below[c] * (1.0 - above[3])));
        *under = if over[3] == 255 { over } else { both() };
    }
    Some(Arc::new(tile))
}

/// A mask that is transformed so. None if nothing moves.
fn moved(mask: &Mask, transform: &Transform) -> Option<Mask> {
    if transform.is_none() {
        return None;
    }
    let before = Tiles::covering(mask, LayerKind::MASK_COLOUR);
    let after = all_tiles(&before, |index| {
        let Bounds { left, top, extent } = before.bounds_of(index);
        transform.tile(&before, (left as i32, top as i32), extent, true)
    });
    Some(after.masked(Bounds::whole(before.extent()), |[.., alpha]| alpha))
}

fn all_tiles(like: &Tiles, make: impl Fn(usize) -> Option<Arc<Tile>> + Sync) -> Tiles {
    let mut made = Tiles::clear(like.extent());
    made.set_all(&(0..like.count()).collect::<Vec<_>>(), make);
    made
}

/// A pixel that is `covers` of 255 as opaque.
fn faded([r, g, b, alpha]: [u8; 4], covers: u8) -> [u8; 4] {
    match (u32::from(alpha) * u32::from(covers) + 127) / 255 {
        0 => [0; 4],
        alpha => [r, g, b, alpha as u8],
    }
}

impl Tiles {
    /// What of them a mask of their extent covers, as opaque as it covers it.
    #[must_use]
    pub fn masked_part(&self, mask: &Mask) -> Self {
        let grid = self.grid();
        let all: Vec<_> = (0..self.count()).filter(|&index| self.tile(index).is_some()).collect();
        let mut part = Self::clear(self.extent());
        part.set_all(&all, |index| {
            let from = self.tile(index).filter(|_| !is_all(mask, grid, index, 0))?;
            let mut tile = Tile::filled([0; 4]);
            for (y, row) in coverage(mask, grid, index).enumerate() {
                let pixels = &mut tile.pixels_mut()[y * SIDE..][..row.len()];
                for ((to, from), &covers) in pixels.iter_mut().zip(&from.pixels()[y * SIDE..]).zip(row) {
                    *to = faded(*from, covers);
                }
            }
            (!tile.is_clear()).then(|| Arc::new(tile))
        });
        part
    }
}

impl Stack {
    /// As [`Self::edited`], but a layer that is cleared or filled changes only where the mask covers, and what is moved of one is what it
    /// covers.
    pub(super) fn edited_within(
        &self,
        extent: Extent,
        edit: LayerEdit,
        mask: &Arc<Mask>,
    ) -> Result<Option<Self>, Error> {
        let (id, tiles, beyond) = match edit {
            LayerEdit::Transform(id, transform) => {
                let layer = self.get(id).ok_or(Error::NoLayer)?;
                open(layer)?;
                let transform = transform.sound();
                if transform.is_none() {
                    return Ok(None);
                }
                let lifted = Lifted::off(layer, mask);
                let passage = lifted.passage();
                let down = |index| put_down(passage.tile(&transform, index, true), lifted.rest(index));
                let tiles = all_tiles(&layer.tiles, down);
                let beyond = Placed::over(extent, passage.beyond(&transform), layer.beyond.as_ref());
                (id, tiles, beyond)
            }
            LayerEdit::Clear(id) | LayerEdit::Fill(id, _) => return self.changed_within(extent, id, edit, Some(mask)),
            edit => return self.edited(extent, edit),
        };
        Ok(self.with(id, tiles, beyond))
    }

    /// As [`Self::edited`], but this layer, which is cleared or filled, changes only where the mask covers, if there is one, and what lies
    /// outside of the document stays.
    pub(super) fn changed_within(
        &self,
        extent: Extent,
        id: LayerId,
        edit: LayerEdit,
        mask: Option<&Arc<Mask>>,
    ) -> Result<Option<Self>, Error> {
        let Some(after) = self.edited(extent, edit)? else { return Ok(None) };
        let (before, after) = self.get(id).zip(after.get(id)).ok_or(Error::NoLayer)?;
        let tiles = Within::new(mask).tiles(&before.tiles, &after.tiles);
        Ok(self.with(id, tiles, before.beyond.clone()))
    }

    /// With other pixels on a layer. None if they are the same.
    fn with(&self, id: LayerId, tiles: Tiles, beyond: Option<Arc<Placed>>) -> Option<Self> {
        let mut stack = self.clone();
        if let Some(layer) = stack.layer_mut(id) {
            (layer.tiles, layer.beyond) = (tiles, beyond);
        }
        (stack != *self).then_some(stack)
    }
}

impl Document {
    /// Whether the mask keeps what paints inside it, as at first. That is no step of undo.
    pub fn keep_within_mask(&mut self, on: bool) {
        self.keeps_within = on;
    }

    /// The mask that this layer is changed within: strokes, fillings, gradients, clearing and moving go no further than it covers. None
    /// where nothing is masked or the mask is not to keep anything inside; nor for a layer of masks, on which one paints to mask more.
    pub fn confines(&self, layer: &Layer) -> Option<&Arc<Mask>> {
        let does = self.keeps_within && self.has_mask() && layer.look.kind != LayerKind::Mask;
        does.then(|| self.shared_mask())
    }

    /// The corners of the box around what is moved of a layer where it is transformed: what of it is masked, or all that is on it. None if
    /// that is nothing.
    pub fn movable(&self, layer: &Layer) -> Option<[Point; 2]> {
        let Some(mask) = self.confines(layer) else { return layer.content() };
        let bounds = layer.tiles.content_within(Some(mask))?;
        let at = |x: u32, y: u32| Point::new(x as f32, y as f32);
        Some([at(bounds.left, bounds.top), at(bounds.right(), bounds.bottom())])
    }

    /// The layers after an edit of them, and the mask if it goes along. None if nothing changes.
    pub(super) fn edited(&self, edit: LayerEdit) -> Result<Option<(Stack, Option<Mask>)>, Error> {
        let (of, transform) = match edit {
            LayerEdit::Clear(id) | LayerEdit::Fill(id, _) => (Some(id), None),
            LayerEdit::Transform(id, transform) => (Some(id), Some(transform.sound())),
            _ => (None, None),
        };
        let mask = of.and_then(|id| self.stack().get(id)).and_then(|layer| self.confines(layer));
        let Some(mask) = mask else {
            return Ok(self.stack().edited(self.extent(), edit)?.map(|stack| (stack, None)));
        };
        let stack = self.stack().edited_within(self.extent(), edit, mask)?;
        Ok(stack.map(|stack| (stack, transform.and_then(|transform| moved(mask, &transform)))))
    }
}

#[cfg(test)]
#[path = "within_tests.rs"]
mod tests;
