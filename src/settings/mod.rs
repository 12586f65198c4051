//! What the user configured, on disk as TOML that a person can edit, and where the program keeps its files.
//!
//! A settings file that cannot be understood never stops the program: defaults take its place, it is put aside under another name before
//! it is written anew, and a notice says so. Where only some values cannot be understood, the others count, and
//! they stay in the file, to be corrected, until they are set anew. Keys that this version does not know are kept as they are, for the
//! version that does. What of both is changed in the file while the program runs stays so.

mod paths;

pub use crate::files::{SaveError, save_atomically};
pub use paths::{NoHome, Paths};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What the user configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The version of the file's layout.
    pub version: u32,
    /// Light, dark or as the system has it.
    pub theme: Theme,
    /// How large the interface is, in per cent of its usual size.
    pub interface_percent: u32,
    /// The side of the pictures in the gallery, in points.
    pub gallery_side: u32,
    /// Folders to look for models in, besides the program's own.
    pub model_folders: Vec<PathBuf>,
    /// Where results go; none is the program's own data folder.
    pub gallery_folder: Option<PathBuf>,
    /// How many threads compute, at least 1; none is as many as there are cores.
    pub threads: Option<usize>,
    /// The name of the model that was chosen last.
    pub last_model: Option<String>,
    /// The name of the CLIP that compares pictures with words; none is the one that comes with the program.
    pub clip: Option<String>,
    /// The address of the hub that models are downloaded from; none is Hugging Face's.
    pub hub: Option<String>,
    /// How many megabytes of what was done are kept to be taken back; none is a share of the memory that is free.
    pub undo_megabytes: Option<u32>,
    /// How many gigabytes of models' weights are kept as they lie in memory, so that models load at once; 0 keeps none, none is a
    /// tenth of the disk that is free, where the system tells how much is.
    pub packed_gigabytes: Option<u32>,
    /// Keys that were bound anew, by the names of what they do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Vec<String>>,
    /// Keys of the file that this version does not know, and those whose values cannot be used, as they stand there.
    #[serde(skip)]
    unknown: toml::Table,
}

/// A value that a person sets in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// See [`Settings::interface_percent`].
    InterfacePercent(u32),
    /// See [`Settings::gallery_side`].
    GallerySide(u32),
    /// See [`Settings::model_folders`].
    ModelFolders(Vec<PathBuf>),
    /// See [`Settings::gallery_folder`].
    GalleryFolder(Option<PathBuf>),
    /// See [`Settings::threads`].
    Threads(Option<usize>),
    /// See [`Settings::clip`].
    Clip(Option<String>),
    /// See [`Settings::hub`].
    Hub(Option<String>),
    /// See [`Settings::undo_megabytes`].
    UndoMegabytes(Option<u32>),
    /// See [`Settings::packed_gigabytes`].
    PackedGigabytes(Option<u32>),
}

/// Why the settings could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value that TOML cannot hold, such as a path that is no Unicode text.
    #[error("the settings could not be written ({reason}): {}", path.display())]
    Value {
        /// What cannot be written.
        reason: String,
        /// The settings file.
        path: PathBuf,
    },
    /// The file could not be saved.
    #[error("the settings were not saved: {0}")]
    Save(#[from] SaveError),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            theme: Theme::default(),
            interface_percent: 100,
            gallery_side: 148,
            model_folders: Vec::new(),
            gallery_folder: None,
            threads: None,
            last_model: None,
            clip: None,
            hub: None,
            undo_megabytes: None,
            packed_gigabytes: None,
            keys: BTreeMap::new(),
            unknown: toml::Table::new(),
        }
    }
}

impl Settings {
    /// The version of the layout that is written.
    pub const VERSION: u32 = 1;

    /// The sizes that the interface can have.
    pub const INTERFACE_PERCENT: RangeInclusive<u32> = 75..=200;

    /// The sides that pictures can have in the gallery.
    pub const GALLERY_SIDE: RangeInclusive<u32> = 96..=384;

