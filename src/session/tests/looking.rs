use super::*;
use crate::engine::LookId;
use crate::meaning::{Embedding, Seen};

fn clip() -> Clip {
    Clip { name: "Bozzetto CLIP".into(), fingerprint: "f00d".into() }
}

fn stage_with_clip(home: &Path) -> Stage {
    stage_of(home, vec![Model::new("bozzetto", "", &defaults())], Some(clip()))
}

/// What the engine was told to look at.
struct Look {
    id: LookId,
    grey: u8,
    prompt: String,
    cancel: CancelToken,
}

impl Stage {
    /// Waits until the engine is told to look at a picture.
    fn look(&mut self) -> Look {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.session.poll();
            match self.peer.try_command() {
                Some(Command::Look { id, clip, picture, prompt, cancel }) => {
                    assert_eq!(clip, "Bozzetto CLIP");
                    return Look { id, grey: picture.rgba()[0], prompt, cancel };
                }
                Some(Command::Load { .. }) | None => {
                    assert!(Instant::now() < deadline, "nothing is looked at; notices: {:?}", self.said());
                    std::thread::sleep(Duration::from_millis(2));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Looks at the next picture: what is in it is its grey.
    fn look_at_next(&mut self) -> Look {
        let look = self.look();
        self.tell(Event::Looked { id: look.id, seen: Ok(Some(seen(look.grey))) });
        look
    }

    /// What the engine was told to read.
    fn words(&mut self) -> String {
        match self.peer.try_command() {
            Some(Command::Read { words, .. }) => words,
            other => panic!("{other:?}"),
        }
    }

    fn gathered(&self) -> Vec<u64> {
        let gathered = self.session.results.gathered.as_ref().unwrap();
        gathered.items.iter().map(|(item, _)| item.seed).collect()
    }

    fn until_gathered(&mut self) {
        self.until(|s| s.results.gathered.as_ref().is_some_and(|gathered| !gathered.is_loading));
    }
}

/// The darker a picture, the better it fits; the greys lie on an arc.
fn seen(grey: u8) -> Seen {
    let angle = f32::from(grey) / 255.0;
    let embedding = Embedding::new(vec![angle.cos(), angle.sin()]).unwrap();
    Seen { embedding, fit: Some(1.0 - angle) }
}

/// Results of these greys, seeds from 1 on, all with one prompt, all looked at.
fn stage_of_greys(home: &Path, greys: &[u8]) -> Stage {
    let mut stage = stage_with_clip(home);
    stage.session.draft.seed_locked = true;
    for (seed, grey) in (1..).zip(greys) {
        stage.session.draft.seed = seed;
        stage.paint(*grey);
        assert_eq!(stage.look_at_next().grey, *grey);
    }
    stage
}

#[test]
fn a_result_that_was_kept_is_looked_at_and_says_how_well_it_fits() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_with_clip(home.path());
    let id = stage.paint(51);
    assert_eq!(stage.session.results.get(id).unwrap().fit, None);
    let look = stage.look_at_next();
    assert_eq!((look.grey, look.prompt.as_str()), (51, "red apple"));
    assert_eq!(stage.session.results.get(id).unwrap().fit, Some(0.8));
    drop(stage);
    // It is known after a restart, and not looked at again.
    let mut stage = stage_with_clip(home.path());
    stage.until(|s| s.results.items.len() == 1 && !s.results.is_loading);
    assert_eq!(stage.session.results.items[0].fit, Some(0.8));
    stage.paint(60);
    assert_eq!(stage.look_at_next().grey, 60);
}

#[test]
fn results_from_before_are_looked_at_one_after_the_other_and_only_while_nothing_is_painted() {
    let home = tempfile::tempdir().unwrap();
    let mut before = stage(home.path());
    for grey in [10, 20, 30] {
        before.paint(grey);
    }
    drop(before);
    let mut stage = stage_with_clip(home.path());
    assert_eq!(stage.look_at_next().grey, 30, "the newest first");
    let second = stage.look();
    assert_eq!(second.grey, 20);
    stage.apply(Action::Generate);
    assert!(second.cancel.requested().is_some(), "work goes before");
    let job = stage.job();
    stage.tell(Event::Looked { id: second.id, seen: Ok(None) });
    std::thread::sleep(Duration::from_millis(50));
    stage.session.poll();
    assert!(stage.is_idle(), "nothing is looked at meanwhile");
    stage.end(&job, Outcome::Cancelled);
    assert_eq!(stage.look_at_next().grey, 20, "what was taken back comes again");
    assert_eq!(stage.look_at_next().grey, 10);
}

#[test]
fn without_a_clip_nothing_is_looked_at_and_searching_is_by_words_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    stage.paint(10);
    assert!(!stage.session.can_compare());
    stage.apply(Action::Search("apple".into()));
    stage.until(|s| !s.results.is_loading);
    assert!(stage.is_idle() && stage.session.results.gathered.is_none());
}

#[test]
fn a_search_finds_what_shows_it_besides_what_holds_its_words() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_of_greys(home.path(), &[200, 10, 60]);
    stage.apply(Action::Search("something dark".into()));
    assert_eq!(stage.words(), "something dark");
    stage.apply(Action::Search("apple dark".into()));
    assert_eq!(stage.words(), "apple dark");
    stage.tell(Event::WordsRead { words: "something dark".into(), meaning: Ok(seen(250).embedding) });
    stage.tell(Event::WordsRead { words: "apple dark".into(), meaning: Ok(seen(0).embedding) });
    stage.until_gathered();
    assert_eq!(
        stage.gathered(),
        [2, 3],
        "by the words that were asked for last, and not what is farther than the average"
    );
    assert_eq!(stage.session.results.found_besides().count(), 2);
    stage.apply(Action::Search("apple".into()));
    let words = stage.words();
    stage.tell(Event::WordsRead { words, meaning: Ok(seen(0).embedding) });
    stage.until(|s| !s.results.is_loading && s.results.gathered.as_ref().is_some_and(|gathered| !gathered.is_loading));
    assert_eq!(stage.session.results.found_besides().count(), 0, "what holds the words is not listed twice");
    stage.apply(Action::Search(String::new()));
    assert!(stage.session.results.gathered.is_none() && stage.is_idle());
}

