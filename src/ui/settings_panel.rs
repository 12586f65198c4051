//! How to paint: model, size, steps, guidance, sampler, schedule, seed, count.

use super::finer_panel::finer_panel_ui;
use super::icons::Icon;
use super::model_picker::model_picker_ui;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::{self, Palette, space};
use super::widgets::{
    Look, Number, choice_row, heading, icon_button, note, option_ui, row, shortcut_button, slider_row,
};
use crate::diffusion::{Input, Precision, Prediction, Request, SamplerName, ScheduleName, Upscale};
use crate::geom::Extent;
use crate::pixels::Picture;
use crate::session::{Action, Draft, Model, ModelState};
use egui::{Align, Button, DragValue, Layout, PopupCloseBehavior, RichText, Stroke, Ui, vec2};
use std::collections::HashMap;
use std::sync::Arc;

const STEPS: Number = Number {
    range: 1.0..=100.0,
    typed: 1.0..=Request::<(), ()>::MAX_STEPS as f64,
    step: 1.0,
    decimals: 0,
    logarithmic: true,
    suffix: "",
};
const GUIDANCE: Number =
    Number { range: 1.0..=20.0, typed: 0.0..=50.0, step: 0.5, decimals: 1, logarithmic: false, suffix: "" };
const IMAGE_GUIDANCE: Number =
    Number { range: 1.0..=3.0, typed: 1.0..=50.0, step: 0.1, decimals: 1, logarithmic: false, suffix: "" };
const REFINE: Number =
    Number { range: 0.0..=1.0, typed: 0.0..=1.0, step: 0.01, decimals: 2, logarithmic: false, suffix: "" };
/// How high the list of models grows, in points.
const PICKER_HEIGHT: f32 = 460.0;

/// What can be chosen on this machine.
#[derive(Clone, Copy)]
pub(super) struct Offers<'a> {
    pub(super) models: &'a [Model],
    pub(super) precisions: &'a [Precision],
    pub(super) upscalers: &'a [Upscale],
    /// Pictures of models, by their names.
    pub(super) previews: &'a HashMap<String, Arc<Picture>>,
    /// The bytes of memory that are free.
    pub(super) memory: Option<u64>,
}

/// All settings. `open_extent` is the size of the open picture, which then decides what size is painted.
pub(super) fn settings_panel_ui(
    ui: &mut Ui,
    draft: &mut Draft,
    offers: Offers<'_>,
    open_extent: Option<Extent>,
    view: &mut ViewState,
    out: &mut Outbox,
) {
    heading(ui, "Settings");
    model_row(ui, draft, offers, open_extent, view, out);
    let Offers { models, precisions, upscalers, .. } = offers;
    borrowed_rows(ui, draft, models);
    match open_extent {
        Some(extent) => {
            row(ui, "Size", |ui, _| ui.label(format!("{} \u{d7} {}, as the picture", extent.width, extent.height)));
        }
        None => size_rows(ui, draft, models),
    }
    let mut steps = f64::from(draft.steps);
    let response = slider_row(ui, "Steps", &mut steps, &STEPS);
    if response.on_hover_text("How often noise is taken away: more is finer and slower.").changed() {
        draft.steps = steps.round() as u32;
    }
    slider_row(ui, "Guidance", &mut draft.guidance_scale, &GUIDANCE)
        .on_hover_text("How closely the picture follows the prompt; 1 lets it drift.");
    if draft.image_guidance.is_some() || models.iter().any(|model| model.name == draft.model && model.edits) {
        let mut scale = draft.image_guidance.unwrap_or(Input::IMAGE_GUIDANCE);
        let response = slider_row(ui, "Keep to", &mut scale, &IMAGE_GUIDANCE);
        if response.on_hover_text("How closely the edited picture keeps to the one that is open.").changed() {
            draft.image_guidance = Some(scale);
        }
    }
    if let Some(sampler) = choice_row(ui, "Sampler", draft.sampler, SamplerName::ALL, SamplerName::label) {
        draft.sampler = sampler;
    }
    if let Some(schedule) = choice_row(ui, "Schedule", draft.schedule, ScheduleName::ALL, ScheduleName::label) {
        draft.schedule = schedule;
    }
    // Shown where there is a choice, or something was chosen on another machine.
    if precisions.len() > 1 || !precisions.contains(&draft.precision) {
        let name = |precision| match precision {
            Precision::F32 => "Exact (f32)",
            Precision::F16 => "Fast (f16)",
            Precision::Bf16 => "Fast (bf16)",
            Precision::Int8 => "Coarse (int8)",
        };
        if let Some(precision) = choice_row(ui, "Precision", draft.precision, precisions, name) {
            draft.precision = precision;
        }
    }
    prediction_row(ui, draft, models);
    seed_row(ui, draft, out);
    row(ui, "Pictures", |ui, id| {
        let count = DragValue::new(&mut draft.count).range(1..=Draft::MAX_COUNT).speed(0.05);
        ui.add_sized(vec2(64.0, space::FIELD), count).labelled_by(id).on_hover_text("How many Generate paints.");
    });
    if !upscalers.is_empty() {
        upscale_row(ui, draft, upscalers);
    }
    finer_panel_ui(ui, draft, models, view);
}

