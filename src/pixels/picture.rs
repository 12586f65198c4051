use crate::geom::{Bounds, Extent};
use image::imageops::FilterType;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Finished pixels: RGBA, 8 bits a channel, straight alpha, rows from the top, sRGB.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    extent: Extent,
    rgba: Vec<u8>,
}

impl Picture {
    /// The longest side that is read from a file, or made.
    pub const MAX_SIDE: u32 = 16_384;
    /// The most pixels that are read from a file, or made.
    pub const MAX_AREA: usize = 128_000_000;

    /// Whether a picture may be this large.
    pub fn holds(extent: Extent) -> bool {
        extent.width <= Self::MAX_SIDE && extent.height <= Self::MAX_SIDE && extent.area() <= Self::MAX_AREA
    }

    /// A picture from its bytes, four a pixel. `None` if there are not exactly as many as `extent` says.
    pub fn from_rgba(extent: Extent, rgba: Vec<u8>) -> Option<Self> {
        (rgba.len() == extent.area() * 4).then_some(Self { extent, rgba })
    }

    /// A picture of one colour.
    pub fn filled(extent: Extent, pixel: [u8; 4]) -> Self {
        Self { extent, rgba: pixel.repeat(extent.area()) }
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Its bytes, four a pixel.
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// Whether no pixel lets anything through.
    pub fn is_opaque(&self) -> bool {
        self.rgba.iter().skip(3).step_by(4).all(|&alpha| alpha == 255)
    }

    /// The part of it in a box. `None` if the box reaches outside.
    pub fn cropped(&self, to: Bounds) -> Option<Self> {
        let inside = |start: u32, length: u32, side: u32| start.checked_add(length).is_some_and(|end| end <= side);
        if !inside(to.left, to.extent.width, self.extent.width) || !inside(to.top, to.extent.height, self.extent.height)
        {
            return None;
        }
        let stride = self.extent.width as usize * 4;
        let (first, length) = (to.left as usize * 4, to.extent.width as usize * 4);
        let rows = (to.top..to.bottom()).map(|y| y as usize * stride + first);
        Some(Self { extent: to.extent, rgba: rows.flat_map(|at| &self.rgba[at..at + length]).copied().collect() })
    }

    /// The same picture at another size, by Lanczos' windowed sinc (a = 3). What shines through is weighted by its alpha, so
    /// that the hidden colour of clear pixels does not bleed into their neighbours.
    #[must_use]
    pub fn resized(&self, to: Extent) -> Self {
        if to == self.extent {
            return self.clone();
        }
        if to.is_empty() || self.extent.is_empty() {
            return Self::filled(to, [0; 4]);
        }
        let Extent { width, height } = self.extent;
        let rgba = if self.is_opaque() {
            let buffer =
                image::RgbaImage::from_raw(width, height, self.rgba.clone()).expect("as many bytes as the extent says");
            image::imageops::resize(&buffer, to.width, to.height, FilterType::Lanczos3).into_raw()
        } else {
            let weighted = self.rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| {
                let [r, g, b, a] = [r, g, b, a].map(|v| f32::from(v) / 255.0);
                [r * a, g * a, b * a, a]
            });
            let buffer = image::Rgba32FImage::from_raw(width, height, weighted.collect()).expect("four floats a pixel");
            let resized = image::imageops::resize(&buffer, to.width, to.height, FilterType::Lanczos3);
            let straight = |p: &image::Rgba<f32>| {
                let alpha = p.0[3].max(f32::EPSILON);
                [p.0[0] / alpha, p.0[1] / alpha, p.0[2] / alpha, p.0[3]].map(|v| (v * 255.0).round() as u8)
            };
            resized.pixels().flat_map(straight).collect()
        };
        Self { extent: to, rgba }
    }

    /// The same picture with no side longer than `max_side` pixels, its proportions kept. Never larger than it was.
    #[must_use]
    pub fn thumbnail(&self, max_side: u32) -> Self {
        let longest = self.extent.width.max(self.extent.height);
        if longest <= max_side {
            return self.clone();
        }
        let share = f64::from(max_side) / f64::from(longest);
        let fit = |side: u32| ((f64::from(side) * share).round() as u32).max(1);
        self.resized(Extent::new(fit(self.extent.width), fit(self.extent.height)))
    }

