//! Which models there are: what is added to them, and the pictures by which they are told apart.

use super::document::sentence;
use super::files::Task;
use super::start::{controlnets, models, upscalers};
use super::{Action, Draft, ModelState, NoticeKind, Offer, Session};
use crate::checkpoints::{Library, ModelEntry};
use crate::engine::Command;
use crate::pixels::{self, Picture};
use crate::prompt::loras;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

/// Why models are looked for.
pub(super) enum Added {
    /// A person added a path.
    Dropped(PathBuf),
    /// A person added a folder to look in, which is remembered already.
    Folder(PathBuf),
    /// A folder is not looked in any more.
    Nothing,
    /// A path came from a hub.
    Downloaded { repo: String, path: PathBuf },
}

/// What was found.
pub(super) struct FoundModels {
    added: Added,
    /// Where was looked, beside what was added.
    places: Vec<PathBuf>,
    library: Arc<Library>,
    /// Whether all that was added is found in these places alone.
    is_known: bool,
}

impl FoundModels {
    /// Looks for models in these places, and first in a path that a person added.
    pub(super) fn look(added: Added, places: Vec<PathBuf>) -> Self {
        let mut library = Library::discover(&places);
        let mut is_known = true;
        if let Added::Dropped(path) = &added {
            let with_it = Library::discover(&[slice::from_ref(path), &places].concat());
            let has = |entry: &ModelEntry| library.entries().iter().any(|known| known.path == entry.path);
            let beside = |library: &Library| library.beside_models(path).len();
            is_known = places.iter().any(|place| path.starts_with(place))
                && entries_in(&with_it, path).all(has)
                && beside(&library) == beside(&with_it);
            if !is_known {
                library = with_it;
            }
        }
        Self { added, places, library: Arc::new(library), is_known }
    }
}

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

    /// Looks for models anew.
    pub(super) fn find_models(&mut self, added: Added) {
        let places = self.paths.model_folders(&self.settings);
        self.ask_files(Task::FindModels { added, places });
    }

    /// Models were looked for.
    pub(super) fn take_found(&mut self, found: FoundModels) {
        if found.places != self.paths.model_folders(&self.settings) {
            // Another path was added meanwhile: what is in that would be forgotten.
            return self.find_models(found.added);
        }
        match found.added {
            Added::Dropped(path) => self.take_added(path, found.is_known, found.library),
            Added::Folder(path) => self.take_folder(&path, found.library),
            Added::Nothing => {
                let old = self.model().map(|model| model.example.clone());
                self.use_library(found.library);
                self.leave_missing_model(old.as_ref());
            }
            Added::Downloaded { repo, path } => self.take_downloaded(&repo, &path, found.library),
        }
    }

    /// What was found at a path that a person added is used, and looked for there from now on.
    fn take_added(&mut self, path: PathBuf, is_known: bool, library: Arc<Library>) {
        let found: Vec<&ModelEntry> = entries_in(&library, &path).collect();
        let usable: Vec<String> =
            found.iter().filter(|entry| entry.summary.is_ok()).map(|entry| entry.name.clone()).collect();
        let problem = found.first().and_then(|entry| entry.summary.as_ref().err()).map(ToString::to_string);
        let beside = said_of(&library.beside_models(&path), &path);
        let [first, rest @ ..] = usable.as_slice() else {
            if let Some(said) = beside {
                self.use_library(library);
                self.notices.info(said);
                self.remember_place(path, is_known);
                return;
            }
            let why = problem.unwrap_or_else(|| format!("there is no model in {}", path.display()));
            self.notices.failed(sentence(&why));
            return;
        };
        self.use_library(library);
        if rest.is_empty() {
            self.choose_model(first);
        } else {
            let text = format!("{} models were found in {}: choose one under “Model”", usable.len(), path.display());
            self.notices.passing(text);
        }
        if let Some(said) = beside {
            self.notices.passing(said);
        }
        self.remember_place(path, is_known);
    }

    /// What was found at a path is looked for there from now on.
    fn remember_place(&mut self, path: PathBuf, is_known: bool) {
        if !is_known {
            // Before the others: where two have one name, the one that was added last is meant, now and the next time.
            self.settings.model_folders.insert(0, path);
            self.save_settings();
        }
    }

    /// Says what is new with a folder that is looked in from now on.
    fn take_folder(&mut self, path: &Path, library: Arc<Library>) {
        let is_new =
            |entry: &&ModelEntry| entry.summary.is_ok() && self.models.iter().all(|known| known.name != entry.name);
        let models = library.entries().iter().filter(is_new).count();
        let beside = said_of(&library.beside_models(path), path);
        let place = path.display();
        let said = match models {
            0 if beside.is_some() => None,
            0 => Some(format!("Nothing new was found in {place}: what is put there is found with the next start")),
            1 => Some(format!("A model more was found with {place}: choose it under “Model”")),
            _ => Some(format!("{models} models more were found with {place}: choose one under “Model”")),
        };
        self.use_library(library);
        for said in said.into_iter().chain(beside) {
            self.notices.passing(said);
        }
    }

    /// Goes over to another model, and leaves the upscaler out, where the chosen ones are not found any more. `old` is what suited the model.
    fn leave_missing_model(&mut self, old: Option<&Draft>) {
        self.forget_missing_upscaler();
        if self.model().is_some() {
            return;
        }
        let usable = self.models.iter().find(|model| model.problem.is_none());
        let Some(new) = usable.or(self.models.first()).map(|model| model.example.clone()) else { return };
        let gone = self.draft.model.clone();
        self.draft.change_model(old, &new);
        self.notices.info(format!("The model {gone} is not there any more: {} is used instead", new.model));
        self.load_model();
    }

    fn take_downloaded(&mut self, repo: &str, path: &Path, library: Arc<Library>) {
        let entry = library.entries().iter().find(|entry| entry.path == path);
        let (name, problem) = entry.map_or((None, None), |entry| {
            (Some(entry.name.clone()), entry.summary.as_ref().err().map(ToString::to_string))
        });
        self.use_library(library);
        match (name, problem) {
            (_, Some(problem)) => {
                self.notices.error(format!("{repo} was downloaded, but cannot be used: {problem}"));
            }
            (Some(name), None) => {
                let offer = Offer { label: "Paint with it".into(), action: Action::ChooseModel(name.clone()) };
                self.notices.push(NoticeKind::Info, format!("{name} was downloaded"), vec![offer]);
            }
            (None, None) => {
                self.notices.standing(format!("{repo} was downloaded to {}", path.display()));
            }
        }
    }

    /// Goes over to these models, here and in the engine; what is loaded stays so, unless another has its name now.
    fn use_library(&mut self, library: Arc<Library>) {
        let preferred = library.preferred(self.settings.last_model.as_deref()).map(|entry| entry.name.clone());
        let mut found = models(&library, preferred.as_deref());
        let mut is_replaced = false;
        for model in &mut found {
            let Some(known) = self.models.iter().find(|known| known.name == model.name) else { continue };
            // It tells where the model lies.
            if known.description == model.description {
                model.state = if known.problem.is_none() { known.state } else { ModelState::OnDisk };
            } else {
                is_replaced |= model.name == self.draft.model && known.state != ModelState::OnDisk;
                self.previewed.retain(|name| *name != model.name);
                self.previews.remove(&model.name);
            }
        }
        self.models = found;
        self.recall_hashes();
        self.upscalers = upscalers(&library, preferred.as_deref());
        self.controlnets = controlnets(&library);
        self.engine.send(Command::UseLibrary(Arc::clone(&library)));
        self.library = Some(library);
        self.look_at_styles();
        if is_replaced {
            self.load_model();
        }
    }

    /// Says which `LoRA`s the prompt asks for that are not on this machine; nobody looks for those of the negative one. A tag that cannot
    /// be followed is told of when it is painted.
    pub(super) fn tell_of_missing_loras(&mut self) {
        let Some(library) = &self.library else { return };
        let asked = loras(&self.draft.prompt).unwrap_or_default().into_iter().map(|tag| tag.name);
        let mut missing: Vec<_> = asked.filter(|name| library.find_lora(name).is_err()).collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            let names = missing.join(", ");
            self.notices.info(format!(
                "The prompt asks for LoRAs that are not on this machine: {names}. Drop their files on the window, or take their tags out"
            ));
        }
    }
}

