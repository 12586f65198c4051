//! What a brush leaves on a mask: round dabs, evenly spaced along the pointer's path. Of overlapping dabs the strongest counts,
//! so that a stroke is as even as one dab is, however slowly it is drawn and however often it crosses itself.

use super::path::{Follow, Path, Sample};
use super::tip::Tip;
use super::{PaintBrush, Tool};
use crate::geom::{Bounds, Point};
use crate::pixels::Mask;

/// The distance between dabs as a share of the brush's size. A hard stroke's edge then waves by 1/512 of its radius.
const SPACING: f32 = 1.0 / 16.0;
const MIN_SPACING: f32 = 0.5;

/// A stroke under way: takes points one by one and leaves dabs on a mask. The same points leave the same dabs whether they come
/// at once or bit by bit.
#[derive(Clone, Debug)]
pub(super) struct Dabs {
    tool: Tool,
    brush: PaintBrush,
    path: Path,
}

impl Dabs {
    pub(super) fn new(tool: Tool, brush: PaintBrush) -> Self {
        // Where nothing is steadied, the path leads through the places of the pointer itself.
        let follow = if brush.smoothing > 0.0 { Follow::Smooth(brush.smoothing.min(1.0)) } else { Follow::Straight };
        Self { tool, brush, path: Path::new(follow) }
    }

    /// Goes on to a place and returns the box that was painted on, if any. A place that is no number is left out.
    pub(super) fn extend(&mut self, mask: &mut Mask, to: Sample) -> Option<Bounds> {
        self.paint(mask, |path, dab| path.extend(to, dab))
    }

    /// Goes all the way to where the pointer was let go.
    pub(super) fn finish(&mut self, mask: &mut Mask) -> Option<Bounds> {
        self.paint(mask, |path, dab| path.finish(dab))
    }

    fn paint(&mut self, mask: &mut Mask, go: impl FnOnce(&mut Path, &mut dyn FnMut(Sample) -> f32)) -> Option<Bounds> {
        if !self.tool.is_mask() {
            return None;
        }
        let (tool, brush) = (self.tool, self.brush);
        let mut painted: Option<Bounds> = None;
        go(&mut self.path, &mut |sample| {
            let (tip, covers) = brush.pressed(sample.pressure);
            if let Some(bounds) = dab(tool, tip, covers, mask, sample.at) {
                painted = Some(painted.map_or(bounds, |p| p.union(bounds)));
            }
            ((tip.outer * 2.0 - 1.0) * SPACING).max(MIN_SPACING)
        });
        painted
    }
}

/// `covers` is the most that it covers, 0..1.
fn dab(tool: Tool, tip: Tip, covers: f32, mask: &mut Mask, centre: Point) -> Option<Bounds> {
    let bounds = tip.reach(mask.extent(), centre)?;
    let width = mask.extent().width as usize;
    let (inner_squared, outer_squared) = (tip.inner.max(0.0).powi(2), tip.outer.powi(2));
    let most = (covers * 255.0).round() as u8;
    for y in bounds.top..bounds.bottom() {
        let start = y as usize * width;
        let row = &mut mask.coverage_mut()[start + bounds.left as usize..start + bounds.right() as usize];
        let dy = y as f32 + 0.5 - centre.y;
        for (x, coverage) in (bounds.left..).zip(row) {
            let dx = x as f32 + 0.5 - centre.x;
            let squared = dx * dx + dy * dy;
            if squared >= outer_squared {
                continue;
            }
            let dab = if squared <= inner_squared {
                most
            } else {
                (tip.falloff(squared.sqrt()) * covers * 255.0).round() as u8
            };
            *coverage = match tool {
                Tool::MaskBrush => (*coverage).max(dab),
                Tool::MaskEraser => (*coverage).min(255 - dab),
                _ => *coverage,
            };
        }
    }
    Some(bounds)
}

