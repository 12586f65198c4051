//! The gallery, on a thread of its own: disks are slow, and a picture must not wait for the window nor the window for a picture.

use super::results::By;
use super::worker::Worker;
use super::{ResultId, Wake};
use crate::diffusion::{Painted, Request};
use crate::gallery::{Deleted, Entry, EntryId, Error, Gallery, NewEntry, Spare};
use crate::meaning::{Embedding, Seen};
use crate::metadata::{FileHashes, describe};
use crate::pixels::Picture;
use std::path::PathBuf;
use std::sync::Arc;

/// How many results are listed at a time.
pub(super) const PAGE: usize = 60;
/// The longest side of a picture that is seen larger than its thumbnail, in pixels.
const LARGE_SIDE: u32 = 512;

/// What a result is fetched for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Show,
    StartFrom,
    Apply,
    Guide,
    Upscale,
    Recall,
    SaveTo(PathBuf),
}

pub(super) enum Task {
    /// List the next [`PAGE`] after the first `offset` that hold these words.
    List { search: String, offset: usize },
    /// Keep a result.
    Add { result: ResultId, painted: Box<Painted>, partial: bool, hashes: FileHashes },
    /// Read a result.
    Fetch { result: ResultId, entry: EntryId, purpose: Purpose },
    /// Read a picture of a result that is larger than its thumbnail.
    ReadLarge { result: ResultId, entry: EntryId },
    /// Move a result to the trash.
    Delete { result: ResultId, entry: EntryId },
    /// Bring one back that was moved to the trash.
    BringBack(Box<Spare>),
    /// Find the newest result that this CLIP has not looked at.
    NextUnseen { clip: String },
    /// Keep what this CLIP saw in a result, or that it could see nothing.
    KeepSeen { entry: EntryId, clip: String, seen: Option<Seen> },
    /// Find the results that are nearest to something, by what this CLIP saw in them.
    Gather { by: By, to: Nearest, clip: String },
}

/// What results are near to.
pub(super) enum Nearest {
    To(Embedding),
    /// Another result.
    ToEntry(EntryId),
    /// Their own prompt, which is this.
    ToPrompt(String),
}

pub(super) enum Answer {
    /// What a person should know about how the gallery was opened.
    Notice(String),
    Listed {
        search: String,
        page: Result<Page, Unavailable>,
    },
    Thumbnail {
        result: ResultId,
        thumbnail: Arc<Picture>,
    },
    Large {
        result: ResultId,
        /// None if it cannot be read.
        picture: Option<Arc<Picture>>,
    },
    Added {
        result: ResultId,
        entry: Result<Box<Entry>, Unavailable>,
    },
    Fetched {
        result: ResultId,
        purpose: Purpose,
        fetched: Result<Box<Fetched>, Unavailable>,
    },
    Deleted {
        result: ResultId,
        /// With what it can be brought back by.
        deleted: Result<(Deleted, Option<Box<Spare>>), Unavailable>,
    },
    BroughtBack {
        spare: Box<Spare>,
        listed: Result<Box<Listed>, Unavailable>,
    },
    /// None if there is no such result.
    Unseen(Result<Option<Box<Unseen>>, Unavailable>),
    SeenKept(Result<(), Unavailable>),
    Gathered {
        by: By,
        /// The nearest first, each with how near it is; none if what they are to be near to was not looked at.
        found: Result<Option<Vec<(Listed, f32)>>, Unavailable>,
    },
}

/// A result that was not looked at.
pub(super) struct Unseen {
    pub(super) entry: Entry,
    /// None if it cannot be read.
    pub(super) picture: Option<Arc<Picture>>,
}

/// An entry with its thumbnail.
pub(super) type Listed = (Entry, Option<Arc<Picture>>);

pub(super) struct Page {
    pub(super) entries: Vec<Listed>,
    pub(super) has_more: bool,
}

/// A result with everything that is known about it. A file that is gone or an input that is gone does not hide the rest.
pub(super) struct Fetched {
    pub(super) entry: Entry,
    pub(super) picture: Result<Arc<Picture>, Error>,
    pub(super) request: Result<Request, Error>,
}

/// Why the gallery did not do it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unavailable(pub(super) String);

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

pub(super) type Archive = Worker<Task, Answer>;

/// Starts the thread, which opens the gallery in `folder`. If that fails it is tried again with each task, so that a disk that
/// comes back is used.
pub(super) fn start(folder: PathBuf, wake: Wake) -> Archive {
    let mut said = String::new();
    Worker::spawn(
        "gallery",
        wake,
        || None,
        move |open: &mut Option<Gallery>, task, tell| {
            if open.is_none() {
                match Gallery::open(&folder) {
                    Ok(gallery) => *open = Some(gallery),
                    Err(error) => {
                        let why = error.to_string();
                        if said != why {
                            tell(Answer::Notice(format!("The gallery is not open: {why}")));
                        }
                        said.clone_from(&why);
                        return refuse(task, &why, tell);
                    }
                }
            }
            let gallery = open.as_mut().expect("it was opened above");
            gallery.take_notices().into_iter().for_each(|notice| tell(Answer::Notice(notice)));
            carry_out(gallery, task, tell);
        },
    )
}

