//! What a socket has refused to take, and writing to it until it refuses.
//!
//! Each request has a lane of its own, and the lanes take turns: one unit of each, a record as a rule. So a small answer waits for
//! at most one record of every other request on its connection, however much they have to send.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::stream::Stream;
use fastcgi_codec::RequestId;
use shared::sys;

/// Bytes and parts of files that are still to be sent.
#[derive(Debug, Default)]
pub struct Unsent {
    /// Invariants: no lane is empty, and only the first unit of the first lane was perhaps sent in part.
    lanes: VecDeque<Lane>,
}

/// What one request has to send, in order.
#[derive(Debug)]
struct Lane {
    request: RequestId,
    units: VecDeque<Unit>,
    length: usize,
    has_ended: bool,
}

/// Whole records that nothing comes between.
#[derive(Debug)]
pub struct Unit {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent.
    sent: usize,
    /// Whether something of it was sent, perhaps of what is not in `bytes` any more: the rest has to follow.
    has_begun: bool,
    /// The content of a record whose header ends `bytes`.
    file: Option<Part>,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file.
    pub file: Arc<File>,
    /// Where the part begins.
    pub offset: u64,
    /// How long it is.
    pub length: usize,
}

/// What is to be sent in one go: whole records.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Their bytes.
    pub pieces: &'a [IoSlice<'a>],
    /// The content of the last one, if it is a file's.
    pub file: Option<Part>,
}

impl<'a> Message<'a> {
    /// Without a file.
    pub const fn of_bytes(pieces: &'a [IoSlice<'a>]) -> Self {
        Self { pieces, file: None }
    }

    /// Writes until the socket refuses; returns what it has refused.
    ///
    /// # Errors
    /// Those of the socket, and `UnexpectedEof` if a file has become shorter.
    pub fn write_now(&self, stream: &Stream) -> io::Result<Option<Unit>> {
        let total: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        let mut sent = 0;
        while sent < total {
            let written = match sent {
                0 => sys::fd::send(stream.as_fd(), self.pieces, self.file.is_some()),
                _ => sys::fd::send(stream.as_fd(), &rest(self.pieces, sent), self.file.is_some()),
            };
            match taken(written)? {
                Some(count) => sent += count,
                None => return self.unit_behind(sent).map(Some),
            }
        }
        match self.file {
            Some(_) => self.unit_behind(sent)?.write_file(stream),
            None => Ok(None),
        }
    }

    /// What is left to be sent behind so many bytes.
    ///
    /// # Errors
    /// `OutOfMemory`: the rest cannot be kept.
    pub fn unit_behind(&self, sent: usize) -> io::Result<Unit> {
        let rest = rest(self.pieces, sent);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(rest.iter().map(|piece| piece.len()).sum()).map_err(|_| ErrorKind::OutOfMemory)?;
        rest.iter().for_each(|piece| bytes.extend_from_slice(piece));
        Ok(Unit { bytes, sent: 0, has_begun: sent > 0, file: self.file.clone() })
    }
}

impl Part {
    fn send(&self, stream: &Stream) -> io::Result<usize> {
        sys::fd::send_file(stream.as_fd(), &self.file, self.offset, self.length)
    }
}

impl Unit {
    fn length(&self) -> usize {
        self.bytes.len() - self.sent + self.file.as_ref().map_or(0, |part| part.length)
    }

    /// What it counts for those who wait until less is queued: of a file only a share, since that takes no memory.
    fn weight(&self) -> usize {
        self.bytes.len() - self.sent + self.file.as_ref().map_or(0, |part| part.length / FILE_LIGHTER)
    }

    fn is_sent(&self) -> bool {
        self.length() == 0
    }

    /// The part of a file that is to be sent next.
    fn next_part(&self) -> Option<&Part> {
        self.file.as_ref().filter(|part| self.sent == self.bytes.len() && part.length > 0)
    }

    /// Sends that until the socket refuses; returns what it has refused.
    fn write_file(mut self, stream: &Stream) -> io::Result<Option<Self>> {
        while let Some(part) = self.next_part() {
            match taken(part.send(stream))? {
                Some(count) => self.take(count),
                None => return Ok(Some(self)),
            };
        }
        Ok(None)
    }

