//! What each subcommand is told.

use super::parse::{
    emphasis_named, extent_of, factor_of, guidance_of, number_between, precision_named, prediction_named,
    preprocessor_named, sampler_help, sampler_named, schedule_help, schedule_named, seed_of, sigma_of, strength_of,
    weight_of, whole_between,
};
use super::{ComputeArgs, ReproduceArgs};
use crate::diffusion::{
    Emphasis, Precision, Prediction, Preprocessor, Request, SamplerName, Savings, ScheduleName, Tuning,
};
use crate::geom::Extent;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

/// What `sfumato models get` is told.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// The model's name on the hub that the settings name (`hub`), which is huggingface.co if they name none
    #[arg(value_name = "ORG/NAME[@REVISION]")]
    pub repo: String,
    /// Files of it, by their paths there [default: what a model in the layout of diffusers needs]
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    /// A folder in the folder of models, such as loras, embeddings or controlnet
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<String>,
    /// Get weights in whole precision where there are some in half as well: twice as much, for pictures that hardly differ
    #[arg(long)]
    pub whole: bool,
    /// Print one JSON object instead of the path
    #[arg(long)]
    pub json: bool,
}

/// What `sfumato paint` is told.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)]
pub struct PaintArgs {
    /// What to paint; words without quotes are joined
    #[arg(required = true, value_name = "PROMPT")]
    pub prompt: Vec<String>,
    /// What to stay away from
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub negative: String,
    /// A model's file or folder, or its name as `sfumato models` lists it [default: the one used last in the window,
    /// else the one that comes with the program]
    #[arg(long, value_name = "PATH|NAME")]
    pub model: Option<String>,
    /// Decode with this VAE instead of the model's own: a file, a folder, or a name as `sfumato models` lists it
    #[arg(long, value_name = "FILE|NAME")]
    pub vae: Option<String>,
    /// The model whose text encoders and VAE are used where --model has none, as U-Nets in GGUF files [default: the first of its family]
    #[arg(long, value_name = "PATH|NAME")]
    pub parts_from: Option<String>,
    /// What the noise is drawn from [default: drawn at random, and printed]
    #[arg(long, value_name = "N", value_parser = seed_of)]
    pub seed: Option<u64>,
    /// How many steps a whole schedule has, 1 to 1000 [default: what suits the model]
    #[arg(long, value_name = "N", value_parser = |text: &str| whole_between(text, 1, 1000))]
    pub steps: Option<u32>,
    /// How to get from one noise level to the next [default: what suits the model]
    #[arg(long, value_name = "NAME", value_parser = sampler_named, help = sampler_help())]
    pub sampler: Option<SamplerName>,
    /// Which noise levels to visit [default: what suits the model]
    #[arg(long, value_name = "NAME", value_parser = schedule_named, help = schedule_help())]
    pub schedule: Option<ScheduleName>,
    /// How strongly to follow the prompt, 0 to 50; 1 ignores the negative prompt and is twice as fast [default: what suits the
    /// model]
    #[arg(long, value_name = "X", value_parser = guidance_of)]
    pub guidance: Option<f64>,
    /// In which numbers the model's networks multiply: f32; on a GPU f16, which is faster and takes half of its memory; bf16, which is several times faster
    /// on processors that have it, and paints not quite the same picture; or int8 in the large layers of the U-Net, which halves their memory once more and
    /// is a little less exact [default: f16 on a GPU, else f32]
    #[arg(long, value_name = "NAME", value_parser = precision_named)]
    pub precision: Option<Precision>,
    /// What is left out.
    #[command(flatten)]
    pub savings: SavingsArgs,
    /// What is turned.
    #[command(flatten)]
    pub tuning: TuningArgs,
    /// Who is followed.
    #[command(flatten)]
    pub reproduce: ReproduceArgs,
    /// What the model's network estimates: epsilon (the noise), v, or sample (the picture) [default: what the model's files say]
    #[arg(long, value_name = "NAME", value_parser = prediction_named)]
    pub prediction: Option<Prediction>,
    /// Which of the text encoder's layers conditions, counted from the last, 1 to 12: A1111's "Clip skip"
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| whole_between(text, 1, Request::<(), ()>::MAX_CLIP_SKIP))]
    pub clip_skip: u32,
    /// How brackets in prompts count: original (as in A1111), `no_norm` (suits XL), comfyui, ignore, none (brackets are letters)
    #[arg(long, value_name = "NAME", default_value = "original", value_parser = emphasis_named)]
    pub emphasis: Emphasis,
    /// Apply a style of `styles.csv`, in a folder of models or beside it, as A1111 writes it; may stand several times
    #[arg(long, value_name = "NAME")]
    pub style: Vec<String>,
    /// Add a `LoRA`, a file or one that `sfumato models` lists, by this weight [default: 1]; as `<lora:NAME:WEIGHT>` in the prompt does
    #[arg(long, value_name = "FILE|NAME[=WEIGHT]")]
    pub lora: Vec<String>,
    /// The picture's size; sides are rounded to multiples of 8 [default: the size of --image, or what suits the model]
    #[arg(long, value_name = "WxH", value_parser = extent_of)]
    pub size: Option<Extent>,
    /// How many pictures to paint; the seeds follow one another
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| whole_between(text, 1, 10_000))]
    pub count: u32,
    /// Start from this picture instead of noise; it is resized to --size
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// How much of --image is painted anew, 0 to 1 [default: 0.75, or 1 of models that edit pictures, which see it anyway]
    #[arg(long, value_name = "X", requires = "image", value_parser = strength_of)]
    pub strength: Option<f64>,
    /// How far a model that edits pictures (instruct-pix2pix) keeps to --image, 1 to 50 [default: 1.5]
    #[arg(long, value_name = "X", requires = "image", value_parser = |text: &str| number_between(text, 1.0, 50.0))]
    pub image_guidance: Option<f64>,
    /// Repaint only where this picture is white; it must be as large as --image
    #[arg(long, value_name = "FILE", requires = "image")]
    pub mask: Option<PathBuf>,
    /// How the mask is painted.
    #[command(flatten)]
    pub masking: MaskingArgs,
    /// What guides it.
    #[command(flatten)]
    pub control: ControlArgs,
    /// Paint what is on this picture into the one that is being drawn, before a step, with its corner at X,Y, as the brush does in the
    /// window; may stand several times [default corner: 0,0]
    #[arg(long = "hint", value_name = "STEP[@X,Y]=FILE")]
    pub hints: Vec<HintArg>,
    /// Enlarge each picture with an upscaler as `sfumato models` lists it [without a name: the one that comes with the model]
    #[arg(long, value_name = "NAME", num_args = 0..=1)]
    pub upscale: Option<Option<String>>,
    /// Paint the enlarged picture once more, for details it could not have before: the share of the steps that runs, 0 to 1
    #[arg(long, value_name = "X", requires = "upscale", value_parser = strength_of)]
    pub refine: Option<f64>,
    /// Print the pictures in the order in which a CLIP says that they fit the prompt, the best first, when all are painted
    #[arg(long)]
    pub rank: bool,
    /// A CLIP's folder, or its name as `sfumato models` lists it, for --rank [default: as the settings say, else the one that comes
    /// with the program]
    #[arg(long, value_name = "DIR|NAME", requires = "rank")]
    pub clip: Option<String>,
    /// Where to write: a .png file, which is overwritten, or a folder [default: a free name sfumato-SEED.png in the working
    /// directory]
    #[arg(long, value_name = "FILE|DIR")]
    pub out: Option<PathBuf>,
    /// Also write every tensor on the way: conditioning, noise, each step, the finished latent, the picture
    #[arg(long, value_name = "FILE.safetensors")]
    pub trace: Option<PathBuf>,
    /// On what networks compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print one JSON object on standard output when done
    #[arg(long)]
    pub json: bool,
}

