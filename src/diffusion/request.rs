use super::{
    Batch, Control, Emphasis, Hint, Input, MAX_FACTOR, Place, Precision, Prediction, Reproduce, SamplerName, Savings,
    ScheduleName, StepCounts, Tuning, times,
};
use crate::geom::{Bounds, Extent};
use crate::pixels::{Mask, Picture};
use crate::prompt::{self, Wildcards};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Every fact that decides a picture. It is the queue item, the gallery record, the file's metadata, the command line and the
/// test input at once: the same request, with the same weights, on the same machine, gives the same bytes.
///
/// `P` and `M` are how the input's pixels are held: themselves in a request that can be painted, their digests in a [`Record`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request<P = Arc<Picture>, M = Arc<Mask>> {
    /// The model's name, as `sfumato models` lists it.
    pub model: String,
    /// What of it comes from elsewhere. Records of before there was a choice do not name it.
    #[serde(default)]
    pub borrowed: Borrowed,
    /// What to paint.
    pub prompt: String,
    /// What to stay away from; empty for nothing in particular.
    pub negative_prompt: String,
    /// The picture's size: both sides multiples of 8.
    pub extent: Extent,
    /// What the noise is drawn from. Torch's CPU generator takes the low 32 bits.
    pub seed: u64,
    /// Which program is followed where they go different ways. Records of before there was a choice do not name it.
    #[serde(default)]
    pub reproduce: Reproduce,
    /// How to get from one sigma to the next.
    pub sampler: SamplerName,
    /// Which sigmas to visit.
    pub schedule: ScheduleName,
    /// How many steps a whole schedule has; with an input, its strength decides how many of them run.
    pub steps: u32,
    /// Weight of classifier-free guidance; 1 is off.
    pub guidance_scale: f64,
    /// In which numbers the model's networks multiply. Records of before there was a choice do not name it.
    #[serde(default)]
    pub precision: Precision,
    /// Which calls of the network are left out. Records of before there was a choice do not name it.
    #[serde(default)]
    pub savings: Savings,
    /// How the sampler and guidance are turned. Records of before there was a choice do not name it.
    #[serde(default)]
    pub tuning: Tuning,
    /// What the model's network's output is taken for; none takes it for what the model's files say.
    #[serde(default)]
    pub prediction: Option<Prediction>,
    /// Which of the text encoder's layers conditions, counted from the last, which is 1: A1111's "Clip skip", one more than diffusers'
    /// `clip_skip`. Records of before there was a choice do not name it.
    #[serde(default = "last_layer")]
    pub clip_skip: u32,
    /// How brackets in the prompts count. Records of before there was a choice do not name it.
    #[serde(default)]
    pub emphasis: Emphasis,
    /// The picture to start from; none starts from noise alone.
    pub input: Option<Input<P, M>>,
    /// What guides the shapes; none leaves them to the words. Records of before there were `ControlNet`s do not name it.
    #[serde(default)]
    pub control: Option<Control<P>>,
    /// How the painted picture is enlarged; none leaves it as it is. Records of before there were upscalers do not name it.
    #[serde(default)]
    pub upscale: Option<Upscale>,
    /// What is painted into it while it is drawn, in the order in which it enters. Records of before that could be do not name it.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint<P>>,
}

/// What of a model comes from elsewhere, by the names that `sfumato models` lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Borrowed {
    /// The VAE in the place of the model's own.
    #[serde(default)]
    pub vae: Option<String>,
    /// The model whose text encoders and VAE are used where the model has none; none takes them from the first of its family.
    #[serde(default)]
    pub parts_from: Option<String>,
}

/// The usual [`Request::clip_skip`].
pub const fn last_layer() -> u32 {
    1
}

/// By what a painted picture is enlarged, and how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upscale {
    /// The upscaler's name, as `sfumato models` lists it.
    pub upscaler: String,
    /// How many times larger each side becomes, 1 to [`MAX_FACTOR`].
    pub factor: f64,
    /// 0..1, the share of the schedule that runs once more on the enlarged picture, for details that it could not have before
    /// (A1111's hires fix); none leaves it as the upscaler made it.
    #[serde(default)]
    pub refine: Option<f64>,
}

