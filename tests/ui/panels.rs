//! Where the panels stand: in a small window, whatever the tool, and with what can be done in them by keys alone.

use super::*;

/// What a key press comes as from the window system, with the letter that it types.
fn typed(modifiers: Modifiers, key: Key, text: &str) -> [egui::Event; 2] {
    let press = egui::Event::Key { key, physical_key: Some(key), pressed: true, repeat: false, modifiers };
    [press, egui::Event::Text(text.into())]
}

fn is_there(window: &Window, label: &str) -> bool {
    window.harness.query_all_by_label(label).next().is_some()
}

#[test]
fn in_a_small_window_alt_a_brings_the_prompt_and_words_typed_at_once_go_into_it() {
    let mut window = window_of([800.0, 600.0], Theme::Dark, None);
    window.write_prompt("hills");
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::B);
    assert!(!is_there(&window, "Prompt") && is_there(&window, "Hardness"));
    let seed = window.session().draft.seed;
    // All of it comes in one frame, as on a machine that is busy painting.
    let words = [typed(Modifiers::ALT, Key::A, "a"), typed(Modifiers::NONE, Key::G, "g")];
    let more = [typed(Modifiers::NONE, Key::R, "r"), typed(Modifiers::NONE, Key::B, "b")];
    window.harness.input_mut().events.extend(words.into_iter().chain(more).flatten());
    window.harness.run_ok();
    let session = window.session();
    assert_eq!((session.draft.prompt.as_str(), session.draft.seed), ("hillsgrb", seed));
    assert!(!window.harness.state().view.gallery_open, "no letter was a command");
    assert!(is_there(&window, "Prompt") && !is_there(&window, "Hardness"));
    // In the prompt the key writes nothing either.
    window.harness.input_mut().events.extend(typed(Modifiers::ALT, Key::A, "a"));
    window.harness.run_ok();
    assert_eq!(window.session().draft.prompt, "hillsgrb");
    window.click("Eraser");
    assert!(is_there(&window, "Hardness"), "a tool brings its settings back");
}

#[test]
fn in_a_small_window_what_paints_and_the_way_to_the_prompt_are_in_sight_with_a_brush_in_hand() {
    let size = [800.0, 600.0];
    let mut window = window_of(size, Theme::Dark, None);
    window.press(Modifiers::NONE, Key::B);
    let rect = window.harness.get_by_label("Generate").rect();
    assert!(rect.left() >= 0.0 && rect.right() <= size[0] && rect.bottom() <= size[1], "{rect:?}");
    window.click("Prompt and settings\u{2026}");
    window.harness.event(egui::Event::Text("a pear".into()));
    window.harness.run_ok();
    assert!(window.session().draft.prompt.ends_with("a pear"));
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::B);
    window.click("Generate");
    assert!(window.job().request.prompt.ends_with("a pear"));
}

#[test]
fn no_tool_moves_the_picture() {
    let place = |window: &Window| window.harness.state().view.placement.unwrap().picture_in_ui();
    // In the smaller one the brush and what is asked for share a place.
    for (width, has_layers) in [(1280.0, true), (1100.0, false)] {
        let mut window = window_of([width, 800.0], Theme::Dark, None);
        window.drop_picture(Extent::new(300, 200));
        let before = place(&window);
        assert!(!is_there(&window, "Smoothing"), "the hand has no use for a brush");
        for (key, has_brush) in [(Key::B, true), (Key::M, false), (Key::T, false), (Key::K, false), (Key::H, false)] {
            window.press(Modifiers::NONE, key);
            assert_eq!((place(&window), is_there(&window, "Smoothing")), (before, has_brush), "{key:?}, {width}");
            assert!(is_there(&window, "Layer: dropped.png") || !has_layers, "{key:?}, {width}");
        }
    }
}

