//! How results on layers were made. It is written onto the layer that a result is applied as, goes with it into files, and is read again
//! when its settings are asked for.

use super::Draft;
use super::results::Finished;
use crate::diffusion::Record;
use crate::paint::{Document, LayerKind, LayerLook};
use serde::{Deserialize, Serialize};

/// How one result was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Recipe {
    /// What decided it; pixels are named by their digests, under which the gallery has them.
    pub(super) request: Record,
    /// The same as A1111 writes it.
    pub(super) parameters: String,
}

impl Recipe {
    fn of(finished: &Finished) -> Self {
        let request = (*finished.request).clone();
        let named = request.map_pixels(|picture| Ok(picture.digest()), |mask| Ok(mask.digest()));
        let Ok::<_, std::convert::Infallible>(request) = named;
        Self { request, parameters: finished.parameters.clone() }
    }

    /// The newest on a layer that can be read.
    pub(super) fn on(look: &LayerLook) -> Option<Self> {
        look.recipes.iter().rev().find_map(|recipe| Self::deserialize(recipe).ok())
    }

    /// The newest on the uppermost layer that is seen and has one.
    pub(super) fn seen_in(document: &Document) -> Option<Self> {
        let seen = document.stack().layers().iter().rev().filter(|layer| layer.look.visible);
        seen.map(|layer| &layer.look).find_map(Self::on)
    }

    /// A layer for what was made so, called by its prompt, or by what was done without one.
    pub(super) fn look(&self) -> LayerLook {
        let name = match self.request.prompt.as_str() {
            "" if Draft::removes(&self.request) => "Removed",
            "" => "Without words",
            prompt => prompt,
        };
        let recipe = serde_json::to_value(self).expect("strings, numbers and lists can be written as JSON");
        LayerLook { kind: LayerKind::Result, recipes: vec![recipe], ..LayerLook::named(name) }
    }
}

impl Finished {
    /// A layer for it, which says how it was made.
    pub(super) fn look(&self) -> LayerLook {
        Recipe::of(self).look()
    }
}
