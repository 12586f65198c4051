//! What estimates the picture in each step of a run: the network, and around it what the request asks for.

use super::{Halt, OnProgress, Run};
use crate::diffusion::Error;
use crate::diffusion::beside::{Beside, without_masked};
use crate::diffusion::conditioning::{Conditioning, Stage};
use crate::diffusion::denoiser::{Denoiser, Guided, Network, Rescale, Scheduled, step_at};
use crate::diffusion::differential::Differential;
use crate::diffusion::inpainting::{Inpainting, mask_in_latent};
use crate::diffusion::latent::picture_to_rgb;
use crate::diffusion::place::picture_to_start_from;
use crate::networks::{self, Deep};
use candle_core::Tensor;
use std::cell::RefCell;
use std::ops::RangeInclusive;

/// A `ControlNet` at work, and between which timesteps.
struct Steered<'a> {
    control: networks::Control<'a>,
    timesteps: RangeInclusive<f64>,
}

impl Run<'_> {
    /// The network with this request's words, guidance and mask around it.
    pub(super) fn denoiser(
        &self,
        conditioning: &Conditioning,
        original: Option<Tensor>,
        noise: &Tensor,
        on_progress: OnProgress<'_>,
    ) -> Result<Box<dyn Denoiser + '_>, Halt> {
        let lines = self.lines()?;
        let (unet, extent) = (self.model.unet_config(), self.request.extent);
        let sees_mask = unet.sees_mask();
        let picture = (sees_mask || unet.sees_picture()).then(|| picture_to_start_from(self.request)).flatten();
        let beside = match &picture {
            Some(picture) if unet.sees_picture() => {
                let latent = self.encoded(&picture_to_rgb(picture, &self.model.device)?, on_progress)?;
                Some(Beside::picture((latent / self.model.latent_scale())?, self.image_guidance()))
            }
            _ if sees_mask => {
                let masked = picture.as_deref().zip(self.mask.as_deref());
                let [rgb, mask] = without_masked(extent, masked, &self.model.device)?;
                Some(Beside::masked(&mask, &self.encoded(&rgb, on_progress)?)?)
            }
            _ => None,
        };
        let areas = self.prompts.areas(self.request, self.model)?;
        let conditioned = |stage| self.conditioned(stage, lines.as_ref(), beside.as_ref(), &areas);
        let stages = conditioning.stages.iter().map(conditioned);
        let mut stages = stages.collect::<Result<Vec<_>, _>>()?;
        let denoiser: Box<dyn Denoiser> = if stages.len() == 1 {
            stages.remove(0)
        } else {
            let sigmas = self.starts.clone();
            Box::new(Scheduled { stages, of_step: conditioning.of_step.clone(), sigmas })
        };
        let mask = self.mask.as_ref().filter(|_| !sees_mask);
        let (Some(original), Some(mask)) = (original, mask) else {
            return Ok(denoiser);
        };
        let mask = mask_in_latent(mask, self.model.vae_config().downscale(), &self.model.device)?;
        if !self.is_soft() {
            return Ok(Box::new(Inpainting { inner: denoiser, original, mask }));
        }
        let (noise, first, training) = (noise.clone(), self.starts[0], &self.training);
        Ok(Box::new(Differential { inner: denoiser, original, noise, mask, first, training }))
    }

    /// The network with what conditions it, guided if that is two, and what it sees beside the noisy latent.
    fn conditioned(
        &self,
        stage: &Stage,
        lines: Option<&Tensor>,
        beside: Option<&Beside>,
        areas: &[Tensor],
    ) -> Result<Box<dyn Denoiser + '_>, Error> {
        let (model, savings) = (self.model, self.request.savings);
        let starts = self.starts.as_slice();
        let timesteps: Vec<f64> = starts.iter().map(|sigma| self.training.sigma_to_timestep(*sigma)).collect();
        let unet = model.unet.get()?;
        let picture = self.image_guidance();
        let without_picture = picture.map(|_| stage.with_negative_twice()).transpose()?;
        let stage = without_picture.as_ref().unwrap_or(stage);
        let words = unet.prepare_with(&stage.words, stage.about.as_ref())?.merging(savings.merge_tokens);
        let words = unet.told_guidance(words, self.request.guidance_scale, &stage.words)?;
        let control = self.control(&stage.words, lines)?;
        let batch = stage.words.dim(0)?;
        // The prompt alone, for steps without guidance.
        let words_alone = words.item(batch - 1)?;
        let control_alone = control.as_ref().map(|steered| steered.control.item(batch - 1)).transpose()?;
        // With the group of steps that it is good for: another stage may have had the steps since.
        let kept = RefCell::new(None::<(usize, Deep)>);
        let beside = beside.map(|beside| beside.of(batch)).transpose()?;
        let predict = move |x: &Tensor, timestep: f64| {
            let x = &seen(x, beside.as_ref())?;
            let steered = control.as_ref().filter(|steered| steered.timesteps.contains(&timestep));
            let (words, control) = if x.dim(0)? == batch {
                (&words, steered.map(|steered| &steered.control))
            } else {
                (&words_alone, steered.and(control_alone.as_ref()))
            };
            if savings.deep_every == 1 {
                return Ok(unet.forward(x, timestep, words, control)?);
            }
            let mut kept = kept.borrow_mut();
            let step = step_at(&timesteps, timestep);
            let group = savings.group(step);
            let fits = |(of, _): &(usize, Deep)| *of == group && !savings.looks_deep(step);
            let mut deep = kept.take().filter(fits).map(|(_, deep)| deep);
            if let Some(of_both) = deep.as_ref().filter(|deep| deep.batch() > x.dims()[0]) {
                deep = Some(of_both.item(batch - 1)?);
            }
            let predicted = unet.forward_reusing(x, timestep, words, control, &mut deep)?;
            *kept = deep.map(|deep| (group, deep));
            Ok(predicted)
        };
        let prediction = self.request.prediction.unwrap_or(self.model.prediction);
        let network = Network { predict, prediction, training: &self.training };
        Ok(if self.is_guided() {
            let when = move |sigma| savings.guides(step_at(starts, sigma), starts.len(), sigma);
            let rescale = Rescale { share: self.request.tuning.guidance_rescale, of: prediction };
            let weights = self.prompts.all.iter().map(|(_, weight)| *weight).collect();
            let (scale, areas) = (self.guidance_scale(), areas.to_vec());
            Box::new(Guided { inner: network, scale, weights, areas, picture, rescale, when })
        } else {
            Box::new(network)
        })
    }

    /// What guides this run, as RGB (1, 3, H, W) in 0..1 where 1 is the line.
    fn lines(&self) -> Result<Option<Tensor>, Error> {
        let Some(control) = &self.request.control else { return Ok(None) };
        let lines = picture_to_rgb(&control.lines(self.request.extent), &self.model.device)?;
        Ok(Some(((lines + 1.0)? / 2.0)?))
    }

    /// A `ControlNet` that looks at `lines`, if there are any and they count at some step.
    fn control(&self, conditioning: &Tensor, lines: Option<&Tensor>) -> Result<Option<Steered<'_>>, Error> {
        let (Some(control), Some(controlnet), Some(lines)) = (&self.request.control, self.extras.controlnet, lines)
        else {
            return Ok(None);
        };
        let steps = control.steps(self.sigmas.len() - 1);
        if steps.is_empty() || control.weight == 0.0 {
            return Ok(None);
        }
        let timestep = |step: usize| self.training.sigma_to_timestep(self.starts[step]);
        let timesteps = timestep(steps.end - 1)..=timestep(steps.start);
        let control = controlnet.guide(conditioning, lines, control.weight)?;
        Ok(Some(Steered { control, timesteps }))
    }
}

/// The channels of the last items of `beside`, if there are any, behind those of each item of `x`.
fn seen(x: &Tensor, beside: Option<&Tensor>) -> Result<Tensor, candle_core::Error> {
    match beside {
        None => Ok(x.clone()),
        Some(beside) => Tensor::cat(&[x, &beside.narrow(0, beside.dim(0)? - x.dim(0)?, x.dim(0)?)?], 1),
    }
}
