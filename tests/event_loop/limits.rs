//! What is taken from a peer, to the byte.

use std::time::Duration;

use connections::exchange::{Exchange, NothingHeld, Role, Roles};

use crate::handlers::{self, cookie, gated_echo, open};
use crate::random::pattern;
use crate::server::{Options, Server};
use crate::support::params::Params;
use crate::support::record::{begin, kind, protocol_status, record, role, stream};
use crate::{echo, echoed, expect_body, expect_usable, post};

const MOMENT: Duration = Duration::from_millis(200);

/// Answers whether the body is in a file, and the body.
fn where_it_is(exchange: Exchange) {
    let Exchange { mut request, mut reply, .. } = exchange;
    let place = if request.body.is_in_a_file() { &b"file|"[..] } else { b"memory|" };
    let body = request.body.read(u64::MAX).unwrap();
    open(&mut reply);
    reply.end(&[place, &body], &NothingHeld).unwrap();
}

#[test]
fn a_body_is_in_memory_up_to_the_limit_and_in_a_file_above() {
    let server = Server::start(Options::default(), where_it_is);
    let mut peer = server.connect();
    for (length, place) in
        [(0, "memory|"), (1, "memory|"), (999, "memory|"), (1000, "memory|"), (1001, "file|"), (300_000, "file|")]
    {
        let body = pattern(length as u64, length);
        let expected = [place.as_bytes(), &body].concat();
        expect_body(peer.request(&post("body=1", length), &body), &expected);
        let unknown = post("body=1", 0).set("CONTENT_LENGTH", "");
        expect_body(peer.request(&unknown, &body), &expected);
    }
}

#[test]
fn a_body_of_the_most_bytes_is_taken_and_one_more_is_answered_413() {
    let server = echo(Options::default().with(|settings| settings.request.max_body_size = 5000));
    let mut peer = server.connect();
    for length in [4999, 5000, 5001, 70_000] {
        let body = pattern(1, length);
        for params in [post("most=1", length), post("most=1", 0).set("CONTENT_LENGTH", "")] {
            let answer = peer.request(&params, &body);
            if length <= 5000 { expect_body(answer, &echoed("most=1", &body)) } else { drop(answer.expect_status(413)) }
        }
    }
    expect_usable(&mut peer);
}

/// nginx stops sending as soon as it sees an answer, and h2o ends its process.
#[test]
fn a_body_that_is_too_large_is_read_to_its_end_before_it_is_answered() {
    let server = echo(Options::default().with(|settings| settings.request.max_body_size = 5000));
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &post("large=1", 100_000).encode())].concat());
    assert!(peer.is_silent_for(MOMENT), "answered before the body came");
    peer.send(&record(kind::STDIN, 1, &[b'x'; 60_000]));
    assert!(peer.is_silent_for(MOMENT), "answered inside the body");
    peer.send(&stream(kind::STDIN, 1, &[b'x'; 40_000]));
    peer.answer(1).expect_status(413);
    expect_usable(&mut peer);
}

#[test]
fn as_many_params_as_allowed_are_taken_and_one_more_is_answered_431() {
    let server = echo(Options::default());
    let mut peer = server.connect();
    let mut params = post("many=1", 0);
    // A POST of the peer's has 24 pairs, and the cookie.
    for number in 25..100 {
        params = params.add(format!("HTTP_X_{number}"), "x");
    }
    expect_body(peer.request(&params, b""), b"many=1|");
    peer.request(&params.add("HTTP_X_100", "x"), b"").expect_status(431);
    expect_usable(&mut peer);
}

#[test]
fn params_of_the_most_bytes_are_taken_and_one_more_is_answered_431() {
    let server = echo(Options::default());
    let mut peer = server.connect();
    let without = post("long=1", 0).add("HTTP_X_LONG", vec![b'x'; 1000]).encode().len() - 1000;
    for (length, status) in [(64 * 1024 - without, 200), (64 * 1024 - without + 1, 431)] {
        let params = post("long=1", 0).add("HTTP_X_LONG", vec![b'x'; length]);
        peer.request(&params, b"").expect_status(status);
    }
    expect_usable(&mut peer);
}

#[test]
fn other_roles_are_refused() {
    let server = echo(Options::default());
    let mut peer = server.connect();
    for role in [role::AUTHORIZER, role::FILTER, 0, 4, 65_535] {
        peer.send(&[begin(1, role, true), stream(kind::PARAMS, 1, &Params::get("/").encode())].concat());
        let answer = peer.answer(1).expect_status(403);
        assert_eq!(answer.protocol_status, Some(protocol_status::UNKNOWN_ROLE));
    }
    expect_usable(&mut peer);
}

