//! What was closed without being saved is opened again.

use super::*;

#[test]
fn what_was_closed_unsaved_is_in_the_file_menu_and_offered_where_the_canvas_is_empty() {
    let mut window = window();
    window.harness.state_mut().session.draft.prompt = "a pear in the fog".into();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    let layers = window.session().document.stack().layers().to_vec();
    window.apply(Action::NewCanvas(EXTENT));
    window.wait("the painting to be put away", |session| session.closed.len() == 1);
    window.click("File");
    window.click("Recently closed");
    window.harness.get_by_label_contains("a pear in the fog").click();
    window.harness.run_ok();
    window.wait("it to be opened", Session::is_behind);
    assert_eq!(window.session().document.stack().layers(), layers);
    window.apply(Action::ClosePicture);
    window.wait("it to be put away again", |session| session.closed.len() == 1);
    window.harness.get_by_label_contains("Go on with").click();
    window.harness.run_ok();
    window.wait("it to be opened again", Session::is_behind);
    assert_eq!(window.session().document.stack().layers(), layers);
}

#[test]
fn what_gave_way_to_what_another_window_closed_is_noticed_once_this_one_is_turned_to() {
    let first = window();
    let mut second = window_beside(&first);
    second.press(Modifiers::NONE, Key::B);
    second.drag([-60.0, 0.0], [60.0, 0.0]);
    second.apply(Action::ClosePicture);
    second.wait("the painting to be put away", |session| session.closed.len() == 1 && session.losses().is_empty());
    std::fs::remove_file(&second.session().closed[0].path).unwrap();
    second.harness.event(egui::Event::WindowFocused(true));
    second.harness.run_ok();
    second.wait("that to be noticed", |session| session.closed.is_empty());
    assert!(second.session().is_lost_at_the_end());
}
