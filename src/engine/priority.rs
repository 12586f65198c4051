//! The window's thread comes first: with as many threads computing as there are processors, a frame would otherwise wait for them.

use thread_priority::{ThreadPriority, set_current_thread_priority};

/// How the threads that compute share the processors with the rest of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// As equals.
    Normal,
    /// They step back: a frame is drawn when it is due, and painting gets all the rest.
    BelowWindow,
}

/// Of 0 to 99, where 50 is a usual thread's. A niceness of 9 on Linux, *below normal* on Windows.
const BELOW_NORMAL: u8 = 25;

impl Priority {
    /// For this thread, and for those that compute with it, unless they have been started already.
    pub(super) fn take(self) {
        if self == Self::Normal {
            return;
        }
        step_back();
        // Refused where the threads are there, after the inference thread was restarted: they have stepped back then.
        if let Err(error) = rayon::ThreadPoolBuilder::new().start_handler(|_| step_back()).build_global() {
            tracing::debug!("the threads that compute stay as they are: {error}");
        }
    }
}

fn step_back() {
    let priority = ThreadPriority::Crossplatform(BELOW_NORMAL.try_into().expect("it is below 100"));
    if let Err(error) = set_current_thread_priority(priority) {
        tracing::debug!("the system does not let a thread step back: {error:?}");
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::*;

    /// The 19th field of proc(5)'s stat, the 17th behind the name.
    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_compute_step_back_and_others_do_not() {
        let usual = niceness();
        let inference = std::thread::Builder::new().spawn(|| {
            Priority::BelowWindow.take();
            niceness()
        });
        assert_eq!(inference.unwrap().join().unwrap(), 9);
        assert_eq!(niceness(), usual, "only the threads that compute step back");
    }
}
