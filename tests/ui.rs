//! The window, driven as a person drives it, on a software graphics adapter. A test plays the engine by hand.

#![cfg(feature = "gui")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use egui::{Key, Modifiers, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use sfumato::app::{App, Dialogs, Question};
use sfumato::diffusion::{Defaults, Painted, Phase, Precision, Request, SamplerName, ScheduleName, Stop, Upscale};
use sfumato::engine::{self, Command, Event, Job, Outcome, Peer};
use sfumato::geom::{Bounds, Extent, Point};
use sfumato::paint::Tool;
use sfumato::pixels::Picture;
use sfumato::render::KeptWindow;
use sfumato::session::{Action, Clip, ControlNetChoice, Model, Opening, Session, Shown};
use sfumato::settings::{Paths, Settings, Theme};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);
const EXTENT: Extent = Extent::new(64, 64);

/// Dialogs that answer at once.
struct Chosen(Option<PathBuf>);

impl Dialogs for Chosen {
    fn ask(&self, _question: &Question) -> Option<PathBuf> {
        self.0.clone()
    }
}

#[path = "ui/closed.rs"]
mod closed;
#[path = "ui/files.rs"]
mod files;
#[path = "ui/finer.rs"]
mod finer;
#[path = "ui/frames.rs"]
mod frames;
#[path = "ui/gallery.rs"]
mod gallery;
#[path = "ui/jobs.rs"]
mod jobs;
#[path = "ui/kept.rs"]
mod kept;
#[path = "ui/keys.rs"]
mod keys;
#[path = "ui/layers.rs"]
mod layers;
#[path = "ui/leaving.rs"]
mod leaving;
#[path = "ui/looks.rs"]
mod looks;
#[path = "ui/mask.rs"]
mod mask;
#[path = "ui/mirror.rs"]
mod mirror;
#[path = "ui/models.rs"]
mod models;
#[path = "ui/paint_in.rs"]
mod paint_in;
#[path = "ui/panels.rs"]
mod panels;
#[path = "ui/parts.rs"]
mod parts;
#[path = "ui/paths.rs"]
mod paths;
#[path = "ui/prompts.rs"]
mod prompts;
#[path = "ui/results.rs"]
mod results;
#[path = "ui/settings.rs"]
mod settings;
#[path = "ui/tools.rs"]
mod tools;
#[path = "ui/upscaling.rs"]
mod upscaling;
#[path = "ui/within.rs"]
mod within;

/// A window, the other end of its engine, and the folder it lives in.
struct Window {
    harness: Harness<'static, App>,
    peer: Peer,
    home: Arc<tempfile::TempDir>,
}

/// What a window is opened with.
struct Setup {
    home: Arc<tempfile::TempDir>,
    size: [f32; 2],
    theme: Theme,
    /// What dialogs answer.
    chosen: Option<PathBuf>,
    models: Vec<Model>,
    upscalers: Vec<Upscale>,
    controlnets: Vec<ControlNetChoice>,
    clip: Option<Clip>,
}

impl Default for Setup {
    fn default() -> Self {
        let defaults = Defaults {
            extent: EXTENT,
            steps: 20,
            sampler: SamplerName::DpmPlusPlus2M,
            schedule: ScheduleName::Karras,
            guidance_scale: 4.0,
        };
        Self {
            home: Arc::new(tempfile::tempdir().unwrap()),
            size: [1280.0, 800.0],
            theme: Theme::Dark,
            chosen: None,
            models: vec![Model::new("bozzetto", "Ships with Sfumato", &defaults)],
            upscalers: Vec::new(),
            controlnets: vec![ControlNetChoice { name: "Bozzetto lines".into(), models: vec!["bozzetto".into()] }],
            clip: None,
        }
    }
}

