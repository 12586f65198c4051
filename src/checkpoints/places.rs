//! Where models and what goes with them lie: this program's folders and those of others, read in place.

use std::path::{Path, PathBuf};

/// Folders of checkpoints in one file beside models: A1111's, and that of `ComfyUI` and Fooocus.
const CHECKPOINT_FOLDERS: [&str; 2] = ["Stable-diffusion", "checkpoints"];
/// How such files end.
const CHECKPOINT_ENDINGS: [&str; 3] = ["safetensors", "ckpt", "pt"];
/// How pictures of models end.
const PICTURE_ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// How deep people sort them into folders, at most.
const MAX_DEPTH: usize = 8;

/// Folders of `LoRA`s beside models: this program's, `ComfyUI`'s and Fooocus's, and A1111's.
const LORA_FOLDERS: [&str; 3] = ["loras", "Lora", "LyCORIS"];

/// Folders of learned words beside models, everyone's.
const EMBEDDING_FOLDERS: [&str; 1] = ["embeddings"];
/// How they end.
const EMBEDDING_ENDINGS: [&str; 4] = ["safetensors", "pt", "bin", "png"];

/// Folders of upscalers beside models: this program's, and those of `ComfyUI`, Fooocus and A1111.
const UPSCALER_FOLDERS: [&str; 4] = ["upscalers", "upscale_models", "ESRGAN", "RealESRGAN"];
/// How they end.
const UPSCALER_ENDINGS: [&str; 2] = ["pth", "safetensors"];
/// Folders of `ControlNet`s beside models: this program's and `ComfyUI`'s, and A1111's.
const CONTROLNET_FOLDERS: [&str; 2] = ["controlnet", "ControlNet"];
/// Folders of CLIPs beside models: this program's, and that of `ComfyUI` and others.
const CLIP_FOLDERS: [&str; 2] = ["clip", "clip_vision"];

/// The folders in the folders of `place` that are called so, by name.
fn folders_in(place: &Path, called: &[&str]) -> impl Iterator<Item = PathBuf> {
    let mut folders: Vec<PathBuf> = called.iter().flat_map(|folder| folders_of(&place.join(folder))).collect();
    folders.sort();
    folders.into_iter()
}

/// The folders in a folder, by name; not those that are hidden, such as downloads that are on their way.
fn folders_of(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let shown = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut folders: Vec<PathBuf> = shown.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// What may be `ControlNet`s beside the models of `place`.
pub(super) fn controlnets_in(place: &Path) -> impl Iterator<Item = PathBuf> {
    folders_in(place, &CONTROLNET_FOLDERS)
}

/// What may be CLIPs beside the models of `place`.
pub(super) fn clips_in(place: &Path) -> impl Iterator<Item = PathBuf> {
    folders_in(place, &CLIP_FOLDERS)
}

/// What may be `LoRA`s beside the models of `place`, by path.
pub(super) fn loras_in(place: &Path) -> Vec<PathBuf> {
    files_in(place, &LORA_FOLDERS, &CHECKPOINT_ENDINGS, MAX_DEPTH)
}

/// What may be learned words beside the models of `place`, or beside the folder `models` that it is, as A1111 has them; by path. Previews
/// are none.
pub(super) fn embeddings_in(place: &Path) -> Vec<PathBuf> {
    let mut files = files_in(place, &EMBEDDING_FOLDERS, &EMBEDDING_ENDINGS, MAX_DEPTH);
    if let Some(outer) = place.parent().filter(|_| place.ends_with("models")) {
        files.extend(files_in(outer, &EMBEDDING_FOLDERS, &EMBEDDING_ENDINGS, MAX_DEPTH));
    }
    // What a word looks like, beside its file.
    let is_preview = |path: &Path| {
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
            && (path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(".preview"))
                || ["safetensors", "pt", "bin"].iter().any(|ending| path.with_extension(ending).is_file()))
    };
    files.retain(|path| !is_preview(path));
    files
}

