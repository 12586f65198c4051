//! What a picture was made with, as text inside its file. A picture that says how it was made can be made again, here or in
//! another program; so the text is the one that most programs read: A1111's `parameters`.
//!
//! One dialect a file. [`to_parameters`] and [`from_parameters`] are A1111's; the others are only read, by [`from_texts`], and give the same
//! [`Imported`].

mod a1111;
mod comfyui;
mod differences;
mod fooocus;
mod invokeai;
mod json;
mod masking;
mod novelai;
mod pairs;
mod reproducing;

pub use a1111::{describe, from_parameters, to_parameters, upscaling_text, with_upscaling};
pub use masking::Masking;

use crate::diffusion::{
    Borrowed, Control, Emphasis, Precision, Prediction, Reproduce, SamplerName, Savings, ScheduleName, Tuning,
};
use crate::geom::Extent;

/// The key of the text chunk that holds [`to_parameters`] in a PNG.
pub const PARAMETERS_KEY: &str = "parameters";

/// The key of the text chunk in which A1111's extras say what they did to a picture.
pub const POSTPROCESSING_KEY: &str = "postprocessing";

/// What the texts of a picture, by their keys, say of how it was made: those of A1111 and its like, Fooocus, `InvokeAI`, `NovelAI` or `ComfyUI`. None where
/// there is nothing of the kind; whatever stands in them, it is only read.
pub fn from_texts(texts: &[(String, String)]) -> Option<Imported> {
    let text = |key: &str| texts.iter().find(|(found, _)| found == key).map(|(_, text)| text.as_str());
    let of_a1111 = text(PARAMETERS_KEY).map(from_parameters).filter(|imported| !imported.settings.is_empty());
    let of_fooocus = text(PARAMETERS_KEY).and_then(fooocus::read);
    of_fooocus
        .or(of_a1111)
        .or_else(|| invokeai::read(text(invokeai::KEY)?))
        .or_else(|| invokeai::read_of_old(text(invokeai::KEY_OF_OLD)?))
        .or_else(|| invokeai::read_of_oldest(text(invokeai::KEY_OF_OLDEST)?))
        .or_else(|| novelai::read(text("Software"), text("Description"), text("Comment")))
        .or_else(|| comfyui::read(text(comfyui::PROMPT_KEY), text(comfyui::WORKFLOW_KEY)))
}

/// What a text said about how a picture was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// What this program has a setting for.
    pub settings: Found,
    /// What it has none for, as key and value in the order of the text; to be shown, so that nobody wonders why a picture
    /// does not come out the same.
    pub unknown: Vec<(String, String)>,
    /// What may still differ when it is painted again, a line each.
    pub differences: Vec<String>,
}

/// The settings that a text named; `None` where it was silent or said something that this program does not have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The model's name, behind the folders that it lay in where the text has them, with a `/` behind each.
    pub model: Option<String>,
    /// The first ten digits of the SHA-256 of its file, as A1111 has them.
    pub model_hash: Option<String>,
    /// That of the VAE's, if one was chosen.
    pub vae_hash: Option<String>,
    /// The prompt.
    pub prompt: Option<String>,
    /// The negative prompt; empty where the text names settings but no negative prompt.
    pub negative_prompt: Option<String>,
    /// The picture's size, as written: not rounded, not checked.
    pub extent: Option<Extent>,
    /// The seed.
    pub seed: Option<u64>,
    /// Which program is followed where they go different ways: the one that wrote the text, if it names settings.
    pub reproduce: Option<Reproduce>,
    /// The sampler.
    pub sampler: Option<SamplerName>,
    /// The schedule; automatic where the text names a sampler only.
    pub schedule: Option<ScheduleName>,
    /// The steps of a whole schedule.
    pub steps: Option<u32>,
    /// The guidance scale.
    pub guidance_scale: Option<f64>,
    /// In which numbers the networks multiplied; of texts of this program alone.
    pub precision: Option<Precision>,
    /// Which calls of the network were left out.
    pub savings: Option<Savings>,
    /// How the sampler and guidance were turned; as usual where the text names settings but not this.
    pub tuning: Option<Tuning>,
    /// What of the model came from elsewhere.
    pub borrowed: Borrowed,
    /// What the network's output was taken for; of texts of this program alone.
    pub prediction: Option<Prediction>,
    /// Which of the text encoder's layers conditioned, counted from the last, which is 1; 1 where the text names settings but not this.
    pub clip_skip: Option<u32>,
    /// How brackets in the prompts count; as A1111 usually has it where the text names settings but not this.
    pub emphasis: Option<Emphasis>,
    /// The denoising strength, of a picture that started from another one.
    pub strength: Option<f64>,
    /// How far a model that edits pictures was guided by the one that it edited.
    pub image_guidance: Option<f64>,
    /// How a part of it was painted, if it was a part.
    pub masking: Option<Masking>,
    /// What guided it; the picture that did is not in the text.
    pub control: Option<Control<()>>,
    /// How many times larger the picture was made after it was painted.
    pub upscale_by: Option<f64>,
    /// By which upscaler.
    pub upscaler: Option<String>,
    /// How much of the enlarged picture was painted anew.
    pub refine: Option<f64>,
    /// Before which steps, counted from 0, something was painted in; what it was is not in the text.
    pub hints: Vec<u32>,
    /// How many steps were made before the run was stopped.
    pub steps_made: Option<u32>,
}

/// The first ten digits of the SHA-256 of the files that a picture was painted with, where they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileHashes {
    /// Of the model.
    pub model: Option<String>,
    /// Of the VAE, where one was chosen.
    pub vae: Option<String>,
}

impl Found {
    /// What the model may be called here: its name behind all of its folders, behind fewer and fewer, and alone.
    pub fn model_names(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(self.model.as_deref(), |name| name.split_once('/').map(|(_, rest)| rest))
    }

    /// Whether the text named nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
