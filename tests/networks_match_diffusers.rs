//! The networks compute what diffusers and transformers compute. Fixtures: `tests/fixtures/generate_networks.py`, which names
//! the versions in them. The tiny networks' weights are hashed from their names, there and here.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "shared/hashed.rs"]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use hashed::wave;
use serde_json::Value;
use sfumato::checkpoints::{Library, Model, Precision, Training};
use sfumato::networks::{
    AutoencoderKl, AutoencoderKlConfig, ClipText, ClipTextConfig, ControlNet, ControlNetConfig, UNet, UNetConfig,
    Weights,
};
use sfumato::prompt::Tokenizer;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The largest difference allowed between an element of ours and theirs, in f32.
const TOLERANCE: f64 = 1e-4;

/// The last two are small: layers of transformers that differ within a block, and less or nothing in the middle.
const UNETS: [&str; 6] =
    ["unet_sd1", "unet_sd2", "unet_no_attention_first", "unet_sines_first", "unet_few_layers", "unet_no_middle"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> PathBuf {
    root().join("tests/fixtures/networks")
}

fn json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(format!("{name}.json"))).unwrap()).unwrap()
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixtures().join(format!("{name}.safetensors")), &Device::Cpu).unwrap()
}

/// Weights that exist whatever they are called, but under no name that the networks merely probe for.
struct Hashed;

