//! Where models and what goes with them lie: this program's folders and those of others, read in place.

use super::elsewhere::{extra_folders, snapshot_of};
use super::vae::is_encoder_alone;
use std::path::{Path, PathBuf};

/// What there is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Checkpoint,
    Lora,
    Embedding,
    Upscaler,
    ControlNet,
    Clip,
    Vae,
}

/// What programs call their folders of it, beside models: this one, `ComfyUI`, Fooocus, A1111 and Forge.
const FOLDERS: [(Kind, &[&str]); 7] = [
    (Kind::Checkpoint, &["Stable-diffusion", "checkpoints", "unet", "diffusion_models", "diffusers"]),
    (Kind::Lora, &["loras", "Lora", "LyCORIS"]),
    (Kind::Embedding, &["embeddings"]),
    (Kind::Upscaler, &["upscalers", "upscale_models", "ESRGAN", "RealESRGAN"]),
    (Kind::ControlNet, &["controlnet", "ControlNet"]),
    (Kind::Clip, &["clip", "clip_vision"]),
    (Kind::Vae, &["vae", "VAE", "vae_approx", "VAE-approx", "VAE-taesd"]),
];
/// What `InvokeAI` calls them, in a folder for each family.
const INVOKE_FOLDERS: [(Kind, &str); 5] = [
    (Kind::Checkpoint, "main"),
    (Kind::Lora, "lora"),
    (Kind::Embedding, "embedding"),
    (Kind::ControlNet, "controlnet"),
    (Kind::Vae, "vae"),
];
/// `InvokeAI`'s folders of families.
const INVOKE_FAMILIES: [&str; 4] = ["sd-1", "sd-2", "sdxl", "sdxl-refiner"];

/// How checkpoints in one file end, and `LoRA`s.
const CHECKPOINT_ENDINGS: [&str; 4] = ["safetensors", "ckpt", "pt", "gguf"];
/// How learned words end.
const EMBEDDING_ENDINGS: [&str; 4] = ["safetensors", "pt", "bin", "png"];
/// How upscalers end.
const UPSCALER_ENDINGS: [&str; 2] = ["pth", "safetensors"];
/// How VAEs end.
const VAE_ENDINGS: [&str; 4] = ["safetensors", "pt", "ckpt", "pth"];
/// How pictures of models end.
const PICTURE_ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// How deep people sort them into folders, at most.
const MAX_DEPTH: usize = 8;
/// How deep a folder is looked into that is no program's.
const PLAIN_DEPTH: usize = 3;

/// The places that a person means by one: it, the folder `models` of a program that it is, and the Hugging Face cache in it.
pub(super) fn meant_by(place: &Path) -> Vec<PathBuf> {
    let inner = ["models", "hub"].map(|name| place.join(name)).into_iter().filter(|inner| inner.is_dir());
    std::iter::once(place.to_owned()).chain(inner).collect()
}

/// The folders beside the models of `place` in which there is something of this kind.
fn folders(place: &Path, kind: Kind) -> Vec<PathBuf> {
    let own = FOLDERS.iter().filter(|(of, _)| *of == kind).flat_map(|(_, names)| *names).map(|name| place.join(name));
    let invoke = INVOKE_FOLDERS.iter().filter(|(of, _)| *of == kind);
    let invoke = invoke.flat_map(|(_, name)| INVOKE_FAMILIES.map(|family| place.join(family).join(name)));
    let elsewhere = extra_folders(place).into_iter().filter(|(of, _)| *of == kind).map(|(_, folder)| folder);
    own.chain(invoke).chain(elsewhere).collect()
}

/// The folders in a folder, by name; not those that are hidden, such as downloads that are on their way.
fn folders_of(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let shown = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut folders: Vec<PathBuf> = shown.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Those, and those in them so deep; not those in a model.
fn folders_below(place: &Path, depth: usize) -> Vec<PathBuf> {
    let with_those_in_it = |folder: PathBuf| {
        let is_whole = folder.join("model_index.json").is_file();
        let inside = if depth > 0 && !is_whole { folders_below(&folder, depth - 1) } else { Vec::new() };
        std::iter::once(folder).chain(inside)
    };
    folders_of(place).into_iter().flat_map(with_those_in_it).collect()
}

/// The folders of what is a checkpoint, or of what is none.
fn known_folders(of_checkpoints: bool) -> impl Iterator<Item = &'static str> {
    let of_kind = FOLDERS.iter().filter(move |(kind, _)| (*kind == Kind::Checkpoint) == of_checkpoints);
    of_kind.flat_map(|(_, names)| *names).copied()
}

/// Whether a folder is nothing but a person's own order, beside which there may be folders of what is no checkpoint: no program's, and no
/// cache.
fn is_plain(place: &Path) -> bool {
    let known: Vec<&str> = known_folders(true).chain(INVOKE_FAMILIES).chain(["models", "hub"]).collect();
    folders_of(place)
        .iter()
        .filter_map(|folder| folder.file_name()?.to_str())
        .all(|name| !name.starts_with("models--") && !known.contains(&name))
}

/// What may be a `ControlNet` or a CLIP beside the models of `place`: folders, by name.
pub(super) fn folders_in(place: &Path, kind: Kind) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = folders(place, kind).iter().flat_map(|folder| folders_of(folder)).collect();
    found.sort();
    found
}

