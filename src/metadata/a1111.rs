//! A1111's `parameters`: the prompt, a line `Negative prompt: …`, and one line of `Key: value` pairs. The grammar and the order of
//! the keys are those that stable-diffusion-webui 1.10 writes and reads, so that a picture made here opens there and the other
//! way round. What A1111 has no key for stands under keys of our own behind its keys; it passes over them.

use super::{FileHashes, Found, Imported, differences, masking, pairs, reproducing};
use crate::diffusion::{
    Control, Emphasis, Painted, Precision, Prediction, Preprocessor, Request, SamplerName, Savings, ScheduleName,
    Tuning, Upscale, last_layer,
};
use crate::geom::Extent;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Of A1111, written where the files were read.
const MODEL_HASH: &str = "Model hash";
const VAE_HASH: &str = "VAE hash";
const NEGATIVE: &str = "Negative prompt:";
/// The prompt in full, written only where A1111's trimming of lines would change it.
const EXACT_PROMPT: &str = "Sfumato prompt";
const EXACT_NEGATIVE: &str = "Sfumato negative prompt";
/// In which numbers the networks multiplied, written only where that is not f32.
const PRECISION: &str = "Sfumato precision";
/// Between which shares of the steps there was guidance, and how often the whole network was computed, written only where that is not
/// always.
const GUIDANCE_STEPS: &str = "Sfumato guidance steps";
const DEEP_EVERY: &str = "Sfumato deep every";
/// Of A1111, written only where it is not 0. It takes up to 0.9, of which tomesd makes three quarters.
const MERGE_TOKENS: &str = "Token merging ratio";
/// Below which sigma there was no guidance. A1111 means every other step, unless the second says otherwise.
const MIN_SIGMA: &str = "NGMS";
const MIN_SIGMA_ALL: &str = "NGMS all steps";
/// Of A1111, written only where it is not 1.
const CLIP_SKIP: &str = "Clip skip";
/// Of A1111: how its samplers are turned, each written only where it is not as usual. It has an eta for DDIM and one for the others.
const ETA: &str = "Eta";
const ETA_DDIM: &str = "Eta DDIM";
const CHURN: &str = "Sigma churn";
const CHURN_FROM: &str = "Sigma tmin";
const CHURN_TO: &str = "Sigma tmax";
const NOISE: &str = "Sigma noise";
/// Of A1111, with the one value that is not its default.
const NOISE_SCHEDULE: &str = "Noise Schedule";
const ZERO_TERMINAL_SNR: &str = "Zero Terminal SNR";
const RHO: &str = "Schedule rho";
const SIGMA_MIN: &str = "Schedule min sigma";
const SIGMA_MAX: &str = "Schedule max sigma";
const RESCALE: &str = "Sfumato guidance rescale";
/// Of A1111, which writes it where brackets stand in a prompt.
const EMPHASIS: &str = "Emphasis";
const PREDICTION: &str = "Sfumato prediction";
/// Of A1111, written of models that edit pictures alone.
const IMAGE_GUIDANCE: &str = "Image CFG scale";
/// Of A1111, written where a VAE was chosen; and what it writes for none.
const VAE: &str = "VAE";
const NO_VAE: [&str; 2] = ["None", "Automatic"];
const PARTS_FROM: &str = "Sfumato parts from";
/// Before which steps something was painted in; what it was is not part of the text.
pub(super) const HINTS: &str = "Sfumato painted in at";
/// How many steps were made, written only where a run was stopped early.
const STEPS_MADE: &str = "Sfumato steps made";
/// Of sd-webui-controlnet, for its first unit.
const CONTROL: &str = "ControlNet 0";
/// Of A1111's extras, and of its main page where a picture is enlarged as it is painted.
const UPSCALE_BY: &str = "Postprocess upscale by";
const UPSCALER: &str = "Postprocess upscaler";
/// Of A1111's hires fix: a picture that was enlarged and then painted once more.
const HIRES_BY: &str = "Hires upscale";
const HIRES_UPSCALER: &str = "Hires upscaler";
const STRENGTH: &str = "Denoising strength";
/// A1111 has one strength for both and no hires fix for a picture that starts from another.
const HIRES_STRENGTH: &str = "Sfumato hires strength";
/// The layers that [`CLIP_SKIP`] may name.
const LAYERS: RangeInclusive<u32> = 1..=Request::<(), ()>::MAX_CLIP_SKIP;
/// How many pairs make a line of settings.
const SETTINGS: usize = 3;
const VERSION: &str = concat!("sfumato ", env!("CARGO_PKG_VERSION"));

