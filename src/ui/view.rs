//! Where the canvas looks: the place and the scale of the picture in the window. Lengths here are target pixels (one pixel of
//! the screen) unless a name says otherwise, so that "100 %" is one to one on every screen.
//!
//! Pointer, cursors, boxes, lines and the shader all go by [`Placement`]: another way to look at the picture is another way to place it.

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
    /// Whether left and right are swapped, about the middle of the canvas.
    pub mirrored: bool,
}

impl CanvasView {
    /// Where a picture of `extent` stands in a canvas, or in its mirror image.
    pub fn placement(self, canvas_in_ui: Rect, pixels_per_point: f32, extent: Extent, mirrored: bool) -> Placement {
        let room = canvas_in_ui.size() * pixels_per_point;
        let size = vec2(extent.width.max(1) as f32, extent.height.max(1) as f32);
        let (scale, centre) = match self {
            Self::Fit => (fitting_scale(room, size, pixels_per_point), size / 2.0),
            Self::Free { scale, centre } => (scale, vec2(centre.x, centre.y)),
        };
        let across = if mirrored { size.x - centre.x } else { centre.x };
        let left_top = (room / 2.0 - vec2(across, centre.y) * scale).round();
        Placement { canvas_in_ui, pixels_per_point, left_top, scale, extent, mirrored }
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
        let from_corner = ((at - self.canvas_in_ui.min) * self.pixels_per_point - self.left_top) / self.scale;
        let across = self.mirrored_across(from_corner.x);
        // Where two pixels meet, the one at the right is meant; in a mirror that is the one before.
        Point::new(if self.mirrored { across.next_down() } else { across }, from_corner.y)
    }

    /// The place in the window over a place in the picture.
    pub fn to_ui(&self, at: Point) -> Pos2 {
        let from_corner = vec2(self.mirrored_across(at.x), at.y) * self.scale;
        self.canvas_in_ui.min + (self.left_top + from_corner) / self.pixels_per_point
    }

    /// How far a place is from the left edge that is seen, from how far it is from the picture's, and the other way round.
    fn mirrored_across(&self, across: f32) -> f32 {
        if self.mirrored { self.extent.width as f32 - across } else { across }
    }

    /// Which side of the picture is seen at a side, and the other way round: -1 is the left, 1 the right, 0 neither.
    pub const fn mirrored_side(&self, across: i8) -> i8 {
        if self.mirrored { -across } else { across }
    }

    /// Where the picture stands in the window.
    pub fn picture_in_ui(&self) -> Rect {
        let end = Point::new(self.extent.width as f32, self.extent.height as f32);
        Rect::from_two_pos(self.to_ui(Point::default()), self.to_ui(end))
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
        let scale = CanvasView::Fit.placement(self.canvas_in_ui, self.pixels_per_point, part.extent, false).scale;
        let middle = |start: u32, side: u32| start as f32 + side as f32 / 2.0;
        let centre = Point::new(middle(part.left, part.extent.width), middle(part.top, part.extent.height));
        CanvasView::Free { scale, centre }
    }

    /// The view at `scale` that shows at `to` what is at `from` now.
    fn looking_at(&self, scale: f32, from: Pos2, to: Pos2) -> CanvasView {
        let scale = scale.clamp(self.least_scale(), SCALES.1);
        let anchor = self.to_image(from);
        let to_middle = (self.canvas_in_ui.center() - to) * self.pixels_per_point / scale;
        let across = if self.mirrored { -to_middle.x } else { to_middle.x };
        CanvasView::Free { scale, centre: Point::new(anchor.x + across, anchor.y + to_middle.y) }
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
        let placement = CanvasView::Fit.placement(canvas(), 1.0, Extent::new(128, 128), false);
        assert!((placement.scale - 4.0).abs() < f32::EPSILON);
        assert_eq!(placement.picture_in_ui().center(), canvas().center());
    }

    #[test]
    fn a_picture_that_is_magnified_a_little_fills_the_room() {
        let placement = CanvasView::Fit.placement(canvas(), 1.0, Extent::new(240, 200), false);
        assert!((placement.scale - 2.6).abs() < 1e-6);
    }

    #[test]
    fn a_part_that_is_fitted_stands_in_the_middle() {
        let extent = Extent::new(1000, 800);
        let part = Bounds { left: 100, top: 40, extent: Extent::new(128, 128) };
        let view = CanvasView::Fit.placement(canvas(), 1.0, extent, false).fitting(part);
        let placement = view.placement(canvas(), 1.0, extent, false);
        assert!((placement.scale - 4.0).abs() < f32::EPSILON);
        assert_eq!(placement.to_image(canvas().center()), Point::new(164.0, 104.0));
    }

    #[test]
    fn zooming_keeps_the_place_under_the_pointer() {
        for mirrored in [false, true] {
            let placement = CanvasView::Fit.placement(canvas(), 1.5, Extent::new(640, 480), mirrored);
            let pointer = pos2(333.0, 222.0);
            let before = placement.to_image(pointer);
            let after = placement.zoomed(3.0, pointer).placement(canvas(), 1.5, Extent::new(640, 480), mirrored);
            assert!(before.distance(after.to_image(pointer)) < 0.5, "mirrored: {mirrored}");
        }
    }