#[test]
fn neither_a_first_picture_nor_a_tool_moves_the_tools_and_the_layers() {
    let mut window = window();
    let place = |window: &Window, label: &str| window.harness.get_by_label(label).rect();
    let eraser = place(&window, "Eraser");
    window.drop_picture(EXTENT);
    assert_eq!(place(&window, "Eraser"), eraser);
    let layer = place(&window, "Layer: dropped.png");
    for key in [Key::B, Key::K, Key::T, Key::M, Key::H] {
        window.press(Modifiers::NONE, key);
        assert_eq!((place(&window, "Eraser"), place(&window, "Layer: dropped.png")), (eraser, layer), "{key:?}");
    }
}

#[test]
fn on_a_low_screen_the_layers_are_in_sight_and_the_settings_of_a_brush_scroll_over_them() {
    let size = [1280.0, 720.0];
    let mut window = window_of(size, Theme::Dark, None);
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::B);
    let first = |window: &Window, label: &str| window.harness.get_all_by_label(label).next().unwrap().rect();
    let places = |window: &Window| ["Hardness", "Layer: dropped.png"].map(|label| first(window, label));
    let before = places(&window);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert!(!window.session().palette.used.is_empty());
    assert_eq!(places(&window), before, "the colours that were painted with had their place");
    window.press(Modifiers::SHIFT, Key::V);
    assert!(is_there(&window, "Keep within the mask"));
    assert_eq!(places(&window), before, "a mask moves nothing either");
    window.click("Add a layer");
    // The status line is as high as that.
    for label in ["Layer: Layer 1", "Layer: dropped.png", "Delete the layer"] {
        let rect = window.harness.get_by_label(label).rect();
        let is_under_the_brush = rect.top() > first(&window, "Hardness").bottom();
        assert!(is_under_the_brush && rect.bottom() <= size[1] - 28.0, "{label}: {rect:?}");
    }
    let smoothing = first(&window, "Smoothing").bottom();
    let layers = window.harness.get_by_label("Add a layer").rect();
    window.harness.hover_at(first(&window, "Hardness").center());
    window.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, -300.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    for _ in 0..3 {
        window.harness.run_ok();
    }
    let scrolled = first(&window, "Smoothing").bottom();
    assert!(scrolled < smoothing - 20.0, "from {smoothing} to {scrolled}");
    assert_eq!(window.harness.get_by_label("Add a layer").rect(), layers);
}

#[test]
fn no_line_of_the_column_goes_through_the_status_line() {
    let mut window = window_of([1280.0, 720.0], Theme::Light, None);
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    window.harness.remove_cursor();
    window.harness.run_ok();
    let shown = window.harness.render().unwrap();
    // Under its text, where the column ends above.
    let colours: Vec<_> = (240..275).map(|x| *shown.get_pixel(x, 718)).collect();
    assert!(colours.iter().all(|colour| *colour == colours[0]), "{colours:?}");
}

#[test]
fn all_that_a_tool_lets_one_set_is_in_its_strip() {
    for size in [[1280.0, 720.0], [1024.0, 700.0]] {
        let mut window = window_of(size, Theme::Dark, None);
        window.drop_picture(Extent::new(128, 96));
        let canvas = window.harness.get_by_label_contains("Canvas,").rect();
        let tools: [(Modifiers, Key, &[&str]); 3] = [
            (Modifiers::NONE, Key::T, &["Width", "Angle", "Flip upside down", "Apply", "Cancel"]),
            (Modifiers::NONE, Key::C, &["Model's size", "Whole"]),
            (Modifiers::NONE, Key::M, &["Size", "Hardness", "Opacity"]),
        ];
        for (modifiers, key, labels) in tools {
            window.press(modifiers, key);
            for label in labels {
                let rects = window.harness.get_all_by_label(label).map(|node| node.rect());
                let in_strip: Vec<_> = rects.filter(|rect| rect.bottom() <= canvas.top()).collect();
                let is_whole = |rect: &egui::Rect| rect.left() >= canvas.left() && rect.right() <= canvas.right();
                assert!(!in_strip.is_empty() && in_strip.iter().all(is_whole), "{label} at {in_strip:?}, {size:?}");
            }
        }
    }
}

