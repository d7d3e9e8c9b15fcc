//! As many wait as may.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crowd::{Crowd, FOUR_BY_FOUR, Got, How, MULTIPLEXED, Pool, Shape, TWO_BY_ONE, disorder, each, tally};
use crate::site::limit;
use crate::support::latency::Latencies;
use crate::support::process::wait_until;
use crate::support::record::{pair, record};
use crate::support::{Params, kind};

/// Within which a request is refused. Else: what tells a 503 at once from one that has waited, on a machine that does something else too.
fn prompt() -> Duration {
    limit(Duration::from_millis(50), Duration::from_millis(500))
}

/// Those that were refused, which were so at once and with a hint when to come back.
#[track_caller]
pub(crate) fn expect_refused_at_once(what: &str, got: &[Got], count: usize) {
    assert_eq!(tally(got), [(503, count)].into(), "{what}");
    assert!(got.iter().all(|got| got.retry_after), "{what}: a 503 without Retry-After");
    let times: Latencies = got.iter().map(|got| got.took).collect();
    println!("{what}: 503 after {times}");
    assert!(times.quantile(1.0) < prompt(), "{what}: {times}");
}

fn exactly_max_queue_wait(shape: Shape, how: How) {
    let what = format!("{} x {}, {how:?}", shape.processes, shape.threads);
    let mut pool = Pool::start(shape, &format!("max-queue = {ROOM}\n"));
    let connections = pool.connections(how, CROWD);
    pool.occupy();
    let crowd = pool.send_on(connections, how, CROWD, 0.005);
    // Several processes take connections in at the same time, and several workers begin at once.
    expect_room_for_max_queue(&what, how, pool, crowd, shape.workers() + 4);
}

/// `slack` is by how many places one may begin too early or too late, because several begin at once. Where something else runs a process
/// may stand still while dozens come, and then takes its share of them in at once.
#[track_caller]
pub(crate) fn expect_room_for_max_queue(what: &str, how: How, mut pool: Pool, mut crowd: Crowd, slack: usize) {
    expect_refused_at_once(what, crowd.wait_for(CROWD - ROOM), CROWD - ROOM);
    crowd.expect_silence(Duration::from_millis(200));
    let (status, code) = pool.status();
    assert_eq!((status["waiting"].as_u64(), code), (Some(ROOM as u64), Some(0)), "{what}: {status:#}");
    assert_eq!(status["refused"].as_u64(), Some((CROWD - ROOM) as u64), "{what}: {status:#}");
    assert_eq!(pool.begun(), Vec::<usize>::new(), "{what}");
    pool.open_gate();
    let got = crowd.finish();
    assert_eq!(tally(&got), [(200, ROOM), (503, CROWD - ROOM)].into(), "{what}");
    let begun = pool.begun();
    let served: BTreeSet<usize> = got.iter().filter(|got| got.status == 200).map(|got| got.number).collect();
    assert_eq!(begun.iter().copied().collect::<BTreeSet<_>>(), served, "{what}: who is refused has not run");
    // What comes on different connections that multiplex may wait in different processes.
    let apart = if how == How::Multiplexed { MULTIPLEXED } else { 1 };
    let of_connection = |place| begun.iter().copied().filter(|number| number % apart == place).collect::<Vec<_>>();
    let off = (0..apart).map(|place| disorder(&of_connection(place))).max().unwrap();
    println!("{what}: off by {off} places at most");
    assert!(off <= limit(slack, slack.max(ROOM / 2)), "{what}: begun in this order: {begun:?}");
    wait_until("nobody to wait", || pool.waiting() == 0);
    let log = pool.wait_for_log("no longer saturated");
    assert_eq!(log.matches("]: PF0401 pool web: saturated").count(), 1, "{log}");
    assert_eq!(log.matches("no longer saturated").count(), 1, "{log}");
    assert!(log.contains(&format!("{} were answered 503", CROWD - ROOM)), "{log}");
    assert!(log.contains(&format!(" s: {ROOM} waited at most, ")), "{log}");
    pool.end();
}

each! { exactly_max_queue_wait =>
    one_shot_connections_to_two_processes_with_a_worker_each: TWO_BY_ONE, How::OneShot;
    kept_connections_to_two_processes_with_a_worker_each: TWO_BY_ONE, How::Kept;
    multiplexed_connections_to_two_processes_with_a_worker_each: TWO_BY_ONE, How::Multiplexed;
    one_shot_connections_to_four_processes_with_four_workers_each: FOUR_BY_FOUR, How::OneShot;
    kept_connections_to_four_processes_with_four_workers_each: FOUR_BY_FOUR, How::Kept;
    multiplexed_connections_to_four_processes_with_four_workers_each: FOUR_BY_FOUR, How::Multiplexed;
    one_process_alone: ONE_BY_TWO, How::OneShot;
    multiplexed_connections_to_one_process_alone: ONE_BY_TWO, How::Multiplexed;
}

const ONE_BY_TWO: Shape = Shape { processes: 1, threads: 2 };
pub(crate) const CROWD: usize = 200;
pub(crate) const ROOM: usize = 50;

/// What begins no request is read at once: it takes no place, and is answered or ends its connection.
#[test]
fn what_is_no_request_does_not_wait() {
    for shape in [Shape { processes: 1, threads: 1 }, TWO_BY_ONE] {
        let mut pool = Pool::start(shape, "max-queue = 3\n");
        pool.occupy();
        let mut waiting = pool.send(How::OneShot, 2, 0.0);
        wait_until("both to wait", || pool.waiting() == 2);
        for _ in 0..5 {
            let mut peer = pool.connect();
            peer.send(b"GET / HTTP/1.0\r\n\r\n");
            peer.expect_closed();
            let mut peer = pool.connect();
            peer.send(&record(kind::GET_VALUES, 0, &pair(b"FCGI_MPXS_CONNS", b"")));
            assert_eq!(peer.management_record().kind, kind::GET_VALUES_RESULT);
            assert_eq!(pool.waiting(), 2);
        }
        // The last place is still there for a request.
        let mut last = pool.connect();
        last.send_request(1, true, &Params::get("/?9"), b"");
        wait_until("three to wait", || pool.waiting() == 3);
        waiting.expect_silence(Duration::from_millis(100));
        pool.open_gate();
        assert_eq!(tally(&waiting.finish()), [(200, 2)].into(), "log:\n{}", pool.log());
        last.answer(1).expect_status(200);
        pool.end();
    }
}
