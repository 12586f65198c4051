use super::super::{Blend, Brush, Document, Edit, PaintBrush, Painting, Sample};
use super::*;
use crate::geom::Bounds;

const EXTENT: Extent = Extent::new(200, 140);

fn stack(colours: &[([u8; 4], Blend, f32)]) -> Stack {
    let mut stack = Stack::default();
    for &(colour, blend, opacity) in colours {
        let look = LayerLook { opacity, blend, ..LayerLook::named("sheet") };
        stack.insert(usize::MAX, look, Tiles::filled(EXTENT, colour));
    }
    stack
}

fn edited(stack: &Stack, edit: LayerEdit) -> Stack {
    stack.edited(EXTENT, edit).unwrap().expect("something changes")
}

fn seen(stack: &Stack) -> [u8; 4] {
    stack.flattened(EXTENT).pixel(150, 130)
}

fn locked(stack: &Stack, layer: LayerId) -> Stack {
    let look = LayerLook { locked: true, ..stack.get(layer).unwrap().look.clone() };
    edited(stack, LayerEdit::Look { layer, look, goes_on: false })
}

#[test]
fn layers_are_seen_from_the_lowest_up() {
    let normal = |colour, opacity| (colour, Blend::Normal, opacity);
    // 0.4 of 200 over 100: 140.
    assert_eq!(seen(&stack(&[normal([100, 0, 0, 255], 1.0), normal([200, 0, 0, 255], 0.4)])), [140, 0, 0, 255]);
    assert_eq!(
        seen(&stack(&[([100, 0, 0, 255], Blend::Normal, 1.0), ([128, 255, 9, 255], Blend::Multiply, 1.0)])),
        [50, 0, 0, 255]
    );
    assert_eq!(
        seen(&stack(&[([9, 8, 7, 255], Blend::Normal, 1.0), ([1, 1, 1, 255], Blend::Erase, 0.2)])),
        [9, 8, 7, 204]
    );
    assert_eq!(seen(&stack(&[([9, 8, 7, 255], Blend::Erase, 1.0)])), [0; 4]);
    assert_eq!(seen(&stack(&[([9, 8, 7, 255], Blend::Multiply, 0.2)])), [9, 8, 7, 51]);
}

#[test]
fn a_layer_alone_is_seen_to_the_last_bit_and_costs_nothing() {
    let one = stack(&[([3, 200, 7, 1], Blend::Normal, 1.0)]);
    let flat = one.flattened(EXTENT);
    assert!((0..flat.count()).all(|i| Arc::ptr_eq(flat.tile(i).unwrap(), one.layers()[0].tiles.tile(i).unwrap())));
}

#[test]
fn merging_down_does_not_change_what_is_seen() {
    for blend in Blend::ALL {
        let pair = stack(&[([90, 160, 30, 180], Blend::Normal, 0.8), ([200, 40, 120, 130], blend, 0.6)]);
        let merged = edited(&pair, LayerEdit::MergeDown(pair.layers()[1].id));
        assert_eq!(merged.layers().len(), 1);
        assert_eq!(seen(&merged), seen(&pair), "{}", blend.name());
        assert_eq!(seen(&edited(&pair, LayerEdit::MergeVisible)), seen(&pair));
    }
}

#[test]
fn a_locked_layer_is_not_merged() {
    let pair = stack(&[([90, 160, 30, 180], Blend::Normal, 0.8), ([200, 40, 120, 130], Blend::Normal, 0.6)]);
    let [lower, upper] = [0, 1].map(|i| pair.layers()[i].id);
    for layer in [lower, upper] {
        let held = locked(&pair, layer);
        assert!(matches!(held.edited(EXTENT, LayerEdit::MergeVisible), Err(Error::Locked(_))));
        assert!(matches!(held.edited(EXTENT, LayerEdit::MergeDown(upper)), Err(Error::Locked(_))));
    }
}

#[test]
fn a_merged_layer_still_meets_what_lies_under_it_as_the_lower_one_did() {
    let three = stack(&[
        ([100, 100, 100, 255], Blend::Normal, 1.0),
        ([128, 128, 128, 255], Blend::Multiply, 1.0),
        ([255, 0, 0, 255], Blend::Normal, 1.0),
    ]);
    let merged = edited(&three, LayerEdit::MergeDown(three.layers()[2].id));
    assert_eq!(merged.layers()[1].look.blend, Blend::Multiply);
    assert_eq!(seen(&merged), [100, 0, 0, 255]);
}

