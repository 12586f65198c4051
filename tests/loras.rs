//! `LoRA`s: what a model with one computes is what diffusers and `LyCORIS` compute. The numbers come from
//! `tests/fixtures/generate_loras.py`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "shared/decibels.rs"]
mod decibels;
#[path = "shared/hashed.rs"]
mod hashed;
#[path = "shared/parity.rs"]
mod parity;
#[path = "shared/runs.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod runs;
#[path = "shared/tiny_checkpoint.rs"]
#[allow(dead_code, reason = "some of its forms are enough here")]
mod tiny_checkpoint;

use candle_core::{DType, Device, Tensor};
use decibels::decibels;
use hashed::{wave, weights};
use runs::{apart, painted, request};
use serde_json::Value;
use sfumato::checkpoints::{Library, Lora, LoraWeights, Model, Precision};
use sfumato::diffusion::Request;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tiny_checkpoint::{Tiny, fixtures};

/// A `LoRA` of the fixtures.
struct Case {
    weights: LoraWeights,
    shapes: Vec<(String, Vec<usize>)>,
}

impl Case {
    fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(fixtures().join("loras.jsonl")).unwrap();
        let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap());
        let mut lines = lines.skip_while(|line| line[0] != name);
        let first = lines.next().unwrap();
        let weights = LoraWeights { unet: first[1].as_f64().unwrap(), text: first[2].as_f64().unwrap() };
        let shape =
            |line: Vec<Value>| (line[0].as_str().unwrap().to_owned(), serde_json::from_value(line[1].clone()).unwrap());
        Self { weights, shapes: lines.take_while(|line| line.len() == 2).map(shape).collect() }
    }

    fn tensors(&self) -> HashMap<String, Tensor> {
        let tensor = |(name, shape): &(String, Vec<usize>)| {
            let tensor = if name.ends_with("alpha") {
                Tensor::new(2f32, &Device::Cpu).unwrap()
            } else if name.ends_with(".dora_scale") {
                (weights(name, shape.as_slice()).abs().unwrap() + 0.5).unwrap()
            } else {
                weights(name, shape.as_slice())
            };
            (name.clone(), tensor)
        };
        self.shapes.iter().map(tensor).collect()
    }

    fn write(&self, folder: &Path, name: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        candle_core::safetensors::save(&self.tensors(), &path).unwrap();
        path
    }
}

fn tiny(folder: &Path) -> Model {
    model("sd1", folder)
}

fn model(name: &str, folder: &Path) -> Model {
    Model::load(&Tiny::read(name).write_file(folder, "tiny.safetensors"), &Device::Cpu, Precision::F32).unwrap()
}

/// Every eighth token's conditioning, and the prediction.
fn computed(model: &Model) -> [Tensor; 2] {
    let ids: Vec<u32> = [49406].into_iter().chain((0..75).map(|i| 1000 + 601 * i)).chain([49407]).collect();
    let conditioning =
        model.texts[0].network.get().unwrap().forward(&Tensor::from_vec(ids, (1, 77), &Device::Cpu).unwrap()).unwrap();
    let words = model.unet.get().unwrap().prepare(&conditioning).unwrap();
    let predicted = model.unet.get().unwrap().forward(&wave((1, 4, 8, 8), "x", 1.0), 401.0, &words, None).unwrap();
    let eighths = Tensor::from_iter((0..77u32).step_by(8), &Device::Cpu).unwrap();
    [conditioning.index_select(&eighths, 1).unwrap(), predicted]
}

fn distance(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn every_kind_computes_what_its_makers_compute_and_leaves_the_model_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let expected = candle_core::safetensors::load(fixtures().join("loras.safetensors"), &Device::Cpu).unwrap();
    let mut model = tiny(home.path());
    let plain = computed(&model);
    for name in ["kohya", "peft", "locon", "loha", "lokr", "dora", "norms", "processors"] {
        let case = Case::read(name);
        let lora = Arc::new(Lora::open(&case.write(home.path(), "lora.safetensors")).unwrap());
        model = model.with_loras(vec![(lora, case.weights)]).unwrap();
        for (found, key) in computed(&model).iter().zip(["conditioning", "predicted"]) {
            let worst = distance(found, &expected[&format!("{name}.{key}")]);
            parity::within("LoRA", name, "diffusers or LyCORIS", f64::from(worst), 1e-4);
        }
        assert!(distance(&computed(&model)[1], &plain[1]) > 0.01, "{name} changes nothing");
    }
    let bare = computed(&model.with_loras(Vec::new()).unwrap());
    assert!(bare.iter().zip(&plain).all(|(now, before)| distance(now, before) == 0.0));
}

