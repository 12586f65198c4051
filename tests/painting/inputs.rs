//! What a run makes of the picture it starts from: masks, parts of a canvas, regions.

use super::*;
use sfumato::diffusion::{Invalid, MaskedContent, Place, Region, Upscale};
use sfumato::geom::Bounds;

#[test]
fn what_the_mask_keeps_is_the_inputs_to_the_bit() {
    let model = bozzetto();
    let original = test_picture();
    let coverages: [fn(usize) -> u8; 4] = [
        |i| if i % 64 < 20 { 255 } else { 0 },
        |i| (i % 64 * 4) as u8,
        |i| if i * 2_654_435_761 % 7 < 3 { 255 } else { 0 },
        |_| 0,
    ];
    for (seed, coverage) in coverages.iter().enumerate() {
        let mask = Mask::from_coverage(EXTENT, (0..EXTENT.area()).map(coverage).collect()).unwrap();
        let input = Input::new(Arc::new(original.clone()), 1.0, Some(Arc::new(mask.clone())));
        let painted = finished(&model, &Request { seed: seed as u64, input: Some(input), ..request() });
        let pixels = |picture: &Picture| picture.rgba().chunks_exact(4).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (before, after) = (pixels(&original), pixels(&painted.picture));
        for (index, &c) in mask.coverage().iter().enumerate() {
            assert!(c != 0 || before[index] == after[index], "pixel {index} of mask {seed} was changed");
        }
        assert_eq!(before == after, mask.is_empty(), "mask {seed}");
        assert_eq!(painted.notes.iter().any(|note| note.contains("mask is empty")), mask.is_empty());
    }
}

#[test]
fn a_part_of_a_canvas_comes_back_as_large_as_it_was_and_what_the_mask_keeps_to_the_bit() {
    let model = bozzetto();
    let (of, extent) = (Extent::new(300, 200), Extent::new(100, 60));
    let place = Some(Place { bounds: Bounds { left: 150, top: 70, extent }, of });
    let original = test_picture().resized(extent);
    let coverage = (0..extent.area()).map(|i| if i % 100 < 30 { 0 } else { (i % 100 * 2) as u8 }).collect();
    let mask = Mask::from_coverage(extent, coverage).unwrap();
    let paint = |masked, mask: Option<&Mask>| {
        let mask = mask.map(|mask| Arc::new(mask.clone()));
        let input = Input { masked, place, ..Input::new(Arc::new(original.clone()), 0.75, mask) };
        finished(&model, &Request { input: Some(input), ..request() }.checked().unwrap()).picture
    };
    let whole = paint(MaskedContent::Original, None);
    assert_eq!(whole.extent(), extent);
    let masked = MaskedContent::ALL.iter().map(|&masked| paint(masked, Some(&mask))).collect::<Vec<_>>();
    for picture in &masked {
        for (i, &coverage) in mask.coverage().iter().enumerate() {
            let at = i * 4..i * 4 + 4;
            assert!(coverage > 0 || picture.rgba()[at.clone()] == original.rgba()[at], "pixel {i} was changed");
        }
        assert_ne!(**picture, original);
    }
    for (i, a) in masked.iter().enumerate() {
        assert!(masked[i + 1..].iter().all(|b| a != b), "{:?} starts as another does", MaskedContent::ALL[i]);
    }
}

#[test]
fn a_part_that_is_none_is_refused() {
    let extent = Extent::new(64, 64);
    let refused = |left, upscale| {
        let place = Some(Place { bounds: Bounds { left, top: 0, extent }, of: Extent::new(100, 64) });
        let input = Input { place, ..Input::new(Arc::new(test_picture().resized(extent)), 0.75, None) };
        Request { input: Some(input), upscale, ..request() }.checked().unwrap_err()
    };
    assert!(matches!(refused(37, None), Invalid::Place(_)));
    assert!(refused(u32::MAX, None).to_string().contains("64x64+4294967295+0"));
    let upscale = Upscale { upscaler: "any".into(), factor: 2.0, refine: None };
    assert_eq!(refused(36, Some(upscale)), Invalid::UpscaledPart);
}

#[test]
fn the_words_of_the_uppermost_region_count_where_it_covers() {
    let model = bozzetto();
    let coverage = |cover: &dyn Fn(u32) -> u8| {
        let coverage = (0..EXTENT.area() as u32).map(|i| cover(i % EXTENT.width)).collect();
        Arc::new(Mask::from_coverage(EXTENT, coverage).unwrap())
    };
    let painted = |prompt: &str, regions: Vec<Region>, scale: f64| {
        let input = Input { regions, ..Input::new(Arc::new(test_picture()), 1.0, None) };
        let asked = Request { prompt: prompt.into(), guidance_scale: scale, input: Some(input), ..request() };
        finished(&model, &asked.checked().unwrap()).picture
    };
    let region = |prompt: &str, mask| Region { prompt: prompt.into(), mask };
    let apart = |a: &Picture, b: &Picture| {
        let channels = a.rgba().iter().zip(b.rgba()).map(|(a, b)| u32::from(a.abs_diff(*b)));
        channels.sum::<u32>() / (EXTENT.area() as u32 * 4)
    };
    for scale in [1.0, 3.0] {
        let (apple, car) = (painted("a red apple", vec![], scale), painted("a blue car", vec![], scale));
        let everywhere = painted("a red apple", vec![region("a blue car", coverage(&|_| 255))], scale);
        assert!(apart(&everywhere, &car) <= 1 && apart(&everywhere, &apple) > 5);
        let nowhere = painted("a red apple", vec![region("a blue car", coverage(&|_| 0))], scale);
        assert!(apart(&nowhere, &apple) <= 1);
        // The upper one counts where both are.
        let all = coverage(&|_| 255);
        let both = vec![region("a red apple", all.clone()), region("a green tree", all)];
        assert!(apart(&painted("a blue car", both, scale), &apple) <= 1);
    }
}

#[test]
fn a_region_of_another_size_or_with_too_many_words_is_refused() {
    let refused = |prompt: String, extent: Extent| {
        let regions = vec![Region { prompt, mask: Arc::new(Mask::empty(extent)) }];
        let input = Input { regions, ..Input::new(Arc::new(test_picture()), 0.75, None) };
        Request { input: Some(input), ..request() }.checked().unwrap_err()
    };
    let small = Extent::new(8, 8);
    assert_eq!(refused("a car".into(), small), Invalid::MaskExtent { expected: EXTENT, found: small });
    assert!(matches!(refused("x".repeat(20_001), EXTENT), Invalid::Prompt(20_001)));
    assert!(matches!(refused("a AND ".repeat(20) + "b", EXTENT), Invalid::Together(_)));
}

#[test]
fn strength_decides_how_many_steps_run_and_full_strength_ignores_the_picture() {
    let model = bozzetto();
    let with = |strength| {
        let input = Input::new(Arc::new(test_picture()), strength, None);
        finished(&model, &Request { input: Some(input), ..request() })
    };
    assert_eq!([0.0, 0.5, 0.75, 1.0].map(|strength| with(strength).steps_made), [1, 2, 3, 4]);
    assert_eq!(with(1.0).picture, finished(&model, &request()).picture);
}
