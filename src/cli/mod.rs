//! The subcommands: the same engine and the same requests as the window, without one. What a script needs goes to standard
//! output (paths, tables, one JSON object); what a person wants to see meanwhile goes to standard error.

mod bench;
mod clip;
mod compute;
mod describe;
mod download;
mod inspect;
mod models;
mod output;
mod paint;
mod plan;
mod report;
mod reproducing;
mod upscale;

pub use compute::ComputeArgs;
pub use describe::sentence;
pub use reproducing::ReproduceArgs;

use crate::checkpoints::Library;
use crate::diffusion::{
    Emphasis, MAX_FACTOR, Precision, Prediction, Preprocessor, Request, SamplerName, Savings, ScheduleName, Tuning,
};
use crate::geom::Extent;
use crate::settings::{Paths, Settings};
use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const EXIT_CODES: &str = "Exit codes:\n  0    done\n  1    failed: the sentence on standard error says why and what to do\n  \
    2    the command line cannot be carried out as it is written\n  \
    130  interrupted by Ctrl+C; finished pictures are kept, and so is the current one if a step of it was made";

/// Paint with diffusion models on your own machine. Without a subcommand: opens the window.
#[derive(Debug, Parser)]
#[command(name = "sfumato", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done without a window.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Paint pictures and write them as PNG files that carry their settings
    #[command(after_help = EXIT_CODES)]
    Paint(Box<PaintArgs>),
    /// Say what a picture was made with, or what is in a model folder or a file of weights
    #[command(after_help = EXIT_CODES)]
    Inspect {
        /// A PNG, JPEG, WebP or TIFF picture, a model folder, a file of weights (.safetensors, .gguf, .ckpt, .pt), or an upscaler's .pth file
        file: PathBuf,
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Enlarge pictures with an upscaler; their texts stay in them
    #[command(after_help = EXIT_CODES.replace(", and so is the current one if a step of it was made", ""))]
    Upscale(UpscaleArgs),
    /// Order pictures by how well they fit a prompt, the best first
    #[command(after_help = EXIT_CODES)]
    Rank(RankArgs),
    /// Find pictures of the gallery by what they show
    #[command(after_help = EXIT_CODES)]
    Search(SearchArgs),
    /// List the models that can be painted with, the upscalers, and the CLIPs that compare pictures with words; or download models
    #[command(after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
    Models {
        /// Instead of listing them
        #[command(subcommand)]
        command: Option<ModelsCommand>,
        /// Read every checkpoint in one file whose hash is not known, whole: seconds for each, once
        #[arg(long)]
        hash: bool,
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Measure where the time of a picture goes on this machine: one is painted and thrown away
    #[command(after_help = EXIT_CODES)]
    Bench(BenchArgs),
}

/// What can be done with models besides listing them.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Download a model into the folder of models; what was broken off goes on where it stopped
    #[command(after_help = EXIT_CODES.replace("finished pictures are kept, and so is the current one if a step of it was made", "what came so far is kept"))]
    Get(GetArgs),
    /// List models to begin with: their licences, how much is downloaded, and how much memory they need
    Starters {
        /// Print one JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

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
    /// In which numbers the model's networks multiply: f32, or bf16, which is several times faster on processors that have it,
    /// and paints not quite the same picture
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = precision_named)]
    pub precision: Precision,
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
    /// In which numbers the model's networks multiply: f32, or bf16, which is several times faster on processors that have it,
    /// and paints not quite the same picture
    #[arg(long, value_name = "NAME", default_value = "f32", value_parser = precision_named)]
    pub precision: Precision,
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

impl Command {
    /// On what networks are to compute, as far as it was said. It must be known before the first thread starts.
    pub fn compute(&self) -> ComputeArgs {
        match self {
            Self::Paint(args) => args.compute,
            Self::Bench(args) => args.compute,
            Self::Upscale(args) => args.compute,
            Self::Rank(args) => args.compute,
            Self::Search(args) => args.compute,
            Self::Inspect { .. } | Self::Models { .. } => ComputeArgs::default(),
        }
    }

    /// Does it. The exit code is 0, or 130 after an interruption.
    pub fn run(self) -> anyhow::Result<u8> {
        match self {
            Self::Paint(args) => paint::run(&args),
            Self::Inspect { file, json } => inspect::run(&file, json).map(|()| 0),
            Self::Upscale(args) => upscale::run(&args),
            Self::Rank(args) => clip::rank(&args).map(|()| 0),
            Self::Search(args) => clip::search(&args),
            Self::Models { command: Some(ModelsCommand::Get(args)), .. } => download::get(&args),
            Self::Models { command: Some(ModelsCommand::Starters { json }), .. } => {
                download::starters(json).map(|()| 0)
            }
            Self::Models { command: None, hash, json } => models::run(&library(None).0, hash, json).map(|()| 0),
            Self::Bench(args) => bench::run(&args).map(|()| 0),
        }
    }
}

/// A command line that says something impossible: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What the JSON objects of all subcommands say about their own form. It grows when a field changes its meaning or goes away;
/// new fields may come without.
const JSON_VERSION: u32 = 1;