#[test]
fn those_of_the_second_generation_and_of_xl_compute_what_diffusers_computes() {
    let home = tempfile::tempdir().unwrap();
    let expected = candle_core::safetensors::load(fixtures().join("loras.safetensors"), &Device::Cpu).unwrap();
    let with = |name: &str| {
        let case = Case::read(name);
        let lora = Arc::new(Lora::open(&case.write(home.path(), "lora.safetensors")).unwrap());
        let refused = tiny(home.path()).check(&lora).unwrap_err().to_string();
        assert!(refused.contains("it was made for") || refused.contains("it changes layers"), "{refused}");
        (model(name, home.path()), vec![(lora, case.weights)])
    };
    let (plain, loras) = with("sd2");
    let before = computed(&plain);
    let changed = computed(&plain.with_loras(loras).unwrap());
    for (found, key) in changed.iter().zip(["conditioning", "predicted"]) {
        let worst = distance(found, &expected[&format!("sd2.{key}")]);
        parity::within("LoRA", "kohya, of Stable Diffusion 2", "diffusers or LyCORIS", f64::from(worst), 1e-4);
    }
    assert!(distance(&changed[1], &before[1]) > 0.01);

    let (plain, loras) = with("xl");
    let before = painted(&plain, &request("", None)).0;
    let (latents, _) = painted(&plain.with_loras(loras).unwrap(), &request("", None));
    let off = apart(&latents, &expected["xl.latents"], 14.6146);
    parity::within(
        "LoRA",
        "kohya by names of single files, latents of each step of XL",
        "diffusers or LyCORIS",
        off,
        1e-4,
    );
    assert!(apart(&latents, &before, 14.6146) > 0.01);
}

/// What is changed is f32 on a CPU, whatever it was stored in.
#[test]
fn what_they_add_to_memory_is_foretold() {
    let home = tempfile::tempdir().unwrap();
    let model = tiny(home.path());
    let case = Case::read("peft");
    let lora = Arc::new(Lora::open(&case.write(home.path(), "lora.safetensors")).unwrap());
    let sides = |end: &str| {
        case.shapes.iter().filter(|(name, _)| name.ends_with(end)).map(|(_, shape)| shape.clone()).collect()
    };
    let (downs, ups): (Vec<Vec<usize>>, Vec<Vec<usize>>) = (sides(".lora_A.weight"), sides(".lora_B.weight"));
    let numbers: usize = downs.iter().zip(&ups).map(|(down, up)| down[1] * up[0]).sum();
    let added = |unet, text| model.bytes_added(&[(Arc::clone(&lora), LoraWeights { unet, text })]).unwrap();
    assert_eq!(added(1.0, 0.5), 2 * numbers as u64);
    assert!(added(0.0, 0.5) > 0 && added(0.0, 0.5) < added(1.0, 0.0));
    assert_eq!((added(0.0, 0.0), model.bytes_added(&[]).unwrap()), (0, 0));
}

#[test]
fn several_add_up_and_the_order_does_not_matter() {
    let home = tempfile::tempdir().unwrap();
    let opened = |name: &str| {
        let case = Case::read(name);
        Arc::new(Lora::open(&case.write(home.path(), &format!("{name}.safetensors"))).unwrap())
    };
    let (first, second) = (opened("kohya"), opened("peft"));
    let with = |weights: [(&Arc<Lora>, f64); 2]| {
        let loras = weights.map(|(lora, weight)| (Arc::clone(lora), LoraWeights { unet: weight, text: weight }));
        computed(&tiny(home.path()).with_loras(loras.to_vec()).unwrap())
    };
    let (both, turned) = (with([(&first, 0.3), (&second, 0.6)]), with([(&second, 0.6), (&first, 0.3)]));
    assert!(distance(&both[1], &turned[1]) < 1e-4);
    assert!(distance(&both[1], &with([(&first, 0.3), (&second, 0.0)])[1]) > 0.01);
}

