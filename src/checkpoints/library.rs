use super::folder::Folder;
use super::header::read_header;
use super::model::Configs;
use super::{Error, Training};
use crate::geom::Extent;
use std::path::{Path, PathBuf};

/// The name of the model that comes with the program.
const SHIPPED: &str = "bozzetto";

/// The models on this machine.
#[derive(Debug, Default)]
pub struct Library {
    entries: Vec<ModelEntry>,
}

/// One of them.
#[derive(Debug)]
pub struct ModelEntry {
    /// The folder's name, by which requests and the command line name it.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// What its model card calls it.
    pub display_name: Option<String>,
    /// What it holds, or why it cannot be used.
    pub summary: Result<Summary, Error>,
}

/// What can be told of a model without loading its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The size that it was trained at.
    pub native_extent: Extent,
    /// Bytes of all its weights on disk.
    pub parameters_bytes: u64,
    /// The noise that it was trained on, from which follows what suits it.
    pub training: Training,
}

impl Library {
    /// Looks for models: each of `extra` is a model's folder or a folder of such; then the places where models are installed:
    /// `models` and `assets/models` beside the program, `share/sfumato/models` beside its `bin`, and the source tree. Where two
    /// have one name, the first is taken. Configs and headers are read, weights are not; a folder that cannot be used is listed
    /// with the reason.
    pub fn discover(extra: &[PathBuf]) -> Self {
        let mut places = extra.to_vec();
        places.extend(built_in_places());
        Self::look_in(&places)
    }

    fn look_in(places: &[PathBuf]) -> Self {
        let mut library = Self::default();
        for place in places {
            for folder in model_folders(place) {
                let name = name_of(&folder);
                if library.entries.iter().all(|entry| entry.name != name) {
                    library.entries.push(ModelEntry::of(name, folder));
                }
            }
        }
        library
    }

    /// All models, in the order in which they were found.
    pub fn entries(&self) -> &[ModelEntry] {
        &self.entries
    }

    /// The model to paint with where nobody named one: the one that was used last if it can be used, else the one that comes
    /// with the program, whatever others there are, else the first that can be used.
    pub fn preferred(&self, used_last: Option<&str>) -> Option<&ModelEntry> {
        let usable = || self.entries.iter().filter(|entry| entry.summary.is_ok());
        let named = |name: &str| usable().find(|entry| entry.name == name);
        used_last.and_then(named).or_else(|| named(SHIPPED)).or_else(|| usable().next())
    }

    /// The folder of the model of this name, in whatever case if no model has it as it stands, or the folder at this path.
    pub fn find(&self, name_or_path: &str) -> Result<PathBuf, Error> {
        let exact = self.entries.iter().find(|entry| entry.name == name_or_path);
        let alike = || self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name_or_path));
        if let Some(entry) = exact.or_else(alike) {
            return Ok(entry.path.clone());
        }
        let path = Path::new(name_or_path);
        if path.is_dir() {
            return Ok(path.to_owned());
        }
        if path.components().count() > 1 {
            return Err(Error::NoFolder(path.to_owned()));
        }
        let known = self.entries.iter().map(|entry| entry.name.clone()).collect();
        Err(Error::Unknown { name: name_or_path.to_owned(), known })
    }
}

impl ModelEntry {
    fn of(name: String, path: PathBuf) -> Self {
        Self { display_name: card_title(&path), summary: summary(&path), name, path }
    }
}

fn summary(path: &Path) -> Result<Summary, Error> {
    let folder = Folder::open(path)?;
    let configs = Configs::read(&folder)?;
    let mut parameters_bytes = 0;
    for file in folder.weight_files()? {
        parameters_bytes += read_header(&file)?.values().map(|place| place.bytes as u64).sum::<u64>();
    }
    Ok(Summary { native_extent: configs.native_extent(), parameters_bytes, training: configs.training })
}

/// The first heading of README.md, which is where model cards are.
fn card_title(folder: &Path) -> Option<String> {
    let card = std::fs::read_to_string(folder.join("README.md")).ok()?;
    let title = card.lines().find_map(|line| line.strip_prefix("# "))?.trim();
    (!title.is_empty() && title.chars().count() <= 100).then(|| title.to_owned())
}

/// The last part of a folder's path.
pub(super) fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

/// `place` itself or the folders in it, by name, that are models or look like the remains of one.
fn model_folders(place: &Path) -> Vec<PathBuf> {
    let is_model = |folder: &Path| folder.join("model_index.json").is_file() || folder.join("unet").is_dir();
    if is_model(place) {
        return vec![place.to_owned()];
    }
    let Ok(entries) = std::fs::read_dir(place) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_model(path)).collect();
    folders.sort();
    folders
}

fn built_in_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
    if let Some(beside) = program.as_deref().and_then(Path::parent) {
        places.extend([beside.join("models"), beside.join("assets/models")]);
        places.extend(beside.parent().map(|prefix| prefix.join("share/sfumato/models")));
    }
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models"));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, is_usable: bool) -> ModelEntry {
        let path = PathBuf::from(name);
        let summary = Summary {
            native_extent: Extent::new(8, 8),
            parameters_bytes: 1,
            training: Training::from_json("{}").unwrap(),
        };
        let summary = if is_usable { Ok(summary) } else { Err(Error::NotAModel(path.clone())) };
        ModelEntry { name: name.to_owned(), path, display_name: None, summary }
    }

    fn library(entries: &[(&str, bool)]) -> Library {
        Library { entries: entries.iter().map(|&(name, is_usable)| entry(name, is_usable)).collect() }
    }

    #[test]
    fn the_model_used_last_goes_before_the_one_in_the_box_and_that_before_all_others() {
        let preferred = |library: &Library, used_last| library.preferred(used_last).map(|entry| entry.name.clone());
        let all = library(&[("aquarelle", true), ("broken", false), (SHIPPED, true), ("zinnober", true)]);
        assert_eq!(preferred(&all, Some("zinnober")).as_deref(), Some("zinnober"));
        for unusable in [None, Some("broken"), Some("not there")] {
            assert_eq!(preferred(&all, unusable).as_deref(), Some(SHIPPED), "{unusable:?}");
        }
        let without = library(&[("broken", false), (SHIPPED, false), ("zinnober", true)]);
        assert_eq!(preferred(&without, None).as_deref(), Some("zinnober"));
        assert_eq!(preferred(&library(&[("broken", false)]), Some("broken")), None);
    }

    #[test]
    fn a_name_is_taken_as_it_is_written_where_a_model_has_it() {
        let both = library(&[("Sepia", true), ("sepia", true)]);
        assert_eq!(both.find("sepia").unwrap(), Path::new("sepia"));
        assert_eq!(both.find("Sepia").unwrap(), Path::new("Sepia"));
        assert_eq!(both.find("SEPIA").unwrap(), Path::new("Sepia"));
    }
}
