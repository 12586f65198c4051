//! Which sigmas a run visits. A schedule is data: sigmas from high to low that end in 0; a sampler makes one step from each
//! to the next.
//!
//! Definitions follow k-diffusion (Karras, exponential, and its `DiscreteSchedule` between sigmas and timesteps) and
//! `ComfyUI`'s comfy/samplers.py (the others), which A1111 and Forge share. For a number of steps that divides the
//! training's 1000, `Simple` visits exactly the timesteps that diffusers calls "trailing" and `DdimUniform` those that it
//! calls "leading" with an offset of 1; `SgmUniform` lies up to a timestep off "trailing", because it divides 0..999 where
//! "trailing" divides 0..1000.

use super::{Program, SamplerName, ScheduleName, Tuning};

/// The sigma that stands for noise alone, that is, for infinity: where a model was trained to zero terminal signal-to-noise
/// ratio (Lin et al. 2023), its last timestep has this one. What is left of the clean latent there, a millionth, is below what
/// single precision tells apart in a run; of 4096, which diffusers' Euler and `ComfyUI` take, so much is left that a run with
/// DDIM ends 1e-3 off diffusers' own, which computes with ᾱ = 0.
pub(super) const NOISE_ALONE: f64 = 1_048_576.0;

/// Where the schedules that divide the range of sigmas instead of timesteps begin at most, so that they do not spend their
/// steps on noise alone: √(2²⁴ − 1), as `ComfyUI` and diffusers begin for zero terminal signal-to-noise ratio.
const HIGHEST_DIVIDED: f64 = 4_095.999_878;

/// The least ᾱ that has a sigma of its own; at and below it there is noise alone.
const LEAST_ALPHA: f64 = 1.0 / 16_777_216.0;

/// The sigmas a model was trained on, one a timestep, and the way between sigmas and timesteps.
#[derive(Clone, Debug)]
pub struct TrainingSigmas {
    sigmas: Vec<f64>,
    /// Eleven sigmas whose ten steps suit such a model.
    aligned: &'static [f64; 11],
}

/// Ten steps of least error for Stable Diffusion 1, from the first sigma to the last. Sabour et al. 2024, "Align Your Steps".
const ALIGNED: [f64; 11] = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];
/// The same for Stable Diffusion XL.
const ALIGNED_XL: [f64; 11] = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029];

impl TrainingSigmas {
    /// From the training's cumulated alphas, one a timestep, falling: σ = √((1−ᾱ)/ᾱ). A model trained to zero terminal
    /// signal-to-noise ratio has ᾱ = 0 at its last timestep, or 2⁻²⁴ where it was clamped: its sigma is 2²⁰, which stands for
    /// infinity.
    ///
    /// # Panics
    /// If there are fewer than two.
    pub fn from_alphas_cumprod(alphas_cumprod: &[f64]) -> Self {
        assert!(alphas_cumprod.len() >= 2, "a training schedule has at least two timesteps");
        let sigma = |&alpha: &f64| {
            if alpha > LEAST_ALPHA { ((1.0 - alpha) / alpha).sqrt() } else { NOISE_ALONE }
        };
        Self { sigmas: alphas_cumprod.iter().map(sigma).collect(), aligned: &ALIGNED }
    }

    /// Of a model of Stable Diffusion XL, whose steps were aligned for themselves.
    #[must_use]
    pub fn of_xl(self) -> Self {
        Self { aligned: &ALIGNED_XL, ..self }
    }

    /// The same, stretched so that the last timestep is noise alone and the first stays what it is. Lin et al. 2023, algorithm 1; diffusers'
    /// `rescale_zero_terminal_snr`.
    #[must_use]
    pub fn with_zero_terminal_snr(self) -> Self {
        if self.has_zero_terminal_snr() {
            return self;
        }
        let signal = |sigma: f64| 1.0 / (1.0 + sigma * sigma).sqrt();
        let (first, last) = (signal(self.min()), signal(self.max()));
        let stretched = |&sigma: &f64| ((signal(sigma) - last) * first / (first - last)).powi(2);
        let alphas: Vec<f64> = self.sigmas.iter().map(stretched).collect();
        Self { aligned: self.aligned, ..Self::from_alphas_cumprod(&alphas) }
    }

    /// The sigma of the first timestep.
    pub fn min(&self) -> f64 {
        self.sigmas[0]
    }

