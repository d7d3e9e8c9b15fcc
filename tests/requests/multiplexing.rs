//! Several requests on one connection at once: rules 3 and 12.

use std::fs;

use crate::support::process::{may_look_into_children, wait_until};
use crate::support::record::{begin, record, request, role, stream_in_pieces};
use crate::support::{Params, Peer, Pyfcgid, kind};
use crate::{echo, post};

/// All records of both requests, one of each in turn.
fn interleave(requests: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let longest = requests.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| requests.iter().filter_map(move |records| records.get(turn)));
    turns.flatten().copied().collect()
}

/// A request as a list of records with little in each.
fn records(id: u16, params: &Params, body: &[u8]) -> Vec<Vec<u8>> {
    let mut records = vec![begin(id, role::RESPONDER, true)];
    records.extend(params.encode().chunks(60).map(|piece| record(kind::PARAMS, id, piece)));
    records.push(record(kind::PARAMS, id, b""));
    records.extend(body.chunks(3).map(|piece| record(kind::STDIN, id, piece)));
    records.push(record(kind::STDIN, id, b""));
    records
}

/// Two requests, interleaved record by record; `first` is let go first.
fn two_at_once(first: u16) {
    let server = echo(&["--threads", "2"]);
    let gate = |id: u16| server.directory().join(format!("gate-{id}"));
    let mut peer = server.connect();
    let of = |id: u16| {
        let body = format!("the body of {id}");
        let params = Params::post(&format!("/?{}", gate(id).display()), body.len()).add("HTTP_COOKIE", format!("user={id}"));
        records(id, &params, body.as_bytes())
    };
    peer.send(&interleave(&[of(1), of(2)]));
    let second = 3 - first;
    for id in [first, second] {
        fs::write(gate(id), "").unwrap();
        assert_eq!(peer.answer(id).expect_status(200).text(), format!("user={id}|the body of {id}"));
    }
    assert_eq!(peer.end_order, [first, second]);
}

#[test]
fn two_interleaved_requests_get_their_own_cookies_and_bodies_when_the_first_ends_first() {
    two_at_once(1);
}

#[test]
fn two_interleaved_requests_get_their_own_cookies_and_bodies_when_the_second_ends_first() {
    two_at_once(2);
}

#[test]
fn two_hundred_interleaved_requests_get_their_own_answers() {
    let server = echo(&["--threads", "4", "--max-queue", "400"]);
    let mut peer = server.connect();
    let body = |id: u16| format!("body of {id} ").repeat(usize::from(id % 7));
    let all: Vec<_> =
        (1..=200).map(|id| records(id, &post(&format!("user={id}"), body(id).len()), body(id).as_bytes())).collect();
    peer.send(&interleave(&all));
    for id in 1..=200 {
        assert_eq!(peer.answer(id).expect_status(200).text(), format!("user={id}|{}", body(id)));
    }
}

/// Rule 3: HAProxy counts 1, 3, 5; nginx, Apache and h2o use 1 again.
#[test]
fn an_id_may_be_used_again_at_once() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for (turn, id) in [1, 1, 3, 5, 1, 65535, 256, 1].into_iter().enumerate() {
        let cookie = format!("turn={turn}");
        peer.send_request(id, true, &post(&cookie, 1), b"x");
        assert_eq!(peer.answer(id).expect_status(200).text(), format!("{cookie}|x"));
    }
}

#[test]
fn requests_that_come_in_one_write_are_all_answered() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let all: Vec<u8> = (1..=5).flat_map(|id| request(id, true, &post(&format!("n={id}"), 3).encode(), b"abc")).collect();
    peer.send(&all);
    for id in 1..=5 {
        assert_eq!(peer.answer(id).expect_status(200).text(), format!("n={id}|abc"));
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for byte in request(1, true, &post("slow=1", 9).encode(), b"each byte") {
        peer.send(&[byte]);
    }
    assert_eq!(peer.answer(1).expect_status(200).text(), "slow=1|each byte");
}

