use super::super::{Brush, Document, Edit, LayerEdit, LayerLook, PaintBrush, Painting, Sample};
use crate::geom::{Bounds, Extent};
use crate::pixels::Picture;
use std::sync::Arc;

const EXTENT: Extent = Extent::new(200, 40);
const HARD: Brush = Brush { size: 16.0, hardness: 1.0 };

/// Red at the left of column 100, blue at the right of it.
fn halves() -> Document {
    let red_or_blue = |i: usize| if i % 200 < 100 { [255, 0, 0, 255] } else { [0, 0, 255, 255] };
    let picture = Picture::from_rgba(EXTENT, (0..EXTENT.area()).flat_map(red_or_blue).collect()).unwrap();
    Document::restored(Some(Arc::new(picture)), crate::pixels::Mask::empty(EXTENT)).unwrap()
}

fn smudged(document: &Document, strength: f32, path: &[(f32, f32)]) -> Painting {
    let brush = PaintBrush { opacity: strength, smoothing: 0.0, ..PaintBrush::new(HARD) };
    let mut painting = Painting::smudge(document, brush).unwrap();
    for &(x, y) in path {
        painting.extend(&[Sample::at(x, y)]);
    }
    painting.finish();
    painting
}

#[test]
fn paint_is_pushed_along_and_runs_out() {
    let painting = smudged(&halves(), 0.8, &[(70.0, 20.0), (190.0, 20.0)]);
    let red = |x: u32| painting.flat().pixel(x, 20)[0];
    assert_eq!(red(80), 255, "where only red is pushed it stays red");
    assert!(red(104) > 120 && red(104) >= red(112) && red(112) > red(130), "{} {} {}", red(104), red(112), red(130));
    assert!(red(185) < 20, "{}", red(185));
    assert_eq!(painting.flat().pixel(104, 35), [0, 0, 255, 255], "beside the stroke nothing changes");
}

#[test]
fn a_brush_that_keeps_all_it_holds_pushes_it_for_ever() {
    let painting = smudged(&halves(), 1.0, &[(70.0, 20.0), (190.0, 20.0)]);
    assert_eq!(painting.flat().pixel(190, 20), [255, 0, 0, 255]);
}

#[test]
fn pushing_one_colour_or_with_no_strength_changes_nothing() {
    let mut document = halves();
    for (strength, path) in [(0.7, [(20.0, 20.0), (80.0, 30.0)]), (0.0, [(70.0, 20.0), (190.0, 20.0)])] {
        let painting = smudged(&document, strength, &path);
        assert!(!document.apply(Edit::Paint(Box::new(painting))).unwrap());
    }
}

#[test]
fn alpha_that_is_locked_stays_as_it_was() {
    let mut document = halves();
    let half = Picture::from_rgba(
        EXTENT,
        (0..EXTENT.area()).flat_map(|i| [9, 200, (i % 200) as u8, if i % 200 < 90 { 80 } else { 0 }]).collect(),
    );
    let layer = document.stack().layers()[0].id;
    document.apply(Edit::SetPicture(Some(Arc::new(half.unwrap())))).unwrap();
    let look = LayerLook { keeps_alpha: true, ..LayerLook::named("locked") };
    document.apply(Edit::Layer(LayerEdit::Look { layer, look, goes_on: false })).unwrap();
    let painting = smudged(&document, 0.9, &[(20.0, 20.0), (180.0, 20.0)]);
    let before = document.flat().cropped(Bounds::whole(EXTENT));
    let after = painting.flat().cropped(Bounds::whole(EXTENT));
    let alpha = |picture: &Picture| picture.rgba().iter().skip(3).step_by(4).copied().collect::<Vec<_>>();
    assert_eq!(alpha(&before), alpha(&after));
    assert_ne!(before, after);
}

#[test]
fn the_same_places_push_the_same_whether_at_once_or_bit_by_bit() {
    let document = halves();
    let brush = PaintBrush { opacity: 0.7, ..PaintBrush::new(HARD) };
    let path: Vec<_> = (0..30).map(|i| Sample::at(60.0 + 4.0 * i as f32, 20.0 + (i as f32).sin() * 9.0)).collect();
    let mut at_once = Painting::smudge(&document, brush).unwrap();
    at_once.extend(&path);
    let mut bit_by_bit = Painting::smudge(&document, brush).unwrap();
    for sample in path {
        bit_by_bit.extend(&[sample]);
    }
    assert_eq!(at_once.flat(), bit_by_bit.flat());
}

#[test]
fn strokes_from_outside_and_senseless_numbers_do_no_harm() {
    let document = halves();
    let path = [(-50.0, 20.0), (f32::NAN, 3.0), (30.0, 20.0), (1e30, -1e30), (250.0, 60.0)];
    let painting = smudged(&document, f32::NAN, &path);
    assert_eq!(painting.flat().pixel(30, 20), [255, 0, 0, 255], "nothing is brought in from outside");
}
