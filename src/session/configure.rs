//! What a person sets in the window: kept at once, and followed at once where that can be. The rest counts from the next start.

use super::Session;
use super::current::undo_bytes;
use super::files::Task;
use super::models::Added;
use crate::checkpoints::{Library, PackedFolder};
use crate::memory::available_memory;
use crate::settings::Setting;
use std::path::PathBuf;

impl Session {
    /// The program's own folder of models.
    pub fn models_folder(&self) -> PathBuf {
        self.paths.models_folder()
    }

    /// The names of the CLIPs that were found and can be used.
    pub fn clips(&self) -> impl Iterator<Item = &str> {
        let found = self.library.as_deref().into_iter().flat_map(Library::clips);
        found.filter(|entry| entry.summary.is_ok()).map(|entry| entry.name.as_str())
    }

    pub(super) fn set(&mut self, setting: Setting) {
        let looks_anew = matches!(setting, Setting::ModelFolders(_));
        let limits_undo = matches!(setting, Setting::UndoMegabytes(_));
        self.settings.set(setting);
        self.save_settings();
        if limits_undo {
            self.document.set_history_bytes(undo_bytes(self.settings.undo_megabytes, available_memory()));
        }
        if looks_anew {
            self.find_models(Added::Nothing);
        }
    }

    /// Looks for models in this folder, now and from now on, whether there are any yet or not.
    pub(super) fn add_model_folder(&mut self, path: PathBuf) {
        if self.paths.model_folders(&self.settings).contains(&path) {
            self.notices.passing(format!("Models are looked for in {} already", path.display()));
            return;
        }
        let mut folders = self.settings.model_folders.clone();
        // Before the others, as what is dropped.
        folders.insert(0, path.clone());
        self.settings.set(Setting::ModelFolders(folders));
        self.save_settings();
        self.find_models(Added::Folder(path));
    }

    /// Has it found out how much of the disk the weights take that are kept ready; before that, they may be removed.
    pub(super) fn measure_packed(&mut self, removes: bool) {
        let folder = PackedFolder::new(self.paths.packed_folder(), self.settings.packed_gigabytes);
        self.ask_files(Task::Packed { folder, removes });
    }

    pub(super) fn take_packed(&mut self, bytes: u64, was_removed: bool) {
        self.packed_bytes = Some(bytes);
        if was_removed && bytes > 0 {
            self.notices.passing("Some of the weights are in use: they can be removed after the next start");
        }
    }
}