/// What is painted into a picture while it is drawn, as `STEP[@X,Y]=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HintArg {
    /// Before which step, counted from 0.
    pub step: u32,
    /// Its first column, in pixels.
    pub left: u32,
    /// Its first row.
    pub top: u32,
    /// The picture, clear where nothing is painted.
    pub file: PathBuf,
}

impl FromStr for HintArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (place, file) = text.split_once('=').filter(|(_, file)| !file.is_empty())?;
            let (step, corner) = place.split_once('@').unwrap_or((place, "0,0"));
            let (left, top) = corner.split_once(',')?;
            let number = |text: &str| text.trim().parse().ok();
            Some(Self { step: number(step)?, left: number(left)?, top: number(top)?, file: file.into() })
        };
        read().ok_or("write it as STEP=FILE or STEP@X,Y=FILE, for example 7@32,48=stroke.png")
    }
}

/// How what a mask covers is painted.
#[derive(Args, Debug)]
pub struct MaskingArgs {
    /// Where --mask is grey, change the picture only so far: white wholly, a middle grey about half (differential diffusion)
    #[arg(long, requires = "mask")]
    pub soft_mask: bool,
    /// Move the colours of what was painted as far as they came off where --mask keeps the picture
    #[arg(long, requires = "mask")]
    pub match_colours: bool,
}