    /// The sigma of the last timestep.
    pub fn max(&self) -> f64 {
        self.sigmas[self.sigmas.len() - 1]
    }

    /// Whether the last timestep is noise alone (Lin et al. 2023).
    pub fn has_zero_terminal_snr(&self) -> bool {
        self.max() >= NOISE_ALONE
    }

    /// The timestep of a sigma, from 0, with fractions: linear in log sigma between the timesteps next to it, and the first or
    /// last timestep outside the trained range. k-diffusion, `DiscreteSchedule.sigma_to_t`.
    pub fn sigma_to_timestep(&self, sigma: f64) -> f64 {
        let low = self.sigmas.partition_point(|&s| s <= sigma).saturating_sub(1).min(self.sigmas.len() - 2);
        let (below, above) = (self.sigmas[low].ln(), self.sigmas[low + 1].ln());
        low as f64 + ((sigma.ln() - below) / (above - below)).clamp(0.0, 1.0)
    }

    /// The sigma of a timestep with fractions: linear in log sigma between whole ones. k-diffusion,
    /// `DiscreteSchedule.t_to_sigma`.
    pub fn timestep_to_sigma(&self, timestep: f64) -> f64 {
        let timestep = timestep.clamp(0.0, (self.sigmas.len() - 1) as f64);
        let (low, high) = (self.sigmas[timestep.floor() as usize], self.sigmas[timestep.ceil() as usize]);
        if timestep.fract() == 0.0 { low } else { (low.ln() + (high.ln() - low.ln()) * timestep.fract()).exp() }
    }
}

/// Between how many timesteps a latent consistency model is taught to jump (Luo et al. 2023, section 4.3); diffusers'
/// `original_inference_steps`.
const LCM_TIMESTEPS: usize = 50;

/// The schedule of this name, of which `Automatic` is `Normal` ([`sigmas_for`] knows better): strictly falling sigmas that end in 0, one more than `steps` (at least 1). Where the training has
/// fewer timesteps than `steps` asks for, the schedules that pick among them have fewer, as `Beta` has where it picks one twice.
pub fn sigmas(name: ScheduleName, training: &TrainingSigmas, steps: u32) -> Vec<f64> {
    sigmas_turned(name, training, steps, &Tuning::default())
}

/// As [`sigmas`], bent and cut as `tuning` says where the schedule divides the range of sigmas.
fn sigmas_turned(name: ScheduleName, training: &TrainingSigmas, steps: u32, tuning: &Tuning) -> Vec<f64> {
    let steps = steps.max(1) as usize;
    let (min, max, trained) = (training.min(), training.max().min(HIGHEST_DIVIDED), &training.sigmas);
    let or = |turned: f64, own: f64| if turned > 0.0 { turned } else { own };
    // What is no range is none.
    let (min, max) = match (or(tuning.sigma_min, min), or(tuning.sigma_max, max)) {
        (low, high) if low < high => (low, high),
        _ => (min, max),
    };
    let last = trained.len() - 1;
    let turned = |sigma: f64, end: f64, own: f64| if sigma > 0.0 { training.sigma_to_timestep(end) } else { own };
    let (from, to) = (turned(tuning.sigma_max, max, last as f64), turned(tuning.sigma_min, min, 0.0));
    let mut sigmas: Vec<f64> = match name {
        ScheduleName::Karras => bent(max, min, steps, tuning.rho.unwrap_or(7.0)).collect(),
        ScheduleName::Polyexponential => {
            let rho = tuning.rho.unwrap_or(1.0);
            let share = |share: f64| (min.ln() + (max.ln() - min.ln()) * share.powf(rho)).exp();
            evenly(1.0, 0.0, steps).map(share).collect()
        }
        ScheduleName::Exponential => evenly(max.ln(), min.ln(), steps).map(f64::exp).collect(),
        ScheduleName::Normal | ScheduleName::Automatic => {
            evenly(from, to, steps).map(|t| training.timestep_to_sigma(t)).collect()
        }
        ScheduleName::SgmUniform => {
            evenly(from, to, steps + 1).take(steps).map(|t| training.timestep_to_sigma(t)).collect()
        }
        ScheduleName::Simple => (0..steps).map(|step| trained[last - step * trained.len() / steps]).collect(),
        ScheduleName::DdimUniform => {
            let stride = (trained.len() / steps).max(1);
            (0..steps).rev().map(|step| trained[(1 + step * stride).min(last)]).collect()
        }
        ScheduleName::KlOptimal => evenly(max.atan(), min.atan(), steps).map(f64::tan).collect(),
        ScheduleName::Beta => {
            let shares = (0..steps).map(|step| 1.0 - step as f64 / steps as f64);
            shares.map(|share| trained[(beta_quantile(share) * last as f64).round_ties_even() as usize]).collect()
        }
        ScheduleName::AlignYourSteps => {
            let logs = training.aligned.map(f64::ln);
            let at = |place: f64| {
                let (low, high) = (logs[place.floor() as usize], logs[place.ceil() as usize]);
                (low + (high - low) * place.fract()).exp()
            };
            evenly(0.0, (logs.len() - 1) as f64, steps).map(at).collect()
        }
        ScheduleName::Turbo => {
            let timestep =
                |step: usize| (trained.len() as f64 * (steps - step) as f64 / steps as f64).round_ties_even();
            (0..steps).map(|step| trained[(timestep(step) as usize).saturating_sub(1)]).collect()
        }
        ScheduleName::Lcm => {
            // The timesteps that such a model is taught, the last one first.
            let taught = LCM_TIMESTEPS.max(steps).min(trained.len());
            let stride = trained.len() / taught;
            (0..steps.min(taught)).map(|step| trained[(taught - step * taught / steps) * stride - 1]).collect()
        }
    };
    sigmas.dedup();
    sigmas.push(0.0);
    sigmas
}

