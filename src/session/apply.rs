//! Carrying out what a person does.

use super::archive::{self, Purpose};
use super::closed::Errand;
use super::document::sentence;
use super::files::Task;
use super::models::Added;
use super::recipe::Recipe;
use super::results::Unsaved;
use super::{Action, Kept, ModelState, NotReady, RESTARTS, ResultId, Session, Shown, Viewed, Way, Wish};
use crate::diffusion::Request;
use crate::engine::Command;
use crate::metadata::{PARAMETERS_KEY, from_texts};
use crate::paint::{Edit, MaskEdit};
use crate::prompt::Wildcards;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

impl Session {
    /// Carries out what a person did. It waits for nothing but what is still being filled and, with all threads, for what is
    /// copied, cut or pasted; what takes longer is told by [`poll`](Self::poll) when it is done.
    pub fn apply(&mut self, action: Action) {
        self.carry_out(action);
        self.settle_guide();
        self.start_next(Instant::now());
        self.live_on();
        self.look_on();
        self.refresh();
        self.keep_state();
    }

    #[expect(clippy::too_many_lines, reason = "a table: an arm for each action")]
    fn carry_out(&mut self, action: Action) {
        self.finish_filling();
        if !matches!(action, Action::AdjustMask { .. }) {
            self.document.finish_adjusting();
        }
        match action {
            Action::Generate => self.generate(self.way(), false),
            Action::GenerateNext => self.generate(self.way(), true),
            Action::PaintAs(way) => self.generate(way, false),
            Action::Stop(how) => self.jobs.stop(how),
            Action::Cancel(id) => self.jobs.cancel(id),
            Action::ClearQueue => {
                self.jobs.clear();
                self.dismiss_offers_of(|action| matches!(action, Action::ResumeQueue));
            }
            Action::ResumeQueue => {
                self.jobs.resume();
                self.dismiss_offers_of(|action| matches!(action, Action::ResumeQueue));
            }
            Action::SetBounds(bounds) => {
                // What comes back to be painted in lies in the area that came with it.
                self.hints.clear();
                self.set_bounds(bounds);
            }
            Action::SetLive(on) => self.set_live(on),
            Action::KeepLive => self.keep_live(),
            Action::LookBelowLive => self.look_below_live(),
            Action::RollSeed => self.roll_seed(),
            Action::ChooseModel(name) => self.choose_model(&name),
            Action::Reword { negative: false, text } => self.draft.prompt = text,
            Action::Reword { negative: true, text } => self.draft.negative_prompt = text,
            Action::OlderPrompt => {
                let older = self.history.older(&self.draft.prompt);
                self.draft.prompt = older.unwrap_or_else(|| std::mem::take(&mut self.draft.prompt));
            }
            Action::NewerPrompt => {
                let newer = self.history.newer(&self.draft.prompt);
                self.draft.prompt = newer.unwrap_or_else(|| std::mem::take(&mut self.draft.prompt));
            }
            Action::OpenPicture(path) => self.ask_files(Task::OpenPicture(path)),
            Action::OpenAsLayer(path) => self.ask_files(Task::OpenAsLayer(path)),
            Action::PastePicture(picture) => self.paste(picture),
            Action::Copy => self.copy(),
            Action::Cut => self.cut(),
            Action::ReadSettings(path) => self.ask_files(Task::ReadSettings(path)),
            Action::TakeText(text) => {
                self.take_found_settings("The pasted text", from_texts(&[(PARAMETERS_KEY.to_owned(), text)]));
            }
            Action::NewCanvas(extent) => self.new_canvas(extent),
            Action::TakeSettings(draft, guide) => self.take_settings(*draft, guide),
            Action::ClosePicture => self.close_picture(),
            Action::OpenClosed(closed) => self.in_closed(Errand::Open(closed)),
            Action::OpenGuide(path) => self.ask_files(Task::OpenGuide(path)),
            Action::GuideByResult(id) => self.fetch(id, Purpose::Guide),
            Action::GuideByPicture => self.guide_by_itself(),
            Action::RemoveGuide => self.set_guide(None),
            Action::UseSettings => {
                self.use_settings();
                self.dismiss_offers_of(|action| matches!(action, Action::UseSettings));
            }
            Action::FitPicture => {
                self.fit_picture();
                self.dismiss_offers_of(|action| matches!(action, Action::FitPicture));
            }
            Action::OpenMask(path) => self.ask_files(Task::OpenMask(path)),
            Action::ReplaceMask(mask) => self.take_mask("The mask", mask),
            Action::SaveMask(path) => self.save_mask(path),
            Action::AskWhereToSave(id) => self.ask_where_to_save(id),
            Action::SavePicture(path) => self.save_shown(path),
            Action::SaveProject(path) => self.save_project(path),
            Action::SaveResult(id, path) => self.fetch(id, Purpose::SaveTo(path)),
            Action::SetTool(tool) => self.tool = tool,
            Action::SetBrush(brush) => self.brush = brush,
            Action::SetPaintBrush(brush) => self.palette.brush = brush,
            Action::SetAlike(alike) => self.palette.alike = alike,
            Action::SetRun(run) => self.palette.run = run,
            Action::SetSmudge(strength) => self.palette.smudge = strength,
            Action::SetMaskOpacity(opacity) => self.palette.mask_opacity = opacity.clamp(0.0, 1.0),
            Action::SetColour(colour) => self.palette.colour = colour,
            Action::SwapColours => {
                std::mem::swap(&mut self.palette.colour, &mut self.palette.other_colour);
            }
            Action::DefaultColours => (self.palette.colour, self.palette.other_colour) = ([0; 3], [255; 3]),
            Action::BeginPainting => {
                self.begin_painting();
            }
            Action::Paint(painting) => self.take_painting(painting),
            Action::PaintIn(job, strokes) => self.paint_in(job, strokes),
            Action::SetPaintsIn(on) => self.palette.paints_in = on,
            Action::SetKeepsWithin(on) => {
                self.palette.keeps_within = on;
                self.document.keep_within_mask(on);
                self.dismiss_offers_of(|action| matches!(action, Action::SetKeepsWithin(_)));
            }
            Action::SetRoom(room) => self.palette.room = room,
            Action::SetMasksAnew(on) => self.palette.masks_anew = on,
            Action::ForgetHints => self.hints.clear(),
            Action::Fill(x, y) => self.fill(x, y),
            Action::Reframe(frame) => self.reframe(frame),
            Action::Resize(extent) => self.resize(extent),
            Action::EditLayers(edit) => self.edit(Edit::Layer(edit)),
            Action::RecallLayer(layer) => self.recall_layer(layer),
            Action::ChooseLayer(layer) => {
                self.document.choose_layer(layer);
            }
            Action::ApplyResult(id) => self.fetch(id, Purpose::Apply),
            Action::AdoptShown => {
                self.adopt_shown_result();
            }
            Action::Stroke(stroke) => self.edit_mask(Edit::Mask(MaskEdit::Stroke(stroke))),
            Action::MaskShape(shape, combine) => self.edit_mask(Edit::Mask(MaskEdit::Shape(shape, combine))),
            Action::AdjustMask { grow, feather, is_rough } => {
                self.edit(Edit::Mask(MaskEdit::Adjust { grow, feather, goes_on: true, is_rough }));
            }
            Action::QuickMask => self.quick_mask(),
            Action::ClearMask => {
                self.edit(Edit::Mask(MaskEdit::Clear));
                self.dismiss_offers_of(|action| matches!(action, Action::ClearMask));
            }
            Action::InvertMask => self.edit_mask(Edit::Mask(MaskEdit::Invert)),
            Action::Undo => {
                self.undo();
                self.dismiss_offers_of_what_is_back();
            }
            Action::BringBack(opened) => self.bring_back(opened),
            Action::Redo => self.redo(),
            Action::Search(words) => {
                self.results.restart(words);
                self.list_more();
                self.gather_by_words();
            }
            Action::FindAlike(id) => self.find_alike(id),
            Action::ListBestFitting(id) => self.list_best_fitting(id),
            Action::MoreResults => self.list_more_if_there_are(),
            Action::Show(id) => {
                self.view.wanted = Some(id);
                self.fetch(id, Purpose::Show);
            }
            Action::HideResult => self.view_document(),
            Action::SeeLarge(seen) => {
                self.results.see_large(seen);
                self.read_large_on();
            }
            Action::StartFromResult(id) => self.fetch(id, Purpose::StartFrom),
            Action::Upscale(id) => self.fetch(id, Purpose::Upscale),
            Action::Recall(id) => self.fetch(id, Purpose::Recall),
            Action::TakeInput(input) => self.take_input(&input),
            Action::Reveal(id) => self.reveal(id),
            Action::SaveAgain(id) => self.save_again(id),
            Action::Delete(id) => self.delete(id),
            Action::BringResultsBack => self.bring_results_back(),
            Action::LookAtModels => self.look_at_models(),
            Action::LookAtStyles => self.look_at_styles(),
            Action::AddModel(path) => self.find_models(Added::Dropped(path)),
            Action::AddModelFolder(path) => self.add_model_folder(path),
            Action::GetModel(wanted) => self.get_model(wanted),
            Action::CancelDownload(repo) => self.cancel_download(&repo),
            Action::SetTheme(theme) => {
                self.settings.set_theme(theme);
                self.save_settings();
            }
            Action::BindKeys(name, keys) => {
                self.settings.bind(name, keys);
                self.save_settings();
            }
            Action::Set(setting) => self.set(setting),
            Action::MeasurePacked => self.measure_packed(false),
            Action::RemovePacked => self.measure_packed(true),
            Action::Dismiss(id) => self.notices.dismiss(id),
        }
    }

