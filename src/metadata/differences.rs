//! What may still differ when a picture is painted again by what its text says, in words for the person who wonders.

use super::{Found, reproducing};
use crate::diffusion::{Emphasis, NoiseSource, SamplerName};

/// Keys whose loss changes nothing.
const HARMLESS: [&str; 12] = [
    "Version",
    "Model hash",
    "Lora hashes",
    "TI hashes",
    "VAE hash",
    "User",
    "Template",
    "Created Date",
    "SDCPP",
    "Civitai resources",
    "Civitai metadata",
    "Batch size",
];

/// One line each. `all` are the pairs of the text, `unknown` those that no setting came of.
pub(super) fn of(found: &Found, all: &[(String, String)], unknown: &[(String, String)]) -> Vec<String> {
    let value = |key: &str| all.iter().find(|(one, _)| one == key).map(|(_, value)| value.as_str());
    let is_ours = reproducing::is_ours(all);
    let mut lines = Vec::new();
    let mut say = |applies: bool, line: String| lines.extend(applies.then_some(line));
    let model = found.model.as_deref().unwrap_or("one that it does not name");
    let hash = value("Model hash").map(|hash| format!(", whose hash begins with {hash}")).unwrap_or_default();
    say(!is_ours || !hash.is_empty(), format!("the model is {model}{hash}; a file of the same name can be another"));
    say(found.strength.is_some(), "it started from a picture, which is not in the file".to_owned());
    let masking = found.masking.as_ref();
    say(
        masking.is_some_and(|of| of.is_masked),
        "it was painted in a part only, and the mask is not in the file".to_owned(),
    );
    say(
        masking.is_some_and(|of| !of.regions.is_empty()),
        "parts of it had words of their own, and where they are is not in the file".to_owned(),
    );
    say(found.control.is_some(), "a picture guided it, which is not in the file".to_owned());
    say(
        !found.hints.is_empty(),
        "it was painted into while it was drawn, and what was painted is not in the file".to_owned(),
    );
    if !is_ours {
        let is_nv = found.reproduce.is_some_and(|reproduce| reproduce.noise != NoiseSource::Cpu);
        say(
            is_nv && value("RNG").is_none(),
            "its noise is taken for that of an NVIDIA card, which it does not say".to_owned(),
        );
        if let Some(sampler) = found.sampler.filter(|sampler| sampler.follows_a_path()) {
            say(true, along_a_path(sampler));
        }
        say(
            is_old(value("Version")) && has_bracket(found),
            "versions before 1.6.0 counted the steps of [from:to:when] otherwise".to_owned(),
        );
        say(
            found.emphasis.is_none_or(|emphasis| emphasis == Emphasis::Original) && is_edited_and_weighted(found),
            "brackets that weigh are evened out over all texts of an edited prompt there, and over each by itself here"
                .to_owned(),
        );
        say(
            found.strength.is_some(),
            "the picture to start from is encoded with noise there, and without it here".to_owned(),
        );
        say(true, HALF.to_owned());
    }
    lines.extend(without_setting(unknown));
    lines
}

/// As [`of`], for what other programs than A1111 write: `notes` are what their reader has to say.
pub(super) fn elsewhere(
    found: &Found,
    hash: Option<&str>,
    notes: Vec<String>,
    unknown: &[(String, String)],
) -> Vec<String> {
    let model = found.model.as_deref().unwrap_or("one that it does not name");
    let hash = hash.map(|hash| format!(", whose hash is {hash}")).unwrap_or_default();
    let mut lines = vec![format!("the model is {model}{hash}; a file of the same name can be another")];
    if found.strength.is_some() {
        lines.push("it started from a picture, which is not in the file".to_owned());
    }
    lines.extend(notes);
    let later = found.sampler.filter(|sampler| sampler.draws());
    if let Some(sampler) = later.filter(|sampler| sampler.follows_a_path()) {
        lines.push(along_a_path(sampler));
    } else if later.is_some() && found.reproduce.is_some_and(|reproduce| reproduce.noise == NoiseSource::CpuThenNv) {
        lines.push("the noise of later steps is taken for that of an NVIDIA card, which it does not say".to_owned());
    }
    lines.push(HALF.to_owned());
    lines.extend(without_setting(unknown));
    lines
}

const HALF: &str = "other programs mostly compute in f16, each in its own way: details can differ";

