//! Keys that the person bound anew, over those of the table of [`shortcuts`](super::shortcuts): a list of keys by the name of what
//! they do, as the settings have it (`merge_down = ["Ctrl+E", "F8"]`).

use super::shortcuts::{Entry, Shortcut, TABLE};
use egui::{Context, Event, Id, Key, KeyboardShortcut, Modifiers};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys by what they do.
pub(super) type Bound = BTreeMap<String, Vec<String>>;

/// What each key does now.
#[derive(Debug, PartialEq)]
pub(super) struct Keys {
    bound: Bound,
    /// In the order of the table.
    lines: Vec<Vec<KeyboardShortcut>>,
    /// What could not be bound as the person has it: a sentence each.
    problems: Vec<String>,
}

impl Keys {
    pub(super) fn new(bound: &Bound) -> Self {
        let mut problems = Vec::new();
        let mut is_bound = vec![false; TABLE.len()];
        let mut lines: Vec<Vec<_>> = TABLE.iter().map(|entry| entry.keys.to_vec()).collect();
        for (name, keys) in bound {
            let Some(at) = TABLE.iter().position(|entry| entry.is_bindable() && name_of(entry.shortcut) == *name)
            else {
                problems.push(format!(
                    "The settings bind a key to {name}, and nothing is called so: F1 lists what there is"
                ));
                continue;
            };
            is_bound[at] = true;
            lines[at].clear();
            for text in keys {
                match parsed(text) {
                    Some(key) if is_of_the_clipboard(key) => {
                        problems.push(format!("{text} cannot be bound to {}: it belongs to the clipboard", label(at)));
                    }
                    Some(key) => lines[at].push(key),
                    None => problems.push(format!(
                        "{text} is no key that can be bound to {}: write it as Ctrl+Shift+K, Alt+F5 or BracketLeft",
                        label(at)
                    )),
                }
            }
        }
        for at in 0..TABLE.len() {
            for key in if is_bound[at] { lines[at].clone() } else { Vec::new() } {
                for other in (0..TABLE.len()).filter(|&other| other != at && !(is_bound[other] && other < at)) {
                    lines[other].retain(|usual| !collide(*usual, key));
                }
            }
        }
        Self { bound: bound.clone(), lines, problems }
    }

    /// What there is to say of these keys that was not said of those before.
    fn news(&self, before: Option<&Self>) -> Vec<String> {
        let is_new = |problem: &&String| before.is_none_or(|before| !before.problems.contains(problem));
        self.problems.iter().filter(is_new).cloned().collect()
    }

    /// What else has this key, and would lose it.
    pub(super) fn holders(&self, key: KeyboardShortcut, but: Shortcut) -> impl Iterator<Item = &'static Entry> {
        let has = move |keys: &[KeyboardShortcut]| keys.iter().any(|other| collide(*other, key));
        self.lines().filter(move |(entry, keys)| entry.shortcut != but && has(keys)).map(|(entry, _)| entry)
    }

    /// The lines to keep in the settings so that this key is this one's alone: those that the person bound it to before, without it,
    /// and then this one.
    pub(super) fn binding(&self, shortcut: Shortcut, key: KeyboardShortcut) -> Vec<(String, Vec<String>)> {
        let name = name_of(shortcut);
        let without = |(other, keys): (&String, &Vec<String>)| {
            let is_free = |text: &&String| parsed(text).is_none_or(|known| !collide(known, key));
            let left: Vec<_> = keys.iter().filter(is_free).cloned().collect();
            (*other != name && left.len() < keys.len()).then(|| (other.clone(), left))
        };
        let mut lines: Vec<_> = self.bound.iter().filter_map(without).collect();
        lines.push((name, vec![text_of(key)]));
        lines
    }

    /// The keys of a line of the table, the first of which is shown.
    pub(super) fn of(&self, shortcut: Shortcut) -> &[KeyboardShortcut] {
        TABLE.iter().position(|entry| entry.shortcut == shortcut).map_or(&[], |at| &self.lines[at])
    }

    /// Whether the person bound it.
    pub(super) fn is_bound(&self, shortcut: Shortcut) -> bool {
        self.bound.contains_key(&name_of(shortcut))
    }

    /// The lines of the table with their keys.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static Entry, &[KeyboardShortcut])> {
        TABLE.iter().zip(self.lines.iter().map(Vec::as_slice))
    }
}

fn label(at: usize) -> String {
    format!("\u{201c}{}\u{201d}", TABLE[at].name.trim_end_matches('\u{2026}'))
}

fn id() -> Id {
    Id::unique("keys")
}

