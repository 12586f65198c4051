//! Pictures that are dropped, chosen, pasted and saved.

use super::*;

#[test]
fn a_dropped_picture_is_started_from_and_the_strength_tells_how_many_steps_will_run() {
    let mut window = window();
    window.drop_picture(Extent::new(96, 64));
    window.harness.get_by_label("Start from");
    window.harness.state_mut().session.draft.strength = 0.6;
    window.harness.run();
    window.harness.get_by_label("12 of 20 steps will run");
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.extent, Extent::new(96, 64));
    assert_eq!(job.request.steps_to_run(), 12);
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Cancelled });
    window.click("Close the picture");
    assert!(window.session().document.picture().is_none());
}

#[test]
fn a_drawing_is_chosen_to_guide_and_its_settings_reach_the_request() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("drawing.png");
    Picture::filled(Extent::new(40, 20), [0, 0, 0, 255]).write_png(&path, &[]).unwrap();
    let mut window = window_of([1280.0, 800.0], Theme::Dark, Some(path));
    window.click("A picture\u{2026}");
    window.wait("the drawing to be read", |session| session.guide.is_some());
    assert!(window.harness.query_by_label("40 \u{d7} 20").is_some());
    assert!(
        window.harness.query_by_label("White lines on black").is_some()
            || window.harness.query_by_value("White lines on black").is_some()
    );
    window.harness.state_mut().session.draft.control.as_mut().unwrap().weight = 0.5;
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "guided_dark");
    window.press(Modifiers::COMMAND, Key::Enter);
    let control = window.job().request.control.unwrap();
    assert_eq!((control.picture.extent(), control.weight), (Extent::new(40, 20), 0.5));
    window.click("Let no picture guide");
    assert!(window.session().guide.is_none());
    assert!(window.harness.query_by_label("A picture\u{2026}").is_some());
}

#[test]
fn a_chosen_file_is_opened_and_a_wrong_one_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.png");
    std::fs::write(&path, b"not a picture").unwrap();
    let mut window = window_of([1280.0, 800.0], Theme::Dark, Some(path.clone()));
    window.press(Modifiers::COMMAND, Key::O);
    window.wait("the notice", |session| !session.notices.is_empty());
    window.click("Dismiss");
    assert!(window.session().notices.is_empty());
    apple(EXTENT, 1.0).write_png(&path, &[]).unwrap();
    window.press(Modifiers::COMMAND, Key::O);
    window.wait("the picture", |session| session.document.picture().is_some());
}

#[test]
fn a_pasted_picture_is_started_from() {
    let mut window = window();
    let image = egui::ColorImage::filled([64, 48], egui::Color32::LIGHT_BLUE);
    window.harness.event(egui::Event::PasteImage(Arc::new(image)));
    window.harness.run();
    window.wait("the picture", |session| session.document.picture().is_some());
    assert_eq!(window.session().document.extent(), Extent::new(64, 48));
}

#[test]
fn what_a_notice_says_stands_over_what_it_offers_where_the_canvas_is_narrow() {
    let mut window = window_of([800.0, 600.0], Theme::Light, None);
    let path = window.home.path().join("a picture with a name of many words.png");
    let text = "a cat\nSteps: 12, Sampler: Euler a, CFG scale: 6.5, Seed: 42, Size: 64x64";
    apple(EXTENT, 1.0).write_png(&path, &[("parameters", text)]).unwrap();
    window.apply(Action::OpenPicture(path));
    window.wait("the notice", |session| !session.notices.is_empty());
    let said = window.harness.get_by_label_contains("says how it was made").rect();
    let offer = window.harness.get_by_label("Use its settings").rect();
    assert!(said.width() > 150.0 && said.bottom() <= offer.top(), "{said:?} {offer:?}");
}
