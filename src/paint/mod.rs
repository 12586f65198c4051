//! The document: the picture to start from, the mask painted on it, and undo of both.
//!
//! The document changes by [`Edit`]s alone. A stroke that is still being drawn is shown by a [`StrokePreview`], which paints on
//! a copy of the mask with the same brush, so that what is seen is what the finished [`Stroke`] will do.

mod brush;
mod document;
mod history;
mod preview;

pub use document::{Document, Edit, Error};
pub use preview::StrokePreview;

use crate::geom::Point;

/// What the pointer does on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Move the view.
    #[default]
    Hand,
    /// Paint the mask.
    MaskBrush,
    /// Erase the mask.
    MaskEraser,
}

/// A round brush.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Brush {
    /// Diameter in image pixels.
    pub size: f32,
    /// 0..1: the share of the radius that is fully covered; the rest falls off to nothing.
    pub hardness: f32,
}

/// One movement of the pointer with a tool, from press to release.
#[derive(Clone, Debug, PartialEq)]
pub struct Stroke {
    /// With which tool.
    pub tool: Tool,
    /// With which brush.
    pub brush: Brush,
    /// Where it went, in image pixels.
    pub points: Vec<Point>,
}
