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
#[derive(Debug)]
pub struct Refused {
    /// Its id.
    pub id: RequestId,
    /// Why.
    pub refusal: Refusal,
    /// FCGI_KEEP_CONN.
    pub keep_connection: bool,
    /// Whether the method is HEAD, as far as that is known.
    pub head_only: bool,
    /// Its parameters, as far as they could be read.
    pub params: Params,
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
    Draining {
        params: Params,
        refusal: Refusal,
    },
}

impl Stage {
    fn into_params(self) -> Params {
        match self {
            Self::Params(_) => Params::default(),
            Self::Body { params, .. } | Self::Draining { params, .. } => params,
        }
    }
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
            Err((refusal, params)) => {
                partial.stage = Stage::Draining { params, refusal };
                self.refuse(id, refusal)
            }
        }
    }

    fn stdin(&mut self, id: RequestId, piece: &[u8]) -> Outcome {
        let limits = self.limits;
        let Some(Partial { stage, .. }) = self.partial.get_mut(&id) else {
            return Outcome::Pending;
        };
        let Stage::Body { params, body, expected } = stage else {
            return Outcome::Pending;
        };
        let wanted = expected.map_or(piece.len() as u64, |expected| expected - body.length());
        let piece = &piece[..wanted.min(piece.len() as u64) as usize];
        if body.length() + piece.len() as u64 > limits.max_body_size {
            *stage = Stage::Draining { params: std::mem::take(params), refusal: Refusal::BodyTooLarge };
        } else if let Err(error) = body.write(piece) {
            log::error!("cannot store a request body in {}: {error}", std::env::temp_dir().display());
            *stage = Stage::Draining { params: std::mem::take(params), refusal: Refusal::BodyNotStored };
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
            Some(Stage::Draining { refusal, .. }) => self.refuse(id, *refusal),
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
                Outcome::Refused(Refused { id, refusal: Refusal::BodyNotStored, keep_connection, head_only, params })
            }
        }
    }

    fn refuse(&mut self, id: RequestId, refusal: Refusal) -> Outcome {
        match self.partial.remove(&id) {
            Some(Partial { keep_connection, head_only, stage, .. }) => {
                Outcome::Refused(Refused { id, refusal, keep_connection, head_only, params: stage.into_params() })
            }
            None => Outcome::Pending,
        }
    }
}

/// What the parameters say of the body.
fn open_body(bytes: Vec<u8>, limits: Limits) -> Result<(Stage, bool), (Refusal, Params)> {
    let params = Params::parse(bytes, limits.max_params).map_err(|fault| match fault {
        ParamsFault::Malformed(_) => (Refusal::MalformedParams, Params::default()),
        ParamsFault::TooMany => (Refusal::ParamsTooLarge, Params::default()),
    })?;
    let (head_only, expected) = match method_and_length(&params) {
        Ok(found) => found,
        Err(refusal) => return Err((refusal, params)),
    };
    let stage = match expected {
        Some(length) if length > limits.max_body_size => Stage::Draining { params, refusal: Refusal::BodyTooLarge },
        _ => Stage::Body { params, body: BodyWriter::new(limits.body_memory, expected.unwrap_or(0)), expected },
    };
    Ok((stage, head_only))
}

