//! The models that are there, and those that cannot be used.

use super::*;
use std::collections::HashMap;

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
