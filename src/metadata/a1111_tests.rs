use super::*;
use crate::diffusion::{
    Batch, Borrowed, Input, MaskedContent, NoiseSource, Place, Program, Region, Reproduce, Variation,
};
use crate::geom::Bounds;
use proptest::prelude::*;

fn request() -> Request<(), ()> {
    Request {
        model: "bozzetto".to_owned(),
        borrowed: Borrowed::default(),
        prompt: "red apple".to_owned(),
        negative_prompt: String::new(),
        extent: Extent::new(128, 192),
        seed: 7,
        sampler: SamplerName::DpmPlusPlus2M,
        schedule: ScheduleName::Karras,
        steps: 20,
        guidance_scale: 7.5,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    }
}

fn request_again(found: Found) -> Request<(), ()> {
    Request {
        model: found.model.unwrap(),
        borrowed: found.borrowed,
        prompt: found.prompt.unwrap(),
        negative_prompt: found.negative_prompt.unwrap(),
        extent: found.extent.unwrap(),
        seed: found.seed.unwrap(),
        sampler: found.sampler.unwrap(),
        schedule: found.schedule.unwrap(),
        steps: found.steps.unwrap(),
        guidance_scale: found.guidance_scale.unwrap(),
        precision: found.precision.unwrap(),
        savings: found.savings.unwrap(),
        tuning: found.tuning.unwrap(),
        prediction: found.prediction,
        clip_skip: found.clip_skip.unwrap(),
        emphasis: found.emphasis.unwrap(),
        reproduce: found.reproduce.unwrap(),
        input: found.strength.map(|strength| {
            let masking = found.masking.unwrap_or_default();
            let region = |prompt| Region { prompt, mask: () };
            Input {
                image_guidance: found.image_guidance,
                masked: masking.content,
                soft_mask: masking.soft,
                match_colours: masking.match_colours,
                place: masking.place,
                regions: masking.regions.into_iter().map(region).collect(),
                ..Input::new((), strength, masking.is_masked.then_some(()))
            }
        }),
        control: found.control,
        upscale: found.upscaler.map(|upscaler| Upscale {
            upscaler,
            factor: found.upscale_by.unwrap(),
            refine: found.refine,
        }),
        hints: Vec::new(),
    }
}

#[test]
fn how_a1111_turned_a_sampler_is_read() {
    let read = |more: &str| from_parameters(&format!("a\nSteps: 20, Sampler: Euler, CFG scale: 7{more}"));
    assert_eq!(read("").settings.tuning, Some(Tuning::default()));
    let found = read(", Eta: 0.6, Sigma churn: 2, Sigma tmax: 5, Sigma noise: 1.01, Noise Schedule: Zero Terminal SNR");
    let expected =
        Tuning { eta: Some(0.6), churn: 2.0, churn_to: 5.0, noise: 1.01, zero_terminal_snr: true, ..Tuning::default() };
    assert_eq!((found.settings.tuning, found.unknown.len()), (Some(expected), 0));
    let bent = read(", Schedule rho: 3, Schedule min sigma: 0.05, Schedule max sigma: 12").settings.tuning.unwrap();
    assert_eq!(bent, Tuning { rho: Some(3.0), sigma_min: 0.05, sigma_max: 12.0, ..Tuning::default() });
    assert_eq!(read(", Eta DDIM: 0.2").settings.tuning.and_then(|tuning| tuning.eta), Some(0.2));
    assert_eq!(read(", Noise Schedule: Other").unknown.len(), 1);
}

