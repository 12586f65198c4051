//! A painting that another takes the place of before it was saved is put away as a project, in a folder of the program's own, and can be
//! opened again when the program has ended. Every window puts its own there; the newest few are kept.

use super::Session;
use super::current::{PutAway, Sign};
use super::files::{Task, name_of};
use crate::files::save_new;
use crate::project::{self, Project};
use std::cmp::Reverse;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many are kept.
pub(super) const MOST: usize = 10;
/// How many bytes they may take together.
const MOST_BYTES: u64 = 2 << 30;
/// How many digits the time has in a file's name: of milliseconds, until the year 2286.
const DIGITS: usize = 13;

/// A painting that was put away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What the project's file is called, or the first words of the prompt.
    pub name: String,
    /// When it was put away.
    pub at: SystemTime,
    /// Where it lies.
    pub path: PathBuf,
}

/// A document that another takes the place of, with more in it than was saved.
#[derive(Debug)]
pub(super) struct Leaving {
    opened: u64,
    sign: Sign,
    name: String,
    project: Project,
}

/// What is to be done in the folder.
pub(super) enum Errand {
    /// Take away what was broken off, and look what lies there.
    Look,
    /// Put this away, in the place of what was put away of the same document before.
    Keep {
        leaving: Box<Leaving>,
        before: Option<PathBuf>,
    },
    Open(Closed),
    /// A file of the person's own has it now.
    Forget(PathBuf),
}

/// What came of it, and all that lie in the folder now, the newest first, unless the system does not say.
pub(super) struct Report {
    came: Option<Came>,
    all: Option<Vec<Closed>>,
}

enum Came {
    Kept { opened: u64, sign: Sign, name: String, file: Result<PathBuf, project::Error> },
    Opened { closed: Closed, project: Result<Box<project::Opened>, project::Error> },
}

pub(super) fn carry_out(folder: &Path, errand: Errand) -> Report {
    let came = match errand {
        Errand::Look => {
            sweep(folder);
            None
        }
        Errand::Keep { leaving, before } => {
            let Leaving { opened, sign, name, project } = *leaving;
            let file = keep(folder, &name, &project).inspect(|file| {
                before.as_deref().into_iter().for_each(remove);
                make_room(folder, file, MOST, MOST_BYTES);
            });
            Some(Came::Kept { opened, sign, name, file })
        }
        Errand::Open(closed) => {
            let project = Project::open(&closed.path).map(|mut opened| {
                // What was saved there since is not to be written over unasked.
                let is_as_it_was = |file: &PathBuf| {
                    std::fs::metadata(file).and_then(|about| about.modified()).is_ok_and(|at| at <= closed.at)
                };
                if let Some(file) = opened.project.file.take_if(|file| !is_as_it_was(file)) {
                    let why = "was saved since, or lies there no more: Save asks for a file again";
                    opened.notes.push(format!("{} {why}", name_of(&file)));
                }
                Box::new(opened)
            });
            Some(Came::Opened { closed, project })
        }
        Errand::Forget(file) => {
            remove(&file);
            None
        }
    };
    let mut all = listed(folder);
    if let Some(all) = &mut all {
        all.truncate(MOST);
    }
    Report { came, all }
}

/// Writes a project under a name that says when that was, and that no other window has given.
fn keep(folder: &Path, name: &str, project: &Project) -> Result<PathBuf, project::Error> {
    let bytes = project.archived()?;
    let mut now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    loop {
        let file = folder.join(format!("{now:0DIGITS$}-{name}.sfumato"));
        match save_new(&file, &bytes) {
            Ok(()) => return Ok(file),
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists => now += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes the oldest away that there is no room for. What was put away just now stays, however large it is.
pub(super) fn make_room(folder: &Path, newest: &Path, most: usize, most_bytes: u64) {
    let size = |file: &Path| std::fs::metadata(file).map_or(0, |about| about.len());
    let mut bytes = size(newest);
    let others = found(folder).into_iter().filter(|closed| closed.path != newest);
    for (count, closed) in (2..).zip(others) {
        bytes = bytes.saturating_add(size(&closed.path));
        if count > most || bytes > most_bytes {
            remove(&closed.path);
        }
    }
}

/// Takes away what was being written when a program broke off. Another window may be writing now, but none does for an hour.
fn sweep(folder: &Path) {
    const HOUR: Duration = Duration::from_hours(1);
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let is_part =
        |name: &str| name.starts_with('.') && Path::new(name).extension().is_some_and(|ending| ending == "part");
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_part)) {
        let written = entry.metadata().and_then(|about| about.modified());
        if written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > HOUR)) {
            remove(&entry.path());
        }
    }
}

/// As [`listed`]; nothing where that is not known.
pub(super) fn found(folder: &Path) -> Vec<Closed> {
    listed(folder).unwrap_or_default()
}

