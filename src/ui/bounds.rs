//! Boxes of the canvas: the one that is painted, shown wherever there is one, and the one to which the canvas is cut. With their
//! tools they are drawn anew, moved and resized by handles.

use super::canvas::{Scene, is_panning};
use super::options::hint;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::view::Placement;
use crate::diffusion::extent_to_paint;
use crate::geom::{Bounds, Extent, Point};
use crate::paint::{Frame, Tool};
use crate::session::{Action, Session, Shown};
use egui::{Color32, CursorIcon, Pos2, Rect, Response, RichText, Stroke, StrokeKind, Ui, vec2};

/// How near to a handle a press counts for it, in points.
const REACH: f32 = 9.0;
/// The side of a handle, in points.
const HANDLE: f32 = 8.0;
/// The shortest side, in image pixels.
const SHORTEST: i64 = 8;

/// What of the box follows the pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    /// The sides: left and right (-1, 1, or none), top and bottom.
    Sides(i8, i8),
    /// All of it.
    Whole,
}

/// A box that is being dragged.
#[derive(Clone, Copy, Debug)]
pub struct BoundsDrag {
    grip: Grip,
    from: Bounds,
    start: Point,
}

impl BoundsDrag {
    /// The box once the pointer is at a place of a canvas; its sides lie on multiples of `step` or on the canvas's edges.
    fn at(&self, place: Point, canvas: Extent, step: u32) -> Bounds {
        let (dx, dy) = (place.x - self.start.x, place.y - self.start.y);
        let Bounds { left, top, extent } = self.from;
        let along = |start: u32, length: u32, by: f32, canvas: u32, side: i8| {
            let (first, last) = (f64::from(start), f64::from(start + length));
            let snapped = |edge: f64| snapped(edge + f64::from(by), canvas, step);
            let least = SHORTEST.min(i64::from(canvas));
            let (first, last) = match (self.grip, side) {
                (Grip::Whole, _) => {
                    let most = i64::from(canvas - length);
                    let first = snapped(first).min(most);
                    (first, first + i64::from(length))
                }
                (Grip::Sides(..), -1) => (snapped(first).min(last as i64 - least).max(0), last as i64),
                (Grip::Sides(..), 1) => (first as i64, snapped(last).max(first as i64 + least).min(i64::from(canvas))),
                (Grip::Sides(..), _) => (first as i64, last as i64),
            };
            (first as u32, (last - first) as u32)
        };
        let (across, down) = match self.grip {
            Grip::Sides(across, down) => (across, down),
            Grip::Whole => (0, 0),
        };
        let (left, width) = along(left, extent.width, dx, canvas.width, across);
        let (top, height) = along(top, extent.height, dy, canvas.height, down);
        Bounds { left, top, extent: Extent::new(width, height) }
    }
}

/// The nearest multiple of `step` from 0 to `canvas`, or the canvas's far edge where that is nearer.
fn snapped(edge: f64, canvas: u32, step: u32) -> i64 {
    let (canvas, step) = (f64::from(canvas), f64::from(step.max(1)));
    let edge = edge.clamp(0.0, canvas);
    let on_grid = ((edge / step).round() * step).min(canvas);
    (if (canvas - edge).abs() < (on_grid - edge).abs() { canvas } else { on_grid }) as i64
}

/// What became of a box.
enum Dragged {
    To(Bounds),
    Away,
}

impl Dragged {
    const fn bounds(self) -> Option<Bounds> {
        match self {
            Self::To(bounds) => Some(bounds),
            Self::Away => None,
        }
    }
}

/// Lets the tool work, if it is the one at hand and there is a canvas to choose a part of.
pub(super) fn drag_bounds(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let step = scene.session.bounds_step();
    if let Some(bounds) = dragged_box(ui, response, scene, scene.session.draft.bounds, step, &mut view.bounds_drag) {
        out.act(Action::SetBounds(bounds.bounds()));
    }
}

/// Lets the tool that cuts work.
pub(super) fn drag_crop(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState) {
    const STEP: u32 = 8;
    if let Some(crop) = dragged_box(ui, response, scene, view.crop, STEP, &mut view.bounds_drag) {
        view.crop = crop.bounds();
    }
}

/// Cuts the canvas to the box that was dragged. False if there is none.
pub(super) fn crop(view: &mut ViewState, out: &mut Outbox) -> bool {
    let crop = view.crop.take();
    out.actions.extend(crop.map(|bounds| Action::Reframe(Frame::part(bounds))));
    crop.is_some()
}

