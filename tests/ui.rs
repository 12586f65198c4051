//! The window, driven as a person drives it, on a software graphics adapter. A test plays the engine by hand.

#![cfg(feature = "gui")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use egui::{Key, Modifiers, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use sfumato::app::{App, Dialogs, Question};
use sfumato::diffusion::{
    Defaults, MaskedContent, Painted, Phase, Place, Precision, Request, SamplerName, ScheduleName, Stop, Upscale,
};
use sfumato::engine::{self, Command, Event, Job, Outcome, Peer};
use sfumato::geom::{Bounds, Extent, Point};
use sfumato::meaning::{Embedding, Seen};
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
#[path = "ui/finer.rs"]
mod finer;
#[path = "ui/frames.rs"]
mod frames;
#[path = "ui/kept.rs"]
mod kept;
#[path = "ui/keys.rs"]
mod keys;
#[path = "ui/layers.rs"]
mod layers;
#[path = "ui/leaving.rs"]
mod leaving;
#[path = "ui/paint_in.rs"]
mod paint_in;
#[path = "ui/panels.rs"]
mod panels;
#[path = "ui/paths.rs"]
mod paths;
#[path = "ui/tools.rs"]
mod tools;
#[path = "ui/within.rs"]
mod within;

/// A window, the other end of its engine, and the folder it lives in.
struct Window {
    harness: Harness<'static, App>,
    peer: Peer,
    home: Arc<tempfile::TempDir>,
}

fn window() -> Window {
    window_of([1280.0, 800.0], Theme::Dark, None)
}

fn window_of(size: [f32; 2], theme: Theme, chosen: Option<PathBuf>) -> Window {
    window_with(size, theme, chosen, Vec::new())
}

fn window_with(size: [f32; 2], theme: Theme, chosen: Option<PathBuf>, upscalers: Vec<Upscale>) -> Window {
    window_through(size, theme, chosen, upscalers, None)
}

fn window_through(
    size: [f32; 2],
    theme: Theme,
    chosen: Option<PathBuf>,
    upscalers: Vec<Upscale>,
    clip: Option<Clip>,
) -> Window {
    window_at(Arc::new(tempfile::tempdir().unwrap()), size, theme, chosen, upscalers, clip)
}

/// Another window beside this one: the person's folders are the same.
fn window_beside(first: &Window) -> Window {
    window_at(first.home.clone(), [1280.0, 800.0], Theme::Dark, None, Vec::new(), None)
}

fn window_at(
    home: Arc<tempfile::TempDir>,
    size: [f32; 2],
    theme: Theme,
    chosen: Option<PathBuf>,
    upscalers: Vec<Upscale>,
    clip: Option<Clip>,
) -> Window {
    let paths = Paths::in_one_folder(home.path());
    let peers = Arc::new(Mutex::new(Vec::new()));
    let defaults = Defaults {
        extent: EXTENT,
        steps: 20,
        sampler: SamplerName::DpmPlusPlus2M,
        schedule: ScheduleName::Karras,
        guidance_scale: 4.0,
    };
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
                models: vec![Model::new("bozzetto", "Ships with Sfumato", &defaults)],
                precisions: vec![Precision::F32],
                upscalers,
                controlnets: vec![ControlNetChoice { name: "Bozzetto lines".into(), models: vec!["bozzetto".into()] }],
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
    let mut window = Window { harness, peer, home };
    window.tell(Event::ModelLoaded { model: "bozzetto".into(), seconds: 0.1 });
    window.wait("the gallery to be listed", |session| !session.results.is_loading);
    window
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

#[test]
fn a_typed_prompt_becomes_a_job_and_its_picture_comes_to_the_canvas_and_the_filmstrip() {
    let mut window = window();
    window.write_prompt("a green pear");
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.prompt, "a green pear");
    window.steps(&job, 3);
    assert!(matches!(window.session().canvas(), Shown::Preview { .. }));
    window.harness.get_by_label("Canvas, a picture being painted, 64x64");
    window.harness.get_by_label("Step 4 of 20");
    let picture = window.finish(&job);
    assert!(matches!(window.session().canvas(), Shown::Result(_, shown) if Arc::ptr_eq(shown, &picture)));
    window.harness.get_by_label("Result: a green pear");
}

#[test]
fn the_preview_and_then_the_finished_picture_are_seen_on_the_canvas() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    window.tell(Event::JobPhase { id: job.id, phase: Phase::Sample });
    let middle = window.canvas();
    for colour in [[200, 30, 40, 255], [20, 60, 220, 255]] {
        let preview = Arc::new(Picture::filled(Extent::new(8, 8), colour));
        window.tell(Event::JobStep { id: job.id, index: 0, count: 20, preview: Some(preview), hints: 0 });
        let seen = window.harness.render().unwrap();
        assert_eq!(seen.get_pixel(middle.x as u32, middle.y as u32).0, colour);
    }
    let picture = Arc::new(Picture::filled(EXTENT, [1, 200, 3, 255]));
    let outcome = Outcome::Finished(painted(&picture, &job.request, 20));
    window.tell(Event::JobEnded { id: job.id, outcome });
    let seen = window.harness.render().unwrap();
    assert_eq!(seen.get_pixel(middle.x as u32, middle.y as u32).0, [1, 200, 3, 255]);
}

#[test]
fn generate_queues_while_something_is_being_painted() {
    let mut window = window();
    window.click("Generate");
    let first = window.job();
    window.steps(&first, 2);
    window.write_prompt("second");
    window.press(Modifiers::COMMAND, Key::Enter);
    assert_eq!(window.session().jobs.waiting.len(), 1);
    assert_eq!(window.session().draft.prompt, "second", "Ctrl+Enter must not write a line break");
    window.harness.get_by_label("Waiting: second");
    window.finish(&first);
    assert_eq!(window.job().request.prompt, "second");
}

