//! A session as the program starts it: the user's settings, the models on this machine, an engine of its own.

use super::{Model, Opening, Session, Wake};
use crate::checkpoints::{Library, ModelEntry};
use crate::diffusion::{Defaults, TrainingSigmas};
use crate::engine;
use crate::settings::{Paths, Settings};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

impl Session {
    /// Opens the session of the user whose files lie at `paths`. Models are looked for in the settings' folders, in the user's
    /// own, and where the program has them.
    pub fn start(paths: Paths, wake: Wake) -> Self {
        let (settings, complaint) = Settings::load(&paths.settings_file());
        let mut folders = settings.model_folders.clone();
        folders.push(paths.models_folder());
        let models = models_of(&Library::discover(&folders));
        let engine = Box::new({
            let wake = Arc::clone(&wake);
            move || start_engine(&folders, &wake)
        });
        // The standard library seeds each of these from the system's randomness.
        let entropy = RandomState::new().hash_one(0);
        let mut session = Self::open(Opening {
            paths,
            settings,
            models,
            engine,
            wake,
            entropy,
        });
        if let Some(complaint) = complaint {
            session.notices.error(super::document::sentence(&complaint));
        }
        session
    }
}

fn start_engine(folders: &[PathBuf], wake: &Wake) -> engine::Client {
    let wake = Arc::clone(wake);
    engine::spawn(Library::discover(folders), move || wake())
}

/// The models in the library's order, but for the smallest that can be used: it comes first, since it is the quickest way to a
/// first picture.
fn models_of(library: &Library) -> Vec<Model> {
    let mut entries: Vec<&ModelEntry> = library.entries().iter().collect();
    let usable = entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| Some((at, entry.summary.as_ref().ok()?.parameters_bytes)));
    if let Some((smallest, _)) = usable.min_by_key(|(_, bytes)| *bytes) {
        entries[..=smallest].rotate_right(1);
    }
    entries.into_iter().map(Model::of).collect()
}

impl Model {
    /// A model as it was found.
    fn of(entry: &ModelEntry) -> Self {
        let title = entry.display_name.as_deref().unwrap_or(&entry.name);
        let place = entry.path.display();
        match &entry.summary {
            Ok(summary) => {
                let training = TrainingSigmas::from_alphas_cumprod(&summary.training.alphas_cumprod);
                let defaults = Defaults::from_facts(summary.native_extent, &training);
                let megabytes = summary.parameters_bytes.div_ceil(1_000_000);
                let description = format!("{title}, {}, {megabytes} MB, {place}", summary.native_extent);
                Self::new(&entry.name, description, &defaults)
            }
            Err(problem) => Self::unusable(&entry.name, format!("{title}, {place}"), problem.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_with_what_suits_them_or_what_is_wrong_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("half a model");
        std::fs::create_dir(&broken).unwrap();
        std::fs::write(broken.join("model_index.json"), "{}").unwrap();
        let models = models_of(&Library::discover(&[folder.path().into()]));
        let bozzetto = models.first().unwrap();
        assert_eq!((bozzetto.name.as_str(), &bozzetto.problem), ("bozzetto", &None));
        assert_eq!(bozzetto.example.extent, crate::geom::Extent::new(128, 128));
        let half = models.iter().find(|model| model.name == "half a model").unwrap();
        assert!(half.problem.is_some());
    }
}
