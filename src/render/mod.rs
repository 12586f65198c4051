//! Shows a document through wgpu.
