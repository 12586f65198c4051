//! Checkpoints by what is in them, as A1111 names them in pictures: the first ten digits of a file's SHA-256. Of a folder it is that of
//! its U-Net's weights, of all files of them in their order. To read a whole checkpoint takes seconds, so it is done when somebody asks,
//! and kept for as long as the files stay the same.

use super::Error;
use super::folder::{Folder, STEM};
use super::weights::weight_files;
use crate::files::{SaveError, save_atomically};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// How many of the digits name a file.
const SHORT: usize = 10;

/// What is known of files' contents.
#[derive(Debug, Default)]
pub struct Hashes {
    file: PathBuf,
    known: BTreeMap<PathBuf, Known>,
}

/// A file as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// Nanoseconds since 1970; of several files, a number made of the bytes and times of them all.
    modified: u64,
    sha256: String,
}

impl Hashes {
    /// Those that are kept in a file; none where it is not there or makes no sense.
    pub fn load(file: &Path) -> Self {
        let known = std::fs::read(file).ok().and_then(|json| serde_json::from_slice(&json).ok());
        Self { file: file.to_owned(), known: known.unwrap_or_default() }
    }

    /// The short hash of a file that was read and did not change since.
    pub fn of(&self, path: &Path) -> Option<&str> {
        let known = self.known.get(&whole(path))?;
        let is_same = Self::version(path)? == (known.bytes, known.modified);
        known.sha256.get(..SHORT).filter(|_| is_same)
    }

    /// What changes when a file or a folder does.
    pub fn version(path: &Path) -> Option<(u64, u64)> {
        about(&files_of(path).ok()?)
    }

    /// How many bytes are to be read for a hash that is not known.
    pub fn bytes(path: &Path) -> Option<u64> {
        Self::version(path).map(|(bytes, _)| bytes)
    }

    /// The short hash of a file or a folder, which is read if it must be.
    pub fn read(&mut self, path: &Path) -> Result<String, Error> {
        Ok(self.read_while(path, &|| true)?.expect("nobody breaks it off"))
    }

    /// As [`Self::read`], for as long as it is to go on, which is asked for each mebibyte; nothing if it was broken off.
    pub fn read_while(&mut self, path: &Path, goes_on: &dyn Fn() -> bool) -> Result<Option<String>, Error> {
        if let Some(known) = self.of(path) {
            return Ok(Some(known.to_owned()));
        }
        let files = files_of(path)?;
        // What it was before it is read: if it changes meanwhile, it is read again the next time.
        let before = about(&files);
        let (mut hash, mut some) = (Sha256::new(), vec![0; 1 << 20]);
        for path in files {
            let read = |source| Error::Read { path: path.clone(), source };
            let mut file = File::open(&path).map_err(read)?;
            loop {
                if !goes_on() {
                    return Ok(None);
                }
                match file.read(&mut some).map_err(read)? {
                    0 => break,
                    count => hash.update(&some[..count]),
                }
            }
        }
        let sha256 = format!("{:x}", hash.finalize());
        let short = sha256[..SHORT].to_owned();
        if let Some((bytes, modified)) = before {
            self.known.insert(whole(path), Known { bytes, modified, sha256 });
        }
        Ok(Some(short))
    }

    /// Keeps what is known.
    pub fn save(&self) -> Result<(), SaveError> {
        let json = serde_json::to_vec(&self.known).expect("paths, numbers and texts");
        save_atomically(&self.file, &json)
    }
}

fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The files whose contents name a model or a VAE.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    match path {
        _ if !path.is_dir() => Ok(vec![path.to_owned()]),
        _ if path.join("model_index.json").is_file() => Folder::open(path)?.unet_files(),
        _ => weight_files(path, STEM),
    }
}

/// How many bytes files have, and when one was changed; of several, what changes when one of them does.
fn about(files: &[PathBuf]) -> Option<(u64, u64)> {
    let of_file = |path: &PathBuf| {
        let about = path.metadata().ok()?;
        let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((about.len(), u64::try_from(modified.as_nanos()).ok()?))
    };
    let each: Vec<(u64, u64)> = files.iter().map(of_file).collect::<Option<_>>()?;
    if let [only] = each[..] {
        return Some(only);
    }
    // One that comes from elsewhere may be older than what it takes the place of.
    let mut hash = Sha256::new();
    for number in each.iter().flat_map(|(bytes, modified)| [bytes, modified]) {
        hash.update(number.to_le_bytes());
    }
    let first = hash.finalize().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Some((each.iter().map(|(bytes, _)| bytes).sum(), first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_file_is_read_once_and_again_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("a.safetensors"), folder.path().join("hashes.json"));
        std::fs::write(&path, "abc").unwrap();
        let mut hashes = Hashes::load(&kept);
        assert_eq!(hashes.of(&path), None);
        // FIPS 180-2, B.1.
        assert_eq!(hashes.read(&path).unwrap(), "ba7816bf8f");
        hashes.save().unwrap();
        let mut again = Hashes::load(&kept);
        assert_eq!(again.of(&path), Some("ba7816bf8f"));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert_eq!(again.of(&path), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(again.read(&path).unwrap(), "e3b0c44298");
    }

    #[test]
    fn a_folder_is_named_by_the_weights_of_its_u_net() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("model"), folder.path().join("hashes.json"));
        let unet = path.join("unet");
        std::fs::create_dir_all(&unet).unwrap();
        let index = r#"{"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}"#;
        std::fs::write(path.join("model_index.json"), index).unwrap();
        let mut hashes = Hashes::load(&kept);
        assert!(hashes.read(&path).unwrap_err().to_string().contains("diffusion_pytorch_model.safetensors"));
        let shards = r#"{"weight_map": {"x": "1.safetensors", "y": "2.safetensors"}}"#;
        std::fs::write(unet.join("diffusion_pytorch_model.safetensors.index.json"), shards).unwrap();
        std::fs::write(unet.join("1.safetensors"), "a").unwrap();
        std::fs::write(unet.join("2.safetensors"), "bc").unwrap();
        // As the file above, which has the same letters.
        assert_eq!(hashes.read(&path).unwrap(), "ba7816bf8f");
        assert_eq!((hashes.of(&path), Hashes::bytes(&path)), (Some("ba7816bf8f"), Some(3)));
        // As long as before, and older.
        let file = File::options().write(true).open(unet.join("2.safetensors")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(500)).unwrap();
        assert_eq!(hashes.of(&path), None);
        assert_eq!(hashes.read(&path).unwrap(), "ba7816bf8f");
        std::fs::write(unet.join("2.safetensors"), "bcd").unwrap();
        assert_eq!(hashes.of(&path), None);
    }

    #[test]
    fn what_is_kept_may_be_damaged_and_a_file_may_be_gone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("hashes.json");
        for damage in ["", "[]", r#"{"/a": {"bytes": 1}}"#] {
            std::fs::write(&kept, damage).unwrap();
            let error = Hashes::load(&kept).read(&folder.path().join("gone.ckpt")).unwrap_err().to_string();
            assert!(error.ends_with("gone.ckpt"), "{error}");
        }
    }
}
