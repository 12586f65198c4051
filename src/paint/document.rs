use super::Stroke;
use super::brush::Dabs;
use super::history::{Change, History};
use crate::geom::{Bounds, Extent};
use crate::pixels::{Mask, Picture};
use std::sync::Arc;

/// What is edited: perhaps a picture, a mask of the same extent, and how to take changes of both back.
#[derive(Clone, Debug)]
pub struct Document {
    picture: Option<Arc<Picture>>,
    mask: Mask,
    history: History,
    dirty: Option<Bounds>,
    revision: u64,
}

/// A change of the document. One edit is one step of undo.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A stroke of the mask brush or eraser.
    Stroke(Stroke),
    /// Repaint nothing in particular.
    ClearMask,
    /// Repaint what was kept and keep what was repainted.
    InvertMask,
    /// Take this mask, of the document's extent.
    ReplaceMask(Mask),
    /// Start from this picture, or from none. A picture of another extent gives the document its extent, and an empty mask.
    SetPicture(Option<Arc<Picture>>),
    /// Make the document this large; picture and mask are resized.
    SetExtent(Extent),
}

/// Why an edit cannot be applied. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A mask of another size.
    #[error("the mask is {found}, but the picture is {expected}: a mask must be as large as its picture")]
    MaskExtent {
        /// The document's size.
        expected: Extent,
        /// The mask's size.
        found: Extent,
    },
    /// No pixels to edit.
    #[error("a picture of {0} has no pixels: choose another one")]
    Empty(Extent),
}

impl Document {
    /// How many bytes of past changes are kept.
    pub const HISTORY_BYTES: usize = 256 << 20;

    /// A document of this size without a picture, its mask empty.
    pub fn new(extent: Extent) -> Self {
        Self {
            picture: None,
            mask: Mask::empty(extent),
            history: History::new(Self::HISTORY_BYTES),
            dirty: Some(Bounds::whole(extent)),
            revision: 0,
        }
    }

    /// A document that was put away: a mask, and perhaps a picture of the same extent. There is nothing to undo in it.
    pub fn restored(picture: Option<Arc<Picture>>, mask: Mask) -> Result<Self, Error> {
        match &picture {
            Some(picture) if picture.extent() != mask.extent() => {
                Err(Error::MaskExtent { expected: picture.extent(), found: mask.extent() })
            }
            _ => Ok(Self { picture, ..Self::new(mask.extent()) }.with_mask(mask)),
        }
    }

    fn with_mask(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// The same document with another limit to what its past may take, in bytes. The newest change is kept in any case.
    #[must_use]
    pub fn with_history_bytes(mut self, budget_bytes: usize) -> Self {
        self.history = History::new(budget_bytes);
        self
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.mask.extent()
    }

    /// The picture to start from.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        self.picture.as_ref()
    }

    /// Where to repaint, of the document's extent.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// A number that grows with every change, undo and redo.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The box of the mask that changed since the last call: what has to be uploaded. All of it at first and when the extent
    /// changes. That the picture changed shows in its `Arc` being another one.
    pub fn take_dirty(&mut self) -> Option<Bounds> {
        self.dirty.take()
    }

    /// Whether there is something to take back.
    pub fn can_undo(&self) -> bool {
        self.history.can_undo()
    }

    /// Whether there is something to do again.
    pub fn can_redo(&self) -> bool {
        self.history.can_redo()
    }

