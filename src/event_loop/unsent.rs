//! What a socket has refused to take, and writing to it until it refuses.
//!
//! Each request has a lane of its own, and the lanes take turns: one unit of each, a record as a rule. So a small answer waits for
//! at most one record of every other request on its connection, however much they have to send.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::stream::Stream;
use crate::protocol::RequestId;
use crate::sys;

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
#[derive(Debug, Default)]
pub struct Unit {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent.
    sent: usize,
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

/// What is to be sent in one go.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Records.
    Bytes(&'a [IoSlice<'a>]),
    /// A record's header, and its content.
    File(&'a [u8], Part),
}

impl Message<'_> {
    /// Writes until the socket refuses; returns what it has refused.
    ///
    /// # Errors
    /// Those of the socket, and `UnexpectedEof` if a file has become shorter.
    pub fn write_now(&self, stream: &Stream) -> io::Result<Option<Unit>> {
        match self {
            Self::Bytes(pieces) => {
                let sent = write_now(stream, pieces)?;
                Ok(Some(Unit::of_bytes(pieces, sent)).filter(|unit| !unit.is_sent()))
            }
            Self::File(..) => {
                let mut unsent = Unsent::default();
                unsent.push(RequestId::MANAGEMENT, self.to_unit());
                unsent.write_to(stream)?;
                Ok(unsent.lanes.pop_front().and_then(|mut lane| lane.units.pop_front()))
            }
        }
    }

    /// The same, to be sent later.
    pub fn to_unit(&self) -> Unit {
        match self {
            Self::Bytes(pieces) => Unit::of_bytes(pieces, 0),
            Self::File(header, part) => Unit { bytes: header.to_vec(), sent: 0, file: Some(part.clone()) },
        }
    }
}

impl Unit {
    fn of_bytes(pieces: &[IoSlice<'_>], sent: usize) -> Self {
        Self { bytes: rest(pieces, sent).concat(), sent: 0, file: None }
    }

    fn length(&self) -> usize {
        self.bytes.len() - self.sent + self.file.as_ref().map_or(0, |part| part.length)
    }

    fn is_sent(&self) -> bool {
        self.length() == 0
    }

    /// Whether only the file's part is left.
    fn is_at_file(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Appends `other` if both together are not more than a unit should be.
    fn join(&mut self, other: Self) -> Option<Self> {
        if self.file.is_some() || self.bytes.len() + other.bytes.len() > JOINED_LEN {
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

    /// The same, of one request.
    pub fn length_of(&self, request: RequestId) -> usize {
        self.position(request).map_or(0, |index| self.lanes[index].length)
    }

    /// The same, of those that have ended: nobody waits before making more of these.
    pub fn length_of_ended(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.has_ended).map(|lane| lane.length).sum()
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
        let begun = self.lanes[index].units.pop_front().filter(|unit| index == 0 && unit.sent > 0);
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
            let result = match &unit.file {
                Some(part) if unit.is_at_file() => sys::fd::send_file(stream.as_fd(), &part.file, part.offset, part.length),
                _ => self.write_round(stream),
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.take(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
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
        stream.write(&pieces, more)
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

    fn push(&mut self, unit: Unit) {
        self.length += unit.length();
        let left = match self.units.back_mut() {
            Some(last) => last.join(unit),
            None => Some(unit),
        };
        self.units.extend(left);
    }
}

/// Writes `pieces` until the socket refuses, and says how many bytes it took.
fn write_now(stream: &Stream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut sent = 0;
    while sent < total {
        let result = match sent {
            0 => stream.write(pieces, false),
            _ => stream.write(&rest(pieces, sent).into_iter().map(IoSlice::new).collect::<Vec<_>>(), false),
        };
        match result {
            Ok(0) => break,
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

fn rest<'a>(pieces: &'a [IoSlice<'_>], mut skip: usize) -> Vec<&'a [u8]> {
    let mut rest = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let skipped = skip.min(piece.len());
        skip -= skipped;
        if skipped < piece.len() {
            rest.push(&piece[skipped..]);
        }
    }
    rest
}

/// Small units of one request become one of up to this many bytes.
const JOINED_LEN: usize = 64 * 1024;
/// Units that go into one system call.
const MAX_PIECES: usize = 64;
