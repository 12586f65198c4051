//! The windows that make the canvas larger or smaller, and scale the picture on it.

use super::state::{Outbox, ViewState};
use super::theme::Palette;
use super::widgets::{primary_button, row};
use crate::geom::Extent;
use crate::paint::Frame;
use crate::session::{Action, Session};
use egui::{
    Align2, Context, DragValue, FocusDirection, Key, Order, RichText, Sense, Stroke, StrokeKind, Ui, Window, vec2,
};

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// What is being sized.
    of: Sized,
    width: u32,
    height: u32,
    /// Whether its window was not seen yet.
    is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sized {
    /// The canvas, with what is on it at the left (0), in the middle or at the right (2), and at the top, middle or bottom.
    Canvas(u8, u8),
    /// The picture, with its proportions kept or not.
    Picture { is_even: bool },
    /// A canvas that is not there yet.
    New,
}

impl Sizing {
    /// The canvas of this size, about to become another.
    pub(super) const fn canvas(extent: Extent) -> Self {
        Self { of: Sized::Canvas(1, 1), width: extent.width, height: extent.height, is_new: true }
    }

    /// A canvas that is to be made, of this size to begin with.
    pub(super) const fn new_canvas(extent: Extent) -> Self {
        Self { of: Sized::New, width: extent.width, height: extent.height, is_new: true }
    }

    /// The picture of this size, about to become another.
    pub(super) const fn picture(extent: Extent) -> Self {
        Self { of: Sized::Picture { is_even: true }, width: extent.width, height: extent.height, is_new: true }
    }

    /// Whether its window was not seen yet, and no field in it can be written in.
    pub(super) const fn is_new(self) -> bool {
        self.is_new
    }

    /// What makes it so.
    pub(super) fn action(self, canvas: Extent) -> Action {
        let extent = Extent::new(self.width, self.height);
        match self.of {
            Sized::Canvas(across, down) => Action::Reframe(Frame::anchored(extent, canvas, across, down)),
            Sized::Picture { .. } => Action::Resize(extent),
            Sized::New => Action::NewCanvas(extent),
        }
    }
}

/// The window, if it is open.
pub(super) fn size_window(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let Some(mut sizing) = view.sizing else { return };
    let canvas = session.document.extent();
    let title = match sizing.of {
        Sized::Canvas(..) => "Canvas size",
        Sized::Picture { .. } => "Scale the picture",
        Sized::New => "New canvas",
    };
    let (mut applies, mut closes) = (false, false);
    let window = Window::new(title).title_bar(false).collapsible(false).resizable(false).order(Order::Foreground);
    window.anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0)).show(ctx, |ui| {
        // While it is only measured nothing in it can have the focus.
        if sizing.is_new && ui.is_enabled() {
            sizing.is_new = false;
            // The next that wants it is the first number, which selects what stands in it.
            ui.memory_mut(|m| {
                m.stop_text_input();
                m.move_focus(FocusDirection::Next);
            });
        }
        ui.set_width(280.0);
        ui.heading(title);
        ui.add_space(8.0);
        applies |= sides_ui(ui, &mut sizing, canvas);
        ui.add_space(6.0);
        match &mut sizing.of {
            Sized::Canvas(across, down) => row(ui, "Anchor", |ui, _| anchor_ui(ui, across, down)),
            Sized::Picture { is_even } => {
                row(ui, "", |ui, _| ui.checkbox(is_even, "Keep proportions"));
            }
            Sized::New => {}
        }
        let said = match sizing.of {
            Sized::New if session.document.has_picture() => "What is open can be had back by Undo.".to_owned(),
            Sized::New => format!("Up to {most} \u{d7} {most}.", most = Frame::MOST_SIDE),
            _ => format!("It is {} \u{d7} {} now.", canvas.width, canvas.height),
        };
        row(ui, "", |ui, _| ui.label(RichText::new(said).small().color(Palette::of(ui).text_weak)));
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            let verb = if sizing.of == Sized::New { "Create" } else { "Apply" };
            applies |= primary_button(ui, verb, 130.0).clicked();
            closes |= ui.add(egui::Button::new("Cancel").min_size(vec2(130.0, 38.0))).clicked();
        });
    });
    if applies {
        out.act(sizing.action(canvas));
    }
    view.sizing = (!applies && !closes).then_some(sizing);
}

/// Both sides. Returns whether one was typed to its end, with Enter.
fn sides_ui(ui: &mut Ui, sizing: &mut Sizing, canvas: Extent) -> bool {
    let (before, mut entered) = (*sizing, false);
    for (name, side) in [("Width", &mut sizing.width), ("Height", &mut sizing.height)] {
        row(ui, name, |ui, id| {
            let number = DragValue::new(side).range(1..=Frame::MOST_SIDE).suffix(" px").speed(1.0);
            let number = ui.add_sized(vec2(100.0, 26.0), number).labelled_by(id);
            entered |= number.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        });
    }
    if sizing.of == (Sized::Picture { is_even: true }) {
        let in_proportion = |side: u32, of: u32, other: u32| {
            ((f64::from(side) * f64::from(other) / f64::from(of.max(1))).round() as u32).clamp(1, Frame::MOST_SIDE)
        };
        if sizing.width != before.width {
            sizing.height = in_proportion(sizing.width, canvas.width, canvas.height);
        } else if sizing.height != before.height {
            sizing.width = in_proportion(sizing.height, canvas.height, canvas.width);
        }
    }
    entered
}

/// Nine places of what is on the canvas.
fn anchor_ui(ui: &mut Ui, across: &mut u8, down: &mut u8) {
    let palette = Palette::of(ui);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing = vec2(3.0, 3.0);
        for (y, row) in (0u8..).zip(["top", "middle", "bottom"]) {
            ui.horizontal(|ui| {
                for (x, column) in (0u8..).zip(["left", "middle", "right"]) {
                    let (rect, response) = ui.allocate_exact_size(vec2(22.0, 22.0), Sense::click());
                    let is_chosen = (*across, *down) == (x, y);
                    let name = format!("Anchor: {row} {column}");
                    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &name));
                    let fill = if is_chosen { palette.accent } else { palette.button_pressed };
                    ui.painter().rect_filled(rect, 4.0, fill);
                    if response.hovered() {
                        let line = Stroke::new(1.0, palette.text);
                        ui.painter().rect_stroke(rect, 4.0, line, StrokeKind::Inside);
                    }
                    if response.clicked() {
                        (*across, *down) = (x, y);
                    }
                }
            });
        }
    });
}
