use std::cell::Cell;
use std::io::IoSlice;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;
use crate::exchange::sending::{FETCH_LEN, FILE_RECORD_LEN, LONG, LONGEST_HOLD, MAX_PIECES};
use crate::exchange::sink::{Gone, Room};
use shared::logging::access::Answered;

use crate::exchange::{AnswerLog, NothingHeld, Params};
use fastcgi_codec::RequestId;

mod timing_out;

const ID: RequestId = RequestId::new(258);
const KEPT: Ending = Ending { request: ID, keep_connection: true };
const HEAD: &[u8] = b"Status: 200 OK\r\n\r\n";
const STDOUT_END: &[u8] = &[1, 6, 1, 2, 0, 0, 0, 0];
const END_REQUEST: &[u8] = &[1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a reply did, one entry a call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Send(Vec<u8>),
    File { header: Vec<u8>, offset: u64, length: usize },
    End(Ending, Vec<u8>),
    Cut(Ending),
}

#[derive(Debug, Default)]
struct Recorder {
    calls: Mutex<Vec<Call>>,
    full: AtomicBool,
    gone: AtomicBool,
    aborted: AtomicBool,
    aborted_in_wait: AtomicBool,
    waits: Mutex<usize>,
    long: Mutex<usize>,
    fetched: Mutex<Vec<(u64, u64)>>,
}

impl Recorder {
    fn record(&self, call: Call) -> Result<Room, Gone> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(Gone);
        }
        self.calls.lock().unwrap().push(call);
        Ok(if self.full.load(Ordering::Relaxed) { Room::Full } else { Room::Plenty })
    }

    fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// The bytes of all calls but those of files.
    fn bytes(&self) -> Vec<u8> {
        let bytes = |call| match call {
            Call::Send(bytes) | Call::End(_, bytes) => bytes,
            _ => Vec::new(),
        };
        self.take().into_iter().map(bytes).collect::<Vec<_>>().concat()
    }
}

impl Sink for Recorder {
    fn send(&self, request: RequestId, pieces: &[IoSlice<'_>]) -> Result<Room, Gone> {
        assert_eq!(request, ID);
        self.record(Call::Send(joined(pieces)))
    }

    fn send_file(&self, _: RequestId, header: &[u8], _: &Arc<File>, offset: u64, length: usize) -> Result<Room, Gone> {
        self.record(Call::File { header: header.to_vec(), offset, length })
    }

    fn wait_for_room(&self, request: RequestId) {
        assert_eq!(request, ID);
        *self.waits.lock().unwrap() += 1;
        self.aborted.fetch_or(self.aborted_in_wait.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn fetch(&self, _: &File, offset: u64, length: usize) {
        self.fetched.lock().unwrap().push((offset, length as u64));
    }

    fn takes_long(&self) {
        *self.long.lock().unwrap() += 1;
    }

    fn end(&self, ending: Ending, pieces: &[IoSlice<'_>]) {
        let _ = self.record(Call::End(ending, joined(pieces)));
    }

    fn cut(&self, ending: Ending) {
        let _ = self.record(Call::Cut(ending));
    }

    fn is_aborted(&self, request: RequestId) -> bool {
        assert_eq!(request, ID);
        self.aborted.load(Ordering::Relaxed)
    }
}

fn joined(pieces: &[IoSlice<'_>]) -> Vec<u8> {
    assert!(pieces.len() <= MAX_PIECES + 1, "a system call takes 1024, and fewer are faster");
    pieces.iter().map(|piece| &piece[..]).collect::<Vec<_>>().concat()
}

fn reply() -> (Arc<Recorder>, Reply) {
    reply_with(KEPT, false)
}

fn reply_with(ending: Ending, head_only: bool) -> (Arc<Recorder>, Reply) {
    let recorder = Arc::new(Recorder::default());
    let sink: Arc<dyn Sink> = Arc::<Recorder>::clone(&recorder);
    (recorder, Reply::new(sink, ending, head_only))
}

/// A reply with a head of this status and these headers.
fn opened(status: &str, headers: &[(&str, &str)]) -> (Arc<Recorder>, Reply) {
    let (recorder, mut reply) = reply();
    reply.set_head(head(status, headers)).unwrap();
    (recorder, reply)
}

fn head(status: &str, headers: &[(&str, &str)]) -> Head {
    let mut head = Head::new(status.as_bytes()).unwrap();
    headers.iter().for_each(|(name, value)| head.push(name.as_bytes(), value.as_bytes()).unwrap());
    head
}

fn stdout(content: &[u8]) -> Vec<u8> {
    record(6, content)
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 1, 2, high, low, 0, 0], content].concat()
}

fn ended(before: &[u8]) -> Call {
    Call::End(KEPT, [before, STDOUT_END, END_REQUEST].concat())
}

/// (type, content) of each record in `bytes`.
fn records(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[2..4], [1, 2], "the request's id");
        let end = 8 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) + usize::from(bytes[6]);
        records.push((bytes[1], bytes[8..end].to_vec()));
        bytes = &bytes[end..];
    }
    records
}

