use super::*;
use crate::checkpoints::download::played::{Answer, COMMIT, Played, listing, play, play_folder};
use crate::checkpoints::download::{Repo, Wanted};

fn wanted(repo: &str) -> Action {
    Action::GetModel(Wanted::pipeline(Repo::parse(repo).unwrap()))
}

/// A stage whose settings name this hub.
fn stage_at(home: &Path, hub: &Played) -> Stage {
    let mut settings = Settings::default();
    settings.hub = Some(hub.address.clone());
    settings.save(&Paths::in_one_folder(home).settings_file()).unwrap();
    stage(home)
}

fn listed(stage: &Stage) -> Vec<&str> {
    stage.session.downloads.iter().map(|one| one.repo.as_str()).collect()
}

#[cfg(unix)]
#[test]
fn what_was_added_during_a_download_stays() {
    let home = tempfile::tempdir().unwrap();
    let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let hub = play_folder(&bozzetto);
    let mut stage = stage_at(home.path(), &hub);
    stage.apply(wanted("o/sepia"));
    let added = home.path().join("added");
    std::os::unix::fs::symlink(&bozzetto, &added).unwrap();
    stage.apply(Action::AddModel(added));
    stage.hears("sepia was downloaded");
    stage.until(|session| session.models.iter().any(|model| model.name == "added"));
    assert!(stage.session.models.iter().any(|model| model.name == "sepia"));
}

#[test]
fn what_was_downloaded_is_one_of_the_models_here_and_in_the_engine() {
    let home = tempfile::tempdir().unwrap();
    let hub = play_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto"));
    let mut stage = stage_at(home.path(), &hub);
    assert_eq!(hub.asked.lock().unwrap().len(), 0, "nothing is sent before it is asked for");
    stage.apply(wanted("o/sepia"));
    // A second time it is the same download.
    stage.apply(wanted("o/sepia"));
    assert_eq!(listed(&stage), ["o/sepia"]);
    let notice = stage.hears("sepia was downloaded");
    assert!(stage.session.downloads.is_empty());
    assert!(matches!(&notice.offers[0].action, Action::ChooseModel(name) if name == "sepia"));
    let model = stage.session.models.iter().find(|model| model.name == "sepia").unwrap();
    assert_eq!(model.problem, None);
    let library = std::iter::from_fn(|| stage.peer.try_command()).find_map(|command| match command {
        Command::UseLibrary(library) => Some(library),
        _ => None,
    });
    assert_eq!(library.unwrap().find("sepia").unwrap(), home.path().join("models/sepia"));
    assert_eq!(stage.load(), "bozzetto", "that of the stage is another than the one that was found");
    stage.apply(notice.offers[0].action.clone());
    assert_eq!(stage.load(), "sepia");
}

#[test]
fn a_download_that_is_cancelled_or_left_ends_at_once() {
    let home = tempfile::tempdir().unwrap();
    let list = listing(&[("model_index.json", b"{}"), ("unet/diffusion_pytorch_model.safetensors", b"{}")]);
    let hub = play(move |asked, _| {
        let is_file = asked.path.contains(COMMIT);
        if is_file { Answer::ok("{}").breaking_after(0) } else { Answer::ok(list.clone()) }
    });
    let mut stage = stage_at(home.path(), &hub);
    stage.apply(wanted("o/n"));
    stage.until(|_| hub.asked.lock().unwrap().len() > 1);
    stage.apply(Action::CancelDownload("o/n".into()));
    assert!(stage.session.downloads[0].is_cancelled);
    stage.hears("The download of o/n was cancelled");
    assert!(stage.session.downloads.is_empty());

    stage.apply(wanted("o/n"));
    stage.apply(wanted("o/m"));
    // One that waits is gone at once, and can be asked for again.
    stage.apply(Action::CancelDownload("o/m".into()));
    assert_eq!(listed(&stage), ["o/n"]);
    stage.apply(wanted("o/m"));
    assert_eq!(listed(&stage), ["o/n", "o/m"]);
    stage.apply(Action::CancelDownload("o/n".into()));
    let is_at_it = || hub.asked.lock().unwrap().iter().any(|one| one.path.starts_with("/o/m/"));
    stage.until(|session| session.downloads.len() == 1 && is_at_it());
    assert_eq!(listed(&stage), ["o/m"]);
    stage.apply(Action::CancelDownload("o/m".into()));
    stage.hears("The download of o/m was cancelled");
    assert!(stage.session.downloads.is_empty());

    stage.apply(wanted("o/n"));
    let before = hub.asked.lock().unwrap().len();
    stage.until(|_| hub.asked.lock().unwrap().len() > before + 1);
    let left = Instant::now();
    drop(stage);
    assert!(left.elapsed() < Duration::from_secs(5), "it took {:?}", left.elapsed());
}

#[test]
fn why_a_model_could_not_be_downloaded_is_said() {
    let home = tempfile::tempdir().unwrap();
    let hub = play(|_, _| Answer::new("404 Not Found", ""));
    let mut stage = stage_at(home.path(), &hub);
    stage.apply(wanted("o/n"));
    let notice = stage.hears("o/n was not downloaded");
    assert!(notice.text.contains("There is no o/n at http://127.0.0.1"), "{}", notice.text);
}
