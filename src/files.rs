//! Saving a file so that a crash, a full disk or a power cut leaves either the old file or the new one, never a half:
//! the bytes go to a second file in the same folder, are synced to the disk, and take the name in one step.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use tempfile::{NamedTempFile, TempPath};

/// Why a file could not be saved. What was at that path before is still there, untouched.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", advice(.source), .path.display())]
pub struct SaveError {
    /// Which file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// What went wrong and what to do about it, without the path.
fn advice(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full: free some space, or save somewhere else".into()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "this folder cannot be written to: choose another one, or change its permissions".into()
        }
        ErrorKind::NotADirectory => "a part of this path is a file, not a folder: choose another path".into(),
        ErrorKind::IsADirectory => "there is a folder of this name: choose another name".into(),
        ErrorKind::AlreadyExists => "there is a file of this name already: choose another name".into(),
        ErrorKind::NotFound => "this folder does not exist: create it, or choose another path".into(),
        ErrorKind::InvalidFilename => "this name is not allowed or too long: choose another name".into(),
        _ => format!("the file could not be saved ({error}): try again, or save somewhere else"),
    }
}

/// Writes a file in one step, over an older one of the same name. Folders on the way are made; a symbolic link stays a link
/// and its target is replaced.
pub fn save_atomically(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    let target = if path.is_symlink() { path.canonicalize() } else { Ok(path.to_owned()) };
    target
        .and_then(|target| {
            if target.is_dir() {
                return Err(ErrorKind::IsADirectory.into());
            }
            let (file, folder) = written_beside(&target, bytes, true)?;
            file.persist(&target).map_err(|e| e.error)?;
            sync_folder(folder);
            Ok(())
        })
        .map_err(of(path))
}

/// Writes a file in one step where there is none yet. With a file there, fails with [`ErrorKind::AlreadyExists`].
pub fn save_new(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    written_beside(path, bytes, true)
        .and_then(|(file, folder)| {
            file.persist_noclobber(path).map_err(|e| e.error)?;
            sync_folder(folder);
            Ok(())
        })
        .map_err(of(path))
}

/// As [`save_new`], for what is written piece by piece: more than is to be in memory twice.
pub(crate) fn save_new_by(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), SaveError> {
    let save = || {
        let (mut file, folder) = made_beside(path)?;
        write(file.as_file_mut())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)?;
        sync_folder(folder);
        Ok(())
    };
    save().map_err(of(path))
}

/// Whether a file is one that was being written when the program, or the machine, was ended.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// How many bytes the user can still write to the disk that a folder lies on; `None` where the system does not tell.
pub(crate) fn free_on_disk(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
        let mut about = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
        #[expect(unsafe_code, reason = "it is a function of C that the standard library does not have")]
        // SAFETY: the path ends in a zero, and there is room for what is told; that is numbers alone, of which all may be zero.
        let about = unsafe {
            if libc::statvfs(path.as_ptr(), about.as_mut_ptr()) != 0 {
                return None;
            }
            about.assume_init()
        };
        of_blocks(about.f_bavail, about.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// How many bytes so many blocks are, whatever numbers a system counts them by.
#[cfg(unix)]
fn of_blocks(count: impl TryInto<u64>, size: impl TryInto<u64>) -> Option<u64> {
    count.try_into().ok()?.checked_mul(size.try_into().ok()?)
}

/// Files that come to be together: each is written aside, and they get their names when all of them are on the disk. For many it is one
/// request to the disk instead of two for each.
#[derive(Debug, Default)]
pub struct Together {
    written: Mutex<Vec<(TempPath, PathBuf)>>,
}

impl Together {
    /// So many are synced one by one; for more, the whole file system is, which may have to write what others left to be written.
    const FEW: usize = 16;

    /// Writes one of them aside, on whatever thread.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
        let (file, _) = written_beside(path, bytes, false).map_err(of(path))?;
        self.lock().push((file.into_temp_path(), path.to_owned()));
        Ok(())
    }

    /// Gives them their names. If that fails, some may have theirs: each is whole.
    pub fn finish(self) -> Result<(), SaveError> {
        let written = std::mem::take(&mut *self.lock());
        let folders: BTreeSet<&Path> = written.iter().filter_map(|(_, path)| path.parent()).collect();
        let is_synced = written.len() > Self::FEW && folders.iter().all(|folder| sync_file_system(folder).is_ok());
        if !is_synced {
            for (aside, path) in &written {
                // Some systems sync only what is open for writing.
                let file = File::options().write(true).open(aside);
                file.and_then(|file| file.sync_all()).map_err(of(path))?;
            }
        }
        let folders: BTreeSet<PathBuf> = folders.into_iter().map(Path::to_owned).collect();
        for (aside, path) in written {
            aside.persist(&path).map_err(|error| of(&path)(error.error))?;
        }
        for folder in &folders {
            sync_folder(folder);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(TempPath, PathBuf)>> {
        self.written.lock().expect("no thread panics while it holds the list")
    }
}

fn of(path: &Path) -> impl Fn(io::Error) -> SaveError {
    move |source| SaveError { path: path.to_owned(), source }
}

/// Writes all that waits to be written to the disk that a folder lies on, where the system can do that.
fn sync_file_system(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let folder = File::open(folder)?;
        #[expect(unsafe_code, reason = "it is a function of C that the standard library does not have")]
        // SAFETY: it takes a descriptor, which is open as long as `folder` is.
        let synced = unsafe { libc::syncfs(folder.as_raw_fd()) };
        if synced == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        Err(ErrorKind::Unsupported.into())
    }
}

/// How the names of temporary files begin and end.
const PREFIX: &str = ".";
const SUFFIX: &str = ".part";

/// The bytes in a temporary file next to where they shall go, synced or not, which deletes itself unless it gets a name.
fn written_beside<'a>(path: &'a Path, bytes: &[u8], is_synced: bool) -> io::Result<(NamedTempFile, &'a Path)> {
    let (mut file, folder) = made_beside(path)?;
    file.write_all(bytes)?;
    if is_synced {
        file.as_file().sync_all()?;
    }
    Ok((file, folder))
}

/// A temporary file, with nothing in it yet, in the folder where it shall get this name.
fn made_beside(path: &Path) -> io::Result<(NamedTempFile, &Path)> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    Ok((builder.tempfile_in(folder)?, folder))
}

