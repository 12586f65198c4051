//! Checkpoints by what is in them, as A1111 names them in pictures. To read one takes seconds, so a thread of its own does it, while
//! nothing is painted: the chosen model first, and the others as soon as somebody looks for one by its hash.

use super::worker::{Wake, Worker};
use super::{Model, Session};
use crate::checkpoints::Hashes;
use crate::diffusion::Request;
use crate::metadata::FileHashes;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
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

/// What the thread found out.
struct Answer {
    path: PathBuf,
    hash: Option<String>,
    /// Of the file before it was looked at.
    version: Option<(u64, u64)>,
    was_read: bool,
}

/// The thread, and what it was asked for.
pub(super) struct Hashing {
    worker: Worker<Task, Answer>,
    /// The files that it was asked to read.
    asked: HashSet<PathBuf>,
    /// What the files were whose hashes are known.
    versions: HashMap<PathBuf, (u64, u64)>,
    /// Which it reads now.
    reads: Option<PathBuf>,
    /// Whether somebody looked for a model by its hash.
    wants_all: bool,
    /// Files that were chosen by their names before they were read, and the hashes that they should have.
    pub(super) wanted: HashMap<PathBuf, String>,
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
        let answer = move |hashes: &mut Hashes, task: Task, tell: &dyn Fn(Answer)| match task {
            Task::Recall(paths) => {
                for path in paths {
                    let version = Hashes::version(&path);
                    let hash = hashes.of(&path).map(str::to_owned);
                    tell(Answer { path, hash, version, was_read: false });
                }
            }
            Task::Read(path) => {
                let version = Hashes::version(&path);
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
                tell(Answer { path, hash: read, version, was_read: true });
            }
        };
        let worker = Worker::spawn("hashes", wake, move || Hashes::load(&file), answer);
        let (asked, versions, wanted) = (HashSet::new(), HashMap::new(), HashMap::new());
        Self { worker, asked, versions, reads: None, wants_all: false, wanted, flags }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.flags.ends.store(true, Ordering::Relaxed);
    }
}

/// Of all models and VAEs: where they lie, and their hashes.
fn hashes(models: &mut [Model]) -> impl Iterator<Item = (&PathBuf, &mut Option<String>)> {
    models.iter_mut().flat_map(|Model { details, hash, vaes, .. }| {
        let own = details.as_ref().map(|details| (&details.path, hash));
        own.into_iter().chain(vaes.iter_mut().map(|vae| (&vae.path, &mut vae.hash)))
    })
}

impl Session {
    /// Asks what is known already, of models that were found.
    pub(super) fn recall_hashes(&mut self) {
        let paths: BTreeSet<PathBuf> = hashes(&mut self.models).map(|(path, _)| path.clone()).collect();
        self.hashing.worker.send(Task::Recall(paths.into_iter().collect()));
    }

    /// Those of what a request was painted with. A file that was changed since it was read has none, and is read anew.
    pub(super) fn file_hashes(&mut self, request: &Request) -> FileHashes {
        let model = self.models.iter().find(|model| model.name == request.model);
        let vae = request.borrowed.vae.as_deref().and_then(|name| model?.vae(name));
        let of_model = model.and_then(|model| Some((model.details.as_ref()?.path.clone(), model.hash.clone()?)));
        let of_vae = vae.and_then(|vae| Some((vae.path.clone(), vae.hash.clone()?)));
        FileHashes { model: self.if_unchanged(of_model), vae: self.if_unchanged(of_vae) }
    }

    /// The hash of a file, if that is as it was when it was read.
    fn if_unchanged(&mut self, known: Option<(PathBuf, String)>) -> Option<String> {
        let (path, hash) = known?;
        if Hashes::version(&path).is_none_or(|now| self.hashing.versions.get(&path) == Some(&now)) {
            return Some(hash);
        }
        for (_, known) in hashes(&mut self.models).filter(|(of, _)| **of == path) {
            *known = None;
        }
        self.hashing.asked.remove(&path);
        None
    }

