//! What the GPU is to hold, and the queue of what it does not hold yet.
//!
//! The queue is shared with the paint callback instead of travelling inside it: frames that are laid out but never painted
//! (a hidden window, a test that steps) would lose their uploads with the callback.

use super::levels::{Content, Slot, Upload, of_whole_texels};
use crate::geom::{Bounds, Extent};
use crate::paint::Tiles;
use crate::pixels::{Mask, Picture};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

pub(super) type Queue = Arc<Mutex<Vec<Upload>>>;

/// What a texture holds. Keeping it keeps its address from being used for something else.
enum Held {
    Picture(Arc<Picture>),
    Tiles(Tiles),
}

/// What the canvas shows. Its methods compare with what was shown before and queue only the difference.
#[derive(Default)]
pub struct CanvasPicture {
    picture: Option<Held>,
    preview: Option<Held>,
    mask: Option<Mask>,
    queue: Queue,
}

impl CanvasPicture {
    /// Shows this picture, if it is another than before.
    pub fn set_picture(&mut self, picture: &Arc<Picture>) {
        if !matches!(&self.picture, Some(Held::Picture(held)) if Arc::ptr_eq(held, picture)) {
            self.push_whole(Slot::Picture, picture.extent(), Content::Picture(Arc::clone(picture)));
            self.picture = Some(Held::Picture(Arc::clone(picture)));
        }
    }

    /// Shows these tiles: uploads those that are others than before.
    pub fn set_tiles(&mut self, tiles: &Tiles) {
        let held = self.picture.take();
        self.push_changed(Slot::Picture, held.as_ref(), tiles);
        self.picture = Some(Held::Tiles(tiles.clone()));
    }

    /// Shows these tiles, in place of a preview, as what was there before: uploads those that are others than before.
    pub fn set_before(&mut self, tiles: &Tiles) {
        let held = self.preview.take();
        self.push_changed(Slot::Preview, held.as_ref(), tiles);
        self.preview = Some(Held::Tiles(tiles.clone()));
    }

    fn push_changed(&self, slot: Slot, held: Option<&Held>, tiles: &Tiles) {
        let extent = tiles.extent();
        let upload = |bounds, content| Upload { slot, extent, bounds, content };
        let of_tile = |index| upload(tiles.bounds_of(index), Content::Tile(tiles.tile(index).cloned()));
        self.push(match held {
            Some(Held::Tiles(held)) if held.extent() == extent => tiles.changed(held).map(of_tile).collect(),
            // A texture that is as large may hold something else: another one is clear, as most tiles may be.
            _ => {
                let there = (0..tiles.count()).filter(|&index| tiles.tile(index).is_some()).map(of_tile);
                std::iter::once(upload(Bounds::whole(extent), Content::Nothing)).chain(there).collect()
            }
        });
    }

    /// Shows this preview, if it is another than before.
    pub fn set_preview(&mut self, preview: &Arc<Picture>) {
        if !matches!(&self.preview, Some(Held::Picture(held)) if Arc::ptr_eq(held, preview)) {
            self.push_whole(Slot::Preview, preview.extent(), Content::Picture(Arc::clone(preview)));
            self.preview = Some(Held::Picture(Arc::clone(preview)));
        }
    }

    /// Shows this mask: uploads the rows and columns that differ from before.
    pub fn set_mask(&mut self, mask: &Mask) {
        match &mut self.mask {
            Some(shown) if shown.extent() == mask.extent() => {
                if let Some(bounds) = difference(shown, mask) {
                    self.set_mask_box(mask, bounds);
                }
            }
            _ => {
                self.push_whole(Slot::Mask, mask.extent(), Content::Coverage(Arc::new(mask.coverage().to_vec())));
                self.mask = Some(mask.clone());
            }
        }
    }

