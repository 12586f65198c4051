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
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tiny_checkpoint::{Tiny, save_gguf, shard};

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
    ("sd1-bf16", "sd1", "safetensors", "epsilon", ""),
    ("sd1-f32", "sd1", "safetensors", "epsilon", ""),
    ("sd1-folder", "sd1", "diffusers", "epsilon", ""),
    ("sd1-folder-of-bin", "sd1", "diffusers", "epsilon", ""),
    ("sd1-inpainting", "sd1", "safetensors", "epsilon", "inpainting"),
    ("sd1-editing", "sd1", "safetensors", "epsilon", "edits"),
    ("sd1-told", "sd1", "safetensors", "epsilon", "lcm"),
    ("sd1-alone", "sd1", "safetensors", "epsilon", "lacks"),
    ("sd1-Q4_K", "sd1", "gguf", "epsilon", "lacks"),
    ("sd2-base-512", "sd2", "safetensors", "epsilon", ""),
    ("sd2-v", "sd2", "torch", "v", ""),
    ("sd2-v-gguf", "sd2", "gguf", "v", ""),
    ("sd2-folder", "sd2", "diffusers", "v", ""),
    ("sd2-inpainting", "sd2", "safetensors", "epsilon", "inpainting"),
    ("sd2-editing", "sd2", "safetensors", "epsilon", "edits"),
    ("sd2-alone", "sd2", "safetensors", "v", "lacks"),
    ("sd2-Q4_K", "sd2", "gguf", "v", "lacks"),
    ("xl", "sdxl", "safetensors", "epsilon", ""),
    ("xl-torch", "sdxl", "torch", "epsilon", ""),
    ("xl-gguf", "sdxl", "gguf", "epsilon", ""),
    ("xl-fp8", "sdxl", "safetensors", "epsilon", ""),
    ("xl-folder", "sdxl", "diffusers", "epsilon", ""),
    ("xl-folder-in-shards", "sdxl", "diffusers", "epsilon", ""),
    ("xl-v", "sdxl", "safetensors", "v", ""),
    ("xl-zero-snr", "sdxl", "safetensors", "v", "zero-snr"),
    ("xl-inpainting", "sdxl", "safetensors", "epsilon", "inpainting"),
    ("xl-editing", "sdxl", "safetensors", "epsilon", "edits"),
    ("xl-told", "sdxl", "safetensors", "epsilon", "lcm"),
    ("xl-alone", "sdxl", "safetensors", "epsilon", "lacks"),
    ("xl-Q4_K", "sdxl", "gguf", "epsilon", "lacks"),
    ("lcm-sd1", "sd1", "safetensors", "epsilon", "LCM"),
    ("sd_turbo", "sd2", "safetensors", "epsilon", "Turbo"),
    ("sd_xl_turbo_1.0", "sdxl", "safetensors", "epsilon", "Turbo"),
    ("sdxl_lightning_4step", "sdxl", "safetensors", "epsilon", "Lightning"),
    ("lcm-xl-folder", "sdxl", "diffusers", "epsilon", "LCM"),
    ("bk_sdm", "sd1", "safetensors", "epsilon", ""),
    ("bk_sdm-torch", "sd1", "torch", "epsilon", ""),
    ("bk_sdm-folder", "sd1", "diffusers", "epsilon", ""),
    ("ssd1b", "sdxl", "safetensors", "epsilon", ""),
    ("ssd1b-torch", "sdxl", "torch", "epsilon", ""),
    ("ssd1b-folder", "sdxl", "diffusers", "epsilon", ""),
    ("ssd1b-inpainting", "sdxl", "safetensors", "epsilon", "inpainting"),
    ("ssd1b-editing", "sdxl", "safetensors", "epsilon", "edits"),
    ("ssd1b-alone", "sdxl", "safetensors", "epsilon", "lacks"),
    ("ssd1b-Q4_K", "sdxl", "gguf", "epsilon", "lacks"),
    ("koala", "sdxl", "safetensors", "epsilon", ""),
    ("koala-torch", "sdxl", "torch", "epsilon", ""),
    ("koala-folder", "sdxl", "diffusers", "epsilon", ""),
    ("refiner", "sdxl_refiner", "safetensors", "epsilon", ""),
    ("refiner-torch", "sdxl_refiner", "torch", "epsilon", ""),
    ("refiner-gguf", "sdxl_refiner", "gguf", "epsilon", ""),
    ("refiner-folder", "sdxl_refiner", "diffusers", "epsilon", ""),
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

