//! Painting into a picture while it is drawn: strokes on what the canvas shows of it enter its run when the pointer is let go.

use super::canvas::Scene;
use super::icons::Icon;
use super::pointer::{next_press, take_presses};
use super::result_bar::bar;
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{Look, heading, sized_icon_button};
use crate::engine::JobId;
use crate::geom::Point;
use crate::paint::{Document, Ink, PaintBrush, Painting, Sample, Stack, TILE_SIDE, Tile, Tiles, Tool};
use crate::session::{Action, Running, Session, Shown};
use egui::{Align, Color32, ColorImage, Layout, Pos2, Rect, Response, RichText, TextStyle, TextureHandle, Ui, vec2};
use std::sync::Arc;

/// A stroke that is being painted into a picture.
#[derive(Debug)]
pub struct PaintingIn {
    job: JobId,
    /// Where it is painted: clear, and as large as the canvas shows the picture.
    sheet: Document,
    painting: Painting,
    /// Where it begins, of a straight line.
    from: Option<Sample>,
}

/// The job whose picture the canvas shows, if it can be painted into.
fn open_job<'a>(session: &'a Session, shown: &Shown) -> Option<&'a Running> {
    let Shown::Preview { job, .. } = shown else { return None };
    session.jobs.running.as_ref().filter(|running| running.id == *job && running.takes_strokes())
}

/// Whether the tool at hand paints into the picture that the canvas shows.
pub(super) fn paints_in(scene: &Scene) -> bool {
    let Scene { session, shown, .. } = scene;
    matches!(session.tool, Tool::Brush | Tool::Line) && session.palette.paints_in && open_job(session, shown).is_some()
}

/// Begins, goes on with, and ends a stroke.
pub(super) fn paint_in(ui: &Ui, response: &Response, scene: &Scene, view: &mut ViewState, out: &mut Outbox) {
    let Scene { session, shown, .. } = scene;
    take_presses(ui, response, scene, view);
    let Some(press) = view.presses.front_mut() else { return };
    if view.painting_in.is_none() {
        let last = view.last_stroke_end.filter(|_| press.held.shift);
        let begins = open_job(session, shown).zip(press.samples.first());
        view.painting_in = begins.and_then(|(running, start)| PaintingIn::begun(scene, running.id, *start, last));
    }
    let Some(PaintingIn { sheet, painting, from, .. }) = &mut view.painting_in else {
        view.presses.pop_front();
        return;
    };
    let samples = std::mem::take(&mut press.samples);
    match (*from, samples.last()) {
        (Some(from), Some(to)) => {
            if let Ok(mut line) = begun(session, sheet, true) {
                line.extend(&[from, *to]);
                line.finish();
                *painting = line;
            }
        }
        _ => painting.extend(&samples),
    }
    view.last_stroke_end = samples.last().map(|sample| sample.at).or(view.last_stroke_end);
    if press.is_over {
        if let Some(mut done) = view.painting_in.take() {
            done.painting.finish();
            out.act(Action::PaintIn(done.job, done.painting.flat().clone()));
        }
        next_press(ui, view);
    }
}

impl PaintingIn {
    /// A stroke, or with the tool for it a straight line, from `start`; from where the `last` one ended, if a straight line is to lead there.
    fn begun(scene: &Scene, job: JobId, start: Sample, last: Option<Point>) -> Option<Self> {
        let extent = scene.shown.extent();
        let is_line = scene.session.tool == Tool::Line;
        let sheet = Document::with_layers(extent, Stack::of("", Tiles::clear(extent)), None).ok()?;
        let mut painting = begun(scene.session, &sheet, is_line).ok()?;
        if let Some(at) = last.filter(|_| !is_line) {
            painting.extend(&[Sample { at, ..start }]);
        }
        Some(Self { job, sheet, painting, from: is_line.then_some(start) })
    }
}

fn begun(session: &Session, sheet: &Document, is_line: bool) -> Result<Painting, crate::paint::Error> {
    let brush = session.palette.brush;
    let brush = if is_line { PaintBrush { smoothing: 0.0, ..brush } } else { brush };
    Painting::begin(sheet, Ink::Colour(session.palette.colour), brush)
}

