//! Answers that are large, come from a file, or never come to their end.

use std::fs::File;
use std::io::{Seek, Write};

use connections::exchange::{Exchange, Head, NothingHeld, ReplyError};

use crate::handlers::{self, answer, cookie, echo as echo_handler, open, reports};
use crate::random::{Random, pattern};
use crate::server::{Options, Server};
use crate::support::params::Params;
use crate::support::peer::Peer;
use crate::{Answer, expect_body, expect_cut, expect_usable, post};

/// A handler that does `special` unless it is to echo.
fn unless_usable(special: impl Fn(Exchange) + Send + Sync + 'static) -> impl Fn(Exchange) + Send + Sync + 'static {
    move |exchange| if cookie(&exchange.request) == "usable=1" { echo_handler(exchange) } else { special(exchange) }
}

#[test]
fn an_answer_of_ten_megabytes_arrives_whole_on_every_kind_of_socket() {
    let body = pattern(10, 10_000_000);
    let sent = body.clone();
    let server = Server::start(Options::default(), move |mut exchange| answer(&mut exchange.reply, &sent).unwrap());
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        expect_body(peer.request(&Params::get("/"), b""), &body);
        expect_body(peer.last_request(&Params::get("/"), b""), &body);
    }
}

#[test]
fn answers_around_the_lengths_of_records_and_slabs_arrive_whole() {
    let handler = |mut exchange: Exchange| {
        let length = cookie(&exchange.request).parse().unwrap();
        answer(&mut exchange.reply, &pattern(1, length)).unwrap();
    };
    let server = Server::start(Options::default(), handler);
    let mut peer = server.connect();
    for border in [0_usize, 65_535, 2 * 65_535, 4 * 65_535, 8 * 65_535, 262_144] {
        for length in border.saturating_sub(100)..border + 3 {
            let answer = peer.request(&Params::get("/").add("HTTP_COOKIE", length.to_string()), b"");
            assert_eq!(answer.stdout_records.last(), Some(&0), "the stream is ended");
            assert!(!answer.stdout_records[..answer.stdout_records.len() - 1].contains(&0), "and only once");
            expect_body(answer, &pattern(1, length));
        }
    }
}

#[test]
fn a_streamed_answer_arrives_whole() {
    let body = pattern(2, 3_000_000);
    let sent = body.clone();
    let handler = move |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        let (mut rest, mut random) = (&sent[..], Random::from_seed(2));
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(random.length(300_000).min(rest.len()));
            reply.write(piece, &NothingHeld).unwrap();
            rest = others;
        }
        reply.end(&[], &NothingHeld).unwrap();
    };
    let server = Server::start(Options::default(), handler);
    expect_body(server.connect().last_request(&Params::get("/"), b""), &body);
}

/// A temp file with these bytes.
fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_part_of_a_file_arrives_whole_and_the_connection_goes_on() {
    let content = pattern(3, 2_000_000);
    let sent = content.clone();
    let special = move |exchange: Exchange| {
        let (offset, length) = (cookie(&exchange.request).parse::<u64>().unwrap(), exchange.request.body.length());
        let mut reply = exchange.reply;
        open(&mut reply);
        reply.send_file(file_of(&sent), offset, length, &NothingHeld).unwrap();
        reply.end(&[b"behind"], &NothingHeld).unwrap();
    };
    let server =
        Server::start(Options::default().with(|settings| settings.request.max_body_size = 9 << 20), unless_usable(special));
    for address in server.addresses() {
        let mut peer = Peer::connect(address);
        for (offset, length) in
            [(0, 0), (0, 1), (7, 61_439), (7, 61_440), (7, 61_441), (7, 65_536), (1_999_999, 1), (0, 2_000_000)]
        {
            let answer = peer.request(&post(&offset.to_string(), length), &vec![0; length]);
            expect_body(answer, &[&content[offset..offset + length], b"behind"].concat());
        }
        expect_usable(&mut peer);
    }
}

#[test]
fn a_file_that_is_shorter_than_promised_cuts_the_connection() {
    let (report, result) = reports();
    let special = move |exchange: Exchange| {
        let mut reply = exchange.reply;
        let mut head = Head::new(b"200 OK").unwrap();
        head.push(b"Content-Length", b"200000").unwrap();
        reply.set_head(head).unwrap();
        let sent = reply.send_file(file_of(&[b'x'; 100_000]), 0, 200_000, &NothingHeld);
        let ended = sent.and_then(|()| reply.end(&[], &NothingHeld));
        let _ = report.send(ended.is_err());
    };
    let server = Server::start(Options::default().workers(1), unless_usable(special));
    let mut peer = server.connect();
    peer.send_request(1, true, &Params::get("/"), b"");
    // The record that the file does not fill can't be ended, so the answer is whatever came before.
    while peer.next_record().is_some() {}
    assert!(!peer.end_order.contains(&1));
    result.next();
    expect_usable(&mut server.connect());
}

#[test]
fn a_head_request_gets_the_head_of_a_file_and_no_body() {
    let handler = |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        reply.head_mut().unwrap().set_content_length(5000);
        reply.send_file(file_of(&[b'x'; 5000]), 0, 5000, &NothingHeld).unwrap();
        reply.end(&[], &NothingHeld).unwrap();
    };
    let server = Server::start(Options::default(), handler);
    let answer = server.connect().last_request(&Params::nginx("HEAD", "/"), b"").expect_status(200);
    assert_eq!((answer.header("Content-Length").as_deref(), answer.body.len()), (Some("5000"), 0));
}