    /// Takes a box of this mask, which is otherwise as before: what a stroke touched.
    pub fn set_mask_box(&mut self, mask: &Mask, bounds: Bounds) {
        let bounds = of_whole_texels(bounds, mask.extent());
        match &mut self.mask {
            Some(shown) if shown.extent() == mask.extent() => {
                let width = mask.extent().width as usize;
                for y in bounds.top as usize..bounds.bottom() as usize {
                    let row = y * width + bounds.left as usize..y * width + bounds.right() as usize;
                    shown.coverage_mut()[row.clone()].copy_from_slice(&mask.coverage()[row]);
                }
                let content = Content::Coverage(Arc::new(mask_box(mask, bounds)));
                self.push(vec![Upload { slot: Slot::Mask, extent: mask.extent(), bounds, content }]);
            }
            _ => self.set_mask(mask),
        }
    }

    /// What the next painted frame will upload.
    pub fn pending(&self) -> Vec<Upload> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Upload>> {
        self.queue.lock().expect("no thread panics while it holds the queue")
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    fn push_whole(&self, slot: Slot, extent: Extent, content: Content) {
        self.push(vec![Upload { slot, extent, bounds: Bounds::whole(extent), content }]);
    }

    /// Queues these, in the place of those that wait for the same boxes: what a window that is not drawn collects must not grow with every
    /// stroke.
    fn push(&self, mut uploads: Vec<Upload>) {
        uploads.retain(|upload| !upload.bounds.extent.is_empty());
        let place = |upload: &Upload| (upload.slot as u8, upload.bounds.left, upload.bounds.top, upload.bounds.extent);
        let wholes: Vec<Slot> =
            uploads.iter().filter(|u| u.bounds == Bounds::whole(u.extent)).map(|upload| upload.slot).collect();
        let places: HashSet<_> = uploads.iter().map(place).collect();
        let mut queue = self.lock();
        queue.retain(|waiting| !wholes.contains(&waiting.slot) && !places.contains(&place(waiting)));
        queue.append(&mut uploads);
    }
}

/// The smallest box outside of which two masks of one size are equal.
fn difference(a: &Mask, b: &Mask) -> Option<Bounds> {
    let width = a.extent().width as usize;
    let rows = || a.coverage().chunks_exact(width.max(1)).zip(b.coverage().chunks_exact(width.max(1)));
    let top = rows().position(|(a, b)| a != b)?;
    let bottom = rows().rposition(|(a, b)| a != b)?;
    let (mut left, mut right) = (width, 0);
    for (a, b) in rows().take(bottom + 1).skip(top) {
        if let Some(first) = a.iter().zip(b).position(|(a, b)| a != b) {
            left = left.min(first);
            right = right.max(a.iter().zip(b).rposition(|(a, b)| a != b).map_or(0, |last| last + 1));
        }
    }
    let extent = Extent::new((right - left) as u32, (bottom + 1 - top) as u32);
    Some(Bounds { left: left as u32, top: top as u32, extent })
}

fn mask_box(mask: &Mask, bounds: Bounds) -> Vec<u8> {
    let width = mask.extent().width as usize;
    (bounds.top..bounds.bottom())
        .flat_map(|y| {
            let row = y as usize * width;
            mask.coverage()[row + bounds.left as usize..row + bounds.right() as usize].iter().copied()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::{Brush, Document, Edit, Ink, PaintBrush, Painting, Sample};

    #[test]
    fn only_the_box_of_a_mask_that_changed_is_uploaded() {
        let extent = Extent::new(24, 24);
        let mut shown = CanvasPicture::default();
        let mut mask = Mask::empty(extent);
        shown.set_mask(&mask);
        shown.queue.lock().unwrap().clear();
        mask.coverage_mut()[11 * 24 + 13] = 200;
        mask.coverage_mut()[12 * 24 + 15] = 100;
        shown.set_mask(&mask);
        // Whole texels of the smallest level, which stand for eight pixels.
        let bounds = Bounds { left: 8, top: 8, extent: Extent::new(8, 8) };
        let mut bytes = vec![0; 64];
        (bytes[3 * 8 + 5], bytes[4 * 8 + 7]) = (200, 100);
        let content = Content::Coverage(Arc::new(bytes));
        assert_eq!(shown.pending(), [Upload { slot: Slot::Mask, extent, bounds, content }]);
        shown.queue.lock().unwrap().clear();
        shown.set_mask(&mask);
        assert_eq!(shown.pending(), []);
    }

    #[test]
    fn only_tiles_that_are_others_are_uploaded() {
        let mut shown = CanvasPicture::default();
        let extent = Extent::new(200, 130);
        let mut document = Document::new(extent);
        document.apply(Edit::TakePaper(extent)).unwrap();
        shown.set_tiles(document.flat());
        let pending = shown.pending();
        assert_eq!((pending.len(), &pending[0].content), (5, &Content::Nothing));
        assert_eq!(pending[4].bounds, Bounds { left: 128, top: 128, extent: Extent::new(72, 2) });
        assert_eq!(pending[4].levels()[0].1, vec![255; 72 * 2 * 4]);
        shown.queue.lock().unwrap().clear();
        let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
        let mut painting = Painting::begin(&document, Ink::Colour([255, 0, 0]), brush).unwrap();
        painting.extend(&[Sample::at(150.0, 50.0)]);
        shown.set_tiles(painting.flat());
        let pending = shown.pending();
        assert_eq!(pending.len(), 1);
        let (bounds, bytes) = &pending[0].levels()[0];
        assert_eq!(*bounds, Bounds { left: 128, top: 0, extent: Extent::new(72, 128) });
        assert_eq!(bytes[(50 * 72 + 22) * 4..][..4], [255, 0, 0, 255]);
        // What was painted while the window was not drawn takes the place of what waits.
        painting.extend(&[Sample::at(150.0, 90.0)]);
        shown.set_tiles(painting.flat());
        assert_eq!(shown.pending().len(), 1);
        shown.queue.lock().unwrap().clear();
        shown.set_tiles(painting.flat());
        assert_eq!(shown.pending(), []);
    }

    #[test]
    fn what_waits_for_an_empty_document_of_the_largest_size_takes_no_memory() {
        let extent = Extent::new(8192, 8192);
        let mut document = Document::new(extent);
        let mut shown = CanvasPicture::default();
        shown.set_tiles(document.flat());
        assert_eq!(shown.pending().len(), 1, "a new texture is clear");
        document.apply(Edit::TakePaper(extent)).unwrap();
        shown.set_tiles(document.flat());
        let tile = document.flat().tile(0).unwrap();
        let is_paper =
            |upload: &Upload| matches!(&upload.content, Content::Tile(Some(held)) if Arc::ptr_eq(held, tile));
        assert_eq!(shown.pending().iter().filter(|upload| is_paper(upload)).count(), 4096);
    }

    #[test]
    fn a_tile_that_is_cleared_is_uploaded_clear() {
        let extent = Extent::new(200, 130);
        let mut shown = CanvasPicture::default();
        shown.set_tiles(&Tiles::filled(extent, [9, 9, 9, 255]));
        shown.set_tiles(&Tiles::clear(extent));
        let pending = shown.pending();
        assert_eq!(pending.len(), 5, "the new texture, and each tile once");
        assert!(
            pending[1..].iter().all(|upload| upload.levels().iter().all(|(_, bytes)| bytes.iter().all(|&b| b == 0)))
        );
    }

    #[test]
    fn a_newer_picture_takes_the_place_of_one_that_was_never_painted() {
        let mut shown = CanvasPicture::default();
        shown.set_picture(&Arc::new(Picture::filled(Extent::new(2, 2), [255, 0, 0, 255])));
        shown.set_picture(&Arc::new(Picture::filled(Extent::new(1, 1), [200, 100, 0, 128])));
        let pending = shown.pending();
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].levels()[0].1, [100, 50, 0, 128]);
    }
}
