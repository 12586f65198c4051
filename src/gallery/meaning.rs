//! What CLIPs make of the entries' pictures: kept beside them, so that they are found by what is in them. An entry shows the fit of
//! the CLIP that looked last.

use super::{Entry, EntryId, Error, Gallery};
use crate::meaning::{Embedding, Seen};
use rusqlite::{OptionalExtension, params};

/// Which entries a CLIP, named by its fingerprint, has not looked at.
const UNSEEN: &str = "FROM entries WHERE NOT EXISTS (SELECT 1 FROM embeddings WHERE entry = entries.id AND clip = ?1)";

/// Pictures that are near to something.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// The nearest first, each with its cosine.
    pub entries: Vec<(Entry, f32)>,
    /// The average cosine of all pictures.
    pub average: f32,
}

impl Nearest {
    /// Only those that are nearer to the best than to the average: how near is near, every CLIP and every word has its own scale for.
    #[must_use]
    pub fn well_above_average(mut self) -> Self {
        let best = self.entries.first().map_or(0.0, |(_, cosine)| *cosine);
        self.entries.retain(|(_, cosine)| *cosine >= f32::midpoint(self.average, best));
        self
    }
}

impl Gallery {
    /// How many entries this CLIP (its fingerprint) has not looked at.
    pub fn count_unseen(&self, clip: &str) -> Result<usize, Error> {
        let sql = format!("SELECT count(*) {UNSEEN}");
        let count: i64 = self.db.query_row(&sql, [clip], |row| row.get(0)).map_err(self.failed())?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The newest entry that this CLIP has not looked at. One whose row makes no sense is looked at in vain, once.
    pub fn next_unseen(&mut self, clip: &str) -> Result<Option<Entry>, Error> {
        loop {
            let sql = format!("SELECT id {UNSEEN} ORDER BY id DESC LIMIT 1");
            let id = self.db.query_row(&sql, [clip], |row| row.get(0)).optional().map_err(self.failed())?;
            let Some(id) = id.map(EntryId) else { return Ok(None) };
            match self.entry(id) {
                Err(Error::Entry { .. }) => self.keep_seen(id, clip, None)?,
                other => return other.map(Some),
            }
        }
    }

    /// Keeps what a CLIP made of an entry's picture; `None` if it could not be looked at, so that it is not tried again before the
    /// gallery is opened anew. An entry that was deleted meanwhile is no error.
    pub fn keep_seen(&mut self, id: EntryId, clip: &str, seen: Option<&Seen>) -> Result<(), Error> {
        self.writable()?;
        let sql = "INSERT OR REPLACE INTO embeddings (entry, clip, vector, fit)
             SELECT id, ?2, ?3, ?4 FROM entries WHERE id = ?1";
        let vector = seen.map(|seen| seen.embedding.to_bytes()).unwrap_or_default();
        let fit = seen.and_then(|seen| seen.fit);
        self.db.execute(sql, params![id.0, clip, vector, fit]).map(drop).map_err(self.failed())
    }

    /// What this CLIP made of an entry's picture; none if it has not looked at it, or in vain.
    pub fn embedding(&self, id: EntryId, clip: &str) -> Result<Option<Embedding>, Error> {
        let sql = "SELECT vector FROM embeddings WHERE entry = ?1 AND clip = ?2";
        let bytes: Option<Vec<u8>> =
            self.db.query_row(sql, params![id.0, clip], |row| row.get(0)).optional().map_err(self.failed())?;
        Ok(bytes.and_then(|bytes| Embedding::from_bytes(&bytes)))
    }

    /// The `limit` entries whose pictures are nearest to `to`, by this CLIP. All are compared, one after the other.
    pub fn nearest(&self, clip: &str, to: &Embedding, limit: usize) -> Result<Nearest, Error> {
        let failed = self.failed();
        let mut query =
            self.db.prepare_cached("SELECT entry, vector FROM embeddings WHERE clip = ?1").map_err(&failed)?;
        let mut rows = query.query([clip]).map_err(&failed)?;
        let mut found: Vec<(f32, EntryId)> = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let (Ok(id), Ok(vector)) = (row.get(0), row.get_ref(1)) else { continue };
            let cosine = vector.as_blob().ok().and_then(|bytes| to.cosine_with_stored(bytes));
            found.extend(cosine.map(|cosine| (cosine, EntryId(id))));
        }
        let average = found.iter().map(|(cosine, _)| cosine).sum::<f32>() / found.len().max(1) as f32;
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let readable = found.into_iter().filter_map(|(cosine, id)| Some((self.entry(id).ok()?, cosine)));
        Ok(Nearest { entries: readable.take(limit).collect(), average })
    }

    /// The entries with exactly this prompt that this CLIP has looked at, the one that fits it best first: `limit` at most.
    pub fn best_fitting(&self, clip: &str, prompt: &str, limit: usize) -> Result<Vec<Entry>, Error> {
        let failed = self.failed();
        let sql = "SELECT id, fit FROM entries JOIN embeddings ON entry = id
             WHERE clip = ?1 AND fit IS NOT NULL AND words = ?2 ORDER BY fit DESC, id DESC";
        let mut query = self.db.prepare_cached(sql).map_err(&failed)?;
        let ids = query.query_map(params![clip, prompt.to_lowercase()], |row| row.get(0)).map_err(&failed)?;
        let ids: Vec<i64> = ids.collect::<Result<_, _>>().map_err(&failed)?;
        let entries = ids.into_iter().filter_map(|id| self.entry(EntryId(id)).ok());
        Ok(entries.filter(|entry| entry.record.prompt == prompt).take(limit).collect())
    }
}