/// A request as text. [`from_parameters`] gives every setting back exactly, numbers to the last bit; pixels that a run started
/// from are not part of it.
pub fn to_parameters<P, M>(request: &Request<P, M>) -> String {
    text_of(request, None, &FileHashes::default())
}

/// A result as text: its request, the files that it was painted with, and how many steps were made if it was stopped early.
pub fn describe(painted: &Painted, hashes: &FileHashes) -> String {
    let stopped = painted.steps_made < painted.request.steps_to_run();
    text_of(&painted.request, stopped.then_some(painted.steps_made), hashes)
}

fn text_of<P, M>(request: &Request<P, M>, steps_made: Option<u32>, hashes: &FileHashes) -> String {
    let mut keys = vec![
        pairs::write("Steps", &request.steps.to_string()),
        pairs::write("Sampler", request.sampler.label()),
        pairs::write("Schedule type", request.schedule.label()),
        pairs::write("CFG scale", &request.guidance_scale.to_string()),
        pairs::write("Seed", &request.seed.to_string()),
        pairs::write("Size", &request.extent.to_string()),
    ];
    keys.extend(hashes.model.as_ref().map(|hash| pairs::write(MODEL_HASH, hash)));
    keys.push(pairs::write("Model", &request.model));
    if let Some(vae) = &request.borrowed.vae {
        keys.extend(hashes.vae.as_ref().map(|hash| pairs::write(VAE_HASH, hash)));
        keys.push(pairs::write(VAE, vae));
    }
    keys.extend(reproducing::seed_text(&request.reproduce));
    if let Some(input) = &request.input {
        keys.push(pairs::write(STRENGTH, &input.strength.to_string()));
        keys.extend(input.image_guidance.map(|scale| pairs::write(IMAGE_GUIDANCE, &scale.to_string())));
    }
    if request.clip_skip != last_layer() {
        keys.push(pairs::write(CLIP_SKIP, &request.clip_skip.to_string()));
    }
    if request.emphasis != Emphasis::default() {
        keys.push(pairs::write(EMPHASIS, request.emphasis.label()));
    }
    keys.extend(reproducing::noise_text(&request.reproduce));
    let savings = request.savings;
    if savings.negative_min_sigma > 0.0 {
        keys.extend([
            pairs::write(MIN_SIGMA, &savings.negative_min_sigma.to_string()),
            pairs::write(MIN_SIGMA_ALL, "True"),
        ]);
    }
    keys.extend(tuning_text(request.sampler, request.tuning));
    keys.extend(request.input.iter().flat_map(masking::text));
    if let Some(control) = &request.control {
        keys.push(pairs::write(CONTROL, &control_text(control)));
    }
    match &request.upscale {
        None => {}
        Some(Upscale { upscaler, factor, refine: None }) => keys.push(upscaling_text(upscaler, *factor)),
        Some(Upscale { upscaler, factor, refine: Some(strength) }) => keys.extend([
            pairs::write(if request.input.is_some() { HIRES_STRENGTH } else { STRENGTH }, &strength.to_string()),
            pairs::write(HIRES_BY, &factor.to_string()),
            pairs::write(HIRES_UPSCALER, upscaler),
        ]),
    }

    let mut text = request.prompt.clone();
    if !request.negative_prompt.is_empty() {
        text = format!("{text}\n{NEGATIVE} {}", request.negative_prompt);
    }
    let (prompt, negative) = split_prompts(text.trim().lines());
    // A file's text ends at a NUL.
    let exact = |read: &str, written: &str| read == written && !written.contains('\0');
    if !exact(&prompt, &request.prompt) {
        keys.push(pairs::write(EXACT_PROMPT, &request.prompt));
    }
    if !exact(&negative.unwrap_or_default(), &request.negative_prompt) {
        keys.push(pairs::write(EXACT_NEGATIVE, &request.negative_prompt));
    }
    keys.extend(own_text(request));
    keys.extend(request.input.iter().flat_map(masking::own_text));
    keys.extend(reproducing::own_text(request));
    if let Some(made) = steps_made {
        keys.push(pairs::write(STEPS_MADE, &made.to_string()));
    }
    keys.push(pairs::write("Version", VERSION));
    format!("{text}\n{}", keys.join(", ")).trim().to_owned()
}

