//! Asks before a window is closed that keeps nothing of what was painted in it.

use super::perform::save;
use super::state::{Ask, Outbox, ViewState};
use super::theme::Palette;
use crate::session::Session;
use egui::{Align2, Context, Order, RichText, Window, vec2};

/// The question, while it is asked.
pub(super) fn leave_window(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if !view.asks_to_leave {
        return;
    }
    let window = Window::new("Quit").title_bar(false).collapsible(false).resizable(false).order(Order::Foreground);
    window.anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0)).show(ctx, |ui| {
        ui.heading("Quit without saving?");
        let why = "Sfumato is open twice, and only the first window keeps what you paint until the next time.";
        ui.label(RichText::new(why).color(Palette::of(ui).text_weak));
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            if ui.button("Save first").on_hover_text("Enter").clicked() {
                save_first(session, view, out);
            }
            if ui.button("Quit without saving").clicked() {
                view.leaves = true;
                out.ask(Ask::Quit);
            }
            if ui.button("Stay").on_hover_text("Esc").clicked() {
                view.asks_to_leave = false;
            }
        });
    });
}

/// Answers the question: it is saved first. False if it is not asked.
pub(super) fn save_first(session: &Session, view: &mut ViewState, out: &mut Outbox) -> bool {
    let is_asked = std::mem::take(&mut view.asks_to_leave);
    if is_asked {
        save(session, out);
    }
    is_asked
}
