//! The strip over the canvas: tools, the brush, undo, and what is done to the whole mask.

use super::canvas::BRUSH_SIZES;
use super::perform::{is_possible, perform};
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, NUMBER_WIDTH, Number, shortcut_button, slider_and_number};
use crate::paint::{Brush, Tool};
use crate::session::{Action, Session};
use egui::{RichText, Ui};

/// The least width at which all buttons stand in one row, and at which the mask's brush stands beside them, in points.
const ROOM_FOR_BUTTONS: f32 = 576.0;
const ROOM_FOR_ALL: f32 = 876.0;
/// A row of the strip with the space around it, in points.
const ROW: f32 = 40.0;

/// The height of the strip: in a narrow window it has more rows.
pub(super) fn height(width: f32, tool: Tool) -> f32 {
    let more_rows = u8::from(width < ROOM_FOR_BUTTONS) + u8::from(has_settings(tool) && width < ROOM_FOR_ALL);
    ROW + f32::from(more_rows) * (ROW - 6.0)
}

/// Whether the strip shows settings of the tool.
const fn has_settings(tool: Tool) -> bool {
    tool.is_mask() || tool.is_shape() || matches!(tool, Tool::Bounds)
}

/// The strip.
pub(super) fn tools_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let width = ui.available_width();
    let first = |ui: &mut Ui, view: &mut ViewState, out: &mut Outbox| {
        ui.spacing_mut().item_spacing.x = 3.0;
        tool_buttons(ui, PAINT_TOOLS, session, out);
        gap(ui);
        if width < ROOM_FOR_BUTTONS {
            shortcuts(ui, &[Shortcut::Undo, Shortcut::Redo], session, view, out);
        }
    };
    let second = |ui: &mut Ui, view: &mut ViewState, out: &mut Outbox| {
        ui.spacing_mut().item_spacing.x = 3.0;
        tool_buttons(ui, MASK_TOOLS, session, out);
        shortcuts(ui, &[Shortcut::ClearMask, Shortcut::InvertMask], session, view, out);
        if width >= ROOM_FOR_BUTTONS {
            gap(ui);
            shortcuts(ui, &[Shortcut::Undo, Shortcut::Redo], session, view, out);
        }
    };
    if width < ROOM_FOR_BUTTONS {
        ui.horizontal(|ui| first(ui, view, out));
        ui.horizontal(|ui| second(ui, view, out));
        if has_settings(session.tool) {
            ui.horizontal(|ui| settings_ui(ui, session, view, out));
        }
        return;
    }
    let is_split = width < ROOM_FOR_ALL && has_settings(session.tool);
    let row = |ui: &mut Ui, view: &mut ViewState, out: &mut Outbox| {
        first(ui, view, out);
        second(ui, view, out);
        if has_settings(session.tool) && !is_split {
            gap(ui);
            settings_ui(ui, session, view, out);
        }
    };
    if is_split {
        ui.horizontal(|ui| row(ui, view, out));
        ui.horizontal(|ui| settings_ui(ui, session, view, out));
    } else {
        ui.horizontal_centered(|ui| row(ui, view, out));
    }
}

/// What the tool at hand lets one set.
fn settings_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if session.tool == Tool::MaskWand {
        let mut tolerance = session.palette.tolerance;
        let label = ui.label(RichText::new("Tolerance").color(Palette::of(ui).text_weak));
        let number = ui.add(egui::DragValue::new(&mut tolerance)).labelled_by(label.id);
        if number.on_hover_text("How far from the clicked colour a pixel may be and still look alike").changed() {
            out.act(Action::SetTolerance(tolerance));
        }
        ui.add_space(8.0);
    }
    if session.tool == Tool::Bounds {
        super::bounds::settings_ui(ui, session, out);
    } else if session.tool.is_mask() {
        brush_ui(ui, session.brush, out);
    } else if session.document.has_mask() {
        margin_ui(ui, view, out);
    } else {
        let about = "Drag over the picture. Ctrl takes away, Ctrl+Shift keeps only what is met.";
        ui.label(RichText::new(about).color(Palette::of(ui).text_weak));
    }
}

fn tool_buttons(ui: &mut Ui, tools: &[(Shortcut, Tool)], session: &Session, out: &mut Outbox) {
    for &(shortcut, tool) in tools {
        if shortcut_button(ui, shortcut, Look::selected_if(session.tool == tool)).clicked() {
            out.act(Action::SetTool(tool));
        }
    }
}

