use super::{Mask, Picture};

/// `over` on `base` where `mask` says so. Where coverage is 0, base's bytes stay as they are; where it is 255, over's are
/// taken; between, colours are mixed by coverage and alpha, rounded to the nearest. All three have one extent; pixels that
/// `over` or `mask` do not reach stay base's.
pub fn composite(base: &Picture, over: &Picture, mask: &Mask) -> Picture {
    let extent = base.extent();
    let shared_width = extent.width.min(over.extent().width).min(mask.extent().width) as usize;
    let shared_height = extent.height.min(over.extent().height).min(mask.extent().height) as usize;
    let mut rgba = base.rgba().to_vec();
    for y in 0..shared_height {
        let row = |width: u32| y * width as usize;
        let (at_base, at_over, at_mask) = (row(extent.width), row(over.extent().width), row(mask.extent().width));
        let base_row = &mut rgba.as_chunks_mut::<4>().0[at_base..at_base + shared_width];
        let over_row = &over.rgba().as_chunks::<4>().0[at_over..at_over + shared_width];
        let coverage = &mask.coverage()[at_mask..at_mask + shared_width];
        for ((pixel, &over), &coverage) in base_row.iter_mut().zip(over_row).zip(coverage) {
            *pixel = mixed(*pixel, over, coverage);
        }
    }
    Picture::from_rgba(extent, rgba).expect("as many bytes as base has")
}

fn mixed(base: [u8; 4], over: [u8; 4], coverage: u8) -> [u8; 4] {
    match coverage {
        0 => return base,
        255 => return over,
        _ => {}
    }
    let coverage = u32::from(coverage);
    let (base_weight, over_weight) = (u32::from(base[3]) * (255 - coverage), u32::from(over[3]) * coverage);
    let total = base_weight + over_weight;
    if total == 0 {
        return base;
    }
    let colour =
        |i: usize| ((u32::from(base[i]) * base_weight + u32::from(over[i]) * over_weight + total / 2) / total) as u8;
    [colour(0), colour(1), colour(2), ((total + 127) / 255) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Extent;
    use proptest::prelude::*;

    fn pictures_and_mask() -> impl Strategy<Value = (Picture, Picture, Mask)> {
        (1u32..6, 1u32..6).prop_flat_map(|(width, height)| {
            let extent = Extent::new(width, height);
            let pixels = || proptest::collection::vec(any::<u8>(), extent.area() * 4);
            let coverage = proptest::collection::vec(prop_oneof![Just(0u8), Just(255u8), any::<u8>()], extent.area());
            (pixels(), pixels(), coverage).prop_map(move |(base, over, coverage)| {
                (
                    Picture::from_rgba(extent, base).unwrap(),
                    Picture::from_rgba(extent, over).unwrap(),
                    Mask::from_coverage(extent, coverage).unwrap(),
                )
            })
        })
    }

    proptest! {
        #[test]
        fn kept_pixels_are_the_bases_bytes_and_covered_ones_the_others((base, over, mask) in pictures_and_mask()) {
            let mixed = composite(&base, &over, &mask);
            for (i, &coverage) in mask.coverage().iter().enumerate() {
                let at = i * 4..i * 4 + 4;
                match coverage {
                    0 => prop_assert_eq!(&mixed.rgba()[at.clone()], &base.rgba()[at]),
                    255 => prop_assert_eq!(&mixed.rgba()[at.clone()], &over.rgba()[at]),
                    _ => for c in at {
                        let (low, high) = (base.rgba()[c].min(over.rgba()[c]), base.rgba()[c].max(over.rgba()[c]));
                        prop_assert!((low..=high).contains(&mixed.rgba()[c]));
                    },
                }
            }
        }
    }

    #[test]
    fn half_coverage_of_opaque_pixels_rounds_to_the_nearest() {
        // (0 * 127 + 255 * 128) / 255 = 128; (10 * 127 + 11 * 128) / 255 = 10.502
        assert_eq!(mixed([0, 10, 200, 255], [255, 11, 200, 255], 128), [128, 11, 200, 255]);
    }

    #[test]
    fn a_clear_pixel_gives_no_colour() {
        assert_eq!(mixed([255, 0, 0, 0], [0, 0, 255, 255], 51), [0, 0, 255, 51]);
        assert_eq!(mixed([1, 2, 3, 0], [9, 9, 9, 0], 100), [1, 2, 3, 0]);
    }

    #[test]
    fn what_a_smaller_mask_does_not_reach_stays() {
        let base = Picture::filled(Extent::new(2, 2), [1; 4]);
        let over = Picture::filled(Extent::new(3, 2), [2; 4]);
        let mask = Mask::from_coverage(Extent::new(1, 3), vec![255; 3]).unwrap();
        assert_eq!(composite(&base, &over, &mask).rgba().iter().step_by(4).copied().collect::<Vec<_>>(), [2, 1, 2, 1]);
    }
}
