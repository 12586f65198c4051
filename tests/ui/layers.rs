//! Layers in their panel: added, hidden, locked, merged and given other names.

use super::*;

/// Two clicks on a layer, fast enough to be one double click.
fn begin_renaming(window: &mut Window, layer: &str) {
    let pos = window.harness.get_by_label(layer).rect().center();
    window.harness.hover_at(pos);
    window.harness.step();
    for _ in 0..2 {
        let modifiers = Modifiers::NONE;
        let button =
            |pressed| egui::Event::PointerButton { pos, button: egui::PointerButton::Primary, pressed, modifiers };
        window.harness.input_mut().events.extend([button(true), button(false)]);
        window.harness.step();
    }
    window.harness.run_ok();
    assert!(window.harness.get_by_label("Name of the layer").is_focused());
}

fn window_with_a_layer() -> Window {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.apply(Action::SetColour([250, 240, 10]));
    window.press(Modifiers::NONE, Key::B);
    window.click("Add a layer");
    window
}

#[test]
fn a_name_is_written_over_the_old_one_and_enter_keeps_it_and_escape_does_not() {
    let mut window = window_with_a_layer();
    begin_renaming(&mut window, "Layer: Layer 1");
    window.harness.get_by_label("Name of the layer").type_text("Sky");
    window.press(Modifiers::NONE, Key::Enter);
    begin_renaming(&mut window, "Layer: Sky");
    window.harness.get_by_label("Name of the layer").type_text("Sea");
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.harness.query_by_label("Name of the layer").is_none());
    window.harness.get_by_label("Layer: Sky");
    window.press(Modifiers::NONE, Key::E);
    assert_eq!(window.session().tool, Tool::Eraser, "keys are keys again");
}

#[test]
fn while_a_name_is_written_the_keys_that_lead_elsewhere_do_so_and_it_is_kept() {
    let mut window = window_with_a_layer();
    begin_renaming(&mut window, "Layer: Layer 1");
    window.harness.get_by_label("Name of the layer").type_text("Sky");
    window.press(Modifiers::NONE, Key::F1);
    assert!(window.harness.get_by_label("Search the keys").is_focused());
    window.press(Modifiers::NONE, Key::Escape);
    begin_renaming(&mut window, "Layer: Sky");
    window.press(Modifiers::ALT, Key::A);
    assert!(window.harness.get_by_label("Prompt").is_focused());
    assert!(window.harness.query_by_label("Name of the layer").is_none());
}

#[test]
fn a_name_is_kept_where_the_prompt_takes_the_place_of_its_field() {
    let mut window = window_of([900.0, 900.0], Theme::Dark, None);
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::B);
    window.click("Add a layer");
    // It has nothing in that panel: all layers are in sight.
    window.press(Modifiers::NONE, Key::M);
    begin_renaming(&mut window, "Layer: Layer 1");
    window.harness.get_by_label("Name of the layer").type_text("Sky");
    window.press(Modifiers::ALT, Key::A);
    assert!(window.harness.get_by_label("Prompt").is_focused());
    assert_eq!(window.session().document.stack().active().unwrap().look.name, "Sky");
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.harness.ctx.memory(|m| m.focused().is_none()), "Escape leaves the prompt at once");
}

#[test]
fn a_stroke_that_ends_a_name_is_not_lost() {
    let mut window = window_with_a_layer();
    begin_renaming(&mut window, "Layer: Layer 1");
    window.harness.get_by_label("Name of the layer").type_text("Sky");
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    window.harness.get_by_label("Layer: Sky");
    assert_eq!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
    assert!(window.harness.query_by_label_contains("paint it again").is_none());
}

#[test]
fn layers_are_added_hidden_locked_and_merged_in_the_panel() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.apply(Action::SetColour([250, 240, 10]));
    window.press(Modifiers::NONE, Key::B);
    window.click("Add a layer");
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
    window.click("Hide Layer 1");
    assert_ne!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
    window.drag([-60.0, 20.0], [60.0, 20.0]);
    window.harness.get_by_label_contains("is hidden: show it, or choose another");
    window.click("Show Layer 1");
    window.click("Lock Layer 1");
    window.drag([-60.0, 20.0], [60.0, 20.0]);
    window.harness.get_by_label_contains("is locked: unlock it, or choose another");
    window.click("Unlock Layer 1");
    window.click("Merge down");
    assert_eq!(window.session().document.stack().layers().len(), 1);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
}