#[cfg(test)]
mod tests {
    use super::super::Brush;
    use super::*;
    use crate::geom::Extent;

    fn unsteadied(tip: Brush) -> PaintBrush {
        PaintBrush { smoothing: 0.0, ..PaintBrush::new(tip) }
    }

    fn painted(extent: Extent, tool: Tool, brush: Brush, points: &[(f32, f32)]) -> Mask {
        let mut mask = Mask::empty(extent);
        if tool == Tool::MaskEraser {
            mask = mask.inverted();
        }
        let mut dabs = Dabs::new(tool, unsteadied(brush));
        for &(x, y) in points {
            dabs.extend(&mut mask, Sample::at(x, y));
        }
        mask
    }

    const HARD: Brush = Brush { size: 8.0, hardness: 1.0 };
    const SOFT: Brush = Brush { size: 16.0, hardness: 0.0 };

    #[test]
    fn a_hard_dab_covers_the_area_of_its_circle() {
        for size in [1.0, 5.0, 24.0, 61.5] {
            let mask = painted(Extent::new(80, 80), Tool::MaskBrush, Brush { size, hardness: 1.0 }, &[(40.0, 40.0)]);
            let area = mask.coverage().iter().map(|&c| f64::from(c) / 255.0).sum::<f64>();
            let circle = std::f64::consts::PI * f64::from(size / 2.0).powi(2);
            assert!((area - circle).abs() < 0.03 * circle + 0.4, "size {size}: {area}, a circle has {circle}");
        }
    }

    #[test]
    fn a_soft_dab_falls_from_full_to_nothing_and_never_rises() {
        let mask = painted(Extent::new(33, 33), Tool::MaskBrush, SOFT, &[(16.5, 16.5)]);
        let from_centre: Vec<u8> = mask.coverage()[16 * 33 + 16..17 * 33].to_vec();
        assert_eq!((from_centre[0], from_centre[9]), (255, 0));
        assert!(from_centre.windows(2).all(|w| w[0] >= w[1]), "{from_centre:?}");
        // Half way down at half the reach of 8.5 pixels: between 4 and 5 pixels from the centre.
        assert!(from_centre[4] > 127 && from_centre[5] < 127, "{from_centre:?}");
    }

    #[test]
    fn a_stroke_does_not_build_up_where_it_crosses_itself_or_rests() {
        let once = painted(Extent::new(60, 40), Tool::MaskBrush, SOFT, &[(15.0, 20.0), (45.0, 20.0)]);
        let path: Vec<_> = (0..60).map(|i| if i % 2 == 0 { (15.0, 20.0) } else { (45.0, 20.0) }).collect();
        let often = painted(Extent::new(60, 40), Tool::MaskBrush, SOFT, &path);
        for (x, y) in [(30, 20), (30, 14), (30, 25), (15, 13)] {
            let at = y * 60 + x;
            assert!(once.coverage()[at].abs_diff(often.coverage()[at]) <= 6, "at {x}, {y}");
        }
    }

    #[test]
    fn a_stroke_is_even_along_its_path() {
        let mask = painted(Extent::new(200, 40), Tool::MaskBrush, HARD, &[(20.0, 20.0), (180.0, 20.0)]);
        for row in 17..23 {
            assert!(mask.coverage()[row * 200 + 22..row * 200 + 178].iter().all(|&c| c == 255), "row {row}");
        }
        let edge = &mask.coverage()[16 * 200 + 30..16 * 200 + 170];
        let (low, high) = (edge.iter().min().unwrap(), edge.iter().max().unwrap());
        assert!(high - low <= 8, "the edge waves from {low} to {high}");
    }

    #[test]
    fn the_eraser_does_the_opposite_of_the_brush() {
        let path = [(5.0, 5.0), (20.0, 11.0), (12.0, 22.0)];
        let brushed = painted(Extent::new(30, 30), Tool::MaskBrush, SOFT, &path);
        assert_eq!(painted(Extent::new(30, 30), Tool::MaskEraser, SOFT, &path), brushed.inverted());
    }

