use crate::networks::{ConfigError, Fields};
use std::f64::consts::FRAC_PI_2;

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The clean latent.
    Sample,
    /// √ᾱ · noise - √(1-ᾱ) · clean latent (Salimans & Ho 2022).
    VPrediction,
}

/// Which timesteps a short run visits, as the model's makers ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// From 0 up in even steps, plus an offset.
    Leading,
    /// Even from the first to the last.
    Linspace,
    /// From the last down in even steps.
    Trailing,
}

/// The noise that the model was trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// ᾱ at each training timestep, falling; at least 2⁻²⁴, so that every sigma is finite.
    pub alphas_cumprod: Vec<f64>,
    /// What the network's output means.
    pub prediction: Prediction,
    /// Which timesteps a short run visits.
    pub spacing: Spacing,
    /// What [`Spacing::Leading`] adds.
    pub steps_offset: usize,
}

/// The least ᾱ: what diffusers' Euler scheduler puts in place of 0, for models trained to a last step of pure noise.
const LEAST_ALPHA: f64 = 1.0 / (1 << 24) as f64;

/// How beta runs from its first value to its last.
#[derive(Clone, Copy)]
enum Betas {
    Linear,
    /// Linear in its square root.
    ScaledLinear,
    /// Nichol & Dhariwal 2021.
    Cosine,
}

impl Training {
    /// Reads scheduler/scheduler_config.json. Absent fields have diffusers' defaults.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        let count = fields.count("num_train_timesteps", 100_000, Some(1000))?;
        let mut betas = match fields.numbers("trained_betas", count)? {
            Some(betas) => betas.into_iter().map(f64::from).collect(),
            None => betas(&fields, count)?,
        };
        if betas.iter().any(|beta| !(0.0..=1.0).contains(beta)) {
            return Err(fields.wrong("beta_end", "such that every beta lies between 0 and 1"));
        }
        if fields.flag("rescale_betas_zero_snr", false)? {
            betas = rescaled_to_pure_noise(&betas);
        }
        // The schedulers that diffusers' Stable Diffusion pipelines of old came with count from 0; the others do not.
        let leads = fields.get("_class_name").and_then(|class| class.as_str());
        let leads = matches!(
            leads,
            Some("DDIMScheduler" | "PNDMScheduler" | "DDPMScheduler" | "LCMScheduler")
        );
        Ok(Self {
            alphas_cumprod: cumulative_alphas(&betas)
                .into_iter()
                .map(|alpha| alpha.max(LEAST_ALPHA))
                .collect(),
            prediction: fields.choice(
                "prediction_type",
                &[
                    ("epsilon", Prediction::Epsilon),
                    ("v_prediction", Prediction::VPrediction),
                    ("sample", Prediction::Sample),
                ],
                Some(Prediction::Epsilon),
            )?,
            spacing: fields.choice(
                "timestep_spacing",
                &[
                    ("leading", Spacing::Leading),
                    ("linspace", Spacing::Linspace),
                    ("trailing", Spacing::Trailing),
                ],
                Some(if leads { Spacing::Leading } else { Spacing::Linspace }),
            )?,
            steps_offset: match fields.number("steps_offset", Some(0.0))? {
                0.0 => 0,
                _ => fields.count("steps_offset", count, None)?,
            },
        })
    }
}

fn betas(fields: &Fields, count: usize) -> Result<Vec<f64>, ConfigError> {
    let (first, last) = (
        fields.number("beta_start", Some(0.0001))?,
        fields.number("beta_end", Some(0.02))?,
    );
    let kinds = [
        ("linear", Betas::Linear),
        ("scaled_linear", Betas::ScaledLinear),
        ("squaredcos_cap_v2", Betas::Cosine),
    ];
    let part = |i: usize| i as f64 / (count - 1).max(1) as f64;
    Ok(match fields.choice("beta_schedule", &kinds, Some(Betas::Linear))? {
        Betas::Linear => (0..count).map(|i| first + (last - first) * part(i)).collect(),
        Betas::ScaledLinear => {
            let (first, last) = (first.sqrt(), last.sqrt());
            (0..count).map(|i| (first + (last - first) * part(i)).powi(2)).collect()
        }
        Betas::Cosine => {
            let alpha = |i: usize| ((i as f64 / count as f64 + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2);
            (0..count).map(|i| (1.0 - alpha(i + 1) / alpha(i)).min(0.999)).collect()
        }
    })
}

fn cumulative_alphas(betas: &[f64]) -> Vec<f64> {
    let mut product = 1.0;
    betas
        .iter()
        .map(|beta| {
            product *= 1.0 - beta;
            product
        })
        .collect()
}

/// Betas moved so that the last step is pure noise (Lin et al. 2023, algorithm 1).
fn rescaled_to_pure_noise(betas: &[f64]) -> Vec<f64> {
    let mut signal: Vec<f64> = cumulative_alphas(betas).into_iter().map(f64::sqrt).collect();
    let (first, last) = (signal[0], signal[signal.len() - 1]);
    for value in &mut signal {
        *value = (*value - last) * first / (first - last);
    }
    let mut before = 1.0;
    signal
        .iter()
        .map(|value| {
            let alpha = (value / before).powi(2);
            before = *value;
            1.0 - alpha
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_alphas(json: &str, expected: &[(usize, f64)]) {
        let found = Training::from_json(json).unwrap().alphas_cumprod;
        for (timestep, expected) in expected {
            let found = found[*timestep];
            assert!(
                (found / expected - 1.0).abs() < 2e-5,
                "{timestep}: {found} instead of {expected}"
            );
        }
    }
    // TESTS
}
