//! Asking for files. Native dialogs block, so each runs on a thread of its own and leaves what was chosen in an inbox.

use crate::pixels::Format;
use crate::session::Action;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How the person is asked for files. Each call blocks until there is an answer; none means that the person thought better.
pub trait Dialogs: Send + Sync {
    /// A picture to start from.
    fn picture(&self) -> Option<PathBuf>;
    /// A mask.
    fn mask(&self) -> Option<PathBuf>;
    /// A picture that guides.
    fn guide(&self) -> Option<PathBuf>;
    /// Where to write a picture, or a project if `name`, which is offered, is that of one.
    fn save(&self, name: &str) -> Option<PathBuf>;
}

/// The desktop's own dialogs.
#[derive(Clone, Copy, Debug)]
pub struct NativeDialogs;

const PROJECT: &str = "sfumato";
const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp", "tif", "tiff"];

impl Dialogs for NativeDialogs {
    fn picture(&self) -> Option<PathBuf> {
        let all: Vec<&str> = PICTURES.iter().chain(&[PROJECT, "ora"]).copied().collect();
        rfd::FileDialog::new().set_title("Open").add_filter("Pictures and projects", &all).pick_file()
    }

    fn mask(&self) -> Option<PathBuf> {
        rfd::FileDialog::new().set_title("Open a mask").add_filter("Pictures", PICTURES).pick_file()
    }

    fn guide(&self) -> Option<PathBuf> {
        rfd::FileDialog::new().set_title("Open a picture that guides").add_filter("Pictures", PICTURES).pick_file()
    }

    fn save(&self, name: &str) -> Option<PathBuf> {
        let is_project = Path::new(name).extension().is_some_and(|ending| ending == PROJECT);
        let dialog = rfd::FileDialog::new().set_title("Save as").set_file_name(name);
        let (dialog, ending) = if is_project {
            (dialog.add_filter("Sfumato project", &[PROJECT]).add_filter("OpenRaster", &["ora"]), PROJECT)
        } else {
            let kinds = Format::ALL.into_iter();
            (kinds.fold(dialog, |dialog, kind| dialog.add_filter(kind.name(), kind.endings())), "png")
        };
        let chosen = dialog.save_file()?;
        Some(if chosen.extension().is_none() { chosen.with_extension(ending) } else { chosen })
    }
}

/// Nobody closes a dialog in less: an answer of none before that means that there was no dialog.
const TOO_SOON: Duration = Duration::from_millis(150);

/// One dialog at a time, on its own thread.
pub(super) struct Asking {
    dialogs: Arc<dyn Dialogs>,
    answers: Arc<Mutex<Vec<Action>>>,
    open: Arc<AtomicBool>,
    refused: Arc<AtomicBool>,
}

impl Asking {
    pub(super) fn new(dialogs: Box<dyn Dialogs>) -> Self {
        Self { dialogs: dialogs.into(), answers: Arc::default(), open: Arc::default(), refused: Arc::default() }
    }

    /// Asks, unless a dialog is open already. The answer is there after `ctx` was told to repaint.
    pub(super) fn ask(
        &self,
        ctx: &egui::Context,
        question: impl FnOnce(&dyn Dialogs) -> Option<Action> + Send + 'static,
    ) {
        if self.open.swap(true, Ordering::AcqRel) {
            return;
        }
        let (dialogs, answers, open, ctx) =
            (self.dialogs.clone(), self.answers.clone(), self.open.clone(), ctx.clone());
        let refused = self.refused.clone();
        let ask = move || {
            let asked = Instant::now();
            let answer = question(&*dialogs);
            if answer.is_none() && asked.elapsed() < TOO_SOON {
                refused.store(true, Ordering::Release);
            }
            answers.lock().expect("nothing panics while it holds the answers").extend(answer);
            open.store(false, Ordering::Release);
            ctx.request_repaint();
        };
        if let Err(error) = std::thread::Builder::new().name("dialog".into()).spawn(ask) {
            tracing::error!("a file dialog could not be opened: {error}");
            self.open.store(false, Ordering::Release);
        }
    }

    /// Whether a dialog could not be opened since the last call.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.swap(false, Ordering::AcqRel)
    }

    /// What was chosen since the last call.
    pub(super) fn answers(&self) -> Vec<Action> {
        std::mem::take(&mut *self.answers.lock().expect("nothing panics while it holds the answers"))
    }
}
