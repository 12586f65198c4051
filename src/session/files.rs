//! Image files in and out, away from the window's thread: decoding and scaling take longer than a frame. What became of them is taken in
//! here too.

use super::closed::{self, Errand, Report};
use super::current::Saving;
use super::document::sentence;
use super::models::{Added, FoundModels};
use super::worker::Worker;
use super::{Action, NoticeKind, Offer, ResultId, SavedAs, Session, Wake};
use crate::checkpoints::PackedFolder;
use crate::diffusion::Request;
use crate::geom::Extent;
use crate::metadata::{Imported, from_texts};
use crate::paint::Frame;
use crate::pixels::{self, Format, Mask, Picture, read_texts};
use crate::project::{self, Kind, Project};
use crate::settings::{self, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest side of a model's picture, in pixels.
const PREVIEW: u32 = 128;

/// What a picture from the clipboard is called.
pub(super) const PASTED: &str = "The pasted picture";

/// What is to be done with a file.
pub(super) enum Task {
    OpenPicture(PathBuf),
    OpenAsLayer(PathBuf),
    /// A picture that is there already, from the clipboard.
    TakePicture(Picture),
    ReadSettings(PathBuf),
    OpenMask(PathBuf),
    OpenGuide(PathBuf),
    /// Read the picture that is kept with a model.
    Preview {
        model: String,
        path: PathBuf,
    },
    /// Look for models in these places, after something was added.
    FindModels {
        added: Added,
        places: Vec<PathBuf>,
    },
    Save {
        path: PathBuf,
        format: Format,
        picture: Arc<Picture>,
        /// A1111 parameters text.
        parameters: Option<String>,
        /// Which result it is, if it is one.
        result: Option<ResultId>,
    },
    SaveMask {
        path: PathBuf,
        mask: Arc<Mask>,
    },
    SaveProject {
        path: PathBuf,
        kind: Kind,
        project: Box<Project>,
        /// Comes back when it is done.
        saving: Option<Saving>,
    },
    /// Something in the folder of what was closed unsaved.
    Closed {
        folder: PathBuf,
        errand: Errand,
    },
    SaveSettings {
        settings: Box<Settings>,
        path: PathBuf,
    },
    /// Say how much lies in it, and remove that first where it is not wanted.
    Packed {
        folder: PackedFolder,
        removes: bool,
    },
}

/// What became of it.
pub(super) enum Done {
    Picture(Result<Box<Opened>, pixels::Error>),
    Layer(Result<Box<Opened>, pixels::Error>),
    Pasted(Box<Opened>),
    Mask { name: String, mask: Result<Mask, pixels::Error> },
    Guide(Result<Arc<Picture>, pixels::Error>),
    Found { name: String, found: Box<Option<Imported>> },
    Preview { model: String, picture: Result<Arc<Picture>, pixels::Error> },
    Models(FoundModels),
    Saved { path: PathBuf, result: Option<ResultId>, outcome: Result<(), pixels::Error> },
    Project { path: PathBuf, project: Result<Box<project::Opened>, project::Error> },
    ProjectSaved { path: PathBuf, saving: Option<Saving>, outcome: Result<(), project::Error> },
    Closed(Report),
    Settings(Result<(), settings::Error>),
    Packed { bytes: u64, was_removed: bool },
}

/// A picture that can be painted on: as it is, or scaled to the largest that a document may be.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) picture: Arc<Picture>,
    /// The size that it had in the file.
    pub(super) was: Extent,
    /// The settings in it.
    pub(super) found: Option<Imported>,
}

pub(super) type Files = Worker<Task, Done>;

pub(super) fn start(wake: Wake) -> Files {
    Worker::spawn("files", wake, || (), |(): &mut (), task, tell| tell(carry_out(task)))
}