#[test]
fn a_slow_request_does_not_hold_up_another_one_on_its_connection() {
    let server = echo(&["--threads", "2"]);
    let gate = server.directory().join("gate");
    let mut peer = server.connect();
    peer.send_request(7, true, &Params::get(&format!("/?{}", gate.display())), b"");
    for _ in 0..20 {
        peer.request(&post("fast=1", 0), b"").expect_status(200);
    }
    fs::write(gate, "").unwrap();
    peer.answer(7).expect_status(200);
}

#[test]
fn a_half_sent_request_does_not_hold_up_another_one_on_its_connection() {
    let server = echo(&["--threads", "1"]);
    let mut peer = server.connect();
    let whole = request(7, true, &post("half=1", 6).encode(), b"halves");
    let (head, tail) = whole.split_at(whole.len() - (8 + b"halves".len() + 8));
    peer.send(head);
    peer.request(&post("whole=1", 0), b"").expect_status(200);
    peer.send(tail);
    assert_eq!(peer.answer(7).expect_status(200).text(), "half=1|halves");
}

fn kept_connections(server: &Pyfcgid, count: usize) -> Vec<Peer> {
    let mut peers = Vec::new();
    for _ in 0..count {
        let mut peer = server.connect();
        peer.request(&post("idle=1", 0), b"").expect_status(200);
        peers.push(peer);
    }
    peers
}

/// The best of several short runs, in seconds: the machine may be busy with something else.
fn time_of_requests(peer: &mut Peer) -> f64 {
    let run = |peer: &mut Peer| {
        let started = std::time::Instant::now();
        for _ in 0..100 {
            peer.request(&post("busy=1", 0), b"").expect_status(200);
        }
        started.elapsed().as_secs_f64()
    };
    (0..20).map(|_| run(peer)).fold(f64::INFINITY, f64::min)
}

#[test]
fn a_thousand_idle_connections_do_not_slow_down_a_busy_one() {
    allow_open_files(4096);
    let server = echo(&["--max-connections", "2000", "--log-level", "warn"]);
    let mut busy = server.connect();
    let before = time_of_requests(&mut busy);
    let mut idle = kept_connections(&server, 1000);
    let after = time_of_requests(&mut busy);
    println!("100 requests: {before:.4} s alone, {after:.4} s beside 1,000 idle connections");
    assert!(after < before * 3.0, "{after} s instead of {before} s");
    for peer in idle.iter_mut().step_by(100) {
        peer.request(&post("awake=1", 0), b"").expect_status(200);
    }
    drop(idle);
    if !may_look_into_children() {
        return;
    }
    wait_until("the idle connections to be closed", || server.open_files() < 100);
}

/// Raises the soft limit of this process, which its children inherit.
fn allow_open_files(count: u32) {
    let arguments = [format!("--pid={}", std::process::id()), format!("--nofile={count}:")];
    let status = std::process::Command::new("prlimit").args(arguments).status();
    assert!(status.expect("prlimit runs (Debian package: util-linux)").success());
}

#[test]
fn answers_of_many_records_are_not_mixed_up() {
    let server = echo(&["--threads", "4"]);
    let mut peer = server.connect();
    let body = |id: u16| vec![b'a' + u8::try_from(id).unwrap(); 200_000 + usize::from(id)];
    for id in 1..=4 {
        let bytes = body(id);
        peer.send(&begin(id, role::RESPONDER, true));
        peer.send(&stream_in_pieces(kind::PARAMS, id, &post(&format!("n={id}"), bytes.len()).encode(), 1000));
        peer.send(&stream_in_pieces(kind::STDIN, id, &bytes, 8192));
    }
    for id in 1..=4 {
        let answer = peer.answer(id).expect_status(200);
        assert_eq!(answer.body, [format!("n={id}|").as_bytes(), &body(id)].concat());
    }
}
