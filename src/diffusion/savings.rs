//! Fewer and cheaper calls of the network than a run makes by itself. Each changes the picture, so none is on unless a request says so.

use super::Invalid;
use serde::{Deserialize, Serialize};

/// What is left out of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Savings {
    /// Share of the steps after which guidance begins, 0..1. Steps without it take the prompt's estimate alone, in half the time
    /// (Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval").
    pub guidance_start: f64,
    /// Share of the steps after which there is no more guidance, from `guidance_start` to 1.
    pub guidance_end: f64,
    /// The sigma below which there is no guidance; 0 is never. A1111 has it as "Negative Guidance minimum sigma", for all steps.
    pub negative_min_sigma: f64,
    /// What the network finds in its depth is computed at each so many-th step, and taken over in between; 1 is always
    /// ([`Deep`](crate::networks::Deep)).
    pub deep_every: u32,
    /// How many of the places of the network's finest level, as a share, are taken together while they look at each other, 0..0.75
    /// ([`Words::merging`](crate::networks::Words::merging)). A1111 has it as "Token merging ratio".
    pub merge_tokens: f64,
}

impl Default for Savings {
    /// None.
    fn default() -> Self {
        Self { guidance_start: 0.0, guidance_end: 1.0, negative_min_sigma: 0.0, deep_every: 1, merge_tokens: 0.0 }
    }
}

impl Savings {
    /// The most steps for which something is taken over, and one more.
    pub const MAX_EVERY: u32 = 20;
    /// The most that can be taken together: all but one of each 2×2.
    pub const MAX_MERGED: f64 = 0.75;
    /// The largest sigma below which guidance may end: far above where there is anything to see.
    pub const MAX_SIGMA: f64 = 1000.0;

    /// What is out of range, if anything.
    pub fn problem(&self) -> Option<Invalid> {
        let Self { guidance_start, guidance_end, negative_min_sigma, deep_every, merge_tokens } = *self;
        if !(0.0..=1.0).contains(&guidance_start) || !(guidance_start..=1.0).contains(&guidance_end) {
            return Some(Invalid::GuidanceSteps(guidance_start, guidance_end));
        }
        if !(0.0..=Self::MAX_SIGMA).contains(&negative_min_sigma) {
            return Some(Invalid::GuidanceSigma(negative_min_sigma));
        }
        if !(0.0..=Self::MAX_MERGED).contains(&merge_tokens) {
            return Some(Invalid::MergeTokens(merge_tokens));
        }
        (!(1..=Self::MAX_EVERY).contains(&deep_every)).then_some(Invalid::DeepEvery(deep_every))
    }

    /// Whether a call in this step of so many is guided: those steps that lie wholly between start and end.
    pub fn guides(&self, step: usize, count: usize, sigma: f64) -> bool {
        let (first, behind, count) = (step as f64, (step + 1) as f64, count as f64);
        first / count >= self.guidance_start && behind / count <= self.guidance_end && sigma >= self.negative_min_sigma
    }

    /// Whether the whole network is computed in this step.
    pub fn looks_deep(&self, step: usize) -> bool {
        step.is_multiple_of(self.deep_every.max(1) as usize)
    }

    /// The steps that share what was found in the depth: a number for each such group.
    pub fn group(&self, step: usize) -> usize {
        step / self.deep_every.max(1) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guided(savings: Savings, sigmas: &[f64]) -> Vec<usize> {
        (0..sigmas.len()).filter(|step| savings.guides(*step, sigmas.len(), sigmas[*step])).collect()
    }

    #[test]
    fn guidance_is_within_its_interval_and_above_its_sigma() {
        let (sigmas, off) = ([14.6, 7.0, 3.0, 1.0, 0.3], Savings::default());
        assert_eq!(guided(off, &sigmas), [0, 1, 2, 3, 4]);
        assert_eq!(guided(Savings { guidance_start: 0.2, guidance_end: 0.8, ..off }, &sigmas), [1, 2, 3]);
        assert_eq!(guided(Savings { guidance_start: 0.25, ..off }, &sigmas), [2, 3, 4]);
        assert_eq!(guided(Savings { guidance_end: 0.0, ..off }, &sigmas), [0; 0]);
        // stable-diffusion-webui 1.10 skips what is `sigma < s_min_uncond`.
        assert_eq!(guided(Savings { negative_min_sigma: 1.0, ..off }, &sigmas), [0, 1, 2, 3]);
        assert_eq!(guided(Savings { guidance_start: 0.4, negative_min_sigma: 2.0, ..off }, &sigmas), [2]);
    }

    #[test]
    fn every_so_many_steps_begin_with_the_first() {
        let deep = |deep_every| -> Vec<usize> {
            (0..7).filter(|step| Savings { deep_every, ..Savings::default() }.looks_deep(*step)).collect()
        };
        assert_eq!(deep(1), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(deep(2), [0, 2, 4, 6]);
        assert_eq!(deep(3), [0, 3, 6]);
    }

    #[test]
    fn what_a_record_does_not_name_is_off() {
        assert_eq!(serde_json::from_str::<Savings>("{}").unwrap(), Savings::default());
    }
}
