use super::{SamplerName, ScheduleName, TrainingSigmas};
use crate::checkpoints::{Distilled, Model, Suggestion};
use crate::geom::Extent;
use crate::networks::UNetConfig;

/// What a draft starts with for a model: what it was trained for, not what it is called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// The size it paints best.
    pub extent: Extent,
    /// Enough for a finished picture.
    pub steps: u32,
    /// The sampler.
    pub sampler: SamplerName,
    /// The schedule.
    pub schedule: ScheduleName,
    /// Weight of classifier-free guidance.
    pub guidance_scale: f64,
}

impl Defaults {
    /// For this model.
    pub fn of(model: &Model) -> Self {
        let training = TrainingSigmas::from_alphas_cumprod(&model.training.alphas_cumprod);
        Self::from_facts(model.native_extent, &training, model.unet_config(), model.suggestion)
    }

    /// A model that was taught to finish early is sampled as it was taught, without guidance, or with as much as diffusers'
    /// `LatentConsistencyModelPipeline` tells one that is told of it. One with zero terminal signal-to-noise ratio must start at its last timestep and overexposes with much guidance
    /// (Lin et al. 2023, sections 3.3 and 3.4), so it gets DDIM over trailing timesteps. The others get what A1111's users
    /// settled on. What the model's makers say goes before both.
    pub fn from_facts(extent: Extent, training: &TrainingSigmas, unet: &UNetConfig, suggestion: Suggestion) -> Self {
        let (steps, sampler, schedule, guidance_scale) = match suggestion.distilled {
            _ if unet.guidance_width.is_some() => (4, SamplerName::Lcm, ScheduleName::Lcm, 8.5),
            Some(distilled) => {
                let (steps, sampler, schedule) = few_steps(distilled);
                (steps, sampler, schedule, 1.0)
            }
            None if training.has_zero_terminal_snr() => (20, SamplerName::Ddim, ScheduleName::Simple, 3.5),
            None => (20, SamplerName::DpmPlusPlus2M, ScheduleName::Karras, 7.0),
        };
        let guidance_scale = suggestion.guidance_scale.unwrap_or(guidance_scale);
        Self { extent, steps: suggestion.steps.unwrap_or(steps), sampler, schedule, guidance_scale }
    }
}

/// How those who distilled a model sample it: their model cards, and what their schedulers are in diffusers.
fn few_steps(distilled: Distilled) -> (u32, SamplerName, ScheduleName) {
    match distilled {
        Distilled::Turbo => (4, SamplerName::EulerAncestral, ScheduleName::Turbo),
        Distilled::Lcm => (4, SamplerName::Lcm, ScheduleName::Lcm),
        Distilled::Lightning => (4, SamplerName::Euler, ScheduleName::Turbo),
        Distilled::Hyper => (8, SamplerName::Ddim, ScheduleName::Turbo),
        Distilled::Dmd => (4, SamplerName::Lcm, ScheduleName::Turbo),
        Distilled::Tcd => (4, SamplerName::Tcd, ScheduleName::Lcm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::schedule::tests::stable_diffusion;

    fn unet(more: &str) -> UNetConfig {
        let json = format!(
            r#"{{"block_out_channels": [32], "down_block_types": ["CrossAttnDownBlock2D"],
                "up_block_types": ["CrossAttnUpBlock2D"]{more}}}"#
        );
        UNetConfig::from_json(&json).unwrap()
    }

    #[test]
    fn one_that_is_told_how_far_to_follow_gets_few_steps() {
        let training = TrainingSigmas::from_alphas_cumprod(&stable_diffusion());
        let told = unet(r#", "time_cond_proj_dim": 256"#);
        let of = |suggestion| Defaults::from_facts(Extent::new(768, 768), &training, &told, suggestion);
        let usual = of(Suggestion::default());
        assert_eq!((usual.sampler, usual.schedule, usual.steps), (SamplerName::Lcm, ScheduleName::Lcm, 4));
        let named = Suggestion { steps: Some(8), distilled: Some(Distilled::Lcm), ..Suggestion::default() };
        assert_eq!(of(named), Defaults { steps: 8, ..usual });
    }

    #[test]
    fn zero_terminal_snr_decides_between_two_ways_to_sample() {
        let mut alphas = stable_diffusion();
        let of = |alphas: &[f64]| {
            let training = TrainingSigmas::from_alphas_cumprod(alphas);
            Defaults::from_facts(Extent::new(512, 512), &training, &unet(""), Suggestion::default())
        };
        let ordinary = of(&alphas);
        assert_eq!((ordinary.sampler, ordinary.schedule), (SamplerName::DpmPlusPlus2M, ScheduleName::Karras));
        alphas[999] = 0.0;
        let rescaled = of(&alphas);
        assert_eq!((rescaled.sampler, rescaled.schedule), (SamplerName::Ddim, ScheduleName::Simple));
        assert!(rescaled.guidance_scale < ordinary.guidance_scale);
    }

    #[test]
    fn what_finishes_early_starts_with_few_steps_and_no_guidance() {
        let training = TrainingSigmas::from_alphas_cumprod(&stable_diffusion());
        let of = |suggestion| {
            let found = Defaults::from_facts(Extent::new(512, 512), &training, &unet(""), suggestion);
            (found.steps, found.sampler, found.schedule, found.guidance_scale.to_bits())
        };
        let none = 1f64.to_bits();
        let kind = |distilled| Suggestion { distilled: Some(distilled), ..Suggestion::default() };
        for (distilled, expected) in [
            (Distilled::Turbo, (4, SamplerName::EulerAncestral, ScheduleName::Turbo)),
            (Distilled::Lcm, (4, SamplerName::Lcm, ScheduleName::Lcm)),
            (Distilled::Lightning, (4, SamplerName::Euler, ScheduleName::Turbo)),
            (Distilled::Hyper, (8, SamplerName::Ddim, ScheduleName::Turbo)),
            (Distilled::Dmd, (4, SamplerName::Lcm, ScheduleName::Turbo)),
            (Distilled::Tcd, (4, SamplerName::Tcd, ScheduleName::Lcm)),
        ] {
            let (steps, sampler, schedule) = expected;
            assert_eq!(of(kind(distilled)), (steps, sampler, schedule, none), "{distilled:?}");
        }
        let turbo = kind(Distilled::Turbo);
        let lcm = Suggestion { distilled: Some(Distilled::Lcm), steps: Some(8), ..Suggestion::default() };
        assert_eq!(of(lcm), (8, SamplerName::Lcm, ScheduleName::Lcm, none));
        let guided = Suggestion { guidance_scale: Some(2.0), ..turbo };
        assert_eq!(of(guided).3, 2f64.to_bits());
    }
}
