//! What was closed without being saved outlives the program.

use super::*;
use crate::paint::LayerEdit;
use crate::session::closed::{MOST, found, make_room};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A grey canvas with a clear layer, a mask and a prompt, on an empty one. No file has it.
fn unsaved(stage: &mut Stage, grey: u8, prompt: &str) {
    stage.session.draft.prompt = prompt.into();
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [grey, grey, grey, 255])));
    stage.until(|s| s.document.has_picture());
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage.apply(stroke());
}

/// A window in which a pear is painted that no file has, and the folder it lives in.
fn painted_pear() -> (TempDir, Stage) {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    unsaved(&mut stage, 70, "a pear");
    (home, stage)
}

/// The same, saved in this file.
fn saved_pear() -> (TempDir, Stage, PathBuf) {
    let (home, mut stage) = painted_pear();
    let path = home.path().join("pears.sfumato");
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.file().is_some());
    (home, stage, path)
}

/// The same, not saved but closed, and put away as this.
fn closed_pear() -> (TempDir, Stage, Closed) {
    let (home, mut stage) = painted_pear();
    let closed = put_away(&mut stage);
    (home, stage, closed)
}

/// Closes what is open, and waits until it is listed.
fn put_away(stage: &mut Stage) -> Closed {
    stage.apply(Action::ClosePicture);
    listed(stage)
}

/// Waits for the only one that was closed.
fn listed(stage: &mut Stage) -> Closed {
    stage.until(|s| s.closed.len() == 1);
    stage.session.closed[0].clone()
}

/// Opens what was closed, and waits for it.
fn open(stage: &mut Stage, closed: Closed) {
    let revision = stage.session.document.revision();
    stage.apply(Action::OpenClosed(closed));
    stage.until(|s| s.document.revision() != revision);
}

/// Waits until all that was to be done with files is done, and what that led to.
fn answered(stage: &mut Stage) {
    let gone = Closed { name: "gone".into(), at: UNIX_EPOCH, path: "gone.sfumato".into() };
    for _ in 0..2 {
        stage.apply(Action::OpenClosed(gone.clone()));
        let notice = stage.hears("“gone” was not opened");
        stage.apply(Action::Dismiss(notice.id));
    }
}

#[test]
fn what_was_closed_unsaved_can_be_opened_after_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    unsaved(&mut first, 70, "a pear: red/green?");
    let (stack, mask) = (first.session.document.stack().clone(), first.session.document.mask().clone());
    first.apply(Action::ClosePicture);
    // What is on its way to the disk when the program ends gets there.
    drop(first);

    let mut second = stage(home.path());
    let closed = listed(&mut second);
    assert_eq!(closed.name, "a pear red green");
    assert!(closed.at.elapsed().unwrap() < Duration::from_mins(1));
    second.session.draft.prompt = "something else".into();
    open(&mut second, closed);
    let session = &second.session;
    assert_eq!((session.document.stack(), session.document.mask()), (&stack, &mask));
    assert_eq!(session.draft.prompt, "a pear: red/green?");
    assert_eq!((session.file(), session.is_behind()), (None, true));
    second.apply(Action::Undo);
    assert!(!second.session.document.has_picture() && !second.session.is_behind());
}

#[test]
fn what_has_a_file_is_behind_it_again_and_lies_there_once_until_it_is_saved() {
    let (home, mut stage, path) = saved_pear();
    // The file has it.
    stage.apply(Action::ClosePicture);
    stage.apply(Action::Undo);
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage.apply(Action::NewCanvas(SIZE));
    let before = listed(&mut stage);
    assert_eq!(before.name, "pears");
    stage.apply(Action::Undo);
    stage.apply(Action::Redo);
    stage.until(|s| s.closed.iter().any(|closed| *closed != before));
    assert_eq!(stage.session.closed.len(), 1);

    let closed = stage.session.closed[0].clone();
    open(&mut stage, closed);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (Some(&*path), true));
    assert_eq!(stage.session.document.stack().layers().len(), 3);
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.closed.is_empty() && !s.is_behind());
    assert!(found(&home.path().join("closed")).is_empty());
}

#[test]
fn what_was_saved_after_it_was_closed_is_not_written_over_unasked() {
    let (home, mut stage, path) = saved_pear();
    stage.apply(Action::EditLayers(LayerEdit::Add));
    let closed = put_away(&mut stage);
    // The same, put away before its file was saved.
    let before = closed.path.with_file_name("1700000000001-pears.sfumato");
    std::fs::copy(&closed.path, &before).unwrap();
    let before = found(&home.path().join("closed")).into_iter().find(|closed| closed.path == before).unwrap();
    open(&mut stage, before);
    assert_eq!((stage.session.file(), stage.session.is_behind()), (None, true));
    let notice = stage.hears("was opened, but pears.sfumato was saved since");
    stage.apply(Action::Dismiss(notice.id));
    std::fs::remove_file(&path).unwrap();
    open(&mut stage, closed);
    stage.hears("or lies there no more");
    assert_eq!(
        (stage.session.file(), stage.session.is_behind()),
        (None, true),
        "what is gone is not made anew unasked"
    );
}

