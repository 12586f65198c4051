//! Everything that was made, as a grid in place of the canvas, with a search over the prompts and what the pictures show.

use super::filmstrip::{result_ui, short};
use super::icons::{self, Icon};
use super::state::{Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{Look, icon_button, painted_text, sized_icon_button};
use crate::session::{Action, By, Gathered, ResultItem, Session};
use crate::settings::{Setting, Settings};
use egui::{Align, Align2, Color32, Layout, Margin, Rect, RichText, ScrollArea, Slider, TextEdit, Ui, UiBuilder, vec2};

/// The width of the slider for the size of the pictures, in points.
const SLIDER: f32 = 110.0;
/// Kept free beside it for the button that closes the gallery, in points.
const BESIDE_SLIDER: f32 = 60.0;

/// The id of the search field, so that opening the gallery can focus it.
pub(super) fn search_id() -> egui::Id {
    egui::Id::unique("gallery search")
}

/// However the gallery was closed: the filmstrip lists everything again.
pub(super) fn end_search_with_the_gallery(session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if !view.gallery_open && (!view.search.is_empty() || session.results.gathered.is_some()) {
        view.search.clear();
        out.act(Action::Search(String::new()));
    }
}

/// Tells the session of which results more is to be seen than their thumbnails have, where that has changed.
pub(super) fn see_large(session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let seen = std::mem::take(&mut view.seen_large);
    if seen != session.results.seen_large() {
        out.act(Action::SeeLarge(seen));
    }
}

/// The gallery.
pub(super) fn gallery_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    egui::Frame::new().inner_margin(Margin::symmetric(20, 16)).show(ui, |ui| {
        let place = ui.max_rect();
        ui.horizontal(|ui| {
            ui.heading("Gallery");
            ui.add_space(12.0);
            search_ui(ui, session, view, out);
            ui.add_space(12.0);
            side_ui(ui, place, session, view, out);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close the gallery", "Back to the canvas  (Esc)", Look::Plain).clicked()
                {
                    view.gallery_open = false;
                }
            });
        });
        ui.add_space(space::SMALL);
        let shown_before = out.actions.len();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| match &session.results.gathered {
            Some(gathered @ Gathered { by: By::Like(_) | By::Prompt(_), .. }) => {
                gathered_ui(ui, gathered, session, view, out);
            }
            gathered => {
                found_ui(ui, session, view, out);
                if let Some(gathered) = gathered {
                    besides_ui(ui, gathered, session, view, out);
                }
            }
        });
        // Starting from a picture means working on it: the canvas comes back.
        if out.actions[shown_before..].iter().any(|a| matches!(a, Action::StartFromResult(_))) {
            view.gallery_open = false;
        }
    });
}

/// How large the pictures are, by a slider, where there is room for it, and by the wheel with Ctrl in all of the gallery's `place`. It is
/// kept when it does not change any more.
fn side_ui(ui: &mut Ui, place: Rect, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let (least, most) = (*Settings::GALLERY_SIDE.start() as f32, *Settings::GALLERY_SIDE.end() as f32);
    let mut side = side(session, view);
    let mut changes = false;
    if ui.available_width() >= SLIDER + BESIDE_SLIDER {
        ui.spacing_mut().slider_width = SLIDER;
        let slider = ui.add(Slider::new(&mut side, least..=most).show_value(false));
        let slider = slider.accessible_name("Size of the pictures");
        changes = slider.dragged();
        slider.on_hover_text("How large the pictures are  (Ctrl + wheel)");
    }
    let zoom = if ui.rect_contains_pointer(place) { ui.input(egui::InputState::zoom_delta) } else { 1.0 };
    if (zoom - 1.0).abs() > 1e-6 {
        side = (side * zoom).clamp(least, most);
        changes = true;
        ui.ctx().request_repaint();
    }
    let whole = side.round() as u32;
    let is_kept = whole == session.settings.gallery_side;
    view.gallery_side = (changes || !is_kept).then_some(side);
    if !changes && !is_kept {
        out.act(Action::Set(Setting::GallerySide(whole)));
    }
}

/// The side of the pictures now, in points.
fn side(session: &Session, view: &ViewState) -> f32 {
    view.gallery_side.unwrap_or(session.settings.gallery_side as f32)
}