#[test]
fn a_lora_of_another_family_says_so_and_leaves_the_model_alone() {
    let home = tempfile::tempdir().unwrap();
    let model = tiny(home.path());
    let path = home.path().join("other.safetensors");
    let misfit = |tensors: HashMap<String, Tensor>, expected: &str| {
        candle_core::safetensors::save(&tensors, &path).unwrap();
        let error = model.check(&Lora::open(&path).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.ends_with("other.safetensors"), "{error}, not {expected}");
    };
    let words = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
    let pair = |inputs: usize| {
        let (down, up) = (format!("{words}.lora_down.weight"), format!("{words}.lora_up.weight"));
        HashMap::from([(down.clone(), weights(&down, (4, inputs))), (up.clone(), weights(&up, (32, 4)))])
    };
    misfit(pair(1024), "it was made for Stable Diffusion 2");
    misfit(pair(48), "it changes layers that the model does not have");
    // Other kinds say it by the numbers that they add: 32 by 64 there are.
    let parts = |parts: &[(&str, &[usize])]| -> HashMap<String, Tensor> {
        parts.iter().map(|(part, shape)| (format!("{words}.{part}"), weights(part, *shape))).collect()
    };
    let hada = |inputs: usize| {
        parts(&[
            ("hada_w1_a", &[32, 2]),
            ("hada_w1_b", &[2, inputs]),
            ("hada_w2_a", &[32, 2]),
            ("hada_w2_b", &[2, inputs]),
        ])
    };
    misfit(hada(1024), "it was made for Stable Diffusion 2");
    let kron = |inputs: usize| parts(&[("lokr_w1", &[4, 4]), ("lokr_w2_a", &[8, 2]), ("lokr_w2_b", &[2, inputs / 4])]);
    misfit(kron(1024), "it changes layers that the model does not have");
    misfit(parts(&[("diff", &[32, 1024])]), "it changes layers that the model does not have");
    for fitting in [hada(64), kron(64), parts(&[("diff", &[32, 64])])] {
        candle_core::safetensors::save(&fitting, &path).unwrap();
        model.check(&Lora::open(&path).unwrap()).unwrap();
    }
    // Where no shape says it, training programs do.
    let said = HashMap::from([("ss_base_model_version".to_owned(), "sdxl_base_v1-0".to_owned())]);
    safetensors::serialize_to_file(kron(1024), Some(said), &path).unwrap();
    let error = model.check(&Lora::open(&path).unwrap()).unwrap_err().to_string();
    assert!(error.contains("it was made for Stable Diffusion XL"), "{error}");
    let mut xl = pair(64);
    xl.extend(pair(64).into_iter().map(|(name, tensor)| (name.replace("lora_unet_", "lora_te2_"), tensor)));
    let strangers =
        (0..13).flat_map(|index| ["up", "down"].map(|part| format!("lora_unet_9_{index}.lora_{part}.weight")));
    xl.extend(strangers.map(|name| (name.clone(), weights(&name, (4, 4)))));
    misfit(xl, "it was made for Stable Diffusion XL");

    candle_core::safetensors::save(&HashMap::from([("model.x".to_owned(), weights("x", 3))]), &path).unwrap();
    assert!(Lora::open(&path).unwrap_err().to_string().contains("no LoRA that can be used"));
    let scale = |name: &str| (format!("{name}.alpha"), Tensor::new(2f32, &Device::Cpu).unwrap());
    let mut lone = pair(64);
    lone.extend([scale(words), scale(&format!("{words}_2"))]);
    candle_core::safetensors::save(&lone, &path).unwrap();
    model.check(&Lora::open(&path).unwrap()).unwrap();
    candle_core::safetensors::save(&HashMap::from([scale(words)]), &path).unwrap();
    assert!(Lora::open(&path).unwrap_err().to_string().contains("no LoRA that can be used"));
    let half = format!("{words}.lora_down.weight");
    candle_core::safetensors::save(&HashMap::from([(half.clone(), weights(&half, (4, 64)))]), &path).unwrap();
    let error = Lora::open(&path).unwrap_err().to_string();
    assert!(error.contains("a part of what is added") && error.ends_with("other.safetensors"), "{error}");
    let mut odd = pair(64);
    odd.insert(format!("{words}.lora_mid.weight"), weights("mid", (3, 3, 1, 1)));
    misfit(odd, "it changes layers that the model does not have");
}