#[test]
fn what_was_on_its_way_to_its_file_when_it_was_closed_is_not_listed() {
    let (home, mut stage) = painted_pear();
    stage.apply(Action::SaveProject(home.path().join("pears.sfumato")));
    stage.apply(Action::ClosePicture);
    answered(&mut stage);
    assert_eq!((stage.session.closed.len(), stage.session.losses()), (0, Vec::new()));
    assert!(found(&home.path().join("closed")).is_empty());

    // What was painted since it went there is in no file.
    stage.apply(Action::Undo);
    stage.apply(Action::SaveProject(home.path().join("pears.sfumato")));
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage.apply(Action::ClosePicture);
    answered(&mut stage);
    assert_eq!((stage.session.closed.len(), stage.session.losses()), (1, Vec::new()));
}

#[test]
fn what_is_put_away_twice_at_once_lies_there_once() {
    let (home, mut stage) = painted_pear();
    for action in [Action::NewCanvas(SIZE), Action::Undo, Action::Redo] {
        stage.apply(action);
    }
    answered(&mut stage);
    stage.until(|s| s.closed.len() == 1);
    assert_eq!(
        (found(&home.path().join("closed")), stage.session.losses()),
        (stage.session.closed.clone(), Vec::new())
    );
    stage.apply(Action::Undo);
    stage.apply(Action::SaveProject(home.path().join("pears.sfumato")));
    stage.until(|s| s.closed.is_empty());
}

#[test]
fn what_was_opened_again_is_listed_no_more_once_it_is_saved_also_after_the_next_start() {
    let (home, mut first, closed) = closed_pear();
    open(&mut first, closed);
    first.session.save();
    drop(first);
    let mut second = stage(home.path());
    second.until(|s| s.closed.len() == 1);
    second.apply(Action::SaveProject(home.path().join("pears.sfumato")));
    second.until(|s| s.closed.is_empty());
    assert!(found(&home.path().join("closed")).is_empty());
}

#[test]
fn what_is_opened_again_and_saved_is_not_to_be_missed() {
    let (home, mut stage) = painted_pear();
    stage.apply(Action::ClosePicture);
    assert_eq!(stage.session.losses(), [Loss::OnItsWay], "it need not be brought back");
    stage.until(|s| s.losses().is_empty() && s.closed.len() == 1);
    let closed = stage.session.closed[0].clone();
    open(&mut stage, closed);
    stage.apply(Action::SaveProject(home.path().join("pears.sfumato")));
    stage.until(|s| s.closed.is_empty());
    assert!(stage.session.losses().is_empty());
}

#[test]
fn what_was_opened_again_and_taken_back_is_missed_once_it_lies_nowhere() {
    let (_home, mut stage, closed) = closed_pear();
    open(&mut stage, closed.clone());
    stage.apply(Action::Undo);
    assert!(!stage.session.document.has_picture());
    answered(&mut stage);
    assert!(stage.session.losses().is_empty(), "it lies where it was put away");
    std::fs::remove_file(&closed.path).unwrap();
    answered(&mut stage);
    let losses = stage.session.losses();
    let [Loss::Replaced { by: Some(by) }] = losses[..] else { panic!("{losses:?}") };
    stage.apply(Action::BringBack(by));
    assert_eq!(stage.shown_grey(), Some(70));
}

#[test]
fn what_was_opened_again_and_put_away_anew_is_not_missed_twice() {
    let (_home, mut stage, closed) = closed_pear();
    open(&mut stage, closed);
    stage.apply(Action::ClosePicture);
    answered(&mut stage);
    assert_eq!((stage.session.closed.len(), stage.session.losses()), (1, Vec::new()));
}

#[test]
fn where_the_folder_cannot_be_listed_nothing_is_taken_for_gone() {
    let (home, mut stage, _) = closed_pear();
    let (folder, aside) = (home.path().join("closed"), home.path().join("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, b"where a folder should be").unwrap();
    answered(&mut stage);
    assert_eq!((stage.session.closed.len(), stage.session.losses()), (1, Vec::new()));
    std::fs::remove_file(&folder).unwrap();
    answered(&mut stage);
    assert_eq!((stage.session.closed.len(), stage.session.losses().len()), (0, 1), "now it is gone");
}

#[test]
fn the_example_of_a_model_is_no_name_for_what_was_painted() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let example = stage.session.draft.prompt.clone();
    assert!(!example.is_empty());
    unsaved(&mut stage, 70, &example);
    assert_eq!(put_away(&mut stage).name, "Untitled");
}

#[test]
fn what_no_thread_can_put_away_is_not_said_to_be_on_its_way() {
    let (_home, mut stage) = painted_pear();
    stage.session.files = crate::session::worker::Worker::without_thread();
    stage.apply(Action::ClosePicture);
    let losses = stage.session.losses();
    let [Loss::Replaced { by: Some(by) }] = losses[..] else { panic!("{losses:?}") };
    stage.apply(Action::BringBack(by));
    assert_eq!(stage.shown_grey(), Some(70));
}

#[test]
fn what_a_broken_off_writing_left_is_taken_away_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("closed");
    std::fs::create_dir(&folder).unwrap();
    let [old, new, other] = [".old.part", ".new.part", "mine.part"].map(|name| folder.join(name));
    for path in [&old, &new, &other] {
        std::fs::write(path, b"half").unwrap();
    }
    for path in [&old, &other] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    }
    // What it is to do is done when it ends.
    drop(stage(home.path()));
    assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
}

