//! A change of a mask that is found on a smaller one, while somebody drags a slider and wants to see at once about what it does.

use super::Mask;
use crate::geom::Extent;
use rayon::prelude::*;

impl Mask {
    /// What `change` makes of the mask, found on one that is `by` times smaller across and down. Of coverage that varies little within so
    /// many pixels it is nearly the same.
    #[must_use]
    pub fn roughly(&self, by: u32, change: impl FnOnce(&Self) -> Self) -> Self {
        if by < 2 || self.extent().is_empty() {
            return change(self);
        }
        change(&self.reduced(by)).enlarged(by, self.extent())
    }

    /// Each pixel the average of so many across and down, or of as many as there are at the right and at the bottom.
    fn reduced(&self, by: u32) -> Self {
        let (width, by_rows) = (self.extent().width as usize, by as usize);
        let extent = Extent::new(self.extent().width.div_ceil(by), self.extent().height.div_ceil(by));
        let mut reduced = Self::empty(extent);
        let lines = reduced.coverage_mut().par_chunks_exact_mut(extent.width as usize);
        lines.zip(self.coverage().par_chunks(width * by_rows)).for_each(|(line, rows)| {
            let mut sums = vec![0_u32; width];
            for row in rows.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, &coverage)| *sum += u32::from(coverage));
            }
            let count = (rows.len() / width) as u32;
            for (to, sums) in line.iter_mut().zip(sums.chunks(by_rows)) {
                let count = count * sums.len() as u32;
                *to = ((sums.iter().sum::<u32>() + count / 2) / count) as u8;
            }
        });
        reduced
    }

    /// The opposite, between the pixels by straight lines.
    fn enlarged(&self, by: u32, to: Extent) -> Self {
        let (small, width) = (self.extent(), to.width as usize);
        let columns: Vec<_> = (0..to.width).map(|x| between(x, by, small.width)).collect();
        let mut wide = vec![0; width * small.height as usize];
        let lines = wide.par_chunks_exact_mut(width).zip(self.coverage().par_chunks_exact(small.width as usize));
        lines.for_each(|(line, row)| {
            line.iter_mut().zip(&columns).for_each(|(to, &(a, b, share))| *to = mixed(row[a], row[b], share));
        });
        let mut enlarged = Self::empty(to);
        enlarged.coverage_mut().par_chunks_exact_mut(width).enumerate().for_each(|(y, line)| {
            let (above, below, share) = between(y as u32, by, small.height);
            let pairs = wide[above * width..][..width].iter().zip(&wide[below * width..][..width]);
            line.iter_mut().zip(pairs).for_each(|(to, (&a, &b))| *to = mixed(a, b, share));
        });
        enlarged
    }
}

/// Between which two of so many smaller pixels one of the larger ones lies, and how many 256ths of the way from the first.
fn between(at: u32, by: u32, count: u32) -> (usize, usize, u16) {
    // In halves of a larger pixel, from the middle of the first smaller one.
    let from_middle = (2 * at + 1).saturating_sub(by);
    let first = (from_middle / (2 * by)).min(count - 1);
    let share = from_middle % (2 * by) * 256 / (2 * by);
    (first as usize, (first + 1).min(count - 1) as usize, share as u16)
}

fn mixed(a: u8, b: u8, share: u16) -> u8 {
    ((u16::from(a) * (256 - share) + u16::from(b) * share + 128) / 256) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_little_stays_nearly_as_it_is_at_every_size() {
        for (width, height, by) in [(64, 48, 4), (65, 47, 4), (61, 50, 3), (9, 7, 16), (1, 5, 2)] {
            let slope = (0..width * height).map(|i| (i % width + i / width * 2) as u8).collect();
            let mask = Mask::from_coverage(Extent::new(width, height), slope).unwrap();
            let same = mask.roughly(by, Mask::clone);
            assert_eq!(same.extent(), mask.extent());
            // At the edges it goes on as it is in the middle of the outermost smaller pixel.
            let most = mask.coverage().iter().zip(same.coverage()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(u32::from(most) <= 2 * by + 1, "{most} at {width}x{height} by {by}");
            let middle = (height / 2 * width + width / 2) as usize;
            assert!(width < 3 * by || mask.coverage()[middle].abs_diff(same.coverage()[middle]) <= 1);
        }
    }

    #[test]
    fn a_rough_change_is_near_the_exact_one() {
        let extent = Extent::new(200, 160);
        let inside = |i: u32| (60..130).contains(&(i % 200)) && (40..110).contains(&(i / 200));
        let coverage = (0..200 * 160).map(|i| if inside(i) { 255 } else { 0 }).collect();
        let mask = Mask::from_coverage(extent, coverage).unwrap();
        let exact = mask.grown(12).feathered(8.0);
        let rough = mask.roughly(4, |small| small.grown(3).feathered(2.0));
        let most = exact.coverage().iter().zip(rough.coverage()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most <= 40, "by {most}");
        assert!(rough.coverage()[75 * 200 + 95] == 255 && rough.coverage()[0] == 0);
    }
}
