//! The window that lists the keys, straight from the shortcut table.

use super::icons::Icon;
use super::shortcuts::{Group, TABLE, written};
use super::theme::Palette;
use super::widgets::{Look, heading, icon_button};
use egui::{Align, Align2, Context, Grid, Layout, RichText, ScrollArea, Ui, Window, vec2};

/// What the pointer does; the table has only keys.
const POINTER: [(&str, &str); 6] = [
    ("Zoom", "Wheel"),
    ("Move the view", "Space or middle, drag"),
    ("Fit", "Hand, double click"),
    ("Brush size", "Ctrl + wheel"),
    ("Brush shape", "Alt + right drag"),
    ("Straight line", "Shift + click"),
];

/// What stands under one heading.
#[derive(Clone, Copy)]
enum Part {
    Keys(Group),
    Pointer,
}

/// The width of the window from which four columns stand beside each other, in points.
const ROOM_FOR_FOUR: f32 = 1060.0;
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

/// The window, if it is open.
pub(super) fn help_window(ctx: &Context, open: &mut bool) {
    if !*open {
        return;
    }
    let room = ctx.content_rect().size();
    let window = Window::new("Keyboard shortcuts")
        .title_bar(false)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        .resizable(false);
    window.show(ctx, |ui| {
        ui.set_max_width((room.x - 60.0).min(980.0));
        ui.horizontal(|ui| {
            ui.heading("Keyboard and pointer");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close the help", "Close  (Esc)", Look::Plain).clicked() {
                    *open = false;
                }
            });
        });
        ui.add_space(8.0);
        let height = (room.y - 130.0).min(430.0);
        let columns: &[&[Part]] = if room.x < ROOM_FOR_FOUR { &TWO_COLUMNS } else { &FOUR_COLUMNS };
        ScrollArea::both().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = 36.0;
                for column in columns {
                    ui.vertical(|ui| column.iter().for_each(|part| part_ui(ui, *part)));
                }
            });
        });
    });
}

fn part_ui(ui: &mut Ui, part: Part) {
    match part {
        Part::Keys(group) => group_ui(ui, group),
        Part::Pointer => pointer_ui(ui),
    }
}

fn group_ui(ui: &mut Ui, group: Group) {
    let lines = TABLE.iter().filter(|e| e.group == group && !e.keys.is_empty()).map(|entry| {
        let keys: Vec<String> = entry.keys.iter().take(1).map(|key| written(ui.ctx(), key)).collect();
        (entry.name.trim_end_matches('\u{2026}').to_owned(), keys.join(" or "))
    });
    let lines: Vec<_> = lines.collect();
    lines_ui(ui, group.label(), &lines);
}

fn pointer_ui(ui: &mut Ui) {
    lines_ui(ui, "Pointer", &POINTER.map(|(name, how)| (name.to_owned(), how.to_owned())));
}

fn lines_ui(ui: &mut Ui, title: &str, lines: &[(String, String)]) {
    heading(ui, title);
    Grid::new(title).num_columns(2).spacing(vec2(18.0, 5.0)).min_row_height(18.0).show(ui, |ui| {
        for (name, keys) in lines {
            ui.label(name);
            ui.label(RichText::new(keys).color(Palette::of(ui).text_weak));
            ui.end_row();
        }
    });
    ui.add_space(14.0);
}
