//! Where no dialog for files can be opened, their paths are written.

use super::*;

/// Waits until a path is asked for.
fn until_asked(window: &mut Window) {
    let start = Instant::now();
    while window.harness.state().view.asked_path.is_none() {
        assert!(start.elapsed() < LIMIT, "no path is asked for");
        window.harness.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    window.harness.run_ok();
    assert!(window.harness.get_by_label("Path").is_focused());
}

fn is_asked(window: &Window) -> bool {
    window.harness.state().view.asked_path.is_some()
}

/// Writes a path in the place of what stands there.
fn write(window: &mut Window, path: &Path) {
    window.press(Modifiers::COMMAND, Key::A);
    window.harness.get_by_label("Path").type_text(&path.display().to_string());
    window.harness.run_ok();
}

#[test]
fn a_project_is_saved_under_the_path_that_is_written_and_not_over_another_file_unasked() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::COMMAND, Key::S);
    until_asked(&mut window);
    let path = window.home.path().join("work.sfumato");
    std::fs::write(&path, b"something else").unwrap();
    // The name that is offered is selected, and a name without an ending gets one.
    window.harness.get_by_label("Path").type_text(&path.with_extension("").display().to_string());
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::Enter);
    window.harness.get_by_label("Replace it");
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
    window.press(Modifiers::NONE, Key::Enter);
    assert!(!is_asked(&window));
    window.wait("the project", |session| session.file().is_some());
    assert_eq!(window.session().file(), Some(&*path));
}

#[test]
fn a_path_that_cannot_be_used_says_why_and_escape_leaves_all_as_it_is() {
    let mut window = window();
    window.drop_picture(EXTENT);
    let gone = window.home.path().join("gone");
    let tool = window.session().tool;
    for also in [Modifiers::NONE, Modifiers::SHIFT, Modifiers::ALT] {
        window.press(Modifiers::COMMAND.plus(also), Key::S);
        until_asked(&mut window);
        write(&mut window, &gone.join("pear.png"));
        window.press(Modifiers::NONE, Key::Enter);
        window.harness.get_by_label_contains(&format!("There is no folder {}", gone.display()));
        window.press(Modifiers::NONE, Key::E);
        assert_eq!(window.session().tool, tool, "keys write");
        window.press(Modifiers::NONE, Key::Escape);
        assert!(!is_asked(&window));
    }
    assert!(!gone.exists() && window.session().file().is_none());
}

#[test]
fn a_picture_is_opened_by_its_path_and_the_next_file_lies_beside_it() {
    let mut window = window();
    let path = window.home.path().join("pear.png");
    window.press(Modifiers::COMMAND, Key::O);
    until_asked(&mut window);
    write(&mut window, &path);
    window.press(Modifiers::NONE, Key::Enter);
    window.harness.get_by_label_contains("There is no file");
    apple(EXTENT, 1.0).write_png(&path, &[]).unwrap();
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the picture", |session| session.document.picture().is_some());
    window.press(Modifiers::COMMAND, Key::S);
    until_asked(&mut window);
    write(&mut window, Path::new("beside it"));
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the project", |session| session.file().is_some());
    assert_eq!(window.session().file(), Some(&*path.with_file_name("beside it.sfumato")));
}

#[test]
fn a_mask_is_asked_about_under_the_name_that_it_is_written_to() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::SHIFT, Key::V);
    window.open_menu("Mask");
    window.harness.get_by_label_contains("Save the mask").click();
    window.harness.run_ok();
    until_asked(&mut window);
    let [named, written] = ["x.jpg", "x.jpg.png"].map(|name| window.home.path().join(name));
    std::fs::write(&written, b"something else").unwrap();
    write(&mut window, &named);
    window.press(Modifiers::NONE, Key::Enter);
    window.harness.get_by_label("Replace it");
    assert_eq!(std::fs::read(&written).unwrap(), b"something else");
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the mask", |_| Picture::load(&written).is_ok());
    assert!(!named.exists());
}

/// What a slow machine gathers until it draws the next frame.
fn in_one_frame(window: &mut Window, events: &[egui::Event]) {
    window.harness.input_mut().events.extend_from_slice(events);
    window.harness.run_ok();
}

fn pressed(key: Key) -> egui::Event {
    egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE }
}

#[test]
fn what_is_typed_in_the_frame_of_enter_is_part_of_the_name() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::COMMAND, Key::S);
    until_asked(&mut window);
    let [whole, cut] = ["abcdef", "abc"].map(|name| window.home.path().join(name).with_extension("sfumato"));
    let path = cut.with_extension("").display().to_string();
    window.harness.get_by_label("Path").type_text(&path);
    window.harness.run_ok();
    in_one_frame(&mut window, &[egui::Event::Text("def".into()), pressed(Key::Enter)]);
    window.wait("the project", |session| session.file().is_some());
    assert_eq!(window.session().file(), Some(&*whole));
    assert!(!cut.exists());
    // A file that is there is asked about, whatever was typed before Enter.
    window.press(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S);
    until_asked(&mut window);
    let name = egui::Event::Text(whole.display().to_string());
    in_one_frame(&mut window, &[name, pressed(Key::Enter)]);
    window.harness.get_by_label("Replace it");
}

#[test]
fn what_is_typed_before_the_field_is_seen_is_written_in_it() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::COMMAND, Key::S);
    let start = Instant::now();
    while !is_asked(&window) {
        assert!(start.elapsed() < LIMIT, "no path is asked for");
        window.harness.step();
    }
    // In the frame that draws the field for the first time.
    window.harness.input_mut().events.push(egui::Event::Text("q".into()));
    window.harness.step();
    window.harness.run_ok();
    assert_eq!(window.harness.get_by_label("Path").value().as_deref(), Some("q"));
}

#[test]
fn a_whole_name_that_is_typed_is_the_files_name() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::COMMAND.plus(Modifiers::ALT), Key::S);
    until_asked(&mut window);
    let path = window.home.path().join("mine.jpg");
    window.harness.get_by_label("Path").type_text(&path.display().to_string());
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the picture", |_| Picture::load(&path).is_ok());
    assert!(!path.with_file_name("mine.jpg.png").exists());
}
