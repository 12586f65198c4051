//! Checkpoints in one file: what they compute is what diffusers computes from them, and the same model as a folder paints the same
//! bytes. The numbers come from `tests/fixtures/generate_checkpoints.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/hashed.rs"]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod tiny_checkpoint;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};
use hashed::wave;
use serde_json::Value;
use sfumato::checkpoints::{Format, Library, Model, Parts, Precision, Prediction, PredictionSource};
use sfumato::diffusion::{
    Borrowed, Emphasis, Ending, Extras, Reproduce, Request, SamplerName, Savings, ScheduleName, Tuning, paint,
};
use sfumato::geom::Extent;
use sfumato::pixels::Picture;
use sfumato::prompt::{Fill, Tokenizer};
use std::collections::HashMap;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::Arc;
use tiny_checkpoint::{Tiny, fixtures, save_gguf, shard};

fn assert_near(found: &Tensor, expected: &Tensor, name: &str, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let worst = (found - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    parity::within("single file", &format!("{name}: {what}"), "diffusers", f64::from(worst), 1e-4);
}

fn painted(path: &Path, prediction: Option<Prediction>) -> Arc<Picture> {
    let model = Model::load(path, &Device::Cpu, Precision::F32).unwrap();
    let request = Request {
        model: model.name.clone(),
        borrowed: Borrowed::default(),
        prompt: "a (red:1.3) apple, café, 红苹果".to_owned(),
        negative_prompt: "blurry".to_owned(),
        extent: Extent::new(64, 64),
        seed: 3,
        sampler: SamplerName::Euler,
        schedule: ScheduleName::Karras,
        steps: 2,
        guidance_scale: 3.0,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    };
    match paint(&model, Extras::default(), &request, &mut |_| Continue(())).unwrap() {
        Ending::Finished(painted) => painted.picture,
        other => panic!("nobody stopped it, but it ended {other:?}"),
    }
}

fn computes_what_diffusers_computes(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = Tiny::read(name).write_file(folder.path(), "tiny.safetensors");
    let parts = Parts::open(&file, &Device::Cpu, Precision::F32).unwrap();
    let expected =
        candle_core::safetensors::load(fixtures().join(format!("{name}.safetensors")), &Device::Cpu).unwrap();
    let ids: Vec<u32> = [49406].into_iter().chain((0..75).map(|i| 1000 + 601 * i)).chain([49407]).collect();
    let conditioning =
        parts.text_encoder(0).unwrap().forward(&Tensor::from_vec(ids, (1, 77), &Device::Cpu).unwrap()).unwrap();
    assert_near(&conditioning, &expected["conditioning"], name, "the conditioning");

    let unet = parts.unet().unwrap();
    let x = wave((1, 4, 8, 8), "x", 1.0);
    let words = unet.prepare(&expected["conditioning"]).unwrap();
    assert_near(&unet.forward(&x, 401.0, &words, None).unwrap(), &expected["predicted"], name, "the prediction");

    let vae = parts.vae().unwrap();
    let latent = vae.encode(&wave((1, 3, 64, 64), "picture", 1.0)).unwrap();
    assert_near(&latent, &expected["latent"], name, "the latent");
    let decoded = vae.decode(&x).unwrap();
    let rows = Tensor::from_iter((0..64u32).step_by(4), &Device::Cpu).unwrap();
    let decoded = decoded.index_select(&rows, 2).unwrap().index_select(&rows, 3).unwrap();
    assert_near(&decoded, &expected["decoded"], name, "the decoded latent");
}

#[test]
fn a_file_of_the_first_generation_computes_what_diffusers_computes() {
    computes_what_diffusers_computes("sd1");
}

#[test]
fn a_file_of_the_second_generation_computes_what_diffusers_computes() {
    computes_what_diffusers_computes("sd2");
}

#[test]
fn a_small_file_with_blocks_taken_away_computes_what_diffusers_computes() {
    computes_what_diffusers_computes("bk_sdm");
}

/// Programs that number the layers of small networks as those of whole ones leave gaps where layers were taken away.
#[test]
fn gaps_in_the_numbers_of_a_small_file_change_nothing() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("bk_sdm");
    let with_gaps = |(name, tensor): (String, Tensor)| {
        const UNET: &str = "model.diffusion_model.";
        let layer = |way: &str| {
            let (index, rest) = name.strip_prefix(UNET)?.strip_prefix(way)?.split_once('.')?;
            Some((index.parse::<usize>().unwrap(), rest.to_owned()))
        };
        let name = if let Some((index @ 1.., rest)) = layer("input_blocks.") {
            format!("{UNET}input_blocks.{}.{rest}", index + index / 2)
        } else if let Some((index, rest)) = layer("output_blocks.") {
            let doubles = rest.starts_with("2.conv") || rest.starts_with("1.conv");
            format!("{UNET}output_blocks.{}.{rest}", index + index / 2 + usize::from(doubles))
        } else {
            name
        };
        (name, tensor)
    };
    let tensors: HashMap<String, Tensor> = tiny.tensors().into_iter().map(with_gaps).collect();
    assert!(tensors.contains_key("model.diffusion_model.input_blocks.3.0.op.weight"));
    let path = home.path().join("gaps.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    assert_eq!(painted(&path, None), painted(&tiny.write_file(home.path(), "whole.safetensors"), None));
}

fn same_bytes(of_file: &Picture, other: &Picture, case: &str) {
    assert_eq!(of_file.extent(), other.extent());
    let differ = of_file.rgba().iter().zip(other.rgba()).filter(|(a, b)| a != b).count();
    parity::within("bytes of pictures, differing", case, "the same weights", differ as f64, 0.0);
}

/// How weights are called in the folders of all parts but text encoders.
const STEM: &str = "diffusion_pytorch_model";

#[test]
fn all_forms_of_the_same_weights_paint_the_same_bytes() {
    let families = ["sd1", "bk_sdm", "sd2", "xl", "xl_refiner", "ssd1b", "koala"];
    for name in families {
        let prediction = if name == "sd2" { Prediction::VPrediction } else { Prediction::Epsilon };
        let home = tempfile::tempdir().unwrap();
        let tiny = Tiny::read(name);
        let file = tiny.write_file(home.path(), "tiny.safetensors");
        let folder = home.path().join("folder");
        tiny.write_folder(&folder, prediction);
        let [pickled, sharded, of_halves] = ["pickled", "sharded", "halves"].map(|name| home.path().join(name));
        tiny.write_folder_as(&pickled, prediction, true);
        tiny.write_folder(&sharded, prediction);
        shard(&sharded.join("unet"), STEM);
        tiny.write_folder(&of_halves, prediction);
        for part in ["unet", "vae"] {
            let at = |ending: &str| of_halves.join(part).join(format!("{STEM}{ending}"));
            std::fs::rename(at(".safetensors"), at(".fp16.safetensors")).unwrap();
        }
        let of_file = painted(&file, None);
        let forms = [
            ("diffusers folder", folder),
            ("diffusers folder of .bin", pickled),
            ("diffusers folder in shards", sharded),
            ("diffusers folder of fp16", of_halves),
            (".ckpt", tiny.write_torch(home.path(), "tiny.ckpt")),
            (".gguf in f16", tiny.write_gguf(home.path(), "tiny.gguf", GgmlDType::F16)),
        ];
        for (form, path) in forms {
            same_bytes(&of_file, &painted(&path, None), &format!("{name}: {form} against .safetensors"));
        }
        // What the output means is another fact than the weights, and can be said by hand.
        assert_eq!(of_file, painted(&file, Some(prediction)), "{name}");
        assert_ne!(of_file, painted(&file, Some(Prediction::Sample)), "{name}");
    }
}

/// However numbers are stored: as the same numbers in f16, or in f32 where f16 has not all of them.
#[test]
fn all_types_of_the_same_numbers_paint_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let save = |tensors: &HashMap<String, Tensor>, name: &str| {
        candle_core::safetensors::save(tensors, at(name)).unwrap();
        at(name)
    };
    for name in ["sd1", "xl"] {
        let halves = Tiny::read(name).tensors();
        let to = |tensors: &HashMap<String, Tensor>, dtype| -> HashMap<String, Tensor> {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.to_dtype(dtype).unwrap())).collect()
        };
        let of_halves = painted(&save(&halves, "f16.safetensors"), None);
        let wide = save(&to(&halves, DType::F32), "f32.safetensors");
        same_bytes(&of_halves, &painted(&wide, None), &format!("{name}: f32 against the same numbers in f16"));
        for (dtype, form, plain) in [(DType::BF16, "bf16", DType::F32), (DType::F8E4M3, "fp8 (e4m3)", DType::F16)] {
            let narrow = to(&halves, dtype);
            let plain = save(&to(&narrow, plain), "plain.safetensors");
            let narrow = save(&narrow, "narrow.safetensors");
            let (plain, narrow) = (painted(&plain, None), painted(&narrow, None));
            assert!(plain != of_halves, "{name}: {form} loses nothing");
            same_bytes(&plain, &narrow, &format!("{name}: {form} against the same numbers"));
        }
        for kind in [GgmlDType::Q8_0, GgmlDType::Q4_0, GgmlDType::Q5_0, GgmlDType::Q4K, GgmlDType::Q6K] {
            let read = save_gguf(&halves, &at("blocks.gguf"), kind);
            let (plain, blocks) = (painted(&save(&read, "read.safetensors"), None), painted(&at("blocks.gguf"), None));
            assert!(plain != of_halves, "{name}: {kind:?} loses nothing");
            same_bytes(&plain, &blocks, &format!("{name}: .gguf in {kind:?} against the same numbers"));
        }
    }
}

