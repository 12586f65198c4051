//! A folder of tiny checkpoints of every family and format, as a script sees it: each is named for what it is, and painted with.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
#[allow(dead_code, reason = "no network is given an input here")]
mod hashed;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod tiny_checkpoint;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Tensor};
use hashed::weights;
use serde_json::Value;
use sfumato::checkpoints::Prediction;
use sfumato::geom::Extent;
use sfumato::pixels::{Picture, read_texts};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use tiny_checkpoint::Tiny;

const TOLD: &str = "model.diffusion_model.time_embedding.cond_proj.weight";
const FIRST: &str = "model.diffusion_model.input_blocks.0.0.weight";

/// What a file is to be listed as: its name, family, format, prediction, and what it is for.
type Expected = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn run(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sfumato"));
    let command = command.current_dir(home).env("RUST_BACKTRACE", "0").env("SFUMATO_HOME", home);
    command.args(args).output().unwrap()
}

fn json(home: &Path, args: &[&str]) -> Value {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn save(tensors: &HashMap<String, Tensor>, path: &Path) {
    candle_core::safetensors::save(tensors, path).unwrap();
}

/// All of them.
const EXPECTED: &[Expected] = &[
    ("sd1", "sd1", "safetensors", "epsilon", ""),
    ("sd1-torch", "sd1", "torch", "epsilon", ""),
    ("sd1-gguf", "sd1", "gguf", "epsilon", ""),
    ("sd1-fp8", "sd1", "safetensors", "epsilon", ""),
    ("sd1-folder", "", "diffusers", "epsilon", ""),
    ("sd1-inpainting", "sd1", "safetensors", "epsilon", "inpainting"),
    ("sd1-editing", "sd1", "safetensors", "epsilon", "edits"),
    ("sd1-told", "sd1", "safetensors", "epsilon", "lcm"),
    ("sd1-alone", "sd1", "safetensors", "epsilon", "lacks"),
    ("sd2-base-512", "sd2", "safetensors", "epsilon", ""),
    ("sd2-v", "sd2", "torch", "v", ""),
    ("sd2-folder", "", "diffusers", "v", ""),
    ("xl", "sdxl", "safetensors", "epsilon", ""),
    ("xl-torch", "sdxl", "torch", "epsilon", ""),
    ("xl-folder", "", "diffusers", "epsilon", ""),
    ("xl-v", "sdxl", "safetensors", "v", ""),
    ("xl-zero-snr", "sdxl", "safetensors", "v", ""),
    ("lcm-sd1", "sd1", "safetensors", "epsilon", ""),
    ("sd_turbo", "sd2", "safetensors", "epsilon", ""),
    ("sd_xl_turbo_1.0", "sdxl", "safetensors", "epsilon", ""),
    ("sdxl_lightning_4step", "sdxl", "safetensors", "epsilon", ""),
    ("xl-inpainting", "sdxl", "safetensors", "epsilon", "inpainting"),
    ("xl-editing", "sdxl", "safetensors", "epsilon", "edits"),
    ("xl-told", "sdxl", "safetensors", "epsilon", "lcm"),
    ("xl-alone", "sdxl", "safetensors", "epsilon", "lacks"),
    ("bk_sdm", "sd1", "safetensors", "epsilon", ""),
    ("bk_sdm-folder", "", "diffusers", "epsilon", ""),
    ("ssd1b", "sdxl", "safetensors", "epsilon", ""),
    ("ssd1b-folder", "", "diffusers", "epsilon", ""),
    ("ssd1b-inpainting", "sdxl", "safetensors", "epsilon", "inpainting"),
    ("ssd1b-editing", "sdxl", "safetensors", "epsilon", "edits"),
    ("ssd1b-alone", "sdxl", "safetensors", "epsilon", "lacks"),
    ("koala", "sdxl", "safetensors", "epsilon", ""),
    ("koala-folder", "", "diffusers", "epsilon", ""),
    ("refiner", "sdxl_refiner", "safetensors", "epsilon", ""),
];

/// Latent consistency models that are told the guidance scale.
fn write_told(models: &Path, tinies: [(&Tiny, &str); 2]) {
    for (tiny, name) in tinies {
        let mut told = tiny.tensors();
        let matrix = weights(TOLD, (told[FIRST].dims()[0], 32)).to_dtype(DType::F16).unwrap();
        told.insert(TOLD.to_owned(), matrix);
        save(&told, &models.join(format!("{name}-told.safetensors")));
    }
}

/// Writes them all. All are in f16, but for what is quantised and what is in eight bits.
fn write(models: &Path) {
    let unet = models.join("unet");
    std::fs::create_dir_all(&unet).unwrap();
    let [sd1, sd2, xl, refiner] = ["sd1", "sd2", "xl", "xl_refiner"].map(Tiny::read);
    for name in ["bk_sdm", "ssd1b", "koala"] {
        let small = Tiny::read(name);
        small.write_file(models, &format!("{name}.safetensors"));
        small.write_folder(&models.join(format!("{name}-folder")), Prediction::Epsilon);
    }
    sd1.write_file(models, "sd1.safetensors");
    sd1.write_torch(models, "sd1-torch.ckpt");
    sd1.write_gguf(models, "sd1-gguf.gguf", GgmlDType::Q8_0);
    sd1.write_folder(&models.join("sd1-folder"), Prediction::Epsilon);
    sd2.write_file(models, "sd2-base-512.safetensors");
    sd2.write_torch(models, "sd2-v.pt");
    sd2.write_folder(&models.join("sd2-folder"), Prediction::VPrediction);
    xl.write_file(models, "xl.safetensors");
    xl.write_torch(models, "xl-torch.ckpt");
    xl.write_folder(&models.join("xl-folder"), Prediction::Epsilon);
    refiner.write_file(models, "refiner.safetensors");
    let eight_bits = |(name, tensor): (String, Tensor)| {
        let is_matrix = tensor.rank() > 1;
        (name, if is_matrix { tensor.to_dtype(DType::F8E4M3).unwrap() } else { tensor })
    };
    save(&sd1.tensors().into_iter().map(eight_bits).collect(), &models.join("sd1-fp8.safetensors"));
    for (tiny, name) in [(&sd1, "sd1"), (&xl, "xl"), (&Tiny::read("ssd1b"), "ssd1b")] {
        for (channels, what) in [(9, "inpainting"), (8, "editing")] {
            let mut tensors = tiny.tensors();
            let width = tensors[FIRST].dims()[0];
            tensors.insert(FIRST.to_owned(), weights(FIRST, (width, channels, 3, 3)).to_dtype(DType::F16).unwrap());
            save(&tensors, &models.join(format!("{name}-{what}.safetensors")));
        }
        let alone = tiny
            .tensors()
            .into_iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix("model.diffusion_model.")?.to_owned(), tensor)));
        save(&alone.collect(), &unet.join(format!("{name}-alone.safetensors")));
    }
    let mut of_v = xl.tensors();
    of_v.insert("v_pred".to_owned(), Tensor::zeros(1, DType::F16, &candle_core::Device::Cpu).unwrap());
    save(&of_v, &models.join("xl-v.safetensors"));
    of_v.insert("ztsnr".to_owned(), of_v["v_pred"].clone());
    save(&of_v, &models.join("xl-zero-snr.safetensors"));
    write_told(models, [(&sd1, "sd1"), (&xl, "xl")]);
    // What finishes early is told by its name.
    sd1.write_file(models, "lcm-sd1.safetensors");
    sd2.write_file(models, "sd_turbo.safetensors");
    xl.write_file(models, "sd_xl_turbo_1.0.safetensors");
    xl.write_file(models, "sdxl_lightning_4step.safetensors");
}

