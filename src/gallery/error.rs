use super::EntryId;
use crate::diffusion::Invalid;
use crate::files::SaveError;
use crate::pixels;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why the gallery could not do something, in words for the person whose pictures are in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be made or written to, and there is no gallery in it to look at.
    #[error("the gallery cannot be kept in this folder, choose another in the settings: {0}")]
    Folder(#[source] SaveError),
    /// Nothing can be added or deleted.
    #[error("this gallery can only be looked at, because its folder cannot be written to: {}", .0.display())]
    ReadOnly(PathBuf),
    /// The index was written by a later version.
    #[error("this gallery's index was made by a newer Sfumato (layout {found}, this one knows {known}): update, or choose another folder: {}", .path.display())]
    Newer {
        /// The index.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout that this version knows.
        known: i64,
    },
    /// The index is damaged and another program has it open.
    #[error("the gallery's index is damaged: close all windows of Sfumato and open one again, the pictures are safe: {}", .0.display())]
    Damaged(PathBuf),
    /// The index did something unexpected.
    #[error("{}: {}", index_advice(.source), .path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The picture is on disk but could not be entered into the index.
    #[error("the picture is saved as {}, and the gallery will show it when it is opened again, but now {}", .picture.display(), index_advice(.source))]
    NotIndexed {
        /// The picture's file.
        picture: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// There is no such entry.
    #[error("there is no picture number {} in the gallery: it was deleted", .0.0)]
    NoEntry(EntryId),
    /// The entry's file is gone.
    #[error("this picture's file is gone, moved or deleted by another program: {}", .0.display())]
    Missing(PathBuf),
    /// An entry's row makes no sense.
    #[error("picture number {} of the gallery cannot be read ({reason}): delete it", .id.0)]
    Entry {
        /// Which entry.
        id: EntryId,
        /// What makes no sense.
        reason: String,
    },
    /// The picture or mask that an entry started from is not what it was.
    #[error("the {what} that this picture started from is gone or was changed: {}", .path.display())]
    Input {
        /// Picture or mask.
        what: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// An entry's request cannot be painted.
    #[error(transparent)]
    Request(#[from] Invalid),
    /// A picture could not be read or written.
    #[error(transparent)]
    Picture(#[from] pixels::Error),
    /// A file could not be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl Error {
    pub(super) fn index(folder: &Path) -> impl Fn(rusqlite::Error) -> Self {
        let path = folder.join(super::index::FILE);
        move |source| Self::Index { path: path.clone(), source }
    }
}

fn index_advice(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full, so the gallery's index cannot grow: free some space".into(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the gallery's index cannot be written to: change its permissions".into()
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps the gallery's index busy: try again, or close it".into()
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the gallery's index is damaged: close Sfumato and open it again to repair it, the pictures are safe".into()
        }
        Some(ErrorCode::CannotOpen) => "the gallery's index cannot be opened: check the folder's permissions".into(),
        _ => format!("the gallery's index does not answer ({error}): try again"),
    }
}