#[test]
fn more_of_what_a_result_shows_is_found_and_it_can_be_shown_and_deleted() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_of_greys(home.path(), &[200, 10, 180]);
    let first = stage.session.results.items.last().unwrap().id;
    stage.apply(Action::FindAlike(first));
    stage.until_gathered();
    assert_eq!(stage.gathered(), [3, 2], "it is not listed itself");
    let nearest = stage.session.results.gathered.as_ref().unwrap().items[0].0.id;
    stage.apply(Action::Show(nearest));
    stage.until(|s| s.results.shown == Some(nearest));
    stage.apply(Action::Delete(nearest));
    stage.until(|s| s.results.get(nearest).is_none());
    assert_eq!(stage.gathered(), [2]);
}

#[test]
fn the_results_of_a_prompt_are_listed_best_fitting_first() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_of_greys(home.path(), &[200, 10, 100]);
    stage.session.draft.prompt = "green pear".into();
    stage.paint(0);
    stage.look_at_next();
    let apple = stage.session.results.items[1].id;
    stage.apply(Action::ListBestFitting(apple));
    stage.until_gathered();
    assert_eq!(stage.gathered(), [2, 3, 1]);
    assert_eq!(stage.session.results.gathered.as_ref().unwrap().by, By::Prompt("red apple".into()));
}

#[test]
fn what_was_not_looked_at_yet_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_with_clip(home.path());
    let id = stage.paint(10);
    stage.apply(Action::FindAlike(id));
    stage.hears("not looked at yet");
    assert!(stage.session.results.gathered.is_none());
}

#[test]
fn a_clip_that_cannot_be_used_is_told_once_and_bothers_nobody() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_with_clip(home.path());
    stage.paint(10);
    let look = stage.look();
    let damaged = crate::checkpoints::Error::NotAClip("clip".into());
    stage.tell(Event::Looked { id: look.id, seen: Err(damaged.into()) });
    assert_eq!(stage.hears("cannot be compared by what they show").kind, NoticeKind::Info);
    assert!(!stage.session.can_compare());
    stage.paint(20);
    stage.session.poll();
    assert!(stage.is_idle());
}

#[test]
fn a_picture_that_cannot_be_looked_at_is_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let mut before = stage(home.path());
    before.paint(10);
    let id = before.paint(20);
    before.apply(Action::Reveal(id));
    let wishes = before.session.take_wishes();
    let [Wish::Reveal(path)] = wishes.as_slice() else { panic!("{wishes:?}") };
    std::fs::write(path, b"no picture any more").unwrap();
    drop(before);
    let mut stage = stage_with_clip(home.path());
    let look = stage.look();
    assert_eq!(look.grey, 10, "a file that cannot be read is not looked at");
    stage.tell(Event::Looked { id: look.id, seen: Err(crate::meaning::Error::Empty.into()) });
    stage.paint(30);
    assert_eq!(stage.look_at_next().grey, 30, "and one that says nothing is not tried again");
    assert!(stage.said().iter().all(|said| !said.contains("look") && !said.contains("compare")), "{:?}", stage.said());
}
