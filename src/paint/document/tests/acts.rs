//! Edits, one after the other and whatever they are: all of them can be taken back, and what is seen is what they did.

use super::*;
use crate::geom::Point;
use crate::paint::mask_edits::difference;
use crate::paint::{Blend, Bucket, Gradient, Shape, Spread, StrokePreview, Transform};
use proptest::prelude::*;
use std::time::Instant;

/// All that an edit may change. Which layer is painted on is no step of undo.
fn state(document: &Document) -> (Extent, Vec<Arc<Layer>>, Mask) {
    assert_eq!(
        **document.flat(),
        document.stack().flattened(document.extent()),
        "what is seen is not what the layers show"
    );
    let shown = Document::with_layers(document.extent(), document.stack().clone(), None);
    if let Ok(again) = shown {
        assert_eq!(**document.shown(), **again.shown(), "what is shown over the picture is not what the layers show");
    }
    if let Some(picture) = document.picture() {
        assert_eq!(**picture, document.flat().to_picture());
    }
    assert_eq!(document.has_mask(), !document.mask().is_empty());
    (document.extent(), document.stack().layers().to_vec(), document.mask().clone())
}

/// An edit that depends on what layers there are.
#[derive(Clone, Debug)]
enum Act {
    Edit(Edit),
    Paint(Ink, PaintBrush, Vec<(f32, f32)>),
    Smudge(PaintBrush, Vec<(f32, f32)>),
    Pour(Gradient),
    Move(Transform),
    /// One of the edits of a layer, and which layer.
    Layer(u8, usize),
    Choose(usize),
}

fn carry_out(document: &mut Document, act: Act) -> Result<bool, Error> {
    let layer = |number: usize| {
        let layers = document.stack().layers();
        layers.get(number % layers.len().max(1)).map_or(LayerId(77), |layer| layer.id)
    };
    let edit = match act {
        Act::Edit(edit) => edit,
        Act::Paint(ink, brush, path) => drawn(Painting::begin(document, ink, brush)?, path),
        Act::Smudge(brush, path) => drawn(Painting::smudge(document, brush)?, path),
        Act::Pour(gradient) => {
            let mut painting = Painting::gradient(document, gradient)?;
            while !painting.pour(Instant::now()) {}
            Edit::Paint(Box::new(painting))
        }
        Act::Move(transform) => {
            let mut painting = Painting::transform(document, transform)?;
            while !painting.pour(Instant::now()) {}
            Edit::Paint(Box::new(painting))
        }
        Act::Choose(number) => {
            let layer = layer(number);
            document.choose_layer(layer);
            return Ok(false);
        }
        Act::Layer(kind, number) => {
            let id = layer(number);
            let was = document.stack().get(id).map_or_else(|| LayerLook::named("none"), |layer| layer.look.clone());
            let look = |look| LayerEdit::Look { layer: id, look, goes_on: false };
            Edit::Layer(match kind {
                0 => LayerEdit::Add,
                1 => LayerEdit::Delete(id),
                2 => LayerEdit::Duplicate(id),
                3 => LayerEdit::Move(id, number / 3),
                4 => look(LayerLook { opacity: number as f32 / 10.0, ..was }),
                5 => look(LayerLook { blend: Blend::ALL[number % Blend::ALL.len()], ..was }),
                6 => look(LayerLook { visible: !was.visible, ..was }),
                7 => look(LayerLook { locked: !was.locked, ..was }),
                8 => look(LayerLook { keeps_alpha: !was.keeps_alpha, name: format!("{number}"), ..was }),
                9 => LayerEdit::Clear(id),
                10 => LayerEdit::Fill(id, Ink::Colour([number as u8, 90, 200])),
                11 => LayerEdit::MergeDown(id),
                14 => look(LayerLook { kind: LayerKind::ALL[number % 4], ..was }),
                15 => return document.apply(Edit::LayerToMask(id)),
                12 => {
                    let middle = Point::new(6.5, 1.5 + number as f32 / 2.0);
                    LayerEdit::Transform(id, Transform { angle: number as f32 / 3.0, ..Transform::flip(middle, true) })
                }
                _ => LayerEdit::MergeVisible,
            })
        }
    };
    document.apply(edit)
}

