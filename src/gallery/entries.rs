//! Adding, finding and deleting entries.

use super::files::{FileRecord, PARAMETERS, RECORD};
use super::index::{Row, seconds_since_1970};
use super::{Deleted, Entry, EntryId, Error, Gallery, NewEntry};
use crate::diffusion::{Record, Request};
use crate::files::save_atomically;
use crate::pixels::{Mask, Picture};
use rusqlite::{OptionalExtension, Params, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

const COLUMNS: &str = "id, file, created, record, parameters, steps_made, seconds, partial,
    (SELECT fit FROM embeddings WHERE entry = entries.id ORDER BY rowid DESC LIMIT 1)";

impl Gallery {
    /// Keeps a result: its inputs, then its file, then its row. When this returns, the result survives a crash. If only the row
    /// failed ([`Error::NotIndexed`]), the picture is safe and is found again at the next opening.
    pub fn add(&mut self, new: NewEntry) -> Result<Entry, Error> {
        self.add_at(new, SystemTime::now())
    }

    pub(super) fn add_at(&mut self, new: NewEntry, now: SystemTime) -> Result<Entry, Error> {
        self.writable()?;
        let record = new.request.map_pixels(
            |picture| self.keep_input(&picture.digest(), || picture.encode_png(&[])),
            |mask| self.keep_input(&mask.digest(), || mask.to_picture().encode_png(&[])),
        )?;
        let what = FileRecord { record, steps_made: new.steps_made, partial: new.partial };
        let json = serde_json::to_string(&what)
            .map_err(|e| crate::pixels::Error::Encode(format!("its request cannot be written: {e}")))?;
        let created = seconds_since_1970(now);
        let png = new.picture.encode_png(&[(PARAMETERS, &new.parameters), (RECORD, &json)])?;
        let file = self.write_result(&self.day(created)?, what.record.seed, &png)?;
        let row = Row {
            file: &file,
            created,
            what: &what,
            parameters: &new.parameters,
            seconds: new.seconds,
            picture: &new.picture,
        };
        let path = self.folder.join(&file);
        let id = self.insert(&row).map_err(|source| Error::NotIndexed { picture: path.clone(), source })?;
        Ok(Entry {
            id: EntryId(id),
            path,
            created,
            record: what.record,
            parameters: new.parameters,
            steps_made: new.steps_made,
            seconds: new.seconds,
            partial: new.partial,
            missing: false,
            fit: None,
        })
    }

    /// How many entries there are.
    pub fn count(&self) -> Result<usize, Error> {
        let count: i64 =
            self.db.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).map_err(self.failed())?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Entries, the newest first: `limit` of them after the first `offset`. Rows that make no sense are left out.
    pub fn entries(&self, limit: usize, offset: usize) -> Result<Vec<Entry>, Error> {
        self.search("", limit, offset)
    }

    /// The entries whose prompt holds all words of `text`, in any order and case, the newest first: `limit` of them after the
    /// first `offset`. A word may be a part of a longer one, so that scripts without spaces are found too.
    pub fn search(&self, text: &str, limit: usize, offset: usize) -> Result<Vec<Entry>, Error> {
        let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let words = serde_json::Value::from(words).to_string();
        let sql = format!(
            "SELECT {COLUMNS} FROM entries
             WHERE NOT EXISTS (SELECT 1 FROM json_each(?1) AS word WHERE instr(entries.words, word.value) = 0)
             ORDER BY id DESC LIMIT ?2 OFFSET ?3"
        );
        let bounded = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let rows = self.read_rows(&sql, params![words, bounded(limit), bounded(offset)])?;
        Ok(rows.into_iter().filter_map(Result::ok).collect())
    }

    /// One entry.
    pub fn entry(&self, id: EntryId) -> Result<Entry, Error> {
        let sql = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
        self.read_rows(&sql, [id.0])?.into_iter().next().unwrap_or(Err(Error::NoEntry(id)))
    }

    /// An entry's picture.
    pub fn picture(&self, id: EntryId) -> Result<Picture, Error> {
        let entry = self.entry(id)?;
        if entry.missing {
            return Err(Error::Missing(entry.path));
        }
        Ok(Picture::load(&entry.path)?)
    }

    /// An entry's picture, no side longer than [`Gallery::THUMBNAIL_SIDE`]. It is there even when the file is missing.
    pub fn thumbnail(&self, id: EntryId) -> Result<Picture, Error> {
        let sql = "SELECT png FROM thumbnails WHERE entry = ?1";
        let png: Option<Vec<u8>> = self.db.query_row(sql, [id.0], |row| row.get(0)).optional().unwrap_or_default();
        match png.and_then(|png| Picture::decode(&png, "thumbnail").ok()) {
            Some(picture) => Ok(picture.thumbnail(Self::THUMBNAIL_SIDE)),
            None => Ok(self.picture(id)?.thumbnail(Self::THUMBNAIL_SIDE)),
        }
    }

    /// The request that an entry answers, with the pixels it started from: ready to be painted again.
    pub fn request(&self, id: EntryId) -> Result<Request, Error> {
        let record = self.entry(id)?.record;
        let request = record.map_pixels(
            |digest| self.input("picture", &digest, Picture::load, Picture::digest),
            |digest| self.input("mask", &digest, Mask::load, Mask::digest),
        )?;
        Ok(request.checked()?)
    }

    /// Moves an entry's file to the system's trash (where there is none, into the folder `trash` of the gallery) and forgets the
    /// entry. What it started from stays, for the others that did.
    pub fn delete(&mut self, id: EntryId) -> Result<Deleted, Error> {
        self.writable()?;
        let sql = "SELECT file FROM entries WHERE id = ?1";
        let file: Option<rusqlite::types::Value> =
            self.db.query_row(sql, [id.0], |row| row.get(0)).optional().map_err(self.failed())?;
        let path = match file.ok_or(Error::NoEntry(id))? {
            rusqlite::types::Value::Text(file) => self.path_of(&file),
            _ => None,
        };
        let deleted = match path.filter(|path| path.is_file()) {
            None => Deleted::WasMissing,
            Some(path) => match (self.to_trash)(&path) {
                Ok(()) => Deleted::ToTrash,
                Err(reason) => {
                    tracing::info!("no trash for {}: {reason}", path.display());
                    Deleted::MovedTo(self.to_own_trash(&path)?)
                }
            },
        };
        self.db.execute("DELETE FROM entries WHERE id = ?1", [id.0]).map_err(self.failed())?;
        Ok(deleted)
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> Error {
        Error::index(&self.folder)
    }

    pub(super) fn writable(&self) -> Result<(), Error> {
        if self.read_only { Err(Error::ReadOnly(self.folder.clone())) } else { Ok(()) }
    }

    /// The local date, which names a day's folder.
    pub(super) fn day(&self, created: i64) -> Result<String, Error> {
        let sql = "SELECT coalesce(date(?1, 'unixepoch', 'localtime'), '1970-01-01')";
        self.db.query_row(sql, [created], |row| row.get(0)).map_err(self.failed())
    }

    fn keep_input(
        &self,
        digest: &str,
        png: impl FnOnce() -> Result<Vec<u8>, crate::pixels::Error>,
    ) -> Result<String, Error> {
        let path = self.input_path(digest).expect("digests are 64 hexadecimal digits");
        if !path.is_file() {
            save_atomically(&path, &png()?)?;
        }
        Ok(digest.to_owned())
    }

    /// Reads an input and holds it against its digest.
    fn input<T>(
        &self,
        what: &'static str,
        digest: &str,
        load: fn(&Path) -> Result<T, crate::pixels::Error>,
        digest_of: fn(&T) -> String,
    ) -> Result<Arc<T>, Error> {
        let gone = |path: PathBuf| Error::Input { what, path };
        let path = self.input_path(digest).ok_or_else(|| gone(self.folder.join("inputs")))?;
        let input = load(&path).ok().filter(|input| digest_of(input).eq_ignore_ascii_case(digest));
        input.map(Arc::new).ok_or_else(|| gone(path))
    }

    /// Reads rows. A row that makes no sense is an error of its own; an index that does not answer is one for all.
    fn read_rows(&self, sql: &str, params: impl Params) -> Result<Vec<Result<Entry, Error>>, Error> {
        let failed = self.failed();
        let mut query = self.db.prepare_cached(sql).map_err(&failed)?;
        let mut rows = query.query(params).map_err(&failed)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let id = EntryId(row.get(0).unwrap_or(-1));
            let entry = self.entry_from(row, id);
            if let Err(error) = &entry {
                tracing::warn!("{error}");
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry_from(&self, row: &rusqlite::Row, id: EntryId) -> Result<Entry, Error> {
        let senseless = |reason: String| Error::Entry { id, reason };
        let read = || -> rusqlite::Result<_> {
            Ok((
                row.get::<_, String>(1)?,
                row.get(2)?,
                row.get::<_, String>(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                // A number that makes no sense is as none.
                row.get(8).unwrap_or_default(),
            ))
        };
        let (file, created, record, parameters, steps_made, seconds, partial, fit) =
            read().map_err(|e| senseless(e.to_string()))?;
        let record: Record = serde_json::from_str(&record).map_err(|e| senseless(format!("its request: {e}")))?;
        let path = self.path_of(&file).ok_or_else(|| senseless("its file lies outside the gallery".into()))?;
        let missing = !path.is_file();
        Ok(Entry { id, path, created, record, parameters, steps_made, seconds, partial, missing, fit })
    }
}
