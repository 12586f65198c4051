//! What each line of the shortcut table does, whether a key, a button or a menu asked for it.

use super::areas::close_polygon;
use super::bounds::crop;
use super::canvas::BRUSH_SIZES;
use super::compare::{Compare, before};
use super::drop_window::take_as_layers;
use super::prompt_panel::{cursor_to_end, negative_id, prompt_id, selection};
use super::shortcuts::{Shortcut, take_digit};
use super::size_window::Sizing;
use super::state::{Ask, Outbox, ViewState};
use super::view::CanvasView;
use crate::diffusion::Stop;
use crate::geom::{Extent, Point};
use crate::paint::{Brush, Combine, Ink, LayerEdit, LayerId, PaintBrush, Shape, Tool, Transform};
use crate::prompt::nudged;
use crate::session::{Action, ResultId, Session, Shown};

/// Whether it can be done now: menus and buttons grey out what cannot.
pub(super) fn is_possible(shortcut: Shortcut, session: &Session) -> bool {
    match shortcut {
        Shortcut::Stop | Shortcut::StopAndDiscard => session.jobs.running.is_some(),
        Shortcut::ClearQueue => !session.jobs.waiting.is_empty() || !session.jobs.left_over.is_empty(),
        Shortcut::Undo => session.document.can_undo(),
        Shortcut::Redo => session.document.can_redo(),
        Shortcut::ClearMask => session.document.has_mask(),
        Shortcut::SaveMask | Shortcut::BoundsOfMask => session.document.masks_anything(),
        Shortcut::WholeCanvas | Shortcut::FitBounds => session.draft.bounds.is_some(),
        Shortcut::LayerAbove => neighbour_layer(session, 1).is_some(),
        Shortcut::LayerBelow => neighbour_layer(session, -1).is_some(),
        Shortcut::ClosePicture
        | Shortcut::SaveProjectAs
        | Shortcut::NewLayer
        | Shortcut::FillLayer
        | Shortcut::FlipSideways
        | Shortcut::FlipUpsideDown
        | Shortcut::CanvasSize
        | Shortcut::PictureSize
        | Shortcut::ClearLayer => session.document.has_picture(),
        Shortcut::MergeDown => active_layer(session).is_some_and(|id| session.document.stack().position(id) > Some(0)),
        Shortcut::Opacity => {
            session.tool.is_paint() || session.tool.is_mask() || matches!(session.tool, Tool::Bucket | Tool::Gradient)
        }
        Shortcut::MergeVisible => session.document.stack().layers().len() > 1,
        Shortcut::InvertMask | Shortcut::OpenMask | Shortcut::MaskAll | Shortcut::QuickMask => {
            session.document.has_picture() || session.results.shown.is_some()
        }
        Shortcut::SaveProject => session.document.has_picture() || session.canvas().is_finished(),
        Shortcut::SavePicture | Shortcut::CopyPicture => session.canvas().is_finished(),
        Shortcut::Cut => session.document.has_picture() && matches!(session.canvas(), Shown::Document(_)),
        Shortcut::NewerResult => neighbour(session, -1).is_some(),
        Shortcut::OlderResult => neighbour(session, 1).is_some(),
        Shortcut::UpscaleResult => {
            let shown = session.results.shown.and_then(|id| session.results.get(id));
            shown.is_some_and(|item| session.can_upscale(item))
        }
        Shortcut::OpenGuide => session.fitting_controlnets().next().is_some(),
        Shortcut::GuideByResult => session.results.shown.is_some() && session.fitting_controlnets().next().is_some(),
        Shortcut::FindAlike | Shortcut::BestFitting => session.can_compare() && session.results.shown.is_some(),
        Shortcut::Compare => before(session).is_some(),
        Shortcut::ApplyResult
        | Shortcut::StartFromResult
        | Shortcut::RecallResult
        | Shortcut::RevealResult
        | Shortcut::CopySeed
        | Shortcut::DeleteResult
        | Shortcut::HideResult => session.results.shown.is_some(),
        _ => true,
    }
}

