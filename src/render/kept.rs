//! The window where there is no graphics card. A software driver takes about a tenth of a microsecond for each pixel of each shape, so a window
//! that is drawn whole has ten frames a second. What was drawn is kept in a texture instead: each frame is compared with the one that was drawn
//! before, and only the boxes where they differ are drawn anew. eframe gets one shape to draw, which is that texture.

use super::canvas::CanvasUniforms;
use super::damage::{Damage, bounds, differences, parts};
use super::gpu;
use super::levels::Upload;
use super::shaders::WINDOW;
use eframe::egui::emath::TSTransform;
use eframe::egui::epaint::textures::TexturesDelta;
use eframe::egui::epaint::{ClippedPrimitive, ClippedShape, ImageDelta};
use eframe::egui::{Color32, Context, FullOutput, PaintCallbackInfo, Plugin, Rect, Shape, TextureId, pos2, vec2};
use eframe::egui_wgpu::{self, Renderer, RendererOptions, ScreenDescriptor, wgpu};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The texture that egui keeps its fonts in, and a white texel for what has no picture.
const FONTS: TextureId = TextureId::Managed(0);

/// Takes the shapes of each frame from egui and gives it the kept window instead. A plugin of egui's context.
#[derive(Default)]
pub struct KeptWindow {
    told: Arc<Mutex<Told>>,
}

/// What was told of frames that were not drawn yet: some never are (a hidden window).
#[derive(Default)]
struct Told {
    /// What of the canvas changed.
    areas: Damage,
    /// Where the canvas was last, and how it was shown.
    canvas: Option<(Rect, CanvasUniforms)>,
    textures: Textures,
    draws_all: bool,
}

/// egui panics where a change of textures is dropped that was not cleared, as if it had been forgotten; here the last window may close before
/// its frame is drawn.
#[derive(Default)]
struct Textures(TexturesDelta);

impl Drop for Textures {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl KeptWindow {
    /// Draws this way from now on. Call before the first frame.
    pub fn install(ctx: &Context, state: &egui_wgpu::RenderState) {
        ctx.add_plugin(Self::default());
        let gpu = KeptGpu::new(&state.device, state.target_format);
        state.renderer.write().callback_resources.insert(gpu);
    }

    /// Has everything drawn anew, the next time that anything is.
    pub fn forget(&mut self) {
        self.told().draws_all = true;
    }

    /// Says what the canvas, which lies over `rect`, will draw: all of it where it is shown in another way than before, and otherwise what will
    /// be uploaded.
    pub(super) fn expect_canvas(&mut self, rect: Rect, uniforms: &CanvasUniforms, uploads: &[Upload]) {
        let mut told = self.told();
        if told.canvas.replace((rect, *uniforms)) != Some((rect, *uniforms)) {
            told.areas.add(rect);
            return;
        }
        for upload in uploads {
            told.areas.add(uniforms.in_window(upload, rect));
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no thread panics while it holds what was told")
    }
}

impl Plugin for KeptWindow {
    fn debug_name(&self) -> &'static str {
        "kept window"
    }

