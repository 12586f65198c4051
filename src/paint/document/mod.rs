//! The document itself: what is there, what is seen of it, and the way there and back between what was and what is.

mod edits;

pub use edits::Edit;

use super::history::{Change, History};
use super::mask_edits::Adjusted;
use super::seen::{Mixed, Mixing, Seen};
use super::{Combine, Error, Frame, Layer, LayerEdit, LayerId, LayerKind, Stack, Tiles};
use crate::geom::{Bounds, Extent};
use crate::pixels::{Mask, Picture};
use std::sync::{Arc, OnceLock};

/// What is edited: layers, a mask of the same extent, and how to take changes of both back. Without layers there is no picture.
#[derive(Clone, Debug)]
pub struct Document {
    extent: Extent,
    stack: Stack,
    seen: Seen,
    /// The picture in one piece, once somebody asks for it.
    picture: OnceLock<Arc<Picture>>,
    /// Not there as long as it keeps everything and nobody asks for it.
    mask: OnceLock<Arc<Mask>>,
    masks_something: bool,
    /// Whether the mask keeps what paints inside it.
    pub(super) keeps_within: bool,
    pub(super) adjusted: Option<Adjusted>,
    history: History,
    dirty: Option<Bounds>,
    beside: Beside,
    mask_number: u64,
    highest_mask_number: u64,
    /// The numbers of the masks that came with new room of the canvas.
    masks_of_room: Vec<u64>,
    revision: u64,
}

/// What is kept with a document and is no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// The box that is painted.
    pub area: Option<Bounds>,
    /// Another number for each that was opened or begun.
    pub opened: u64,
}

impl Document {
    /// How many bytes of past changes are kept.
    pub const HISTORY_BYTES: usize = 256 << 20;

    /// A document of this size without a picture, its mask empty.
    pub fn new(extent: Extent) -> Self {
        Self {
            extent,
            stack: Stack::default(),
            seen: Seen::of(&Stack::default(), extent),
            picture: OnceLock::new(),
            mask: OnceLock::new(),
            masks_something: false,
            keeps_within: true,
            adjusted: None,
            history: History::new(Self::HISTORY_BYTES),
            dirty: Some(Bounds::whole(extent)),
            beside: Beside::default(),
            mask_number: 0,
            highest_mask_number: 0,
            masks_of_room: Vec::new(),
            revision: 0,
        }
    }

    /// A document that was put away: a mask, and perhaps a picture of the same extent. There is nothing to undo in it.
    pub fn restored(picture: Option<Arc<Picture>>, mask: Mask) -> Result<Self, Error> {
        let extent = picture.as_ref().map_or(mask.extent(), |picture| picture.extent());
        let stack = picture.as_ref().map_or_else(Stack::default, |picture| Stack::of_picture(picture));
        let document = Self::with_layers(extent, stack, Some(mask))?;
        Ok(Self { picture: picture.map_or_else(OnceLock::new, OnceLock::from), ..document })
    }

    /// A document that was put away: layers of this extent, and perhaps a mask. There is nothing to undo in it.
    pub fn with_layers(extent: Extent, stack: Stack, mask: Option<Mask>) -> Result<Self, Error> {
        Frame { extent, left: 0, top: 0 }.check()?;
        check_extents(extent, &stack, mask.as_ref())?;
        let mask = mask.filter(|mask| !mask.is_empty());
        Ok(Self {
            seen: Seen::of(&stack, extent),
            stack,
            masks_something: mask.is_some(),
            mask: once(mask),
            ..Self::new(extent)
        })
    }

    /// The same document with another limit to what its past may take, in bytes. The newest change is kept in any case.
    #[must_use]
    pub fn with_history_bytes(mut self, budget_bytes: usize) -> Self {
        self.history = History::new(budget_bytes);
        self
    }

