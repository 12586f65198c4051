//! What can be done to a document. Each edit puts other layers, another mask or another extent in the place of what was there, and is
//! one step of undo.

use super::super::fill::filled;
use super::super::hands::promptly;
use super::super::history::Change;
use super::super::{
    Bucket, Combine, Error, Frame, LayerEdit, LayerId, LayerKind, LayerLook, MaskEdit, Painting, Side, Stack, Tiles,
};
use super::{Document, check_extents, once};
use crate::geom::{Bounds, Extent};
use crate::memory::check_room;
use crate::pixels::{Mask, Picture};
use std::sync::{Arc, OnceLock};

/// A change of the document. One edit is one step of undo.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A change of the mask.
    Mask(MaskEdit),
    /// Start from this picture, or from none: it takes the place of all layers. A picture of another extent gives the document its
    /// extent, and an empty mask.
    SetPicture(Option<Arc<Picture>>),
    /// The same with how its layer is called, seen and kept. With a result, a mask of the same proportions is scaled along.
    SetLayer(Arc<Picture>, LayerLook),
    /// These layers, all of this size, and perhaps a mask, take the place of what is there.
    TakeLayers {
        /// Their size.
        extent: Extent,
        /// The layers.
        stack: Stack,
        /// Where to repaint; none keeps everything.
        mask: Option<Mask>,
    },
    /// White paper of this size under an empty layer takes the place of all layers.
    TakePaper(Extent),
    /// Cut the document, and let go of all that lies outside of it, or make room at its sides, where that comes in.
    Reframe(Frame),
    /// Make room at a side, and mask what is new.
    Expand {
        /// At which.
        side: Side,
        /// How many columns or rows.
        room: u32,
    },
    /// Make the document this large; layers, also what of them lies outside of it, and mask are resized.
    SetExtent(Extent),
    /// A finished stroke of the paint brush, begun on this document as it is now.
    Paint(Box<Painting>),
    /// Fill what looks like this pixel.
    Fill {
        /// How.
        bucket: Bucket,
        /// The pixel's column.
        x: u32,
        /// The pixel's row.
        y: u32,
    },
    /// A change of one layer, or of what layers there are.
    Layer(LayerEdit),
    /// Make clear what of this layer is masked, as far as it is, or all of it where nothing is: what is copied before. What lies outside of
    /// the document stays.
    Cut(LayerId),
    /// Put the mask onto a layer of its own above all others, to be painted on next; nothing is masked besides it then.
    MaskToLayer,
    /// Mask what this layer covers, besides what is masked already, and take the layer away.
    LayerToMask(LayerId),
    /// Put a layer above all others, and mask nothing any more: what was masked was masked for it.
    LayerForMask {
        /// How it is called, seen and kept.
        look: LayerLook,
        /// What is on it.
        tiles: Tiles,
    },
}

impl Document {
    /// Carries out an edit as one step of undo. Returns whether anything changed: what changes nothing is no step.
    pub fn apply(&mut self, edit: Edit) -> Result<bool, Error> {
        promptly(|| self.carry_out(edit))
    }

    fn carry_out(&mut self, edit: Edit) -> Result<bool, Error> {
        let look = match &edit {
            Edit::Layer(LayerEdit::Look { layer, goes_on, .. }) => Some((*layer, *goes_on)),
            _ => None,
        };
        let change = match edit {
            Edit::Mask(edit) => return self.edit_mask(edit),
            Edit::SetPicture(picture) => self.take_picture(picture, None)?,
            Edit::SetLayer(picture, look) => self.take_picture(Some(picture), Some(look))?,
            Edit::TakeLayers { extent, stack, mask } => Some(self.take_all(extent, stack, mask)?),
            Edit::TakePaper(extent) => self.take_layers(extent, Stack::paper(extent), false)?,
            Edit::Reframe(frame) => self.take_frame(frame)?,
            Edit::Expand { side, room } => self.take_room(side, room)?,
            Edit::SetExtent(extent) => self.take_extent(extent)?,
            Edit::Paint(painting) if !painting.is_current(self) => return Err(Error::Outdated),
            Edit::Paint(painting) => self.take_painting(*painting),
            Edit::Fill { bucket, x, y } => {
                let painting = filled(self, bucket, x, y)?;
                self.take_painting(painting)
            }
            Edit::MaskToLayer => {
                let look = LayerLook { kind: LayerKind::Mask, ..LayerLook::named("Mask") };
                let tiles = Tiles::covering(self.mask(), LayerKind::MASK_COLOUR);
                let stack = self.stack.edited(self.extent, LayerEdit::Insert { look, tiles })?;
                stack.map(|stack| self.swap_canvas(stack, None))
            }
            Edit::LayerToMask(id) => {
                let layer = self.stack.get(id).ok_or(Error::NoLayer)?;
                let covered = layer.coverage(Bounds::whole(self.extent));
                let mask = if self.masks_something { Combine::Add.of(self.mask(), &covered) } else { covered };
                let stack = self.stack.edited(self.extent, LayerEdit::Delete(id))?;
                stack.map(|stack| self.swap_canvas(stack, (!mask.is_empty()).then_some(mask)))
            }
            Edit::LayerForMask { look, tiles } => {
                let stack = self.stack.edited(self.extent, LayerEdit::Insert { look, tiles })?;
                stack.map(|stack| self.swap_canvas(stack, None))
            }
            Edit::Layer(edit) => self.edited(edit)?.map(|(stack, mask)| match mask {
                Some(mask) => self.swap_canvas(stack, Some(mask)),
                None => self.swap(Change::Layers { stack, bytes: 0 }),
            }),
            Edit::Cut(id) => {
                let mask = self.masks_something.then(|| self.shared_mask());
                let stack = self.stack.changed_within(self.extent, id, LayerEdit::Clear(id), mask)?;
                stack.map(|stack| self.swap(Change::Layers { stack, bytes: 0 }))
            }
        };
        let changed = change.is_some();
        match (change, look) {
            (Some(change), Some((layer, goes_on))) => self.history.push_look(layer, goes_on, change),
            (change, _) => self.remember(change),
        }
        Ok(changed)
    }

