use super::*;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use proptest::prelude::*;

fn gradient() -> Picture {
    let extent = Extent::new(40, 24);
    let rgba = (0..extent.area()).flat_map(|i| [(i * 7) as u8, (i / 40 * 10) as u8, (i % 40 * 6) as u8, 255]).collect();
    Picture::from_rgba(extent, rgba).unwrap()
}

/// The same picture in the four formats; JPEG with an EXIF block if there is one.
fn files(exif: Option<&[u8]>) -> [Vec<u8>; 4] {
    let picture = gradient();
    let rgb: Vec<u8> = picture.rgba().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let (mut jpeg, mut webp) = (Vec::new(), Vec::new());
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif.into()).unwrap();
    }
    encoder.write_image(&rgb, 40, 24, ExtendedColorType::Rgb8).unwrap();
    WebPEncoder::new_lossless(&mut webp).write_image(&rgb, 40, 24, ExtendedColorType::Rgb8).unwrap();
    let mut tiff = Cursor::new(Vec::new());
    TiffEncoder::new(&mut tiff).write_image(&rgb, 40, 24, ExtendedColorType::Rgb8).unwrap();
    [picture.encode_png(&[("parameters", "a cat")]).unwrap(), jpeg, webp, tiff.into_inner()]
}

fn error_of(bytes: &[u8]) -> String {
    Picture::decode(bytes, "cat.png").unwrap_err().to_string()
}

#[test]
fn all_four_formats_are_told_by_their_content() {
    let [png, jpeg, webp, tiff] = files(None);
    assert_eq!(Picture::decode(&tiff, "cat.png").unwrap(), gradient());
    assert_eq!(Picture::decode(&png, "cat.jpg").unwrap(), gradient());
    assert_eq!(Picture::decode(&webp, "cat.png").unwrap(), gradient());
    assert_eq!(Picture::decode(&jpeg, "cat.png").unwrap().extent(), Extent::new(40, 24));
}

#[test]
fn a_picture_is_turned_as_its_exif_orientation_says() {
    // A big-endian TIFF block with one entry: orientation (0x0112), a short, 6 = turn right by a quarter.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let [_, jpeg, ..] = files(Some(exif));
    assert_eq!(Picture::decode(&jpeg, "cat.jpg").unwrap().extent(), Extent::new(24, 40));
}

#[test]
fn what_is_no_image_is_said_with_its_name() {
    for bytes in [&b""[..], b"a prompt, not a picture", &[0; 64]] {
        let error = error_of(bytes);
        assert!(error.starts_with("this is not an image") && error.ends_with("cat.png"), "{error}");
    }
    let error = error_of(b"GIF89a\x01\0\x01\0\0\0\0;");
    assert!(error.contains("GIF") && error.contains("convert it to PNG"), "{error}");
}

#[test]
fn a_missing_file_and_a_folder_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Picture::load(&dir.path().join("gone.png")).unwrap_err().to_string();
    assert!(missing.starts_with("there is no such file") && missing.ends_with("gone.png"), "{missing}");
    let folder = Picture::load(dir.path()).unwrap_err().to_string();
    assert!(folder.starts_with("this is a folder"), "{folder}");
}

/// The PNG of `gradient` with another size in its header, its checksum made right again.
fn png_that_claims(extent: Extent) -> Vec<u8> {
    let [mut png, ..] = files(None);
    png[16..20].copy_from_slice(&extent.width.to_be_bytes());
    png[20..24].copy_from_slice(&extent.height.to_be_bytes());
    // CRC-32 as PNG's annex D defines it, over the chunk's type and data.
    let crc = !png[12..29].iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    });
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

#[test]
fn a_picture_without_pixels_is_refused() {
    for extent in [Extent::new(0, 24), Extent::new(40, 0)] {
        let error = error_of(&png_that_claims(extent));
        assert!(error.contains("no pixels") && error.contains(&extent.to_string()), "{error}");
    }
}

#[test]
fn a_file_that_claims_too_many_pixels_is_refused_before_they_are_read() {
    for extent in
        [Extent::new(16_385, 1), Extent::new(1, 16_385), Extent::new(12_000, 12_000), Extent::new(1 << 30, 1 << 30)]
    {
        let error = error_of(&png_that_claims(extent));
        assert!(error.contains("too large") && error.contains(&extent.to_string()), "{error}");
    }
}

#[test]
fn a_file_that_ends_too_early_is_refused_in_every_format() {
    for bytes in files(None) {
        for keep in [bytes.len() / 3, bytes.len() / 2, bytes.len() * 9 / 10] {
            let error = error_of(&bytes[..keep]);
            assert!(error.contains("damaged or incomplete"), "{keep} of {}: {error}", bytes.len());
        }
    }
}

#[test]
fn no_bytes_make_the_readers_panic() {
    use proptest::test_runner::{Config, TestRunner};
    let files = files(Some(b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0\0\0"));
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let damage =
        (0usize..4, any::<prop::sample::Index>(), prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6));
    let strategy = (damage, any::<bool>(), prop::collection::vec(any::<u8>(), 0..200));
    runner
        .run(&strategy, |((which, cut, flips), keep_whole, noise)| {
            let mut bytes = files[which].clone();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= value;
            }
            if !keep_whole {
                bytes.truncate(cut.index(bytes.len()));
            }
            for bytes in [&bytes, &noise] {
                if let Ok(picture) = Picture::decode(bytes, "x") {
                    prop_assert!(!picture.extent().is_empty());
                }
                drop(super::super::texts_in(bytes));
            }
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn a_png_keeps_every_pixel((width, height, rgba) in (1u32..9, 1u32..9).prop_flat_map(|(w, h)| {
        (Just(w), Just(h), prop::collection::vec(any::<u8>(), (w * h * 4) as usize))
    })) {
        let picture = Picture::from_rgba(Extent::new(width, height), rgba).unwrap();
        prop_assert_eq!(Picture::decode(&picture.encode_png(&[]).unwrap(), "x").unwrap(), picture);
    }
}
