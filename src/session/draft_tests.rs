use super::*;
use crate::pixels::{Mask, Picture};

const NATIVE: Extent = Extent::new(64, 64);

pub(in crate::session) fn a_draft() -> Draft {
    Draft {
        prompt: "red apple".into(),
        negative_prompt: String::new(),
        styles: Vec::new(),
        model: "bozzetto".into(),
        borrowed: Borrowed::default(),
        sampler: SamplerName::Euler,
        schedule: ScheduleName::Normal,
        steps: 20,
        guidance_scale: 3.5,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        seed: 7,
        seed_locked: false,
        reproduce: Reproduce::default(),
        one_generator: false,
        extent: Extent::new(64, 64),
        count: 1,
        strength: 0.75,
        image_guidance: None,
        bounds: None,
        only_masked: false,
        padding: 32,
        masked: MaskedContent::Original,
        soft_mask: false,
        match_colours: true,
        control: None,
        upscale: None,
    }
}

pub(in crate::session) fn a_request(prompt: &str) -> Request {
    let draft = Draft { prompt: prompt.into(), ..a_draft() };
    draft.to_requests(&Document::new(draft.extent), None, NATIVE).unwrap().remove(0)
}

fn document(picture: Extent, masked: u8) -> Document {
    let mask = Mask::from_coverage(picture, vec![masked; picture.area()]).unwrap();
    Document::restored(Some(Arc::new(Picture::filled(picture, [9; 4]))), mask).unwrap()
}

#[test]
fn a_count_gives_seeds_that_count_up_and_wrap_at_32_bits() {
    let draft = Draft { count: 3, seed: u64::from(u32::MAX) - 1, ..a_draft() };
    let requests = draft.to_requests(&Document::new(draft.extent), None, NATIVE).unwrap();
    assert_eq!(requests.iter().map(|r| r.seed).collect::<Vec<_>>(), [4_294_967_294, 4_294_967_295, 0]);
}

#[test]
fn a_count_of_variations_counts_the_other_seed_unless_there_is_none_of_it() {
    use crate::diffusion::Variation;
    let seeds = |strength| {
        let reproduce = Reproduce { variation: Some(Variation { seed: 5, strength }), ..Reproduce::default() };
        let draft = Draft { count: 2, seed: 9, reproduce, ..a_draft() };
        let second = draft.to_requests(&Document::new(draft.extent), None, NATIVE).unwrap().remove(1);
        (second.seed, second.reproduce.variation.unwrap().seed)
    };
    assert_eq!((seeds(0.5), seeds(0.0)), ((9, 6), (10, 5)));
}

#[test]
fn without_a_picture_it_starts_from_noise_and_the_size_is_rounded() {
    let draft = Draft { extent: Extent::new(70, 60), ..a_draft() };
    let document = Document::restored(None, Mask::from_coverage(draft.extent, vec![255; 70 * 60]).unwrap()).unwrap();
    let requests = draft.to_requests(&document, None, NATIVE).unwrap();
    assert_eq!((requests[0].extent, &requests[0].input), (Extent::new(72, 64), &None));
    assert_eq!((draft.steps_to_run(&document), requests[0].steps_to_run()), (20, 20));
}

#[test]
fn a_picture_gives_its_size_and_the_mask_goes_with_it_unless_empty() {
    let extent = Extent::new(16, 8);
    let unmasked = a_draft().to_requests(&document(extent, 0), None, NATIVE).unwrap().remove(0);
    assert_eq!(unmasked.extent, extent);
    assert_eq!(unmasked.input.as_ref().unwrap().mask, None);
    let masked = a_draft().to_requests(&document(extent, 200), None, NATIVE).unwrap().remove(0);
    assert_eq!(masked.input.as_ref().unwrap().mask.as_ref().unwrap().coverage()[0], 200);
    // ⌊20 · 0.75⌋, as diffusers counts.
    assert_eq!((a_draft().steps_to_run(&document(extent, 0)), masked.steps_to_run()), (15, 15));
    let faint = Draft { strength: 0.0, ..a_draft() };
    assert_eq!(faint.steps_to_run(&document(extent, 0)), 1);
}

#[test]
fn what_cannot_be_painted_is_said_by_its_field() {
    let says = |draft: Draft| draft.to_requests(&document(Extent::new(8, 8), 0), None, NATIVE).unwrap_err().to_string();
    assert!(says(Draft { model: String::new(), ..a_draft() }).contains("model"));
    assert!(says(Draft { count: 0, ..a_draft() }).contains("0 pictures"));
    assert!(says(Draft { count: 65, ..a_draft() }).contains("65 pictures"));
    assert!(says(Draft { steps: 0, ..a_draft() }).contains("0 steps"));
    assert!(says(Draft { guidance_scale: f64::NAN, ..a_draft() }).contains("NaN"));
    assert!(says(Draft { strength: 1.5, ..a_draft() }).contains("1.5"));
    let empty = Draft { extent: Extent::new(0, 64), ..a_draft() };
    assert!(
        empty.to_requests(&Document::new(Extent::new(8, 8)), None, NATIVE).unwrap_err().to_string().contains("0x64")
    );
}

#[test]
fn savings_that_no_request_may_have_are_not_taken_over() {
    let mut draft = a_draft();
    let found = |negative_min_sigma| Found {
        savings: Some(Savings { negative_min_sigma, ..Savings::default() }),
        ..Found::default()
    };
    draft.take(&found(2000.0));
    assert_eq!(draft.savings, Savings::default());
    draft.take(&found(2.0));
    assert_eq!(draft.savings.negative_min_sigma.to_bits(), 2.0_f64.to_bits());
}

#[test]
fn another_model_brings_its_settings_but_not_over_the_persons_own() {
    let old = a_draft();
    let new = Draft { model: "sd15".into(), steps: 25, extent: Extent::new(512, 512), ..a_draft() };
    let mut draft = Draft { steps: 9, ..a_draft() };
    draft.change_model(Some(&old), &new);
    assert_eq!(draft, Draft { steps: 9, ..new });
}