/// A request whose pixels are named by digest: what the gallery and the session write down.
pub type Record = Request<String, String>;

impl<P, M> Request<P, M> {
    /// The same request with its pixels held another way.
    pub fn map_pixels<Q, N, E>(
        self,
        mut picture: impl FnMut(P) -> Result<Q, E>,
        mut mask: impl FnMut(M) -> Result<N, E>,
    ) -> Result<Request<Q, N>, E> {
        let input = self.input.map(|input| input.map_pixels(&mut picture, &mut mask)).transpose()?;
        let control = match self.control {
            None => None,
            Some(control) => {
                let settings = control.with_picture(());
                Some(settings.with_picture(picture(control.picture)?))
            }
        };
        let hints = self.hints.into_iter().map(|hint| hint.map_picture(&mut picture)).collect::<Result<_, E>>()?;
        Ok(Request {
            model: self.model,
            borrowed: self.borrowed,
            prompt: self.prompt,
            negative_prompt: self.negative_prompt,
            extent: self.extent,
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
            input,
            control,
            upscale: self.upscale,
            hints,
        })
    }

    /// What is to be painted: its prompt, then the words of its parts.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        let regions = self.input.iter().flat_map(|input| &input.regions);
        std::iter::once(self.prompt.as_str()).chain(regions.map(|region| region.prompt.as_str()))
    }

    /// Which part of a canvas it paints, if it is not a picture for itself.
    pub fn place(&self) -> Option<Place> {
        self.input.as_ref().and_then(|input| input.place)
    }

    /// The size of the picture that comes of it.
    pub fn picture_extent(&self) -> Extent {
        if let Some(place) = self.place() {
            return place.bounds.extent;
        }
        self.upscale.as_ref().map_or(self.extent, |upscale| {
            let extent = times(self.extent, upscale.factor);
            if upscale.refine.is_some() { extent.rounded_to(8) } else { extent }
        })
    }

    /// How many steps its schedule has, and how many of them run.
    pub fn step_counts(&self) -> StepCounts {
        self.reproduce.step_counts(self.sampler, self.steps, self.input.as_ref().map(|input| input.strength))
    }

    /// How many steps will run.
    pub fn steps_to_run(&self) -> u32 {
        self.step_counts().run
    }
}

