//! Checkpoints by what is in them, as A1111 names them in pictures. To read one takes seconds, so a thread of its own does it, while
//! nothing is painted: the chosen model first, and the others as soon as somebody looks for one by its hash.

use super::Session;
use super::draft::Model;
use super::worker::{Wake, Worker};
use crate::checkpoints::Hashes;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the thread rests before it looks whether something is still painted.
const REST: Duration = Duration::from_millis(100);

/// What the thread is to do.
enum Task {
    /// Tell what is known of these files.
    Recall(Vec<PathBuf>),
    /// Read one.
    Read(PathBuf),
}

/// The thread, and what it was asked for.
pub(super) struct Hashing {
    worker: Worker<Task, (PathBuf, Option<String>)>,
    /// The files that it was asked to read.
    asked: HashSet<PathBuf>,
    /// Which it reads now.
    reads: Option<PathBuf>,
    /// Whether somebody looked for a model by its hash.
    wants_all: bool,
    flags: Arc<Flags>,
}

#[derive(Default)]
struct Flags {
    /// Something is painted: reading waits.
    busy: AtomicBool,
    /// The program ends: what is not read is left.
    ends: AtomicBool,
}

impl Hashing {
    pub(super) fn start(wake: Wake, file: PathBuf) -> Self {
        let flags = Arc::new(Flags::default());
        let seen = Arc::clone(&flags);
        let answer = move |hashes: &mut Hashes, task: Task, tell: &dyn Fn((PathBuf, Option<String>))| match task {
            Task::Recall(paths) => {
                for path in paths {
                    if let Some(hash) = hashes.of(&path).map(str::to_owned) {
                        tell((path, Some(hash)));
                    }
                }
            }
            Task::Read(path) => {
                let goes_on = || {
                    while seen.busy.load(Ordering::Relaxed) && !seen.ends.load(Ordering::Relaxed) {
                        std::thread::sleep(REST);
                    }
                    !seen.ends.load(Ordering::Relaxed)
                };
                let read = hashes.read_while(&path, &goes_on).unwrap_or_else(|problem| {
                    tracing::warn!("{problem}");
                    None
                });
                if read.is_some()
                    && let Err(problem) = hashes.save()
                {
                    tracing::warn!("{problem}");
                }
                tell((path, read));
            }
        };
        let worker = Worker::spawn("hashes", wake, move || Hashes::load(&file), answer);
        Self { worker, asked: HashSet::new(), reads: None, wants_all: false, flags }
    }

    /// The path of a model that can be used, and that nobody read or asked for yet.
    fn has_to_read<'a>(&self, model: &'a Model) -> Option<&'a PathBuf> {
        let path = &model.details.as_ref().filter(|_| model.hash.is_none() && model.problem.is_none())?.path;
        (!self.asked.contains(path)).then_some(path)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.flags.ends.store(true, Ordering::Relaxed);
    }
}

impl Session {
    /// Asks what is known already, of models that were found.
    pub(super) fn recall_hashes(&mut self) {
        let paths = self.models.iter().filter_map(|model| Some(model.details.as_ref()?.path.clone()));
        self.hashing.worker.send(Task::Recall(paths.collect()));
    }

    /// Somebody looks for a model by its hash. Gives whether there is something left to read for that.
    pub(super) fn read_all_hashes(&mut self) -> bool {
        self.hashing.wants_all = true;
        self.hashing.reads.is_some() || self.models.iter().any(|model| self.hashing.has_to_read(model).is_some())
    }

    /// Takes in what was read, and has the next one read.
    pub(super) fn hash_on(&mut self) {
        self.hashing.flags.busy.store(self.jobs.running.is_some(), Ordering::Relaxed);
        while let Some(answer) = self.hashing.worker.next() {
            let Ok((path, hash)) = answer else {
                self.hashing.reads = None;
                continue;
            };
            if self.hashing.reads.as_ref() == Some(&path) {
                self.hashing.reads = None;
            }
            for model in self.models.iter_mut().filter(|model| model.details.as_ref().is_some_and(|of| of.path == path))
            {
                model.hash.clone_from(&hash);
            }
        }
        if self.hashing.reads.is_some() || self.jobs.running.is_some() {
            return;
        }
        let chosen = self.models.iter().filter(|model| model.name == self.draft.model);
        let others = self.models.iter().filter(|_| self.hashing.wants_all);
        let next = chosen.chain(others).find_map(|model| self.hashing.has_to_read(model)).cloned();
        if let Some(path) = next {
            self.hashing.asked.insert(path.clone());
            if self.hashing.worker.send(Task::Read(path.clone())) {
                self.hashing.reads = Some(path);
            }
        }
    }
}