/// Does it.
#[expect(clippy::too_many_lines, reason = "a table: an arm for each shortcut")]
pub(super) fn perform(
    ctx: &egui::Context,
    shortcut: Shortcut,
    session: &Session,
    view: &mut ViewState,
    out: &mut Outbox,
) {
    if shortcut == Shortcut::Stop && close_something(view) {
        return;
    }
    if shortcut == Shortcut::ApplyResult && finish_something(ctx, session, view, out) {
        return;
    }
    if shortcut == Shortcut::Undo && view.moving.take().is_some() {
        view.painting = None;
        return;
    }
    let shortcut = if shortcut == Shortcut::DeleteResult && deletes_masked(session, view) {
        Shortcut::ClearLayer
    } else {
        shortcut
    };
    if !is_possible(shortcut, session) {
        if shortcut == Shortcut::Stop
            && let Some(focused) = ctx.memory(egui::Memory::focused)
        {
            ctx.memory_mut(|m| m.surrender_focus(focused));
        }
        return;
    }
    if let Some(result) = session.results.shown
        && perform_on_result(ctx, shortcut, result, session, out)
    {
        // Starting from a picture means working on it: the canvas comes back.
        view.gallery_open &= !matches!(shortcut, Shortcut::StartFromResult | Shortcut::ApplyResult);
        if shortcut.shows_in_gallery() {
            view.show_gathered();
        }
        return;
    }
    match shortcut {
        Shortcut::Generate => out.act(Action::Generate),
        Shortcut::GenerateNext => out.act(Action::GenerateNext),
        Shortcut::Stop => out.act(Action::Stop(Stop::Keep)),
        Shortcut::StopAndDiscard => out.act(Action::Stop(Stop::Discard)),
        Shortcut::ClearQueue => out.act(Action::ClearQueue),
        Shortcut::FocusPrompt => {
            (view.panels_hidden, view.prompt_first) = (false, true);
            // At once: what was typed behind the key in this frame goes into it.
            ctx.memory_mut(|m| m.request_focus(prompt_id()));
            cursor_to_end(ctx, prompt_id(), &session.draft.prompt);
            ctx.request_repaint();
        }
        Shortcut::OlderPrompt | Shortcut::NewerPrompt => {
            view.wants_cursor_at_end = Some(prompt_id());
            let is_older = shortcut == Shortcut::OlderPrompt;
            out.act(if is_older { Action::OlderPrompt } else { Action::NewerPrompt });
        }
        Shortcut::MoreWeight => out.ask(Ask::Weigh { more: true }),
        Shortcut::LessWeight => out.ask(Ask::Weigh { more: false }),
        Shortcut::Live => out.act(Action::SetLive(!session.is_live())),
        Shortcut::PaintIn => out.act(Action::SetPaintsIn(!session.palette.paints_in)),
        Shortcut::KeepWithin => out.act(Action::SetKeepsWithin(!session.palette.keeps_within)),
        Shortcut::RollSeed => out.act(Action::RollSeed),
        Shortcut::NewCanvas => view.sizing = Some(Sizing::new_canvas(session.canvas().extent())),
        Shortcut::OpenPicture => out.ask(Ask::OpenPicture),
        Shortcut::OpenAsLayer => out.ask(Ask::OpenAsLayer),
        Shortcut::OpenMask => out.ask(Ask::OpenMask),
        Shortcut::SaveMask => out.ask(Ask::SaveMask),
        Shortcut::OpenGuide => out.ask(Ask::OpenGuide),
        Shortcut::SavePicture => out.ask(Ask::SavePicture),
        Shortcut::SaveProject => save(session, out),
        Shortcut::SaveProjectAs => out.ask(Ask::SaveProject),
        Shortcut::Cut => out.act(Action::Cut),
        Shortcut::CopyPicture => out.act(Action::Copy),
        Shortcut::Paste => out.ask(Ask::Paste),
        Shortcut::ClosePicture => out.act(Action::ClosePicture),
        Shortcut::GetModels => view.repo_text = Some(String::new()),
        Shortcut::Settings => view.toggle_settings(),
        Shortcut::Quit => out.ask(Ask::Quit),
        Shortcut::Hand => out.act(Action::SetTool(Tool::Hand)),
        Shortcut::Brush => out.act(Action::SetTool(Tool::Brush)),
        Shortcut::Eraser => out.act(Action::SetTool(Tool::Eraser)),
        Shortcut::Smudge => out.act(Action::SetTool(Tool::Smudge)),
        Shortcut::Line => out.act(Action::SetTool(Tool::Line)),
        Shortcut::Gradient => out.act(Action::SetTool(Tool::Gradient)),
        Shortcut::Transform => out.act(Action::SetTool(Tool::Transform)),
        Shortcut::Crop => out.act(Action::SetTool(Tool::Crop)),
        Shortcut::CanvasSize => view.sizing = Some(Sizing::canvas(session.document.extent())),
        Shortcut::PictureSize => view.sizing = Some(Sizing::picture(session.document.extent())),
        Shortcut::Opacity => set_opacity(ctx, session, view, out),
        Shortcut::Bucket => out.act(Action::SetTool(Tool::Bucket)),
        Shortcut::Eyedropper => out.act(Action::SetTool(Tool::Eyedropper)),
        Shortcut::SwapColours => out.act(Action::SwapColours),
        Shortcut::DefaultColours => out.act(Action::DefaultColours),
        Shortcut::NewLayer
        | Shortcut::MergeDown
        | Shortcut::MergeVisible
        | Shortcut::FillLayer
        | Shortcut::FlipSideways
        | Shortcut::FlipUpsideDown
        | Shortcut::ClearLayer => edit_layers(shortcut, session, out),
        Shortcut::LayerAbove => out.actions.extend(neighbour_layer(session, 1).map(Action::ChooseLayer)),
        Shortcut::LayerBelow => out.actions.extend(neighbour_layer(session, -1).map(Action::ChooseLayer)),
        Shortcut::LastLayer => out.actions.extend(view.layers_used[1].map(Action::ChooseLayer)),
        Shortcut::BoundsOfMask => out.act(Action::SetBounds(session.document.whole_mask().bounds())),
        Shortcut::Bounds => out.act(Action::SetTool(Tool::Bounds)),
        Shortcut::WholeCanvas => out.act(Action::SetBounds(None)),
        Shortcut::MaskBrush => out.act(Action::SetTool(Tool::MaskBrush)),
        Shortcut::MaskEraser => out.act(Action::SetTool(Tool::MaskEraser)),
        Shortcut::MaskRectangle => out.act(Action::SetTool(Tool::MaskRectangle)),
        Shortcut::MaskEllipse => out.act(Action::SetTool(Tool::MaskEllipse)),
        Shortcut::MaskLasso => out.act(Action::SetTool(Tool::MaskLasso)),
        Shortcut::MaskPolygon => out.act(Action::SetTool(Tool::MaskPolygon)),
        Shortcut::MaskWand => out.act(Action::SetTool(Tool::MaskWand)),
        Shortcut::SmallerBrush => out.act(with_tip(session, resized(tip(session), false, session))),
        Shortcut::LargerBrush => out.act(with_tip(session, resized(tip(session), true, session))),
        Shortcut::SofterBrush => out.act(with_tip(session, hardened(tip(session), -0.1))),
        Shortcut::HarderBrush => out.act(with_tip(session, hardened(tip(session), 0.1))),
        Shortcut::Undo => out.act(Action::Undo),
        Shortcut::Redo => out.act(Action::Redo),
        Shortcut::MaskAll => {
            let Extent { width, height } = session.canvas().extent();
            let all = Shape::Rectangle(Point::default(), Point::new(width as f32, height as f32));
            out.act(Action::MaskShape(all, Combine::Add));
        }
        Shortcut::QuickMask => out.act(Action::QuickMask),
        Shortcut::PictureLayers => view.hides_overlays = !view.hides_overlays,
        Shortcut::ClearMask => out.act(Action::ClearMask),
        Shortcut::InvertMask => out.act(Action::InvertMask),
        Shortcut::Fit => view.view = CanvasView::Fit,
        Shortcut::FitBounds => {
            if let (Some(placement), Some(bounds)) = (view.placement, session.draft.bounds) {
                view.view = placement.fitting(bounds);
            }
        }
        Shortcut::ActualSize => zoom_to(view, |_| 1.0),
        Shortcut::TwiceActualSize => zoom_to(view, |_| 2.0),
        Shortcut::FourTimesActualSize => zoom_to(view, |_| 4.0),
        Shortcut::EightTimesActualSize => zoom_to(view, |_| 8.0),
        Shortcut::ZoomIn => zoom_to(view, |placement| placement.next_scale(true)),
        Shortcut::ZoomOut => zoom_to(view, |placement| placement.next_scale(false)),
        // What is being drawn or dragged would jump to the other side.
        Shortcut::MirrorView if ctx.input(|i| i.pointer.any_down()) => {}
        Shortcut::MirrorView => view.mirrored = !view.mirrored,
        Shortcut::NewerResult | Shortcut::OlderResult => {
            let step = if shortcut == Shortcut::NewerResult { -1 } else { 1 };
            out.actions.extend(neighbour(session, step).map(Action::Show));
        }
        Shortcut::Compare => toggle_compare(view),
        Shortcut::Gallery if view.gallery_open => view.gallery_open = false,
        Shortcut::Gallery => view.open_gallery(),
        Shortcut::Panels => view.panels_hidden = !view.panels_hidden,
        Shortcut::FullScreen => out.ask(Ask::FullScreen),
        Shortcut::Help => view.toggle_help(),
        Shortcut::ApplyResult
        | Shortcut::StartFromResult
        | Shortcut::RecallResult
        | Shortcut::UpscaleResult
        | Shortcut::GuideByResult
        | Shortcut::FindAlike
        | Shortcut::BestFitting
        | Shortcut::RevealResult
        | Shortcut::CopySeed
        | Shortcut::DeleteResult
        | Shortcut::HideResult => {}
    }
}