/// A box of the canvas after what the pointer did to it in this frame: drawn anew, moved, resized, or taken away by a double
/// click. None if it stays as it is.
fn dragged_box(
    ui: &Ui,
    response: &Response,
    scene: &Scene,
    chosen: Option<Bounds>,
    step: u32,
    drag: &mut Option<BoundsDrag>,
) -> Option<Dragged> {
    let Scene { session, placement, .. } = scene;
    if !has_canvas(session, placement) {
        *drag = None;
        return None;
    }
    let canvas = session.document.extent();
    let bounds = chosen.and_then(|bounds| bounds.intersection(Bounds::whole(canvas)));
    let bounds = bounds.unwrap_or(Bounds::whole(canvas));
    let (pressed, down, free) =
        ui.input(|i| (i.pointer.primary_pressed(), i.pointer.primary_down(), i.modifiers.command));
    let step = if free { 1 } else { step };
    if response.double_clicked() && chosen.is_some() {
        *drag = None;
        return Some(Dragged::Away);
    }
    let origin = ui.input(|i| i.pointer.press_origin());
    if pressed
        && response.contains_pointer()
        && !is_panning(ui, session.tool)
        && let Some(at) = origin
    {
        let start = placement.to_image(at);
        // Where there is no smaller box, and beside one, a new one begins.
        let begun = match grip_at(placement, bounds, at) {
            Some(Grip::Whole) if chosen.is_none() => None,
            grip => grip.map(|grip| BoundsDrag { grip, from: bounds, start }),
        };
        *drag = begun.or_else(|| {
            let corner = |place: f32, side: u32| snapped(f64::from(place), side, step) as u32;
            let (left, top) = (corner(start.x, canvas.width), corner(start.y, canvas.height));
            let from = Bounds { left, top, extent: Extent::new(0, 0) };
            Some(BoundsDrag { grip: Grip::Sides(0, 0), from, start })
        });
    }
    let mut now = (*drag)?;
    if !down {
        *drag = None;
    }
    let place = placement.to_image(ui.input(|i| i.pointer.latest_pos())?);
    if now.from.extent.is_empty() && now.grip == Grip::Sides(0, 0) && now.start.distance(place) > 1.0 {
        // Which way a new box opens shows with the first movement.
        let side = |from: f32, to: f32| if to < from { -1 } else { 1 };
        now.grip = Grip::Sides(side(now.start.x, place.x), side(now.start.y, place.y));
        *drag = down.then_some(now);
    }
    let dragged = now.at(place, canvas, step);
    (now.grip != Grip::Sides(0, 0) && dragged != bounds && !dragged.extent.is_empty()).then_some(Dragged::To(dragged))
}

fn has_canvas(session: &Session, placement: &Placement) -> bool {
    session.document.has_picture() && placement.extent == session.document.extent()
}

fn in_ui(placement: &Placement, bounds: Bounds) -> Rect {
    let at = |x: u32, y: u32| placement.to_ui(Point::new(x as f32, y as f32));
    Rect::from_two_pos(at(bounds.left, bounds.top), at(bounds.right(), bounds.bottom()))
}

/// The places that resize a box that is seen at `rect`, each with the sides that it moves.
fn handles(placement: &Placement, rect: Rect) -> impl Iterator<Item = (Pos2, Grip)> {
    let sides = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)];
    sides.into_iter().map(move |(across, down)| {
        let half = rect.size() / 2.0;
        let at = rect.center() + vec2(half.x * f32::from(across), half.y * f32::from(down));
        (at, Grip::Sides(placement.mirrored_side(across), down))
    })
}

fn grip_at(placement: &Placement, bounds: Bounds, at: Pos2) -> Option<Grip> {
    let rect = in_ui(placement, bounds);
    let near = handles(placement, rect).filter(|(place, _)| place.distance(at) <= REACH);
    let nearest = near.min_by(|(a, _), (b, _)| a.distance(at).total_cmp(&b.distance(at)));
    nearest.map(|(_, grip)| grip).or_else(|| rect.contains(at).then_some(Grip::Whole))
}

