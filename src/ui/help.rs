//! The window that lists the keys, straight from the shortcut table: looked through by words, and where each is bound anew.

use super::icons::Icon;
use super::keys::{self, Keys, name_of};
use super::shortcuts::{Entry, Group, Shortcut, written};
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, heading, icon_button};
use crate::session::Action;
use egui::{
    Align, Align2, Button, Context, Grid, Key, KeyboardShortcut, Layout, Order, RichText, ScrollArea, TextEdit, Ui,
    Window, vec2,
};

/// What the pointer does; the table has only keys.
const POINTER: [(&str, &str); 9] = [
    ("Zoom", "Wheel"),
    ("Move the view", "Space or middle, drag"),
    ("Fit", "Hand, double click"),
    ("Brush size", "Ctrl + wheel"),
    ("Brush shape", "Alt + right drag"),
    ("Line from the last stroke", "Shift + click"),
    ("Stroke along 45\u{b0}", "Shift while drawing"),
    ("Mask: the other way", "Ctrl + mask brush"),
    ("Move on in mid-stroke", "Space"),
];

/// What stands under one heading.
#[derive(Clone, Copy)]
enum Part {
    Keys(Group),
    Pointer,
}

/// The width of the window from which four columns stand beside each other, and how wide four and two of them are, in points.
const ROOM_FOR_FOUR: f32 = 1270.0;
const FOUR_WIDE: f32 = 1240.0;
const TWO_WIDE: f32 = 780.0;
/// How wide the place of a key is at least: all of it can be clicked.
const KEY_CELL: f32 = 84.0;
const FOUR_COLUMNS: [&[Part]; 4] = [
    &[Part::Keys(Group::Paint), Part::Keys(Group::Mask)],
    &[Part::Keys(Group::Tools)],
    &[Part::Keys(Group::View), Part::Keys(Group::File)],
    &[Part::Keys(Group::Results), Part::Pointer],
];
const TWO_COLUMNS: [&[Part]; 2] = [
    &[Part::Keys(Group::Paint), Part::Keys(Group::Tools), Part::Pointer],
    &[Part::Keys(Group::Mask), Part::Keys(Group::Results), Part::Keys(Group::View), Part::Keys(Group::File)],
];

/// The field that looks through the keys.
pub(super) fn search_id() -> egui::Id {
    egui::Id::unique("keys search")
}

/// Binds the key that was pressed, where one is waited for. What something else has is not taken from it unasked.
pub(super) fn take_key(ctx: &Context, view: &mut ViewState, out: &mut Outbox) {
    if !view.help_open {
        (view.binding, view.taking) = (None, None);
    }
    let Some((shortcut, key)) = view.binding.and_then(|shortcut| Some((shortcut, keys::take_pressed(ctx)?))) else {
        return;
    };
    let by_itself = key.modifiers.is_none().then_some(key.logical_key);
    match (view.taking.take(), by_itself) {
        (_, Some(Key::Escape)) => view.binding = None,
        (_, Some(Key::Backspace)) => {
            view.binding = None;
            out.act(Action::BindKeys(name_of(shortcut), Some(Vec::new())));
        }
        (Some(asked), Some(Key::Enter)) => bind(ctx, shortcut, asked, view, out),
        _ if keys::now(ctx).holders(key, shortcut).next().is_some() => view.taking = Some(key),
        _ => bind(ctx, shortcut, key, view, out),
    }
}

/// Lets a key do this, and nothing else.
fn bind(ctx: &Context, shortcut: Shortcut, key: KeyboardShortcut, view: &mut ViewState, out: &mut Outbox) {
    (view.binding, view.taking) = (None, None);
    for (name, keys) in keys::now(ctx).binding(shortcut, key) {
        out.act(Action::BindKeys(name, Some(keys)));
    }
}

/// The window, if it is open.
pub(super) fn help_window(ctx: &Context, view: &mut ViewState, out: &mut Outbox) {
    if !view.help_open {
        return;
    }
    let room = ctx.content_rect().size();
    let window = Window::new("Keyboard shortcuts")
        .title_bar(false)
        .order(Order::Foreground)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        .resizable(false);
    window.show(ctx, |ui| {
        let (columns, wide): (&[&[Part]], f32) =
            if room.x < ROOM_FOR_FOUR { (&TWO_COLUMNS, TWO_WIDE) } else { (&FOUR_COLUMNS, FOUR_WIDE) };
        ui.set_width((room.x - 60.0).min(wide));
        head_ui(ui, view, out);
        ui.add_space(8.0);
        let height = (room.y - 150.0).min(470.0);
        let keys = keys::now(ui.ctx());
        ScrollArea::both().max_height(height).min_scrolled_height(height).auto_shrink([false, false]).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                for column in columns {
                    let lines = ui.vertical(|ui| column.iter().for_each(|part| part_ui(ui, *part, &keys, view)));
                    // One in which nothing is found takes no room.
                    if lines.response.rect.width() > 0.0 {
                        ui.add_space(26.0);
                    }
                }
            });
        });
    });
}

