//! Thousands of requests over several connections at once, cut and interleaved by chance, each answer checked.
//!
//! `SEED=n cargo test --test event_loop random` sends the same bytes again.

use std::collections::BTreeMap;
use std::thread;

use connections::exchange::{Exchange, NothingHeld};

use crate::expect_body;
use crate::handlers::{cookie, open};
use crate::random::{Random, pattern};
use crate::server::{Options, Server};
use crate::support::params::Params;
use crate::support::peer::{Address, Peer};
use crate::support::record::{abort, begin, kind, padded_record, role};

const CONNECTIONS: u64 = 8;
const ROUNDS: usize = 40;
const AT_ONCE: usize = 16;

/// What is asked and what must come back.
struct Asked {
    id: u16,
    records: Vec<Vec<u8>>,
    answer: Vec<u8>,
    aborted: bool,
}

/// Answers with the cookie, the body and a pattern of the length the cookie asks for, in pieces of many lengths.
fn answer_in_pieces(exchange: Exchange) {
    let Exchange { mut request, mut reply, .. } = exchange;
    let cookie = cookie(&request);
    let body = request.body.read(u64::MAX).unwrap();
    let answer = expected(&cookie, &body);
    let mut random = Random::from_seed(answer.len() as u64);
    open(&mut reply);
    let mut rest = &answer[..];
    while rest.len() > 1 && random.below(3) > 0 {
        let (piece, others) = rest.split_at(random.length(rest.len()));
        if reply.write(piece, &NothingHeld).is_err() {
            return;
        }
        rest = others;
    }
    // It may be aborted at any time.
    let _ = reply.end(&[rest], &NothingHeld);
}

/// A cookie is `<name>-<length>`.
fn expected(cookie: &str, body: &[u8]) -> Vec<u8> {
    let length = cookie.rsplit('-').next().unwrap().parse().unwrap();
    [cookie.as_bytes(), body, &pattern(body.len() as u64, length)].concat()
}

#[test]
fn random_requests_on_many_connections_get_their_own_answers() {
    let mut seeds = Random::new();
    let server = Server::start(Options::default().workers(4), answer_in_pieces);
    let addresses = server.addresses();
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let (random, address) = (Random::from_seed(seeds.next()), &addresses[seeds.below(addresses.len())]);
            scope.spawn(move || converse(number, random, address));
        }
    });
}

/// One connection: rounds of interleaved requests.
fn converse(number: u64, mut random: Random, address: &Address) {
    let mut peer = Peer::connect(address.clone());
    for round in 0..ROUNDS {
        let count = random.length(AT_ONCE);
        let mut asked = BTreeMap::new();
        while asked.len() < count {
            let id = 1 + u16::try_from(random.below(65_535)).unwrap();
            let name = format!("{number}.{round}.{}", asked.len());
            asked.insert(id, ask(id, &name, &mut random));
        }
        let bytes = interleave(asked.values(), &mut random);
        send_in_splits(&mut peer, &bytes, &mut random);
        for asked in asked.values() {
            check(&mut peer, asked);
        }
    }
}

fn ask(id: u16, name: &str, random: &mut Random) -> Asked {
    let cookie = format!("{name}-{}", random.length(100_000) - 1);
    let length = random.length(5000) - 1;
    let body = random.bytes(length);
    let params = Params::post("/", length).add("HTTP_COOKIE", &cookie);
    let params = if random.below(2) == 0 { params } else { params.set("CONTENT_LENGTH", "") };
    let mut records = vec![begin(id, role::RESPONDER, true)];
    cut(&mut records, kind::PARAMS, id, &params.encode(), random);
    cut(&mut records, kind::STDIN, id, &body, random);
    let aborted = random.below(10) == 0;
    if aborted {
        let at = 1 + random.below(records.len());
        records.insert(at, abort(id));
    }
    Asked { id, records, answer: expected(&cookie, &body), aborted }
}

/// A stream in records of many lengths and paddings, with its end.
fn cut(records: &mut Vec<Vec<u8>>, kind: u8, id: u16, content: &[u8], random: &mut Random) {
    let mut rest = content;
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(random.length(rest.len()));
        let padding = if random.below(2) == 0 { 0 } else { random.next().to_le_bytes()[0] };
        records.push(padded_record(kind, id, piece, padding));
        rest = others;
    }
    records.push(padded_record(kind, id, b"", 0));
}

/// Takes a record of a request chosen by chance until none is left.
fn interleave<'a>(asked: impl Iterator<Item = &'a Asked>, random: &mut Random) -> Vec<u8> {
    let mut left: Vec<_> = asked.map(|asked| asked.records.iter()).collect();
    let mut bytes = Vec::new();
    while !left.is_empty() {
        let chosen = random.below(left.len());
        match left[chosen].next() {
            Some(record) => bytes.extend_from_slice(record),
            None => drop(left.swap_remove(chosen)),
        }
    }
    bytes
}

fn send_in_splits(peer: &mut Peer, bytes: &[u8], random: &mut Random) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(random.length(rest.len().max(2)).min(rest.len()));
        peer.send(piece);
        rest = others;
    }
}

/// An aborted request may have been answered before the abort was read, but it ends.
#[track_caller]
fn check(peer: &mut Peer, asked: &Asked) {
    let answer = peer.answer(asked.id);
    if asked.aborted {
        assert!(answer.ended, "an aborted request did not end: {}", answer.summary());
    } else {
        expect_body(answer, &asked.answer);
    }
}
