//! A connection from its accept to its close.

use std::time::{Duration, Instant};

use crate::handlers::gated_echo;
use crate::server::{Options, Server, wait_until};
use crate::support::params::Params;
use crate::support::peer::Peer;
use crate::support::record::{self, begin, kind, raw_record, record, role};
use crate::{echo, echoed, expect_body, expect_usable, post};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_kept_connection_serves_one_request_after_another_on_every_kind_of_socket() {
    let server = echo(Options::default());
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        for number in 0..20 {
            let (cookie, body) = (format!("n={number}"), vec![b'x'; number * 100]);
            expect_body(peer.request(&post(&cookie, body.len()), &body), &echoed(&cookie, &body));
        }
    }
}

#[test]
fn a_one_shot_connection_is_closed_after_its_answer_on_every_kind_of_socket() {
    let server = echo(Options::default());
    for address in server.addresses() {
        for number in 0..20 {
            let cookie = format!("n={number}");
            let mut peer = Peer::connect(address.clone());
            expect_body(peer.last_request(&post(&cookie, 4), b"once"), &echoed(&cookie, b"once"));
        }
    }
}

#[test]
fn the_answer_arrives_whole_although_input_behind_the_request_is_not_read() {
    let server = echo(Options::default());
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        let mut bytes = record::request(1, false, &post("once=1", 4).encode(), b"once");
        bytes.extend(record(kind::STDIN, 1, &[b'x'; 50_000]));
        peer.send(&bytes);
        let answer = peer.answer(1);
        expect_body(answer, b"once=1|once");
        peer.expect_closed();
    }
}

#[test]
fn records_may_come_in_single_bytes() {
    let server = echo(Options::default());
    let mut peer = server.connect();
    for byte in record::request(1, true, &post("bytes=1", 3).encode(), b"abc") {
        peer.send(&[byte]);
    }
    expect_body(peer.answer(1), b"bytes=1|abc");
}

#[test]
fn garbage_closes_its_own_connection_only() {
    let server = echo(Options::default());
    let (mut good, mut bad) = (server.connect(), server.connect());
    expect_usable(&mut good);
    bad.send(&raw_record(2, kind::BEGIN_REQUEST, 1, 8, &[0; 8], 0));
    bad.expect_closed();
    expect_usable(&mut good);
}

#[test]
fn get_values_is_answered_while_every_worker_is_busy() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("busy=1", 0), b"");
    gate.wait_started();
    peer.send(&record(kind::GET_VALUES, 0, &record::pair(b"FCGI_MPXS_CONNS", b"")));
    let result = peer.management_record();
    assert_eq!(result.kind, kind::GET_VALUES_RESULT);
    assert_eq!(record::parse_pairs(&result.content).unwrap(), [(b"FCGI_MPXS_CONNS".to_vec(), b"1".to_vec())]);
    gate.pass_one();
    expect_body(peer.answer(1), b"busy=1|");
}

#[test]
fn connections_above_the_limit_wait_and_are_served_when_one_closes() {
    let server = echo(Options::default().with(|settings| settings.max_connections = 2));
    let (mut first, mut second) = (server.connect(), server.connect());
    expect_usable(&mut first);
    expect_usable(&mut second);
    let mut waiting: Vec<Peer> = (0..3).map(|_| server.connect()).collect();
    for (index, peer) in waiting.iter_mut().enumerate() {
        peer.send_request(1, false, &post(&format!("w={index}"), 0), b"");
    }
    assert!(waiting[0].is_silent_for(SHORT), "two connections are the most");
    expect_usable(&mut second);
    drop(first);
    for (index, mut peer) in waiting.into_iter().enumerate() {
        expect_body(peer.answer(1), &echoed(&format!("w={index}"), b""));
    }
    expect_usable(&mut second);
}

/// A limit that nobody ever leaves would be one that nobody can pass.
#[test]
fn a_thousand_connections_pass_through_a_limit_of_one() {
    let server = echo(Options::default().with(|settings| settings.max_connections = 1));
    for _ in 0..1000 {
        expect_body(server.connect().last_request(&post("one=1", 0), b""), b"one=1|");
    }
}

/// Waits for the end of the connection, which must not come before `least` is over.
#[track_caller]
fn expect_closed_after(peer: &mut Peer, since: Instant, least: Duration) {
    peer.expect_closed();
    let waited = since.elapsed();
    assert!(waited >= least, "closed after {waited:?}, which is before {least:?}");
    assert!(waited < least + Duration::from_secs(5), "closed only after {waited:?}");
}

#[test]
fn a_kept_connection_without_a_request_is_closed_after_idle_timeout() {
    let server = echo(Options::default().timeouts(Duration::from_secs(20), Some(SHORT)));
    let mut peer = server.connect();
    expect_usable(&mut peer);
    let since = Instant::now();
    expect_usable(&mut peer);
    expect_closed_after(&mut peer, since, SHORT);
}

