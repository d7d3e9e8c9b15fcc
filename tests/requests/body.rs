//! STDIN and CONTENT_LENGTH: rules 13, 14 and 15.

use crate::support::record::{begin, record, request, role, stream, stream_in_pieces};
use crate::support::{Params, Peer, kind};
use crate::{echo, expect_complete, expect_not_run, expect_usable, post, post_unknown};

/// BEGIN_REQUEST, PARAMS, and STDIN without its end.
fn without_end(params: &Params, body: &[u8]) -> Vec<u8> {
    let mut bytes = [begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &params.encode())].concat();
    bytes.extend(body.chunks(5).flat_map(|piece| record(kind::STDIN, 1, piece)));
    bytes
}

/// Rule 15: absent from Apache, empty from nginx, -1 from Caddy.
#[test]
fn a_body_of_unknown_length_goes_to_the_end_of_stdin() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let unknown = post_unknown("chunked=1");
    for params in [unknown.clone(), unknown.clone().set("CONTENT_LENGTH", ""), unknown.set("CONTENT_LENGTH", "-1")] {
        assert_eq!(peer.request(&params, b"all of it").expect_status(200).text(), "chunked=1|all of it");
    }
}

/// Rule 13: nginx stops sending STDIN once it sees a head, so the app may not run before.
#[test]
fn the_app_is_not_run_before_its_body_is_complete() {
    let server = echo(&["--threads", "1"]);
    let mut peer = server.connect();
    peer.send(&without_end(&post("early=1", 10), b"12345"));
    expect_not_run(&server, "early=1");
    peer.send(&stream(kind::STDIN, 1, b"67890"));
    assert_eq!(peer.answer(1).expect_status(200).text(), "early=1|1234567890");
}

/// Rule 14: HAProxy never ends an empty chunked one.
#[test]
fn a_request_with_content_length_0_is_complete_without_stdin() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&without_end(&post("none=1", 0), b""));
    assert_eq!(peer.answer(1).expect_status(200).text(), "none=1|");
    peer.send(&record(kind::STDIN, 1, b""));
    expect_usable(&mut peer);
}

#[test]
fn a_request_is_complete_when_content_length_bytes_are_there() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&without_end(&post("exact=1", 10), b"1234567890"));
    assert_eq!(peer.answer(1).expect_status(200).text(), "exact=1|1234567890");
    peer.send(&[record(kind::STDIN, 1, b"late"), record(kind::STDIN, 1, b"")].concat());
    expect_usable(&mut peer);
}

#[test]
fn bytes_beyond_content_length_are_drained() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for extra in [1, 100, 300_000] {
        let body = [b"12345".to_vec(), vec![b'x'; extra]].concat();
        assert_eq!(peer.request(&post("long=1", 5), &body).expect_status(200).text(), "long=1|12345");
    }
    expect_usable(&mut peer);
}

#[test]
fn bytes_beyond_content_length_in_the_same_record_are_drained() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&request(1, true, &post("long=1", 3).encode(), b"123456"));
    assert_eq!(peer.answer(1).expect_status(200).text(), "long=1|123");
}

/// A broken upload must never look like a whole one.
#[test]
fn stdin_that_ends_short_of_content_length_is_a_400_and_the_app_is_not_run() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for body in [b"".as_slice(), b"1", b"123456789"] {
        expect_complete(peer.request(&post("short=1", 10), body), 400);
    }
    expect_usable(&mut peer);
    expect_not_run(&server, "short=1");
}

#[test]
fn a_connection_that_ends_in_the_middle_of_the_body_does_not_run_the_app() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&without_end(&post("gone=1", 10), b"12345"));
    drop(peer);
    let mut peer = server.connect();
    peer.send(&without_end(&post_unknown("gone=1"), b"12345"));
    drop(peer);
    expect_not_run(&server, "gone=1");
}

#[test]
fn a_content_length_that_is_no_number_is_a_400() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for value in ["five", "5x", "0x5", "1e1", "5 5", "5,5"] {
        expect_complete(peer.request(&post("odd=1", 5).set("CONTENT_LENGTH", value), b"12345"), 400);
    }
    expect_usable(&mut peer);
    expect_not_run(&server, "odd=1");
}

/// Whoever stands in front may have gone by the other one.
#[test]
fn two_content_lengths_that_differ_are_a_400_and_the_app_is_not_run() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for other in ["0", "4", "6", "x"] {
        expect_complete(peer.request(&post("two=1", 5).add("CONTENT_LENGTH", other), b"12345"), 400);
        expect_usable(&mut peer);
    }
    expect_not_run(&server, "two=1");
    let same = post("same=1", 5).add("CONTENT_LENGTH", "5");
    assert_eq!(peer.request(&same, b"12345").expect_status(200).text(), "same=1|12345");
}

#[test]
fn a_content_length_beyond_every_limit_is_refused() {
    let server = echo(&[]);
    for value in ["1000000000000000000", "99999999999999999999999999"] {
        let mut peer = server.connect();
        let answer = peer.request(&post("huge=1", 5).set("CONTENT_LENGTH", value), b"12345");
        assert!([400, 413].contains(&answer.status) && answer.ended, "{}", answer.summary());
    }
    expect_not_run(&server, "huge=1");
}

#[track_caller]
fn expect_too_large(peer: &mut Peer, params: &Params, body: &[u8]) {
    expect_complete(peer.request(params, body), 413);
    expect_usable(peer);
}

#[test]
fn a_body_over_the_limit_is_a_413_after_draining() {
    let server = echo(&["--max-body-size", "1K"]);
    let mut peer = server.connect();
    let body = vec![b'x'; 500_000];
    expect_too_large(&mut peer, &post("large=1", body.len()), &body);
    expect_too_large(&mut peer, &post_unknown("large=1"), &body);
    expect_too_large(&mut peer, &post("large=1", 1025), &body[..1025]);
    assert_eq!(peer.request(&post("fits=1", 1024), &body[..1024]).expect_status(200).body.len(), 1024 + 7);
    expect_not_run(&server, "large=1");
}

#[test]
fn a_body_at_the_edge_of_memory_and_file_is_whole() {
    let server = echo(&["--body-memory", "1K"]);
    let mut peer = server.connect();
    for length in [1023, 1024, 1025, 100_000] {
        let body: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
        for params in [post("edge=1", length), post_unknown("edge=1")] {
            let answer = peer.request(&params, &body).expect_status(200);
            assert!(answer.body == [b"edge=1|".as_slice(), &body].concat(), "{length} bytes");
        }
    }
}

#[test]
fn a_body_in_odd_pieces_is_whole() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let body: Vec<u8> = (0..50_000_u32).map(|index| u8::try_from(index % 253).unwrap()).collect();
    for piece in [1, 13, 356, 7836, 8192, 32_768, 65_535] {
        peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &post("odd=1", body.len()).encode())].concat());
        peer.send(&stream_in_pieces(kind::STDIN, 1, &body, piece));
        assert!(peer.answer(1).expect_status(200).body == [b"odd=1|".as_slice(), &body].concat(), "pieces of {piece}");
    }
}

#[test]
fn a_get_may_have_a_body() {
    let server = echo(&[]);
    let params = Params::get("/").set("CONTENT_LENGTH", "4").add("HTTP_COOKIE", "get=1");
    assert_eq!(server.connect().request(&params, b"body").expect_status(200).text(), "get=1|body");
}
