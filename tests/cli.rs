//! The program as a script sees it: exit codes, sentences, files and JSON.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test itself does")]

#[path = "shared/hashed.rs"]
#[expect(dead_code, reason = "networks need inputs too")]
mod hashed;
#[path = "shared/tiny_checkpoint.rs"]
#[expect(dead_code, reason = "one form of it is enough here")]
mod tiny_checkpoint;
#[path = "shared/tiny_clip.rs"]
mod tiny_clip;

use serde_json::Value;
use sfumato::diffusion::{
    Borrowed, Emphasis, Precision, Reproduce, Request, SamplerName, Savings, ScheduleName, Tuning,
};
use sfumato::gallery::{Gallery, NewEntry};
use sfumato::geom::Extent;
use sfumato::pixels::{Mask, Picture, read_texts};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// A folder of its own for each test, and the program in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_sfumato"))
    }

    fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("RUST_BACKTRACE", "0").env("SFUMATO_HOME", self.folder.path());
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Paints quickly. Gives the JSON object.
    fn paint(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["paint", "a red apple", "--steps", "3", "--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs what must fail: the exit code and the sentence.
    fn fail(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        let sentence = stderr(&output);
        assert!(!sentence.contains("panicked") && !sentence.contains("backtrace"), "{sentence}");
        (output.status.code().unwrap(), sentence)
    }

    fn save(&self, name: &str, extent: Extent, pixel: [u8; 4]) {
        Picture::filled(extent, pixel).write_png(&self.path(name), &[]).unwrap();
    }

    /// Bozzetto's folder with everything linked but the files that a test damages.
    #[cfg(unix)]
    fn bozzetto_but(&self, replaced: &str, bytes: Option<&[u8]>) -> PathBuf {
        let (original, copy) = (bozzetto(), self.path("damaged"));
        link_tree(&original, &copy);
        fs::remove_file(copy.join(replaced)).unwrap();
        if let Some(bytes) = bytes {
            fs::write(copy.join(replaced), bytes).unwrap();
        }
        copy
    }
}

#[cfg(unix)]
fn link_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            link_tree(&entry.path(), &target);
        } else {
            std::os::unix::fs::symlink(entry.path(), target).unwrap();
        }
    }
}

fn bozzetto() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file_of(object: &Value, index: usize) -> Vec<u8> {
    fs::read(object["pictures"][index]["file"].as_str().unwrap()).unwrap()
}

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

// --- what it does

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

#[test]
fn the_same_command_gives_the_same_bytes_with_any_number_of_threads() {
    let desk = Desk::new();
    let first = desk.paint(&["--seed", "7"]);
    for threads in [&[][..], &["--threads", "1"], &["--threads", "2", "--device", "cpu"]] {
        let again = desk.paint(&[&["--seed", "7"], threads].concat());
        assert_ne!(first["pictures"][0]["file"], again["pictures"][0]["file"], "no file is overwritten");
        assert!(file_of(&first, 0) == file_of(&again, 0), "{threads:?}");
    }
    assert!(file_of(&first, 0) != file_of(&desk.paint(&["--seed", "8"]), 0));
}

#[test]
fn a_picture_tells_every_setting_it_was_made_with() {
    let desk = Desk::new();
    let args = [
        "--seed",
        "4294967296",
        "--negative",
        "blurry, \"dark\"",
        "--sampler",
        "euler_a",
        "--schedule",
        "sgm_uniform",
        "--guidance",
        "2.7182818",
        "--guidance-start",
        "0.1",
        "--guidance-end",
        "0.9",
        "--negative-min-sigma",
        "0.25",
        "--deep-every",
        "2",
        "--merge-tokens",
        "0.5",
        "--eta",
        "0.5",
        "--noise-multiplier",
        "0.9",
        "--guidance-rescale",
        "0.25",
        "--zero-terminal-snr",
        "--size",
        "64x72",
        "--out",
        "apple.png",
    ];
    let object = desk.paint(&args);
    let inspected = desk.run(&["inspect", "apple.png", "--json"]);
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let (request, settings) = (&object["pictures"][0]["request"], &inspected["settings"]);
    for key in [
        "model",
        "prompt",
        "negative_prompt",
        "extent",
        "seed",
        "sampler",
        "schedule",
        "steps",
        "guidance_scale",
        "savings",
        "tuning",
    ] {
        assert_eq!(request[key], settings[key], "{key}");
        assert!(!request[key].is_null(), "{key}");
    }
    let savings = serde_json::json!({ "guidance_start": 0.1, "guidance_end": 0.9, "negative_min_sigma": 0.25, "deep_every": 2, "merge_tokens": 0.5 });
    assert_eq!(settings["savings"], savings);
    let tuning = serde_json::json!({
        "eta": 0.5, "noise": 0.9, "churn": 0.0, "churn_from": 0.0, "churn_to": 0.0, "guidance_rescale": 0.25,
        "rho": null, "sigma_min": 0.0, "sigma_max": 0.0, "zero_terminal_snr": true
    });
    assert_eq!(settings["tuning"], tuning);
    assert_eq!(inspected["unknown"], serde_json::json!({}));
    assert_eq!(inspected["extent"], serde_json::json!({ "width": 64, "height": 72 }));
    assert!(
        read_texts(&desk.path("apple.png"))[0]
            .1
            .starts_with("a red apple\nNegative prompt: blurry, \"dark\"\nSteps: 3, ")
    );
}

