//! What is shown of a step: a rough picture at no cost, or a fine one of a tiny VAE where there is one and the step takes so long that it is
//! hardly noticed.

use crate::checkpoints::{LatentToRgb, Vae};
use crate::diffusion::{Error, fine_preview, preview};
use crate::pixels::Picture;
use candle_core::Tensor;
use std::time::{Duration, Instant};

/// The share of a step's time that a fine preview may take.
const SHARE: f64 = 0.05;

/// From latents to previews.
pub(super) struct Previews<'a> {
    map: &'a LatentToRgb,
    vae: Option<&'a Vae>,
    /// When the last preview was there.
    last: Option<Instant>,
    /// What a fine one took; the first is tried, whatever it takes.
    cost: Duration,
}

impl<'a> Previews<'a> {
    pub(super) fn new(map: &'a LatentToRgb, vae: Option<&'a Vae>) -> Self {
        Self { map, vae, last: None, cost: Duration::ZERO }
    }

    /// Of the estimate of a step.
    pub(super) fn of(&mut self, denoised: &Tensor) -> Result<Picture, Error> {
        let affords = |last: Instant| self.cost <= last.elapsed().mul_f64(SHARE);
        let vae = self.vae.filter(|_| self.last.is_none_or(affords));
        let started = Instant::now();
        let picture = match vae {
            Some(vae) => fine_preview(denoised, vae)?,
            None => preview(denoised, self.map)?,
        };
        if vae.is_some() {
            self.cost = started.elapsed();
        }
        self.last = Some(Instant::now());
        Ok(picture)
    }
}
