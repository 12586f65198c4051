use super::*;
use crate::diffusion::{Place, Stop};
use crate::geom::Bounds;
use crate::paint::{Ink, Painting, Sample};

fn live_stage(home: &Path) -> Stage {
    let models = vec![
        Model::new("bozzetto", "ships with Sfumato", &defaults()),
        Model::new("bozzetto-4-steps", "", &Defaults { steps: 4, guidance_scale: 1.0, ..defaults() }),
    ];
    let mut stage = stage_with(home, models);
    stage.apply(Action::PastePicture(Picture::filled(Extent::new(32, 24), [200, 200, 200, 255])));
    stage.until(|s| s.document.has_picture());
    stage
}

fn paint_a_stroke(stage: &mut Stage) {
    stage.apply(Action::BeginPainting);
    let brush = stage.session.palette.brush;
    let mut painting = Painting::begin(&stage.session.document, Ink::Colour([9, 99, 9]), brush).unwrap();
    painting.extend(&[Sample::at(8.0, 8.0)]);
    painting.finish();
    stage.apply(Action::Paint(Box::new(painting)));
}

#[test]
fn each_stroke_is_painted_anew_by_the_quick_model_and_gives_up_the_run_before_it() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = live_stage(home.path());
    stage.apply(Action::SetLive(true));
    let first = stage.job();
    let whole = Place { bounds: Bounds::whole(Extent::new(32, 24)), of: Extent::new(32, 24) };
    assert_eq!((first.request.model.as_str(), first.request.place()), ("bozzetto-4-steps", Some(whole)));
    assert_eq!((first.request.extent, first.request.steps), (Extent::new(16, 16), 4));
    assert!(stage.is_idle());
    stage.step(&first, 0);
    assert!(matches!(stage.session.canvas(), Shown::Preview { job, .. } if *job == first.id));
    paint_a_stroke(&mut stage);
    assert!(matches!(stage.session.canvas(), Shown::Document(_)), "what one paints on is seen");
    assert_eq!(first.cancel.requested(), Some(Stop::Discard));
    assert!(stage.is_idle(), "the next run begins when this one has ended");
    stage.end(&first, Outcome::Cancelled);
    let second = stage.job();
    assert_eq!(second.request.input.as_ref().unwrap().picture.rgba()[(8 * 32 + 8) * 4 + 1], 99);
    stage.end(&second, Outcome::Finished(live_painted(&second, 7)));
    assert!(matches!(stage.session.canvas(), Shown::Live { .. }));
    assert_eq!(stage.shown_grey(), Some(7));
    assert!(stage.session.results.items.is_empty(), "the gallery is not filled with every stroke");
    stage.session.draft.prompt.push_str(" on a table");
    stage.session.take_note();
    assert!(stage.job().request.prompt.ends_with(" on a table"));
}

#[test]
fn a_step_whose_estimate_is_not_seen_leaves_the_one_that_is() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = live_stage(home.path());
    stage.apply(Action::SetLive(true));
    let run = stage.job();
    let seen = stage.step(&run, 0);
    stage.tell(Event::JobStep { id: run.id, index: 1, count: 4, preview: None, hints: 0 });
    assert!(matches!(stage.session.canvas(), Shown::Preview { picture, .. } if Arc::ptr_eq(picture, &seen)));
}

fn live_painted(job: &Job, grey: u8) -> Painted {
    Painted { picture: picture(job.request.picture_extent(), grey), ..painted(job, grey) }
}

#[test]
fn what_was_painted_live_is_kept_on_demand_and_the_queue_goes_first() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = live_stage(home.path());
    stage.apply(Action::SetLive(true));
    let first = stage.job();
    stage.end(&first, Outcome::Finished(live_painted(&first, 7)));
    stage.apply(Action::KeepLive);
    assert_eq!(stage.session.results.items.len(), 1);
    assert!(matches!(stage.session.canvas(), Shown::Part { .. }));
    paint_a_stroke(&mut stage);
    let live = stage.job();
    stage.apply(Action::Generate);
    assert_eq!(live.cancel.requested(), Some(Stop::Discard));
    let asked = stage.job();
    assert_eq!(asked.request.model, "bozzetto");
    stage.end(&live, Outcome::Cancelled);
    assert!(stage.is_idle(), "nothing is painted live beside it");
    stage.end(&asked, Outcome::Finished(painted(&asked, 5)));
    stage.apply(Action::SetLive(false));
    paint_a_stroke(&mut stage);
    assert!(!stage.session.is_live() && stage.is_idle());
}

#[test]
fn the_drawing_under_what_is_painted_live_is_looked_at_until_there_is_something_new() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = live_stage(home.path());
    let sees_drawing = |stage: &Stage| matches!(stage.session.canvas(), Shown::Document(_));
    stage.apply(Action::SetLive(true));
    let first = stage.job();
    stage.apply(Action::LookBelowLive);
    stage.step(&first, 0);
    assert!(!sees_drawing(&stage), "there was nothing over it to take away");
    stage.apply(Action::LookBelowLive);
    assert!(sees_drawing(&stage));
    stage.step(&first, 1);
    stage.end(&first, Outcome::Finished(live_painted(&first, 7)));
    assert!(sees_drawing(&stage), "nothing of the same run comes over it");
    stage.apply(Action::LookBelowLive);
    assert!(matches!(stage.session.canvas(), Shown::Live { .. }));
    stage.apply(Action::LookBelowLive);
    paint_a_stroke(&mut stage);
    let second = stage.job();
    stage.end(&second, Outcome::Finished(live_painted(&second, 9)));
    assert_eq!(stage.shown_grey(), Some(9));
}

#[test]
fn live_painting_ends_with_a_word_where_it_fails() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = live_stage(home.path());
    stage.apply(Action::SetLive(true));
    let job = stage.job();
    stage.end(&job, Outcome::Failed(engine::Error::UnknownModel("bozzetto-4-steps".into())));
    assert!(!stage.session.is_live());
    stage.hears("Live painting was turned off: there is no model named bozzetto-4-steps");
}