    #[test]
    fn points_that_come_in_pieces_leave_the_same_dabs() {
        let straight = painted(Extent::new(64, 64), Tool::MaskBrush, HARD, &[(8.0, 8.0), (56.0, 56.0)]);
        let pieces: Vec<_> = (0..=96).map(|i| (8.0 + i as f32 / 2.0, 8.0 + i as f32 / 2.0)).collect();
        let piecewise = painted(Extent::new(64, 64), Tool::MaskBrush, HARD, &pieces);
        let differ = straight.coverage().iter().zip(piecewise.coverage()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(differ <= 2, "by {differ}: only the rounding of places may differ");
    }

    #[test]
    fn paths_beyond_the_picture_and_senseless_numbers_do_no_harm() {
        let wild = [(f32::NAN, 3.0), (1e30, -1e30), (4.0, f32::INFINITY), (-50.0, -50.0), (4.0, 4.0)];
        for brush in [HARD, Brush { size: f32::NAN, hardness: -3.0 }, Brush { size: 1e30, hardness: f32::NAN }] {
            for extent in [Extent::new(8, 8), Extent::new(0, 5)] {
                painted(extent, Tool::MaskBrush, brush, &wild);
            }
        }
        assert_eq!(painted(Extent::new(8, 8), Tool::MaskBrush, HARD, &[(500.0, 4.0), (500.0, 900.0)]).bounds(), None);
    }

    #[test]
    fn the_reported_box_holds_all_that_changed() {
        let mut mask = Mask::empty(Extent::new(40, 30));
        let mut dabs = Dabs::new(Tool::MaskBrush, unsteadied(SOFT));
        let first = dabs.extend(&mut mask, Sample::at(10.2, 9.7)).unwrap();
        let second = dabs.extend(&mut mask, Sample::at(39.0, 28.0)).unwrap();
        let (reported, changed) = (first.union(second), mask.bounds().unwrap());
        assert_eq!(reported.union(changed), reported);
    }

    #[test]
    fn pressure_opacity_and_smoothing_count_as_for_the_paint_brush() {
        let extent = Extent::new(60, 60);
        let drawn = |brush: PaintBrush, samples: &[Sample]| {
            let (mut mask, mut dabs) = (Mask::empty(extent), Dabs::new(Tool::MaskBrush, brush));
            for &sample in samples {
                dabs.extend(&mut mask, sample);
            }
            dabs.finish(&mut mask);
            mask
        };
        let at = |mask: &Mask, x: usize, y: usize| mask.coverage()[y * 60 + x];
        let half = PaintBrush { opacity: 0.5, ..unsteadied(HARD) };
        let mask = drawn(half, &[Sample::at(10.0, 30.0), Sample::at(50.0, 30.0), Sample::at(10.0, 30.0)]);
        assert_eq!(at(&mask, 30, 30), 128, "however often it crosses itself");
        let lightly = Sample { pressure: 0.5, ..Sample::at(30.0, 30.0) };
        let thin = drawn(unsteadied(HARD), &[lightly]);
        assert_eq!((at(&thin, 30, 30), at(&thin, 33, 30)), (255, 0), "half as wide");
        let pale = PaintBrush { pressure_sizes: false, pressure_covers: true, ..unsteadied(HARD) };
        assert_eq!(at(&drawn(pale, &[lightly]), 32, 30), 128);
        let corner = [Sample::at(5.0, 5.0), Sample::at(55.0, 5.0), Sample::at(55.0, 55.0)];
        let round = drawn(PaintBrush { smoothing: 0.5, ..unsteadied(HARD) }, &corner);
        assert_eq!(
            (at(&drawn(unsteadied(HARD), &corner), 57, 3), at(&round, 57, 3), at(&round, 55, 54)),
            (255, 0, 255)
        );
    }
}
