use super::folder::text_in;
use super::header::read_places;
use super::open_clip::{self, OpenClipNames};
use super::renamed::Renamed;
use super::weights::{Weights, weight_files};
use super::{Error, library};
use crate::networks::{self, ClipConfig, ConfigError, Fields};
use crate::prompt::Tokenizer;
use candle_core::{DType, Device};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A CLIP with its weights, and what must be known to use them.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids and pixels to embeddings.
    pub network: networks::Clip,
    /// Pictures to pixels.
    pub preprocessing: Preprocessing,
    /// Where the weights are; what the network is given must be there too, in f32.
    pub device: Device,
}

/// What is done with a picture before the image encoder sees it, as transformers' `CLIPImageProcessor` does.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// The shorter side becomes this long, in pixels.
    pub shorter_side: u32,
    /// The side of the square in the middle that is kept; not longer than `shorter_side`.
    pub crop: u32,
    /// What is taken away from red, green and blue, in 0..1.
    pub mean: [f32; 3],
    /// What they are divided by then.
    pub std: [f32; 3],
}

/// Those of `OpenAI`'s CLIP (transformers' `OPENAI_CLIP_MEAN` and `OPENAI_CLIP_STD`).
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

impl Clip {
    /// Loads a folder in the layout of transformers' `CLIPModel` or of `OpenCLIP`, whatever the precision of its weights; the networks
    /// compute in f32 on `device`.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, Error> {
        let files = Files::open(folder)?;
        let tokenizer = Tokenizer::load(folder)?;
        let (largest, vocab) = (tokenizer.largest_id(), files.config.text.vocab_size);
        if largest as usize >= vocab {
            let reason = format!("the tokenizer has a token {largest}, the text encoder only {vocab} in all");
            return Err(Error::Mismatch { reason, path: folder.to_owned() });
        }
        let weights = match files.layout {
            Layout::Transformers => Weights::open_files(&files.weights)?.into_builder(DType::F32, device),
            Layout::OpenClip => {
                let weights = Weights::open_files(&files.weights)?;
                let names = OpenClipNames::of_file(&weights);
                Renamed::new(weights, names).into_builder(DType::F32, device)
            }
        };
        let network =
            networks::Clip::new(&files.config, weights.into()).map_err(|error| Error::from_candle(&error, folder))?;
        Ok(Self { tokenizer, network, preprocessing: files.preprocessing, device: device.clone() })
    }
}

/// A CLIP on this machine.
#[derive(Debug)]
pub struct ClipEntry {
    /// By which the command line and the settings name it.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// The name of the model that it came with.
    pub model: Option<String>,
    /// What it holds, or why it cannot be used.
    pub summary: Result<ClipSummary, Error>,
}

/// What can be told of a CLIP without loading its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipSummary {
    /// The side of the pictures it looks at, in pixels.
    pub side: u32,
    /// How many numbers an embedding has.
    pub dimensions: usize,
    /// Bytes of its weights on disk.
    pub bytes: u64,
    /// Tells its embeddings from those of any other CLIP: 16 hexadecimal digits, from its configs and pieces of its weights.
    pub fingerprint: String,
}

impl ClipEntry {
    /// The CLIP in a folder, by the folder's name.
    pub fn of_folder(path: PathBuf) -> Self {
        Self { name: library::name_of(&path), summary: ClipSummary::read(&path), path, model: None }
    }
}

impl ClipSummary {
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let files = Files::open(folder)?;
        let mut bytes = 0;
        for file in &files.weights {
            bytes += read_places(file)?.values().map(|place| place.bytes as u64).sum::<u64>();
        }
        Ok(Self {
            side: files.preprocessing.crop,
            dimensions: files.config.projection_dim,
            bytes,
            fingerprint: files.fingerprint()?,
        })
    }
}

/// Whether a folder is a CLIP, or looks like the remains of one.
pub(super) fn is_clip(folder: &Path) -> bool {
    ["config.json", OPEN_CLIP_CONFIG].iter().any(|name| folder.join(name).is_file())
}

const OPEN_CLIP_CONFIG: &str = "open_clip_config.json";
const OPEN_CLIP_WEIGHTS: [&str; 2] = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Transformers,
    OpenClip,
}

/// A CLIP's folder whose configs were read.
struct Files {
    layout: Layout,
    config: ClipConfig,
    preprocessing: Preprocessing,
    /// The texts of the configs, one after the other.
    texts: String,
    weights: Vec<PathBuf>,
}

impl Files {
    fn open(folder: &Path) -> Result<Self, Error> {
        if !folder.is_dir() {
            return Err(Error::NoFolder(folder.to_owned()));
        }
        if !is_clip(folder) {
            return Err(Error::NotAClip(folder.to_owned()));
        }
        let open_clip_weights = OPEN_CLIP_WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let own_weights = weight_files(folder, "model");
        // Folders on the net often hold both layouts; transformers' is taken where its weights are there.
        let files = match (own_weights, open_clip_weights) {
            (Err(_), Some(weights)) if folder.join(OPEN_CLIP_CONFIG).is_file() => {
                let path = folder.join(OPEN_CLIP_CONFIG);
                let text = text_in(&path)?;
                let wrong = |source| Error::Config { path: path.clone(), source };
                let config = open_clip::config_from_json(&text).map_err(wrong)?;
                let preprocessing = Preprocessing::from_open_clip(&text, config.image.image_size).map_err(wrong)?;
                Self { layout: Layout::OpenClip, config, preprocessing, texts: text, weights: vec![weights] }
            }
            (weights, _) => {
                let path = folder.join("config.json");
                let mut texts = text_in(&path)?;
                let config = ClipConfig::from_json(&texts).map_err(|source| Error::Config { path, source })?;
                let path = folder.join("preprocessor_config.json");
                let text = if path.is_file() { text_in(&path)? } else { "{}".to_owned() };
                let preprocessing = Preprocessing::from_json(&text, config.image.image_size)
                    .map_err(|source| Error::Config { path, source })?;
                texts += &text;
                Self { layout: Layout::Transformers, config, preprocessing, texts, weights: weights? }
            }
        };
        let (crop, side) = (files.preprocessing.crop as usize, files.config.image.image_size);
        if crop != side {
            let reason = format!("pictures are cut to {crop} pixels a side, the image encoder takes {side}");
            return Err(Error::Mismatch { reason, path: folder.to_owned() });
        }
        Ok(files)
    }

