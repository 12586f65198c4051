//! Live painting: while it is on, whatever changes on the canvas or in the draft is painted anew at once, from the canvas and the
//! prompt, at the size that the model paints best, and shown over the canvas. A run that has become stale is given up.
//!
//! What comes of it goes to no gallery unless the person keeps it, and the queue goes before it.

use super::document::sentence;
use super::part::Part;
use super::{Draft, Session, Shown, Viewed};
use crate::diffusion::{Input, Painted, Place, Request, Savings, Stop, Tuning, extent_to_paint};
use crate::engine::{CancelToken, Command, Event, Job, JobId, Outcome};
use crate::geom::{Bounds, Extent};
use crate::pixels::Picture;
use std::sync::Arc;

/// What is painted live.
#[derive(Debug, Default)]
pub(super) struct Live {
    is_on: bool,
    run: Option<Run>,
    /// What the newest run was made of: the document's revision, and the draft.
    made_of: Option<(u64, Draft)>,
    seen: Seen,
    /// Whether the person works on the document: until there is something new, nothing lies over it.
    steps_back: bool,
}

#[derive(Debug)]
struct Run {
    id: JobId,
    cancel: CancelToken,
    part: Part,
}

#[derive(Debug, Default)]
enum Seen {
    #[default]
    Nothing,
    Estimate(JobId, Arc<Picture>, Part),
    Painted(Box<Painted>),
}

impl Live {
    /// The engine is gone, and what it was busy with.
    pub(super) fn lose(&mut self) {
        self.run = None;
    }

    /// Nothing lies over the document until there is something new.
    pub(super) fn step_back(&mut self) {
        self.steps_back = true;
    }

    fn running(&self, id: JobId) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.id == id)
    }
}

impl Session {
    /// Whether the canvas is painted live.
    pub fn is_live(&self) -> bool {
        self.live.is_on
    }

    pub(super) fn set_live(&mut self, on: bool) {
        if let Some(run) = &self.live.run {
            run.cancel.stop(Stop::Discard);
        }
        self.live = Live { is_on: on, run: self.live.run.take(), ..Live::default() };
        if on && !self.document.has_picture() {
            self.begin_painting();
        }
    }

    /// Takes the picture that was painted live into the gallery.
    pub(super) fn keep_live(&mut self) {
        if let Seen::Painted(painted) = std::mem::take(&mut self.live.seen) {
            self.take_result(*painted, false);
        }
    }

    /// Shows the document in place of what is painted live from it, until there is something new; or that again.
    pub(super) fn look_below_live(&mut self) {
        self.live.steps_back = !self.live.steps_back && !matches!(self.live.seen, Seen::Nothing);
    }

    /// Paints anew if something changed, and gives up what has become stale.
    pub(super) fn live_on(&mut self) {
        if !self.live.is_on {
            return;
        }
        let is_busy = self.jobs.running.is_some() || !self.jobs.waiting.is_empty();
        let signs = (self.document.revision(), self.draft.storable());
        let is_due = self.live.made_of.as_ref() != Some(&signs) && matches!(self.view.what, Viewed::Document);
        match &self.live.run {
            Some(run) if is_due || is_busy => run.cancel.stop(Stop::Discard),
            None if is_due && !is_busy && self.document.has_picture() && self.engine.is_alive() => {
                self.live.made_of = Some(signs);
                self.start_live();
            }
            _ => {}
        }
    }

    fn start_live(&mut self) {
        let (masked, guide) = (self.document.with_mask_layers(), self.guide_now());
        let document = masked.as_ref().unwrap_or(&self.document);
        let requests = self.live_draft().to_requests(document, guide.as_ref(), self.native_extent());
        let request = requests
            .and_then(|requests| self.completed(requests))
            .map(|mut requests| in_its_place(requests.remove(0), self.native_extent()));
        match request {
            Ok(Some((request, part))) => {
                let (id, cancel) = (self.jobs.new_id(), CancelToken::default());
                self.engine.send(Command::Generate(Job::new(id, Box::new(request), cancel.clone())));
                self.live.run = Some(Run { id, cancel, part });
                self.live.seen = Seen::Nothing;
                self.live.steps_back = false;
            }
            Ok(None) => {}
            Err(why) => {
                self.notices.error(sentence(&why.to_string()));
            }
        }
    }

    /// The draft for the model's sibling of few steps, where it has one.
    fn live_draft(&self) -> Draft {
        let draft = Draft { count: 1, upscale: None, ..self.draft.clone() };
        let name = format!("{}-4-steps", draft.model);
        match self.models.iter().find(|model| model.name == name && model.problem.is_none()) {
            None => draft,
            Some(model) => Draft {
                model: name,
                sampler: model.example.sampler,
                schedule: model.example.schedule,
                steps: model.example.steps,
                guidance_scale: model.example.guidance_scale,
                savings: Savings::default(),
                tuning: Tuning::default(),
                prediction: None,
                ..draft
            },
        }
    }

    /// Takes an event, if it is about what is painted live; else gives it back.
    pub(super) fn take_live_event(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::JobStarted(id) | Event::JobPhase { id, .. } if self.live.running(id).is_some() => {}
            Event::JobStep { id, preview, .. } if self.live.running(id).is_some() => {
                let run = self.live.running(id).filter(|run| run.cancel.requested().is_none());
                if let Some((run, preview)) = run.zip(preview) {
                    self.live.seen = Seen::Estimate(id, preview, run.part.clone());
                }
            }
            Event::JobEnded { id, outcome } if self.live.running(id).is_some() => {
                self.live.run = None;
                match outcome {
                    Outcome::Finished(painted) | Outcome::Stopped(painted) => {
                        self.live.seen = Seen::Painted(Box::new(painted));
                    }
                    Outcome::Cancelled => {}
                    Outcome::Failed(error) => {
                        self.live.is_on = false;
                        self.notices.error(format!("Live painting was turned off: {error}"));
                    }
                }
            }
            event => return Some(event),
        }
        None
    }

    /// What is painted live, where the document would be shown.
    pub(super) fn live_shown(&mut self) -> Option<Shown> {
        if !self.live.is_on || self.live.steps_back || !matches!(self.view.what, Viewed::Document) {
            return None;
        }
        match &self.live.seen {
            Seen::Nothing => None,
            Seen::Estimate(job, picture, part) => self.fits(part).then(|| Shown::Preview {
                job: *job,
                picture: Arc::clone(picture),
                extent: part.place.of,
                over: Some((Arc::clone(self.document.last_flat()), part.place.bounds)),
                mask: part.mask_on_canvas(&mut self.mask_on_canvas),
            }),
            Seen::Painted(painted) => {
                let part = Part::of(&painted.request).filter(|part| self.fits(part))?;
                let tiles = super::part::in_place(&mut self.in_place, &self.document, &part, &painted.picture)?;
                Some(Shown::Live { picture: Arc::clone(&painted.picture), tiles })
            }
        }
    }
}

/// A request of all of a canvas as one of a part: painted at the size that suits the model. None if it starts from no canvas.
fn in_its_place(request: Request, native: Extent) -> Option<(Request, Part)> {
    let input = request.input?;
    let of = input.picture.extent();
    let place = input.place.unwrap_or(Place { bounds: Bounds::whole(of), of });
    let is_whole = place.bounds == Bounds::whole(place.of);
    let extent = if is_whole { extent_to_paint(place.of, native) } else { request.extent };
    let input = Some(Input { place: Some(place), ..input });
    let request = Request { extent, input, ..request };
    let part = Part::of(&request)?;
    Some((request, part))
}
