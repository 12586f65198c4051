//! The settings that most pictures leave alone, folded away: how the sampler is turned, how words are read, whose ways are followed.

use super::icons::{self, Icon};
use super::state::{Fold, ViewState};
use super::theme::{Palette, space};
use super::widgets::{Look, Number, choice_row, note, painted_text, row, sized_icon_button, slider_row};
use crate::diffusion::{
    Batch, Emphasis, NoiseSource, Program, Reproduce, Request, SamplerName, Savings, Tuning, Variation, last_layer,
};
use crate::geom::Extent;
use crate::session::{Draft, Model};
use egui::{Align2, DragValue, Rect, Role, Sense, TextStyle, Ui, Vec2, WidgetInfo, vec2};

const VARIATION: Number =
    Number { range: 0.0..=1.0, typed: 0.0..=1.0, step: 0.01, decimals: 2, logarithmic: false, suffix: "" };
/// The width of a field for one number, in points.
const FIELD_WIDTH: f32 = 64.0;

/// A line that opens and closes them, and says how many are not as usual; and they.
pub(super) fn finer_panel_ui(ui: &mut Ui, draft: &mut Draft, models: &[Model], view: &mut ViewState) {
    ui.add_space(space::SMALL);
    fold_ui(ui, changed(draft), &mut view.finer);
    if view.finer == Fold::Closed {
        return;
    }
    tuning_rows(ui, draft);
    let skips_layers = models.iter().any(|model| model.name == draft.model && model.skips_layers);
    if skips_layers || draft.clip_skip != last_layer() {
        row(ui, "Clip skip", |ui, id| {
            let skip = DragValue::new(&mut draft.clip_skip).range(1..=Request::<(), ()>::MAX_CLIP_SKIP).speed(0.05);
            let about = "Which of the text encoder's layers is read, counted from its last; 1 is usual.";
            ui.add_sized(vec2(FIELD_WIDTH, space::FIELD), skip).labelled_by(id).on_hover_text(about);
        });
    }
    if let Some(emphasis) = choice_row(ui, "Emphasis", draft.emphasis, Emphasis::ALL, Emphasis::label) {
        draft.emphasis = emphasis;
    }
    if draft.savings != Savings::default() {
        savings_row(ui, draft);
    }
    reproduce_rows(ui, draft);
}

/// How many of them are not as usual.
fn changed(draft: &Draft) -> usize {
    let Reproduce { program, noise, variation, resized_from, ensd, batch, sgm_noise, exact_steps } = draft.reproduce;
    let changes = [
        draft.tuning != Tuning::default(),
        draft.clip_skip != last_layer(),
        draft.emphasis != Emphasis::default(),
        draft.savings != Savings::default(),
        program != Program::default(),
        noise != Reproduce::usual(program).noise,
        variation.is_some(),
        resized_from.is_some(),
        ensd != 0,
        batch != Batch::default() || sgm_noise || exact_steps,
    ];
    changes.into_iter().filter(|is| *is).count()
}

/// A line over the whole width that opens and closes what is under it.
fn fold_ui(ui: &mut Ui, changed: usize, fold: &mut Fold) {
    const NAME: &str = "Finer settings";
    let is_open = *fold == Fold::Open;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), space::FIELD), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_open, NAME));
    let palette = Palette::of(ui);
    let colour = if response.hovered() || response.has_focus() { palette.text } else { palette.text_weak };
    let size = TextStyle::Small.resolve(ui.style()).size;
    let name = painted_text(ui, rect.left_center(), Align2::LEFT_CENTER, NAME, size, colour);
    if changed > 0 {
        let at = name.right_center() + vec2(ui.spacing().item_spacing.x, 0.0);
        painted_text(ui, at, Align2::LEFT_CENTER, &format!("{changed} changed"), size, palette.accent);
    }
    let icon = Rect::from_center_size(rect.right_center() - vec2(12.0, 0.0), Vec2::splat(14.0));
    icons::paint(ui.painter(), if is_open { Icon::Up } else { Icon::Down }, icon, colour);
    let about = "How the sampler is turned, how words are read, which program is followed.";
    if response.on_hover_text(about).clicked() {
        *fold = if is_open { Fold::Closed } else { Fold::Open };
    }
}

