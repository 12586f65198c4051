//! What a painter has at hand at the left: colours, the brush, the layers.

use super::canvas::BRUSH_SIZES;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::space;
use super::widgets::{Number, choice_row, heading, row, slider_row};
use super::{colour, layers_panel};
use crate::paint::{Brush, PaintBrush, Spread, Tool};
use crate::session::{Action, PaintBox, Session};
use egui::{Frame, Margin, Panel, ScrollArea, Ui};

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
const SPACING: Number =
    Number { range: 1.0..=100.0, typed: 1.0..=400.0, step: 1.0, decimals: 0, logarithmic: true, suffix: "%" };
const FIRMNESS: Number =
    Number { range: -100.0..=100.0, typed: -100.0..=100.0, step: 1.0, decimals: 0, logarithmic: false, suffix: "%" };
const TOLERANCE: Number =
    Number { range: 0.0..=255.0, typed: 0.0..=255.0, step: 1.0, decimals: 0, logarithmic: false, suffix: "" };

/// Whether it is of use now: with a tool that paints, and where there are layers to choose from.
pub(super) fn is_of_use(session: &Session) -> bool {
    session.tool.is_paint()
        || matches!(session.tool, Tool::Bucket | Tool::Gradient | Tool::Eyedropper)
        || session.document.stack().layers().len() > 1
}

/// How high colours and a brush are with what is seldom set folded, in points.
const BRUSH_HIGH: f32 = 430.0;
/// The least height at which they are of use where they scroll, in points.
const LEAST_BRUSH: f32 = 300.0;
/// The least height of the layers, with two of them in sight, in points.
const LEAST_LAYERS: f32 = 296.0;

/// All of it. The layers have a place of their own, which no tool moves; where that is too low, all of it scrolls as one.
pub(super) fn brush_panel_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let height = ui.available_height();
    if height < LEAST_BRUSH + LEAST_LAYERS {
        scrolled(ui, |ui| {
            tool_ui(ui, session, view, out);
            ui.add_space(space::GROUP);
            layers_panel::layers_panel_ui(ui, &session.document, view, out);
        });
        return;
    }
    let brush = (height / 2.0).max(BRUSH_HIGH).min(height - LEAST_LAYERS);
    let frame = Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 4 });
    Panel::bottom("layers").frame(frame).exact_size(height - brush).show(ui, |ui| {
        layers_panel::layers_panel_ui(ui, &session.document, view, out);
    });
    scrolled(ui, |ui| tool_ui(ui, session, view, out));
}

/// What is higher than its place scrolls in it. The margin scrolls along: the bar keeps off the numbers.
fn scrolled(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    // What is asked for may scroll in the same place, by itself.
    ScrollArea::vertical().id_salt("brush").auto_shrink([false, false]).show(ui, |ui| {
        Frame::new().inner_margin(Margin { left: 12, right: 12, top: 10, bottom: 4 }).show(ui, contents);
    });
}

/// The colours, and what the tool at hand lets one set.
fn tool_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    colour::colour_ui(ui, &session.palette, view, out);
    ui.add_space(space::GROUP);
    match session.tool {
        Tool::Bucket => bucket_ui(ui, &session.palette, out),
        Tool::Gradient => gradient_ui(ui, &session.palette, out),
        tool if tool.is_paint() => brush_ui(ui, tool, &session.palette, out),
        // The others have nothing of it.
        _ => {}
    }
    if session.tool.is_paint() || matches!(session.tool, Tool::Bucket | Tool::Gradient) {
        keeps_within_ui(ui, session, Shortcut::KeepWithin.entry().name, out);
    }
}

/// Whether the mask keeps the tool at hand inside it. Nothing where nothing is masked.
pub(super) fn keeps_within_ui(ui: &mut Ui, session: &Session, name: &str, out: &mut Outbox) {
    if !session.document.has_mask() {
        return;
    }
    let mut on = session.palette.keeps_within;
    if ui.checkbox(&mut on, name).on_hover_text(Shortcut::KeepWithin.entry().about).changed() {
        out.act(Action::SetKeepsWithin(on));
    }
}

fn bucket_ui(ui: &mut Ui, palette: &PaintBox, out: &mut Outbox) {
    heading(ui, "Bucket");
    let mut changed = palette.alike;
    let mut tolerance = f64::from(changed.tolerance);
    let about = "How far from the clicked colour a pixel may be and still be filled";
    if slider_row(ui, "Tolerance", &mut tolerance, &TOLERANCE).on_hover_text(about).changed() {
        changed.tolerance = tolerance.round() as u8;
    }
    opacity_ui(ui, palette.brush, "How opaque the filling is  (digits)", out);
    ui.checkbox(&mut changed.connected, "Only what hangs together")
        .on_hover_text("Without it, everything that looks like the clicked pixel is filled, wherever it lies");
    ui.checkbox(&mut changed.sees_all_layers, "Look at all layers")
        .on_hover_text("Without it, only the pixels of the active layer count");
    if changed != palette.alike {
        out.act(Action::SetAlike(changed));
    }
}

