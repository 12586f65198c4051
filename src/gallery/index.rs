//! Opening: the index, its layout, its repair, and files that it does not know yet.

use super::files::{FileRecord, read_record};
use super::{Error, Gallery};
use crate::files::{SaveError, make_folder};
use crate::pixels::Picture;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(super) const FILE: &str = "index.sqlite";
const LOCK: &str = "lock";
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The layouts of the index: entry n turns layout n into layout n + 1. Released ones never change.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        file TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        record TEXT NOT NULL,
        parameters TEXT NOT NULL,
        steps_made INTEGER NOT NULL,
        seconds REAL NOT NULL,
        partial INTEGER NOT NULL,
        words TEXT NOT NULL
    ) STRICT;
    CREATE TABLE thumbnails (
        entry INTEGER PRIMARY KEY REFERENCES entries (id) ON DELETE CASCADE,
        png BLOB NOT NULL
    ) STRICT;
",
    EMBEDDINGS,
];

/// `clip` is the fingerprint of the CLIP that looked; `vector` is empty where it looked in vain.
const EMBEDDINGS: &str = "
    CREATE TABLE embeddings (
        entry INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
        clip TEXT NOT NULL,
        vector BLOB NOT NULL,
        fit REAL,
        PRIMARY KEY (entry, clip)
    ) STRICT;
";

/// A row of the index, before it has a number.
pub(super) struct Row<'a> {
    pub(super) file: &'a str,
    pub(super) created: i64,
    pub(super) what: &'a FileRecord,
    pub(super) parameters: &'a str,
    pub(super) seconds: f64,
    pub(super) picture: &'a Picture,
}

impl Gallery {
    /// Opens the gallery in this folder, or makes one. Files that the index does not know are taken in, a damaged index is made
    /// again from the files ([`Gallery::take_notices`] says so). Where the folder cannot be written to, an existing gallery
    /// opens to be looked at ([`Gallery::is_read_only`]).
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if let Err(source) = probe(folder) {
            let refused = matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
            if refused && folder.join(FILE).is_file() {
                return Self::open_read_only(folder);
            }
            return Err(Error::Folder(SaveError { path: folder.to_owned(), source }));
        }
        let lock = first_lock(folder);
        let (db, notice) = match connect(folder) {
            Ok(db) => (db, None),
            Err(Error::Index { source, .. }) if lock.is_some() && is_damage(&source) => {
                let aside = put_aside(folder)?;
                (connect(folder)?, Some(aside))
            }
            Err(Error::Index { source, path }) if is_damage(&source) => return Err(Error::Damaged(path)),
            Err(error) => return Err(error),
        };
        let mut gallery = Self::new(folder, db, lock, false);
        // What could not be looked at last time is tried once more.
        gallery.db.execute("DELETE FROM embeddings WHERE length(vector) = 0", []).map_err(Error::index(folder))?;
        let adopted = if gallery.lock.is_some() { gallery.adopt_files()? } else { 0 };
        match notice {
            Some(aside) => gallery.notices.push(format!(
                "the gallery's index was damaged and was made again from {adopted} pictures; the old one is kept as {}",
                aside.display()
            )),
            None if adopted > 0 => {
                gallery
                    .notices
                    .push(format!("{adopted} pictures that the gallery's index did not know were found again"));
            }
            None => {}
        }
        Ok(gallery)
    }

    /// Opens a gallery that cannot be written to, such as one on a read-only disk.
    pub(super) fn open_read_only(folder: &Path) -> Result<Self, Error> {
        let failed = Error::index(folder);
        // Without `immutable` SQLite wants to make files beside the index, which it cannot here.
        let uri = format!("file:{}?immutable=1", uri_escaped(&folder.join(FILE)));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(uri, flags).map_err(&failed)?;
        if layout_of(&db, folder)? == 1 {
            // A temporary table stands in for the one that cannot be made.
            db.execute_batch(
                &EMBEDDINGS
                    .replace("CREATE", "CREATE TEMPORARY")
                    .replace("REFERENCES entries (id) ON DELETE CASCADE", ""),
            )
            .map_err(&failed)?;
        }
        check_layout(&db, folder)?;
        Ok(Self::new(folder, db, None, true))
    }

    fn new(folder: &Path, db: Connection, lock: Option<File>, read_only: bool) -> Self {
        let to_trash = |path: &Path| trash::delete(path).map_err(|e| e.to_string());
        Self { folder: folder.to_owned(), db, lock, read_only, notices: Vec::new(), to_trash }
    }

    /// Takes files into the index that it does not know, left by a crash between file and row or by an index that was lost.
    /// Returns how many.
    fn adopt_files(&mut self) -> Result<usize, Error> {
        let failed = Error::index(&self.folder);
        let known: HashSet<String> = {
            let mut query = self.db.prepare("SELECT file FROM entries").map_err(&failed)?;
            let files = query.query_map([], |row| row.get(0)).map_err(&failed)?;
            files.collect::<Result<_, _>>().map_err(&failed)?
        };
        let mut adopted = 0;
        for file in self.result_files()?.into_iter().filter(|file| !known.contains(file)) {
            adopted += usize::from(self.adopt(&file)?);
        }
        Ok(adopted)
    }

    /// Takes one file in. Returns whether it is a result of ours that could be read.
    fn adopt(&self, file: &str) -> Result<bool, Error> {
        let path = self.folder.join(file);
        let Ok(bytes) = std::fs::read(&path) else {
            return Ok(false);
        };
        let Some((what, parameters)) = read_record(&bytes) else {
            return Ok(false);
        };
        let Ok(picture) = Picture::decode(&bytes, file) else {
            return Ok(false);
        };
        let written = path.metadata().and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let row = Row {
            file,
            created: seconds_since_1970(written),
            what: &what,
            parameters: &parameters,
            seconds: 0.0,
            picture: &picture,
        };
        self.insert(&row).map_err(Error::index(&self.folder))?;
        Ok(true)
    }

    /// Puts a row and its thumbnail in, or over one that names the same file.
    pub(super) fn insert(&self, row: &Row) -> rusqlite::Result<i64> {
        let FileRecord { record, steps_made, partial } = row.what;
        let json = serde_json::to_string(record).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        let transaction = self.db.unchecked_transaction()?;
        let id = transaction.query_row(
            "INSERT INTO entries (file, created, record, parameters, steps_made, seconds, partial, words)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (file) DO UPDATE SET created = ?2, record = ?3, parameters = ?4, steps_made = ?5, seconds = ?6,
                 partial = ?7, words = ?8
             RETURNING id",
            params![
                row.file,
                row.created,
                json,
                row.parameters,
                steps_made,
                // SQLite keeps no NaN in a column that must not be null.
                if row.seconds.is_finite() { row.seconds } else { 0.0 },
                partial,
                record.prompt.to_lowercase(),
            ],
            |row| row.get(0),
        )?;
        if let Ok(png) = row.picture.thumbnail(Self::THUMBNAIL_SIDE).encode_png(&[]) {
            transaction.execute("INSERT OR REPLACE INTO thumbnails (entry, png) VALUES (?1, ?2)", params![id, png])?;
        }
        transaction.commit()?;
        Ok(id)
    }
}

