//! Those who write files of packed weights: what they have not finished when the program ends would be left behind as it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many there are.
static WRITERS: Mutex<usize> = Mutex::new(0);
static ONE_LESS: Condvar = Condvar::new();
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Waits for packed weights that are being written, for when the program is about to end. What takes longer than `patience` is broken off and removed.
pub fn finish_packing(patience: Duration) {
    let still_there = |writers: &mut usize| *writers > 0;
    let waited = ONE_LESS.wait_timeout_while(writers(), patience, still_there);
    let (left, _) = waited.unwrap_or_else(PoisonError::into_inner);
    IS_OVER.store(true, Ordering::Relaxed);
    drop(ONE_LESS.wait_while(left, still_there).unwrap_or_else(PoisonError::into_inner));
}

/// Whether nobody waits for a writer any more.
pub(super) fn is_over() -> bool {
    IS_OVER.load(Ordering::Relaxed)
}

/// One who writes.
pub(super) struct Writer(());

impl Writer {
    pub(super) fn new() -> Self {
        *writers() += 1;
        Self(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        *writers() -= 1;
        ONE_LESS.notify_all();
    }
}

fn writers() -> MutexGuard<'static, usize> {
    WRITERS.lock().unwrap_or_else(PoisonError::into_inner)
}
