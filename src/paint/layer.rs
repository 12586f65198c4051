use super::{Blend, Placed, Tiles};
use crate::geom::Bounds;
use crate::pixels::Mask;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which layer of a document is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerId(pub u32);

/// What a layer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// A part of the picture.
    #[default]
    Picture,
    /// A part of the picture that a model painted.
    Result,
    /// A mask: what is on it, in whatever colour, is to be painted anew. No part of the picture.
    Mask,
    /// Its lines guide what a model paints. No part of the picture.
    Control,
}

impl LayerKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Picture, Self::Result, Self::Mask, Self::Control];

    /// What masks are painted in.
    pub(super) const MASK_COLOUR: [u8; 3] = [224, 48, 72];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Picture => "Picture",
            Self::Result => "Result",
            Self::Mask => "Mask",
            Self::Control => "Control",
        }
    }

    /// Whether it is a part of the picture; what is not is seen over it, tinted, while one paints.
    pub const fn is_of_the_picture(self) -> bool {
        matches!(self, Self::Picture | Self::Result)
    }

    /// Whether it is the usual one, which need not be written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    const fn is_usual(&self) -> bool {
        matches!(self, Self::Picture)
    }

    /// A pixel of such a layer as it is seen over the picture.
    pub(super) fn tinted(self, [r, g, b, alpha]: [u8; 4]) -> [u8; 4] {
        let towards = |from: u8, to: u8| ((u16::from(from) + 2 * u16::from(to)) / 3) as u8;
        match self {
            Self::Picture | Self::Result => [r, g, b, alpha],
            Self::Mask | Self::Control if alpha == 0 => [0; 4],
            Self::Mask => {
                let [r, g, b] = Self::MASK_COLOUR;
                [r, g, b, ((u16::from(alpha) * 3 + 2) / 5) as u8]
            }
            // As with a blue pencil: what it draws is not printed.
            Self::Control => [towards(r, 36), towards(g, 132), towards(b, 240), alpha],
        }
    }
}

/// What a layer is besides its pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerLook {
    /// What the person calls it.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "LayerKind::is_usual")]
    pub kind: LayerKind,
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
            kind: LayerKind::Picture,
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
    /// With nothing outside of the document.
    pub const fn new(id: LayerId, look: LayerLook, tiles: Tiles) -> Self {
        Self { id, look, tiles, beyond: None }
    }

    /// Whether its own words count: it has some, and is seen as a part of the picture.
    pub fn has_words(&self) -> bool {
        !self.look.prompt.trim().is_empty() && self.look.visible && self.look.kind.is_of_the_picture()
    }

    /// Whether it is of this kind, is seen, and there is something on it.
    pub fn counts_as(&self, kind: LayerKind) -> bool {
        self.look.kind == kind && self.look.visible && self.look.opacity > 0.0 && !self.tiles.is_clear()
    }

    /// How much it covers with a pixel of its own: nothing only where that is clear, or the layer.
    pub(super) fn covers(&self, [.., alpha]: [u8; 4]) -> u8 {
        let covers = (f32::from(alpha) * self.look.opacity).round() as u8;
        covers.max(u8::from(alpha > 0 && self.look.opacity > 0.0))
    }

    /// How much it covers in a box of the document, as a mask of that size. The box lies within the document.
    pub fn coverage(&self, bounds: Bounds) -> Mask {
        self.tiles.masked(bounds, |pixel| self.covers(pixel))
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
    /// What of it lies outside of the document, as [`Placed::beyond`] parts it off: never seen, and kept to be moved back.
    pub beyond: Option<Arc<Placed>>,
}
