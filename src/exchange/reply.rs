//! The right to answer one request, once.
//!
//! A [`Reply`] sends the head with the first body bytes, holds the body to its Content-Length, and ends the answer. Dropped
//! before the head went out it answers 500; dropped in the middle of a body it cuts the connection, because nothing a FastCGI
//! application can say makes a web server report half an answer as broken.

use std::fmt;
use std::fs::File;
use std::io::IoSlice;
use std::sync::{Arc, Weak};

use thiserror::Error;

use super::head::BodyRule;
use super::{Head, HeadError, Refusal};
use crate::protocol::record::MAX_CONTENT_LEN;
use crate::protocol::{ProtocolStatus, RecordType, RequestId, encoder};

/// Where answers go: the write side of a connection, shared by the requests on it.
///
/// Calls from several threads do not mix: the pieces of one call are on the wire one after another.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Takes bytes of records; what the socket refuses is kept and sent later.
    ///
    /// # Errors
    /// [`Gone`] when the connection is no more.
    fn send(&self, pieces: &[IoSlice<'_>]) -> Result<Room, Gone>;

    /// Takes one record whose content is a part of a file.
    ///
    /// # Errors
    /// [`Gone`] when the connection is no more.
    fn send_file(&self, header: &[u8], file: &Arc<File>, offset: u64, length: usize) -> Result<Room, Gone>;

    /// Whether much is kept, so that more should wait. Cheap.
    fn is_full(&self) -> bool;

    /// Waits until what was kept has become less, or the connection is no more. Bounded by the event loop's timeouts.
    fn wait_for_room(&self);

    /// Takes the last bytes of a request, END_REQUEST among them, and closes the connection if it is not to be kept.
    fn end(&self, ending: Ending, pieces: &[IoSlice<'_>]);

    /// Breaks the connection off so that the answer does not look complete.
    fn cut(&self, ending: Ending);

    /// Whether the peer has given the request up.
    fn is_aborted(&self, request: RequestId) -> bool;
}

/// Which request ends, and whether its connection stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The request.
    pub request: RequestId,
    /// FCGI_KEEP_CONN of the request.
    pub keep_connection: bool,
}

/// Whether a sink can take more at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It can.
    Plenty,
    /// It has much to send; call [`Sink::wait_for_room`] before sending more.
    Full,
}

/// The connection is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the web server closed the connection")]
pub struct Gone;

/// Lets a handler put down what it must not hold while it waits, such as Python's GIL.
pub trait Pause {
    /// Calls `wait` once, which may take long.
    fn pause(&self, wait: &mut (dyn FnMut() + Send));
}

/// For handlers that hold nothing while they run.
#[derive(Clone, Copy, Debug)]
pub struct NothingHeld;

impl Pause for NothingHeld {
    fn pause(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }
}

/// Why a piece of an answer could not be sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The connection is no more. Nobody's fault here.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The peer has given the request up. Nobody's fault here.
    #[error("the web server gave the request up")]
    Aborted,
    /// Body bytes without a head: the application's fault.
    #[error("the response has a body but no head: start_response was not called")]
    NoHead,
    /// The head cannot be sent: the application's fault.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body is shorter than its Content-Length: the application's fault. The connection has been cut.
    #[error("the response body has {sent} bytes, but its Content-Length says {expected}: connection cut")]
    BodyShort {
        /// What Content-Length said.
        expected: u64,
        /// What there was.
        sent: u64,
    },
}

/// The right to answer one request.
#[derive(Debug)]
pub struct Reply {
    sink: Arc<dyn Sink>,
    ending: Ending,
    head_only: bool,
    head: Option<Head>,
    state: State,
    excess: u64,
    errors: Vec<u8>,
    errors_used: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    HeadUnsent,
    Body { rule: BodyRule, sent: u64 },
    Ended,
}

