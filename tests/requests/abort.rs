//! ABORT_REQUEST (FastCGI 1.0 §5.4) and rule 23.

use std::fs;

use crate::support::record::{abort, begin, record, role, stream};
use crate::support::{Params, kind};
use crate::{echo, expect_complete, expect_not_run, expect_usable, post};

/// HAProxy sends nothing else for `OPTIONS *`.
#[test]
fn begin_and_abort_alone_are_answered() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, true), abort(1)].concat());
    expect_complete(peer.answer(1), 499);
    expect_usable(&mut peer);
}

#[test]
fn abort_while_params_are_read_ends_the_request() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, true), record(kind::PARAMS, 1, &post("aborted=1", 0).encode()), abort(1)].concat());
    expect_complete(peer.answer(1), 499);
    expect_usable(&mut peer);
    expect_not_run(&server, "aborted=1");
}

#[test]
fn abort_while_the_body_is_read_ends_the_request() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let params = stream(kind::PARAMS, 1, &post("aborted=1", 10).encode());
    peer.send(&[begin(1, role::RESPONDER, true), params, record(kind::STDIN, 1, b"12345"), abort(1)].concat());
    expect_complete(peer.answer(1), 499);
    expect_usable(&mut peer);
    expect_not_run(&server, "aborted=1");
}

#[test]
fn what_still_comes_of_an_aborted_request_is_ignored() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let params = stream(kind::PARAMS, 1, &post("aborted=1", 10).encode());
    peer.send(&[begin(1, role::RESPONDER, true), params, abort(1), stream(kind::STDIN, 1, b"1234567890")].concat());
    expect_complete(peer.answer(1), 499);
    expect_usable(&mut peer);
    expect_not_run(&server, "aborted=1");
}

#[test]
fn abort_while_the_request_waits_for_a_worker_drops_it() {
    let server = echo(&["--threads", "1", "--max-queue", "10"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", gate.display())).add("HTTP_COOKIE", "first=1"), b"");
    server.wait_for_log("the app ran for first=1");
    peer.send_request(2, true, &post("aborted=1", 0), b"");
    peer.send(&abort(2));
    peer.settle();
    fs::write(gate, "").unwrap();
    peer.answer(1).expect_status(200);
    expect_complete(peer.answer(2), 499);
    expect_usable(&mut peer);
    expect_not_run(&server, "aborted=1");
}

/// The app may ignore it; the answer still ends, and with it the request.
#[test]
fn abort_while_the_app_runs_still_ends_with_end_request() {
    let server = echo(&["--threads", "1"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", gate.display())).add("HTTP_COOKIE", "running=1"), b"");
    server.wait_for_log("the app ran for running=1");
    peer.send(&abort(1));
    fs::write(gate, "").unwrap();
    let answer = peer.answer(1);
    assert!(answer.ended && answer.status != 0, "{}", answer.summary());
    expect_usable(&mut peer);
}

#[test]
fn aborted_requests_end_at_once_if_they_are_interrupted_and_the_others_run_on() {
    let server = echo(&["--threads", "4", "--abort", "raise"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    for id in 1..=4 {
        let params = Params::get(&format!("/?{}", gate.display())).add("HTTP_COOKIE", format!("id={id}"));
        peer.send_request(id, true, &params, b"");
        server.wait_for_log(&format!("the app ran for id={id}"));
    }
    peer.send(&[abort(1), abort(3)].concat());
    for id in [1, 3] {
        expect_complete(peer.answer(id), 499);
    }
    expect_usable(&mut peer);
    fs::write(gate, "").unwrap();
    for id in [2, 4] {
        assert_eq!(peer.answer(id).expect_status(200).text(), format!("id={id}|"));
    }
}

#[test]
fn abort_of_a_request_that_does_not_exist_is_ignored() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&abort(9));
    expect_usable(&mut peer);
    peer.send(&abort(1));
    expect_usable(&mut peer);
}

#[test]
fn abort_without_keep_conn_ends_the_connection() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, false), abort(1)].concat());
    expect_complete(peer.answer(1), 499);
    peer.expect_closed();
}

#[test]
fn abort_of_one_request_leaves_the_others_alone() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let params = post("kept=1", 5).encode();
    peer.send(&[begin(1, role::RESPONDER, true), begin(2, role::RESPONDER, true), stream(kind::PARAMS, 2, &params)].concat());
    peer.send(&[abort(1), stream(kind::STDIN, 2, b"12345")].concat());
    assert_eq!(peer.answer(2).expect_status(200).text(), "kept=1|12345");
    expect_complete(peer.answer(1), 499);
}