fn body_of(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let stdout = records.iter().filter(|(kind, _)| *kind == 6).map(|(_, content)| &content[..]).collect::<Vec<_>>().concat();
    let end = stdout.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    stdout[end + 4..].to_vec()
}

#[test]
fn head_body_and_end_are_one_write_with_status_last() {
    let (recorder, mut reply) = opened("200 OK", &[("X-A", "1")]);
    reply.end(&[b"hello, ", b"", b"world"], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(&stdout(b"X-A: 1\r\nStatus: 200 OK\r\n\r\nhello, world"))]);
}

#[test]
fn an_answer_without_a_body_is_one_write() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.end(&[], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(&stdout(HEAD))]);
}

#[test]
fn the_head_waits_for_the_first_byte_and_goes_with_it() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"", &NothingHeld).unwrap();
    assert!(recorder.take().is_empty() && !reply.is_head_sent() && reply.has_head());
    reply.write(b"a", &NothingHeld).unwrap();
    assert!(reply.is_head_sent() && reply.has_head());
    assert_eq!(recorder.take(), [Call::Send(stdout(&[HEAD, b"a"].concat()))]);
    reply.write(b"", &NothingHeld).unwrap();
    reply.write(b"b", &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [Call::Send(stdout(b"b"))]);
    reply.end(&[], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(b"")]);
}

#[test]
fn a_head_is_replaced_until_it_was_sent_and_given_back_after() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.set_head(head("404 Not Found", &[])).unwrap();
    reply.head_mut().unwrap().push(b"X-Late", b"1").unwrap();
    reply.write(b"x", &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [Call::Send(stdout(b"X-Late: 1\r\nStatus: 404 Not Found\r\n\r\nx"))]);
    assert!(reply.set_head(head("200 OK", &[])).is_err());
    assert!(reply.head_mut().is_none());
    reply.end(&[], &NothingHeld).unwrap();
}

#[test]
fn records_are_as_long_as_they_can_be_and_never_empty() {
    for length in [1, 65_534, 65_535, 65_536, 131_070, 131_071, 4 * 65_535, 4 * 65_535 + 1, 1_000_000] {
        let (recorder, mut reply) = opened("200 OK", &[]);
        reply.write(b"!", &NothingHeld).unwrap();
        recorder.take();
        reply.end(&[&vec![b'x'; length]], &NothingHeld).unwrap();
        let mut lengths: Vec<usize> = records(&recorder.bytes()).iter().map(|(_, content)| content.len()).collect();
        assert_eq!(lengths.split_off(lengths.len() - 2), [0, 8], "the ends of STDOUT and of the request");
        assert_eq!(lengths.iter().sum::<usize>(), length);
        assert_eq!(lengths.len(), length.div_ceil(65_535));
        assert!(lengths[..lengths.len() - 1].iter().all(|length| *length == 65_535), "{lengths:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes a quarter of an hour there")]
fn a_body_in_many_pieces_is_the_same_bytes() {
    let body: Vec<u8> = (0..400_000u32).map(|number| (number % 251) as u8).collect();
    for piece in [1000, 65_535, 65_536, 300_000] {
        let (recorder, mut reply) = opened("200 OK", &[]);
        reply.end(&body.chunks(piece).collect::<Vec<_>>(), &NothingHeld).unwrap();
        assert_eq!(body_of(&records(&recorder.bytes())), body);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes a quarter of an hour there")]
fn a_body_in_very_many_pieces_goes_in_few() {
    let body: Vec<u8> = (0..150_000u32).map(|number| (number % 251) as u8).collect();
    for piece in [1, 7, 900] {
        let (recorder, mut reply) = opened("200 OK", &[]);
        reply.end(&body.chunks(piece).collect::<Vec<_>>(), &NothingHeld).unwrap();
        assert_eq!(body_of(&records(&recorder.bytes())), body);
    }
}

/// Counts pauses, and the waits for room in them.
struct Pauses<'a> {
    recorder: &'a Recorder,
    pauses: Cell<usize>,
    waits: Cell<usize>,
}

impl<'a> Pauses<'a> {
    fn of(recorder: &'a Recorder) -> Self {
        Self { recorder, pauses: Cell::new(0), waits: Cell::new(0) }
    }
}

impl Pause for Pauses<'_> {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        let before = *self.recorder.waits.lock().unwrap();
        wait();
        self.pauses.set(self.pauses.get() + 1);
        self.waits.set(self.waits.get() + *self.recorder.waits.lock().unwrap() - before);
    }
}

