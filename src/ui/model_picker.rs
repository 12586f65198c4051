//! The list in which a model is chosen: a picture, what it is, how large, and whether it fits into memory; a search over it.

use super::get_models::size;
use super::settings_panel::Offers;
use super::settings_window::FolderFor;
use super::state::{Ask, Outbox, ViewState};
use super::theme::{Palette, space};
use crate::geom::Extent;
use crate::session::{Action, Draft, Model};
use egui::{
    Align2, Button, Color32, CornerRadius, FontId, Id, Image, Key, Modifiers, Rect, Response, RichText, Role,
    ScrollArea, Sense, TextEdit, TextStyle, TextWrapMode, Ui, WidgetInfo, WidgetText, pos2, vec2,
};

const WIDTH: f32 = 440.0;
const ROW: f32 = 52.0;
const PICTURE: f32 = 44.0;
/// How high the list grows, and what stands below it.
const LIST: f32 = 320.0;
const FOOTER: f32 = 64.0;
/// From how many models a search is of use.
const MANY: usize = 5;

/// The list, in a box of its own. `extent` is what would be painted with the draft's model.
pub(super) fn model_picker_ui(
    ui: &mut Ui,
    draft: &Draft,
    extent: Extent,
    offers: Offers<'_>,
    view: &mut ViewState,
    out: &mut Outbox,
) {
    ui.set_min_width(WIDTH);
    let is_new = view.model_search.is_none();
    if is_new {
        out.act(Action::LookAtModels);
    }
    let chosen = draft.model.as_str();
    let search = view.model_search.get_or_insert_default();
    let search_id = Id::unique("model search");
    let keys = if ui.memory(|m| m.focused().is_none_or(|id| id == search_id)) { take_keys(ui) } else { (0, false) };
    let mut is_changed = false;
    if offers.models.len() >= MANY {
        let field = TextEdit::singleline(search).hint_text("Search by name or kind").desired_width(WIDTH - 16.0);
        let field = ui.add(field.id(search_id));
        if is_new {
            field.request_focus();
        }
        is_changed = field.changed();
        ui.add_space(space::SMALL);
    }
    let words = search.clone();
    let found: Vec<&Model> = offers.models.iter().filter(|model| holds(model, &words)).collect();
    let usable: Vec<&str> = found.iter().filter(|m| m.problem.is_none()).map(|m| m.name.as_str()).collect();
    if is_new {
        view.model_at = usable.iter().position(|name| *name == chosen).unwrap_or(0);
    } else if is_changed {
        view.model_at = 0;
    }
    let (moved, entered) = keys;
    view.model_at = view.model_at.saturating_add_signed(moved).min(usable.len().saturating_sub(1));
    let marked = usable.get(view.model_at).copied();
    if let (true, Some(name)) = (entered, marked) {
        if name != chosen {
            out.act(Action::ChooseModel(name.to_owned()));
        }
        ui.close();
    }
    let no_model =
        if offers.models.is_empty() { "No model was found." } else { "No model is called or is of a kind like that." };
    if found.is_empty() {
        ui.label(RichText::new(no_model).color(Palette::of(ui).text_weak));
    }
    // What stands below the list must be seen too.
    let room = ui.ctx().content_rect().bottom() - ui.cursor().top() - FOOTER;
    ScrollArea::vertical().max_height(room.clamp(2.0 * ROW, LIST)).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for model in found {
            let (is_chosen, is_marked) = (model.name == chosen, marked == Some(model.name.as_str()));
            // Another model would be painted with at its own size.
            let extent = if is_chosen { extent } else { model.example.extent };
            let needed = model.details.as_ref().map_or(0, |details| details.memory(extent, draft.precision));
            let response = model_ui(ui, model, (is_chosen, is_marked), needed, offers, view);
            if is_marked && (moved != 0 || is_new) {
                response.scroll_to_me(None);
            }
            if response.clicked() {
                if !is_chosen {
                    out.act(Action::ChooseModel(model.name.clone()));
                }
                ui.close();
            }
        }
    });
    ui.separator();
    ui.horizontal(|ui| {
        if ui.add(Button::new("Get models\u{2026}")).clicked() {
            view.repo_text = Some(String::new());
            ui.close();
        }
        if ui.add(Button::new("Add a folder\u{2026}")).clicked() {
            out.ask(Ask::Folder(FolderFor::Models));
            ui.close();
        }
        let hint = RichText::new("or drop yours on the window").text_style(TextStyle::Small);
        ui.label(hint.color(Palette::of(ui).text_weak));
    });
}