/// What nobody else has a key for, of the model and of what was left out.
fn own_text<P, M>(request: &Request<P, M>) -> Vec<String> {
    let (savings, off) = (request.savings, Savings::default());
    let mut keys = Vec::new();
    if request.precision != Precision::F32 {
        keys.push(pairs::write(PRECISION, request.precision.name()));
    }
    if (savings.guidance_start, savings.guidance_end) != (off.guidance_start, off.guidance_end) {
        keys.push(pairs::write(GUIDANCE_STEPS, &format!("{} to {}", savings.guidance_start, savings.guidance_end)));
    }
    if savings.deep_every != off.deep_every {
        keys.push(pairs::write(DEEP_EVERY, &savings.deep_every.to_string()));
    }
    if savings.merge_tokens > off.merge_tokens {
        keys.push(pairs::write(MERGE_TOKENS, &savings.merge_tokens.to_string()));
    }
    if let Some(model) = &request.borrowed.parts_from {
        keys.push(pairs::write(PARTS_FROM, model));
    }
    if let Some(prediction) = request.prediction {
        keys.push(pairs::write(PREDICTION, prediction.name()));
    }
    keys
}

/// What is not as usual.
fn tuning_text(sampler: SamplerName, tuning: Tuning) -> impl Iterator<Item = String> {
    let usual = Tuning::default();
    let eta = if matches!(sampler, SamplerName::Ddim | SamplerName::DdimCfgPp) { ETA_DDIM } else { ETA };
    let unusual = |value: f64, usual: f64| Some(value).filter(|value| value.to_bits() != usual.to_bits());
    let numbers = [
        (eta, tuning.eta),
        (CHURN, unusual(tuning.churn, usual.churn)),
        (CHURN_FROM, unusual(tuning.churn_from, usual.churn_from)),
        (CHURN_TO, unusual(tuning.churn_to, usual.churn_to)),
        (NOISE, unusual(tuning.noise, usual.noise)),
        (RHO, tuning.rho),
        (SIGMA_MIN, unusual(tuning.sigma_min, usual.sigma_min)),
        (SIGMA_MAX, unusual(tuning.sigma_max, usual.sigma_max)),
        (RESCALE, unusual(tuning.guidance_rescale, usual.guidance_rescale)),
    ];
    let stretched = tuning.zero_terminal_snr.then(|| pairs::write(NOISE_SCHEDULE, ZERO_TERMINAL_SNR));
    let numbers = numbers.into_iter().filter_map(|(key, value)| Some(pairs::write(key, &value?.to_string())));
    numbers.chain(stretched)
}

/// A value that is pairs itself, as sd-webui-controlnet's `internal_controlnet/external_code.py` and `scripts/infotext.py` have it.
fn control_text<P>(control: &Control<P>) -> String {
    let Control { controlnet, preprocessor, weight, start, end, .. } = control;
    let keys = [
        pairs::write("Module", preprocessor.label()),
        pairs::write("Model", controlnet),
        pairs::write("Weight", &weight.to_string()),
        pairs::write("Guidance Start", &start.to_string()),
        pairs::write("Guidance End", &end.to_string()),
    ];
    keys.join(", ")
}

