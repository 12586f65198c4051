//! A1111's `parameters`: the prompt, a line `Negative prompt: …`, and one line of `Key: value` pairs. The grammar and the order of
//! the keys are those that stable-diffusion-webui 1.10 writes and reads, so that a picture made here opens there and the other
//! way round. What A1111 has no key for stands under keys of our own behind its keys; it passes over them.

use super::{Found, Imported, pairs};
use crate::diffusion::{
    Control, Emphasis, Painted, Precision, Prediction, Preprocessor, Request, SamplerName, Savings, ScheduleName,
    Tuning, Upscale, last_layer,
};
use crate::geom::Extent;
use std::collections::HashSet;
use std::ops::RangeInclusive;

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
const RESCALE: &str = "Sfumato guidance rescale";
/// Of A1111, which writes it where brackets stand in a prompt.
const EMPHASIS: &str = "Emphasis";
const PREDICTION: &str = "Sfumato prediction";
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
    text_of(request, None)
}

/// A result as text: its request, and how many steps were made if it was stopped early.
pub fn describe(painted: &Painted) -> String {
    let stopped = painted.steps_made < painted.request.steps_to_run();
    text_of(&painted.request, stopped.then_some(painted.steps_made))
}

fn text_of<P, M>(request: &Request<P, M>, steps_made: Option<u32>) -> String {
    let mut keys = vec![
        pairs::write("Steps", &request.steps.to_string()),
        pairs::write("Sampler", request.sampler.label()),
        pairs::write("Schedule type", request.schedule.label()),
        pairs::write("CFG scale", &request.guidance_scale.to_string()),
        pairs::write("Seed", &request.seed.to_string()),
        pairs::write("Size", &request.extent.to_string()),
        pairs::write("Model", &request.model),
    ];
    if let Some(input) = &request.input {
        keys.push(pairs::write(STRENGTH, &input.strength.to_string()));
    }
    if request.clip_skip != last_layer() {
        keys.push(pairs::write(CLIP_SKIP, &request.clip_skip.to_string()));
    }
    if request.emphasis != Emphasis::default() {
        keys.push(pairs::write(EMPHASIS, request.emphasis.label()));
    }
    keys.push(pairs::write("RNG", "CPU"));
    let (savings, off) = (request.savings, Savings::default());
    if savings.negative_min_sigma > 0.0 {
        keys.extend([
            pairs::write(MIN_SIGMA, &savings.negative_min_sigma.to_string()),
            pairs::write(MIN_SIGMA_ALL, "True"),
        ]);
    }
    keys.extend(tuning_text(request.sampler, request.tuning));
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
    if request.precision != Precision::F32 {
        keys.push(pairs::write(PRECISION, request.precision.name()));
    }
    if (savings.guidance_start, savings.guidance_end) != (off.guidance_start, off.guidance_end) {
        keys.push(pairs::write(GUIDANCE_STEPS, &format!("{} to {}", savings.guidance_start, savings.guidance_end)));
    }
    if savings.deep_every != off.deep_every {
        keys.push(pairs::write(DEEP_EVERY, &savings.deep_every.to_string()));
    }
    if let Some(prediction) = request.prediction {
        keys.push(pairs::write(PREDICTION, prediction.name()));
    }
    if let Some(made) = steps_made {
        keys.push(pairs::write(STEPS_MADE, &made.to_string()));
    }
    keys.push(pairs::write("Version", VERSION));
    format!("{text}\n{}", keys.join(", ")).trim().to_owned()
}

