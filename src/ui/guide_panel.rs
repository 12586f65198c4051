//! The picture whose lines guide what is painted.

use super::icons::Icon;
use super::shortcuts::Shortcut;
use super::state::{Ask, Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{Look, Number, choice_row, heading, option_ui, row, sized_icon_button, slider_row};
use crate::diffusion::Preprocessor;
use crate::pixels::Picture;
use crate::session::{Action, Session};
use egui::{Align, CornerRadius, DragValue, Image, Layout, RichText, TextStyle, Ui, vec2};
use std::sync::Arc;

const WEIGHT: Number =
    Number { range: 0.0..=2.0, typed: 0.0..=2.0, step: 0.05, decimals: 2, logarithmic: false, suffix: "" };

/// What guides, or the ways to let something guide. Nothing where nothing could.
pub(super) fn guide_panel_ui(ui: &mut Ui, session: &mut Session, view: &mut ViewState, out: &mut Outbox) {
    if session.guide.is_some() || session.is_guided_by_layers() {
        ui.add_space(space::GROUP);
        guided_ui(ui, session, view, out);
    } else if session.fitting_controlnets().next().is_some() {
        ui.add_space(space::GROUP);
        heading(ui, "Guided by")
            .on_hover_text("A picture whose lines decide the shapes: a drawing, or the edges of anything.");
        ui.horizontal(|ui| {
            let choose = ui.button("A picture\u{2026}").on_hover_text(Shortcut::OpenGuide.tooltip(ui.ctx()));
            if choose.clicked() {
                out.ask(Ask::OpenGuide);
            }
            if session.document.has_picture() && ui.button("The open picture").clicked() {
                out.act(Action::GuideByPicture);
            }
        });
    }
}

fn guided_ui(ui: &mut Ui, session: &mut Session, view: &mut ViewState, out: &mut Outbox) {
    heading(ui, "Guided by");
    if let Some(guide) = session.guide.clone().filter(|_| !session.is_guided_by_layers()) {
        picture_ui(ui, &guide, view, out);
    } else {
        let said = "What is drawn on layers of the kind \u{201c}Control\u{201d}. Hide them, and they guide no more.";
        ui.label(RichText::new(said).color(Palette::of(ui).text_weak));
    }
    control_ui(ui, session);
}

/// The picture that guides.
fn picture_ui(ui: &mut Ui, guide: &Arc<Picture>, view: &mut ViewState, out: &mut Outbox) {
    let palette = Palette::of(ui);
    ui.horizontal(|ui| {
        let texture = view.thumbnail(ui.ctx(), guide);
        let size = texture.size_vec2();
        let image = Image::new((texture.id(), size * (56.0 / size.max_elem().max(1.0))));
        ui.add(image.corner_radius(CornerRadius::same(5)).alt_text("The picture that guides"));
        ui.vertical(|ui| {
            let extent = guide.extent();
            ui.label(format!("{} \u{d7} {}", extent.width, extent.height));
            let small = |text: &str| RichText::new(text).text_style(TextStyle::Small).color(palette.text_weak);
            ui.label(small("Its lines decide the shapes."));
        });
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            let remove = "Let no picture guide";
            if sized_icon_button(ui, Icon::Close, remove, remove, Look::Plain, vec2(24.0, 24.0)).clicked() {
                out.act(Action::RemoveGuide);
            }
        });
    });
}

/// How it guides.
fn control_ui(ui: &mut Ui, session: &mut Session) {
    let palette = Palette::of(ui);
    let fitting: Vec<String> = session.fitting_controlnets().map(str::to_owned).collect();
    let Some(control) = &mut session.draft.control else { return };
    if let Some(picked) = choice_row(ui, "Lines", control.preprocessor, Preprocessor::ALL, lines_in_words) {
        control.preprocessor = picked;
    }
    let is_odd = !fitting.contains(&control.controlnet);
    if fitting.len() > 1 || is_odd {
        row(ui, "ControlNet", |ui, id| {
            let name = RichText::new(&control.controlnet).color(if is_odd { palette.error } else { palette.text });
            let width = ui.available_width();
            let box_ = egui::ComboBox::from_id_salt("controlnet").width(width).truncate().selected_text(name);
            let shown = box_.show_ui(ui, |ui| {
                for name in &fitting {
                    if option_ui(ui, *name == control.controlnet, name).clicked() {
                        control.controlnet.clone_from(name);
                    }
                }
            });
            let response = shown.response.labelled_by(id);
            if is_odd {
                response.on_hover_text("It does not fit this model: choose another, or remove the guide.");
            }
        });
    }
    slider_row(ui, "Weight", &mut control.weight, &WEIGHT)
        .on_hover_text("How closely the shapes follow the lines: 0 ignores them, 1 is usual.");
    row(ui, "Steps", |ui, id| {
        let percent = |ui: &mut Ui, share: &mut f64, range: std::ops::RangeInclusive<f64>, name: &str| {
            let mut shown = (*share * 100.0).round();
            let field = DragValue::new(&mut shown).range(*range.start() * 100.0..=*range.end() * 100.0).suffix(" %");
            let response = ui.add_sized(vec2(64.0, space::FIELD), field).accessible_name(name);
            if response.changed() {
                *share = shown / 100.0;
            }
            response
        };
        let (start, end) = (control.start, control.end);
        percent(ui, &mut control.start, 0.0..=end, "Guide from").labelled_by(id);
        ui.label(RichText::new("to").color(palette.text_weak));
        percent(ui, &mut control.end, start..=1.0, "Guide until")
            .on_hover_text("During which part of the steps it guides: the first steps decide the shapes.");
    });
}

/// What a person sees in the picture.
fn lines_in_words(preprocessor: Preprocessor) -> &'static str {
    match preprocessor {
        Preprocessor::None => "White lines on black",
        Preprocessor::Invert => "Dark lines on light",
        Preprocessor::Canny => "Edges of a picture",
    }
}
