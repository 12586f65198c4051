//! The application without a window: what is being edited, what is queued, what was made. The window reads it and returns
//! [`Action`]s; [`Session::apply`] carries them out; [`Session::poll`] takes in what the engine and the gallery report.
//!
//! Nothing here waits: the engine paints, and five threads of the session's own read and write files (`files`), results
//! (`gallery`) and the state that survives a crash (`state`), get models from a hub (`downloads`), and count tokens (`words`). Their answers come in through `poll`.

mod action;
mod answers;
mod apply;
mod archive;
mod canvas;
mod clipboard;
mod closed;
mod configure;
mod current;
mod document;
mod downloads;
mod draft;
mod files;
mod filling;
mod found;
mod guide;
mod hashing;
mod hints;
mod history;
mod jobs;
mod keep;
mod known;
mod layers;
mod live;
mod looking;
mod mixing;
mod models;
mod notices;
mod opening;
mod paint_box;
mod part;
mod persist;
mod poll;
mod projects;
mod recall;
mod recipe;
mod results;
mod saved_as;
mod start;
mod upscale;
mod ways;
mod words;
mod worker;

pub use action::Action;
pub use canvas::{Shown, Wish};
pub use closed::Closed;
pub use current::Loss;
pub use downloads::{Download, FailedDownload};
pub use draft::{Draft, NotReady};
pub use guide::ControlNetChoice;
pub use history::History;
pub use jobs::{Jobs, Running, Waiting};
pub use known::{Details, KnownVae, Model, ModelState};
pub use looking::Clip;
pub use notices::{Notice, NoticeId, NoticeKind, Notices, Offer};
pub use opening::Opening;
pub use paint_box::{Alike, PaintBox, Run};
pub use results::{By, Gathered, Kept, ResultId, ResultItem, Results};
pub use saved_as::SavedAs;
pub use start::entropy;
pub use ways::Way;
pub use words::Length;
pub use worker::Wake;

use crate::checkpoints::Library;
use crate::diffusion::{Hint, Precision, Upscale};
use crate::engine::Client;
use crate::metadata::Imported;
use crate::paint::{Brush, Document, Tool};
use crate::pixels::{Mask, Picture};
use crate::prompt::{Style, Wildcards};
use crate::settings::{Paths, Settings};
use persist::Keeper;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The application without a window. The panels read it and edit [`draft`](Self::draft) in place; everything else changes only
/// through [`apply`](Self::apply) and [`poll`](Self::poll). The fields are public so that a panel can borrow the ones it needs.
pub struct Session {
    /// What the person is about to ask for.
    pub draft: Draft,
    /// The layers to paint on and to start from, and the mask over them.
    pub document: Document,
    /// The picture that guides, as large as it was opened; [`Draft::control`] says how.
    pub guide: Option<Arc<Picture>>,
    /// What is painted into the next pictures while they are drawn: what was painted into one whose settings were brought back.
    pub hints: Vec<Hint>,
    /// What the pointer does on the canvas.
    pub tool: Tool,
    /// The brush of the mask tools.
    pub brush: Brush,
    /// What the paint tools paint with.
    pub palette: PaintBox,
    /// What is painted and what waits.
    pub jobs: Jobs,
    /// What was made.
    pub results: Results,
    /// The models that are on their way from a hub.
    pub downloads: Vec<Download>,
    /// Those that broke off by themselves and were not asked for again, the newest first.
    pub failed_downloads: Vec<FailedDownload>,
    /// The bytes of memory that were free where networks compute when the program began, where the system tells.
    pub memory: Option<u64>,
    /// Whether that is on a GPU.
    pub on_gpu: bool,
    /// What to tell the person.
    pub notices: Notices,
    /// The prompts that were painted.
    pub history: History,
    /// The models that can be chosen.
    pub models: Vec<Model>,
    /// Pictures of models, by the models' names, once they were read.
    pub previews: HashMap<String, Arc<Picture>>,
    /// What the models' networks can multiply in on this machine.
    pub precisions: Vec<Precision>,
    /// The upscalers that can be chosen, the preferred one first, each with the factor it was made for.
    pub upscalers: Vec<Upscale>,
    /// The `ControlNet`s that can be chosen.
    pub controlnets: Vec<ControlNetChoice>,
    /// The styles that can be chosen, once they were read.
    pub styles: Vec<Style>,
    /// How long the prompt and the negative prompt are, once that was counted.
    pub lengths: Option<[Length; 2]>,
    /// The paintings that were closed without being saved, the newest first.
    pub closed: Vec<Closed>,
    /// What the user configured.
    pub settings: Settings,
    /// How many bytes of models' weights are kept ready, once [`Action::MeasurePacked`] found that out.
    pub packed_bytes: Option<u64>,
    /// Whether the picture opened last carried settings, for [`Action::UseSettings`].
    pub found_settings: bool,

