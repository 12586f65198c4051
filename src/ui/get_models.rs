//! The window in which models are downloaded: those that one could begin with, any other by its name on the hub, and how far each is.

use super::icons::Icon;
use super::state::{Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{Look, heading, icon_button};
use crate::checkpoints::download::{Repo, STARTERS, Starter, Wanted};
use crate::session::{Action, Download, FailedDownload, Session};
use egui::{
    Align, Align2, Button, Context, Frame, Layout, Margin, ProgressBar, RichText, ScrollArea, TextStyle, Ui, vec2,
};
use egui::{Order, TextEdit, Window};
use std::time::Duration;

const WIDTH: f32 = 560.0;

/// The window, if it is open.
pub(super) fn get_models_window(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let Some(mut text) = view.repo_text.take() else { return };
    let mut closes = false;
    let room = ctx.content_rect().size();
    let window = Window::new("Get models")
        .title_bar(false)
        .order(Order::Foreground)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        // What is in it may be as high as that from the first; otherwise it grows by one line with each frame.
        .default_height(room.y)
        .resizable(false);
    window.show(ctx, |ui| {
        ui.set_width((room.x - 60.0).min(WIDTH));
        ui.horizontal(|ui| {
            ui.heading("Get models");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close the models", "Close  (Esc)", Look::Plain).clicked() {
                    closes = true;
                }
            });
        });
        weak(ui, from_where(session));
        ui.add_space(space::SMALL);
        ScrollArea::vertical().max_height((room.y - 240.0).max(120.0)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            let is_starter = |download: &&Download| STARTERS.iter().any(|starter| starter.repo == download.repo);
            for download in session.downloads.iter().filter(|download| !is_starter(download)) {
                card(ui, |ui| {
                    ui.label(download.repo.as_str());
                    progress_ui(ui, download, out);
                });
            }
            let is_other = |failed: &&FailedDownload| STARTERS.iter().all(|starter| starter.repo != failed.repo);
            for failed in session.failed_downloads.iter().filter(is_other) {
                card(ui, |ui| {
                    ui.label(failed.repo.as_str());
                    error(ui, failed.why.as_str());
                });
            }
            for starter in STARTERS {
                card(ui, |ui| starter_ui(ui, starter, session, out));
            }
        });
        ui.add_space(space::SMALL);
        other_ui(ui, &mut text, out);
    });
    view.repo_text = Some(text).filter(|_| !closes);
}

fn from_where(session: &Session) -> String {
    let hub = session.hub();
    let host = hub.split_once("://").map_or(hub, |(_, host)| host).trim_end_matches('/');
    let memory = session.memory.map_or_else(String::new, |bytes| {
        let whose = if session.on_gpu { "The GPU" } else { "This machine" };
        format!(" {whose} has {} of memory free.", size(bytes).replace(' ', "\u{a0}"))
    });
    format!("From {host}. Nothing is sent or downloaded before you press a button.{memory}")
}

fn error(ui: &mut Ui, text: impl Into<String>) {
    let text = RichText::new(text).text_style(TextStyle::Small).color(Palette::of(ui).error);
    ui.add(egui::Label::new(text).wrap());
}

fn card(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let frame = Frame::new().fill(Palette::of(ui).panel).corner_radius(8).inner_margin(Margin::symmetric(12, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 3.0;
        add(ui);
    });
    ui.add_space(space::SMALL);
}

fn starter_ui(ui: &mut Ui, starter: &Starter, session: &Session, out: &mut Outbox) {
    let download = session.downloads.iter().find(|download| download.repo == starter.repo);
    ui.horizontal(|ui| {
        ui.label(RichText::new(starter.name).strong());
        if download.is_none() {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let button = ui.add(Button::new("Get").min_size(vec2(64.0, 26.0)));
                let name = format!("Get {}", starter.name);
                button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                if let (true, Ok(repo)) = (button.on_hover_text(starter.repo).clicked(), Repo::parse(starter.repo)) {
                    out.act(Action::GetModel(Wanted::pipeline(repo)));
                }
            });
        }
    });
    weak(ui, format!("{}, {} \u{d7} {} pixels.", starter.about, starter.extent.width, starter.extent.height));
    if let Some(download) = download {
        return progress_ui(ui, download, out);
    }
    if let Some(failed) = session.failed_downloads.iter().find(|failed| failed.repo == starter.repo) {
        error(ui, failed.why.as_str());
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        weak(ui, format!("{} to download \u{b7} {} \u{b7}", size(starter.bytes()), starter.licence));
        let needs = format!("needs {} of memory", size(starter.memory(session.on_gpu)));
        if session.memory.is_some_and(|memory| memory < starter.memory(session.on_gpu)) {
            error(ui, format!("{needs}: more than is free"));
        } else {
            weak(ui, needs);
        }
    });
}

/// How far it is, and a button to stop it.
fn progress_ui(ui: &mut Ui, download: &Download, out: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let can_stop = !download.is_cancelled;
            if ui.add_enabled(can_stop, Button::new("Cancel").min_size(vec2(64.0, 26.0))).clicked() {
                out.act(Action::CancelDownload(download.repo.clone()));
            }
            let share = download.progress.as_ref().map_or(0.0, |of| of.bytes as f32 / of.total.max(1) as f32);
            let fill = Palette::of(ui).accent;
            ui.add(ProgressBar::new(share).desired_height(8.0).desired_width(ui.available_width()).fill(fill));
        });
    });
    weak(ui, how_far(download));
}

/// How far a download is, in words.
pub(super) fn how_far(download: &Download) -> String {
    match &download.progress {
        _ if download.is_cancelled => "Stopping\u{2026}".to_owned(),
        None => "Waiting\u{2026}".to_owned(),
        Some(progress) => {
            let megabytes = |bytes: u64| bytes / 1_000_000;
            let left = download.remaining().map_or_else(String::new, |left| format!(", {} left", in_words(left)));
            format!("{} of {} MB{left} \u{b7} {}", megabytes(progress.bytes), megabytes(progress.total), progress.file)
        }
    }
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{} s", seconds.max(1)),
        seconds @ 60..5400 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// Any other model, by its name on the hub.
fn other_ui(ui: &mut Ui, text: &mut String, out: &mut Outbox) {
    heading(ui, "Another model in the layout of diffusers");
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let repo = Repo::parse(text.trim());
            let button = ui.add_enabled(repo.is_ok(), Button::new("Get").min_size(vec2(64.0, space::FIELD)));
            let field = TextEdit::singleline(text).hint_text("ORG/NAME").desired_width(ui.available_width());
            let field = ui.add(field);
            let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if let (true, Ok(repo)) = (button.clicked() || entered, repo) {
                text.clear();
                out.act(Action::GetModel(Wanted::pipeline(repo)));
            }
        });
    });
}

fn weak(ui: &mut Ui, text: impl Into<String>) {
    let text = RichText::new(text.into()).text_style(TextStyle::Small).color(Palette::of(ui).text_weak);
    ui.add(egui::Label::new(text).wrap());
}

/// So many bytes, in the unit that people count them in.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{} MB", bytes.div_ceil(1_000_000))
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_people_wait_in() {
        let words = [0, 59, 61, 3600, 7201].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(words, ["1 s", "59 s", "2 min", "60 min", "3 h"]);
    }
}
