//! How a picture follows another program, in A1111's text: its keys where it has them, and ours behind.

use super::pairs;
use crate::diffusion::{Batch, NoiseSource, Program, Reproduce, Request, Variation};
use crate::geom::Extent;

const VARIATION_SEED: &str = "Variation seed";
const VARIATION_STRENGTH: &str = "Variation seed strength";
const RESIZED_FROM: &str = "Seed resize from";
const ENSD: &str = "ENSD";
const RNG: &str = "RNG";
const SGM_NOISE: &str = "SGM noise multiplier";
const PROGRAM: &str = "Sfumato as in";
const NOISE: &str = "Sfumato noise";
const BATCH: &str = "Sfumato batch";
const EXACT_STEPS: &str = "Sfumato exact steps";
/// The key of who made a picture, and how it begins in our own texts.
const VERSION: &str = "Version";
const OURS: &str = "sfumato ";

/// What A1111 writes behind the model.
pub(super) fn seed_text(reproduce: &Reproduce) -> Vec<String> {
    let mut keys = Vec::new();
    if let Some(Variation { seed, strength }) = reproduce.variation {
        keys.push(pairs::write(VARIATION_SEED, &seed.to_string()));
        keys.push(pairs::write(VARIATION_STRENGTH, &strength.to_string()));
    }
    keys.extend(reproduce.resized_from.map(|extent| pairs::write(RESIZED_FROM, &extent.to_string())));
    keys
}

/// What A1111 writes behind clip skip.
pub(super) fn noise_text(reproduce: &Reproduce) -> Vec<String> {
    let mut keys = Vec::new();
    if reproduce.ensd != 0 {
        keys.push(pairs::write(ENSD, &reproduce.ensd.to_string()));
    }
    keys.push(pairs::write(RNG, if reproduce.noise == NoiseSource::Nv { "NV" } else { "CPU" }));
    if reproduce.sgm_noise {
        keys.push(pairs::write(SGM_NOISE, "True"));
    }
    keys
}

/// What nobody else has a key for.
pub(super) fn own_text<P, M>(request: &Request<P, M>) -> Vec<String> {
    let Reproduce { program, noise, batch, exact_steps, .. } = request.reproduce;
    let mut keys = Vec::new();
    if program != Program::default() {
        keys.push(pairs::write(PROGRAM, program.label()));
    }
    if noise == NoiseSource::CpuThenNv {
        keys.push(pairs::write(NOISE, noise.key()));
    }
    if batch != Batch::default() {
        keys.push(pairs::write(BATCH, &format!("{} of {}", u64::from(batch.index) + 1, batch.of)));
    }
    if exact_steps {
        keys.push(pairs::write(EXACT_STEPS, "True"));
    }
    if !request.hints.is_empty() {
        let steps: Vec<_> = request.hints.iter().map(|hint| hint.step.to_string()).collect();
        keys.push(pairs::write(super::a1111::HINTS, &steps.join(" ")));
    }
    keys
}

/// Whether a text was written here.
pub(super) fn is_ours(all: &[(String, String)]) -> bool {
    version(all).is_some_and(|version| version.starts_with(OURS))
}

fn version(all: &[(String, String)]) -> Option<&str> {
    all.iter().find(|(key, _)| key == VERSION).map(|(_, value)| value.as_str())
}

/// Takes what it understands out of a text's pairs: as the program that wrote them usually has it, and what they say.
pub(super) fn take(all: &mut Vec<(String, String)>) -> Reproduce {
    let mut reproduce = match version(all) {
        Some(version) if version.starts_with(OURS) => Reproduce::default(),
        // Fooocus stands on ComfyUI.
        Some(version) if ["comfy", "fooocus"].iter().any(|name| version.to_ascii_lowercase().starts_with(name)) => {
            Reproduce::usual(Program::ComfyUi)
        }
        _ => Reproduce::usual(Program::A1111),
    };
    all.retain(|(key, value)| !understood(&mut reproduce, key, value));
    reproduce
}

