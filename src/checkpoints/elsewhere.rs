//! What other programs write down of where models lie: `ComfyUI`'s `extra_model_paths.yaml`, Fooocus's `config.txt`, and the cache of
//! Hugging Face's libraries.

use super::places::Kind;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Longer than any such file.
const MAX_BYTES: u64 = 1 << 20;

/// By which words the two name a kind.
const WORDS: [(&str, &str, Kind); 11] = [
    ("checkpoints", "path_checkpoints", Kind::Checkpoint),
    ("loras", "path_loras", Kind::Lora),
    ("embeddings", "path_embeddings", Kind::Embedding),
    ("upscale_models", "path_upscale_models", Kind::Upscaler),
    ("controlnet", "path_controlnet", Kind::ControlNet),
    ("clip_vision", "path_clip_vision", Kind::Clip),
    ("unet", "path_unet", Kind::Checkpoint),
    ("diffusion_models", "path_diffusion_models", Kind::Checkpoint),
    ("diffusers", "path_diffusers", Kind::Checkpoint),
    ("vae", "path_vae", Kind::Vae),
    ("vae_approx", "path_vae_approx", Kind::Vae),
];

/// The folders that the files of other programs in `place`, or in the folder around it, name.
pub(super) fn extra_folders(place: &Path) -> Vec<(Kind, PathBuf)> {
    let outer = place.parent().filter(|_| place.ends_with("models"));
    let mut found = Vec::new();
    for folder in std::iter::once(place).chain(outer) {
        if let Some(text) = text_in(&folder.join("extra_model_paths.yaml")) {
            found.extend(of_comfy(&text, folder));
        }
        if let Some(text) = text_in(&folder.join("config.txt")) {
            found.extend(of_fooocus(&text, folder));
        }
    }
    found
}

fn text_in(path: &Path) -> Option<String> {
    let about = path.metadata().ok()?;
    if about.is_file() && about.len() <= MAX_BYTES { std::fs::read_to_string(path).ok() } else { None }
}

/// Of `extra_model_paths.yaml`: programs, each with a `base_path` and folders by kind, one or, after a `|`, one a line. Of YAML that is all
/// it uses, so that is all that is read.
fn of_comfy(text: &str, folder: &Path) -> Vec<(Kind, PathBuf)> {
    let mut found = Vec::new();
    let (mut base, mut named) = (PathBuf::new(), Vec::new());
    let mut list: Option<(usize, Kind)> = None;
    let mut close = |base: &Path, named: &mut Vec<(Kind, String)>| {
        found.extend(named.drain(..).map(|(kind, path)| (kind, folder.join(base).join(path))));
    };
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some((outer, kind)) = list {
            if indent > outer {
                named.push((kind, plain(line)));
                continue;
            }
            list = None;
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = plain(value);
        let kind = WORDS.iter().find(|(word, _, _)| *word == key.trim()).map(|(_, _, kind)| *kind);
        match (indent, key.trim(), kind) {
            (0, _, _) => {
                close(&base, &mut named);
                base = PathBuf::new();
            }
            (_, "base_path", _) => base = PathBuf::from(home(&value)),
            (_, _, Some(kind)) if value == "|" => list = Some((indent, kind)),
            (_, _, Some(kind)) if !value.is_empty() => named.push((kind, value)),
            _ => {}
        }
    }
    close(&base, &mut named);
    found
}

/// A value without quotes and without a comment behind it.
fn plain(value: &str) -> String {
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
    quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim_end()).to_owned()
}

/// A path with the home folder in the place of `~`.
fn home(path: &str) -> String {
    let folder = path.strip_prefix('~').and_then(|rest| Some((directories::BaseDirs::new()?, rest)));
    folder.map_or_else(|| path.to_owned(), |(dirs, rest)| format!("{}{rest}", dirs.home_dir().display()))
}

/// Of Fooocus's `config.txt`, which is JSON: a path or a list of them by kind.
fn of_fooocus(text: &str, folder: &Path) -> Vec<(Kind, PathBuf)> {
    let Ok(Value::Object(config)) = serde_json::from_str(text) else { return Vec::new() };
    let paths = |key: &str| match config.get(key) {
        Some(Value::String(path)) => vec![path.clone()],
        Some(Value::Array(paths)) => paths.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let of = |(_, key, kind): &(&str, &str, Kind)| {
        paths(key).into_iter().map(|path| (*kind, folder.join(path))).collect::<Vec<_>>()
    };
    WORDS.iter().flat_map(of).collect()
}

/// What begins the name of a repository's folder in the cache.
const CACHED: &str = "models--";

/// The files of a repository in the cache of Hugging Face's libraries: `models--ORG--NAME` has one folder for each state that was had, and
/// says which is `main`; of several others the newest is taken.
pub(super) fn snapshot_of(repository: &Path) -> Option<PathBuf> {
    repository.file_name()?.to_str()?.strip_prefix(CACHED)?;
    let states = repository.join("snapshots");
    let main = text_in(&repository.join("refs/main"))
        .map(|text| states.join(Path::new(text.trim()).file_name().unwrap_or_default()));
    let newest = || {
        let folders = std::fs::read_dir(&states).ok()?.flatten().filter(|entry| entry.path().is_dir());
        folders.max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).ok()).map(|entry| entry.path())
    };
    main.filter(|main| main.is_dir() && *main != states).or_else(newest)
}