#[test]
fn the_canvas_is_the_widest_part_of_a_window_of_a_small_screen() {
    let mut window = window_of([1024.0, 700.0], Theme::Dark, None);
    window.drop_picture(Extent::new(128, 96));
    for key in [Key::B, Key::H] {
        window.press(Modifiers::NONE, key);
        let canvas = window.harness.get_by_label_contains("Canvas,").rect();
        assert!(canvas.width() > 0.6 * 1024.0, "{canvas:?} with {key:?}");
    }
}

#[test]
fn every_line_of_every_menu_is_in_sight_on_a_small_screen() {
    for size in [[1280.0, 720.0], [1024.0, 700.0]] {
        let mut window = window_of(size, Theme::Dark, None);
        for (menu, first, last) in [
            ("File", "New canvas", "Quit"),
            ("Edit", "Paste", "Later prompt"),
            ("Layer", "Merge down", "Flip upside down"),
            ("Mask", "Mask everything", "Save the mask"),
            ("Canvas", "Crop", "Scale the picture"),
            ("Result", "Copy its seed", "Move to the trash"),
            ("View", "Fit to the window", "Full screen"),
        ] {
            window.open_menu(menu);
            let line = |part: &'static str| {
                let nodes = window.harness.get_all_by_label_contains(part);
                nodes.map(|node| node.rect()).find(|rect| rect.width() >= 200.0).expect(part)
            };
            let (first, last) = (line(first), line(last));
            assert!(first.top() >= 34.0 && last.top() > first.top(), "{menu} at {first:?}, {size:?}");
            assert!(last.bottom() <= size[1], "{menu} down to {last:?}, {size:?}");
            window.press(Modifiers::NONE, Key::Escape);
        }
    }
}

#[test]
fn no_tool_moves_a_result_that_nothing_was_painted_on() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    let place = |window: &Window| window.harness.state().view.placement.unwrap().picture_in_ui();
    let before = place(&window);
    for key in [Key::B, Key::M, Key::H] {
        window.press(Modifiers::NONE, key);
        assert_eq!(place(&window), before, "{key:?}");
    }
}

#[test]
fn all_keys_are_seen_in_the_help_of_a_large_window() {
    for size in [[1440.0, 900.0], [1280.0, 800.0]] {
        let mut window = window_of(size, Theme::Dark, None);
        window.press(Modifiers::NONE, Key::F1);
        let edge = window.harness.get_by_label("Close the help").rect().right();
        for label in ["Key of Back to the document: Shift+D", "Space or middle, drag", "Key of Save: Ctrl+S"] {
            let rect = window.harness.get_by_label(label).rect();
            assert!(rect.right() <= edge, "{label} at {rect:?} in a window of {size:?} up to {edge}");
        }
    }
}

#[test]
fn a_canvas_is_made_by_keys_alone() {
    let mut window = window();
    // The second time its size is known at once.
    for (width, height) in [(96_u32, 48_u32), (80, 40)] {
        window.press(Modifiers::COMMAND, Key::N);
        for (side, then) in [(width, Key::Tab), (height, Key::Enter)] {
            window.harness.event(egui::Event::Text(side.to_string()));
            window.harness.run_ok();
            window.press(Modifiers::NONE, then);
        }
        assert_eq!(window.session().document.extent(), Extent::new(width, height));
        assert!(window.harness.state().view.sizing.is_none(), "Enter made it");
    }
}

#[test]
fn what_is_typed_before_a_window_with_a_number_is_seen_is_no_command() {
    let mut window = window();
    window.press(Modifiers::NONE, Key::B);
    let brush = window.session().palette.brush;
    let modifiers = Modifiers::COMMAND;
    let opens = egui::Event::Key { key: Key::N, physical_key: Some(Key::N), pressed: true, repeat: false, modifiers };
    window.harness.input_mut().events.push(opens);
    window.harness.input_mut().events.extend(typed(Modifiers::NONE, Key::Num9, "9"));
    window.harness.step();
    window.harness.input_mut().events.extend(typed(Modifiers::NONE, Key::E, "e"));
    window.harness.step();
    window.harness.run_ok();
    assert!(window.harness.state().view.sizing.is_some());
    assert_eq!((window.session().palette.brush, window.session().tool), (brush, Tool::Brush));
}

