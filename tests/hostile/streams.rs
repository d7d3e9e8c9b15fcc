//! Streams of bytes that are wrong, or right but absurd.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::record::{begin, padded_record, raw_record, record, role, stream};
use crate::support::{Params, Peer, Pyfcgid, app, kind};
use crate::{echo, expect_serves, new_lines, post};

/// How much memory a single bad connection may cost.
const GROWTH_KIB: u64 = 16 * 1024;

/// Small random numbers from a seed (Steele, Lea, Flood: SplitMix64).
struct Random(u64);

impl Random {
    /// Seeded by `SEED`, or by the clock; the seed is printed.
    fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        println!("SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

#[track_caller]
fn expect_little_growth(server: &Pyfcgid, before: u64) {
    let growth = server.peak_rss_kib().saturating_sub(before);
    println!("memory grew by {growth} KiB at most");
    assert!(growth < GROWTH_KIB, "memory grew from {before} by {growth} KiB");
}

#[test]
fn garbage_ends_its_connection_with_one_log_line() {
    let mut server = echo(&[]);
    let mut random = Random::new();
    for _ in 0..50 {
        let before = server.log();
        let mut bytes = random.bytes(1000);
        bytes[0] |= 2;
        let mut peer = server.connect();
        let _ = peer.try_send(&bytes);
        peer.expect_closed();
        let log = server.wait_for_log_that("one new line", |log| !new_lines(log, &before).is_empty());
        assert_eq!(new_lines(&log, &before).len(), 1, "{log}");
    }
    expect_serves(&mut server);
}

/// Bytes of a real request, some of them changed.
#[test]
fn damaged_requests_are_answered_or_closed() {
    let mut server = echo(&["--socket-timeout", "500ms", "--log-level", "error"]);
    let mut random = Random::new();
    let whole = crate::support::record::request(1, true, &post("damaged=1", 20).encode(), b"twenty bytes of body");
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.next().to_le_bytes()[0];
        }
        let mut peer = server.connect();
        let _ = peer.try_send(&bytes);
        peer.shut_down_writing();
        while peer.next_record().is_some() {}
    }
    expect_serves(&mut server);
}

#[test]
fn records_of_random_types_and_ids_harm_nobody() {
    let mut server = echo(&["--socket-timeout", "500ms", "--log-level", "error"]);
    let mut random = Random::new();
    let before = server.rss_kib();
    for _ in 0..200 {
        let mut peer = server.connect();
        let records: Vec<u8> = (0..50).flat_map(|_| random_record(&mut random)).collect();
        let _ = peer.try_send(&records);
        peer.shut_down_writing();
        while peer.next_record().is_some() {}
    }
    expect_little_growth(&server, before);
    expect_serves(&mut server);
}

fn random_record(random: &mut Random) -> Vec<u8> {
    let kind = u8::try_from(random.below(13)).unwrap();
    let id = u16::try_from(random.below(3)).unwrap();
    let length = if kind == kind::BEGIN_REQUEST { 8 } else { random.below(40) };
    let mut content = random.bytes(length);
    if kind == kind::BEGIN_REQUEST {
        content[..3].copy_from_slice(&[0, 1, 1]);
    }
    padded_record(kind, id, &content, u8::try_from(random.below(9)).unwrap())
}

#[test]
fn padding_of_255_bytes_around_single_bytes_costs_no_memory() {
    let mut server = echo(&[]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &post("padded=1", 50_000).encode())].concat());
    let piece = padded_record(kind::STDIN, 1, b"x", 255).repeat(500);
    for _ in 0..100 {
        peer.send(&piece);
    }
    peer.send(&padded_record(kind::STDIN, 1, b"", 255));
    assert_eq!(peer.answer(1).expect_status(200).body.len(), "padded=1|".len() + 50_000);
    expect_little_growth(&server, before);
    expect_serves(&mut server);
}

#[test]
fn records_of_65535_bytes_with_255_bytes_of_padding_are_taken() {
    let mut server = echo(&[]);
    let mut peer = server.connect();
    let body = vec![b'x'; 65_535 * 3];
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &post("full=1", body.len()).encode())].concat());
    for piece in body.chunks(65_535) {
        peer.send(&padded_record(kind::STDIN, 1, piece, 255));
    }
    peer.send(&record(kind::STDIN, 1, b""));
    assert_eq!(peer.answer(1).expect_status(200).body.len(), "full=1|".len() + body.len());
    expect_serves(&mut server);
}

fn a_million(kind: u8, id: u16, content: &[u8], peer: &mut Peer) {
    let piece = record(kind, id, content).repeat(1000);
    for _ in 0..1000 {
        peer.send(&piece);
    }
}

#[test]
fn a_million_records_of_one_byte_are_a_body_of_a_million_bytes() {
    let mut server = echo(&["--max-body-size", "10M"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    let params = post("tiny=1", 0).set("CONTENT_LENGTH", "");
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &params.encode())].concat());
    a_million(kind::STDIN, 1, b"x", &mut peer);
    peer.send(&record(kind::STDIN, 1, b""));
    assert_eq!(peer.answer(1).expect_status(200).body.len(), "tiny=1|".len() + 1_000_000);
    expect_little_growth(&server, before);
    expect_serves(&mut server);
}