/// What the search found by its words; without a search, everything.
fn found_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if session.results.found().next().is_none() {
        let words = view.search.trim();
        weak(
            ui,
            &if words.is_empty() {
                "Nothing painted yet.".into()
            } else {
                format!("No prompt holds {}.", quoted(words))
            },
        );
        return;
    }
    grid_ui(ui, session.results.found().map(|item| (item, None)), session, view, out);
    if session.results.has_more && ui.button("Show older ones").clicked() {
        out.act(Action::MoreResults);
    }
}

/// What shows something like the words of the search and does not hold them.
fn besides_ui(ui: &mut Ui, gathered: &Gathered, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let mut besides = session.results.found_besides().peekable();
    if besides.peek().is_none() {
        if gathered.is_loading && session.jobs.running.is_some() {
            ui.add_space(space::GROUP);
            weak(ui, "What looks like it is found when the picture that is being painted is done.");
        }
        return;
    }
    ui.add_space(space::GROUP);
    ui.label(RichText::new("Looks most like it").strong());
    ui.add_space(space::SMALL);
    grid_ui(ui, besides.map(|(item, nearness)| (item, Some(*nearness))), session, view, out);
}

/// What was put together by what it shows, in place of a search.
fn gathered_ui(ui: &mut Ui, gathered: &Gathered, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ui.horizontal(|ui| {
        let title = match &gathered.by {
            By::Prompt(prompt) => format!("{}, the best fitting first", quoted(&short(prompt, 60))),
            By::Like(id) => {
                let prompt = session.results.get(*id).map_or("this one", |item| item.prompt.trim());
                format!("More like {}", quoted(&short(prompt, 60)))
            }
            By::Words(words) => quoted(words),
        };
        ui.label(RichText::new(title).strong());
        let all = icon_button(ui, Icon::Close, "List everything again", "Lists everything again", Look::Plain);
        if all.clicked() {
            out.act(Action::Search(String::new()));
        }
    });
    if gathered.items.is_empty() && !gathered.is_loading {
        weak(ui, "Nothing that was looked at yet; that is done while nothing is painted.");
    }
    ui.add_space(space::SMALL);
    grid_ui(ui, gathered.items.iter().map(|(item, nearness)| (item, Some(*nearness))), session, view, out);
}

/// Results side by side, each with how near it is to what they are listed by.
fn grid_ui<'a>(
    ui: &mut Ui,
    items: impl Iterator<Item = (&'a ResultItem, Option<f32>)>,
    session: &Session,
    view: &mut ViewState,
    out: &mut Outbox,
) {
    let side = side(session, view).round();
    let side_in_pixels = side * ui.ctx().pixels_per_point();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(10.0, 10.0);
        for (item, nearness) in items {
            let response = result_ui(ui, item, side, session, view, out);
            if item.exceeds_thumbnail(side_in_pixels) && ui.is_rect_visible(response.rect) {
                view.seen_large.push(item.id);
            }
            if let Some(nearness) = nearness {
                let chip = Rect::from_min_size(response.rect.right_bottom() - vec2(45.0, 21.0), vec2(40.0, 16.0));
                ui.painter().rect_filled(chip, 4.0, Color32::from_black_alpha(170));
                let text = format!("{nearness:.2}").replace('-', "\u{2212}");
                painted_text(ui, chip.center(), Align2::CENTER_CENTER, &text, 11.0, Color32::WHITE);
            }
            if response.double_clicked() {
                view.gallery_open = false;
            }
        }
    });
}

fn weak(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).color(Palette::of(ui).text_weak));
}

fn quoted(text: &str) -> String {
    format!("\u{201c}{text}\u{201d}")
}

fn search_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let name = if session.can_compare() { "Search prompts and pictures" } else { "Search the prompts" };
    let field = TextEdit::singleline(&mut view.search)
        .id(search_id())
        .hint_text(RichText::new(name).color(Palette::of(ui).text_weak))
        .margin(Margin { left: 28, right: 26, top: 5, bottom: 5 })
        .desired_width(240.0);
    let response = ui.add(field).accessible_name(name);
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