    /// Queues what the draft says. The seed shown is the one that is used: another is drawn first if this one was painted, of a variation
    /// the other seed. What `goes_first` is painted before all that waits.
    fn generate(&mut self, way: Way, goes_first: bool) {
        if !self.prepared_for(way) {
            return;
        }
        self.settle_guide();
        if !self.draft.seed_locked && self.used_seed == Some(self.draft.seed) {
            let rolled = self.rolled();
            match &mut self.draft.reproduce.variation {
                Some(variation) if variation.strength > 0.0 => variation.seed = rolled,
                _ => self.draft.seed = rolled,
            }
        }
        let (native, guide) = (self.native_extent(), self.guide_now().filter(|_| way != Way::Remove));
        // What is new of the canvas is all that is painted then.
        let masked = if matches!(way, Way::Expand(_)) { None } else { self.document.with_mask_layers() };
        let document = masked.as_ref().unwrap_or(&self.document);
        let draft = self.draft.painted_as(way, document, native);
        let requests = match draft.to_requests(document, guide.as_ref(), native) {
            Ok(mut requests) => {
                for request in &mut requests {
                    if !matches!(way, Way::Expand(_)) {
                        request.hints.clone_from(&self.hints);
                    }
                    if let Some(input) = request.input.as_mut().filter(|_| way == Way::Remove) {
                        input.regions.clear();
                    }
                }
                self.completed(requests)
            }
            Err(why) => Err(why),
        };
        let requests = match requests {
            Ok(requests) => requests,
            Err(why) => {
                if matches!(way, Way::Expand(_)) {
                    self.forget_newest();
                }
                self.notices.failed(sentence(&why.to_string()));
                return;
            }
        };
        let (asked, painted) = (self.draft.extent, requests[0].extent);
        if !self.document.has_picture() && asked != painted {
            self.draft.extent = painted;
            self.notices.info(format!("The size {asked} was rounded to {painted}: both sides must be multiples of 8"));
        }
        if self.jobs.count() == 0 {
            self.view.stays = false;
        }
        self.used_seed = Some(self.draft.seed);
        self.restarts_left = RESTARTS;
        self.history.remember(&self.draft.prompt);
        let waited = self.jobs.waiting.len();
        for request in requests {
            self.jobs.push(request);
        }
        if goes_first {
            self.jobs.waiting.rotate_left(waited);
        }
    }

