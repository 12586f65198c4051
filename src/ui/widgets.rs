//! The few widgets that every panel is made of: icon buttons, rows with a label in front, headings.

use super::icons::{self, Icon};
use super::shortcuts::Shortcut;
use super::theme::{self, Palette, space};
use egui::{
    Align, Align2, Button, Color32, CornerRadius, FontId, Layout, Rect, Response, RichText, Role, Sense, Stroke,
    TextStyle, Ui, Vec2, WidgetInfo, vec2,
};

/// The width of the labels in front of fields, in points.
pub(super) const LABEL_WIDTH: f32 = 84.0;

/// How an icon button looks besides its icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    /// Like the others.
    #[default]
    Plain,
    /// Chosen.
    Selected,
    /// Cannot be pressed.
    Disabled,
}

impl Look {
    /// Chosen or not.
    pub(super) const fn selected_if(selected: bool) -> Self {
        if selected { Self::Selected } else { Self::Plain }
    }

    /// Usable or not.
    pub(super) const fn enabled_if(enabled: bool) -> Self {
        if enabled { Self::Plain } else { Self::Disabled }
    }
}

/// A square button with an icon. `name` is what screen readers say; `tooltip` what hovering shows.
pub(super) fn icon_button(ui: &mut Ui, icon: Icon, name: &str, tooltip: impl Into<String>, look: Look) -> Response {
    sized_icon_button(ui, icon, name, tooltip, look, theme::ICON_BUTTON)
}

/// [`icon_button`] of another size, in points.
pub(super) fn sized_icon_button(
    ui: &mut Ui,
    icon: Icon,
    name: &str,
    tooltip: impl Into<String>,
    look: Look,
    size: Vec2,
) -> Response {
    let enabled = look != Look::Disabled && ui.is_enabled();
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, look == Look::Selected, name));
    if ui.is_rect_visible(rect) {
        let palette = Palette::of(ui);
        let (fill, colour) = match look {
            Look::Disabled => (Color32::TRANSPARENT, palette.text_weak.gamma_multiply(0.45)),
            Look::Selected => (palette.selected, palette.accent),
            Look::Plain if response.is_pointer_button_down_on() => (palette.button_pressed, palette.text),
            Look::Plain if response.hovered() || response.has_focus() => (palette.button_hovered, palette.text),
            Look::Plain => (Color32::TRANSPARENT, palette.text),
        };
        let radius = CornerRadius::same(7);
        ui.painter().rect_filled(rect, radius, fill);
        if response.has_focus() {
            ui.painter().rect_stroke(rect, radius, Stroke::new(1.0, palette.accent), egui::StrokeKind::Inside);
        }
        icons::paint(ui.painter(), icon, Rect::from_center_size(rect.center(), Vec2::splat(size.y * 0.62)), colour);
    }
    response.on_hover_text(tooltip.into())
}

/// An icon button for a line of the shortcut table.
pub(super) fn shortcut_button(ui: &mut Ui, shortcut: Shortcut, look: Look) -> Response {
    let entry = shortcut.entry();
    let icon = entry.icon.expect("buttons are made only for shortcuts that have an icon");
    let tooltip = shortcut.tooltip(ui.ctx());
    icon_button(ui, icon, entry.name.trim_end_matches('\u{2026}'), tooltip, look)
}

/// The button that matters most: filled with the accent.
pub(super) fn primary_button(ui: &mut Ui, text: &str, width: f32) -> Response {
    primary_button_of(ui, text, vec2(width, space::LARGE_BUTTON))
}

/// [`primary_button`] of another height, in points.
pub(super) fn primary_button_of(ui: &mut Ui, text: &str, size: Vec2) -> Response {
    let palette = Palette::of(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        widgets.inactive.weak_bg_fill = palette.accent;
        widgets.hovered.weak_bg_fill = palette.accent_hovered;
        widgets.active.weak_bg_fill = palette.accent_hovered;
        for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
            widget.fg_stroke.color = palette.on_accent;
            widget.corner_radius = CornerRadius::same(8);
        }
        let text = RichText::new(text).size(15.0);
        ui.add(Button::new(text).min_size(size))
    })
    .inner
}

/// A heading over a group of rows.
pub(super) fn heading(ui: &mut Ui, text: &str) -> Response {
    ui.label(RichText::new(text).text_style(TextStyle::Small).color(Palette::of(ui).text_weak))
}

