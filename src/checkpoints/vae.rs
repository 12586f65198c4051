//! VAEs apart from models, as people keep them: one file in the names of latent-diffusion or diffusers, a folder of diffusers', or a tiny
//! one (TAESD), whose two halves may be two files.

use super::folder::text_in;
use super::header::{Place, read_places};
use super::ldm::{Prefixed, Reason, Shapes, VAES, VaeNames, vae_of};
use super::renamed::{Names, Piece, Renamed};
use super::stamps::Stamp;
use super::summary::Summary;
use super::weights::{Weights, weight_files};
use super::{Error, Family};
use crate::networks::{AutoencoderKl, AutoencoderKlConfig, AutoencoderTiny, AutoencoderTinyConfig, Vae, VaeConfig};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the weights in a folder.
const STEM: &str = "diffusion_pytorch_model";
/// How the halves of a tiny VAE are called.
const HALVES: [&str; 2] = ["decoder", "encoder"];
/// More layers than a tiny VAE has.
const MAX_LAYERS: usize = 1000;

/// A VAE on this machine, apart from models.
#[derive(Debug)]
pub struct VaeEntry {
    /// The name of its file, without its ending, or of its folder, by which requests and the command line name it.
    pub name: String,
    /// The file or the folder.
    pub path: PathBuf,
    /// What it holds, or why it cannot be used.
    pub summary: Result<VaeSummary, Error>,
}

/// What can be told of a VAE without loading its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaeSummary {
    /// Whether it is one that decodes fast, in little memory, and not as finely.
    pub is_tiny: bool,
    /// Whether pictures can be started from with it: tiny ones may have a decoder alone.
    pub encodes: bool,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// How many picture pixels a side of a latent pixel has.
    pub downscale: usize,
    /// Whether it is for Stable Diffusion XL, where its config or its name says so.
    pub is_of_xl: Option<bool>,
    /// Bytes of its weights on disk.
    pub bytes: u64,
}

impl VaeEntry {
    /// The one at this path; what is something else than a VAE is no broken one, but at home elsewhere.
    pub(super) fn found(path: PathBuf) -> Option<Self> {
        Some(Self::of(path)).filter(|entry| !matches!(entry.summary, Err(Error::NotAVae(_))))
    }

    pub(super) fn of(path: PathBuf) -> Self {
        let summary = VaeFile::open(&path, 1.0).map(|file| file.summary(&path));
        Self { name: super::library::name_of(&path), summary, path }
    }
}

/// Loads a VAE that is tiny, to look at latents with; whatever they are multiplied by, such a one knows.
pub fn load_tiny_vae(path: &Path, device: &Device) -> Result<Vae, Error> {
    VaeFile::open(path, 1.0)?.network(DType::F32, device)
}

impl VaeSummary {
    /// Whether a model can paint with it: its latents are of the same shape, and nothing says that they mean something else.
    pub fn fits(&self, model: &Summary) -> bool {
        let is_xl = model.family.is_some_and(Family::is_xl);
        let is_alike = self.latent_channels == model.unet.out_channels && self.downscale == model.downscale;
        is_alike && self.is_of_xl.is_none_or(|of_xl| model.family.is_none() || of_xl == is_xl)
    }
}