/// What the pointer looks like over the box.
pub(super) fn cursor(session: &Session, view: &ViewState, placement: &Placement, at: Pos2) -> CursorIcon {
    if !has_canvas(session, placement) {
        return CursorIcon::NotAllowed;
    }
    let chosen = if session.tool == Tool::Crop { view.crop } else { session.draft.bounds };
    let whole = Bounds::whole(session.document.extent());
    let grip = grip_at(placement, chosen.and_then(|bounds| bounds.intersection(whole)).unwrap_or(whole), at);
    let as_seen = |grip: Grip| match grip {
        Grip::Sides(across, down) => Grip::Sides(placement.mirrored_side(across), down),
        Grip::Whole => Grip::Whole,
    };
    match grip.map(as_seen) {
        Some(Grip::Sides(-1, -1) | Grip::Sides(1, 1)) => CursorIcon::ResizeNwSe,
        Some(Grip::Sides(-1, 1) | Grip::Sides(1, -1)) => CursorIcon::ResizeNeSw,
        Some(Grip::Sides(0, _)) => CursorIcon::ResizeVertical,
        Some(Grip::Sides(..)) => CursorIcon::ResizeHorizontal,
        Some(Grip::Whole) if chosen.is_some() => CursorIcon::Move,
        _ => CursorIcon::Crosshair,
    }
}

/// Shows the box, if there is one or its tool is at hand: what lies around it is darker. With the tool that cuts, its box. Where the mask is
/// painted up close, a dashed line is around what the model will see.
pub(super) fn show_bounds(ui: &Ui, scene: &Scene, view: &ViewState) {
    let Scene { session, placement, .. } = scene;
    let whole = Bounds::whole(session.document.extent());
    match session.tool {
        _ if !has_canvas(session, placement) => {}
        Tool::Crop => {
            let crop = view.crop.and_then(|crop| crop.intersection(whole)).unwrap_or(whole);
            let rect = show_box(ui, placement, crop, 160, true);
            let painter = ui.painter_at(placement.canvas_in_ui);
            for third in [1.0 / 3.0, 2.0 / 3.0] {
                let line = Stroke::new(1.0, Color32::from_white_alpha(70));
                painter.vline(rect.left() + third * rect.width(), rect.y_range(), line);
                painter.hline(rect.x_range(), rect.top() + third * rect.height(), line);
            }
        }
        tool if tool == Tool::Bounds || session.draft.bounds.is_some() => {
            show_box(ui, placement, session.draft.bounds_in(&session.document), 90, tool == Tool::Bounds);
        }
        _ => {}
    }
    let is_over_the_document = matches!(scene.shown, Shown::Document(_)) && view.stroke.is_none();
    if let Some(area) = session.context_area().filter(|_| is_over_the_document && session.tool != Tool::Crop) {
        let rect = in_ui(placement, area);
        let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
        let painter = ui.painter_at(placement.canvas_in_ui);
        painter.add(egui::Shape::line(corners.to_vec(), Stroke::new(2.0, Color32::from_black_alpha(150))));
        painter.extend(egui::Shape::dashed_line(&corners, Stroke::new(1.0, Color32::WHITE), 6.0, 4.0));
    }
}

fn show_box(ui: &Ui, placement: &Placement, bounds: Bounds, shade: u8, has_handles: bool) -> Rect {
    let rect = in_ui(placement, bounds);
    let picture = placement.picture_in_ui();
    let painter = ui.painter_at(placement.canvas_in_ui);
    for dark in [
        Rect::from_min_max(picture.min, egui::pos2(picture.right(), rect.top())),
        Rect::from_min_max(egui::pos2(picture.left(), rect.bottom()), picture.max),
        Rect::from_min_max(egui::pos2(picture.left(), rect.top()), rect.left_bottom()),
        Rect::from_min_max(rect.right_top(), egui::pos2(picture.right(), rect.bottom())),
    ] {
        painter.rect_filled(dark, 0.0, Color32::from_black_alpha(shade));
    }
    painter.rect_stroke(rect, 0.0, Stroke::new(3.0, Color32::from_black_alpha(120)), StrokeKind::Middle);
    painter.rect_stroke(rect, 0.0, Stroke::new(1.0, Color32::WHITE), StrokeKind::Middle);
    if has_handles {
        for (place, _) in handles(placement, rect) {
            let handle = Rect::from_center_size(place, vec2(HANDLE, HANDLE));
            let line = Stroke::new(1.0, Color32::BLACK);
            painter.rect(handle, 1.5, Color32::WHITE, line, StrokeKind::Outside);
        }
    }
    rect
}

