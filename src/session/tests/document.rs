use super::*;
use crate::metadata::PARAMETERS_KEY;
use crate::pixels::Mask;

fn file(home: &Path, name: &str, extent: Extent, grey: u8, texts: &[(&str, &str)]) -> std::path::PathBuf {
    let path = home.join(name);
    picture(extent, grey).write_png(&path, texts).unwrap();
    path
}

#[test]
fn an_opened_picture_is_what_is_painted_from() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::OpenPicture(file(home.path(), "a.png", Extent::new(24, 16), 77, &[])));
    stage.until(|s| matches!(s.canvas(), Shown::Document(_)));
    assert_eq!(stage.shown_grey(), Some(77));
    stage.session.draft.strength = 0.5;
    assert_eq!(stage.session.draft.steps_to_run(&stage.session.document), 2);
    stage.apply(Action::Generate);
    let request = stage.job().request;
    let input = request.input.unwrap();
    assert_eq!((request.extent, input.picture.rgba()[0], input.mask), (Extent::new(24, 16), 77, None));
    stage.apply(Action::ClosePicture);
    assert!(stage.session.document.picture().is_none());
    stage.apply(Action::Undo);
    assert_eq!(stage.shown_grey(), Some(77));
    stage.apply(Action::Redo);
    assert!(stage.session.document.picture().is_none());
}

#[test]
fn only_what_is_masked_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [5, 5, 5, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage.apply(stroke());
    stage.apply(Action::Generate);
    let mask = stage.job().request.input.unwrap().mask.unwrap();
    assert_eq!((mask.coverage()[8 * 16 + 8], mask.coverage()[0]), (255, 0));
    stage.apply(Action::InvertMask);
    assert_eq!(stage.session.document.mask().coverage()[0], 255);
    stage.apply(Action::ClearMask);
    assert!(stage.session.document.mask().is_empty());
    stage.apply(Action::Undo);
    assert!(!stage.session.document.mask().is_empty());
}

#[test]
fn what_one_paints_on_is_what_gets_repainted() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.paint(60);
    stage.apply(stroke());
    assert!(matches!(stage.session.canvas(), Shown::Document(_)));
    assert_eq!(stage.shown_grey(), Some(60));
    stage.apply(Action::Generate);
    let input = stage.job().request.input.unwrap();
    assert!(input.picture.rgba()[0] == 60 && input.mask.is_some());
    stage.apply(Action::Undo);
    assert!(stage.session.document.mask().is_empty() && stage.session.document.picture().is_some());
    stage.apply(Action::Undo);
    assert!(stage.session.document.picture().is_none(), "becoming the document's picture is a step of its own");
}

#[test]
fn a_mask_needs_a_picture() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(stroke());
    stage.hears("nothing to mask yet");
    assert!(stage.session.document.mask().is_empty());
}

#[test]
fn a_mask_of_another_size_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [5, 5, 5, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage.apply(Action::OpenMask(file(home.path(), "hole.png", Extent::new(8, 8), 255, &[])));
    let said = stage.hears("hole.png").text;
    assert!(said.contains("8x8") && said.contains("16x16"), "{said}");
    stage.apply(Action::OpenMask(file(home.path(), "whole.png", SIZE, 255, &[])));
    stage.until(|s| s.document.mask().coverage()[0] == 255);
    stage.apply(Action::ReplaceMask(Mask::empty(Extent::new(8, 8))));
    stage.hears("The mask was not opened");
    stage.apply(Action::ReplaceMask(Mask::empty(SIZE)));
    assert!(stage.session.document.mask().is_empty());
}

#[test]
fn what_cannot_be_opened_is_said_with_its_name() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    std::fs::write(home.path().join("notes.png"), b"no picture at all").unwrap();
    stage.apply(Action::OpenPicture(home.path().join("notes.png")));
    stage.hears("notes.png");
    stage.apply(Action::OpenPicture(home.path().join("gone.png")));
    stage.hears("gone.png");
    stage.apply(Action::OpenMask(home.path().join("no mask.png")));
    stage.hears("no mask.png");
    assert!(matches!(stage.session.canvas(), Shown::Empty(_)));
}

#[test]
fn a_large_picture_is_opened_as_it_is_and_scaled_to_the_largest_side_or_on_request() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::OpenPicture(file(home.path(), "wider.png", Extent::new(9000, 100), 3, &[])));
    stage.hears("wider.png is 9000x100; it was scaled to 8192x88");
    stage.apply(Action::OpenPicture(file(home.path(), "wide.png", Extent::new(4201, 401), 3, &[])));
    let notice = stage.hears("4201x401 takes long");
    assert!(notice.text.contains("16x16"), "{}", notice.text);
    assert_eq!(stage.session.document.extent(), Extent::new(4201, 401));
    stage.apply(notice.offers[0].action.clone());
    let fitted = stage.session.document.extent();
    assert!(fitted.area() <= 4 * SIZE.area() && fitted.width.is_multiple_of(8) && fitted.height == 8, "{fitted}");
    assert!(stage.said().is_empty(), "the offer was taken: {:?}", stage.said());
}

#[test]
fn the_settings_in_a_picture_are_offered_and_used() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let text = "a cat\nNegative prompt: dog\nSteps: 12, Sampler: Euler a, CFG scale: 6.5, Seed: 42, Size: 16x16, Model: dreamer";
    stage.apply(Action::OpenPicture(file(home.path(), "cat.png", SIZE, 3, &[(PARAMETERS_KEY, text)])));
    let notice = stage.hears("cat.png says how it was made");
    assert!(stage.session.found_settings);
    assert_eq!(stage.session.draft.prompt, "red apple", "only when asked to");
    stage.apply(notice.offers[0].action.clone());
    let draft = &stage.session.draft;
    assert_eq!(
        (draft.prompt.as_str(), draft.negative_prompt.as_str(), draft.steps, draft.seed),
        ("a cat", "dog", 12, 42)
    );
    assert_eq!((draft.sampler, draft.guidance_scale), (SamplerName::EulerAncestral, 6.5));
    assert!(!stage.session.found_settings);
    stage.hears("dreamer");
    stage.apply(Action::Generate);
    assert_eq!(stage.job().request.seed, 42);
}

#[test]
fn tool_brush_and_theme_change() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::SetTool(Tool::MaskEraser));
    stage.apply(Action::SetBrush(Brush { size: 3.0, hardness: 0.1 }));
    stage.apply(Action::SetTheme(crate::settings::Theme::Dark));
    assert_eq!((stage.session.tool, stage.session.brush.size), (Tool::MaskEraser, 3.0));
    drop(stage);
    assert_eq!(Settings::load(&home.path().join("settings.toml")).0.theme, crate::settings::Theme::Dark);
}
