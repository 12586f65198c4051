use crate::files::SaveError;
use crate::geom::Extent;
use crate::memory::NoRoom;
use std::io;

/// Why an image could not be read or written, in words for the person who chose it. `name` is the file, or what stands for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or read.
    #[error("{}: {name}", reading_advice(.source))]
    Read {
        /// Which file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The bytes are no image.
    #[error("this is not an image: choose a PNG, JPEG, WebP or TIFF file: {name}")]
    NotAnImage {
        /// Which file.
        name: String,
    },
    /// An image of a kind that is not read.
    #[error("this kind of image ({kind}) is not read: convert it to PNG, JPEG, WebP or TIFF: {name}")]
    Unsupported {
        /// Which file.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// An image without a pixel.
    #[error("this image has no pixels ({extent}): choose another file: {name}")]
    Empty {
        /// Which file.
        name: String,
        /// The size it claims.
        extent: Extent,
    },
    /// More pixels than are taken.
    #[error(
        "this image is too large ({extent}; at most {side} pixels a side and {mega} million in all): make it smaller first: {name}",
        side = super::Picture::MAX_SIDE, mega = super::Picture::MAX_AREA / 1_000_000
    )]
    TooLarge {
        /// Which file.
        name: String,
        /// The size it claims.
        extent: Extent,
    },
    /// More than memory holds.
    #[error("this image is {extent}: {short}: {name}")]
    NoRoom {
        /// Which file.
        name: String,
        /// Its size.
        extent: Extent,
        /// What is there.
        short: NoRoom,
    },
    /// The file begins like an image and is none, or ends too early.
    #[error("this image is damaged or incomplete ({reason}): try to copy or save it again: {name}")]
    Damaged {
        /// Which file.
        name: String,
        /// What the decoder said.
        reason: String,
    },
    /// A picture could not be put into a file of the kind that was asked for.
    #[error("the picture could not be written ({0})")]
    Encode(String),
    /// The file could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}

fn reading_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "this file may not be read: change its permissions".into(),
        io::ErrorKind::IsADirectory => "this is a folder: choose an image file in it".into(),
        _ => format!("this file cannot be read ({error}): try again, or copy it somewhere else"),
    }
}
