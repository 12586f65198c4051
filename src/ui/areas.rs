//! Areas of the mask: boxes, ellipses and loops that are dragged, polygons that are set corner by corner. What is held when an
//! area is begun says how it meets the mask; Shift while it is dragged keeps its sides equal.

use super::canvas::Scene;
use super::pointer::{led_way, set_down};
use super::state::{Outbox, ViewState};
use super::view::Placement;
use crate::geom::Point;
use crate::paint::{Combine, Shape, Tool};
use crate::session::{Action, Alike};
use egui::{Color32, Key, Modifiers, Pos2, Response, Stroke, Ui};

/// How near to its first corner a click closes a polygon, in points.
const NEAR: f32 = 8.0;

/// Where an area begins in this frame, if it does. How it meets the mask is decided by then.
fn begun(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState) -> Option<Point> {
    let modifiers = ui.input(|i| i.modifiers);
    let at = set_down(ui, response, scene).filter(|_| scene.shown.is_finished())?;
    if view.polygon.is_empty() {
        view.combine = match (modifiers.command, modifiers.shift) {
            (true, true) => Combine::Intersect,
            (true, false) => Combine::Subtract,
            (false, _) if scene.session.palette.masks_anew => Combine::Replace,
            (false, _) => Combine::Add,
        };
    }
    Some(at)
}

/// Begins, goes on with, and ends an area of the mask.
pub(super) fn mask_area(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let Scene { session, placement, .. } = scene;
    let begun = if view.shape.is_empty() { begun(ui, response, scene, view) } else { None };
    view.shape.extend(begun);
    if view.shape.is_empty() {
        return;
    }
    let (way, is_held) = led_way(ui, scene, begun.is_some());
    view.shape.extend(way);
    let shift = ui.input(|i| i.modifiers.shift);
    let is_even = shift && view.combine != Combine::Intersect;
    let shape = drawn(session.tool, &view.shape, is_even, session.palette.alike);
    outline(ui, placement, &shape.outline(), true);
    if !is_held {
        view.shape.clear();
        out.act(Action::MaskShape(shape, view.combine));
    }
}

/// Sets corner after corner of a polygon. A click at the first corner, a double click or Enter closes it; Backspace takes the last
/// corner back.
pub(super) fn set_corners(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let placement = &scene.placement;
    if let Some(at) = begun(ui, response, scene, view) {
        let near = |corner: &Point| placement.to_ui(*corner).distance(placement.to_ui(at)) < NEAR;
        let closes = view.polygon.len() > 2 && view.polygon.first().is_some_and(near);
        if closes {
            close_polygon(view, out);
            return;
        }
        view.polygon.push(at);
    }
    if view.polygon.is_empty() {
        return;
    }
    // Quick clicks in two places are two corners.
    let is_one_place =
        matches!(view.polygon.as_slice(), [.., a, b] if placement.to_ui(*a).distance(placement.to_ui(*b)) < NEAR);
    if response.double_clicked() && is_one_place {
        close_polygon(view, out);
        return;
    }
    if !ui.ctx().text_edit_focused() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Backspace)) {
        view.polygon.pop();
    }
    let mut path = view.polygon.clone();
    path.extend(view.pointer);
    outline(ui, placement, &path, false);
    let painter = ui.painter_at(placement.canvas_in_ui);
    for corner in view.polygon.iter().take(1) {
        painter.circle(placement.to_ui(*corner), 4.0, Color32::WHITE, Stroke::new(1.0, Color32::BLACK));
    }
}

/// Masks what the corners enclose that were set. False if none were.
pub(super) fn close_polygon(view: &mut ViewState, out: &mut Outbox) -> bool {
    let corners = std::mem::take(&mut view.polygon);
    let is_any = !corners.is_empty();
    if corners.len() > 2 {
        out.act(Action::MaskShape(Shape::Lasso(corners), view.combine));
    }
    is_any
}

/// The area that a path of the pointer stands for.
fn drawn(tool: Tool, path: &[Point], is_even: bool, alike: Alike) -> Shape {
    let (first, mut last) = (path[0], path[path.len() - 1]);
    if is_even {
        let (across, down) = (last.x - first.x, last.y - first.y);
        let side = across.abs().max(down.abs());
        last = Point::new(first.x + side.copysign(across), first.y + side.copysign(down));
    }
    match tool {
        Tool::MaskRectangle => Shape::Rectangle(first, last),
        Tool::MaskEllipse => Shape::Ellipse(first, last),
        Tool::MaskWand if last.x >= 0.0 && last.y >= 0.0 => {
            let Alike { tolerance, connected, .. } = alike;
            Shape::Alike { x: last.x as u32, y: last.y as u32, tolerance, connected }
        }
        _ => Shape::Lasso(path.to_vec()),
    }
}

/// A path, dark and light by turns so that it is seen on any picture.
fn outline(ui: &Ui, placement: &Placement, path: &[Point], is_closed: bool) {
    let mut path: Vec<Pos2> = path.iter().map(|&at| placement.to_ui(at)).collect();
    if is_closed {
        path.extend(path.first().copied());
    }
    let painter = ui.painter_at(placement.canvas_in_ui);
    painter.add(egui::Shape::line(path.clone(), Stroke::new(1.0, Color32::BLACK)));
    painter.extend(egui::Shape::dashed_line(&path, Stroke::new(1.0, Color32::WHITE), 4.0, 4.0));
}
