//! Pictures compared with words: ranking, searching, and the CLIPs that do so.

use super::*;
use sfumato::diffusion::{
    Borrowed, Emphasis, Precision, Reproduce, Request, SamplerName, Savings, ScheduleName, Tuning,
};
use sfumato::gallery::{Gallery, NewEntry};
use std::sync::Arc;

/// Puts a tiny CLIP, whose weights mean nothing, where models are looked for: `tiny`.
fn write_tiny_clip(desk: &Desk) {
    let (json, _) = tiny_clip::fixture("pair");
    let (folder, f32) = (desk.path("models/clip/tiny"), candle_core::DType::F32);
    tiny_clip::write_folder(&folder, &json, "config.json", "model.safetensors", f32);
}

/// Asserts that pictures stand in the order of how well they fit, and gives their files.
fn ranked(object: &Value) -> Vec<&str> {
    let pictures = object["pictures"].as_array().unwrap();
    let fits: Vec<f64> = pictures.iter().map(|picture| picture["fit"].as_f64().unwrap()).collect();
    assert!(fits.is_sorted_by(|a, b| a > b) && fits.iter().all(|fit| fit.abs() <= 1.0), "{fits:?}");
    pictures.iter().map(|picture| picture["file"].as_str().unwrap()).collect()
}

#[test]
fn pictures_are_ranked_by_how_well_they_fit_a_prompt() {
    let desk = Desk::new();
    write_tiny_clip(&desk);
    let names = ["red.png", "green.png", "blue.png"];
    for (channel, name) in names.iter().enumerate() {
        let mut pixel = [10, 10, 10, 255];
        pixel[channel] = 250;
        desk.save(name, Extent::new(20, 16), pixel);
    }
    let rank = |args: &[&str]| desk.run(&[&["rank", "--prompt", "a cat", "--clip", "tiny"], &names[..], args].concat());
    let output = rank(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&object["clip"], &object["prompt"], &object["error"]), (&"tiny".into(), &"a cat".into(), &Value::Null));
    let files = ranked(&object);
    assert_eq!(files.len(), 3);
    let text = String::from_utf8(rank(&[]).stdout).unwrap();
    for (line, file) in text.lines().zip(&files) {
        let (fit, name) = line.split_once('\t').unwrap();
        assert!(fit.parse::<f64>().is_ok() && Path::new(file).ends_with(name), "{line}");
    }
    assert_eq!(text.lines().count(), 3);

    let output = rank(&["none.png", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ranked(&object).len(), 3, "what was looked at before is there");
    assert!(object["error"]["message"].as_str().unwrap().contains("none.png"), "{object}");
    assert_eq!(desk.fail(&["rank", "red.png"]).0, 2);
    let (code, sentence) = desk.fail(&["rank", "red.png", "--prompt", "x", "--clip", "large"]);
    assert!(code == 1 && sentence.contains("there is no CLIP named large"), "{sentence}");
}

#[test]
fn a_clip_is_listed_and_can_be_inspected() {
    let desk = Desk::new();
    write_tiny_clip(&desk);
    let models: Value = serde_json::from_slice(&desk.run(&["models", "--json"]).stdout).unwrap();
    let tiny = models["clips"].as_array().unwrap().iter().find(|clip| clip["name"] == "tiny").unwrap();
    assert_eq!((&tiny["side"], &tiny["dimensions"], &tiny["problem"]), (&12.into(), &8.into(), &Value::Null));
    let text = String::from_utf8(desk.run(&["models"]).stdout).unwrap();
    assert!(text.contains("tiny\tcompares pictures with words\t12x12"), "{text}");
    let inspected: Value =
        serde_json::from_slice(&desk.run(&["inspect", "models/clip/tiny", "--json"]).stdout).unwrap();
    assert_eq!((&inspected["kind"], &inspected["bytes"]), (&"clip".into(), &tiny["bytes"]));
    fs::write(desk.path("models/clip/tiny/config.json"), "{}").unwrap();
    let models: Value = serde_json::from_slice(&desk.run(&["models", "--json"]).stdout).unwrap();
    let tiny = models["clips"].as_array().unwrap().iter().find(|clip| clip["name"] == "tiny").unwrap();
    assert!(tiny["problem"].as_str().unwrap().contains("`text_config` is missing"), "{tiny}");
}

#[test]
fn a_batch_is_listed_best_first_when_that_is_asked_for() {
    let desk = Desk::new();
    write_tiny_clip(&desk);
    let object = desk.paint(&["--count", "3", "--seed", "7", "--rank", "--clip", "tiny"]);
    assert_eq!(ranked(&object).len(), 3);
    assert_eq!(object["clip"], "tiny");
    let seeds: Vec<u64> = object["pictures"].as_array().unwrap().iter().map(|p| p["seed"].as_u64().unwrap()).collect();
    let output =
        desk.run(&["paint", "a red apple", "--steps", "3", "--count", "3", "--seed", "7", "--rank", "--clip", "tiny"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let expected: Vec<String> = seeds.iter().map(|seed| format!("sfumato-{seed}-2.png")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{}", stderr(&output));
    assert_eq!(desk.paint(&[])["pictures"][0]["fit"], Value::Null);
    assert_eq!(desk.fail(&["paint", "x", "--clip", "tiny"]).0, 2);
}

#[test]
fn the_gallery_is_searched_by_what_its_pictures_show() {
    let desk = Desk::new();
    write_tiny_clip(&desk);
    let (code, sentence) = desk.fail(&["search", "cat", "--clip", "tiny"]);
    assert!(code == 1 && sentence.contains("there is no gallery yet"), "{sentence}");
    let mut gallery = Gallery::open(&desk.path("gallery")).unwrap();
    let extent = Extent::new(16, 16);
    let mut add = |seed: u64| {
        let pixel = [(seed * 60) as u8, 100, 250 - (seed * 60) as u8, 255];
        let request = Request {
            model: "bozzetto".into(),
            borrowed: Borrowed::default(),
            prompt: format!("number {seed}"),
            negative_prompt: String::new(),
            extent,
            seed,
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
        };
        let picture = Arc::new(Picture::filled(extent, pixel));
        let parameters = String::new();
        gallery.add(NewEntry { picture, request, parameters, steps_made: 4, seconds: 0.1, partial: false }).unwrap()
    };
    let entries: Vec<_> = (0..4).map(&mut add).collect();
    fs::remove_file(&entries[3].path).unwrap();
    let search = |args: &[&str]| -> Value {
        let output = desk.run(&[&["search", "a", "cat", "--clip", "tiny", "--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let first = search(&[]);
    assert_eq!((ranked(&first).len(), &first["text"]), (3, &"a cat".into()));
    assert!(first["notes"][0].as_str().unwrap().contains("4 pictures for the first time"), "{first}");
    assert!(first["notes"][1].as_str().unwrap().contains("file is gone"), "{first}");
    let second = search(&["--count", "2"]);
    assert_eq!(ranked(&second), ranked(&first)[..2]);
    assert_eq!(gallery.count_unseen("another").unwrap(), 4);
    let text = String::from_utf8(desk.run(&["search", "a cat", "--clip", "tiny"]).stdout).unwrap();
    let files: Vec<_> = text.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    assert_eq!(files, ranked(&first));
    assert_eq!(desk.fail(&["search", " "]).0, 2);
}
