//! How Sfumato looks: one palette for the dark, one for the light theme, and the egui style made from it.
//!
//! Around a picture everything is neutral grey, so that nothing tints the eye; one accent, a burnt ochre, marks what is
//! chosen or about to happen. No colour is named anywhere else.

use crate::settings;
use egui::{
    Color32, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Ui, Vec2, Visuals, vec2,
};

/// The colours of a theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    /// Around the picture.
    pub backdrop: Color32,
    /// Behind panels.
    pub panel: Color32,
    /// Behind what lies above panels: menus, windows.
    pub raised: Color32,
    /// Inside text fields and rails.
    pub sunken: Color32,
    /// Buttons at rest.
    pub button: Color32,
    /// Buttons under the pointer.
    pub button_hovered: Color32,
    /// Buttons that are pressed.
    pub button_pressed: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Lines around fields.
    pub field_line: Color32,
    /// What is read.
    pub text: Color32,
    /// What is glanced at: labels, hints.
    pub text_weak: Color32,
    /// What is chosen or about to happen.
    pub accent: Color32,
    /// The accent under the pointer.
    pub accent_hovered: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Behind what is chosen.
    pub selected: Color32,
    /// Something did not work.
    pub error: Color32,
    /// Behind a notice about what did not work.
    pub error_fill: Color32,
    /// Behind a notice that only informs.
    pub info_fill: Color32,
    /// Around the picture, one pixel wide.
    pub picture_line: Color32,
    /// The picture's shadow where it is darkest.
    pub shadow: Color32,
    /// Every other cell behind transparent pixels.
    pub checker_light: Color32,
    /// The cells between.
    pub checker_dark: Color32,
    /// Over the mask.
    pub mask: Color32,
    /// The lines that hatch the mask.
    pub mask_hatch: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const DARK: Palette = Palette {
    backdrop: rgb(0x19_19_1a),
    panel: rgb(0x24_24_26),
    raised: rgb(0x2c_2c_2f),
    sunken: rgb(0x1a_1a_1c),
    button: rgb(0x36_36_39),
    button_hovered: rgb(0x42_42_46),
    button_pressed: rgb(0x4b_4b_50),
    line: rgb(0x16_16_17),
    field_line: rgb(0x3c_3c_40),
    text: rgb(0xe6_e4_e1),
    text_weak: rgb(0xa3_a1_9e),
    accent: rgb(0xd9_95_4a),
    accent_hovered: rgb(0xe6_a8_63),
    on_accent: rgb(0x24_17_08),
    selected: rgb(0x50_40_2d),
    error: rgb(0xef_7d_6c),
    error_fill: rgb(0x40_28_26),
    info_fill: rgb(0x2e_31_36),
    picture_line: rgb(0x0b_0b_0b),
    shadow: Color32::from_black_alpha(130),
    checker_light: rgb(0x70_70_70),
    checker_dark: rgb(0x5a_5a_5a),
    mask: Color32::from_rgba_premultiplied(118, 20, 30, 128),
    mask_hatch: Color32::from_rgba_premultiplied(96, 84, 86, 110),
};

const LIGHT: Palette = Palette {
    backdrop: rgb(0xc9_c8_c6),
    panel: rgb(0xf1_f0_ee),
    raised: rgb(0xfb_fa_f9),
    sunken: rgb(0xff_ff_ff),
    button: rgb(0xe0_df_dc),
    button_hovered: rgb(0xd4_d2_ce),
    button_pressed: rgb(0xc6_c3_be),
    line: rgb(0xd3_d1_cd),
    field_line: rgb(0xc4_c1_bc),
    text: rgb(0x24_22_20),
    text_weak: rgb(0x63_60_5c),
    accent: rgb(0xa8_59_0f),
    accent_hovered: rgb(0x94_4c_0a),
    on_accent: rgb(0xff_fa_f3),
    selected: rgb(0xf0_dc_c2),
    error: rgb(0xac_2d_1c),
    error_fill: rgb(0xf7_dd_d8),
    info_fill: rgb(0xe3_e6_ea),
    picture_line: rgb(0x8f_8d_8a),
    shadow: Color32::from_black_alpha(70),
    checker_light: rgb(0xff_ff_ff),
    checker_dark: rgb(0xdc_dc_dc),
    mask: Color32::from_rgba_premultiplied(118, 20, 30, 128),
    mask_hatch: Color32::from_rgba_premultiplied(96, 84, 86, 110),
};

impl Palette {
    /// The palette of the theme that this part of the window is drawn in.
    pub fn of(ui: &Ui) -> &'static Self {
        Self::in_mode(ui.visuals().dark_mode)
    }

    /// The dark or the light palette.
    pub const fn in_mode(dark: bool) -> &'static Self {
        if dark { &DARK } else { &LIGHT }
    }
}

/// Gaps and heights that several panels share, in points.
pub mod space {
    /// Around the contents of a panel.
    pub const PANEL: i8 = 14;
    /// Between things that belong together.
    pub const SMALL: f32 = 6.0;
    /// Between groups.
    pub const GROUP: f32 = 16.0;
    /// The height of a field or a button.
    pub const FIELD: f32 = 28.0;
    /// The height of the button that matters most.
    pub const LARGE_BUTTON: f32 = 38.0;
}

/// Gives the context both styles. Once, at the start.
pub fn install(ctx: &egui::Context) {
    ctx.set_style_of(egui::Theme::Dark, style(&DARK, Visuals::dark()));
    ctx.set_style_of(egui::Theme::Light, style(&LIGHT, Visuals::light()));
    ctx.options_mut(|options| {
        options.zoom_with_keyboard = false;
        options.fallback_theme = egui::Theme::Dark;
    });
}

