//! What a run promises whatever the weights: stopping, masks, repeatability, errors. Painted with Bozzetto.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/decibels.rs"]
mod decibels;

use candle_core::{DType, Device, Tensor};
use decibels::decibels;
use sfumato::checkpoints::{Library, Model, Precision};
use sfumato::diffusion::{
    Borrowed, Defaults, Emphasis, Ending, Error, Extras, Input, Invalid, MaskedContent, Painted, Phase, Place,
    Progress, Region, Reproduce, Request, SamplerName, Savings, ScheduleName, Stop, Trace, Tuning, Upscale, paint,
    preview,
};
use sfumato::geom::{Bounds, Extent};
use sfumato::pixels::{Mask, Picture};
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto")
}

fn bozzetto() -> Model {
    Model::load(&folder(), &Device::Cpu, Precision::F32).unwrap()
}

const EXTENT: Extent = Extent::new(64, 64);

/// Small and short.
fn request() -> Request {
    Request {
        model: "bozzetto".to_owned(),
        borrowed: Borrowed::default(),
        prompt: "a red apple".to_owned(),
        negative_prompt: String::new(),
        extent: EXTENT,
        seed: 3,
        sampler: SamplerName::Ddim,
        schedule: ScheduleName::Simple,
        steps: 4,
        guidance_scale: 1.0,
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

fn finished(model: &Model, request: &Request) -> Painted {
    match paint(model, Extras::default(), request, &mut |_| Continue(())).unwrap() {
        Ending::Finished(painted) => painted,
        other => panic!("nobody stopped it, but it ended {other:?}"),
    }
}

/// Stripes of every opacity.
fn test_picture() -> Picture {
    let rgba = (0..EXTENT.area()).flat_map(|i| [i as u8, (i / 3) as u8, (i * 7) as u8, (255 - i / 32) as u8]).collect();
    Picture::from_rgba(EXTENT, rgba).unwrap()
}

#[test]
fn the_same_request_gives_the_same_bytes_and_another_seed_others() {
    let model = bozzetto();
    let ancestral = Request { sampler: SamplerName::EulerAncestral, ..request() };
    let first = finished(&model, &ancestral);
    assert_eq!(first.picture, finished(&model, &ancestral).picture);
    assert_ne!(first.picture, finished(&model, &Request { seed: 4, ..ancestral }).picture);
    assert_eq!((first.steps_made, first.picture.extent()), (4, EXTENT));
}

#[test]
fn a_run_that_spares_memory_paints_the_same_and_keeps_no_weights() {
    let mask = Arc::new(Mask::from_coverage(EXTENT, vec![255; EXTENT.area()]).unwrap());
    let from_picture = Request { input: Some(Input::new(Arc::new(test_picture()), 0.5, Some(mask))), ..request() };
    let model = Model::open(&folder(), None, &Device::Cpu, Precision::F32).unwrap();
    let loaded = |model: &Model| [model.texts[0].network.is_loaded(), model.unet.is_loaded(), model.vae.is_loaded()];
    assert_eq!(loaded(&model), [false; 3]);
    for request in [request(), from_picture] {
        let mut while_sampling = None;
        let extras = Extras { sparing: true, ..Extras::default() };
        let ending = paint(&model, extras, &request, &mut |progress| {
            if matches!(progress, Progress::Step { .. }) {
                while_sampling = Some(loaded(&model));
            }
            Continue(())
        });
        let Ending::Finished(painted) = ending.unwrap() else { panic!("nobody stopped it") };
        assert_eq!(painted.picture, finished(&bozzetto(), &request).picture);
        assert_eq!((while_sampling, loaded(&model)), (Some([false, true, false]), [false; 3]));
    }
    let extras = Extras { sparing: true, ..Extras::default() };
    let ending = paint(&model, extras, &request(), &mut |progress| match progress {
        Progress::Step { .. } => Break(Stop::Discard),
        _ => Continue(()),
    });
    assert!(matches!(ending, Ok(Ending::Discarded)));
    assert_eq!(loaded(&model), [false; 3], "a run that is thrown away keeps nothing either");
}

#[test]
fn a_picture_in_coarser_numbers_is_nearly_that_of_f32_and_the_same_with_any_number_of_threads() {
    let mut coarser = Vec::new();
    for (precision, at_least) in [(Precision::Bf16, 40.0), (Precision::Int8, 35.0)] {
        if !precision.is_there(&Device::Cpu) {
            let error = Model::load(&folder(), &Device::Cpu, precision).unwrap_err().to_string();
            assert!(error.contains("choose f32"), "{error}");
            continue;
        }
        let model = Model::load(&folder(), &Device::Cpu, precision).unwrap();
        let guided = Request { guidance_scale: 3.5, precision, ..request() };
        let on_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| finished(&model, &guided).picture)
        };
        let picture = on_threads(1);
        for threads in [2, 3] {
            assert_eq!(picture, on_threads(threads), "{precision:?} on {threads} threads");
        }
        let exact = finished(&bozzetto(), &guided).picture;
        assert_ne!(picture, exact);
        let near = decibels(&picture, &exact);
        assert!(near > at_least, "{precision:?}: {near} dB");
        assert!(!coarser.contains(&picture), "{precision:?} is another one");
        coarser.push(picture);
    }
}

