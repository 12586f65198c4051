//! `InvokeAI`: `invokeai_metadata` since its version 3, `sd-metadata` before, and before that `Dream`, a line as it was typed. It runs diffusers'
//! schedulers on noise of the CPU.

use super::{Found, Imported, differences, json};
use crate::diffusion::{Emphasis, NoiseSource, Reproduce, SamplerName, Savings, ScheduleName, Tuning};
use crate::geom::Extent;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const KEY: &str = "invokeai_metadata";
pub(super) const KEY_OF_OLD: &str = "sd-metadata";
pub(super) const KEY_OF_OLDEST: &str = "Dream";

/// Its schedulers, without the `_k` that stands for Karras' schedule: a name, and what it is here. Those before version 3 begin with `k_`.
const SCHEDULERS: [(&str, SamplerName); 19] = [
    ("ddim", SamplerName::Ddim),
    ("ddpm", SamplerName::Ddpm),
    ("lms", SamplerName::Lms),
    ("pndm", SamplerName::Plms),
    ("plms", SamplerName::Plms),
    ("heun", SamplerName::Heun),
    ("euler", SamplerName::Euler),
    ("euler_a", SamplerName::EulerAncestral),
    ("kdpm_2", SamplerName::Dpm2),
    ("kdpm_2_a", SamplerName::Dpm2Ancestral),
    ("dpm_2", SamplerName::Dpm2),
    ("dpm_2_a", SamplerName::Dpm2Ancestral),
    ("dpmpp_2m", SamplerName::DpmPlusPlus2M),
    ("dpmpp_2m_sde", SamplerName::DpmPlusPlus2MSde),
    ("dpmpp_sde", SamplerName::DpmPlusPlusSde),
    ("dpmpp_2", SamplerName::DpmPlusPlus2M),
    ("unipc", SamplerName::UniPcBh2),
    ("lcm", SamplerName::Lcm),
    ("tcd", SamplerName::Tcd),
];

/// What is no setting, or is read here.
const READ: [&str; 22] = [
    "generation_mode",
    "positive_prompt",
    "negative_prompt",
    "width",
    "height",
    "seed",
    "rand_device",
    "cfg_scale",
    "cfg_rescale_multiplier",
    "steps",
    "scheduler",
    "clip_skip",
    "model",
    "loras",
    "strength",
    "init_image",
    "vae",
    "app_version",
    "prompt",
    "type",
    "sampler",
    "canvas_v2_metadata",
];

/// Reads `invokeai_metadata`; none where it is not as that program writes it.
pub(super) fn read(text: &str) -> Option<Imported> {
    let value = json::parse(text)?;
    let fields: BTreeMap<&str, &Value> = value.as_object()?.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let prompt = fields.get("positive_prompt")?.as_str()?;
    let mut reading = Reading::default();
    let found = &mut reading.found;
    let get = |key: &str| fields.get(key).copied();
    found.model = get("model").and_then(model_of);
    let vae = get("vae").and_then(model_of);
    found.borrowed.vae = vae;
    let negative = get("negative_prompt").and_then(Value::as_str).unwrap_or_default();
    reading.prompts(prompt, negative);
    for lora in get("loras").and_then(Value::as_array).into_iter().flatten() {
        let name = lora.get("model").or_else(|| lora.get("lora")).and_then(model_of).unwrap_or_default();
        let weight = lora.get("weight").and_then(json::number).unwrap_or(1.0);
        reading.lora(&name, weight);
    }
    reading.numbers(&fields);
    let found = &mut reading.found;
    found.clip_skip = Some(get("clip_skip").and_then(json::count).unwrap_or(0).min(11) + 1);
    // Its seamless textures, its refiner, what guided it, and whatever comes in later versions.
    for (key, value) in &fields {
        let is_off = value.is_null() || **value == Value::Bool(false) || value.as_array().is_some_and(Vec::is_empty);
        let is_told = *key == "positive_style_prompt" && *value == &Value::from(prompt);
        if !is_off && !is_told && !READ.contains(key) && json::shown(value) != negative {
            reading.unknown.push(((*key).to_owned(), described(value)));
        }
    }
    let hash = get("model").and_then(|model| model.get("hash")?.as_str());
    let mode = get("generation_mode").and_then(Value::as_str).unwrap_or_default();
    let is_part = mode.ends_with("paint");
    let from_picture = is_part || mode.ends_with("img2img") || get("init_image").is_some();
    reading.found.strength = get("strength").filter(|_| from_picture).and_then(json::number);
    if is_part {
        reading.notes.push("it was painted in a part only, and the mask is not in the file".to_owned());
    }
    if let Some(seed) = reading.found.seed.and_then(|seed| u32::try_from(seed).ok()) {
        // Noise of later steps has a generator of its own, of the seed with all of its bits turned round.
        reading.reproduce.ensd = i64::from(!seed) - i64::from(seed);
    }
    if get("rand_device").is_some_and(|device| *device == "cuda") {
        reading.reproduce.noise = NoiseSource::Nv;
    }
    Some(reading.ended(get("scheduler"), hash))
}

