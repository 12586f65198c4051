//! Edges of a picture (Canny 1986), computed in whole numbers as `OpenCV`'s `Canny` does for RGB pictures without blur, with a
//! 3×3 Sobel filter and the L1 norm: `ControlNet`s were trained on those.

use super::Picture;

/// Steepness above which a ridge is an edge if it continues one, and above which it is one anyway: what people use with
/// `ControlNet`s.
const THRESHOLDS: (i32, i32) = (100, 200);
/// tan 22.5° in 15 bits.
const TAN_22: i64 = 13573;

/// What a pixel is, while edges are followed.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Flat,
    Ridge,
    Edge,
}

/// White edges, a pixel wide, on black. What is transparent counts as laid on white.
pub fn edges(picture: &Picture) -> Picture {
    let (width, height) = (picture.extent().width as usize, picture.extent().height as usize);
    let slopes = slopes(picture, width, height);
    let steepness = |x: usize, y: usize| -> i32 {
        // Around the picture it is flat. `x` and `y` are one more than the pixel's.
        if x == 0 || y == 0 || x > width || y > height { 0 } else { steep(slopes[(y - 1) * width + x - 1]) }
    };
    let (weak, strong) = THRESHOLDS;
    let mut kinds = vec![Kind::Flat; width * height];
    let mut to_follow = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = slopes[y * width + x];
            let here = steep((dx, dy));
            if here <= weak
                || !is_ridge(here, (dx, dy), |by_x, by_y| {
                    steepness((x + 1).wrapping_add_signed(by_x), (y + 1).wrapping_add_signed(by_y))
                })
            {
                continue;
            }
            kinds[y * width + x] = if here > strong { Kind::Edge } else { Kind::Ridge };
            if here > strong {
                to_follow.push((x, y));
            }
        }
    }
    while let Some((x, y)) = to_follow.pop() {
        for near_y in y.saturating_sub(1)..=(y + 1).min(height - 1) {
            for near_x in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                let kind = &mut kinds[near_y * width + near_x];
                if *kind == Kind::Ridge {
                    *kind = Kind::Edge;
                    to_follow.push((near_x, near_y));
                }
            }
        }
    }
    let rgba = kinds.iter().flat_map(|&kind| if kind == Kind::Edge { [255; 4] } else { [0, 0, 0, 255] }).collect();
    Picture::from_rgba(picture.extent(), rgba).expect("four bytes a pixel")
}

fn steep((dx, dy): (i16, i16)) -> i32 {
    i32::from(dx).abs() + i32::from(dy).abs()
}

/// Whether no neighbour across the edge is steeper; `at` gives the steepness of a neighbour.
fn is_ridge(here: i32, (dx, dy): (i16, i16), at: impl Fn(isize, isize) -> i32) -> bool {
    let (x, y) = (i64::from(dx).abs(), i64::from(dy).abs() << 15);
    let flat = x * TAN_22;
    if y < flat {
        return here > at(-1, 0) && here >= at(1, 0);
    }
    if y > flat + (x << 16) {
        return here > at(0, -1) && here >= at(0, 1);
    }
    let side = if (dx < 0) == (dy < 0) { 1 } else { -1 };
    here > at(-side, -1) && here > at(side, 1)
}

/// For each pixel, how much the channel that changes most changes to the right and downwards, by Sobel's filter; the border is
/// repeated outwards.
fn slopes(picture: &Picture, width: usize, height: usize) -> Vec<(i16, i16)> {
    let flat = picture.flattened();
    let pixels: Vec<[i16; 3]> =
        flat.rgba().as_chunks::<4>().0.iter().map(|&[r, g, b, _]| [r, g, b].map(i16::from)).collect();
    let mut slopes = Vec::with_capacity(width * height);
    for y in 0..height {
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)].map(|y| &pixels[y * width..(y + 1) * width]);
        for x in 0..width {
            let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
            let mut steepest = (0, 0);
            for channel in 0..3 {
                let [above, here, below] = rows.map(|row| columns.map(|column| row[column][channel]));
                let dx = above[2] - above[0] + 2 * (here[2] - here[0]) + below[2] - below[0];
                let dy = below[0] - above[0] + 2 * (below[1] - above[1]) + below[2] - above[2];
                if steep((dx, dy)) > steep(steepest) {
                    steepest = (dx, dy);
                }
            }
            slopes.push(steepest);
        }
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Extent;
    use std::path::Path;

    #[test]
    fn edges_are_those_that_opencv_finds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/edges");
        let picture = Picture::load(&folder.join("picture.png")).unwrap();
        let theirs = Picture::load(&folder.join("edges.png")).unwrap();
        let ours = edges(&picture);
        let edge_count = theirs.rgba().as_chunks::<4>().0.iter().filter(|pixel| **pixel == [255; 4]).count();
        assert!(edge_count > 300, "a fixture with edges in it");
        assert!(ours == theirs, "other edges than OpenCV's");
    }

    #[test]
    fn the_smallest_and_the_empty_picture_have_no_edges() {
        for extent in [Extent::new(0, 0), Extent::new(1, 1), Extent::new(1, 5), Extent::new(7, 1)] {
            let found = edges(&Picture::filled(extent, [200, 10, 90, 255]));
            assert!(found.rgba().as_chunks::<4>().0.iter().all(|pixel| *pixel == [0, 0, 0, 255]), "{extent}");
        }
    }

    #[test]
    fn what_is_transparent_counts_as_white() {
        let rgba = (0..256).flat_map(|i| if i % 16 < 8 { [0, 0, 0, 0] } else { [255, 255, 255, 255] }).collect();
        let picture = Picture::from_rgba(Extent::new(16, 16), rgba).unwrap();
        assert!(edges(&picture).rgba().as_chunks::<4>().0.iter().all(|pixel| *pixel == [0, 0, 0, 255]));
    }
}
