//! Painting: what a command gives, and what is said of it.

use super::*;
use sfumato::pixels::Mask;

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
fn a_mask_without_white_is_noted_once() {
    let desk = Desk::new();
    desk.save("start.png", Extent::new(64, 64), [200, 30, 30, 255]);
    desk.save("mask.png", Extent::new(64, 64), [0, 0, 0, 255]);
    let object = desk.paint(&["--image", "start.png", "--mask", "mask.png", "--out", "a.png"]);
    assert_eq!(object["pictures"][0]["notes"], serde_json::json!(["the mask is empty, so nothing was repainted"]));
    assert_eq!(object["notes"], Value::Array(Vec::new()));
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

#[test]
fn the_programs_own_projects_say_what_is_in_them() {
    let desk = Desk::new();
    let extent = Extent::new(64, 48);
    let project = sfumato::project::Project {
        extent,
        stack: sfumato::paint::Stack::paper(extent),
        mask: None,
        masks_room: false,
        guide: None,
        settings: Some(serde_json::json!({ "prompt": "a green pear" })),
        file: None,
    };
    for (name, kind) in
        [("mine.sfumato", sfumato::project::Kind::Sfumato), ("mine.ora", sfumato::project::Kind::OpenRaster)]
    {
        project.save(&desk.path(name), kind).unwrap();
        let output = desk.run(&["inspect", name]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("project of 64x48, 2 layers\n") && text.contains("Layer 1"), "{name}: {text}");
    }
    let object: Value = serde_json::from_slice(&desk.run(&["inspect", "mine.sfumato", "--json"]).stdout).unwrap();
    assert_eq!((&object["kind"], &object["prompt"]), (&"project".into(), &"a green pear".into()));
    let layers: Vec<_> = object["layers"].as_array().unwrap().iter().map(|layer| &layer["name"]).collect();
    assert_eq!(layers, ["Layer 1", "Paper"]);
    fs::write(desk.path("other.sfumato"), b"something else").unwrap();
    let (code, sentence) = desk.fail(&["inspect", "other.sfumato"]);
    assert!(code == 1 && sentence.contains("neither a Sfumato project"), "{sentence}");
}
