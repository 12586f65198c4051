//! The texts that programs leave in image files: PNG text chunks by their keys, and EXIF's user comment, where JPEG and WebP
//! carry what PNG keeps under `parameters`.

use super::read::read_file;
use image::{ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;
use std::path::Path;

/// No honest text is longer.
const MAX_TEXT_BYTES: usize = 8 << 20;

/// The texts in an image file, (key, text), in the file's order for each kind of chunk. None where the file cannot be read or
/// has none: [`super::Picture::load`] says what is wrong with a file.
pub fn read_texts(path: &Path) -> Vec<(String, String)> {
    read_file(path).map(|bytes| texts_in(&bytes)).unwrap_or_default()
}

/// The texts in the bytes of an image file: PNG's tEXt, zTXt and iTXt by their keys, before or after the pixels; EXIF's user
/// comment in JPEG, WebP and PNG under the key `parameters`, as A1111 writes it. At most 8 MiB each.
pub fn texts_in(bytes: &[u8]) -> Vec<(String, String)> {
    let format = image::guess_format(bytes).ok();
    let mut texts = if format == Some(ImageFormat::Png) { png_texts(bytes) } else { Vec::new() };
    if let Some(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) = format
        && let Some(comment) = exif_of(bytes, format).and_then(|exif| user_comment(&exif))
        && !texts.iter().any(|(key, _)| key == "parameters")
    {
        texts.push(("parameters".into(), comment));
    }
    texts
}

fn png_texts(bytes: &[u8]) -> Vec<(String, String)> {
    let limits = png::Limits { bytes: 4 * MAX_TEXT_BYTES };
    let Ok(mut reader) = png::Decoder::new_with_limits(Cursor::new(bytes), limits).read_info() else {
        return Vec::new();
    };
    // A damaged end keeps what was read before it.
    drop(reader.finish());
    let info = reader.info();
    let mut texts: Vec<_> = info.uncompressed_latin1_text.iter().map(|c| (c.keyword.clone(), c.text.clone())).collect();
    for chunk in &info.compressed_latin1_text {
        let mut chunk = chunk.clone();
        if chunk.decompress_text_with_limit(MAX_TEXT_BYTES).is_ok()
            && let Ok(text) = chunk.get_text()
        {
            texts.push((chunk.keyword, text));
        }
    }
    for chunk in &info.utf8_text {
        let mut chunk = chunk.clone();
        if chunk.decompress_text_with_limit(MAX_TEXT_BYTES).is_ok()
            && let Ok(text) = chunk.get_text()
        {
            texts.push((chunk.keyword, text));
        }
    }
    texts.retain(|(_, text)| text.len() <= MAX_TEXT_BYTES);
    texts
}

fn exif_of(bytes: &[u8], format: ImageFormat) -> Option<Vec<u8>> {
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().ok()?;
    decoder.exif_metadata().ok().flatten()
}

/// EXIF with a user comment in it, laid out as A1111's piexif lays it out: two directories with one entry each, the text in UTF-16.
pub(super) fn exif_of_comment(text: &str) -> Vec<u8> {
    const LONG: u16 = 4;
    const UNDEFINED: u16 = 7;
    let mut exif = b"MM\0*".to_vec();
    exif.extend(8_u32.to_be_bytes());
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (second_directory, comment) = (26_u32, 44_u32);
    for (tag, kind, count, value) in
        [(0x8769_u16, LONG, 1, second_directory), (0x9286, UNDEFINED, 8 + units.len() as u32, comment)]
    {
        exif.extend(1_u16.to_be_bytes());
        exif.extend(tag.to_be_bytes());
        exif.extend(kind.to_be_bytes());
        exif.extend(count.to_be_bytes());
        exif.extend(value.to_be_bytes());
        exif.extend(0_u32.to_be_bytes());
    }
    exif.extend(b"UNICODE\0");
    exif.extend(units);
    exif
}

/// The user comment (tag 0x9286 of the EXIF directory, 0x8769 of the first one; EXIF 2.32, 4.6.5) of a TIFF block.
fn user_comment(exif: &[u8]) -> Option<String> {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let big_endian = match exif.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let tiff = Tiff { bytes: exif, big_endian };
    let exif_directory = tiff.entry(tiff.long(4)?, 0x8769)?;
    let comment = tiff.entry(tiff.long(exif_directory + 8)?, 0x9286)?;
    let length = tiff.long(comment + 4)?;
    let start = if length <= 4 { comment + 8 } else { tiff.long(comment + 8)? };
    let value = exif.get(start..start.checked_add(length.min(MAX_TEXT_BYTES))?)?;
    Some(comment_text(value, big_endian)).filter(|text| !text.is_empty())
}

struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Tiff<'_> {
    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) } as usize)
    }

    /// Where the entry with this tag starts, in the directory at `directory`.
    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let count = usize::from(self.short(directory)?);
        (0..count).map(|i| directory + 2 + 12 * i).find(|&at| self.short(at) == Some(tag))
    }
}

/// A user comment's text: eight bytes name its coding. `UNICODE` is UTF-16, big-endian as A1111 writes it, unless every other
/// byte says that it is not; what names no coding is read as UTF-8.
fn comment_text(value: &[u8], big_endian_file: bool) -> String {
    let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let text = match value.split_at_checked(8) {
        Some((b"UNICODE\0", text)) => utf_16(text, big_endian_file),
        Some((b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0", text)) => utf8(text),
        _ => utf8(value),
    };
    text.trim_matches('\0').to_owned()
}

fn utf_16(bytes: &[u8], big_endian_file: bool) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let big_endian = match pairs.first() {
        Some([0xfe, 0xff]) => true,
        Some([0xff, 0xfe]) => false,
        // Prompts are mostly ASCII: the zero bytes tell which half comes first.
        _ => {
            let zeros = |half: usize| pairs.iter().filter(|pair| pair[half] == 0).count();
            let (first, second) = (zeros(0), zeros(1));
            if first == second { big_endian_file } else { first > second }
        }
    };
    let units: Vec<u16> =
        pairs.iter().map(|&p| if big_endian { u16::from_be_bytes(p) } else { u16::from_le_bytes(p) }).collect();
    String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned()
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
