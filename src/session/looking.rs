//! Looking at results through a CLIP, so that they are found by what they show. The gallery says what was not looked at, the engine
//! looks, the gallery keeps what was seen: one picture after the other, while nothing is painted or waits.

use super::archive::{Nearest, Task, Unavailable, Unseen};
use super::document::sentence;
use super::results::By;
use super::{ResultId, Session};
use crate::diffusion::Stop;
use crate::engine::{CancelToken, Command, Error, LookId};
use crate::gallery::EntryId;
use crate::meaning::{Embedding, Seen};

/// The CLIP that results are looked at through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// By which the engine finds it.
    pub name: String,
    /// By which the gallery tells what it saw from what another one saw.
    pub fingerprint: String,
}

/// How far the looking is.
#[derive(Debug)]
pub(super) struct Looking {
    clip: Option<Clip>,
    state: State,
    next_id: u64,
}

#[derive(Debug)]
enum State {
    /// There may be something that was not looked at.
    Due,
    /// The gallery was asked for the next picture.
    Asked,
    /// The engine looks.
    Looks { id: LookId, entry: EntryId, cancel: CancelToken },
    /// The gallery keeps what was seen.
    Keeps,
    /// Everything was looked at, or the gallery did not answer: until there is a new result.
    Rests,
    /// It cannot be done, until the program is started anew.
    Off,
}

impl Looking {
    pub(super) fn new(clip: Option<Clip>) -> Self {
        let state = if clip.is_some() { State::Due } else { State::Off };
        Self { clip, state, next_id: 0 }
    }

    fn clip(&self) -> Option<&Clip> {
        self.clip.as_ref().filter(|_| !matches!(self.state, State::Off))
    }

    /// A picture came into the gallery.
    pub(super) fn has_news(&mut self) {
        if matches!(self.state, State::Rests) {
            self.state = State::Due;
        }
    }
}

impl Session {
    /// Whether results can be compared by what they show.
    pub fn can_compare(&self) -> bool {
        self.looking.clip().is_some()
    }

    /// Goes on looking if there is nothing better to do, and steps back where there is.
    pub(super) fn look_on(&mut self) {
        let is_idle = self.jobs.running.is_none() && self.jobs.waiting.is_empty() && !self.is_live();
        match (&self.looking.state, self.looking.clip()) {
            (State::Due, Some(clip)) if is_idle => {
                let asked = self.archive.send(Task::NextUnseen { clip: clip.fingerprint.clone() });
                self.looking.state = if asked { State::Asked } else { State::Rests };
            }
            (State::Looks { cancel, .. }, _) if !is_idle => cancel.stop(Stop::Discard),
            _ => {}
        }
    }

    /// The gallery has a picture that was not looked at, or none.
    pub(super) fn take_unseen(&mut self, next: Result<Option<Box<Unseen>>, Unavailable>) {
        let (State::Asked, Some(clip)) = (&self.looking.state, &self.looking.clip) else { return };
        self.looking.state = match next.map(|next| next.map(|unseen| (unseen.entry, unseen.picture))) {
            Ok(Some((entry, Some(picture)))) if self.engine.is_alive() => {
                self.looking.next_id += 1;
                let (id, cancel) = (LookId(self.looking.next_id), CancelToken::default());
                self.engine.send(Command::Look {
                    id,
                    clip: clip.name.clone(),
                    picture,
                    prompt: entry.record.prompt,
                    cancel: cancel.clone(),
                });
                State::Looks { id, entry: entry.id, cancel }
            }
            Ok(Some((entry, None))) => self.keep_seen(entry.id, None),
            Ok(Some(_) | None) => State::Rests,
            Err(why) => {
                tracing::info!("results are not looked at: {why}");
                State::Rests
            }
        };
    }

    fn keep_seen(&self, entry: EntryId, seen: Option<Seen>) -> State {
        let clip = self.looking.clip.as_ref().map(|clip| clip.fingerprint.clone()).unwrap_or_default();
        if self.archive.send(Task::KeepSeen { entry, clip, seen }) { State::Keeps } else { State::Rests }
    }

    /// The engine looked, or could not.
    pub(super) fn take_look(&mut self, looked: LookId, seen: Result<Option<Seen>, Error>) {
        let State::Looks { id, entry, .. } = self.looking.state else { return };
        if id != looked {
            return;
        }
        self.looking.state = match seen {
            Ok(Some(seen)) => {
                self.results.set_fit(entry, seen.fit);
                self.keep_seen(entry, Some(seen))
            }
            Ok(None) => State::Due,
            Err(Error::Meaning(why)) => {
                tracing::info!("a result cannot be looked at: {why}");
                self.keep_seen(entry, None)
            }
            Err(why) => self.stop_looking(&why),
        };
    }

    /// What was seen is kept, or could not be.
    pub(super) fn take_kept(&mut self, kept: Result<(), Unavailable>) {
        if matches!(self.looking.state, State::Keeps) {
            self.looking.state = kept.map_or(State::Rests, |()| State::Due);
        }
    }

    /// The engine is another one now, which knows nothing of a look that was under way.
    pub(super) fn lost_look(&mut self) {
        if matches!(self.looking.state, State::Looks { .. }) {
            self.looking.state = State::Off;
        }
    }

    fn stop_looking(&mut self, why: &Error) -> State {
        self.notices.info(format!("Results cannot be compared by what they show: {}", sentence(&why.to_string())));
        State::Off
    }

    /// Looks for what shows something like the words of the search, besides what holds them.
    pub(super) fn gather_by_words(&mut self) {
        let words = self.results.search.clone();
        let (Some(clip), false) = (self.looking.clip(), words.trim().is_empty()) else {
            return self.results.gather(None);
        };
        self.engine.send(Command::Read { clip: clip.name.clone(), words: words.clone() });
        self.results.gather(Some(By::Words(words)));
    }

    /// The words of a search were read.
    pub(super) fn take_words(&mut self, words: String, meaning: Result<Embedding, Error>) {
        if self.results.gathered.as_ref().is_none_or(|gathered| gathered.by != By::Words(words.clone())) {
            return;
        }
        match meaning {
            Ok(to) => self.ask_for(By::Words(words), Nearest::To(to)),
            Err(why) => {
                self.results.gather(None);
                self.looking.state = self.stop_looking(&why);
            }
        }
    }

    /// Lists the results that show something like this one.
    pub(super) fn find_alike(&mut self, id: ResultId) {
        match self.results.place(id).map(|place| place.entry) {
            Some(entry) => {
                self.results.restart(String::new());
                self.list_more();
                self.results.gather(Some(By::Like(id)));
                self.ask_for(By::Like(id), Nearest::ToEntry(entry));
            }
            None => {
                self.notices.passing("This result is not in the gallery yet");
            }
        }
    }

    /// Lists the results with this one's prompt, the one that fits it best first.
    pub(super) fn list_best_fitting(&mut self, id: ResultId) {
        let Some(prompt) = self.results.get(id).map(|item| item.prompt.clone()) else { return };
        if prompt.trim().is_empty() {
            self.notices.passing("This result has no prompt that it could fit");
            return;
        }
        self.results.restart(String::new());
        self.list_more();
        self.results.gather(Some(By::Prompt(prompt.clone())));
        self.ask_for(By::Prompt(prompt.clone()), Nearest::ToPrompt(prompt));
    }

    fn ask_for(&mut self, by: By, to: Nearest) {
        if let Some(clip) = self.looking.clip() {
            self.archive.send(Task::Gather { by, to, clip: clip.fingerprint.clone() });
        }
    }
}
