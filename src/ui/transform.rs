//! Moving, scaling and turning the active layer, or what of it is masked, by its box: handles at the sides and corners scale it, the inside moves it, the
//! outside turns it. Enter applies, Escape cancels; choosing another tool applies, too.

use super::brush_panel::keeps_within_ui;
use super::canvas::{Scene, hides_overlays, shown_of, within_mask};
use super::icons::Icon;
use super::pointer::{led_way, set_down};
use super::state::{Content, Outbox, ViewState};
use super::theme::Palette;
use super::view::Placement;
use super::widgets::{Look, sized_icon_button};
use crate::geom::Point;
use crate::paint::{Painting, Tiles, Tool, Transform};
use crate::session::{Action, Session, Shown};
use egui::{Button, Color32, CursorIcon, DragValue, Pos2, Rect, Response, RichText, Stroke, Ui, Vec2, vec2};
use std::f32::consts::{FRAC_PI_4, TAU};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What of a frame goes into showing the layer in its new place.
const A_WHILE: Duration = Duration::from_millis(10);
/// How near to a handle a press counts for it, in points.
const REACH: f32 = 10.0;
/// A button of the options.
const SMALL: Vec2 = vec2(26.0, 26.0);
/// The steps of an angle with Shift.
const TURN: f32 = TAU / 24.0;

/// What of the box follows the pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    /// The sides: left and right (-1, 1, or none), top and bottom.
    Sides(i8, i8),
    /// All of it.
    Whole,
    /// Its angle.
    Turn,
}

/// A layer that is being transformed.
#[derive(Clone, Debug)]
pub struct Moving {
    /// Half the size of the box around what is on the layer.
    half: (f32, f32),
    transform: Transform,
    /// What is dragged, where it was pressed, and the transform then.
    drag: Option<(Grip, Point, Transform)>,
    /// Whether it is applied as soon as it is laid finely.
    applies: bool,
}

impl Moving {
    /// What lies between two corners.
    fn of([from, to]: [Point; 2]) -> Self {
        let half = ((to.x - from.x) / 2.0, (to.y - from.y) / 2.0);
        let pivot = Point::new(from.x + half.0, from.y + half.1);
        Self { half, transform: Transform::around(pivot), drag: None, applies: false }
    }

    /// Applies it as soon as it can be.
    pub(super) const fn apply(&mut self) {
        self.applies = true;
    }

    /// A place of the box, from -1 to 1 to the right and down.
    fn place(&self, across: f32, down: f32) -> Point {
        let (half, pivot) = (self.half, self.transform.pivot);
        self.transform.place(Point::new(pivot.x + across * half.0, pivot.y + down * half.1))
    }

    fn grip_at(&self, placement: &Placement, at: Pos2) -> Grip {
        const SIDES: [(i8, i8); 8] = [(-1, -1), (1, -1), (-1, 1), (1, 1), (0, -1), (0, 1), (-1, 0), (1, 0)];
        let distance =
            |(across, down): (i8, i8)| placement.to_ui(self.place(f32::from(across), f32::from(down))).distance(at);
        let nearest = SIDES.into_iter().min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        if let Some(sides) = nearest.filter(|&sides| distance(sides) <= REACH) {
            return Grip::Sides(sides.0, sides.1);
        }
        let (from, half) = (self.transform.origin(placement.to_image(at)), self.half);
        let pivot = self.transform.pivot;
        let is_inside = (from.x - pivot.x).abs() <= half.0 && (from.y - pivot.y).abs() <= half.1;
        if is_inside { Grip::Whole } else { Grip::Turn }
    }

