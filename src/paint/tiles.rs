//! Pixels in tiles that are shared until they change: copying a layer copies references, a change copies the tiles it touches,
//! and two pictures are told apart by comparing addresses. A tile that is not there is clear.

use super::blend::{premultiplied, straight};
use super::hands::promptly;
use crate::geom::{Bounds, Extent};
use crate::pixels::{Mask, Picture};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// The side of a tile in pixels.
pub const TILE_SIDE: u32 = 128;
const SIDE: usize = TILE_SIDE as usize;
/// The pixels of a tile.
pub(super) const TILE_AREA: usize = SIDE * SIDE;
/// The bytes of a tile.
pub const TILE_BYTES: usize = TILE_AREA * 4;

/// A square of pixels, [`TILE_SIDE`] wide: RGBA, straight alpha, rows from the top. At the right and at the bottom it may reach
/// beyond the picture; what lies there is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Tile {
    pixels: Box<[[u8; 4]]>,
}

impl Tile {
    /// A tile of one colour.
    pub fn filled(pixel: [u8; 4]) -> Self {
        Self { pixels: vec![pixel; TILE_AREA].into_boxed_slice() }
    }

    /// Its pixels, rows from the top.
    pub fn pixels(&self) -> &[[u8; 4]] {
        &self.pixels
    }

    /// Its pixels, to paint on.
    pub fn pixels_mut(&mut self) -> &mut [[u8; 4]] {
        &mut self.pixels
    }

    /// Its pixels as a picture.
    pub fn to_picture(&self) -> Picture {
        let rgba = self.pixels.as_flattened().to_vec();
        Picture::from_rgba(Extent::new(TILE_SIDE, TILE_SIDE), rgba).expect("four bytes a pixel")
    }

    /// Whether all of it is clear and without colour: then it need not be there.
    pub fn is_clear(&self) -> bool {
        self.pixels.iter().all(|&pixel| pixel == [0; 4])
    }
}

impl std::fmt::Debug for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tile")
    }
}

/// How a size is cut into tiles, numbered row by row from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) extent: Extent,
    pub(super) columns: u32,
}

impl Grid {
    pub(super) const fn new(extent: Extent) -> Self {
        Self { extent, columns: extent.width.div_ceil(TILE_SIDE) }
    }

    pub(super) const fn count(self) -> usize {
        self.columns as usize * self.extent.height.div_ceil(TILE_SIDE) as usize
    }

    /// The left and top pixel of a tile.
    pub(super) const fn corner(self, index: usize) -> (u32, u32) {
        let index = index as u32;
        (index % self.columns * TILE_SIDE, index / self.columns * TILE_SIDE)
    }

    /// What of the picture a tile shows.
    pub(super) fn bounds(self, index: usize) -> Bounds {
        let (left, top) = self.corner(index);
        let extent = Extent::new(TILE_SIDE.min(self.extent.width - left), TILE_SIDE.min(self.extent.height - top));
        Bounds { left, top, extent }
    }

    /// The tiles that a box touches.
    pub(super) fn touched(self, bounds: Bounds) -> impl Iterator<Item = usize> {
        let rows = bounds.top / TILE_SIDE..bounds.bottom().div_ceil(TILE_SIDE);
        let columns = bounds.left / TILE_SIDE..bounds.right().div_ceil(TILE_SIDE);
        rows.flat_map(move |row| columns.clone().map(move |column| (row * self.columns + column) as usize))
    }

    /// Which tile a pixel lies in, and where in it.
    pub(super) const fn place(self, x: u32, y: u32) -> (usize, usize) {
        let tile = y / TILE_SIDE * self.columns + x / TILE_SIDE;
        (tile as usize, (y % TILE_SIDE) as usize * SIDE + (x % TILE_SIDE) as usize)
    }
}

/// Pixels of a size, in tiles.
#[derive(Clone, Debug)]
pub struct Tiles {
    grid: Grid,
    tiles: Vec<Option<Arc<Tile>>>,
}

impl Tiles {
    /// Nothing, of this size.
    pub fn clear(extent: Extent) -> Self {
        let grid = Grid::new(extent);
        Self { grid, tiles: vec![None; grid.count()] }
    }

    /// One colour. All tiles are one in memory.
    pub fn filled(extent: Extent, pixel: [u8; 4]) -> Self {
        let tile = (pixel != [0; 4]).then(|| Arc::new(Tile::filled(pixel)));
        let grid = Grid::new(extent);
        Self { grid, tiles: vec![tile; grid.count()] }
    }

