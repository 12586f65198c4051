//! Where two frames of the window differ.

use eframe::egui::emath::Rot2;
use eframe::egui::epaint::ClippedShape;
use eframe::egui::{Rect, Shape};

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
    let drawn = shape.transform_after_tessellation * drawn(&shape.shape);
    // What cannot be told may be anywhere.
    if drawn.any_nan() { shape.clip_rect } else { drawn.intersect(shape.clip_rect) }
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
        // A sharp corner reaches further than half of the stroke's width.
        Shape::Path(path) => path.visual_bounding_rect().expand(path.stroke.width / 2.0),
        _ => shape.visual_bounding_rect(),
    }
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
    use eframe::egui::emath::TSTransform;
    use eframe::egui::{Color32, pos2, vec2};

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
}
