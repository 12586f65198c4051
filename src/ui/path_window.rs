//! Asks for a file where the desktop has no dialog for that: a field in which its path is written.

use super::shortcuts;
use super::state::{Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{primary_button, row};
use crate::session::{Action, SavedAs};
use egui::{Button, Context, Event, Id, Key, Modal, Modifiers, RichText, TextEdit, vec2};
use std::path::{Path, PathBuf, is_separator};

const WIDTH: f32 = 500.0;

/// What a file is asked for.
#[derive(Clone, Copy)]
pub enum FileFor {
    /// It is there, and is read.
    Reading,
    /// It is written, as this.
    Writing(SavedAs),
}

/// The question for a file, and what is written so far.
pub struct PathAsk {
    title: &'static str,
    what: FileFor,
    /// Where it lies unless another folder is written.
    folder: PathBuf,
    text: String,
    into: Box<dyn FnOnce(PathBuf) -> Action + Send>,
    said: Option<Said>,
    /// Whether its window was not seen yet.
    is_new: bool,
    /// What was typed before the field could take it.
    held: Vec<Event>,
    /// Whether Enter was pressed in this frame: what was typed in it comes first.
    enters: bool,
}

/// What there is to say of what is written.
enum Said {
    Problem(String),
    /// It is there already, and is replaced if that is meant.
    Replaces(PathBuf),
}

impl PathAsk {
    /// Asks for a file in this folder, of which this name is offered. `into` says what is made of it.
    pub fn new(
        title: &'static str,
        what: FileFor,
        folder: PathBuf,
        name: String,
        into: Box<dyn FnOnce(PathBuf) -> Action + Send>,
    ) -> Self {
        Self { title, what, folder, text: name, into, said: None, is_new: true, held: Vec::new(), enters: false }
    }

    /// The file, if it can be used, and one that would be replaced only when that was said.
    fn answer(&mut self) -> Option<PathBuf> {
        let path = match named(&self.text, &self.folder, self.what) {
            Ok(path) => path,
            Err(problem) => {
                self.said = Some(Said::Problem(problem));
                return None;
            }
        };
        let is_known = matches!(&self.said, Some(Said::Replaces(known)) if *known == path);
        if matches!(self.what, FileFor::Writing(_)) && path.exists() && !is_known {
            self.said = Some(Said::Replaces(path));
            return None;
        }
        Some(path)
    }
}

/// The file that is meant by what is written, or why it cannot be used.
fn named(text: &str, folder: &Path, what: FileFor) -> Result<PathBuf, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("No path is written yet".into());
    }
    let at_home = text.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    let path = at_home.unwrap_or_else(|| folder.join(text));
    let is_folder = |path: &Path| format!("{} is a folder: write the name of a file behind it", path.display());
    if path.is_dir() {
        return Err(is_folder(&path));
    }
    let FileFor::Writing(saved_as) = what else {
        return if path.is_file() { Ok(path) } else { Err(format!("There is no file {}", path.display())) };
    };
    let parent = if text.ends_with(is_separator) { Some(path.as_path()) } else { path.parent() };
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(format!("There is no folder {}", parent.display()));
    }
    // It is this one that is asked about.
    let path = saved_as.file(path);
    if path.is_dir() { Err(is_folder(&path)) } else { Ok(path) }
}

fn field_id() -> Id {
    Id::unique("path")
}

/// The keys of a frame while it is asked: Enter takes what is written, Escape leaves it, and all others are for the field.
pub(super) fn take_keys(ctx: &Context, view: &mut ViewState) {
    let Some(ask) = &mut view.asked_path else { return };
    if ask.is_new {
        // The field is drawn only now, and what is typed meanwhile is meant for it.
        ask.held.extend(shortcuts::take_typing(ctx));
        return;
    }
    let held = std::mem::take(&mut ask.held);
    ctx.input_mut(|input| drop(input.events.splice(0..0, held)));
    let takes = |key: Key| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let leaves = takes(Key::Escape);
    // On a button it presses that.
    ask.enters = ctx.memory(|m| m.focused().is_none_or(|id| id == field_id())) && takes(Key::Enter);
    if leaves {
        view.asked_path = None;
    }
    drop(shortcuts::pressed(ctx, view.gallery_open, true));
}

