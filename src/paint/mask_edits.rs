//! What can be done to the document's mask.

use super::brush::Dabs;
use super::document::{Document, rows};
use super::hands::promptly;
use super::history::Change;
use super::{Combine, Error, Shape, Stroke};
use crate::geom::{Bounds, Extent};
use crate::pixels::Mask;
use std::sync::Arc;

/// A change of the mask.
#[derive(Clone, Debug)]
pub enum MaskEdit {
    /// A stroke of the mask brush or eraser.
    Stroke(Stroke),
    /// Repaint nothing in particular.
    Clear,
    /// Repaint what was kept and keep what was repainted.
    Invert,
    /// Take this mask, of the document's extent.
    Replace(Mask),
    /// Add an area to the mask, take it away, keep nothing else, or have it in the place of the mask.
    Shape(Shape, Combine),
    /// Let the mask reach further, and soften it.
    Adjust {
        /// By how many pixels it reaches further, or less far if they are negative.
        grow: i32,
        /// The deviation of the Gaussian that softens it then, in pixels.
        feather: f32,
        /// Whether that takes the place of the adjustment before it, if nothing was done in between: a slider that is being dragged.
        goes_on: bool,
        /// Whether a large mask may be adjusted roughly, so that it is seen at once, until [`Document::finish_adjusting`].
        is_rough: bool,
    },
}

/// The newest change of a document, if it adjusted the mask.
#[derive(Clone, Debug)]
pub(super) struct Adjusted {
    /// What the mask was.
    base: Arc<Mask>,
    grow: i32,
    feather: f32,
    /// Whether that is a step of undo: what changes nothing is none.
    is_step: bool,
    is_rough: bool,
    /// Of the document after it.
    revision: u64,
}

impl Document {
    /// By how much the mask was grown and softened by the newest change; nothing if that was another one.
    pub fn mask_adjustment(&self) -> (i32, f32) {
        self.newest_adjustment().map_or((0, 0.0), |adjusted| (adjusted.grow, adjusted.feather))
    }

    fn newest_adjustment(&self) -> Option<&Adjusted> {
        self.adjusted.as_ref().filter(|adjusted| adjusted.revision == self.revision())
    }

    pub(super) fn edit_mask(&mut self, edit: MaskEdit) -> Result<bool, Error> {
        let change = match edit {
            MaskEdit::Stroke(stroke) => self.paint_mask(&stroke),
            MaskEdit::Clear if self.has_mask() => self.take_mask(&Mask::empty(self.extent())),
            MaskEdit::Clear => None,
            MaskEdit::Invert => Some(self.swap(Change::MaskInverted { number: self.next_mask() })),
            MaskEdit::Replace(mask) if mask.extent() == self.extent() => self.take_mask(&mask),
            MaskEdit::Replace(mask) => {
                return Err(Error::MaskExtent { expected: self.extent(), found: mask.extent() });
            }
            MaskEdit::Shape(shape, combine) => {
                let area = shape.mask(self.flat());
                let is_none = is_next_to_nothing(&area);
                let area = if is_none { Mask::empty(self.extent()) } else { area };
                let change = self.take_mask(&combine.of(self.mask(), &area));
                if is_none && change.is_none() {
                    return Err(Error::NextToNothing);
                }
                change
            }
            MaskEdit::Adjust { grow, feather, goes_on, is_rough } => {
                return Ok(self.adjust_mask((grow, feather), goes_on, is_rough));
            }
        };
        let changed = change.is_some();
        self.remember(change);
        Ok(changed)
    }

    /// Makes an adjustment exact that was made roughly, if it is the newest change. Returns whether it was.
    pub fn finish_adjusting(&mut self) -> bool {
        let rough = self.newest_adjustment().filter(|adjusted| adjusted.is_rough);
        let Some((grow, feather)) = rough.map(|adjusted| (adjusted.grow, adjusted.feather)) else { return false };
        promptly(|| self.adjust_mask((grow, feather), true, false));
        true
    }

    fn adjust_mask(&mut self, (grow, feather): (i32, f32), goes_on: bool, is_rough: bool) -> bool {
        let earlier = self.newest_adjustment().filter(|_| goes_on).cloned();
        if earlier.is_none() && !self.has_mask() {
            return false;
        }
        let before = Arc::clone(self.shared_mask());
        if earlier.as_ref().is_some_and(|earlier| earlier.is_step) {
            self.forget_newest();
        }
        let base = earlier.map_or_else(|| Arc::clone(&before), |earlier| earlier.base);
        let by = if is_rough { (base.extent().area() as f64 / ROUGH_AREA as f64).sqrt().ceil() as u32 } else { 1 };
        let after = base.roughly(by, |mask| adjusted(mask, grow, feather, by));
        let is_step = after != *base;
        if is_step {
            let change = self.swap(Change::Mask { mask: Arc::new(after), number: self.next_mask() });
            self.remember(Some(change));
        }
        let revision = self.revision();
        self.adjusted = Some(Adjusted { base, grow, feather, is_step, is_rough: by > 1, revision });
        *self.mask() != *before
    }

