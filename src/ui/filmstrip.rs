//! The strip under the canvas: what waits, what is being painted, what was made, newest first.

use super::menu;
use super::perform::perform_on_result;
use super::prompt_panel::phase_text;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::painted_text;
use crate::session::{Action, Kept, ResultItem, Running, Session, Waiting};
use egui::{
    Align2, Color32, CornerRadius, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2,
};

/// The side of a thumbnail, in points.
pub(super) const SIDE: f32 = 76.0;

/// The strip.
pub(super) fn filmstrip_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    ScrollArea::horizontal().auto_shrink([false, false]).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            for waiting in session.jobs.waiting.iter().rev() {
                waiting_ui(ui, waiting, out);
            }
            if let Some(running) = &session.jobs.running {
                running_ui(ui, running, view);
            }
            for item in &session.results.items {
                let response = result_ui(ui, item, SIDE, session, view, out);
                if session.results.shown == Some(item.id) && view.scrolled_to != Some(item.id) {
                    response.scroll_to_me(None);
                    view.scrolled_to = Some(item.id);
                }
            }
            if session.results.has_more && ui.button("Older\u{2026}").clicked() {
                out.act(Action::MoreResults);
            }
            let nothing = session.results.items.is_empty() && session.jobs.running.is_none();
            // Of a search that finds nothing the gallery over it tells.
            if nothing && session.jobs.waiting.is_empty() && session.results.search.is_empty() {
                ui.weak("What you paint is kept here.");
            }
        });
    });
}

fn frame(ui: &Ui, rect: Rect, fill: Color32) {
    ui.painter().rect_filled(rect, CornerRadius::same(6), fill);
}

fn waiting_ui(ui: &mut Ui, waiting: &Waiting, out: &mut Outbox) {
    let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::click());
    let name = format!("Waiting: {}", short(&waiting.request.prompt, 60));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let palette = Palette::of(ui);
    frame(ui, rect, palette.sunken);
    ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.0, palette.field_line), StrokeKind::Inside);
    super::icons::paint(
        ui.painter(),
        super::icons::Icon::Clock,
        Rect::from_center_size(rect.center() - vec2(0.0, 8.0), vec2(22.0, 22.0)),
        palette.text_weak,
    );
    painted_text(ui, rect.center() + vec2(0.0, 18.0), Align2::CENTER_CENTER, "Waiting", 11.5, palette.text_weak);
    response.context_menu(|ui| {
        if ui.button("Take out of the queue").clicked() {
            out.act(Action::Cancel(waiting.id));
            ui.close();
        }
        menu::item(ui, Shortcut::ClearQueue, true, || out.act(Action::ClearQueue));
    });
    if response.on_hover_text(format!("{name}\nClick to take it out of the queue.")).clicked() {
        out.act(Action::Cancel(waiting.id));
    }
}

fn running_ui(ui: &mut Ui, running: &Running, view: &mut ViewState) {
    let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::hover());
    let name = format!("Painting: {}", short(&running.request.prompt, 60));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let palette = Palette::of(ui);
    frame(ui, rect, palette.sunken);
    if let Some(preview) = &running.preview {
        let texture = view.thumbnails.get(ui.ctx(), preview);
        let fitted = fitted(rect, running.request.extent.width, running.request.extent.height);
        ui.painter().image(texture.id(), fitted, UV, Color32::WHITE);
    }
    let bar = Rect::from_min_max(rect.left_bottom() + vec2(5.0, -9.0), rect.right_bottom() - vec2(5.0, 5.0));
    ui.painter().rect_filled(bar, 2.0, Color32::from_black_alpha(150));
    let done = Rect::from_min_size(bar.min, vec2(bar.width() * running.progress(), bar.height()));
    ui.painter().rect_filled(done, 2.0, palette.accent);
    ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.0, palette.accent), StrokeKind::Inside);
    response.on_hover_text(format!("{name}\n{}", phase_text(running)));
}

const UV: Rect = Rect { min: egui::Pos2::ZERO, max: egui::Pos2::new(1.0, 1.0) };

/// The largest box of this shape in the middle of `rect`.
fn fitted(rect: Rect, width: u32, height: u32) -> Rect {
    let size = vec2(width.max(1) as f32, height.max(1) as f32);
    let scale = (rect.width() / size.x).min(rect.height() / size.y);
    Rect::from_center_size(rect.center(), size * scale)
}

