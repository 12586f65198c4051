//! The loop of the inference thread: it takes commands one after the other and promises that each job ends exactly once,
//! whatever happens while it runs.

use super::{CancelToken, Command, Error, Event, Gone, Job, JobId, Outcome, Peer, give_back_freed_memory};
use crate::checkpoints::Library;
use crate::diffusion::{Ending, Phase, Precision, Request};
use crate::meaning::{Embedding, Seen};
use crate::pixels::Picture;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

/// What the loop needs done; apart from it so that its promises can be tested without weights.
pub(super) trait Work {
    /// Loads a model to multiply in `precision`, unless it is loaded so; what it lacks is taken from the model `parts_from`, or from the first
    /// that has it. Gives the seconds that took; `None` if there was nothing to do.
    fn load(&mut self, model: &str, parts_from: Option<&str>, precision: Precision) -> Result<Option<f64>, Error>;

    /// Finds models in another library from now on.
    fn use_library(&mut self, library: Arc<Library>);

    /// Paints, telling `peer` about phases and steps, with the job's model loaded.
    fn paint(&mut self, job: &Job, trace: Option<&Path>, peer: &Peer) -> Result<Ending, Error>;

    /// Looks at a picture through the CLIP of this name, unless `cancel` takes it back while that is loaded.
    fn look(
        &mut self,
        clip: &str,
        picture: &Picture,
        prompt: &str,
        cancel: &CancelToken,
    ) -> Result<Option<Seen>, Error>;

    /// Reads words with the CLIP of this name.
    fn read(&mut self, clip: &str, words: &str) -> Result<Embedding, Error>;

    /// Enlarges what was painted in `steps_made` steps, telling `peer` about pieces.
    fn upscale(&mut self, job: &Job, picture: &Picture, steps_made: u32, peer: &Peer) -> Result<Ending, Error>;

    /// Hears of what failed without a panic, and of which job if that was to paint: what it left behind must not fail what comes next.
    fn failed(&mut self, error: &Error, painting: Option<&Job>);
}

