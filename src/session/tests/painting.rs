use super::*;
use crate::diffusion::Stop;

#[test]
fn a_first_start_is_ready_to_paint() {
    let home = tempfile::tempdir().unwrap();
    let stage = stage(home.path());
    let session = &stage.session;
    assert_eq!(stage.load(), "bozzetto");
    assert_eq!(session.model().unwrap().state, ModelState::Loading);
    assert_eq!((session.draft.prompt.as_str(), session.draft.steps, session.draft.extent), ("red apple", 4, SIZE));
    assert!(session.notices.is_empty(), "{:?}", stage.said());
    assert!(matches!(session.canvas(), Shown::Empty(SIZE)));
}

#[test]
fn a_picture_comes_out_of_the_noise_and_stays_on_the_canvas() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    let job = stage.job();
    assert_eq!((job.request.prompt.as_str(), job.request.seed, &job.request.input), ("red apple", 7, &None));
    stage.tell(Event::JobStarted(job.id));
    let before = stage.session.canvas_revision();
    let preview = stage.step(&job, 0);
    let Shown::Preview { job: shown, picture, extent, over: None, mask: None } = stage.session.canvas() else {
        panic!("a preview is there")
    };
    assert!((*shown, *extent) == (job.id, SIZE) && Arc::ptr_eq(picture, &preview));
    let running = stage.session.jobs.running.as_ref().unwrap();
    assert_eq!((running.phase, running.steps_made, running.step_count), (Some(Phase::Sample), 1, 4));
    let with_preview = stage.session.canvas_revision();
    assert!(with_preview > before);
    stage.session.poll();
    assert_eq!(stage.session.canvas_revision(), with_preview, "nothing new to upload");
    stage.end(&job, Outcome::Finished(painted(&job, 100)));
    assert!(matches!(stage.session.canvas(), Shown::Result(..)));
    assert_eq!(stage.shown_grey(), Some(100));
    assert!(stage.session.jobs.running.is_none());
}

#[test]
fn generate_queues_while_something_runs_and_one_follows_the_other() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.count = 2;
    stage.apply(Action::Generate);
    stage.session.draft.prompt = "green pear".into();
    stage.session.draft.count = 1;
    stage.apply(Action::Generate);
    let first = stage.job();
    assert!(stage.is_idle(), "one job at a time is at the engine");
    assert_eq!(stage.session.jobs.count(), 3);
    stage.end(&first, Outcome::Finished(painted(&first, 1)));
    let second = stage.job();
    assert_eq!((second.request.prompt.as_str(), second.request.seed), ("red apple", first.request.seed + 1));
    stage.end(&second, Outcome::Finished(painted(&second, 2)));
    let third = stage.job();
    assert_eq!(third.request.prompt, "green pear");
    assert_ne!(third.request.seed, first.request.seed);
}

#[test]
fn the_seed_shown_is_the_one_that_was_used_and_another_is_drawn_next_time() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let seeds = |stage: &Stage| stage.session.jobs.unfinished().map(|r| r.seed).collect::<Vec<_>>();
    stage.apply(Action::Generate);
    assert_eq!((stage.session.draft.seed, seeds(&stage)), (7, vec![7]));
    stage.apply(Action::Generate);
    let drawn = stage.session.draft.seed;
    assert_eq!(seeds(&stage), [7, drawn]);
    assert!(drawn != 7 && drawn <= Draft::MAX_SEED);
    stage.session.draft.seed_locked = true;
    stage.apply(Action::Generate);
    assert_eq!(seeds(&stage), [7, drawn, drawn]);
    stage.session.draft.seed_locked = false;
    stage.session.draft.seed = 12;
    stage.apply(Action::Generate);
    assert_eq!(seeds(&stage), [7, drawn, drawn, 12], "a seed that was typed is used");
    stage.apply(Action::RollSeed);
    let rolled = stage.session.draft.seed;
    stage.apply(Action::Generate);
    assert_eq!(seeds(&stage).last(), Some(&rolled));
}

