//! What is loaded stays loaded until what lies there is another, or a GPU has too little memory for it.

use super::*;
use crate::diffusion::{Borrowed, Emphasis, Reproduce, Request, SamplerName, Savings, ScheduleName, Tuning};
use crate::engine::{JobId, channel};
use crate::geom::Extent;
use candle_core::{DType, Tensor};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

fn request(prompt: &str) -> Request {
    Request {
        model: "sepia".to_owned(),
        borrowed: Borrowed::default(),
        prompt: prompt.to_owned(),
        negative_prompt: String::new(),
        extent: Extent::new(64, 64),
        seed: 0,
        sampler: SamplerName::Euler,
        schedule: ScheduleName::Normal,
        steps: 1,
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

#[test]
fn another_model_with_the_name_of_the_loaded_one_is_loaded_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let [first, second] = ["a", "b"].map(|name| {
        let folder = home.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&bozzetto, folder.join("sepia")).unwrap();
        Arc::new(Library::discover(&[folder]))
    });
    let mut studio = Studio::new(first, Memory::Sparing, None);
    let loads = |studio: &mut Studio| studio.load("sepia", None, Precision::F32).unwrap().is_some();
    assert!(loads(&mut studio) && !loads(&mut studio));
    studio.use_library(second);
    assert!(loads(&mut studio) && !loads(&mut studio));
}

#[test]
fn a_folder_whose_weights_were_changed_is_loaded_anew() {
    let home = tempfile::tempdir().unwrap();
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let sepia = home.path().join("sepia");
    std::fs::create_dir_all(sepia.join("unet")).unwrap();
    for part in ["model_index.json", "text_encoder", "tokenizer", "scheduler", "vae", "unet/config.json"] {
        std::os::unix::fs::symlink(bozzetto.join(part), sepia.join(part)).unwrap();
    }
    let weights = "unet/diffusion_pytorch_model.safetensors";
    std::fs::copy(bozzetto.join(weights), sepia.join(weights)).unwrap();
    let mut studio = Studio::new(Arc::new(Library::discover(&[home.path().to_owned()])), Memory::Sparing, None);
    let loads = |studio: &mut Studio| studio.load("sepia", None, Precision::F32).unwrap().is_some();
    assert!(loads(&mut studio) && !loads(&mut studio));
    let file = std::fs::File::options().write(true).open(sepia.join(weights)).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    assert!(loads(&mut studio) && !loads(&mut studio));
}

#[test]
fn an_upscaler_that_was_changed_is_loaded_anew() {
    let home = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upscaler");
    let folder = home.path().join("upscalers");
    std::fs::create_dir(&folder).unwrap();
    let put = |of: &str| std::fs::copy(fixtures.join(of), folder.join("fine.safetensors")).unwrap();
    put("compact_x4.safetensors");
    let mut studio = Studio::new(Arc::new(Library::discover(&[home.path().to_owned()])), Memory::Sparing, None);
    let upscale = Some(Upscale { upscaler: "fine".to_owned(), factor: 2.0, refine: None });
    let request = Request { upscale, ..request("an apple") };
    let mut scale = || {
        studio.load_upscaler(&request).unwrap();
        studio.upscaler.as_ref().unwrap().it.scale()
    };
    assert_eq!(scale(), 4);
    put("rrdb_x2.safetensors");
    assert_eq!(scale(), 2);
    std::fs::remove_file(folder.join("fine.safetensors")).unwrap();
    assert_eq!(scale(), 2, "what is out of sight stays what it was");
}

#[test]
fn another_lora_with_the_name_of_one_that_is_in_the_model_takes_its_place_and_so_does_one_that_was_changed() {
    let home = tempfile::tempdir().unwrap();
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let [first, second] = ["a", "b"].map(|name| {
        let folder = home.path().join(name);
        std::fs::create_dir_all(folder.join("Lora")).unwrap();
        std::os::unix::fs::symlink(&bozzetto, folder.join("sepia")).unwrap();
        let difference = Tensor::zeros(8, DType::F32, &Device::Cpu).unwrap();
        let tensors = HashMap::from([("lora_unet_conv_out.diff_b", difference)]);
        candle_core::safetensors::save(&tensors, folder.join("Lora/ink.safetensors")).unwrap();
        folder
    });
    let [older, newer] = [vec![first.clone()], vec![second.clone(), first.clone()]];
    let mut studio = Studio::new(Arc::new(Library::discover(&older)), Memory::Sparing, None);
    studio.load("sepia", None, Precision::F32).unwrap();
    let request = request("an apple <lora:ink:0.5>");
    studio.load_loras(&request).unwrap();
    assert!(studio.loras[0].1.starts_with(&first));
    studio.use_library(Arc::new(Library::discover(&newer)));
    studio.load_loras(&request).unwrap();
    assert!(studio.loras[0].1.starts_with(&second));
    // As long as before, and later.
    let file = std::fs::File::options().write(true).open(&studio.loras[0].1).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    let is_current = |studio: &Studio| studio.loaded.as_ref().unwrap().2.has_current_loras();
    assert!(!is_current(&studio));
    studio.load_loras(&request).unwrap();
    assert!(is_current(&studio));
}

