//! Many who send a request slowly, or stop in the middle: what a process keeps of them has a limit, and is given back.

use std::collections::HashMap;
use std::time::Duration;

use crate::support::Peer;
use crate::support::process::{Pyfcgid, wait_until};
use crate::support::record::{begin, kind, record, role, stream};
use crate::{echo, post};

const STALLED: usize = 700;
const LENGTH: usize = 120_000;

fn serve(memory: &str) -> Pyfcgid {
    echo(&["--processes", "1", "--max-connections", "1000", "--uploads-memory", memory, "--log-level", "info"])
}

/// The beginning of a request with a body of `LENGTH` bytes, of which all but the last are sent.
fn stalled(server: &Pyfcgid, index: usize) -> Peer {
    let mut peer = server.connect();
    let params = post(&format!("stalled={index}"), LENGTH).encode();
    let mut bytes = begin(1, role::RESPONDER, true);
    bytes.extend([stream(kind::PARAMS, 1, &params), body(index, LENGTH - 1)].concat());
    peer.send(&bytes);
    peer
}

/// In records as Apache sends them.
fn body(index: usize, length: usize) -> Vec<u8> {
    let content = vec![b'a' + (index % 26) as u8; length];
    content.chunks(8192).flat_map(|piece| record(kind::STDIN, 1, piece)).collect()
}

fn finish(peer: &mut Peer, index: usize) {
    peer.send(&[body(index, 1), record(kind::STDIN, 1, b"")].concat());
    let answer = peer.answer(1).expect_status(200);
    let expected = [format!("stalled={index}|").into_bytes(), vec![b'a' + (index % 26) as u8; LENGTH]].concat();
    assert!(answer.body == expected, "{index}: {} bytes", answer.body.len());
}

fn rss(server: &Pyfcgid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child_pid())).unwrap();
    let fields: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    fields["VmRSS"].trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many bytes wait to be read from the server's sockets is not known from outside, so a request goes through.
fn expect_serves(server: &Pyfcgid) {
    let answer = server.connect().last_request(&post("other=1", 5), b"still").expect_status(200);
    assert_eq!(answer.text(), "other=1|still");
}

#[test]
fn stalled_uploads_take_no_more_than_uploads_memory_and_come_to_their_end() {
    let server = serve("8M");
    expect_serves(&server);
    let before = rss(&server);
    let mut peers: Vec<Peer> = (0..STALLED).map(|index| stalled(&server, index)).collect();
    expect_serves(&server);
    let kept = rss(&server) - before;
    eprintln!("{STALLED} stalled uploads of {LENGTH} bytes: {kept} KiB, {before} before");
    assert!(kept < 30_000, "{kept} KiB more");
    for (index, peer) in peers.iter_mut().enumerate() {
        finish(peer, index);
    }
    assert!(!server.log().contains("uploads-memory is used up"), "{}", server.log());
}

#[test]
fn memory_of_uploads_is_given_back() {
    let server = serve("1G");
    expect_serves(&server);
    let before = rss(&server);
    let peers: Vec<Peer> = (0..STALLED).map(|index| stalled(&server, index)).collect();
    expect_serves(&server);
    let kept = rss(&server) - before;
    assert!(kept > 60_000, "{kept} KiB: they are in memory");
    drop(peers);
    wait_until("the memory to be given back", || rss(&server) < before + 15_000);
}

/// Parameters and parts of records can go to no file.
#[test]
fn who_has_sent_nothing_for_longest_is_closed_when_files_do_not_help() {
    let server = serve("1M");
    let begun = |index: usize| {
        let mut peer = server.connect();
        let params = post(&format!("begun={index}"), 5).add("HTTP_X_LONG", "x".repeat(30_000)).encode();
        peer.send(&[begin(1, role::RESPONDER, true), record(kind::PARAMS, 1, &params)].concat());
        expect_serves(&server);
        peer
    };
    let mut peers: Vec<Peer> = (0..100).map(begun).collect();
    server.wait_for_log("uploads-memory is used up");
    let mut last = peers.pop().unwrap();
    last.send(&[stream(kind::PARAMS, 1, b""), stream(kind::STDIN, 1, b"12345")].concat());
    assert_eq!(last.answer(1).expect_status(200).text(), "begun=99|12345");
    peers[0].set_deadline(Duration::from_secs(10));
    assert!(peers[0].answer(1).closed, "the first of them");
    let open = peers.iter_mut().filter_map(|peer| peer.try_send(&record(kind::PARAMS, 1, b"")).ok()).count();
    assert!(open >= 20, "only {open} are still open");
    expect_serves(&server);
}