/// Which VAE decodes, and which model lends what the chosen one lacks; each shown where there is a choice or one was made.
fn borrowed_rows(ui: &mut Ui, draft: &mut Draft, models: &[Model]) {
    let Some(model) = models.iter().find(|model| model.name == draft.model) else { return };
    let about = "What turns the finished latent into a picture. A tiny one (TAESD) is fast and not as fine.";
    let vaes: Vec<&str> = model.vaes.iter().map(|vae| vae.name.as_str()).collect();
    name_row(ui, "VAE", &mut draft.borrowed.vae, &vaes, "The model's own", about);
    if let Some(first) = model.lenders.first() {
        let about = "This checkpoint is a U-Net alone: text encoders and VAE are those of this model.";
        let lenders: Vec<&str> = model.lenders.iter().map(String::as_str).collect();
        name_row(ui, "Parts from", &mut draft.borrowed.parts_from, &lenders, first, about);
    }
}

/// A choice of one of some names, or none of them, which is called `usual`; shown where there are any, or one is chosen.
fn name_row(ui: &mut Ui, label: &str, chosen: &mut Option<String>, names: &[&str], usual: &str, about: &str) {
    if names.is_empty() && chosen.is_none() {
        return;
    }
    row(ui, label, |ui, id| {
        let width = ui.available_width();
        let shown = chosen.as_deref().unwrap_or(usual);
        let box_ = egui::ComboBox::from_id_salt(label).width(width).truncate().selected_text(shown);
        let response = box_.show_ui(ui, |ui| {
            if option_ui(ui, chosen.is_none(), usual).clicked() {
                *chosen = None;
            }
            for name in names.iter().filter(|name| **name != usual) {
                if option_ui(ui, chosen.as_deref() == Some(*name), name).clicked() {
                    *chosen = Some((*name).to_owned());
                }
            }
        });
        response.response.labelled_by(id).on_hover_text(about);
    });
}

/// What the model's network estimates; shown where no file says it, or something else than that was chosen.
fn prediction_row(ui: &mut Ui, draft: &mut Draft, models: &[Model]) {
    let guessed = models.iter().find(|model| model.name == draft.model).and_then(|model| model.guessed);
    if guessed.is_none() && draft.prediction.is_none() {
        return;
    }
    let name = |prediction: Option<Prediction>| match prediction.or(guessed) {
        None => "As the model says",
        Some(Prediction::Epsilon) => "Noise (epsilon)",
        Some(Prediction::VPrediction) => "v",
        Some(Prediction::Sample) => "Picture",
    };
    let mut choices: Vec<Option<Prediction>> =
        Prediction::ALL.iter().map(|prediction| Some(*prediction).filter(|is| Some(*is) != guessed)).collect();
    if guessed.is_none() {
        choices.insert(0, None);
    }
    if let Some(prediction) = choice_row(ui, "Predicts", draft.prediction, &choices, name) {
        draft.prediction = prediction;
    }
}

