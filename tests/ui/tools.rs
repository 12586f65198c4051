//! The tools that paint and mask, used as a person would.

use super::*;
use sfumato::paint::{Brush, Ink, LayerEdit, PaintBrush};

pub(super) fn pixel(window: &Window, x: u32, y: u32) -> [u8; 4] {
    window.session().document.flat().pixel(x, y)
}

/// A window with a white paper of 64 by 64 that is shown eight times as large, a layer over it, and black to paint with.
pub(super) fn paper() -> Window {
    let mut window = window();
    window.drop_picture(EXTENT);
    let layer = window.session().document.stack().active().unwrap().id;
    window.apply(Action::EditLayers(LayerEdit::Fill(layer, Ink::Colour([255; 3]))));
    window.apply(Action::SetColour([0; 3]));
    let tip = Brush { size: 6.0, hardness: 1.0 };
    window.apply(Action::SetPaintBrush(PaintBrush { smoothing: 0.0, ..PaintBrush::new(tip) }));
    window
}

#[test]
fn a_line_is_straight_whatever_way_the_pointer_took_and_one_step() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::N);
    let middle = window.canvas();
    let at = |x: f32, y: f32| middle + vec2(x, y);
    window.harness.hover_at(at(-160.0, 0.0));
    window.harness.step();
    window.harness.drag_at(at(-160.0, 0.0));
    window.harness.step();
    for to in [at(-80.0, 150.0), at(40.0, -120.0), at(160.0, 0.0)] {
        window.harness.hover_at(to);
        window.harness.step();
    }
    window.harness.drop_at(at(160.0, 0.0));
    window.harness.run();
    assert!((14..50).all(|x| pixel(&window, x, 32) == [0, 0, 0, 255]), "the line");
    assert!((14..50).all(|x| pixel(&window, x, 26)[0] == 255 && pixel(&window, x, 38)[0] == 255), "beside it");
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(pixel(&window, 32, 32), [255; 4]);
}

#[test]
fn a_gradient_runs_from_where_the_pointer_is_pressed_to_where_it_is_let_go() {
    let mut window = paper();
    window.press(Modifiers::SHIFT, Key::G);
    assert_eq!(window.session().tool, Tool::Gradient);
    window.drag([-240.0, 0.0], [240.0, 0.0]);
    let row: Vec<u8> = (0..64).map(|x| pixel(&window, x, 20)[0]).collect();
    assert!(row[0] < 4 && row[63] > 251 && row[32].abs_diff(128) < 6, "{row:?}");
    assert!(row.windows(2).all(|pair| pair[1] >= pair[0].saturating_sub(1)), "{row:?}");
    assert!(window.session().document.can_undo());
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(pixel(&window, 0, 20), [255; 4]);
    // Escape while it is led leaves nothing.
    let middle = window.canvas();
    window.harness.drag_at(middle);
    window.harness.step();
    window.harness.hover_at(middle + vec2(90.0, 30.0));
    window.harness.step();
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(middle + vec2(90.0, 30.0));
    window.harness.run();
    assert_eq!(pixel(&window, 32, 32), [255; 4]);
}

#[test]
fn the_smudge_brush_pushes_paint_along() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::B);
    window.drag([-160.0, -100.0], [-160.0, 100.0]);
    assert_eq!(pixel(&window, 18, 32)[0], 255);
    window.press(Modifiers::NONE, Key::S);
    window.drag([-160.0, 0.0], [0.0, 0.0]);
    assert!(pixel(&window, 18, 32)[0] < 120, "{:?}", pixel(&window, 18, 32));
}

#[test]
fn corners_are_set_one_by_one_and_enter_closes_the_polygon() {
    let mut window = paper();
    window.press(Modifiers::SHIFT, Key::P);
    let middle = window.canvas();
    let click = |window: &mut Window, x: f32, y: f32| {
        let at = middle + vec2(x, y);
        window.harness.hover_at(at);
        window.harness.step();
        window.harness.drag_at(at);
        window.harness.step();
        window.harness.drop_at(at);
        window.harness.step();
        window.harness.run();
    };
    for (x, y) in [(-160.0, -160.0), (160.0, -160.0), (160.0, 160.0), (90.0, 90.0)] {
        click(&mut window, x, y);
    }
    window.press(Modifiers::NONE, Key::Backspace);
    assert!(window.session().document.mask().is_empty(), "it is not closed yet");
    window.press(Modifiers::NONE, Key::Enter);
    let covered = |window: &Window, x: usize, y: usize| window.session().document.mask().coverage()[y * 64 + x];
    assert_eq!((covered(&window, 45, 20), covered(&window, 20, 45)), (255, 0));
    // The first corner closes it, too; Escape forgets it.
    for (x, y) in [(-200.0, 0.0), (-200.0, 200.0), (0.0, 200.0), (-200.0, 0.0)] {
        click(&mut window, x, y);
    }
    assert_eq!(covered(&window, 10, 50), 255);
    let before = window.session().document.revision();
    click(&mut window, 0.0, 0.0);
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().document.revision(), before);
}

