//! The mask as a selection: what paints within it, and what is copied, cut and pasted by it.

use super::*;
use crate::geom::{Bounds, Point};
use crate::paint::{Combine, Ink, LayerEdit, Painting, Sample, Shape, Transform};

const GREY: [u8; 4] = [90, 90, 90, 255];

/// One grey layer of 16 by 16, of which columns 2 to 9 and rows 4 to 9 are masked.
fn masked(home: &Path) -> Stage {
    let mut stage = stage(home);
    stage.apply(Action::PastePicture(Picture::filled(SIZE, GREY)));
    stage.until(|s| s.document.has_picture());
    stage.apply(Action::MaskShape(Shape::Rectangle(Point::new(2.0, 4.0), Point::new(10.0, 10.0)), Combine::Add));
    stage
}

fn dab(stage: &mut Stage, x: f32, y: f32) {
    let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
    let mut painting = Painting::begin(&stage.session.document, Ink::Colour([0; 3]), brush).unwrap();
    painting.extend(&[Sample::at(x + 0.5, y + 0.5)]);
    painting.finish();
    stage.apply(Action::Paint(Box::new(painting)));
}

fn pixel(stage: &Stage, layer: usize, x: u32, y: u32) -> [u8; 4] {
    stage.session.document.stack().layers()[layer].tiles.pixel(x, y)
}

fn copied(stage: &mut Stage) -> Picture {
    let wishes = stage.session.take_wishes();
    let [Wish::Copy(picture)] = wishes.as_slice() else { panic!("{wishes:?}") };
    (**picture).clone()
}

fn layers(stage: &Stage) -> usize {
    stage.session.document.stack().layers().len()
}

#[test]
fn what_is_painted_beside_the_mask_is_told_of_once_for_each_mask() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    dab(&mut stage, 5.0, 6.0);
    assert_eq!((pixel(&stage, 0, 5, 6), stage.said().len()), ([0, 0, 0, 255], 0));
    dab(&mut stage, 13.0, 13.0);
    let notice = stage.hears("The mask keeps paint inside it");
    assert!(notice.leaves_at.is_some());
    stage.apply(Action::Dismiss(notice.id));
    dab(&mut stage, 13.0, 2.0);
    assert_eq!((pixel(&stage, 0, 13, 2), stage.said().len()), (GREY, 0));
    stage.apply(Action::Fill(13, 13));
    let notice = stage.hears("The mask keeps paint inside it");
    assert!(notice.leaves_at.is_some() && notice.offers.len() == 2, "a click that did nothing says why each time");
    stage.apply(Action::Dismiss(notice.id));
    stage.apply(Action::InvertMask);
    stage.apply(Action::Fill(5, 7));
    let notice = stage.hears("The mask keeps paint inside it");
    stage.apply(notice.offers[1].action.clone());
    assert!(stage.said().is_empty());
    dab(&mut stage, 5.0, 8.0);
    assert_eq!(pixel(&stage, 0, 5, 8), [0, 0, 0, 255]);
    assert_eq!(pixel(&stage, 0, 8, 8), GREY);
    stage.apply(Action::Fill(8, 8));
    assert_ne!(pixel(&stage, 0, 8, 8), GREY, "the bucket, too");
}

#[test]
fn a_loop_around_next_to_nothing_keeps_no_paint_out_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    stage.apply(Action::ClearMask);
    let corners = [(2.0, 5.0), (12.0, 5.0), (12.0, 5.3)].map(|(x, y)| Point::new(x, y));
    stage.apply(Action::MaskShape(Shape::Lasso(corners.to_vec()), Combine::Add));
    assert!(stage.hears("This encloses next to nothing").leaves_at.is_some());
    assert!(!stage.session.document.has_mask());
    dab(&mut stage, 13.0, 13.0);
    assert_eq!(pixel(&stage, 0, 13, 13), [0, 0, 0, 255]);
}

#[test]
fn whether_the_mask_keeps_paint_inside_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let mut first = masked(home.path());
    assert!(first.session.palette.keeps_within);
    first.apply(Action::SetKeepsWithin(false));
    first.session.save();
    drop(first);
    let mut second = stage(home.path());
    assert!(!second.session.palette.keeps_within && second.session.document.has_mask());
    dab(&mut second, 13.0, 13.0);
    assert_eq!(pixel(&second, 0, 13, 13), [0, 0, 0, 255]);
}

#[test]
fn what_is_masked_is_copied_as_it_is_seen_and_lies_where_it_was_when_it_is_pasted() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    stage.apply(Action::AdjustMask { grow: 0, feather: 1.0, is_rough: false });
    stage.apply(Action::EditLayers(LayerEdit::Add));
    dab(&mut stage, 5.0, 6.0);
    let (mask, seen) = (stage.session.document.mask().clone(), stage.session.document.flat().to_picture());
    let bounds = mask.bounds().unwrap();
    stage.apply(Action::Copy);
    let picture = copied(&mut stage);
    assert_eq!((picture.extent(), layers(&stage)), (bounds.extent, 2));
    let of = |picture: &Picture, at: usize| picture.rgba().as_chunks::<4>().0[at];
    for (at, &covers) in mask.cropped(bounds).unwrap().coverage().iter().enumerate() {
        let (x, y) = (
            bounds.left as usize + at % bounds.extent.width as usize,
            bounds.top as usize + at / bounds.extent.width as usize,
        );
        let [r, g, b, _] = of(&seen, y * 16 + x);
        assert_eq!(of(&picture, at), if covers == 0 { [0; 4] } else { [r, g, b, covers] });
    }
    // Another program, or the way there, may change colours that are hardly seen.
    let dim = |pixel: &[u8; 4]| if pixel[3] < 5 { [0, 0, 0, pixel[3]] } else { *pixel };
    let rgba = picture.rgba().as_chunks::<4>().0.iter().flat_map(dim).collect();
    stage.apply(Action::ClearMask);
    stage.apply(Action::PastePicture(Picture::from_rgba(bounds.extent, rgba).unwrap()));
    assert_eq!(layers(&stage), 3, "at once");
    let pasted = stage.session.document.stack().layers()[2].tiles.clone();
    assert_eq!((pasted.cropped(bounds), pasted.content()), (picture, Some(bounds)));
    stage.apply(Action::Undo);
    assert_eq!(layers(&stage), 2);
}

