//! Where two frames of the window differ.

use eframe::egui::emath::{Rot2, TSTransform};
use eframe::egui::epaint::{ClippedShape, RectShape};
use eframe::egui::{CornerRadius, Rect, Shape, pos2};

/// Boxes that have to be drawn anew, in points. They may overlap; what lies in two is drawn twice, and the same.
#[derive(Debug, Default)]
pub(super) struct Damage {
    areas: Vec<Rect>,
}

impl Damage {
    /// How much more two boxes may cover together than apart and still be joined, in square points: a box costs about as much as that.
    const SLACK: f32 = 4096.0;
    /// The most boxes; beyond, one around all of them.
    const MOST: usize = 16;

    /// Adds a box, joined with those beside it.
    pub(super) fn add(&mut self, mut area: Rect) {
        if !area.is_positive() {
            return;
        }
        let is_near = |other: &Rect, area: Rect| other.union(area).area() <= other.area() + area.area() + Self::SLACK;
        while let Some(at) = self.areas.iter().position(|other| is_near(other, area)) {
            area = area.union(self.areas.swap_remove(at));
        }
        self.areas.push(area);
        if self.areas.len() > Self::MOST {
            self.areas = vec![self.areas.iter().fold(Rect::NOTHING, |all, &area| all.union(area))];
        }
    }

    /// The boxes, each grown to whole pixels and one further, for lines that are softened there, and cut at the window's edge.
    pub(super) fn areas(&self, window: Rect, pixels_per_point: f32) -> impl Iterator<Item = Rect> {
        self.areas.iter().map(move |&area| {
            let pixels = area * pixels_per_point;
            let pixels = Rect::from_min_max(pixels.min.floor(), pixels.max.ceil()).expand(1.0);
            (pixels / pixels_per_point).intersect(window)
        })
    }
}

/// What a shape may touch, in points.
pub(super) fn bounds(shape: &ClippedShape) -> Rect {
    let drawn_on = shape.transform_after_tessellation * drawn(&shape.shape);
    // What cannot be told may be anywhere.
    if drawn_on.any_nan() { shape.clip_rect } else { drawn_on.intersect(shape.clip_rect) }
}

/// Where a shape draws. egui puts the ground of selected text into the rows and leaves the bounds of all of the text as they were.
fn drawn(shape: &Shape) -> Rect {
    match shape {
        Shape::Vec(shapes) => shapes.iter().fold(Rect::NOTHING, |all, shape| all.union(drawn(shape))),
        Shape::Text(text) => {
            let galley = &text.galley;
            let rows = galley.rows.iter().map(|row| row.visuals.mesh_bounds.translate(row.pos.to_vec2()));
            let bounds = rows.fold(galley.mesh_bounds, Rect::union);
            bounds.rotate_bb(Rot2::from_angle(text.angle)).translate(text.pos.to_vec2())
        }
        // A sharp corner of a closed line is not cut off: with 27 degrees, the sharpest of an icon, it reaches twice the stroke's width.
        Shape::Path(path) => path.visual_bounding_rect().expand(2.0 * path.stroke.width),
        _ => shape.visual_bounding_rect(),
    }
}

/// What an area shows, cut into boxes of whole pixels: with each the index of the lowest shape that is seen in it, if that covers all of the box.
/// Below it nothing need be drawn, and where the canvas is drawn that spares a driver without a card most of its work.
pub(super) fn parts(area: Rect, shapes: &[ClippedShape], pixels_per_point: f32) -> Vec<(Rect, Option<usize>)> {
    let most_of_it = |shape: &ClippedShape| {
        let covered = covered(shape, pixels_per_point)?.intersect(area);
        (covered.is_positive() && covered.area() > area.area() / 2.0).then_some(covered)
    };
    let found = shapes.iter().enumerate().rev().find_map(|(index, shape)| Some((most_of_it(shape)?, index)));
    let Some((covered, index)) = found else { return vec![(area, None)] };
    let beside = [
        Rect::from_min_max(area.min, pos2(area.right(), covered.top())),
        Rect::from_min_max(pos2(area.left(), covered.bottom()), area.max),
        Rect::from_min_max(pos2(area.left(), covered.top()), pos2(covered.left(), covered.bottom())),
        Rect::from_min_max(pos2(covered.right(), covered.top()), pos2(area.right(), covered.bottom())),
    ];
    let beside = beside.into_iter().filter(Rect::is_positive).map(|area| (area, None));
    beside.chain([(covered, Some(index))]).collect()
}

