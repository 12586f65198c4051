//! Layers for masks and guides, and the file that a document is saved in.

use super::*;
use crate::diffusion::{Control, Input, Preprocessor};
use crate::geom::Bounds;
use crate::paint::{Ink, LayerEdit, LayerId, LayerKind, LayerLook, PaintBrush, Painting, Sample};

/// A grey canvas, painted next on a clear layer over it.
fn over_grey(home: &Path) -> Stage {
    let mut stage = stage(home);
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [90, 90, 90, 255])));
    stage.until(|s| s.document.has_picture());
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage
}

fn active(stage: &Stage) -> LayerId {
    stage.session.document.stack().active().unwrap().id
}

fn make(stage: &mut Stage, kind: LayerKind) {
    let layer = stage.session.document.stack().active().unwrap().clone();
    let look = LayerLook { kind, ..layer.look.clone() };
    stage.apply(Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on: false }));
}

fn control(stage: &mut Stage) -> &mut Control<()> {
    stage.session.draft.control.as_mut().unwrap()
}

fn dab(stage: &mut Stage, ink: Ink) {
    let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
    let mut painting = Painting::begin(&stage.session.document, ink, brush).unwrap();
    painting.extend(&[Sample::at(8.0, 8.0)]);
    painting.finish();
    stage.apply(Action::Paint(Box::new(painting)));
}

#[test]
fn a_mask_that_is_painted_with_the_brush_is_painted_anew_as_any_mask() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.session.draft.strength = 1.0;
    let before = active(&stage);
    stage.apply(Action::QuickMask);
    assert_eq!((stage.session.tool, stage.session.way()), (Tool::Brush, Way::Generate));
    dab(&mut stage, Ink::Colour([1, 2, 3]));
    assert_eq!(stage.session.way(), Way::Fill);
    stage.apply(Action::Generate);
    let job = stage.job();
    let input = job.request.input.as_ref().unwrap();
    let covers = |mask: &crate::pixels::Mask| (mask.coverage()[8 * 16 + 8], mask.coverage()[0]);
    assert_eq!(covers(input.mask.as_ref().unwrap()), (255, 0));
    assert_eq!(input.picture.rgba()[4 * (8 * 16 + 8)], 90, "the mask is no part of the picture");
    stage.end(&job, Outcome::Cancelled);
    stage.session.draft.only_masked = true;
    stage.apply(Action::HideResult);
    assert!(stage.session.context_area().is_some(), "it can be painted up close");
    stage.session.draft.only_masked = false;

    stage.apply(Action::QuickMask);
    assert_eq!(covers(stage.session.document.mask()), (255, 0));
    assert_eq!((active(&stage), stage.session.document.stack().layers().len()), (before, 2));
    stage.apply(Action::Undo);
    stage.apply(Action::Undo);
    stage.apply(Action::Undo);
    assert!(!stage.session.document.masks_anything());
}

#[test]
fn lines_on_a_layer_guide_while_it_is_seen() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    make(&mut stage, LayerKind::Control);
    assert!(stage.session.draft.control.is_none(), "there is nothing on it");
    dab(&mut stage, Ink::Colour([0; 3]));
    assert!(stage.session.is_guided_by_layers() && stage.session.guide.is_none());
    let guided = |stage: &mut Stage| {
        stage.apply(Action::Generate);
        let job = stage.job();
        stage.end(&job, Outcome::Cancelled);
        (job.request.control.clone(), job.request.input.clone().unwrap().picture)
    };
    let (control, started_from) = guided(&mut stage);
    let control = control.unwrap();
    assert_eq!((control.controlnet.as_str(), control.preprocessor), ("Bozzetto lines", Preprocessor::Invert));
    let at = |picture: &Picture, x: usize, y: usize| picture.rgba()[4 * (y * 16 + x)];
    assert_eq!((at(&control.picture, 8, 8), at(&control.picture, 0, 0)), (0, 255));
    assert_eq!(at(&started_from, 8, 8), 90, "lines that guide are not painted");
    let layer = stage.session.document.stack().active().unwrap().clone();
    let look = LayerLook { visible: false, ..layer.look.clone() };
    stage.apply(Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on: false }));
    assert_eq!(guided(&mut stage).0, None);
}

