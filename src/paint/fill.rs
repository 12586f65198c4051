//! Filling what looks alike.

use super::document::Document;
use super::hands::promptly;
use super::painting::{PaintBrush, Painting};
use super::{Brush, Error, Ink, TILE_SIDE, Tiles};
use crate::geom::{Bounds, Extent};
use crate::pixels::Mask;
use rayon::prelude::*;

/// What a bucket fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// With what.
    pub ink: Ink,
    /// 0..1.
    pub opacity: f32,
    /// How far each channel of a pixel may be from the pixel that was clicked, 0..255. What is clear is alike whatever its colour.
    pub tolerance: u8,
    /// Whether only what hangs together with the clicked pixel is filled, by its sides.
    pub connected: bool,
    /// Whether all layers are looked at, or only the one that is filled.
    pub sees_all_layers: bool,
}

/// What a bucket is to fill in a document as it is now, on whatever thread.
#[derive(Debug)]
pub struct Filling {
    document: Document,
    bucket: Bucket,
    at: (u32, u32),
}

impl Filling {
    /// Of what looks like the pixel in this column and row.
    pub fn new(document: &Document, bucket: Bucket, x: u32, y: u32) -> Self {
        Self { document: document.without_past(), bucket, at: (x, y) }
    }

    /// The filled layer, for [`Edit::Paint`](super::Edit::Paint): what [`Edit::Fill`](super::Edit::Fill) makes of it. Fails as
    /// [`Painting::begin`].
    pub fn fill(self) -> Result<Painting, Error> {
        let Self { document, bucket, at: (x, y) } = self;
        promptly(move || filled(&document, bucket, x, y))
    }
}

/// The active layer with everything filled that looks like the pixel at `x`, `y`. Nothing outside of the picture.
pub(super) fn filled(document: &Document, bucket: Bucket, x: u32, y: u32) -> Result<Painting, Error> {
    let brush = PaintBrush { opacity: bucket.opacity, ..PaintBrush::new(Brush { size: 1.0, hardness: 1.0 }) };
    let mut painting = Painting::begin(document, bucket.ink, brush)?;
    let extent = document.extent();
    if x >= extent.width || y >= extent.height {
        return Ok(painting);
    }
    let empty = Tiles::clear(extent);
    let layer = document.stack().active().map_or(&empty, |layer| &layer.tiles);
    let seen = if bucket.sees_all_layers { (**document.flat()).clone() } else { layer.clone() };
    let alike = alike_to(&seen, (x, y), bucket.tolerance);
    if bucket.connected {
        let (reached, bounds) = connected(extent, (x, y), alike);
        painting.fill(bounds, &reached);
    } else {
        painting.fill(Bounds::whole(extent), &alike);
    }
    Ok(painting)
}

/// A mask of what hangs together with a pixel and looks like it. Empty outside of the picture.
pub(super) fn alike(seen: &Tiles, (x, y): (u32, u32), tolerance: u8) -> Mask {
    let extent = seen.extent();
    if x >= extent.width || y >= extent.height {
        return Mask::empty(extent);
    }
    let (reached, _) = connected(extent, (x, y), alike_to(seen, (x, y), tolerance));
    Mask::from_coverage(extent, reached).expect("one for each pixel")
}

/// A mask of what looks like a pixel, wherever it lies: within the tolerance wholly, and less and less until twice as far. Empty
/// outside of the picture.
pub(super) fn in_range(seen: &Tiles, (x, y): (u32, u32), tolerance: u8) -> Mask {
    let extent = seen.extent();
    let mut mask = Mask::empty(extent);
    if x >= extent.width || y >= extent.height {
        return mask;
    }
    let wanted = visible(seen.pixel(x, y));
    let (near, width) = (u32::from(tolerance), extent.width as usize);
    let covered = |pixel: [u8; 4]| {
        let pixel = visible(pixel);
        let far = (0..4).map(|c| u32::from(pixel[c].abs_diff(wanted[c]))).max().unwrap_or(0);
        if far <= near { 255 } else { (255 * (2 * near).saturating_sub(far) / near.max(1)) as u8 }
    };
    mask.coverage_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        row.iter_mut().enumerate().for_each(|(x, coverage)| *coverage = covered(seen.pixel(x as u32, y as u32)));
    });
    mask
}

/// For each pixel 255 if it looks like the one at `x`, `y`, else 0.
fn alike_to(seen: &Tiles, (x, y): (u32, u32), tolerance: u8) -> Vec<u8> {
    let wanted = visible(seen.pixel(x, y));
    let is_alike = |pixel: [u8; 4]| {
        let pixel = visible(pixel);
        (0..4).all(|c| pixel[c].abs_diff(wanted[c]) <= tolerance)
    };
    let clear = if is_alike([0; 4]) { 255 } else { 0 };
    let (side, width) = (TILE_SIDE as usize, seen.extent().width as usize);
    let columns = seen.grid().columns as usize;
    let mut alike = vec![clear; seen.extent().area()];
    alike.par_chunks_mut(side * width).enumerate().for_each(|(row, band)| {
        for column in 0..columns {
            let Some(tile) = seen.tile(row * columns + column) else { continue };
            let left = column * side;
            for (line, pixels) in band.chunks_exact_mut(width).zip(tile.pixels().chunks_exact(side)) {
                // Neighbours are often one colour.
                let mut last = (pixels[0], if is_alike(pixels[0]) { 255 } else { 0 });
                for (alike, &pixel) in line[left..].iter_mut().zip(pixels) {
                    if pixel != last.0 {
                        last = (pixel, if is_alike(pixel) { 255 } else { 0 });
                    }
                    *alike = last.1;
                }
            }
        }
    });
    alike
}

