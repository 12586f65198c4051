//! Image files with texts in them. The image crate cannot write texts into PNG files; png, which it is built on, can. JPEG and WebP
//! carry one text, as A1111 has it: EXIF's user comment.

use super::texts::exif_of_comment;
use super::{Error, Picture};
use crate::files;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};
use std::path::Path;

/// A kind of image file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Every pixel as it is.
    Png,
    /// Small; pixels come near to what they were, and what is clear becomes white.
    Jpeg,
    /// Every pixel as it is.
    WebP,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::WebP];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
        }
    }

    /// How names of such files end, the usual way first.
    pub const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::WebP => &["webp"],
        }
    }

    /// By the ending of a file's name. None if it is another kind of file.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.endings().contains(&ending.as_str()))
    }
}

impl Picture {
    /// The quality of JPEG files, of 100.
    const JPEG_QUALITY: u8 = 95;

    /// This picture as the bytes of a file of this format, with the text that programs of Stable Diffusion read the settings from.
    /// A JPEG file has at most 65535 pixels a side and room for 32,000 characters, a WebP file at most 16384 pixels a side.
    pub fn encode(&self, format: Format, parameters: Option<&str>) -> Result<Vec<u8>, Error> {
        /// A segment's length has 16 bits, and counts itself and the six bytes that say what is in it.
        const MOST_EXIF: usize = u16::MAX as usize - 8;
        let exif = parameters.map(exif_of_comment);
        if format == Format::Jpeg && exif.as_ref().is_some_and(|exif| exif.len() > MOST_EXIF) {
            let why = "its settings are too long for a JPEG file: write it as PNG or WebP";
            return Err(Error::Encode(why.into()));
        }
        let mut bytes = Vec::new();
        let encoded = match format {
            Format::Png => return self.encode_png(parameters.map(|text| ("parameters", text)).as_slice()),
            Format::Jpeg => self.encoded(JpegEncoder::new_with_quality(&mut bytes, Self::JPEG_QUALITY), exif, true),
            Format::WebP => self.encoded(WebPEncoder::new_lossless(&mut bytes), exif, self.is_opaque()),
        };
        encoded.map_err(|error| Error::Encode(error.to_string()))?;
        Ok(bytes)
    }

    /// Writes this picture as a file of this format, as [`Self::encode`] makes it: all of it, or nothing.
    pub fn write(&self, path: &Path, format: Format, parameters: Option<&str>) -> Result<(), Error> {
        Ok(files::save_atomically(path, &self.encode(format, parameters)?)?)
    }

