//! From the pointer's event to pixels: `cargo bench --bench pointer`. The whole window at 1280×800 with a canvas of 4096×4096, drawn by
//! a software adapter without a display: from handing over the event until the adapter has drawn the frame that shows it. First alone,
//! then while the engine paints one picture after the other on the same processors.

#![expect(clippy::print_stdout, reason = "what it finds is its output")]

use egui::{Pos2, vec2};
use egui_kittest::{Harness, TestRenderer, kittest::Queryable};
use sfumato::app::{App, NativeDialogs};
use sfumato::geom::{Extent, Point};
use sfumato::paint::{Combine, Shape, Tool};
use sfumato::session::{Action, Session};
use sfumato::settings::{Paths, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eframe::egui_wgpu::{RenderState, RendererOptions, ScreenDescriptor, wgpu};
use egui_kittest::wgpu::{create_render_state, default_wgpu_setup};

const CANVAS: Extent = Extent::new(4096, 4096);
const SIZE: [u32; 2] = [1280, 800];
const MOVES: usize = 120;

/// Draws as the window's renderer does, and reads nothing back.
struct Screen {
    state: RenderState,
    target: wgpu::Texture,
}

impl Screen {
    fn new() -> Self {
        let state = create_render_state(default_wgpu_setup(), RendererOptions::default());
        let target = state.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: state.target_format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        Self { state, target }
    }
}

impl TestRenderer for Screen {
    fn setup_eframe(&self, cc: &mut eframe::CreationContext<'_>, frame: &mut eframe::Frame) {
        cc.wgpu_render_state = Some(self.state.clone());
        frame.wgpu_render_state = Some(self.state.clone());
    }

    fn handle_delta(&mut self, delta: &mut egui::TexturesDelta) {
        let mut renderer = self.state.renderer.write();
        for (id, images) in delta.set.drain() {
            images.iter().for_each(|image| renderer.update_texture(&self.state.device, &self.state.queue, id, image));
        }
        delta.free.drain().for_each(|id| renderer.free_texture(&id));
    }

    fn render(&mut self, ctx: &egui::Context, output: &egui::FullOutput) -> Result<image::RgbaImage, String> {
        let RenderState { device, queue, renderer, .. } = &self.state;
        let screen = ScreenDescriptor { pixels_per_point: 1.0, size_in_pixels: SIZE };
        let shapes = ctx.tessellate(output.shapes.clone(), 1.0);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut renderer = renderer.write();
        let mut commands = renderer.update_buffers(device, queue, &mut encoder, &shapes, &screen);
        let view = self.target.create_view(&wgpu::TextureViewDescriptor::default());
        let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
                depth_slice: None,
            })],
            ..wgpu::RenderPassDescriptor::default()
        });
        renderer.render(&mut pass.forget_lifetime(), &shapes, &screen);
        commands.push(encoder.finish());
        queue.submit(commands);
        device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| error.to_string())?;
        Ok(image::RgbaImage::new(1, 1))
    }
}

struct Window {
    harness: Harness<'static, App>,
    middle: Pos2,
}

impl Window {
    fn apply(&mut self, action: Action) {
        self.harness.state_mut().session.apply(action);
        self.frame();
    }

    /// How long a frame takes to be laid out, and to be drawn.
    fn frame(&mut self) -> [Duration; 2] {
        let begins = Instant::now();
        self.harness.step();
        let laid_out = begins.elapsed();
        self.harness.render().expect("the adapter draws");
        [laid_out, begins.elapsed().saturating_sub(laid_out)]
    }

    /// A stroke from the left to the right, up and down; what each event took.
    fn stroke(&mut self) -> Vec<[Duration; 2]> {
        let start = self.middle - vec2(230.0, 150.0);
        let at = |i: usize| start + vec2(i as f32 / MOVES as f32 * 460.0, (i % 40) as f32 * 7.0);
        self.harness.hover_at(start);
        self.frame();
        self.harness.drag_at(start);
        self.frame();
        let mut times = Vec::new();
        for i in 1..=MOVES {
            // Events come as a mouse sends them, not as soon as the last one is seen.
            std::thread::sleep(Duration::from_millis(8));
            self.harness.hover_at(at(i));
            times.push(self.frame());
        }
        self.harness.drop_at(at(MOVES));
        self.frame();
        self.frame();
        times
    }
}

fn told(what: &str, times: &[[Duration; 2]]) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let percentile = |of: &dyn Fn(&[Duration; 2]) -> f64, share: f64| {
        let mut sorted: Vec<f64> = times.iter().map(of).collect();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share).round() as usize]
    };
    let whole = |[laid_out, drawn]: &[Duration; 2]| ms(*laid_out + *drawn);
    println!(
        "{what}: median {:.1} ms, 90th percentile {:.1}, 99th {:.1}, longest {:.1}; laid out and painted in {:.1}, drawn in {:.1}",
        percentile(&whole, 0.5),
        percentile(&whole, 0.9),
        percentile(&whole, 0.99),
        percentile(&whole, 1.0),
        percentile(&|times| ms(times[0]), 0.5),
        percentile(&|times| ms(times[1]), 0.5),
    );
}

/// A session with the model that ships, in a folder of its own.
fn session(home: &std::path::Path, wake: sfumato::session::Wake) -> Session {
    let mut settings = Settings::default();
    settings.model_folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models")];
    let mut session = Session::start(Paths::in_one_folder(home), settings, None, wake);
    session.apply(Action::ChooseModel("bozzetto".into()));
    session
}

/// Paints one picture after the other until it is told to end.
fn keep_painting(end: &AtomicBool) {
    let home = tempfile::tempdir().expect("a folder for the session");
    let (wake, woken) = crossbeam_channel::unbounded();
    let mut session = session(home.path(), Arc::new(move || wake.send(()).unwrap_or_default()));
    session.draft.prompt = "red apple".into();
    while !end.load(Ordering::Relaxed) {
        if session.jobs.waiting.is_empty() {
            session.apply(Action::Generate);
        }
        woken.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
        session.poll();
    }
}

fn main() {
    let home = tempfile::tempdir().expect("a folder for the session");
    let folder = home.path().to_owned();
    let mut harness = Harness::builder()
        .with_size(vec2(SIZE[0] as f32, SIZE[1] as f32))
        .with_render_cursor(false)
        .renderer(Screen::new())
        .build_eframe(move |cc| {
            let session = session(&folder, Arc::new(|| ()));
            App::new(cc, session, Box::new(NativeDialogs), "CPU").expect("there is an adapter")
        });
    harness.step();
    let middle = harness.get_by_label_contains("Canvas,").rect().center();
    let mut window = Window { harness, middle };
    window.apply(Action::NewCanvas(CANVAS));
    window.apply(Action::SetTool(Tool::Brush));
    window.harness.state_mut().session.palette.brush.tip.size = 200.0;
    for with_mask in [false, true] {
        if with_mask {
            let ellipse = Shape::Ellipse(Point::new(300.0, 300.0), Point::new(3800.0, 3800.0));
            window.apply(Action::MaskShape(ellipse, Combine::Add));
        }
        for beside in ["nothing else", "pictures are painted"] {
            let end = AtomicBool::new(false);
            std::thread::scope(|scope| {
                if beside != "nothing else" {
                    scope.spawn(|| keep_painting(&end));
                    std::thread::sleep(Duration::from_secs(1));
                }
                window.stroke();
                let times: Vec<_> = (0..3).flat_map(|_| window.stroke()).collect();
                told(&format!("{beside}{}", if with_mask { ", with a mask" } else { "" }), &times);
                end.store(true, Ordering::Relaxed);
            });
        }
    }
}