/// Under which names a VAE is written.
#[derive(Clone, Debug)]
enum Layout {
    /// Of latent-diffusion, after a prefix.
    Ldm(&'static str),
    Diffusers,
    /// A tiny one's layers, by number.
    Tiny {
        decoder: Half,
        encoder: Option<Half>,
    },
}

/// How the layers of half a tiny VAE are numbered.
#[derive(Clone, Debug)]
struct Half {
    prefix: &'static str,
    /// What is added to diffusers' numbers: the first layer of TAESD's own decoder has no weights.
    offset: usize,
    /// Another file than the VAE's.
    apart: Option<PathBuf>,
}

/// A file, what lies in it, and what it was when its header was read.
#[derive(Clone, Debug)]
struct FileOfWeights {
    path: PathBuf,
    places: BTreeMap<String, Place>,
    stamp: Stamp,
}

impl FileOfWeights {
    fn read(path: &Path) -> Result<Self, Error> {
        let stamp = Stamp::of(path)?;
        Ok(Self { places: read_places(path)?, path: path.to_owned(), stamp })
    }
}

/// A VAE whose headers were read.
#[derive(Clone, Debug)]
pub(super) struct VaeFile {
    pub(super) config: VaeConfig,
    path: PathBuf,
    layout: Layout,
    files: Vec<FileOfWeights>,
    /// Whether a config says what latents are multiplied by.
    states_scale: bool,
}

impl VaeFile {
    /// Reads the headers of a file or the config and headers of a folder. Latents are multiplied by `scale` where no config says by what.
    pub(super) fn open(path: &Path, scale: f64) -> Result<Self, Error> {
        if path.is_dir() {
            return Self::in_folder(path);
        }
        let file = FileOfWeights::read(path)?;
        let not = || Error::NotAVae(path.to_owned());
        let incomplete = |reason: Reason| Error::Incomplete { reason, path: path.to_owned() };
        let (layout, config) = {
            let shapes = Shapes(&file.places);
            let has = |name: String| shapes.has(&name);
            let ldm =
                VAES.into_iter().chain([""]).find(|prefix| has(format!("{prefix}encoder.down.0.block.0.conv1.weight")));
            if let Some(prefix) = ldm {
                let names = VaeNames { prefix, levels: 0 };
                (Layout::Ldm(prefix), VaeConfig::Kl(vae_of(&shapes, &names, scale).map_err(incomplete)?))
            } else if has("encoder.down_blocks.0.resnets.0.conv1.weight".to_owned()) {
                (Layout::Diffusers, VaeConfig::Kl(vae_of(&shapes, &Prefixed(""), scale).map_err(incomplete)?))
            } else {
                return Self::tiny(path, file.clone()).and_then(|tiny| tiny.ok_or_else(not));
            }
        };
        Ok(Self { config, path: path.to_owned(), layout, files: vec![file], states_scale: false })
    }

    /// A folder of diffusers', whose config says what it is.
    fn in_folder(path: &Path) -> Result<Self, Error> {
        let config_path = path.join("config.json");
        let text = text_in(&config_path)?;
        let wrong = |source| Error::Config { path: config_path.clone(), source };
        let class = super::folder::json_in(&config_path)?;
        let is_tiny = class.get("_class_name").and_then(serde_json::Value::as_str) == Some("AutoencoderTiny");
        let (config, layout) = if is_tiny {
            let half = |prefix| Half { prefix, offset: 0, apart: None };
            let layout = Layout::Tiny { decoder: half("decoder.layers."), encoder: Some(half("encoder.layers.")) };
            (VaeConfig::Tiny(AutoencoderTinyConfig::from_json(&text).map_err(wrong)?), layout)
        } else {
            (VaeConfig::Kl(AutoencoderKlConfig::from_json(&text).map_err(wrong)?), Layout::Diffusers)
        };
        let files = weight_files(path, STEM)?.iter().map(|file| FileOfWeights::read(file)).collect::<Result<_, _>>()?;
        let states_scale = class.get("scaling_factor").is_some();
        Ok(Self { config, path: path.to_owned(), layout, files, states_scale })
    }