fn understood(reproduce: &mut Reproduce, key: &str, value: &str) -> bool {
    fn set<T>(slot: &mut T, value: Option<T>) -> bool {
        value.map(|value| *slot = value).is_some()
    }
    let variation = reproduce.variation.unwrap_or(Variation { seed: 0, strength: 0.0 });
    let is_true = (value == "True").then_some(true);
    match key {
        VARIATION_SEED => {
            let with = |seed| Some(Variation { seed, ..variation });
            set(&mut reproduce.variation, value.parse().ok().map(with))
        }
        VARIATION_STRENGTH => {
            let strength = value.parse().ok().filter(|strength| (0.0..=1.0).contains(strength));
            set(&mut reproduce.variation, strength.map(|strength| Some(Variation { strength, ..variation })))
        }
        RESIZED_FROM => set(&mut reproduce.resized_from, extent(value).map(Some)),
        ENSD => set(&mut reproduce.ensd, value.parse().ok()),
        RNG => {
            let source = match value {
                "CPU" | "cpu" if reproduce.noise == NoiseSource::CpuThenNv => Some(NoiseSource::CpuThenNv),
                "CPU" | "cpu" => Some(NoiseSource::Cpu),
                // The last is stable-diffusion.cpp's.
                "NV" | "GPU" | "cuda" => Some(NoiseSource::Nv),
                _ => None,
            };
            set(&mut reproduce.noise, source)
        }
        SGM_NOISE => set(&mut reproduce.sgm_noise, is_true),
        PROGRAM => set(&mut reproduce.program, Program::from_name(value)),
        NOISE => set(&mut reproduce.noise, NoiseSource::from_name(value)),
        BATCH => set(&mut reproduce.batch, batch(value)),
        EXACT_STEPS => set(&mut reproduce.exact_steps, is_true),
        _ => false,
    }
}

fn extent(value: &str) -> Option<Extent> {
    super::a1111::parse_extent(value).filter(|extent| {
        let reproduce = Reproduce { resized_from: Some(*extent), ..Reproduce::default() };
        reproduce.problem().is_none()
    })
}

fn batch(value: &str) -> Option<Batch> {
    let (number, of) = value.split_once(" of ")?;
    let batch = Batch { index: number.parse::<u32>().ok()?.checked_sub(1)?, of: of.parse().ok()? };
    (batch.index < batch.of && batch.of <= Batch::MAX).then_some(batch)
}

#[cfg(test)]
mod tests {
    use super::super::from_parameters;
    use super::*;

    fn read(more: &str) -> Reproduce {
        let imported = from_parameters(&format!("a\nSteps: 20, Sampler: Euler a, Seed: 1, CFG scale: 7{more}"));
        imported.settings.reproduce.unwrap()
    }

    #[test]
    fn who_wrote_a_text_says_how_its_picture_was_made() {
        let a1111 = Reproduce::usual(Program::A1111);
        assert_eq!(a1111.noise, NoiseSource::Nv);
        assert_eq!(read(""), a1111);
        assert_eq!(read(", Version: v1.9.4"), a1111);
        assert_eq!(read(", RNG: cuda, Version: stable-diffusion.cpp"), a1111);
        assert_eq!(read(", RNG: CPU, Version: f2.0.1"), Reproduce { noise: NoiseSource::Cpu, ..a1111 });
        assert_eq!(read(", Version: ComfyUI"), Reproduce::usual(Program::ComfyUi));
        assert_eq!(read(", Version: Fooocus v2.5.5"), Reproduce::usual(Program::ComfyUi));
        assert_eq!(read(", RNG: CPU, Version: sfumato 0.1.0"), Reproduce::default());
    }

    #[test]
    fn a_variation_of_a1111_is_read_whole() {
        let text = ", Variation seed: 77, Variation seed strength: 0.3, Seed resize from: 512x768, ENSD: 31337, SGM noise multiplier: True";
        let expected = Reproduce {
            variation: Some(Variation { seed: 77, strength: 0.3 }),
            resized_from: Some(Extent::new(512, 768)),
            ensd: 31_337,
            sgm_noise: true,
            ..Reproduce::usual(Program::A1111)
        };
        assert_eq!(read(text), expected);
        let damaged =
            from_parameters("a\nSteps: 1, Seed: 1, Variation seed strength: 7, Seed resize from: 0x1, RNG: dice");
        assert_eq!(damaged.settings.reproduce, Some(Reproduce::usual(Program::A1111)));
        assert_eq!(damaged.unknown.len(), 3);
    }
}
