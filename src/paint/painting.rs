//! A stroke of the paint brush, while it is drawn and when it is done. It works on a stack of its own, which shares with the
//! document's all that it does not touch: what is seen is what the document takes over when the pointer is let go, and letting
//! go of this is all it takes to cancel.

use super::coverage::Coverage;
use super::document::Document;
use super::ink::Coat;
use super::path::{Follow, Path, Sample};
use super::tip::Tip;
use super::{Brush, Error, Ink, Layer, Stack, Tiles};
use crate::geom::Bounds;
use std::sync::Arc;

/// A brush that paints on layers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PaintBrush {
    /// Size and hardness.
    pub tip: Brush,
    /// 0..1: how opaque a whole stroke is, however often it crosses itself.
    pub opacity: f32,
    /// 0..1: how far each dab goes towards that; less builds up slowly, as an airbrush does.
    pub flow: f32,
    /// The distance between dabs as a share of the size.
    pub spacing: f32,
    /// 0..1: how much the path is steadied, and lags behind the pointer.
    pub smoothing: f32,
    /// Whether pressing harder makes it wider.
    pub pressure_sizes: bool,
    /// Whether pressing harder lets more flow.
    pub pressure_flows: bool,
}

impl PaintBrush {
    const MIN_SPACING: f32 = 0.01;

    /// An even, opaque brush with this tip.
    pub const fn new(tip: Brush) -> Self {
        let (opacity, flow, spacing, smoothing) = (1.0, 1.0, 0.08, 0.3);
        Self { tip, opacity, flow, spacing, smoothing, pressure_sizes: true, pressure_flows: false }
    }
}

/// A stroke of the paint brush under way, on the document's active layer.
#[derive(Clone, Debug)]
pub struct Painting {
    brush: PaintBrush,
    path: Path,
    coverage: Coverage,
    coat: Coat,
    before: Arc<Layer>,
    stack: Stack,
    flat: Tiles,
    document_revision: u64,
}

impl Painting {
    /// Takes up the brush. Fails where the active layer must not change, is not seen, or is not there.
    pub fn begin(document: &Document, ink: Ink, brush: PaintBrush) -> Result<Self, Error> {
        let extent = document.extent();
        let (stack, flat) = (document.stack().clone(), (**document.flat()).clone());
        let before = Arc::clone(stack.paintable()?);
        let unit = |value: f32| if value.is_nan() { 1.0 } else { value.clamp(0.0, 1.0) };
        Ok(Self {
            brush: PaintBrush { flow: unit(brush.flow), ..brush },
            path: Path::new(Follow::Smooth(unit(brush.smoothing))),
            coverage: Coverage::none(extent),
            coat: Coat { ink, opacity: unit(brush.opacity), keeps_alpha: before.look.keeps_alpha },
            before,
            stack,
            flat,
            document_revision: document.revision(),
        })
    }

    /// Goes on along these places of the pointer.
    pub fn extend(&mut self, samples: &[Sample]) {
        let Self { brush, path, coverage, .. } = self;
        for &sample in samples {
            path.extend(sample, &mut |at| dab(coverage, brush, at));
        }
        self.lay();
    }

    /// Goes all the way to where the pointer was let go.
    pub fn finish(&mut self) {
        let Self { brush, path, coverage, .. } = self;
        path.finish(&mut |at| dab(coverage, brush, at));
        self.lay();
    }

    /// Covers pixels fully, wherever the pointer was.
    pub(super) fn fill(&mut self, bounds: Bounds, is_covered: impl Fn(u32, u32) -> bool) {
        self.coverage.fill(bounds, is_covered);
        self.lay();
    }

    /// What is seen of all layers with the stroke among them.
    pub fn flat(&self) -> &Tiles {
        &self.flat
    }

    /// With what.
    pub fn ink(&self) -> Ink {
        self.coat.ink
    }

    /// Whether the document is still the one that the stroke began on. If not (undone meanwhile, another picture), cancel.
    pub fn is_current(&self, document: &Document) -> bool {
        self.document_revision == document.revision()
    }

    pub(super) fn into_parts(self) -> (Stack, Tiles) {
        (self.stack, self.flat)
    }

    /// Brings what changed from the coverage to the layer, and from there to what is seen.
    fn lay(&mut self) {
        let changed = self.coverage.take_changed();
        if changed.is_empty() {
            return;
        }
        let Self { coverage, coat, before, stack, flat, .. } = self;
        let coated = |index: usize| {
            let tile = coverage.coated(index, before.tiles.tile(index).map(Arc::as_ref), *coat)?;
            (!tile.is_clear()).then(|| Arc::new(tile))
        };
        if let Some(layer) = stack.layer_mut(before.id) {
            layer.tiles.set_all(&changed, coated);
        }
        flat.set_all(&changed, |index| stack.seen(index));
    }
}

/// Leaves one dab, and says how far the next one is.
fn dab(coverage: &mut Coverage, brush: &PaintBrush, sample: Sample) -> f32 {
    let size = if brush.pressure_sizes { brush.tip.size * sample.pressure } else { brush.tip.size };
    let flow = if brush.pressure_flows { brush.flow * sample.pressure } else { brush.flow };
    let tip = Tip::new(Brush { size, ..brush.tip });
    coverage.dab(tip, sample.at, flow);
    (2.0 * tip.outer * brush.spacing.max(PaintBrush::MIN_SPACING)).max(0.5)
}

#[cfg(test)]
#[path = "painting_tests.rs"]
mod tests;
