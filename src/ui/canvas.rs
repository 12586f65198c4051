//! The canvas: shows what the session shows, moves the view, and turns the pointer into strokes of the mask tools.

use super::bounds::show_bounds;
use super::compare::{before, compare, show_handle, split};
use super::paint_in::{paint_in_bar, show_strokes};
use super::perform::{tip, with_tip};
use super::pointer::{colour_at, paint_with_pointer, picks_colour};
use super::state::{Ask, Outbox, UploadedMask, ViewState};
use super::theme::Palette;
use super::view::{CanvasView, Placement};
use super::widgets::painted_text;
use crate::geom::Bounds;
use crate::paint::{Brush, Layer, Painting, Tiles, Tool};
use crate::render::CanvasPaint;
use crate::render::canvas::CanvasUniforms;
use crate::session::{Action, Session, Shown};
use egui::{Align2, Color32, CursorIcon, Key, PointerButton, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo};
use std::sync::Arc;

/// The smallest and the largest brush, in image pixels.
pub const BRUSH_SIZES: std::ops::RangeInclusive<f32> = 1.0..=2048.0;

/// The edge of a mask is seen where its coverage passes this.
const HALF: u8 = 128;

/// The canvas, over all that is left of the window. `covered` points of it at the top have something over them.
pub fn canvas_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, covered: f32, out: &mut Outbox) {
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    let shown = session.canvas().clone();
    response.widget_info(|| {
        let in_mirror = if view.mirrored { ", mirrored" } else { "" };
        WidgetInfo::labeled(Role::Image, true, description(session, &shown) + in_mirror)
    });

    view.note_layer(session.document.stack().active().map(|layer| layer.id));
    let extent = shown.extent();
    if view.shown_extent != Some(extent) {
        view.shown_extent = Some(extent);
        view.view = CanvasView::Fit;
    }
    let pixels_per_point = ui.ctx().pixels_per_point();
    let before = view.view.placement(rect, pixels_per_point, extent, view.mirrored);
    let scene = Scene { session, shown: &shown, placement: before };
    move_view(ui, &response, &scene, view, out);
    let placement = view.view.placement(rect, pixels_per_point, extent, view.mirrored);
    view.placement = Some(placement);
    view.pointer = response.hover_pos().map(|at| placement.to_image(at));

    let is_panning = is_panning(ui, session.tool);
    let scene = Scene { placement, ..scene };
    // The canvas lies under what the tools draw, and is known after they worked.
    let under_tools = ui.painter().add(egui::Shape::Noop);
    let is_comparing = compare(ui, &response, &scene, view, out);
    // A mask that goes along with what is moved is seen again where that is put down.
    let is_moved = view.moving.is_some() && within_mask(session);
    let painted = if is_comparing { None } else { paint_with_pointer(ui, &response, &scene, view, out) };
    take_up(session, &shown, painted.as_ref(), view);
    let has_mask = matches!(shown, Shown::Document(_)) && session.document.has_mask() && !is_moved;
    let shows_mask = view.stroke.is_some() || has_mask;
    let marched = marched(ui, shows_mask, view);
    // Where it keeps paint inside, colours are to be seen as they are, if the mask has an edge that says where that is.
    let is_edge_enough = view.mask_has_edge && paints_within(session);
    let uniforms = uniforms(ui, &scene, split(&shown, view), shows_mask, marched, is_edge_enough);
    ui.painter().set(under_tools, CanvasPaint::new(&view.canvas, uniforms).into_shape(ui.ctx(), rect));

    if let Shown::Empty(_) = shown {
        empty_state(ui, session, placement.picture_in_ui().intersect(rect), rect);
    }
    show_strokes(ui, &scene, view);
    show_bounds(ui, &scene, view);
    if is_comparing && !is_panning {
        show_handle(ui, &response, &scene, view);
    } else {
        show_cursor(ui, &response, &scene, view, is_panning);
    }
    let free = rect.with_min_y(rect.top() + covered);
    if let Some(id) = shown.result()
        && view.stroke.is_none()
        && view.paints_from.is_none()
        && view.presses.is_empty()
    {
        super::result_bar::result_bar(ui, free, id, session, view, out);
    }
    if view.painting_in.is_none() {
        paint_in_bar(ui, free, &scene, out);
    }
    if session.document.has_picture() && !view.is_at_work() {
        super::way_bar::way_bar(ui, rect, session, out);
    }
    if session.is_live() && shown.result().is_none() && view.painting.is_none() && view.stroke.is_none() {
        super::result_bar::live_bar(ui, free, matches!(shown, Shown::Live { .. }), out);
    }
    response.context_menu(|ui| context_menu(ui, &shown, view, out));
    if ui.input(|i| !i.raw.hovered_files.is_empty()) {
        drop_hint(ui, rect, session.document.has_picture());
    }
}

