//! The strip over the canvas: tools, the brush, undo, and what is done to the whole mask.

use super::canvas::BRUSH_SIZES;
use super::perform::{is_possible, perform};
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, shortcut_button};
use crate::paint::{Brush, Tool};
use crate::session::{Action, Session};
use egui::{RichText, Slider, Ui};

/// The strip.
pub fn tools_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        for (shortcut, tool) in [
            (Shortcut::Hand, Tool::Hand),
            (Shortcut::MaskBrush, Tool::MaskBrush),
            (Shortcut::MaskEraser, Tool::MaskEraser),
        ] {
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
        if session.tool != Tool::Hand {
            gap(ui);
            brush_ui(ui, session.brush, out);
        }
    });
}

fn gap(ui: &mut Ui) {
    ui.add_space(5.0);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(1.0, 18.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 0.0, Palette::of(ui).field_line);
    ui.add_space(5.0);
}

fn brush_ui(ui: &mut Ui, brush: Brush, out: &mut Outbox) {
    let mut changed = brush;
    ui.spacing_mut().item_spacing.x = 6.0;
    ui.spacing_mut().interact_size.x = 48.0;
    let labels = 2.0 * 66.0 + 2.0 * 60.0;
    ui.spacing_mut().slider_width = ((ui.available_width() - labels) / 2.0).clamp(36.0, 120.0);
    let weak = |text: &str| RichText::new(text).color(Palette::of(ui).text_weak);
    let (size_label, hardness_label) = (weak("Size"), weak("Hardness"));
    let label = ui.label(size_label);
    let size = Slider::new(&mut changed.size, BRUSH_SIZES).logarithmic(true).integer();
    ui.add(size).labelled_by(label.id).on_hover_text("The brush's diameter in pixels of the picture  ([ and ])");
    let label = ui.label(hardness_label);
    let mut per_cent = changed.hardness * 100.0;
    let hardness = Slider::new(&mut per_cent, 0.0..=100.0).integer().suffix(" %");
    let response = ui.add(hardness).labelled_by(label.id);
    if response.on_hover_text("How much of the brush is fully covered  (Shift+[ and Shift+])").changed() {
        changed.hardness = per_cent / 100.0;
    }
    if changed != brush {
        out.act(Action::SetBrush(changed));
    }
}
