//! The file that the document is saved in, and whether it is behind.

use super::closed::Leaving;
use super::{Action, Draft, Kept, NoticeId, Offer, ResultId, Session};
use crate::diffusion::{Hint, Stop};
use crate::paint::{Edit, Layer};
use crate::pixels::Picture;
use crate::project::Kind;
use std::path::{Path, PathBuf};
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
    /// How it was left; none where nothing in it is to be missed.
    sign: Option<Sign>,
    put_away: PutAway,
    draft: Draft,
    used_seed: Option<u64>,
    guide: Option<Arc<Picture>>,
    /// Whether that was its own picture.
    guides_itself: bool,
    hints: Vec<Hint>,
}

/// Where what is in a document that another took the place of was put away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PutAway {
    /// It is not known yet whether it can be.
    OnItsWay,
    In(PathBuf),
    /// It need not, it could not be, or there was no room for it any more.
    Nowhere,
}

/// How a document is before another takes its place, and what of it is to be put away.
pub(super) struct Before {
    sign: Option<Sign>,
    unsaved: Option<Box<Leaving>>,
}

/// Something that is gone when the program ends, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// What is on the canvas: there is more in it than was saved, and another window keeps its own.
    Document,
    /// A document that another took the place of, which no file has and which was not put away.
    Replaced {
        /// What [`Action::BringBack`] brings it back by, unless undo does not lead to it.
        by: Option<u64>,
    },
    /// A document that another took the place of, which is still being put away, and may not get there: it is none any more as soon as
    /// that is done.
    OnItsWay,
    /// A result that the gallery could not take.
    Result(ResultId),
    /// What is being painted, or waits for it.
    Queue,
}

impl Left {
    /// Whether there was more in it than its file has.
    fn is_behind(&self) -> bool {
        self.sign.is_some() && self.sign != self.kept
    }
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

    /// Whether what is being edited is there again at the next start: else another window keeps its own.
    pub fn keeps_state(&self) -> bool {
        self.claim.is_some()
    }

    /// Whether anything is gone when the program ends now.
    pub fn is_lost_at_the_end(&self) -> bool {
        !self.losses().is_empty()
    }