/// Whether pictures are enlarged after they are painted, and by what.
fn upscale_row(ui: &mut Ui, draft: &mut Draft, upscalers: &[Upscale]) {
    row(ui, "Upscale", |ui, id| {
        let chosen = draft.upscale.as_ref().unwrap_or(&upscalers[0]);
        let mut is_on = draft.upscale.is_some();
        // Without a line, an empty box is hardly seen on the panel.
        ui.visuals_mut().widgets.inactive.bg_stroke = Stroke::new(1.0, Palette::of(ui).field_line);
        let box_ = ui.checkbox(&mut is_on, format!("{}\u{d7}", chosen.factor)).accessible_name("Upscale");
        let tooltip = "Makes each picture larger after it is painted.";
        let mut picked = box_.labelled_by(id).on_hover_text(tooltip).changed().then(|| chosen.clone());
        let width = ui.available_width();
        let name = egui::ComboBox::from_id_salt("upscaler").width(width).truncate().selected_text(&chosen.upscaler);
        let shown = name.show_ui(ui, |ui| {
            for upscaler in upscalers {
                let is_chosen = upscaler.upscaler == chosen.upscaler;
                let about = format!("Makes pictures {} times larger.", upscaler.factor);
                let response = option_ui(ui, is_chosen, &upscaler.upscaler);
                if response.on_hover_text(about).clicked() {
                    is_on = true;
                    picked = Some(upscaler.clone());
                }
            }
        });
        shown.response.on_hover_text("What makes them larger.").accessible_name("Upscaler");
        if let Some(picked) = picked {
            draft.upscale = is_on.then_some(picked);
        }
    });
    if let Some(upscale) = &mut draft.upscale {
        let mut strength = upscale.refine.unwrap_or(0.0);
        let response = slider_row(ui, "Refine", &mut strength, &REFINE);
        let about = "How much of the larger picture is painted once more, for finer details; 0 leaves it as the upscaler made it.";
        if response.on_hover_text(about).changed() {
            upscale.refine = (strength > 0.0).then_some(strength);
        }
    }
}

fn model_row(
    ui: &mut Ui,
    draft: &Draft,
    offers: Offers<'_>,
    open_extent: Option<Extent>,
    view: &mut ViewState,
    out: &mut Outbox,
) {
    let models = offers.models;
    row(ui, "Model", |ui, id| {
        let width = ui.available_width();
        let box_ = egui::ComboBox::from_id_salt("model")
            .width(width)
            .truncate()
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .height(PICKER_HEIGHT)
            .selected_text(draft.model.as_str());
        let extent = open_extent.unwrap_or(draft.extent);
        let shown = box_.show_ui(ui, |ui| model_picker_ui(ui, draft, extent, offers, view, out));
        if shown.inner.is_none() {
            view.model_search = None;
        }
        shown.response.labelled_by(id);
    });
    let Some(model) = models.iter().find(|m| m.name == draft.model) else {
        return;
    };
    let state = match (&model.problem, model.state) {
        (Some(problem), _) => problem.clone(),
        (None, ModelState::Loading) => "Loading\u{2026}".to_owned(),
        (None, ModelState::Failed) => "Could not be loaded".to_owned(),
        (None, ModelState::OnDisk | ModelState::Loaded { .. }) => return,
    };
    let palette = Palette::of(ui);
    let failed = model.problem.is_some() || model.state == ModelState::Failed;
    note(ui, state, if failed { palette.error } else { palette.text_weak });
}