#[test]
fn a_request_that_finds_the_queue_full_is_answered_503_at_once() {
    let (gate, handler) = gated_echo();
    let server = Server::start(Options::default().workers(1).max_queue(2), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &post("running=1", 0), b"");
    gate.wait_started();
    peer.send_request(2, true, &post("queued=1", 0), b"");
    peer.send_request(3, true, &post("queued=2", 0), b"");
    for id in 4..=6 {
        peer.send_request(id, true, &post("late=1", 3), b"abc");
        let answer = peer.answer(id).expect_status(503);
        assert!(answer.header("Retry-After").is_some(), "{}", answer.summary());
        assert!(!answer.body.is_empty(), "{}", answer.summary());
    }
    let answer = server.connect().last_request(&post("late=2", 0), b"").expect_status(503);
    assert_eq!(answer.protocol_status, Some(protocol_status::OVERLOADED));
    (0..3).for_each(|_| gate.pass_one());
    expect_body(peer.answer(1), b"running=1|");
    expect_body(peer.answer(2), b"queued=1|");
    expect_body(peer.answer(3), b"queued=2|");
    gate.pass_one();
    expect_usable(&mut peer);
}

/// The order in which they came, as far as one worker goes.
#[test]
fn queued_requests_are_run_in_the_order_they_came() {
    let (gate, wait) = handlers::gate();
    let handler = move |exchange: Exchange| {
        wait(cookie(&exchange.request));
        handlers::echo(exchange);
    };
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    for id in 1..=50 {
        peer.send_request(id, true, &post(&id.to_string(), 0), b"");
    }
    for id in 1..=50u16 {
        assert_eq!(gate.wait_started(), id.to_string());
        gate.pass_one();
    }
    peer.answer(50).expect_status(200);
    assert_eq!(peer.end_order, (1..=50).collect::<Vec<u16>>());
}

/// A server whose handler says what it was given.
#[track_caller]
fn with_roles(roles: Roles) -> Server {
    let options = Options::default().with(|settings| settings.request.roles = roles);
    Server::start(options, |exchange| {
        let Exchange { mut request, mut reply, .. } = exchange;
        let body = request.body.read(u64::MAX).unwrap();
        let data = request.data.map(|mut data| data.read(u64::MAX).unwrap());
        handlers::answer(&mut reply, format!("{:?} {} {:?}", request.role, body.len(), data.map(|data| data.len())).as_bytes())
            .unwrap();
    })
}

#[test]
fn an_authorizer_is_answered_at_the_end_of_its_params_and_a_late_stdin_harms_nothing() {
    let server = with_roles(Roles::RESPONDER.with(Role::Authorizer));
    let mut peer = server.connect();
    for id in [1, 3] {
        peer.send(&[begin(id, role::AUTHORIZER, true), stream(kind::PARAMS, id, &post("a=1", 5).encode())].concat());
        expect_body(peer.answer(id), b"Authorizer 0 None");
        peer.send(&record(kind::STDIN, id, b""));
    }
    expect_body(peer.request(&post("a=1", 2), b"ab"), b"Responder 2 None");
    peer.send(&[begin(1, role::FILTER, true), stream(kind::PARAMS, 1, &Params::get("/").encode())].concat());
    assert_eq!(peer.answer(1).expect_status(403).protocol_status, Some(protocol_status::UNKNOWN_ROLE));
}

#[test]
fn a_filter_waits_for_its_data_while_others_are_answered() {
    let server = with_roles(Roles::RESPONDER.with(Role::Filter));
    let mut peer = server.connect();
    let params = Params::get("/").add("FCGI_DATA_LENGTH", "100000").encode();
    let start = [begin(1, role::FILTER, true), stream(kind::PARAMS, 1, &params), stream(kind::STDIN, 1, b"body")].concat();
    peer.send(&start);
    peer.send(&record(kind::DATA, 1, &[b'x'; 60_000]));
    peer.send_request(2, true, &post("a=1", 2), b"ab");
    expect_body(peer.answer(2), b"Responder 2 None");
    // The announced bytes are enough; what follows, the stream's end included, is swallowed.
    peer.send(&record(kind::DATA, 1, &[b'x'; 50_000]));
    expect_body(peer.answer(1), b"Filter 4 Some(100000)");
    peer.send(&record(kind::DATA, 1, b""));
    expect_body(peer.request(&post("a=1", 2), b"ab"), b"Responder 2 None");
}