/// What a sampler visits in a program: the schedule's sigmas or, as A1111 and `ComfyUI` run some, those of a schedule that is a step longer,
/// without its last but one (`discard_next_to_last_sigma`; `KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS`).
pub fn sigmas_for(
    program: Program,
    sampler: SamplerName,
    name: ScheduleName,
    training: &TrainingSigmas,
    steps: u32,
    tuning: &Tuning,
) -> Vec<f64> {
    use SamplerName as S;
    let name = if name == ScheduleName::Automatic { usual(sampler) } else { name };
    let of = |steps: u32| match (name, program) {
        (ScheduleName::DdimUniform, Program::A1111 | Program::ComfyUi) => all_leading(training, steps),
        _ => sigmas_turned(name, training, steps, tuning),
    };
    let discards = match program {
        Program::ComfyUi => matches!(sampler, S::Dpm2 | S::Dpm2Ancestral | S::UniPc | S::UniPcBh2),
        Program::A1111 | Program::Diffusers => matches!(sampler, S::Dpm2 | S::Dpm2Ancestral | S::DpmPlusPlus3MSde),
    };
    if !discards {
        return of(steps);
    }
    let mut longer = of(steps.max(1) + 1);
    longer.remove(longer.len() - 2);
    longer
}

/// `DdimUniform` as A1111 and `ComfyUI` count it: every n-th timestep from the second on for as long as there are any, which is more than
/// `steps` where these do not divide them.
fn all_leading(training: &TrainingSigmas, steps: u32) -> Vec<f64> {
    let trained = &training.sigmas;
    let stride = (trained.len() / steps.max(1) as usize).max(1);
    let mut sigmas: Vec<f64> = trained.iter().skip(1).step_by(stride).rev().copied().collect();
    sigmas.push(0.0);
    sigmas
}

/// What `Automatic` is for a sampler: A1111's choice for those that it has by that name (`modules/sd_samplers_kdiffusion.py`), timesteps as they
/// are taught for the others.
fn usual(sampler: SamplerName) -> ScheduleName {
    use SamplerName as S;
    match sampler {
        S::DpmPlusPlus2M | S::DpmPlusPlusSde | S::DpmPlusPlus2SAncestral | S::Dpm2 | S::Dpm2Ancestral | S::Restart => {
            ScheduleName::Karras
        }
        S::DpmPlusPlus2MSde | S::DpmPlusPlus2MSdeHeun | S::DpmPlusPlus3MSde => ScheduleName::Exponential,
        S::Ddim | S::DdimCfgPp | S::Plms => ScheduleName::DdimUniform,
        S::UniPc | S::UniPcBh2 => ScheduleName::SgmUniform,
        S::Lcm | S::Tcd => ScheduleName::Lcm,
        S::Euler | S::EulerAncestral | S::Heun | S::Lms | S::DpmFast | S::DpmAdaptive | S::Ddpm => ScheduleName::Normal,
    }
}