/// Whether what is masked is what Delete is about: no result is looked at, and the mask confines what it takes off the active layer.
fn deletes_masked(session: &Session, view: &ViewState) -> bool {
    let document = &session.document;
    let is_confined = || document.stack().active().is_some_and(|layer| document.confines(layer).is_some());
    session.results.shown.is_none() && !view.gallery_open && document.masks_anything() && is_confined()
}

/// Saves the project to its file. Where there are no layers the shown picture is what there is.
pub(super) fn save(session: &Session, out: &mut Outbox) {
    match session.file() {
        _ if !session.document.has_picture() => out.ask(Ask::SavePicture),
        Some(path) => out.act(Action::SaveProject(path.to_owned())),
        None => out.ask(Ask::SaveProject),
    }
}

/// The words at the cursor of the prompt that is being written weigh more or less. None where no prompt is, or there is no word.
pub fn weigh(ctx: &egui::Context, more: bool, session: &Session, view: &mut ViewState) -> Option<Action> {
    let focused = ctx.memory(egui::Memory::focused)?;
    let negative = focused == negative_id();
    if !negative && focused != prompt_id() {
        return None;
    }
    let prompt = if negative { &session.draft.negative_prompt } else { &session.draft.prompt };
    // Where they were weighed in this frame already, their new place is not in the field yet.
    let moved = view.wants_selection.clone().filter(|(field, _)| *field == focused).map(|(_, selected)| selected);
    let (text, selected) = nudged(prompt, moved.or_else(|| selection(ctx, focused))?, if more { 0.1 } else { -0.1 })?;
    view.wants_selection = Some((focused, selected));
    ctx.request_repaint();
    Some(Action::Reword { negative, text })
}

