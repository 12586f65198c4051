//! Checkpoints by what is in them, as A1111 names them in pictures: the first ten digits of a file's SHA-256. To read a whole checkpoint
//! takes seconds, so it is done when somebody asks, and kept for as long as the file stays the same.

use super::Error;
use crate::files::{SaveError, save_atomically};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// How many of the digits name a file.
const SHORT: usize = 10;

/// What is known of files' contents.
#[derive(Debug, Default)]
pub struct Hashes {
    file: PathBuf,
    known: BTreeMap<PathBuf, Known>,
}

/// A file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    sha256: String,
}

impl Hashes {
    /// Those that are kept in a file; none where it is not there or makes no sense.
    pub fn load(file: &Path) -> Self {
        let known = std::fs::read(file).ok().and_then(|json| serde_json::from_slice(&json).ok());
        Self { file: file.to_owned(), known: known.unwrap_or_default() }
    }

    /// The short hash of a file that was read and did not change since.
    pub fn of(&self, path: &Path) -> Option<&str> {
        let known = self.known.get(&whole(path))?;
        let (bytes, modified) = about(path)?;
        let is_same = (bytes, modified) == (known.bytes, known.modified);
        known.sha256.get(..SHORT).filter(|_| is_same)
    }

    /// The short hash of a file, which is read if it must be.
    pub fn read(&mut self, path: &Path) -> Result<String, Error> {
        Ok(self.read_while(path, &|| true)?.expect("nobody breaks it off"))
    }

    /// As [`Self::read`], for as long as it is to go on, which is asked for each mebibyte; nothing if it was broken off.
    pub fn read_while(&mut self, path: &Path, goes_on: &dyn Fn() -> bool) -> Result<Option<String>, Error> {
        if let Some(known) = self.of(path) {
            return Ok(Some(known.to_owned()));
        }
        let read = |source| Error::Read { path: path.to_owned(), source };
        // What it was before it is read: if it changes meanwhile, it is read again the next time.
        let before = about(path);
        let (mut file, mut hash) = (File::open(path).map_err(read)?, Sha256::new());
        let mut some = vec![0; 1 << 20];
        loop {
            if !goes_on() {
                return Ok(None);
            }
            match file.read(&mut some).map_err(read)? {
                0 => break,
                count => hash.update(&some[..count]),
            }
        }
        let sha256 = format!("{:x}", hash.finalize());
        let short = sha256[..SHORT].to_owned();
        if let Some((bytes, modified)) = before {
            self.known.insert(whole(path), Known { bytes, modified, sha256 });
        }
        Ok(Some(short))
    }

    /// Keeps what is known.
    pub fn save(&self) -> Result<(), SaveError> {
        let json = serde_json::to_vec(&self.known).expect("paths, numbers and texts");
        save_atomically(&self.file, &json)
    }
}

fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// How many bytes a file has, and when it was changed.
fn about(path: &Path) -> Option<(u64, u64)> {
    let about = path.metadata().ok()?;
    let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((about.len(), u64::try_from(modified.as_nanos()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_file_is_read_once_and_again_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("a.safetensors"), folder.path().join("hashes.json"));
        std::fs::write(&path, "abc").unwrap();
        let mut hashes = Hashes::load(&kept);
        assert_eq!(hashes.of(&path), None);
        // FIPS 180-2, B.1.
        assert_eq!(hashes.read(&path).unwrap(), "ba7816bf8f");
        hashes.save().unwrap();
        let mut again = Hashes::load(&kept);
        assert_eq!(again.of(&path), Some("ba7816bf8f"));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert_eq!(again.of(&path), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(again.read(&path).unwrap(), "e3b0c44298");
    }

    #[test]
    fn what_is_kept_may_be_damaged_and_a_file_may_be_gone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("hashes.json");
        for damage in ["", "[]", r#"{"/a": {"bytes": 1}}"#] {
            std::fs::write(&kept, damage).unwrap();
            let error = Hashes::load(&kept).read(&folder.path().join("gone.ckpt")).unwrap_err().to_string();
            assert!(error.ends_with("gone.ckpt"), "{error}");
        }
    }
}
