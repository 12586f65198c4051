//! Where the files of shaders/ enter the program.

use eframe::egui_wgpu::wgpu;

/// One effect on the GPU.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// The file's name without its ending, also the name of its CPU twin.
    pub name: &'static str,
    /// Its WGSL.
    pub source: &'static str,
}

impl Shader {
    /// What draws one triangle over the viewport with it, where its constants have these values. What it reads is laid out as `layout` says, or as
    /// its bindings do.
    pub(super) fn pipeline(
        &self,
        device: &wgpu::Device,
        target: wgpu::TextureFormat,
        layout: Option<&wgpu::PipelineLayout>,
        constants: &[(&str, f64)],
    ) -> wgpu::RenderPipeline {
        let options = || wgpu::PipelineCompilationOptions { constants, ..Default::default() };
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Wgsl(self.source.into()),
        });
        device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(self.name),
            layout,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vertex"),
                buffers: &[],
                compilation_options: options(),
            },
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fragment"),
                targets: &[Some(target.into())],
                compilation_options: options(),
            }),
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            multiview_mask: None,
            cache: None,
        })
    }
}

/// The canvas: backdrop, checkerboard, picture or preview, mask.
pub(super) const CANVAS: Shader = Shader { name: "canvas", source: include_str!("../../shaders/canvas.wgsl") };

/// The window as it was kept.
pub(super) const WINDOW: Shader = Shader { name: "window", source: include_str!("../../shaders/window.wgsl") };

/// All of them.
pub const SHADERS: &[Shader] = &[CANVAS, WINDOW];
