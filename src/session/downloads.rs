//! Models on their way from a hub: one after the other, on a thread of their own. The session shows how far they are, and looks for
//! models anew when one came.

use super::document::sentence;
use super::models::Added;
use super::worker::Worker;
use super::{NoticeId, Session, Wake};
use crate::checkpoints::download::{Error, Hub, Progress, Wanted};
use crate::diffusion::Stop;
use crate::engine::CancelToken;
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often is told how far a download is.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// A model on its way, or waiting for the one before it.
#[derive(Clone, Debug)]
pub struct Download {
    /// One repository may be asked for, cancelled and asked for again.
    id: u64,
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

/// One that broke off by itself.
#[derive(Clone, Debug)]
pub struct FailedDownload {
    /// `ORG/NAME`.
    pub repo: String,
    /// What went wrong and what to do about it.
    pub why: String,
    notice: NoticeId,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Downloads {
    worker: Worker<Task, News>,
    token: Option<String>,
    last_id: u64,
    /// Stops all of them when the program ends.
    end: CancelToken,
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.end.stop(Stop::Discard);
    }
}

struct Task {
    id: u64,
    hub: String,
    token: Option<String>,
    wanted: Wanted,
    /// The folder it goes into.
    models: PathBuf,
    cancel: CancelToken,
    end: CancelToken,
}

/// What became of the download of a repository.
pub(super) enum News {
    Progress { id: u64, progress: Progress },
    Ended { id: u64, repo: String, got: Result<PathBuf, Error> },
}

impl Downloads {
    pub(super) fn start(wake: Wake, token: Option<String>) -> Self {
        let worker = Worker::spawn(
            "downloads",
            wake,
            || (),
            |(): &mut (), task: Task, tell: &dyn Fn(News)| {
                let id = task.id;
                let got = carry_out(&task, |progress| tell(News::Progress { id, progress: progress.clone() }));
                tell(News::Ended { id, repo: task.wanted.repo.name, got });
            },
        );
        Self { worker, token, last_id: 0, end: CancelToken::default() }
    }
}

fn carry_out(task: &Task, tell: impl Fn(&Progress)) -> Result<PathBuf, Error> {
    let may_go_on = || task.cancel.requested().or(task.end.requested()).map_or(Continue(()), |_| Break(()));
    if may_go_on().is_break() {
        return Err(Error::Cancelled);
    }
    let hub = Hub::new(&task.hub, task.token.clone())?;
    let plan = hub.plan(&task.wanted, &task.models)?;
    let mut told = None::<Instant>;
    hub.download(&plan, &mut |progress| {
        if told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            told = Some(Instant::now());
            tell(progress);
        }
        may_go_on()
    })
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
        // What was said of the last try is no longer so.
        for failed in self.failed_downloads.extract_if(.., |failed| failed.repo == repo) {
            self.notices.dismiss(failed.notice);
        }
        let cancel = CancelToken::default();
        self.download_thread.last_id += 1;
        let id = self.download_thread.last_id;
        let task = Task {
            id,
            hub: self.hub().to_owned(),
            token: self.download_thread.token.clone(),
            wanted,
            models: self.paths.models_folder(),
            cancel: cancel.clone(),
            end: self.download_thread.end.clone(),
        };
        if self.download_thread.worker.send(task) {
            self.downloads.push(Download { id, cancel, ..Download::new(repo) });
        } else {
            self.notices.error("The thread of downloads has ended: start Sfumato again");
        }
    }

    /// The one that is under way ends as soon as it can; one that waits behind it is gone at once.
    pub(super) fn cancel_download(&mut self, repo: &str) {
        let Some(index) = self.downloads.iter().position(|download| download.repo == repo) else { return };
        self.downloads[index].cancel.stop(Stop::Discard);
        if index == 0 {
            self.downloads[0].is_cancelled = true;
        } else {
            self.downloads.remove(index);
        }
    }

    pub(super) fn take_downloads(&mut self) {
        while let Some(news) = self.download_thread.worker.next() {
            match news {
                Ok(News::Progress { id, progress }) => {
                    if let Some(download) = self.downloads.iter_mut().find(|download| download.id == id) {
                        download.take(progress, Instant::now());
                    }
                }
                Ok(News::Ended { id, repo, got }) => {
                    let listed = self.downloads.iter().position(|download| download.id == id);
                    if let Some(index) = listed {
                        self.downloads.remove(index);
                    }
                    match got {
                        Ok(path) => self.find_models(Added::Downloaded { repo, path }),
                        // It was cancelled while it waited.
                        Err(Error::Cancelled) if listed.is_none() => {}
                        Err(Error::Cancelled) => {
                            let text =
                                format!("The download of {repo} was cancelled; it goes on from there the next time");
                            self.notices.passing(text);
                        }
                        Err(error) => {
                            let why = sentence(&error.to_string());
                            let notice = self.notices.error(format!("{repo} was not downloaded: {why}"));
                            self.failed_downloads.insert(0, FailedDownload { repo, why, notice });
                        }
                    }
                }
                Err(broken) => {
                    self.downloads.clear();
                    self.notices.error(sentence(&broken.to_string()));
                }
            }
        }
    }
}

impl Download {
    /// One of which nothing is known yet.
    pub fn new(repo: impl Into<String>) -> Self {
        Self {
            id: 0,
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
