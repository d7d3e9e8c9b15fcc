//! What is refused, and how: rules 6 and 9.

use std::fs;

use crate::support::process::wait_until;
use crate::support::record::{begin, protocol_status, raw_record, record, request, role, stream};
use crate::support::{Answer, Params, Peer, Pyfcgid, kind};
use crate::{echo, expect_complete, expect_not_run, expect_usable, post};

/// A lighttpd authorizer grants access when there is no STDOUT, so the refusal is a whole answer.
#[track_caller]
fn expect_unknown_role(answer: Answer) {
    let answer = expect_complete(answer, 403);
    assert_eq!(answer.protocol_status, Some(protocol_status::UNKNOWN_ROLE));
}

fn with_role(role: u16, cookie: &str) -> Vec<u8> {
    [begin(1, role, true), stream(kind::PARAMS, 1, &post(cookie, 0).encode())].concat()
}

#[test]
fn an_unknown_role_is_refused_with_a_whole_answer() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for role in [0, 4, 9, 65_535] {
        peer.send(&[with_role(role, "role=1"), record(kind::STDIN, 1, b"")].concat());
        expect_unknown_role(peer.answer(1));
        expect_usable(&mut peer);
    }
    expect_not_run(&server, "role=1");
}

/// An authorizer gets no STDIN at all from Apache.
#[test]
fn an_authorizer_that_nobody_asked_for_is_refused() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&with_role(role::AUTHORIZER, "authorizer=1"));
    expect_unknown_role(peer.answer(1));
    expect_usable(&mut peer);
    expect_not_run(&server, "authorizer=1");
}

#[test]
fn a_filter_is_refused() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let input = [stream(kind::STDIN, 1, b"x"), stream(kind::DATA, 1, b"the file")].concat();
    peer.send(&[with_role(role::FILTER, "filter=1"), input].concat());
    expect_unknown_role(peer.answer(1));
    expect_usable(&mut peer);
    expect_not_run(&server, "filter=1");
}

#[test]
fn an_unknown_role_without_keep_conn_ends_the_connection() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&[begin(1, 9, false), stream(kind::PARAMS, 1, b""), record(kind::STDIN, 1, b"")].concat());
    expect_unknown_role(peer.answer(1));
    peer.expect_closed();
}

/// What follows in the same connection is never read as FastCGI again.
#[track_caller]
fn expect_closed_with_one_line(server: &Pyfcgid, bytes: &[u8]) -> String {
    let before = server.wait_for_log("PF0101 ready");
    let mut peer = server.connect();
    let _ = peer.try_send(bytes);
    peer.expect_closed();
    expect_usable(&mut server.connect());
    // Lines come in order, but a moment later: that of the request just made is behind all that this peer has caused.
    let is_from_app = |line: &str| line.contains("the app ran");
    let log = server.wait_for_log_that("a new line, and then one of the app", |log| {
        let mut new = log.lines().skip(before.lines().count());
        new.any(|line| !is_from_app(line)) && new.any(is_from_app)
    });
    let new: Vec<&str> = log.lines().skip(before.lines().count()).filter(|line| !is_from_app(line)).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    new[0].to_owned()
}

/// Rule 9.
#[test]
fn a_record_of_another_version_ends_the_connection_with_one_log_line() {
    let server = echo(&[]);
    for version in [0, 2, 255] {
        let line =
            expect_closed_with_one_line(&server, &raw_record(version, kind::BEGIN_REQUEST, 1, 8, &[0, 1, 1, 0, 0, 0, 0, 0], 0));
        assert!(line.contains(&version.to_string()), "{line}");
        assert!(line.to_lowercase().contains("warn"), "{line}");
    }
}

#[test]
fn a_record_of_another_version_behind_a_request_ends_the_connection() {
    let server = echo(&[]);
    let mut peer = server.connect();
    expect_usable(&mut peer);
    peer.send(&raw_record(2, kind::BEGIN_REQUEST, 1, 8, &[0, 1, 1, 0, 0, 0, 0, 0], 0));
    peer.expect_closed();
    expect_usable(&mut server.connect());
}

