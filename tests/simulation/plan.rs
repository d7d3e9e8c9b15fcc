//! One request: what is sent of it, and what must come back.

use crate::random::Random;
use crate::record::{self, kind, role};

/// Requests open at once, at most.
pub(crate) const MAX_OPEN: usize = 64;
/// Bodies longer than this are refused.
pub(crate) const BODY_LIMIT: usize = 4_000;
/// So many records of a request for an unknown role are enough for the answer.
const BEGUN: usize = 1;
/// The parameter that tells the handler what to do.
pub(crate) const CONDUCT: &[u8] = b"X_CONDUCT";

/// What the peer will send of a request, record by record.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) role: u16,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) fate: Fate,
    pub(crate) answer: Answer,
}

/// Which part of a request the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All of it.
    Sent,
    /// ABORT_REQUEST comes in the middle, or behind the end.
    Aborted,
    /// It stops in the middle for good, before it is complete.
    Stalled,
}

/// What comes back for a request that is sent in full.
#[derive(Debug)]
pub(crate) enum Answer {
    /// These bytes of STDOUT.
    Echo(Vec<u8>),
    /// An answer with this status that the handler had no part in, or failed to give.
    Status(u16),
    /// None: the connection is cut in the middle of the answer.
    Cut,
}

impl Plan {
    /// A request with parameters and a body that no other has.
    pub(crate) fn new(id: u16, number: usize, random: &mut Random) -> Self {
        let (role, conduct) = (role(random), conduct(random));
        let (stdin, data) = (Stream::new(random), Stream::new(random));
        let params = params(number, &stdin, &data, conduct, random);
        let mut input = vec![begin(id, role, random)];
        extend_stream(&mut input, kind::PARAMS, id, &params, random);
        let params_end = input.len();
        match role {
            role::AUTHORIZER if random.below(2) == 0 => {}
            // lighttpd ends the stream that an authorizer does not have.
            role::AUTHORIZER => input.push(padded(kind::STDIN, id, b"", random)),
            _ => extend_stream(&mut input, kind::STDIN, id, &stdin.content, random),
        }
        let stdin_end = input.len();
        if role == role::FILTER {
            extend_stream(&mut input, kind::DATA, id, &data.content, random);
        }
        let complete = match role {
            role::AUTHORIZER => params_end,
            role::RESPONDER => stdin.complete_behind(&input, params_end),
            role::FILTER => data.complete_behind(&input, stdin_end),
            _ => BEGUN,
        };
        let answer = answer(role, &params, &stdin, &data, conduct);
        let fate = cut_short(&mut input, id, complete, random);
        Self { role, records: input, fate, answer }
    }
}

/// STDIN, or the DATA of a filter.
#[derive(Debug)]
struct Stream {
    content: Vec<u8>,
    /// What the parameters say of it: the truth, nothing, or more than there is.
    stated: Option<usize>,
}

impl Stream {
    fn new(random: &mut Random) -> Self {
        let length = body_length(random);
        let stated = match random.below(12) {
            0..3 => None,
            3 => Some(length + 1 + random.below(9)),
            _ => Some(length),
        };
        Self { content: random.bytes(length), stated }
    }

    /// How many records make the stream complete, which begins behind `start` of them: those up to what is stated, or all.
    fn complete_behind(&self, input: &[Vec<u8>], start: usize) -> usize {
        let mut seen = 0;
        for (index, record) in input.iter().enumerate().skip(start) {
            if self.stated == Some(seen) {
                return index;
            }
            seen += usize::from(u16::from_be_bytes([record[4], record[5]]));
        }
        input.len()
    }
}

/// Responders mostly, and now and then what nobody offers.
fn role(random: &mut Random) -> u16 {
    match random.below(40) {
        0 => 4 + u16::from(random.bytes(1)[0]),
        1..6 => role::AUTHORIZER,
        6..12 => role::FILTER,
        _ => role::RESPONDER,
    }
}

/// Mostly short; now and then in a file, or too long.
fn body_length(random: &mut Random) -> usize {
    match random.below(20) {
        0 => BODY_LIMIT / 2 + random.below(BODY_LIMIT / 2),
        1 => BODY_LIMIT - 1 + random.below(4),
        2..7 => 0,
        _ => random.length(300),
    }
}

