use super::*;
use crate::metadata::{PARAMETERS_KEY, from_parameters};
use crate::pixels::read_texts;

#[test]
fn a_result_is_saved_with_its_settings_and_a_thumbnail() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let id = stage.paint(100);
    let item = stage.session.results.get(id).unwrap();
    assert_eq!((item.prompt.as_str(), item.seed, item.extent, item.partial), ("red apple", 7, SIZE, false));
    assert_eq!(item.thumbnail.as_ref().unwrap().rgba()[0], 100);
    stage.apply(Action::Reveal(id));
    let wishes = stage.session.take_wishes();
    let [Wish::Reveal(path)] = wishes.as_slice() else { panic!("{wishes:?}") };
    let (_, text) = read_texts(path).into_iter().find(|(key, _)| key == PARAMETERS_KEY).unwrap();
    assert_eq!(from_parameters(&text).settings.seed, Some(7));
    assert!(stage.session.take_wishes().is_empty());
}

#[test]
fn results_are_listed_newest_first_again_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.paint(10);
    first.session.draft.prompt = "green pear".into();
    first.paint(20);
    drop(first);
    let mut stage = stage(home.path());
    stage.until(|s| s.results.items.len() == 2 && !s.results.is_loading);
    let prompts: Vec<_> = stage.session.results.items.iter().map(|item| item.prompt.as_str()).collect();
    assert_eq!(prompts, ["green pear", "red apple"]);
    assert_eq!(stage.session.results.items[1].thumbnail.as_ref().unwrap().rgba()[0], 10);
    let apple = stage.session.results.items[1].id;
    stage.apply(Action::Show(apple));
    stage.until(|s| s.results.shown == Some(apple));
    assert_eq!(stage.shown_grey(), Some(10));
    stage.apply(Action::HideResult);
    assert!(matches!(stage.session.canvas(), Shown::Empty(_)));
}

#[test]
fn larger_pictures_are_read_of_those_that_are_seen_large_and_let_go_with_them() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let [gone, first, second] = [10, 20, 30].map(|grey| stage.paint(grey));
    stage.apply(Action::Reveal(gone));
    let wishes = stage.session.take_wishes();
    let [Wish::Reveal(path)] = wishes.as_slice() else { panic!("{wishes:?}") };
    std::fs::remove_file(path).unwrap();
    let grey = |session: &Session, id| session.results.large(id).map(|picture| picture.rgba()[0]);
    stage.apply(Action::SeeLarge(vec![gone, first, second]));
    stage.until(|s| grey(s, second).is_some());
    assert_eq!([gone, first, second].map(|id| grey(&stage.session, id)), [None, Some(20), Some(30)]);
    stage.apply(Action::SeeLarge(vec![second]));
    assert_eq!((grey(&stage.session, first), grey(&stage.session, second)), (None, Some(30)));
}

#[test]
fn more_results_than_a_page_come_page_by_page_and_a_search_narrows_them() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    for n in 0..archive::PAGE + 3 {
        stage.session.draft.prompt = format!("apple {n}");
        stage.paint(1);
    }
    stage.apply(Action::Search("no such words".into()));
    stage.until(|s| !s.results.is_loading);
    assert!(stage.session.results.items.is_empty());
    stage.apply(Action::Search(String::new()));
    stage.until(|s| !s.results.is_loading);
    assert_eq!((stage.session.results.items.len(), stage.session.results.has_more), (archive::PAGE, true));
    stage.apply(Action::MoreResults);
    stage.until(|s| !s.results.is_loading);
    assert_eq!((stage.session.results.items.len(), stage.session.results.has_more), (archive::PAGE + 3, false));
    assert_eq!(stage.session.results.items.last().unwrap().prompt, "apple 0");
    stage.apply(Action::Search("APPLE 61".into()));
    stage.until(|s| !s.results.is_loading);
    assert_eq!(stage.session.results.items.iter().map(|i| i.prompt.as_str()).collect::<Vec<_>>(), ["apple 61"]);
}