/// The box of whole pixels of which a shape leaves nothing to be seen of what lies below.
fn covered(shape: &ClippedShape, pixels_per_point: f32) -> Option<Rect> {
    let rect = match &shape.shape {
        // The canvas, which is the only one of its kind.
        Shape::Callback(callback) => callback.rect,
        // Edges may be softened.
        Shape::Rect(rect) if is_solid(rect) => rect.rect.shrink(1.0 / pixels_per_point),
        _ => return None,
    };
    let is_where_it_says = shape.transform_after_tessellation == TSTransform::IDENTITY;
    let pixels = rect.intersect(shape.clip_rect) * pixels_per_point;
    let whole = Rect::from_min_max(pixels.min.ceil(), pixels.max.floor()) / pixels_per_point;
    (is_where_it_says && whole.is_positive()).then_some(whole)
}

fn is_solid(rect: &RectShape) -> bool {
    let is_sharp = rect.corner_radius == CornerRadius::ZERO && rect.blur_width == 0.0 && rect.angle == 0.0;
    rect.fill.is_opaque() && is_sharp && rect.brush.is_none()
}

/// Calls `differs` with each shape of one frame that the other does not have, in the same order among those that both have: where none of
/// them is, both frames look the same. Callbacks count as equal where they are of the same box; what they draw is told apart.
pub(super) fn differences(before: &[ClippedShape], after: &[ClippedShape], mut differs: impl FnMut(&ClippedShape)) {
    /// How far ahead the next shape is looked for that both have.
    const REACH: usize = 48;
    let (mut old, mut new) = (0, 0);
    while let (Some(a), Some(b)) = (before.get(old), after.get(new)) {
        if is_same(a, b) {
            (old, new) = (old + 1, new + 1);
            continue;
        }
        let ahead = (1..=REACH).find_map(|by| {
            let left_out = before.get(old + by).is_some_and(|a| is_same(a, b)).then_some((by, 0));
            left_out.or_else(|| after.get(new + by).is_some_and(|b| is_same(a, b)).then_some((0, by)))
        });
        let (gone, come) = ahead.unwrap_or((1, 1));
        before[old..old + gone].iter().chain(&after[new..new + come]).for_each(&mut differs);
        (old, new) = (old + gone, new + come);
    }
    before[old..].iter().chain(&after[new..]).for_each(differs);
}

