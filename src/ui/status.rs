//! The line at the bottom: where the canvas looks, what is under the pointer, which model paints and on what.

use super::shortcuts::Shortcut;
use super::state::ViewState;
use super::theme::Palette;
use super::view::CanvasView;
use super::widgets::{Look, sized_icon_button};
use crate::session::{ModelState, Session};
use egui::{Align, Button, Layout, RichText, TextStyle, Ui, vec2};

/// The line. `device` is what the networks run on.
pub(super) fn status_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, device: &str) {
    let colour = Palette::of(ui).text_weak;
    let small = |text: String| RichText::new(text).text_style(TextStyle::Small).color(colour);
    ui.horizontal_centered(|ui| {
        let size = vec2(22.0, 22.0);
        let button = |ui: &mut Ui, shortcut: Shortcut| {
            let entry = shortcut.entry();
            let icon = entry.icon.expect("the zoom shortcuts have icons");
            sized_icon_button(ui, icon, entry.name, shortcut.tooltip(ui.ctx()), Look::Plain, size).clicked()
        };
        ui.spacing_mut().item_spacing.x = 2.0;
        let Some(placement) = view.placement else { return };
        let middle = placement.canvas_in_ui.center();
        if button(ui, Shortcut::ZoomOut) {
            view.view = placement.zoomed(placement.next_scale(false), middle);
        }
        let zoom = Button::new(small(zoom_text(placement.scale))).frame(false).min_size(vec2(52.0, 22.0));
        if ui.add(zoom).on_hover_text(Shortcut::ActualSize.tooltip(ui.ctx())).clicked() {
            view.view = placement.zoomed(1.0, middle);
        }
        if button(ui, Shortcut::ZoomIn) {
            view.view = placement.zoomed(placement.next_scale(true), middle);
        }
        if button(ui, Shortcut::Fit) {
            view.view = CanvasView::Fit;
        }
        if view.mirrored {
            ui.add_space(10.0);
            let said = RichText::new("Mirrored").text_style(TextStyle::Small).color(Palette::of(ui).accent);
            let mirrored = Button::new(said).frame(false).min_size(vec2(0.0, 22.0));
            let about = "Left and right are swapped in the view, not in the picture. Click to see it as it is.";
            if ui.add(mirrored).on_hover_text(about).clicked() {
                view.mirrored = false;
            }
        }
        ui.add_space(10.0);
        let extent = placement.extent;
        ui.label(small(format!("{} \u{d7} {}", extent.width, extent.height)));
        if let Some(pointer) = view.pointer.filter(|p| is_inside(*p, extent)) {
            ui.add_space(10.0);
            ui.label(small(format!("{}, {}", pointer.x.floor(), pointer.y.floor())));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let state = session.models.iter().find(|m| m.name == session.draft.model).map(|m| m.state);
            let model = match state {
                Some(ModelState::Loading) => format!("Loading {}", session.draft.model),
                _ => session.draft.model.clone(),
            };
            let downloads = session.downloads.iter().filter_map(|download| download.progress.as_ref());
            let share = downloads.map(|of| of.bytes as f32 / of.total.max(1) as f32).next();
            let model =
                share.map_or(model.clone(), |share| format!("Downloading {:.0} %  \u{b7}  {model}", share * 100.0));
            let text = if device.is_empty() { model } else { format!("{model}  \u{b7}  {device}") };
            ui.add(egui::Label::new(small(text)).truncate());
        });
    });
}

fn is_inside(at: crate::geom::Point, extent: crate::geom::Extent) -> bool {
    at.x >= 0.0 && at.y >= 0.0 && at.x < extent.width as f32 && at.y < extent.height as f32
}

/// Per cent, with the decimals that tell scales apart.
fn zoom_text(scale: f32) -> String {
    let per_cent = scale * 100.0;
    if per_cent < 10.0 { format!("{per_cent:.1} %") } else { format!("{per_cent:.0} %") }
}