    const KEYS: [&str; 13] = [
        "version",
        "theme",
        "interface_percent",
        "gallery_side",
        "model_folders",
        "gallery_folder",
        "threads",
        "last_model",
        "clip",
        "hub",
        "undo_megabytes",
        "packed_gigabytes",
        "keys",
    ];

    /// Reads the settings. Where there is no file, defaults. Where it cannot be read or understood, or a value of it cannot, defaults too,
    /// with a notice that names the file and the line.
    pub fn load(path: &Path) -> (Self, Option<String>) {
        let (settings, unusable) = Self::read(path);
        (settings, unusable.said(path, || "correct it, or remove the file".into()))
    }

    /// As [`Self::load`], for who will write the file anew: one that cannot be understood is put aside as `.bad`.
    pub fn load_to_save(path: &Path) -> (Self, Option<String>) {
        let (settings, unusable) = Self::read(path);
        let aside = || match put_aside(path) {
            Ok(aside) => format!("it was kept as {}", aside.display()),
            Err(error) => format!("and it could not be put aside ({error})"),
        };
        (settings, unusable.said(path, aside))
    }

    /// Sets the theme; one in the file that could not be used goes.
    pub fn set_theme(&mut self, theme: Theme) {
        self.theme = theme;
        self.unknown.remove("theme");
    }

    /// Sets a value; one in the file that could not be used goes.
    pub fn set(&mut self, setting: Setting) {
        let key = match setting {
            Setting::InterfacePercent(percent) => {
                self.interface_percent = within_sizes(percent);
                "interface_percent"
            }
            Setting::GallerySide(side) => {
                self.gallery_side = within_sides(side);
                "gallery_side"
            }
            Setting::ModelFolders(folders) => {
                self.model_folders = folders;
                "model_folders"
            }
            Setting::GalleryFolder(folder) => {
                self.gallery_folder = folder;
                "gallery_folder"
            }
            Setting::Threads(threads) => {
                self.threads = threads.filter(|&threads| threads > 0);
                "threads"
            }
            Setting::Clip(name) => {
                self.clip = name;
                "clip"
            }
            Setting::Hub(address) => {
                self.hub = address;
                "hub"
            }
            Setting::UndoMegabytes(megabytes) => {
                self.undo_megabytes = megabytes;
                "undo_megabytes"
            }
            Setting::PackedGigabytes(gigabytes) => {
                self.packed_gigabytes = gigabytes;
                "packed_gigabytes"
            }
        };
        self.unknown.remove(key);
    }

    /// Binds keys to what has this name, or lets it have its own again; those in the file that could not be used go.
    pub fn bind(&mut self, name: String, keys: Option<Vec<String>>) {
        if let Some(unusable) = self.unknown.get_mut("keys").and_then(toml::Value::as_table_mut) {
            unusable.remove(&name);
        }
        match keys {
            Some(keys) => drop(self.keys.insert(name, keys)),
            None => drop(self.keys.remove(&name)),
        }
    }

