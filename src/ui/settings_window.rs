//! The window of settings: what the file of settings holds. Each change is kept at once; what counts only from the next start says so.

use super::get_models::size;
use super::icons::Icon;
use super::state::{Ask, Outbox, ViewState};
use super::theme::{Palette, space};
use super::widgets::{LABEL_WIDTH, Look, choice_row, heading, icon_button, note, row};
use crate::checkpoints::download::Hub;
use crate::session::{Action, Session};
use crate::settings::{Setting, Settings, Theme};
use egui::{
    Align, Align2, Button, ComboBox, Context, DragValue, Key, Label, Layout, Order, RichText, ScrollArea, TextEdit,
    TextStyle, Ui, Window, vec2,
};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

const WIDTH: f32 = 580.0;

/// The sizes of the interface that are offered, in per cent.
const SIZES: [u32; 8] = [75, 90, 100, 110, 125, 150, 175, 200];

/// What a folder is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFor {
    /// Models are looked for in it, too.
    Models,
    /// Results are kept in it.
    Gallery,
}

impl FolderFor {
    /// What is done with the folder.
    pub fn action(self, folder: PathBuf) -> Action {
        match self {
            Self::Models => Action::AddModelFolder(folder),
            Self::Gallery => Action::Set(Setting::GalleryFolder(Some(folder))),
        }
    }

    /// What asking for it is called.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Models => "Add a folder of models",
            Self::Gallery => "Choose a folder for results",
        }
    }
}

/// What is being changed in the window, while it is open.
#[derive(Debug, Default)]
pub struct Configuring {
    /// Whether what follows was taken from the settings.
    is_begun: bool,
    threads: u32,
    undo: u32,
    packed: u32,
    hub: String,
    /// Why the address of the hub cannot be used.
    hub_problem: Option<String>,
    /// How many threads the machine computes with at once.
    cores: u32,
    /// The folder whose path is being written, where no dialog asks for it.
    folder: Option<FolderAsk>,
}

#[derive(Debug)]
struct FolderAsk {
    what: FolderFor,
    /// Where it lies unless another place is written.
    beside: PathBuf,
    text: String,
    problem: Option<String>,
    /// Whether its field was not seen yet.
    is_new: bool,
}

impl FolderAsk {
    /// The folder that is written, if it is there.
    fn folder(&self) -> Result<PathBuf, String> {
        let text = self.text.trim();
        if text.is_empty() {
            return Err("No path is written yet".to_owned());
        }
        let at_home = text.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
        let path = at_home.unwrap_or_else(|| self.beside.join(text));
        if path.is_dir() { Ok(path) } else { Err(format!("There is no folder {}", path.display())) }
    }
}

impl Configuring {
    fn begin(&mut self, settings: &Settings) {
        self.is_begun = true;
        self.cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        self.threads = settings.threads.map_or(0, |threads| threads as u32);
        self.undo = settings.undo_megabytes.unwrap_or_default();
        self.packed = settings.packed_gigabytes.unwrap_or_default();
        self.hub = settings.hub.clone().unwrap_or_default();
    }
}

impl ViewState {
    /// Opens the settings, or closes them.
    pub(super) fn toggle_settings(&mut self) {
        self.settings = if self.settings.is_some() { None } else { Some(Configuring::default()) };
    }

    /// Has the path of a folder written, where no dialog for it could be opened. A relative one lies in `beside`.
    pub fn ask_for_folder(&mut self, what: FolderFor, beside: PathBuf) {
        let ask = FolderAsk { what, beside, text: String::new(), problem: None, is_new: true };
        self.settings.get_or_insert_default().folder = Some(ask);
    }

    /// Leaves the path that is being written, or else closes the settings. False where they are not open.
    pub(super) fn leave_settings(&mut self) -> bool {
        let Some(configuring) = &mut self.settings else { return false };
        if configuring.folder.take().is_none() {
            self.settings = None;
        }
        true
    }
}

