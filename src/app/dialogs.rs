//! Asking for files. Native dialogs block, so each runs on a thread of its own and leaves what was chosen in an inbox.

use crate::pixels::Format;
use crate::session::{Action, SavedAs};
use crate::ui::{FileFor, FolderFor, PathAsk, ViewState};
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
    /// A folder, for this.
    Folder(FolderFor),
    /// Where to write this, under a name that is offered.
    Save(SavedAs, Offered),
}

/// What is offered to be saved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// A name.
    pub name: String,
    /// The folder; none leaves it to the dialog.
    pub folder: Option<PathBuf>,
}

impl From<String> for Offered {
    fn from(name: String) -> Self {
        Self { name, folder: None }
    }
}

impl From<&str> for Offered {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl Question {
    const fn title(&self) -> &'static str {
        match self {
            Self::Picture => "Open",
            Self::Mask => "Open a mask",
            Self::Guide => "Open a picture that guides",
            Self::Folder(what) => what.title(),
            Self::Save(..) => "Save as",
        }
    }

    /// The file that is meant by what was chosen. A name that does not fit gets an ending, and if there is a file of that name already the
    /// dialog asked about another one: it is to ask again, and that one is offered.
    fn answered_by(&self, chosen: PathBuf) -> Result<PathBuf, Self> {
        let Self::Save(saved_as, _) = *self else { return Ok(chosen) };
        let file = saved_as.file(chosen.clone());
        if file == chosen || !file.exists() {
            return Ok(file);
        }
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Err(Self::Save(saved_as, Offered { name, folder: file.parent().map(Path::to_owned) }))
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

const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp", "tif", "tiff"];

impl Dialogs for NativeDialogs {
    fn ask(&self, question: &Question) -> Option<PathBuf> {
        let dialog = rfd::FileDialog::new().set_title(question.title());
        match question {
            Question::Picture => {
                let all: Vec<&str> = PICTURES.iter().chain(&["sfumato", "ora"]).copied().collect();
                dialog.add_filter("Pictures and projects", &all).pick_file()
            }
            Question::Mask | Question::Guide => dialog.add_filter("Pictures", PICTURES).pick_file(),
            Question::Folder(_) => dialog.pick_folder(),
            Question::Save(saved_as, Offered { name, folder }) => {
                let dialog = dialog.set_file_name(name);
                let dialog = folder.iter().fold(dialog, rfd::FileDialog::set_directory);
                let of = |dialog: rfd::FileDialog, kind: Format| dialog.add_filter(kind.name(), kind.endings());
                let dialog = match saved_as {
                    SavedAs::Picture => Format::ALL.into_iter().fold(dialog, of),
                    SavedAs::Mask => of(dialog, Format::Png),
                    SavedAs::Project => {
                        dialog.add_filter("Sfumato project", &["sfumato"]).add_filter("OpenRaster", &["ora"])
                    }
                };
                dialog.save_file()
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

/// A question to which no dialog came, and what was to be made of the answer.
pub(super) struct Refused {
    question: Question,
    into: Box<dyn FnOnce(PathBuf) -> Action + Send>,
}

impl Refused {
    /// Asks the same in the window, to be answered by writing a path. A relative one lies in `folder`.
    pub(super) fn by_path(self, view: &mut ViewState, folder: PathBuf) {
        let title = self.question.title();
        let (what, Offered { name, folder: offered }) = match self.question {
            Question::Picture | Question::Mask | Question::Guide => (FileFor::Reading, Offered::from("")),
            Question::Folder(what) => return view.ask_for_folder(what, folder),
            Question::Save(saved_as, offered) => (FileFor::Writing(saved_as), offered),
        };
        view.asked_path = Some(PathAsk::new(title, what, offered.unwrap_or(folder), name, self.into));
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
            let (mut question, mut answer) = (question, None);
            while let Some(chosen) = dialogs.ask(&question) {
                match question.answered_by(chosen) {
                    Ok(path) => {
                        answer = Some(path);
                        break;
                    }
                    Err(again) => question = again,
                }
            }
            // Before anybody can see what came of it, and ask the next.
            open.store(false, Ordering::Release);
            match answer {
                Some(path) => answers.lock().expect("nothing panics while it holds the answers").push(into(path)),
                // Where the machine is busy, even no dialog takes its time.
                None if asked.elapsed() < TOO_SOON || !dialogs.are_there() => {
                    let into = Box::new(into);
                    *refused.lock().expect("nothing panics while it holds what was refused") =
                        Some(Refused { question, into });
                }
                None => {}
            }
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
        let folder = Question::Folder(FolderFor::Models);
        for question in [Question::Save(SavedAs::Project, "work.sfumato".into()), Question::Picture, folder] {
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

    #[test]
    fn a_file_that_is_there_is_written_only_if_the_dialog_asked_about_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let question = Question::Save(SavedAs::Mask, "mask.png".into());
        for name in ["x.jpg", "y.png"] {
            std::fs::write(at(name), b"x").unwrap();
        }
        assert_eq!(question.answered_by(at("x.jpg")), Ok(at("x.jpg.png")), "there is none of this name");
        assert_eq!(question.answered_by(at("y.png")), Ok(at("y.png")), "it was asked about");
        std::fs::write(at("x.jpg.png"), b"x").unwrap();
        let offered = Offered { name: "x.jpg.png".into(), folder: Some(folder.path().into()) };
        let again = Question::Save(SavedAs::Mask, offered);
        assert_eq!(question.answered_by(at("x.jpg")), Err(again.clone()));
        assert_eq!(again.answered_by(at("x.jpg.png")), Ok(at("x.jpg.png")));
        assert_eq!(Question::Picture.answered_by(at("x")), Ok(at("x")), "what is read is there under its own name");
    }

    #[test]
    fn a_dialog_is_shown_again_until_it_asked_about_the_file_that_is_written() {
        /// Answers once with a name that does not fit, then with what is offered.
        struct Follows(Mutex<Option<PathBuf>>);

        impl Dialogs for Follows {
            fn ask(&self, question: &Question) -> Option<PathBuf> {
                let Question::Save(_, Offered { name, folder }) = question else { return None };
                let first = self.0.lock().unwrap().take();
                first.or_else(|| Some(folder.as_ref()?.join(name)))
            }
        }

        let folder = tempfile::tempdir().unwrap();
        let (chosen, written) = (folder.path().join("work.png"), folder.path().join("work.png.sfumato"));
        std::fs::write(&written, b"x").unwrap();
        let asking = Asking::new(Box::new(Follows(Mutex::new(Some(chosen)))));
        let question = Question::Save(SavedAs::Project, "painting.sfumato".into());
        asking.ask(&egui::Context::default(), question, Action::SaveProject);
        let asked = Instant::now();
        while asking.open.load(Ordering::Acquire) {
            assert!(asked.elapsed() < Duration::from_secs(20), "it is never answered");
            std::thread::sleep(Duration::from_millis(5));
        }
        let answers = asking.answers();
        let [Action::SaveProject(path)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(*path, written);
    }
}
