//! The file that the document is saved in, and whether it is behind.

use super::closed::Leaving;
use super::{Action, Draft, Offer, Session};
use crate::diffusion::Hint;
use crate::paint::Layer;
use crate::pixels::Picture;
use crate::project::Kind;
use std::path::Path;
use std::sync::{Arc, Weak};

/// By which a document is told from what it was: its layers by where they lie. They may go, but nothing else comes to lie there.
#[derive(Clone, Debug)]
pub(super) struct Sign {
    layers: Vec<Weak<Layer>>,
    /// Its number; none where nothing is masked.
    mask: Option<u64>,
}

/// What is on its way to a file: which document, and what it was then.
#[derive(Debug)]
pub(super) struct Saving {
    sign: Sign,
    opened: u64,
}

/// What goes with a document that another took the place of: its file, how it was there, and what was to be painted next and into it.
#[derive(Debug)]
pub(super) struct Left {
    opened: u64,
    file: Option<Arc<Path>>,
    kept: Option<Sign>,
    /// Whether there was more in it than any file has.
    is_lost: bool,
    draft: Draft,
    used_seed: Option<u64>,
    guide: Option<Arc<Picture>>,
    hints: Vec<Hint>,
}

impl PartialEq for Sign {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Weak<Layer>, &Weak<Layer>)| Weak::ptr_eq(a, b);
        self.mask == other.mask
            && self.layers.len() == other.layers.len()
            && self.layers.iter().zip(&other.layers).all(same)
    }
}

