//! What of a layer lies outside of the document. It is kept, so that what is moved out of the canvas can be moved back, and goes along
//! with all that happens to the layer as a whole; what is done to its pixels one by one stays within the document, where the layer's own
//! tiles are all that counts.
//!
//! As much is kept as the document is wide and high, in whole tiles, at each of its sides, and less of the farthest where all of it
//! together would be more than a picture can hold. What goes farther is lost, and so is what there is no memory for.

use super::hands::promptly;
use super::tiles::{Grid, TILE_BYTES, TILE_SIDE, Tile};
use super::within::put_down;
use super::{Frame, Layer, Stack, Tiles, Transform};
use crate::geom::{Bounds, Extent, Point};
use crate::memory::check_room;
use crate::pixels::Picture;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

const SIDE: usize = TILE_SIDE as usize;
const TILE: Extent = Extent::new(TILE_SIDE, TILE_SIDE);

/// Pixels of any size, and where their corner lies by the document's: before it where `left` or `top` is negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The pixels.
    pub tiles: Tiles,
    /// In which column of the document.
    pub left: i32,
    /// In which row.
    pub top: i32,
}

impl Placed {
    /// What of it lies within a document of this extent, and what is kept of the rest.
    pub fn parted(&self, extent: Extent) -> (Tiles, Option<Arc<Self>>) {
        (self.tiles.framed(Frame { extent, left: self.left, top: self.top }), self.beyond(extent))
    }

    /// What of it is kept outside of a document of this extent: clear within it, in tiles that lie as the document's do, and no more of
    /// them than there is something in. None if that is nothing.
    pub fn beyond(&self, extent: Extent) -> Option<Arc<Self>> {
        let around = Around::new(extent);
        let (left, top) = around.corner();
        let frame = Frame {
            extent: around.grid.extent,
            left: self.left.saturating_add(left),
            top: self.top.saturating_add(top),
        };
        around.beyond(&self.tiles.framed(frame))
    }

    /// How large what is kept of a layer of this extent is at most, with all between.
    pub fn most(extent: Extent) -> Extent {
        Around::new(extent).grid.extent
    }

    /// What is kept outside of a document of this extent where something came to lie over what was there.
    pub(super) fn over(extent: Extent, came: Option<Arc<Self>>, was: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let (came, was) = match (came, was) {
            (Some(came), Some(was)) => (came, was),
            (came, was) => return came.or_else(|| was.cloned()),
        };
        let around = Around::new(extent);
        let mut tiles = vec![None; around.grid.count()];
        for placed in [was, &came] {
            for (at, tile) in around.placed(placed) {
                tiles[at] = put_down(Some(tile), tiles[at].as_ref());
            }
        }
        around.kept(tiles.into_iter().enumerate().filter_map(|(index, tile)| Some((index, tile?))).collect())
    }

    /// The bytes that are here and not in `other`. What is shared counts once.
    pub(super) fn bytes_besides(self: &Arc<Self>, other: Option<&Arc<Self>>) -> usize {
        match other {
            Some(other) if Arc::ptr_eq(self, other) => 0,
            other => {
                self.tiles.bytes_besides(other.map(|other| &other.tiles))
                    + self.tiles.count() * size_of::<Option<Arc<Tile>>>()
            }
        }
    }

    /// The bytes of its pixels.
    pub fn bytes(&self) -> usize {
        self.tiles.bytes_besides(None)
    }
}

impl Layer {
    /// All of its pixels, outside of the document as well.
    pub(super) fn whole(&self) -> Placed {
        if self.beyond.is_none() {
            return Placed { tiles: self.tiles.clone(), left: 0, top: 0 };
        }
        let around = Around::new(self.tiles.extent());
        let (left, top) = around.corner();
        Placed { tiles: around.laid(self), left: -left, top: -top }
    }

    /// All of its pixels in one piece: the document, and no more around it than there is. And where the piece's left and top corner
    /// lies by the document's.
    pub fn to_picture(&self) -> (Picture, i32, i32) {
        let Some(beyond) = &self.beyond else { return (self.tiles.to_picture(), 0, 0) };
        let Placed { tiles, left, top } = self.whole();
        let there = |x: i32, y: i32, extent| Bounds { left: (x - left) as u32, top: (y - top) as u32, extent };
        let bounds = there(0, 0, self.tiles.extent()).union(there(beyond.left, beyond.top, beyond.tiles.extent()));
        (tiles.cropped(bounds), left + bounds.left as i32, top + bounds.top as i32)
    }