/// Writes them all. All are in f16, but for what is quantised, what is in eight bits, and what says otherwise.
fn write(models: &Path) {
    let unet = models.join("unet");
    std::fs::create_dir_all(&unet).unwrap();
    let [sd1, sd2, xl, ssd1b, refiner] = ["sd1", "sd2", "xl", "ssd1b", "xl_refiner"].map(Tiny::read);
    let [bk_sdm, koala] = ["bk_sdm", "koala"].map(Tiny::read);
    let plain =
        [(&sd1, "sd1"), (&xl, "xl"), (&bk_sdm, "bk_sdm"), (&ssd1b, "ssd1b"), (&koala, "koala"), (&refiner, "refiner")];
    for (tiny, name) in plain {
        tiny.write_file(models, &format!("{name}.safetensors"));
        tiny.write_torch(models, &format!("{name}-torch.ckpt"));
        tiny.write_folder(&models.join(format!("{name}-folder")), Prediction::Epsilon);
    }
    sd2.write_file(models, "sd2-base-512.safetensors");
    sd2.write_torch(models, "sd2-v.pt");
    sd2.write_folder(&models.join("sd2-folder"), Prediction::VPrediction);
    sd1.write_folder_as(&models.join("sd1-folder-of-bin"), Prediction::Epsilon, true);
    let in_shards = models.join("xl-folder-in-shards");
    xl.write_folder(&in_shards, Prediction::Epsilon);
    shard(&in_shards.join("unet"), "diffusion_pytorch_model");
    for (tiny, name) in [(&sd1, "sd1"), (&sd2, "sd2-v"), (&xl, "xl"), (&refiner, "refiner")] {
        tiny.write_gguf(models, &format!("{name}-gguf.gguf"), GgmlDType::Q8_0);
    }
    for (tiny, name, dtype, ending) in [
        (&sd1, "sd1", DType::F8E4M3, "fp8"),
        (&xl, "xl", DType::F8E4M3, "fp8"),
        (&sd1, "sd1", DType::BF16, "bf16"),
        (&sd1, "sd1", DType::F32, "f32"),
    ] {
        let stored = |(name, tensor): (String, Tensor)| {
            let is_matrix = tensor.rank() > 1;
            (name, if is_matrix { tensor.to_dtype(dtype).unwrap() } else { tensor })
        };
        let tensors = tiny.tensors().into_iter().map(stored).collect();
        save(&tensors, &models.join(format!("{name}-{ending}.safetensors")));
    }
    for (tiny, name) in [(&sd1, "sd1"), (&sd2, "sd2"), (&xl, "xl"), (&ssd1b, "ssd1b")] {
        for (channels, what) in [(9, "inpainting"), (8, "editing")] {
            let mut tensors = tiny.tensors();
            let width = tensors[FIRST].dims()[0];
            tensors.insert(FIRST.to_owned(), weights(FIRST, (width, channels, 3, 3)).to_dtype(DType::F16).unwrap());
            save(&tensors, &models.join(format!("{name}-{what}.safetensors")));
        }
        save(&tiny.unet(), &unet.join(format!("{name}-alone.safetensors")));
        save_gguf(&tiny.unet(), &unet.join(format!("{name}-Q4_K.gguf")), GgmlDType::Q4K);
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
    xl.write_folder(&models.join("lcm-xl-folder"), Prediction::Epsilon);
}

/// The first ten digits of the SHA-256 of a model's file, or of all files of a folder's U-Net.
fn hash_of(path: &Path) -> String {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let is_of_weights = |file: &PathBuf| file.extension().is_some_and(|ending| ending != "json");
        let unet = std::fs::read_dir(path.join("unet")).unwrap().map(|entry| entry.unwrap().path());
        files = unet.filter(is_of_weights).collect();
        files.sort();
    }
    let mut digest = Sha256::new();
    for file in files {
        digest.update(std::fs::read(file).unwrap());
    }
    digest.finalize().iter().take(5).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn each_is_listed_for_what_it_is_and_painted_with() {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("models"));
    let listed = json(home.path(), &["models", "--json"]);
    let models: HashMap<&str, &Value> =
        listed["models"].as_array().unwrap().iter().map(|model| (model["name"].as_str().unwrap(), model)).collect();
    let picture = home.path().join("picture.png");
    Picture::filled(Extent::new(64, 64), [200, 90, 40, 255]).write_png(&picture, &[]).unwrap();
    for &(name, family, format, prediction, kind) in EXPECTED {
        let model = models[name];
        assert_eq!(model["problem"], Value::Null, "{model}");
        assert_eq!(model["family"], family, "{model}");
        assert_eq!((&model["format"], &model["prediction"]), (&format.into(), &prediction.into()), "{model}");
        assert_eq!(
            (model["inpainting"] == true, model["edits"] == true, model["lcm"] == true),
            (kind == "inpainting", kind == "edits", kind == "lcm"),
            "{model}"
        );
        assert_eq!(model["lacks"] != Value::Null, kind == "lacks", "{model}");
        let path = model["path"].as_str().unwrap();
        assert_eq!(model["hash"], hash_of(Path::new(path)), "{model}");
        let distilled = match kind {
            "LCM" | "Turbo" | "Lightning" => kind.into(),
            "lcm" => "LCM".into(),
            _ => Value::Null,
        };
        assert_eq!(model["distilled"], distilled, "{model}");
        let inspected = json(home.path(), &["inspect", path, "--json"]);
        assert_eq!(inspected["model"]["family"], family, "{name}");

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
        assert!(text.contains(&format!("Model hash: {}, Model: {name}", model["hash"].as_str().unwrap())), "{text}");
        match kind {
            "edits" => assert!(text.contains("Image CFG scale: 2"), "{text}"),
            // What such models begin with.
            "lcm" => assert_eq!((&request["sampler"], &request["guidance_scale"]), (&"lcm".into(), &8.5.into())),
            "LCM" => assert_eq!((&request["sampler"], &request["guidance_scale"]), (&"lcm".into(), &1.0.into())),
            "Turbo" => assert_eq!((&request["sampler"], &request["schedule"]), (&"euler_a".into(), &"turbo".into())),
            "Lightning" => assert_eq!((&request["sampler"], &request["schedule"]), (&"euler".into(), &"turbo".into())),
            "zero-snr" => assert_eq!((&request["sampler"], &request["schedule"]), (&"ddim".into(), &"simple".into())),
            "lacks" => assert!(text.contains("Sfumato parts from: "), "{text}"),
            _ => {}
        }
    }
}