#[test]
fn every_sampler_paints_on_every_schedule() {
    let model = bozzetto();
    for &sampler in SamplerName::ALL {
        for &schedule in ScheduleName::ALL {
            let extent = Extent::new(32, 32);
            finished(&model, &Request { extent, sampler, schedule, steps: 2, ..request() });
        }
    }
}

/// Bozzetto with its weights stored as `dtype`.
fn bozzetto_in(dtype: DType) -> Model {
    let copy = tempfile::tempdir().unwrap();
    for part in ["scheduler", "text_encoder", "tokenizer", "unet", "vae"] {
        std::fs::create_dir(copy.path().join(part)).unwrap();
        for entry in std::fs::read_dir(folder().join(part)).unwrap() {
            let from = entry.unwrap().path();
            let to = copy.path().join(part).join(from.file_name().unwrap());
            if from.extension().is_some_and(|extension| extension == "safetensors") {
                let mut tensors = candle_core::safetensors::load(&from, &Device::Cpu).unwrap();
                for tensor in tensors.values_mut() {
                    *tensor = tensor.to_dtype(dtype).unwrap();
                }
                candle_core::safetensors::save(&tensors, to).unwrap();
            } else {
                std::fs::copy(&from, to).unwrap();
            }
        }
    }
    std::fs::copy(folder().join("model_index.json"), copy.path().join("model_index.json")).unwrap();
    Model::load(copy.path(), &Device::Cpu, Precision::F32).unwrap()
}

#[test]
fn weights_of_another_precision_paint_the_same_picture_as_far_as_they_are_the_same_numbers() {
    let half = finished(&bozzetto(), &request()).picture;
    assert_eq!(half, finished(&bozzetto_in(DType::F32), &request()).picture, "widening changes no number");
    let brain = finished(&bozzetto_in(DType::BF16), &request()).picture;
    let pairs = brain.rgba().iter().zip(half.rgba());
    let mean = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / (EXTENT.area() * 4) as f64;
    assert!(mean > 0.0 && mean < 2.0, "{mean} of 255 apart on average");
}

#[test]
fn guidance_of_one_leaves_the_negative_prompt_out() {
    let model = bozzetto();
    for (guidance_scale, batch) in [(1.0, 1), (3.5, 2), (0.0, 2)] {
        paint(&model, Extras::default(), &Request { guidance_scale, steps: 1, ..request() }, &mut |progress| {
            if let Progress::Start { conditioning, .. } = progress {
                assert_eq!(conditioning.dim(0).unwrap(), batch, "guidance {guidance_scale}");
            }
            Continue(())
        })
        .unwrap();
    }
}