#[test]
fn keys_stand_in_the_order_in_which_a1111_writes_them() {
    let request = Request { negative_prompt: "blurry".to_owned(), ..request() };
    assert_eq!(
        to_parameters(&request),
        "red apple\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, \
         Size: 128x192, Model: bozzetto, RNG: CPU, Version: sfumato 0.1.0"
            .replace("0.1.0", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_text_of_a1111_is_read_with_its_defaults() {
    let text = "masterpiece, (apple:1.2),\n a bowl\nNegative prompt: ugly,\nblurry\nSteps: 25, Sampler: Euler a, CFG scale: 7, \
                Seed: 1234567890, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, VAE hash: 735E4C3A44, \
                VAE: vae-ft-mse-840000-ema-pruned.safetensors, Clip skip: 2, \
                Lora hashes: \"add: 1f2e, b: 33\", Version: v1.9.4";
    let Imported { settings, unknown, .. } = from_parameters(text);
    assert_eq!(settings.prompt.as_deref(), Some("masterpiece, (apple:1.2),\na bowl"));
    assert_eq!(settings.negative_prompt.as_deref(), Some("ugly,\nblurry"));
    assert_eq!(settings.extent, Some(Extent::new(512, 768)));
    assert_eq!(settings.seed, Some(1_234_567_890));
    assert_eq!(settings.sampler, Some(SamplerName::EulerAncestral));
    assert_eq!(settings.schedule, Some(ScheduleName::Automatic));
    let keys: Vec<_> = unknown.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["Lora hashes", "Version"]);
    assert_eq!(settings.model_hash.as_deref(), Some("6ce0161689"));
    assert_eq!(settings.vae_hash.as_deref(), Some("735e4c3a44"));
    assert_eq!(settings.borrowed.vae.as_deref(), Some("vae-ft-mse-840000-ema-pruned.safetensors"));
    assert_eq!(settings.clip_skip, Some(2));
}

#[test]
fn a_text_of_sd_webui_controlnet_is_read_where_its_preprocessor_is_here() {
    let text = "a house\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, ControlNet 0: \"Module: canny, Model: \
                control_v11p_sd15_canny [d14c016b], Weight: 0.8, Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: \
                100.0, Threshold B: 200.0, Guidance Start: 0.0, Guidance End: 0.5, Pixel Perfect: False, Control Mode: \
                Balanced\"";
    let control = from_parameters(text).settings.control.unwrap();
    assert_eq!(control.controlnet, "control_v11p_sd15_canny [d14c016b]");
    assert_eq!((control.preprocessor, control.weight), (Preprocessor::Canny, 0.8));
    assert_eq!((control.start, control.end), (0.0, 0.5));
    let other = from_parameters(&text.replace("canny, Model", "openpose_full, Model"));
    assert_eq!((other.settings.control, other.unknown.len()), (None, 1));
}

#[test]
fn an_old_sampler_label_carries_its_schedule() {
    let read = |sampler: &str| from_parameters(&format!("x\nSteps: 1, Seed: 2, Sampler: {sampler}")).settings;
    let karras = read("DPM++ 2M Karras");
    assert_eq!((karras.sampler, karras.schedule), (Some(SamplerName::DpmPlusPlus2M), Some(ScheduleName::Karras)));
    let cpp = read("euler_a sgm_uniform");
    assert_eq!((cpp.sampler, cpp.schedule), (Some(SamplerName::EulerAncestral), Some(ScheduleName::SgmUniform)));
    assert_eq!(read("DPM++ 2M Polyexponential").schedule, Some(ScheduleName::Polyexponential));
    let spaced = read("Euler a SGM Uniform");
    assert_eq!((spaced.sampler, spaced.schedule), (Some(SamplerName::EulerAncestral), Some(ScheduleName::SgmUniform)));
}

#[test]
fn a_sampler_that_is_not_here_is_named_and_its_schedule_kept() {
    let Imported { settings, unknown, .. } = from_parameters("x\nSteps: 1, Seed: 2, Sampler: Heun++ Exponential");
    assert_eq!((settings.sampler, settings.schedule), (None, Some(ScheduleName::Exponential)));
    assert_eq!(unknown, [("Sampler".to_owned(), "Heun++ Exponential".to_owned())]);
}

#[test]
fn a_text_without_settings_is_a_prompt() {
    let Imported { settings, unknown, .. } = from_parameters("a cat, style: flat\nsky: blue, sea: green");
    assert_eq!(settings.prompt.as_deref(), Some("a cat, style: flat\nsky: blue, sea: green"));
    assert_eq!((settings.negative_prompt, settings.steps), (None, None));
    assert!(unknown.is_empty());
}

#[test]
fn the_later_of_two_equal_keys_wins() {
    let found = from_parameters("x\nSteps: 1, Seed: 2, Steps: 30, Seed: 4").settings;
    assert_eq!((found.steps, found.seed), (Some(30), Some(4)));
}

#[test]
fn settings_that_make_no_sense_are_left_out_and_named() {
    let Imported { settings, unknown, .. } =
        from_parameters("x\nSteps: many, Seed: -1, Size: 99999999999x8, CFG scale: NaN, Sampler: Euler");
    assert_eq!((settings.steps, settings.seed, settings.extent, settings.guidance_scale), (None, None, None, None));
    assert_eq!(unknown.len(), 4);
}

#[test]
fn nothing_is_found_in_nothing() {
    assert!(from_parameters(" \n ").settings.is_empty());
}

#[test]
fn a1111s_least_sigma_of_the_negative_prompt_is_read_where_it_skips_all_steps() {
    let text = "x\nSteps: 20, Seed: 1, Sampler: Euler, NGMS: 1.5";
    let every_other = from_parameters(text);
    assert_eq!((every_other.settings.savings, every_other.unknown.len()), (None, 1));
    let all = from_parameters(&format!("{text}, NGMS all steps: True"));
    assert_eq!(all.settings.savings.map(|savings| savings.negative_min_sigma), Some(1.5));
    assert!(all.unknown.is_empty());
}

#[test]
fn a_run_that_was_stopped_says_after_how_many_steps() {
    let hashes = FileHashes { model: Some("6ce0161689".to_owned()), vae: Some("735e4c3a44".to_owned()) };
    let borrowed = Borrowed { vae: Some("mse".to_owned()), ..Borrowed::default() };
    let text = text_of(&Request { borrowed, ..request() }, Some(12), &hashes);
    let names = "Size: 128x192, Model hash: 6ce0161689, Model: bozzetto, VAE hash: 735e4c3a44, VAE: mse";
    assert!(text.contains(names), "{text}");
    // Of a VAE that was not chosen nothing is written.
    assert!(!text_of(&request(), None, &hashes).contains("VAE"));
    assert_eq!(from_parameters(&text).settings.steps_made, Some(12));
}

#[test]
fn what_was_done_to_a_picture_stands_behind_its_settings() {
    let text = to_parameters(&request());
    let extended = with_upscaling(&text, "4x-UltraSharp, v2", 2.0).unwrap();
    assert_eq!(extended, text + ", Postprocess upscale by: 2, Postprocess upscaler: \"4x-UltraSharp, v2\"");
    let found = from_parameters(&extended);
    assert_eq!((found.settings.upscale_by, found.unknown.len()), (Some(2.0), 0));
    assert_eq!(found.settings.upscaler.as_deref(), Some("4x-UltraSharp, v2"));
    assert_eq!(with_upscaling("a cat, style: flat", "x", 2.0), None);
}

fn any_prompt() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "red apple",
        "红苹果",
        "🍎",
        ", ",
        ": ",
        "\n",
        "\"",
        "\\",
        "Negative prompt: ",
        "Steps: 20, Seed: 1, Size: 1x1",
        " ",
        "\r",
        "\t",
        "(x:1.2)",
        "BREAK",
        "{\"a\":1}",
        "[b|c]",
        "\u{3000}",
        "é",
        "",
    ]);
    prop_oneof![prop::collection::vec(word, 0..8).prop_map(|words| words.concat()), any::<String>()]
}

