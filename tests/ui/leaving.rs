//! A window that keeps nothing asks before it closes.

use super::*;
use egui::{RawInput, ViewportCommand, ViewportEvent, ViewportId};

/// What the window system sends when the window is to close.
fn close(input: &mut RawInput) {
    input.viewports.entry(ViewportId::ROOT).or_default().events.push(ViewportEvent::Close);
}

/// A second window of the program, with a stroke on its canvas and the brush in hand.
fn painted_in_beside(first: &Window) -> Window {
    let mut second = window_beside(first);
    second.press(Modifiers::NONE, Key::B);
    second.drag([-60.0, 0.0], [60.0, 0.0]);
    assert!(second.session().is_lost_at_the_end());
    second
}

#[test]
fn the_second_window_does_not_close_unasked_and_then_does() {
    let first = window();
    let mut second = painted_in_beside(&first);
    let stays = |window: &mut Window| {
        close(window.harness.input_mut());
        window.harness.step();
        let told = &window.harness.output().viewport_output[&ViewportId::ROOT].commands;
        told.contains(&ViewportCommand::CancelClose)
    };
    assert!(stays(&mut second));
    second.harness.run_ok();
    second.click("Quit without saving");
    assert!(!stays(&mut second));
}

#[test]
fn a_second_window_that_is_hidden_comes_to_the_front_and_asks() {
    let first = window();
    let mut second = painted_in_beside(&first);
    let mut input = RawInput::default();
    close(&mut input);
    let ctx = second.harness.ctx.clone();
    let app = second.harness.state_mut();
    // As eframe does it where nothing is shown.
    let told = ctx.run_logic(&input, |ctx| eframe::App::logic(app, ctx, &mut eframe::Frame::_new_kittest()));
    let told = &told.viewport_commands[&ViewportId::ROOT];
    for command in [ViewportCommand::CancelClose, ViewportCommand::Minimized(false), ViewportCommand::Focus] {
        assert!(told.contains(&command), "{command:?} in {told:?}");
    }
    second.harness.run_ok();
    second.harness.get_by_label("Quit without saving");
}

#[test]
fn what_is_typed_at_the_question_changes_nothing_behind_it_and_enter_saves() {
    let first = window();
    let mut second = painted_in_beside(&first);
    second.press(Modifiers::COMMAND, Key::Enter);
    let job = second.job();
    second.finish(&job);
    second.harness.get_by_label("Prompt").focus();
    second.harness.run_ok();
    close(second.harness.input_mut());
    second.harness.run_ok();
    let layers = second.session().document.stack().layers().len();
    second.press(Modifiers::NONE, Key::E);
    second.press(Modifiers::NONE, Key::Delete);
    assert_eq!((second.session().tool, second.session().results.items.len()), (Tool::Brush, 1));
    second.press(Modifiers::NONE, Key::Enter);
    assert!(!second.harness.state().view.asks_to_leave, "it is being saved");
    assert!(matches!(second.session().canvas(), Shown::Result(..) | Shown::Part { .. }), "and no layer made of it");
    assert_eq!(second.session().document.stack().layers().len(), layers);
}

#[test]
fn what_nothing_keeps_is_asked_about_and_escape_stays() {
    let first = window();
    let mut second = painted_in_beside(&first);
    second.apply(Action::SetTool(Tool::MaskPolygon));
    let begun = vec![Point::new(1.0, 1.0), Point::new(9.0, 9.0)];
    second.harness.state_mut().view.polygon.clone_from(&begun);
    second.harness.run_ok();
    let is_asked = |window: &Window| window.harness.query_by_label("Quit without saving").is_some();
    assert!(!is_asked(&second));
    close(second.harness.input_mut());
    second.harness.run_ok();
    assert!(is_asked(&second));
    second.press(Modifiers::NONE, Key::Escape);
    assert!(!is_asked(&second));
    assert_eq!(second.harness.state().view.polygon, begun, "what was under way goes on");
    close(second.harness.input_mut());
    second.harness.run_ok();
    second.click("Quit without saving");
    assert!(second.harness.state().view.leaves);
}

#[test]
fn enter_brings_back_what_could_not_be_put_away() {
    let first = window();
    let mut second = painted_in_beside(&first);
    std::fs::write(second.home.path().join("closed"), b"where a folder should be").unwrap();
    second.apply(Action::ClosePicture);
    let is_told =
        |session: &Session| session.notices.iter().any(|notice| notice.text.contains("could not be put away"));
    second.wait("the painting not to be put away", is_told);
    close(second.harness.input_mut());
    second.harness.run_ok();
    assert!(second.harness.state().view.asks_to_leave);
    second.press(Modifiers::NONE, Key::Enter);
    assert!(second.session().document.has_picture() && !second.harness.state().view.asks_to_leave);
}

#[test]
fn the_question_answers_itself_once_nothing_would_be_lost() {
    let first = window();
    let mut second = window_beside(&first);
    second.press(Modifiers::COMMAND, Key::Enter);
    let job = second.job();
    close(second.harness.input_mut());
    second.harness.run_ok();
    second.press(Modifiers::NONE, Key::Enter);
    let view = &second.harness.state().view;
    assert!(view.asks_to_leave && !view.leaves, "there is nothing to save yet");
    second.finish(&job);
    second.wait("the picture to be kept", |session| session.losses().is_empty());
    assert!(second.harness.state().view.leaves);
}

#[test]
fn the_first_window_closes_without_a_question() {
    let mut window = window();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert!(window.session().is_behind());
    close(window.harness.input_mut());
    window.harness.run_ok();
    assert!(!window.harness.state().view.asks_to_leave, "the next start has it");
}
