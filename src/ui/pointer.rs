//! What the pointer does to the picture: strokes on layers and on the mask, filling, picking colours.

use super::areas::{mask_area, set_corners};
use super::bounds::{drag_bounds, drag_crop};
use super::canvas::{Scene, is_panning};
use super::led::lead;
use super::state::{Outbox, ViewState};
use super::transform::transform_layer;
use super::view::Placement;
use crate::geom::Point;
use crate::paint::{Document, Ink, Painting, Sample, StrokePreview, Tiles, Tool};
use crate::session::{Action, Shown};
use egui::{Event, PointerButton, Pos2, Response, Ui};

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
    if picks_colour(ui, tool) && view.painting.is_none() {
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
    let (pressed, origin) = ui.input(|i| (i.pointer.primary_pressed(), i.pointer.press_origin()));
    let begins = pressed && response.contains_pointer() && !is_panning(ui, scene.session.tool);
    origin.filter(|_| begins).map(|at| scene.placement.to_image(at))
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
    if let Some([r, g, b, alpha]) = colour_at(scene.shown, at)
        && alpha > 0
        && [r, g, b] != scene.session.palette.colour
    {
        out.act(Action::SetColour([r, g, b]));
    }
}

/// The colour of what is shown at a place of the picture.
pub(super) fn colour_at(shown: &Shown, at: Point) -> Option<[u8; 4]> {
    let extent = shown.extent();
    if !(at.x >= 0.0 && at.y >= 0.0 && at.x < extent.width as f32 && at.y < extent.height as f32) {
        return None;
    }
    match shown {
        Shown::Document(tiles) | Shown::Part { tiles, .. } | Shown::Live { tiles, .. } => {
            Some(tiles.pixel(at.x as u32, at.y as u32))
        }
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
    let Scene { session, shown, placement } = scene;
    let (down, shift) = ui.input(|i| (i.pointer.primary_down(), i.modifiers.shift));
    if let Some(at) = set_down(ui, response, scene).filter(|_| view.painting.is_none()) {
        // A result becomes the document first, nothing becomes paper, and what cannot be painted on is told.
        out.act(Action::BeginPainting);
        view.paints_from = Some(at);
        view.pressure = 1.0;
    }
    if !down && view.painting.is_none() {
        view.paints_from = None;
    }
    if view.painting.as_ref().is_some_and(|painting| !painting.is_current(&session.document)) {
        view.painting = None;
    }
    let samples = samples(ui, placement, &mut view.pressure);
    if matches!(shown, Shown::Document(_))
        && let Some(start) = view.paints_from.take()
    {
        let (document, palette) = (&session.document, &session.palette);
        let begun = match session.tool {
            Tool::Smudge => Painting::smudge(document, palette.smudge_brush()),
            Tool::Eraser => Painting::begin(document, Ink::Erase, palette.brush),
            _ => Painting::begin(document, Ink::Colour(palette.colour), palette.brush),
        };
        if let Ok(mut painting) = begun {
            let first = view.last_stroke_end.filter(|_| shift).into_iter();
            let places: Vec<_> = first.chain([start]).map(|at| Sample { at, pressure: view.pressure }).collect();
            painting.extend(&places);
            view.last_stroke_end = Some(start);
            view.painting = Some(painting);
        }
    }
    let painting = view.painting.as_mut()?;
    view.last_stroke_end = samples.last().map(|sample| sample.at).or(view.last_stroke_end);
    painting.extend(&samples);
    if down {
        return None;
    }
    painting.finish();
    let shown = painting.flat().clone();
    out.actions.extend(view.painting.take().map(|painting| Action::Paint(Box::new(painting))));
    Some(shown)
}

/// Where the pointer went in this frame, and how hard it was pressed, where a pen or a finger tells.
pub(super) fn samples(ui: &Ui, placement: &Placement, pressure: &mut f32) -> Vec<Sample> {
    ui.input(|i| {
        let sample = |event: &Event| match event {
            Event::Touch { force, .. } => {
                *pressure = force.unwrap_or(1.0);
                None
            }
            Event::PointerMoved(at) => Some(Sample { at: placement.to_image(*at), pressure: *pressure }),
            _ => None,
        };
        i.events.iter().filter_map(sample).collect()
    })
}

/// Begins, goes on with, and ends a stroke of the mask.
fn paint_mask(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let Scene { session, shown, placement } = scene;
    let (down, shift) = ui.input(|i| (i.pointer.primary_down(), i.modifiers.shift));
    if view.stroke.is_none()
        && shown.is_finished()
        && let Some(start) = set_down(ui, response, scene)
    {
        // What is painted on stays on the canvas: a result that comes in the middle of a stroke must not take its place.
        out.act(match shown {
            Shown::Result(id, _) | Shown::Part { result: id, .. } => Action::StartFromResult(*id),
            _ => Action::HideResult,
        });
        let first = view.last_stroke_end.filter(|_| shift).unwrap_or(start);
        let extent = shown.extent();
        let fits = session.document.extent() == extent;
        let mut stroke = if fits {
            StrokePreview::begin(&session.document, session.tool, session.brush, first)
        } else {
            StrokePreview::begin(&Document::new(extent), session.tool, session.brush, first)
        };
        if first != start {
            stroke.extend(start);
        }
        view.stroke = Some(stroke);
    }
    let Some(stroke) = &mut view.stroke else { return };
    let moves: Vec<Pos2> = ui.input(|i| {
        let moves = i.events.iter().filter_map(|e| if let Event::PointerMoved(at) = e { Some(*at) } else { None });
        moves.collect()
    });
    for at in moves {
        stroke.extend(placement.to_image(at));
    }
    if !down {
        let stroke = view.stroke.take().expect("it was there three lines above").finish();
        view.last_stroke_end = stroke.points.last().copied();
        out.act(Action::Stroke(stroke));
    }
}