    fn encoded(
        &self,
        mut encoder: impl ImageEncoder,
        exif: Option<Vec<u8>>,
        is_opaque: bool,
    ) -> Result<(), ImageError> {
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif).map_err(ImageError::Unsupported)?;
        }
        let (width, height) = (self.extent().width, self.extent().height);
        if is_opaque {
            encoder.write_image(&self.rgb_over_white(), width, height, ExtendedColorType::Rgb8)
        } else {
            encoder.write_image(self.rgba(), width, height, ExtendedColorType::Rgba8)
        }
    }

    fn rgb_over_white(&self) -> Vec<u8> {
        let over = |colour: u8, alpha: u8| {
            let alpha = u32::from(alpha);
            ((u32::from(colour) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        self.rgba().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| [over(r, a), over(g, a), over(b, a)]).collect()
    }

    /// This picture as the bytes of a PNG file with `texts` (key, text) in it: tEXt where Latin-1 can say it, else iTXt, as
    /// Pillow does. A key has 1 to 79 Latin-1 characters. An opaque picture is written without its alpha.
    pub fn encode_png(&self, texts: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes, texts).map_err(|e| Error::Encode(e.to_string()))?;
        Ok(bytes)
    }

    /// Writes this picture as a PNG file with `texts` in it, as [`Self::encode_png`] makes it: all of it, or nothing.
    pub fn write_png(&self, path: &Path, texts: &[(&str, &str)]) -> Result<(), Error> {
        Ok(files::save_atomically(path, &self.encode_png(texts)?)?)
    }

    fn encode_into(&self, bytes: &mut Vec<u8>, texts: &[(&str, &str)]) -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(bytes, self.extent().width, self.extent().height);
        encoder.set_depth(png::BitDepth::Eight);
        for &(key, text) in texts {
            // A NUL ends a text for every reader.
            let text = text.replace('\0', "");
            if text.chars().all(|c| u32::from(c) < 256) {
                encoder.add_text_chunk(key.into(), text)?;
            } else {
                encoder.add_itxt_chunk(key.into(), text)?;
            }
        }
        if self.is_opaque() {
            encoder.set_color(png::ColorType::Rgb);
            let rgb: Vec<u8> = self.rgba().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            encoder.write_header()?.write_image_data(&rgb)
        } else {
            encoder.set_color(png::ColorType::Rgba);
            encoder.write_header()?.write_image_data(self.rgba())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::texts_in;
    use super::*;
    use crate::geom::Extent;

    #[test]
    fn latin_1_goes_into_text_chunks_and_the_rest_into_international_ones() {
        let picture = Picture::filled(Extent::new(2, 2), [1, 2, 3, 255]);
        let bytes = picture.encode_png(&[("parameters", "a café\nSteps: 20"), ("note", "日本")]).unwrap();
        let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|w| w == wanted);
        assert!(has(b"tEXtparameters\0a caf\xe9\nSteps: 20"));
        assert!(has("iTXtnote\0\0\0\0\0日本".as_bytes()));
        assert_eq!(
            texts_in(&bytes),
            [("parameters".into(), "a café\nSteps: 20".into()), ("note".into(), "日本".into())]
        );
    }

    /// Of every kind of pixel.
    fn translucent() -> Picture {
        let extent = Extent::new(16, 16);
        Picture::from_rgba(extent, (0..extent.area()).flat_map(|i| [i as u8, 90, 200, (i * 7) as u8]).collect())
            .unwrap()
    }

    #[test]
    fn every_format_is_read_back_with_its_text() {
        let text = "a caf\u{e9} at \u{65e5}\u{672c}\nSteps: 20, Sampler: Euler, Seed: 7";
        let picture = translucent();
        for format in Format::ALL {
            for ending in format.endings() {
                assert_eq!(Format::of(Path::new(&format!("a.{}", ending.to_uppercase()))), Some(format));
            }
            let bytes = picture.encode(format, Some(text)).unwrap();
            assert_eq!(texts_in(&bytes), [("parameters".to_owned(), text.to_owned())], "{format:?}");
            let read = Picture::decode(&bytes, "a file").unwrap();
            if format == Format::Jpeg {
                let white =
                    Picture::decode(&Picture::filled(Extent::new(8, 8), [0; 4]).encode(format, None).unwrap(), "");
                assert_eq!(white.unwrap(), Picture::filled(Extent::new(8, 8), [255; 4]));
                assert_eq!(read.extent(), picture.extent());
            } else {
                assert_eq!(read, picture, "{format:?}");
            }
            assert_eq!(texts_in(&picture.encode(format, None).unwrap()), []);
        }
        assert_eq!((Format::of(Path::new("a.gif")), Format::of(Path::new("a"))), (None, None));
    }

    #[test]
    fn what_a_format_has_no_room_for_is_an_error() {
        let text = "word ".repeat(20_000);
        assert!(matches!(translucent().encode(Format::Jpeg, Some(&text)), Err(Error::Encode(_))));
        assert!(translucent().encode(Format::WebP, Some(&text)).is_ok());
        let wide = Picture::filled(Extent::new(16_385, 1), [0; 4]);
        assert!(matches!(wide.encode(Format::WebP, None), Err(Error::Encode(_))));
    }

    #[test]
    fn an_impossible_key_is_an_error_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let picture = Picture::filled(Extent::new(1, 1), [0; 4]);
        for key in ["", &"k".repeat(80), "日本"] {
            assert!(matches!(picture.write_png(&path, &[(key, "x")]), Err(Error::Encode(_))), "{key}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_picture_without_pixels_is_an_error() {
        assert!(Picture::filled(Extent::new(0, 3), [0; 4]).encode_png(&[]).is_err());
    }
}
