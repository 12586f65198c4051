//! Lines and gradients: what is led from where the pointer is pressed to where it is let go, and seen all the while. Shift keeps the
//! direction at multiples of 45 degrees.

use super::canvas::{Scene, hides_overlays, shown_of};
use super::pointer::{changes_layers, led_way, set_down};
use super::state::{Outbox, ViewState};
use crate::geom::Point;
use crate::paint::{Document, Error, Ink, PaintBrush, Painting, Sample, Tiles, Tool};
use crate::session::{Action, PaintBox, Shown};
use egui::{Color32, Response, Stroke, Ui};
use std::time::{Duration, Instant};

/// What of a frame goes into laying a gradient.
const A_WHILE: Duration = Duration::from_millis(10);
/// What is shorter is a click, in points.
const SHORTEST: f32 = 2.0;

/// Something that is being led.
#[derive(Clone, Copy, Debug)]
pub struct Led {
    tool: Tool,
    from: Point,
    to: Point,
    /// Whether the button was let go since.
    is_released: bool,
}

/// Begins, leads on and ends a line or a gradient on the active layer. What it left at its end is returned, to be shown until the
/// document has it.
pub(super) fn lead(
    ui: &Ui,
    response: &Response,
    scene: &Scene,
    view: &mut ViewState,
    out: &mut Outbox,
) -> Option<Tiles> {
    let Scene { session, shown, placement } = scene;
    let (shift, pointer) = ui.input(|i| (i.modifiers.shift, i.pointer.latest_pos()));
    let start = set_down(ui, response, scene).filter(|_| view.painting.is_none());
    let (way, is_held) = led_way(ui, scene, start.is_some());
    if start.is_some() {
        out.act(Action::BeginPainting);
        view.paints_from = start;
    } else if !is_held && view.led.is_none() {
        view.paints_from = None;
    }
    if let Shown::Document(_) = shown
        && !changes_layers(out)
        && let Some(from) = view.paints_from.take()
        && let Ok(painting) = begun(session.tool, &session.document, &session.palette, from, from)
    {
        view.painting = Some(painting);
        view.led = Some(Led { tool: session.tool, from, to: from, is_released: false });
    }
    let is_current = view.painting.as_ref().is_some_and(|painting| painting.is_current(&session.document));
    if !is_current {
        (view.painting, view.led) = (None, None);
    }
    let led = view.led.as_mut()?;
    // What is poured after the button was let go is not led any more.
    let to = way.last().copied().or_else(|| Some(placement.to_image(pointer.filter(|_| is_held)?)));
    if let Some(to) = to.filter(|_| !led.is_released) {
        led.to = if shift { straightened(led.from, to) } else { to };
    }
    led.is_released |= !is_held;
    let Led { tool, from, to, is_released } = *led;
    let is_long = placement.to_ui(from).distance(placement.to_ui(to)) >= SHORTEST;
    let painting = view.painting.as_mut()?;
    if tool == Tool::Gradient {
        show_lead(ui, scene, from, to);
        painting.lead(from, to);
        if is_long && !painting.pour(Instant::now() + A_WHILE) {
            ui.ctx().request_repaint();
            return None;
        }
    } else if let Ok(line) = begun(tool, &session.document, &session.palette, from, to) {
        *painting = line;
    }
    if !is_released {
        return None;
    }
    view.led = None;
    let painting = view.painting.take().filter(|_| is_long)?;
    view.last_stroke_end = Some(to);
    let shown = shown_of(&painting, hides_overlays(session, view)).clone();
    out.act(Action::Paint(Box::new(painting)));
    Some(shown)
}

fn begun(tool: Tool, document: &Document, palette: &PaintBox, from: Point, to: Point) -> Result<Painting, Error> {
    if tool == Tool::Gradient {
        return Painting::gradient(document, palette.gradient(from, to));
    }
    let brush = PaintBrush { smoothing: 0.0, ..palette.brush };
    let mut painting = Painting::begin(document, Ink::Colour(palette.colour), brush)?;
    painting.extend(&[Sample::at(from.x, from.y), Sample::at(to.x, to.y)]);
    painting.finish();
    Ok(painting)
}

/// The nearest place in one of eight directions.
fn straightened(from: Point, to: Point) -> Point {
    let (across, down) = (to.x - from.x, to.y - from.y);
    let (wide, high) = (across.abs(), down.abs());
    // An eighth of a turn is halved at tan(22.5 degrees).
    let narrow = std::f32::consts::SQRT_2 - 1.0;
    if high < wide * narrow {
        return Point::new(to.x, from.y);
    }
    if wide < high * narrow {
        return Point::new(from.x, to.y);
    }
    let side = f32::midpoint(wide, high);
    Point::new(from.x + side.copysign(across), from.y + side.copysign(down))
}

/// Where a gradient begins and ends, seen on any picture.
fn show_lead(ui: &Ui, scene: &Scene, from: Point, to: Point) {
    let painter = ui.painter_at(scene.placement.canvas_in_ui);
    let (from, to) = (scene.placement.to_ui(from), scene.placement.to_ui(to));
    for (width, colour) in [(3.0, Color32::from_black_alpha(140)), (1.0, Color32::WHITE)] {
        painter.line_segment([from, to], Stroke::new(width, colour));
    }
    for end in [from, to] {
        painter.circle(end, 4.0, Color32::WHITE, Stroke::new(1.0, Color32::BLACK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_snap_to_the_nearest_eighth_of_a_turn() {
        let from = Point::new(10.0, 20.0);
        for (to, expected) in [
            ((50.0, 25.0), (50.0, 20.0)),
            ((12.0, -40.0), (10.0, -40.0)),
            ((50.0, 52.0), (46.0, 56.0)),
            ((-20.0, 40.0), (-15.0, 45.0)),
            ((10.0, 20.0), (10.0, 20.0)),
        ] {
            let found = straightened(from, Point::new(to.0, to.1));
            assert!(found.distance(Point::new(expected.0, expected.1)) < 1e-4, "{to:?}: {found:?}");
        }
    }
}