/// Usual shapes for a model: its native square, and shapes of about as many pixels.
fn presets(native: Extent) -> [(&'static str, Extent); 5] {
    let shape = |across: u32, down: u32| {
        let side = (native.area() as f64).sqrt();
        let ratio = (f64::from(across) / f64::from(down)).sqrt();
        Extent::new((side * ratio).round() as u32, (side / ratio).round() as u32).rounded_to(8)
    };
    [
        ("Square", shape(1, 1)),
        ("Landscape 4:3", shape(4, 3)),
        ("Landscape 3:2", shape(3, 2)),
        ("Portrait 3:4", shape(3, 4)),
        ("Portrait 2:3", shape(2, 3)),
    ]
}

fn size_rows(ui: &mut Ui, draft: &mut Draft, models: &[Model]) {
    let native = models.iter().find(|m| m.name == draft.model).map_or(draft.extent, |m| m.example.extent);
    row(ui, "Size", |ui, id| {
        let side = theme::ICON_BUTTON.x;
        let width = ((ui.available_width() - 2.0 * side - 14.0 - 4.0 * ui.spacing().item_spacing.x) / 2.0).max(44.0);
        let max = Request::<(), ()>::MAX_SIDE;
        let field = |ui: &mut Ui, value: &mut u32, name: &str| {
            let drag = DragValue::new(value).range(8..=max).speed(4).update_while_editing(false);
            let response = ui.add_sized(vec2(width, space::FIELD), drag).accessible_name(name);
            response.on_hover_text(format!("{name} in pixels; a multiple of 8."))
        };
        let before = draft.extent;
        field(ui, &mut draft.extent.width, "Width").labelled_by(id);
        ui.label(RichText::new("\u{d7}").color(Palette::of(ui).text_weak));
        field(ui, &mut draft.extent.height, "Height");
        if draft.extent != before {
            draft.extent = draft.extent.rounded_to(8);
        }
        if icon_button(ui, Icon::Swap, "Swap width and height", "Swap width and height", Look::Plain).clicked() {
            draft.extent = Extent::new(draft.extent.height, draft.extent.width);
        }
        let more = icon_button(ui, Icon::Down, "Usual sizes", "Usual sizes", Look::Plain);
        egui::Popup::menu(&more).show(|ui| {
            for (name, extent) in presets(native) {
                let size = format!("{} \u{d7} {}", extent.width, extent.height);
                let button = Button::new(name).shortcut_text(size).min_size(vec2(200.0, 0.0));
                if ui.add(button).clicked() {
                    draft.extent = extent;
                    ui.close();
                }
            }
        });
    });
}

fn seed_row(ui: &mut Ui, draft: &mut Draft, out: &mut Outbox) {
    row(ui, "Seed", |ui, id| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (icon, name, tooltip) = if draft.seed_locked {
                (
                    Icon::LockClosed,
                    "Let the seed change",
                    "Locked: the same seed is used again.\nClick to draw a new one each time.",
                )
            } else {
                (Icon::LockOpen, "Lock the seed", "A new seed is drawn each time.\nClick to use this one again.")
            };
            if icon_button(ui, icon, name, tooltip, Look::selected_if(draft.seed_locked)).clicked() {
                draft.seed_locked = !draft.seed_locked;
            }
            if shortcut_button(ui, Shortcut::RollSeed, Look::Plain).clicked() {
                out.act(Action::RollSeed);
            }
            let seed = seed_field(&mut draft.seed);
            let width = ui.available_width();
            if ui.add_sized(vec2(width, space::FIELD), seed).labelled_by(id).changed() {
                draft.seed_locked = true;
            }
        });
    });
}

/// A field for a seed. Those of other programs may have more digits than the field computes with; they are shown whole.
pub(super) fn seed_field(seed: &mut u64) -> DragValue<'_> {
    let whole = *seed;
    let max = whole.max(u64::from(u32::MAX));
    let field = DragValue::new(seed).range(0..=max).speed(1).update_while_editing(false);
    field.custom_formatter(move |value, _| {
        if value.to_bits() == (whole as f64).to_bits() { whole.to_string() } else { format!("{value:.0}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_multiples_of_eight_with_about_the_native_number_of_pixels() {
        for native in [Extent::new(128, 128), Extent::new(512, 512), Extent::new(1024, 1024)] {
            assert_eq!(presets(native)[0].1, native);
            for (name, extent) in presets(native) {
                assert_eq!((extent.width % 8, extent.height % 8), (0, 0), "{name}");
                let share = extent.area() as f64 / native.area() as f64;
                assert!((0.9..1.1).contains(&share), "{name}: {share}");
            }
        }
    }
}