    /// A tiny one, if it is: a file of both halves, or the decoder with its encoder beside it, if that is there.
    fn tiny(path: &Path, file: FileOfWeights) -> Result<Option<Self>, Error> {
        let incomplete = |reason: Reason| Error::Incomplete { reason, path: path.to_owned() };
        let half_in = |places: &BTreeMap<String, Place>, prefixes: &[(&'static str, usize)]| {
            let is_it = |(prefix, offset): &&(&str, usize)| {
                places.contains_key(&format!("{prefix}{offset}.weight"))
                    && places
                        .contains_key(&format!("{prefix}{}.conv.0.weight", offset + if *offset == 0 { 1 } else { 2 }))
            };
            prefixes.iter().find(is_it).map(|&(prefix, offset)| Half { prefix, offset, apart: None })
        };
        let of_diffusers = |name: &str| file.places.contains_key(&format!("{name}0.weight"));
        let decoder = if of_diffusers("decoder.layers.") {
            Some(Half { prefix: "decoder.layers.", offset: 0, apart: None })
        } else {
            half_in(&file.places, &[("", 1), ("decoder.", 1), ("taesd_decoder.", 1)])
        };
        let Some(decoder) = decoder else { return Ok(None) };
        let mut files = vec![file];
        let mut encoder = half_in(&files[0].places, &[("encoder.layers.", 0), ("encoder.", 0), ("taesd_encoder.", 0)]);
        if let (None, Some(beside)) = (&encoder, encoder_beside(path)) {
            let file = FileOfWeights::read(&beside)?;
            encoder = half_in(&file.places, &[("", 0), ("encoder.", 0), ("encoder.layers.", 0)])
                .map(|half| Half { apart: Some(beside), ..half });
            files.push(file);
        }
        let config = {
            let of = |half: &Half| Numbered { places: places_of(&files, half, path), half: half.clone() };
            let (width, latent_channels, decoder_blocks) = of(&decoder).way_up().map_err(incomplete)?;
            let encoder = encoder.as_ref().map(|half| of(half).way_down()).transpose().map_err(incomplete)?;
            if encoder.as_ref().is_some_and(|(_, blocks)| blocks.len() != decoder_blocks.len()) {
                return Err(incomplete("its encoder has not as many levels as its decoder".to_owned()));
            }
            AutoencoderTinyConfig { latent_channels, width, decoder_blocks, encoder }
        };
        let layout = Layout::Tiny { decoder, encoder };
        Ok(Some(Self { config: VaeConfig::Tiny(config), path: path.to_owned(), layout, files, states_scale: false }))
    }

    /// Whether one of its files is another by now.
    pub(super) fn is_outdated(&self) -> bool {
        self.files.iter().any(|file| file.stamp.is_outdated(&file.path))
    }

    /// Loads it. A file that was changed since its header was read is refused.
    pub(super) fn network(&self, dtype: DType, device: &Device) -> Result<Vae, Error> {
        self.files.iter().try_for_each(|file| file.stamp.check(&file.path))?;
        let all = || {
            let mut weights = Weights::none();
            self.files.iter().try_for_each(|file| weights.add(&file.path, file.places.clone())).map(|()| weights)
        };
        let network = match (&self.config, &self.layout) {
            (VaeConfig::Kl(config), Layout::Ldm(prefix)) => {
                let names = VaeNames { prefix, levels: config.block_out_channels.len() };
                AutoencoderKl::new(config, Renamed::new(all()?, names).into_builder(dtype, device).into())
                    .map(Vae::from)
            }
            (VaeConfig::Tiny(config), Layout::Tiny { decoder, encoder }) => {
                let half = |half: &Half| -> Result<VarBuilder<'static>, Error> {
                    let weights = match &half.apart {
                        None if self.files.iter().any(|file| file.path == self.path) => {
                            Weights::open_file(&self.path, places_of(&self.files, half, &self.path).clone())?
                        }
                        None => all()?,
                        Some(path) => Weights::open_file(path, places_of(&self.files, half, path).clone())?,
                    };
                    Ok(Renamed::new(weights, half.clone()).into_builder(dtype, device))
                };
                let decoder = half(decoder)?;
                let encoder = encoder.as_ref().map_or_else(|| Ok(decoder.clone()), half)?;
                AutoencoderTiny::new(config, encoder.into(), decoder.into()).map(Vae::from)
            }
            (VaeConfig::Kl(config), _) => {
                AutoencoderKl::new(config, all()?.into_builder(dtype, device).into()).map(Vae::from)
            }
            (VaeConfig::Tiny(_), _) => return Err(Error::NotAVae(self.path.clone())),
        };
        network.map_err(|error| Error::from_candle(&error, &self.path))
    }

