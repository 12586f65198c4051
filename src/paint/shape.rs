//! Areas that are masked at once: a box, an ellipse, what a loop of the pointer encloses, or what looks alike. Edges are smooth:
//! each row of pixels is cut into sixteen lines, and along a line the covered length is exact.

use super::Tiles;
use super::fill::{alike, in_range};
use crate::geom::{Extent, Point};
use crate::pixels::Mask;

/// An area of the picture, in image pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Between two corners.
    Rectangle(Point, Point),
    /// The largest ellipse between two corners.
    Ellipse(Point, Point),
    /// What a closed path encloses; where it crosses itself, inside and outside change places.
    Lasso(Vec<Point>),
    /// What looks like a pixel.
    Alike {
        /// The pixel's column.
        x: u32,
        /// The pixel's row.
        y: u32,
        /// How far each channel may be from that pixel's, 0..255.
        tolerance: u8,
        /// Whether only what hangs together with the pixel counts, with a sharp edge. If not, a range of colours is masked: what is
        /// further away than the tolerance fades out until twice as far.
        connected: bool,
    },
}

/// How an area meets the mask that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Repaint it, too.
    #[default]
    Add,
    /// Keep it.
    Subtract,
    /// Keep everything else.
    Intersect,
    /// Repaint it, and nothing else.
    Replace,
}

impl Shape {
    /// Coverage of the area in a picture of which `seen` is seen.
    pub(super) fn mask(&self, seen: &Tiles) -> Mask {
        let extent = seen.extent();
        match self {
            Self::Rectangle(a, b) => enclosed(extent, &corners(*a, *b)),
            Self::Ellipse(a, b) => enclosed(extent, &around(*a, *b)),
            Self::Lasso(path) => enclosed(extent, path),
            Self::Alike { x, y, tolerance, connected: true } => alike(seen, (*x, *y), *tolerance),
            Self::Alike { x, y, tolerance, connected: false } => in_range(seen, (*x, *y), *tolerance),
        }
    }

    /// Its outline, closed; nothing for what has none before it is filled.
    pub fn outline(&self) -> Vec<Point> {
        match self {
            Self::Rectangle(a, b) => corners(*a, *b).to_vec(),
            Self::Ellipse(a, b) => around(*a, *b),
            Self::Lasso(path) => path.clone(),
            Self::Alike { .. } => Vec::new(),
        }
    }
}

impl Combine {
    /// What becomes of a mask where an area meets it.
    pub(super) fn of(self, mask: &Mask, area: &Mask) -> Mask {
        let meet = |there: u8, here: u8| match self {
            Self::Add => there.max(here),
            Self::Subtract => there.min(255 - here),
            Self::Intersect => there.min(here),
            Self::Replace => here,
        };
        let coverage = mask.coverage().iter().zip(area.coverage()).map(|(&there, &here)| meet(there, here)).collect();
        Mask::from_coverage(mask.extent(), coverage).expect("as many bytes as the mask has")
    }
}

fn corners(a: Point, b: Point) -> [Point; 4] {
    [a, Point::new(b.x, a.y), b, Point::new(a.x, b.y)]
}

/// A polygon that no eye tells from the ellipse: its sides are an eightieth of a pixel off at most.
fn around(a: Point, b: Point) -> Vec<Point> {
    let centre = Point::new(f32::midpoint(a.x, b.x), f32::midpoint(a.y, b.y));
    let (across, down) = ((b.x - a.x).abs() / 2.0, (b.y - a.y).abs() / 2.0);
    let sides = (20.0 * across.max(down).min(1e6).sqrt()).ceil().max(24.0) as u32;
    let angle = |i: u32| std::f32::consts::TAU * i as f32 / sides as f32;
    (0..sides).map(|i| Point::new(centre.x + across * angle(i).cos(), centre.y + down * angle(i).sin())).collect()
}

