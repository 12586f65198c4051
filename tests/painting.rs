//! What a run promises whatever the weights: stopping, masks, repeatability, errors. Painted with Bozzetto.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/decibels.rs"]
mod decibels;

#[path = "painting/inputs.rs"]
mod inputs;
#[path = "painting/prompts.rs"]
mod prompts;
#[path = "painting/stopping.rs"]
mod stopping;

use candle_core::{DType, Device, Tensor};
use decibels::decibels;
use sfumato::checkpoints::{Library, Model, Precision};
use sfumato::diffusion::{
    Borrowed, Defaults, Emphasis, Ending, Error, Extras, Input, Painted, Progress, Reproduce, Request, SamplerName,
    Savings, ScheduleName, Stop, Trace, Tuning, paint, preview,
};
use sfumato::geom::Extent;
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
    let model = Model::open(&folder(), None, &Device::Cpu, Precision::F32, None).unwrap();
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
fn a_model_in_f16_is_refused_on_the_cpu_and_f32_named_in_its_place() {
    let refused = Model::load(&folder(), &Device::Cpu, Precision::F16).unwrap_err().to_string();
    assert!(refused.contains("f16, which takes a GPU") && refused.contains("choose f32"), "{refused}");
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
fn a_size_without_a_latent_is_an_error_that_names_a_size_that_has_one() {
    let request = Request { extent: Extent::new(68, 64), ..request() };
    let error = paint(&bozzetto(), Extras::default(), &request, &mut |_| Continue(())).unwrap_err();
    assert!(matches!(error, Error::Extent { multiple: 8, .. }));
    assert!(error.to_string().contains("72x64"), "{error}");
}

/// A copy of Bozzetto where one tensor of one part is NaN.
fn with_nan(part: &str, tensor: &str) -> (tempfile::TempDir, Model) {
    with_nan_in(Precision::F32, part, tensor)
}

fn with_nan_in(precision: Precision, part: &str, tensor: &str) -> (tempfile::TempDir, Model) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder(), copy.path());
    let weights = copy.path().join(part);
    let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    let damaged = tensors.get_mut(tensor).unwrap();
    *damaged = Tensor::full(f32::NAN, damaged.shape(), &Device::Cpu).unwrap().to_dtype(damaged.dtype()).unwrap();
    candle_core::safetensors::save(&tensors, &weights).unwrap();
    let model = Model::load(copy.path(), &Device::Cpu, precision).unwrap();
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
fn a_decoder_that_gives_no_number_is_tried_again_in_f32_and_for_the_next_picture_at_once() {
    let precision = Precision::Bf16;
    if !precision.is_there(&Device::Cpu) {
        return;
    }
    let (_kept, model) = with_nan_in(precision, "vae/diffusion_pytorch_model.safetensors", "decoder.conv_out.bias");
    let blocks = || {
        let mut blocks = 0;
        paint(&model, Extras::default(), &Request { precision, ..request() }, &mut |progress| {
            blocks += usize::from(matches!(progress, Progress::Block));
            Continue(())
        })
        .unwrap();
        blocks
    };
    let (first, second) = (blocks(), blocks());
    assert!(second > 0 && first == 2 * second, "{first} blocks, then {second}");
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