#[test]
fn a_file_that_was_changed_since_it_was_opened_is_refused_until_it_is_opened_anew() {
    let home = tempfile::tempdir().unwrap();
    let path = Tiny::read("sd1").write_file(home.path(), "tiny.safetensors");
    let model = Model::open(&path, None, &Device::Cpu, Precision::F32, None).unwrap();
    assert!(model.is_current() && model.texts[0].network.get().is_ok());
    // As long as before, and later.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    let error = model.unet.get().unwrap_err().to_string();
    assert!(error.contains("was changed since it was looked at") && error.ends_with("tiny.safetensors"), "{error}");
    assert!(!model.is_current());
    assert!(Model::open(&path, None, &Device::Cpu, Precision::F32, None).unwrap().unet.get().is_ok());
}

#[test]
fn a_quantised_file_paints_nearly_the_same() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("sd1");
    let whole = painted(&tiny.write_file(home.path(), "tiny.safetensors"), None);
    let file = tiny.write_gguf(home.path(), "quantised.gguf", GgmlDType::Q8_0);
    let quantised = painted(&file, None);
    let apart = whole.rgba().iter().zip(quantised.rgba()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    let apart = apart.sum::<f64>() / whole.rgba().len() as f64;
    // Q8_0 keeps seven bits of the largest of 32 numbers.
    assert!(apart > 0.0 && apart < 2.0, "{apart} of 255 on average");
    let whole_file = home.path().join("tiny.safetensors");
    let library = Library::discover(&[file, whole_file]);
    let [summary, whole] = [0, 1].map(|index| library.entries()[index].summary.as_ref().unwrap());
    // In memory its numbers are f16, as those of the whole file are where they lie.
    assert!(summary.parameters_bytes < whole.parameters_bytes);
    for summary in [summary, whole] {
        assert_eq!(summary.weights.in_memory(Precision::F32), whole.parameters_bytes);
        let (unet, others) = (summary.weights.unet, summary.weights.others);
        assert!((unet.wide, others.wide) == (0, 0) && unet.halves > 0 && others.halves > 0, "{unet:?} {others:?}");
    }
    assert_eq!((summary.format, summary.family.map(|family| family.key)), (Format::Gguf, Some("sd1")));
}

