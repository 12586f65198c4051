use super::picture::digest_of;
use super::{Error, Picture};
use crate::geom::{Bounds, Extent};
use image::imageops::FilterType;
use std::path::Path;

/// Where to repaint: one byte of coverage a pixel, 255 = repaint, 0 = keep. The same in files, in the window and in tensors.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    extent: Extent,
    coverage: Vec<u8>,
}

impl Mask {
    /// A mask from its bytes, one a pixel. `None` if there are not exactly as many as `extent` says.
    pub fn from_coverage(extent: Extent, coverage: Vec<u8>) -> Option<Self> {
        (coverage.len() == extent.area()).then_some(Self { extent, coverage })
    }

    /// A mask that keeps everything.
    pub fn empty(extent: Extent) -> Self {
        Self { extent, coverage: vec![0; extent.area()] }
    }

    /// A mask from an image file: white repaints, black keeps, and so does what is clear. Errors as [`Picture::load`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        Ok(Self::from_picture(&Picture::load(path)?))
    }

    /// Coverage from luminance (Rec. 709 weights on sRGB values) times alpha.
    pub fn from_picture(picture: &Picture) -> Self {
        let coverage = |&[r, g, b, a]: &[u8; 4]| {
            let luminance = 2126 * u64::from(r) + 7152 * u64::from(g) + 722 * u64::from(b);
            ((luminance * u64::from(a) + 1_275_000) / 2_550_000) as u8
        };
        let coverage = picture.rgba().as_chunks::<4>().0.iter().map(coverage).collect();
        Self { extent: picture.extent(), coverage }
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Its bytes, one a pixel.
    pub fn coverage(&self) -> &[u8] {
        &self.coverage
    }

    /// Its bytes, to paint on.
    pub fn coverage_mut(&mut self) -> &mut [u8] {
        &mut self.coverage
    }

    /// Whether it keeps everything.
    pub fn is_empty(&self) -> bool {
        self.coverage.chunks(4096).all(keeps)
    }

    /// As an opaque picture in greys, white where to repaint: what [`Self::load`] reads back.
    pub fn to_picture(&self) -> Picture {
        let rgba = self.coverage.iter().flat_map(|&c| [c, c, c, 255]).collect();
        Picture::from_rgba(self.extent, rgba).expect("four bytes for each byte of coverage")
    }

    /// Repaints what this one keeps, and keeps what it repaints.
    #[must_use]
    pub fn inverted(&self) -> Self {
        Self { extent: self.extent, coverage: self.coverage.iter().map(|&c| 255 - c).collect() }
    }

    /// The same mask at another size, by a Catmull-Rom spline.
    #[must_use]
    pub fn resized(&self, to: Extent) -> Self {
        if to == self.extent {
            return self.clone();
        }
        if to.is_empty() || self.extent.is_empty() {
            return Self::empty(to);
        }
        let buffer = image::GrayImage::from_raw(self.extent.width, self.extent.height, self.coverage.clone())
            .expect("as many bytes as the extent says");
        let resized = image::imageops::resize(&buffer, to.width, to.height, FilterType::CatmullRom);
        Self { extent: to, coverage: resized.into_raw() }
    }

    /// The smallest box around all that is to be repainted, however faintly. `None` if it keeps everything.
    pub fn bounds(&self) -> Option<Bounds> {
        let mut rows = (0u32..).zip(self.coverage.chunks_exact(self.extent.width.max(1) as usize));
        let mut found: Option<Bounds> = None;
        for (y, row) in &mut rows {
            let Some(first) = (!keeps(row)).then(|| row.iter().position(|&c| c > 0)).flatten() else {
                continue;
            };
            let last = row.iter().rposition(|&c| c > 0).unwrap_or(first);
            let in_row = Bounds { left: first as u32, top: y, extent: Extent::new((last - first + 1) as u32, 1) };
            found = Some(found.map_or(in_row, |bounds| bounds.union(in_row)));
        }
        found
    }

    /// The part of it in a box. `None` if the box reaches outside.
    pub fn cropped(&self, to: Bounds) -> Option<Self> {
        let width = self.extent.width as usize;
        let rows = (to.top..to.bottom()).map(|y| y as usize * width + to.left as usize);
        to.is_within(self.extent).then(|| {
            let coverage = rows.flat_map(|at| &self.coverage[at..at + to.extent.width as usize]).copied().collect();
            Self { extent: to.extent, coverage }
        })
    }

    /// This mask in a box of a larger one that keeps all else. The box lies within `extent` and is as large as the mask.
    #[must_use]
    pub fn placed(&self, extent: Extent, bounds: Bounds) -> Self {
        let mut placed = Self::empty(extent);
        let width = bounds.extent.width.max(1) as usize;
        for (y, row) in (bounds.top as usize..).zip(self.coverage.chunks_exact(width)) {
            placed.coverage[y * extent.width as usize + bounds.left as usize..][..row.len()].copy_from_slice(row);
        }
        placed
    }

    /// The smallest box within `limits` around all that is to be repainted there. `None` if it keeps everything there.
    pub fn bounds_within(&self, limits: Bounds) -> Option<Bounds> {
        if limits == Bounds::whole(self.extent) {
            return self.bounds();
        }
        let found = self.cropped(limits)?.bounds()?;
        Some(Bounds { left: found.left + limits.left, top: found.top + limits.top, ..found })
    }

    /// Names this mask by its content: SHA-256 of its size and coverage, in hexadecimal.
    pub fn digest(&self) -> String {
        digest_of("mask", self.extent, &self.coverage)
    }
}

