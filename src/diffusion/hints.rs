//! Painting while a picture is drawn: what a person paints into it during the run enters at the sigma that the run is at, is taken up by
//! all steps that follow, and is a part of the request, so that the same request paints the same bytes again.
//!
//! What enters before the same step is laid over the newest estimate of the picture, one hint over the other as it is seen, encoded at
//! once, and given as much noise as the run still has: x' = latent + σ·noise where it was painted (Meng et al. 2022, as `SDEdit`, but in
//! the middle of a run and in a part of the picture).

use super::denoiser::is_finite;
use super::latent::{picture_to_rgb, rgb_to_picture};
use super::{Error, Invalid, Noise, Precision};
use crate::geom::{Bounds, Extent};
use crate::networks::Vae;
use crate::pixels::Picture;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// What was painted into a picture while it was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint<P = Arc<Picture>> {
    /// Before which of the sampler's steps it enters, counted from 0. There is an estimate to lay it over from 1 on: what says 0 enters
    /// at 1. Steps of DPM fast are its calls of the network, those of DPM adaptive its attempts.
    pub step: u32,
    /// Its first column, in pixels of the request's extent.
    pub left: u32,
    /// Its first row.
    pub top: u32,
    /// What was painted, clear where nothing was.
    pub picture: P,
}

impl<P> Hint<P> {
    /// The same with its pixels held another way.
    pub fn map_picture<Q, E>(self, picture: impl FnOnce(P) -> Result<Q, E>) -> Result<Hint<Q>, E> {
        Ok(Hint { step: self.step, left: self.left, top: self.top, picture: picture(self.picture)? })
    }
}

impl Hint {
    /// Where it lies, in pixels of the request's extent.
    pub fn bounds(&self) -> Bounds {
        Bounds { left: self.left, top: self.top, extent: self.picture.extent() }
    }

    /// Whether it fits a request that is painted at `extent`.
    pub(super) fn check(&self, extent: Extent) -> Result<(), Invalid> {
        let bounds = self.bounds();
        let fits = !bounds.extent.is_empty() && bounds.is_within(extent);
        if fits { Ok(()) } else { Err(Invalid::Hint { bounds, extent }) }
    }
}

/// Where hints come from while a run goes on: asked between two steps for one after the other.
#[derive(Clone, Copy)]
pub struct Incoming<'a>(pub &'a dyn Fn() -> Option<Hint>);

impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Incoming")
    }
}

/// The hints of a run: those of its request, and those that are painted while it goes on.
pub(super) struct Hints<'a> {
    incoming: Option<Incoming<'a>>,
    /// The picture's size.
    extent: Extent,
    to_come: VecDeque<Hint>,
    /// Those that entered, at the steps at which they did, in this order.
    pub(super) entered: Vec<Hint>,
    /// How many of them were not in the request.
    fresh: usize,
    /// Why one that was painted meanwhile could not be.
    failed: Option<Error>,
}

impl<'a> Hints<'a> {
    pub(super) fn new(mut to_come: Vec<Hint>, extent: Extent, incoming: Option<Incoming<'a>>) -> Self {
        to_come.sort_by_key(|hint| hint.step);
        Self { incoming, extent, to_come: to_come.into(), entered: Vec::new(), fresh: 0, failed: None }
    }

    /// The hints that enter before `step`: `lay` gives the latent with all of them in it, if there are any.
    pub(super) fn enter(
        &mut self,
        step: u32,
        mut lay: impl FnMut(&[Hint]) -> Result<Tensor, Error>,
    ) -> Result<Option<Tensor>, Error> {
        let mut entering = Vec::new();
        while let Some(hint) = self.to_come.pop_front_if(|hint| hint.step <= step) {
            entering.push(Hint { step, ..hint });
        }
        let known = entering.len();
        while let Some(hint) = self.incoming.and_then(|Incoming(next)| next()) {
            match hint.check(self.extent) {
                Ok(()) => entering.push(Hint { step, ..hint }),
                Err(invalid) => self.failed = Some(invalid.into()),
            }
        }
        if entering.is_empty() {
            return Ok(None);
        }
        let laid = match lay(&entering) {
            // A picture is worth more than what could not be painted into it.
            Err(error) if entering.len() > known => {
                self.failed = Some(error);
                entering.truncate(known);
                if entering.is_empty() { None } else { Some(lay(&entering)?) }
            }
            laid => Some(laid?),
        };
        self.fresh += entering.len() - known;
        self.entered.append(&mut entering);
        Ok(laid)
    }