/// How large the box is that is cut, and cutting it.
pub(super) fn crop_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let weak = Palette::of(ui).text_weak;
    let text = match view.crop {
        _ if !session.document.has_picture() => "There is no canvas to cut yet.".to_owned(),
        None => "Drag a box: Enter cuts the canvas to it, Ctrl drags without a grid.".to_owned(),
        Some(Bounds { extent: Extent { width, height }, .. }) => format!("{width} \u{d7} {height}"),
    };
    if view.crop.is_none() {
        hint(ui, &text);
    } else {
        ui.label(RichText::new(text).color(weak));
        if ui.button("Cut").on_hover_text("Enter").clicked() {
            crop(view, out);
        }
        if ui.button("Cancel").on_hover_text("Esc").clicked() {
            view.crop = None;
        }
    }
}

/// How large the box is and how it is painted, and boxes that are often wanted.
pub(super) fn settings_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    if !session.document.has_picture() {
        hint(ui, "There is no canvas to choose a part of yet.");
        return;
    }
    let (bounds, native) = (session.draft.bounds_in(&session.document), session.native_extent());
    let Extent { width, height } = bounds.extent;
    if ui.button("Model's size").on_hover_text("A box as large as the model paints best").clicked() {
        let canvas = Bounds::whole(session.document.extent());
        let middle = Bounds { left: bounds.left + width / 2, top: bounds.top + height / 2, extent: Extent::new(0, 0) };
        let side = native.width.min(native.height) / 2;
        out.act(Action::SetBounds(Some(middle.context_area(side, native, canvas))));
    }
    let whole = egui::Button::new("Whole");
    if ui
        .add_enabled(session.draft.bounds.is_some(), whole)
        .on_hover_text("Paints the whole canvas again; a double-click on it does the same")
        .clicked()
    {
        out.act(Action::SetBounds(None));
    }
    // Behind the buttons: it is cut where there is no room, and they are not.
    if session.draft.bounds.is_none() {
        hint(ui, "Drag a box: only that is painted, at the model's size.");
    } else {
        let painted = extent_to_paint(bounds.extent, native);
        let at = if painted == bounds.extent {
            String::new()
        } else {
            format!(" at {} \u{d7} {}", painted.width, painted.height)
        };
        let about = "The box on the canvas, and the size at which it is painted";
        let text = RichText::new(format!("{width} \u{d7} {height}{at}")).color(Palette::of(ui).text_weak);
        ui.label(text).on_hover_text(about);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: Extent = Extent::new(384, 250);

    fn bounds(left: u32, top: u32, width: u32, height: u32) -> Bounds {
        Bounds { left, top, extent: Extent::new(width, height) }
    }

    fn dragged(grip: Grip, from: Bounds, by: (f32, f32)) -> Bounds {
        let start = Point::new(50.0, 50.0);
        BoundsDrag { grip, from, start }.at(Point::new(50.0 + by.0, 50.0 + by.1), CANVAS, 16)
    }

    #[test]
    fn sides_snap_to_the_grid_and_to_the_canvas() {
        let from = bounds(32, 32, 128, 128);
        assert_eq!(dragged(Grip::Sides(1, 0), from, (30.0, 99.0)), bounds(32, 32, 160, 128));
        assert_eq!(dragged(Grip::Sides(-1, -1), from, (-7.0, -99.0)), bounds(32, 0, 128, 160));
        // 240 is the last multiple of 16; 250 is the edge.
        assert_eq!(dragged(Grip::Sides(0, 1), from, (0.0, 88.0)), bounds(32, 32, 128, 218));
        assert_eq!(dragged(Grip::Sides(0, 1), from, (0.0, 82.0)), bounds(32, 32, 128, 208));
    }

    #[test]
    fn a_box_does_not_turn_over_nor_leave_the_canvas() {
        let from = bounds(32, 32, 128, 128);
        assert_eq!(dragged(Grip::Sides(1, 1), from, (-900.0, -900.0)), bounds(32, 32, 8, 8));
        assert_eq!(dragged(Grip::Sides(-1, -1), from, (900.0, 900.0)), bounds(152, 152, 8, 8));
        assert_eq!(dragged(Grip::Whole, from, (900.0, -900.0)), bounds(256, 0, 128, 128));
        assert_eq!(dragged(Grip::Whole, from, (20.0, 900.0)), bounds(48, 122, 128, 128));
    }
}
