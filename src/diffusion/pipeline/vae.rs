//! From pixels to a latent and back, through the model's VAE.

use super::{Halt, OnProgress, Run};
use crate::diffusion::denoiser::is_finite;
use crate::diffusion::differential::laid_back;
use crate::diffusion::latent::{preview, rgb_to_picture};
use crate::diffusion::{Error, Input, Precision, Progress, Stop};
use crate::networks::{GoesOn, Vae};
use crate::pixels::{Picture, composite};
use candle_core::Tensor;
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow::Break;

impl Run<'_> {
    /// The latent (1, C, h, w) of a picture as RGB.
    pub(super) fn encoded(&self, rgb: &Tensor, on_progress: OnProgress<'_>) -> Result<Tensor, Halt> {
        // There is nothing to keep yet.
        let is_stopped = || on_progress(Progress::Block).is_break();
        let latent = self.by_vae(|vae, goes_on| vae.encode_while(rgb, goes_on), is_stopped)?;
        // At last it was f32.
        Ok(latent.ok_or(Error::PartNotFinite { part: "the picture encoder", precision: Precision::F32 })?)
    }

    /// What the VAE gives, or nothing where that is no numbers. Some VAEs give numbers too large for fewer bits than those of f32 (that of Stable Diffusion XL in
    /// f16): then it computes in f32, now and later. It is asked before each block whether the run is to end.
    fn by_vae(
        &self,
        run: impl Fn(&Vae, GoesOn<'_>) -> candle_core::Result<Tensor>,
        is_stopped: impl FnMut() -> bool,
    ) -> Result<Option<Tensor>, Halt> {
        let (was_stopped, is_stopped) = (Cell::new(false), RefCell::new(is_stopped));
        let goes_on = || {
            was_stopped.set((*is_stopped.borrow_mut())());
            !was_stopped.get()
        };
        let now = || -> Result<Tensor, Error> { Ok(run(&*self.model.vae.get()?, &goes_on)?) };
        let found = finite_at_last(now, || self.model.turn_vae_to_f32().then(now).transpose());
        if was_stopped.get() { Err(Halt::Discarded) } else { Ok(found?) }
    }

    /// The finished pixels, laid over the input's where there is a mask. A decoder that gives no numbers costs no picture.
    pub(super) fn decoded(
        &self,
        latent: &Tensor,
        notes: &mut Vec<String>,
        on_progress: OnProgress<'_>,
    ) -> Result<Picture, Halt> {
        let is_discarded = || on_progress(Progress::Block) == Break(Stop::Discard);
        let rgb = self.by_vae(|vae, goes_on| vae.decode_while(latent, goes_on), is_discarded)?;
        if rgb.is_some() && self.model.vae_was_turned() {
            notes.push(
                "the picture was decoded in f32: in fewer bits the VAE gave something that is not a number".to_owned(),
            );
        }
        let picture = if let Some(rgb) = rgb {
            rgb_to_picture(&rgb)?
        } else {
            notes.push(
                "the model's VAE gave something that is not a number, so the picture is as rough as a preview: its weights are damaged; \
                 choose another VAE and paint again"
                    .to_owned(),
            );
            preview(latent, &self.model.preview)?.resized(self.request.extent)
        };
        let picture = match self.request.place() {
            Some(place) if place.bounds.extent != picture.extent() => picture.resized(place.bounds.extent),
            _ => picture,
        };
        Ok(match &self.request.input {
            Some(Input { picture: original, mask: Some(mask), match_colours, .. }) => {
                let picture = if *match_colours { picture.matched_at_seam(original, mask) } else { picture };
                if self.is_soft() {
                    composite(original, &picture, &laid_back(mask))
                } else {
                    composite(original, &picture, mask)
                }
            }
            _ => picture,
        })
    }
}

/// What the first way gives or, where that is no numbers and there is a second one, what that gives: nothing where it is no numbers either.
fn finite_at_last(
    first: impl FnOnce() -> Result<Tensor, Error>,
    second: impl FnOnce() -> Result<Option<Tensor>, Error>,
) -> Result<Option<Tensor>, Error> {
    let found = first()?;
    if is_finite(&found)? {
        return Ok(Some(found));
    }
    match second()? {
        Some(found) if is_finite(&found)? => Ok(Some(found)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_second_way_is_gone_where_the_first_gives_no_number_and_only_there() {
        let tensor = |number: f32| Tensor::new(&[0.0, number], &Device::Cpu).unwrap();
        let number = |found: Tensor| found.to_vec1::<f32>().unwrap()[1];
        let ends = |first: f32, second: Option<f32>| {
            finite_at_last(|| Ok(tensor(first)), || Ok(second.map(tensor))).unwrap().map(number)
        };
        assert_eq!(ends(f32::INFINITY, Some(3.0)), Some(3.0));
        assert_eq!(ends(f32::NAN, Some(f32::NAN)), None);
        assert_eq!(ends(f32::NAN, None), None);
        let first = finite_at_last(|| Ok(tensor(2.0)), || panic!("nobody asks for it")).unwrap();
        assert_eq!(first.map(number), Some(2.0));
    }
}