/// Why a request cannot be painted, in words for the person who made it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// No pixel to paint, or more than the program takes.
    #[error("the size {0} cannot be painted: each side must be between 8 and {max} pixels", max = Request::<(), ()>::MAX_SIDE)]
    Extent(Extent),
    /// A prompt longer than anyone writes.
    #[error("a prompt of {0} characters cannot be painted: write at most {max}", max = Request::<(), ()>::MAX_PROMPT)]
    Prompt(usize),
    /// More prompts at the same time than a network is asked for at once.
    #[error("{0} prompts cannot be painted together: put AND between at most {max}", max = Request::<(), ()>::MAX_TOGETHER)]
    Together(usize),
    /// No step, or more than make sense.
    #[error("{0} steps cannot be run: choose between 1 and {max}", max = Request::<(), ()>::MAX_STEPS)]
    Steps(u32),
    /// Guidance that is not a number or out of range.
    #[error("a guidance scale of {0} cannot be used: choose between 0 and 50")]
    Guidance(f64),
    /// Guidance by the picture that is not a number or out of range.
    #[error("an image guidance of {0} cannot be used: choose between 1 and 50")]
    ImageGuidance(f64),
    /// Strength that is not a number or out of range.
    #[error("a strength of {0} cannot be used: choose between 0 and 1")]
    Strength(f64),
    /// A weight of what guides that is not a number or out of range.
    #[error("a control weight of {0} cannot be used: choose between 0 and 2")]
    ControlWeight(f64),
    /// Shares of the steps that are not numbers, out of range or the wrong way round.
    #[error(
        "a control from {0} to {1} of the steps cannot be used: choose two numbers between 0 and 1, the smaller first"
    )]
    ControlSteps(f64, f64),
    /// Shares of the steps that are not numbers, out of range or the wrong way round.
    #[error(
        "guidance from {0} to {1} of the steps cannot be used: choose two numbers between 0 and 1, the smaller first"
    )]
    GuidanceSteps(f64, f64),
    /// A sigma that is not a number or out of range.
    #[error("guidance cannot end at sigma {0}: choose between 0, which is never, and {max}", max = Savings::MAX_SIGMA)]
    GuidanceSigma(f64),
    /// No step at which the whole network is computed, or so few that nothing is left of the picture.
    #[error("the whole network cannot be computed every {0} steps: choose between 1 and {max}", max = Savings::MAX_EVERY)]
    DeepEvery(u32),
    /// A share of places to merge that is not a number or out of range.
    #[error("a share of {0} of the places cannot be merged: choose between 0 and {max}", max = Savings::MAX_MERGED)]
    MergeTokens(f64),
    /// A number by which a sampler or guidance is turned that is not one or out of range.
    #[error("{} {what} of {value} cannot be used: choose between 0 and {max}", article(what))]
    Tuning {
        /// What is turned.
        what: &'static str,
        /// How far.
        value: f64,
        /// How far it can be.
        max: f64,
    },
    /// A size of which there is no noise.
    #[error("noise of the size {0} cannot be laid into a picture: each side must be between 8 and {max} pixels", max = Request::<(), ()>::MAX_SIDE)]
    ResizedFrom(Extent),
    /// A picture that is not in its batch, or one of too many.
    #[error("picture {} of a batch of {} cannot be painted: choose one of at most {}", .0.index + 1, .0.of, Batch::MAX)]
    Batch(Batch),
    /// A layer that no text encoder has.
    #[error("a clip skip of {0} cannot be used: choose between 1 and {max}", max = Request::<(), ()>::MAX_CLIP_SKIP)]
    ClipSkip(u32),
    /// A factor that is not a number or out of range.
    #[error("a picture cannot be made {0} times larger: choose between 1 and {MAX_FACTOR}")]
    Factor(f64),
    /// An enlarged picture that is too large to be painted again.
    #[error("the picture would be refined at {0}, but at most {max} pixels a side are painted: choose a smaller factor", max = Request::<(), ()>::MAX_SIDE)]
    Refined(Extent),
    /// An enlarged picture of more pixels than a picture may have.
    #[error(
        "the picture would become {0}, but at most {side} pixels a side and {mega} million in all are taken: choose a smaller size, or \
         do not upscale it",
        side = Picture::MAX_SIDE, mega = Picture::MAX_AREA / 1_000_000
    )]
    Upscaled(Extent),
    /// A part that is not one.
    #[error("the part {}x{}+{}+{} does not lie within a canvas of {}: choose another", .0.bounds.extent.width, .0.bounds.extent.height, .0.bounds.left, .0.bounds.top, .0.of)]
    Place(Place),
    /// A part comes back as large as it was.
    #[error("a part of the canvas cannot be upscaled: paint the whole canvas, or do not upscale")]
    UpscaledPart,
    /// Something painted in that reaches beyond the picture.
    #[error(
        "a stroke that was painted in at {},{} is {} and does not lie within a picture of {extent}: paint at the size it was painted at, \
         or leave the strokes out", bounds.left, bounds.top, bounds.extent
    )]
    Hint {
        /// Where it lies.
        bounds: Bounds,
        /// The request's size.
        extent: Extent,
    },
    /// The input picture is not of the request's size.
    #[error("the starting picture is {found}, but the picture to paint is {expected}: resize one to the other")]
    InputExtent {
        /// The request's size.
        expected: Extent,
        /// The picture's size.
        found: Extent,
    },
    /// The mask is not of the request's size.
    #[error("the mask is {found}, but the picture is {expected}: a mask must be as large as its picture")]
    MaskExtent {
        /// The request's size.
        expected: Extent,
        /// The mask's size.
        found: Extent,
    },
}

