//! Bringing back what was deleted, for as long as somebody may think better of it. What went to the trash stays there: nothing hangs on
//! what is held in memory.

use super::{Deleted, Entry, EntryId, Error, Gallery};
use crate::files::save_new;
use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The tables that say something of a result, and their columns with its number. The others depend on the first.
const TABLES: [(&str, &str); 3] = [(ENTRIES, "id"), ("thumbnails", "entry"), ("embeddings", "entry")];
const ENTRIES: &str = "entries";
/// The column of the first that names the file.
const FILE: usize = 1;

/// All that the gallery had of a deleted result.
#[derive(Clone, Debug)]
pub struct Spare {
    id: EntryId,
    file: String,
    png: Vec<u8>,
    /// By their tables.
    rows: Vec<(&'static str, Vec<Value>)>,
    /// Where the file went, if that is the gallery's own trash.
    moved_to: Option<PathBuf>,
}

impl Spare {
    /// How many bytes of memory it takes, but for what is small.
    pub fn bytes(&self) -> usize {
        self.png.len()
    }
}

impl Gallery {
    /// As [`delete`](Self::delete), and gives what the entry can be brought back by. None where its file could not be read.
    pub fn delete_sparing(&mut self, id: EntryId) -> Result<(Deleted, Option<Spare>), Error> {
        let spare = self.spare(id);
        let deleted = self.delete(id)?;
        let moved_to = match &deleted {
            Deleted::WasMissing => return Ok((deleted, None)),
            Deleted::MovedTo(path) => Some(path.clone()),
            Deleted::ToTrash => None,
        };
        Ok((deleted, spare.map(|spare| Spare { moved_to, ..spare })))
    }

    /// Brings a deleted entry back under its number. Where another file has its name by now it gets one of its own.
    pub fn bring_back(&mut self, spare: &Spare) -> Result<Entry, Error> {
        self.writable()?;
        let file = self.write_back(spare)?;
        self.insert_back(spare, &file)
            .map_err(|source| Error::NotIndexed { picture: self.folder.join(&file), source })?;
        if let Some(moved) = &spare.moved_to
            && std::fs::read(moved).is_ok_and(|bytes| bytes == spare.png)
            && let Err(error) = std::fs::remove_file(moved)
        {
            tracing::info!("{} stays in the gallery's trash: {error}", moved.display());
        }
        self.entry(spare.id)
    }

    fn spare(&self, id: EntryId) -> Option<Spare> {
        let sql = "SELECT file FROM entries WHERE id = ?1";
        let file: String = self.db.query_row(sql, [id.0], |row| row.get(0)).ok()?;
        let png = std::fs::read(self.path_of(&file)?).ok()?;
        let mut rows = Vec::new();
        for (table, column) in TABLES {
            rows.extend(self.rows_of(table, column, id).ok()?.into_iter().map(|row| (table, row)));
        }
        Some(Spare { id, file, png, rows, moved_to: None })
    }

    fn rows_of(&self, table: &str, column: &str, id: EntryId) -> rusqlite::Result<Vec<Vec<Value>>> {
        let mut query = self.db.prepare(&format!("SELECT * FROM {table} WHERE {column} = ?1"))?;
        let count = query.column_count();
        let rows = query.query_map([id.0], |row| (0..count).map(|at| row.get(at)).collect())?;
        rows.collect()
    }

    /// Gives the file's path within the folder.
    fn write_back(&self, spare: &Spare) -> Result<String, Error> {
        let path = self.path_of(&spare.file).ok_or(Error::NoEntry(spare.id))?;
        match save_new(&path, &spare.png) {
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {}
            done => return Ok(done.map(|()| spare.file.clone())?),
        }
        let sql = "SELECT count(*) FROM entries WHERE file = ?1";
        let known: i64 = self.db.query_row(sql, params![spare.file], |row| row.get(0)).map_err(self.failed())?;
        // Somebody took it out of the trash.
        if known == 0 && std::fs::read(&path).is_ok_and(|bytes| bytes == spare.png) {
            return Ok(spare.file.clone());
        }
        let day_and_seed = || {
            let (day, name) = spare.file.split_once('/')?;
            let (_, seed) = name.strip_suffix(".png")?.split_once('-')?;
            Some((day, seed.parse::<u64>().ok()?))
        };
        let (day, seed) = day_and_seed().ok_or(Error::NoEntry(spare.id))?;
        Ok(self.write_result(day, seed, &spare.png)?)
    }

    fn insert_back(&self, spare: &Spare, file: &str) -> rusqlite::Result<()> {
        let transaction = self.db.unchecked_transaction()?;
        for (table, row) in &spare.rows {
            let mut row = row.clone();
            if *table == ENTRIES {
                row[FILE] = Value::Text(file.to_owned());
            }
            let places = vec!["?"; row.len()].join(", ");
            transaction.execute(&format!("INSERT INTO {table} VALUES ({places})"), params_from_iter(row))?;
        }
        transaction.commit()
    }
}
