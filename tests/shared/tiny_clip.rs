//! Tiny CLIPs as folders of files, their weights hashed from names.

use super::hashed;
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip")
}

pub(crate) fn fixture(name: &str) -> (Value, HashMap<String, Tensor>) {
    let json = std::fs::read_to_string(fixtures().join(format!("{name}.json"))).unwrap();
    let tensors = candle_core::safetensors::load(fixtures().join(format!("{name}.safetensors")), &Device::Cpu).unwrap();
    (serde_json::from_str(&json).unwrap(), tensors)
}

/// A tokenizer of 50 tokens: letters, and the two that begin and end a text.
fn write_tokenizer(folder: &Path) {
    let mut vocab: serde_json::Map<String, Value> =
        ('a'..='x').enumerate().map(|(id, letter)| (letter.to_string(), id.into())).collect();
    vocab.extend(('a'..='x').enumerate().map(|(id, letter)| (format!("{letter}</w>"), (24 + id).into())));
    vocab.insert("<|startoftext|>".into(), 48.into());
    vocab.insert("<|endoftext|>".into(), 49.into());
    std::fs::write(folder.join("vocab.json"), Value::from(vocab).to_string()).unwrap();
    std::fs::write(folder.join("merges.txt"), "#version: 0.2\n").unwrap();
}

/// The fixture's network as a folder of files.
pub(crate) fn write_folder(folder: &Path, fixture: &Value, config: &str, weights: &str, dtype: DType) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(config), fixture["config"].to_string()).unwrap();
    let parameters = fixture["parameters"].as_array().unwrap().iter().map(|parameter| {
        let name = parameter[0].as_str().unwrap();
        let shape: Vec<usize> = serde_json::from_value(parameter[1].clone()).unwrap();
        (name.to_owned(), hashed::weights(name, shape).to_dtype(dtype).unwrap())
    });
    candle_core::safetensors::save(&parameters.collect::<HashMap<_, _>>(), folder.join(weights)).unwrap();
    write_tokenizer(folder);
}