/// Makes a folder and those above it. A file in its place is called what it is, not a folder that exists already.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => ErrorKind::NotADirectory.into(),
        _ => error,
    })
}

/// Makes the new name durable. Some systems cannot sync a folder; the file is complete all the same.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        drop(folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_saved_file_replaces_the_old_one_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new folder/a.txt");
        save_atomically(&path, b"old").unwrap();
        save_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names_in(path.parent().unwrap()), ["a.txt"]);
    }

    #[test]
    fn a_reader_sees_the_old_file_or_the_new_one_and_never_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (old, new) = (vec![b'o'; 300_000], vec![b'n'; 200_000]);
        save_atomically(&path, &old).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..20 {
                    save_atomically(&path, &new).unwrap();
                    save_atomically(&path, &old).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = std::fs::read(&path).unwrap();
                assert!(seen == old || seen == new, "a mixture of {} bytes", seen.len());
            }
        });
    }

    #[test]
    fn a_new_file_never_replaces_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        save_new(&path, b"first").unwrap();
        let error = save_new(&path, b"second").unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(names_in(dir.path()), ["a"]);
    }

    #[test]
    fn what_is_written_in_pieces_has_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder/a");
        let write = |file: &mut File| {
            file.write_all(b"one ")?;
            let aside: Vec<_> = names_in(&dir.path().join("folder"));
            assert!(aside.len() == 1 && is_unfinished(Path::new(&aside[0])), "{aside:?}");
            file.write_all(b"two")
        };
        save_new_by(&path, write).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two");
        assert!(!is_unfinished(&path));
        let error = save_new_by(&dir.path().join("folder/b"), |_| Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::StorageFull);
        assert_eq!(save_new_by(&path, |_| Ok(())).unwrap_err().source.kind(), ErrorKind::AlreadyExists);
        assert_eq!(names_in(&dir.path().join("folder")), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_has_room_and_one_that_is_not_there_has_not() {
        let dir = tempfile::tempdir().unwrap();
        let free = free_on_disk(dir.path()).unwrap();
        assert!((1 << 20..1 << 60).contains(&free), "{free} bytes");
        assert_eq!(free_on_disk(&dir.path().join("gone")), None);
    }

    #[test]
    fn many_files_get_their_names_together_or_not_at_all() {
        for count in [3, 40] {
            let dir = tempfile::tempdir().unwrap();
            let paths: Vec<_> = (0..count).map(|i| dir.path().join(format!("folder/{i}"))).collect();
            let together = Together::default();
            for (i, path) in paths.iter().enumerate() {
                together.write(path, &[i as u8; 3]).unwrap();
            }
            assert!(!paths.iter().any(|path| path.exists()));
            together.finish().unwrap();
            assert!(paths.iter().enumerate().all(|(i, path)| std::fs::read(path).unwrap() == [i as u8; 3]));
            let let_go = Together::default();
            let_go.write(&dir.path().join("folder/other"), b"x").unwrap();
            drop(let_go);
            assert_eq!(names_in(&dir.path().join("folder")).len(), count);
        }
    }

    #[test]
    fn a_file_where_a_folder_should_be_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), b"").unwrap();
        let error = save_atomically(&dir.path().join("file/a.txt"), b"x").unwrap_err().to_string();
        assert!(error.contains("file/a.txt") && error.contains("not a folder"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said_in_words() {
        let source = io::Error::from_raw_os_error(28);
        let error = SaveError { path: "/a/b.png".into(), source }.to_string();
        assert_eq!(
            error, "the disk is full: free some space, or save somewhere else: /a/b.png",
            "28 is ENOSPC on Linux"
        );
    }
}