#[test]
fn the_oldest_give_way() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    for number in 0..=MOST {
        let name = format!("painting {number}");
        unsaved(&mut stage, 70, &name);
        stage.apply(Action::ClosePicture);
        stage.until(|s| s.closed.first().is_some_and(|closed| closed.name == name));
    }
    let names: Vec<_> = (1..=MOST).rev().map(|number| format!("painting {number}")).collect();
    let found_names = |folder: &Path| found(folder).into_iter().map(|closed| closed.name).collect::<Vec<_>>();
    assert_eq!(found_names(&home.path().join("closed")), names);
    let losses = stage.session.losses();
    let [Loss::Replaced { by: Some(by) }] = losses[..] else { panic!("{losses:?}") };
    stage.apply(Action::BringBack(by));
    assert_eq!(stage.session.draft.prompt, "painting 0", "what gave way is nowhere else");

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let files = [1, 2, 3].map(|number| file(&format!("170000000000{number}-painting {number}.sfumato")));
    for path in files.iter().chain([&file("mine.sfumato"), &file("12-mine.sfumato")]) {
        std::fs::write(path, [0_u8; 100]).unwrap();
    }
    make_room(folder.path(), &files[2], 3, 300);
    assert_eq!(found_names(folder.path()), ["painting 3", "painting 2", "painting 1"]);
    make_room(folder.path(), &files[2], 3, 299);
    assert_eq!(found_names(folder.path()), ["painting 3", "painting 2"]);
    make_room(folder.path(), &files[2], 3, 10);
    assert_eq!(found_names(folder.path()), ["painting 3"], "what was closed just now stays");
    assert!(file("mine.sfumato").exists() && file("12-mine.sfumato").exists(), "what others put there does, too");
}

#[test]
fn a_second_window_puts_its_own_beside_the_first_ones() {
    let home = tempfile::tempdir().unwrap();
    let (mut first, mut second) = (stage(home.path()), stage(home.path()));
    for (window, grey) in [(&mut first, 10), (&mut second, 20)] {
        unsaved(window, grey, "a pear");
    }
    first.apply(Action::ClosePicture);
    second.apply(Action::ClosePicture);
    assert!(second.session.is_lost_at_the_end(), "it is on its way");
    second.until(|s| !s.is_lost_at_the_end());
    drop((second, first));

    let mut third = stage(home.path());
    third.until(|s| s.closed.len() == 2);
    let mut greys = Vec::new();
    for closed in third.session.closed.clone() {
        open(&mut third, closed);
        greys.extend(third.shown_grey());
    }
    greys.sort_unstable();
    assert_eq!(greys, [10, 20]);
}

#[test]
fn what_is_damaged_or_gone_is_said_and_what_is_open_stays() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("closed");
    std::fs::create_dir(&folder).unwrap();
    let damaged = folder.join("1700000000001-a pear.sfumato");
    std::fs::write(&damaged, b"PK\x03\x04 and no more").unwrap();
    let mut stage = stage(home.path());
    let closed = listed(&mut stage);
    unsaved(&mut stage, 70, "an apple");
    let revision = stage.session.document.revision();
    stage.apply(Action::OpenClosed(closed.clone()));
    let said = stage.hears("“a pear” was not opened").text;
    assert!(said.contains("it is damaged"), "{said}");
    assert!(damaged.exists());
    std::fs::remove_file(&damaged).unwrap();
    stage.apply(Action::OpenClosed(closed));
    stage.hears("it could not be read");
    assert_eq!((stage.session.closed.len(), stage.session.document.revision()), (0, revision));
}

#[test]
fn what_cannot_be_put_away_is_told_and_can_be_brought_back() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("closed"), b"where a folder should be").unwrap();
    let _first = stage(home.path());
    let mut second = stage(home.path());
    unsaved(&mut second, 70, "");
    second.apply(Action::ClosePicture);
    let said = second.hears("“Untitled” was not saved, and could not be put away").text;
    assert!(said.contains("not a folder"), "{said}");
    assert!(second.session.is_lost_at_the_end());
    second.apply(Action::Undo);
    assert_eq!(second.shown_grey(), Some(70));
}
