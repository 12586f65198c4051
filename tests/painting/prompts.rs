//! What a run makes of words: how many, what they weigh, when they change, and which it was never taught.

use super::*;

/// The shape of what conditions the first step.
fn conditioning_of(model: &Model, request: &Request) -> Vec<usize> {
    let mut shape = Vec::new();
    paint(model, Extras::default(), request, &mut |progress| {
        if let Progress::Start { conditioning, .. } = progress {
            shape = conditioning.dims().to_vec();
        }
        Continue(())
    })
    .unwrap();
    shape
}

#[test]
fn a_prompt_of_any_length_is_read_whole() {
    let model = bozzetto();
    let of = |prompt: &str, guidance_scale| {
        let request = Request { prompt: prompt.to_owned(), guidance_scale, steps: 1, ..request() };
        conditioning_of(&model, &request)
    };
    assert_eq!(of("a red apple", 1.0), [1, 32, 256]);
    // 31 words of one token: one more than fit between the tokens that begin and end a text.
    assert_eq!(of(&"red ".repeat(31), 1.0), [1, 64, 256]);
    assert_eq!(of("a red apple BREAK a cat", 3.5), [2, 64, 256], "the shorter negative prompt is filled up");
    let last = |word: &str| Request { prompt: "red ".repeat(35) + word, ..request() };
    assert_ne!(finished(&model, &last("apple")).picture, finished(&model, &last("rocket")).picture);
}

#[test]
fn words_weigh_and_change_as_their_brackets_say() {
    let model = bozzetto();
    let of = |prompt: &str| {
        let painted = finished(&model, &Request { prompt: prompt.to_owned(), ..request() });
        assert_eq!((painted.steps_made, &painted.notes[..]), (4, &[][..]), "{prompt}");
        painted.picture
    };
    let (apple, rocket) = (of("a red apple"), of("a red rocket"));
    assert_eq!(of("a red (apple:1.0)"), apple);
    assert_ne!(of("a (red apple:1.4)"), apple);
    assert_eq!(of("a red [apple:rocket:0]"), rocket);
    assert_eq!(of("a red [apple:rocket:1.0]"), apple);
    assert_eq!(of("a red [apple|apple]"), apple);
    let edited = of("a red [apple:rocket:.5]");
    assert!(edited != apple && edited != rocket);
    assert_eq!(of("a red [apple:rocket:2]"), edited, "two of four steps are half of them");
    assert_ne!(of("a red [apple|rocket]"), edited);
}

#[test]
fn words_change_at_their_step_also_where_churn_lifts_sigmas() {
    let model = bozzetto();
    let estimates = |prompt: &str, churn: f64| {
        let tuning = Tuning { churn, ..Tuning::default() };
        let request = Request { prompt: prompt.to_owned(), sampler: SamplerName::Euler, steps: 6, tuning, ..request() };
        let mut estimates = Vec::new();
        let mut keep = |progress: Progress<'_>| {
            if let Progress::Step { denoised, .. } = progress {
                estimates.push(denoised.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
            Continue(())
        };
        paint(&model, Extras::default(), &request, &mut keep).unwrap();
        estimates
    };
    for churn in [0.0, 3.0] {
        let (changing, plain) = (estimates("[red apple:blue car:3]", churn), estimates("red apple", churn));
        let first_apart = changing.iter().zip(&plain).position(|(a, b)| a != b);
        assert_eq!(first_apart, Some(3), "churn {churn}");
    }
}

#[test]
fn words_that_bozzetto_was_not_taught_are_told() {
    let model = bozzetto();
    let notes = |prompt: &str| {
        let request = Request { prompt: prompt.to_owned(), steps: 1, ..request() };
        finished(&model, &request).notes
    };
    let told = |words: &str| vec![format!("the model was never taught this of the prompt: {words}")];
    assert_eq!(notes("ein Fuchs, (red:1.2) [fox|cat]"), told("ein, Fuchs, fox"));
    assert_eq!(notes("一只红狐狸"), told("一只, 狐狸"));
    assert_eq!(notes("🦊"), told("🦊"));
    let many: Vec<String> = (10..30).map(|number| number.to_string()).collect();
    assert_eq!(notes(&many.join(" ")), told(&(many[..8].join(", ") + " and 12 more")));
    for silent in ["", "!?… 。", "red apple, 3D style"] {
        assert_eq!(notes(silent), [""; 0], "{silent:?}");
    }
    let prompts = std::fs::read_to_string(folder().join("recipe/prompts.txt")).unwrap();
    assert!(prompts.lines().count() > 20);
    for prompt in prompts.lines() {
        assert_eq!(model.taught.as_ref().unwrap().missing_in(prompt), [""; 0], "{prompt:?}");
    }
}
