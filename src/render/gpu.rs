//! The textures and the pipeline of the canvas, and the callback that draws it inside egui's render pass.

use super::canvas::CanvasUniforms;
use super::kept::KeptWindow;
use super::levels::{Content, Slot, Upload};
use super::shaders::CANVAS;
use super::uploads::{CanvasPicture, Queue};
use crate::geom::{Bounds, Extent};
use eframe::egui::{Context, PaintCallbackInfo, Rect, Shape};
use eframe::egui_wgpu::{self, wgpu};
use std::collections::HashMap;
use std::sync::MutexGuard;

/// One frame of the canvas.
pub struct CanvasPaint {
    uniforms: CanvasUniforms,
    queue: Queue,
}

impl CanvasPaint {
    fn waiting(&self) -> MutexGuard<'_, Vec<Upload>> {
        self.queue.lock().expect("no thread panics while it holds the queue")
    }

    /// A frame that shows `shown` as `uniforms` say.
    pub fn new(shown: &CanvasPicture, uniforms: CanvasUniforms) -> Self {
        Self { uniforms: uniforms.in_texels(), queue: shown.queue() }
    }

    /// The frame as something for egui to draw, over `rect` of the window.
    pub fn into_shape(self, ctx: &Context, rect: Rect) -> Shape {
        if let Some(window) = ctx.plugin_opt::<KeptWindow>() {
            window.lock().expect_canvas(rect, &self.uniforms, &self.waiting());
        }
        egui_wgpu::Callback::new_paint_callback(rect, self).into()
    }
}

impl egui_wgpu::CallbackTrait for CanvasPaint {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &egui_wgpu::ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut egui_wgpu::CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(gpu) = resources.get_mut::<CanvasGpu>() {
            let uploads = std::mem::take(&mut *self.waiting());
            // Paper is one tile many times, and is turned into texels once.
            let mut last = None;
            for upload in uploads {
                let levels = upload.levels_after(last.take());
                gpu.take(device, queue, &upload, &levels);
                last = Some((upload, levels)).filter(|(upload, _)| matches!(upload.content, Content::Tile(_)));
            }
            queue.write_buffer(&gpu.uniforms, 0, bytemuck::bytes_of(&self.uniforms));
            gpu.be_able_to_show(device, self.uniforms.shows());
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &egui_wgpu::CallbackResources,
    ) {
        if let Some(gpu) = resources.get::<CanvasGpu>() {
            pass.set_pipeline(&gpu.pipelines[&self.uniforms.shows()]);
            pass.set_bind_group(0, &gpu.bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}

/// What lives on the GPU between frames.
struct CanvasGpu {
    /// By what they show, and whether with a mask.
    pipelines: HashMap<(u8, bool), wgpu::RenderPipeline>,
    target: wgpu::TextureFormat,
    layout: wgpu::BindGroupLayout,
    bind_group: wgpu::BindGroup,
    uniforms: wgpu::Buffer,
    textures: [wgpu::Texture; 3],
}

/// Makes the canvas's pipeline and puts it where [`CanvasPaint`] finds it. Call once for each render state.
pub fn install(state: &egui_wgpu::RenderState) {
    // By default such an error ends the program. What the graphics card cannot do is seen on the canvas; what is edited is not touched.
    state.device.on_uncaptured_error(std::sync::Arc::new(|error| tracing::error!("the canvas was not drawn: {error}")));
    install_into(&mut state.renderer.write(), &state.device, state.target_format);
}

/// The same for one renderer.
pub(super) fn install_into(renderer: &mut egui_wgpu::Renderer, device: &wgpu::Device, target: wgpu::TextureFormat) {
    renderer.callback_resources.insert(CanvasGpu::new(device, target));
}

/// Whether a graphics card draws, and not the processor in its place.
pub fn is_fast(state: &egui_wgpu::RenderState) -> bool {
    state.adapter.get_info().device_type != wgpu::DeviceType::Cpu
}

const SLOTS: [Slot; 3] = [Slot::Picture, Slot::Preview, Slot::Mask];

impl CanvasGpu {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("canvas uniforms"),
            size: size_of::<CanvasUniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let textures = SLOTS.map(|slot| new_texture(device, slot, Extent::new(1, 1), 1));
        let layout = layout(device);
        let bind_group = bind(device, &layout, &uniforms, &textures);
        Self { pipelines: HashMap::new(), target, layout, bind_group, uniforms, textures }
    }

    /// Makes the pipeline for this, if there is none yet.
    fn be_able_to_show(&mut self, device: &wgpu::Device, shows: (u8, bool)) {
        self.pipelines.entry(shows).or_insert_with(|| {
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(CANVAS.name),
                bind_group_layouts: &[Some(&self.layout)],
                immediate_size: 0,
            });
            let constants = [("SHOWS", f64::from(shows.0)), ("SHOWS_MASK", f64::from(u8::from(shows.1)))];
            CANVAS.pipeline(device, self.target, Some(&layout), &constants)
        });
    }

