//! Where pictures go. A file that was named is overwritten; a name that is made up here never is.

use super::Usage;
use crate::diffusion::Painted;
use crate::files;
use crate::metadata::{FileHashes, PARAMETERS_KEY, describe};
use anyhow::{anyhow, bail};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where `--out` says that pictures go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Into a folder, under free names.
    Folder(PathBuf),
    /// Into this file.
    File(PathBuf),
    /// Into files of this name with the seed behind it.
    Files(PathBuf),
}

impl Output {
    /// A name that ends in `.png` is a file, unless a folder has that name; one with another ending is refused, unless it is a folder's.
    /// Anything else is a folder. Folders are made now, so that a path that cannot be written to is found before the painting.
    pub(super) fn new(out: Option<&Path>, count: u32) -> anyhow::Result<Self> {
        let Some(out) = out else {
            return Ok(Self::Folder(PathBuf::from(".")));
        };
        let extension = out.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_folder = out.is_dir() || out.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
        // A folder's name may have a dot in it, as before a version.
        if !is_folder && extension != "png" && extension.starts_with(char::is_alphabetic) {
            let (png, folder) = (out.with_extension("png"), out.join(""));
            bail!(Usage(format!(
                "pictures are written as PNG, not as {extension}: say --out {}, or --out {} for a folder",
                png.display(),
                folder.display()
            )));
        }
        let (output, folder) = if is_folder || extension != "png" {
            (Self::Folder(out.to_owned()), out)
        } else {
            let folder = out.parent().unwrap_or(Path::new(""));
            (if count == 1 { Self::File(out.to_owned()) } else { Self::Files(out.to_owned()) }, folder)
        };
        make_folder(folder)?;
        Ok(output)
    }

    /// Writes a picture with its settings, and says where.
    pub(super) fn write(&self, painted: &Painted, hashes: &FileHashes) -> anyhow::Result<PathBuf> {
        let text = describe(painted, hashes);
        let texts = [(PARAMETERS_KEY, text.as_str())];
        let seed = painted.request.seed;
        match self {
            Self::File(file) => {
                painted.picture.write_png(file, &texts)?;
                Ok(file.clone())
            }
            Self::Files(file) => {
                let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let file = file.with_file_name(format!("{stem}-{seed}.png"));
                painted.picture.write_png(&file, &texts)?;
                Ok(file)
            }
            Self::Folder(folder) => write_new(folder, &format!("sfumato-{seed}"), &painted.picture.encode_png(&texts)?),
        }
    }
}

/// Makes a folder that things are to be written into, unless it is there.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| anyhow!("this folder cannot be made ({error}): choose another: {}", folder.display()))
}

/// `STEM.png`, or the first of `STEM-2.png`, … that is free.
pub(super) fn write_new(folder: &Path, stem: &str, png: &[u8]) -> anyhow::Result<PathBuf> {
    for number in 1u32.. {
        let name = if number == 1 { format!("{stem}.png") } else { format!("{stem}-{number}.png") };
        let file = if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
        if file.exists() {
            continue;
        }
        match files::save_new(&file, png) {
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(file),
        }
    }
    bail!("every name for the picture is taken: choose another --out: {}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_name_is_a_file_and_anything_else_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let output = |name: &str, count| Output::new(Some(&path(name)), count).unwrap();
        assert_eq!(output("a.PNG", 1), Output::File(path("a.PNG")));
        assert_eq!(output("a.png", 2), Output::Files(path("a.png")));
        assert_eq!(output("new", 1), Output::Folder(path("new")));
        assert!(path("new").is_dir());
        std::fs::create_dir(path("odd.png")).unwrap();
        assert_eq!(output("odd.png", 1), Output::Folder(path("odd.png")));
        assert_eq!(output("of-1.5", 1), Output::Folder(path("of-1.5")));
        for name in ["a.jpg", "text.txt"] {
            assert!(Output::new(Some(&path(name)), 1).unwrap_err().is::<Usage>());
            assert!(!path(name).exists());
        }
        assert_eq!(output("text.txt/", 1), Output::Folder(path("text.txt/")));
        assert_eq!(output("text.txt", 1), Output::Folder(path("text.txt")), "it is there now");
    }

    #[test]
    fn a_made_up_name_never_overwrites() {
        let root = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3).map(|_| write_new(root.path(), "sfumato-7", b"png").unwrap()).collect();
        let expected = ["sfumato-7.png", "sfumato-7-2.png", "sfumato-7-3.png"].map(|name| root.path().join(name));
        assert_eq!(names, expected);
    }
}
