//! Requests that the web server gives up.

use connections::exchange::{Exchange, NothingHeld, Reply};

use crate::handlers::{self, Reports, cookie, echo as echo_handler, gated_echo, open, reports};
use crate::server::{Options, Server, wait_until};
use crate::support::record::{abort, begin, kind, record, request as whole_request, role, stream};
use crate::{expect_body, expect_usable, post};

/// Echoes, and reports each cookie before.
fn reporting_echo() -> (Reports<String>, impl Fn(Exchange) + Send + Sync + 'static) {
    let (report, ran) = reports();
    let handler = move |exchange: Exchange| {
        let _ = report.send(cookie(&exchange.request));
        echo_handler(exchange);
    };
    (ran, handler)
}

#[test]
fn abort_before_dispatch_drops_the_request_and_ends_it() {
    let (ran, handler) = reporting_echo();
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    let params = stream(kind::PARAMS, 1, &post("dropped=1", 10).encode());
    let beginnings = [
        begin(1, role::RESPONDER, true),
        [begin(1, role::RESPONDER, true), params.clone()].concat(),
        [begin(1, role::RESPONDER, true), params, record(kind::STDIN, 1, b"half")].concat(),
    ];
    for beginning in beginnings {
        peer.send(&[beginning, abort(1)].concat());
        let answer = peer.answer(1);
        assert!(answer.ended && !answer.stdout.is_empty(), "END_REQUEST needs STDOUT: {}", answer.summary());
    }
    expect_usable(&mut peer);
    assert_eq!(ran.next(), "usable=1");
    assert!(ran.is_empty());
}

#[test]
fn a_request_aborted_in_the_queue_is_ended_and_not_run() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("running=1", 0), b"");
    assert_eq!(gate.wait_started(), "running=1");
    peer.send_request(2, true, &post("queued=1", 0), b"");
    peer.send(&abort(2));
    peer.settle();
    peer.send_request(3, true, &post("behind=1", 0), b"");
    gate.pass_one();
    expect_body(peer.answer(1), b"running=1|");
    assert_eq!(gate.wait_started(), "behind=1", "the aborted request is not run");
    gate.pass_one();
    expect_body(peer.answer(3), b"behind=1|");
    assert!(peer.answer(2).ended);
}

/// A handler that runs until its request is aborted and then does `end`; reports what came of it.
fn until_aborted<T: Send + 'static>(
    end: impl Fn(Reply) -> T + Send + Sync + 'static,
) -> (Reports<()>, Reports<T>, impl Fn(Exchange) + Send + Sync + 'static) {
    let ((report, started), (result, ended)) = (reports(), reports());
    let handler = move |exchange: Exchange| {
        if cookie(&exchange.request) == "usable=1" {
            return echo_handler(exchange);
        }
        let _ = report.send(());
        wait_until("the abort to be seen", || exchange.reply.is_aborted());
        let _ = result.send(end(*exchange.reply));
    };
    (started, ended, handler)
}

#[test]
fn a_running_request_sees_its_abort_and_ends() {
    let (started, ended, handler) = until_aborted(drop);
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    for _ in 0..3 {
        peer.send_request(5, true, &post("running=1", 0), b"");
        started.next();
        peer.send(&abort(5));
        ended.next();
        assert!(peer.answer(5).ended);
        expect_usable(&mut peer);
    }
}

#[test]
fn an_aborted_request_cannot_send_more_of_its_body() {
    let (started, ended, handler) = until_aborted(|mut reply| {
        open(&mut reply);
        reply.write(b"nobody reads this", &NothingHeld).map_err(|error| error.to_string())
    });
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(5, true, &post("running=1", 0), b"");
    started.next();
    peer.send(&abort(5));
    assert!(ended.next().is_err());
    assert!(peer.answer(5).ended);
    expect_usable(&mut peer);
}