#[test]
fn what_is_typed_at_once_behind_the_key_of_a_search_goes_into_that() {
    let mut window = window();
    let modifiers = Modifiers::NONE;
    let help = egui::Event::Key { key: Key::F1, physical_key: Some(Key::F1), pressed: true, repeat: false, modifiers };
    let words = || [typed(modifiers, Key::B, "b"), typed(modifiers, Key::K, "k")].into_iter().flatten();
    let tool = window.session().tool;
    // The second time the window need not be measured first.
    for _ in 0..2 {
        window.harness.input_mut().events.extend([help.clone()].into_iter().chain(words()));
        window.harness.run_ok();
        assert_eq!(window.harness.state().view.help_search, "bk");
        window.press(modifiers, Key::Escape);
        assert!(!window.harness.state().view.help_open);
    }
    window.harness.input_mut().events.extend(typed(modifiers, Key::G, "g").into_iter().chain(words()));
    window.harness.run_ok();
    assert_eq!(window.harness.state().view.search, "bk", "the key itself writes nothing");
    assert_eq!(window.session().tool, tool, "no letter was a command");
    // Where the key closes the field nothing is left for the next one.
    window.press(modifiers, Key::Escape);
    window.press(modifiers, Key::F1);
    window.harness.input_mut().events.extend([help].into_iter().chain(words()));
    window.harness.run_ok();
    window.press(Modifiers::ALT, Key::A);
    assert!(!window.session().draft.prompt.ends_with("bk"));
}

#[test]
fn the_bar_over_a_result_is_whole_in_a_small_window() {
    let mut window = window_of([800.0, 600.0], Theme::Dark, None);
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::B);
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    let canvas = window.harness.get_by_label_contains("Canvas,").rect();
    for label in ["Use its settings", "Apply", "Start from this", "Compare", "Back"] {
        let rect = window.harness.get_by_label(label).rect();
        assert!(rect.left() >= canvas.left() && rect.right() <= canvas.right(), "{label}: {rect:?} in {canvas:?}");
    }
}

#[test]
fn the_bar_that_paints_covers_nothing_of_a_picture_that_is_fitted() {
    let mut window = window();
    // So high that it reaches as far down as any.
    window.drop_picture(Extent::new(400, 904));
    // That the small model takes long for it: bars make way for what is said.
    window.click("Dismiss");
    let picture = |window: &Window| window.harness.state().view.placement.unwrap().picture_in_ui();
    let fitted = picture(&window);
    let canvas = window.harness.get_by_label_contains("Canvas,").rect();
    let button = window.harness.get_by_label("Refine 75 % on the canvas").rect();
    // Around the button the bar has a margin of two points, and a line.
    assert!(button.top() - 3.0 >= fitted.bottom(), "{button:?} over {fitted:?}");
    assert!(button.bottom() + 3.0 <= canvas.bottom(), "{button:?} in {canvas:?}");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    assert!(window.harness.get_by_label("Apply").rect().bottom() <= fitted.top());
    assert_eq!(picture(&window), fitted, "nothing moves when a bar comes");
}

#[test]
fn a_layer_is_added_by_the_same_place_again_and_again() {
    let mut window = window();
    window.drop_picture(EXTENT);
    let before = window.harness.get_by_label("Add a layer").rect();
    for _ in 0..3 {
        window.click("Add a layer");
        assert_eq!(window.harness.get_by_label("Add a layer").rect(), before);
    }
    assert_eq!(window.session().document.stack().layers().len(), 4);
}

#[test]
fn a_blank_canvas_says_that_it_is_painted_from_noise() {
    let mut window = window();
    window.apply(Action::NewCanvas(EXTENT));
    window.harness.get_by_label_contains("there is nothing to go on from");
    let layer = window.session().document.stack().active().unwrap().id;
    let fill = sfumato::paint::LayerEdit::Fill(layer, sfumato::paint::Ink::Colour([20, 90, 40]));
    window.apply(Action::EditLayers(fill));
    window.harness.get_by_label_contains("15 of 20 steps will run");
}