    paths: Paths,
    start_engine: Box<dyn FnMut() -> Client>,
    engine: Client,
    /// How far apart the previews of a job are, at least.
    pace: Duration,
    /// How often a dead engine is started again before the person has to ask.
    restarts_left: u8,
    files: files::Files,
    words: words::Words,
    /// Keeps what was read of their files.
    wildcards: Wildcards,
    archive: archive::Archive,
    looking: looking::Looking,
    hashing: hashing::Hashing,
    download_thread: downloads::Downloads,
    mixer: mixing::Mixer,
    filler: filling::Filler,
    keeper: Keeper,
    /// Let go after the keeper has written what waited. None while another program keeps the state.
    claim: Option<persist::Claim>,
    found: Option<Imported>,
    view: View,
    /// The models whose pictures were asked for.
    previewed: Vec<String>,
    /// What lies in the folders of models, as it was looked at last.
    library: Option<Arc<Library>>,
    copied: Option<clipboard::Copied>,
    /// The number of the mask of which it was said that it keeps out what is painted beside it.
    told_of_mask: Option<u64>,
    in_place: Option<part::InPlace>,
    masked_box: Option<part::MaskedBox>,
    /// The mask of the part that is being painted, and the same on all of the canvas.
    mask_on_canvas: Option<[Arc<Mask>; 2]>,
    lines: guide::Lines,
    /// What there is not to go on from, and at which revision of the document that was looked at.
    lacks: ways::Lacks,
    looked_below: Option<u64>,
    live: live::Live,
    shown: Shown,
    revision: u64,
    wishes: Vec<Wish>,
    /// The seed that was painted last. While the draft still shows it, Generate draws another unless it is locked.
    used_seed: Option<u64>,
    entropy: u64,
    handed: keep::Handed,
    /// The project's file, if the document has one.
    file: Option<Arc<Path>>,
    /// The document as it was opened or saved last.
    kept: Option<current::Sign>,
    /// What was to be painted next in documents that others took the place of.
    left: Vec<current::Left>,
    /// What was to be painted next as it came back with a document last.
    brought_back: Option<Draft>,
    /// The notice that said so, and offers to keep what was written before.
    as_they_were: Option<NoticeId>,
    /// The number of the document whose own picture guides, if one does.
    guided_by: Option<u64>,
    /// What was said of words, and of which model: once is enough.
    said_of_words: HashSet<(String, String)>,
    /// The files of documents, by their numbers, that were put away unsaved.
    copies: HashMap<u64, PathBuf>,
    /// Grows with every document that is opened or begun, and the number of this one.
    documents: u64,
    opened: u64,
}

/// What the canvas shows while nothing is being painted, and what it goes back to.
#[derive(Clone, Debug)]
struct View {
    what: Viewed,
    /// Whether the person chose to look at this while something is painted: previews and new results do not take its place.
    stays: bool,
    /// The result that was asked for and is being read.
    wanted: Option<ResultId>,
}

#[derive(Clone, Debug)]
enum Viewed {
    Document,
    /// A result, and where it belongs if it is a part of a canvas.
    Result(ResultId, Arc<Picture>, Option<part::Part>),
}

