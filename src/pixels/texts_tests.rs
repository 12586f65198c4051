use super::*;
use crate::geom::Extent;
use crate::pixels::Picture;
use proptest::prelude::*;

/// A TIFF block with a user comment, laid out as piexif does it: first directory at 8, EXIF directory at 26.
fn exif_with(comment: &[u8], big_endian: bool) -> Vec<u8> {
    let short = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let long = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut bytes = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    let mut directory = |at: u32, tag: u16, kind: u16, count: u32, value: u32| {
        if bytes.len() == 4 {
            bytes.extend(long(at));
        }
        bytes.extend(short(1));
        bytes.extend(short(tag));
        bytes.extend(short(kind));
        bytes.extend(long(count));
        bytes.extend(long(value));
        bytes.extend(long(0));
    };
    directory(8, 0x8769, 4, 1, 26);
    directory(26, 0x9286, 7, comment.len() as u32, 44);
    bytes.extend(comment);
    bytes
}

fn utf_16_be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn a_user_comment_is_read_in_every_coding_that_is_met() {
    let text = "a café, 日本\nSteps: 20";
    let utf_16_le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for big_endian in [true, false] {
        let read = |comment: &[u8]| user_comment(&exif_with(comment, big_endian)).unwrap();
        assert_eq!(read(&[b"UNICODE\0", &utf_16_be(text)[..]].concat()), text, "as A1111 writes it");
        assert_eq!(read(&[b"UNICODE\0", &utf_16_le[..]].concat()), text);
        assert_eq!(read(&[b"ASCII\0\0\0", text.as_bytes()].concat()), text);
        assert_eq!(read(&[&[0; 8], text.as_bytes()].concat()), text);
        assert_eq!(read(text.as_bytes()), text, "no coding named");
    }
}

#[test]
fn the_comment_of_a_jpeg_file_is_found_under_parameters() {
    use image::ImageEncoder;
    let exif = exif_with(&[b"UNICODE\0", &utf_16_be("a cat\nSteps: 20")[..]].concat(), true);
    let mut jpeg = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&[90; 8 * 8 * 3], 8, 8, image::ExtendedColorType::Rgb8).unwrap();
    assert_eq!(texts_in(&jpeg), [("parameters".to_owned(), "a cat\nSteps: 20".to_owned())]);
}

#[test]
fn compressed_texts_and_texts_after_the_pixels_are_read() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.add_ztxt_chunk("parameters".into(), "a cat ".repeat(1000)).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7]).unwrap();
    writer.write_text_chunk(&png::text_metadata::TEXtChunk::new("late", "after the pixels")).unwrap();
    writer.finish().unwrap();
    let expected = [("late", "after the pixels".to_owned()), ("parameters", "a cat ".repeat(1000))];
    assert_eq!(texts_in(&bytes), expected.map(|(key, text)| (key.to_owned(), text)));
}

#[test]
fn a_small_chunk_that_swells_to_a_huge_text_is_left_out() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.add_ztxt_chunk("bomb".into(), "a".repeat(MAX_TEXT_BYTES + 1)).unwrap();
    encoder.add_text_chunk("parameters".into(), "a cat".into()).unwrap();
    encoder.write_header().unwrap().write_image_data(&[7]).unwrap();
    assert_eq!(texts_in(&bytes), [("parameters".to_owned(), "a cat".to_owned())]);
}

#[test]
fn a_file_without_texts_or_without_sense_has_none() {
    let plain = Picture::filled(Extent::new(1, 1), [0; 4]).encode_png(&[]).unwrap();
    for bytes in [&plain[..], b"", b"MM\0*"] {
        assert_eq!(texts_in(bytes), []);
    }
    assert_eq!(read_texts(Path::new("/nonexistent/a.png")), []);
}

proptest! {
    #[test]
    fn any_text_survives_a_png(text in "\\PC{0,60}") {
        let bytes = Picture::filled(Extent::new(1, 1), [0; 4]).encode_png(&[("parameters", &text)]).unwrap();
        prop_assert_eq!(texts_in(&bytes), [("parameters".to_owned(), text)]);
    }

    #[test]
    fn no_exif_block_makes_the_reader_panic(noise in prop::collection::vec(any::<u8>(), 0..80), big: bool) {
        let mut exif = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        exif.extend(&noise);
        drop(user_comment(&exif));
        let mut bent = exif_with(b"UNICODE\0\0a", big);
        for (byte, flip) in bent.iter_mut().skip(4).zip(noise) {
            *byte ^= flip & 3;
        }
        drop(user_comment(&bent));
    }
}