/// What `sfumato paint` is told to leave out of a run.
#[derive(Args, Debug)]
pub struct SavingsArgs {
    /// Share of the steps after which --guidance begins; a step without guidance takes half the time
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = strength_of)]
    pub guidance_start: f64,
    /// Share of the steps after which there is no more guidance
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = strength_of)]
    pub guidance_end: f64,
    /// The noise level, as a sigma, below which there is no guidance; 0 is never
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = sigma_of)]
    pub negative_min_sigma: f64,
    /// Compute the whole network only at each N-th step, and its last layer in between, 1 to 20
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| whole_between(text, 1, Savings::MAX_EVERY))]
    pub deep_every: u32,
    /// The share of the finest level's places that are merged while they look at each other, 0 to 0.75; elsewhere called token merging
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = |text: &str| number_between(text, 0.0, Savings::MAX_MERGED))]
    pub merge_tokens: f64,
}

/// How `sfumato paint` is told to turn samplers and guidance.
#[derive(Args, Debug)]
pub struct TuningArgs {
    /// How much of what a step takes away comes back as noise, 0 to 1; TCD's gamma [default: what suits the sampler]
    #[arg(long, value_name = "X", value_parser = strength_of)]
    pub eta: Option<f64>,
    /// What the noise that is added at steps is multiplied by, 0 to 2
    #[arg(long = "noise-multiplier", value_name = "X", default_value_t = 1.0, value_parser = weight_of)]
    pub noise: f64,
    /// How far Euler, Heun and DPM2 go up with noise before each step, over all steps, 0 to 100
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = |text: &str| number_between(text, 0.0, Tuning::MAX_CHURN))]
    pub churn: f64,
    /// The noise level, as a sigma, below which they do not
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = sigma_of)]
    pub churn_from: f64,
    /// The noise level, as a sigma, above which they do not; 0 is none
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = sigma_of)]
    pub churn_to: f64,
    /// How the schedules Karras and Polyexponential are bent [default: 7 and 1]
    #[arg(long, value_name = "X", value_parser = |text: &str| number_between(text, Tuning::MIN_RHO, Tuning::MAX_RHO))]
    pub rho: Option<f64>,
    /// The sigma at which schedules that divide the range of sigmas end; 0 is the model's least
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = sigma_of)]
    pub sigma_min: f64,
    /// The sigma at which they begin; 0 is the model's largest
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = sigma_of)]
    pub sigma_max: f64,
    /// How much of the contrast that --guidance adds is taken back, 0 to 1; 0.7 suits models with zero terminal SNR
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = strength_of)]
    pub guidance_rescale: f64,
    /// Stretch the model's noise so that its last timestep is noise alone
    #[arg(long)]
    pub zero_terminal_snr: bool,
}