    /// These tiles, row by row. Too many are left out; where there are too few, nothing is.
    pub fn from_tiles(extent: Extent, tiles: impl Iterator<Item = Option<Arc<Tile>>>) -> Self {
        let mut made = Self::clear(extent);
        made.tiles.iter_mut().zip(tiles).for_each(|(place, tile)| *place = tile);
        made
    }

    /// The pixels of a picture.
    pub fn of(picture: &Picture) -> Self {
        let grid = Grid::new(picture.extent());
        let tiles = promptly(|| (0..grid.count()).into_par_iter().map(|index| cut(picture, grid, index)).collect());
        Self { grid, tiles }
    }

    /// A picture that is a part of a larger one of this extent, in its place: clear outside `bounds`, which are as large as it is and lie
    /// within, and where the mask, as large too, keeps what was there.
    pub fn of_part(extent: Extent, bounds: Bounds, picture: &Picture, mask: Option<&Mask>) -> Self {
        let mut made = Self::clear(extent);
        let grid = made.grid;
        let touched: Vec<_> = grid.touched(bounds).collect();
        made.set_all(&touched, |index| {
            let shared = grid.bounds(index).intersection(bounds)?;
            let mut tile = Tile::filled([0; 4]);
            for y in shared.top..shared.bottom() {
                let (_, at) = grid.place(shared.left, y);
                let width = shared.extent.width as usize;
                let from =
                    (y - bounds.top) as usize * bounds.extent.width as usize + (shared.left - bounds.left) as usize;
                let row = &picture.rgba().as_chunks::<4>().0[from..from + width];
                for (x, (to, pixel)) in tile.pixels[at..at + width].iter_mut().zip(row).enumerate() {
                    if mask.is_none_or(|mask| mask.coverage()[from + x] > 0) {
                        *to = *pixel;
                    }
                }
            }
            (!tile.is_clear()).then(|| Arc::new(tile))
        });
        made
    }

    /// One colour, as opaque as a mask covers.
    pub(super) fn covering(mask: &Mask, [r, g, b]: [u8; 3]) -> Self {
        let mut made = Self::clear(mask.extent());
        let grid = made.grid;
        let all: Vec<_> = (0..grid.count()).collect();
        made.set_all(&all, |index| {
            let bounds = grid.bounds(index);
            let rows = (bounds.top..bounds.bottom()).map(|y| &mask.coverage()[row_of(grid, bounds, y)]);
            if rows.clone().all(|row| row.iter().all(|&covers| covers == 0)) {
                return None;
            }
            let mut tile = Tile::filled([0; 4]);
            for (to, row) in tile.pixels.chunks_exact_mut(SIDE).zip(rows) {
                for (to, &covers) in to.iter_mut().zip(row).filter(|(_, covers)| **covers > 0) {
                    *to = [r, g, b, covers];
                }
            }
            Some(Arc::new(tile))
        });
        made
    }

    /// What lies in a box, as much of it as lies within.
    pub fn cropped(&self, to: Bounds) -> Picture {
        let bounds = self.within(to);
        let mut rgba = vec![0; bounds.extent.area() * 4];
        let fill = |(row, line): (usize, &mut [u8])| {
            let (mut x, y) = (bounds.left, bounds.top + row as u32);
            while x < bounds.right() {
                let (index, at) = self.grid.place(x, y);
                let width = (TILE_SIDE - x % TILE_SIDE).min(bounds.right() - x);
                if let Some(tile) = self.tile(index) {
                    let from = tile.pixels[at..at + width as usize].as_flattened();
                    line[(x - bounds.left) as usize * 4..][..from.len()].copy_from_slice(from);
                }
                x += width;
            }
        };
        let width = (bounds.extent.width as usize * 4).max(1);
        promptly(|| rgba.par_chunks_mut(width).enumerate().for_each(fill));
        Picture::from_rgba(bounds.extent, rgba).expect("four bytes a pixel")
    }