#[test]
fn stopping_to_keep_decodes_the_newest_estimate() {
    let model = bozzetto();
    let mut phases = Vec::new();
    let mut kept = None;
    let ending = paint(&model, Extras::default(), &request(), &mut |progress| match progress {
        Progress::Step { index: 1, denoised, .. } => {
            kept = Some(denoised.clone());
            Break(Stop::Keep)
        }
        Progress::Latent(latent) => {
            let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(values(latent), values(kept.as_ref().unwrap()));
            Break(Stop::Keep)
        }
        Progress::Phase(phase) => {
            phases.push(phase);
            if phase == Phase::Decode { Break(Stop::Keep) } else { Continue(()) }
        }
        // Who stopped it does not take that back.
        _ if kept.is_some() => Break(Stop::Keep),
        _ => Continue(()),
    });
    let Ending::Stopped(painted) = ending.unwrap() else { panic!("it was stopped to be kept") };
    assert_eq!((painted.steps_made, painted.picture.extent()), (2, EXTENT));
    assert_eq!(phases, [Phase::EncodePrompt, Phase::Sample, Phase::Decode]);
}

#[test]
fn what_was_to_be_kept_can_still_be_discarded_while_it_is_decoded() {
    let (mut is_kept, mut blocks) = (false, 0);
    let ending = paint(&bozzetto(), Extras::default(), &request(), &mut |progress| {
        is_kept |= matches!(progress, Progress::Step { .. });
        blocks += usize::from(is_kept && matches!(progress, Progress::Block));
        match (is_kept, blocks) {
            (false, _) => Continue(()),
            (true, 0 | 1) => Break(Stop::Keep),
            (true, _) => Break(Stop::Discard),
        }
    });
    assert!(matches!(ending.unwrap(), Ending::Discarded));
    assert_eq!(blocks, 2, "not a block more");
}

#[test]
fn stopping_to_discard_ends_at_once_wherever_it_is_asked_for() {
    let model = bozzetto();
    let input = Input::new(Arc::new(test_picture()), 0.5, None);
    let request = Request { input: Some(input), ..request() };
    let (mut count, mut blocks) = (0, 0);
    paint(&model, Extras::default(), &request, &mut |progress| {
        count += 1;
        blocks += usize::from(matches!(progress, Progress::Block));
        Continue(())
    })
    .unwrap();
    // Prompt, picture, start, sample, two steps, latent, decode.
    assert_eq!(count, 8 + blocks);
    assert!(blocks > 4, "some of each half of the VAE: {blocks}");
    for stop_at in 1..=count {
        let mut seen = 0;
        let ending = paint(&model, Extras::default(), &request, &mut |_| {
            seen += 1;
            if seen == stop_at { Break(Stop::Discard) } else { Continue(()) }
        });
        assert!(matches!(ending.unwrap(), Ending::Discarded));
        assert_eq!(seen, stop_at);
    }
}

#[test]
fn a_stop_before_the_first_estimate_has_nothing_to_keep() {
    let ending = paint(&bozzetto(), Extras::default(), &request(), &mut |_| Break(Stop::Keep)).unwrap();
    assert!(matches!(ending, Ending::Discarded));
}

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

/// The shape of what conditions the first step.
fn conditioning_of(model: &Model, request: &Request) -> Vec<usize> {
    let mut shape = Vec::new();
    paint(model, Extras::default(), request, &mut |progress| {
        if let Progress::Start { conditioning, .. } = progress {
            shape = conditioning.dims().to_vec();
        }
        Continue(())
    })
    .unwrap();
    shape
}

