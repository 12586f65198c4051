//! Where the files of shaders/ enter the program.

/// One effect on the GPU.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// The file's name without its ending, also the name of its CPU twin.
    pub name: &'static str,
    /// Its WGSL.
    pub source: &'static str,
}

/// The canvas: backdrop, checkerboard, picture or preview, mask.
pub(super) const CANVAS: Shader = Shader { name: "canvas", source: include_str!("../../shaders/canvas.wgsl") };

/// All of them.
pub const SHADERS: &[Shader] = &[CANVAS];
