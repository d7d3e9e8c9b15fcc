//! What waits inside a process when that is replaced while its workers are busy.

use std::fs;
use std::time::Instant;

use crate::crowd::{How, Pool, Shape, disorder, tally};
use crate::support::Params;
use crate::support::process::wait_until;

const ONE_BY_TWO: Shape = Shape { processes: 1, threads: 2 };
const WAITING: usize = 10;

/// A pool whose peers have multiplexed, so that what comes waits inside its process, of which all workers are busy.
fn busy(settings: &str) -> Pool {
    let mut pool = Pool::start(ONE_BY_TWO, &format!("access-log = \"file:access\"\n{settings}"));
    drop(pool.connections(How::Multiplexed, 0));
    pool.occupy();
    pool
}

/// Those that run go on in the old one meanwhile.
#[test]
fn who_waits_in_a_process_that_is_replaced_is_served_by_the_next_one() {
    let mut pool = busy("graceful-timeout = \"60s\"\n");
    let crowd = pool.send(How::OneShot, WAITING, 0.0);
    wait_until("all to wait", || pool.waiting() == WAITING as u64);
    let reloaded = Instant::now();
    pool.control("reload").expect_code(0);
    assert_eq!(tally(&crowd.finish()), [(200, WAITING)].into(), "log:\n{}", pool.log());
    println!("all are served {:?} after the reload", reloaded.elapsed());
    assert_eq!(pool.begun().len(), WAITING, "each runs once");
    assert!(disorder(&pool.begun()) < 3, "{:?}", pool.begun());
    wait_until("nobody to wait", || pool.waiting() == 0);
    pool.open_gate();
    let lines = || fs::read_to_string(pool.directory().join("access")).unwrap_or_default();
    let told = |number: usize| lines().matches(&format!(" /?{number}&0 ")).count();
    wait_until("the access log", || (0..WAITING).all(|number| told(number) > 0));
    assert!((0..WAITING).all(|number| told(number) == 1), "{}", lines());
    pool.end();
}

/// Several requests on a connection stay with it.
#[test]
fn how_many_are_refused_by_a_process_that_is_replaced_is_in_the_log() {
    let pool = busy("graceful-timeout = \"1s\"\n");
    let mut peer = pool.connect();
    let ids = 1..=3;
    ids.clone().for_each(|id| peer.send_request(id, true, &Params::get("/?7&0"), b""));
    wait_until("all to wait", || pool.waiting() == 3);
    pool.control("reload").expect_code(0);
    ids.for_each(|id| drop(peer.answer(id).expect_status(503)));
    pool.wait_for_log("a request (GET /?7&0) was answered 503 Service Unavailable: its process was already stopping");
    pool.wait_for_log("2 more requests were answered 503 Service Unavailable: its process was already stopping");
    wait_until("its end", || pool.children().len() == 1);
    pool.end();
}
