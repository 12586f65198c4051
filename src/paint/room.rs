//! Room at a side of the canvas that is to be painted: the canvas is made larger and what is new is masked, in one step.

use super::document::Document;
use super::history::Change;
use super::{Error, Frame};
use crate::geom::{Bounds, Extent};
use crate::pixels::Mask;
use std::sync::Arc;

/// A side of the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// The upper one.
    Top,
    /// The lower one.
    Bottom,
}

impl Side {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Top, Self::Bottom];

    /// Whether room at it makes the canvas wider.
    pub const fn is_across(self) -> bool {
        matches!(self, Self::Left | Self::Right)
    }
}

impl Frame {
    /// A canvas with `room` more columns or rows at a side.
    pub const fn with_room(canvas: Extent, side: Side, room: u32) -> Self {
        let (mut extent, by) = (canvas, room as i32);
        if side.is_across() {
            extent.width = extent.width.saturating_add(room);
        } else {
            extent.height = extent.height.saturating_add(room);
        }
        match side {
            Side::Left => Self { extent, left: by, top: 0 },
            Side::Top => Self { extent, left: 0, top: by },
            Side::Right | Side::Bottom => Self { extent, left: 0, top: 0 },
        }
    }
}

impl Document {
    /// The widest strip of what was there that is painted along with new room, so that there is no seam, in pixels.
    const MOST_OVERLAP: u32 = 32;

    /// Makes room at a side and masks it, and less and less of a quarter as much of what lies beside it.
    pub(super) fn take_room(&mut self, side: Side, room: u32) -> Result<Option<Change>, Error> {
        let canvas = self.extent();
        let frame = Frame::with_room(canvas, side, room);
        frame.check()?;
        if room == 0 {
            return Ok(None);
        }
        let mask = mask_of_room(frame, canvas, side, (room / 4).clamp(1, Self::MOST_OVERLAP));
        let stack = frame.stack(self.stack());
        let change = self.swap(Change::Canvas {
            extent: frame.extent,
            stack,
            mask: Some(mask),
            number: self.next_mask(),
            beside: self.beside().clone(),
            bytes: 0,
        });
        self.note_mask_of_room();
        Ok(Some(change))
    }

    /// Whether most of what is masked is clear, so that there is nothing to go on from. In large documents samples tell.
    pub fn masks_nothing_below(&self) -> bool {
        if !self.masks_anything() {
            return false;
        }
        let mask = self.has_mask().then(|| self.mask().coverage());
        let layers: Vec<_> = self.mask_layers().collect();
        let Extent { width, height } = self.extent();
        let stride = (width.max(height) / 1024).max(1);
        let (mut all, mut clear) = (0_u64, 0_u64);
        for y in (0..height).step_by(stride as usize) {
            let row = mask.map(|coverage| &coverage[y as usize * width as usize..][..width as usize]);
            for x in (0..width).step_by(stride as usize) {
                let of_layers = layers.iter().map(|layer| layer.covers(layer.tiles.pixel(x, y)));
                let coverage = u64::from(of_layers.chain(row.map(|row| row[x as usize])).max().unwrap_or(0));
                if coverage > 0 {
                    all += coverage;
                    clear += coverage * u64::from(255 - self.last_flat().pixel(x, y)[3]) / 255;
                }
            }
        }
        clear * 2 > all
    }

    /// Whether there is nothing to go on from anywhere, as it was put together last: nothing is seen but white paper.
    pub fn is_blank(&self) -> bool {
        const PAPER: [u8; 4] = [255; 4];
        let flat = self.last_flat();
        let mut known = None;
        (0..flat.count()).filter_map(|index| flat.tile(index)).all(|tile| {
            // All tiles of a new canvas are one.
            if known.is_some_and(|known| Arc::ptr_eq(known, tile)) {
                return true;
            }
            known = Some(tile);
            tile.pixels().iter().all(|pixel| *pixel == PAPER || pixel[3] == 0)
        })
    }
}