/// A row with a label in front; `field` fills the rest. Gives the label to `field` for `labelled_by`.
pub(super) fn row<R>(ui: &mut Ui, label: &str, field: impl FnOnce(&mut Ui, egui::Id) -> R) -> R {
    ui.horizontal(|ui| {
        let label = ui
            .allocate_ui_with_layout(vec2(LABEL_WIDTH, space::FIELD), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(LABEL_WIDTH);
                ui.label(RichText::new(label).color(Palette::of(ui).text_weak))
            })
            .inner;
        field(ui, label.id)
    })
    .inner
}

/// A number with a slider: what the slider spans, what can be typed, how it is written.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// What the slider spans.
    pub(super) range: std::ops::RangeInclusive<f64>,
    /// What can be typed.
    pub(super) typed: std::ops::RangeInclusive<f64>,
    /// The slider's step.
    pub(super) step: f64,
    /// Decimals that are written.
    pub(super) decimals: usize,
    /// Whether the slider spreads small values.
    pub(super) logarithmic: bool,
    /// Written after the number.
    pub(super) suffix: &'static str,
}

/// A slider that fills the row, with its number at the right edge.
pub(super) fn slider_row(ui: &mut Ui, label: &str, value: &mut f64, number: &Number) -> Response {
    row(ui, label, |ui, id| {
        let width = ui.available_width() - NUMBER_WIDTH - ui.spacing().item_spacing.x;
        slider_and_number(ui, value, number, width.max(40.0), id)
    })
}

/// The width of the number beside a slider, in points.
pub(super) const NUMBER_WIDTH: f32 = 54.0;

/// A slim slider of this width, none of no width, and its number beside it; both named by `label`.
pub(super) fn slider_and_number(
    ui: &mut Ui,
    value: &mut f64,
    number: &Number,
    width: f32,
    label: egui::Id,
) -> Response {
    let palette = Palette::of(ui);
    let middle = Layout::left_to_right(Align::Center);
    let slide = |ui: &mut Ui| {
        ui.set_min_height(space::FIELD);
        ui.spacing_mut().slider_width = width;
        ui.spacing_mut().interact_size.y = 19.0;
        ui.visuals_mut().selection.bg_fill = palette.accent;
        let mut shown = value.clamp(*number.range.start(), *number.range.end());
        let slider = egui::Slider::new(&mut shown, number.range.clone())
            .show_value(false)
            .logarithmic(number.logarithmic)
            .step_by(number.step);
        let response = ui.add(slider).labelled_by(label);
        if response.changed() {
            *value = shown;
        }
        response
    };
    let slider = (width > 0.0).then(|| ui.allocate_ui_with_layout(vec2(width, space::FIELD), middle, slide).inner);
    let typed = egui::DragValue::new(value)
        .range(number.typed.clone())
        .speed(number.step.max(0.01))
        .fixed_decimals(number.decimals)
        .suffix(number.suffix);
    let typed = ui.add_sized(vec2(NUMBER_WIDTH, space::FIELD), typed).labelled_by(label);
    match slider {
        Some(slider) => slider | typed,
        None => typed,
    }
}

/// A note under a row, in line with the fields.
pub(super) fn note(ui: &mut Ui, text: impl Into<String>, colour: Color32) {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        ui.horizontal(|ui| {
            ui.add_space(LABEL_WIDTH + ui.spacing().item_spacing.x);
            let text = RichText::new(text.into()).text_style(TextStyle::Small).color(colour);
            ui.add(egui::Label::new(text).wrap());
        });
    });
}

/// A box to choose one of several, filling the row.
pub(super) fn choice_row<T: Copy + PartialEq>(
    ui: &mut Ui,
    label: &str,
    chosen: T,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    let mut picked = None;
    row(ui, label, |ui, id| {
        let width = ui.available_width();
        let shown = egui::ComboBox::from_id_salt(label).width(width).selected_text(name(chosen)).show_ui(ui, |ui| {
            for &option in all {
                if option_ui(ui, option == chosen, name(option)).clicked() {
                    picked = Some(option);
                }
            }
        });
        shown.response.labelled_by(id);
    });
    picked.filter(|&p| p != chosen)
}

/// A line of a list to choose from, which closes that: a click does so by itself, a key does not.
pub(super) fn option_ui(ui: &mut Ui, is_chosen: bool, name: &str) -> Response {
    let response = ui.selectable_label(is_chosen, name);
    if response.clicked() {
        ui.close();
    }
    response
}

/// Text painted in a box without taking space: for overlays.
pub(super) fn painted_text(ui: &Ui, at: egui::Pos2, anchor: Align2, text: &str, size: f32, colour: Color32) -> Rect {
    ui.painter().text(at, anchor, text, FontId::proportional(size), colour)
}