impl Reply {
    /// The right to answer `ending.request` into `sink`; `head_only` for HEAD requests.
    pub fn new(sink: Arc<dyn Sink>, ending: Ending, head_only: bool) -> Self {
        let (errors, errors_used) = (Vec::new(), false);
        Self { sink, ending, head_only, head: None, state: State::HeadUnsent, excess: 0, errors, errors_used }
    }

    /// Sets or, as long as it was not sent, replaces the head. It goes out with the first body bytes.
    ///
    /// # Errors
    /// Gives the head back when one was sent before.
    pub fn set_head(&mut self, head: Head) -> Result<(), Head> {
        if self.is_head_sent() {
            return Err(head);
        }
        self.head = Some(head);
        Ok(())
    }

    /// The head that was set and not sent.
    pub fn head_mut(&mut self) -> Option<&mut Head> {
        self.head.as_mut()
    }

    /// Whether a head was set, sent or not.
    pub fn has_head(&self) -> bool {
        self.head.is_some() || self.is_head_sent()
    }

    /// Whether the head is on its way, so that it can't be replaced.
    pub fn is_head_sent(&self) -> bool {
        self.state != State::HeadUnsent
    }

    /// Whether this answers a HEAD request.
    pub fn is_head_only(&self) -> bool {
        self.head_only
    }

    /// Whether the peer has given the request up.
    pub fn is_aborted(&self) -> bool {
        self.sink.is_aborted(self.ending.request)
    }

    /// A question for [`is_aborted`](Self::is_aborted) that outlives the reply.
    pub fn abort_probe(&self) -> AbortProbe {
        AbortProbe { sink: Arc::downgrade(&self.sink), request: self.ending.request }
    }

    /// Body bytes that were cut off because of Content-Length or a status without body.
    pub fn excess(&self) -> u64 {
        self.excess
    }

    /// Text for FCGI_STDERR. It is held back until there is something for STDOUT, because HAProxy 2.6 dies otherwise.
    pub fn write_errors(&mut self, text: &[u8]) {
        self.errors.extend_from_slice(text);
    }

    /// Sends a piece of the body, and the head before the first. Waits, in `pause`, while the sink is full.
    ///
    /// # Errors
    /// [`ReplyError`]; the reply can still be refused if the head was not sent.
    pub fn write(&mut self, piece: &[u8], pause: &dyn Pause) -> Result<(), ReplyError> {
        if piece.is_empty() {
            return Ok(());
        }
        self.check_abort()?;
        let head = self.start()?;
        let piece = &piece[..self.admit(piece.len() as u64) as usize];
        self.transmit(&[&head, piece], None, pause)
    }

    /// Sends the rest of the body, and the head if that is still to be sent, and ends the answer.
    ///
    /// # Errors
    /// [`ReplyError`]; the reply can still be refused if the head was not sent.
    pub fn end(&mut self, pieces: &[&[u8]], pause: &dyn Pause) -> Result<(), ReplyError> {
        self.check_abort()?;
        let head = self.start()?;
        let mut parts = Vec::with_capacity(pieces.len() + 1);
        parts.push(&head[..]);
        for piece in pieces {
            parts.push(&piece[..self.admit(piece.len() as u64) as usize]);
        }
        self.check_complete()?;
        let end = encoder::stdout_end(self.ending.request, 0, ProtocolStatus::RequestComplete);
        self.transmit(&parts, Some(&end), pause)
    }

    /// Sends `length` bytes of a file from `offset` as a piece of the body, without copying them through this process.
    ///
    /// # Errors
    /// [`ReplyError`]. A file that turns out shorter than `length` makes the connection be cut.
    pub fn send_file(&mut self, file: File, offset: u64, length: u64, pause: &dyn Pause) -> Result<(), ReplyError> {
        self.check_abort()?;
        let head = self.start()?;
        self.transmit(&[&head], None, pause)?;
        let (file, end) = (Arc::new(file), offset + self.admit(length));
        let mut offset = offset;
        while offset < end {
            let length = (end - offset).min(FILE_RECORD_LEN) as usize;
            let header = encoder::header(RecordType::Stdout, self.ending.request, length);
            let room = self.sink.send_file(&header, &file, offset, length)?;
            self.wait(room, pause)?;
            offset += length as u64;
        }
        Ok(())
    }

