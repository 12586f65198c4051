//! The file that the document is saved in, and whether it is behind.

use super::{Action, Draft, Offer, Session};
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

/// What goes with a document that another took the place of: its file, how it was there, and what was to be painted next.
#[derive(Debug)]
pub(super) struct Left {
    opened: u64,
    file: Option<Arc<Path>>,
    kept: Option<Sign>,
    draft: Draft,
    used_seed: Option<u64>,
    guide: Option<Arc<Picture>>,
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

    /// Whether what was painted is gone when the program ends: another one keeps its own, and no file has it.
    pub fn is_lost_at_the_end(&self) -> bool {
        self.claim.is_none() && self.is_behind()
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
        let left = self.left.iter_mut().find(|left| left.opened == opened);
        let (file, kept) = match left {
            _ if opened == self.opened => (&mut self.file, &mut self.kept),
            Some(left) => (&mut left.file, &mut left.kept),
            None => return,
        };
        (*file, *kept) = (Some(path.into()), Some(sign));
    }

    /// Another document took the place of what was there, from this file if it has one.
    pub(super) fn begin_with(&mut self, file: Option<Arc<Path>>) {
        self.leave();
        self.documents += 1;
        self.opened = self.documents;
        self.file = file;
        self.kept = Some(self.sign());
    }

    /// Keeps what goes with the document, for when it comes back.
    fn leave(&mut self) {
        const MOST: usize = 32;
        if self.left.len() == MOST {
            self.left.remove(0);
        }
        self.left.push(Left {
            opened: self.opened,
            file: self.file.take(),
            kept: self.kept.take(),
            draft: self.draft.clone(),
            used_seed: self.used_seed,
            guide: self.guide.clone(),
        });
    }

    /// The document of this number is back in the place of another, with what goes with it. What is so long ago that it is not kept any
    /// more has no file.
    pub(super) fn take_left(&mut self, opened: u64) {
        let at = self.left.iter().position(|left| left.opened == opened);
        let left = at.map(|at| self.left.remove(at));
        self.leave();
        self.opened = opened;
        if let Some(Left { file, kept, draft, used_seed, guide, .. }) = left {
            (self.file, self.kept) = (file, kept);
            self.take_settings(draft, guide);
            self.used_seed = used_seed;
        }
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
        let mut steps = 0;
        while self.opened >= opened && self.document.can_undo() {
            self.undo();
            steps += 1;
        }
        if self.opened >= opened {
            (0..steps).for_each(|_| self.redo());
            self.notices.info("What was there cannot be brought back any more: too much was done since");
        }
        self.dismiss_offers_of_what_is_back();
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
