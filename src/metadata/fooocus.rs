//! Fooocus: its own scheme, JSON under `parameters` with `metadata_scheme` "fooocus". It stands on `ComfyUI`, and paints with XL.

use super::{Found, Imported, a1111, differences, json};
use crate::diffusion::{Emphasis, Program, Reproduce, Savings, Tuning};
use crate::geom::Extent;
use serde_json::Value;

/// Settings without a counterpart, and the values that say nothing.
const OTHERS: [(&str, &[&str]); 7] = [
    ("refiner_model", &["None"]),
    ("sharpness", &[]),
    ("adm_guidance", &[]),
    ("styles", &["[]"]),
    ("performance", &[]),
    ("freeu", &[]),
    ("inpaint_engine_version", &[]),
];
/// What it calls a model's own VAE.
const OWN_VAE: &str = "Default (model)";

/// Reads the text; none where it is no such JSON.
pub(super) fn read(text: &str) -> Option<Imported> {
    let value = json::parse(Some(text.trim()).filter(|text| text.starts_with('{'))?)?;
    let get = |key: &str| value.get(key).filter(|value| !value.is_null());
    // What came of styles is what was painted.
    let whole = |key: &str, plain: &str| -> Option<String> {
        let lines =
            get(key).and_then(Value::as_array).map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        let lines = lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "));
        lines.or_else(|| Some(get(plain)?.as_str()?.to_owned()))
    };
    let mut prompt = whole("full_prompt", "prompt").filter(|_| get("base_model").is_some())?;
    let (mut unknown, mut notes) = (Vec::new(), Vec::new());
    for lora in get("loras").and_then(Value::as_array).into_iter().flatten() {
        let name = lora.get(0).and_then(Value::as_str).map(json::file_name).unwrap_or_default();
        let weight = lora.get(1).and_then(json::number).unwrap_or(1.0);
        match json::lora_tag(&name, weight, weight) {
            Some(tag) => prompt.extend([" ", &tag]),
            None => unknown.push(("lora".to_owned(), name)),
        }
    }
    let label = |key: &str| get(key).and_then(Value::as_str).unwrap_or_default();
    let (sampler, schedule) = (label("sampler"), label("scheduler"));
    let found = Found {
        model: get("base_model").and_then(json::text).map(json::model_name),
        model_hash: get("base_model_hash").and_then(Value::as_str).map(str::to_ascii_lowercase),
        prompt: Some(prompt),
        negative_prompt: Some(whole("full_negative_prompt", "negative_prompt").unwrap_or_default()),
        extent: get("resolution").and_then(Value::as_str).and_then(extent),
        seed: get("seed").and_then(json::whole),
        steps: get("steps").and_then(json::count),
        guidance_scale: get("guidance_scale").and_then(json::number),
        sampler: a1111::sampler_named(sampler.strip_suffix("_gpu").unwrap_or(sampler)),
        schedule: a1111::schedule_named(schedule),
        clip_skip: Some(1),
        emphasis: Some(Emphasis::Original),
        reproduce: Some(Reproduce::usual(Program::ComfyUi)),
        tuning: Some(Tuning::default()),
        savings: Some(Savings::default()),
        ..Found::default()
    };
    let vae = get("vae").and_then(json::text).filter(|name| *name != OWN_VAE).map(json::file_name);
    let found = Found { borrowed: crate::diffusion::Borrowed { vae, ..found.borrowed }, ..found };
    for (key, label, is_known) in
        [("sampler", sampler, found.sampler.is_some()), ("scheduler", schedule, found.schedule.is_some())]
    {
        if !is_known && !label.is_empty() {
            unknown.push((key.to_owned(), label.to_owned()));
        }
    }
    for (key, silent) in OTHERS {
        let value = get(key).map(json::shown).filter(|value| !silent.contains(&value.as_str()));
        unknown.extend(value.map(|value| (key.to_owned(), value)));
    }
    notes.push("Fooocus sharpens and guides in ways of its own".to_owned());
    let differences = differences::elsewhere(&found, get("base_model_hash").and_then(Value::as_str), notes, &unknown);
    Some(Imported { settings: found, unknown, differences })
}

/// `(1152, 896)`.
fn extent(text: &str) -> Option<Extent> {
    let (width, height) = text.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some(Extent::new(width.trim().parse().ok()?, height.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::{PARAMETERS_KEY, from_texts};
    use super::*;
    use crate::diffusion::{SamplerName, ScheduleName};

    fn imported(text: &str) -> Option<Imported> {
        from_texts(&[(PARAMETERS_KEY.to_owned(), text.to_owned())])
    }

    /// As version 2.5.3 writes it.
    const TEXT: &str = r#"{"adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8Rundiffusion.safetensors", "base_model_hash": "aeb7e9e689",
        "full_negative_prompt": ["blurry", "text"], "full_prompt": ["a cat, cinematic", "a cat"], "guidance_scale": 4,
        "loras": [["sd_xl_offset_example-lora_1.0.safetensors", 0.1, "4852686128"]], "metadata_scheme": "fooocus", "prompt": "a cat",
        "refiner_model": "None", "resolution": "(1152, 896)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "8124", "steps": 30,
        "vae": "Default (model)", "version": "Fooocus v2.5.3"}"#;

    #[test]
    fn what_it_writes_is_read() {
        let Imported { settings: found, unknown, .. } = imported(TEXT).unwrap();
        let expected = "a cat, cinematic, a cat <lora:sd_xl_offset_example-lora_1.0:0.1>";
        assert_eq!((found.prompt.as_deref(), found.negative_prompt.as_deref()), (Some(expected), Some("blurry, text")));
        assert_eq!(found.model.as_deref(), Some("juggernautXL_v8Rundiffusion"));
        assert_eq!((found.extent, found.seed, found.steps), (Some(Extent::new(1152, 896)), Some(8124), Some(30)));
        assert_eq!(found.sampler, Some(SamplerName::DpmPlusPlus2MSde));
        assert_eq!((found.schedule, found.borrowed.vae), (Some(ScheduleName::Karras), None));
        assert_eq!(unknown, [("adm_guidance".to_owned(), "(1.5, 0.8, 0.3)".to_owned())]);
    }

    #[test]
    fn other_braces_are_prompts() {
        for text in ["{red|green} apple", "{}", "{\"prompt\": \"a\"}"] {
            let prompt = imported(text).unwrap().settings.prompt;
            assert_eq!(prompt.as_deref(), Some(text));
        }
    }
}
