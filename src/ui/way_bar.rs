//! The button by the canvas that paints with the model: it says what it will do with what is there, and a menu has the other ways.

use super::icons::Icon;
use super::shortcuts::Shortcut;
use super::state::Outbox;
use super::theme::{Palette, space};
use super::widgets::{Look, primary_button_of, sized_icon_button};
use crate::diffusion::Request;
use crate::session::{Action, Session, Way};
use egui::{
    Align2, Area, Button, DragValue, Frame, Id, Margin, Order, Popup, PopupCloseBehavior, Rect, RichText, Stroke, Ui,
    vec2,
};

/// The bar, at the bottom of the canvas, in a layer of its own. It is so low that it does not reach up to a picture that is fitted.
pub(super) fn way_bar(ui: &Ui, canvas: Rect, session: &Session, out: &mut Outbox) {
    let palette = Palette::of(ui);
    let frame = Frame::new()
        .fill(palette.panel)
        .stroke(Stroke::new(1.0, palette.field_line))
        .inner_margin(Margin::same(2))
        .corner_radius(9);
    let area = Area::new(Id::unique("way bar"))
        .order(Order::Middle)
        .pivot(Align2::CENTER_BOTTOM)
        .fixed_pos(canvas.center_bottom() - vec2(0.0, 4.0))
        .constrain_to(canvas)
        .fade_in(false);
    area.show(ui.ctx(), |ui| {
        frame.show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 2.0;
                let way = session.way();
                let text = text(way, session);
                let key = Shortcut::Generate.key_text(ui.ctx());
                let tooltip = format!("{}  ({key})\n{}", way.label(), way.about());
                let name = format!("{text} on the canvas");
                let button = primary_button_of(ui, &text, vec2(116.0, space::FIELD));
                if button.accessible_name(&name).on_hover_text(tooltip).clicked() {
                    out.act(Action::Generate);
                }
                let size = vec2(26.0, space::FIELD);
                let more =
                    sized_icon_button(ui, Icon::Up, "Other ways to paint", "Other ways to paint", Look::Plain, size);
                // The number in it is clicked, too.
                let popup = Popup::menu(&more).close_behavior(PopupCloseBehavior::CloseOnClickOutside);
                popup.show(|ui| menu(ui, session, out));
            });
        });
    });
}

/// What the button says: the strength as well, where it counts.
fn text(way: Way, session: &Session) -> String {
    match way {
        Way::Refine if session.draft.strength < 1.0 => format!("Refine {:.0} %", session.draft.strength * 100.0),
        _ => way.label().to_owned(),
    }
}

fn menu(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    ui.spacing_mut().button_padding = vec2(8.0, 4.0);
    let mut was_expanding = false;
    for way in session.other_ways() {
        let expands = matches!(way, Way::Expand(_));
        if expands && !was_expanding && way != Way::Generate {
            ui.separator();
            room_ui(ui, session, out);
        }
        was_expanding = expands;
        let text = text(way, session);
        let mut button = Button::new(text.as_str()).min_size(vec2(190.0, 0.0));
        if let Way::Expand(side) = way {
            button = button.shortcut_text(format!("{} px", session.room_at(side)));
        }
        if ui.add(button).accessible_name(&text).on_hover_text(way.about()).clicked() {
            out.act(Action::PaintAs(way));
            ui.close();
        }
    }
}

/// How much room is made.
fn room_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.add_space(ui.spacing().button_padding.x);
        ui.label(RichText::new("Room at a side").color(Palette::of(ui).text_weak));
        let set = session.palette.room;
        let mut room = set.unwrap_or(0);
        let unit = if set.is_some() { " px" } else { "" };
        let number = DragValue::new(&mut room)
            .range(0..=Request::<(), ()>::MAX_SIDE)
            .speed(4)
            .custom_formatter(|room, _| if room == 0.0 { "usual".to_owned() } else { room.to_string() })
            .suffix(unit)
            .update_while_editing(false);
        let about =
            "A multiple of 8. 0 is as much as usual: half of what the model sees, where the canvas is that large.";
        ui.add(number).accessible_name("Room in pixels").on_hover_text(about);
        let now = (room > 0).then_some(room);
        if now != set {
            out.act(Action::SetRoom(now));
        }
    });
}
