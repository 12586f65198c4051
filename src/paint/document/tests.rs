//! The document, edit by edit.

mod acts;

use super::super::{Brush, Ink, LayerLook, MaskEdit, PaintBrush, Painting, Sample, Stroke, Tool};
use super::*;

const EXTENT: Extent = Extent::new(24, 16);
const BRUSH: Brush = Brush { size: 5.0, hardness: 0.5 };

fn stroke(tool: Tool, points: &[(f32, f32)]) -> Stroke {
    let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(BRUSH) };
    Stroke { tool, brush, samples: points.iter().map(|&(x, y)| Sample::at(x, y)).collect() }
}

fn drawn(mut painting: Painting, path: Vec<(f32, f32)>) -> Edit {
    for (x, y) in path {
        painting.extend(&[Sample::at(x, y)]);
    }
    painting.finish();
    Edit::Paint(Box::new(painting))
}

#[test]
fn a_stroke_is_one_step_and_costs_only_its_box() {
    let mut document = Document::new(Extent::new(2048, 2048));
    assert!(
        document
            .apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(100.0, 100.0), (110.0, 104.0)]))))
            .unwrap()
    );
    assert!(document.history_bytes() < 600, "{} bytes for 16 x 10 pixels", document.history_bytes());
    assert!(document.undo());
    assert!(document.mask().is_empty() && !document.can_undo());
}

#[test]
fn a_new_edit_ends_what_could_be_done_again() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::Mask(MaskEdit::Invert)).unwrap();
    document.undo();
    assert!(document.can_redo());
    document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(4.0, 4.0)])))).unwrap();
    assert!(!document.can_redo());
    assert!(!document.redo());
}

#[test]
fn the_oldest_steps_go_when_the_budget_is_spent() {
    let budget = 3 * (EXTENT.area() + size_of::<Change>());
    let mut document = Document::new(EXTENT).with_history_bytes(budget);
    for value in 1..=40 {
        let mask = Mask::from_coverage(EXTENT, vec![value; EXTENT.area()]).unwrap();
        document.apply(Edit::Mask(MaskEdit::Replace(mask))).unwrap();
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
fn a_budget_that_is_set_later_keeps_what_was_done_last_and_counts_from_then_on() {
    let of_one = EXTENT.area() + size_of::<Change>();
    let mut document = Document::new(EXTENT).with_history_bytes(20 * of_one);
    let fill = |document: &mut Document, values: std::ops::RangeInclusive<u8>| {
        for value in values {
            let mask = Mask::from_coverage(EXTENT, vec![value; EXTENT.area()]).unwrap();
            document.apply(Edit::Mask(MaskEdit::Replace(mask))).unwrap();
        }
    };
    let steps_back = |document: &mut Document| {
        let steps = (0..20).take_while(|_| document.undo()).count();
        while document.redo() {}
        steps
    };
    fill(&mut document, 1..=8);
    document.set_history_bytes(3 * of_one);
    assert!(document.history_bytes() <= 3 * of_one);
    assert_eq!(steps_back(&mut document), 3);
    assert_eq!(document.mask().coverage()[0], 8, "what is there stays");
    document.set_history_bytes(20 * of_one);
    fill(&mut document, 9..=12);
    assert_eq!(steps_back(&mut document), 7);
}

#[test]
fn a_budget_of_nothing_still_takes_the_last_step_back() {
    let mut document = Document::new(EXTENT).with_history_bytes(0);
    document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(4.0, 4.0)])))).unwrap();
    assert!(document.undo());
    assert!(document.mask().is_empty());
}

#[test]
fn a_mask_of_another_size_is_refused_with_both_sizes() {
    let mut document = Document::new(EXTENT);
    let error = document.apply(Edit::Mask(MaskEdit::Replace(Mask::empty(Extent::new(3, 3))))).unwrap_err();
    assert_eq!(error.to_string(), "the mask is 3x3, but the picture is 24x16: a mask must be as large as its picture");
    let picture = Arc::new(Picture::filled(EXTENT, [0; 4]));
    assert!(Document::restored(Some(picture), Mask::empty(Extent::new(3, 3))).is_err());
}

#[test]
fn the_mask_stays_when_the_next_picture_is_as_large_and_goes_when_it_is_not() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(4.0, 4.0)])))).unwrap();
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
    document.apply(Edit::Mask(MaskEdit::Invert)).unwrap();
    document.apply(Edit::SetExtent(Extent::new(48, 32))).unwrap();
    assert_eq!(document.picture().unwrap().extent(), Extent::new(48, 32));
    assert_eq!(document.mask(), &Mask::empty(Extent::new(48, 32)).inverted());
}