#[test]
fn a_recalled_result_can_be_painted_again_to_the_last_setting() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::PastePicture(Picture::filled(SIZE, [5, 5, 5, 255])));
    stage.until(|s| s.document.picture().is_some());
    stage.apply(stroke());
    stage.session.draft.strength = 0.4;
    stage.apply(Action::Generate);
    let job = stage.job();
    stage.end(&job, Outcome::Finished(painted(&job, 90)));
    stage.until(|s| matches!(s.results.items[0].kept, Kept::InGallery(_)));
    stage.session.save();
    drop(stage);
    // Another start, so that everything comes from disk.
    let mut stage = stage_with(home.path(), vec![Model::new("bozzetto", "", &defaults())]);
    stage.until(|s| !s.results.items.is_empty());
    stage.apply(Action::ClosePicture);
    stage.session.draft = Draft { prompt: "else".into(), steps: 99, ..Draft::default() };
    stage.session.draft.model = "bozzetto".into();
    let id = stage.session.results.items[0].id;
    stage.apply(Action::Recall(id));
    stage.until(|s| s.draft.prompt == "red apple");
    stage.apply(Action::Generate);
    assert_eq!(stage.job().request, job.request);
}

#[test]
fn the_settings_of_what_another_machine_painted_are_computed_as_is_usual_here() {
    use Precision::{Bf16, F16, F32};
    for (painted_in, there, usual, expected) in
        [(F16, [F32, Bf16], F32, F32), (Bf16, [F32, F16], F16, F16), (F16, [F32, F16], F32, F16)]
    {
        let home = tempfile::tempdir().unwrap();
        let mut stage = stage(home.path());
        stage.session.draft.precision = painted_in;
        let id = stage.paint(10);
        stage.session.precisions = there.to_vec();
        for model in &mut stage.session.models {
            model.example.precision = usual;
        }
        let other = Draft { prompt: "else".into(), precision: F32, ..stage.session.draft.clone() };
        let said = format!("cannot compute in {} here", painted_in.name());
        let is_said = |stage: &Stage| stage.said().iter().any(|notice| notice.contains(&said));

        stage.session.draft = other.clone();
        stage.apply(Action::Recall(id));
        stage.until(|s| s.draft.prompt == "red apple");
        assert_eq!((stage.session.draft.precision, is_said(&stage)), (expected, painted_in != expected));

        stage.session.notices = Notices::default();
        stage.session.draft = other;
        let text = format!("a cat\nSteps: 9, Sampler: Euler, Seed: 5, Sfumato precision: {}", painted_in.name());
        stage.apply(Action::TakeText(text));
        assert_eq!(stage.session.draft.prompt, "a cat");
        assert_eq!((stage.session.draft.precision, is_said(&stage)), (expected, painted_in != expected));
    }
}

#[test]
fn recalling_what_came_from_noise_offers_to_close_the_picture() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let id = stage.paint(10);
    stage.apply(Action::StartFromResult(id));
    assert_eq!(stage.session.document.picture().unwrap().rgba()[0], 10);
    stage.apply(Action::Recall(id));
    assert_eq!((stage.session.document.has_picture(), stage.session.draft.seed), (true, 7));
    let close = stage.hears("painted from noise").offers[0].action.clone();
    stage.apply(close);
    assert!(!stage.session.document.has_picture());
}

#[test]
fn starting_from_a_result_that_must_be_read_first_starts_from_that_one() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.paint(10);
    first.paint(20);
    drop(first);
    let mut second = stage(home.path());
    second.until(|s| s.results.items.len() == 2);
    let (newer, older) = (second.session.results.items[0].id, second.session.results.items[1].id);
    second.apply(Action::Show(newer));
    second.until(|s| s.results.shown == Some(newer));
    second.apply(Action::StartFromResult(older));
    second.until(|s| s.document.picture().is_some());
    assert_eq!(second.session.document.picture().unwrap().rgba()[0], 10);
    assert_eq!(second.shown_grey(), Some(10));
}