#[test]
fn digits_set_the_opacity_and_two_in_a_row_set_it_exactly() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::B);
    let per_cent = |window: &Window| (window.session().palette.brush.opacity * 100.0).round() as u32;
    let two = |window: &mut Window, first: Key, second: Key| {
        window.harness.key_press(first);
        window.harness.key_press(second);
        window.harness.run();
    };
    window.press(Modifiers::NONE, Key::Num4);
    assert_eq!(per_cent(&window), 40);
    two(&mut window, Key::Num4, Key::Num5);
    assert_eq!(per_cent(&window), 45);
    window.press(Modifiers::NONE, Key::Num0);
    assert_eq!(per_cent(&window), 100);
    window.press(Modifiers::NONE, Key::S);
    two(&mut window, Key::Num0, Key::Num7);
    assert_eq!(((window.session().palette.smudge * 100.0).round() as u32, per_cent(&window)), (7, 100));
}

#[test]
fn shift_keeps_a_box_square_and_what_was_held_at_its_beginning_decides() {
    let mut window = paper();
    window.press(Modifiers::SHIFT, Key::R);
    let middle = window.canvas();
    window.harness.drag_at(middle - vec2(160.0, 160.0));
    window.harness.step();
    window.harness.event(egui::Event::ModifiersChanged(Modifiers::SHIFT));
    window.harness.hover_at(middle - vec2(0.0, 120.0));
    window.harness.step();
    window.harness.drop_at(middle - vec2(0.0, 120.0));
    window.harness.run();
    let bounds = window.session().document.mask().bounds().unwrap();
    assert_eq!(bounds.extent, Extent::new(20, 20));
}

#[test]
fn growing_and_softening_are_seen_live_and_dragged_back() {
    let mut window = paper();
    window.press(Modifiers::SHIFT, Key::R);
    window.drag([-80.0, -80.0], [80.0, 80.0]);
    let before = window.session().document.mask().clone();
    for grow in [1, 5, 9] {
        window.apply(Action::AdjustMask { grow, feather: 2.0, is_rough: false });
    }
    assert_eq!(*window.session().document.mask(), before.grown(9).feathered(2.0));
    assert!(window.harness.query_by_label_contains("Soften").is_some());
    snapshot(&mut window, "tools_dark");
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(*window.session().document.mask(), before);
}

/// What the pointer did within one frame.
fn in_one_frame(window: &mut Window, events: &[(Pos2, Option<bool>)]) {
    let events = events.iter().map(|&(pos, pressed)| match pressed {
        None => egui::Event::PointerMoved(pos),
        Some(pressed) => {
            let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
            egui::Event::PointerButton { pos, button, pressed, modifiers }
        }
    });
    window.harness.input_mut().events.extend(events);
    window.harness.step();
    window.harness.run();
}

#[test]
fn a_tap_shorter_than_a_frame_leaves_a_dot_with_every_brush_and_the_bucket() {
    let mut window = paper();
    let tap = |window: &mut Window, aside: f32| {
        let at = window.canvas() + vec2(aside, 0.0);
        in_one_frame(window, &[(at, None), (at, Some(true)), (at, Some(false))]);
    };
    window.press(Modifiers::NONE, Key::B);
    tap(&mut window, 0.0);
    assert_eq!((pixel(&window, 32, 32), pixel(&window, 40, 32)), ([0, 0, 0, 255], [255; 4]));
    window.press(Modifiers::NONE, Key::M);
    tap(&mut window, 0.0);
    assert_eq!(window.session().document.mask().coverage()[32 * 64 + 32], 255);
    window.press(Modifiers::NONE, Key::K);
    window.apply(Action::ClearMask);
    window.apply(Action::SetColour([200, 0, 0]));
    tap(&mut window, 200.0);
    assert_eq!((pixel(&window, 60, 60), pixel(&window, 32, 32)), ([200, 0, 0, 255], [0, 0, 0, 255]));
}

