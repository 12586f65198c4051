//! Weights as kernels lay them out in memory, kept from one start to the next. To read a checkpoint and to lay out what is in it takes most of
//! the time until the first step; what was laid out once is mapped into memory the next time instead, and comes as fast as the disk gives it.
//!
//! A file holds one network and is named by what decides its bytes ([`Identity`]). Nothing here is needed: what is missing or makes no sense is
//! made anew, and what goes wrong is no more than a line in the log. Headers are checked; of the numbers there is no sum, as there is none in the
//! files of models: what a disk changes in them is used as it is.

mod file;
mod identity;
mod keeping;
mod writers;

use crate::files::{free_on_disk, is_unfinished, make_folder, save_new_by};
use candle_core::DType;
use file::Tensors;
use identity::{Identity, Now};
pub(super) use keeping::{Found, Keeping, built};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
pub use writers::{break_off_packing, finish_packing, is_still_packing};

/// How the names of the files end.
const ENDING: &str = "packed";

/// Which share of the disk that is free they may take, with what they take already.
const SHARE: u64 = 10;

/// So much of the disk stays free in any case: what else would be saved meanwhile is worth more.
const RESERVE: u64 = 2 << 30;

/// Networks of fewer bytes are not kept: they load at once without.
const LEAST: u64 = 64 << 20;

/// What was used since then makes room only for what is larger, lest parts of one model take the place of each other with each start.
const JUST_NOW: Duration = Duration::from_hours(1);

/// What was not used for so long makes room even for what is much smaller. Without it the largest network would go for a small one with the first
/// start of each day, and come back in its place.
const UNUSED: Duration = Duration::from_hours(14 * 24);

/// What was not used for so long, and is of a model that is out of sight, goes.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);

/// From then on what another version kept is not used any more.
const OLD: Duration = Duration::from_hours(24);

/// What was not written to for so long never will be finished.
const ABANDONED: Duration = Duration::from_hours(1);

/// Who writes or tidies: one at a time.
static BUSY: Mutex<()> = Mutex::new(());

/// The folder that packed weights are kept in, and how much of the disk they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFolder {
    folder: PathBuf,
    most: Limit,
    least: u64,
}

/// How many bytes the files may have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// A share of what is free.
    Share,
    Bytes(u64),
}

impl Limit {
    /// How many they may have where they have `kept` by now, and so many are free beside them.
    fn bytes(self, kept: u64, free: Option<u64>) -> u64 {
        let without_them = free.map(|free| free.saturating_add(kept));
        let most = match self {
            Self::Bytes(bytes) => bytes,
            // None, where the system does not tell.
            Self::Share => without_them.unwrap_or_default() / SHARE,
        };
        without_them.map_or(most, |free| most.min(free.saturating_sub(RESERVE)))
    }
}

/// A file of the folder.
struct KeptFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl PackedFolder {
    /// A folder, which is made when there is something to keep. So many gigabytes may lie in it, as long as the disk does not become full: none is
    /// a tenth of the disk that is free, where the system tells how much is, and with 0 nothing is kept.
    pub fn new(folder: PathBuf, gigabytes: Option<u32>) -> Self {
        let most = gigabytes.map_or(Limit::Share, |gigabytes| Limit::Bytes(u64::from(gigabytes) << 30));
        Self { folder, most, least: LEAST }
    }

    /// The same, where networks of so many bytes are large enough to be kept.
    #[must_use]
    pub fn with_least(self, bytes: u64) -> Self {
        Self { least: bytes, ..self }
    }

    /// How many bytes the files in it have together.
    pub fn bytes(&self) -> u64 {
        self.files().map(|file| file.bytes).sum()
    }

    /// Removes them: what they hold is made anew when it is missed. It waits for nobody who writes one, and where a system keeps a file that
    /// is in use, that stays.
    pub fn remove_all(&self) {
        self.files().for_each(|file| remove(&file.path));
    }

    /// Has a thread of its own remove what is of no use any more, and what there is too much of.
    pub fn tidy(&self) {
        let folder = self.clone();
        let tidy = move || {
            let _busy = busy();
            folder.tidy_now();
        };
        if let Err(error) = std::thread::Builder::new().name("packed weights".to_owned()).spawn(tidy) {
            tracing::debug!("packed weights stay as they are: {error}");
        }
    }

    /// What is kept of the network `part`, which multiplies in `dtype` and is about to be built from these files: nothing was read of them yet.
    /// `found` is told what of it need not be read.
    pub(super) fn keeping(&self, part: &str, dtype: DType, files: Vec<PathBuf>, found: Found) -> Option<Arc<Keeping>> {
        if self.most == Limit::Bytes(0) {
            return None;
        }
        let identity = Identity::of(part, dtype, &files)?;
        let path = self.path_of(&identity);
        let mapped = match file::open(&path, &identity) {
            Ok(tensors) => {
                mark_as_used(&path);
                Some(tensors)
            }
            Err(error) => {
                if file::is_damage(&error) {
                    tracing::debug!("packed weights are of no use: {error}: {}", path.display());
                    remove(&path);
                }
                None
            }
        };
        Some(Arc::new(Keeping { folder: self.clone(), files, identity, found, mapped, taken: Mutex::default() }))
    }