    /// Layers of the same size and another mask, or none, in one.
    fn swap_canvas(&mut self, stack: Stack, mask: Option<Mask>) -> Change {
        let (extent, number, beside) = (self.extent, self.next_mask(), self.beside.clone());
        self.swap(Change::Canvas { extent, stack, mask, number, beside, bytes: 0 })
    }

    fn take_picture(
        &mut self,
        picture: Option<Arc<Picture>>,
        look: Option<LayerLook>,
    ) -> Result<Option<Change>, Error> {
        let extent = picture.as_ref().map_or(self.extent(), |p| p.extent());
        let mut stack = picture.as_ref().map_or_else(Stack::default, |picture| Stack::of_picture(picture));
        let is_plain = look.as_ref().is_none_or(|look| *look == LayerLook::named(look.name.as_str()));
        let is_result = look.as_ref().is_some_and(|look| look.kind == LayerKind::Result);
        if let (Some(look), Some(layer)) = (look, stack.layers.first_mut()) {
            Arc::make_mut(layer).look = look.sound();
        }
        let change = self.take_layers(extent, stack, is_result)?;
        if change.is_some() && is_plain {
            self.picture = picture.map_or_else(OnceLock::new, OnceLock::from);
        }
        Ok(change)
    }

    /// Takes these layers in the place of all that are there. The mask stays if they are as large, or if it is to be scaled along and they
    /// have its proportions, but for that of new room, which is gone.
    fn take_layers(&mut self, extent: Extent, stack: Stack, scales_mask: bool) -> Result<Option<Change>, Error> {
        Frame { extent, left: 0, top: 0 }.check()?;
        let was = self.extent();
        if extent == was && stack == self.stack {
            return Ok(None);
        }
        // As a column of pixels more or less would be.
        let (a, b) = (f64::from(extent.width) * f64::from(was.height), f64::from(extent.height) * f64::from(was.width));
        let is_alike = (a - b).abs() <= f64::from(extent.width.max(was.width).max(extent.height).max(was.height));
        let may_stay = self.masks_something && !self.masks_room();
        let stays = may_stay && (extent == was || scales_mask && is_alike);
        let mask = stays.then(|| if extent == was { self.mask().clone() } else { self.mask().resized(extent) });
        let (number, beside) = (self.next_mask(), self.beside.clone());
        Ok(Some(self.swap(Change::Canvas { extent, stack, mask, number, beside, bytes: 0 })))
    }

    fn take_all(&mut self, extent: Extent, stack: Stack, mask: Option<Mask>) -> Result<Change, Error> {
        Frame { extent, left: 0, top: 0 }.check()?;
        check_extents(extent, &stack, mask.as_ref())?;
        let (number, beside) = (self.next_mask(), self.beside.clone());
        Ok(self.swap(Change::Canvas { extent, stack, mask, number, beside, bytes: 0 }))
    }

    fn take_frame(&mut self, frame: Frame) -> Result<Option<Change>, Error> {
        frame.check()?;
        if frame == Frame::part(Bounds::whole(self.extent)) {
            return Ok(None);
        }
        let mask = self.masks_something.then(|| frame.mask(self.mask()));
        Ok(Some(self.swap(Change::Canvas {
            extent: frame.extent,
            stack: frame.stack(&self.stack),
            mask,
            number: self.next_mask(),
            beside: self.beside.clone(),
            bytes: 0,
        })))
    }

    fn take_extent(&mut self, extent: Extent) -> Result<Option<Change>, Error> {
        Frame { extent, left: 0, top: 0 }.check()?;
        if extent == self.extent() {
            return Ok(None);
        }
        // Each layer with anything on it, and what is seen of them.
        let sheets = self.stack.layers().iter().filter(|layer| !layer.tiles.is_clear()).count() + 1;
        check_room((extent.area() * 4 * sheets) as u64).map_err(|short| Error::NoRoom { extent, short })?;
        let mask = self.masks_something.then(|| self.mask().resized(extent));
        Ok(Some(self.swap(Change::Canvas {
            extent,
            stack: self.stack.resized(extent),
            mask,
            number: self.next_mask(),
            beside: self.beside.clone(),
            bytes: 0,
        })))
    }

    fn take_painting(&mut self, painting: Painting) -> Option<Change> {
        let (stack, shown, mask) = painting.into_parts();
        (stack != self.stack).then(|| {
            self.revision += 1;
            if self.seen.turn_to(&stack, shown) {
                self.picture = OnceLock::new();
            }
            match mask {
                Some(mask) => self.take_moved(stack, mask),
                None => self.take_stack(stack),
            }
        })
    }

    /// Layers of which something was moved, and the mask that went along.
    fn take_moved(&mut self, stack: Stack, mask: Mask) -> Change {
        let stack = std::mem::replace(&mut self.stack, stack);
        let bytes = stack.bytes_besides(&self.stack);
        let before = std::mem::replace(&mut self.mask, once(Some(mask))).into_inner().map(Arc::unwrap_or_clone);
        let number = self.note_mask(Bounds::whole(self.extent), self.next_mask());
        Change::Canvas { extent: self.extent, stack, mask: before, number, beside: self.beside.clone(), bytes }
    }
}
