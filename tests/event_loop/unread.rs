//! Answers that are read slowly or not at all.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use connections::exchange::{Exchange, NothingHeld};

use crate::handlers::{Reports, answer, cookie, echo as echo_handler, open, reports};
use crate::random::pattern;
use crate::server::{Options, Server};
use crate::support::params::Params;
use crate::support::peer::{Address, DEADLINE, Peer};
use crate::support::record::{self, kind, record};
use crate::{expect_body, expect_usable, post};

const PIECE: usize = 65_536;
const WHOLE: usize = 50_000_000;
/// What may be on its way between a worker and a peer that does not read: the outbox, and the buffers of a generous system.
const ON_ITS_WAY: usize = 20_000_000;
const SHORT: Duration = Duration::from_millis(400);

type Results = Reports<Result<(), String>>;

/// Streams 50 MB and counts what was taken; reports the result of each request.
fn streaming() -> (Arc<AtomicUsize>, Results, impl Fn(Exchange) + Send + Sync + 'static) {
    let taken = Arc::new(AtomicUsize::new(0));
    let (counter, (report, result)) = (Arc::clone(&taken), reports());
    let handler = move |exchange: Exchange| {
        if cookie(&exchange.request) == "usable=1" {
            return echo_handler(exchange);
        }
        let (mut reply, piece) = (exchange.reply, [b'x'; PIECE]);
        open(&mut reply);
        let mut result = Ok(());
        for _ in 0..WHOLE.div_ceil(PIECE) {
            result = result.and_then(|()| reply.write(&piece, &NothingHeld));
            if result.is_ok() {
                counter.fetch_add(PIECE, Ordering::Relaxed);
            }
        }
        let _ = report.send(result.map_err(|error| error.to_string()));
    };
    (taken, result, handler)
}

#[test]
fn a_worker_whose_answer_nobody_reads_waits_and_is_free_after_socket_timeout() {
    let (taken, result, handler) = streaming();
    let server = Server::start(Options::default().workers(1).timeouts(SHORT, None), handler);
    for address in server.addresses() {
        taken.store(0, Ordering::Relaxed);
        let started = Instant::now();
        let mut peer = Peer::connect(address);
        peer.send_request(1, true, &Params::get("/"), b"");
        assert!(result.next().is_err(), "50 MB went somewhere");
        assert!(started.elapsed() >= SHORT, "closed before socket-timeout");
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < ON_ITS_WAY, "{taken} bytes were kept for a peer that does not read");
        expect_usable(&mut server.connect());
    }
}

#[test]
fn a_worker_that_waits_for_a_reader_does_not_keep_the_others() {
    let (_, result, handler) = streaming();
    let server = Server::start(Options::default().workers(2).timeouts(Duration::from_secs(2), None), handler);
    let mut unread = server.connect();
    unread.send_request(1, true, &Params::get("/"), b"");
    let mut peer = server.connect();
    for _ in 0..1000 {
        expect_usable(&mut peer);
    }
    drop(unread);
    assert!(result.next().is_err());
}

#[test]
fn a_worker_that_waits_for_a_reader_is_free_when_the_reader_leaves() {
    let (_, result, handler) = streaming();
    let server = Server::start(Options::default().workers(1), handler);
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        peer.send_request(1, true, &Params::get("/"), b"");
        peer.wait_for_stdout(1, "xxxx");
        drop(peer);
        assert!(result.next().is_err());
    }
    expect_usable(&mut server.connect());
}

#[test]
fn a_worker_that_waits_for_a_reader_is_free_when_its_request_is_aborted() {
    let (_, result, handler) = streaming();
    let server = Server::start(Options::default().workers(1), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/"), b"");
    peer.wait_for_stdout(1, "xxxx");
    peer.send(&record::abort(1));
    assert!(peer.answer(1).ended, "the peer reads again, so the request can be ended");
    assert!(result.next().is_err());
    expect_usable(&mut peer);
}

#[test]
fn small_answers_that_nobody_reads_do_not_pile_up() {
    let (report, ran) = reports();
    let handler = move |mut exchange: Exchange| {
        let _ = report.send(());
        let _ = answer(&mut exchange.reply, &[b'x'; 10_000]);
    };
    let server = Server::start(Options::default().timeouts(SHORT, None).max_queue(10_000), handler);
    let mut peer = server.connect();
    peer.set_deadline(SHORT * 3);
    // 600 MB of answers, if they were all made.
    let all: Vec<u8> = (1..=60_000)
        .flat_map(|id| record::request(id, true, &Params::empty().add("REQUEST_METHOD", "GET").encode(), b""))
        .collect();
    assert!(peer.try_send(&all).is_err(), "requests without end were taken from a peer that reads no answer");
    let mut count = 0;
    while !ran.stays_empty_for(SHORT) {
        count += 1;
    }
    assert!(count * 10_000 < ON_ITS_WAY, "{count} answers were made for a peer that reads none");
}

/// A reader of its own, because the peer reads as fast as it can.
fn read_slowly(address: &Address, request: &[u8], piece: usize, pause: Duration) -> Vec<u8> {
    let Address::Unix(path) = address else { panic!("a Unix socket") };
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    std::io::Write::write_all(&mut stream, request).unwrap();
    let (mut received, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return received,
            count => received.extend_from_slice(&buffer[..count]),
        }
        // The pace of this reader; nothing waits for it.
        thread::sleep(pause);
    }
}

