use crossbeam_channel::{Receiver, Sender, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// Called from any thread when [`Session::poll`](super::Session::poll) has something to take in.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A named thread that answers messages in order, for what would make a window stutter: files, pictures, the gallery.
/// Dropping it lets it finish what it was given.
pub(super) struct Worker<I, O> {
    inbox: Option<Sender<I>>,
    answers: Receiver<Result<O, Broken>>,
    thread: Option<JoinHandle<()>>,
}

/// A worker's task broke off because of a mistake in this program; the next task is not affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the work of the {thread} thread broke off because of a mistake in this program: try again, and report it if it comes back"
)]
pub(super) struct Broken {
    pub(super) thread: &'static str,
}

impl<I: Send + 'static, O: Send + 'static> Worker<I, O> {
    /// Starts the thread; `begin` runs on it first and makes what `answer` works with.
    pub(super) fn spawn<S>(
        thread: &'static str,
        wake: Wake,
        begin: impl FnOnce() -> S + Send + 'static,
        mut answer: impl FnMut(&mut S, I, &dyn Fn(O)) + Send + 'static,
    ) -> Self {
        let (inbox, messages) = unbounded();
        let (results, answers) = unbounded();
        let work = move || {
            let tell = |answer: Result<O, Broken>| {
                // Nobody to tell means that the program ends: what was done stays done.
                if results.send(answer).is_ok() {
                    wake();
                }
            };
            let Ok(mut state) = catch_unwind(AssertUnwindSafe(begin)) else {
                return tell(Err(Broken { thread }));
            };
            for message in messages {
                let run = || answer(&mut state, message, &|answer| tell(Ok(answer)));
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    tell(Err(Broken { thread }));
                }
            }
        };
        let handle = Builder::new().name(thread.into()).spawn(work).ok();
        Self { inbox: Some(inbox), answers, thread: handle }
    }

    /// As where the system refuses a thread.
    #[cfg(test)]
    pub(super) fn without_thread() -> Self {
        Self { inbox: None, answers: unbounded().1, thread: None }
    }

    /// Gives it something to do. Returns whether there is a thread that will.
    pub(super) fn send(&self, message: I) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.send(message).is_ok())
    }

    /// Waits for the next answer. None if there is no thread that could give one.
    pub(super) fn wait(&self) -> Option<Result<O, Broken>> {
        self.answers.recv().ok()
    }

    /// The next answer, if there is one now.
    pub(super) fn next(&self) -> Option<Result<O, Broken>> {
        self.answers.try_recv().ok()
    }
}

impl<I, O> Drop for Worker<I, O> {
    fn drop(&mut self) {
        self.inbox = None;
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and told.
            drop(thread.join());
        }
    }
}

impl<I, O> std::fmt::Debug for Worker<I, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_panics_is_told_and_the_next_one_is_done() {
        let worker = Worker::spawn(
            "halver",
            Arc::new(|| ()),
            || 12,
            |sum: &mut i32, by: i32, tell: &dyn Fn(i32)| tell(*sum / by),
        );
        assert!(worker.send(0) && worker.send(3));
        let mut answers = Vec::new();
        while answers.len() < 2 {
            answers.extend(worker.next());
        }
        assert_eq!(answers, [Err(Broken { thread: "halver" }), Ok(4)]);
    }
}
