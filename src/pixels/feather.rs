//! Soft mask edges. A Gaussian is what painters know as feather; three box blurs in a row come within a few per cent of it at a
//! cost that does not grow with the radius (Kovesi, "Fast almost-Gaussian filtering", 2010).

use super::Mask;
use crate::geom::Bounds;
use rayon::prelude::*;

const PASSES: usize = 3;
/// How many lines are blurred beside each other: for the compiler's vectors, and so that what is read of a row while columns are
/// blurred is used before it is gone from the cache.
const LANES: usize = 16;
type Lanes = [f32; LANES];

impl Mask {
    /// The mask blurred by a Gaussian of standard deviation `radius`, in image pixels, as A1111's mask blur counts. Beyond the
    /// picture's edge coverage goes on as it is at the edge. A radius of 0 or less, or one that is not a number, changes nothing.
    #[must_use]
    pub fn feathered(&self, radius: f32) -> Self {
        let Some(bounds) = self.bounds() else {
            return self.clone();
        };
        let longest = self.extent().width.max(self.extent().height) as f32;
        let half_widths = box_half_widths(radius.clamp(0.0, longest));
        let reach: usize = half_widths.iter().sum();
        if reach == 0 {
            return self.clone();
        }
        // Only what the blur can reach is touched: masks are mostly empty.
        let (width, height) = (self.extent().width as usize, self.extent().height as usize);
        let Bounds { left, top, .. } = bounds;
        let columns = (left as usize).saturating_sub(reach)..(bounds.right() as usize + reach).min(width);
        let rows = (top as usize).saturating_sub(reach)..(bounds.bottom() as usize + reach).min(height);

        let (across, down) = (columns.len(), rows.len());
        let mut plane = vec![0.0; across * down];
        plane.par_chunks_mut(across * LANES).enumerate().for_each(|(group, lines)| {
            let mut lanes = vec![[0.0; LANES]; across];
            for lane in 0..lines.len() / across {
                let row = &self.coverage()[(rows.start + group * LANES + lane) * width..][columns.clone()];
                lanes.iter_mut().zip(row).for_each(|(to, &coverage)| to[lane] = f32::from(coverage));
            }
            blur(&mut lanes, half_widths);
            for (lane, line) in lines.chunks_exact_mut(across).enumerate() {
                line.iter_mut().zip(&lanes).for_each(|(to, from)| *to = from[lane]);
            }
        });
        let strips: Vec<Vec<[u8; LANES]>> = (0..across)
            .into_par_iter()
            .step_by(LANES)
            .map(|first| {
                let count = LANES.min(across - first);
                let mut lanes = vec![[0.0; LANES]; down];
                for (to, row) in lanes.iter_mut().zip(plane.chunks_exact(across)) {
                    to[..count].copy_from_slice(&row[first..first + count]);
                }
                blur(&mut lanes, half_widths);
                lanes.iter().map(|lanes| lanes.map(|value| (value + 0.5) as u8)).collect()
            })
            .collect();

        let mut feathered = self.clone();
        let lines = feathered.coverage_mut().par_chunks_exact_mut(width).skip(rows.start).take(down);
        lines.enumerate().for_each(|(y, line)| {
            for (to, strip) in line[columns.clone()].chunks_mut(LANES).zip(&strips) {
                to.copy_from_slice(&strip[y][..to.len()]);
            }
        });
        feathered
    }
}

/// Half widths of the boxes (each covers `2 * half + 1` pixels) whose variances add up as nearly as they can to `sigma`².
fn box_half_widths(sigma: f32) -> [usize; PASSES] {
    if sigma.is_nan() || sigma <= 0.0 {
        return [0; PASSES];
    }
    let n = PASSES as f32;
    let ideal = (12.0 * sigma * sigma / n + 1.0).sqrt();
    let narrow = ((ideal.floor() as usize).saturating_sub(1) / 2) * 2 + 1;
    let w = narrow as f32;
    let narrow_passes = (12.0 * sigma * sigma - n * w * w - 4.0 * n * w - 3.0 * n) / (-4.0 * w - 4.0);
    let narrow_passes = narrow_passes.round().max(0.0) as usize;
    std::array::from_fn(|pass| if pass < narrow_passes { narrow / 2 } else { narrow / 2 + 1 })
}

/// Box after box over lines beside each other, the ends held.
fn blur(lines: &mut [Lanes], half_widths: [usize; PASSES]) {
    let (Some(&first), Some(&last)) = (lines.first(), lines.last()) else { return };
    let mut held = Vec::new();
    for half in half_widths.into_iter().filter(|&half| half > 0) {
        held.clear();
        held.resize(half, first);
        held.extend_from_slice(lines);
        held.resize(lines.len() + 2 * half + 1, last);
        let mut sums = [0.0; LANES];
        for lanes in &held[..=2 * half] {
            sums.iter_mut().zip(lanes).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let scale = 1.0 / (2 * half + 1) as f64;
        for ((to, out), into) in lines.iter_mut().zip(&held).zip(&held[2 * half + 1..]) {
            for lane in 0..LANES {
                to[lane] = (sums[lane] * scale) as f32;
                sums[lane] += f64::from(into[lane]) - f64::from(out[lane]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Extent;

    fn dot(extent: Extent) -> Mask {
        let mut mask = Mask::empty(extent);
        let centre = extent.area() / 2;
        mask.coverage_mut()[centre] = 255;
        mask
    }

    #[test]
    fn no_radius_changes_nothing() {
        let mask = dot(Extent::new(9, 9));
        for radius in [0.0, -3.0, f32::NAN] {
            assert_eq!(mask.feathered(radius), mask);
        }
    }

    #[test]
    fn an_edge_falls_off_as_a_gaussian_does() {
        let (width, sigma) = (129, 8.0);
        let coverage = (0..width).map(|x| if x < 64 { 255 } else { 0 }).collect();
        let edge = Mask::from_coverage(Extent::new(width, 1), coverage).unwrap().feathered(sigma);
        // The normal distribution function at -2, -1, 0, 1, 2 standard deviations.
        for (deviations, share) in [(-2.0, 0.9772), (-1.0, 0.8413), (0.0, 0.5), (1.0, 0.1587), (2.0, 0.0228)] {
            let x = (63.5 + deviations * sigma) as usize;
            let between = f32::midpoint(f32::from(edge.coverage()[x]), f32::from(edge.coverage()[x + 1])) / 255.0;
            assert!(
                (between - share).abs() < 0.012,
                "at {deviations} standard deviations: {between}, expected {share}"
            );
        }
    }

    #[test]
    fn a_full_mask_stays_full_to_the_edge() {
        let full = Mask::empty(Extent::new(20, 11)).inverted();
        assert_eq!(full.feathered(5.0), full);
        assert_eq!(full.feathered(1e9), full);
    }

    #[test]
    fn a_blurred_box_is_the_same_both_ways_round() {
        let extent = Extent::new(41, 41);
        let mut mask = Mask::empty(extent);
        for y in 15..26 {
            mask.coverage_mut()[y * 41 + 15..y * 41 + 26].fill(255);
        }
        let soft = mask.feathered(3.0);
        for y in 0..41 {
            for x in 0..41 {
                let here = soft.coverage()[y * 41 + x];
                assert_eq!(here, soft.coverage()[x * 41 + y]);
                assert_eq!(here, soft.coverage()[(40 - y) * 41 + x]);
            }
        }
        let sum = |mask: &Mask| mask.coverage().iter().map(|&c| f64::from(c)).sum::<f64>();
        assert!((sum(&soft) / sum(&mask) - 1.0).abs() < 0.01, "blurring moves coverage and makes none");
    }
}