    fn output_hook(&mut self, ctx: &Context, output: &mut FullOutput) {
        self.told().textures.0.append(output.textures_delta.clone());
        // eframe draws none of the others.
        output.textures_delta.set.retain(|&id, _| id == FONTS);
        let shapes = Arc::new(std::mem::take(&mut output.shapes));
        let frame = Frame { ctx: ctx.clone(), shapes, told: self.told.clone() };
        let rect = ctx.viewport_rect();
        let shape = egui_wgpu::Callback::new_paint_callback(rect, frame).into();
        output.shapes.push(ClippedShape {
            clip_rect: rect,
            shape,
            transform_after_tessellation: TSTransform::IDENTITY,
        });
    }
}

/// One frame of the window.
struct Frame {
    ctx: Context,
    shapes: Arc<Vec<ClippedShape>>,
    told: Arc<Mutex<Told>>,
}

impl egui_wgpu::CallbackTrait for Frame {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut egui_wgpu::CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let Some(kept) = resources.get_mut::<KeptGpu>() else {
            return Vec::new();
        };
        let mut told = {
            let mut told = self.told.lock().expect("no thread panics while it holds what was told");
            let canvas = told.canvas;
            std::mem::replace(&mut *told, Told { canvas, ..Told::default() })
        };
        kept.freed.drain(..).for_each(|id| kept.renderer.free_texture(&id));
        for (&id, images) in &told.textures.0.set {
            images.iter().for_each(|image| kept.renderer.update_texture(device, queue, id, image));
        }
        let damage = kept.damage(device, screen, &self.shapes, &mut told);
        let jobs = jobs(&self.ctx, &damage, &self.shapes, screen);
        let commands = kept.draw(device, queue, encoder, &jobs, screen);
        kept.freed.extend(&told.textures.0.free);
        kept.shapes = self.shapes.clone();
        commands
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &egui_wgpu::CallbackResources,
    ) {
        let kept = resources.get::<KeptGpu>();
        if let Some((kept, target)) = kept.and_then(|kept| Some((kept, kept.target.as_ref()?))) {
            kept.was_painted.store(true, Ordering::Relaxed);
            pass.set_pipeline(&kept.pipeline);
            pass.set_bind_group(0, &target.bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}

/// What is to be drawn: in each box its ground, and over it what lies there.
fn jobs(ctx: &Context, damage: &Damage, shapes: &[ClippedShape], screen: &ScreenDescriptor) -> Vec<ClippedPrimitive> {
    let [width, height] = screen.size_in_pixels.map(|side| side as f32 / screen.pixels_per_point);
    let window = Rect::from_min_size(pos2(0.0, 0.0), vec2(width, height));
    let areas = damage.areas(window, screen.pixels_per_point);
    let mut within = Vec::new();
    for (area, lowest) in areas.flat_map(|area| parts(area, shapes, screen.pixels_per_point)) {
        if lowest.is_none() {
            let shape = Shape::rect_filled(area.expand(2.0), 0.0, Color32::BLACK);
            let transform_after_tessellation = TSTransform::IDENTITY;
            within.push(ClippedShape { clip_rect: area, shape, transform_after_tessellation });
        }
        let lies_there = |shape: &&ClippedShape| bounds(shape).expand(1.0).intersects(area);
        within.extend(shapes[lowest.unwrap_or(0)..].iter().filter(lies_there).map(|shape| {
            let clip_rect = shape.clip_rect.intersect(area);
            ClippedShape { clip_rect, ..shape.clone() }
        }));
    }
    ctx.tessellate(within, screen.pixels_per_point)
}

/// Whether a shape shows a texture that is one of those.
fn uses(shape: &Shape, is_one: &impl Fn(TextureId) -> bool) -> bool {
    match shape {
        Shape::Vec(shapes) => shapes.iter().any(|shape| uses(shape, is_one)),
        _ => is_one(shape.texture_id()),
    }
}

/// What lives on the GPU between frames, or in its driver.
struct KeptGpu {
    renderer: Renderer,
    pipeline: wgpu::RenderPipeline,
    format: wgpu::TextureFormat,
    target: Option<Target>,
    /// What the target shows.
    shapes: Arc<Vec<ClippedShape>>,
    /// Whether the last frame came to the window: one that did not was not drawn into the target either.
    was_painted: AtomicBool,
    /// Textures that the last frame may still have shown.
    freed: Vec<TextureId>,
}

/// The kept window.
struct Target {
    view: wgpu::TextureView,
    bind_group: wgpu::BindGroup,
    size: [u32; 2],
    pixels_per_point: f32,
}

impl KeptGpu {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        // Without dithering, which would make the same colour another one beside itself.
        let mut renderer = Renderer::new(device, format, RendererOptions::PREDICTABLE);
        gpu::install_into(&mut renderer, device, format);
        let pipeline = WINDOW.pipeline(device, format, None, &[]);
        Self {
            renderer,
            pipeline,
            format,
            target: None,
            shapes: Arc::default(),
            was_painted: AtomicBool::new(true),
            freed: Vec::new(),
        }
    }

    /// Where the frame differs from what is kept.
    fn damage(
        &mut self,
        device: &wgpu::Device,
        screen: &ScreenDescriptor,
        shapes: &[ClippedShape],
        told: &mut Told,
    ) -> Damage {
        let mut damage = std::mem::take(&mut told.areas);
        let fits = |target: &Target| {
            (target.size, target.pixels_per_point) == (screen.size_in_pixels, screen.pixels_per_point)
        };
        let was_painted = self.was_painted.swap(false, Ordering::Relaxed);
        let images = &told.textures.0.set;
        // Words are elsewhere in the texture of the fonts once that was made anew, and may look another way by a rounding.
        let has_other_fonts = images.get(&FONTS).is_some_and(|fonts| fonts.iter().any(ImageDelta::is_whole));
        if !self.target.as_ref().is_some_and(fits) {
            self.target = Some(self.new_target(device, screen));
            damage.add(Rect::EVERYTHING);
        } else if told.draws_all || has_other_fonts || !was_painted {
            damage.add(Rect::EVERYTHING);
        } else {
            differences(&self.shapes, shapes, |shape| damage.add(bounds(shape)));
            let has_other_image =
                |shape: &&ClippedShape| uses(&shape.shape, &|id| id != FONTS && images.contains_key(&id));
            shapes.iter().filter(has_other_image).for_each(|shape| damage.add(bounds(shape)));
        }
        damage
    }

    fn new_target(&self, device: &wgpu::Device, screen: &ScreenDescriptor) -> Target {
        let [width, height] = screen.size_in_pixels.map(|side| side.max(1));
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some(WINDOW.name),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(WINDOW.name),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) }],
        });
        Target { view, bind_group, size: screen.size_in_pixels, pixels_per_point: screen.pixels_per_point }
    }

    fn draw(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        jobs: &[ClippedPrimitive],
        screen: &ScreenDescriptor,
    ) -> Vec<wgpu::CommandBuffer> {
        let Some(target) = self.target.as_ref().filter(|_| !jobs.is_empty()) else {
            return Vec::new();
        };
        let commands = self.renderer.update_buffers(device, queue, encoder, jobs, screen);
        let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some(WINDOW.name),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &target.view,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Load, store: wgpu::StoreOp::Store },
                depth_slice: None,
            })],
            ..wgpu::RenderPassDescriptor::default()
        });
        self.renderer.render(&mut pass.forget_lifetime(), jobs, screen);
        commands
    }
}
