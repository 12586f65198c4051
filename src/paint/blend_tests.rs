use super::*;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    modes: BTreeMap<String, Vec<[f32; 12]>>,
}

/// Made by `tests/fixtures/generate_paint.py`.
fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/paint/blend.json")).unwrap()
}

#[test]
fn every_mode_gives_what_skia_gives() {
    let modes = fixture().modes;
    assert_eq!(modes.len(), Blend::ALL.len());
    for (name, rows) in modes {
        let blend: Blend = serde_json::from_value(name.clone().into()).unwrap();
        for row in rows {
            let bytes = |at: usize| -> [u8; 4] { std::array::from_fn(|c| row[at + c] as u8) };
            let mut result = [premultiplied(bytes(0), 1.0)];
            blend.over(&mut result, &[bytes(4)], 1.0);
            let furthest = (0..4).map(|c| (result[0][c] - row[8 + c]).abs()).fold(0.0, f32::max);
            assert!(furthest < 2e-5, "{name} of {:?} over {:?}: {result:?}, Skia {:?}", bytes(4), bytes(0), &row[8..]);
        }
    }
}

#[test]
fn half_the_opacity_is_half_the_alpha() {
    for blend in Blend::ALL {
        let mut by_opacity = [premultiplied([40, 90, 200, 255], 1.0)];
        let mut by_alpha = by_opacity;
        blend.over(&mut by_opacity, &[[200, 30, 80, 204]], 0.25);
        blend.over(&mut by_alpha, &[[200, 30, 80, 51]], 1.0);
        for c in 0..4 {
            assert!((by_opacity[0][c] - by_alpha[0][c]).abs() < 1e-6, "{}", blend.name());
        }
    }
}

#[test]
fn every_grey_over_every_other_is_a_number_in_every_mode() {
    for blend in Blend::ALL {
        for (under, over) in (0..=255).flat_map(|under| (0..=255).step_by(3).map(move |over| (under, over))) {
            let mut mixed = [premultiplied([under, under, under, 255], 1.0)];
            blend.over(&mut mixed, &[[over, over, over, 255]], 1.0);
            assert!(mixed[0].iter().all(|value| value.is_finite()), "{over} over {under}: {}", blend.name());
        }
    }
}

#[test]
fn straight_bytes_survive_being_multiplied_by_their_alpha() {
    for alpha in 1..=255 {
        for value in 0..=255 {
            let pixel = [value, 255 - value, value / 2, alpha];
            assert_eq!(straight(premultiplied(pixel, 1.0)), pixel);
        }
    }
}

#[test]
fn every_mode_stands_in_the_menu_once() {
    for (i, blend) in Blend::ALL.iter().enumerate() {
        assert!(!Blend::ALL[..i].contains(blend) && !blend.name().is_empty());
    }
}
