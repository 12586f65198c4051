//! The run from a request to a picture: prompt → conditioning → noise → (picture → latent) → sampler → pixels (→ more pixels).

mod denoiser;
mod enlarge;
mod vae;

use super::conditioning::Conditioning;
use super::denoiser::Denoiser;
use super::hints::{Hints, Moment};
use super::inpainting::mask_in_latent;
use super::latent::picture_to_rgb;
use super::noise::Start;
use super::place::{mask_to_paint, picture_to_start_from};
use super::regions::Prompts;
use super::reproduce::counts_timesteps;
use super::{
    Control, Ending, Error, Hint, Incoming, Input, MaskedContent, Noise, Painted, Phase, Program, Progress, Request,
    SamplerName, Stop, TrainingSigmas, Upscale, Walk, sample, sigmas_for,
};
use crate::checkpoints::{Held, LearnedWord, Model, Upscaler};
use crate::networks::ControlNet;
use crate::pixels::{Mask, Picture};
use candle_core::Tensor;
use std::cell::RefCell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Instant;

/// What of the largest sigma `ComfyUI` takes for all of it: schedules come back to it but for their rounding.
const ALMOST: f64 = 1.0 - 1e-5;
/// What A1111 divides the guidance scale by for CFG++, whose weight is at most 1.
const CFG_PP: f64 = 12.5;

/// Who is told of a run's progress, and may stop it.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<Stop>;

/// What a request may name beside its model; what it names must be there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// What enlarges the picture.
    pub upscaler: Option<&'a Upscaler>,
    /// What guides its shapes.
    pub controlnet: Option<&'a ControlNet>,
    /// Words that its prompts may name beside those that every model knows.
    pub learned: &'a [LearnedWord],
    /// Where what is painted in meanwhile comes from; none takes nothing in but what the request has.
    pub hints: Option<Incoming<'a>>,
    /// Whether each network of the model gives its memory back as soon as this run is done with it.
    pub sparing: bool,
}

/// Paints what `request` asks for; it has been checked. Stopping takes effect between phases, between the blocks of a VAE and at each
/// step, at most one call of the network late: [`Stop::Keep`] decodes the newest estimate if there is one, [`Stop::Discard`] returns at once.
/// One block is not left before its end, which takes long where it pays attention to all of a large picture; nor is what is painted in
/// meanwhile, whose surroundings alone are encoded.
///
/// Unless the request follows another program, a run without an input, or at strength 1, starts from noise·√(1+σ²), which is plain noise
/// to the network, as diffusers' DDIM does. From a picture it starts from latent + noise·σ and makes the last ⌊steps · strength⌋ steps of
/// the schedule, as diffusers' `StableDiffusionImg2ImgPipeline`, but from the mean of the encoder's distribution instead of a sample of it.
///
/// A run that is stopped before the picture is enlarged keeps the picture as it was painted, and says so in its request. To refine
/// is to paint again, from the enlarged picture, with the same words and seed.
///
/// What is painted in while the picture is drawn comes back in its request, so that this paints the same again. Nothing is taken in while it
/// is refined.
pub fn paint(
    model: &Model,
    extras: Extras<'_>,
    request: &Request,
    on_progress: OnProgress<'_>,
) -> Result<Ending, Error> {
    let ending = Run::new(model, extras, request)?.paint(on_progress);
    // However it ended.
    if extras.sparing {
        model.give_back();
    }
    match ending {
        Ok(ending) => Ok(ending),
        Err(Halt::Discarded) => Ok(Ending::Discarded),
        Err(Halt::Failed(error)) => Err(error),
    }
}

/// Why a run ends before its picture.
enum Halt {
    Discarded,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What stays the same during a run.
struct Run<'a> {
    model: &'a Model,
    extras: Extras<'a>,
    request: &'a Request,
    training: TrainingSigmas,
    /// The prompts that hold at the same time.
    prompts: Prompts,
    /// The sigmas to visit, with the 0 at the end, or where the walk ends before it.
    sigmas: Vec<f64>,
    /// How much noise a picture to start from gets: that of the first step or, with A1111's samplers of timesteps, of the one before.
    noised: f64,
    /// At which sigma the network is first called in each step: the schedule's, or what churn makes of it.
    starts: Vec<f64>,
    /// Where it repaints, of the request's extent.
    mask: Option<Arc<Mask>>,
    /// (1, C, h, w).
    latent_shape: [usize; 4],
    started: Instant,
}

