//! Documents as files of their own. A `.sfumato` file is a ZIP archive: `project.json` says what there is and how it is seen, and
//! each layer is a PNG file beside it, so that any archive program and any viewer gets at the pixels. Nothing in it is compressed
//! twice. `.ora` files (`OpenRaster` 0.0.3) are for other programs, and come from them.
//!
//! Files come from anywhere: nothing is unpacked to disk, only names that `project.json` or `stack.xml` gives are looked up, and sizes are checked
//! before memory is taken.

mod ora;
mod ora_read;
mod read;
mod write;

use crate::files::SaveError;
use crate::geom::Extent;
use crate::paint::{LayerId, LayerLook, Stack};
use crate::pixels::{self, Mask, Picture};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a project file holds: a document without its past.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// The size of every layer and of the mask.
    pub extent: Extent,
    /// The layers; at least one.
    pub stack: Stack,
    /// Where to repaint; none keeps everything.
    pub mask: Option<Arc<Mask>>,
    /// Whether that came with new room of the canvas, and goes with what fills the room.
    pub masks_room: bool,
    /// The picture that guides what is painted next.
    pub guide: Option<Arc<Picture>>,
    /// What is to be painted next, in the words of who saved it; nothing in here reads them. `OpenRaster` files and older ones have none.
    pub settings: Option<Value>,
    /// The file of what was put away without being saved there. Files that a person saves name none.
    pub file: Option<PathBuf>,
}

/// A project that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// What is in it.
    pub project: Project,
    /// What of the file is not in it, or is another way, in a sentence each.
    pub notes: Vec<String>,
}

/// Which kind of file a document is kept in, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything, to go on with here.
    Sfumato,
    /// `OpenRaster`: the layers, for other programs. The mask is not in it.
    OpenRaster,
}

impl Kind {
    /// By the ending of the file's name. None if it is another kind of file.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "sfumato" => Some(Self::Sfumato),
            "ora" => Some(Self::OpenRaster),
            _ => None,
        }
    }
}

/// Why a project could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system would not.
    #[error("it could not be read ({source}): check that it is there and may be read: {name}")]
    Read {
        /// The file's name.
        name: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else.
    #[error(
        "it is neither a Sfumato project nor an OpenRaster file: open it as a picture, or choose another file: {0}"
    )]
    NotAProject(String),
    /// Made by a program that knows more.
    #[error("its version is {found}, and this program reads {}: a newer Sfumato opens it: {name}", VERSION)]
    Version {
        /// The file's name.
        name: String,
        /// The version that it says.
        found: u64,
    },
    /// Not as a project must be.
    #[error("it is damaged ({what}): open a copy of it, if there is one: {name}")]
    Damaged {
        /// The file's name.
        name: String,
        /// What is wrong, and in which part.
        what: String,
    },
    /// More pixels than can be held.
    #[error("{layers} layers of {extent} are more than can be opened: {name}")]
    TooLarge {
        /// The file's name.
        name: String,
        /// The size that it says.
        extent: Extent,
        /// How many layers.
        layers: usize,
    },
    /// More pixels outside of the canvas than can be held.
    #[error("its layers have more outside of the canvas than can be opened: {name}")]
    TooMuchBeyond {
        /// The file's name.
        name: String,
    },
    /// More than memory holds.
    #[error("a layer does not fit into memory: {short}: {name}")]
    NoRoom {
        /// The file's name.
        name: String,
        /// What is there.
        short: crate::memory::NoRoom,
    },
    /// A layer's pixels could not be made a PNG file.
    #[error(transparent)]
    Pixels(#[from] pixels::Error),
    /// The disk is full, or the like.
    #[error(transparent)]
    Save(#[from] SaveError),
}

const VERSION: u64 = 1;
const CONTENTS: &str = "project.json";
const MASK: &str = "mask.png";
const GUIDE: &str = "guide.png";

/// What `project.json` says.
#[derive(Serialize, Deserialize)]
struct Contents {
    version: u64,
    extent: Extent,
    active: Option<LayerId>,
    /// The lowest first.
    layers: Vec<LayerEntry>,
    /// The name of the mask's file in the archive.
    #[serde(default)]
    mask: Option<String>,
    /// Older files do not say.
    #[serde(default)]
    masks_room: bool,
    /// The name of the guide's file in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guide: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Value>,
    /// None where its path is no text: JSON has no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct LayerEntry {
    id: LayerId,
    /// The name of its PNG file in the archive.
    file: String,
    /// What of it lies outside of the document. Versions that do not know of it open the file without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beyond: Option<BeyondEntry>,
    #[serde(flatten)]
    look: LayerLook,
}

#[derive(Serialize, Deserialize)]
struct BeyondEntry {
    /// The name of its PNG file in the archive: clear within the document.
    file: String,
    /// Where its left and top corner lies by the document's, in pixels.
    left: i32,
    top: i32,
}

#[cfg(test)]
mod tests;
