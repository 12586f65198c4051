//! Before and after, over the canvas: what was there at the left of a line that is dragged, the shown result at its right; or, by a tap
//! of Space, what was there alone, and back. Where one paints live, what was there is the document, and what was painted from it the result.

use super::canvas::Scene;
use super::state::{Outbox, ViewState};
use crate::geom::Point;
use crate::paint::Tiles;
use crate::session::{Action, ResultId, Session, Shown};
use egui::{Color32, CursorIcon, Event, Key, Response, Stroke, Ui, pos2, vec2};

/// How a result is held against what was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compare {
    /// Only what was there is seen, in place of this result.
    Before(ResultId),
    /// What was there is seen up to this share of the picture's width.
    Split(f32),
}

/// A press of Space that is shorter is a tap, in seconds.
const TAP_SECS: f64 = 0.3;

/// What was there before the shown result, or before what is shown was painted live: none where that is no part of it, nor as large as it.
pub(super) fn before(session: &Session) -> Option<&Tiles> {
    let is_after = session.canvas().result().is_some() || matches!(session.canvas(), Shown::Live { .. });
    let flat = session.document.last_flat();
    (is_after && session.document.has_picture() && flat.extent() == session.canvas().extent()).then_some(&**flat)
}

/// Takes the line along while the pointer is down, and ends a comparison of what is not shown any more. Returns whether there is one,
/// which has the pointer then.
pub(super) fn compare(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) -> bool {
    let shown = scene.shown.result();
    let (has_before, is_live) = (before(scene.session).is_some(), scene.session.is_live() && shown.is_none());
    if !has_before {
        view.compare = None;
    }
    if !has_before && !is_live {
        view.space_since = None;
        return false;
    }
    if tapped(ui, view) {
        match shown {
            Some(result) => {
                view.compare = match view.compare {
                    Some(Compare::Before(_)) => None,
                    _ => Some(Compare::Before(result)),
                };
            }
            // Not over what is being worked on, nor under a picture that waited.
            None if view.is_at_work() || scene.session.jobs.running.is_some() => {}
            // The document itself, to be worked on at once.
            None => out.act(Action::LookBelowLive),
        }
    }
    if matches!(view.compare, Some(Compare::Before(result)) if Some(result) != shown) {
        view.compare = None;
    }
    if let Some(Compare::Before(_)) = view.compare {
        // A press ends it and does nothing else: it would be meant for what is seen, and is not.
        if response.clicked() || response.drag_stopped() {
            view.compare = None;
        }
        return true;
    }
    let Some(Compare::Split(at)) = &mut view.compare else { return false };
    let is_panning = super::canvas::is_panning(ui, scene.session.tool);
    let is_dragged = response.is_pointer_button_down_on() && ui.input(|i| i.pointer.primary_down());
    if let Some(pointer) = response.interact_pointer_pos().filter(|_| is_dragged && !is_panning) {
        let width = scene.placement.extent.width as f32;
        *at = (scene.placement.to_image(pointer).x / width.max(1.0)).clamp(0.0, 1.0);
    }
    true
}

/// Whether Space was pressed and let go with nothing in between.
fn tapped(ui: &Ui, view: &mut ViewState) -> bool {
    if ui.memory(|m| m.focused().is_some()) {
        view.space_since = None;
        return false;
    }
    let mut tapped = false;
    ui.input(|input| {
        for event in &input.events {
            match event {
                Event::Key { key: Key::Space, pressed: true, repeat: false, .. } => view.space_since = Some(input.time),
                Event::Key { key: Key::Space, pressed: false, .. } => {
                    tapped |= view.space_since.take().is_some_and(|since| input.time - since < TAP_SECS);
                }
                Event::PointerButton { .. } => view.space_since = None,
                _ => {}
            }
        }
    });
    tapped
}

/// Up to which column of the picture what was there is seen; none where nothing is compared.
pub(super) fn split(shown: &Shown, view: &ViewState) -> Option<f32> {
    let width = shown.extent().width as f32;
    match view.compare? {
        Compare::Before(_) => Some(width),
        Compare::Split(share) => Some(share * width),
    }
}

/// The line's handle.
pub(super) fn show_handle(ui: &Ui, response: &Response, scene: &Scene, view: &ViewState) {
    let Some(Compare::Split(share)) = view.compare else { return };
    let picture = scene.placement.picture_in_ui();
    let canvas = scene.placement.canvas_in_ui;
    let seen = picture.intersect(canvas);
    let line = scene.placement.to_ui(Point::new(share * scene.placement.extent.width as f32, 0.0));
    let at = pos2(line.x, seen.center().y);
    let painter = ui.painter_at(canvas);
    painter.circle(at, 13.0, Color32::WHITE, Stroke::new(1.0, Color32::from_black_alpha(120)));
    for side in [-1.0, 1.0] {
        let tip = at + vec2(8.0 * side, 0.0);
        let back = vec2(-4.0 * side, 4.0);
        let arrow = vec![tip + back, tip, tip + vec2(back.x, -back.y)];
        painter.add(egui::Shape::line(arrow, Stroke::new(1.75, Color32::from_gray(40))));
    }
    if response.hovered() {
        ui.set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
}