impl SimpleBackend for Hashed {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        hashed::weights(name, shape).to_dtype(dtype)?.to_device(device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        Err(candle_core::Error::CannotFindTensor { path: name.to_owned() })
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

fn hashed_weights() -> Weights<'static> {
    VarBuilder::from_backend(Box::new(Hashed), DType::F32, Device::Cpu).into()
}

fn assert_close(name: &str, ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.dims(), theirs.dims(), "{name}");
    let apart = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    let size = theirs.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(size > 0.05, "{name}: the fixture is as good as empty, {size} at most");
    parity::within("network", name, "diffusers, transformers", f64::from(apart), TOLERANCE);
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn clip_encodes_text_as_transformers_does() {
    for name in ["clip_quick_gelu", "clip_gelu", "clip_gelu_new"] {
        let (json, theirs) = (json(name), tensors(name));
        let config = ClipTextConfig::from_json(&json["config"].to_string()).unwrap();
        let clip = ClipText::new(&config, hashed_weights()).unwrap();
        let ids = theirs["ids"].to_dtype(DType::U32).unwrap();
        let ours = clip.encode(&ids).unwrap();
        assert_close(name, &ours.conditioning, &theirs["conditioning"]);
        assert_close(name, &clip.forward(&ids).unwrap(), &theirs["conditioning"]);
        assert_close(name, &ours.hidden[ours.hidden.len() - 2], &theirs["penultimate"]);
        assert_close(name, &ours.pooled, &theirs["pooled"]);
    }
}

#[test]
fn the_unet_predicts_what_diffusers_predicts() {
    for name in UNETS {
        let json = json(name);
        let config = UNetConfig::from_json(&json["config"].to_string()).unwrap();
        let unet = UNet::new(&config, hashed_weights()).unwrap();
        let side = |index: usize| json["size"][index].as_u64().unwrap() as usize;
        let x = wave((2, unet.in_channels(), side(0), side(1)), "x", 1.0);
        let conditioning = wave((2, 5, 12), "conditioning", 1.0);
        let ours =
            unet.forward(&x, json["timestep"].as_f64().unwrap(), &unet.prepare(&conditioning).unwrap(), None).unwrap();
        assert_close(name, &ours, &tensors(name)["out"]);
    }
}

#[test]
fn what_is_deep_in_the_unet_can_be_taken_over_from_another_call() {
    for name in UNETS {
        let (json, theirs) = (json(name), tensors(name));
        let unet = UNet::new(&UNetConfig::from_json(&json["config"].to_string()).unwrap(), hashed_weights()).unwrap();
        let side = |index: usize| json["size"][index].as_u64().unwrap() as usize;
        let latent = |name: &str| wave((2, unet.in_channels(), side(0), side(1)), name, 1.0);
        let words = unet.prepare(&wave((2, 5, 12), "conditioning", 1.0)).unwrap();
        let (timestep, mut deep) = (json["timestep"].as_f64().unwrap(), None);
        let first = unet.forward_reusing(&latent("x"), timestep, &words, None, &mut deep).unwrap();
        assert_close(name, &first, &theirs["out"]);
        let merging = words.clone().merging(0.5);
        assert_close(name, &unet.forward(&latent("x"), timestep, &merging, None).unwrap(), &theirs["merged"]);
        let again = unet.forward_reusing(&latent("x"), timestep, &words, None, &mut deep).unwrap();
        assert_eq!(bits(&first), bits(&again), "{name}: what is taken over is what would have been computed");
        let reused = unet.forward_reusing(&latent("next"), timestep + 40.0, &words, None, &mut deep).unwrap();
        assert_close(name, &reused, &theirs["reused"]);
        // Of one item, where two were kept, and of one where none was.
        let (next, one) = (latent("next").narrow(0, 1, 1).unwrap(), words.item(1).unwrap());
        let mut of_one = Some(deep.as_ref().unwrap().item(1).unwrap());
        let alone = unet.forward_reusing(&next, timestep + 40.0, &one, None, &mut of_one).unwrap();
        assert_close(name, &alone, &theirs["reused"].narrow(0, 1, 1).unwrap());
        let anew = unet.forward_reusing(&next, timestep + 40.0, &one, None, &mut deep).unwrap();
        assert_close(name, &anew, &unet.forward(&next, timestep + 40.0, &one, None).unwrap());
    }
}

#[test]
fn a_controlnet_guides_the_unet_as_in_diffusers() {
    for name in ["controlnet_sd1", "controlnet_sd2"] {
        let (json, theirs) = (json(name), tensors(name));
        let config = ControlNetConfig::from_json(&json["config"].to_string()).unwrap();
        let unet_config = UNetConfig::from_json(&json["unet"].to_string()).unwrap();
        assert_eq!(config.misfit(&unet_config, 4), None);
        let control = ControlNet::new(&config, hashed_weights()).unwrap();
        let unet = UNet::new(&unet_config, hashed_weights().pp("unet")).unwrap();
        let side = |index: usize| json["size"][index].as_u64().unwrap() as usize;
        let (timestep, weight) = (json["timestep"].as_f64().unwrap(), json["weight"].as_f64().unwrap());
        let x = wave((2, unet.in_channels(), side(0), side(1)), "x", 1.0);
        let conditioning = wave((2, 5, 12), "conditioning", 1.0);
        let lines = wave((1, 3, side(0) * config.downscale(), side(1) * config.downscale()), "lines", 1.0);
        let predict = |weight: f64| {
            let guided = control.guide(&conditioning, &lines.abs().unwrap(), weight).unwrap();
            unet.forward(&x, timestep, &unet.prepare(&conditioning).unwrap(), Some(&guided)).unwrap()
        };
        assert_close(name, &predict(weight), &theirs["out"]);
        let guided = control.guide(&conditioning, &lines.abs().unwrap(), weight).unwrap();
        let (words, mut deep) = (unet.prepare(&conditioning).unwrap(), None);
        for _ in 0..2 {
            let found = unet.forward_reusing(&x, timestep, &words, Some(&guided), &mut deep).unwrap();
            assert_close(name, &found, &theirs["out"]);
        }
        let unguided = unet.forward_reusing(&x, timestep, &words, None, &mut deep).unwrap();
        assert_close(name, &unguided, &theirs["without"]);
        assert_close(name, &predict(0.0), &theirs["without"]);
        let apart = (&theirs["out"] - &theirs["without"]).unwrap().abs().unwrap().max_all().unwrap();
        assert!(apart.to_scalar::<f32>().unwrap() > 0.05, "{name}: the ControlNet changes as good as nothing");
    }
}

#[test]
fn the_vae_encodes_and_decodes_as_diffusers_does() {
    for name in ["vae_4", "vae_8", "vae_16_plain"] {
        let (json, theirs) = (json(name), tensors(name));
        let config = AutoencoderKlConfig::from_json(&json["config"].to_string()).unwrap();
        let vae = AutoencoderKl::new(&config, hashed_weights()).unwrap();
        let side = |index: usize| json["size"][index].as_u64().unwrap() as usize;
        assert_close(name, &vae.encode(&wave((1, 3, side(0), side(1)), "rgb", 1.0)).unwrap(), &theirs["encoded"]);
        let (height, width) = (side(0) / vae.downscale(), side(1) / vae.downscale());
        let latent = wave((2, vae.latent_channels(), height, width), "latent", 1.0);
        assert_close(name, &vae.decode(&latent).unwrap(), &theirs["decoded"]);
    }
}

#[test]
fn alphas_are_those_of_diffusers_schedulers() {
    for schedule in json("schedules")["schedules"].as_array().unwrap() {
        let training = Training::from_json(&schedule["config"].to_string()).unwrap();
        for pair in schedule["alphas_cumprod"].as_array().unwrap() {
            let (timestep, theirs) = (pair[0].as_u64().unwrap() as usize, pair[1].as_f64().unwrap());
            let ours = training.alphas_cumprod[timestep];
            // diffusers works in f32, where the last alphas of a zero-SNR schedule keep four digits.
            let (off, of) = ((ours / theirs - 1.0).abs(), &schedule["config"]["_class_name"]);
            parity::within("cumulated alphas, relative", of.as_str().unwrap_or("by config"), "diffusers", off, 2e-4);
        }
    }
}

#[test]
fn prompts_become_the_ids_that_transformers_and_tokenizers_give() {
    let json = json("tokens");
    let shipped = root().join("assets/models/bozzetto/tokenizer");
    let plain = tempfile::tempdir().unwrap();
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        std::fs::copy(shipped.join(name), plain.path().join(name)).unwrap();
    }
    let id = |value: &Value| value.as_u64().unwrap() as u32;
    for (folder, field) in [(shipped.as_path(), "from_tokenizer_json"), (plain.path(), "from_vocab_and_merges")] {
        let tokenizer = Tokenizer::load(folder).unwrap();
        for prompt in json["prompts"].as_array().unwrap() {
            let text = prompt["text"].as_str().unwrap();
            let theirs: Vec<u32> = prompt[field].as_array().unwrap().iter().map(id).collect();
            let mut expected = vec![id(&json["begin"])];
            expected.extend_from_slice(&theirs);
            expected.push(id(&json["end"]));
            expected.push(id(&json["pad"]));
            let tokens = tokenizer.encode(text, expected.len()).unwrap();
            let wrong = tokens.ids.iter().zip(&expected).filter(|(ours, theirs)| ours != theirs).count();
            assert_eq!(tokens.ids.len(), expected.len(), "{field}: {text:?}");
            parity::within("tokens of prompts, wrong ones", field, "transformers, tokenizers", wrong as f64, 0.0);
            assert_eq!(tokens.truncated, None, "{field}: {text:?}");
        }
    }
}

