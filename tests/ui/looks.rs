//! How the window looks: its themes, what fits into it, and when it is drawn.

use super::*;

/// A window in which something was painted, a picture is open with a mask on it, and something is being painted.
fn busy_window(size: [f32; 2], theme: Theme) -> Window {
    let mut window = window_of(size, theme, None);
    window.harness.state_mut().session.draft.seed = 3_141_592_653;
    for prompt in ["a red apple on a table", "a red apple, oil painting", "still life with an apple"] {
        window.harness.state_mut().session.draft.prompt = prompt.into();
        window.apply(Action::Generate);
        let job = window.job();
        window.finish(&job);
        window.wait("the result to be saved", |session| {
            session.results.items.iter().all(|item| matches!(item.kept, sfumato::session::Kept::InGallery(_)))
        });
    }
    window
}

#[test]
fn the_theme_button_goes_through_the_themes_and_they_are_remembered() {
    let mut window = window();
    window.click("Theme: dark");
    assert_eq!(window.session().settings.theme, Theme::System);
    window.click("Theme: as the system");
    assert_eq!(window.session().settings.theme, Theme::Light);
    window.harness.run_ok();
    assert!(!window.harness.ctx.global_style().visuals.dark_mode);
}

#[test]
fn an_idle_window_asks_for_no_frame() {
    let mut window = window();
    window.harness.run();
    let delay = window.harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(delay > Duration::from_secs(1), "it repaints after {delay:?}");
}

#[test]
fn a_first_start_looks_right_in_the_dark() {
    let mut window = window();
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "first_start_dark");
}

#[test]
fn results_and_a_mask_look_right_in_the_light() {
    let mut window = busy_window([1280.0, 800.0], Theme::Light);
    window.apply(Action::SetTool(Tool::MaskBrush));
    window.drag([-80.0, -20.0], [80.0, 30.0]);
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "mask_light");
}

#[test]
fn help_and_brush_are_all_there_in_the_smallest_window() {
    let size = [760.0, 540.0];
    let mut window = window_of(size, Theme::Dark, None);
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    let canvas = window.harness.get_by_label_contains("Canvas,").rect();
    assert!(window.harness.query_all_by_label("Hardness").count() >= 2, "its slider and its number");
    for node in window.harness.query_all_by_label("Hardness") {
        assert!(node.rect().right() <= canvas.right() && node.rect().bottom() <= canvas.top(), "{:?}", node.rect());
    }
    window.press(Modifiers::NONE, Key::F1);
    for label in ["Line from the last stroke", "Shift + click", "Write the prompt", "Key of Redo: Ctrl+Shift+Z"] {
        let rect = window.harness.get_by_label(label).rect();
        assert!(rect.left() >= 0.0 && rect.right() <= size[0], "{label}: {rect:?}");
    }
}

#[test]
fn painting_looks_right_in_a_small_window() {
    let mut window = busy_window([900.0, 600.0], Theme::Dark);
    window.apply(Action::Generate);
    let job = window.job();
    window.steps(&job, 9);
    window.harness.state_mut().session.draft.seed = 7;
    window.harness.remove_cursor();
    window.harness.run_ok();
    if let Some(left) = window.harness.query_by_label_contains(" left") {
        let rect = left.rect();
        window.harness.mask(rect.expand2(vec2(30.0, 2.0)));
    }
    window.harness.snapshot("painting_small_dark");
}

#[test]
fn painting_on_layers_looks_right_in_the_dark() {
    let mut window = busy_window([1280.0, 800.0], Theme::Dark);
    let id = window.session().results.items[0].id;
    window.apply(Action::StartFromResult(id));
    window.wait("the picture", |session| session.document.has_picture());
    window.press(Modifiers::NONE, Key::B);
    window.apply(Action::SetColour([214, 138, 60]));
    window.click("Add a layer");
    window.drag([-120.0, 60.0], [120.0, 90.0]);
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "layers_dark");
}
