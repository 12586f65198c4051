//! Where a model is on disk: a folder of diffusers' or one file, and other files that lend what it lacks; and what their configs say.

use super::folder::{Folder, TextFolder, json_in};
use super::ldm::SingleFile;
use super::library::name_of;
use super::stamps::Stamps;
use super::vae::VaeFile;
use super::{Distilled, Error, Family, PredictionSource, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{Addition, AutoencoderKlConfig, ClipTextConfig, Output, UNetConfig, VaeConfig};
use crate::prompt::Tokenizer;
use std::path::{Path, PathBuf};

/// Everything that configs say of a model.
#[derive(Clone, Debug)]
pub(super) struct Configs {
    /// At least one.
    pub(super) texts: Vec<ClipTextConfig>,
    pub(super) unet: UNetConfig,
    pub(super) vae: VaeConfig,
    pub(super) training: Training,
    pub(super) suggestion: Suggestion,
    pub(super) empty_is_zero: bool,
}

/// What is known of a U-Net and of how it was trained.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) unet: UNetConfig,
    pub(super) training: Training,
    pub(super) suggestion: Suggestion,
    pub(super) empty_is_zero: bool,
}

impl Configs {
    /// Checks that they fit together.
    pub(super) fn check(&self, path: &Path) -> Result<(), Error> {
        let mismatch = |reason: String| Err(Error::Mismatch { reason, path: path.to_owned() });
        let (unet, vae) = (&self.unet, &self.vae);
        let found: usize = self.texts.iter().map(|text| text.layers.hidden_size).sum();
        if let Some(level) = unet.levels.iter().find(|level| level.conditioning_width != found) {
            let width = level.conditioning_width;
            return mismatch(format!("the text encoder is {found} wide, the U-Net expects {width}"));
        }
        if let Some(Addition { number_width, inputs }) = unet.addition {
            let pooled = self.texts.last().and_then(|text| text.projection).unwrap_or(0);
            if ![5, 6].map(|numbers| pooled + numbers * number_width).contains(&inputs) {
                return mismatch(format!(
                    "the U-Net expects {inputs} numbers beside the words, the pooled text has {pooled} and five or six more are \
                     {number_width} wide"
                ));
            }
        }
        let sees_latent = unet.in_channels == unet.out_channels || unet.sees_mask() || unet.sees_picture();
        if !sees_latent || unet.out_channels != vae.latent_channels() {
            let (inputs, outputs, latent) = (unet.in_channels, unet.out_channels, vae.latent_channels());
            return mismatch(format!("the U-Net takes {inputs} channels and gives {outputs}, the VAE has {latent}"));
        }
        if let VaeConfig::Kl(vae) = vae
            && (vae.in_channels != 3 || vae.out_channels != 3)
        {
            return mismatch(format!(
                "the VAE takes {} channels and gives {}, not RGB",
                vae.in_channels, vae.out_channels
            ));
        }
        Ok(())
    }
}

/// The size that a U-Net was trained at; 64 latent pixels a side where its config does not say.
pub(super) fn native_extent(unet: &UNetConfig, downscale: usize) -> Extent {
    let (height, width) = unet.sample_size.unwrap_or((64, 64));
    let downscale = downscale as u32;
    Extent::new((width as u32).saturating_mul(downscale), (height as u32).saturating_mul(downscale))
}

/// How a model lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder in the layout of diffusers.
    Folder,
    /// One .safetensors file.
    Safetensors,
    /// One file of `torch.save`.
    Torch,
    /// One GGUF file.
    Gguf,
}

impl Format {
    /// How it is spelled in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Folder => "diffusers",
            Self::Safetensors => "safetensors",
            Self::Torch => "torch",
            Self::Gguf => "gguf",
        }
    }
}

/// Where a model's networks are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Folder(Folder),
    File(SingleFile),
}