    /// How many bytes the past takes.
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Carries out an edit as one step of undo. Returns whether anything changed: what changes nothing is no step.
    pub fn apply(&mut self, edit: Edit) -> Result<bool, Error> {
        let change = match edit {
            Edit::Stroke(stroke) => self.paint(&stroke),
            Edit::ClearMask => self.take_mask(&Mask::empty(self.extent())),
            Edit::InvertMask => Some(self.swap(Change::MaskInverted)),
            Edit::ReplaceMask(mask) if mask.extent() == self.extent() => self.take_mask(&mask),
            Edit::ReplaceMask(mask) => {
                return Err(Error::MaskExtent { expected: self.extent(), found: mask.extent() });
            }
            Edit::SetPicture(picture) => self.take_picture(picture)?,
            Edit::SetExtent(extent) => self.take_extent(extent)?,
        };
        let changed = change.is_some();
        if let Some(change) = change {
            self.history.push(change);
        }
        Ok(changed)
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

    fn paint(&mut self, stroke: &Stroke) -> Option<Change> {
        let mut after = self.mask.clone();
        let mut dabs = Dabs::new(stroke.tool, stroke.brush);
        let painted = stroke.points.iter().filter_map(|&point| dabs.extend(&mut after, point)).reduce(Bounds::union)?;
        self.take_mask_within(&after, painted)
    }

    fn take_mask(&mut self, after: &Mask) -> Option<Change> {
        self.take_mask_within(after, Bounds::whole(self.extent()))
    }

    /// Takes over what is different in `after`, which differs in `bounds` at most.
    fn take_mask_within(&mut self, after: &Mask, bounds: Bounds) -> Option<Change> {
        let bounds = difference(&self.mask, after, bounds)?;
        let coverage = rows(after.extent(), bounds).flat_map(|row| &after.coverage()[row]).copied().collect();
        Some(self.swap(Change::MaskBox { bounds, coverage }))
    }

    fn take_picture(&mut self, picture: Option<Arc<Picture>>) -> Result<Option<Change>, Error> {
        let extent = picture.as_ref().map_or(self.extent(), |p| p.extent());
        if extent.is_empty() {
            return Err(Error::Empty(extent));
        }
        if extent != self.extent() {
            return Ok(Some(self.swap(Change::Canvas { picture, mask: Mask::empty(extent) })));
        }
        let same = match (&picture, &self.picture) {
            (None, None) => true,
            (Some(new), Some(old)) => Arc::ptr_eq(new, old) || new == old,
            _ => false,
        };
        Ok((!same).then(|| self.swap(Change::Picture(picture))))
    }

    fn take_extent(&mut self, extent: Extent) -> Result<Option<Change>, Error> {
        if extent.is_empty() {
            return Err(Error::Empty(extent));
        }
        if extent == self.extent() {
            return Ok(None);
        }
        let picture = self.picture.as_ref().map(|picture| Arc::new(picture.resized(extent)));
        Ok(Some(self.swap(Change::Canvas { picture, mask: self.mask.resized(extent) })))
    }

    /// Puts in what `change` holds and returns what was there: the way there and back.
    fn swap(&mut self, change: Change) -> Change {
        self.revision += 1;
        match change {
            Change::MaskBox { bounds, mut coverage } => {
                let boxed = coverage.chunks_exact_mut(bounds.extent.width as usize);
                for (row, kept) in rows(self.mask.extent(), bounds).zip(boxed) {
                    self.mask.coverage_mut()[row].swap_with_slice(kept);
                }
                self.dirty = Some(self.dirty.map_or(bounds, |dirty| dirty.union(bounds)));
                Change::MaskBox { bounds, coverage }
            }
            Change::MaskInverted => {
                self.mask = self.mask.inverted();
                self.dirty = Some(Bounds::whole(self.extent()));
                Change::MaskInverted
            }
            Change::Picture(picture) => Change::Picture(std::mem::replace(&mut self.picture, picture)),
            Change::Canvas { picture, mask } => {
                self.dirty = Some(Bounds::whole(mask.extent()));
                Change::Canvas {
                    picture: std::mem::replace(&mut self.picture, picture),
                    mask: std::mem::replace(&mut self.mask, mask),
                }
            }
        }
    }
}

/// The places of a box's rows among the pixels of a picture.
fn rows(extent: Extent, bounds: Bounds) -> impl Iterator<Item = std::ops::Range<usize>> {
    (bounds.top..bounds.bottom()).map(move |y| {
        let row = y as usize * extent.width as usize;
        row + bounds.left as usize..row + bounds.right() as usize
    })
}

/// The smallest box within `bounds` outside of which two masks of one extent agree. `None` if they agree everywhere.
fn difference(before: &Mask, after: &Mask, bounds: Bounds) -> Option<Bounds> {
    let mut found: Option<Bounds> = None;
    for (y, row) in (bounds.top..).zip(rows(before.extent(), bounds)) {
        let mut differing = before.coverage()[row.clone()].iter().zip(&after.coverage()[row]).map(|(a, b)| a != b);
        if let Some(first) = differing.clone().position(|differs| differs) {
            let last = differing.rposition(|differs| differs).unwrap_or(first);
            let in_row =
                Bounds { left: bounds.left + first as u32, top: y, extent: Extent::new((last - first + 1) as u32, 1) };
            found = Some(found.map_or(in_row, |bounds| bounds.union(in_row)));
        }
    }
    found
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
