//! Threads for what somebody at the canvas waits for. Those that networks compute on step back behind the window, and take nothing up
//! before they are through with what they do: a stroke would wait for a step of a picture.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// Does this with threads of its own beside the one that waits.
pub(crate) fn promptly<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let threads = THREADS.get_or_init(|| {
        let named = ThreadPoolBuilder::new().thread_name(|number| format!("painter-{number}"));
        named.build().inspect_err(|error| tracing::warn!("painting has no threads of its own: {error}")).ok()
    });
    match threads {
        Some(threads) => threads.install(work),
        None => work(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Tiles;
    use super::*;
    use crate::geom::{Bounds, Extent};
    use crate::pixels::Mask;
    use rayon::prelude::*;
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    /// Does this while all threads that compute are busy with something else. How long that takes.
    pub(crate) fn meanwhile(work: impl FnOnce()) -> Duration {
        let (is_over, changes) = (Mutex::new(false), Condvar::new());
        let busy = rayon::current_num_threads();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..busy).into_par_iter().with_max_len(1).for_each(|_| {
                    let most = Duration::from_secs(20);
                    drop(changes.wait_timeout_while(is_over.lock().unwrap(), most, |is_over| !*is_over).unwrap());
                });
            });
            std::thread::sleep(Duration::from_millis(50));
            let begins = std::time::Instant::now();
            work();
            let took = begins.elapsed();
            *is_over.lock().unwrap() = true;
            changes.notify_all();
            took
        })
    }

    #[test]
    fn it_does_not_wait_for_threads_that_compute_something_else() {
        let took = meanwhile(|| {
            let sum: u32 = promptly(|| (0..100_u32).into_par_iter().sum());
            assert_eq!(sum, 4950);
        });
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    #[test]
    fn nor_does_the_box_around_what_is_to_be_moved_or_a_copy_of_it() {
        let whole = Bounds::whole(Extent::new(300, 200));
        let (tiles, mask) = (Tiles::filled(whole.extent, [9; 4]), Mask::empty(whole.extent).inverted());
        let took = meanwhile(|| {
            assert_eq!([tiles.content(), tiles.content_within(Some(&mask))], [Some(whole); 2]);
            assert_eq!(tiles.masked_part(&mask).cropped(whole), tiles.to_picture());
        });
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}
