//! Everything that was made, as a grid in place of the canvas, with a search over the prompts.

use super::filmstrip::result_ui;
use super::icons::{self, Icon};
use super::state::{Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{Look, icon_button, sized_icon_button};
use crate::session::{Action, Session};
use egui::{Align, Layout, Margin, Rect, RichText, ScrollArea, TextEdit, Ui, UiBuilder, vec2};

const SIDE: f32 = 148.0;

/// The id of the search field, so that opening the gallery can focus it.
pub(super) fn search_id() -> egui::Id {
    egui::Id::unique("gallery search")
}

/// However the gallery was closed: the filmstrip lists everything again.
pub(super) fn end_search_with_the_gallery(view: &mut ViewState, out: &mut Outbox) {
    if !view.gallery_open && !view.search.is_empty() {
        view.search.clear();
        out.act(Action::Search(String::new()));
    }
}

/// The gallery.
pub(super) fn gallery_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    egui::Frame::new().inner_margin(Margin::symmetric(20, 16)).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.heading("Gallery");
            ui.add_space(12.0);
            search_ui(ui, view, out);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close the gallery", "Back to the canvas  (Esc)", Look::Plain).clicked()
                {
                    view.gallery_open = false;
                }
            });
        });
        ui.add_space(space::SMALL);
        if session.results.found().next().is_none() {
            let text = if view.search.trim().is_empty() {
                "Nothing painted yet.".to_owned()
            } else {
                format!("No prompt holds \u{201c}{}\u{201d}.", view.search.trim())
            };
            ui.label(RichText::new(text).color(Palette::of(ui).text_weak));
            return;
        }
        let shown_before = out.actions.len();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = vec2(10.0, 10.0);
                for item in session.results.found() {
                    let response = result_ui(ui, item, SIDE, session, view, out);
                    if response.double_clicked() {
                        view.gallery_open = false;
                    }
                }
            });
            if session.results.has_more && ui.button("Show older ones").clicked() {
                out.act(Action::MoreResults);
            }
        });
        // Starting from a picture means working on it: the canvas comes back.
        if out.actions[shown_before..].iter().any(|a| matches!(a, Action::StartFromResult(_))) {
            view.gallery_open = false;
        }
    });
}

fn search_ui(ui: &mut Ui, view: &mut ViewState, out: &mut Outbox) {
    let field = TextEdit::singleline(&mut view.search)
        .id(search_id())
        .hint_text(RichText::new("Search the prompts").color(Palette::of(ui).text_weak))
        .margin(Margin { left: 28, right: 26, top: 5, bottom: 5 })
        .desired_width(240.0);
    let response = ui.add(field).accessible_name("Search the prompts");
    let icon = icons::left_in(response.rect, 15.0, 8.0);
    icons::paint(ui.painter(), Icon::Search, icon, Palette::of(ui).text_weak);
    if view.wants_focus.take_if(|id| *id == response.id).is_some() {
        response.request_focus();
    }
    let mut changed = response.changed();
    if !view.search.is_empty() {
        let place = Rect::from_center_size(response.rect.right_center() - vec2(14.0, 0.0), vec2(20.0, 20.0));
        let cross = ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
            sized_icon_button(ui, Icon::Close, "Clear the search", "Clear the search", Look::Plain, place.size())
        });
        if cross.inner.clicked() {
            view.search.clear();
            response.request_focus();
            changed = true;
        }
    }
    if changed {
        out.act(Action::Search(view.search.clone()));
    }
}
