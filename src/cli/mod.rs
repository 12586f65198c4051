//! The subcommands: the same engine and the same requests as the window, without one. What a script needs goes to standard
//! output (paths, tables, one JSON object); what a person wants to see meanwhile goes to standard error.

mod args;
mod bench;
mod clip;
mod compute;
mod describe;
mod download;
mod inspect;
mod models;
mod output;
mod paint;
mod parse;
mod plan;
mod report;
mod reproducing;
mod upscale;

pub use args::{
    BenchArgs, ControlArgs, GetArgs, HintArg, MaskingArgs, PaintArgs, RankArgs, SavingsArgs, SearchArgs, TuningArgs,
    UpscaleArgs,
};
pub use compute::ComputeArgs;
pub use describe::sentence;
pub use reproducing::ReproduceArgs;

use crate::checkpoints::{Library, PackedFolder};
use crate::settings::{Paths, Settings};
use anyhow::anyhow;
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const EXIT_CODES: &str = "Exit codes:\n  0    done\n  1    failed: the sentence on standard error says why and what to do\n  \
    2    the command line cannot be carried out as it is written\n  \
    130  interrupted by Ctrl+C; finished pictures are kept, and so is the current one if a step of it was made";

/// Paint with diffusion models on your own machine. Without a subcommand: opens the window.
#[derive(Debug, Parser)]
#[command(name = "sfumato", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Projects and pictures to open in the window: the first is worked on, further pictures are layers over it
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// What the command line says. One that makes no sense ends the program, and says why.
    pub fn from_command_line() -> Self {
        Self::try_parse().unwrap_or_else(|error| without_odd_tips(error).exit())
    }
}

/// The same without the tip to write behind `--` what looks like an option that there is not: it is one that was misspelled, and no prompt.
fn without_odd_tips(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().contains(" as a value, use "));
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    error
}

/// What can be done without a window.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Paint pictures and write them as PNG files that carry their settings
    #[command(after_help = EXIT_CODES)]
    Paint(Box<PaintArgs>),
    /// Say what a picture was made with, or what is in a project, a model folder or a file of weights
    #[command(after_help = EXIT_CODES)]
    Inspect {
        /// A PNG, JPEG, WebP or TIFF picture, a project (.sfumato, .ora), a model folder, a file of weights (.safetensors, .gguf, .ckpt, .pt), or an upscaler's .pth file
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
                eprintln!("sfumato: {problem}");
            }
            folders.extend(paths.model_folders(&found));
            settings = found;
        }
        Err(error) => tracing::warn!("{error}"),
    }
    (folders, settings)
}

/// Where packed weights are kept; nowhere where the program has no folder of its own.
fn packed_folder(settings: &Settings) -> Option<PackedFolder> {
    let paths = Paths::from_environment().ok()?;
    Some(PackedFolder::new(paths.packed_folder(), settings.packed_gigabytes))
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_exit_codes_stand_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        for code in ["0 ", "1 ", "2 ", "130 "] {
            assert!(help.contains(&format!("\n  {code}")), "{code} in {help}");
        }
    }
}