/// What may be `LoRA`s beside the models of `place`, by path.
pub(super) fn loras_in(place: &Path) -> Vec<PathBuf> {
    files_in(&folders(place, Kind::Lora), &CHECKPOINT_ENDINGS, MAX_DEPTH)
}

/// What may be learned words beside the models of `place`, or beside the folder `models` that it is, as A1111 has them; by path. Previews
/// are none.
pub(super) fn embeddings_in(place: &Path) -> Vec<PathBuf> {
    let mut files = files_in(&folders(place, Kind::Embedding), &EMBEDDING_ENDINGS, MAX_DEPTH);
    if let Some(outer) = place.parent().filter(|_| place.ends_with("models")) {
        files.extend(files_in(&folders(outer, Kind::Embedding), &EMBEDDING_ENDINGS, MAX_DEPTH));
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

/// What may be VAEs beside the models of `place`, by path: files, folders of diffusers', and what A1111 has beside checkpoints, `NAME.vae.pt`.
pub(super) fn vaes_in(place: &Path) -> Vec<PathBuf> {
    let mut homes = folders(place, Kind::Vae);
    // That of a model's folder is a part of it.
    homes.retain(|home| !home.join("config.json").is_file());
    let mut found = files_in(&homes, &VAE_ENDINGS, MAX_DEPTH);
    found.retain(|path| !is_encoder_alone(path));
    let is_vae = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(".vae"));
    found.extend(files_in(&folders(place, Kind::Checkpoint), &VAE_ENDINGS, MAX_DEPTH).into_iter().filter(is_vae));
    let whole: Vec<PathBuf> =
        homes.iter().flat_map(|home| folders_of(home)).filter(|path| path.join("config.json").is_file()).collect();
    // What lies in a folder that is one is a part of it.
    found.retain(|file| !whole.iter().any(|folder| file.starts_with(folder)));
    found.extend(whole);
    found
}

/// What may be upscalers beside the models of `place`, by path.
pub(super) fn upscalers_in(place: &Path) -> Vec<PathBuf> {
    files_in(&folders(place, Kind::Upscaler), &UPSCALER_ENDINGS, 0)
}

/// `place` itself or the folders in it that are models or look like the remains of one, by name, each followed by the models in it that
/// share its parts; and the files that may be checkpoints.
pub(super) fn models_in(place: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let is_whole = |folder: &Path| folder.join("model_index.json").is_file();
    // Some programs have a folder `unet` for files of their own.
    let is_model = |folder: &Path| is_whole(folder) || folder.join("unet/config.json").is_file();
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
    let kept = folders(place, Kind::Checkpoint);
    let depth = if is_plain(place) { PLAIN_DEPTH } else { 0 };
    let in_cache = folders_of(place).into_iter().filter_map(|folder| snapshot_of(&folder));
    let (pipelines, others): (Vec<_>, Vec<_>) = in_cache.partition(|path| is_whole(path));
    // What lies in a folder of something else is no checkpoint.
    let is_elsewhere = |path: &Path| {
        let inner = path.strip_prefix(place).unwrap_or(path);
        inner.components().any(|part| known_folders(false).any(|name| part.as_os_str() == name))
    };
    let own = folders_below(place, depth).into_iter().filter(|folder| !is_elsewhere(folder));
    let below = own.chain(kept.iter().flat_map(|folder| folders_of(folder)));
    let models = below.filter(|path| is_model(path)).chain(pipelines).flat_map(with_those_in_it);
    let mut files = files_in(&[place.to_owned()], &CHECKPOINT_ENDINGS, depth);
    files.retain(|file| !is_elsewhere(file));
    files.extend(files_in(&kept, &CHECKPOINT_ENDINGS, MAX_DEPTH));
    files.extend(files_in(&others, &CHECKPOINT_ENDINGS, 0));
    // What lies in a folder that is a model is a part of it.
    let models: Vec<PathBuf> = models.collect();
    files.retain(|file| !models.iter().any(|model| file.starts_with(model)));
    (models, files)
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

/// The files in folders, by path, and so deep in the folders in them.
fn files_in(folders: &[PathBuf], endings: &[&str], depth: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folders {
        collect(folder, endings, depth, &mut files);
    }
    files.sort();
    files.dedup();
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
    fn a_folder_of_loras_beside_models_hides_none_of_them() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let write = |name: &str| {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "").unwrap();
        };
        for file in ["sd15/a.safetensors", "xl/anime/b.safetensors", "loras/c.safetensors", "xl/Lora/d.safetensors"] {
            write(file);
        }
        write("xl/whole/model_index.json");
        let found = || models_in(place.path());
        let expected = (vec![at("xl/whole")], vec![at("sd15/a.safetensors"), at("xl/anime/b.safetensors")]);
        assert_eq!(found(), expected);
        // Four folders deep is nobody's order.
        write("1/2/3/4/e.safetensors");
        assert_eq!(found(), expected);
        // That of a program is not searched beside its own folders.
        write("checkpoints/f.safetensors");
        assert_eq!(found(), (Vec::new(), vec![at("checkpoints/f.safetensors")]));
    }

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