/// What the sink has to keep for a peer that does not read is bounded by what it is given at once.
#[test]
fn a_large_body_goes_a_record_a_time_with_a_wait_after_each_that_fills_the_sink() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"!", &NothingHeld).unwrap();
    recorder.take();
    recorder.full.store(true, Ordering::Relaxed);
    let pauses = Pauses::of(&recorder);
    reply.write(&vec![b'x'; 3 * MAX_CONTENT_LEN - 8], &pauses).unwrap();
    let lengths: Vec<usize> =
        recorder.take().iter().map(|call| if let Call::Send(bytes) = call { bytes.len() } else { 0 }).collect();
    assert_eq!(lengths, [MAX_CONTENT_LEN + 8, MAX_CONTENT_LEN + 8, MAX_CONTENT_LEN]);
    assert_eq!((*recorder.waits.lock().unwrap(), pauses.waits.get()), (3, 3), "each wait was inside a pause");
    reply.write(b"short", &pauses).unwrap();
    assert_eq!((*recorder.waits.lock().unwrap(), pauses.waits.get()), (4, 4), "each wait was inside a pause");
    reply.end(&[], &NothingHeld).unwrap();
}

#[test]
fn what_takes_long_to_send_is_sent_in_a_pause_and_what_does_not_is_not() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    let pauses = Pauses::of(&recorder);
    reply.write(b"short", &pauses).unwrap();
    assert_eq!(pauses.pauses.get(), 0);
    reply.write(&[b'x'; LONGEST_HOLD], &pauses).unwrap();
    assert_eq!(pauses.pauses.get(), 1);
    for _ in 0..LONGEST_HOLD / 8192 {
        reply.write(&[b'x'; 8192], &pauses).unwrap();
    }
    assert_eq!(pauses.pauses.get(), 2, "small pieces add up");
    reply.send_file(tempfile::tempfile().unwrap(), 0, 10, &pauses).unwrap();
    assert_eq!(pauses.pauses.get(), 3, "a file may be on a slow disk");
    reply.end(&[], &pauses).unwrap();
    assert_eq!(pauses.pauses.get(), 3);
}

#[test]
fn an_answer_that_takes_long_is_said_to_once() {
    let said = |recorder: &Recorder| *recorder.long.lock().unwrap();
    let file = || tempfile::tempfile().unwrap();
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.send_file(file(), 0, LONG - 100_000, &NothingHeld).unwrap();
    assert_eq!(said(&recorder), 0);
    reply.send_file(file(), 0, 100_000, &NothingHeld).unwrap();
    assert_eq!(said(&recorder), 1);
    reply.send_file(file(), 0, LONG, &NothingHeld).unwrap();
    assert_eq!(said(&recorder), 1);
    let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "10")]);
    reply.send_file(file(), 0, LONG, &NothingHeld).unwrap();
    assert_eq!(said(&recorder), 0, "only as much as there is to be sent");
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.send_file(file(), 0, LONG - LONGEST_HOLD as u64, &NothingHeld).unwrap();
    reply.write(&[b'x'; LONGEST_HOLD], &NothingHeld).unwrap();
    assert_eq!(said(&recorder), 1, "memory counts as well");
}

#[test]
fn the_end_of_a_large_body_goes_with_its_last_record() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.end(&[&vec![b'x'; 2 * MAX_CONTENT_LEN]], &NothingHeld).unwrap();
    let calls = recorder.take();
    assert_eq!(calls.len(), 3);
    assert!(matches!(&calls[2], Call::End(KEPT, bytes) if bytes.ends_with(&[STDOUT_END, END_REQUEST].concat())));
}

#[test]
fn head_requests_get_the_head_only_and_nothing_counts_as_excess() {
    let (recorder, mut reply) = reply_with(KEPT, true);
    reply.set_head(head("200 OK", &[("Content-Length", "100")])).unwrap();
    assert!(reply.is_head_only());
    reply.write(b"body", &NothingHeld).unwrap();
    reply.end(&[b"more"], &NothingHeld).unwrap();
    assert_eq!(records(&recorder.bytes())[0].1, b"Content-Length: 100\r\nStatus: 200 OK\r\n\r\n");
    assert_eq!(reply.excess(), 0);
    assert!(recorder.take().is_empty());
}

#[test]
fn answers_that_may_have_no_body_get_none_and_it_counts_as_excess() {
    for status in ["204 No Content", "304 Not Modified"] {
        let (recorder, mut reply) = opened(status, &[]);
        reply.write(b"body", &NothingHeld).unwrap();
        reply.end(&[b"more"], &NothingHeld).unwrap();
        assert_eq!(body_of(&records(&recorder.bytes())), b"", "{status}");
        assert_eq!(reply.excess(), 8);
    }
}

