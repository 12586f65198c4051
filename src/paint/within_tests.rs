use super::super::{Brush, Bucket, Edit, Gradient, Ink, LayerLook, MaskEdit, PaintBrush, Painting, Sample, Spread};
use super::*;
use crate::geom::Point;
use crate::pixels::Picture;
use proptest::prelude::*;
use std::time::Instant;

const EXTENT: Extent = Extent::new(150, 140);
const LAYER: LayerId = LayerId(1);

/// Every pixel another one, many of them clear.
fn speckled(x: u32, y: u32) -> [u8; 4] {
    if (x * 7 + y * 3).is_multiple_of(5) { [0; 4] } else { [x as u8, y as u8, (x * y) as u8, (1 + x + y) as u8] }
}

fn layer(pixel: impl Fn(u32, u32) -> [u8; 4]) -> Tiles {
    let places = (0..EXTENT.height).flat_map(|y| (0..EXTENT.width).map(move |x| (x, y)));
    Tiles::of(&Picture::from_rgba(EXTENT, places.flat_map(|(x, y)| pixel(x, y)).collect()).unwrap())
}

fn document(tiles: Tiles, keeps_alpha: bool, mask: &Mask) -> Document {
    let look = LayerLook { keeps_alpha, ..LayerLook::named("sheet") };
    let stack = Stack::from_layers([Layer { id: LAYER, look, tiles, beyond: None }].into_iter(), None);
    Document::with_layers(EXTENT, stack, Some(mask.clone())).unwrap()
}

fn mask_of(covers: impl Fn(u32, u32) -> u8) -> Mask {
    let places = (0..EXTENT.height).flat_map(|y| (0..EXTENT.width).map(move |x| (x, y)));
    Mask::from_coverage(EXTENT, places.map(|(x, y)| covers(x, y)).collect()).unwrap()
}

fn boxed(left: u32, top: u32, width: u32, height: u32) -> Mask {
    mask_of(|x, y| if (left..left + width).contains(&x) && (top..top + height).contains(&y) { 255 } else { 0 })
}

fn on_layer(document: &Document) -> Picture {
    document.stack().layers()[0].tiles.to_picture()
}

fn drawn(mut painting: Painting, path: &[(f32, f32)]) -> Painting {
    for &(x, y) in path {
        painting.extend(&[Sample::at(x, y)]);
    }
    painting.finish();
    painting
}

fn poured(mut painting: Painting) -> Painting {
    while !painting.pour(Instant::now()) {}
    painting
}

/// All that confined changes of a layer are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum With {
    Brush,
    Eraser,
    Smudge,
    Gradient,
    Bucket,
    Fill,
    Clear,
    Cut,
}

const ALL: [With; 8] =
    [With::Brush, With::Eraser, With::Smudge, With::Gradient, With::Bucket, With::Fill, With::Clear, With::Cut];

fn change(document: &Document, with: With, colour: [u8; 3], brush: PaintBrush, path: &[(f32, f32)]) -> Edit {
    let (ink, last) = (Ink::Colour(colour), path[path.len() - 1]);
    let painting = match with {
        With::Brush => drawn(Painting::begin(document, ink, brush).unwrap(), path),
        With::Eraser => drawn(Painting::begin(document, Ink::Erase, brush).unwrap(), path),
        With::Smudge => drawn(Painting::smudge(document, brush).unwrap(), path),
        With::Gradient => {
            let to = Point::new(last.0, last.1 + 400.0);
            let gradient = Gradient {
                spread: Spread::Linear,
                from: Point::new(1.0, 2.0),
                to,
                start: colour,
                end: None,
                opacity: brush.opacity,
            };
            poured(Painting::gradient(document, gradient).unwrap())
        }
        With::Bucket => {
            let (x, y) = (last.0.clamp(0.0, 149.0) as u32, last.1.clamp(0.0, 139.0) as u32);
            let opacity = brush.opacity;
            let bucket = Bucket { ink, opacity, tolerance: 90, connected: x % 2 == 0, sees_all_layers: y % 2 == 0 };
            return Edit::Fill { bucket, x, y };
        }
        With::Fill => return Edit::Layer(LayerEdit::Fill(LAYER, ink)),
        With::Clear => return Edit::Layer(LayerEdit::Clear(LAYER)),
        With::Cut => return Edit::Cut(LAYER),
    };
    Edit::Paint(Box::new(painting))
}

