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

    /// Whether it lies within a picture of this size.
    pub const fn is_within(self, extent: Extent) -> bool {
        self.left as u64 + self.extent.width as u64 <= extent.width as u64
            && self.top as u64 + self.extent.height as u64 <= extent.height as u64
    }

    /// What both have in common. `None` if that is nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (left, top) = (self.left.max(other.left), self.top.max(other.top));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (left < right && top < bottom).then(|| Self { left, top, extent: Extent::new(right - left, bottom - top) })
    }

    /// The context area around a mask with these bounds: wider by `padding` on each side, then as much longer along one side as makes
    /// it as broad for its height as `shape`, moved and cut so that it lies within `limits`, which hold a part of the mask.
    #[must_use]
    pub fn context_area(self, padding: u32, shape: Extent, limits: Self) -> Self {
        let longer = |side: u32| u64::from(side) + 2 * u64::from(padding);
        let (width, height) = (longer(self.extent.width), longer(self.extent.height));
        let (across, down) = (u64::from(shape.width.max(1)), u64::from(shape.height.max(1)));
        let width = width.max((height * across).div_ceil(down));
        let height = height.max((width * down).div_ceil(across));
        let along = |start: u32, side: u32, wanted: u64, first: u32, room: u32| {
            let length = wanted.min(u64::from(room)) as u32;
            let middle = u64::from(start) * 2 + u64::from(side);
            let begin = (middle.saturating_sub(u64::from(length)) / 2) as u32;
            (begin.clamp(first, first + room - length), length)
        };
        let (left, width) = along(self.left, self.extent.width, width, limits.left, limits.extent.width);
        let (top, height) = along(self.top, self.extent.height, height, limits.top, limits.extent.height);
        Self { left, top, extent: Extent::new(width, height) }
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
    use proptest::prelude::*;

    const fn bounds(left: u32, top: u32, width: u32, height: u32) -> Bounds {
        Bounds { left, top, extent: Extent::new(width, height) }
    }

    #[test]
    fn a_context_area_has_padding_and_the_shape_that_is_asked_for_and_moves_away_from_the_edge() {
        let canvas = Bounds::whole(Extent::new(384, 256));
        let square = Extent::new(128, 128);
        // 20x10 and 32 on each side is 84x74; as broad as it is high, 84x84 about (110, 55).
        assert_eq!(bounds(100, 50, 20, 10).context_area(32, square, canvas), bounds(68, 13, 84, 84));
        assert_eq!(bounds(0, 250, 4, 6).context_area(32, square, canvas), bounds(0, 186, 70, 70));
        // Twice as broad as high: 74 high wants 148 across.
        assert_eq!(bounds(100, 50, 20, 10).context_area(32, Extent::new(64, 32), canvas), bounds(36, 18, 148, 74));
        assert_eq!(bounds(0, 0, 384, 9).context_area(32, square, canvas), canvas);
    }

    proptest! {
        #[test]
        fn a_context_area_lies_within_its_limits_and_holds_the_mask(
            (left, top, width, height) in (0u32..300, 0u32..300, 1u32..300, 1u32..300),
            padding in 0u32..200,
            (across, down) in (1u32..2000, 1u32..2000),
            (from_left, from_top, columns, rows) in (0u32..200, 0u32..200, 1u32..400, 1u32..400),
        ) {
            let limits = bounds(from_left, from_top, columns, rows);
            if let Some(mask) = bounds(left, top, width, height).intersection(limits) {
                let area = mask.context_area(padding, Extent::new(across, down), limits);
                prop_assert_eq!(area.intersection(limits), Some(area));
                prop_assert_eq!(area.union(mask), area);
            }
        }
    }

    #[test]
    fn boxes_have_in_common_what_lies_in_both() {
        assert_eq!(bounds(2, 5, 3, 4).intersection(bounds(4, 1, 9, 6)), Some(bounds(4, 5, 1, 2)));
        assert_eq!(bounds(2, 5, 3, 4).intersection(bounds(5, 5, 1, 1)), None);
        assert!(bounds(2, 5, 3, 4).is_within(Extent::new(5, 9)) && !bounds(2, 5, 3, 4).is_within(Extent::new(5, 8)));
    }

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
