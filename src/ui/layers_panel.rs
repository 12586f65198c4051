//! The layers, the highest first, and what can be done to the one that is painted on.

use super::icons::{self, Icon};
use super::shortcuts::Shortcut;
use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{Look, Number, choice_row, heading, note, row, sized_icon_button, slider_row};
use crate::paint::{Blend, Document, Layer, LayerEdit, LayerKind, LayerLook};
use crate::session::Action;
use egui::{
    Align, Color32, Context, CornerRadius, CursorIcon, Layout, PointerButton, Rect, Role, ScrollArea, Sense, Stroke,
    StrokeKind, TextEdit, Ui, UiBuilder, WidgetInfo, style::ScrollAnimation, vec2,
};
use std::sync::Arc;

const ROW: f32 = 40.0;
const GAP: f32 = 2.0;
const OPACITY: Number =
    Number { range: 0.0..=100.0, typed: 0.0..=100.0, step: 1.0, decimals: 0, logarithmic: false, suffix: "%" };

/// The list, under what concerns the active layer.
pub(super) fn layers_panel_ui(ui: &mut Ui, document: &Document, view: &mut ViewState, out: &mut Outbox) {
    heading(ui, "Layers");
    let Some(active) = document.stack().active().cloned() else {
        ui.label(
            egui::RichText::new("Paint, open a picture or take up a result: it will be the first layer.")
                .color(Palette::of(ui).text_weak),
        );
        return;
    };
    active_ui(ui, &active, view, out);
    ui.add_space(4.0);
    // Over the list, which grows: one button stays where it is when a layer is added.
    buttons_ui(ui, document, &active, out);
    ui.add_space(4.0);
    // Where all of the column scrolls there may be no room left.
    let high = ui.available_height().max(2.0 * (ROW + GAP));
    ScrollArea::vertical().auto_shrink([false, true]).max_height(high).min_scrolled_height(high).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = GAP;
        let layers = document.stack().layers().iter().rev();
        let rows: Vec<Rect> = layers.map(|layer| row_ui(ui, layer, layer.id == active.id, view, out)).collect();
        drag_ui(ui, &rows, document, view, out);
    });
    view.layer_thumbnails.retain(|(layer, _)| document.stack().layers().iter().any(|there| Arc::ptr_eq(there, layer)));
}

/// The layer that is dragged: a line where it would go, and its going there once the button is let go.
fn drag_ui(ui: &Ui, rows: &[Rect], document: &Document, view: &mut ViewState, out: &mut Outbox) {
    /// How far beside the list the pointer may be, in points.
    const BESIDE: f32 = 24.0;
    /// How fast the list goes by where the pointer is above or below it, in points per second.
    const SPEED: f32 = 400.0;
    let Some(dragged) = view.dragged_layer else { return };
    let (pointer, passed) = ui.input(|i| (i.pointer.clone(), i.stable_dt.min(0.1)));
    let is_down = pointer.primary_down();
    if !is_down {
        view.dragged_layer = None;
    }
    // Where it was let go of while the list was not there, it stays.
    if !is_down && !pointer.primary_released() {
        return;
    }
    let (Some(at), Some(from)) = (pointer.latest_pos(), document.stack().position(dragged)) else { return };
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
    let seen = ui.clip_rect();
    if !first.x_range().expand(BESIDE).contains(at.x) {
        ui.set_cursor_icon(CursorIcon::NotAllowed);
        return;
    }
    let gap = rows.iter().filter(|row| row.center().y < at.y).count();
    let to = place(gap, from, rows.len());
    if !is_down {
        if to != from {
            out.act(Action::EditLayers(LayerEdit::Move(dragged, to)));
        }
        return;
    }
    ui.set_cursor_icon(CursorIcon::Grabbing);
    if to != from {
        let between = rows.get(gap).map_or(last.bottom() - GAP / 2.0, |row| row.top() - GAP / 2.0);
        let y = between.max(first.top() + GAP / 2.0);
        ui.painter().hline(first.x_range(), y, Stroke::new(2.0, Palette::of(ui).accent));
    }
    let by = if at.y < seen.top() && first.top() < seen.top() {
        SPEED
    } else if at.y > seen.bottom() && last.bottom() > seen.bottom() {
        -SPEED
    } else {
        return;
    };
    ui.scroll_with_delta_animation(vec2(0.0, by * passed), ScrollAnimation::none());
    ui.ctx().request_repaint();
}