#[test]
fn the_vocabulary_in_the_box_is_the_one_that_clip_was_trained_with() {
    let fixture: Value = serde_json::from_slice(&std::fs::read(fixtures().join("tokens.json")).unwrap()).unwrap();
    let (first, second) = (Tokenizer::clip(Fill::End), Tokenizer::clip(Fill::Zero));
    assert_eq!((first.begin(), first.end(), first.largest_id()), (49406, 49407, 49407));
    for prompt in fixture["prompts"].as_array().unwrap() {
        let text = prompt["text"].as_str().unwrap();
        let expected: Vec<u32> =
            prompt["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        let ids = first.encode(text, 77).unwrap().ids;
        assert_eq!(ids[1..=expected.len()], expected, "{text:?}");
        assert!(ids[1 + expected.len()..].iter().all(|id| *id == 49407), "{text:?}");
        assert!(second.encode(text, 77).unwrap().ids[2 + expected.len()..].iter().all(|id| *id == 0), "{text:?}");
    }
}

#[test]
fn a_folder_of_folders_and_files_is_listed_with_what_each_is() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (Tiny::read("sd1"), Tiny::read("sd2"));
    let deep = home.path().join("Stable-diffusion/portraits");
    std::fs::create_dir_all(&deep).unwrap();
    first.write_file(home.path(), "Aquarelle.safetensors");
    second.write_file(&deep, "sepia-512-base.safetensors");
    second.write_torch(&deep, "zinnober.ckpt");
    first.write_folder(&home.path().join("folder"), Prediction::VPrediction);
    let lora = HashMap::from([("lora_unet_mid_block.lora_up.weight".to_owned(), wave((2, 2), "lora", 1.0))]);
    candle_core::safetensors::save(&lora, home.path().join("a_lora.safetensors")).unwrap();
    std::fs::write(home.path().join("broken.safetensors"), [7; 100]).unwrap();

    let library = Library::discover(&[home.path().to_owned()]);
    let found = |name: &str| {
        let entry = library.entries().iter().find(|entry| entry.name == name)?;
        let summary = entry.summary.as_ref().ok()?;
        let side = summary.native_extent.width;
        let family = summary.family.map(|family| family.key);
        Some((family, summary.format, summary.training.prediction, summary.prediction_source, side))
    };
    let file = Format::Safetensors;
    let expected = (Some("sd1"), file, Prediction::Epsilon, PredictionSource::Family, 512);
    assert_eq!(found("Aquarelle"), Some(expected));
    let expected = (Some("sd2"), file, Prediction::Epsilon, PredictionSource::Name, 512);
    assert_eq!(found("sepia-512-base"), Some(expected));
    let expected = (Some("sd2"), Format::Torch, Prediction::VPrediction, PredictionSource::Family, 768);
    assert_eq!(found("zinnober"), Some(expected));
    let expected = (Some("sd1"), Format::Folder, Prediction::VPrediction, PredictionSource::Config, 64);
    assert_eq!(found("folder"), Some(expected));
    let broken = library.entries().iter().find(|entry| entry.name == "broken").unwrap();
    assert!(broken.summary.as_ref().unwrap_err().to_string().ends_with("broken.safetensors"));
    assert!(library.entries().iter().all(|entry| entry.name != "a_lora"));
}