/// Growing, shrinking and softening the mask by some pixels.
fn margin_ui(ui: &mut Ui, view: &mut ViewState, out: &mut Outbox) {
    ui.spacing_mut().item_spacing.x = 6.0;
    let margin = view.mask_margin.max(1);
    let mut typed = margin;
    let by = ui.label(RichText::new("Mask by").color(Palette::of(ui).text_weak));
    let number = egui::DragValue::new(&mut typed).range(1..=256).suffix(" px");
    ui.add(number).labelled_by(by.id).on_hover_text("By how many pixels the mask is grown, shrunk and softened");
    view.mask_margin = typed;
    if ui.button("Grow").clicked() {
        out.act(Action::GrowMask(margin as i32));
    }
    if ui.button("Shrink").clicked() {
        out.act(Action::GrowMask(-(margin as i32)));
    }
    if ui.button("Soften").clicked() {
        out.act(Action::FeatherMask(margin as f32));
    }
}

const PAINT_TOOLS: &[(Shortcut, Tool)] = &[
    (Shortcut::Hand, Tool::Hand),
    (Shortcut::Brush, Tool::Brush),
    (Shortcut::Eraser, Tool::Eraser),
    (Shortcut::Bucket, Tool::Bucket),
    (Shortcut::Eyedropper, Tool::Eyedropper),
];
const MASK_TOOLS: &[(Shortcut, Tool)] = &[
    (Shortcut::Bounds, Tool::Bounds),
    (Shortcut::MaskBrush, Tool::MaskBrush),
    (Shortcut::MaskEraser, Tool::MaskEraser),
    (Shortcut::MaskRectangle, Tool::MaskRectangle),
    (Shortcut::MaskEllipse, Tool::MaskEllipse),
    (Shortcut::MaskLasso, Tool::MaskLasso),
    (Shortcut::MaskWand, Tool::MaskWand),
];

fn shortcuts(ui: &mut Ui, shortcuts: &[Shortcut], session: &Session, view: &mut ViewState, out: &mut Outbox) {
    for &shortcut in shortcuts {
        let look = Look::enabled_if(is_possible(shortcut, session));
        if shortcut_button(ui, shortcut, look).clicked() {
            let ctx = ui.ctx().clone();
            perform(&ctx, shortcut, session, view, out);
        }
    }
}

fn gap(ui: &mut Ui) {
    ui.add_space(5.0);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(1.0, 18.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 0.0, Palette::of(ui).field_line);
    ui.add_space(5.0);
}

const SIZE: Number = Number {
    range: *BRUSH_SIZES.start() as f64..=*BRUSH_SIZES.end() as f64,
    typed: *BRUSH_SIZES.start() as f64..=*BRUSH_SIZES.end() as f64,
    step: 1.0,
    decimals: 0,
    logarithmic: true,
    suffix: "",
};
const HARDNESS: Number =
    Number { range: 0.0..=100.0, typed: 0.0..=100.0, step: 1.0, decimals: 0, logarithmic: false, suffix: " %" };

fn brush_ui(ui: &mut Ui, brush: Brush, out: &mut Outbox) {
    ui.spacing_mut().item_spacing.x = 8.0;
    let labels_and_numbers = 2.0 * NUMBER_WIDTH + 30.0 + 64.0 + 5.0 * 8.0;
    let width = ((ui.available_width() - labels_and_numbers) / 2.0).clamp(28.0, 120.0);
    let (mut size, mut per_cent) = (f64::from(brush.size), f64::from(brush.hardness * 100.0).round());
    let weak = |text: &str| RichText::new(text).color(Palette::of(ui).text_weak);
    let (size_label, hardness_label) = (weak("Size"), weak("Hardness"));
    let label = ui.label(size_label);
    let response = slider_and_number(ui, &mut size, &SIZE, width, label.id);
    let resized = response.on_hover_text("The brush's diameter in pixels of the picture  ([ and ])").changed();
    let label = ui.label(hardness_label);
    let response = slider_and_number(ui, &mut per_cent, &HARDNESS, width, label.id);
    let about = "How much of the brush is fully covered  (Shift+[ and Shift+])";
    let hardened = response.on_hover_text(about).changed();
    if resized || hardened {
        let hardness = if hardened { per_cent as f32 / 100.0 } else { brush.hardness };
        out.act(Action::SetBrush(Brush { size: size as f32, hardness }));
    }
}