/// What there is to do for a job.
#[derive(Clone, Copy)]
enum Task<'a> {
    Paint { trace: Option<&'a Path> },
    Upscale { picture: &'a Picture, steps_made: u32 },
}

/// Carries out commands until the client is gone. A panic goes on to the caller, after the job it happened in was ended.
pub(super) fn serve(peer: &Peer, work: &mut impl Work) -> Result<(), Gone> {
    while let Some(command) = peer.command() {
        match command {
            Command::Load { model, parts_from, precision } => {
                load(peer, work, model, parts_from.as_deref(), precision)?;
            }
            Command::UseLibrary(library) => work.use_library(library),
            Command::Generate(job) => run(peer, work, &job, Task::Paint { trace: None })?,
            Command::Trace { job, file } => run(peer, work, &job, Task::Paint { trace: Some(&file) })?,
            Command::Upscale { job, picture, steps_made } => {
                run(peer, work, &job, Task::Upscale { picture: &picture, steps_made })?;
            }
            Command::Look { cancel, id, .. } if cancel.requested().is_some() => {
                peer.tell(Event::Looked { id, seen: Ok(None) })?;
            }
            Command::Look { id, clip, picture, prompt, cancel } => {
                let (seen, panic) = caught(work, |work| work.look(&clip, &picture, &prompt, &cancel));
                peer.tell(Event::Looked { id, seen })?;
                panic.map_or(Ok(()), |panic| resume_unwind(panic))?;
            }
            Command::Read { clip, words } => {
                let (meaning, panic) = caught(work, |work| work.read(&clip, &words));
                peer.tell(Event::WordsRead { words, meaning })?;
                panic.map_or(Ok(()), |panic| resume_unwind(panic))?;
            }
        }
        give_back_freed_memory();
    }
    Ok(())
}

/// Does something; a panic becomes an error to tell, and what is to go on after that.
fn caught<W: Work, T>(
    work: &mut W,
    does: impl FnOnce(&mut W) -> Result<T, Error>,
) -> (Result<T, Error>, Option<Box<dyn Any + Send>>) {
    match catch_unwind(AssertUnwindSafe(|| does(work))) {
        Ok(result) => {
            if let Err(error) = &result {
                work.failed(error, None);
            }
            (result, None)
        }
        Err(panic) => (Err(Error::panicked(&*panic)), Some(panic)),
    }
}

fn load(
    peer: &Peer,
    work: &mut impl Work,
    model: String,
    parts_from: Option<&str>,
    precision: Precision,
) -> Result<(), Gone> {
    match catch_unwind(AssertUnwindSafe(|| work.load(&model, parts_from, precision))) {
        Ok(Ok(seconds)) => peer.tell(Event::ModelLoaded { model, seconds: seconds.unwrap_or(0.0) }),
        Ok(Err(error)) => {
            work.failed(&error, None);
            peer.tell(Event::ModelFailed { model, error })
        }
        Err(panic) => {
            peer.tell(Event::ModelFailed { model, error: Error::panicked(&*panic) })?;
            resume_unwind(panic)
        }
    }
}

fn run(peer: &Peer, work: &mut impl Work, job: &Job, task: Task<'_>) -> Result<(), Gone> {
    let ending = MustEnd { peer, id: job.id, ended: false };
    if job.cancel.requested().is_some() {
        return ending.with(Outcome::Cancelled);
    }
    peer.tell(Event::JobStarted(job.id))?;
    let painted = catch_unwind(AssertUnwindSafe(|| {
        let trace = match task {
            Task::Paint { trace } => trace,
            Task::Upscale { picture, steps_made } => return work.upscale(job, picture, steps_made, peer),
        };
        peer.tell(Event::JobPhase { id: job.id, phase: Phase::LoadModel })?;
        let Request { model, borrowed, precision, .. } = &*job.request;
        if let Some(seconds) = work.load(model, borrowed.parts_from.as_deref(), *precision)? {
            peer.tell(Event::ModelLoaded { model: job.request.model.clone(), seconds })?;
        }
        if job.cancel.requested().is_some() {
            return Ok(Ending::Discarded);
        }
        work.paint(job, trace, peer)
    }));
    match painted {
        Ok(Ok(Ending::Finished(painted))) => ending.with(Outcome::Finished(painted)),
        Ok(Ok(Ending::Stopped(painted))) => ending.with(Outcome::Stopped(painted)),
        Ok(Ok(Ending::Discarded)) => ending.with(Outcome::Cancelled),
        Ok(Err(error)) => {
            work.failed(&error, matches!(task, Task::Paint { .. }).then_some(job));
            ending.with(Outcome::Failed(error))
        }
        Err(panic) => {
            ending.with(Outcome::Failed(Error::panicked(&*panic)))?;
            resume_unwind(panic)
        }
    }
}

/// A job that was taken from the queue. It ends when this is consumed, or else dropped: there is no way around it.
struct MustEnd<'a> {
    peer: &'a Peer,
    id: JobId,
    ended: bool,
}

impl MustEnd<'_> {
    fn with(mut self, outcome: Outcome) -> Result<(), Gone> {
        self.ended = true;
        self.peer.tell(Event::JobEnded { id: self.id, outcome })
    }
}

impl Drop for MustEnd<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = Outcome::Failed(Error::Panicked("it gave no reason".to_owned()));
            // If nobody listens any more, nobody waits for the end either.
            self.peer.tell(Event::JobEnded { id: self.id, outcome }).unwrap_or_default();
        }
    }
}

impl Error {
    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("it gave no reason");
        Self::Panicked(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Client, LookId, channel};
    use super::*;
    use crate::diffusion::{
        Borrowed, Emphasis, Painted, Reproduce, Request, SamplerName, Savings, ScheduleName, Stop, Tuning,
    };
    use crate::geom::Extent;
    use std::sync::Arc;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    /// Paints as many steps as are asked for, unless a prompt is "panic"; what it only enlarges or reads may be "fail" as well.
    #[derive(Default)]
    struct Fake {
        /// What it heard of: which job, if that was to paint.
        failed: Vec<Option<JobId>>,
    }

    fn unless_fail(words: &str) -> Result<(), Error> {
        if words == "fail" { Err(Error::UnknownModel(words.to_owned())) } else { Ok(()) }
    }

