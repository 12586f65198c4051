use super::*;
use crate::geom::{Extent, Point};
use crate::paint::{Edit, TILE_SIDE};
use proptest::prelude::*;

const RED: Ink = Ink::Colour([255, 0, 0]);

fn brush(size: f32, hardness: f32) -> PaintBrush {
    PaintBrush { smoothing: 0.0, ..PaintBrush::new(Brush { size, hardness }) }
}

/// A stroke and where it goes.
type Painted<'a> = (Ink, PaintBrush, &'a [(f32, f32)]);

/// A document with one clear layer, under these strokes.
fn painted(extent: Extent, strokes: &[Painted]) -> Document {
    let mut document = Document::new(extent);
    document.apply(Edit::Layer(crate::paint::LayerEdit::Add)).unwrap();
    for (ink, brush, path) in strokes {
        let mut painting = Painting::begin(&document, *ink, *brush).unwrap();
        painting.extend(&path.iter().map(|&(x, y)| Sample::at(x, y)).collect::<Vec<_>>());
        painting.finish();
        document.apply(Edit::Paint(Box::new(painting))).unwrap();
    }
    document
}

fn alphas(document: &Document) -> Vec<u8> {
    document.flat().to_picture().rgba().iter().skip(3).step_by(4).copied().collect()
}

#[test]
fn a_hard_dab_covers_the_area_of_its_circle_across_tiles() {
    let middle = TILE_SIDE as f32;
    for size in [1.0, 5.0, 24.0, 61.5] {
        let document = painted(Extent::new(300, 300), &[(RED, brush(size, 1.0), &[(middle, middle)])]);
        let area = alphas(&document).iter().map(|&a| f64::from(a) / 255.0).sum::<f64>();
        let circle = std::f64::consts::PI * f64::from(size / 2.0).powi(2);
        assert!((area - circle).abs() < 0.03 * circle + 0.4, "size {size}: {area}, a circle has {circle}");
    }
}

#[test]
fn a_stroke_is_as_opaque_as_the_brush_says_however_often_it_crosses_itself() {
    let back_and_forth: Vec<_> = (0..40).map(|i| (if i % 2 == 0 { 20.0 } else { 80.0 }, 30.0)).collect();
    let half = PaintBrush { opacity: 0.5, ..brush(20.0, 1.0) };
    let document = painted(Extent::new(100, 60), &[(RED, half, &back_and_forth)]);
    assert_eq!(document.flat().pixel(50, 30), [255, 0, 0, 128]);
    let twice =
        painted(Extent::new(100, 60), &[(RED, half, &back_and_forth), (RED, half, &[(20.0, 30.0), (80.0, 30.0)])]);
    assert_eq!(twice.flat().pixel(50, 30), [255, 0, 0, 192], "another stroke is another coat: 127.5 + 0.5 * 128");
}

#[test]
fn a_brush_that_flows_little_builds_up_and_never_beyond_its_shape() {
    let gentle = PaintBrush { flow: 0.05, ..brush(40.0, 0.0) };
    let rest: Vec<_> = (0..400).map(|i| (50.0 + (i % 2) as f32 * 4.0, 50.0)).collect();
    let at = |path: &[(f32, f32)], x| painted(Extent::new(100, 100), &[(RED, gentle, path)]).flat().pixel(x, 50)[3];
    let (little, much) = (at(&rest[..8], 52), at(&rest, 52));
    assert!(little > 5 && little < 120 && much > 240, "{little} and {much}");
    let full = painted(Extent::new(100, 100), &[(RED, brush(40.0, 0.0), &rest)]).flat().pixel(65, 50)[3];
    assert!(at(&rest, 65) <= full, "the soft edge stays soft");
}

#[test]
fn erasing_takes_away_what_was_painted() {
    let line: &[(f32, f32)] = &[(20.0, 30.0), (80.0, 30.0)];
    let document =
        painted(Extent::new(100, 60), &[(RED, brush(10.0, 1.0), line), (Ink::Erase, brush(30.0, 1.0), line)]);
    assert!(alphas(&document).iter().all(|&a| a == 0));
}

#[test]
fn pressing_harder_makes_the_brush_wider() {
    let width = |pressure| {
        let document = painted(Extent::new(100, 100), &[]);
        let mut painting = Painting::begin(&document, RED, brush(60.0, 1.0)).unwrap();
        painting.extend(&[Sample { at: Point::new(50.0, 50.0), pressure }]);
        (0..100).filter(|&x| painting.flat().pixel(x, 50) == [255, 0, 0, 255]).count()
    };
    assert_eq!((width(1.0), width(0.5), width(0.0)), (60, 30, 0));
}

#[test]
fn an_empty_document_takes_paper_to_paint_on() {
    let mut document = Document::new(Extent::new(9, 9));
    assert_eq!(Painting::begin(&document, RED, brush(10.0, 1.0)).unwrap_err(), crate::paint::Error::NoLayer);
    assert!(document.apply(Edit::TakePaper(Extent::new(50, 50))).unwrap());
    let mut painting = Painting::begin(&document, RED, brush(10.0, 1.0)).unwrap();
    painting.extend(&[Sample::at(25.0, 25.0)]);
    document.apply(Edit::Paint(Box::new(painting))).unwrap();
    assert_eq!(document.stack().layers().len(), 2);
    assert_eq!((document.flat().pixel(25, 25), document.flat().pixel(2, 2)), ([255, 0, 0, 255], [255; 4]));
    document.undo();
    assert_eq!(document.flat().pixel(25, 25), [255; 4]);
    document.undo();
    assert!(document.picture().is_none());
    assert_eq!(document.extent(), Extent::new(9, 9));
}

