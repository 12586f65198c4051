//! Where the dabs of a stroke fall: evenly spaced along the pointer's path. The path of a pointer is a polygon; a painted one is
//! rounded first, by curves from the middle of each side to the middle of the next, and drawn behind the pointer like a brush on
//! a string, as much as the person wants it smooth.

use crate::geom::Point;

/// No picture is as large; beyond it, a path costs time and shows nothing.
const FARTHEST: f32 = 100_000.0;
/// The length of the straight pieces that a curve is walked in, in pixels.
const PIECE: f32 = 2.0;
const MOST_PIECES: f32 = 256.0;

/// A place of the pointer and how hard it is pressed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Where, in image pixels.
    pub at: Point,
    /// 0..1; 1 where the device does not tell.
    pub pressure: f32,
}

impl Sample {
    /// A place, pressed as hard as a device that cannot tell.
    pub const fn at(x: f32, y: f32) -> Self {
        Self { at: Point::new(x, y), pressure: 1.0 }
    }

    fn towards(self, other: Self, share: f32) -> Self {
        let between = |a: f32, b: f32| a + (b - a) * share;
        let at = Point::new(between(self.at.x, other.at.x), between(self.at.y, other.at.y));
        Self { at, pressure: between(self.pressure, other.pressure) }
    }
}

/// How a path follows the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Follow {
    /// From place to place, straight.
    Straight,
    /// Rounded; 0..1: how much the path lags behind the pointer.
    Smooth(f32),
}

/// A path under way: takes places one by one and says where dabs fall. The same places give the same dabs whether they come at
/// once or bit by bit.
#[derive(Clone, Debug)]
pub(super) struct Path {
    follow: Follow,
    /// Where the pointer is.
    pointer: Option<Sample>,
    /// The brush on its string.
    pen: Option<Sample>,
    /// How far the path is walked.
    walked: Option<Sample>,
    /// How much of the path is left until the next dab.
    until_next: f32,
}

impl Path {
    pub(super) const fn new(follow: Follow) -> Self {
        Self { follow, pointer: None, pen: None, walked: None, until_next: 0.0 }
    }

    /// Goes on to `to`. `dab` is told each place and says how far the next one is, in pixels. What is no number is left out.
    pub(super) fn extend(&mut self, to: Sample, dab: &mut (impl FnMut(Sample) -> f32 + ?Sized)) {
        if !to.at.x.is_finite() || !to.at.y.is_finite() {
            return;
        }
        let at = Point::new(to.at.x.clamp(-FARTHEST, FARTHEST), to.at.y.clamp(-FARTHEST, FARTHEST));
        let pressure = if to.pressure.is_finite() { to.pressure.clamp(0.0, 1.0) } else { 1.0 };
        let to = Sample { at, pressure };
        self.pointer = Some(to);
        let Some(pen) = self.pen else {
            (self.pen, self.walked) = (Some(to), Some(to));
            self.until_next = dab(to);
            return;
        };
        match self.follow {
            Follow::Straight => {
                self.pen = Some(to);
                self.walk(to, dab);
            }
            Follow::Smooth(lag) => {
                let next = pen.towards(to, 1.0 - lag.clamp(0.0, 0.98));
                self.pen = Some(next);
                self.curve(pen, pen.towards(next, 0.5), dab);
            }
        }
    }

    /// Goes all the way to where the pointer was let go.
    pub(super) fn finish(&mut self, dab: &mut (impl FnMut(Sample) -> f32 + ?Sized)) {
        if let (Follow::Smooth(_), Some(pen), Some(pointer)) = (self.follow, self.pen, self.pointer) {
            self.curve(pen, pointer, dab);
        }
    }

