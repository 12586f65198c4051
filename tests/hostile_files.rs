//! Files of models from strangers, damaged in every way that chance finds: cut off, flipped, overwritten with absurd lengths, spliced. No
//! loader may panic, and what it refuses it refuses by the file's name.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "shared/hashed.rs"]
#[expect(dead_code, reason = "networks need inputs too")]
mod hashed;
#[path = "shared/tiny_checkpoint.rs"]
#[expect(dead_code, reason = "its folder is not needed here")]
mod tiny_checkpoint;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};
use sfumato::checkpoints::{
    LearnedWord, Library, Lora, LoraWeights, Model, Precision, Prediction, Upscaler, load_tiny_vae,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tiny_checkpoint::Tiny;

/// What is done to a file; places are shares of its length, most of them near its beginning, where headers are.
#[derive(Clone, Debug)]
enum Harm {
    Cut(f64),
    Flip(f64, u8),
    Overwrite(f64, u64),
    /// A piece of it, once more, at another place.
    Splice(f64, f64, usize),
}

impl Harm {
    fn any() -> impl Strategy<Value = Self> {
        let place = || prop_oneof![3 => (0.0..1.0f64).prop_map(|share| share.powi(6)), 1 => 0.0..1.0f64];
        let absurd =
            prop_oneof![Just(u64::MAX), Just(1 << 63), Just(u64::from(u32::MAX)), Just(0), any::<u64>(), 0..4096u64];
        prop_oneof![
            place().prop_map(Self::Cut),
            (place(), 0..8u8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            (place(), absurd).prop_map(|(at, number)| Self::Overwrite(at, number)),
            (place(), place(), 1..200usize).prop_map(|(from, to, count)| Self::Splice(from, to, count)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |share: f64| (share * bytes.len() as f64) as usize;
        match *self {
            _ if bytes.is_empty() => {}
            Self::Cut(share) => {
                let length = at(share);
                bytes.truncate(length);
            }
            Self::Flip(share, bit) => {
                let at = at(share).min(bytes.len() - 1);
                bytes[at] ^= 1 << bit;
            }
            Self::Overwrite(share, number) => {
                let at = at(share);
                for (byte, new) in bytes[at..].iter_mut().zip(number.to_le_bytes()) {
                    *byte = new;
                }
            }
            Self::Splice(from, to, count) => {
                let (from, to) = (at(from), at(to));
                let piece = bytes[from..bytes.len().min(from + count)].to_vec();
                bytes.splice(to..to, piece);
            }
        }
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn saved(tensors: &HashMap<String, Tensor>, folder: &Path) -> Vec<u8> {
    let path = folder.join("saved.safetensors");
    candle_core::safetensors::save(tensors, &path).unwrap();
    std::fs::read(path).unwrap()
}

/// One of every kind, each of one layer.
fn lora() -> HashMap<String, Tensor> {
    let layer = |index: usize| format!("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn{index}_to_q");
    let parts: [(usize, &str, &[usize]); 11] = [
        (1, "lora_down.weight", &[4, 32]),
        (1, "lora_up.weight", &[32, 4]),
        (1, "alpha", &[1]),
        (1, "dora_scale", &[32, 1]),
        (2, "hada_w1_a", &[32, 2]),
        (2, "hada_w1_b", &[2, 32]),
        (2, "hada_w2_a", &[32, 2]),
        (2, "hada_w2_b", &[2, 32]),
        (3, "lokr_w1", &[4, 4]),
        (3, "lokr_w2_a", &[8, 2]),
        (3, "lokr_w2_b", &[2, 8]),
    ];
    parts.map(|(index, part, shape)| (format!("{}.{part}", layer(index)), hashed::weights(part, shape))).into()
}

/// Whole files, by the names by which they are looked for.
fn files() -> &'static [(&'static str, Vec<u8>)] {
    static FILES: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tiny = Tiny::read("sd1");
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let vae = tiny.tensors().into_iter().filter(|(name, _)| name.starts_with("first_stage_model.")).collect();
        vec![
            ("a.safetensors", read(tiny.write_file(folder.path(), "a.safetensors"))),
            ("a.ckpt", read(tiny.write_torch(folder.path(), "a.ckpt"))),
            ("a.gguf", read(tiny.write_gguf(folder.path(), "a.gguf", GgmlDType::Q8_0))),
            ("b.gguf", fixture("checkpoints/quantised.gguf")),
            ("b.ckpt", fixture("checkpoints/lightning.ckpt")),
            ("c.ckpt", fixture("checkpoints/lightning-of-old.ckpt")),
            ("a.pt", fixture("words/webui.pt")),
            ("b.pt", fixture("words/original-of-old.pt")),
            ("a.png", fixture("words/card.png")),
            ("b.png", fixture("words/chunk.png")),
            ("xl.safetensors", fixture("words/xl.safetensors")),
            ("a.pth", fixture("upscaler/compact_x2.pth")),
            ("protocol-4.ckpt", fixture("checkpoints/strides.ckpt")),
            ("lora.safetensors", saved(&lora(), folder.path())),
            ("vae.safetensors", saved(&vae, folder.path())),
            ("blocks.gguf", {
                let path = folder.path().join("blocks.gguf");
                tiny_checkpoint::save_gguf(&tiny.unet(), &path, GgmlDType::Q4K);
                read(path)
            }),
        ]
    })
}

/// Lets every loader look at a file; what it says is given back.
fn look_at(path: &Path) -> Vec<String> {
    let mut said = Vec::new();
    let library = Library::discover(&[path.to_owned()]);
    for entry in library.entries().iter().filter(|entry| entry.path == path) {
        match &entry.summary {
            Ok(_) => said.extend(Model::load(path, &Device::Cpu, Precision::F32).err().map(|error| error.to_string())),
            Err(error) => said.push(error.to_string()),
        }
    }
    said.extend(LearnedWord::open(path).err().map(|error| error.to_string()));
    said.extend(Lora::open(path).err().map(|error| error.to_string()));
    said.extend(Upscaler::load(path, &Device::Cpu).err().map(|error| error.to_string()));
    said.extend(load_tiny_vae(path, &Device::Cpu).err().map(|error| error.to_string()));
    if let Ok(lora) = Lora::open(path) {
        let weights = LoraWeights { unet: 1.0, text: 1.0 };
        // What does not fit is refused before anything is read.
        if model().check(&lora).is_ok() {
            let mut adapted = Model::load(&model_file(), &Device::Cpu, Precision::F32).unwrap();
            adapted = match adapted.with_loras(vec![(Arc::new(lora), weights)]) {
                Ok(adapted) => adapted,
                Err(error) => {
                    assert!(error.to_string().contains("LoRA"), "{error}");
                    return said;
                }
            };
            adapted.unet.get().unwrap();
        }
    }
    said
}

fn model_file() -> PathBuf {
    static HOME: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let written = || {
        let home = tempfile::tempdir().unwrap();
        let file = Tiny::read("sd1").write_file(home.path(), "tiny.safetensors");
        (home, file)
    };
    HOME.get_or_init(written).1.clone()
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| Model::load(&model_file(), &Device::Cpu, Precision::F32).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/hostile_files.txt"))), ..ProptestConfig::default() })]

    #[test]
    fn no_damaged_file_brings_a_loader_down(which in 0..files().len(), harms in prop::collection::vec(Harm::any(), 1..5)) {
        let (name, whole) = &files()[which];
        let mut bytes = whole.clone();
        for harm in &harms {
            harm.apply(&mut bytes);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        for sentence in look_at(&path) {
            prop_assert!(sentence.contains(name), "{sentence}");
        }
    }
}

/// The configs of a folder.
const CONFIGS: [&str; 5] = [
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
];

/// What stands in the place of something in a config.
fn absurd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!("")),
        Just(json!("../../x")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[], [0], -1])),
        Just(json!(vec![2; 100])),
        Just(json!(-1)),
        Just(json!(0)),
        Just(json!(0.5)),
        Just(json!(1e308)),
        Just(json!(u64::MAX)),
        Just(json!(1u64 << 32)),
        (1..200u32).prop_map(|number| json!(number)),
    ]
}