#[test]
fn a_stroke_on_a_layer_costs_the_tiles_it_touches() {
    let extent = Extent::new(4096, 4096);
    let mut document = Document::new(extent);
    document.apply(Edit::SetPicture(Some(Arc::new(Picture::filled(extent, [9, 9, 9, 255]))))).unwrap();
    let before = document.history_bytes();
    let brush = PaintBrush::new(BRUSH);
    let painting = Painting::begin(&document, Ink::Erase, brush).unwrap();
    document.apply(drawn(painting, vec![(1000.0, 1000.0), (1100.0, 1000.0)])).unwrap();
    let tiles = 2 * crate::paint::TILE_BYTES;
    let references = 32 * 32 * 8;
    let spent = document.history_bytes() - before;
    assert!(spent > tiles / 2 && spent < tiles + references + 500, "{spent} bytes");
}

#[test]
fn a_slider_that_is_dragged_is_one_step() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::SetPicture(Some(Arc::new(Picture::filled(EXTENT, [9, 9, 9, 255]))))).unwrap();
    let layer = document.stack().layers()[0].id;
    let mut drag = |opacity, goes_on| {
        let look = LayerLook { opacity, ..LayerLook::named("Picture") };
        document.apply(Edit::Layer(LayerEdit::Look { layer, look, goes_on })).unwrap();
    };
    drag(0.9, false);
    drag(0.7, true);
    drag(0.5, true);
    drag(0.3, false);
    let opacity = |document: &Document| document.stack().layers()[0].look.opacity;
    document.undo();
    assert!((opacity(&document) - 0.5).abs() < f32::EPSILON);
    document.undo();
    assert!((opacity(&document) - 1.0).abs() < f32::EPSILON);
    document.redo();
    assert!((opacity(&document) - 0.5).abs() < f32::EPSILON);
}

#[test]
fn a_stroke_that_was_begun_on_something_else_is_refused() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::TakePaper(EXTENT)).unwrap();
    let mut painting = Painting::begin(&document, Ink::Colour([0; 3]), PaintBrush::new(BRUSH)).unwrap();
    painting.extend(&[Sample::at(4.0, 4.0)]);
    document.apply(Edit::Mask(MaskEdit::Invert)).unwrap();
    assert_eq!(document.apply(Edit::Paint(Box::new(painting))), Err(Error::Outdated));
}

#[test]
fn the_largest_document_is_small_as_long_as_it_is_empty() {
    let document = Document::new(Extent::new(8192, 8192));
    assert!(document.mask.get().is_none() && document.picture.get().is_none());
    assert_eq!(document.flat().bytes_besides(None), 0);
}

#[test]
fn an_empty_document_of_the_largest_size_takes_next_to_nothing() {
    let extent = Extent::new(Frame::MOST_SIDE, Frame::MOST_SIDE);
    let mut document = Document::new(extent);
    document.apply(Edit::TakePaper(extent)).unwrap();
    let layers = document.stack.layers().iter().map(|layer| &layer.tiles);
    let (mut tiles, mut places) = (std::collections::HashSet::new(), 0);
    for sheet in layers.chain([&**document.flat()]) {
        places += sheet.count() * size_of::<Option<Arc<super::super::Tile>>>();
        tiles.extend((0..sheet.count()).filter_map(|index| sheet.tile(index)).map(|tile| Arc::as_ptr(tile).addr()));
    }
    assert!(document.mask.get().is_none(), "a mask is there once something is masked");
    let bytes = places + tiles.len() * super::super::TILE_BYTES;
    assert!(bytes < 1 << 20, "{bytes}");
}

#[test]
fn no_picture_is_taken_that_is_larger_than_a_document_may_be() {
    let extent = Extent::new(Frame::MOST_SIDE + 8, 8);
    let stack = Stack::of_picture(&Picture::filled(extent, [9; 4]));
    let too_large = Error::TooLarge(extent);
    let mut document = Document::new(EXTENT);
    let picture = Some(Arc::new(Picture::filled(extent, [9; 4])));
    assert_eq!(document.apply(Edit::SetPicture(picture)).unwrap_err(), too_large);
    let edit = Edit::TakeLayers { extent, stack: stack.clone(), mask: None };
    assert_eq!(document.apply(edit).unwrap_err(), too_large);
    assert_eq!(document.apply(Edit::TakePaper(extent)).unwrap_err(), too_large);
    assert_eq!(Document::with_layers(extent, stack, None).unwrap_err(), too_large);
    assert_eq!((document.extent(), document.can_undo()), (EXTENT, false));
}

#[test]
fn all_that_was_done_can_be_taken_back_however_much_it_takes_to_do_it_again() {
    let extent = Extent::new(128, 128);
    let mut document = Document::new(extent).with_history_bytes(3 * 128 * 128 * 4);
    document.apply(Edit::TakePaper(extent)).unwrap();
    for grey in 1..=10 {
        let tiles = Tiles::of(&Picture::filled(extent, [grey, grey, grey, 255]));
        document.apply(Edit::Layer(LayerEdit::Insert { look: LayerLook::named("result"), tiles })).unwrap();
    }
    while document.undo() {}
    assert!(!document.has_picture());
    assert!(document.redo() && document.redo(), "what is nearest can be done again");
}