    /// The smallest box around all that is not clear, outside of the document as well: its upper left and its lower right corner. None
    /// if all is.
    pub fn content(&self) -> Option<[Point; 2]> {
        let corners = |tiles: &Tiles, left: i32, top: i32| {
            let bounds = tiles.content()?;
            let at = |x: u32, y: u32| Point::new((x as i32 + left) as f32, (y as i32 + top) as f32);
            Some([at(bounds.left, bounds.top), at(bounds.right(), bounds.bottom())])
        };
        let beyond = self.beyond.as_ref().and_then(|beyond| corners(&beyond.tiles, beyond.left, beyond.top));
        match (corners(&self.tiles, 0, 0), beyond) {
            (Some([a, b]), Some([c, d])) => {
                Some([Point::new(a.x.min(c.x), a.y.min(c.y)), Point::new(b.x.max(d.x), b.y.max(d.y))])
            }
            (within, beyond) => within.or(beyond),
        }
    }
}

impl Stack {
    /// What is seen of all layers together that are a part of the picture, and what would be outside of a document of this extent.
    pub fn merged(&self, extent: Extent) -> (Tiles, Option<Arc<Placed>>) {
        let flat = self.flattened(extent);
        if self.layers.iter().all(|layer| layer.beyond.is_none()) {
            return (flat, None);
        }
        let around = Around::new(extent);
        let laid =
            |layer: &Arc<Layer>| Arc::new(Layer { tiles: around.laid(layer), beyond: None, ..(**layer).clone() });
        let all = Self { layers: self.layers.iter().map(laid).collect(), active: None };
        (flat, around.beyond(&all.flattened(around.grid.extent)))
    }
}

/// A layer that is transformed, within the document and outside of it.
pub(super) fn transformed(layer: &Layer, transform: Transform) -> (Tiles, Option<Arc<Placed>>) {
    let (sound, mut tiles) = (transform.sound(), layer.tiles.clone());
    let passage = Passage::of(layer, tiles.extent());
    let all: Vec<_> = (0..tiles.count()).collect();
    tiles.set_all(&all, |index| passage.tile(&sound, index, true));
    (tiles, passage.beyond(&sound))
}

/// What lies outside of a document that becomes this large, scaled along.
pub(super) fn resized(layer: &Layer, to: Extent) -> Option<Arc<Placed>> {
    layer.beyond.as_ref()?;
    let was = layer.tiles.extent();
    let scale = (to.width as f32 / was.width as f32, to.height as f32 / was.height as f32);
    Passage::of(layer, to).beyond(&Transform { scale, ..Transform::around(Point::default()) }.sound())
}

/// A document in the middle of three times as many tiles across and down.
#[derive(Clone, Copy, Debug)]
struct Around {
    document: Grid,
    grid: Grid,
}

impl Around {
    fn new(extent: Extent) -> Self {
        let along = |side: u32| 3 * side.next_multiple_of(TILE_SIDE);
        Self { document: Grid::new(extent), grid: Grid::new(Extent::new(along(extent.width), along(extent.height))) }
    }

    /// Where the document's corner lies in it.
    const fn corner(self) -> (i32, i32) {
        ((self.grid.extent.width / 3) as i32, (self.grid.extent.height / 3) as i32)
    }

    /// Where a tile's corner lies by the document's.
    fn place(self, index: usize) -> (i32, i32) {
        let ((left, top), (x, y)) = (self.corner(), self.grid.corner(index));
        (x as i32 - left, y as i32 - top)
    }

    /// The tile whose corner lies there. None if there is none.
    fn tile_at(self, (left, top): (i32, i32)) -> Option<usize> {
        let at = |place: i32, corner: i32, side: u32| {
            u32::try_from(place.checked_add(corner)?).ok().filter(|at| *at < side && at.is_multiple_of(TILE_SIDE))
        };
        let (corner, extent) = (self.corner(), self.grid.extent);
        Some(self.grid.place(at(left, corner.0, extent.width)?, at(top, corner.1, extent.height)?).0)
    }

    /// Where one of the document's tiles lies in it.
    fn index_of(self, of_document: usize) -> usize {
        let ((left, top), (x, y)) = (self.corner(), self.document.corner(of_document));
        self.grid.place(left as u32 + x, top as u32 + y).0
    }

    /// How many columns and rows of a tile, its first ones, lie within the document.
    fn within(self, index: usize) -> Extent {
        let (left, top) = self.place(index);
        let share = |at: i32, side: u32| u32::try_from(at).map_or(0, |at| side.saturating_sub(at).min(TILE_SIDE));
        let Extent { width, height } = self.document.extent;
        let within = Extent::new(share(left, width), share(top, height));
        if within.is_empty() { Extent::new(0, 0) } else { within }
    }

