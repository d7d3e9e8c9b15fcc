//! One request: what is sent of it, and what must come back.

use crate::random::Random;
use crate::record::{self, kind, role};

/// Requests open at once, at most.
pub(crate) const MAX_OPEN: usize = 64;
/// Bodies longer than this are refused.
pub(crate) const BODY_LIMIT: usize = 4_000;
/// The parameter that tells the handler what to do.
pub(crate) const CONDUCT: &[u8] = b"X_CONDUCT";

/// What the peer will send of a request, record by record.
#[derive(Debug)]
pub(crate) struct Plan {
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
        let body_length = body_length(random);
        let body = random.bytes(body_length);
        let (length, conduct) = (stated_length(body.len(), random), conduct(random));
        let params = params(number, length, conduct, random);
        let mut input = vec![begin(id, random)];
        extend_stream(&mut input, kind::PARAMS, id, &params, random);
        let params_end = input.len();
        extend_stream(&mut input, kind::STDIN, id, &body, random);
        let complete = if length == Some(0) { params_end } else { complete_behind(&input, params_end, length) };
        let answer = answer(&params, body, length, conduct);
        let fate = cut_short(&mut input, id, complete, random);
        Self { records: input, fate, answer }
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

/// What CONTENT_LENGTH says: the truth, nothing, or more than there is.
fn stated_length(length: usize, random: &mut Random) -> Option<usize> {
    match random.below(12) {
        0..3 => None,
        3 => Some(length + 1 + random.below(9)),
        _ => Some(length),
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

fn params(number: usize, length: Option<usize>, conduct: &[u8], random: &mut Random) -> Vec<u8> {
    let mut pairs = record::pair(b"REQUEST_METHOD", b"POST");
    pairs.extend(record::pair(b"X_NUMBER", number.to_string().as_bytes()));
    pairs.extend(record::pair(CONDUCT, conduct));
    if let Some(length) = length {
        pairs.extend(record::pair(b"CONTENT_LENGTH", length.to_string().as_bytes()));
    }
    for _ in 0..random.below(4) {
        let length = random.length(200);
        pairs.extend(record::pair(b"X_RANDOM", &random.bytes(length)));
    }
    pairs
}

fn begin(id: u16, random: &mut Random) -> Vec<u8> {
    let [_, role] = role::RESPONDER.to_be_bytes();
    padded(kind::BEGIN_REQUEST, id, &[0, role, 1, 0, 0, 0, 0, 0], random)
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

/// How many records make the request complete: those up to CONTENT_LENGTH bytes, or all.
fn complete_behind(input: &[Vec<u8>], params_end: usize, length: Option<usize>) -> usize {
    let mut seen = 0;
    for (index, record) in input.iter().enumerate().skip(params_end) {
        seen += usize::from(u16::from_be_bytes([record[4], record[5]]));
        if length.is_some_and(|length| length == seen) {
            return index + 1;
        }
    }
    input.len()
}

fn answer(params: &[u8], body: Vec<u8>, length: Option<usize>, conduct: &[u8]) -> Answer {
    if body.len() > BODY_LIMIT || length.is_some_and(|length| length > BODY_LIMIT) {
        return Answer::Status(413);
    }
    if length.is_some_and(|length| length > body.len()) {
        return Answer::Status(400);
    }
    match conduct {
        b"break" => Answer::Cut,
        b"answer" => Answer::Echo([b"Status: 200 OK\r\n\r\n", params, b"\n", &body].concat()),
        _ => Answer::Status(500),
    }
}

/// Takes records away, or puts ABORT_REQUEST somewhere.
fn cut_short(input: &mut Vec<Vec<u8>>, id: u16, complete: usize, random: &mut Random) -> Fate {
    match random.below(10) {
        0 => {
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