/// The window, while it is asked: nothing can be done beside it.
pub(super) fn path_window(ctx: &Context, view: &mut ViewState, out: &mut Outbox) {
    // Whether the window is to close is asked first.
    if view.asks_to_leave {
        return;
    }
    let Some(mut ask) = view.asked_path.take() else { return };
    let (mut enters, mut closes) = (false, false);
    Modal::new(Id::unique("path window")).show(ctx, |ui| {
        ui.set_width(WIDTH.min(ctx.content_rect().width() - 60.0));
        let palette = Palette::of(ui);
        ui.heading(ask.title);
        let why = "No file dialog could be opened: install xdg-desktop-portal or zenity, or write the path here.";
        ui.label(RichText::new(why).color(palette.text_weak));
        ui.add_space(8.0);
        row(ui, "Path", |ui, label| {
            let field = TextEdit::singleline(&mut ask.text).id(field_id()).desired_width(f32::INFINITY);
            let field = ui.add(field).labelled_by(label);
            if field.changed() {
                ask.said = None;
            }
            if std::mem::take(&mut ask.is_new) {
                field.request_focus();
                // What is written first takes the place of all of it: a name without an ending gets one, and one with an ending
                // would have two.
                view.wants_selection = Some((field_id(), 0..ask.text.chars().count()));
                ctx.request_repaint();
            }
        });
        let (said, colour) = match &ask.said {
            None => (format!("In {}, unless another folder is written.", ask.folder.display()), palette.text_weak),
            Some(Said::Problem(problem)) => (problem.clone(), palette.error),
            Some(Said::Replaces(path)) => (format!("{} is there already.", path.display()), palette.error),
        };
        ui.label(RichText::new(said).color(colour));
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            let verb = match (&ask.said, ask.what) {
                (Some(Said::Replaces(_)), _) => "Replace it",
                (_, FileFor::Writing(_)) => "Save",
                (_, FileFor::Reading) => "Open",
            };
            enters |= primary_button(ui, verb, 130.0).on_hover_text("Enter").clicked();
            let cancel = Button::new("Cancel").min_size(vec2(130.0, space::LARGE_BUTTON));
            closes |= ui.add(cancel).on_hover_text("Esc").clicked();
        });
    });
    enters |= std::mem::take(&mut ask.enters);
    view.asked_path = Some(ask).filter(|_| !closes);
    if enters {
        enter(view, out);
    }
}

/// Takes what is written, if it can be used.
fn enter(view: &mut ViewState, out: &mut Outbox) {
    let Some(mut ask) = view.asked_path.take() else { return };
    match ask.answer() {
        Some(path) => {
            view.asked_in = path.parent().map(Path::to_owned);
            out.act((ask.into)(path));
        }
        None => view.asked_path = Some(ask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: FileFor = FileFor::Writing(SavedAs::Picture);

    #[test]
    fn a_path_lies_in_the_folder_unless_it_names_another_and_gets_an_ending() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let of = |text: &str| named(text, here.path(), PICTURE);
        assert_eq!(of(" a pear "), Ok(here.path().join("a pear.png")));
        assert_eq!(of("pear.jpg"), Ok(here.path().join("pear.jpg")));
        let other = there.path().join("pear.webp");
        assert_eq!(of(&other.display().to_string()), Ok(other));
    }

    #[test]
    fn what_cannot_be_written_or_read_is_said_by_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pictures")).unwrap();
        let said = |text: &str, what| named(text, folder.path(), what).unwrap_err();
        assert_eq!(said("  ", PICTURE), "No path is written yet");
        let gone = folder.path().join("gone");
        for text in ["gone/pear.png", "gone/"] {
            let said = said(text, PICTURE);
            assert!(said.starts_with(&format!("There is no folder {}", gone.display())), "{said}");
        }
        for what in [PICTURE, FileFor::Reading] {
            assert!(said("pictures", what).contains("is a folder"));
        }
        assert_eq!(said("gone", FileFor::Reading), format!("There is no file {}", gone.display()));
    }

    #[test]
    fn a_file_is_replaced_only_when_it_was_asked_and_nothing_else_was_written_since() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first.png", "second.png"].map(|name| folder.path().join(name));
        for path in [&first, &second] {
            std::fs::write(path, b"x").unwrap();
        }
        let into = Box::new(Action::SavePicture);
        let mut ask = PathAsk::new("Save as", PICTURE, folder.path().into(), "first.png".into(), into);
        assert_eq!(ask.answer(), None);
        ask.text = "second.png".into();
        assert_eq!(ask.answer(), None, "of this one it was not asked");
        assert_eq!(ask.answer(), Some(second));
    }

    #[test]
    fn the_file_that_is_asked_about_is_the_one_that_is_written() {
        for (saved_as, name, written) in [
            (SavedAs::Mask, "x.jpg", "x.jpg.png"),
            (SavedAs::Picture, "x.gif", "x.gif.png"),
            (SavedAs::Project, "x.png", "x.png.sfumato"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let ask = || {
                let (what, into) = (FileFor::Writing(saved_as), Box::new(Action::SaveMask));
                PathAsk::new("Save as", what, folder.path().into(), name.into(), into)
            };
            let written = folder.path().join(written);
            std::fs::write(folder.path().join(name), b"x").unwrap();
            assert_eq!(ask().answer().as_ref(), Some(&written), "{name} is not touched, so nothing is asked");
            std::fs::write(&written, b"x").unwrap();
            let mut ask = ask();
            assert_eq!(ask.answer(), None);
            let Some(Said::Replaces(asked)) = &ask.said else { panic!("{name}: it was not asked") };
            assert_eq!(*asked, written);
            assert_eq!(ask.answer(), Some(written));
        }
    }
}
