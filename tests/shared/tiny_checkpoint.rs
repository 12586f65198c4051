//! Tiny checkpoints whose weights are hashed from their names, as one file and as a folder of the same weights. What is in them, and
//! which tensor of the one is which of the other, `tests/fixtures/generate_checkpoints.py` wrote down.

use super::hashed::weights;
use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Tensor};
use serde_json::{Value, json};
use sfumato::checkpoints::Prediction;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints")
}

/// One of them.
pub(crate) struct Tiny {
    /// Of diffusers, by part.
    configs: Value,
    /// Names and shapes in the file.
    shapes: Vec<(String, Vec<usize>)>,
    /// Part, name and shape in the folder; name and first row in the file.
    sources: Vec<(String, String, Vec<usize>, String, usize)>,
    /// Its tensors, once they were asked for: to hash millions of numbers takes a while.
    made: OnceLock<HashMap<String, Tensor>>,
}

impl Tiny {
    /// `sd1`, `sd2`, `xl` or `xl_refiner`.
    pub(crate) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(fixtures().join(format!("{name}.jsonl"))).unwrap();
        let mut lines = text.lines();
        let first: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let (sources, shapes) = lines.partition::<Vec<_>, _>(|line| line.matches('"').count() > 2);
        Self {
            configs: first["configs"].clone(),
            shapes: shapes.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
            sources: sources.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
            made: OnceLock::new(),
        }
    }

    /// Those of the file, in half precision.
    pub(crate) fn tensors(&self) -> HashMap<String, Tensor> {
        let tensor = |(name, shape): &(String, Vec<usize>)| {
            (name.clone(), weights(name, shape.as_slice()).to_dtype(DType::F16).unwrap())
        };
        self.made.get_or_init(|| self.shapes.iter().map(tensor).collect()).clone()
    }

    /// As one file.
    pub(crate) fn write_file(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        candle_core::safetensors::save(&self.tensors(), &path).unwrap();
        path
    }

    /// As one GGUF file: matrices whose rows are whole blocks in `kind`, everything else in half precision.
    pub(crate) fn write_gguf(&self, folder: &Path, name: &str, kind: GgmlDType) -> PathBuf {
        let path = folder.join(name);
        save_gguf(&self.tensors(), &path, kind);
        path
    }

    /// The U-Net's alone, as files of it alone name them.
    pub(crate) fn unet(&self) -> HashMap<String, Tensor> {
        let tensors = self.tensors().into_iter();
        tensors.filter_map(|(name, of)| Some((name.strip_prefix("model.diffusion_model.")?.to_owned(), of))).collect()
    }

    /// As one file of `torch.save`, wrapped as training programs do.
    pub(crate) fn write_torch(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        save_torch(&self.tensors(), &path);
        path
    }

    /// As a folder in the layout of diffusers, with the tokenizer that goes with it.
    pub(crate) fn write_folder(&self, folder: &Path, prediction: Prediction) {
        self.write_folder_as(folder, prediction, false);
    }

    /// The same, with weights `pickled` as folders of old have them, or not.
    pub(crate) fn write_folder_as(&self, folder: &Path, prediction: Prediction, pickled: bool) {
        let tensors = self.tensors();
        let mut parts: HashMap<&str, HashMap<String, Tensor>> = HashMap::new();
        for (part, name, shape, source, row) in &self.sources {
            // OpenCLIP multiplies from the other side.
            let whole = if source.ends_with(".text_projection") {
                tensors[source].t().unwrap()
            } else {
                tensors[source].clone()
            };
            let tensor = whole.narrow(0, *row, shape[0]).unwrap().contiguous().unwrap();
            parts.entry(part).or_default().insert(name.clone(), tensor.reshape(shape.as_slice()).unwrap());
        }
        for (part, tensors) in parts {
            let stem = if part.starts_with("text_encoder") { "model" } else { "diffusion_pytorch_model" };
            write_json(&folder.join(part).join("config.json"), &self.configs[part]);
            if pickled {
                let stem = if stem == "model" { "pytorch_model" } else { stem };
                save_torch(&tensors, &folder.join(part).join(format!("{stem}.bin")));
            } else {
                let path = folder.join(part).join(format!("{stem}.safetensors"));
                candle_core::safetensors::save(&tensors, path).unwrap();
            }
        }
        let mut index = json!({
            "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
            "scheduler": ["diffusers", "PNDMScheduler"],
        });
        let opens_with_linear = self.configs["unet"]["use_linear_projection"] == true;
        for (part, class, tokenizer, pads_with_end) in [
            (
                "text_encoder",
                "CLIPTextModel",
                "tokenizer",
                !opens_with_linear || self.configs["text_encoder_2"].is_object(),
            ),
            ("text_encoder_2", "CLIPTextModelWithProjection", "tokenizer_2", false),
        ] {
            if self.configs[part].is_object() {
                index[part] = json!(["transformers", class]);
                index[tokenizer] = json!(["transformers", "CLIPTokenizer"]);
                write_tokenizer(&folder.join(tokenizer), if pads_with_end { "<|endoftext|>" } else { "!" });
            } else {
                index[part] = json!([null, null]);
                index[tokenizer] = json!([null, null]);
            }
        }
        index["force_zeros_for_empty_prompt"] =
            json!(self.configs["text_encoder"].is_object() && self.configs["text_encoder_2"].is_object());
        write_json(&folder.join("model_index.json"), &index);
        let prediction = if prediction == Prediction::VPrediction { "v_prediction" } else { "epsilon" };
        let scheduler = json!({
            "_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
            "prediction_type": prediction, "steps_offset": 1,
        });
        write_json(&folder.join("scheduler/scheduler_config.json"), &scheduler);
    }
}

