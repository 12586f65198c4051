//! Opening the session that was left, or a first one.

use super::persist::{self, Keeper, Snapshot};
use super::{
    Action, Clip, ControlNetChoice, Draft, History, Jobs, Model, NoticeKind, Notices, Offer, PaintBox, RESTARTS,
    Results, Session, Shown, View, Viewed, Wake, archive, current, document, downloads, files, filling, guide, hashing,
    keep, live, looking, mixing, words,
};
use crate::diffusion::{Precision, Upscale};
use crate::engine::Client;
use crate::memory::available_memory;
use crate::paint::{Brush, Tool};
use crate::prompt::Wildcards;
use crate::settings::{Paths, Settings};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// What a session is made from.
pub struct Opening {
    /// Where settings, results and the state lie.
    pub paths: Paths,
    /// What the user configured.
    pub settings: Settings,
    /// The models that were found, the preferred one first.
    pub models: Vec<Model>,
    /// What the models' networks can multiply in.
    pub precisions: Vec<Precision>,
    /// The upscalers that can be used, the preferred one first, each with the factor it was made for.
    pub upscalers: Vec<Upscale>,
    /// The `ControlNet`s that can be used.
    pub controlnets: Vec<ControlNetChoice>,
    /// The CLIP to look at results through, if there is one.
    pub clip: Option<Clip>,
    /// Starts an engine; called again when one has died.
    pub engine: Box<dyn FnMut() -> Client>,
    /// Called from any thread when [`Session::poll`] has something to take in.
    pub wake: Wake,
    /// Any number: where rolled seeds begin.
    pub entropy: u64,
}

const FIRST_BRUSH: Brush = Brush { size: 24.0, hardness: 0.8 };

impl Session {
    /// Opens the session that was left, or a first one: the preferred model's example in the draft, the model on its way.
    #[expect(clippy::too_many_lines, reason = "a line for each field")]
    pub fn open(opening: Opening) -> Self {
        let Opening { paths, settings, models, precisions, upscalers, controlnets, clip, engine, wake, entropy } =
            opening;
        let mut start_engine = engine;
        // Threads step back with the one that makes them, and for good: those of painting are made by this one, and those that compute by
        // the engine, before anybody else has a use for either.
        crate::paint::promptly(|| ());
        let engine = start_engine();
        let folder = paths.state_folder().to_owned();
        let claim = persist::claim(&folder);
        let restored = if claim.is_some() { persist::restore(&folder) } else { persist::Restored::default() };
        let usable = models.iter().find(|model| model.problem.is_none());
        let first_draft = usable.or(models.first()).map(|model| model.example.clone()).unwrap_or_default();
        let snapshot = restored.snapshot.unwrap_or_else(|| first_snapshot(first_draft));
        let mut notices = Notices::default();
        restored.complaints.into_iter().for_each(|complaint| {
            notices.error(complaint);
        });
        if claim.is_none() {
            notices.standing(
                "Sfumato is open already. Both windows use one gallery, but what you edit in this one is forgotten when it closes, \
                 and each lists what the other paints only after a restart",
            );
        }
        let had = (snapshot.layers.is_some(), snapshot.mask.is_some());
        let document =
            document::restored(snapshot.layers, snapshot.mask.as_deref(), snapshot.draft.extent, &mut notices);
        // What is not all there must not take the place of the file that it came from.
        let is_damaged = had != (document.has_picture(), document.has_mask());
        let undo_bytes = current::undo_bytes(settings.undo_megabytes, available_memory());
        let mut document = document.with_history_bytes(undo_bytes);
        if snapshot.masks_room {
            document.note_mask_of_room();
        }
        // It goes once the document is saved: nothing else may be named there.
        let closed_folder = paths.closed_folder();
        let copy = snapshot.copy.filter(|copy| !is_damaged && copy.parent() == Some(&*closed_folder));
        let mut jobs = Jobs::default();
        jobs.leave_over(snapshot.queue);
        let mut session = Self {
            shown: Shown::Empty(snapshot.draft.extent),
            draft: snapshot.draft,
            document,
            guide: snapshot.guide,
            hints: snapshot.hints,
            tool: snapshot.tool,
            brush: snapshot.brush,
            palette: snapshot.palette,
            jobs,
            results: Results::default(),
            downloads: Vec::new(),
            failed_downloads: Vec::new(),
            memory: None,
            on_gpu: false,
            notices,
            history: snapshot.history,
            models,
            previews: HashMap::new(),
            styles: Vec::new(),
            lengths: None,
            closed: Vec::new(),
            precisions,
            upscalers,
            controlnets,
            found_settings: false,
            engine,
            start_engine,
            pace: Duration::ZERO,
            restarts_left: RESTARTS,
            files: files::start(Arc::clone(&wake)),
            words: words::start(Arc::clone(&wake)),
            wildcards: Wildcards::default(),
            archive: archive::start(paths.gallery_folder(&settings), Arc::clone(&wake)),
            looking: looking::Looking::new(clip),
            download_thread: downloads::Downloads::start(Arc::clone(&wake), None),
            hashing: hashing::Hashing::start(Arc::clone(&wake), paths.hashes_file()),
            mixer: mixing::start(Arc::clone(&wake)),
            filler: filling::start(Arc::clone(&wake)),
            keeper: if claim.is_some() { Keeper::start(folder, wake) } else { Keeper::idle() },
            claim,
            settings,
            packed_bytes: None,
            paths,
            found: None,
            view: View { what: Viewed::Document, stays: false, wanted: None },
            previewed: Vec::new(),
            library: None,
            copied: None,
            told_of_mask: None,
            in_place: None,
            masked_box: None,
            mask_on_canvas: None,
            lines: guide::Lines::default(),
            lacks: super::ways::Lacks::default(),
            looked_below: None,
            live: live::Live::default(),
            revision: 0,
            wishes: Vec::new(),
            used_seed: snapshot.used_seed,
            entropy,
            handed: keep::Handed::default(),
            file: snapshot.file.filter(|_| !is_damaged).map(Arc::from),
            kept: None,
            left: Vec::new(),
            brought_back: None,
            as_they_were: None,
            guided_by: snapshot.guides_itself.then_some(0),
            said_of_words: HashSet::new(),
            copies: copy.map(|copy| (0, copy)).into_iter().collect(),
            documents: 0,
            opened: 0,
        };
        if !(snapshot.is_behind || is_damaged) {
            session.kept = Some(session.sign());
        }
        session.document.keep_within_mask(session.palette.keeps_within);
        session.note_guide();
        session.begin();
        if let Some(entry) = snapshot.shown {
            let id = session.results.name_of(entry);
            session.view.wanted = Some(id);
            session.archive.send(archive::Task::Fetch { result: id, entry, purpose: archive::Purpose::Show });
        }
        session
    }

