//! What is done with results.

use super::*;

#[test]
fn the_bar_over_a_result_leads_on_from_it_and_back() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    window.click("Back");
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    assert!(window.harness.query_by_label("A result").is_none());
    window.click("Close the picture");
    window.harness.get_by_label_contains("Result: ").click();
    window.harness.run_ok();
    window.wait("the result", |session| matches!(session.canvas(), Shown::Result(..)));
    window.harness.get_by_label("A result");
    assert!(window.harness.query_by_label("Back").is_none(), "there is nothing to go back to");
    window.click("Start from this");
    window.wait("the picture", |session| session.document.picture().is_some());
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
}

#[test]
fn recall_puts_the_settings_of_a_result_back_into_the_panel() {
    let mut window = window();
    window.write_prompt("a blue vase");
    window.harness.state_mut().session.draft.steps = 11;
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    window.write_prompt("something else");
    window.harness.state_mut().session.draft.steps = 30;
    window.apply(Action::HideResult);
    window.harness.get_by_label("Result: a blue vase").click_secondary();
    window.harness.run_ok();
    window.harness.get_by_label_contains("Use its settings").click();
    window.harness.run_ok();
    window.wait("the settings", |session| session.draft.prompt == "a blue vase");
    assert_eq!(window.session().draft.steps, 11);
    assert_eq!(window.session().draft.seed, job.request.seed);
}

#[test]
fn arrows_walk_through_the_results_and_delete_takes_the_shown_one_away() {
    let mut window = window();
    for prompt in ["older", "newer"] {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
    }
    let prompt_shown = |window: &Window| {
        let results = &window.session().results;
        results.shown.and_then(|id| results.get(id)).map(|item| item.prompt.clone())
    };
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(prompt_shown(&window).as_deref(), Some("newer"));
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.wait("the older result", |session| {
        session.results.shown.and_then(|id| session.results.get(id)).is_some_and(|item| item.prompt == "older")
    });
    window.press(Modifiers::NONE, Key::ArrowLeft);
    window.wait("the newer result", |session| {
        session.results.shown.and_then(|id| session.results.get(id)).is_some_and(|item| item.prompt == "newer")
    });
    window.wait("both to be saved", |session| {
        session.results.items.iter().all(|item| matches!(item.kept, sfumato::session::Kept::InGallery(_)))
    });
    window.press(Modifiers::NONE, Key::Delete);
    window.wait("the result to be gone", |session| session.results.items.len() == 1);
}

#[test]
fn a_result_is_applied_as_a_layer_with_enter_and_started_from_with_shift() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.write_prompt("a pear");
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    window.harness.remove_cursor();
    if let Some(id) = window.harness.ctx.memory(egui::Memory::focused) {
        window.harness.ctx.memory_mut(|m| m.surrender_focus(id));
    }
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the layer", |session| session.document.stack().layers().len() == 2);
    let layers = |window: &Window| -> Vec<String> {
        window.session().document.stack().layers().iter().map(|layer| layer.look.name.clone()).collect()
    };
    assert_eq!(layers(&window), ["dropped.png", "a pear"]);
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    window.harness.get_by_label_contains("Result: ").click();
    window.harness.run_ok();
    window.wait("the result", |session| matches!(session.canvas(), Shown::Result(..)));
    window.click("Start from this");
    window.wait("the picture", |session| session.document.stack().layers().len() == 1);
}

#[test]
fn the_button_that_compares_is_pressed_while_it_does() {
    use egui_kittest::kittest::NodeT as _;
    let mut window = window();
    window.drop_picture(EXTENT);
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    let is_pressed = |window: &Window| {
        let toggled = window.harness.get_by_label("Compare").accesskit_node().toggled();
        toggled == Some(egui::accesskit::Toggled::True)
    };
    assert!(!is_pressed(&window));
    window.click("Compare");
    assert!(is_pressed(&window));
    window.press(Modifiers::NONE, Key::Y);
    assert!(!is_pressed(&window), "the key takes it back");
}

#[test]
fn in_live_a_tap_of_space_shows_the_drawing_and_a_line_holds_it_against_what_was_painted() {
    let mut window = window();
    let path = window.home.path().join("grey.png");
    Picture::filled(EXTENT, [90, 90, 90, 255]).write_png(&path, &[]).unwrap();
    window.apply(Action::OpenPicture(path));
    window.wait("the picture", |session| session.document.has_picture());
    window.apply(Action::SetLive(true));
    let job = window.job();
    let blue = Arc::new(Picture::filled(job.request.picture_extent(), [20, 30, 200, 255]));
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Finished(painted(&blue, &job.request, 4)) });
    assert!(matches!(window.session().canvas(), Shown::Live { .. }));
    window.harness.remove_cursor();
    if let Some(id) = window.harness.ctx.memory(egui::Memory::focused) {
        window.harness.ctx.memory_mut(|m| m.surrender_focus(id));
    }
    let sides = |window: &mut Window| [[-60.0, 50.0], [60.0, 50.0]].map(|at| seen(window, at));
    let (drawing, live) = ([90, 90, 90], [20, 30, 200]);
    assert_eq!(sides(&mut window), [live, live]);
    window.press(Modifiers::NONE, Key::Space);
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    assert_eq!(sides(&mut window), [drawing, drawing]);
    window.press(Modifiers::NONE, Key::Space);
    assert_eq!(sides(&mut window), [live, live]);
    window.press(Modifiers::NONE, Key::Y);
    assert_eq!(sides(&mut window), [drawing, live]);
    window.press(Modifiers::NONE, Key::Y);
    assert_eq!(sides(&mut window), [live, live]);
    // Nothing is laid over what is being drawn.
    window.press(Modifiers::NONE, Key::B);
    let middle = window.canvas();
    window.harness.hover_at(middle);
    window.harness.step();
    window.harness.drag_at(middle);
    window.harness.step();
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    window.press(Modifiers::NONE, Key::Space);
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    window.harness.drop_at(middle);
    window.harness.run_ok();
}
