//! Painting into a picture while it is drawn, as a person would.

use super::*;
use sfumato::paint::{Brush, PaintBrush};

/// A window in which a picture is drawn: three steps are made, and the brush is red.
fn drawing() -> (Window, Job) {
    let mut window = window();
    window.apply(Action::SetColour([200, 20, 30]));
    window.apply(Action::SetPaintBrush(PaintBrush {
        smoothing: 0.0,
        ..PaintBrush::new(Brush { size: 8.0, hardness: 1.0 })
    }));
    window.press(Modifiers::NONE, Key::B);
    window.apply(Action::Generate);
    let job = window.job();
    window.steps(&job, 3);
    (window, job)
}

/// As [`Window::drag`], where something moves all the while.
fn stroke(window: &mut Window, from: [f32; 2], to: [f32; 2]) {
    let (from, to) = (window.canvas() + from.into(), window.canvas() + to.into());
    window.harness.hover_at(from);
    window.harness.step();
    window.harness.drag_at(from);
    window.harness.step();
    window.harness.hover_at(to);
    window.harness.step();
    window.harness.drop_at(to);
    window.harness.step();
    window.harness.run_ok();
}

#[test]
fn a_stroke_on_a_picture_in_the_making_goes_into_it_and_not_onto_the_document() {
    let (mut window, job) = drawing();
    stroke(&mut window, [-160.0, 0.0], [160.0, 0.0]);
    let hint = job.hints.try_recv().expect("the stroke is sent when the pointer is let go");
    let bounds = hint.bounds();
    assert!(bounds.is_within(EXTENT) && bounds.extent.width > 35 && bounds.extent.height < 12, "{bounds:?}");
    assert!(!window.session().document.has_picture());
    window.harness.get_by_label_contains("Paint into it \u{b7} 1");
    snapshot(&mut window, "paint_in_dark");
    // A straight line, which Escape gives up.
    window.press(Modifiers::NONE, Key::N);
    stroke(&mut window, [-100.0, -100.0], [100.0, 100.0]);
    let line = job.hints.try_recv().unwrap();
    assert!(line.bounds().extent.height > 20, "{:?}", line.bounds());
    let middle = window.canvas();
    window.harness.drag_at(middle);
    window.harness.step();
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(middle);
    window.harness.run_ok();
    assert!(job.hints.try_recv().is_err());
    // Switched off, strokes are the document's.
    window.press(Modifiers::NONE, Key::P);
    window.press(Modifiers::NONE, Key::B);
    stroke(&mut window, [-160.0, 0.0], [160.0, 0.0]);
    assert!(job.hints.try_recv().is_err());
    assert!(window.session().document.has_picture());
}

#[test]
fn in_a_mirrored_view_a_stroke_goes_into_the_picture_where_it_is_seen() {
    let (mut window, job) = drawing();
    window.press(Modifiers::NONE, Key::J);
    stroke(&mut window, [-200.0, -80.0], [-200.0, 80.0]);
    let bounds = job.hints.try_recv().expect("the stroke is sent when the pointer is let go").bounds();
    // Its middle is 25 pixels beside the picture's, and it is 8 wide.
    assert!((51..55).contains(&bounds.left) && bounds.extent.width < 12, "{bounds:?}");
    let mut is_red = |at| {
        let [red, green, _] = seen(&mut window, at);
        red > 150 && green < 60
    };
    assert!(is_red([-200.0, 0.0]) && !is_red([200.0, 0.0]));
}
