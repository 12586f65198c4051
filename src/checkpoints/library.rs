use super::Error;
use super::clip::{ClipEntry, ClipSummary, is_clip};
use super::controlnet::{ControlNetEntry, ControlNetSummary};
use super::elsewhere::cached_name;
use super::learned::LearnedWordEntry;
use super::lora::LoraEntry;
use super::names::{Entry, add, add_apart, named};
use super::places::{
    Kind, built_in_places, embeddings_in, folders_in, loras_in, meant_by, models_in, preview_of, upscalers_in, vaes_in,
};
use super::summary::{Summary, summary};
use super::upscaler::{UpscalerEntry, UpscalerSummary};
use super::vae::VaeEntry;
use std::path::{Path, PathBuf};

/// The name of the model that comes with the program.
const SHIPPED: &str = "bozzetto";

/// Where a model brings an upscaler of its own.
const PART: &str = "upscaler/model.safetensors";

/// Where a model brings a `ControlNet` of its own.
const CONTROLNET_PART: &str = "controlnet";

/// Where a model brings a CLIP of its own.
const CLIP_PART: &str = "clip";

/// The models on this machine, the upscalers, the `ControlNet`s and the CLIPs.
#[derive(Debug, Default)]
pub struct Library {
    entries: Vec<ModelEntry>,
    upscalers: Vec<UpscalerEntry>,
    controlnets: Vec<ControlNetEntry>,
    clips: Vec<ClipEntry>,
    loras: Vec<LoraEntry>,
    embeddings: Vec<LearnedWordEntry>,
    vaes: Vec<VaeEntry>,
}

/// One of them.
#[derive(Debug)]
pub struct ModelEntry {
    /// The name of its folder or, without its ending, of its file, by which requests and the command line name it.
    pub name: String,
    /// The folder or the file.
    pub path: PathBuf,
    /// What its model card calls it.
    pub display_name: Option<String>,
    /// What it holds, or why it cannot be used.
    pub summary: Result<Summary, Error>,
}

impl Library {
    /// Looks for models: each of `extra` is a model's folder or file or a folder of such, among them `Stable-diffusion` (A1111),
    /// `checkpoints` (`ComfyUI`, Fooocus) and `sd-1/main` and its like (`InvokeAI`) with all that is in them, or the folder of one of
    /// these programs, with the folders that its configs name, or the cache of Hugging Face's libraries; a model's folder may hold others that share its parts. Then the
    /// places where models are installed: `models` and `assets/models` beside the program, `share/sfumato/models` beside its `bin`,
    /// and the source tree. Where two have one name, the second is called by as much of its path as tells them apart (`xl/model`), but of what
    /// is installed in several places the first is taken. Upscalers are `upscaler/model.safetensors` in a model's folder,
    /// and .safetensors and .pth files in a folder `upscalers` beside models; `ControlNet`s are `controlnet` in a model's folder and the
    /// folders in a folder `controlnet` beside models; CLIPs likewise, called `clip`; `LoRA`s are in a folder `loras`, however deep, and
    /// learned words in a folder `embeddings`. Of the files that `extra` names, and of those in plain folders that it names, each is taken for
    /// what it holds.
    /// Configs, headers and embeddings are read, weights are not; what cannot be used is listed with the reason.
    pub fn discover(extra: &[PathBuf]) -> Self {
        Self::look_in(extra, &built_in_places())
    }