/// None where it names a preprocessor that is not here, or says something else that was not written here.
fn control_of(text: &str) -> Option<Control<()>> {
    let (mut controlnet, mut preprocessor) = (None, None);
    let (mut weight, mut start, mut end) = (1.0, 0.0, 1.0);
    for (key, value) in pairs::parse(text) {
        match key.as_str() {
            "Module" => preprocessor = Some(Preprocessor::from_name(&value)?),
            "Model" => controlnet = Some(value),
            "Weight" => weight = finite(&value)?,
            "Guidance Start" => start = finite(&value)?,
            "Guidance End" => end = finite(&value)?,
            _ => {}
        }
    }
    Some(Control { controlnet: controlnet?, picture: (), preprocessor: preprocessor?, weight, start, end })
}

/// What A1111's extras say of a picture that was enlarged `factor` times.
pub fn upscaling_text(upscaler: &str, factor: f64) -> String {
    format!("{}, {}", pairs::write(UPSCALE_BY, &factor.to_string()), pairs::write(UPSCALER, upscaler))
}

/// A picture's text with what was done to the picture behind its settings; none if it has no settings.
pub fn with_upscaling(text: &str, upscaler: &str, factor: f64) -> Option<String> {
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    let has_settings = pairs::parse(last).len() >= SETTINGS;
    has_settings.then(|| format!("{}, {}", text.trim_end().trim_end_matches(','), upscaling_text(upscaler, factor)))
}

/// Reads a text of A1111, Forge, Fooocus, Civitai or stable-diffusion.cpp. Anything is accepted: a text without a line of
/// settings is a prompt.
///
/// The last line holds settings if it has at least three pairs; a later pair wins over an earlier one of the same key; old
/// texts carry the schedule in the sampler (`DPM++ 2M Karras`).
pub fn from_parameters(text: &str) -> Imported {
    let text = text.trim();
    let mut imported = Imported::default();
    if text.is_empty() {
        return imported;
    }
    let (lines, last) = text.rsplit_once('\n').map_or(("", text), |(lines, last)| (lines, last));
    let pairs = pairs::parse(last);
    let has_settings = pairs.len() >= SETTINGS;
    let (prompt, negative) = split_prompts(if has_settings { lines } else { text }.split('\n'));
    imported.settings.prompt = Some(prompt);
    imported.settings.negative_prompt = if has_settings { Some(negative.unwrap_or_default()) } else { negative };
    if has_settings {
        let all = last_of_each_key(pairs);
        let mut pairs = all.clone();
        imported.settings.reproduce = Some(reproducing::take(&mut pairs));
        let skips_all = pairs.iter().any(|(key, value)| key == MIN_SIGMA_ALL && value == "True");
        let is_hires = pairs.iter().any(|(key, _)| key == HIRES_BY || key == HIRES_UPSCALER);
        for (key, value) in pairs {
            let differs = key == MIN_SIGMA && !skips_all;
            if differs || !take(&mut imported.settings, &key, &value) {
                imported.unknown.push((key, value));
            }
        }
        let found = &mut imported.settings;
        found.clip_skip.get_or_insert(last_layer());
        found.tuning.get_or_insert_default();
        found.emphasis.get_or_insert_default();
        if is_hires && found.refine.is_none() {
            found.refine = found.strength.take();
        }
        if found.sampler.is_some() {
            found.schedule.get_or_insert(ScheduleName::Automatic);
        }
        imported.differences = differences::of(&imported.settings, &all, &imported.unknown);
    }
    imported
}

/// The pairs without those whose key comes again.
fn last_of_each_key(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    pairs.reverse();
    pairs.retain(|(key, _)| seen.insert(key.clone()));
    pairs.reverse();
    pairs
}

