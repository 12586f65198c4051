//! The document: layers to paint on, the picture that is seen of them, the mask over it, and undo of all of it.
//!
//! The document changes by [`Edit`]s alone. A stroke that is still being drawn is shown by a [`StrokePreview`] (of the mask) or a
//! [`Painting`] (of a layer), which paint with the same brush on what they share with the document: what is seen is what the
//! finished stroke will do.
//!
//! Pixels lie in tiles that are shared until they change. An edit makes a new [`Stack`] of layers out of an old one, and undo keeps
//! the old one, which costs no more than the tiles that changed. What of a layer lies outside of the document is kept beside its tiles
//! ([`Layer::beyond`]).

mod beyond;
mod blend;
mod brush;
mod coverage;
mod document;
mod error;
mod fill;
mod gradient;
mod hands;
mod history;
mod ink;
mod layer;
mod layer_edits;
mod mask_edits;
mod painting;
mod path;
mod preview;
mod reframe;
mod room;
mod seen;
mod shape;
mod smudge;
mod stack;
mod tiles;
mod tip;
mod transform;
mod within;

pub use beyond::Placed;
pub use blend::Blend;
pub use document::{Beside, Document, Edit};
pub use error::Error;
pub use fill::{Bucket, Filling};
pub use gradient::{Gradient, Spread};
pub(crate) use hands::promptly;
#[cfg(test)]
pub(crate) use hands::tests::meanwhile;
pub use ink::Ink;
pub use layer::{Layer, LayerId, LayerKind, LayerLook};
pub use layer_edits::LayerEdit;
pub use mask_edits::MaskEdit;
pub use painting::{PaintBrush, Painting};
pub use path::Sample;
pub use preview::StrokePreview;
pub use reframe::Frame;
pub use room::Side;
pub use seen::{Mixed, Mixing};
pub use shape::{Combine, Shape};
pub use stack::Stack;
pub use tiles::{TILE_BYTES, TILE_SIDE, Tile, Tiles};
pub use transform::Transform;

/// What the pointer does on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Move the view.
    #[default]
    Hand,
    /// Paint on the active layer.
    Brush,
    /// Take paint off the active layer.
    Eraser,
    /// Push the paint of the active layer along.
    Smudge,
    /// Paint a straight line on the active layer.
    Line,
    /// Let colour run over the active layer.
    Gradient,
    /// Fill what looks alike.
    Bucket,
    /// Take up a colour.
    Eyedropper,
    /// Paint the mask.
    MaskBrush,
    /// Erase the mask.
    MaskEraser,
    /// Mask a box.
    MaskRectangle,
    /// Mask an ellipse.
    MaskEllipse,
    /// Mask what a loop of the pointer encloses.
    MaskLasso,
    /// Mask what corners enclose that are set one by one.
    MaskPolygon,
    /// Mask what looks alike.
    MaskWand,
    /// Move, scale and turn the active layer.
    Transform,
    /// Cut the canvas.
    Crop,
    /// Choose the box of the canvas that is painted.
    Bounds,
}

impl Tool {
    /// Whether it works on the mask, stroke by stroke.
    pub const fn is_mask(self) -> bool {
        matches!(self, Self::MaskBrush | Self::MaskEraser)
    }

    /// Whether it masks whole areas.
    pub const fn is_shape(self) -> bool {
        matches!(self, Self::MaskRectangle | Self::MaskEllipse | Self::MaskLasso | Self::MaskPolygon | Self::MaskWand)
    }

    /// Whether it paints on a layer with the brush.
    pub const fn is_paint(self) -> bool {
        matches!(self, Self::Brush | Self::Eraser | Self::Smudge | Self::Line)
    }
}

/// A round brush.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Brush {
    /// Diameter in image pixels.
    pub size: f32,
    /// 0..1: the share of the radius that is fully covered; the rest falls off to nothing.
    pub hardness: f32,
}

/// One movement of the pointer over the mask, from press to release.
#[derive(Clone, Debug, PartialEq)]
pub struct Stroke {
    /// With which tool.
    pub tool: Tool,
    /// With which brush; its flow and spacing are of no matter.
    pub brush: PaintBrush,
    /// Where it went, and how hard it was pressed.
    pub samples: Vec<Sample>,
}
