use super::super::{Document, Edit, Ink, LayerEdit, LayerId, LayerLook, MaskEdit, Painting, TILE_BYTES};
use super::*;
use proptest::prelude::*;

const EXTENT: Extent = Extent::new(150, 140);

/// Every pixel another one, some of them clear.
fn speckled() -> Tiles {
    let pixel = |x: u32, y: u32| match (x * 7 + y * 3) % 5 {
        0 => [0; 4],
        _ => [x as u8, y as u8, (x * y) as u8, (1 + x + y) as u8],
    };
    let rgba = (0..EXTENT.height).flat_map(|y| (0..EXTENT.width).map(move |x| (x, y)));
    Tiles::of(&Picture::from_rgba(EXTENT, rgba.flat_map(|(x, y)| pixel(x, y)).collect()).unwrap())
}

/// A document with one layer on which these pixels are.
fn document(tiles: Tiles) -> (Document, LayerId) {
    let mut document = Document::new(tiles.extent());
    document.apply(Edit::Layer(LayerEdit::Insert { look: LayerLook::named("a"), tiles })).unwrap();
    let id = document.stack().layers()[0].id;
    (document, id)
}

fn moved(right: i32, down: i32) -> Transform {
    Transform { to: Point::new(right as f32, down as f32), ..Transform::around(Point::default()) }
}

fn edit(document: &mut Document, edit: LayerEdit) {
    document.apply(Edit::Layer(edit)).unwrap();
}

fn shift(document: &mut Document, right: i32, down: i32) {
    let id = document.stack().active().unwrap().id;
    edit(document, LayerEdit::Transform(id, moved(right, down)));
}

/// As a person does it: shown while it is dragged, and applied.
fn drag(document: &mut Document, transform: Transform) {
    let mut painting = Painting::transform(document, transform).unwrap();
    while !painting.pour(Instant::now()) {}
    document.apply(Edit::Paint(Box::new(painting))).unwrap();
}

fn active(document: &Document) -> Arc<Layer> {
    Arc::clone(document.stack().active().unwrap())
}

fn pixel(layer: &Layer, x: i32, y: i32) -> [u8; 4] {
    let whole = layer.whole();
    let at = |place: i32, start: i32| u32::try_from(place - start).unwrap_or(u32::MAX);
    whole.tiles.pixel(at(x, whole.left), at(y, whole.top))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whole_pixels_that_are_moved_out_come_back_as_they_were(
        places in prop::collection::vec((-250i32..250, -250i32..250, any::<bool>()), 1..5),
    ) {
        let (mut document, _) = document(speckled());
        let before = active(&document);
        let mut at = (0, 0);
        for (x, y, drags) in places.into_iter().chain([(0, 0, false)]) {
            if drags {
                drag(&mut document, moved(x - at.0, y - at.1));
            } else {
                shift(&mut document, x - at.0, y - at.1);
            }
            at = (x, y);
            let layer = active(&document);
            for (u, v) in [(0, 0), (149, 139), (149, 0), (31, 77), (127, 128)] {
                prop_assert_eq!(pixel(&layer, x + u, y + v), before.tiles.pixel(u as u32, v as u32), "{:?}", at);
            }
        }
        prop_assert_eq!(&*active(&document), &*before);
    }
}

#[test]
fn flips_and_quarter_turns_are_exact_out_there_too() {
    let (mut document, id) = document(speckled());
    shift(&mut document, 90, -70);
    let before = active(&document);
    assert!(before.beyond.is_some());
    for sideways in [true, true, false, false] {
        edit(&mut document, LayerEdit::Transform(id, Transform::flip(Point::new(150.0, 20.0), sideways)));
    }
    assert_eq!(*active(&document), *before);
    for number in 1..=4 {
        let quarter = Transform { angle: std::f32::consts::FRAC_PI_2, ..Transform::around(Point::new(100.0, 60.0)) };
        edit(&mut document, LayerEdit::Transform(id, quarter));
        assert_eq!(*active(&document) == *before, number == 4);
    }
}

