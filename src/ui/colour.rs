//! Choosing a colour: a square of saturation and brightness, a strip of hues, the number as designers write it, and the colours
//! that were painted with. Hue and saturation are those of the stored (gamma) values, as painters know them.

use super::icons::Icon;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, sized_icon_button};
use crate::session::{Action, PaintBox};
use egui::{
    Color32, CornerRadius, Mesh, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};

/// The side of a colour that was painted with, in points.
const USED: f32 = 18.0;

/// Hue 0..6 (red, yellow, green, cyan, blue, magenta), saturation and value 0..1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hsv {
    hue: f32,
    saturation: f32,
    value: f32,
}

impl Hsv {
    /// Of a grey, which has no hue, the hue of `like`; of black, its saturation too.
    fn of(rgb: [u8; 3], like: Self) -> Self {
        let [r, g, b] = rgb.map(|c| f32::from(c) / 255.0);
        let (high, low) = (r.max(g).max(b), r.min(g).min(b));
        let range = high - low;
        if range <= 0.0 {
            let saturation = if high > 0.0 { 0.0 } else { like.saturation };
            return Self { value: high, saturation, ..like };
        }
        let hue = if high <= r {
            ((g - b) / range).rem_euclid(6.0)
        } else if high <= g {
            (b - r) / range + 2.0
        } else {
            (r - g) / range + 4.0
        };
        Self { hue, saturation: range / high, value: high }
    }

    fn rgb(self) -> [u8; 3] {
        let channel = |offset: f32| {
            let place = (self.hue + offset).rem_euclid(6.0);
            let share = place.min(4.0 - place).clamp(0.0, 1.0);
            (self.value * (1.0 - self.saturation * share) * 255.0).round() as u8
        };
        [channel(5.0), channel(3.0), channel(1.0)]
    }
}

/// All of it, in the width that there is.
pub(super) fn colour_ui(ui: &mut Ui, palette: &PaintBox, view: &mut ViewState, out: &mut Outbox) {
    if view.hsv.rgb() != palette.colour {
        view.hsv = Hsv::of(palette.colour, view.hsv);
    }
    let before = view.hsv;
    square_ui(ui, &mut view.hsv);
    ui.add_space(4.0);
    hue_ui(ui, &mut view.hsv);
    if view.hsv != before && view.hsv.rgb() != palette.colour {
        out.act(Action::SetColour(view.hsv.rgb()));
    }
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        swatch_ui(ui, palette.colour, 24.0, "The colour to paint with");
        let other = swatch_ui(ui, palette.other_colour, 18.0, "The other colour");
        let tooltip = Shortcut::SwapColours.tooltip(ui.ctx());
        let swap = sized_icon_button(ui, Icon::Swap, "Swap the colours", tooltip, Look::Plain, vec2(24.0, 24.0));
        if swap.clicked() || other.clicked() {
            out.act(Action::SwapColours);
        }
        number_ui(ui, palette.colour, view, out);
    });
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        if palette.used.is_empty() {
            // Their row is there from the start: the first stroke must not move what stands under it.
            ui.allocate_exact_size(vec2(USED, USED), Sense::hover());
        }
        for &used in &palette.used {
            if swatch_ui(ui, used, USED, &format!("Painted with {}", written(used))).clicked() {
                out.act(Action::SetColour(used));
            }
        }
    });
}

fn square_ui(ui: &mut Ui, hsv: &mut Hsv) {
    const CELLS: usize = 12;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 78.0), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::ColorWell, true, "Saturation and brightness"));
    let at = |x: f32, y: f32| Hsv { saturation: x, value: 1.0 - y, ..*hsv };
    gradient(ui, rect, CELLS, CELLS, |x, y| at(x, y).rgb());
    if let Some(at) = pressed_at(&response) {
        hsv.saturation = ((at.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
        hsv.value = 1.0 - ((at.y - rect.top()) / rect.height()).clamp(0.0, 1.0);
    }
    ui.painter().rect_stroke(rect, 3.0, Stroke::new(1.0, Palette::of(ui).field_line), StrokeKind::Outside);
    ring(ui, rect.min + vec2(hsv.saturation * rect.width(), (1.0 - hsv.value) * rect.height()), hsv.rgb());
}

fn hue_ui(ui: &mut Ui, hsv: &mut Hsv) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 14.0), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::slider(true, f64::from(hsv.hue * 60.0), "Hue"));
    gradient(ui, rect, 12, 1, |x, _| Hsv { hue: x * 6.0, saturation: 1.0, value: 1.0 }.rgb());
    if let Some(at) = pressed_at(&response) {
        hsv.hue = ((at.x - rect.left()) / rect.width()).clamp(0.0, 0.9999) * 6.0;
    }
    ui.painter().rect_stroke(rect, 3.0, Stroke::new(1.0, Palette::of(ui).field_line), StrokeKind::Outside);
    let pure = Hsv { saturation: 1.0, value: 1.0, ..*hsv }.rgb();
    ring(ui, pos2(rect.left() + hsv.hue / 6.0 * rect.width(), rect.center().y), pure);
}