/// What the pointer works on.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) session: &'a Session,
    pub(super) shown: &'a Shown,
    pub(super) placement: Placement,
}

fn description(session: &Session, shown: &Shown) -> String {
    match shown {
        Shown::Empty(_) => match &session.jobs.running {
            Some(running) => format!("Canvas, empty, {}", super::prompt_panel::phase_text(running)),
            None => "Canvas, empty".into(),
        },
        Shown::Document(tiles) => format!("Canvas, the picture to start from, {}", tiles.extent()),
        Shown::Live { tiles, .. } => format!("Canvas, painted live, {}", tiles.extent()),
        Shown::Part { picture, .. } => format!("Canvas, a result in its place, {}", picture.extent()),
        Shown::Result(_, picture) => format!("Canvas, a result, {}", picture.extent()),
        Shown::Preview { extent, .. } => format!("Canvas, a picture being painted, {extent}"),
    }
}

/// Whether the pointer moves the view whatever the tool: with Space held.
pub(super) fn is_panning(ui: &Ui, tool: Tool) -> bool {
    tool == Tool::Hand || ui.input(|i| i.key_down(Key::Space)) && !ui.ctx().text_edit_focused()
}

fn move_view(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let (tool, brush, placement) = (scene.session.tool, tip(scene.session), &scene.placement);
    let has_brush = tool.is_mask() || tool.is_paint();
    let (primary, middle, delta) = ui.input(|i| (i.pointer.primary_down(), i.pointer.middle_down(), i.pointer.delta()));
    let pans = middle || primary && is_panning(ui, tool);
    if response.is_pointer_button_down_on() && pans && delta != egui::Vec2::ZERO {
        view.view = placement.panned(delta);
    }
    if tool == Tool::Hand && response.double_clicked() {
        view.view = CanvasView::Fit;
    }
    if response.dragged_by(PointerButton::Secondary) && ui.input(|i| i.modifiers.alt) && has_brush {
        let delta = response.drag_delta();
        let size = (brush.size + delta.x).clamp(*BRUSH_SIZES.start(), *BRUSH_SIZES.end());
        let hardness = (brush.hardness - delta.y / 100.0).clamp(0.0, 1.0);
        out.act(with_tip(scene.session, Brush { size, hardness }));
    }
    let Some(pointer) = response.hover_pos().filter(|_| response.contains_pointer()) else {
        return;
    };
    let (scroll, zoom, command) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta(), i.modifiers.command));
    if command && has_brush && is_other_than_one(zoom) {
        let size = (brush.size * zoom).clamp(*BRUSH_SIZES.start(), *BRUSH_SIZES.end());
        out.act(with_tip(scene.session, Brush { size, ..brush }));
        return;
    }
    let factor = zoom * (scroll / 220.0).exp();
    if is_other_than_one(factor) {
        view.view = placement.zoomed(placement.scale * factor, pointer);
    }
}

fn is_other_than_one(factor: f32) -> bool {
    (factor - 1.0).abs() > 1e-6
}

