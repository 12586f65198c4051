use super::{Blend, Tiles};
use crate::geom::Bounds;
use crate::pixels::Mask;
use serde::{Deserialize, Serialize};

/// Which layer of a document is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerId(pub u32);

/// What a layer is besides its pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerLook {
    /// What the person calls it.
    pub name: String,
    /// 0..1.
    pub opacity: f32,
    /// How it meets what lies under it.
    pub blend: Blend,
    /// Whether it is seen.
    pub visible: bool,
    /// Whether it is safe from every change of its pixels.
    pub locked: bool,
    /// Whether strokes leave its pixels as opaque as they are.
    pub keeps_alpha: bool,
    /// What a model is to paint where it covers others; empty leaves that to them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// How what was applied to it was made, the oldest first, in the words of who applied it: nothing in here reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipes: Vec<serde_json::Value>,
}

impl LayerLook {
    /// Seen as it is, and open to change.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            name,
            opacity: 1.0,
            blend: Blend::Normal,
            visible: true,
            locked: false,
            keeps_alpha: false,
            prompt: String::new(),
            recipes: Vec::new(),
        }
    }

    /// The same with an opacity that is one, and a name that fits a list.
    pub(super) fn sound(mut self) -> Self {
        const LONGEST_NAME: usize = 100;
        const LONGEST_PROMPT: usize = 2000;
        const MOST_RECIPES: usize = 32;
        self.opacity = if self.opacity.is_nan() { 1.0 } else { self.opacity.clamp(0.0, 1.0) };
        self.name = self.name.chars().take(LONGEST_NAME).collect();
        self.recipes.drain(..self.recipes.len().saturating_sub(MOST_RECIPES));
        self.prompt = self.prompt.chars().take(LONGEST_PROMPT).collect();
        self
    }
}

impl Layer {
    /// Whether its own words count: it has some and is seen.
    pub fn has_words(&self) -> bool {
        !self.look.prompt.trim().is_empty() && self.look.visible
    }

    /// How much it covers in a box of the document, as a mask of that size. The box lies within the document.
    pub fn coverage(&self, bounds: Bounds) -> Mask {
        let part = self.tiles.cropped(bounds);
        let covers = |pixel: &[u8; 4]| (f32::from(pixel[3]) * self.look.opacity).round() as u8;
        let coverage = part.rgba().as_chunks::<4>().0.iter().map(covers).collect();
        Mask::from_coverage(part.extent(), coverage).expect("a byte a pixel")
    }
}

/// A sheet of pixels among others.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// By which it is told from others, whatever it is called and wherever it lies.
    pub id: LayerId,
    /// How it is called, seen and kept.
    pub look: LayerLook,
    /// Its pixels, of the document's extent.
    pub tiles: Tiles,
}