    /// SHA-256 of the configs, of every file's length and of pieces of it that lie evenly apart: the whole of a large file would
    /// take seconds, and no two trainings leave all of these numbers the same.
    fn fingerprint(&self) -> Result<String, Error> {
        const PIECES: u64 = 64;
        const PIECE: usize = 4096;
        let mut hash = Sha256::new().chain_update(&self.texts);
        for path in &self.weights {
            let read = |source| Error::Read { path: path.clone(), source };
            let mut file = File::open(path).map_err(read)?;
            let length = file.metadata().map_err(read)?.len();
            hash.update(length.to_le_bytes());
            let mut piece = Vec::with_capacity(PIECE);
            for index in 0..PIECES {
                piece.clear();
                let start = length.saturating_sub(PIECE as u64) * index / (PIECES - 1);
                file.seek(SeekFrom::Start(start)).map_err(read)?;
                (&mut file).take(PIECE as u64).read_to_end(&mut piece).map_err(read)?;
                hash.update(&piece);
            }
        }
        let digest = hash.finalize();
        let (first, _) = digest.split_first_chunk::<8>().expect("SHA-256 has 32 bytes");
        Ok(format!("{:016x}", u64::from_be_bytes(*first)))
    }
}

impl Preprocessing {
    /// Reads `preprocessor_config.json` for an encoder of pictures `side` pixels wide. Absent fields have `OpenAI`'s values.
    fn from_json(json: &str, side: usize) -> Result<Self, ConfigError> {
        let fields = Fields::parse(json)?;
        for step in ["do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"] {
            fields.unsupported_unless(step, &[json!(true)])?;
        }
        // 3 is Pillow's number for bicubic.
        fields.unsupported_unless("resample", &[json!(3)])?;
        if fields.number("rescale_factor", Some(1.0 / 255.0)).is_ok_and(|factor| (factor * 255.0 - 1.0).abs() > 1e-6) {
            return Err(fields.wrong("rescale_factor", "1/255: nothing else is supported yet"));
        }
        let crop = side_in(&fields, "crop_size", &["height", "width"])?.unwrap_or(side as u32);
        let shorter_side = side_in(&fields, "size", &["shortest_edge"])?.unwrap_or(crop);
        if shorter_side < crop {
            return Err(fields.wrong("size", format!("at least crop_size, which is {crop}")));
        }
        Self { shorter_side, crop, mean: MEAN, std: STD }.with_numbers(&fields, "image_mean", "image_std")
    }

    /// Reads `preprocess_cfg` of `OpenCLIP`.
    fn from_open_clip(json: &str, side: usize) -> Result<Self, ConfigError> {
        let own = Self { shorter_side: side as u32, crop: side as u32, mean: MEAN, std: STD };
        let Some(fields) = Fields::parse(json)?.inner("preprocess_cfg") else {
            return Ok(own);
        };
        fields.unsupported_unless("interpolation", &[json!("bicubic")])?;
        fields.unsupported_unless("resize_mode", &[json!("shortest")])?;
        fields.unsupported_unless("mode", &[json!("RGB")])?;
        own.with_numbers(&fields, "mean", "std")
    }

    fn with_numbers(mut self, fields: &Fields, mean: &str, std: &str) -> Result<Self, ConfigError> {
        for (field, ours) in [(mean, &mut self.mean), (std, &mut self.std)] {
            if let Some(numbers) = fields.numbers(field, 3)? {
                ours.copy_from_slice(&numbers);
            }
        }
        if self.std.iter().all(|std| *std > 0.0) { Ok(self) } else { Err(fields.wrong(std, "three numbers above 0")) }
    }
}

/// A side in pixels: a number, or an object that gives it under each of `names`.
fn side_in(fields: &Fields, field: &str, names: &[&str]) -> Result<Option<u32>, ConfigError> {
    let Some(value) = fields.get(field) else { return Ok(None) };
    let number = |value: &Value| value.as_u64().filter(|side| (1..=1 << 12).contains(side)).map(|side| side as u32);
    let found = match value {
        Value::Object(map) => {
            let sides: Option<Vec<u32>> = names.iter().map(|name| map.get(*name).and_then(number)).collect();
            sides.filter(|sides| sides.windows(2).all(|pair| pair[0] == pair[1])).map(|sides| sides[0])
        }
        value => number(value),
    };
    let expected = || fields.wrong(field, format!("one number of pixels, or the same one as {}", names.join(" and ")));
    found.map(Some).ok_or_else(expected)
}
