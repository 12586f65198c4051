use super::brush::Dabs;
use super::{Brush, Document, Stroke, Tool};
use crate::geom::{Bounds, Point};
use crate::pixels::Mask;

/// A stroke while it is drawn. It paints on a copy of the document's mask, which the canvas shows in its place; the document
/// changes when the finished stroke reaches it, and until then letting go of this is all it takes to cancel.
#[derive(Clone, Debug)]
pub struct StrokePreview {
    stroke: Stroke,
    dabs: Dabs,
    mask: Mask,
    dirty: Option<Bounds>,
    touched: Option<Bounds>,
    document_revision: u64,
}

impl StrokePreview {
    /// A stroke that begins at `start`, in image pixels.
    pub fn begin(document: &Document, tool: Tool, brush: Brush, start: Point) -> Self {
        let mut preview = Self {
            stroke: Stroke { tool, brush, points: Vec::new() },
            dabs: Dabs::new(tool, brush),
            mask: document.mask().clone(),
            dirty: None,
            touched: None,
            document_revision: document.revision(),
        };
        preview.extend(start);
        preview
    }

    /// Goes on to `point`, in image pixels.
    pub fn extend(&mut self, point: Point) {
        self.stroke.points.push(point);
        if let Some(painted) = self.dabs.extend(&mut self.mask, point) {
            let grown = |bounds: Option<Bounds>| Some(bounds.map_or(painted, |b| b.union(painted)));
            self.dirty = grown(self.dirty);
            self.touched = grown(self.touched);
        }
    }

    /// The mask as it will be, to be shown in place of the document's.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// What changed in [`Self::mask`] since the last call: what has to be uploaded.
    pub fn take_dirty(&mut self) -> Option<Bounds> {
        self.dirty.take()
    }

    /// All that the stroke touched so far: what has to be shown from the document again when the stroke is cancelled.
    pub fn touched(&self) -> Option<Bounds> {
        self.touched
    }

    /// Whether the document is still the one that the stroke began on. If not (undone meanwhile, another picture), cancel.
    pub fn is_current(&self, document: &Document) -> bool {
        self.document_revision == document.revision()
    }

    /// The finished stroke, for [`super::MaskEdit::Stroke`].
    pub fn finish(self) -> Stroke {
        self.stroke
    }
}
