//! PARAMS: a byte stream, whatever the records: rule 24.

use crate::support::record::{begin, length, padded_record, pair, raw_record, record, request, role, stream, stream_in_pieces};
use crate::support::{Params, Peer, kind};
use crate::{echo, expect_complete, expect_not_run, expect_usable, post};

/// BEGIN_REQUEST, the given PARAMS records, and an empty STDIN.
fn with_params(id: u16, params: &[u8]) -> Vec<u8> {
    [begin(id, role::RESPONDER, true), params.to_vec(), record(kind::STDIN, id, b"")].concat()
}

fn few() -> Params {
    Params::empty()
        .add("REQUEST_METHOD", "GET")
        .add("SCRIPT_NAME", "/")
        .add("SERVER_NAME", "x")
        .add("SERVER_PORT", "80")
        .add("HTTP_COOKIE", "c=".to_owned() + &"x".repeat(200))
}

#[test]
fn a_pair_may_be_split_over_two_records_anywhere() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let bytes = few().encode();
    for at in 1..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        let params = [record(kind::PARAMS, 1, head), record(kind::PARAMS, 1, tail), record(kind::PARAMS, 1, b"")].concat();
        peer.send(&with_params(1, &params));
        let answer = peer.answer(1).expect_status(200);
        assert_eq!(answer.text(), format!("c={}|", "x".repeat(200)), "split at {at}");
    }
}

#[test]
fn params_may_come_a_byte_a_record() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&with_params(1, &stream_in_pieces(kind::PARAMS, 1, &few().encode(), 1)));
    assert_eq!(peer.answer(1).expect_status(200).text(), format!("c={}|", "x".repeat(200)));
}

/// Apache cuts at about 16 KiB, Caddy at 65,500, h2o at 65,535 and cgi-fcgi at 8,184 bytes.
#[test]
fn large_params_may_be_cut_as_real_web_servers_cut_them() {
    let server = echo(&["--max-params-size", "300K"]);
    let mut peer = server.connect();
    let params = few().add("HTTP_X_LONG", "y".repeat(100_000)).add("HTTP_COOKIE", "last=1").encode();
    for piece in [8184, 16_383, 65_500, 65_535] {
        peer.send(&with_params(1, &stream_in_pieces(kind::PARAMS, 1, &params, piece)));
        assert!(peer.answer(1).expect_status(200).text().ends_with("last=1|"), "cut at {piece}");
    }
}

#[test]
fn two_hundred_kilobytes_of_params_are_taken_when_the_limit_is_raised() {
    let server = echo(&["--max-params-size", "256K"]);
    let mut peer = server.connect();
    let params = post("big=1", 2).add("HTTP_X_LONG", "y".repeat(200_000));
    assert_eq!(peer.request(&params, b"ok").expect_status(200).text(), "big=1|ok");
}

#[test]
fn params_over_the_limit_are_answered_with_431() {
    let server = echo(&["--max-params-size", "64K"]);
    let mut peer = server.connect();
    let answer = peer.request(&post("too-big=1", 2).add("HTTP_X_LONG", "y".repeat(200_000)), b"no");
    expect_complete(answer, 431);
    expect_usable(&mut peer);
    expect_not_run(&server, "too-big=1");
}

#[test]
fn too_many_params_are_answered_with_431() {
    let server = echo(&["--max-params", "50"]);
    let mut peer = server.connect();
    let many = (0..100).fold(post("too-many=1", 0), |params, number| params.add(format!("HTTP_X_{number}"), "1"));
    expect_complete(peer.request(&many, b""), 431);
    expect_usable(&mut peer);
    expect_not_run(&server, "too-many=1");
}

#[test]
fn pairs_of_empty_names_count_as_params_too() {
    let server = echo(&["--max-params", "50"]);
    let mut peer = server.connect();
    let many = (0..100).fold(post("too-many=1", 0), |params, _| params.add("", ""));
    expect_complete(peer.request(&many, b""), 431);
}

/// The pair says it is longer than the stream.
#[test]
fn params_that_end_inside_a_pair_are_answered_with_400() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let cut = [few().encode(), length(4), length(100), b"NAMEvalue".to_vec()].concat();
    let cut_in_length = [few().encode(), vec![4, 0x80, 0]].concat();
    let only_a_length = vec![0x80];
    for bytes in [cut, cut_in_length, only_a_length] {
        peer.send(&with_params(1, &stream(kind::PARAMS, 1, &bytes)));
        expect_complete(peer.answer(1), 400);
        expect_usable(&mut peer);
    }
}