    fn take(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, upload: &Upload, texels: &[(Bounds, Vec<u8>)]) {
        let index = SLOTS.iter().position(|&s| s == upload.slot).expect("SLOTS lists every slot");
        let (extent, levels) = (upload.texture_extent(), upload.level_count());
        let texture = &self.textures[index];
        let is_so =
            (texture.width(), texture.height(), texture.mip_level_count()) == (extent.width, extent.height, levels);
        if !is_so || matches!(upload.content, Content::Nothing) {
            self.textures[index] = new_texture(device, upload.slot, extent, levels);
            self.bind_group = bind(device, &self.layout, &self.uniforms, &self.textures);
        }
        for (level, (bounds, bytes)) in (0..).zip(texels) {
            queue.write_texture(
                wgpu::TexelCopyTextureInfo {
                    texture: &self.textures[index],
                    mip_level: level,
                    origin: wgpu::Origin3d { x: bounds.left, y: bounds.top, z: 0 },
                    aspect: wgpu::TextureAspect::All,
                },
                bytes,
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(bounds.extent.width * upload.slot.texel_bytes() as u32),
                    rows_per_image: None,
                },
                wgpu::Extent3d { width: bounds.extent.width, height: bounds.extent.height, depth_or_array_layers: 1 },
            );
        }
    }
}

fn new_texture(device: &wgpu::Device, slot: Slot, extent: Extent, levels: u32) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(match slot {
            Slot::Picture => "canvas picture",
            Slot::Preview => "canvas preview",
            Slot::Mask => "canvas mask",
        }),
        size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
        mip_level_count: levels,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        // egui blends in gamma space into a target without sRGB conversion: the textures stay as they are, too.
        format: match slot.texel_bytes() {
            2 => wgpu::TextureFormat::Rg8Unorm,
            _ => wgpu::TextureFormat::Rgba8Unorm,
        },
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// What the shader reads: its uniforms and the three textures.
fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let uniforms = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let texture = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: false },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let entry =
        |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(CANVAS.name),
        entries: &[entry(0, uniforms), entry(1, texture), entry(2, texture), entry(3, texture)],
    })
}

fn bind(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    uniforms: &wgpu::Buffer,
    textures: &[wgpu::Texture; 3],
) -> wgpu::BindGroup {
    let views = textures.each_ref().map(|t| t.create_view(&wgpu::TextureViewDescriptor::default()));
    let entry = |binding: u32, resource| wgpu::BindGroupEntry { binding, resource };
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(CANVAS.name),
        layout,
        entries: &[
            entry(0, uniforms.as_entire_binding()),
            entry(1, wgpu::BindingResource::TextureView(&views[0])),
            entry(2, wgpu::BindingResource::TextureView(&views[1])),
            entry(3, wgpu::BindingResource::TextureView(&views[2])),
        ],
    })
}