    fn read(path: &Path) -> (Self, Unusable) {
        let read = match std::fs::read(path) {
            Ok(bytes) => Self::parse(&bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return (Self::default(), Unusable::None),
            Err(error) => Err(format!("the file cannot be read ({error})")),
        };
        match read {
            Ok((settings, values)) if values.is_empty() => (settings, Unusable::None),
            Ok((settings, values)) => (settings, Unusable::Values(values)),
            Err(problem) => (Self::default(), Unusable::File(problem)),
        }
    }

    /// The settings of a file, and which values of it could not be understood.
    fn parse(bytes: &[u8]) -> Result<(Self, Vec<String>), String> {
        let text = str::from_utf8(bytes).map_err(|e| {
            let line = line_of(bytes, e.valid_up_to());
            format!("line {line} is not UTF-8 text")
        })?;
        let in_words = |error: &toml::de::Error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            let line = error.span().map_or(1, |span| line_of(bytes, span.start));
            format!("line {line}: {message}")
        };
        let table: toml::Table = toml::from_str(text).map_err(|e| in_words(&e))?;
        let (mut known, mut unknown, mut bad) = (toml::Table::new(), toml::Table::new(), Vec::new());
        let mut complain = |table: Option<&str>, key: &str, error: &toml::de::Error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            let line = line_of_key(text, table, key).map_or_else(String::new, |line| format!(" in line {line}"));
            bad.push(format!("{key}{line} ({message})"));
        };
        for (key, value) in table {
            if !Self::KEYS.contains(&key.as_str()) {
                unknown.insert(key, value);
                continue;
            }
            let value = match value {
                toml::Value::Table(bound) if key == "keys" => {
                    let (mut keys, mut unusable) = (toml::Table::new(), toml::Table::new());
                    for (name, value) in bound {
                        match value.clone().try_into::<Vec<String>>() {
                            Ok(_) => drop(keys.insert(name, value)),
                            Err(error) => {
                                complain(Some("keys"), &name, &error);
                                unusable.insert(name, value);
                            }
                        }
                    }
                    if !unusable.is_empty() {
                        unknown.insert(key.clone(), toml::Value::Table(unusable));
                    }
                    toml::Value::Table(keys)
                }
                value => value,
            };
            let mut alone = toml::Table::new();
            alone.insert(key.clone(), value.clone());
            match toml::Value::Table(alone).try_into::<Self>() {
                Ok(_) => drop(known.insert(key, value)),
                Err(error) => {
                    complain(None, &key, &error);
                    unknown.insert(key, value);
                }
            }
        }
        let mut settings: Self = toml::Value::Table(known).try_into().map_err(|e| in_words(&e))?;
        settings.unknown = unknown;
        settings.threads = settings.threads.filter(|&threads| threads > 0);
        settings.interface_percent = within_sizes(settings.interface_percent);
        settings.gallery_side = within_sides(settings.gallery_side);
        Ok((settings, bad))
    }

    /// Writes the settings in one step: the old file or the new one, never a half.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let unwritable = |e: toml::ser::Error| Error::Value { reason: e.to_string(), path: path.to_owned() };
        let mut table = toml::Table::try_from(self).map_err(unwritable)?;
        let unset = toml::Table::try_from(Self::default()).map_err(unwritable)?;
        // What a person corrected meanwhile, or took out, is as the file has it now.
        let now = std::fs::read_to_string(path).ok().and_then(|text| toml::from_str::<toml::Table>(&text).ok());
        for (key, value) in &self.unknown {
            let now = now.as_ref().map(|now| now.get(key));
            if let (Some(unusable), "keys") = (value.as_table(), key.as_str()) {
                let now = now.map(|keys| keys.and_then(toml::Value::as_table));
                let bound = table.entry(key.as_str()).or_insert_with(|| toml::Table::new().into());
                for (name, value) in unusable {
                    let value = now.map_or(Some(value), |keys| keys?.get(name));
                    if let (Some(bound), Some(value)) = (bound.as_table_mut(), value) {
                        bound.entry(name.as_str()).or_insert_with(|| value.clone());
                    }
                }
            } else if table.get(key) == unset.get(key)
                && let Some(value) = now.unwrap_or(Some(value))
            {
                table.insert(key.clone(), value.clone());
            }
        }
        let text = toml::to_string_pretty(&table).map_err(unwritable)?;
        Ok(save_atomically(path, text.as_bytes())?)
    }
}

/// What of a settings file could not be used.
enum Unusable {
    None,
    /// These values, in words.
    Values(Vec<String>),
    /// Nothing of it, and why.
    File(String),
}

impl Unusable {
    /// What there is to say of it: of a file of which nothing could be used, what was done then.
    fn said(self, path: &Path, then: impl FnOnce() -> String) -> Option<String> {
        let file = path.display();
        match self {
            Self::None => None,
            Self::Values(values) => Some(format!(
                "some of your settings could not be used, so defaults are used for them: {}; correct them in {file}",
                values.join("; ")
            )),
            Self::File(problem) => {
                Some(format!("your settings could not be used, so defaults are used: {problem} in {file}; {}", then()))
            }
        }
    }
}