#[test]
fn what_training_programs_write_around_weights_is_passed_over_and_what_would_run_is_refused_by_name() {
    let error = |name: &str| Model::load(&fixtures().join(name), &Device::Cpu, Precision::F32).unwrap_err().to_string();
    for name in ["lightning.ckpt", "lightning-of-old.ckpt"] {
        assert!(error(name).contains("(it is a VAE alone)"), "{}", error(name));
    }
    assert!(error("hostile.ckpt").contains("it asks to call __builtin__.eval"), "{}", error("hostile.ckpt"));
}

#[test]
fn what_cannot_be_painted_with_is_refused_by_what_it_is_or_lacks() {
    let home = tempfile::tempdir().unwrap();
    let refused = |name: &str, tensors: HashMap<String, Tensor>, expected: &str| {
        let path = home.path().join(name);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        let error = Model::load(&path, &Device::Cpu, Precision::F32).unwrap_err().to_string();
        assert!(error.contains(expected) && error.ends_with(name) && !error.contains('\n'), "{error}, not {expected}");
    };
    let one = |name: &str| HashMap::from([(name.to_owned(), wave((32, 4, 3, 3), name, 1.0))]);
    refused("lora.safetensors", one("lora_unet_mid_block.lora_up.weight"), "(it is a LoRA)");
    refused("vae.safetensors", one("first_stage_model.conv"), "(it is a VAE alone)");
    let whole = Tiny::read("sd1").tensors();
    let but = |edit: &dyn Fn(&mut HashMap<String, Tensor>)| {
        let mut tensors = whole.clone();
        edit(&mut tensors);
        tensors
    };
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F16, &Device::Cpu).unwrap();
    let first = "model.diffusion_model.input_blocks.0.0.weight";
    let odd = but(&|tensors| drop(tensors.insert(first.to_owned(), zeros(&[32, 7, 3, 3]))));
    refused("odd-channels.safetensors", odd, "takes 7 channels and gives 4");
    let without_text = but(&|tensors| tensors.retain(|name, _| !name.starts_with("cond_stage_model.")));
    refused("unet.safetensors", without_text, "no text encoder");
    let without_vae = but(&|tensors| tensors.retain(|name, _| !name.starts_with("first_stage_model.")));
    refused("no-vae.safetensors", without_vae, "has no VAE of its own");
    let other = but(&|tensors| drop(tensors.insert("edm_mean".to_owned(), zeros(&[1]))));
    refused("other.safetensors", other, "a Playground model");
    let missing = "model.diffusion_model.output_blocks.3.0.skip_connection.bias";
    refused("cut.safetensors", but(&|tensors| drop(tensors.remove(missing).unwrap())), missing);
    let conv = "model.diffusion_model.middle_block.0.in_layers.2.weight";
    let other_shape = but(&|tensors| drop(tensors.insert(conv.to_owned(), zeros(&[64, 64, 1, 1]))));
    refused("shape.safetensors", other_shape, "must be [64, 64, 3, 3]");
    let odd = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight";
    let odd_width = but(&|tensors| drop(tensors.insert(odd.to_owned(), zeros(&[33, 32, 3, 3]))));
    refused("odd.safetensors", odd_width, "33 wide");
    let empty = but(&|tensors| drop(tensors.insert(odd.to_owned(), zeros(&[0, 32, 3, 3]))));
    refused("empty.safetensors", empty, "makes no sense");
}