    /// Answers with a refusal instead. Does nothing if the head was sent: the answer is then cut when the reply is dropped.
    pub fn refuse(&mut self, refusal: Refusal) {
        if self.is_head_sent() {
            return;
        }
        self.state = State::Ended;
        let document = refusal.document(self.head_only);
        let app_status = u32::from(refusal == Refusal::ApplicationFailed);
        let end = encoder::stdout_end(self.ending.request, app_status, self.protocol_status(refusal));
        let errors = self.take_errors(true);
        let header = encoder::header(RecordType::Stdout, self.ending.request, document.len());
        self.sink.end(self.ending, &[&errors[..], &header, &document, &end].map(IoSlice::new));
    }

    /// On a kept connection an overload is said in HTTP only: HAProxy 2.6 resets a connection on which it sees OVERLOADED, and
    /// with it the requests beside this one. No web server does anything else with it.
    fn protocol_status(&self, refusal: Refusal) -> ProtocolStatus {
        match refusal.protocol_status() {
            ProtocolStatus::Overloaded if self.ending.keep_connection => ProtocolStatus::RequestComplete,
            status => status,
        }
    }

    /// Ends a request that the peer has given up: nobody reads the rest.
    pub fn end_aborted(&mut self) {
        self.refuse(Refusal::Aborted);
        if self.state != State::Ended {
            self.state = State::Ended;
            let end = encoder::stdout_end(self.ending.request, 0, ProtocolStatus::RequestComplete);
            self.sink.end(self.ending, &[IoSlice::new(&end)]);
        }
    }

    /// The head's bytes if they are to be sent now; from here on they count as sent.
    fn start(&mut self) -> Result<Vec<u8>, ReplyError> {
        if self.is_head_sent() {
            return Ok(Vec::new());
        }
        let head = self.head.clone().ok_or(ReplyError::NoHead)?;
        let (bytes, rule) = head.encode(self.head_only)?;
        self.state = State::Body { rule, sent: 0 };
        self.head = None;
        Ok(bytes)
    }

    /// How many of `length` more body bytes may be sent.
    fn admit(&mut self, length: u64) -> u64 {
        let State::Body { rule, sent } = &mut self.state else {
            return 0;
        };
        let allowed = match rule {
            BodyRule::Nothing => 0,
            BodyRule::Exactly(expected) => length.min(*expected - *sent),
            BodyRule::Open => length,
        };
        *sent += allowed;
        if !self.head_only {
            self.excess += length - allowed;
        }
        allowed
    }

    fn check_abort(&self) -> Result<(), ReplyError> {
        if self.is_aborted() { Err(ReplyError::Aborted) } else { Ok(()) }
    }

    fn check_complete(&mut self) -> Result<(), ReplyError> {
        match self.state {
            State::Body { rule: BodyRule::Exactly(expected), sent } if sent < expected => {
                self.cut();
                Err(ReplyError::BodyShort { expected, sent })
            }
            _ => Ok(()),
        }
    }

    fn cut(&mut self) {
        self.state = State::Ended;
        self.sink.cut(self.ending);
    }

