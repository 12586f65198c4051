//! PNG files with texts in them. The image crate cannot write texts; png, which it is built on, can.

use super::{Error, Picture};
use crate::files;
use std::path::Path;

impl Picture {
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
