use super::*;

#[test]
fn a_failed_job_is_a_notice_and_the_next_one_runs() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.count = 2;
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.end(&job, Outcome::Failed(engine::Error::Panicked("index out of range".into())));
    let said = stage.hears("red apple").text;
    assert!(said.contains("index out of range") && said.contains("try again"), "{said}");
    stage.job();
}

#[test]
fn a_model_that_cannot_be_loaded_is_said() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let error = engine::Error::UnknownModel("bozzetto".into());
    stage.tell(Event::ModelFailed { model: "bozzetto".into(), error });
    stage.hears("bozzetto could not be loaded");
    assert_eq!(stage.session.model().unwrap().state, ModelState::Failed);
}

#[test]
fn a_dead_engine_is_replaced_and_no_job_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.seed_locked = true;
    stage.apply(Action::Generate);
    stage.session.draft.prompt = "green pear".into();
    stage.apply(Action::Generate);
    assert_eq!(stage.job().request.prompt, "red apple");
    let (_, other) = engine::channel(|| ());
    drop(std::mem::replace(&mut stage.peer, other));
    stage.session.poll();
    stage.peer = stage.peers.try_recv().unwrap();
    let notice = stage.hears("ended by itself while it painted “red apple”");
    assert_eq!(stage.job().request.prompt, "green pear", "what waited goes on with the new engine");
    stage.apply(notice.offers[0].action.clone());
    let jobs: Vec<_> = stage.session.jobs.unfinished().map(|r| r.prompt.as_str()).collect();
    assert_eq!(jobs, ["green pear", "red apple"]);
    assert!(stage.said().is_empty(), "the offer was taken: {:?}", stage.said());
}

#[test]
fn what_an_engine_told_before_it_died_is_heard() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.peer.tell(Event::JobEnded { id: job.id, outcome: Outcome::Finished(painted(&job, 80)) }).unwrap();
    let (_, other) = engine::channel(|| ());
    drop(std::mem::replace(&mut stage.peer, other));
    stage.session.poll();
    assert_eq!(stage.shown_grey(), Some(80));
    assert!(stage.session.jobs.left_over.is_empty());
}

#[test]
fn an_engine_that_always_dies_is_not_started_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let (_, other) = engine::channel(|| ());
    drop(std::mem::replace(&mut stage.peer, other));
    let mut started = 0;
    for _ in 0..20 {
        stage.session.poll();
        started += stage.peers.try_iter().count();
    }
    assert_eq!(started, usize::from(RESTARTS));
    stage.hears("ended by itself");
    stage.apply(Action::Generate);
    assert!(stage.peers.try_recv().is_ok(), "asking for a picture tries again");
}

#[test]
fn a_picture_that_the_gallery_cannot_take_is_kept_shown_and_can_be_saved_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("gallery"), b"a file where the folder should be").unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 70)));
    let id = stage.session.results.items[0].id;
    stage.until(|s| s.results.get(id).unwrap().kept == Kept::InMemory);
    let notice = stage.hears("not saved");
    assert!(notice.text.contains("gallery"), "{}", notice.text);
    assert_eq!(stage.shown_grey(), Some(70));
    assert!(stage.session.results.get(id).unwrap().thumbnail.is_some());
    assert_eq!(stage.session.losses(), [Loss::Result(id)]);
    stage.apply(Action::Reveal(id));
    stage.hears("no file yet");
    stage.apply(notice.offers[0].action.clone());
    assert!(matches!(stage.session.take_wishes().as_slice(), [Wish::AskWhereToSave { .. }]));
    stage.apply(Action::SaveResult(id, home.path().join("rescued.png")));
    stage.hears("Saved as");
    assert!(stage.session.losses().is_empty(), "a file has it");
    assert_eq!(Picture::load(&home.path().join("rescued.png")).unwrap().rgba()[0], 70);
    // The folder can be made now: trying again works without a restart.
    std::fs::remove_file(home.path().join("gallery")).unwrap();
    stage.apply(Action::SaveAgain(id));
    stage.until(|s| matches!(s.results.get(id).unwrap().kept, Kept::InGallery(_)));
}

#[test]
fn a_result_in_memory_can_be_thrown_away() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("gallery"), b"a file where the folder should be").unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 70)));
    let id = stage.session.results.items[0].id;
    stage.until(|s| s.results.get(id).unwrap().kept == Kept::InMemory);
    stage.apply(Action::Delete(id));
    assert!(stage.session.results.items.is_empty() && matches!(stage.session.canvas(), Shown::Empty(_)));
}

#[test]
fn a_notice_goes_away_when_dismissed() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_with(home.path(), Vec::new());
    let id = stage.hears("no model to paint with").id;
    stage.apply(Action::Dismiss(id));
    assert!(stage.session.notices.is_empty());
    stage.apply(Action::Generate);
    stage.hears("No model is chosen");
}

#[test]
fn what_the_engine_notes_about_a_picture_is_told() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    let job = stage.job();
    let notes = vec!["the prompt was cut after 30 tokens".to_owned()];
    stage.end(&job, Outcome::Finished(Painted { notes, ..painted(&job, 1) }));
    assert_eq!(stage.hears("The prompt was cut").kind, NoticeKind::Info);
}

#[test]
fn a_file_that_is_nothing_to_open_says_what_is_and_goes_away_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let path = home.path().join("settings.toml");
    std::fs::write(&path, b"theme = \"light\"").unwrap();
    stage.apply(Action::OpenPicture(path));
    let notice = stage.hears("settings.toml");
    assert!(notice.text.contains(".sfumato") && notice.text.contains("PNG"), "{}", notice.text);
    assert!(notice.kind == NoticeKind::Error && notice.leaves_at.is_some());
}