    fn look_in(named: &[PathBuf], installed: &[PathBuf]) -> Self {
        let (mut entries, mut others): (Vec<ModelEntry>, Vec<ModelEntry>) = Default::default();
        let mut places: Vec<PathBuf> = named.iter().flat_map(|place| meant_by(place)).collect();
        let named_places = places.len();
        places.extend(installed.iter().flat_map(|place| meant_by(place)));
        for (index, place) in places.iter().enumerate() {
            let (folders, files) = models_in(place);
            // What is something else than a checkpoint is no broken model, but at home elsewhere, or what a person has in folders of their own.
            let is_other = |entry: &ModelEntry| matches!(entry.summary, Err(Error::NotACheckpoint { .. }));
            let (strays, files): (Vec<_>, Vec<_>) = entries_of(&files).into_iter().partition(is_other);
            others.extend(strays.into_iter().filter(|_| index < named_places));
            let before: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            let is_new = |entry: &ModelEntry| index < named_places || !before.contains(&entry.name);
            let found = folders.into_iter().map(ModelEntry::of).chain(files);
            add_apart(&mut entries, found.filter(is_new));
        }
        let mut library = Self { entries, ..Self::default() };
        // What came with a model goes before what lies beside it.
        add(&mut library.upscalers, library.entries.iter().filter_map(UpscalerEntry::of_model));
        add(&mut library.controlnets, library.entries.iter().filter_map(ControlNetEntry::of_model));
        add(&mut library.clips, library.entries.iter().filter_map(ClipEntry::of_model));
        for place in &places {
            add(&mut library.upscalers, upscalers_in(place).into_iter().map(UpscalerEntry::of_file));
            add(
                &mut library.controlnets,
                folders_in(place, Kind::ControlNet).into_iter().filter_map(ControlNetEntry::of_folder),
            );
            add(
                &mut library.clips,
                folders_in(place, Kind::Clip).into_iter().filter(|path| is_clip(path)).map(ClipEntry::of_folder),
            );
            add_apart(&mut library.loras, loras_in(place).into_iter().map(LoraEntry::of_file));
            add(&mut library.embeddings, embeddings_in(place).into_iter().filter_map(LearnedWordEntry::of_file));
            add_apart(&mut library.vaes, vaes_in(place).into_iter().filter_map(VaeEntry::found));
        }
        for entry in others {
            if !library.take_in(&entry.path) && named.contains(&entry.path) {
                add_apart(&mut library.entries, std::iter::once(entry));
            }
        }
        library.find_lenders();
        library
    }

    /// Adds a file that is no checkpoint as what it holds, if that is something that is used.
    fn take_in(&mut self, path: &Path) -> bool {
        let lora = Some(LoraEntry::of_file(path.to_owned())).filter(|entry| entry.summary.is_ok());
        let vae = || VaeEntry::found(path.to_owned()).filter(|entry| entry.summary.is_ok());
        let word = || LearnedWordEntry::of_file(path.to_owned()).filter(|entry| entry.summary.is_ok());
        let upscaler = || Some(UpscalerEntry::of_file(path.to_owned())).filter(|entry| entry.summary.is_ok());
        if let Some(entry) = lora {
            add_apart(&mut self.loras, std::iter::once(entry));
        } else if let Some(entry) = vae() {
            add_apart(&mut self.vaes, std::iter::once(entry));
        } else if let Some(entry) = word() {
            add_apart(&mut self.embeddings, std::iter::once(entry));
        } else if let Some(entry) = upscaler() {
            add_apart(&mut self.upscalers, std::iter::once(entry));
        } else {
            return false;
        }
        true
    }

