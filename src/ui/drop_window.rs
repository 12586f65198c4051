//! What pictures that were dropped on a document are to be: asked by labelled fields over the canvas.

use super::icons::{self, Icon};
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use crate::session::{Action, Session};
use egui::{
    Align2, Context, CornerRadius, Order, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, Window, vec2,
};
use std::path::{Path, PathBuf};

/// What a picture can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Layer,
    Start,
    Mask,
    Guide,
    Settings,
}

const USES: [(Use, Icon, &str, &str); 5] = [
    (Use::Layer, Icon::Plus, "Layer", "Over the others, in the middle  (Enter)"),
    (Use::Start, Icon::Picture, "Start from it", "In the place of all layers"),
    (Use::Mask, Icon::QuickMask, "Mask", "White is painted anew, black is kept"),
    (Use::Guide, Icon::Line, "Guide", "Its lines decide the shapes"),
    (Use::Settings, Icon::Recall, "Settings", "Only how it was made"),
];
const FIELD: egui::Vec2 = vec2(104.0, 84.0);

/// Takes in files that were dropped: models are used, and a picture is started from where there is no document. Else it is asked what
/// they are.
pub fn take_dropped(dropped: Vec<PathBuf>, session: &Session, view: &mut ViewState) -> Vec<Action> {
    let (models, files): (Vec<_>, Vec<_>) = dropped.into_iter().partition(|path| is_model(path));
    let (documents, pictures): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_document(path));
    let mut actions: Vec<_> = models.into_iter().map(Action::AddModel).collect();
    if !(documents.is_empty() && pictures.is_empty()) {
        view.gallery_open = false;
    }
    let has_document = session.document.has_picture() || !documents.is_empty();
    // One document is open at a time.
    actions.extend(documents.into_iter().take(1).map(Action::OpenPicture));
    if has_document {
        view.dropped.extend(pictures);
    } else {
        let mut pictures = pictures.into_iter();
        actions.extend(pictures.next().map(Action::OpenPicture));
        actions.extend(pictures.map(Action::OpenAsLayer));
    }
    actions
}

/// Whether something that was dropped is a model, what goes with models or a folder of them: what pictures and projects are not.
fn is_model(path: &Path) -> bool {
    path.is_dir() || has_ending(path, &["safetensors", "ckpt", "pt", "gguf", "pth", "bin"])
}

fn is_document(path: &Path) -> bool {
    has_ending(path, &["sfumato", "ora"])
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().unwrap_or_default();
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// The fields, while something waits.
pub(super) fn drop_window(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if view.dropped.is_empty() {
        return;
    }
    let (mut closes, mut chosen) = (false, None);
    let title = match view.dropped.as_slice() {
        [one] => one.file_name().map_or_else(|| one.display().to_string(), |name| name.to_string_lossy().into_owned()),
        several => format!("{} pictures", several.len()),
    };
    let window =
        Window::new("What was dropped").title_bar(false).collapsible(false).resizable(false).order(Order::Foreground);
    window.anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0)).show(ctx, |ui| {
        ui.horizontal(|ui| {
            ui.heading(title);
            ui.label(egui::RichText::new("is to be\u{2026}").color(Palette::of(ui).text_weak));
        });
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            for (what, icon, name, about) in USES {
                let is_possible = what != Use::Guide || session.fitting_controlnets().next().is_some();
                if field(ui, icon, name, about, is_possible).clicked() {
                    chosen = Some(what);
                }
            }
        });
        ui.add_space(6.0);
        closes |= ui.button("Cancel").on_hover_text("Esc").clicked();
    });
    if let Some(what) = chosen {
        out.actions.extend(actions(what, std::mem::take(&mut view.dropped)));
    } else if closes {
        view.dropped.clear();
    }
}

/// Makes layers of what waits. False if nothing does.
pub(super) fn take_as_layers(view: &mut ViewState, out: &mut Outbox) -> bool {
    let dropped = std::mem::take(&mut view.dropped);
    let is_any = !dropped.is_empty();
    out.actions.extend(dropped.into_iter().map(Action::OpenAsLayer));
    is_any
}

/// Of several the first is what there can be one of.
fn actions(what: Use, mut paths: Vec<PathBuf>) -> Vec<Action> {
    let as_one = match what {
        Use::Layer => return paths.into_iter().map(Action::OpenAsLayer).collect(),
        Use::Start => Action::OpenPicture,
        Use::Mask => Action::OpenMask,
        Use::Guide => Action::OpenGuide,
        Use::Settings => Action::ReadSettings,
    };
    let mut actions = vec![as_one(paths.remove(0))];
    if what == Use::Start {
        actions.extend(paths.into_iter().map(Action::OpenAsLayer));
    }
    actions
}

fn field(ui: &mut Ui, icon: Icon, name: &str, about: &str, is_possible: bool) -> Response {
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(FIELD, if is_possible { Sense::click() } else { Sense::hover() });
    response.widget_info(|| WidgetInfo::labeled(Role::Button, is_possible, name));
    let is_hot = is_possible && (response.hovered() || response.has_focus());
    let (fill, line) =
        if is_hot { (palette.button_hovered, palette.accent) } else { (palette.button, palette.field_line) };
    ui.painter().rect(rect, CornerRadius::same(8), fill, Stroke::new(1.0, line), StrokeKind::Inside);
    let colour = if is_possible { palette.text } else { palette.text_weak.gamma_multiply(0.5) };
    let middle = rect.center();
    icons::paint(ui.painter(), icon, Rect::from_center_size(middle - vec2(0.0, 14.0), vec2(26.0, 26.0)), colour);
    super::widgets::painted_text(ui, middle + vec2(0.0, 22.0), Align2::CENTER_CENTER, name, 13.0, colour);
    response.on_hover_text(about)
}