    /// How many tiles lie from the document to this one, with it.
    fn distance(self, index: usize) -> u32 {
        let along = |at: i32, side: i32| (-at).max(at + TILE_SIDE as i32 - side).max(0) as u32 / TILE_SIDE;
        let ((left, top), (width, height)) = (self.place(index), self.corner());
        along(left, width).max(along(top, height))
    }

    /// The tiles of what lies outside of the document, and which they are in it.
    fn placed(self, beyond: &Placed) -> impl Iterator<Item = (usize, Arc<Tile>)> {
        let grid = beyond.tiles.grid();
        (0..beyond.tiles.count()).filter_map(move |index| {
            let (x, y) = grid.corner(index);
            let at = self.tile_at((beyond.left + x as i32, beyond.top + y as i32))?;
            Some((at, Arc::clone(beyond.tiles.tile(index)?)))
        })
    }

    /// All of a layer, whose document it is.
    fn laid(self, layer: &Layer) -> Tiles {
        let mut tiles = Tiles::clear(self.grid.extent);
        for (at, tile) in layer.beyond.iter().flat_map(|beyond| self.placed(beyond)) {
            tiles.set(at, Some(tile));
        }
        for index in 0..layer.tiles.count() {
            let Some(tile) = layer.tiles.tile(index) else { continue };
            let at = self.index_of(index);
            let within = self.within(at);
            if within == TILE {
                tiles.set(at, Some(Arc::clone(tile)));
                continue;
            }
            let mut both = tiles.tile(at).map_or_else(|| Tile::filled([0; 4]), |tile| Tile::clone(tile));
            let rows = both.pixels_mut().chunks_exact_mut(SIDE).zip(tile.pixels().chunks_exact(SIDE));
            for (to, from) in rows.take(within.height as usize) {
                to[..within.width as usize].copy_from_slice(&from[..within.width as usize]);
            }
            tiles.set(at, Some(Arc::new(both)));
        }
        tiles
    }

    /// A tile without what of it lies within the document. None if the rest is clear.
    fn outside(self, index: usize, mut tile: Arc<Tile>) -> Option<Arc<Tile>> {
        let within = self.within(index);
        if within == TILE {
            return None;
        }
        if !within.is_empty() {
            let rows = Arc::make_mut(&mut tile).pixels_mut().chunks_exact_mut(SIDE);
            rows.take(within.height as usize).for_each(|row| row[..within.width as usize].fill([0; 4]));
        }
        (!tile.is_clear()).then_some(tile)
    }

    /// What is kept of these tiles outside of the document.
    fn beyond(self, tiles: &Tiles) -> Option<Arc<Placed>> {
        let outside = |index: usize| Some((index, self.outside(index, Arc::clone(tiles.tile(index)?))?));
        self.kept((0..tiles.count()).filter_map(outside).collect())
    }

    /// These tiles, clear within the document, in the smallest box.
    fn kept(self, mut tiles: Vec<(usize, Arc<Tile>)>) -> Option<Arc<Placed>> {
        let indices: Vec<_> = tiles.iter().map(|(index, _)| *index).collect();
        let reach = self.reach(&indices, 0);
        tiles.retain(|(index, _)| self.distance(*index) <= reach);
        let bounds = tiles.iter().map(|(index, _)| self.grid.bounds(*index)).reduce(Bounds::union)?;
        let mut made = Tiles::clear(bounds.extent);
        let grid = made.grid();
        for (index, tile) in tiles {
            let (x, y) = self.grid.corner(index);
            made.set(grid.place(x - bounds.left, y - bounds.top).0, Some(tile));
        }
        let (left, top) = self.corner();
        Some(Arc::new(Placed { tiles: made, left: bounds.left as i32 - left, top: bounds.top as i32 - top }))
    }

    /// How many tiles away from the document these may be, so that the document with all of them up to there is no more than a picture
    /// holds; of those tiles at the ends that may be clear in the end, `unsure` ones do not count.
    fn reach(self, indices: &[usize], unsure: u32) -> u32 {
        let (width, height) = self.corner();
        let document =
            Bounds { left: width as u32, top: height as u32, extent: Extent::new(width as u32, height as u32) };
        let holds = |reach: &u32| {
            let near = indices.iter().filter(|index| self.distance(**index) <= *reach);
            let Extent { width, height } =
                near.map(|index| self.grid.bounds(*index)).fold(document, Bounds::union).extent;
            let less = |side: u32, least: u32| side.saturating_sub(2 * unsure * TILE_SIDE).max(least);
            Picture::holds(Extent::new(less(width, document.extent.width), less(height, document.extent.height)))
        };
        let farthest = indices.iter().map(|index| self.distance(*index)).max().unwrap_or(0);
        (0..=farthest).rev().find(holds).unwrap_or(0)
    }
}