#[test]
fn http_instead_of_fastcgi_ends_the_connection_with_one_log_line() {
    let server = echo(&[]);
    expect_closed_with_one_line(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

#[test]
fn records_in_an_illegal_order_end_the_connection_with_one_log_line() {
    let server = echo(&[]);
    let start = begin(1, role::RESPONDER, true);
    let params = post("order=1", 0).encode();
    let ended = [start.clone(), stream(kind::PARAMS, 1, &post("order=1", 9).encode())].concat();
    let cases: [(&str, Vec<u8>); 11] = [
        ("BEGIN_REQUEST twice", [start.clone(), start.clone()].concat()),
        ("STDIN before the end of PARAMS", [start.clone(), record(kind::STDIN, 1, b"x")].concat()),
        ("DATA for a responder", [start.clone(), record(kind::DATA, 1, b"x")].concat()),
        ("PARAMS after their end", [ended, record(kind::PARAMS, 1, &params)].concat()),
        ("BEGIN_REQUEST with id 0", begin(0, role::RESPONDER, true)),
        ("a short BEGIN_REQUEST", record(kind::BEGIN_REQUEST, 1, &[0, 1, 1])),
        ("a long BEGIN_REQUEST", record(kind::BEGIN_REQUEST, 1, &[0, 1, 1, 0, 0, 0, 0, 0, 0])),
        ("STDOUT from a web server", record(kind::STDOUT, 1, b"x")),
        ("STDERR from a web server", record(kind::STDERR, 1, b"x")),
        ("END_REQUEST from a web server", record(kind::END_REQUEST, 1, &[0; 8])),
        ("GET_VALUES with an id", record(kind::GET_VALUES, 5, b"")),
    ];
    for (fault, bytes) in cases {
        println!("{fault}");
        expect_closed_with_one_line(&server, &bytes);
    }
    expect_not_run(&server, "order=1");
}

#[test]
fn records_of_a_request_that_was_never_begun_are_ignored() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&[stream(kind::PARAMS, 8, &post("never=1", 0).encode()), stream(kind::STDIN, 8, b"x")].concat());
    expect_usable(&mut peer);
    expect_not_run(&server, "never=1");
}

/// A worker that is busy and a queue that is full.
#[track_caller]
fn fill(server: &Pyfcgid, peer: &mut Peer) {
    let gate = server.directory().join("gate");
    let waiting = Params::get(&format!("/?{}", gate.display()));
    peer.send_request(1, true, &waiting.clone().add("HTTP_COOKIE", "running=1"), b"");
    server.wait_for_log("the app ran for running=1");
    peer.send_request(2, true, &waiting.add("HTTP_COOKIE", "queued=1"), b"");
    peer.settle();
}

#[test]
fn a_full_queue_is_a_whole_503_with_retry_after() {
    let server = echo(&["--threads", "1", "--max-queue", "1"]);
    let mut peer = server.connect();
    fill(&server, &mut peer);
    peer.send_request(3, true, &post("refused=1", 3), b"abc");
    let answer = expect_complete(peer.answer(3), 503);
    // HAProxy resets a kept connection on which it sees OVERLOADED, and loses the requests beside this one.
    assert_eq!(answer.protocol_status, Some(protocol_status::REQUEST_COMPLETE));
    assert!(answer.header("Retry-After").unwrap().parse::<u32>().is_ok());
    fs::write(server.directory().join("gate"), "").unwrap();
    for (id, text) in [(1, "running=1|"), (2, "queued=1|")] {
        assert_eq!(peer.answer(id).expect_status(200).text(), text);
    }
    expect_usable(&mut peer);
    expect_not_run(&server, "refused=1");
}

#[test]
fn requests_that_were_given_up_leave_their_places_in_a_full_queue() {
    let server = echo(&["--threads", "1", "--max-queue", "1"]);
    let mut peer = server.connect();
    fill(&server, &mut peer);
    peer.send(&record(kind::ABORT_REQUEST, 2, b""));
    peer.send_request(3, true, &post("taken=1", 0), b"");
    peer.send_request(4, true, &post("refused=1", 0), b"");
    expect_complete(peer.answer(4), 503);
    fs::write(server.directory().join("gate"), "").unwrap();
    for (id, text) in [(1, "running=1|"), (3, "taken=1|")] {
        assert_eq!(peer.answer(id).expect_status(200).text(), text);
    }
    expect_not_run(&server, "queued=1");
}

#[test]
fn a_full_queue_without_keep_conn_ends_the_connection() {
    let server = echo(&["--threads", "1", "--max-queue", "1"]);
    let mut one_shot = server.connect();
    let mut peer = server.connect();
    expect_usable(&mut peer);
    // Accepted before the worker is busy: a process without a free worker leaves new connections to its siblings.
    let whole = request(1, false, &post("refused=1", 0).encode(), b"");
    one_shot.send(&whole[..16]);
    one_shot.settle();
    fill(&server, &mut peer);
    one_shot.send(&whole[16..]);
    let answer = expect_complete(one_shot.answer(1), 503);
    assert_eq!(answer.protocol_status, Some(protocol_status::OVERLOADED));
    one_shot.expect_closed();
    fs::write(server.directory().join("gate"), "").unwrap();
    peer.answer(1).expect_status(200);
    peer.answer(2).expect_status(200);
    wait_until("the worker to be free", || server.connect().request(&post("free=1", 0), b"").status == 200);
}
