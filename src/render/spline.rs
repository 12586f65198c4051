//! A preview, magnified before the GPU takes it, so that a pixel of the screen reads one texel of it: it is far smaller than what it stands
//! for, and is drawn through a spline, which has no visible grid, but costs a driver that draws on the processor sixteen texels a pixel.

use crate::geom::Extent;

/// How many texels long the longer side of a preview is to be at least.
const LONG: u32 = 640;
const CHANNELS: usize = 4;

/// How many texels, across and down, are made of one of a preview of this size.
pub(super) fn magnification(preview: Extent) -> u32 {
    LONG.div_ceil(preview.width.max(preview.height).max(1))
}

/// The uniform cubic B-spline through `bytes`, four a texel, at so many places for each of its texels. Beyond its edges lie the texels there.
pub(super) fn magnified(bytes: &[u8], extent: Extent, by: u32) -> Vec<u8> {
    if by == 1 || extent.is_empty() {
        return bytes.to_vec();
    }
    let (width, height) = (extent.width as usize, extent.height as usize);
    let row = width * by as usize * CHANNELS;
    // Along the rows first: few they are.
    let mut wide = vec![0.0_f32; height * row];
    for (to, from) in wide.chunks_exact_mut(row).zip(bytes.chunks_exact(width * CHANNELS)) {
        let from = from.as_chunks::<CHANNELS>().0;
        for (to, place) in to.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(places(width, by)) {
            *to = std::array::from_fn(|c| place.mixed(|texel| f32::from(from[texel][c])));
        }
    }
    let mut made = vec![0; height * by as usize * row];
    for (to, place) in made.chunks_exact_mut(row).zip(places(height, by)) {
        let [a, b, c, d] = place.texels.map(|texel| &wide[texel * row..][..row]);
        let [of_a, of_b, of_c, of_d] = place.weights;
        for ((((to, a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            // A mean of bytes: at 2^23 the last bit of a number is one, and the sum is rounded to it.
            const ROUNDING: f32 = 8_388_608.0;
            *to = (a * of_a + b * of_b + c * of_c + d * of_d + ROUNDING).to_bits() as u8;
        }
    }
    made
}

/// What is mixed at a place along one side.
struct Place {
    texels: [usize; 4],
    weights: [f32; 4],
}

impl Place {
    fn mixed(&self, of: impl Fn(usize) -> f32) -> f32 {
        self.texels.iter().zip(self.weights).map(|(&texel, weight)| of(texel) * weight).sum()
    }
}

/// The places along a side of so many texels, each of which is cut into `by`.
fn places(side: usize, by: u32) -> impl Iterator<Item = Place> {
    (0..side as u32 * by).map(move |place| {
        let at = (place as f32 + 0.5) / by as f32 - 0.5;
        let base = at.floor();
        let texel = |shift: i32| (base as i32 + shift).clamp(0, side as i32 - 1) as usize;
        Place { texels: [-1, 0, 1, 2].map(texel), weights: weights(at - base) }
    })
}

/// The weights of the four texels around a place `f` of the way from the second to the third.
fn weights(f: f32) -> [f32; 4] {
    let g = 1.0 - f;
    [
        g * g * g / 6.0,
        (3.0 * f * f * f - 6.0 * f * f + 4.0) / 6.0,
        (3.0 * g * g * g - 6.0 * g * g + 4.0) / 6.0,
        f * f * f / 6.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The spline as it is defined (de Boor 1978), each knot with its own piece, in f64.
    fn basis(x: f64) -> f64 {
        match x.abs() {
            x if x < 1.0 => (4.0 - 6.0 * x * x + 3.0 * x * x * x) / 6.0,
            x if x < 2.0 => (2.0 - x).powi(3) / 6.0,
            _ => 0.0,
        }
    }

    #[test]
    fn what_is_magnified_is_the_spline_to_the_nearest_byte() {
        let (width, height, by) = (5, 3, 7);
        let bytes: Vec<u8> = (0..width * height * 4).map(|i| (i * i * 37 % 256) as u8).collect();
        let made = magnified(&bytes, Extent::new(width, height), by);
        assert_eq!(made.len() as u32, width * by * height * by * 4);
        for (index, &found) in made.iter().enumerate() {
            let (x, y, c) = (index as u32 / 4 % (width * by), index as u32 / 4 / (width * by), index % 4);
            let place = |at: u32| (f64::from(at) + 0.5) / f64::from(by) - 0.5;
            let mut sum = 0.0;
            for row in -2..i64::from(height) + 2 {
                for column in -2..i64::from(width) + 2 {
                    let weight = basis(place(x) - column as f64) * basis(place(y) - row as f64);
                    let near = |at: i64, side: u32| at.clamp(0, i64::from(side) - 1) as usize;
                    let texel = near(row, height) * width as usize + near(column, width);
                    sum += weight * f64::from(bytes[texel * 4 + c]);
                }
            }
            assert!((f64::from(found) - sum).abs() < 0.501, "{found} and not {sum} at {x}, {y}");
        }
    }

    #[test]
    fn a_small_preview_becomes_large_enough_and_a_large_one_stays() {
        let magnified = |width, height| magnification(Extent::new(width, height));
        assert_eq!(
            [magnified(16, 16), magnified(64, 48), magnified(512, 512), magnified(640, 1), magnified(1024, 768)],
            [40, 10, 2, 1, 1]
        );
    }
}