/// The models on this machine, in `folder` if one is named, in the user's folders, and where the program brings its own; and
/// what the user configured.
fn library(folder: Option<&Path>) -> (Library, Settings) {
    let (folders, settings) = places(folder);
    (Library::discover(&folders), settings)
}

/// The folders of models: `folder` if one is named, and the user's; and what the user configured.
fn places(folder: Option<&Path>) -> (Vec<PathBuf>, Settings) {
    let mut folders: Vec<_> = folder.map(Path::to_owned).into_iter().collect();
    let mut settings = Settings::default();
    match Paths::from_environment() {
        Ok(paths) => {
            let (found, problem) = Settings::load(&paths.settings_file());
            if let Some(problem) = problem {
                tracing::warn!("{problem}");
            }
            folders.extend(paths.model_folders(&found));
            settings = found;
        }
        Err(error) => tracing::warn!("{error}"),
    }
    (folders, settings)
}

/// Writes to standard output. A reader that has seen enough is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow!("the result could not be written to standard output ({error}): free space where it goes"))
        }
        _ => Ok(()),
    }
}

fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

fn sampler_help() -> String {
    let keys: Vec<_> = SamplerName::ALL.iter().map(|sampler| sampler.key()).collect();
    format!("How to get from one noise level to the next: {} [default: what suits the model]", keys.join(", "))
}

fn schedule_help() -> String {
    let keys: Vec<_> = ScheduleName::ALL.iter().map(|schedule| schedule.key()).collect();
    format!("Which noise levels to visit: {} [default: what suits the model]", keys.join(", "))
}

fn sampler_named(name: &str) -> Result<SamplerName, String> {
    let keys = || SamplerName::ALL.iter().map(|sampler| sampler.key()).collect::<Vec<_>>().join(", ");
    SamplerName::from_name(name).ok_or_else(|| format!("there is no such sampler: choose one of {}", keys()))
}

fn emphasis_named(name: &str) -> Result<Emphasis, String> {
    let keys = || Emphasis::ALL.iter().map(|emphasis| emphasis.key()).collect::<Vec<_>>().join(", ");
    Emphasis::from_name(name).ok_or_else(|| format!("there is no such emphasis: choose one of {}", keys()))
}

fn schedule_named(name: &str) -> Result<ScheduleName, String> {
    let keys = || ScheduleName::ALL.iter().map(|schedule| schedule.key()).collect::<Vec<_>>().join(", ");
    ScheduleName::from_name(name).ok_or_else(|| format!("there is no such schedule: choose one of {}", keys()))
}

fn preprocessor_named(name: &str) -> Result<Preprocessor, String> {
    let keys = || Preprocessor::ALL.iter().map(|one| one.key()).collect::<Vec<_>>().join(", ");
    Preprocessor::from_name(name).ok_or_else(|| format!("there is no such way to see lines: choose one of {}", keys()))
}

fn prediction_named(name: &str) -> Result<Prediction, String> {
    Prediction::from_name(name).ok_or_else(|| "there is no such prediction: choose epsilon, v or sample".to_owned())
}

fn precision_named(name: &str) -> Result<Precision, String> {
    Precision::from_name(name).ok_or_else(|| "there is no such precision: choose f32 or bf16".to_owned())
}

fn number_between(text: &str, low: f64, high: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("choose a number between {low} and {high}")),
    }
}

fn whole_between(text: &str, low: u32, high: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("choose a whole number between {low} and {high}")),
    }
}

fn seed_of(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("choose a whole number between 0 and {}, or leave it out for a random one", u64::MAX))
}

fn guidance_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 50.0)
}

fn strength_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 1.0)
}

fn weight_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, 2.0)
}

fn sigma_of(text: &str) -> Result<f64, String> {
    number_between(text, 0.0, Savings::MAX_SIGMA)
}

fn factor_of(text: &str) -> Result<f64, String> {
    number_between(text, 1.0, MAX_FACTOR)
}

fn extent_of(text: &str) -> Result<Extent, String> {
    let sides = text.split_once(['x', 'X', '×']);
    match sides.map(|(width, height)| (width.trim().parse(), height.trim().parse())) {
        Some((Ok(width), Ok(height))) if width > 0 && height > 0 => Ok(Extent::new(width, height)),
        _ => Err("write a size as WIDTHxHEIGHT in pixels, such as 128x128".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_size_is_two_numbers_above_nothing() {
        assert_eq!(extent_of("128x64"), Ok(Extent::new(128, 64)));
        assert_eq!(extent_of("128×64"), Ok(Extent::new(128, 64)));
        for wrong in ["", "128", "x", "0x8", "8x0", "-8x8", "8x8x8", "99999999999x8"] {
            assert!(extent_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_a_number_in_range_is_refused() {
        for wrong in ["NaN", "inf", "-0.1", "1.1", "a lot", ""] {
            assert!(strength_of(wrong).is_err(), "{wrong}");
        }
        assert_eq!(strength_of("0.5"), Ok(0.5));
    }

    #[test]
    fn the_exit_codes_stand_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        for code in ["0 ", "1 ", "2 ", "130 "] {
            assert!(help.contains(&format!("\n  {code}")), "{code} in {help}");
        }
    }
}
