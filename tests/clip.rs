//! A CLIP computes what transformers and `OpenCLIP` compute, and sees what Pillow shows them. Fixtures:
//! `tests/fixtures/generate_clip.py`, which names the versions in them. Weights and pictures are hashed from names.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "shared/hashed.rs"]
mod hashed;
#[path = "shared/tiny_clip.rs"]
mod tiny_clip;

use candle_core::{DType, Device, Tensor};
use hashed::{hashed, wave};
use serde_json::{Value, json};
use sfumato::checkpoints::{Clip, ClipSummary, Library, Preprocessing};
use sfumato::diffusion::Stop;
use sfumato::engine::{self, CancelToken, Command, Event, LookId, Memory, Priority};
use sfumato::geom::Extent;
use sfumato::meaning::{of_picture, of_words, preprocessed};
use sfumato::pixels::Picture;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tiny_clip::{fixture, write_folder};

/// The largest difference allowed between an element of ours and theirs, of unit vectors in f32.
const TOLERANCE: f32 = 1e-5;

/// A tiny CLIP of transformers' layout.
fn tiny() -> (tempfile::TempDir, Value) {
    let (json, _) = fixture("pair");
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &json, "config.json", "model.safetensors", DType::F16);
    (folder, json)
}

fn load(folder: &Path) -> Clip {
    Clip::load(folder, &Device::Cpu).unwrap()
}