const RESTARTS: u8 = 3;

impl Session {
    /// What the canvas shows.
    pub fn canvas(&self) -> &Shown {
        &self.shown
    }

    /// The picture that the canvas shows, if any; a document's is put together when it is asked for.
    pub fn canvas_picture(&self) -> Option<&Arc<Picture>> {
        match &self.shown {
            Shown::Empty(_) => None,
            Shown::Document(_) => self.document.picture(),
            Shown::Result(_, picture)
            | Shown::Part { picture, .. }
            | Shown::Live { picture, .. }
            | Shown::Preview { picture, .. } => Some(picture),
        }
    }

    /// A number that grows whenever [`canvas`](Self::canvas) shows something else. The mask has the document's.
    pub fn canvas_revision(&self) -> u64 {
        self.revision
    }

    /// The folder that results are kept in; where another was chosen meanwhile, that one, which counts from the next start.
    pub fn gallery_folder(&self) -> PathBuf {
        self.paths.gallery_folder(&self.settings)
    }

    /// What only the window can do; each is told once.
    pub fn take_wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// The chosen model, if it is there.
    pub fn model(&self) -> Option<&Model> {
        self.models.iter().find(|model| model.name == self.draft.model)
    }

    /// Has no more previews made of a job than this: for a window that takes long to show them.
    pub fn preview_every(&mut self, pace: Duration) {
        self.pace = pace;
        self.engine.preview_every(pace);
    }

    /// The draft's precision gives way to what is usual here, where it comes from a machine that computes in other numbers.
    fn leave_missing_precision(&mut self) {
        if self.precisions.contains(&self.draft.precision) {
            return;
        }
        let usual = self.model().map_or(Precision::F32, |model| model.example.precision);
        let gone = std::mem::replace(&mut self.draft.precision, usual);
        let (gone, usual) = (gone.name(), usual.name());
        self.notices.info(format!("Sfumato cannot compute in {gone} here: {usual} is used until another is chosen"));
    }

    /// Asks the engine for the chosen model, if it can be used.
    fn load_model(&mut self) {
        let chosen = self.models.iter_mut().find(|model| model.name == self.draft.model);
        if let Some(model) = chosen.filter(|model| model.problem.is_none()) {
            model.state = ModelState::Loading;
            self.engine.send(self.draft.load());
        }
    }

    /// Asks for the next page of results.
    fn list_more(&mut self) {
        let (search, offset) = (self.results.search.clone(), self.results.offset());
        self.results.is_loading = self.archive.send(archive::Task::List { search, offset });
    }

    /// Works out what the canvas shows now.
    fn refresh(&mut self) {
        self.mix_on();
        self.look_below_the_mask();
        self.find_masked_box();
        let mut known = self.mask_on_canvas.take();
        let preview = self.jobs.running.as_ref().filter(|_| !self.view.stays).and_then(|running| {
            let picture = Arc::clone(running.preview.as_ref()?);
            let part = part::Part::of(&running.request).filter(|part| self.fits(part));
            let extent = part.as_ref().map_or_else(|| running.request.picture_extent(), |part| part.place.of);
            let mask = part.as_ref().and_then(|part| part.mask_on_canvas(&mut known));
            let over = part.map(|part| (Arc::clone(self.document.last_flat()), part.place.bounds));
            Some(Shown::Preview { job: running.id, picture, extent, over, mask })
        });
        self.mask_on_canvas = known;
        let shown = preview.or_else(|| self.live_shown()).unwrap_or_else(|| self.viewed());
        if !matches!(shown, Shown::Preview { .. }) {
            self.mask_on_canvas = None;
        }
        self.results.shown = match &self.view.what {
            Viewed::Result(id, ..) => Some(*id),
            Viewed::Document => None,
        };
        if !shown.is_same(&self.shown) {
            self.revision += 1;
            self.shown = shown;
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("draft", &self.draft).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
