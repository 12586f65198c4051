//! A slim bar over the canvas while it shows a result: what that is, and the ways on from it.

use super::compare::{Compare, before};
use super::filmstrip::fit_text;
use super::perform::toggle_compare;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use crate::session::{Action, ResultId, Session};
use egui::{Align2, Area, Button, Frame, Id, Margin, Order, Rect, Response, RichText, Stroke, TextStyle, Ui, vec2};

/// Below this width of the canvas the bar leaves out what it stands over, in points.
const ROOM_FOR_TITLE: f32 = 600.0;

/// What the number says, and what it does not.
const ABOUT_FIT: &str = "How well the picture fits its prompt, as the CLIP sees it: from \u{2212}1 to 1.\n\
    It tells the pictures of one prompt apart; between prompts it says little.";

/// The bar, at the top of the canvas. It has a layer of its own, so that the tools do not paint through it.
pub(super) fn result_bar(
    ui: &Ui,
    canvas: Rect,
    result: ResultId,
    session: &Session,
    view: &mut ViewState,
    out: &mut Outbox,
) {
    bar(ui, "result bar", canvas, |ui| {
        if canvas.width() >= ROOM_FOR_TITLE {
            let fit = session.results.get(result).and_then(|item| item.fit);
            let is_before = matches!(view.compare, Some(Compare::Before(_)));
            let what = if is_before { "What was there" } else { "A result" };
            let title = title(ui, &fit.filter(|_| !is_before).map_or_else(|| what.to_owned(), fit_text));
            if fit.is_some() {
                title.on_hover_text(ABOUT_FIT);
            }
        }
        let button = |ui: &mut Ui, text: &str, shortcut: Shortcut| button(ui, text, shortcut.tooltip(ui.ctx()), true);
        // It puts all layers away, and so it stands far from the middle, where the button was that kept what was painted live.
        if button(ui, "Start from this", Shortcut::StartFromResult) {
            out.act(Action::StartFromResult(result));
        }
        if session.results.get(result).is_some_and(|item| session.can_upscale(item))
            && button(ui, "Upscale", Shortcut::UpscaleResult)
        {
            out.act(Action::Upscale(result));
        }
        if button(ui, "Apply", Shortcut::ApplyResult) {
            out.act(Action::ApplyResult(result));
        }
        if button(ui, "Use its settings", Shortcut::RecallResult) {
            out.act(Action::Recall(result));
        }
        if before(session).is_some() {
            let is_on = matches!(view.compare, Some(Compare::Split(_)));
            let compare = small("Compare").selected(is_on).frame_when_inactive(is_on);
            if ui.add(compare).on_hover_text(Shortcut::Compare.tooltip(ui.ctx())).clicked() {
                toggle_compare(view);
            }
        }
        if session.document.has_picture() && button(ui, "Back", Shortcut::HideResult) {
            out.act(Action::HideResult);
        }
    });
}

/// The bar while the canvas is painted live: what was painted can be kept once it is finished.
pub(super) fn live_bar(ui: &Ui, canvas: Rect, is_finished: bool, out: &mut Outbox) {
    bar(ui, "live bar", canvas, |ui| {
        title(ui, "Live");
        if button(ui, "Keep", "Keeps this picture as a result, to apply it or go on from it".into(), is_finished) {
            out.act(Action::KeepLive);
        }
        if button(ui, "End", Shortcut::Live.tooltip(ui.ctx()), true) {
            out.act(Action::SetLive(false));
        }
    });
}

pub(super) fn bar(ui: &Ui, name: &str, canvas: Rect, contents: impl FnOnce(&mut Ui)) {
    let palette = Palette::of(ui);
    let area = Area::new(Id::unique(name))
        .order(Order::Middle)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(canvas.center_top() + vec2(0.0, 6.0))
        .constrain_to(canvas)
        .fade_in(false);
    let margin = Margin::symmetric(6, 2);
    let frame = Frame::new()
        .fill(palette.panel)
        .stroke(Stroke::new(1.0, palette.field_line))
        .inner_margin(margin)
        .corner_radius(7);
    area.show(ui.ctx(), |ui| {
        frame.show(ui, |ui| {
            // What has no room beside the others goes under them.
            ui.set_max_width(canvas.width() - margin.sum().x - 4.0);
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = vec2(2.0, 0.0);
                contents(ui);
            });
        });
    });
}

fn title(ui: &mut Ui, text: &str) -> Response {
    ui.add_space(4.0);
    let text = RichText::new(text).text_style(TextStyle::Small).color(Palette::of(ui).text_weak);
    let title = ui.label(text);
    ui.add_space(4.0);
    title
}

fn button(ui: &mut Ui, text: &str, tooltip: String, enabled: bool) -> bool {
    ui.add_enabled(enabled, small(text)).on_hover_text(tooltip).clicked()
}

fn small(text: &str) -> Button<'static> {
    let text = RichText::new(text).text_style(TextStyle::Small);
    Button::new(text).frame_when_inactive(false).min_size(vec2(0.0, 22.0))
}