#[test]
fn layers_are_added_above_the_active_one_moved_and_deleted() {
    let mut document = Document::new(EXTENT);
    for edit in [LayerEdit::Add, LayerEdit::Add, LayerEdit::Add] {
        document.apply(Edit::Layer(edit)).unwrap();
    }
    let names = |document: &Document| -> Vec<String> {
        document.stack().layers().iter().map(|layer| layer.look.name.clone()).collect()
    };
    assert_eq!(names(&document), ["Layer 1", "Layer 2", "Layer 3"]);
    let first = document.stack().layers()[0].id;
    document.apply(Edit::Layer(LayerEdit::Move(first, 2))).unwrap();
    assert_eq!(names(&document), ["Layer 2", "Layer 3", "Layer 1"]);
    document.choose_layer(document.stack().layers()[0].id);
    document.apply(Edit::Layer(LayerEdit::Delete(document.stack().layers()[1].id))).unwrap();
    document.apply(Edit::Layer(LayerEdit::Duplicate(document.stack().layers()[1].id))).unwrap();
    document.apply(Edit::Layer(LayerEdit::Add)).unwrap();
    assert_eq!(names(&document), ["Layer 2", "Layer 1", "Layer 1 copy", "Layer 3"]);
    assert_eq!(document.stack().active().unwrap().look.name, "Layer 3");
}

#[test]
fn when_the_active_layer_goes_the_one_under_it_is_painted_on() {
    let three = stack(&[([1; 4], Blend::Normal, 1.0); 3]);
    let two = edited(&three, LayerEdit::Delete(three.layers()[2].id));
    assert_eq!(two.active, Some(three.layers()[1].id));
    let one = edited(&two, LayerEdit::Delete(two.layers()[1].id));
    let none = edited(&one, LayerEdit::Delete(one.layers()[0].id));
    assert_eq!(none.active, None);
}

#[test]
fn what_is_locked_or_hidden_does_not_change() {
    let pair = stack(&[([1, 1, 1, 255], Blend::Normal, 1.0); 2]);
    let (below, above) = (pair.layers()[0].id, pair.layers()[1].id);
    let safe = locked(&pair, below);
    for edit in [LayerEdit::Clear(below), LayerEdit::Fill(below, Ink::Erase), LayerEdit::MergeDown(above)] {
        let error = safe.edited(EXTENT, edit).unwrap_err();
        assert_eq!(error.to_string(), "the layer \u{201c}sheet\u{201d} is locked: unlock it, or choose another");
    }
    let document = Document::with_layers(EXTENT, locked(&pair, above), None).unwrap();
    let brush = PaintBrush::new(Brush { size: 9.0, hardness: 1.0 });
    assert_eq!(Painting::begin(&document, Ink::Erase, brush).unwrap_err(), Error::Locked("sheet".into()));
    let look = LayerLook { visible: false, ..LayerLook::named("ghost") };
    let hidden = edited(&pair, LayerEdit::Look { layer: above, look, goes_on: false });
    let document = Document::with_layers(EXTENT, hidden, None).unwrap();
    assert_eq!(Painting::begin(&document, Ink::Erase, brush).unwrap_err(), Error::Hidden("ghost".into()));
    assert_eq!(pair.edited(EXTENT, LayerEdit::MergeDown(below)).unwrap_err(), Error::NothingBelow);
    assert_eq!(pair.edited(EXTENT, LayerEdit::Delete(LayerId(99))).unwrap_err(), Error::NoLayer);
}

#[test]
fn a_layer_that_keeps_its_alpha_is_filled_only_where_it_is() {
    let mut document = Document::new(EXTENT);
    document.apply(Edit::Layer(LayerEdit::Add)).unwrap();
    let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(Brush { size: 20.0, hardness: 1.0 }) };
    let mut painting = Painting::begin(&document, Ink::Colour([255, 0, 0]), brush).unwrap();
    painting.extend(&[Sample::at(60.0, 60.0)]);
    document.apply(Edit::Paint(Box::new(painting))).unwrap();
    let layer = Arc::clone(document.stack().active().unwrap());
    let look = LayerLook { keeps_alpha: true, ..layer.look.clone() };
    document.apply(Edit::Layer(LayerEdit::Look { layer: layer.id, look, goes_on: false })).unwrap();
    document.apply(Edit::Layer(LayerEdit::Fill(layer.id, Ink::Colour([0, 0, 255])))).unwrap();
    assert_eq!(document.flat().pixel(60, 60), [0, 0, 255, 255]);
    assert_eq!(document.flat().pixel(90, 60)[3], 0);
}

