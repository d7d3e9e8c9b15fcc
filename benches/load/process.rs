//! What the server's process tree has used.

use std::fs;
use std::time::Duration;

use shared::sys::process::{self, ProcessId};

/// CPU time of a process and its descendants so far, threads that have ended included, processes that have ended not.
pub fn cpu_time(pid: u32) -> Duration {
    tree(pid).into_iter().filter_map(|pid| process::cpu_time(ProcessId::new(pid.cast_signed())?)).sum()
}

/// Bytes of memory of a process tree.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its proportional share of what it has mapped.
    pub pss: u64,
    /// What is its own and no file's.
    pub anonymous: u64,
}

impl Memory {
    pub fn of(pid: u32) -> Self {
        let sum = |file: &str, key: &str| tree(pid).into_iter().map(|pid| field(&format!("/proc/{pid}/{file}"), key)).sum();
        Self { pss: sum("smaps_rollup", "Pss:"), anonymous: sum("status", "RssAnon:") }
    }
}

/// A figure in kB of a file of /proc, in bytes.
fn field(path: &str, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while next < all.len() {
        all.extend(children(all[next]));
        next += 1;
    }
    all
}

/// The children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}
