//! When what is being edited goes to disk: whenever it is not what went there last.

use super::persist::Snapshot;
use super::{Draft, PaintBox, Session, Viewed};
use crate::gallery::EntryId;
use crate::paint::{Brush, Tool};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What tells whether something changed since the last snapshot.
#[derive(Debug, PartialEq)]
struct Signs {
    draft: Draft,
    tool: Tool,
    brush: Brush,
    palette: PaintBox,
    used_seed: Option<u64>,
    /// Numbers that grow with every change. The prompts change only when jobs do.
    jobs: u64,
    document: u64,
    /// Where it lies: it is held as long as this is.
    guide: Option<usize>,
    /// Likewise.
    hints: Vec<usize>,
    shown: Option<EntryId>,
    file: Option<Arc<Path>>,
    copy: Option<PathBuf>,
    is_behind: bool,
}

/// What was handed to the keeper last.
#[derive(Debug, Default)]
pub(super) struct Handed {
    signs: Option<Signs>,
}

impl Session {
    /// Waits until everything that is being edited is on disk, or could not be written: for the program's end. Without it, it is
    /// on disk within a second all the same.
    pub fn save(&mut self) {
        self.finish_filling();
        self.keep_state();
        self.keeper.flush();
    }

    /// Takes note of what was edited in place, in the draft: at the end of a frame, so that it is kept even if no other follows.
    pub fn take_note(&mut self) {
        self.live_on();
        self.refresh();
        self.keep_state();
    }

    /// Hands what is being edited to the state thread, if it changed.
    pub(super) fn keep_state(&mut self) {
        let signs = Signs {
            draft: self.draft.storable(),
            tool: self.tool,
            brush: self.brush,
            palette: self.palette.clone(),
            used_seed: self.used_seed,
            jobs: self.jobs.changes(),
            document: self.document.revision(),
            guide: self.guide.as_ref().map(|guide| Arc::as_ptr(guide).addr()),
            hints: self.hints.iter().map(|hint| Arc::as_ptr(&hint.picture).addr()).collect(),
            shown: match self.view.what {
                Viewed::Result(id, ..) => self.results.place(id).map(|place| place.entry),
                Viewed::Document => None,
            },
            file: self.file.clone(),
            copy: self.copies.get(&self.opened).cloned(),
            is_behind: self.is_behind(),
        };
        if self.handed.signs.as_ref() == Some(&signs) {
            return;
        }
        self.keeper.keep(Snapshot {
            draft: signs.draft.clone(),
            used_seed: self.used_seed,
            tool: self.tool,
            brush: self.brush,
            palette: self.palette.clone(),
            history: self.history.clone(),
            layers: self.document.has_picture().then(|| (self.document.extent(), self.document.stack().clone())),
            mask: self.document.has_mask().then(|| Arc::clone(self.document.shared_mask())),
            masks_room: self.document.masks_room(),
            guide: self.guide.clone(),
            guides_itself: self.guided_by == Some(self.opened),
            hints: self.hints.clone(),
            shown: signs.shown,
            queue: self.jobs.unfinished().cloned().collect(),
            file: self.file.as_ref().map(|file| file.to_path_buf()),
            copy: signs.copy.clone(),
            is_behind: signs.is_behind,
        });
        self.handed.signs = Some(signs);
    }
}
