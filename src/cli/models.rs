//! `sfumato models`: what can be painted, upscaled and guided with, and what is wrong with the rest.

use super::clip::ChosenClip;
use super::{JSON_VERSION, describe, print, print_json};
use crate::checkpoints::{
    self, ClipEntry, ClipSummary, ControlNetEntry, Hashes, LearnedWordEntry, Library, LoraEntry, ModelEntry,
    Prediction, Summary, UpscalerEntry, UpscalerSummary, VaeEntry,
};
use crate::diffusion::{Defaults, TrainingSigmas};
use crate::engine;
use crate::settings::Paths;
use anyhow::{anyhow, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A model to paint with.
#[derive(Debug)]
pub(super) struct Chosen {
    /// As requests name it.
    pub(super) name: String,
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Whether it edits pictures by instruction.
    pub(super) edits: bool,
    /// What suits it.
    pub(super) defaults: Defaults,
}

pub(super) fn run(library: &Library, hash: bool, json: bool) -> anyhow::Result<()> {
    let entries = library.entries();
    let hashes = hashes(library, hash);
    if json {
        let models: Vec<_> = entries.iter().map(|entry| with_hash(as_json(entry), &entry.path, &hashes)).collect();
        let upscalers: Vec<_> = library.upscalers().iter().map(upscaler_as_json).collect();
        let controlnets: Vec<_> =
            library.controlnets().iter().map(|entry| controlnet_as_json(entry, library)).collect();
        let clips: Vec<_> = library.clips().iter().map(clip_as_json).collect();
        return print_json(&json!({
            "version": JSON_VERSION, "models": models, "upscalers": upscalers, "controlnets": controlnets, "clips": clips,
            "loras": library.loras().iter().map(lora_as_json).collect::<Vec<_>>(),
            "embeddings": library.embeddings().iter().map(embedding_as_json).collect::<Vec<_>>(),
            "vaes": library.vaes().iter().map(|entry| with_hash(vae_as_json(entry), &entry.path, &hashes)).collect::<Vec<_>>(),
        }));
    }
    let mut text: String = entries.iter().map(|entry| as_text(entry, &hashes)).collect();
    if entries.is_empty() {
        text += "there is no model: put a diffusers folder into a `models` folder next to the program\n";
    }
    text.extend(library.upscalers().iter().map(upscaler_as_text));
    text.extend(library.controlnets().iter().map(|entry| controlnet_as_text(entry, library)));
    text.extend(library.clips().iter().map(clip_as_text));
    text.extend(library.loras().iter().map(lora_as_text));
    text.extend(library.embeddings().iter().map(embedding_as_text));
    text.extend(library.vaes().iter().map(vae_as_text));
    print(&text)
}

/// Bytes that are read at once for a model's hash, whether somebody asked for it or not: it takes a blink.
const AT_ONCE: u64 = 64_000_000;

/// What is known of the contents of the models and the VAEs; what is not known is read where it is small, and with `all` whatever it takes.
fn hashes(library: &Library, all: bool) -> Hashes {
    let Ok(paths) = Paths::from_environment() else {
        return Hashes::default();
    };
    let mut hashes = Hashes::load(&paths.hashes_file());
    let save = |hashes: &Hashes| hashes.save().unwrap_or_else(|problem| tracing::warn!("{problem}"));
    let models = library.entries().iter().filter(|entry| entry.summary.is_ok()).map(|entry| &entry.path);
    let vaes = library.vaes().iter().filter(|entry| entry.summary.is_ok()).map(|entry| &entry.path);
    let usable = models.chain(vaes);
    let unknown = usable.filter_map(|path| Some((path, Hashes::bytes(path).filter(|_| hashes.of(path).is_none())?)));
    let unknown: Vec<_> = unknown.filter(|(_, bytes)| all || *bytes <= AT_ONCE).collect();
    for (path, bytes) in &unknown {
        if let Err(problem) = hashes.read(path) {
            tracing::warn!("{problem}");
        }
        // What took long is not read again if the next is broken off.
        if *bytes > AT_ONCE {
            save(&hashes);
        }
    }
    if !unknown.is_empty() {
        save(&hashes);
    }
    hashes
}

/// The model of this name or in this folder; without a wish, the preferred one.
pub(super) fn chosen(library: &Library, wish: Option<&str>, used_last: Option<&str>) -> anyhow::Result<Chosen> {
    let entry = match wish {
        None => library.preferred(used_last).ok_or_else(|| {
            anyhow!("there is no model that can be used: `sfumato models` says what is wrong with those that are there")
        })?,
        Some(wish) => {
            let found = library.find(wish).map_err(engine::Error::from)?;
            let folder = found.canonicalize().unwrap_or_else(|_| found.clone());
            let is_it = |entry: &&ModelEntry| entry.path.canonicalize().is_ok_and(|path| path == folder);
            let entry = library.entries().iter().find(is_it);
            entry.ok_or_else(|| engine::Error::from(checkpoints::why_no_model(found)))?
        }
    };
    match &entry.summary {
        Ok(summary) => {
            let training = TrainingSigmas::from_alphas_cumprod(&summary.training.alphas_cumprod);
            let defaults = Defaults::from_facts(summary.native_extent, &training, &summary.unet, summary.suggestion);
            Ok(Chosen {
                name: entry.name.clone(),
                path: entry.path.clone(),
                edits: summary.unet.sees_picture(),
                defaults,
            })
        }
        Err(problem) => bail!("{problem}"),
    }
}

/// The CLIP of this name or in this folder; without a wish, the one that the settings name, else the first that can be used.
pub(super) fn chosen_clip(
    library: &Library,
    wish: Option<&str>,
    configured: Option<&str>,
) -> anyhow::Result<ChosenClip> {
    let in_folder = wish.map(Path::new).filter(|path| path.is_dir()).map(|path| ClipEntry::of_folder(path.to_owned()));
    let entry = match (&in_folder, wish) {
        (Some(entry), _) => entry,
        (None, Some(name)) => library.find_clip(name).map_err(engine::Error::from)?,
        (None, None) => library.preferred_clip(configured).ok_or_else(|| {
            anyhow!(
                "there is no CLIP that can be used to compare pictures with words: put its folder into the folder `clip` in the \
                 folder of models; `sfumato models` says what is wrong with those that are there"
            )
        })?,
    };
    if let (None, Some(name)) = (wish, configured.filter(|name| *name != entry.name)) {
        tracing::warn!("the CLIP {name} that the settings name cannot be used, so it is {}", entry.name);
    }
    match &entry.summary {
        Ok(summary) => Ok(ChosenClip {
            name: entry.name.clone(),
            folder: entry.path.clone(),
            fingerprint: summary.fingerprint.clone(),
        }),
        Err(problem) => bail!("{problem}"),
    }
}

/// An entry with its hash, if that is known.
fn with_hash(mut object: Value, path: &Path, hashes: &Hashes) -> Value {
    object["hash"] = json!(hashes.of(path));
    object
}

pub(super) fn as_json(entry: &ModelEntry) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "family": summary.ok().and_then(|summary| Some(summary.family?.key)),
        "distilled": summary.ok().and_then(|summary| Some(summary.suggestion.distilled?.name())),
        "lacks": summary.ok().and_then(|summary| summary.lacks),
        "edits": summary.ok().map(|summary| summary.unet.sees_picture()),
        "lcm": summary.ok().map(|summary| summary.unet.guidance_width.is_some()),
        "inpainting": summary.ok().map(|summary| summary.unet.sees_mask()),
        "format": summary.ok().map(|summary| summary.format.key()),
        "prediction": summary.ok().map(|summary| summary.training.prediction.name()),
        "prediction_from": summary.ok().map(|summary| summary.prediction_source.key()),
        "bytes": summary.ok().map(|summary| summary.parameters_bytes),
        "extent": summary.ok().map(|summary| json!({ "width": summary.native_extent.width, "height": summary.native_extent.height })),
        "problem": summary.err().map(ToString::to_string),
    })
}