#[test]
fn an_applied_result_is_told_from_what_was_painted_by_hand() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let id = stage.paint(30);
    stage.apply(Action::ApplyResult(id));
    let kinds: Vec<_> = stage.session.document.stack().layers().iter().map(|layer| layer.look.kind).collect();
    assert_eq!(kinds, [LayerKind::Picture, LayerKind::Picture, LayerKind::Result]);
}

#[test]
fn a_project_has_a_file_and_says_when_that_is_behind() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let (first, second) = (home.path().join("first.sfumato"), home.path().join("second.sfumato"));
    assert!(stage.session.is_behind() && stage.session.file().is_none());
    let save = |stage: &mut Stage, path: &Path| {
        stage.apply(Action::SaveProject(path.to_owned()));
        let path = path.to_owned();
        stage.until(move |s| s.file() == Some(&*path) && !s.is_behind());
    };
    save(&mut stage, &first);
    dab(&mut stage, Ink::Colour([1, 2, 3]));
    assert!(stage.session.is_behind());
    stage.apply(Action::Undo);
    assert!(!stage.session.is_behind(), "what is there is what was saved");
    stage.apply(stroke());
    assert!(stage.session.is_behind(), "the mask is a part of it");
    stage.apply(Action::Undo);
    assert!(!stage.session.is_behind(), "and is as it was saved once that is taken back");
    stage.apply(Action::Redo);
    assert!(stage.session.is_behind());
    // What other programs get is another file.
    stage.apply(Action::SaveProject(home.path().join("export.ora")));
    stage.hears("export.ora");
    assert_eq!(stage.session.file(), Some(&*first));
    save(&mut stage, &second);
    // Making room does not bring the first file back when it is undone.
    stage.apply(Action::Resize(Extent::new(32, 32)));
    stage.apply(Action::Undo);
    assert_eq!(stage.session.file(), Some(&*second));

    dab(&mut stage, Ink::Colour([7, 2, 3]));
    stage.apply(Action::OpenPicture(first.clone()));
    stage.hears("took the place of what was not saved");
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*first), false));
    stage.apply(Action::Undo);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*second), true));
    stage.apply(Action::Redo);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*first), false));
    stage.session.save();
    drop(stage);
    let again = super::stage(home.path());
    assert_eq!(again.session.file(), Some(&*first));
}

#[test]
fn a_save_that_ends_late_gives_its_file_to_no_other_document() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let path = home.path().join("first.sfumato");
    stage.apply(Action::SaveProject(path.clone()));
    stage.apply(Action::NewCanvas(SIZE));
    stage.hears("Saved as");
    assert_eq!(stage.session.file(), None);
    stage.apply(Action::Undo);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*path), false), "its own has it");
    // So it has if it is back by then.
    let second = home.path().join("second.sfumato");
    stage.apply(Action::SaveProject(second.clone()));
    stage.apply(Action::Redo);
    stage.apply(Action::Undo);
    stage.until(|s| s.file() == Some(&*second) && !s.is_behind());
}

#[test]
fn a_save_says_nothing_of_what_was_painted_since() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let path = home.path().join("first.sfumato");
    stage.apply(Action::SaveProject(path.clone()));
    dab(&mut stage, Ink::Colour([1, 2, 3]));
    std::fs::write(home.path().join("file"), b"where a folder should be").unwrap();
    stage.apply(Action::SaveProject(home.path().join("file").join("second.sfumato")));
    stage.apply(Action::SaveProject(home.path().join("export.ora")));
    stage.hears("second.sfumato was not saved");
    stage.hears("export.ora");
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*path), true));
}

#[test]
fn what_was_to_be_painted_next_is_back_with_its_document() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let (first, second) = (home.path().join("first.sfumato"), home.path().join("second.sfumato"));
    for (path, prompt) in [(&first, "a cat"), (&second, "a dog")] {
        stage.session.draft.prompt = prompt.into();
        stage.apply(Action::SaveProject(path.clone()));
        stage.until(|s| s.file() == Some(&**path));
    }
    stage.apply(Action::OpenPicture(first.clone()));
    stage.until(|s| s.file() == Some(&*first));
    assert_eq!(stage.session.draft.prompt, "a cat");
    stage.apply(Action::Undo);
    assert_eq!((stage.session.file(), stage.session.draft.prompt.as_str()), (Some(&*second), "a dog"));
    let keep = stage.hears("settings are as they were with this picture").offers[0].action.clone();
    stage.apply(keep);
    assert_eq!((stage.session.file(), stage.session.draft.prompt.as_str()), (Some(&*second), "a cat"));
    stage.session.draft.prompt = "a dog".into();
    stage.apply(Action::Redo);
    assert_eq!((stage.session.file(), stage.session.draft.prompt.as_str()), (Some(&*first), "a cat"));
}

