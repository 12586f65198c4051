use super::*;
use crate::paint::LayerEdit;

#[test]
fn everything_survives_a_kill_a_second_after_the_last_change() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.apply(Action::PastePicture(Picture::filled(SIZE, [5, 5, 5, 255])));
    first.until(|s| s.document.picture().is_some());
    first.apply(stroke());
    first.apply(Action::SetTool(Tool::MaskBrush));
    first.apply(Action::SetBrush(Brush { size: 5.0, hardness: 0.25 }));
    first.apply(Action::ChooseModel("other".into()));
    first.session.draft.count = 3;
    first.apply(Action::Generate);
    first.session.draft.prompt = "green pear, half-writ".into();
    first.session.poll();
    let draft = first.session.draft.clone();
    let requests: Vec<Request> = first.session.jobs.unfinished().cloned().collect();
    std::thread::sleep(Duration::from_secs(1));
    // A kill runs no destructor; the system lets go of the lock.
    first.session.claim = None;
    std::mem::forget(first.session);

    let mut second = stage(home.path());
    let session = &second.session;
    assert_eq!(session.draft, draft);
    assert_eq!((session.tool, session.brush), (Tool::MaskBrush, Brush { size: 5.0, hardness: 0.25 }));
    assert_eq!(session.document.mask().coverage()[8 * 16 + 8], 255);
    assert_eq!(session.history.prompts(), ["red apple"]);
    assert_eq!(second.shown_grey(), Some(5));
    assert_eq!(session.jobs.unfinished().cloned().collect::<Vec<_>>(), requests);
    assert_eq!(second.load(), "other");
    assert!(second.is_idle(), "what was left over waits to be asked for");
    let notice = second.hears("3 pictures were still to be painted");
    second.apply(notice.offers[0].action.clone());
    assert_eq!(*second.job().request, requests[0]);
    assert_eq!(second.session.jobs.waiting.len(), 2);
    assert!(second.said().is_empty());
    second.apply(Action::OlderPrompt);
    assert_eq!(second.session.draft.prompt, "red apple");
    second.apply(Action::NewerPrompt);
    assert_eq!(second.session.draft.prompt, "green pear, half-writ");
}

#[test]
fn what_is_left_over_can_be_forgotten_for_good() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.apply(Action::Generate);
    drop(first);
    let mut second = stage(home.path());
    second.apply(Action::Generate);
    assert_eq!(second.session.jobs.left_over.len(), 1, "a new picture does not start the old ones");
    second.apply(Action::ClearQueue);
    let job = second.job();
    second.end(&job, Outcome::Finished(painted(&job, 1)));
    drop(second);
    assert!(stage(home.path()).session.jobs.left_over.is_empty());
}

#[test]
fn a_stopped_job_is_not_offered_again() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.apply(Action::Generate);
    first.apply(Action::Stop(crate::diffusion::Stop::Discard));
    drop(first);
    assert!(stage(home.path()).session.jobs.left_over.is_empty());
}

#[test]
fn a_damaged_state_starts_afresh_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.session.draft.prompt = "lost".into();
    first.session.save();
    drop(first);
    let file = home.path().join("session.json");
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    let mut second = stage(home.path());
    assert_eq!(second.session.draft.prompt, "red apple");
    assert_eq!(second.hears("could not be read").kind, NoticeKind::Error);
    assert!(home.path().join("session.damaged-1.json").exists());
}

#[test]
fn a_model_that_is_gone_is_replaced_and_said() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.apply(Action::ChooseModel("other".into()));
    drop(first);
    let settings = Settings::load(&home.path().join("settings.toml")).0;
    assert_eq!(settings.last_model.as_deref(), Some("other"));
    let mut second = stage_with(home.path(), vec![Model::new("bozzetto", "", &defaults())]);
    second.hears("other is not there any more: bozzetto is used");
    assert_eq!((second.load().as_str(), second.session.draft.model.as_str()), ("bozzetto", "bozzetto"));
}

#[test]
fn a_draft_of_another_machine_is_computed_as_is_usual_here_and_the_queue_stays_as_it_was() {
    use Precision::{Bf16, F16, F32};
    // What they multiply in, and what is usual there.
    type Machine<'a> = (&'a [Precision], Precision);
    let (cpu, gpu): (Machine<'_>, Machine<'_>) = ((&[F32, Bf16], F32), (&[F32, F16], F16));
    let open = |home: &Path, (precisions, usual): Machine<'_>| {
        let mut model = Model::new("bozzetto", "", &defaults());
        model.example.precision = usual;
        stage_computing(home, vec![model], None, precisions)
    };
    for (first, chosen, second, expected) in [(gpu, F16, cpu, F32), (cpu, Bf16, gpu, F16), (gpu, F32, gpu, F32)] {
        let home = tempfile::tempdir().unwrap();
        let mut left = open(home.path(), first);
        left.session.draft.precision = chosen;
        left.apply(Action::Generate);
        left.session.save();
        drop(left);

        let mut found = open(home.path(), second);
        assert_eq!(found.session.draft.precision, expected);
        let Some(Command::Load { precision, .. }) = found.peer.try_command() else { panic!("no model was loaded") };
        assert_eq!(precision, expected);
        let waiting: Vec<_> = found.session.jobs.unfinished().map(|request| request.precision).collect();
        assert_eq!(waiting, [chosen]);
        if chosen == expected {
            assert!(!found.said().iter().any(|said| said.contains("cannot compute")), "{:?}", found.said());
        } else {
            let said = format!("cannot compute in {} here: {} is used", chosen.name(), expected.name());
            assert!(found.hears(&said).leaves_at.is_some(), "it passes");
        }
    }
}