/// What concerns one result, whether it is shown or not. False if the shortcut is about something else.
pub(super) fn perform_on_result(
    ctx: &egui::Context,
    shortcut: Shortcut,
    result: ResultId,
    session: &Session,
    out: &mut Outbox,
) -> bool {
    match shortcut {
        Shortcut::ApplyResult => out.act(Action::ApplyResult(result)),
        Shortcut::StartFromResult => out.act(Action::StartFromResult(result)),
        Shortcut::RecallResult => out.act(Action::Recall(result)),
        Shortcut::UpscaleResult => out.act(Action::Upscale(result)),
        Shortcut::GuideByResult => out.act(Action::GuideByResult(result)),
        Shortcut::FindAlike => out.act(Action::FindAlike(result)),
        Shortcut::BestFitting => out.act(Action::ListBestFitting(result)),
        Shortcut::RevealResult => out.act(Action::Reveal(result)),
        Shortcut::DeleteResult => out.act(Action::Delete(result)),
        Shortcut::HideResult => out.act(Action::HideResult),
        Shortcut::CopySeed => {
            if let Some(item) = session.results.get(result) {
                ctx.copy_text(item.seed.to_string());
            }
        }
        _ => return false,
    }
    true
}

/// Holds the shown result against what was there by a line in the middle, or no longer.
pub(super) fn toggle_compare(view: &mut ViewState) {
    view.compare = match view.compare {
        Some(Compare::Split(_)) => None,
        _ => Some(Compare::Split(0.5)),
    };
}

