use super::folder::{STEM, TEXT_STEM};
use super::held::Held;
use super::ldm::{SingleFile, UNetNames};
use super::lora::{self, Adapted, Layer, Lora, LoraWeights, Net, Noted, OtherName, TEXT_NETS};
use super::packed::{Keeping, built};
use super::precision::dtype_of_vae;
use super::source::{Configs, Source, Sources, native_extent};
use super::vae::VaeFile;
use super::weights::{Weights, weights_and_config};
use super::{Error, Family, LatentToRgb, PackedFolder, Precision, Prediction, Suggestion, Training};
use crate::geom::Extent;
use crate::networks::{self, AutoencoderKl, BYTES, ClipText, ClipTextConfig, UNet, UNetConfig, Vae, VaeConfig};
use crate::prompt::{TaughtWords, Tokenizer};
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
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

impl Model {
    /// Loads a diffusers folder or a checkpoint in one file, whatever the precision of its weights; `precision` is what the networks
    /// multiply in.
    pub fn load(path: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        Self::load_with(path, None, device, precision, None)
    }

    /// As [`Self::load`]; what the file lacks, text encoders or VAE, is taken from the model at `lender`. What is packed of the weights is kept in
    /// `packed`.
    pub fn load_with(
        path: &Path,
        lender: Option<&Path>,
        device: &Device,
        precision: Precision,
        packed: Option<&PackedFolder>,
    ) -> Result<Self, Error> {
        let model = Self::described(path, lender, device, precision, packed)?;
        for text in &model.texts {
            text.network.get()?;
        }
        model.unet.get()?;
        model.vae.get()?;
        Ok(model)
    }

    /// As [`Self::load_with`], but each network's weights are loaded when it is first used. Only those of the VAE are read now, and given
    /// back: it is the last to be used, and what is wrong with it should not be found out after a picture's work.
    pub fn open(
        path: &Path,
        lender: Option<&Path>,
        device: &Device,
        precision: Precision,
        packed: Option<&PackedFolder>,
    ) -> Result<Self, Error> {
        let model = Self::described(path, lender, device, precision, packed)?;
        model.vae.once_loaded()?;
        Ok(model)
    }

