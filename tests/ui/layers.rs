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
