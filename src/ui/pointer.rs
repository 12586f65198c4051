//! What the pointer does to the picture: strokes on layers and on the mask, filling, picking colours.

use super::areas::{mask_area, set_corners};
use super::bounds::{drag_bounds, drag_crop};
use super::canvas::{Scene, hides_overlays, is_panning, shown_of};
use super::led::lead;
use super::paint_in::{paint_in, paints_in};
use super::state::{Outbox, ViewState};
use super::track::{Straight, Track, tracks};
use super::transform::transform_layer;
use crate::geom::Point;
use crate::paint::{Document, Ink, Painting, Sample, StrokePreview, Tiles, Tool};
use crate::session::{Action, Session, Shown};
use egui::{Modifiers, PointerButton, Response, Ui};

/// A press of a brush, until its stroke is made.
#[derive(Clone, Debug)]
pub struct Press {
    /// What of it is to enter the stroke yet.
    pub(super) samples: Vec<Sample>,
    /// What was held: with Shift, a straight line leads there from where the last stroke ended.
    pub(super) held: Modifiers,
    /// Whether the button was let go.
    pub(super) is_over: bool,
    /// Where it is.
    last: Option<Point>,
    /// The line that it is kept on, while Shift is held.
    straight: Option<Straight>,
}

impl Press {
    const fn new(held: Modifiers, is_over: bool) -> Self {
        Self { samples: Vec::new(), held, is_over, last: None, straight: None }
    }

    /// Goes on along these places, or if it is to be straight, along the line nearest to them, once they are `slack` away from where it is.
    fn extend(&mut self, samples: impl Iterator<Item = Sample>, is_straight: bool, slack: f32) {
        if !is_straight {
            self.straight = None;
        }
        for sample in samples {
            let at = match self.last.filter(|_| is_straight) {
                Some(last) => self.straight.get_or_insert(Straight::from(last)).kept(sample.at, slack),
                None => Some(sample.at),
            };
            if let Some(at) = at {
                self.last = Some(at);
                self.samples.push(Sample { at, ..sample });
            }
        }
    }
}

/// How far the pointer goes before a stroke with Shift has a direction, in points.
const STRAIGHT_FROM: f32 = 4.0;

/// Lets the tool work. What a stroke that ended just now left is returned, to be shown until the document has it.
pub(super) fn paint_with_pointer(
    ui: &Ui,
    response: &Response,
    scene: &Scene,
    view: &mut ViewState,
    out: &mut Outbox,
) -> Option<Tiles> {
    let tool = scene.session.tool;
    if tool != Tool::MaskPolygon {
        view.polygon.clear();
    }
    if tool != Tool::Crop {
        view.crop = None;
    }
    let is_brush = tool.is_mask() || matches!(tool, Tool::Brush | Tool::Eraser | Tool::Smudge);
    if !is_brush && view.painting.is_none() && view.painting_in.is_none() && view.stroke.is_none() {
        view.presses.clear();
    }
    if view.painting_in.is_some() {
        // A stroke that has begun ends as it began, whatever is held or chosen meanwhile.
        paint_in(ui, response, scene, view, out);
    } else if picks_colour(ui, tool) && view.painting.is_none() {
        pick_colour(response, scene, out);
    } else if tool == Tool::Bucket {
        if let Some(at) = set_down(ui, response, scene).filter(|at| at.x >= 0.0 && at.y >= 0.0) {
            out.act(Action::Fill(at.x as u32, at.y as u32));
        }
    } else if tool == Tool::Transform || view.moving.is_some() {
        return transform_layer(ui, response, scene, view, out);
    } else if tool == Tool::Crop {
        drag_crop(ui, response, scene, view);
    } else if tool == Tool::Bounds {
        drag_bounds(ui, response, scene, view, out);
    } else if tool == Tool::MaskPolygon {
        set_corners(ui, response, scene, view, out);
    } else if tool.is_shape() || !view.shape.is_empty() {
        mask_area(ui, response, scene, view, out);
    } else if paints_in(scene) {
        paint_in(ui, response, scene, view, out);
    } else if matches!(tool, Tool::Line | Tool::Gradient) || view.led.is_some() {
        return lead(ui, response, scene, view, out);
    } else if tool.is_paint() || view.painting.is_some() {
        return paint_on_layer(ui, response, scene, view, out);
    } else {
        paint_mask(ui, response, scene, view, out);
    }
    None
}