/// All that lie in the folder, the newest first. What is not named as they are is none of them. None where the system does not say.
fn listed(folder: &Path) -> Option<Vec<Closed>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(Vec::new()),
        Err(error) => {
            tracing::warn!("what lies in {} is not known: {error}", folder.display());
            return None;
        }
    };
    let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut all: Vec<_> = files.filter_map(|entry| Closed::named(entry.path())).collect();
    all.sort_by_key(|closed| Reverse(closed.at));
    Some(all)
}

impl Closed {
    /// What a file's name says of it.
    fn named(path: PathBuf) -> Option<Self> {
        let (time, name) = path.file_name()?.to_str()?.strip_suffix(".sfumato")?.split_once('-')?;
        let is_time = time.len() == DIGITS && time.bytes().all(|digit| digit.is_ascii_digit());
        let millis = time.parse::<u64>().ok().filter(|_| is_time)?;
        let (name, at) = (plain(name), UNIX_EPOCH.checked_add(Duration::from_millis(millis))?);
        Some(Self { name, at, path })
    }
}

/// The beginning of a text as any system takes it for a part of a file's name.
fn plain(text: &str) -> String {
    const LONGEST: usize = 40;
    let is_taken = |c: char| !c.is_control() && !r#"/\:*?"<>|"#.contains(c);
    let text: String = text.chars().map(|c| if is_taken(c) { c } else { ' ' }).collect();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = words.chars().take(LONGEST).collect();
    if name.is_empty() { "Untitled".into() } else { name.trim_end().into() }
}

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!("{} could not be taken away: {error}", file.display());
    }
}

impl Session {
    /// What is to be put away when another document takes the place of this one. None where there is not more in it than was saved.
    pub(super) fn leaving(&self) -> Option<Box<Leaving>> {
        if !self.is_behind() {
            return None;
        }
        let file = self.file();
        let of_file = file.and_then(Path::file_stem).map(|stem| plain(&stem.to_string_lossy()));
        // The example of a model says nothing of what was painted.
        let is_example = self.model().is_some_and(|model| model.example.prompt == self.draft.prompt);
        let words = if is_example { "" } else { self.draft.prompt.as_str() };
        let name = of_file.unwrap_or_else(|| plain(words));
        let project = Project { file: file.map(Path::to_owned), ..self.project() };
        Some(Box::new(Leaving { opened: self.opened, sign: self.sign(), name, project }))
    }

    pub(super) fn put_away(&mut self, leaving: Box<Leaving>) {
        let before = self.copies.remove(&leaving.opened);
        if let Some(before) = &before {
            self.note_not_needed(before, leaving.opened);
        }
        self.closed.retain(|closed| Some(&closed.path) != before.as_ref());
        self.in_closed(Errand::Keep { leaving, before });
    }

    /// A file has all of a document: what was put away of it is not needed any more.
    pub(super) fn need_not_put_away(&mut self, opened: u64) {
        if let Some(file) = self.copies.remove(&opened) {
            self.note_not_needed(&file, opened);
            self.in_closed(Errand::Forget(file));
        }
    }

    /// Looks again what lies there: another window may have put something there, and made room for it.
    pub fn look_at_closed(&mut self) {
        self.in_closed(Errand::Look);
    }

    pub(super) fn in_closed(&mut self, errand: Errand) {
        self.ask_files(Task::Closed { folder: self.paths.closed_folder(), errand });
    }

    pub(super) fn take_closed(&mut self, Report { came, all }: Report) {
        if let Some(all) = all {
            self.note_let_go(|file| all.iter().any(|closed| closed.path == file));
            self.closed = all;
        }
        match came {
            None => {}
            Some(Came::Kept { opened, sign, name, file }) => {
                self.note_put_away(opened, file.as_ref().map_or(PutAway::Nowhere, |file| PutAway::In(file.clone())));
                match file {
                    Ok(file) => {
                        // It may have been put away twice before that was known.
                        if let Some(before) = self.copies.insert(opened, file) {
                            self.in_closed(Errand::Forget(before));
                        }
                        // So may that a file has it: it was on its way there when it was put away.
                        if self.is_saved(opened, &sign) {
                            self.need_not_put_away(opened);
                        }
                    }
                    Err(error) => {
                        self.notices.error(format!(
                            "“{name}” was not saved, and could not be put away either: {error}. Bring it back by undo, and save it, \
                             before Sfumato ends"
                        ));
                    }
                }
            }
            Some(Came::Opened { closed, project: Ok(opened) }) => {
                let (before, file) = (self.opened, opened.project.file.clone());
                self.take_project(&format!("“{}”", closed.name), file, *opened);
                if self.opened != before {
                    // What it was put away in is no file of the person's own, and its own is behind.
                    self.kept = None;
                    self.copies.retain(|_, file| *file != closed.path);
                    self.copies.insert(self.opened, closed.path);
                }
            }
            Some(Came::Opened { closed, project: Err(error) }) => {
                self.notices.error(format!("“{}” was not opened: {error}", closed.name));
            }
        }
    }
}
