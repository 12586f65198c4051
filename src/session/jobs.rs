use crate::diffusion::{Phase, Request, Stop};
use crate::engine::{CancelToken, JobId};
use crate::pixels::Picture;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is being painted and what waits for it. Only the running job is at the engine: what waits can be taken out, and
/// nothing is lost when the engine dies.
#[derive(Debug, Default)]
pub struct Jobs {
    /// The job at the engine.
    pub running: Option<Running>,
    /// What follows it, next first.
    pub waiting: VecDeque<Waiting>,
    /// What had not been painted when the program last ended. It waits for [`ResumeQueue`](super::Action::ResumeQueue).
    pub left_over: Vec<Waiting>,
    pub(super) next_id: u64,
}

/// A job that has not begun.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its name.
    pub id: JobId,
    /// What it will paint.
    pub request: Box<Request>,
}

/// The job at the engine.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub id: JobId,
    /// What it paints.
    pub request: Box<Request>,
    /// What it is busy with; nothing yet when it was just sent.
    pub phase: Option<Phase>,
    /// How many steps were made; at most [`step_count`](Self::step_count).
    pub steps_made: u32,
    /// How many steps there are.
    pub step_count: u32,
    /// When it was sent.
    pub started: Instant,
    /// The newest estimate of the finished picture; smaller than the picture.
    pub preview: Option<Arc<Picture>>,
    /// Whether it was asked to stop, and how.
    pub stopping: Option<Stop>,
    pub(super) cancel: CancelToken,
    /// When the first and the newest step were made, and how many lie between.
    pub(super) pace: Option<Pace>,
}

/// How fast steps are made, from the steps that were made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) since: Instant,
    pub(super) latest: Instant,
    pub(super) steps: u32,
}