impl Source {
    /// Reads a folder's index or a file's header.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if path.is_file() { SingleFile::open(path).map(Self::File) } else { Folder::open(path).map(Self::Folder) }
    }

    /// The paths that tell whether what was read of it is still so, where it has no stamp of its own as files have.
    fn read_from(&self) -> Vec<PathBuf> {
        match self {
            Self::Folder(folder) => folder.read_from(),
            Self::File(_) => Vec::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => &folder.path,
            Self::File(file) => &file.path,
        }
    }

    /// What is known of its U-Net, and where what the network's output means is from.
    pub(super) fn facts(&self) -> Result<(Facts, PredictionSource), Error> {
        let (mut facts, source) = match self {
            Self::File(file) => file.facts()?,
            Self::Folder(folder) => (Self::facts_of(folder)?, PredictionSource::Config),
        };
        // One that is told the guidance scale is one whatever it is called.
        if facts.unet.guidance_width.is_some() {
            facts.suggestion.distilled = Some(Distilled::Lcm);
        }
        Ok((facts, source))
    }

    fn facts_of(folder: &Folder) -> Result<Facts, Error> {
        let unet = folder.config("unet", "config.json", UNetConfig::from_json)?;
        let is_xl = unet.addition.is_some();
        let scheduler = json_in(&folder.part("scheduler").join("scheduler_config.json"))?;
        let of_scheduler =
            Suggestion { distilled: Distilled::in_scheduler(&scheduler, &unet), ..Suggestion::default() };
        let of_name = Suggestion::of_names([name_of(&folder.path).as_str()]);
        Ok(Facts {
            empty_is_zero: folder.empty_is_zero.unwrap_or(is_xl),
            unet,
            training: folder.config("scheduler", "scheduler_config.json", Training::from_json)?,
            suggestion: Suggestion::load(&folder.path)?.or(of_name).or(of_scheduler),
        })
    }

    pub(super) fn text_configs(&self) -> Result<Vec<ClipTextConfig>, Error> {
        let folder = match self {
            Self::File(file) => return file.text_configs(),
            Self::Folder(folder) => folder,
        };
        let unet = folder.config("unet", "config.json", UNetConfig::from_json)?;
        // What came with Stable Diffusion XL: more than words, and words from before the end.
        let output = if unet.addition.is_some() { Output::Penultimate } else { Output::Last };
        let text = |text: &&TextFolder| {
            let read = if text.projects { ClipTextConfig::with_projection } else { ClipTextConfig::from_json };
            Ok(ClipTextConfig { output, ..folder.config(text.part, "config.json", read)? })
        };
        folder.texts.iter().map(text).collect()
    }

    fn vae_config(&self) -> Result<AutoencoderKlConfig, Error> {
        match self {
            Self::Folder(folder) => folder.config("vae", "config.json", AutoencoderKlConfig::from_json),
            Self::File(file) => file.vae_config(),
        }
    }

    fn has_texts(&self) -> bool {
        matches!(self, Self::Folder(_)) || matches!(self, Self::File(file) if file.has_texts())
    }

    fn has_vae(&self) -> bool {
        matches!(self, Self::Folder(_)) || matches!(self, Self::File(file) if file.has_vae())
    }

    /// What a whole model has and this has not, in words; nothing where it is whole.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        match (self.has_texts(), self.has_vae()) {
            (true, true) => None,
            (false, true) => Some("no text encoder"),
            (true, false) => Some("no VAE"),
            (false, false) => Some("no text encoder and no VAE"),
        }
    }

    /// The family that it is of, if any.
    pub(super) fn family(&self) -> Result<Option<&'static Family>, Error> {
        match self {
            Self::File(file) => Ok(Some(file.family)),
            Self::Folder(_) => {
                let (unet, vae, texts) = (self.facts()?.0.unet, self.vae_config()?, self.text_configs()?);
                let (channels, scale) = (vae.latent_channels, vae.scaling_factor);
                let by_width = Family::of(unet.conditioning_width(), channels, scale);
                Ok(by_width.or_else(|| Family::built_as(&texts, unet.addition.is_some(), channels, scale)))
            }
        }
    }

    pub(super) fn format(&self) -> Format {
        match self {
            Self::Folder(_) => Format::Folder,
            Self::File(file) => file.format,
        }
    }

    /// A file beside a folder's parts that is about one of them; a model in one file has none.
    pub(super) fn file_about(&self, part: &str, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.file_about(part, name),
            Self::File(file) => file.path.join(name),
        }
    }

    pub(super) fn tokenizer(&self, index: usize) -> Result<Tokenizer, Error> {
        match self {
            Self::Folder(folder) => Ok(Tokenizer::load(&folder.part(folder.texts[index].tokenizer))?),
            Self::File(file) => Ok(file.tokenizer(index)),
        }
    }
}

