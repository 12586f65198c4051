//! The program as a script sees it: exit codes, sentences, files and JSON.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test itself does")]

#[path = "shared/hashed.rs"]
#[expect(dead_code, reason = "networks need inputs too")]
mod hashed;
#[path = "shared/tiny_checkpoint.rs"]
#[expect(dead_code, reason = "one form of it is enough here")]
mod tiny_checkpoint;
#[path = "shared/tiny_clip.rs"]
mod tiny_clip;

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/clips.rs"]
mod clips;
#[path = "cli/models.rs"]
mod models;
#[path = "cli/painting.rs"]
mod painting;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/upscaling.rs"]
mod upscaling;

use serde_json::Value;
use sfumato::geom::Extent;
use sfumato::pixels::{Picture, read_texts};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for each test, and the program in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_sfumato"))
    }

    fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("RUST_BACKTRACE", "0").env("SFUMATO_HOME", self.folder.path());
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Paints quickly. Gives the JSON object.
    fn paint(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["paint", "a red apple", "--steps", "3", "--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs what must fail: the exit code and the sentence.
    fn fail(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        let sentence = stderr(&output);
        assert!(!sentence.contains("panicked") && !sentence.contains("backtrace"), "{sentence}");
        (output.status.code().unwrap(), sentence)
    }

    fn save(&self, name: &str, extent: Extent, pixel: [u8; 4]) {
        Picture::filled(extent, pixel).write_png(&self.path(name), &[]).unwrap();
    }

    /// Bozzetto's folder with everything linked but the files that a test damages.
    #[cfg(unix)]
    fn bozzetto_but(&self, replaced: &str, bytes: Option<&[u8]>) -> PathBuf {
        let (original, copy) = (bozzetto(), self.path("damaged"));
        link_tree(&original, &copy);
        fs::remove_file(copy.join(replaced)).unwrap();
        if let Some(bytes) = bytes {
            fs::write(copy.join(replaced), bytes).unwrap();
        }
        copy
    }
}

#[cfg(unix)]
fn link_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            link_tree(&entry.path(), &target);
        } else {
            std::os::unix::fs::symlink(entry.path(), target).unwrap();
        }
    }
}

fn bozzetto() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file_of(object: &Value, index: usize) -> Vec<u8> {
    fs::read(object["pictures"][index]["file"].as_str().unwrap()).unwrap()
}
