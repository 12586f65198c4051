//! How long weights stay in memory, and when what was freed is given back: after a job, where memory is spared after each of its
//! phases, and before a large picture is decoded in bands for want of it. glibc would give every large block back to the system as soon as it is free, and get it again,
//! cleared page by page, a moment later: a picture of 512×512 spends a fifth of its decoding on that.

/// How long weights stay in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All of a model, for the next picture, if there is as much.
    Plenty,
    /// Each network only while a picture needs it. For a single picture that costs no time.
    Sparing,
}

/// Makes the allocator keep what is freed, in one place for all threads. To be called before a thread is started.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "it is a function of C; these settings are read by the allocator alone")]
        // SAFETY: it takes two numbers, and the caller has not started a thread yet.
        let set = |setting, to| unsafe { libc::mallopt(setting, to) } == 1;
        // Blocks of their own are what is given back; other threads' arenas cannot hold larger ones.
        if !(set(libc::M_MMAP_MAX, 0) && set(libc::M_ARENA_MAX, 1) && set(libc::M_TRIM_THRESHOLD, i32::MAX)) {
            tracing::debug!("the allocator stays as it is");
        }
    }
}
