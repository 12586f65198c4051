use rayon::prelude::*;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A slice of which threads write different parts. Whoever cuts the work promises that the parts do not overlap.
pub(super) struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it is only a place; what makes writing sound is promised at each `part`.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The numbers `start..start + len`.
    ///
    /// # Safety
    /// Nobody else may hold a part that overlaps.
    #[expect(clippy::mut_from_ref, reason = "that is its purpose")]
    pub(super) unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "a part outside of the slice");
        // SAFETY: it lies inside, and the caller promises that it is nobody else's.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// Asks the cache for the numbers `start..start + len`, which will be written soon. They are not touched.
    pub(super) fn fetch(&self, start: usize, len: usize) {
        lines_of(self.start.wrapping_add(start), len, |line| {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: no address is a fault to it, and processors that do not have it take it for nothing.
            unsafe {
                std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = line;
        });
    }
}

/// Asks the cache for numbers that will be read soon.
pub(super) fn fetch<T>(numbers: &[T]) {
    lines_of(numbers.as_ptr(), numbers.len(), |line| {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: no address is a fault to it, and every processor of this kind has it.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    });
}

/// An address in each line of the cache of which so many numbers have a part.
fn lines_of<T>(start: *const T, len: usize, mut each: impl FnMut(*const u8)) {
    let (first, bytes) = (start.cast::<u8>(), len * size_of::<T>());
    let into = first.addr() % size_of::<CacheLine>();
    for line in (0..into + bytes).step_by(size_of::<CacheLine>()) {
        each(first.wrapping_sub(into).wrapping_add(line));
    }
}

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` on this thread, without help.
pub(in crate::kernels) fn alone<T>(work: impl FnOnce() -> T) -> T {
    /// Also when `work` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _restore = Restore(ALONE.replace(true));
    work()
}

/// How many threads may work on what this thread asks for.
pub(super) fn threads() -> usize {
    if ALONE.get() { 1 } else { rayon::current_num_threads() }
}

/// Does the tasks `0..count`, on all threads if that is `worth` it.
pub(super) fn each(count: usize, worth: bool, task: impl Fn(usize) + Sync) {
    if count > 1 && worth && threads() > 1 {
        (0..count).into_par_iter().with_max_len(1).for_each(&task);
    } else {
        (0..count).for_each(task);
    }
}

/// Numbers that are cleared at once.
const CLEARED_AT_ONCE: usize = 1 << 16;

/// So many zeros. Where the memory is not fresh from the system, clearing what a large picture takes is work for all threads.
pub(in crate::kernels) fn zeros<T: bytemuck::Zeroable + Copy + Send>(count: usize) -> Vec<T> {
    let mut numbers = Vec::with_capacity(count);
    let room = &mut numbers.spare_capacity_mut()[..count];
    let clear = |numbers: &mut [MaybeUninit<T>]| numbers.fill(MaybeUninit::zeroed());
    if count > CLEARED_AT_ONCE && threads() > 1 {
        room.par_chunks_mut(CLEARED_AT_ONCE).for_each(clear);
    } else {
        clear(room);
    }
    // SAFETY: all of them are zeros now, which are numbers.
    unsafe {
        numbers.set_len(count);
    }
    numbers
}

/// A line of the cache.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f32; 16]);

impl CacheLine {
    const ZERO: Self = Self([0.0; 16]);
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<CacheLine>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` numbers of any value that begin with a line of the cache, kept by the thread for the next time. Taken out while lent, so that work that this thread
/// picks up meanwhile gets its own.
pub(super) fn with_scratch<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let lines = len.div_ceil(CacheLine::ZERO.0.len());
    if scratch.len() < lines {
        scratch.resize(lines, CacheLine::ZERO);
    }
    let result = work(&mut bytemuck::cast_slice_mut(&mut scratch)[..len]);
    SCRATCH.with_borrow_mut(|kept| kept.push(scratch));
    result
}
