//! What to paint, and the button that paints it.

use super::icons::Icon;
use super::shortcuts::Shortcut;
use super::state::Outbox;
use super::styles::{chosen_styles_ui, styles_button};
use super::theme::{Palette, space};
use super::widgets::{Look, heading, primary_button, sized_icon_button};
use crate::diffusion::{Phase, Stop};
use crate::prompt::Style;
use crate::session::{Action, Draft, Jobs, Length, Running, Way};
use egui::text::{CCursor, CCursorRange};
use egui::{
    Align, Button, Layout, ProgressBar, Rect, RichText, Role, Sense, TextEdit, TextStyle, Ui, WidgetInfo, vec2,
};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The id of the prompt's text field, so that a shortcut can focus it.
pub(super) fn prompt_id() -> egui::Id {
    egui::Id::unique("prompt")
}

/// The id of the negative prompt's text field.
pub(super) fn negative_id() -> egui::Id {
    egui::Id::unique("negative prompt")
}

/// The characters that are selected in a text field, or where its cursor stands.
pub(super) fn selection(ctx: &egui::Context, field: egui::Id) -> Option<Range<usize>> {
    let range = TextEdit::load_state(ctx, field)?.cursor.char_range()?;
    let (from, to) = (usize::from(range.secondary.index), usize::from(range.primary.index));
    Some(from.min(to)..from.max(to))
}

/// Selects characters of a text field.
pub(super) fn select(ctx: &egui::Context, field: egui::Id, selected: Range<usize>) {
    let mut state = TextEdit::load_state(ctx, field).unwrap_or_default();
    let (start, end) = (CCursor::new(selected.start), CCursor::new(selected.end));
    state.cursor.set_char_range(Some(CCursorRange::two(start, end)));
    state.store(ctx, field);
}

/// Puts a text field's cursor behind the last letter of its text.
pub(super) fn cursor_to_end(ctx: &egui::Context, field: egui::Id, text: &str) {
    let mut state = TextEdit::load_state(ctx, field).unwrap_or_default();
    let end = CCursor::new(text.chars().count());
    state.cursor.set_char_range(Some(CCursorRange::one(end)));
    state.store(ctx, field);
}

/// What is known of the prompts.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The styles that can be chosen.
    pub(super) styles: &'a [Style],
    /// How long prompt and negative prompt are, once that was counted.
    pub(super) lengths: Option<[Length; 2]>,
}

/// Prompt and negative prompt.
pub(super) fn prompt_panel_ui(ui: &mut Ui, draft: &mut Draft, known: Known<'_>, out: &mut Outbox) {
    let lengths = known.lengths.map_or([None, None], |lengths| lengths.map(Some));
    let label = ui.horizontal(|ui| {
        let label = heading(ui, "Prompt");
        length_ui(ui, lengths[0]);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let size = vec2(24.0, 20.0);
            for (icon, shortcut, action) in [
                (Icon::Down, Shortcut::NewerPrompt, Action::NewerPrompt),
                (Icon::Up, Shortcut::OlderPrompt, Action::OlderPrompt),
            ] {
                let tooltip = shortcut.tooltip(ui.ctx());
                if sized_icon_button(ui, icon, shortcut.entry().name, tooltip, Look::Plain, size).clicked() {
                    out.act(action);
                }
            }
            styles_button(ui, draft, known.styles, out);
        });
        label.id
    });
    let hint = "What should be painted? A red apple on a table, still life, oil painting";
    let prompt = TextEdit::multiline(&mut draft.prompt)
        .id(prompt_id())
        .hint_text(RichText::new(hint).color(Palette::of(ui).text_weak))
        .margin(vec2(10.0, 8.0))
        .desired_rows(4)
        .desired_width(f32::INFINITY);
    bordered(ui, prompt).labelled_by(label.inner);
    chosen_styles_ui(ui, draft);
    ui.add_space(space::SMALL);
    let label = ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        ui.horizontal(|ui| {
            let label = heading(ui, "Stay away from");
            length_ui(ui, lengths[1]);
            label.on_hover_text("The negative prompt: what the picture should not show.")
        })
    });
    let negative = TextEdit::multiline(&mut draft.negative_prompt)
        .id(negative_id())
        .hint_text(RichText::new("Blurry, text, frame").color(Palette::of(ui).text_weak))
        .margin(vec2(10.0, 8.0))
        .desired_rows(2)
        .desired_width(f32::INFINITY);
    bordered(ui, negative).labelled_by(label.inner.inner.id);
}

/// How much of the room for a prompt it takes; nothing of none.
fn length_ui(ui: &mut Ui, length: Option<Length>) {
    let Some(Length { tokens, room }) = length.filter(|length| length.tokens > 0) else { return };
    let text = RichText::new(format!("{tokens} / {room}")).text_style(TextStyle::Small);
    let about =
        "How many tokens it is, of those that the model reads at once; longer prompts are read in several parts.";
    ui.label(text.color(Palette::of(ui).text_weak)).on_hover_text(about);
}