#[test]
fn a_search_does_not_find_what_was_made_since_and_holds_other_words() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::Search("APPLE re".into()));
    stage.until(|s| !s.results.is_loading);
    stage.session.draft.prompt = "green pear".into();
    stage.paint(10);
    stage.session.draft.prompt = "red apple".into();
    stage.paint(20);
    assert_eq!(stage.session.results.items.len(), 2);
    let found: Vec<_> = stage.session.results.found().map(|item| item.prompt.as_str()).collect();
    assert_eq!(found, ["red apple"]);
}

#[test]
fn a_result_is_written_where_the_person_says() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.apply(Action::SavePicture(home.path().join("nothing.png")));
    stage.hears("no picture to save yet");
    let id = stage.paint(100);
    stage.apply(Action::AskWhereToSave(id));
    let wishes = stage.session.take_wishes();
    assert_eq!(wishes, [Wish::AskWhereToSave { result: id, name: "red-apple-7.png".into() }]);
    stage.apply(Action::SaveResult(id, home.path().join("mine.png")));
    stage.hears("mine.png");
    stage.apply(Action::SavePicture(home.path().join("shown.jpg")));
    stage.hears("shown.jpg");
    stage.apply(Action::SavePicture(home.path().join("shown.gif")));
    stage.hears("shown.gif.png");
    for name in ["mine.png", "shown.jpg", "shown.gif.png"] {
        let path = home.path().join(name);
        assert_eq!(Picture::load(&path).unwrap().rgba()[0], 100);
        assert!(read_texts(&path).iter().any(|(key, text)| key == PARAMETERS_KEY && text.starts_with("red apple")));
    }
    stage.apply(Action::SaveResult(id, "/proc/nowhere/mine.png".into()));
    assert_eq!(stage.hears("was not saved").kind, NoticeKind::Error);
}

#[test]
fn a_result_whose_file_is_gone_says_so_keeps_its_settings_and_can_be_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    let id = first.paint(10);
    first.apply(Action::Reveal(id));
    let wishes = first.session.take_wishes();
    let [Wish::Reveal(path)] = wishes.as_slice() else { panic!("{wishes:?}") };
    std::fs::remove_file(path).unwrap();
    first.apply(Action::Reveal(id));
    first.hears("file is gone");
    drop(first);
    let mut stage = stage(home.path());
    stage.until(|s| !s.results.items.is_empty());
    let item = stage.session.results.items[0].clone();
    assert!(item.missing);
    stage.apply(Action::Show(item.id));
    stage.hears("gone");
    stage.session.draft.prompt = "else".into();
    stage.apply(Action::Recall(item.id));
    stage.until(|s| s.draft.prompt == "red apple");
    stage.apply(Action::Delete(item.id));
    stage.until(|s| s.results.items.is_empty());
    stage.apply(Action::Show(item.id));
    stage.hears("was deleted");
}

#[test]
fn deleting_goes_on_to_the_next_older_result_then_to_newer_ones() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    let ids = [1, 2, 3].map(|grey| first.paint(grey));
    drop(first);
    let mut stage = stage(home.path());
    stage.until(|s| s.results.items.len() == ids.len());
    let middle = stage.session.results.items[1].id;
    stage.apply(Action::Show(middle));
    stage.until(|s| s.results.shown == Some(middle));
    for grey in [Some(1), Some(3), None] {
        let shown = stage.session.results.shown.unwrap();
        stage.apply(Action::Delete(shown));
        stage.apply(Action::Delete(shown));
        stage.until(|s| s.results.get(shown).is_none());
        assert_eq!(stage.shown_grey(), grey);
        assert!(stage.session.notices.iter().all(|notice| notice.kind == NoticeKind::Info), "{:?}", stage.said());
    }
}

/// What the engine was told to enlarge.
fn to_enlarge(stage: &Stage) -> (Job, Arc<Picture>, u32) {
    match stage.peer.try_command() {
        Some(Command::Upscale { job, picture, steps_made }) => (job, picture, steps_made),
        other => panic!("expected a picture to enlarge, got {other:?}"),
    }
}

