use crate::networks::{ConfigError, Fields};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// What the network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The clean latent.
    Sample,
    /// √ᾱ · noise - √(1-ᾱ) · clean latent (Salimans & Ho 2022).
    #[serde(rename = "v")]
    VPrediction,
}

/// What says what the network's output means, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictionSource {
    /// The scheduler's config.
    Config,
    /// A tensor that is there for this.
    Weights,
    /// The file's metadata.
    Metadata,
    /// A file beside it.
    SideFile,
    /// The file's name.
    Name,
    /// Nothing but that most of its family are so.
    Family,
}

impl PredictionSource {
    /// How it is spelled in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Weights => "weights",
            Self::Metadata => "metadata",
            Self::SideFile => "side file",
            Self::Name => "name",
            Self::Family => "family",
        }
    }
}

impl Prediction {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Epsilon, Self::Sample, Self::VPrediction];

    /// How it is spelled, everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Sample => "sample",
            Self::VPrediction => "v",
        }
    }

    /// The one of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|prediction| prediction.name().eq_ignore_ascii_case(name))
    }
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
    /// ᾱ at each training timestep, falling; 2⁻²⁴ in place of 0, so that every sigma is finite.
    pub alphas_cumprod: Vec<f64>,
    /// What the network's output means.
    pub prediction: Prediction,
    /// Which timesteps a short run visits.
    pub spacing: Spacing,
    /// What [`Spacing::Leading`] adds.
    pub steps_offset: usize,
    /// Whether walks of timesteps (DDIM, PLMS) end at a clean latent, and not at the first timestep's noise. diffusers' `set_alpha_to_one`.
    pub ends_clean: bool,
}

/// What diffusers' Euler scheduler puts in place of an ᾱ of 0, for models trained to a last step of pure noise.
const STAND_IN_FOR_ZERO: f64 = 1.0 / (1 << 24) as f64;

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
    /// Reads `scheduler/scheduler_config.json`. Absent fields have diffusers' defaults.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        let count = fields.count("num_train_timesteps", 100_000, Some(1000))?;
        if count < 2 {
            return Err(fields.wrong("num_train_timesteps", "at least 2"));
        }
        let mut betas = match fields.numbers("trained_betas", count)? {
            Some(betas) => betas.into_iter().map(f64::from).collect(),
            None => betas(&fields, count)?,
        };
        if betas.iter().any(|beta| !(0.0..=1.0).contains(beta)) {
            return Err(wrong_betas(&fields, "such that every beta lies between 0 and 1"));
        }
        if fields.flag("rescale_betas_zero_snr", false)? {
            betas = rescaled_to_pure_noise(&betas);
        }
        let alphas = cumulative_alphas(&betas);
        if !(alphas[0] < 1.0 && alphas.windows(2).all(|pair| pair[1] < pair[0])) {
            return Err(wrong_betas(&fields, "such that every timestep is noisier than the one before it"));
        }
        // The schedulers that diffusers' Stable Diffusion pipelines of old came with count from 0; the others do not.
        let class = fields.get("_class_name").and_then(|class| class.as_str());
        let leads = matches!(class, Some("DDIMScheduler" | "PNDMScheduler" | "DDPMScheduler" | "LCMScheduler"));
        Ok(Self {
            // What diffusers' PNDMScheduler does unless it is told, and the others do not.
            ends_clean: fields.flag("set_alpha_to_one", class != Some("PNDMScheduler"))?,
            alphas_cumprod: alphas
                .into_iter()
                .map(|alpha| if alpha > 0.0 { alpha } else { STAND_IN_FOR_ZERO })
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
                &[("leading", Spacing::Leading), ("linspace", Spacing::Linspace), ("trailing", Spacing::Trailing)],
                Some(if leads { Spacing::Leading } else { Spacing::Linspace }),
            )?,
            steps_offset: match fields.number("steps_offset", Some(0.0))? {
                0.0 => 0,
                _ => fields.count("steps_offset", count, None)?,
            },
        })
    }
}

/// Blames the first field that is there of those that decide the betas.
fn wrong_betas(fields: &Fields, expected: &str) -> ConfigError {
    let deciding = ["trained_betas", "beta_end", "beta_start", "beta_schedule"];
    fields.wrong(deciding.into_iter().find(|field| fields.get(field).is_some()).unwrap_or("beta_end"), expected)
}

fn betas(fields: &Fields, count: usize) -> Result<Vec<f64>, ConfigError> {
    let (first, last) = (fields.number("beta_start", Some(0.0001))?, fields.number("beta_end", Some(0.02))?);
    let kinds =
        [("linear", Betas::Linear), ("scaled_linear", Betas::ScaledLinear), ("squaredcos_cap_v2", Betas::Cosine)];
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

    #[test]
    fn a_model_trained_to_pure_noise_has_finite_sigmas() {
        let json = r#"{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "rescale_betas_zero_snr": true}"#;
        let alphas = Training::from_json(json).unwrap().alphas_cumprod;
        assert_eq!(alphas[999].to_bits(), 2f64.powi(-24).to_bits());
        assert!(alphas.windows(2).all(|pair| pair[1] < pair[0]));
    }

    #[test]
    fn what_a_scheduler_asks_for_that_is_not_known_is_named() {
        for (json, expected) in [
            (r#"{"prediction_type": "flow"}"#, r#"`prediction_type` is "flow""#),
            (r#"{"beta_schedule": "sigmoid"}"#, r#"`beta_schedule` is "sigmoid""#),
            (r#"{"beta_end": 7}"#, "`beta_end` is 7"),
            (r#"{"num_train_timesteps": 0}"#, "`num_train_timesteps` is 0"),
            (r#"{"num_train_timesteps": 1}"#, "`num_train_timesteps` is 1"),
            (r#"{"beta_start": 0}"#, "`beta_start` is 0"),
            (r#"{"trained_betas": [0.5, 0.0], "num_train_timesteps": 2}"#, "`trained_betas` is [0.5,0.0]"),
        ] {
            let error = Training::from_json(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn schedulers_that_lead_by_default_are_known_by_their_class() {
        let spacing = |json| Training::from_json(json).unwrap().spacing;
        assert_eq!(spacing(r#"{"_class_name": "PNDMScheduler"}"#), Spacing::Leading);
        assert_eq!(spacing(r#"{"_class_name": "EulerDiscreteScheduler"}"#), Spacing::Linspace);
    }
}
