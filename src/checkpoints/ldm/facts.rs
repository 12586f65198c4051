//! What no tensor shows: what the network's output means, and at which size it was trained. Files say it beside the weights, in
//! their metadata, or in their names; where none does, the family's usual answer is taken, and a person can give another.

use crate::checkpoints::distilled::{Distilled, is_sdxl_turbo};
use crate::checkpoints::families::Family;
use crate::checkpoints::header::Place;
use crate::checkpoints::{Prediction, PredictionSource, Suggestion, Training};
use std::collections::BTreeMap;
use std::path::Path;

/// The spellings of what a network's output means, in `ModelSpec` and diffusers.
const PREDICTIONS: [(&str, Prediction); 5] = [
    ("v", Prediction::VPrediction),
    ("v_prediction", Prediction::VPrediction),
    ("epsilon", Prediction::Epsilon),
    ("eps", Prediction::Epsilon),
    ("sample", Prediction::Sample),
];

/// A side file is a page of text.
const MAX_SIDE_FILE_BYTES: u64 = 1 << 20;

/// What is asked about a file.
pub(super) struct About<'a> {
    pub(super) path: &'a Path,
    pub(super) metadata: &'a BTreeMap<String, String>,
    pub(super) places: &'a BTreeMap<String, Place>,
    pub(super) family: &'a Family,
    /// Channels that its U-Net takes.
    pub(super) in_channels: usize,
    /// What stands before the names of its U-Net.
    pub(super) unet_prefix: &'a str,
    /// How far the numbers of a small tensor spread.
    pub(super) spread: &'a dyn Fn(&str) -> Option<f64>,
}

/// A bias in Stable Diffusion 2 that spreads further in what was trained on v than in what was trained on noise; found by `ComfyUI`, which
/// goes by it.
const TELLING: &str = "output_blocks.11.1.transformer_blocks.0.norm1.bias";
const SPREAD_OF_V: f64 = 0.09;

impl About<'_> {
    /// What the output of the network means, and what says so: a tensor `v_pred`, `modelspec.prediction_type` in its metadata,
    /// latent-diffusion's .yaml beside it, its name, or its family. Nothing of the second generation that sees more than the noisy latent
    /// was trained on v.
    pub(super) fn prediction(&self) -> (Prediction, PredictionSource) {
        use Prediction::{Epsilon, VPrediction};
        if self.places.contains_key("v_pred") {
            return (VPrediction, PredictionSource::Weights);
        }
        let named =
            |text: &str| PREDICTIONS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, is)| *is);
        if let Some(prediction) = self.metadata.get("modelspec.prediction_type").and_then(|text| named(text.trim())) {
            return (prediction, PredictionSource::Metadata);
        }
        if let Some(prediction) = side_file(self.path) {
            return (prediction, PredictionSource::SideFile);
        }
        let name = stem(self.path);
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if has(&["v-pred", "v_pred", "vpred", "768-v", "768v"]) {
            return (VPrediction, PredictionSource::Name);
        }
        // The one step of SDXL Lightning.
        if has(&["1step_x0"]) {
            return (Prediction::Sample, PredictionSource::Name);
        }
        if self.family.prediction != VPrediction {
            return (self.family.prediction, PredictionSource::Family);
        }
        // The base models of the second generation were trained at 512 pixels, on noise; SD Turbo is made of one.
        if has(&["512", "base", "eps"]) || self.suggestion().distilled == Some(Distilled::Turbo) {
            return (Epsilon, PredictionSource::Name);
        }
        if self.in_channels != self.family.latent_channels {
            return (Epsilon, PredictionSource::Weights);
        }
        // It is a guess, too.
        let spread = (self.spread)(&format!("{}{TELLING}", self.unet_prefix));
        let is_v = spread.is_none_or(|spread| spread > SPREAD_OF_V);
        (if is_v { VPrediction } else { Epsilon }, PredictionSource::Family)
    }

    /// The side of the pictures that it was trained on, in pixels: as `modelspec.resolution` says, else as the family's were.
    pub(super) fn native_side(&self, prediction: Prediction) -> usize {
        let stated = self.metadata.get("modelspec.resolution");
        let stated = stated.and_then(|text| text.split('x').next()?.trim().parse().ok());
        if let Some(side) = stated.filter(|side| (64..=4096).contains(side)) {
            return side;
        }
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let large = self.family.prediction == Prediction::VPrediction && prediction == Prediction::VPrediction;
        if large && !name.contains("512") {
            768
        } else if self.family.key == "sdxl" && is_sdxl_turbo(&name) {
            512
        } else {
            self.family.side
        }
    }

    /// The noise that all of Stable Diffusion was trained on or, where a tensor `ztsnr`, kohya's metadata or its name say so of a model
    /// of v, that of Lin et al. 2023, whose last step is noise alone.
    pub(super) fn training(&self, prediction: Prediction) -> Training {
        let said = self.metadata.get("ss_zero_terminal_snr").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let name = stem(self.path);
        let said = said || self.places.contains_key("ztsnr") || name.contains("ztsnr") || name.contains("zsnr");
        let json = r#"{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1,
            "timestep_spacing": "leading", "rescale_betas_zero_snr": "#;
        let rescaled = said && prediction == Prediction::VPrediction;
        // Stable Diffusion's own configuration ends DDIM at the first sigma; models of zero terminal SNR end it at no noise.
        let training = Training::from_json(&format!("{json}{rescaled}, \"set_alpha_to_one\": {rescaled}}}"));
        let training = training.expect("it is as diffusers writes it");
        Training { prediction, ..training }
    }

    /// What its name and the names in its metadata say suits it.
    pub(super) fn suggestion(&self) -> Suggestion {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let stated = ["modelspec.title", "modelspec.architecture"].map(|key| self.metadata.get(key));
        Suggestion::of_names(stated.into_iter().flatten().map(String::as_str).chain([&*stem]))
    }
}