/// What the sampler left.
struct Sampled {
    latent: Tensor,
    steps_made: u32,
    stopped: bool,
    hints: Vec<Hint>,
}

impl<'a> Run<'a> {
    fn new(model: &'a Model, extras: Extras<'a>, request: &'a Request) -> Result<Self, Error> {
        let started = Instant::now();
        if let (Some(Upscale { upscaler, .. }), None) = (&request.upscale, extras.upscaler) {
            return Err(Error::NoUpscaler(upscaler.clone()));
        }
        if let Some(Control { controlnet: name, .. }) = &request.control {
            let controlnet = extras.controlnet.ok_or_else(|| Error::NoControlNet(name.clone()))?;
            if let Some(reason) = controlnet.config().misfit(model.unet_config(), model.vae_config().downscale()) {
                return Err(Error::ControlNetMisfit { name: name.clone(), reason });
            }
        }
        let (extent, downscale) = (request.extent, model.vae_config().downscale());
        let (width, height) = (extent.width as usize, extent.height as usize);
        let is_refined = request.upscale.as_ref().is_some_and(|upscale| upscale.refine.is_some());
        for extent in [Some(extent), is_refined.then(|| request.picture_extent())].into_iter().flatten() {
            let fits = |side: u32| side > 0 && (side as usize).is_multiple_of(downscale);
            if !fits(extent.width) || !fits(extent.height) {
                return Err(Error::Extent { extent, multiple: downscale as u32 });
            }
        }
        if model.unet_config().sees_picture() && request.input.is_none() {
            return Err(Error::NoPictureToEdit);
        }
        let mut training = TrainingSigmas::from_alphas_cumprod(&model.training.alphas_cumprod);
        if model.unet_config().addition.is_some() {
            training = training.of_xl();
        }
        if request.tuning.zero_terminal_snr {
            training = training.with_zero_terminal_snr();
        }
        let counts = request.step_counts();
        let program = request.reproduce.program;
        let whole = sigmas_for(program, request.sampler, request.schedule, &training, counts.whole, &request.tuning);
        // A whole schedule may be longer than it was asked to be.
        let most = whole.len() - 1;
        let steps = if counts.run == counts.whole { most } else { most.min(counts.run as usize) };
        let first = whole.len() - 1 - steps;
        let mut sigmas = whole[first..].to_vec();
        if matches!(request.sampler, SamplerName::Ddim | SamplerName::DdimCfgPp | SamplerName::Plms) {
            match request.reproduce.program {
                // It stops before its last timestep would be walked from.
                Program::A1111 if sigmas.len() > 2 => sigmas.truncate(sigmas.len() - 1),
                // Where the schedule ends there already, the 0 is what is left to do.
                Program::Diffusers
                    if !model.training.ends_clean && sigmas[sigmas.len() - 2] > training.min() * (2.0 - ALMOST) =>
                {
                    sigmas.truncate(sigmas.len() - 1);
                    sigmas.push(training.min());
                }
                _ => {}
            }
        }
        let noised = match request.reproduce.program {
            Program::A1111 if counts_timesteps(request.sampler) => whole[first.saturating_sub(1)],
            _ => sigmas[0],
        };
        let steps = sigmas.len() - 1;
        let started_at = |sigma| if request.sampler.churns() { request.tuning.churned(sigma, steps) } else { sigma };
        let starts = sigmas[..steps].iter().map(|sigma| started_at(*sigma)).collect();
        let latent_shape = [1, model.vae_config().latent_channels(), height / downscale, width / downscale];
        let (prompts, mask) = (Prompts::of(request), mask_to_paint(request));
        Ok(Self { model, extras, request, training, prompts, sigmas, noised, starts, mask, latent_shape, started })
    }

