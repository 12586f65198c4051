//! Styles of `styles.csv`: picked beside the prompt, shown under it, applied when it is painted.

use super::state::Outbox;
use super::theme::Palette;
use crate::prompt::Style;
use crate::session::{Action, Draft};
use egui::{Button, Popup, PopupCloseBehavior, RichText, ScrollArea, TextStyle, Ui};

/// How high the list grows, in points.
const HEIGHT: f32 = 320.0;

/// The button that opens the list of styles; nothing where there are none.
pub(super) fn styles_button(ui: &mut Ui, draft: &mut Draft, styles: &[Style], out: &mut Outbox) {
    if styles.is_empty() {
        return;
    }
    let text = RichText::new("Styles").text_style(TextStyle::Small);
    let button = ui.add(Button::new(text).small().frame(false));
    if button.clicked() {
        out.act(Action::LookAtStyles);
    }
    let button = button.on_hover_text("Prompts to use again, of styles.csv");
    Popup::menu(&button).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
        ui.set_min_width(210.0);
        ui.spacing_mut().button_padding.x = 8.0;
        ScrollArea::vertical().max_height(HEIGHT).show(ui, |ui| {
            for style in styles {
                let place = draft.styles.iter().position(|chosen| chosen.name == style.name);
                if ui.selectable_label(place.is_some(), &style.name).on_hover_text(about(style)).clicked() {
                    match place {
                        Some(place) => drop(draft.styles.remove(place)),
                        None => draft.styles.push(style.clone()),
                    }
                }
            }
        });
        if !draft.styles.is_empty() {
            ui.separator();
            if ui.button("Write them into the prompt").clicked() {
                (draft.prompt, draft.negative_prompt) =
                    Style::all_applied(&draft.styles, &draft.prompt, &draft.negative_prompt);
                draft.styles.clear();
                ui.close();
            }
        }
    });
}

/// The styles that are chosen; a click takes one away.
pub(super) fn chosen_styles_ui(ui: &mut Ui, draft: &mut Draft) {
    if draft.styles.is_empty() {
        return;
    }
    let mut gone = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (place, style) in draft.styles.iter().enumerate() {
            let text = RichText::new(format!("{}  \u{d7}", style.name)).text_style(TextStyle::Small);
            let chip = Button::new(text.color(Palette::of(ui).accent)).corner_radius(9).small();
            let response = ui.add(chip).accessible_name(format!("Take the style {} away", style.name));
            if response.on_hover_text(about(style)).clicked() {
                gone = Some(place);
            }
        }
    });
    if let Some(place) = gone {
        draft.styles.remove(place);
    }
}

fn about(style: &Style) -> String {
    let away = if style.negative_prompt.is_empty() {
        String::new()
    } else {
        format!("\n\nStay away from: {}", style.negative_prompt)
    };
    format!("{}{away}", style.prompt)
}