    /// Lets its past take no more than so many bytes from now on. The newest change is kept in any case.
    pub fn set_history_bytes(&mut self, budget_bytes: usize) {
        self.history.set_budget(budget_bytes);
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Its layers.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The picture: what is seen of all layers together that are a part of it; another one whenever something else is seen, and where it changed,
    /// its tiles are others. After a change of much it may have to be put together first.
    pub fn flat(&self) -> &Arc<Tiles> {
        &self.seen.now(&self.stack).picture
    }

    /// The picture as it was put together last: what to show without waiting.
    pub fn last_flat(&self) -> &Arc<Tiles> {
        &self.seen.last().picture
    }

    /// What has to be put together until that is what is seen, for [`Self::take_mixed`]. None if it is.
    pub fn to_mix(&self) -> Option<Mixing> {
        self.seen.to_mix(&self.stack)
    }

    /// Takes what was put together meanwhile.
    pub fn take_mixed(&mut self, mixed: Mixed) {
        self.seen.take(mixed, &self.stack);
    }

    /// As [`Self::flat`], with what is seen over the picture: layers of masks, and those that guide. The same tiles where there is nothing.
    pub fn shown(&self) -> &Arc<Tiles> {
        &self.seen.now(&self.stack).shown
    }

    /// As [`Self::last_flat`], with what is seen over the picture.
    pub fn last_shown(&self) -> &Arc<Tiles> {
        &self.seen.last().shown
    }

    /// The same document as a model is to paint on: what is on layers of masks that are seen is masked, too. It has no past. None where
    /// that makes no difference.
    pub fn with_mask_layers(&self) -> Option<Self> {
        self.mask_layers().next()?;
        let mask = self.whole_mask();
        Some(Self { masks_something: !mask.is_empty(), mask: OnceLock::from(mask), ..self.without_past() })
    }

    /// The same document with nothing to undo.
    pub(super) fn without_past(&self) -> Self {
        Self {
            stack: self.stack.clone(),
            seen: self.seen.clone(),
            picture: self.picture.clone(),
            mask: self.mask.clone(),
            masks_something: self.masks_something,
            keeps_within: self.keeps_within,
            beside: self.beside.clone(),
            revision: self.revision,
            ..Self::new(self.extent)
        }
    }

    /// Whether anything is masked, be it on a layer.
    pub fn masks_anything(&self) -> bool {
        self.has_mask() || self.mask_layers().next().is_some()
    }

    /// The layers of masks that are seen and have something on them.
    pub fn mask_layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.stack.layers().iter().filter(|layer| layer.counts_as(LayerKind::Mask))
    }

    /// The mask with what is on those layers.
    pub fn whole_mask(&self) -> Arc<Mask> {
        let whole = Bounds::whole(self.extent);
        let layers = self.mask_layers().map(|layer| layer.coverage(whole)).reduce(|a, b| Combine::Add.of(&a, &b));
        match layers {
            None => Arc::clone(self.shared_mask()),
            Some(layers) if self.masks_something => Arc::new(Combine::Add.of(self.mask(), &layers)),
            Some(layers) => Arc::new(layers),
        }
    }

    /// Whether there is a picture to start from: whether there are layers.
    pub fn has_picture(&self) -> bool {
        !self.stack.layers().is_empty()
    }