#[test]
fn a_body_is_cut_at_its_content_length() {
    let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "5")]);
    reply.write(b"abc", &NothingHeld).unwrap();
    reply.write(b"defg", &NothingHeld).unwrap();
    assert!(matches!(reply.write(b"hi", &NothingHeld), Err(ReplyError::Complete)));
    assert!(matches!(reply.write(b"jk", &NothingHeld), Err(ReplyError::Complete)));
    reply.end(&[b"l"], &NothingHeld).unwrap();
    let records = records(&recorder.bytes());
    assert_eq!(body_of(&records), b"abcde");
    assert_eq!(records.iter().filter(|(kind, content)| *kind == 6 && content.is_empty()).count(), 1);
    assert_eq!(reply.excess(), 6);
}

#[test]
fn a_body_of_exactly_its_content_length_ends() {
    for length in ["0", "3"] {
        let (recorder, mut reply) = opened("200 OK", &[("Content-Length", length)]);
        reply.end(&[&b"abc"[..length.parse().unwrap()]], &NothingHeld).unwrap();
        assert!(recorder.bytes().ends_with(END_REQUEST));
        assert_eq!(reply.excess(), 0);
    }
}

#[test]
fn a_body_shorter_than_its_content_length_cuts_the_connection() {
    let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "5")]);
    reply.write(b"abc", &NothingHeld).unwrap();
    recorder.take();
    let result = reply.end(&[b"d"], &NothingHeld);
    assert!(matches!(result, Err(ReplyError::BodyCutShort { expected: 5, sent: 4 })), "{result:?}");
    drop(reply);
    assert_eq!(recorder.take(), [Call::Cut(KEPT)], "once");
}

#[test]
fn a_body_shorter_than_its_content_length_is_a_500_while_nothing_was_sent() {
    let pieces: [&[&[u8]]; 3] = [&[], &[b"ab", b"cd"], &[b"", b""]];
    for pieces in pieces {
        let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "5")]);
        reply.write(b"", &NothingHeld).unwrap();
        let result = reply.end(pieces, &NothingHeld);
        assert!(matches!(result, Err(ReplyError::BodyShort { expected: 5, .. })), "{result:?}");
        drop(reply);
        let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("one end") };
        assert_eq!(records(bytes)[0].1, Refusal::ApplicationFailed.document(false));
    }
    let (recorder, reply) = opened("200 OK", &[("Content-Length", "5")]);
    assert!(matches!(reply.announce_rest(4), Err(ReplyError::BodyShort { expected: 5, sent: 4 })));
    reply.announce_rest(5).unwrap();
    assert!(recorder.take().is_empty());
}

#[test]
fn what_is_wanted_of_a_body_is_told_as_it_goes() {
    let (_, mut reply) = reply();
    assert_eq!(reply.demand(), Demand::More, "there is no head");
    reply.set_head(head("200 OK", &[("Content-Length", "3")])).unwrap();
    for (piece, demand) in [(b"a", Demand::More), (b"b", Demand::More), (b"c", Demand::Met)] {
        reply.write(piece, &NothingHeld).unwrap();
        assert_eq!(reply.demand(), demand);
    }
    drop(reply);
    let demand = |status: &str, headers: &[(&str, &str)]| opened(status, headers).1.demand();
    assert_eq!(demand("200 OK", &[("Content-Length", "0")]), Demand::Met);
    assert_eq!(demand("204 No Content", &[]), Demand::Nothing);
    assert_eq!(demand("304 Not Modified", &[("Content-Length", "3")]), Demand::Nothing);
    let (_, mut allowing) = allowing(&[("Content-Length", "3")]);
    allowing.write(b"abc", &NothingHeld).unwrap();
    assert_eq!(allowing.demand(), Demand::Met, "although it waits");
}

#[test]
fn dropped_behind_the_end_of_its_body_it_ends() {
    let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "3")]);
    reply.write(b"abc", &NothingHeld).unwrap();
    recorder.take();
    drop(reply);
    assert_eq!(recorder.take(), [ended(b"")]);
}

#[test]
fn much_is_written_where_there_is_no_body_and_not_for_ever() {
    let (recorder, mut reply) = opened("304 Not Modified", &[]);
    let piece = vec![b'x'; MAX_UNWANTED as usize / 4];
    for _ in 0..4 {
        reply.write(&piece, &NothingHeld).unwrap();
    }
    assert!(recorder.take().is_empty());
    for _ in 0..2 {
        assert!(matches!(reply.write(b"x", &NothingHeld), Err(ReplyError::Complete)));
    }
    drop(reply);
    assert_eq!(recorder.take(), [ended(&stdout(b"Status: 304 Not Modified\r\n\r\n"))]);
}

/// An authorizer's reply with a head that lets the request in.
fn allowing(headers: &[(&str, &str)]) -> (Arc<Recorder>, Reply) {
    let (recorder, reply) = reply();
    let mut reply = reply.in_role(Role::Authorizer);
    reply.set_head(head("200 OK", headers)).unwrap();
    (recorder, reply)
}