    /// Requests whose prompts leave nothing open.
    pub(super) fn completed(&mut self, requests: Vec<Request>) -> Result<Vec<Request>, NotReady> {
        let folders = self.paths.model_folders(&self.settings);
        if !self.wildcards.are_in(&folders) {
            self.wildcards = Wildcards::new(&folders);
        }
        let completed = |request: Request| {
            let request = request.completed(&self.wildcards).map_err(|why| NotReady::Prompt(why.to_string()))?;
            Ok(request.checked()?)
        };
        requests.into_iter().map(completed).collect()
    }

    /// The upper half of what Steele et al. 2014 call split-mix: any state is good, and no seed comes twice soon.
    fn rolled(&mut self) -> u64 {
        self.entropy = self.entropy.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.entropy ^ (self.entropy >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) >> 32
    }

    fn roll_seed(&mut self) {
        self.draft.seed = self.rolled();
        self.used_seed = None;
    }

    pub(super) fn choose_model(&mut self, name: &str) {
        let example_of = |name: &str| self.models.iter().find(|m| m.name == name).map(|m| m.example.clone());
        let (old, Some(new)) = (example_of(&self.draft.model), example_of(name)) else {
            self.notices.failed(format!("There is no model named {name}: choose one from the list"));
            return;
        };
        self.draft.change_model(old.as_ref(), &new);
        self.settings.last_model = Some(new.model);
        self.save_settings();
        self.load_model();
        if let Some(problem) = self.model().and_then(|model| model.problem.clone()) {
            self.notices.error(format!("The model {name} cannot be used: {problem}"));
        }
    }

