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

/// `OpenRaster` says "lighter" of svg:plus; Krita takes it for its own addition (`cfAddition` in `KoCompositeOpFunctions.h`, by
/// `KoCompositeOpGenericSC`): the sum of straight colours, cut off at white, mixed in by alpha as other modes are.
#[test]
fn add_is_kritas_where_it_is_opaque_and_lighter_where_it_is_not() {
    let kritas = |under: [u8; 4], over: [u8; 4]| {
        let mut mixed = [premultiplied(under, 1.0)];
        Run { backdrop: &mut mixed, source: &[over], opacity: 1.0 }.each_channel(|b, s| (b + s).min(1.0));
        mixed[0]
    };
    let ours = |under: [u8; 4], over: [u8; 4]| {
        let mut mixed = [premultiplied(under, 1.0)];
        Blend::Add.over(&mut mixed, &[over], 1.0);
        mixed[0]
    };
    let mut furthest = 0.0_f32;
    for (under, over) in (0..=255).flat_map(|under| (0..=255).step_by(5).map(move |over| (under, over))) {
        let (under, opaque) = ([under, under, under, 255], [over, over, over, 255]);
        assert!((ours(under, opaque)[0] - kritas(under, opaque)[0]).abs() < 1e-6);
        for alpha in (0..=255).step_by(15) {
            let over = [over, over, over, alpha];
            furthest = furthest.max((ours(under, over)[0] - kritas(under, over)[0]).abs());
        }
    }
    // Of white at half its alpha over a grey: a quarter.
    assert!((0.249..=0.25).contains(&furthest), "{furthest}");
    // One fifth of white over four fifths: white with us, and 0.8 + 0.2 * (1 - 0.8) in Krita.
    let (under, over) = ([204, 204, 204, 255], [255, 255, 255, 51]);
    assert!((ours(under, over)[0] - 1.0).abs() < 1e-6 && (kritas(under, over)[0] - 0.84).abs() < 1e-6);
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