fn short_of_memory() -> Error {
    let told = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
    crate::diffusion::Error::from(candle_core::Error::msg(told)).into()
}

fn refused() -> crate::checkpoints::Error {
    crate::checkpoints::Error::Device { reason: "it has too little memory".to_owned(), path: PathBuf::new() }
}

/// With all of Bozzetto.
fn studio_with_all(home: &Path) -> Studio {
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    std::os::unix::fs::symlink(bozzetto, home.join("sepia")).expect("a link can be made");
    let mut studio = Studio::new(Arc::new(Library::discover(&[home.to_owned()])), Memory::Plenty, None);
    studio.load("sepia", None, Precision::F32).expect("it ships");
    assert!(has_all(&studio), "there is memory for so small a model");
    studio
}

fn has_all(studio: &Studio) -> bool {
    let is_loaded = |model: &Model| model.unet.is_loaded() && model.vae.is_loaded();
    studio.loaded.as_ref().is_some_and(|(.., model)| is_loaded(model))
}

#[test]
fn what_there_is_too_little_memory_for_is_tried_once_more_without_what_is_held() {
    let home = tempfile::tempdir().unwrap();
    let mut studio = studio_with_all(home.path());
    let mut tries = 0;
    let beside_a_model = studio.with_room(|studio| {
        tries += 1;
        if has_all(studio) { Err(short_of_memory()) } else { Ok(()) }
    });
    assert!(beside_a_model.is_ok() && tries == 2, "{tries}");
    assert!(studio.sparing, "it is loaded in parts unless all of it fits");
    let errors: [(fn() -> Error, u32); 4] = [
        (short_of_memory, 2),
        (|| refused().into(), 2),
        (|| crate::diffusion::Error::from(refused()).into(), 2),
        (|| Error::UnknownModel("none".to_owned()), 1),
    ];
    for (error, expected) in errors {
        let mut tries = 0;
        let never = studio.with_room(|_| -> Result<(), Error> {
            tries += 1;
            Err(error())
        });
        assert!(never.is_err() && tries == expected, "{tries}: {}", error());
    }
}

#[test]
fn a_picture_that_there_was_too_little_memory_for_is_tried_in_parts_and_a_smaller_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let mut studio = studio_with_all(home.path());
    let (_client, peer) = channel(|| {});
    let job = |side| {
        let request = Request { extent: Extent::new(side, side), ..request("an apple") };
        Job::new(JobId(0), Box::new(request), CancelToken::default())
    };
    let in_parts = |studio: &mut Studio, side| {
        let ending = studio.paint(&job(side), None, &peer).unwrap();
        let Ending::Finished(painted) = ending else { panic!("nobody stops it") };
        let is_told = painted.notes.iter().any(|note| note.starts_with("the GPU has too little memory"));
        assert_eq!(is_told, !has_all(studio), "{:?}", painted.notes);
        is_told
    };
    assert!(!in_parts(&mut studio, 128));
    studio.failed(&Error::UnknownModel("none".to_owned()), Some(&job(128)));
    studio.failed(&short_of_memory(), None);
    assert!(has_all(&studio), "it is not what is in the way");
    studio.failed(&short_of_memory(), Some(&job(128)));
    assert!(!has_all(&studio));
    assert!(in_parts(&mut studio, 128));
    assert!(!in_parts(&mut studio, 64));
    assert!(in_parts(&mut studio, 128), "however much of it is loaded");
    studio.loaded = None;
    studio.load("sepia", None, Precision::F32).unwrap();
    assert!(!in_parts(&mut studio, 128), "what was loaded then is not what is loaded now");
}
