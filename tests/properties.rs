//! What holds for any input to the codec, and to the other parsers, tried with random inputs; a failure shows the smallest one that was found, and leaves
//! its seed in `tests/properties.seeds`, which is tried first from then on.

mod support;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any};
use proptest::test_runner::FileFailurePersistence;
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use connections::exchange::Head;
use connections::exchange::head::BodyRule;
use fastcgi_codec::params::encode_pair;
use fastcgi_codec::{Decoder, Error, Event, Pairs, ParamsError, Record, RecordType, RequestId, Session, SessionLimits};
use fastcgi_codec::{Role, encoder};
use pyfcgid::config::parse_env_file;
use support::record::{kind, length, padded_record, pair, request};

/// Type, id and content.
type Found = (u8, u16, Vec<u8>);

/// A name and a value.
type Pair = (Vec<u8>, Vec<u8>);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn records_come_out_as_they_went_in_wherever_they_are_split(records in vec(any_record(), 0..6), sizes in sizes()) {
        let stream: Vec<u8> = records.iter().flat_map(|((kind, id, content), padding)| {
            padded_record(*kind, *id, content, *padding)
        }).collect();
        let expected: Vec<Found> = records.into_iter().map(|(found, _)| found).collect();
        prop_assert_eq!(decode(&stream, &sizes), (expected, Ok(true)));
    }

    #[test]
    fn any_bytes_give_the_same_records_and_error_wherever_they_are_split(stream in any_stream(), sizes in sizes()) {
        prop_assert_eq!(decode(&stream, &sizes), decode(&stream, &[stream.len().max(1)]));
    }

    #[test]
    fn a_stream_is_encoded_in_full_records_and_its_end_is_empty(content in content(), id in any::<u16>()) {
        let mut bytes = Vec::new();
        encoder::encode_stream(&mut bytes, RecordType::Stdin, RequestId::new(id), &content);
        let (records, rest) = decode(&bytes, &[bytes.len()]);
        prop_assert_eq!(rest, Ok(true));
        prop_assert_eq!(records.len(), content.len().div_ceil(65_535).max(1));
        prop_assert!(records.iter().all(|(kind, found, _)| (*kind, *found) == (kind::STDIN, id)));
        prop_assert_eq!(contents(&records), content);
    }

    #[test]
    fn pairs_come_back_as_they_were_encoded(pairs in vec(any_pair(), 0..12)) {
        let mut stream = Vec::new();
        for (name, value) in &pairs {
            encode_pair(&mut stream, name, value)?;
        }
        let by_hand: Vec<u8> = pairs.iter().flat_map(|(name, value)| pair(name, value)).collect();
        prop_assert_eq!(&stream, &by_hand);
        prop_assert_eq!(decode_pairs(&stream), Ok(pairs));
    }

    #[test]
    fn short_lengths_in_the_long_form_mean_the_same(pairs in vec((short(), short()), 0..12)) {
        let long = |bytes: &[u8]| (0x8000_0000 | bytes.len() as u32).to_be_bytes();
        let mut stream = Vec::new();
        for (name, value) in &pairs {
            stream.extend([&long(name)[..], &length(value.len()), name, value].concat());
        }
        prop_assert_eq!(decode_pairs(&stream), Ok(pairs));
    }

    #[test]
    fn pairs_cut_anywhere_but_between_two_are_an_error(pairs in vec(any_pair(), 1..6), cut in any::<u16>()) {
        let encoded: Vec<Vec<u8>> = pairs.iter().map(|(name, value)| pair(name, value)).collect();
        let stream = encoded.concat();
        let cut = usize::from(cut) % stream.len();
        let ends: Vec<usize> = encoded.iter().scan(0, |end, pair| { *end += pair.len(); Some(*end) }).collect();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let left = cut - ends.get(whole.wrapping_sub(1)).unwrap_or(&0);
        match decode_pairs(&stream[..cut]) {
            Ok(found) => prop_assert_eq!((found.as_slice(), left), (&pairs[..whole], 0)),
            Err(ParamsError::Truncated { claimed, left: found }) => {
                prop_assert_eq!(found, left);
                prop_assert!(claimed > left as u64 && claimed <= encoded[whole].len() as u64);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn any_bytes_are_pairs_or_an_error_and_never_more_than_was_sent(stream in vec(any::<u8>(), 0..600)) {
        let found: Vec<_> = Pairs::new(&stream).collect();
        let contents: usize = found.iter().flatten().map(|(name, value)| name.len() + value.len() + 2).sum();
        prop_assert!(contents <= stream.len());
        prop_assert!(found.iter().rev().skip(1).all(Result::is_ok), "an error is the last");
    }

    #[test]
    fn a_request_means_the_same_wherever_its_bytes_are_split(
        id in 1..=u16::MAX, params in vec(any_pair(), 1..6), body in content(), sizes in sizes(),
    ) {
        let stream: Vec<u8> = params.iter().flat_map(|(name, value)| pair(name, value)).collect();
        let (mut found, mut seen, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        each_event(&request(id, true, &stream, &body), &sizes, |event| match event {
            Event::Params(_, piece) => found.extend_from_slice(piece),
            Event::Stdin(_, piece) => seen.extend_from_slice(piece),
            other => ends.push(format!("{other:?}")),
        });
        let id = RequestId::new(id);
        let begin: Event<'_> = Event::Begin { id, role: Role::Responder, keep_connection: true };
        let expected = [begin, Event::ParamsEnd(id), Event::StdinEnd(id)].map(|event| format!("{event:?}"));
        prop_assert_eq!(ends, expected);
        prop_assert_eq!((found, seen), (stream, body));
    }

    #[test]
    fn a_session_speaks_of_open_requests_only_and_counts_them(steps in vec(any_step(), 0..200)) {
        let mut session = Session::new(LIMITS);
        let mut open = BTreeSet::new();
        for step in &steps {
            match step {
                Step::Finish(id) => prop_assert_eq!(session.finish(RequestId::new(*id)).is_some(), open.remove(id)),
                Step::Record((kind, id, content)) => {
                    let before = format!("{session:?}");
                    let record = record(*kind, *id, content);
                    match session.handle_record(record) {
                        Ok(Event::Begin { id, .. }) => prop_assert!(open.insert(id.value()), "{} is in use", id),
                        Ok(event) => if let Some(id) = subject(&event) {
                            prop_assert!(open.contains(&id), "{:?}", event);
                        },
                        Err(_) => prop_assert_eq!(format!("{session:?}"), before, "a refused record changes nothing"),
                    }
                }
            }
            prop_assert_eq!((session.open_requests(), session.is_idle()), (open.len(), open.is_empty()));
        }
    }

    #[test]
    fn a_head_has_the_accepted_fields_and_the_status_as_its_last(
        status in status(), fields in vec(any_field(), 0..8), head_only in any::<bool>(),
    ) {
        let Ok(mut head) = Head::new(&status) else {
            return Ok(());
        };
        let (mut expected, mut content_length) = (Vec::new(), None);
        for (name, value) in &fields {
            let had_length = content_length.is_some();
            let is_length = name.eq_ignore_ascii_case(b"content-length");
            if head.push(name, value).is_err() {
                continue;
            }
            let value = if is_length { value.trim_ascii() } else { value };
            if is_length {
                content_length = Some(std::str::from_utf8(value)?.parse()?);
            }
            if !is_length || !had_length && head.code() != 204 {
                expected.push([name, &b": "[..], value].concat());
            }
        }
        let rule = match content_length {
            _ if head_only || matches!(head.code(), 204 | 304) => BodyRule::Nothing,
            Some(length) => BodyRule::Exactly(length),
            None => BodyRule::Open,
        };
        let (block, found) = head.encode(head_only)?;
        let last = lines(&block).pop().unwrap_or_default();
        // An empty reason becomes the standard one.
        let has_reason = status.get(3..).is_some_and(|reason| !reason.trim_ascii().is_empty());
        let status = [&b"Status: "[..], &status].concat();
        prop_assert!(last.starts_with(status.trim_ascii_end()));
        expected.push(if has_reason { status } else { last });
        prop_assert_eq!((lines(&block), found), (expected, rule));
    }

    #[test]
    fn variables_of_a_file_come_back_as_they_were_quoted(values in vec("[^\0\r]{0,20}", 0..6)) {
        let double = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let quote = |(index, value): (usize, &String)| match index % 2 {
            0 if !value.contains('\'') => format!("V{index}='{value}' # one\n"),
            _ => format!("export V{index} = \"{}\"\n\n", double(value)),
        };
        let text: String = values.iter().enumerate().map(quote).collect();
        let expected = values.iter().enumerate().map(|(index, value)| (format!("V{index}"), value.clone())).collect();
        prop_assert_eq!(parse_env_file(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn any_file_has_variables_or_a_line_that_is_none(text in "[a\0é=#'\"\\\\ \n\r$]{0,40}", noise in vec(any::<u8>(), 0..4)) {
        let bytes = [text.as_bytes(), &noise].concat();
        if let Err(error) = parse_env_file(&bytes) {
            prop_assert!((1..=1 + bytes.iter().filter(|byte| **byte == b'\n').count()).contains(&error.line));
        }
    }
}

fn config() -> ProptestConfig {
    let seeds = FileFailurePersistence::Direct("tests/properties.seeds");
    ProptestConfig { failure_persistence: Some(Box::new(seeds)), ..ProptestConfig::default() }
}

/// A record that any peer might send: type, id, content; and its padding.
fn any_record() -> impl Strategy<Value = (Found, u8)> {
    ((any::<u8>(), any::<u16>(), content()), any::<u8>())
}

/// Mostly short, and around the longest that fits in one record and in the read buffer.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let border = prop_oneof![16_300..16_500_usize, 65_400..65_536_usize];
    prop_oneof![8 => vec(any::<u8>(), 0..300), 1 => (any::<u8>(), border).prop_map(|(byte, length)| vec![byte; length])]
}

/// Records with noise behind them, or noise that starts like a record.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let records = vec(any_record(), 0..4).prop_map(|records| {
        records.iter().flat_map(|((kind, id, content), padding)| padded_record(*kind, *id, content, *padding)).collect()
    });
    let noise = prop_oneof![vec(any::<u8>(), 0..600), vec(0..3_u8, 0..600)];
    (prop_oneof![records, Just(Vec::new())], noise).prop_map(|(records, noise): (Vec<u8>, _)| [records, noise].concat())
}

/// The sizes of reads, used in turn.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..20_usize, 1..70_000_usize], 1..6)
}

fn short() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..128)
}