/// Follows what the person chose.
pub fn follow(ctx: &egui::Context, theme: settings::Theme) {
    let preference = match theme {
        settings::Theme::System => egui::ThemePreference::System,
        settings::Theme::Light => egui::ThemePreference::Light,
        settings::Theme::Dark => egui::ThemePreference::Dark,
    };
    if ctx.options(|o| o.theme_preference) != preference {
        ctx.set_theme(preference);
    }
}

/// Makes everything as large as the person chose, in per cent of the usual size. It counts from the next frame on, which is asked for where
/// that is another size.
pub fn scale(ctx: &egui::Context, percent: u32) {
    ctx.set_zoom_factor(percent as f32 / 100.0);
}

fn style(palette: &Palette, base: Visuals) -> Style {
    let mut style = Style { visuals: visuals(palette, base), ..Style::default() };
    let font = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, font(12.0)),
        (TextStyle::Body, font(14.0)),
        (TextStyle::Button, font(14.0)),
        (TextStyle::Heading, font(18.0)),
        (TextStyle::Monospace, FontId::new(13.0, FontFamily::Monospace)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 6.0);
    spacing.button_padding = vec2(10.0, 4.0);
    spacing.interact_size = vec2(36.0, space::FIELD);
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(6);
    spacing.menu_width = 260.0;
    spacing.slider_rail_height = 4.0;
    spacing.slider_width = 140.0;
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 8.0;
    spacing.combo_height = 320.0;
    spacing.tooltip_width = 320.0;
    spacing.scroll = egui::style::ScrollStyle { bar_width: 8.0, ..egui::style::ScrollStyle::floating() };
    style.interaction.tooltip_delay = 0.4;
    style.interaction.selectable_labels = false;
    style.animation_time = 0.12;
    style
}

fn visuals(p: &Palette, base: Visuals) -> Visuals {
    let mut v = base;
    let rounded = CornerRadius::same(6);
    v.override_text_color = None;
    v.weak_text_color = Some(p.text_weak);
    v.panel_fill = p.panel;
    v.window_fill = p.raised;
    v.window_stroke = Stroke::new(1.0, p.field_line);
    v.window_corner_radius = CornerRadius::same(10);
    v.menu_corner_radius = CornerRadius::same(8);
    v.window_shadow = Shadow { offset: [0, 8], blur: 28, spread: 0, color: p.shadow };
    v.popup_shadow = Shadow { offset: [0, 4], blur: 16, spread: 0, color: p.shadow };
    v.extreme_bg_color = p.sunken;
    v.text_edit_bg_color = Some(p.sunken);
    v.faint_bg_color = p.info_fill;
    v.code_bg_color = p.sunken;
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.accent;
    v.error_fg_color = p.error;
    v.selection.bg_fill = p.selected;
    v.selection.stroke = Stroke::new(1.0, p.accent);
    v.slider_trailing_fill = true;
    v.handle_shape = egui::style::HandleShape::Circle;
    v.striped = false;
    v.indent_has_left_vline = false;
    // Each blink draws the whole window: without a GPU that takes a quarter of a core, which painting needs.
    v.text_cursor.blink = false;

    let w = &mut v.widgets;
    for widget in [&mut w.noninteractive, &mut w.inactive, &mut w.hovered, &mut w.active, &mut w.open] {
        widget.corner_radius = rounded;
        widget.expansion = 0.0;
    }
    w.noninteractive.bg_fill = p.panel;
    w.noninteractive.weak_bg_fill = p.panel;
    w.noninteractive.bg_stroke = Stroke::new(1.0, p.line);
    w.noninteractive.fg_stroke = Stroke::new(1.0, p.text);

    w.inactive.bg_fill = p.button;
    w.inactive.weak_bg_fill = p.button;
    w.inactive.bg_stroke = Stroke::NONE;
    w.inactive.fg_stroke = Stroke::new(1.0, p.text);

    w.hovered.bg_fill = p.button_hovered;
    w.hovered.weak_bg_fill = p.button_hovered;
    w.hovered.bg_stroke = Stroke::NONE;
    w.hovered.fg_stroke = Stroke::new(1.0, p.text);

    w.active.bg_fill = p.button_pressed;
    w.active.weak_bg_fill = p.button_pressed;
    w.active.bg_stroke = Stroke::new(1.0, p.accent);
    w.active.fg_stroke = Stroke::new(1.0, p.text);

    w.open.bg_fill = p.button_hovered;
    w.open.weak_bg_fill = p.button_hovered;
    w.open.bg_stroke = Stroke::NONE;
    w.open.fg_stroke = Stroke::new(1.0, p.text);
    v
}

/// The size of a square icon button.
pub const ICON_BUTTON: Vec2 = Vec2::splat(30.0);

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.2, relative luminance and contrast ratio.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let luminance = |c: Color32| {
            let linear = |v: u8| {
                let v = f64::from(v) / 255.0;
                if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_is_readable_where_it_stands() {
        for p in [&DARK, &LIGHT] {
            for fill in [p.panel, p.raised, p.sunken, p.button, p.button_hovered, p.info_fill, p.error_fill, p.selected]
            {
                assert!(contrast(p.text, fill) >= 7.0, "{:?} on {fill:?}", p.text);
            }
            for fill in [p.panel, p.raised, p.sunken, p.backdrop] {
                assert!(contrast(p.text_weak, fill) >= 3.6, "{:?} on {fill:?}", p.text_weak);
            }
            for fill in [p.panel, p.raised, p.error_fill] {
                assert!(contrast(p.error, fill) >= 4.5, "{:?} on {fill:?}", p.error);
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5 && contrast(p.on_accent, p.accent_hovered) >= 4.5);
            assert!(contrast(p.accent, p.panel) >= 3.0);
        }
    }
}