/// Enter first carries out what is under way on the canvas.
pub(super) fn finish_something(ctx: &egui::Context, session: &Session, view: &mut ViewState, out: &mut Outbox) -> bool {
    if take_as_layers(view, out) {
        return true;
    }
    if let Some(sizing) = view.sizing.take() {
        out.act(sizing.action(session.document.extent()));
        return true;
    }
    if let Some(moving) = &mut view.moving {
        moving.apply();
        ctx.request_repaint();
        return true;
    }
    close_polygon(view, out) || crop(view, out)
}

/// Escape first leaves what is open or under way in the window.
pub(super) fn close_something(view: &mut ViewState) -> bool {
    if view.renaming.take().is_some() {
        return true;
    }
    let ends_shape = !std::mem::take(&mut view.shape).is_empty()
        | !std::mem::take(&mut view.polygon).is_empty()
        | view.led.take().is_some()
        | view.moving.take().is_some()
        | view.dragged_layer.take().is_some()
        | view.crop.take().is_some()
        | view.compare.take().is_some();
    let ends_stroke = ends_shape
        | view.painting_in.take().is_some()
        | !std::mem::take(&mut view.presses).is_empty()
        | view.stroke.take().is_some()
        | view.painting.take().is_some()
        | view.paints_from.take().is_some();
    ends_stroke
        || view.sizing.take().is_some()
        || !std::mem::take(&mut view.dropped).is_empty()
        || std::mem::take(&mut view.help_open)
        || view.leave_settings()
        || view.repo_text.take().is_some()
        || std::mem::take(&mut view.gallery_open)
}

fn zoom_to(view: &mut ViewState, scale: impl FnOnce(&super::view::Placement) -> f32) {
    if let Some(placement) = view.placement {
        view.view = placement.zoomed(scale(&placement), placement.canvas_in_ui.center());
    }
}

/// A brush a quarter larger or smaller, by at least one pixel; it does not grow beyond twice the picture's longer side.
fn resized(brush: Brush, larger: bool, session: &Session) -> Brush {
    let extent = session.canvas().extent();
    let most = (2.0 * extent.width.max(extent.height) as f32).max(brush.size);
    let size = if larger {
        (brush.size * 1.25).max(brush.size + 1.0).min(most)
    } else {
        (brush.size / 1.25).min(brush.size - 1.0)
    };
    Brush { size: size.round().clamp(*BRUSH_SIZES.start(), *BRUSH_SIZES.end()), ..brush }
}

