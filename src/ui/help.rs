//! The window that lists the keys, straight from the shortcut table.

use super::shortcuts::{Group, TABLE, written};
use super::theme::Palette;
use super::widgets::heading;
use egui::{Align2, Context, Grid, RichText, ScrollArea, Ui, Window, vec2};

/// What the pointer does; the table has only keys.
const POINTER: [(&str, &str); 6] = [
    ("Zoom", "Wheel"),
    ("Move the view", "Space + drag, or middle button"),
    ("Fit to the window", "Double click with the hand"),
    ("Brush size", "Ctrl + wheel"),
    ("Brush size and hardness", "Alt + secondary drag"),
    ("Straight line from the last stroke", "Shift + click"),
];

/// The window, if it is open.
pub fn help_window(ctx: &Context, open: &mut bool) {
    let room = ctx.content_rect().size();
    Window::new("Keyboard shortcuts")
        .open(open)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ScrollArea::vertical().max_height(room.y - 140.0).show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.spacing_mut().item_spacing.x = 36.0;
                    ui.vertical(|ui| {
                        group_ui(ui, Group::Paint);
                        group_ui(ui, Group::Mask);
                    });
                    ui.vertical(|ui| {
                        group_ui(ui, Group::View);
                        group_ui(ui, Group::Results);
                        group_ui(ui, Group::File);
                    });
                    ui.vertical(pointer_ui);
                });
            });
        });
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
            ui.label(RichText::new(keys).color(Palette::of(ui).accent));
            ui.end_row();
        }
    });
    ui.add_space(14.0);
}
