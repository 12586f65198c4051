//! What the person is about to ask for, and how it becomes requests.

use super::part::part_of_guide;
use crate::diffusion::{
    Borrowed, Control, Emphasis, Invalid, MaskedContent, Precision, Prediction, Reproduce, Request, SamplerName,
    Savings, ScheduleName, Tuning, Upscale, last_layer,
};
use crate::engine::Command;
use crate::geom::{Bounds, Extent};
use crate::metadata::Found;
use crate::paint::Document;
use crate::pixels::Picture;
use crate::prompt::Style;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the person is about to ask for. The panels edit it in place; it is checked when it becomes requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Draft {
    /// What to paint.
    pub prompt: String,
    /// What to stay away from.
    pub negative_prompt: String,
    /// Styles that both are painted in, one after the other.
    #[serde(default)]
    pub styles: Vec<Style>,
    /// The model's name.
    pub model: String,
    /// What of it comes from elsewhere.
    #[serde(default)]
    pub borrowed: Borrowed,
    /// How to get from one sigma to the next.
    pub sampler: SamplerName,
    /// Which sigmas to visit.
    pub schedule: ScheduleName,
    /// How many steps a whole schedule has.
    pub steps: u32,
    /// Weight of classifier-free guidance; 1 is off.
    pub guidance_scale: f64,
    /// In which numbers the model's networks multiply.
    #[serde(default)]
    pub precision: Precision,
    /// Which calls of the network are left out.
    #[serde(default)]
    pub savings: Savings,
    /// How the sampler and guidance are turned.
    #[serde(default)]
    pub tuning: Tuning,
    /// What the model's network's output is taken for; none takes it for what the model's files say.
    #[serde(default)]
    pub prediction: Option<Prediction>,
    /// Which of the text encoder's layers conditions, counted from the last, which is 1.
    #[serde(default = "last_layer")]
    pub clip_skip: u32,
    /// How brackets in the prompts count.
    #[serde(default)]
    pub emphasis: Emphasis,
    /// What the noise of the first picture is drawn from, 0..2³²; the next pictures take the next seeds. It is the seed that was
    /// used last until Generate is pressed again.
    pub seed: u64,
    /// Whether Generate uses this seed again instead of drawing another.
    pub seed_locked: bool,
    /// Which program is followed where they go different ways.
    #[serde(default)]
    pub reproduce: Reproduce,
    /// Whether the pictures of one press of Generate are a batch of one generator, instead of each having a seed.
    #[serde(default)]
    pub one_generator: bool,
    /// The size to paint, rounded to multiples of 8. An open picture decides it instead.
    pub extent: Extent,
    /// How many pictures Generate paints.
    pub count: u32,
    /// 0..1: how much of an open picture is painted anew.
    pub strength: f64,
    /// How far a model that edits pictures keeps to an open one.
    #[serde(default)]
    pub image_guidance: Option<f64>,
    /// The box of an open picture that is painted, at the size that the model paints best; none paints all of it, as it is.
    #[serde(default)]
    pub bounds: Option<Bounds>,
    /// Whether only the mask and what lies around it is painted, at the size that the model paints best.
    #[serde(default)]
    pub only_masked: bool,
    /// How much of what lies around the mask is painted along, in image pixels.
    #[serde(default = "padding")]
    pub padding: u32,
    /// What is started from under the mask.
    #[serde(default)]
    pub masked: MaskedContent,
    /// Whether the mask's grey says how much is painted anew.
    #[serde(default)]
    pub soft_mask: bool,
    /// Whether the colours of what was painted are moved as far as they came off around the mask.
    #[serde(default = "yes")]
    pub match_colours: bool,
    /// How a picture guides, where there is one that does; none where none did yet.
    #[serde(default)]
    pub control: Option<Control<()>>,
    /// How pictures are enlarged after they are painted; none leaves them as they are.
    #[serde(default)]
    pub upscale: Option<Upscale>,
}

/// Why a draft cannot be painted, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotReady {
    /// No model.
    #[error("no model is chosen: choose one from the list")]
    NoModel,
    /// A picture guides, and nothing that could see it.
    #[error(
        "there is no ControlNet that lets a picture guide: remove the guide, or put one into the folder “controlnet” in the folder of models"
    )]
    NoControlNet,
    /// No picture, or more than anyone waits for.
    #[error("{0} pictures cannot be painted at once: choose between 1 and {max}", max = Draft::MAX_COUNT)]
    Count(u32),
    /// A mask, and none of it where it is painted.
    #[error("the mask does not reach into the area to paint: move the area, or clear the mask")]
    NothingMasked,
    /// What a prompt leaves open cannot be chosen.
    #[error("{0}")]
    Prompt(String),
    /// A setting out of range.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

const fn yes() -> bool {
    true
}

const fn padding() -> u32 {
    Draft::PADDING
}

