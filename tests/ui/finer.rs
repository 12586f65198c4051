//! The settings that are folded away, styles and the length of prompts.

use super::*;
use sfumato::diffusion::{NoiseSource, Program, Reproduce, Variation};
use sfumato::session::Length;

#[test]
fn finer_settings_open_and_say_whose_ways_are_followed() {
    let mut window = window_of([1280.0, 1180.0], Theme::Dark, None);
    assert!(window.harness.query_by_label("Emphasis").is_none(), "folded away");
    window.click("Finer settings");
    window.harness.get_by_label("Emphasis");
    let session = &mut window.harness.state_mut().session;
    session.draft.seed = 7;
    session.draft.sampler = SamplerName::EulerAncestral;
    session.draft.prompt = "a still life, (red apple:1.2), oil on canvas".into();
    session.draft.negative_prompt = "blurry".into();
    session.draft.reproduce = Reproduce {
        variation: Some(Variation { seed: 3_141_592, strength: 0.25 }),
        ensd: 31_337,
        resized_from: Some(Extent::new(512, 768)),
        sgm_noise: true,
        ..Reproduce::usual(Program::A1111)
    };
    window.harness.run();
    // As if they had been counted for a model with a tokenizer.
    let lengths = [Length { tokens: 12, room: 75 }, Length { tokens: 1, room: 75 }];
    window.harness.state_mut().session.lengths = Some(lengths);
    snapshot(&mut window, "finer_settings_dark");
    assert_eq!(window.session().draft.reproduce.noise, NoiseSource::Nv);
    window.click("Finer settings");
    assert!(window.harness.query_by_label("Emphasis").is_none());
}

#[test]
fn styles_are_picked_beside_the_prompt_and_taken_away_under_it() {
    let mut window = window_of([960.0, 900.0], Theme::Light, None);
    let styles =
        "name,prompt,negative_prompt\nInk,\"{prompt}, ink\",photo\nOil on canvas,oil on canvas,\nWoodcut,woodcut,\n";
    std::fs::write(window.home.path().join("styles.csv"), styles).unwrap();
    window.apply(Action::LookAtStyles);
    window.wait("the styles", |session| session.styles.len() == 3);
    window.harness.run();
    window.click("Styles");
    window.click("Ink");
    window.click("Woodcut");
    snapshot(&mut window, "styles_light");
    window.press(Modifiers::NONE, Key::Escape);
    window.click("Take the style Woodcut away");
    let names: Vec<_> = window.session().draft.styles.iter().map(|style| style.name.clone()).collect();
    assert_eq!(names, ["Ink"]);
    window.apply(Action::Generate);
    let request = window.job().request;
    assert_eq!((request.prompt.as_str(), request.negative_prompt.as_str()), ("red apple, ink", "photo"));
}