#[test]
fn each_is_listed_for_what_it_is_and_painted_with() {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("models"));
    let listed = json(home.path(), &["models", "--hash", "--json"]);
    let models: HashMap<&str, &Value> =
        listed["models"].as_array().unwrap().iter().map(|model| (model["name"].as_str().unwrap(), model)).collect();
    let picture = home.path().join("picture.png");
    Picture::filled(Extent::new(64, 64), [200, 90, 40, 255]).write_png(&picture, &[]).unwrap();
    for &(name, family, format, prediction, kind) in EXPECTED {
        let model = models[name];
        assert_eq!(model["problem"], Value::Null, "{model}");
        // Folders say how wide they are, and none is as narrow as these; files are told by their names.
        assert_eq!(model["family"].as_str().unwrap_or_default(), family, "{model}");
        assert_eq!((&model["format"], &model["prediction"]), (&format.into(), &prediction.into()), "{model}");
        assert_eq!(
            (model["inpainting"] == true, model["edits"] == true, model["lcm"] == true),
            (kind == "inpainting", kind == "edits", kind == "lcm"),
            "{model}"
        );
        assert_eq!(model["lacks"] != Value::Null, kind == "lacks", "{model}");
        let path = model["path"].as_str().unwrap();
        if format == "diffusers" {
            assert_eq!(model["hash"], Value::Null);
        } else {
            let digest = Sha256::digest(std::fs::read(path).unwrap());
            let hash = digest.iter().take(5).fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
            assert_eq!(model["hash"], hash.as_str(), "{model}");
        }
        let inspected = json(home.path(), &["inspect", path, "--json"]);
        if format != "diffusers" {
            assert_eq!(inspected["model"]["family"], family, "{name}");
        }

        let out = home.path().join(format!("{name}.png"));
        let mut args = vec!["paint", "a red apple", "--steps", "1", "--seed", "1", "--size", "64x64", "--json"];
        args.extend(["--model", path, "--out", out.to_str().unwrap()]);
        if kind == "edits" {
            args.extend(["--image", picture.to_str().unwrap(), "--image-guidance", "2"]);
        }
        let painted = json(home.path(), &args);
        let request = &painted["pictures"][0]["request"];
        assert_eq!(request["model"], name);
        let texts = read_texts(&out);
        let text = &texts.iter().find(|(key, _)| key == "parameters").unwrap().1;
        match kind {
            "edits" => assert!(text.contains("Image CFG scale: 2"), "{text}"),
            // What such models begin with.
            "lcm" => assert_eq!((&request["sampler"], &request["guidance_scale"]), (&"lcm".into(), &8.5.into())),
            "lacks" => assert!(text.contains("Sfumato parts from: "), "{text}"),
            _ => {}
        }
    }
}
