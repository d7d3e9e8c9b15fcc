use super::*;
use crate::{RecordType, RequestId};

type Owned = (RecordType, u16, Vec<u8>);

#[test]
fn records_fed_byte_by_byte_come_out_whole() {
    let (stream, expected) = mixed_stream();
    for chunk in [1, 2, 3, 7, 8, 9, 1000, stream.len()] {
        assert_eq!(decode_in_chunks(&stream, chunk), expected, "chunks of {chunk}");
    }
}

#[test]
fn a_record_comes_out_only_with_its_last_padding_byte() {
    let stream = record(RecordType::Params, 1, b"content", 255);
    let mut decoder = Decoder::new();
    for byte in &stream[..stream.len() - 1] {
        feed(&mut decoder, &[*byte]);
        assert_eq!(decoder.next_record(), Ok(None));
    }
    feed(&mut decoder, &stream[stream.len() - 1..]);
    assert_eq!(next(&mut decoder), Some((RecordType::Params, 1, b"content".to_vec())));
    assert!(decoder.is_empty());
}

#[test]
fn the_largest_record_comes_out_whole() {
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(u16::MAX.into()).collect();
    let stream = record(RecordType::Stdin, 9, &content, 255).repeat(3);
    assert_eq!(stream.len(), 3 * MAX_RECORD_LEN);
    for chunk in [4096, 65_536, stream.len()] {
        assert_eq!(decode_in_chunks(&stream, chunk), vec![(RecordType::Stdin, 9, content.clone()); 3], "chunks of {chunk}");
    }
}

#[test]
fn padding_on_an_empty_record_is_dropped() {
    let stream = [record(RecordType::Stdin, 1, b"", 255), record(RecordType::Stdin, 1, b"x", 0)].concat();
    let expected = vec![(RecordType::Stdin, 1, vec![]), (RecordType::Stdin, 1, b"x".to_vec())];
    assert_eq!(decode_in_chunks(&stream, stream.len()), expected);
}

#[test]
fn there_is_room_for_the_incomplete_record_and_never_none() {
    let (stream, _) = mixed_stream();
    let mut decoder = Decoder::new();
    for byte in stream {
        let missing = decoder.pending_len() - (decoder.end - decoder.start);
        assert!(decoder.space().len() >= missing.max(1));
        feed(&mut decoder, &[byte]);
        while next(&mut decoder).is_some() {}
    }
}

#[test]
fn the_buffer_starts_small_and_never_outgrows_its_limit() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.buffer.capacity(), 0);
    feed(&mut decoder, &record(RecordType::Stdin, 1, &[0; 1000], 0));
    assert_eq!(decoder.buffer.len(), SMALL_BUFFER_LEN);
    let largest = record(RecordType::Stdin, 1, &[0; MAX_CONTENT], 255).repeat(4);
    let smallest = if cfg!(miri) { 1000 } else { 1 };
    for chunk in [smallest, 5000, 100_000, largest.len()] {
        for piece in largest.chunks(chunk) {
            feed_and_drain(&mut decoder, piece, |decoder, _| assert_eq!(decoder.buffer.len() % SMALL_BUFFER_LEN, 0));
            assert!(decoder.buffer.len() <= LARGE_BUFFER_LEN);
            assert!(decoder.buffer.capacity() <= LARGE_BUFFER_LEN);
        }
    }
    assert_eq!(decoder.buffer.len(), LARGE_BUFFER_LEN);
}

#[test]
fn a_buffer_that_shrinks_keeps_what_is_unread_and_goes_on() {
    let (stream, expected) = mixed_stream();
    for chunk in [1, 7, 1000, 70_000] {
        let (mut decoder, mut records) = (Decoder::new(), Vec::new());
        for piece in stream.chunks(chunk) {
            feed_and_drain(&mut decoder, piece, |_, record| records.push(record));
            decoder.shrink();
            assert!(decoder.memory() <= MAX_RECORD_LEN && (decoder.memory() > 0 || decoder.is_empty()));
        }
        assert_eq!(records, expected, "chunks of {chunk}");
    }
}

#[test]
fn a_record_cut_at_the_end_of_the_buffer_is_moved_to_its_start() {
    let stream = record(RecordType::Stdin, 1, &[7; 1000], 3).repeat(100);
    let (mut decoder, mut count) = (Decoder::new(), 0);
    feed_and_drain(&mut decoder, &stream, |_, _| count += 1);
    assert_eq!(count, 100);
    assert_eq!(decoder.buffer.len(), SMALL_BUFFER_LEN, "records this small need no larger buffer");
}

#[test]
fn the_buffer_keeps_its_limit_when_nothing_is_taken_out() {
    let mut decoder = Decoder::new();
    let mut read = 0;
    loop {
        let room = decoder.space();
        if room.is_empty() {
            break;
        }
        room.fill(1);
        let count = room.len();
        decoder.advance(count);
        read += count;
    }
    assert_eq!(read, LARGE_BUFFER_LEN);
    assert_eq!(decoder.buffer.len(), LARGE_BUFFER_LEN);
}

#[test]
fn a_wrong_version_is_refused_when_only_its_byte_is_there() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, b"G");
    assert_eq!(decoder.next_record(), Err(Error::Version(b'G')));
    assert!(!decoder.is_empty());
}

#[test]
fn the_records_before_a_wrong_version_come_out_and_then_the_error_stays() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, &[&record(RecordType::Stdin, 1, b"x", 3)[..], &[0], &record(RecordType::Stdin, 1, b"y", 0)].concat());
    assert_eq!(next(&mut decoder), Some((RecordType::Stdin, 1, b"x".to_vec())));
    for _ in 0..3 {
        assert_eq!(decoder.next_record(), Err(Error::Version(0)));
        feed(&mut decoder, &[1, 1]);
    }
}

