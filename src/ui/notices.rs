//! What the person should know, as calm bars over the canvas: what happened, what can be done, and a cross to take it away.

use super::icons::{self, Icon};
use super::state::Outbox;
use super::theme::Palette;
use super::widgets::{Look, sized_icon_button};
use crate::session::{Action, Notice, NoticeKind, Notices, Offer};
use egui::{Align2, Area, Frame, Id, Label, Margin, Order, Rect, Stroke, Ui, vec2};
use std::time::Instant;

/// The most bars that are shown at once; the newest come first.
const MOST: usize = 3;

/// How far the bars over the canvas stand from its edges, and how wide they are at most, in points.
const MARGIN: f32 = 10.0;
const WIDTH: f32 = 680.0;
/// The width from which what can be done stands beside what is said, in points; below, it would leave a column of single words.
const ROOM_FOR_OFFERS: f32 = 480.0;

/// The bars over the canvas, which does not give way: it must not move while somebody paints on it. How much of its height they cover.
pub(super) fn notices_over(ui: &Ui, canvas: Rect, notices: &Notices, out: &mut Outbox) -> f32 {
    if notices.is_empty() {
        return 0.0;
    }
    let area = Area::new(Id::unique("notices"))
        .order(Order::Middle)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(canvas.center_top() + vec2(0.0, MARGIN))
        .constrain_to(canvas)
        .fade_in(false);
    let shown = area.show(ui.ctx(), |ui| {
        ui.set_width((canvas.width() - 2.0 * MARGIN).min(WIDTH));
        notices_ui(ui, notices, out);
    });
    shown.response.rect.bottom() - canvas.top()
}

/// The bars.
pub(super) fn notices_ui(ui: &mut Ui, notices: &Notices, out: &mut Outbox) {
    if let Some(at) = notices.next_leaves_at() {
        ui.ctx().request_repaint_after(at.saturating_duration_since(Instant::now()));
    }
    let count = notices.iter().len();
    for notice in notices.iter().rev().take(MOST) {
        notice_ui(ui, notice, out);
    }
    if count > MOST {
        let weak = egui::RichText::new(format!("{} more", count - MOST)).color(Palette::of(ui).text_weak);
        ui.label(weak);
    }
}

fn notice_ui(ui: &mut Ui, notice: &Notice, out: &mut Outbox) {
    let palette = Palette::of(ui);
    let (fill, icon, colour) = match notice.kind {
        NoticeKind::Error => (palette.error_fill, Icon::Warning, palette.error),
        NoticeKind::Info => (palette.info_fill, Icon::Info, palette.text_weak),
    };
    let frame = Frame::new()
        .fill(fill)
        .stroke(Stroke::new(1.0, palette.field_line))
        .inner_margin(Margin::symmetric(12, 7))
        .corner_radius(8);
    frame.show(ui, |ui| {
        let stands_below = !notice.offers.is_empty() && ui.available_width() < ROOM_FOR_OFFERS;
        let left = |ui: &mut Ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(18.0, 24.0), egui::Sense::hover());
            icons::paint(ui.painter(), icon, Rect::from_center_size(rect.center(), vec2(17.0, 17.0)), colour);
            ui.add(Label::new(sentence(&notice.text)).wrap());
        };
        let right = |ui: &mut Ui| {
            let cross = sized_icon_button(ui, Icon::Close, "Dismiss", "Dismiss", Look::Plain, vec2(24.0, 24.0));
            if cross.clicked() {
                out.act(Action::Dismiss(notice.id));
            }
            if !stands_below {
                notice.offers.iter().rev().for_each(|offer| offer_ui(ui, notice, offer, out));
            }
        };
        egui::Sides::new().shrink_left().show(ui, left, right);
        if stands_below {
            ui.horizontal_wrapped(|ui| notice.offers.iter().for_each(|offer| offer_ui(ui, notice, offer, out)));
        }
    });
}

fn offer_ui(ui: &mut Ui, notice: &Notice, offer: &Offer, out: &mut Outbox) {
    if ui.button(offer.label.as_str()).clicked() {
        out.act(offer.action.clone());
        out.act(Action::Dismiss(notice.id));
    }
}

/// Errors are written in lower case to be joined; here they stand alone. The name of a file or a model is another one in capitals.
fn sentence(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default().trim_end_matches(['.', ',', ':', ';', '!', '?']);
    let is_name = first.contains(|c: char| c.is_ascii_digit() || matches!(c, '.' | '/' | '\\' | '_'));
    let mut chars = text.chars();
    let first = chars.next().map(|first| if is_name { first.to_string() } else { first.to_uppercase().collect() });
    let mut sentence: String = first.into_iter().chain([chars.collect()]).collect();
    if !sentence.ends_with(['.', '!', '?', '\u{2026}']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_a_sentence() {
        assert_eq!(sentence("the disk is full"), "The disk is full.");
        assert_eq!(sentence("Try again?"), "Try again?");
        assert_eq!(sentence("upscaled: it is larger"), "Upscaled: it is larger.");
        for name in ["a1111.png", "stable-diffusion-v1-5/unet", "my_lora", "bozzetto-4-steps", ".sfumato"] {
            assert_eq!(sentence(&format!("{name} is open")), format!("{name} is open."));
        }
    }
}