/// The place, counted from below, of a layer that goes from its place `from` to a gap, counted from above, between `count` layers.
const fn place(gap: usize, from: usize, count: usize) -> usize {
    let above = count - gap;
    // Those over it come down by one where it is taken away.
    if from < above { above - 1 } else { above }
}

fn look_edit(layer: &Layer, look: LayerLook, goes_on: bool) -> Action {
    Action::EditLayers(LayerEdit::Look { layer: layer.id, look, goes_on })
}

/// How the active layer meets those under it.
fn active_ui(ui: &mut Ui, active: &Arc<Layer>, view: &mut ViewState, out: &mut Outbox) {
    let look = &active.look;
    if let Some(kind) = choice_row(ui, "Kind", look.kind, &LayerKind::ALL, LayerKind::name) {
        out.act(look_edit(active, LayerLook { kind, ..look.clone() }, false));
    }
    let is_of_the_picture = look.kind.is_of_the_picture();
    if is_of_the_picture && let Some(blend) = choice_row(ui, "Mode", look.blend, &Blend::ALL, Blend::name) {
        out.act(look_edit(active, LayerLook { blend, ..look.clone() }, false));
    }
    let mut per_cent = f64::from(look.opacity * 100.0).round();
    let response = slider_row(ui, "Opacity", &mut per_cent, &OPACITY);
    if response.changed() {
        let opacity = (per_cent / 100.0) as f32;
        out.act(look_edit(active, LayerLook { opacity, ..look.clone() }, view.dragged_opacity == Some(active.id)));
        view.dragged_opacity = Some(active.id);
    }
    if !ui.input(|i| i.pointer.any_down()) {
        view.dragged_opacity = None;
    }
    if look.kind == LayerKind::Mask {
        row(ui, "", |ui, _| {
            let about = Shortcut::QuickMask.tooltip(ui.ctx());
            if ui.button("Take as the mask").on_hover_text(about).clicked() {
                out.act(Action::QuickMask);
            }
        });
    } else if look.kind == LayerKind::Control {
        note(ui, "Its lines guide the shapes while it is seen.", Palette::of(ui).text_weak);
    }
    if !is_of_the_picture {
        return;
    }
    row(ui, "Words", |ui, id| {
        let mut prompt = look.prompt.clone();
        let hint = egui::RichText::new("Its own prompt").color(Palette::of(ui).text_weak);
        let field = TextEdit::singleline(&mut prompt).hint_text(hint).desired_width(f32::INFINITY).char_limit(2000);
        let response = ui.add(field).labelled_by(id).on_hover_text(
            "A prompt of its own: what is painted where this layer covers those under it. Elsewhere the other prompt counts.",
        );
        if response.changed() {
            out.act(look_edit(active, LayerLook { prompt, ..look.clone() }, view.worded == Some(active.id)));
            view.worded = Some(active.id);
        }
        if !response.has_focus() {
            view.worded = None;
        }
    });
}

fn buttons_ui(ui: &mut Ui, document: &Document, active: &Arc<Layer>, out: &mut Outbox) {
    let (stack, id) = (document.stack(), active.id);
    let position = stack.position(id).unwrap_or(0);
    let top = stack.layers().len() - 1;
    let mut recalls = false;
    let mut button = |ui: &mut Ui, icon, name: &str, is_possible: bool, edit: LayerEdit| {
        if sized_icon_button(ui, icon, name, name, Look::enabled_if(is_possible), vec2(27.0, 26.0)).clicked() {
            out.act(Action::EditLayers(edit));
        }
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        button(ui, Icon::Plus, "Add a layer", true, LayerEdit::Add);
        button(ui, Icon::Copy, "Duplicate the layer", true, LayerEdit::Duplicate(id));
        button(ui, Icon::Up, "Layer up", position < top, LayerEdit::Move(id, position + 1));
        button(ui, Icon::Down, "Layer down", position > 0, LayerEdit::Move(id, position.saturating_sub(1)));
        button(ui, Icon::MergeDown, "Merge down", position > 0, LayerEdit::MergeDown(id));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button(ui, Icon::Trash, "Delete the layer", !active.look.locked, LayerEdit::Delete(id));
            let name = "Use the settings of this layer's result";
            let look = Look::enabled_if(!active.look.recipes.is_empty());
            if sized_icon_button(ui, Icon::Recall, name, name, look, vec2(27.0, 26.0)).clicked() {
                recalls = true;
            }
        });
    });
    if recalls {
        out.act(Action::RecallLayer(id));
    }
}