    fn begin(&mut self) {
        let is_there = |model: &&Model| model.name == self.draft.model;
        if self.models.is_empty() {
            self.notices.error(
                "There is no model to paint with: put a diffusers folder into the folder “models” next to the program, and start \
                 it again",
            );
        } else if !self.models.iter().any(|model| is_there(&model)) {
            let first = self.models.iter().find(|model| model.problem.is_none()).unwrap_or(&self.models[0]);
            let gone = std::mem::take(&mut self.draft.model);
            self.draft.model.clone_from(&first.name);
            self.notices.info(format!("The model {gone} is not there any more: {} is used instead", first.name));
        }
        self.forget_missing_upscaler();
        // What waits in the queue stays as it was asked for.
        self.leave_missing_precision();
        self.load_model();
        let left_over = self.jobs.left_over.len();
        if left_over > 0 {
            let what = if left_over == 1 { "One picture was".to_owned() } else { format!("{left_over} pictures were") };
            let offer = |label: &str, action| Offer { label: label.into(), action };
            self.notices.push(
                NoticeKind::Info,
                format!("{what} still to be painted when Sfumato ended"),
                vec![offer("Paint now", Action::ResumeQueue), offer("Forget", Action::ClearQueue)],
            );
        }
        self.list_more();
        self.look_at_closed();
        self.look_at_styles();
        self.recall_hashes();
        self.refresh();
    }
}

/// What a first start begins with.
fn first_snapshot(draft: Draft) -> Snapshot {
    Snapshot {
        draft,
        used_seed: None,
        tool: Tool::default(),
        brush: FIRST_BRUSH,
        palette: PaintBox::default(),
        history: History::default(),
        layers: None,
        mask: None,
        masks_room: false,
        guide: None,
        guides_itself: false,
        hints: Vec::new(),
        shown: None,
        queue: Vec::new(),
        file: None,
        copy: None,
        is_behind: true,
    }
}