#[test]
fn a_panic_is_answered_500_and_the_worker_lives() {
    let server = Server::start(Options::default().workers(1), unless_usable(|_| panic!("on purpose")));
    let mut peer = server.connect();
    for _ in 0..10 {
        let answer = peer.request(&post("panics=1", 0), b"").expect_status(500);
        assert!(!answer.body.is_empty(), "{}", answer.summary());
        expect_usable(&mut peer);
    }
}

#[test]
fn a_panic_in_the_middle_of_a_body_cuts_the_connection_and_the_worker_lives() {
    let special = |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        reply.write(b"the first half", &NothingHeld).unwrap();
        panic!("on purpose");
    };
    let server = Server::start(Options::default().workers(1), unless_usable(special));
    let answer = server.connect().request(&post("panics=1", 0), b"");
    expect_cut(&answer);
    assert_eq!(answer.text(), "the first half");
    expect_usable(&mut server.connect());
}

#[test]
fn an_exchange_that_is_dropped_is_answered_500() {
    let server = Server::start(Options::default(), unless_usable(drop));
    let mut peer = server.connect();
    let answer = peer.request(&post("dropped=1", 0), b"").expect_status(500);
    assert_eq!(answer.app_status, Some(1));
    expect_usable(&mut peer);
}

/// A handler that sends half an answer.
fn half(exchange: Exchange) {
    let mut reply = exchange.reply;
    open(&mut reply);
    reply.write(b"the first half", &NothingHeld).unwrap();
}

/// nginx takes a bare close as a regular end where it does not keep connections, or does not buffer.
#[test]
fn half_an_answer_is_followed_by_what_is_no_record_and_cuts_its_connection() {
    let server = Server::start(Options::default(), unless_usable(half));
    for (address, is_kept) in server.addresses().into_iter().flat_map(|address| [(address.clone(), true), (address, false)]) {
        let mut peer = Peer::connect(address);
        peer.send_request(1, is_kept, &post("half=1", 0), b"");
        let answer = peer.answer(1);
        expect_cut(&answer);
        assert_eq!((answer.text(), answer.garbage), ("the first half".to_owned(), vec![0xff; 16]));
        assert_ne!(answer.stdout_records.last(), Some(&0), "the stream must not look ended");
    }
    expect_usable(&mut server.connect());
}

#[test]
fn half_a_large_answer_is_sent_before_the_connection_is_cut() {
    let body = pattern(4, 5_000_000);
    let sent = body.clone();
    let special = move |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        reply.write(&sent, &NothingHeld).unwrap();
    };
    let server = Server::start(Options::default(), unless_usable(special));
    let answer = server.connect().request(&post("half=1", 0), b"");
    expect_cut(&answer);
    assert!(answer.body == body, "{} bytes of {}", answer.body.len(), body.len());
}

#[test]
fn a_cut_connection_is_seen_by_the_other_requests_on_it() {
    let (gate, wait) = handlers::gate();
    let (report, result) = reports();
    let special = move |exchange: Exchange| {
        if cookie(&exchange.request) == "half=1" {
            return half(exchange);
        }
        wait(cookie(&exchange.request));
        let mut reply = exchange.reply;
        let was_aborted = reply.is_aborted();
        open(&mut reply);
        let _ = report.send((was_aborted, reply.end(&[b"too late"], &NothingHeld).is_err()));
    };
    let server = Server::start(Options::default(), unless_usable(special));
    let mut peer = server.connect();
    peer.send_request(1, true, &post("other=1", 0), b"");
    gate.wait_started();
    peer.send_request(2, true, &post("half=1", 0), b"");
    expect_cut(&peer.answer(2));
    gate.pass_one();
    assert_eq!(result.next(), (true, true));
    expect_cut(&peer.answer(1));
    expect_usable(&mut server.connect());
}

/// Answers a request with more than was written before it, and tells the error of its end.
#[track_caller]
fn short_answer(written: &'static [u8]) -> (Answer, ReplyError) {
    let (report, result) = reports();
    let special = move |exchange: Exchange| {
        let mut reply = exchange.reply;
        open(&mut reply);
        reply.head_mut().unwrap().push(b"Content-Length", b"10").unwrap();
        reply.write(written, &NothingHeld).unwrap();
        let _ = report.send(reply.end(&[b"rt"], &NothingHeld).unwrap_err());
    };
    let server = Server::start(Options::default(), unless_usable(special));
    let mut peer = server.connect();
    let answer = peer.request(&post("short=1", 0), b"");
    if answer.ended {
        expect_usable(&mut peer);
    }
    (answer, result.next())
}

#[test]
fn a_body_shorter_than_its_content_length_cuts_the_connection() {
    let (answer, error) = short_answer(b"sho");
    expect_cut(&answer);
    assert!(matches!(error, ReplyError::BodyCutShort { expected: 10, sent: 5 }), "{error:?}");
}

#[test]
fn a_body_shorter_than_its_content_length_is_a_500_while_nothing_was_sent() {
    let (answer, error) = short_answer(b"");
    answer.expect_status(500);
    assert!(matches!(error, ReplyError::BodyShort { expected: 10, sent: 2 }), "{error:?}");
}