    /// A quadratic Bézier curve from what is walked to `to`, drawn towards `control`.
    fn curve(&mut self, control: Sample, to: Sample, dab: &mut (impl FnMut(Sample) -> f32 + ?Sized)) {
        let Some(from) = self.walked else { return };
        let length = from.at.distance(control.at) + control.at.distance(to.at);
        let pieces = (length / PIECE).ceil().clamp(1.0, MOST_PIECES);
        for i in 1..=pieces as u32 {
            let share = i as f32 / pieces;
            self.walk(from.towards(control, share).towards(control.towards(to, share), share), dab);
        }
    }

    fn walk(&mut self, to: Sample, dab: &mut (impl FnMut(Sample) -> f32 + ?Sized)) {
        let Some(from) = self.walked.replace(to) else { return };
        let length = from.at.distance(to.at);
        let mut along = self.until_next;
        while along <= length && length > 0.0 {
            along += dab(from.towards(to, along / length));
        }
        self.until_next = along - length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places(follow: Follow, spacing: f32, path: &[(f32, f32)]) -> Vec<Point> {
        let mut found = Vec::new();
        let mut dab = |sample: Sample| {
            found.push(sample.at);
            spacing
        };
        let mut walker = Path::new(follow);
        for &(x, y) in path {
            walker.extend(Sample::at(x, y), &mut dab);
        }
        walker.finish(&mut dab);
        found
    }

    proptest! {
        /// The chord between neighbours is never longer than the path between them, which is the spacing.
        #[test]
        fn dabs_are_evenly_spaced(path in prop::collection::vec((0.0f32..300.0, 0.0f32..300.0), 2..20), lag in 0.0f32..1.0) {
            for follow in [Follow::Straight, Follow::Smooth(lag)] {
                let places = places(follow, 3.0, &path);
                prop_assert!(places.windows(2).all(|w| w[0].distance(w[1]) < 3.01), "{places:?}");
            }
        }
    }

    #[test]
    fn a_straight_path_stays_straight_and_is_spaced_exactly() {
        for follow in [Follow::Straight, Follow::Smooth(0.0), Follow::Smooth(0.7)] {
            let places = places(follow, 5.0, &[(0.0, 4.0), (30.0, 4.0), (100.0, 4.0)]);
            assert_eq!(places.len(), 21, "{follow:?}");
            for (i, place) in places.iter().enumerate() {
                assert!((place.x - 5.0 * i as f32).abs() < 1e-3 && (place.y - 4.0).abs() < 1e-3, "{place:?}");
            }
        }
    }

    #[test]
    fn a_smooth_path_rounds_corners_and_ends_where_the_pointer_does() {
        let corner = [(0.0, 0.0), (50.0, 0.0), (50.0, 50.0)];
        let nearest = |follow| {
            let places = places(follow, 0.5, &corner);
            let last = places.last().copied().unwrap();
            assert!(last.distance(Point::new(50.0, 50.0)) <= 0.5, "{last:?}");
            places.iter().map(|p| p.distance(Point::new(50.0, 0.0))).fold(f32::MAX, f32::min)
        };
        assert!(nearest(Follow::Straight) < 0.5);
        let (round, lazy) = (nearest(Follow::Smooth(0.0)), nearest(Follow::Smooth(0.8)));
        assert!(round > 5.0 && lazy > round, "{round} and {lazy}");
    }

    #[test]
    fn a_shaking_hand_is_steadied() {
        let shaking: Vec<(f32, f32)> = (0..100).map(|i| (i as f32 * 3.0, if i % 2 == 0 { 0.0 } else { 8.0 })).collect();
        let wobble = |lag| {
            let places = places(Follow::Smooth(lag), 1.0, &shaking);
            let middle = &places[places.len() / 4..places.len() * 3 / 4];
            let (low, high) = middle.iter().fold((f32::MAX, f32::MIN), |(l, h), p| (l.min(p.y), h.max(p.y)));
            high - low
        };
        assert!(wobble(0.0) < 4.5 && wobble(0.8) < 0.6, "{} and {}", wobble(0.0), wobble(0.8));
    }
}