    /// Appends `other` if both together are not more than a unit should be.
    fn join(&mut self, other: Self) -> Option<Self> {
        let is_long = self.bytes.len() + other.bytes.len() > JOINED_LEN;
        if self.file.is_some() || is_long || self.bytes.try_reserve(other.bytes.len()).is_err() {
            return Some(other);
        }
        self.bytes.extend_from_slice(&other.bytes);
        self.file = other.file;
        None
    }

    /// Takes off up to `count` bytes that were sent, and returns how many are left of it.
    fn take(&mut self, count: usize) -> usize {
        let of_bytes = count.min(self.bytes.len() - self.sent);
        self.sent += of_bytes;
        self.has_begun |= count > 0;
        let left = count - of_bytes;
        let Some(part) = self.file.as_mut().filter(|_| left > 0) else {
            return left;
        };
        let of_file = left.min(part.length);
        part.offset += of_file as u64;
        part.length -= of_file;
        left - of_file
    }
}

impl Unsent {
    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Bytes to be sent, those in files included.
    pub fn length(&self) -> usize {
        self.lanes.iter().map(|lane| lane.length).sum()
    }

    /// Bytes of one request; those in files count less.
    pub fn weight_of(&self, request: RequestId) -> usize {
        self.position(request).map_or(0, |index| self.lanes[index].weight())
    }

