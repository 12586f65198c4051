//! A large block that is freed stays until it is given back. Without the usual harness, which would have started a thread before
//! the allocator is told: it is told once, for a whole process, by its first thread.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use sfumato::engine::{give_back_freed_memory, keep_freed_memory};

/// Of the pages of this process that are in memory, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap()
}

fn main() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return;
    }
    keep_freed_memory();
    let before = resident();
    let block = vec![1u8; 256 << 20];
    assert!(block.iter().all(|byte| *byte == 1));
    drop(block);
    assert!(resident() > before + (200 << 10), "it was not kept");
    give_back_freed_memory();
    assert!(resident() < before + (50 << 10), "it was not given back");
}