/// What each key does now.
pub(super) fn now(ctx: &Context) -> Arc<Keys> {
    ctx.data_mut(|data| Arc::clone(data.get_temp_mut_or_insert_with(id(), || Arc::new(Keys::new(&Bound::new())))))
}

/// Lets these keys count from now on. Gives what there is to say of them, once.
pub(super) fn bind(ctx: &Context, bound: &Bound) -> Vec<String> {
    let before = ctx.data(|data| data.get_temp::<Arc<Keys>>(id()));
    if before.as_ref().is_some_and(|keys| keys.bound == *bound) {
        return Vec::new();
    }
    let keys = Keys::new(bound);
    let news = keys.news(before.as_deref());
    ctx.data_mut(|data| data.insert_temp(id(), Arc::new(keys)));
    news
}

/// Whether one press can be both: a plus counts with and without Shift.
fn collide(a: KeyboardShortcut, b: KeyboardShortcut) -> bool {
    let held = |key: KeyboardShortcut| Modifiers {
        shift: key.modifiers.shift && key.logical_key != Key::Plus,
        ..key.modifiers
    };
    a.logical_key == b.logical_key && held(a) == held(b)
}

/// Takes the key that was pressed in this frame out of the events, before anything else sees it.
pub(super) fn take_pressed(ctx: &Context) -> Option<KeyboardShortcut> {
    ctx.input_mut(|input| {
        let mut found = None;
        input.events.retain(|event| match event {
            Event::Key { key, modifiers, pressed: true, .. } if found.is_none() => {
                found = Some(KeyboardShortcut::new(plain(*modifiers), *key));
                false
            }
            Event::Text(_) => false,
            _ => true,
        });
        found
    })
}

/// The same modifiers as keys are bound with: Ctrl where the system has that, Cmd where it has that.
fn plain(held: Modifiers) -> Modifiers {
    Modifiers { alt: held.alt, shift: held.shift, command: held.command, ctrl: false, mac_cmd: false }
}

