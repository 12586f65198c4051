//! Writing prompts.

use super::*;

#[test]
fn the_last_letter_typed_is_kept_without_another_frame() {
    let mut window = window();
    window.harness.get_by_label("Prompt").focus();
    window.harness.run();
    window.harness.get_by_label("Prompt").type_text("Z");
    window.harness.step();
    let state = window.home.path().join("session.json");
    let typed = Instant::now();
    while !std::fs::read_to_string(&state).is_ok_and(|state| state.contains('Z')) {
        assert!(typed.elapsed() < LIMIT, "it never reached the disk");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn single_letters_are_text_in_a_text_field_and_keys_elsewhere() {
    let mut window = window();
    window.write_prompt("b");
    window.press(Modifiers::NONE, Key::B);
    window.press(Modifiers::NONE, Key::G);
    assert_eq!(window.session().tool, Tool::Hand);
    assert!(!window.harness.state().view.gallery_open);
    window.harness.get_by_label("Prompt").focus();
    window.harness.run();
    window.press(Modifiers::NONE, Key::Delete);
    window.harness.state().session.results.items.first().inspect(|_| panic!("nothing was painted"));
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(window.session().tool, Tool::Brush);
}

#[test]
fn alt_up_and_down_walk_through_the_prompts() {
    let mut window = window();
    for prompt in ["first", "second"] {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
    }
    window.write_prompt("being written");
    let prompt = |window: &Window| window.session().draft.prompt.clone();
    window.press(Modifiers::ALT, Key::ArrowUp);
    assert_eq!(prompt(&window), "second");
    window.press(Modifiers::ALT, Key::ArrowUp);
    assert_eq!(prompt(&window), "first");
    window.press(Modifiers::ALT, Key::ArrowDown);
    window.press(Modifiers::ALT, Key::ArrowDown);
    assert_eq!(prompt(&window), "being written");
}

#[test]
fn ctrl_up_and_down_weigh_the_word_at_the_cursor_and_the_cursor_stays_there() {
    let mut window = window();
    window.write_prompt("a red apple");
    let prompt = |window: &Window| window.session().draft.prompt.clone();
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(prompt(&window), "a red (apple:1.1)");
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(prompt(&window), "a red (apple:1.2)");
    window.press(Modifiers::COMMAND, Key::ArrowDown);
    window.press(Modifiers::COMMAND, Key::ArrowDown);
    window.press(Modifiers::COMMAND, Key::ArrowDown);
    assert_eq!(prompt(&window), "a red (apple:0.9)");
    window.harness.get_by_label("Stay away from").focus();
    window.harness.run();
    window.harness.get_by_label("Stay away from").type_text("blurry");
    window.harness.run();
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(window.session().draft.negative_prompt, "(blurry:1.1)");
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(prompt(&window), "a red (apple:0.9)", "no field is being written in");
}

#[test]
fn the_cursor_stands_behind_a_prompt_that_was_fetched() {
    let mut window = window();
    window.write_prompt("a red");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    window.write_prompt("x");
    window.press(Modifiers::ALT, Key::ArrowUp);
    window.harness.get_by_label("Prompt").type_text(" apple");
    window.harness.run();
    assert_eq!(window.session().draft.prompt, "a red apple");
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::ALT, Key::A);
    window.harness.get_by_label("Prompt").type_text(" falls");
    window.harness.run();
    assert_eq!(window.session().draft.prompt, "a red apple falls");
}

#[test]
fn what_a_slow_frame_gathers_weighs_as_often_as_it_was_pressed_and_loses_no_letter() {
    let mut window = window();
    window.write_prompt("a red appl");
    let pressed =
        |key| egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::COMMAND };
    let up = pressed(Key::ArrowUp);
    let events = [egui::Event::Text("e".into()), up.clone(), up.clone(), up];
    window.harness.input_mut().events.extend(events);
    window.harness.run_ok();
    assert_eq!(window.session().draft.prompt, "a red (apple:1.3)");
    window.harness.input_mut().events.extend([pressed(Key::ArrowDown), pressed(Key::ArrowDown)]);
    window.harness.run_ok();
    assert_eq!(window.session().draft.prompt, "a red (apple:1.1)");
}
