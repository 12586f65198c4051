//! The work itself: the weights, of one model, one upscaler, one `ControlNet` and one CLIP at a time, and the runs that use them.

use super::device::free_memory;
use super::preview::Previews;
use super::thread::Work;
use super::{CancelToken, Error, Event, Job, Memory, Peer, device, give_back_freed_memory};
use crate::checkpoints::{
    self, Clip, ControlNet, LearnedWord, Library, Lora, LoraWeights, Model, Stamps, Upscaler, Vae, load_controlnet,
    load_tiny_vae,
};
use crate::diffusion::{
    Control, Ending, Extras, Incoming, Painted, Precision, Progress, Request, Stop, Trace, Upscale, paint, upscale,
};
use crate::meaning::{Embedding, Eye, Seen};
use crate::pixels::Picture;
use crate::prompt::{LoraTag, loras, names};
use candle_core::Device;
use std::cell::Cell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What the inference thread owns. It never leaves the thread.
pub(super) struct Studio {
    library: Arc<Library>,
    device: Device,
    memory: Memory,
    /// Whether that is little, or too little for the loaded model.
    sparing: bool,
    /// Where it lies, for another library may have another model of its name; what it multiplies in; and the weights.
    loaded: Option<(PathBuf, Precision, Model)>,
    /// What lends it what it lacks: its name, and where it lies.
    lender: Option<(String, PathBuf)>,
    /// The VAE that is in it in the place of its own.
    vae: Option<PathBuf>,
    /// Those that are in it, and where they lie.
    loras: Vec<(LoraTag, PathBuf)>,
    /// How many bytes they add to it.
    lora_bytes: u64,
    /// The tiny one that shows steps.
    tiny_vae: Option<Kept<Vae>>,
    upscaler: Option<Kept<Upscaler>>,
    controlnet: Option<(Precision, Kept<ControlNet>)>,
    /// Not by stamps: what it saw is kept by what its files were when the program started, and another one's is not to be mixed with it.
    eye: Option<(PathBuf, Eye)>,
}

/// Something that was loaded, where from, and what its files were then.
struct Kept<T> {
    path: PathBuf,
    stamps: Stamps,
    it: T,
}

impl<T> Kept<T> {
    fn load(
        path: &Path,
        load: impl FnOnce(&Path) -> Result<T, checkpoints::Error>,
    ) -> Result<Self, checkpoints::Error> {
        let stamps = Stamps::of([path.to_owned()]);
        Ok(Self { path: path.to_owned(), stamps, it: load(path)? })
    }

    /// Whether it is what lies there now.
    fn is_of(&self, path: &Path) -> bool {
        self.path == path && !self.stamps.are_outdated()
    }
}

impl Studio {
    pub(super) fn new(library: Arc<Library>, memory: Memory) -> Self {
        Self {
            library,
            device: device(),
            memory,
            sparing: false,
            loaded: None,
            lender: None,
            vae: None,
            tiny_vae: None,
            loras: Vec::new(),
            lora_bytes: 0,
            upscaler: None,
            controlnet: None,
            eye: None,
        }
    }

    /// Whether all of a model, with a picture in the making, is more than what is free.
    fn is_too_large(&self, model: &str, precision: Precision) -> bool {
        let entry = self.library.entries().iter().find(|entry| entry.name == model);
        let facts = entry.and_then(|entry| entry.summary.as_ref().ok());
        let needed = facts.map(|facts| facts.memory(facts.native_extent, precision, &self.device));
        needed.zip(free_memory(&self.device)).is_some_and(|(needed, free)| needed + self.lora_bytes > free)
    }

    /// The CLIP of this name, loaded unless it is.
    fn eye(&mut self, clip: &str) -> Result<&mut Eye, Error> {
        let path = &self.library.find_clip(clip)?.path;
        if self.eye.as_ref().is_none_or(|(of, _)| of != path) {
            self.eye = None;
            self.eye = Some((path.clone(), Eye::new(Clip::load(path, &self.device)?)));
        }
        Ok(self.eye.as_mut().map(|(_, eye)| eye).expect("it was loaded above"))
    }

