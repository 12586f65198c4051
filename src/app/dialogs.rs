//! Asking for files. Native dialogs block, so each runs on a thread of its own and leaves what was chosen in an inbox.

use crate::pixels::Format;
use crate::project::Kind;
use crate::session::Action;
use crate::ui::{FileFor, PathAsk};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Which file is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A picture or a project to open.
    Picture,
    /// A mask.
    Mask,
    /// A picture that guides.
    Guide,
    /// Where to write a picture, or a project if this name, which is offered, is that of one.
    Save(String),
}

impl Question {
    const fn title(&self) -> &'static str {
        match self {
            Self::Picture => "Open",
            Self::Mask => "Open a mask",
            Self::Guide => "Open a picture that guides",
            Self::Save(_) => "Save as",
        }
    }
}

/// How the person is asked for files.
pub trait Dialogs: Send + Sync {
    /// Blocks until there is an answer; none means that the person thought better.
    fn ask(&self, question: &Question) -> Option<PathBuf>;
    /// False where it is certain that no dialog comes, whatever is asked.
    fn are_there(&self) -> bool {
        true
    }
}

/// The desktop's own dialogs.
#[derive(Clone, Copy, Debug)]
pub struct NativeDialogs;

const PROJECT: &str = "sfumato";
const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp", "tif", "tiff"];

impl Dialogs for NativeDialogs {
    fn ask(&self, question: &Question) -> Option<PathBuf> {
        let dialog = rfd::FileDialog::new().set_title(question.title());
        match question {
            Question::Picture => {
                let all: Vec<&str> = PICTURES.iter().chain(&[PROJECT, "ora"]).copied().collect();
                dialog.add_filter("Pictures and projects", &all).pick_file()
            }
            Question::Mask | Question::Guide => dialog.add_filter("Pictures", PICTURES).pick_file(),
            Question::Save(name) => {
                let dialog = dialog.set_file_name(name);
                let (dialog, ending) = if is_project(name) {
                    (dialog.add_filter("Sfumato project", &[PROJECT]).add_filter("OpenRaster", &["ora"]), PROJECT)
                } else {
                    let kinds = Format::ALL.into_iter();
                    (kinds.fold(dialog, |dialog, kind| dialog.add_filter(kind.name(), kind.endings())), "png")
                };
                let chosen = dialog.save_file()?;
                Some(if chosen.extension().is_none() { chosen.with_extension(ending) } else { chosen })
            }
        }
    }

    /// On other systems than these the desktop always has them. Here they come over the session bus, or from zenity.
    fn are_there(&self) -> bool {
        let is_free_desktop = cfg!(all(unix, not(target_os = "macos")));
        let has_zenity = || {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&folders).any(|folder| folder.join("zenity").is_file())
        };
        let has_bus = || {
            std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some()
                || std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).join("bus").exists())
        };
        !is_free_desktop || has_zenity() || has_bus()
    }
}

/// Whether what is saved under such a name is a project.
fn is_project(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == PROJECT)
}

/// A question to which no dialog came, and what was to be made of the answer.
pub(super) struct Refused {
    question: Question,
    into: Box<dyn FnOnce(PathBuf) -> Action + Send>,
}

impl Refused {
    /// The same question, to be answered by writing a path. A relative one lies in `folder`.
    pub(super) fn by_path(self, folder: PathBuf) -> PathAsk {
        let title = self.question.title();
        let (what, name) = match self.question {
            Question::Picture | Question::Mask | Question::Guide => (FileFor::Reading, String::new()),
            Question::Save(name) if is_project(&name) => {
                (FileFor::Writing { ending: PROJECT, fits: |path| Kind::of(path).is_some() }, name)
            }
            Question::Save(name) => (FileFor::Writing { ending: "png", fits: |path| Format::of(path).is_some() }, name),
        };
        PathAsk::new(title, what, folder, name, self.into)
    }
}

/// Nobody closes a dialog in less: an answer of none before that means that there was no dialog.
const TOO_SOON: Duration = Duration::from_millis(150);

/// One dialog at a time, on its own thread.
pub(super) struct Asking {
    dialogs: Arc<dyn Dialogs>,
    answers: Arc<Mutex<Vec<Action>>>,
    open: Arc<AtomicBool>,
    refused: Arc<Mutex<Option<Refused>>>,
}

impl Asking {
    pub(super) fn new(dialogs: Box<dyn Dialogs>) -> Self {
        Self { dialogs: dialogs.into(), answers: Arc::default(), open: Arc::default(), refused: Arc::default() }
    }

    /// Asks, unless a dialog is open already. What is made of the file is there after `ctx` was told to repaint.
    pub(super) fn ask(
        &self,
        ctx: &egui::Context,
        question: Question,
        into: impl FnOnce(PathBuf) -> Action + Send + 'static,
    ) {
        if self.open.swap(true, Ordering::AcqRel) {
            return;
        }
        let (dialogs, answers, open, ctx) =
            (self.dialogs.clone(), self.answers.clone(), self.open.clone(), ctx.clone());
        let refused = self.refused.clone();
        let ask = move || {
            let asked = Instant::now();
            match dialogs.ask(&question) {
                Some(path) => answers.lock().expect("nothing panics while it holds the answers").push(into(path)),
                // Where the machine is busy, even no dialog takes its time.
                None if asked.elapsed() < TOO_SOON || !dialogs.are_there() => {
                    let into = Box::new(into);
                    *refused.lock().expect("nothing panics while it holds what was refused") =
                        Some(Refused { question, into });
                }
                None => {}
            }
            open.store(false, Ordering::Release);
            ctx.request_repaint();
        };
        if let Err(error) = std::thread::Builder::new().name("dialog".into()).spawn(ask) {
            tracing::error!("a file dialog could not be opened: {error}");
            self.open.store(false, Ordering::Release);
        }
    }

    /// What could not be asked since the last call.
    pub(super) fn was_refused(&self) -> Option<Refused> {
        self.refused.lock().expect("nothing panics while it holds what was refused").take()
    }

    /// What was chosen since the last call.
    pub(super) fn answers(&self) -> Vec<Action> {
        std::mem::take(&mut *self.answers.lock().expect("nothing panics while it holds the answers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None that are there, and slow to say so.
    struct SlowlyNone;

    impl Dialogs for SlowlyNone {
        fn ask(&self, _question: &Question) -> Option<PathBuf> {
            std::thread::sleep(2 * TOO_SOON);
            None
        }

        fn are_there(&self) -> bool {
            false
        }
    }

    #[test]
    fn that_no_dialog_came_is_told_however_long_it_took_and_what_it_was_for() {
        let asking = Asking::new(Box::new(SlowlyNone));
        let ctx = egui::Context::default();
        for question in [Question::Save("work.sfumato".into()), Question::Picture] {
            asking.ask(&ctx, question.clone(), Action::OpenPicture);
            let asked = Instant::now();
            while asking.open.load(Ordering::Acquire) {
                assert!(asked.elapsed() < Duration::from_secs(20), "it is never answered");
                std::thread::sleep(Duration::from_millis(5));
            }
            let refused = || asking.was_refused().map(|refused| refused.question);
            assert_eq!((refused(), refused()), (Some(question), None));
        }
    }
}
