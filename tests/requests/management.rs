//! Management records (FastCGI 1.0 §4) and rules 10 and 11.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::support::record::{pair, parse_pairs, raw_record, record};
use crate::support::{Params, Peer, Record, kind};
use crate::{echo, expect_usable, post};

fn ask(names: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|name| pair(name.as_bytes(), b"")).collect();
    record(kind::GET_VALUES, 0, &names)
}

fn values(record: &Record) -> BTreeMap<String, String> {
    assert_eq!((record.kind, record.id), (kind::GET_VALUES_RESULT, 0), "{record:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let pairs = parse_pairs(&record.content).unwrap_or_else(|| panic!("does not decode: {record:?}"));
    pairs.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[track_caller]
fn values_of(peer: &mut Peer, names: &[&str]) -> BTreeMap<String, String> {
    peer.send(&ask(names));
    values(&peer.management_record())
}

/// HAProxy waits for this before it sends a request.
#[test]
fn get_values_as_the_first_record_is_answered() {
    let server = echo(&["--max-connections", "77"]);
    let mut peer = server.connect();
    let values = values_of(&mut peer, &["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"]);
    assert_eq!(values["FCGI_MPXS_CONNS"], "1");
    assert_eq!(values["FCGI_MAX_CONNS"], "77");
    assert_eq!(values["FCGI_MAX_REQS"], "256", "as many as one connection may carry");
    expect_usable(&mut peer);
}

/// More connections would wait, and more requests would get 503.
#[test]
fn get_values_tells_what_the_configuration_lets_in() {
    let server = echo(&["--max-connections", "77", "--processes", "2", "--threads", "3", "--max-queue", "20"]);
    let values = values_of(&mut server.connect(), &["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"]);
    assert_eq!(values["FCGI_MAX_CONNS"], "154", "in both processes");
    assert_eq!(values["FCGI_MAX_REQS"], "23", "at the workers of a process and in its queue");
    assert_eq!(values["FCGI_MPXS_CONNS"], "1");
}

#[test]
fn get_values_answers_only_what_was_asked_for() {
    let server = echo(&[]);
    let mut peer = server.connect();
    assert_eq!(
        values_of(&mut peer, &["FCGI_MPXS_CONNS"]).into_iter().collect::<Vec<_>>(),
        [("FCGI_MPXS_CONNS".into(), "1".into())]
    );
    assert!(values_of(&mut peer, &["FCGI_NO_SUCH_VALUE"]).is_empty());
    assert_eq!(values_of(&mut peer, &["X", "FCGI_MPXS_CONNS"]).len(), 1);
    assert!(values_of(&mut peer, &[]).is_empty());
    expect_usable(&mut peer);
}

#[test]
fn get_values_between_the_records_of_a_request_is_answered() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let whole = crate::support::record::request(1, true, &post("mixed=1", 3).encode(), b"abc");
    let (begin, rest) = whole.split_at(16);
    peer.send(begin);
    assert_eq!(values_of(&mut peer, &["FCGI_MPXS_CONNS"])["FCGI_MPXS_CONNS"], "1");
    peer.send(rest);
    assert_eq!(peer.answer(1).expect_status(200).text(), "mixed=1|abc");
}

#[test]
fn get_values_is_answered_while_all_workers_are_busy() {
    let server = echo(&["--threads", "1"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get(&format!("/?{}", gate.display())).add("HTTP_COOKIE", "busy=1"), b"");
    server.wait_for_log("the app ran for busy=1");
    assert_eq!(values_of(&mut peer, &["FCGI_MPXS_CONNS"]).len(), 1);
    fs::write(gate, "").unwrap();
    peer.answer(1).expect_status(200);
}

#[test]
fn get_values_that_does_not_decode_ends_the_connection_or_is_answered() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&record(kind::GET_VALUES, 0, &[200, 200, 200]));
    match peer.next_record() {
        Some(record) => assert!(values(&record).is_empty()),
        None => expect_usable(&mut server.connect()),
    }
}

#[test]
fn an_unknown_management_record_is_answered_with_unknown_type() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for unknown in [12, 42, 200, 255] {
        peer.send(&raw_record(1, unknown, 0, 3, b"abc", 5));
        let answer = peer.management_record();
        assert_eq!((answer.kind, answer.id), (kind::UNKNOWN_TYPE, 0));
        assert_eq!(answer.content, [unknown, 0, 0, 0, 0, 0, 0, 0]);
    }
    expect_usable(&mut peer);
}

#[test]
fn an_unknown_record_of_a_request_is_ignored() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let whole = crate::support::record::request(1, true, &post("odd=1", 3).encode(), b"abc");
    let (begin, rest) = whole.split_at(16);
    peer.send(&[begin, &record(42, 1, b"what is this"), &record(99, 7, b""), rest].concat());
    assert_eq!(peer.answer(1).expect_status(200).text(), "odd=1|abc");
    assert!(peer.management.is_empty(), "{:?}", peer.management);
    expect_usable(&mut peer);
}

/// Rule 10: an unsolicited record is fatal for nginx, h2o and cgi-fcgi.
#[test]
fn nothing_is_sent_unasked() {
    let server = echo(&[]);
    let mut peer = server.connect();
    assert!(peer.is_silent_for(Duration::from_millis(300)), "something came on a fresh connection");
    expect_usable(&mut peer);
    assert!(peer.is_silent_for(Duration::from_millis(300)), "something came after the answer");
    expect_usable(&mut peer);
}