#[test]
fn what_lies_outside_is_never_within_and_is_seen_as_soon_as_it_is_dragged_in() {
    let (mut document, _) = document(speckled());
    shift(&mut document, -100, 60);
    let layer = active(&document);
    assert_eq!(layer.content(), Some([Point::new(-100.0, 60.0), Point::new(50.0, 200.0)]));
    let beyond = layer.beyond.as_ref().unwrap();
    assert_eq!(beyond.parted(EXTENT), (Tiles::clear(EXTENT), Some(Arc::clone(beyond))));
    for transform in [moved(100, -60), Transform { scale: (1.5, 0.7), angle: 0.4, ..moved(60, 9) }] {
        let mut painting = Painting::transform(&document, moved(0, 0)).unwrap();
        while !painting.pour(Instant::now()) {}
        painting.move_to(transform);
        while !painting.pour(Instant::now()) {}
        let mut other = document.clone();
        edit(&mut other, LayerEdit::Transform(layer.id, transform));
        assert!(painting.shown() == &**other.flat(), "{transform:?}");
        let mut dragged = document.clone();
        dragged.apply(Edit::Paint(Box::new(painting))).unwrap();
        assert_eq!(dragged.stack(), other.stack());
    }
    let mut painting = Painting::transform(&document, moved(100, -60)).unwrap();
    painting.pour(Instant::now());
    assert_eq!(painting.shown().pixel(31, 77), speckled().pixel(31, 77), "quickly at first");
}

#[test]
fn undo_brings_back_what_lies_outside_and_its_bytes_count() {
    let (mut document, _) = document(Tiles::filled(EXTENT, [9, 8, 7, 255]));
    shift(&mut document, 256, 0);
    let out = active(&document);
    assert!(out.tiles.is_clear() && out.beyond.as_ref().unwrap().bytes() == 4 * TILE_BYTES);
    let bytes = document.history_bytes();
    shift(&mut document, -256, 0);
    assert!(active(&document).beyond.is_none());
    assert!(document.history_bytes() >= bytes + 4 * TILE_BYTES, "{bytes}, then {}", document.history_bytes());
    document.undo();
    assert_eq!(*active(&document), *out);
    document.redo();
    assert!(active(&document).beyond.is_none());
}

#[test]
fn what_goes_too_far_is_lost_and_the_largest_document_holds_no_more_than_a_picture_does() {
    let (mut document, _) = document(Tiles::filled(EXTENT, [9, 8, 7, 255]));
    // Two tiles across, and as many again: 512.
    shift(&mut document, 500, 0);
    assert_eq!(active(&document).content(), Some([Point::new(500.0, 0.0), Point::new(512.0, 140.0)]));
    shift(&mut document, 300, 0);
    assert!(active(&document).beyond.is_none());
    let around = Around::new(Extent::new(8192, 8192));
    let all: Vec<_> = (0..around.grid.count()).collect();
    // 88 tiles of 128 are 11264, whose square is less than 128 million, and 90 are too many.
    assert_eq!(around.reach(&all, 0), 12);
    let of_document = |index: &usize| (0..8192).contains(&around.place(*index).1);
    let to_right: Vec<_> =
        all.iter().copied().filter(|index| of_document(index) && around.place(*index).0 >= 0).collect();
    // 122 tiles of 128 times 8192 are less, and 123 more.
    assert_eq!((around.reach(&to_right, 0), around.reach(&to_right, 1)), (58, 60));
}

#[test]
fn an_empty_layer_costs_nothing_outside_either() {
    let (mut document, id) = document(Tiles::clear(Extent::new(8192, 8192)));
    let bytes = document.stack().bytes_besides(&Stack::default());
    edit(&mut document, LayerEdit::Transform(id, Transform { scale: (0.001, 0.001), ..moved(-4000, 9) }));
    assert!(active(&document).beyond.is_none());
    assert_eq!(document.stack().bytes_besides(&Stack::default()), bytes);
}

#[test]
fn room_brings_it_in_and_a_cut_lets_go_of_it() {
    let (mut document, _) = document(speckled());
    shift(&mut document, -100, 60);
    let wider = Frame { extent: Extent::new(200, 140), left: 50, top: 0 };
    let mut roomy = document.clone();
    roomy.apply(Edit::Reframe(wider)).unwrap();
    let layer = active(&roomy);
    for (x, y) in [(0, 60), (49, 100), (99, 139), (-50, 199)] {
        let was = speckled().pixel((x + 50) as u32, (y - 60) as u32);
        assert_eq!(pixel(&layer, x, y), was, "at {x}, {y}");
    }
    assert_eq!(layer.tiles.pixel(49, 100), speckled().pixel(99, 40), "within the document now");
    let back = Frame { extent: EXTENT, left: -50, top: 0 };
    roomy.apply(Edit::Reframe(back)).unwrap();
    assert_eq!((&active(&roomy).tiles, &active(&roomy).beyond), (&active(&document).tiles, &None));
    roomy.undo();
    roomy.undo();
    assert_eq!(*active(&roomy), *active(&document));
}