    /// The picture to start from: what is seen of all layers together, in one piece. None without layers. It is put together when
    /// it is asked for, and stays the same one until something else is seen.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        self.has_picture().then(|| self.picture.get_or_init(|| Arc::new(self.flat().to_picture())))
    }

    /// Where to repaint, of the document's extent.
    pub fn mask(&self) -> &Mask {
        self.shared_mask()
    }

    /// The same, to be kept: it stays as it is, and the document has another one when its mask changes.
    pub fn shared_mask(&self) -> &Arc<Mask> {
        self.mask.get_or_init(|| Arc::new(Mask::empty(self.extent)))
    }

    /// Whether the mask repaints anything.
    pub fn has_mask(&self) -> bool {
        self.masks_something
    }

    /// A number that grows with every change, undo and redo.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The box of the mask that changed since the last call: what has to be uploaded. All of it at first and when the extent
    /// changes. Which parts of the layers changed shows in their tiles being others.
    pub fn take_dirty(&mut self) -> Option<Bounds> {
        self.dirty.take()
    }

    /// What is kept with the document: what takes a change of all of it back takes that back, too.
    pub fn beside(&self) -> &Beside {
        &self.beside
    }

    /// Keeps something else with it. That is no step of undo.
    pub fn keep_beside(&mut self, beside: Beside) {
        self.beside = beside;
    }

    /// Another number after every change of the mask, and the same again once that is taken back.
    pub fn mask_number(&self) -> u64 {
        self.mask_number
    }

    /// Whether the mask is the one that came with new room of the canvas, and nothing was done to it since. It is of no use once the room is
    /// painted or gone, and would keep the next brush in there.
    pub fn masks_room(&self) -> bool {
        self.masks_something && self.masks_of_room.contains(&self.mask_number)
    }

    /// Takes note that the mask came with new room: of one that was made just now, or that was put away as such.
    pub fn note_mask_of_room(&mut self) {
        self.masks_of_room.push(self.mask_number);
    }

    /// The number of a mask that was never there before.
    pub(super) fn next_mask(&self) -> u64 {
        self.highest_mask_number + 1
    }

    /// Whether there is something to take back.
    pub fn can_undo(&self) -> bool {
        self.history.can_undo()
    }

    /// Whether there is still what takes it back to where such a thing was kept with it.
    pub fn leads_back_to(&self, is_it: impl Fn(&Beside) -> bool) -> bool {
        self.history.leads_back_to(is_it)
    }

    /// Whether taking back what was done, or doing again what was taken back, comes to a document that this was kept with.
    pub fn leads_to(&self, is_it: impl Fn(&Beside) -> bool) -> bool {
        self.history.leads_to(is_it)
    }

    /// What is kept with the document that [`Self::redo`] leads to, where that is a change of all of it.
    pub fn leads_on_to(&self) -> Option<&Beside> {
        self.history.leads_on_to()
    }

    /// Whether there is something to do again.
    pub fn can_redo(&self) -> bool {
        self.history.can_redo()
    }

    /// How many bytes the past takes.
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Whether a stroke can begin on the active layer: it is there, is seen, and may change.
    pub fn can_be_painted_on(&self) -> Result<(), Error> {
        self.stack.paintable().map(|_| ())
    }

    /// Chooses the layer that is painted on. That is no step of undo. Returns whether it was another.
    pub fn choose_layer(&mut self, id: LayerId) -> bool {
        let chooses = self.stack.active != Some(id) && self.stack.get(id).is_some();
        if chooses {
            self.stack.active = Some(id);
            self.revision += 1;
        }
        chooses
    }

    /// Makes a change that was carried out a step of undo.
    pub(super) fn remember(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.history.push(change);
        }
    }

    /// Takes the newest change back for good: it cannot be done again.
    pub fn forget_newest(&mut self) {
        if let Some(change) = self.history.pop_done() {
            self.swap(change);
        }
    }

    /// Takes the last change back. Returns whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some(change) = self.history.pop_done() else {
            return false;
        };
        let replaced = self.swap(change);
        self.history.keep_undone(replaced);
        true
    }

    /// Does what was taken back last again. Returns whether there was anything.
    pub fn redo(&mut self) -> bool {
        let Some(change) = self.history.pop_undone() else {
            return false;
        };
        let replaced = self.swap(change);
        self.history.keep_done(replaced);
        true
    }

    /// What would be seen after an edit of the layers.
    pub fn seen_with(&self, edit: LayerEdit) -> Result<Tiles, Error> {
        Ok(match self.stack.edited(self.extent, edit)? {
            Some(stack) => Arc::unwrap_or_clone(self.seen.with(&stack)),
            None => (**self.flat()).clone(),
        })
    }

    fn take_stack(&mut self, stack: Stack) -> Change {
        let stack = std::mem::replace(&mut self.stack, stack);
        let bytes = stack.bytes_besides(&self.stack);
        Change::Layers { stack, bytes }
    }

    /// The mask is another one, of this number. Returns the number of the one before.
    fn note_mask(&mut self, changed: Bounds, number: u64) -> u64 {
        self.highest_mask_number = self.highest_mask_number.max(number);
        self.dirty = Some(self.dirty.map_or(changed, |dirty| dirty.union(changed)));
        self.masks_something = self.mask.get().is_some_and(|mask| !mask.is_empty());
        std::mem::replace(&mut self.mask_number, number)
    }

    /// Puts in what `change` holds and returns what was there: the way there and back.
    pub(super) fn swap(&mut self, change: Change) -> Change {
        self.revision += 1;
        match change {
            Change::MaskBox { bounds, mut coverage, number } => {
                self.mask();
                if let Some(mask) = self.mask.get_mut() {
                    let boxed = coverage.chunks_exact_mut(bounds.extent.width as usize);
                    let mask = Arc::make_mut(mask);
                    for (row, kept) in rows(self.extent, bounds).zip(boxed) {
                        mask.coverage_mut()[row].swap_with_slice(kept);
                    }
                }
                let number = self.note_mask(bounds, number);
                Change::MaskBox { bounds, coverage, number }
            }
            Change::Mask { mask, number } => {
                self.mask();
                let old_mask = self.mask.get_mut().map(|held| std::mem::replace(held, mask));
                let number = self.note_mask(Bounds::whole(self.extent), number);
                Change::Mask { mask: old_mask.expect("it was just asked for"), number }
            }
            Change::MaskInverted { number } => {
                self.mask = once(Some(self.mask().inverted()));
                Change::MaskInverted { number: self.note_mask(Bounds::whole(self.extent), number) }
            }
            Change::Layers { stack, .. } => {
                if self.seen.turn(&self.stack, &stack) {
                    self.picture = OnceLock::new();
                }
                self.take_stack(stack)
            }
            Change::Canvas { extent, stack, mask, number, beside, .. } => {
                let beside = std::mem::replace(&mut self.beside, beside);
                let old_extent = std::mem::replace(&mut self.extent, extent);
                let old_stack = std::mem::replace(&mut self.stack, stack);
                let old_mask = std::mem::replace(&mut self.mask, once(mask)).into_inner();
                let old_mask = old_mask.filter(|mask| !mask.is_empty()).map(Arc::unwrap_or_clone);
                // Nothing of another document is shown under this one's name.
                if extent != old_extent || !self.stack.shares_a_layer_with(&old_stack) {
                    self.seen = Seen::of(&self.stack, extent);
                    self.picture = OnceLock::new();
                } else if self.seen.turn(&old_stack, &self.stack) {
                    self.picture = OnceLock::new();
                }
                self.dirty = None;
                let number = self.note_mask(Bounds::whole(extent), number);
                let bytes = old_stack.bytes_besides(&self.stack);
                Change::Canvas { extent: old_extent, stack: old_stack, mask: old_mask, number, beside, bytes }
            }
        }
    }
}

fn once(mask: Option<Mask>) -> OnceLock<Arc<Mask>> {
    mask.map_or_else(OnceLock::new, |mask| OnceLock::from(Arc::new(mask)))
}

/// Layers and mask must be as large as the document.
fn check_extents(extent: Extent, stack: &Stack, mask: Option<&Mask>) -> Result<(), Error> {
    if let Some(mask) = mask.filter(|mask| mask.extent() != extent) {
        return Err(Error::MaskExtent { expected: extent, found: mask.extent() });
    }
    match stack.layers().iter().find(|layer| layer.tiles.extent() != extent) {
        Some(layer) => Err(Error::LayerExtent { expected: extent, found: layer.tiles.extent() }),
        None => Ok(()),
    }
}

/// The places of a box's rows among the pixels of a picture.
pub(super) fn rows(extent: Extent, bounds: Bounds) -> impl Iterator<Item = std::ops::Range<usize>> {
    (bounds.top..bounds.bottom()).map(move |y| {
        let row = y as usize * extent.width as usize;
        row + bounds.left as usize..row + bounds.right() as usize
    })
}

#[cfg(test)]
mod tests;
