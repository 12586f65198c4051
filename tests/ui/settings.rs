//! The window of settings: what is changed in it is kept, and followed.

use super::*;
use egui::Rect;
use sfumato::settings::Setting;

/// Opens it, where there is room for all that is in it.
fn opened(theme: Theme, chosen: Option<PathBuf>) -> Window {
    let mut window = window_of([1280.0, 1080.0], theme, chosen);
    window.press(Modifiers::COMMAND, Key::Comma);
    window.wait("the weights to be measured", |session| session.packed_bytes.is_some());
    window
}

fn is_open(window: &Window) -> bool {
    window.harness.query_by_label("Close the settings").is_some()
}

fn until_kept(window: &mut Window, is_so: impl Fn(&Settings) -> bool) {
    let file = Paths::in_one_folder(window.home.path()).settings_file();
    window.wait("the settings to be kept", |_| is_so(&Settings::load(&file).0));
}

#[track_caller]
fn until_seen(window: &mut Window, label: &str) {
    let start = Instant::now();
    while window.harness.query_by_label(label).is_none() {
        assert!(start.elapsed() < LIMIT, "waited too long for {label}");
        window.harness.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    window.harness.run_ok();
}

/// Chooses one of several in a list.
fn choose(window: &mut Window, list: &str, name: &str) {
    window.click(list);
    window.click(name);
}

/// Writes into a field in the place of what stands there.
fn write(window: &mut Window, field: &str, text: &str) {
    window.harness.get_by_label(field).focus();
    window.harness.run();
    window.press(Modifiers::COMMAND, Key::A);
    window.harness.get_by_label(field).type_text(text);
    window.harness.run();
}

#[test]
fn the_settings_open_by_a_key_and_in_the_menu_and_escape_closes_them() {
    let mut window = window();
    window.press(Modifiers::COMMAND, Key::Comma);
    assert!(is_open(&window));
    window.press(Modifiers::COMMAND, Key::Comma);
    assert!(!is_open(&window));
    // Also where one writes.
    window.harness.get_by_label("Prompt").focus();
    window.harness.run();
    window.press(Modifiers::COMMAND, Key::Comma);
    assert!(is_open(&window));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!is_open(&window));
    window.click("File");
    window.harness.get_by_label_contains("Settings\u{2026}").click();
    window.harness.run_ok();
    assert!(is_open(&window));
    window.click("Close the settings");
    assert!(!is_open(&window));
}

#[test]
fn the_theme_and_the_size_of_the_interface_change_at_once_and_are_kept() {
    let mut window = opened(Theme::Dark, None);
    choose(&mut window, "Theme", "Light");
    assert!(!window.harness.ctx.global_style().visuals.dark_mode);
    choose(&mut window, "Interface", "150 %");
    assert_eq!(window.session().settings.interface_percent, 150);
    assert!((window.harness.ctx.zoom_factor() - 1.5).abs() < 0.001);
    until_kept(&mut window, |kept| kept.theme == Theme::Light && kept.interface_percent == 150);
    window.apply(Action::Set(Setting::InterfacePercent(100)));
    assert!((window.harness.ctx.zoom_factor() - 1.0).abs() < 0.001);
}

#[test]
fn where_everything_is_twice_as_large_the_settings_still_fit() {
    let size = [640.0, 400.0];
    let mut window = window_of(size, Theme::Dark, None);
    window.press(Modifiers::COMMAND, Key::Comma);
    for label in ["Close the settings", "Theme", "Interface"] {
        let rect = window.harness.get_by_label(label).rect();
        assert!(Rect::from_min_size(Pos2::ZERO, size.into()).contains_rect(rect), "{label}: {rect:?}");
    }
}

#[test]
fn limits_are_usual_none_or_a_number_that_counts_once_it_is_written_to_its_end() {
    let mut window = opened(Theme::Dark, None);
    let undo = |window: &Window| window.session().settings.undo_megabytes;
    choose(&mut window, "Undo steps", "At most");
    assert_eq!(undo(&window), Some(1024));
    write(&mut window, "Undo steps: at most", "300");
    assert_eq!(undo(&window), Some(1024), "it is still being written");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(undo(&window), Some(300));
    // One that is changed elsewhere is not changed back.
    window.apply(Action::Set(Setting::UndoMegabytes(Some(8))));
    window.harness.run_ok();
    assert_eq!(undo(&window), Some(8));

    let packed = |window: &Window| window.session().settings.packed_gigabytes;
    choose(&mut window, "Kept ready", "Nothing");
    assert_eq!(packed(&window), Some(0));
    assert!(window.harness.query_by_label("Kept ready: at most").is_none());
    choose(&mut window, "Kept ready", "At most");
    assert_eq!(packed(&window), Some(20));
    choose(&mut window, "Kept ready", "A tenth of the disk that is free");
    assert_eq!(packed(&window), None);
    choose(&mut window, "Threads", "At most");
    assert!(window.session().settings.threads.is_some());
    until_kept(&mut window, |kept| kept.undo_megabytes == Some(8) && kept.threads.is_some());
}

#[test]
fn what_is_kept_ready_is_told_and_removed() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let folder = Paths::in_one_folder(home.path()).packed_folder();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("unet.packed"), vec![0; 3_000_000]).unwrap();
    let mut window = Setup { home, size: [1280.0, 1080.0], ..Setup::default() }.ready();
    window.press(Modifiers::COMMAND, Key::Comma);
    until_seen(&mut window, "3 MB lie there now.");
    window.click("Remove them");
    until_seen(&mut window, "Nothing lies there now.");
    assert!(!folder.join("unet.packed").exists());
}