proptest! {
    #[test]
    fn a_stroke_that_comes_in_pieces_is_the_same_and_touches_only_its_reach(
        path in prop::collection::vec((-20.0f32..320.0, -20.0f32..220.0), 1..12),
        size in 1.0f32..60.0, hardness in 0.0f32..1.0, smoothing in 0.0f32..1.0, cut in 0usize..12,
    ) {
        let picture = Arc::new(crate::pixels::Picture::filled(Extent::new(300, 200), [40, 90, 160, 200]));
        let mut document = Document::new(Extent::new(300, 200));
        document.apply(Edit::SetPicture(Some(picture))).unwrap();
        let samples: Vec<_> = path.iter().map(|&(x, y)| Sample::at(x, y)).collect();
        let brush = PaintBrush { smoothing, ..brush(size, hardness) };
        let mut whole = Painting::begin(&document, RED, brush).unwrap();
        whole.extend(&samples);
        whole.finish();
        let mut pieces = Painting::begin(&document, RED, brush).unwrap();
        let cut = cut.min(samples.len());
        pieces.extend(&samples[..cut]);
        pieces.extend(&samples[cut..]);
        pieces.finish();
        prop_assert_eq!(whole.flat(), pieces.flat());
        let reach = size / 2.0 + 2.0;
        let (left, right) = path.iter().fold((f32::MAX, f32::MIN), |(l, r), p| (l.min(p.0), r.max(p.0)));
        for y in (0..200).step_by(7) {
            for x in (0..300).filter(|&x| (x as f32) < left - reach || x as f32 > right + reach) {
                prop_assert_eq!(whole.flat().pixel(x, y), [40, 90, 160, 200]);
            }
        }
    }
}

#[test]
fn senseless_numbers_do_no_harm() {
    let document = painted(Extent::new(20, 20), &[]);
    let wild = [f32::NAN, f32::INFINITY, -1e30, 1e30, 0.0];
    for value in wild {
        let tip = Brush { size: value.min(300.0), hardness: value };
        let brush =
            PaintBrush { tip, opacity: value, flow: value, spacing: value, smoothing: value, ..brush(5.0, 1.0) };
        let mut painting = Painting::begin(&document, RED, brush).unwrap();
        painting.extend(&[Sample { at: Point::new(value, 3.0), pressure: value }, Sample::at(9.0, 9.0)]);
        painting.finish();
    }
}

#[test]
fn pressing_harder_covers_more_by_the_curve_that_was_chosen() {
    let alpha = |pressure, firmness| {
        let mut document = Document::new(Extent::new(64, 64));
        document.apply(Edit::TakePaper(Extent::new(64, 64))).unwrap();
        let tip = Brush { size: 20.0, hardness: 1.0 };
        let brush = PaintBrush { pressure_sizes: false, pressure_covers: true, firmness, ..PaintBrush::new(tip) };
        let mut painting = Painting::begin(&document, Ink::Colour([0; 3]), brush).unwrap();
        painting.extend(&[Sample { at: Point::new(32.0, 32.0), pressure }; 3]);
        painting.finish();
        document.apply(Edit::Paint(Box::new(painting))).unwrap();
        document.stack().layers()[1].tiles.pixel(32, 32)[3]
    };
    // 0.5, its square root and its square, of 255.
    assert_eq!([alpha(1.0, 0.0), alpha(0.5, 0.0), alpha(0.0, 0.0)], [255, 128, 0]);
    assert_eq!([alpha(0.5, -0.5), alpha(0.5, 0.5)], [180, 64]);
    assert_eq!([alpha(1.0, 1.0), alpha(1.0, -1.0), alpha(1.0, f32::NAN)], [255; 3]);
}

#[test]
fn the_picture_is_seen_without_the_masks_over_it_in_the_middle_of_a_stroke() {
    let extent = Extent::new(60, 40);
    let mut document = Document::new(extent);
    document.apply(Edit::TakePaper(extent)).unwrap();
    document.apply(Edit::Mask(crate::paint::MaskEdit::Invert)).unwrap();
    let below = document.stack().active().unwrap().id;
    document.apply(Edit::MaskToLayer).unwrap();
    document.choose_layer(below);
    let mut painting = Painting::begin(&document, RED, brush(8.0, 1.0)).unwrap();
    painting.extend(&[Sample::at(20.0, 20.0)]);
    painting.finish();
    let pixels = [painting.flat().pixel(20, 20), painting.flat().pixel(50, 20)];
    assert_eq!(pixels, [[255, 0, 0, 255], [255; 4]]);
    assert_ne!(painting.shown().pixel(50, 20), [255; 4]);
    let (flat, shown) = (painting.flat().clone(), painting.shown().clone());
    document.apply(Edit::Paint(Box::new(painting))).unwrap();
    assert!(**document.flat() == flat && **document.shown() == shown);
}
