//! Sizes, places and boxes in image pixels. Where a value lives in another space, its name says so (`_in_ui`, `_in_latent`).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A size in image pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Extent {
    /// `width` × `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The number of pixels.
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Whether there is no pixel in it.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Both sides rounded to the nearest multiple of `step`, at least one `step`. Half a step rounds up.
    #[must_use]
    pub fn rounded_to(self, step: u32) -> Self {
        let round = |side: u32| (side.saturating_add(step / 2) / step).max(1) * step;
        Self::new(round(self.width), round(self.height))
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A place in image pixels: (0, 0) is the top left corner of the top left pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Point {
    /// The place `x` to the right and `y` down.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// The distance between two places, in pixels.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// A box of whole pixels inside a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The first column.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// How many columns and rows.
    pub extent: Extent,
}

impl Bounds {
    /// The whole of a picture of this size.
    pub const fn whole(extent: Extent) -> Self {
        Self { left: 0, top: 0, extent }
    }

    /// The column after the last one.
    pub const fn right(self) -> u32 {
        self.left + self.extent.width
    }

    /// The row after the last one.
    pub const fn bottom(self) -> u32 {
        self.top + self.extent.height
    }

    /// The smallest box that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { left, top, extent: Extent::new(right - left, bottom - top) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_rounds_to_the_nearest_multiple_and_never_to_nothing() {
        assert_eq!(Extent::new(130, 3).rounded_to(8), Extent::new(128, 8));
        assert_eq!(Extent::new(132, 0).rounded_to(8), Extent::new(136, 8));
    }

    #[test]
    fn the_union_of_two_boxes_holds_both() {
        let a = Bounds { left: 2, top: 5, extent: Extent::new(3, 1) };
        let b = Bounds { left: 4, top: 1, extent: Extent::new(1, 2) };
        assert_eq!(a.union(b), Bounds { left: 2, top: 1, extent: Extent::new(3, 5) });
    }
}
