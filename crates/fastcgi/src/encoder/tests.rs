use super::*;
use crate::{Decoder, Pairs};

const ID: RequestId = RequestId::new(0x0102);

#[test]
fn the_records_of_a_request_are_laid_out_as_in_the_specification() {
    let mut sent = Vec::new();
    encode_begin_request(&mut sent, ID, Role::Responder, true);
    assert_eq!(sent, [1, 1, 1, 2, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    sent.clear();
    encode_params(&mut sent, ID, [(&b"A"[..], &b"bc"[..])]).expect("short");
    assert_eq!(sent, [&[1, 4, 1, 2, 0, 5, 0, 0][..], b"\x01\x02Abc", &[1, 4, 1, 2, 0, 0, 0, 0]].concat());
    sent.clear();
    encode_abort_request(&mut sent, ID);
    assert_eq!(sent, [1, 2, 1, 2, 0, 0, 0, 0]);
}

#[test]
fn the_end_of_an_answer_is_an_empty_stdout_record_and_end_request() {
    let end = stdout_end(ID, 0x0a0b_0c0d, ProtocolStatus::Overloaded);
    let expected = [[1, 6, 1, 2, 0, 0, 0, 0], [1, 3, 1, 2, 0, 8, 0, 0], [0x0a, 0x0b, 0x0c, 0x0d, 2, 0, 0, 0]].concat();
    assert_eq!(end[..], expected);
}

#[test]
fn management_records_are_laid_out_as_in_the_specification() {
    let mut sent = Vec::new();
    encode_get_values(&mut sent, &[Variable::MpxsConns]);
    assert_eq!(sent, [&[1, 9, 0, 0, 0, 17, 0, 0][..], b"\x0f\x00FCGI_MPXS_CONNS"].concat());
    sent.clear();
    encode_get_values_result(&mut sent, [(Variable::MpxsConns, 1), (Variable::MaxReqs, 100)]);
    let body = b"\x0f\x01FCGI_MPXS_CONNS1\x0d\x03FCGI_MAX_REQS100";
    assert_eq!(sent, [&[1, 10, 0, 0, 0, 36, 0, 0][..], body].concat());
    sent.clear();
    encode_unknown_type(&mut sent, 77);
    assert_eq!(sent, [1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_variable_named_often_is_asked_and_answered_once() {
    let (mut often, mut once) = (Vec::new(), Vec::new());
    encode_get_values(&mut often, &[Variable::MaxConns; 10_000]);
    encode_get_values(&mut once, &[Variable::MaxConns]);
    assert_eq!(often, once);
    often.clear();
    once.clear();
    encode_get_values_result(&mut often, (0..10_000).map(|value| (Variable::MaxReqs, value)));
    encode_get_values_result(&mut once, [(Variable::MaxReqs, 0)]);
    assert_eq!(often, once);
}

#[test]
fn an_empty_stream_piece_is_the_end_of_the_stream() {
    let mut sent = Vec::new();
    encode_stream(&mut sent, RecordType::Stdout, ID, b"");
    assert_eq!(sent, [1, 6, 1, 2, 0, 0, 0, 0]);
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn a_stream_is_split_where_a_record_is_full_and_never_ends_by_itself() {
    let cases = [
        (1, vec![1]),
        (65_535, vec![65_535]),
        (65_536, vec![65_535, 1]),
        (131_070, vec![65_535, 65_535]),
        (200_000, vec![65_535, 65_535, 65_535, 3395]),
    ];
    for (length, expected) in cases {
        let content: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let mut sent = Vec::new();
        encode_stream(&mut sent, RecordType::Stdout, ID, &content);
        let records = decoded(&sent);
        assert_eq!(records.iter().map(|(_, _, piece)| piece.len()).collect::<Vec<_>>(), expected);
        assert!(records.iter().all(|(record_type, id, _)| (*record_type, *id) == (RecordType::Stdout, ID)));
        assert_eq!(records.into_iter().flat_map(|(_, _, piece)| piece).collect::<Vec<_>>(), content);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes there")]
fn params_longer_than_a_record_span_records() {
    let value = vec![b'v'; 100_000];
    let pairs = [(&b"FIRST"[..], &value[..]), (b"SECOND", &value), (b"", b"")];
    let mut sent = Vec::new();
    encode_params(&mut sent, ID, pairs).expect("short");
    let records = decoded(&sent);
    let lengths: Vec<_> = records.iter().map(|(_, _, piece)| piece.len()).collect();
    assert_eq!(lengths, [65_535, 65_535, 65_535, 3418, 0]);
    let stream: Vec<u8> = records.into_iter().flat_map(|(_, _, piece)| piece).collect();
    assert_eq!(Pairs::new(&stream).collect::<Result<Vec<_>, _>>(), Ok(pairs.to_vec()));
}

#[test]
fn a_request_without_params_has_one_empty_params_record() {
    let mut sent = Vec::new();
    encode_params(&mut sent, ID, []).expect("there is nothing");
    assert_eq!(sent, [1, 4, 1, 2, 0, 0, 0, 0]);
}

#[test]
fn records_are_appended_to_what_is_there() {
    let mut sent = b"before".to_vec();
    encode_stream(&mut sent, RecordType::Stderr, ID, b"x");
    encode_abort_request(&mut sent, ID);
    assert_eq!(sent, [&b"before"[..], &[1, 7, 1, 2, 0, 1, 0, 0, b'x'], &[1, 2, 1, 2, 0, 0, 0, 0]].concat());
}

#[test]
fn a_header_says_at_most_a_full_record() {
    for (asked, said) in [(0, 0), (65_535, 65_535), (65_536, 65_535), (usize::MAX, 65_535)] {
        let parsed = Header::parse(&header(RecordType::Stdout, ID, asked)).expect("the version is ours");
        assert_eq!(parsed.map(|parsed| parsed.content_length), Some(said));
    }
}

fn decoded(mut sent: &[u8]) -> Vec<(RecordType, RequestId, Vec<u8>)> {
    let (mut decoder, mut records) = (Decoder::new(), Vec::new());
    while !sent.is_empty() {
        let count = sent.len().min(decoder.space().len());
        decoder.space()[..count].copy_from_slice(&sent[..count]);
        decoder.advance(count);
        sent = &sent[count..];
        while let Some(record) = decoder.next_record().expect("the version is ours") {
            records.push((record.record_type, record.request_id, record.content.to_vec()));
        }
    }
    assert!(decoder.is_empty());
    records
}
