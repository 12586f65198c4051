//! Where the canvas looks: the place and the scale of the picture in the window. Lengths here are target pixels (one pixel of
//! the screen) unless a name says otherwise, so that "100 %" is one to one on every screen.

use crate::geom::{Bounds, Extent, Point};
use egui::{Pos2, Rect, Vec2, vec2};

/// Where the canvas looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CanvasView {
    /// At the whole picture, as large as fits.
    #[default]
    Fit,
    /// At a place, at a scale.
    Free {
        /// Target pixels for each image pixel.
        scale: f32,
        /// The place of the picture that is in the middle.
        centre: Point,
    },
}

/// The least and the most that can be zoomed to, in target pixels for each image pixel.
pub(super) const SCALES: (f32, f32) = (0.02, 64.0);
/// The longer side of a picture that is zoomed out as far as can be, in target pixels.
const LEAST_SIDE: f32 = 32.0;
/// Kept free around a picture that is fitted, in points: as much as the bars over and under it take, whether they are seen or not.
const MARGIN: f32 = 40.0;

/// Where the picture stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The canvas, in points.
    pub canvas_in_ui: Rect,
    /// Target pixels for each point.
    pub pixels_per_point: f32,
    /// The picture's left top corner, from the canvas's left top corner. Whole pixels.
    pub left_top: Vec2,
    /// Target pixels for each image pixel.
    pub scale: f32,
    /// The picture's size.
    pub extent: Extent,
}

impl CanvasView {
    /// Where a picture of `extent` stands in a canvas.
    pub fn placement(self, canvas_in_ui: Rect, pixels_per_point: f32, extent: Extent) -> Placement {
        let room = canvas_in_ui.size() * pixels_per_point;
        let size = vec2(extent.width.max(1) as f32, extent.height.max(1) as f32);
        let (scale, left_top) = match self {
            Self::Fit => {
                let scale = fitting_scale(room, size, pixels_per_point);
                (scale, (room - size * scale) / 2.0)
            }
            Self::Free { scale, centre } => (scale, room / 2.0 - vec2(centre.x, centre.y) * scale),
        };
        Placement { canvas_in_ui, pixels_per_point, left_top: left_top.round(), scale, extent }
    }
}

/// The largest scale at which all is seen; a whole number from four times on, where texels are seen as squares and are to be of one size.
fn fitting_scale(room: Vec2, size: Vec2, pixels_per_point: f32) -> f32 {
    let free = (room - Vec2::splat(2.0 * MARGIN * pixels_per_point)).max(Vec2::splat(16.0));
    let scale = (free.x / size.x).min(free.y / size.y);
    let scale = if scale >= 4.0 { scale.floor() } else { scale };
    scale.clamp(SCALES.0, 16.0)
}

impl Placement {
    /// The place in the picture under a place in the window.
    pub fn to_image(&self, at: Pos2) -> Point {
        let from_corner = (at - self.canvas_in_ui.min) * self.pixels_per_point - self.left_top;
        Point::new(from_corner.x / self.scale, from_corner.y / self.scale)
    }

    /// The place in the window over a place in the picture.
    pub fn to_ui(&self, at: Point) -> Pos2 {
        self.canvas_in_ui.min + (self.left_top + vec2(at.x, at.y) * self.scale) / self.pixels_per_point
    }

    /// Where the picture stands in the window.
    pub fn picture_in_ui(&self) -> Rect {
        let end = Point::new(self.extent.width as f32, self.extent.height as f32);
        Rect::from_min_max(self.to_ui(Point::default()), self.to_ui(end))
    }

    /// The view that shows the picture moved by `delta_in_ui` points.
    #[must_use]
    pub fn panned(&self, delta_in_ui: Vec2) -> CanvasView {
        self.looking_at(self.scale, self.canvas_in_ui.center() - delta_in_ui, self.canvas_in_ui.center())
    }

    /// The view at `scale` in which the place of the picture under `anchor` stays there.
    #[must_use]
    pub fn zoomed(&self, scale: f32, anchor: Pos2) -> CanvasView {
        self.looking_at(scale, anchor, anchor)
    }

    /// The view in which a part of the picture stands in the middle, as large as fits.
    #[must_use]
    pub fn fitting(&self, part: Bounds) -> CanvasView {
        let scale = CanvasView::Fit.placement(self.canvas_in_ui, self.pixels_per_point, part.extent).scale;
        let middle = |start: u32, side: u32| start as f32 + side as f32 / 2.0;
        let centre = Point::new(middle(part.left, part.extent.width), middle(part.top, part.extent.height));
        CanvasView::Free { scale, centre }
    }

