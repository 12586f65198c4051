//! What the GPU is to hold, and the queue of what it does not hold yet.
//!
//! The queue is shared with the paint callback instead of travelling inside it: frames that are laid out but never painted
//! (a hidden window, a test that steps) would lose their uploads with the callback.

use crate::geom::{Bounds, Extent};
use crate::paint::{TILE_SIDE, Tile, Tiles};
use crate::pixels::{Mask, Picture};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Which texture is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The picture: four bytes a texel, premultiplied.
    Picture,
    /// The preview, smaller than what it stands for, or what was there before: four bytes a texel, premultiplied.
    Preview,
    /// The mask: one byte a texel.
    Mask,
}

impl Slot {
    /// Bytes of a texel.
    pub const fn texel_bytes(self) -> usize {
        match self {
            Self::Picture | Self::Preview => 4,
            Self::Mask => 1,
        }
    }
}

/// The longest side of a texture: what eframe asks of every device.
const MOST_TEXELS: u32 = 8192;

/// How many pixels of a picture of this size, across and down, a texel stands for: more than one where a texture cannot hold them all.
pub(super) fn pixels_per_texel(extent: Extent) -> u32 {
    extent.width.max(extent.height).div_ceil(MOST_TEXELS).max(1)
}

/// Texels on their way to the GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Into which texture.
    pub slot: Slot,
    /// How large the texture is; it is made anew when it was not.
    pub extent: Extent,
    /// Which box of it.
    pub bounds: Bounds,
    /// The box's texels, rows from the top.
    pub bytes: Arc<Vec<u8>>,
}

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
            self.push_whole(Slot::Picture, picture.extent(), premultiplied(picture.rgba()));
            self.picture = Some(Held::Picture(picture.clone()));
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
        let changed: Vec<usize> = match held {
            Some(Held::Tiles(held)) if held.extent() == tiles.extent() => tiles.changed(held).collect(),
            // The texture may be as large as it was: then it holds what was shown before.
            _ => {
                self.lock().retain(|upload| upload.slot != slot);
                (0..tiles.count()).collect()
            }
        };
        // Paper is one tile many times.
        let mut made: HashMap<(usize, Extent), Arc<Vec<u8>>> = HashMap::new();
        for index in changed {
            let (bounds, tile) = (tiles.bounds_of(index), tiles.tile(index));
            let key = (tile.map_or(0, |tile| Arc::as_ptr(tile).addr()), bounds.extent);
            let clear = || vec![0; bounds.extent.area() * 4];
            let make = || Arc::new(tile.map_or_else(clear, |tile| seen_of(tile, bounds.extent)));
            let bytes = Arc::clone(made.entry(key).or_insert_with(make));
            self.push(Upload { slot, extent: tiles.extent(), bounds, bytes });
        }
    }

    /// Shows this preview, if it is another than before.
    pub fn set_preview(&mut self, preview: &Arc<Picture>) {
        if !matches!(&self.preview, Some(Held::Picture(held)) if Arc::ptr_eq(held, preview)) {
            self.push_whole(Slot::Preview, preview.extent(), premultiplied(preview.rgba()));
            self.preview = Some(Held::Picture(preview.clone()));
        }
    }

    /// Shows this mask: uploads the rows and columns that differ from before.
    pub fn set_mask(&mut self, mask: &Mask) {
        match &mut self.mask {
            Some(shown) if shown.extent() == mask.extent() => {
                if let Some(bounds) = difference(shown, mask) {
                    let bounds = of_whole_texels(bounds, mask.extent());
                    *shown = mask.clone();
                    let bytes = Arc::new(mask_box(mask, bounds));
                    self.push(Upload { slot: Slot::Mask, extent: mask.extent(), bounds, bytes });
                }
            }
            _ => {
                self.push_whole(Slot::Mask, mask.extent(), mask.coverage().to_vec());
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
                let bytes = Arc::new(mask_box(mask, bounds));
                self.push(Upload { slot: Slot::Mask, extent: mask.extent(), bounds, bytes });
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

    fn push_whole(&self, slot: Slot, extent: Extent, bytes: Vec<u8>) {
        self.push(Upload { slot, extent, bounds: Bounds::whole(extent), bytes: Arc::new(bytes) });
    }

    fn push(&self, upload: Upload) {
        if upload.bounds.extent.is_empty() {
            return;
        }
        let upload = upload.reduced();
        let mut queue = self.lock();
        if upload.bounds == Bounds::whole(upload.extent) {
            queue.retain(|u| u.slot != upload.slot);
        }
        // What a window that is not drawn collects must not grow with every stroke.
        queue.retain(|u| (u.slot, u.extent, u.bounds) != (upload.slot, upload.extent, upload.bounds));
        queue.push(upload);
    }
}

impl Upload {
    /// The same, where a texel has to stand for several pixels: their average. The box lies on whole texels.
    fn reduced(self) -> Self {
        let per_texel = pixels_per_texel(self.extent);
        if per_texel == 1 {
            return self;
        }
        let (was, channels) = (self.bounds, self.slot.texel_bytes());
        let bounds =
            Bounds { left: was.left / per_texel, top: was.top / per_texel, extent: in_texels(was.extent, per_texel) };
        let (row, per_texel_row) = (was.extent.width as usize * channels, per_texel as usize * channels);
        let mut bytes = Vec::with_capacity(bounds.extent.area() * channels);
        for rows in self.bytes.chunks(row * per_texel as usize) {
            let mut sums = vec![0_u32; bounds.extent.width as usize * channels];
            for row in rows.chunks_exact(row) {
                for (texel, sums) in row.chunks(per_texel_row).zip(sums.chunks_exact_mut(channels)) {
                    for pixel in texel.chunks_exact(channels) {
                        sums.iter_mut().zip(pixel).for_each(|(sum, byte)| *sum += u32::from(*byte));
                    }
                }
            }
            let columns =
                (0..was.extent.width).step_by(per_texel as usize).map(|x| per_texel.min(was.extent.width - x));
            let counts = columns.map(|columns| columns * (rows.len() / row) as u32);
            for (sums, count) in sums.chunks_exact(channels).zip(counts) {
                bytes.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Self { slot: self.slot, extent: in_texels(self.extent, per_texel), bounds, bytes: Arc::new(bytes) }
    }
}

fn in_texels(extent: Extent, per_texel: u32) -> Extent {
    Extent::new(extent.width.div_ceil(per_texel), extent.height.div_ceil(per_texel))
}

/// The smallest box around another of a picture that begins and ends between texels.
fn of_whole_texels(bounds: Bounds, picture: Extent) -> Bounds {
    let per_texel = pixels_per_texel(picture);
    let along = |start: u32, end: u32, side: u32| {
        let first = start / per_texel * per_texel;
        (first, (end.div_ceil(per_texel) * per_texel).min(side) - first)
    };
    let (left, width) = along(bounds.left, bounds.right(), picture.width);
    let (top, height) = along(bounds.top, bounds.bottom(), picture.height);
    Bounds { left, top, extent: Extent::new(width, height) }
}

/// The part of a tile that a picture shows, premultiplied.
fn seen_of(tile: &Tile, seen: Extent) -> Vec<u8> {
    let rows = tile.pixels().chunks_exact(TILE_SIDE as usize).take(seen.height as usize);
    premultiplied(&rows.flat_map(|row| row[..seen.width as usize].as_flattened()).copied().collect::<Vec<_>>())
}

/// Straight RGBA with each colour multiplied by its opacity, rounded to the nearest.
fn premultiplied(rgba: &[u8]) -> Vec<u8> {
    let mut bytes = rgba.to_vec();
    for pixel in bytes.chunks_exact_mut(4).filter(|p| p[3] != 255) {
        let alpha = u32::from(pixel[3]);
        for channel in &mut pixel[..3] {
            *channel = ((u32::from(*channel) * alpha + 127) / 255) as u8;
        }
    }
    bytes
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
        let mut shown = CanvasPicture::default();
        let mut mask = Mask::empty(Extent::new(16, 16));
        shown.set_mask(&mask);
        shown.queue.lock().unwrap().clear();
        mask.coverage_mut()[3 * 16 + 5] = 200;
        mask.coverage_mut()[4 * 16 + 7] = 100;
        shown.set_mask(&mask);
        let bounds = Bounds { left: 5, top: 3, extent: Extent::new(3, 2) };
        let bytes = Arc::new(vec![200, 0, 0, 0, 0, 100]);
        assert_eq!(shown.pending(), [Upload { slot: Slot::Mask, extent: Extent::new(16, 16), bounds, bytes }]);
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
        assert_eq!(shown.pending().len(), 4);
        assert_eq!(shown.pending()[3].bounds, Bounds { left: 128, top: 128, extent: Extent::new(72, 2) });
        assert_eq!(*shown.pending()[3].bytes, vec![255; 72 * 2 * 4]);
        shown.queue.lock().unwrap().clear();
        let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
        let mut painting = Painting::begin(&document, Ink::Colour([255, 0, 0]), brush).unwrap();
        painting.extend(&[Sample::at(150.0, 50.0)]);
        shown.set_tiles(painting.flat());
        let pending = shown.pending();
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].bounds, Bounds { left: 128, top: 0, extent: Extent::new(72, 128) });
        assert_eq!(pending[0].bytes[(50 * 72 + 22) * 4..][..4], [255, 0, 0, 255]);
        shown.queue.lock().unwrap().clear();
        shown.set_tiles(painting.flat());
        assert_eq!(shown.pending(), []);
    }

    #[test]
    fn what_is_larger_than_a_texture_may_be_is_uploaded_reduced_and_a_box_of_it_too() {
        let extent = Extent::new(2 * MOST_TEXELS - 1, 3);
        let mut shown = CanvasPicture::default();
        let rgba = (0..extent.area()).flat_map(|i| if i % 2 == 0 { [0, 0, 0, 255] } else { [200, 100, 50, 255] });
        shown.set_picture(&Arc::new(Picture::from_rgba(extent, rgba.collect()).unwrap()));
        let pending = shown.pending();
        assert_eq!((pending.len(), pending[0].extent), (1, Extent::new(MOST_TEXELS, 2)));
        assert_eq!(pending[0].bounds, Bounds::whole(pending[0].extent));
        assert_eq!(pending[0].bytes[..4], [100, 50, 25, 255], "four pixels");
        let last_column = &pending[0].bytes[(MOST_TEXELS as usize - 1) * 4..][..4];
        assert_eq!(last_column, [100, 50, 25, 255], "two pixels, one of each row");
        let mut mask = Mask::empty(extent);
        shown.set_mask(&mask);
        shown.queue.lock().unwrap().clear();
        mask.coverage_mut()[5] = 200;
        shown.set_mask_box(&mask, Bounds { left: 5, top: 0, extent: Extent::new(1, 1) });
        let bounds = Bounds { left: 2, top: 0, extent: Extent::new(1, 1) };
        let extent = Extent::new(MOST_TEXELS, 2);
        assert_eq!(shown.pending(), [Upload { slot: Slot::Mask, extent, bounds, bytes: Arc::new(vec![50]) }]);
    }

    #[test]
    fn paper_is_one_tile_however_large_it_is() {
        let extent = Extent::new(1024, 1024);
        let mut document = Document::new(extent);
        document.apply(Edit::TakePaper(extent)).unwrap();
        let mut shown = CanvasPicture::default();
        shown.set_tiles(document.flat());
        let pending = shown.pending();
        assert_eq!(pending.len(), 64);
        assert!(pending.iter().all(|upload| Arc::ptr_eq(&upload.bytes, &pending[0].bytes)));
    }

    #[test]
    fn a_newer_picture_takes_the_place_of_one_that_was_never_painted() {
        let mut shown = CanvasPicture::default();
        shown.set_picture(&Arc::new(Picture::filled(Extent::new(2, 2), [255, 0, 0, 255])));
        shown.set_picture(&Arc::new(Picture::filled(Extent::new(1, 1), [200, 100, 0, 128])));
        let pending = shown.pending();
        assert_eq!(pending.len(), 1);
        assert_eq!(*pending[0].bytes, [100, 50, 0, 128]);
    }
}
