use crate::diffusion::{Hint, Phase, Request, Stop};
use crate::engine::{CancelToken, Command, Job, JobId};
use crate::paint::Tiles;
use crate::pixels::Picture;
use crossbeam_channel::Sender;
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
    next_id: u64,
    pub(super) changes: u64,
}

/// A job that has not begun.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its name.
    pub id: JobId,
    /// What it will paint.
    pub request: Box<Request>,
    /// The picture, if it is painted already and only to be enlarged.
    pub(super) painted: Option<AlreadyPainted>,
}

/// What a request made before it is enlarged.
#[derive(Clone, Debug)]
pub(super) struct AlreadyPainted {
    pub(super) picture: Arc<Picture>,
    pub(super) steps_made: u32,
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
    /// How many steps were made, or while it is enlarged, pieces; at most [`step_count`](Self::step_count).
    pub steps_made: u32,
    /// How many steps there are, or pieces.
    pub step_count: u32,
    /// When it was sent.
    pub started: Instant,
    /// The newest estimate of the finished picture; smaller than the picture.
    pub preview: Option<Arc<Picture>>,
    /// Whether it was asked to stop, and how.
    pub stopping: Option<Stop>,
    /// What was painted into it, as large as the canvas shows it.
    pub(super) painted_in: Vec<Tiles>,
    /// How much of that the newest estimate shows.
    pub(super) hints_shown: usize,
    /// Where hints go; none when the run takes no more.
    pub(super) hints: Option<Sender<Hint>>,
    pub(super) cancel: CancelToken,
    sampling_since: Option<Instant>,
    latest_step: Option<Instant>,
}

impl Jobs {
    /// How many pictures are still to come, the running one included; those left over from last time are not.
    pub fn count(&self) -> usize {
        self.waiting.len() + usize::from(self.running.is_some())
    }

    /// Puts a request behind all that wait.
    pub(super) fn push(&mut self, request: Request) -> JobId {
        self.push_painted(request, None)
    }

    /// Puts a request behind all that wait, of which all but the enlarging may be done.
    pub(super) fn push_painted(&mut self, request: Request, painted: Option<AlreadyPainted>) -> JobId {
        let id = self.new_id();
        self.waiting.push_back(Waiting { id, request: Box::new(request), painted });
        id
    }

    pub(super) fn leave_over(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            let id = self.new_id();
            self.left_over.push(Waiting { id, request: Box::new(request), painted: None });
        }
    }

    /// A number that grows whenever what is unfinished changes.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes all that has not begun out of the queue.
    pub(super) fn clear(&mut self) {
        self.changes += 1;
        self.waiting.clear();
        self.left_over.clear();
    }

    /// Lets what is left over wait behind the rest.
    pub(super) fn resume(&mut self) {
        self.changes += 1;
        self.waiting.extend(self.left_over.drain(..));
    }

    pub(super) fn new_id(&mut self) -> JobId {
        self.changes += 1;
        self.next_id += 1;
        JobId(self.next_id)
    }

    /// Makes the next waiting job the running one, if none runs: what the engine is to be told.
    pub(super) fn start_next(&mut self, now: Instant) -> Option<Command> {
        if self.running.is_some() {
            return None;
        }
        let Waiting { id, request, painted } = self.waiting.pop_front()?;
        let cancel = CancelToken::default();
        let (job, hints) = Job::open(id, request.clone(), cancel.clone());
        let step_count = request.steps_to_run();
        self.running = Some(Running {
            id,
            request,
            phase: None,
            steps_made: 0,
            step_count,
            started: now,
            preview: None,
            stopping: None,
            painted_in: Vec::new(),
            hints_shown: 0,
            hints: Some(hints),
            cancel,
            sampling_since: None,
            latest_step: None,
        });
        Some(match painted {
            Some(AlreadyPainted { picture, steps_made }) => Command::Upscale { job, picture, steps_made },
            None => Command::Generate(job),
        })
    }

    /// The running job, if this is its name: events of jobs that were given up are not listened to.
    pub(super) fn running(&mut self, id: JobId) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    /// Takes the running job out, if this is its name.
    pub(super) fn end(&mut self, id: JobId) -> Option<Running> {
        self.changes += 1;
        self.running.take_if(|running| running.id == id)
    }

    /// Asks the running job to stop, if there is one.
    pub(super) fn stop(&mut self, how: Stop) {
        let Some(running) = &mut self.running else { return };
        self.changes += 1;
        running.cancel.stop(how);
        running.stopping = running.cancel.requested();
    }

    /// Takes a job that has not begun out of the queue.
    pub(super) fn cancel(&mut self, id: JobId) {
        self.changes += 1;
        self.waiting.retain(|job| job.id != id);
        self.left_over.retain(|job| job.id != id);
    }

    /// All that has not been painted, in order: what is to be kept over a restart.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &Request> {
        let running = self.running.iter().filter(|job| job.stopping.is_none()).map(|job| &*job.request);
        running.chain(self.waiting.iter().chain(&self.left_over).map(|job| &*job.request))
    }
}

