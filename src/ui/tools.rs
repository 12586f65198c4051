//! The strip over the canvas: undo, what is done to the whole mask, and what the tool at hand lets one set.

use super::options;
use super::perform::{is_possible, perform};
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, shortcut_button};
use crate::paint::{LayerKind, Tool};
use crate::session::Session;
use egui::{ScrollArea, Ui};

/// The least width at which the settings stand beside the buttons, in points.
const ROOM_FOR_ALL: f32 = 560.0;
/// A row of the strip with the space around it, in points.
const ROW: f32 = 40.0;

/// The height of the strip: where it is short it has two rows, in a narrow window only for a tool that needs them. In a wide one no
/// tool moves the picture.
pub(super) fn height(width: f32, tool: Tool, is_narrow: bool) -> f32 {
    if width < ROOM_FOR_ALL && (!is_narrow || options::are_there(tool)) { 2.0 * ROW - 6.0 } else { ROW }
}

/// The strip.
pub(super) fn tools_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if ui.available_width() < ROOM_FOR_ALL {
        ui.horizontal(|ui| shortcuts(ui, session, view, out));
        if options::are_there(session.tool) {
            ui.horizontal(|ui| options_ui(ui, session, view, out));
        }
        return;
    }
    ui.horizontal_centered(|ui| {
        shortcuts(ui, session, view, out);
        if options::are_there(session.tool) {
            gap(ui);
            options_ui(ui, session, view, out);
        }
    });
}

/// What the tool at hand lets one set. The wheel brings what has no room: it must not stand on what is beside the strip.
fn options_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ui.style_mut().always_scroll_the_only_direction = true;
    ScrollArea::horizontal().id_salt("options").show(ui, |ui| options::options_ui(ui, session, view, out));
}

fn shortcuts(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ui.spacing_mut().item_spacing.x = 3.0;
    let is_painted = session.document.stack().active().is_some_and(|layer| layer.look.kind == LayerKind::Mask);
    for shortcut in [Shortcut::Undo, Shortcut::Redo, Shortcut::QuickMask, Shortcut::ClearMask, Shortcut::InvertMask] {
        if shortcut == Shortcut::QuickMask {
            gap(ui);
        }
        let look = match shortcut {
            Shortcut::QuickMask if is_painted => Look::Selected,
            _ => Look::enabled_if(is_possible(shortcut, session)),
        };
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