/// The prompt and, if there is one, the negative prompt: lines trimmed, a line that starts with [`NEGATIVE`] begins the latter.
fn split_prompts<'a>(lines: impl Iterator<Item = &'a str>) -> (String, Option<String>) {
    let (mut prompt, mut negative) = (String::new(), None::<String>);
    for line in lines {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix(NEGATIVE) {
            negative.get_or_insert_default();
            line = rest.trim();
        }
        let text = negative.as_mut().unwrap_or(&mut prompt);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    (prompt, negative)
}

/// Puts one pair into the settings; `false` if there is no setting for it.
fn take(found: &mut Found, key: &str, value: &str) -> bool {
    fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
        let understood = value.is_some();
        if understood {
            *slot = value;
        }
        understood
    }
    match key {
        "Steps" => set(&mut found.steps, value.parse().ok()),
        "Sampler" => {
            let (sampler, schedule) = split_sampler(value);
            if schedule.is_some() {
                found.schedule = schedule;
            }
            set(&mut found.sampler, sampler)
        }
        // An older text's sampler may name it.
        "Schedule type" if value == "Automatic" && found.schedule.is_some() => true,
        "Schedule type" => set(&mut found.schedule, schedule_named(value)),
        "CFG scale" => set(&mut found.guidance_scale, finite(value)),
        IMAGE_GUIDANCE => set(&mut found.image_guidance, finite(value)),
        "Seed" => set(&mut found.seed, value.parse().ok()),
        "Size" => set(&mut found.extent, parse_extent(value)),
        MODEL_HASH => set(&mut found.model_hash, Some(value.to_ascii_lowercase())),
        VAE_HASH => set(&mut found.vae_hash, Some(value.to_ascii_lowercase())),
        "Model" => set(&mut found.model, Some(value.to_owned())),
        VAE => set(&mut found.borrowed.vae, Some(value.to_owned()).filter(|name| !NO_VAE.contains(&name.as_str()))),
        PARTS_FROM => set(&mut found.borrowed.parts_from, Some(value.to_owned())),
        STRENGTH => set(&mut found.strength, finite(value)),
        MIN_SIGMA => save(found, finite(value), |savings, sigma| savings.negative_min_sigma = sigma),
        MIN_SIGMA_ALL => value == "True",
        GUIDANCE_STEPS => {
            let (start, end) = value.split_once(" to ").unwrap_or_default();
            let steps = finite(start).zip(finite(end));
            save(found, steps, |savings, steps| (savings.guidance_start, savings.guidance_end) = steps)
        }
        MERGE_TOKENS => {
            save(found, finite(value), |savings, share| savings.merge_tokens = share.min(Savings::MAX_MERGED))
        }
        DEEP_EVERY => save(found, value.parse().ok(), |savings, every| savings.deep_every = every),
        ETA | ETA_DDIM => turn(found, finite(value), |tuning, eta| tuning.eta = Some(eta)),
        CHURN => turn(found, finite(value), |tuning, churn| tuning.churn = churn),
        CHURN_FROM => turn(found, finite(value), |tuning, from| tuning.churn_from = from),
        CHURN_TO => turn(found, finite(value), |tuning, to| tuning.churn_to = to),
        NOISE => turn(found, finite(value), |tuning, noise| tuning.noise = noise),
        RHO => {
            let rho = finite(value).filter(|rho| (Tuning::MIN_RHO..=Tuning::MAX_RHO).contains(rho));
            turn(found, rho, |tuning, rho| tuning.rho = Some(rho))
        }
        SIGMA_MIN => turn(found, sigma(value), |tuning, sigma| tuning.sigma_min = sigma),
        SIGMA_MAX => turn(found, sigma(value), |tuning, sigma| tuning.sigma_max = sigma),
        RESCALE => turn(found, finite(value), |tuning, share| tuning.guidance_rescale = share),
        NOISE_SCHEDULE => {
            turn(found, (value == ZERO_TERMINAL_SNR).then_some(true), |tuning, is| tuning.zero_terminal_snr = is)
        }
        CONTROL => set(&mut found.control, control_of(value)),
        UPSCALE_BY | HIRES_BY => set(&mut found.upscale_by, finite(value)),
        UPSCALER | HIRES_UPSCALER => set(&mut found.upscaler, Some(value.to_owned())),
        HIRES_STRENGTH => set(&mut found.refine, finite(value)),
        EXACT_PROMPT => set(&mut found.prompt, Some(value.to_owned())),
        EXACT_NEGATIVE => set(&mut found.negative_prompt, Some(value.to_owned())),
        HINTS => {
            found.hints = value.split(' ').filter_map(|step| step.parse().ok()).collect();
            !found.hints.is_empty()
        }
        STEPS_MADE => set(&mut found.steps_made, value.parse().ok()),
        PRECISION => set(&mut found.precision, Precision::from_name(value)),
        CLIP_SKIP => set(&mut found.clip_skip, value.parse().ok().filter(|skip| LAYERS.contains(skip))),
        EMPHASIS => set(&mut found.emphasis, Emphasis::from_name(value)),
        PREDICTION => set(&mut found.prediction, Prediction::from_name(value)),
        "Version" => {
            let is_ours = value.starts_with("sfumato ");
            if is_ours {
                found.precision.get_or_insert(Precision::F32);
                found.savings.get_or_insert_default();
            }
            is_ours
        }
        _ => masking::take(&mut found.masking, key, value),
    }
}