#[test]
fn a_waiting_picture_is_taken_out_of_the_queue_by_a_click() {
    let mut window = window();
    window.click("Generate");
    window.job();
    window.write_prompt("second");
    window.press(Modifiers::COMMAND, Key::Enter);
    window.click("Waiting: second");
    assert!(window.session().jobs.waiting.is_empty());
}

#[test]
fn escape_stops_and_keeps_and_the_menu_beside_stop_discards() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    window.steps(&job, 2);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(job.cancel.requested(), Some(Stop::Keep));
    let picture = Arc::new(apple(EXTENT, 0.5));
    let outcome = Outcome::Stopped(painted(&picture, &job.request, 2));
    window.tell(Event::JobEnded { id: job.id, outcome });
    assert!(window.session().results.items[0].partial);

    window.click("Generate");
    let job = window.job();
    window.steps(&job, 2);
    window.click("Ways to stop");
    window.harness.get_by_label_contains("Stop and discard").click();
    window.harness.run_ok();
    assert_eq!(job.cancel.requested(), Some(Stop::Discard));
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Cancelled });
    assert_eq!(window.session().results.items.len(), 1);
}

#[test]
fn the_die_rolls_the_seed_and_the_lock_holds_it() {
    let mut window = window();
    let before = window.session().draft.seed;
    window.click("Roll the seed");
    let rolled = window.session().draft.seed;
    assert_ne!(rolled, before);
    window.click("Lock the seed");
    assert!(window.session().draft.seed_locked);
    for _ in 0..2 {
        window.press(Modifiers::COMMAND, Key::Enter);
    }
    let first = window.job();
    window.finish(&first);
    assert_eq!((first.request.seed, window.job().request.seed), (rolled, rolled));
}

#[test]
fn a_dropped_picture_is_started_from_and_the_strength_tells_how_many_steps_will_run() {
    let mut window = window();
    window.drop_picture(Extent::new(96, 64));
    window.harness.get_by_label("Start from");
    window.harness.state_mut().session.draft.strength = 0.6;
    window.harness.run();
    window.harness.get_by_label("12 of 20 steps will run");
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.extent, Extent::new(96, 64));
    assert_eq!(job.request.steps_to_run(), 12);
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Cancelled });
    window.click("Close the picture");
    assert!(window.session().document.picture().is_none());
}

#[test]
fn a_drag_with_the_mask_brush_paints_the_mask_and_undo_takes_it_back() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    assert_eq!(window.session().tool, Tool::MaskBrush);
    window.drag([-100.0, 0.0], [100.0, 0.0]);
    let painted = window.session().document.mask().clone();
    let (middle, corner) = (32 * 64 + 32, 2 * 64 + 2);
    assert_eq!((painted.coverage()[middle], painted.coverage()[corner]), (255, 0));
    window.press(Modifiers::SHIFT, Key::M);
    window.drag([-10.0, 0.0], [10.0, 0.0]);
    assert_eq!(window.session().document.mask().coverage()[middle], 0);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.session().document.mask(), &painted);
    window.press(Modifiers::COMMAND, Key::Z);
    assert!(window.session().document.mask().is_empty());
    window.press(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);
    assert_eq!(window.session().document.mask(), &painted);
    window.press(Modifiers::SHIFT, Key::V);
    assert_eq!(window.session().document.mask().coverage()[corner], 255);
    window.press(Modifiers::SHIFT, Key::C);
    assert!(window.session().document.mask().is_empty());
}

#[test]
fn a_stroke_is_seen_before_the_button_is_released() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    let middle = window.canvas();
    let at = (middle.x as u32 + 30, middle.y as u32);
    let before = *window.harness.render().unwrap().get_pixel(at.0, at.1);
    window.harness.drag_at(middle - vec2(60.0, 0.0));
    window.harness.step();
    window.harness.hover_at(middle + vec2(60.0, 0.0));
    window.harness.step();
    let during = *window.harness.render().unwrap().get_pixel(at.0, at.1);
    assert_ne!(before, during);
    assert!(window.session().document.mask().is_empty());
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(middle + vec2(60.0, 0.0));
    window.harness.run();
    assert!(window.session().document.mask().is_empty(), "Escape takes the stroke back");
}

#[test]
fn a_stroke_lands_under_the_pointer_on_a_fine_screen_and_at_another_scale() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.harness.set_pixels_per_point(2.0);
    window.press(Modifiers::COMMAND, Key::Num1);
    window.press(Modifiers::NONE, Key::M);
    window.apply(Action::SetBrush(sfumato::paint::Brush { size: 3.0, hardness: 1.0 }));
    let at = window.canvas() + vec2(10.0, -5.0);
    window.harness.hover_at(at);
    window.harness.step();
    window.harness.drag_at(at);
    window.harness.step();
    window.harness.drop_at(at);
    window.harness.run();
    let mask = window.session().document.mask();
    // Two screen pixels a point, one image pixel a screen pixel: 20 to the right of the middle and 10 up.
    assert_eq!(mask.coverage()[(32 - 10) * 64 + 32 + 20], 255);
    assert!(mask.coverage().iter().filter(|&&c| c > 0).count() <= 16);
}

#[test]
fn a_result_that_comes_in_the_middle_of_a_stroke_does_not_take_its_picture() {
    let mut window = window();
    window.drop_picture(EXTENT);
    let opened = window.session().document.picture().unwrap().clone();
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.press(Modifiers::NONE, Key::M);
    let middle = window.canvas();
    window.harness.hover_at(middle);
    window.harness.step();
    window.harness.drag_at(middle);
    window.harness.step();
    let other = Arc::new(Picture::filled(job.request.extent, [9, 9, 9, 255]));
    let outcome = Outcome::Finished(painted(&other, &job.request, 20));
    window.tell(Event::JobEnded { id: job.id, outcome });
    window.harness.drop_at(middle);
    window.harness.run();
    let document = &window.session().document;
    assert!(Arc::ptr_eq(document.picture().unwrap(), &opened));
    assert_eq!(document.mask().coverage()[32 * 64 + 32], 255);
    assert_eq!(window.session().results.items.len(), 1);
}

