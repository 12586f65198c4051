//! Saving a file so that a crash, a full disk or a power cut leaves either the old file or the new one, never a half:
//! the bytes go to a second file in the same folder, are synced to the disk, and take the name in one step.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

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
            let (file, folder) = written_beside(&target, bytes)?;
            file.persist(&target).map_err(|e| e.error)?;
            sync_folder(folder);
            Ok(())
        })
        .map_err(|source| SaveError { path: path.to_owned(), source })
}

/// Writes a file in one step where there is none yet. With a file there, fails with [`ErrorKind::AlreadyExists`].
pub fn save_new(path: &Path, bytes: &[u8]) -> Result<(), SaveError> {
    written_beside(path, bytes)
        .and_then(|(file, folder)| {
            file.persist_noclobber(path).map_err(|e| e.error)?;
            sync_folder(folder);
            Ok(())
        })
        .map_err(|source| SaveError { path: path.to_owned(), source })
}

/// The bytes in a synced temporary file next to where they shall go, which deletes itself unless it gets a name.
fn written_beside<'a>(path: &'a Path, bytes: &[u8]) -> io::Result<(NamedTempFile, &'a Path)> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok((file, folder))
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
