//! Whether there is memory for what is about to be decoded or made: asked before, since a system that has none left ends programs
//! without a word.

use std::path::Path;

/// Less memory than something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes {} MiB of memory and {} are free: close other programs, or choose a smaller size", .needed >> 20, .free >> 20)]
pub struct NoRoom {
    needed: u64,
    free: u64,
}

/// The bytes of memory that this program can still have without pressing on others; `None` where the system does not tell: it does on Linux, where containers
/// and services may be limited to a part of the machine (control groups of version 2).
pub fn available_memory() -> Option<u64> {
    let about = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = about.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = kibibytes(line)?;
    // What is in use of mapped files could be dropped, and is counted as free; but it would be read again at once.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mapped = mapped_files(&status).unwrap_or_default();
    let free = free.saturating_sub(mapped);
    let of_groups = std::fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        within_limits(Path::new("/sys/fs/cgroup"), Path::new(group), mapped)
    });
    Some(of_groups.map_or(free, |of_groups| of_groups.min(free)))
}

/// The bytes of a number in files of the system's, as `   12 kB`.
fn kibibytes(number: &str) -> Option<u64> {
    number.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// From proc(5)'s status of a process: the bytes in memory of the files that it has mapped.
fn mapped_files(status: &str) -> Option<u64> {
    kibibytes(status.lines().find_map(|line| line.strip_prefix("RssFile:"))?)
}

/// What the limits of a control group and of those around it leave, where so many bytes of files are mapped; `None` where there is none.
fn within_limits(root: &Path, group: &Path, mapped: u64) -> Option<u64> {
    let left = |group: &Path| {
        let number = |name: &str| std::fs::read_to_string(root.join(group).join(name)).ok()?.trim().parse::<u64>().ok();
        let most = number("memory.max")?;
        // Files that were read and can be dropped again count as used; those that are mapped are, and most of them are active.
        let about = std::fs::read_to_string(root.join(group).join("memory.stat")).unwrap_or_default();
        let files = |kind: &str| -> u64 {
            about.lines().find_map(|line| line.strip_prefix(kind)?.trim().parse().ok()).unwrap_or_default()
        };
        let (inactive, active) = (files("inactive_file "), files("active_file "));
        let dropped = inactive.min((inactive + active).saturating_sub(mapped));
        Some(most.saturating_sub(number("memory.current")?.saturating_sub(dropped)))
    };
    group.ancestors().filter_map(left).min()
}

/// Gives what was freed and kept for the next who asks for memory back to the system, which counts it as free only then.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "it is a function of C that may be called at any time")]
        // SAFETY: it takes the allocator's own lock and touches nothing that is in use.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Fails where so many bytes are more than there are free. Little is never refused, nor anything where the system does not tell.
pub fn check_room(needed: u64) -> Result<(), NoRoom> {
    const LITTLE: u64 = 64 << 20;
    if needed <= LITTLE { Ok(()) } else { fits(needed, available_memory()) }
}

fn fits(needed: u64, free: Option<u64>) -> Result<(), NoRoom> {
    match free {
        Some(free) if needed > free => Err(NoRoom { needed, free }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_of_a_group_and_those_around_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("outer/inner");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 0), None);
        let write = |folder: &Path, name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write(&inner, "memory.max", "max\n");
        write(&inner, "memory.current", "500\n");
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 0), None);
        let outer = root.path().join("outer");
        write(&outer, "memory.max", "2000\n");
        write(&outer, "memory.current", "1500\n");
        write(&outer, "memory.stat", "anon 1200\ninactive_file 300\n");
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 0), Some(800));
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 200), Some(600));
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 400), Some(500));
        write(&outer, "memory.stat", "anon 1200\ninactive_file 300\nactive_file 150\n");
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 100), Some(800));
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 200), Some(750));
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 500), Some(500));
        write(&inner, "memory.max", "600\n");
        assert_eq!(within_limits(root.path(), Path::new("outer/inner"), 0), Some(100));
    }

    #[test]
    fn how_much_of_mapped_files_is_in_memory_stands_in_the_status_of_a_process() {
        // proc(5), proc_pid_status.
        let status =
            "Name:\tbash\nVmRSS:\t    7160 kB\nRssAnon:\t    1236 kB\nRssFile:\t    5924 kB\nRssShmem:\t       0 kB\n";
        assert_eq!(mapped_files(status), Some(5924 << 10));
        assert_eq!(mapped_files("Name:\tbash\nRssFile:\tmany\n"), None);
        assert_eq!(mapped_files("Name:\tkthreadd\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn some_memory_is_free_and_not_a_pebibyte() {
        assert!(available_memory().is_some_and(|bytes| bytes > 1 << 20));
        assert!(check_room(1 << 50).is_err());
    }

    #[test]
    fn what_there_is_no_room_for_is_refused_in_words() {
        assert_eq!(fits(5 << 20, Some(5 << 20)), Ok(()));
        assert_eq!(fits(5 << 20, None), Ok(()));
        let said = fits(300 << 20, Some(200 << 20)).unwrap_err().to_string();
        assert_eq!(said, "it takes 300 MiB of memory and 200 are free: close other programs, or choose a smaller size");
    }
}
