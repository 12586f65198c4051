//! The session with an engine played by hand and a folder of its own.

mod closed;
#[cfg(unix)]
mod configure;
mod document;
mod downloads;
mod failures;
mod filling;
mod guide;
mod hints;
mod keeping;
mod kinds;
mod layers;
mod live;
mod looking;
#[cfg(unix)]
mod models;
mod painting;
mod restart;
mod results;
mod selecting;
mod ways;
mod words;

use super::*;
use crate::diffusion::{Defaults, Painted, Phase, Precision, Request, SamplerName, ScheduleName};
use crate::engine::{self, CancelToken, Command, Event, Job, Outcome, Peer};
use crate::geom::Extent;
use crate::paint::{PaintBrush, Sample, Stroke};
use crossbeam_channel::{Receiver, unbounded};
use std::path::Path;
use std::time::{Duration, Instant};

const SIZE: Extent = Extent::new(16, 16);

/// A session, the other ends of its engines, and the folder it lives in.
struct Stage {
    session: Session,
    peers: Receiver<Peer>,
    peer: Peer,
}

fn defaults() -> Defaults {
    Defaults { extent: SIZE, steps: 4, sampler: SamplerName::Ddim, schedule: ScheduleName::Simple, guidance_scale: 3.5 }
}

fn stage(home: &Path) -> Stage {
    let models = vec![
        Model::unusable("broken", "", "its U-Net is missing"),
        Model::new("bozzetto", "ships with Sfumato", &defaults()),
        Model::new("other", "", &Defaults { steps: 30, ..defaults() }),
    ];
    stage_with(home, models)
}

fn stage_with(home: &Path, models: Vec<Model>) -> Stage {
    stage_of(home, models, None)
}

fn stage_of(home: &Path, models: Vec<Model>, clip: Option<Clip>) -> Stage {
    stage_computing(home, models, clip, Precision::ALL)
}

/// On a machine that multiplies in these.
fn stage_computing(home: &Path, models: Vec<Model>, clip: Option<Clip>, precisions: &[Precision]) -> Stage {
    let (tell, peers) = unbounded();
    let start = move || {
        let (client, peer) = engine::channel(|| ());
        tell.send(peer).unwrap();
        client
    };
    let paths = Paths::in_one_folder(home);
    let opening = Opening {
        settings: Settings::load(&paths.settings_file()).0,
        paths,
        models,
        controlnets: vec![ControlNetChoice { name: "Bozzetto lines".into(), models: vec!["bozzetto".into()] }],
        upscalers: vec![Upscale { upscaler: "Bozzetto 4x".into(), factor: 4.0, refine: None }],
        clip,
        precisions: precisions.to_vec(),
        engine: Box::new(start),
        wake: Arc::new(|| ()),
        entropy: 1,
    };
    let session = Session::open(opening);
    let peer = peers.try_recv().unwrap();
    Stage { session, peers, peer }
}

impl Stage {
    fn apply(&mut self, action: Action) {
        self.session.apply(action);
    }

    /// What the engine was told to load.
    fn load(&self) -> String {
        match self.peer.try_command() {
            Some(Command::Load { model, .. }) => model,
            other => panic!("expected a model to load, got {other:?}"),
        }
    }

    /// What the engine was told to paint; the wish for a model before it is read over.
    fn job(&self) -> Job {
        loop {
            match self.peer.try_command() {
                Some(Command::Load { .. }) => {}
                Some(Command::Generate(job)) => return job,
                other => panic!("expected a job, got {other:?}"),
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.peer.try_command().is_none()
    }

    fn tell(&mut self, event: Event) {
        self.peer.tell(event).unwrap();
        self.session.poll();
    }

    fn step(&mut self, job: &Job, index: u32) -> Arc<Picture> {
        let preview = Arc::new(Picture::filled(Extent::new(2, 2), [9, 9, 9, 255]));
        self.tell(Event::JobPhase { id: job.id, phase: Phase::Sample });
        self.tell(Event::JobStep { id: job.id, index, count: 4, preview: Some(Arc::clone(&preview)), hints: 0 });
        preview
    }

    fn end(&mut self, job: &Job, outcome: Outcome) {
        self.tell(Event::JobEnded { id: job.id, outcome });
    }

    /// Generates one picture of this grey and waits until the gallery has it.
    fn paint(&mut self, grey: u8) -> ResultId {
        self.apply(Action::Generate);
        let job = self.job();
        self.end(&job, Outcome::Finished(painted(&job, grey)));
        let id = self.session.results.items[0].id;
        self.until(|s| matches!(s.results.get(id).unwrap().kept, Kept::InGallery(_)));
        id
    }

    /// Polls until something is so.
    fn until(&mut self, is_so: impl Fn(&Session) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so(&self.session) {
            assert!(Instant::now() < deadline, "it never came about; notices: {:?}", self.said());
            std::thread::sleep(Duration::from_millis(2));
            self.session.poll();
        }
    }

    fn said(&self) -> Vec<String> {
        self.session.notices.iter().map(|notice| notice.text.clone()).collect()
    }

    /// Waits for a notice with these words in it.
    fn hears(&mut self, words: &str) -> Notice {
        let holds = |notice: &&Notice| notice.text.contains(words);
        self.until(|s| s.notices.iter().any(|notice| holds(&notice)));
        self.session.notices.iter().find(holds).unwrap().clone()
    }

    fn shown_grey(&self) -> Option<u8> {
        self.session.canvas_picture().map(|picture| picture.rgba()[0])
    }
}

fn painted(job: &Job, grey: u8) -> Painted {
    Painted {
        picture: picture(job.request.extent, grey),
        request: job.request.clone(),
        steps_made: job.request.steps_to_run(),
        seconds: 0.5,
        notes: Vec::new(),
    }
}

fn picture(extent: Extent, grey: u8) -> Arc<Picture> {
    Arc::new(Picture::filled(extent, [grey, grey, grey, 255]))
}

fn stroke() -> Action {
    let brush = PaintBrush::new(Brush { size: 4.0, hardness: 1.0 });
    Action::Stroke(Stroke { tool: Tool::MaskBrush, brush, samples: vec![Sample::at(8.0, 8.0)] })
}
