//! Another frame around what is there: cropping, and making room at the sides. No pixel is computed anew. What of a layer lies outside of
//! the document comes in where there is room for it. A frame that only makes room keeps the rest there; one that cuts off anything lets go of all
//! that lies outside of it, as cropping does elsewhere.

use super::tiles::{TILE_SIDE, Tile};
use super::{Error, Layer, Placed, Stack, Tiles};
use crate::geom::{Bounds, Extent};
use crate::pixels::Mask;
use std::sync::Arc;

/// A frame: how large it is, and where the left and top corner of what is there comes to lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its size.
    pub extent: Extent,
    /// How many columns are new at the left, or are cut off if they are negative.
    pub left: i32,
    /// How many rows are new at the top, or are cut off if they are negative.
    pub top: i32,
}

impl Frame {
    /// The longest side that a document may have.
    pub const MOST_SIDE: u32 = 8192;

    /// A part of what is there.
    pub const fn part(bounds: Bounds) -> Self {
        Self { extent: bounds.extent, left: -(bounds.left as i32), top: -(bounds.top as i32) }
    }

    /// A frame in which a canvas lies at its left or right end (`across` 0 or 2) or in its middle (1), and `down` likewise.
    pub fn anchored(extent: Extent, canvas: Extent, across: u8, down: u8) -> Self {
        let at = |new: u32, old: u32, end: u8| ((i64::from(new) - i64::from(old)) * i64::from(end) / 2) as i32;
        Self { extent, left: at(extent.width, canvas.width, across), top: at(extent.height, canvas.height, down) }
    }

    pub(super) fn check(self) -> Result<(), Error> {
        if self.extent.is_empty() {
            return Err(Error::Empty(self.extent));
        }
        if self.extent.width.max(self.extent.height) > Self::MOST_SIDE {
            return Err(Error::TooLarge(self.extent));
        }
        Ok(())
    }

    /// What of a canvas is seen in it, by the canvas's places.
    fn seen(self, canvas: Extent) -> Option<Bounds> {
        let along = |start: i32, new: u32, old: u32| {
            let first = (-i64::from(start)).max(0);
            let end = (i64::from(new) - i64::from(start)).min(i64::from(old));
            (first < end).then(|| (first as u32, (end - first) as u32))
        };
        let (left, width) = along(self.left, self.extent.width, canvas.width)?;
        let (top, height) = along(self.top, self.extent.height, canvas.height)?;
        Some(Bounds { left, top, extent: Extent::new(width, height) })
    }

    /// Where a box of a canvas comes to lie. None if all of it is cut off.
    pub fn moved(self, bounds: Bounds, canvas: Extent) -> Option<Bounds> {
        let shared = self.seen(canvas)?.intersection(bounds)?;
        let at = |place: u32, by: i32| (i64::from(place) + i64::from(by)) as u32;
        Some(Bounds { left: at(shared.left, self.left), top: at(shared.top, self.top), ..shared })
    }

    pub(super) fn mask(self, mask: &Mask) -> Mask {
        let seen = self.seen(mask.extent());
        let part = seen.and_then(|seen| Some((mask.cropped(seen)?, self.moved(seen, mask.extent())?)));
        part.map_or_else(|| Mask::empty(self.extent), |(part, place)| part.placed(self.extent, place))
    }

    pub(super) fn stack(self, stack: &Stack) -> Stack {
        let framed = |layer: &Arc<Layer>| {
            let (tiles, beyond) = self.parted(layer);
            Arc::new(Layer { tiles, beyond, ..(**layer).clone() })
        };
        Stack { layers: stack.layers.iter().map(framed).collect(), active: stack.active }
    }

    /// What of a layer lies within it, and what is kept of what does not.
    fn parted(self, layer: &Layer) -> (Tiles, Option<Arc<Placed>>) {
        if layer.beyond.is_none() {
            return (self.tiles(&layer.tiles), None);
        }
        let Placed { tiles, left, top } = layer.whole();
        let placed = Placed { tiles, left: left.saturating_add(self.left), top: top.saturating_add(self.top) };
        let (tiles, beyond) = placed.parted(self.extent);
        let canvas = layer.tiles.extent();
        (tiles, beyond.filter(|_| self.seen(canvas) == Some(Bounds::whole(canvas))))
    }