fn carry_out(task: Task) -> Done {
    match task {
        Task::OpenPicture(path) | Task::OpenAsLayer(path) if Kind::of(&path).is_some() => {
            let project = Project::open(&path).map(Box::new);
            Done::Project { path, project }
        }
        Task::SaveProject { path, kind, project, saving } => {
            let outcome = project.save(&path, kind);
            Done::ProjectSaved { path, saving, outcome }
        }
        Task::OpenPicture(path) => Done::Picture(Picture::load(&path).map(|picture| {
            let found = from_texts(&read_texts(&path));
            Box::new(Opened { found, ..made_to_fit(picture, name_of(&path)) })
        })),
        Task::OpenAsLayer(path) => {
            let opened = Picture::load(&path).map(|picture| Box::new(made_to_fit(picture, name_of(&path))));
            Done::Layer(opened)
        }
        Task::TakePicture(picture) => Done::Pasted(Box::new(made_to_fit(picture, PASTED.into()))),
        Task::ReadSettings(path) => {
            Done::Found { name: name_of(&path), found: Box::new(from_texts(&read_texts(&path))) }
        }
        Task::OpenMask(path) => Done::Mask { name: name_of(&path), mask: Mask::load(&path) },
        Task::OpenGuide(path) => {
            // No larger one is of use, and it goes to disk with the session.
            Done::Guide(Picture::load(&path).map(|picture| Arc::new(picture.thumbnail(Request::<(), ()>::MAX_SIDE))))
        }
        Task::Preview { model, path } => {
            Done::Preview { model, picture: Picture::load(&path).map(|picture| Arc::new(picture.thumbnail(PREVIEW))) }
        }
        Task::FindModels { added, places } => Done::Models(FoundModels::look(added, places)),
        Task::Save { path, format, picture, parameters, result } => {
            let outcome = picture.write(&path, format, parameters.as_deref());
            Done::Saved { path, result, outcome }
        }
        Task::SaveMask { path, mask } => {
            let outcome = mask.to_picture().write_png(&path, &[]);
            Done::Saved { path, result: None, outcome }
        }
        Task::Closed { folder, errand } => Done::Closed(closed::carry_out(&folder, errand)),
        Task::SaveSettings { settings, path } => Done::Settings(settings.save(&path)),
        Task::Packed { folder, removes } => {
            if removes {
                folder.remove_all();
            }
            Done::Packed { bytes: folder.bytes(), was_removed: removes }
        }
    }
}

impl Session {
    /// Writes a picture in the format that the name's ending says; one that says nothing or something else becomes a PNG file's.
    pub(super) fn save_to(
        &mut self,
        path: PathBuf,
        picture: Arc<Picture>,
        parameters: Option<String>,
        result: Option<ResultId>,
    ) {
        let path = SavedAs::Picture.file(path);
        let format = Format::of(&path).unwrap_or(Format::Png);
        self.ask_files(Task::Save { path, format, picture, parameters, result });
    }