/// Puts `new` in the place of the value that is found after `nth` others.
fn replace(value: &mut Value, nth: &mut usize, new: &Value) -> bool {
    if *nth == 0 {
        *value = new.clone();
        return true;
    }
    *nth -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, nth, new)),
        Value::Object(fields) => fields.values_mut().any(|field| replace(field, nth, new)),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/hostile_folders.txt"))), ..ProptestConfig::default() })]

    #[test]
    fn no_damaged_config_brings_a_folder_down(which in 0..CONFIGS.len(), changes in prop::collection::vec((1..40usize, absurd()), 1..3)) {
        static HOME: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
        let (_, whole) = HOME.get_or_init(|| {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join("whole");
            Tiny::read("sd1").write_folder(&folder, Prediction::Epsilon);
            (home, folder)
        });
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("damaged");
        for entry in std::fs::read_dir(whole).unwrap().map(|entry| entry.unwrap().path()) {
            let to = folder.join(entry.file_name().unwrap());
            std::fs::create_dir_all(if entry.is_dir() { &to } else { &folder }).unwrap();
            let files = if entry.is_dir() { std::fs::read_dir(&entry).unwrap().map(|file| file.unwrap().path()).collect() } else { vec![entry] };
            for file in files {
                let to = folder.join(file.strip_prefix(whole).unwrap());
                std::fs::hard_link(&file, &to).or_else(|_| std::fs::copy(&file, &to).map(drop)).unwrap();
            }
        }
        let path = folder.join(CONFIGS[which]);
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (nth, new) in changes {
            replace(&mut config, &mut nth.clone(), &new);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, config.to_string()).unwrap();
        let library = Library::discover(std::slice::from_ref(&folder));
        let entry = library.entries().iter().find(|entry| entry.path == folder).unwrap();
        let problem = match &entry.summary {
            Ok(_) => Model::load(&folder, &Device::Cpu, Precision::F32).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(sentence) = problem {
            prop_assert!(sentence.contains("damaged") && !sentence.contains('\n'), "{sentence}");
        }
    }
}

