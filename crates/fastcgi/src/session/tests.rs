use super::*;
use crate::ParamsError;
use crate::record::MAX_CONTENT_LEN;

const ID: RequestId = RequestId::new(1);
const LIMITS: SessionLimits = SessionLimits { max_conns: 64, max_reqs: 4096 };

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
    assert_eq!(session.open.get(ID).map(|open| open.phase), Some(Phase::Ended));
}

#[test]
fn an_authorizer_is_complete_with_its_params() {
    let mut session = in_phase(Phase::Params(Role::Authorizer));
    assert_eq!(handle(&mut session, RecordType::Params, b""), Ok(Event::ParamsEnd(ID)));
    assert_eq!(session.open.get(ID).map(|open| open.phase), Some(Phase::Ended));
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
    assert_eq!(session.open.get(ID).map(|open| open.phase), Some(Phase::Ended));
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
                assert_eq!(session.open.get(ID).map(|open| open.phase), Some(phase), "nothing changes");
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
            assert_eq!(session.open.get(ID).map(|open| open.phase), Some(phase));
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
        assert_eq!(session.open.get(ID).map(|open| open.phase), Some(Phase::Params(Role::Responder)));
    }
}

#[test]
fn an_id_in_use_does_not_begin_again_and_its_request_goes_on() {
    for phase in PHASES {
        let mut session = in_phase(phase);
        assert_eq!(session.handle_record(begin(ID, Role::Filter)), Err(Error::RequestIdInUse(ID)));
        assert_eq!(session.open.get(ID).map(|open| open.phase), Some(phase));
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
        let event = Session::new(LIMITS).handle_record(record(record_type, RequestId::MANAGEMENT, &[0, 1, 0, 0, 0, 0, 0, 0]));
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
const APPLICATION_TYPES: [RecordType; 4] = [RecordType::AbortRequest, RecordType::Params, RecordType::Stdin, RecordType::Data];

fn in_phase(phase: Phase) -> Session {
    let mut session = Session::new(LIMITS);
    session.open.insert(ID, Open { phase, kept: () });
    session
}

#[test]
fn what_is_kept_begins_and_ends_with_its_request() {
    let mut session = Session::<u32>::keeping(LIMITS);
    assert_eq!(session.kept(ID), None);
    for count in 1..=2 {
        session.handle_record(begin(ID, Role::Responder)).unwrap();
        *session.kept(ID).unwrap() += count;
        assert_eq!(session.all_kept().collect::<Vec<_>>(), [&count], "nothing of the one before");
        assert!(session.finish(ID).is_some());
        assert!(session.kept(ID).is_none() && session.all_kept().next().is_none());
    }
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
