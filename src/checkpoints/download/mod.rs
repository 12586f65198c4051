//! Models from a hub, in the manner of Hugging Face's: nothing is asked of it before a person does. What comes is laid out so that it is
//! found at once, is taken up where it was broken off, and is kept only if it is what the hub lists.

mod choice;
mod error;
mod hub;
mod starters;
mod transfer;

pub use choice::RemoteFile;
pub use error::Error;
pub use hub::{Hub, Repo};
pub use starters::{STARTERS, Starter};

use crate::files::make_folder;
use choice::{INDEX, of_pipeline, safe_path};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use transfer::Transfer;

/// What is wanted of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of which repository.
    pub repo: Repo,
    /// Which files; none is what a diffusers pipeline needs.
    pub files: Vec<String>,
    /// A folder in the folder of models, such as `loras`, for files that are no checkpoints.
    pub into: Option<String>,
    /// Whether weights are wanted in whole precision where the hub has them in half as well.
    pub whole: bool,
}

/// What will be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From where.
    pub repo: Repo,
    /// The commit that the files are of.
    pub commit: String,
    /// The terms, as the repository's card names them.
    pub licence: Option<String>,
    /// What.
    pub files: Vec<RemoteFile>,
    /// The folder below which the files go.
    folder: PathBuf,
    /// The folder that has all of them once they are there; none for files that lie among others.
    model: Option<PathBuf>,
}

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file that is on its way.
    pub file: String,
    /// How many bytes are there, of all files.
    pub bytes: u64,
    /// How many bytes all files have.
    pub total: u64,
}

impl Wanted {
    /// All that a pipeline needs.
    pub fn pipeline(repo: Repo) -> Self {
        Self { repo, files: Vec::new(), into: None, whole: false }
    }
}

impl Plan {
    /// How many bytes all files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }

    /// What is there afterwards: the model's folder, or the first of the files.
    pub fn result(&self) -> PathBuf {
        let first = || self.files.first().and_then(|file| safe_path(&file.name));
        self.model.clone().unwrap_or_else(|| self.folder.join(first().unwrap_or_default()))
    }

    /// Where the files go while they are on their way: no half of a model is ever found.
    fn on_its_way(&self) -> PathBuf {
        match &self.model {
            Some(model) if !model.exists() => {
                // Another repository with this short name, and another commit, have other files.
                let (repo, commit) = (self.repo.name.replace('/', "--"), self.commit.replace('/', "-"));
                self.folder.join(format!(".{repo}.{commit}.part"))
            }
            Some(model) => model.clone(),
            None => self.folder.clone(),
        }
    }
}

impl Hub {
    /// Asks what there is, and says what of it will be downloaded into the folder `models`.
    pub fn plan(&self, wanted: &Wanted, models: &Path) -> Result<Plan, Error> {
        let listing = self.list(&wanted.repo)?;
        let name = &wanted.repo.name;
        let is_pipeline = listing.files.iter().any(|file| file.name == INDEX);
        let find = |wish: &String| {
            let found = listing.files.iter().find(|file| file.name == *wish).cloned();
            let files = || listing.files.iter().map(|file| file.name.clone()).collect();
            found.ok_or_else(|| Error::NoFile { repo: name.clone(), file: wish.clone(), files: files() })
        };
        let files = match wanted.files.as_slice() {
            [] => of_pipeline(name, &listing.files, wanted.whole)?,
            wishes => wishes.iter().map(find).collect::<Result<_, _>>()?,
        };
        let into = match &wanted.into {
            Some(into) => {
                let unsafe_name = || Error::UnsafeName { repo: name.clone(), file: into.clone() };
                models.join(safe_path(into).ok_or_else(unsafe_name)?)
            }
            None => models.to_owned(),
        };
        // The files of a pipeline stay together; one that is something by itself lies among its like.
        let stays_together = wanted.files.is_empty() || files.iter().any(|file| is_pipeline && file.name.contains('/'));
        Ok(Plan {
            repo: wanted.repo.clone(),
            commit: listing.commit,
            licence: listing.licence,
            files,
            model: stays_together.then(|| into.join(wanted.repo.short_name())),
            folder: into,
        })
    }

    /// Gets what is not there yet. `tell` hears often how far it is, and breaking from it ends the download at once; what came so far
    /// stays for the next time. Gives the model's folder or the first file.
    pub fn download(&self, plan: &Plan, tell: &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Result<PathBuf, Error> {
        let folder = plan.on_its_way();
        make_folder(&folder).map_err(Error::disk(&folder))?;
        let mut progress = Progress { file: String::new(), bytes: 0, total: plan.bytes() };
        for file in &plan.files {
            let unsafe_name = || Error::UnsafeName { repo: plan.repo.name.clone(), file: file.name.clone() };
            let target = folder.join(safe_path(&file.name).ok_or_else(unsafe_name)?);
            let before = progress.bytes;
            progress.file.clone_from(&file.name);
            let address = self.address_of(&plan.repo.name, &plan.commit, &file.name)?;
            Transfer { hub: self, address, file, target: &target }.run(&mut |bytes| {
                progress.bytes = before + bytes;
                tell(&progress)
            })?;
            progress.bytes = before + file.bytes;
        }
        if let Some(model) = plan.model.as_ref().filter(|model| **model != folder) {
            std::fs::rename(&folder, model).map_err(Error::disk(model))?;
        }
        Ok(plan.result())
    }
}

#[cfg(test)]
pub(crate) mod played;
#[cfg(test)]
mod tests;