fn gradient_ui(ui: &mut Ui, palette: &PaintBox, out: &mut Outbox) {
    heading(ui, "Gradient");
    let mut run = palette.run;
    let spread = |spread| if spread == Spread::Linear { "Along a line" } else { "Around a centre" };
    run.spread = choice_row(ui, "Spread", run.spread, &[Spread::Linear, Spread::Radial], spread).unwrap_or(run.spread);
    let end = |fades| if fades { "Nothing" } else { "The other colour" };
    run.fades = choice_row(ui, "Ends in", run.fades, &[false, true], end).unwrap_or(run.fades);
    if run != palette.run {
        out.act(Action::SetRun(run));
    }
    opacity_ui(ui, palette.brush, "How opaque the gradient is  (digits)", out);
}

/// The opacity of what is laid at once.
fn opacity_ui(ui: &mut Ui, brush: PaintBrush, about: &str, out: &mut Outbox) {
    let mut opacity = brush.opacity;
    if share_ui(ui, "Opacity", &mut opacity, about) {
        out.act(Action::SetPaintBrush(PaintBrush { opacity, ..brush }));
    }
}

/// A share as per cents. Returns whether it changed.
fn share_ui(ui: &mut Ui, name: &str, value: &mut f32, about: &str) -> bool {
    let mut per_cent = f64::from(*value * 100.0).round();
    let changed = slider_row(ui, name, &mut per_cent, &SHARE).on_hover_text(about).changed();
    if changed {
        *value = per_cent as f32 / 100.0;
    }
    changed
}

fn brush_ui(ui: &mut Ui, tool: Tool, palette: &PaintBox, out: &mut Outbox) {
    heading(ui, if tool == Tool::Smudge { "Smudge" } else { "Brush" });
    let brush = palette.brush;
    let mut size = f64::from(brush.tip.size);
    let mut changed = brush;
    let about = "The brush's diameter in pixels of the picture  ([ and ])";
    if slider_row(ui, "Size", &mut size, &SIZE).on_hover_text(about).changed() {
        changed.tip = Brush { size: size as f32, ..brush.tip };
    }
    let hardness = "How much of the brush is fully covered  (Shift+[ and Shift+])";
    share_ui(ui, "Hardness", &mut changed.tip.hardness, hardness);
    if tool == Tool::Smudge {
        let mut strength = palette.smudge;
        if share_ui(ui, "Strength", &mut strength, "How far paint is pushed along  (digits)") {
            out.act(Action::SetSmudge(strength));
        }
    } else {
        share_ui(ui, "Opacity", &mut changed.opacity, "How opaque a whole stroke is  (digits)");
        let flow = "How fast a stroke comes to its opacity: little is like an airbrush";
        share_ui(ui, "Flow", &mut changed.flow, flow);
    }
    if tool != Tool::Line {
        share_ui(ui, "Smoothing", &mut changed.smoothing, "How much a shaking hand is steadied");
    }
    pen_ui(ui, &mut changed);
    if changed != brush {
        out.act(Action::SetPaintBrush(changed));
    }
}

/// What a pen decides, and how far its dabs lie apart: set once, and out of the way.
fn pen_ui(ui: &mut Ui, brush: &mut PaintBrush) {
    ui.collapsing("Pen", |ui| {
        let mut per_cent = f64::from(brush.spacing * 100.0).round();
        let about = "How far dabs lie apart, of the brush's size";
        if slider_row(ui, "Spacing", &mut per_cent, &SPACING).on_hover_text(about).changed() {
            brush.spacing = per_cent as f32 / 100.0;
        }
        let mut per_cent = f64::from(brush.firmness * 100.0).round();
        let about = "How hard a hand the pen takes: less, and a light one counts for more";
        if slider_row(ui, "Firmness", &mut per_cent, &FIRMNESS).on_hover_text(about).changed() {
            brush.firmness = per_cent as f32 / 100.0;
        }
        row(ui, "Pressing", |ui, _| {
            ui.vertical(|ui| {
                ui.checkbox(&mut brush.pressure_sizes, "widens");
                ui.checkbox(&mut brush.pressure_covers, "covers more");
                ui.checkbox(&mut brush.pressure_flows, "lets more flow");
            });
        });
    });
}
