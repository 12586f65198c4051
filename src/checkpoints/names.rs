//! The names by which what is found is asked for: each is of one thing alone.

use super::clip::ClipEntry;
use super::controlnet::ControlNetEntry;
use super::elsewhere::cached_owner;
use super::learned::LearnedWordEntry;
use super::library::ModelEntry;
use super::lora::LoraEntry;
use super::upscaler::UpscalerEntry;
use super::vae::VaeEntry;
use std::path::Path;

/// What has a name of its own in the library.
pub(super) trait Entry {
    fn name(&self) -> &str;
    fn path(&self) -> &Path;
    fn rename(&mut self, name: String);
}

macro_rules! entries {
    ($($entry:ty),+) => {
        $(impl Entry for $entry {
            fn name(&self) -> &str {
                &self.name
            }

            fn path(&self) -> &Path {
                &self.path
            }

            fn rename(&mut self, name: String) {
                self.name = name;
            }
        })+
    };
}

entries!(ModelEntry, UpscalerEntry, ControlNetEntry, ClipEntry, LoraEntry, LearnedWordEntry, VaeEntry);

/// Adds those whose names are not taken.
pub(super) fn add<T: Entry>(entries: &mut Vec<T>, new: impl Iterator<Item = T>) {
    for entry in new {
        if entries.iter().all(|there| there.name() != entry.name()) {
            entries.push(entry);
        }
    }
}

/// Adds all whose files or folders are not there already: where a name is taken, by as much of the path as tells them apart.
pub(super) fn add_apart<T: Entry>(entries: &mut Vec<T>, new: impl Iterator<Item = T>) {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for mut entry in new {
        let alike = |there: &&T| there.path().file_name() == entry.path().file_name();
        if entries.iter().filter(alike).any(|there| real(there.path()) == real(entry.path())) {
            continue;
        }
        let is_free = |name: &String| entries.iter().all(|there| there.name() != name);
        if !is_free(&entry.name().to_owned()) {
            let lies_beside = |there: &T| there.path().parent() == entry.path().parent();
            let beside =
                entries.iter().any(|there| lies_beside(there) && there.path().file_stem() == entry.path().file_stem());
            match longer_names(entry.name(), entry.path(), beside).into_iter().find(is_free) {
                Some(name) => entry.rename(name),
                None => continue,
            }
        }
        entries.push(entry);
    }
}

/// What else may be called `name`: by its ending where it differs in that from what lies `beside` it, and with ever more of the folders around.
fn longer_names(name: &str, path: &Path, beside: bool) -> Vec<String> {
    let ending = path.extension().filter(|_| beside).map(|ending| format!(".{}", ending.to_string_lossy()));
    let folders: Vec<String> = cached_owner(path).map_or_else(
        || {
            path.ancestors()
                .skip(1)
                .filter_map(Path::file_name)
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        },
        |owner| vec![owner],
    );
    let mut name = format!("{name}{}", ending.unwrap_or_default());
    let mut names = vec![name.clone()];
    for folder in folders {
        name = format!("{folder}/{name}");
        names.push(name.clone());
    }
    names
}

/// The one of this name, in whatever case if none has it as it stands; else the names that there are.
pub(super) fn named<'a, T: Entry>(entries: &'a [T], name: &str) -> Result<&'a T, Vec<String>> {
    let exact = entries.iter().find(|entry| entry.name() == name);
    let alike = || entries.iter().find(|entry| entry.name().eq_ignore_ascii_case(name));
    exact.or_else(alike).ok_or_else(|| entries.iter().map(|entry| entry.name().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::Error;
    use std::path::PathBuf;

    fn entry(name: &str, path: PathBuf) -> ModelEntry {
        ModelEntry { name: name.to_owned(), summary: Err(Error::NotAModel(path.clone())), path, display_name: None }
    }

    #[test]
    fn what_has_one_name_is_told_apart_by_its_path() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, path.to_string_lossy().as_bytes()).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            entry(&name, path)
        };
        let cached = home.path().join("models--org--model/snapshots/0123");
        std::fs::create_dir_all(&cached).unwrap();
        let of_cache = entry("model", cached);
        let all = ["v1/model.safetensors", "xl/model.safetensors", "xl/model.ckpt", "b/xl/model.ckpt", "v1/other.ckpt"];
        let mut entries = Vec::new();
        add_apart(&mut entries, all.map(at).into_iter().chain([of_cache]));
        // The same file by another way is the same model.
        let roundabout = home.path().join("v1/../xl/model.safetensors");
        add_apart(&mut entries, std::iter::once(entry("model", roundabout)));
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["model", "xl/model", "model.ckpt", "b/xl/model", "other", "org/model"]);
    }
}