/// The window, if it is open.
pub(super) fn settings_window(ctx: &Context, session: &Session, view: &mut ViewState, out: &mut Outbox) {
    let Some(mut configuring) = view.settings.take() else { return };
    if !configuring.is_begun {
        configuring.begin(&session.settings);
        out.act(Action::MeasurePacked);
    }
    let mut closes = false;
    let room = ctx.content_rect().size();
    let window = Window::new("Settings")
        .title_bar(false)
        .order(Order::Foreground)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        // What is in it may be as high as that from the first; otherwise it grows by one line with each frame.
        .default_height(room.y)
        .resizable(false);
    window.show(ctx, |ui| {
        ui.set_width((room.x - 60.0).min(WIDTH));
        ui.horizontal(|ui| {
            ui.heading("Settings");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                closes |= icon_button(ui, Icon::Close, "Close the settings", "Close  (Esc)", Look::Plain).clicked();
            });
        });
        ui.add_space(space::SMALL);
        ScrollArea::vertical().max_height((room.y - 130.0).max(120.0)).show(ui, |ui| {
            // The scroll bar lies over what is at the edge.
            ui.set_width(ui.available_width() - space::SMALL);
            looks_ui(ui, &session.settings, out);
            ui.add_space(space::GROUP);
            models_ui(ui, session, &mut configuring, out);
            ui.add_space(space::GROUP);
            results_ui(ui, session, &mut configuring, out);
            ui.add_space(space::GROUP);
            resources_ui(ui, session, &mut configuring, out);
        });
    });
    if closes {
        // What is typed counts without Enter, too.
        take_hub(&mut configuring, &session.settings, out);
        return;
    }
    view.settings = Some(configuring);
}

const fn theme_name(theme: Theme) -> &'static str {
    match theme {
        Theme::System => "As the system",
        Theme::Light => "Light",
        Theme::Dark => "Dark",
    }
}

fn looks_ui(ui: &mut Ui, settings: &Settings, out: &mut Outbox) {
    heading(ui, "Looks");
    let themes = [Theme::System, Theme::Light, Theme::Dark];
    out.actions.extend(choice_row(ui, "Theme", settings.theme, &themes, theme_name).map(Action::SetTheme));
    let now = settings.interface_percent;
    let mut sizes = SIZES.to_vec();
    // The file may say one between.
    sizes.push(now);
    sizes.sort_unstable();
    sizes.dedup();
    let sizes: Vec<_> = sizes.into_iter().map(|percent| (percent, format!("{percent} %"))).collect();
    let percent = row(ui, "Interface", |ui, label| {
        let width = ui.available_width();
        choice_ui(ui, "interface", label, width, &now, &sizes)
    });
    out.actions.extend(percent.map(|percent| Action::Set(Setting::InterfacePercent(percent))));
}

fn models_ui(ui: &mut Ui, session: &Session, configuring: &mut Configuring, out: &mut Outbox) {
    let settings = &session.settings;
    let palette = Palette::of(ui);
    heading(ui, "Models");
    for folder in &settings.model_folders {
        let about = "Models are looked for here no longer. Nothing is deleted.";
        if path_ui(ui, folder, &format!("Leave out {}", folder.display()), about) {
            let others = settings.model_folders.iter().filter(|other| *other != folder);
            out.act(Action::Set(Setting::ModelFolders(others.cloned().collect())));
        }
    }
    weak_path(ui, format!("Always looked in: {}", session.models_folder().display()));
    let add = ui.button("Add a folder\u{2026}");
    if add.on_hover_text("Of models, or of another program: they are used where they lie.").clicked() {
        out.ask(Ask::Folder(FolderFor::Models));
    }
    folder_ui(ui, FolderFor::Models, configuring, out);
    row(ui, "Hub", |ui, label| {
        let field = TextEdit::singleline(&mut configuring.hub).hint_text(Hub::DEFAULT).desired_width(f32::INFINITY);
        let field = ui.add(field).labelled_by(label);
        if field.changed() {
            configuring.hub_problem = None;
        }
        if field.lost_focus() {
            take_hub(configuring, settings, out);
        }
    });
    match &configuring.hub_problem {
        Some(problem) => note(ui, problem.as_str(), palette.error),
        None => note(ui, "From where models are downloaded.", palette.text_weak),
    }
    clip_ui(ui, session, out);
}

/// Which CLIP is used, where one was found.
fn clip_ui(ui: &mut Ui, session: &Session, out: &mut Outbox) {
    let mut clips = vec![(None, "The first that is found".to_owned())];
    clips.extend(session.clips().map(|name| (Some(name.to_owned()), name.to_owned())));
    if clips.len() == 1 {
        return;
    }
    let now = &session.settings.clip;
    if clips.iter().all(|(name, _)| name != now) {
        clips.push((now.clone(), format!("{} (not found)", now.as_deref().unwrap_or_default())));
    }
    let clip = row(ui, "CLIP", |ui, label| {
        let width = ui.available_width();
        choice_ui(ui, "clip", label, width, now, &clips)
    });
    out.actions.extend(clip.map(|name| Action::Set(Setting::Clip(name))));
    let about = "Compares pictures with words. Another one counts from the next start, and looks at all pictures anew.";
    note(ui, about, Palette::of(ui).text_weak);
}

