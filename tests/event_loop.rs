//! The event loop and the workers with handlers in Rust: no Python anywhere. What a web server gets for what it sends when
//! answers are late, huge, broken or not read, and what the two threads' worth of state between them must never do.

#![allow(clippy::unwrap_used)]

#[path = "event_loop/aborts.rs"]
mod aborts;
#[path = "event_loop/answers.rs"]
mod answers;
#[path = "event_loop/backlog.rs"]
mod backlog;
#[path = "event_loop/connections.rs"]
mod connections;
#[path = "event_loop/fairness.rs"]
mod fairness;
#[path = "event_loop/handlers.rs"]
mod handlers;
#[path = "event_loop/limits.rs"]
mod limits;
#[path = "event_loop/listeners.rs"]
mod listeners;
#[path = "event_loop/multiplexing.rs"]
mod multiplexing;
#[path = "event_loop/random.rs"]
mod random;
#[path = "event_loop/server.rs"]
mod server;
#[path = "event_loop/stopping.rs"]
mod stopping;
#[path = "event_loop/stress.rs"]
mod stress;
#[path = "event_loop/unread.rs"]
mod unread;

/// The parts of the shared support that need no binary.
#[path = "support"]
#[allow(dead_code, unreachable_pub)]
mod support {
    pub mod answer;
    pub mod params;
    pub mod peer;
    pub mod record;
}

use server::{Options, Server};
use support::answer::Answer;
use support::params::Params;
use support::peer::Peer;

/// A server of the echo handler.
#[track_caller]
fn echo(options: Options) -> Server {
    Server::start(options, handlers::echo)
}

/// A POST with a cookie of its own.
fn post(cookie: &str, length: usize) -> Params {
    Params::post("/", length).add("HTTP_COOKIE", cookie)
}

/// What [`handlers::echo`] answers.
fn echoed(cookie: &str, body: &[u8]) -> Vec<u8> {
    [cookie.as_bytes(), b"|", body].concat()
}

/// A complete 200 with exactly this body.
#[track_caller]
fn expect_body(answer: Answer, body: &[u8]) {
    let answer = answer.expect_status(200);
    assert!(answer.body == body, "{} bytes instead of {}: {}", answer.body.len(), body.len(), answer.summary());
    assert!(answer.garbage.is_empty(), "{}", answer.summary());
}

/// Fails unless this connection still serves.
#[track_caller]
fn expect_usable(peer: &mut Peer) {
    expect_body(peer.request(&post("usable=1", 5), b"still"), b"usable=1|still");
}

/// No END_REQUEST, and the end of the connection.
#[track_caller]
fn expect_cut(answer: &Answer) {
    assert!(answer.closed && !answer.ended, "the answer looks complete: {}", answer.summary());
}
