//! Texels on their way to the GPU, in several sizes: each level is half as wide and high as the one before it, so that a canvas that is
//! seen small reads a few texels for each pixel of the screen instead of dozens. Of a mask each texel has, beside the average, the most of
//! what it stands for: a mask of a few pixels is nearly nothing on the average, and keeps paint out all the same.

use super::spline::{magnification, magnified};
use crate::geom::{Bounds, Extent};
use crate::paint::{TILE_SIDE, Tile};
use crate::pixels::Picture;
use std::sync::Arc;

/// How many sizes there are, the full one among them.
pub(super) const LEVELS: u32 = 4;
/// The side of what one texel of the smallest stands for, in texels of the full size.
const COARSEST: u32 = 1 << (LEVELS - 1);
/// The longest side of a texture: what eframe asks of every device.
pub(super) const MOST_TEXELS: u32 = 8192;

/// Which texture is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The picture: four bytes a texel, premultiplied.
    Picture,
    /// The preview, smaller than what it stands for, or what was there before: four bytes a texel, premultiplied.
    Preview,
    /// The mask: two bytes a texel, how much it covers on the average and at most.
    Mask,
}

impl Slot {
    /// Bytes of a texel.
    pub const fn texel_bytes(self) -> usize {
        match self {
            Self::Picture | Self::Preview => 4,
            Self::Mask => 2,
        }
    }
}

/// What a box of a texture is to hold. It is shared, and turned into texels when the GPU takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing at all: the texture is made anew, and a new one is clear.
    Nothing,
    /// A whole picture.
    Picture(Arc<Picture>),
    /// What is seen of a tile; one that is not there is clear.
    Tile(Option<Arc<Tile>>),
    /// Coverage, one byte a pixel, rows from the top.
    Coverage(Arc<Vec<u8>>),
}

/// Something that a texture is to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Which texture.
    pub slot: Slot,
    /// How large that is, in pixels of the picture; it is made anew when it was not.
    pub extent: Extent,
    /// Which box of it, in pixels. It begins and ends where texels of every level do, or at the picture's edge.
    pub bounds: Bounds,
    /// What.
    pub content: Content,
}

/// What the levels of a texture hold, the full size first: which box, in texels, and its bytes.
pub(super) type Levels = Vec<(Bounds, Vec<u8>)>;

impl Upload {
    /// How many levels the texture has. A preview has one, which is magnified.
    pub(super) fn level_count(&self) -> u32 {
        if self.is_preview() { 1 } else { LEVELS }
    }

    fn is_preview(&self) -> bool {
        matches!((self.slot, &self.content), (Slot::Preview, Content::Picture(_)))
    }

    /// How large the texture is: with room for whole texels of every level.
    pub(super) fn texture_extent(&self) -> Extent {
        let texels = fewer(self.extent, pixels_per_texel(self.extent));
        if self.is_preview() {
            let by = magnification(texels);
            return Extent::new(texels.width * by, texels.height * by);
        }
        Extent::new(texels.width.next_multiple_of(COARSEST), texels.height.next_multiple_of(COARSEST))
    }

    /// Its levels, the full size first: which box of the level, in texels, and their bytes, rows from the top.
    pub fn levels(&self) -> Vec<(Bounds, Vec<u8>)> {
        let per_texel = pixels_per_texel(self.extent);
        let mut bytes = self.bytes();
        if bytes.is_empty() {
            return Vec::new();
        }
        if self.slot == Slot::Mask {
            bytes = with_most(&bytes, self.bounds.extent, per_texel);
        } else if per_texel > 1 {
            bytes = averaged(&bytes, self.bounds.extent, per_texel, self.slot.texel_bytes());
        }
        let mut bounds = smaller(self.bounds, per_texel);
        if self.is_preview() {
            let bytes = magnified(&bytes, bounds.extent, magnification(bounds.extent));
            return vec![(Bounds::whole(self.texture_extent()), bytes)];
        }
        let mut levels = Vec::new();
        for _ in 1..self.level_count() {
            let half = match self.slot {
                Slot::Mask => halved::<2>(&bytes, bounds.extent, mean_and_most),
                Slot::Picture | Slot::Preview => halved::<4>(&bytes, bounds.extent, mean),
            };
            levels.push((bounds, std::mem::replace(&mut bytes, half)));
            bounds = smaller(bounds, 2);
        }
        levels.push((bounds, bytes));
        levels
    }

