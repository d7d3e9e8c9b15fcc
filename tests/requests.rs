//! What a web server gets for what it sends: FastCGI 1.0 and the rules that real web servers taught, shown by a raw peer.
//!
//! "Rule N" is the number in the list of rules that this product keeps for its peers.

#![allow(clippy::unwrap_used)]

#[path = "requests/abort.rs"]
mod abort;
#[path = "requests/body.rs"]
mod body;
#[path = "requests/closing.rs"]
mod closing;
#[path = "requests/fairness.rs"]
mod fairness;
#[path = "requests/large.rs"]
mod large;
#[path = "requests/management.rs"]
mod management;
#[path = "requests/multiplexing.rs"]
mod multiplexing;
#[path = "requests/params.rs"]
mod params;
#[path = "requests/refused.rs"]
mod refused;
#[path = "requests/roles.rs"]
mod roles;
#[path = "requests/statuses.rs"]
mod statuses;
#[path = "requests/stopping.rs"]
mod stopping;
mod support;

use support::{Answer, Params, Peer, Pyfcgid, app};

/// A server of the app that echoes its cookie and body.
#[track_caller]
fn echo(arguments: &[&str]) -> Pyfcgid {
    Pyfcgid::serve(app("echoes.py"), arguments)
}

/// A POST with a cookie of its own.
fn post(cookie: &str, length: usize) -> Params {
    Params::post("/", length).add("HTTP_COOKIE", cookie)
}

/// A POST whose length nobody knows.
fn post_unknown(cookie: &str) -> Params {
    post(cookie, 0).remove("CONTENT_LENGTH").remove("HTTP_CONTENT_LENGTH")
}

/// An answer that no web server can misunderstand: a head, a body and END_REQUEST (rule 6).
#[track_caller]
fn expect_complete(answer: Answer, status: u16) -> Answer {
    let answer = answer.expect_status(status);
    assert!(!answer.body.is_empty() && !answer.reason.is_empty(), "{}", answer.summary());
    assert_eq!(answer.head_names.last().map(String::as_str), Some("Status"), "Status is the last line of the head");
    answer
}

/// Fails unless this connection still serves.
#[track_caller]
fn expect_usable(peer: &mut Peer) {
    assert_eq!(peer.request(&post("usable=1", 5), b"still").expect_status(200).text(), "usable=1|still");
}

/// Fails when the app ran for this cookie. All requests are over, so its log lines are written.
#[track_caller]
fn expect_not_run(server: &Pyfcgid, cookie: &str) {
    server.connect().request(&post("marker=1", 0), b"").expect_status(200);
    let log = server.wait_for_log("the app ran for marker=1");
    assert!(!log.contains(&format!("the app ran for {cookie}")), "{log}");
}