    fn paint_mask(&mut self, stroke: &Stroke) -> Option<Change> {
        let mut after = self.mask().clone();
        let mut dabs = Dabs::new(stroke.tool, stroke.brush);
        let mut painted: Vec<_> = stroke.samples.iter().map(|&sample| dabs.extend(&mut after, sample)).collect();
        painted.push(dabs.finish(&mut after));
        let painted = painted.into_iter().flatten().reduce(Bounds::union)?;
        self.take_mask_within(&after, painted)
    }

    fn take_mask(&mut self, after: &Mask) -> Option<Change> {
        self.take_mask_within(after, Bounds::whole(self.extent()))
    }

    /// Takes over what is different in `after`, which differs in `bounds` at most.
    fn take_mask_within(&mut self, after: &Mask, bounds: Bounds) -> Option<Change> {
        let bounds = difference(self.mask(), after, bounds)?;
        let mut coverage = Vec::with_capacity(bounds.extent.area());
        rows(after.extent(), bounds).for_each(|row| coverage.extend_from_slice(&after.coverage()[row]));
        Some(self.swap(Change::MaskBox { bounds, coverage, number: self.next_mask() }))
    }
}

/// Whether an area covers something, but less than a pixel in all, or has no edge that is seen, where coverage passes a half: as a mask it
/// would keep paint out, and nobody would see why.
fn is_next_to_nothing(area: &Mask) -> bool {
    let covered: u64 = area.coverage().iter().map(|&covers| u64::from(covers)).sum();
    covered > 0 && (covered < 255 || area.coverage().iter().all(|&covers| covers < 128))
}

/// How many pixels are adjusted fast enough to follow a slider.
const ROUGH_AREA: usize = 1 << 20;

/// A mask that reaches further and is softened, where one of its pixels stands for `by` across and down.
fn adjusted(mask: &Mask, grow: i32, feather: f32, by: u32) -> Mask {
    let reach = (f64::from(grow.unsigned_abs()) / f64::from(by)).round() as u32;
    let grown = if grow < 0 { mask.inverted().grown(reach).inverted() } else { mask.grown(reach) };
    grown.feathered(feather / by as f32)
}