    /// The same picture on white paper: nothing shines through any more.
    #[must_use]
    pub fn flattened(&self) -> Self {
        let on_white = |&[r, g, b, a]: &[u8; 4]| {
            let over = |v: u8| ((u32::from(v) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
            [over(r), over(g), over(b), 255]
        };
        Self { extent: self.extent, rgba: self.rgba.as_chunks::<4>().0.iter().flat_map(on_white).collect() }
    }

    /// Scaled until it covers all of a size, and cut at the middle of what is too long.
    #[must_use]
    pub fn covering(&self, to: Extent) -> Self {
        let (width, height) = (f64::from(self.extent.width), f64::from(self.extent.height));
        if self.extent.is_empty() || to.is_empty() {
            return self.resized(to);
        }
        // What is cut away is not scaled first: it may be far too large for that.
        let scale = (f64::from(to.width) / width).max(f64::from(to.height) / height);
        let seen = |side: u32, of: u32| ((f64::from(side) / scale).round() as u32).clamp(1, of);
        let extent = Extent::new(seen(to.width, self.extent.width), seen(to.height, self.extent.height));
        let bounds = Bounds {
            left: (self.extent.width - extent.width) / 2,
            top: (self.extent.height - extent.height) / 2,
            extent,
        };
        self.cropped(bounds).unwrap_or_else(|| self.clone()).resized(to)
    }

    /// Light for dark and dark for light, on white paper.
    #[must_use]
    pub fn inverted(&self) -> Self {
        let Self { extent, rgba } = self.flattened();
        let rgba = rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [255 - r, 255 - g, 255 - b, 255]).collect();
        Self { extent, rgba }
    }

    /// Names this picture by its content: SHA-256 of its size and pixels, in hexadecimal. The same on every machine and for ever.
    pub fn digest(&self) -> String {
        digest_of("picture", self.extent, &self.rgba)
    }
}

/// SHA-256 over `kind`, the size and the bytes, as 64 hexadecimal digits.
pub(super) fn digest_of(kind: &str, extent: Extent, bytes: &[u8]) -> String {
    let hash = Sha256::new().chain_update(format!("{kind} {extent}\n")).chain_update(bytes).finalize();
    hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    })
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({})", self.extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: u32, height: u32) -> Picture {
        let extent = Extent::new(width, height);
        let rgba = (0..extent.area()).flat_map(|i| [i as u8, 100, 200, 255]).collect();
        Picture::from_rgba(extent, rgba).unwrap()
    }

    #[test]
    fn a_crop_takes_the_pixels_of_its_box() {
        let bounds = Bounds { left: 1, top: 1, extent: Extent::new(2, 2) };
        let crop = numbered(4, 3).cropped(bounds).unwrap();
        let reds: Vec<u8> = crop.rgba().iter().step_by(4).copied().collect();
        assert_eq!(reds, [5, 6, 9, 10]);
    }

    #[test]
    fn a_box_that_reaches_outside_is_not_cropped() {
        for (left, top, width) in [(3, 0, 2), (0, 3, 1), (u32::MAX, 0, 2)] {
            assert_eq!(numbered(4, 3).cropped(Bounds { left, top, extent: Extent::new(width, 1) }), None);
        }
    }

    #[test]
    fn a_flat_colour_stays_that_colour_at_every_size() {
        for pixel in [[10, 200, 30, 255], [10, 200, 30, 128]] {
            let small = Picture::filled(Extent::new(5, 4), pixel);
            assert_eq!(small.resized(Extent::new(17, 3)), Picture::filled(Extent::new(17, 3), pixel));
        }
    }

    #[test]
    fn the_hidden_colour_of_clear_pixels_does_not_bleed() {
        let rgba = [[255, 0, 0, 0], [0, 0, 255, 255]].concat();
        let half_clear = Picture::from_rgba(Extent::new(2, 1), rgba).unwrap();
        assert!(half_clear.resized(Extent::new(7, 1)).rgba().iter().step_by(4).all(|&red| red == 0));
    }

    #[test]
    fn what_covers_a_size_keeps_its_proportions_and_its_middle() {
        // A red square in the middle of a wide picture fills a square.
        let rgba = (0..32).flat_map(|i| if (2..6).contains(&(i % 8)) { [255, 0, 0, 255] } else { [0, 0, 255, 255] });
        let wide = Picture::from_rgba(Extent::new(8, 4), rgba.collect()).unwrap();
        assert_eq!(wide.covering(Extent::new(12, 12)), Picture::filled(Extent::new(12, 12), [255, 0, 0, 255]));
        assert_eq!(wide.covering(Extent::new(8, 4)), wide);
        for (width, height) in [(1, 300), (300, 1), (7, 5)] {
            assert_eq!(wide.covering(Extent::new(width, height)).extent(), Extent::new(width, height));
        }
    }

    #[test]
    fn a_thumbnail_keeps_proportions_and_never_grows() {
        assert_eq!(numbered(400, 100).thumbnail(192).extent(), Extent::new(192, 48));
        assert_eq!(numbered(400, 1).thumbnail(192).extent(), Extent::new(192, 1));
        assert_eq!(numbered(100, 40).thumbnail(192).extent(), Extent::new(100, 40));
    }

    #[test]
    fn clear_pixels_become_white_and_half_clear_ones_lighter() {
        let rgba = [[9, 9, 9, 0], [0, 100, 255, 51], [1, 2, 3, 255]].concat();
        let flat = Picture::from_rgba(Extent::new(3, 1), rgba).unwrap().flattened();
        assert_eq!(flat.rgba().as_chunks::<4>().0, [[255, 255, 255, 255], [204, 224, 255, 255], [1, 2, 3, 255]]);
    }

    #[test]
    fn the_digest_is_the_sha_256_of_size_and_pixels() {
        // printf 'picture 1x1\n\x01\x02\x03\xff' | sha256sum
        let picture = Picture::filled(Extent::new(1, 1), [1, 2, 3, 255]);
        assert_eq!(picture.digest(), "7b2f9de0946acce94e274525eacd18d660340d8f79ecde71d6624dffd1f8790f");
        assert_ne!(numbered(2, 3).digest(), numbered(3, 2).digest());
    }
}