    impl Work for Fake {
        fn use_library(&mut self, _: Arc<Library>) {}

        fn load(&mut self, model: &str, _: Option<&str>, _: Precision) -> Result<Option<f64>, Error> {
            match model {
                "none" => Err(Error::UnknownModel(model.to_owned())),
                "cursed" => panic!("the weights are cursed"),
                _ => Ok(None),
            }
        }

        fn paint(&mut self, job: &Job, _trace: Option<&Path>, peer: &Peer) -> Result<Ending, Error> {
            assert_ne!(job.request.prompt, "panic", "a prompt that panics");
            let preview = Arc::new(Picture::filled(Extent::new(1, 1), [0; 4]));
            let count = job.request.steps;
            for index in 0..count {
                peer.tell(Event::JobStep { id: job.id, index, count, preview: Some(Arc::clone(&preview)), hints: 0 })?;
                if job.cancel.requested() == Some(Stop::Discard) {
                    return Ok(Ending::Discarded);
                }
            }
            Ok(Ending::Finished(painted(preview, job, count)))
        }

        fn look(
            &mut self,
            _clip: &str,
            _picture: &Picture,
            prompt: &str,
            _cancel: &CancelToken,
        ) -> Result<Option<Seen>, Error> {
            Ok(Some(Seen { embedding: self.read("", prompt)?, fit: Some(0.5) }))
        }

        fn read(&mut self, _clip: &str, words: &str) -> Result<Embedding, Error> {
            assert_ne!(words, "panic", "words that panic");
            unless_fail(words)?;
            Ok(Embedding::new(vec![words.len() as f32, 1.0]).unwrap())
        }

        fn upscale(&mut self, job: &Job, picture: &Picture, steps_made: u32, peer: &Peer) -> Result<Ending, Error> {
            assert_ne!(job.request.prompt, "panic", "a prompt that panics");
            unless_fail(&job.request.prompt)?;
            peer.tell(Event::JobPiece { id: job.id, index: 0, count: 1 })?;
            Ok(Ending::Finished(painted(Arc::new(picture.clone()), job, steps_made)))
        }

        fn failed(&mut self, _error: &Error, painting: Option<&Job>) {
            self.failed.push(painting.map(|job| job.id));
        }
    }

    fn painted(picture: Arc<Picture>, job: &Job, steps_made: u32) -> Painted {
        Painted { picture, request: job.request.clone(), steps_made, seconds: 0.0, notes: Vec::new() }
    }

    fn spawn_fake() -> Client {
        Client::started(
            || {},
            |peer| {
                let work = move || drop(catch_unwind(AssertUnwindSafe(|| serve(&peer, &mut Fake::default()))));
                std::thread::Builder::new().name("fake".to_owned()).spawn(work).unwrap();
            },
        )
    }

    fn job(id: u64, model: &str, prompt: &str, steps: u32) -> Job {
        let request = Box::new(Request {
            model: model.to_owned(),
            borrowed: Borrowed::default(),
            prompt: prompt.to_owned(),
            negative_prompt: String::new(),
            extent: Extent::new(8, 8),
            seed: 0,
            sampler: SamplerName::Euler,
            schedule: ScheduleName::Normal,
            steps,
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
        });
        Job::new(JobId(id), request, CancelToken::default())
    }

    /// All events up to the end of `last`, as short words.
    fn story(client: &Client, last: u64) -> Vec<String> {
        let mut story = Vec::new();
        loop {
            let event = client.event_within(SOON).expect("the job ends soon");
            let over = matches!(event, Event::JobEnded { id, .. } if id.0 == last);
            story.push(match event {
                Event::ModelLoaded { model, .. } => format!("loaded {model}"),
                Event::ModelFailed { model, error } => format!("{model}: {error}"),
                Event::JobStarted(id) => format!("{} started", id.0),
                Event::JobPhase { id, phase } => format!("{} {phase:?}", id.0),
                Event::JobStep { id, index, .. } => format!("{} step {index}", id.0),
                Event::JobPiece { id, index, .. } => format!("{} piece {index}", id.0),
                Event::Looked { id, seen } => format!("looked {} {}", id.0, seen.unwrap().is_some()),
                Event::WordsRead { words, .. } => format!("read {words}"),
                Event::TraceFailed { id, error } => format!("{}: {error}", id.0),
                Event::JobEnded { id, outcome } => match outcome {
                    Outcome::Finished(_) => format!("{} finished", id.0),
                    Outcome::Stopped(_) => format!("{} stopped", id.0),
                    Outcome::Cancelled => format!("{} cancelled", id.0),
                    Outcome::Failed(error) => format!("{} failed: {error}", id.0),
                },
            });
            if over {
                return story;
            }
        }
    }