    /// What is gone when the program ends now.
    pub fn losses(&self) -> Vec<Loss> {
        let here = (!self.keeps_state() && self.is_behind()).then_some(Loss::Document);
        // What nothing leads to any more is gone already.
        let is_missed =
            |left: &&Left| left.is_behind() && self.document.leads_to(|beside| beside.opened == left.opened);
        let missed = || self.left.iter().rev().filter(is_missed);
        let replaced = missed().find(|left| left.put_away == PutAway::Nowhere).map(|left| {
            let leads_back = self.document.leads_back_to(|beside| beside.opened == left.opened);
            Loss::Replaced { by: leads_back.then_some(left.opened + 1) }
        });
        let on_its_way = missed().any(|left| left.put_away == PutAway::OnItsWay).then_some(Loss::OnItsWay);
        let mut results = self.results.items.iter();
        let result = results.find(|item| item.kept == Kept::InMemory && !self.results.in_files.contains(&item.id));
        let result = result.map(|item| Loss::Result(item.id));
        let is_ending = self.jobs.running.as_ref().is_some_and(|running| running.stopping == Some(Stop::Keep));
        let waits = !self.keeps_state() && self.jobs.unfinished().next().is_some();
        let queue = (is_ending || waits).then_some(Loss::Queue);
        here.into_iter().chain(replaced).chain(result).chain(on_its_way).chain(queue).collect()
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
            left.kept = None;
        }
        if self.file.as_deref() == Some(path) {
            self.kept = None;
        }
        // What was painted since it was on its way is not in the file.
        let is_all = if opened == self.opened {
            (self.file, self.kept) = (Some(path.into()), Some(sign));
            !self.is_behind()
        } else if let Some(left) = self.left.iter_mut().find(|left| left.opened == opened) {
            (left.file, left.kept) = (Some(path.into()), Some(sign));
            !left.is_behind()
        } else {
            return;
        };
        if is_all {
            self.need_not_put_away(opened);
        }
    }

    /// Whether the file of the document of this number has it as it was then.
    pub(super) fn is_saved(&self, opened: u64, sign: &Sign) -> bool {
        let left = || self.left.iter().find(|left| left.opened == opened).and_then(|left| left.kept.as_ref());
        let kept = if opened == self.opened { self.kept.as_ref() } else { left() };
        kept == Some(sign)
    }

    /// Lets an edit put another document, of this file if it has one, in the place of what is there. If there is more in that than was
    /// saved it is put away, and what is `said` of it offers to take it back. Returns whether the edit was made.
    pub(super) fn replace(&mut self, edit: Edit, file: Option<PathBuf>, said: Option<String>) -> bool {
        let (before, revision, was) = (self.before(), self.document.revision(), self.opened);
        self.edit(edit);
        if self.document.revision() == revision {
            return false;
        }
        let said = said.filter(|_| before.unsaved.is_some());
        self.leave(Some(before));
        self.documents += 1;
        self.opened = self.documents;
        // What was made of the picture that guides goes on with it.
        self.guided_by = self.guided_by.map(|of| if of == was { self.opened } else { of });
        self.file = file.map(Arc::from);
        self.kept = Some(self.sign());
        if let Some(said) = said {
            let offer = self.offer_of_what_was();
            self.notices.offering(said, vec![offer]);
        }
        true
    }

    /// As [`replace`](Self::replace), for what has nothing to do with what was there: if that guided by its own picture it guides no more,
    /// and settings that were found in its file are not offered any more.
    pub(super) fn begin_another(&mut self, edit: Edit, file: Option<PathBuf>, said: Option<String>) -> bool {
        if !self.replace(edit, file, said) {
            return false;
        }
        if self.guided_by == Some(self.opened) {
            self.set_guide(None);
        }
        (self.found, self.found_settings) = (None, false);
        self.dismiss_offers_of(|action| matches!(action, Action::UseSettings));
        true
    }

    /// What is to be known of the document once another took its place.
    pub(super) fn before(&self) -> Before {
        let sign = self.document.has_picture().then(|| self.sign());
        Before { sign, unsaved: self.leaving() }
    }

    /// Keeps what goes with the document, for when it comes back, and puts away what was not saved. Without `before` what is in it does not
    /// count.
    fn leave(&mut self, before: Option<Before>) {
        let (sign, unsaved) = before.map_or((None, None), |before| (before.sign, before.unsaved));
        let document = &self.document;
        self.left.retain(|left| document.leads_to(|beside| beside.opened == left.opened));
        // That is looked at again once the other is mixed.
        self.lacks = super::ways::Lacks::default();
        self.left.push(Left {
            opened: self.opened,
            file: self.file.take(),
            kept: self.kept.take(),
            sign,
            put_away: if unsaved.is_some() { PutAway::OnItsWay } else { PutAway::Nowhere },
            draft: self.draft.clone(),
            used_seed: self.used_seed,
            guide: self.guide.clone(),
            guides_itself: self.guided_by == Some(self.opened),
            hints: self.hints.clone(),
        });
        if let Some(unsaved) = unsaved {
            self.put_away(unsaved);
        }
    }

    /// A document that another took the place of was put away, or could not be.
    pub(super) fn note_put_away(&mut self, opened: u64, put_away: PutAway) {
        if let Some(left) = self.left.iter_mut().find(|left| left.opened == opened) {
            left.put_away = put_away;
        }
    }

    /// What was put away is nowhere any more where it does not lie in the folder.
    pub(super) fn note_let_go(&mut self, is_there: impl Fn(&Path) -> bool) {
        for left in &mut self.left {
            if matches!(&left.put_away, PutAway::In(file) if !is_there(file)) {
                left.put_away = PutAway::Nowhere;
            }
        }
    }

    /// What was put away there is in another file, of the document of this number: if it was opened from there, what it had been before
    /// is not to be missed.
    pub(super) fn note_not_needed(&mut self, file: &Path, by: u64) {
        for left in self.left.iter_mut().filter(|left| left.opened != by) {
            if matches!(&left.put_away, PutAway::In(of_left) if of_left == file) {
                left.sign = None;
            }
        }
    }

    /// What was on its way may not get there.
    pub(super) fn note_broken_off(&mut self) {
        for left in self.left.iter_mut().filter(|left| left.put_away == PutAway::OnItsWay) {
            left.put_away = PutAway::Nowhere;
        }
    }

    /// The document of this number is back in the place of another, with what goes with it. In the other may have been more than was saved.
    pub(super) fn take_left(&mut self, opened: u64, before: Option<Before>) {
        let at = self.left.iter().position(|left| left.opened == opened);
        let left = at.map(|at| self.left.remove(at));
        self.leave(before);
        self.opened = opened;
        if let Some(Left { file, kept, draft, used_seed, guide, guides_itself, hints, .. }) = left {
            (self.file, self.kept, self.hints) = (file, kept, hints);
            // The box that is painted goes with the document in any case, and a seed is soon drawn.
            let is_same = |a: &Draft, b: &Draft| Draft { bounds: b.bounds, seed: b.seed, ..a.clone() } == *b;
            // What was written before others came back with their documents is what is to be kept, as long as nothing was written since.
            let is_untouched = self.brought_back.as_ref().is_some_and(|brought| is_same(brought, &self.draft));
            let find = |id: NoticeId| self.notices.iter().find(|notice| notice.id == id);
            let standing = self.as_they_were.and_then(find).filter(|_| is_untouched);
            let (mut kept, its_guide) =
                match standing.and_then(|notice| notice.offers.first()).map(|offer| &offer.action) {
                    Some(Action::TakeSettings(kept, guide)) => ((**kept).clone(), guide.clone()),
                    _ => (self.draft.clone(), self.guide.clone()),
                };
            kept.bounds = draft.bounds;
            let is_other = !is_same(&kept, &draft);
            self.brought_back = Some(draft.clone());
            self.take_settings(draft, guide);
            self.guided_by = guides_itself.then_some(opened);
            self.used_seed = used_seed;
            if is_other {
                let said = "The prompt and the settings are as they were with this picture";
                self.as_they_were = Some(self.notices.offering(said, vec![offer_to_keep(kept, its_guide)]));
            }
        }
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

/// Offers to go on with what was to be painted next, and what guided it, before something brought its own.
pub(super) fn offer_to_keep(before: Draft, guide: Option<Arc<Picture>>) -> Offer {
    let action = Action::TakeSettings(Box::new(before), guide);
    Offer { label: "Keep what was to be painted".into(), action }
}

/// What is said where something took the place of a document with more in it than was saved.
pub(super) fn took_the_place(name: &str) -> String {
    format!("{name} took the place of what was not saved")
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
