//! What a painter has made stays, or comes back by undo.

use super::*;
use crate::diffusion::Input;
use crate::geom::Bounds;
use crate::paint::{Frame, Ink, LayerEdit};
use crate::pixels::composite;

const CLEAR: [u8; 4] = [0; 4];

/// A grey canvas with a second layer, clear but for what is filled in.
fn with_layers(home: &Path) -> Stage {
    let mut stage = stage(home);
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [90, 90, 90, 255])));
    stage.until(|s| s.document.has_picture());
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage
}

fn layers(stage: &Stage) -> usize {
    stage.session.document.stack().layers().len()
}

/// Paints what is asked for in one grey, as the pipeline does: what the mask keeps stays.
fn paint(stage: &mut Stage, grey: u8) -> ResultId {
    stage.apply(Action::Generate);
    let job = stage.job();
    let input = job.request.input.as_ref().unwrap();
    let plain = Picture::filled(input.picture.extent(), [grey, grey, grey, 255]);
    let picture = input.mask.as_ref().map_or_else(|| plain.clone(), |mask| composite(&input.picture, &plain, mask));
    let painted = Painted { picture: Arc::new(picture), ..painted(&job, grey) };
    stage.end(&job, Outcome::Finished(painted));
    stage.session.results.items[0].id
}

#[test]
fn a_stroke_on_a_candidate_puts_it_over_the_layers() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    paint(&mut stage, 30);
    stage.apply(stroke());
    assert_eq!((layers(&stage), stage.shown_grey()), (3, Some(30)));
    stage.apply(Action::Undo);
    stage.apply(Action::Undo);
    assert_eq!((layers(&stage), stage.shown_grey()), (2, Some(90)));
}

#[test]
fn a_masked_result_covers_nothing_but_what_was_masked() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(stroke());
    let id = paint(&mut stage, 30);
    assert!(matches!(stage.session.canvas(), Shown::Part { .. }));
    stage.apply(Action::ApplyResult(id));
    let applied = stage.session.document.stack().layers()[2].tiles.clone();
    assert_eq!((applied.pixel(8, 8), applied.pixel(0, 0)), ([30, 30, 30, 255], CLEAR));
    let lowest = stage.session.document.stack().layers()[0].id;
    stage.apply(Action::EditLayers(LayerEdit::Fill(lowest, Ink::Colour([1, 2, 3]))));
    let flat = stage.session.document.flat();
    assert_eq!((flat.pixel(8, 8), flat.pixel(0, 0)), ([30, 30, 30, 255], [1, 2, 3, 255]));
}

#[test]
fn a_masked_result_of_another_picture_as_large_is_shown_and_applied_whole() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(stroke());
    let id = paint(&mut stage, 30);
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [200, 200, 200, 255])));
    stage.until(|s| s.document.flat().pixel(0, 0)[0] == 200);
    stage.apply(Action::Show(id));
    assert!(matches!(stage.session.canvas(), Shown::Result(..)));
    stage.apply(Action::ApplyResult(id));
    assert_eq!(stage.session.document.flat().pixel(0, 0), [90, 90, 90, 255]);
}

#[test]
fn recalling_settings_leaves_the_layers_and_offers_what_the_picture_grew_out_of() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(stroke());
    let mask = stage.session.document.mask().clone();
    let id = paint(&mut stage, 30);
    stage.apply(Action::HideResult);
    stage.apply(Action::ClearMask);
    stage.apply(Action::Recall(id));
    assert_eq!((layers(&stage), stage.session.document.mask()), (2, &mask));
    assert!(stage.said().is_empty(), "{:?}", stage.said());
    let lowest = stage.session.document.stack().layers()[0].id;
    stage.apply(Action::EditLayers(LayerEdit::Fill(lowest, Ink::Colour([1, 2, 3]))));
    stage.apply(Action::Recall(id));
    assert_eq!(layers(&stage), 2);
    let offer = stage.hears("grew out of another picture").offers[0].action.clone();
    stage.apply(offer);
    assert_eq!((layers(&stage), stage.shown_grey(), stage.session.document.mask()), (1, Some(90), &mask));
    stage.apply(Action::Undo);
    assert_eq!((layers(&stage), stage.shown_grey()), (2, Some(1)), "all of it is one step");
}

#[test]
fn a_part_is_not_stretched_over_a_canvas_of_another_size() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(Action::SetBounds(Some(Bounds { left: 0, top: 0, extent: Extent::new(8, 8) })));
    let id = paint(&mut stage, 30);
    stage.apply(Action::Reframe(Frame { extent: Extent::new(24, 16), left: 0, top: 0 }));
    stage.apply(Action::ApplyResult(id));
    stage.hears("a part of a canvas of 16x16");
    assert_eq!(layers(&stage), 2);
}

#[test]
fn a_result_of_another_size_takes_the_place_of_the_canvas_and_says_how_it_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    let id = paint(&mut stage, 30);
    stage.apply(Action::Resize(Extent::new(8, 8)));
    stage.apply(Action::Show(id));
    stage.apply(Action::AdoptShown);
    assert_eq!((layers(&stage), stage.session.document.extent()), (1, SIZE));
    let undo = stage.hears("took the place of the canvas").offers[0].action.clone();
    stage.apply(undo);
    assert_eq!((layers(&stage), stage.session.document.extent()), (2, Extent::new(8, 8)));
}

#[test]
fn a_picture_larger_than_a_document_may_be_is_refused_and_what_is_open_stays() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    let extent = Extent::new(9000, 8);
    stage.apply(Action::TakeInput(Box::new(Input::new(picture(extent, 7), 1.0, None))));
    stage.hears("no side may be longer than 8192");
    assert_eq!((layers(&stage), stage.session.document.extent()), (2, SIZE));
}