    /// A mask of what of a box lies within: what `covers` says of each pixel, and nothing of clear tiles.
    pub(super) fn masked(&self, to: Bounds, covers: impl Fn([u8; 4]) -> u8 + Sync) -> Mask {
        let bounds = self.within(to);
        let mut mask = Mask::empty(bounds.extent);
        let fill = |(row, line): (usize, &mut [u8])| {
            let (mut x, y) = (bounds.left, bounds.top + row as u32);
            while x < bounds.right() {
                let (index, at) = self.grid.place(x, y);
                let width = (TILE_SIDE - x % TILE_SIDE).min(bounds.right() - x);
                if let Some(tile) = self.tile(index) {
                    let line = &mut line[(x - bounds.left) as usize..];
                    for (to, from) in line.iter_mut().zip(&tile.pixels[at..at + width as usize]) {
                        *to = covers(*from);
                    }
                }
                x += width;
            }
        };
        let width = (bounds.extent.width as usize).max(1);
        promptly(|| mask.coverage_mut().par_chunks_mut(width).enumerate().for_each(fill));
        mask
    }

    fn within(&self, to: Bounds) -> Bounds {
        to.intersection(Bounds::whole(self.extent())).unwrap_or(Bounds { extent: Extent::new(0, 0), ..to })
    }

    /// Put together again, byte for byte.
    pub fn to_picture(&self) -> Picture {
        let extent = self.extent();
        let mut rgba = vec![0; extent.area() * 4];
        let band = extent.width as usize * 4 * SIDE;
        let lay = |(row, bytes): (usize, &mut [u8])| {
            let columns = self.grid.columns as usize;
            for (column, tile) in self.tiles[row * columns..(row + 1) * columns].iter().enumerate() {
                let Some(tile) = tile else { continue };
                let left = column * SIDE * 4;
                for (to, from) in bytes.chunks_exact_mut(extent.width as usize * 4).zip(tile.pixels.chunks_exact(SIDE))
                {
                    let to = &mut to[left..];
                    let width = to.len().min(SIDE * 4);
                    to[..width].copy_from_slice(&from.as_flattened()[..width]);
                }
            }
        };
        promptly(|| rgba.par_chunks_mut(band.max(1)).enumerate().for_each(lay));
        Picture::from_rgba(extent, rgba).expect("as many bytes as the extent says")
    }

    /// Its size.
    pub fn extent(&self) -> Extent {
        self.grid.extent
    }

    pub(super) fn grid(&self) -> Grid {
        self.grid
    }

    /// How many tiles there are, clear ones too.
    pub fn count(&self) -> usize {
        self.tiles.len()
    }

    /// A tile, if it is not clear. They are numbered row by row.
    pub fn tile(&self, index: usize) -> Option<&Arc<Tile>> {
        self.tiles[index].as_ref()
    }

    /// Which part of the picture a tile shows.
    pub fn bounds_of(&self, index: usize) -> Bounds {
        self.grid.bounds(index)
    }

    /// A pixel: red, green, blue, alpha. Clear outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        if x >= self.extent().width || y >= self.extent().height {
            return [0; 4];
        }
        let (tile, at) = self.grid.place(x, y);
        self.tiles[tile].as_ref().map_or([0; 4], |tile| tile.pixels[at])
    }

    /// A small picture of it, no side longer than `max_side`: each pixel the average of a few places. It takes no longer for a large one.
    pub fn thumbnail(&self, max_side: u32) -> Picture {
        const PLACES: u32 = 4;
        let Extent { width, height } = self.extent();
        let scale = f64::from(max_side) / f64::from(width.max(height).max(1));
        let fit = |side: u32| ((f64::from(side) * scale.min(1.0)).round() as u32).max(1);
        let small = Extent::new(fit(width), fit(height));
        let place = |at: u32, sub: u32, small: u32, large: u32| {
            ((u64::from(at * PLACES + sub) * 2 + 1) * u64::from(large) / u64::from(2 * PLACES * small)) as u32
        };
        let pixels = (0..small.height).flat_map(|y| (0..small.width).map(move |x| (x, y)));
        let rgba = pixels.flat_map(|(x, y)| {
            let mut sum = [0.0; 4];
            for sub in 0..PLACES * PLACES {
                let from_left = place(x, sub % PLACES, small.width, width);
                let from_top = place(y, sub / PLACES, small.height, height);
                let pixel = premultiplied(self.pixel(from_left, from_top), 1.0);
                sum = std::array::from_fn(|c| sum[c] + pixel[c]);
            }
            straight(sum.map(|c| c / (PLACES * PLACES) as f32))
        });
        Picture::from_rgba(small, rgba.collect()).expect("four bytes a pixel")
    }

    /// The tiles in which the two differ, by address: equal pixels in different tiles count as different.
    pub fn changed<'a>(&'a self, from: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let is_same = |(a, b): (&Option<Arc<Tile>>, &Option<Arc<Tile>>)| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.tiles.iter().zip(&from.tiles).map(is_same).enumerate().filter(|(_, same)| !same).map(|(index, _)| index)
    }

    /// Whether every pixel is clear.
    pub fn is_clear(&self) -> bool {
        self.tiles.iter().flatten().all(|tile| tile.is_clear())
    }

    /// The bytes of the tiles that are here and not in `other`, whatever their place. What is shared counts once.
    pub(super) fn bytes_besides(&self, other: Option<&Self>) -> usize {
        let addresses =
            |tiles: &Self| -> HashSet<usize> { tiles.tiles.iter().flatten().map(|t| Arc::as_ptr(t).addr()).collect() };
        let Some(other) = other.filter(|other| other.tiles.len() == self.tiles.len()) else {
            return addresses(self).len() * TILE_BYTES;
        };
        let differing: HashSet<usize> =
            self.changed(other).filter_map(|index| self.tile(index)).map(|tile| Arc::as_ptr(tile).addr()).collect();
        differing.len() * TILE_BYTES
    }

    pub(super) fn set(&mut self, index: usize, tile: Option<Arc<Tile>>) {
        self.tiles[index] = tile;
    }

    /// The tiles in these places, made by `make`, on all threads. A clear one is left out.
    pub(super) fn set_all(&mut self, indices: &[usize], make: impl Fn(usize) -> Option<Arc<Tile>> + Sync) {
        let made: Vec<_> = match indices {
            [index] => vec![(*index, make(*index))],
            _ => promptly(|| indices.par_iter().map(|&index| (index, make(index))).collect()),
        };
        for (index, tile) in made {
            self.tiles[index] = tile;
        }
    }
}

