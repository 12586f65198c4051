//! Which threads step back once a session was started. Those of a process are made once, so this is one of its own.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use sfumato::session::Session;
use sfumato::settings::{Paths, Settings};
use std::path::Path;
use std::sync::Arc;

/// How a thread is scheduled, by its folder in proc(5): the 41st field of its stat, the 39th behind the name.
fn policy(thread: &Path) -> i32 {
    let stat = std::fs::read_to_string(thread.join("stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(38).unwrap().parse().unwrap()
}

#[test]
fn those_that_compute_step_back_and_those_that_paint_do_not() {
    const SCHED_IDLE: i32 = 5;
    let this = Path::new("/proc/thread-self");
    let usual = policy(this);
    let home = tempfile::tempdir().unwrap();
    let session = Session::start(Paths::in_one_folder(home.path()), Settings::default(), None, Arc::new(|| ()));
    let computing = rayon::broadcast(|_| policy(this));
    assert!(computing.iter().all(|&found| found == SCHED_IDLE), "{computing:?}");
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let is_painter =
        |task: &Path| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("painter-"));
    let painting: Vec<i32> = tasks.filter(|task| is_painter(task)).map(|task| policy(&task)).collect();
    assert!(!painting.is_empty() && painting.iter().all(|&found| found == usual), "{painting:?}");
    assert_eq!(policy(this), usual, "nor does the window's");
    drop(session);
}