/// Lengths on both sides of 127.
fn any_pair() -> impl Strategy<Value = Pair> {
    let bytes = || prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 120..140)];
    (bytes(), bytes())
}

fn status() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => "[2-5][0-9]{2} [a-zA-Z ]{1,12}", 1 => "[0-9]{2,4}[ -~\r\n]{0,4}"].prop_map(String::into_bytes)
}

fn any_field() -> impl Strategy<Value = Pair> {
    let name = prop_oneof![
        "[A-Za-z-]{1,20}",
        "[ -~\r\n]{0,6}",
        Just("Content-Length".to_owned()),
        Just("Status".to_owned()),
        Just("transfer-ENCODING".to_owned()),
    ];
    let value = prop_oneof![vec(any::<u8>(), 0..30), " ?[0-9]{1,3}".prop_map(String::into_bytes)];
    (name.prop_map(String::into_bytes), value)
}

/// What happens on a connection, with few ids so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Record(Found),
    Finish(u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    let id = || 0..5_u16;
    let begin = (id(), 0..5_u8, any::<u8>()).prop_map(|(id, role, flags)| (1, id, vec![0, role, flags, 0, 0, 0, 0, 0]));
    let stream = (prop_oneof![Just(2_u8), Just(4), Just(5), Just(8)], id(), vec(any::<u8>(), 0..3));
    let other = (any::<u8>(), id(), vec(any::<u8>(), 0..12));
    prop_oneof![
        3 => begin.prop_map(Step::Record),
        8 => stream.prop_map(Step::Record),
        1 => other.prop_map(Step::Record),
        2 => id().prop_map(Step::Finish),
    ]
}