    /// What the person should know, and the hints of a request that paints this picture again.
    pub(super) fn end(self, was_stopped: bool, notes: &mut Vec<String>) -> Vec<Hint> {
        let left_out = self.to_come.len();
        if self.fresh > 0 {
            let what = counted(self.fresh);
            notes.push(format!("{what} painted in while it was drawn, and will be when it is painted again"));
        }
        if let Some(error) = self.failed {
            notes.push(format!("what was painted meanwhile could not be painted in: {error}"));
        }
        if left_out > 0 && !was_stopped {
            notes.push(format!("{} not painted in: the run ended before", counted(left_out)));
        }
        self.entered.into_iter().chain(self.to_come).collect()
    }
}

fn counted(strokes: usize) -> String {
    if strokes == 1 { "1 stroke was".to_owned() } else { format!("{strokes} strokes were") }
}

/// How far around a hint the encoder looks, in pixels: what it sees of the picture decides the hint's edge.
const AROUND: u32 = 32;

/// How opaque a hint is at a place of the latent from which on it is all that counts there, of 255. What lies over the estimate is opaque
/// already, so that only the faint rim of a soft brush has to fade.
const COUNTS: u8 = 32;

/// What hints enter.
pub(super) struct Moment<'a> {
    pub(super) vae: &'a Vae,
    /// What the model multiplies in.
    pub(super) precision: Precision,
    /// The newest estimate of the clean latent (1, C, h, w).
    pub(super) estimate: &'a Tensor,
    pub(super) sigma: f64,
    pub(super) seed: u64,
    pub(super) step: u32,
    /// The picture's size.
    pub(super) extent: Extent,
}

impl Moment<'_> {
    /// `x` (1, C, h, w), at sigma, with hints in it, the later over the earlier.
    pub(super) fn with(&self, hints: &[Hint], x: &Tensor) -> Result<Tensor, Error> {
        let (downscale, device) = (self.vae.downscale(), x.device());
        let Some(painted) = hints.iter().map(Hint::bounds).reduce(Bounds::union) else { return Ok(x.clone()) };
        let area = around(painted, self.extent, downscale as u32);
        let [left, top, width, height] =
            [area.left, area.top, area.extent.width, area.extent.height].map(|side| side as usize / downscale);
        let part = |of: &Tensor| of.narrow(2, top, height)?.narrow(3, left, width)?.contiguous();
        let rgb = self.vae.decode(&part(self.estimate)?)?;
        if !is_finite(&rgb)? {
            return Err(Error::PartNotFinite { part: "the VAE", precision: self.precision });
        }
        let seen = over(&rgb_to_picture(&rgb)?, hints, area);
        let latent = self.vae.encode(&picture_to_rgb(&seen, device)?)?;
        if !is_finite(&latent)? {
            return Err(Error::PartNotFinite { part: "the picture encoder", precision: self.precision });
        }
        let noise = Noise::new(noise_seed(self.seed, self.step)).tensor(x.dims(), device)?;
        let painted = (latent + (part(&noise)? * self.sigma)?)?;
        let change = (painted - part(x)?)?.broadcast_mul(&coverage(hints, area, downscale, device)?)?;
        let [.., rows, columns] = *x.dims() else { return Ok(x.clone()) };
        let change = change.pad_with_zeros(2, top, rows - top - height)?;
        let change = change.pad_with_zeros(3, left, columns - left - width)?;
        Ok((x + change)?)
    }
}

