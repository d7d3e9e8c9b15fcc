//! What the supervisor itself costs.

use crate::site::{Site, pss_kib, site_of, status_of};

#[test]
fn the_supervisor_is_small_and_has_one_thread() {
    let site = Site::start(site_of("sleeps.py", "processes = 2\n"));
    let (pss, own) = (pss_kib(site.pid()), status_of(site.pid(), "RssAnon"));
    eprintln!("PSS of the supervisor {pss} KiB, of that {own} no part of a file");
    assert_eq!(status_of(site.pid(), "Threads"), "1");
    // A binary that is not optimised is several times as large.
    let most = if cfg!(debug_assertions) { 25_000 } else { 5_000 };
    assert!(pss <= most, "{pss} KiB");
    site.end();
}