/// How many bytes of what was done are kept to be taken back: as the settings say, else a sixteenth of the memory that is free.
pub(super) fn undo_bytes(megabytes: Option<u32>, available: Option<u64>) -> usize {
    const LEAST: u64 = 256 << 20;
    const MOST: u64 = 4 << 30;
    let of_memory = available.map_or(LEAST, |bytes| (bytes / 16).clamp(LEAST, MOST));
    let bytes = megabytes.map_or(of_memory, |megabytes| u64::from(megabytes) << 20);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Session {
    /// The project's file: what Save writes to. None if the document was never saved as a project.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether there is more in the document than was opened, or saved last.
    pub fn is_behind(&self) -> bool {
        self.document.has_picture() && self.kept.as_ref() != Some(&self.sign())
    }

    /// Whether what was painted, here or in a document that this one took the place of, or what waits to be painted is gone when the program
    /// ends: another one keeps its own, and no file has it.
    pub fn is_lost_at_the_end(&self) -> bool {
        let is_lost = || self.is_behind() || self.left.iter().any(|left| left.is_lost);
        self.claim.is_none() && (is_lost() || self.jobs.unfinished().next().is_some())
    }

    pub(super) fn sign(&self) -> Sign {
        let mask = self.document.has_mask().then(|| self.document.mask_number());
        Sign { layers: self.document.stack().layers().iter().map(Arc::downgrade).collect(), mask }
    }

    /// What goes along with a document that is on its way to a file.
    pub(super) fn saving(&self, kind: Kind) -> Option<Saving> {
        // What other programs get is no place to go on from: not all of the document is in it.
        (kind == Kind::Sfumato).then(|| Saving { sign: self.sign(), opened: self.opened })
    }

    /// A document was saved. If another took its place meanwhile, the file is not that one's, but is back with its own.
    pub(super) fn was_saved(&mut self, path: &Path, saving: Option<Saving>) {
        let Some(Saving { sign, opened }) = saving else { return };
        // Whatever else was in that file is in it no more.
        for left in self.left.iter_mut().filter(|left| left.file.as_deref() == Some(path)) {
            (left.kept, left.is_lost) = (None, true);
        }
        if self.file.as_deref() == Some(path) {
            self.kept = None;
        }
        let left = self.left.iter_mut().find(|left| left.opened == opened);
        let (file, kept) = match left {
            _ if opened == self.opened => (&mut self.file, &mut self.kept),
            Some(left) => {
                left.is_lost = false;
                (&mut left.file, &mut left.kept)
            }
            None => return,
        };
        (*file, *kept) = (Some(path.into()), Some(sign));
        self.need_not_put_away(opened);
    }

    /// Another document took the place of what was there, from this file if it has one. Returns whether there was more in that than was
    /// saved, which is put away.
    pub(super) fn begin_with(&mut self, file: Option<Arc<Path>>, leaving: Option<Box<Leaving>>) -> bool {
        let loses = leaving.is_some();
        self.leave(leaving);
        self.documents += 1;
        self.opened = self.documents;
        self.file = file;
        self.kept = Some(self.sign());
        loses
    }

    /// Keeps what goes with the document, for when it comes back, and puts away what was not saved.
    fn leave(&mut self, leaving: Option<Box<Leaving>>) {
        const MOST: usize = 32;
        if self.left.len() == MOST {
            self.left.remove(0);
        }
        // That is looked at again once the other is mixed.
        self.masks_nothing_below = false;
        self.left.push(Left {
            opened: self.opened,
            file: self.file.take(),
            kept: self.kept.take(),
            is_lost: leaving.is_some(),
            draft: self.draft.clone(),
            used_seed: self.used_seed,
            guide: self.guide.clone(),
            hints: self.hints.clone(),
        });
        if let Some(leaving) = leaving {
            self.put_away(leaving);
        }
    }

    /// A document that another took the place of was put away, or could not be.
    pub(super) fn note_put_away(&mut self, opened: u64, is_kept: bool) {
        if let Some(left) = self.left.iter_mut().find(|left| left.opened == opened) {
            left.is_lost = !is_kept;
        }
    }

    /// The document of this number is back in the place of another, with what goes with it. What is so long ago that it is not kept any
    /// more has no file. In the other may have been more than was saved.
    pub(super) fn take_left(&mut self, opened: u64, leaving: Option<Box<Leaving>>) {
        let at = self.left.iter().position(|left| left.opened == opened);
        let left = at.map(|at| self.left.remove(at));
        self.leave(leaving);
        self.opened = opened;
        if let Some(Left { file, kept, draft, used_seed, guide, hints, .. }) = left {
            (self.file, self.kept, self.hints) = (file, kept, hints);
            // The box that is painted goes with the document in any case, and a seed is soon drawn.
            let before = Draft { bounds: draft.bounds, ..self.draft.clone() };
            let is_other = Draft { seed: draft.seed, ..before.clone() } != draft;
            let offer = self.offer_to_keep(before);
            self.take_settings(draft, guide);
            self.used_seed = used_seed;
            if is_other {
                self.notices.offering("The prompt and the settings are as they were with this picture", vec![offer]);
            }
        }
    }

    /// Offers to go on with what was to be painted next before something brought its own.
    pub(super) fn offer_to_keep(&self, before: Draft) -> Offer {
        let action = Action::TakeSettings(Box::new(before), self.guide.clone());
        Offer { label: "Keep what was to be painted".into(), action }
    }

    /// Offers to take it back that something took the place of a document with more in it than was saved.
    pub(super) fn tell_of_replaced(&mut self, name: &str) {
        self.tell_of_unsaved(format!("{name} took the place of what was not saved"));
    }

    /// Offers to take back what ended a document with more in it than was saved.
    pub(super) fn tell_of_unsaved(&mut self, said: String) {
        let offer = self.offer_of_what_was();
        self.notices.offering(said, vec![offer]);
    }

    /// Offers to bring back what this document took the place of.
    pub(super) fn offer_of_what_was(&self) -> Offer {
        Offer { label: "Bring it back".into(), action: Action::BringBack(self.opened) }
    }

    /// Takes back all that was done since the document of this number took the place of another, and that it did. Those that are begun
    /// later have higher numbers.
    pub(super) fn bring_back(&mut self, opened: u64) {
        // To try would cost what was done since, where it leads nowhere.
        if self.document.leads_back_to(|beside| beside.opened < opened) {
            self.undo_while(|beside| beside.opened >= opened);
            self.dismiss_offers_of_what_is_back();
        } else {
            self.dismiss_offers_of(|action| matches!(action, Action::BringBack(of) if *of == opened));
            self.notices.info("What was there cannot be brought back any more: too much was done since");
        }
    }

    /// What another document took the place of need not be offered once it is back.
    pub(super) fn dismiss_offers_of_what_is_back(&mut self) {
        let back = self.opened;
        self.dismiss_offers_of(|action| matches!(action, Action::BringBack(opened) if *opened > back));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_has_what_the_settings_say_or_a_share_of_what_is_free() {
        assert_eq!(undo_bytes(Some(100), Some(1 << 40)), 100 << 20);
        assert_eq!(undo_bytes(None, None), 256 << 20);
        assert_eq!(undo_bytes(None, Some(8 << 30)), 512 << 20);
        assert_eq!(undo_bytes(None, Some(1 << 40)), 4 << 30);
    }
}
