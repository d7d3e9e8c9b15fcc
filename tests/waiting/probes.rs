//! `ping-path` is answered whatever the workers do.

use std::time::{Duration, Instant};

use crate::before;
use crate::crowd::{Pool, Shape, TWO_BY_ONE, status_of};
use crate::http::Request;
use crate::site::{Site, kill, limit, says, site_with};
use crate::support::place::write_module;
use crate::support::process::wait_until;
use crate::support::{Params, record};

fn prompt() -> Duration {
    limit(Duration::from_millis(50), Duration::from_millis(700))
}

/// Asks a few times, and fails unless each is answered at once.
#[track_caller]
fn expect_pings(what: &str, pool: &Pool, port: u16) {
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let started = Instant::now();
        Request::get("/ping").send(port).expect(200);
        pool.ask("/ping").expect_status(200);
        longest = longest.max(started.elapsed());
    }
    println!("{what}: two probes took {longest:?} at most");
    assert!(longest < prompt(), "{what}: {longest:?}");
}

fn probes_are_answered(shape: Shape) {
    let what = format!("{} x {}", shape.processes, shape.threads);
    let mut pool = Pool::start(shape, "ping-path = \"/ping\"\nmax-queue = 30\n");
    let front = before::nginx(&pool, |file| file);
    expect_pings(&format!("{what}, idle"), &pool, front.port);
    pool.occupy();
    expect_pings(&format!("{what}, all busy"), &pool, front.port);
    let crowd = pool.send(crate::crowd::How::OneShot, 40, 0.0);
    wait_until("a full queue", || pool.waiting() == 30);
    expect_pings(&format!("{what}, full"), &pool, front.port);
    pool.open_gate();
    crowd.finish();
    let mut hogs: Vec<_> = (0..shape.processes).map(|_| pool.connect()).collect();
    for hog in &mut hogs {
        hog.send_request(1, false, &Params::get("/?hog&26"), b"");
    }
    wait_until("the hogs", || !pool.started("hog").is_empty());
    expect_pings(&format!("{what}, the GIL is held"), &pool, front.port);
    hogs.iter_mut().for_each(|hog| drop(hog.answer(1).expect_status(200)));
    drop(front);
    pool.end();
}

#[test]
fn probes_are_answered_by_two_processes_whatever_they_do() {
    probes_are_answered(TWO_BY_ONE);
}

#[test]
fn probes_are_answered_by_one_process_whatever_it_does() {
    probes_are_answered(Shape { processes: 1, threads: 2 });
}

/// As Apache sends them.
#[test]
fn probes_that_come_in_pieces_are_answered_while_all_workers_are_busy() {
    let mut pool = Pool::start(Shape { processes: 1, threads: 1 }, "ping-path = \"/ping\"\n");
    pool.occupy();
    let probe = record::request(1, true, &Params::get("/ping").encode(), b"");
    for kept in [false, true] {
        let mut peer = pool.connect();
        if kept {
            peer.request(&Params::get("/ping"), b"").expect_status(200);
        }
        for cut in [16, 24, probe.len() - 16] {
            peer.send(&probe[..cut]);
            // By then it has been looked at.
            (0..3).for_each(|_| drop(pool.ask("/ping").expect_status(200)));
            peer.send(&probe[cut..]);
            peer.answer(1).expect_status(200);
        }
    }
    let mut peer = pool.connect();
    let request = record::request(1, true, &Params::get("/?behind").encode(), b"");
    peer.send(&request[..16]);
    (0..3).for_each(|_| drop(pool.ask("/ping").expect_status(200)));
    assert_eq!(pool.waiting(), 0, "it has not come yet");
    peer.send(&request[16..]);
    wait_until("one that waits", || pool.waiting() == 1);
    pool.open_gate();
    peer.answer(1).expect_status(200);
    pool.end();
}

#[test]
fn probes_of_a_pool_that_fails_are_answered_503() {
    let site = Site::start(site_with(&says("one"), "processes = 1\nping-path = \"/ping\"\n"));
    let front = before::nginx(&site, |file| file);
    Request::get("/ping").send(front.port).expect(200);
    write_module(&site.directory().join("app.py"), "raise RuntimeError(\"broken\")\n");
    kill(*site.children().first().unwrap(), "KILL");
    wait_until("a pool that fails", || status_of(&site).0["state"] == "failing");
    site.ask("/ping").expect_status(503);
    Request::get("/ping").send(front.port).expect(503);
    drop(front);
    site.end();
}

#[test]
fn a_probe_finds_a_sleeping_pool_well_and_does_not_wake_it() {
    let site = Site::start(site_with(&says("x"), "processes = \"0..2\"\nping-path = \"/ping\"\nidle-timeout = \"1s\"\n"));
    for _ in 0..20 {
        assert_eq!(site.text("/ping"), "pong");
    }
    assert_eq!(site.children().len(), 0);
    assert_eq!(status_of(&site).0["refused"], 0);
    assert_eq!(site.text("/"), "x");
    assert_eq!(site.text("/ping"), "pong");
    site.wait_for_children(0);
    assert_eq!(site.text("/ping"), "pong");
    assert_eq!(site.children().len(), 0);
    site.end();
}