    /// What there is to say of a file that was chosen by its name and should have the hash `wanted`; where it was not read yet, that is said
    /// once it was. A folder has the hash of one of its files, which says nothing of whether a checkpoint is the same.
    pub(super) fn compare_hash(&mut self, (path, hash): (PathBuf, Option<String>), wanted: &str) -> Option<String> {
        match hash {
            Some(hash) if hash == wanted => None,
            _ if path.is_dir() => None,
            Some(_) => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                Some(self.with_search(format!("{name} of this machine is another than that of the picture"), true))
            }
            None => {
                self.hashing.wanted.insert(path, wanted.to_owned());
                None
            }
        }
    }

    /// What is said of a file that is not there, and, where its hash is known, that others are looked at for that.
    pub(super) fn with_search(&mut self, mut said: String, has_hash: bool) -> String {
        if has_hash && self.read_all_hashes() {
            said += ". Whether there is one of another name is being looked up: use the settings again in a while";
        }
        said
    }

    /// Whether it is the chosen model's or VAE's.
    fn is_chosen(&self, path: &Path) -> bool {
        let Some(model) = self.model() else { return false };
        let vae = self.draft.borrowed.vae.as_deref().and_then(|name| model.vae(name));
        model.details.as_ref().is_some_and(|details| details.path == path) || vae.is_some_and(|vae| vae.path == path)
    }

    /// Somebody looks for a model by its hash. Gives whether there is something left to read for that.
    pub(super) fn read_all_hashes(&mut self) -> bool {
        self.hashing.wants_all = true;
        self.hashing.reads.is_some() || self.next_to_read().is_some()
    }

    /// What nobody read or asked for yet: the chosen model and VAE, and all others once somebody wants them.
    fn next_to_read(&self) -> Option<PathBuf> {
        let (draft, wants_all) = (&self.draft, self.hashing.wants_all);
        let chosen = self.models.iter().filter(|model| model.name == draft.model);
        let others = self.models.iter().filter(|_| wants_all);
        let files = |model: &'_ Model| -> Vec<PathBuf> {
            let own = model.details.as_ref().filter(|_| model.hash.is_none() && model.problem.is_none());
            let chosen = draft.borrowed.vae.as_deref();
            let vaes = model.vaes.iter().filter(|vae| wants_all || chosen.is_some_and(|name| vae.is_called(name)));
            let vaes = vaes.filter(|vae| vae.hash.is_none()).map(|vae| &vae.path);
            own.map(|of| &of.path).into_iter().chain(vaes).cloned().collect()
        };
        chosen.chain(others).flat_map(files).find(|path| !self.hashing.asked.contains(path))
    }

    /// Takes in what was read, and has the next one read.
    pub(super) fn hash_on(&mut self) {
        self.hashing.flags.busy.store(self.jobs.running.is_some(), Ordering::Relaxed);
        while let Some(answer) = self.hashing.worker.next() {
            let Ok(Answer { path, hash, version, was_read }) = answer else {
                self.hashing.reads = None;
                continue;
            };
            let is_being_read = self.hashing.reads.as_ref() == Some(&path);
            if is_being_read && was_read {
                self.hashing.reads = None;
            } else if !is_being_read && !was_read && hash.is_none() {
                // It may have been read before it was changed.
                self.hashing.asked.remove(&path);
            }
            self.hashing.versions.remove(&path);
            if let Some(version) = version.filter(|_| hash.is_some()) {
                self.hashing.versions.insert(path.clone(), version);
            }
            for (_, known) in hashes(&mut self.models).filter(|(of, _)| **of == path) {
                known.clone_from(&hash);
            }
            if hash.is_some()
                && let Some(wanted) = self.hashing.wanted.remove(&path)
                && self.is_chosen(&path)
                && let Some(said) = self.compare_hash((path, hash), &wanted)
            {
                self.notices.info(said);
            }
        }
        if self.hashing.reads.is_some() || self.jobs.running.is_some() {
            return;
        }
        if let Some(path) = self.next_to_read() {
            self.hashing.asked.insert(path.clone());
            if self.hashing.worker.send(Task::Read(path.clone())) {
                self.hashing.reads = Some(path);
            }
        }
    }
}