    /// The view at `scale` that shows at `to` what is at `from` now.
    fn looking_at(&self, scale: f32, from: Pos2, to: Pos2) -> CanvasView {
        let scale = scale.clamp(self.least_scale(), SCALES.1);
        let anchor = self.to_image(from);
        let to_middle = (self.canvas_in_ui.center() - to) * self.pixels_per_point / scale;
        CanvasView::Free { scale, centre: Point::new(anchor.x + to_middle.x, anchor.y + to_middle.y) }
    }

    /// The least scale that can be zoomed to: the picture's longer side keeps [`LEAST_SIDE`]; actual size is always possible.
    fn least_scale(&self) -> f32 {
        let longer = self.extent.width.max(self.extent.height).max(1) as f32;
        (LEAST_SIDE / longer).clamp(SCALES.0, 1.0)
    }

    /// The next larger or smaller of the usual scales.
    pub fn next_scale(&self, larger: bool) -> f32 {
        const USUAL: [f32; 17] =
            [0.02, 0.05, 0.1, 0.17, 0.25, 0.33, 0.5, 0.67, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        let found = if larger {
            USUAL.into_iter().find(|s| *s > self.scale * 1.01)
        } else {
            USUAL.into_iter().rfind(|s| *s < self.scale * 0.99)
        };
        found.unwrap_or(self.scale).max(self.least_scale().min(self.scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    fn canvas() -> Rect {
        Rect::from_min_max(pos2(100.0, 50.0), pos2(900.0, 650.0))
    }

    #[test]
    fn a_fitted_picture_stands_in_the_middle_at_a_whole_scale() {
        let placement = CanvasView::Fit.placement(canvas(), 1.0, Extent::new(128, 128));
        assert!((placement.scale - 4.0).abs() < f32::EPSILON);
        assert_eq!(placement.picture_in_ui().center(), canvas().center());
    }

    #[test]
    fn a_picture_that_is_magnified_a_little_fills_the_room() {
        let placement = CanvasView::Fit.placement(canvas(), 1.0, Extent::new(240, 200));
        assert!((placement.scale - 2.6).abs() < 1e-6);
    }

    #[test]
    fn a_part_that_is_fitted_stands_in_the_middle() {
        let extent = Extent::new(1000, 800);
        let part = Bounds { left: 100, top: 40, extent: Extent::new(128, 128) };
        let view = CanvasView::Fit.placement(canvas(), 1.0, extent).fitting(part);
        let placement = view.placement(canvas(), 1.0, extent);
        assert!((placement.scale - 4.0).abs() < f32::EPSILON);
        assert_eq!(placement.to_image(canvas().center()), Point::new(164.0, 104.0));
    }

    #[test]
    fn zooming_keeps_the_place_under_the_pointer() {
        let placement = CanvasView::Fit.placement(canvas(), 1.5, Extent::new(640, 480));
        let pointer = pos2(333.0, 222.0);
        let before = placement.to_image(pointer);
        let after = placement.zoomed(3.0, pointer).placement(canvas(), 1.5, Extent::new(640, 480));
        assert!(before.distance(after.to_image(pointer)) < 0.5);
    }

    #[test]
    fn a_picture_can_not_be_zoomed_out_of_sight() {
        let extent = Extent::new(128, 64);
        let placement = CanvasView::Fit.placement(canvas(), 1.0, extent);
        let small = placement.zoomed(0.001, canvas().center()).placement(canvas(), 1.0, extent);
        assert!((small.picture_in_ui().width() - 32.0).abs() < 1.0);
        assert!((small.next_scale(false) - 0.25).abs() < 1e-6);
        let dot = CanvasView::Fit.placement(canvas(), 1.0, Extent::new(8, 8));
        let actual = dot.zoomed(1.0, canvas().center()).placement(canvas(), 1.0, Extent::new(8, 8));
        assert!((actual.scale - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn panning_moves_the_picture_by_as_much() {
        let placement = CanvasView::Fit.placement(canvas(), 2.0, Extent::new(64, 64));
        let before = placement.to_ui(Point::new(10.0, 10.0));
        let after = placement.panned(vec2(30.0, -12.0)).placement(canvas(), 2.0, Extent::new(64, 64));
        assert_eq!(after.to_ui(Point::new(10.0, 10.0)) - before, vec2(30.0, -12.0));
    }
}