    /// Loads the upscaler that a request names, if it names one, unless it is loaded.
    fn load_upscaler(&mut self, request: &Request) -> Result<(), Error> {
        let Some(Upscale { upscaler, .. }) = &request.upscale else {
            return Ok(());
        };
        let path = &self.library.find_upscaler(upscaler)?.path;
        if self.upscaler.as_ref().is_none_or(|kept| !kept.is_of(path)) {
            self.upscaler = None;
            self.upscaler = Some(Kept::load(path, |path| Upscaler::load(path, &self.device))?);
        }
        Ok(())
    }

    /// Puts the VAE that a request names into the loaded model, or the model's own, unless that is in it.
    fn load_vae(&mut self, request: &Request) -> Result<(), Error> {
        let wanted = request.borrowed.vae.as_deref().map(|name| self.library.find_vae(name)).transpose()?;
        if let Some(entry) = wanted.filter(|_| encodes(request))
            && entry.summary.as_ref().is_ok_and(|summary| !summary.encodes)
        {
            return Err(checkpoints::Error::NoEncoder(entry.path.clone()).into());
        }
        let wanted = wanted.map(|entry| entry.path.clone());
        let (.., model) = self.loaded.as_mut().expect("the loop loads the job's model before it paints");
        if wanted != self.vae || !model.has_current_vae() {
            model.use_vae(wanted.as_deref())?;
            self.vae = wanted;
        }
        Ok(())
    }

    /// Loads the first tiny VAE that fits a model, to show steps with, unless it is loaded or memory is short; one that cannot be loaded costs no
    /// picture.
    fn load_tiny_vae(&mut self, model: &str) {
        let fitting = self.library.vaes_for(model);
        let tiny = fitting.iter().find(|entry| entry.summary.as_ref().is_ok_and(|summary| summary.is_tiny));
        let path = tiny.filter(|_| !self.sparing).map(|entry| &entry.path);
        if let (Some(kept), Some(path)) = (&self.tiny_vae, path)
            && kept.is_of(path)
        {
            return;
        }
        self.tiny_vae = path.and_then(|path| {
            let loaded = Kept::load(path, |path| load_tiny_vae(path, &self.device));
            loaded.inspect_err(|error| tracing::warn!("steps are shown roughly: {error}")).ok()
        });
    }

    /// The model that lends to the one at `path` what that lacks: the one of this name, or the first.
    fn lender_of(&self, path: &Path, name: Option<&str>) -> Result<Option<(String, PathBuf)>, Error> {
        let mut lenders = self.library.lenders(path).peekable();
        if lenders.peek().is_none() {
            return Ok(None);
        }
        match name {
            Some(name) => Ok(Some((name.to_owned(), self.library.find(name)?))),
            None => Ok(lenders.next().map(|entry| (entry.name.clone(), entry.path.clone()))),
        }
    }

    /// As [`Self::load_upscaler`], what guides.
    fn load_controlnet(&mut self, request: &Request) -> Result<(), Error> {
        let Some(Control { controlnet, .. }) = &request.control else {
            return Ok(());
        };
        let precision = request.precision;
        let path = &self.library.find_controlnet(controlnet)?.path;
        if self.controlnet.as_ref().is_none_or(|(loaded, kept)| *loaded != precision || !kept.is_of(path)) {
            self.controlnet = None;
            let kept = Kept::load(path, |path| load_controlnet(path, &self.device, precision))?;
            self.controlnet = Some((precision, kept));
        }
        Ok(())
    }
}