/// How far the sampler that is chosen can be turned, and whatever else the settings of a picture turned.
fn tuning_rows(ui: &mut Ui, draft: &mut Draft) {
    if let Some(usual) = draft.sampler.usual_eta() {
        row(ui, if draft.sampler == SamplerName::Tcd { "Gamma" } else { "Eta" }, |ui, id| {
            let mut eta = draft.tuning.eta.unwrap_or(usual);
            let field = DragValue::new(&mut eta).range(0.0..=1.0).speed(0.005).max_decimals(2);
            let about =
                format!("How much of the noise that a step takes away comes back as other noise; {usual} is usual.");
            if ui.add_sized(vec2(FIELD_WIDTH, space::FIELD), field).labelled_by(id).on_hover_text(about).changed() {
                draft.tuning.eta = Some(eta).filter(|eta| eta.to_bits() != usual.to_bits());
            }
        });
    }
    if draft.sampler.churns() {
        row(ui, "Churn", |ui, id| {
            let field =
                DragValue::new(&mut draft.tuning.churn).range(0.0..=Tuning::MAX_CHURN).speed(0.1).max_decimals(2);
            let about = "How much fresh noise is added before steps, over all of them; 0 is usual.";
            ui.add_sized(vec2(FIELD_WIDTH, space::FIELD), field).labelled_by(id).on_hover_text(about);
        });
    }
    let Tuning { eta, churn, .. } = draft.tuning;
    if draft.tuning == (Tuning { eta, churn, ..Tuning::default() }) {
        return;
    }
    row(ui, "Turned", |ui, id| {
        let Tuning { noise, churn_from, churn_to, guidance_rescale, zero_terminal_snr, .. } = draft.tuning;
        let Tuning { rho, sigma_min, sigma_max, .. } = draft.tuning;
        let bent = rho.map_or_else(String::new, |rho| format!(", the schedule bent by {rho}"));
        let cut = if sigma_min > 0.0 || sigma_max > 0.0 {
            format!(", the schedule from sigma {sigma_max} to {sigma_min} (0 is the model's)")
        } else {
            String::new()
        };
        let stretched = if zero_terminal_snr { ", noise stretched to zero terminal SNR" } else { "" };
        let about = format!(
            "The settings of a picture brought this: noise times {noise}, churn from sigma {churn_from} to {churn_to} (0 is all), guidance \
             rescaled by {guidance_rescale}{stretched}{bent}{cut}."
        );
        if ui.button("As usual").labelled_by(id).on_hover_text(about).clicked() {
            draft.tuning = Tuning { eta, churn, ..Tuning::default() };
        }
    });
}

/// Shown where the settings of a picture brought savings, so that they are seen and can be turned off.
fn savings_row(ui: &mut Ui, draft: &mut Draft) {
    row(ui, "Savings", |ui, id| {
        let Savings { guidance_start, guidance_end, negative_min_sigma, deep_every, merge_tokens } = draft.savings;
        let about = format!(
            "The settings of a picture brought this: guidance from {:.0} % to {:.0} % of the steps and above sigma {negative_min_sigma}, \
             the depth of the network every {deep_every} steps, {:.0} % of its places merged.",
            guidance_start * 100.0,
            guidance_end * 100.0,
            merge_tokens * 100.0
        );
        if ui.button("Turn off").labelled_by(id).on_hover_text(about).clicked() {
            draft.savings = Savings::default();
        }
    });
}

