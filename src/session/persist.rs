//! What is being edited and what waits, kept on disk so that a crash costs a second of work at most.
//!
//! One JSON file says everything; pictures, masks and the tiles of layers lie beside it as PNG files named by their content, written
//! once and removed when nothing names them any more. A thread of its own writes, a moment after the last change.

use super::layers::{self, LayersState};
use super::{Draft, History, PaintBox, Wake};
use crate::diffusion::{Hint, Record, Request};
use crate::files::{SaveError, Together, make_folder, save_atomically};
use crate::gallery::EntryId;
use crate::geom::Extent;
use crate::paint::{Brush, Stack, Tile, Tool, promptly};
use crate::pixels::{self, Mask, Picture};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, unbounded};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

const VERSION: u32 = 1;
const STATE_FILE: &str = "session.json";
const LOCK_FILE: &str = "session.lock";
const PIXELS_FOLDER: &str = "session-pixels";
/// Writing begins when nothing has changed for this long …
const QUIET: Duration = Duration::from_millis(250);
/// … or when a change has waited this long.
const LATEST: Duration = Duration::from_millis(700);
/// What could not be written is tried again after this long.
const AGAIN: Duration = Duration::from_secs(2);

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

/// A path as JSON has it.
fn text_of(path: PathBuf) -> Option<String> {
    path.into_os_string().into_string().ok()
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

struct Writer {
    file: PathBuf,
    pixels: PathBuf,
    tell: Sender<Written>,
    wake: Wake,
    /// What was complained about last.
    complained: Option<String>,
    /// Digests by address, for as long as what lies there is held here: what did not change is not hashed again.
    named: HashMap<usize, Named>,
}

struct Named {
    digest: String,
    /// Keeps the address from being used for something else.
    _held: Held,
    in_use: bool,
    /// Whether the file has its name already.
    is_there: bool,
}

enum Held {
    Picture(Arc<Picture>),
    Mask(Arc<Mask>),
    Tile(Arc<Tile>),
}

impl Held {
    fn address(&self) -> usize {
        match self {
            Self::Picture(picture) => Arc::as_ptr(picture).addr(),
            Self::Mask(mask) => Arc::as_ptr(mask).addr(),
            Self::Tile(tile) => Arc::as_ptr(tile).addr(),
        }
    }

    fn digest(&self) -> String {
        match self {
            Self::Picture(picture) => picture.digest(),
            Self::Mask(mask) => mask.digest(),
            Self::Tile(tile) => tile.to_picture().digest(),
        }
    }

    fn encode(&self) -> Result<Vec<u8>, pixels::Error> {
        match self {
            Self::Picture(picture) => picture.encode_png(&[]),
            Self::Mask(mask) => mask.to_picture().encode_png(&[]),
            Self::Tile(tile) => tile.to_picture().encode_png(&[]),
        }
    }
}

/// Makes sure that these pixels lie in the folder when `files` do, and says under which name.
fn written(held: Held, pixels: &Path, files: &Together) -> Result<Named, WriteError> {
    let digest = held.digest();
    let file = pixel_file(pixels, &digest);
    let is_there = file.exists();
    if !is_there {
        files.write(&file, &held.encode()?)?;
    }
    Ok(Named { digest, _held: held, in_use: true, is_there })
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Pixels(#[from] pixels::Error),
    #[error(transparent)]
    State(#[from] SaveError),
    #[error("it cannot be written down: {0}")]
    Json(#[from] serde_json::Error),
}

impl Writer {
    fn new(folder: &Path, tell: Sender<Written>, wake: Wake) -> Self {
        let (file, pixels) = (folder.join(STATE_FILE), folder.join(PIXELS_FOLDER));
        Self { file, pixels, tell, wake, complained: None, named: HashMap::new() }
    }

    fn run(&mut self, messages: &Receiver<Message>) {
        let mut waiting: Option<(Box<Snapshot>, Instant)> = None;
        loop {
            let message = match &waiting {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) if self.complained.is_some() => messages.recv_timeout(AGAIN),
                Some((_, since)) => messages.recv_timeout(QUIET.min(LATEST.saturating_sub(since.elapsed()))),
            };
            match message {
                Ok(Message::Keep(snapshot)) => {
                    let since = waiting.map_or_else(Instant::now, |(_, since)| since);
                    waiting = Some((snapshot, since));
                    if since.elapsed() < LATEST {
                        continue;
                    }
                }
                Ok(Message::Flush(done)) => {
                    waiting = promptly(|| self.write(waiting));
                    // The one who waits may have given up.
                    done.send(()).unwrap_or_default();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    promptly(|| self.write(waiting));
                    return;
                }
            }
            waiting = self.write(waiting);
        }
    }

    /// Writes what waits, on threads that step back unless somebody waits for it. What cannot be written waits on.
    fn write(&mut self, waiting: Option<(Box<Snapshot>, Instant)>) -> Option<(Box<Snapshot>, Instant)> {
        let (snapshot, _) = waiting?;
        match self.try_write(Snapshot::clone(&snapshot)) {
            Ok(()) => {
                if self.complained.take().is_some() {
                    self.tell(Ok(()));
                }
                None
            }
            Err(error) => {
                let complaint = format!("What you are working on is not saved at the moment: {error}");
                if self.complained.as_ref() != Some(&complaint) {
                    self.tell(Err(complaint.clone()));
                }
                self.complained = Some(complaint);
                Some((snapshot, Instant::now()))
            }
        }
    }

    fn tell(&self, written: Written) {
        if self.tell.send(written).is_ok() {
            (self.wake)();
        }
    }

    fn try_write(&mut self, snapshot: Snapshot) -> Result<(), WriteError> {
        // What could not be written last time is not there.
        self.named.retain(|_, named| named.is_there);
        self.named.values_mut().for_each(|named| named.in_use = false);
        let files = Together::default();
        let layers = snapshot.layers.map(|(extent, stack)| self.name_layers(extent, &stack, &files)).transpose()?;
        let mask = snapshot.mask.map(|m| self.name(Held::Mask(m), &files)).transpose()?;
        let guide = snapshot.guide.map(|p| self.name(Held::Picture(p), &files)).transpose()?;
        let named = |hint: Hint| hint.map_picture(|picture| self.name(Held::Picture(picture), &files));
        let hints = snapshot.hints.into_iter().map(named).collect::<Result<_, _>>()?;
        let mut queue = Vec::new();
        for request in snapshot.queue {
            // One borrow at a time: the two closures cannot both hold the writer.
            let writer = std::cell::RefCell::new(&mut *self);
            let picture = |p| writer.borrow_mut().name(Held::Picture(p), &files);
            let mask = |m| writer.borrow_mut().name(Held::Mask(m), &files);
            queue.push(request.map_pixels(picture, mask)?);
        }
        // What names them comes after them.
        files.finish()?;
        self.named.values_mut().for_each(|named| named.is_there = true);
        let state = State {
            version: VERSION,
            draft: snapshot.draft,
            used_seed: snapshot.used_seed,
            tool: snapshot.tool,
            brush: snapshot.brush,
            palette: snapshot.palette,
            prompts: snapshot.history,
            picture: None,
            layers,
            mask,
            masks_room: snapshot.masks_room,
            guide,
            hints,
            shown: snapshot.shown.map(|EntryId(number)| number),
            queue,
            file: snapshot.file.and_then(text_of),
            copy: snapshot.copy.and_then(text_of),
            is_behind: snapshot.is_behind,
        };
        let text = serde_json::to_vec_pretty(&state)?;
        save_atomically(&self.file, &text)?;
        self.named.retain(|_, named| named.in_use);
        self.remove_unnamed();
        Ok(())
    }

    /// Makes sure that these pixels lie in the folder when `files` do, and says under which name.
    fn name(&mut self, held: Held, files: &Together) -> Result<String, WriteError> {
        let address = held.address();
        if let Some(named) = self.named.get_mut(&address) {
            named.in_use = true;
            return Ok(named.digest.clone());
        }
        let named = written(held, &self.pixels, files)?;
        let digest = named.digest.clone();
        self.named.insert(address, named);
        Ok(digest)
    }

    /// As [`Self::name`], for all tiles of all layers. Those that are new are written on all threads of the pool that it is called on.
    fn name_layers(&mut self, extent: Extent, stack: &Stack, files: &Together) -> Result<LayersState, WriteError> {
        let tiles: HashMap<usize, &Arc<Tile>> =
            layers::tiles_of(stack).map(|tile| (Arc::as_ptr(tile).addr(), tile)).collect();
        let new: Vec<_> = tiles.iter().filter(|(address, _)| !self.named.contains_key(address)).collect();
        let pixels = &self.pixels;
        let named: Vec<_> = new
            .into_par_iter()
            .map(|(&address, &tile)| Ok((address, written(Held::Tile(Arc::clone(tile)), pixels, files)?)))
            .collect::<Result<_, WriteError>>()?;
        self.named.extend(named);
        Ok(layers::state_of(extent, stack, |tile| {
            let named = self.named.get_mut(&Arc::as_ptr(tile).addr()).expect("all tiles were named just before");
            named.in_use = true;
            named.digest.clone()
        }))
    }

    /// Only after the state that no longer names them is on disk. What cannot be removed is tried again next time.
    fn remove_unnamed(&self) {
        let Ok(entries) = std::fs::read_dir(&self.pixels) else {
            return;
        };
        let named: HashSet<&OsStr> = self.named.values().map(|named| OsStr::new(&named.digest)).collect();
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_named = path.file_stem().is_some_and(|stem| named.contains(stem));
            if !is_named && let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!("{} is not needed any more and could not be removed: {error}", path.display());
            }
        }
    }
}

#[cfg(test)]
#[path = "persist_tests.rs"]
mod tests;