/// The colour as it is seen: premultiplied.
fn visible([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let seen = |v: u8| ((u32::from(v) * u32::from(a) + 127) / 255) as u8;
    [seen(r), seen(g), seen(b), a]
}

/// What is alike and was not reached.
const OPEN: u8 = 255;

/// How many places from the first on are open, or are not: many at a time, for the compiler's vectors.
fn stretch(places: &[u8], open: bool) -> usize {
    const AT_ONCE: usize = 32;
    let (blocks, _) = places.as_chunks::<AT_ONCE>();
    let is_so = |block: &&[u8; AT_ONCE]| {
        if open { **block == [OPEN; AT_ONCE] } else { block.iter().fold(0, |most, &place| place.max(most)) != OPEN }
    };
    let whole = AT_ONCE * blocks.iter().take_while(is_so).count();
    whole + places[whole..].iter().take_while(|&&place| (place == OPEN) == open).count()
}

/// What of `alike` is reached from a pixel over its neighbours at the sides, and a box around it. Fills row by row, as Smith 1979
/// does.
fn connected(extent: Extent, from: (u32, u32), alike: Vec<u8>) -> (Vec<u8>, Bounds) {
    /// What is alike and was reached.
    const REACHED: u8 = 1;
    let width = extent.width as usize;
    let mut places = alike;
    let mut bounds = Bounds { left: from.0, top: from.1, extent: Extent::new(1, 1) };
    let mut seeds = vec![from];
    while let Some((x, y)) = seeds.pop() {
        let row = &mut places[y as usize * width..(y as usize + 1) * width];
        let x = x as usize;
        if row[x] != OPEN {
            continue;
        }
        let first = row[..x].iter().rposition(|&place| place != OPEN).map_or(0, |last| last + 1);
        let end = x + stretch(&row[x..], true);
        row[first..end].fill(REACHED);
        let run = Bounds { left: first as u32, top: y, extent: Extent::new((end - first) as u32, 1) };
        bounds = bounds.union(run);
        for y in [y.checked_sub(1), (y + 1 < extent.height).then_some(y + 1)].into_iter().flatten() {
            let row = &places[y as usize * width..][first..end];
            let mut at = stretch(row, false);
            while at < row.len() {
                seeds.push(((first + at) as u32, y));
                at += stretch(&row[at..], true);
                at += stretch(&row[at..], false);
            }
        }
    }
    places.par_iter_mut().for_each(|place| *place = if *place == REACHED { 255 } else { 0 });
    (places, bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Picture;
    use proptest::prelude::*;

    #[test]
    fn a_range_of_colours_is_found_everywhere_and_fades_out() {
        let greys = [100, 0, 110, 111, 115, 120, 121, 90, 80];
        let rgba = greys.iter().flat_map(|&grey| [grey, 100, 100, 255]).collect();
        let tiles = Tiles::of(&Picture::from_rgba(Extent::new(9, 1), rgba).unwrap());
        assert_eq!(in_range(&tiles, (0, 0), 10).coverage(), [255, 0, 255, 229, 127, 0, 0, 255, 0]);
        assert_eq!(in_range(&tiles, (2, 0), 0).coverage(), [0, 0, 255, 0, 0, 0, 0, 0, 0]);
        assert!(in_range(&tiles, (9, 0), 255).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_connected_is_what_a_walk_from_pixel_to_pixel_finds(open in prop::collection::vec(any::<bool>(), 9 * 8), at in 0usize..72) {
            let extent = Extent::new(9, 8);
            let mut open = open;
            open[at] = true;
            let mut walked = [false; 72];
            let mut todo = vec![at];
            while let Some(here) = todo.pop() {
                if !open[here] || std::mem::replace(&mut walked[here], true) {
                    continue;
                }
                let (x, y) = (here % 9, here / 9);
                todo.extend((x > 0).then(|| here - 1).into_iter().chain((x < 8).then(|| here + 1)));
                todo.extend((y > 0).then(|| here - 9).into_iter().chain((y < 7).then(|| here + 9)));
            }
            let from = (at as u32 % 9, at as u32 / 9);
            let byte = |&is: &bool| if is { 255 } else { 0 };
            let (reached, bounds) = connected(extent, from, open.iter().map(byte).collect());
            prop_assert_eq!(&reached, &walked.iter().map(byte).collect::<Vec<u8>>());
            for i in (0..72u32).filter(|&i| walked[i as usize]) {
                let pixel = Bounds { left: i % 9, top: i / 9, extent: Extent::new(1, 1) };
                prop_assert_eq!(bounds.union(pixel), bounds);
            }
        }
    }
}