#[test]
fn a_result_is_enlarged_into_another_one_once() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let small = stage.paint(50);
    assert!(stage.session.can_upscale(stage.session.results.get(small).unwrap()));
    stage.apply(Action::Upscale(small));
    let (job, picture, steps_made) = to_enlarge(&stage);
    assert_eq!((job.request.picture_extent(), picture.rgba()[0], steps_made), (Extent::new(64, 64), 50, 4));
    stage.tell(Event::JobPhase { id: job.id, phase: Phase::Upscale });
    stage.tell(Event::JobPiece { id: job.id, index: 1, count: 2 });
    assert!((stage.session.jobs.running.as_ref().unwrap().progress() - 0.5).abs() < f32::EPSILON);
    let larger = Arc::new(Picture::filled(Extent::new(64, 64), [50, 50, 50, 255]));
    stage.end(&job, Outcome::Finished(Painted { picture: larger, ..painted(&job, 50) }));
    let item = &stage.session.results.items[0];
    assert_eq!((item.extent, item.upscaled, item.partial), (Extent::new(64, 64), true, false));
    let id = item.id;
    assert!(!stage.session.can_upscale(item));
    stage.apply(Action::Upscale(id));
    assert!(stage.is_idle(), "what was enlarged is not enlarged again");
    stage.until(|s| matches!(s.results.get(id).unwrap().kept, Kept::InGallery(_)));

    // After a restart it is listed at the size that its file has, and with what it was enlarged.
    drop(stage);
    let mut stage = super::stage(home.path());
    stage.until(|s| s.results.items.len() == 2);
    let (item, before) = (&stage.session.results.items[0], &stage.session.results.items[1]);
    assert_eq!((item.extent, item.upscaled), (Extent::new(64, 64), true));
    assert_eq!((before.extent, before.upscaled), (SIZE, false));
    let (item, before) = (item.id, before.id);
    stage.apply(Action::Recall(item));
    stage.until(|s| s.draft.upscale.is_some());
    stage.apply(Action::Recall(before));
    stage.until(|s| s.draft.upscale.is_none());
}

#[test]
fn a_draft_that_names_an_upscaler_that_is_gone_paints_without() {
    let home = tempfile::tempdir().unwrap();
    let mut first = stage(home.path());
    first.session.draft.upscale = Some(Upscale { upscaler: "Bozzetto 4x".into(), factor: 4.0, refine: None });
    first.apply(Action::Generate);
    assert_eq!(first.job().request.upscale, first.session.draft.upscale);
    first.session.draft.upscale = Some(Upscale { upscaler: "sharp".into(), factor: 2.0, refine: None });
    first.session.save();
    drop(first);
    let mut stage = stage(home.path());
    assert_eq!(stage.session.draft.upscale, None);
    stage.hears("The upscaler sharp is not there any more");
}

#[test]
fn what_was_deleted_is_brought_back_to_its_place_for_as_long_as_that_is_offered() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let ids = [("a", 10), ("b", 20), ("c", 30)].map(|(prompt, grey)| {
        stage.session.draft.prompt = prompt.into();
        stage.paint(grey)
    });
    stage.apply(Action::Delete(ids[1]));
    stage.apply(Action::Delete(ids[2]));
    stage.until(|s| s.results.items.len() == 1);
    let notice = stage.hears("2 results were deleted");
    stage.apply(notice.offers[0].action.clone());
    stage.until(|s| s.results.items.len() == 3);
    let prompts: Vec<_> = stage.session.results.items.iter().map(|item| item.prompt.as_str()).collect();
    assert_eq!(prompts, ["c", "b", "a"]);
    assert!(stage.said().is_empty(), "{:?}", stage.said());
    // It is looked at again: its file is there.
    stage.until(|s| s.canvas_picture().is_some_and(|picture| picture.rgba()[0] == 30));

    let newest = stage.session.results.items[0].id;
    stage.apply(Action::Delete(newest));
    stage.until(|s| s.results.items.len() == 2);
    let offers = |notice: &&Notice| notice.offers.iter().any(|offer| offer.label == "Bring it back");
    let notice = stage.session.notices.iter().find(offers).unwrap().id;
    assert_eq!(stage.session.results.deleted.len(), 1);
    stage.apply(Action::Dismiss(notice));
    stage.session.poll();
    assert!(stage.session.results.deleted.is_empty(), "nobody can ask for it any more");
}