/// A break ends the whole connection, so it is rare.
fn conduct(random: &mut Random) -> &'static [u8] {
    match random.below(600) {
        0 => b"break",
        1..25 => b"drop",
        25..50 => b"refuse",
        _ => b"answer",
    }
}

fn params(number: usize, stdin: &Stream, data: &Stream, conduct: &[u8], random: &mut Random) -> Vec<u8> {
    let mut pairs = record::pair(b"REQUEST_METHOD", b"POST");
    pairs.extend(record::pair(b"X_NUMBER", number.to_string().as_bytes()));
    pairs.extend(record::pair(CONDUCT, conduct));
    for (name, stream) in [(&b"CONTENT_LENGTH"[..], stdin), (b"FCGI_DATA_LENGTH", data)] {
        let stated = stream.stated.map(|stated| record::pair(name, stated.to_string().as_bytes()));
        pairs.extend(stated.into_iter().flatten());
    }
    for _ in 0..random.below(4) {
        let length = random.length(200);
        pairs.extend(record::pair(b"X_RANDOM", &random.bytes(length)));
    }
    pairs
}

fn begin(id: u16, role: u16, random: &mut Random) -> Vec<u8> {
    let [high, low] = role.to_be_bytes();
    padded(kind::BEGIN_REQUEST, id, &[high, low, 1, 0, 0, 0, 0, 0], random)
}

/// The stream in records of random length and its end.
fn extend_stream(input: &mut Vec<Vec<u8>>, kind: u8, id: u16, mut content: &[u8], random: &mut Random) {
    while !content.is_empty() {
        let (piece, rest) = content.split_at(random.length(content.len()).min(content.len()));
        input.push(padded(kind, id, piece, random));
        content = rest;
    }
    input.push(padded(kind, id, b"", random));
}

fn padded(kind: u8, id: u16, content: &[u8], random: &mut Random) -> Vec<u8> {
    let padding = if random.below(4) == 0 { random.bytes(1)[0] } else { 0 };
    record::padded_record(kind, id, content, padding)
}

fn answer(role: u16, params: &[u8], stdin: &Stream, data: &Stream, conduct: &[u8]) -> Answer {
    let streams: &[&Stream] = match role {
        role::AUTHORIZER => &[],
        role::RESPONDER => &[stdin],
        role::FILTER => &[stdin, data],
        _ => return Answer::Status(403),
    };
    if let Some(status) = refusal(streams) {
        return Answer::Status(status);
    }
    let contents: Vec<u8> = streams.iter().flat_map(|stream| stream.content.iter().copied()).collect();
    match conduct {
        // An authorizer's is held back until it is whole.
        b"break" if role == role::AUTHORIZER => Answer::Status(500),
        b"break" => Answer::Cut,
        b"answer" => Answer::Echo([b"Status: 200 OK\r\n\r\n", params, b"\n", &contents].concat()),
        _ => Answer::Status(500),
    }
}

/// What is announced is seen first, then one stream after the other.
fn refusal(streams: &[&Stream]) -> Option<u16> {
    if streams.iter().any(|stream| stream.stated.is_some_and(|stated| stated > BODY_LIMIT)) {
        return Some(413);
    }
    streams.iter().find_map(|stream| match stream.stated {
        None => (stream.content.len() > BODY_LIMIT).then_some(413),
        Some(stated) => (stated > stream.content.len()).then_some(400),
    })
}

/// Takes records away, or puts ABORT_REQUEST somewhere.
fn cut_short(input: &mut Vec<Vec<u8>>, id: u16, complete: usize, random: &mut Random) -> Fate {
    match random.below(10) {
        0 if complete > BEGUN => {
            input.truncate(1 + random.below(complete - 1));
            Fate::Stalled
        }
        1 | 2 => {
            let place = 1 + random.below(input.len());
            if random.below(2) == 0 {
                input.truncate(place);
            }
            input.insert(place, record::abort(id));
            Fate::Aborted
        }
        _ => Fate::Sent,
    }
}