/// The content of the STDOUT records in `bytes`, which must be whole and end in END_REQUEST.
fn stdout(mut bytes: &[u8]) -> Vec<u8> {
    let mut stdout = Vec::new();
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        let (record, rest) = bytes.split_at(8 + length + usize::from(bytes[6]));
        match record[1] {
            kind::STDOUT => stdout.extend_from_slice(&record[8..8 + length]),
            kind::END_REQUEST => {
                assert!(rest.is_empty(), "{} bytes behind END_REQUEST", rest.len());
                return stdout;
            }
            other => panic!("record type {other}"),
        }
        bytes = rest;
    }
}

/// What waits for this reader is never all sent within socket-timeout, but there is progress: the socket has room for more
/// several times within it.
#[test]
fn a_slow_reader_gets_every_byte_of_a_large_answer() {
    let body = pattern(6, 1_000_000);
    let sent = body.clone();
    let server = Server::start(Options::default().timeouts(Duration::from_millis(1500), None), move |mut exchange| {
        answer(&mut exchange.reply, &sent).unwrap();
    });
    let request = record::request(1, false, &Params::get("/").encode(), b"");
    let started = Instant::now();
    let stdout = stdout(&read_slowly(&server.unix(), &request, 8 * 1024, Duration::from_millis(40)));
    assert!(started.elapsed() > Duration::from_secs(3), "this was no slow reader");
    let head = stdout.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(stdout[head..] == body, "{} bytes instead of {}", stdout.len() - head, body.len());
}

#[test]
fn many_small_reads_get_every_byte_of_a_streamed_answer() {
    let body = pattern(7, 1_000_000);
    let sent = body.clone();
    let handler = move |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        sent.chunks(777).for_each(|piece| reply.write(piece, &NothingHeld).unwrap());
        reply.end(&[], &NothingHeld).unwrap();
    };
    let server = Server::start(Options::default(), handler);
    let request = record::request(1, false, &Params::get("/").encode(), b"");
    let stdout = stdout(&read_slowly(&server.unix(), &request, 1000, Duration::ZERO));
    let head = stdout.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(stdout[head..] == body, "{} bytes instead of {}", stdout.len() - head, body.len());
}

/// The loop must not take the silence of a peer that reads for the silence of one that has stopped.
#[test]
fn a_peer_that_reads_a_long_answer_and_sends_nothing_is_not_idle() {
    let (gate, wait) = crate::handlers::gate();
    let handler = move |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        for _ in 0..4 {
            reply.write(b"piece ", &NothingHeld).unwrap();
            wait(String::new());
        }
        reply.end(&[], &NothingHeld).unwrap();
    };
    let server = Server::start(Options::default().timeouts(SHORT, Some(SHORT)), handler);
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/"), b"");
    for pieces in 1..=4 {
        gate.wait_started();
        peer.wait_for_stdout(1, &"piece ".repeat(pieces));
        assert!(peer.is_silent_for(SHORT), "closed in the middle of an answer");
        gate.pass_one();
    }
    expect_body(peer.answer(1), "piece ".repeat(4).as_bytes());
}

#[test]
fn management_records_of_a_peer_that_reads_no_answer_are_not_answered_without_end() {
    let server = Server::start(Options::default().timeouts(SHORT, None), echo_handler);
    let mut peer = server.connect();
    peer.set_deadline(SHORT * 3);
    let flood = record(kind::GET_VALUES, 0, &record::pair(b"FCGI_MAX_REQS", b"")).repeat(10_000);
    let refused = (0..200).any(|_| peer.try_send(&flood).is_err());
    assert!(refused, "two million questions were taken from a peer that reads no answer");
    expect_usable(&mut server.connect());
    expect_body(server.connect().last_request(&post("other=1", 0), b""), b"other=1|");
}