    fn paint(&self, on_progress: OnProgress<'_>) -> Result<Ending, Halt> {
        for text in &self.model.texts {
            load(&text.network, on_progress)?;
        }
        tell(on_progress, Progress::Phase(Phase::EncodePrompt))?;
        let conditioning = self.conditioning()?;
        self.model.texts.iter().for_each(|text| self.done_with(&text.network));
        let mut notes = conditioning.notes.clone();
        if self.model.unet_config().guidance_width.is_some() && !self.request.negative_prompt.is_empty() {
            notes.push("the negative prompt was passed over: this model knows none".to_owned());
        }
        let picture = picture_to_start_from(self.request);
        let mut original = None;
        if let (Some(input), Some(picture)) = (&self.request.input, &picture) {
            load(&self.model.vae, on_progress)?;
            tell(on_progress, Progress::Phase(Phase::EncodePicture))?;
            original = Some(self.encoded(&picture_to_rgb(picture, &self.model.device)?, on_progress)?);
            if input.mask.as_ref().is_some_and(|mask| mask.is_empty()) {
                notes.push("the mask is empty, so nothing was repainted".to_owned());
            }
        }
        let [_, channels, height, width] = self.latent_shape;
        let downscale = self.model.vae_config().downscale();
        let Start { first, then: mut noise } =
            Start::new(&self.request.reproduce, self.request.seed, [channels, height, width], downscale);
        let first = Tensor::from_vec(first, &self.latent_shape, &self.model.device)?;
        tell(
            on_progress,
            Progress::Start { conditioning: &conditioning.stages[conditioning.of_step[0]].words, noise: &first },
        )?;
        let begin = match (&original, &picture) {
            (Some(original), Some(picture)) => self.masked_content(original, picture, &first, on_progress)?,
            _ => None,
        };
        let x = self.start(&first, begin.as_ref().or(original.as_ref()))?;
        load(&self.model.unet, on_progress)?;
        tell(on_progress, Progress::Phase(Phase::Sample))?;
        if self.request.input.as_ref().is_some_and(|input| input.soft_mask) && !self.is_soft() && self.mask.is_some() {
            notes.push(
                "the model paints masks in black and white: grey only says how much of what was painted shows"
                    .to_owned(),
            );
        }
        let denoiser = self.denoiser(&conditioning, original, &first, on_progress)?;
        self.done_with(&self.model.vae);
        let sampled = self.sampled(x, &*denoiser, &mut noise, &mut notes, on_progress)?;
        drop(denoiser);
        self.done_with(&self.model.unet);
        tell_unless_discarded(on_progress, Progress::Latent(&sampled.latent))?;
        load(&self.model.vae, on_progress)?;
        tell_unless_discarded(on_progress, Progress::Phase(Phase::Decode))?;
        let picture = self.decoded(&sampled.latent, &mut notes, on_progress)?;
        let mut painted = Painted {
            picture: Arc::new(picture),
            request: Box::new(Request { hints: sampled.hints, ..self.request.clone() }),
            steps_made: sampled.steps_made,
            seconds: 0.0,
            notes,
        };
        self.done_with(&self.model.vae);
        let stopped = self.enlarge(&mut painted, sampled.stopped, on_progress)?;
        painted.seconds = self.started.elapsed().as_secs_f64();
        Ok(if stopped { Ending::Stopped(painted) } else { Ending::Finished(painted) })
    }

    /// No more work for a network in this run.
    fn done_with<T>(&self, network: &Held<T>) {
        if self.extras.sparing {
            network.give_back();
        }
    }

    /// How far guidance goes; not beyond the prompts where the network is told how far to follow them.
    fn guidance_scale(&self) -> f64 {
        match self.request.sampler {
            _ if self.model.unet_config().guidance_width.is_some() => 1.0,
            SamplerName::DdimCfgPp => self.request.guidance_scale / CFG_PP,
            _ => self.request.guidance_scale,
        }
    }

    /// Guidance of 1 is the prompt's estimate alone; several prompts, and CFG++, go by what the negative one gives.
    fn is_guided(&self) -> bool {
        let goes_beyond = (self.guidance_scale() - 1.0).abs() > f64::EPSILON;
        goes_beyond || self.prompts.all.len() > 1 || self.request.sampler == SamplerName::DdimCfgPp
    }