impl Default for Draft {
    /// What a draft starts with where there is no model that says better.
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            styles: Vec::new(),
            model: String::new(),
            borrowed: Borrowed::default(),
            sampler: SamplerName::DpmPlusPlus2M,
            schedule: ScheduleName::Karras,
            steps: 20,
            guidance_scale: 7.0,
            precision: Precision::F32,
            savings: Savings::default(),
            tuning: Tuning::default(),
            prediction: None,
            clip_skip: 1,
            emphasis: Emphasis::Original,
            seed: 7,
            seed_locked: false,
            reproduce: Reproduce::default(),
            one_generator: false,
            extent: Extent::new(512, 512),
            count: 1,
            strength: 0.75,
            image_guidance: None,
            bounds: None,
            only_masked: false,
            padding: Self::PADDING,
            masked: MaskedContent::Original,
            soft_mask: false,
            match_colours: true,
            control: None,
            upscale: None,
        }
    }
}

impl Draft {
    /// The most pictures that one press of Generate paints.
    pub const MAX_COUNT: u32 = 64;
    /// The largest seed: torch's generator takes 32 bits.
    pub const MAX_SEED: u64 = u32::MAX as u64;

    /// The size that will be painted: an open picture's, else the draft's, rounded.
    pub fn extent_to_paint(&self, document: &Document) -> Extent {
        if document.has_picture() { document.extent().rounded_to(8) } else { self.extent.rounded_to(8) }
    }

    /// The requests that Generate makes of it, one a picture, their seeds counting up: from noise, or from the document's picture
    /// if it has one, or a part of it, and then with its mask unless that is empty; guided by `guide`. A part is painted with about
    /// as many pixels as `native`. Everything is checked here and nowhere below.
    pub fn to_requests(
        &self,
        document: &Document,
        guide: Option<&Arc<Picture>>,
        native: Extent,
    ) -> Result<Vec<Request>, NotReady> {
        if self.model.is_empty() {
            return Err(NotReady::NoModel);
        }
        if self.count == 0 || self.count > Self::MAX_COUNT {
            return Err(NotReady::Count(self.count));
        }
        if self.extent.is_empty() && !document.has_picture() {
            return Err(Invalid::Extent(self.extent).into());
        }
        let place = self.place(document, native)?;
        let guided = |guide: &Arc<Picture>| {
            let control = self.control.as_ref().ok_or(NotReady::NoControlNet)?;
            Ok::<_, NotReady>(control.with_picture(part_of_guide(guide, place)))
        };
        let (prompt, negative_prompt) = Style::all_applied(&self.styles, &self.prompt, &self.negative_prompt);
        let first = Request {
            model: self.model.clone(),
            borrowed: self.borrowed.clone(),
            prompt,
            negative_prompt,
            extent: place
                .map_or_else(|| self.extent_to_paint(document), |place| self.extent_of_part(document, place, native)),
            seed: self.seed,
            reproduce: self.reproduce,
            sampler: self.sampler,
            schedule: self.schedule,
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            precision: self.precision,
            savings: self.savings,
            tuning: self.tuning,
            prediction: self.prediction,
            clip_skip: self.clip_skip,
            emphasis: self.emphasis,
            input: self.input(document, place),
            control: guide.map(guided).transpose()?,
            upscale: self.upscale.clone().filter(|_| place.is_none()),
            hints: Vec::new(),
        }
        .checked()?;
        Ok((0..self.count)
            .map(|number| first.nth(number, self.count, self.one_generator).checked())
            .collect::<Result<_, _>>()?)
    }

    /// How many steps Generate will run for each picture.
    pub fn steps_to_run(&self, document: &Document) -> u32 {
        let strength = document.has_picture().then_some(self.strength);
        self.reproduce.step_counts(self.sampler, self.steps, strength).run
    }

    /// The same draft with every number one that JSON can hold.
    pub(super) fn storable(&self) -> Self {
        let or = |number: f64, instead: f64| if number.is_finite() { number } else { instead };
        let default = Self::default();
        Self {
            guidance_scale: or(self.guidance_scale, default.guidance_scale),
            strength: or(self.strength, default.strength),
            image_guidance: self.image_guidance.filter(|scale| scale.is_finite()),
            savings: Savings {
                guidance_start: or(self.savings.guidance_start, 0.0),
                guidance_end: or(self.savings.guidance_end, 1.0),
                negative_min_sigma: or(self.savings.negative_min_sigma, 0.0),
                ..self.savings
            },
            reproduce: Some(self.reproduce).filter(|it| it.problem().is_none()).unwrap_or_default(),
            tuning: Some(self.tuning).filter(|tuning| tuning.problem().is_none()).unwrap_or_default(),
            control: self.control.clone().map(|control| Control {
                weight: or(control.weight, 1.0),
                start: or(control.start, 0.0),
                end: or(control.end, 1.0),
                ..control
            }),
            upscale: self
                .upscale
                .clone()
                .map(|upscale| Upscale { refine: upscale.refine.filter(|strength| strength.is_finite()), ..upscale }),
            ..self.clone()
        }
    }

