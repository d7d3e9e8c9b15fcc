//! What FastCGI 1.0 makes of a record, as plainly as it can be said: which streams of each request have ended.

use std::collections::HashMap;

use fastcgi_codec::{Error, Event, Pairs};

/// What a record came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A request began: its id, its role, and whether the connection is kept.
    Begin(u16, u16, bool),
    /// A piece of the stream with this type number.
    Piece(u8, u16, Vec<u8>),
    /// The end of the stream with this type number.
    End(u8, u16),
    /// ABORT_REQUEST of an open request.
    Abort(u16),
    /// A management record was answered with these bytes.
    Answer(Vec<u8>),
    /// Nothing to do.
    Ignored,
    /// The connection is to be closed.
    Refused,
}

impl From<Result<Event<'_>, Error>> for Outcome {
    fn from(result: Result<Event<'_>, Error>) -> Self {
        match result {
            Ok(Event::Begin { id, role, keep_connection }) => Self::Begin(id.value(), role.value(), keep_connection),
            Ok(Event::Params(id, piece)) => Self::Piece(PARAMS, id.value(), piece.to_vec()),
            Ok(Event::Stdin(id, piece)) => Self::Piece(STDIN, id.value(), piece.to_vec()),
            Ok(Event::Data(id, piece)) => Self::Piece(DATA, id.value(), piece.to_vec()),
            Ok(Event::ParamsEnd(id)) => Self::End(PARAMS, id.value()),
            Ok(Event::StdinEnd(id)) => Self::End(STDIN, id.value()),
            Ok(Event::DataEnd(id)) => Self::End(DATA, id.value()),
            Ok(Event::Abort(id)) => Self::Abort(id.value()),
            Ok(Event::Answer(answer)) => Self::Answer(answer),
            Ok(Event::Ignored) => Self::Ignored,
            Err(_) => Self::Refused,
        }
    }
}

/// The open requests: the streams that each has still to read, the current one first.
#[derive(Debug, Default)]
pub struct Model {
    open: HashMap<u16, &'static [u8]>,
}

impl Model {
    /// What a record with this type, id and content must come to.
    pub fn handle_record(&mut self, record_type: u8, id: u16, content: &[u8]) -> Outcome {
        match (record_type, id) {
            (BEGIN_REQUEST..=DATA, 0) | (GET_VALUES..=UNKNOWN_TYPE, 1..) => Outcome::Refused,
            (END_REQUEST | STDOUT | STDERR | GET_VALUES_RESULT | UNKNOWN_TYPE, _) => Outcome::Refused,
            (GET_VALUES, 0) => answer_get_values(content),
            (_, 0) => Outcome::Answer(vec![1, UNKNOWN_TYPE, 0, 0, 0, 8, 0, 0, record_type, 0, 0, 0, 0, 0, 0, 0]),
            (BEGIN_REQUEST, _) => self.begin(id, content),
            (ABORT_REQUEST, _) if self.open.contains_key(&id) => Outcome::Abort(id),
            (PARAMS | STDIN | DATA, _) => self.continue_stream(record_type, id, content),
            _ => Outcome::Ignored,
        }
    }

    /// The request has been answered.
    pub fn finish(&mut self, id: u16) {
        self.open.remove(&id);
    }

    /// How many requests are open.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    fn begin(&mut self, id: u16, content: &[u8]) -> Outcome {
        let &[role_high, role_low, flags, _, _, _, _, _] = content else {
            return Outcome::Refused;
        };
        if self.open.contains_key(&id) {
            return Outcome::Refused;
        }
        let role = u16::from(role_high) * 256 + u16::from(role_low);
        let streams: &[u8] = match role {
            AUTHORIZER => &[PARAMS],
            FILTER => &[PARAMS, STDIN, DATA],
            _ => &[PARAMS, STDIN],
        };
        self.open.insert(id, streams);
        Outcome::Begin(id, role, flags % 2 == 1)
    }

    fn continue_stream(&mut self, record_type: u8, id: u16, content: &[u8]) -> Outcome {
        let Some(streams) = self.open.get_mut(&id) else {
            return Outcome::Ignored;
        };
        match streams {
            [current, ..] if *current == record_type && !content.is_empty() => {
                Outcome::Piece(record_type, id, content.to_vec())
            }
            [current, rest @ ..] if *current == record_type => {
                *streams = rest;
                Outcome::End(record_type, id)
            }
            // Behind its end, or too early. All but PARAMS may be there in vain when nothing is left to read.
            [current, ..] if *current < record_type => Outcome::Refused,
            _ if record_type == PARAMS && !content.is_empty() => Outcome::Refused,
            _ => Outcome::Ignored,
        }
    }
}

fn answer_get_values(content: &[u8]) -> Outcome {
    let Ok(pairs) = Pairs::new(content).collect::<Result<Vec<_>, _>>() else {
        return Outcome::Refused;
    };
    let (mut body, mut seen) = (Vec::new(), Vec::new());
    for (name, _) in pairs {
        let answer: &[u8] = match name {
            b"FCGI_MAX_CONNS" => b"\x0e\x02FCGI_MAX_CONNS17",
            b"FCGI_MAX_REQS" => b"\x0d\x02FCGI_MAX_REQS23",
            b"FCGI_MPXS_CONNS" => b"\x0f\x01FCGI_MPXS_CONNS1",
            _ => continue,
        };
        if !seen.contains(&name) {
            seen.push(name);
            body.extend_from_slice(answer);
        }
    }
    let length = u8::try_from(body.len()).expect("three short pairs");
    Outcome::Answer([&[1, GET_VALUES_RESULT, 0, 0, 0, length, 0, 0][..], &body].concat())
}

const BEGIN_REQUEST: u8 = 1;
const ABORT_REQUEST: u8 = 2;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;
const DATA: u8 = 8;
const GET_VALUES: u8 = 9;
const GET_VALUES_RESULT: u8 = 10;
const UNKNOWN_TYPE: u8 = 11;
const AUTHORIZER: u16 = 2;
const FILTER: u16 = 3;
