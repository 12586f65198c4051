//! From image files to pictures. Files come from anywhere: sizes are checked before memory is taken, and a file that ends too
//! early is refused rather than shown half grey.

use super::{Error, Mask, Picture};
use crate::geom::Extent;
use crate::memory::check_room;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{self, Cursor, Read};
use std::path::Path;

/// More than any picture within the size limits takes on disk.
const MAX_FILE_BYTES: u64 = 1 << 30;

impl Picture {
    /// Reads a PNG, JPEG, WebP or TIFF file (told by its content, whatever its name; the first picture of several), turned the way
    /// its EXIF orientation says.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        match read_file(path) {
            Ok(bytes) => Self::decode(&bytes, &name),
            Err(source) => Err(Error::Read { name, source }),
        }
    }

    /// The size that the bytes of an image file say, without decoding its pixels. None if they say none.
    pub fn size_of(bytes: &[u8]) -> Option<Extent> {
        let format = image::guess_format(bytes).ok()?;
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.no_limits();
        let (width, height) = reader.into_dimensions().ok()?;
        Some(Extent::new(width, height))
    }

    /// Reads the bytes of an image file. `name` stands for it in errors.
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let name = || name.to_owned();
        let damaged = |error: &ImageError| Error::Damaged { name: name(), reason: reason(error) };
        let format = image::guess_format(bytes).map_err(|_| Error::NotAnImage { name: name() })?;
        if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Tiff) {
            let kind = format!("{format:?}").to_uppercase();
            return Err(Error::Unsupported { name: name(), kind });
        }
        if let Some(extent) = png_claims(bytes)
            && extent.is_empty()
        {
            return Err(Error::Empty { name: name(), extent });
        }

        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.no_limits();
        let mut decoder = reader.into_decoder().map_err(|e| damaged(&e))?;
        let (width, height) = decoder.dimensions();
        let extent = Extent::new(width, height);
        if extent.is_empty() {
            return Err(Error::Empty { name: name(), extent });
        }
        if !Self::holds(extent) {
            return Err(Error::TooLarge { name: name(), extent });
        }
        // As it is stored, and as it is kept.
        check_room(decoder.total_bytes().saturating_add(extent.area() as u64 * 4)).map_err(|short| Error::NoRoom {
            name: name(),
            extent,
            short,
        })?;
        if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
            return Err(Error::Damaged { name: name(), reason: "it ends too early".into() });
        }
        let mut limits = Limits::no_limits();
        // Twice the largest picture at 16 bits a channel.
        limits.max_alloc = Some(Self::MAX_AREA as u64 * 16);
        decoder.set_limits(limits).map_err(|e| damaged(&e))?;
        let orientation = decoder.orientation().ok();
        let mut image = DynamicImage::from_decoder(decoder).map_err(|e| damaged(&e))?;
        if let Some(orientation) = orientation {
            image.apply_orientation(orientation);
        }
        let rgba = image.into_rgba8();
        let extent = Extent::new(rgba.width(), rgba.height());
        Ok(Self::from_rgba(extent, rgba.into_raw()).expect("an image has as many bytes as its size says"))
    }
}

impl Mask {
    /// Reads the bytes of an image file as a mask. `name` stands for it in errors.
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self, Error> {
        Ok(Self::from_picture(&Picture::decode(bytes, name)?))
    }
}

/// The whole of an ordinary file, unless it is far too large to be a picture.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !about.is_file() {
        return Err(io::Error::other("it is not an ordinary file"));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 1 GiB"));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    std::fs::File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The decoder's words, in one line and without its repetition of the format.
fn reason(error: &ImageError) -> String {
    let text = match error {
        ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => "it ends too early".into(),
        other => std::error::Error::source(other).map_or_else(|| other.to_string(), ToString::to_string),
    };
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// The size in a PNG file's header chunk (PNG specification, 11.2.1), which the decoder refuses to tell when it is zero.
fn png_claims(bytes: &[u8]) -> Option<Extent> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some(Extent::new(number(0)?, number(4)?))
}

/// Whether a JPEG file goes on to its end-of-image marker (ITU-T T.81, B.1.1). The decoder fills what is missing with grey.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xd9;
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    loop {
        // Inside a scan, 0xff is followed by 0 or a restart marker; before a marker, by any number of 0xff.
        let Some(found) = bytes.get(at..).and_then(|rest| {
            rest.windows(2).position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0x01 | 0xff | 0xd0..=0xd8))
        }) else {
            return false;
        };
        at += found + 2;
        match bytes[at - 1] {
            END_OF_IMAGE => return true,
            START_OF_SCAN => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
                    return false;
                };
                at += usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