    /// The transform once what was pressed is dragged to a place. `even` keeps proportions, directions and steps of the angle;
    /// `centred` scales on both sides.
    fn dragged(&self, to: Point, even: bool, centred: bool) -> Transform {
        let Some((grip, from, start)) = self.drag else { return self.transform };
        let (mut right, mut below) = (to.x - from.x, to.y - from.y);
        match grip {
            Grip::Whole => {
                if even && right.abs() < below.abs() {
                    right = 0.0;
                } else if even {
                    below = 0.0;
                }
                if start.scale == (1.0, 1.0) && start.angle == 0.0 {
                    (right, below) = (right.round(), below.round());
                }
                Transform { to: Point::new(start.to.x + right, start.to.y + below), ..start }
            }
            Grip::Turn => {
                let angle = |at: Point| (at.y - start.to.y).atan2(at.x - start.to.x);
                let turned = start.angle + angle(to) - angle(from);
                let turned = if even { (turned / TURN).round() * TURN } else { turned };
                Transform { angle: turned.rem_euclid(TAU), ..start }
            }
            Grip::Sides(across, down) => {
                let (across, down) = (f32::from(across), f32::from(down));
                let (sine, cosine) = start.angle.sin_cos();
                let (x, y) = (cosine * right + sine * below, cosine * below - sine * right);
                let half = self.half;
                let both = if centred { 2.0 } else { 1.0 };
                let mut wide = start.scale.0 + both * across * x / (2.0 * half.0);
                let mut high = start.scale.1 + both * down * y / (2.0 * half.1);
                if even {
                    // The part of the movement that goes along the diagonal, or the side, that is dragged.
                    let (u, v) = (across * half.0 * start.scale.0, down * half.1 * start.scale.1);
                    let factor = 1.0 + both * (x * u + y * v) / (2.0 * (u * u + v * v)).max(f32::EPSILON);
                    (wide, high) = (start.scale.0 * factor, start.scale.1 * factor);
                }
                let scale = (at_least_a_little(wide), at_least_a_little(high));
                let moved = Transform { scale, ..start };
                if centred {
                    return moved;
                }
                // What lies opposite stays where it is.
                let opposite = Point::new(start.pivot.x - across * half.0, start.pivot.y - down * half.1);
                let (was, is) = (start.place(opposite), moved.place(opposite));
                Transform { to: Point::new(start.to.x + was.x - is.x, start.to.y + was.y - is.y), ..moved }
            }
        }
    }
}

fn at_least_a_little(scale: f32) -> f32 {
    if scale.abs() < 0.005 { 0.005_f32.copysign(scale) } else { scale }
}

/// The corners of what is moved of the active layer, outside of the canvas too; looked for again when the layer or the mask is another.
fn content_of(session: &Session, view: &mut ViewState) -> Option<[Point; 2]> {
    let document = &session.document;
    let layer = document.stack().active()?;
    let mask = document.confines(layer).map(|_| document.mask_number());
    let is_known = |known: &&Content| Arc::ptr_eq(&known.layer, layer) && known.mask == mask;
    if let Some(known) = view.content.as_ref().filter(is_known) {
        return known.corners;
    }
    let corners = document.movable(layer);
    view.content = Some(Content { layer: Arc::clone(layer), mask, corners });
    corners
}

/// Takes up the active layer, if it is not yet, and if it can be moved.
fn take_up<'a>(session: &Session, view: &'a mut ViewState) -> Option<&'a mut Moving> {
    let is_current = view.painting.as_ref().is_some_and(|painting| painting.is_current(&session.document));
    if view.moving.is_none() || !is_current {
        let moving = Moving::of(content_of(session, view)?);
        view.painting = Some(Painting::transform(&session.document, moving.transform).ok()?);
        view.moving = Some(moving);
    }
    view.moving.as_mut()
}

