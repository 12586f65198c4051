//! A window that keeps nothing asks before it closes.

use super::*;

#[test]
fn what_nothing_keeps_is_asked_about_and_escape_stays() {
    let mut window = window();
    window.drop_picture(EXTENT);
    let is_asked = |window: &Window| window.harness.query_by_label("Quit without saving").is_some();
    assert!(!is_asked(&window));
    window.harness.state_mut().view.asks_to_leave = true;
    window.harness.run_ok();
    assert!(is_asked(&window));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!is_asked(&window));
    window.harness.state_mut().view.asks_to_leave = true;
    window.harness.run_ok();
    window.click("Quit without saving");
    assert!(window.harness.state().view.leaves);
}

#[test]
fn the_first_window_closes_without_a_question() {
    let mut window = window();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert!(window.session().is_behind());
    let viewports = &mut window.harness.input_mut().viewports;
    viewports.entry(egui::ViewportId::ROOT).or_default().events.push(egui::ViewportEvent::Close);
    window.harness.run_ok();
    assert!(!window.harness.state().view.asks_to_leave, "the next start has it");
}
