//! `NovelAI`: `Software` names it, `Description` is the prompt, and `Comment` holds the rest as JSON. Its models are nobody else's; A1111 reads its
//! pictures with a clip skip of 2 and an ENSD of 31337, and so are they read here.

use super::{Found, Imported, a1111, differences, json};
use crate::diffusion::{Emphasis, Program, Reproduce, Savings, ScheduleName, Tuning};
use crate::geom::Extent;
use serde_json::Value;

/// How much a curly bracket strengthens, and a square one weakens.
const STEP: f64 = 1.05;
const ENSD: i64 = 31_337;
/// Settings that change a picture and have no counterpart, with the value that says nothing.
const OTHERS: [&str; 9] = [
    "sm",
    "sm_dyn",
    "dynamic_thresholding",
    "controlnet_strength",
    "reference_strength_multiple",
    "skip_cfg_above_sigma",
    "uncond_scale",
    "noise",
    "request_type",
];

/// Reads the texts of a picture; none where another program wrote them.
pub(super) fn read(software: Option<&str>, description: Option<&str>, comment: Option<&str>) -> Option<Imported> {
    if software != Some("NovelAI") {
        return None;
    }
    let value = json::parse(comment?)?;
    let get = |key: &str| value.get(key).filter(|value| !value.is_null());
    let caption = |key: &str| value.pointer(&format!("/{key}/caption/base_caption")).and_then(Value::as_str);
    let prompt = caption("v4_prompt").or_else(|| get("prompt").and_then(Value::as_str)).or(description)?;
    let negative = caption("v4_negative_prompt").or_else(|| get("uc").and_then(Value::as_str)).unwrap_or_default();
    let ((prompt, _), (negative, _)) = (json::plain_prompt(prompt), json::plain_prompt(negative));
    let mut found =
        Found { prompt: Some(weighed(&prompt)), negative_prompt: Some(weighed(&negative)), ..Found::default() };
    let (mut unknown, mut notes) = (Vec::new(), Vec::new());
    let count = |key: &str| get(key).and_then(json::count);
    found.steps = count("steps");
    found.seed = get("seed").and_then(json::whole);
    found.guidance_scale = get("scale").and_then(json::number);
    found.extent = count("width").zip(count("height")).map(|(width, height)| Extent::new(width, height));
    found.strength = get("strength")
        .filter(|_| get("request_type").is_some_and(|kind| json::shown(kind).contains("Img2Img")))
        .and_then(json::number);
    let label = get("sampler").and_then(Value::as_str).unwrap_or_default();
    let name = label.strip_prefix("k_").unwrap_or(label);
    found.sampler = a1111::sampler_named(name);
    if found.sampler.is_none() && !label.is_empty() {
        unknown.push(("sampler".to_owned(), label.to_owned()));
    }
    let schedule = get("noise_schedule").and_then(Value::as_str);
    found.schedule = Some(match schedule {
        Some("native") => ScheduleName::Normal,
        Some(name) => a1111::schedule_named(name).unwrap_or(ScheduleName::Automatic),
        None => ScheduleName::Automatic,
    });
    let guidance_rescale = get("cfg_rescale").and_then(json::number).unwrap_or(0.0).clamp(0.0, 1.0);
    let tuning = Tuning { guidance_rescale, ..Tuning::default() };
    for key in OTHERS {
        let value = get(key)
            .filter(|value| ![Value::Bool(false), Value::from(0), Value::from(0.0), Value::from("")].contains(value));
        let is_usual = |value: &Value| {
            value.as_array().is_some_and(Vec::is_empty)
                || value == "PromptGenerateRequest"
                || json::number(value) == Some(1.0)
        };
        if let Some(value) = value.filter(|value| !is_usual(value)) {
            unknown.push((key.to_owned(), json::shown(value)));
        }
    }
    let others = value.pointer("/v4_prompt/caption/char_captions").and_then(Value::as_array);
    for caption in others.into_iter().flatten().filter_map(|one| one.get("char_caption")?.as_str()) {
        unknown.push(("character".to_owned(), caption.to_owned()));
    }
    notes.push("NovelAI's models are its own: another one paints another picture".to_owned());
    found.clip_skip = Some(2);
    found.emphasis = Some(Emphasis::Original);
    found.reproduce = Some(Reproduce { ensd: ENSD, ..Reproduce::usual(Program::A1111) });
    (found.tuning, found.savings) = (Some(tuning), Some(Savings::default()));
    let differences = differences::elsewhere(&found, None, notes, &unknown);
    Some(Imported { settings: found, unknown, differences })
}