#[test]
fn an_authorizers_answer_goes_out_whole() {
    let (recorder, mut reply) = allowing(&[]);
    for piece in [b"one", b"two"] {
        reply.write(piece, &NothingHeld).unwrap();
        assert!(recorder.take().is_empty());
    }
    reply.end(&[b"three"], &NothingHeld).unwrap();
    let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("one end") };
    assert_eq!(records(bytes)[0], (6, b"Status: 200 OK\r\n\r\nonetwothree".to_vec()));
}

#[test]
fn an_authorizers_answer_that_breaks_is_a_500() {
    let (dropped_early, mut reply) = allowing(&[]);
    reply.write(b"part", &NothingHeld).unwrap();
    drop(reply);
    let (short, mut reply) = allowing(&[("Content-Length", "5")]);
    reply.write(b"part", &NothingHeld).unwrap();
    let result = reply.end(&[], &NothingHeld);
    assert!(matches!(result, Err(ReplyError::BodyShort { expected: 5, sent: 4 })), "{result:?}");
    drop(reply);
    for recorder in [dropped_early, short] {
        let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("one end") };
        let text = String::from_utf8(records(bytes)[0].1.clone()).unwrap();
        assert!(text.contains("Status: 500 ") && !text.contains("200 OK") && !text.contains("part"), "{text}");
    }
}

#[test]
fn an_authorizers_long_body_is_streamed_in_order() {
    let (recorder, mut reply) = allowing(&[]);
    let long = vec![b'x'; MAX_HELD];
    for piece in [&b"first"[..], &long, b"last"] {
        reply.write(piece, &NothingHeld).unwrap();
    }
    reply.end(&[], &NothingHeld).unwrap();
    let body = body_of(&records(&recorder.bytes()));
    assert!(body.starts_with(b"firstx") && body.ends_with(b"xlast") && body.len() == MAX_HELD + 9, "{}", body.len());
}

#[test]
fn an_authorizers_second_head_drops_what_waited_behind_the_first() {
    let (recorder, mut reply) = allowing(&[]);
    reply.write(b"welcome", &NothingHeld).unwrap();
    reply.set_head(head("403 Forbidden", &[])).unwrap();
    reply.end(&[b"no"], &NothingHeld).unwrap();
    assert_eq!(body_of(&records(&recorder.bytes())), b"no");
}

#[test]
fn dropped_before_the_head_it_answers_500() {
    let (bare, dropped) = reply();
    drop(dropped);
    let (with_head, dropped) = opened("200 OK", &[]);
    drop(dropped);
    for recorder in [bare, with_head] {
        let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("one end") };
        let records = records(bytes);
        let text = String::from_utf8(records[0].1.clone()).unwrap();
        assert!(text.contains("\r\nStatus: 500 Internal Server Error\r\n\r\n<"), "{text}");
        assert_eq!(records[1], (6, Vec::new()));
        assert_eq!(records[2], (3, vec![0, 0, 0, 1, 0, 0, 0, 0]), "appStatus 1");
    }
}

#[test]
fn dropped_in_the_body_it_cuts_the_connection() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"half", &NothingHeld).unwrap();
    recorder.take();
    drop(reply);
    assert_eq!(recorder.take(), [Call::Cut(KEPT)]);
}

#[test]
fn dropped_after_its_end_it_does_nothing() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.end(&[], &NothingHeld).unwrap();
    recorder.take();
    drop(reply);
    assert!(recorder.take().is_empty());
}

#[test]
fn dropped_after_an_abort_it_ends_the_request_and_keeps_the_connection() {
    let (recorder, unsent) = opened("200 OK", &[]);
    recorder.aborted.store(true, Ordering::Relaxed);
    drop(unsent);
    let bytes = recorder.bytes();
    assert!(bytes.len() > 24 && bytes.ends_with(&[STDOUT_END, END_REQUEST].concat()), "STDOUT has something in it");
    let (recorder, mut streaming) = opened("200 OK", &[]);
    streaming.write(b"half", &NothingHeld).unwrap();
    recorder.take();
    recorder.aborted.store(true, Ordering::Relaxed);
    drop(streaming);
    assert_eq!(recorder.take(), [ended(b"")]);
}

#[test]
fn every_refusal_is_one_write_with_a_head_a_body_and_an_end() {
    use Refusal::{
        Aborted, ApplicationFailed, BadContentLength, BadDataLength, BodyCutShort, BodyNotStored, BodyTooLarge, DataCutShort,
        MalformedParams, NoMethod, OutsideMount, Overloaded, ParamsTooLarge, UnknownRole,
    };
    let all = [MalformedParams, ParamsTooLarge, BadContentLength, NoMethod, BodyCutShort, BodyTooLarge, BodyNotStored];
    let data = [BadDataLength, DataCutShort];
    for refusal in
        all.into_iter().chain(data).chain([OutsideMount, UnknownRole(Role::Other(9)), Aborted, Overloaded, ApplicationFailed])
    {
        let (recorder, mut reply) = opened("200 OK", &[("X-Not", "sent")]);
        reply.refuse(refusal);
        let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("one end") };
        let records = records(bytes);
        assert_eq!(records[0].1, refusal.document(false));
        assert_eq!(records[1], (6, Vec::new()));
        assert_eq!((records[2].0, records.len()), (3, 3));
        drop(reply);
        assert!(recorder.take().is_empty());
    }
}

