//! The bar at the top: menus from the shortcut table, the gallery and the theme; and the window of settings, which it opens.

use super::closed_menu::closed_menu_ui;
use super::icons::{self, Icon};
use super::perform::{is_possible, perform};
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, icon_button, shortcut_button};
use crate::session::{Action, Session};
use crate::settings::Theme;
use egui::{Align, Button, Layout, MenuBar, Rect, RichText, ScrollArea, Ui, vec2};

const FILE: &[Option<Shortcut>] = &[
    Some(Shortcut::NewCanvas),
    Some(Shortcut::OpenPicture),
    Some(Shortcut::OpenAsLayer),
    Some(Shortcut::OpenGuide),
    Some(Shortcut::ClosePicture),
    None,
    Some(Shortcut::SaveProject),
    Some(Shortcut::SaveProjectAs),
    Some(Shortcut::SavePicture),
    None,
    Some(Shortcut::GetModels),
    Some(Shortcut::Settings),
    None,
    Some(Shortcut::Quit),
];
const EDIT: &[Option<Shortcut>] = &[
    Some(Shortcut::Undo),
    Some(Shortcut::Redo),
    None,
    Some(Shortcut::Cut),
    Some(Shortcut::CopyPicture),
    Some(Shortcut::Paste),
    None,
    Some(Shortcut::SwapColours),
    None,
    Some(Shortcut::Live),
    Some(Shortcut::RollSeed),
    Some(Shortcut::OlderPrompt),
    Some(Shortcut::NewerPrompt),
];
const LAYER: &[Option<Shortcut>] = &[
    Some(Shortcut::NewLayer),
    Some(Shortcut::MergeDown),
    Some(Shortcut::MergeVisible),
    None,
    Some(Shortcut::FillLayer),
    Some(Shortcut::ClearLayer),
    None,
    Some(Shortcut::Transform),
    Some(Shortcut::FlipSideways),
    Some(Shortcut::FlipUpsideDown),
];
const MASK: &[Option<Shortcut>] = &[
    Some(Shortcut::MaskAll),
    Some(Shortcut::ClearMask),
    Some(Shortcut::InvertMask),
    Some(Shortcut::QuickMask),
    None,
    Some(Shortcut::BoundsOfMask),
    Some(Shortcut::WholeCanvas),
    None,
    Some(Shortcut::OpenMask),
    Some(Shortcut::SaveMask),
];
const CANVAS: &[Option<Shortcut>] = &[Some(Shortcut::Crop), Some(Shortcut::CanvasSize), Some(Shortcut::PictureSize)];
const RESULT: &[Option<Shortcut>] = &[
    Some(Shortcut::ApplyResult),
    Some(Shortcut::StartFromResult),
    Some(Shortcut::RecallResult),
    Some(Shortcut::UpscaleResult),
    Some(Shortcut::GuideByResult),
    Some(Shortcut::FindAlike),
    Some(Shortcut::BestFitting),
    Some(Shortcut::CopySeed),
    Some(Shortcut::RevealResult),
    None,
    Some(Shortcut::NewerResult),
    Some(Shortcut::OlderResult),
    Some(Shortcut::HideResult),
    None,
    Some(Shortcut::DeleteResult),
];
const VIEW: &[Option<Shortcut>] = &[
    Some(Shortcut::Fit),
    Some(Shortcut::FitBounds),
    Some(Shortcut::ActualSize),
    Some(Shortcut::ZoomIn),
    Some(Shortcut::ZoomOut),
    Some(Shortcut::MirrorView),
    None,
    Some(Shortcut::Gallery),
    Some(Shortcut::PictureLayers),
    Some(Shortcut::Panels),
    Some(Shortcut::FullScreen),
];
const MENUS: [(&str, &[Option<Shortcut>]); 7] = [
    ("File", FILE),
    ("Edit", EDIT),
    ("Layer", LAYER),
    ("Mask", MASK),
    ("Canvas", CANVAS),
    ("Result", RESULT),
    ("View", VIEW),
];

/// The bar at the top.
pub(super) fn menu_bar_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    MenuBar::new().ui(ui, |ui| {
        ui.label(RichText::new("Sfumato").size(15.5).color(Palette::of(ui).accent));
        ui.add_space(8.0);
        // What is under the bar, without the margins of a menu: one that is higher scrolls.
        let room = ui.ctx().content_rect().bottom() - ui.min_rect().bottom() - 28.0;
        for (name, items) in MENUS {
            ui.menu_button(name, |ui| {
                ScrollArea::vertical().max_height(room).min_scrolled_height(room).show(ui, |ui| {
                    items_ui(ui, items, session, view, out);
                });
            });
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if shortcut_button(ui, Shortcut::Help, Look::selected_if(view.help_open)).clicked() {
                view.toggle_help();
            }
            theme_button(ui, session.settings.theme, out);
            if shortcut_button(ui, Shortcut::Panels, Look::selected_if(view.panels_hidden)).clicked() {
                view.panels_hidden = !view.panels_hidden;
            }
            if shortcut_button(ui, Shortcut::Gallery, Look::selected_if(view.gallery_open)).clicked() {
                let ctx = ui.ctx().clone();
                perform(&ctx, Shortcut::Gallery, session, view, out);
            }
        });
    });
}

/// The lines of a menu.
fn items_ui(ui: &mut Ui, items: &[Option<Shortcut>], session: &Session, view: &mut ViewState, out: &mut Outbox) {
    for entry in items {
        match entry {
            None => {
                ui.separator();
            }
            Some(shortcut) => {
                let ctx = ui.ctx().clone();
                item(ui, *shortcut, is_possible(*shortcut, session), || {
                    perform(&ctx, *shortcut, session, view, out);
                });
                if *shortcut == Shortcut::ClosePicture {
                    closed_menu_ui(ui, session, out);
                }
            }
        }
    }
}

fn theme_button(ui: &mut Ui, theme: Theme, out: &mut Outbox) {
    let (icon, name, next) = match theme {
        Theme::System => (Icon::HalfSun, "Theme: as the system", Theme::Light),
        Theme::Light => (Icon::Sun, "Theme: light", Theme::Dark),
        Theme::Dark => (Icon::Moon, "Theme: dark", Theme::System),
    };
    if icon_button(ui, icon, name, format!("{name}\nClick for the next."), Look::Plain).clicked() {
        out.act(Action::SetTheme(next));
    }
}

/// A menu item for a line of the shortcut table: icon, name, key.
pub(super) fn item(ui: &mut Ui, shortcut: Shortcut, enabled: bool, act: impl FnOnce()) {
    let entry = shortcut.entry();
    let key = shortcut.key_text(ui.ctx());
    let inset = 26.0;
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding = vec2(8.0, 4.0);
            let spacer = egui::Atom::custom(egui::IdSalt::new("icon"), vec2(inset - 8.0, 14.0));
            let button = Button::new((spacer, entry.name)).shortcut_text(key).min_size(vec2(220.0, 0.0));
            ui.add_enabled(enabled, button)
        })
        .inner;
    if let Some(icon) = entry.icon {
        let colour = if enabled { Palette::of(ui).text_weak } else { Palette::of(ui).text_weak.gamma_multiply(0.5) };
        let left = Rect::from_center_size(response.rect.left_center() + vec2(16.0, 0.0), vec2(15.0, 15.0));
        icons::paint(ui.painter(), icon, left, colour);
    }
    let response = if entry.about.is_empty() { response } else { response.on_hover_text(entry.about) };
    if response.clicked() {
        act();
        ui.close();
    }
}