/// The name of the repository whose state this folder is.
pub(super) fn cached_name(state: &Path) -> Option<String> {
    let name = cached(state)?;
    Some(name.split_once("--").map_or(name, |(_, name)| name).to_owned())
}

/// Who has that repository.
pub(super) fn cached_owner(state: &Path) -> Option<String> {
    Some(cached(state)?.split_once("--")?.0.to_owned())
}

fn cached(state: &Path) -> Option<&str> {
    let states = state.parent().filter(|states| states.ends_with("snapshots"))?;
    states.parent()?.file_name()?.to_str()?.strip_prefix(CACHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ComfyUI` ships it (`extra_model_paths.yaml.example`), with what people make of it.
    const COMFY: &str = r#"#Rename this to extra_model_paths.yaml
a111:
    base_path: "C:/webui/"   # mine

    checkpoints: models/Stable-diffusion
    vae: models/VAE
    loras: |
         models/Lora
         models/LyCORIS
    embeddings: 'embeddings' # all
    #controlnet: models/ControlNet
comfyui:
    is_default: true
    checkpoints: |
        one two
    unet: models/unet/
    base_path: /b
    upscale_models: /absolute
other_ui:
"#;

    #[test]
    fn comfy_says_where_the_models_of_others_lie() {
        let found = of_comfy(COMFY, Path::new("/comfy"));
        let a = Path::new("/comfy").join("C:/webui/");
        let expected = [
            (Kind::Checkpoint, a.join("models/Stable-diffusion")),
            (Kind::Vae, a.join("models/VAE")),
            (Kind::Lora, a.join("models/Lora")),
            (Kind::Lora, a.join("models/LyCORIS")),
            (Kind::Embedding, a.join("embeddings")),
            (Kind::Checkpoint, PathBuf::from("/b/one two")),
            (Kind::Checkpoint, PathBuf::from("/b/models/unet/")),
            (Kind::Upscaler, PathBuf::from("/absolute")),
        ];
        assert_eq!(found, expected);
        for odd in ["", ":", "a", "a:\n b", "loras: |", "a:\n loras: |\n  \n", "\u{0}: \n \t: :"] {
            of_comfy(odd, Path::new("/"));
        }
    }

    #[test]
    fn fooocus_says_where_its_models_lie() {
        let found = of_fooocus(
            r#"{"path_checkpoints": ["/a", "b"], "path_loras": "/l", "path_vae": "/v", "x": 1}"#,
            Path::new("/f"),
        );
        let expected = [(Kind::Checkpoint, "/a"), (Kind::Checkpoint, "/f/b"), (Kind::Lora, "/l"), (Kind::Vae, "/v")];
        assert_eq!(found, expected.map(|(kind, path)| (kind, PathBuf::from(path))));
        assert_eq!(of_fooocus("a prompt", Path::new("/f")), []);
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_in_them_is_read(text in "([ \t]{0,6}(a111|base_path|loras|unet|\\||:|\"|'|#|~|é|/|\n|.){0,4}\n?){0,12}", at in 0..400usize) {
            for text in [text.clone(), [&COMFY[..at], &text, &COMFY[at..]].concat()] {
                of_comfy(&text, Path::new("/"));
                of_fooocus(&text, Path::new("/"));
            }
        }
    }

    #[test]
    fn the_cache_gives_the_state_that_is_main() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--org--a-name");
        for state in ["abc", "def"] {
            std::fs::create_dir_all(repository.join("snapshots").join(state)).unwrap();
        }
        assert!(snapshot_of(&repository).is_some());
        std::fs::create_dir(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "abc\n").unwrap();
        let state = repository.join("snapshots/abc");
        assert_eq!(snapshot_of(&repository).as_ref(), Some(&state));
        assert_eq!(cached_name(&state).as_deref(), Some("a-name"));
        std::fs::write(repository.join("refs/main"), "../../..").unwrap();
        assert!(snapshot_of(&repository).is_some_and(|state| state.starts_with(repository.join("snapshots"))));
        assert_eq!(snapshot_of(&cache.path().join("datasets--a--b")), None);
        assert_eq!(cached_name(Path::new("/models/a")), None);
    }
}