fn pressed_at(response: &Response) -> Option<Pos2> {
    response.interact_pointer_pos().filter(|_| response.is_pointer_button_down_on() || response.clicked())
}

/// A box whose colours run between the corners of its cells.
fn gradient(ui: &Ui, rect: Rect, columns: usize, rows: usize, colour: impl Fn(f32, f32) -> [u8; 3]) {
    let mut mesh = Mesh::default();
    for row in 0..=rows {
        for column in 0..=columns {
            let (x, y) = (column as f32 / columns as f32, row as f32 / rows as f32);
            let [r, g, b] = colour(x, y);
            mesh.colored_vertex(rect.min + vec2(x * rect.width(), y * rect.height()), Color32::from_rgb(r, g, b));
        }
    }
    for row in 0..rows {
        for column in 0..columns {
            let first = (row * (columns + 1) + column) as u32;
            let below = first + columns as u32 + 1;
            mesh.add_triangle(first, first + 1, below);
            mesh.add_triangle(first + 1, below + 1, below);
        }
    }
    ui.painter().add(Shape::mesh(mesh));
}

/// Where a colour stands, seen on any colour.
fn ring(ui: &Ui, at: Pos2, [r, g, b]: [u8; 3]) {
    ui.painter().circle(at, 6.0, Color32::from_rgb(r, g, b), Stroke::new(2.0, Color32::WHITE));
    ui.painter().circle_stroke(at, 7.25, Stroke::new(1.0, Color32::from_black_alpha(160)));
}

/// A patch of colour to click.
pub(super) fn swatch_ui(ui: &mut Ui, [r, g, b]: [u8; 3], side: f32, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    let line = if response.hovered() { Palette::of(ui).text } else { Palette::of(ui).field_line };
    ui.painter().rect_filled(rect, CornerRadius::same(4), Color32::from_rgb(r, g, b));
    ui.painter().rect_stroke(rect, CornerRadius::same(4), Stroke::new(1.0, line), StrokeKind::Inside);
    response.on_hover_text(name)
}

/// The colour as six digits, to read and to type.
fn number_ui(ui: &mut Ui, colour: [u8; 3], view: &mut ViewState, out: &mut Outbox) {
    let mut text = view.colour_text.take().unwrap_or_else(|| written(colour));
    let field = egui::TextEdit::singleline(&mut text).desired_width(76.0).char_limit(7);
    let response = ui.add(field).on_hover_text("Red, green and blue as six digits").accessible_name("Colour number");
    if response.changed()
        && let Some(typed) = read(&text)
    {
        out.act(Action::SetColour(typed));
    }
    if response.has_focus() {
        view.colour_text = Some(text);
    }
}

fn written([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn read(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim().trim_start_matches('#');
    let all_hexadecimal = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| all_hexadecimal)?;
    Some([(number >> 16) as u8, (number >> 8) as u8, number as u8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_survives_the_picker() {
        for r in (0..=255).step_by(5) {
            for g in (0..=255).step_by(5) {
                for b in (0..=255).step_by(5) {
                    assert_eq!(Hsv::of([r, g, b], Hsv::default()).rgb(), [r, g, b]);
                }
            }
        }
    }

    #[test]
    fn a_grey_keeps_the_hue_that_was_chosen() {
        let green = Hsv::of([0, 255, 0], Hsv::default());
        assert!((green.hue - 2.0).abs() < 1e-6);
        let black = Hsv::of([0; 3], green);
        assert_eq!(black, Hsv { value: 0.0, ..green });
        let grey = Hsv::of([9; 3], green);
        assert_eq!(grey, Hsv { hue: green.hue, saturation: 0.0, value: 9.0 / 255.0 });
    }

    #[test]
    fn a_colour_is_read_as_it_is_written() {
        assert_eq!(read(&written([1, 171, 255])), Some([1, 171, 255]));
        assert_eq!(read(" 0A0b0C "), Some([10, 11, 12]));
        for senseless in ["", "#12345", "#1234567", "#12345g", "#+12345"] {
            assert_eq!(read(senseless), None, "{senseless}");
        }
    }
}
