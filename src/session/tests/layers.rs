use super::*;
use crate::paint::{Ink, LayerEdit, Painting, Sample};

/// A stroke of the paint brush on the document as it is.
fn stroke_on(stage: &mut Stage, colour: [u8; 3], at: (f32, f32)) {
    stage.apply(Action::SetColour(colour));
    stage.apply(Action::BeginPainting);
    let session = &stage.session;
    let brush = session.palette.brush;
    let mut painting = Painting::begin(&session.document, Ink::Colour(colour), brush).unwrap();
    painting.extend(&[Sample::at(at.0, at.1)]);
    painting.finish();
    stage.apply(Action::Paint(Box::new(painting)));
}

fn names(stage: &Stage) -> Vec<String> {
    stage.session.document.stack().layers().iter().map(|layer| layer.look.name.clone()).collect()
}

#[test]
fn layers_survive_a_kill_and_so_does_what_they_were_painted_with() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    stroke_on(&mut first, [200, 10, 10], (8.0, 8.0));
    first.apply(Action::EditLayers(LayerEdit::Add));
    stroke_on(&mut first, [10, 10, 200], (3.0, 3.0));
    let (stack, palette) = (first.session.document.stack().clone(), first.session.palette.clone());
    assert_eq!(palette.used, [[10, 10, 200], [200, 10, 10]]);
    first.session.save();
    // A kill runs no destructor; the system lets go of the lock.
    first.session.claim = None;
    std::mem::forget(first.session);
    let second = stage(home.path());
    assert_eq!((second.session.document.stack(), &second.session.palette), (&stack, &palette));
    assert_eq!(names(&second), ["Paper", "Layer 1", "Layer 2"]);
    assert!(!second.session.document.can_undo());
}

#[test]
fn what_is_seen_of_the_layers_is_what_is_painted_from_and_saved() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::SetPaintBrush(crate::paint::PaintBrush::new(Brush { size: 60.0, hardness: 1.0 })));
    stroke_on(&mut stage, [1, 2, 3], (8.0, 8.0));
    stage.apply(Action::Generate);
    let input = stage.job().request.input.unwrap();
    assert_eq!(*input.picture, Picture::filled(SIZE, [1, 2, 3, 255]));
    let path = home.path().join("saved.png");
    stage.apply(Action::SavePicture(path.clone()));
    stage.until(|_| path.exists());
    assert_eq!(Picture::load(&path).unwrap(), *input.picture);
}

#[test]
fn a_result_is_put_over_the_document_as_one_step_and_scaled_to_it() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let id = stage.paint(60);
    stage.apply(Action::ApplyResult(id));
    assert_eq!(stage.shown_grey(), Some(60));
    assert_eq!(names(&stage).len(), 1, "where nothing is, it is the first layer");
    stage.apply(Action::TakeInput(Box::new(crate::diffusion::Input::new(picture(Extent::new(32, 24), 5), 1.0, None))));
    stage.apply(Action::ApplyResult(id));
    stage.hears("The result is 16x16; it was scaled to the picture's 32x24");
    assert_eq!(names(&stage), ["Picture", "red apple"]);
    assert_eq!(stage.session.document.flat().pixel(31, 23), [60, 60, 60, 255]);
    stage.apply(Action::Undo);
    assert_eq!(names(&stage), ["Picture"]);
}

#[test]
fn painting_on_a_shown_result_makes_it_the_document() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.paint(60);
    stroke_on(&mut stage, [1, 2, 3], (8.0, 8.0));
    assert!(matches!(stage.session.canvas(), Shown::Document(_)));
    assert_eq!(stage.session.document.flat().pixel(8, 8), [1, 2, 3, 255]);
    stage.apply(Action::Undo);
    assert_eq!(stage.shown_grey(), Some(60));
}

#[test]
fn what_cannot_be_painted_on_is_said_once_with_its_name() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::BeginPainting);
    let layer = stage.session.document.stack().active().unwrap().clone();
    let look = crate::paint::LayerLook { locked: true, ..layer.look.clone() };
    stage.apply(Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on: false }));
    stage.apply(Action::Fill(3, 3));
    assert_eq!(stage.said(), ["The layer \u{201c}Layer 1\u{201d} is locked: unlock it, or choose another"]);
}

#[test]
fn a_project_is_saved_and_opened_again_as_one_step() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::SaveProject(home.path().join("nothing")));
    stage.hears("There is nothing to save yet");
    stroke_on(&mut stage, [200, 10, 10], (8.0, 8.0));
    stage.apply(stroke());
    let (stack, mask) = (stage.session.document.stack().clone(), stage.session.document.mask().clone());
    stage.apply(Action::SaveProject(home.path().join("a painting")));
    stage.hears("a painting.sfumato");
    stage.apply(Action::ClosePicture);
    stage.apply(Action::OpenPicture(home.path().join("a painting.sfumato")));
    stage.until(|s| s.document.has_picture());
    assert_eq!((stage.session.document.stack(), stage.session.document.mask()), (&stack, &mask));
    stage.apply(Action::Undo);
    assert!(!stage.session.document.has_picture());
    let broken = home.path().join("broken.sfumato");
    std::fs::write(&broken, b"no project").unwrap();
    stage.apply(Action::OpenPicture(broken));
    stage.hears("broken.sfumato was not opened: it is neither a Sfumato project nor");
    stage.apply(Action::SaveProject(home.path().join("layers.ora")));
    stage.hears("nothing to save");
}

#[test]
fn a_change_of_large_layers_is_seen_once_it_is_put_together_and_nothing_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let extent = Extent::new(1024, 1024);
    stage.apply(Action::NewCanvas(extent));
    for grey in [20, 90, 200] {
        let tiles = crate::paint::Tiles::filled(extent, [grey, grey, grey, 128]);
        let look = crate::paint::LayerLook::named(grey.to_string());
        stage.apply(Action::EditLayers(LayerEdit::Insert { look, tiles }));
    }
    stage.until(|session| session.document.to_mix().is_none());
    let before = Arc::clone(stage.session.document.last_flat());
    let layer = Arc::clone(stage.session.document.stack().layers().last().unwrap());
    let look = crate::paint::LayerLook { opacity: 0.25, ..layer.look.clone() };
    stage.apply(Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on: true }));
    let is_shown = |session: &Session, wanted: &crate::paint::Tiles| matches!(session.canvas(), Shown::Document(tiles) if **tiles == *wanted);
    assert!(is_shown(&stage.session, &before));
    let after = stage.session.document.stack().flattened(extent);
    assert!(after != *before);
    stage.until(|session| is_shown(session, &after));
}
