use super::Error;
use crate::networks::ConfigError;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A diffusers folder whose `model_index.json` names the parts that are supported. In a folder that lies in another model's, the
/// parts that are not there are the other's: such is a second U-Net for the same words and the same latents.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// The other model's.
    enclosing: Option<PathBuf>,
    /// Its text encoders, one or two.
    pub(super) texts: Vec<&'static TextFolder>,
    /// Whether it was trained with nothing at all in the place of an empty text, where its index says.
    pub(super) empty_is_zero: Option<bool>,
}

/// The part of a text encoder, its class, and the part of its tokenizer.
#[derive(Debug)]
pub(super) struct TextFolder {
    pub(super) part: &'static str,
    class: &'static str,
    pub(super) tokenizer: &'static str,
    /// Whether the class projects the pooled text.
    pub(super) projects: bool,
}

/// The first is that of all but the refiner of Stable Diffusion XL, which alone has the second only.
const TEXTS: &[TextFolder] = &[
    TextFolder { part: "text_encoder", class: "CLIPTextModel", tokenizer: "tokenizer", projects: false },
    TextFolder {
        part: "text_encoder_2",
        class: "CLIPTextModelWithProjection",
        tokenizer: "tokenizer_2",
        projects: true,
    },
];
const TOKENIZERS: [&str; 2] = ["CLIPTokenizer", "CLIPTokenizerFast"];

/// The other parts of a pipeline, and the class that will do.
const PARTS: &[(&str, &str)] = &[("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")];

/// The names of weights.
pub(super) const TEXT_STEM: &str = "model";
pub(super) const STEM: &str = "diffusion_pytorch_model";

impl Folder {
    /// Reads `model_index.json`.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if !path.is_dir() {
            return Err(Error::NoFolder(path.to_owned()));
        }
        let index_path = path.join("model_index.json");
        if !index_path.is_file() {
            return Err(Error::NotAModel(path.to_owned()));
        }
        let index = json_in(&index_path)?;
        let class_of =
            |part: &str| -> Option<String> { Some(index.get(part)?.as_array()?.get(1)?.as_str()?.to_owned()) };
        let unsupported = |part: &str, found: String, expected| {
            Err(Error::Unsupported { part: part.to_owned(), found, expected, path: index_path.clone() })
        };
        let mut texts: Vec<&TextFolder> = TEXTS.iter().filter(|text| class_of(text.part).is_some()).collect();
        if texts.is_empty() {
            texts.push(&TEXTS[0]);
        }
        let parts = texts.iter().flat_map(|text| [(text.part, text.class), (text.tokenizer, TOKENIZERS[0])]);
        for (part, expected) in parts.chain(PARTS.iter().copied()) {
            let is_it = |class: &str| class == expected || (expected == TOKENIZERS[0] && class == TOKENIZERS[1]);
            match class_of(part) {
                Some(class) if is_it(&class) => {}
                found => {
                    return unsupported(part, found.unwrap_or_else(|| "part that is not there".to_owned()), expected);
                }
            }
        }
        let empty_is_zero = index.get("force_zeros_for_empty_prompt").and_then(Value::as_bool);
        let whole = path.canonicalize().ok();
        let enclosing =
            whole.as_deref().and_then(Path::parent).filter(|outer| outer.join("model_index.json").is_file());
        Ok(Self { path: path.to_owned(), enclosing: enclosing.map(Path::to_owned), texts, empty_is_zero })
    }

    /// A part's folder.
    pub(super) fn part(&self, part: &str) -> PathBuf {
        self.home_of(part).join(part)
    }

    /// A file beside the parts that is about one of them.
    pub(super) fn file_about(&self, part: &str, file: &str) -> PathBuf {
        self.home_of(part).join(file)
    }

    /// The folder that a part is in.
    fn home_of(&self, part: &str) -> &Path {
        let own = self.path.join(part).exists();
        self.enclosing.as_deref().filter(|_| !own).unwrap_or(&self.path)
    }

    /// A part's config, read by the network that it is for.
    pub(super) fn config<T>(
        &self,
        part: &str,
        file: &str,
        read: impl FnOnce(&str) -> Result<T, ConfigError>,
    ) -> Result<T, Error> {
        let path = self.part(part).join(file);
        read(&text_in(&path)?).map_err(|source| Error::Config { path, source })
    }

    /// All that it is read from: its index, and the folders of its parts.
    pub(super) fn read_from(&self) -> Vec<PathBuf> {
        let texts = self.texts.iter().flat_map(|text| [text.part, text.tokenizer]);
        let parts = texts.chain(PARTS.iter().map(|(part, _)| *part)).chain(["scheduler"]);
        std::iter::once(self.path.join("model_index.json")).chain(parts.map(|part| self.part(part))).collect()
    }

    /// All files of weights.
    pub(super) fn weight_files(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for (part, stem) in
            self.texts.iter().map(|text| (text.part, TEXT_STEM)).chain(PARTS.iter().map(|(part, _)| (*part, STEM)))
        {
            files.extend(super::weights::weight_files(&self.part(part), stem)?);
        }
        Ok(files)
    }

    /// Those of the U-Net.
    pub(super) fn unet_files(&self) -> Result<Vec<PathBuf>, Error> {
        super::weights::weight_files(&self.part(PARTS[0].0), STEM)
    }
}

/// A file's text.
pub(super) fn text_in(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::MissingFile(path.to_owned()),
        _ => Error::Read { path: path.to_owned(), source },
    })
}

/// A file's JSON object.
pub(super) fn json_in(path: &Path) -> Result<Value, Error> {
    let config = |source| Error::Config { path: path.to_owned(), source };
    match serde_json::from_str(&text_in(path)?) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(config(ConfigError::NotAnObject)),
        Err(error) => Err(config(ConfigError::Json(error.to_string()))),
    }
}
