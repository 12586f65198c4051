//! Taking in what the engine, the gallery and the other threads report.

use super::archive::Task;
use super::document::sentence;
use super::part::Part;
use super::{Action, ModelState, NoticeKind, Offer, Session, View, Viewed};
use crate::diffusion::{Painted, Request, is_of_words};
use crate::engine::{self, Event, JobId, Outcome};
use std::sync::Arc;
use std::time::Instant;

impl Session {
    /// Takes in what was reported since the last call. Call it once a frame and whenever it was woken for.
    pub fn poll(&mut self) {
        self.poll_at(Instant::now());
    }

    pub(super) fn poll_at(&mut self, now: Instant) {
        self.fill_on();
        // Asked before the events are read: what a thread tells before it dies is there by then.
        let was_alive = self.engine.is_alive();
        while let Some(event) = self.engine.try_event() {
            if let Some(event) = self.take_live_event(event) {
                self.take_event(event, now);
            }
        }
        if !was_alive {
            self.engine_died();
        }
        while let Some(answer) = self.archive.next() {
            match answer {
                Ok(answer) => self.take_answer(answer),
                Err(broken) => {
                    self.notices.error(sentence(&broken.to_string()));
                }
            }
        }
        while let Some(done) = self.files.next() {
            match done {
                Ok(done) => self.take_file(done),
                Err(broken) => {
                    self.note_broken_off();
                    self.notices.error(sentence(&broken.to_string()));
                }
            }
        }
        self.take_written();
        self.count_words();
        self.take_downloads();
        self.hash_on();
        while let Some(written) = self.keeper.written() {
            match written {
                Ok(()) => self.notices.passing("What you are working on is saved again"),
                Err(why) => self.notices.error(why),
            };
        }
        self.notices.let_pass(now);
        self.let_go_of_deleted();
        self.settle_guide();
        self.start_next(now);
        self.live_on();
        self.look_on();
        self.refresh();
        self.keep_state();
    }

    fn take_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::ModelLoaded { model, seconds } => self.set_model_state(&model, ModelState::Loaded { seconds }),
            Event::ModelFailed { model, error } => {
                self.set_model_state(&model, ModelState::Failed);
                let said = format!("The model {model} could not be loaded: {}", with_next_step(&error));
                self.notices.error(said);
            }
            Event::JobStarted(_) => {}
            Event::JobPhase { id, phase } => {
                if let Some(running) = self.jobs.running(id) {
                    running.enter(phase, now);
                }
            }
            Event::JobStep { id, index, count, preview, hints } => {
                if let Some(running) = self.jobs.running(id) {
                    running.step(index, count, now);
                    if let Some(preview) = preview {
                        (running.preview, running.hints_shown) = (Some(preview), hints);
                    }
                }
            }
            Event::JobPiece { id, index, count } => {
                if let Some(running) = self.jobs.running(id) {
                    running.piece(index, count, now);
                }
            }
            Event::TraceFailed { error, .. } => {
                self.notices.error(sentence(&error.to_string()));
            }
            Event::Looked { id, seen } => self.take_look(id, seen),
            Event::WordsRead { words, meaning } => self.take_words(words, meaning),
            Event::JobEnded { id, outcome } => self.job_ended(id, outcome),
        }
    }

    fn set_model_state(&mut self, name: &str, state: ModelState) {
        for model in &mut self.models {
            if model.name == name {
                model.state = state;
            } else if matches!(state, ModelState::Loaded { .. }) && matches!(model.state, ModelState::Loaded { .. }) {
                // The engine holds one model at a time.
                model.state = ModelState::OnDisk;
            }
        }
    }

    fn job_ended(&mut self, id: JobId, outcome: Outcome) {
        let Some(running) = self.jobs.end(id) else { return };
        match outcome {
            Outcome::Finished(painted) => self.take_result(painted, false),
            Outcome::Stopped(painted) => self.take_result(painted, true),
            Outcome::Cancelled => {}
            Outcome::Failed(error) => {
                let said = format!("“{}” could not be painted: {}", short(&running.request), with_next_step(&error));
                self.notices.error(said);
            }
        }
    }

    /// A new picture: shown unless the person chose to look at something else, and on its way to the gallery.
    pub(super) fn take_result(&mut self, painted: Painted, partial: bool) {
        self.restarts_left = super::RESTARTS;
        for note in &painted.notes {
            // What is true of every picture of these words need not be said of each.
            let said = is_of_words(note).then(|| (painted.request.model.clone(), note.clone()));
            if said.is_none_or(|said| self.said_of_words.insert(said)) {
                self.notices.info(sentence(note));
            }
        }
        let (picture, part) = (Arc::clone(&painted.picture), Part::of(&painted.request));
        let to_save = Box::new(painted.clone());
        let hashes = self.file_hashes(&painted.request);
        let id = self.results.add(painted, partial, hashes.clone());
        if !self.view.stays {
            self.view = View { what: Viewed::Result(id, picture, part), stays: false, wanted: None };
        }
        if !self.archive.send(Task::Add { result: id, painted: to_save, partial, hashes }) {
            self.not_saved(id, "the thread of the gallery has ended: save it to a file and start Sfumato again");
        }
    }

    /// A dead engine is replaced. A job that it left without an end is not lost, but not tried again unasked either: it may be
    /// what the engine died of.
    fn engine_died(&mut self) {
        self.live.lose();
        let unfinished = self.jobs.running.take();
        let revived = self.revive_engine();
        let what_next = match (&unfinished, revived) {
            (None, true) if self.restarts_left > 0 => {
                tracing::warn!("the engine ended by itself and was started again");
                return;
            }
            (_, true) => "it was started again",
            (None, false) => return,
            (Some(_), false) => "it could not be started again: restart Sfumato, what waits is kept",
        };
        let Some(running) = unfinished else {
            self.notices.error(format!("The engine ended by itself, {what_next}"));
            return;
        };
        let said = format!("The engine ended by itself while it painted “{}”; {what_next}", short(&running.request));
        self.jobs.leave_over([*running.request]);
        let offers = vec![
            Offer { label: "Paint it again".into(), action: Action::ResumeQueue },
            Offer { label: "Forget it".into(), action: Action::ClearQueue },
        ];
        self.notices.push(NoticeKind::Error, said, offers);
    }
}

/// What went wrong and what to do about it.
fn with_next_step(error: &engine::Error) -> String {
    match error.next_step() {
        Some(step) => format!("{error}: {step}"),
        None => error.to_string(),
    }
}

/// The beginning of a prompt, to name a job by.
fn short(request: &Request) -> String {
    const LENGTH: usize = 40;
    let mut name: String = request.prompt.chars().take(LENGTH).collect();
    if request.prompt.chars().nth(LENGTH).is_some() {
        name.push('…');
    }
    name
}
