//! What can be turned at a sampler and at guidance. All of it changes the picture, so nothing is turned unless a request says so.

use super::Invalid;
use serde::{Deserialize, Serialize};

/// How samplers and guidance are turned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// How much of what a step takes away comes back as fresh noise, 0..1; none is as the sampler usually does. A1111's "Eta", and
    /// "Eta DDIM"; of TCD it is gamma.
    pub eta: Option<f64>,
    /// What the noise is multiplied by that is added at steps, 0..2. A1111's "Sigma noise".
    pub noise: f64,
    /// How far Euler, Heun and DPM2 go up with noise before each step (Karras et al. 2022, algorithm 2), over all
    /// steps, 0..100; 0 is not at all. A1111's "Sigma churn".
    pub churn: f64,
    /// The least sigma at which they do. A1111's "Sigma tmin".
    pub churn_from: f64,
    /// The largest sigma at which they do; 0 is all. A1111's "Sigma tmax".
    pub churn_to: f64,
    /// How far what guidance makes stronger is taken back to the prompt's own contrast, 0..1 (Lin et al. 2023, section 3.4). diffusers'
    /// `guidance_rescale`.
    pub guidance_rescale: f64,
    /// How Karras' schedule and the polyexponential one are bent, 0.01 to 100; none is 7 and 1. A1111's "Schedule rho".
    pub rho: Option<f64>,
    /// The sigma at which schedules that divide the range of sigmas end, before 0; 0 is the model's least. A1111's "Schedule min sigma".
    pub sigma_min: f64,
    /// The sigma at which they begin; 0 is the model's largest. A1111's "Schedule max sigma".
    pub sigma_max: f64,
    /// Whether the model's noise is stretched so that its last timestep is noise alone (Lin et al. 2023, algorithm 1). A1111's "Noise
    /// schedule for sampling: Zero Terminal SNR".
    pub zero_terminal_snr: bool,
}

impl Default for Tuning {
    /// As each sampler usually does.
    fn default() -> Self {
        Self {
            eta: None,
            noise: 1.0,
            churn: 0.0,
            churn_from: 0.0,
            churn_to: 0.0,
            guidance_rescale: 0.0,
            rho: None,
            sigma_min: 0.0,
            sigma_max: 0.0,
            zero_terminal_snr: false,
        }
    }
}

impl Tuning {
    /// The most churn: a step goes up by √2 at most, and there are hardly ever more steps.
    pub const MAX_CHURN: f64 = 100.0;
    /// The most that noise is multiplied by.
    pub const MAX_NOISE: f64 = 2.0;
    /// The least that schedules are bent: below it there are no numbers.
    pub const MIN_RHO: f64 = 0.01;
    /// The most that schedules are bent.
    pub const MAX_RHO: f64 = 100.0;
    /// The largest sigma that a limit of churn or of a schedule may have.
    pub const MAX_SIGMA: f64 = 1000.0;

    /// What is out of range, if anything.
    pub fn problem(&self) -> Option<Invalid> {
        let parts = [
            ("eta", self.eta.unwrap_or(0.0), 1.0),
            ("noise multiplier", self.noise, Self::MAX_NOISE),
            ("churn", self.churn, Self::MAX_CHURN),
            ("least sigma of churn", self.churn_from, Self::MAX_SIGMA),
            ("largest sigma of churn", self.churn_to, Self::MAX_SIGMA),
            ("guidance rescale", self.guidance_rescale, 1.0),
            ("rho", self.rho.unwrap_or(1.0), Self::MAX_RHO),
            ("least sigma of the schedule", self.sigma_min, Self::MAX_SIGMA),
            ("largest sigma of the schedule", self.sigma_max, Self::MAX_SIGMA),
        ];
        if let Some(rho) = self.rho.filter(|rho| *rho < Self::MIN_RHO) {
            return Some(Invalid::Tuning { what: "rho", value: rho, max: Self::MAX_RHO });
        }
        let out_of_range = parts.into_iter().find(|(_, value, max)| !(0.0..=*max).contains(value));
        out_of_range.map(|(what, value, max)| Invalid::Tuning { what, value, max })
    }

    /// The sigma to which a step of so many from `sigma` goes up first. Karras et al. 2022, algorithm 2.
    pub(super) fn churned(&self, sigma: f64, count: usize) -> f64 {
        let to = if self.churn_to > 0.0 { self.churn_to } else { f64::INFINITY };
        if !(self.churn_from..=to).contains(&sigma) {
            return sigma;
        }
        sigma * (1.0 + (self.churn / count as f64).min(2_f64.sqrt() - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn churn_goes_up_between_its_sigmas_by_the_root_of_two_at_most() {
        let none = Tuning::default();
        assert_eq!(none.churned(3.0, 10).to_bits(), 3_f64.to_bits());
        let some = Tuning { churn: 2.0, churn_from: 1.0, churn_to: 5.0, ..none };
        for (sigma, expected) in [(0.9, 0.9), (1.0, 1.2), (5.0, 6.0), (5.1, 5.1)] {
            assert!((some.churned(sigma, 10) - expected).abs() < 1e-12, "{sigma}");
        }
        assert!((Tuning { churn: 50.0, ..none }.churned(3.0, 10) - 3.0 * 2_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(Tuning::default().problem(), None);
        let problem = |tuning: Tuning| tuning.problem().unwrap().to_string();
        let off = Tuning::default();
        assert_eq!(problem(Tuning { eta: Some(1.5), ..off }), "an eta of 1.5 cannot be used: choose between 0 and 1");
        assert!(problem(Tuning { noise: f64::NAN, ..off }).starts_with("a noise multiplier of NaN cannot be used"));
        assert!(problem(Tuning { churn: -1.0, ..off }).ends_with("choose between 0 and 100"));
    }
}