/// A layer: whether it is seen, what is on it, its name, and what about it must not change. Returns where it stands.
fn row_ui(ui: &mut Ui, layer: &Arc<Layer>, is_active: bool, view: &mut ViewState, out: &mut Outbox) -> Rect {
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click_and_drag());
    let look = &layer.look;
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_active, format!("Layer: {}", look.name)));
    if response.clicked() {
        out.act(Action::ChooseLayer(layer.id));
    }
    if response.drag_started_by(PointerButton::Primary) {
        view.dragged_layer = Some(layer.id);
    }
    if response.double_clicked() {
        view.renaming = Some((layer.id, look.name.clone()));
        view.wants_focus = Some(name_id());
        view.wants_selection = Some((name_id(), 0..look.name.chars().count()));
    }
    let fill = if is_active {
        palette.selected
    } else if response.hovered() {
        palette.button
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(rect, CornerRadius::same(6), fill);
    let mut row = ui.new_child(
        UiBuilder::new().max_rect(rect.shrink2(vec2(3.0, 2.0))).layout(Layout::left_to_right(Align::Center)),
    );
    let ui = &mut row;
    if view.dragged_layer == Some(layer.id) {
        ui.multiply_opacity(0.5);
    }
    ui.spacing_mut().item_spacing.x = 4.0;
    let small = vec2(22.0, 24.0);
    let (eye, eye_name) = if look.visible { (Icon::Eye, "Hide") } else { (Icon::EyeClosed, "Show") };
    let name = format!("{eye_name} {}", look.name);
    if sized_icon_button(ui, eye, &name, eye_name, Look::Plain, small).clicked() {
        out.act(look_edit(layer, LayerLook { visible: !look.visible, ..look.clone() }, false));
    }
    thumbnail_ui(ui, layer, view);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 1.0;
        if look.locked || is_active {
            let icon = if look.locked { Icon::LockClosed } else { Icon::LockOpen };
            let (name, about) =
                if look.locked { ("Unlock", "Let it be painted on again") } else { ("Lock", "Keep it as it is") };
            let name = format!("{name} {}", look.name);
            if sized_icon_button(ui, icon, &name, about, Look::selected_if(look.locked), small).clicked() {
                out.act(look_edit(layer, LayerLook { locked: !look.locked, ..look.clone() }, false));
            }
        }
        if look.keeps_alpha || is_active {
            let name = format!("Lock transparency of {}", look.name);
            let about = "Lock transparency: paint only where there is paint";
            if sized_icon_button(ui, Icon::Checker, &name, about, Look::selected_if(look.keeps_alpha), small).clicked()
            {
                out.act(look_edit(layer, LayerLook { keeps_alpha: !look.keeps_alpha, ..look.clone() }, false));
            }
        }
        name_ui(ui, layer, view, out);
    });
    rect
}

/// The field in which a layer's name is written.
fn name_id() -> egui::Id {
    egui::Id::unique("layer name")
}

/// The name, or the field in which it is written. Whatever takes the focus from that ends it and keeps the name; Escape is heard elsewhere.
fn name_ui(ui: &mut Ui, layer: &Arc<Layer>, view: &mut ViewState, out: &mut Outbox) {
    let palette = Palette::of(ui);
    let look = &layer.look;
    if let Some((_, name)) = view.renaming.as_mut().filter(|(id, _)| *id == layer.id) {
        let field = TextEdit::singleline(name).id(name_id()).desired_width(ui.available_width()).char_limit(100);
        let field = ui.add(field).accessible_name("Name of the layer");
        if view.wants_focus.take_if(|id| *id == field.id).is_some() {
            field.request_focus();
            return;
        }
        // The focus goes with a click; a stroke begins with the press, and the name comes before it.
        let is_left = ui.input(|i| i.pointer.any_pressed()) && !field.contains_pointer();
        if is_left || !field.has_focus() {
            field.surrender_focus();
            keep_name(layer, view, out);
        }
        return;
    }
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let colour = if look.visible { palette.text } else { palette.text_weak };
        ui.add_space(if said(look).is_empty() { 9.0 } else { 1.0 });
        ui.add(egui::Label::new(egui::RichText::new(&look.name).color(colour)).truncate().selectable(false));
        let said = said(look);
        if !said.is_empty() {
            let text = egui::RichText::new(said).text_style(egui::TextStyle::Small).color(palette.text_weak);
            ui.add(egui::Label::new(text).truncate().selectable(false));
        }
    });
}

