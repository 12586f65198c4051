//! What a request names beside its model: loaded when it is asked for, unless what lies there now is loaded.

use super::Studio;
use crate::checkpoints::{
    self, Clip, LearnedWord, Lora, LoraWeights, Stamps, Upscaler, load_controlnet, load_tiny_vae,
};
use crate::diffusion::{Control, Request, Upscale};
use crate::engine::Error;
use crate::engine::device::free_memory;
use crate::meaning::Eye;
use crate::prompt::{loras, names};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something that was loaded, where from, and what its files were then.
pub(super) struct Kept<T> {
    path: PathBuf,
    stamps: Stamps,
    pub(super) it: T,
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
    /// The CLIP of this name, loaded unless it is.
    pub(super) fn eye(&mut self, clip: &str) -> Result<&mut Eye, Error> {
        let path = &self.library.find_clip(clip)?.path;
        if self.eye.as_ref().is_none_or(|(of, _)| of != path) {
            self.eye = None;
            self.eye = Some((path.clone(), Eye::new(Clip::load(path, &self.device)?)));
        }
        Ok(self.eye.as_mut().map(|(_, eye)| eye).expect("it was loaded above"))
    }

    /// Loads the upscaler that a request names, if it names one, unless it is loaded.
    pub(super) fn load_upscaler(&mut self, request: &Request) -> Result<(), Error> {
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
    pub(super) fn load_vae(&mut self, request: &Request) -> Result<(), Error> {
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
    pub(super) fn load_tiny_vae(&mut self, model: &str) {
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
    pub(super) fn lender_of(&self, path: &Path, name: Option<&str>) -> Result<Option<(String, PathBuf)>, Error> {
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
    pub(super) fn load_controlnet(&mut self, request: &Request) -> Result<(), Error> {
        let Some(Control { controlnet, .. }) = &request.control else {
            return Ok(());
        };
        let precision = request.precision;
        let path = &self.library.find_controlnet(controlnet)?.path;
        if self.controlnet.as_ref().is_none_or(|(loaded, kept)| *loaded != precision || !kept.is_of(path)) {
            self.controlnet = None;
            let kept = Kept::load(path, |path| load_controlnet(path, &self.device, precision, self.packed.as_ref()))?;
            self.controlnet = Some((precision, kept));
        }
        Ok(())
    }

    /// Puts the `LoRA`s that the prompts ask for into the loaded model, and takes out those that it does not, unless they are the same
    /// of the same files.
    pub(super) fn load_loras(&mut self, request: &Request) -> Result<(), Error> {
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

    /// The learned words that a request's prompts name.
    pub(super) fn learned(&self, request: &Request) -> (Vec<LearnedWord>, Vec<String>) {
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

/// Whether a picture is encoded for it.
fn encodes(request: &Request) -> bool {
    request.input.is_some()
        || !request.hints.is_empty()
        || request.upscale.as_ref().is_some_and(|upscale| upscale.refine.is_some())
}