    /// Sends the parts as STDOUT records, `SLAB_LEN` bytes a time, and `end` in the same write as the last of them.
    fn transmit(&mut self, parts: &[&[u8]], end: Option<&[u8]>, pause: &dyn Pause) -> Result<(), ReplyError> {
        let mut left: usize = parts.iter().map(|part| part.len()).sum();
        if left == 0 && end.is_none() {
            return Ok(());
        }
        if self.sink.is_full() {
            self.wait(Room::Full, pause)?;
        }
        let mut parts = Parts { parts, offset: 0 };
        let mut errors = self.take_errors(end.is_some());
        loop {
            let headers = self.slab_headers(left.min(SLAB_LEN));
            let mut pieces = Vec::with_capacity(8);
            pieces.push(IoSlice::new(&errors));
            for (header, length) in &headers {
                pieces.push(IoSlice::new(header));
                parts.take(*length, &mut pieces);
                left -= length;
            }
            match end {
                Some(end) if left == 0 => {
                    pieces.push(IoSlice::new(end));
                    self.state = State::Ended;
                    self.sink.end(self.ending, &pieces);
                    return Ok(());
                }
                _ => {
                    let room = self.sink.send(&pieces)?;
                    self.wait(room, pause)?;
                }
            }
            if left == 0 {
                return Ok(());
            }
            errors.clear();
        }
    }

    fn slab_headers(&self, length: usize) -> Vec<([u8; 8], usize)> {
        let mut headers = Vec::with_capacity(length.div_ceil(MAX_CONTENT_LEN));
        let mut left = length;
        while left > 0 {
            let content = left.min(MAX_CONTENT_LEN);
            headers.push((encoder::header(RecordType::Stdout, self.ending.request, content), content));
            left -= content;
        }
        headers
    }

    fn wait(&self, room: Room, pause: &dyn Pause) -> Result<(), ReplyError> {
        if room == Room::Full {
            pause.pause(&mut || self.sink.wait_for_room());
            self.check_abort()?;
        }
        Ok(())
    }

    /// The held-back STDERR text as records; with the stream's end if the answer ends and the stream was ever used.
    fn take_errors(&mut self, at_the_end: bool) -> Vec<u8> {
        let mut records = Vec::new();
        if !self.errors.is_empty() {
            encoder::encode_stream(&mut records, RecordType::Stderr, self.ending.request, &self.errors);
            self.errors.clear();
            self.errors_used = true;
        }
        if at_the_end && self.errors_used {
            encoder::encode_stream(&mut records, RecordType::Stderr, self.ending.request, b"");
        }
        records
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        match self.state {
            State::HeadUnsent | State::Body { .. } if self.is_aborted() => self.end_aborted(),
            State::HeadUnsent => self.refuse(Refusal::ApplicationFailed),
            State::Body { .. } => self.cut(),
            State::Ended => {}
        }
    }
}

/// Tells whether the peer has given a request up, also after the reply is gone. Does not keep the connection open.
#[derive(Clone, Debug)]
pub struct AbortProbe {
    sink: Weak<dyn Sink>,
    request: RequestId,
}

impl AbortProbe {
    /// Whether the peer has given the request up, or the connection is no more.
    pub fn is_aborted(&self) -> bool {
        self.sink.upgrade().is_none_or(|sink| sink.is_aborted(self.request))
    }
}

/// Slices taken one after another at any length.
struct Parts<'a> {
    parts: &'a [&'a [u8]],
    offset: usize,
}

impl<'a> Parts<'a> {
    fn take<'p>(&mut self, mut length: usize, pieces: &mut Vec<IoSlice<'p>>)
    where
        'a: 'p,
    {
        while let Some(part) = self.parts.first().filter(|_| length > 0) {
            let rest = &part[self.offset..];
            let taken = rest.len().min(length);
            if taken > 0 {
                pieces.push(IoSlice::new(&rest[..taken]));
            }
            length -= taken;
            self.offset += taken;
            if self.offset == part.len() {
                (self.parts, self.offset) = (&self.parts[1..], 0);
            }
        }
    }
}

/// The most that is given to the sink at once, so that what it must keep is bounded.
const SLAB_LEN: usize = 4 * MAX_CONTENT_LEN;
/// Content of a record of file bytes: as much as one record takes, in a multiple of eight as the specification recommends.
const FILE_RECORD_LEN: u64 = 65_528;