fn any_act() -> impl Strategy<Value = Act> {
    let path = prop::collection::vec((-10.0f32..40.0, -10.0f32..30.0), 1..6);
    let ink = prop_oneof![any::<[u8; 3]>().prop_map(Ink::Colour), Just(Ink::Erase)];
    let brush = (1.0f32..12.0, 0.0f32..1.0, 0.1f32..1.0, 0.1f32..1.0).prop_map(|(size, hardness, opacity, flow)| {
        PaintBrush { opacity, flow, ..PaintBrush::new(Brush { size, hardness }) }
    });
    let transform = (-9.0f32..30.0, -9.0f32..30.0, -2.0f32..2.0, 0.2f32..3.0, 0.0f32..7.0);
    let transform = transform.prop_map(|(x, y, wide, high, angle)| Transform {
        to: Point::new(x, y),
        scale: (wide, high),
        angle,
        ..Transform::around(Point::new(12.0, 8.0))
    });
    let ends = (0.0f32..24.0, 0.0f32..16.0, prop::option::of(any::<[u8; 3]>()), any::<bool>(), any::<[u8; 3]>());
    let gradient = ends.prop_map(|(x, y, end, is_round, start)| {
        let spread = if is_round { Spread::Radial } else { Spread::Linear };
        Gradient { spread, from: Point::new(4.0, 5.0), to: Point::new(x, y), start, end, opacity: 0.8 }
    });
    let fill = (any::<[u8; 3]>(), any::<[bool; 2]>(), 0u32..30, 0u32..20, any::<u8>());
    let fill = fill.prop_map(|(colour, [connected, sees_all_layers], x, y, tolerance)| {
        let ink = Ink::Colour(colour);
        Edit::Fill { bucket: Bucket { ink, opacity: 0.7, tolerance, connected, sees_all_layers }, x, y }
    });
    prop_oneof![
        3 => any_edit().prop_map(Act::Edit),
        4 => (ink, brush.clone(), path.clone()).prop_map(|(ink, brush, path)| Act::Paint(ink, brush, path)),
        2 => (brush, path).prop_map(|(brush, path)| Act::Smudge(brush, path)),
        2 => gradient.prop_map(Act::Pour),
        2 => transform.prop_map(Act::Move),
        7 => (0u8..16, 0usize..20).prop_map(|(kind, number)| Act::Layer(kind, number)),
        1 => fill.prop_map(Act::Edit),
        1 => (0usize..6).prop_map(Act::Choose),
    ]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let points = prop::collection::vec((-10.0f32..40.0, -10.0f32..30.0), 0..6);
    let tool = prop_oneof![Just(Tool::MaskBrush), Just(Tool::MaskEraser), Just(Tool::Hand)];
    prop_oneof![
        4 => (tool, points).prop_map(|(tool, points)| Edit::Mask(MaskEdit::Stroke(stroke(tool, &points)))),
        1 => Just(Edit::Mask(MaskEdit::Clear)),
        1 => Just(Edit::Mask(MaskEdit::Invert)),
        1 => prop::collection::vec(any::<u8>(), EXTENT.area())
            .prop_map(|coverage| Edit::Mask(MaskEdit::Replace(Mask::from_coverage(EXTENT, coverage).unwrap()))),
        1 => (0.0f32..24.0, 0.0f32..16.0, 0..4usize, 0..3usize).prop_map(|(x, y, shape, how)| {
            let (a, b) = (Point::new(x, y), Point::new(12.0, 3.0));
            let shapes = [
                Shape::Rectangle(a, b),
                Shape::Ellipse(a, b),
                Shape::Lasso(vec![a, b, Point::new(3.0, 14.0)]),
                Shape::Alike { x: x as u32, y: y as u32, tolerance: 40, connected: x > 12.0 },
            ];
            let how = [Combine::Add, Combine::Subtract, Combine::Intersect][how];
            Edit::Mask(MaskEdit::Shape(shapes[shape].clone(), how))
        }),
        2 => (-5i32..5, 0.0f32..4.0).prop_map(|(grow, feather)| {
            Edit::Mask(MaskEdit::Adjust { grow, feather, goes_on: false, is_rough: false })
        }),
        1 => (8u32..30, any::<bool>()).prop_map(|(side, masks)| {
            let extent = Extent::new(side, side);
            let mask = masks.then(|| Mask::empty(extent).inverted());
            Edit::TakeLayers { extent, stack: Stack::paper(extent), mask }
        }),
        1 => Just(Edit::MaskToLayer),
        1 => Just(Edit::SetPicture(None)),
        1 => (8u32..30, 8u32..30, any::<u8>())
            .prop_map(|(w, h, grey)| Edit::SetPicture(Some(Arc::new(Picture::filled(Extent::new(w, h), [grey; 4]))))),
        1 => any::<u8>().prop_map(|grey| Edit::SetPicture(Some(Arc::new(Picture::filled(EXTENT, [grey; 4]))))),
        2 => (0u32..40, 8u32..40, -20i32..20, -20i32..20).prop_map(|(w, h, left, top)| {
            Edit::Reframe(Frame { extent: Extent::new(w, h), left, top })
        }),
        1 => (0u32..30, 8u32..30).prop_map(|(w, h)| Edit::SetExtent(Extent::new(w, h))),
    ]
}

proptest! {
    #[test]
    fn every_edit_can_be_taken_back_and_done_again(acts in prop::collection::vec(any_act(), 1..20)) {
        let mut document = Document::new(EXTENT);
        let mut states = vec![state(&document)];
        for act in acts {
            if carry_out(&mut document, act).unwrap_or(false) {
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
        document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(3.0, 3.0), (20.0, 12.0)])))).unwrap();
        let before = document.mask().clone();
        let mut points = points.into_iter().map(|(x, y)| Sample::at(x, y));
        let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(BRUSH) };
        let mut preview = StrokePreview::begin(&document, tool, brush, points.next().unwrap());
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
        document.apply(Edit::Mask(MaskEdit::Stroke(preview.finish()))).unwrap();
        prop_assert_eq!(document.mask(), &shown);
    }
}
