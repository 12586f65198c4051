//! The work itself: the weights, of one model, one upscaler, one `ControlNet` and one CLIP at a time, and the runs that use them.

mod named;
mod room;

use super::device::free_memory;
use super::preview::Previews;
use super::thread::Work;
use super::{CancelToken, Error, Event, Job, Memory, Peer, device, give_back_freed_memory};
use crate::checkpoints::{ControlNet, Library, Model, PackedFolder, Upscaler, Vae};
use crate::diffusion::{Ending, Extras, Incoming, Painted, Precision, Progress, Stop, Trace, Upscale, paint, upscale};
use crate::meaning::{Embedding, Eye, Seen};
use crate::pixels::Picture;
use crate::prompt::{LoraTag, loras};
use candle_core::Device;
use named::Kept;
use room::told_of_parts;
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
    /// Where what is packed of weights is kept.
    packed: Option<PackedFolder>,
    /// Whether that is little, or too little for the loaded model.
    sparing: bool,
    /// The pixels of the smallest picture that a GPU had too little memory for beside all of the loaded model; 0 where that was too much by itself.
    ran_out_at: Option<usize>,
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

impl Studio {
    pub(super) fn new(library: Arc<Library>, memory: Memory, packed: Option<PackedFolder>) -> Self {
        Self {
            library,
            device: device(),
            memory,
            packed,
            sparing: false,
            ran_out_at: None,
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

    /// A picture as many times larger, by the upscaler that the job's request names.
    fn enlarged(
        &mut self,
        picture: &Picture,
        factor: f64,
        job: &Job,
        peer: &Peer,
    ) -> Result<ControlFlow<Stop, Picture>, Error> {
        self.load_upscaler(&job.request)?;
        let kept = self.upscaler.as_ref().expect("it was loaded above, for the request names one");
        let mut watch = Watch {
            job,
            peer,
            device: &self.device,
            hints: &Cell::new(0),
            sparing: self.sparing,
            previews: None,
            trace: None,
            failed: None,
        };
        let enlarged = upscale(picture, &kept.it, factor, &mut |progress| watch.see(&progress));
        if let Some(error) = watch.failed {
            return Err(error);
        }
        Ok(enlarged?)
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
        let seemed_to_fit = !self.sparing;
        let loaded = self.with_room(|studio| {
            let load = if studio.sparing { Model::open } else { Model::load_with };
            let lent = lender.as_ref().map(|(_, path)| path.as_path());
            Ok(load(&path, lent, &studio.device, precision, studio.packed.as_ref())?)
        })?;
        self.ran_out_at = (seemed_to_fit && self.sparing).then_some(0);
        self.lender = lender;
        self.loaded = Some((path, precision, loaded));
        Ok(Some(started.elapsed().as_secs_f64()))
    }

    fn paint(&mut self, job: &Job, trace: Option<&Path>, peer: &Peer) -> Result<Ending, Error> {
        let ran_out = self.ran_out_with(&job.request);
        if ran_out && !self.sparing {
            // Between that picture and this one it was loaded whole, for a smaller one.
            self.give_back();
        }
        // Before the painting: what is missing is not found out at its end.
        self.load_upscaler(&job.request)?;
        self.load_controlnet(&job.request)?;
        self.load_loras(&job.request)?;
        self.load_vae(&job.request)?;
        let (learned, unread) = self.learned(&job.request);
        // Nothing of such a model is in memory between pictures, so that what is free tells.
        self.sparing = self.sparing
            && (ran_out
                || self.memory == Memory::Sparing
                || self.is_too_large(&job.request.model, job.request.precision));
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
            device: &self.device,
            hints: &taken,
            sparing: self.sparing,
            previews: Some(previews),
            trace: trace_to_be,
            failed: None,
        };
        let ending = paint(model, extras, &job.request, &mut |progress| watch.see(&progress));
        let Watch { trace: traced, failed, .. } = watch;
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
                painted.notes.push(told_of_parts(ran_out).to_owned());
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
        let Some(Upscale { factor, .. }) = &job.request.upscale else {
            return Ok(Ending::Discarded);
        };
        let enlarged = self.with_room(|studio| studio.enlarged(picture, *factor, job, peer))?;
        let Continue(picture) = enlarged else {
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

    fn failed(&mut self, error: &Error, painting: Option<&Job>) {
        self.settle();
        if let Some(job) = painting {
            self.learn_from(error, &job.request);
        }
    }
}

/// Turns a run's progress into events, and the cancel token into an answer.
struct Watch<'a> {
    job: &'a Job,
    peer: &'a Peer,
    device: &'a Device,
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
                // What networks gave back lies in pieces between what is in use, too small for the next phase; a GPU has it back only when all
                // that was asked of it is done, and until then the phase before is not over.
                if self.sparing {
                    self.device.synchronize().map_err(crate::diffusion::Error::from)?;
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
mod tests;