impl Setup {
    /// A window whose engine has said nothing yet.
    fn open(self) -> Window {
        let Self { home, size, theme, chosen, models, upscalers, controlnets, clip } = self;
        let paths = Paths::in_one_folder(home.path());
        let peers = Arc::new(Mutex::new(Vec::new()));
        let tell = peers.clone();
        let mut settings = Settings::default();
        settings.theme = theme;
        let mut harness = Harness::builder()
            .with_size(size)
            .with_os(egui::os::OperatingSystem::Nix)
            .with_max_steps(12)
            .wgpu()
            .build_eframe(move |cc| {
                let session = Session::open(Opening {
                    paths,
                    settings,
                    models,
                    precisions: vec![Precision::F32],
                    upscalers,
                    controlnets,
                    clip,
                    engine: Box::new(move || {
                        let (client, peer) = engine::channel(|| ());
                        tell.lock().unwrap().push(peer);
                        client
                    }),
                    wake: Arc::new(|| ()),
                    entropy: 1,
                });
                let app = App::new(cc, session, Box::new(Chosen(chosen)), "CPU").unwrap();
                // A graphics card would draw all of it each time.
                if cc.egui_ctx.plugin_opt::<KeptWindow>().is_none() {
                    KeptWindow::install(&cc.egui_ctx, cc.wgpu_render_state.as_ref().unwrap());
                }
                app
            });
        harness.run();
        let peer = peers.lock().unwrap().pop().expect("the session starts an engine");
        Window { harness, peer, home }
    }

    /// A window in which painting can begin.
    fn ready(self) -> Window {
        let mut window = self.open();
        window.tell(Event::ModelLoaded { model: "bozzetto".into(), seconds: 0.1 });
        window.wait("the gallery to be listed", |session| !session.results.is_loading);
        window
    }
}

fn window() -> Window {
    Setup::default().ready()
}

fn window_of(size: [f32; 2], theme: Theme, chosen: Option<PathBuf>) -> Window {
    Setup { size, theme, chosen, ..Setup::default() }.ready()
}

/// Another window beside this one: the person's folders are the same.
fn window_beside(first: &Window) -> Window {
    Setup { home: first.home.clone(), ..Setup::default() }.ready()
}

impl Window {
    fn session(&self) -> &Session {
        &self.harness.state().session
    }

    fn apply(&mut self, action: Action) {
        self.harness.state_mut().session.apply(action);
        self.harness.run();
    }

