use super::*;
use crate::checkpoints::WeightBytes;
use crate::prompt::Style;
use std::path::PathBuf;

/// A session whose model is the one in the box.
fn stage_with_bozzetto(home: &Path) -> Stage {
    let details = Details {
        kind: String::new(),
        stored: "f16",
        bytes: 1,
        weights: WeightBytes::default(),
        vae_width: 32,
        path: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto"),
        preview: None,
    };
    stage_with(home, vec![Model { details: Some(details), ..Model::new("bozzetto", "", &defaults()) }])
}

#[test]
fn the_prompts_are_counted_when_they_change_and_only_then() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage_with_bozzetto(home.path());
    stage.until(|s| s.lengths.is_some_and(|[prompt, negative]| (prompt.tokens, negative.tokens) == (2, 0)));
    stage.session.lengths = None;
    stage.session.poll();
    std::thread::sleep(Duration::from_millis(50));
    stage.session.poll();
    assert_eq!(stage.session.lengths, None, "nothing has changed, so nothing is counted");
    stage.session.draft.negative_prompt = "blue".into();
    stage.until(|s| s.lengths.is_some_and(|[prompt, negative]| (prompt.tokens, negative.tokens) == (2, 1)));
}

#[test]
fn styles_are_read_at_the_start_and_what_is_painted_has_them_in_its_prompts() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("styles.csv"), "name,prompt,negative_prompt\nInk,\"{prompt}, ink\",photo\n")
        .unwrap();
    let mut stage = stage(home.path());
    stage.until(|s| !s.styles.is_empty());
    let ink = Style { name: "Ink".into(), prompt: "{prompt}, ink".into(), negative_prompt: "photo".into() };
    assert_eq!(stage.session.styles, std::slice::from_ref(&ink));
    stage.session.draft.styles = vec![ink];
    stage.apply(Action::Generate);
    let job = stage.job();
    assert_eq!((job.request.prompt.as_str(), job.request.negative_prompt.as_str()), ("red apple, ink", "photo"));
    stage.end(&job, Outcome::Finished(painted(&job, 5)));
    let id = stage.session.results.items[0].id;
    stage.apply(Action::Recall(id));
    stage.until(|s| s.draft.styles.is_empty());
    assert_eq!(stage.session.draft.prompt, "red apple, ink", "and not twice");
}

#[test]
fn of_a_variation_generate_draws_the_other_seed() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let variation = crate::diffusion::Variation { seed: 9, strength: 0.2 };
    stage.session.draft.reproduce.variation = Some(variation);
    let mut seeds = Vec::new();
    for _ in 0..2 {
        stage.apply(Action::Generate);
        let job = stage.job();
        seeds.push((job.request.seed, job.request.reproduce.variation.unwrap().seed));
        stage.end(&job, Outcome::Finished(painted(&job, 5)));
    }
    assert_eq!((seeds[0], seeds[1].0), ((7, 9), 7));
    assert_ne!(seeds[1].1, 9);
    stage.session.draft.count = 3;
    stage.session.draft.seed_locked = true;
    stage.apply(Action::Generate);
    stage.job();
    let waiting: Vec<_> = stage.session.jobs.waiting.iter().map(|job| job.request.clone()).collect();
    let first = stage.session.draft.reproduce.variation.unwrap().seed;
    let others = waiting.iter().map(|request| (request.seed, request.reproduce.variation.unwrap().seed));
    assert_eq!(others.collect::<Vec<_>>(), [(7, (first + 1) & 0xFFFF_FFFF), (7, (first + 2) & 0xFFFF_FFFF)]);
}

#[test]
fn what_a_model_was_never_taught_is_said_once_and_goes_away_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = stage(home.path());
    let paint = |stage: &mut Stage, notes: &[&str]| {
        stage.apply(Action::Generate);
        let job = stage.job();
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        stage.end(&job, Outcome::Finished(Painted { notes, ..painted(&job, 9) }));
    };
    let untaught = "the model was never taught this of the prompt: table";
    paint(&mut stage, &[untaught, "the mask is empty, so nothing was repainted"]);
    assert!(stage.hears("never taught").leaves_at.is_some());
    let ids: Vec<_> = stage.session.notices.iter().map(|notice| notice.id).collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        stage.apply(Action::Dismiss(id));
    }
    paint(&mut stage, &[untaught, "the mask is empty, so nothing was repainted"]);
    assert_eq!(stage.said(), ["The mask is empty, so nothing was repainted"], "of other things it is said each time");
    paint(&mut stage, &["the model was never taught this of the prompt: chair"]);
    stage.hears("chair");
}