    fn tiles(self, tiles: &Tiles) -> Tiles {
        let mut framed = Tiles::clear(self.extent);
        let canvas = tiles.extent();
        let Some(seen) = self.seen(canvas) else { return framed };
        let grid = framed.grid();
        let indices: Vec<_> = self.moved(seen, canvas).into_iter().flat_map(|place| grid.touched(place)).collect();
        framed.set_all(&indices, |index| {
            let bounds = grid.bounds(index);
            let at = |place: u32, by: i32| i64::from(place) - i64::from(by);
            // The tile's place on the canvas that was; what of it lies outside is new.
            let (left, top) = (at(bounds.left, self.left), at(bounds.top, self.top));
            let mut tile = Tile::filled([0; 4]);
            let mut is_clear = true;
            let rows = tile.pixels_mut().chunks_exact_mut(TILE_SIDE as usize).zip(top..);
            for (row, y) in rows.take(bounds.extent.height as usize) {
                if y < i64::from(seen.top) || y >= i64::from(seen.bottom()) {
                    continue;
                }
                for (pixel, x) in row.iter_mut().zip(left..).take(bounds.extent.width as usize) {
                    if x >= i64::from(seen.left) && x < i64::from(seen.right()) {
                        *pixel = tiles.pixel(x as u32, y as u32);
                        is_clear &= *pixel == [0; 4];
                    }
                }
            }
            (!is_clear).then(|| Arc::new(tile))
        });
        framed
    }
}

impl Tiles {
    /// The same pixels in another frame.
    #[must_use]
    pub fn framed(&self, frame: Frame) -> Self {
        frame.tiles(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Picture;

    fn numbered(extent: Extent) -> Tiles {
        let rgba = (0..extent.area()).flat_map(|i| [(i % 251) as u8, (i / 251) as u8, 7, 255]).collect();
        Tiles::of(&Picture::from_rgba(extent, rgba).unwrap())
    }

    #[test]
    fn every_pixel_stays_the_same_and_what_is_new_is_clear() {
        let was = Extent::new(200, 150);
        let tiles = numbered(was);
        for (width, height, left, top) in [(200, 150, 0, 0), (260, 300, 31, 100), (50, 40, -90, -3), (9, 9, -500, 0)] {
            let frame = Frame { extent: Extent::new(width, height), left, top };
            let framed = frame.tiles(&tiles);
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let (u, v) = (i64::from(x) - i64::from(left), i64::from(y) - i64::from(top));
                let was = if u < 0 || v < 0 { [0; 4] } else { tiles.pixel(u as u32, v as u32) };
                assert_eq!(framed.pixel(x, y), was, "{frame:?} at {x}, {y}");
            }
        }
    }

    #[test]
    fn what_was_beyond_the_edge_of_a_shared_tile_does_not_come_to_light() {
        let white = Tiles::filled(Extent::new(100, 100), [255; 4]);
        let framed = Frame { extent: Extent::new(128, 128), left: 0, top: 0 }.tiles(&white);
        assert_eq!((framed.pixel(99, 99), framed.pixel(100, 99), framed.pixel(5, 110)), ([255; 4], [0; 4], [0; 4]));
    }

    #[test]
    fn boxes_and_masks_move_along() {
        let canvas = Extent::new(40, 30);
        let bounds = Bounds { left: 10, top: 5, extent: Extent::new(20, 10) };
        let wider = Frame::anchored(Extent::new(60, 30), canvas, 2, 0);
        assert_eq!(wider, Frame { extent: Extent::new(60, 30), left: 20, top: 0 });
        assert_eq!(wider.moved(bounds, canvas), Some(Bounds { left: 30, ..bounds }));
        let part = Frame::part(Bounds { left: 15, top: 8, extent: Extent::new(10, 30 - 8) });
        let moved = Bounds { left: 0, top: 0, extent: Extent::new(10, 7) };
        assert_eq!(part.moved(bounds, canvas), Some(moved));
        let mask = Mask::empty(bounds.extent).inverted().placed(canvas, bounds);
        assert_eq!(part.mask(&mask).bounds(), Some(moved));
        assert!(Frame { extent: Extent::new(5, 5), left: 9, top: 0 }.mask(&mask).is_empty());
        assert_eq!(
            Frame::anchored(Extent::new(20, 10), canvas, 1, 1),
            Frame { extent: Extent::new(20, 10), left: -10, top: -10 }
        );
    }
}
