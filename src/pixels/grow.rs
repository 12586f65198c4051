//! Masks that reach further: each pixel takes the strongest coverage within a disc around it (a grey dilation), so that soft edges
//! stay as soft as they are. Along a row the strongest of a window is found as van Herk 1992 does, at a cost that does not grow with it.

use super::Mask;
use rayon::prelude::*;

impl Mask {
    /// The mask grown by `radius` pixels in every direction.
    #[must_use]
    pub fn grown(&self, radius: u32) -> Self {
        let Some(bounds) = self.bounds().filter(|_| radius > 0) else {
            return self.clone();
        };
        let (width, height) = (self.extent().width as usize, self.extent().height as usize);
        let radius = radius.min(self.extent().width.max(self.extent().height));
        let (reach, squared) = (i64::from(radius), (f64::from(radius) + 0.5).powi(2));
        let mut grown = Self::empty(self.extent());
        let rows = i64::from(bounds.top) - reach..i64::from(bounds.bottom()) + reach;
        grown.coverage_mut().par_chunks_mut(width).enumerate().filter(|(y, _)| rows.contains(&(*y as i64))).for_each(
            |(y, row)| {
                for dy in -reach..=reach {
                    let from = y as i64 + dy;
                    if from < i64::from(bounds.top) || from >= i64::from(bounds.bottom()).min(height as i64) {
                        continue;
                    }
                    let half = (squared - (dy * dy) as f64).max(0.0).sqrt() as usize;
                    let source = &self.coverage()[from as usize * width..(from as usize + 1) * width];
                    for (to, strongest) in row.iter_mut().zip(strongest_around(source, half)) {
                        *to = (*to).max(strongest);
                    }
                }
            },
        );
        grown
    }
}

/// For each value the largest of those at most `half` places away.
fn strongest_around(values: &[u8], half: usize) -> Vec<u8> {
    let (length, window) = (values.len(), 2 * half + 1);
    let at = |i: usize| if i < half || i - half >= length { 0 } else { values[i - half] };
    let padded = length + 2 * half;
    let (mut from_left, mut from_right) = (vec![0; padded], vec![0; padded]);
    for i in 0..padded {
        from_left[i] = if i % window == 0 { at(i) } else { at(i).max(from_left[i - 1]) };
    }
    for i in (0..padded).rev() {
        let ends = i + 1 == padded || (i + 1) % window == 0;
        from_right[i] = if ends { at(i) } else { at(i).max(from_right[i + 1]) };
    }
    (0..length).map(|i| from_right[i].max(from_left[i + window - 1])).collect()
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