#[test]
fn a_prompt_of_any_length_is_read_whole() {
    let model = bozzetto();
    let of = |prompt: &str, guidance_scale| {
        let request = Request { prompt: prompt.to_owned(), guidance_scale, steps: 1, ..request() };
        conditioning_of(&model, &request)
    };
    assert_eq!(of("a red apple", 1.0), [1, 32, 256]);
    // 31 words of one token: one more than fit between the tokens that begin and end a text.
    assert_eq!(of(&"red ".repeat(31), 1.0), [1, 64, 256]);
    assert_eq!(of("a red apple BREAK a cat", 3.5), [2, 64, 256], "the shorter negative prompt is filled up");
    let last = |word: &str| Request { prompt: "red ".repeat(35) + word, ..request() };
    assert_ne!(finished(&model, &last("apple")).picture, finished(&model, &last("rocket")).picture);
}

#[test]
fn words_weigh_and_change_as_their_brackets_say() {
    let model = bozzetto();
    let of = |prompt: &str| {
        let painted = finished(&model, &Request { prompt: prompt.to_owned(), ..request() });
        assert_eq!((painted.steps_made, &painted.notes[..]), (4, &[][..]), "{prompt}");
        painted.picture
    };
    let (apple, rocket) = (of("a red apple"), of("a red rocket"));
    assert_eq!(of("a red (apple:1.0)"), apple);
    assert_ne!(of("a (red apple:1.4)"), apple);
    assert_eq!(of("a red [apple:rocket:0]"), rocket);
    assert_eq!(of("a red [apple:rocket:1.0]"), apple);
    assert_eq!(of("a red [apple|apple]"), apple);
    let edited = of("a red [apple:rocket:.5]");
    assert!(edited != apple && edited != rocket);
    assert_eq!(of("a red [apple:rocket:2]"), edited, "two of four steps are half of them");
    assert_ne!(of("a red [apple|rocket]"), edited);
}

