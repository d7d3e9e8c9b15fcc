use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use crate::event_loop::EventLoop;
use crate::event_loop::handover::tests::{connect_to, request, saturated, wait_until};
use crate::event_loop::listener::Purpose;
use fastcgi_codec::{RecordType, RequestId, Role, encoder};

/// A request with this body, and how much of it has come when the worker is taken by another one.
struct Pieces {
    bytes: Vec<u8>,
    first: usize,
    /// What belongs to no request yet comes behind it.
    rest: &'static [u8],
}

fn with_body(body: &[u8], ends: bool) -> Vec<u8> {
    let (id, length) = (RequestId::new(7), body.len().to_string());
    let params = [(&b"REQUEST_METHOD"[..], &b"POST"[..]), (b"CONTENT_LENGTH", length.as_bytes()), (b"A", b""), (b"A", b"2")];
    let mut bytes = Vec::new();
    encoder::encode_begin_request(&mut bytes, id, Role::Responder, true);
    encoder::encode_params(&mut bytes, id, params).unwrap();
    encoder::encode_stream(&mut bytes, RecordType::Stdin, id, body);
    if ends {
        encoder::encode_stream(&mut bytes, RecordType::Stdin, id, b"");
    }
    bytes
}

/// One of which all has come, of which a part had been read before the only worker had another one. That is read.
fn read_in_pieces(pieces: &Pieces) -> (EventLoop, mpsc::Sender<()>, usize, [UnixStream; 2]) {
    let (mut event_loop, gate, key, ends) = come_in_pieces(pieces);
    event_loop.read(key, false);
    (event_loop, gate, key, ends)
}

/// The same, but that is not read yet.
fn come_in_pieces(pieces: &Pieces) -> (EventLoop, mpsc::Sender<()>, usize, [UnixStream; 2]) {
    let (mut event_loop, gate, _answered) = saturated();
    gate.send(()).unwrap();
    wait_until(|| !event_loop.is_saturated());
    event_loop.settings.request.max_body_size = 1 << 20;
    event_loop.settings.socket_timeout = Some(Duration::from_secs(1));
    let (first, second) = pieces.bytes.split_at(pieces.first);
    let (key, mut far) = connect_to(&mut event_loop, first);
    event_loop.read(key, false);
    // However long it takes on a busy machine.
    event_loop.now += Duration::from_millis(2);
    let (busy, busy_far) = connect_to(&mut event_loop, &request());
    event_loop.read(busy, false);
    event_loop.queue.call_worker();
    wait_until(|| !event_loop.queue.load().has_work);
    assert!(event_loop.is_saturated() && !event_loop.connections[key].is_between_requests(), "it has begun");
    event_loop.now += Duration::from_millis(2);
    far.write_all(&[second, pieces.rest].concat()).unwrap();
    (event_loop, gate, key, [far, busy_far])
}

#[test]
fn a_request_that_came_in_pieces_is_lined_up_as_it_came_when_others_have_the_workers() {
    let (get, body) = (request(), with_body(b"twelve bytes", true));
    let cut = with_body(b"twelve bytes", false);
    for (bytes, first, rest) in [
        (&get, 20, &b""[..]),
        (&get, get.len() - 1, b"\x01\x01\0"),
        (&body, 16, b""),
        (&body, body.len() - 8 - 5, b""),
        (&cut, cut.len() - 1, b""),
        (&cut, 30, b"\x01\x05\0\x07\0\0"),
    ] {
        let pieces = Pieces { bytes: bytes.clone(), first, rest };
        let (mut event_loop, _gate, key, [mut far, _]) = read_in_pieces(&pieces);
        assert_eq!(event_loop.line.waiting(), 1, "here");
        let connection = &event_loop.connections[key];
        assert!(connection.is_between_requests() && connection.deadline(&event_loop.settings).is_none(), "{first}");
        event_loop.line_up();
        assert!(!event_loop.connections.contains(key) && !event_loop.queue.load().has_work, "{first}");
        assert_eq!(event_loop.line.waiting(), 1, "on the line");
        let (traveller, since) = event_loop.line.take(&mut event_loop.spare).unwrap();
        assert_eq!(traveller.unread, [bytes, rest].concat(), "{first}");
        assert!(traveller.has_read && traveller.purpose == Purpose::Site && since.elapsed() < Duration::from_secs(30));
        far.set_nonblocking(true).unwrap();
        assert_eq!(far.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was answered");
    }
}

#[test]
fn it_is_answered_where_a_worker_has_time_first() {
    for is_lined_up in [false, true] {
        let pieces = Pieces { bytes: with_body(b"twelve bytes", true), first: 16, rest: b"" };
        let (mut event_loop, gate, key, [mut far, _busy]) = read_in_pieces(&pieces);
        // It is tried for nothing meanwhile, and stays.
        event_loop.read(key, true);
        if is_lined_up {
            event_loop.line_up();
        }
        gate.send(()).unwrap();
        wait_until(|| !event_loop.is_saturated());
        let taken = if is_lined_up { event_loop.take_from_line() } else { event_loop.read_deferred() };
        assert_eq!(taken, 1);
        event_loop.queue.call_worker();
        gate.send(()).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answer = [0; 1000];
        let count = far.read(&mut answer).unwrap();
        assert_eq!(answer[2..4], [0, 7], "{:?}", &answer[..count]);
        wait_until(|| event_loop.line.waiting() == 0);
    }
}

#[test]
fn one_that_cannot_be_sent_on_waits_where_it_is() {
    let long = with_body(&[b'x'; 70_000], true);
    let several = [request(), with_body(b"twelve bytes", true)].concat();
    for (bytes, first) in [(long, 16), (several, 20)] {
        let (mut event_loop, _gate, key, _far) = read_in_pieces(&Pieces { bytes, first, rest: b"" });
        event_loop.line_up();
        assert!(event_loop.connections.contains(key) && event_loop.queue.load().has_work && event_loop.line.is_empty());
    }
    // How long it has come would be forgotten.
    let (mut event_loop, _gate, key, _far) =
        come_in_pieces(&Pieces { bytes: with_body(b"twelve bytes", true), first: 16, rest: b"" });
    event_loop.now += Duration::from_millis(100);
    event_loop.read(key, false);
    event_loop.line_up();
    assert!(event_loop.connections.contains(key) && event_loop.queue.load().has_work && event_loop.line.is_empty());
}

#[test]
fn it_is_refused_where_no_more_may_wait_and_answered_at_a_stop() {
    let pieces = || Pieces { bytes: with_body(b"twelve bytes", true), first: 16, rest: b"" };
    let (mut event_loop, _gate, key, [mut far, _busy]) = come_in_pieces(&pieces());
    let places: Vec<_> = std::iter::from_fn(|| event_loop.line.place()).collect();
    event_loop.read(key, false);
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = [0; 1000];
    let count = far.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..count]).contains("503"));
    assert!(event_loop.connections.contains(key) && event_loop.line.waiting() == places.len());
    drop(places);

    let (mut event_loop, _gate, key, _far) = read_in_pieces(&pieces());
    event_loop.start_stopping();
    assert!(event_loop.queue.load().has_work && !event_loop.connections[key].is_between_requests(), "it was sent before");
}
