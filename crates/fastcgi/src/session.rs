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
    pub max_connections: u32,
    /// Requests accepted at once (FCGI_MAX_REQS). HAProxy reads it as requests at once on one connection.
    pub max_requests: u32,
}

/// The open requests of one connection: at most 65,535, a few bytes each. Whoever wants fewer counts
/// [`open_requests`](Self::open_requests).
#[derive(Clone, Debug)]
pub struct Session {
    limits: SessionLimits,
    open: Requests<Phase>,
}

impl Session {
    /// A connection without requests.
    pub const fn new(limits: SessionLimits) -> Self {
        Self { limits, open: Requests::new() }
    }

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

    /// END_REQUEST for this request has been written, or will never be: the id may be used again.
    ///
    /// Returns how far its input had come: unless that was its end, more of it may follow and will be ignored.
    pub fn finish(&mut self, id: RequestId) -> Option<Phase> {
        self.open.remove(id)
    }

    /// Whether any request is open.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// How many requests are open.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    fn begin<'a>(&mut self, id: RequestId, content: &'a [u8]) -> Result<Event<'a>, Error> {
        let BeginRequest { role, keep_connection } = BeginRequest::parse(content)?;
        if self.open.contains(id) {
            return Err(Error::RequestIdInUse(id));
        }
        self.open.insert(id, Phase::Params(role));
        Ok(Event::Begin { id, role, keep_connection })
    }

    fn continue_stream<'a>(&mut self, record: Record<'a>) -> Result<Event<'a>, Error> {
        let Record { record_type, request_id: id, content } = record;
        let Some(phase) = self.open.get_mut(id) else {
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
            Variable::MaxConns => self.limits.max_connections,
            Variable::MaxReqs => self.limits.max_requests,
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
mod tests {
    use super::*;
    use crate::ParamsError;
    use crate::record::MAX_CONTENT_LEN;

    const ID: RequestId = RequestId::new(1);
    const LIMITS: SessionLimits = SessionLimits { max_connections: 64, max_requests: 4096 };

    #[test]
    fn a_responder_goes_from_params_to_stdin_to_its_end() {
        let mut session = Session::new(LIMITS);
        let begun = session.handle_record(begin(ID, Role::Responder));
        assert_eq!(begun, Ok(Event::Begin { id: ID, role: Role::Responder, keep_connection: true }));
        assert_eq!(handle(&mut session, RecordType::Params, b"ab"), Ok(Event::Params(ID, b"ab")));
        assert_eq!(handle(&mut session, RecordType::Params, b"c"), Ok(Event::Params(ID, b"c")));
        assert_eq!(handle(&mut session, RecordType::Params, b""), Ok(Event::ParamsEnd(ID)));
        assert_eq!(handle(&mut session, RecordType::Stdin, b"de"), Ok(Event::Stdin(ID, b"de")));
        assert_eq!(handle(&mut session, RecordType::Stdin, b"f"), Ok(Event::Stdin(ID, b"f")));
        assert_eq!(handle(&mut session, RecordType::Stdin, b""), Ok(Event::StdinEnd(ID)));
        assert_eq!(session.open.get(ID), Some(&Phase::Ended));
    }

    #[test]
    fn an_authorizer_is_complete_with_its_params() {
        let mut session = in_phase(Phase::Params(Role::Authorizer));
        assert_eq!(handle(&mut session, RecordType::Params, b""), Ok(Event::ParamsEnd(ID)));
        assert_eq!(session.open.get(ID), Some(&Phase::Ended));
        assert_eq!(handle(&mut session, RecordType::Stdin, b""), Ok(Event::Ignored), "lighttpd ends the STDIN it has not");
        assert_eq!(handle(&mut session, RecordType::Stdin, b"body"), Ok(Event::Ignored));
    }

    #[test]
    fn a_filter_gets_its_data_behind_stdin() {
        let mut session = in_phase(Phase::Stdin(Role::Filter));
        assert_eq!(handle(&mut session, RecordType::Stdin, b"in"), Ok(Event::Stdin(ID, b"in")));
        assert_eq!(handle(&mut session, RecordType::Stdin, b""), Ok(Event::StdinEnd(ID)));
        assert_eq!(handle(&mut session, RecordType::Data, b"file"), Ok(Event::Data(ID, b"file")));
        assert_eq!(handle(&mut session, RecordType::Stdin, b"late"), Ok(Event::Ignored));
        assert_eq!(handle(&mut session, RecordType::Data, b""), Ok(Event::DataEnd(ID)));
        assert_eq!(session.open.get(ID), Some(&Phase::Ended));
    }

    #[test]
    fn an_unknown_role_is_told_and_read_like_a_responder() {
        let mut session = Session::new(LIMITS);
        let begun = session.handle_record(begin(ID, Role::Other(4)));
        assert_eq!(begun, Ok(Event::Begin { id: ID, role: Role::Other(4), keep_connection: true }));
        assert_eq!(handle(&mut session, RecordType::Params, b""), Ok(Event::ParamsEnd(ID)));
        assert_eq!(handle(&mut session, RecordType::Stdin, b""), Ok(Event::StdinEnd(ID)));
    }

    #[test]
    fn every_stream_record_in_every_phase_does_what_the_diagram_says() {
        use RecordType::{Data, Params, Stdin};
        const PARAMS: Phase = Phase::Params(Role::Responder);
        const STDIN: Phase = Phase::Stdin(Role::Responder);
        let ignored = || Some(Event::Ignored);
        let table = [
            (PARAMS, Params, Some(Event::Params(ID, b"x")), Some(Event::ParamsEnd(ID))),
            (PARAMS, Stdin, None, None),
            (PARAMS, Data, None, None),
            (STDIN, Params, None, ignored()),
            (STDIN, Stdin, Some(Event::Stdin(ID, b"x")), Some(Event::StdinEnd(ID))),
            (STDIN, Data, None, None),
            (Phase::Stdin(Role::Filter), Data, None, None),
            (Phase::Data, Params, None, ignored()),
            (Phase::Data, Stdin, ignored(), ignored()),
            (Phase::Data, Data, Some(Event::Data(ID, b"x")), Some(Event::DataEnd(ID))),
            (Phase::Ended, Params, None, ignored()),
            (Phase::Ended, Stdin, ignored(), ignored()),
            (Phase::Ended, Data, ignored(), ignored()),
        ];
        for (phase, record_type, with_content, empty) in table {
            for (content, expected) in [(&b"x"[..], with_content), (b"", empty)] {
                let mut session = in_phase(phase);
                let found = handle(&mut session, record_type, content);
                let error = Error::Order { record_type, request_id: ID, phase };
                assert_eq!(found, expected.ok_or(error), "{record_type} of {} bytes while {phase}", content.len());
                if matches!(found, Err(_) | Ok(Event::Ignored)) {
                    assert_eq!(session.open.get(ID), Some(&phase), "nothing changes");
                }
            }
        }
    }

    #[test]
    fn an_abort_is_told_in_every_phase_and_changes_none() {
        for phase in PHASES {
            let mut session = in_phase(phase);
            for _ in 0..2 {
                assert_eq!(handle(&mut session, RecordType::AbortRequest, b""), Ok(Event::Abort(ID)));
                assert_eq!(session.open.get(ID), Some(&phase));
            }
        }
    }

    #[test]
    fn records_for_an_id_that_never_began_are_ignored() {
        let mut session = Session::new(LIMITS);
        for record_type in APPLICATION_TYPES {
            for content in [&b""[..], b"x"] {
                assert_eq!(handle(&mut session, record_type, content), Ok(Event::Ignored));
            }
        }
        assert!(session.is_idle());
    }

    #[test]
    fn records_for_a_finished_id_are_ignored_in_every_phase_it_may_have_had() {
        for phase in PHASES {
            let mut session = in_phase(phase);
            session.finish(ID);
            for record_type in APPLICATION_TYPES {
                assert_eq!(handle(&mut session, record_type, b"x"), Ok(Event::Ignored));
            }
        }
    }

    #[test]
    fn a_finished_id_begins_anew() {
        for phase in PHASES {
            let mut session = in_phase(phase);
            session.finish(ID);
            assert!(session.handle_record(begin(ID, Role::Responder)).is_ok());
            assert_eq!(session.open.get(ID), Some(&Phase::Params(Role::Responder)));
        }
    }

    #[test]
    fn an_id_in_use_does_not_begin_again_and_its_request_goes_on() {
        for phase in PHASES {
            let mut session = in_phase(phase);
            assert_eq!(session.handle_record(begin(ID, Role::Filter)), Err(Error::RequestIdInUse(ID)));
            assert_eq!(session.open.get(ID), Some(&phase));
            assert_eq!(session.open_requests(), 1);
        }
    }

    #[test]
    fn a_begin_request_of_another_length_begins_nothing() {
        for length in [0, 7, 9, MAX_CONTENT_LEN] {
            let mut session = Session::new(LIMITS);
            let found = handle(&mut session, RecordType::BeginRequest, &vec![0; length]).map(|_| ());
            assert_eq!(found, Err(Error::BodyLength { record_type: RecordType::BeginRequest, expected: 8, found: length }));
            assert!(session.is_idle());
        }
    }

    #[test]
    fn finishing_what_is_not_open_does_nothing() {
        let mut session = in_phase(Phase::Ended);
        session.finish(RequestId::new(2));
        assert_eq!(session.open_requests(), 1);
        session.finish(ID);
        session.finish(ID);
        assert!(session.is_idle());
    }

    #[test]
    fn two_hundred_interleaved_requests_keep_their_own_streams() {
        let mut session = Session::new(LIMITS);
        let ids: Vec<RequestId> = (1..=200).map(RequestId::new).collect();
        for id in &ids {
            assert!(session.handle_record(begin(*id, Role::Responder)).is_ok());
        }
        assert_eq!(session.open_requests(), 200);
        for round in 0..3_u8 {
            for id in ids.iter().rev() {
                let content = [round, id.value() as u8];
                let event = session.handle_record(record(RecordType::Params, *id, &content));
                assert_eq!(event, Ok(Event::Params(*id, &content)));
            }
        }
        // Every third one goes on to STDIN while the others are still reading PARAMS.
        for id in ids.iter().step_by(3) {
            assert_eq!(session.handle_record(record(RecordType::Params, *id, b"")), Ok(Event::ParamsEnd(*id)));
        }
        for (index, id) in ids.iter().enumerate() {
            let event = session.handle_record(record(RecordType::Params, *id, b"more"));
            assert_eq!(event.is_ok(), index % 3 != 0);
        }
        for id in ids.iter().step_by(3) {
            assert_eq!(session.handle_record(record(RecordType::Stdin, *id, b"in")), Ok(Event::Stdin(*id, b"in")));
            assert_eq!(session.handle_record(record(RecordType::Stdin, *id, b"")), Ok(Event::StdinEnd(*id)));
            session.finish(*id);
        }
        assert_eq!(session.open_requests(), 200 - 67);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes a quarter of an hour there")]
    fn every_id_there_is_can_be_open_at_once() {
        let mut session = Session::new(LIMITS);
        for id in 1..=u16::MAX {
            assert!(session.handle_record(begin(RequestId::new(id), Role::Responder)).is_ok());
        }
        assert_eq!(session.open_requests(), 65_535);
    }

    #[test]
    fn get_values_is_answered_with_what_is_known_and_asked() {
        let asked = b"\x0e\0FCGI_MAX_CONNS\x0d\0FCGI_MAX_REQS\x0f\0FCGI_MPXS_CONNS";
        let all = b"\x0e\x02FCGI_MAX_CONNS64\x0d\x04FCGI_MAX_REQS4096\x0f\x01FCGI_MPXS_CONNS1";
        assert_eq!(values_for(asked), Ok(all.to_vec()));
        assert_eq!(values_for(b"\x0f\0FCGI_MPXS_CONNS"), Ok(b"\x0f\x01FCGI_MPXS_CONNS1".to_vec()));
        assert_eq!(values_for(b"\x04\0NAME\x0f\0FCGI_MPXS_CONNS\0\0"), Ok(b"\x0f\x01FCGI_MPXS_CONNS1".to_vec()));
        assert_eq!(values_for(&b"\x0f\0FCGI_MPXS_CONNS".repeat(3000)), Ok(b"\x0f\x01FCGI_MPXS_CONNS1".to_vec()));
        assert_eq!(values_for(b"\x04\0NAME"), Ok(vec![]));
        assert_eq!(values_for(b""), Ok(vec![]));
    }

    #[test]
    fn get_values_that_does_not_decode_is_refused() {
        assert_eq!(values_for(b"\x0e\0FCGI"), Err(Error::GetValues(ParamsError::Truncated { claimed: 16, left: 6 })));
    }

    #[test]
    fn get_values_is_answered_between_the_records_of_a_request() {
        let mut session = in_phase(Phase::Params(Role::Responder));
        let event = session.handle_record(record(RecordType::GetValues, RequestId::MANAGEMENT, b""));
        assert_eq!(event, Ok(Event::Answer(vec![1, 10, 0, 0, 0, 0, 0, 0])));
        assert_eq!(handle(&mut session, RecordType::Params, b"x"), Ok(Event::Params(ID, b"x")));
    }

    #[test]
    fn an_unknown_management_type_is_named_in_unknown_type() {
        let mut session = Session::new(LIMITS);
        for value in [0, 12, 100, 255] {
            let event = session.handle_record(record(RecordType::Other(value), RequestId::MANAGEMENT, b"whatever"));
            assert_eq!(event, Ok(Event::Answer(vec![1, 11, 0, 0, 0, 8, 0, 0, value, 0, 0, 0, 0, 0, 0, 0])));
        }
    }

    #[test]
    fn an_unknown_application_type_is_ignored() {
        let mut session = in_phase(Phase::Stdin(Role::Responder));
        assert_eq!(handle(&mut session, RecordType::Other(12), b"x"), Ok(Event::Ignored));
        assert_eq!(handle(&mut session, RecordType::Stdin, b"x"), Ok(Event::Stdin(ID, b"x")));
    }

    #[test]
    fn what_only_an_application_sends_is_refused() {
        for record_type in [RecordType::EndRequest, RecordType::Stdout, RecordType::Stderr] {
            let mut session = in_phase(Phase::Ended);
            assert_eq!(handle(&mut session, record_type, b""), Err(Error::Direction(record_type)));
            let unused = session.handle_record(record(record_type, RequestId::new(2), b"x"));
            assert_eq!(unused, Err(Error::Direction(record_type)));
        }
        for record_type in [RecordType::GetValuesResult, RecordType::UnknownType] {
            let event = Session::new(LIMITS).handle_record(record(record_type, RequestId::MANAGEMENT, &[0; 8]));
            assert_eq!(event, Err(Error::Direction(record_type)));
        }
    }

    #[test]
    fn an_application_record_may_not_carry_the_id_of_management() {
        for record_type in APPLICATION_TYPES.into_iter().chain([RecordType::BeginRequest]) {
            let event =
                Session::new(LIMITS).handle_record(record(record_type, RequestId::MANAGEMENT, &[0, 1, 0, 0, 0, 0, 0, 0]));
            assert_eq!(event, Err(Error::NullRequestId(record_type)));
        }
    }

    #[test]
    fn a_management_record_may_not_carry_the_id_of_a_request() {
        for record_type in [RecordType::GetValues, RecordType::GetValuesResult, RecordType::UnknownType] {
            let event = handle(&mut in_phase(Phase::Ended), record_type, b"").map(|_| ());
            assert_eq!(event, Err(Error::ManagementId(record_type, ID)));
        }
    }

    const PHASES: [Phase; 6] = [
        Phase::Params(Role::Responder),
        Phase::Params(Role::Authorizer),
        Phase::Stdin(Role::Responder),
        Phase::Stdin(Role::Filter),
        Phase::Data,
        Phase::Ended,
    ];

    /// What a peer sends for a request that has begun.
    const APPLICATION_TYPES: [RecordType; 4] =
        [RecordType::AbortRequest, RecordType::Params, RecordType::Stdin, RecordType::Data];

    fn in_phase(phase: Phase) -> Session {
        let mut session = Session::new(LIMITS);
        session.open.insert(ID, phase);
        session
    }

    fn record(record_type: RecordType, request_id: RequestId, content: &[u8]) -> Record<'_> {
        Record { record_type, request_id, content }
    }

    fn begin(id: RequestId, role: Role) -> Record<'static> {
        let content = match role {
            Role::Responder => &[0, 1, 1, 0, 0, 0, 0, 0],
            Role::Authorizer => &[0, 2, 1, 0, 0, 0, 0, 0],
            Role::Filter => &[0, 3, 1, 0, 0, 0, 0, 0],
            Role::Other(_) => &[0, 4, 1, 0, 0, 0, 0, 0],
        };
        record(RecordType::BeginRequest, id, content)
    }

    fn handle<'a>(session: &mut Session, record_type: RecordType, content: &'a [u8]) -> Result<Event<'a>, Error> {
        session.handle_record(record(record_type, ID, content))
    }

    /// The body of the GET_VALUES_RESULT that answers GET_VALUES with this body.
    fn values_for(asked: &[u8]) -> Result<Vec<u8>, Error> {
        match Session::new(LIMITS).handle_record(record(RecordType::GetValues, RequestId::MANAGEMENT, asked))? {
            Event::Answer(answer) => {
                assert_eq!(answer[..8], encoder::header(RecordType::GetValuesResult, RequestId::MANAGEMENT, answer.len() - 8));
                Ok(answer[8..].to_vec())
            }
            other => panic!("{other:?} is no answer"),
        }
    }
}