/// The strokes that the newest estimate does not show yet, over it.
pub(super) fn show_strokes(ui: &Ui, scene: &Scene, view: &mut ViewState) {
    let Scene { session, shown, placement } = scene;
    let on_their_way = open_strokes(session, shown);
    let painted = view.painting_in.as_ref().map(|stroke| stroke.painting.flat());
    let painter = ui.painter_at(placement.canvas_in_ui);
    let before = std::mem::take(&mut view.stroke_tiles);
    for tiles in on_their_way.iter().chain(painted).filter(|tiles| tiles.extent() == shown.extent()) {
        for (index, tile) in (0..tiles.count()).filter_map(|index| Some((index, tiles.tile(index)?))) {
            let known = before.iter().find(|(known, _)| Arc::ptr_eq(known, tile)).map(|(_, texture)| texture.clone());
            let texture = known.unwrap_or_else(|| texture_of(ui.ctx(), tile));
            let bounds = tiles.bounds_of(index);
            let corner = |x: u32, y: u32| placement.to_ui(Point::new(x as f32, y as f32));
            let place = Rect::from_two_pos(corner(bounds.left, bounds.top), corner(bounds.right(), bounds.bottom()));
            let shown = vec2(bounds.extent.width as f32, bounds.extent.height as f32) / TILE_SIDE as f32;
            let mut part = Rect::from_min_size(Pos2::ZERO, shown);
            if placement.mirrored {
                std::mem::swap(&mut part.min.x, &mut part.max.x);
            }
            painter.image(texture.id(), place, part, Color32::WHITE);
            view.stroke_tiles.push((Arc::clone(tile), texture));
        }
    }
}

fn open_strokes<'a>(session: &'a Session, shown: &Shown) -> &'a [Tiles] {
    let Shown::Preview { job, .. } = shown else { return &[] };
    let running = session.jobs.running.as_ref().filter(|running| running.id == *job);
    running.map_or(&[], Running::strokes_on_their_way)
}

fn texture_of(ctx: &egui::Context, tile: &Tile) -> TextureHandle {
    let side = TILE_SIDE as usize;
    let image = ColorImage::from_rgba_unmultiplied([side, side], tile.pixels().as_flattened());
    ctx.load_texture("stroke", image, egui::TextureOptions::LINEAR)
}

/// The bar over the canvas while the picture on it can be painted into.
pub(super) fn paint_in_bar(ui: &Ui, canvas: Rect, scene: &Scene, out: &mut Outbox) {
    let Some(running) = open_job(scene.session, scene.shown) else { return };
    bar(ui, "paint in bar", canvas, |ui| {
        let count = running.strokes();
        let text = if count == 0 { "Paint into it".to_owned() } else { format!("Paint into it \u{b7} {count}") };
        let mut on = scene.session.palette.paints_in;
        let text = RichText::new(text).text_style(TextStyle::Small);
        if ui.checkbox(&mut on, text).on_hover_text(Shortcut::PaintIn.tooltip(ui.ctx())).changed() {
            out.act(Action::SetPaintsIn(on));
        }
        ui.add_space(2.0);
    });
}

/// What is painted into the next pictures while they are drawn. Nothing where nothing is.
pub(super) fn painted_in_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    let count = session.hints.len();
    if count == 0 {
        return;
    }
    ui.add_space(space::GROUP);
    heading(ui, "Painted in");
    ui.horizontal(|ui| {
        let strokes = if count == 1 { "1 stroke".to_owned() } else { format!("{count} strokes") };
        let small = RichText::new(format!("{strokes} while it is drawn, as in the picture of these settings"));
        ui.label(small.text_style(TextStyle::Small).color(Palette::of(ui).text_weak));
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            let remove = "Paint nothing in";
            if sized_icon_button(ui, Icon::Close, remove, remove, Look::Plain, vec2(24.0, 24.0)).clicked() {
                out.act(Action::ForgetHints);
            }
        });
    });
}
