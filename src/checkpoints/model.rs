use super::folder::{Folder, STEM, TEXT_STEM, TextFolder};
use super::held::Held;
use super::ldm::{SingleFile, UNetNames};
use super::lora::{Adapted, Layer, Lora, LoraWeights, Net, OtherName, TEXT_NETS};
use super::vae::VaeFile;
use super::weights::Weights;
use super::{Error, Family, LatentToRgb, Precision, Prediction, PredictionSource, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{
    Addition, AutoencoderKl, AutoencoderKlConfig, ClipText, ClipTextConfig, Output, UNet, UNetConfig, Vae, VaeConfig,
};
use crate::prompt::{TaughtWords, Tokenizer};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Weights, and what must be known to use them.
#[derive(Debug)]
pub struct Model {
    /// The name of its folder or file.
    pub name: String,
    /// The kind of model, where it is a known one.
    pub family: Option<&'static Family>,
    /// The noise that it was trained on.
    pub training: Training,
    /// What the U-Net's output means.
    pub prediction: Prediction,
    /// From texts to conditioning, side by side: one, or two where the first has not all to say.
    pub texts: Vec<TextEncoder>,
    /// Whether nothing at all stands in the place of an empty negative prompt.
    pub empty_is_zero: bool,
    /// The words that mean something to it, where they are few.
    pub taught: Option<TaughtWords>,
    /// Noisy latent to prediction.
    pub unet: Held<UNet>,
    /// Picture to latent and back.
    pub vae: Held<Vae>,
    /// Latent to a small picture.
    pub preview: LatentToRgb,
    /// The size that it was trained at.
    pub native_extent: Extent,
    /// What its makers say suits it.
    pub suggestion: Suggestion,
    /// Where the weights are; what the networks are given must be there too, in f32.
    pub device: Device,
    /// Where the networks come from.
    parts: Arc<Parts>,
}

/// Text to conditioning.
#[derive(Debug)]
pub struct TextEncoder {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// What is known of the network without its weights.
    pub config: ClipTextConfig,
    /// Ids to conditioning.
    pub network: Held<ClipText>,
}

impl TextEncoder {
    fn new(parts: &Arc<Parts>, index: usize, tokenizer: Tokenizer) -> Self {
        let (config, parts) = (parts.configs.texts[index].clone(), Arc::clone(parts));
        Self { tokenizer, config, network: Held::new(move || parts.text_encoder(index)) }
    }
}

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
    fn check(&self, path: &Path) -> Result<(), Error> {
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

impl Model {
    /// Loads a diffusers folder or a checkpoint in one file, whatever the precision of its weights; `precision` is what the networks
    /// multiply in.
    pub fn load(path: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        Self::load_with(path, None, device, precision)
    }

    /// As [`Self::load`]; what the file lacks, text encoders or VAE, is taken from the model at `lender`.
    pub fn load_with(path: &Path, lender: Option<&Path>, device: &Device, precision: Precision) -> Result<Self, Error> {
        let model = Self::described(path, lender, device, precision)?;
        for text in &model.texts {
            text.network.get()?;
        }
        model.unet.get()?;
        model.vae.get()?;
        Ok(model)
    }

    /// As [`Self::load_with`], but each network's weights are loaded when it is first used. Only those of the VAE are read now, and given
    /// back: it is the last to be used, and what is wrong with it should not be found out after a picture's work.
    pub fn open(path: &Path, lender: Option<&Path>, device: &Device, precision: Precision) -> Result<Self, Error> {
        let model = Self::described(path, lender, device, precision)?;
        model.vae.once_loaded()?;
        Ok(model)
    }

    /// Without weights.
    fn described(path: &Path, lender: Option<&Path>, device: &Device, precision: Precision) -> Result<Self, Error> {
        let parts = Arc::new(Parts::open_with(path, lender, device, precision)?);
        let configs = &parts.configs;
        let text = |(index, config): (usize, &ClipTextConfig)| {
            let tokenizer = parts.sources.texts().tokenizer(index)?;
            let (largest, vocab) = (tokenizer.largest_id(), config.vocab_size);
            if largest as usize >= vocab {
                let reason = format!("the tokenizer has a token {largest}, the text encoder only {vocab} in all");
                return Err(Error::Mismatch { reason, path: path.to_owned() });
            }
            Ok(TextEncoder::new(&parts, index, tokenizer))
        };
        let texts = configs.texts.iter().enumerate().map(text).collect::<Result<_, _>>()?;
        let (own, channels) = (&parts.sources.own, configs.vae.latent_channels());
        Ok(Self {
            name: super::library::name_of(path),
            family: own.family()?,
            preview: LatentToRgb::load(&own.file_about("vae", "preview.json"), channels, parts.sources.latent_scale)?,
            native_extent: native_extent(&configs.unet, configs.vae.downscale()),
            prediction: configs.training.prediction,
            suggestion: configs.suggestion,
            training: configs.training.clone(),
            empty_is_zero: configs.empty_is_zero,
            texts,
            taught: taught_words(&parts.sources.texts().file_about("text_encoder", "words.txt"))?,
            unet: Self::unet_of(&parts),
            vae: Self::vae_of(&parts),
            device: device.clone(),
            parts,
        })
    }

    fn unet_of(parts: &Arc<Parts>) -> Held<UNet> {
        let parts = Arc::clone(parts);
        Held::new(move || parts.unet())
    }

    fn vae_of(parts: &Arc<Parts>) -> Held<Vae> {
        let parts = Arc::clone(parts);
        Held::new(move || parts.vae())
    }

    /// What is known of the U-Net without its weights.
    pub fn unet_config(&self) -> &UNetConfig {
        &self.parts.configs.unet
    }

    /// What is known of the VAE without its weights.
    pub fn vae_config(&self) -> &VaeConfig {
        &self.parts.configs.vae
    }

    /// What its latents are multiplied by.
    pub fn latent_scale(&self) -> f64 {
        self.parts.sources.latent_scale
    }

    /// The same model with the VAE in this file or folder, or without one its own again; all else stays as it is. What does not fit leaves
    /// the model as it was.
    pub fn use_vae(&mut self, path: Option<&Path>) -> Result<(), Error> {
        let mut parts = (*self.parts).clone();
        parts.sources.vae = path.map(|path| VaeFile::open(path, parts.sources.latent_scale)).transpose()?;
        parts.configs.vae = parts.sources.vae_config()?;
        parts.configs.check(path.unwrap_or(parts.sources.own.path()))?;
        let parts = Arc::new(parts);
        let vae = Self::vae_of(&parts);
        if self.vae.is_loaded() {
            vae.get()?;
        }
        // What texts and U-Net are loaded from is the same as before.
        (self.vae, self.parts) = (vae, parts);
        Ok(())
    }

    /// The same model with these `LoRA`s, and no others, in U-Net and text encoder, whose weights are read anew; all else stays as it is.
    /// Whether they fit is checked before: a `LoRA` that does not leaves the model to who asked.
    pub fn with_loras(self, loras: Vec<(Arc<Lora>, LoraWeights)>) -> Result<Self, Error> {
        let layers = self.layers()?;
        let name = &self.name;
        loras.iter().try_for_each(|(lora, _)| lora.check(name, &layers))?;
        let before = &self.parts.loras;
        let changed = |net| before.iter().chain(&loras).any(|(lora, _)| lora.changes(net));
        let (unet_changed, texts_changed) = (changed(Net::Unet), TEXT_NETS.map(changed));
        let parts = Arc::new(Parts { loras, ..(*self.parts).clone() });
        let Self { texts, mut unet, .. } = self;
        // Two of them at once may be more than the machine holds.
        if unet_changed {
            let was_loaded = unet.is_loaded();
            unet.give_back();
            unet = Self::unet_of(&parts);
            if was_loaded {
                unet.get()?;
            }
        }
        let text = |(index, text): (usize, TextEncoder)| {
            if !texts_changed[index] {
                return Ok(text);
            }
            let changed = TextEncoder::new(&parts, index, text.tokenizer);
            if text.network.is_loaded() {
                changed.network.get()?;
            }
            Ok(changed)
        };
        let texts = texts.into_iter().enumerate().map(text).collect::<Result<_, Error>>()?;
        Ok(Self { texts, unet, parts, ..self })
    }

    /// Checks that a `LoRA` was made for such a model.
    pub fn check(&self, lora: &Lora) -> Result<(), Error> {
        lora.check(&self.name, &self.layers()?)
    }

    /// Frees the memory of all networks until they are asked for again.
    pub fn give_back(&self) {
        self.texts.iter().for_each(|text| text.network.give_back());
        self.unet.give_back();
        self.vae.give_back();
    }

    /// What `LoRA`s can change, which is known of networks that were loaded.
    fn layers(&self) -> Result<Vec<Layer>, Error> {
        let layers = self.parts.layers();
        let has = |net| layers.iter().any(|layer| layer.net == net);
        if has(Net::Unet) && self.texts.iter().zip(TEXT_NETS).all(|(_, net)| has(net)) {
            return Ok(layers);
        }
        self.unet.once_loaded()?;
        for text in &self.texts {
            text.network.once_loaded()?;
        }
        Ok(self.parts.layers())
    }
}

/// The words of a model's file `words.txt`, where there is one.
fn taught_words(path: &Path) -> Result<Option<TaughtWords>, Error> {
    path.is_file().then(|| Ok(TaughtWords::parse(&super::folder::text_in(path)?))).transpose()
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

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => &folder.path,
            Self::File(file) => &file.path,
        }
    }

    /// What is known of its U-Net, and where what the network's output means is from.
    pub(super) fn facts(&self) -> Result<(Facts, PredictionSource), Error> {
        let folder = match self {
            Self::File(file) => return file.facts(),
            Self::Folder(folder) => folder,
        };
        let unet = folder.config("unet", "config.json", UNetConfig::from_json)?;
        let facts = Facts {
            empty_is_zero: folder.empty_is_zero.unwrap_or(unet.addition.is_some()),
            unet,
            training: folder.config("scheduler", "scheduler_config.json", Training::from_json)?,
            suggestion: Suggestion::load(&folder.path)?,
        };
        Ok((facts, PredictionSource::Config))
    }

    fn text_configs(&self) -> Result<Vec<ClipTextConfig>, Error> {
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
                let (facts, vae) = (self.facts()?.0, self.vae_config()?);
                Ok(Family::of(facts.unet.conditioning_width(), vae.latent_channels, vae.scaling_factor))
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
    fn file_about(&self, part: &str, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.file_about(part, name),
            Self::File(file) => file.path.join(name),
        }
    }

    fn tokenizer(&self, index: usize) -> Result<Tokenizer, Error> {
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
    lender: Option<Source>,
    /// The VAE that a person chose.
    vae: Option<VaeFile>,
    /// What its latents are multiplied by.
    latent_scale: f64,
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
        let mut sources = Self { own, lender, vae: None, latent_scale: 0.0 };
        sources.latent_scale = sources.whole_vae().vae_config()?.scaling_factor;
        Ok(sources)
    }

    /// Where its text encoders are.
    fn texts(&self) -> &Source {
        self.lender.as_ref().filter(|_| !self.own.has_texts()).unwrap_or(&self.own)
    }

    /// Where its VAE is, unless a person chose one.
    fn whole_vae(&self) -> &Source {
        self.lender.as_ref().filter(|_| !self.own.has_vae()).unwrap_or(&self.own)
    }

    fn vae_config(&self) -> Result<VaeConfig, Error> {
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

/// A network's weights: in the folder of a part by the name `stem`, or in a file.
struct Part<'a> {
    source: &'a Source,
    folder: &'a str,
    stem: &'a str,
    /// Which of those it is that `LoRA`s change.
    net: Option<Net>,
}

/// A model whose networks are loaded one by one, each when it is asked for.
#[derive(Clone, Debug)]
pub struct Parts {
    sources: Sources,
    configs: Configs,
    device: Device,
    /// What the networks multiply in.
    dtype: DType,
    /// What is added to U-Net and text encoder.
    loras: Vec<(Arc<Lora>, LoraWeights)>,
    /// The layers of U-Net and text encoder, as soon as they were loaded.
    layers: Arc<Mutex<Vec<Layer>>>,
}

impl Parts {
    /// Reads the configs of a diffusers folder or the header of a checkpoint, and no weights yet. The networks will multiply in
    /// `precision` on `device`.
    pub fn open(path: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        Self::open_with(path, None, device, precision)
    }

    fn open_with(path: &Path, lender: Option<&Path>, device: &Device, precision: Precision) -> Result<Self, Error> {
        let dtype = precision.dtype(device)?;
        let sources = Sources::open(path, lender)?;
        let (configs, _) = sources.configs()?;
        let (loras, layers) = (Vec::new(), Arc::default());
        Ok(Self { sources, configs, device: device.clone(), dtype, loras, layers })
    }

    /// Loads what turns ids into conditioning: the first text encoder, or another one.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn text_encoder(&self, index: usize) -> Result<ClipText, Error> {
        let config = &self.configs.texts[index];
        let of_file = |file: &SingleFile| file.text_encoder(index, self.dtype, &self.device);
        let source = self.sources.texts();
        let part = match source {
            Source::Folder(folder) => folder.texts[index].part,
            Source::File(_) => "text_encoder",
        };
        let part = Part { source, folder: part, stem: TEXT_STEM, net: Some(TEXT_NETS[index]) };
        self.network(part, of_file, |weights| ClipText::new(config, weights))
    }

    /// Loads what estimates noise.
    pub fn unet(&self) -> Result<UNet, Error> {
        let config = &self.configs.unet;
        let of_file = |file: &SingleFile| file.unet(config, self.dtype, &self.device);
        let part = Part { source: &self.sources.own, folder: "unet", stem: STEM, net: Some(Net::Unet) };
        self.network(part, of_file, |weights| UNet::new(config, weights))
    }

    /// Loads what turns a picture into a latent and back.
    pub fn vae(&self) -> Result<Vae, Error> {
        let config = match (&self.sources.vae, &self.configs.vae) {
            (Some(file), _) => return file.network(self.dtype, &self.device),
            (None, VaeConfig::Kl(config)) => config,
            (None, VaeConfig::Tiny(_)) => return Err(Error::NotAVae(self.sources.own.path().to_owned())),
        };
        let of_file = |file: &SingleFile| file.vae(config, self.dtype, &self.device);
        let part = Part { source: self.sources.whole_vae(), folder: "vae", stem: STEM, net: None };
        self.network(part, of_file, |weights| AutoencoderKl::new(config, weights).map(Vae::from))
    }

    /// Builds a network from the weights of a part.
    fn network<T>(
        &self,
        Part { source, folder: part, stem, net }: Part<'_>,
        of_file: impl FnOnce(&SingleFile) -> Result<VarBuilder<'static>, Error>,
        new: impl FnOnce(VarBuilder<'_>) -> candle_core::Result<T>,
    ) -> Result<T, Error> {
        let (weights, path) = match source {
            Source::Folder(folder) => {
                let path = folder.part(part);
                (Weights::open(&path, stem)?.into_builder(self.dtype, &self.device), path)
            }
            Source::File(file) => (of_file(file)?, file.path.clone()),
        };
        let weights = match net {
            None => weights,
            Some(net) => self.adapted(net, weights),
        };
        new(weights).map_err(|error| Error::from_candle(&error, &path))
    }

    /// Weights with what the `LoRA`s add to them.
    fn adapted(&self, net: Net, base: VarBuilder<'static>) -> VarBuilder<'static> {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|layer| layer.net != net);
        drop(layers);
        let names = UNetNames::of(&self.configs.unet);
        let other_name: OtherName = match net {
            Net::Unet => Box::new(move |layer| names.layer(layer)),
            Net::Text | Net::SecondText => Box::new(|_| None),
        };
        let (loras, layers) = (self.loras.clone(), Arc::clone(&self.layers));
        Adapted { base, net, other_name, loras, layers }.into_builder(self.dtype, &self.device)
    }

    fn layers(&self) -> Vec<Layer> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
