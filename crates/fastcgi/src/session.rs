//! One connection's requests and their legal order: records in, events out.
//!
//! Each request id goes through its phases on its own, so any number of requests can be interleaved (FastCGI 1.0 §3.3):
//!
//! ```text
//!            BEGIN_REQUEST        PARAMS ""                  STDIN ""                  DATA ""
//! (unused) ───────────────▶ Params ────────▶ Stdin ─────────────────▶ Data ─────────────────▶ Input ended
//!     ▲                       │                │  (not a filter) ─────────────────────────────────▲   │
//!     │                       └── (authorizer) ─────────────────────────────────────────────────────┘   │
//!     └──────────────── finish(): END_REQUEST has been written ◀───────────────────────────────────────┘
//! ```
//!
//! ABORT_REQUEST is legal in every phase and changes none. Records for an unused id are ignored, as §3.3 asks: they are what
//! is left of a request that was answered early. So is STDIN or DATA behind its end (lighttpd ends the STDIN of an authorizer,
//! which has none) and a second end of PARAMS; more PARAMS behind the end would change the request, and is an error.

use std::fmt;

use super::message::{BeginRequest, Role, Variable};
use super::record::{Record, RecordType, RequestId};
use super::{Error, Requests, encoder};

/// How far the input of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading FCGI_PARAMS.
    Params(Role),
    /// Reading FCGI_STDIN.
    Stdin(Role),
    /// Reading FCGI_DATA.
    Data,
    /// All input is there; the answer is not out yet.
    Ended,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Params(_) => "reading PARAMS",
            Self::Stdin(_) => "reading STDIN",
            Self::Data => "reading DATA",
            Self::Ended => "complete",
        })
    }
}