#[test]
fn what_was_to_be_painted_next_can_be_kept_however_many_documents_come_back() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.session.draft.prompt = "a cat".into();
    let bounds = Some(Bounds { left: 0, top: 0, extent: Extent::new(8, 8) });
    stage.apply(Action::SetBounds(bounds));
    for prompt in ["a dog", "a pear"] {
        stage.apply(Action::NewCanvas(SIZE));
        stage.session.draft.prompt = prompt.into();
    }
    stage.apply(Action::Undo);
    stage.apply(Action::Undo);
    assert_eq!(stage.session.draft.prompt, "a cat");
    let keep = stage.hears("settings are as they were with this picture").offers[0].action.clone();
    stage.apply(keep);
    let draft = &stage.session.draft;
    assert_eq!((draft.prompt.as_str(), draft.bounds), ("a pear", bounds), "the box is of the canvas");
}

#[test]
fn what_is_written_for_another_document_is_not_saved_with_this_one() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let (first, export, plain) =
        (home.path().join("first.sfumato"), home.path().join("export.ora"), home.path().join("plain.png"));
    picture(SIZE, 7).write_png(&plain, &[]).unwrap();
    stage.apply(Action::SaveProject(export.clone()));
    stage.apply(Action::SaveProject(first.clone()));
    stage.until(|s| s.file() == Some(&*first));
    let id = stage.paint(30);
    let input = Input::new(picture(SIZE, 5), 0.5, None);
    let others = [
        Action::NewCanvas(SIZE),
        Action::ClosePicture,
        Action::OpenPicture(plain),
        Action::OpenPicture(export),
        Action::StartFromResult(id),
        Action::TakeInput(Box::new(input)),
    ];
    for other in others {
        stage.session.draft.prompt = "a cat".into();
        let (revision, said) = (stage.session.document.revision(), format!("{other:?}"));
        stage.apply(other);
        stage.until(|s| s.document.revision() != revision);
        assert_eq!(stage.session.file(), None, "{said}");
        stage.session.draft.prompt = "a dog".into();
        stage.apply(Action::Undo);
        let session = &stage.session;
        let found = (session.file(), session.is_behind(), session.draft.prompt.as_str());
        assert_eq!(found, (Some(&*first), false, "a cat"), "{said}");
        assert_eq!(session.used_seed, Some(session.draft.seed), "it was painted: {said}");
        stage.apply(Action::Redo);
        assert_eq!((stage.session.file(), stage.session.draft.prompt.as_str()), (None, "a dog"), "{said}");
        stage.apply(Action::Undo);
    }
}

#[test]
fn what_a_project_offers_when_it_is_opened_goes_away_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let path = home.path().join("first.sfumato");
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.file().is_some());
    stage.session.draft.prompt = "a dog".into();
    let opened = Instant::now();
    stage.apply(Action::OpenPicture(path));
    let notice = stage.hears("brings its own prompt and settings");
    let at = notice.leaves_at.unwrap();
    assert!(!notice.offers.is_empty() && at >= opened + Duration::from_secs(20));
    stage.session.poll_at(at.checked_sub(Duration::from_millis(1)).unwrap());
    stage.hears("brings its own prompt and settings");
    stage.session.poll_at(at);
    assert!(!stage.said().contains(&notice.text), "{:?}", stage.said());
}