fn method_and_length(params: &Params) -> Result<(bool, Option<u64>), Refusal> {
    let method = params.get(b"REQUEST_METHOD").filter(|method| !method.is_empty()).ok_or(Refusal::NoMethod)?;
    Ok((method == b"HEAD", content_length(params.get(b"CONTENT_LENGTH"))?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::params::encode_pair;

    const ID: RequestId = RequestId::new(7);
    const LIMITS: Limits =
        Limits { max_params_size: 1000, max_params: 5, max_body_size: 100, body_memory: 10, max_requests: 3 };

    fn pairs(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in pairs {
            encode_pair(&mut out, name.as_bytes(), value.as_bytes()).unwrap();
        }
        out
    }

    /// The params of a POST, with this CONTENT_LENGTH if any.
    fn post(content_length: Option<&str>) -> Vec<u8> {
        let length = content_length.map(|length| ("CONTENT_LENGTH", length));
        pairs(&[("REQUEST_METHOD", "POST")].into_iter().chain(length).collect::<Vec<_>>())
    }

    fn begin_as(assembler: &mut Assembler, role: Role, keep_connection: bool, open_requests: usize) -> Outcome {
        assembler.handle_event(Event::Begin { id: ID, role, keep_connection }, open_requests)
    }

    #[track_caller]
    fn expect_pending(outcome: Outcome) {
        assert!(matches!(outcome, Outcome::Pending), "{outcome:?}");
    }

    /// A responder request that has begun.
    fn begun(limits: Limits) -> Assembler {
        let mut assembler = Assembler::new(limits);
        expect_pending(begin_as(&mut assembler, Role::Responder, true, 1));
        assembler
    }

    fn params(assembler: &mut Assembler, bytes: &[u8]) -> Outcome {
        expect_pending(assembler.handle_event(Event::Params(ID, bytes), 1));
        assembler.handle_event(Event::ParamsEnd(ID), 1)
    }

    /// A POST whose params are complete.
    fn posted(content_length: Option<&str>) -> Assembler {
        let mut assembler = begun(LIMITS);
        expect_pending(params(&mut assembler, &post(content_length)));
        assembler
    }

    fn stdin(assembler: &mut Assembler, piece: &[u8]) -> Outcome {
        assembler.handle_event(Event::Stdin(ID, piece), 1)
    }

    fn stdin_end(assembler: &mut Assembler) -> Outcome {
        assembler.handle_event(Event::StdinEnd(ID), 1)
    }

    #[track_caller]
    fn expect_ready(outcome: Outcome) -> Assembled {
        match outcome {
            Outcome::Ready(assembled) => assembled,
            other => panic!("not ready: {other:?}"),
        }
    }

    #[track_caller]
    fn expect_body(outcome: Outcome, body: &[u8]) {
        let mut assembled = expect_ready(outcome);
        assert_eq!(assembled.request.body.read(u64::MAX).unwrap(), body);
    }

    #[track_caller]
    fn expect_refused(outcome: Outcome, refusal: Refusal) {
        match outcome {
            Outcome::Refused(refused) => assert_eq!((refused.id, refused.refusal), (ID, refusal)),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_ready_with_what_was_sent() {
        let mut assembler = begun(LIMITS);
        let bytes = pairs(&[("REQUEST_METHOD", "PUT"), ("CONTENT_LENGTH", "4"), ("A", "b")]);
        expect_pending(params(&mut assembler, &bytes));
        expect_pending(stdin(&mut assembler, b"bo"));
        let Assembled { id, mut request, keep_connection, head_only } = expect_ready(stdin(&mut assembler, b"dy"));
        assert_eq!((id, request.role, keep_connection, head_only), (ID, Role::Responder, true, false));
        assert_eq!(request.params.get(b"A"), Some(&b"b"[..]));
        assert_eq!(request.body.read(u64::MAX).unwrap(), b"body");
        assert!(assembler.is_empty());
    }

    #[test]
    fn pairs_may_be_cut_anywhere() {
        let bytes = post(Some("0"));
        for cut in 1..bytes.len() {
            let mut assembler = begun(LIMITS);
            let (first, second) = bytes.split_at(cut);
            expect_pending(assembler.handle_event(Event::Params(ID, first), 1));
            expect_body(params(&mut assembler, second), b"");
        }
    }

    #[test]
    fn keep_connection_and_head_are_passed_on() {
        let mut assembler = Assembler::new(LIMITS);
        expect_pending(begin_as(&mut assembler, Role::Responder, false, 1));
        let bytes = pairs(&[("REQUEST_METHOD", "HEAD"), ("CONTENT_LENGTH", "0")]);
        let assembled = expect_ready(params(&mut assembler, &bytes));
        assert!(!assembled.keep_connection && assembled.head_only);
    }

    #[test]
    fn a_refusal_of_a_head_request_says_so() {
        let mut assembler = begun(LIMITS);
        let bytes = pairs(&[("REQUEST_METHOD", "HEAD"), ("CONTENT_LENGTH", "5")]);
        expect_pending(params(&mut assembler, &bytes));
        let Outcome::Refused(refused) = stdin_end(&mut assembler) else { panic!("not refused") };
        let Refused { id, refusal, keep_connection, head_only, params } = refused;
        assert_eq!((id, refusal, keep_connection, head_only), (ID, Refusal::BodyCutShort, true, true));
        assert_eq!(params.get(b"CONTENT_LENGTH"), Some(&b"5"[..]), "whoever keeps a record wants to name the request");
    }

    /// HAProxy never ends the STDIN of an empty chunked body.
    #[test]
    fn a_request_with_content_length_is_ready_with_its_last_byte() {
        expect_body(params(&mut begun(LIMITS), &post(Some("0"))), b"");
        let mut assembler = posted(Some("3"));
        expect_pending(stdin(&mut assembler, b"ab"));
        expect_body(stdin(&mut assembler, b"c"), b"abc");
    }

    #[test]
    fn what_comes_behind_a_complete_request_is_swallowed() {
        let mut assembler = posted(Some("3"));
        expect_body(stdin(&mut assembler, b"abcdef"), b"abc");
        expect_pending(stdin(&mut assembler, b"ghi"));
        expect_pending(stdin_end(&mut assembler));
        expect_pending(assembler.handle_event(Event::ParamsEnd(ID), 1));
        expect_pending(assembler.handle_event(Event::Params(ID, b"late"), 1));
    }

    /// Absent: Apache, h2o. Empty: nginx. -1: Caddy.
    #[test]
    fn a_request_of_unknown_length_is_ready_with_the_end_of_stdin() {
        for content_length in [None, Some(""), Some("-1")] {
            let mut assembler = posted(content_length);
            expect_pending(stdin(&mut assembler, b"abc"));
            expect_pending(stdin(&mut assembler, b"def"));
            expect_body(stdin_end(&mut assembler), b"abcdef");
            expect_body(stdin_end(&mut posted(content_length)), b"");
        }
    }

    #[test]
    fn content_length_is_digits() {
        for (good, value) in [("0", 0), ("007", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(content_length(Some(good.as_bytes())), Ok(Some(value)));
        }
        for bad in ["x", "1x", "+1", "-2", "--1", " 1", "1 ", "1.0", "0x1", "1,1", "18446744073709551616", "\u{0661}"] {
            expect_refused(params(&mut begun(LIMITS), &post(Some(bad))), Refusal::BadContentLength);
        }
    }

    #[test]
    fn a_body_that_ends_short_of_content_length_is_refused() {
        let mut assembler = posted(Some("3"));
        expect_pending(stdin(&mut assembler, b"ab"));
        expect_refused(stdin_end(&mut assembler), Refusal::BodyCutShort);
        expect_refused(stdin_end(&mut posted(Some("1"))), Refusal::BodyCutShort);
        assert!(assembler.is_empty());
    }

    #[test]
    fn params_of_the_most_bytes_pass_and_one_more_is_refused_at_once() {
        let bytes = post(Some("0"));
        let most = Limits { max_params_size: bytes.len(), ..LIMITS };
        expect_body(params(&mut begun(most), &bytes), b"");
        let mut assembler = begun(Limits { max_params_size: bytes.len() - 1, ..LIMITS });
        expect_refused(assembler.handle_event(Event::Params(ID, &bytes), 1), Refusal::ParamsTooLarge);
        let mut assembler = begun(Limits { max_params_size: bytes.len() - 1, ..LIMITS });
        expect_pending(assembler.handle_event(Event::Params(ID, &bytes[..3]), 1));
        expect_refused(assembler.handle_event(Event::Params(ID, &bytes[3..]), 1), Refusal::ParamsTooLarge);
        expect_pending(assembler.handle_event(Event::Params(ID, &bytes), 1));
        expect_pending(assembler.handle_event(Event::ParamsEnd(ID), 1));
    }

    #[test]
    fn as_many_pairs_as_allowed_pass_and_one_more_is_refused() {
        let mut all = vec![("REQUEST_METHOD", "GET"), ("CONTENT_LENGTH", "0"), ("C", ""), ("D", ""), ("E", "")];
        expect_body(params(&mut begun(LIMITS), &pairs(&all)), b"");
        all.push(("F", ""));
        expect_refused(params(&mut begun(LIMITS), &pairs(&all)), Refusal::ParamsTooLarge);
    }

    #[test]
    fn params_that_do_not_decode_are_refused() {
        let mut bytes = post(None);
        bytes.pop();
        expect_refused(params(&mut begun(LIMITS), &bytes), Refusal::MalformedParams);
    }

    #[test]
    fn a_request_without_a_method_is_refused() {
        for bytes in [pairs(&[]), pairs(&[("CONTENT_LENGTH", "0")]), pairs(&[("REQUEST_METHOD", "")])] {
            expect_refused(params(&mut begun(LIMITS), &bytes), Refusal::NoMethod);
        }
    }

    #[test]
    fn a_body_of_the_most_bytes_passes() {
        let body = [b'x'; 100];
        let mut assembler = posted(Some("100"));
        expect_pending(stdin(&mut assembler, &body[..99]));
        expect_body(stdin(&mut assembler, &body[99..]), &body);
        let mut assembler = posted(None);
        expect_pending(stdin(&mut assembler, &body));
        expect_body(stdin_end(&mut assembler), &body);
    }

    /// nginx and h2o must not see an answer before they have sent everything.
    #[test]
    fn a_body_of_one_byte_more_is_refused_when_it_has_come_to_its_end() {
        for content_length in [Some("101"), Some("18446744073709551615"), None] {
            let mut assembler = posted(content_length);
            for _ in 0..5 {
                expect_pending(stdin(&mut assembler, &[b'x'; 101]));
            }
            assert!(!assembler.is_empty());
            expect_refused(stdin_end(&mut assembler), Refusal::BodyTooLarge);
            assert!(assembler.is_empty());
        }
    }

    #[test]
    fn a_body_longer_than_content_length_counts_only_up_to_it() {
        let mut assembler = posted(Some("100"));
        expect_body(stdin(&mut assembler, &[b'x'; 300]), &[b'x'; 100]);
    }

    #[test]
    fn a_body_is_kept_in_memory_up_to_its_limit() {
        for (length, in_a_file) in [(9, false), (10, false), (11, true)] {
            for content_length in [Some(length.to_string()), None] {
                let mut assembler = posted(content_length.as_deref());
                let outcome = stdin(&mut assembler, &vec![b'x'; length]);
                let outcome = if content_length.is_some() { outcome } else { stdin_end(&mut assembler) };
                assert_eq!(expect_ready(outcome).request.body.is_in_a_file(), in_a_file, "{length} bytes");
            }
        }
    }

    #[test]
    fn only_responders_are_served() {
        for role in [Role::Authorizer, Role::Filter, Role::Other(0), Role::Other(4)] {
            let mut assembler = Assembler::new(LIMITS);
            expect_refused(begin_as(&mut assembler, role, true, 1), Refusal::UnknownRole);
            assert!(assembler.is_empty());
            expect_pending(assembler.handle_event(Event::Params(ID, b"x"), 1));
            expect_pending(assembler.handle_event(Event::ParamsEnd(ID), 1));
        }
    }

    #[test]
    fn as_many_open_requests_as_allowed_begin_and_one_more_is_refused() {
        expect_pending(begin_as(&mut Assembler::new(LIMITS), Role::Responder, true, 3));
        expect_refused(begin_as(&mut Assembler::new(LIMITS), Role::Responder, true, 4), Refusal::Overloaded);
    }

    #[test]
    fn an_incomplete_request_that_is_aborted_is_refused_at_every_stage() {
        let with_params = || posted(Some("5"));
        let draining = || posted(Some("101"));
        for mut assembler in [begun(LIMITS), with_params(), draining()] {
            expect_refused(assembler.handle_event(Event::Abort(ID), 1), Refusal::Aborted);
            assert!(assembler.is_empty());
            expect_pending(stdin(&mut assembler, b"late"));
            expect_pending(stdin_end(&mut assembler));
        }
    }

    #[test]
    fn a_complete_request_that_is_aborted_is_told() {
        let mut assembler = begun(LIMITS);
        expect_ready(params(&mut assembler, &post(Some("0"))));
        assert!(matches!(assembler.handle_event(Event::Abort(ID), 1), Outcome::Aborted(id) if id == ID));
    }

    #[test]
    fn requests_of_one_connection_do_not_touch_each_other() {
        let other = RequestId::new(8);
        let mut assembler = posted(Some("4"));
        expect_pending(assembler.handle_event(Event::Begin { id: other, role: Role::Responder, keep_connection: false }, 2));
        expect_pending(stdin(&mut assembler, b"on"));
        expect_pending(assembler.handle_event(Event::Params(other, &post(None)), 2));
        expect_pending(assembler.handle_event(Event::ParamsEnd(other), 2));
        expect_pending(assembler.handle_event(Event::Stdin(other, b"another"), 2));
        expect_body(stdin(&mut assembler, b"e!"), b"one!");
        let assembled = expect_ready(assembler.handle_event(Event::StdinEnd(other), 2));
        assert_eq!((assembled.id, assembled.keep_connection), (other, false));
    }

    #[test]
    fn an_id_begins_anew_after_its_request_was_ready_or_refused() {
        let mut assembler = begun(LIMITS);
        expect_refused(params(&mut assembler, b""), Refusal::NoMethod);
        for _ in 0..3 {
            expect_pending(begin_as(&mut assembler, Role::Responder, true, 1));
            expect_ready(params(&mut assembler, &post(Some("0"))));
        }
    }

    #[test]
    fn management_answers_pass_and_the_rest_is_nothing() {
        let mut assembler = Assembler::new(LIMITS);
        assert!(matches!(assembler.handle_event(Event::Answer(vec![1, 2]), 0), Outcome::Answer(bytes) if bytes == [1, 2]));
        for event in [Event::Ignored, Event::Data(ID, b"x"), Event::DataEnd(ID), Event::StdinEnd(ID), Event::Stdin(ID, b"x")] {
            expect_pending(assembler.handle_event(event, 0));
        }
        assert!(assembler.is_empty());
    }
}