/// Below what a `share` (0..1) of the beta distribution lies whose two parameters are 0.6: `scipy.stats.beta.ppf(share, 0.6, 0.6)`.
fn beta_quantile(share: f64) -> f64 {
    /// Both parameters.
    const SHAPE: f64 = 0.6;
    /// Of a series whose terms at least halve.
    const TERMS: u32 = 64;
    // It is the same from both ends.
    if share > 0.5 {
        return 1.0 - beta_quantile(1.0 - share);
    }
    // The integral of (t·(1−t))^(a−1) from 0 to x ≤ ½, by the binomial series of its second factor.
    let below = |x: f64| {
        let (mut factor, mut sum) = (1.0, 0.0);
        for n in (0..TERMS).map(f64::from) {
            sum += factor / (SHAPE + n);
            factor *= x * (n + 1.0 - SHAPE) / (n + 1.0);
        }
        x.powf(SHAPE) * sum
    };
    let wanted = 2.0 * share * below(0.5);
    let (mut low, mut high) = (0.0, 0.5);
    // Until neighbouring numbers are reached; what is equal goes on, so that one half gives one half.
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = f64::midpoint(low, high);
        if below(middle) <= wanted { low = middle } else { high = middle }
    }
    high
}

/// `count` sigmas from `max` to `min`, even in their seventh roots. Karras et al. 2022, equation 5.
pub(super) fn karras(max: f64, min: f64, count: usize) -> impl Iterator<Item = f64> {
    bent(max, min, count, 7.0)
}

/// As [`karras`], even in another root.
fn bent(max: f64, min: f64, count: usize, rho: f64) -> impl Iterator<Item = f64> {
    evenly(max.powf(1.0 / rho), min.powf(1.0 / rho), count).map(move |root| root.powf(rho))
}

