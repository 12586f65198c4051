//! What no tensor shows: what the network's output means, and at which size it was trained. Files say it beside the weights, in
//! their metadata, or in their names; where none does, the family's usual answer is taken, and a person can give another.

use crate::checkpoints::families::Family;
use crate::checkpoints::header::Place;
use crate::checkpoints::{Prediction, PredictionSource, Training};
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

/// What the output of the network in a file means, and what says so: a tensor `v_pred`, `modelspec.prediction_type` in its metadata,
/// latent-diffusion's .yaml beside it, its name, or its family.
pub(super) fn prediction(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    places: &BTreeMap<String, Place>,
    family: &Family,
) -> (Prediction, PredictionSource) {
    if places.contains_key("v_pred") {
        return (Prediction::VPrediction, PredictionSource::Weights);
    }
    let named = |text: &str| PREDICTIONS.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, is)| *is);
    if let Some(prediction) = metadata.get("modelspec.prediction_type").and_then(|text| named(text.trim())) {
        return (prediction, PredictionSource::Metadata);
    }
    if let Some(prediction) = side_file(path) {
        return (prediction, PredictionSource::SideFile);
    }
    let name = stem(path);
    if ["v-pred", "v_pred", "vpred", "768-v", "768v"].iter().any(|part| name.contains(part)) {
        return (Prediction::VPrediction, PredictionSource::Name);
    }
    // The base models of the second generation were trained at 512 pixels, on noise.
    if family.prediction == Prediction::VPrediction && ["512", "base", "eps"].iter().any(|part| name.contains(part)) {
        return (Prediction::Epsilon, PredictionSource::Name);
    }
    (family.prediction, PredictionSource::Family)
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

/// The side of the pictures that it was trained on, in pixels: as `modelspec.resolution` says, else as the family's were.
pub(super) fn native_side(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    family: &Family,
    prediction: Prediction,
) -> usize {
    let stated = metadata.get("modelspec.resolution").and_then(|text| text.split('x').next()?.trim().parse().ok());
    if let Some(side) = stated.filter(|side| (64..=4096).contains(side)) {
        return side;
    }
    let large = family.prediction == Prediction::VPrediction && prediction == Prediction::VPrediction;
    if large && !stem(path).contains("512") { 768 } else { family.side }
}

/// The noise that all of Stable Diffusion was trained on.
pub(super) fn training(prediction: Prediction) -> Training {
    let json = r#"{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1,
        "timestep_spacing": "leading"}"#;
    Training { prediction, ..Training::from_json(json).expect("it is as diffusers writes it") }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::FAMILIES;

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
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        prediction(&path, &metadata, &BTreeMap::new(), &FAMILIES[family])
    }

    #[test]
    fn what_says_more_goes_before_what_says_less() {
        use Prediction::{Epsilon, VPrediction};
        use PredictionSource::{Family, Metadata, Name, SideFile};
        const V: &str =
            "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: \"v\" # v\n";
        let spec = [("modelspec.prediction_type", "epsilon")];
        assert_eq!(found("a.safetensors", &[], None, 0), (Epsilon, Family));
        assert_eq!(found("a.safetensors", &[], None, 1), (VPrediction, Family));
        assert_eq!(found("v2-1_512-ema-pruned.safetensors", &[], None, 1), (Epsilon, Name));
        assert_eq!(found("v2-1_768-ema-pruned.ckpt", &[], None, 1), (VPrediction, Family));
        assert_eq!(found("fluffy-VPred.safetensors", &[], None, 0), (VPrediction, Name));
        assert_eq!(found("a.safetensors", &[], Some(V), 0), (VPrediction, SideFile));
        assert_eq!(found("768-v.safetensors", &[], Some("target: LatentDiffusion"), 1), (Epsilon, SideFile));
        assert_eq!(found("768-v.safetensors", &[], Some("a note"), 1), (VPrediction, Name));
        assert_eq!(found("a-vpred.safetensors", &spec, Some(V), 1), (Epsilon, Metadata));
    }

    #[test]
    fn the_size_is_the_stated_one_or_that_of_its_kind() {
        let side = |name: &str, resolution: Option<&str>, family: usize, prediction| {
            let metadata = resolution.map(|text| ("modelspec.resolution".to_owned(), text.to_owned()));
            native_side(Path::new(name), &metadata.into_iter().collect(), &FAMILIES[family], prediction)
        };
        assert_eq!(side("a.safetensors", None, 0, Prediction::VPrediction), 512);
        assert_eq!(side("a.safetensors", None, 1, Prediction::VPrediction), 768);
        assert_eq!(side("a.safetensors", None, 1, Prediction::Epsilon), 512);
        assert_eq!(side("a.safetensors", Some("640x640"), 1, Prediction::Epsilon), 640);
        assert_eq!(side("a.safetensors", Some("0x7"), 0, Prediction::Epsilon), 512);
    }
}