#[test]
fn the_refusal_of_a_head_request_has_no_body() {
    let (recorder, mut reply) = reply_with(KEPT, true);
    reply.refuse(Refusal::BodyTooLarge);
    assert_eq!(body_of(&records(&recorder.bytes())), b"");
}

#[test]
fn an_unknown_role_is_said_in_end_request_too() {
    let (recorder, mut reply) = reply();
    reply.refuse(Refusal::UnknownRole(Role::Filter));
    assert_eq!(records(&recorder.bytes())[2].1[4], 3);
}

/// HAProxy resets a kept connection that says so, with everything on it.
#[test]
fn overloaded_is_said_in_end_request_only_when_the_connection_ends_with_it() {
    for (keep_connection, status) in [(true, 0), (false, 2)] {
        let (recorder, mut reply) = reply_with(Ending { request: ID, keep_connection }, false);
        reply.refuse(Refusal::Overloaded);
        assert_eq!(records(&recorder.bytes())[2].1[4], status);
    }
}

#[test]
fn a_refusal_after_the_head_does_nothing() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"half", &NothingHeld).unwrap();
    recorder.take();
    reply.refuse(Refusal::ApplicationFailed);
    assert!(recorder.take().is_empty());
    reply.end(&[], &NothingHeld).unwrap();
}

#[test]
fn the_ending_says_whether_the_connection_is_kept() {
    let last = Ending { request: ID, keep_connection: false };
    let (recorder, mut reply) = reply_with(last, false);
    reply.set_head(head("200 OK", &[])).unwrap();
    reply.end(&[], &NothingHeld).unwrap();
    assert!(matches!(&recorder.take()[..], [Call::End(ending, _)] if *ending == last));
}

#[test]
fn nothing_is_sent_without_a_head_and_the_reply_can_still_be_refused() {
    let (recorder, mut reply) = reply();
    assert!(matches!(reply.write(b"x", &NothingHeld), Err(ReplyError::NoHead)));
    assert!(matches!(reply.end(&[b"x"], &NothingHeld), Err(ReplyError::NoHead)));
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(reply.send_file(file, 0, 1, &NothingHeld), Err(ReplyError::NoHead)));
    assert!(recorder.take().is_empty() && !reply.has_head());
    reply.refuse(Refusal::ApplicationFailed);
    assert_eq!(recorder.take().len(), 1);
}

#[test]
fn a_head_that_does_not_fit_is_not_sent_and_the_reply_can_still_be_refused() {
    let (recorder, mut reply) = opened("200 OK", &[("X", &"x".repeat(65_535))]);
    assert!(matches!(reply.write(b"x", &NothingHeld), Err(ReplyError::Head(HeadError::TooLong(_)))));
    assert!(recorder.take().is_empty() && !reply.is_head_sent());
    drop(reply);
    assert!(matches!(&recorder.take()[..], [Call::End(..)]));
}

#[test]
fn nothing_is_sent_after_an_abort() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    let probe = reply.abort_probe();
    assert!(!reply.is_aborted() && !probe.is_aborted());
    recorder.aborted.store(true, Ordering::Relaxed);
    assert!(reply.is_aborted() && probe.is_aborted());
    assert!(matches!(reply.write(b"x", &NothingHeld), Err(ReplyError::Lost(Lost::Aborted))));
    assert!(matches!(reply.end(&[b"x"], &NothingHeld), Err(ReplyError::Lost(Lost::Aborted))));
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(reply.send_file(file, 0, 1, &NothingHeld), Err(ReplyError::Lost(Lost::Aborted))));
    assert!(recorder.take().is_empty());
    reply.end_aborted();
    reply.end_aborted();
    drop(reply);
    assert_eq!(recorder.take().len(), 1, "ended once");
}

#[test]
fn an_abort_during_a_wait_ends_the_write() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"!", &NothingHeld).unwrap();
    recorder.take();
    recorder.full.store(true, Ordering::Relaxed);
    recorder.aborted_in_wait.store(true, Ordering::Relaxed);
    let result = reply.write(&vec![b'x'; 3 * MAX_CONTENT_LEN], &NothingHeld);
    assert!(matches!(result, Err(ReplyError::Lost(Lost::Aborted))), "{result:?}");
    assert!(recorder.take().len() <= 1, "nothing behind the abort");
}

