//! What the picture grows out of: shown while a picture is open.

use super::icons::Icon;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, Number, choice_row, heading, note, row, sized_icon_button, slider_row};
use crate::diffusion::MaskedContent;
use crate::geom::Extent;
use crate::session::{Action, Draft, Session, Way};
use egui::{Align, CornerRadius, Image, Layout, RichText, TextStyle, Ui, vec2};

const STRENGTH: Number =
    Number { range: 0.0..=1.0, typed: 0.0..=1.0, step: 0.01, decimals: 2, logarithmic: false, suffix: "" };

/// The open picture, how much of it is painted anew, and closing it. Nothing when no picture is open.
pub(super) fn start_panel_ui(ui: &mut Ui, session: &mut Session, view: &mut ViewState, out: &mut Outbox) {
    let is_live = session.is_live();
    let begins_anew = matches!(session.way(), Way::Generate | Way::Fill);
    let Session { draft, document, found_settings, .. } = session;
    if !document.has_picture() {
        return;
    }
    heading(ui, "Start from");
    ui.horizontal(|ui| {
        let small = view.flat_thumbnail(document.last_flat());
        let texture = view.thumbnails.get(ui.ctx(), &small);
        let size = texture.size_vec2();
        let scale = 56.0 / size.max_elem().max(1.0);
        let image = Image::new((texture.id(), size * scale)).corner_radius(CornerRadius::same(5));
        ui.add(image.alt_text("The picture to start from"));
        ui.vertical(|ui| {
            let extent = document.extent();
            ui.label(format!("{} \u{d7} {}", extent.width, extent.height));
            let where_ = match (document.masks_anything(), draft.bounds) {
                (true, _) => "Only the mask is painted anew.".to_owned(),
                (false, None) => "All of it is painted anew.".to_owned(),
                (false, Some(_)) => {
                    let Extent { width, height } = draft.bounds_in(document).extent;
                    format!("{width} \u{d7} {height} of it are painted anew.")
                }
            };
            ui.label(RichText::new(where_).text_style(TextStyle::Small).color(Palette::of(ui).text_weak));
        });
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            let tooltip = Shortcut::ClosePicture.tooltip(ui.ctx());
            if sized_icon_button(ui, Icon::Close, "Close the picture", tooltip, Look::Plain, vec2(24.0, 24.0)).clicked()
            {
                out.act(Action::ClosePicture);
            }
        });
    });
    slider_row(ui, "Strength", &mut draft.strength, &STRENGTH)
        .on_hover_text("How much is painted anew: 0 keeps the picture, 1 ignores it.");
    let text = if begins_anew && draft.strength < 1.0 {
        format!("All {} steps will run: there is nothing to go on from", draft.steps)
    } else {
        format!("{} of {} steps will run", draft.steps_to_run(document), draft.steps)
    };
    note(ui, text, Palette::of(ui).text_weak);
    row(ui, "", |ui, _| {
        let mut live = is_live;
        if ui.checkbox(&mut live, "Live").on_hover_text(Shortcut::Live.tooltip(ui.ctx())).changed() {
            out.act(Action::SetLive(live));
        }
    });
    if document.masks_anything() {
        mask_ui(ui, draft);
    }
    if *found_settings && ui.button("Use the settings in the file").clicked() {
        out.act(Action::UseSettings);
    }
}

/// How the mask is painted.
fn mask_ui(ui: &mut Ui, draft: &mut Draft) {
    row(ui, "Mask", |ui, _| {
        ui.checkbox(&mut draft.only_masked, "Up close").on_hover_text(
            "Paints only the mask and what lies around it, at the size that suits the model: finer than as a part of the whole.",
        );
        if draft.only_masked {
            let padding = egui::DragValue::new(&mut draft.padding).range(0..=Draft::MAX_PADDING).suffix(" px around");
            ui.add(padding).on_hover_text("How much of what lies around the mask the model sees");
        }
    });
    row(ui, "", |ui, _| {
        ui.checkbox(&mut draft.soft_mask, "Grey paints less").on_hover_text(
            "Where the mask is grey, the picture is changed only as far as that says: white wholly, a middle grey about half, black not at all.\n\
             Otherwise grey is painted as white, and laid over the picture half clear.",
        );
    });
    row(ui, "", |ui, _| {
        ui.checkbox(&mut draft.match_colours, "Match colours").on_hover_text(
            "Takes off what was painted how much lighter, darker or tinted the picture around the mask came out of the model.",
        );
    });
    let chosen = choice_row(ui, "Under it", draft.masked, MaskedContent::ALL, MaskedContent::label);
    draft.masked = chosen.unwrap_or(draft.masked);
}