fn is_same(a: &ClippedShape, b: &ClippedShape) -> bool {
    match (&a.shape, &b.shape) {
        (Shape::Callback(callback), Shape::Callback(other)) => {
            callback.rect == other.rect && a.clip_rect == b.clip_rect
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Color32, vec2};

    fn square(x: f32, y: f32) -> ClippedShape {
        let rect = Rect::from_min_size(pos2(x, y), vec2(10.0, 10.0));
        ClippedShape {
            clip_rect: Rect::EVERYTHING,
            shape: Shape::rect_filled(rect, 0.0, Color32::WHITE),
            transform_after_tessellation: TSTransform::IDENTITY,
        }
    }

    fn found(before: &[ClippedShape], after: &[ClippedShape]) -> Vec<f32> {
        let mut found = Vec::new();
        differences(before, after, |shape| found.push(bounds(shape).left()));
        found
    }

    #[test]
    fn only_shapes_that_one_frame_has_alone_differ() {
        let row = |xs: &[f32]| xs.iter().map(|&x| square(x, 0.0)).collect::<Vec<_>>();
        let before = row(&[0.0, 20.0, 40.0, 60.0]);
        assert!(found(&before, &before).is_empty());
        assert_eq!(found(&before, &row(&[0.0, 20.0, 30.0, 40.0, 60.0])), [30.0], "one came");
        assert_eq!(found(&before, &row(&[0.0, 40.0, 60.0])), [20.0], "one went");
        assert_eq!(found(&before, &row(&[0.0, 25.0, 40.0, 60.0])), [20.0, 25.0], "one moved");
        assert_eq!(found(&before, &row(&[0.0, 20.0, 40.0, 60.0, 80.0, 90.0])), [80.0, 90.0], "two at the end");
        assert_eq!(found(&before, &row(&[20.0, 0.0, 40.0, 60.0])).len(), 2, "what lies over what counts");
    }

    #[test]
    fn a_shape_counts_as_far_as_it_is_not_cut_off() {
        let clip_rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(15.0, 5.0));
        let shape = ClippedShape { clip_rect, ..square(10.0, 0.0) };
        assert_eq!(bounds(&shape), Rect::from_min_max(pos2(10.0, 0.0), pos2(15.0, 5.0)));
    }

    #[test]
    fn boxes_are_joined_where_they_are_near_and_cover_whole_pixels() {
        let window = Rect::from_min_size(pos2(0.0, 0.0), vec2(1000.0, 800.0));
        let mut damage = Damage::default();
        damage.add(Rect::from_min_size(pos2(10.4, 10.4), vec2(20.0, 20.0)));
        damage.add(Rect::from_min_size(pos2(35.0, 12.0), vec2(20.0, 20.0)));
        damage.add(Rect::from_min_size(pos2(900.0, 700.0), vec2(200.0, 50.0)));
        damage.add(Rect::NOTHING);
        let areas: Vec<_> = damage.areas(window, 1.5).map(|area| area * 1.5).collect();
        assert_eq!(areas.len(), 2, "{areas:?}");
        assert!(areas.iter().all(|area| area.min == area.min.round() && area.max == area.max.round()), "{areas:?}");
        assert!(areas[0].contains_rect(Rect::from_min_max(pos2(10.4, 10.4), pos2(55.0, 32.0)) * 1.5), "{areas:?}");
        assert!(areas.iter().all(|area| area.right() <= 1500.0), "no further than the window: {areas:?}");
        for i in 0..100 {
            damage.add(Rect::from_min_size(pos2(i as f32 * 97.0 % 990.0, i as f32 * 7.0), vec2(1.0, 1.0)));
        }
        assert!(damage.areas(window, 1.0).count() <= Damage::MOST);
    }

    #[test]
    fn what_is_covered_is_not_drawn_and_what_lies_beside_it_is() {
        let place =
            |left: f32, top: f32, right: f32, bottom: f32| Rect::from_min_max(pos2(left, top), pos2(right, bottom));
        let filled = |rect, colour| ClippedShape { shape: Shape::rect_filled(rect, 0.0, colour), ..square(0.0, 0.0) };
        let area = place(10.0, 10.0, 110.0, 110.0);
        let ground = filled(place(0.0, 0.0, 200.0, 200.0), Color32::BLACK);
        let glass = filled(place(0.0, 0.0, 200.0, 200.0), Color32::from_black_alpha(200));
        assert_eq!(
            parts(area, std::slice::from_ref(&glass), 1.0),
            [(area, None)],
            "what is seen through covers nothing"
        );
        assert_eq!(parts(area, &[square(50.0, 50.0)], 1.0), [(area, None)], "too small to be worth it");
        assert_eq!(parts(area, &[ground.clone(), glass.clone()], 1.0), [(area, Some(0))]);
        let sheet = filled(place(19.6, 0.0, 200.0, 99.5), Color32::WHITE);
        let found = parts(area, &[ground, sheet.clone(), glass], 1.0);
        let kept = place(21.0, 10.0, 110.0, 98.0);
        assert_eq!(found.last(), Some(&(kept, Some(1))), "whole pixels, less a softened edge");
        let beside: Vec<_> = found[..found.len() - 1].iter().map(|(rect, _)| *rect).collect();
        assert_eq!(beside, [place(10.0, 98.0, 110.0, 110.0), place(10.0, 10.0, 21.0, 98.0)]);
        let clipped = ClippedShape { clip_rect: place(0.0, 0.0, 70.0, 200.0), ..sheet };
        assert_eq!(parts(area, &[clipped], 1.0), [(area, None)]);
    }
}