/// A text field with a line around it that takes the accent while it has the focus.
fn bordered(ui: &mut Ui, field: TextEdit<'_>) -> egui::Response {
    let palette = Palette::of(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        widgets.inactive.bg_stroke = egui::Stroke::new(1.0, palette.field_line);
        widgets.hovered.bg_stroke = egui::Stroke::new(1.0, palette.text_weak);
        ui.add(field)
    })
    .inner
}

/// Generate, Stop and the progress of what runs.
pub(super) fn generate_ui(ui: &mut Ui, way: Way, jobs: &Jobs, out: &mut Outbox) {
    let text = match jobs.waiting.len() {
        0 => way.label().to_owned(),
        waiting => format!("{}  \u{b7}  {waiting} waiting", way.label()),
    };
    ui.horizontal(|ui| {
        let stop_width = if jobs.running.is_some() { 86.0 } else { 0.0 };
        let gap = if stop_width > 0.0 { ui.spacing().item_spacing.x } else { 0.0 };
        let width = ui.available_width() - stop_width - gap;
        let tooltip = Shortcut::Generate.tooltip(ui.ctx());
        if primary_button(ui, &text, width).accessible_name("Generate").on_hover_text(tooltip).clicked() {
            out.act(Action::Generate);
        }
        if let Some(running) = &jobs.running {
            stop_button(ui, running, stop_width, out);
        }
    });
    if let Some(running) = &jobs.running {
        progress_ui(ui, running);
    }
}

fn stop_button(ui: &mut Ui, running: &Running, width: f32, out: &mut Outbox) {
    ui.spacing_mut().item_spacing.x = 2.0;
    let stop = Button::new("Stop").min_size(vec2(width - 28.0, space::LARGE_BUTTON));
    let tooltip = Shortcut::Stop.tooltip(ui.ctx());
    if ui.add_enabled(running.stopping.is_none(), stop).on_hover_text(tooltip).clicked() {
        out.act(Action::Stop(Stop::Keep));
    }
    let size = vec2(26.0, space::LARGE_BUTTON);
    let more = sized_icon_button(ui, Icon::Down, "Ways to stop", "Ways to stop", Look::Plain, vec2(size.x, 26.0));
    egui::Popup::menu(&more).show(|ui| {
        super::menu::item(ui, Shortcut::Stop, true, || out.act(Action::Stop(Stop::Keep)));
        super::menu::item(ui, Shortcut::StopAndDiscard, true, || {
            out.act(Action::Stop(Stop::Discard));
        });
        super::menu::item(ui, Shortcut::ClearQueue, true, || out.act(Action::ClearQueue));
    });
}

fn progress_ui(ui: &mut Ui, running: &Running) {
    ui.add_space(2.0);
    let bar = ProgressBar::new(running.progress()).desired_height(5.0).fill(Palette::of(ui).accent).corner_radius(3.0);
    ui.add(bar).accessible_name("Progress");
    ui.horizontal(|ui| {
        let weak = |text: String| RichText::new(text).text_style(TextStyle::Small).color(Palette::of(ui).text_weak);
        let phase = weak(phase_text(running));
        let left = running.time_left(Instant::now()).map(|left| weak(format!("{} left", duration_text(left))));
        ui.label(phase);
        if let Some(left) = left {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(left));
        }
    });
}

/// The progress as a line over the whole width, for when the panels are hidden.
pub(super) fn progress_line(ui: &mut Ui, running: &Running) {
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Progress"));
    let palette = Palette::of(ui);
    ui.painter().rect_filled(rect, 0.0, palette.sunken);
    let done = Rect::from_min_size(rect.min, vec2(rect.width() * running.progress(), rect.height()));
    ui.painter().rect_filled(done, 0.0, palette.accent);
}

/// What a running job is busy with.
pub(super) fn phase_text(running: &Running) -> String {
    match (running.stopping, running.phase) {
        (Some(Stop::Keep) | None, Some(Phase::Decode)) => "Finishing the picture".into(),
        (Some(Stop::Keep), _) => "Stopping, and keeping what there is".into(),
        (Some(Stop::Discard), _) => "Stopping".into(),
        (None, None) => "Starting".into(),
        (None, Some(Phase::LoadModel)) => format!("Loading {}", running.request.model),
        (None, Some(Phase::EncodePrompt)) => "Reading the prompt".into(),
        (None, Some(Phase::EncodePicture)) => "Looking at the picture".into(),
        (None, Some(Phase::Sample)) => {
            let step = (running.steps_made + 1).min(running.step_count.max(1));
            format!("Step {step} of {}", running.step_count.max(1))
        }
        (None, Some(Phase::Upscale)) if running.step_count > 1 => {
            let piece = (running.steps_made + 1).min(running.step_count);
            format!("Upscaling, piece {piece} of {}", running.step_count)
        }
        (None, Some(Phase::Upscale)) => "Upscaling".into(),
    }
}

/// A duration in the one or two units that matter.
pub(super) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_what_matters() {
        assert_eq!(duration_text(Duration::from_millis(3200)), "4 s");
        assert_eq!(duration_text(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(duration_text(Duration::from_mins(121)), "2 h 1 min");
    }
}