/// Whose ways are followed, and how far noise goes its own.
fn reproduce_rows(ui: &mut Ui, draft: &mut Draft) {
    let name = |program| match program {
        Program::Diffusers => "Sfumato, diffusers",
        other => other.label(),
    };
    if let Some(program) = choice_row(ui, "Paint as in", draft.reproduce.program, Program::ALL, name) {
        draft.reproduce = Reproduce { noise: Reproduce::usual(program).noise, program, ..draft.reproduce };
    }
    let name = |source| match source {
        NoiseSource::Cpu => "Of a CPU",
        NoiseSource::Nv => "Of an NVIDIA card",
        NoiseSource::CpuThenNv => "Of a CPU, then a card",
    };
    if let Some(noise) = choice_row(ui, "Noise", draft.reproduce.noise, NoiseSource::ALL, name) {
        draft.reproduce.noise = noise;
    }
    variation_rows(ui, draft);
    let is_a1111 = draft.reproduce.program == Program::A1111;
    if is_a1111 || draft.reproduce.ensd != 0 {
        row(ui, "ENSD", |ui, id| {
            let field = DragValue::new(&mut draft.reproduce.ensd).speed(1).update_while_editing(false);
            let about = "What is added to the seed for the noise of later steps; 0 is usual, 31337 was NovelAI's.";
            ui.add_sized(vec2(FIELD_WIDTH, space::FIELD), field).labelled_by(id).on_hover_text(about);
        });
    }
    if is_a1111 || draft.reproduce.resized_from.is_some() {
        resized_row(ui, draft);
    }
    if draft.count > 1 && !is_a1111 || draft.one_generator {
        row(ui, "Batch", |ui, _| {
            let about = "The noise of all pictures comes from one seed, one behind the other, instead of each having the next seed.";
            ui.checkbox(&mut draft.one_generator, "Of one seed").on_hover_text(about);
        });
    }
    brought_row(ui, draft);
}

fn variation_rows(ui: &mut Ui, draft: &mut Draft) {
    let mut strength = draft.reproduce.variation.map_or(0.0, |variation| variation.strength);
    let about = "How much the noise is mixed with that of another seed: the same picture, a little different.";
    if slider_row(ui, "Variation", &mut strength, &VARIATION).on_hover_text(about).changed() {
        let seed = draft.reproduce.variation.map_or(draft.seed.wrapping_add(1), |variation| variation.seed);
        draft.reproduce.variation = (strength > 0.0).then_some(Variation { seed, strength });
    }
    if let Some(variation) = &mut draft.reproduce.variation {
        row(ui, "Other seed", |ui, id| {
            let field = super::settings_panel::seed_field(&mut variation.seed);
            let about = "Unless the seed is locked, Generate takes another one each time, and keeps the seed.";
            let width = ui.available_width();
            ui.add_sized(vec2(width, space::FIELD), field).labelled_by(id).on_hover_text(about);
        });
    }
}

/// A1111's "Seed resize from".
fn resized_row(ui: &mut Ui, draft: &mut Draft) {
    let about = "Lays the noise of a picture of another size into the middle, so that what it shows stays.";
    row(ui, "Seed size", |ui, id| {
        let Some(Extent { width, height }) = &mut draft.reproduce.resized_from else {
            if ui.button("As the picture").labelled_by(id).on_hover_text(about).clicked() {
                draft.reproduce.resized_from = Some(draft.extent);
            }
            return;
        };
        let max = Request::<(), ()>::MAX_SIDE;
        for (side, name) in [(width, "Seed width"), (height, "Seed height")] {
            let drag = DragValue::new(side).range(8..=max).speed(4).update_while_editing(false);
            ui.add_sized(vec2(FIELD_WIDTH, space::FIELD), drag).accessible_name(name).on_hover_text(about);
        }
        let cross =
            sized_icon_button(ui, Icon::Close, "As the picture", "As the picture", Look::Plain, vec2(24.0, 24.0));
        if cross.clicked() {
            draft.reproduce.resized_from = None;
        }
    });
}

/// What only the settings of a picture bring.
fn brought_row(ui: &mut Ui, draft: &mut Draft) {
    let Reproduce { batch, sgm_noise, exact_steps, .. } = draft.reproduce;
    let mut brought = Vec::new();
    if batch != Batch::default() {
        brought.push(format!("picture {} of a batch of {}", batch.index + 1, batch.of));
    }
    if sgm_noise {
        brought.push("the first noise as strong as in other programs".to_owned());
    }
    if exact_steps {
        brought.push("all steps also from a picture".to_owned());
    }
    if brought.is_empty() {
        return;
    }
    row(ui, "Also", |ui, id| {
        if ui.button("As usual").labelled_by(id).on_hover_text("Takes this back").clicked() {
            let usual = Reproduce::default();
            draft.reproduce = Reproduce { batch: usual.batch, sgm_noise: false, exact_steps: false, ..draft.reproduce };
        }
    });
    note(ui, brought.join(", "), Palette::of(ui).text_weak);
}
