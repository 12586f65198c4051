//! The file that the document is saved in, and whether it is behind.

use super::{Action, Offer, Session};
use crate::paint::Layer;
use crate::project::Kind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// By which a document is told from what it was: its layers by where they lie, held so that nothing else comes to lie there.
#[derive(Clone, Debug)]
pub(super) struct Sign {
    layers: Vec<Arc<Layer>>,
    mask: u64,
}

impl PartialEq for Sign {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arc<Layer>, &Arc<Layer>)| Arc::ptr_eq(a, b);
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

    pub(super) fn sign(&self) -> Sign {
        Sign { layers: self.document.stack().layers().to_vec(), mask: self.document.mask_revision() }
    }

    /// A project is on its way to its file.
    pub(super) fn saves(&mut self, path: &Path, kind: Kind) {
        // What other programs get is no place to go on from: not all of the document is in it.
        self.saving = (kind == Kind::Sfumato).then(|| (path.to_owned(), self.sign()));
    }

    /// A project was saved.
    pub(super) fn was_saved(&mut self, path: &PathBuf) {
        if let Some((path, sign)) = self.saving.take_if(|(saving, _)| saving == path) {
            self.file = Some(path.into());
            self.kept = Some(sign);
        }
    }

    /// Another document took the place of what was there, from this file if it has one.
    pub(super) fn begin_with(&mut self, file: Option<Arc<Path>>) {
        self.documents += 1;
        self.opened = self.documents;
        self.file = file;
        self.kept = Some(self.sign());
    }

    /// Offers to take it back that something took the place of a document with more in it than was saved.
    pub(super) fn tell_of_replaced(&mut self, name: &str) {
        let undo = Offer { label: "Undo".into(), action: Action::Undo };
        self.notices.passing(format!("{name} took the place of what was not saved"), vec![undo]);
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