/// How many tokens CLIP's text encoders take at once.
const CLIP_LENGTH: usize = 77;

/// The first tokenizer of the model at this path, and how many tokens its text encoder takes at once. No weights are read.
pub fn tokenizer(path: &Path) -> Result<(Tokenizer, usize), Error> {
    let source = Source::open(path)?;
    // A U-Net alone takes the text encoder of another model of its family, which is CLIP's.
    let length = source.text_configs()?.first().map_or(CLIP_LENGTH, |text| text.max_position_embeddings);
    Ok((source.tokenizer(0)?, length))
}

/// Where all of a model is: in its own files and, for what they lack or a person would have otherwise, in others.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) own: Source,
    /// The model whose text encoders and VAE are taken where its own files have none.
    pub(super) lender: Option<Source>,
    /// The VAE that a person chose.
    pub(super) vae: Option<VaeFile>,
    /// What its latents are multiplied by.
    pub(super) latent_scale: f64,
    /// Of folders, as they were before their weights and their tokenizers were read, and without a lender their configs.
    folders: Stamps,
}

impl Sources {
    /// Reads indices and headers. Without a lender, what has not all parts is an error.
    pub(super) fn open(path: &Path, lender: Option<&Path>) -> Result<Self, Error> {
        let own = Source::open(path)?;
        let lender = match (own.lacks(), lender) {
            (None, _) => None,
            (Some(_), Some(lender)) => Some(Source::open(lender)?),
            (Some(lacks), None) => {
                let family = own.family()?.map_or("its family", |family| family.name);
                return Err(Error::Lacks { lacks, family, path: path.to_owned() });
            }
        };
        if let Some(lender) = &lender {
            let (ours, theirs) = (own.family()?, lender.family()?);
            let name = |family: Option<&Family>| family.map_or("an unknown family", |family| family.name);
            if lender.lacks().is_some() || (theirs.is_some() && theirs != ours) {
                let reason = match lender.lacks() {
                    Some(lacks) => format!("it has {lacks} itself"),
                    None => format!("it is of {}, not of {}", name(theirs), name(ours)),
                };
                return Err(Error::NoLender { reason, path: lender.path().to_owned() });
            }
        }
        Self::put_together(own, lender)
    }

    /// Of a whole model.
    pub(super) fn of(own: Source) -> Result<Self, Error> {
        Self::put_together(own, None)
    }

    fn put_together(own: Source, lender: Option<Source>) -> Result<Self, Error> {
        let folders = Stamps::of(own.read_from().into_iter().chain(lender.iter().flat_map(Source::read_from)));
        let mut sources = Self { own, lender, vae: None, latent_scale: 0.0, folders };
        sources.latent_scale = sources.whole_vae().vae_config()?.scaling_factor;
        Ok(sources)
    }

    /// Whether what was read of them is still so, as far as can be seen: one that is out of sight stays what it was.
    pub(super) fn are_current(&self) -> bool {
        let is_outdated = |source: &Source| matches!(source, Source::File(file) if file.is_outdated());
        !(is_outdated(&self.own) || self.lender.as_ref().is_some_and(is_outdated) || self.folders.are_outdated())
    }

    /// Where its text encoders are.
    pub(super) fn texts(&self) -> &Source {
        self.lender.as_ref().filter(|_| !self.own.has_texts()).unwrap_or(&self.own)
    }

    /// Where its VAE is, unless a person chose one.
    pub(super) fn whole_vae(&self) -> &Source {
        self.lender.as_ref().filter(|_| !self.own.has_vae()).unwrap_or(&self.own)
    }

    pub(super) fn vae_config(&self) -> Result<VaeConfig, Error> {
        match &self.vae {
            Some(file) => Ok(file.config.clone()),
            None => self.whole_vae().vae_config().map(VaeConfig::Kl),
        }
    }

    /// What its configs say, checked to fit together, and where what the network's output means is from.
    pub(super) fn configs(&self) -> Result<(Configs, PredictionSource), Error> {
        let (facts, source) = self.own.facts()?;
        let Facts { unet, training, suggestion, empty_is_zero } = facts;
        let (texts, vae) = (self.texts().text_configs()?, self.vae_config()?);
        let configs = Configs { texts, unet, vae, training, suggestion, empty_is_zero };
        configs.check(self.own.path())?;
        Ok((configs, source))
    }
}