    /// What goes with models, at a path and below it: what it is, and its name.
    pub fn beside_models(&self, path: &Path) -> Vec<(&'static str, &str)> {
        fn those<'a, T: Entry>(entries: &'a [T], kind: &'static str, path: &Path) -> Vec<(&'static str, &'a str)> {
            let here = entries.iter().filter(|entry| entry.path().starts_with(path));
            here.map(|entry| (kind, entry.name())).collect()
        }
        [
            those(&self.loras, "LoRA", path),
            those(&self.vaes, "VAE", path),
            those(&self.embeddings, "embedding", path),
            those(&self.upscalers, "upscaler", path),
        ]
        .concat()
    }

    /// Says of models that lack parts that they cannot be used, where there is none to take them from; of the others, what they take.
    fn find_lenders(&mut self) {
        for index in 0..self.entries.len() {
            let lender =
                self.lenders(&self.entries[index].path).next().and_then(|lender| lender.summary.as_ref().ok()).cloned();
            let entry = &mut self.entries[index];
            let Ok(summary @ Summary { lacks: Some(_), .. }) = &mut entry.summary else { continue };
            if let Some(lender) = lender {
                (summary.downscale, summary.vae_width) = (lender.downscale, lender.vae_width);
                summary.weights.others = lender.weights.others;
                summary.weights.vae_overflows = lender.weights.vae_overflows;
            } else {
                let (lacks, family) = (summary.lacks.unwrap_or_default(), summary.family);
                let family = family.map_or("its family", |family| family.name);
                entry.summary = Err(Error::Lacks { lacks, family, path: entry.path.clone() });
            }
        }
    }

    /// The models from which the one at `path` can take what it lacks: the whole ones of its family. None where it lacks nothing.
    pub fn lenders(&self, path: &Path) -> impl Iterator<Item = &ModelEntry> {
        let of = self.entries.iter().find(|entry| entry.path == path).and_then(|entry| entry.summary.as_ref().ok());
        let family = of.filter(|summary| summary.lacks.is_some()).map(|summary| summary.family);
        let lends = move |other: &Summary| other.lacks.is_none() && family == Some(other.family);
        self.entries.iter().filter(move |entry| entry.summary.as_ref().is_ok_and(lends))
    }

    /// All VAEs apart from models.
    pub fn vaes(&self) -> &[VaeEntry] {
        &self.vaes
    }

    /// The VAEs that a model can paint with.
    pub fn vaes_for(&self, model: &str) -> Vec<&VaeEntry> {
        let entry = self.entries.iter().find(|entry| entry.name == model);
        let Some(Ok(of_model)) = entry.map(|entry| entry.summary.as_ref()) else { return Vec::new() };
        self.vaes.iter().filter(|entry| entry.summary.as_ref().is_ok_and(|of| of.fits(of_model))).collect()
    }

    /// Adds the VAE in a file or a folder, before all others of its name; gives that.
    pub fn add_vae(&mut self, path: PathBuf) -> String {
        let entry = VaeEntry::of(path);
        let name = entry.name.clone();
        self.vaes.insert(0, entry);
        name
    }

    /// The VAE of this name, in whatever case if none has it as it stands, or of this file name, as A1111 calls it.
    pub fn find_vae(&self, name: &str) -> Result<&VaeEntry, Error> {
        named(&self.vaes, name).or_else(|known| {
            let of_file = |entry: &&VaeEntry| entry.path.file_name().is_some_and(|file| file.to_string_lossy() == name);
            self.vaes.iter().find(of_file).ok_or_else(|| Error::UnknownVae { name: name.to_owned(), known })
        })
    }

    /// All learned words, which people call embeddings.
    pub fn embeddings(&self) -> &[LearnedWordEntry] {
        &self.embeddings
    }

    /// All `LoRA`s.
    pub fn loras(&self) -> &[LoraEntry] {
        &self.loras
    }

    /// Adds the `LoRA` in a file, before all others of its name; gives that.
    pub fn add_lora(&mut self, path: PathBuf) -> String {
        let entry = LoraEntry::of_file(path);
        let name = entry.name.clone();
        self.loras.insert(0, entry);
        name
    }

    /// The `LoRA` of this name, in whatever case if none has it as it stands, or of this name elsewhere (`ss_output_name`).
    pub fn find_lora(&self, name: &str) -> Result<&LoraEntry, Error> {
        let alias = |entry: &&LoraEntry| entry.summary.as_ref().is_ok_and(|of| of.alias.as_deref() == Some(name));
        named(&self.loras, name).or_else(|known| {
            self.loras.iter().find(alias).ok_or_else(|| Error::UnknownLora { name: name.to_owned(), known })
        })
    }

    /// All CLIPs, those that came with models first.
    pub fn clips(&self) -> &[ClipEntry] {
        &self.clips
    }

    /// The CLIP to use: the one that was named if it can be used, else the first that can.
    pub fn preferred_clip(&self, name: Option<&str>) -> Option<&ClipEntry> {
        let usable = || self.clips.iter().filter(|entry| entry.summary.is_ok());
        name.and_then(|name| usable().find(|entry| entry.name == name)).or_else(|| usable().next())
    }

    /// The CLIP of this name, in whatever case if none has it as it stands.
    pub fn find_clip(&self, name: &str) -> Result<&ClipEntry, Error> {
        named(&self.clips, name).map_err(|known| Error::UnknownClip { name: name.to_owned(), known })
    }

    /// All upscalers, those that came with models first.
    pub fn upscalers(&self) -> &[UpscalerEntry] {
        &self.upscalers
    }

    /// The upscaler to use where nobody named one: the one that came with the model or the model around it, else the first that
    /// can be used.
    pub fn preferred_upscaler(&self, model: Option<&str>) -> Option<&UpscalerEntry> {
        let usable = || self.upscalers.iter().filter(|entry| entry.summary.is_ok());
        let of = |model: &str| usable().find(|entry| entry.model.as_deref() == Some(model));
        let at = |path: &Path| self.entries.iter().find(|entry| entry.path == path);
        let entry = model.and_then(|model| self.entries.iter().find(|entry| entry.name == model));
        let around = entry.and_then(|entry| at(entry.path.parent()?));
        model.and_then(of).or_else(|| around.and_then(|entry| of(&entry.name))).or_else(|| usable().next())
    }

    /// The upscaler of this name, in whatever case if none has it as it stands.
    pub fn find_upscaler(&self, name: &str) -> Result<&UpscalerEntry, Error> {
        named(&self.upscalers, name).map_err(|known| Error::UnknownUpscaler { name: name.to_owned(), known })
    }

    /// All `ControlNet`s, those that came with models first.
    pub fn controlnets(&self) -> &[ControlNetEntry] {
        &self.controlnets
    }

    /// The `ControlNet`s that can guide a model, the one that came with it first.
    pub fn controlnets_for(&self, model: &str) -> Vec<&ControlNetEntry> {
        let entry = self.entries.iter().find(|entry| entry.name == model);
        let Some(Ok(of_model)) = entry.map(|entry| entry.summary.as_ref()) else { return Vec::new() };
        let fits = |entry: &&ControlNetEntry| {
            entry.summary.as_ref().is_ok_and(|of| of.config.misfit(&of_model.unet, of_model.downscale).is_none())
        };
        let mut fitting: Vec<_> = self.controlnets.iter().filter(fits).collect();
        fitting.sort_by_key(|entry| entry.model.as_deref() != Some(model));
        fitting
    }

    /// The `ControlNet` of this name, in whatever case if none has it as it stands.
    pub fn find_controlnet(&self, name: &str) -> Result<&ControlNetEntry, Error> {
        named(&self.controlnets, name).map_err(|known| Error::UnknownControlNet { name: name.to_owned(), known })
    }

    /// All models, in the order in which they were found.
    pub fn entries(&self) -> &[ModelEntry] {
        &self.entries
    }

    /// The model to paint with where nobody named one: the one that was used last if it can be used, else the one that comes
    /// with the program, whatever others there are, else the first that can be used.
    pub fn preferred(&self, used_last: Option<&str>) -> Option<&ModelEntry> {
        let usable = || self.entries.iter().filter(|entry| entry.summary.is_ok());
        let named = |name: &str| usable().find(|entry| entry.name == name);
        used_last.and_then(named).or_else(|| named(SHIPPED)).or_else(|| usable().next())
    }

    /// Where the model of this name is, in whatever case if no model has it as it stands, or the model at this path.
    pub fn find(&self, name_or_path: &str) -> Result<PathBuf, Error> {
        let known = match named(&self.entries, name_or_path) {
            Ok(entry) => return Ok(entry.path.clone()),
            Err(known) => known,
        };
        let path = Path::new(name_or_path);
        if path.exists() {
            return Ok(path.to_owned());
        }
        if path.components().count() > 1 {
            return Err(Error::NoFolder(path.to_owned()));
        }
        Err(Error::Unknown { name: name_or_path.to_owned(), known })
    }
}

