use super::Precision;
use crate::networks::{ConfigError, NotAnUpscaler, is_out_of_memory};
use std::path::{Path, PathBuf};

/// Why a model cannot be used, in words for who chose it: what, what to do, where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No model of this name.
    #[error("there is no model named {name}: {}", known_models(known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A precision that the CPU does not multiply in.
    #[error(
        "the CPU does not multiply in {}, which takes {}: choose f32 as the precision", .0.name(), what_multiplies(*.0)
    )]
    NoPrecision(Precision),
    /// Another precision than those of a GPU.
    #[error(
        "on a GPU networks multiply in f16 or f32, not in {}: choose one of these as the precision, or compute on the CPU (`--device cpu`)", .0.name()
    )]
    NoPrecisionOnGpu(Precision),
    /// The model is not there.
    #[error("there is no such file or folder: {}", .0.display())]
    NoFolder(PathBuf),
    /// The folder holds something else.
    #[error("this is not a model folder: a diffusers folder has a model_index.json, choose the folder that holds it: {}", .0.display())]
    NotAModel(PathBuf),
    /// A folder for another kind of pipeline.
    #[error("the model's {part} is a {found}, which is not supported yet; a Stable Diffusion folder has a {expected}: {}", path.display())]
    Unsupported {
        /// Which part.
        part: String,
        /// Its class.
        found: String,
        /// The class that is supported.
        expected: &'static str,
        /// The folder's index.
        path: PathBuf,
    },
    /// A file of something else than a checkpoint.
    #[error("this file is no checkpoint to paint with ({reason}): a checkpoint holds a U-Net, a VAE and a text encoder; choose another file: {}", path.display())]
    NotACheckpoint {
        /// What it is, or what it lacks.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint that has not all parts, and nothing to take them from.
    #[error(
        "this checkpoint has {lacks} of its own, and there is no whole model of {family} to take what it lacks from: put one into the folder of \
         models, or name one (`--parts-from MODEL`): {}", path.display()
    )]
    Lacks {
        /// What.
        lacks: &'static str,
        /// Of what it is.
        family: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A model from which nothing can be taken.
    #[error("the parts that the checkpoint lacks cannot be taken from this model: {reason}; choose a whole one of the same family: {}", path.display())]
    NoLender {
        /// Why.
        reason: String,
        /// The model.
        path: PathBuf,
    },
    /// A file of something else than a VAE.
    #[error("this file is no VAE that can be used: one holds an encoder and a decoder in the names of latent-diffusion or diffusers, or a tiny decoder (TAESD); choose another file: {}", .0.display())]
    NotAVae(PathBuf),
    /// A tiny VAE without an encoder, for a picture to start from.
    #[error("this VAE has a decoder alone, and cannot start from a picture: put the file of its encoder beside it, or choose another VAE: {}", .0.display())]
    NoEncoder(PathBuf),
    /// No VAE of this name.
    #[error("there is no VAE named {name}: {}", known_vaes(known))]
    UnknownVae {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A checkpoint of a family that is not built.
    #[error("this file is {found}, which is not supported yet; choose a checkpoint of Stable Diffusion 1, 2 or XL: {}", path.display())]
    UnsupportedCheckpoint {
        /// What it is.
        found: String,
        /// The file.
        path: PathBuf,
    },
    /// A file that was written to after it was looked at.
    #[error("this file was changed since it was looked at: paint once more, and it is read anew: {}", .0.display())]
    Changed(PathBuf),
    /// A checkpoint whose tensors do not make the networks.
    #[error("the checkpoint is not whole ({reason}); copy or download the file anew: {}", path.display())]
    Incomplete {
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A file of something else than a `LoRA`.
    #[error("this file is no LoRA that can be used: it has no layer of a U-Net or a text encoder in the names of kohya, diffusers or PEFT; choose another file: {}", .0.display())]
    NotALora(PathBuf),
    /// A `LoRA` for another kind of model.
    #[error("the LoRA {lora} does not fit the model {model}: {made_for}; leave it out, or choose a model that it was made for: {}", path.display())]
    Misfit {
        /// The `LoRA`.
        lora: String,
        /// What it was made for.
        made_for: String,
        /// The model.
        model: String,
        /// The `LoRA`'s file.
        path: PathBuf,
    },
    /// A file of something else than a learned word.
    #[error("this file is no embedding that can be used: one holds 1 to 75 vectors for a text encoder; choose another file: {}", .0.display())]
    NotAnEmbedding(PathBuf),
    /// No `LoRA` of this name.
    #[error("there is no LoRA named {name}: {}", known_loras(known))]
    UnknownLora {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A file that the folder must have is not there.
    #[error("a file of the model is missing; copy the whole folder from where it came from: {}", .0.display())]
    MissingFile(PathBuf),
    /// A file cannot be read.
    #[error("a file of the model cannot be read ({source}): {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of weights ends too early.
    #[error("the weights are cut short: {found} bytes instead of {expected}; copy or download the file anew: {}", path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// How long it should be.
        expected: u64,
        /// How long it is.
        found: u64,
    },
    /// A file of weights is not safetensors.
    #[error("the weights are damaged ({reason}); copy or download the file anew: {}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Weights that the config asks for are not in the file.
    #[error("the tensor {tensor} is missing from the weights, which are cut down or do not belong to their config.json; copy the whole model anew: {}", path.display())]
    MissingTensor {
        /// Its name.
        tensor: String,
        /// Which folder.
        path: PathBuf,
    },
    /// Weights have another shape than the network.
    #[error("the tensor {tensor} is {found:?} but must be {expected:?}: the weights do not belong to their config.json; copy the whole model anew: {}", path.display())]
    WrongShape {
        /// Its name.
        tensor: String,
        /// The shape that it must have.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
        /// Which folder.
        path: PathBuf,
    },
    /// A pickle that asks for something else than weights.
    #[error(
        "this file is refused: it asks {what}, which weights have no use for and harmful files do. Nothing of it was run; get the \
         network as .safetensors, or from someone you trust: {}", path.display()
    )]
    Refused {
        /// What it asks.
        what: String,
        /// Which file.
        path: PathBuf,
    },
    /// A file of weights that is no upscaler.
    #[error("this is no upscaler that can be used: {source}; choose another file: {}", path.display())]
    NotAnUpscaler {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NotAnUpscaler,
    },
    /// No upscaler of this name.
    #[error("there is no upscaler named {name}: {}", known_upscalers(known))]
    UnknownUpscaler {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No `ControlNet` of this name.
    #[error("there is no ControlNet named {name}: {}", known_controlnets(known))]
    UnknownControlNet {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A folder that is no CLIP.
    #[error(
        "this is no CLIP: its folder has a config.json or an open_clip_config.json, weights and the tokenizer's files; choose the \
         folder that holds them: {}", .0.display()
    )]
    NotAClip(PathBuf),
    /// No CLIP of this name.
    #[error("there is no CLIP named {name}: {}", known_clips(known))]
    UnknownClip {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A config cannot be followed.
    #[error("this config cannot be followed: {source}: {}", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// Which field, and why.
        #[source]
        source: ConfigError,
    },
    /// Two parts of the model contradict each other.
    #[error("the model's parts do not fit together: {reason}: {}", path.display())]
    Mismatch {
        /// How.
        reason: String,
        /// The folder.
        path: PathBuf,
    },
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] crate::prompt::Error),
    /// The device refused.
    #[error("the weights cannot be put on the device ({reason}): close other programs or choose another device: {}", path.display())]
    Device {
        /// Why.
        reason: String,
        /// Which folder.
        path: PathBuf,
    },
}