fn along_a_path(sampler: SamplerName) -> String {
    format!("the noise of {} comes along a path of its own there, and in order here", sampler.label())
}

/// What was lost with keys that no setting came of.
fn without_setting(unknown: &[(String, String)]) -> Option<String> {
    let lost = unknown.iter().filter(|(key, _)| !HARMLESS.contains(&key.as_str()));
    let lost: Vec<_> = lost.map(|(key, value)| format!("{key} {}", shortened(value)).trim_end().to_owned()).collect();
    (!lost.is_empty()).then(|| format!("there is no setting here for: {}", lost.join("; ")))
}

/// Before A1111's 1.6.0.
fn is_old(version: Option<&str>) -> bool {
    let minor = version.and_then(|version| version.strip_prefix("v1.")?.split('.').next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor < 6)
}

fn has_bracket(found: &Found) -> bool {
    [&found.prompt, &found.negative_prompt].into_iter().flatten().any(|prompt| prompt.contains('['))
}

/// Whether a prompt is edited as it is painted (`[a:b:0.5]`, `[a|b]`) and has words that weigh more or less.
fn is_edited_and_weighted(found: &Found) -> bool {
    let prompts = [&found.prompt, &found.negative_prompt].into_iter().flatten();
    prompts.into_iter().any(|prompt| {
        let edits = prompt.split('[').skip(1).filter_map(|rest| rest.split(']').next());
        prompt.contains('(') && edits.into_iter().any(|edit| edit.contains([':', '|']))
    })
}

/// At most what can be read in passing.
fn shortened(value: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = value.chars().take(LONGEST).collect();
    if short.len() < value.len() {
        short.push('\u{2026}');
    }
    short
}

impl SamplerName {
    /// Whether it adds noise at its steps, as it usually is.
    fn draws(self) -> bool {
        self.follows_a_path()
            || matches!(
                self,
                Self::EulerAncestral
                    | Self::Dpm2Ancestral
                    | Self::DpmPlusPlus2SAncestral
                    | Self::Restart
                    | Self::Lcm
                    | Self::Tcd
                    | Self::Ddpm
            )
    }

    /// Whether its noise is that of a Brownian path in k-diffusion (`BrownianTreeNoiseSampler`).
    fn follows_a_path(self) -> bool {
        matches!(
            self,
            Self::DpmPlusPlusSde | Self::DpmPlusPlus2MSde | Self::DpmPlusPlus2MSdeHeun | Self::DpmPlusPlus3MSde
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_parameters;

    fn lines(more: &str) -> Vec<String> {
        from_parameters(&format!("a [b:c:0.5]\nSteps: 20, Seed: 1, CFG scale: 7{more}")).differences
    }

    #[test]
    fn what_may_differ_is_said_and_nothing_else() {
        let all = lines(
            ", Sampler: DPM++ SDE Karras, Model: dreamer, Model hash: 6ce0161689, Denoising strength: 0.5, Face restoration: CodeFormer, \
             Version: v1.5.2",
        );
        let expected = [
            "the model is dreamer, whose hash begins with 6ce0161689; a file of the same name can be another",
            "it started from a picture, which is not in the file",
            "its noise is taken for that of an NVIDIA card, which it does not say",
            "the noise of DPM++ SDE comes along a path of its own there, and in order here",
            "versions before 1.6.0 counted the steps of [from:to:when] otherwise",
            "the picture to start from is encoded with noise there, and without it here",
            "other programs mostly compute in f16, each in its own way: details can differ",
            "there is no setting here for: Face restoration CodeFormer",
        ];
        assert_eq!(all, expected);
        let weighted = |prompt: &str| {
            let text =
                format!("{prompt}\nSteps: 20, Seed: 1, CFG scale: 7, Sampler: Euler a, RNG: CPU, Version: v1.10.1");
            from_parameters(&text).differences.iter().any(|line| line.starts_with("brackets that weigh"))
        };
        assert!(weighted("a (big:1.2) [cat:dog:0.5]") && !weighted("a [cat:dog:0.5]") && !weighted("a (big) [cat]"));
        let few = lines(", Sampler: Euler a, RNG: CPU, Version: v1.10.1");
        assert_eq!(few.len(), 2, "{few:?}");
        assert!(lines(", Sampler: Euler a, RNG: CPU, Version: sfumato 0.1.0").is_empty());
        assert!(from_parameters("a cat").differences.is_empty());
    }
}