impl Studio {
    /// Puts the `LoRA`s that the prompts ask for into the loaded model, and takes out those that it does not, unless they are the same
    /// of the same files.
    fn load_loras(&mut self, request: &Request) -> Result<(), Error> {
        // They change the network, which is one for all parts of a picture.
        let prompts: Vec<_> = request.prompts().collect();
        let mut wanted = Vec::new();
        for tag in loras(&prompts.join(" ")).map_err(checkpoints::Error::from)? {
            let path = self.library.find_lora(&tag.name)?.path.clone();
            wanted.push((tag, path));
        }
        let (.., model) = self.loaded.as_ref().expect("the loop loads the job's model before it paints");
        if wanted == self.loras && model.has_current_loras() {
            return Ok(());
        }
        let mut opened = Vec::new();
        for (tag, path) in &wanted {
            let lora = Lora::open(path)?;
            model.check(&lora)?;
            opened.push((Arc::new(lora), LoraWeights { unet: tag.unet, text: tag.text }));
        }
        let added = model.bytes_added(&opened)?;
        // What others added is freed first.
        let grows_by = added.saturating_sub(self.lora_bytes);
        if !self.sparing && free_memory(&self.device).is_some_and(|free| grows_by > free) {
            self.sparing = true;
            model.give_back();
        }
        self.lora_bytes = added;
        if let Some((path, precision, model)) = self.loaded.take() {
            self.loras.clear();
            self.loaded = Some((path, precision, model.with_loras(opened)?));
            self.loras = wanted;
        }
        Ok(())
    }
}

impl Studio {
    /// The learned words that a request's prompts name.
    fn learned(&self, request: &Request) -> (Vec<LearnedWord>, Vec<String>) {
        let prompts: Vec<_> = request.prompts().chain([request.negative_prompt.as_str()]).collect();
        let (mut learned, mut unread) = (Vec::new(), Vec::new());
        for entry in self.library.embeddings() {
            if entry.names().any(|name| prompts.iter().any(|prompt| names(prompt, name))) {
                match LearnedWord::open(&entry.path) {
                    Ok(word) => learned.extend(word),
                    Err(error) => {
                        unread.push(format!("the embedding {} was passed over and read as words: {error}", entry.name));
                    }
                }
            }
        }
        (learned, unread)
    }
}

impl Work for Studio {
    fn use_library(&mut self, library: Arc<Library>) {
        self.library = library;
    }

    fn load(&mut self, model: &str, parts_from: Option<&str>, precision: Precision) -> Result<Option<f64>, Error> {
        let path = self.library.find(model)?;
        let lender = self.lender_of(&path, parts_from)?;
        let is_it =
            |of: &Path, loaded: Precision, model: &Model| *of == *path && loaded == precision && model.is_current();
        let is_loaded = self.loaded.as_ref().is_some_and(|(of, loaded, model)| is_it(of, *loaded, model));
        if is_loaded && self.lender == lender {
            return Ok(None);
        }
        // What is refused must not cost what is loaded.
        if !precision.is_there(&self.device) {
            return Err(precision.refused(&self.device).into());
        }
        // Two models at once may be more than the machine holds.
        self.loaded = None;
        self.loras.clear();
        self.lora_bytes = 0;
        self.vae = None;
        let started = Instant::now();
        give_back_freed_memory();
        self.sparing = self.memory == Memory::Sparing || self.is_too_large(model, precision);
        let load = if self.sparing { Model::open } else { Model::load_with };
        let loaded = load(&path, lender.as_ref().map(|(_, path)| path.as_path()), &self.device, precision)?;
        self.lender = lender;
        self.loaded = Some((path, precision, loaded));
        Ok(Some(started.elapsed().as_secs_f64()))
    }