#[test]
fn the_last_letter_typed_is_kept_without_another_frame() {
    let mut window = window();
    window.harness.get_by_label("Prompt").focus();
    window.harness.run();
    window.harness.get_by_label("Prompt").type_text("Z");
    window.harness.step();
    let state = window.home.path().join("session.json");
    let typed = Instant::now();
    while !std::fs::read_to_string(&state).is_ok_and(|state| state.contains('Z')) {
        assert!(typed.elapsed() < LIMIT, "it never reached the disk");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn holding_space_moves_the_view_whatever_the_tool() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    let before = window.harness.state().view.placement.unwrap().picture_in_ui();
    window.harness.key_down(Key::Space);
    window.harness.step();
    window.drag([0.0, 0.0], [40.0, 24.0]);
    window.harness.key_up(Key::Space);
    window.harness.run();
    let after = window.harness.state().view.placement.unwrap().picture_in_ui();
    assert_eq!(after.min - before.min, vec2(40.0, 24.0));
    assert!(window.session().document.mask().is_empty());
    window.press(Modifiers::COMMAND, Key::Num1);
    assert!((window.harness.state().view.placement.unwrap().scale - 1.0).abs() < f32::EPSILON);
    window.press(Modifiers::COMMAND, Key::Num0);
    assert_eq!(window.harness.state().view.placement.unwrap().picture_in_ui(), before);
}

#[test]
fn single_letters_are_text_in_a_text_field_and_keys_elsewhere() {
    let mut window = window();
    window.write_prompt("b");
    window.press(Modifiers::NONE, Key::B);
    window.press(Modifiers::NONE, Key::G);
    assert_eq!(window.session().tool, Tool::Hand);
    assert!(!window.harness.state().view.gallery_open);
    window.harness.get_by_label("Prompt").focus();
    window.harness.run();
    window.press(Modifiers::NONE, Key::Delete);
    window.harness.state().session.results.items.first().inspect(|_| panic!("nothing was painted"));
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::NONE, Key::B);
    assert_eq!(window.session().tool, Tool::Brush);
}

#[test]
fn alt_up_and_down_walk_through_the_prompts() {
    let mut window = window();
    for prompt in ["first", "second"] {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
    }
    window.write_prompt("being written");
    let prompt = |window: &Window| window.session().draft.prompt.clone();
    window.press(Modifiers::ALT, Key::ArrowUp);
    assert_eq!(prompt(&window), "second");
    window.press(Modifiers::ALT, Key::ArrowUp);
    assert_eq!(prompt(&window), "first");
    window.press(Modifiers::ALT, Key::ArrowDown);
    window.press(Modifiers::ALT, Key::ArrowDown);
    assert_eq!(prompt(&window), "being written");
}

#[test]
fn ctrl_up_and_down_weigh_the_word_at_the_cursor_and_the_cursor_stays_there() {
    let mut window = window();
    window.write_prompt("a red apple");
    let prompt = |window: &Window| window.session().draft.prompt.clone();
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(prompt(&window), "a red (apple:1.1)");
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(prompt(&window), "a red (apple:1.2)");
    window.press(Modifiers::COMMAND, Key::ArrowDown);
    window.press(Modifiers::COMMAND, Key::ArrowDown);
    window.press(Modifiers::COMMAND, Key::ArrowDown);
    assert_eq!(prompt(&window), "a red (apple:0.9)");
    window.harness.get_by_label("Stay away from").focus();
    window.harness.run();
    window.harness.get_by_label("Stay away from").type_text("blurry");
    window.harness.run();
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(window.session().draft.negative_prompt, "(blurry:1.1)");
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(prompt(&window), "a red (apple:0.9)", "no field is being written in");
}

#[test]
fn a_drawing_is_chosen_to_guide_and_its_settings_reach_the_request() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("drawing.png");
    Picture::filled(Extent::new(40, 20), [0, 0, 0, 255]).write_png(&path, &[]).unwrap();
    let mut window = window_of([1280.0, 800.0], Theme::Dark, Some(path));
    window.click("A picture\u{2026}");
    window.wait("the drawing to be read", |session| session.guide.is_some());
    assert!(window.harness.query_by_label("40 \u{d7} 20").is_some());
    assert!(
        window.harness.query_by_label("White lines on black").is_some()
            || window.harness.query_by_value("White lines on black").is_some()
    );
    window.harness.state_mut().session.draft.control.as_mut().unwrap().weight = 0.5;
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "guided_dark");
    window.press(Modifiers::COMMAND, Key::Enter);
    let control = window.job().request.control.unwrap();
    assert_eq!((control.picture.extent(), control.weight), (Extent::new(40, 20), 0.5));
    window.click("Let no picture guide");
    assert!(window.session().guide.is_none());
    assert!(window.harness.query_by_label("A picture\u{2026}").is_some());
}

#[test]
fn the_empty_canvas_says_what_is_the_case() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    assert!(window.harness.query_by_label_contains("in the queue").is_none());
    window.harness.get_by_label("Canvas, empty, Starting");
    window.tell(Event::JobPhase { id: job.id, phase: Phase::LoadModel });
    window.harness.get_by_label("Canvas, empty, Loading bozzetto");
    window.press(Modifiers::NONE, Key::F);
    window.harness.get_by_label("Progress");
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Cancelled });
    assert!(window.harness.query_by_label("Progress").is_none());
    window.harness.get_by_label("Canvas, empty");
}

