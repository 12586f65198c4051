//! Painting the mask.

use super::*;

#[test]
fn a_drag_with_the_mask_brush_paints_the_mask_and_undo_takes_it_back() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    assert_eq!(window.session().tool, Tool::MaskBrush);
    window.drag([-100.0, 0.0], [100.0, 0.0]);
    let painted = window.session().document.mask().clone();
    let (middle, corner) = (32 * 64 + 32, 2 * 64 + 2);
    assert_eq!((painted.coverage()[middle], painted.coverage()[corner]), (255, 0));
    window.press(Modifiers::SHIFT, Key::M);
    window.drag([-10.0, 0.0], [10.0, 0.0]);
    assert_eq!(window.session().document.mask().coverage()[middle], 0);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.session().document.mask(), &painted);
    window.press(Modifiers::COMMAND, Key::Z);
    assert!(window.session().document.mask().is_empty());
    window.press(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);
    assert_eq!(window.session().document.mask(), &painted);
    window.press(Modifiers::SHIFT, Key::V);
    assert_eq!(window.session().document.mask().coverage()[corner], 255);
    window.press(Modifiers::SHIFT, Key::C);
    assert!(window.session().document.mask().is_empty());
}

#[test]
fn a_stroke_is_seen_before_the_button_is_released() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    let middle = window.canvas();
    let at = (middle.x as u32 + 30, middle.y as u32);
    let before = *window.harness.render().unwrap().get_pixel(at.0, at.1);
    window.harness.drag_at(middle - vec2(60.0, 0.0));
    window.harness.step();
    window.harness.hover_at(middle + vec2(60.0, 0.0));
    window.harness.step();
    let during = *window.harness.render().unwrap().get_pixel(at.0, at.1);
    assert_ne!(before, during);
    assert!(window.session().document.mask().is_empty());
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(middle + vec2(60.0, 0.0));
    window.harness.run();
    assert!(window.session().document.mask().is_empty(), "Escape takes the stroke back");
}

#[test]
fn a_stroke_lands_under_the_pointer_on_a_fine_screen_and_at_another_scale() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.apply(Action::Set(sfumato::settings::Setting::InterfacePercent(200)));
    window.press(Modifiers::COMMAND, Key::Num1);
    window.press(Modifiers::NONE, Key::M);
    window.apply(Action::SetBrush(sfumato::paint::Brush { size: 3.0, hardness: 1.0 }));
    let at = window.canvas() + vec2(10.0, -5.0);
    window.harness.hover_at(at);
    window.harness.step();
    window.harness.drag_at(at);
    window.harness.step();
    window.harness.drop_at(at);
    window.harness.run();
    let mask = window.session().document.mask();
    // Two screen pixels a point, one image pixel a screen pixel: 20 to the right of the middle and 10 up.
    assert_eq!(mask.coverage()[(32 - 10) * 64 + 32 + 20], 255);
    assert!(mask.coverage().iter().filter(|&&c| c > 0).count() <= 16);
}

#[test]
fn a_result_that_comes_in_the_middle_of_a_stroke_does_not_take_its_picture() {
    let mut window = window();
    window.drop_picture(EXTENT);
    let opened = window.session().document.picture().unwrap().clone();
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.press(Modifiers::NONE, Key::M);
    let middle = window.canvas();
    window.harness.hover_at(middle);
    window.harness.step();
    window.harness.drag_at(middle);
    window.harness.step();
    let other = Arc::new(Picture::filled(job.request.extent, [9, 9, 9, 255]));
    let outcome = Outcome::Finished(painted(&other, &job.request, 20));
    window.tell(Event::JobEnded { id: job.id, outcome });
    window.harness.drop_at(middle);
    window.harness.run();
    let document = &window.session().document;
    assert!(Arc::ptr_eq(document.picture().unwrap(), &opened));
    assert_eq!(document.mask().coverage()[32 * 64 + 32], 255);
    assert_eq!(window.session().results.items.len(), 1);
}

#[test]
fn boxes_ellipses_loops_and_what_looks_alike_are_masked_and_the_mask_is_grown() {
    let mut window = window();
    window.apply(Action::SetColour([10, 20, 230]));
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    window.press(Modifiers::SHIFT, Key::R);
    window.drag([-150.0, -150.0], [-50.0, -50.0]);
    let covered = |window: &Window| {
        let covered = window.session().document.mask().coverage().iter().filter(|&&c| c > 254).count();
        covered as f32 / EXTENT.area() as f32
    };
    let side = 100.0 / window.harness.state().view.placement.unwrap().picture_in_ui().width();
    let box_ = covered(&window);
    assert!((box_ - side * side).abs() < 0.03, "{box_}, a box of {side}");
    window.press(Modifiers::SHIFT, Key::O);
    window.drag([50.0, 50.0], [150.0, 150.0]);
    let both = covered(&window);
    assert!(both > box_ + 0.5 * side * side && both < box_ + 0.9 * side * side, "{both} with an ellipse");
    window.apply(Action::AdjustMask { grow: 3, feather: 0.0, is_rough: false });
    assert!(covered(&window) > both);
    window.apply(Action::AdjustMask { grow: 0, feather: 0.0, is_rough: false });
    assert!((covered(&window) - both).abs() < 1e-6);
    window.press(Modifiers::SHIFT, Key::C);
    window.press(Modifiers::NONE, Key::W);
    window.drag([0.0, 0.0], [0.0, 0.0]);
    let mask = window.session().document.mask();
    assert_eq!((mask.coverage()[32 * 64 + 32], mask.coverage()[2 * 64 + 2]), (255, 0), "the stroke, and not the paper");
    window.press(Modifiers::SHIFT, Key::L);
    window.drag([0.0, -150.0], [0.0, -150.0]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert!(!window.session().document.has_mask(), "a loop around nothing was no step of undo");
}
