//! The real window, driven as a person drives it: a virtual display, typed keys, and a restart.
//! Needs Xvfb, xdotool and a software Vulkan or GL driver, which `packaging/test.sh` installs; without them it fails.
#![cfg(all(feature = "gui", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Ends the process with the test, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A virtual display of its own, on a number that is free. Without `-noreset` it would start over whenever its last client goes,
/// each look by `xdotool` included, and turn away a window that comes at that moment.
fn start_display() -> (Running, String) {
    let mut xvfb = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is not installed: packaging/test.sh installs it");
    let mut number = String::new();
    BufReader::new(xvfb.stdout.take().unwrap()).read_line(&mut number).unwrap();
    (Running(xvfb), format!(":{}", number.trim()))
}

fn start_window(display: &str, home: &Path) -> Running {
    let runtime = home.join("runtime");
    std::fs::create_dir_all(&runtime).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_sfumato"))
        .env("DISPLAY", display)
        .env("SFUMATO_HOME", home)
        .env("XDG_RUNTIME_DIR", runtime)
        .env_remove("WAYLAND_DISPLAY")
        .spawn()
        .unwrap();
    Running(child)
}

fn xdotool(display: &str, args: &[&str]) -> String {
    let output = Command::new("xdotool").env("DISPLAY", display).args(args).output();
    let output = output.expect("xdotool is not installed: packaging/test.sh installs it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until `probe` finds something; says what was waited for if it never does.
fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(90), "waited in vain for {what}");
        sleep(Duration::from_millis(100));
    }
}

/// The window's number and its title, once it is there.
fn find_window(display: &str) -> (String, String) {
    wait_for("the window", || {
        let found = xdotool(display, &["search", "--onlyvisible", "--name", "Sfumato"]);
        let id = found.lines().next()?.to_owned();
        let title = xdotool(display, &["getwindowname", &id]);
        Some((id, title))
    })
}

#[test]
fn a_typed_prompt_becomes_a_picture_that_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (_xvfb, display) = start_display();
    let prompt = "yellow star";

    let window = start_window(&display, home.path());
    let (id, _) = find_window(&display);
    sleep(Duration::from_secs(2));
    xdotool(&display, &["windowfocus", "--sync", &id]);
    // Alt+A puts the cursor into the prompt box.
    xdotool(&display, &["key", "alt+a"]);
    sleep(Duration::from_millis(500));
    xdotool(&display, &["key", "ctrl+a"]);
    xdotool(&display, &["type", "--delay", "60", prompt]);
    xdotool(&display, &["key", "ctrl+Return"]);
    wait_for("the picture's prompt in the title", || {
        xdotool(&display, &["getwindowname", &id]).contains(prompt).then_some(())
    });
    // What is saved is saved before the person could ask for it: ended without a chance to tidy up.
    sleep(Duration::from_secs(2));
    drop(window);
    // The display takes a moment to notice; until then it would be the old window that is found.
    wait_for("the old window to be gone", || {
        xdotool(&display, &["search", "--onlyvisible", "--name", "Sfumato"]).is_empty().then_some(())
    });

    let _window = start_window(&display, home.path());
    let (id, _) = find_window(&display);
    // The result that was shown is shown again, and the title names what the gallery lists of it.
    wait_for("the picture in the gallery", || {
        xdotool(&display, &["getwindowname", &id]).contains(prompt).then_some(())
    });
}
