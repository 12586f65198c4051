//! What a painter has made stays, or comes back by undo.

use super::*;
use crate::diffusion::Input;
use crate::geom::Bounds;
use crate::paint::{Frame, Ink, LayerEdit};
use crate::pixels::{Mask, composite};

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
fn layers_are_called_by_their_files_or_by_what_was_done() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let path = home.path().join("photo.png");
    Picture::filled(SIZE, [90, 90, 90, 255]).write_png(&path, &[]).unwrap();
    stage.apply(Action::OpenPicture(path));
    stage.until(|s| s.document.has_picture());
    stage.apply(stroke());
    stage.apply(Action::PaintAs(Way::Remove));
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 30)));
    stage.apply(Action::ApplyResult(stage.session.results.items[0].id));
    stage.until(|s| s.document.stack().layers().len() == 2);
    let names = stage.session.document.stack().layers().iter().map(|layer| layer.look.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["photo.png", "Removed"]);
    stage.session.draft.prompt.clear();
    stage.apply(Action::PaintAs(Way::Fill));
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 40)));
    stage.apply(Action::ApplyResult(stage.session.results.items[0].id));
    stage.until(|s| s.document.stack().layers().len() == 3);
    let mut layers = stage.session.document.stack().layers().iter();
    assert!(layers.any(|layer| layer.look.name == "Without words"), "nothing was to be taken away");
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
    stage.apply(Action::SetKeepsWithin(false));
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
    stage.apply(Action::TakeInput(Box::new(Input::new(picture(SIZE, 200), 1.0, None))));
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
    stage.apply(Action::SetKeepsWithin(false));
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
fn what_was_not_saved_is_brought_back_whatever_was_done_since() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    let id = paint(&mut stage, 30);
    stage.apply(Action::StartFromResult(id));
    let offer = stage.hears("The result took the place of what was not saved").offers[0].action.clone();
    stage.apply(stroke());
    stage.apply(Action::NewCanvas(SIZE));
    stage.hears("The new canvas took the place");
    stage.apply(offer.clone());
    assert_eq!((layers(&stage), stage.shown_grey()), (2, Some(90)));
    assert!(!stage.said().iter().any(|said| said.contains("took the place")), "{:?}", stage.said());
    stage.apply(offer);
    assert_eq!((layers(&stage), stage.shown_grey()), (2, Some(90)), "it is back already");
    (0..3).for_each(|_| stage.apply(Action::Redo));
    assert_eq!((layers(&stage), stage.shown_grey()), (2, Some(255)));
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

#[test]
fn an_applied_result_says_how_it_was_made_wherever_the_picture_goes() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(Action::SetBounds(Some(Bounds { left: 0, top: 0, extent: Extent::new(8, 8) })));
    let id = paint(&mut stage, 30);
    stage.apply(Action::ApplyResult(id));
    stage.apply(Action::EditLayers(LayerEdit::Add));
    let (project, picture) = (home.path().join("a.sfumato"), home.path().join("a.png"));
    stage.apply(Action::SavePicture(picture.clone()));
    stage.hears("a.png");
    let texts = crate::pixels::read_texts(&picture);
    assert!(texts.iter().any(|(key, text)| key == "parameters" && text.starts_with("red apple")), "{texts:?}");
    stage.session.draft.prompt = "green pear".into();
    stage.session.guide_by(Arc::new(Picture::filled(SIZE, [9, 9, 9, 255])));
    stage.apply(Action::SetBounds(Some(Bounds { left: 8, top: 8, extent: Extent::new(8, 8) })));
    stage.apply(Action::SaveProject(project.clone()));
    stage.hears("a.sfumato");
    let draft = stage.session.draft.clone();
    drop(stage);

    let other = tempfile::tempdir().unwrap();
    let mut stage = super::stage(other.path());
    let mine = stage.session.draft.clone();
    stage.apply(Action::OpenPicture(project));
    stage.until(|s| s.document.has_picture());
    assert_eq!((&stage.session.draft, layers(&stage)), (&draft, 4));
    assert_eq!(stage.session.guide.as_ref().unwrap().rgba()[0], 9);
    let applied = stage.session.document.stack().layers()[2].id;
    stage.apply(Action::RecallLayer(applied));
    assert_eq!((stage.session.draft.prompt.as_str(), stage.session.draft.bounds.unwrap().left), ("red apple", 0));
    stage.apply(Action::RecallLayer(stage.session.document.stack().layers()[0].id));
    stage.hears("Nothing is known");
    let offer = stage.hears("brings its own prompt and settings").offers[0].action.clone();
    stage.apply(offer);
    assert_eq!((&stage.session.draft, stage.session.guide.is_none()), (&mine, true));
}

#[test]
fn a_pasted_picture_is_a_layer_in_the_middle_and_no_larger_than_the_canvas() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(4, 2), [1, 2, 3, 255])));
    stage.until(|s| s.document.stack().layers().len() == 3);
    let at = |stage: &Stage, x, y| stage.session.document.stack().layers()[2].tiles.pixel(x, y);
    assert_eq!([at(&stage, 6, 7), at(&stage, 9, 8)], [[1, 2, 3, 255]; 2]);
    assert_eq!([at(&stage, 5, 7), at(&stage, 10, 8), at(&stage, 6, 6), at(&stage, 9, 9)], [CLEAR; 4]);
    stage.apply(Action::Undo);
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(64, 32), [1, 2, 3, 255])));
    stage.until(|s| s.document.stack().layers().len() == 3);
    stage.hears("it was scaled to 16x8");
    assert_eq!([at(&stage, 0, 4), at(&stage, 15, 11), at(&stage, 0, 3)], [[1, 2, 3, 255], [1, 2, 3, 255], CLEAR]);
}

#[test]
fn a_mask_is_written_as_it_is_read() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(Action::SaveMask(home.path().join("mask.png")));
    stage.hears("no mask to save");
    stage.apply(stroke());
    let mask = stage.session.document.mask().clone();
    stage.apply(Action::SaveMask(home.path().join("mask")));
    stage.hears("mask.png");
    assert_eq!(Mask::load(&home.path().join("mask.png")).unwrap(), mask);
    stage.apply(Action::QuickMask);
    stage.apply(Action::SaveMask(home.path().join("painted.png")));
    stage.hears("painted.png");
    assert_eq!(Mask::load(&home.path().join("painted.png")).unwrap(), mask, "as it is on a layer");
}

#[test]
fn a_new_canvas_has_the_very_size_that_was_asked_for_and_the_old_one_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = with_layers(home.path());
    stage.apply(stroke());
    stage.apply(Action::NewCanvas(SIZE));
    assert!(!stage.session.document.has_mask(), "what is new is not masked");
    stage.apply(Action::Undo);
    assert!(stage.session.document.has_mask());
    let extent = Extent::new(Frame::MOST_SIDE, 301);
    stage.apply(Action::NewCanvas(extent));
    assert_eq!((stage.session.document.extent(), layers(&stage)), (extent, 2));
    stage.apply(Action::NewCanvas(Extent::new(Frame::MOST_SIDE + 1, 8)));
    stage.hears("no side may be longer than 8192");
    stage.apply(Action::Undo);
    assert_eq!((stage.session.document.extent(), stage.shown_grey()), (SIZE, Some(90)));
}