    #[test]
    fn a_picture_can_not_be_zoomed_out_of_sight() {
        let extent = Extent::new(128, 64);
        let placement = CanvasView::Fit.placement(canvas(), 1.0, extent, false);
        let small = placement.zoomed(0.001, canvas().center()).placement(canvas(), 1.0, extent, false);
        assert!((small.picture_in_ui().width() - 32.0).abs() < 1.0);
        assert!((small.next_scale(false) - 0.25).abs() < 1e-6);
        let dot = CanvasView::Fit.placement(canvas(), 1.0, Extent::new(8, 8), false);
        let actual = dot.zoomed(1.0, canvas().center()).placement(canvas(), 1.0, Extent::new(8, 8), false);
        assert!((actual.scale - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn panning_moves_the_picture_by_as_much() {
        for mirrored in [false, true] {
            let placement = CanvasView::Fit.placement(canvas(), 2.0, Extent::new(64, 64), mirrored);
            let before = placement.to_ui(Point::new(10.0, 10.0));
            let after = placement.panned(vec2(30.0, -12.0)).placement(canvas(), 2.0, Extent::new(64, 64), mirrored);
            assert_eq!(after.to_ui(Point::new(10.0, 10.0)) - before, vec2(30.0, -12.0), "mirrored: {mirrored}");
        }
    }

    /// Views of a picture of 300 by 200, and how many target pixels a point has there.
    const VIEWS: [(CanvasView, f32); 4] = [
        (CanvasView::Fit, 1.0),
        (CanvasView::Fit, 1.5),
        (CanvasView::Free { scale: 3.0, centre: Point::new(40.0, 150.0) }, 1.0),
        (CanvasView::Free { scale: 0.37, centre: Point::new(290.0, 10.0) }, 1.25),
    ];

    #[test]
    fn what_is_mirrored_is_seen_as_far_from_the_middle_at_the_other_side() {
        for (view, pixels_per_point) in VIEWS {
            let placement = |mirrored| view.placement(canvas(), pixels_per_point, Extent::new(300, 200), mirrored);
            let (plain, mirrored) = (placement(false), placement(true));
            for at in [Point::new(0.0, 0.0), Point::new(17.25, 190.0), Point::new(300.0, 80.5)] {
                let (as_it_is, in_mirror) = (plain.to_ui(at), mirrored.to_ui(at));
                let away = canvas().center().x - as_it_is.x;
                // Both stand at whole pixels.
                assert!((in_mirror.x - canvas().center().x - away).abs() < 1.01, "{view:?} {at:?}: {in_mirror:?}");
                assert!((in_mirror.y - as_it_is.y).abs() < f32::EPSILON, "{view:?} {at:?}: {in_mirror:?}");
            }
            let place = mirrored.picture_in_ui();
            assert!(place.is_positive() && (place.size() - plain.picture_in_ui().size()).length() < 0.01, "{place:?}");
        }
    }

    #[test]
    fn the_way_to_the_picture_and_back_ends_where_it_began() {
        for ((view, pixels_per_point), mirrored) in VIEWS.into_iter().flat_map(|v| [(v, false), (v, true)]) {
            let placement = view.placement(canvas(), pixels_per_point, Extent::new(300, 200), mirrored);
            for at in [pos2(100.0, 50.0), pos2(512.25, 333.0), pos2(899.0, 64.5)] {
                let back = placement.to_ui(placement.to_image(at));
                assert!(back.distance(at) < 0.01, "{view:?} {at:?}, mirrored: {mirrored}: {back:?}");
            }
        }
    }

    #[test]
    fn the_pixel_that_is_seen_at_a_place_is_the_one_that_is_meant_there() {
        let view = CanvasView::Free { scale: 1.0, centre: Point::new(32.0, 32.0) };
        let placement = |mirrored| view.placement(canvas(), 1.0, Extent::new(64, 64), mirrored);
        let (plain, mirrored) = (placement(false), placement(true));
        let left = mirrored.picture_in_ui().left();
        assert!((left - plain.picture_in_ui().left()).abs() < f32::EPSILON);
        // Pointers stand at the left edge of a pixel of the screen.
        for column in 0..64_u8 {
            let at = pos2(left + f32::from(column), 300.0);
            assert!((plain.to_image(at).x.floor() - f32::from(column)).abs() < f32::EPSILON);
            assert!((mirrored.to_image(at).x.floor() - f32::from(63 - column)).abs() < f32::EPSILON);
        }
        assert!(mirrored.to_image(pos2(left + 64.0, 300.0)).x < 0.0, "beside the picture");
    }

    #[test]
    fn a_part_that_is_fitted_stands_in_the_middle_of_a_mirror_too() {
        let extent = Extent::new(1000, 800);
        let part = Bounds { left: 100, top: 40, extent: Extent::new(128, 128) };
        let view = CanvasView::Fit.placement(canvas(), 1.0, extent, true).fitting(part);
        let placement = view.placement(canvas(), 1.0, extent, true);
        assert!(placement.to_image(canvas().center()).distance(Point::new(164.0, 104.0)) < 0.01);
    }
}