#[test]
fn styles_and_what_a_prompt_leaves_open_are_in_the_request_as_they_were_chosen() {
    let desk = Desk::new();
    let models = desk.path("models");
    std::fs::create_dir_all(models.join("wildcards")).unwrap();
    std::fs::write(models.join("wildcards/colours.txt"), "red\n").unwrap();
    std::fs::write(models.join("styles.csv"), "name,prompt,negative_prompt\nFlat,\"{prompt}, flat\",photo\n").unwrap();
    let prompt = "a car :0.5 AND a __colours__ {apple|apple}";
    let args =
        ["paint", prompt, "--style", "flat", "--emphasis", "no_norm", "--steps", "1", "--size", "64x64", "--json"];
    let output = desk.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let request = &object["pictures"][0]["request"];
    assert_eq!(request["prompt"], "a car :0.5 AND a red apple, flat");
    assert_eq!((&request["negative_prompt"], &request["emphasis"]), (&"photo".into(), &"no_norm".into()));
    let (_, sentence) = desk.fail(&["paint", "a __birds__"]);
    assert!(sentence.contains("there is no birds.txt for __birds__"), "{sentence}");
    let (_, sentence) = desk.fail(&["paint", "a", "--style", "round"]);
    assert!(sentence.contains("there is no style named round: choose one of Flat"), "{sentence}");
}

#[test]
fn the_json_object_has_the_documented_fields() {
    let desk = Desk::new();
    let object = desk.paint(&["--seed", "1", "--count", "2", "--out", "made"]);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&object), ["version", "pictures", "clip", "notes", "interrupted", "error"]);
    let pictures = object["pictures"].as_array().unwrap();
    assert_eq!(pictures.iter().map(|picture| picture["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    for (picture, name) in pictures.iter().zip(["sfumato-1.png", "sfumato-2.png"]) {
        assert_eq!(keys(picture), ["file", "outcome", "seed", "steps_made", "fit", "seconds", "request", "notes"]);
        assert_eq!((&picture["outcome"], &picture["steps_made"]), (&"finished".into(), &3.into()));
        assert_eq!(Path::new(picture["file"].as_str().unwrap()).file_name().unwrap(), name);
    }
    assert_eq!(
        (&object["version"], &object["error"], &object["interrupted"]),
        (&1.into(), &Value::Null, &false.into())
    );
}

#[test]
fn a_seed_that_is_drawn_is_printed_and_gives_the_picture_again() {
    let desk = Desk::new();
    let output = desk.run(&["paint", "a red apple", "--steps", "2"]);
    let said = stderr(&output);
    let seed = said.split_once("seed ").unwrap().1.split_whitespace().next().unwrap();
    let file = desk.path(&format!("sfumato-{seed}.png"));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), file.file_name().unwrap().to_str().unwrap());
    desk.run(&["paint", "a red apple", "--steps", "2", "--seed", seed, "--out", "again.png"]);
    assert!(fs::read(file).unwrap() == fs::read(desk.path("again.png")).unwrap());
}

#[test]
fn a_size_that_is_no_multiple_of_8_is_rounded_and_that_is_said() {
    let desk = Desk::new();
    let object = desk.paint(&["--size", "60x70", "--out", "a.png"]);
    assert_eq!(Picture::load(&desk.path("a.png")).unwrap().extent(), Extent::new(64, 72));
    assert_eq!(object["notes"][0], "the size 60x70 is rounded to 64x72: both sides must be multiples of 8");
}

#[test]
fn a_picture_to_start_from_decides_the_size_unless_one_is_given() {
    let desk = Desk::new();
    desk.save("start.png", Extent::new(66, 70), [200, 30, 30, 255]);
    desk.paint(&["--image", "start.png", "--strength", "0.5", "--out", "a.png"]);
    assert_eq!(Picture::load(&desk.path("a.png")).unwrap().extent(), Extent::new(64, 72));
    let object = desk.paint(&["--image", "start.png", "--strength", "0.5", "--size", "128x64", "--out", "b.png"]);
    assert_eq!(Picture::load(&desk.path("b.png")).unwrap().extent(), Extent::new(128, 64));
    assert_eq!(object["pictures"][0]["request"]["input"]["strength"], 0.5);
    assert_eq!(object["pictures"][0]["steps_made"], 1);
}

#[test]
fn pixels_that_the_mask_keeps_stay_as_they_were_to_the_bit() {
    let desk = Desk::new();
    let extent = Extent::new(64, 64);
    let rgba = (0..extent.area()).flat_map(|i| [(i % 251) as u8, (i / 64) as u8, (i * 7 % 256) as u8, 255]).collect();
    let start = Picture::from_rgba(extent, rgba).unwrap();
    start.write_png(&desk.path("start.png"), &[]).unwrap();
    let coverage = (0..extent.area()).map(|i| if i % 64 < 32 { 0 } else { 255 }).collect();
    let mask = Mask::from_coverage(extent, coverage).unwrap();
    mask.to_picture().write_png(&desk.path("mask.png"), &[]).unwrap();
    desk.paint(&["--image", "start.png", "--strength", "1", "--mask", "mask.png", "--out", "a.png"]);
    let painted = Picture::load(&desk.path("a.png")).unwrap();
    let halves = |picture: &Picture| {
        let rows: Vec<_> = picture.rgba().chunks_exact(64 * 4).map(|row| row.split_at(32 * 4)).collect();
        let left: Vec<u8> = rows.iter().flat_map(|(left, _)| left.to_vec()).collect();
        let right: Vec<u8> = rows.iter().flat_map(|(_, right)| right.to_vec()).collect();
        (left, right)
    };
    assert!(halves(&painted).0 == halves(&start).0);
    assert!(halves(&painted).1 != halves(&start).1);
}

