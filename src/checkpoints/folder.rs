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
}

/// A part of a pipeline, the classes that will do, and its weights' name.
const PARTS: &[(&str, &[&str], Option<&str>)] = &[
    ("text_encoder", &["CLIPTextModel"], Some("model")),
    ("unet", &["UNet2DConditionModel"], Some("diffusion_pytorch_model")),
    ("vae", &["AutoencoderKL"], Some("diffusion_pytorch_model")),
    ("tokenizer", &["CLIPTokenizer", "CLIPTokenizerFast"], None),
];

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
        for (part, classes, _) in PARTS {
            match class_of(part) {
                Some(class) if classes.contains(&class.as_str()) => {}
                found => {
                    return unsupported(part, found.unwrap_or_else(|| "part that is not there".to_owned()), classes[0]);
                }
            }
        }
        if let Some(class) = class_of("text_encoder_2") {
            return unsupported("second text encoder", class, "single text encoder");
        }
        let whole = path.canonicalize().ok();
        let enclosing =
            whole.as_deref().and_then(Path::parent).filter(|outer| outer.join("model_index.json").is_file());
        Ok(Self { path: path.to_owned(), enclosing: enclosing.map(Path::to_owned) })
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

    /// All files of weights.
    pub(super) fn weight_files(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for (part, _, stem) in PARTS {
            if let Some(stem) = stem {
                files.extend(super::weights::weight_files(&self.part(part), stem)?);
            }
        }
        Ok(files)
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