    #[test]
    fn a_job_starts_steps_and_ends_in_this_order() {
        let client = spawn_fake();
        client.generate(job(1, "some", "x", 2));
        assert_eq!(story(&client, 1), ["1 started", "1 LoadModel", "1 step 0", "1 step 1", "1 finished"]);
    }

    #[test]
    fn a_picture_that_is_only_enlarged_needs_no_model_and_ends_once_too() {
        let client = spawn_fake();
        let picture = Arc::new(Picture::filled(Extent::new(1, 1), [0; 4]));
        for (id, prompt) in [(1, "x"), (2, "panic")] {
            let (job, picture) = (job(id, "none", prompt, 1), Arc::clone(&picture));
            client.send(Command::Upscale { job, picture, steps_made: 1 });
        }
        assert_eq!(story(&client, 1), ["1 started", "1 piece 0", "1 finished"]);
        assert!(story(&client, 2)[1].starts_with("2 failed"), "a panic is told as any other");
    }

    #[test]
    fn a_job_cancelled_while_it_waits_ends_without_running() {
        let (client, peer) = channel(|| {});
        let waiting = job(2, "some", "x", 1);
        client.generate(waiting.clone());
        waiting.cancel.stop(Stop::Keep);
        let Some(Command::Generate(waiting)) = peer.try_command() else { panic!("a job waits") };
        run(&peer, &mut Fake::default(), &waiting, Task::Paint { trace: None }).unwrap();
        assert_eq!(story(&client, 2), ["2 cancelled"]);
    }

    fn look(id: u64, prompt: &str) -> (Command, CancelToken) {
        let (picture, cancel) = (Arc::new(Picture::filled(Extent::new(1, 1), [0; 4])), CancelToken::default());
        let (id, clip, prompt) = (LookId(id), String::new(), prompt.to_owned());
        (Command::Look { id, clip, picture, prompt, cancel: cancel.clone() }, cancel)
    }

