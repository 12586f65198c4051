//! Where the seconds of a picture go.

use super::*;

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