    /// The same, where another upload had the last: a tile has the same bytes wherever it lies.
    pub(super) fn levels_after(&self, last: Option<(Self, Levels)>) -> Levels {
        match last {
            Some((other, levels)) if self.looks_like(&other) => {
                let full = smaller(self.bounds, pixels_per_texel(self.extent));
                let boxes = std::iter::successors(Some(full), |bounds| Some(smaller(*bounds, 2)));
                boxes.zip(levels).map(|(bounds, (_, bytes))| (bounds, bytes)).collect()
            }
            _ => self.levels(),
        }
    }

    fn looks_like(&self, other: &Self) -> bool {
        let is_same_tile = match (&self.content, &other.content) {
            (Content::Tile(Some(tile)), Content::Tile(Some(other))) => Arc::ptr_eq(tile, other),
            _ => false,
        };
        is_same_tile && (self.extent, self.bounds.extent) == (other.extent, other.bounds.extent)
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Nothing => Vec::new(),
            Content::Picture(picture) => premultiplied(picture.rgba().to_vec()),
            Content::Tile(None) => vec![0; self.bounds.extent.area() * 4],
            Content::Tile(Some(tile)) => seen_of(tile, self.bounds.extent),
            Content::Coverage(coverage) => coverage.to_vec(),
        }
    }
}

/// How many pixels of a picture of this size, across and down, a texel stands for: more than one where a texture cannot hold them all.
pub(super) fn pixels_per_texel(extent: Extent) -> u32 {
    extent.width.max(extent.height).div_ceil(MOST_TEXELS).max(1)
}

/// Which level is read where a texel is this many target pixels wide: one whose texels are as wide as a target pixel, or half of it.
pub(super) fn level_at(scale: f32) -> u32 {
    (1..LEVELS).rev().find(|level| scale * (1 << level) as f32 <= 1.0).unwrap_or(0)
}

/// The smallest box around another of a picture that begins and ends between texels of every level.
pub(super) fn of_whole_texels(bounds: Bounds, picture: Extent) -> Bounds {
    let unit = pixels_per_texel(picture) * COARSEST;
    let along = |start: u32, end: u32, side: u32| {
        let first = start / unit * unit;
        (first, (end.div_ceil(unit) * unit).min(side) - first)
    };
    let (left, width) = along(bounds.left, bounds.right(), picture.width);
    let (top, height) = along(bounds.top, bounds.bottom(), picture.height);
    Bounds { left, top, extent: Extent::new(width, height) }
}

fn fewer(extent: Extent, by: u32) -> Extent {
    Extent::new(extent.width.div_ceil(by), extent.height.div_ceil(by))
}

fn smaller(bounds: Bounds, by: u32) -> Bounds {
    Bounds { left: bounds.left / by, top: bounds.top / by, extent: fewer(bounds.extent, by) }
}

/// The part of a tile that a picture shows, premultiplied.
fn seen_of(tile: &Tile, seen: Extent) -> Vec<u8> {
    let rows = tile.pixels().chunks_exact(TILE_SIDE as usize).take(seen.height as usize);
    let mut bytes = Vec::with_capacity(seen.area() * 4);
    rows.for_each(|row| bytes.extend_from_slice(row[..seen.width as usize].as_flattened()));
    premultiplied(bytes)
}

/// Straight RGBA with each colour multiplied by its opacity, rounded to the nearest.
fn premultiplied(mut rgba: Vec<u8>) -> Vec<u8> {
    for pixel in rgba.as_chunks_mut::<4>().0.iter_mut().filter(|pixel| pixel[3] != 255) {
        let alpha = u32::from(pixel[3]);
        for channel in &mut pixel[..3] {
            *channel = ((u32::from(*channel) * alpha + 127) / 255) as u8;
        }
    }
    rgba
}

