use super::*;
use crate::diffusion::Hint;
use crate::geom::{Bounds, Extent};
use crate::paint::Tiles;

/// A square of 4x4 pixels on a sheet.
fn square(sheet: Extent, left: u32, top: u32) -> Tiles {
    let extent = Extent::new(4, 4);
    let picture = Picture::filled(extent, [200, 0, 0, 255]);
    Tiles::of_part(sheet, Bounds { left, top, extent }, &picture, None)
}

/// A run that can be painted into: it has made a step of four.
fn open(stage: &mut Stage) -> Job {
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.step(&job, 0);
    job
}

#[test]
fn strokes_go_to_the_run_and_are_shown_until_its_estimate_shows_them() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let job = open(&mut stage);
    assert!(stage.session.jobs.running.as_ref().unwrap().takes_strokes());
    stage.apply(Action::PaintIn(job.id, square(SIZE, 8, 3)));
    let hint = job.hints.try_recv().unwrap();
    assert_eq!(hint.bounds(), Bounds { left: 8, top: 3, extent: Extent::new(4, 4) });
    assert_eq!(hint.picture.rgba()[..4], [200, 0, 0, 255]);
    assert_eq!(stage.session.jobs.running.as_ref().unwrap().strokes_on_their_way().len(), 1);
    assert!(!stage.session.document.has_picture(), "the document stays as it is");
    let preview = Arc::new(Picture::filled(Extent::new(2, 2), [9, 9, 9, 255]));
    stage.tell(Event::JobStep { id: job.id, index: 1, count: 4, preview: Some(preview), hints: 1 });
    let running = stage.session.jobs.running.as_ref().unwrap();
    assert_eq!((running.strokes_on_their_way().len(), running.strokes()), (0, 1));
    // Should the program end now, the job is kept with it.
    assert_eq!(stage.session.jobs.unfinished().next().unwrap().hints, [Hint { step: 1, ..hint }]);
    stage.apply(Action::PaintIn(job.id, Tiles::clear(SIZE)));
    assert!(job.hints.try_recv().is_err());
    stage.tell(Event::JobPhase { id: job.id, phase: Phase::Decode });
    assert!(!stage.session.jobs.running.as_ref().unwrap().takes_strokes());
    stage.apply(Action::PaintIn(job.id, square(SIZE, 0, 0)));
    stage.hears("last step before the stroke ended");
}

#[test]
fn a_step_whose_estimate_is_not_seen_counts_and_changes_nothing_that_is() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let job = open(&mut stage);
    stage.apply(Action::PaintIn(job.id, square(SIZE, 8, 3)));
    let seen = stage.session.jobs.running.as_ref().unwrap().preview.clone().unwrap();
    stage.tell(Event::JobStep { id: job.id, index: 1, count: 4, preview: None, hints: 1 });
    let running = stage.session.jobs.running.as_ref().unwrap();
    assert_eq!((running.steps_made, running.strokes_on_their_way().len()), (2, 1));
    assert!(matches!(stage.session.canvas(), Shown::Preview { picture, .. } if Arc::ptr_eq(picture, &seen)));
}

#[test]
fn a_stroke_on_a_part_of_the_canvas_is_scaled_to_what_is_painted() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let canvas = Extent::new(64, 48);
    stage.apply(Action::PastePicture(Picture::filled(canvas, [90, 90, 90, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage.apply(Action::SetBounds(Some(Bounds { left: 32, top: 16, extent: Extent::new(32, 32) })));
    let job = open(&mut stage);
    assert_eq!(job.request.extent, SIZE);
    stage.apply(Action::PaintIn(job.id, square(canvas, 40, 20)));
    assert_eq!(job.hints.try_recv().unwrap().bounds(), Bounds { left: 4, top: 2, extent: Extent::new(2, 2) });
    stage.apply(Action::PaintIn(job.id, square(canvas, 4, 4)));
    assert!(job.hints.try_recv().is_err());
    stage.hears("lies beside what is being painted");
    // Half of it lies in the box.
    stage.apply(Action::PaintIn(job.id, square(canvas, 30, 16)));
    assert_eq!(job.hints.try_recv().unwrap().bounds(), Bounds { left: 0, top: 0, extent: Extent::new(1, 2) });
}

#[test]
fn what_is_to_be_painted_in_goes_and_comes_back_with_its_document() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let job = open(&mut stage);
    stage.apply(Action::PaintIn(job.id, square(SIZE, 8, 3)));
    let hint = job.hints.try_recv().unwrap();
    stage.end(&job, Outcome::Cancelled);
    stage.session.hints = vec![hint.clone()];
    stage.apply(Action::NewCanvas(SIZE));
    assert!(stage.session.hints.is_empty());
    stage.apply(Action::Undo);
    assert_eq!(stage.session.hints, [hint]);
}

#[test]
fn what_was_painted_in_comes_back_with_the_settings_also_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    let job = open(&mut first);
    first.apply(Action::PaintIn(job.id, square(SIZE, 8, 3)));
    let hint = Hint { step: 2, ..job.hints.try_recv().unwrap() };
    let mut done = painted(&job, 70);
    done.request.hints = vec![hint.clone()];
    first.end(&job, Outcome::Finished(done));
    first.until(|s| matches!(s.results.items[0].kept, Kept::InGallery(_)));
    assert_eq!(first.session.results.items[0].painted_in, 1);
    drop(first);
    let mut again = stage_with(home.path(), vec![Model::new("bozzetto", "", &defaults())]);
    again.until(|s| !s.results.items.is_empty());
    let item = again.session.results.items[0].clone();
    assert_eq!(item.painted_in, 1);
    again.apply(Action::Recall(item.id));
    again.until(|s| !s.hints.is_empty());
    again.session.save();
    drop(again);
    let mut third = stage_with(home.path(), vec![Model::new("bozzetto", "", &defaults())]);
    third.apply(Action::Generate);
    assert_eq!(third.job().request.hints, [hint]);
    let hints = third.session.hints.clone();
    third.apply(Action::ForgetHints);
    assert!(third.session.hints.is_empty());
    third.session.hints = hints;
    third.apply(Action::SetBounds(None));
    assert!(third.session.hints.is_empty(), "they lie in the area that they came with");
}
