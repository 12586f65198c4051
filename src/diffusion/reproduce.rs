//! What is done as another program does it, so that a picture of that program comes out the same.

use super::{Invalid, NoiseSource, Program, Request, SamplerName};
use crate::geom::Extent;
use serde::{Deserialize, Serialize};

/// How a run follows another program. The usual one is diffusers' on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reproduce {
    /// Whose ways it goes.
    pub program: Program,
    /// What draws the noise.
    pub noise: NoiseSource,
    /// What else the first noise is mixed with.
    pub variation: Option<Variation>,
    /// The size of a picture whose noise lies in the middle of this one's. A1111's "Seed resize from".
    pub resized_from: Option<Extent>,
    /// What is added to the seed for the noise of later steps; 0 goes on with the first noise's generator. A1111's "ENSD", eta noise seed
    /// delta.
    pub ensd: i64,
    /// Which picture it is of a batch whose noise comes from one generator.
    pub batch: Batch,
    /// Whether A1111's first noise is as strong as others have it. Its "SGM noise multiplier".
    pub sgm_noise: bool,
    /// Whether A1111 makes all steps also from a picture, of a schedule that is longer in turn: its "do exactly the amount of steps the
    /// slider specifies", and what its hires fix always does.
    pub exact_steps: bool,
}

/// Another seed whose noise the first is mixed with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    /// The other seed. A1111's "Variation seed".
    pub seed: u64,
    /// How much of it there is, 0..1. A1111's "Variation seed strength".
    pub strength: f64,
}

/// A picture among those that are painted from one generator at once: each draw is one of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Which one, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Default for Batch {
    /// A picture for itself.
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Batch {
    /// The most pictures of a batch.
    pub const MAX: u32 = 64;
}

impl<P: Clone, M: Clone> Request<P, M> {
    /// The same request for the picture that is `number` behind its own: of the next seed, as diffusers and A1111 count; of the next variation
    /// seed, where it is a variation; or the next of a batch of `count` from `one_generator`.
    #[must_use]
    pub fn nth(&self, number: u32, count: u32, one_generator: bool) -> Self {
        let mut nth = self.clone();
        let Reproduce { noise, variation, batch, .. } = &mut nth.reproduce;
        match variation {
            _ if one_generator => {
                batch.of = batch.of.max(batch.index.saturating_add(count));
                batch.index += number;
            }
            Some(variation) if variation.strength > 0.0 => variation.seed = noise.seed_behind(variation.seed, number),
            _ => nth.seed = noise.seed_behind(nth.seed, number),
        }
        nth
    }
}

impl NoiseSource {
    /// The seed that is so many behind this one. Torch's generator on the CPU takes 32 bits, so that those wrap there.
    fn seed_behind(self, seed: u64, number: u32) -> u64 {
        let limit = u64::from(u32::MAX);
        let behind = seed.wrapping_add(u64::from(number));
        if self == Self::Cpu && seed <= limit { behind & limit } else { behind }
    }
}

/// How many steps a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepCounts {
    /// Those of the whole schedule.
    pub whole: u32,
    /// Those at its end that run, at least one.
    pub run: u32,
}

/// The longest schedule that a small strength may ask for.
const LONGEST: f64 = 100_000.0;
/// The most strength that A1111 counts by.
const ALMOST_ALL: f64 = 0.999;

impl Reproduce {
    /// As this program usually does it on an NVIDIA card.
    pub fn usual(program: Program) -> Self {
        let noise = match program {
            Program::Diffusers => NoiseSource::Cpu,
            Program::A1111 => NoiseSource::Nv,
            Program::ComfyUi => NoiseSource::CpuThenNv,
        };
        Self { program, noise, ..Self::default() }
    }

    /// What is out of range, if anything.
    pub fn problem(&self) -> Option<Invalid> {
        let sides = 8..=Request::<(), ()>::MAX_SIDE;
        let Batch { index, of } = self.batch;
        if let Some(Variation { strength, .. }) = self.variation.filter(|v| !(0.0..=1.0).contains(&v.strength)) {
            return Some(Invalid::Tuning { what: "variation strength", value: strength, max: 1.0 });
        }
        if let Some(from) = self.resized_from.filter(|e| !sides.contains(&e.width) || !sides.contains(&e.height)) {
            return Some(Invalid::ResizedFrom(from));
        }
        (index >= of || of > Batch::MAX).then_some(Invalid::Batch(self.batch))
    }

