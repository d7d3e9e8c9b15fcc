//! The end: graceful, too late, and at once.

use std::time::{Duration, Instant};

use connections::exchange::Exchange;

use crate::handlers::{Gate, answer, gate, gated_echo, reports};
use crate::random::pattern;
use crate::server::{Options, Server, wait_until};
use crate::support::peer::{Address, Peer};
use crate::support::record;
use crate::{echo, expect_body, expect_cut, expect_usable, post};

const SHORT: Duration = Duration::from_millis(300);

/// A server with one worker, which answers request 1 of the peer when the gate lets it.
fn running() -> (Server, Peer, Gate) {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("running=1", 0), b"");
    gate.wait_started();
    (server, peer, gate)
}

/// Waits until new connections are refused.
fn wait_until_it_stops(server: &Server) {
    wait_until("new connections to be refused", || {
        server.addresses().iter().all(|address| Peer::try_connect(address).is_err())
    });
}

#[test]
fn a_graceful_stop_answers_what_runs_and_what_is_queued() {
    let (mut server, mut peer, gate) = running();
    let mut other = server.connect();
    other.send_request(1, true, &post("queued=1", 0), b"");
    wait_until("the other one to wait", || server.waiting() == 1);
    server.stop_gracefully();
    gate.pass_one();
    gate.pass_one();
    expect_body(peer.answer(1), b"running=1|");
    peer.expect_closed();
    expect_body(other.answer(1), b"queued=1|");
    other.expect_closed();
    assert_eq!(server.wait_stopped().abandoned, 0);
    server.wait_workers();
}

#[test]
fn a_graceful_stop_closes_kept_connections_that_are_idle_and_returns_at_once() {
    let mut server = echo(Options::default());
    let mut idle = server.connect();
    expect_usable(&mut idle);
    let mut silent = server.connect();
    silent.settle();
    let started = Instant::now();
    server.stop_gracefully();
    assert_eq!(server.wait_stopped().abandoned, 0);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    idle.expect_closed();
    silent.expect_closed();
}

#[test]
fn a_graceful_stop_refuses_new_connections_while_it_finishes_the_old() {
    let (mut server, mut peer, gate) = running();
    server.stop_gracefully();
    wait_until_it_stops(&server);
    gate.pass_one();
    expect_body(peer.answer(1), b"running=1|");
    assert_eq!(server.wait_stopped().abandoned, 0);
}

#[test]
fn a_request_that_had_begun_is_taken_to_its_end_during_a_graceful_stop() {
    let (mut server, mut peer, gate) = running();
    let whole = record::request(2, true, &post("begun=1", 4).encode(), b"body");
    let (first, rest) = whole.split_at(whole.len() - 20);
    peer.send(first);
    peer.settle();
    server.stop_gracefully();
    gate.pass_one();
    expect_body(peer.answer(1), b"running=1|");
    peer.send(rest);
    gate.pass_one();
    expect_body(peer.answer(2), b"begun=1|body");
    peer.expect_closed();
    assert_eq!(server.wait_stopped().abandoned, 0);
}

/// It could not know of the stop.
#[test]
fn who_has_connected_before_a_graceful_stop_may_send_its_request_after_it() {
    let mut server = echo(Options::default());
    let mut late: Vec<_> = server.addresses().into_iter().map(Peer::connect).collect();
    server.stop_gracefully();
    wait_until_it_stops(&server);
    for peer in &mut late {
        expect_body(peer.request(&post("late=1", 4), b"body"), b"late=1|body");
    }
    late.iter_mut().for_each(Peer::expect_closed);
    assert_eq!(server.wait_stopped().abandoned, 0);
}

/// Otherwise a web server that multiplexes could keep the process from ending.
#[test]
fn a_request_that_begins_beside_others_during_a_graceful_stop_is_refused() {
    let (mut server, mut peer, gate) = running();
    server.stop_gracefully();
    wait_until_it_stops(&server);
    peer.settle();
    peer.settle();
    for id in 2..5 {
        peer.send_request(id, true, &post("late=1", 4), b"body");
        let refused = peer.answer(id).expect_status(503);
        assert_eq!((refused.header("Retry-After").as_deref(), refused.ended), (Some("1"), true));
    }
    gate.pass_one();
    expect_body(peer.answer(1), b"running=1|");
    peer.expect_closed();
    assert_eq!(server.wait_stopped().abandoned, 0);
    server.wait_workers();
}