#[test]
fn two_strokes_within_one_frame_are_two_and_nothing_of_the_way_between_is_painted() {
    let mut window = paper();
    window.press(Modifiers::NONE, Key::B);
    let middle = window.canvas();
    let at = |x: f32, y: f32| middle + vec2(x, y);
    let stroke = |y: f32| [(at(-160.0, y), Some(true)), (at(160.0, y), None), (at(160.0, y), Some(false))];
    let mut events = vec![(at(0.0, -240.0), None)];
    events.extend(stroke(-80.0));
    events.extend(stroke(80.0));
    events.push((at(0.0, 240.0), None));
    in_one_frame(&mut window, &events);
    let black = |window: &Window| (0..64).filter(|&y| pixel(window, 32, y)[0] == 0).collect::<Vec<_>>();
    assert_eq!(black(&window), [19, 20, 21, 22, 23, 24, 39, 40, 41, 42, 43, 44]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(black(&window), [19, 20, 21, 22, 23, 24]);
}

#[test]
fn holding_space_moves_the_view_whatever_the_tool() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    let before = window.harness.state().view.placement.unwrap().picture_in_ui();
    window.harness.key_down(Key::Space);
    window.harness.step();
    window.drag([0.0, 0.0], [40.0, 24.0]);
    window.harness.key_up(Key::Space);
    window.harness.run();
    let after = window.harness.state().view.placement.unwrap().picture_in_ui();
    assert_eq!(after.min - before.min, vec2(40.0, 24.0));
    assert!(window.session().document.mask().is_empty());
    window.press(Modifiers::COMMAND, Key::Num1);
    assert!((window.harness.state().view.placement.unwrap().scale - 1.0).abs() < f32::EPSILON);
    window.press(Modifiers::COMMAND, Key::Num0);
    assert_eq!(window.harness.state().view.placement.unwrap().picture_in_ui(), before);
}

#[test]
fn on_an_empty_canvas_one_paints_on_paper_and_that_is_what_is_painted_from() {
    let mut window = window();
    window.apply(Action::SetColour([200, 30, 40]));
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [200, 30, 40]);
    assert_eq!(seen(&mut window, [0.0, -150.0]), [255, 255, 255]);
    assert_eq!(window.session().document.stack().layers().len(), 2);
    window.harness.get_by_label("Layer: Layer 1");
    window.harness.get_by_label("Painted with #c81e28");
    window.click("Generate");
    let input = window.job().request.input.unwrap();
    assert_eq!(input.picture.extent(), EXTENT);
    assert_eq!(input.picture.rgba().as_chunks::<4>().0[32 * 64 + 32], [200, 30, 40, 255]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [255, 255, 255]);
    window.press(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [200, 30, 40]);
    window.press(Modifiers::NONE, Key::E);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [255, 255, 255], "the eraser takes off the layer, not the paper");
}

#[test]
fn a_stroke_of_the_brush_is_seen_before_the_button_is_released_and_escape_takes_it_back() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.apply(Action::SetColour([10, 250, 20]));
    window.press(Modifiers::NONE, Key::B);
    let middle = window.canvas();
    window.harness.drag_at(middle - vec2(60.0, 0.0));
    window.harness.step();
    window.harness.hover_at(middle + vec2(60.0, 0.0));
    window.harness.step();
    assert_eq!(seen(&mut window, [-30.0, 0.0]), [10, 250, 20]);
    assert_eq!(window.session().document.revision(), 1, "only the picture was opened");
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(middle + vec2(60.0, 0.0));
    window.harness.run();
    assert_ne!(seen(&mut window, [-30.0, 0.0]), [10, 250, 20]);
    assert_eq!(window.session().document.revision(), 1);
}

#[test]
fn the_eyedropper_and_the_bucket_work_where_they_are_clicked() {
    let mut window = window();
    window.apply(Action::SetColour([10, 20, 230]));
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    window.apply(Action::SetColour([240, 200, 0]));
    window.press(Modifiers::NONE, Key::K);
    window.drag([0.0, -150.0], [0.0, -150.0]);
    assert_eq!(seen(&mut window, [0.0, -150.0]), [240, 200, 0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [10, 20, 230]);
    window.press(Modifiers::NONE, Key::I);
    window.drag([0.0, 0.0], [0.0, 0.0]);
    assert_eq!(window.session().palette.colour, [10, 20, 230]);
    window.press(Modifiers::NONE, Key::X);
    assert_eq!(window.session().palette.other_colour, [10, 20, 230]);
    // What lies over the picture has no colour of it.
    window.press(Modifiers::NONE, Key::Q);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_ne!(seen(&mut window, [0.0, 0.0]), [10, 20, 230]);
    window.press(Modifiers::NONE, Key::I);
    window.drag([0.0, 0.0], [0.0, 0.0]);
    assert_eq!(window.session().palette.colour, [10, 20, 230]);
}