/// What to say of what goes with models and was found at a path: how it is used, or how much it is.
fn said_of(found: &[(&'static str, &str)], path: &Path) -> Option<String> {
    match found {
        [] => None,
        [("LoRA", name)] => Some(format!("The LoRA {name} is there: write <lora:{name}:1> into the prompt")),
        [("embedding", name)] => Some(format!("The embedding {name} is there: write its name into a prompt")),
        [("upscaler", name)] => Some(format!("The upscaler {name} is there: choose it beside “Upscale”")),
        [(kind, name)] => Some(format!("The {kind} {name} is there: choose it under “{kind}”")),
        found => {
            let count = |kind: &str| found.iter().filter(|(of, _)| *of == kind).count();
            let kinds = ["LoRA", "VAE", "embedding", "upscaler"].map(|kind| (kind, count(kind)));
            let said = kinds.into_iter().filter(|(_, count)| *count > 0);
            let said: Vec<_> =
                said.map(|(kind, count)| format!("{count} {kind}{}", if count == 1 { "" } else { "s" })).collect();
            Some(format!("There are {} in {}", said.join(", "), path.display()))
        }
    }
}

/// The models at a path and below it.
fn entries_in<'a>(library: &'a Library, path: &'a Path) -> impl Iterator<Item = &'a ModelEntry> {
    library.entries().iter().filter(move |entry| entry.path.starts_with(path))
}