#[test]
fn advancing_over_more_than_the_space_counts_as_all_of_it() {
    let mut decoder = Decoder::new();
    decoder.space().fill(0);
    decoder.advance(usize::MAX);
    assert_eq!(decoder.end, SMALL_BUFFER_LEN);
    assert_eq!(decoder.next_record(), Err(Error::Version(0)));
}

#[test]
fn a_buffer_is_given_away_only_when_nothing_is_in_it() {
    let stream = record(RecordType::Stdin, 1, b"content", 1);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.take_buffer(), None, "there is none yet");
    feed(&mut decoder, &stream[..5]);
    assert_eq!(decoder.take_buffer(), None, "half a header is in it");
    feed(&mut decoder, &stream[5..]);
    assert_eq!(decoder.take_buffer(), None, "a record is in it");
    assert!(next(&mut decoder).is_some());
    assert_eq!(decoder.take_buffer().map(|buffer| buffer.len()), Some(SMALL_BUFFER_LEN));
    assert_eq!(decoder.take_buffer(), None, "it is gone");
}

#[test]
fn a_decoder_goes_on_after_its_buffer_was_taken() {
    let (stream, expected) = mixed_stream();
    let (mut decoder, mut found) = (Decoder::new(), Vec::new());
    for byte in stream {
        feed(&mut decoder, &[byte]);
        found.extend(next(&mut decoder));
        let _ = decoder.take_buffer();
    }
    assert_eq!(found, expected);
}

#[test]
fn a_lent_buffer_is_used_as_it_is() {
    let (mut first, mut second) = (Decoder::new(), Decoder::new());
    feed_and_drain(&mut first, &record(RecordType::Stdin, 1, &[7; MAX_CONTENT], 9), |_, _| ());
    let buffer = first.take_buffer().expect("everything was taken out");
    let address = buffer.as_ptr();
    second.lend_buffer(buffer);
    feed(&mut second, &record(RecordType::Stdin, 2, b"other", 0));
    assert_eq!(next(&mut second), Some((RecordType::Stdin, 2, b"other".to_vec())));
    assert_eq!(second.buffer.as_ptr(), address);
}

#[test]
fn a_buffer_lent_to_a_decoder_that_has_one_is_ignored() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, &record(RecordType::Stdin, 1, b"mine", 0));
    decoder.lend_buffer(vec![0; LARGE_BUFFER_LEN]);
    assert_eq!(next(&mut decoder), Some((RecordType::Stdin, 1, b"mine".to_vec())));
    assert_eq!(decoder.buffer.len(), SMALL_BUFFER_LEN);
}

#[test]
fn a_foreign_buffer_of_any_length_serves() {
    for length in [0, 1, 7, 100, 10 * LARGE_BUFFER_LEN] {
        let mut decoder = Decoder::new();
        decoder.lend_buffer(vec![0xee; length]);
        feed(&mut decoder, &record(RecordType::Stdin, 1, b"content", 0));
        assert_eq!(next(&mut decoder), Some((RecordType::Stdin, 1, b"content".to_vec())));
        assert!(decoder.buffer.len() <= LARGE_BUFFER_LEN);
    }
}

const MAX_CONTENT: usize = u16::MAX as usize;

/// Records around every border of the buffer, with and without padding, and what they are. Under Miri, where a byte takes a
/// millisecond, short ones.
fn mixed_stream() -> (Vec<u8>, Vec<Owned>) {
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    let lengths: &[usize] =
        if cfg!(miri) { &[0, 1, 8, 300, 3] } else { &[0, 1, 8, 16_376, 16_377, 0, 65_535, 3, 30_000, 40_000] };
    for (id, &length) in lengths.iter().enumerate() {
        let content: Vec<u8> = (0..=u8::MAX).cycle().skip(id).take(length).collect();
        let padding = [0, 7, 255][id % 3];
        stream.extend(record(RecordType::Stdin, id as u16, &content, padding));
        expected.push((RecordType::Stdin, id as u16, content));
    }
    (stream, expected)
}

fn record(record_type: RecordType, id: u16, content: &[u8], padding_length: u8) -> Vec<u8> {
    let content_length = u16::try_from(content.len()).expect("the test keeps to one record");
    let header = Header { record_type, request_id: RequestId::new(id), content_length, padding_length };
    let padding = vec![0xaa; padding_length.into()];
    [&header.encode()[..], content, &padding].concat()
}

fn decode_in_chunks(stream: &[u8], chunk: usize) -> Vec<Owned> {
    let (mut decoder, mut found) = (Decoder::new(), Vec::new());
    for piece in stream.chunks(chunk) {
        feed_and_drain(&mut decoder, piece, |_, record| found.push(record));
    }
    assert!(decoder.is_empty());
    found
}

/// As a connection does it: reads what there is room for, then takes all records out.
fn feed_and_drain(decoder: &mut Decoder, mut bytes: &[u8], mut each: impl FnMut(&Decoder, Owned)) {
    while !bytes.is_empty() {
        let count = bytes.len().min(decoder.space().len());
        assert!(count > 0, "there is always room");
        feed(decoder, &bytes[..count]);
        bytes = &bytes[count..];
        while let Some(record) = next(decoder) {
            each(decoder, record);
        }
    }
}

fn feed(decoder: &mut Decoder, bytes: &[u8]) {
    decoder.space()[..bytes.len()].copy_from_slice(bytes);
    decoder.advance(bytes.len());
}

fn next(decoder: &mut Decoder) -> Option<Owned> {
    let record = decoder.next_record().expect("every version in the stream is 1")?;
    Some((record.record_type, record.request_id.value(), record.content.to_vec()))
}
