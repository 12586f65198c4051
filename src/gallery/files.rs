//! The gallery's files: their names, what is written into them, and which of them are results.

use super::{Error, Gallery};
use crate::diffusion::Record;
use crate::files::{SaveError, make_folder, save_new};
use crate::pixels::texts_in;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The PNG text that holds the request as A1111 writes it.
pub(super) const PARAMETERS: &str = "parameters";
/// The PNG text that holds what a row of the index is made of.
pub const RECORD: &str = "sfumato";

/// What a result's file says about it, as JSON. Nothing in it differs between two runs of one request.
#[derive(Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub(super) record: Record,
    pub(super) steps_made: u32,
    pub(super) partial: bool,
}

/// What a result's file says, if it is one of ours.
pub(super) fn read_record(bytes: &[u8]) -> Option<(FileRecord, String)> {
    let texts = texts_in(bytes);
    let text = |wanted: &str| texts.iter().find(|(key, _)| key == wanted).map(|(_, text)| text);
    let record = serde_json::from_str(text(RECORD)?).ok()?;
    Some((record, text(PARAMETERS).cloned().unwrap_or_default()))
}

impl Gallery {
    /// Writes a result under the day's next number and returns its path within the folder, with `/` between its parts.
    pub(super) fn write_result(&self, day: &str, seed: u64, png: &[u8]) -> Result<String, SaveError> {
        let mut number = last_number(&self.folder.join(day)) + 1;
        loop {
            let file = format!("{day}/{number:05}-{seed}.png");
            match save_new(&self.folder.join(&file), png) {
                // Another program took the number with the same seed.
                Err(error) if error.source.kind() == ErrorKind::AlreadyExists => number += 1,
                other => return other.map(|()| file),
            }
        }
    }

    /// The path of a file that a row names. `None` if it would lie outside the folder: rows may say anything.
    pub(super) fn path_of(&self, file: &str) -> Option<PathBuf> {
        let inside = !file.is_empty() && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        inside.then(|| self.folder.join(file))
    }

    /// Where the picture or mask with this digest is kept.
    pub(super) fn input_path(&self, digest: &str) -> Option<PathBuf> {
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        is_digest.then(|| self.folder.join("inputs").join(format!("{digest}.png")))
    }

    /// Moves a file into the gallery's own trash, under a name that is free there.
    pub(super) fn to_own_trash(&self, path: &Path) -> Result<PathBuf, SaveError> {
        let folder = self.folder.join("trash");
        let failed = |source| SaveError { path: path.to_owned(), source };
        make_folder(&folder).map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut target = folder.join(&name);
        for number in 2.. {
            if !target.exists() {
                break;
            }
            target = folder.join(format!("{number}-{name}"));
        }
        std::fs::rename(path, &target).map_err(failed)?;
        Ok(target)
    }

    /// The results in the folder, as paths within it, oldest first. Folders that cannot be listed are left out.
    pub(super) fn result_files(&self) -> Result<Vec<String>, Error> {
        let source = std::fs::read_dir(&self.folder);
        let days = source.map_err(|source| Error::Folder(SaveError { path: self.folder.clone(), source }))?;
        let mut files = Vec::new();
        for day in days.flatten().filter(|day| is_day(&day.file_name().to_string_lossy())) {
            let Ok(entries) = std::fs::read_dir(day.path()) else {
                continue;
            };
            for entry in entries.flatten() {
                let (day, name) = (day.file_name(), entry.file_name());
                let (Some(day), Some(name)) = (day.to_str(), name.to_str()) else {
                    continue;
                };
                if number_of(name).is_some() && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                    files.push(format!("{day}/{name}"));
                }
            }
        }
        files.sort_by_cached_key(|file| {
            let (day, name) = file.split_once('/').unwrap_or_default();
            (day.to_owned(), number_of(name))
        });
        Ok(files)
    }
}

/// Whether a folder's name is `YYYY-MM-DD`.
fn is_day(name: &str) -> bool {
    let digits_and_dashes =
        name.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    name.len() == 10 && digits_and_dashes
}

/// The number that a result's name, `NUMBER-SEED.png`, begins with.
fn number_of(name: &str) -> Option<u64> {
    let (number, seed) = name.strip_suffix(".png")?.split_once('-')?;
    seed.parse::<u64>().ok()?;
    number.parse().ok()
}

fn last_number(folder: &Path) -> u64 {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| number_of(name.to_str()?)).max().unwrap_or(0).min(u64::MAX / 2)
}
