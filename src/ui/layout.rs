//! Where everything stands: the bar at the top, the panel at the right, the filmstrip and the status line at the bottom, the
//! tools beside the canvas and their settings over it, the canvas in the middle.

use super::shortcuts::Shortcut;
use super::size_window::Sizing;
use super::state::{Outbox, ViewState};
use super::theme::{Palette, space};
use super::{
    brush_panel, canvas, closed_menu, drop_window, filmstrip, gallery, get_models, guide_panel, help, keys,
    layers_panel, leave_window, menu, notices, paint_in, path_window, perform, prompt_panel, settings_panel,
    settings_window, shortcuts, size_window, start_panel, status, toolbar, tools,
};
use crate::paint::Tool;
use crate::session::{Action, Session};
use egui::{Button, CentralPanel, Context, Frame, Key, Margin, Panel, ScrollArea, Ui, UiBuilder, vec2};

/// The width of the colours, the brush and the layers, in points.
const BRUSH_PANEL: f32 = 256.0;
/// From this width the brush and its layers stand beside what is asked for; below, they take its place while one paints, in points.
const ROOM_FOR_BOTH: f32 = 1250.0;
/// How wide what is asked for is at first, and how wide it can be made, in points.
const SIDE: f32 = 330.0;
const SIDES: std::ops::RangeInclusive<f32> = 290.0..=460.0;
/// How wide it is where it shares its place with the brush, in points.
const SHARED_SIDE: f32 = 320.0;

/// The whole window. What the person did is in the outbox afterwards; the draft is already changed. `device` is what the
/// networks run on, for the status line.
pub fn window_ui(ui: &mut Ui, session: &mut Session, view: &mut ViewState, device: &str) -> Outbox {
    let mut out = Outbox::default();
    let ctx = ui.ctx().clone();
    if let Some(field) = view.wants_cursor_at_end.take() {
        prompt_panel::cursor_to_end(&ctx, field, &session.draft.prompt);
    }
    if let Some((field, selected)) = view.wants_selection.take() {
        prompt_panel::select(&ctx, field, selected);
    }
    for said in keys::bind(&ctx, &session.settings.keys) {
        session.notices.error(said);
    }
    if view.asks_to_leave {
        leave_window::take_keys(&ctx, session, view, &mut out);
    } else if view.asked_path.is_some() {
        path_window::take_keys(&ctx, view);
    } else {
        take_keys(&ctx, session, view, &mut out);
    }
    let by_keys = out.actions.len();
    let palette = Palette::of(ui);
    let bar = Frame::new().fill(palette.panel).inner_margin(Margin::symmetric(12, 5));
    Panel::top("menu").frame(bar).show(ui, |ui| menu::menu_bar_ui(ui, session, view, &mut out));
    if !view.panels_hidden {
        panels(ui, session, view, device, &mut out);
    } else if let Some(running) = &session.jobs.running {
        Panel::bottom("progress").frame(Frame::new()).exact_size(3.0).show_separator_line(false).show(ui, |ui| {
            prompt_panel::progress_line(ui, running);
        });
    }
    if view.gallery_open && !session.notices.is_empty() {
        let frame =
            Frame::new().fill(palette.backdrop).inner_margin(Margin { left: 12, right: 12, top: 10, bottom: 2 });
        Panel::top("notices").frame(frame).show_separator_line(false).show(ui, |ui| {
            notices::notices_ui(ui, &session.notices, &mut out);
        });
    }
    CentralPanel::no_frame().frame(Frame::new().fill(palette.backdrop)).show(ui, |ui| {
        if view.gallery_open {
            gallery::gallery_ui(ui, session, view, &mut out);
        } else {
            let rect = ui.available_rect_before_wrap();
            let covered = notices::notices_over(ui, rect, &session.notices, &mut out);
            canvas::canvas_ui(ui, session, view, covered, &mut out);
        }
    });
    drop_window::drop_window(&ctx, session, view, &mut out);
    leave_window::leave_window(&ctx, session, view, &mut out);
    path_window::path_window(&ctx, view, &mut out);
    size_window::size_window(&ctx, session, view, &mut out);
    help::help_window(&ctx, view, &mut out);
    get_models::get_models_window(&ctx, session, view, &mut out);
    settings_window::settings_window(&ctx, session, view, &mut out);
    gallery::end_search_with_the_gallery(session, view, &mut out);
    gallery::see_large(session, view, &mut out);
    layers_panel::end_name_with_its_field(&ctx, &session.document, view, &mut out);
    view.prompt_first &= !takes_tool(&out.actions[by_keys..]);
    view.thumbnails.end_frame();
    out
}

/// What was pressed since the last frame.
fn take_keys(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    help::take_key(ctx, view, out);
    shortcuts::take_plain(ctx, Key::Escape, || perform::close_something(view));
    shortcuts::take_plain(ctx, Key::Enter, || perform::finish_something(ctx, session, view, out));
    let waits_for_field = view.sizing.is_some_and(Sizing::is_new);
    for shortcut in shortcuts::pressed(ctx, view.gallery_open, waits_for_field) {
        let before = out.actions.len();
        perform::perform(ctx, shortcut, session, view, out);
        view.prompt_first &= !takes_tool(&out.actions[before..]);
    }
}

