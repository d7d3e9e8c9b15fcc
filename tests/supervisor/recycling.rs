//! Children that are replaced because of their requests, age or memory.

use std::collections::BTreeSet;
use std::fs;

use crate::load::{Connections, Load};
use crate::site::{Site, says, site_of, site_with};
use crate::support::Params;
use crate::support::process::wait_until;

/// Under this load so many processes have answered at last, and no request has failed.
#[track_caller]
fn expect_replaced(site: Site, connections: Connections, target: &str, processes: usize) {
    let load = Load::start(&site.address(), connections, 6, target);
    wait_until("processes that come and go", || load.tally().first.len() >= processes);
    let tally = load.stop_without_failure();
    eprintln!("{} answered by {} processes, the longest took {:?}", tally.answered, tally.first.len(), tally.longest);
    site.wait_for_children(2);
    site.end();
}

#[test]
fn children_are_replaced_after_max_requests_without_a_failed_request() {
    for connections in [Connections::Kept, Connections::New] {
        let settings = "processes = 2\nthreads = 2\nmax-requests = 100\nmax-requests-jitter = 20\n";
        expect_replaced(Site::start(site_of("sleeps.py", settings)), connections, "/", 10);
    }
}

#[test]
fn children_are_replaced_after_max_lifetime_without_a_failed_request() {
    let settings = "processes = 2\nthreads = 2\nmax-lifetime = \"1s\"\n";
    expect_replaced(Site::start(site_of("sleeps.py", settings)), Connections::Kept, "/?0.002", 6);
}

#[test]
fn a_child_above_max_rss_is_replaced_without_a_failed_request() {
    let site = Site::start(site_of("grows.py", "processes = 2\nthreads = 2\nmax-rss = \"100M\"\n"));
    let before = site.wait_for_children(2);
    let load = Load::start(&site.address(), Connections::Kept, 4, "/");
    let grown: u32 = site.text("/?120").parse().unwrap();
    wait_until("the end of the large child", || !site.children().contains(&grown));
    load.stop_without_failure();
    let log = site.wait_for_log("has reached max-rss");
    let line = log.lines().find(|line| line.contains("has reached max-rss")).unwrap();
    let memory: u64 =
        line.split("its resident memory is ").nth(1).and_then(|rest| rest.split_once('M')).unwrap().0.parse().unwrap();
    assert!(memory > 120 && line.ends_with(", the limit is 100M; replacing it"), "{line}");
    let after = site.wait_for_children(2);
    assert_eq!(before.intersection(&after).count(), 1, "only one was too large: {before:?} {after:?}");
    site.end();
}

#[test]
fn a_module_that_breaks_meanwhile_keeps_the_old_child_serving_and_is_tried_again() {
    let site = Site::start(site_with(&says("good"), "processes = 1\nthreads = 1\nmax-requests = 5\n"));
    let app = site.directory().join("app.py");
    let before = site.wait_for_children(1);
    fs::write(&app, "raise RuntimeError('broken meanwhile')\n").unwrap();
    let mut peer = site.connect();
    for _ in 0..10 {
        assert_eq!(peer.request(&Params::get("/"), b"").expect_status(200).text(), "good");
    }
    site.wait_for_log("RuntimeError: broken meanwhile");
    site.wait_for_log_that("the second try", |log| log.matches("trying again in").count() >= 2);
    assert_eq!(peer.request(&Params::get("/"), b"").expect_status(200).text(), "good");
    assert!(site.children().is_superset(&before));
    fs::write(&app, says("better")).unwrap();
    wait_until("the new code", || peer.request(&Params::get("/"), b"").expect_status(200).text() == "better");
    let after: BTreeSet<u32> = site.wait_for_children(1);
    assert!(after.is_disjoint(&before));
    site.end();
}