/// Family, what it is for and, where it is not the noise, what its network's output means.
pub(super) fn kind(summary: &Summary) -> String {
    let family = summary.family.map_or("", |family| family.name);
    let prediction = match summary.training.prediction {
        Prediction::Epsilon => String::new(),
        prediction => format!(" {}-prediction", prediction.name()),
    };
    format!("{family}{}{prediction}", summary.use_alone()).trim().to_owned()
}

fn as_text(entry: &ModelEntry, hashes: &Hashes) -> String {
    match &entry.summary {
        Ok(summary) => format!(
            "{}{}\t{}\t{}\t{} MB\t{}\n",
            entry.name,
            hashes.of(&entry.path).map_or_else(String::new, |hash| format!(" [{hash}]")),
            kind(summary),
            summary.native_extent,
            summary.parameters_bytes.div_ceil(1_000_000),
            entry.path.display()
        ),
        Err(problem) => format!("{}\tcannot be used: {problem}\t{}\n", entry.name, entry.path.display()),
    }
}

fn lora_as_json(entry: &LoraEntry) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "family": summary.ok().and_then(|summary| Some(summary.family?.key)),
        "layers": summary.ok().map(|summary| summary.layers),
        "bytes": summary.ok().map(|summary| summary.bytes),
        "problem": summary.err().map(ToString::to_string),
    })
}

