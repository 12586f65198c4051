//! The window's thread comes first: with as many threads computing as there are processors, a frame would otherwise wait for them.

use rayon::ThreadPoolBuilder;
use thread_priority::{ThreadPriority, set_current_thread_priority};

/// How the threads that compute share the processors with the rest of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// As equals.
    Normal,
    /// They step back: a frame is drawn when it is due, and painting gets what the program leaves of the processors. On Linux that goes for all
    /// that its group runs (a desktop's scope, a terminal): beside a long compilation in the same terminal pictures hardly get on.
    BelowWindow,
}

/// Of 0 to 99, where 50 is a usual thread's: *below normal* on Windows.
const BELOW_NORMAL: u8 = 25;

impl Priority {
    /// For the threads that compute, unless somebody has started them.
    pub(super) fn take_threads(self) {
        if self == Self::BelowWindow
            && let Err(error) = self.threads().build_global()
        {
            tracing::debug!("the threads that compute stay as they are: {error}");
        }
    }

    fn threads(self) -> ThreadPoolBuilder {
        ThreadPoolBuilder::new().start_handler(move |_| self.take())
    }

    /// For this thread.
    pub(super) fn take(self) {
        if self == Self::BelowWindow {
            step_back();
        }
    }
}

/// On Linux niceness says how much of a processor a thread gets, but not how soon: since its version 6.6 a thread that wakes up waits until the one
/// that runs has had its slice, some three milliseconds, and a frame is handed from thread to thread a few times. What runs under `SCHED_IDLE`
/// (sched(7)) gives way at once.
#[cfg(target_os = "linux")]
fn step_back() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    };
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::debug!("the system does not let a thread give way: {error:?}");
        be_below_normal();
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back() {
    be_below_normal();
}

fn be_below_normal() {
    let priority = ThreadPriority::Crossplatform(BELOW_NORMAL.try_into().expect("it is below 100"));
    if let Err(error) = set_current_thread_priority(priority) {
        tracing::debug!("the system does not let a thread step back: {error:?}");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// The 41st field of proc(5)'s stat, the 39th behind the name: how a thread is scheduled.
    fn policy() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().parse().unwrap()
    }

    const SCHED_IDLE: i32 = 5;

    #[test]
    fn threads_that_compute_give_way_and_others_do_not() {
        let usual = policy();
        let inference = std::thread::Builder::new().spawn(|| {
            Priority::BelowWindow.take();
            policy()
        });
        assert_eq!(inference.unwrap().join().unwrap(), SCHED_IDLE);
        assert_eq!(policy(), usual, "only the threads that compute step back");
    }

    #[test]
    fn so_do_those_that_they_compute_with_but_not_those_of_before() {
        let usual = policy();
        let pool = |threads: ThreadPoolBuilder| threads.num_threads(1).build().unwrap();
        let (before, equals) = (pool(ThreadPoolBuilder::new()), pool(Priority::Normal.threads()));
        let computing = pool(Priority::BelowWindow.threads());
        assert_eq!([&before, &equals, &computing].map(|pool| pool.install(policy)), [usual, usual, SCHED_IDLE]);
    }
}
