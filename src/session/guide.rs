//! The picture that guides what is painted, and what can see it.

use super::Session;
use crate::diffusion::{Control, Preprocessor};
use crate::paint::LayerKind;
use crate::pixels::Picture;
use std::sync::Arc;

/// A `ControlNet` that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlNetChoice {
    /// Its name, as requests have it.
    pub name: String,
    /// The models that it can guide.
    pub models: Vec<String>,
}

/// What can guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guides {
    Picture,
    Layers,
}

/// How the lines of what guides are seen, where the draft does not say it: that is of what guides now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    /// What guided when that was settled last.
    guides: Option<Guides>,
    /// How the lines of each were seen when it guided last.
    seen: [Option<Preprocessor>; 2],
}

impl Session {
    /// Whether a layer guides what is painted: one of that kind is seen, and there is something on it.
    pub fn is_guided_by_layers(&self) -> bool {
        self.document.stack().layers().iter().any(|layer| layer.counts_as(LayerKind::Control))
    }

    /// What guides now: what is drawn on the layers for it, or where there is none, the picture.
    pub(super) fn guide_now(&self) -> Option<Arc<Picture>> {
        let document = &self.document;
        let drawn = || Arc::new(document.stack().drawn_on(LayerKind::Control, document.extent()).to_picture());
        if self.is_guided_by_layers() { Some(drawn()) } else { self.guide.clone() }
    }

    fn guides_now(&self) -> Option<Guides> {
        let picture = || self.guide.is_some().then_some(Guides::Picture);
        self.is_guided_by_layers().then_some(Guides::Layers).or_else(picture)
    }

    /// Once something else guides than before, lets it be seen as it was when it guided last, or else as suits it.
    pub(super) fn settle_guide(&mut self) {
        let now = self.guides_now();
        let was = std::mem::replace(&mut self.lines.guides, now);
        let seen = self.draft.control.as_ref().map(|control| control.preprocessor);
        let is_unseen = now == Some(Guides::Layers) && seen.is_none();
        if was == now && !is_unseen {
            return;
        }
        if let (Some(was), Some(seen)) = (was, seen) {
            self.lines.seen[was as usize] = Some(seen);
        }
        let Some(guides) = now else { return };
        if self.fitting_controlnets().next().is_none() {
            if was != now && guides == Guides::Layers {
                self.tell_of_no_controlnet();
            }
            return;
        }
        let known = self.lines.seen[guides as usize];
        if let Some(preprocessor) = known.or_else(|| self.guide_now().map(|guide| Preprocessor::suiting(&guide))) {
            self.see_guide_as(preprocessor);
        }
    }

    /// What guides is another, seen as the draft says.
    pub(super) fn note_guide(&mut self) {
        self.lines = Lines { guides: self.guides_now(), ..Lines::default() };
    }

    /// Lets another picture guide, or none. How the one before was seen is forgotten.
    pub(super) fn set_guide(&mut self, picture: Option<Arc<Picture>>) {
        (self.guide, self.guided_by) = (picture, None);
        self.lines.seen[Guides::Picture as usize] = None;
    }

    /// Lets what guided a result guide again, seen as it was then. Where layers guide, it waits until they do no more, and they are `seen` as
    /// before, or as suits them.
    pub(super) fn recall_guide(&mut self, guided: Option<&Control<Arc<Picture>>>, seen: Option<Preprocessor>) {
        self.set_guide(guided.map(|control| Arc::clone(&control.picture)));
        self.lines.seen[Guides::Picture as usize] = guided.map(|control| control.preprocessor);
        if !self.is_guided_by_layers() {
            return;
        }
        let seen = seen.or(self.lines.seen[Guides::Layers as usize]);
        let seen = seen.or_else(|| self.guide_now().map(|lines| Preprocessor::suiting(&lines)));
        if let (Some(seen), Some(control)) = (seen, &mut self.draft.control) {
            control.preprocessor = seen;
        }
    }

    /// The `ControlNet`s that can guide the chosen model.
    pub fn fitting_controlnets(&self) -> impl Iterator<Item = &str> {
        let fits = |choice: &&ControlNetChoice| choice.models.contains(&self.draft.model);
        self.controlnets.iter().filter(fits).map(|choice| choice.name.as_str())
    }

    fn tell_of_no_controlnet(&mut self) {
        self.notices.failed(format!(
            "Nothing lets a picture guide {}: put a ControlNet that fits it into the folder “controlnet” in the folder of models",
            self.draft.model
        ));
    }

    /// Lets a picture guide what is painted from now on, seen as suits it.
    pub(super) fn guide_by(&mut self, picture: Arc<Picture>) {
        if self.fitting_controlnets().next().is_none() {
            self.tell_of_no_controlnet();
            return;
        }
        let preprocessor = Preprocessor::suiting(&picture);
        self.set_guide(Some(picture));
        // Where layers guide, it waits until they do no more.
        if !self.is_guided_by_layers() {
            self.see_guide_as(preprocessor);
        }
    }

    /// Lets the open picture guide: it goes with the document.
    pub(super) fn guide_by_itself(&mut self) {
        let Some(picture) = self.document.picture().cloned() else { return };
        self.guide_by(Arc::clone(&picture));
        if self.guide.as_ref().is_some_and(|guide| Arc::ptr_eq(guide, &picture)) {
            self.guided_by = Some(self.opened);
        }
    }

    /// Lets what guides be seen so, by a `ControlNet` that fits the model, if there is one.
    fn see_guide_as(&mut self, preprocessor: Preprocessor) {
        let fitting: Vec<String> = self.fitting_controlnets().map(str::to_owned).collect();
        let Some(first) = fitting.first() else { return };
        let fits = |control: &Control<()>| fitting.contains(&control.controlnet);
        self.draft.control = Some(match self.draft.control.take().filter(fits) {
            Some(control) => Control { preprocessor, ..control },
            None => Control { controlnet: first.clone(), picture: (), preprocessor, weight: 1.0, start: 0.0, end: 1.0 },
        });
    }
}
