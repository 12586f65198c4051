//! What eframe calls: takes in what happened elsewhere, shows the panels, passes on what the person did.

use super::dialogs::{Asking, Dialogs, Question};
use crate::render::{self, KeptWindow};
use crate::session::{Action, SavedAs, Session, Shown, Wish};
use crate::ui::{self, Ask, ViewState, theme};
use egui::{Context, Event, ViewportCommand};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The window's state: the session, and what only the window knows.
pub struct App {
    /// What is edited, queued and was made.
    pub session: Session,
    /// Where the canvas looks and what is open.
    pub view: ViewState,
    asking: Asking,
    device: String,
    title: String,
}

/// How far apart the previews are where the processor draws the window, too: each takes as long as several steps of a small model.
const SLOW_PREVIEWS: Duration = Duration::from_millis(100);

impl App {
    /// A window around a session. Fails if there is nothing to draw with.
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        mut session: Session,
        dialogs: Box<dyn Dialogs>,
        device: &str,
    ) -> Result<Self, String> {
        let state = cc.wgpu_render_state.as_ref().ok_or("no graphics adapter was found")?;
        render::install(state);
        theme::install(&cc.egui_ctx);
        theme::follow(&cc.egui_ctx, session.settings.theme);
        theme::scale(&cc.egui_ctx, session.settings.interface_percent);
        let asking = Asking::new(dialogs);
        let is_fast = render::is_fast(state);
        if !is_fast {
            KeptWindow::install(&cc.egui_ctx, state);
            session.preview_every(SLOW_PREVIEWS);
        }
        let view = ViewState { marches: is_fast, ..ViewState::default() };
        Ok(Self { session, view, asking, device: device.to_owned(), title: String::new() })
    }

    fn answer(&mut self, ctx: &Context, ask: &Ask) {
        match ask {
            Ask::OpenPicture => self.asking.ask(ctx, Question::Picture, Action::OpenPicture),
            Ask::OpenAsLayer => self.asking.ask(ctx, Question::Picture, Action::OpenAsLayer),
            Ask::OpenGuide => self.asking.ask(ctx, Question::Guide, Action::OpenGuide),
            Ask::SaveMask => {
                self.asking.ask(ctx, Question::Save(SavedAs::Mask, "mask.png".into()), Action::SaveMask);
            }
            Ask::OpenMask => self.asking.ask(ctx, Question::Mask, Action::OpenMask),
            &Ask::Folder(what) => self.asking.ask(ctx, Question::Folder(what), move |folder| what.action(folder)),
            Ask::SavePicture => match *self.session.canvas() {
                Shown::Result(id, _) | Shown::Part { result: id, .. } => self.apply(ctx, Action::AskWhereToSave(id)),
                _ => {
                    let question = Question::Save(SavedAs::Picture, "picture.png".into());
                    self.asking.ask(ctx, question, Action::SavePicture);
                }
            },
            Ask::SaveProject => {
                let name =
                    self.session.file().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
                let name = name.unwrap_or_else(|| "painting.sfumato".into());
                self.asking.ask(ctx, Question::Save(SavedAs::Project, name.into()), Action::SaveProject);
            }
            Ask::Weigh { more } => {
                if let Some(action) = ui::weigh(ctx, *more, &self.session, &mut self.view) {
                    self.apply(ctx, action);
                }
            }
            Ask::Paste => ctx.send_viewport_cmd(ViewportCommand::RequestPaste),
            Ask::FullScreen => {
                let is_full = ctx.input(|i| i.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            Ask::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
    }

    fn grant(&mut self, ctx: &Context, wish: Wish) {
        match wish {
            Wish::AskWhereToSave { result, name } => {
                let question = Question::Save(SavedAs::Picture, name.into());
                self.asking.ask(ctx, question, move |path| Action::SaveResult(result, path));
            }
            Wish::Reveal(path) => reveal(path),
            Wish::Copy(picture) => ctx.copy_image(ui::color_image(&picture)),
        }
    }

    /// Where a file is looked for that is named by a path: beside the one that was named last, or beside the project.
    fn folder(&self) -> PathBuf {
        let beside_project = || self.session.file().and_then(Path::parent).map(Path::to_owned);
        let folder = self.view.asked_in.clone().or_else(beside_project).or_else(std::env::home_dir);
        folder.or_else(|| std::env::current_dir().ok()).unwrap_or_default()
    }

    fn apply(&mut self, ctx: &Context, action: Action) {
        self.session.apply(action);
        ctx.request_repaint();
    }

    /// What was dropped onto the window or pasted outside of a text field, unless something is asked that comes first.
    fn take_in(&mut self, ctx: &Context) {
        if self.view.asks_to_leave || self.view.asked_path.is_some() {
            return;
        }
        let dropped: Vec<PathBuf> = ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_path_buf()).collect());
        let dropped = dropped.into_iter().filter(|path| !path.as_os_str().is_empty()).collect();
        for action in ui::take_dropped(dropped, &self.session, &mut self.view) {
            self.apply(ctx, action);
        }
        if ctx.text_edit_focused() {
            return;
        }
        let pasted = ctx.input(|i| {
            i.events.iter().find_map(|event| match event {
                Event::PasteImage(image) => ui::picture_of(image).map(Action::PastePicture),
                Event::Paste(text) => {
                    let file = file_in(text).map(Action::OpenAsLayer);
                    // As A1111 and many others write it, and nobody else.
                    let says_settings = text.lines().any(|line| line.starts_with("Steps: "));
                    file.or_else(|| says_settings.then(|| Action::TakeText(text.clone())))
                }
                _ => None,
            })
        });
        if let Some(action) = pasted {
            self.apply(ctx, action);
        }
    }

    /// Where something would be lost the window does not close unasked, and comes to the front with the question.
    fn ask_to_leave(&mut self, ctx: &Context) {
        if ctx.input(|i| i.viewport().close_requested()) && self.session.is_lost_at_the_end() && !self.view.leaves {
            for command in [ViewportCommand::CancelClose, ViewportCommand::Minimized(false), ViewportCommand::Focus] {
                ctx.send_viewport_cmd(command);
            }
            // What is typed next is the answer.
            ctx.memory_mut(egui::Memory::stop_text_input);
            self.view.asks_to_leave = true;
        }
    }

    fn show_title(&mut self, ctx: &Context) {
        let title = title_of(&self.session);
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

impl eframe::App for App {
    /// Also runs while the window is hidden: jobs go on, results are kept, and it is asked before that closes.
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.session.poll();
        self.ask_to_leave(ctx);
        for answer in self.asking.answers() {
            self.apply(ctx, answer);
        }
        if let Some(refused) = self.asking.was_refused() {
            let folder = self.folder();
            refused.by_path(&mut self.view, folder);
        }
        for wish in self.session.take_wishes() {
            self.grant(ctx, wish);
        }
        theme::follow(ctx, self.session.settings.theme);
        theme::scale(ctx, self.session.settings.interface_percent);
        self.show_title(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        // `SFUMATO_LOG=sfumato::app=trace` shows what the window costs while something is painted.
        if let Some(seconds) = frame.info().cpu_usage {
            tracing::trace!(milliseconds = seconds * 1e3, "the last frame was laid out and drawn");
        }
        if ctx.input(|i| i.events.contains(&Event::WindowFocused(true))) {
            self.session.look_at_closed();
        }
        self.take_in(&ctx);
        let out = ui::window_ui(ui, &mut self.session, &mut self.view, &self.device);
        for action in out.actions {
            self.apply(&ctx, action);
        }
        for ask in &out.asks {
            self.answer(&ctx, ask);
        }
        self.session.take_note();
    }

    fn on_exit(&mut self) {
        self.session.save();
    }
}

/// How far a picture is, what is looked at, and the project with a dot where it has more in it than its file.
fn title_of(session: &Session) -> String {
    let progress = session.jobs.running.as_ref().map(|running| format!("{:.0} %", running.progress() * 100.0));
    let result = session.results.shown.and_then(|id| session.results.get(id)).filter(|_| progress.is_none());
    let name = |file: &Path| file.file_name().map(|name| name.to_string_lossy().into_owned());
    let dot = if session.is_behind() { " \u{2022}" } else { "" };
    let project = session.file().and_then(name).map(|name| format!("{name}{dot}"));
    let parts = [progress, result.map(|result| shortened(&result.prompt)), project, Some("Sfumato".to_owned())];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
}

/// As much of a prompt as a title bar has room for.
fn shortened(prompt: &str) -> String {
    let line = prompt.lines().next().unwrap_or_default();
    if line.chars().count() <= 60 { line.to_owned() } else { line.chars().take(59).chain(['\u{2026}']).collect() }
}

/// The file that a pasted text names, as file managers put it on the clipboard.
fn file_in(text: &str) -> Option<PathBuf> {
    let line = text.lines().next()?.trim();
    let path = line.strip_prefix("file://").map_or_else(|| line.to_owned(), unescaped);
    let path = Path::new(&path);
    (path.is_absolute() && path.is_file()).then(|| path.to_path_buf())
}

/// Per cent escapes of a URI (RFC 3986) as the bytes they stand for.
fn unescaped(uri: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), uri.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let escape = tail.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let (byte, after) = match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (byte, &tail[2..]),
            None => (first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Opens the file's folder in the file manager, on a thread: it may take its time.
fn reveal(path: PathBuf) {
    let open = move || {
        let folder = path.parent().unwrap_or(&path);
        if let Err(error) = opener::open(folder) {
            tracing::warn!("the file manager cannot show {}: {error}", folder.display());
        }
    };
    if let Err(error) = std::thread::Builder::new().name("reveal".into()).spawn(open) {
        tracing::warn!("the file manager could not be opened: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_uri_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a picture.png");
        std::fs::write(&path, b"x").unwrap();
        let uri = format!("file://{}", path.display().to_string().replace(' ', "%20"));
        assert_eq!(file_in(&uri), Some(path));
        assert_eq!(file_in("a red apple"), None);
    }
}
