//! Events of one connection become complete requests.
//!
//! Owns the limits on what a peer may send for one request, and the rules when a request is complete: CONTENT_LENGTH bytes are
//! there, or STDIN has ended.

use std::collections::BTreeMap;

use super::body::BodyWriter;
use super::request::ParamsFault;
use super::{Params, Refusal, Request};
use crate::protocol::{Event, RequestId, Role};

/// What a peer may send for one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of FCGI_PARAMS.
    pub max_params_size: usize,
    /// Name-value pairs.
    pub max_params: usize,
    /// Bytes of body.
    pub max_body_size: u64,
    /// Bytes of a body that are kept in memory before it moves to a temp file.
    pub body_memory: usize,
    /// Requests begun but not complete, and running, on one connection.
    pub max_requests: usize,
}

/// What an event led to.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// A request is complete.
    Ready(Assembled),
    /// A request gets this answer without the application.
    Refused(Refused),
    /// A request that was complete has been given up.
    Aborted(RequestId),
    /// These bytes answer a management record.
    Answer(Vec<u8>),
}

/// A complete request.
#[derive(Debug)]
pub struct Assembled {
    /// Its id.
    pub id: RequestId,
    /// The request.
    pub request: Request,
    /// FCGI_KEEP_CONN.
    pub keep_connection: bool,
    /// Whether the method is HEAD.
    pub head_only: bool,
}

/// A request that the application will not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its id.
    pub id: RequestId,
    /// Why.
    pub refusal: Refusal,
    /// FCGI_KEEP_CONN.
    pub keep_connection: bool,
    /// Whether the method is HEAD, as far as that is known.
    pub head_only: bool,
}

/// The requests of one connection that are not complete.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    partial: BTreeMap<RequestId, Partial>,
}

#[derive(Debug)]
struct Partial {
    role: Role,
    keep_connection: bool,
    head_only: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Params(Vec<u8>),
    Body {
        params: Params,
        body: BodyWriter,
        expected: Option<u64>,
    },
    /// Reads the rest of the body and throws it away, because the answer must not come before.
    Draining(Refusal),
}

