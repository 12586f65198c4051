//! Projects: files that hold all of a document, and what was to be painted next.

use super::current::{offer_to_keep, took_the_place};
use super::files::Task;
use super::{Draft, SavedAs, Session};
use crate::diffusion::Request;
use crate::geom::Bounds;
use crate::paint::Edit;
use crate::pixels::Picture;
use crate::project::{self, Kind, Project};
use std::path::PathBuf;
use std::sync::Arc;

/// The longest prompt that is taken from a project, in characters.
const LONGEST_PROMPT: usize = Request::<(), ()>::MAX_PROMPT;

impl Session {
    /// Writes the document to a file of its own. A name that ends otherwise gets the ending of one that can be gone on with.
    pub(super) fn save_project(&mut self, path: PathBuf) {
        if !self.document.has_picture() {
            self.notices.passing("There is nothing to save yet: paint or open a picture first");
            return;
        }
        let path = SavedAs::Project.file(path);
        let kind = Kind::of(&path).unwrap_or(Kind::Sfumato);
        let (project, saving) = (Box::new(self.project()), self.saving(kind));
        self.ask_files(Task::SaveProject { path, kind, project, saving });
    }

    /// All that a project's file holds. Its pixels are shared with the document.
    pub(super) fn project(&self) -> Project {
        Project {
            extent: self.document.extent(),
            stack: self.document.stack().clone(),
            mask: self.document.has_mask().then(|| Arc::clone(self.document.shared_mask())),
            masks_room: self.document.masks_room(),
            guide: self.guide.clone(),
            settings: serde_json::to_value(self.draft.storable()).ok(),
            file: None,
        }
    }

    /// Goes on with a project that was read: its layers, its mask, and, where it has them, its guide and what was to be painted next.
    pub(super) fn take_project(&mut self, name: &str, file: Option<PathBuf>, opened: project::Opened) {
        let project::Opened { project, mut notes } = opened;
        let Project { extent, stack, mask, masks_room, guide, settings, .. } = project;
        let edit = Edit::TakeLayers { extent, stack, mask: mask.map(Arc::unwrap_or_clone) };
        if !self.begin_another(edit, file, Some(took_the_place(name))) {
            return;
        }
        if masks_room {
            self.document.note_mask_of_room();
        }
        self.hints.clear();
        if let Some(settings) = settings {
            let before = self.draft.clone();
            let offer = offer_to_keep(before.clone(), self.guide.clone());
            let guide = guide.or_else(|| self.guide.clone());
            match serde_json::from_value::<Draft>(settings) {
                Ok(mut draft) => {
                    draft.prompt = draft.prompt.chars().take(LONGEST_PROMPT).collect();
                    draft.negative_prompt = draft.negative_prompt.chars().take(LONGEST_PROMPT).collect();
                    let ends = |start: u32, side: u32| start.checked_add(side).is_some();
                    let is_sound = |b: &Bounds| ends(b.left, b.extent.width) && ends(b.top, b.extent.height);
                    draft.bounds = draft.bounds.filter(is_sound);
                    self.take_settings(draft, guide);
                    if before != self.draft {
                        self.notices.offering(format!("{name} brings its own prompt and settings"), vec![offer]);
                    }
                }
                Err(error) => notes.push(format!("what was to be painted next could not be read: {error}")),
            }
        }
        if !notes.is_empty() {
            self.notices.info(format!("{name} was opened, but {}", notes.join("; ")));
        }
    }

    /// Takes over what is to be painted next, and what guides it.
    pub(super) fn take_settings(&mut self, draft: Draft, guide: Option<Arc<Picture>>) {
        self.history.remember(&self.draft.prompt);
        let before = std::mem::replace(&mut self.draft, draft).model;
        let is_same = match (&self.guide, &guide) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        self.guide = guide;
        self.guided_by = self.guided_by.filter(|_| is_same);
        self.note_guide();
        self.set_bounds(self.draft.bounds);
        self.settled_on(before);
    }
}