/// Its weights in our grammar: `{word}` is 1.05 times as strong, `[word]` as much weaker, `1.3::word::` 1.3 times. Round brackets are letters.
fn weighed(prompt: &str) -> String {
    let mut text = String::new();
    let mut rest = prompt;
    // What each open bracket multiplies by.
    let mut opened: Vec<(char, f64)> = Vec::new();
    while let Some(c) = rest.chars().next() {
        let is_inside = text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        if let Some((weight, after)) = Some(rest).filter(|_| !is_inside).and_then(numbered) {
            text.push('(');
            opened.push((':', weight));
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("::") {
            if opened.last().is_some_and(|(open, _)| *open == ':') {
                close(&mut text, &mut opened);
            }
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        let opens = |open: char| opened.last().is_some_and(|(last, _)| *last == open);
        match c {
            '{' | '[' => {
                text.push('(');
                opened.push((c, if c == '{' { STEP } else { 1.0 / STEP }));
            }
            '}' if opens('{') => close(&mut text, &mut opened),
            ']' if opens('[') => close(&mut text, &mut opened),
            '(' | ')' | '\\' => text.extend(['\\', c]),
            '}' | ']' => {}
            _ => text.push(c),
        }
    }
    while !opened.is_empty() {
        close(&mut text, &mut opened);
    }
    text
}

fn close(text: &mut String, opened: &mut Vec<(char, f64)>) {
    let (_, weight) = opened.pop().unwrap_or((' ', 1.0));
    text.extend([":", &((weight * 1e4).round() / 1e4).to_string(), ")"]);
}

/// `1.3::` at the start of a text.
fn numbered(text: &str) -> Option<(f64, &str)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let after = digits.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let weight = text[..text.len() - after.len()].parse().ok().filter(|weight: &f64| weight.is_finite())?;
    Some((weight, after.strip_prefix("::")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_become_numbers() {
        assert_eq!(weighed("{{red}} [apple] (x)"), "((red:1.05):1.05) (apple:0.9524) \\(x\\)");
        assert_eq!(weighed("1.3::cat::, 12 dogs, -1::rain::"), "(cat:1.3), 12 dogs, (rain:-1)");
        assert_eq!(weighed("{open"), "(open:1.05)");
        assert_eq!(weighed("a}]::"), "a");
    }

    #[test]
    fn a_picture_is_read_as_a1111_reads_it() {
        let comment = r#"{"steps": 28, "sampler": "k_euler_ancestral", "seed": 3119018458, "strength": 0.7, "noise": 0.0, "scale": 11.0,
            "uc": "lowres, {blurry}", "width": 512, "height": 768, "sm": true, "noise_schedule": "karras", "cfg_rescale": 0.2}"#;
        let read = read(Some("NovelAI"), Some("a {cat}"), Some(comment)).unwrap();
        let found = &read.settings;
        assert_eq!(found.prompt.as_deref(), Some("a (cat:1.05)"));
        assert_eq!(found.negative_prompt.as_deref(), Some("lowres, (blurry:1.05)"));
        assert_eq!((found.steps, found.seed, found.guidance_scale), (Some(28), Some(3_119_018_458), Some(11.0)));
        assert_eq!((found.extent, found.strength), (Some(Extent::new(512, 768)), None));
        assert_eq!(found.sampler, Some(crate::diffusion::SamplerName::EulerAncestral));
        assert_eq!(found.schedule, Some(ScheduleName::Karras));
        assert_eq!((found.clip_skip, found.reproduce.unwrap().ensd), (Some(2), 31_337));
        assert_eq!(found.tuning.unwrap().guidance_rescale.to_bits(), 0.2_f64.to_bits());
        assert_eq!(read.unknown, [("sm".to_owned(), "true".to_owned())]);
        assert!(read.differences.iter().any(|line| line.contains("its own")), "{:?}", read.differences);
    }

    #[test]
    fn its_newer_prompts_are_read_and_its_characters_named() {
        let comment = r#"{"prompt": "x", "v4_prompt": {"caption": {"base_caption": "two cats", "char_captions": [{"char_caption": "black"}]}}}"#;
        let read = read(Some("NovelAI"), None, Some(comment)).unwrap();
        assert_eq!(read.settings.prompt.as_deref(), Some("two cats"));
        assert_eq!(read.unknown, [("character".to_owned(), "black".to_owned())]);
    }

    #[test]
    fn what_is_not_its_own_or_makes_no_sense_is_none_of_it() {
        assert_eq!(super::read(Some("Else"), Some("a"), Some("{}")), None);
        assert_eq!(super::read(Some("NovelAI"), Some("a"), Some("[")), None);
        assert_eq!(super::read(Some("NovelAI"), None, Some("{\"steps\": {}}")), None);
    }
}