/// Another noise at each step, which is none that another picture starts from: the finalizer of split-mix (Steele et al. 2014).
fn noise_seed(seed: u64, step: u32) -> u64 {
    let mixed = seed ^ (u64::from(step) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What is encoded of a picture that was painted into in a box: a box of whole places of the latent.
fn around(painted: Bounds, picture: Extent, downscale: u32) -> Bounds {
    let start = |at: u32| at.saturating_sub(AROUND) / downscale * downscale;
    let end = |at: u32, most: u32| (at + AROUND).next_multiple_of(downscale).min(most);
    let (left, top) = (start(painted.left), start(painted.top));
    let (right, bottom) = (end(painted.right(), picture.width), end(painted.bottom(), picture.height));
    Bounds { left, top, extent: Extent::new(right - left, bottom - top) }
}

/// Hints, one over the other, over the part of the picture that lies in `area`, which holds them.
fn over(seen: &Picture, hints: &[Hint], area: Bounds) -> Picture {
    let (mut rgba, width) = (seen.rgba().to_vec(), area.extent.width as usize);
    for hint in hints {
        let (left, top) = ((hint.left - area.left) as usize, (hint.top - area.top) as usize);
        let rows = hint.picture.rgba().chunks_exact(hint.picture.extent().width as usize * 4);
        for (y, row) in rows.enumerate() {
            let under = rgba[((top + y) * width + left) * 4..][..row.len()].as_chunks_mut::<4>().0;
            for (under, &[r, g, b, alpha]) in under.iter_mut().zip(row.as_chunks::<4>().0) {
                let alpha = u32::from(alpha);
                for (under, colour) in under.iter_mut().zip([r, g, b]) {
                    *under = ((u32::from(colour) * alpha + u32::from(*under) * (255 - alpha) + 127) / 255) as u8;
                }
            }
        }
    }
    Picture::from_rgba(seen.extent(), rgba).unwrap_or_else(|| seen.clone())
}

/// How much hints count at each place of the latent in `area`, (1, 1, h, w) in 0..1: by their most opaque pixel there, so that thin lines
/// enter whole.
fn coverage(hints: &[Hint], area: Bounds, downscale: usize, device: &Device) -> Result<Tensor, Error> {
    let (columns, rows) = (area.extent.width as usize / downscale, area.extent.height as usize / downscale);
    let mut most = vec![0_u8; columns * rows];
    for hint in hints {
        let (left, top) = ((hint.left - area.left) as usize, (hint.top - area.top) as usize);
        let width = hint.picture.extent().width as usize;
        for (index, pixel) in hint.picture.rgba().as_chunks::<4>().0.iter().enumerate() {
            let place = &mut most[(top + index / width) / downscale * columns + (left + index % width) / downscale];
            *place = pixel[3].max(*place);
        }
    }
    let shares: Vec<f32> = most.into_iter().map(|most| f32::from(most.min(COUNTS)) / f32::from(COUNTS)).collect();
    Ok(Tensor::from_vec(shares, (1, 1, rows, columns), device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(step: u32, left: u32, top: u32, picture: Picture) -> Hint {
        Hint { step, left, top, picture: Arc::new(picture) }
    }

    #[test]
    fn what_is_encoded_lies_on_the_latents_places_within_the_picture() {
        let bounds = |left, top, width, height| Bounds { left, top, extent: Extent::new(width, height) };
        let picture = Extent::new(128, 96);
        assert_eq!(around(bounds(0, 50, 3, 3), picture, 8), bounds(0, 16, 40, 72));
        assert_eq!(around(bounds(100, 90, 28, 6), picture, 8), bounds(64, 56, 64, 40));
        assert_eq!(around(Bounds::whole(picture), picture, 8), Bounds::whole(picture));
    }

    #[test]
    fn the_most_opaque_pixel_of_a_place_says_how_much_a_hint_counts_there() {
        // Columns 6 to 9, which lie in two places of the latent: one opaque pixel in the first, faint ones in the second.
        let rgba = [[9, 9, 9, 0], [9, 9, 9, 255], [9, 9, 9, 8], [9, 9, 9, 0]].concat();
        let hint = hint(1, 6, 0, Picture::from_rgba(Extent::new(4, 1), rgba).unwrap());
        let area = Bounds { left: 0, top: 0, extent: Extent::new(24, 8) };
        let shares = |hints: &[Hint]| {
            let shares = coverage(hints, area, 8, &Device::Cpu).unwrap();
            shares.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(shares(std::slice::from_ref(&hint)), [1.0, 0.25, 0.0]);
        let fainter = self::hint(1, 7, 3, Picture::filled(Extent::new(2, 1), [9, 9, 9, 16]));
        assert_eq!(shares(&[hint, fainter]), [1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_hint_lies_over_the_picture_where_it_was_painted() {
        let seen = Picture::filled(Extent::new(3, 2), [100, 0, 200, 255]);
        let rgba = [[200, 100, 0, 255], [200, 100, 0, 51]].concat();
        let hint = hint(1, 9, 17, Picture::from_rgba(Extent::new(2, 1), rgba).unwrap());
        let area = Bounds { left: 8, top: 16, extent: Extent::new(3, 2) };
        let laid = over(&seen, std::slice::from_ref(&hint), area);
        let pixels = laid.rgba().as_chunks::<4>().0;
        assert_eq!(pixels[3..], [[100, 0, 200, 255], [200, 100, 0, 255], [120, 20, 160, 255]]);
        assert!(pixels[..3].iter().all(|pixel| *pixel == [100, 0, 200, 255]));
        // The next one lies over both.
        let dot = self::hint(1, 10, 17, Picture::filled(Extent::new(1, 1), [0, 120, 60, 255]));
        let laid = over(&seen, &[hint, dot], area);
        assert_eq!(laid.rgba().as_chunks::<4>().0[4..], [[200, 100, 0, 255], [0, 120, 60, 255]]);
    }

    #[test]
    fn hints_enter_at_once_in_order_at_their_steps_and_what_fails_meanwhile_costs_no_picture() {
        let dot = || Picture::filled(Extent::new(1, 1), [0, 0, 0, 255]);
        let known = vec![hint(3, 0, 0, dot()), hint(0, 1, 0, dot()), hint(9, 2, 0, dot())];
        let fresh = std::cell::RefCell::new(vec![hint(0, 4, 0, dot()), hint(0, 9, 0, dot()), hint(0, 6, 0, dot())]);
        let next = || fresh.borrow_mut().pop();
        let mut hints = Hints::new(known, Extent::new(8, 8), Some(Incoming(&next)));
        let calls = std::cell::RefCell::new(Vec::new());
        let lay = |hints: &[Hint]| {
            let columns: Vec<_> = hints.iter().map(|hint| hint.left).collect();
            let fails = columns.contains(&5);
            calls.borrow_mut().push(columns);
            if fails {
                Err(Error::NoPictureToEdit)
            } else {
                Ok(Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu)?)
            }
        };
        // The one at column 9 lies beyond the picture.
        assert!(hints.enter(1, lay).unwrap().is_some());
        assert!(hints.enter(2, lay).unwrap().is_none());
        fresh.borrow_mut().extend([hint(0, 5, 0, dot()), hint(0, 7, 0, dot())]);
        assert!(hints.enter(3, lay).unwrap().is_some());
        fresh.borrow_mut().push(hint(0, 5, 0, dot()));
        assert!(hints.enter(4, lay).unwrap().is_none());
        assert_eq!(*calls.borrow(), [vec![1, 6, 4], vec![0, 7, 5], vec![0], vec![5]]);
        let mut notes = Vec::new();
        let all: Vec<_> = hints.end(false, &mut notes).into_iter().map(|hint| (hint.step, hint.left)).collect();
        assert_eq!(all, [(1, 1), (1, 6), (1, 4), (3, 0), (9, 2)]);
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].starts_with("2 strokes were"), "{notes:?}");
    }
}