impl Assembler {
    /// A connection without requests.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, partial: BTreeMap::new() }
    }

    /// Whether no request is incomplete.
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    /// Takes one event. `open_requests` counts those on this connection that have begun and not ended, this one included.
    pub fn handle_event(&mut self, event: Event<'_>, open_requests: usize) -> Outcome {
        match event {
            Event::Begin { id, role, keep_connection } => self.begin(id, role, keep_connection, open_requests),
            Event::Params(id, piece) => self.params(id, piece),
            Event::ParamsEnd(id) => self.params_end(id),
            Event::Stdin(id, piece) => self.stdin(id, piece),
            Event::StdinEnd(id) => self.stdin_end(id),
            Event::Abort(id) if self.partial.contains_key(&id) => self.refuse(id, Refusal::Aborted),
            Event::Abort(id) => Outcome::Aborted(id),
            Event::Answer(bytes) => Outcome::Answer(bytes),
            Event::Data(..) | Event::DataEnd(_) | Event::Ignored => Outcome::Pending,
        }
    }

    fn begin(&mut self, id: RequestId, role: Role, keep_connection: bool, open_requests: usize) -> Outcome {
        let stage = Stage::Params(Vec::new());
        self.partial.insert(id, Partial { role, keep_connection, head_only: false, stage });
        match role {
            _ if open_requests > self.limits.max_requests => self.refuse(id, Refusal::Overloaded),
            Role::Responder => Outcome::Pending,
            _ => self.refuse(id, Refusal::UnknownRole),
        }
    }

    fn params(&mut self, id: RequestId, piece: &[u8]) -> Outcome {
        let limit = self.limits.max_params_size;
        match self.partial.get_mut(&id).map(|partial| &mut partial.stage) {
            Some(Stage::Params(bytes)) if bytes.len() + piece.len() <= limit => bytes.extend_from_slice(piece),
            Some(Stage::Params(_)) => return self.refuse(id, Refusal::ParamsTooLarge),
            _ => {}
        }
        Outcome::Pending
    }

    fn params_end(&mut self, id: RequestId) -> Outcome {
        let limits = self.limits;
        let Some(partial) = self.partial.get_mut(&id) else {
            return Outcome::Pending;
        };
        let Stage::Params(bytes) = &mut partial.stage else {
            return Outcome::Pending;
        };
        match open_body(std::mem::take(bytes), limits) {
            Ok((stage, head_only)) => {
                partial.stage = stage;
                partial.head_only = head_only;
                self.complete_if_full(id)
            }
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    fn stdin(&mut self, id: RequestId, piece: &[u8]) -> Outcome {
        let limits = self.limits;
        let Some(Partial { stage, .. }) = self.partial.get_mut(&id) else {
            return Outcome::Pending;
        };
        let Stage::Body { body, expected, .. } = stage else {
            return Outcome::Pending;
        };
        let wanted = expected.map_or(piece.len() as u64, |expected| expected - body.length());
        let piece = &piece[..wanted.min(piece.len() as u64) as usize];
        if body.length() + piece.len() as u64 > limits.max_body_size {
            *stage = Stage::Draining(Refusal::BodyTooLarge);
        } else if let Err(error) = body.write(piece) {
            log::error!("cannot store a request body in {}: {error}", std::env::temp_dir().display());
            *stage = Stage::Draining(Refusal::BodyNotStored);
        }
        self.complete_if_full(id)
    }

    fn complete_if_full(&mut self, id: RequestId) -> Outcome {
        match self.partial.get(&id).map(|partial| &partial.stage) {
            Some(Stage::Body { body, expected: Some(expected), .. }) if body.length() == *expected => self.complete(id),
            _ => Outcome::Pending,
        }
    }

    fn stdin_end(&mut self, id: RequestId) -> Outcome {
        match self.partial.get(&id).map(|partial| &partial.stage) {
            Some(Stage::Draining(refusal)) => self.refuse(id, *refusal),
            Some(Stage::Body { body, expected: Some(expected), .. }) if body.length() < *expected => {
                self.refuse(id, Refusal::BodyCutShort)
            }
            Some(Stage::Body { .. }) => self.complete(id),
            _ => Outcome::Pending,
        }
    }

    fn complete(&mut self, id: RequestId) -> Outcome {
        let Some(Partial { role, keep_connection, head_only, stage: Stage::Body { params, body, .. } }) =
            self.partial.remove(&id)
        else {
            return Outcome::Pending;
        };
        match body.finish() {
            Ok(body) => Outcome::Ready(Assembled { id, request: Request { role, params, body }, keep_connection, head_only }),
            Err(error) => {
                log::error!("cannot read a request body back: {error}");
                Outcome::Refused(Refused { id, refusal: Refusal::BodyNotStored, keep_connection, head_only })
            }
        }
    }

    fn refuse(&mut self, id: RequestId, refusal: Refusal) -> Outcome {
        match self.partial.remove(&id) {
            Some(Partial { keep_connection, head_only, .. }) => {
                Outcome::Refused(Refused { id, refusal, keep_connection, head_only })
            }
            None => Outcome::Pending,
        }
    }
}

/// What the parameters say of the body.
fn open_body(bytes: Vec<u8>, limits: Limits) -> Result<(Stage, bool), Refusal> {
    let params = Params::parse(bytes, limits.max_params).map_err(|fault| match fault {
        ParamsFault::Malformed(_) => Refusal::MalformedParams,
        ParamsFault::TooMany => Refusal::ParamsTooLarge,
    })?;
    let method = params.get(b"REQUEST_METHOD").filter(|method| !method.is_empty()).ok_or(Refusal::NoMethod)?;
    let head_only = method == b"HEAD";
    let expected = content_length(params.get(b"CONTENT_LENGTH"))?;
    let stage = match expected {
        Some(length) if length > limits.max_body_size => Stage::Draining(Refusal::BodyTooLarge),
        _ => Stage::Body { params, body: BodyWriter::new(limits.body_memory, expected.unwrap_or(0)), expected },
    };
    Ok((stage, head_only))
}

/// Absent, empty (nginx) and -1 (Caddy) all mean that only the end of STDIN tells.
fn content_length(value: Option<&[u8]>) -> Result<Option<u64>, Refusal> {
    match value {
        None | Some(b"" | b"-1") => Ok(None),
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => {
            let digits = std::str::from_utf8(digits).map_err(|_| Refusal::BadContentLength)?;
            digits.parse().map(Some).map_err(|_| Refusal::BadContentLength)
        }
        Some(_) => Err(Refusal::BadContentLength),
    }
}
