use super::*;
use fastcgi_codec::params::encode_pair;

const ID: RequestId = RequestId::new(7);
const LIMITS: Limits = Limits {
    max_params_size: 1000,
    max_params: 5,
    max_body_size: 100,
    body_memory: 10,
    max_open_requests: 3,
    roles: Roles::RESPONDER,
};

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
    let Refused { id, refusal, keep_connection, head_only, params, .. } = refused;
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
        assert_eq!(length_of(good.as_bytes()), Some(Some(value)));
    }
    for bad in ["x", "1x", "+1", "-2", "--1", " 1", "1 ", "1.0", "0x1", "1,1", "18446744073709551616", "\u{0661}"] {
        expect_refused(params(&mut begun(LIMITS), &post(Some(bad))), Refusal::BadContentLength);
    }
}

/// A POST that says this of its length, one param each.
fn post_of(lengths: &[&str]) -> Vec<u8> {
    let lengths = lengths.iter().map(|length| ("CONTENT_LENGTH", *length));
    pairs(&[("REQUEST_METHOD", "POST")].into_iter().chain(lengths).collect::<Vec<_>>())
}

#[test]
fn two_content_lengths_that_differ_are_refused() {
    for lengths in
        [&["3", "4"][..], &["4", "3"], &["3", "3", "4"], &["3", "", "4"], &["3", "-1", "0"], &["x", "3"], &["3", "x"]]
    {
        expect_refused(params(&mut begun(LIMITS), &post_of(lengths)), Refusal::BadContentLength);
    }
}

/// nginx sends what `fastcgi_params` says, and then what a location says instead.
#[test]
fn content_lengths_that_do_not_differ_are_one_and_the_last_may_say_nothing() {
    for lengths in [&["3", "3"][..], &["3", "03", "3"], &["", "3"], &["-1", "3"]] {
        let mut assembler = begun(LIMITS);
        expect_pending(params(&mut assembler, &post_of(lengths)));
        expect_body(stdin(&mut assembler, b"abcd"), b"abc");
    }
    for lengths in [&["3", ""][..], &["", ""], &["3", "-1"]] {
        let mut assembler = begun(LIMITS);
        expect_pending(params(&mut assembler, &post_of(lengths)));
        expect_pending(stdin(&mut assembler, b"abcd"));
        expect_body(stdin_end(&mut assembler), b"abcd");
    }
}