fn load_error(folder: &Path) -> String {
    let error = Clip::load(folder, &Device::Cpu).map(|_| ()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn assert_close(name: &str, ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.dims(), theirs.dims(), "{name}");
    let apart = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(apart <= TOLERANCE, "{name}: {apart} apart");
    eprintln!("{name}: {apart:e} apart");
}

#[test]
fn both_encoders_give_what_those_of_transformers_and_open_clip_give() {
    let open = ("open_clip_config.json", "open_clip_model.safetensors");
    let transformers = ("config.json", "model.safetensors");
    for (name, (config, weights)) in
        [("pair", transformers), ("pair_of_old", transformers), ("open_clip", open), ("open_clip_quick", open)]
    {
        let (json, theirs) = fixture(name);
        let folder = tempfile::tempdir().unwrap();
        write_folder(folder.path(), &json, config, weights, DType::F32);
        let clip = load(folder.path());
        let ids = theirs["ids"].to_dtype(DType::U32).unwrap();
        assert_close(&format!("{name}: text"), &clip.network.embed_texts(&ids).unwrap(), &theirs["text"]);
        let side = clip.network.image_size();
        let rgb = wave((2, 3, side, side), "rgb", 1.0);
        assert_close(&format!("{name}: image"), &clip.network.embed_pictures(&rgb).unwrap(), &theirs["image"]);
        let scale = theirs["scale"].to_vec1::<f32>().unwrap()[0];
        assert!((clip.network.scale() / scale - 1.0).abs() < 1e-5, "{name}");
    }
}

#[test]
fn a_picture_is_prepared_as_clips_image_processor_prepares_it() {
    let (json, theirs) = fixture("pixels");
    for case in json["cases"].as_array().unwrap() {
        let (name, config) = (case["name"].as_str().unwrap(), &case["config"]);
        let number = |value: &Value| value.as_u64().unwrap() as u32;
        let extent = Extent::new(number(&case["width"]), number(&case["height"]));
        let bytes: Vec<u8> =
            hashed(name, extent.area() * 3).iter().map(|&v| ((f64::from(v) + 1.0) * 127.5) as u8).collect();
        let rgba = bytes.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect();
        let picture = Picture::from_rgba(extent, rgba).unwrap();
        let how = Preprocessing {
            shorter_side: number(&config["size"]["shortest_edge"]),
            crop: number(&config["crop_size"]["height"]),
            mean: serde_json::from_value(config["image_mean"].clone()).unwrap(),
            std: serde_json::from_value(config["image_std"].clone()).unwrap(),
        };
        let ours = Tensor::from_vec(preprocessed(&picture, &how), theirs[name].dims(), &Device::Cpu).unwrap();
        assert_close(name, &ours, &theirs[name]);
    }
}

#[test]
fn a_strip_of_any_length_is_seen_in_its_middle() {
    let (folder, _) = tiny();
    let clip = load(folder.path());
    let strip = Picture::filled(Extent::new(1, 16384), [200, 30, 60, 255]);
    let square = Picture::filled(Extent::new(12, 12), [200, 30, 60, 255]);
    assert_eq!(of_picture(&clip, &strip).unwrap(), of_picture(&clip, &square).unwrap());
    let clear = Picture::filled(Extent::new(3, 3), [1, 2, 3, 0]);
    let white = Picture::filled(Extent::new(3, 3), [255; 4]);
    assert_eq!(of_picture(&clip, &clear).unwrap(), of_picture(&clip, &white).unwrap());
    let nothing = Picture::filled(Extent::new(0, 3), [0; 4]);
    assert!(of_picture(&clip, &nothing).unwrap_err().to_string().contains("no pixels"));
}

#[test]
fn words_and_pictures_become_directions_that_can_be_compared() {
    let (folder, _) = tiny();
    let clip = load(folder.path());
    let words = of_words(&clip, "abc").unwrap();
    assert_eq!(words.numbers().len(), 8);
    assert_eq!(of_words(&clip, "ABC ").unwrap(), words);
    assert_ne!(of_words(&clip, "").unwrap(), words);
    let long = "abc ".repeat(200);
    assert_eq!(of_words(&clip, &long).unwrap().numbers().len(), 8, "what does not fit is left out");
    let cosine =
        of_picture(&clip, &Picture::filled(Extent::new(5, 4), [9, 99, 199, 255])).unwrap().cosine(&words).unwrap();
    assert!((-1.0..=1.0).contains(&cosine));
}

#[test]
fn the_engine_looks_at_pictures_and_reads_words_through_the_clip_that_is_named() {
    let (json, _) = fixture("pair");
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("clip/tiny");
    write_folder(&folder, &json, "config.json", "model.safetensors", DType::F32);
    let library = Library::discover(&[home.path().to_owned()]);
    let client = engine::spawn(library, Priority::Normal, Memory::Plenty, None, || {});
    let event = || client.event_within(std::time::Duration::from_secs(20)).unwrap();
    let picture = Arc::new(Picture::filled(Extent::new(16, 9), [10, 200, 90, 255]));
    let look = |id: u64, prompt: &str, cancel: &CancelToken| {
        let (clip, prompt) = ("tiny".to_owned(), prompt.to_owned());
        let picture = Arc::clone(&picture);
        client.send(Command::Look { id: LookId(id), clip, picture, prompt, cancel: cancel.clone() });
    };
    let clip = load(&folder);
    let (shows, says) = (of_picture(&clip, &picture).unwrap(), of_words(&clip, "abc").unwrap());
    look(1, "abc", &CancelToken::default());
    let Event::Looked { id: LookId(1), seen: Ok(Some(seen)) } = event() else { panic!("it looks") };
    assert_eq!((&seen.embedding, seen.fit), (&shows, shows.cosine(&says)));
    look(2, " ", &CancelToken::default());
    let Event::Looked { id: LookId(2), seen: Ok(Some(seen)) } = event() else { panic!("it looks again") };
    assert_eq!((seen.embedding, seen.fit), (shows, None));
    let cancel = CancelToken::default();
    cancel.stop(Stop::Discard);
    look(3, "abc", &cancel);
    assert!(matches!(event(), Event::Looked { id: LookId(3), seen: Ok(None) }));
    client.send(Command::Read { clip: "tiny".into(), words: "abc".into() });
    let Event::WordsRead { words, meaning: Ok(meaning) } = event() else { panic!("it reads") };
    assert_eq!((words.as_str(), meaning), ("abc", says));
    client.send(Command::Read { clip: "gone".into(), words: "abc".into() });
    let Event::WordsRead { meaning: Err(error), .. } = event() else { panic!("there is no such CLIP") };
    assert!(error.to_string().starts_with("there is no CLIP named gone"), "{error}");
}

#[test]
fn half_precision_tells_nearly_the_same_and_has_a_fingerprint_of_its_own() {
    let (json, _) = fixture("pair");
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join("clip").join(name);
    for (name, dtype) in [("whole", DType::F32), ("half", DType::F16), ("half again", DType::F16)] {
        write_folder(&place(name), &json, "config.json", "model.safetensors", dtype);
    }
    let library = Library::discover(&[folder.path().to_owned()]);
    let summary = |name: &str| library.find_clip(name).unwrap().summary.as_ref().unwrap().clone();
    assert_eq!(summary("half"), summary("Half Again"));
    assert_ne!(summary("half").fingerprint, summary("whole").fingerprint);
    let ClipSummary { side, dimensions, bytes, fingerprint } = summary("whole");
    assert_eq!((side, dimensions, bytes, fingerprint.len()), (12, 8, 2 * summary("half").bytes, 16));
    let words = |name: &str| of_words(&load(&place(name)), "abc").unwrap();
    let cosine = words("whole").cosine(&words("half")).unwrap();
    assert!((1.0 - cosine) < 1e-4, "{cosine}");
    assert_eq!(library.preferred_clip(Some("whole")).unwrap().name, "whole");
    let error = library.find_clip("none").unwrap_err().to_string();
    assert!(
        error.starts_with("there is no CLIP named none: choose one of ") && error.contains("half again"),
        "{error}"
    );
}

#[test]
fn a_folder_with_both_layouts_is_read_by_the_one_whose_weights_are_there() {
    let (json, theirs) = fixture("pair");
    let (other, _) = fixture("open_clip");
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &other, "open_clip_config.json", "open_clip_model.safetensors", DType::F32);
    write_folder(folder.path(), &json, "config.json", "model.safetensors", DType::F32);
    let ids = theirs["ids"].to_dtype(DType::U32).unwrap();
    let text = |clip: &Clip| clip.network.embed_texts(&ids).unwrap();
    assert_close("both", &text(&load(folder.path())), &theirs["text"]);
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert_close("the other", &text(&load(folder.path())), &fixture("open_clip").1["text"]);
}

