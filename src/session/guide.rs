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

    /// Lets a layer of lines be seen as suits it, once there is one; `was_guided` by others before, it is seen as those are.
    pub(super) fn settle_guide(&mut self, was_guided: bool) {
        if !self.is_guided_by_layers() {
            return;
        }
        if self.fitting_controlnets().next().is_none() {
            if !was_guided {
                self.tell_of_no_controlnet();
            }
            return;
        }
        // How a picture is seen does not suit lines.
        let is_as_a_picture = !was_guided && self.guide.is_some();
        if self.draft.control.is_none() || is_as_a_picture {
            let before = self.guide.take();
            if let Some(drawn) = self.guide_now() {
                self.guide_by(drawn);
            }
            self.guide = before;
        }
    }

    /// The `ControlNet`s that can guide the chosen model.
    pub fn fitting_controlnets(&self) -> impl Iterator<Item = &str> {
        let fits = |choice: &&ControlNetChoice| choice.models.contains(&self.draft.model);
        self.controlnets.iter().filter(fits).map(|choice| choice.name.as_str())
    }

    fn tell_of_no_controlnet(&mut self) {
        self.notices.error(format!(
            "Nothing lets a picture guide {}: put a ControlNet that fits it into the folder “controlnet” in the folder of models",
            self.draft.model
        ));
    }

    /// Lets a picture guide what is painted from now on, seen as suits it.
    pub(super) fn guide_by(&mut self, picture: Arc<Picture>) {
        let fitting: Vec<String> = self.fitting_controlnets().map(str::to_owned).collect();
        let Some(first) = fitting.first() else {
            self.tell_of_no_controlnet();
            return;
        };
        let preprocessor = Preprocessor::suiting(&picture);
        let fits = |control: &Control<()>| fitting.contains(&control.controlnet);
        self.draft.control = Some(match self.draft.control.take().filter(fits) {
            Some(control) => Control { preprocessor, ..control },
            None => Control { controlnet: first.clone(), picture: (), preprocessor, weight: 1.0, start: 0.0, end: 1.0 },
        });
        self.guide = Some(picture);
    }
}