#[test]
fn the_bar_over_a_result_leads_on_from_it_and_back() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    window.click("Back");
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    assert!(window.harness.query_by_label("A result").is_none());
    window.click("Close the picture");
    window.harness.get_by_label_contains("Result: ").click();
    window.harness.run_ok();
    window.wait("the result", |session| matches!(session.canvas(), Shown::Result(..)));
    window.harness.get_by_label("A result");
    assert!(window.harness.query_by_label("Back").is_none(), "there is nothing to go back to");
    window.click("Start from this");
    window.wait("the picture", |session| session.document.picture().is_some());
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
}

#[test]
fn the_cursor_stands_behind_a_prompt_that_was_fetched() {
    let mut window = window();
    window.write_prompt("a red");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    window.write_prompt("x");
    window.press(Modifiers::ALT, Key::ArrowUp);
    window.harness.get_by_label("Prompt").type_text(" apple");
    window.harness.run();
    assert_eq!(window.session().draft.prompt, "a red apple");
    window.press(Modifiers::NONE, Key::Escape);
    window.press(Modifiers::ALT, Key::A);
    window.harness.get_by_label("Prompt").type_text(" falls");
    window.harness.run();
    assert_eq!(window.session().draft.prompt, "a red apple falls");
}

#[test]
fn recall_puts_the_settings_of_a_result_back_into_the_panel() {
    let mut window = window();
    window.write_prompt("a blue vase");
    window.harness.state_mut().session.draft.steps = 11;
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    window.write_prompt("something else");
    window.harness.state_mut().session.draft.steps = 30;
    window.apply(Action::HideResult);
    window.harness.get_by_label("Result: a blue vase").click_secondary();
    window.harness.run_ok();
    window.harness.get_by_label_contains("Use its settings").click();
    window.harness.run_ok();
    window.wait("the settings", |session| session.draft.prompt == "a blue vase");
    assert_eq!(window.session().draft.steps, 11);
    assert_eq!(window.session().draft.seed, job.request.seed);
}

#[test]
fn arrows_walk_through_the_results_and_delete_takes_the_shown_one_away() {
    let mut window = window();
    for prompt in ["older", "newer"] {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
    }
    let prompt_shown = |window: &Window| {
        let results = &window.session().results;
        results.shown.and_then(|id| results.get(id)).map(|item| item.prompt.clone())
    };
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(prompt_shown(&window).as_deref(), Some("newer"));
    window.press(Modifiers::NONE, Key::ArrowRight);
    window.wait("the older result", |session| {
        session.results.shown.and_then(|id| session.results.get(id)).is_some_and(|item| item.prompt == "older")
    });
    window.press(Modifiers::NONE, Key::ArrowLeft);
    window.wait("the newer result", |session| {
        session.results.shown.and_then(|id| session.results.get(id)).is_some_and(|item| item.prompt == "newer")
    });
    window.wait("both to be saved", |session| {
        session.results.items.iter().all(|item| matches!(item.kept, sfumato::session::Kept::InGallery(_)))
    });
    window.press(Modifiers::NONE, Key::Delete);
    window.wait("the result to be gone", |session| session.results.items.len() == 1);
}

#[test]
fn the_gallery_finds_results_by_their_prompts() {
    let mut window = window();
    for prompt in ["a red apple", "a yellow lemon"] {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
    }
    window.wait("both to be saved", |session| {
        session.results.items.iter().all(|item| matches!(item.kept, sfumato::session::Kept::InGallery(_)))
    });
    window.click("Gallery");
    window.harness.get_by_label("Search the prompts").focus();
    window.harness.run_ok();
    window.harness.get_by_label("Search the prompts").type_text("lemon");
    window.harness.run_ok();
    window.wait("the search", |session| session.results.items.len() == 1);
    assert_eq!(window.session().results.items[0].prompt, "a yellow lemon");
    window.write_prompt("a blue boat");
    window.press(Modifiers::COMMAND, Key::Enter);
    let job = window.job();
    window.finish(&job);
    let shown = |window: &Window, label: &str| window.harness.query_all_by_label(label).count();
    assert_eq!(shown(&window, "Result: a yellow lemon"), 2, "in the gallery and in the strip");
    assert_eq!(shown(&window, "Result: a blue boat"), 1, "in the strip only");

    window.press(Modifiers::NONE, Key::Escape);
    window.wait("everything to be listed again", |session| session.results.items.len() == 3);
    assert!(!window.harness.state().view.gallery_open);
    window.click("Gallery");
    assert_eq!(window.harness.state().view.search, "");
    window.harness.get_by_label("Search the prompts").type_text("boat");
    window.harness.run_ok();
    window.click("Clear the search");
    window.wait("the search to end", |session| session.results.items.len() == 3 && !session.results.is_loading);
}