/// Reads `sd-metadata`.
pub(super) fn read_of_old(text: &str) -> Option<Imported> {
    let value = json::parse(text)?;
    let image = value.get("image")?;
    let fields: BTreeMap<&str, &Value> = image.as_object()?.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let prompts = match fields.get("prompt")? {
        Value::String(prompt) => prompt.clone(),
        Value::Array(prompts) => {
            let texts = prompts.iter().filter_map(|prompt| prompt.get("prompt").unwrap_or(prompt).as_str());
            texts.collect::<Vec<_>>().join(", ")
        }
        _ => return None,
    };
    let mut reading = Reading::default();
    reading.found.model = value.get("model_weights").and_then(Value::as_str).map(json::model_name);
    let (prompt, negative) = split(&prompts);
    reading.prompts(&prompt, &negative);
    reading.numbers(&fields);
    reading.found.strength = fields
        .get("strength")
        .filter(|_| fields.get("type").is_some_and(|kind| *kind == "img2img"))
        .and_then(|strength| json::number(strength));
    for key in ["seamless", "hires_fix", "postprocessing", "variations", "facetool", "upscale", "threshold", "perlin"] {
        let is_on = |value: &&Value| {
            let is_empty = value.as_array().is_some_and(Vec::is_empty);
            !(value.is_null() || **value == Value::Bool(false) || is_empty || json::number(value) == Some(0.0))
        };
        if let Some(value) = fields.get(key).copied().filter(is_on) {
            reading.unknown.push((key.to_owned(), described(value)));
        }
    }
    let hash = value.get("model_hash").and_then(Value::as_str);
    Some(reading.ended(fields.get("sampler").copied(), hash))
}

/// Reads `Dream`: `"a cat [blurry]" -s 50 -S 1234 -W 512 -H 512 -C 7.5 -A k_lms`.
pub(super) fn read_of_oldest(text: &str) -> Option<Imported> {
    let (prompts, rest) = text.trim().strip_prefix('"')?.rsplit_once('"')?;
    let mut reading = Reading::default();
    let (prompt, negative) = split(prompts);
    reading.prompts(&prompt, &negative);
    let mut values: BTreeMap<&str, Value> = BTreeMap::new();
    let mut words = rest.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let Some(key) = word.strip_prefix('-') else { continue };
        let value = words.next_if(|next| !next.starts_with('-')).unwrap_or_default();
        let key = match key {
            "s" => "steps",
            "S" => "seed",
            "W" => "width",
            "H" => "height",
            "C" => "cfg_scale",
            "A" => "sampler",
            "f" => "strength",
            other => {
                reading.unknown.push((format!("-{other}"), value.to_owned()));
                continue;
            }
        };
        values.insert(key, Value::from(value));
    }
    let fields = values.iter().map(|(key, value)| (*key, value)).collect();
    reading.numbers(&fields);
    reading.found.strength = fields.get("strength").and_then(|strength| json::number(strength));
    Some(reading.ended(fields.get("sampler").copied(), None))
}

/// A model's name, as one version or another has it.
fn model_of(model: &Value) -> Option<String> {
    let name = model.get("name").or_else(|| model.get("model_name")).unwrap_or(model);
    json::text(name).map(json::model_name)
}

/// In a line: of a list how many, of an object its model.
fn described(value: &Value) -> String {
    let inner = |value: &Value| {
        let models = ["control_model", "ip_adapter_model", "t2i_adapter_model"];
        models
            .iter()
            .find_map(|key| model_of(value.get(key)?))
            .or_else(|| model_of(value).filter(|_| value.is_object()))
    };
    match value {
        Value::Array(items) => {
            items.iter().map(|item| inner(item).unwrap_or_else(|| json::shown(item))).collect::<Vec<_>>().join(", ")
        }
        _ => inner(value).unwrap_or_else(|| json::shown(value)),
    }
}

/// The prompt, and what stands in square brackets, which is the negative one.
fn split(prompts: &str) -> (String, String) {
    let (mut prompt, mut negative) = (String::new(), Vec::new());
    let mut rest = prompts;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((inside, after)) = after.split_once(']') else { break };
        prompt += before;
        negative.push(inside.trim());
        rest = after;
    }
    prompt += rest;
    (prompt.trim().trim_end_matches(',').trim_end().to_owned(), negative.join(", "))
}

/// Compel's weights in our grammar: `word+`, `word--`, `(two words)1.3`. Each sign is a tenth more or less.
fn weighed(prompt: &str) -> String {
    let mut text = String::new();
    // Where each open bracket stands in it.
    let mut opened = Vec::new();
    let mut rest = prompt;
    while let Some(c) = rest.chars().next() {
        let from_here = rest;
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                text.push('\\');
                if let Some(next) = rest.chars().next() {
                    text.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
            '(' => {
                opened.push(text.len());
                text.push('(');
            }
            ')' => match (opened.pop(), weight(rest)) {
                (Some(_), Some((weight, after))) => {
                    text.extend([":", &weight.to_string(), ")"]);
                    rest = after;
                }
                // Without a number they only hold together.
                (Some(at), None) => drop(text.remove(at)),
                (None, _) => text += "\\)",
            },
            '+' | '-' => {
                let start = text
                    .rfind(|c: char| !(c.is_alphanumeric() || "_'".contains(c)))
                    .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
                match weight(from_here)
                    .filter(|(_, after)| start < text.len() && !after.starts_with(char::is_alphanumeric))
                {
                    Some((weight, after)) => {
                        text.insert(start, '(');
                        text.extend([":", &weight.to_string(), ")"]);
                        rest = after;
                    }
                    None => text.push(c),
                }
            }
            _ => text.push(c),
        }
    }
    text
}

