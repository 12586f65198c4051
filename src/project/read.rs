use super::{CONTENTS, Contents, Error, Project, VERSION};
use crate::geom::Extent;
use crate::paint::{Layer, Stack, Tiles};
use crate::pixels::{Mask, Picture};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// More than the list of two hundred layers takes.
const MOST_CONTENTS: u64 = 4 << 20;
/// More than any PNG file of a picture within the size limits.
const MOST_PIXELS: u64 = 1 << 30;
/// What all layers together may take in memory.
const MOST_BYTES: usize = 8 << 30;

impl Project {
    /// Opens a `.sfumato` file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| Error::Read { name: name.clone(), source })?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| match error {
            ZipError::Io(source) => Error::Read { name: name.clone(), source },
            _ => Error::NotAProject(name.clone()),
        })?;
        Reader { archive, name }.project()
    }
}

struct Reader {
    archive: ZipArchive<BufReader<File>>,
    name: String,
}

impl Reader {
    fn project(mut self) -> Result<Project, Error> {
        if self.archive.index_for_name(CONTENTS).is_none() {
            return Err(Error::NotAProject(self.name));
        }
        let text = self.bytes(CONTENTS, MOST_CONTENTS)?;
        let contents = self.contents(&text)?;
        let extent = contents.extent;
        let count = contents.layers.len();
        if count == 0 || extent.is_empty() {
            return Err(self.damaged("it has no layers or no pixels"));
        }
        let is_too_large = !Picture::holds(extent) || extent.area().saturating_mul(4 * count) > MOST_BYTES;
        if is_too_large || count > Stack::MOST_LAYERS {
            return Err(Error::TooLarge { name: self.name, extent, layers: count });
        }
        let mut layers = Vec::new();
        for entry in contents.layers {
            let picture = self.picture(&entry.file, extent)?;
            layers.push(Layer { id: entry.id, look: entry.look, tiles: Tiles::of(&picture) });
        }
        let mask = match contents.mask {
            Some(file) => Some(Mask::from_picture(&self.picture(&file, extent)?)),
            None => None,
        };
        let stack = Stack::from_layers(layers.into_iter(), contents.active);
        if stack.layers().len() != count {
            return Err(self.damaged("two layers have one number"));
        }
        Ok(Project { extent, stack, mask })
    }

    /// What `project.json` says, if its version is one that is known.
    fn contents(&self, text: &[u8]) -> Result<Contents, Error> {
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u64,
        }
        let unreadable = |error: &serde_json::Error| self.damaged(&format!("{CONTENTS}: {error}"));
        let Versioned { version } = serde_json::from_slice(text).map_err(|error| unreadable(&error))?;
        if version != VERSION {
            return Err(Error::Version { name: self.name.clone(), found: version });
        }
        serde_json::from_slice(text).map_err(|error| unreadable(&error))
    }

    fn picture(&mut self, file: &str, extent: Extent) -> Result<Picture, Error> {
        let bytes = self.bytes(file, MOST_PIXELS)?;
        let picture = Picture::decode(&bytes, file).map_err(|error| self.damaged(&error.to_string()))?;
        if picture.extent() != extent {
            let what = format!("{file} is {}, and the project {extent}", picture.extent());
            return Err(self.damaged(&what));
        }
        Ok(picture)
    }

    /// A file of the archive, no larger than it may be whatever its header says.
    fn bytes(&mut self, file: &str, most: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = match self.archive.by_name(file) {
            Ok(entry) => entry.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        read.map_err(|why| self.damaged(&format!("{file}: {why}")))?;
        if bytes.len() as u64 > most {
            return Err(self.damaged(&format!("{file} is too large")));
        }
        Ok(bytes)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged { name: self.name.clone(), what: what.chars().take(300).collect() }
    }
}