fn any_mask() -> impl Strategy<Value = Mask> {
    let boxes = prop::collection::vec((0u32..150, 0u32..140, 1u32..90, 1u32..90, any::<u8>()), 1..4);
    (boxes, 0u8..5).prop_map(|(boxes, feather)| {
        let covers = |x: u32, y: u32| {
            let is_in = |&&(left, top, width, height, _): &&(u32, u32, u32, u32, u8)| {
                (left..left + width).contains(&x) && (top..top + height).contains(&y)
            };
            boxes.iter().find(is_in).map_or(0, |found| found.4)
        };
        mask_of(covers).feathered(f32::from(feather))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_not_masked_stays_to_the_last_bit_and_the_rest_changes_as_far_as_it_is_masked(
        mask in any_mask(), with in prop::sample::select(&ALL[..]), keeps_alpha: bool, colour: [u8; 3],
        path in prop::collection::vec((-20.0f32..170.0, -20.0f32..160.0), 1..6),
        (size, hardness, opacity) in (1.0f32..70.0, 0.0f32..1.0, 0.1f32..1.0),
    ) {
        prop_assume!(!mask.is_empty());
        let brush = PaintBrush { opacity, smoothing: 0.0, ..PaintBrush::new(Brush { size, hardness }) };
        let mut document = document(layer(speckled), keeps_alpha, &mask);
        let before = on_layer(&document);
        let mut free = document.clone();
        free.keep_within_mask(false);
        let edit = change(&document, with, colour, brush, &path);
        let changed = document.apply(edit).unwrap();
        let after = on_layer(&document);
        prop_assert_eq!(changed, before != after);
        let edit = change(&free, with, colour, brush, &path);
        free.apply(edit).unwrap();
        let freely = on_layer(&free);
        let pixels = |picture: &Picture| picture.rgba().as_chunks::<4>().0.to_vec();
        let (was, is, might) = (pixels(&before), pixels(&after), pixels(&freely));
        for (i, &covers) in mask.coverage().iter().enumerate() {
            if covers == 0 {
                prop_assert_eq!(is[i], was[i], "pixel {} is not masked", i);
            } else if with != With::Smudge && with != With::Cut {
                // A brush that pushes takes up what it pushed before: it ends elsewhere.
                let share = f32::from(covers) / 255.0;
                let (a, b, c) = (premultiplied(was[i], 1.0), premultiplied(might[i], 1.0), premultiplied(is[i], 1.0));
                for channel in 0..4 {
                    let wanted = a[channel] + (b[channel] - a[channel]) * share;
                    prop_assert!((wanted - c[channel]).abs() < 1.01 / 255.0, "{:?} to {:?} by {}: {:?}", was[i], might[i], covers, is[i]);
                }
            }
            if keeps_alpha && !matches!(with, With::Clear | With::Cut) {
                prop_assert_eq!(is[i][3], was[i][3]);
            }
        }
        prop_assert_eq!(document.undo(), changed);
        prop_assert!(on_layer(&document) == before && *document.mask() == mask);
        prop_assert_eq!(document.redo(), changed);
        prop_assert!(on_layer(&document) == after);
    }

    #[test]
    fn what_is_masked_is_moved_with_its_mask_and_the_rest_stays(
        mask in any_mask(), (right, below) in (-60i32..60, -60i32..60),
    ) {
        prop_assume!(!mask.is_empty());
        let mut document = document(layer(speckled), false, &mask);
        let before = on_layer(&document);
        let pivot = Point::new(40.0, 30.0);
        let to = Point::new(pivot.x + right as f32, pivot.y + below as f32);
        let transform = Transform { to, ..Transform::around(pivot) };
        let mut at_once = document.clone();
        at_once.apply(Edit::Layer(LayerEdit::Transform(LAYER, transform))).unwrap();
        let painting = poured(Painting::transform(&document, transform).unwrap());
        let shown = painting.shown().clone();
        let changed = document.apply(Edit::Paint(Box::new(painting))).unwrap();
        prop_assert!(on_layer(&document) == on_layer(&at_once) && document.mask() == at_once.mask());
        prop_assert!(shown == **document.flat() && document.stack().flattened(EXTENT) == shown);
        let (after, moved) = (on_layer(&document), document.mask().clone());
        let at = |x: i32, y: i32| ((0..150).contains(&x) && (0..140).contains(&y)).then_some((y * 150 + x) as usize);
        for (x, y) in (0..140).flat_map(|y| (0..150).map(move |x| (x, y))) {
            let (here, from) = ((y * 150 + x) as usize, at(x - right, y - below));
            if changed {
                prop_assert_eq!(moved.coverage()[here], from.map_or(0, |from| mask.coverage()[from]));
            }
            let pixel = |picture: &Picture, at: usize| picture.rgba().as_chunks::<4>().0[at];
            match from.map_or(0, |from| mask.coverage()[from]) {
                0 if mask.coverage()[here] == 0 => prop_assert_eq!(pixel(&after, here), pixel(&before, here)),
                255 if (right, below) != (0, 0) && pixel(&before, from.unwrap())[3] == 255 => {
                    prop_assert_eq!(pixel(&after, here), pixel(&before, from.unwrap()));
                }
                _ => {}
            }
        }
        prop_assert_eq!(document.undo(), changed);
        prop_assert!(on_layer(&document) == before && *document.mask() == mask);
        prop_assert_eq!(document.redo(), changed);
        prop_assert!(on_layer(&document) == after && *document.mask() == moved);
    }
}

#[test]
fn a_middling_mask_lets_half_of_it_through() {
    let half = mask_of(|x, _| if x < 75 { 128 } else { 255 });
    let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(Brush { size: 30.0, hardness: 1.0 }) };
    let path = [(40.0, 70.0), (110.0, 70.0)];
    for (with, expected) in
        [(With::Brush, [[127, 127, 127, 255], [0, 0, 0, 255]]), (With::Eraser, [[255, 255, 255, 127], [0; 4]])]
    {
        let mut document = document(Tiles::filled(EXTENT, [255; 4]), false, &half);
        let edit = change(&document, with, [0; 3], brush, &path);
        document.apply(edit).unwrap();
        let tiles = &document.stack().layers()[0].tiles;
        assert_eq!([tiles.pixel(50, 70), tiles.pixel(100, 70)], expected, "{with:?}");
    }
}

#[test]
fn paint_is_pushed_as_far_as_the_mask_covers() {
    let red_or_blue = |x: u32, _| if x < 75 { [255, 0, 0, 255] } else { [0, 0, 255, 255] };
    let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(Brush { size: 16.0, hardness: 1.0 }) };
    let red = |covers: u8| {
        let mut document = document(layer(red_or_blue), false, &mask_of(|_, y| if y < 72 { covers } else { 0 }));
        let edit = change(&document, With::Smudge, [0; 3], brush, &[(50.0, 70.0), (140.0, 70.0)]);
        document.apply(edit).unwrap();
        let tiles = &document.stack().layers()[0].tiles;
        assert_eq!(tiles.pixel(100, 74), [0, 0, 255, 255], "beside the mask");
        tiles.pixel(100, 70)[0]
    };
    assert_eq!([red(255), red(128), red(51)], [255, 128, 51]);
}

