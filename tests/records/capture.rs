//! A capture, its description, and the comparison of a replay with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastcgi_codec::message::BeginRequest;
use fastcgi_codec::record::HEADER_LEN;
use fastcgi_codec::{Decoder, Error, Header, Pairs, ParamsError, RecordType, RequestId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::replay::{self, Replay, Request, Taken};

type Pair = (Vec<u8>, Vec<u8>);

/// `NAME.bin` and `NAME.json`.
pub(crate) struct Capture {
    name: String,
    pub(crate) bytes: Vec<u8>,
    described: Value,
}

impl Capture {
    pub(crate) fn load(path: &Path) -> Self {
        let name = path.file_stem().expect("a capture has a name").to_string_lossy().into_owned();
        let bytes = fs::read(path).expect("the capture can be read");
        let text = fs::read(path.with_extension("json")).expect("the description can be read");
        let described: Value = serde_json::from_slice(&text).expect("the description is JSON");
        assert_eq!(bytes.len(), size(&described["bytes"]), "{name}");
        Self { name, bytes, described }
    }

    /// Compares a replay of all the bytes with everything the description says.
    pub(crate) fn check(&self, replay: &Replay) {
        let name = &self.name;
        let records = array(&self.described["records"]);
        assert_eq!(replay.records.len(), records.len(), "{name}");
        let end = records.iter().zip(&replay.records).fold(0, |offset, pair| self.check_record(offset, pair));
        assert_eq!(self.bytes.len() - end, size(&self.described["trailing_bytes"]), "{name}");
        self.check_end(replay, end);
        let requests = array(&self.described["requests"]);
        assert_eq!(replay.requests.len(), requests.len(), "{name}");
        for (described, request) in requests.iter().zip(&replay.requests) {
            self.check_request(described, request);
        }
        self.check_management(replay);
    }

    /// Cuts the capture in two at every offset and compares the records with those of the whole.
    pub(crate) fn check_every_split(&self) {
        let whole = self.headers();
        for split in 0..=self.bytes.len() {
            let (mut decoder, mut count, mut offset) = (Decoder::new(), 0, 0);
            let mut compare = |record: fastcgi_codec::Record<'_>| {
                let header = &whole[count];
                let content = &self.bytes[offset + HEADER_LEN..][..header.content_length.into()];
                let equal = (record.record_type, record.request_id) == (header.record_type, header.request_id);
                assert!(equal && record.content == content, "{}: record {count}, split at {split}", self.name);
                (count, offset) = (count + 1, offset + header.record_len());
            };
            let (first, second) = self.bytes.split_at(split);
            let early = replay::feed(&mut decoder, first, &mut compare);
            let late = early.and_then(|()| replay::feed(&mut decoder, second, &mut compare));
            assert_eq!(count, whole.len(), "{}: split at {split}", self.name);
            let broken = self.broken_at().map(|at| Error::Version(self.bytes[at]));
            assert_eq!(late.err(), broken, "{}: split at {split}", self.name);
            assert_eq!(early.is_err(), self.broken_at().is_some_and(|at| at < split), "{}: split at {split}", self.name);
        }
    }

    /// The headers of all complete records, found by the offsets in the description.
    fn headers(&self) -> Vec<Header> {
        let offsets = array(&self.described["records"]).iter().map(|record| size(&record["offset"]));
        offsets.map(|offset| self.header(offset)).collect()
    }

    fn header(&self, offset: usize) -> Header {
        Header::parse(&self.bytes[offset..]).expect("the version is 1").expect("the header is complete")
    }

    /// Compares a record with its description; gives the offset behind it.
    fn check_record(&self, offset: usize, (described, taken): (&Value, &Taken)) -> usize {
        let place = format!("{}: record at {offset}", self.name);
        assert_eq!(size(&described["offset"]), offset, "{place}");
        let header = self.header(offset);
        assert_eq!((header.record_type, header.request_id), (taken.record_type, taken.request_id), "{place}");
        assert_eq!(usize::from(header.content_length), taken.content.len(), "{place}");
        assert_eq!(usize::from(taken.record_type.value()), size(&described["type"]), "{place}");
        assert_eq!(taken.record_type.to_string(), text(&described["type_name"]), "{place}");
        assert_eq!(usize::from(taken.request_id.value()), size(&described["id"]), "{place}");
        assert_eq!(taken.content.len(), size(&described["content_length"]), "{place}");
        assert_eq!(usize::from(header.padding_length), size(&described["padding_length"]), "{place}");
        check_content(described, taken, &place);
        offset + header.record_len()
    }

    /// The bytes behind the last complete record: none, a cut record, or what is no record.
    fn check_end(&self, replay: &Replay, end: usize) {
        match (self.broken_at(), replay.error) {
            (Some(broken_at), Some(error)) => {
                assert_eq!(end, broken_at, "{}", self.name);
                assert_eq!(error, Error::Version(self.bytes[broken_at]), "{}", self.name);
            }
            (broken_at, error) => {
                assert_eq!((broken_at, error), (None, None), "{}", self.name);
                assert_eq!(replay.is_empty(), end == self.bytes.len(), "{}", self.name);
            }
        }
    }

    fn check_request(&self, described: &Value, request: &Request) {
        let place = format!("{}: request {}", self.name, request.id);
        assert_eq!(usize::from(request.id.value()), size(&described["id"]), "{place}");
        assert_eq!(format!("{:?}", request.role).to_uppercase(), text(&described["role"]), "{place}");
        assert_eq!(request.keep_connection, truth(&described["keep_conn"]), "{place}");
        assert_eq!(request.params_complete, truth(&described["params_complete"]), "{place}");
        assert_eq!(request.stdin_complete, truth(&described["stdin_complete"]), "{place}");
        assert_eq!(request.aborted, truth(&described["aborted"]), "{place}");
        assert_eq!(request.stdin.len(), size(&described["stdin"]["length"]), "{place}");
        assert_eq!(sha256(&request.stdin), text(&described["stdin"]["sha256"]), "{place}");
        check_params(described, &request.params, &place);
    }

    /// The names that GET_VALUES asks for, and that the known ones among them are answered in their order.
    fn check_management(&self, replay: &Replay) {
        let described = self.described["management"].as_array().map_or(&[][..], Vec::as_slice);
        let management = replay.records.iter().filter(|taken| taken.request_id == RequestId::MANAGEMENT);
        let asked: Vec<&Taken> = management.collect();
        assert_eq!((asked.len(), replay.answers.len()), (described.len(), described.len()), "{}", self.name);
        for ((described, asked), answer) in described.iter().zip(asked).zip(&replay.answers) {
            let names = latin1_list(&described["names"]);
            assert_eq!(asked.record_type.to_string(), text(&described["type_name"]), "{}", self.name);
            assert_eq!(names_in(&asked.content), names, "{}", self.name);
            assert_eq!(answer[1], RecordType::GetValuesResult.value(), "{}", self.name);
            assert_eq!(names_in(&answer[HEADER_LEN..]), names, "{}", self.name);
        }
    }

    fn broken_at(&self) -> Option<usize> {
        self.described.get("broken_at").map(size)
    }
}