/// `count` values from `first` to `last`; one value is `first`. As `torch.linspace`.
fn evenly(first: f64, last: f64, count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| if i == 0 { first } else { first + (last - first) * (i as f64 / (count - 1) as f64) })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Stable Diffusion's: betas even in their square roots from 0.00085 to 0.012.
    pub(crate) fn stable_diffusion() -> Vec<f64> {
        let mut product = 1.0;
        let betas = evenly(0.00085_f64.sqrt(), 0.012_f64.sqrt(), 1000).map(|root| root * root);
        betas
            .map(|beta| {
                product *= 1.0 - beta;
                product
            })
            .collect()
    }

    #[test]
    fn the_samplers_that_a1111_runs_so_leave_out_the_last_sigma_but_one() {
        let (name, longer) = (ScheduleName::Karras, sigmas(ScheduleName::Karras, &training(), 11));
        let of = |program, sampler, steps| sigmas_for(program, sampler, name, &training(), steps, &Tuning::default());
        let (discarded, whole) = ([&longer[..10], &[0.0]].concat(), sigmas(name, &training(), 10));
        for (sampler, a1111, comfy) in [
            (SamplerName::Dpm2, &discarded, &discarded),
            (SamplerName::DpmPlusPlus3MSde, &discarded, &whole),
            (SamplerName::UniPc, &whole, &discarded),
            (SamplerName::Euler, &whole, &whole),
        ] {
            assert_eq!(&of(Program::A1111, sampler, 10), a1111);
            assert_eq!(&of(Program::ComfyUi, sampler, 10), comfy);
        }
        assert_eq!(of(Program::A1111, SamplerName::Dpm2, 1).len(), 2);
    }

    // By hand from k-diffusion's `get_sigmas_polyexponential` and `get_sigmas_karras`: 4 sigmas, the ramp of the third is a third.
    #[test]
    fn schedules_are_bent_by_rho_and_cut_at_their_ends() {
        let of = |name, tuning: Tuning| sigmas_turned(name, &training(), 4, &tuning);
        let near =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
        let (name, usual) = (ScheduleName::Polyexponential, Tuning::default());
        let ends = Tuning { sigma_min: 0.1, sigma_max: 10.0, ..usual };
        near(of(name, usual)[1], sigmas(ScheduleName::Exponential, &training(), 4)[1]);
        near(of(name, Tuning { rho: Some(2.0), ..ends })[2], 10_f64.powf(-1.0 + 2.0 / 9.0));
        near(of(ScheduleName::Karras, Tuning { rho: Some(1.0), ..ends })[2], 10.0 + (0.1 - 10.0) * 2.0 / 3.0);
        assert_eq!(of(name, Tuning { sigma_min: 20.0, sigma_max: 10.0, ..usual }), of(name, usual));
        assert_eq!(of(ScheduleName::Simple, ends), of(ScheduleName::Simple, usual));
    }

    // ComfyUI's `ddim_scheduler` takes the timesteps 1, 34 … 991 for 30 steps.
    #[test]
    fn leading_timesteps_are_all_that_fit_in_a1111_and_comfyui() {
        let of = |program, steps| {
            let name = ScheduleName::DdimUniform;
            sigmas_for(program, SamplerName::Euler, name, &training(), steps, &Tuning::default())
        };
        let (diffusers, comfy) = (of(Program::Diffusers, 30), of(Program::ComfyUi, 30));
        assert_eq!((diffusers.len(), comfy.len()), (31, 32));
        let timestep = |sigma: f64| training().sigma_to_timestep(sigma).round() as u32;
        assert_eq!((timestep(diffusers[0]), timestep(comfy[0]), timestep(comfy[30])), (958, 991, 1));
        assert_eq!(of(Program::A1111, 20), of(Program::Diffusers, 20));
    }

    fn training() -> TrainingSigmas {
        TrainingSigmas::from_alphas_cumprod(&stable_diffusion())
    }

    fn ten(name: ScheduleName) -> Vec<f64> {
        sigmas(name, &training(), 10).iter().map(|s| (s * 1e4).round() / 1e4).collect()
    }

    // Expected values: k-diffusion 0.1.1 and ComfyUI on Stable Diffusion 1's betas.

    #[test]
    fn the_trained_range_is_stable_diffusions() {
        assert!((training().min() - 0.029_167_2).abs() < 1e-6 && (training().max() - 14.614_641).abs() < 1e-4);
    }

    #[test]
    fn automatic_is_what_a1111_takes_for_a_sampler() {
        for (sampler, name) in [
            (SamplerName::DpmPlusPlus2M, ScheduleName::Karras),
            (SamplerName::Restart, ScheduleName::Karras),
            (SamplerName::DpmPlusPlus3MSde, ScheduleName::Exponential),
            (SamplerName::EulerAncestral, ScheduleName::Normal),
            (SamplerName::Lcm, ScheduleName::Lcm),
        ] {
            let of = |name| sigmas_for(Program::A1111, sampler, name, &training(), 12, &Tuning::default());
            assert_eq!(of(ScheduleName::Automatic), of(name), "{}", sampler.label());
        }
    }

    #[test]
    fn karras_equals_k_diffusion() {
        let expected = [14.6146, 9.1029, 5.4784, 3.1686, 1.7494, 0.9141, 0.4469, 0.2014, 0.0819, 0.0292, 0.0];
        assert_eq!(ten(ScheduleName::Karras), expected);
    }

    // Expected of the next two: ComfyUI's `kl_optimal_scheduler` and `beta_scheduler` in closed form, with numpy and scipy 1.17.1.

    #[test]
    fn kl_optimal_equals_comfyui() {
        let expected = [14.6146, 4.2324, 2.3937, 1.5971, 1.133, 0.8152, 0.5729, 0.3725, 0.1953, 0.0292, 0.0];
        assert_eq!(ten(ScheduleName::KlOptimal), expected);
    }

    #[test]
    fn beta_equals_comfyui() {
        let expected = [14.6146, 11.5428, 7.3718, 4.3728, 2.6152, 1.6183, 1.0273, 0.6549, 0.3955, 0.1991, 0.0];
        assert_eq!(ten(ScheduleName::Beta), expected);
        for (share, expected) in [
            (0.05, 0.012_554_456_873_611_399),
            (0.1, 0.039_584_405_588_780_85),
            (0.5, 0.5),
            (0.77, 0.846_162_414_232_350_2),
            (0.95, 0.987_445_543_126_388_5),
            (1.0, 1.0),
        ] {
            assert!((beta_quantile(share) - expected).abs() < 1e-12, "{share}: {}", beta_quantile(share));
        }
    }

    #[test]
    fn exponential_equals_k_diffusion() {
        let expected = [14.6146, 7.3249, 3.6712, 1.8400, 0.9222, 0.4622, 0.2317, 0.1161, 0.0582, 0.0292, 0.0];
        assert_eq!(ten(ScheduleName::Exponential), expected);
    }

    #[test]
    fn normal_equals_k_diffusion() {
        let expected = [14.6146, 7.8399, 4.6092, 2.9183, 1.9502, 1.3449, 0.9324, 0.6250, 0.3687, 0.0292, 0.0];
        assert_eq!(ten(ScheduleName::Normal), expected);
    }

    #[test]
    fn sgm_uniform_equals_comfyui() {
        let expected = [14.6146, 8.3072, 5.0924, 3.3251, 2.2797, 1.6156, 1.1629, 0.8319, 0.5712, 0.3437, 0.0];
        assert_eq!(ten(ScheduleName::SgmUniform), expected);
    }

    #[test]
    fn simple_equals_comfyui() {
        let found = ten(ScheduleName::Simple);
        assert_eq!((found.len(), found[0], found[1], found[2], found[9]), (11, 14.6146, 8.3028, 5.0878, 0.3417));
    }

    #[test]
    fn ddim_uniform_equals_comfyui() {
        let found = ten(ScheduleName::DdimUniform);
        assert_eq!((found.len(), found[0], found[1], found[9]), (11, 8.3907, 5.1344, 0.0413));
    }

    #[test]
    fn simple_visits_the_timesteps_that_diffusers_calls_trailing() {
        let trained = training();
        for steps in [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100] {
            let found = sigmas(ScheduleName::Simple, &trained, steps);
            for (index, sigma) in found[..steps as usize].iter().enumerate() {
                let trailing = f64::from(1000 - index as u32 * (1000 / steps) - 1);
                assert!((trained.sigma_to_timestep(*sigma) - trailing).abs() < 1e-9, "{steps} steps, step {index}");
            }
        }
    }

    #[test]
    fn sigmas_and_timesteps_are_each_others_inverse() {
        let trained = training();
        for timestep in [0.0, 0.25, 1.0, 500.5, 998.75, 999.0] {
            let there_and_back = trained.sigma_to_timestep(trained.timestep_to_sigma(timestep));
            assert!((there_and_back - timestep).abs() < 1e-9, "{timestep} came back as {there_and_back}");
        }
        assert_eq!((trained.sigma_to_timestep(0.0), trained.sigma_to_timestep(1e9)), (0.0, 999.0));
    }

    #[test]
    fn zero_terminal_snr_starts_at_the_last_timestep_and_divides_sigmas_from_4096() {
        assert!(!training().has_zero_terminal_snr());
        for clamped in [0.0, 2_f64.powi(-24)] {
            let mut alphas = stable_diffusion();
            alphas[999] = clamped;
            let trained = TrainingSigmas::from_alphas_cumprod(&alphas);
            assert!(trained.has_zero_terminal_snr());
            for &name in ScheduleName::ALL {
                let found = sigmas(name, &trained, 20);
                assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "{}", name.label());
                match name {
                    ScheduleName::Karras
                    | ScheduleName::Exponential
                    | ScheduleName::Polyexponential
                    | ScheduleName::KlOptimal => {
                        assert!((found[0] - 4096.0).abs() < 1e-3);
                    }
                    // Its sigmas are what they are.
                    ScheduleName::AlignYourSteps => assert!((found[0] - 14.615).abs() < 1e-9),
                    ScheduleName::Automatic
                    | ScheduleName::Normal
                    | ScheduleName::SgmUniform
                    | ScheduleName::Simple
                    | ScheduleName::Beta
                    | ScheduleName::Turbo
                    | ScheduleName::Lcm => {
                        assert!((trained.sigma_to_timestep(found[0]) - 999.0).abs() < 1e-9);
                    }
                    ScheduleName::DdimUniform => assert!((trained.sigma_to_timestep(found[0]) - 951.0).abs() < 1e-9),
                }
            }
        }
    }

    #[test]
    fn every_schedule_falls_to_zero_in_the_steps_asked_for() {
        for &name in ScheduleName::ALL {
            for steps in [1, 2, 3, 7, 20, 30, 333, 999, 1000] {
                let found = sigmas(name, &training(), steps);
                assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "{} in {steps} steps", name.label());
                assert_eq!(found.last(), Some(&0.0));
                let expected = match (name, steps) {
                    (ScheduleName::DdimUniform, 1000) => 999,
                    // Where it is densest, several fall on one timestep.
                    (ScheduleName::Beta, 333..) => continue,
                    _ => steps as usize,
                };
                assert_eq!(found.len() - 1, expected, "{} in {steps} steps", name.label());
            }
        }
    }
}
