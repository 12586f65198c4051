//! What is being edited and what waits, kept on disk so that a crash costs a second of work at most.
//!
//! One JSON file says everything; pictures, masks and the tiles of layers lie beside it as PNG files named by their content, written
//! once and removed when nothing names them any more. A thread of its own writes, a moment after the last change.

mod writer;

use super::layers::{self, LayersState};
use super::{Draft, History, PaintBox, Wake};
use crate::diffusion::{Hint, Record, Request};
use crate::files::make_folder;
use crate::gallery::EntryId;
use crate::geom::Extent;
use crate::paint::{Brush, Stack, Tool};
use crate::pixels::{Mask, Picture};
use crossbeam_channel::{Receiver, Sender, bounded, never, unbounded};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use writer::Writer;

const VERSION: u32 = 1;
const STATE_FILE: &str = "session.json";
const LOCK_FILE: &str = "session.lock";
const PIXELS_FOLDER: &str = "session-pixels";

/// What is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    pub(super) draft: Draft,
    /// The seed that was painted last: Generate draws another unless the person changed it.
    pub(super) used_seed: Option<u64>,
    pub(super) tool: Tool,
    pub(super) brush: Brush,
    pub(super) palette: PaintBox,
    pub(super) history: History,
    /// The document's extent and layers; none if there are none.
    pub(super) layers: Option<(Extent, Stack)>,
    /// None keeps everything.
    pub(super) mask: Option<Arc<Mask>>,
    /// Whether it came with new room of the canvas, and goes with what fills that.
    pub(super) masks_room: bool,
    pub(super) guide: Option<Arc<Picture>>,
    /// Whether that is the document's own picture, and goes with it.
    pub(super) guides_itself: bool,
    pub(super) hints: Vec<Hint>,
    /// The result on the canvas; none is the document.
    pub(super) shown: Option<EntryId>,
    pub(super) queue: Vec<Request>,
    /// The project's file.
    pub(super) file: Option<PathBuf>,
    /// In which file the document was put away before it was opened again.
    pub(super) copy: Option<PathBuf>,
    /// Whether the document has more in it than that file, or than what was opened.
    pub(super) is_behind: bool,
}

/// How it is written down.
#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    draft: Draft,
    used_seed: Option<u64>,
    tool: Tool,
    brush: Brush,
    #[serde(default)]
    palette: PaintBox,
    prompts: History,
    /// By digest: the open picture, in states of before there were layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    #[serde(default)]
    layers: Option<LayersState>,
    /// By digest.
    mask: Option<String>,
    /// States of before it was kept do not say.
    #[serde(default)]
    masks_room: bool,
    /// By digest. States of before pictures could guide do not name it.
    #[serde(default)]
    guide: Option<String>,
    /// States of before that was kept do not say.
    #[serde(default)]
    guides_itself: bool,
    /// Their pictures by digest. States of before there were any do not name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hints: Vec<Hint<String>>,
    /// By its number in the gallery.
    shown: Option<i64>,
    queue: Vec<Record>,
    /// None where its path is no text: JSON has no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copy: Option<String>,
    /// States of before it was known do not say.
    #[serde(default = "yes")]
    is_behind: bool,
}

const fn yes() -> bool {
    true
}

/// The right to keep the state in a folder: the first program's that has it open, until it ends, however it ends.
#[derive(Debug)]
pub(super) struct Claim {
    /// Where there can be no lock, everyone is the first.
    _lock: Option<File>,
}

/// Claims the folder; none if another program has it.
pub(super) fn claim(folder: &Path) -> Option<Claim> {
    let opened = make_folder(folder)
        .and_then(|()| File::options().create(true).truncate(false).write(true).open(folder.join(LOCK_FILE)));
    match opened.as_ref().map(File::try_lock) {
        Ok(Err(TryLockError::WouldBlock)) => None,
        Ok(Ok(()) | Err(TryLockError::Error(_))) | Err(_) => Some(Claim { _lock: opened.ok() }),
    }
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// None at a first start, or if it could not be read.
    pub(super) snapshot: Option<Snapshot>,
    /// What could not be restored, in words for the person.
    pub(super) complaints: Vec<String>,
}