/// Queues what the graphics card does not hold yet.
fn take_up(session: &Session, shown: &Shown, painted: Option<&Tiles>, view: &mut ViewState) {
    match shown {
        Shown::Empty(_) => {}
        Shown::Document(tiles) => {
            let hides = hides_overlays(session, view);
            let painting = view.painting.as_ref().map(|painting| shown_of(painting, hides));
            let tiles = if hides { session.document.last_flat() } else { tiles };
            view.canvas.set_tiles(painted.or(painting).unwrap_or(tiles));
        }
        Shown::Result(_, picture) => view.canvas.set_picture(picture),
        Shown::Part { tiles, .. } | Shown::Live { tiles, .. } => view.canvas.set_tiles(tiles),
        Shown::Preview { picture, over, .. } => {
            if let Some((tiles, _)) = over {
                view.canvas.set_tiles(tiles);
            }
            view.canvas.set_preview(picture);
        }
    }
    if let Some(before) = before(session).filter(|_| view.compare.is_some()) {
        view.canvas.set_before(before);
    }
    if let Some(stroke) = &mut view.stroke {
        let dirty = stroke.take_dirty();
        if view.uploaded_mask != UploadedMask::Stroke {
            view.canvas.set_mask(stroke.mask());
            view.uploaded_mask = UploadedMask::Stroke;
        } else if let Some(dirty) = dirty {
            view.canvas.set_mask_box(stroke.mask(), dirty);
        }
    } else {
        take_up_mask(session, shown, view);
    }
}

/// Queues the mask where it is seen: over the document, or of a preview the one that it is painted through.
fn take_up_mask(session: &Session, shown: &Shown, view: &mut ViewState) {
    let document = &session.document;
    match shown {
        Shown::Document(_) if document.has_mask() => {
            let held = UploadedMask::Document(document.mask_number());
            if view.uploaded_mask != held {
                view.canvas.set_mask(document.mask());
                view.uploaded_mask = held;
                view.mask_has_edge = document.mask().coverage().iter().any(|&covers| covers >= HALF);
            }
        }
        Shown::Preview { job, mask: Some(mask), .. } => {
            let held = UploadedMask::Job(*job);
            if view.uploaded_mask != held {
                view.canvas.set_mask(mask);
                view.uploaded_mask = held;
            }
        }
        _ => {}
    }
}

/// Whether the active layer changes only where it is masked.
pub(super) fn within_mask(session: &Session) -> bool {
    session.document.stack().active().is_some_and(|layer| session.document.confines(layer).is_some())
}

/// Whether the tool at hand changes the layer only within the mask.
fn paints_within(session: &Session) -> bool {
    let changes_layers = matches!(session.tool, Tool::Bucket | Tool::Gradient | Tool::Transform);
    (session.tool.is_paint() || changes_layers) && within_mask(session)
}

/// Whether masks and guides are left out of what the canvas shows: not while one of them is painted on.
pub(super) fn hides_overlays(session: &Session, view: &ViewState) -> bool {
    let is_of_the_picture = |layer: &Arc<Layer>| layer.look.kind.is_of_the_picture();
    view.hides_overlays && session.document.stack().active().is_none_or(is_of_the_picture)
}

/// What the canvas shows of a stroke.
pub(super) fn shown_of(painting: &Painting, hides_overlays: bool) -> &Tiles {
    if hides_overlays { painting.flat() } else { painting.shown() }
}

/// How far the dashes around a mask have marched, in target pixels; they go on in a moment if the window is looked at.
fn marched(ui: &Ui, shows_mask: bool, view: &ViewState) -> f32 {
    const STEPS_A_SECOND: f64 = 8.0;
    if !(shows_mask && view.marches && ui.input(|i| i.focused)) {
        return 0.0;
    }
    ui.ctx().request_repaint_after_secs(1.0 / STEPS_A_SECOND as f32);
    // They come back to where they were after eight points.
    let step = (ui.input(|i| i.time) * STEPS_A_SECOND).floor().rem_euclid(8.0);
    step as f32 * ui.ctx().pixels_per_point()
}