/// A weight at the start of a text, in signs or as a number, and what follows.
fn weight(text: &str) -> Option<(f64, &str)> {
    let sign = text.chars().next()?;
    if let '+' | '-' = sign {
        let after = text.trim_start_matches(sign);
        let count = i32::try_from(text.len() - after.len()).ok()?.min(40);
        let weight: f64 = if sign == '+' { 1.1 } else { 0.9 };
        return Some(((weight.powi(count) * 1e4).round() / 1e4, after));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    // A point at the end ends the sentence.
    let number = text[..end].trim_end_matches('.');
    let weight = number.parse().ok().filter(|weight: &f64| weight.is_finite())?;
    Some((weight, &text[number.len()..]))
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    found: Found,
    tuning: Tuning,
    reproduce: Reproduce,
    unknown: Vec<(String, String)>,
    notes: Vec<String>,
}

impl Reading {
    fn prompts(&mut self, prompt: &str, negative: &str) {
        let ((prompt, had_tags), (negative, had_others)) = (json::plain_prompt(prompt), json::plain_prompt(negative));
        if had_tags || had_others {
            self.notes.push(json::HAD_TAGS.to_owned());
        }
        let (weighed, weighed_negative) = (weighed(&prompt), weighed(&negative));
        let combines = [".blend(", ".and(", ".swap("].iter().any(|how| prompt.contains(how) || negative.contains(how));
        if combines {
            self.notes.push("its prompts are blended or swapped there, and stand as words here".to_owned());
        } else if weighed != prompt || weighed_negative != negative {
            self.notes.push("words below their weight are taken out otherwise there".to_owned());
        }
        (self.found.prompt, self.found.negative_prompt) = (Some(weighed), Some(weighed_negative));
    }

    fn lora(&mut self, name: &str, weight: f64) {
        match json::lora_tag(name, weight, weight) {
            Some(tag) => {
                let prompt = self.found.prompt.take().unwrap_or_default();
                self.found.prompt = Some(format!("{prompt} {tag}").trim().to_owned());
            }
            None => self.unknown.push(("lora".to_owned(), name.to_owned())),
        }
    }

    fn numbers(&mut self, fields: &BTreeMap<&str, &Value>) {
        let get = |key: &str| fields.get(key).copied();
        let count = |key: &str| get(key).and_then(json::count);
        self.found.steps = count("steps");
        self.found.seed = get("seed").and_then(json::whole);
        self.found.guidance_scale = get("cfg_scale").and_then(json::number);
        self.found.extent = count("width").zip(count("height")).map(|(width, height)| Extent::new(width, height));
        let rescale = get("cfg_rescale_multiplier").and_then(json::number);
        self.tuning.guidance_rescale = rescale.unwrap_or(0.0).clamp(0.0, 1.0);
    }

    fn ended(mut self, scheduler: Option<&Value>, hash: Option<&str>) -> Imported {
        let label = scheduler.and_then(Value::as_str).unwrap_or_default();
        let name = label.strip_prefix("k_").unwrap_or(label);
        let plain = name.strip_suffix("_k").unwrap_or(name);
        let sampler = SCHEDULERS.iter().find(|(key, _)| *key == plain).map(|(_, sampler)| *sampler);
        self.found.sampler = sampler;
        self.found.schedule = match sampler {
            Some(SamplerName::Lcm | SamplerName::Tcd) => Some(ScheduleName::Lcm),
            // From a model's own timesteps, which for Stable Diffusion lead: all that diffusers' Karras is laid between.
            Some(_) if plain != name => Some(ScheduleName::Karras),
            Some(_) => Some(ScheduleName::DdimUniform),
            None => None,
        };
        if self.found.schedule == Some(ScheduleName::Karras) {
            self.notes.push("its schedule begins at a little less noise there".to_owned());
        }
        if sampler.is_none() && !label.is_empty() {
            self.unknown.push(("scheduler".to_owned(), label.to_owned()));
        }
        if name != label {
            self.notes.push("versions before 2.3 laid their schedules otherwise".to_owned());
        }
        self.found.reproduce = Some(self.reproduce);
        (self.found.tuning, self.found.savings) = (Some(self.tuning), Some(Savings::default()));
        // Compel strengthens words as ComfyUI does.
        self.found.emphasis = Some(Emphasis::ComfyUi);
        self.found.clip_skip.get_or_insert(1);
        let differences = differences::elsewhere(&self.found, hash, self.notes, &self.unknown);
        Imported { settings: self.found, unknown: self.unknown, differences }
    }
}

#[cfg(test)]
#[path = "invokeai_tests.rs"]
mod tests;