/// Lets the engine look at the next picture: what is in it lies `degrees` from some direction.
fn look(window: &mut Window, degrees: f32, fit: f32) {
    let start = Instant::now();
    loop {
        window.harness.step();
        match window.peer.try_command() {
            Some(Command::Look { id, .. }) => {
                let angle = degrees.to_radians();
                let embedding = Embedding::new(vec![angle.cos(), angle.sin()]).unwrap();
                window.tell(Event::Looked { id, seen: Ok(Some(Seen { embedding, fit: Some(fit) })) });
                return;
            }
            _ => assert!(start.elapsed() < LIMIT, "nothing is looked at"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn results_are_found_by_what_they_show_and_listed_best_fitting_first() {
    let clip = Clip { name: "Bozzetto CLIP".into(), fingerprint: "f00d".into() };
    let mut window = window_through([1280.0, 800.0], Theme::Dark, None, Vec::new(), Some(clip));
    for (prompt, degrees, fit) in [("a red apple", 0.0, 0.25), ("a red apple", 20.0, 0.5), ("a blue boat", 80.0, 0.75)]
    {
        window.write_prompt(prompt);
        window.press(Modifiers::COMMAND, Key::Enter);
        let job = window.job();
        window.finish(&job);
        look(&mut window, degrees, fit);
    }
    window.harness.get_by_label("Fits its prompt by 0.75");
    let shown = |window: &Window, label: &str| window.harness.query_all_by_label(label).count();

    window.click("Gallery");
    window.harness.get_by_label("Search prompts and pictures").type_text("fruit");
    window.harness.run_ok();
    let words = loop {
        match window.peer.try_command() {
            Some(Command::Read { words, .. }) if words == "fruit" => break words,
            Some(_) => {}
            None => window.harness.step(),
        }
    };
    let meaning = Ok(Embedding::new(vec![1.0, 0.0]).unwrap());
    window.tell(Event::WordsRead { words, meaning });
    window.wait("what looks like fruit", |session| session.results.found_besides().count() == 2);
    window.harness.get_by_label("No prompt holds \u{201c}fruit\u{201d}.");
    window.harness.get_by_label("Looks most like it");

    window.press(Modifiers::NONE, Key::Escape);
    window.wait("everything to be listed again", |session| session.results.gathered.is_none());
    assert_eq!(shown(&window, "Looks most like it"), 0);
    let apple = window.session().results.items[2].id;
    window.apply(Action::Show(apple));
    window.wait("it to be shown", |session| session.results.shown == Some(apple));
    window.press(Modifiers::NONE, Key::L);
    assert!(window.harness.state().view.gallery_open);
    let gathered = |session: &Session| session.results.gathered.as_ref().is_some_and(|gathered| !gathered.is_loading);
    window.wait("what is like it", gathered);
    window.harness.get_by_label("More like \u{201c}a red apple\u{201d}");
    let prompts = |window: &Window| -> Vec<String> {
        let gathered = window.session().results.gathered.as_ref().unwrap();
        gathered.items.iter().map(|(item, _)| item.prompt.clone()).collect()
    };
    assert_eq!(prompts(&window), ["a red apple", "a blue boat"]);
    window.click("List everything again");
    window.wait("everything", |session| session.results.gathered.is_none() && session.results.items.len() == 3);

    window.apply(Action::ListBestFitting(apple));
    window.wait("the best fitting", gathered);
    window.harness.get_by_label("\u{201c}a red apple\u{201d}, the best fitting first");
    assert_eq!(prompts(&window).len(), 2);
}

#[test]
fn letters_in_the_gallery_are_for_its_search_and_never_for_the_canvas_behind_it() {
    let mut window = window();
    let (seed, tool) = (window.session().draft.seed, window.session().tool);
    window.press(Modifiers::NONE, Key::G);
    let search = window.harness.get_by_label("Search the prompts");
    assert!(search.is_focused());
    for focused in [true, false] {
        for key in [Key::E, Key::R, Key::F, Key::D] {
            window.press(Modifiers::NONE, key);
        }
        assert_eq!((window.session().draft.seed, window.session().tool), (seed, tool));
        assert!(!window.harness.state().view.panels_hidden);
        if focused {
            let id = window.harness.ctx.memory(egui::Memory::focused).unwrap();
            window.harness.ctx.memory_mut(|m| m.surrender_focus(id));
            window.harness.run_ok();
        }
    }
    window.press(Modifiers::NONE, Key::G);
    assert!(!window.harness.state().view.gallery_open);
    window.press(Modifiers::NONE, Key::E);
    assert_eq!(window.session().tool, Tool::Eraser);
}

#[test]
fn a_chosen_file_is_opened_and_a_wrong_one_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.png");
    std::fs::write(&path, b"not a picture").unwrap();
    let mut window = window_of([1280.0, 800.0], Theme::Dark, Some(path.clone()));
    window.press(Modifiers::COMMAND, Key::O);
    window.wait("the notice", |session| !session.notices.is_empty());
    window.click("Dismiss");
    assert!(window.session().notices.is_empty());
    apple(EXTENT, 1.0).write_png(&path, &[]).unwrap();
    window.press(Modifiers::COMMAND, Key::O);
    window.wait("the picture", |session| session.document.picture().is_some());
}

#[test]
fn a_pasted_picture_is_started_from() {
    let mut window = window();
    let image = egui::ColorImage::filled([64, 48], egui::Color32::LIGHT_BLUE);
    window.harness.event(egui::Event::PasteImage(Arc::new(image)));
    window.harness.run();
    window.wait("the picture", |session| session.document.picture().is_some());
    assert_eq!(window.session().document.extent(), Extent::new(64, 48));
}

#[test]
fn a_failed_job_is_a_notice_and_the_next_one_goes_on() {
    let mut window = window();
    window.click("Generate");
    let job = window.job();
    let error = engine::Error::UnknownModel("gone".into());
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Failed(error) });
    assert_eq!(window.session().notices.iter().len(), 1);
    window.click("Generate");
    window.job();
}

fn window_with_upscalers() -> Window {
    let upscaler = |name: &str, factor| Upscale { upscaler: name.into(), factor, refine: None };
    let upscalers = vec![upscaler("Bozzetto 4x", 4.0), upscaler("sharp", 2.0)];
    window_with([1280.0, 800.0], Theme::Dark, None, upscalers)
}

#[test]
fn pictures_are_painted_larger_when_the_setting_is_on() {
    assert!(window().harness.query_by_label("Upscale").is_none(), "there is no upscaler to offer");
    let mut window = window_with_upscalers();
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.upscale, None, "it is off at first");
    window.finish(&job);
    window.harness.get_by_role_and_label(egui::accesskit::Role::CheckBox, "Upscale").click();
    window.harness.run_ok();
    window.click("Upscaler");
    window.click("sharp");
    window.click("Generate");
    let job = window.job();
    assert_eq!(job.request.upscale, Some(Upscale { upscaler: "sharp".into(), factor: 2.0, refine: None }));
    window.steps(&job, 3);
    window.harness.get_by_label("Canvas, a picture being painted, 128x128");
    window.tell(Event::JobPhase { id: job.id, phase: Phase::Upscale });
    window.tell(Event::JobPiece { id: job.id, index: 1, count: 4 });
    window.harness.get_by_label("Upscaling, piece 2 of 4");
    window.click("Stop");
    assert_eq!(job.cancel.requested(), Some(Stop::Keep));
}