/// Saves tensors as GGUF: matrices whose rows are whole blocks in `kind`, everything else in half precision. Gives all as they are read.
///
/// # Panics
/// If there is no such matrix.
pub(crate) fn save_gguf(tensors: &HashMap<String, Tensor>, path: &Path, kind: GgmlDType) -> HashMap<String, Tensor> {
    let in_blocks = |tensor: &Tensor| tensor.rank() == 2 && tensor.dims()[1].is_multiple_of(kind.block_size());
    assert!(tensors.values().any(in_blocks), "nothing in it can be {kind:?}");
    let quantised = |(name, tensor): (&String, &Tensor)| {
        let kind = if in_blocks(tensor) { kind } else { GgmlDType::F16 };
        (name.clone(), QTensor::quantize(&tensor.to_dtype(DType::F32).unwrap(), kind).unwrap())
    };
    let quantised: Vec<_> = tensors.iter().map(quantised).collect();
    let named: Vec<_> = quantised.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut std::fs::File::create(path).unwrap(), &[], &named).unwrap();
    let read = |(name, tensor): (String, QTensor)| {
        (name, tensor.dequantize(&candle_core::Device::Cpu).unwrap().to_dtype(DType::F16).unwrap())
    };
    quantised.into_iter().map(read).collect()
}

/// Makes a folder's part one of two files and an index, as large models have it.
pub(crate) fn shard(part: &Path, stem: &str) {
    let whole = part.join(format!("{stem}.safetensors"));
    let mut tensors: Vec<_> =
        candle_core::safetensors::load(&whole, &candle_core::Device::Cpu).unwrap().into_iter().collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let second = tensors.split_off(tensors.len() / 2);
    let mut map = serde_json::Map::new();
    for (index, half) in [tensors, second].into_iter().enumerate() {
        let file = format!("{stem}-{:05}-of-00002.safetensors", index + 1);
        map.extend(half.iter().map(|(name, _)| (name.clone(), json!(file))));
        candle_core::safetensors::save(&half.into_iter().collect::<HashMap<_, _>>(), part.join(file)).unwrap();
    }
    write_json(&part.join(format!("{stem}.safetensors.index.json")), &json!({ "metadata": {}, "weight_map": map }));
    std::fs::remove_file(whole).unwrap();
}

/// Saves tensors of half precision as `torch.save` does, in a `state_dict`.
pub(crate) fn save_torch(tensors: &HashMap<String, Tensor>, path: &Path) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut pickle = b"\x80\x02}(".to_vec();
    text(&mut pickle, "state_dict");
    pickle.extend(b"ccollections\nOrderedDict\n)R(");
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        let numbers = tensor.flatten_all().unwrap().to_vec1::<half::f16>().unwrap();
        text(&mut pickle, name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nHalfStorage\n");
        text(&mut pickle, &index.to_string());
        text(&mut pickle, "cpu");
        ints(&mut pickle, &[numbers.len()]);
        pickle.extend(b"tQK\x00(");
        ints(&mut pickle, tensor.dims());
        pickle.extend(b"t(");
        ints(&mut pickle, tensor.stride());
        pickle.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
        archive.start_file(format!("archive/data/{index}"), stored).unwrap();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        archive.write_all(&bytes).unwrap();
    }
    pickle.extend(b"uu.");
    archive.start_file("archive/data.pkl", stored).unwrap();
    archive.write_all(&pickle).unwrap();
    archive.finish().unwrap();
}

fn write_tokenizer(tokenizer: &Path, pad: &str) {
    let merges =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/tokenizer/clip-merges.txt"));
    let merges = merges.unwrap();
    let bytes: Vec<char> = (33..=126u8).chain(161..=172).chain(174..=255).map(char::from).collect();
    let others = (0..68u32).map(|index| char::from_u32(256 + index).unwrap());
    let bytes: Vec<String> = bytes.into_iter().chain(others).map(String::from).collect();
    let ends = bytes.iter().map(|character| format!("{character}</w>"));
    let merged = merges.lines().map(|merge| merge.replace(' ', ""));
    let special = ["<|startoftext|>".to_owned(), "<|endoftext|>".to_owned()];
    let pieces = bytes.iter().cloned().chain(ends).chain(merged).chain(special);
    let vocab: serde_json::Map<String, Value> = pieces.enumerate().map(|(id, piece)| (piece, json!(id))).collect();
    write_json(&tokenizer.join("vocab.json"), &Value::Object(vocab));
    std::fs::write(tokenizer.join("merges.txt"), format!("#version: 0.2\n{merges}")).unwrap();
    write_json(&tokenizer.join("tokenizer_config.json"), &json!({ "pad_token": pad }));
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn ints(pickle: &mut Vec<u8>, numbers: &[usize]) {
    for number in numbers {
        pickle.push(b'J');
        pickle.extend((*number as i32).to_le_bytes());
    }
}

fn write_json(path: &Path, value: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, value.to_string()).unwrap();
}
