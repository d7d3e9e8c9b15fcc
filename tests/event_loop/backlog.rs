//! Connections that wait to be accepted.

use crate::handlers::{echo, gated_echo};
use crate::server::{Options, Prepared};
use crate::support::peer::Peer;
use crate::{echoed, expect_body, post};

/// Connections that have sent a one-shot request each, before anybody serves.
fn waiting(prepared: &Prepared, count: usize) -> Vec<Peer> {
    let send = |number| {
        let mut peer = prepared.connect();
        peer.send_request(1, false, &post(&format!("w={number}"), 0), b"");
        peer
    };
    (0..count).map(send).collect()
}

#[track_caller]
fn expect_all_served(waiting: Vec<Peer>) {
    for (number, mut peer) in waiting.into_iter().enumerate() {
        expect_body(peer.answer(1), &echoed(&format!("w={number}"), b""));
    }
}

#[test]
fn connections_that_came_before_the_start_are_served() {
    let prepared = Prepared::new(&Options::default(), echo);
    let waiting = waiting(&prepared, 50);
    let _server = prepared.serve();
    expect_all_served(waiting);
}

#[test]
fn more_connections_than_allowed_that_came_before_the_start_are_all_served() {
    let prepared = Prepared::new(&Options::default().with(|settings| settings.max_connections = 3), echo);
    let waiting = waiting(&prepared, 50);
    let _server = prepared.serve();
    expect_all_served(waiting);
}

/// What waits in the backlog was sent before the stop.
#[test]
fn connections_in_the_backlog_are_served_before_a_graceful_stop() {
    let mut prepared = Prepared::new(&Options::default(), echo);
    let waiting = waiting(&prepared, 50);
    prepared.stop_gracefully();
    let mut server = prepared.serve();
    expect_all_served(waiting);
    assert_eq!(server.wait_stopped().abandoned, 0);
}

#[test]
fn connections_above_the_limit_are_served_before_a_graceful_stop() {
    let (gate, handler) = gated_echo();
    let options = Options::default().workers(1).with(|settings| settings.max_connections = 2);
    let mut prepared = Prepared::new(&options, handler);
    let waiting = waiting(&prepared, 5);
    prepared.stop_gracefully();
    let mut server = prepared.serve();
    (0..5).for_each(|_| gate.pass_one());
    expect_all_served(waiting);
    assert_eq!(server.wait_stopped().abandoned, 0);
}
