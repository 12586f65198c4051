use super::Settings;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the program keeps its files: as the system has it, or all in one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

/// The system does not say where the user's files are.
#[derive(Debug, thiserror::Error)]
#[error("there is no home folder to keep settings and pictures in: set SFUMATO_HOME to a folder")]
pub struct NoHome;

impl Paths {
    /// The environment variable that names one folder for everything: for tests, and to carry the program about.
    pub const VARIABLE: &str = "SFUMATO_HOME";

    /// From the environment: `SFUMATO_HOME` if it is set and not empty, else the system's folders (on Linux those of the XDG base
    /// directory specification).
    pub fn from_environment() -> Result<Self, NoHome> {
        Self::found(std::env::var_os(Self::VARIABLE))
    }

    fn found(home: Option<OsString>) -> Result<Self, NoHome> {
        if let Some(home) = home.filter(|home| !home.is_empty()) {
            let home = PathBuf::from(home);
            return Ok(Self::in_one_folder(&std::path::absolute(&home).unwrap_or(home)));
        }
        let folders = directories::ProjectDirs::from("", "", "sfumato").ok_or(NoHome)?;
        Ok(Self {
            config: folders.config_dir().into(),
            data: folders.data_dir().into(),
            state: folders.state_dir().unwrap_or(folders.data_local_dir()).into(),
            cache: folders.cache_dir().into(),
        })
    }

    /// Everything in one folder.
    pub fn in_one_folder(home: &Path) -> Self {
        Self { config: home.into(), data: home.into(), state: home.into(), cache: home.into() }
    }

    /// The settings.
    pub fn settings_file(&self) -> PathBuf {
        self.config.join("settings.toml")
    }

    /// Where results go: the folder that the settings name, else one of the program's own.
    pub fn gallery_folder(&self, settings: &Settings) -> PathBuf {
        settings.gallery_folder.clone().unwrap_or_else(|| self.data.join("gallery"))
    }

    /// Where models of the user's own are looked for besides those folders that the settings name.
    pub fn models_folder(&self) -> PathBuf {
        self.data.join("models")
    }

    /// Where models are looked for before the program's own: in the folders that the settings name, then in
    /// [`models_folder`](Self::models_folder).
    pub fn model_folders(&self, settings: &Settings) -> Vec<PathBuf> {
        settings.model_folders.iter().cloned().chain([self.models_folder()]).collect()
    }

    /// What the window had open when it was closed.
    pub fn session_file(&self) -> PathBuf {
        self.state.join("session.json")
    }

    /// What is known of the contents of models' files.
    pub fn hashes_file(&self) -> PathBuf {
        self.state.join("hashes.json")
    }

    /// A folder for models' weights as they lie in memory, which are made anew where they are missing.
    pub fn packed_folder(&self) -> PathBuf {
        self.cache.join("packed")
    }

    /// A folder for the paintings that were closed without being saved.
    pub fn closed_folder(&self) -> PathBuf {
        self.state.join("closed")
    }

    /// A folder for what belongs to the session: its pictures and masks.
    pub fn state_folder(&self) -> &Path {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_holds_everything_when_it_is_named() {
        let paths = Paths::found(Some("/portable".into())).unwrap();
        assert_eq!(paths, Paths::in_one_folder(Path::new("/portable")));
        let settings = Settings::default();
        let (gallery, packed) = (paths.gallery_folder(&settings), paths.packed_folder());
        for path in [paths.settings_file(), gallery, paths.models_folder(), paths.session_file(), packed] {
            assert!(path.starts_with("/portable"), "{}", path.display());
        }
        assert!(Paths::found(Some("here".into())).unwrap().state_folder().is_absolute());
    }

    #[test]
    fn an_empty_name_is_as_none() {
        let plain = Paths::found(None).map_err(|e| e.to_string());
        assert_eq!(Paths::found(Some("".into())).map_err(|e| e.to_string()), plain);
    }

    #[test]
    fn the_settings_decide_where_the_gallery_is() {
        let paths = Paths::in_one_folder(Path::new("/portable"));
        let settings = Settings { gallery_folder: Some("/pictures".into()), ..Settings::default() };
        assert_eq!(paths.gallery_folder(&settings), Path::new("/pictures"));
    }
}
