//! Undo and redo. A change is kept as what it replaced, and taking it back swaps the two: the same step serves both ways, and a
//! stroke costs no more than the box of the mask, or the tiles of the layer, that it changed.

use super::{Beside, LayerId, Stack};
use crate::geom::{Bounds, Extent};
use crate::pixels::Mask;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a change replaced.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// The coverage of a box of the mask, row by row. Each mask has its number.
    MaskBox { bounds: Bounds, coverage: Vec<u8>, number: u64 },
    /// The whole mask.
    Mask { mask: Arc<Mask>, number: u64 },
    /// Nothing but the number: inverting again takes it back.
    MaskInverted { number: u64 },
    /// The layers. What they hold that the ones in their place do not share takes `bytes`.
    Layers { stack: Stack, bytes: usize },
    /// Layers and mask of another extent, and what was kept with them; a mask that keeps everything need not be there.
    Canvas { extent: Extent, stack: Stack, mask: Option<Mask>, number: u64, beside: Beside, bytes: usize },
}

impl Change {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::MaskBox { coverage, .. } => coverage.len(),
                Self::Mask { mask, .. } => mask.coverage().len(),
                Self::MaskInverted { .. } => 0,
                Self::Layers { bytes, .. } => *bytes,
                Self::Canvas { mask, bytes, .. } => mask.as_ref().map_or(0, |mask| mask.coverage().len()) + bytes,
            }
    }
}

/// What can be taken back, and what was.
#[derive(Clone, Debug)]
pub(super) struct History {
    done: VecDeque<Change>,
    undone: VecDeque<Change>,
    done_bytes: usize,
    undone_bytes: usize,
    budget_bytes: usize,
    /// The layer whose look the newest change is about, as long as it goes on.
    going_on: Option<LayerId>,
}

impl History {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self {
            done: VecDeque::new(),
            undone: VecDeque::new(),
            done_bytes: 0,
            undone_bytes: 0,
            budget_bytes,
            going_on: None,
        }
    }

    /// Takes no more than so many bytes from now on. The newest change stays in any case.
    pub(super) fn set_budget(&mut self, bytes: usize) {
        self.budget_bytes = bytes;
        self.forget_the_farthest();
    }

    /// Remembers a change of a layer's look. If it goes on with the newest change, that one takes both back.
    pub(super) fn push_look(&mut self, layer: LayerId, goes_on: bool, change: Change) {
        if !goes_on || self.going_on != Some(layer) {
            self.push(change);
            self.going_on = Some(layer);
        }
    }

    /// Remembers a new change. What was taken back cannot be done again after it. The oldest changes go when the budget is
    /// spent; the newest stays in any case.
    pub(super) fn push(&mut self, change: Change) {
        self.going_on = None;
        self.undone.clear();
        self.undone_bytes = 0;
        self.keep_done(change);
    }

    /// Takes out the newest change, to be taken back. What it replaces goes to [`Self::keep_undone`].
    pub(super) fn pop_done(&mut self) -> Option<Change> {
        self.going_on = None;
        let change = self.done.pop_back()?;
        self.done_bytes -= change.bytes();
        Some(change)
    }

    /// Keeps a change that was taken back, to be done again.
    pub(super) fn keep_undone(&mut self, change: Change) {
        self.undone_bytes += change.bytes();
        self.undone.push_back(change);
        self.forget_the_farthest();
    }

    /// Takes out the change that was taken back last, to be done again. What it replaces goes to [`Self::keep_done`].
    pub(super) fn pop_undone(&mut self) -> Option<Change> {
        self.going_on = None;
        let change = self.undone.pop_back()?;
        self.undone_bytes -= change.bytes();
        Some(change)
    }

    /// Keeps a change that was done, to be taken back.
    pub(super) fn keep_done(&mut self, change: Change) {
        self.done_bytes += change.bytes();
        self.done.push_back(change);
        self.forget_the_farthest();
    }

    pub(super) fn can_undo(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether taking back what was done comes to a document that this was kept with.
    pub(super) fn leads_back_to(&self, is_it: impl Fn(&Beside) -> bool) -> bool {
        self.done.iter().any(|change| matches!(change, Change::Canvas { beside, .. } if is_it(beside)))
    }

    /// Whether taking back or doing again comes to a document that this was kept with.
    pub(super) fn leads_to(&self, is_it: impl Fn(&Beside) -> bool) -> bool {
        let is_of_it = |change: &Change| matches!(change, Change::Canvas { beside, .. } if is_it(beside));
        self.done.iter().chain(&self.undone).any(is_of_it)
    }

    /// What is kept with the document that doing again what was taken back last leads to, where that is a change of all of it.
    pub(super) fn leads_on_to(&self) -> Option<&Beside> {
        match self.undone.back()? {
            Change::Canvas { beside, .. } => Some(beside),
            _ => None,
        }
    }

    pub(super) fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.done_bytes + self.undone_bytes
    }

    /// What can be taken back gives way only to what was done after it, never to what was taken back: that goes first, from its far end,
    /// but for the nearest.
    fn forget_the_farthest(&mut self) {
        while self.bytes() > self.budget_bytes && self.undone.len() > 1 {
            self.undone_bytes -= self.undone.pop_front().map_or(0, |farthest| farthest.bytes());
        }
        while self.done_bytes > self.budget_bytes && self.done.len() > 1 {
            self.done_bytes -= self.done.pop_front().map_or(0, |oldest| oldest.bytes());
        }
    }
}
