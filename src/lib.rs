//! Sfumato paints with diffusion models. Everything but the window runs headless; the modules, what each may use, and the
//! threads and messages between them are described in ARCHITECTURE.md.

pub mod checkpoints;
pub mod cli;
pub mod diffusion;
pub mod engine;
pub mod files;
pub mod gallery;
pub mod geom;
pub mod kernels;
pub mod meaning;
pub mod memory;
pub mod metadata;
pub mod networks;
pub mod paint;
pub mod pixels;
pub mod project;
pub mod prompt;
pub mod session;
pub mod settings;

#[cfg(feature = "gui")]
pub mod app;
#[cfg(feature = "gui")]
pub mod render;
#[cfg(feature = "gui")]
pub mod ui;
