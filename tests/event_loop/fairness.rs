//! Requests that share a connection: a long answer, one that nobody reads, an upload, and the small ones beside them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use connections::exchange::{Exchange, NothingHeld};
use crossbeam_channel::bounded;

use crate::handlers::{Reports, answer, cookie, echo as echo_handler, open, param, reports};
use crate::server::{Options, Prepared, Server};
use crate::support::params::Params;
use crate::support::peer::Peer;
use crate::support::record::{begin, kind, record, role, stream};
use crate::{echo, echoed, expect_body, expect_usable, post};

const LONG: usize = 20_000_000;

/// A request whose cookie is `long=1` gets 20 MB; its result is reported. Others get an echo, whose end is reported.
fn long_or_echo() -> (Reports<String>, impl Fn(Exchange) + Send + Sync + 'static) {
    let (report, reported) = reports();
    let handler = move |exchange: Exchange| {
        if cookie(&exchange.request) != "long=1" {
            echo_handler(exchange);
            return drop(report.send("echoed".to_owned()));
        }
        let mut reply = exchange.reply;
        let result = answer(&mut reply, &vec![b'x'; LONG]);
        drop(reply);
        let _ = report.send(result.map_or_else(|error| error.to_string(), |()| "sent".to_owned()));
    };
    (reported, handler)
}

/// Sends requests for the long answer and waits until nobody can go on, since nothing is read.
fn stalled(server: &Server, ids: &[u16]) -> Peer {
    let mut peer = server.connect();
    for id in ids {
        peer.send_request(*id, true, &Params::get("/").add("HTTP_COOKIE", "long=1"), b"");
    }
    peer
}

/// What a socket holds before it refuses, in either direction.
fn socket_buffers() -> usize {
    let limit = |name: &str| fs::read_to_string(format!("/proc/sys/net/core/{name}")).unwrap().trim().parse::<usize>().unwrap();
    limit("wmem_default").max(limit("rmem_default"))
}

/// Reads on until request `id` has ended, and returns how many bytes of others came before.
#[track_caller]
fn bytes_before(peer: &mut Peer, id: u16) -> usize {
    bytes_before_slowly(peer, id, Duration::ZERO)
}

/// The same, with a pause before each record: a reader without one has all of a long answer before a busy machine has begun with the next.
#[track_caller]
fn bytes_before_slowly(peer: &mut Peer, id: u16, pause: Duration) -> usize {
    let mut before = 0;
    loop {
        thread::sleep(pause);
        let record = peer.next_record().expect("the answer comes");
        match record.kind {
            kind::END_REQUEST if record.id == id => return before,
            _ if record.id == id => {}
            _ => before += record.content.len(),
        }
    }
}

/// Only what is in the socket, and a record of each long answer, is before it.
#[test]
fn a_small_answer_comes_right_behind_what_is_on_its_way_of_long_ones() {
    let (reported, handler) = long_or_echo();
    let server = Server::start(Options::default().workers(4), handler);
    let mut peer = stalled(&server, &[1, 2, 3]);
    for id in [10, 11, 12] {
        peer.send_request(id, true, &post("small=1", 0), b"");
        assert_eq!(reported.next(), "echoed", "made although nothing is read");
    }
    let most = socket_buffers() + 4 * 65_536;
    let before = bytes_before(&mut peer, 10);
    assert!(before < most, "{before} bytes came before a small answer, of {most} at most");
    drop(peer);
}

#[test]
fn small_answers_beside_a_long_one_are_read_while_it_goes_on() {
    let (reported, handler) = long_or_echo();
    let server = Server::start(Options::default(), handler);
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        peer.send_request(1, true, &Params::get("/").add("HTTP_COOKIE", "long=1"), b"");
        peer.send_request(2, true, &post("small=1", 0), b"");
        let before = bytes_before_slowly(&mut peer, 2, Duration::from_millis(1));
        assert!(before < LONG, "the small answer came behind the long one");
        assert_eq!(bytes_before(&mut peer, 1), 0);
        assert_eq!([reported.next(), reported.next()].iter().filter(|text| *text == "sent").count(), 1);
        expect_usable(&mut peer);
        reported.next();
    }
}

