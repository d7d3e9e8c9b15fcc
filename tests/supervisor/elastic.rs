//! Pools that grow and shrink.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::load::{Connections, Load};
use crate::site::{Site, limit, site_of};
use crate::support::Params;
use crate::support::process::wait_until;

#[test]
fn a_pool_grows_under_slow_load_and_shrinks_when_it_is_over() {
    let site = Site::start(site_of("sleeps.py", "processes = \"1..4\"\nthreads = 1\nidle-timeout = \"1s\"\n"));
    site.wait_for_children(1);
    let load = Load::start(&site.address(), Connections::New, 4, "/?0.05");
    site.wait_for_children(4);
    load.wait_for(20);
    let tally = load.stop_without_failure();
    assert!(tally.first.len() > 1, "one child has done it all: {tally:?}");
    site.wait_for_children(1);
    site.text("/");
    site.end();
}

#[test]
fn a_pool_does_not_shrink_while_all_its_children_are_busy() {
    for (clients, target) in [(6, "/?0.05"), (3, "/?6")] {
        let site = Site::start(site_of("sleeps.py", "processes = \"1..3\"\nthreads = 1\nidle-timeout = \"1s\"\n"));
        let load = Load::start(&site.address(), Connections::Kept, clients, target);
        site.wait_for_children(3);
        let grown = Instant::now();
        // Longer than the time after which it would shrink.
        wait_until("three seconds of load", || {
            let status = site.control("status").out;
            assert!(!status.contains("retiring"), "{status}");
            grown.elapsed() > Duration::from_secs(3)
        });
        load.stop_without_failure();
        site.wait_for_children(1);
        site.end();
    }
}

#[test]
fn a_pool_shrinks_without_closing_a_kept_connection() {
    let site = Site::start(site_of("sleeps.py", "processes = \"1..3\"\nthreads = 1\nidle-timeout = \"1s\"\n"));
    let mut peers: Vec<_> = (0..6).map(|_| site.connect()).collect();
    wait_until("a grown pool", || {
        peers.iter_mut().for_each(|peer| peer.send_request(1, true, &Params::get("/?0.05"), b""));
        peers.iter_mut().for_each(|peer| drop(peer.answer(1).expect_status(200)));
        site.children().len() == 3
    });
    wait_until("a pool of one child that is asked seldom", || {
        let mut pids = peers.iter_mut().map(|peer| peer.request(&Params::get("/"), b"").expect_status(200).text());
        pids.all(|pid| !pid.is_empty()) && site.children().len() == 1
    });
    peers.iter_mut().for_each(|peer| drop(peer.request(&Params::get("/"), b"").expect_status(200)));
    site.end();
}

#[test]
fn a_pool_that_starts_on_demand_loses_no_request_ends_when_unused_and_starts_again() {
    let settings = "processes = \"0..2\"\nthreads = 1\nidle-timeout = \"1s\"\n";
    let site = Site::start(site_of("sleeps.py", settings).env("IMPORT_SECONDS", "0.2"));
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        assert_eq!(site.children(), BTreeSet::new());
        let started = Instant::now();
        let mut peers: Vec<_> = (0..5).map(|_| site.connect()).collect();
        peers.iter_mut().for_each(|peer| peer.send_request(1, false, &Params::get("/"), b""));
        peers.iter_mut().for_each(|peer| assert!(seen.insert(peer.answer(1).expect_status(200).text()) || !seen.is_empty()));
        eprintln!("on demand after {:?} with an import of 200 ms", started.elapsed());
        assert!(started.elapsed() < Duration::from_millis(200) + limit(Duration::from_millis(100), Duration::from_secs(3)));
        drop(peers);
        site.wait_for_children(0);
    }
    assert!(seen.len() >= 3, "each time another process: {seen:?}");
    site.end();
}

#[test]
fn an_idle_kept_connection_keeps_the_last_child_and_is_served() {
    let site = Site::start(site_of("sleeps.py", "processes = \"0..1\"\nthreads = 1\nidle-timeout = \"1s\"\n"));
    let mut peer = site.connect();
    for _ in 0..4 {
        let answer = peer.request(&Params::get("/?0.6"), b"").expect_status(200);
        assert!(!answer.text().is_empty());
    }
    drop(peer);
    site.wait_for_children(0);
    site.end();
}

#[test]
fn a_pool_that_sleeps_is_reloaded_and_stopped_like_any_other() {
    let site = Site::start(site_of("sleeps.py", "processes = \"0..2\"\nidle-timeout = \"1s\"\n"));
    site.control("reload").expect_code(0);
    site.text("/");
    assert!(site.control("stop").expect_code(0).err.is_empty());
}

#[test]
fn ttin_and_ttou_change_the_number_and_lose_no_request() {
    let site = Site::start(site_of("sleeps.py", "processes = 2\nthreads = 2\n"));
    site.wait_for_children(2);
    let load = Load::start(&site.address(), Connections::Kept, 8, "/?0.005");
    for (signal, count) in [("TTIN", 3), ("TTIN", 4), ("TTOU", 3), ("TTOU", 2), ("TTOU", 1)] {
        site.signal(signal);
        site.wait_for_children(count);
        load.wait_for(50);
    }
    site.signal("TTOU");
    load.wait_for(50);
    assert_eq!(site.children().len(), 1, "the last one stays");
    let tally = load.stop_without_failure();
    eprintln!("{} answered while children came and went, the longest took {:?}", tally.answered, tally.longest);
    site.end();
}