/// The `parameterization` in a config of latent-diffusion beside the file, which is noise where it names none.
fn side_file(path: &Path) -> Option<Prediction> {
    let config = path.with_extension("yaml");
    let size = config.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let text = std::fs::read_to_string(config).ok().filter(|_| size <= MAX_SIDE_FILE_BYTES)?;
    let values = text.lines().filter_map(|line| line.trim().strip_prefix("parameterization:"));
    match values.map(|value| value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\''])).next() {
        Some("v") => Some(Prediction::VPrediction),
        Some("x0") => Some(Prediction::Sample),
        Some("eps") => Some(Prediction::Epsilon),
        Some(_) => None,
        None => text.contains("LatentDiffusion").then_some(Prediction::Epsilon),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

#[cfg(test)]
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is of one lifetime")]
mod tests {
    use super::*;
    use crate::checkpoints::FAMILIES;
    use crate::checkpoints::header::Stored;
    use candle_core::DType;

    /// What is said of a file without tensors.
    fn about<T>(
        (name, family, in_channels): (&str, usize, usize),
        metadata: &[(&str, &str)],
        tensors: &[&str],
        ask: impl FnOnce(&About<'_>) -> T,
    ) -> T {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let place = Place { stored: Stored::Numbers(DType::F32), shape: vec![1], start: 0, bytes: 4, strides: None };
        let places = tensors.iter().map(|name| ((*name).to_owned(), place.clone())).collect();
        ask(&About {
            path: Path::new(name),
            metadata: &metadata,
            places: &places,
            family: &FAMILIES[family],
            in_channels,
            unet_prefix: "unet.",
            spread: &|_| None,
        })
    }

    fn found(
        name: &str,
        metadata: &[(&str, &str)],
        yaml: Option<&str>,
        family: usize,
    ) -> (Prediction, PredictionSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        if let Some(yaml) = yaml {
            std::fs::write(path.with_extension("yaml"), yaml).unwrap();
        }
        about((path.to_str().unwrap(), family, 4), metadata, &[], |about| about.prediction())
    }

    #[test]
    fn what_says_more_goes_before_what_says_less() {
        use Prediction::{Epsilon, VPrediction};
        use PredictionSource::{Family, Metadata, Name, SideFile, Weights};
        const V: &str =
            "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: \"v\" # v\n";
        let spec = [("modelspec.prediction_type", "epsilon")];
        assert_eq!(found("a.safetensors", &[], None, 0), (Epsilon, Family));
        assert_eq!(found("a.safetensors", &[], None, 1), (VPrediction, Family));
        assert_eq!(found("v2-1_512-ema-pruned.safetensors", &[], None, 1), (Epsilon, Name));
        assert_eq!(found("sd_turbo.safetensors", &[], None, 1), (Epsilon, Name));
        assert_eq!(found("sdxl_lightning_1step_x0.safetensors", &[], None, 2), (Prediction::Sample, Name));
        assert_eq!(found("v2-1_768-ema-pruned.ckpt", &[], None, 1), (VPrediction, Family));
        assert_eq!(found("fluffy-VPred.safetensors", &[], None, 0), (VPrediction, Name));
        assert_eq!(found("a.safetensors", &[], Some(V), 0), (VPrediction, SideFile));
        assert_eq!(found("768-v.safetensors", &[], Some("target: LatentDiffusion"), 1), (Epsilon, SideFile));
        assert_eq!(found("768-v.safetensors", &[], Some("a note"), 1), (VPrediction, Name));
        assert_eq!(found("a-vpred.safetensors", &spec, Some(V), 1), (Epsilon, Metadata));
        assert_eq!(about(("a.ckpt", 1, 9), &[], &[], |about| about.prediction()), (Epsilon, Weights));
        assert_eq!(about(("a.ckpt", 2, 4), &spec, &["v_pred"], |about| about.prediction()), (VPrediction, Weights));
    }

    #[test]
    fn a_bias_tells_the_second_generation_apart_where_nothing_says_it() {
        for (spread, expected) in [(0.13, Prediction::VPrediction), (0.05, Prediction::Epsilon)] {
            let of = |name: &str| (name == "unet.output_blocks.11.1.transformer_blocks.0.norm1.bias").then_some(spread);
            let said = about(("a.safetensors", 1, 4), &[], &[], |about| About { spread: &of, ..*about }.prediction());
            assert_eq!(said, (expected, PredictionSource::Family));
        }
    }

    #[test]
    fn a_model_of_v_may_be_trained_to_noise_alone() {
        let last = |name: &str, metadata: &[(&str, &str)], tensors: &[&str], prediction| {
            let training = about((name, 2, 4), metadata, tensors, |about| about.training(prediction));
            assert_eq!(training.prediction, prediction);
            training.alphas_cumprod[999]
        };
        let ordinary = last("a", &[], &[], Prediction::VPrediction);
        assert!((ordinary - 0.004_66).abs() < 1e-5, "{ordinary}");
        let alone = 2f64.powi(-24);
        for (name, metadata, tensors) in [
            ("a", &[][..], &["ztsnr"][..]),
            ("a", &[("ss_zero_terminal_snr", "True")], &[]),
            ("noob-vpred-ZTSNR", &[], &[]),
        ] {
            assert_eq!(last(name, metadata, tensors, Prediction::VPrediction).to_bits(), alone.to_bits(), "{name}");
            assert_eq!(last(name, metadata, tensors, Prediction::Epsilon).to_bits(), ordinary.to_bits(), "{name}");
        }
    }

    #[test]
    fn the_size_is_the_stated_one_or_that_of_its_kind() {
        let side = |name: &str, resolution: Option<&str>, family: usize, prediction| {
            let metadata: Vec<_> = resolution.map(|text| ("modelspec.resolution", text)).into_iter().collect();
            about((name, family, 4), &metadata, &[], |about| about.native_side(prediction))
        };
        assert_eq!(side("a.safetensors", None, 0, Prediction::VPrediction), 512);
        assert_eq!(side("a.safetensors", None, 1, Prediction::VPrediction), 768);
        assert_eq!(side("a.safetensors", None, 1, Prediction::Epsilon), 512);
        assert_eq!(side("a.safetensors", Some("640x640"), 1, Prediction::Epsilon), 640);
        assert_eq!(side("a.safetensors", Some("0x7"), 0, Prediction::Epsilon), 512);
        assert_eq!(side("sd_xl_turbo_1.0_fp16.safetensors", None, 2, Prediction::Epsilon), 512);
        assert_eq!(side("DreamShaperXL_Turbo.safetensors", None, 2, Prediction::Epsilon), 1024);
    }

    #[test]
    fn names_beside_the_tensors_say_what_suits_the_model() {
        let title = [("modelspec.title", "Some Lightning, 4 steps")];
        let said = about(("a.safetensors", 2, 4), &title, &[], |about| about.suggestion());
        assert_eq!((said.distilled, said.steps), (Some(Distilled::Lightning), Some(4)));
        let said =
            about(("sd_xl_turbo_1.0.safetensors", 2, 4), &[("modelspec.title", "x")], &[], |about| about.suggestion());
        assert_eq!((said.distilled, said.steps), (Some(Distilled::Turbo), None));
    }
}