/// The title, the search, and what to press while a key is waited for.
fn head_ui(ui: &mut Ui, view: &mut ViewState, out: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.heading("Keyboard and pointer");
        ui.add_space(12.0);
        let weak = Palette::of(ui).text_weak;
        if let (Some(shortcut), Some(key)) = (view.binding, view.taking) {
            taking_ui(ui, shortcut, key, view, out);
        } else if let Some(shortcut) = view.binding {
            ui.label(format!("Press a key for {}", in_quotes(shortcut.entry().name)));
            ui.label(RichText::new("Esc leaves it as it is, Backspace takes its key away").color(weak));
            let usual = shortcut.entry().keys.first().map_or_else(|| "none".to_owned(), |key| written(ui.ctx(), key));
            let is_bound = keys::now(ui.ctx()).is_bound(shortcut);
            if is_bound && ui.button(format!("As usual ({usual})")).clicked() {
                out.act(Action::BindKeys(name_of(shortcut), None));
                view.binding = None;
            }
        } else {
            let hint = RichText::new("Search").color(weak);
            let field =
                TextEdit::singleline(&mut view.help_search).id(search_id()).hint_text(hint).desired_width(180.0);
            let response = ui.add(field).accessible_name("Search the keys");
            if view.wants_focus.take_if(|id| *id == response.id).is_some() {
                response.request_focus();
            }
            ui.label(RichText::new("Click a key to bind another").color(weak));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, Icon::Close, "Close the help", "Close  (Esc)", Look::Plain).clicked() {
                view.help_open = false;
            }
        });
    });
}

/// The question whether a key is to be taken from what has it.
fn taking_ui(ui: &mut Ui, shortcut: Shortcut, key: KeyboardShortcut, view: &mut ViewState, out: &mut Outbox) {
    let keys = keys::now(ui.ctx());
    let holders: Vec<_> = keys.holders(key, shortcut).map(|entry| in_quotes(entry.name)).collect();
    let said = format!("{} is {}. Take it?", written(ui.ctx(), &key), holders.join(" and "));
    ui.label(said).on_hover_text(format!("It will be {} then", in_quotes(shortcut.entry().name)));
    if ui.button("Take it").on_hover_text("Enter").clicked() {
        let ctx = ui.ctx().clone();
        bind(&ctx, shortcut, key, view, out);
    }
    if ui.button("No").on_hover_text("Esc").clicked() {
        (view.binding, view.taking) = (None, None);
    }
}

fn in_quotes(name: &str) -> String {
    format!("\u{201c}{}\u{201d}", name.trim_end_matches('\u{2026}'))
}

/// Whether a line has all words that are looked for.
fn is_found(search: &str, texts: [&str; 3]) -> bool {
    let text = texts.join(" ").to_lowercase();
    search.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn part_ui(ui: &mut Ui, part: Part, keys: &Keys, view: &mut ViewState) {
    match part {
        Part::Keys(group) => group_ui(ui, group, keys, view),
        Part::Pointer => {
            let found = POINTER.iter().filter(|(name, how)| is_found(&view.help_search, [name, how, ""]));
            lines_ui(ui, "Pointer", found, |ui, (name, how)| {
                ui.label(*name);
                ui.label(RichText::new(*how).color(Palette::of(ui).text_weak));
            });
        }
    }
}

fn group_ui(ui: &mut Ui, group: Group, keys: &Keys, view: &mut ViewState) {
    let texts = |entry: &'static Entry, keys: &[egui::KeyboardShortcut]| {
        (entry, keys.first().map_or_else(String::new, |key| written(ui.ctx(), key)))
    };
    let lines: Vec<_> = keys
        .lines()
        .filter(|(entry, _)| entry.group == group)
        .map(|(entry, keys)| texts(entry, keys))
        .filter(|(entry, key)| is_found(&view.help_search, [entry.name, entry.about, key]))
        .collect();
    lines_ui(ui, group.label(), lines.iter(), |ui, (entry, key)| {
        let name = entry.name.trim_end_matches('\u{2026}');
        let label = ui.label(name);
        if !entry.about.is_empty() {
            label.on_hover_text(entry.about);
        }
        key_ui(ui, entry.shortcut, entry.is_bindable(), key, keys, view);
    });
}

/// A key, to be clicked and bound anew.
fn key_ui(ui: &mut Ui, shortcut: Shortcut, is_bindable: bool, key: &str, keys: &Keys, view: &mut ViewState) {
    let palette = Palette::of(ui);
    if !is_bindable {
        ui.label(RichText::new("Digits").color(palette.text_weak));
        return;
    }
    let waits = view.binding == Some(shortcut);
    let (text, colour) = match key {
        _ if waits => ("press a key", palette.accent),
        "" => ("\u{2013}", palette.text_weak),
        key if keys.is_bound(shortcut) => (key, palette.accent),
        key => (key, palette.text_weak),
    };
    // Its letter alone would be hard to hit; nothing at its right keeps it at the left of the cell.
    let button = Button::new(RichText::new(text).color(colour)).right_text("").min_size(vec2(KEY_CELL, 0.0));
    let response = ui.add(button.frame_when_inactive(false).small());
    let entry = shortcut.entry();
    response.widget_info(|| {
        let name = entry.name.trim_end_matches('\u{2026}');
        egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Key of {name}: {text}"))
    });
    if response.on_hover_text(format!("Binds another key; in the settings it is {}", name_of(shortcut))).clicked() {
        (view.binding, view.taking) = ((!waits).then_some(shortcut), None);
    }
}

fn lines_ui<'a, T: 'a>(
    ui: &mut Ui,
    title: &str,
    lines: impl Iterator<Item = &'a T>,
    mut line_ui: impl FnMut(&mut Ui, &'a T),
) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    heading(ui, title);
    Grid::new(title).num_columns(2).spacing(vec2(18.0, 5.0)).min_row_height(18.0).show(ui, |ui| {
        for line in lines {
            line_ui(ui, line);
            ui.end_row();
        }
    });
    ui.add_space(14.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_be_there_in_any_order() {
        let texts = ["Merge down", "Makes one layer of two.", "Ctrl+E"];
        assert!(["", "merge", "DOWN merge", "ctrl+e", "layer two"].iter().all(|search| is_found(search, texts)));
        assert!(!is_found("merge up", texts));
    }
}