/// Answers a task without a gallery.
fn refuse(task: Task, why: &str, tell: &dyn Fn(Answer)) {
    let why = || Unavailable(why.to_owned());
    match task {
        Task::List { search, .. } => {
            let page = Ok(Page { entries: Vec::new(), has_more: false });
            tell(Answer::Listed { search, page });
        }
        Task::Add { result, painted, .. } => {
            tell(thumbnail_of(result, &painted));
            tell(Answer::Added { result, entry: Err(why()) });
        }
        Task::Fetch { result, purpose, .. } => tell(Answer::Fetched { result, purpose, fetched: Err(why()) }),
        Task::ReadLarge { result, .. } => tell(Answer::Large { result, picture: None }),
        Task::Delete { result, .. } => tell(Answer::Deleted { result, deleted: Err(why()) }),
        Task::BringBack(spare) => tell(Answer::BroughtBack { spare, listed: Err(why()) }),
        Task::NextUnseen { .. } => tell(Answer::Unseen(Err(why()))),
        Task::KeepSeen { .. } => tell(Answer::SeenKept(Err(why()))),
        Task::Gather { by, .. } => tell(Answer::Gathered { by, found: Err(why()) }),
    }
}

fn carry_out(gallery: &mut Gallery, task: Task, tell: &dyn Fn(Answer)) {
    match task {
        Task::List { search, offset } => {
            let page = list(gallery, &search, offset).map_err(Unavailable::from);
            tell(Answer::Listed { search, page });
        }
        Task::Add { result, painted, partial, hashes } => {
            tell(thumbnail_of(result, &painted));
            let parameters = describe(&painted, &hashes);
            let Painted { picture, request, steps_made, seconds, .. } = *painted;
            let new = NewEntry { picture, request: *request, parameters, steps_made, seconds, partial };
            let entry = gallery.add(new).map(Box::new).map_err(Unavailable::from);
            tell(Answer::Added { result, entry });
        }
        Task::Fetch { result, entry, purpose } => {
            let fetched = gallery.entry(entry).map_err(Unavailable::from).map(|entry| {
                let picture = gallery.picture(entry.id).map(Arc::new);
                let request = gallery.request(entry.id);
                Box::new(Fetched { entry, picture, request })
            });
            tell(Answer::Fetched { result, purpose, fetched });
        }
        Task::ReadLarge { result, entry } => {
            let picture = gallery.picture(entry).ok().map(|picture| Arc::new(picture.thumbnail(LARGE_SIDE)));
            tell(Answer::Large { result, picture });
        }
        Task::Delete { result, entry } => {
            let deleted = gallery.delete_sparing(entry).map_err(Unavailable::from);
            let deleted = deleted.map(|(deleted, spare)| (deleted, spare.map(Box::new)));
            tell(Answer::Deleted { result, deleted });
        }
        Task::BringBack(spare) => {
            let listed = gallery.bring_back(&spare).map(|entry| Box::new(with_thumbnail(gallery, entry)));
            tell(Answer::BroughtBack { spare, listed: listed.map_err(Unavailable::from) });
        }
        Task::NextUnseen { clip } => {
            let next = gallery.next_unseen(&clip).map(|next| {
                next.map(|entry| {
                    let picture = gallery.picture(entry.id).ok().map(Arc::new);
                    Box::new(Unseen { entry, picture })
                })
            });
            tell(Answer::Unseen(next.map_err(Unavailable::from)));
        }
        Task::KeepSeen { entry, clip, seen } => {
            tell(Answer::SeenKept(gallery.keep_seen(entry, &clip, seen.as_ref()).map_err(Unavailable::from)));
        }
        Task::Gather { by, to, clip } => {
            let found = gather(gallery, &to, &clip).map_err(Unavailable::from);
            tell(Answer::Gathered { by, found });
        }
    }
}

fn gather(gallery: &Gallery, to: &Nearest, clip: &str) -> Result<Option<Vec<(Listed, f32)>>, Error> {
    let found = match to {
        Nearest::To(embedding) => gallery.nearest(clip, embedding, PAGE)?.well_above_average().entries,
        Nearest::ToEntry(entry) => {
            let Some(embedding) = gallery.embedding(*entry, clip)? else { return Ok(None) };
            let mut found = gallery.nearest(clip, &embedding, PAGE + 1)?.entries;
            found.retain(|(other, _)| other.id != *entry);
            found
        }
        Nearest::ToPrompt(prompt) => {
            let best = gallery.best_fitting(clip, prompt, PAGE)?;
            best.into_iter().filter_map(|entry| Some((entry.fit?, entry))).map(|(fit, entry)| (entry, fit)).collect()
        }
    };
    Ok(Some(found.into_iter().map(|(entry, nearness)| (with_thumbnail(gallery, entry), nearness)).collect()))
}

fn with_thumbnail(gallery: &Gallery, entry: Entry) -> Listed {
    let thumbnail = gallery.thumbnail(entry.id).ok().map(Arc::new);
    (entry, thumbnail)
}

fn thumbnail_of(result: ResultId, painted: &Painted) -> Answer {
    let thumbnail = Arc::new(painted.picture.thumbnail(Gallery::THUMBNAIL_SIDE));
    Answer::Thumbnail { result, thumbnail }
}

fn list(gallery: &Gallery, search: &str, offset: usize) -> Result<Page, Error> {
    let mut entries = gallery.search(search, PAGE + 1, offset)?;
    let has_more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let entries = entries.into_iter().map(|entry| with_thumbnail(gallery, entry)).collect();
    Ok(Page { entries, has_more })
}