    pub(super) fn save_settings(&mut self) {
        let (settings, path) = (Box::new(self.settings.clone()), self.paths.settings_file());
        self.ask_files(Task::SaveSettings { settings, path });
    }

    /// Sends the next waiting job to the engine, if it is free.
    pub(super) fn start_next(&mut self, now: Instant) {
        if self.jobs.running.is_none() && !self.jobs.waiting.is_empty() && !self.engine.is_alive() {
            self.revive_engine();
        }
        if self.engine.is_alive()
            && let Some(command) = self.jobs.start_next(now)
        {
            self.engine.send(command);
        }
    }

    /// Starts another engine in place of a dead one, unless that was done too often without a picture in between.
    pub(super) fn revive_engine(&mut self) -> bool {
        if self.restarts_left == 0 {
            return false;
        }
        self.restarts_left -= 1;
        self.engine = (self.start_engine)();
        self.engine.preview_every(self.pace);
        self.lost_look();
        if let Some(library) = &self.library {
            self.engine.send(Command::UseLibrary(Arc::clone(library)));
        }
        for model in &mut self.models {
            if matches!(model.state, ModelState::Loaded { .. }) {
                model.state = ModelState::OnDisk;
            }
        }
        if self.model().is_some_and(|model| model.state == ModelState::OnDisk) {
            self.engine.send(self.draft.load());
        }
        true
    }

    /// Reads a result, or takes it from memory, and goes on with it.
    pub(super) fn fetch(&mut self, id: ResultId, purpose: Purpose) {
        if let Some(finished) = self.results.in_memory(id) {
            self.fetched(id, purpose, &finished);
        } else if let Some(place) = self.results.place(id) {
            let entry = place.entry;
            self.archive.send(archive::Task::Fetch { result: id, entry, purpose });
        } else {
            self.notices.failed("This result is not there any more: it was deleted");
        }
    }

    /// Has the next picture read that is seen larger than its thumbnail, if none is on its way.
    pub(super) fn read_large_on(&mut self) {
        if let Some((result, entry)) = self.results.next_large() {
            self.archive.send(archive::Task::ReadLarge { result, entry });
        }
    }

    fn list_more_if_there_are(&mut self) {
        if self.results.has_more && !self.results.is_loading {
            self.list_more();
        }
    }

    fn reveal(&mut self, id: ResultId) {
        match self.results.place(id) {
            Some(place) if place.path.is_file() => self.wishes.push(Wish::Reveal(place.path.clone())),
            Some(place) => {
                let said = format!("This result's file is gone: {}", place.path.display());
                self.notices.failed(said);
            }
            None => {
                self.notices.info("This result has no file yet: it is in memory only");
            }
        }
    }

