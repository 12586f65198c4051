//! What a painter has at hand at the left: colours, the brush, the layers.

use super::canvas::BRUSH_SIZES;
use super::state::{Outbox, ViewState};
use super::theme::space;
use super::widgets::{Number, heading, slider_row};
use super::{colour, layers_panel};
use crate::paint::{Brush, PaintBrush, Tool};
use crate::session::{Action, Session};
use egui::Ui;

const SIZE: Number = Number {
    range: *BRUSH_SIZES.start() as f64..=*BRUSH_SIZES.end() as f64,
    typed: *BRUSH_SIZES.start() as f64..=*BRUSH_SIZES.end() as f64,
    step: 1.0,
    decimals: 0,
    logarithmic: true,
    suffix: "",
};
const SHARE: Number =
    Number { range: 0.0..=100.0, typed: 0.0..=100.0, step: 1.0, decimals: 0, logarithmic: false, suffix: "%" };
const TOLERANCE: Number =
    Number { range: 0.0..=255.0, typed: 0.0..=255.0, step: 1.0, decimals: 0, logarithmic: false, suffix: "" };

/// Whether it is of use now: with a tool that paints, and where there are layers to choose from.
pub(super) fn is_of_use(session: &Session) -> bool {
    session.tool.is_paint()
        || matches!(session.tool, Tool::Bucket | Tool::Eyedropper)
        || session.document.stack().layers().len() > 1
}

/// All of it.
pub(super) fn brush_panel_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    colour::colour_ui(ui, &session.palette, view, out);
    ui.add_space(space::GROUP);
    if session.tool == Tool::Bucket {
        heading(ui, "Bucket");
        let mut tolerance = f64::from(session.palette.tolerance);
        let response = slider_row(ui, "Tolerance", &mut tolerance, &TOLERANCE);
        if response.on_hover_text("How far from the clicked colour a pixel may be and still be filled").changed() {
            out.act(Action::SetTolerance(tolerance.round() as u8));
        }
    } else {
        heading(ui, "Brush");
        brush_ui(ui, session.palette.brush, out);
    }
    ui.add_space(space::GROUP);
    layers_panel::layers_panel_ui(ui, &session.document, view, out);
}

fn brush_ui(ui: &mut Ui, brush: PaintBrush, out: &mut Outbox) {
    let mut size = f64::from(brush.tip.size);
    let mut changed = brush;
    let about = "The brush's diameter in pixels of the picture  ([ and ])";
    if slider_row(ui, "Size", &mut size, &SIZE).on_hover_text(about).changed() {
        changed.tip = Brush { size: size as f32, ..brush.tip };
    }
    let mut share = |name: &str, value: &mut f32, about: &str| {
        let mut per_cent = f64::from(*value * 100.0).round();
        if slider_row(ui, name, &mut per_cent, &SHARE).on_hover_text(about).changed() {
            *value = per_cent as f32 / 100.0;
        }
    };
    share("Hardness", &mut changed.tip.hardness, "How much of the brush is fully covered  (Shift+[ and Shift+])");
    share("Opacity", &mut changed.opacity, "How opaque a whole stroke is");
    share("Flow", &mut changed.flow, "How fast a stroke comes to its opacity: little is like an airbrush");
    share("Smoothing", &mut changed.smoothing, "How much a shaking hand is steadied");
    if changed != brush {
        out.act(Action::SetPaintBrush(changed));
    }
}