/// What may be upscalers beside the models of `place`, by path.
pub(super) fn upscalers_in(place: &Path) -> Vec<PathBuf> {
    files_in(place, &UPSCALER_FOLDERS, &UPSCALER_ENDINGS, 0)
}

/// `place` itself or the folders in it that are models or look like the remains of one, by name, each followed by the models in it that
/// share its parts; and the files that may be checkpoints.
pub(super) fn models_in(place: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let is_whole = |folder: &Path| folder.join("model_index.json").is_file();
    let is_model = |folder: &Path| is_whole(folder) || folder.join("unet").is_dir();
    let with_those_in_it = |model: PathBuf| {
        let inside: Vec<PathBuf> = folders_of(&model).into_iter().filter(|path| is_whole(path)).collect();
        std::iter::once(model).chain(inside)
    };
    if place.is_file() {
        return (Vec::new(), vec![place.to_owned()]);
    }
    if is_model(place) {
        return (with_those_in_it(place.to_owned()).collect(), Vec::new());
    }
    let folders = folders_of(place).into_iter().filter(|path| is_model(path)).flat_map(with_those_in_it);
    let mut files = files_in(place, &[""], &CHECKPOINT_ENDINGS, 0);
    files.extend(files_in(place, &CHECKPOINT_FOLDERS, &CHECKPOINT_ENDINGS, MAX_DEPTH));
    (folders.collect(), files)
}

/// The picture that people keep beside a model's file or folder, or in its folder, to tell it by: `NAME.png` or `NAME.preview.png`, or
/// in the folder `preview.png`; JPEG and WebP likewise.
pub(super) fn preview_of(model: &Path) -> Option<PathBuf> {
    let name = if model.is_file() { model.file_stem() } else { model.file_name() }?.to_string_lossy().into_owned();
    let beside = model.parent().unwrap_or(Path::new(""));
    let stems = [beside.join(&name), beside.join(format!("{name}.preview")), model.join("preview")];
    let files = stems.iter().flat_map(|stem| {
        let named = |ending: &&str| PathBuf::from(format!("{}.{ending}", stem.display()));
        PICTURE_ENDINGS.iter().map(named).collect::<Vec<_>>()
    });
    files.into_iter().find(|path| path.is_file())
}

/// The files in the folders of `place` that are called so, by path, and so deep in the folders in them.
fn files_in(place: &Path, called: &[&str], endings: &[&str], depth: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in called {
        collect(&place.join(folder), endings, depth, &mut files);
    }
    files.sort();
    files
}

fn collect(folder: &Path, endings: &[&str], depth: usize, files: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let ending = path.extension().unwrap_or_default();
        if path.is_dir() && depth > 0 {
            collect(&path, endings, depth - 1, files);
        } else if endings.iter().any(|known| ending.eq_ignore_ascii_case(known)) && path.is_file() {
            files.push(path);
        }
    }
}

/// Where models are installed: `models` and `assets/models` beside the program, `share/sfumato/models` beside its `bin`, and the source
/// tree.
pub(super) fn built_in_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).ok();
    if let Some(beside) = program.as_deref().and_then(Path::parent) {
        places.extend([beside.join("models"), beside.join("assets/models")]);
        places.extend(beside.parent().map(|prefix| prefix.join("share/sfumato/models")));
    }
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models"));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_told_by_the_picture_beside_it_or_in_it() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for file in ["a.b.safetensors", "a.b.preview.png", "plain.ckpt", "plain.jpg", "plain.webp", "lonely.ckpt"] {
            std::fs::write(at(file), "").unwrap();
        }
        std::fs::create_dir(at("folder.v1")).unwrap();
        std::fs::write(at("folder.v1/preview.png"), "").unwrap();
        assert_eq!(preview_of(&at("a.b.safetensors")), Some(at("a.b.preview.png")));
        assert_eq!(preview_of(&at("plain.ckpt")), Some(at("plain.jpg")));
        assert_eq!(preview_of(&at("folder.v1")), Some(at("folder.v1/preview.png")));
        assert_eq!(preview_of(&at("lonely.ckpt")), None);
    }
}