/// What each file of the corpus does, which is its name, and what is said of it. They are made by `tests/fixtures/generate_hostile.py`.
const CORPUS: [(&str, &str); 23] = [
    ("backwards.safetensors", "its offsets 8..4 do not fit its shape [1] of F32"),
    ("builtins.ckpt", "it asks to call builtins.eval"),
    ("cut.safetensors", "bytes instead of 4171"),
    ("dimensions.gguf", "claims to have 2147483648 dimensions"),
    ("empty.safetensors", "it holds no tensor"),
    ("endless-header.safetensors", "its header claims to be 4611686018427387904 bytes long"),
    ("itself.ckpt", "it holds no dictionary of tensors"),
    ("long-name.gguf", "a name in it claims to be 1152921504606846976 bytes long"),
    ("long-text.ckpt", "it ends too early"),
    ("more-than-there-is.safetensors", "do not fit its shape [9223372036854775808, 9223372036854775808] of F32"),
    ("nested.ckpt", "it holds more values than weights need"),
    ("nested.safetensors", "its header is not valid JSON"),
    ("no-end.ckpt", "it ends too early"),
    ("no-length.safetensors", "3 bytes instead of 8"),
    ("no-pickle.ckpt", "an archive of something else than weights"),
    ("of-old.pt", "a pickle, but not one of torch"),
    ("offset.gguf", "bytes instead of 9223372036854776000"),
    ("overlap.safetensors", "the tensors a and b lie at the same bytes"),
    ("runs.ckpt", "it asks to call posix.system"),
    ("strange-numbers.safetensors", "its type C64 is not supported"),
    ("tensors.gguf", "its header does not end"),
    ("twice.safetensors", "it has two tensors called a"),
    ("values.gguf", "its header does not end"),
];

#[test]
fn each_file_of_the_corpus_is_refused_by_its_name_and_for_what_it_does() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    assert_eq!(std::fs::read_dir(&corpus).unwrap().count(), CORPUS.len());
    for (name, reason) in CORPUS {
        let path = corpus.join(name);
        let library = Library::discover(std::slice::from_ref(&path));
        let entry = library.entries().iter().find(|entry| entry.path == path).unwrap();
        let problem = entry.summary.as_ref().unwrap_err().to_string();
        assert!(problem.contains(reason) && problem.ends_with(name), "{name}: {problem}");
        for sentence in look_at(&path) {
            assert!(sentence.contains(name), "{name}: {sentence}");
        }
        assert!(Lora::open(&path).is_err() && LearnedWord::open(&path).is_err(), "{name} was taken");
    }
}

/// Two long and narrow matrices of a few bytes are a wide one of gigabytes.
#[test]
fn what_a_lora_adds_is_measured_before_it_is_made() {
    const LAYER: &str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q";
    type Parts<'a> = &'a [(&'a str, &'a [usize])];
    let one: Parts = &[("hada_w1_a", &[32, 2]), ("hada_w1_b", &[2, 32])];
    let plain: Parts = &[("lora_down.weight", &[1, 32]), ("lora_up.weight", &[32, 1])];
    let cases: [(Parts, Parts); 8] = [
        (one, &[("hada_w2_a", &[200_000, 1]), ("hada_w2_b", &[1, 200_000])]),
        (one, &[("diff", &[32, 32]), ("hada_w2_a", &[200_000, 1]), ("hada_w2_b", &[1, 200_000])]),
        (plain, &[("lora_mid.weight", &[1, 1, 100, 100])]),
        (&[], &[("lora_down.weight", &[4, 32, 1000]), ("lora_up.weight", &[32, 4])]),
        (&[], &[("lokr_w1_a", &[200_000, 1]), ("lokr_w1_b", &[1, 200_000]), ("diff", &[32, 32])]),
        (plain, &[("diff_b", &[33])]),
        // What is as large as it should be and cannot be made.
        (&[], &[("lora_down.weight", &[8, 32]), ("lora_up.weight", &[32, 4])]),
        (plain, &[("dora_scale", &[33])]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    let check = |parts: [Parts; 2]| {
        let tensor = |(part, shape): &(&str, &[usize])| (format!("{LAYER}.{part}"), hashed::weights(part, *shape));
        let tensors: HashMap<String, Tensor> = parts.concat().iter().map(tensor).collect();
        std::fs::write(&path, saved(&tensors, folder.path())).unwrap();
        model().check(&Lora::open(&path).unwrap())
    };
    for (fitting, huge) in cases {
        let error = check([fitting, huge]).unwrap_err().to_string();
        assert!(error.contains("small does not fit the model"), "{huge:?}: {error}");
    }
    check([plain, &[("diff_b", &[32])]]).unwrap();
}

#[test]
fn whole_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &files()[..3] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Model::load(&path, &Device::Cpu, Precision::F32).unwrap();
    }
}
