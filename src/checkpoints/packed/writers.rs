//! Those who write files of packed weights: what they have not finished when the program ends would be left behind as it is.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long they have to break off: until what they just wrote is on the disk. A disk that does not answer must not hold up the end of the program.
const BREAKING_OFF: Duration = Duration::from_secs(5);

static WRITERS: Writers = Writers::new();

/// Waits for packed weights that are being written, for when the program is about to end. What takes longer than `patience` is broken off and removed.
pub fn finish_packing(patience: Duration) {
    WRITERS.finish(patience, BREAKING_OFF);
}

/// Whether packed weights are still being written after so long; it comes back as soon as they are not.
pub fn is_still_packing(patience: Duration) -> bool {
    WRITERS.are_there_after(patience)
}

/// Has packed weights that are being written broken off and removed: whoever waits for them is in a hurry now. None are written after that.
pub fn break_off_packing() {
    WRITERS.break_off();
}

/// An error when nobody waits for writers any more.
pub(super) fn check_wanted() -> io::Result<()> {
    if WRITERS.is_over() { Err(io::Error::other("the program ends")) } else { Ok(()) }
}

/// Writers, and whether they are to stop.
struct Writers {
    count: Mutex<usize>,
    /// Told when there is one less, or they are to stop.
    told: Condvar,
    is_over: AtomicBool,
}

impl Writers {
    const fn new() -> Self {
        Self { count: Mutex::new(0), told: Condvar::new(), is_over: AtomicBool::new(false) }
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Whether there are some that are to go on, after so long or as soon as there are none.
    fn are_there_after(&self, patience: Duration) -> bool {
        let are_there = |count: &mut usize| *count > 0 && !self.is_over();
        let waited = self.told.wait_timeout_while(self.count(), patience, are_there);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *count > 0 && !self.is_over()
    }

    fn break_off(&self) {
        // With the count in hand, or who is about to wait would not be told.
        let count = self.count();
        self.is_over.store(true, Ordering::Relaxed);
        self.told.notify_all();
        drop(count);
    }

    fn finish(&self, patience: Duration, breaking_off: Duration) {
        self.are_there_after(patience);
        self.break_off();
        drop(self.told.wait_timeout_while(self.count(), breaking_off, |count| *count > 0));
    }
}

/// One who writes.
pub(super) struct Writer(&'static Writers);

impl Writer {
    pub(super) fn new() -> Self {
        Self::of(&WRITERS)
    }

    fn of(writers: &'static Writers) -> Self {
        *writers.count() += 1;
        Self(writers)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.told.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{scope, sleep};
    use std::time::Instant;

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_mins(10);

    #[test]
    fn the_end_waits_for_who_is_nearly_done_and_then_for_nobody() {
        static WRITERS: Writers = Writers::new();
        WRITERS.finish(LATE, LATE);
        let writer = Writer::of(&WRITERS);
        let began = Instant::now();
        scope(|scope| {
            scope.spawn(|| WRITERS.finish(LATE, LATE));
            sleep(SOON);
            drop(writer);
        });
        assert!(began.elapsed() < LATE / 2 && WRITERS.is_over());
    }

    #[test]
    fn a_writer_that_a_disk_holds_does_not_hold_the_program() {
        static WRITERS: Writers = Writers::new();
        let _held = Writer::of(&WRITERS);
        assert!(WRITERS.are_there_after(SOON));
        let began = Instant::now();
        WRITERS.finish(SOON, SOON);
        assert!(began.elapsed() < LATE / 2 && WRITERS.is_over());
    }

    #[test]
    fn who_is_in_a_hurry_waits_no_longer() {
        static WRITERS: Writers = Writers::new();
        let _held = Writer::of(&WRITERS);
        let began = Instant::now();
        scope(|scope| {
            let waiting = scope.spawn(|| WRITERS.are_there_after(LATE));
            sleep(SOON);
            WRITERS.break_off();
            assert!(!waiting.join().unwrap());
        });
        // And so does who waits after that.
        assert!(!WRITERS.are_there_after(LATE));
        assert!(began.elapsed() < LATE / 2);
    }
}