/// Whoever found the request for it has turned the event loop before.
#[test]
fn a_long_answer_does_not_keep_the_event_loop_from_being_turned() {
    for pieces in [1, 10_000] {
        let (open_gate, gate) = bounded(0);
        let handler = move |exchange: Exchange| {
            if cookie(&exchange.request) != "long=1" {
                return echo_handler(exchange);
            }
            let mut reply = exchange.reply;
            open(&mut reply);
            let piece = vec![b'x'; LONG / pieces];
            let _ = (0..pieces).try_for_each(|_| reply.write(&piece, &NothingHeld));
        };
        let server = Prepared::new(&Options::default().workers(2), handler).serve_without_standby(gate);
        let mut stalled = stalled(&server, &[1]);
        stalled.wait_for_stdout(1, "xxxx");
        expect_usable(&mut server.connect());
        drop((open_gate, stalled));
    }
}

/// Nobody would read the rest, and siblings would wait for it.
#[test]
fn a_long_answer_that_is_given_up_frees_its_worker_although_nothing_is_read() {
    let (reported, handler) = long_or_echo();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = stalled(&server, &[1]);
    peer.wait_for_stdout(1, "xxxx");
    peer.send(&record(kind::ABORT_REQUEST, 1, b""));
    assert_eq!(reported.next(), "the web server aborted the request");
    peer.send_request(2, true, &post("small=1", 0), b"");
    assert_eq!(reported.next(), "echoed");
    expect_body(peer.answer(2), b"small=1|");
    assert!(peer.answer(1).ended);
    expect_usable(&mut peer);
}

/// Each gets its turn, so none is much behind when the first ends.
#[test]
fn long_answers_share_a_slow_connection() {
    const LENGTH: usize = 3_000_000;
    let handler = |exchange: Exchange| {
        let (mut reply, piece) = (exchange.reply, param(&exchange.request, "HTTP_COOKIE").parse::<usize>().unwrap());
        open(&mut reply);
        for _ in 0..LENGTH / piece {
            let _ = reply.write(&vec![b'x'; piece], &NothingHeld);
        }
        let _ = reply.end(&[], &NothingHeld);
    };
    let server = Server::start(Options::default().workers(3), handler);
    let mut peer = server.connect();
    for (id, piece) in [(1, "1000000"), (2, "50000"), (3, "1000")] {
        peer.send_request(id, true, &Params::get("/").add("HTTP_COOKIE", piece), b"");
    }
    let mut sent = [0; 4];
    loop {
        let record = peer.next_record().expect("an answer goes on");
        sent[usize::from(record.id)] += record.content.len();
        if record.kind == kind::END_REQUEST {
            break;
        }
        // The pace of this reader, so that there is always something that waits for it.
        if record.content.len() > 10_000 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let least = sent[1..].iter().min().unwrap();
    assert!(*least > LENGTH / 4, "one of them was left behind: {sent:?}");
}

#[test]
fn an_upload_does_not_hold_up_the_requests_beside_it() {
    const PIECES: usize = 100;
    let server = echo(Options::default().with(|settings| settings.request.max_body_size = 9_000_000));
    let mut peer = server.connect();
    peer.send(
        &[begin(7, role::RESPONDER, true), stream(kind::PARAMS, 7, &post("upload=1", PIECES * 65_000).encode())].concat(),
    );
    for _ in 0..PIECES {
        peer.send(&record(kind::STDIN, 7, &vec![b'u'; 65_000]));
        expect_usable(&mut peer);
    }
    peer.send(&record(kind::STDIN, 7, b""));
    expect_body(peer.answer(7), &echoed("upload=1", &vec![b'u'; PIECES * 65_000]));
}

/// A worker that waits for a slow reader must not be forgotten: every byte comes, whoever else writes.
#[test]
fn nothing_is_lost_or_mixed_when_many_write_at_once() {
    const ROUNDS: u16 = 200;
    let handler = |exchange: Exchange| {
        let length = cookie(&exchange.request).parse::<usize>().unwrap();
        let mut reply = exchange.reply;
        open(&mut reply);
        for piece in vec![b'x'; length].chunks(30_000) {
            let _ = reply.write(piece, &NothingHeld);
        }
        let _ = reply.end(&[], &NothingHeld);
    };
    let server = Server::start(Options::default().workers(6), handler);
    let started = Instant::now();
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        for round in 0..ROUNDS {
            let length = |id: u16| [1, 100, 20_000, 70_000, 300_000, 5][usize::from((id + round) % 6)];
            for id in 1..=6 {
                peer.send_request(id, true, &Params::get("/").add("HTTP_COOKIE", length(id).to_string()), b"");
            }
            for id in 1..=6 {
                let answer = peer.answer(id).expect_status(200);
                assert!(answer.body.len() == length(id) && answer.ended, "{}", answer.summary());
            }
            if started.elapsed() > Duration::from_secs(20) {
                break;
            }
        }
    }
}
