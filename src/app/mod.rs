//! The window: an eframe shell around the session and the panels. It owns what only a window has (dialogs, the clipboard,
//! dropped files, the title) and passes everything else on.

mod dialogs;
mod icon;
mod shell;

pub use dialogs::{Dialogs, NativeDialogs, Offered, Question};
pub use shell::App;

use crate::session::{Session, Wake};

/// Why the window could not be opened, in words for the person who started the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No display, or no way to draw on it.
    #[error(
        "the window cannot be opened: {reason}. Without a window, `sfumato paint \"red apple\"` paints all the same"
    )]
    Window {
        /// What the window system said.
        reason: String,
    },
}

/// Opens the window and returns when it is closed. `open` makes the session; it is told how to wake the window when something
/// happens on another thread. `device` is what the networks run on, for the status line.
pub fn run(open: impl FnOnce(Wake) -> Session + 'static, device: &str) -> Result<(), Error> {
    let options = eframe::NativeOptions {
        renderer: eframe::Renderer::Wgpu,
        viewport: egui::ViewportBuilder::default()
            .with_title("Sfumato")
            .with_app_id("sfumato")
            .with_icon(icon::icon())
            .with_inner_size([1280.0, 820.0])
            .with_min_inner_size([760.0, 540.0]),
        ..Default::default()
    };
    let device = device.to_owned();
    let make: eframe::AppCreator = Box::new(move |cc| {
        let ctx = cc.egui_ctx.clone();
        let session = open(std::sync::Arc::new(move || ctx.request_repaint()));
        let app = App::new(cc, session, Box::new(NativeDialogs), &device)?;
        Ok(Box::new(app))
    });
    eframe::run_native("sfumato", options, make).map_err(|error| Error::Window { reason: reason(&error) })
}

/// The first line of what the window system said, as far as it helps.
fn reason(error: &eframe::Error) -> String {
    let text = error.to_string();
    if text.contains("DISPLAY") {
        return "there is no display (neither WAYLAND_DISPLAY nor DISPLAY is set)".into();
    }
    let first = text.lines().next().unwrap_or_default();
    match error {
        eframe::Error::Wgpu(_) => {
            format!(
                "no graphics driver can draw it ({first}); a software one is enough, such as Mesa's (mesa-vulkan-drivers)"
            )
        }
        // winit puts the place in its own source in front of what the system said.
        _ => first.rsplit(": ").next().unwrap_or(first).to_owned(),
    }
}
