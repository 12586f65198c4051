//! What a request starts from: a picture, where it is painted anew and how, and what its parts are to show.

use super::{Invalid, MaskedContent, Place};
use crate::geom::Extent;
use crate::pixels::{Mask, Picture};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A picture to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input<P = Arc<Picture>, M = Arc<Mask>> {
    /// The picture, of the request's extent, or where there is a [`place`](Self::place), of that one's.
    pub picture: P,
    /// 0..1, the share of the schedule that runs; 1 ignores the picture.
    pub strength: f64,
    /// Where to repaint, as large as the picture; none repaints everything.
    pub mask: Option<M>,
    /// What the run starts from under the mask. Records of before there was a choice do not name it.
    #[serde(default)]
    pub masked: MaskedContent,
    /// Which part of a canvas the picture is: it is painted at the request's extent and comes back as large as it was. None is
    /// a picture for itself. Records of before there were parts do not name it.
    #[serde(default)]
    pub place: Option<Place>,
    /// Whether the colours of what was painted are moved as far as they came off from the picture's where the mask keeps that.
    /// Records of before there was a choice do not name it.
    #[serde(default)]
    pub match_colours: bool,
    /// Whether the mask's grey says how much is painted anew ([differential diffusion](https://arxiv.org/abs/2306.00950)) instead of how
    /// much of what was painted shows. A model for inpainting, which sees masks in black and white, leaves it out. Records of before
    /// there was a choice do not name it.
    #[serde(default)]
    pub soft_mask: bool,
    /// How far a model that edits pictures keeps to this one, 1 to 50; none is [`Input::IMAGE_GUIDANCE`]. Other models pass over it.
    #[serde(default)]
    pub image_guidance: Option<f64>,
    /// Words that count in a part of the picture alone, the uppermost part first. Records of before there were any do not name them.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region<M>>,
}

/// Words that take the place of the prompt in a part of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region<M = Arc<Mask>> {
    /// What to paint there.
    pub prompt: String,
    /// Where, as large as the picture: how much of it is painted so, and not as what lies under it says.
    pub mask: M,
}

impl Input<(), ()> {
    /// The usual [`Input::image_guidance`], diffusers' and A1111's.
    pub const IMAGE_GUIDANCE: f64 = 1.5;
}

impl<P, M> Input<P, M> {
    /// A picture for itself, and where to repaint it.
    pub fn new(picture: P, strength: f64, mask: Option<M>) -> Self {
        Self {
            picture,
            strength,
            mask,
            masked: MaskedContent::default(),
            place: None,
            match_colours: false,
            soft_mask: false,
            image_guidance: None,
            regions: Vec::new(),
        }
    }

    /// The same with its pixels held another way.
    pub(super) fn map_pixels<Q, N, E>(
        self,
        mut picture: impl FnMut(P) -> Result<Q, E>,
        mut mask: impl FnMut(M) -> Result<N, E>,
    ) -> Result<Input<Q, N>, E> {
        Ok(Input {
            picture: picture(self.picture)?,
            strength: self.strength,
            mask: self.mask.map(&mut mask).transpose()?,
            masked: self.masked,
            place: self.place,
            match_colours: self.match_colours,
            soft_mask: self.soft_mask,
            image_guidance: self.image_guidance,
            regions: self
                .regions
                .into_iter()
                .map(|Region { prompt, mask: held }| Ok(Region { prompt, mask: mask(held)? }))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Input {
    /// Whether it fits a request that is painted at `extent`.
    pub(super) fn check(&self, extent: Extent, is_upscaled: bool) -> Result<(), Invalid> {
        if !(0.0..=1.0).contains(&self.strength) {
            return Err(Invalid::Strength(self.strength));
        }
        if let Some(scale) = self.image_guidance.filter(|scale| !(1.0..=50.0).contains(scale)) {
            return Err(Invalid::ImageGuidance(scale));
        }
        if let Some(place) = self.place {
            if place.bounds.extent.is_empty()
                || !place.bounds.is_within(place.of)
                || !Picture::holds(place.bounds.extent)
            {
                return Err(Invalid::Place(place));
            }
            if is_upscaled {
                return Err(Invalid::UpscaledPart);
            }
        }
        let expected = self.place.map_or(extent, |place| place.bounds.extent);
        if self.picture.extent() != expected {
            return Err(Invalid::InputExtent { expected, found: self.picture.extent() });
        }
        let masks = self.mask.iter().chain(self.regions.iter().map(|region| &region.mask));
        match masks.map(|mask| mask.extent()).find(|found| *found != expected) {
            Some(found) => Err(Invalid::MaskExtent { expected, found }),
            None => Ok(()),
        }
    }
}