/// The size of the interface that is nearest to this one.
fn within_sizes(percent: u32) -> u32 {
    percent.clamp(*Settings::INTERFACE_PERCENT.start(), *Settings::INTERFACE_PERCENT.end())
}

/// The side of pictures in the gallery that is nearest to this one.
fn within_sides(side: u32) -> u32 {
    side.clamp(*Settings::GALLERY_SIDE.start(), *Settings::GALLERY_SIDE.end())
}

/// The line, from 1, on which a key of the file, or of a table in it, is given its value.
fn line_of_key(text: &str, table: Option<&str>, key: &str) -> Option<usize> {
    let file = DeTable::parse(text).ok()?;
    let keys = match table {
        None => file.get_ref(),
        Some(table) => match file.get_ref().get(table)?.get_ref() {
            DeValue::Table(keys) => keys,
            _ => return None,
        },
    };
    let (key, _) = keys.get_key_value(key)?;
    Some(line_of(text.as_bytes(), key.span().start))
}

/// The line, from 1, that the byte at `at` is on.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// Renames a file to itself with `.bad` behind, or `.bad-2` and so on where that is taken.
fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let named = |ending: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let mut aside = named(".bad".into());
    for number in 2.. {
        if !aside.exists() {
            break;
        }
        aside = named(format!(".bad-{number}"));
    }
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_file(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn full() -> Settings {
        Settings {
            theme: Theme::Dark,
            interface_percent: 125,
            gallery_side: 240,
            model_folders: vec!["/a/models".into(), "/b".into()],
            gallery_folder: Some("/pictures".into()),
            threads: Some(3),
            last_model: Some("bozzetto".into()),
            clip: Some("ViT-L-14".into()),
            hub: Some("http://127.0.0.1:8080".into()),
            undo_megabytes: Some(512),
            packed_gigabytes: Some(20),
            keys: BTreeMap::from([
                ("merge_down".into(), vec!["Ctrl+E".into(), "F8".into()]),
                ("redo".into(), Vec::new()),
            ]),
            ..Settings::default()
        }
    }

    #[test]
    fn settings_survive_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/settings.toml");
        for settings in [full(), Settings::default()] {
            settings.save(&path).unwrap();
            assert_eq!(Settings::load(&path), (settings, None));
        }
    }

    #[test]
    fn no_file_is_no_problem() {
        assert_eq!(Settings::load(Path::new("/nonexistent/settings.toml")), (Settings::default(), None));
    }

    #[test]
    fn a_file_with_some_keys_leaves_the_others_at_their_defaults() {
        let (_dir, path) = settings_file(b"theme = \"light\"\nthreads = 0\n");
        let (settings, notice) = Settings::load(&path);
        assert_eq!((settings, notice), (Settings { theme: Theme::Light, ..Settings::default() }, None));
    }

    #[test]
    fn keys_that_are_not_known_are_kept() {
        let (_dir, path) = settings_file(b"version = 9\nspark = 1\ntheme = \"dark\"\n[future]\nkey = [\"x\"]\n");
        let (mut settings, notice) = Settings::load(&path);
        assert_eq!(notice, None);
        settings.theme = Theme::Light;
        settings.save(&path).unwrap();
        let table: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(table["spark"].as_integer(), Some(1));
        assert_eq!(table["version"].as_integer(), Some(9), "a newer version's file stays one");
        assert_eq!(table["future"]["key"][0].as_str(), Some("x"));
        assert_eq!(table["theme"].as_str(), Some("light"));
    }

    #[test]
    fn every_key_that_is_written_is_known() {
        let table = toml::Table::try_from(full()).unwrap();
        let mut written: Vec<_> = table.keys().map(String::as_str).collect();
        let mut known = Settings::KEYS;
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known);
    }

    #[test]
    fn a_bad_file_is_named_with_its_line_and_kept_aside() {
        let bad: [(&[u8], &str); 2] =
            [(b"theme = \"dark\"\nthreads = many\n", "line 2"), (b"version = 1\n\xff\xfe\n", "line 2")];
        for (text, line) in bad {
            let (_dir, path) = settings_file(text);
            let (settings, notice) = Settings::load(&path);
            assert_eq!(settings, Settings::default());
            assert!(notice.unwrap().contains("correct it, or remove the file"));
            assert_eq!(std::fs::read(&path).unwrap(), text, "who only reads it moves nothing");
            let (settings, notice) = Settings::load_to_save(&path);
            let notice = notice.unwrap();
            assert_eq!(settings, Settings::default());
            assert!(notice.contains(line) && notice.contains("settings.toml;"), "{notice}");
            assert!(!path.exists());
            assert_eq!(std::fs::read(path.with_extension("toml.bad")).unwrap(), text);
        }
    }

    #[test]
    fn a_bad_value_costs_only_itself() {
        let text = "theme = \"mauve\"\nthreads = \"2\"\nhub = \"http://hub\"\n[future]\nredo = 1\n[keys]\nbrush = [\"F8\"]\nredo = 5\n";
        let (_dir, path) = settings_file(text.as_bytes());
        let (settings, notice) = Settings::load_to_save(&path);
        let mut expected = Settings { hub: Some("http://hub".into()), ..Settings::default() };
        expected.keys.insert("brush".into(), vec!["F8".into()]);
        assert_eq!(Settings { unknown: toml::Table::new(), ..settings.clone() }, expected);
        assert_eq!(settings.unknown.len(), 4, "what is not known or cannot be used is kept");
        let notice = notice.unwrap();
        for said in ["theme in line 1 (", "mauve", "threads in line 2 (", "redo in line 8 (", "settings.toml"] {
            assert!(notice.contains(said), "{said}: {notice}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_bad_value_stays_to_be_corrected_until_it_is_set_anew() {
        let text = "theme = \"mauve\"\nmodel_folders = \"/data\"\nkeys = { brush = [\"F8\"], redo = 5, undo = 6 }\n";
        let (_dir, path) = settings_file(text.as_bytes());
        let (mut settings, notice) = Settings::load_to_save(&path);
        let notice = notice.unwrap();
        assert!(notice.contains("model_folders in line 2 (") && notice.contains("redo in line 3 ("), "{notice}");
        settings.last_model = Some("bozzetto".into());
        settings.theme = Theme::Dark;
        settings.keys.insert("undo".into(), vec!["F9".into()]);
        settings.save(&path).unwrap();
        let table: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((table["theme"].as_str(), table["model_folders"].as_str()), (Some("dark"), Some("/data")));
        let keys = &table["keys"];
        assert_eq!((keys["redo"].as_integer(), keys["undo"][0].as_str()), (Some(5), Some("F9")));
        let (again, notice) = Settings::load_to_save(&path);
        assert_eq!((again.last_model, again.theme, again.keys.len()), (Some("bozzetto".into()), Theme::Dark, 2));
        let notice = notice.unwrap();
        assert!(notice.contains("model_folders") && notice.contains("redo") && !notice.contains("theme"), "{notice}");
    }

    #[test]
    fn what_is_set_in_the_window_takes_the_place_of_what_could_not_be_used_also_where_it_is_the_default() {
        let bad = [
            ("interface_percent", "\"large\""),
            ("gallery_side", "\"small\""),
            ("model_folders", "\"/data\""),
            ("gallery_folder", "4"),
            ("threads", "\"2\""),
            ("clip", "5"),
            ("hub", "6"),
            ("undo_megabytes", "-1"),
            ("packed_gigabytes", "\"many\""),
        ];
        let text = bad.map(|(key, value)| format!("{key} = {value}")).join("\n");
        let (_dir, path) = settings_file(format!("{text}\nspark = 1\n").as_bytes());
        let (mut settings, notice) = Settings::load_to_save(&path);
        let notice = notice.unwrap();
        assert!(bad.iter().all(|(key, _)| notice.contains(key)), "{notice}");
        for setting in [
            Setting::InterfacePercent(100),
            Setting::GallerySide(148),
            Setting::ModelFolders(Vec::new()),
            Setting::GalleryFolder(None),
            Setting::Threads(None),
            Setting::Clip(None),
            Setting::Hub(None),
            Setting::UndoMegabytes(None),
            Setting::PackedGigabytes(None),
        ] {
            settings.set(setting);
        }
        settings.save(&path).unwrap();
        let (again, notice) = Settings::load_to_save(&path);
        assert_eq!((notice, again.unknown.len()), (None, 1), "what is not known stays");
        assert_eq!(Settings { unknown: toml::Table::new(), ..again }, Settings::default());
    }

    #[test]
    fn the_interface_is_never_too_small_or_too_large_to_be_set_back() {
        for (written, used) in [(0, 75), (130, 130), (5000, 200)] {
            let (_dir, path) = settings_file(format!("interface_percent = {written}\n").as_bytes());
            let (mut settings, notice) = Settings::load(&path);
            assert_eq!((settings.interface_percent, notice), (used, None));
            settings.set(Setting::InterfacePercent(100));
            assert_eq!(settings.interface_percent, 100);
            settings.set(Setting::InterfacePercent(written));
            assert_eq!(settings.interface_percent, used);
        }
    }

    #[test]
    fn pictures_in_the_gallery_are_never_too_small_or_too_large_to_be_seen() {
        for (written, used) in [(0, 96), (200, 200), (5000, 384)] {
            let (_dir, path) = settings_file(format!("gallery_side = {written}\n").as_bytes());
            let (mut settings, notice) = Settings::load(&path);
            assert_eq!((settings.gallery_side, notice), (used, None));
            settings.set(Setting::GallerySide(written));
            assert_eq!(settings.gallery_side, used);
        }
    }

    #[test]
    fn what_is_corrected_while_the_program_runs_stays() {
        let (_dir, path) =
            settings_file(b"theme = \"mauve\"\nmodel_folders = \"/data\"\n[keys]\nbrush = 4\nredo = 5\n");
        let (mut settings, _) = Settings::load_to_save(&path);
        std::fs::write(&path, "theme = \"mauve\"\nmodel_folders = [\"/data\"]\n[keys]\nbrush = [\"F8\"]\nredo = 5\n")
            .unwrap();
        settings.last_model = Some("bozzetto".into());
        settings.set_theme(Theme::System);
        settings.bind("redo".into(), None);
        settings.save(&path).unwrap();
        let (again, notice) = Settings::load_to_save(&path);
        assert_eq!((again.last_model.as_deref(), again.theme, notice), (Some("bozzetto"), Theme::System, None));
        assert_eq!(again.model_folders, [Path::new("/data")]);
        assert_eq!(again.keys, BTreeMap::from([("brush".to_owned(), vec!["F8".to_owned()])]));
    }

    #[test]
    fn a_second_bad_file_does_not_replace_the_first() {
        let (_dir, path) = settings_file(b"first bad one");
        Settings::load_to_save(&path);
        std::fs::write(&path, b"second bad one").unwrap();
        Settings::load_to_save(&path);
        assert_eq!(std::fs::read(path.with_extension("toml.bad")).unwrap(), b"first bad one");
        assert_eq!(std::fs::read(path.with_extension("toml.bad-2")).unwrap(), b"second bad one");
    }

    #[test]
    fn a_folder_in_its_place_is_a_notice_and_not_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        std::fs::create_dir(&path).unwrap();
        let (settings, notice) = Settings::load_to_save(&path);
        assert_eq!(settings, Settings::default());
        assert!(notice.unwrap().contains("cannot be read"));
        settings.save(&path).unwrap();
    }
}