#[test]
fn words_change_at_their_step_also_where_churn_lifts_sigmas() {
    let model = bozzetto();
    let estimates = |prompt: &str, churn: f64| {
        let tuning = Tuning { churn, ..Tuning::default() };
        let request = Request { prompt: prompt.to_owned(), sampler: SamplerName::Euler, steps: 6, tuning, ..request() };
        let mut estimates = Vec::new();
        let mut keep = |progress: Progress<'_>| {
            if let Progress::Step { denoised, .. } = progress {
                estimates.push(denoised.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
            Continue(())
        };
        paint(&model, Extras::default(), &request, &mut keep).unwrap();
        estimates
    };
    for churn in [0.0, 3.0] {
        let (changing, plain) = (estimates("[red apple:blue car:3]", churn), estimates("red apple", churn));
        let first_apart = changing.iter().zip(&plain).position(|(a, b)| a != b);
        assert_eq!(first_apart, Some(3), "churn {churn}");
    }
}

#[test]
fn words_that_bozzetto_was_not_taught_are_told() {
    let model = bozzetto();
    let notes = |prompt: &str| {
        let request = Request { prompt: prompt.to_owned(), steps: 1, ..request() };
        finished(&model, &request).notes
    };
    let told = |words: &str| vec![format!("the model was never taught this of the prompt: {words}")];
    assert_eq!(notes("ein Fuchs, (red:1.2) [fox|cat]"), told("ein, Fuchs, fox"));
    assert_eq!(notes("一只红狐狸"), told("一只, 狐狸"));
    assert_eq!(notes("🦊"), told("🦊"));
    let many: Vec<String> = (10..30).map(|number| number.to_string()).collect();
    assert_eq!(notes(&many.join(" ")), told(&(many[..8].join(", ") + " and 12 more")));
    for silent in ["", "!?… 。", "red apple, 3D style"] {
        assert_eq!(notes(silent), [""; 0], "{silent:?}");
    }
    let prompts = std::fs::read_to_string(folder().join("recipe/prompts.txt")).unwrap();
    assert!(prompts.lines().count() > 20);
    for prompt in prompts.lines() {
        assert_eq!(model.taught.as_ref().unwrap().missing_in(prompt), [""; 0], "{prompt:?}");
    }
}

#[test]
fn a_size_without_a_latent_is_an_error_that_names_a_size_that_has_one() {
    let request = Request { extent: Extent::new(68, 64), ..request() };
    let error = paint(&bozzetto(), Extras::default(), &request, &mut |_| Continue(())).unwrap_err();
    assert!(matches!(error, Error::Extent { multiple: 8, .. }));
    assert!(error.to_string().contains("72x64"), "{error}");
}

/// A copy of Bozzetto where one tensor of one part is NaN.
fn with_nan(part: &str, tensor: &str) -> (tempfile::TempDir, Model) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder(), copy.path());
    let weights = copy.path().join(part);
    let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    let damaged = tensors.get_mut(tensor).unwrap();
    *damaged = Tensor::full(f32::NAN, damaged.shape(), &Device::Cpu).unwrap().to_dtype(damaged.dtype()).unwrap();
    candle_core::safetensors::save(&tensors, &weights).unwrap();
    let model = Model::load(copy.path(), &Device::Cpu, Precision::F32).unwrap();
    (copy, model)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if source.is_dir() {
            copy_folder(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

#[test]
fn a_model_in_anothers_folder_shares_the_parts_that_it_lacks() {
    let home = tempfile::tempdir().unwrap();
    let (outer, inner) = (home.path().join("outer"), home.path().join("outer/quick"));
    copy_folder(&folder(), &outer);
    for part in ["unet", "scheduler"] {
        copy_folder(&folder().join(part), &inner.join(part));
    }
    std::fs::copy(folder().join("model_index.json"), inner.join("model_index.json")).unwrap();
    std::fs::write(inner.join("generation_config.json"), r#"{"num_inference_steps": 4, "guidance_scale": 1}"#).unwrap();

    let library = Library::discover(std::slice::from_ref(&outer));
    let usable: Vec<_> = library.entries().iter().filter(|entry| entry.summary.is_ok()).map(|e| &e.name[..]).collect();
    assert_eq!(usable[..3], ["outer", "bozzetto-4-steps", "quick"]);
    let model = Model::load(&library.find("quick").unwrap(), &Device::Cpu, Precision::F32).unwrap();
    let (defaults, whole) = (Defaults::of(&model), Defaults::of(&bozzetto()));
    assert_eq!(defaults, Defaults { steps: 4, guidance_scale: 1.0, ..whole });
    assert_eq!((&model.preview, &model.taught), (&bozzetto().preview, &bozzetto().taught));
    assert_eq!(finished(&model, &request()).picture, finished(&bozzetto(), &request()).picture);

    let upscaler = library.preferred_upscaler(Some("quick")).and_then(|entry| entry.model.as_deref());
    assert_eq!(upscaler, Some("outer"), "the one of the model around it goes before all others");

    // A part of its own has no part in the files about the other's.
    copy_folder(&folder().join("text_encoder"), &inner.join("text_encoder"));
    assert_eq!(Model::load(&inner, &Device::Cpu, Precision::F32).unwrap().taught, None);

    std::fs::remove_dir_all(outer.join("vae")).unwrap();
    let error = Model::load(&inner, &Device::Cpu, Precision::F32).unwrap_err().to_string();
    assert!(error.contains("vae"), "{error}");
}

#[test]
fn four_steps_of_the_distilled_network_end_where_twelve_guided_ones_do() {
    let whole = bozzetto();
    let quick = Model::load(&folder().join("bozzetto-4-steps"), &Device::Cpu, Precision::F32).unwrap();
    let extent = quick.native_extent;
    assert_eq!(Defaults::of(&quick), Defaults { steps: 4, guidance_scale: 1.0, ..Defaults::of(&whole) });
    let in_four = Request { extent, ..request() };
    let in_twelve = Request { steps: 12, guidance_scale: 3.5, ..in_four.clone() };
    let goal = finished(&whole, &in_twelve).picture;
    let error = |model: &Model| {
        let picture = finished(model, &in_four).picture;
        let pairs = std::iter::zip(picture.rgba(), goal.rgba());
        pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>() / extent.area() as f64
    };
    let (distilled, plain) = (error(&quick), error(&whole));
    assert!(distilled < plain / 3.0, "{distilled} of four distilled steps, {plain} of four plain ones");
}

#[test]
fn a_network_that_gives_no_number_is_an_error_that_names_the_step() {
    let (_kept, model) = with_nan("unet/diffusion_pytorch_model.safetensors", "conv_out.bias");
    let error = paint(&model, Extras::default(), &request(), &mut |_| Continue(())).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 1, count: 4, .. }), "{error}");
}