    fn paint(&mut self, job: &Job, trace: Option<&Path>, peer: &Peer) -> Result<Ending, Error> {
        // Before the painting: what is missing is not found out at its end.
        self.load_upscaler(&job.request)?;
        self.load_controlnet(&job.request)?;
        self.load_loras(&job.request)?;
        self.load_vae(&job.request)?;
        let (learned, unread) = self.learned(&job.request);
        // Nothing of such a model is in memory between pictures, so that what is free tells.
        self.sparing = self.sparing
            && (self.memory == Memory::Sparing || self.is_too_large(&job.request.model, job.request.precision));
        self.load_tiny_vae(&job.request.model);
        let (.., model) = self.loaded.as_ref().expect("the loop loads the job's model before it paints");
        let tiny_vae = self.tiny_vae.as_ref().map(|kept| &kept.it);
        let previews = Previews::new(&model.preview, tiny_vae, !self.device.is_cpu());
        let taken = Cell::new(0);
        let next = || job.hints.try_recv().ok().inspect(|_| taken.set(taken.get() + 1));
        let extras = Extras {
            hints: Some(Incoming(&next)),
            upscaler: self.upscaler.as_ref().map(|kept| &kept.it),
            controlnet: self.controlnet.as_ref().map(|(_, kept)| &kept.it),
            learned: &learned,
            sparing: self.sparing,
        };
        let trace_to_be = trace.map(|_| Trace::default());
        let mut watch = Watch {
            job,
            peer,
            hints: &taken,
            sparing: self.sparing,
            previews: Some(previews),
            trace: trace_to_be,
            failed: None,
        };
        let ending = paint(model, extras, &job.request, &mut |progress| watch.see(&progress));
        let Watch { trace: traced, failed, .. } = watch;
        if matches!(ending, Err(crate::diffusion::Error::OutOfMemory(_))) {
            // What it holds may be what the next picture lacks.
            model.give_back();
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let mut ending = ending?;
        if let Ending::Finished(painted) | Ending::Stopped(painted) = &mut ending {
            painted.notes.extend(unread);
            if job.request.prompts().skip(1).any(|words| loras(words).is_ok_and(|loras| !loras.is_empty())) {
                painted.notes.push("a LoRA in the words of a layer counts in all of the picture".to_owned());
            }
            if job.hints.try_iter().next().is_some() {
                painted.notes.push("what was painted last came too late to be painted in".to_owned());
            }
            painted.request.borrowed.parts_from = self.lender.as_ref().map(|(name, _)| name.clone());
            if self.sparing && self.memory == Memory::Plenty {
                painted.notes.push(
                    "memory is short, so each part of the model was loaded when it was needed and freed after: close other programs to \
                     paint the next picture sooner"
                        .to_owned(),
                );
            }
        }
        if let (Some(file), Some(mut traced), Ending::Finished(painted) | Ending::Stopped(painted)) =
            (trace, traced, &ending)
        {
            traced.record_picture(&painted.picture);
            // A picture that took minutes is worth more than its trace.
            if let Err(error) = traced.write(file) {
                peer.tell(Event::TraceFailed { id: job.id, error: error.into() })?;
            }
        }
        Ok(ending)
    }

    fn look(
        &mut self,
        clip: &str,
        picture: &Picture,
        prompt: &str,
        cancel: &CancelToken,
    ) -> Result<Option<Seen>, Error> {
        let eye = self.eye(clip)?;
        if cancel.requested().is_some() {
            return Ok(None);
        }
        Ok(Some(eye.look(picture, prompt)?))
    }

    fn read(&mut self, clip: &str, words: &str) -> Result<Embedding, Error> {
        Ok(self.eye(clip)?.read(words)?)
    }

    fn upscale(&mut self, job: &Job, picture: &Picture, steps_made: u32, peer: &Peer) -> Result<Ending, Error> {
        let started = Instant::now();
        self.load_upscaler(&job.request)?;
        let (Some(Upscale { factor, .. }), Some(Kept { it: upscaler, .. })) = (&job.request.upscale, &self.upscaler)
        else {
            return Ok(Ending::Discarded);
        };
        let hints = &Cell::new(0);
        let mut watch = Watch { job, peer, hints, sparing: self.sparing, previews: None, trace: None, failed: None };
        let ending = upscale(picture, upscaler, *factor, &mut |progress| watch.see(&progress));
        if let Some(error) = watch.failed {
            return Err(error);
        }
        let Continue(picture) = ending? else {
            // There is nothing to keep: the picture it was to be made of is still there.
            return Ok(Ending::Discarded);
        };
        let painted = Painted {
            picture: Arc::new(picture),
            request: job.request.clone(),
            steps_made,
            seconds: started.elapsed().as_secs_f64(),
            notes: Vec::new(),
        };
        let is_whole = steps_made >= job.request.steps_to_run();
        Ok(if is_whole { Ending::Finished(painted) } else { Ending::Stopped(painted) })
    }
}

/// Whether a picture is encoded for it.
fn encodes(request: &Request) -> bool {
    request.input.is_some()
        || !request.hints.is_empty()
        || request.upscale.as_ref().is_some_and(|upscale| upscale.refine.is_some())
}

/// Turns a run's progress into events, and the cancel token into an answer.
struct Watch<'a> {
    job: &'a Job,
    peer: &'a Peer,
    /// How many hints the run has taken.
    hints: &'a Cell<usize>,
    sparing: bool,
    /// From latents to previews, where there are latents.
    previews: Option<Previews<'a>>,
    trace: Option<Trace>,
    /// Why the run was broken off from here.
    failed: Option<Error>,
}