    pub(super) fn take_file(&mut self, done: Done) {
        match done {
            Done::Picture(Ok(opened)) => self.take_picture(*opened),
            Done::Layer(Ok(opened)) => self.take_layer(*opened),
            Done::Pasted(opened) => self.take_pasted(*opened),
            Done::Mask { name, mask: Ok(mask) } => self.take_mask(&name, mask),
            Done::Guide(Ok(picture)) => self.guide_by(picture),
            Done::Found { name, found } => self.take_found_settings(&name, *found),
            Done::Preview { model, picture } => self.take_preview(model, picture),
            Done::Models(found) => self.take_found(found),
            Done::Picture(Err(error)) | Done::Layer(Err(error)) => {
                let said = match error {
                    pixels::Error::NotAnImage { name } => format!(
                        "This is neither a picture nor a project: choose a PNG, JPEG, WebP or TIFF file, a .sfumato or an .ora file: {name}"
                    ),
                    error => sentence(&error.to_string()),
                };
                self.notices.failed(said);
            }
            Done::Mask { mask: Err(error), .. } | Done::Guide(Err(error)) => {
                self.notices.failed(sentence(&error.to_string()));
            }
            Done::Saved { path, result, outcome: Ok(()) } => {
                self.notices.passing(format!("Saved as {}", path.display()));
                if let Some(id) = result {
                    self.results.in_files.insert(id);
                    self.dismiss_offers_of(
                        |action| matches!(action, Action::AskWhereToSave(offered) if *offered == id),
                    );
                }
            }
            Done::Saved { path, result, outcome: Err(error) } => {
                let said = format!("{} was not saved: {error}", name_of(&path));
                let save_as = |id| Offer { label: "Save as …".into(), action: Action::AskWhereToSave(id) };
                self.notices.push(NoticeKind::Error, said, result.map(save_as).into_iter().collect());
            }
            Done::Project { path, project: Ok(project) } => {
                let name = name_of(&path);
                self.take_project(&name, (Kind::of(&path) == Some(Kind::Sfumato)).then_some(path), *project);
            }
            Done::Project { path, project: Err(error) } => {
                self.notices.failed(format!("{} was not opened: {error}", name_of(&path)));
            }
            Done::ProjectSaved { path, saving, outcome: Ok(()) } => {
                self.was_saved(&path, saving);
                self.notices.passing(format!("Saved as {}", path.display()));
            }
            Done::ProjectSaved { path, outcome: Err(error), .. } => {
                self.notices.error(format!("{} was not saved: {error}", name_of(&path)));
            }
            Done::Closed(report) => self.take_closed(report),
            Done::Settings(Ok(())) => {}
            Done::Settings(Err(error)) => {
                self.notices.error(sentence(&error.to_string()));
            }
            Done::Packed { bytes, was_removed } => self.take_packed(bytes, was_removed),
        }
    }
}

/// The file's name without its folder: what a person calls it.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn made_to_fit(picture: Picture, name: String) -> Opened {
    let was = picture.extent();
    let is_too_large = was.width.max(was.height) > Frame::MOST_SIDE;
    let picture = if is_too_large { picture.resized(size_that_fits(was, Frame::MOST_SIDE)) } else { picture };
    Opened { name, picture: Arc::new(picture), was, found: None }
}

/// The size to which something of `extent` is scaled so that no side is longer than `max_side` (a multiple of 8) and both are
/// multiples of 8; its proportions are kept as nearly as that allows.
pub(super) fn size_that_fits(extent: Extent, max_side: u32) -> Extent {
    let longest = extent.width.max(extent.height).max(1);
    let scaled = |side: u32| {
        if longest <= max_side {
            return side;
        }
        (f64::from(side) * f64::from(max_side) / f64::from(longest)).round() as u32
    };
    Extent::new(scaled(extent.width), scaled(extent.height)).rounded_to(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_scaled_to_what_can_be_painted_and_no_further() {
        assert_eq!(size_that_fits(Extent::new(512, 768), 4096), Extent::new(512, 768));
        assert_eq!(size_that_fits(Extent::new(515, 3), 4096), Extent::new(512, 8));
        assert_eq!(size_that_fits(Extent::new(8192, 4096), 4096), Extent::new(4096, 2048));
        assert_eq!(size_that_fits(Extent::new(16384, 1), 4096), Extent::new(4096, 8));
        assert_eq!(size_that_fits(Extent::new(4095, 4096), 4096), Extent::new(4096, 4096));
    }

    #[test]
    fn the_settings_in_a_picture_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made elsewhere.png");
        let text = "a cat\nNegative prompt: dog\nSteps: 12, Sampler: Euler a, CFG scale: 6.5, Seed: 42, Size: 64x32";
        Picture::filled(Extent::new(20, 8), [1, 2, 3, 255]).write_png(&path, &[("parameters", text)]).unwrap();
        let Done::Picture(Ok(opened)) = carry_out(Task::OpenPicture(path)) else { panic!("a good file") };
        assert_eq!((opened.name.as_str(), opened.was), ("made elsewhere.png", Extent::new(20, 8)));
        assert_eq!(opened.picture.extent(), Extent::new(20, 8));
        let found = opened.found.unwrap().settings;
        assert_eq!((found.prompt.as_deref(), found.seed, found.steps), (Some("a cat"), Some(42), Some(12)));
    }
}
