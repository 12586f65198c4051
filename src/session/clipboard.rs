//! Copying, cutting and pasting. What was copied from here lies where it was when it is pasted: it is known by its pixels.

use super::document::sentence;
use super::files::{Opened, PASTED, Task};
use super::{Session, Shown, Wish};
use crate::geom::{Bounds, Extent};
use crate::paint::{Edit, LayerEdit, LayerLook, Placed, Tiles, promptly};
use crate::pixels::{Mask, Picture};
use rayon::prelude::*;
use std::sync::Arc;

/// What a part of the document that was put on the clipboard last was, and where it lay.
pub(super) struct Copied {
    picture: Arc<Picture>,
    left: u32,
    top: u32,
}

impl Session {
    /// Puts what the canvas shows on the clipboard; of the document what is masked, if anything is.
    pub(super) fn copy(&mut self) {
        let is_document = matches!(self.shown, Shown::Document(_)) && self.document.has_mask();
        let part = is_document.then(|| masked(self.document.flat(), self.document.mask())).flatten();
        if let Some((bounds, part)) = part {
            self.put_on_clipboard(Arc::new(part.cropped(bounds)), Some(bounds));
        } else if let Some(picture) = self.canvas_picture().cloned() {
            self.put_on_clipboard(picture, None);
        }
    }

    /// Cuts what of the active layer is masked out of it, or all that is on it where nothing is, and puts it on the clipboard.
    pub(super) fn cut(&mut self) {
        if !matches!(self.shown, Shown::Document(_)) {
            return;
        }
        if let Err(error) = self.document.can_be_painted_on() {
            self.notices.failed(sentence(&error.to_string()));
            return;
        }
        let Some(layer) = self.document.stack().active().cloned() else { return };
        let is_masked = self.document.has_mask();
        let part = if is_masked {
            masked(&layer.tiles, self.document.mask())
        } else {
            layer.tiles.content().map(|bounds| (bounds, layer.tiles.clone()))
        };
        let Some((bounds, part)) = part.filter(|(_, part)| !part.is_clear()) else {
            let what = match &layer.beyond {
                _ if is_masked => "that is masked ",
                Some(_) => "within the canvas ",
                None => "",
            };
            let said = format!("There is nothing {what}on the layer \u{201c}{}\u{201d} to cut out", layer.look.name);
            self.notices.passing(said);
            return;
        };
        self.edit(Edit::Cut(layer.id));
        self.put_on_clipboard(Arc::new(part.cropped(bounds)), Some(bounds));
    }

    fn put_on_clipboard(&mut self, picture: Arc<Picture>, from: Option<Bounds>) {
        self.copied = from.map(|Bounds { left, top, .. }| Copied { picture: Arc::clone(&picture), left, top });
        self.wishes.push(Wish::Copy(picture));
    }

    /// Puts a pasted picture over the layers: where it lay, if it was copied from here.
    pub(super) fn paste(&mut self, picture: Picture) {
        let canvas = self.document.extent();
        let copied = self.copied.as_ref().filter(|copied| looks_as(&copied.picture, &picture));
        let known = copied.map(|Copied { picture, left, top }| {
            let place = Bounds { left: *left, top: *top, extent: picture.extent() };
            (Arc::clone(picture), place)
        });
        match known.filter(|(_, place)| place.is_within(canvas) && self.document.has_picture()) {
            Some((picture, place)) => {
                let tiles = Tiles::of_part(canvas, place, &picture, None);
                self.edit(Edit::Layer(LayerEdit::Insert { look: LayerLook::named(PASTED), tiles }));
            }
            None => self.ask_files(Task::TakePicture(picture)),
        }
    }

    /// Puts a pasted picture over the middle of what is masked, as large as it is, also where that is outside of the canvas; where nothing
    /// is masked, as that of a file.
    pub(super) fn take_pasted(&mut self, opened: Opened) {
        let masked = self.document.has_mask().then(|| self.document.mask().bounds()).flatten();
        let Some(bounds) = masked.filter(|_| self.document.has_picture()) else {
            self.take_layer(opened);
            return;
        };
        let (was, is) = (opened.was, opened.picture.extent());
        if was != is {
            self.notices.passing(format!("{PASTED} is {was}; it was scaled to {is}"));
        }
        let Extent { width, height } = is;
        let start = |start: u32, side: u32, of: u32| {
            (i64::from(start) + (i64::from(side) - i64::from(of)).div_euclid(2)) as i32
        };
        let left = start(bounds.left, bounds.extent.width, width);
        let top = start(bounds.top, bounds.extent.height, height);
        let placed = Placed { tiles: Tiles::of(&opened.picture), left, top };
        self.edit(Edit::Layer(LayerEdit::Place { look: LayerLook::named(PASTED), placed }));
    }
}

/// What of a picture is masked, as opaque as it is masked, and the mask's box. None if nothing is masked.
fn masked(tiles: &Tiles, mask: &Mask) -> Option<(Bounds, Tiles)> {
    mask.bounds().map(|bounds| (bounds, tiles.masked_part(mask)))
}

/// Whether two pictures are one but for what is lost on the way over the clipboard, which multiplies colours by their alpha.
fn looks_as(a: &Picture, b: &Picture) -> bool {
    const LOST: u32 = 2 * 255;
    let is_near = |(a, b): (&[u8; 4], &[u8; 4])| {
        a[3] == b[3] && (0..3).all(|c| u32::from(a[c].abs_diff(b[c])) * u32::from(a[3]) <= LOST)
    };
    let (of_a, of_b) = (a.rgba().as_chunks::<4>().0, b.rgba().as_chunks::<4>().0);
    a.extent() == b.extent() && promptly(|| of_a.par_iter().zip(of_b).all(is_near))
}
