//! Taking what was pressed out of a frame's events.

use super::{Entry, Scope, Shortcut};
use crate::ui::keys;
use egui::{Context, Event, Id, Key, KeyboardShortcut, Modifiers};

/// Takes this frame's shortcuts out of the events, before any panel sees them. While the gallery covers the canvas, the keys
/// for what it hides are inert. What comes after a key that leads to a field is meant for that, also while the field is not seen yet
/// (`waits_for_field`), and what a shortcut types for nobody. A field that is drawn only now gets what was
/// typed for it with the next frame.
pub fn pressed(ctx: &Context, in_gallery: bool, waits_for_field: bool) -> Vec<Shortcut> {
    let meant = ctx.data_mut(|data| std::mem::take(data.get_temp_mut_or_default::<Vec<Event>>(meant_id())));
    let meant = if ctx.text_edit_focused() { meant } else { Vec::new() };
    let mut in_text = ctx.text_edit_focused() || waits_for_field;
    let mut focused = ctx.memory(|m| m.focused().is_some());
    let in_popup = egui::Popup::is_any_open(ctx);
    let counts = |entry: &Entry, key: &KeyboardShortcut, in_text: bool, focused: bool| match entry.scope {
        // Escape closes a menu before it stops anything, and what writes a letter writes it in a field.
        Scope::Anywhere => !(in_popup && key.logical_key == Key::Escape || in_text && writes(*key)),
        Scope::OutsideText => !in_text && (!in_gallery || entry.shortcut.counts_in_gallery()),
        Scope::Unfocused => !focused && !in_popup,
    };
    let mut found = Vec::new();
    let mut digits: Vec<u8> = Vec::new();
    let mut types = false;
    let (mut holds, mut held) = (false, Vec::new());
    let bound = keys::now(ctx);
    ctx.input_mut(|input| {
        input.events.splice(0..0, meant);
        input.events.retain(|event| {
            // A key comes in front of what it types.
            if std::mem::take(&mut types) && matches!(event, Event::Text(_)) {
                return false;
            }
            let hit = match event {
                Event::Key { key, modifiers, pressed: true, .. } => {
                    let is_hit = |entry: &Entry, k: &KeyboardShortcut| {
                        k.logical_key == *key && matches(*modifiers, *k) && counts(entry, k, in_text, focused)
                    };
                    bound.lines().find(|(entry, keys)| keys.iter().any(|k| is_hit(entry, k))).map(|(entry, _)| entry)
                }
                // The window system turns Ctrl+C and Ctrl+X into these.
                Event::Copy if !in_text => Some(Shortcut::CopyPicture.entry()),
                Event::Cut if !in_text && !in_gallery => Some(Shortcut::Cut.entry()),
                _ => None,
            };
            if let (Some(Shortcut::Opacity), Event::Key { key, .. }) = (hit.map(|entry| entry.shortcut), event) {
                digits.extend(key.symbol_or_name().parse::<u8>().ok());
            }
            if hit.is_some_and(|entry| entry.shortcut.leads_to_a_field(in_gallery)) {
                (in_text, focused) = (true, true);
            }
            if holds && hit.is_none() && is_typing(event) {
                held.push(event.clone());
                return false;
            }
            holds |= hit.is_some_and(|entry| entry.shortcut.shows_its_field(in_gallery));
            types = hit.is_some();
            found.extend(hit.map(|entry| entry.shortcut));
            hit.is_none()
        });
    });
    ctx.data_mut(|data| data.insert_temp(digits_id(), digits));
    if !held.is_empty() {
        ctx.data_mut(|data| data.insert_temp(meant_id(), held));
        ctx.request_repaint();
    }
    found
}

/// Takes Escape or Enter, pressed by itself, out of this frame's events if something comes of it: these two end what is under way,
/// whatever keys are bound to. Enter counts while nothing has the focus.
pub(in crate::ui) fn take_plain(ctx: &Context, key: Key, end: impl FnOnce() -> bool) {
    let is_it = |event: &Event| match event {
        Event::Key { key: pressed, modifiers, pressed: true, .. } => *pressed == key && modifiers.is_none(),
        _ => false,
    };
    let counts = key == Key::Escape || ctx.memory(|m| m.focused().is_none());
    let at = ctx.input(|input| input.events.iter().position(is_it));
    if let Some(at) = at.filter(|_| counts && !egui::Popup::is_any_open(ctx))
        && end()
    {
        ctx.input_mut(|input| drop(input.events.remove(at)));
    }
}

fn digits_id() -> Id {
    Id::unique("digits")
}

/// What was typed for a field that was not there yet.
fn meant_id() -> Id {
    Id::unique("meant for a field")
}

/// Whether a text field makes something of such an event.
fn is_typing(event: &Event) -> bool {
    matches!(event, Event::Text(_) | Event::Key { .. } | Event::Paste(_) | Event::Ime(_))
}

/// Takes out of this frame's events what a text field would make something of.
pub(in crate::ui) fn take_typing(ctx: &Context) -> Vec<Event> {
    ctx.input_mut(|input| input.events.extract_if(.., |event| is_typing(event)).collect())
}

/// The next digit that was typed in this frame where it was no text: one for each time that [`Shortcut::Opacity`] was pressed.
pub(in crate::ui) fn take_digit(ctx: &Context) -> Option<u8> {
    ctx.data_mut(|data| {
        let digits = data.get_temp_mut_or_default::<Vec<u8>>(digits_id());
        (!digits.is_empty()).then(|| digits.remove(0))
    })
}

/// Whether a text field makes something of it: it types, or moves the cursor.
fn writes(key: KeyboardShortcut) -> bool {
    let is_function = key.logical_key.name().strip_prefix('F').is_some_and(|n| n.parse::<u8>().is_ok());
    !key.modifiers.command && !key.modifiers.alt && !is_function && key.logical_key != Key::Escape
}

/// Exactly these modifiers; but a plus, which many keyboards have only with Shift, counts with and without.
fn matches(held: Modifiers, wanted: KeyboardShortcut) -> bool {
    let is_symbol = matches!(wanted.logical_key, Key::Plus | Key::Questionmark | Key::OpenBracket | Key::CloseBracket);
    let held = if is_symbol && !wanted.modifiers.shift && wanted.logical_key == Key::Plus {
        Modifiers { shift: false, ..held }
    } else {
        held
    };
    held.matches_exact(wanted.modifiers)
}
