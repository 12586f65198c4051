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

/// The least width at which the brush stands beside the buttons, in points.
const ROOM_FOR_ALL: f32 = 600.0;
/// A row of the strip with the space around it, in points.
const ROW: f32 = 40.0;

/// The height of the strip: in a narrow window the brush has a row of its own.
pub(super) fn height(width: f32, tool: Tool) -> f32 {
    if is_split(width, tool) { 2.0 * ROW - 6.0 } else { ROW }
}

fn is_split(width: f32, tool: Tool) -> bool {
    tool != Tool::Hand && width < ROOM_FOR_ALL
}

/// The strip.
pub(super) fn tools_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if is_split(ui.available_width(), session.tool) {
        ui.horizontal(|ui| buttons_ui(ui, session, view, out));
        ui.horizontal(|ui| brush_ui(ui, session.brush, out));
        return;
    }
    ui.horizontal_centered(|ui| {
        buttons_ui(ui, session, view, out);
        if session.tool != Tool::Hand {
            gap(ui);
            brush_ui(ui, session.brush, out);
        }
    });
}

fn buttons_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ui.spacing_mut().item_spacing.x = 3.0;
    for (shortcut, tool) in
        [(Shortcut::Hand, Tool::Hand), (Shortcut::MaskBrush, Tool::MaskBrush), (Shortcut::MaskEraser, Tool::MaskEraser)]
    {
        if shortcut_button(ui, shortcut, Look::selected_if(session.tool == tool)).clicked() {
            out.act(Action::SetTool(tool));
        }
    }
    gap(ui);
    for shortcut in [Shortcut::Undo, Shortcut::Redo, Shortcut::ClearMask, Shortcut::InvertMask] {
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