/// Whichever of the two the loop hears of first.
#[test]
fn requests_in_the_socket_of_an_idle_connection_are_answered_before_a_graceful_stop() {
    for _ in 0..100 {
        let mut server = echo(Options::default());
        let mut peer = server.connect();
        expect_usable(&mut peer);
        let requests: Vec<u8> =
            (1..=20).flat_map(|id| record::request(id, true, &post("sent=1", 4).encode(), b"body")).collect();
        peer.send(&requests);
        server.stop_gracefully();
        for id in 1..=20 {
            expect_body(peer.answer(id), b"sent=1|body");
        }
        peer.expect_closed();
        assert_eq!(server.wait_stopped().abandoned, 0);
    }
}

#[test]
fn a_large_answer_is_sent_to_its_end_during_a_graceful_stop() {
    let body = pattern(5, 3_000_000);
    for socket in 0..3 {
        let (sent, (gate, wait)) = (body.clone(), gate());
        let handler = move |mut exchange: Exchange| {
            wait(String::new());
            answer(&mut exchange.reply, &sent).unwrap();
        };
        let mut server = Server::start(Options::default(), handler);
        let mut peer = Peer::connect(server.addresses()[socket].clone());
        peer.send_request(1, true, &post("large=1", 0), b"");
        gate.wait_started();
        server.stop_gracefully();
        gate.pass_one();
        expect_body(peer.answer(1), &body);
        assert_eq!(server.wait_stopped().abandoned, 0);
    }
}

/// The request has ended as far as its worker goes, but not as far as its peer does.
#[test]
fn an_answer_that_waits_for_its_reader_is_sent_to_its_end_during_a_graceful_stop() {
    let body = pattern(8, 400_000);
    let (sent, (report, finished)) = (body.clone(), reports());
    let handler = move |mut exchange: Exchange| {
        answer(&mut exchange.reply, &sent).unwrap();
        let _ = report.send(());
    };
    let mut server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("unread=1", 0), b"");
    finished.next();
    server.stop_gracefully();
    let address = server.unix();
    wait_until("the stop to begin", || Peer::try_connect(&address).is_err());
    expect_body(peer.answer(1), &body);
    peer.expect_closed();
    assert_eq!(server.wait_stopped().abandoned, 0);
}

#[test]
fn a_graceful_stop_ends_at_its_deadline_counts_what_it_leaves_and_refuses_what_no_worker_had_begun() {
    let (gate, handler) = gated_echo();
    let options = Options::default().workers(1).with(|settings| settings.graceful_timeout = SHORT);
    let mut server = Server::start(options, handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("running=1", 0), b"");
    gate.wait_started();
    peer.send_request(2, true, &post("queued=1", 0), b"");
    peer.settle();
    let started = Instant::now();
    server.stop_gracefully();
    assert_eq!(server.wait_stopped().abandoned, 1);
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    peer.answer(2).expect_status(503);
    expect_cut(&peer.answer(1));
    drop(gate);
    server.wait_workers();
}

#[test]
fn a_stop_at_once_does_not_wait_for_what_runs() {
    let (mut server, mut peer, gate) = running();
    let started = Instant::now();
    server.stop_now();
    assert_eq!(server.wait_stopped().abandoned, 1);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    expect_cut(&peer.answer(1));
    gate.pass_one();
    server.wait_workers();
}

#[test]
fn a_stop_at_once_cuts_a_graceful_stop_short() {
    let (mut server, mut peer, gate) = running();
    server.stop_gracefully();
    server.stop_gracefully();
    server.stop_now();
    assert_eq!(server.wait_stopped().abandoned, 1);
    gate.pass_one();
    expect_cut(&peer.answer(1));
}

#[test]
fn a_stop_removes_the_file_of_the_unix_socket() {
    let mut server = echo(Options::default());
    let address = server.unix();
    expect_usable(&mut server.connect());
    server.stop_gracefully();
    server.wait_stopped();
    let Address::Unix(path) = address else { panic!("a Unix socket") };
    assert!(!path.exists());
}

/// The end of the loop closes the queue, and each worker ends with it, waiting or not.
#[test]
fn workers_end_when_the_loop_has_ended() {
    let mut server = echo(Options::default().workers(5));
    expect_usable(&mut server.connect());
    server.stop_gracefully();
    server.wait_stopped();
    server.wait_workers();
}
