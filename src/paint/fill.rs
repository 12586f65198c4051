//! Filling what looks alike.

use super::document::Document;
use super::painting::{PaintBrush, Painting};
use super::{Brush, Error, Ink, Tiles};
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
    let seen = if bucket.sees_all_layers { painting.flat().clone() } else { layer.clone() };
    let is_alike = is_alike(&seen, (x, y), bucket.tolerance);
    if !bucket.connected {
        painting.fill(Bounds::whole(extent), is_alike);
        return Ok(painting);
    }
    let (reached, bounds) = connected(extent, (x, y), is_alike);
    painting.fill(bounds, |x, y| reached[y as usize * extent.width as usize + x as usize]);
    Ok(painting)
}

/// A mask of what hangs together with a pixel and looks like it. Empty outside of the picture.
pub(super) fn alike(seen: &Tiles, (x, y): (u32, u32), tolerance: u8) -> Mask {
    let extent = seen.extent();
    if x >= extent.width || y >= extent.height {
        return Mask::empty(extent);
    }
    let (reached, _) = connected(extent, (x, y), is_alike(seen, (x, y), tolerance));
    Mask::from_coverage(extent, reached.into_iter().map(|r| if r { 255 } else { 0 }).collect())
        .expect("one for each pixel")
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

fn is_alike(seen: &Tiles, (x, y): (u32, u32), tolerance: u8) -> impl Fn(u32, u32) -> bool {
    let wanted = visible(seen.pixel(x, y));
    move |x, y| {
        let pixel = visible(seen.pixel(x, y));
        (0..4).all(|c| pixel[c].abs_diff(wanted[c]) <= tolerance)
    }
}

/// The colour as it is seen: premultiplied.
fn visible([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let seen = |v: u8| ((u32::from(v) * u32::from(a) + 127) / 255) as u8;
    [seen(r), seen(g), seen(b), a]
}

/// What is reached from a pixel over its neighbours at the sides, and a box around it. Fills row by row, as Smith 1979 does.
fn connected(extent: Extent, from: (u32, u32), is_alike: impl Fn(u32, u32) -> bool) -> (Vec<bool>, Bounds) {
    let width = extent.width as usize;
    let mut reached = vec![false; extent.area()];
    let mut bounds = Bounds { left: from.0, top: from.1, extent: Extent::new(1, 1) };
    let mut seeds = vec![from];
    while let Some((x, y)) = seeds.pop() {
        let row = y as usize * width;
        if reached[row + x as usize] {
            continue;
        }
        let open = |x: u32| is_alike(x, y) && !reached[row + x as usize];
        let first = (0..x).rev().take_while(|&x| open(x)).last().unwrap_or(x);
        let end = (x + 1..extent.width).take_while(|&x| open(x)).last().map_or(x + 1, |last| last + 1);
        reached[row + first as usize..row + end as usize].fill(true);
        bounds = bounds.union(Bounds { left: first, top: y, extent: Extent::new(end - first, 1) });
        let neighbours = [y.checked_sub(1), (y + 1 < extent.height).then_some(y + 1)];
        for y in neighbours.into_iter().flatten() {
            let row = y as usize * width;
            let mut in_run = false;
            for x in first..end {
                let is_open = !reached[row + x as usize] && is_alike(x, y);
                if is_open && !in_run {
                    seeds.push((x, y));
                }
                in_run = is_open;
            }
        }
    }
    (reached, bounds)
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
            let mut walked = vec![false; 72];
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
            let (reached, bounds) = connected(extent, from, |x, y| open[(y * 9 + x) as usize]);
            prop_assert_eq!(&reached, &walked);
            for i in (0..72u32).filter(|&i| walked[i as usize]) {
                let pixel = Bounds { left: i % 9, top: i / 9, extent: Extent::new(1, 1) };
                prop_assert_eq!(bounds.union(pixel), bounds);
            }
        }
    }
}