#[test]
fn a_cut_takes_what_is_masked_off_the_active_layer_as_one_step() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    let bounds = Bounds { left: 2, top: 4, extent: Extent::new(8, 6) };
    for keeps_within in [true, false] {
        stage.apply(Action::SetKeepsWithin(keeps_within));
        stage.apply(Action::Cut);
        assert_eq!(copied(&mut stage), Picture::filled(bounds.extent, GREY));
        assert_eq!([pixel(&stage, 0, 2, 4), pixel(&stage, 0, 9, 9), pixel(&stage, 0, 10, 9)], [[0; 4], [0; 4], GREY]);
        stage.apply(Action::PastePicture(Picture::filled(bounds.extent, GREY)));
        assert_eq!((layers(&stage), pixel(&stage, 1, 2, 4), pixel(&stage, 1, 1, 4)), (2, GREY, [0; 4]));
        stage.apply(Action::Undo);
        stage.apply(Action::Undo);
        assert_eq!(pixel(&stage, 0, 5, 5), GREY);
    }
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage.apply(Action::Cut);
    stage.hears("There is nothing that is masked on the layer \u{201c}Layer 1\u{201d} to cut out");
    assert!(stage.session.take_wishes().is_empty());
    stage.apply(Action::Undo);
    stage.apply(Action::ClearMask);
    stage.apply(Action::Cut);
    assert_eq!(copied(&mut stage), Picture::filled(SIZE, GREY), "all of it where nothing is masked");
    assert!(stage.session.document.flat().is_clear());
    stage.apply(Action::Cut);
    stage.hears("There is nothing on the layer");
}

#[test]
fn a_cut_leaves_what_lies_outside_of_the_canvas_and_says_so_where_that_is_all() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    stage.apply(Action::ClearMask);
    let layer = stage.session.document.stack().layers()[0].id;
    let aside = |right: f32| {
        let transform = Transform { to: Point::new(right, 0.0), ..Transform::around(Point::default()) };
        Action::EditLayers(LayerEdit::Transform(layer, transform))
    };
    stage.apply(aside(-6.0));
    stage.apply(Action::Cut);
    assert_eq!(copied(&mut stage), Picture::filled(Extent::new(10, 16), GREY));
    stage.apply(Action::Cut);
    stage.hears("There is nothing within the canvas on the layer");
    stage.apply(aside(6.0));
    assert_eq!([0, 5, 6].map(|x| pixel(&stage, 0, x, 9)), [GREY, GREY, [0; 4]]);
}

#[test]
fn a_picture_from_elsewhere_is_pasted_over_the_middle_of_the_mask_as_large_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    stage.apply(Action::Copy);
    assert_eq!(copied(&mut stage).extent(), Extent::new(8, 6));
    // As large as what was copied, and another picture.
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(8, 6), [200, 0, 0, 255])));
    stage.until(|s| s.document.stack().layers().len() == 2);
    assert_eq!([pixel(&stage, 1, 2, 4), pixel(&stage, 1, 9, 9)], [[200, 0, 0, 255]; 2]);
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(4, 40), [0, 200, 0, 255])));
    stage.until(|s| s.document.stack().layers().len() == 3);
    assert!(stage.said().is_empty(), "it was not scaled");
    let column = |x| [pixel(&stage, 2, x, 0), pixel(&stage, 2, x, 15)];
    assert_eq!([column(4), column(7)], [[[0, 200, 0, 255]; 2]; 2]);
    assert_eq!([column(3), column(8)], [[[0; 4]; 2]; 2]);
    let [from, to] = stage.session.document.stack().layers()[2].content().unwrap();
    assert_eq!([from.y, to.y].map(|y| y as i32), [-13, 27], "what is outside of the canvas is kept");
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(8200, 8), [0, 200, 0, 255])));
    stage.until(|s| s.document.stack().layers().len() == 4);
    stage.hears("The pasted picture is 8200x8; it was scaled to 8192x8");
}

#[test]
fn without_a_mask_all_that_is_shown_is_copied_a_result_also_with_one() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = masked(home.path());
    stage.apply(Action::ClearMask);
    stage.apply(Action::Copy);
    assert_eq!(copied(&mut stage), Picture::filled(SIZE, GREY));
    stage.apply(Action::Undo);
    assert!(stage.session.document.has_mask());
    let was = stage.session.canvas_picture().unwrap().clone();
    stage.session.draft.strength = 1.0;
    stage.apply(Action::ClearMask);
    let result = stage.paint(60);
    stage.apply(Action::Undo);
    stage.apply(Action::Show(result));
    stage.until(|s| s.canvas().result().is_some());
    assert!(stage.session.document.has_mask());
    stage.apply(Action::Copy);
    let picture = copied(&mut stage);
    assert!(picture.extent() == SIZE && picture != *was);
    stage.apply(Action::Cut);
    assert!(stage.session.take_wishes().is_empty(), "a result is not cut");
}
