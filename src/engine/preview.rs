//! What is shown of a step: a rough picture at no cost, or a fine one of a tiny VAE where there is one and the step takes so long that it is
//! hardly noticed.

use crate::checkpoints::{LatentToRgb, Vae};
use crate::diffusion::{Error, fine_preview, preview};
use crate::pixels::Picture;
use candle_core::Tensor;
use std::time::{Duration, Instant};

/// The share of a step's time that a fine preview may take.
const SHARE: f64 = 0.05;
/// What the first one of a run may take.
const FIRST: Duration = Duration::from_millis(20);
/// What it is thought to take before there was one, in seconds a pixel: four tenths of a microsecond, as on two cores.
const SECONDS_A_PIXEL: f64 = 4e-7;
/// The most pixels that are shown finely. Each takes 256 bytes in each layer.
const MOST_PIXELS: usize = 1 << 21;

/// From latents to previews.
pub(super) struct Previews<'a> {
    map: &'a LatentToRgb,
    vae: Option<&'a Vae>,
    /// When the last preview was there.
    last: Option<Instant>,
    /// What a fine one took; none before the first.
    cost: Option<Duration>,
    /// Whether a GPU computes: there one is tried before it is known what it takes, and what the first waited for, as for its kernels to be
    /// loaded, does not count.
    on_gpu: bool,
    tried: bool,
}

impl<'a> Previews<'a> {
    pub(super) fn new(map: &'a LatentToRgb, vae: Option<&'a Vae>, on_gpu: bool) -> Self {
        Self { map, vae, last: None, cost: None, on_gpu, tried: false }
    }

    /// Of the estimate of a step.
    pub(super) fn of(&mut self, denoised: &Tensor) -> Result<Picture, Error> {
        let started = Instant::now();
        let fine =
            self.vae.filter(|vae| self.affords(denoised, vae)).and_then(|vae| match fine_preview(denoised, vae) {
                Ok(picture) => Some(picture),
                Err(error) => {
                    tracing::warn!("steps are shown roughly: {error}");
                    self.vae = None;
                    None
                }
            });
        if fine.is_some() {
            self.took(started.elapsed());
        }
        self.last = Some(Instant::now());
        fine.map_or_else(|| preview(denoised, self.map), Ok)
    }

    /// Whether a fine picture takes little of the time since the last preview, or little at all for the first one.
    fn affords(&self, denoised: &Tensor, vae: &Vae) -> bool {
        let [.., height, width] = *denoised.dims() else { return false };
        let pixels = height * width * vae.downscale().pow(2);
        let cost = self.cost(pixels);
        let budget = self.last.map_or(FIRST, |last| last.elapsed().mul_f64(SHARE));
        pixels <= MOST_PIXELS && cost <= budget
    }

    /// What a fine picture of so many pixels takes, or is thought to take.
    fn cost(&self, pixels: usize) -> Duration {
        let thought = || if self.on_gpu { 0.0 } else { pixels as f64 * SECONDS_A_PIXEL };
        self.cost.unwrap_or_else(|| Duration::from_secs_f64(thought()))
    }

    fn took(&mut self, time: Duration) {
        if self.tried || !self.on_gpu {
            self.cost = Some(time);
        }
        self.tried = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_gpu_a_fine_preview_is_tried_before_it_is_known_what_it_takes() {
        let map = LatentToRgb { matrix: Vec::new(), bias: [0.0; 3] };
        let (pixels, long) = (512 * 512, Duration::from_secs(9));
        let mut on_cpu = Previews::new(&map, None, false);
        assert!(on_cpu.cost(pixels) > FIRST);
        on_cpu.took(long);
        assert_eq!(on_cpu.cost(pixels), long);
        let mut on_gpu = Previews::new(&map, None, true);
        assert_eq!(on_gpu.cost(pixels), Duration::ZERO);
        on_gpu.took(long);
        assert_eq!(on_gpu.cost(pixels), Duration::ZERO);
        on_gpu.took(long);
        assert_eq!(on_gpu.cost(pixels), long);
    }
}