fn uniforms(
    ui: &Ui,
    scene: &Scene,
    split: Option<f32>,
    shows_mask: bool,
    marched: f32,
    is_edge_enough: bool,
) -> CanvasUniforms {
    let Scene { shown, placement, .. } = scene;
    let palette = Palette::of(ui);
    let ppp = placement.pixels_per_point;
    let canvas = placement.canvas_in_ui;
    let what = match shown {
        Shown::Empty(_) => 0.0,
        Shown::Result(..) | Shown::Part { .. } | Shown::Live { .. } if split.is_some() => 5.0,
        Shown::Document(_) | Shown::Result(..) | Shown::Part { .. } | Shown::Live { .. } => 1.0,
        Shown::Preview { over: None, .. } => 2.0,
        Shown::Preview { over: Some(_), mask: Some(_), .. } => 4.0,
        Shown::Preview { .. } => 3.0,
    };
    let whole = Bounds::whole(placement.extent);
    let part = if let Shown::Preview { over: Some((_, bounds)), .. } = shown { *bounds } else { whole };
    let (tint, hatch) = if is_edge_enough { Default::default() } else { (palette.mask, palette.mask_hatch) };
    CanvasUniforms {
        viewport: [
            (canvas.left() * ppp).round(),
            (canvas.top() * ppp).round(),
            (canvas.width() * ppp).round(),
            (canvas.height() * ppp).round(),
        ],
        place: [placement.left_top.x, placement.left_top.y, placement.scale, placement.scale],
        extent: [placement.extent.width as f32, placement.extent.height as f32, 8.0 * ppp, 22.0 * ppp],
        show: [what, f32::from(u8::from(shows_mask)), marched, 2.0 * ppp],
        part: [part.left, part.top, part.extent.width, part.extent.height].map(|side| side as f32),
        compare: [split.unwrap_or(0.0), ppp, 0.0, f32::from(u8::from(placement.mirrored))],
        backdrop: channels(palette.backdrop),
        border: channels(palette.picture_line),
        shadow: channels(palette.shadow),
        checker_light: channels(palette.checker_light),
        checker_dark: channels(palette.checker_dark),
        mask_tint: channels(tint),
        mask_hatch: channels(hatch),
        mask_inner_line: channels(Color32::WHITE),
        mask_outer_line: channels(Color32::BLACK),
    }
}

fn channels(colour: Color32) -> [f32; 4] {
    colour.to_array().map(|c| f32::from(c) / 255.0)
}

/// A sheet of paper instead of a blank: what is happening here, or how to begin.
fn empty_state(ui: &Ui, session: &Session, sheet: Rect, canvas: Rect) {
    let palette = Palette::of(ui);
    ui.painter().rect_filled(sheet, 0.0, palette.panel);
    let middle = sheet.center();
    if canvas.width() < 240.0 || sheet.width() < 200.0 {
        return;
    }
    super::icons::paint(
        ui.painter(),
        super::icons::Icon::Brush,
        Rect::from_center_size(middle - egui::vec2(0.0, 44.0), egui::Vec2::splat(34.0)),
        palette.text_weak.gamma_multiply(0.7),
    );
    let (title, lines) = empty_text(session, &super::shortcuts::Shortcut::Generate.key_text(ui.ctx()));
    painted_text(ui, middle, Align2::CENTER_CENTER, &title, 17.0, palette.text);
    for (i, line) in lines.iter().enumerate() {
        let at = middle + egui::vec2(0.0, 28.0 + 20.0 * i as f32);
        painted_text(ui, at, Align2::CENTER_CENTER, line, 13.5, palette.text_weak);
    }
}

/// What the empty sheet says: a title, and lines under it. `key` paints.
fn empty_text(session: &Session, key: &str) -> (String, Vec<String>) {
    const DROP: &str = "Or drop one here to start from it.";
    if let Some(running) = &session.jobs.running {
        return (format!("{}\u{2026}", super::prompt_panel::phase_text(running)), Vec::new());
    }
    if session.results.items.is_empty() {
        return ("Nothing painted yet".into(), vec![format!("Describe a picture and press {key}."), DROP.into()]);
    }
    ("Nothing on the canvas".into(), vec![format!("Click a result below, or press {key}.")])
}

fn drop_hint(ui: &Ui, rect: Rect, has_document: bool) {
    let palette = Palette::of(ui);
    let frame = rect.shrink(12.0);
    ui.painter().rect_filled(frame, 10.0, palette.backdrop.gamma_multiply(0.8));
    ui.painter().rect_stroke(frame, 10.0, Stroke::new(2.0, palette.accent), egui::StrokeKind::Inside);
    let (said, more) = if has_document {
        ("Drop it here", "Then say what it is: a layer, what to start from, a mask, a guide, or only settings.")
    } else {
        (
            "Drop to start from this picture",
            "Of several, the others become layers over it. Models are used where they lie.",
        )
    };
    painted_text(ui, frame.center(), Align2::CENTER_CENTER, said, 18.0, palette.text);
    painted_text(ui, frame.center() + egui::vec2(0.0, 26.0), Align2::CENTER_CENTER, more, 13.5, palette.text_weak);
}

