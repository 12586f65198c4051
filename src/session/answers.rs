//! Taking in what the gallery answers, and going on with the results that it has read.

use super::archive::{Answer, Fetched, Purpose, Unavailable};
use super::current::took_the_place;
use super::document::sentence;
use super::part::Part;
use super::recipe::Recipe;
use super::results::Finished;
use super::{Action, Kept, NoticeKind, Offer, ResultId, Session, View, Viewed};
use crate::gallery::{Deleted, Spare};
use crate::pixels::Picture;
use std::sync::Arc;

impl Session {
    pub(super) fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Notice(text) => {
                self.notices.standing(sentence(&text));
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
            Answer::Large { result, picture } => {
                self.results.take_large(result, picture);
                self.read_large_on();
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
                Ok((deleted, spare)) => {
                    self.forget_result(result);
                    self.tell_of_deleted(&deleted, spare.map(|spare| *spare));
                }
                Err(why) => {
                    self.results.leaving.remove(&result);
                    self.notices.error(format!("The result was not deleted: {why}"));
                }
            },
            Answer::BroughtBack { listed: Ok(listed), .. } => {
                let id = self.results.take_back(*listed);
                self.view.wanted = Some(id);
                self.fetch(id, Purpose::Show);
            }
            Answer::BroughtBack { spare, listed: Err(why) } => {
                self.results.hold_deleted(*spare);
                let offer = Offer { label: "Try again".into(), action: Action::BringResultsBack };
                let said = format!("A result was not brought back, and is still in the trash: {why}");
                self.notices.push(NoticeKind::Error, said, vec![offer]);
            }
        }
    }

    /// Says that a result was deleted, and offers to bring it back, with those that were just before it.
    fn tell_of_deleted(&mut self, deleted: &Deleted, spare: Option<Spare>) {
        let said = match deleted {
            Deleted::ToTrash => "Moved to the trash".to_owned(),
            Deleted::MovedTo(path) => format!("There is no trash here; the picture was moved to {}", path.display()),
            Deleted::WasMissing => return,
        };
        let Some(spare) = spare else {
            self.notices.info(said);
            return;
        };
        self.dismiss_offers_of(|action| matches!(action, Action::BringResultsBack));
        self.results.hold_deleted(spare);
        let (said, label) = match self.results.deleted.len() {
            1 => (said, "Bring it back"),
            count => (format!("{count} results were deleted"), "Bring them back"),
        };
        self.notices.offering(said, vec![Offer { label: label.into(), action: Action::BringResultsBack }]);
    }

    /// What was deleted is held for as long as it is offered to bring it back.
    pub(super) fn let_go_of_deleted(&mut self) {
        let mut offers = self.notices.iter().flat_map(|notice| &notice.offers);
        if !offers.any(|offer| matches!(offer.action, Action::BringResultsBack)) {
            self.results.deleted.clear();
        }
    }

    /// The gallery could not take a result: it stays in memory and on the canvas, and the person decides.
    pub(super) fn not_saved(&mut self, id: ResultId, why: &str) {
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
}
