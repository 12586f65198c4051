use super::*;
use crate::diffusion::{Control, Preprocessor, Stop};

/// A drawing on white paper.
fn drawing(extent: Extent) -> Picture {
    let rgba = (0..extent.area()).flat_map(|i| if i % 9 == 4 { [10, 10, 10, 255] } else { [255; 4] }).collect();
    Picture::from_rgba(extent, rgba).unwrap()
}

#[test]
fn a_picture_guides_as_suits_it_until_it_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let path = home.path().join("drawing.png");
    drawing(Extent::new(40, 30)).write_png(&path, &[]).unwrap();
    stage.apply(Action::OpenGuide(path));
    stage.until(|s| s.guide.is_some());
    assert!(stage.session.document.picture().is_none(), "it is not what is started from");
    stage.session.draft.control.as_mut().unwrap().weight = 0.5;
    stage.apply(Action::Generate);
    let request = stage.job().request;
    let control = request.control.clone().unwrap();
    assert_eq!((request.extent, control.picture.extent()), (SIZE, Extent::new(40, 30)));
    assert_eq!((control.controlnet.as_str(), control.weight), ("Bozzetto lines", 0.5));
    assert_eq!((control.preprocessor, control.start, control.end), (Preprocessor::Invert, 0.0, 1.0));

    stage.apply(Action::PastePicture(Picture::filled(SIZE, [200, 20, 20, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage.apply(Action::GuideByPicture);
    let control = stage.session.draft.control.clone().unwrap();
    assert_eq!((control.preprocessor, control.weight), (Preprocessor::Canny, 0.5), "what the person set stays");
    stage.apply(Action::RemoveGuide);
    stage.apply(Action::Stop(Stop::Discard));
    stage.apply(Action::ClearQueue);
    stage.apply(Action::Generate);
    let waiting = &stage.session.jobs.waiting;
    assert_eq!(waiting[0].request.control, None);
}

#[test]
fn a_guide_survives_a_restart_and_comes_back_with_its_result() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.guide_by(Arc::new(drawing(SIZE)));
    stage.session.draft.control.as_mut().unwrap().end = 0.4;
    stage.paint(60);
    stage.session.save();
    drop(stage);

    let mut again = super::stage(home.path());
    assert_eq!(again.session.guide.as_deref(), Some(&drawing(SIZE)));
    again.until(|s| !s.results.items.is_empty());
    again.apply(Action::RemoveGuide);
    again.session.draft.control = None;
    let id = again.session.results.items[0].id;
    again.apply(Action::Recall(id));
    again.until(|s| s.guide.is_some());
    assert_eq!(again.session.guide.as_deref(), Some(&drawing(SIZE)));
    let Control { controlnet, end, .. } = again.session.draft.control.clone().unwrap();
    assert_eq!((controlnet.as_str(), end), ("Bozzetto lines", 0.4));
    again.apply(Action::GuideByResult(id));
    again.until(|s| s.guide.as_deref().is_some_and(|guide| guide.rgba()[0] == 60));
}

#[test]
fn nothing_guides_a_model_that_no_controlnet_fits() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::ChooseModel("other".into()));
    stage.session.guide_by(Arc::new(drawing(SIZE)));
    assert!(stage.session.guide.is_none());
    assert!(stage.hears("Nothing lets a picture guide other").text.contains("controlnet"));
    stage.apply(Action::OpenGuide(home.path().join("gone.png")));
    stage.hears("gone.png");
}

#[test]
fn a_picture_that_guides_what_grows_out_of_it_goes_with_it_and_comes_back_with_it() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [200, 20, 20, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage.apply(Action::GuideByPicture);
    assert!(stage.session.guide.is_some());
    stage.apply(Action::NewCanvas(SIZE));
    assert!(stage.session.guide.is_none(), "the blank canvas has nothing to do with it");
    stage.apply(Action::Undo);
    assert!(stage.session.guide.is_some());
    stage.apply(Action::Redo);
    assert!(stage.session.guide.is_none());
    stage.apply(Action::Undo);
    // What is painted by it goes on with it.
    let result = stage.paint(60);
    stage.apply(Action::StartFromResult(result));
    assert!(stage.session.guide.is_some());
    stage.session.save();
    drop(stage);

    let mut again = super::stage(home.path());
    assert!(again.session.guide.is_some());
    again.apply(Action::ClosePicture);
    assert!(again.session.guide.is_none());
    again.session.guide_by(Arc::new(drawing(SIZE)));
    again.apply(Action::NewCanvas(SIZE));
    assert!(again.session.guide.is_some(), "it was chosen by itself");
}

#[test]
fn settings_of_a_file_are_offered_beside_its_picture_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let path = home.path().join("made elsewhere.png");
    let text = "a cat\nSteps: 12, Sampler: Euler a, CFG scale: 6.5, Seed: 42, Size: 16x16";
    drawing(SIZE).write_png(&path, &[("parameters", text)]).unwrap();
    stage.apply(Action::OpenPicture(path));
    stage.hears("says how it was made");
    assert!(stage.session.found_settings);
    stage.apply(Action::NewCanvas(SIZE));
    assert!(!stage.session.found_settings);
    assert!(stage.said().iter().all(|said| !said.contains("how it was made")), "{:?}", stage.said());
}