/// The request that an event is about.
fn subject(event: &Event<'_>) -> Option<u16> {
    match event {
        Event::Begin { id, .. }
        | Event::Params(id, _)
        | Event::ParamsEnd(id)
        | Event::Stdin(id, _)
        | Event::StdinEnd(id)
        | Event::Data(id, _)
        | Event::DataEnd(id)
        | Event::Abort(id) => Some(id.value()),
        Event::Answer(_) | Event::Ignored => None,
    }
}

fn record(kind: u8, id: u16, content: &[u8]) -> Record<'_> {
    Record { record_type: RecordType::from(kind), request_id: RequestId::new(id), content }
}

/// The records read in pieces of these sizes, and the error or whether nothing is left.
fn decode(stream: &[u8], sizes: &[usize]) -> (Vec<Found>, Result<bool, Error>) {
    let mut found = Vec::new();
    let end = each_record(stream, sizes, |record| {
        found.push((record.record_type.value(), record.request_id.value(), record.content.to_vec()));
    });
    (found, end)
}

fn each_event(stream: &[u8], sizes: &[usize], mut each: impl FnMut(Event<'_>)) {
    let mut session = Session::new(LIMITS);
    let end = each_record(stream, sizes, |record| each(session.handle_record(record).expect("the request is in order")));
    assert_eq!(end, Ok(true));
}

/// Reads as a connection does, and holds the read buffer to its limit.
fn each_record(mut stream: &[u8], sizes: &[usize], mut each: impl FnMut(Record<'_>)) -> Result<bool, Error> {
    let (mut decoder, mut sizes) = (Decoder::new(), sizes.iter().cycle());
    while !stream.is_empty() {
        let space = decoder.space();
        assert!(!space.is_empty() && space.len() <= BUFFER_LIMIT);
        let count = stream.len().min(space.len()).min(*sizes.next().expect("there is a size"));
        space[..count].copy_from_slice(&stream[..count]);
        decoder.advance(count);
        stream = &stream[count..];
        while let Some(record) = decoder.next_record()? {
            each(record);
        }
        assert!(decoder.unread().len() < BUFFER_LIMIT);
    }
    Ok(decoder.is_empty())
}

fn decode_pairs(stream: &[u8]) -> Result<Vec<Pair>, ParamsError> {
    Pairs::new(stream).map(|pair| pair.map(|(name, value)| (name.to_vec(), value.to_vec()))).collect()
}

/// The lines of a head; panics unless each ends with CR LF and an empty one follows the last.
fn lines(block: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = block.strip_suffix(b"\r\n").expect("an empty line ends the head");
    let mut lines = Vec::new();
    while let Some(end) = rest.windows(2).position(|found| found == b"\r\n") {
        lines.push(rest[..end].to_vec());
        rest = &rest[end + 2..];
    }
    assert!(rest.is_empty(), "every line is ended");
    lines
}

fn contents(records: &[Found]) -> Vec<u8> {
    records.iter().flat_map(|(_, _, content)| content.iter().copied()).collect()
}

const LIMITS: SessionLimits = SessionLimits { max_conns: 7, max_reqs: 7 };
const BUFFER_LIMIT: usize = 128 * 1024;