    fn path_of(&self, identity: &Identity) -> PathBuf {
        self.folder.join(identity.name()).with_extension(ENDING)
    }

    /// Writes the file of a network, unless somebody has, or what it was made of is another by now.
    fn write(&self, identity: &Identity, tensors: Tensors) -> io::Result<()> {
        let path = self.path_of(identity);
        let plan = file::Plan::of(identity, &tensors)?;
        let _busy = busy();
        // Until others were done, much may have happened.
        writers::check_wanted()?;
        if path.exists() {
            return Ok(());
        }
        make_folder(&self.folder)?;
        self.tidy_now();
        self.make_room(plan.bytes)?;
        let write = |file: &mut std::fs::File| {
            plan.write(file, tensors)?;
            match identity.files_now() {
                Now::Same => Ok(()),
                Now::OutOfSight | Now::Other => Err(io::Error::other("the model was changed meanwhile")),
            }
        };
        save_new_by(&path, write).map_err(|error| error.source)
    }

    fn tidy_now(&self) {
        for file in self.files() {
            if self.most == Limit::Bytes(0) || file.is_useless() {
                remove(&file.path);
            }
        }
        for unfinished in self.unfinished().filter(|file| file.age() > ABANDONED) {
            remove(&unfinished.path);
        }
        if let Err(error) = self.make_room(0) {
            tracing::debug!("packed weights take more of the disk than they should: {error}");
        }
    }

    /// Removes what was used longest ago until so many bytes more may be there. Where they may not in any case, nothing is removed for them.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files: Vec<KeptFile> = self.files().collect();
        // Whatever else is being written will be kept, or is still in the way.
        let unfinished = self.unfinished().map(|file| file.bytes);
        let mut kept: u64 = files.iter().map(|file| file.bytes).chain(unfinished).sum();
        let most = self.most.bytes(kept, free_on_disk(&self.folder));
        files.sort_by_key(|file| file.used);
        let mut going = Vec::new();
        for file in files {
            if kept + bytes <= most {
                break;
            }
            let least = if bytes > 0 && file.bytes / 2 > bytes { UNUSED } else { JUST_NOW };
            if file.age() > least || file.bytes < bytes {
                kept -= file.bytes;
                going.push(file.path);
            }
        }
        let is_room = kept + bytes <= most;
        if is_room || bytes == 0 {
            for path in going {
                remove(&path);
            }
        }
        if is_room { Ok(()) } else { Err(io::Error::other(format!("{} MiB may be there in all", most >> 20))) }
    }

    /// Its files, whatever they hold.
    fn files(&self) -> impl Iterator<Item = KeptFile> {
        self.all().filter(|file| file.path.extension().is_some_and(|ending| ending == ENDING))
    }

    /// Those that are not whole: somebody is writing them, or was when the program was ended.
    fn unfinished(&self) -> impl Iterator<Item = KeptFile> {
        self.all().filter(|file| is_unfinished(&file.path))
    }

    fn all(&self) -> impl Iterator<Item = KeptFile> {
        let of = |entry: std::fs::DirEntry| {
            let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some(KeptFile { path: entry.path(), bytes: about.len(), used: about.modified().ok()? })
        };
        self.folder.read_dir().into_iter().flatten().flatten().filter_map(of)
    }
}

impl KeptFile {
    fn age(&self) -> Duration {
        // A clock that was set back makes it young.
        self.used.elapsed().unwrap_or_default()
    }

    /// Whether nobody will use it again.
    fn is_useless(&self) -> bool {
        match file::identity_of(&self.path) {
            Ok(identity) if !identity.is_of_this_program() && self.age() > OLD => true,
            Ok(identity) => match identity.files_now() {
                Now::Same => false,
                Now::OutOfSight => self.age() > FORGOTTEN,
                Now::Other => true,
            },
            Err(error) => file::is_damage(&error),
        }
    }
}

fn busy() -> MutexGuard<'static, ()> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!("packed weights could not be removed: {error}: {}", path.display());
    }
}

/// A file's time says when it was last used: what it holds never changes.
fn mark_as_used(path: &Path) {
    let file = std::fs::File::options().append(true).open(path);
    if let Err(error) = file.and_then(|file| file.set_modified(SystemTime::now())) {
        tracing::debug!("packed weights look unused: {error}: {}", path.display());
    }
}

#[cfg(test)]
mod tests;