/// All that is new of a frame, fading out over `overlap` pixels of the canvas in it.
fn mask_of_room(frame: Frame, canvas: Extent, side: Side, overlap: u32) -> Mask {
    let there = frame.moved(Bounds::whole(canvas), canvas).unwrap_or(Bounds::whole(canvas));
    let faded = |depth: i64| {
        let share = 1.0 - (depth as f32 + 0.5) / overlap as f32;
        (share.min(1.0) * 255.0).max(0.0).round() as u8
    };
    let Extent { width, height } = frame.extent;
    // Along the way from side to side all rows, or all columns, are alike.
    let (first, behind, length) = match side {
        Side::Left | Side::Right => (there.left, there.right(), width),
        Side::Top | Side::Bottom => (there.top, there.bottom(), height),
    };
    let along = (0..length).map(|at| match side {
        Side::Left | Side::Top => faded(i64::from(at) - i64::from(first)),
        Side::Right | Side::Bottom => faded(i64::from(behind) - 1 - i64::from(at)),
    });
    let along: Vec<u8> = along.collect();
    let coverage = if side.is_across() {
        along.repeat(height as usize)
    } else {
        along.iter().flat_map(|coverage| std::iter::repeat_n(*coverage, width as usize)).collect()
    };
    Mask::from_coverage(frame.extent, coverage).expect("as many bytes as the frame has pixels")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Edit;
    use crate::pixels::Picture;

    fn document(extent: Extent) -> Document {
        let rgba = (0..extent.area() * 4).map(|i| if i % 4 == 3 { 255 } else { (i * 7 % 251) as u8 }).collect();
        let picture = Picture::from_rgba(extent, rgba).unwrap();
        Document::restored(Some(Arc::new(picture)), Mask::empty(extent)).unwrap()
    }

    #[test]
    fn room_at_a_side_is_masked_and_what_was_there_lies_where_it_lay() {
        let was = Extent::new(70, 50);
        for side in Side::ALL {
            let mut document = document(was);
            let before = document.picture().unwrap().clone();
            assert!(document.apply(Edit::Expand { side, room: 32 }).unwrap());
            let (left, top) = match side {
                Side::Left => (32, 0),
                Side::Top => (0, 32),
                Side::Right | Side::Bottom => (0, 0),
            };
            let there = Bounds { left, top, extent: was };
            assert_eq!(document.extent(), Frame::with_room(was, side, 32).extent);
            assert_eq!(document.picture().unwrap().cropped(there).unwrap(), *before);
            let (mask, width) = (document.mask(), document.extent().width);
            let (mut new, mut faded) = (0, 0);
            for (i, &coverage) in mask.coverage().iter().enumerate() {
                let (x, y) = (i as u32 % width, i as u32 / width);
                let is_there = x >= left && y >= top && x - left < was.width && y - top < was.height;
                new += usize::from(coverage == 255);
                faded += usize::from(is_there && coverage > 0);
                assert!(is_there || coverage == 255, "{side:?} {x} {y}: {coverage}");
            }
            let along = if side.is_across() { was.height } else { was.width } as usize;
            assert_eq!((new, faded), (32 * along, 8 * along), "{side:?}");
            assert!(document.masks_nothing_below());
            assert!(document.undo() && !document.can_undo());
            assert_eq!((document.extent(), document.has_mask()), (was, false));
            assert_eq!(document.picture().unwrap(), &before);
        }
    }

    #[test]
    fn the_mask_of_new_room_goes_with_the_room_unless_it_was_changed() {
        let mut document = document(Extent::new(40, 50));
        assert!(document.apply(Edit::Expand { side: Side::Right, room: 32 }).unwrap());
        assert!(document.masks_room());
        let other = Arc::new(Picture::filled(document.extent(), [1, 2, 3, 255]));
        document.apply(Edit::SetPicture(Some(Arc::clone(&other)))).unwrap();
        assert!(!document.has_mask() && !document.masks_room());
        assert!(document.undo() && document.masks_room());
        document.apply(Edit::Mask(crate::paint::MaskEdit::Invert)).unwrap();
        assert!(document.has_mask() && !document.masks_room());
        document.apply(Edit::SetPicture(Some(other))).unwrap();
        assert!(document.has_mask(), "it is masked for what is painted next");
    }

    #[test]
    fn a_mask_over_paint_has_something_below() {
        let mut document = document(Extent::new(40, 40));
        assert!(!document.masks_nothing_below());
        document.apply(Edit::Mask(crate::paint::MaskEdit::Invert)).unwrap();
        assert!(document.has_mask() && !document.masks_nothing_below());
        document.apply(Edit::MaskToLayer).unwrap();
        assert!(!document.masks_nothing_below());
        let below = document.stack().layers()[0].id;
        document.apply(Edit::Layer(crate::paint::LayerEdit::Clear(below))).unwrap();
        assert!(!document.has_mask() && document.masks_nothing_below(), "what a layer masks is clear");
    }

    #[test]
    fn room_that_no_document_may_have_is_refused() {
        let mut document = document(Extent::new(40, 40));
        for room in [Frame::MOST_SIDE, u32::MAX] {
            let error = document.apply(Edit::Expand { side: Side::Right, room }).unwrap_err();
            assert!(matches!(error, Error::TooLarge(_)), "{error}");
        }
        assert!(!document.apply(Edit::Expand { side: Side::Right, room: 0 }).unwrap());
    }
}