/// Equal pixels, wherever they lie in memory. What edge tiles hold beyond the picture does not count.
impl PartialEq for Tiles {
    fn eq(&self, other: &Self) -> bool {
        self.extent() == other.extent()
            && self.changed(other).all(|index| {
                let bounds = self.bounds_of(index);
                let in_row = bounds.extent.width as usize;
                let row = |tile: Option<&Arc<Tile>>, y: usize| -> Vec<[u8; 4]> {
                    tile.map_or_else(|| vec![[0; 4]; in_row], |t| t.pixels[y * SIDE..y * SIDE + in_row].to_vec())
                };
                (0..bounds.extent.height as usize).all(|y| row(self.tile(index), y) == row(other.tile(index), y))
            })
    }
}

fn cut(picture: &Picture, grid: Grid, index: usize) -> Option<Arc<Tile>> {
    let bounds = grid.bounds(index);
    let mut tile = Tile::filled([0; 4]);
    for (y, row) in (bounds.top..bounds.bottom()).zip(tile.pixels.chunks_exact_mut(SIDE)) {
        row[..bounds.extent.width as usize]
            .copy_from_slice(&picture.rgba().as_chunks::<4>().0[row_of(grid, bounds, y)]);
    }
    (!tile.is_clear()).then(|| Arc::new(tile))
}