/// What `sfumato paint` is told about a picture that guides.
#[derive(Args, Debug)]
pub struct ControlArgs {
    /// Let this picture guide the shapes; it is scaled to cover the picture to paint
    #[arg(long, value_name = "FILE")]
    pub control: Option<PathBuf>,
    /// A `ControlNet` as `sfumato models` lists it [default: the one that comes with the model, else the first that fits it]
    #[arg(long, value_name = "NAME", requires = "control")]
    pub controlnet: Option<String>,
    /// How --control becomes lines: none (they are white on black), invert (dark on light), canny (edges are found) [default:
    /// what suits the picture, and printed]
    #[arg(long, value_name = "NAME", requires = "control", value_parser = preprocessor_named)]
    pub control_as: Option<Preprocessor>,
    /// How strongly --control guides, 0 to 2
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "control", value_parser = weight_of)]
    pub control_weight: f64,
    /// Share of the steps after which --control begins to guide
    #[arg(long, value_name = "X", default_value_t = 0.0, requires = "control", value_parser = strength_of)]
    pub control_start: f64,
    /// Share of the steps after which --control guides no more
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "control", value_parser = strength_of)]
    pub control_end: f64,
}

/// What `sfumato bench` is told.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// A model's file or folder, or its name as `sfumato models` lists it [default: the one used last in the window,
    /// else the one that comes with the program]
    #[arg(long, value_name = "PATH|NAME")]
    pub model: Option<String>,
    /// The picture's size; sides are rounded to multiples of 8 [default: what suits the model]
    #[arg(long, value_name = "WxH", value_parser = extent_of)]
    pub size: Option<Extent>,
    /// How many steps to make, 1 to 1000 [default: what suits the model]
    #[arg(long, value_name = "N", value_parser = |text: &str| whole_between(text, 1, 1000))]
    pub steps: Option<u32>,
    /// In which numbers the model's networks multiply: f32; on a GPU f16, which is faster and takes half of its memory; bf16, which is several times faster
    /// on processors that have it, and paints not quite the same picture; or int8 in the large layers of the U-Net, which halves their memory once more and
    /// is a little less exact [default: f16 on a GPU, else f32]
    #[arg(long, value_name = "NAME", value_parser = precision_named)]
    pub precision: Option<Precision>,
    /// On what networks compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// What `sfumato upscale` is told.
#[derive(Args, Debug)]
pub struct UpscaleArgs {
    /// PNG, JPEG, WebP or TIFF pictures
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// An upscaler's name as `sfumato models` lists it, or its .pth or .safetensors file [default: the one that comes with the
    /// program]
    #[arg(long, value_name = "NAME|FILE")]
    pub with: Option<String>,
    /// How many times larger, 1 to 16 [default: what the upscaler was made for]
    #[arg(long, value_name = "X", value_parser = factor_of)]
    pub scale: Option<f64>,
    /// Where to write: a .png file, which is overwritten, or a folder [default: a free name NAME-4x.png in the working directory]
    #[arg(long, value_name = "FILE|DIR")]
    pub out: Option<PathBuf>,
    /// On what networks compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print one JSON object on standard output when done
    #[arg(long)]
    pub json: bool,
}

/// What `sfumato rank` is told.
#[derive(Args, Debug)]
pub struct RankArgs {
    /// PNG, JPEG, WebP or TIFF pictures
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What they should show
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// A CLIP's folder, or its name as `sfumato models` lists it [default: as the settings say, else the one that comes with the
    /// program]
    #[arg(long, value_name = "DIR|NAME")]
    pub clip: Option<String>,
    /// On what networks compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What `sfumato search` is told.
#[derive(Args, Debug)]
pub struct SearchArgs {
    /// What the pictures should show; words without quotes are joined
    #[arg(required = true, value_name = "TEXT")]
    pub text: Vec<String>,
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = |text: &str| whole_between(text, 1, 10_000))]
    pub count: u32,
    /// A CLIP's folder, or its name as `sfumato models` lists it [default: as the settings say, else the one that comes with the
    /// program]
    #[arg(long, value_name = "DIR|NAME")]
    pub clip: Option<String>,
    /// On what networks compute.
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}