/// What happened to a request, or on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A request began. The role may be one that nobody offers.
    Begin {
        /// The request.
        id: RequestId,
        /// The role asked for.
        role: Role,
        /// Whether the connection stays open after the answer.
        keep_connection: bool,
    },
    /// A piece of the name-value stream; pairs may be cut anywhere.
    Params(RequestId, &'a [u8]),
    /// The name-value stream is complete.
    ParamsEnd(RequestId),
    /// A piece of the request's body.
    Stdin(RequestId, &'a [u8]),
    /// The body is complete.
    StdinEnd(RequestId),
    /// A piece of a filter's file.
    Data(RequestId, &'a [u8]),
    /// The filter's file is complete.
    DataEnd(RequestId),
    /// The peer has given up a request.
    Abort(RequestId),
    /// A management record: these bytes are its answer.
    Answer(Vec<u8>),
    /// Nothing to do: a record of a request that is not open, input behind its end, or an application record of a type the
    /// specification does not define.
    Ignored,
}

/// What GET_VALUES is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Connections accepted at once (FCGI_MAX_CONNS).
    pub max_conns: u32,
    /// Requests accepted at once (FCGI_MAX_REQS). HAProxy reads it as requests at once on one connection.
    pub max_reqs: u32,
}

/// The open requests of one connection: at most 65,535, a few bytes each. Whoever wants fewer counts
/// [`open_requests`](Self::open_requests). Whoever has something of its own to say of each of them keeps it here as a `T`: it begins
/// and ends with the request.
#[derive(Clone, Debug)]
pub struct Session<T = ()> {
    limits: SessionLimits,
    open: Requests<Open<T>>,
}

#[derive(Clone, Debug)]
struct Open<T> {
    phase: Phase,
    kept: T,
}

impl Session {
    /// A connection without requests.
    pub const fn new(limits: SessionLimits) -> Self {
        Self::keeping(limits)
    }
}

impl<T> Session<T> {
    /// The same, with a `T` for each request.
    pub const fn keeping(limits: SessionLimits) -> Self {
        Self { limits, open: Requests::new() }
    }

    /// What is kept of an open request.
    pub fn kept(&mut self, id: RequestId) -> Option<&mut T> {
        self.open.get_mut(id).map(|open| &mut open.kept)
    }

    /// The same of all of them.
    pub fn all_kept(&self) -> impl Iterator<Item = &T> {
        self.open.values().map(|open| &open.kept)
    }

    /// END_REQUEST for this request has been written, or will never be: the id may be used again.
    ///
    /// Returns how far its input had come: unless that was its end, more of it may follow and will be ignored.
    pub fn finish(&mut self, id: RequestId) -> Option<Phase> {
        self.open.remove(id).map(|open| open.phase)
    }

    /// Whether any request is open.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// How many requests are open.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }
}

impl<T: Default> Session<T> {
    /// Takes one record and says what it means.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Version`]: the peer broke the order of records, and the connection is to be closed. The open
    /// requests are then as they were before the record.
    pub fn handle_record<'a>(&mut self, record: Record<'a>) -> Result<Event<'a>, Error> {
        let Record { record_type, request_id: id, content } = record;
        match record_type {
            RecordType::GetValues | RecordType::GetValuesResult | RecordType::UnknownType if id != RequestId::MANAGEMENT => {
                Err(Error::ManagementId(record_type, id))
            }
            RecordType::GetValues => self.answer_get_values(content),
            RecordType::Other(value) if id == RequestId::MANAGEMENT => Ok(answer_unknown_type(value)),
            RecordType::Other(_) => Ok(Event::Ignored),
            RecordType::EndRequest
            | RecordType::Stdout
            | RecordType::Stderr
            | RecordType::GetValuesResult
            | RecordType::UnknownType => Err(Error::Direction(record_type)),
            _ if id == RequestId::MANAGEMENT => Err(Error::NullRequestId(record_type)),
            RecordType::BeginRequest => self.begin(id, content),
            RecordType::AbortRequest if self.open.contains(id) => Ok(Event::Abort(id)),
            RecordType::AbortRequest => Ok(Event::Ignored),
            RecordType::Params | RecordType::Stdin | RecordType::Data => self.continue_stream(record),
        }
    }

    fn begin<'a>(&mut self, id: RequestId, content: &'a [u8]) -> Result<Event<'a>, Error> {
        let BeginRequest { role, keep_connection } = BeginRequest::parse(content)?;
        if self.open.contains(id) {
            return Err(Error::RequestIdInUse(id));
        }
        self.open.insert(id, Open { phase: Phase::Params(role), kept: T::default() });
        Ok(Event::Begin { id, role, keep_connection })
    }

    fn continue_stream<'a>(&mut self, record: Record<'a>) -> Result<Event<'a>, Error> {
        let Record { record_type, request_id: id, content } = record;
        let Some(Open { phase, .. }) = self.open.get_mut(id) else {
            return Ok(Event::Ignored);
        };
        let ends = content.is_empty();
        let (next, event) = match (record_type, *phase) {
            (RecordType::Params, Phase::Params(Role::Authorizer)) if ends => (Phase::Ended, Event::ParamsEnd(id)),
            (RecordType::Params, Phase::Params(role)) if ends => (Phase::Stdin(role), Event::ParamsEnd(id)),
            (RecordType::Params, Phase::Params(_)) => return Ok(Event::Params(id, content)),
            (RecordType::Stdin, Phase::Stdin(Role::Filter)) if ends => (Phase::Data, Event::StdinEnd(id)),
            (RecordType::Stdin, Phase::Stdin(_)) if ends => (Phase::Ended, Event::StdinEnd(id)),
            (RecordType::Stdin, Phase::Stdin(_)) => return Ok(Event::Stdin(id, content)),
            (RecordType::Data, Phase::Data) if ends => (Phase::Ended, Event::DataEnd(id)),
            (RecordType::Data, Phase::Data) => return Ok(Event::Data(id, content)),
            (RecordType::Stdin, Phase::Data | Phase::Ended) | (RecordType::Data, Phase::Ended) => return Ok(Event::Ignored),
            (RecordType::Params, _) if ends => return Ok(Event::Ignored),
            (_, phase) => return Err(Error::Order { record_type, request_id: id, phase }),
        };
        *phase = next;
        Ok(event)
    }

    fn answer_get_values(&self, content: &[u8]) -> Result<Event<'static>, Error> {
        let asked = Variable::parse_names(content).map_err(Error::GetValues)?;
        let values = asked.into_iter().map(|variable| (variable, self.value(variable)));
        let mut answer = Vec::new();
        encoder::encode_get_values_result(&mut answer, values);
        Ok(Event::Answer(answer))
    }

    fn value(&self, variable: Variable) -> u32 {
        match variable {
            Variable::MaxConns => self.limits.max_conns,
            Variable::MaxReqs => self.limits.max_reqs,
            Variable::MpxsConns => 1,
        }
    }
}

fn answer_unknown_type(record_type: u8) -> Event<'static> {
    let mut answer = Vec::new();
    encoder::encode_unknown_type(&mut answer, record_type);
    Event::Answer(answer)
}

#[cfg(test)]
mod tests;