/// The place of the picture where the tool is set down in this frame, if it is: the press is on the canvas and does not move the view.
pub(super) fn set_down(ui: &Ui, response: &Response, scene: &Scene) -> Option<Point> {
    if !takes_presses(ui, response, scene) {
        return None;
    }
    let start = ui.input(|i| tracks(i, &mut 1.0).iter().find_map(|track| track.start));
    start.map(|(at, _)| scene.placement.to_image(at))
}

/// Whether the tool at hand works where the pointer is. A tap may be shorter than a frame.
fn takes_presses(ui: &Ui, response: &Response, scene: &Scene) -> bool {
    let is_on_canvas = response.contains_pointer() || response.is_pointer_button_down_on() || response.clicked();
    is_on_canvas && !is_panning(ui, scene.session.tool)
}

/// Where the pointer went in this frame while the button was held that `begins` to be held in it, or has been held since before; and
/// whether it still is.
pub(super) fn led_way(ui: &Ui, scene: &Scene, begins: bool) -> (Vec<Point>, bool) {
    let tracks = ui.input(|i| tracks(i, &mut 1.0));
    let Some(track) = tracks.iter().find(|track| track.start.is_some() == begins) else {
        return (Vec::new(), false);
    };
    (track.moves.iter().map(|(at, _)| scene.placement.to_image(*at)).collect(), !track.is_over)
}

/// Puts what the pointer drew in this frame behind the presses that wait for their strokes. Returns whether one waits since just now.
pub(super) fn take_presses(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState) -> bool {
    let sample = |(at, pressure)| Sample { at: scene.placement.to_image(at), pressure };
    let begins = takes_presses(ui, response, scene);
    // With Space the picture moves along under the pointer, in the middle of a stroke as well.
    let is_panning = is_panning(ui, scene.session.tool);
    let slack = STRAIGHT_FROM * scene.placement.pixels_per_point / scene.placement.scale;
    let (tracks, held) = ui.input(|i| (tracks(i, &mut view.pressure), i.modifiers));
    let waited = view.presses.len();
    let end_last = |view: &mut ViewState| view.presses.iter_mut().for_each(|press| press.is_over = true);
    if tracks.is_empty() {
        // The button was let go while something else took what the pointer did.
        end_last(view);
    }
    for Track { start, moves, is_over } in tracks {
        let samples = start.into_iter().chain(moves).map(sample);
        if start.is_none() {
            if let Some(press) = view.presses.back_mut().filter(|press| !press.is_over) {
                if !is_panning {
                    press.extend(samples, held.shift, slack);
                }
                press.is_over = is_over;
            }
        } else if begins {
            end_last(view);
            let mut press = Press::new(held, is_over);
            press.extend(samples, held.shift, slack);
            view.presses.push_back(press);
        }
    }
    view.presses.len() > waited
}

/// Whether the layers become others in this frame, as by a name that was being written: what is painted begins in the next, on those.
pub(super) fn changes_layers(out: &Outbox) -> bool {
    out.actions.iter().any(|action| matches!(action, Action::EditLayers(_)))
}

/// Whether a press takes up a colour: with the eyedropper, and with Alt and a tool that paints.
pub(super) fn picks_colour(ui: &Ui, tool: Tool) -> bool {
    let alt = || ui.input(|i| i.modifiers.alt) && (tool.is_paint() || matches!(tool, Tool::Bucket | Tool::Gradient));
    (tool == Tool::Eyedropper || alt()) && !is_panning(ui, tool)
}

fn pick_colour(response: &Response, scene: &Scene, out: &mut Outbox) {
    // A click may be shorter than a frame.
    let is_down =
        (response.is_pointer_button_down_on() || response.clicked()) && !response.dragged_by(PointerButton::Secondary);
    let Some(at) = response.interact_pointer_pos().filter(|_| is_down) else { return };
    let at = scene.placement.to_image(at);
    if let Some([r, g, b, alpha]) = colour_at(scene, at)
        && alpha > 0
        && [r, g, b] != scene.session.palette.colour
    {
        out.act(Action::SetColour([r, g, b]));
    }
}

/// The colour of what is shown at a place of the picture, without what lies over it.
pub(super) fn colour_at(scene: &Scene, at: Point) -> Option<[u8; 4]> {
    let Scene { session, shown, .. } = scene;
    let extent = shown.extent();
    if !(at.x >= 0.0 && at.y >= 0.0 && at.x < extent.width as f32 && at.y < extent.height as f32) {
        return None;
    }
    match shown {
        Shown::Document(_) => Some(session.document.last_flat().pixel(at.x as u32, at.y as u32)),
        Shown::Part { tiles, .. } | Shown::Live { tiles, .. } => Some(tiles.pixel(at.x as u32, at.y as u32)),
        Shown::Result(_, picture) => {
            let index = at.y as usize * extent.width as usize + at.x as usize;
            picture.rgba().as_chunks::<4>().0.get(index).copied()
        }
        Shown::Empty(_) | Shown::Preview { .. } => None,
    }
}