#[test]
fn a_folder_of_models_is_added_by_a_dialog_and_left_out_again() {
    let sketch = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto/bozzetto-4-steps");
    let mut window = opened(Theme::Dark, Some(sketch.clone()));
    window.click("Add a folder\u{2026}");
    let leave = format!("Leave out {}", sketch.display());
    until_seen(&mut window, &leave);
    window.wait("the model", |session| session.models.iter().any(|model| model.name == "bozzetto-4-steps"));
    assert_eq!(window.session().draft.model, "bozzetto", "what is chosen stays so");
    until_kept(&mut window, |kept| kept.model_folders == [sketch.clone()]);
    window.click(&leave);
    assert!(window.harness.query_by_label(&leave).is_none());
    until_kept(&mut window, |kept| kept.model_folders.is_empty());
}

#[test]
fn where_no_dialog_comes_the_path_of_a_folder_is_written() {
    let mut window = opened(Theme::Dark, None);
    let (models, pictures) = (window.home.path().join("mine"), window.home.path().join("pictures"));
    window.click("Add a folder\u{2026}");
    until_seen(&mut window, "Path");
    assert!(window.harness.get_by_label("Path").is_focused());
    write(&mut window, "Path", &models.display().to_string());
    window.press(Modifiers::NONE, Key::Enter);
    window.harness.get_by_label_contains(&format!("There is no folder {}", models.display()));
    assert!(window.session().settings.model_folders.is_empty());
    std::fs::create_dir(&models).unwrap();
    window.click("Take this folder");
    assert!(window.harness.query_by_label("Path").is_none());
    assert_eq!(window.session().settings.model_folders, [models]);

    let gallery = window.session().gallery_folder();
    window.click("Choose another folder\u{2026}");
    until_seen(&mut window, "Path");
    window.press(Modifiers::NONE, Key::Escape);
    assert!(is_open(&window) && window.harness.query_by_label("Path").is_none(), "only the path is left");
    std::fs::create_dir(&pictures).unwrap();
    window.click("Choose another folder\u{2026}");
    until_seen(&mut window, "Path");
    write(&mut window, "Path", &pictures.display().to_string());
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.session().gallery_folder(), pictures);
    until_kept(&mut window, |kept| kept.gallery_folder.as_ref() == Some(&pictures));
    window.click("Keep results in the usual folder");
    assert_eq!(window.session().gallery_folder(), gallery);
}

#[test]
fn an_address_that_no_hub_can_have_is_not_kept_and_says_why() {
    let mut window = opened(Theme::Dark, None);
    let hub = |window: &Window| window.session().settings.hub.clone();
    write(&mut window, "Hub", "nowhere");
    window.press(Modifiers::NONE, Key::Enter);
    window.harness.get_by_label_contains("must begin with https://");
    assert_eq!(hub(&window), None);
    write(&mut window, "Hub", "http://127.0.0.1:9/");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(hub(&window).as_deref(), Some("http://127.0.0.1:9"));
    assert!(window.harness.query_by_label_contains("must begin with https://").is_none());
    // Without Enter, too.
    write(&mut window, "Hub", "http://127.0.0.1:10");
    window.click("Close the settings");
    assert_eq!(hub(&window).as_deref(), Some("http://127.0.0.1:10"));
    window.press(Modifiers::COMMAND, Key::Comma);
    write(&mut window, "Hub", "https://huggingface.co");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(hub(&window), None, "that is the usual one");
}

#[test]
fn a_folder_of_models_is_added_from_the_list_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let mut window = window_of([1280.0, 800.0], Theme::Dark, Some(path.clone()));
    window.click("Model");
    window.click("Add a folder\u{2026}");
    window.wait("the folder", |session| session.settings.model_folders == [path.clone()]);
    assert!(window.harness.query_by_label("Add a folder\u{2026}").is_none(), "the list is closed");
}

/// With settings of all kinds.
fn settings_snapshot(window: &mut Window, name: &str) {
    let session = &mut window.harness.state_mut().session;
    session.draft.seed = 7;
    session.settings.model_folders = vec!["/data/stable-diffusion-webui".into(), "/data/models of mine".into()];
    session.settings.undo_megabytes = Some(2048);
    session.packed_bytes = Some(4_300_000_000);
    window.harness.remove_cursor();
    window.harness.run_ok();
    // These lie elsewhere each time.
    for label in ["Always looked in: ", "Kept in: "] {
        let Rect { min, max } = window.harness.get_by_label_contains(label).rect();
        window.harness.mask(Rect::from_min_size(min, vec2(560.0, max.y - min.y)));
    }
    window.harness.snapshot(name);
}

#[test]
fn the_settings_look_right_in_the_dark() {
    let mut window = opened(Theme::Dark, None);
    settings_snapshot(&mut window, "settings_dark");
}

#[test]
fn the_settings_look_right_in_the_light_in_a_window_that_is_smaller() {
    let mut window = window_of([1024.0, 700.0], Theme::Light, None);
    window.press(Modifiers::COMMAND, Key::Comma);
    window.wait("the weights to be measured", |session| session.packed_bytes.is_some());
    settings_snapshot(&mut window, "settings_light");
}