    /// The draft that a request was made of. What a request does not say (lock, count) stays.
    pub(super) fn recall<P, M>(&mut self, request: &Request<P, M>) {
        self.model.clone_from(&request.model);
        self.borrowed.clone_from(&request.borrowed);
        self.prompt.clone_from(&request.prompt);
        self.negative_prompt.clone_from(&request.negative_prompt);
        // They are in the prompts.
        self.styles.clear();
        self.sampler = request.sampler;
        self.schedule = request.schedule;
        self.steps = request.steps;
        self.guidance_scale = request.guidance_scale;
        self.precision = request.precision;
        self.savings = request.savings;
        self.tuning = request.tuning;
        self.prediction = request.prediction;
        self.clip_skip = request.clip_skip;
        self.emphasis = request.emphasis;
        self.seed = request.seed;
        self.reproduce = request.reproduce;
        if request.place().is_none() {
            self.extent = request.extent;
            self.upscale.clone_from(&request.upscale);
        }
        if let Some(control) = &request.control {
            self.control = Some(control.with_picture(()));
        }
        if let Some(input) = &request.input {
            self.strength = input.strength;
            self.image_guidance = input.image_guidance;
            self.masked = input.masked;
            self.soft_mask = input.soft_mask;
            // Without a mask it was of no effect.
            self.match_colours = input.match_colours || input.mask.is_none();
            self.one_generator = false;
        }
    }

    /// What loads its model.
    pub(super) fn load(&self) -> Command {
        Command::Load {
            model: self.model.clone(),
            parts_from: self.borrowed.parts_from.clone(),
            precision: self.precision,
        }
    }

    /// Takes over the settings that a picture's text named; what it did not name stays.
    pub(super) fn take(&mut self, found: &Found) {
        fn set<T: Clone>(field: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                field.clone_from(value);
            }
        }
        set(&mut self.prompt, found.prompt.as_ref());
        if found.prompt.is_some() {
            self.styles.clear();
        }
        set(&mut self.negative_prompt, found.negative_prompt.as_ref());
        set(&mut self.sampler, found.sampler.as_ref());
        set(&mut self.schedule, found.schedule.as_ref());
        set(&mut self.steps, found.steps.as_ref());
        set(&mut self.guidance_scale, found.guidance_scale.as_ref());
        set(&mut self.precision, found.precision.as_ref());
        set(&mut self.savings, found.savings.as_ref().filter(|savings| savings.problem().is_none()));
        set(&mut self.tuning, found.tuning.as_ref().filter(|tuning| tuning.problem().is_none()));
        self.prediction = found.prediction;
        if found.model.is_some() || found.borrowed != Borrowed::default() {
            self.borrowed.clone_from(&found.borrowed);
        }
        set(&mut self.clip_skip, found.clip_skip.as_ref());
        set(&mut self.emphasis, found.emphasis.as_ref());
        set(&mut self.seed, found.seed.as_ref());
        set(&mut self.reproduce, found.reproduce.as_ref().filter(|reproduce| reproduce.problem().is_none()));
        set(&mut self.extent, found.extent.as_ref());
        set(&mut self.strength, found.strength.as_ref());
        if let Some(masking) = &found.masking {
            self.masked = masking.content;
            self.only_masked = masking.only_masked;
            self.soft_mask = masking.soft;
            self.match_colours = masking.match_colours || !masking.is_masked;
        }
        if found.image_guidance.is_some() {
            self.image_guidance = found.image_guidance;
        }
        if found.control.is_some() {
            self.control.clone_from(&found.control);
        }
    }

    /// Goes over to another model: what still stands as the old model's example had it becomes what suits the new one; what the
    /// person set stays.
    pub(super) fn change_model(&mut self, old: Option<&Self>, new: &Self) {
        fn follow<T: PartialEq + Clone>(field: &mut T, old: Option<&T>, new: &T) {
            if old == Some(field) {
                field.clone_from(new);
            }
        }
        self.model.clone_from(&new.model);
        self.borrowed = Borrowed::default();
        self.image_guidance = None;
        self.prediction = None;
        self.tuning.zero_terminal_snr = false;
        follow(&mut self.prompt, old.map(|o| &o.prompt), &new.prompt);
        follow(&mut self.sampler, old.map(|o| &o.sampler), &new.sampler);
        follow(&mut self.schedule, old.map(|o| &o.schedule), &new.schedule);
        follow(&mut self.steps, old.map(|o| &o.steps), &new.steps);
        follow(&mut self.guidance_scale, old.map(|o| &o.guidance_scale), &new.guidance_scale);
        follow(&mut self.strength, old.map(|o| &o.strength), &new.strength);
        follow(&mut self.extent, old.map(|o| &o.extent), &new.extent);
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
pub(super) mod tests;
