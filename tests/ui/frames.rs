//! Transforming a layer, cutting the canvas and making room, as a person would.

use super::*;
use sfumato::paint::{Combine, LayerEdit, LayerLook, Shape, Tiles};

/// A window with a black square from (16, 16) to (32, 32) on a layer over a picture of 64 by 64, shown eight times as large.
pub(super) fn square() -> Window {
    let mut window = window();
    window.drop_picture(EXTENT);
    let black = Picture::filled(Extent::new(16, 16), [0, 0, 0, 255]);
    let tiles = Tiles::of_part(EXTENT, bounds(16, 16, 16, 16), &black, None);
    window.apply(Action::EditLayers(LayerEdit::Insert { look: LayerLook::named("square"), tiles }));
    window
}

fn active(window: &Window) -> Bounds {
    window.session().document.stack().active().unwrap().tiles.content().unwrap()
}

fn bounds(left: u32, top: u32, width: u32, height: u32) -> Bounds {
    Bounds { left, top, extent: Extent::new(width, height) }
}

#[test]
fn a_layer_is_moved_by_its_inside_scaled_by_its_corner_and_enter_applies() {
    let mut window = square();
    assert_eq!(active(&window), bounds(16, 16, 16, 16));
    window.press(Modifiers::NONE, Key::T);
    drag_over_picture(&mut window, [24.0, 24.0], [34.0, 29.0]);
    assert_eq!(active(&window), bounds(16, 16, 16, 16), "nothing is done before Enter");
    drag_over_picture(&mut window, [42.0, 37.0], [50.0, 45.0]);
    window.press(Modifiers::NONE, Key::Enter);
    let found = active(&window);
    // A soft edge of up to two pixels around (26, 21) and 24 by 24.
    assert!(found.left.abs_diff(26) <= 2 && found.top.abs_diff(21) <= 2, "{found:?}");
    assert!(found.extent.width.abs_diff(24) <= 4 && found.extent.height.abs_diff(24) <= 4, "{found:?}");
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(active(&window), bounds(16, 16, 16, 16), "it was one step");
}

#[test]
fn escape_cancels_a_transform_and_another_tool_applies_it() {
    let mut window = square();
    let revision = window.session().document.revision();
    window.press(Modifiers::NONE, Key::T);
    drag_over_picture(&mut window, [24.0, 24.0], [34.0, 24.0]);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.session().document.revision(), revision);
    drag_over_picture(&mut window, [24.0, 24.0], [40.0, 24.0]);
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(active(&window), bounds(32, 16, 16, 16));
    window.press(Modifiers::NONE, Key::T);
    window.click("Flip sideways");
    window.click("Apply");
    assert_eq!(active(&window), bounds(32, 16, 16, 16), "a square that is flipped in its place");
}

#[test]
fn what_is_moved_out_of_the_canvas_has_its_box_there_and_comes_back_whole() {
    let mut window = square();
    let layer = |window: &Window| (**window.session().document.stack().active().unwrap()).clone();
    let before = layer(&window);
    window.press(Modifiers::NONE, Key::T);
    drag_over_picture(&mut window, [24.0, 24.0], [0.0, 24.0]);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(active(&window), bounds(0, 16, 8, 16), "what is seen of it");
    assert_eq!(layer(&window).content(), Some([Point::new(-8.0, 16.0), Point::new(8.0, 32.0)]));
    drag_over_picture(&mut window, [4.0, 24.0], [28.0, 24.0]);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(layer(&window), before);
}

#[test]
fn the_canvas_is_cut_to_a_box_and_mask_and_undo_go_along() {
    let mut window = square();
    let shape = Shape::Rectangle(Point::new(30.0, 30.0), Point::new(60.0, 60.0));
    window.apply(Action::MaskShape(shape, Combine::Add));
    window.press(Modifiers::SHIFT, Key::T);
    drag_over_picture(&mut window, [16.0, 8.0], [56.0, 48.0]);
    assert_eq!(window.session().document.extent(), EXTENT);
    snapshot(&mut window, "crop_dark");
    window.press(Modifiers::NONE, Key::Enter);
    let document = &window.session().document;
    assert_eq!(document.extent(), Extent::new(40, 40));
    assert_eq!(document.mask().bounds(), Some(bounds(14, 22, 26, 18)));
    assert_eq!(active(&window), bounds(0, 8, 16, 16));
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.session().document.extent(), EXTENT);
}

#[test]
fn room_is_made_at_the_side_that_is_not_anchored() {
    let mut window = square();
    window.apply(Action::SetBounds(Some(bounds(0, 0, 32, 32))));
    window.press(Modifiers::COMMAND.plus(Modifiers::ALT), Key::C);
    window.click("Anchor: bottom right");
    snapshot(&mut window, "canvas_size_dark");
    window.harness.get_by_label("Width").focus();
    window.harness.run();
    window.press(Modifiers::COMMAND, Key::A);
    window.harness.get_by_label("Width").type_text("80");
    window.harness.run();
    window.press(Modifiers::NONE, Key::Enter);
    let session = window.session();
    assert_eq!(session.document.extent(), Extent::new(80, 64));
    assert_eq!(active(&window), bounds(32, 16, 16, 16));
    assert_eq!(session.draft.bounds, Some(bounds(16, 0, 32, 32)));
    assert_eq!(session.document.flat().pixel(5, 5), [0; 4], "what is new is clear");
}

#[test]
fn enter_in_another_field_leaves_the_size_that_is_being_typed_alone() {
    let mut window = square();
    window.press(Modifiers::COMMAND.plus(Modifiers::ALT), Key::I);
    let mut type_into = |label: &str, text: &str| {
        // Before the number there may be a slider of its name.
        window.harness.get_all_by_label(label).last().unwrap().focus();
        window.harness.run();
        window.press(Modifiers::COMMAND, Key::A);
        window.harness.get_all_by_label(label).last().unwrap().type_text(text);
        window.harness.run();
    };
    type_into("Height", "32");
    type_into("Steps", "9");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!((window.session().draft.steps, window.session().document.extent()), (9, EXTENT));
    window.harness.get_by_label("Keep proportions");
    // With nothing in the hand it is the window's again, with what was typed there.
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().document.extent(), Extent::new(32, 32));
    assert!(window.harness.query_by_label("Keep proportions").is_none());
}
