//! The view in a mirror: what is drawn, dragged and picked is where it is seen, and the document knows nothing of it.

use super::frames::square;
use super::tools::{paper, pixel};
use super::*;
use sfumato::paint::{Brush, PaintBrush};

fn is_mirrored(window: &Window) -> bool {
    window.harness.query_by_label("Mirrored").is_some()
}

fn bounds(left: u32, top: u32, width: u32, height: u32) -> Bounds {
    Bounds { left, top, extent: Extent::new(width, height) }
}

#[test]
fn a_stroke_at_the_left_of_a_mirrored_view_is_at_the_right_of_the_document() {
    let mut window = paper();
    let revision = window.session().document.revision();
    window.press(Modifiers::NONE, Key::B);
    window.press(Modifiers::NONE, Key::J);
    assert!(is_mirrored(&window));
    window.harness.get_by_label_contains("64, mirrored");
    assert_eq!(window.session().document.revision(), revision, "the document is as it was");
    window.drag([-200.0, -100.0], [-200.0, 100.0]);
    // It is 25 pixels beside the middle.
    assert_eq!((pixel(&window, 57, 32), pixel(&window, 7, 32)), ([0, 0, 0, 255], [255; 4]));
    assert_eq!((seen(&mut window, [-200.0, 0.0]), seen(&mut window, [200.0, 0.0])), ([0; 3], [255; 3]));
    // It is not undone, and seen as it is by a click on the word that says so.
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(pixel(&window, 57, 32), [255; 4]);
    assert!(is_mirrored(&window));
    window.press(Modifiers::COMMAND, Key::Y);
    window.click("Mirrored");
    assert!(!is_mirrored(&window));
    assert_eq!((seen(&mut window, [-200.0, 0.0]), seen(&mut window, [200.0, 0.0])), ([255; 3], [0; 3]));
    window.open_menu("View");
    window.harness.get_by_label_contains("Mirror the view").click();
    window.harness.run_ok();
    assert!(is_mirrored(&window));
}

#[test]
fn in_a_mirror_a_colour_is_taken_up_where_it_is_seen_and_space_moves_the_picture_with_the_pointer() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::B);
    window.apply(Action::SetColour([200, 0, 0]));
    window.drag([-200.0, 0.0], [-200.0, 0.0]);
    window.apply(Action::SetColour([0; 3]));
    window.press(Modifiers::NONE, Key::J);
    window.press(Modifiers::NONE, Key::I);
    window.drag([200.0, 0.0], [200.0, 0.0]);
    assert_eq!(window.session().palette.colour, [200, 0, 0]);
    let place = |window: &Window| window.harness.state().view.placement.unwrap().picture_in_ui();
    let before = place(&window);
    window.harness.key_down(Key::Space);
    window.harness.step();
    window.drag([0.0, 0.0], [40.0, 24.0]);
    window.harness.key_up(Key::Space);
    window.harness.run();
    assert_eq!(place(&window).min - before.min, vec2(40.0, 24.0));
    assert_eq!(seen(&mut window, [240.0, 24.0]), [200, 0, 0]);
}

#[test]
fn in_a_mirror_a_box_is_drawn_and_resized_by_the_sides_that_are_seen() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::J);
    window.press(Modifiers::SHIFT, Key::T);
    window.drag([128.0, -192.0], [-192.0, 128.0]);
    let crop = |window: &Window| window.harness.state().view.crop;
    assert_eq!(crop(&window), Some(bounds(16, 8, 40, 40)));
    // The side that is seen at the left is the right one of the picture.
    window.drag([-192.0, -32.0], [-128.0, -32.0]);
    assert_eq!(crop(&window), Some(bounds(16, 8, 32, 40)));
}

#[test]
fn in_a_mirror_a_layer_goes_with_the_pointer() {
    let mut window = square();
    window.press(Modifiers::NONE, Key::J);
    window.press(Modifiers::NONE, Key::T);
    window.drag([64.0, -64.0], [-16.0, -24.0]);
    window.press(Modifiers::NONE, Key::Enter);
    let content = window.session().document.stack().active().unwrap().tiles.content();
    assert_eq!(content, Some(bounds(26, 21, 16, 16)));
}

#[test]
fn a_view_is_not_mirrored_in_the_middle_of_a_stroke() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::B);
    let middle = window.canvas();
    window.harness.hover_at(middle - vec2(160.0, 0.0));
    window.harness.step();
    window.harness.drag_at(middle - vec2(160.0, 0.0));
    window.harness.step();
    window.press(Modifiers::NONE, Key::J);
    assert!(!is_mirrored(&window));
    window.harness.drop_at(middle - vec2(160.0, 0.0));
    window.harness.run();
    assert_eq!((pixel(&window, 12, 32), pixel(&window, 32, 32)), ([0, 0, 0, 255], [255; 4]));
    window.press(Modifiers::NONE, Key::J);
    assert!(is_mirrored(&window));
}

#[test]
fn before_and_after_change_sides_with_the_view() {
    let mut window = paper();
    window.apply(Action::Generate);
    let job = window.job();
    window.finish(&job);
    window.wait("the result", |session| session.canvas().result().is_some());
    window.press(Modifiers::NONE, Key::Y);
    let corners = [[-240.0, -200.0], [240.0, -200.0]];
    let [left, right] = corners.map(|at| seen(&mut window, at));
    assert_eq!((left, right == left), ([255; 3], false), "the paper is at the left");
    window.press(Modifiers::NONE, Key::J);
    let [left, right] = corners.map(|at| seen(&mut window, at));
    assert_eq!((left == right, right), (false, [255; 3]), "the paper is at the right");
    // The line is dragged to where the pointer is: what is at its left is the result.
    window.drag([0.0, -100.0], [200.0, -100.0]);
    assert_ne!(seen(&mut window, [160.0, -200.0]), [255; 3]);
    assert_eq!(seen(&mut window, [240.0, -200.0]), [255; 3]);
}

#[test]
fn in_a_mirror_only_what_changed_is_drawn_and_looks_like_a_window_drawn_whole() {
    let mut window = window();
    window.drop_picture(Extent::new(300, 200));
    let tip = Brush { size: 4.0, hardness: 1.0 };
    window.apply(Action::SetPaintBrush(PaintBrush { smoothing: 0.0, ..PaintBrush::new(tip) }));
    window.press(Modifiers::NONE, Key::B);
    window.press(Modifiers::NONE, Key::J);
    window.looks_the_same_drawn_whole("mirroring");
    let start = window.canvas() - vec2(200.0, 40.0);
    window.harness.hover_at(start);
    window.harness.step();
    window.harness.drag_at(start);
    for i in 1..5 {
        // So far that most of the line lies beside the brush's circle, which is drawn anew in any case.
        window.harness.hover_at(start + vec2(i as f32 * 70.0, (i % 2) as f32 * 60.0));
        window.harness.step();
        window.looks_the_same_drawn_whole(&format!("{i} moves of a stroke"));
    }
    window.harness.drop_at(start);
    window.harness.run();
    window.looks_the_same_drawn_whole("a stroke");
}
