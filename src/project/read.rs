use super::ora_read::STACK;
use super::{BeyondEntry, CONTENTS, Contents, Error, Opened, Project, VERSION};
use crate::geom::Extent;
use crate::paint::{Frame, Layer, Placed, Stack, Tiles};
use crate::pixels::{self, Mask, Picture};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::ZipArchive;
use zip::result::ZipError;

/// More than the list of two hundred layers takes.
pub(super) const MOST_CONTENTS: u64 = 64 << 20;
/// The longest side of a picture that guides: no larger one is of use.
const LARGEST_GUIDE: u32 = 4096;
/// What all layers together may take in memory, and once more what of them lies outside of the document.
const MOST_BYTES: usize = 8 << 30;

impl Project {
    /// Opens a `.sfumato` or an `.ora` file, told apart by what is in it.
    pub fn open(path: &Path) -> Result<Opened, Error> {
        let name = path.display().to_string();
        let unread = |source| Error::Read { name: name.clone(), source };
        let mut file = File::open(path).map_err(unread)?;
        let mut start = Vec::new();
        file.by_ref().take(4).read_to_end(&mut start).map_err(unread)?;
        file.rewind().map_err(unread)?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| match error {
            ZipError::Io(source) if source.kind() != ErrorKind::UnexpectedEof => unread(source),
            // It began as an archive, and the list of what is in it stands at the end.
            _ if start == *b"PK\x03\x04" => {
                Error::Damaged { name: name.clone(), what: "its end is missing".to_owned() }
            }
            _ => Error::NotAProject(name.clone()),
        })?;
        let reader = Reader { archive, name, bytes_beyond: 0 };
        if reader.archive.index_for_name(CONTENTS).is_some() {
            let project = reader.project()?;
            return Ok(Opened { project, notes: Vec::new() });
        }
        if reader.archive.index_for_name(STACK).is_some() {
            return reader.open_raster();
        }
        Err(Error::NotAProject(reader.name))
    }
}

pub(super) struct Reader {
    archive: ZipArchive<BufReader<File>>,
    name: String,
    /// What was read that lies outside of the document takes so much.
    bytes_beyond: usize,
}

impl Reader {
    /// More than any PNG file of a picture within the size limits.
    pub(super) const MOST_PIXELS: u64 = 1 << 30;

    fn project(mut self) -> Result<Project, Error> {
        let text = self.bytes(CONTENTS, MOST_CONTENTS)?;
        let contents = self.contents(&text)?;
        let extent = contents.extent;
        let count = contents.layers.len();
        self.check(extent, count)?;
        let mut layers = Vec::new();
        // Layers that name one file share its pixels.
        let mut read: HashMap<String, Tiles> = HashMap::new();
        for entry in contents.layers {
            let tiles = match read.get(&entry.file) {
                Some(tiles) => tiles.clone(),
                None => Tiles::of(&self.picture(&entry.file, extent)?),
            };
            read.insert(entry.file, tiles.clone());
            let beyond = match entry.beyond {
                Some(beyond) => self.beyond(&beyond, extent)?,
                None => None,
            };
            layers.push(Layer { id: entry.id, look: entry.look, tiles, beyond });
        }
        let mask = match contents.mask {
            Some(file) => Some(Arc::new(Mask::from_picture(&self.picture(&file, extent)?))),
            None => None,
        };
        let guide = match contents.guide {
            Some(file) => Some(Arc::new(self.picture_up_to(&file, None)?.thumbnail(LARGEST_GUIDE))),
            None => None,
        };
        let stack = Stack::from_layers(layers.into_iter(), contents.active);
        if stack.layers().len() != count {
            return Err(self.damaged("two layers have one number"));
        }
        let (masks_room, settings) = (contents.masks_room, contents.settings);
        let file = contents.file.map(PathBuf::from);
        Ok(Project { extent, stack, mask, masks_room, guide, settings, file })
    }

    /// Refuses what has no pixels, and what has more than can be held.
    pub(super) fn check(&self, extent: Extent, layers: usize) -> Result<(), Error> {
        if layers == 0 || extent.is_empty() {
            return Err(self.damaged("it has no layers or no pixels"));
        }
        let is_too_large =
            extent.width.max(extent.height) > Frame::MOST_SIDE || extent.area().saturating_mul(4 * layers) > MOST_BYTES;
        if is_too_large || layers > Stack::MOST_LAYERS {
            return Err(Error::TooLarge { name: self.name.clone(), extent, layers });
        }
        Ok(())
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

    /// What a file has that lies outside of the document.
    fn beyond(&mut self, entry: &BeyondEntry, extent: Extent) -> Result<Option<Arc<Placed>>, Error> {
        let BeyondEntry { file, left, top } = entry;
        // Each layer may name one that takes seconds to decode and leaves nothing.
        let picture = self.picture_up_to(file, Some(Placed::most(extent)))?;
        let placed = Placed { tiles: Tiles::of(&picture), left: *left, top: *top };
        let beyond = self.kept(&placed, extent)?;
        if beyond.is_none() && !placed.tiles.is_clear() {
            return Err(self.damaged(&format!("{file} lies at {left}, {top}, where nothing of a layer is kept")));
        }
        Ok(beyond)
    }

    /// What of a layer is kept outside of the document, if it is not too much with that of those before.
    pub(super) fn kept(&mut self, placed: &Placed, extent: Extent) -> Result<Option<Arc<Placed>>, Error> {
        let beyond = placed.beyond(extent);
        self.bytes_beyond += beyond.as_ref().map_or(0, |beyond| beyond.bytes());
        if self.bytes_beyond > MOST_BYTES {
            return Err(Error::TooMuchBeyond { name: self.name.clone() });
        }
        Ok(beyond)
    }

    fn picture(&mut self, file: &str, extent: Extent) -> Result<Picture, Error> {
        let picture = self.picture_up_to(file, None)?;
        if picture.extent() != extent {
            let what = format!("{file} is {}, and the project {extent}", picture.extent());
            return Err(self.damaged(&what));
        }
        Ok(picture)
    }

    /// A picture as it is. One that is larger than `most` is not decoded.
    fn picture_up_to(&mut self, file: &str, most: Option<Extent>) -> Result<Picture, Error> {
        let bytes = self.bytes(file, Self::MOST_PIXELS)?;
        if let Some((is, most)) = Picture::size_of(&bytes).zip(most)
            && (is.width > most.width || is.height > most.height)
        {
            return Err(self.damaged(&format!("{file} is {is}, and no more than {most} is kept of a layer")));
        }
        Picture::decode(&bytes, file).map_err(|error| self.undecoded(&error))
    }

    /// A file of the archive, no larger than it may be whatever its header says.
    pub(super) fn bytes(&mut self, file: &str, most: u64) -> Result<Vec<u8>, Error> {
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

    /// Why a picture in it could not be decoded: for lack of memory, or because it is damaged.
    pub(super) fn undecoded(&self, error: &pixels::Error) -> Error {
        match error {
            pixels::Error::NoRoom { short, .. } => Error::NoRoom { name: self.name.clone(), short: *short },
            _ => self.damaged(&error.to_string()),
        }
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::Damaged { name: self.name.clone(), what: what.chars().take(300).collect() }
    }
}
