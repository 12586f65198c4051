//! Words that count in parts of the picture alone: each prompt's estimate is taken where its region covers those under it, and the
//! prompt's of all of the picture where none does. [`Guided`](super::denoiser::Guided) blends them.

use super::inpainting::mask_in_latent;
use super::{Error, Request};
use crate::checkpoints::Model;
use crate::prompt::together;
use candle_core::Tensor;

/// The prompts that hold at the same time: those of all of the picture, then those of its regions.
pub(super) struct Prompts {
    /// Each, and what it weighs.
    pub(super) all: Vec<(String, f64)>,
    /// Which region each is of.
    regions: Vec<Option<usize>>,
}

impl Prompts {
    pub(super) fn of(request: &Request) -> Self {
        let mut all = together(&request.prompt);
        let mut regions = vec![None; all.len()];
        for (index, region) in request.input.iter().flat_map(|input| &input.regions).enumerate() {
            all.extend(together(&region.prompt));
            regions.resize(all.len(), Some(index));
        }
        Self { all, regions }
    }

    /// Where each of them counts, (1, 1, h, w) in 0..1; nothing where there are no regions, and all count everywhere.
    pub(super) fn areas(&self, request: &Request, model: &Model) -> Result<Vec<Tensor>, Error> {
        let (mut left, mut areas) = (None::<Tensor>, Vec::new());
        for region in request.input.iter().flat_map(|input| &input.regions) {
            let mask = region.mask.resized(request.extent);
            let covered = mask_in_latent(&mask, model.vae_config().downscale(), &model.device)?;
            let below = left.take().map_or_else(|| covered.ones_like(), Ok)?;
            let area = (&below * covered)?;
            left = Some((below - &area)?);
            areas.push(area);
        }
        let Some(rest) = left else { return Ok(Vec::new()) };
        Ok(self.regions.iter().map(|region| region.map_or(&rest, |index| &areas[index]).clone()).collect())
    }
}