/// Whether all of it is 0: without a way out in between, for the compiler's vectors.
fn keeps(coverage: &[u8]) -> bool {
    coverage.iter().fold(0, |all, &coverage| all | coverage) == 0
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({})", self.extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask_3x2(coverage: [u8; 6]) -> Mask {
        Mask::from_coverage(Extent::new(3, 2), coverage.into()).unwrap()
    }

    #[test]
    fn coverage_is_luminance_times_alpha() {
        let pixels = [[255, 255, 255, 255], [0, 0, 0, 255], [255, 255, 255, 128], [0, 255, 0, 255], [255, 0, 0, 255]];
        let picture = Picture::from_rgba(Extent::new(5, 1), pixels.concat()).unwrap();
        // Rec. 709: green 0.7152 * 255 = 182.4, red 0.2126 * 255 = 54.2
        assert_eq!(Mask::from_picture(&picture).coverage(), [255, 0, 128, 182, 54]);
    }

    #[test]
    fn a_part_of_a_mask_is_cut_out_and_put_back() {
        let mask = mask_3x2([1, 2, 3, 4, 5, 6]);
        let right = Bounds { left: 1, top: 0, extent: Extent::new(2, 2) };
        let part = mask.cropped(right).unwrap();
        assert_eq!(part.coverage(), [2, 3, 5, 6]);
        assert_eq!(part.placed(Extent::new(3, 2), right), mask_3x2([0, 2, 3, 0, 5, 6]));
        assert_eq!(mask.cropped(Bounds { left: 2, ..right }), None);
        let hole = mask_3x2([9, 0, 0, 9, 0, 7]);
        assert_eq!(hole.bounds_within(right), Some(Bounds { left: 2, top: 1, extent: Extent::new(1, 1) }));
        assert_eq!(hole.bounds_within(Bounds { left: 1, top: 0, extent: Extent::new(2, 1) }), None);
    }

    #[test]
    fn a_mask_survives_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.png");
        let mask = Mask::from_coverage(Extent::new(16, 16), (0..=255).collect()).unwrap();
        mask.to_picture().write_png(&path, &[]).unwrap();
        assert_eq!(Mask::load(&path).unwrap(), mask);
    }

    #[test]
    fn a_sixteen_bit_grey_file_is_a_mask_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.png");
        let grey = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(3, 1, vec![0u16, 0x8080, 0xffff]).unwrap();
        grey.save(&path).unwrap();
        assert_eq!(Mask::load(&path).unwrap().coverage(), [0, 0x80, 255]);
    }

    #[test]
    fn the_bounds_hold_all_coverage_and_no_more() {
        assert_eq!(mask_3x2([0; 6]).bounds(), None);
        assert_eq!(Mask::empty(Extent::new(0, 5)).bounds(), None);
        let expected = Bounds { left: 1, top: 1, extent: Extent::new(2, 1) };
        assert_eq!(mask_3x2([0, 0, 0, 0, 1, 255]).bounds(), Some(expected));
        assert_eq!(mask_3x2([255, 0, 0, 0, 0, 1]).bounds(), Some(Bounds::whole(Extent::new(3, 2))));
    }

    proptest! {
        #[test]
        fn the_bounds_are_those_found_pixel_by_pixel(coverage: [bool; 42]) {
            let mask = Mask::from_coverage(Extent::new(7, 6), coverage.iter().map(|&c| u8::from(c)).collect()).unwrap();
            let pixels = (0..42u32).filter(|&i| coverage[i as usize]);
            let expected = pixels
                .map(|i| Bounds { left: i % 7, top: i / 7, extent: Extent::new(1, 1) })
                .reduce(Bounds::union);
            prop_assert_eq!(mask.bounds(), expected);
        }
    }

    #[test]
    fn inverting_twice_gives_the_mask_back() {
        let mask = mask_3x2([0, 1, 100, 200, 254, 255]);
        assert_eq!(mask.inverted().coverage(), [255, 254, 155, 55, 1, 0]);
        assert_eq!(mask.inverted().inverted(), mask);
    }

    #[test]
    fn a_full_mask_stays_full_at_every_size() {
        let full = mask_3x2([255; 6]);
        assert_eq!(full.resized(Extent::new(10, 7)).coverage(), [255; 70]);
    }
}