/// Lets the tool work. What it left at its end is returned, to be shown until the document has it. What is being moved, or laid, is let go of
/// where the document changes under it, also where it is no longer to be moved within the mask.
pub(super) fn transform_layer(
    ui: &Ui,
    response: &Response,
    scene: &Scene,
    view: &mut ViewState,
    out: &mut Outbox,
) -> Option<Tiles> {
    let Scene { session, shown, placement } = scene;
    let (modifiers, pointer) = ui.input(|i| (i.modifiers, i.pointer.latest_pos()));
    let start = set_down(ui, response, scene).filter(|_| session.tool == Tool::Transform);
    let (way, is_held) = led_way(ui, scene, start.is_some());
    if session.tool == Tool::Transform {
        if start.is_some() {
            if view.moving.is_none() {
                out.act(Action::BeginPainting);
            }
            view.paints_from = start;
        }
        if let Shown::Document(_) = shown
            && let Some(from) = view.paints_from.take()
            && let Some(moving) = take_up(session, view)
        {
            let grip = moving.grip_at(placement, placement.to_ui(from));
            moving.drag = Some((grip, from, moving.transform));
        }
    } else if let Some(moving) = &mut view.moving {
        moving.apply();
    }
    let is_current = view.painting.as_ref().is_some_and(|painting| painting.is_current(&session.document));
    if !is_current {
        (view.moving, view.painting) = (None, None);
    }
    let (Some(moving), Some(painting)) = (&mut view.moving, &mut view.painting) else {
        show_idle(ui, scene, view);
        return None;
    };
    let to = way.last().copied().or_else(|| Some(placement.to_image(pointer.filter(|_| is_held)?)));
    if let Some(to) = to.filter(|_| moving.drag.is_some()) {
        moving.transform = moving.dragged(to, modifiers.shift, modifiers.alt);
    }
    if !is_held {
        moving.drag = None;
    }
    painting.move_to(moving.transform);
    show(ui, placement, moving);
    if !painting.pour(Instant::now() + A_WHILE) {
        ui.ctx().request_repaint();
        return None;
    }
    if !moving.applies {
        return None;
    }
    view.moving = None;
    let painting = view.painting.take()?;
    let tiles = shown_of(&painting, hides_overlays(scene.session, view)).clone();
    out.act(Action::Paint(Box::new(painting)));
    Some(tiles)
}

/// The box of a layer that is not being transformed yet.
fn show_idle(ui: &Ui, scene: &Scene, view: &mut ViewState) {
    if scene.session.tool == Tool::Transform
        && let Shown::Document(_) = scene.shown
        && let Some(content) = content_of(scene.session, view)
    {
        show(ui, &scene.placement, &Moving::of(content));
    }
}

fn show(ui: &Ui, placement: &Placement, moving: &Moving) {
    let painter = ui.painter_at(placement.canvas_in_ui);
    let corner = |across: f32, down: f32| placement.to_ui(moving.place(across, down));
    let outline = vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
    for (width, colour) in [(3.0, Color32::from_black_alpha(120)), (1.0, Color32::WHITE)] {
        painter.add(egui::Shape::closed_line(outline.clone(), Stroke::new(width, colour)));
    }
    for across in [-1.0, 0.0, 1.0] {
        for down in [-1.0, 0.0, 1.0] {
            let at = corner(across, down);
            if across == 0.0 && down == 0.0 {
                painter.circle(at, 2.5, Color32::WHITE, Stroke::new(1.0, Color32::BLACK));
            } else {
                let handle = Rect::from_center_size(at, vec2(8.0, 8.0));
                painter.rect(handle, 1.5, Color32::WHITE, Stroke::new(1.0, Color32::BLACK), egui::StrokeKind::Outside);
            }
        }
    }
}

