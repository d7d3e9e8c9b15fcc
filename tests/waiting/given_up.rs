//! Requests whose browser has gone while they wait.

use std::time::Duration;

use crate::crowd::{How, Pool, Shape, TWO_BY_ONE, disorder};
use crate::full::{CROWD, ROOM};
use crate::support::process::wait_until;
use crate::support::{Params, Peer, record};

const ALONE: Shape = Shape { processes: 1, threads: 1 };

/// So many that wait, each since the one before it does: a process that is suspended may take several in, and another one those that come
/// later before.
fn lined_up(pool: &Pool, count: usize) -> Vec<Peer> {
    let line_up = |number| {
        let mut peer = pool.connect();
        peer.send_request(1, true, &Params::get(&format!("/?{number}")), b"");
        wait_until("it to wait", || pool.waiting() == number as u64 + 1);
        peer
    };
    (0..count).map(line_up).collect()
}

/// Requests that wait and whose connections are closed are not run.
fn are_not_run(shape: Shape) {
    let mut pool = Pool::start(shape, "max-queue = 20\n");
    pool.occupy();
    let mut waiting = lined_up(&pool, 10);
    // Every second one goes.
    (1..=5).for_each(|place| waiting.remove(place).close());
    pool.open_gate();
    waiting.iter_mut().for_each(|peer| drop(peer.answer(1).expect_status(200)));
    wait_until("nobody to wait", || pool.waiting() == 0);
    let mut begun = pool.begun();
    // Two that begin at one moment note it in either order.
    assert!(disorder(&begun) <= shape.workers(), "{begun:?}");
    begun.sort_unstable();
    assert_eq!(begun, [0, 2, 4, 6, 8], "{}", pool.log());
    pool.end();
}

#[test]
fn requests_given_up_on_the_line_are_not_run() {
    are_not_run(TWO_BY_ONE);
}

#[test]
fn requests_given_up_on_the_line_of_one_process_are_not_run() {
    are_not_run(ALONE);
}

/// And make room for others before a worker has time.
fn make_room(shape: Shape) {
    let mut pool = Pool::start(shape, &format!("max-queue = {ROOM}\n"));
    pool.occupy();
    let mut waiting = lined_up(&pool, ROOM);
    pool.connect().last_request(&Params::get("/?999"), b"").expect_status(503);
    waiting.drain(..ROOM / 2).for_each(Peer::close);
    // It is not looked for them each time that somebody is refused.
    let mut first = None;
    wait_until("room", || {
        let mut peer = pool.connect();
        peer.send_request(1, true, &Params::get("/?998"), b"");
        first = peer.is_silent_for(Duration::from_millis(200)).then_some(peer);
        first.is_some()
    });
    assert_eq!(pool.waiting(), ROOM as u64 / 2 + 1);
    let mut others = pool.send(How::OneShot, CROWD / 20, 0.0);
    others.expect_silence(Duration::from_millis(300));
    pool.open_gate();
    assert!(others.finish().iter().all(|got| got.status == 200), "{}", pool.log());
    first.unwrap().answer(1).expect_status(200);
    waiting.iter_mut().for_each(|peer| drop(peer.answer(1).expect_status(200)));
    let order: Vec<usize> = pool.begun().into_iter().filter(|number| (ROOM / 2..ROOM).contains(number)).collect();
    // A process that has just taken one may be kept from the processor while the other one goes on.
    assert!(disorder(&order) <= 2 * shape.workers(), "{order:?}");
    pool.end();
}

#[test]
fn requests_given_up_on_a_full_line_make_room() {
    make_room(TWO_BY_ONE);
}

#[test]
fn requests_given_up_on_the_full_line_of_one_process_make_room() {
    make_room(ALONE);
}

/// A web server that keeps the connection says so with a record.
#[test]
fn a_request_aborted_on_the_line_is_not_run() {
    let mut pool = Pool::start(TWO_BY_ONE, "max-queue = 20\n");
    pool.occupy();
    let mut peer = pool.connect();
    peer.send_request(1, true, &Params::get("/?1"), b"");
    wait_until("it to wait", || pool.waiting() == 1);
    peer.send(&record::abort(1));
    let mut next = pool.connect();
    next.send_request(1, true, &Params::get("/?2"), b"");
    wait_until("both to wait", || pool.waiting() == 2);
    pool.open_gate();
    assert!(peer.answer(1).ended);
    next.answer(1).expect_status(200);
    assert_eq!(pool.begun(), [2], "{}", pool.log());
    pool.end();
}
