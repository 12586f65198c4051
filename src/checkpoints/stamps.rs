//! What tells whether files are still those that were read: how long they are, and when they were changed.

use super::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What tells whether a file is still the one whose header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Of a file as it is now.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let about = path.metadata().map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self { bytes: about.len(), modified: about.modified().ok() })
    }

    /// Whether another file is in its place by now. Of one that cannot be looked at, that is not known.
    pub(super) fn is_outdated(self, path: &Path) -> bool {
        Self::of(path).is_ok_and(|now| now != self)
    }

    /// Refuses a file that is another by now: what was read of it says nothing about this one.
    pub(super) fn check(self, path: &Path) -> Result<(), Error> {
        if Self::of(path)? == self { Ok(()) } else { Err(Error::Changed(path.to_owned())) }
    }
}

/// The same of all that something is loaded from: files, and those that lie in folders.
#[derive(Clone, Debug, Default)]
pub struct Stamps {
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Stamp>,
}

impl Stamps {
    /// Of these files, and of what lies in these folders but not below them, as they are now. To be taken before anything is read of them.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        let files = paths.iter().flat_map(|path| files_at(path));
        let stamped = files.filter_map(|path| Stamp::of(&path).ok().map(|stamp| (path, stamp))).collect();
        Self { paths, files: stamped }
    }

    /// Whether there are other files by now. What is out of sight stays what it was.
    pub fn are_outdated(&self) -> bool {
        let now = Self::of(self.paths.iter().cloned()).files;
        now.iter().any(|(path, stamp)| self.files.get(path) != Some(stamp))
    }
}

/// The file at a path, or those in the folder there that are no secret of a file manager's.
fn files_at(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    if let Ok(folder) = path.read_dir() {
        let shown = folder.flatten().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        files.extend(shown.map(|entry| entry.path()));
    }
    files.retain(|path| path.is_file());
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_changed_or_added_is_seen_and_what_is_out_of_sight_is_not() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at("part/below")).unwrap();
        for name in ["alone", "part/weights", "part/config", "part/below/other"] {
            std::fs::write(at(name), "abc").unwrap();
        }
        let stamps = || Stamps::of([at("alone"), at("part")]);
        let before = stamps();
        assert!(!before.are_outdated());
        for name in ["part/.hidden", "part/below/other", "beside"] {
            std::fs::write(at(name), "more").unwrap();
            assert!(!before.are_outdated(), "{name}");
        }
        for name in ["alone", "part/weights"] {
            let before = stamps();
            // As long as before, and older.
            let file = std::fs::File::options().write(true).open(at(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(500)).unwrap();
            assert!(before.are_outdated(), "{name}");
        }
        let before = stamps();
        std::fs::write(at("part/better"), "abc").unwrap();
        assert!(before.are_outdated());
        let before = stamps();
        std::fs::remove_file(at("alone")).unwrap();
        std::fs::rename(at("part"), at("elsewhere")).unwrap();
        assert!(!before.are_outdated());
    }
}
