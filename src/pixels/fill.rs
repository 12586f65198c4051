//! The colours around a hole, run into it: what the run starts from where a mask is to be painted without regard to what was there.
//! Push and pull (Gortler et al., "The Lumigraph", 1996): the picture is halved again and again, known pixels alone counting, until
//! the hole is closed, and what is missing at each size is taken from the next smaller one.

use super::{Mask, Picture};
use crate::geom::Extent;

/// Red, green, blue and alpha, each times how much of the pixel is known, and that share.
pub(super) type Known = [f32; 5];

pub(super) struct Level {
    pub(super) extent: Extent,
    pub(super) pixels: Vec<Known>,
}

impl Picture {
    /// The picture with what the mask covers filled from around it; a mask of the same extent. Where coverage is 0 its bytes stay as
    /// they are. A mask that leaves nothing to go by changes nothing.
    #[must_use]
    pub fn filled_in(&self, mask: &Mask) -> Self {
        let extent = self.extent();
        let pixels = self.rgba().as_chunks::<4>().0.iter().zip(mask.coverage());
        let known = |(pixel, coverage): (&[u8; 4], &u8)| {
            let share = 1.0 - f32::from(*coverage) / 255.0;
            let [r, g, b, a] = pixel.map(|channel| f32::from(channel) * share);
            [r, g, b, a, share]
        };
        let finest = Level { extent, pixels: pixels.map(known).collect() };
        if mask.extent() != extent || finest.pixels.iter().all(|pixel| pixel[4] <= 0.0) {
            return self.clone();
        }
        let filled = finest.filled();
        let rgba = self.rgba().as_chunks::<4>().0.iter().zip(mask.coverage()).zip(&filled.pixels).flat_map(
            |((pixel, &coverage), found)| {
                if coverage == 0 { *pixel } else { std::array::from_fn(|c| found[c].round().clamp(0.0, 255.0) as u8) }
            },
        );
        Self::from_rgba(extent, rgba.collect()).expect("four bytes a pixel")
    }
}

impl Level {
    /// With what is not known filled from around it.
    pub(super) fn filled(self) -> Self {
        let mut levels = vec![self];
        while let Some(last) = levels.last().filter(|level| level.extent.area() > 1 && level.has_holes()) {
            let halved = last.halved();
            levels.push(halved);
        }
        let mut filled = levels.pop().expect("the finest level is there").complete();
        for level in levels.into_iter().rev() {
            filled = level.completed_from(&filled);
        }
        filled
    }

    fn has_holes(&self) -> bool {
        self.pixels.iter().any(|pixel| pixel[4] < 1.0)
    }

    /// Half as large: the sum of what is known of four pixels, which is wholly known once they add up to one.
    fn halved(&self) -> Self {
        let extent = Extent::new(self.extent.width.div_ceil(2), self.extent.height.div_ceil(2));
        let at = |x: u32, y: u32| {
            let mut sum = [0.0; 5];
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (x, y) = (x * 2 + dx, y * 2 + dy);
                if x < self.extent.width && y < self.extent.height {
                    let pixel = self.pixels[(y * self.extent.width + x) as usize];
                    sum = std::array::from_fn(|c| sum[c] + pixel[c]);
                }
            }
            let most = sum[4].max(1.0);
            sum.map(|channel| channel / most)
        };
        let pixels = (0..extent.height).flat_map(|y| (0..extent.width).map(move |x| at(x, y))).collect();
        Self { extent, pixels }
    }

    /// Each pixel as far as it is known taken for all of it.
    fn complete(mut self) -> Self {
        for pixel in &mut self.pixels {
            let share = pixel[4];
            if share > 0.0 {
                *pixel = pixel.map(|channel| channel / share);
            }
        }
        self
    }

    /// What is missing, from the level of half the size, between whose pixels it is interpolated.
    fn completed_from(mut self, smaller: &Self) -> Self {
        let Extent { width, height } = smaller.extent;
        for (index, pixel) in self.pixels.iter_mut().enumerate().filter(|(_, pixel)| pixel[4] < 1.0) {
            let place = |at: usize, most: u32| {
                let place = (at as f32 / 2.0 - 0.25).clamp(0.0, (most - 1) as f32);
                (place as u32, (place as u32 + 1).min(most - 1), place.fract())
            };
            let (left, right, across) = place(index % self.extent.width as usize, width);
            let (above, below, down) = place(index / self.extent.width as usize, height);
            let missing = 1.0 - pixel[4];
            for (x, y, weight) in [
                (left, above, (1.0 - across) * (1.0 - down)),
                (right, above, across * (1.0 - down)),
                (left, below, (1.0 - across) * down),
                (right, below, across * down),
            ] {
                let found = smaller.pixels[(y * width + x) as usize];
                *pixel = std::array::from_fn(|c| pixel[c] + found[c] * weight * missing);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(extent: Extent, pixels: &[[u8; 4]], coverage: &[u8]) -> Vec<[u8; 4]> {
        let picture = Picture::from_rgba(extent, pixels.concat()).unwrap();
        let mask = Mask::from_coverage(extent, coverage.to_vec()).unwrap();
        picture.filled_in(&mask).rgba().as_chunks::<4>().0.to_vec()
    }

    #[test]
    fn a_hole_in_one_colour_takes_that_colour_whatever_it_held() {
        let extent = Extent::new(37, 21);
        let coverage: Vec<u8> = (0..extent.area()).map(|i| if i % 37 > 5 && i / 37 > 3 { 255 } else { 0 }).collect();
        let pixels: Vec<_> =
            coverage.iter().map(|&c| if c > 0 { [1, 99, 200, 13] } else { [40, 80, 120, 255] }).collect();
        assert!(filled(extent, &pixels, &coverage).iter().all(|&pixel| pixel == [40, 80, 120, 255]));
    }

    #[test]
    fn between_two_colours_the_hole_goes_from_one_to_the_other() {
        let extent = Extent::new(32, 1);
        let coverage: Vec<u8> = (0..32).map(|x| if (4..28).contains(&x) { 255 } else { 0 }).collect();
        let pixels: Vec<[u8; 4]> =
            (0..32).map(|x| if x < 16 { [0, 0, 0, 255] } else { [240, 240, 240, 255] }).collect();
        let found = filled(extent, &pixels, &coverage);
        assert!(found.windows(2).all(|pair| pair[0][0] <= pair[1][0]), "{found:?}");
        assert!(found[6][0] < 60 && found[25][0] > 180, "{found:?}");
    }

    proptest! {
        #[test]
        fn what_the_mask_keeps_stays_as_it_is(
            (width, height) in (1u32..20, 1u32..20),
            seed in any::<u64>(),
        ) {
            let extent = Extent::new(width, height);
            let byte = |i: usize| (seed.wrapping_add(i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
            let pixels: Vec<[u8; 4]> = (0..extent.area()).map(|i| std::array::from_fn(|c| byte(i * 4 + c))).collect();
            let coverage: Vec<u8> = (0..extent.area()).map(|i| byte(i + 9000).saturating_sub(90)).collect();
            let found = filled(extent, &pixels, &coverage);
            for (i, &c) in coverage.iter().enumerate() {
                prop_assert!(c != 0 || found[i] == pixels[i]);
            }
        }
    }
}