#[test]
fn a_picture_guides_as_before_once_lines_on_a_layer_guide_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.session.guide_by(Arc::new(Picture::filled(SIZE, [200, 20, 20, 255])));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Canny);
    make(&mut stage, LayerKind::Control);
    dab(&mut stage, Ink::Colour([0; 3]));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Invert);
    stage.apply(Action::Undo);
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Canny);
    stage.apply(Action::Redo);
    // What the person chose for either is its own.
    control(&mut stage).preprocessor = Preprocessor::Canny;
    let show = |stage: &mut Stage, visible| {
        let layer = stage.session.document.stack().active().unwrap().clone();
        let look = LayerLook { visible, ..layer.look.clone() };
        stage.apply(Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on: false }));
        stage.session.draft.control.as_ref().unwrap().preprocessor
    };
    assert_eq!(show(&mut stage, false), Preprocessor::Canny);
    control(&mut stage).preprocessor = Preprocessor::None;
    assert_eq!(show(&mut stage, true), Preprocessor::Canny);
    assert_eq!(show(&mut stage, false), Preprocessor::None);
    assert_eq!(show(&mut stage, true), Preprocessor::Canny);
    // Another document has no such layer; this one has it still.
    stage.apply(Action::NewCanvas(SIZE));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::None);
    stage.apply(Action::Undo);
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Canny);
    // Another picture waits until it guides.
    stage.session.guide_by(Arc::new(Picture::filled(SIZE, [255; 4])));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Canny);
    assert_eq!(show(&mut stage, false), Preprocessor::Invert);
}

#[test]
fn lines_and_a_picture_are_each_seen_as_suits_them_or_as_they_were() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.session.guide_by(Arc::new(Picture::filled(SIZE, [200, 20, 20, 255])));
    stage.session.poll();
    control(&mut stage).preprocessor = Preprocessor::None;
    let id = stage.paint(30);
    stage.apply(Action::HideResult);
    stage.apply(Action::RemoveGuide);
    make(&mut stage, LayerKind::Control);
    dab(&mut stage, Ink::Colour([0; 3]));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Invert, "they are lines");
    stage.apply(Action::Recall(id));
    stage.until(|s| s.guide.is_some());
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Invert, "they guide still");
    stage.session.draft.control = None;
    stage.apply(Action::Recall(id));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::Invert, "nothing said yet how they are seen");
    let layer = stage.session.document.stack().active().unwrap().clone();
    let look = LayerLook { visible: false, ..layer.look.clone() };
    stage.apply(Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on: false }));
    assert_eq!(control(&mut stage).preprocessor, Preprocessor::None, "as the picture was seen then");
}

#[test]
fn a_file_that_another_document_was_saved_over_has_the_first_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let path = home.path().join("first.sfumato");
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.file() == Some(&*path));
    stage.apply(Action::NewCanvas(SIZE));
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.file() == Some(&*path));
    assert!(!stage.session.is_behind());
    stage.apply(Action::Undo);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*path), true));
    stage.apply(Action::Redo);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*path), false));
}

#[test]
fn what_cannot_be_brought_back_any_more_costs_nothing_of_what_was_done_since() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(Paths::in_one_folder(home.path()).settings_file(), "undo_megabytes = 1\n").unwrap();
    let mut stage = stage(home.path());
    let large = Extent::new(1024, 1024);
    let rgba = (0..large.area()).flat_map(|i| [(i % 251) as u8, (i % 241) as u8, (i % 239) as u8, 255]).collect();
    stage.apply(Action::PastePicture(Picture::from_rgba(large, rgba).unwrap()));
    stage.until(|s| s.document.has_picture());
    dab(&mut stage, Ink::Colour([1, 2, 3]));
    stage.apply(Action::NewCanvas(large));
    let back = stage.hears("The new canvas took the place").offers[0].action.clone();
    stage.apply(back.clone());
    assert!(!stage.said().iter().any(|said| said.contains("took the place")), "it is back");
    stage.apply(Action::Redo);
    dab(&mut stage, Ink::Colour([1, 2, 3]));
    let revision = stage.session.document.revision();
    stage.apply(back);
    stage.hears("cannot be brought back any more");
    assert_eq!(stage.session.document.revision(), revision);
}