#[test]
fn it_is_scaled_with_the_document() {
    let (mut document, _) = document(Tiles::filled(EXTENT, [9, 8, 7, 255]));
    shift(&mut document, -50, 70);
    document.apply(Edit::SetExtent(Extent::new(300, 280))).unwrap();
    let layer = active(&document);
    let [from, to] = layer.content().unwrap();
    // What is scaled has soft edges: within the document they reach three pixels of its old size.
    assert!(from.distance(Point::new(-100.0, 140.0)) <= 7.0 && to.distance(Point::new(200.0, 420.0)) <= 7.0);
    assert_eq!(pixel(&layer, -50, 350), [9, 8, 7, 255]);
}

#[test]
fn it_goes_with_the_layer_and_a_fill_leaves_it_alone() {
    let (mut document, id) = document(speckled());
    shift(&mut document, -100, 60);
    let layer = active(&document);
    edit(&mut document, LayerEdit::Duplicate(id));
    let copy = active(&document);
    assert!(copy.id != id && copy.beyond == layer.beyond && layer.beyond.is_some());
    edit(&mut document, LayerEdit::Fill(copy.id, Ink::Colour([1, 2, 3])));
    assert_eq!(active(&document).beyond, layer.beyond);
    edit(&mut document, LayerEdit::Clear(copy.id));
    assert!(active(&document).tiles.is_clear() && active(&document).beyond.is_none());
    assert_eq!(document.stack().get(id), Some(&layer));
}

#[test]
fn a_cut_takes_what_lies_within_and_nothing_of_what_lies_outside() {
    let (mut document, id) = document(speckled());
    shift(&mut document, -100, 60);
    let layer = active(&document);
    document.apply(Edit::Cut(id)).unwrap();
    assert!(active(&document).tiles.is_clear() && layer.beyond.is_some());
    assert_eq!(active(&document).beyond, layer.beyond);
    assert!(!document.apply(Edit::Cut(id)).unwrap(), "there is nothing more to cut");
    assert!(document.undo());
    assert_eq!(*active(&document), *layer);
}

#[test]
fn layers_are_merged_outside_as_they_are_within() {
    let (mut document, lower) = document(Tiles::filled(EXTENT, [100, 0, 0, 255]));
    let tiles = Tiles::filled(EXTENT, [200, 0, 0, 255]);
    let look = LayerLook { opacity: 0.4, ..LayerLook::named("b") };
    edit(&mut document, LayerEdit::Insert { look, tiles });
    let upper = active(&document).id;
    edit(&mut document, LayerEdit::Transform(lower, moved(-100, 0)));
    edit(&mut document, LayerEdit::Transform(upper, moved(-90, 0)));
    for merge in [LayerEdit::MergeDown(upper), LayerEdit::MergeVisible] {
        let mut merged = document.clone();
        edit(&mut merged, merge);
        let layer = active(&merged);
        // 0.4 of 200 over 100, and 0.4 of 255.
        let found = [-95, -20, 10, 55].map(|x| pixel(&layer, x, 20));
        assert_eq!(found, [[100, 0, 0, 255], [140, 0, 0, 255], [140, 0, 0, 255], [200, 0, 0, 102]]);
        assert_eq!(merged.stack().layers().len(), 1);
    }
    edit(&mut document, LayerEdit::Clear(lower));
    edit(&mut document, LayerEdit::MergeDown(upper));
    assert_eq!(pixel(&active(&document), -20, 20), [200, 0, 0, 102]);
}

#[test]
fn what_is_masked_is_kept_out_there_too_over_what_was_there() {
    const RED: [u8; 4] = [200, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 200, 255];
    let halves = (0..EXTENT.area()).flat_map(|i| if i % (EXTENT.width as usize) < 75 { RED } else { BLUE }).collect();
    let (mut document, _) = document(Tiles::of(&Picture::from_rgba(EXTENT, halves).unwrap()));
    shift(&mut document, -75, 0);
    let mut mask = crate::pixels::Mask::empty(EXTENT);
    let columns = mask.coverage_mut().chunks_exact_mut(EXTENT.width as usize);
    columns.for_each(|row| row[..20].fill(255));
    document.apply(Edit::Mask(MaskEdit::Replace(mask))).unwrap();
    let before = active(&document);
    let mut dragged = document.clone();
    shift(&mut document, -50, 0);
    drag(&mut dragged, moved(-50, 0));
    assert_eq!(dragged.stack(), document.stack());
    let layer = active(&document);
    for (x, colour) in
        [(-75, RED), (-51, RED), (-50, BLUE), (-31, BLUE), (-30, RED), (-1, RED), (0, [0; 4]), (19, [0; 4]), (20, BLUE)]
    {
        assert_eq!(pixel(&layer, x, 70), colour, "{x}");
    }
    document.undo();
    assert_eq!(*active(&document), *before);
}