    #[test]
    fn pictures_are_looked_at_and_words_read_in_turn_unless_they_are_taken_back() {
        let (client, peer) = channel(|| {});
        let (taken_back, cancel) = look(1, "x");
        cancel.stop(Stop::Discard);
        client.send(taken_back);
        client.send(look(2, "x").0);
        client.send(Command::Read { clip: String::new(), words: "a cat".to_owned() });
        client.generate(job(3, "some", "x", 1));
        let thread = std::thread::Builder::new().name("fake".to_owned());
        let thread = thread.spawn(move || serve(&peer, &mut Fake::default())).unwrap();
        assert_eq!(story(&client, 3)[..4], ["looked 1 false", "looked 2 true", "read a cat", "3 started"]);
        drop(client);
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn a_panic_while_looking_is_told_and_ends_the_thread() {
        let client = spawn_fake();
        client.send(look(1, "panic").0);
        let Some(Event::Looked { seen: Err(error), .. }) = client.event_within(SOON) else { panic!("it fails") };
        assert!(error.to_string().contains("words that panic"), "{error}");
    }

    #[test]
    fn an_unknown_model_fails_the_job_and_the_next_one_runs() {
        let client = spawn_fake();
        client.generate(job(1, "none", "x", 1));
        client.generate(job(2, "some", "x", 1));
        let story = story(&client, 2);
        assert!(story[2].starts_with("1 failed: there is no model named none"), "{story:?}");
        assert_eq!(story.last().unwrap(), "2 finished");
        assert!(client.is_alive());
    }

    #[test]
    fn what_fails_is_heard_of_before_anything_else_is_done() {
        let (client, peer) = channel(|| {});
        let picture = Arc::new(Picture::filled(Extent::new(1, 1), [0; 4]));
        client.generate(job(1, "none", "x", 1));
        client.send(Command::Load { model: "none".to_owned(), parts_from: None, precision: Precision::F32 });
        client.send(Command::Read { clip: String::new(), words: "fail".to_owned() });
        client.send(Command::Upscale { job: job(2, "some", "fail", 1), picture, steps_made: 1 });
        client.generate(job(3, "some", "x", 1));
        let thread = std::thread::Builder::new().name("fake".to_owned());
        let work = move || {
            let mut fake = Fake::default();
            serve(&peer, &mut fake).unwrap();
            fake.failed
        };
        let thread = thread.spawn(work).unwrap();
        assert_eq!(story(&client, 3).last().unwrap(), "3 finished");
        drop(client);
        assert_eq!(thread.join().unwrap(), [Some(JobId(1)), None, None, None]);
    }

    #[test]
    fn a_panic_ends_its_job_once_with_the_message_and_a_restart_goes_on_with_what_waits() {
        let mut client = spawn_fake();
        client.generate(job(1, "some", "panic", 1));
        client.generate(job(2, "some", "x", 1));
        let first = story(&client, 1);
        assert_eq!(first.len(), 3, "{first:?}");
        assert!(first[2].contains("a prompt that panics"), "{first:?}");
        let death = std::time::Instant::now();
        while client.is_alive() {
            assert!(death.elapsed() < SOON, "the thread dies soon");
            std::thread::yield_now();
        }
        assert!(client.try_event().is_none(), "nothing is told about a job that has ended");
        client.restart();
        assert_eq!(story(&client, 2).last().unwrap(), "2 finished");
    }

    #[test]
    fn a_panic_while_loading_is_told_as_a_failed_model() {
        let client = spawn_fake();
        client.send(Command::Load { model: "cursed".to_owned(), parts_from: None, precision: Precision::F32 });
        let Some(Event::ModelFailed { model, error }) = client.event_within(SOON) else { panic!("the model fails") };
        assert_eq!(model, "cursed");
        assert!(error.to_string().contains("the weights are cursed"), "{error}");
    }

    #[test]
    fn a_panic_outside_the_painting_ends_the_job_all_the_same() {
        let (client, peer) = channel(|| {});
        let died = catch_unwind(AssertUnwindSafe(|| {
            let _ending = MustEnd { peer: &peer, id: JobId(3), ended: false };
            panic!("between two events");
        }));
        assert!(died.is_err());
        assert!(story(&client, 3)[0].starts_with("3 failed"));
    }

    #[test]
    fn a_full_queue_drops_previews_and_nothing_else() {
        let client = spawn_fake();
        client.generate(job(1, "some", "x", 1000));
        client.generate(job(2, "some", "x", 1000));
        std::thread::sleep(Duration::from_millis(50));
        let story = story(&client, 2);
        let rare: Vec<_> = story.iter().filter(|what| !what.contains("step")).collect();
        assert_eq!(rare, ["1 started", "1 LoadModel", "1 finished", "2 started", "2 LoadModel", "2 finished"]);
        assert!(story.len() < 1500, "previews were dropped, {} came", story.len());
    }

    #[test]
    fn every_event_wakes_the_client_and_so_does_the_end_of_the_peer() {
        let (woken, wakes) = crossbeam_channel::unbounded();
        let (client, peer) = channel(move || woken.send(()).unwrap_or_default());
        peer.tell(Event::JobStarted(JobId(1))).unwrap();
        assert_eq!(wakes.try_iter().count(), 1);
        drop(peer);
        assert_eq!(wakes.try_iter().count(), 1);
        assert!(!client.is_alive());
    }

    #[test]
    fn a_dropped_client_ends_the_peer_and_what_waited() {
        let (client, peer) = channel(|| {});
        client.generate(job(1, "some", "x", 1));
        drop(client);
        assert!(peer.command().is_none());
        assert_eq!(peer.tell(Event::JobStarted(JobId(1))), Err(Gone));
    }
}
