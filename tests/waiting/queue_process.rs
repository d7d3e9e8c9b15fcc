//! What a queue process costs.

use crate::disturbances::queue_process;
use crate::site::{Site, pss_kib, site_of};

/// What is promised; a program that is not optimised is larger.
const MOST_KIB: u64 = 1024;

#[test]
fn a_queue_process_takes_a_mebibyte_at_most() {
    let site = Site::start(site_of("waits_at_a_gate.py", "processes = 2\n"));
    let kib = pss_kib(queue_process(&site));
    println!("PSS of a queue process: {kib} KiB (optimised: {})", !cfg!(debug_assertions));
    assert!(kib <= if cfg!(debug_assertions) { 4 * MOST_KIB } else { MOST_KIB }, "{kib} KiB");
    site.end();
}