fn results_ui(ui: &mut Ui, session: &Session, configuring: &mut Configuring, out: &mut Outbox) {
    heading(ui, "Results");
    let folder = session.gallery_folder();
    if session.settings.gallery_folder.is_some() {
        if path_ui(ui, &folder, "Keep results in the usual folder", "Back to the program's own folder") {
            out.act(Action::Set(Setting::GalleryFolder(None)));
        }
    } else {
        weak_path(ui, format!("Kept in: {}", folder.display()));
    }
    if ui.button("Choose another folder\u{2026}").clicked() {
        out.ask(Ask::Folder(FolderFor::Gallery));
    }
    folder_ui(ui, FolderFor::Gallery, configuring, out);
    weak(
        ui,
        "Another folder counts from the next start. Pictures stay where they are: the gallery then lists those of the new one.",
    );
}

fn resources_ui(ui: &mut Ui, session: &Session, configuring: &mut Configuring, out: &mut Outbox) {
    let settings = &session.settings;
    heading(ui, "What it may take");
    let threads = Limit {
        label: "Threads",
        usual: "As many as there are cores",
        none: None,
        range: 1..=configuring.cores,
        first: configuring.cores,
        unit: "",
        about: "Counts from the next start. Pictures do not depend on it.",
    };
    let undo = Limit {
        label: "Undo steps",
        usual: "A share of the memory that is free",
        none: None,
        range: 16..=1 << 20,
        first: 1024,
        unit: " MB",
        about: "The memory of what can be taken back. Counts at once.",
    };
    let packed = Limit {
        label: "Kept ready",
        usual: "A tenth of the disk that is free",
        none: Some("Nothing"),
        range: 1..=4096,
        first: 20,
        unit: " GB",
        about: "Weights as they lie in memory, by which a model that was used before loads in a moment. Counts from the next start.",
    };
    let in_threads = |threads: Option<u32>| Setting::Threads(threads.map(|threads| threads as usize));
    let kept = settings.threads.and_then(|threads| u32::try_from(threads).ok());
    let set = [
        limit_ui(ui, &threads, kept, &mut configuring.threads, in_threads),
        limit_ui(ui, &undo, settings.undo_megabytes, &mut configuring.undo, Setting::UndoMegabytes),
        limit_ui(ui, &packed, settings.packed_gigabytes, &mut configuring.packed, Setting::PackedGigabytes),
    ];
    out.actions.extend(set.into_iter().flatten().map(Action::Set));
    packed_ui(ui, session.packed_bytes, out);
}

/// How much of what is kept ready lies there, and a button that removes it.
fn packed_ui(ui: &mut Ui, packed_bytes: Option<u64>, out: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.add_space(LABEL_WIDTH + ui.spacing().item_spacing.x);
        let is_any = packed_bytes.is_some_and(|bytes| bytes > 0);
        let button = ui.add_enabled(is_any, Button::new("Remove them"));
        if button.on_hover_text("Models load from their own files then, and are kept ready anew.").clicked() {
            out.act(Action::RemovePacked);
        }
        let said = match packed_bytes {
            None => "Looking how much lies there\u{2026}".to_owned(),
            Some(0) => "Nothing lies there now.".to_owned(),
            Some(bytes) => format!("{} lie there now.", size(bytes)),
        };
        let said = small(ui, said);
        ui.label(said);
    });
}

/// What something may take.
struct Limit {
    label: &'static str,
    /// What is said where nothing is set.
    usual: &'static str,
    /// What is said of 0, where that means something.
    none: Option<&'static str>,
    /// What can be set.
    range: RangeInclusive<u32>,
    /// What it begins with.
    first: u32,
    unit: &'static str,
    about: &'static str,
}

/// The usual limit, none of it at all, or a number, which is written beside. `held` is that number while it is dragged or typed. Gives
/// what was set.
fn limit_ui(
    ui: &mut Ui,
    limit: &Limit,
    kept: Option<u32>,
    held: &mut u32,
    setting: impl Fn(Option<u32>) -> Setting,
) -> Option<Setting> {
    const NUMBER: f32 = 96.0;
    #[derive(Clone, Copy, PartialEq)]
    enum Choice {
        Usual,
        Own,
        Nothing,
    }
    let now = match kept {
        None => Choice::Usual,
        Some(0) if limit.none.is_some() => Choice::Nothing,
        Some(_) => Choice::Own,
    };
    let mut choices = vec![(Choice::Usual, limit.usual.to_owned()), (Choice::Own, "At most".to_owned())];
    choices.extend(limit.none.map(|none| (Choice::Nothing, none.to_owned())));
    let mut set = None;
    row(ui, limit.label, |ui, label| {
        let width = ui.available_width() - NUMBER - ui.spacing().item_spacing.x;
        set = choice_ui(ui, limit.label, label, width, &now, &choices).map(|chosen| match chosen {
            Choice::Usual => setting(None),
            Choice::Own => setting(Some(limit.first)),
            Choice::Nothing => setting(Some(0)),
        });
        let Some(kept) = kept.filter(|_| now == Choice::Own) else {
            *held = limit.first;
            return;
        };
        // What the file says may be more or less than what is offered here.
        let (least, most) = (*limit.range.start(), *limit.range.end());
        let range = least.min(kept).min(*held)..=most.max(kept).max(*held);
        let number = DragValue::new(held).range(range).suffix(limit.unit);
        let number = ui.add_sized(vec2(NUMBER, space::FIELD), number);
        let number = number.accessible_name(format!("{}: at most", limit.label));
        let is_edited = number.has_focus() || number.dragged();
        if number.lost_focus() || number.drag_stopped() || number.changed() && !is_edited {
            set = (*held != kept).then(|| setting(Some(*held))).or(set.take());
        } else if !is_edited && *held != kept {
            *held = kept;
            ui.ctx().request_repaint();
        }
    });
    note(ui, limit.about, Palette::of(ui).text_weak);
    set
}