/// Gives the layer the name that was written.
fn keep_name(layer: &Layer, view: &mut ViewState, out: &mut Outbox) {
    let Some((_, name)) = view.renaming.take() else { return };
    let (name, look) = (name.trim(), &layer.look);
    if !name.is_empty() && name != look.name {
        out.act(look_edit(layer, LayerLook { name: name.to_owned(), ..look.clone() }, false));
    }
}

/// Keeps the name of which the field went away with its panel.
pub(super) fn end_name_with_its_field(ctx: &Context, document: &Document, view: &mut ViewState, out: &mut Outbox) {
    let Some(id) = view.renaming.as_ref().map(|(id, _)| *id) else { return };
    if ctx.memory(|m| m.has_focus(name_id())) {
        return;
    }
    match document.stack().get(id) {
        Some(layer) => keep_name(layer, view, out),
        None => view.renaming = None,
    }
}

/// What of a layer is not as usual.
fn said(look: &LayerLook) -> String {
    let kind = (look.kind != LayerKind::Picture).then(|| look.kind.name().to_owned());
    let opacity = (look.opacity < 1.0).then(|| format!("{:.0} %", look.opacity * 100.0));
    let blend = (look.blend != Blend::Normal).then(|| look.blend.name().to_owned());
    let words = (!look.prompt.is_empty()).then(|| format!("\u{201c}{}\u{201d}", look.prompt));
    kind.into_iter().chain(opacity).chain(blend).chain(words).collect::<Vec<_>>().join("  ")
}

fn thumbnail_ui(ui: &mut Ui, layer: &Arc<Layer>, view: &mut ViewState) {
    let (rect, _) = ui.allocate_exact_size(vec2(34.0, 34.0), Sense::hover());
    let palette = Palette::of(ui);
    let extent = layer.tiles.extent();
    let size = vec2(extent.width as f32, extent.height as f32);
    let inside = Rect::from_center_size(rect.center(), size * (34.0 / size.max_elem().max(1.0)));
    let cell = 6.0;
    ui.painter().rect_filled(inside, 0.0, palette.checker_light);
    let dark = ui.painter().with_clip_rect(inside.intersect(ui.clip_rect()));
    for i in 0..36 {
        let (x, y) = (i % 6, i / 6);
        if (x + y) % 2 == 1 {
            let at = rect.min + vec2(x as f32 * cell, y as f32 * cell);
            dark.rect_filled(Rect::from_min_size(at, vec2(cell, cell)), 0.0, palette.checker_dark);
        }
    }
    let small = view.layer_thumbnail(layer);
    let texture = view.thumbnails.get(ui.ctx(), &small);
    let all = Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
    let tint = if layer.look.visible { Color32::WHITE } else { Color32::from_white_alpha(90) };
    ui.painter().image(texture.id(), inside, all, tint);
    ui.painter().rect_stroke(inside, 0.0, Stroke::new(1.0, palette.picture_line), StrokeKind::Outside);
    if layer.look.locked {
        icons::paint(
            ui.painter(),
            Icon::LockClosed,
            Rect::from_center_size(inside.center(), vec2(14.0, 14.0)),
            palette.text,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dragged_layer_goes_between_those_that_the_pointer_is_between() {
        // Of three, from the highest to the lowest: all gaps.
        let places = |from| [0, 1, 2, 3].map(|gap| place(gap, from, 3));
        assert_eq!(places(2), [2, 2, 1, 0]);
        assert_eq!(places(1), [2, 1, 1, 0]);
        assert_eq!(places(0), [2, 1, 0, 0]);
    }
}
