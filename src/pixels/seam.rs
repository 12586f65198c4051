//! Colours at a seam: a part that went through a model is often a little lighter, darker or tinted over all of it, which encoding and
//! decoding alone do, and shows as a patch once it is laid back. What was to stay as it was tells how far off it came: the difference
//! there, without its details, is spread over what was painted and taken off it. What the model itself painted too light is not seen
//! that way: at each step most samplers are given what was to stay.

use super::fill::Level;
use super::{Mask, Picture};
use crate::geom::Extent;

/// The side of the squares over which differences are averaged, in pixels: details are smaller, drifts of colour larger.
const CELL: u32 = 16;
/// The share of a square that must be known to count by itself.
const ENOUGH: f32 = 0.125;
/// The most that a channel is moved: what is farther off is another picture, no drift.
const MOST: f32 = 32.0;

impl Picture {
    /// This picture with its colours moved as far as they are off from `original`'s where `mask` keeps that: by the difference's mean
    /// over squares of sixteen pixels a side, spread into what is masked and smooth over all of it. All three have one extent; otherwise, or
    /// where the mask keeps nothing, nothing is moved. Alpha stays.
    #[must_use]
    pub fn matched_at_seam(&self, original: &Self, mask: &Mask) -> Self {
        let extent = self.extent();
        if original.extent() != extent || mask.extent() != extent {
            return self.clone();
        }
        let Some(drift) = drift(self, original, mask) else { return self.clone() };
        let mut rgba = self.rgba().to_vec();
        let width = extent.width.max(1) as usize;
        for (index, pixel) in rgba.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            if mask.coverage()[index] == 0 {
                continue;
            }
            let by = drift.between((index % width) as f32 / CELL as f32, (index / width) as f32 / CELL as f32);
            for (channel, by) in pixel.iter_mut().zip(by) {
                *channel = (f32::from(*channel) + by.clamp(-MOST, MOST)).round().clamp(0.0, 255.0) as u8;
            }
        }
        Self::from_rgba(extent, rgba).expect("four bytes a pixel")
    }
}

/// How much lighter the original is, by squares. None where nothing is kept.
fn drift(painted: &Picture, original: &Picture, mask: &Mask) -> Option<Level> {
    let extent = painted.extent();
    let cells = Extent::new(extent.width.div_ceil(CELL), extent.height.div_ceil(CELL));
    let mut sums = vec![[0.0_f32; 5]; cells.area()];
    let (found, wanted) = (painted.rgba().as_chunks::<4>().0, original.rgba().as_chunks::<4>().0);
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        // A clear pixel has no colour to be off from.
        if mask.coverage()[index] > 0 || found[3] < 255 || wanted[3] < 255 {
            continue;
        }
        let (x, y) = (index as u32 % extent.width / CELL, index as u32 / extent.width / CELL);
        let sum = &mut sums[(y * cells.width + x) as usize];
        for c in 0..3 {
            sum[c] += f32::from(wanted[c]) - f32::from(found[c]);
        }
        sum[4] += 1.0;
    }
    if sums.iter().all(|sum| sum[4] == 0.0) {
        return None;
    }
    let full = (CELL * CELL) as f32 * ENOUGH;
    let known = sums.into_iter().map(|sum| sum.map(|channel| channel / sum[4].max(full)));
    Some(Level { extent: cells, pixels: known.collect() }.filled())
}