    /// How far a model that edits pictures is guided by the one that it edits.
    fn image_guidance(&self) -> Option<f64> {
        let input = self.request.input.as_ref().filter(|_| self.model.unet_config().sees_picture() && self.is_guided());
        input.map(|input| input.image_guidance.unwrap_or(Input::IMAGE_GUIDANCE))
    }

    fn conditioning(&self) -> Result<Conditioning, Error> {
        let mut prompts: Vec<_> = self.prompts.all.iter().map(|(prompt, _)| ("prompt", prompt.clone())).collect();
        if self.is_guided() {
            prompts.insert(0, ("negative prompt", self.request.negative_prompt.clone()));
        }
        let count = self.sigmas.len() - 1;
        let of = match self.request.reproduce.program {
            // Also from a picture it counts in all steps, of which the last do not run.
            Program::A1111 => count.max(self.request.steps as usize),
            Program::Diffusers | Program::ComfyUi => count,
        };
        Conditioning::new(self.model, self.extras.learned, self.request, &prompts, (count, of))
    }

    /// The latent of what the run starts from, if that is something else under the mask than the picture.
    fn masked_content(
        &self,
        original: &Tensor,
        picture: &Picture,
        noise: &Tensor,
        on_progress: OnProgress<'_>,
    ) -> Result<Option<Tensor>, Halt> {
        let (Some(Input { masked, .. }), Some(mask)) = (&self.request.input, &self.mask) else { return Ok(None) };
        let in_latent = || mask_in_latent(mask, self.model.vae_config().downscale(), &self.model.device);
        Ok(Some(match masked {
            MaskedContent::Original => return Ok(None),
            MaskedContent::Fill => {
                self.encoded(&picture_to_rgb(&picture.filled_in(mask), &self.model.device)?, on_progress)?
            }
            MaskedContent::Noise => (original + (noise - original)?.broadcast_mul(&in_latent()?)?)?,
            MaskedContent::Nothing => (original - original.broadcast_mul(&in_latent()?)?)?,
        }))
    }

    /// The noisy latent that the first step starts from.
    fn start(&self, noise: &Tensor, original: Option<&Tensor>) -> Result<Tensor, Error> {
        let (sigma, reproduce) = (self.sigmas[0], &self.request.reproduce);
        let strength = self.request.input.as_ref().map_or(1.0, |input| input.strength);
        let alone = || noise * reproduce.first_strength(self.request.sampler, sigma);
        Ok(match (original, reproduce.program) {
            (Some(latent), Program::ComfyUi) if sigma >= self.training.max() * ALMOST => (latent + alone()?)?,
            (Some(latent), Program::A1111 | Program::ComfyUi) => {
                let scale = ((1.0 + sigma * sigma) / (1.0 + self.noised * self.noised)).sqrt();
                ((latent + (noise * self.noised)?)? * scale)?
            }
            (Some(latent), Program::Diffusers) if strength < 1.0 => (latent + (noise * sigma)?)?,
            // What joins in later goes on from the original.
            (Some(latent), Program::Diffusers) if self.is_soft() => (latent + alone()?)?,
            _ => alone()?,
        })
    }

    /// Whether the mask's grey says how much is painted anew.
    fn is_soft(&self) -> bool {
        let wants = self.request.input.as_ref().is_some_and(|input| input.soft_mask && input.mask.is_some());
        wants && !self.model.unet_config().sees_mask()
    }