/// A box of this width to choose one of several by their names. Gives another one that was chosen.
fn choice_ui<T: Clone + PartialEq>(
    ui: &mut Ui,
    salt: &str,
    label: egui::Id,
    width: f32,
    now: &T,
    choices: &[(T, String)],
) -> Option<T> {
    let mut chosen = None;
    let name = choices.iter().find(|(choice, _)| choice == now).map_or("", |(_, name)| name.as_str());
    let shown = ComboBox::from_id_salt(salt).width(width).truncate().selected_text(name).show_ui(ui, |ui| {
        for (choice, name) in choices {
            if ui.selectable_label(choice == now, name.as_str()).clicked() {
                chosen = Some(choice.clone());
                ui.close();
            }
        }
    });
    shown.response.labelled_by(label);
    chosen.filter(|choice| choice != now)
}

/// The field for the path of a folder, while it is asked for.
fn folder_ui(ui: &mut Ui, what: FolderFor, configuring: &mut Configuring, out: &mut Outbox) {
    let Some(ask) = configuring.folder.as_mut().filter(|ask| ask.what == what) else { return };
    let (mut takes, mut leaves) = (false, false);
    row(ui, "Path", |ui, label| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            leaves |= ui.button("Cancel").on_hover_text("Esc").clicked();
            takes |= ui.button("Take this folder").on_hover_text("Enter").clicked();
            let field = TextEdit::singleline(&mut ask.text).desired_width(ui.available_width());
            let field = ui.add(field).labelled_by(label);
            if field.changed() {
                ask.problem = None;
            }
            takes |= field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            // While it is only measured nothing in it can have the focus.
            if ask.is_new && ui.is_enabled() {
                ask.is_new = false;
                field.request_focus();
                field.scroll_to_me(None);
            }
        });
    });
    let palette = Palette::of(ui);
    if let Some(problem) = &ask.problem {
        note(ui, problem.as_str(), palette.error);
    } else {
        let place = ask.beside.display();
        let said = format!("No dialog for folders could be opened. In {place}, unless another place is written.");
        note(ui, said, palette.text_weak);
    }
    if takes {
        match ask.folder() {
            Ok(folder) => {
                out.act(what.action(folder));
                leaves = true;
            }
            Err(problem) => (ask.problem, ask.is_new) = (Some(problem), true),
        }
    }
    if leaves {
        configuring.folder = None;
    }
}

/// Takes the address of the hub that is written, if it is another and can be used.
fn take_hub(configuring: &mut Configuring, settings: &Settings, out: &mut Outbox) {
    if configuring.hub == settings.hub.as_deref().unwrap_or_default() {
        return;
    }
    let text = configuring.hub.trim().trim_end_matches('/');
    let address = (!text.is_empty() && text != Hub::DEFAULT).then(|| text.to_owned());
    match address.as_deref().map(|address| Hub::new(address, None)) {
        Some(Err(error)) => configuring.hub_problem = Some(error.to_string()),
        _ if address == settings.hub => {}
        _ => out.act(Action::Set(Setting::Hub(address))),
    }
}

/// A path, and a button at its right that takes it away. Whether that was pressed.
fn path_ui(ui: &mut Ui, path: &Path, name: &str, about: &str) -> bool {
    let mut is_pressed = false;
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            is_pressed = icon_button(ui, Icon::Close, name, about, Look::Plain).clicked();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(path.display().to_string()).truncate());
            });
        });
    });
    is_pressed
}

fn weak(ui: &mut Ui, text: impl Into<String>) {
    let text = small(ui, text);
    ui.add(Label::new(text).wrap());
}

/// As [`weak`], in one line, however long the path in it is.
fn weak_path(ui: &mut Ui, text: impl Into<String>) {
    let text = small(ui, text);
    ui.add(Label::new(text).truncate());
}

fn small(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Small).color(Palette::of(ui).text_weak)
}
