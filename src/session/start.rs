//! How the program makes a session: from what the user configured and the models that are found.

use super::{Clip, ControlNetChoice, Details, KnownVae, Model, Opening, Session, Wake};
use crate::checkpoints::download::Hub;
use crate::checkpoints::{Library, ModelEntry, PackedFolder, PredictionSource, VaeEntry};
use crate::diffusion::{Defaults, Precision, TrainingSigmas, Upscale};
use crate::engine::{self, Memory, Priority};
use crate::settings::{Paths, Settings};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

impl Session {
    /// The session that was left, or a first one, with the user's models and an engine that has them. `problem` is what was
    /// wrong with the settings.
    pub fn start(paths: Paths, settings: Settings, problem: Option<String>, wake: Wake) -> Self {
        let places = paths.model_folders(&settings);
        let library = Library::discover(&places);
        let preferred = library.preferred(settings.last_model.as_deref()).map(|entry| &entry.name);
        let models = models(&library, preferred.map(String::as_str));
        let upscalers = upscalers(&library, preferred.map(String::as_str));
        let controlnets = controlnets(&library);
        let clip = clip(&library, settings.clip.as_deref());
        let unusable_clip = settings.clip.as_ref().filter(|name| clip.as_ref().is_none_or(|clip| clip.name != **name));
        let unusable_clip = unusable_clip.map(|name| {
            format!(
                "The CLIP {name} that the settings name cannot be used: `sfumato models` says which are there and why"
            )
        });
        let device = engine::device();
        let precisions = Precision::ALL.iter().copied().filter(|precision| precision.is_there(&device)).collect();
        let engine_wake = Arc::clone(&wake);
        let packed = PackedFolder::new(paths.packed_folder(), settings.packed_gigabytes);
        let engine = Box::new(move || {
            let wake = Arc::clone(&engine_wake);
            let (library, packed) = (Library::discover(&places), Some(packed.clone()));
            engine::spawn(library, Priority::BelowWindow, Memory::Plenty, packed, move || wake())
        });
        let entropy = entropy();
        let mut session = Self::open(Opening {
            paths,
            settings,
            models,
            precisions,
            upscalers,
            controlnets,
            clip,
            engine,
            wake,
            entropy,
        });
        session.library = Some(Arc::new(library));
        session.memory = engine::device_memory();
        session.on_gpu = !device.is_cpu();
        session.set_hub_token(std::env::var(Hub::TOKEN).ok());
        if let Some(problem) = problem {
            session.notices.error(problem);
        }
        if let Some(problem) = engine::device_problem() {
            session.notices.standing(format!("The CPU paints, for the GPU cannot: {problem}"));
        }
        if let Some(gone) = unusable_clip {
            session.notices.info(gone);
        }
        session
    }
}

/// The one that the settings name if it can be used, else the first that can.
fn clip(library: &Library, name: Option<&str>) -> Option<Clip> {
    let entry = library.preferred_clip(name)?;
    let fingerprint = entry.summary.as_ref().ok()?.fingerprint.clone();
    Some(Clip { name: entry.name.clone(), fingerprint })
}

/// Any number, from the randomness that the standard library seeds its hash maps with.
pub fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// All models, the preferred one first.
pub(super) fn models(library: &Library, preferred: Option<&str>) -> Vec<Model> {
    let mut models: Vec<_> = library.entries().iter().map(|entry| model(library, entry)).collect();
    models.sort_by_key(|model| preferred != Some(&model.name));
    models
}

/// Those that make pictures larger.
pub(super) fn upscalers(library: &Library, model: Option<&str>) -> Vec<Upscale> {
    let preferred = library.preferred_upscaler(model).map(|entry| &entry.name);
    let mut entries: Vec<_> = library.upscalers().iter().collect();
    entries.sort_by_key(|entry| preferred != Some(&entry.name));
    let usable = entries.into_iter().filter_map(|entry| Some((entry, entry.summary.as_ref().ok()?.scale)));
    let enlarging = usable.filter(|(_, scale)| *scale > 1);
    enlarging
        .map(|(entry, scale)| Upscale { upscaler: entry.name.clone(), factor: f64::from(scale), refine: None })
        .collect()
}

/// Those that guide at least one of the models.
pub(super) fn controlnets(library: &Library) -> Vec<ControlNetChoice> {
    let mut choices: Vec<ControlNetChoice> = Vec::new();
    for model in library.entries() {
        for entry in library.controlnets_for(&model.name) {
            match choices.iter_mut().find(|choice| choice.name == entry.name) {
                Some(choice) => choice.models.push(model.name.clone()),
                None => choices.push(ControlNetChoice { name: entry.name.clone(), models: vec![model.name.clone()] }),
            }
        }
    }
    choices
}

fn known_vae(entry: &VaeEntry) -> KnownVae {
    KnownVae { name: entry.name.clone(), path: entry.path.clone(), hash: None }
}

fn model(library: &Library, entry: &ModelEntry) -> Model {
    let title = entry.display_name.as_ref().unwrap_or(&entry.name);
    match &entry.summary {
        Ok(summary) => {
            let training = TrainingSigmas::from_alphas_cumprod(&summary.training.alphas_cumprod);
            let defaults = Defaults::from_facts(summary.native_extent, &training, &summary.unet, summary.suggestion);
            let megabytes = summary.parameters_bytes.div_ceil(1_000_000);
            let family_name = summary.family.map_or("", |family| family.name);
            let family = if family_name.is_empty() { String::new() } else { format!("{family_name}, ") };
            let (extent, path) = (summary.native_extent, entry.path.display());
            let description = format!("{title}, {family}{extent}, {megabytes} MB, {path}");
            let edits = summary.unet.sees_picture();
            let is_guessed = summary.prediction_source == PredictionSource::Family;
            let device = engine::device();
            let mut model = Model::new(&entry.name, description, &defaults);
            model.example.precision = Precision::usual(&device);
            if edits {
                // It sees the picture, whatever it starts from.
                model.example.strength = 1.0;
            }
            Model {
                details: Some(Details {
                    kind: format!("{}{}", family_name, summary.use_alone()),
                    stored: summary.stored,
                    bytes: summary.parameters_bytes,
                    weights: summary.weights.on(&device),
                    vae_width: summary.vae_width,
                    path: entry.path.clone(),
                    preview: entry.preview(),
                }),
                guessed: is_guessed.then_some(summary.training.prediction),
                vaes: library.vaes_for(&entry.name).into_iter().map(known_vae).collect(),
                lenders: library.lenders(&entry.path).map(|lender| lender.name.clone()).collect(),
                skips_layers: summary.family.is_some_and(|family| family.skips_layers),
                edits,
                ..model
            }
        }
        Err(problem) => Model::unusable(&entry.name, entry.path.display().to_string(), problem.to_string()),
    }
}