#[test]
fn later_open_clip_files_put_text_before_the_text_encoders_names() {
    let (json, theirs) = fixture("open_clip");
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &json, "open_clip_config.json", "open_clip_model.safetensors", DType::F32);
    let path = folder.path().join("open_clip_model.safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let renamed = tensors.into_iter().map(|(name, tensor)| {
        let stays = name.starts_with("visual.") || name == "logit_scale";
        (if stays { name } else { format!("text.{name}") }, tensor)
    });
    candle_core::safetensors::save(&renamed.collect::<HashMap<_, _>>(), &path).unwrap();
    let ids = theirs["ids"].to_dtype(DType::U32).unwrap();
    assert_close("text.", &load(folder.path()).network.embed_texts(&ids).unwrap(), &theirs["text"]);
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let damaged = |damage: &dyn Fn(&Path, Value)| {
        let (folder, json) = tiny();
        damage(folder.path(), json["config"].clone());
        load_error(folder.path())
    };
    let with_config = |edit: &dyn Fn(&mut Value)| {
        damaged(&|folder, mut config| {
            edit(&mut config);
            std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        })
    };
    let error = damaged(&|folder, _| std::fs::remove_file(folder.join("config.json")).unwrap());
    assert!(error.starts_with("this is no CLIP"), "{error}");
    let error = damaged(&|folder, _| std::fs::remove_file(folder.join("model.safetensors")).unwrap());
    assert!(error.contains("a file of the model is missing") && error.contains("model.safetensors"), "{error}");
    let error = damaged(&|folder, _| std::fs::remove_file(folder.join("merges.txt")).unwrap());
    assert!(error.contains("no tokenizer.json"), "{error}");
    let error = damaged(&|folder, _| {
        let path = folder.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    });
    assert!(error.contains("cut short"), "{error}");
    let error = damaged(&|folder, _| {
        std::fs::write(folder.join("preprocessor_config.json"), r#"{"resample": 2}"#).unwrap();
    });
    assert!(error.contains("`resample` is 2, but must be 3"), "{error}");
    let error = damaged(&|folder, _| {
        let sizes = json!({"size": {"shortest_edge": 24}, "crop_size": 24});
        std::fs::write(folder.join("preprocessor_config.json"), sizes.to_string()).unwrap();
    });
    assert!(error.contains("cut to 24 pixels a side, the image encoder takes 12"), "{error}");
    let error = damaged(&|folder, _| {
        std::fs::write(folder.join("preprocessor_config.json"), r#"{"crop_size": {"height": 12, "width": 14}}"#)
            .unwrap();
    });
    assert!(error.contains("`crop_size`"), "{error}");
    let error = with_config(&|config| config["model_type"] = "siglip".into());
    assert!(error.contains(r#"`model_type` is "siglip""#), "{error}");
    let error = with_config(&|config| config["text_config"]["vocab_size"] = 49.into());
    assert!(error.contains("the tokenizer has a token 49, the text encoder only 49 in all"), "{error}");
    let error = with_config(&|config| config["projection_dim"] = 9.into());
    assert!(error.contains("projection") && error.contains("[9, "), "{error}");
    let error = with_config(&|config| config["vision_config"]["num_hidden_layers"] = 4.into());
    assert!(error.contains("vision_model.encoder.layers.3.") && error.contains("missing"), "{error}");
}