/// What the pointer looks like over the box.
pub(super) fn show_cursor(ui: &Ui, scene: &Scene, view: &mut ViewState, at: Pos2) {
    let extent = scene.placement.extent;
    let idle = || Moving::of([Point::default(), Point::new(extent.width as f32, extent.height as f32)]);
    let moving = view.moving.clone().or_else(|| content_of(scene.session, view).map(Moving::of)).unwrap_or_else(idle);
    let grip = moving.drag.map_or_else(|| moving.grip_at(&scene.placement, at), |(grip, ..)| grip);
    let icon = match grip {
        Grip::Whole => CursorIcon::Move,
        Grip::Turn => CursorIcon::Crosshair,
        Grip::Sides(across, down) => {
            let from = scene.placement.to_ui(moving.transform.to);
            let away = scene.placement.to_ui(moving.place(f32::from(across), f32::from(down))) - from;
            // Which of four directions the handle pulls in, whatever its end.
            match (away.angle() / FRAC_PI_4).round() as i32 & 3 {
                0 => CursorIcon::ResizeHorizontal,
                1 => CursorIcon::ResizeNwSe,
                2 => CursorIcon::ResizeVertical,
                _ => CursorIcon::ResizeNeSw,
            }
        }
    };
    ui.ctx().set_cursor_icon(icon);
    if grip == Grip::Turn {
        let sign = Rect::from_center_size(at + vec2(15.0, -13.0), vec2(15.0, 15.0));
        let painter = ui.painter_at(scene.placement.canvas_in_ui);
        painter.circle_filled(sign.center(), 10.0, Color32::from_black_alpha(150));
        super::icons::paint(&painter, Icon::Redo, sign, Color32::WHITE);
    }
}

/// A number with one decimal, where it has any.
fn with_tenths(value: f64) -> String {
    // No zero is negative.
    ((value * 10.0).round() / 10.0 + 0.0).to_string()
}

