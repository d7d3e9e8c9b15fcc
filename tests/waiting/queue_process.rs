//! What a queue process costs.

use std::fs;

use crate::disturbances::queue_process;
use crate::site::{Site, pss_kib, site_of};
use crate::support::process::may_look_into_children;

/// The memory that nobody else has.
fn private_kib(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    private.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

/// What is promised.
const MOST_KIB: u64 = 1024;

#[test]
fn a_queue_process_takes_a_mebibyte_at_most() {
    if !may_look_into_children() {
        return;
    }
    let site = Site::start(site_of("waits_at_a_gate.py", "processes = 2\n"));
    let kib = pss_kib(queue_process(&site));
    let own = private_kib(queue_process(&site));
    println!("a queue process: {own} KiB of its own, PSS {kib} KiB (optimised: {})", !cfg!(debug_assertions));
    assert!(own <= MOST_KIB, "{own} KiB");
    // A program that is not optimised is larger itself.
    assert!(kib <= if cfg!(debug_assertions) { 3 * MOST_KIB } else { MOST_KIB }, "{kib} KiB");
    site.end();
}
