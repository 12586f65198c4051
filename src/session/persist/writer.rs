//! Writes what is to be kept: pixels first, then the state that names them, and what nothing names any more goes.

use super::{Message, PIXELS_FOLDER, STATE_FILE, Snapshot, State, VERSION, Written, pixel_file};
use crate::diffusion::Hint;
use crate::files::{SaveError, Together, save_atomically};
use crate::gallery::EntryId;
use crate::geom::Extent;
use crate::paint::{Stack, Tile, promptly};
use crate::pixels::{self, Mask, Picture};
use crate::session::Wake;
use crate::session::layers::{self, LayersState};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Writing begins when nothing has changed for this long …
const QUIET: Duration = Duration::from_millis(250);
/// … or when a change has waited this long.
const LATEST: Duration = Duration::from_millis(700);
/// What could not be written is tried again after this long.
const AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Writer {
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
    pub(super) fn new(folder: &Path, tell: Sender<Written>, wake: Wake) -> Self {
        let (file, pixels) = (folder.join(STATE_FILE), folder.join(PIXELS_FOLDER));
        Self { file, pixels, tell, wake, complained: None, named: HashMap::new() }
    }

    pub(super) fn run(&mut self, messages: &Receiver<Message>) {
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
            guides_itself: snapshot.guides_itself,
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

/// A path as JSON has it.
fn text_of(path: PathBuf) -> Option<String> {
    path.into_os_string().into_string().ok()
}
