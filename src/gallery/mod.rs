//! Every result with its request, source and mask: stored crash-safe, searchable.
//!
//! A result is a PNG file that carries all that is known about it; the index (SQLite, `index.sqlite`) only makes it quick to
//! find. The file is written first and never over another one, so whatever happens in between, the picture is there, and the
//! next [`Gallery::open`] takes files without a row into the index. A damaged index is put aside and made again from the files.
//!
//! ```text
//! folder/2026-11-22/00001-7.png    results, a folder a day, by number and seed
//! folder/inputs/DIGEST.png         pictures and masks that results started from, each once
//! folder/trash/                    deleted results, where the system has no trash
//! ```
//! Two programs may have one gallery open: SQLite's locks order their changes, and a number that the other took is taken by
//! neither. Only the first of them (it holds `lock`) adopts files and repairs the index.

mod entries;
mod error;
mod files;
mod index;
mod meaning;
mod spare;

pub use error::Error;
pub use files::RECORD as RECORD_KEY;
pub use meaning::Nearest;
pub use spare::Spare;

use crate::diffusion::{Record, Request};
use crate::pixels::Picture;
use rusqlite::Connection;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names a result for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub i64);

/// A result to keep.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The picture.
    pub picture: Arc<Picture>,
    /// The request it answers, with its pixels.
    pub request: Request,
    /// The request as A1111 writes it, for the file's `parameters` text.
    pub parameters: String,
    /// How many steps were made.
    pub steps_made: u32,
    /// How long it took, from start to finished pixels.
    pub seconds: f64,
    /// Whether it was stopped early.
    pub partial: bool,
}

/// A result that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Its file.
    pub path: PathBuf,
    /// When it was made, in seconds since 1970 in UTC.
    pub created: i64,
    /// The request, its pixels named by digest.
    pub record: Record,
    /// The request as A1111 writes it.
    pub parameters: String,
    /// How many steps were made.
    pub steps_made: u32,
    /// How long it took; 0 where that is no longer known.
    pub seconds: f64,
    /// Whether it was stopped early.
    pub partial: bool,
    /// Whether its file is gone.
    pub missing: bool,
    /// How well its picture fits its prompt, -1..1, by the CLIP that looked at it last; none before that.
    pub fit: Option<f32>,
}

/// What became of a deleted result's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is in the system's trash.
    ToTrash,
    /// There is no trash here; it was moved to this path.
    MovedTo(PathBuf),
    /// It had been gone already.
    WasMissing,
}

/// A folder of results and its index. It can be sent to another thread and used there.
#[derive(Debug)]
pub struct Gallery {
    folder: PathBuf,
    db: Connection,
    /// Held for as long as this is open, by the first of those that have the gallery open.
    lock: Option<File>,
    read_only: bool,
    notices: Vec<String>,
    /// Moves a file to the system's trash.
    to_trash: fn(&Path) -> Result<(), String>,
}

impl Gallery {
    /// The longest side of a thumbnail, in pixels.
    pub const THUMBNAIL_SIDE: u32 = 192;

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it can only be looked at, because its folder cannot be written to.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether another program had it open when this one came.
    pub fn is_shared(&self) -> bool {
        self.lock.is_none() && !self.read_only
    }

    /// What a person should know about how it was opened: pictures that were found again, an index that was repaired. Each once.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}

#[cfg(test)]
mod tests;