impl Level {
    /// The red, green and blue at a place in pixels of this level, from its corner, between the middles of four.
    fn between(&self, x: f32, y: f32) -> [f32; 3] {
        let place = |at: f32, side: u32| {
            let place = (at - 0.5).clamp(0.0, (side - 1) as f32);
            (place as u32, (place as u32 + 1).min(side - 1), place.fract())
        };
        let ((left, right, across), (above, below, down)) = (place(x, self.extent.width), place(y, self.extent.height));
        let at = |x: u32, y: u32| self.pixels[(y * self.extent.width + x) as usize];
        let (tl, tr, bl, br) = (at(left, above), at(right, above), at(left, below), at(right, below));
        std::array::from_fn(|c| {
            let (top, bottom) = (tl[c] + (tr[c] - tl[c]) * across, bl[c] + (br[c] - bl[c]) * across);
            top + (bottom - top) * down
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::composite;
    use proptest::prelude::*;

    fn byte(seed: u64, index: usize) -> u8 {
        (seed.wrapping_add(index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D)
            >> 20) as u8
    }

    /// Opaque, in middle tones, so that no channel is cut off when it is moved.
    fn textured(extent: Extent, seed: u64) -> Picture {
        let rgba = (0..extent.area() * 4).map(|i| if i % 4 == 3 { 255 } else { 96 + byte(seed, i) % 64 }).collect();
        Picture::from_rgba(extent, rgba).unwrap()
    }

    fn moved(picture: &Picture, by: impl Fn(u32, u32) -> [i32; 3]) -> Picture {
        let width = picture.extent().width;
        let pixels = picture.rgba().as_chunks::<4>().0.iter().enumerate();
        let rgba = pixels.flat_map(|(i, pixel)| {
            let by = by(i as u32 % width, i as u32 / width);
            let channel = |c: usize| (i32::from(pixel[c]) + by[c]).clamp(0, 255) as u8;
            [channel(0), channel(1), channel(2), pixel[3]]
        });
        Picture::from_rgba(picture.extent(), rgba.collect()).unwrap()
    }

    /// A disc with a soft edge.
    fn disc(extent: Extent, (x, y): (f32, f32), radius: f32, softness: f32) -> Mask {
        let places = (0..extent.height).flat_map(|y| (0..extent.width).map(move |x| (x as f32, y as f32)));
        let coverage =
            places.map(|(px, py)| ((radius - (px - x).hypot(py - y)) / softness * 255.0).clamp(0.0, 255.0) as u8);
        Mask::from_coverage(extent, coverage.collect()).unwrap()
    }

    fn farthest(a: &Picture, b: &Picture) -> u8 {
        a.rgba().iter().zip(b.rgba()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_the_mask_keeps_stays_to_the_bit_and_a_drift_goes(
            (width, height) in (8u32..120, 8u32..120),
            middle in (0f32..120.0, 0f32..120.0),
            (radius, softness) in (1f32..50.0, 0.5f32..12.0),
            by in proptest::array::uniform3(-20i32..20),
            seed in any::<u64>(),
        ) {
            let extent = Extent::new(width, height);
            let (original, mask) = (textured(extent, seed), disc(extent, middle, radius, softness));
            let painted = moved(&original, |_, _| by);
            let laid = composite(&original, &painted.matched_at_seam(&original, &mask), &mask);
            for (i, &coverage) in mask.coverage().iter().enumerate() {
                let at = i * 4..i * 4 + 4;
                prop_assert!(coverage > 0 || laid.rgba()[at.clone()] == original.rgba()[at]);
            }
            if mask.coverage().contains(&0) {
                prop_assert!(farthest(&laid, &original) <= 1);
            }
        }
    }

    #[test]
    fn a_drift_that_grows_across_the_picture_goes_as_well() {
        let extent = Extent::new(160, 96);
        let (original, mask) = (textured(extent, 3), disc(extent, (80.0, 48.0), 30.0, 4.0));
        let painted = moved(&original, |x, _| [x as i32 / 10, -(x as i32) / 10, 4]);
        let before = farthest(&composite(&original, &painted, &mask), &original);
        let after = farthest(&composite(&original, &painted.matched_at_seam(&original, &mask), &mask), &original);
        assert!(before >= 10 && after <= 2, "{before} {after}");
    }

    #[test]
    fn what_is_painted_under_the_mask_does_not_count_as_drift() {
        let extent = Extent::new(64, 64);
        let (original, mask) = (textured(extent, 5), disc(extent, (32.0, 32.0), 20.0, 1.0));
        let red = Picture::filled(extent, [200, 10, 10, 255]);
        let painted = composite(&original, &red, &mask);
        assert_eq!(painted.matched_at_seam(&original, &mask), painted);
    }

    #[test]
    fn a_mask_over_all_of_it_leaves_nothing_to_go_by() {
        let extent = Extent::new(20, 20);
        let all = Mask::from_coverage(extent, vec![255; 400]).unwrap();
        let painted = textured(extent, 1);
        assert_eq!(painted.matched_at_seam(&textured(extent, 2), &all), painted);
    }
}