/// Reads what [`Keeper`] wrote into `folder`. A damaged file is put aside under another name, never deleted.
pub(super) fn restore(folder: &Path) -> Restored {
    let file = folder.join(STATE_FILE);
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Restored::default(),
        Err(error) => return put_aside(&file, &error.to_string()),
    };
    let state: State = match serde_json::from_slice(&text) {
        Ok(state) => state,
        Err(error) => return put_aside(&file, &error.to_string()),
    };
    if state.version != VERSION {
        return put_aside(&file, &format!("its version is {}, this program writes {VERSION}", state.version));
    }
    let pixels = folder.join(PIXELS_FOLDER);
    let had_layers = state.layers.is_some() || state.picture.is_some();
    // Whether something is missing that a project has in it: it must not be saved over that without a question.
    let mut is_damaged = false;
    let mut complaints = Vec::new();
    let picture = |digest: String| Picture::load(&pixel_file(&pixels, &digest)).map(Arc::new);
    let mask = |digest: String| Mask::load(&pixel_file(&pixels, &digest)).map(Arc::new);
    let mut or_complain =
        |what: &str, error: &dyn Display| complaints.push(format!("{what} could not be restored: {error}"));
    let queue = state.queue.into_iter().filter_map(|record| {
        let prompt = record.prompt.clone();
        let request = record.map_pixels(picture, mask);
        request.inspect_err(|e| or_complain(&format!("A waiting job (“{prompt}”)"), e)).ok()
    });
    let queue = queue.collect();
    let open_picture = state.picture.map(picture).transpose().unwrap_or_else(|error| {
        or_complain("The open picture", &error);
        is_damaged = true;
        None
    });
    let open_picture = open_picture.map(|picture| (picture.extent(), Stack::of_picture(&picture)));
    let mut of_a_layer = |what: &str, error: &dyn Display| {
        or_complain(what, error);
        is_damaged = true;
    };
    let restored = state.layers.and_then(|state| layers::restored(state, &pixels, &mut of_a_layer));
    let layers = restored.or(open_picture);
    let document_mask = state.mask.map(mask).transpose().unwrap_or_else(|error| {
        or_complain("The mask", &error);
        is_damaged = true;
        None
    });
    let guide = state.guide.map(picture).transpose().unwrap_or_else(|error| {
        or_complain("The picture that guides", &error);
        is_damaged = true;
        None
    });
    let hints = state.hints.into_iter().map(|hint| hint.map_picture(picture)).collect::<Result<_, _>>();
    let hints = hints.unwrap_or_else(|error| {
        or_complain("What is painted in while a picture is drawn", &error);
        Vec::new()
    });
    is_damaged |= had_layers && layers.is_none();
    let snapshot = Snapshot {
        draft: state.draft,
        used_seed: state.used_seed,
        tool: state.tool,
        brush: state.brush,
        palette: state.palette,
        history: state.prompts,
        layers,
        mask: document_mask,
        masks_room: state.masks_room,
        guide,
        guides_itself: state.guides_itself,
        hints,
        shown: state.shown.map(EntryId),
        queue,
        file: state.file.filter(|_| !is_damaged).map(PathBuf::from),
        copy: state.copy.filter(|_| !is_damaged).map(PathBuf::from),
        is_behind: state.is_behind || is_damaged,
    };
    Restored { snapshot: Some(snapshot), complaints }
}

fn put_aside(file: &Path, why: &str) -> Restored {
    let mut number = 1;
    let aside = loop {
        let aside = file.with_file_name(format!("session.damaged-{number}.json"));
        if !aside.exists() {
            break aside;
        }
        number += 1;
    };
    let what_became = match std::fs::rename(file, &aside) {
        Ok(()) => format!("it is kept as {}", aside.display()),
        Err(error) => format!("it could not be put aside either ({error})"),
    };
    // The pictures that it named go with it, before the next state calls them unneeded.
    let (pixels, pixels_aside) = (file.with_file_name(PIXELS_FOLDER), aside.with_extension("pixels"));
    if pixels.exists()
        && let Err(error) = std::fs::rename(&pixels, &pixels_aside)
    {
        tracing::warn!("{} could not be put aside: {error}", pixels.display());
    }
    let complaint = format!(
        "What was open last time could not be read: {} is damaged ({why}); {what_became}. Sfumato starts afresh; the gallery is \
         not affected.",
        file.display()
    );
    Restored { snapshot: None, complaints: vec![complaint] }
}

pub(super) fn pixel_file(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{digest}.png"))
}

enum Message {
    Keep(Box<Snapshot>),
    /// Write what waits now, then answer.
    Flush(Sender<()>),
}

/// What became of a snapshot: why it is not written, or that it is again.
type Written = Result<(), String>;

/// Writes snapshots, a moment after the last one. Dropping it writes what waits.
pub(super) struct Keeper {
    inbox: Option<Sender<Message>>,
    written: Receiver<Written>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(folder: PathBuf, wake: Wake) -> Self {
        let (inbox, messages) = unbounded();
        let (tell, written) = unbounded();
        let work = move || Writer::new(&folder, tell, wake).run(&messages);
        let thread = Builder::new().name("state".into()).spawn(work).ok();
        Self { inbox: Some(inbox), written, thread }
    }

    /// One that keeps nothing.
    pub(super) fn idle() -> Self {
        Self { inbox: None, written: never(), thread: None }
    }

    /// Keeps this instead of what was handed in before.
    pub(super) fn keep(&self, snapshot: Snapshot) {
        self.tell(Message::Keep(Box::new(snapshot)));
    }

    /// Waits until all that was handed in is on disk, or could not be written.
    pub(super) fn flush(&self) {
        let (done, wait) = bounded(1);
        self.tell(Message::Flush(done));
        // An error says that the thread is gone: there is nothing to wait for.
        wait.recv().unwrap_or_default();
    }

    fn tell(&self, message: Message) {
        if let Some(inbox) = &self.inbox
            && inbox.send(message).is_err()
        {
            tracing::error!("the state thread has ended: what is edited is not saved any more");
        }
    }

    /// Why the last snapshot could not be written, once for each cause; and when the first is written after that.
    pub(super) fn written(&self) -> Option<Written> {
        self.written.try_recv().ok()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.inbox = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the state thread panicked");
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