    /// Walks the schedule from `x`.
    fn sampled(
        &self,
        x: Tensor,
        denoiser: &dyn Denoiser,
        noise: &mut Noise,
        notes: &mut Vec<String>,
        on_progress: OnProgress<'_>,
    ) -> Result<Sampled, Halt> {
        let count = self.sigmas.len() - 1;
        let mut steps_made = 0;
        let newest = RefCell::new(None);
        let mut on_step = |step: super::Step<'_>| {
            let (index, sigma) = (step.index as u32, step.sigma);
            steps_made = index + 1;
            newest.replace(Some(step.denoised.clone()));
            on_progress(Progress::Step { index, count: count as u32, sigma, x: step.x, denoised: step.denoised })
        };
        let mut hints = Hints::new(self.request.hints.clone(), self.request.extent, self.extras.hints);
        let mut enter = |step, sigma, x: &Tensor| match &*newest.borrow() {
            Some(estimate) => self.entered(&mut hints, step, sigma, x, estimate),
            None => Ok(None),
        };
        let mut draw = || Ok(noise.tensor(&self.latent_shape, &self.model.device)?);
        let walk = Walk {
            denoiser,
            sigmas: &self.sigmas,
            training: &self.training,
            ends_at: self.ends_at(),
            tuning: self.request.tuning,
            draw: &mut draw,
            enter: &mut enter,
            on_step: &mut on_step,
        };
        let (latent, stopped) =
            match sample(self.request.sampler, walk, x).map_err(|error| self.naming_the_step(error))? {
                Continue(latent) => {
                    // What noise is left stays in it, as the network would see it.
                    let last = self.sigmas[count];
                    (if last > 0.0 { (latent / (1.0 + last * last).sqrt())? } else { latent }, false)
                }
                Break(Stop::Discard) => return Err(Halt::Discarded),
                Break(Stop::Keep) => {
                    let newest = newest.take();
                    (newest.expect("a sampler is only stopped at a step, and a step has an estimate"), true)
                }
            };
        // However its program counts them, all were made that was not stopped.
        let steps_made = if stopped { steps_made } else { self.request.steps_to_run() };
        Ok(Sampled { latent, steps_made, stopped, hints: hints.end(stopped, notes) })
    }

    /// A noisy latent with what is painted in before a step, if there is something.
    fn entered(
        &self,
        hints: &mut Hints<'_>,
        step: usize,
        sigma: f64,
        x: &Tensor,
        estimate: &Tensor,
    ) -> Result<Option<Tensor>, Error> {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        let with = hints.enter(step, |hints| {
            let Request { seed, extent, precision, .. } = *self.request;
            let laid = || {
                let vae = self.model.vae.get()?;
                Moment { vae: &vae, precision, estimate, sigma, seed, step, extent }.with(hints, x)
            };
            match laid() {
                // Its numbers may be too large for fewer bits.
                Err(Error::PartNotFinite { .. }) if self.model.turn_vae_to_f32() => laid(),
                found => found,
            }
        });
        self.done_with(&self.model.vae);
        with
    }

    /// A1111 ends its own walks from noise at the model's smallest sigma; from a picture it ends them, as `ComfyUI` always does, at the
    /// schedule's last one before 0.
    fn ends_at(&self) -> f64 {
        match (self.request.reproduce.program, &self.request.input) {
            (Program::A1111 | Program::Diffusers, None) => self.training.min(),
            _ => self.sigmas[self.sigmas.len().saturating_sub(2)],
        }
    }

    fn naming_the_step(&self, error: Error) -> Error {
        let Error::NetworkNotFinite { sigma } = error else {
            return error;
        };
        let step = self.sigmas.iter().position(|&visited| visited <= sigma).map_or(1, |index| index + 1);
        Error::NotFinite { step, count: self.sigmas.len() - 1, sigma, precision: self.request.precision }
    }
}

/// What would be loaded in the next phase is loaded in one of its own.
fn load<T>(network: &Held<T>, on_progress: OnProgress<'_>) -> Result<(), Halt> {
    if !network.is_loaded() {
        tell_unless_discarded(on_progress, Progress::Phase(Phase::LoadModel))?;
        network.get()?;
    }
    Ok(())
}

/// Tells of something before the first estimate: there is nothing to keep, so any stop throws the run away.
fn tell(on_progress: OnProgress<'_>, progress: Progress<'_>) -> Result<(), Halt> {
    if on_progress(progress).is_break() { Err(Halt::Discarded) } else { Ok(()) }
}

/// Tells of something when there is a latent to keep.
fn tell_unless_discarded(on_progress: OnProgress<'_>, progress: Progress<'_>) -> Result<(), Halt> {
    if on_progress(progress) == Break(Stop::Discard) { Err(Halt::Discarded) } else { Ok(()) }
}