#[test]
fn the_mask_goes_onto_a_layer_and_comes_back_with_what_was_painted_there() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::TakePaper(EXTENT)).unwrap();
    document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(6.0, 8.0)])))).unwrap();
    let (masked, flat) = (document.mask().clone(), Arc::clone(document.flat()));
    assert!(document.apply(Edit::MaskToLayer).unwrap());
    assert!(!document.has_mask() && document.masks_anything());
    assert_eq!(document.with_mask_layers().unwrap().mask(), &masked);
    assert_eq!((&**document.flat(), document.shown().pixel(6, 8)), (&*flat, [236, 131, 145, 255]), "3/5 over white");
    // Any colour masks, and the eraser does the opposite.
    let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
    let strokes = [(Ink::Colour([0; 3]), (20.0, 8.0)), (Ink::Erase, (6.0, 8.0))];
    for (ink, at) in strokes {
        let painting = Painting::begin(&document, ink, brush).unwrap();
        document.apply(drawn(painting, vec![at])).unwrap();
    }
    assert_eq!(**document.flat(), *flat, "the picture is as it was");
    let layer = document.stack().active().unwrap().id;
    assert!(document.apply(Edit::LayerToMask(layer)).unwrap());
    let covers = |document: &Document, x: usize| document.mask().coverage()[8 * 24 + x];
    assert_eq!((covers(&document, 20), covers(&document, 6), document.stack().layers().len()), (255, 0, 2));
    assert!(Arc::ptr_eq(document.shown(), document.flat()));
    for _ in 0..4 {
        document.undo();
    }
    assert_eq!((document.mask(), document.stack().layers().len()), (&masked, 2));
    // What was masked meanwhile stays masked.
    assert!(document.apply(Edit::MaskToLayer).unwrap());
    document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(20.0, 8.0)])))).unwrap();
    let all = document.with_mask_layers().unwrap().mask().clone();
    let layer = document.stack().active().unwrap().id;
    assert!(document.apply(Edit::LayerToMask(layer)).unwrap());
    assert_eq!((document.mask(), covers(&document, 6), covers(&document, 20)), (&all, 255, 255));
}

#[test]
fn a_layer_that_is_wholly_clear_masks_nothing() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::TakePaper(EXTENT)).unwrap();
    document.apply(Edit::Mask(MaskEdit::Invert)).unwrap();
    document.apply(Edit::MaskToLayer).unwrap();
    let layer = Arc::clone(document.stack().active().unwrap());
    let look = LayerLook { opacity: 0.0, ..layer.look.clone() };
    document.apply(Edit::Layer(LayerEdit::Look { layer: layer.id, look, goes_on: false })).unwrap();
    assert!(!document.masks_anything() && document.with_mask_layers().is_none());
}

#[test]
fn a_mask_has_its_number_again_once_what_was_done_to_it_is_taken_back() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::TakePaper(EXTENT)).unwrap();
    document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(12.0, 8.0)])))).unwrap();
    let mut numbers = vec![document.mask_number()];
    let edits = [
        Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskEraser, &[(12.0, 8.0)]))),
        Edit::Mask(MaskEdit::Invert),
        Edit::Mask(MaskEdit::Adjust { grow: 2, feather: 1.0, goes_on: false, is_rough: false }),
        Edit::MaskToLayer,
        Edit::TakePaper(Extent::new(48, 32)),
    ];
    for edit in edits {
        document.apply(edit).unwrap();
        let other = document.mask_number();
        assert!(!numbers.contains(&other), "{other} was there before");
        document.undo();
        assert_eq!(document.mask_number(), numbers[0]);
        document.redo();
        assert_eq!(document.mask_number(), other);
        document.undo();
        numbers.push(other);
    }
}

#[test]
fn a_result_of_the_same_proportions_brings_the_mask_along_and_a_picture_does_not() {
    let result = || LayerLook { kind: LayerKind::Result, ..LayerLook::named("upscaled") };
    let masked = |document: &mut Document| {
        document.apply(Edit::TakePaper(EXTENT)).unwrap();
        document.apply(Edit::Mask(MaskEdit::Stroke(stroke(Tool::MaskBrush, &[(6.0, 8.0)])))).unwrap();
    };
    let larger = Extent::new(48, 32);
    let picture = Arc::new(Picture::filled(larger, [7; 4]));
    let mut document = Document::new(EXTENT);
    masked(&mut document);
    let expected = document.mask().resized(larger);
    document.apply(Edit::SetLayer(Arc::clone(&picture), result())).unwrap();
    assert_eq!(document.mask(), &expected);
    document.undo();
    for edit in [
        Edit::SetPicture(Some(Arc::clone(&picture))),
        Edit::SetLayer(Arc::clone(&picture), LayerLook::named("photo.png")),
    ] {
        document.apply(edit).unwrap();
        assert!(!document.has_mask(), "it is of something else");
        assert!(Arc::ptr_eq(document.picture().unwrap(), &picture), "it need not be put together");
        document.undo();
    }
    let other = Arc::new(Picture::filled(Extent::new(48, 40), [7; 4]));
    document.apply(Edit::SetLayer(other, result())).unwrap();
    assert!(!document.has_mask(), "it has other proportions");
}
