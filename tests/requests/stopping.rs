//! What holds up a stop and what does not.

use std::fs;
use std::time::Duration;

use crate::support::process::wait_until;
use crate::support::record::{begin, kind, role, stream};
use crate::support::{Params, Peer, Pyfcgid, app};
use crate::{echo, expect_usable, post};

/// Well below the default of `graceful-timeout`.
const SOON: Duration = Duration::from_secs(10);

#[track_caller]
fn expect_soon(server: &mut Pyfcgid) {
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(SOON).code(), Some(0), "{}", server.log());
}

/// A request that waits for a file.
fn waiting(server: &Pyfcgid, cookie: &str) -> Peer {
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", gate.display())).add("HTTP_COOKIE", cookie), b"");
    server.wait_for_log(&format!("the app ran for {cookie}"));
    peer
}

#[test]
fn kept_connections_without_a_request_do_not_hold_up_the_stop() {
    let mut server = echo(&[]);
    let mut peers: Vec<Peer> = (0..5).map(|_| server.connect()).collect();
    for peer in &mut peers {
        expect_usable(peer);
    }
    expect_soon(&mut server);
    for peer in &mut peers {
        peer.expect_closed();
    }
}

#[test]
fn a_request_that_never_becomes_complete_holds_up_the_stop_for_graceful_timeout_at_most() {
    let mut server = echo(&["--graceful-timeout", "500ms"]);
    let mut peer = server.connect();
    peer.send(&begin(1, role::RESPONDER, true));
    expect_soon(&mut server);
}

#[test]
fn a_request_that_never_ends_holds_up_the_stop_for_graceful_timeout_at_most() {
    let mut server = echo(&["--graceful-timeout", "500ms"]);
    let mut peer = waiting(&server, "endless=1");
    server.signal("TERM");
    server.wait_for_exit(SOON);
    assert!(server.log().contains("requests still running, perhaps for nobody: 1; skipping the application's exit handlers"));
    assert!(!server.socket().exists());
    let answer = peer.answer(1);
    assert!(answer.closed || answer.status >= 500, "{}", answer.summary());
}

#[test]
fn a_peer_that_never_reads_holds_up_the_stop_for_graceful_timeout_at_most() {
    let mut server = Pyfcgid::serve(app("sends_much.py"), &["--graceful-timeout", "500ms"]);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/100"), b"");
    peer.wait_for_stdout(1, "0000000");
    server.signal("TERM");
    server.wait_for_exit(SOON);
}

/// What the log says of requests after a stop, without the number of their connection.
fn unanswered(log: &str) -> Vec<&str> {
    log.lines().filter_map(|line| Some(line.split_once("a request on connection ")?.1.split_once(' ')?.1)).collect()
}

#[test]
fn requests_that_a_stop_leaves_unanswered_are_named_and_those_that_wait_get_503() {
    let mut server = echo(&["--threads", "1", "--graceful-timeout", "500ms"]);
    let mut peer = waiting(&server, "endless=1");
    peer.send_request(2, true, &post("queued=1", 0), b"");
    peer.send(&[begin(3, role::RESPONDER, true), stream(kind::PARAMS, 3, &post("cut=1", 9).encode())].concat());
    peer.send(&begin(4, role::RESPONDER, true));
    peer.settle();
    server.signal("TERM");
    server.wait_for_exit(SOON);
    peer.answer(2).expect_status(503);
    let log = server.log();
    assert!(log.contains("stopping; unanswered requests: 3\n"), "{log}");
    let running = format!("(GET /?{}) was not answered: graceful-timeout is over", server.directory().join("gate").display());
    let posted = "(POST /) was not answered: graceful-timeout is over";
    assert_eq!(unanswered(&log), [running.as_str(), posted, "was not answered: graceful-timeout is over"], "{log}");
}

#[test]
fn of_many_requests_that_a_stop_leaves_unanswered_some_are_named() {
    let mut server = echo(&["--threads", "1"]);
    let mut peer = waiting(&server, "endless=1");
    for id in 2..=20 {
        peer.send(&[begin(id, role::RESPONDER, true), stream(kind::PARAMS, id, &post("cut=1", 9).encode())].concat());
    }
    peer.settle();
    server.signal("INT");
    server.wait_for_exit(SOON);
    let log = server.log();
    assert!(log.contains("stopping; unanswered requests: 20\n"), "{log}");
    let named = unanswered(&log);
    assert_eq!(named.len(), 8, "{log}");
    assert!(named.iter().all(|line| line.ends_with(") was not answered: pyfcgid was told to stop at once")), "{named:?}");
}

#[test]
fn requests_in_the_queue_are_answered_before_the_stop() {
    let mut server = echo(&["--threads", "1"]);
    let mut peer = waiting(&server, "first=1");
    for id in 2..=5 {
        peer.send_request(id, true, &post(&format!("queued={id}"), 0), b"");
    }
    server.signal("TERM");
    wait_until("the server to stop accepting", || Peer::try_connect(&server.address()).is_err());
    fs::write(server.directory().join("gate"), "").unwrap();
    peer.answer(1).expect_status(200);
    for id in 2..=5 {
        assert_eq!(peer.answer(id).expect_status(200).text(), format!("queued={id}|"));
    }
    peer.expect_closed();
    assert_eq!(server.wait_for_exit(SOON).code(), Some(0), "{}", server.log());
}

/// The connection is accepted, so its request is not lost: web servers do not send a POST again.
#[test]
fn a_kept_connection_is_half_closed_only_after_its_running_request() {
    let mut server = echo(&[]);
    let mut peer = waiting(&server, "running=1");
    server.signal("TERM");
    wait_until("the server to stop accepting", || Peer::try_connect(&server.address()).is_err());
    assert!(peer.is_silent_for(Duration::from_millis(300)), "closed before the answer");
    fs::write(server.directory().join("gate"), "").unwrap();
    assert_eq!(peer.answer(1).expect_status(200).text(), "running=1|");
    peer.expect_closed();
    assert_eq!(server.wait_for_exit(SOON).code(), Some(0), "{}", server.log());
}
