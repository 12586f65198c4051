//! Only what changed is drawn anew where the processor draws the window: what is seen then must be what a window drawn whole looks like.

use super::*;
use sfumato::paint::{Combine, Shape};

impl Window {
    /// Draws what changed, and then everything.
    pub(super) fn looks_the_same_drawn_whole(&mut self, after: &str) {
        let kept = self.harness.ctx.plugin_opt::<KeptWindow>().unwrap();
        let in_part = self.harness.render().unwrap();
        kept.lock().forget();
        // Nothing lies over it, but the frame is drawn again.
        self.harness.mask(egui::Rect::NOTHING);
        let whole = self.harness.render().unwrap();
        let differs: Vec<_> = in_part.enumerate_pixels().zip(whole.pixels()).filter(|((_, _, a), b)| a != b).collect();
        assert!(
            differs.is_empty(),
            "after {after}: {} pixels, first kept and drawn anew {:?}",
            differs.len(),
            differs[0]
        );
    }
}

#[test]
fn a_window_of_which_only_what_changed_is_drawn_looks_like_one_drawn_whole() {
    let mut window = window();
    window.looks_the_same_drawn_whole("opening");
    window.drop_picture(Extent::new(300, 200));
    window.looks_the_same_drawn_whole("a picture was dropped");
    for key in [Key::B, Key::E, Key::V, Key::R, Key::F1, Key::Escape, Key::B] {
        window.press(Modifiers::NONE, key);
        window.looks_the_same_drawn_whole(&format!("{key:?}"));
    }
    // What is under way of a stroke, not only what comes of it.
    let middle = window.canvas();
    window.harness.hover_at(middle);
    window.harness.step();
    window.harness.drag_at(middle);
    for i in 0..12 {
        window.harness.hover_at(middle + vec2(i as f32 * 9.5, (i % 3) as f32 * 21.0));
        window.harness.step();
        window.looks_the_same_drawn_whole(&format!("{i} moves of a stroke"));
    }
    window.harness.drop_at(middle);
    window.harness.run();
    window.looks_the_same_drawn_whole("a stroke");
    let mask = Shape::Ellipse(Point::new(40.5, 30.5), Point::new(220.0, 150.0));
    window.apply(Action::MaskShape(mask, Combine::Add));
    window.looks_the_same_drawn_whole("a mask");
    window.press(Modifiers::NONE, Key::Plus);
    window.looks_the_same_drawn_whole("zooming");
    window.press(Modifiers::COMMAND, Key::Z);
    window.press(Modifiers::COMMAND, Key::Z);
    window.looks_the_same_drawn_whole("undoing");
    window.harness.get_by_label("File").click();
    window.harness.run();
    window.looks_the_same_drawn_whole("opening a menu");
    window.press(Modifiers::NONE, Key::Escape);
    window.write_prompt("a pear, and some words that nobody has written here before: \u{e4}\u{df}\u{f1}\u{3bb}\u{436}");
    window.looks_the_same_drawn_whole("typing");
    window.press(Modifiers::COMMAND, Key::A);
    window.looks_the_same_drawn_whole("selecting");
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.looks_the_same_drawn_whole("selecting nothing");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    for steps in 1..3 {
        window.steps(&job, steps);
        window.looks_the_same_drawn_whole("a preview");
    }
    window.finish(&job);
    window.looks_the_same_drawn_whole("a result");
    window.apply(Action::SetTheme(Theme::Light));
    window.looks_the_same_drawn_whole("light");
    window.harness.set_size(vec2(900.0, 600.0));
    window.harness.run();
    window.looks_the_same_drawn_whole("another size");
    window.apply(Action::Set(sfumato::settings::Setting::InterfacePercent(150)));
    window.harness.run();
    window.looks_the_same_drawn_whole("another scale");
    for (i, key) in [Key::B, Key::H, Key::M, Key::T, Key::Escape].into_iter().enumerate() {
        window.press(Modifiers::NONE, key);
        window.harness.hover_at(window.canvas() + vec2(i as f32 * 7.3, i as f32 * 11.7));
        window.harness.step();
        window.looks_the_same_drawn_whole(&format!("{key:?} at another scale"));
    }
}

#[test]
fn what_is_scrolled_and_what_comes_and_goes_over_the_canvas_looks_like_a_window_drawn_whole() {
    let mut window = window();
    window.drop_picture(Extent::new(300, 200));
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    window.looks_the_same_drawn_whole("a result");
    window.click("Finer settings");
    window.looks_the_same_drawn_whole("what was folded away");
    window.harness.hover_at(window.harness.get_by_label("Finer settings").rect().center());
    window.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, -150.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    window.harness.run_ok();
    window.looks_the_same_drawn_whole("scrolling");
    window.harness.get_by_label_contains("Canvas,").click_secondary();
    window.harness.run_ok();
    window.looks_the_same_drawn_whole("opening a menu over the canvas");
    window.press(Modifiers::NONE, Key::Escape);
    window.looks_the_same_drawn_whole("closing it");
    window.drop_picture(Extent::new(32, 24));
    window.looks_the_same_drawn_whole("a picture was dropped on the document");
    window.press(Modifiers::NONE, Key::Escape);
    window.looks_the_same_drawn_whole("it is not taken");
    // The second time its thumbnails went and come again.
    for _ in 0..2 {
        window.press(Modifiers::NONE, Key::G);
        window.looks_the_same_drawn_whole("opening the gallery");
        window.press(Modifiers::NONE, Key::Escape);
        window.looks_the_same_drawn_whole("closing the gallery");
    }
}

/// A window of one image, whose texture is made anew while the shape that shows it stays as it was.
struct OneImage(egui::TextureHandle);

impl eframe::App for OneImage {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        ui.image((self.0.id(), vec2(32.0, 32.0)));
    }
}

#[test]
fn an_image_that_changes_in_its_place_is_drawn_anew() {
    let image = |colour| egui::ColorImage::filled([4, 4], colour);
    let mut harness = Harness::builder().with_size([64.0, 64.0]).wgpu().build_eframe(|cc| {
        KeptWindow::install(&cc.egui_ctx, cc.wgpu_render_state.as_ref().unwrap());
        OneImage(cc.egui_ctx.load_texture("one", image(egui::Color32::RED), egui::TextureOptions::NEAREST))
    });
    for colour in [egui::Color32::RED, egui::Color32::GREEN] {
        harness.state_mut().0.set(image(colour), egui::TextureOptions::NEAREST);
        harness.step();
        assert_eq!(harness.render().unwrap().get_pixel(20, 20).0, colour.to_array());
    }
}