#[test]
fn the_result_on_the_canvas_is_there_again() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.paint(10);
    first.paint(20);
    let older = first.session.results.items[1].id;
    first.apply(Action::Show(older));
    drop(first);
    let mut second = stage(home.path());
    second.until(|s| s.results.shown.is_some());
    assert_eq!(second.shown_grey(), Some(10));
    second.apply(Action::HideResult);
    drop(second);
    let mut third = stage(home.path());
    third.until(|s| !s.results.is_loading);
    assert_eq!(third.shown_grey(), None);
}

#[test]
fn a_second_window_leaves_the_state_of_the_first_alone_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.apply(Action::PastePicture(Picture::filled(SIZE, [5, 5, 5, 255])));
    first.until(|s| s.document.picture().is_some());
    first.apply(Action::Generate);
    first.session.draft.prompt = "mine".into();
    first.session.save();

    let mut second = stage(home.path());
    second.hears("Sfumato is open already");
    assert!(!second.session.is_lost_at_the_end(), "there is nothing yet");
    second.apply(Action::BeginPainting);
    assert!(second.session.is_lost_at_the_end());
    second.apply(Action::Undo);
    first.apply(Action::EditLayers(LayerEdit::Add));
    assert!(first.session.is_behind() && !first.session.is_lost_at_the_end(), "the next start has it");
    assert_eq!(second.session.jobs.left_over.len(), 0, "the first still paints it");
    second.session.draft.prompt = "theirs".into();
    second.paint(30);
    second.session.save();
    drop(second);
    drop(first);

    let mut third = stage(home.path());
    assert_eq!((third.session.draft.prompt.as_str(), third.shown_grey()), ("mine", Some(5)));
    assert_eq!(third.session.jobs.left_over.len(), 1);
    third.until(|s| s.results.items.len() == 1);
    assert!(!third.said().iter().any(|said| said.contains("open already")), "the lock went with the first");
}

#[test]
fn a_size_that_no_memory_holds_does_not_keep_the_program_from_starting() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.session.draft.extent = Extent::new(u32::MAX, u32::MAX);
    first.session.save();
    drop(first);
    assert_eq!(stage(home.path()).session.draft.extent, Extent::new(u32::MAX, u32::MAX));
}

#[test]
fn a_second_window_tells_of_all_that_would_be_lost() {
    let home = tempfile::tempdir().unwrap();
    let _first = stage(home.path());
    let mut second = stage(home.path());
    second.apply(Action::BeginPainting);
    second.apply(Action::ClosePicture);
    assert!(!second.session.is_behind() && second.session.is_lost_at_the_end(), "it is not put away yet");
    second.until(|s| !s.is_lost_at_the_end());
    second.apply(Action::Undo);
    second.apply(Action::SaveProject(home.path().join("kept.sfumato")));
    second.until(|s| s.file().is_some());
    assert!(!second.session.is_lost_at_the_end());
    second.apply(Action::ClosePicture);
    assert!(!second.session.is_lost_at_the_end(), "a file has it");
    second.apply(Action::Generate);
    assert!(second.session.is_lost_at_the_end(), "it is still to be painted");
}

#[test]
fn what_is_in_no_file_and_not_put_away_is_lost_in_the_first_window_too() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("closed"), b"where a folder should be").unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::BeginPainting);
    stage.apply(Action::SaveProject(home.path().join("kept.sfumato")));
    // Not in what is on its way to the file.
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage.apply(Action::NewCanvas(SIZE));
    stage.hears("could not be put away");
    stage.hears("Saved as");
    let losses = stage.session.losses();
    let [Loss::Replaced { by: Some(by) }] = losses[..] else { panic!("{losses:?}") };
    stage.apply(Action::BringBack(by));
    assert!(stage.session.is_behind() && stage.session.file().is_some());
    assert_eq!(stage.session.document.stack().layers().len(), 3);
    assert!(stage.session.losses().is_empty(), "the next start has it");
}

#[test]
fn what_was_saved_over_is_lost_until_it_is_brought_back() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let path = home.path().join("kept.sfumato");
    stage.apply(Action::BeginPainting);
    stage.apply(Action::SaveProject(path.clone()));
    stage.until(|s| s.file().is_some());
    stage.apply(Action::NewCanvas(SIZE));
    assert_eq!((stage.session.file(), stage.session.losses()), (None, Vec::new()));
    stage.apply(Action::SaveProject(path));
    stage.until(|s| s.file().is_some());
    let losses = stage.session.losses();
    let [Loss::Replaced { by: Some(by) }] = losses[..] else { panic!("{losses:?}") };
    stage.apply(Action::BringBack(by));
    assert!(stage.session.is_behind() && stage.session.losses().is_empty());
}

#[test]
fn what_is_brought_back_puts_away_what_was_painted_since() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::BeginPainting);
    stage.apply(Action::NewCanvas(SIZE));
    let bring_back = stage.hears("The new canvas took the place").offers[0].action.clone();
    stage.until(|s| s.closed.len() == 1);
    stage.apply(Action::EditLayers(LayerEdit::Add));
    stage.apply(bring_back);
    stage.until(|s| s.closed.len() == 2);
    assert!(stage.session.losses().is_empty());
}

#[test]
fn a_picture_that_is_stopped_is_lost_until_the_gallery_has_it() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    let job = stage.job();
    assert!(stage.session.losses().is_empty(), "the next start offers to paint it");
    stage.apply(Action::Stop(crate::diffusion::Stop::Keep));
    assert_eq!(stage.session.losses(), [Loss::Queue]);
    stage.end(&job, Outcome::Stopped(painted(&job, 1)));
    stage.until(|s| s.losses().is_empty());
}