fn check_content(described: &Value, taken: &Taken, place: &str) {
    match taken.record_type {
        RecordType::BeginRequest => {
            let body = BeginRequest::parse(&taken.content).expect("the body has eight bytes");
            assert_eq!(usize::from(body.role.value()), size(&described["role"]), "{place}");
            assert_eq!(usize::from(taken.content[2]), size(&described["flags"]), "{place}");
            assert_eq!(body.keep_connection, size(&described["flags"]) & 1 == 1, "{place}");
        }
        _ if taken.content.is_empty() => assert!(described.get("content_sha256").is_none(), "{place}"),
        _ => assert_eq!(sha256(&taken.content), text(&described["content_sha256"]), "{place}"),
    }
    if taken.record_type == RecordType::GetValues {
        assert_eq!(names_in(&taken.content), latin1_list(&described["names"]), "{place}");
    }
}

fn check_params(described: &Value, stream: &[u8], place: &str) {
    let (pairs, left_over) = decode(stream);
    assert_eq!(left_over, size(&described["params_bytes_left_over"]), "{place}");
    let object = described["params"].as_object().expect("params is an object");
    let expected: BTreeMap<_, _> = object.iter().map(|(name, value)| (latin1(name), latin1(text(value)))).collect();
    assert_eq!(pairs.iter().cloned().collect::<BTreeMap<_, _>>(), expected, "{place}");
    match described.get("param_pairs") {
        Some(described) => assert_eq!(pairs, array(described).iter().map(pair).collect::<Vec<_>>(), "{place}"),
        None => assert_eq!(pairs.len(), expected.len(), "{place}: no name comes twice"),
    }
}

/// The complete pairs of a stream, and how many bytes behind them are not one.
fn decode(stream: &[u8]) -> (Vec<Pair>, usize) {
    let mut pairs = Vec::new();
    for pair in Pairs::new(stream) {
        match pair {
            Ok((name, value)) => pairs.push((name.to_vec(), value.to_vec())),
            Err(ParamsError::Truncated { left, .. }) => return (pairs, left),
            Err(error) => panic!("{error}"),
        }
    }
    (pairs, 0)
}

fn names_in(stream: &[u8]) -> Vec<Vec<u8>> {
    let (pairs, left_over) = decode(stream);
    assert_eq!(left_over, 0);
    pairs.into_iter().map(|(name, _)| name).collect()
}

fn pair(described: &Value) -> Pair {
    match array(described) {
        [name, value] => (latin1(text(name)), latin1(text(value))),
        other => panic!("{other:?} is no pair"),
    }
}

fn latin1_list(described: &Value) -> Vec<Vec<u8>> {
    array(described).iter().map(|name| latin1(text(name))).collect()
}

/// One code point is one byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).expect("descriptions are latin-1")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn size(value: &Value) -> usize {
    value.as_u64().and_then(|value| value.try_into().ok()).expect("the description has this number")
}

fn truth(value: &Value) -> bool {
    value.as_bool().expect("the description has this boolean")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("the description has this string")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("the description has this list")
}