/// Each texel the average of so many pixels across and down, or of as many as there are at the right and at the bottom.
fn averaged(bytes: &[u8], extent: Extent, per_texel: u32, channels: usize) -> Vec<u8> {
    let texels = fewer(extent, per_texel);
    let (row, per_texel_row) = (extent.width as usize * channels, per_texel as usize * channels);
    let mut made = Vec::with_capacity(texels.area() * channels);
    for rows in bytes.chunks(row * per_texel as usize) {
        let mut sums = vec![0_u32; texels.width as usize * channels];
        for row in rows.chunks_exact(row) {
            for (texel, sums) in row.chunks(per_texel_row).zip(sums.chunks_exact_mut(channels)) {
                for pixel in texel.chunks_exact(channels) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, byte)| *sum += u32::from(*byte));
                }
            }
        }
        let columns = (0..extent.width).step_by(per_texel as usize).map(|x| per_texel.min(extent.width - x));
        let counts = columns.map(|columns| columns * (rows.len() / row) as u32);
        for (sums, count) in sums.chunks_exact(channels).zip(counts) {
            made.extend(sums.iter().map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    made
}

/// Coverage as texels of so many pixels across and down, each with the average and the most of them.
fn with_most(coverage: &[u8], extent: Extent, per_texel: u32) -> Vec<u8> {
    let texels = |means: &[u8], most: &[u8]| {
        let mut made = vec![0; means.len() * 2];
        for (texel, (mean, most)) in made.as_chunks_mut::<2>().0.iter_mut().zip(means.iter().zip(most)) {
            *texel = [*mean, *most];
        }
        made
    };
    if per_texel == 1 {
        return texels(coverage, coverage);
    }
    let (row, per_row) = (extent.width as usize, fewer(extent, per_texel).width as usize);
    let mut most = vec![0; fewer(extent, per_texel).area()];
    for (rows, most) in coverage.chunks(row * per_texel as usize).zip(most.chunks_exact_mut(per_row)) {
        for row in rows.chunks_exact(row) {
            for (pixels, most) in row.chunks(per_texel as usize).zip(most.iter_mut()) {
                *most = pixels.iter().copied().fold(*most, u8::max);
            }
        }
    }
    texels(&averaged(coverage, extent, per_texel, 1), &most)
}

/// The same for two across and down, where time counts; `of_four` says what becomes of them.
fn halved<const CHANNELS: usize>(
    bytes: &[u8],
    extent: Extent,
    of_four: impl Fn([[u8; CHANNELS]; 4]) -> [u8; CHANNELS],
) -> Vec<u8> {
    let (width, half) = (extent.width as usize * CHANNELS, fewer(extent, 2));
    let mut made = vec![0; half.area() * CHANNELS];
    for (to, rows) in made.chunks_exact_mut(half.width as usize * CHANNELS).zip(bytes.chunks(2 * width)) {
        // What has no partner counts twice.
        let (upper, lower) = (&rows[..width], &rows[rows.len() - width..]);
        let pairs = upper.as_chunks::<CHANNELS>().0.chunks(2).zip(lower.as_chunks::<CHANNELS>().0.chunks(2));
        for (to, (upper, lower)) in to.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(pairs) {
            let right = upper.len() - 1;
            *to = of_four([upper[0], upper[right], lower[0], lower[right]]);
        }
    }
    made
}

fn mean<const CHANNELS: usize>(four: [[u8; CHANNELS]; 4]) -> [u8; CHANNELS] {
    std::array::from_fn(|c| {
        let sum = four.map(|texel| u16::from(texel[c])).iter().sum::<u16>();
        ((sum + 2) / 4) as u8
    })
}

/// Of texels of a mask.
fn mean_and_most(four: [[u8; 2]; 4]) -> [u8; 2] {
    [mean(four)[0], four.iter().fold(0_u8, |most, texel| most.max(texel[1]))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(extent: Extent, bytes: Vec<u8>) -> Upload {
        let content = Content::Coverage(Arc::new(bytes));
        Upload { slot: Slot::Mask, extent, bounds: Bounds::whole(extent), content }
    }

    #[test]
    fn each_texel_of_a_level_of_a_mask_is_the_average_and_the_most_of_what_it_stands_for() {
        let value = |x: u32, y: u32| ((x * 37 + y * 91) % 256) as u8;
        let bytes = (0..16).flat_map(|y| (0..24).map(move |x| value(x, y))).collect();
        let levels = coverage(Extent::new(24, 16), bytes).levels();
        assert_eq!(levels.len(), 4);
        for (side, (bounds, bytes)) in [1, 2, 4, 8].into_iter().zip(&levels) {
            assert_eq!(*bounds, Bounds::whole(Extent::new(24 / side, 16 / side)));
            for (at, &[found, most]) in bytes.as_chunks::<2>().0.iter().enumerate() {
                let (x, y) = (at as u32 % bounds.extent.width * side, at as u32 / bounds.extent.width * side);
                let values = (0..side * side).map(|i| value(x + i % side, y + i / side));
                let exact = values.clone().map(f64::from).sum::<f64>() / f64::from(side * side);
                assert_eq!(Some(most), values.max());
                assert!((f64::from(found) - exact).abs() <= 1.0, "{side}: {found} at {x}, {y}, not {exact}");
            }
        }
    }

    #[test]
    fn the_texels_of_a_tile_serve_wherever_it_lies() {
        let extent = Extent::new(300, 200);
        let mut tile = Tile::filled([255; 4]);
        tile.pixels_mut()[5] = [90, 10, 200, 100];
        let tile = Arc::new(tile);
        let upload = |left, top, width| {
            let bounds = Bounds { left, top, extent: Extent::new(width, 72) };
            Upload { slot: Slot::Picture, extent, bounds, content: Content::Tile(Some(Arc::clone(&tile))) }
        };
        let first = upload(0, 128, TILE_SIDE);
        for next in [upload(128, 128, TILE_SIDE), upload(256, 128, 44)] {
            assert_eq!(next.levels_after(Some((first.clone(), first.levels()))), next.levels());
        }
        // What is known is taken as it is.
        let known = vec![(Bounds::whole(extent), vec![7]); 4];
        assert_eq!(upload(128, 128, TILE_SIDE).levels_after(Some((first, known)))[0].1, [7]);
    }

    #[test]
    fn at_an_odd_edge_a_texel_is_the_average_and_the_most_of_what_there_is() {
        let levels = coverage(Extent::new(3, 3), vec![0, 10, 100, 20, 30, 200, 40, 80, 7]).levels();
        let bytes: Vec<_> = levels.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        assert_eq!(bytes[1..], [&[15, 30, 150, 200, 60, 80, 7, 7][..], &[58, 200], &[58, 200]]);
    }

    #[test]
    fn a_texel_of_the_level_that_is_read_is_half_a_target_pixel_wide_to_one() {
        for (scale, level) in [(8.0, 0), (1.0, 0), (0.51, 0), (0.5, 1), (0.17, 2), (0.125, 3), (0.01, 3)] {
            assert_eq!(level_at(scale), level, "{scale}");
        }
    }

    #[test]
    fn a_texture_has_room_for_whole_texels_of_every_level_and_a_preview_has_one_level() {
        let extent = Extent::new(21, 13);
        assert_eq!(coverage(extent, Vec::new()).texture_extent(), Extent::new(24, 16));
        let picture = Arc::new(Picture::filled(extent, [200, 100, 0, 128]));
        let preview = Upload {
            slot: Slot::Preview,
            extent,
            bounds: Bounds::whole(extent),
            content: Content::Picture(Arc::clone(&picture)),
        };
        let magnified = Extent::new(21 * 31, 13 * 31);
        assert_eq!(preview.texture_extent(), magnified);
        let levels = preview.levels();
        assert_eq!((levels.len(), levels[0].0), (1, Bounds::whole(magnified)));
        assert!(levels[0].1.as_chunks::<4>().0.iter().all(|texel| *texel == [100, 50, 0, 128]));
    }

    #[test]
    fn a_box_is_widened_to_whole_texels_of_every_level_but_not_beyond_the_picture() {
        let whole = of_whole_texels(Bounds { left: 9, top: 3, extent: Extent::new(3, 8) }, Extent::new(21, 13));
        assert_eq!(whole, Bounds { left: 8, top: 0, extent: Extent::new(8, 13) });
    }

    #[test]
    fn what_is_larger_than_a_texture_may_be_is_reduced() {
        let extent = Extent::new(2 * MOST_TEXELS - 1, 3);
        let rgba = (0..extent.area()).flat_map(|i| if i % 2 == 0 { [0, 0, 0, 255] } else { [200, 100, 50, 255] });
        let picture = Arc::new(Picture::from_rgba(extent, rgba.collect()).unwrap());
        let upload =
            Upload { slot: Slot::Picture, extent, bounds: Bounds::whole(extent), content: Content::Picture(picture) };
        let levels = upload.levels();
        let (bounds, bytes) = &levels[0];
        assert_eq!(*bounds, Bounds::whole(Extent::new(MOST_TEXELS, 2)));
        assert_eq!(bytes[..4], [100, 50, 25, 255], "four pixels");
        assert_eq!(bytes[(MOST_TEXELS as usize - 1) * 4..][..4], [100, 50, 25, 255], "two pixels, one of each row");
        assert_eq!(levels[3].0, Bounds::whole(Extent::new(MOST_TEXELS / 8, 1)));
        // One pixel of four, and one of two.
        let mut covers = vec![0; extent.area()];
        (covers[extent.width as usize + 3], covers[2 * extent.width as usize]) = (255, 255);
        let levels = coverage(extent, covers).levels();
        assert_eq!(levels[0].0, *bounds);
        assert_eq!(levels[0].1[..6], [0, 0, 64, 255, 0, 0]);
        assert_eq!(levels[0].1[MOST_TEXELS as usize * 2..][..4], [128, 255, 0, 0]);
        assert_eq!(levels[3].1[..2], [12, 255]);
    }
}