/// Where a row of a box lies among the pixels of the whole.
pub(super) fn row_of(grid: Grid, bounds: Bounds, y: u32) -> Range<usize> {
    let start = y as usize * grid.extent.width as usize + bounds.left as usize;
    start..start + bounds.extent.width as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(extent: Extent) -> Picture {
        let rgba = (0..extent.area()).flat_map(|i| [(i % 251) as u8, (i / 251) as u8, 7, (i % 3) as u8]).collect();
        Picture::from_rgba(extent, rgba).unwrap()
    }

    #[test]
    fn a_picture_survives_being_cut_into_tiles_to_the_last_byte() {
        for (width, height) in [(1, 1), (128, 128), (129, 127), (300, 5), (257, 260), (0, 9), (9, 0)] {
            let picture = numbered(Extent::new(width, height));
            assert_eq!(Tiles::of(&picture).to_picture(), picture, "{width}x{height}");
        }
    }

    #[test]
    fn a_pixel_is_found_in_its_tile_and_outside_there_is_nothing() {
        let picture = numbered(Extent::new(300, 200));
        let tiles = Tiles::of(&picture);
        for (x, y) in [(0, 0), (127, 128), (128, 127), (299, 199)] {
            assert_eq!(tiles.pixel(x, y), picture.rgba().as_chunks::<4>().0[(y * 300 + x) as usize]);
        }
        assert_eq!(tiles.pixel(300, 0), [0; 4]);
        assert_eq!(tiles.pixel(0, 200), [0; 4]);
    }

    #[test]
    fn the_largest_document_takes_no_more_than_its_references() {
        let largest = Extent::new(8192, 8192);
        let (clear, white) = (Tiles::clear(largest), Tiles::filled(largest, [255; 4]));
        assert_eq!((clear.bytes_besides(None), white.bytes_besides(None)), (0, TILE_BYTES));
        assert_eq!(clear.count(), 64 * 64);
    }

    #[test]
    fn a_thumbnail_keeps_proportions_colours_and_places() {
        let mut picture = Tiles::filled(Extent::new(600, 300), [200, 10, 30, 128]);
        let black = Arc::new(Tile::filled([0, 0, 0, 255]));
        picture.set(0, Some(Arc::clone(&black)));
        let small = picture.thumbnail(60);
        assert_eq!(small.extent(), Extent::new(60, 30));
        let pixel = |x: usize, y: usize| small.rgba().as_chunks::<4>().0[y * 60 + x];
        // Tile 0 ends at 128 of 600 pixels: 12.8 of 60.
        assert_eq!(
            (pixel(11, 11), pixel(13, 11), pixel(59, 29)),
            ([0, 0, 0, 255], [200, 10, 30, 128], [200, 10, 30, 128])
        );
        assert_eq!(Tiles::filled(Extent::new(3, 2), [9; 4]).thumbnail(100), Picture::filled(Extent::new(3, 2), [9; 4]));
    }

    #[test]
    fn tiles_are_equal_when_what_is_seen_of_them_is() {
        let picture = Picture::filled(Extent::new(130, 3), [9; 4]);
        assert_eq!(Tiles::of(&picture), Tiles::filled(Extent::new(130, 3), [9; 4]));
        let mut other = Tiles::of(&picture);
        let mut tile = Tile::clone(other.tile(1).unwrap());
        tile.pixels_mut()[1] = [1; 4];
        other.set(1, Some(Arc::new(tile)));
        assert_ne!(other, Tiles::of(&picture));
        assert_eq!(other.changed(&Tiles::of(&picture)).collect::<Vec<_>>(), [0, 1], "by address");
    }

    #[test]
    fn a_mask_becomes_a_colour_as_opaque_as_it_covers() {
        let extent = Extent::new(300, 130);
        let mut mask = Mask::empty(extent);
        mask.coverage_mut()[129 * 300 + 290] = 90;
        let tiles = Tiles::covering(&mask, [1, 2, 3]);
        assert_eq!((tiles.pixel(290, 129), tiles.pixel(289, 129)), ([1, 2, 3, 90], [0; 4]));
        assert_eq!((0..tiles.count()).filter(|&index| tiles.tile(index).is_some()).count(), 1);
    }

    #[test]
    fn a_part_is_cut_out_and_put_back_to_the_last_byte() {
        let extent = Extent::new(300, 260);
        let picture = numbered(extent);
        for (left, top, width, height) in [(0, 0, 300, 260), (100, 120, 60, 20), (299, 259, 1, 1), (128, 0, 128, 256)] {
            let bounds = Bounds { left, top, extent: Extent::new(width, height) };
            let part = Tiles::of(&picture).cropped(bounds);
            assert_eq!(part, picture.cropped(bounds).unwrap());
            let back = Tiles::of_part(extent, bounds, &part, None);
            assert_eq!(back.cropped(bounds), part);
            let inside = |x: u32, y: u32| x >= left && x < bounds.right() && y >= top && y < bounds.bottom();
            let outside = (0..260).flat_map(|y| (0..300).map(move |x| (x, y))).filter(|&(x, y)| !inside(x, y));
            assert!(outside.into_iter().all(|(x, y)| back.pixel(x, y) == [0; 4]));
        }
    }

    #[test]
    fn the_tiles_of_a_box_are_those_it_touches() {
        let grid = Grid::new(Extent::new(400, 300));
        let touched = |left, top, width, height| {
            grid.touched(Bounds { left, top, extent: Extent::new(width, height) }).collect::<Vec<_>>()
        };
        assert_eq!(touched(127, 0, 1, 1), [0]);
        assert_eq!(touched(127, 127, 2, 2), [0, 1, 4, 5]);
        assert_eq!(touched(399, 299, 1, 1), [11]);
    }
}