#[test]
fn a_shown_result_becomes_a_larger_one_by_a_button() {
    let mut window = window_with_upscalers();
    window.click("Generate");
    let job = window.job();
    let picture = window.finish(&job);
    window.harness.get_by_role_and_label(egui::accesskit::Role::Button, "Upscale").click();
    window.harness.run_ok();
    let Some(Command::Upscale { job, picture: small, .. }) = window.peer.try_command() else {
        panic!("the engine was not told to enlarge")
    };
    assert!(Arc::ptr_eq(&small, &picture));
    window.tell(Event::JobStarted(job.id));
    window.tell(Event::JobPhase { id: job.id, phase: Phase::Upscale });
    window.harness.get_by_label("Upscaling");
    let larger = Arc::new(apple(job.request.picture_extent(), 1.0));
    let painted = painted(&larger, &job.request, 20);
    window.tell(Event::JobEnded { id: job.id, outcome: Outcome::Finished(painted) });
    assert!(matches!(window.session().canvas(), Shown::Result(_, shown) if Arc::ptr_eq(shown, &larger)));
    assert!(window.harness.query_by_role_and_label(egui::accesskit::Role::Button, "Upscale").is_none());
}

#[test]
fn the_theme_button_goes_through_the_themes_and_they_are_remembered() {
    let mut window = window();
    window.click("Theme: dark");
    assert_eq!(window.session().settings.theme, Theme::System);
    window.click("Theme: as the system");
    assert_eq!(window.session().settings.theme, Theme::Light);
    window.harness.run_ok();
    assert!(!window.harness.ctx.global_style().visuals.dark_mode);
}

#[test]
fn an_idle_window_asks_for_no_frame() {
    let mut window = window();
    window.harness.run();
    let delay = window.harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(delay > Duration::from_secs(1), "it repaints after {delay:?}");
}

/// A window in which something was painted, a picture is open with a mask on it, and something is being painted.
fn busy_window(size: [f32; 2], theme: Theme) -> Window {
    let mut window = window_of(size, theme, None);
    window.harness.state_mut().session.draft.seed = 3_141_592_653;
    for prompt in ["a red apple on a table", "a red apple, oil painting", "still life with an apple"] {
        window.harness.state_mut().session.draft.prompt = prompt.into();
        window.apply(Action::Generate);
        let job = window.job();
        window.finish(&job);
        window.wait("the result to be saved", |session| {
            session.results.items.iter().all(|item| matches!(item.kept, sfumato::session::Kept::InGallery(_)))
        });
    }
    window
}

fn snapshot(window: &mut Window, name: &str) {
    window.harness.remove_cursor();
    window.harness.run_ok();
    window.harness.snapshot(name);
}

#[test]
fn a_first_start_looks_right_in_the_dark() {
    let mut window = window();
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "first_start_dark");
}

#[test]
fn results_and_a_mask_look_right_in_the_light() {
    let mut window = busy_window([1280.0, 800.0], Theme::Light);
    window.apply(Action::SetTool(Tool::MaskBrush));
    window.drag([-80.0, -20.0], [80.0, 30.0]);
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "mask_light");
}

#[test]
fn help_and_brush_are_all_there_in_the_smallest_window() {
    let size = [760.0, 540.0];
    let mut window = window_of(size, Theme::Dark, None);
    window.drop_picture(EXTENT);
    window.press(Modifiers::NONE, Key::M);
    let canvas = window.harness.get_by_label_contains("Canvas,").rect();
    assert!(window.harness.query_all_by_label("Hardness").count() >= 2, "its slider and its number");
    for node in window.harness.query_all_by_label("Hardness") {
        assert!(node.rect().right() <= canvas.right() && node.rect().bottom() <= canvas.top(), "{:?}", node.rect());
    }
    window.press(Modifiers::NONE, Key::F1);
    for label in ["Line from the last stroke", "Shift + click", "Write the prompt", "Key of Redo: Ctrl+Shift+Z"] {
        let rect = window.harness.get_by_label(label).rect();
        assert!(rect.left() >= 0.0 && rect.right() <= size[0], "{label}: {rect:?}");
    }
}

#[test]
fn painting_looks_right_in_a_small_window() {
    let mut window = busy_window([900.0, 600.0], Theme::Dark);
    window.apply(Action::Generate);
    let job = window.job();
    window.steps(&job, 9);
    window.harness.state_mut().session.draft.seed = 7;
    window.harness.remove_cursor();
    window.harness.run_ok();
    if let Some(left) = window.harness.query_by_label_contains(" left") {
        let rect = left.rect();
        window.harness.mask(rect.expand2(vec2(30.0, 2.0)));
    }
    window.harness.snapshot("painting_small_dark");
}

/// The red, green and blue that are seen at a place relative to the canvas's middle, in points.
fn seen(window: &mut Window, at: [f32; 2]) -> [u8; 3] {
    let at = window.canvas() + at.into();
    let [r, g, b, _] = window.harness.render().unwrap().get_pixel(at.x as u32, at.y as u32).0;
    [r, g, b]
}

