use super::super::{Brush, StrokePreview, Tool};
use super::*;
use crate::geom::Point;
use proptest::prelude::*;

const EXTENT: Extent = Extent::new(24, 16);
const BRUSH: Brush = Brush { size: 5.0, hardness: 0.5 };

fn stroke(tool: Tool, points: &[(f32, f32)]) -> Stroke {
    Stroke { tool, brush: BRUSH, points: points.iter().map(|&(x, y)| Point::new(x, y)).collect() }
}

fn state(document: &Document) -> (Extent, Option<Picture>, Mask) {
    (document.extent(), document.picture().map(|p| (**p).clone()), document.mask().clone())
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let points = prop::collection::vec((-10.0f32..40.0, -10.0f32..30.0), 0..6);
    let tool = prop_oneof![Just(Tool::MaskBrush), Just(Tool::MaskEraser), Just(Tool::Hand)];
    prop_oneof![
        4 => (tool, points).prop_map(|(tool, points)| Edit::Stroke(stroke(tool, &points))),
        1 => Just(Edit::ClearMask),
        1 => Just(Edit::InvertMask),
        1 => prop::collection::vec(any::<u8>(), EXTENT.area())
            .prop_map(|coverage| Edit::ReplaceMask(Mask::from_coverage(EXTENT, coverage).unwrap())),
        1 => Just(Edit::SetPicture(None)),
        1 => (8u32..30, 8u32..30, any::<u8>())
            .prop_map(|(w, h, grey)| Edit::SetPicture(Some(Arc::new(Picture::filled(Extent::new(w, h), [grey; 4]))))),
        1 => any::<u8>().prop_map(|grey| Edit::SetPicture(Some(Arc::new(Picture::filled(EXTENT, [grey; 4]))))),
        1 => (0u32..30, 8u32..30).prop_map(|(w, h)| Edit::SetExtent(Extent::new(w, h))),
    ]
}

proptest! {
    #[test]
    fn every_edit_can_be_taken_back_and_done_again(edits in prop::collection::vec(any_edit(), 1..12)) {
        let mut document = Document::new(EXTENT);
        let mut states = vec![state(&document)];
        for edit in edits {
            if document.apply(edit).unwrap_or(false) {
                states.push(state(&document));
            } else {
                prop_assert_eq!(&state(&document), states.last().unwrap(), "what changed nothing changed something");
            }
        }
        for expected in states.iter().rev().skip(1) {
            prop_assert!(document.undo());
            prop_assert_eq!(&state(&document), expected);
        }
        prop_assert!(!document.undo());
        for expected in states.iter().skip(1) {
            prop_assert!(document.redo());
            prop_assert_eq!(&state(&document), expected);
        }
        prop_assert!(!document.redo());
    }

    #[test]
    fn outside_the_dirty_box_nothing_changed(first in any_edit(), second in any_edit(), undo: bool) {
        let mut document = Document::new(EXTENT);
        drop(document.apply(first));
        document.take_dirty();
        let before = document.mask().clone();
        drop(document.apply(second));
        if undo {
            document.undo();
        }
        let after = document.mask();
        let dirty = document.dirty;
        if before.extent() != after.extent() {
            prop_assert_eq!(dirty, Some(Bounds::whole(after.extent())));
        } else if let Some(differs) = difference(&before, after, Bounds::whole(after.extent())) {
            prop_assert_eq!(dirty.map(|d| d.union(differs)), dirty);
        }
    }

    #[test]
    fn the_preview_of_a_stroke_is_what_the_stroke_does(
        points in prop::collection::vec((-10.0f32..40.0, -10.0f32..30.0), 1..8),
        tool in prop_oneof![Just(Tool::MaskBrush), Just(Tool::MaskEraser)],
    ) {
        let mut document = Document::new(EXTENT);
        document.apply(Edit::Stroke(stroke(Tool::MaskBrush, &[(3.0, 3.0), (20.0, 12.0)]))).unwrap();
        let before = document.mask().clone();
        let mut points = points.into_iter().map(|(x, y)| Point::new(x, y));
        let mut preview = StrokePreview::begin(&document, tool, BRUSH, points.next().unwrap());
        let mut uploaded = before.clone();
        for point in points {
            preview.extend(point);
            if let Some(dirty) = preview.take_dirty() {
                for row in rows(EXTENT, dirty) {
                    uploaded.coverage_mut()[row.clone()].copy_from_slice(&preview.mask().coverage()[row]);
                }
            }
        }
        if let Some(dirty) = preview.take_dirty() {
            for row in rows(EXTENT, dirty) {
                uploaded.coverage_mut()[row.clone()].copy_from_slice(&preview.mask().coverage()[row]);
            }
        }
        prop_assert_eq!(document.mask(), &before, "a preview leaves the document alone");
        prop_assert!(preview.is_current(&document));
        let shown = preview.mask().clone();
        prop_assert_eq!(&uploaded, &shown);
        document.apply(Edit::Stroke(preview.finish())).unwrap();
        prop_assert_eq!(document.mask(), &shown);
    }
}