#[test]
fn empty_names_are_ignored() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let params = Params::empty().add("", "value").add("", "");
    let bytes = [params.encode(), post("named=1", 2).add("", "x").encode()].concat();
    peer.send(&request(1, true, &bytes, b"ok"));
    assert_eq!(peer.answer(1).expect_status(200).text(), "named=1|ok");
}

/// A length below 128 may be written in four bytes, too (FastCGI 1.0 §3.4).
#[test]
fn short_lengths_in_four_bytes_are_understood() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let long_form = |length: u32| (length | 0x8000_0000).to_be_bytes().to_vec();
    let cookie = [long_form(11), long_form(3), b"HTTP_COOKIEa=1".to_vec()].concat();
    peer.send(&request(1, true, &[Params::get("/").encode(), cookie].concat(), b""));
    assert_eq!(peer.answer(1).expect_status(200).text(), "a=1|");
}

#[test]
fn values_of_127_and_128_bytes_are_understood() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for length in [0, 1, 126, 127, 128, 129, 255, 256, 65_000] {
        let cookie = "c".repeat(length);
        assert_eq!(peer.request(&post(&cookie, 0), b"").expect_status(200).body.len(), length + 1);
    }
}

/// A request without any PARAMS exists: HAProxy sends one for `OPTIONS *`.
#[test]
fn a_request_without_params_is_answered() {
    let server = echo(&[]);
    let mut peer = server.connect();
    peer.send(&with_params(1, &record(kind::PARAMS, 1, b"")));
    let answer = peer.answer(1);
    assert!(answer.ended && answer.status >= 200, "{}", answer.summary());
    expect_usable(&mut peer);
}

/// Rule 10: padding is fine everywhere.
#[test]
fn padding_of_any_length_is_skipped() {
    let server = echo(&[]);
    let mut peer = server.connect();
    for padding in [1, 7, 8, 128, 255] {
        send_padded(&mut peer, padding);
        assert_eq!(peer.answer(1).expect_status(200).text(), "padded=1|body", "padding {padding}");
    }
}

fn send_padded(peer: &mut Peer, padding: u8) {
    peer.send(&padded_record(kind::BEGIN_REQUEST, 1, &[0, 1, 1, 0, 0, 0, 0, 0], padding));
    peer.send(&padded_record(kind::PARAMS, 1, &post("padded=1", 4).encode(), padding));
    peer.send(&padded_record(kind::PARAMS, 1, b"", padding));
    peer.send(&padded_record(kind::STDIN, 1, b"body", padding));
    peer.send(&padded_record(kind::STDIN, 1, b"", padding));
}

#[test]
fn padding_need_not_be_zero() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let mut begin = raw_record(1, kind::BEGIN_REQUEST, 1, 8, &[0, 1, 1, 9, 9, 9, 9, 9], 5);
    let start = begin.len() - 5;
    begin[start..].fill(0xff);
    begin[7] = 0xff;
    peer.send(&begin);
    peer.send(&stream(kind::PARAMS, 1, &post("dirty=1", 0).encode()));
    peer.send(&record(kind::STDIN, 1, b""));
    assert_eq!(peer.answer(1).expect_status(200).text(), "dirty=1|");
}

/// CVE-2025-23016: the sum of two lengths of 31 bits.
#[test]
fn lengths_that_lie_are_refused_without_allocating() {
    let server = echo(&[]);
    let before = server.rss_kib();
    for (name, value) in [(0x7fff_ffff_u32, 0x7fff_ffff_u32), (0x7fff_ffff, 1), (1, 0x7fff_ffff), (0x7fff_fff8, 8)] {
        let mut peer = server.connect();
        let lengths = [(name | 0x8000_0000).to_be_bytes(), (value | 0x8000_0000).to_be_bytes()].concat();
        peer.send(&with_params(1, &stream(kind::PARAMS, 1, &[lengths, b"some bytes".to_vec()].concat())));
        let answer = peer.answer(1);
        assert!(answer.closed || [400, 431].contains(&answer.status), "{}", answer.summary());
    }
    assert!(server.peak_rss_kib() < before + 16 * 1024);
    expect_usable(&mut server.connect());
}

#[test]
fn a_name_of_two_hundred_bytes_is_a_name() {
    let server = echo(&[]);
    let mut peer = server.connect();
    let long = pair(&[b"HTTP_", &[b'X'; 195][..]].concat(), b"1");
    peer.send(&request(1, true, &[post("long=1", 0).encode(), long].concat(), b""));
    assert_eq!(peer.answer(1).expect_status(200).text(), "long=1|");
}