#[test]
fn on_an_empty_canvas_one_paints_on_paper_and_that_is_what_is_painted_from() {
    let mut window = window();
    window.apply(Action::SetColour([200, 30, 40]));
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [200, 30, 40]);
    assert_eq!(seen(&mut window, [0.0, -150.0]), [255, 255, 255]);
    assert_eq!(window.session().document.stack().layers().len(), 2);
    window.harness.get_by_label("Layer: Layer 1");
    window.harness.get_by_label("Painted with #c81e28");
    window.click("Generate");
    let input = window.job().request.input.unwrap();
    assert_eq!(input.picture.extent(), EXTENT);
    assert_eq!(input.picture.rgba().as_chunks::<4>().0[32 * 64 + 32], [200, 30, 40, 255]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [255, 255, 255]);
    window.press(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [200, 30, 40]);
    window.press(Modifiers::NONE, Key::E);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [255, 255, 255], "the eraser takes off the layer, not the paper");
}

#[test]
fn a_stroke_of_the_brush_is_seen_before_the_button_is_released_and_escape_takes_it_back() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.apply(Action::SetColour([10, 250, 20]));
    window.press(Modifiers::NONE, Key::B);
    let middle = window.canvas();
    window.harness.drag_at(middle - vec2(60.0, 0.0));
    window.harness.step();
    window.harness.hover_at(middle + vec2(60.0, 0.0));
    window.harness.step();
    assert_eq!(seen(&mut window, [-30.0, 0.0]), [10, 250, 20]);
    assert_eq!(window.session().document.revision(), 1, "only the picture was opened");
    window.press(Modifiers::NONE, Key::Escape);
    window.harness.drop_at(middle + vec2(60.0, 0.0));
    window.harness.run();
    assert_ne!(seen(&mut window, [-30.0, 0.0]), [10, 250, 20]);
    assert_eq!(window.session().document.revision(), 1);
}

#[test]
fn layers_are_added_hidden_locked_and_merged_in_the_panel() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.apply(Action::SetColour([250, 240, 10]));
    window.press(Modifiers::NONE, Key::B);
    window.click("Add a layer");
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
    window.click("Hide Layer 1");
    assert_ne!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
    window.drag([-60.0, 20.0], [60.0, 20.0]);
    window.harness.get_by_label_contains("is hidden: show it, or choose another");
    window.click("Show Layer 1");
    window.click("Lock Layer 1");
    window.drag([-60.0, 20.0], [60.0, 20.0]);
    window.harness.get_by_label_contains("is locked: unlock it, or choose another");
    window.click("Unlock Layer 1");
    window.click("Merge down");
    assert_eq!(window.session().document.stack().layers().len(), 1);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [250, 240, 10]);
}

#[test]
fn a_result_is_applied_as_a_layer_with_enter_and_started_from_with_shift() {
    let mut window = window();
    window.drop_picture(EXTENT);
    window.write_prompt("a pear");
    window.click("Generate");
    let job = window.job();
    window.finish(&job);
    window.harness.remove_cursor();
    if let Some(id) = window.harness.ctx.memory(egui::Memory::focused) {
        window.harness.ctx.memory_mut(|m| m.surrender_focus(id));
    }
    window.press(Modifiers::NONE, Key::Enter);
    window.wait("the layer", |session| session.document.stack().layers().len() == 2);
    let layers = |window: &Window| -> Vec<String> {
        window.session().document.stack().layers().iter().map(|layer| layer.look.name.clone()).collect()
    };
    assert_eq!(layers(&window), ["dropped.png", "a pear"]);
    assert!(matches!(window.session().canvas(), Shown::Document(_)));
    window.harness.get_by_label_contains("Result: ").click();
    window.harness.run_ok();
    window.wait("the result", |session| matches!(session.canvas(), Shown::Result(..)));
    window.click("Start from this");
    window.wait("the picture", |session| session.document.stack().layers().len() == 1);
}

#[test]
fn the_eyedropper_and_the_bucket_work_where_they_are_clicked() {
    let mut window = window();
    window.apply(Action::SetColour([10, 20, 230]));
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    window.apply(Action::SetColour([240, 200, 0]));
    window.press(Modifiers::NONE, Key::K);
    window.drag([0.0, -150.0], [0.0, -150.0]);
    assert_eq!(seen(&mut window, [0.0, -150.0]), [240, 200, 0]);
    assert_eq!(seen(&mut window, [0.0, 0.0]), [10, 20, 230]);
    window.press(Modifiers::NONE, Key::I);
    window.drag([0.0, 0.0], [0.0, 0.0]);
    assert_eq!(window.session().palette.colour, [10, 20, 230]);
    window.press(Modifiers::NONE, Key::X);
    assert_eq!(window.session().palette.other_colour, [10, 20, 230]);
    // What lies over the picture has no colour of it.
    window.press(Modifiers::NONE, Key::Q);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    assert_ne!(seen(&mut window, [0.0, 0.0]), [10, 20, 230]);
    window.press(Modifiers::NONE, Key::I);
    window.drag([0.0, 0.0], [0.0, 0.0]);
    assert_eq!(window.session().palette.colour, [10, 20, 230]);
}

#[test]
fn painting_on_layers_looks_right_in_the_dark() {
    let mut window = busy_window([1280.0, 800.0], Theme::Dark);
    let id = window.session().results.items[0].id;
    window.apply(Action::StartFromResult(id));
    window.wait("the picture", |session| session.document.has_picture());
    window.press(Modifiers::NONE, Key::B);
    window.apply(Action::SetColour([214, 138, 60]));
    window.click("Add a layer");
    window.drag([-120.0, 60.0], [120.0, 90.0]);
    window.harness.state_mut().session.draft.seed = 7;
    snapshot(&mut window, "layers_dark");
}

