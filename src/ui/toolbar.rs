//! The tools, at the left edge: those that paint, those that transform, those that mask.

use super::shortcuts::Shortcut;
use super::state::Outbox;
use super::theme::{self, Palette};
use super::widgets::{Look, shortcut_button};
use crate::paint::Tool;
use crate::session::{Action, Session};
use egui::{Ui, vec2};

const GAP: f32 = 3.0;
const MARGIN: f32 = 6.0;
const BETWEEN_GROUPS: f32 = 11.0;

const GROUPS: [&[(Shortcut, Tool)]; 4] = [
    &[(Shortcut::Hand, Tool::Hand), (Shortcut::Bounds, Tool::Bounds)],
    &[
        (Shortcut::Brush, Tool::Brush),
        (Shortcut::Eraser, Tool::Eraser),
        (Shortcut::Smudge, Tool::Smudge),
        (Shortcut::Line, Tool::Line),
        (Shortcut::Gradient, Tool::Gradient),
        (Shortcut::Bucket, Tool::Bucket),
        (Shortcut::Eyedropper, Tool::Eyedropper),
    ],
    &[(Shortcut::Transform, Tool::Transform), (Shortcut::Crop, Tool::Crop)],
    &[
        (Shortcut::MaskBrush, Tool::MaskBrush),
        (Shortcut::MaskEraser, Tool::MaskEraser),
        (Shortcut::MaskRectangle, Tool::MaskRectangle),
        (Shortcut::MaskEllipse, Tool::MaskEllipse),
        (Shortcut::MaskLasso, Tool::MaskLasso),
        (Shortcut::MaskPolygon, Tool::MaskPolygon),
        (Shortcut::MaskWand, Tool::MaskWand),
    ],
];

/// How many columns it takes where it is this high, in points.
fn columns(height: f32) -> usize {
    let high = |columns: usize| {
        let rows: usize = GROUPS.iter().map(|group| group.len().div_ceil(columns)).sum();
        rows as f32 * (theme::ICON_BUTTON.y + GAP) + BETWEEN_GROUPS * (GROUPS.len() - 1) as f32 + 2.0 * MARGIN
    };
    (1..4).find(|&columns| high(columns) <= height).unwrap_or(4)
}

/// Its width where it is this high, in points.
pub(super) fn width(height: f32) -> f32 {
    columns(height) as f32 * (theme::ICON_BUTTON.x + GAP) - GAP + 2.0 * MARGIN
}

/// All of them.
pub(super) fn toolbar_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    let columns = columns(ui.available_height() + 2.0 * MARGIN);
    ui.spacing_mut().item_spacing = vec2(GAP, GAP);
    for (index, group) in GROUPS.iter().enumerate() {
        if index > 0 {
            ui.add_space((BETWEEN_GROUPS - GAP) / 2.0);
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), egui::Sense::hover());
            ui.painter().rect_filled(rect.shrink2(vec2(4.0, 0.0)), 0.0, Palette::of(ui).field_line);
            ui.add_space((BETWEEN_GROUPS - GAP) / 2.0 - 1.0);
        }
        for row in group.chunks(columns) {
            ui.horizontal(|ui| {
                for &(shortcut, tool) in row {
                    if shortcut_button(ui, shortcut, Look::selected_if(session.tool == tool)).clicked() {
                        out.act(Action::SetTool(tool));
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_more_columns_where_it_is_lower() {
        assert_eq!((columns(900.0), columns(400.0), columns(10.0)), (1, 2, 4));
        assert!(width(400.0) > width(900.0));
    }
}
