//! What the tool at hand lets one set, in the strip over the canvas.

use super::canvas::BRUSH_SIZES;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{NUMBER_WIDTH, Number, slider_and_number};
use crate::paint::{Brush, Tool};
use crate::session::{Action, Alike, Session};
use egui::{DragValue, Label, Response, RichText, Ui};

/// The space between them, in points.
const GAP: f32 = 6.0;
/// How wide growing and softening the mask is, in points.
const ADJUST_WIDTH: f32 = 240.0;
/// How wide the button is that both hide behind where there is no room for them, in points.
const EDGE_WIDTH: f32 = 64.0;
/// How wide the mask brush's labels and numbers are without its sliders, in points.
const BRUSH_WIDTH: f32 = 3.0 * NUMBER_WIDTH + 30.0 + 64.0 + 52.0 + 7.0 * GAP;
/// The narrowest slider that is of use, in points.
const LEAST_SLIDER: f32 = 28.0;

/// Whether there is anything.
pub(super) const fn are_there(tool: Tool) -> bool {
    tool.is_mask() || tool.is_shape() || matches!(tool, Tool::Bounds | Tool::Crop | Tool::Transform)
}

/// All of it.
pub(super) fn options_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ui.spacing_mut().item_spacing.x = GAP;
    if session.tool == Tool::Bounds {
        super::bounds::settings_ui(ui, session, out);
        return;
    }
    if session.tool == Tool::Crop {
        super::bounds::crop_ui(ui, session, view, out);
        return;
    }
    if session.tool == Tool::Transform {
        super::transform::options_ui(ui, session, view, out);
        return;
    }
    let has_mask = session.document.has_mask();
    if session.tool.is_shape() {
        let mut anew = session.palette.masks_anew;
        let about = about_anew(session.tool);
        if ui.checkbox(&mut anew, "Anew").on_hover_text(about).changed() {
            out.act(Action::SetMasksAnew(anew));
        }
    }
    if session.tool == Tool::MaskWand {
        alike_ui(ui, session.palette.alike, out);
    }
    let adjusts = has_mask || session.document.mask_adjustment() != (0, 0.0);
    let lacks_room = session.tool.is_mask() && ui.available_width() < BRUSH_WIDTH + ADJUST_WIDTH;
    if session.tool.is_mask() {
        brush_ui(ui, session.brush, session.palette.mask_opacity, adjusts, out);
    }
    if adjusts && lacks_room {
        let edge = ui.button("Edge").on_hover_text("Grows, shrinks and softens the mask");
        egui::Popup::menu(&edge).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
            ui.horizontal(|ui| adjust_ui(ui, session, out));
        });
    } else if adjusts {
        adjust_ui(ui, session, out);
    } else if session.tool == Tool::MaskPolygon {
        let about = if view.polygon.is_empty() {
            "Click corner after corner. Ctrl takes away, Ctrl+Shift keeps only what is met."
        } else {
            "Click the first corner, double click or press Enter to close; Backspace takes one back."
        };
        hint(ui, about);
    } else if session.tool.is_shape() && session.tool != Tool::MaskWand {
        hint(ui, "Drag over the picture. Ctrl takes away, Ctrl+Shift keeps only what is met.");
    }
}

/// What areas do to the mask. One that encloses nothing leaves nothing masked, as a click does away with a selection elsewhere.
const fn about_anew(tool: Tool) -> &'static str {
    match tool {
        Tool::MaskWand => {
            "A new area takes the place of the mask, and a click beside the picture takes it away; otherwise areas are added"
        }
        Tool::MaskPolygon => "A new area takes the place of the mask; otherwise areas are added",
        _ => "A new area takes the place of the mask, and a click alone takes it away; otherwise areas are added",
    }
}

fn weak(ui: &mut Ui, text: &str) -> Response {
    ui.label(RichText::new(text).color(Palette::of(ui).text_weak))
}

