use super::{Distilled, Error};
use crate::networks::{ConfigError, Fields};
use std::path::Path;

/// What a model's makers say suits it, where they say so: a model distilled to few steps wants those and no guidance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Suggestion {
    /// Steps that finish a picture.
    pub steps: Option<u32>,
    /// Weight of classifier-free guidance; 1 is none.
    pub guidance_scale: Option<f64>,
    /// How it was taught to finish early.
    pub distilled: Option<Distilled>,
}

impl Suggestion {
    /// What names say of a model, the surest first: they are for people, and steps in them mean nothing but behind a word for what
    /// finishes early.
    pub(super) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let said = |name| match Distilled::in_name(name) {
            (Some(distilled), steps) => Some(Self { steps, distilled: Some(distilled), ..Self::default() }),
            (None, _) => None,
        };
        names.into_iter().find_map(said).unwrap_or_default()
    }

    /// What is said here, and for the rest what `other` says.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            steps: self.steps.or(other.steps),
            guidance_scale: self.guidance_scale.or(other.guidance_scale),
            distilled: self.distilled.or(other.distilled),
        }
    }

    /// From `generation_config.json` beside `model_index.json`, which names values as diffusers' pipelines name their arguments:
    /// `num_inference_steps` and `guidance_scale`. Nothing where there is no such file.
    pub(super) fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("generation_config.json");
        if !path.is_file() {
            return Ok(Self::default());
        }
        Self::from_json(&super::folder::text_in(&path)?).map_err(|source| Error::Config { path, source })
    }

    fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        let steps = fields.get("num_inference_steps").map(|_| fields.count("num_inference_steps", 1000, None));
        let scale = fields.get("guidance_scale").map(|_| fields.number("guidance_scale", None)).transpose()?;
        match scale {
            Some(scale) if !(0.0..=50.0).contains(&scale) => Err(fields.wrong("guidance_scale", "0 to 50")),
            _ => {
                Ok(Self { steps: steps.transpose()?.map(|steps| steps as u32), guidance_scale: scale, distilled: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_left_open_and_what_cannot_be_is_named() {
        assert_eq!(Suggestion::from_json("{}").unwrap(), Suggestion::default());
        let both = Suggestion::from_json(r#"{"num_inference_steps": 4, "guidance_scale": 1.0}"#).unwrap();
        assert_eq!(both, Suggestion { steps: Some(4), guidance_scale: Some(1.0), distilled: None });
        let named = Suggestion::of_names(["bozzetto-4-steps", "a Lightning of 8 steps"]);
        assert_eq!(named, Suggestion { steps: Some(8), guidance_scale: None, distilled: Some(Distilled::Lightning) });
        assert_eq!(both.or(named), Suggestion { distilled: named.distilled, ..both });
        for (json, named) in [
            (r#"{"num_inference_steps": 0}"#, "`num_inference_steps` is 0"),
            (r#"{"num_inference_steps": 2000}"#, "`num_inference_steps` is 2000"),
            (r#"{"guidance_scale": -1}"#, "`guidance_scale` is -1"),
            (r#"{"guidance_scale": 60}"#, "`guidance_scale` is 60"),
            (r#"{"guidance_scale": "much"}"#, "`guidance_scale` is \"much\""),
        ] {
            let error = Suggestion::from_json(json).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