impl Running {
    pub(super) fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = Some(phase);
        if matches!(phase, Phase::Sample | Phase::Upscale) {
            self.steps_made = 0;
            self.sampling_since = Some(now);
            self.latest_step = None;
        }
        if matches!(phase, Phase::Decode | Phase::Upscale) {
            self.hints = None;
        }
        if phase == Phase::Upscale {
            // How many pieces there are is told with the first one.
            self.step_count = 0;
        }
    }

    /// A piece is to be enlarged: those before it are.
    pub(super) fn piece(&mut self, index: u32, count: u32, now: Instant) {
        self.steps_made = index;
        self.step_count = count;
        self.latest_step = Some(now);
    }

    pub(super) fn step(&mut self, index: u32, count: u32, now: Instant) {
        self.steps_made = index + 1;
        self.step_count = count;
        self.latest_step = Some(now);
    }

    /// Whether something can be painted into it now: there is an estimate to paint on, and a step to come.
    pub fn takes_strokes(&self) -> bool {
        self.hints.is_some()
            && self.preview.is_some()
            && self.stopping.is_none()
            && (1..self.step_count).contains(&self.steps_made)
    }

    /// How often something was painted into it.
    pub fn strokes(&self) -> usize {
        self.painted_in.len()
    }

    /// What was painted into it and is not to be seen in the newest estimate yet, as large as the canvas shows it.
    pub fn strokes_on_their_way(&self) -> &[Tiles] {
        &self.painted_in[self.hints_shown.min(self.painted_in.len())..]
    }

    /// How long until the last step, if the steps to come take as long as those made; none before the first step.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let (since, latest) = (self.sampling_since?, self.latest_step?);
        if self.steps_made == 0 {
            return None;
        }
        let a_step = latest.saturating_duration_since(since) / self.steps_made;
        let to_come = self.step_count.saturating_sub(self.steps_made);
        Some((a_step * to_come).saturating_sub(now.saturating_duration_since(latest)))
    }

    /// 0..1: the share of the steps that are made.
    pub fn progress(&self) -> f32 {
        if self.step_count == 0 { 0.0 } else { self.steps_made as f32 / self.step_count as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::draft::tests::a_request;

    fn started(jobs: &mut Jobs, now: Instant) -> Job {
        match jobs.start_next(now) {
            Some(Command::Generate(job)) => job,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_time_left_comes_from_the_steps_made() {
        let mut jobs = Jobs::default();
        jobs.push(a_request("red apple"));
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        jobs.start_next(start).unwrap();
        let running = jobs.running.as_mut().unwrap();
        running.enter(Phase::LoadModel, at(0));
        running.enter(Phase::Sample, at(10));
        assert_eq!(running.time_left(at(11)), None);
        // The second step's event was dropped; three steps took six seconds, seven are left.
        running.step(0, 10, at(12));
        running.step(2, 10, at(16));
        assert_eq!(running.time_left(at(16)), Some(Duration::from_secs(14)));
        assert_eq!(running.time_left(at(17)), Some(Duration::from_secs(13)));
        assert_eq!(running.time_left(at(99)), Some(Duration::ZERO));
    }

    #[test]
    fn jobs_run_one_after_another_in_the_order_they_were_asked_for() {
        let mut jobs = Jobs::default();
        for prompt in ["a", "b", "c"] {
            jobs.push(a_request(prompt));
        }
        let now = Instant::now();
        let first = started(&mut jobs, now);
        assert!(jobs.start_next(now).is_none());
        assert_eq!(jobs.unfinished().map(|r| r.prompt.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        let second_id = jobs.waiting[0].id;
        jobs.cancel(second_id);
        jobs.cancel(first.id);
        assert!(jobs.end(JobId(99)).is_none());
        assert!(jobs.end(first.id).is_some());
        assert_eq!(started(&mut jobs, now).request.prompt, "c");
    }

    #[test]
    fn while_a_picture_is_enlarged_its_pieces_are_counted() {
        let mut jobs = Jobs::default();
        jobs.push(a_request("a"));
        let start = Instant::now();
        started(&mut jobs, start);
        let running = jobs.running.as_mut().unwrap();
        running.step(19, 20, start);
        running.enter(Phase::Upscale, start);
        running.piece(0, 4, start);
        assert_eq!((running.progress(), running.time_left(start)), (0.0, None));
        running.piece(1, 4, start + Duration::from_secs(2));
        assert_eq!(running.time_left(start + Duration::from_secs(2)), Some(Duration::from_secs(6)));
    }

    #[test]
    fn stopping_reaches_the_token_that_the_engine_reads() {
        let mut jobs = Jobs::default();
        jobs.stop(Stop::Keep);
        jobs.push(a_request("a"));
        let job = started(&mut jobs, Instant::now());
        jobs.stop(Stop::Keep);
        assert_eq!(job.cancel.requested(), Some(Stop::Keep));
        jobs.stop(Stop::Discard);
        assert_eq!(jobs.running.unwrap().stopping, Some(Stop::Discard));
    }
}