impl ModelEntry {
    /// The picture that people keep with it to tell it by.
    pub fn preview(&self) -> Option<PathBuf> {
        preview_of(&self.path)
    }

    fn of(path: PathBuf) -> Self {
        Self { name: name_of(&path), display_name: card_title(&path), summary: summary(&path), path }
    }
}

impl UpscalerEntry {
    /// The upscaler in a file, by the file's name.
    pub fn of_file(path: PathBuf) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, summary: UpscalerSummary::read(&path), path, model: None }
    }

    /// The one that came with a model, by the model's name and its scale.
    fn of_model(model: &ModelEntry) -> Option<Self> {
        let path = model.path.join(PART);
        let summary = path.is_file().then(|| UpscalerSummary::read(&path))?;
        let title = model.display_name.as_ref().unwrap_or(&model.name);
        let name = match &summary {
            Ok(summary) => format!("{title} {}x", summary.scale),
            Err(_) => format!("{title} upscaler"),
        };
        Some(Self { name, path, model: Some(model.name.clone()), summary })
    }
}

impl ControlNetEntry {
    /// The one in a folder, by the folder's name.
    fn of_folder(path: PathBuf) -> Option<Self> {
        let summary = path.join("config.json").is_file().then(|| ControlNetSummary::read(&path))?;
        Some(Self { name: name_of(&path), summary, path, model: None })
    }

    /// The one that came with a model, by the model's name.
    fn of_model(model: &ModelEntry) -> Option<Self> {
        let path = model.path.join(CONTROLNET_PART);
        let summary = path.is_dir().then(|| ControlNetSummary::read(&path))?;
        let title = model.display_name.as_ref().unwrap_or(&model.name);
        Some(Self { name: format!("{title} lines"), path, model: Some(model.name.clone()), summary })
    }
}