/// The brush as two circles, one dark and one light, so that it is seen on any picture.
fn show_cursor(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, is_panning: bool) {
    let Scene { session, shown, placement } = scene;
    let Some(at) = response.hover_pos().filter(|_| response.contains_pointer()) else {
        return;
    };
    if is_panning {
        let dragging = response.is_pointer_button_down_on();
        ui.ctx().set_cursor_icon(if dragging { CursorIcon::Grabbing } else { CursorIcon::Grab });
        return;
    }
    if matches!(session.tool, Tool::Bounds | Tool::Crop) {
        ui.ctx().set_cursor_icon(super::bounds::cursor(session, view, placement, at));
        return;
    }
    if session.tool == Tool::Transform {
        super::transform::show_cursor(ui, scene, view, at);
        return;
    }
    if picks_colour(ui, session.tool)
        || matches!(session.tool, Tool::Bucket | Tool::Gradient | Tool::Line)
        || session.tool.is_shape()
    {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        if picks_colour(ui, session.tool)
            && let Some([r, g, b, alpha]) = colour_at(scene, placement.to_image(at))
            && alpha > 0
        {
            let painter = ui.painter_at(placement.canvas_in_ui);
            let beside = at + egui::vec2(18.0, -18.0);
            painter.circle(beside, 10.0, Color32::from_rgb(r, g, b), Stroke::new(2.0, Color32::WHITE));
            painter.circle_stroke(beside, 11.5, Stroke::new(1.0, Color32::from_black_alpha(160)));
        }
        return;
    }
    if session.tool.is_mask() && !shown.is_finished() {
        ui.ctx().set_cursor_icon(CursorIcon::NotAllowed);
        return;
    }
    let brush = tip(session);
    let radius = brush.size / 2.0 * placement.scale / placement.pixels_per_point;
    let painter = ui.painter_at(placement.canvas_in_ui);
    let (dark, light) = (Color32::from_black_alpha(190), Color32::from_white_alpha(230));
    if radius < 4.0 {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    } else {
        ui.ctx().set_cursor_icon(CursorIcon::None);
        for (offset, colour) in [(0.0, dark), (4.0, light)] {
            let reach = 3.0 - offset / 4.0;
            let stroke = Stroke::new(1.0, colour);
            painter.line_segment([at - egui::vec2(reach, 0.0), at + egui::vec2(reach, 0.0)], stroke);
            painter.line_segment([at - egui::vec2(0.0, reach), at + egui::vec2(0.0, reach)], stroke);
        }
    }
    painter.circle_stroke(at, radius + 0.75, Stroke::new(1.0, dark));
    painter.circle_stroke(at, radius - 0.25, Stroke::new(1.0, light));
    let core = radius * brush.hardness;
    if brush.hardness < 0.97 && core > 3.0 {
        painter.circle_stroke(at, core, Stroke::new(1.0, Color32::from_white_alpha(90)));
        painter.circle_stroke(at, core + 1.0, Stroke::new(1.0, Color32::from_black_alpha(70)));
    }
}

fn context_menu(ui: &mut Ui, shown: &Shown, view: &mut ViewState, out: &mut Outbox) {
    use super::shortcuts::Shortcut;
    super::menu::item(ui, Shortcut::Fit, true, || view.view = CanvasView::Fit);
    if let Some(placement) = view.placement {
        super::menu::item(ui, Shortcut::ActualSize, true, || {
            view.view = placement.zoomed(1.0, placement.canvas_in_ui.center());
        });
    }
    super::menu::item(ui, Shortcut::MirrorView, true, || view.mirrored = !view.mirrored);
    ui.separator();
    let has_picture = shown.is_finished();
    if let Some(id) = shown.result() {
        super::menu::item(ui, Shortcut::ApplyResult, true, || out.act(Action::ApplyResult(id)));
        super::menu::item(ui, Shortcut::StartFromResult, true, || out.act(Action::StartFromResult(id)));
        super::menu::item(ui, Shortcut::RecallResult, true, || out.act(Action::Recall(id)));
        ui.separator();
    }
    super::menu::item(ui, Shortcut::CopyPicture, has_picture, || out.act(Action::Copy));
    super::menu::item(ui, Shortcut::SavePicture, has_picture, || out.ask(Ask::SavePicture));
}
