//! Taking in what the engine, the gallery and the other threads report.

use super::archive::{Answer, Fetched, Purpose, Task, Unavailable};
use super::current::took_the_place;
use super::document::sentence;
use super::files::{self, Done, name_of};
use super::part::Part;
use super::recipe::Recipe;
use super::results::Finished;
use super::{Action, Kept, ModelState, NoticeKind, Offer, ResultId, SavedAs, Session, View, Viewed};
use crate::diffusion::{Painted, Request};
use crate::engine::{self, Event, JobId, Outcome};
use crate::gallery::{Deleted, Entry};
use crate::paint::{Edit, MaskEdit};
use crate::pixels::{Format, Picture};
use crate::project::Kind;
use std::path::PathBuf;
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
            self.notices.info(sentence(note));
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

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Notice(text) => {
                self.notices.info(sentence(&text));
            }
            Answer::Listed { search, page } => {
                if search != self.results.search {
                    return;
                }
                self.results.is_loading = false;
                match page {
                    Ok(page) => {
                        self.results.append(page.entries);
                        self.results.has_more = page.has_more;
                    }
                    Err(why) => {
                        self.notices.error(format!("The gallery could not be listed: {why}"));
                    }
                }
            }
            Answer::Thumbnail { result, thumbnail } => {
                if let Some(item) = self.results.get_mut(result) {
                    item.thumbnail = Some(thumbnail);
                }
            }
            Answer::Added { result, entry } => match entry {
                Ok(entry) => {
                    self.results.saved(result, &entry);
                    self.looking.has_news();
                }
                Err(Unavailable(why)) => self.not_saved(result, &why),
            },
            Answer::Fetched { result, purpose, fetched } => match fetched {
                Ok(fetched) => self.take_fetched(result, purpose, *fetched),
                Err(why) => {
                    self.notices.error(sentence(&why.to_string()));
                }
            },
            Answer::Unseen(next) => self.take_unseen(next),
            Answer::SeenKept(kept) => self.take_kept(kept),
            Answer::Gathered { by, found } => match found {
                Ok(Some(found)) => self.results.take_gathered(&by, found),
                // A later question has taken this one's place.
                _ if self.results.gathered.as_ref().is_none_or(|gathered| gathered.by != by) => {}
                Ok(None) => {
                    self.results.gather(None);
                    self.notices.passing("This result was not looked at yet: that is done while nothing is painted");
                }
                Err(why) => {
                    self.results.gather(None);
                    self.notices.error(format!("The gallery could not be searched: {why}"));
                }
            },
            Answer::Deleted { result, deleted } => match deleted {
                Ok(deleted) => {
                    self.forget_result(result);
                    match deleted {
                        Deleted::ToTrash => {
                            self.notices.passing("Moved to the trash");
                        }
                        Deleted::MovedTo(path) => {
                            self.notices
                                .info(format!("There is no trash here; the picture was moved to {}", path.display()));
                        }
                        Deleted::WasMissing => {}
                    }
                }
                Err(why) => {
                    self.results.leaving.remove(&result);
                    self.notices.error(format!("The result was not deleted: {why}"));
                }
            },
        }
    }

    /// The gallery could not take a result: it stays in memory and on the canvas, and the person decides.
    fn not_saved(&mut self, id: ResultId, why: &str) {
        let Some(item) = self.results.get_mut(id) else { return };
        item.kept = Kept::InMemory;
        let said = format!("“{}” is painted but not saved, and lives in memory only: {why}", item.prompt);
        let offers = vec![
            Offer { label: "Save as …".into(), action: Action::AskWhereToSave(id) },
            Offer { label: "Try again".into(), action: Action::SaveAgain(id) },
        ];
        self.notices.push(NoticeKind::Error, said, offers);
    }

    fn take_fetched(&mut self, id: ResultId, purpose: Purpose, fetched: Fetched) {
        let Fetched { entry, picture, request } = fetched;
        self.results.locate(id, &entry);
        let picture = match (picture, &purpose) {
            (Ok(picture), _) => Some(picture),
            // Settings can be had without the file.
            (Err(_), Purpose::Recall) => None,
            (Err(error), _) => {
                self.notices.error(sentence(&error.to_string()));
                None
            }
        };
        if let Some(item) = self.results.get_mut(id) {
            item.missing = picture.is_none();
        }
        match (purpose, picture, request) {
            (purpose, Some(picture), Ok(request)) => {
                let (request, steps_made) = (Box::new(request), entry.steps_made);
                let finished = Finished { picture, request, parameters: entry.parameters, steps_made };
                self.fetched(id, purpose, &finished);
                self.results.hold(id, finished);
            }
            (Purpose::Recall, _, Ok(request)) => self.recall(&request),
            (Purpose::Recall, _, Err(error)) => self.recall_settings_only(&entry, &error.to_string()),
            (Purpose::Show, Some(picture), Err(_)) => self.show(id, picture, entry.record.place().map(Part::at)),
            (Purpose::StartFrom, Some(picture), Err(_)) => {
                self.start_from(id, picture, entry.record.place().map(Part::at));
            }
            (Purpose::SaveTo(path), Some(picture), Err(_)) => {
                self.save_to(path, picture, Some(entry.parameters), Some(id));
            }
            (Purpose::Upscale, Some(_), Err(error)) => {
                self.notices.error(format!("What this result was made of is not known any more: {error}"));
            }
            (Purpose::Guide, Some(picture), Err(_)) => self.guide_by(picture),
            (Purpose::Apply, Some(picture), Err(_)) => {
                let part = entry.record.place().map(Part::at);
                let look = Recipe { request: entry.record, parameters: entry.parameters }.look();
                self.apply_result(look, &picture, part.as_ref());
            }
            (
                Purpose::Show
                | Purpose::StartFrom
                | Purpose::Apply
                | Purpose::Guide
                | Purpose::Upscale
                | Purpose::SaveTo(_),
                None,
                _,
            ) => {}
        }
    }

    /// Goes on with a result that is in memory now.
    pub(super) fn fetched(&mut self, id: ResultId, purpose: Purpose, finished: &Finished) {
        let part = Part::of(&finished.request);
        match purpose {
            Purpose::Show => self.show(id, Arc::clone(&finished.picture), part),
            Purpose::StartFrom => self.start_from(id, Arc::clone(&finished.picture), part),
            Purpose::Recall => self.recall(&finished.request),
            Purpose::Upscale => self.upscale(finished),
            Purpose::Guide => self.guide_by(Arc::clone(&finished.picture)),
            Purpose::Apply => self.apply_result(finished.look(), &finished.picture, part.as_ref()),
            Purpose::SaveTo(path) => {
                self.save_to(path, Arc::clone(&finished.picture), Some(finished.parameters.clone()), Some(id));
            }
        }
    }

    /// Shows a result, unless the person went on to something else while it was read.
    fn show(&mut self, id: ResultId, picture: Arc<Picture>, part: Option<Part>) {
        if self.view.wanted == Some(id) {
            let is_newest = self.results.items.first().is_some_and(|item| item.id == id);
            let stays = self.jobs.running.is_some() && !is_newest;
            self.view = View { what: Viewed::Result(id, picture, part), stays, wanted: None };
        }
    }

    /// Makes a result the document's picture, or a part of it, as one step of undo.
    fn start_from(&mut self, id: ResultId, picture: Arc<Picture>, part: Option<Part>) {
        let is_part = part.as_ref().is_some_and(|part| !part.is_whole() && self.fits(part));
        self.view = View { what: Viewed::Result(id, Arc::clone(&picture), part), stays: false, wanted: None };
        if is_part {
            self.adopt_shown_result();
        } else {
            self.begin_with_result(picture, self.look_of(id), Some(took_the_place("The result")));
        }
        self.hints.clear();
    }

    /// Puts everything that decided a picture back: the draft, the guide, where it was painted, and, where there are no layers, what it
    /// started from. Layers that are there stay; what it started from is offered in their place.
    fn recall(&mut self, request: &Request) {
        let seen = self.draft.control.as_ref().map(|control| control.preprocessor);
        self.recall_into_draft(request);
        self.recall_guide(request.control.as_ref(), seen);
        self.hints.clone_from(&request.hints);
        let has_layers = self.document.has_picture();
        if let Some(part) = Part::of(request).filter(|part| !part.is_whole() && self.fits(part)) {
            self.recall_part(&part);
            self.tell_of_other_words(request, part.place.bounds);
            return;
        }
        self.draft.bounds = None;
        let offer = |label: &str, action| vec![Offer { label: label.into(), action }];
        match &request.input {
            None if has_layers => {
                let said = "This was painted from noise, and the next grows out of what is on the canvas";
                self.notices.offering(said, offer("Close the picture", Action::ClosePicture));
            }
            None => {}
            Some(input) if !has_layers => self.take_input(input),
            Some(input) => {
                if input.picture.extent() == self.document.extent() {
                    self.edit(match &input.mask {
                        Some(mask) => Edit::Mask(MaskEdit::Replace((**mask).clone())),
                        None => Edit::Mask(MaskEdit::Clear),
                    });
                }
                let is_other = self.document.picture() != Some(&input.picture);
                if is_other || self.has_other_words(input) {
                    let action = Action::TakeInput(Box::new(input.clone()));
                    let said = if is_other {
                        "This grew out of another picture than what is on the canvas"
                    } else {
                        "Layers had other words of their own when this was painted"
                    };
                    self.notices.offering(said, offer("Start from that one", action));
                }
            }
        }
    }

    fn recall_settings_only(&mut self, entry: &Entry, why: &str) {
        self.recall_into_draft(&entry.record);
        self.notices.error(format!("The settings are as they were, but not what it started from: {why}"));
    }

    pub(super) fn recall_into_draft<P, M>(&mut self, request: &Request<P, M>) {
        let before = self.draft.model.clone();
        // What was painted into another picture is no part of these settings.
        self.hints.clear();
        self.draft.recall(request);
        self.settled_on(before);
    }

    /// The draft is another, and before it named this model: loads the one that it names now, or keeps this one where that is not there.
    pub(super) fn settled_on(&mut self, before: String) {
        // Generate is to paint this very seed.
        self.used_seed = None;
        self.forget_missing_upscaler();
        if self.draft.model == before {
            return;
        }
        if self.models.iter().any(|model| model.name == self.draft.model) {
            self.load_model();
        } else {
            let gone = std::mem::replace(&mut self.draft.model, before);
            let said = format!("It was painted with {gone}, which is not there any more: {} is used", self.draft.model);
            self.notices.info(said);
        }
    }

    /// Writes a picture in the format that the name's ending says; one that says nothing or something else becomes a PNG file's.
    pub(super) fn save_to(
        &mut self,
        path: PathBuf,
        picture: Arc<Picture>,
        parameters: Option<String>,
        result: Option<ResultId>,
    ) {
        let path = SavedAs::Picture.file(path);
        let format = Format::of(&path).unwrap_or(Format::Png);
        self.ask_files(files::Task::Save { path, format, picture, parameters, result });
    }

    fn take_file(&mut self, done: Done) {
        match done {
            Done::Picture(Ok(opened)) => self.take_picture(*opened),
            Done::Layer(Ok(opened)) => self.take_layer(*opened),
            Done::Pasted(opened) => self.take_pasted(*opened),
            Done::Mask { name, mask: Ok(mask) } => self.take_mask(&name, mask),
            Done::Guide(Ok(picture)) => self.guide_by(picture),
            Done::Found { name, found } => self.take_found_settings(&name, *found),
            Done::Preview { model, picture } => self.take_preview(model, picture),
            Done::Models(found) => self.take_found(found),
            Done::Picture(Err(error))
            | Done::Layer(Err(error))
            | Done::Mask { mask: Err(error), .. }
            | Done::Guide(Err(error)) => {
                self.notices.error(sentence(&error.to_string()));
            }
            Done::Saved { path, result, outcome: Ok(()) } => {
                self.notices.passing(format!("Saved as {}", path.display()));
                if let Some(id) = result {
                    self.results.in_files.insert(id);
                    self.dismiss_offers_of(
                        |action| matches!(action, Action::AskWhereToSave(offered) if *offered == id),
                    );
                }
            }
            Done::Saved { path, result, outcome: Err(error) } => {
                let said = format!("{} was not saved: {error}", name_of(&path));
                let save_as = |id| Offer { label: "Save as …".into(), action: Action::AskWhereToSave(id) };
                self.notices.push(NoticeKind::Error, said, result.map(save_as).into_iter().collect());
            }
            Done::Project { path, project: Ok(project) } => {
                let name = name_of(&path);
                self.take_project(&name, (Kind::of(&path) == Some(Kind::Sfumato)).then_some(path), *project);
            }
            Done::Project { path, project: Err(error) } => {
                self.notices.error(format!("{} was not opened: {error}", name_of(&path)));
            }
            Done::ProjectSaved { path, saving, outcome: Ok(()) } => {
                self.was_saved(&path, saving);
                self.notices.passing(format!("Saved as {}", path.display()));
            }
            Done::ProjectSaved { path, outcome: Err(error), .. } => {
                self.notices.error(format!("{} was not saved: {error}", name_of(&path)));
            }
            Done::Closed(report) => self.take_closed(report),
            Done::Settings(Ok(())) => {}
            Done::Settings(Err(error)) => {
                self.notices.error(sentence(&error.to_string()));
            }
        }
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