pub(super) fn seconds_since_1970(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Makes the folder if need be and sees whether files can be made in it.
fn probe(folder: &Path) -> std::io::Result<()> {
    make_folder(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

/// The lock, if no one else has it. Where the file system knows no locks, everyone is the first.
fn first_lock(folder: &Path) -> Option<File> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK)).ok()?;
    match file.try_lock() {
        Ok(()) | Err(TryLockError::Error(_)) => Some(file),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn connect(folder: &Path) -> Result<Connection, Error> {
    let failed = Error::index(folder);
    let db = Connection::open(folder.join(FILE)).map_err(&failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
    db.pragma_update(None, "journal_mode", "WAL").map_err(&failed)?;
    db.pragma_update(None, "foreign_keys", true).map_err(&failed)?;
    migrate(&db, folder)?;
    check_layout(&db, folder)?;
    Ok(db)
}

fn layout_of(db: &Connection, folder: &Path) -> Result<usize, Error> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(Error::index(folder))?;
    match usize::try_from(found) {
        Ok(layout) if layout <= MIGRATIONS.len() => Ok(layout),
        _ => Err(Error::Newer { path: folder.join(FILE), found, known: MIGRATIONS.len() as i64 }),
    }
}

fn migrate(db: &Connection, folder: &Path) -> Result<(), Error> {
    let failed = Error::index(folder);
    if layout_of(db, folder)? == MIGRATIONS.len() {
        return Ok(());
    }
    // Another program may be doing the same: whoever has the lock looks again.
    db.execute_batch("BEGIN IMMEDIATE").map_err(&failed)?;
    let done = layout_of(db, folder)?;
    for (layout, step) in MIGRATIONS.iter().enumerate().skip(done) {
        db.execute_batch(step)
            .and_then(|()| db.pragma_update(None, "user_version", layout as i64 + 1))
            .map_err(&failed)?;
    }
    db.execute_batch("COMMIT").map_err(&failed)
}

/// Finds damage before it is met half way: the entries' table is walked through, and its columns are asked for. Thumbnails are
/// not looked at; a damaged one is made again from its picture.
fn check_layout(db: &Connection, folder: &Path) -> Result<(), Error> {
    let failed = Error::index(folder);
    layout_of(db, folder)?;
    let verdict: Option<String> =
        db.query_row("PRAGMA quick_check(entries)", [], |row| row.get(0)).optional().map_err(&failed)?;
    db.prepare("SELECT id, file, created, record, parameters, steps_made, seconds, partial, words FROM entries")
        .and_then(|_| db.prepare("SELECT entry, png FROM thumbnails"))
        .and_then(|_| db.prepare("SELECT entry, clip, vector, fit FROM embeddings").map(drop))
        .map_err(&failed)?;
    if verdict.as_deref() == Some("ok") {
        return Ok(());
    }
    let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(failed(rusqlite::Error::SqliteFailure(damaged, verdict)))
}

/// Whether the index cannot be used as it is, rather than not right now.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => true,
        Some(_) => false,
        None => !matches!(error, rusqlite::Error::SqliteFailure(..)),
    }
}

/// Renames the index, and what belongs to it, to a name that is free.
fn put_aside(folder: &Path) -> Result<PathBuf, Error> {
    let named = |number: u32| folder.join(format!("index-damaged-{number}.sqlite"));
    let number = (1..10_000).find(|&number| !named(number).exists()).unwrap_or(10_000);
    let with = |path: &Path, ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (from, to) = (folder.join(FILE), named(number));
    for ending in ["", "-wal", "-shm"] {
        let from = with(&from, ending);
        if from.exists() {
            std::fs::rename(&from, with(&to, ending))
                .map_err(|source| Error::Folder(SaveError { path: from.clone(), source }))?;
        }
    }
    Ok(to)
}

/// A path as part of a URI, the way SQLite reads it: `%`, `?` and `#` would end it.
fn uri_escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}