    /// The steps of a run: all of them from noise; from a picture ⌊steps · strength⌋ in diffusers; one more in A1111, but for the samplers that
    /// it counts in timesteps, and of less than the whole; all of a longer schedule in `ComfyUI`.
    pub fn step_counts(&self, sampler: SamplerName, steps: u32, strength: Option<f64>) -> StepCounts {
        let all = StepCounts { whole: steps, run: steps };
        let Some(strength) = strength else { return all };
        let share = |strength: f64| (f64::from(steps) * strength).floor() as u32;
        let longer = |strength: f64| StepCounts {
            whole: (f64::from(steps) / strength).floor().min(LONGEST).max(f64::from(steps)) as u32,
            run: steps,
        };
        let of_timesteps = u32::from(counts_timesteps(sampler));
        let counts = match self.program {
            Program::Diffusers => StepCounts { run: share(strength), ..all },
            Program::ComfyUi if strength > 0.9999 => all,
            Program::ComfyUi => longer(strength),
            Program::A1111 if self.exact_steps => {
                let longer = longer(strength.min(ALMOST_ALL));
                StepCounts { run: longer.run - of_timesteps, ..longer }
            }
            Program::A1111 => StepCounts { run: share(strength.min(ALMOST_ALL)) + 1 - of_timesteps, ..all },
        };
        StepCounts { run: counts.run.clamp(1, counts.whole.max(1)), ..counts }
    }

    /// By what the noise is multiplied that a run begins with at `sigma` where no picture is under it: √(1+σ²), which is plain noise to the
    /// network, or σ.
    pub(super) fn first_strength(&self, sampler: SamplerName, sigma: f64) -> f64 {
        match self.program {
            Program::A1111 if !self.sgm_noise && !counts_timesteps(sampler) => sigma,
            _ => (1.0 + sigma * sigma).sqrt(),
        }
    }
}

/// Whether A1111 has it among the samplers that walk timesteps instead of sigmas (`modules/sd_samplers_timesteps.py`).
pub(super) fn counts_timesteps(sampler: SamplerName) -> bool {
    matches!(
        sampler,
        SamplerName::Ddim | SamplerName::DdimCfgPp | SamplerName::Plms | SamplerName::UniPc | SamplerName::UniPcBh2
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: Program, sampler: SamplerName, strength: f64) -> (u32, u32) {
        let StepCounts { whole, run } = Reproduce::usual(program).step_counts(sampler, 20, Some(strength));
        (whole, run)
    }

    // By hand from diffusers' `get_timesteps`, A1111's `setup_img2img_steps` and `sample_img2img`, ComfyUI's `KSampler.set_steps`.
    #[test]
    fn each_program_makes_its_own_number_of_steps_from_a_picture() {
        use Program::{A1111, ComfyUi, Diffusers};
        let euler = SamplerName::Euler;
        let of = |program, strengths: [f64; 5]| strengths.map(|strength| run(program, euler, strength));
        let strengths = [1.0, 0.75, 0.5, 0.4, 0.0];
        assert_eq!(of(Diffusers, strengths), [(20, 20), (20, 15), (20, 10), (20, 8), (20, 1)]);
        assert_eq!(of(A1111, strengths), [(20, 20), (20, 16), (20, 11), (20, 9), (20, 1)]);
        assert_eq!(of(ComfyUi, strengths), [(20, 20), (26, 20), (40, 20), (50, 20), (100_000, 20)]);
        assert_eq!(run(A1111, SamplerName::Ddim, 0.75), (20, 15));
        assert_eq!(run(A1111, SamplerName::Ddim, 0.0), (20, 1));
    }

    #[test]
    fn a1111_can_make_exactly_the_steps() {
        let exact = Reproduce { exact_steps: true, ..Reproduce::usual(Program::A1111) };
        let counts = |sampler, strength| exact.step_counts(sampler, 20, Some(strength));
        assert_eq!(counts(SamplerName::Euler, 0.4), StepCounts { whole: 50, run: 20 });
        assert_eq!(counts(SamplerName::Ddim, 0.4), StepCounts { whole: 50, run: 19 });
        assert_eq!(counts(SamplerName::Euler, 1.0), StepCounts { whole: 20, run: 20 });
        assert_eq!(exact.step_counts(SamplerName::Euler, 20, None), StepCounts { whole: 20, run: 20 });
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let problem = |reproduce: Reproduce| reproduce.problem().unwrap().to_string();
        let usual = Reproduce::default();
        assert_eq!(usual.problem(), None);
        let variation = Some(Variation { seed: 1, strength: 1.5 });
        assert!(problem(Reproduce { variation, ..usual }).starts_with("a variation strength of 1.5"));
        let resized_from = Some(Extent::new(0, 64));
        assert!(problem(Reproduce { resized_from, ..usual }).contains("0x64"));
        assert!(problem(Reproduce { batch: Batch { index: 3, of: 3 }, ..usual }).contains("picture 4 of a batch of 3"));
    }
}
