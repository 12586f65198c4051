//! What was closed without being saved: a menu of it, and a button for the newest where nothing is on the canvas.

use super::state::Outbox;
use super::theme::space;
use crate::session::{Action, Closed, Session, Shown};
use egui::{Button, Ui, vec2};
use std::time::{Duration, SystemTime};

/// The menu within the File menu.
pub(super) fn closed_menu_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    ui.add_enabled_ui(!session.closed.is_empty(), |ui| {
        ui.spacing_mut().button_padding = vec2(8.0, 4.0);
        // As wide as the icons of the other lines.
        let spacer = egui::Atom::custom(egui::IdSalt::new("icon"), vec2(18.0, 14.0));
        ui.menu_button((spacer, "Recently closed"), |ui| {
            for closed in &session.closed {
                let button = Button::new(closed.name.as_str()).shortcut_text(age(closed)).min_size(vec2(260.0, 0.0));
                if ui.add(button).clicked() {
                    out.act(Action::OpenClosed(closed.clone()));
                    ui.close();
                }
            }
        });
    });
}

/// A button that brings the newest back onto an empty canvas, for a day.
pub(super) fn newest_closed_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    const DAY: Duration = Duration::from_hours(24);
    let is_empty = matches!(session.canvas(), Shown::Empty(_));
    let is_new = |closed: &&Closed| is_empty && closed.at.elapsed().is_ok_and(|age| age < DAY);
    let Some(closed) = session.closed.first().filter(is_new) else { return };
    ui.add_space(space::SMALL);
    let text = format!("Go on with \u{201c}{}\u{201d}, closed {}", closed.name, age(closed));
    let about = "It was not saved. File \u{2192} Recently closed has the others.";
    if ui.add(Button::new(text).wrap()).on_hover_text(about).clicked() {
        out.act(Action::OpenClosed(closed.clone()));
    }
}

fn age(closed: &Closed) -> String {
    ago(closed.at, SystemTime::now())
}

fn ago(at: SystemTime, now: SystemTime) -> String {
    let minutes = now.duration_since(at).unwrap_or_default().as_secs() / 60;
    let (count, what) = match minutes {
        0 => return "just now".into(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{count} {what}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn how_long_ago_something_was_is_said_in_words() {
        let after = |seconds| ago(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!([after(0), after(59), after(60)], ["just now", "just now", "1 minute ago"]);
        assert_eq!([after(3599), after(7200)], ["59 minutes ago", "2 hours ago"]);
        assert_eq!([after(86_400), after(300_000)], ["1 day ago", "3 days ago"]);
        assert_eq!(ago(UNIX_EPOCH + Duration::from_secs(9), UNIX_EPOCH), "just now", "a clock may be set back");
    }
}
