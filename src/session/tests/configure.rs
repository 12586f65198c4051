//! What is set in the window: kept at once, and followed.

use super::models::{model_in, names};
use super::*;
use crate::settings::Setting;
use std::path::PathBuf;

fn file(home: &Path) -> PathBuf {
    Paths::in_one_folder(home).settings_file()
}

#[test]
fn each_setting_is_kept_at_once() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    for setting in [
        Setting::InterfacePercent(150),
        Setting::GallerySide(240),
        Setting::GalleryFolder(Some(home.path().join("pictures"))),
        Setting::Threads(Some(3)),
        Setting::Clip(Some("ViT-L-14".into())),
        Setting::Hub(Some("http://127.0.0.1:9".into())),
        Setting::UndoMegabytes(Some(512)),
        Setting::PackedGigabytes(Some(0)),
    ] {
        let before = stage.session.settings.clone();
        stage.apply(Action::Set(setting.clone()));
        let now = stage.session.settings.clone();
        assert_ne!(before, now, "{setting:?}");
        stage.until(|_| Settings::load(&file(home.path())).0 == now);
    }
    assert_eq!(stage.session.hub(), "http://127.0.0.1:9", "the next download comes from there");
    stage.apply(Action::Set(Setting::Hub(None)));
    stage.until(|_| Settings::load(&file(home.path())).0.hub.is_none());
}

#[test]
fn a_folder_of_models_is_looked_through_at_once_and_is_left_again_with_the_model_in_it() {
    let home = tempfile::tempdir().unwrap();
    let mine = home.path().join("mine");
    model_in(&mine, "one");
    let mut stage = stage(home.path());
    let chosen = stage.session.draft.model.clone();
    stage.apply(Action::AddModelFolder(mine.clone()));
    assert_eq!(stage.session.settings.model_folders, std::slice::from_ref(&mine));
    stage.until(|s| names(s).contains(&"one"));
    assert_eq!(stage.session.draft.model, chosen, "what is chosen stays so");
    stage.hears(&format!("found with {}", mine.display()));
    stage.until(|_| Settings::load(&file(home.path())).0.model_folders == [mine.clone()]);
    stage.apply(Action::ChooseModel("one".into()));
    while !stage.is_idle() {}

    stage.apply(Action::Set(Setting::ModelFolders(Vec::new())));
    stage.hears("The model one is not there any more");
    assert!(!names(&stage.session).contains(&"one"));
    let used = stage.session.draft.model.clone();
    assert!(names(&stage.session).contains(&used.as_str()), "{used}");
    let commands: Vec<_> = std::iter::from_fn(|| stage.peer.try_command()).collect();
    assert!(matches!(commands.first(), Some(Command::UseLibrary(_))), "{commands:?}");
    let loads_it = |command: &Command| matches!(command, Command::Load { model, .. } if *model == used);
    assert!(commands.iter().any(loads_it), "{commands:?}");
    stage.until(|_| Settings::load(&file(home.path())).0.model_folders.is_empty());
}

#[test]
fn a_folder_in_which_there_is_nothing_yet_is_remembered_once() {
    let home = tempfile::tempdir().unwrap();
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    // So that what comes with the program is known already.
    let mut stage = stage(home.path());
    stage.apply(Action::Set(Setting::ModelFolders(Vec::new())));
    stage.until(|s| s.library.is_some());
    stage.apply(Action::AddModelFolder(empty.clone()));
    stage.hears("Nothing new was found");
    stage.apply(Action::AddModelFolder(empty.clone()));
    stage.hears("already");
    assert_eq!(stage.session.settings.model_folders, [empty]);
    stage.apply(Action::AddModelFolder(stage.session.models_folder()));
    assert_eq!(stage.session.settings.model_folders.len(), 1, "the program's own is always looked in");
}

#[test]
fn what_undo_may_take_is_another_at_once() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let large = Extent::new(1024, 1024);
    stage.apply(Action::NewCanvas(large));
    for value in 1..=6 {
        stage.apply(Action::ReplaceMask(Mask::from_coverage(large, vec![value; large.area()]).unwrap()));
    }
    assert!(stage.session.document.history_bytes() > 4 << 20, "{}", stage.session.document.history_bytes());
    stage.apply(Action::Set(Setting::UndoMegabytes(Some(2))));
    assert!(stage.session.document.history_bytes() <= 2 << 20, "{}", stage.session.document.history_bytes());
    assert!(stage.session.document.can_undo());
    assert_eq!(stage.session.document.mask().coverage()[0], 6);
}

#[test]
fn the_weights_that_are_kept_ready_are_measured_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let folder = Paths::in_one_folder(home.path()).packed_folder();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("unet.packed"), "weights").unwrap();
    let mut stage = stage(home.path());
    assert_eq!(stage.session.packed_bytes, None, "nobody asked yet");
    stage.apply(Action::MeasurePacked);
    stage.until(|s| s.packed_bytes == Some(7));
    stage.apply(Action::RemovePacked);
    stage.until(|s| s.packed_bytes == Some(0));
    assert!(!folder.join("unet.packed").exists());
}

#[test]
fn only_clips_that_can_be_used_are_offered() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    assert_eq!(stage.session.clips().count(), 0, "nothing was looked for yet");
    let broken = home.path().join("clip/broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("config.json"), "{\"model_type\": \"clip\"}").unwrap();
    stage.apply(Action::AddModelFolder(home.path().to_owned()));
    stage.until(|s| s.library.is_some());
    let all: Vec<_> = stage.session.library.as_ref().unwrap().clips().iter().map(|clip| clip.name.clone()).collect();
    let usable: Vec<_> = stage.session.clips().collect();
    assert!(!usable.is_empty() && usable.len() < all.len(), "{usable:?} of {all:?}");
    assert!(!usable.contains(&"broken"));
}
