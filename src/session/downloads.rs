//! Models on their way from a hub: one after the other, on a thread of their own. The session shows how far they are; what came is one
//! of the models from then on, here and in the engine.

use super::document::sentence;
use super::start::{controlnets, models, upscalers};
use super::worker::Worker;
use super::{Action, ModelState, NoticeKind, Offer, Session, Wake};
use crate::checkpoints::Library;
use crate::checkpoints::download::{Error, Hub, Progress, Wanted};
use crate::diffusion::Stop;
use crate::engine::{CancelToken, Command};
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often is told how far a download is.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// A model on its way, or waiting for the one before it.
#[derive(Clone, Debug)]
pub struct Download {
    /// `ORG/NAME`.
    pub repo: String,
    /// How far it is; none until the hub has said what there is.
    pub progress: Option<Progress>,
    /// How many bytes came a second, since it began.
    pub bytes_per_second: Option<f64>,
    /// Whether it was asked to stop.
    pub is_cancelled: bool,
    /// When the first bytes came, and how many were there already.
    began: Option<(Instant, u64)>,
    cancel: CancelToken,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Downloads {
    worker: Worker<Task, News>,
    token: Option<String>,
    /// Stops all of them when the program ends.
    end: CancelToken,
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.end.stop(Stop::Discard);
    }
}

struct Task {
    hub: String,
    token: Option<String>,
    wanted: Wanted,
    /// The folder it goes into.
    models: PathBuf,
    /// Where models are looked for.
    places: Vec<PathBuf>,
    cancel: CancelToken,
    end: CancelToken,
}

/// What became of the download of a repository.
pub(super) enum News {
    Progress { repo: String, progress: Progress },
    Ended { repo: String, got: Result<Got, Error> },
}

pub(super) struct Got {
    path: PathBuf,
    library: Arc<Library>,
}

impl Downloads {
    pub(super) fn start(wake: Wake, token: Option<String>) -> Self {
        let worker = Worker::spawn(
            "downloads",
            wake,
            || (),
            |(): &mut (), task: Task, tell: &dyn Fn(News)| {
                let repo = task.wanted.repo.name.clone();
                let got = carry_out(&task, |progress| {
                    tell(News::Progress { repo: repo.clone(), progress: progress.clone() });
                });
                tell(News::Ended { repo, got });
            },
        );
        Self { worker, token, end: CancelToken::default() }
    }
}

fn carry_out(task: &Task, tell: impl Fn(&Progress)) -> Result<Got, Error> {
    let may_go_on = || task.cancel.requested().or(task.end.requested()).map_or(Continue(()), |_| Break(()));
    if may_go_on().is_break() {
        return Err(Error::Cancelled);
    }
    let hub = Hub::new(&task.hub, task.token.clone())?;
    let plan = hub.plan(&task.wanted, &task.models)?;
    let mut told = None::<Instant>;
    let path = hub.download(&plan, &mut |progress| {
        if told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            told = Some(Instant::now());
            tell(progress);
        }
        may_go_on()
    })?;
    Ok(Got { path, library: Arc::new(Library::discover(&task.places)) })
}

impl Session {
    /// The token that tells the hub who asks.
    pub(super) fn set_hub_token(&mut self, token: Option<String>) {
        self.download_thread.token = token;
    }

    /// The address of the hub that models come from.
    pub fn hub(&self) -> &str {
        self.settings.hub.as_deref().unwrap_or(Hub::DEFAULT)
    }

    pub(super) fn get_model(&mut self, wanted: Wanted) {
        let repo = wanted.repo.name.clone();
        if self.downloads.iter().any(|download| download.repo == repo) {
            return;
        }
        let cancel = CancelToken::default();
        let task = Task {
            hub: self.hub().to_owned(),
            token: self.download_thread.token.clone(),
            wanted,
            models: self.paths.models_folder(),
            places: self.paths.model_folders(&self.settings),
            cancel: cancel.clone(),
            end: self.download_thread.end.clone(),
        };
        if self.download_thread.worker.send(task) {
            self.downloads.push(Download { cancel, ..Download::new(repo) });
        } else {
            self.notices.error("The thread of downloads has ended: start Sfumato again");
        }
    }