/// A layer on its way elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    from: Placed,
    around: Around,
    /// Tiles outside of the document that are to be made, once it is known which.
    waiting: Option<Vec<usize>>,
    made: Vec<(usize, Arc<Tile>)>,
}

impl Passage {
    /// All of a layer, to be transformed into a document of this extent.
    pub(super) fn of(layer: &Layer, extent: Extent) -> Self {
        Self { from: layer.whole(), around: Around::new(extent), waiting: None, made: Vec::new() }
    }

    /// Begins anew, since it goes elsewhere.
    pub(super) fn restart(&mut self) {
        self.waiting = None;
        self.made.clear();
    }

    /// A tile of the document, as [`Transform::tile`] makes it.
    pub(super) fn tile(&self, transform: &Transform, index: usize, fine: bool) -> Option<Arc<Tile>> {
        let index = self.around.index_of(index);
        self.by_place(transform).tile(&self.from.tiles, self.around.place(index), self.around.within(index), fine)
    }

    /// Makes more of what comes to lie outside of the document, as much as it can until `deadline` and a little of it in any case.
    /// Returns whether all is made.
    pub(super) fn pour(&mut self, transform: &Transform, deadline: Option<Instant>) -> bool {
        const AT_ONCE: usize = 16;
        let by_place = self.by_place(transform);
        let mut waiting = self.waiting.take().unwrap_or_else(|| self.reached(transform));
        let (from, around) = (&self.from.tiles, self.around);
        let make = |index: usize| {
            let tile = by_place.tile(from, around.place(index), TILE, true)?;
            Some((index, around.outside(index, tile)?))
        };
        while !waiting.is_empty() {
            let some = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
            let made: Vec<_> = promptly(|| some.into_par_iter().filter_map(make).collect());
            self.made.extend(made);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        let is_done = waiting.is_empty();
        self.waiting = Some(waiting);
        is_done
    }

    /// What came to lie outside of the document, all of it.
    pub(super) fn beyond(mut self, transform: &Transform) -> Option<Arc<Placed>> {
        self.pour(transform, None);
        self.around.kept(self.made)
    }

    /// The transform by the places of the pixels that it comes from.
    fn by_place(&self, transform: &Transform) -> Transform {
        let Point { x, y } = transform.pivot;
        Transform { pivot: Point::new(x - self.from.left as f32, y - self.from.top as f32), ..*transform }
    }

    /// The tiles outside of the document, as far as they are kept, in which something may come to lie. None if they are more than memory
    /// holds.
    fn reached(&self, transform: &Transform) -> Vec<usize> {
        let (around, from, by_place) = (self.around, &self.from.tiles, self.by_place(transform));
        let tiles = (0..from.count()).filter(|index| from.tile(*index).is_some());
        let Some(content) = tiles.map(|index| from.bounds_of(index)).reduce(Bounds::union) else { return Vec::new() };
        let (left, top) = (content.left as f32, content.top as f32);
        let (right, bottom) = (content.right() as f32, content.bottom() as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)];
        let corners = corners.map(|(x, y)| by_place.place(Point::new(x, y)));
        // As far as the kernel reaches, widened or scaled along.
        let reach = 3.0 * transform.scale.0.abs().max(transform.scale.1.abs()).max(1.0) + 2.0;
        let side = |along: fn(&Point) -> f32, corner: i32, most: u32| {
            let places = corners.iter().map(along);
            let first = places.clone().fold(f32::MAX, f32::min) - reach + corner as f32;
            let last = places.fold(f32::MIN, f32::max) + reach + corner as f32;
            let (first, last) = (first.floor().max(0.0) as u32, (last.ceil().max(0.0) as u32).min(most));
            (first < last).then(|| (first, last - first))
        };
        let (corner, extent) = (around.corner(), around.grid.extent);
        let Some((left, width)) = side(|p| p.x, corner.0, extent.width) else { return Vec::new() };
        let Some((top, height)) = side(|p| p.y, corner.1, extent.height) else { return Vec::new() };
        let touched = around.grid.touched(Bounds { left, top, extent: Extent::new(width, height) });
        let may_show =
            |index: &usize| around.within(*index) != TILE && by_place.may_show(from, around.place(*index), TILE, true);
        let mut reached: Vec<_> = touched.filter(may_show).collect();
        let farthest = around.reach(&reached, 1);
        reached.retain(|index| around.distance(*index) <= farthest);
        if check_room((reached.len() * TILE_BYTES) as u64).is_err() { Vec::new() } else { reached }
    }
}

#[cfg(test)]
#[path = "beyond_tests.rs"]
mod tests;
