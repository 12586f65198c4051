//! Keys bound anew, what dropped pictures are to be, and layers that are no part of the picture.

use super::*;
use sfumato::paint::{Brush, LayerKind, PaintBrush};

#[test]
fn a_key_is_bound_anew_in_the_help_and_works_at_once() {
    let mut window = window();
    window.press(Modifiers::NONE, Key::F1);
    assert!(window.harness.get_by_label("Search the keys").is_focused());
    window.harness.get_by_label("Search the keys").type_text("bucket");
    window.harness.run_ok();
    assert!(window.harness.query_by_label("Key of Quit: Ctrl+Q").is_none(), "it is not looked for");
    window.click("Key of Bucket: K");
    snapshot(&mut window, "keys_dark");
    window.press(Modifiers::SHIFT, Key::F8);
    assert_eq!(window.session().settings.keys["bucket"], ["Shift+F8"]);
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::K);
    assert_ne!(window.session().tool, Tool::Bucket, "the usual key is free");
    window.press(Modifiers::SHIFT, Key::F8);
    assert_eq!(window.session().tool, Tool::Bucket);
    // A key that has another meaning is not taken from it unasked.
    window.press(Modifiers::NONE, Key::F1);
    window.harness.get_by_label("Search the keys").type_text("bucket");
    window.harness.run_ok();
    for answer in ["No", "Take it"] {
        let at = window.harness.get_by_label("Key of Bucket: Shift+F8").rect();
        assert!(at.width() > 80.0, "all of its place can be clicked: {at:?}");
        window.click("Key of Bucket: Shift+F8");
        window.press(Modifiers::NONE, Key::B);
        window.harness.get_by_label("B is \u{201c}Brush\u{201d}. Take it?");
        assert_eq!(window.session().settings.keys["bucket"], ["Shift+F8"]);
        window.click(answer);
    }
    assert_eq!(window.session().settings.keys["bucket"], ["B"]);
    assert!(window.session().notices.is_empty(), "it was said where it was asked");
    window.apply(Action::SetTool(Tool::Hand));
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(window.session().tool, Tool::Bucket);
    window.apply(Action::BindKeys("bucket".into(), None));
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(window.session().tool, Tool::Brush);
}

#[test]
fn a_key_that_was_bound_before_is_the_newest_ones() {
    let mut window = window();
    window.press(Modifiers::NONE, Key::F1);
    for key in ["Key of Brush: B", "Key of Eraser: E"] {
        window.click(key);
        window.press(Modifiers::NONE, Key::F8);
    }
    window.harness.get_by_label("F8 is \u{201c}Brush\u{201d}. Take it?");
    window.press(Modifiers::NONE, Key::Enter);
    let keys = &window.session().settings.keys;
    assert_eq!((keys["brush"].len(), &keys["eraser"]), (0, &vec!["F8".to_owned()]));
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::F8);
    assert_eq!(window.session().tool, Tool::Eraser);
}

#[test]
fn the_mask_is_painted_with_the_brush_and_is_the_mask_again() {
    let mut window = window_of([1280.0, 800.0], Theme::Light, None);
    window.drop_picture(EXTENT);
    let flat = Arc::clone(window.session().document.flat());
    window.apply(Action::SetPaintBrush(PaintBrush::new(Brush { size: 12.0, hardness: 0.5 })));
    window.press(Modifiers::NONE, Key::Q);
    assert_eq!(window.session().tool, Tool::Brush);
    window.drag([-160.0, -60.0], [160.0, 60.0]);
    let layer = window.session().document.stack().active().unwrap().clone();
    assert_eq!((layer.look.kind, &**window.session().document.flat()), (LayerKind::Mask, &*flat));
    snapshot(&mut window, "quick_mask_light");
    window.press(Modifiers::SHIFT, Key::B);
    let around = window.session().document.whole_mask().bounds();
    assert!(around.is_some() && window.session().draft.bounds == around, "{around:?}");
    window.click("Take as the mask");
    let document = &window.session().document;
    assert!(document.has_mask() && document.stack().layers().len() == 1);
    assert_eq!(document.mask().coverage()[32 * 64 + 32], 255);
}

#[test]
fn what_is_dropped_on_a_document_is_asked_about() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.drop_picture(Extent::new(32, 24));
    assert_eq!(window.session().document.stack().layers().len(), 1, "nothing is done yet");
    snapshot(&mut window, "dropped_dark");
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.harness.query_by_label("Start from it").is_none());
    window.drop_picture(Extent::new(32, 24));
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the layer", |session| session.document.stack().layers().len() == 2);
    window.drop_picture(EXTENT);
    // The menu of that name is above.
    let asked = window.harness.get_all_by_label("Mask");
    asked.max_by(|a, b| a.rect().top().total_cmp(&b.rect().top())).unwrap().click();
    window.harness.run_ok();
    window.wait("the mask", |session| session.document.has_mask());
    window.drop_picture(Extent::new(32, 24));
    window.click("Start from it");
    window.wait("the picture", |session| session.document.extent() == Extent::new(32, 24));
}

#[test]
fn escape_and_enter_end_what_is_under_way_whatever_is_bound() {
    let mut window = window();
    window.apply(Action::BindKeys("stop".into(), Some(vec!["F9".into()])));
    window.apply(Action::BindKeys("apply_result".into(), Some(Vec::new())));
    window.drop_picture(EXTENT);
    window.drop_picture(Extent::new(32, 24));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.harness.query_by_label("Start from it").is_none());
    window.drop_picture(Extent::new(32, 24));
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the layer", |session| session.document.stack().layers().len() == 2);
}

#[test]
fn ctrl_s_saves_to_the_file_and_asks_for_one_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("work.sfumato");
    let mut window = window_of([1280.0, 800.0], Theme::Dark, Some(path.clone()));
    window.drop_picture(EXTENT);
    window.press(Modifiers::COMMAND, Key::S);
    window.wait("the file", |session| session.file().is_some());
    std::fs::remove_file(&path).unwrap();
    window.press(Modifiers::COMMAND, Key::S);
    window.wait("the file again", |_| path.is_file());
}

#[test]
fn what_is_found_in_the_help_stands_at_its_left_whatever_column_it_is_of() {
    let mut window = window();
    window.press(Modifiers::NONE, Key::F1);
    let left = window.harness.get_by_label("Keyboard and pointer").rect().left();
    for (search, found) in [("bucket", "Key of Bucket: K"), ("quit", "Key of Quit: Ctrl+Q")] {
        window.harness.get_by_label("Search the keys").focus();
        window.harness.run_ok();
        window.press(Modifiers::COMMAND, Key::A);
        window.harness.get_by_label("Search the keys").type_text(search);
        window.harness.run_ok();
        let name = found.trim_start_matches("Key of ").split(':').next().unwrap();
        let names = window.harness.get_all_by_label(name).map(|node| node.rect());
        let key = window.harness.get_by_label(found).rect();
        let in_line = names.filter(|rect| (rect.center().y - key.center().y).abs() < 4.0);
        let lefts: Vec<f32> = in_line.map(|rect| rect.left()).collect();
        assert!(lefts.iter().any(|at| (at - left).abs() < 1.0), "{search}: {lefts:?}, not {left}");
    }
}