#[test]
fn a_brush_that_pushes_takes_up_what_is_seen_beside_the_mask_and_not_what_it_would_have_left_there() {
    let red_or_blue = |x: u32, _| if x < 75 { [255, 0, 0, 255] } else { [0, 0, 255, 255] };
    let mut document = document(layer(red_or_blue), false, &boxed(0, 0, 90, 140));
    let brush = PaintBrush { smoothing: 0.0, opacity: 0.8, ..PaintBrush::new(Brush { size: 16.0, hardness: 1.0 }) };
    let path = [(60.0, 70.0), (140.0, 70.0), (60.0, 70.0)];
    document.apply(change(&document, With::Smudge, [0; 3], brush, &path)).unwrap();
    let tiles = &document.stack().layers()[0].tiles;
    let back = [73, 80, 85, 89].map(|x| tiles.pixel(x, 70));
    assert!(back.iter().all(|[red, _, blue, _]| *red < 6 && *blue > 249), "it comes back with blue alone: {back:?}");
}

#[test]
fn what_lies_beside_the_mask_is_told_from_what_crosses_it() {
    let mut document = document(layer(speckled), false, &boxed(60, 60, 20, 20));
    let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(Brush { size: 10.0, hardness: 1.0 }) };
    let begun = |document: &Document| {
        [Painting::begin(document, Ink::Erase, brush).unwrap(), Painting::smudge(document, brush).unwrap()]
    };
    let is_kept_out =
        |document: &Document, path: &[(f32, f32)]| begun(document).map(|painting| drawn(painting, path).is_kept_out());
    assert_eq!(is_kept_out(&document, &[(20.0, 20.0), (130.0, 40.0)]), [true; 2]);
    assert_eq!(is_kept_out(&document, &[(20.0, 20.0), (70.0, 70.0)]), [false; 2]);
    assert_eq!(is_kept_out(&document, &[(-80.0, -80.0)]), [false; 2], "it is beside the layer, too");
    document.keep_within_mask(false);
    assert_eq!(is_kept_out(&document, &[(20.0, 20.0), (130.0, 40.0)]), [false; 2]);
}