#[test]
fn each_request_starts_the_idle_timeout_anew() {
    let idle = Duration::from_secs(1);
    let server = echo(Options::default().timeouts(Duration::from_secs(20), Some(idle)));
    let mut peer = server.connect();
    let started = Instant::now();
    while started.elapsed() < idle * 2 {
        expect_usable(&mut peer);
        assert!(peer.is_silent_for(idle / 10), "closed while it was used");
    }
}

#[test]
fn a_kept_connection_stays_open_without_idle_timeout() {
    let server = echo(Options::default().timeouts(SHORT, None));
    let mut peer = server.connect();
    expect_usable(&mut peer);
    assert!(peer.is_silent_for(SHORT * 4), "closed although nothing limits it");
    expect_usable(&mut peer);
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed_after_socket_timeout() {
    let server = echo(Options::default().timeouts(SHORT, None));
    let since = Instant::now();
    expect_closed_after(&mut server.connect(), since, SHORT);
}

#[test]
fn a_request_that_stops_in_the_middle_is_closed_after_socket_timeout() {
    let whole = record::request(1, true, &post("half=1", 9).encode(), b"some body");
    let server = echo(Options::default().timeouts(SHORT, None));
    // Inside the first header, behind BEGIN_REQUEST, inside PARAMS, inside the body.
    for cut in [3, 16, 100, whole.len() - 20] {
        let mut peer = server.connect();
        let since = Instant::now();
        peer.send(&whole[..cut]);
        expect_closed_after(&mut peer, since, SHORT);
    }
}

#[test]
fn a_request_that_stops_in_the_middle_on_a_used_connection_is_closed_too() {
    let server = echo(Options::default().timeouts(SHORT, None));
    let mut peer = server.connect();
    expect_usable(&mut peer);
    let since = Instant::now();
    peer.send(&begin(7, role::RESPONDER, true));
    expect_closed_after(&mut peer, since, SHORT);
}

#[test]
fn a_request_that_takes_long_to_answer_is_no_silent_connection() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().timeouts(SHORT, Some(SHORT)), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("slow=1", 0), b"");
    gate.wait_started();
    assert!(peer.is_silent_for(SHORT * 4), "closed while the answer was being made");
    gate.pass_one();
    expect_body(peer.answer(1), b"slow=1|");
}

#[test]
fn a_silent_peer_that_does_not_close_after_the_last_answer_is_closed() {
    let server = echo(Options::default().with(|settings| settings.max_connections = 1));
    let mut lingering = server.connect();
    expect_body(lingering.last_request(&post("last=1", 0), b""), b"last=1|");
    let mut next = server.connect();
    next.send_request(1, false, &post("next=1", 0), b"");
    expect_body(next.answer(1), b"next=1|");
}

/// What comes behind the last answer is thrown away, but not for ever.
#[test]
fn a_peer_that_goes_on_sending_after_the_last_answer_is_closed() {
    let server = echo(Options::default());
    let mut peer = server.connect();
    // Without the end of STDIN, so that more of it may be on its way.
    let request = record::request(1, false, &post("last=1", 0).encode(), b"");
    let (request, end_of_stdin) = request.split_at(request.len() - 8);
    assert_eq!(end_of_stdin, [1, 5, 0, 1, 0, 0, 0, 0]);
    peer.send(request);
    expect_body(peer.answer(1), b"last=1|");
    let mut sent = 0;
    wait_until("the connection to be closed", || {
        sent += 1;
        peer.try_send(b"more").is_err()
    });
    assert!(sent > 1, "what comes behind the last answer is read for a while");
}

#[test]
fn a_second_request_on_a_connection_not_to_be_kept_is_not_run() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, false, &post("last=1", 0), b"");
    gate.wait_started();
    gate.pass_one();
    expect_body(peer.answer(1), b"last=1|");
    let _ = peer.try_send(&record::request(2, false, &post("late=1", 0).encode(), b""));
    peer.expect_closed();
    let mut other = server.connect();
    other.send_request(1, true, &post("other=1", 0), b"");
    assert_eq!(gate.wait_started(), "other=1");
    gate.pass_one();
    expect_body(other.answer(1), b"other=1|");
}

#[test]
fn requests_that_are_open_when_the_last_one_ends_are_answered_before_the_close() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, false, &post("first=1", 0), b"");
    peer.send_request(2, false, &post("second=1", 0), b"");
    assert_eq!(gate.wait_started(), "first=1");
    // What is answered shows that both requests have been read: one that has not is lost with the connection.
    peer.settle();
    gate.pass_one();
    expect_body(peer.answer(1), b"first=1|");
    assert_eq!(gate.wait_started(), "second=1");
    gate.pass_one();
    expect_body(peer.answer(2), b"second=1|");
    peer.expect_closed();
}

#[test]
fn a_peer_that_resets_its_connection_harms_nobody() {
    let server = echo(Options::default());
    for address in server.tcp() {
        for _ in 0..50 {
            let mut peer = Peer::connect(address.clone());
            peer.send(&record::request(1, true, &Params::get("/").encode(), b""));
            drop(peer);
        }
    }
    expect_usable(&mut server.connect());
}