/// Before this word.
fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

impl Request<(), ()> {
    /// The longest side that is painted in one piece.
    pub const MAX_SIDE: u32 = 4096;
    /// The most steps that are run.
    pub const MAX_STEPS: u32 = 1000;
    /// The first layer of Stable Diffusion 1's text encoder.
    pub const MAX_CLIP_SKIP: u32 = 12;
    /// The most characters of a prompt: some hundred times what a text encoder takes at once.
    pub const MAX_PROMPT: usize = 20_000;
    /// The most prompts that hold at the same time: each takes as much work as a picture.
    pub const MAX_TOGETHER: usize = 16;
}

impl Request {
    /// The same with what its prompts leave open, chosen by its seed.
    pub fn completed(mut self, wildcards: &Wildcards) -> Result<Self, prompt::Error> {
        self.prompt = wildcards.expanded(&self.prompt, self.seed)?;
        self.negative_prompt = wildcards.expanded(&self.negative_prompt, !self.seed)?;
        for region in self.input.iter_mut().flat_map(|input| &mut input.regions) {
            region.prompt = wildcards.expanded(&region.prompt, self.seed)?;
        }
        Ok(self)
    }

    /// Checks everything once; what follows trusts it.
    pub fn checked(self) -> Result<Self, Invalid> {
        let max_side = Request::<(), ()>::MAX_SIDE;
        let Extent { width, height } = self.extent;
        if width < 8 || height < 8 || width > max_side || height > max_side || width % 8 != 0 || height % 8 != 0 {
            return Err(Invalid::Extent(self.extent));
        }
        let prompts = self.prompts().chain([self.negative_prompt.as_str()]);
        for length in prompts.map(|prompt| prompt.chars().count()) {
            if length > Request::<(), ()>::MAX_PROMPT {
                return Err(Invalid::Prompt(length));
            }
        }
        let together = self.prompts().map(|prompt| prompt::together(prompt).len()).sum();
        if together > Request::<(), ()>::MAX_TOGETHER {
            return Err(Invalid::Together(together));
        }
        if self.steps == 0 || self.steps > Request::<(), ()>::MAX_STEPS {
            return Err(Invalid::Steps(self.steps));
        }
        if !(0.0..=50.0).contains(&self.guidance_scale) {
            return Err(Invalid::Guidance(self.guidance_scale));
        }
        if self.clip_skip == 0 || self.clip_skip > Request::<(), ()>::MAX_CLIP_SKIP {
            return Err(Invalid::ClipSkip(self.clip_skip));
        }
        if let Some(problem) =
            self.savings.problem().or_else(|| self.tuning.problem()).or_else(|| self.reproduce.problem())
        {
            return Err(problem);
        }
        if let Some(Upscale { factor, refine, .. }) = self.upscale {
            if !(1.0..=MAX_FACTOR).contains(&factor) {
                return Err(Invalid::Factor(factor));
            }
            if !Picture::holds(self.picture_extent()) {
                return Err(Invalid::Upscaled(self.picture_extent()));
            }
            if let Some(strength) = refine {
                let Extent { width, height } = self.picture_extent();
                if !(0.0..=1.0).contains(&strength) {
                    return Err(Invalid::Strength(strength));
                }
                if width > max_side || height > max_side {
                    return Err(Invalid::Refined(self.picture_extent()));
                }
            }
        }
        if let Some(Control { weight, start, end, .. }) = &self.control {
            if !(0.0..=2.0).contains(weight) {
                return Err(Invalid::ControlWeight(*weight));
            }
            if !(0.0..=1.0).contains(start) || !(*start..=1.0).contains(end) {
                return Err(Invalid::ControlSteps(*start, *end));
            }
        }
        if let Some(input) = &self.input {
            input.check(self.extent, self.upscale.is_some())?;
        }
        self.hints.iter().try_for_each(|hint| hint.check(self.extent))?;
        Ok(self)
    }
}