impl Error {
    /// What candle found wrong while a network was built from the weights in `folder`.
    pub(super) fn from_candle(error: &candle_core::Error, folder: &Path) -> Self {
        let path = folder.to_owned();
        if is_out_of_memory(error) {
            return Self::Device { reason: "it has too little memory".to_owned(), path };
        }
        match error {
            candle_core::Error::WithBacktrace { inner, .. } | candle_core::Error::Context { inner, .. } => {
                Self::from_candle(inner, folder)
            }
            candle_core::Error::CannotFindTensor { path: tensor } => {
                Self::MissingTensor { tensor: tensor.clone(), path }
            }
            candle_core::Error::UnexpectedShape { msg, expected, got } => Self::WrongShape {
                tensor: msg.clone(),
                expected: expected.dims().to_vec(),
                found: got.dims().to_vec(),
                path,
            },
            candle_core::Error::Io(error) => {
                Self::Read { path, source: std::io::Error::new(error.kind(), error.to_string()) }
            }
            candle_core::Error::Msg(reason) => Self::Mismatch { reason: reason.clone(), path },
            other => Self::Device { reason: other.to_string().lines().next().unwrap_or_default().to_owned(), path },
        }
    }
}

fn what_multiplies(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "any processor",
        Precision::F16 => "a GPU and a program that was built for it",
        Precision::Bf16 => "a processor with AVX-512 BF16",
        Precision::Int8 => "a processor with AMX, AVX-512 VNNI or AVX-VNNI",
    }
}

fn known_models(known: &[String]) -> String {
    if known.is_empty() {
        "there is none on this machine; give the path of a checkpoint or of a diffusers folder".to_owned()
    } else {
        format!("choose one of {}, or give the path of a checkpoint or of a diffusers folder", known.join(", "))
    }
}

fn known_clips(known: &[String]) -> String {
    if known.is_empty() {
        "there is none on this machine; put its folder into the folder `clip` in the folder of models".to_owned()
    } else {
        format!("choose one of {}, or give the path of a folder", known.join(", "))
    }
}

fn known_upscalers(known: &[String]) -> String {
    if known.is_empty() {
        "there is none on this machine; put one (.pth or .safetensors) into the folder `upscalers` in the folder of models".to_owned()
    } else {
        format!("choose one of {}, or give the path of a file", known.join(", "))
    }
}

fn known_vaes(known: &[String]) -> String {
    if known.is_empty() {
        "there is none on this machine; put one (.safetensors) into the folder `vae` in the folder of models".to_owned()
    } else {
        format!("choose one of {}, or give the path of a file", known.join(", "))
    }
}

fn known_loras(known: &[String]) -> String {
    if known.is_empty() {
        "there is none on this machine; put one (.safetensors) into the folder `loras` in the folder of models"
            .to_owned()
    } else {
        format!("choose one of {}", known.join(", "))
    }
}

fn known_controlnets(known: &[String]) -> String {
    if known.is_empty() {
        "there is none on this machine; put one in the layout of diffusers into the folder `controlnet` in the folder of models".to_owned()
    } else {
        format!("choose one of {}", known.join(", "))
    }
}
