use crate::checkpoints::Library;
use crate::diffusion::{Hint, Painted, Phase, Precision, Request, Stop};
use crate::meaning::{Embedding, Seen};
use crate::pixels::Picture;
use crossbeam_channel::{Receiver, Sender, never, unbounded};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Names a job for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Names a picture that is looked at, for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LookId(pub u64);

/// One picture to paint.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name in events.
    pub id: JobId,
    /// What to paint, already checked.
    pub request: Box<Request>,
    /// How to stop it.
    pub cancel: CancelToken,
    /// What is painted into it while it is drawn.
    pub hints: Receiver<Hint>,
}

impl Job {
    /// One that nothing is painted into.
    pub fn new(id: JobId, request: Box<Request>, cancel: CancelToken) -> Self {
        Self { id, request, cancel, hints: never() }
    }

    /// One that is painted into through the other value: each hint enters before the next step that begins, whatever its own says.
    pub fn open(id: JobId, request: Box<Request>, cancel: CancelToken) -> (Self, Sender<Hint>) {
        let (into, hints) = unbounded();
        (Self { hints, ..Self::new(id, request, cancel) }, into)
    }
}

/// What the engine is told.
#[derive(Clone, Debug)]
pub enum Command {
    /// Load a model now, so that the first picture does not wait for it.
    Load {
        /// Its name.
        model: String,
        /// The model that lends what it lacks; none is the first.
        parts_from: Option<String>,
        /// In which numbers it multiplies.
        precision: Precision,
    },
    /// Find models and what goes with them in this library from now on; what is loaded stays so.
    UseLibrary(Arc<Library>),
    /// Paint.
    Generate(Job),
    /// Enlarge a picture that is painted already, as the job's request says.
    Upscale {
        /// What was painted, with how it is to be enlarged.
        job: Job,
        /// The picture that came of it without that.
        picture: Arc<Picture>,
        /// How many steps were made for it.
        steps_made: u32,
    },
    /// Look at a picture that is kept: what is in it, and how well it fits what was asked for.
    Look {
        /// What to call it in the answer.
        id: LookId,
        /// Through which CLIP, by its name.
        clip: String,
        /// The picture.
        picture: Arc<Picture>,
        /// What was asked for.
        prompt: String,
        /// How to take it back: what has begun is not broken off.
        cancel: CancelToken,
    },
    /// Read words that pictures are to be compared with.
    Read {
        /// With which CLIP, by its name.
        clip: String,
        /// The words.
        words: String,
    },
    /// Paint, and write every tensor on the way to a safetensors file, as [`Trace`](crate::diffusion::Trace) names them.
    Trace {
        /// What to paint.
        job: Job,
        /// The file to write.
        file: PathBuf,
    },
}

/// The one thing that two threads share: whether a job is to stop. It is read after every call of the network.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicU8>);

impl CancelToken {
    /// Asks the job to stop. Discarding wins over keeping.
    pub fn stop(&self, how: Stop) {
        let value = match how {
            Stop::Keep => 1,
            Stop::Discard => 2,
        };
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    /// What was asked, if anything.
    pub fn requested(&self) -> Option<Stop> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Stop::Keep),
            _ => Some(Stop::Discard),
        }
    }
}

/// What the engine tells. Every job ends with exactly one `JobEnded`, also when the thread panics.
#[derive(Debug)]
pub enum Event {
    /// A model is ready.
    ModelLoaded {
        /// Its name.
        model: String,
        /// How long it took.
        seconds: f64,
    },
    /// A model asked for by [`Command::Load`] could not be loaded.
    ModelFailed {
        /// Its name.
        model: String,
        /// Why, and what to do about it.
        error: super::Error,
    },
    /// The engine began with this job.
    JobStarted(JobId),
    /// The job entered a phase.
    JobPhase {
        /// Which job.
        id: JobId,
        /// Which phase.
        phase: Phase,
    },
    /// A step was made. Any of these may be dropped when the window is slow; no other event is.
    JobStep {
        /// Which job.
        id: JobId,
        /// The step that was made, from 0.
        index: u32,
        /// How many there are.
        count: u32,
        /// The estimate of the finished picture, at latent resolution or finer. None where steps are made faster than the client wants to see.
        preview: Option<Arc<Picture>>,
        /// How many of the job's hints it shows.
        hints: usize,
    },
    /// A piece of the picture is to be enlarged.
    JobPiece {
        /// Which job.
        id: JobId,
        /// The piece, from 0.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// The trace of a [`Command::Trace`] could not be written. The job ends as if none had been asked for.
    TraceFailed {
        /// Which job.
        id: JobId,
        /// Why, and which file.
        error: super::Error,
    },
    /// A picture of a [`Command::Look`] was looked at, or could not be.
    Looked {
        /// Which one.
        id: LookId,
        /// What was seen; none if it was taken back before.
        seen: Result<Option<Seen>, super::Error>,
    },
    /// The words of a [`Command::Read`] were read, or could not be.
    WordsRead {
        /// The words.
        words: String,
        /// What they say.
        meaning: Result<Embedding, super::Error>,
    },
    /// The job is over.
    JobEnded {
        /// Which job.
        id: JobId,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps were made.
    Finished(Painted),
    /// Stopped early and kept.
    Stopped(Painted),
    /// Stopped early and thrown away, or never begun.
    Cancelled,
    /// It could not be painted.
    Failed(super::Error),
}