/// What is not as usual.
fn tuning_text(sampler: SamplerName, tuning: Tuning) -> impl Iterator<Item = String> {
    let usual = Tuning::default();
    let eta = if sampler == SamplerName::Ddim { ETA_DDIM } else { ETA };
    let unusual = |value: f64, usual: f64| Some(value).filter(|value| value.to_bits() != usual.to_bits());
    let numbers = [
        (eta, tuning.eta),
        (CHURN, unusual(tuning.churn, usual.churn)),
        (CHURN_FROM, unusual(tuning.churn_from, usual.churn_from)),
        (CHURN_TO, unusual(tuning.churn_to, usual.churn_to)),
        (NOISE, unusual(tuning.noise, usual.noise)),
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
        let pairs = last_of_each_key(pairs);
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
        "Seed" => set(&mut found.seed, value.parse().ok()),
        "Size" => set(&mut found.extent, parse_extent(value)),
        "Model" => set(&mut found.model, Some(value.to_owned())),
        STRENGTH => set(&mut found.strength, finite(value)),
        "RNG" => value == "CPU",
        MIN_SIGMA => save(found, finite(value), |savings, sigma| savings.negative_min_sigma = sigma),
        MIN_SIGMA_ALL => value == "True",
        GUIDANCE_STEPS => {
            let (start, end) = value.split_once(" to ").unwrap_or_default();
            let steps = finite(start).zip(finite(end));
            save(found, steps, |savings, steps| (savings.guidance_start, savings.guidance_end) = steps)
        }
        DEEP_EVERY => save(found, value.parse().ok(), |savings, every| savings.deep_every = every),
        ETA | ETA_DDIM => turn(found, finite(value), |tuning, eta| tuning.eta = Some(eta)),
        CHURN => turn(found, finite(value), |tuning, churn| tuning.churn = churn),
        CHURN_FROM => turn(found, finite(value), |tuning, from| tuning.churn_from = from),
        CHURN_TO => turn(found, finite(value), |tuning, to| tuning.churn_to = to),
        NOISE => turn(found, finite(value), |tuning, noise| tuning.noise = noise),
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
        _ => false,
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

fn finite(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `512x768`, as A1111's `^(\d+)x(\d+)$` has it.
fn parse_extent(value: &str) -> Option<Extent> {
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
fn sampler_named(label: &str) -> Option<SamplerName> {
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
fn schedule_named(label: &str) -> Option<ScheduleName> {
    // What is polyexponential has an exponent of 1 there, which is exponential.
    let others = [("uniform", ScheduleName::Normal), ("polyexponential", ScheduleName::Exponential)];
    let other = || others.iter().find(|(other, _)| label.eq_ignore_ascii_case(other)).map(|(_, name)| *name);
    ScheduleName::from_name(label).or_else(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Input;
    use proptest::prelude::*;

    fn request() -> Request<(), ()> {
        Request {
            model: "bozzetto".to_owned(),
            prompt: "red apple".to_owned(),
            negative_prompt: String::new(),
            extent: Extent::new(128, 192),
            seed: 7,
            sampler: SamplerName::DpmPlusPlus2M,
            schedule: ScheduleName::Karras,
            steps: 20,
            guidance_scale: 7.5,
            precision: Precision::F32,
            savings: Savings::default(),
            tuning: Tuning::default(),
            prediction: None,
            clip_skip: 1,
            emphasis: Emphasis::Original,
            input: None,
            control: None,
            upscale: None,
        }
    }

    fn request_again(found: Found) -> Request<(), ()> {
        Request {
            model: found.model.unwrap(),
            prompt: found.prompt.unwrap(),
            negative_prompt: found.negative_prompt.unwrap(),
            extent: found.extent.unwrap(),
            seed: found.seed.unwrap(),
            sampler: found.sampler.unwrap(),
            schedule: found.schedule.unwrap(),
            steps: found.steps.unwrap(),
            guidance_scale: found.guidance_scale.unwrap(),
            precision: found.precision.unwrap(),
            savings: found.savings.unwrap(),
            tuning: found.tuning.unwrap(),
            prediction: found.prediction,
            clip_skip: found.clip_skip.unwrap(),
            emphasis: found.emphasis.unwrap(),
            input: found.strength.map(|strength| Input::new((), strength, None)),
            control: found.control,
            upscale: found.upscaler.map(|upscaler| Upscale {
                upscaler,
                factor: found.upscale_by.unwrap(),
                refine: found.refine,
            }),
        }
    }

    #[test]
    fn how_a1111_turned_a_sampler_is_read() {
        let read = |more: &str| from_parameters(&format!("a\nSteps: 20, Sampler: Euler, CFG scale: 7{more}"));
        assert_eq!(read("").settings.tuning, Some(Tuning::default()));
        let found =
            read(", Eta: 0.6, Sigma churn: 2, Sigma tmax: 5, Sigma noise: 1.01, Noise Schedule: Zero Terminal SNR");
        let expected = Tuning {
            eta: Some(0.6),
            churn: 2.0,
            churn_to: 5.0,
            noise: 1.01,
            zero_terminal_snr: true,
            ..Tuning::default()
        };
        assert_eq!((found.settings.tuning, found.unknown.len()), (Some(expected), 0));
        assert_eq!(read(", Eta DDIM: 0.2").settings.tuning.and_then(|tuning| tuning.eta), Some(0.2));
        assert_eq!(read(", Noise Schedule: Other").unknown.len(), 1);
    }

    #[test]
    fn keys_stand_in_the_order_in_which_a1111_writes_them() {
        let request = Request { negative_prompt: "blurry".to_owned(), ..request() };
        assert_eq!(
            to_parameters(&request),
            "red apple\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, \
             Size: 128x192, Model: bozzetto, RNG: CPU, Version: sfumato 0.1.0"
                .replace("0.1.0", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn a_text_of_a1111_is_read_with_its_defaults() {
        let text = "masterpiece, (apple:1.2),\n a bowl\nNegative prompt: ugly,\nblurry\nSteps: 25, Sampler: Euler a, CFG scale: 7, \
                    Seed: 1234567890, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, \
                    Lora hashes: \"add: 1f2e, b: 33\", Version: v1.9.4";
        let Imported { settings, unknown } = from_parameters(text);
        assert_eq!(settings.prompt.as_deref(), Some("masterpiece, (apple:1.2),\na bowl"));
        assert_eq!(settings.negative_prompt.as_deref(), Some("ugly,\nblurry"));
        assert_eq!(settings.extent, Some(Extent::new(512, 768)));
        assert_eq!(settings.seed, Some(1_234_567_890));
        assert_eq!(settings.sampler, Some(SamplerName::EulerAncestral));
        assert_eq!(settings.schedule, Some(ScheduleName::Automatic));
        let keys: Vec<_> = unknown.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["Model hash", "Lora hashes", "Version"]);
        assert_eq!(settings.clip_skip, Some(2));
    }

    #[test]
    fn a_text_of_sd_webui_controlnet_is_read_where_its_preprocessor_is_here() {
        let text = "a house\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, ControlNet 0: \"Module: canny, Model: \
                    control_v11p_sd15_canny [d14c016b], Weight: 0.8, Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: \
                    100.0, Threshold B: 200.0, Guidance Start: 0.0, Guidance End: 0.5, Pixel Perfect: False, Control Mode: \
                    Balanced\"";
        let control = from_parameters(text).settings.control.unwrap();
        assert_eq!(control.controlnet, "control_v11p_sd15_canny [d14c016b]");
        assert_eq!((control.preprocessor, control.weight), (Preprocessor::Canny, 0.8));
        assert_eq!((control.start, control.end), (0.0, 0.5));
        let other = from_parameters(&text.replace("canny, Model", "openpose_full, Model"));
        assert_eq!((other.settings.control, other.unknown.len()), (None, 1));
    }

    #[test]
    fn an_old_sampler_label_carries_its_schedule() {
        let read = |sampler: &str| from_parameters(&format!("x\nSteps: 1, Seed: 2, Sampler: {sampler}")).settings;
        let karras = read("DPM++ 2M Karras");
        assert_eq!((karras.sampler, karras.schedule), (Some(SamplerName::DpmPlusPlus2M), Some(ScheduleName::Karras)));
        let cpp = read("euler_a sgm_uniform");
        assert_eq!((cpp.sampler, cpp.schedule), (Some(SamplerName::EulerAncestral), Some(ScheduleName::SgmUniform)));
        assert_eq!(read("DPM++ 2M Polyexponential").schedule, Some(ScheduleName::Exponential));
        let spaced = read("Euler a SGM Uniform");
        assert_eq!(
            (spaced.sampler, spaced.schedule),
            (Some(SamplerName::EulerAncestral), Some(ScheduleName::SgmUniform))
        );
    }

    #[test]
    fn a_sampler_that_is_not_here_is_named_and_its_schedule_kept() {
        let Imported { settings, unknown } = from_parameters("x\nSteps: 1, Seed: 2, Sampler: Heun++ Exponential");
        assert_eq!((settings.sampler, settings.schedule), (None, Some(ScheduleName::Exponential)));
        assert_eq!(unknown, [("Sampler".to_owned(), "Heun++ Exponential".to_owned())]);
    }

    #[test]
    fn a_text_without_settings_is_a_prompt() {
        let Imported { settings, unknown } = from_parameters("a cat, style: flat\nsky: blue, sea: green");
        assert_eq!(settings.prompt.as_deref(), Some("a cat, style: flat\nsky: blue, sea: green"));
        assert_eq!((settings.negative_prompt, settings.steps), (None, None));
        assert!(unknown.is_empty());
    }

    #[test]
    fn the_later_of_two_equal_keys_wins() {
        let found = from_parameters("x\nSteps: 1, Seed: 2, Steps: 30, Seed: 4").settings;
        assert_eq!((found.steps, found.seed), (Some(30), Some(4)));
    }

    #[test]
    fn settings_that_make_no_sense_are_left_out_and_named() {
        let Imported { settings, unknown } =
            from_parameters("x\nSteps: many, Seed: -1, Size: 99999999999x8, CFG scale: NaN, Sampler: Euler");
        assert_eq!((settings.steps, settings.seed, settings.extent, settings.guidance_scale), (None, None, None, None));
        assert_eq!(unknown.len(), 4);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert!(from_parameters(" \n ").settings.is_empty());
    }

    #[test]
    fn a1111s_least_sigma_of_the_negative_prompt_is_read_where_it_skips_all_steps() {
        let text = "x\nSteps: 20, Seed: 1, Sampler: Euler, NGMS: 1.5";
        let every_other = from_parameters(text);
        assert_eq!((every_other.settings.savings, every_other.unknown.len()), (None, 1));
        let all = from_parameters(&format!("{text}, NGMS all steps: True"));
        assert_eq!(all.settings.savings.map(|savings| savings.negative_min_sigma), Some(1.5));
        assert!(all.unknown.is_empty());
    }

    #[test]
    fn a_run_that_was_stopped_says_after_how_many_steps() {
        let text = text_of(&request(), Some(12));
        assert_eq!(from_parameters(&text).settings.steps_made, Some(12));
    }

    #[test]
    fn what_was_done_to_a_picture_stands_behind_its_settings() {
        let text = to_parameters(&request());
        let extended = with_upscaling(&text, "4x-UltraSharp, v2", 2.0).unwrap();
        assert_eq!(extended, text + ", Postprocess upscale by: 2, Postprocess upscaler: \"4x-UltraSharp, v2\"");
        let found = from_parameters(&extended);
        assert_eq!((found.settings.upscale_by, found.unknown.len()), (Some(2.0), 0));
        assert_eq!(found.settings.upscaler.as_deref(), Some("4x-UltraSharp, v2"));
        assert_eq!(with_upscaling("a cat, style: flat", "x", 2.0), None);
    }

    fn any_prompt() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "red apple",
            "红苹果",
            "🍎",
            ", ",
            ": ",
            "\n",
            "\"",
            "\\",
            "Negative prompt: ",
            "Steps: 20, Seed: 1, Size: 1x1",
            " ",
            "\r",
            "\t",
            "(x:1.2)",
            "BREAK",
            "{\"a\":1}",
            "[b|c]",
            "\u{3000}",
            "é",
            "",
        ]);
        prop_oneof![prop::collection::vec(word, 0..8).prop_map(|words| words.concat()), any::<String>()]
    }

    proptest! {
        #[test]
        fn every_request_reopens_exactly(
            (model, prompt, negative_prompt) in (any_prompt(), any_prompt(), any_prompt()),
            (seed, steps, width, height) in (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>()),
            sampler in prop::sample::select(SamplerName::ALL.to_vec()),
            schedule in prop::sample::select(ScheduleName::ALL.to_vec()),
            emphasis in prop::sample::select(Emphasis::ALL.to_vec()),
            (guidance_scale, strength) in (0.0..50.0f64, prop::option::of(0.0..=1.0f64)),
            upscale in prop::option::of((any_prompt(), 1.0..16.0f64, prop::option::of(0.0..=1.0f64))),
            control in prop::option::of((
                any_prompt(), prop::sample::select(Preprocessor::ALL.to_vec()), 0.0..=2.0f64, 0.0..=1.0f64, 0.0..=1.0f64,
            )),
            (precision, prediction, clip_skip) in (
                prop::sample::select(Precision::ALL.to_vec()), prop::option::of(prop::sample::select(Prediction::ALL.to_vec())), LAYERS,
            ),
            savings in (0.0..=1.0f64, 0.0..=1.0f64, prop_oneof![Just(0.0), 0.0..=1000.0f64], 1..=20u32),
            tuning in (
                prop::option::of(0.0..=1.0f64), prop_oneof![Just(1.0), 0.0..=2.0f64],
                (prop_oneof![Just(0.0), 0.0..=100.0f64], prop_oneof![Just(0.0), 0.0..=1000.0f64], prop_oneof![Just(0.0), 0.0..=1000.0f64]),
                prop_oneof![Just(0.0), 0.0..=1.0f64], any::<bool>(),
            ),
        ) {
            let extent = Extent::new(width, height);
            let (guidance_start, guidance_end, negative_min_sigma, deep_every) = savings;
            let savings = Savings { guidance_start, guidance_end, negative_min_sigma, deep_every };
            let (eta, noise, (churn, churn_from, churn_to), guidance_rescale, zero_terminal_snr) = tuning;
            let tuning = Tuning { eta, noise, churn, churn_from, churn_to, guidance_rescale, zero_terminal_snr };
            let input = strength.map(|strength| Input::new((), strength, None));
            let request = Request::<(), ()> {
                model, prompt, negative_prompt, extent, seed, sampler, schedule, steps, guidance_scale, precision, savings, tuning, prediction, clip_skip, emphasis,
                input,
                control: control.map(|(controlnet, preprocessor, weight, start, end)| Control {
                    controlnet, picture: (), preprocessor, weight, start, end,
                }),
                upscale: upscale.map(|(upscaler, factor, refine)| Upscale { upscaler, factor, refine }),
            };
            let imported = from_parameters(&to_parameters(&request));
            prop_assert_eq!(&imported.unknown, &Vec::new());
            prop_assert_eq!(request_again(imported.settings), request);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = from_parameters(&text);
        }
    }
}
