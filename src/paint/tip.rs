use super::Brush;
use crate::geom::{Bounds, Extent, Point};

const LARGEST: f32 = 100_000.0;

/// The round end of a brush: fully covering up to an inner radius, then down an even S-shaped slope (3t² − 2t³) to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tip {
    /// Up to here from the centre it covers fully.
    pub(super) inner: f32,
    /// From here on it covers nothing.
    pub(super) outer: f32,
}

impl Tip {
    /// A size below 1, a hardness outside 0..1 and what is not a number are taken as the nearest that makes sense.
    pub(super) fn new(brush: Brush) -> Self {
        let size = if brush.size.is_nan() { 1.0 } else { brush.size.clamp(1.0, LARGEST) };
        let hardness = if brush.hardness.is_nan() { 1.0 } else { brush.hardness.clamp(0.0, 1.0) };
        // The hardest edge still takes one pixel, or it would show steps.
        let outer = size / 2.0 + 0.5;
        Self { inner: (hardness * size / 2.0).min(outer - 1.0), outer }
    }

    /// Coverage at a distance from the centre, 0..1.
    pub(super) fn falloff(self, distance: f32) -> f32 {
        let t = ((self.outer - distance) / (self.outer - self.inner)).clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    }

    /// The pixels of a picture that it can touch with its centre here.
    pub(super) fn reach(self, extent: Extent, centre: Point) -> Option<Bounds> {
        let span = |centre: f32, side: u32| {
            let first = (centre - self.outer).floor().max(0.0) as u32;
            let end = ((centre + self.outer).ceil().max(0.0) as u32).min(side);
            (first < end).then(|| (first, end - first))
        };
        let (left, width) = span(centre.x, extent.width)?;
        let (top, height) = span(centre.y, extent.height)?;
        Some(Bounds { left, top, extent: Extent::new(width, height) })
    }
}
