use crate::networks::packing;
use candle_core::DType;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A file that is no later than so long after 1970 says nothing of when it was changed: who sets all times alike takes the first that there is.
const TOO_EARLY: Duration = Duration::from_hours(24);

/// What decides the bytes of packed weights: which program packed them, how, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    version: String,
    packing: String,
    /// What the network multiplies in.
    dtype: String,
    /// Which network of those in the files it is.
    part: String,
    files: Vec<Original>,
}

/// A file, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Original {
    /// Where it lies, whatever links lead there.
    path: PathBuf,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    /// When the system last saw a change of it, where it tells: who copies a file along with its time does not set this one. Neither its number on
    /// the disk nor that of the disk would do: some have others each time that they are plugged in.
    changed: (i64, i64),
}

/// What files are by now, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Now {
    /// What they were.
    Same,
    /// Nobody knows: they may lie on a drive that was taken away.
    OutOfSight,
    /// Something else.
    Other,
}

impl Original {
    fn of(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        // JSON has no others.
        path.to_str()?;
        let about = path.metadata().ok()?;
        Self::at(path, &about)
    }

    fn at(path: PathBuf, about: &Metadata) -> Option<Self> {
        let since = about.modified().ok()?.duration_since(UNIX_EPOCH).ok().filter(|since| *since >= TOO_EARLY)?;
        let modified = u64::try_from(since.as_nanos()).ok()?;
        Some(Self { path, bytes: about.len(), modified, changed: changed(about) })
    }

    fn now(&self) -> Now {
        match self.path.metadata() {
            Err(_) => Now::OutOfSight,
            Ok(about) if Self::at(self.path.clone(), &about).as_ref() == Some(self) => Now::Same,
            Ok(_) => Now::Other,
        }
    }
}

/// Seconds and nanoseconds.
#[cfg(unix)]
fn changed(about: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (about.ctime(), about.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> (i64, i64) {
    (0, 0)
}

impl Identity {
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// That of a network which is packed now from what these files hold; none where they do not tell that they are the same the next time.
    /// To be made before anything is read of them.
    pub(super) fn of(part: &str, dtype: DType, files: &[PathBuf]) -> Option<Self> {
        Some(Self {
            version: Self::VERSION.to_owned(),
            packing: packing(),
            dtype: dtype.as_str().to_owned(),
            part: part.to_owned(),
            files: files.iter().map(|path| Original::of(path)).collect::<Option<_>>()?,
        })
    }

    /// Whether these paths still lead to its files, and they are what they were.
    pub(super) fn is_of(&self, files: &[PathBuf]) -> bool {
        files.iter().map(|path| Original::of(path)).eq(self.files.iter().cloned().map(Some))
    }

    /// What its files are by now.
    pub(super) fn files_now(&self) -> Now {
        self.files.iter().map(Original::now).max().unwrap_or(Now::Same)
    }

    /// Whether this program packs as it says.
    pub(super) fn is_of_this_program(&self) -> bool {
        self.version == Self::VERSION && self.packing == packing()
    }

    /// What a file is called that belongs to it.
    pub(super) fn name(&self) -> String {
        let json = serde_json::to_vec(self).expect("numbers and texts, of which its paths are some");
        format!("{:x}", Sha256::digest(&json))[..16].to_owned()
    }
}