#[test]
fn a_connection_that_is_gone_fails_the_write() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    recorder.gone.store(true, Ordering::Relaxed);
    assert!(matches!(reply.write(b"x", &NothingHeld), Err(ReplyError::Lost(Lost::Gone(Gone)))));
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(reply.send_file(file, 0, 1, &NothingHeld), Err(ReplyError::Lost(Lost::Gone(Gone)))));
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(u16, u64)>>);

impl AnswerLog for Notes {
    fn tells_cpu_time(&self) -> bool {
        false
    }

    fn note(&self, answered: &Answered<'_>) {
        self.0.lock().unwrap().push((answered.status, answered.body_sent));
    }
}

/// What is told of a reply to which this was done before it was dropped.
#[track_caller]
fn expect_told(head_only: bool, action: impl FnOnce(&Recorder, &mut Reply), status: u16, body_sent: u64) {
    let notes = Arc::new(Notes::default());
    let answer_log: Arc<dyn AnswerLog> = Arc::<Notes>::clone(&notes);
    let (recorder, reply) = reply_with(KEPT, head_only);
    let account = Account::of_params(Params::default(), answer_log, Instant::now());
    let mut reply = reply.with_account(Some(account));
    action(&recorder, &mut reply);
    drop(reply);
    assert_eq!(*notes.0.lock().unwrap(), [(status, body_sent)], "once, and right");
}

#[test]
fn what_has_become_of_an_answer_is_told_once_however_it_ends() {
    let document = Refusal::ApplicationFailed.body_length(false);
    let end = |headers: &'static [(&'static str, &'static str)]| {
        move |_: &Recorder, reply: &mut Reply| {
            reply.set_head(head("201 Created", headers)).unwrap();
            // That it is too short is told by the count.
            let _ = reply.end(&[b"abc"], &NothingHeld);
        }
    };
    let write = |_: &Recorder, reply: &mut Reply| {
        reply.set_head(head("201 Created", &[])).unwrap();
        reply.write(b"half", &NothingHeld).unwrap();
    };
    expect_told(false, end(&[]), 201, 3);
    expect_told(true, end(&[]), 201, 0);
    expect_told(false, end(&[("Content-Length", "1")]), 201, 1);
    expect_told(false, end(&[("Content-Length", "9")]), 500, document);
    expect_told(false, write, 201, 4);
    expect_told(false, |_, _| (), 500, document);
    expect_told(true, |_, _| (), 500, 0);
    expect_told(false, |_, reply| reply.refuse(Refusal::Aborted), 499, 0);
    expect_told(false, |recorder, _| recorder.aborted.store(true, Ordering::Relaxed), 499, 0);
}

#[derive(Debug, Default)]
struct Noted(Mutex<Vec<Option<Vec<u8>>>>);

impl AnswerLog for Noted {
    fn tells_cpu_time(&self) -> bool {
        false
    }

    fn note(&self, answered: &Answered<'_>) {
        let names = [&b"HTTP_X_REQUEST_ID"[..], b"HTTP_HOST"];
        self.0.lock().unwrap().extend(names.map(|name| (answered.param)(name).map(<[u8]>::to_vec)));
    }
}

#[test]
fn an_x_request_id_that_was_made_is_told_in_place_of_the_one_that_came() {
    let mut sent = Vec::new();
    for (name, value) in [("HTTP_X_REQUEST_ID", "a b"), ("HTTP_HOST", "a")] {
        fastcgi_codec::params::encode_pair(&mut sent, name.as_bytes(), value.as_bytes()).unwrap();
    }
    for (made, told) in [(None, &b"a b"[..]), (Some([b'7'; 32]), &[b'7'; 32])] {
        let noted = Arc::new(Noted::default());
        let answer_log: Arc<dyn AnswerLog> = Arc::<Noted>::clone(&noted);
        let account = Account::of_params(Params::parse(sent.clone(), 2).unwrap(), answer_log, Instant::now());
        let mut reply = reply_with(KEPT, false).1.with_account(Some(account));
        if let Some(made) = made {
            reply.set_x_request_id(made);
        }
        drop(reply);
        assert_eq!(*noted.0.lock().unwrap(), [Some(told.to_vec()), Some(b"a".to_vec())]);
    }
}

#[test]
fn an_abort_probe_does_not_keep_the_connection_and_outlives_it() {
    let (recorder, reply) = opened("200 OK", &[]);
    let probe = reply.abort_probe();
    drop(reply);
    assert!(!probe.is_aborted());
    assert_eq!(Arc::strong_count(&recorder), 1);
    drop(recorder);
    assert!(probe.is_aborted(), "nobody listens any more");
}

