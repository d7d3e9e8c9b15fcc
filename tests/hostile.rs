//! Bad input, bad peers and bad places: everything is answered or closed, and nobody else notices.

#![allow(clippy::unwrap_used)]

#[path = "hostile/attack.rs"]
mod attack;
#[path = "hostile/disk.rs"]
mod disk;
#[path = "hostile/listening.rs"]
mod listening;
#[path = "hostile/passage.rs"]
mod passage;
#[path = "hostile/peers.rs"]
mod peers;
#[path = "supervisor/site.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod site;
#[path = "hostile/streams.rs"]
mod streams;
mod support;
#[path = "hostile/uploads.rs"]
mod uploads;
#[path = "hostile/usage.rs"]
mod usage;

use support::{Params, Pyfcgid, app};

/// A server of the app that echoes its cookie and body.
#[track_caller]
fn echo(arguments: &[&str]) -> Pyfcgid {
    Pyfcgid::serve(app("echoes.py"), arguments)
}

/// A POST with a cookie of its own.
fn post(cookie: &str, length: usize) -> Params {
    Params::post("/", length).add("HTTP_COOKIE", cookie)
}

/// Fails unless another connection is served.
#[track_caller]
fn expect_serves(server: &mut Pyfcgid) {
    let answer = server.connect().last_request(&post("other=1", 5), b"still").expect_status(200);
    assert_eq!(answer.text(), "other=1|still");
    server.expect_running();
}

/// What was logged since `before`, without the app's own lines.
fn new_lines(log: &str, before: &str) -> Vec<String> {
    log[before.len()..].lines().filter(|line| !line.contains("the app ran")).map(str::to_owned).collect()
}