/// What a line of the table is called in the settings.
pub(super) fn name_of(shortcut: Shortcut) -> String {
    let mut name = String::new();
    for letter in format!("{shortcut:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// How a key is written in the settings.
pub(super) fn text_of(key: KeyboardShortcut) -> String {
    let Modifiers { command, alt, shift, .. } = key.modifiers;
    let held = [(command, "Ctrl+"), (alt, "Alt+"), (shift, "Shift+")];
    let held: String = held.into_iter().filter_map(|(is_held, name)| is_held.then_some(name)).collect();
    held + key.logical_key.name()
}

/// A key as the settings have it.
fn parsed(text: &str) -> Option<KeyboardShortcut> {
    let text = text.trim();
    // A plus may be the key itself.
    let (held, key) = match text.strip_suffix('+') {
        Some(held) => (held, "+"),
        None => text.rsplit_once('+').unwrap_or(("", text)),
    };
    let mut modifiers = Modifiers::NONE;
    for name in held.split('+').map(str::trim).filter(|name| !name.is_empty()) {
        modifiers = modifiers.plus(match name.to_ascii_lowercase().as_str() {
            "ctrl" | "cmd" | "command" => Modifiers::COMMAND,
            "shift" => Modifiers::SHIFT,
            "alt" | "option" => Modifiers::ALT,
            _ => return None,
        });
    }
    let key = key.trim();
    let key = Key::from_name(key).or_else(|| Key::from_name(&key.to_ascii_uppercase()))?;
    Some(KeyboardShortcut::new(modifiers, key))
}

/// What the window system makes copying, cutting and pasting of, and tells as nothing else.
fn is_of_the_clipboard(key: KeyboardShortcut) -> bool {
    key.modifiers == Modifiers::COMMAND && matches!(key.logical_key, Key::C | Key::X | Key::V)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(lines: &[(&str, &[&str])]) -> Keys {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        Keys::new(&lines.iter().map(|(name, list)| ((*name).to_owned(), keys(list))).collect())
    }

    fn texts(keys: &Keys, shortcut: Shortcut) -> Vec<String> {
        keys.of(shortcut).iter().map(|key| text_of(*key)).collect()
    }

    #[test]
    fn every_key_of_the_table_is_read_as_it_is_written() {
        for key in TABLE.iter().flat_map(|entry| entry.keys) {
            assert_eq!(parsed(&text_of(*key)), Some(*key), "{}", text_of(*key));
        }
        let plus = KeyboardShortcut::new(Modifiers::COMMAND, Key::Plus);
        assert_eq!((parsed("Ctrl++"), parsed(" ctrl + plus")), (Some(plus), None));
        assert_eq!(parsed("shift+k"), Some(KeyboardShortcut::new(Modifiers::SHIFT, Key::K)));
        for nonsense in ["", "Ctrl+", "Strg+K", "Ctrl+Kk", "K+Ctrl"] {
            assert!(parsed(nonsense).is_none_or(|key| key.logical_key == Key::Plus), "{nonsense}");
        }
    }

    #[test]
    fn names_are_told_apart() {
        assert_eq!(name_of(Shortcut::MergeDown), "merge_down");
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|entry| name_of(entry.shortcut)).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn what_is_bound_takes_the_place_of_the_usual_keys_and_takes_them_from_others() {
        let keys = bound(&[("brush", &["N", "F8"]), ("flip_sideways", &["Ctrl+Alt+F"]), ("redo", &[])]);
        assert_eq!(texts(&keys, Shortcut::Brush), ["N", "F8"]);
        assert_eq!(texts(&keys, Shortcut::Line), [""; 0]);
        assert_eq!(texts(&keys, Shortcut::FlipSideways), ["Ctrl+Alt+F"]);
        assert_eq!(texts(&keys, Shortcut::Redo), [""; 0]);
        assert_eq!(texts(&keys, Shortcut::Eraser), ["E"], "what is not bound stays");
        assert!(keys.is_bound(Shortcut::Brush) && !keys.is_bound(Shortcut::Line));
    }

    #[test]
    fn of_two_that_want_one_key_the_first_of_the_table_has_it() {
        let keys = bound(&[("eraser", &["F9"]), ("brush", &["F9"])]);
        assert_eq!(
            (texts(&keys, Shortcut::Brush), texts(&keys, Shortcut::Eraser)),
            (vec!["F9".to_owned()], Vec::new())
        );
        assert_eq!(keys.problems.len(), 0);
    }

    #[test]
    fn of_two_that_are_bound_to_one_key_in_turn_the_newest_has_it_and_it_was_known_who_had_it() {
        let (first, f8) = (bound(&[("brush", &["F8", "F9"])]), KeyboardShortcut::new(Modifiers::NONE, Key::F8));
        let mut settings = first.bound.clone();
        settings.extend(first.binding(Shortcut::Eraser, f8));
        let keys = Keys::new(&settings);
        assert_eq!(
            (texts(&keys, Shortcut::Brush), texts(&keys, Shortcut::Eraser)),
            (vec!["F9".into()], vec!["F8".into()])
        );
        let holders = |keys: &Keys, but| keys.holders(f8, but).map(|entry| entry.shortcut).collect::<Vec<_>>();
        assert_eq!(holders(&first, Shortcut::Eraser), [Shortcut::Brush]);
        assert!(holders(&first, Shortcut::Brush).is_empty(), "its own key is not taken from it");
        assert_eq!(holders(&keys, Shortcut::Brush), [Shortcut::Eraser]);
        assert_eq!(keys.binding(Shortcut::Eraser, f8), [("eraser".to_owned(), vec!["F8".to_owned()])]);
    }

    #[test]
    fn a_plus_with_shift_is_taken_from_the_plus_without() {
        let keys = bound(&[("gallery", &["Shift+Plus"])]);
        assert_eq!(texts(&keys, Shortcut::ZoomIn), ["Ctrl+Plus", "Equals", "Ctrl+Equals"]);
        let shifted = KeyboardShortcut::new(Modifiers::SHIFT, Key::Plus);
        assert!(bound(&[]).holders(shifted, Shortcut::Gallery).any(|entry| entry.shortcut == Shortcut::ZoomIn));
    }

    #[test]
    fn only_what_is_new_is_said() {
        let first = bound(&[("brush", &["N"]), ("brsh", &["F8"])]);
        assert_eq!((first.news(None), first.problems.len()), (first.problems.clone(), 1));
        let second = bound(&[("brsh", &["F8"]), ("eraser", &["Strg+K"])]);
        let said = second.news(Some(&first));
        assert!(said.len() == 1 && said[0].contains("Strg+K"), "{said:?}");
    }

    #[test]
    fn what_cannot_be_bound_is_said() {
        let keys = bound(&[("brsh", &["N"]), ("brush", &["Strg+B", "Ctrl+V", "F8"]), ("opacity", &["K"])]);
        assert_eq!(texts(&keys, Shortcut::Brush), ["F8"]);
        assert_eq!(texts(&keys, Shortcut::Bucket), ["K"]);
        let said = keys.problems.join("\n");
        for part in ["brsh", "Strg+B is no key", "Ctrl+V cannot", "opacity"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