#[test]
fn a_prompt_that_is_too_long_says_which_words_were_cut() {
    let tokenizer = Tokenizer::load(&root().join("assets/models/bozzetto/tokenizer")).unwrap();
    let tokens = tokenizer.encode("a red apple and 红苹果", 6).unwrap();
    assert_eq!(tokens.ids.len(), 6);
    assert_eq!(tokens.truncated.as_deref(), Some("红苹果"));
    let whole = tokenizer.encode("a red apple and 红苹果", 32).unwrap();
    assert_eq!(whole.truncated, None);
    assert_eq!(tokens.ids[..5], whole.ids[..5]);
    assert_eq!(tokens.ids[5], tokenizer.end());
}

/// Bozzetto, whose weights a build machine may not have; its fixture is made anew with them:
/// `python tests/fixtures/generate_networks.py --model assets/models/bozzetto`.
fn shipped() -> Model {
    let library = Library::discover(&[]);
    Model::load(&library.find(json("shipped")["model"].as_str().unwrap()).unwrap(), &Device::Cpu, Precision::F32)
        .unwrap()
}

#[test]
fn the_shipped_model_computes_what_diffusers_computes_with_its_weights() {
    let (model, json, theirs) = (shipped(), json("shipped"), tensors("shipped"));
    let ids = model.texts[0]
        .tokenizer
        .encode("a red apple, 红苹果", model.texts[0].network.get().unwrap().context_length())
        .unwrap()
        .ids;
    let ids = Tensor::from_vec(ids, (1, model.texts[0].network.get().unwrap().context_length()), &Device::Cpu).unwrap();
    let expected_ids = theirs["ids"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    assert_eq!(ids.to_vec2::<u32>().unwrap(), expected_ids);
    let conditioning = model.texts[0].network.get().unwrap().forward(&ids).unwrap();
    assert_close("text encoder", &conditioning, &theirs["conditioning"]);

    let side = json["size"].as_u64().unwrap() as usize;
    let x = wave((1, model.unet.get().unwrap().in_channels(), side, side), "x", 1.7);
    let timestep = json["timestep"].as_f64().unwrap();
    assert_close(
        "unet",
        &model
            .unet
            .get()
            .unwrap()
            .forward(&x, timestep, &model.unet.get().unwrap().prepare(&conditioning).unwrap(), None)
            .unwrap(),
        &theirs["prediction"],
    );

    let rgb = model.vae.get().unwrap().decode(&x).unwrap();
    let every_fourth = |x: Tensor, dim: usize| {
        let kept: Vec<u32> = (0..x.dim(dim).unwrap() as u32).step_by(4).collect();
        x.index_select(&Tensor::new(kept, &Device::Cpu).unwrap(), dim).unwrap()
    };
    assert_close("decoder", &every_fourth(every_fourth(rgb, 2), 3), &theirs["decoded_every_fourth"]);
    let side = 8 * model.vae.get().unwrap().downscale();
    assert_close(
        "encoder",
        &model.vae.get().unwrap().encode(&wave((1, 3, side, side), "rgb", 1.0)).unwrap(),
        &theirs["encoded"],
    );
}

/// Everything the shipped model computes, as one number.
fn digest_of_a_run() -> u64 {
    let model = shipped();
    let ids = Tensor::from_vec((0..64u32).collect(), (2, 32), &Device::Cpu).unwrap();
    let conditioning = model.texts[0].network.get().unwrap().forward(&ids).unwrap();
    let x = wave((2, model.unet.get().unwrap().in_channels(), 16, 16), "x", 1.0);
    let prediction = model
        .unet
        .get()
        .unwrap()
        .forward(&x, 333.25, &model.unet.get().unwrap().prepare(&conditioning).unwrap(), None)
        .unwrap();
    let rgb = model.vae.get().unwrap().decode(&prediction).unwrap();
    let latent = model.vae.get().unwrap().encode(&rgb).unwrap();
    let mut digest = 0xCBF2_9CE4_8422_2325u64;
    for tensor in [conditioning, prediction, rgb, latent] {
        for value in tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap() {
            digest = (digest ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01B3);
        }
    }
    digest
}

/// The number of threads is settled when a process starts, so this one starts others: itself, told to print its digest.
#[test]
fn one_thread_and_two_and_three_compute_the_same_bytes() {
    const TOLD: &str = "SFUMATO_TEST_PRINTS_DIGEST";
    if std::env::var_os(TOLD).is_some() {
        println!("digest {:016x}", digest_of_a_run());
        return;
    }
    let digest_with = |threads: &str| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_thread_and_two_and_three_compute_the_same_bytes", "--nocapture"])
            .env("RAYON_NUM_THREADS", threads)
            .env(TOLD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let at = text.find("digest ").unwrap_or_else(|| panic!("no digest in {text}"));
        text[at..at + "digest 0123456789abcdef".len()].to_owned()
    };
    let one = digest_with("1");
    assert_eq!(one, digest_with("2"));
    assert_eq!(one, digest_with("3"));
}

/// A copy of the shipped model's folder that a test may damage; weights are linked, not copied.
fn copy_of_shipped() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (root().join("assets/models/bozzetto"), folder.path().join("copy"));
    for part in ["", "text_encoder", "unet", "vae", "tokenizer", "scheduler"] {
        std::fs::create_dir_all(to.join(part)).unwrap();
        for entry in std::fs::read_dir(from.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(part).join(path.file_name().unwrap());
            let is_weights = path.extension().is_some_and(|extension| extension == "safetensors");
            if is_weights && std::fs::hard_link(&path, &target).is_ok() {
                continue;
            }
            if path.is_file() {
                std::fs::copy(&path, &target).unwrap();
            }
        }
    }
    (folder, to)
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {}", path.display());
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn load_error(folder: &Path) -> String {
    Model::load(folder, &Device::Cpu, Precision::F32).map(|model| model.name).unwrap_err().to_string()
}

/// Damages a copy of the shipped model and holds what is then said against `expected`.
fn assert_refused(damage: impl FnOnce(&Path), expected: &[&str]) {
    let (_kept, copy) = copy_of_shipped();
    damage(&copy);
    let error = load_error(&copy);
    assert!(expected.iter().all(|part| error.contains(part)), "{error}, not {expected:?}");
    assert!(!error.contains('\n'), "{error}");
}

fn assert_refused_without(file: &str, expected: &[&str]) {
    assert_refused(|copy| std::fs::remove_file(copy.join(file)).unwrap(), expected);
}

fn assert_refused_with_edit(file: &str, from: &str, to: &str, expected: &[&str]) {
    assert_refused(|copy| edit(&copy.join(file), from, to), expected);
}

#[test]
fn a_model_with_missing_files_is_refused_by_name() {
    assert_refused(|copy| std::fs::remove_dir_all(copy).unwrap(), &["no such file or folder", "copy"]);
    assert_refused_without("model_index.json", &["not a model folder", "model_index.json"]);
    assert_refused_without("unet/config.json", &["a file of the model is missing", "config.json"]);
    let weights = "vae/diffusion_pytorch_model.safetensors";
    assert_refused_without(weights, &["a file of the model is missing", weights]);
    let without_tokenizer = |copy: &Path| {
        for file in ["tokenizer/tokenizer.json", "tokenizer/merges.txt"] {
            std::fs::remove_file(copy.join(file)).unwrap();
        }
    };
    assert_refused(without_tokenizer, &["no tokenizer.json", "merges.txt"]);
}

#[test]
fn a_model_whose_configs_cannot_be_followed_is_refused_by_field_and_value() {
    let broken = |copy: &Path| std::fs::write(copy.join("model_index.json"), "{").unwrap();
    assert_refused(broken, &["not valid JSON", "model_index.json"]);
    let another = ["FluxTransformer2DModel", "not supported yet", "model_index.json"];
    assert_refused_with_edit("model_index.json", "UNet2DConditionModel", another[0], &another);
    let (silu, mish) = (r#""act_fn": "silu""#, r#""act_fn": "mish""#);
    assert_refused_with_edit("unet/config.json", silu, mish, &[r#"`act_fn` is "mish""#, "unet/config.json"]);
}

#[test]
fn weights_that_do_not_fit_their_config_are_refused_by_tensor() {
    let path = "text_encoder/config.json";
    let config: Value =
        serde_json::from_slice(&std::fs::read(root().join("assets/models/bozzetto").join(path)).unwrap()).unwrap();
    let stated = |field: &str| config[field].as_u64().unwrap();
    let edited = |field: &str, to: u64, expected: &[&str]| {
        let mut config = config.clone();
        config[field] = to.into();
        assert_refused(|copy| std::fs::write(copy.join(path), config.to_string()).unwrap(), expected);
    };
    let (inner, width, layers, words) =
        (stated("intermediate_size"), stated("hidden_size"), stated("num_hidden_layers"), stated("vocab_size"));
    let found = format!("fc1.weight is [{inner}, {width}]");
    edited("intermediate_size", inner - 8, &[&found, &format!("[{}, {width}]", inner - 8), "text_encoder"]);
    edited("num_hidden_layers", layers + 1, &[&format!("encoder.layers.{layers}."), "is missing from the weights"]);
    let fewer = words - 100;
    edited("vocab_size", fewer, &["do not fit together", &(words - 1).to_string(), &fewer.to_string()]);
}

#[test]
fn weights_that_are_cut_short_are_refused_with_both_lengths() {
    let (_kept, copy) = copy_of_shipped();
    let path = copy.join("text_encoder/model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = load_error(&copy);
    let expected = format!("cut short: {} bytes instead of {}", bytes.len() / 2, bytes.len());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn models_are_listed_with_size_and_place_and_broken_ones_with_their_problem() {
    let (kept, copy) = copy_of_shipped();
    let broken = kept.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("model_index.json"), "{}").unwrap();
    let library = Library::discover(&[kept.path().to_owned(), kept.path().join("not there")]);
    let entry = |name: &str| library.entries().iter().find(|entry| entry.name == name).unwrap();
    let summary = entry("copy").summary.as_ref().unwrap();
    let json = std::fs::read_to_string(copy.join("unet/config.json")).unwrap();
    let side = serde_json::from_str::<Value>(&json).unwrap()["sample_size"].as_u64().unwrap() as u32 * 8;
    assert_eq!((summary.native_extent.width, summary.native_extent.height), (side, side));
    assert!(summary.parameters_bytes > 10_000_000);
    assert!(entry("broken").summary.as_ref().unwrap_err().to_string().contains("not supported"));
    assert!(entry("bozzetto").summary.is_ok(), "the source tree's own model is found");
    assert_eq!(library.find("Copy").unwrap(), copy);
    assert_eq!(library.find(copy.to_str().unwrap()).unwrap(), copy);
    let error = library.find("dreams").unwrap_err().to_string();
    assert!(error.starts_with("there is no model named dreams: choose one of broken, copy, bozzetto"), "{error}");
}