/// How a tool is used, as far as there is room to say it.
pub(super) fn hint(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).color(Palette::of(ui).text_weak)).truncate());
}

/// What the wand finds.
fn alike_ui(ui: &mut Ui, alike: Alike, out: &mut Outbox) {
    let mut changed = alike;
    let label = weak(ui, "Tolerance");
    ui.add(DragValue::new(&mut changed.tolerance))
        .labelled_by(label.id)
        .on_hover_text("How far from the clicked colour a pixel may be and still look alike");
    ui.checkbox(&mut changed.connected, "Connected")
        .on_hover_text("Only what hangs together with the clicked pixel; without it, a range of colours anywhere");
    if changed != alike {
        out.act(Action::SetAlike(changed));
    }
}

/// Growing, shrinking and softening the mask, seen while it is dragged; until something else is done it can be dragged back.
fn adjust_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    const FARTHEST: i32 = 256;
    let (mut grow, mut feather) = session.document.mask_adjustment();
    let label = weak(ui, "Grow");
    let number = DragValue::new(&mut grow).range(-FARTHEST..=FARTHEST).suffix(" px").speed(0.25);
    let about = "Lets the mask reach so many pixels further, or less far if they are negative";
    let grown = ui.add(number).labelled_by(label.id).on_hover_text(about);
    let label = weak(ui, "Soften");
    let number = DragValue::new(&mut feather).range(0.0..=FARTHEST as f32).suffix(" px").speed(0.25).max_decimals(1);
    let about = "Softens the edge of the mask by so many pixels";
    let softened = ui.add(number).labelled_by(label.id).on_hover_text(about);
    if grown.changed() || softened.changed() || grown.drag_stopped() || softened.drag_stopped() {
        let is_rough = grown.dragged() || softened.dragged();
        out.act(Action::AdjustMask { grow, feather, is_rough });
    }
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

fn brush_ui(ui: &mut Ui, brush: Brush, opacity: f32, adjusts: bool, out: &mut Outbox) {
    let left = ui.available_width() - BRUSH_WIDTH;
    let besides = match adjusts {
        true if left < ADJUST_WIDTH => EDGE_WIDTH,
        true => ADJUST_WIDTH,
        false => 0.0,
    };
    let width = ((left - besides) / 2.0).min(120.0);
    let width = if adjusts && width < LEAST_SLIDER { 0.0 } else { width.max(LEAST_SLIDER) };
    let (mut size, mut per_cent) = (f64::from(brush.size), f64::from(brush.hardness * 100.0).round());
    let weak = |text: &str| RichText::new(text).color(Palette::of(ui).text_weak);
    let (size_label, hardness_label, opacity_label) = (weak("Size"), weak("Hardness"), weak("Opacity"));
    let label = ui.label(size_label);
    let response = slider_and_number(ui, &mut size, &SIZE, width, label.id);
    let resized = response.on_hover_text("The brush's diameter in pixels of the picture  ([ and ])").changed();
    let label = ui.label(hardness_label);
    let response = slider_and_number(ui, &mut per_cent, &HARDNESS, width, label.id);
    let about = "How much of the brush is fully covered  (Shift+[ and Shift+])";
    let hardened = response.on_hover_text(about).changed();
    let label = ui.label(opacity_label);
    let mut covers = (opacity * 100.0).round();
    let number = DragValue::new(&mut covers).range(0.0..=100.0).suffix(" %").speed(0.5).max_decimals(0);
    let response = ui.add(number).labelled_by(label.id);
    if response.on_hover_text("How much the mask is covered, however often it is crossed  (digits)").changed() {
        out.act(Action::SetMaskOpacity(covers / 100.0));
    }
    if resized || hardened {
        let hardness = if hardened { per_cent as f32 / 100.0 } else { brush.hardness };
        out.act(Action::SetBrush(Brush { size: size as f32, hardness }));
    }
}