/// The smallest box within `bounds` outside of which two masks of one extent agree. `None` if they agree everywhere.
pub(super) fn difference(before: &Mask, after: &Mask, bounds: Bounds) -> Option<Bounds> {
    let mut found: Option<Bounds> = None;
    for (y, row) in (bounds.top..).zip(rows(before.extent(), bounds)) {
        if before.coverage()[row.clone()] == after.coverage()[row.clone()] {
            continue;
        }
        let mut differing = before.coverage()[row.clone()].iter().zip(&after.coverage()[row]).map(|(a, b)| a != b);
        if let Some(first) = differing.clone().position(|differs| differs) {
            let last = differing.rposition(|differs| differs).unwrap_or(first);
            let in_row =
                Bounds { left: bounds.left + first as u32, top: y, extent: Extent::new((last - first + 1) as u32, 1) };
            found = Some(found.map_or(in_row, |bounds| bounds.union(in_row)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Brush, Edit, PaintBrush, Sample, Tool};
    use super::*;
    use crate::geom::Point;

    const EXTENT: Extent = Extent::new(40, 30);

    fn masked() -> Document {
        let mut document = Document::new(EXTENT);
        let brush = PaintBrush::new(Brush { size: 12.0, hardness: 1.0 });
        let stroke = Stroke { tool: Tool::MaskBrush, brush, samples: vec![Sample::at(20.0, 15.0)] };
        document.apply(Edit::Mask(MaskEdit::Stroke(stroke))).unwrap();
        document
    }

    fn adjust(document: &mut Document, grow: i32, feather: f32) -> bool {
        document.apply(Edit::Mask(MaskEdit::Adjust { grow, feather, goes_on: true, is_rough: false })).unwrap()
    }

    #[test]
    fn adjustments_in_a_row_begin_at_the_same_mask_and_are_one_step() {
        let mut document = masked();
        let before = document.mask().clone();
        for (grow, feather) in [(3, 0.0), (5, 1.0), (-2, 4.0), (2, 1.5)] {
            adjust(&mut document, grow, feather);
            assert_eq!(document.mask_adjustment(), (grow, feather));
        }
        assert_eq!(*document.mask(), before.grown(2).feathered(1.5));
        assert!(document.undo());
        assert_eq!((document.mask(), document.mask_adjustment()), (&before, (0, 0.0)));
        assert!(document.redo());
        assert_eq!(*document.mask(), before.grown(2).feathered(1.5));
        assert!(document.undo() && document.undo() && !document.undo());
    }

    #[test]
    fn an_area_that_encloses_next_to_nothing_does_not_become_the_mask() {
        let lasso = |[left, top, width, height]: [f32; 4]| {
            let (right, bottom) = (left + width, top + height);
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
            Shape::Lasso(corners.map(|(x, y)| Point::new(x, y)).to_vec())
        };
        let mask =
            |document: &mut Document, area, combine| document.apply(Edit::Mask(MaskEdit::Shape(lasso(area), combine)));
        // A sliver along many pixels, none of which it covers by half; and most of one.
        for area in [[2.0, 15.25, 30.0, 0.25], [20.0, 15.0, 0.75, 1.0]] {
            let mut document = Document::new(EXTENT);
            for combine in [Combine::Add, Combine::Replace] {
                assert_eq!(mask(&mut document, area, combine), Err(Error::NextToNothing));
                assert!(!document.has_mask() && !document.can_undo());
            }
            let mut document = masked();
            let before = document.mask().clone();
            for combine in [Combine::Add, Combine::Subtract] {
                assert_eq!(mask(&mut document, area, combine), Err(Error::NextToNothing));
                assert_eq!(*document.mask(), before);
            }
            assert_eq!(mask(&mut document, area, Combine::Replace), Ok(true), "as a click does");
            assert!(!document.has_mask() && document.undo() && *document.mask() == before);
        }
        let mut document = Document::new(EXTENT);
        assert_eq!(mask(&mut document, [7.0, 7.0, 0.0, 0.0], Combine::Add), Ok(false), "nothing is said of a click");
        assert_eq!(mask(&mut document, [7.0, 7.0, 1.0, 1.0], Combine::Add), Ok(true));
    }

    #[test]
    fn an_adjustment_that_is_taken_to_nothing_leaves_no_step() {
        let mut document = masked();
        let before = document.mask().clone();
        assert!(adjust(&mut document, -30, 0.0) && document.mask().is_empty());
        assert!(adjust(&mut document, 0, 0.0));
        assert_eq!(*document.mask(), before);
        assert!(!adjust(&mut document, 0, 0.0));
        assert!(document.undo() && !document.can_undo(), "only the stroke was a step");
    }

    #[test]
    fn what_is_done_in_between_begins_another_adjustment() {
        let mut document = masked();
        adjust(&mut document, 2, 0.0);
        document.apply(Edit::Mask(MaskEdit::Invert)).unwrap();
        let inverted = document.mask().clone();
        adjust(&mut document, 3, 0.0);
        assert_eq!(*document.mask(), inverted.grown(3));
        document.undo();
        assert_eq!(*document.mask(), inverted);
    }

    #[test]
    fn a_large_mask_is_adjusted_roughly_while_it_is_dragged_and_exactly_in_the_end() {
        let mut document = Document::new(Extent::new(1500, 1400));
        let ellipse = Shape::Ellipse(Point::new(300.0, 300.0), Point::new(900.0, 800.0));
        document.apply(Edit::Mask(MaskEdit::Shape(ellipse, Combine::Add))).unwrap();
        let before = document.mask().clone();
        let exact = before.grown(30).feathered(12.0);
        for grow in [10, 20, 30] {
            let rough = MaskEdit::Adjust { grow, feather: 12.0, goes_on: true, is_rough: true };
            assert!(document.apply(Edit::Mask(rough)).unwrap());
        }
        assert_ne!(*document.mask(), exact);
        let apart = document.mask().coverage().iter().zip(exact.coverage()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart.unwrap() < 40, "{apart:?}");
        assert!(document.finish_adjusting() && !document.finish_adjusting());
        assert_eq!((document.mask(), document.mask_adjustment()), (&exact, (30, 12.0)));
        assert!(document.undo());
        assert_eq!(*document.mask(), before, "it is one step");
        assert!(document.redo());
        assert_eq!(*document.mask(), exact);
    }
}
