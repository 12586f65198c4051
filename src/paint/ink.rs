use super::tiles::Tile;

/// What a stroke leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ink {
    /// Red, green and blue.
    Colour([u8; 3]),
    /// Nothing: what is there becomes clear.
    Erase,
}

/// One coat of ink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coat {
    pub(super) ink: Ink,
    /// 0..1: how opaque it is where it covers fully.
    pub(super) opacity: f32,
    /// Whether what is clear stays clear, and what is not stays as opaque as it was.
    pub(super) keeps_alpha: bool,
}

/// A tile under a coat of ink. Pixels that are not covered stay the same to the last bit.
pub(super) fn laid(before: Option<&Tile>, coverage: &[f32], coat: Coat) -> Tile {
    let mut tile = before.cloned().unwrap_or_else(|| Tile::filled([0; 4]));
    let covered = tile.pixels_mut().iter_mut().zip(coverage).map(|(pixel, &c)| (pixel, c * coat.opacity));
    let covered = covered.filter(|&(_, share)| share > 0.0);
    match (coat.ink, coat.keeps_alpha) {
        (Ink::Erase, true) => {}
        (Ink::Erase, false) => covered.for_each(|(pixel, share)| {
            pixel[3] = (f32::from(pixel[3]) * (1.0 - share) + 0.5) as u8;
            if pixel[3] == 0 {
                *pixel = [0; 4];
            }
        }),
        (Ink::Colour(colour), true) => covered.filter(|(pixel, _)| pixel[3] > 0).for_each(|(pixel, share)| {
            for (channel, ink) in pixel.iter_mut().zip(colour) {
                *channel = mixed(*channel, ink, share);
            }
        }),
        (Ink::Colour(colour), false) => covered.for_each(|(pixel, share)| {
            let under = f32::from(pixel[3]) / 255.0 * (1.0 - share);
            let alpha = share + under;
            let of_ink = share / alpha;
            for (channel, ink) in pixel.iter_mut().zip(colour) {
                *channel = mixed(*channel, ink, of_ink);
            }
            pixel[3] = (alpha * 255.0 + 0.5) as u8;
        }),
    }
    tile
}

fn mixed(from: u8, to: u8, share: f32) -> u8 {
    (f32::from(from) + (f32::from(to) - f32::from(from)) * share + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Blend;
    use crate::paint::blend::{premultiplied, straight};
    use crate::paint::tiles::TILE_AREA;

    fn pixel_under(before: [u8; 4], share: f32, ink: Ink, keeps_alpha: bool) -> [u8; 4] {
        let coat = Coat { ink, opacity: 1.0, keeps_alpha };
        laid(Some(&Tile::filled(before)), &vec![share; TILE_AREA], coat).pixels()[0]
    }

    #[test]
    fn a_coat_is_what_a_layer_in_its_place_would_be() {
        for before in [[10, 200, 30, 255], [10, 200, 30, 90], [0; 4]] {
            for share in [0u8, 1, 100, 254, 255] {
                for (blend, ink) in [(Blend::Normal, Ink::Colour([250, 20, 120])), (Blend::Erase, Ink::Erase)] {
                    let mut layered = [premultiplied(before, 1.0)];
                    blend.over(&mut layered, &[[250, 20, 120, share]], 1.0);
                    let (coat, layer) =
                        (pixel_under(before, f32::from(share) / 255.0, ink, false), straight(layered[0]));
                    assert_eq!(coat[3], layer[3], "{share} over {before:?}");
                    let differ = (0..3).map(|c| coat[c].abs_diff(layer[c])).max().unwrap();
                    assert!(differ <= 1 || coat[3] == 0, "{coat:?} and {layer:?}");
                }
            }
        }
    }

    #[test]
    fn alpha_that_is_kept_is_kept() {
        assert_eq!(pixel_under([10, 200, 30, 90], 1.0, Ink::Colour([1, 2, 3]), true), [1, 2, 3, 90]);
        assert_eq!(pixel_under([10, 200, 30, 90], 0.5, Ink::Erase, true), [10, 200, 30, 90]);
        assert_eq!(pixel_under([0; 4], 1.0, Ink::Colour([1, 2, 3]), true), [0; 4]);
    }

    #[test]
    fn what_is_erased_wholly_is_clear() {
        assert_eq!(pixel_under([10, 200, 30, 90], 1.0, Ink::Erase, false), [0; 4]);
    }

    #[test]
    fn what_is_not_covered_stays_the_same_to_the_last_bit() {
        let before = [1, 2, 3, 1];
        assert_eq!(pixel_under(before, 0.0, Ink::Colour([250; 3]), false), before);
        assert_eq!(pixel_under(before, 0.0, Ink::Erase, false), before);
    }
}