proptest! {
    #[test]
    fn every_request_reopens_exactly(
        (model, prompt, negative_prompt) in (any_prompt(), any_prompt(), any_prompt()),
        (seed, steps, width, height) in (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>()),
        sampler in prop::sample::select(SamplerName::ALL.to_vec()),
        schedule in prop::sample::select(ScheduleName::ALL.to_vec()),
        emphasis in prop::sample::select(Emphasis::ALL.to_vec()),
        (guidance_scale, strength) in (0.0..50.0f64, prop::option::of(0.0..=1.0f64)),
        upscale in prop::option::of((any_prompt(), 1.0..16.0f64, prop::option::of(0.0..=1.0f64))),
        control in prop::option::of((
            any_prompt(), prop::sample::select(Preprocessor::ALL.to_vec()), 0.0..=2.0f64, 0.0..=1.0f64, 0.0..=1.0f64,
        )),
        (precision, prediction, clip_skip) in (
            prop::sample::select(Precision::ALL.to_vec()), prop::option::of(prop::sample::select(Prediction::ALL.to_vec())), LAYERS,
        ),
        (vae, parts_from, image_guidance) in (
            prop::option::of("[a-z.,: ]{1,12}x"), prop::option::of("[a-z.,: ]{1,12}x"), prop::option::of(1.0..=50.0f64),
        ),
        masking in (
            prop::sample::select(MaskedContent::ALL.to_vec()), any::<(bool, bool, bool)>(),
            prop::option::of((0..99u32, 0..99u32, 1..99u32, 1..99u32)), prop::collection::vec(any_prompt(), 0..3),
        ),
        savings in (0.0..=1.0f64, 0.0..=1.0f64, prop_oneof![Just(0.0), 0.0..=1000.0f64], 1..=20u32, 0.0..=0.75f64),
        reproduce in (
            prop::sample::select(Program::ALL.to_vec()), prop::sample::select(NoiseSource::ALL.to_vec()),
            prop::option::of((any::<u64>(), 0.0..=1.0f64)), prop::option::of((8..=4096u32, 8..=4096u32)), any::<i64>(), 0..64u32, any::<(bool, bool)>(),
        ),
        tuning in (
            prop::option::of(0.0..=1.0f64), prop_oneof![Just(1.0), 0.0..=2.0f64],
            (prop_oneof![Just(0.0), 0.0..=100.0f64], prop_oneof![Just(0.0), 0.0..=1000.0f64], prop_oneof![Just(0.0), 0.0..=1000.0f64]),
            prop_oneof![Just(0.0), 0.0..=1.0f64], any::<bool>(),
            (prop::option::of(0.1..=100.0f64), prop_oneof![Just(0.0), 0.0..=1000.0f64], prop_oneof![Just(0.0), 0.0..=1000.0f64]),
        ),
    ) {
        let extent = Extent::new(width, height);
        let (guidance_start, guidance_end, negative_min_sigma, deep_every, merge_tokens) = savings;
        let savings = Savings { guidance_start, guidance_end, negative_min_sigma, deep_every, merge_tokens };
        let (eta, noise, (churn, churn_from, churn_to), guidance_rescale, zero_terminal_snr, (rho, sigma_min, sigma_max)) = tuning;
        let tuning = Tuning {
            eta, noise, churn, churn_from, churn_to, guidance_rescale, rho, sigma_min, sigma_max, zero_terminal_snr,
        };
        let (program, noise, variation, resized_from, ensd, index, (sgm_noise, exact_steps)) = reproduce;
        let reproduce = Reproduce {
            program, noise, ensd, sgm_noise, exact_steps,
            variation: variation.map(|(seed, strength)| Variation { seed, strength }),
            resized_from: resized_from.map(|(width, height)| Extent::new(width, height)),
            batch: Batch { index, of: 64 },
        };
        let (content, (is_masked, soft_mask, match_colours), part, words) = masking;
        let place = part.map(|(left, top, width, height)| Place {
            bounds: Bounds { left, top, extent: Extent::new(width, height) }, of: Extent::new(512, 512),
        });
        let input = strength.map(|strength| Input {
            image_guidance, soft_mask, match_colours, place,
            // Without a mask it is of no effect.
            masked: if is_masked { content } else { MaskedContent::Original },
            regions: words.into_iter().map(|prompt| Region { prompt, mask: () }).collect(),
            ..Input::new((), strength, is_masked.then_some(()))
        });
        let request = Request::<(), ()> {
            model, borrowed: Borrowed { vae, parts_from }, prompt, negative_prompt, extent, seed, sampler, schedule, steps, guidance_scale, precision, savings, tuning, prediction, clip_skip, emphasis,
            reproduce, input,
            control: control.map(|(controlnet, preprocessor, weight, start, end)| Control {
                controlnet, picture: (), preprocessor, weight, start, end,
            }),
            upscale: upscale.map(|(upscaler, factor, refine)| Upscale { upscaler, factor, refine }),
            hints: Vec::new(),
        };
        let imported = from_parameters(&to_parameters(&request));
        prop_assert_eq!(&imported.unknown, &Vec::new());
        prop_assert_eq!(request_again(imported.settings), request);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = from_parameters(&text);
    }
}

#[test]
fn what_was_painted_in_is_named_and_said_to_be_missing() {
    let hint = |step| crate::diffusion::Hint { step, left: 0, top: 0, picture: () };
    let request = Request { hints: vec![hint(3), hint(7)], ..request() };
    let imported = from_parameters(&to_parameters(&request));
    assert_eq!((&imported.settings.hints[..], imported.unknown.len()), (&[3, 7][..], 0));
    assert!(imported.differences.iter().any(|line| line.contains("painted into while it was drawn")));
}