#[test]
fn boxes_ellipses_loops_and_what_looks_alike_are_masked_and_the_mask_is_grown() {
    let mut window = window();
    window.apply(Action::SetColour([10, 20, 230]));
    window.press(Modifiers::NONE, Key::B);
    window.drag([-60.0, 0.0], [60.0, 0.0]);
    window.press(Modifiers::SHIFT, Key::R);
    window.drag([-150.0, -150.0], [-50.0, -50.0]);
    let covered = |window: &Window| {
        let covered = window.session().document.mask().coverage().iter().filter(|&&c| c > 254).count();
        covered as f32 / EXTENT.area() as f32
    };
    let side = 100.0 / window.harness.state().view.placement.unwrap().picture_in_ui().width();
    let box_ = covered(&window);
    assert!((box_ - side * side).abs() < 0.03, "{box_}, a box of {side}");
    window.press(Modifiers::SHIFT, Key::O);
    window.drag([50.0, 50.0], [150.0, 150.0]);
    let both = covered(&window);
    assert!(both > box_ + 0.5 * side * side && both < box_ + 0.9 * side * side, "{both} with an ellipse");
    window.apply(Action::AdjustMask { grow: 3, feather: 0.0, is_rough: false });
    assert!(covered(&window) > both);
    window.apply(Action::AdjustMask { grow: 0, feather: 0.0, is_rough: false });
    assert!((covered(&window) - both).abs() < 1e-6);
    window.press(Modifiers::SHIFT, Key::C);
    window.press(Modifiers::NONE, Key::W);
    window.drag([0.0, 0.0], [0.0, 0.0]);
    let mask = window.session().document.mask();
    assert_eq!((mask.coverage()[32 * 64 + 32], mask.coverage()[2 * 64 + 2]), (255, 0), "the stroke, and not the paper");
    window.press(Modifiers::SHIFT, Key::L);
    window.drag([0.0, -150.0], [0.0, -150.0]);
    window.press(Modifiers::COMMAND, Key::Z);
    assert!(!window.session().document.has_mask(), "a loop around nothing was no step of undo");
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

#[test]
fn a_box_is_dragged_moved_and_painted_and_its_result_lies_in_its_place() {
    let mut window = window();
    window.drop_picture(Extent::new(128, 96));
    window.press(Modifiers::NONE, Key::C);
    drag_over_picture(&mut window, [31.0, 15.0], [97.0, 49.0]);
    let bounds = |left, top, width, height| Bounds { left, top, extent: Extent::new(width, height) };
    assert_eq!(window.session().draft.bounds, Some(bounds(32, 16, 64, 32)));
    drag_over_picture(&mut window, [64.0, 30.0], [72.0, 54.0]);
    assert_eq!(window.session().draft.bounds, Some(bounds(40, 40, 64, 32)));
    drag_over_picture(&mut window, [104.0, 72.0], [104.0, 88.0]);
    assert_eq!(window.session().draft.bounds, Some(bounds(40, 40, 64, 48)));
    window.harness.get_by_label("64 \u{d7} 48 at 72 \u{d7} 56");
    window.click("Generate");
    let job = window.job();
    let place = Place { bounds: bounds(40, 40, 64, 48), of: Extent::new(128, 96) };
    assert_eq!((job.request.extent, job.request.place()), (Extent::new(72, 56), Some(place)));
    window.steps(&job, 3);
    assert!(matches!(window.session().canvas(), Shown::Preview { over: Some((_, b)), .. } if *b == place.bounds));
    snapshot(&mut window, "part_being_painted");
    window.finish(&job);
    let Shown::Part { picture, tiles, .. } = window.session().canvas().clone() else { panic!("a part is shown") };
    assert_eq!(tiles.extent(), place.of);
    assert_eq!(tiles.cropped(place.bounds), *picture);
    window.click("Apply");
    window.wait("the layer", |session| session.document.stack().layers().len() == 2);
    assert_eq!(**window.session().document.flat(), *tiles);
    window.click("Whole");
    assert_eq!(window.session().draft.bounds, None);
}

#[test]
fn the_button_by_the_canvas_says_what_it_will_do_and_its_menu_has_other_ways() {
    let mut window = window();
    assert!(window.harness.query_by_label("Other ways to paint").is_none(), "there is nothing to paint on");
    window.drop_picture(Extent::new(128, 96));
    window.click("Refine 75 % on the canvas");
    let job = window.job();
    assert_eq!(job.request.input.as_ref().unwrap().strength.to_bits(), 0.75_f64.to_bits());
    window.finish(&job);
    window.press(Modifiers::SHIFT, Key::D);
    window.press(Modifiers::SHIFT, Key::R);
    drag_over_picture(&mut window, [50.0, 40.0], [90.0, 70.0]);
    window.click("Other ways to paint");
    for way in ["Fill", "Remove", "Expand to the right", "Expand to the left", "Expand upwards", "Expand downwards"] {
        window.harness.get_by_label(way);
    }
    snapshot(&mut window, "ways_dark");
    window.click("Remove");
    let request = window.job().request;
    assert_eq!((request.prompt.as_str(), request.input.unwrap().masked), ("", MaskedContent::Fill));
}

#[test]
fn only_the_mask_is_painted_up_close_where_that_is_chosen() {
    let mut window = window();
    window.drop_picture(Extent::new(128, 96));
    window.press(Modifiers::SHIFT, Key::R);
    drag_over_picture(&mut window, [80.0, 60.0], [100.0, 70.0]);
    window.click("Up close");
    window.click("Generate");
    let request = window.job().request;
    // 20x10 and 32 on each side is 84x74, and wants to be square: 84 of the 96 rows.
    let bounds = Bounds { left: 44, top: 12, extent: Extent::new(84, 84) };
    assert_eq!(request.place(), Some(Place { bounds, of: Extent::new(128, 96) }));
    assert_eq!(request.extent, EXTENT);
}