#[test]
fn bodies_that_are_stored_free_their_memory_and_go_on() {
    let mut assembler = begun(Limits { max_body_size: 100_000, body_memory: 100_000, ..LIMITS });
    let bytes = post(Some("10000"));
    expect_pending(assembler.handle_event(Event::Params(ID, &bytes), 1));
    assert_eq!(assembler.memory(), bytes.len());
    expect_pending(assembler.handle_event(Event::ParamsEnd(ID), 1));
    expect_pending(stdin(&mut assembler, &[b'a'; 100]));
    assembler.store_bodies();
    assert_eq!(assembler.memory(), bytes.len() + 100, "not worth a file");
    expect_pending(stdin(&mut assembler, &[b'a'; 8000]));
    assembler.store_bodies();
    assert_eq!(assembler.memory(), bytes.len());
    expect_body(stdin(&mut assembler, &[b'a'; 2000]), &[b'a'; 10_000]);
    assert_eq!(assembler.memory(), 0);
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
fn a_role_that_is_not_named_is_refused() {
    for role in [Role::Authorizer, Role::Filter, Role::Other(0), Role::Other(4)] {
        let mut assembler = Assembler::new(LIMITS);
        expect_refused(begin_as(&mut assembler, role, true, 1), Refusal::UnknownRole(role));
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

fn begun_as(role: Role) -> Assembler {
    let mut assembler = Assembler::new(Limits { roles: Roles::NONE.with(role), ..LIMITS });
    expect_pending(begin_as(&mut assembler, role, true, 1));
    assembler
}

#[test]
fn each_role_is_served_only_where_it_is_named() {
    for role in [Role::Responder, Role::Authorizer, Role::Filter] {
        for named in [Role::Responder, Role::Authorizer, Role::Filter] {
            let mut assembler = Assembler::new(Limits { roles: Roles::NONE.with(named), ..LIMITS });
            match begin_as(&mut assembler, role, true, 1) {
                outcome if role == named => expect_pending(outcome),
                outcome => expect_refused(outcome, Refusal::UnknownRole(role)),
            }
        }
    }
}

/// Apache and lighttpd announce the browser's body in no way, but a peer may.
#[test]
fn an_authorizer_is_ready_with_its_params_and_has_no_body() {
    for content_length in [None, Some(""), Some("0"), Some("5"), Some("1000000"), Some("x")] {
        let mut assembler = begun_as(Role::Authorizer);
        let Assembled { mut request, .. } = expect_ready(params(&mut assembler, &post(content_length)));
        assert_eq!(
            (request.role, request.body.read(u64::MAX).unwrap(), request.data.is_none()),
            (Role::Authorizer, vec![], true)
        );
        expect_pending(stdin(&mut assembler, b"body"));
        expect_pending(stdin_end(&mut assembler));
    }
}

/// A filter's request whose params are complete.
fn filter(content_length: Option<&str>, data_length: Option<&str>) -> Assembler {
    let mut assembler = begun_as(Role::Filter);
    expect_pending(params(&mut assembler, &filter_params(content_length, data_length)));
    assembler
}

fn filter_params(content_length: Option<&str>, data_length: Option<&str>) -> Vec<u8> {
    let data_length = data_length.map(|length| pairs(&[("FCGI_DATA_LENGTH", length)]));
    [post(content_length), data_length.unwrap_or_default()].concat()
}

fn data(assembler: &mut Assembler, piece: &[u8]) -> Outcome {
    assembler.handle_event(Event::Data(ID, piece), 1)
}

fn data_end(assembler: &mut Assembler) -> Outcome {
    assembler.handle_event(Event::DataEnd(ID), 1)
}

#[track_caller]
fn expect_both(outcome: Outcome, body: &[u8], data: &[u8]) {
    let mut request = expect_ready(outcome).request;
    assert_eq!((request.role, request.body.read(u64::MAX).unwrap()), (Role::Filter, body.to_vec()));
    assert_eq!(request.data.unwrap().read(u64::MAX).unwrap(), data);
}

#[test]
fn a_filter_is_ready_with_the_end_of_its_data() {
    for content_length in [None, Some("4")] {
        let mut assembler = filter(content_length, None);
        expect_pending(stdin(&mut assembler, b"bo"));
        expect_pending(stdin(&mut assembler, b"dy"));
        expect_pending(stdin_end(&mut assembler));
        expect_pending(data(&mut assembler, b"the "));
        expect_pending(data(&mut assembler, b"file"));
        expect_both(data_end(&mut assembler), b"body", b"the file");
    }
}

#[test]
fn a_filter_is_ready_with_the_last_announced_byte_of_its_data_and_the_rest_is_swallowed() {
    let mut assembler = filter(Some("0"), Some("4"));
    expect_pending(stdin_end(&mut assembler));
    expect_pending(data(&mut assembler, b"fi"));
    expect_both(data(&mut assembler, b"lemore"), b"", b"file");
    expect_pending(data(&mut assembler, b"late"));
    expect_pending(data_end(&mut assembler));
    let mut assembler = filter(None, Some("0"));
    expect_both(stdin_end(&mut assembler), b"", b"");
}

#[test]
fn data_that_ends_short_of_its_length_is_refused() {
    let mut assembler = filter(None, Some("4"));
    expect_pending(stdin_end(&mut assembler));
    expect_pending(data(&mut assembler, b"fil"));
    expect_refused(data_end(&mut assembler), Refusal::DataCutShort);
}

#[test]
fn a_body_of_a_filter_that_is_refused_is_answered_when_its_data_has_ended() {
    let long = [b'x'; 101];
    for (content_length, body, refusal) in
        [(Some("3"), &b"ab"[..], Refusal::BodyCutShort), (None, &long, Refusal::BodyTooLarge)]
    {
        let mut assembler = filter(content_length, Some("4"));
        expect_pending(stdin(&mut assembler, body));
        expect_pending(stdin_end(&mut assembler));
        expect_pending(data(&mut assembler, b"file"));
        expect_refused(data_end(&mut assembler), refusal);
    }
}

#[test]
fn data_has_the_limits_of_a_body() {
    for (length, in_a_file) in [(10, false), (11, true)] {
        let mut assembler = filter(None, None);
        expect_pending(stdin_end(&mut assembler));
        expect_pending(data(&mut assembler, &vec![b'x'; length]));
        assert_eq!(expect_ready(data_end(&mut assembler)).request.data.unwrap().is_in_a_file(), in_a_file, "{length} bytes");
    }
    for data_length in [Some("101"), None] {
        let mut assembler = filter(None, data_length);
        expect_pending(stdin_end(&mut assembler));
        expect_pending(data(&mut assembler, &[b'x'; 101]));
        expect_refused(data_end(&mut assembler), Refusal::BodyTooLarge);
    }
}

#[test]
fn a_data_length_that_is_none_is_refused() {
    for bad in ["x", "-2", "1.0", "18446744073709551616"] {
        expect_refused(params(&mut begun_as(Role::Filter), &filter_params(None, Some(bad))), Refusal::BadDataLength);
    }
}

#[test]
fn who_is_turned_away_is_refused_when_the_input_has_come_and_nothing_of_it_is_kept() {
    let mut assembler = begun(LIMITS);
    assembler.set_turning_away(Some(Refusal::Overloaded));
    expect_refused(params(&mut assembler, &post(Some("0"))), Refusal::Overloaded);
    for length in [Some("3"), None] {
        let mut assembler = begun(LIMITS);
        assembler.set_turning_away(Some(Refusal::Overloaded));
        expect_pending(params(&mut assembler, &post(length)));
        expect_pending(stdin(&mut assembler, b"abc"));
        expect_refused(stdin_end(&mut assembler), Refusal::Overloaded);
        assert!(assembler.is_empty());
    }
}

#[test]
fn whose_parameters_had_come_before_is_not_turned_away() {
    let mut assembler = posted(Some("3"));
    assembler.set_turning_away(Some(Refusal::Overloaded));
    expect_body(stdin(&mut assembler, b"abc"), b"abc");
}
