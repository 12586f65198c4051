use super::{Error, Family};
use serde::Deserialize;
use std::path::Path;

/// A linear map from a scaled latent to RGB in -1..1 at the latent's resolution: good enough to watch a picture come, for less
/// than a hundredth of a step's time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentToRgb {
    /// One row a latent channel.
    pub matrix: Vec<[f32; 3]>,
    /// Added to each pixel.
    pub bias: [f32; 3],
}

impl LatentToRgb {
    /// The map of a model: from its file `preview.json`, if there is one; otherwise its family's; otherwise a grey one, the mean of all channels, which shows shapes but not what is light.
    pub(super) fn load(path: &Path, channels: usize, latent_scale: f64) -> Result<Self, Error> {
        if !path.is_file() {
            let grey = || Self { matrix: vec![[1.0 / channels as f32; 3]; channels], bias: [0.0; 3] };
            return Ok(Family::preview_of(channels, latent_scale).unwrap_or_else(grey));
        }
        let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
        let map: Self =
            serde_json::from_str(&super::folder::text_in(path)?).map_err(|error| damaged(error.to_string()))?;
        if map.matrix.len() == channels {
            Ok(map)
        } else {
            Err(damaged(format!("its matrix has {} rows for {channels} latent channels", map.matrix.len())))
        }
    }
}
