//! What goes wrong, and the sentence about it.

use super::*;

#[test]
fn a_file_to_open_that_is_not_there_is_no_subcommand_either() {
    let (code, sentence) = Desk::new().fail(&["painting.sfumato"]);
    assert!(code == 2 && sentence.contains("there is no file painting.sfumato to open"), "{sentence}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_with_exit_code_2() {
    let desk = Desk::new();
    desk.save("a.png", Extent::new(8, 8), [0; 4]);
    for (args, says) in [
        (&["--sampler", "magic"][..], "choose one of euler, euler_a"),
        (&["--schedule", "magic"], "choose one of automatic, karras"),
        (&["--size", "big"], "WIDTHxHEIGHT"),
        (&["--size", "0x0"], "each side must be between 8 and 4096 pixels"),
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

#[test]
fn a_misspelled_option_is_not_taken_for_a_prompt_or_a_file() {
    let desk = Desk::new();
    for args in [&["paint", "x", "--bogus"][..], &["paint", "x", "--sede", "1"], &["--bogus"]] {
        let (code, sentence) = desk.fail(args);
        assert!(code == 2 && sentence.contains("unexpected argument"), "{args:?}: {sentence}");
        assert!(!sentence.contains("as a value"), "{args:?}: {sentence}");
    }
    let (_, sentence) = desk.fail(&["paint", "x", "--sede", "1"]);
    assert!(sentence.contains("--seed"), "what it may have been is said: {sentence}");
}