#[test]
fn stopping_keeps_or_discards_and_the_queue_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.count = 3;
    stage.apply(Action::Generate);
    let first = stage.job();
    stage.step(&first, 1);
    stage.apply(Action::Stop(Stop::Keep));
    assert_eq!(first.cancel.requested(), Some(Stop::Keep));
    assert_eq!(stage.session.jobs.running.as_ref().unwrap().stopping, Some(Stop::Keep));
    stage.end(&first, Outcome::Stopped(Painted { steps_made: 2, ..painted(&first, 50) }));
    assert!(stage.session.results.items[0].partial);
    assert_eq!(stage.shown_grey(), Some(50));
    let second = stage.job();
    stage.step(&second, 0);
    stage.apply(Action::Stop(Stop::Discard));
    assert_eq!(second.cancel.requested(), Some(Stop::Discard));
    stage.end(&second, Outcome::Cancelled);
    assert_eq!((stage.session.results.items.len(), stage.shown_grey()), (1, Some(50)));
    stage.job();
}

#[test]
fn waiting_jobs_can_be_taken_out_one_by_one_or_all() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.count = 4;
    stage.apply(Action::Generate);
    let second = stage.session.jobs.waiting[0].id;
    stage.apply(Action::Cancel(second));
    assert_eq!(stage.session.jobs.waiting.len(), 2);
    stage.apply(Action::ClearQueue);
    assert_eq!(stage.session.jobs.count(), 1, "the running one is not in the queue");
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 1)));
    assert!(stage.is_idle());
}

#[test]
fn a_size_that_is_no_multiple_of_8_is_rounded_and_said() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.extent = Extent::new(20, 19);
    stage.apply(Action::Generate);
    assert_eq!(stage.job().request.extent, Extent::new(24, 16));
    assert_eq!(stage.session.draft.extent, Extent::new(24, 16));
    stage.hears("20x19 was rounded to 24x16");
}

#[test]
fn a_setting_out_of_range_is_said_and_nothing_is_queued() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.session.draft.guidance_scale = 99.0;
    stage.apply(Action::Generate);
    assert_eq!(stage.hears("guidance scale of 99").kind, NoticeKind::Error);
    assert_eq!(stage.session.jobs.count(), 0);
}

#[test]
fn another_model_is_loaded_and_brings_its_settings() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    assert_eq!(stage.load(), "bozzetto");
    stage.tell(Event::ModelLoaded { model: "bozzetto".into(), seconds: 1.0 });
    stage.apply(Action::ChooseModel("other".into()));
    assert_eq!(stage.load(), "other");
    assert_eq!((stage.session.draft.model.as_str(), stage.session.draft.steps), ("other", 30));
    stage.tell(Event::ModelLoaded { model: "other".into(), seconds: 2.0 });
    let states: Vec<_> = stage.session.models.iter().map(|model| model.state).collect();
    assert_eq!(states, [ModelState::OnDisk, ModelState::OnDisk, ModelState::Loaded { seconds: 2.0 }]);
    stage.apply(Action::ChooseModel("broken".into()));
    stage.hears("its U-Net is missing");
    stage.apply(Action::ChooseModel("nowhere".into()));
    stage.hears("no model named nowhere");
    assert!(stage.is_idle());
}

#[test]
fn older_prompts_come_back_and_the_unfinished_one_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Generate);
    stage.session.draft.prompt = "green p".into();
    stage.apply(Action::OlderPrompt);
    assert_eq!(stage.session.draft.prompt, "red apple");
    stage.apply(Action::NewerPrompt);
    assert_eq!(stage.session.draft.prompt, "green p");
}

#[test]
fn looking_at_another_result_while_painting_is_not_disturbed() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let older = stage.paint(10);
    stage.paint(20);
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.step(&job, 0);
    assert!(matches!(stage.session.canvas(), Shown::Preview { .. }));
    stage.apply(Action::Show(older));
    assert_eq!(stage.shown_grey(), Some(10));
    stage.step(&job, 1);
    stage.end(&job, Outcome::Finished(painted(&job, 30)));
    assert_eq!(stage.shown_grey(), Some(10));
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 40)));
    assert_eq!(stage.shown_grey(), Some(40), "after Generate the new picture is what one wants to see");
}
