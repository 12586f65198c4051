//! Whether there is memory for what is about to be decoded or made: asked before, since a system that has none left ends programs
//! without a word.

/// Less memory than something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes {} MiB of memory and {} are free: close other programs, or choose a smaller size", .needed >> 20, .free >> 20)]
pub struct NoRoom {
    needed: u64,
    free: u64,
}

/// The bytes of memory that programs can still have without pressing on others; `None` where the system does not tell: it does on Linux.
pub fn available_memory() -> Option<u64> {
    let about = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = about.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
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