/// A checkpoint in one file whose U-Net is four times as wide as the tiny one's: its large layers are worth multiplying by bytes.
fn wide(folder: &Path) -> std::path::PathBuf {
    let wider = |(name, tensor): (String, Tensor)| {
        let Some(layer) = name.strip_prefix("model.diffusion_model.") else { return (name, tensor) };
        let of_words = |side| side == 1 && ["attn2.to_k", "attn2.to_v"].iter().any(|part| layer.contains(part));
        let wider = |(side, &count): (usize, &usize)| if count < 32 || of_words(side) { count } else { 4 * count };
        let shape: Vec<usize> = tensor.dims().iter().enumerate().map(wider).collect();
        let tensor = weights(&name, shape).to_dtype(DType::F16).unwrap();
        (name, tensor)
    };
    let tensors: HashMap<String, Tensor> = Tiny::read("sd1").tensors().into_iter().map(wider).collect();
    let path = folder.join("wide.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

#[test]
fn in_8_bit_integers_a_single_file_and_a_lora_paint_nearly_as_in_f32_and_the_same_each_time() {
    if !Precision::Int8.is_there(&Device::Cpu) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = wide(home.path());
    let layers = ["down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj", "mid_block_resnets_0_conv1"];
    let shapes: [[&[usize]; 2]; 2] = [[&[4, 128], &[1024, 4]], [&[4, 256, 3, 3], &[256, 4, 1, 1]]];
    let tensors: HashMap<String, Tensor> = std::iter::zip(layers, shapes)
        .flat_map(|(layer, shapes)| {
            let named = |(part, shape): (&str, &[usize])| {
                let name = format!("lora_unet_{layer}.lora_{part}.weight");
                (name.clone(), weights(&name, shape))
            };
            std::iter::zip(["down", "up"], shapes).map(named).collect::<Vec<_>>()
        })
        .collect();
    let path = home.path().join("lora.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let loras = || vec![(Arc::new(Lora::open(&path).unwrap()), LoraWeights { unet: 1.0, text: 1.0 })];
    let load = |precision| Model::load(&file, &Device::Cpu, precision).unwrap();
    let picture = |model: &Model, precision| painted(model, &Request { precision, ..request("", None) }).1.picture;
    // Without the LoRA and with it.
    let both = |precision| {
        let model = load(precision);
        let plain = picture(&model, precision);
        [plain, picture(&model.with_loras(loras()).unwrap(), precision)]
    };
    let (exact, coarse) = (both(Precision::F32), both(Precision::Int8));
    assert_eq!(coarse, both(Precision::Int8));
    let changes = decibels(&exact[0], &exact[1]);
    for (coarse, exact) in coarse.iter().zip(&exact) {
        let near = decibels(coarse, exact);
        assert!(near > 30.0 && changes < near - 6.0, "{near} dB, where the LoRA changes {changes}");
    }
    if Precision::Bf16.is_there(&Device::Cpu) {
        let rounded = both(Precision::Bf16);
        assert!(coarse.iter().zip(&rounded).all(|(coarse, rounded)| coarse != rounded), "no byte was multiplied");
    }
    // What is changed in f32 is stored in bytes again.
    let added = |precision| load(precision).bytes_added(&loras()).unwrap();
    assert_eq!((added(Precision::F32), added(Precision::Int8)), (2 * (128 * 1024 + 256 * 256 * 9), 0));
}

#[test]
fn files_that_a_person_names_are_taken_for_what_they_hold() {
    let home = tempfile::tempdir().unwrap();
    let pile = home.path().join("pile");
    std::fs::create_dir_all(pile.join("deep")).unwrap();
    Case::read("kohya").write(&pile.join("deep"), "ink.safetensors");
    Tiny::read("sd1").write_file(&pile, "tiny.safetensors");
    let fixture = |name: &str| fixtures().join("..").join(name);
    std::fs::copy(fixture("words/xl.safetensors"), pile.join("charm.safetensors")).unwrap();
    std::fs::copy(fixture("upscaler/compact_x2.pth"), pile.join("larger.pth")).unwrap();
    let stranger = pile.join("stranger.safetensors");
    candle_core::safetensors::save(&HashMap::from([("x".to_owned(), weights("x", (2, 2, 2)))]), &stranger).unwrap();
    let found = |places: &[&Path]| {
        let library = Library::discover(&places.iter().map(|place| place.to_path_buf()).collect::<Vec<_>>());
        let models = library.entries().iter().filter(|entry| entry.path.starts_with(home.path()));
        let models: Vec<_> = models.map(|entry| (entry.name.clone(), entry.summary.is_ok())).collect();
        let beside = library.beside_models(home.path()).into_iter();
        (models, beside.map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>())
    };
    let (models, beside) = found(&[&pile]);
    assert_eq!(models, [("tiny".to_owned(), true)]);
    assert_eq!(beside, ["LoRA ink", "embedding charm"]);
    let (models, beside) = found(&[&pile.join("deep/ink.safetensors"), &pile.join("larger.pth"), &stranger]);
    assert_eq!(models, [("stranger".to_owned(), false)]);
    assert_eq!(beside, ["LoRA ink", "upscaler larger"]);
}

#[test]
fn loras_are_found_where_other_programs_keep_them() {
    let home = tempfile::tempdir().unwrap();
    let deep = home.path().join("Lora/styles");
    std::fs::create_dir_all(&deep).unwrap();
    Case::read("kohya").write(&deep, "Ink v2.safetensors");
    std::fs::write(deep.join("broken.safetensors"), "no").unwrap();
    let library = Library::discover(&[home.path().to_owned()]);
    let summary = library.find_lora("ink v2").unwrap().summary.as_ref().unwrap();
    assert_eq!((summary.family, summary.layers), (None, 108));
    assert!(library.find_lora("broken").unwrap().summary.is_err());
    let unknown = library.find_lora("chalk").unwrap_err().to_string();
    assert!(unknown.contains("chalk") && unknown.contains("Ink v2"), "{unknown}");
}