#[test]
fn a_million_records_of_unknown_type_are_ignored() {
    let mut server = echo(&[]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    a_million(99, 1, b"?", &mut peer);
    peer.request(&post("after=1", 0), b"").expect_status(200);
    expect_little_growth(&server, before);
    expect_serves(&mut server);
}

#[test]
fn a_million_empty_pairs_are_refused() {
    let mut server = echo(&["--max-params-size", "4M"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    peer.send(&[begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &[0; 2_000_000])].concat());
    peer.send(&record(kind::STDIN, 1, b""));
    peer.answer(1).expect_status(431);
    expect_little_growth(&server, before);
    expect_serves(&mut server);
}

/// Every id there is, and not one request complete.
#[test]
fn requests_that_only_begin_cost_little_memory() {
    // Nobody reads the refusals.
    let mut server = echo(&["--socket-timeout", "3s"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    let all: Vec<u8> = (1..=65_535).flat_map(|id| begin(id, role::RESPONDER, true)).collect();
    let _ = peer.try_send(&all);
    expect_serves(&mut server);
    expect_little_growth(&server, before);
}

/// BEGIN_REQUEST of the ids that are free, again and again: each gets a refusal, which nobody reads.
fn begin_over_and_over(peer: &mut Peer) {
    peer.set_deadline(std::time::Duration::from_secs(3));
    let begin_all =
        |ids: std::ops::RangeInclusive<u16>| ids.flat_map(|id| begin(id, role::RESPONDER, true)).collect::<Vec<u8>>();
    let first = begin_all(1..=2000);
    let again = begin_all(2001..=65_535);
    let _ = peer.try_send(&first);
    for _ in 0..5 {
        if peer.try_send(&again).is_err() {
            break;
        }
    }
}

#[test]
fn refusals_that_nobody_reads_cost_little_memory() {
    let mut server = echo(&["--log-level", "error"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    begin_over_and_over(&mut peer);
    expect_serves(&mut server);
    expect_little_growth(&server, before);
}

#[test]
fn refusals_do_not_flood_the_log() {
    let mut server = echo(&[]);
    let before = server.log();
    let mut peer = server.connect();
    begin_over_and_over(&mut peer);
    expect_serves(&mut server);
    let lines = new_lines(&server.log(), &before).len();
    assert!(lines < 1000, "{lines} lines about one connection");
}

/// The worker that answers has to notice, not only the one that streams.
#[test]
fn small_answers_that_nobody_reads_cost_little_memory() {
    let mut server = Pyfcgid::serve(app("large_head.py"), &["--log-level", "error"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    peer.set_deadline(std::time::Duration::from_secs(3));
    let request = crate::support::record::request(1, true, &Params::get("/30").encode(), b"");
    let many: Vec<u8> = (1..=4000).flat_map(|id| with_id(&request, id)).collect();
    let _ = peer.try_send(&many);
    server.connect().last_request(&Params::get("/4"), b"").expect_status(200);
    server.expect_running();
    expect_little_growth(&server, before);
}

/// The same request of another id.
fn with_id(request: &[u8], id: u16) -> Vec<u8> {
    let mut bytes = request.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        bytes[at + 2..at + 4].copy_from_slice(&id.to_be_bytes());
        at += 8 + usize::from(u16::from_be_bytes([bytes[at + 4], bytes[at + 5]])) + usize::from(bytes[at + 6]);
    }
    bytes
}

/// Params up to the limit for every one of many requests at once.
#[test]
fn unfinished_params_of_many_requests_are_bounded_by_the_limit_of_a_connection() {
    let mut server = echo(&["--max-params-size", "64K", "--socket-timeout", "3s"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    for id in 1..=4000 {
        if peer.try_send(&[begin(id, role::RESPONDER, true), record(kind::PARAMS, id, &[b'x'; 60_000])].concat()).is_err() {
            break;
        }
    }
    expect_serves(&mut server);
    let growth = server.peak_rss_kib().saturating_sub(before);
    println!("memory grew by {growth} KiB");
    assert!(growth < 128 * 1024, "memory grew by {growth} KiB");
}

/// The answers pile up in the server if it goes on reading.
#[test]
fn management_answers_that_nobody_reads_cost_little_memory() {
    let mut server = echo(&["--socket-timeout", "1s"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    peer.set_deadline(std::time::Duration::from_secs(3));
    let flood = raw_record(1, 77, 0, 0, b"", 0).repeat(10_000);
    for _ in 0..200 {
        if peer.try_send(&flood).is_err() {
            break;
        }
    }
    expect_serves(&mut server);
    expect_little_growth(&server, before);
}

#[test]
fn a_content_length_in_the_header_that_lies_waits_and_then_ends() {
    let mut server = echo(&["--socket-timeout", "500ms"]);
    let before = server.rss_kib();
    for kind in [kind::PARAMS, kind::STDIN, kind::GET_VALUES, 99] {
        let mut peer = server.connect();
        let start = begin(1, role::RESPONDER, true);
        peer.send(&[start, raw_record(1, kind, u16::from(kind != kind::GET_VALUES), 65_535, b"too little", 0)].concat());
        peer.drain();
    }
    expect_little_growth(&server, before);
    expect_serves(&mut server);
}

#[test]
fn a_huge_content_length_allocates_nothing() {
    let mut server = echo(&["--max-body-size", "0", "--body-memory", "1G"]);
    let before = server.rss_kib();
    let mut peer = server.connect();
    let params = Params::post("/", 0).set("CONTENT_LENGTH", "900000000000000000");
    let whole =
        [begin(1, role::RESPONDER, true), stream(kind::PARAMS, 1, &params.encode()), record(kind::STDIN, 1, b"x")].concat();
    peer.send(&whole);
    expect_serves(&mut server);
    expect_little_growth(&server, before);
    peer.send(&record(kind::STDIN, 1, b""));
    peer.answer(1).expect_status(400);
}