/// As `set` in [`take`], of one of the savings.
fn save<T>(found: &mut Found, value: Option<T>, put: impl FnOnce(&mut Savings, T)) -> bool {
    value.map(|value| put(found.savings.get_or_insert_default(), value)).is_some()
}

/// As `save`, of how samplers and guidance are turned.
fn turn<T>(found: &mut Found, value: Option<T>, put: impl FnOnce(&mut Tuning, T)) -> bool {
    value.map(|value| put(found.tuning.get_or_insert_default(), value)).is_some()
}

/// A sigma that a schedule may be cut at.
fn sigma(value: &str) -> Option<f64> {
    finite(value).filter(|sigma| (0.0..=Tuning::MAX_SIGMA).contains(sigma))
}

fn finite(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `512x768`, as A1111's `^(\d+)x(\d+)$` has it.
pub(super) fn parse_extent(value: &str) -> Option<Extent> {
    let side = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (width, height) = value.split_once('x')?;
    Some(Extent::new(side(width)?, side(height)?))
}

/// A sampler's name, and the schedule at its end if there is one. stable-diffusion.cpp writes them as keys: `euler_a karras`.
fn split_sampler(label: &str) -> (Option<SamplerName>, Option<ScheduleName>) {
    if let Some(sampler) = sampler_named(label) {
        return (Some(sampler), None);
    }
    label
        .match_indices(' ')
        .find_map(|(at, _)| Some((sampler_named(&label[..at]), Some(schedule_named(&label[at + 1..])?))))
        .unwrap_or_default()
}

/// Our own names, and those of `ComfyUI` and stable-diffusion.cpp for the same samplers.
pub(super) fn sampler_named(label: &str) -> Option<SamplerName> {
    SamplerName::from_name(label).or_else(|| match label.to_ascii_lowercase().as_str() {
        "euler_ancestral" => Some(SamplerName::EulerAncestral),
        "dpm++2m" => Some(SamplerName::DpmPlusPlus2M),
        "dpm2" => Some(SamplerName::Dpm2),
        "dpm_2_ancestral" => Some(SamplerName::Dpm2Ancestral),
        "dpmpp_2s_ancestral" | "dpm++2s_a" => Some(SamplerName::DpmPlusPlus2SAncestral),
        _ => None,
    })
}

/// Our own names, and A1111's.
pub(super) fn schedule_named(label: &str) -> Option<ScheduleName> {
    ScheduleName::from_name(label).or_else(|| label.eq_ignore_ascii_case("uniform").then_some(ScheduleName::Normal))
}

#[cfg(test)]
#[path = "a1111_tests.rs"]
mod tests;
