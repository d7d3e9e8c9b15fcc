//! Who is told of an abort, without asking.

use std::sync::Arc;

use connections::exchange::{AbortListener, Exchange, NothingHeld};
use crossbeam_channel::Sender;

use crate::handlers::{self, Gate, Reports, cookie, echo, open, reports};
use crate::server::{Options, Server};
use crate::support::record::abort;
use crate::{expect_body, expect_usable, post};

#[derive(Debug)]
struct Listener {
    cookie: String,
    tell: Sender<String>,
}

impl AbortListener for Listener {
    fn aborted(&self) {
        // A test that has failed does not listen any more.
        let _ = self.tell.send(self.cookie.clone());
    }
}

/// Listens, waits at the gate and echoes; `late=1` waits before it listens, `broken=1` breaks off in the middle.
fn listening() -> (Gate, Reports<String>, impl Fn(Exchange) + Send + Sync + 'static) {
    let (gate, wait) = handlers::gate();
    let (tell, told) = reports();
    let handler = move |mut exchange: Exchange| {
        let cookie = cookie(&exchange.request);
        if cookie == "usable=1" {
            return echo(exchange);
        }
        let listener = Arc::new(Listener { cookie: cookie.clone(), tell: tell.clone() });
        if cookie == "late=1" {
            wait(cookie);
            exchange.reply.on_abort(listener);
            return echo(exchange);
        }
        exchange.reply.on_abort(listener);
        if cookie == "broken=1" {
            open(&mut exchange.reply);
            return drop(exchange.reply.write(b"half", &NothingHeld));
        }
        wait(cookie);
        echo(exchange);
    };
    (gate, told, handler)
}

#[test]
fn a_listener_is_told_once_and_of_its_own_request() {
    let (gate, told, handler) = listening();
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    for (id, cookie) in [(1, "a=1"), (2, "b=1")] {
        peer.send_request(id, true, &post(cookie, 0), b"");
        gate.wait_started();
    }
    peer.send(&[abort(2), abort(2)].concat());
    assert_eq!(told.next(), "b=1");
    peer.settle();
    assert!(told.is_empty());
    drop(peer);
    assert_eq!(told.next(), "a=1", "closing gives up what is left");
    server.connect().settle();
    assert!(told.is_empty());
    drop(gate);
}

#[test]
fn a_listener_that_comes_late_is_told_at_once() {
    let (gate, told, handler) = listening();
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("late=1", 0), b"");
    gate.wait_started();
    peer.send(&abort(1));
    peer.settle();
    assert!(told.is_empty());
    gate.pass_one();
    assert_eq!(told.next(), "late=1");
    assert!(peer.answer(1).ended);
    expect_usable(&mut peer);
}

#[test]
fn nobody_is_told_of_a_request_that_has_ended() {
    let (gate, told, handler) = listening();
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    for _ in 0..3 {
        gate.pass_one();
        peer.send_request(1, true, &post("ended=1", 0), b"");
        expect_body(peer.answer(1), b"ended=1|");
        peer.send(&abort(1));
        expect_usable(&mut peer);
    }
    drop(peer);
    let mut other = server.connect();
    other.settle();
    other.settle();
    assert!(told.is_empty());
}

#[test]
fn a_connection_that_is_cut_gives_up_the_other_requests_on_it() {
    let (gate, told, handler) = listening();
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("beside=1", 0), b"");
    gate.wait_started();
    peer.send_request(2, true, &post("broken=1", 0), b"");
    assert_eq!(told.next(), "beside=1");
    peer.drain();
    assert!(told.is_empty(), "who broke off is not told");
    drop(gate);
}