impl Watch<'_> {
    fn see(&mut self, progress: &Progress<'_>) -> ControlFlow<Stop> {
        if let Err(error) = self.tell(progress) {
            self.failed = Some(error);
            return Break(Stop::Discard);
        }
        self.job.cancel.requested().map_or(Continue(()), Break)
    }

    fn tell(&mut self, progress: &Progress<'_>) -> Result<(), Error> {
        if let Some(trace) = &mut self.trace {
            trace.record(progress)?;
        }
        let id = self.job.id;
        match *progress {
            Progress::Phase(phase) => {
                // What networks gave back lies in pieces between what is in use, too small for the next phase.
                if self.sparing {
                    give_back_freed_memory();
                }
                self.peer.tell(Event::JobPhase { id, phase })?;
            }
            Progress::Step { index, count, denoised, .. } => {
                if let Some(previews) = &mut self.previews {
                    let preview =
                        self.peer.is_preview_due(id).then(|| previews.of(denoised).map(Arc::new)).transpose()?;
                    self.peer.tell(Event::JobStep { id, index, count, preview, hints: self.hints.get() })?;
                }
            }
            Progress::Piece { index, count } => self.peer.tell(Event::JobPiece { id, index, count })?,
            Progress::Start { .. } | Progress::Latent(_) | Progress::Block => {}
        }
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::diffusion::{Borrowed, Emphasis, Reproduce, SamplerName, Savings, ScheduleName, Tuning};
    use crate::geom::Extent;
    use candle_core::{DType, Tensor};
    use std::collections::HashMap;
    use std::time::{Duration, SystemTime};

    fn request(prompt: &str) -> Request {
        Request {
            model: "sepia".to_owned(),
            borrowed: Borrowed::default(),
            prompt: prompt.to_owned(),
            negative_prompt: String::new(),
            extent: Extent::new(64, 64),
            seed: 0,
            sampler: SamplerName::Euler,
            schedule: ScheduleName::Normal,
            steps: 1,
            guidance_scale: 1.0,
            precision: Precision::F32,
            savings: Savings::default(),
            tuning: Tuning::default(),
            prediction: None,
            clip_skip: 1,
            emphasis: Emphasis::Original,
            reproduce: Reproduce::default(),
            input: None,
            control: None,
            upscale: None,
            hints: Vec::new(),
        }
    }

    #[test]
    fn another_model_with_the_name_of_the_loaded_one_is_loaded_in_its_place() {
        let home = tempfile::tempdir().unwrap();
        let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
        let [first, second] = ["a", "b"].map(|name| {
            let folder = home.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::os::unix::fs::symlink(&bozzetto, folder.join("sepia")).unwrap();
            Arc::new(Library::discover(&[folder]))
        });
        let mut studio = Studio::new(first, Memory::Sparing);
        let loads = |studio: &mut Studio| studio.load("sepia", None, Precision::F32).unwrap().is_some();
        assert!(loads(&mut studio) && !loads(&mut studio));
        studio.use_library(second);
        assert!(loads(&mut studio) && !loads(&mut studio));
    }

    #[test]
    fn a_folder_whose_weights_were_changed_is_loaded_anew() {
        let home = tempfile::tempdir().unwrap();
        let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
        let sepia = home.path().join("sepia");
        std::fs::create_dir_all(sepia.join("unet")).unwrap();
        for part in ["model_index.json", "text_encoder", "tokenizer", "scheduler", "vae", "unet/config.json"] {
            std::os::unix::fs::symlink(bozzetto.join(part), sepia.join(part)).unwrap();
        }
        let weights = "unet/diffusion_pytorch_model.safetensors";
        std::fs::copy(bozzetto.join(weights), sepia.join(weights)).unwrap();
        let mut studio = Studio::new(Arc::new(Library::discover(&[home.path().to_owned()])), Memory::Sparing);
        let loads = |studio: &mut Studio| studio.load("sepia", None, Precision::F32).unwrap().is_some();
        assert!(loads(&mut studio) && !loads(&mut studio));
        let file = std::fs::File::options().write(true).open(sepia.join(weights)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert!(loads(&mut studio) && !loads(&mut studio));
    }

    #[test]
    fn an_upscaler_that_was_changed_is_loaded_anew() {
        let home = tempfile::tempdir().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upscaler");
        let folder = home.path().join("upscalers");
        std::fs::create_dir(&folder).unwrap();
        let put = |of: &str| std::fs::copy(fixtures.join(of), folder.join("fine.safetensors")).unwrap();
        put("compact_x4.safetensors");
        let mut studio = Studio::new(Arc::new(Library::discover(&[home.path().to_owned()])), Memory::Sparing);
        let upscale = Some(Upscale { upscaler: "fine".to_owned(), factor: 2.0, refine: None });
        let request = Request { upscale, ..request("an apple") };
        let mut scale = || {
            studio.load_upscaler(&request).unwrap();
            studio.upscaler.as_ref().unwrap().it.scale()
        };
        assert_eq!(scale(), 4);
        put("rrdb_x2.safetensors");
        assert_eq!(scale(), 2);
        std::fs::remove_file(folder.join("fine.safetensors")).unwrap();
        assert_eq!(scale(), 2, "what is out of sight stays what it was");
    }

    #[test]
    fn another_lora_with_the_name_of_one_that_is_in_the_model_takes_its_place_and_so_does_one_that_was_changed() {
        let home = tempfile::tempdir().unwrap();
        let bozzetto = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
        let [first, second] = ["a", "b"].map(|name| {
            let folder = home.path().join(name);
            std::fs::create_dir_all(folder.join("Lora")).unwrap();
            std::os::unix::fs::symlink(&bozzetto, folder.join("sepia")).unwrap();
            let difference = Tensor::zeros(8, DType::F32, &Device::Cpu).unwrap();
            let tensors = HashMap::from([("lora_unet_conv_out.diff_b", difference)]);
            candle_core::safetensors::save(&tensors, folder.join("Lora/ink.safetensors")).unwrap();
            folder
        });
        let [older, newer] = [vec![first.clone()], vec![second.clone(), first.clone()]];
        let mut studio = Studio::new(Arc::new(Library::discover(&older)), Memory::Sparing);
        studio.load("sepia", None, Precision::F32).unwrap();
        let request = request("an apple <lora:ink:0.5>");
        studio.load_loras(&request).unwrap();
        assert!(studio.loras[0].1.starts_with(&first));
        studio.use_library(Arc::new(Library::discover(&newer)));
        studio.load_loras(&request).unwrap();
        assert!(studio.loras[0].1.starts_with(&second));
        // As long as before, and later.
        let file = std::fs::File::options().write(true).open(&studio.loras[0].1).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        let is_current = |studio: &Studio| studio.loaded.as_ref().unwrap().2.has_current_loras();
        assert!(!is_current(&studio));
        studio.load_loras(&request).unwrap();
        assert!(is_current(&studio));
    }
}