    fn save_shown(&mut self, path: PathBuf) {
        match &self.shown {
            Shown::Result(id, _) | Shown::Part { result: id, .. } => self.fetch(*id, Purpose::SaveTo(path)),
            Shown::Document(_) => {
                if let Some(picture) = self.document.picture().cloned() {
                    let parameters = Recipe::seen_in(&self.document).map(|recipe| recipe.parameters);
                    self.save_to(path, picture, parameters, None);
                }
            }
            Shown::Live { picture, .. } => {
                let picture = std::sync::Arc::clone(picture);
                self.save_to(path, picture, None, None);
            }
            Shown::Preview { .. } => {
                self.notices.info("This picture is not finished: stop it and keep what there is, or wait for it");
            }
            Shown::Empty(_) => {
                self.notices.info("There is no picture to save yet");
            }
        }
    }

    fn ask_where_to_save(&mut self, id: ResultId) {
        let Some(item) = self.results.get(id) else { return };
        let words = item.prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut name: String = words.collect::<Vec<_>>().join("-").chars().take(40).collect();
        if name.is_empty() {
            name = "picture".into();
        }
        let name = format!("{name}-{}.png", item.seed);
        self.wishes.push(Wish::AskWhereToSave { result: id, name });
    }

    fn save_again(&mut self, id: ResultId) {
        let Some(unsaved) = self.results.unsaved(id).cloned() else {
            return;
        };
        if let Some(item) = self.results.get_mut(id).filter(|item| item.kept == Kept::InMemory) {
            item.kept = Kept::Saving;
            let Unsaved { painted, partial, hashes } = unsaved;
            self.archive.send(archive::Task::Add { result: id, painted, partial, hashes });
        }
        self.dismiss_offers_of(|action| matches!(action, Action::SaveAgain(offered) if *offered == id));
    }

    fn delete(&mut self, id: ResultId) {
        match self.results.get(id).map(|item| item.kept) {
            Some(Kept::Saving) => {
                self.notices.info("This result is being saved: delete it in a moment");
            }
            Some(Kept::InMemory) => {
                self.show_neighbour(id);
                self.forget_result(id);
            }
            Some(Kept::InGallery(_)) | None => {
                let Some(entry) = self.results.place(id).map(|place| place.entry) else { return };
                if self.results.leaving.insert(id) {
                    self.show_neighbour(id);
                    self.archive.send(archive::Task::Delete { result: id, entry });
                }
            }
        }
    }

    /// Brings back what was moved to the trash and can still be.
    fn bring_results_back(&mut self) {
        for spare in std::mem::take(&mut self.results.deleted) {
            self.archive.send(archive::Task::BringBack(Box::new(spare)));
        }
        self.dismiss_offers_of(|action| matches!(action, Action::BringResultsBack));
    }

    /// Looks at the result beside a shown one that is about to go, so that a batch can be weeded out one by one.
    fn show_neighbour(&mut self, id: ResultId) {
        if matches!(self.view.what, Viewed::Result(shown, ..) if shown == id)
            && let Some(next) = self.results.neighbour(id)
        {
            self.view.wanted = Some(next);
            self.fetch(next, Purpose::Show);
        }
    }

    /// Takes a result that is gone off the list and the canvas.
    pub(super) fn forget_result(&mut self, id: ResultId) {
        self.results.forget(id);
        if matches!(self.view.what, Viewed::Result(shown, ..) if shown == id) {
            self.view.what = Viewed::Document;
            self.view.stays = false;
        }
    }

    /// Takes away the notices that offer what was done now.
    pub(super) fn dismiss_offers_of(&mut self, is_done: impl Fn(&Action) -> bool) {
        let offers_it = |notice: &&super::Notice| notice.offers.iter().any(|offer| is_done(&offer.action));
        let done: Vec<_> = self.notices.iter().filter(offers_it).map(|notice| notice.id).collect();
        for id in done {
            self.notices.dismiss(id);
        }
    }
}
