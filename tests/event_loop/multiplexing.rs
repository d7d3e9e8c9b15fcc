//! Many requests at once on one connection.

use connections::exchange::{Exchange, NothingHeld};

use crate::handlers::{self, cookie, echo as echo_handler, gated_echo, open, param};
use crate::random::{Random, pattern};
use crate::server::{Options, Server};
use crate::support::params::Params;
use crate::support::record::{self, begin, kind, record, role};
use crate::{echo, echoed, expect_body, expect_usable, post};

/// Answers what is sent with `slow=1` when the gate is opened.
fn slow_at_a_gate() -> (handlers::Gate, Server) {
    let (gate, wait) = handlers::gate();
    let handler = move |exchange: Exchange| {
        if cookie(&exchange.request) == "slow=1" {
            wait(String::new());
        }
        echo_handler(exchange);
    };
    (gate, Server::start(Options::default(), handler))
}

#[test]
fn answers_come_in_the_order_they_are_ready() {
    let (gate, server) = slow_at_a_gate();
    let mut peer = server.connect();
    peer.send_request(1, true, &post("slow=1", 0), b"");
    gate.wait_started();
    for id in [9, 3, 300] {
        peer.send_request(id, true, &post("quick=1", 2), b"ok");
        expect_body(peer.answer(id), b"quick=1|ok");
    }
    gate.pass_one();
    expect_body(peer.answer(1), b"slow=1|");
    assert_eq!(peer.end_order, [9, 3, 300, 1]);
}

#[test]
fn two_hundred_interleaved_requests_keep_their_params_and_bodies_apart() {
    let server = echo(Options::default().workers(4));
    let mut peer = server.connect();
    let ids: Vec<u16> = (1..=200).map(|number| number * 7).collect();
    let bodies: Vec<Vec<u8>> = ids.iter().map(|id| pattern(u64::from(*id), usize::from(*id) * 3)).collect();
    let requests = ids.iter().zip(&bodies).map(|(id, body)| {
        let params = post(&format!("id={id}"), body.len()).encode();
        let pieces = params.chunks(100).map(|piece| record(kind::PARAMS, *id, piece));
        let mut records = vec![begin(*id, role::RESPONDER, true)];
        records.extend(pieces);
        records.push(record(kind::PARAMS, *id, b""));
        records.extend(body.chunks(500).map(|piece| record(kind::STDIN, *id, piece)));
        records.push(record(kind::STDIN, *id, b""));
        records
    });
    let requests: Vec<Vec<Vec<u8>>> = requests.collect();
    let longest = requests.iter().map(Vec::len).max().unwrap();
    for step in 0..longest {
        let round: Vec<u8> = requests.iter().filter_map(|records| records.get(step)).flatten().copied().collect();
        peer.send(&round);
    }
    for (id, body) in ids.iter().zip(&bodies) {
        expect_body(peer.answer(*id), &echoed(&format!("id={id}"), body));
    }
}

#[test]
fn the_same_id_on_two_connections_is_two_requests() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default(), handler);
    let (mut first, mut second) = (server.connect(), server.connect());
    first.send_request(1, true, &post("first=1", 1), b"a");
    second.send_request(1, true, &post("second=1", 1), b"b");
    gate.wait_started();
    gate.wait_started();
    first.send(&record::abort(1));
    gate.pass_one();
    gate.pass_one();
    first.answer(1);
    expect_body(second.answer(1), b"second=1|b");
}

#[test]
fn an_id_is_free_again_as_soon_as_its_end_request_is_read() {
    let server = echo(Options::default());
    for address in server.addresses() {
        let mut peer = crate::Peer::connect(address);
        for number in 0..3000 {
            let cookie = format!("n={number}");
            expect_body(peer.request(&post(&cookie, 1), b"x"), &echoed(&cookie, b"x"));
        }
    }
}

#[test]
fn ids_are_free_again_while_others_are_still_running() {
    let (gate, server) = slow_at_a_gate();
    let mut peer = server.connect();
    peer.send_request(2, true, &post("slow=1", 0), b"");
    gate.wait_started();
    for _ in 0..1000 {
        expect_usable(&mut peer);
    }
    gate.pass_one();
    expect_body(peer.answer(2), b"slow=1|");
}

#[test]
fn an_id_that_begins_again_before_its_answer_closes_the_connection() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("first=1", 0), b"");
    gate.wait_started();
    peer.send(&begin(1, role::RESPONDER, true));
    peer.expect_closed();
    gate.pass_one();
}

#[test]
fn more_requests_at_once_than_allowed_on_one_connection_are_answered_503() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().with(|settings| settings.request.max_open_requests = 3), handler);
    let mut peer = server.connect();
    for id in 1..=3 {
        peer.send_request(id, true, &post("held=1", 0), b"");
    }
    gate.wait_started();
    peer.send_request(4, true, &post("fourth=1", 0), b"");
    peer.answer(4).expect_status(503);
    (0..3).for_each(|_| gate.pass_one());
    for id in 1..=3 {
        expect_body(peer.answer(id), b"held=1|");
    }
    peer.send_request(4, true, &post("again=1", 0), b"");
    gate.pass_one();
    expect_body(peer.answer(4), b"again=1|");
}

/// A worker that sleeps although a request waits would leave one of them at the gate's far side.
#[test]
fn as_many_requests_run_at_once_as_there_are_workers() {
    const WORKERS: u16 = 6;
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(WORKERS.into()), handler);
    let mut peers = [server.connect(), server.connect()];
    for _ in 0..500 {
        for id in 1..=WORKERS {
            peers[usize::from(id % 2)].send_request(id, true, &post("at_once=1", 0), b"");
        }
        (0..WORKERS).for_each(|_| drop(gate.wait_started()));
        (0..WORKERS).for_each(|_| gate.pass_one());
        for id in 1..=WORKERS {
            expect_body(peers[usize::from(id % 2)].answer(id), b"at_once=1|");
        }
    }
}

/// The peer takes each record by its length, so one inside another would not go unseen.
#[test]
fn workers_that_stream_on_one_connection_never_mix_inside_a_record() {
    const LENGTH: usize = 2_000_000;
    let handler = |exchange: Exchange| {
        let Exchange { request, mut reply, .. } = exchange;
        let seed: u64 = param(&request, "HTTP_COOKIE").parse().unwrap();
        let (body, mut random) = (pattern(seed, LENGTH), Random::from_seed(seed));
        open(&mut reply);
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(random.length(200_000).min(rest.len()));
            reply.write(piece, &NothingHeld).unwrap();
            rest = others;
        }
        reply.end(&[], &NothingHeld).unwrap();
    };
    let server = Server::start(Options::default().workers(8), handler);
    for address in server.addresses() {
        let mut peer = crate::Peer::connect(address);
        for id in 1..=8 {
            peer.send_request(id, true, &Params::get("/").add("HTTP_COOKIE", id.to_string()), b"");
        }
        for id in 1..=8 {
            expect_body(peer.answer(id), &pattern(u64::from(id), LENGTH));
        }
    }
}