/// The size and hardness of the brush at hand: the mask has one of its own.
pub(super) fn tip(session: &Session) -> Brush {
    if session.tool.is_mask() { session.brush } else { session.palette.brush.tip }
}

/// Gives the brush at hand another size and hardness.
pub(super) fn with_tip(session: &Session, tip: Brush) -> Action {
    if session.tool.is_mask() {
        Action::SetBrush(tip)
    } else {
        Action::SetPaintBrush(PaintBrush { tip, ..session.palette.brush })
    }
}

/// Sets the opacity, or the strength, of the tool at hand by the digits that are typed.
fn set_opacity(ctx: &egui::Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    const IN_A_ROW_SECS: f64 = 0.7;
    let (Some(digit), now) = (take_digit(ctx), ctx.input(|i| i.time)) else { return };
    let first = view.digit.take().filter(|(_, at)| now - at < IN_A_ROW_SECS);
    let per_cent = match (first, digit) {
        (Some((0, _)) | None, 0) => 100,
        (Some((first, _)), digit) => 10 * first + digit,
        (None, digit) => 10 * digit,
    };
    if first.is_none() {
        view.digit = Some((digit, now));
    }
    let opacity = f32::from(per_cent) / 100.0;
    out.act(match session.tool {
        Tool::Smudge => Action::SetSmudge(opacity),
        tool if tool.is_mask() => Action::SetMaskOpacity(opacity),
        _ => Action::SetPaintBrush(PaintBrush { opacity, ..session.palette.brush }),
    });
}

/// What concerns the layers.
fn edit_layers(shortcut: Shortcut, session: &Session, out: &mut Outbox) {
    let Some(active) = active_layer(session) else { return };
    let edit = match shortcut {
        Shortcut::MergeDown => LayerEdit::MergeDown(active),
        Shortcut::MergeVisible => LayerEdit::MergeVisible,
        Shortcut::FillLayer => LayerEdit::Fill(active, Ink::Colour(session.palette.colour)),
        Shortcut::ClearLayer => LayerEdit::Clear(active),
        Shortcut::FlipSideways | Shortcut::FlipUpsideDown => {
            let document = &session.document;
            let layer = document.stack().get(active);
            let Some([from, to]) = layer.and_then(|layer| document.movable(layer)) else { return };
            let middle = Point::new(f32::midpoint(from.x, to.x), f32::midpoint(from.y, to.y));
            LayerEdit::Transform(active, Transform::flip(middle, shortcut == Shortcut::FlipSideways))
        }
        _ => LayerEdit::Add,
    };
    out.act(Action::EditLayers(edit));
}

/// The layer so many places above the active one.
fn neighbour_layer(session: &Session, above: isize) -> Option<LayerId> {
    let stack = session.document.stack();
    let at = stack.position(active_layer(session)?)?.checked_add_signed(above)?;
    stack.layers().get(at).map(|layer| layer.id)
}

fn active_layer(session: &Session) -> Option<LayerId> {
    session.document.stack().active().map(|layer| layer.id)
}

fn hardened(brush: Brush, by: f32) -> Brush {
    Brush { hardness: ((brush.hardness + by) * 10.0).round().clamp(0.0, 10.0) / 10.0, ..brush }
}

/// The result `step` places further in the list than the shown one; the newest if none is shown.
fn neighbour(session: &Session, step: isize) -> Option<ResultId> {
    let items = &session.results.items;
    let at = session.results.shown.and_then(|id| items.iter().position(|item| item.id == id));
    let next = match at {
        Some(at) => at.checked_add_signed(step)?,
        None => 0,
    };
    items.get(next).map(|item| item.id)
}