fn lora_as_text(entry: &LoraEntry) -> String {
    match &entry.summary {
        Ok(summary) => {
            let family = summary.family.map_or("", |family| family.name);
            format!("{}\tLoRA, {} layers\t{family}\t{}\n", entry.name, summary.layers, entry.path.display())
        }
        Err(problem) => format!("{}\tcannot be used: {problem}\t{}\n", entry.name, entry.path.display()),
    }
}

fn embedding_as_json(entry: &LearnedWordEntry) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "vectors": summary.ok().map(|summary| summary.vectors),
        "widths": summary.ok().map(|summary| &summary.widths),
        "problem": summary.err().map(ToString::to_string),
    })
}

fn embedding_as_text(entry: &LearnedWordEntry) -> String {
    match &entry.summary {
        Ok(summary) => {
            let family = summary.family().unwrap_or_default();
            format!("{}\tembedding, {} vectors\t{family}\t{}\n", entry.name, summary.vectors, entry.path.display())
        }
        Err(problem) => format!("{}\tcannot be used: {problem}\t{}\n", entry.name, entry.path.display()),
    }
}

pub(super) fn vae_as_json(entry: &VaeEntry) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "tiny": summary.ok().map(|summary| summary.is_tiny),
        "latent_channels": summary.ok().map(|summary| summary.latent_channels),
        "bytes": summary.ok().map(|summary| summary.bytes),
        "problem": summary.err().map(ToString::to_string),
    })
}

fn vae_as_text(entry: &VaeEntry) -> String {
    match &entry.summary {
        Ok(summary) => {
            let kind = if summary.is_tiny { "tiny VAE" } else { "VAE" };
            format!("{}\t{kind}\t{} MB\t{}\n", entry.name, summary.bytes.div_ceil(1_000_000), entry.path.display())
        }
        Err(problem) => format!("{}\tcannot be used: {problem}\t{}\n", entry.name, entry.path.display()),
    }
}

fn upscaler_as_json(entry: &UpscalerEntry) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "model": entry.model,
        "kind": summary.ok().map(|summary| &summary.kind),
        "scale": summary.ok().map(|summary| summary.scale),
        "bytes": summary.ok().map(|summary| summary.bytes),
        "problem": summary.err().map(ToString::to_string),
    })
}

fn clip_as_json(entry: &ClipEntry) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "model": entry.model,
        "side": summary.ok().map(|summary| summary.side),
        "dimensions": summary.ok().map(|summary| summary.dimensions),
        "bytes": summary.ok().map(|summary| summary.bytes),
        "problem": summary.err().map(ToString::to_string),
    })
}

fn clip_as_text(entry: &ClipEntry) -> String {
    let path = entry.path.display();
    match &entry.summary {
        Ok(ClipSummary { side, bytes, .. }) => {
            let megabytes = bytes.div_ceil(1_000_000);
            format!("{}\tcompares pictures with words\t{side}x{side}\t{megabytes} MB\t{path}\n", entry.name)
        }
        Err(problem) => format!("{}\tcannot be used: {problem}\t{path}\n", entry.name),
    }
}

fn upscaler_as_text(entry: &UpscalerEntry) -> String {
    let path = entry.path.display();
    match &entry.summary {
        Ok(UpscalerSummary { kind, scale, bytes }) => {
            let kilobytes = bytes.div_ceil(1000);
            format!("{}\tupscales {scale}x\t{kilobytes} kB\t{kind}\t{path}\n", entry.name)
        }
        Err(problem) => format!("{}\tcannot be used: {problem}\t{path}\n", entry.name),
    }
}

fn controlnet_as_json(entry: &ControlNetEntry, library: &Library) -> Value {
    let summary = entry.summary.as_ref();
    json!({
        "name": entry.name,
        "path": describe::absolute(&entry.path),
        "model": entry.model,
        "fits": models_guided_by(entry, library),
        "bytes": summary.ok().map(|summary| summary.bytes),
        "problem": summary.err().map(ToString::to_string),
    })
}

fn controlnet_as_text(entry: &ControlNetEntry, library: &Library) -> String {
    let path = entry.path.display();
    match &entry.summary {
        Ok(summary) => {
            let megabytes = summary.bytes.div_ceil(1_000_000);
            let guides = match models_guided_by(entry, library).as_slice() {
                [] => "fits none of the models".to_owned(),
                models => format!("guides {}", models.join(", ")),
            };
            format!("{}\t{guides}\t{megabytes} MB\t{path}\n", entry.name)
        }
        Err(problem) => format!("{}\tcannot be used: {problem}\t{path}\n", entry.name),
    }
}

/// The models that it fits.
fn models_guided_by<'a>(entry: &ControlNetEntry, library: &'a Library) -> Vec<&'a str> {
    let models = library.entries().iter().map(|model| model.name.as_str());
    models.filter(|model| library.controlnets_for(model).iter().any(|other| other.name == entry.name)).collect()
}
