//! Asks before the program ends where something would be lost with it, and says what.

use super::perform::save;
use super::shortcuts::{self, Shortcut};
use super::state::{Ask, Outbox, ViewState};
use super::theme::Palette;
use crate::session::{Action, Loss, Session};
use egui::{Context, Event, Id, Key, Modal, RichText};

const WIDTH: f32 = 440.0;

/// The question, while it is asked: nothing can be done beside it. Once nothing would be lost any more it is answered.
pub(super) fn leave_window(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if !view.asks_to_leave {
        return;
    }
    let losses = session.losses();
    let Some(&first) = losses.first() else {
        leave(view, out);
        return;
    };
    Modal::new(Id::unique("leave")).show(ctx, |ui| {
        ui.set_width(WIDTH.min(ctx.content_rect().width() - 60.0));
        let (heading, quit) = question(&losses);
        ui.heading(heading);
        let weak = Palette::of(ui).text_weak;
        for &loss in &losses {
            ui.label(RichText::new(in_words(loss, session)).color(weak));
        }
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            if let Some(remedy) = remedy(first)
                && ui.button(remedy).on_hover_text("Enter").clicked()
            {
                keep(first, session, view, out);
            }
            if ui.button(quit).clicked() {
                leave(view, out);
            }
            if ui.button("Stay").on_hover_text("Esc").clicked() {
                view.asks_to_leave = false;
            }
        });
    });
}

/// The keys of a frame while it is asked: those that answer. All others do nothing.
pub(super) fn take_keys(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let (mut stays, mut keeps) = (false, false);
    let answers = |key: Key, answer: &mut bool| {
        shortcuts::take_plain(ctx, key, || {
            *answer = true;
            true
        });
    };
    answers(Key::Escape, &mut stays);
    answers(Key::Enter, &mut keeps);
    keeps |= shortcuts::pressed(ctx, view.gallery_open, false).contains(&Shortcut::SaveProject);
    // It takes corners back.
    ctx.input_mut(|input| input.events.retain(|event| !matches!(event, Event::Key { key: Key::Backspace, .. })));
    view.asks_to_leave &= !stays;
    if let Some(&first) = session.losses().first().filter(|_| keeps && !stays) {
        keep(first, session, view, out);
    }
}

fn leave(view: &mut ViewState, out: &mut Outbox) {
    view.asks_to_leave = false;
    view.leaves = true;
    out.ask(Ask::Quit);
}

/// What is asked, and what the button that quits is called. What is on its way to the disk gets there before the program ends, if it can.
fn question(losses: &[Loss]) -> (&'static str, &'static str) {
    if losses.iter().all(|loss| *loss == Loss::OnItsWay) {
        ("A moment: not all is put away yet", "Quit all the same")
    } else {
        ("Quit without saving?", "Quit without saving")
    }
}

fn in_words(loss: Loss, session: &Session) -> String {
    let said = match loss {
        Loss::Document => {
            "There is more on the canvas than was saved. This window was opened beside another one, and keeps nothing for the next start."
        }
        Loss::Replaced { .. } => {
            "What another picture took the place of is in no file, and not under Recently closed either."
        }
        Loss::OnItsWay => "What another picture took the place of is still being put away.",
        Loss::Result(id) => {
            let prompt = session.results.get(id).map_or("", |item| item.prompt.as_str());
            return format!(
                "\u{201c}{}\u{201d} is painted, and lives in memory only.",
                prompt.chars().take(40).collect::<String>()
            );
        }
        Loss::Queue => "What is still being painted, or waits for it, will not be.",
    };
    said.to_owned()
}

/// What the button that keeps it is called, if there is a way.
fn remedy(loss: Loss) -> Option<&'static str> {
    match loss {
        Loss::Document => Some("Save first"),
        Loss::Replaced { by } => by.map(|_| "Bring it back"),
        Loss::Result(_) => Some("Save it as \u{2026}"),
        // The first answers itself.
        Loss::OnItsWay | Loss::Queue => None,
    }
}

/// Answers the question: this is kept first, if there is a way.
fn keep(loss: Loss, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    match loss {
        Loss::Document => save(session, out),
        Loss::Replaced { by: Some(opened) } => {
            view.gallery_open = false;
            out.act(Action::BringBack(opened));
        }
        Loss::Result(id) => out.act(Action::AskWhereToSave(id)),
        Loss::Replaced { by: None } | Loss::OnItsWay | Loss::Queue => return,
    }
    view.asks_to_leave = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_what_is_put_away_only_needs_time_nothing_is_said_to_be_lost() {
        let replaced = Loss::Replaced { by: None };
        assert_eq!(question(&[Loss::OnItsWay]).1, "Quit all the same");
        for losses in [&[replaced][..], &[replaced, Loss::OnItsWay], &[Loss::OnItsWay, Loss::Queue]] {
            assert_eq!(question(losses), ("Quit without saving?", "Quit without saving"));
        }
    }
}