#[test]
fn merged_layers_keep_the_newest_recipes_and_none_twice() {
    let extent = Extent::new(8, 8);
    let recipes = |range: std::ops::Range<u32>| range.map(|number| serde_json::json!(number)).collect::<Vec<_>>();
    let with = |id, range| {
        let look = LayerLook { recipes: recipes(range), ..LayerLook::named("result") };
        Layer::new(LayerId(id), look, Tiles::clear(extent))
    };
    let stack = Stack::from_layers([with(1, 0..30), with(2, 20..40)].into_iter(), None);
    for edit in [LayerEdit::MergeDown(LayerId(2)), LayerEdit::MergeVisible] {
        let merged = stack.edited(extent, edit).unwrap().unwrap();
        assert_eq!(merged.layers()[0].look.recipes, recipes(8..40), "at most 32 are kept");
    }
}

fn of_kind(stack: &Stack, layer: LayerId, kind: LayerKind) -> Stack {
    let look = LayerLook { kind, ..stack.get(layer).unwrap().look.clone() };
    edited(stack, LayerEdit::Look { layer, look, goes_on: false })
}

#[test]
fn masks_and_guides_are_no_part_of_the_picture_and_merge_only_with_their_like() {
    let normal = |colour| (colour, Blend::Normal, 1.0);
    let plain =
        stack(&[normal([9, 8, 7, 255]), normal([1, 2, 3, 255]), normal([4, 5, 6, 128]), normal([0, 0, 0, 255])]);
    let ids: Vec<_> = plain.layers().iter().map(|layer| layer.id).collect();
    let mut mixed = of_kind(&plain, ids[1], LayerKind::Result);
    for (id, kind) in [(ids[2], LayerKind::Control), (ids[3], LayerKind::Control)] {
        mixed = of_kind(&mixed, id, kind);
    }
    assert_eq!(seen(&mixed), [1, 2, 3, 255], "a result is a part of the picture");
    assert!(matches!(mixed.edited(EXTENT, LayerEdit::MergeDown(ids[2])), Err(Error::OtherKind(_))));
    let guides = edited(&mixed, LayerEdit::MergeDown(ids[3]));
    let merged = guides.get(ids[2]).unwrap();
    assert_eq!((merged.look.kind, merged.tiles.pixel(5, 5)), (LayerKind::Control, [0, 0, 0, 255]));
    let merged = edited(&mixed, LayerEdit::MergeDown(ids[1]));
    assert_eq!(merged.get(ids[0]).unwrap().look.kind, LayerKind::Picture);
    let merged = edited(&mixed, LayerEdit::MergeVisible);
    assert_eq!((merged.layers().len(), seen(&merged)), (3, [1, 2, 3, 255]));
    // Lines that are drawn guide as though on paper.
    assert_eq!(mixed.drawn_on(LayerKind::Control, EXTENT).pixel(5, 5), [0, 0, 0, 255]);
    let hidden = LayerLook { visible: false, ..mixed.get(ids[3]).unwrap().look.clone() };
    let one = edited(&mixed, LayerEdit::Look { layer: ids[3], look: hidden, goes_on: false });
    assert_eq!(one.drawn_on(LayerKind::Control, EXTENT).pixel(5, 5), [129, 130, 130, 255]);
}

#[test]
fn what_a_layer_covers_of_a_box_is_what_its_pixels_do_and_the_faintest_is_not_nothing() {
    let mut tiles = Tiles::clear(EXTENT);
    let mut tile = super::super::Tile::filled([9, 9, 9, 0]);
    for (at, pixel) in tile.pixels_mut().iter_mut().enumerate() {
        pixel[3] = (at % 251) as u8;
    }
    tiles.set(0, Some(Arc::new(tile)));
    let layer = |opacity| {
        let look = LayerLook { opacity, kind: LayerKind::Mask, ..LayerLook::named("mask") };
        Layer::new(LayerId(1), look, tiles.clone())
    };
    // Over all four tiles, of which three are clear, and beyond the edge.
    let bounds = Bounds { left: 100, top: 60, extent: Extent::new(200, 100) };
    let (half, mask) = (layer(0.5), layer(0.5).coverage(bounds));
    assert_eq!(mask.extent(), Extent::new(100, 80));
    for (at, &covers) in mask.coverage().iter().enumerate() {
        let pixel = half.tiles.pixel(100 + at as u32 % 100, 60 + at as u32 / 100);
        assert_eq!(covers, half.covers(pixel), "{at}");
        assert!(covers.abs_diff(pixel[3] / 2) <= 1 && (covers == 0) == (pixel[3] == 0), "{at}: {covers} of {pixel:?}");
    }
    assert_eq!([40, 0].map(|alpha| layer(0.01).covers([0, 0, 0, alpha])), [1, 0]);
    assert_eq!(layer(0.0).covers([0, 0, 0, 40]), 0);
}