/// All that stands around the canvas or the gallery, but the menu.
fn panels(ui: &mut Ui, session: &mut Session, view: &mut ViewState, device: &str, out: &mut Outbox) {
    let palette = Palette::of(ui);
    let bar = |x: i8, y: i8| Frame::new().fill(palette.panel).inner_margin(Margin::symmetric(x, y));
    Panel::bottom("status").frame(bar(10, 2)).exact_size(28.0).show(ui, |ui| {
        status::status_ui(ui, session, view, device);
    });
    let is_narrow = ui.available_width() < ROOM_FOR_BOTH;
    let frame = Frame::new().fill(palette.panel);
    if is_narrow {
        let shows_brush =
            !view.gallery_open && brush_panel::is_of_use(session) && session.tool != Tool::Hand && !view.prompt_first;
        // One place for both, and as wide for either: no tool moves the picture.
        Panel::right("shared side").frame(frame).exact_size(SHARED_SIDE).show(ui, |ui| {
            let place = ui.max_rect();
            // What either is wider than its place by must not make that wider.
            let mut within = ui.new_child(UiBuilder::new().max_rect(place));
            within.shrink_clip_rect(place);
            if shows_brush {
                narrow_brush_ui(&mut within, session, view, out);
            } else {
                side_panel_ui(&mut within, session, view, out);
            }
            ui.advance_cursor_after_rect(place);
        });
    } else {
        Panel::right("side").frame(frame).default_size(SIDE).size_range(SIDES).show(ui, |ui| {
            side_panel_ui(ui, session, view, out);
        });
        if !view.gallery_open {
            // Whatever the tool, and where nothing is painted yet: neither the picture nor the tools must move for one.
            Panel::left("brush").frame(frame).exact_size(BRUSH_PANEL).show(ui, |ui| {
                brush_panel::brush_panel_ui(ui, session, view, out);
            });
        }
    }
    Panel::bottom("filmstrip").frame(bar(12, 8)).exact_size(filmstrip::SIDE + 18.0).show(ui, |ui| {
        filmstrip::filmstrip_ui(ui, session, view, out);
    });
    if !view.gallery_open {
        let width = toolbar::width(ui.available_height());
        Panel::left("toolbar").frame(bar(6, 6)).exact_size(width).show(ui, |ui| {
            toolbar::toolbar_ui(ui, session, out);
        });
        let height = tools::height(ui.available_width() - 20.0, session.tool, is_narrow);
        Panel::top("tools").frame(bar(10, 4)).exact_size(height).show(ui, |ui| {
            tools::tools_ui(ui, session, view, out);
        });
    }
}

/// Whether somebody took up a tool, and wants to see its settings.
fn takes_tool(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::SetTool(_)))
}

/// The brush and its layers where they take the place of what is asked for: of that they keep a way to the prompt, and the
/// button that paints.
fn narrow_brush_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let frame = Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 10 });
    Panel::bottom("asked for").frame(frame).show(ui, |ui| {
        let prompt = Button::new("Prompt and settings\u{2026}").min_size(vec2(ui.available_width(), space::FIELD));
        if ui.add(prompt).on_hover_text(Shortcut::FocusPrompt.tooltip(ui.ctx())).clicked() {
            let ctx = ui.ctx().clone();
            perform::perform(&ctx, Shortcut::FocusPrompt, session, view, out);
        }
        ui.add_space(space::SMALL);
        prompt_panel::generate_ui(ui, session.way(), &session.jobs, out);
    });
    brush_panel::brush_panel_ui(ui, session, view, out);
}

/// What is asked for, over the button that paints.
fn side_panel_ui(ui: &mut Ui, session: &mut Session, view: &mut ViewState, out: &mut Outbox) {
    let inner = Frame::new().inner_margin(Margin { left: space::PANEL, right: space::PANEL, top: 10, bottom: 10 });
    Panel::bottom("generate").frame(inner).show_separator_line(true).show(ui, |ui| {
        prompt_panel::generate_ui(ui, session.way(), &session.jobs, out);
    });
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        inner.show(ui, |ui| {
            let known = prompt_panel::Known { styles: &session.styles, lengths: session.lengths };
            prompt_panel::prompt_panel_ui(ui, &mut session.draft, known, out);
            if session.document.has_picture() {
                ui.add_space(space::GROUP);
                start_panel::start_panel_ui(ui, session, view, out);
            } else {
                closed_menu::newest_closed_ui(ui, session, out);
            }
            guide_panel::guide_panel_ui(ui, session, view, out);
            paint_in::painted_in_ui(ui, session, out);
            ui.add_space(space::GROUP);
            let open_extent = session.document.has_picture().then(|| session.document.extent());
            let offers = settings_panel::Offers {
                models: &session.models,
                precisions: &session.precisions,
                upscalers: &session.upscalers,
                previews: &session.previews,
                memory: session.memory,
            };
            settings_panel::settings_panel_ui(ui, &mut session.draft, offers, open_extent, view, out);
        });
    });
}
