//! `sfumato inspect`: what a picture was made with, and what is in a project or in a model's files. Nothing is loaded that need not be: of
//! weights only the header is read.

use super::{JSON_VERSION, describe, print, print_json};
use crate::checkpoints::{self, ClipEntry, ClipSummary, UpscalerEntry, UpscalerSummary, tensors_in};
use crate::metadata::{Found, PARAMETERS_KEY, from_texts};
use crate::paint::LayerLook;
use crate::pixels::{Picture, read_texts};
use crate::project::{self, Kind, Project};
use anyhow::{anyhow, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest header that the safetensors format allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;

pub(super) fn run(file: &Path, json: bool) -> anyhow::Result<()> {
    let ends_in = |ending: &str| file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    let (object, text) = if file.is_dir() {
        model(file)?
    } else if ends_in("pth") {
        upscaler(file).or_else(|problem| weights(file).map_err(|_| problem))?
    } else if ["safetensors", "gguf", "ckpt", "pt", "bin"].into_iter().any(ends_in) {
        weights(file)?
    } else if Kind::of(file).is_some() {
        project(file)?
    } else {
        picture(file)?
    };
    if json { print_json(&object) } else { print(&text) }
}

fn picture(file: &Path) -> anyhow::Result<(Value, String)> {
    let extent = Picture::load(file)?.extent();
    let texts = read_texts(file);
    let parameters = texts.iter().find(|(key, _)| key == PARAMETERS_KEY).map(|(_, text)| text);
    let found = from_texts(&texts);
    let says = found.is_some();
    let imported = found.unwrap_or_default();
    let unknown: Map<_, _> =
        imported.unknown.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    let object = json!({
        "version": JSON_VERSION,
        "kind": "picture",
        "file": describe::absolute(file),
        "extent": { "width": extent.width, "height": extent.height },
        "settings": describe::found(&imported.settings),
        "unknown": unknown,
        "differences": imported.differences,
        "parameters": parameters,
        "texts": texts.iter().map(|(key, _)| key).collect::<Vec<_>>(),
    });
    let mut text = format!("picture of {extent}\n");
    if says {
        text += &settings_as_text(&imported.settings);
    } else {
        text += "it does not say what it was made with\n";
    }
    for (key, value) in &imported.unknown {
        text += &line(&format!("({key})"), value);
    }
    if !imported.differences.is_empty() {
        text += &line("may differ", &imported.differences.join("\n"));
    }
    Ok((object, text))
}

/// A document in a file of its own: its layers as the window lists them, the uppermost first.
fn project(file: &Path) -> anyhow::Result<(Value, String)> {
    let project::Opened { project, notes } = Project::open(file)?;
    let layers: Vec<_> = project.stack.layers().iter().rev().map(|layer| &layer.look).collect();
    let prompt = project.settings.as_ref().and_then(|settings| settings["prompt"].as_str());
    let as_json = |look: &&LayerLook| {
        let parameters = look.recipes.last().map(|recipe| recipe["parameters"].clone());
        json!({
            "name": look.name,
            "kind": look.kind,
            "visible": look.visible,
            "opacity": look.opacity,
            "prompt": look.prompt,
            "parameters": parameters,
        })
    };
    let guide = project.guide.as_ref().map(|guide| guide.extent());
    let object = json!({
        "version": JSON_VERSION,
        "kind": "project",
        "file": describe::absolute(file),
        "extent": { "width": project.extent.width, "height": project.extent.height },
        "layers": layers.iter().map(as_json).collect::<Vec<_>>(),
        "masked": project.mask.is_some(),
        "guide": guide.map(|extent| json!({ "width": extent.width, "height": extent.height })),
        "prompt": prompt,
        "notes": notes,
    });
    let plural = if layers.len() == 1 { "" } else { "s" };
    let mut text = format!("project of {}, {} layer{plural}\n", project.extent, layers.len());
    for look in layers {
        text += &line(if look.visible { "layer" } else { "hidden layer" }, &look.name);
    }
    if project.mask.is_some() {
        text += &line("mask", "some of it is masked");
    }
    if let Some(extent) = guide {
        text += &line("guided by", &format!("a picture of {extent}"));
    }
    if let Some(prompt) = prompt.filter(|prompt| !prompt.is_empty()) {
        text += &line("prompt", prompt);
    }
    for note in &notes {
        text += &line("note", note);
    }
    Ok((object, text))
}

fn settings_as_text(found: &Found) -> String {
    let Value::Object(settings) = describe::found(found) else {
        return String::new();
    };
    let mut text = String::new();
    for (key, value) in settings {
        let value = match (key.as_str(), value) {
            ("extent", _) => found.extent.map(|extent| extent.to_string()).unwrap_or_default(),
            (_, value) => in_words(&value),
        };
        if !value.is_empty() {
            text += &line(&key.replace('_', " "), &value);
        }
    }
    text
}

/// A value as one line of text: what is not said is left out.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(is_so) => String::from(if *is_so { "yes" } else { "no" }),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(values) => {
            let said = values.iter().map(|(key, value)| (key.replace('_', " "), in_words(value)));
            let said = said.filter(|(_, value)| !value.is_empty()).map(|(key, value)| format!("{key} {value}"));
            said.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A key and its value; further lines of the value stand below its first.
fn line(key: &str, value: &str) -> String {
    format!("{key:16} {}\n", value.replace('\n', &format!("\n{:17}", "")))
}

fn model(folder: &Path) -> anyhow::Result<(Value, String)> {
    let (library, _) = super::library(Some(folder));
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let same = |path: &Path| path.canonicalize().is_ok_and(|path| path == name);
    let Some(entry) = library.entries().iter().find(|entry| same(&entry.path)) else {
        return match ClipEntry::of_folder(folder.to_owned()).summary {
            Err(checkpoints::Error::NotAClip(_)) => bail!(
                "this folder holds no model: a diffusers model has a model_index.json in its folder, a CLIP a config.json: {}",
                folder.display()
            ),
            Err(error) => bail!("{error}"),
            Ok(summary) => Ok(clip(folder, &summary)),
        };
    };
    let summary = match &entry.summary {
        Ok(summary) => summary,
        Err(error) => bail!("{error}"),
    };
    let mut parts = Vec::new();
    let kind = super::models::kind(summary);
    let kind = if kind.is_empty() { kind } else { format!(", {kind}") };
    let mut text = format!("model {}{kind}, paints {} best\n", entry.name, summary.native_extent);
    for part in ["text_encoder", "text_encoder_2", "unet", "vae"] {
        for file in safetensors_in(&folder.join(part))? {
            let header = Header::read(&file)?;
            text += &line(part, &header.in_words());
            parts.push(json!({ "part": part, "file": describe::absolute(&file), "dtypes": header.dtypes(), "parameters": header.parameters() }));
        }
    }
    let object = json!({
        "version": JSON_VERSION,
        "kind": "model",
        "model": super::models::as_json(entry),
        "name": entry.name,
        "path": describe::absolute(folder),
        "extent": { "width": summary.native_extent.width, "height": summary.native_extent.height },
        "bytes": summary.parameters_bytes,
        "parts": parts,
    });
    Ok((object, text))
}

fn clip(folder: &Path, summary: &ClipSummary) -> (Value, String) {
    let ClipSummary { side, dimensions, bytes, fingerprint } = summary;
    let object = json!({
        "version": JSON_VERSION,
        "kind": "clip",
        "path": describe::absolute(folder),
        "side": side,
        "dimensions": dimensions,
        "bytes": bytes,
        "fingerprint": fingerprint,
    });
    let text = format!(
        "CLIP, compares words with pictures of {side}x{side}\n{}{}{}",
        line("dimensions", &dimensions.to_string()),
        line("megabytes", &bytes.div_ceil(1_000_000).to_string()),
        line("fingerprint", fingerprint),
    );
    (object, text)
}

fn safetensors_in(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| anyhow!("this folder cannot be read ({error}): {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn weights(file: &Path) -> anyhow::Result<(Value, String)> {
    let is_safetensors = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors"));
    let header = if is_safetensors { Header::read(file)? } else { Header::of_other(file)? };
    let mut library = super::library(Some(file)).0;
    let vae = library.add_vae(file.to_owned());
    let vae = library.find_vae(&vae).ok().filter(|entry| entry.summary.is_ok());
    let entry = library.entries().iter().find(|entry| entry.path == file && entry.summary.is_ok());
    // Whole checkpoints hold a VAE, too.
    let (model, vae) =
        (entry.map(super::models::as_json), vae.filter(|_| entry.is_none()).map(super::models::vae_as_json));
    let mut text = String::new();
    if let Some(Ok(summary)) = entry.map(|entry| &entry.summary) {
        let kind = super::models::kind(summary);
        text += &line("model", &format!("{kind}, paints {} best", summary.native_extent));
        text += &summary.lacks.map_or_else(String::new, |lacks| line("of its own", &format!("it has {lacks}")));
    }
    if vae.is_some() {
        text += &line("VAE", "apart from a model");
    }
    text += &header.in_words();
    text.push('\n');
    for (name, tensor) in &header.tensors {
        writeln!(text, "{name}\t{}\t{:?}", tensor.dtype, tensor.shape).expect("a string takes everything");
    }
    for (key, value) in &header.metadata {
        text += &line(&format!("({key})"), value);
    }
    let tensors: Vec<_> = header
        .tensors
        .iter()
        .map(|(name, tensor)| json!({ "name": name, "dtype": tensor.dtype, "shape": tensor.shape }))
        .collect();
    let object = json!({
        "version": JSON_VERSION,
        "kind": "weights",
        "file": describe::absolute(file),
        "model": model,
        "vae": vae,
        "parameters": header.parameters(),
        "dtypes": header.dtypes(),
        "tensors": tensors,
        "metadata": header.metadata,
    });
    Ok((object, text))
}

/// A .pth file is an upscaler, or nothing that is known here.
fn upscaler(file: &Path) -> anyhow::Result<(Value, String)> {
    let UpscalerSummary { kind, scale, bytes } = UpscalerEntry::of_file(file.to_owned()).summary?;
    let text = format!("upscaler, {kind}, {scale} times larger, {bytes} bytes of weights\n");
    let object = json!({
        "version": JSON_VERSION,
        "kind": "upscaler",
        "file": describe::absolute(file),
        "network": kind,
        "scale": scale,
        "bytes": bytes,
    });
    Ok((object, text))
}

/// The header of a safetensors file: 8 bytes of length (little-endian), then JSON.
#[derive(Debug, Default)]
struct Header {
    tensors: BTreeMap<String, TensorInfo>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, serde::Deserialize)]
struct TensorInfo {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl Header {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let unreadable =
            |error| anyhow!("this file cannot be read ({error}): check the path and its permissions: {shown}");
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut prefix = [0; 8];
        let header_length = file.read_exact(&mut prefix).map_or(u64::MAX, |()| u64::from_le_bytes(prefix));
        if header_length > MAX_HEADER_BYTES || header_length > length.saturating_sub(8) {
            bail!("this is not a safetensors file, or only the beginning of one: fetch it again: {shown}");
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let header = Self::parse(&header).map_err(|error| {
            anyhow!("the header of this safetensors file is damaged ({error}): fetch the file again: {shown}")
        })?;
        let needed = header.tensors.values().map(|tensor| tensor.data_offsets[1]).max().unwrap_or(0);
        let found = length - 8 - header_length;
        if needed > found {
            bail!("this file is cut off: {found} bytes of tensors of {needed} are there: fetch it again: {shown}");
        }
        Ok(header)
    }

    /// Of a file that is not safetensors.
    fn of_other(path: &Path) -> anyhow::Result<Self> {
        let tensor = |tensor: checkpoints::StoredTensor| {
            let shape = tensor.shape.into_iter().map(|side| side as u64).collect();
            (tensor.name, TensorInfo { dtype: tensor.stored.to_uppercase(), shape, data_offsets: [0, 0] })
        };
        let tensors = tensors_in(path)?.into_iter().map(tensor).collect();
        Ok(Self { tensors, metadata: BTreeMap::new() })
    }

    fn parse(json: &[u8]) -> serde_json::Result<Self> {
        let mut header = Self::default();
        for (name, value) in serde_json::from_slice::<Map<String, Value>>(json)? {
            if name == "__metadata__" {
                header.metadata = serde_json::from_value(value)?;
            } else {
                header.tensors.insert(name, serde_json::from_value(value)?);
            }
        }
        Ok(header)
    }

    /// How many numbers all tensors hold.
    fn parameters(&self) -> u64 {
        let of = |tensor: &TensorInfo| tensor.shape.iter().fold(1, |product: u64, &side| product.saturating_mul(side));
        self.tensors.values().map(of).fold(0, u64::saturating_add)
    }

    /// How many tensors of each type.
    fn dtypes(&self) -> BTreeMap<&str, usize> {
        let mut dtypes = BTreeMap::new();
        for tensor in self.tensors.values() {
            *dtypes.entry(tensor.dtype.as_str()).or_default() += 1;
        }
        dtypes
    }

    fn in_words(&self) -> String {
        let dtypes: Vec<_> = self.dtypes().iter().map(|(dtype, count)| format!("{count} {dtype}")).collect();
        format!("{} numbers in {} tensors ({})", self.parameters(), self.tensors.len(), dtypes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(header: &str, data: usize) -> tempfile::NamedTempFile {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    const TWO: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},
        "b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}"#;

    #[test]
    fn a_header_tells_tensors_types_and_numbers() {
        let header = Header::read(file_of(TWO, 16).path()).unwrap();
        assert_eq!(header.parameters(), 7);
        assert_eq!(header.in_words(), "7 numbers in 2 tensors (1 F16, 1 F32)");
        assert_eq!(header.metadata["format"], "pt");
    }

    #[test]
    fn a_damaged_file_is_told_from_a_cut_one() {
        let told = |header: &str, data| Header::read(file_of(header, data).path()).unwrap_err().to_string();
        assert!(told(TWO, 15).contains("15 bytes of tensors of 16"));
        assert!(told("{\"a\":", 0).contains("the header of this safetensors file is damaged"));
        let cut = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(cut.path(), [255; 9]).unwrap();
        assert!(Header::read(cut.path()).unwrap_err().to_string().contains("not a safetensors file"));
    }

    #[test]
    fn a_value_is_said_in_words_and_what_is_not_said_is_left_out() {
        let value = json!({ "deep_every": 2, "exact_steps": true, "variation": null, "with": ["a", "b"] });
        assert_eq!(in_words(&value), "deep every 2, exact steps yes, with a, b");
        let found = Found { negative_prompt: Some(String::new()), seed: Some(3), ..Found::default() };
        assert_eq!(settings_as_text(&found), line("seed", "3"));
    }

    #[test]
    fn further_lines_of_a_value_stand_below_its_first() {
        assert_eq!(line("prompt", "a\nb"), "prompt           a\n                 b\n");
    }
}