/// Whether all the words stand in its name or its kind.
fn holds(model: &Model, words: &str) -> bool {
    let kind = model.details.as_ref().map_or("", |details| details.kind.as_str());
    let about = format!("{} {kind} {}", model.name, model.hash.as_deref().unwrap_or_default()).to_lowercase();
    words.to_lowercase().split_whitespace().all(|word| about.contains(word))
}

/// How many lines the arrows move the mark down, and whether Enter was pressed: taken before the search makes something of them.
fn take_keys(ui: &Ui) -> (isize, bool) {
    ui.input_mut(|input| {
        let mut count = |key| input.count_and_consume_key(Modifiers::NONE, key);
        let (down, up) = (count(Key::ArrowDown), count(Key::ArrowUp));
        (down.cast_signed() - up.cast_signed(), count(Key::Enter) > 0)
    })
}

/// One line of the list, chosen or not, and marked as what Enter would choose or not.
fn model_ui(
    ui: &mut Ui,
    model: &Model,
    (is_chosen, is_marked): (bool, bool),
    needed: u64,
    offers: Offers<'_>,
    view: &mut ViewState,
) -> Response {
    let usable = model.problem.is_none();
    let sense = if usable { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, usable, is_chosen, &model.name));
    if ui.is_rect_visible(rect) {
        let palette = Palette::of(ui);
        let fill = match (is_chosen, is_marked || usable && (response.hovered() || response.has_focus())) {
            (true, _) => palette.selected,
            (false, true) => palette.button_hovered,
            (false, false) => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, CornerRadius::same(6), fill);
        let picture = Rect::from_min_size(rect.min + vec2(4.0, 4.0), vec2(PICTURE, PICTURE));
        picture_ui(ui, picture, model, offers, view);
        let left = picture.right() + 10.0;
        let width = rect.right() - left - 8.0;
        let weak = if usable { palette.text_weak } else { palette.text_weak.gamma_multiply(0.7) };
        let name = if usable { palette.text } else { weak };
        line(ui, pos2(left, rect.top() + 8.0), width, &model.name, 13.5, name);
        let (about, colour) = about(model, needed, offers.memory, palette, weak);
        line(ui, pos2(left, rect.top() + 28.0), width, &about, 11.5, colour);
    }
    let hash = model.hash.as_ref().map_or_else(String::new, |hash| format!(", hash {hash}"));
    response.on_hover_text(model.problem.clone().unwrap_or_else(|| format!("{}{hash}", model.description)))
}

/// What is said below its name, and in which colour.
fn about(model: &Model, needed: u64, free: Option<u64>, palette: &Palette, weak: Color32) -> (String, Color32) {
    let (Some(details), None) = (&model.details, &model.problem) else {
        return (model.problem.clone().unwrap_or_default(), weak);
    };
    let kind = if details.kind.is_empty() { String::new() } else { format!("{} \u{b7} ", details.kind) };
    let text = format!("{kind}{} \u{b7} {} \u{b7} needs {}", size(details.bytes), details.stored, size(needed));
    match free {
        Some(free) if needed > free => (format!("{text} of memory, has {}", size(free)), palette.error),
        _ => (format!("{text} of memory"), weak),
    }
}

/// The picture that is kept with a model, or its first letter.
fn picture_ui(ui: &Ui, rect: Rect, model: &Model, offers: Offers<'_>, view: &mut ViewState) {
    let palette = Palette::of(ui);
    let radius = CornerRadius::same(5);
    if let Some(picture) = offers.previews.get(&model.name) {
        let texture = view.thumbnails.get(ui.ctx(), picture);
        // The middle of it, as a square.
        let size = texture.size_vec2();
        let share = vec2(size.min_elem() / size.x, size.min_elem() / size.y);
        let middle = Rect::from_center_size(pos2(0.5, 0.5), share);
        Image::new((texture.id(), rect.size())).uv(middle).corner_radius(radius).paint_at(ui, rect);
    } else {
        ui.painter().rect_filled(rect, radius, palette.sunken);
        let first = model.name.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, first, FontId::proportional(18.0), palette.text_weak);
    }
}

/// A line of text that ends in dots where there is no more room.
fn line(ui: &Ui, at: egui::Pos2, width: f32, text: &str, size: f32, colour: Color32) {
    let text = WidgetText::from(RichText::new(text).size(size).color(colour));
    let galley = text.into_galley(ui, Some(TextWrapMode::Truncate), width, TextStyle::Body);
    ui.painter().galley(at, galley, colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_words_of_their_name_and_kind() {
        let model = Model::unusable("DreamShaper_8", "", "");
        for (words, is_found) in [("", true), ("dream", true), ("8 SHAPER", true), ("dream xl", false)] {
            assert_eq!(holds(&model, words), is_found, "{words}");
        }
    }
}