impl ClipEntry {
    /// The one that came with a model, by the model's name.
    fn of_model(model: &ModelEntry) -> Option<Self> {
        let path = model.path.join(CLIP_PART);
        let summary = is_clip(&path).then(|| ClipSummary::read(&path))?;
        let title = model.display_name.as_ref().unwrap_or(&model.name);
        Some(Self { name: format!("{title} CLIP"), path, model: Some(model.name.clone()), summary })
    }
}

/// Those of many files, whose headers take a while: by as many threads as the machine has.
fn entries_of(files: &[PathBuf]) -> Vec<ModelEntry> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(threads).max(1);
    let entries = |files: &[PathBuf]| files.iter().cloned().map(ModelEntry::of).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let parts: Vec<_> = files.chunks(share).map(|files| scope.spawn(move || entries(files))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("reading a header does not panic")).collect()
    })
}

/// The first heading of README.md, which is where model cards are.
fn card_title(folder: &Path) -> Option<String> {
    let card = std::fs::read_to_string(folder.join("README.md")).ok()?;
    let title = card.lines().find_map(|line| line.strip_prefix("# "))?.trim();
    (!title.is_empty() && title.chars().count() <= 100).then(|| title.to_owned())
}

/// The last part of a folder's path, or of a file's without its ending; of a state in the cache of Hugging Face's libraries, the
/// repository's name.
pub(super) fn name_of(path: &Path) -> String {
    if let Some(name) = cached_name(path) {
        return name;
    }
    // A link is called what it is called, whatever it leads to.
    let has_name = path.file_name().is_some();
    let whole = if has_name { path.to_owned() } else { path.canonicalize().unwrap_or_else(|_| path.to_owned()) };
    let name = if whole.is_file() { whole.file_stem() } else { whole.file_name() };
    name.unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::{Format, PredictionSource, Suggestion, Training, WeightBytes};
    use crate::geom::Extent;
    use crate::networks::UNetConfig;

    const UNET: &str = r#"{"block_out_channels": [32], "down_block_types": ["CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D"]}"#;

    fn entry(name: &str, is_usable: bool) -> ModelEntry {
        let path = PathBuf::from(name);
        let summary = Summary {
            native_extent: Extent::new(8, 8),
            parameters_bytes: 1,
            weights: WeightBytes::default(),
            family: None,
            format: Format::Folder,
            prediction_source: PredictionSource::Config,
            training: Training::from_json("{}").unwrap(),
            suggestion: Suggestion::default(),
            unet: UNetConfig::from_json(UNET).unwrap(),
            downscale: 8,
            stored: "f16",
            vae_width: 128,
            lacks: None,
        };
        let summary = if is_usable { Ok(summary) } else { Err(Error::NotAModel(path.clone())) };
        ModelEntry { name: name.to_owned(), path, display_name: None, summary }
    }

    fn library(entries: &[(&str, bool)]) -> Library {
        Library {
            entries: entries.iter().map(|&(name, is_usable)| entry(name, is_usable)).collect(),
            ..Library::default()
        }
    }

    #[test]
    fn the_model_used_last_goes_before_the_one_in_the_box_and_that_before_all_others() {
        let preferred = |library: &Library, used_last| library.preferred(used_last).map(|entry| entry.name.clone());
        let all = library(&[("aquarelle", true), ("broken", false), (SHIPPED, true), ("zinnober", true)]);
        assert_eq!(preferred(&all, Some("zinnober")).as_deref(), Some("zinnober"));
        for unusable in [None, Some("broken"), Some("not there")] {
            assert_eq!(preferred(&all, unusable).as_deref(), Some(SHIPPED), "{unusable:?}");
        }
        let without = library(&[("broken", false), (SHIPPED, false), ("zinnober", true)]);
        assert_eq!(preferred(&without, None).as_deref(), Some("zinnober"));
        assert_eq!(preferred(&library(&[("broken", false)]), Some("broken")), None);
    }

    #[test]
    fn a_name_is_taken_as_it_is_written_where_a_model_has_it() {
        let both = library(&[("Sepia", true), ("sepia", true)]);
        assert_eq!(both.find("sepia").unwrap(), Path::new("sepia"));
        assert_eq!(both.find("Sepia").unwrap(), Path::new("Sepia"));
        assert_eq!(both.find("SEPIA").unwrap(), Path::new("Sepia"));
    }
}