    fn summary(&self, path: &Path) -> VaeSummary {
        let name = super::library::name_of(path).to_lowercase();
        let of_scale = match &self.config {
            VaeConfig::Kl(config) if self.states_scale => Family::with_scale(config.scaling_factor).map(Family::is_xl),
            _ => None,
        };
        let of_name = if name.contains("xl") { Some(true) } else { name.starts_with("taesd").then_some(false) };
        VaeSummary {
            is_tiny: matches!(self.config, VaeConfig::Tiny(_)),
            encodes: !matches!(&self.config, VaeConfig::Tiny(tiny) if tiny.encoder.is_none()),
            latent_channels: self.config.latent_channels(),
            downscale: self.config.downscale(),
            is_of_xl: of_scale.or(of_name),
            bytes: self.files.iter().flat_map(|file| file.places.values()).map(|place| place.bytes as u64).sum(),
        }
    }
}

/// The places of the file that a half is in.
fn places_of<'a>(files: &'a [FileOfWeights], half: &Half, own: &Path) -> &'a BTreeMap<String, Place> {
    let path = half.apart.as_deref().unwrap_or(own);
    let found = files.iter().find(|file| file.path == path).or_else(|| files.first());
    &found.expect("a VAE was read from a file").places
}

/// The encoder that belongs to a decoder, by its name.
fn encoder_beside(decoder: &Path) -> Option<PathBuf> {
    let name = decoder.file_name()?.to_str()?;
    let [down, up] = HALVES.map(|half| name.rfind(half));
    let at = down.filter(|_| up.is_none())?;
    let beside = decoder.with_file_name(format!("{}{}{}", &name[..at], HALVES[1], &name[at + HALVES[0].len()..]));
    beside.is_file().then_some(beside)
}

/// `N.rest` to `PREFIX(N + offset).rest`.
impl Names for Half {
    fn find(&self, name: &str) -> Option<(String, Piece)> {
        let (number, rest) = name.split_once('.')?;
        let number: usize = number.parse().ok()?;
        Some((format!("{}{}.{rest}", self.prefix, number + self.offset), Piece::Whole))
    }
}

/// Half a tiny VAE, by diffusers' numbers of layers.
struct Numbered<'a> {
    places: &'a BTreeMap<String, Place>,
    half: Half,
}

impl Numbered<'_> {
    fn has(&self, number: usize, rest: &str) -> bool {
        self.places.contains_key(&format!("{}{}.{rest}", self.half.prefix, number + self.half.offset))
    }

    fn side(&self, number: usize, side: usize) -> Result<usize, Reason> {
        let name = format!("{}{}.weight", self.half.prefix, number + self.half.offset);
        Shapes(self.places).side(&name, side)
    }

    /// How many blocks there are from this layer on, each by itself.
    fn blocks(&self, from: usize) -> usize {
        (from..from + MAX_LAYERS).take_while(|number| self.has(*number, "conv.0.weight")).count()
    }

    /// Width, channels of a latent, and blocks at each level, the last of which ends in a convolution with a bias.
    fn way_up(&self) -> Result<(usize, usize, Vec<usize>), Reason> {
        let (width, latent_channels) = (self.side(0, 0)?, self.side(0, 1)?);
        let (mut number, mut levels) = (2, Vec::new());
        loop {
            let blocks = self.blocks(number);
            levels.push(blocks);
            number += blocks;
            if self.has(number, "weight") {
                return Ok((width, latent_channels, levels));
            }
            if levels.len() >= AutoencoderTinyConfig::MAX_LEVELS {
                return Err(format!("its decoder has more than {} levels", AutoencoderTinyConfig::MAX_LEVELS));
            }
            if !self.has(number + 1, "weight") || number > MAX_LAYERS {
                return Err(format!("the tensor {}{}.weight is missing", self.half.prefix, number + self.half.offset));
            }
            number += 2;
        }
    }

    /// Width, and blocks at each level, each of which begins with a convolution; behind the last there is one more.
    fn way_down(&self) -> Result<(usize, Vec<usize>), Reason> {
        let width = self.side(0, 0)?;
        let (mut number, mut levels) = (1, Vec::new());
        while number < MAX_LAYERS {
            let blocks = self.blocks(number);
            levels.push(blocks);
            number += blocks;
            self.side(number, 0)?;
            number += 1;
            if !self.has(number, "weight") && self.blocks(number) == 0 {
                return Ok((width, levels));
            }
        }
        Err("its encoder does not end".to_owned())
    }
}

/// Whether a file is the encoder of a tiny VAE, which is named by its decoder.
pub(super) fn is_encoder_alone(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rfind(HALVES[1]).is_some_and(|at| {
        let decoder = format!("{}{}{}", &name[..at], HALVES[0], &name[at + HALVES[1].len()..]);
        path.with_file_name(decoder).is_file()
    })
}
