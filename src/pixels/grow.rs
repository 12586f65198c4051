//! Masks that reach further: each pixel takes the strongest coverage within a disc around it (a grey dilation), so that soft edges
//! stay as soft as they are. A disc is a stretch in each of its rows, the longer the nearer to the middle: each row of the mask is
//! widened bit by bit, and what it is at each length is what it gives to the rows that far above and below it.

use super::Mask;
use crate::geom::Bounds;
use rayon::prelude::*;

/// How many rows one thread takes on at once.
const BAND: usize = 256;

impl Mask {
    /// The mask grown by `radius` pixels in every direction.
    #[must_use]
    pub fn grown(&self, radius: u32) -> Self {
        let Some(bounds) = self.bounds().filter(|_| radius > 0) else {
            return self.clone();
        };
        let (width, height) = (self.extent().width as usize, self.extent().height as usize);
        let reach = radius.min(self.extent().width.max(self.extent().height)) as usize;
        let squared = (reach as f64 + 0.5).powi(2);
        // How far to each side the disc goes, so many rows from its middle.
        let halves: Vec<usize> = (0..=reach).map(|down| (squared - (down * down) as f64).sqrt() as usize).collect();
        let Bounds { left, top, .. } = bounds;
        let columns = (left as usize).saturating_sub(reach)..(bounds.right() as usize + reach).min(width);
        let rows = (top as usize).saturating_sub(reach)..(bounds.bottom() as usize + reach).min(height);
        let mut grown = Self::empty(self.extent());
        let reached = &mut grown.coverage_mut()[rows.start * width..rows.end * width];
        reached.par_chunks_mut(BAND * width).enumerate().for_each(|(band, lines)| {
            let first = rows.start + band * BAND;
            let end = first + lines.len() / width;
            let near = first.saturating_sub(reach).max(top as usize)..(end + reach).min(bounds.bottom() as usize);
            let (mut row, mut wider) = (vec![0; columns.len()], vec![0; columns.len()]);
            for y in near {
                row.copy_from_slice(&self.coverage()[y * width..][columns.clone()]);
                if row.iter().fold(0, |all, &coverage| all | coverage) == 0 {
                    continue;
                }
                let mut half = 0;
                for (down, &wanted) in halves.iter().enumerate().rev() {
                    while half < wanted {
                        widen(&row, &mut wider);
                        std::mem::swap(&mut row, &mut wider);
                        half += 1;
                    }
                    let below = (down > 0).then_some(y + down);
                    for y in [y.checked_sub(down), below].into_iter().flatten().filter(|y| (first..end).contains(y)) {
                        strengthen(&mut lines[(y - first) * width..][columns.clone()], &row);
                    }
                }
            }
        });
        grown
    }
}

/// Each value the largest of itself and its two neighbours.
fn widen(from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
    let others = from.len().saturating_sub(1);
    strengthen(&mut to[..others], &from[from.len() - others..]);
    strengthen(&mut to[from.len() - others..], &from[..others]);
}

fn strengthen(values: &mut [u8], with: &[u8]) {
    values.iter_mut().zip(with).for_each(|(value, &other)| *value = (*value).max(other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Extent;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_strongest_within_the_disc(coverage in prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => any::<u8>()], 13 * 9), radius in 0u32..6) {
            let mask = Mask::from_coverage(Extent::new(13, 9), coverage.clone()).unwrap();
            let grown = mask.grown(radius);
            for (x, y) in (0..9i32).flat_map(|y| (0..13i32).map(move |x| (x, y))) {
                let near = (0..9i32).flat_map(|v| (0..13i32).map(move |u| (u, v)));
                let inside = |u: i32, v: i32| f64::from((u - x).pow(2) + (v - y).pow(2)).sqrt() <= f64::from(radius) + 0.5;
                let expected = near.filter(|&(u, v)| inside(u, v)).map(|(u, v)| coverage[(v * 13 + u) as usize]).max();
                let expected = if radius == 0 { coverage[(y * 13 + x) as usize] } else { expected.unwrap() };
                prop_assert_eq!(grown.coverage()[(y * 13 + x) as usize], expected);
            }
        }
    }
}