#[test]
fn a_decoder_that_gives_no_number_costs_no_picture() {
    let (_kept, model) = with_nan("vae/diffusion_pytorch_model.safetensors", "decoder.conv_out.bias");
    let mut latent = None;
    let ending = paint(&model, Extras::default(), &request(), &mut |progress| {
        if let Progress::Latent(found) = progress {
            latent = Some(found.clone());
        }
        Continue(())
    });
    let Ending::Finished(painted) = ending.unwrap() else { panic!("nobody stopped it") };
    let rough = preview(&latent.unwrap(), &model.preview).unwrap().resized(request().extent);
    assert_eq!(*painted.picture, rough);
    assert!(painted.notes.iter().any(|note| note.contains("as rough as a preview")), "{:?}", painted.notes);
}

#[test]
fn a_preview_costs_less_than_a_fiftieth_of_a_step() {
    let model = bozzetto();
    let (mut steps, mut previews) = (0.0, 0.0);
    let mut since = Instant::now();
    paint(&model, Extras::default(), &request(), &mut |progress| {
        if let Progress::Step { denoised, .. } = progress {
            steps += since.elapsed().as_secs_f64();
            let before = Instant::now();
            assert_eq!(preview(denoised, &model.preview).unwrap().extent(), Extent::new(8, 8));
            previews += before.elapsed().as_secs_f64();
        }
        since = Instant::now();
        Continue(())
    })
    .unwrap();
    println!("a step {:.1} ms, a preview {:.3} ms", steps * 250.0, previews * 250.0);
    assert!(previews < steps / 50.0);
}

#[test]
fn a_trace_holds_the_whole_run() {
    let model = bozzetto();
    let mut trace = Trace::default();
    let ending = paint(&model, Extras::default(), &request(), &mut |progress| {
        trace.record(&progress).unwrap();
        Continue(())
    });
    let Ending::Finished(painted) = ending.unwrap() else { panic!("nobody stopped it") };
    trace.record_picture(&painted.picture);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.safetensors");
    trace.write(&path).unwrap();
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let latent = [1, model.unet.get().unwrap().in_channels(), 8, 8];
    for index in 0..4 {
        assert_eq!(tensors[&format!("step_{index:03}_x")].dims(), latent);
        assert_eq!(tensors[&format!("step_{index:03}_denoised")].dims(), latent);
        assert_eq!(tensors[&format!("step_{index:03}_sigma")].dims(), [1]);
    }
    assert_eq!(tensors["image"].dims(), [64, 64, 3]);
    assert_eq!((tensors.len(), tensors["noise"].dims(), tensors["latent"].dims()), (16, &latent[..], &latent[..]));
}

#[test]
fn bozzetto_starts_with_what_it_was_trained_for() {
    let defaults = Defaults::of(&bozzetto());
    assert_eq!(defaults.extent, Extent::new(128, 128));
    assert_eq!((defaults.sampler, defaults.schedule), (SamplerName::Ddim, ScheduleName::Simple));
}