    /// What the engine was told to paint next.
    fn job(&mut self) -> Job {
        self.harness.run();
        loop {
            match self.peer.try_command() {
                Some(Command::Generate(job)) => return job,
                Some(_) => {}
                None => panic!("the engine was not told to paint"),
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.peer.tell(event).unwrap();
        self.harness.run_ok();
    }

    /// Steps until files are read, results are stored and the like.
    fn wait(&mut self, for_what: &str, is_done: impl Fn(&Session) -> bool) {
        let start = Instant::now();
        while !is_done(self.session()) {
            assert!(start.elapsed() < LIMIT, "waited too long for {for_what}");
            self.harness.step();
            std::thread::sleep(Duration::from_millis(5));
        }
        self.harness.run_ok();
    }

    fn steps(&mut self, job: &Job, made: u32) {
        self.tell(Event::JobStarted(job.id));
        self.tell(Event::JobPhase { id: job.id, phase: Phase::Sample });
        for index in 0..made {
            let preview = Arc::new(apple(Extent::new(8, 8), index as f32 / 20.0));
            self.tell(Event::JobStep {
                id: job.id,
                index,
                count: job.request.steps_to_run(),
                preview: Some(preview),
                hints: 0,
            });
        }
    }

    fn finish(&mut self, job: &Job) -> Arc<Picture> {
        let picture = Arc::new(apple(job.request.picture_extent(), 1.0));
        let painted = painted(&picture, &job.request, 20);
        self.tell(Event::JobEnded { id: job.id, outcome: Outcome::Finished(painted) });
        picture
    }

    /// Writes a picture into the window's folder and opens it by dropping it.
    fn drop_picture(&mut self, extent: Extent) {
        let path = self.home.path().join("dropped.png");
        apple(extent, 1.0).write_png(&path, &[]).unwrap();
        self.harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
        self.harness.run();
        self.wait("the picture to open", |session| session.document.picture().is_some());
    }

    fn canvas(&self) -> Pos2 {
        self.harness.get_by_label_contains("Canvas,").rect().center()
    }

    /// Drags over the canvas, from and to places relative to its middle, in points.
    fn drag(&mut self, from: [f32; 2], to: [f32; 2]) {
        let (from, to) = (self.canvas() + from.into(), self.canvas() + to.into());
        self.harness.hover_at(from);
        self.harness.step();
        self.harness.drag_at(from);
        self.harness.step();
        for i in 1..=8 {
            self.harness.hover_at(from + (to - from) * (i as f32 / 8.0));
            self.harness.step();
        }
        self.harness.drop_at(to);
        self.harness.run();
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_ok();
    }

    fn write_prompt(&mut self, text: &str) {
        self.harness.get_by_label("Prompt").focus();
        self.harness.run();
        self.press(Modifiers::COMMAND, Key::A);
        self.harness.get_by_label("Prompt").type_text(text);
        self.harness.run();
    }

    /// Opens a menu of the bar. Elsewhere there may be the same word, but nowhere higher.
    fn open_menu(&mut self, name: &str) {
        let named = self.harness.get_all_by_label(name);
        named.min_by(|a, b| a.rect().top().total_cmp(&b.rect().top())).unwrap().click();
        self.harness.run_ok();
    }

    /// Clicks; leaves no pointer behind that a tooltip would wait at.
    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_ok();
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

/// Something to look at: an apple that comes out of the grey as `progress` goes from 0 to 1.
fn apple(extent: Extent, progress: f32) -> Picture {
    let (w, h) = (extent.width as f32, extent.height as f32);
    let pixels = (0..extent.height).flat_map(|y| (0..extent.width).map(move |x| (x as f32 + 0.5, y as f32 + 0.5)));
    let rgba = pixels.flat_map(|(x, y)| {
        let (x, y) = (x / w - 0.5, y / h - 0.55);
        let round = (1.0 - x.hypot(y) * 3.2).clamp(0.0, 1.0).sqrt();
        let table = f32::from(u8::from(y > 0.22)) * 40.0;
        let light = 1.0 - (x - y) * 0.9;
        let mix = |apple: f32, wall: f32| {
            let wanted = (apple * light) * round + (wall + table) * (1.0 - round);
            (wanted * progress + 128.0 * (1.0 - progress)).clamp(0.0, 255.0) as u8
        };
        [mix(190.0, 96.0), mix(38.0, 88.0), mix(30.0, 70.0), 255]
    });
    Picture::from_rgba(extent, rgba.collect()).unwrap()
}

fn painted(picture: &Arc<Picture>, request: &Request, steps_made: u32) -> Painted {
    Painted {
        picture: picture.clone(),
        request: Box::new(request.clone()),
        steps_made,
        seconds: 1.0,
        notes: Vec::new(),
    }
}

fn snapshot(window: &mut Window, name: &str) {
    window.harness.remove_cursor();
    window.harness.run_ok();
    window.harness.snapshot(name);
}

/// The red, green and blue that are seen at a place relative to the canvas's middle, in points.
fn seen(window: &mut Window, at: [f32; 2]) -> [u8; 3] {
    let at = window.canvas() + at.into();
    let [r, g, b, _] = window.harness.render().unwrap().get_pixel(at.x as u32, at.y as u32).0;
    [r, g, b]
}

/// Drags from one place of the picture to another, in image pixels.
fn drag_over_picture(window: &mut Window, from: [f32; 2], to: [f32; 2]) {
    let placement = window.harness.state().view.placement.unwrap();
    let middle = window.canvas();
    let at = |[x, y]: [f32; 2]| {
        let away = placement.to_ui(Point::new(x, y)) - middle;
        [away.x, away.y]
    };
    window.drag(at(from), at(to));
}