/// Begins, goes on with, and ends a stroke on the active layer.
fn paint_on_layer(
    ui: &Ui,
    response: &Response,
    scene: &Scene,
    view: &mut ViewState,
    out: &mut Outbox,
) -> Option<Tiles> {
    let Scene { session, shown, .. } = scene;
    let is_new = take_presses(ui, response, scene, view);
    if is_new && view.painting.is_none() {
        // A result becomes the document first, nothing becomes paper, and what cannot be painted on is told.
        out.act(Action::BeginPainting);
    }
    if view.painting.is_none() && changes_layers(out) {
        return None;
    }
    if view.painting.as_ref().is_some_and(|painting| !painting.is_current(&session.document)) {
        view.painting = None;
        view.presses.pop_front();
    }
    let press = view.presses.front_mut()?;
    if view.painting.is_none() {
        let is_shown = matches!(shown, Shown::Document(_));
        if !is_shown && is_new {
            // The next frame shows it.
            return None;
        }
        let (Some(mut painting), Some(&start)) = (begun(session).filter(|_| is_shown), press.samples.first()) else {
            view.presses.pop_front();
            return None;
        };
        if let Some(at) = view.last_stroke_end.filter(|_| press.held.shift) {
            painting.extend(&[Sample { at, ..start }]);
        }
        view.painting = Some(painting);
    }
    let painting = view.painting.as_mut()?;
    let samples = std::mem::take(&mut press.samples);
    view.last_stroke_end = samples.last().map(|sample| sample.at).or(view.last_stroke_end);
    painting.extend(&samples);
    if !press.is_over {
        return None;
    }
    painting.finish();
    let painting = view.painting.take()?;
    let shown = shown_of(&painting, hides_overlays(session, view)).clone();
    out.act(Action::Paint(Box::new(painting)));
    next_press(ui, view);
    Some(shown)
}

/// A stroke of the brush at hand on the active layer, if that can be painted on.
fn begun(session: &Session) -> Option<Painting> {
    let (document, palette) = (&session.document, &session.palette);
    let begun = match session.tool {
        Tool::Smudge => Painting::smudge(document, palette.smudge_brush()),
        Tool::Eraser => Painting::begin(document, Ink::Erase, palette.brush),
        _ => Painting::begin(document, Ink::Colour(palette.colour), palette.brush),
    };
    begun.ok()
}

/// The first press in the line has become a stroke: the next waits until the document has it.
pub(super) fn next_press(ui: &Ui, view: &mut ViewState) {
    view.presses.pop_front();
    if !view.presses.is_empty() {
        ui.ctx().request_repaint();
    }
}

/// Begins, goes on with, and ends a stroke of the mask.
fn paint_mask(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let Scene { session, shown, .. } = scene;
    take_presses(ui, response, scene, view);
    let Some(press) = view.presses.front_mut() else {
        return;
    };
    if view.stroke.is_none() && (press.samples.is_empty() || !shown.is_finished()) {
        view.presses.pop_front();
        return;
    }
    let last = view.last_stroke_end.filter(|_| press.held.shift);
    let tool = match session.tool {
        Tool::MaskBrush if press.held.command => Tool::MaskEraser,
        Tool::MaskEraser if press.held.command => Tool::MaskBrush,
        tool => tool,
    };
    let stroke = view.stroke.get_or_insert_with(|| {
        // What is painted on stays on the canvas: a result that comes in the middle of a stroke must not take its place.
        out.act(match shown {
            Shown::Result(..) | Shown::Part { .. } => Action::AdoptShown,
            _ => Action::HideResult,
        });
        let first = match last {
            Some(at) => Sample { at, ..press.samples[0] },
            None => press.samples.remove(0),
        };
        let brush = session.palette.mask_brush(session.brush);
        if session.document.extent() == shown.extent() {
            StrokePreview::begin(&session.document, tool, brush, first)
        } else {
            StrokePreview::begin(&Document::new(shown.extent()), tool, brush, first)
        }
    });
    for sample in press.samples.drain(..) {
        stroke.extend(sample);
    }
    if press.is_over
        && let Some(stroke) = view.stroke.take()
    {
        let stroke = stroke.finish();
        view.last_stroke_end = stroke.samples.last().map(|sample| sample.at);
        out.act(Action::Stroke(stroke));
        next_press(ui, view);
    }
}