#[test]
fn a_trace_names_every_tensor() {
    let desk = Desk::new();
    desk.paint(&["--seed", "7", "--trace", "run/trace.safetensors"]);
    let output = desk.run(&["inspect", "run/trace.safetensors", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = object["tensors"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    for name in ["conditioning", "noise", "step_000_x", "step_002_sigma", "step_002_denoised", "latent", "image"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn a_trace_that_cannot_be_written_costs_no_picture() {
    let desk = Desk::new();
    fs::create_dir(desk.path("trace.safetensors")).unwrap();
    let args = ["paint", "x", "--steps", "1", "--out", "a.png", "--trace", "trace.safetensors", "--json"];
    let output = desk.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = object["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the trace was not written: ") && message.ends_with("trace.safetensors"), "{message}");
    assert_eq!(object["pictures"].as_array().unwrap().len(), 1);
    Picture::load(&desk.path("a.png")).unwrap();
}

#[test]
fn what_is_painted_in_while_a_picture_is_drawn_counts_and_is_repeated() {
    let desk = Desk::new();
    desk.save("stroke.png", Extent::new(24, 24), [20, 40, 220, 255]);
    let paint = |more: &[&str]| {
        let object = desk.paint(&[&["--seed", "7", "--size", "64x64", "--out", "a.png"], more].concat());
        Picture::load(Path::new(object["pictures"][0]["file"].as_str().unwrap())).unwrap()
    };
    let (plain, painted_in) = (paint(&[]), paint(&["--hint", "2@16,8=stroke.png"]));
    assert!(plain != painted_in && painted_in == paint(&["--hint", "2@16,8=stroke.png"]));
    assert!(painted_in != paint(&["--hint", "2=stroke.png"]), "the place counts");
    for wrong in ["stroke.png", "2@16=stroke.png", "two=stroke.png"] {
        let (code, sentence) = desk.fail(&["paint", "a red apple", "--hint", wrong]);
        assert!(code == 2 && sentence.contains("STEP@X,Y=FILE"), "{sentence}");
    }
    let (code, _) = desk.fail(&["paint", "a red apple", "--size", "64x64", "--hint", "2@56,8=stroke.png"]);
    assert_eq!(code, 2, "it lies outside of the picture");
    let (code, sentence) = desk.fail(&["paint", "a red apple", "--hint", "2=gone.png"]);
    assert!(code == 1 && sentence.contains("gone.png"), "{sentence}");
}

#[test]
fn a_file_to_open_that_is_not_there_is_no_subcommand_either() {
    let (code, sentence) = Desk::new().fail(&["painting.sfumato"]);
    assert!(code == 2 && sentence.contains("there is no file painting.sfumato to open"), "{sentence}");
}

#[test]
fn a_mask_without_white_is_noted_once() {
    let desk = Desk::new();
    desk.save("start.png", Extent::new(64, 64), [200, 30, 30, 255]);
    desk.save("mask.png", Extent::new(64, 64), [0, 0, 0, 255]);
    let object = desk.paint(&["--image", "start.png", "--mask", "mask.png", "--out", "a.png"]);
    assert_eq!(object["pictures"][0]["notes"], serde_json::json!(["the mask is empty, so nothing was repainted"]));
    assert_eq!(object["notes"], Value::Array(Vec::new()));
}

#[test]
fn a_bench_says_where_the_seconds_of_a_picture_went() {
    let desk = Desk::new();
    let output = desk.run(&["bench", "--steps", "3", "--size", "60x64", "--threads", "2", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let documented = [
        "version",
        "model",
        "extent",
        "steps",
        "sampler",
        "schedule",
        "guidance_scale",
        "precision",
        "device",
        "threads",
        "vectors",
        "load_seconds",
        "text_seconds",
        "step_seconds",
        "decode_seconds",
        "first_step_seconds",
        "total_seconds",
        "peak_bytes",
    ];
    assert_eq!(object.as_object().unwrap().keys().collect::<Vec<_>>(), documented);
    assert_eq!((&object["model"], &object["steps"], &object["threads"]), (&"bozzetto".into(), &3.into(), &2.into()));
    assert_eq!(object["extent"], serde_json::json!({ "width": 64, "height": 64 }));

    let seconds = |key: &str| object[key].as_f64().unwrap();
    let step = |key: &str| object["step_seconds"][key].as_f64().unwrap();
    let parts = [seconds("load_seconds"), seconds("text_seconds"), 3.0 * step("min"), seconds("decode_seconds")];
    assert!(parts.iter().all(|&part| part > 0.0), "{object}");
    assert!(step("min") <= step("median") && step("median") <= step("max"), "{object}");
    assert!(parts.iter().sum::<f64>() <= seconds("total_seconds"), "{object}");
    // The decoder is loaded after the steps.
    assert!(seconds("text_seconds") + step("min") <= seconds("first_step_seconds"), "{object}");
    assert!(seconds("first_step_seconds") < seconds("total_seconds"), "{object}");
    if cfg!(target_os = "linux") {
        let weights = fs::metadata(bozzetto().join("unet/diffusion_pytorch_model.safetensors")).unwrap().len();
        assert!(object["peak_bytes"].as_u64().unwrap() > weights, "{object}");
    }
    assert_eq!(fs::read_dir(desk.folder.path()).unwrap().count(), 0, "no picture is left");
}

#[test]
fn a_bench_is_a_few_lines_for_a_person() {
    let desk = Desk::new();
    let output = desk.run(&["bench", "--steps", "2", "--size", "64x64"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["64x64, seed 7, 2 steps", "bozzetto\n", "load ", "text ", "step ", "decode ", "total "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_bench_that_cannot_be_run_says_why() {
    let desk = Desk::new();
    assert_eq!(desk.fail(&["bench", "--steps", "0"]).0, 2);
    let (code, sentence) = desk.fail(&["bench", "--size", "5000x64"]);
    assert_eq!(code, 2);
    assert!(sentence.contains("5000x64 cannot be painted"), "{sentence}");
    let (code, sentence) = desk.fail(&["bench", "--model", "nothing"]);
    assert_eq!(code, 1);
    assert!(sentence.contains("nothing") && sentence.contains("bozzetto"), "{sentence}");
}

#[test]
fn the_model_in_the_box_is_listed_and_can_be_inspected() {
    let desk = Desk::new();
    let output = desk.run(&["models", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let model = object["models"].as_array().unwrap().iter().find(|model| model["name"] == "bozzetto").unwrap();
    assert_eq!(model["problem"], Value::Null);
    let config = |part: &str| -> Value {
        serde_json::from_slice(&fs::read(bozzetto().join(part).join("config.json")).unwrap()).unwrap()
    };
    let halvings = config("vae")["block_out_channels"].as_array().unwrap().len() - 1;
    let side = config("unet")["sample_size"].as_u64().unwrap() << halvings;
    assert_eq!(model["extent"], serde_json::json!({ "width": side, "height": side }));
    let output = desk.run(&["inspect", bozzetto().to_str().unwrap(), "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts: Vec<_> = object["parts"].as_array().unwrap().iter().map(|part| part["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["text_encoder", "unet", "vae"]);
}

#[test]
fn a_checkpoint_in_one_file_is_listed_and_painted_with_by_its_path() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("models/checkpoints")).unwrap();
    tiny_checkpoint::Tiny::read("sd2").write_file(&desk.path("models/checkpoints"), "Zinnober.safetensors");
    let object: Value = serde_json::from_slice(&desk.run(&["models", "--json"]).stdout).unwrap();
    let model = object["models"].as_array().unwrap().iter().find(|model| model["name"] == "Zinnober").unwrap();
    let said = |key: &str| model[key].as_str().unwrap();
    assert_eq!(
        (said("family"), said("format"), said("prediction"), said("prediction_from")),
        ("sd2", "safetensors", "v", "family")
    );
    let text = String::from_utf8(desk.run(&["models"]).stdout).unwrap();
    assert!(text.contains("]\tStable Diffusion 2 v-prediction\t768x768\t"), "{text}");
    let paint = |more: &[&str]| {
        let small = ["--model", "models/checkpoints/Zinnober.safetensors", "--size", "64x64", "--seed", "1"];
        file_of(&desk.paint(&[&small, more].concat()), 0)
    };
    let painted = paint(&["--out", "v.png"]);
    let other = paint(&["--out", "epsilon.png", "--prediction", "epsilon"]);
    assert_ne!(Picture::load(&desk.path("v.png")).unwrap(), Picture::load(&desk.path("epsilon.png")).unwrap());
    assert!(String::from_utf8_lossy(&other).contains("Sfumato prediction: epsilon"));
    assert!(!String::from_utf8_lossy(&painted).contains("Sfumato prediction"));
    let (code, sentence) = desk.fail(&["paint", "x", "--model", "v.png"]);
    assert!(code == 1 && sentence.contains("v.png"), "{sentence}");
}

#[test]
fn a_lora_is_added_by_its_file_or_by_a_tag_and_stays_with_the_prompt() {
    let desk = Desk::new();
    tiny_checkpoint::Tiny::read("sd1").write_file(desk.folder.path(), "tiny.safetensors");
    let layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_v";
    let part = |part: &str, shape: (usize, usize)| {
        let name = format!("{layer}.lora_{part}.weight");
        let tensor = hashed::weights(&name, shape);
        (name, tensor)
    };
    let tensors = HashMap::from([part("down", (4, 64)), part("up", (64, 4))]);
    fs::create_dir_all(desk.path("models/loras")).unwrap();
    candle_core::safetensors::save(&tensors, desk.path("models/loras/Ink.safetensors")).unwrap();
    fs::copy(desk.path("models/loras/Ink.safetensors"), desk.path("Ink 2.safetensors")).unwrap();
    let paint = |out: &str, more: &[&str]| {
        let small = ["--model", "tiny.safetensors", "--size", "64x64", "--seed", "1", "--out", out];
        let object = desk.paint(&[&small, more].concat());
        let picture = Picture::load(&desk.path(out)).unwrap();
        (picture, object["pictures"][0]["request"]["prompt"].as_str().unwrap().to_owned())
    };
    let (plain, _) = paint("plain.png", &[]);
    let (with_file, prompt) = paint("file.png", &["--lora", "Ink 2.safetensors=0.8"]);
    assert_eq!(prompt, "a red apple <lora:Ink 2:0.8>");
    let (with_tag, _) = paint("tag.png", &["<lora:ink:0.8>"]);
    assert!(plain != with_file && with_file == with_tag);
    assert_eq!(paint("none.png", &["--lora", "Ink=0"]).0, plain);
    let (code, sentence) = desk.fail(&["paint", "an apple <lora:Chalk:1>"]);
    assert!(code == 1 && sentence.contains("Chalk") && sentence.contains("Ink"), "{sentence}");
    let (code, sentence) = desk.fail(&["paint", "an apple", "--lora", "Ink=much"]);
    assert!(code == 2 && sentence.contains("<lora:Ink:much>"), "{sentence}");
    let (code, sentence) = desk.fail(&["paint", "an apple", "--model", "bozzetto", "--lora", "Ink"]);
    assert!(code == 1 && sentence.contains("Ink") && sentence.contains("does not fit"), "{sentence}");
    let object: Value = serde_json::from_slice(&desk.run(&["models", "--json"]).stdout).unwrap();
    assert_eq!((&object["loras"][0]["name"], &object["loras"][0]["layers"]), (&"Ink".into(), &1.into()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_finished_and_the_current_picture() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};
    let desk = Desk::new();
    let mut command = desk.command();
    command.args(["paint", "a red apple", "--seed", "1", "--steps", "40", "--count", "500", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !desk.path("sfumato-1.png").exists() {
        assert!(started.elapsed() < Duration::from_mins(5), "the first picture is finished");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The shell has this built in; the program of this name is not on every bare system.
    let interrupt = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["interrupted"], true);
    let pictures = object["pictures"].as_array().unwrap();
    assert!(!pictures.is_empty() && pictures.len() < 500);
    for picture in pictures {
        let file = Path::new(picture["file"].as_str().unwrap());
        Picture::load(file).unwrap();
        let text = &read_texts(file)[0].1;
        assert_eq!(picture["outcome"] == "stopped", text.contains("Sfumato steps made: "), "{text}");
    }
    let names = fs::read_dir(&desk.folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(names, pictures.len(), "nothing half-written is left");
}

// --- what goes wrong

#[test]
fn a_command_line_that_makes_no_sense_is_refused_with_exit_code_2() {
    let desk = Desk::new();
    desk.save("a.png", Extent::new(8, 8), [0; 4]);
    for (args, says) in [
        (&["--sampler", "magic"][..], "choose one of euler, euler_a"),
        (&["--schedule", "magic"], "choose one of automatic, karras"),
        (&["--size", "big"], "WIDTHxHEIGHT"),
        (&["--size", "0x64"], "WIDTHxHEIGHT"),
        (&["--size", "5000x64"], "each side must be between 8 and 4096 pixels"),
        (&["--size", "4294967295x4294967295"], "each side must be between 8 and 4096 pixels"),
        (&["--steps", "0"], "between 1 and 1000"),
        (&["--steps", "-5"], "between 1 and 1000"),
        (&["--seed", "-1"], "leave it out for a random one"),
        (&["--guidance", "NaN"], "between 0 and 50"),
        (&["--guidance-start", "0.9", "--guidance-end", "0.1"], "the smaller first"),
        (&["--guidance-end", "2"], "between 0 and 1"),
        (&["--negative-min-sigma", "-1"], "between 0 and 1000"),
        (&["--deep-every", "0"], "between 1 and 20"),
        (&["--merge-tokens", "0.9"], "between 0 and 0.75"),
        (&["--eta", "1.5"], "between 0 and 1"),
        (&["--churn", "-1"], "between 0 and 100"),
        (&["--image", "a.png", "--strength", "2"], "between 0 and 1"),
        (&["--strength", "0.5"], "--image"),
        (&["--mask", "a.png"], "--image"),
        (&["--count", "0"], "between 1 and 10000"),
        (&["--threads", "0"], "between 1 and 1024"),
        (&["--device", "abacus"], "none of cpu, gpu and gpu:N"),
        (&["--seed", "18446744073709551615", "--count", "2"], "choose a smaller one"),
        (&["--out", "a.jpg"], "say --out a.png"),
        (&["--out", "a.txt"], "say --out a.png, or --out a.txt/ for a folder"),
        (&["--trace", "t.safetensors", "--count", "2"], "--trace writes one run"),
        (&["--colour"], "unexpected argument"),
    ] {
        let (code, sentence) = desk.fail(&[&["paint", "x"], args].concat());
        assert_eq!(code, 2, "{args:?}: {sentence}");
        assert!(sentence.contains(says), "{args:?}: {sentence}");
    }
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        let (code, sentence) = desk.fail(&["bench", "--device", "gpu:1"]);
        assert!(code == 2 && sentence.contains("build it with the feature cuda or metal"), "{code}: {sentence}");
    }
    assert_eq!(desk.fail(&["paint"]).0, 2);
    assert_eq!(desk.fail(&["dance"]).0, 2);
}

#[test]
fn an_image_that_cannot_be_used_is_named_with_its_reason() {
    let desk = Desk::new();
    fs::write(desk.path("empty.png"), b"").unwrap();
    fs::write(desk.path("text.png"), b"not a picture at all").unwrap();
    desk.save("whole.png", Extent::new(64, 64), [1, 2, 3, 255]);
    let whole = fs::read(desk.path("whole.png")).unwrap();
    fs::write(desk.path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    for (name, extent) in [("huge.png", [1_000_000, 1_000_000]), ("zero.png", [0, 64])] {
        fs::write(desk.path(name), png_that_claims(extent)).unwrap();
    }
    fs::create_dir(desk.path("folder.png")).unwrap();
    for name in ["missing.png", "empty.png", "text.png", "cut.png", "huge.png", "zero.png", "folder.png"] {
        for args in [&["paint", "x", "--image", name][..], &["paint", "x", "--image", "whole.png", "--mask", name]] {
            let (code, sentence) = desk.fail(args);
            assert_eq!(code, 1, "{args:?}: {sentence}");
            assert!(sentence.starts_with("sfumato: ") && sentence.contains(name), "{args:?}: {sentence}");
        }
    }
    let (_, sentence) = desk.fail(&["inspect", "huge.png"]);
    assert!(sentence.contains("1000000x1000000"), "{sentence}");
}

/// A PNG whose header is right and says this size, and not one pixel behind it.
fn png_that_claims([width, height]: [u32; 2]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk(*b"IHDR", &header), png_chunk(*b"IDAT", &[])].concat()
}

/// Length, name, data and CRC-32, as the PNG specification has it.
fn png_chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&name[..], data].concat();
    let shifted = |crc: u32| {
        if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
    };
    let crc = named.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| shifted(crc)));
    [&(data.len() as u32).to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

#[test]
fn a_mask_of_another_size_is_refused() {
    let desk = Desk::new();
    desk.save("image.png", Extent::new(64, 64), [9, 9, 9, 255]);
    desk.save("mask.png", Extent::new(64, 72), [255; 4]);
    let (code, sentence) = desk.fail(&["paint", "x", "--image", "image.png", "--mask", "mask.png"]);
    assert_eq!(code, 1);
    assert!(sentence.contains("the mask is 64x72 (mask.png), but its picture is 64x64 (image.png)"), "{sentence}");
}

#[test]
fn an_unknown_model_is_named_and_the_list_pointed_to() {
    let (code, sentence) = Desk::new().fail(&["paint", "x", "--model", "leonardo"]);
    assert_eq!(code, 1);
    assert!(sentence.contains("leonardo") && sentence.contains("sfumato models"), "{sentence}");
}

#[test]
fn a_folder_without_a_model_is_named() {
    let desk = Desk::new();
    fs::create_dir(desk.path("sketches")).unwrap();
    let (code, sentence) = desk.fail(&["paint", "x", "--model", "sketches"]);
    assert_eq!(code, 1);
    assert!(sentence.contains("not a model folder") && sentence.contains("sketches"), "{sentence}");
}

#[cfg(unix)]
/// An upscaler of random weights, four times.
fn tiny_upscaler() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upscaler/sequence_x4.pth")
}

#[test]
fn a_picture_is_made_larger_and_its_texts_stay_in_it() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("models/upscalers")).unwrap();
    fs::copy(tiny_upscaler(), desk.path("models/upscalers/tiny.pth")).unwrap();
    desk.paint(&["--seed", "7", "--size", "64x72", "--guidance", "1", "--out", "small.png"]);
    let output = desk.run(&["upscale", "small.png", "--with", "Tiny", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((object["upscaler"].as_str(), object["scale"].as_f64()), (Some("tiny"), Some(4.0)));
    let file = object["pictures"][0]["file"].as_str().unwrap();
    assert!(file.ends_with("/small-4x.png"), "{file}");
    assert_eq!(Picture::load(Path::new(file)).unwrap().extent(), Extent::new(256, 288));
    let texts = read_texts(Path::new(file));
    let parameters = &texts.iter().find(|(key, _)| key == "parameters").unwrap().1;
    assert!(parameters.starts_with("a red apple\nSteps: 3"), "{parameters}");
    assert!(parameters.ends_with(", Postprocess upscale by: 4, Postprocess upscaler: tiny"), "{parameters}");
    assert!(texts.contains(&("postprocessing".into(), "Postprocess upscale by: 4, Postprocess upscaler: tiny".into())));

    let inspected = desk.run(&["inspect", tiny_upscaler().to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&inspected.stdout)
            .starts_with("upscaler, ESRGAN, 6 features, 2 blocks, 4 times larger")
    );

    // The same when it is painted larger at once, but for what the text begins with.
    let args = ["--seed", "7", "--size", "64x72", "--guidance", "1", "--out", "large.png", "--upscale", "tiny"];
    let request = desk.paint(&args)["pictures"][0]["request"].clone();
    assert_eq!(request["upscale"], serde_json::json!({ "upscaler": "tiny", "factor": 4.0, "refine": null }));
    let pixels = |name: &str| Picture::load(&desk.path(name)).unwrap().digest();
    assert_eq!(pixels("large.png"), pixels("small-4x.png"));
    let inspected = desk.run(&["inspect", "large.png", "--json"]);
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(
        (&inspected["settings"]["upscaler"], &inspected["settings"]["upscale_by"]),
        (&"tiny".into(), &4.0.into())
    );
    assert_eq!(inspected["unknown"], serde_json::json!({}));
}

#[test]
fn without_a_name_the_upscaler_in_the_box_makes_a_picture_four_times_larger() {
    let desk = Desk::new();
    let object = desk.paint(&["--size", "64x64", "--guidance", "1", "--upscale", "--out", "a.png"]);
    let expected = serde_json::json!({ "upscaler": "Bozzetto 4x", "factor": 4.0, "refine": null });
    assert_eq!(object["pictures"][0]["request"]["upscale"], expected);
    assert_eq!(Picture::load(&desk.path("a.png")).unwrap().extent(), Extent::new(256, 256));
    let models = desk.run(&["models", "--json"]);
    let models: Value = serde_json::from_slice(&models.stdout).unwrap();
    let listed = &models["upscalers"][0];
    let facts = ["name", "model", "scale", "problem"].map(|key| listed[key].clone());
    assert_eq!(facts, ["Bozzetto 4x".into(), "bozzetto".into(), 4.into(), Value::Null]);
}

#[test]
fn several_pictures_go_into_a_folder_at_any_scale_and_none_is_overwritten() {
    let desk = Desk::new();
    desk.save("a.png", Extent::new(10, 6), [200, 30, 40, 255]);
    desk.save("b.png", Extent::new(3, 3), [20, 30, 240, 100]);
    let upscaler = tiny_upscaler();
    let args = ["upscale", "a.png", "b.png", "--with", upscaler.to_str().unwrap(), "--scale", "1.5", "--out", "large"];
    for names in [["a-1.5x.png", "b-1.5x.png"], ["a-1.5x-2.png", "b-1.5x-2.png"]] {
        let output = desk.run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let written: Vec<_> = std::str::from_utf8(&output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(written, names.map(|name| format!("large/{name}")));
    }
    assert_eq!(Picture::load(&desk.path("large/a-1.5x.png")).unwrap().extent(), Extent::new(15, 9));
    let clear = Picture::load(&desk.path("large/b-1.5x.png")).unwrap();
    assert!(clear.extent() == Extent::new(5, 5) && clear.rgba().iter().skip(3).step_by(4).all(|&alpha| alpha == 100));
}

#[test]
fn what_cannot_be_made_larger_says_why() {
    let desk = Desk::new();
    desk.save("a.png", Extent::new(8, 8), [9, 9, 9, 255]);
    desk.save("wide.png", Extent::new(5000, 1), [9, 9, 9, 255]);
    fs::write(desk.path("torn.png"), &fs::read(desk.path("a.png")).unwrap()[..40]).unwrap();
    fs::write(desk.path("page.pth"), "<!DOCTYPE html><html>").unwrap();
    let upscaler = tiny_upscaler();
    let with = ["--with", upscaler.to_str().unwrap()];
    for (args, code, expected) in [
        (&["upscale", "torn.png", with[0], with[1]][..], 1, "torn.png"),
        (&["upscale", "nothing.png", with[0], with[1]], 1, "there is no such file"),
        (&["upscale", "wide.png", with[0], with[1]], 1, "this picture is 5000x1 and would become 20000x4"),
        (&["upscale", "a.png", "--with", "page.pth"], 1, "no safetensors file"),
        (&["upscale", "a.png", "--with", "blurry"], 1, "there is no upscaler named blurry"),
        (&["upscale", "a.png", "--scale", "17"], 2, "between 1 and 16"),
        (&["upscale", "a.png", "a.png", "--out", "b.png", with[0], with[1]], 2, "give --out a folder"),
        (&["paint", "x", "--upscale", "blurry"], 1, "there is no upscaler named blurry"),
    ] {
        let (found, sentence) = desk.fail(args);
        assert!(found == code && sentence.contains(expected), "{args:?}: {found}, {sentence}");
    }
}

#[test]
fn the_model_used_last_in_the_window_is_painted_with_and_else_the_one_in_the_box() {
    let desk = Desk::new();
    // Comes before Bozzetto in the list.
    let other = desk.path("models/aquarelle");
    link_tree(&bozzetto(), &other);
    let model_of = |object: &Value| object["pictures"][0]["request"]["model"].as_str().unwrap().to_owned();
    let quick = ["--size", "64x64", "--guidance", "1"];
    assert_eq!(model_of(&desk.paint(&quick)), "bozzetto");
    let settings = "version = 1\nlast_model = \"aquarelle\"\n";
    fs::write(sfumato::settings::Paths::in_one_folder(desk.folder.path()).settings_file(), settings).unwrap();
    assert_eq!(model_of(&desk.paint(&quick)), "aquarelle");
    fs::remove_file(other.join("unet/config.json")).unwrap();
    assert_eq!(model_of(&desk.paint(&quick)), "bozzetto");
}

#[cfg(unix)]
#[test]
fn a_model_with_damaged_files_says_which_and_why() {
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let weights = fs::read(bozzetto().join(unet)).unwrap();
    let config: Value = serde_json::from_slice(&fs::read(bozzetto().join("unet/config.json")).unwrap()).unwrap();
    let changed = |pointer: &str, to: Value| {
        let mut config = config.clone();
        *config.pointer_mut(pointer).unwrap() = to;
        config.to_string().into_bytes()
    };
    let width = config["block_out_channels"][0].as_u64().unwrap();
    // Twice as wide: still a multiple of the groups and the heads.
    let (narrow, wide) = (width.to_string(), (2 * width).to_string());
    for (file, bytes, says) in [
        (unet, None, &["diffusion_pytorch_model.safetensors"][..]),
        (unet, Some(weights[..weights.len() / 2].to_vec()), &["diffusion_pytorch_model.safetensors"]),
        (unet, Some(b"nonsense".to_vec()), &["diffusion_pytorch_model.safetensors"]),
        ("unet/config.json", Some(changed("/block_out_channels/0", (2 * width).into())), &[&wide, &narrow]),
        (
            "unet/config.json",
            Some(changed("/up_block_types/0", "SpiralBlock2D".into())),
            &["SpiralBlock2D", "config.json"],
        ),
        ("unet/config.json", Some(b"{".to_vec()), &["config.json"]),
        ("tokenizer/tokenizer.json", Some(b"{".to_vec()), &["tokenizer.json"]),
        ("model_index.json", Some(b"[]".to_vec()), &["model_index.json"]),
    ] {
        let desk = Desk::new();
        let model = desk.bozzetto_but(file, bytes.as_deref());
        let (code, sentence) = desk.fail(&["paint", "x", "--model", model.to_str().unwrap()]);
        assert_eq!(code, 1, "{file}: {sentence}");
        assert!(says.iter().all(|says| sentence.contains(says)), "{file}: {sentence}");
        assert!(fs::read_dir(&desk.folder).unwrap().count() == 1, "nothing was written");
    }
}

#[cfg(unix)]
#[test]
fn a_network_that_gives_nan_is_told_with_the_step() {
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let mut weights = fs::read(bozzetto().join(unet)).unwrap();
    let header = 8 + u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let tensors: Value = serde_json::from_slice(&weights[8..header]).unwrap();
    let offsets = &tensors["conv_out.bias"]["data_offsets"];
    let offset = |index: usize| header + offsets[index].as_u64().unwrap() as usize;
    // All bits set are NaN in every floating-point type.
    weights[offset(0)..offset(1)].fill(0xff);
    let desk = Desk::new();
    let model = desk.bozzetto_but(unet, Some(&weights));
    let (code, sentence) = desk.fail(&["paint", "x", "--steps", "3", "--model", model.to_str().unwrap()]);
    assert_eq!(code, 1, "{sentence}");
    assert!(sentence.contains("not a number in step 1 of 3"), "{sentence}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to_is_found_before_painting() {
    let desk = Desk::new();
    let (code, sentence) = desk.fail(&["paint", "x", "--out", "/proc/sfumato"]);
    assert_eq!(code, 1);
    assert!(sentence.contains("/proc/sfumato") && !sentence.contains("step"), "{sentence}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_takes_no_more_leaves_a_sentence_and_no_half_picture() {
    let desk = Desk::new();
    let program = env!("CARGO_BIN_EXE_sfumato");
    // A limit on the size of files fails in the middle of a write, as a full disk does.
    let script =
        format!("trap '' XFSZ; ulimit -f 1; exec {program} paint x --size 128x128 --steps 2 --guidance 1 --out a.png");
    let output = desk.command_of("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("a.png"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&desk.folder).unwrap().count(), 0);
}

#[test]
fn a_failure_is_an_object_too_with_json() {
    let desk = Desk::new();
    let output = desk.run(&["paint", "x", "--image", "missing.png", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["error"]["message"], "there is no such file: missing.png");
    assert_eq!(object["pictures"], Value::Array(Vec::new()));
}

#[cfg(all(target_os = "linux", feature = "gui"))]
#[test]
fn without_a_display_the_window_says_how_to_paint_without_one() {
    let (code, sentence) = Desk::new().fail(&[]);
    assert_eq!(code, 1);
    assert!(sentence.contains("there is no display") && sentence.contains("sfumato paint"), "{sentence}");
}

#[test]
fn what_cannot_be_inspected_is_named() {
    let desk = Desk::new();
    fs::write(desk.path("a.safetensors"), b"short").unwrap();
    fs::create_dir(desk.path("folder")).unwrap();
    for (name, says) in [
        ("missing.png", "there is no such file"),
        ("a.safetensors", "not a safetensors file"),
        ("folder", "holds no model"),
    ] {
        let (code, sentence) = desk.fail(&["inspect", name]);
        assert_eq!(code, 1);
        assert!(sentence.contains(says) && sentence.contains(name), "{sentence}");
    }
}