/// Folders as other programs have them: A1111's, `ComfyUI`'s with the config that points to it, `InvokeAI`'s and the Hugging Face cache.
#[test]
fn models_are_found_in_the_folders_of_other_programs() {
    let home = tempfile::tempdir().unwrap();
    let tiny = Tiny::read("sd1");
    let at = |name: &str| {
        let folder = home.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    tiny.write_file(&at("webui/models/Stable-diffusion/anime"), "of-webui.safetensors");
    tiny.write_file(&at("comfy/models/checkpoints"), "of-comfy.safetensors");
    // A folder for files of its own kind, which is no model.
    at("comfy/models/unet");
    let config = format!(
        "a111:\n    base_path: {}\n    checkpoints: models/Stable-diffusion\n",
        home.path().join("webui").display()
    );
    std::fs::write(home.path().join("comfy/extra_model_paths.yaml"), config).unwrap();
    tiny.write_file(&at("invoke/models/sd-1/main"), "of-invoke.safetensors");
    tiny.write_folder(&at("invoke/models/sd-1/main/a folder"), Prediction::Epsilon);
    let state = at("huggingface/hub/models--org--cached/snapshots/0123abc");
    tiny.write_folder(&state, Prediction::Epsilon);

    let found = |name: &str| -> Vec<String> {
        let library = Library::discover(&[home.path().join(name)]);
        let here = library.entries().iter().filter(|entry| entry.path.starts_with(home.path()));
        here.map(|entry| {
            assert!(entry.summary.is_ok(), "{entry:?}");
            entry.name.clone()
        })
        .collect()
    };
    assert_eq!(found("webui"), ["of-webui"]);
    assert_eq!(found("webui/models"), ["of-webui"]);
    assert_eq!(found("comfy"), ["of-webui", "of-comfy"]);
    assert_eq!(found("comfy/models"), ["of-comfy", "of-webui"]);
    assert_eq!(found("invoke"), ["a folder", "of-invoke"]);
    assert_eq!(found("huggingface"), ["cached"]);
    assert_eq!(found("huggingface/hub"), ["cached"]);
    assert_eq!(Model::load(&state, &Device::Cpu, Precision::F32).unwrap().name, "cached");
}