/// The names of all layers, from below.
fn names(window: &Window) -> Vec<String> {
    window.session().document.stack().layers().iter().map(|layer| layer.look.name.clone()).collect()
}

/// Takes a layer to a place at the height of another, so many points from its middle, and does not let go of it yet.
fn lead(window: &mut Window, layer: &str, over: &str, down: f32) -> Pos2 {
    let from = window.harness.get_by_label(layer).rect().center();
    let to = window.harness.get_by_label(over).rect().center() + vec2(0.0, down);
    window.harness.hover_at(from);
    window.harness.step();
    window.harness.drag_at(from);
    window.harness.step();
    for i in 1..=4 {
        window.harness.hover_at(from + (to - from) * (i as f32 / 4.0));
        window.harness.step();
    }
    to
}

#[test]
fn a_layer_is_dragged_to_where_a_line_shows_it_would_go_and_undo_takes_it_back() {
    // So high that all three are in sight.
    let mut window = window_of([1280.0, 1000.0], Theme::Dark, None);
    window.drop_picture(EXTENT);
    window.click("Add a layer");
    window.click("Add a layer");
    assert_eq!(names(&window), ["dropped.png", "Layer 1", "Layer 2"]);
    let lowest = window.harness.get_by_label("Layer: dropped.png").rect();
    // Nothing else there is of a strong colour.
    let line = |window: &mut Window| {
        let shown = window.harness.render().unwrap();
        let is_ochre = |y: u32| {
            let [r, _, b, _] = shown.get_pixel(lowest.center().x as u32, y).0;
            r.saturating_sub(b) > 90
        };
        (lowest.top() as u32 - 4..lowest.top() as u32 + 3).any(is_ochre)
    };
    assert!(!line(&mut window));
    // Just over the lowest: between it and the one above.
    let to = lead(&mut window, "Layer: Layer 2", "Layer: dropped.png", -12.0);
    assert!(line(&mut window), "where it would go");
    assert_eq!(names(&window), ["dropped.png", "Layer 1", "Layer 2"], "it is not let go of yet");
    window.harness.drop_at(to);
    window.harness.run_ok();
    assert_eq!(names(&window), ["dropped.png", "Layer 2", "Layer 1"]);
    assert!(!line(&mut window));
    let to = lead(&mut window, "Layer: Layer 1", "Layer: dropped.png", 15.0);
    window.harness.drop_at(to);
    window.harness.run_ok();
    assert_eq!(names(&window), ["Layer 1", "dropped.png", "Layer 2"]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(names(&window), ["dropped.png", "Layer 2", "Layer 1"]);
}

#[test]
fn a_layer_that_is_dragged_stays_with_escape_and_beside_the_list() {
    let mut window = window_with_a_layer();
    let before = names(&window);
    let to = lead(&mut window, "Layer: Layer 1", "Layer: dropped.png", 15.0);
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(to);
    window.harness.run_ok();
    assert_eq!(names(&window), before, "Escape");
    lead(&mut window, "Layer: Layer 1", "Layer: dropped.png", 15.0);
    let beside = window.canvas();
    window.harness.hover_at(beside);
    window.harness.step();
    window.harness.drop_at(beside);
    window.harness.run_ok();
    assert_eq!(names(&window), before, "beside the list");
    // A click is no drag.
    window.click("Layer: dropped.png");
    assert_eq!(window.session().document.stack().active().unwrap().look.name, "dropped.png");
    assert_eq!(names(&window), before);
}

#[test]
fn a_list_to_choose_from_is_closed_by_the_key_that_chose() {
    let mut window = window_with_a_layer();
    window.click("Mode");
    window.harness.get_by_label("Colour dodge");
    window.harness.get_by_label("Colour burn").focus();
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().document.stack().active().unwrap().look.blend, sfumato::paint::Blend::ColorBurn);
    assert!(window.harness.query_by_label("Colour dodge").is_none(), "the list is closed");
}