    pub(super) fn cancel_download(&mut self, repo: &str) {
        for download in self.downloads.iter_mut().filter(|download| download.repo == repo) {
            download.is_cancelled = true;
            download.cancel.stop(Stop::Discard);
        }
    }

    pub(super) fn take_downloads(&mut self) {
        while let Some(news) = self.download_thread.worker.next() {
            match news {
                Ok(News::Progress { repo, progress }) => {
                    if let Some(download) = self.downloads.iter_mut().find(|download| download.repo == repo) {
                        download.take(progress, Instant::now());
                    }
                }
                Ok(News::Ended { repo, got }) => {
                    self.downloads.retain(|download| download.repo != repo);
                    self.take_model(&repo, got);
                }
                Err(broken) => {
                    self.downloads.clear();
                    self.notices.error(sentence(&broken.to_string()));
                }
            }
        }
    }

    fn take_model(&mut self, repo: &str, got: Result<Got, Error>) {
        match got {
            Ok(Got { path, library }) => {
                let entry = library.entries().iter().find(|entry| entry.path == path);
                let (name, problem) = entry.map_or((None, None), |entry| {
                    (Some(entry.name.clone()), entry.summary.as_ref().err().map(ToString::to_string))
                });
                self.use_library(library);
                match (name, problem) {
                    (_, Some(problem)) => {
                        self.notices.error(format!("{repo} was downloaded, but cannot be used: {problem}"));
                    }
                    (Some(name), None) => {
                        let offer = Offer { label: "Paint with it".into(), action: Action::ChooseModel(name.clone()) };
                        self.notices.push(NoticeKind::Info, format!("{name} was downloaded"), vec![offer]);
                    }
                    (None, None) => {
                        self.notices.info(format!("{repo} was downloaded to {}", path.display()));
                    }
                }
            }
            Err(Error::Cancelled) => {
                self.notices.passing(
                    format!("The download of {repo} was cancelled; it goes on from there the next time"),
                    Vec::new(),
                );
            }
            Err(error) => {
                self.notices.error(format!("{repo} was not downloaded: {}", sentence(&error.to_string())));
            }
        }
    }

    /// Goes over to these models, here and in the engine; what is loaded stays so.
    pub(super) fn use_library(&mut self, library: Arc<Library>) {
        let preferred = library.preferred(self.settings.last_model.as_deref()).map(|entry| entry.name.clone());
        let mut found = models(&library, preferred.as_deref());
        for model in &mut found {
            let known = self.models.iter().find(|known| known.name == model.name && known.problem.is_none());
            model.state = known.map_or(ModelState::OnDisk, |known| known.state);
        }
        self.models = found;
        self.upscalers = upscalers(&library, preferred.as_deref());
        self.controlnets = controlnets(&library);
        self.engine.send(Command::UseLibrary(Arc::clone(&library)));
        self.library = Some(library);
    }
}

impl Download {
    /// One of which nothing is known yet.
    pub fn new(repo: impl Into<String>) -> Self {
        Self {
            repo: repo.into(),
            progress: None,
            bytes_per_second: None,
            is_cancelled: false,
            began: None,
            cancel: CancelToken::default(),
        }
    }

    fn take(&mut self, progress: Progress, now: Instant) {
        let (since, at_first) = *self.began.get_or_insert((now, progress.bytes));
        let seconds = now.duration_since(since).as_secs_f64();
        // Of less than that, the speed says nothing.
        if seconds >= 1.0 {
            self.bytes_per_second = Some(progress.bytes.saturating_sub(at_first) as f64 / seconds);
        }
        self.progress = Some(progress);
    }

    /// How long it still takes if it goes on so.
    pub fn remaining(&self) -> Option<Duration> {
        let Progress { bytes, total, .. } = self.progress.as_ref()?;
        let speed = self.bytes_per_second.filter(|speed| *speed > 1.0)?;
        Duration::try_from_secs_f64(total.saturating_sub(*bytes) as f64 / speed).ok()
    }
}