#[test]
fn text_for_stderr_waits_for_stdout_and_goes_in_the_same_write() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write_errors(b"one ");
    reply.write_errors(b"two");
    reply.write(b"", &NothingHeld).unwrap();
    assert!(recorder.take().is_empty(), "STDERR alone would end HAProxy");
    reply.write(b"a", &NothingHeld).unwrap();
    let sent = [record(7, b"one two"), stdout(&[HEAD, b"a"].concat())].concat();
    assert_eq!(recorder.take(), [Call::Send(sent)]);
    reply.write(b"b", &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [Call::Send(stdout(b"b"))], "not again");
    reply.write_errors(b"three");
    reply.end(&[b"c"], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(&[record(7, b"three"), record(7, b""), stdout(b"c")].concat())]);
}

#[test]
fn a_stderr_stream_that_was_used_is_ended_with_the_answer() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write_errors(b"text");
    reply.write(b"a", &NothingHeld).unwrap();
    recorder.take();
    reply.end(&[], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(&record(7, b""))]);
}

#[test]
fn text_for_stderr_goes_once_although_the_body_is_several_records() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write_errors(&[b'e'; 70_000]);
    reply.end(&[&vec![b'x'; 3 * MAX_CONTENT_LEN]], &NothingHeld).unwrap();
    let lengths: Vec<usize> =
        records(&recorder.bytes()).iter().filter(|(kind, _)| *kind == 7).map(|(_, content)| content.len()).collect();
    assert_eq!(lengths, [65_535, 4465, 0]);
}

#[test]
fn a_refusal_takes_the_text_for_stderr_with_it() {
    let (recorder, mut reply) = reply();
    reply.write_errors(b"traceback");
    reply.refuse(Refusal::ApplicationFailed);
    let [Call::End(KEPT, bytes)] = &recorder.take()[..] else { panic!("one end") };
    let kinds: Vec<u8> = records(bytes).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [7, 7, 6, 6, 3]);
}

#[test]
fn a_file_goes_as_records_behind_the_head() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    let file = tempfile::tempfile().unwrap();
    reply.send_file(file, 10, FILE_RECORD_LEN * 2 + 5, &NothingHeld).unwrap();
    let part = |offset: u64, length: usize| {
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        Call::File { header: vec![1, 6, 1, 2, high, low, 0, 0], offset, length }
    };
    let parts = [part(10, 61_440), part(61_450, 61_440), part(122_890, 5)];
    assert_eq!(recorder.take(), [&[Call::Send(stdout(HEAD))][..], &parts].concat());
    reply.end(&[b"behind"], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(&stdout(b"behind"))]);
}

#[test]
fn a_file_is_cut_at_content_length_and_counts_towards_it() {
    let (recorder, mut reply) = opened("200 OK", &[("Content-Length", "7")]);
    reply.write(b"ab", &NothingHeld).unwrap();
    recorder.take();
    reply.send_file(tempfile::tempfile().unwrap(), 0, 100, &NothingHeld).unwrap();
    assert!(matches!(&recorder.take()[..], [Call::File { offset: 0, length: 5, .. }]));
    assert_eq!(reply.excess(), 95);
    reply.end(&[], &NothingHeld).unwrap();
    assert_eq!(recorder.take(), [ended(b"")]);
}

#[test]
fn an_empty_file_and_a_head_request_send_no_record_of_the_file() {
    let (recorder, mut empty) = opened("200 OK", &[]);
    empty.send_file(tempfile::tempfile().unwrap(), 0, 0, &NothingHeld).unwrap();
    empty.end(&[], &NothingHeld).unwrap();
    assert_eq!(records(&recorder.bytes()).len(), 3);
    let (recorder, mut head_only) = reply_with(KEPT, true);
    head_only.set_head(head("200 OK", &[])).unwrap();
    head_only.send_file(tempfile::tempfile().unwrap(), 0, 100, &NothingHeld).unwrap();
    assert!(!recorder.take().iter().any(|call| matches!(call, Call::File { .. })));
    head_only.end(&[], &NothingHeld).unwrap();
}

#[test]
fn a_file_waits_for_room_too() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.write(b"!", &NothingHeld).unwrap();
    recorder.full.store(true, Ordering::Relaxed);
    reply.send_file(tempfile::tempfile().unwrap(), 0, FILE_RECORD_LEN * 3, &NothingHeld).unwrap();
    assert!(*recorder.waits.lock().unwrap() >= 3);
    reply.end(&[], &NothingHeld).unwrap();
}

#[test]
fn a_file_is_fetched_some_records_at_a_time() {
    let (recorder, mut reply) = opened("200 OK", &[]);
    reply.send_file(tempfile::tempfile().unwrap(), 10, FETCH_LEN + FILE_RECORD_LEN + 7, &NothingHeld).unwrap();
    let fetched = recorder.fetched.lock().unwrap().clone();
    assert_eq!(fetched, [(10, FETCH_LEN), (10 + FETCH_LEN, FILE_RECORD_LEN + 7)]);
    reply.end(&[], &NothingHeld).unwrap();
}
