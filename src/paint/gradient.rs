//! Colour that runs from one place to another. A run over many pixels has fewer steps than pixels, and the eye sees each of them;
//! so every pixel is rounded up or down by a noise that is fine and even (interleaved gradient noise, Jimenez 2014), which keeps
//! what neighbours show together.

use super::tiles::{TILE_SIDE, Tile};
use crate::geom::Point;

/// How colour spreads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Along a line; across it nothing changes.
    #[default]
    Linear,
    /// Around a centre.
    Radial,
}

/// A run of colour over a whole layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient {
    /// How it spreads.
    pub spread: Spread,
    /// Where it begins, in image pixels; before it, all is as there.
    pub from: Point,
    /// Where it ends; beyond it, all is as there.
    pub to: Point,
    /// The colour at the beginning.
    pub start: [u8; 3],
    /// The colour at the end; none lets the first one fade to nothing.
    pub end: Option<[u8; 3]>,
    /// 0..1: how opaque it is.
    pub opacity: f32,
}

impl Gradient {
    /// Whether it leads somewhere. What begins where it ends has no direction and paints nothing.
    pub(super) fn is_sound(&self) -> bool {
        let length = self.from.distance(self.to);
        length.is_finite() && length > 0.0
    }

    /// How far along a place is, 0..1.
    fn share(&self, at: Point) -> f32 {
        let (across, down) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let (right, below) = (at.x - self.from.x, at.y - self.from.y);
        let squared = across * across + down * down;
        let share = match self.spread {
            Spread::Linear => (right * across + below * down) / squared,
            Spread::Radial => ((right * right + below * below) / squared).sqrt(),
        };
        share.clamp(0.0, 1.0)
    }

    /// A tile under the gradient; `corner` is its left and top pixel. With `keeps_alpha` what is clear stays clear, and what is not
    /// stays as opaque as it was.
    pub(super) fn over(&self, before: Option<&Tile>, (left, top): (u32, u32), keeps_alpha: bool) -> Tile {
        let mut tile = before.cloned().unwrap_or_else(|| Tile::filled([0; 4]));
        for (y, row) in (top..).zip(tile.pixels_mut().chunks_exact_mut(TILE_SIDE as usize)) {
            for (x, pixel) in (left..).zip(row) {
                let share = self.share(Point::new(x as f32 + 0.5, y as f32 + 0.5));
                *pixel = self.laid(*pixel, share, noise(x, y), keeps_alpha);
            }
        }
        tile
    }

    fn laid(&self, under: [u8; 4], share: f32, noise: f32, keeps_alpha: bool) -> [u8; 4] {
        let cover = if self.end.is_some() { self.opacity } else { self.opacity * (1.0 - share) };
        if cover <= 0.0 || (keeps_alpha && under[3] == 0) {
            return under;
        }
        let below = if keeps_alpha { 1.0 - cover } else { f32::from(under[3]) / 255.0 * (1.0 - cover) };
        let alpha = cover + below;
        let of_ink = cover / alpha;
        let end = self.end.unwrap_or(self.start);
        let mut pixel = under;
        for (channel, (first, last)) in pixel.iter_mut().zip(self.start.into_iter().zip(end)) {
            let ink = f32::from(first) + (f32::from(last) - f32::from(first)) * share;
            *channel = (f32::from(*channel) + (ink - f32::from(*channel)) * of_ink + noise) as u8;
        }
        if !keeps_alpha {
            pixel[3] = (alpha * 255.0 + (1.0 - noise)) as u8;
        }
        if pixel[3] == 0 { [0; 4] } else { pixel }
    }
}

/// What is added before the fraction is dropped: 0..1, and far enough from both that whole numbers stay what they are.
fn noise(x: u32, y: u32) -> f32 {
    let wave = (0.067_110_56 * x as f32 + 0.005_837_15 * y as f32).fract();
    0.01 + 0.98 * (52.982_918 * wave).fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(spread: Spread, end: Option<[u8; 3]>) -> Gradient {
        let (from, to) = (Point::new(0.0, 0.0), Point::new(128.0, 0.0));
        Gradient { spread, from, to, start: [100, 20, 0], end, opacity: 1.0 }
    }

    fn column_mean(tile: &Tile, x: usize, channel: usize) -> f32 {
        (0..128).map(|y| f32::from(tile.pixels()[y * 128 + x][channel])).sum::<f32>() / 128.0
    }

    #[test]
    fn columns_show_together_what_eight_bits_cannot() {
        // Eight levels over 128 pixels: without the noise, bands of sixteen columns.
        let tile = gradient(Spread::Linear, Some([108, 20, 0])).over(None, (0, 0), false);
        for x in 0..128 {
            let expected = 100.0 + 8.0 * (x as f32 + 0.5) / 128.0;
            assert!((column_mean(&tile, x, 0) - expected).abs() < 0.12, "{x}: {}", column_mean(&tile, x, 0));
        }
        assert!(tile.pixels().iter().all(|p| p[1..] == [20, 0, 255]), "what does not change has no noise");
    }

    #[test]
    fn what_fades_out_leaves_less_and_less() {
        let white = Tile::filled([255; 4]);
        let fading = gradient(Spread::Linear, None);
        let over = fading.over(Some(&white), (0, 0), false);
        let alone = fading.over(None, (0, 0), false);
        for x in [0, 30, 64, 127] {
            let cover = 1.0 - (x as f32 + 0.5) / 128.0;
            assert!((column_mean(&over, x, 1) - (255.0 - 235.0 * cover)).abs() < 0.2);
            assert!((column_mean(&alone, x, 3) - 255.0 * cover).abs() < 0.2);
        }
        let beyond = fading.over(Some(&white), (128, 0), false);
        assert_eq!(beyond, white, "beyond its end nothing changes");
    }

    #[test]
    fn a_round_one_is_the_same_all_around() {
        let round = Gradient {
            from: Point::new(64.0, 64.0),
            to: Point::new(64.0, 4.0),
            ..gradient(Spread::Radial, Some([200; 3]))
        };
        for (x, y, share) in [(94.0, 64.0, 0.5), (64.0, 94.0, 0.5), (64.0, 64.0, 0.0), (127.0, 127.0, 1.0)] {
            assert!((round.share(Point::new(x, y)) - share).abs() < 1e-6, "at {x}, {y}");
        }
    }

    #[test]
    fn alpha_that_is_kept_is_kept() {
        for (before, after) in [([9, 9, 9, 60], 60), ([0; 4], 0)] {
            let tile = gradient(Spread::Linear, None).over(Some(&Tile::filled(before)), (0, 0), true);
            assert!(tile.pixels().iter().all(|p| p[3] == after));
        }
    }

    #[test]
    fn a_gradient_without_length_is_none() {
        for to in [(0.0, 0.0), (f32::NAN, 3.0), (f32::INFINITY, 0.0)] {
            assert!(!Gradient { to: Point::new(to.0, to.1), ..gradient(Spread::Linear, None) }.is_sound());
        }
    }
}