    /// The same, of those that have ended: nobody waits before making more of these.
    pub fn weight_of_ended(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.has_ended).map(Lane::weight).sum()
    }

    /// Appends `unit` to what `request` has to send.
    pub fn push(&mut self, request: RequestId, unit: Unit) {
        if unit.is_sent() {
            return;
        }
        let index = self.position(request).unwrap_or_else(|| {
            self.lanes.push_back(Lane::new(request));
            self.lanes.len() - 1
        });
        self.lanes[index].push(unit);
    }

    /// Puts the rest of a unit before everything else, because its beginning was sent.
    pub fn put_back(&mut self, request: RequestId, unit: Unit) {
        let found = self.position(request).and_then(|index| self.lanes.remove(index));
        let mut lane = found.unwrap_or_else(|| Lane::new(request));
        lane.length += unit.length();
        lane.units.push_front(unit);
        self.lanes.push_front(lane);
    }

    /// Nothing more comes from `request`.
    pub fn end(&mut self, request: RequestId) {
        if let Some(index) = self.position(request) {
            self.lanes[index].has_ended = true;
        }
    }

    /// Forgets what `request` had to send, but for the rest of what has begun, and not if it has ended.
    pub fn withdraw(&mut self, request: RequestId) {
        let Some(index) = self.position(request).filter(|index| !self.lanes[*index].has_ended) else {
            return;
        };
        let begun = self.lanes[index].units.pop_front().filter(|unit| unit.has_begun);
        self.lanes.remove(index);
        if let Some(unit) = begun {
            self.put_back(request, unit);
        }
    }

    fn position(&self, request: RequestId) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.request == request)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes until everything is sent (true) or the socket refuses (false).
    ///
    /// # Errors
    /// Those of the socket, and `UnexpectedEof` if a file has become shorter.
    pub fn write_to(&mut self, stream: &Stream) -> io::Result<bool> {
        while let Some(unit) = self.lanes.front().and_then(|lane| lane.units.front()) {
            let written = unit.next_part().map_or_else(|| self.write_round(stream), |part| part.send(stream));
            match taken(written)? {
                Some(count) => self.take(count),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Writes one unit of each lane, up to the first that has a file.
    fn write_round(&self, stream: &Stream) -> io::Result<usize> {
        let mut pieces = Vec::with_capacity(self.lanes.len().min(MAX_PIECES));
        let mut more = self.lanes.len() > MAX_PIECES;
        for unit in self.lanes.iter().take(MAX_PIECES).filter_map(|lane| lane.units.front()) {
            pieces.push(IoSlice::new(&unit.bytes[unit.sent..]));
            if unit.file.is_some() {
                more = true;
                break;
            }
        }
        more |= self.lanes.iter().any(|lane| lane.units.len() > 1);
        sys::fd::send(stream.as_fd(), &pieces, more)
    }

    /// Takes off what was sent, and gives the turn to the next lane with each unit that was sent whole.
    fn take(&mut self, mut count: usize) {
        while let Some(lane) = self.lanes.front_mut() {
            let Some(unit) = lane.units.front_mut() else {
                return;
            };
            let left = unit.take(count);
            lane.length -= count - left;
            count = left;
            if !unit.is_sent() {
                return;
            }
            lane.units.pop_front();
            self.lanes.rotate_left(1);
            if self.lanes.back().is_some_and(|lane| lane.units.is_empty()) {
                self.lanes.pop_back();
            }
        }
    }
}

impl Lane {
    fn new(request: RequestId) -> Self {
        // What answers the peer's management records has no request that could go on.
        Self { request, units: VecDeque::new(), length: 0, has_ended: request == RequestId::MANAGEMENT }
    }

    fn weight(&self) -> usize {
        self.units.iter().map(Unit::weight).sum()
    }

    fn push(&mut self, unit: Unit) {
        self.length += unit.length();
        let left = match self.units.back_mut() {
            Some(last) => last.join(unit),
            None => Some(unit),
        };
        self.units.extend(left);
    }
}

/// How much the socket has taken, if it has not refused.
fn taken(written: io::Result<usize>) -> io::Result<Option<usize>> {
    match written {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn rest<'a>(pieces: &'a [IoSlice<'_>], mut skip: usize) -> Vec<IoSlice<'a>> {
    let mut rest = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let skipped = skip.min(piece.len());
        skip -= skipped;
        if skipped < piece.len() {
            rest.push(IoSlice::new(&piece[skipped..]));
        }
    }
    rest
}

/// Small units of one request become one of up to this many bytes.
const JOINED_LEN: usize = 64 * 1024;
/// Bytes of a file that count as one. As much of it is queued at once as is sent in a few milliseconds.
const FILE_LIGHTER: usize = 16;
/// Units that go into one system call.
const MAX_PIECES: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use mio::net::UnixStream;

    use super::*;

    const A: RequestId = RequestId::new(1);
    const B: RequestId = RequestId::new(2);
    const LARGE: usize = JOINED_LEN;

    fn pair() -> (Stream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Stream::new(near), far)
    }

    fn unit(byte: u8, length: usize) -> Unit {
        Message::of_bytes(&[IoSlice::new(&vec![byte; length])]).unit_behind(0).unwrap()
    }

    fn unit_with(header: &[u8], part: Part) -> Unit {
        Message { pieces: &[IoSlice::new(header)], file: Some(part) }.unit_behind(0).unwrap()
    }

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    /// Writes and reads in turn until everything has come.
    fn pass(unsent: &mut Unsent, near: &Stream, far: &mut UnixStream) -> Vec<u8> {
        let (mut received, mut buffer) = (Vec::new(), vec![0; 10_000]);
        while !unsent.is_empty() {
            unsent.write_to(near).unwrap();
            while let Ok(count @ 1..) = far.read(&mut buffer) {
                received.extend_from_slice(&buffer[..count]);
            }
        }
        received
    }

    /// (byte, how many of it) in order.
    fn runs(bytes: &[u8]) -> Vec<(u8, usize)> {
        bytes.chunk_by(|one, next| one == next).map(|run| (run[0], run.len())).collect()
    }

    #[test]
    fn requests_take_turns_a_unit_each() {
        let (near, mut far) = pair();
        let mut unsent = Unsent::default();
        for byte in [b'1', b'2', b'3'] {
            unsent.push(A, unit(byte, LARGE));
        }
        unsent.push(B, unit(b'b', 5));
        assert_eq!((unsent.length(), unsent.weight_of(A), unsent.weight_of(B)), (3 * LARGE + 5, 3 * LARGE, 5));
        let received = pass(&mut unsent, &near, &mut far);
        assert_eq!(runs(&received), [(b'1', LARGE), (b'b', 5), (b'2', LARGE), (b'3', LARGE)]);
        assert_eq!((unsent.length(), unsent.weight_of(A)), (0, 0));
    }

    #[test]
    fn the_rest_of_what_has_begun_comes_before_everything() {
        let (near, mut far) = pair();
        let mut unsent = Unsent::default();
        unsent.push(B, unit(b'b', 5));
        unsent.push(A, unit(b'2', 5));
        unsent.put_back(A, unit(b'1', 5));
        assert_eq!(runs(&pass(&mut unsent, &near, &mut far)), [(b'1', 5), (b'b', 5), (b'2', 5)]);
    }

    #[test]
    fn small_units_of_a_request_are_joined_and_large_ones_are_not() {
        let mut unsent = Unsent::default();
        for _ in 0..1000 {
            unsent.push(A, unit(b'a', 100));
        }
        unsent.push(A, Message::of_bytes(&[]).unit_behind(0).unwrap());
        assert_eq!(unsent.lanes[0].units.len(), 100_000usize.div_ceil(JOINED_LEN));
        assert_eq!(unsent.weight_of(A), 100_000);
    }

    #[test]
    fn a_file_follows_its_header_and_others_follow_it() {
        let (near, mut far) = pair();
        let mut unsent = Unsent::default();
        let content = vec![b'f'; 300_000];
        let part = Part { file: file(&content), offset: 100_000, length: 200_000 };
        unsent.push(A, unit_with(b"hhh", part));
        unsent.push(A, unit(b'a', 3));
        unsent.push(B, unit(b'b', 4));
        let received = pass(&mut unsent, &near, &mut far);
        assert_eq!(runs(&received), [(b'h', 3), (b'f', 200_000), (b'b', 4), (b'a', 3)]);
    }

    #[test]
    fn a_file_weighs_less_than_memory() {
        let mut unsent = Unsent::default();
        let part = Part { file: file(b""), offset: 0, length: 1600 };
        unsent.push(A, unit_with(b"hhh", part));
        unsent.push(B, unit(b'b', 7));
        unsent.end(A);
        assert_eq!((unsent.weight_of(A), unsent.weight_of_ended(), unsent.weight_of(B), unsent.length()), (103, 103, 7, 1610));
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        let (near, _far) = pair();
        let part = Part { file: file(b"short"), offset: 0, length: 10 };
        let written = Message { pieces: &[IoSlice::new(b"h")], file: Some(part) }.write_now(&near);
        assert_eq!(written.map(drop).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_withdrawn_is_not_sent_but_for_the_rest_of_what_has_begun() {
        let (near, mut far) = pair();
        let mut unsent = Unsent::default();
        for byte in b'1'..=b'9' {
            unsent.push(A, unit(byte, LARGE));
        }
        assert!(!unsent.write_to(&near).unwrap(), "the socket refuses");
        unsent.push(B, unit(b'b', 5));
        unsent.withdraw(A);
        assert!(unsent.weight_of(A) <= LARGE);
        let mut received = vec![0; 10_000_000];
        let mut count = 0;
        loop {
            match far.read(&mut received[count..]) {
                Ok(more) => count += more,
                Err(_) if unsent.is_empty() => break,
                Err(_) => drop(unsent.write_to(&near).unwrap()),
            }
        }
        let runs = runs(&received[..count]);
        assert_eq!(runs.last(), Some(&(b'b', 5)));
        assert!(runs[..runs.len() - 1].iter().all(|(_, length)| *length == LARGE), "whole units: {runs:?}");
        assert!(runs.len() < 9, "not all of them");
    }

    #[test]
    fn the_rest_of_what_was_sent_directly_is_not_withdrawn() {
        let (near, _far) = pair();
        let mut unsent = Unsent::default();
        let rest =
            Message::of_bytes(&[IoSlice::new(&[b'1'; 10_000_000])]).write_now(&near).unwrap().expect("the socket refuses");
        let length = rest.length();
        assert!(length < 10_000_000);
        unsent.put_back(A, rest);
        unsent.push(A, unit(b'2', 5));
        unsent.push(B, unit(b'b', 5));
        unsent.withdraw(A);
        assert_eq!((unsent.weight_of(A), unsent.weight_of(B)), (length, 5));
        assert!(unsent.lanes[0].request == A, "before everything");
    }

    #[test]
    fn an_ended_request_is_not_withdrawn_and_counts_as_ended() {
        let mut unsent = Unsent::default();
        unsent.push(A, unit(b'a', 5));
        unsent.push(B, unit(b'b', 7));
        unsent.push(RequestId::MANAGEMENT, unit(b'm', 1));
        unsent.end(A);
        unsent.withdraw(A);
        unsent.withdraw(RequestId::new(99));
        assert_eq!((unsent.weight_of(A), unsent.weight_of_ended(), unsent.length()), (5, 6, 13));
        unsent.withdraw(B);
        assert_eq!(unsent.length(), 6);
    }
}
