//! Which models there are: what is added to them, and the pictures by which they are told apart.

use super::Session;
use super::document::sentence;
use super::files::Task;
use crate::checkpoints::{Library, ModelEntry};
use crate::pixels::{self, Picture};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Session {
    /// Reads the pictures that are kept with models and were not asked for yet.
    pub(super) fn look_at_models(&mut self) {
        let pictures = self.models.iter().filter_map(|model| {
            let path = model.details.as_ref()?.preview.clone()?;
            (!self.previewed.contains(&model.name)).then(|| (model.name.clone(), path))
        });
        for (model, path) in pictures.collect::<Vec<_>>() {
            self.previewed.push(model.clone());
            self.ask_files(Task::Preview { model, path });
        }
    }

    pub(super) fn take_preview(&mut self, model: String, picture: Result<Arc<Picture>, pixels::Error>) {
        match picture {
            Ok(picture) => {
                self.previews.insert(model, picture);
            }
            // The model can be chosen without it.
            Err(error) => tracing::info!("{error}"),
        }
    }

    /// Where models are looked for, this path first.
    pub(super) fn places_with(&self, path: &Path) -> Vec<PathBuf> {
        std::iter::once(path.to_owned()).chain(self.paths.model_folders(&self.settings)).collect()
    }

    /// Models were looked for at a path that a person added: what was found there is used, and looked for there from now on.
    pub(super) fn take_added(&mut self, path: &Path, library: Arc<Library>) {
        let found: Vec<&ModelEntry> = library.entries().iter().filter(|entry| entry.path.starts_with(path)).collect();
        let usable: Vec<String> =
            found.iter().filter(|entry| entry.summary.is_ok()).map(|entry| entry.name.clone()).collect();
        let problem = found.first().and_then(|entry| entry.summary.as_ref().err()).map(ToString::to_string);
        let [first, rest @ ..] = usable.as_slice() else {
            let why = problem.unwrap_or_else(|| format!("there is no model in {}", path.display()));
            self.notices.error(sentence(&why));
            return;
        };
        if !self.paths.model_folders(&self.settings).iter().any(|place| path.starts_with(place)) {
            self.settings.model_folders.push(path.to_owned());
            self.save_settings();
        }
        self.use_library(library);
        if rest.is_empty() {
            self.choose_model(&first.clone());
        } else {
            let text = format!("{} models were found in {}: choose one under “Model”", usable.len(), path.display());
            self.notices.passing(text, Vec::new());
        }
    }
}
