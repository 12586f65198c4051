//! The names of the files that the person saves to: what is asked about before a file is replaced must be the file that is written.

use crate::pixels::Format;
use crate::project::Kind;
use std::path::{Path, PathBuf};

/// What is saved to a file that the person names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedAs {
    /// A picture: PNG, JPEG or WebP by its name.
    Picture,
    /// A mask: PNG.
    Mask,
    /// A project: `.sfumato` or `.ora` by its name.
    Project,
}

impl SavedAs {
    /// The file that is written where this one is named: a name that does not fit gets an ending that does.
    pub fn file(self, mut path: PathBuf) -> PathBuf {
        if !self.fits(&path) {
            path.as_mut_os_string().push(format!(".{}", self.ending()));
        }
        path
    }

    fn fits(self, path: &Path) -> bool {
        match self {
            Self::Picture => Format::of(path).is_some(),
            Self::Mask => Format::of(path) == Some(Format::Png),
            Self::Project => Kind::of(path).is_some(),
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Picture | Self::Mask => "png",
            Self::Project => "sfumato",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_fit_gets_an_ending_and_one_that_does_stays() {
        for (saved, named, written) in [
            (SavedAs::Picture, "x", "x.png"),
            (SavedAs::Picture, "x.JPG", "x.JPG"),
            (SavedAs::Picture, "x.gif", "x.gif.png"),
            (SavedAs::Mask, "x", "x.png"),
            (SavedAs::Mask, "x.PNG", "x.PNG"),
            (SavedAs::Mask, "x.jpg", "x.jpg.png"),
            (SavedAs::Project, "x.v2", "x.v2.sfumato"),
            (SavedAs::Project, "x.Sfumato", "x.Sfumato"),
            (SavedAs::Project, "x.ora", "x.ora"),
        ] {
            let file = saved.file(named.into());
            assert_eq!(file, Path::new(written), "{saved:?} {named}");
            assert_eq!(saved.file(file.clone()), file, "{saved:?} {named}: it is written where it was asked about");
        }
    }
}