#[test]
fn abort_in_the_middle_of_a_body_ends_the_request_and_keeps_the_connection() {
    let (begun, seen) = reports();
    let handler = move |exchange: Exchange| {
        if cookie(&exchange.request) == "usable=1" {
            return echo_handler(exchange);
        }
        let Exchange { mut reply, .. } = exchange;
        open(&mut reply);
        reply.write(b"the first half", &NothingHeld).unwrap();
        let _ = begun.send(());
        wait_until("the abort to be seen", || reply.write(b".", &NothingHeld).is_err());
    };
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("streams=1", 0), b"");
    seen.next();
    peer.send(&abort(1));
    assert!(peer.answer(1).ended);
    expect_usable(&mut peer);
}

#[test]
fn an_abort_says_nothing_about_the_other_requests_on_the_connection() {
    let (gate, wait) = handlers::gate();
    let (result, aborted) = reports();
    let handler = move |exchange: Exchange| {
        wait(cookie(&exchange.request));
        let _ = result.send((cookie(&exchange.request), exchange.reply.is_aborted()));
        echo_handler(exchange);
    };
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("a=1", 0), b"");
    peer.send_request(2, true, &post("b=1", 0), b"");
    gate.wait_started();
    gate.wait_started();
    peer.send(&abort(2));
    peer.settle();
    gate.pass_one();
    gate.pass_one();
    let mut seen = [aborted.next(), aborted.next()];
    seen.sort();
    assert_eq!(seen, [("a=1".to_owned(), false), ("b=1".to_owned(), true)]);
    expect_body(peer.answer(1), b"a=1|");
}

/// Otherwise the next request of this id would be born aborted.
#[test]
fn an_abort_that_crosses_the_answer_does_not_abort_the_next_request_of_its_id() {
    let (seen, aborted) = reports();
    let handler = move |exchange: Exchange| {
        let _ = seen.send(exchange.reply.is_aborted());
        echo_handler(exchange);
    };
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    for _ in 0..500 {
        peer.send_request(1, true, &post("crossed=1", 0), b"");
        peer.send(&abort(1));
        assert!(peer.answer(1).ended);
        while !aborted.is_empty() {
            aborted.next();
        }
        expect_usable(&mut peer);
        assert!(!aborted.next(), "born aborted");
    }
}

#[test]
fn abort_of_an_unknown_id_is_ignored() {
    let (ran, handler) = reporting_echo();
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    peer.send(&[abort(1), abort(77)].concat());
    expect_usable(&mut peer);
    assert_eq!(ran.next(), "usable=1");
}

#[test]
fn a_peer_that_closes_is_seen_by_the_running_request() {
    let (started, ended, handler) = until_aborted(|mut reply| {
        open(&mut reply);
        reply.end(&[b"nobody"], &NothingHeld).is_err()
    });
    let server = Server::start(Options::default().workers(1), handler);
    for address in server.addresses() {
        let mut peer = crate::Peer::connect(address);
        peer.send_request(1, true, &post("left=1", 0), b"");
        started.next();
        drop(peer);
        assert!(ended.next(), "an answer went to a peer that has left");
    }
    expect_usable(&mut server.connect());
}

#[test]
fn requests_of_a_peer_that_has_left_are_not_run() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut stays = server.connect();
    stays.send_request(1, true, &post("running=1", 0), b"");
    gate.wait_started();
    let mut leaves = server.connect();
    // At once: with one alone, and nobody who has time, the connection would be put on the line.
    let requests: Vec<_> = (1..=5).flat_map(|id| whole_request(id, true, &post("left=1", 0).encode(), b"")).collect();
    leaves.send(&requests);
    leaves.settle();
    drop(leaves);
    // The loop hears of the close in the same turn as of this, which was sent after it, or before; so the second is behind it.
    stays.settle();
    stays.settle();
    stays.send_request(2, true, &post("behind=1", 0), b"");
    gate.pass_one();
    expect_body(stays.answer(1), b"running=1|");
    assert_eq!(gate.wait_started(), "behind=1");
    gate.pass_one();
    expect_body(stays.answer(2), b"behind=1|");
}