#[test]
fn the_box_of_what_is_moved_is_that_of_what_is_masked() {
    let square = |x: u32, y: u32| if (30..140).contains(&x) && (20..60).contains(&y) { [9; 4] } else { [0; 4] };
    let mut document = document(layer(square), false, &boxed(100, 50, 50, 50));
    let corners = |left, top, right, bottom| Some([Point::new(left, top), Point::new(right, bottom)]);
    let movable = |document: &Document| document.movable(&document.stack().layers()[0]);
    assert_eq!(movable(&document), corners(100.0, 50.0, 140.0, 60.0));
    document.keep_within_mask(false);
    assert_eq!(movable(&document), corners(30.0, 20.0, 140.0, 60.0));
    document.keep_within_mask(true);
    document.apply(Edit::Mask(MaskEdit::Replace(boxed(0, 100, 150, 40)))).unwrap();
    assert_eq!(movable(&document), None);
    document.apply(Edit::Mask(MaskEdit::Clear)).unwrap();
    assert_eq!(movable(&document), corners(30.0, 20.0, 140.0, 60.0));
}

#[test]
fn what_is_moved_is_out_of_date_once_something_else_is_to_be_moved_and_a_stroke_is_not() {
    let mut document = document(layer(speckled), false, &boxed(60, 60, 20, 20));
    let aside = Transform { to: Point::new(9.0, 0.0), ..Transform::around(Point::default()) };
    for keeps_within in [true, false] {
        document.keep_within_mask(keeps_within);
        let brush = PaintBrush::new(Brush { size: 10.0, hardness: 1.0 });
        let stroke = Painting::begin(&document, Ink::Erase, brush).unwrap();
        let moved = poured(Painting::transform(&document, aside).unwrap());
        assert!(moved.is_current(&document));
        document.keep_within_mask(!keeps_within);
        assert!(stroke.is_current(&document) && !moved.is_current(&document));
        assert_eq!(document.apply(Edit::Paint(Box::new(moved))).unwrap_err(), Error::Outdated);
    }
    document.apply(Edit::Mask(MaskEdit::Clear)).unwrap();
    let moved = Painting::transform(&document, aside).unwrap();
    document.keep_within_mask(false);
    assert!(moved.is_current(&document), "nothing is masked");
}

#[test]
fn the_masked_part_is_as_opaque_as_it_is_masked_and_takes_no_more_tiles_than_there_is_something_in() {
    let mask = mask_of(|x, y| if x < 100 && y < 130 { (x * 2 + y) as u8 } else { 0 });
    let tiles = layer(speckled);
    let part = tiles.masked_part(&mask);
    for (at, &covers) in (0..).zip(mask.coverage()) {
        let (x, y) = (at % EXTENT.width, at / EXTENT.width);
        let [r, g, b, alpha] = tiles.pixel(x, y);
        let alpha = (f32::from(alpha) * f32::from(covers) / 255.0).round() as u8;
        assert_eq!(part.pixel(x, y), if alpha == 0 { [0; 4] } else { [r, g, b, alpha] }, "{x}, {y}");
    }
    assert_eq!([0, 1, 2, 3].map(|index| part.tile(index).is_some()), [true, false, true, false]);
    assert!(tiles.masked_part(&Mask::empty(EXTENT)).is_clear());
}

#[test]
fn a_layer_of_masks_is_painted_everywhere() {
    let mut document = document(Tiles::clear(EXTENT), false, &boxed(60, 60, 20, 20));
    let look = LayerLook { kind: LayerKind::Mask, ..LayerLook::named("mask") };
    document.apply(Edit::Layer(LayerEdit::Look { layer: LAYER, look, goes_on: false })).unwrap();
    document.apply(Edit::Layer(LayerEdit::Fill(LAYER, Ink::Colour([1, 2, 3])))).unwrap();
    assert_eq!(document.stack().layers()[0].tiles, Tiles::filled(EXTENT, [1, 2, 3, 255]));
}

#[test]
fn a_locked_layer_stays_as_it_is_within_the_mask_as_well() {
    let mut document = document(layer(speckled), false, &boxed(60, 60, 20, 20));
    let look = LayerLook { locked: true, ..LayerLook::named("kept") };
    document.apply(Edit::Layer(LayerEdit::Look { layer: LAYER, look, goes_on: false })).unwrap();
    let flip = Transform::flip(Point::new(EXTENT.width as f32 / 2.0, EXTENT.height as f32 / 2.0), true);
    for edit in [
        Edit::Layer(LayerEdit::Clear(LAYER)),
        Edit::Layer(LayerEdit::Transform(LAYER, flip)),
        Edit::Layer(LayerEdit::Fill(LAYER, Ink::Erase)),
        Edit::Cut(LAYER),
    ] {
        assert_eq!(document.apply(edit).unwrap_err(), Error::Locked("kept".into()));
    }
}