#[test]
fn closing_says_what_was_not_saved_and_starting_from_a_result_leaves_the_file() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let path = home.path().join("first.sfumato");
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.file().is_some());
    stage.apply(Action::ClosePicture);
    assert!(!stage.said().iter().any(|said| said.contains("closed")), "{:?}", stage.said());
    stage.apply(Action::Undo);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*path), false));
    dab(&mut stage, Ink::Colour([1, 2, 3]));
    stage.apply(Action::ClosePicture);
    let undo = stage.hears("What was closed was not saved").offers[0].action.clone();
    stage.apply(undo);
    let id = stage.paint(30);
    stage.apply(Action::StartFromResult(id));
    assert_eq!((stage.session.file(), stage.session.document.stack().layers().len()), (None, 1));
    stage.apply(Action::Undo);
    assert_eq!((stage.session.file(), stage.session.document.stack().layers().len()), (Some(&*path), 2));
}

#[test]
fn lines_that_no_controlnet_can_see_are_told_of_once() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    stage.apply(Action::ChooseModel("other".into()));
    make(&mut stage, LayerKind::Control);
    dab(&mut stage, Ink::Colour([0; 3]));
    let notice = stage.hears("Nothing lets a picture guide other");
    stage.apply(Action::Dismiss(notice.id));
    dab(&mut stage, Ink::Colour([9; 3]));
    assert!(!stage.said().iter().any(|said| said.contains("Nothing lets")), "{:?}", stage.said());
    stage.apply(Action::ChooseModel("bozzetto".into()));
    dab(&mut stage, Ink::Colour([8; 3]));
    assert!(stage.session.draft.control.is_some());
}

#[test]
fn keys_that_are_bound_are_kept_in_the_settings() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::BindKeys("brush".into(), Some(vec!["F8".into()])));
    stage.apply(Action::BindKeys("redo".into(), Some(Vec::new())));
    stage.apply(Action::BindKeys("redo".into(), None));
    let bound = std::collections::BTreeMap::from([("brush".to_owned(), vec!["F8".to_owned()])]);
    assert_eq!(stage.session.settings.keys, bound);
    let file = Paths::in_one_folder(home.path()).settings_file();
    stage.until(|_| Settings::load(&file).0.keys == bound);
}

#[test]
fn what_is_asked_for_next_goes_before_what_waits() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    for prompt in ["first", "second", "third"] {
        stage.session.draft.prompt = prompt.into();
        stage.apply(if prompt == "third" { Action::GenerateNext } else { Action::Generate });
    }
    let waiting: Vec<_> = stage.session.jobs.waiting.iter().map(|job| job.request.prompt.clone()).collect();
    assert_eq!(waiting, ["third", "second"]);
}

#[test]
fn settings_are_taken_from_a_text_or_a_file_without_its_picture() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = over_grey(home.path());
    let text = "a cat\nSteps: 12, Sampler: Euler a, CFG scale: 6.5, Seed: 42, Size: 64x32";
    stage.apply(Action::TakeText(text.into()));
    assert_eq!((stage.session.draft.prompt.as_str(), stage.session.draft.seed), ("a cat", 42));
    stage.session.library = Some(Arc::new(crate::checkpoints::Library::discover(&[])));
    let text = "a castle <lora:detail:0.6>\nNegative prompt: <lora:easy:-1> <lora:detail>\nSteps: 12, Sampler: Euler a, CFG scale: 6.5, Seed: 42";
    stage.apply(Action::TakeText(text.into()));
    stage.hears("LoRAs that are not on this machine: detail.");
    stage.apply(Action::TakeText("Steps: are many".into()));
    let draft = &stage.session.draft;
    let expected = ("Steps: are many", 12, 42);
    assert_eq!((draft.prompt.as_str(), draft.steps, draft.seed), expected, "it names no settings");
    let path = home.path().join("made elsewhere.png");
    let parameters = text.replace("a castle", "a dog");
    Picture::filled(SIZE, [1; 4]).write_png(&path, &[("parameters", &parameters)]).unwrap();
    stage.apply(Action::ReadSettings(path));
    stage.until(|s| s.draft.prompt.starts_with("a dog"));
    assert_eq!(stage.session.document.stack().layers().len(), 2, "the layers are as they were");
    let plain = home.path().join("plain.png");
    Picture::filled(SIZE, [1; 4]).write_png(&plain, &[]).unwrap();
    stage.apply(Action::ReadSettings(plain));
    stage.hears("plain.png does not say how a picture was made");
}