#[test]
fn a_stroke_is_one_step_and_costs_only_its_box() {
    let mut document = Document::new(Extent::new(2048, 2048));
    assert!(document.apply(Edit::Stroke(stroke(Tool::MaskBrush, &[(100.0, 100.0), (110.0, 104.0)]))).unwrap());
    assert!(document.history_bytes() < 600, "{} bytes for 16 x 10 pixels", document.history_bytes());
    assert!(document.undo());
    assert!(document.mask().is_empty() && !document.can_undo());
}

#[test]
fn a_new_edit_ends_what_could_be_done_again() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::InvertMask).unwrap();
    document.undo();
    assert!(document.can_redo());
    document.apply(Edit::Stroke(stroke(Tool::MaskBrush, &[(4.0, 4.0)]))).unwrap();
    assert!(!document.can_redo());
    assert!(!document.redo());
}

#[test]
fn the_oldest_steps_go_when_the_budget_is_spent() {
    let budget = 3 * EXTENT.area() + 300;
    let mut document = Document::new(EXTENT).with_history_bytes(budget);
    for value in 1..=40 {
        let mask = Mask::from_coverage(EXTENT, vec![value; EXTENT.area()]).unwrap();
        document.apply(Edit::ReplaceMask(mask)).unwrap();
        assert!(document.history_bytes() <= budget);
    }
    let mut steps = 0;
    while document.undo() {
        steps += 1;
        assert_eq!(document.mask().coverage()[0], 40 - steps);
    }
    assert_eq!(steps, 3, "masks of {} bytes each", EXTENT.area());
}

#[test]
fn a_budget_of_nothing_still_takes_the_last_step_back() {
    let mut document = Document::new(EXTENT).with_history_bytes(0);
    document.apply(Edit::Stroke(stroke(Tool::MaskBrush, &[(4.0, 4.0)]))).unwrap();
    assert!(document.undo());
    assert!(document.mask().is_empty());
}

#[test]
fn a_mask_of_another_size_is_refused_with_both_sizes() {
    let mut document = Document::new(EXTENT);
    let error = document.apply(Edit::ReplaceMask(Mask::empty(Extent::new(3, 3)))).unwrap_err();
    assert_eq!(error.to_string(), "the mask is 3x3, but the picture is 24x16: a mask must be as large as its picture");
    let picture = Arc::new(Picture::filled(EXTENT, [0; 4]));
    assert!(Document::restored(Some(picture), Mask::empty(Extent::new(3, 3))).is_err());
}

#[test]
fn the_mask_stays_when_the_next_picture_is_as_large_and_goes_when_it_is_not() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::Stroke(stroke(Tool::MaskBrush, &[(4.0, 4.0)]))).unwrap();
    document.apply(Edit::SetPicture(Some(Arc::new(Picture::filled(EXTENT, [9; 4]))))).unwrap();
    assert!(!document.mask().is_empty());
    document.apply(Edit::SetPicture(Some(Arc::new(Picture::filled(Extent::new(8, 8), [9; 4]))))).unwrap();
    assert_eq!(document.mask(), &Mask::empty(Extent::new(8, 8)));
    assert!(document.apply(Edit::SetPicture(Some(Arc::new(Picture::filled(Extent::new(0, 8), [9; 4]))))).is_err());
}

#[test]
fn resizing_takes_picture_and_mask_along() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::SetPicture(Some(Arc::new(Picture::filled(EXTENT, [9, 9, 9, 255]))))).unwrap();
    document.apply(Edit::InvertMask).unwrap();
    document.apply(Edit::SetExtent(Extent::new(48, 32))).unwrap();
    assert_eq!(document.picture().unwrap().extent(), Extent::new(48, 32));
    assert_eq!(document.mask(), &Mask::empty(Extent::new(48, 32)).inverted());
}