/// A result as a button: click shows it, the secondary button opens its menu.
pub(super) fn result_ui(
    ui: &mut Ui,
    item: &ResultItem,
    side: f32,
    session: &Session,
    view: &mut ViewState,
    out: &mut Outbox,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    let is_shown = session.results.shown == Some(item.id);
    let prompt = if item.prompt.trim().is_empty() { "no prompt" } else { item.prompt.trim() };
    let name = format!("Result: {}", short(prompt, 60));
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_shown, &name));
    if ui.is_rect_visible(rect) {
        let palette = Palette::of(ui);
        frame(ui, rect, palette.button);
        let large = session.results.large(item.id).filter(|_| side > SIDE);
        if let Some(picture) = large.or(item.thumbnail.as_ref()) {
            let texture = view.thumbnails.get(ui.ctx(), picture);
            let inside = fitted(rect.shrink(2.0), item.extent.width, item.extent.height);
            let image = egui::Image::new((texture.id(), inside.size())).corner_radius(CornerRadius::same(4));
            image.paint_at(ui, inside);
        } else {
            let text = if item.missing { "File is gone" } else { "\u{2026}" };
            painted_text(ui, rect.center(), Align2::CENTER_CENTER, text, 11.5, palette.text_weak);
        }
        if item.partial || item.kept == Kept::InMemory {
            let text = if item.partial { "partial" } else { "not saved" };
            let width = if item.partial { 46.0 } else { 60.0 };
            let chip = Rect::from_min_size(rect.left_bottom() + vec2(5.0, -21.0), vec2(width, 16.0));
            ui.painter().rect_filled(chip, 4.0, Color32::from_black_alpha(170));
            painted_text(ui, chip.center(), Align2::CENTER_CENTER, text, 11.0, Color32::WHITE);
        }
        let stroke = if is_shown {
            Stroke::new(2.0, palette.accent)
        } else if response.hovered() || response.has_focus() {
            Stroke::new(1.5, palette.text_weak)
        } else {
            Stroke::NONE
        };
        ui.painter().rect_stroke(rect, 6.0, stroke, StrokeKind::Inside);
    }
    response.context_menu(|ui| {
        for shortcut in [
            Shortcut::ApplyResult,
            Shortcut::StartFromResult,
            Shortcut::RecallResult,
            Shortcut::UpscaleResult,
            Shortcut::GuideByResult,
            Shortcut::FindAlike,
            Shortcut::BestFitting,
            Shortcut::CopySeed,
            Shortcut::RevealResult,
            Shortcut::DeleteResult,
        ] {
            let ctx = ui.ctx().clone();
            if shortcut == Shortcut::DeleteResult {
                menu::item(ui, Shortcut::SavePicture, true, || {
                    out.act(Action::AskWhereToSave(item.id));
                });
                ui.separator();
            }
            let enabled = match shortcut {
                Shortcut::RevealResult => !item.missing,
                Shortcut::UpscaleResult => session.can_upscale(item),
                Shortcut::GuideByResult => !item.missing && session.fitting_controlnets().next().is_some(),
                Shortcut::FindAlike | Shortcut::BestFitting => session.can_compare(),
                _ => true,
            };
            menu::item(ui, shortcut, enabled, || {
                perform_on_result(&ctx, shortcut, item.id, session, out);
                if shortcut.shows_in_gallery() {
                    view.show_gathered();
                }
            });
        }
    });
    if response.clicked() {
        out.act(Action::Show(item.id));
        view.scrolled_to = Some(item.id);
    }
    response.on_hover_text(about(item, prompt))
}

/// What there is to know of a result at a glance.
fn about(item: &ResultItem, prompt: &str) -> String {
    let fit = item.fit.map(|fit| format!("\n{}", fit_text(fit))).unwrap_or_default();
    let painted_in = match item.painted_in {
        0 => String::new(),
        1 => "\n1 stroke was painted in while it was drawn".to_owned(),
        strokes => format!("\n{strokes} strokes were painted in while it was drawn"),
    };
    let (extent, seed) = (item.extent, item.seed);
    format!("{}\n{} \u{d7} {}, seed {seed}{fit}{painted_in}", short(prompt, 200), extent.width, extent.height)
}

/// How well a result fits its prompt, in words.
pub(super) fn fit_text(fit: f32) -> String {
    format!("Fits its prompt by {fit:.2}").replace('-', "\u{2212}")
}

/// The first `most` characters, on one line.
pub(super) fn short(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most.saturating_sub(1)).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prompt_is_cut_to_one_line() {
        assert_eq!(short("a red\napple", 20), "a red apple");
        assert_eq!(short("a red apple", 6), "a red\u{2026}");
    }
}