/// Numbers to type, flipping, applying and cancelling.
pub(super) fn options_ui(ui: &mut Ui, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    if !session.document.has_picture() {
        ui.label(RichText::new("There is no layer to move yet.").color(Palette::of(ui).text_weak));
        return;
    }
    let is_moving = view.moving.is_some();
    if !is_moving && within_mask(session) && content_of(session, view).is_none() {
        ui.label(RichText::new("Nothing on the layer is masked.").color(Palette::of(ui).text_weak));
        keeps_within_ui(ui, session, "Within the mask", out);
        return;
    }
    let was = view.moving.as_ref().map_or(Transform::around(Point::default()), |moving| moving.transform);
    let (mut wide, mut high) = (was.scale.0 * 100.0, was.scale.1 * 100.0);
    let mut degrees = was.angle.to_degrees();
    let mut changed = false;
    let turns = "How far the layer turns, clockwise. Shift while turning: steps of 15\u{b0}";
    // All of it is to have room in a row of a window that is 1280 points wide: the angle's sign says what it is.
    for (label, name, value, suffix, about) in [
        ("W", "Width", &mut wide, " %", "How wide the layer becomes; negative flips it"),
        ("H", "Height", &mut high, " %", "How high the layer becomes; negative flips it"),
        ("", "Angle", &mut degrees, "\u{b0}", turns),
    ] {
        if !label.is_empty() {
            ui.label(RichText::new(label).color(Palette::of(ui).text_weak));
        }
        let number = DragValue::new(value).suffix(suffix).speed(0.5).max_decimals(1).range(-3000.0..=3000.0);
        let number = number.custom_formatter(|value, _| with_tenths(value));
        changed |= ui.add(number).accessible_name(name).on_hover_text(about).changed();
    }
    let flips =
        [(Icon::FlipSideways, "Flip sideways", (-1.0, 1.0)), (Icon::FlipUpsideDown, "Flip upside down", (1.0, -1.0))];
    let mut scale = (wide / 100.0, high / 100.0);
    for (icon, name, (across, down)) in flips {
        if sized_icon_button(ui, icon, name, name, Look::Plain, SMALL).clicked() {
            scale = (scale.0 * across, scale.1 * down);
            changed = true;
        }
    }
    if changed && let Some(moving) = take_up(session, view) {
        let scale = (at_least_a_little(scale.0), at_least_a_little(scale.1));
        moving.transform = Transform { scale, angle: degrees.to_radians(), ..moving.transform };
    } else if changed {
        out.act(Action::BeginPainting);
    }
    if ui.add_enabled(is_moving, Button::new("Apply")).on_hover_text("Enter").clicked()
        && let Some(moving) = &mut view.moving
    {
        moving.apply();
    }
    let look = Look::enabled_if(is_moving);
    if sized_icon_button(ui, Icon::Close, "Cancel", "Cancel  (Esc)", look, SMALL).clicked() {
        (view.moving, view.painting) = (None, None);
    }
    keeps_within_ui(ui, session, "Within the mask", out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(grip: Grip, from: (f32, f32), start: impl Fn(Transform) -> Transform) -> Moving {
        let mut moving = Moving::of([Point::new(20.0, 10.0), Point::new(60.0, 30.0)]);
        moving.transform = start(moving.transform);
        moving.drag = Some((grip, Point::new(from.0, from.1), moving.transform));
        moving
    }

    fn corners(moving: &Moving, transform: Transform) -> [(f32, f32); 2] {
        let moved = Moving { transform, ..moving.clone() };
        [(-1.0, -1.0), (1.0, 1.0)].map(|(x, y)| moved.place(x, y)).map(|at| (at.x.round(), at.y.round()))
    }

    #[test]
    fn a_side_follows_the_pointer_and_the_opposite_one_stays() {
        let still = |transform| transform;
        let right = moving(Grip::Sides(1, 0), (60.0, 20.0), still);
        assert_eq!(corners(&right, right.dragged(Point::new(80.0, 33.0), false, false)), [(20.0, 10.0), (80.0, 30.0)]);
        assert_eq!(corners(&right, right.dragged(Point::new(80.0, 33.0), false, true)), [(0.0, 10.0), (80.0, 30.0)]);
        // Beyond the opposite side it is flipped.
        assert_eq!(corners(&right, right.dragged(Point::new(0.0, 20.0), false, false)), [(20.0, 10.0), (0.0, 30.0)]);
        let corner = moving(Grip::Sides(-1, -1), (20.0, 10.0), still);
        assert_eq!(corners(&corner, corner.dragged(Point::new(0.0, 5.0), false, false)), [(0.0, 5.0), (60.0, 30.0)]);
        let [first, last] = corners(&corner, corner.dragged(Point::new(-20.0, -10.0), true, false));
        assert_eq!((first, last), ((-20.0, -10.0), (60.0, 30.0)), "twice as large, in proportion");
    }

    #[test]
    fn what_is_turned_turns_around_its_middle_and_scales_along_its_own_sides() {
        let turn = moving(Grip::Turn, (100.0, 20.0), |transform| transform);
        let turned = turn.dragged(Point::new(40.0, 80.0), false, false);
        assert!((turned.angle - TAU / 4.0).abs() < 1e-5);
        let stepped = turn.dragged(Point::new(99.0, 38.0), true, false);
        assert!((stepped.angle - TURN).abs() < 1e-5, "{}", stepped.angle.to_degrees());
        // Turned by a quarter, its right side lies below.
        let below = moving(Grip::Sides(1, 0), (40.0, 40.0), |transform| Transform { angle: TAU / 4.0, ..transform });
        let longer = below.dragged(Point::new(40.0, 60.0), false, false);
        assert!((longer.scale.0 - 1.5).abs() < 1e-5 && (longer.scale.1 - 1.0).abs() < 1e-5, "{longer:?}");
    }

    #[test]
    fn a_number_is_written_with_no_more_decimals_than_it_has() {
        let written = [100.0, 33.333, -12.25, 99.96, -0.01].map(with_tenths);
        assert_eq!(written, ["100", "33.3", "-12.3", "100", "0"]);
    }

    #[test]
    fn what_is_only_moved_moves_by_whole_pixels() {
        let whole = moving(Grip::Whole, (30.0, 20.0), |transform| transform);
        let moved = whole.dragged(Point::new(37.4, 9.7), false, false);
        assert_eq!(moved.to, Point::new(47.0, 10.0));
        assert_eq!(whole.dragged(Point::new(37.4, 19.0), true, false).to, Point::new(47.0, 20.0));
    }
}
