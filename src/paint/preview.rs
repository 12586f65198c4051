use super::brush::Dabs;
use super::{Document, PaintBrush, Sample, Stroke, Tool};
use crate::geom::Bounds;
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
    /// A stroke that begins at `start`.
    pub fn begin(document: &Document, tool: Tool, brush: PaintBrush, start: Sample) -> Self {
        let mut preview = Self {
            stroke: Stroke { tool, brush, samples: Vec::new() },
            dabs: Dabs::new(tool, brush),
            mask: document.mask().clone(),
            dirty: None,
            touched: None,
            document_revision: document.revision(),
        };
        preview.extend(start);
        preview
    }

    /// Goes on to a place.
    pub fn extend(&mut self, to: Sample) {
        self.stroke.samples.push(to);
        if let Some(painted) = self.dabs.extend(&mut self.mask, to) {
            let grown = |bounds: Option<Bounds>| Some(bounds.map_or(painted, |b| b.union(painted)));
            self.dirty = grown(self.dirty);
            self.touched = grown(self.touched);
        }
    }

    /// The mask as it will be but for the end that follows the pointer when it is let go, to be shown in place of the document's.
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