/// What a closed path encloses, by the even-odd rule.
fn enclosed(extent: Extent, path: &[Point]) -> Mask {
    const LINES: u32 = 16;
    let mut mask = Mask::empty(extent);
    if path.iter().any(|p| !p.x.is_finite() || !p.y.is_finite()) || extent.is_empty() {
        return mask;
    }
    let (top, bottom) = path.iter().fold((f32::MAX, f32::MIN), |(t, b), p| (t.min(p.y), b.max(p.y)));
    let rows = top.max(0.0).floor() as u32..(bottom.max(0.0).ceil() as u32).min(extent.height);
    let width = extent.width as usize;
    let mut covered = vec![0.0f32; width];
    let mut crossings = Vec::new();
    for y in rows {
        covered.fill(0.0);
        for line in 0..LINES {
            let at = y as f32 + (line as f32 + 0.5) / LINES as f32;
            crossings.clear();
            for (i, a) in path.iter().enumerate() {
                let b = path[(i + 1) % path.len()];
                if (a.y <= at) != (b.y <= at) {
                    crossings.push((a.x + (b.x - a.x) * (at - a.y) / (b.y - a.y)).clamp(0.0, width as f32));
                }
            }
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.as_chunks::<2>().0 {
                cover(&mut covered, pair[0], pair[1]);
            }
        }
        let row = &mut mask.coverage_mut()[y as usize * width..(y as usize + 1) * width];
        for (to, share) in row.iter_mut().zip(&covered) {
            *to = (share * 255.0 / LINES as f32).round() as u8;
        }
    }
    mask
}

/// Adds how much of each pixel lies between two places of a line.
fn cover(covered: &mut [f32], from: f32, to: f32) {
    let (first, last) = (from as usize, (to.ceil() as usize).min(covered.len()));
    for (x, share) in covered.iter_mut().enumerate().take(last).skip(first) {
        *share += (to.min(x as f32 + 1.0) - from.max(x as f32)).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXTENT: Extent = Extent::new(40, 30);

    fn area(shape: &Shape) -> f64 {
        shape.mask(&Tiles::clear(EXTENT)).coverage().iter().map(|&c| f64::from(c) / 255.0).sum()
    }

    fn at(x: f32, y: f32) -> Point {
        Point::new(x, y)
    }

    #[test]
    fn a_box_covers_its_pixels_and_a_share_of_those_it_cuts() {
        let mask = Shape::Rectangle(at(10.5, 4.0), at(2.0, 8.25)).mask(&Tiles::clear(EXTENT));
        let pixel = |x: usize, y: usize| mask.coverage()[y * 40 + x];
        assert_eq!((pixel(2, 4), pixel(9, 7), pixel(1, 5), pixel(5, 9)), (255, 255, 0, 0));
        assert_eq!((pixel(10, 5), pixel(5, 8), pixel(10, 8)), (128, 64, 32));
    }

    #[test]
    fn an_ellipse_has_the_area_of_one() {
        let (across, down) = (15.0, 10.0);
        let found = area(&Shape::Ellipse(at(3.0, 2.0), at(33.0, 22.0)));
        let expected = std::f64::consts::PI * across * down;
        assert!((found - expected).abs() < 0.003 * expected, "{found} and {expected}");
    }

    #[test]
    fn a_loop_that_crosses_itself_encloses_by_turns() {
        let bow = Shape::Lasso(vec![at(0.0, 0.0), at(20.0, 20.0), at(20.0, 0.0), at(0.0, 20.0)]);
        assert!((area(&bow) - 200.0).abs() < 2.0, "{}", area(&bow));
        let nothing = [
            vec![at(f32::NAN, 0.0), at(9.0, 9.0), at(0.0, 9.0)],
            Vec::new(),
            vec![at(-1e30, -5.0), at(1e30, -5.0), at(0.0, -2.0)],
        ];
        for path in nothing {
            assert!(Shape::Lasso(path).mask(&Tiles::clear(EXTENT)).is_empty());
        }
    }

    proptest! {
        /// The area of a triangle inside the picture, by its corners (half the cross product).
        #[test]
        fn a_triangle_has_its_area(corners in prop::collection::vec((0.0f32..40.0, 0.0f32..30.0), 3)) {
            let [a, b, c] = [corners[0], corners[1], corners[2]];
            let expected = f64::from(((b.0 - a.0) * (c.1 - a.1) - (c.0 - a.0) * (b.1 - a.1)).abs() / 2.0);
            let found = area(&Shape::Lasso(corners.iter().map(|&(x, y)| at(x, y)).collect()));
            prop_assert!((found - expected).abs() < 1.0 + 0.01 * expected, "{} and {}", found, expected);
        }
    }

    #[test]
    fn areas_are_added_taken_away_and_met() {
        let mask = Mask::from_coverage(Extent::new(3, 1), vec![0, 100, 255]).unwrap();
        let area = Mask::from_coverage(Extent::new(3, 1), vec![200, 200, 200]).unwrap();
        let met = |how: Combine| how.of(&mask, &area).coverage().to_vec();
        assert_eq!(met(Combine::Add), [200, 200, 255]);
        assert_eq!(met(Combine::Subtract), [0, 55, 55]);
        assert_eq!(met(Combine::Intersect), [0, 100, 200]);
        assert_eq!(met(Combine::Replace), [200; 3]);
    }
}