    /// Without weights.
    fn described(
        path: &Path,
        lender: Option<&Path>,
        device: &Device,
        precision: Precision,
        packed: Option<&PackedFolder>,
    ) -> Result<Self, Error> {
        let parts = Arc::new(Parts::open_with(path, lender, device, precision)?.kept_in(packed));
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

    /// Has its VAE multiply in f32 from now on, for as long as the model is loaded: numbers that were too large once will be again. What is loaded
    /// of it is given back first. Says whether it multiplied in something else.
    pub fn turn_vae_to_f32(&self) -> bool {
        let was_other = self.parts.vae_dtype() != DType::F32;
        if was_other {
            self.parts.vae_in_f32.store(true, Ordering::Relaxed);
            self.vae.give_back();
        }
        was_other
    }

    /// Whether it does so since something else was not enough.
    pub fn vae_was_turned(&self) -> bool {
        self.parts.vae_in_f32.load(Ordering::Relaxed)
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
        // Of another one's numbers nothing is known.
        parts.vae_in_f32 = Arc::default();
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

    /// How many bytes more it has in memory with these `LoRA`s than without any.
    pub fn bytes_added(&self, loras: &[(Arc<Lora>, LoraWeights)]) -> Result<u64, Error> {
        // What multiplies in bf16 is stored so in the end, and on a GPU as it was.
        let grows = self.parts.dtype == DType::F32 && self.device.is_cpu();
        if !grows || loras.is_empty() {
            return Ok(0);
        }
        let mut layers = self.layers()?;
        // And what multiplies in bytes, as bytes.
        layers.retain(|layer| layer.net != Net::Unet || self.parts.unet_dtype != BYTES);
        Ok(lora::bytes_added(&layers, loras))
    }

    /// Whether its files are still those that it was opened from, as far as can be seen.
    pub fn is_current(&self) -> bool {
        self.parts.sources.are_current()
    }

    /// Whether the files of the VAE that was put into it, if one was, are still those that it was put in from.
    pub fn has_current_vae(&self) -> bool {
        self.parts.sources.vae.as_ref().is_none_or(|file| !file.is_outdated())
    }

    /// Whether the files of its `LoRA`s are still those that they were opened from.
    pub fn has_current_loras(&self) -> bool {
        !self.parts.loras.iter().any(|(lora, _)| lora.is_outdated())
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

/// A network's weights: in the folder of a part by the name `stem`, or in a file.
#[derive(Clone, Copy)]
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
    /// What the U-Net multiplies in, and what the other networks do, but for some VAEs.
    unet_dtype: DType,
    dtype: DType,
    /// Whether numbers of the VAE were too large for that.
    vae_in_f32: Arc<AtomicBool>,
    /// What is added to U-Net and text encoder.
    loras: Vec<(Arc<Lora>, LoraWeights)>,
    /// The layers of U-Net and text encoder, as soon as they were loaded.
    layers: Arc<Mutex<Vec<Layer>>>,
    /// Where what is packed of the networks is kept.
    packed: Option<PackedFolder>,
}

impl Parts {
    /// Reads the configs of a diffusers folder or the header of a checkpoint, and no weights yet. The networks will multiply in
    /// `precision` on `device`.
    pub fn open(path: &Path, device: &Device, precision: Precision) -> Result<Self, Error> {
        Self::open_with(path, None, device, precision)
    }

    fn open_with(path: &Path, lender: Option<&Path>, device: &Device, precision: Precision) -> Result<Self, Error> {
        let (unet_dtype, dtype) = (precision.dtype(device)?, precision.dtype_of_others(device)?);
        let sources = Sources::open(path, lender)?;
        let (configs, _) = sources.configs()?;
        Ok(Self {
            sources,
            configs,
            device: device.clone(),
            unet_dtype,
            dtype,
            vae_in_f32: Arc::default(),
            loras: Vec::new(),
            layers: Arc::default(),
            packed: None,
        })
    }

    /// The same; what is packed of the networks is kept in `packed`.
    #[must_use]
    pub fn kept_in(self, packed: Option<&PackedFolder>) -> Self {
        Self { packed: packed.cloned(), ..self }
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
        let of_file = |file: &SingleFile| file.unet(config, self.unet_dtype, &self.device);
        let part = Part { source: &self.sources.own, folder: "unet", stem: STEM, net: Some(Net::Unet) };
        self.network(part, of_file, |weights| UNet::new(config, weights))
    }

    /// Loads what turns a picture into a latent and back.
    pub fn vae(&self) -> Result<Vae, Error> {
        let config = match (&self.sources.vae, &self.configs.vae) {
            (Some(file), _) => return file.network(self.vae_dtype(), &self.device),
            (None, VaeConfig::Kl(config)) => config,
            (None, VaeConfig::Tiny(_)) => return Err(Error::NotAVae(self.sources.own.path().to_owned())),
        };
        let of_file = |file: &SingleFile| file.vae(config, self.vae_dtype(), &self.device);
        let part = Part { source: self.sources.whole_vae(), folder: "vae", stem: STEM, net: None };
        self.network(part, of_file, |weights| AutoencoderKl::new(config, weights).map(Vae::from))
    }

    /// Builds a network from the weights of a part.
    fn network<T>(
        &self,
        part: Part<'_>,
        of_file: impl FnOnce(&SingleFile) -> Result<VarBuilder<'static>, Error>,
        new: impl FnOnce(networks::Weights<'_>) -> candle_core::Result<T>,
    ) -> Result<T, Error> {
        let Part { source, folder, stem, net } = part;
        let noted = net.map(|net| self.noted(net));
        // Before anything is read: a file that is changed from now on is not taken for what it was.
        let keeping = self.keeping(part, noted.clone());
        let (weights, path) = match source {
            Source::Folder(of) => {
                let path = of.part(folder);
                (Weights::open(&path, stem)?.into_builder(self.dtype_of(net), &self.device), path)
            }
            Source::File(file) => (of_file(file)?, file.path.clone()),
        };
        let weights = match noted {
            None => weights,
            Some(noted) => {
                self.loras.iter().try_for_each(|(lora, _)| lora.check_file())?;
                Adapted { base: weights, noted, loras: self.loras.clone() }
                    .into_builder(self.dtype_of(net), &self.device)
            }
        };
        built(keeping, weights, new).map_err(|error| Error::from_candle(&error, &path))
    }

    /// What keeps the layers of a network, of which none is known yet.
    fn noted(&self, net: Net) -> Noted {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|layer| layer.net != net);
        drop(layers);
        let names = UNetNames::of(&self.configs.unet);
        let other_name: OtherName = match net {
            Net::Unet => Arc::new(move |layer| names.layer(layer)),
            Net::Text | Net::SecondText => Arc::new(|_| None),
        };
        Noted { net, other_name, layers: Arc::clone(&self.layers) }
    }

    /// What is kept of a part: only of what the CPU computes, and nothing that a `LoRA` changes.
    fn keeping(&self, part: Part<'_>, noted: Option<Noted>) -> Option<Arc<Keeping>> {
        let Part { source, folder, stem, net } = part;
        let is_changed = net.is_some_and(|net| self.loras.iter().any(|(lora, _)| lora.changes(net)));
        let packed = self.packed.as_ref().filter(|_| self.device.is_cpu() && !is_changed)?;
        let files = match source {
            Source::Folder(of) => weights_and_config(&of.part(folder), stem).ok()?,
            Source::File(file) => vec![file.path.clone()],
        };
        // Of two text encoders in one file, which.
        let name = net.map_or_else(|| folder.to_owned(), |net| format!("{net:?}"));
        let found = move |name: &str, shape: &[usize], dtype| {
            if let Some(noted) = &noted {
                noted.note(name, shape, dtype);
            }
        };
        packed.keeping(&name, self.dtype_of(net), files, Box::new(found))
    }

    /// What a network multiplies in: one that `LoRA`s change, or else the VAE.
    fn dtype_of(&self, net: Option<Net>) -> DType {
        match net {
            Some(Net::Unet) => self.unet_dtype,
            Some(Net::Text | Net::SecondText) => self.dtype,
            None => self.vae_dtype(),
        }
    }

    fn vae_dtype(&self) -> DType {
        if self.vae_in_f32.load(Ordering::Relaxed) {
            return DType::F32;
        }
        dtype_of_vae(self.dtype, &self.configs.vae, &self.configs.unet)
    }

    fn layers(&self) -> Vec<Layer> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Tensor;
    use std::path::PathBuf;
    use std::time::Duration;

    /// The file of packed weights in a folder, once it is there.
    fn kept_in(folder: &Path) -> PathBuf {
        for _ in 0..3000 {
            let mut files = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
            if let Some(file) = files.find(|path| path.extension().is_some_and(|ending| ending == "packed")) {
                return file;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing was kept");
    }

    fn bozzetto() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto")
    }

    /// As on a GPU: only what is known without weights can be asked for here.
    fn in_f16() -> Parts {
        let parts = Parts::open(&bozzetto(), &Device::Cpu, Precision::F32).unwrap();
        Parts { unet_dtype: DType::F16, dtype: DType::F16, ..parts }
    }

    #[test]
    fn the_vae_of_xl_is_for_f32_where_the_other_networks_are_for_f16() {
        let mut parts = in_f16();
        assert_eq!(parts.dtype_of(None), DType::F16);
        parts.configs.unet.addition = Some(networks::Addition { number_width: 8, inputs: 72 });
        assert_eq!(parts.dtype_of(None), DType::F32);
        for net in [Net::Unet, Net::Text, Net::SecondText] {
            assert_eq!(parts.dtype_of(Some(net)), DType::F16);
        }
    }

    #[test]
    fn a_vae_that_was_turned_to_f32_stays_so_until_there_is_another() {
        let open = |precision| Model::open(&bozzetto(), None, &Device::Cpu, precision, None).unwrap();
        let mut model = open(Precision::F32);
        assert!(!model.turn_vae_to_f32());
        model.parts = Arc::new(in_f16());
        assert!(model.turn_vae_to_f32());
        assert_eq!(model.parts.dtype_of(None), DType::F32);
        assert!(!model.turn_vae_to_f32());
        model.use_vae(None).unwrap();
        assert_eq!(model.parts.dtype_of(None), DType::F16);

        if !Precision::Bf16.is_there(&Device::Cpu) {
            return;
        }
        let decoded = |model: &Model| {
            let latent = (Tensor::arange(0.0f32, 32.0, &Device::Cpu).unwrap() / 16.0).unwrap();
            let rgb = model.vae.get().unwrap().decode(&latent.reshape((1, 8, 2, 2)).unwrap()).unwrap();
            rgb.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (exact, model) = (decoded(&open(Precision::F32)), open(Precision::Bf16));
        assert_ne!(decoded(&model), exact);
        assert!(model.turn_vae_to_f32());
        assert!(!model.vae.is_loaded(), "there may be no room for both");
        assert_eq!(decoded(&model), exact);
        model.give_back();
        assert_eq!(decoded(&model), exact);
    }

    #[test]
    fn the_layers_that_loras_change_are_known_of_a_network_that_was_kept() {
        let home = tempfile::tempdir().unwrap();
        let packed = PackedFolder::new(home.path().to_owned(), Some(1)).with_least(1);
        let layers = || {
            let parts = Parts::open(&bozzetto(), &Device::Cpu, Precision::F32).unwrap();
            let parts = parts.kept_in(Some(&packed));
            parts.unet().unwrap();
            let mut layers = parts.layers();
            layers.sort_by(|one, other| one.names.cmp(&other.names));
            layers
        };
        let of_files = layers();
        // In other numbers, so that it shows what is known from there.
        let file = kept_in(home.path());
        let bytes = std::fs::read(&file).unwrap();
        let end = 24 + u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
        let header = str::from_utf8(&bytes[24..end]).unwrap().replace("\"dtype\":\"f16\"", "\"dtype\":\"f32\"");
        std::fs::write(&file, [&bytes[..24], header.as_bytes(), &bytes[end..]].concat()).unwrap();
        let of_kept = layers();
        let told = |layer: &Layer| (layer.names.clone(), layer.shape.clone());
        assert!(of_kept.iter().map(told).eq(of_files.iter().map(told)), "{of_kept:?}");
        let found = of_kept.iter().zip(&of_files).filter(|(kept, read)| kept.dtype != read.dtype).count();
        assert!(found > 50, "{found} of {} layers", of_files.len());
    }
}
