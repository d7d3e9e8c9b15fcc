//! The way of one answer to its sink: as records, in turns with whatever the sender holds.

use std::fs::File;
use std::io::IoSlice;
use std::sync::Arc;

use smallvec::SmallVec;
use thiserror::Error;

use super::sink::{AbortProbe, Ending, Gone, Room, Sink};
use super::{AbortListener, NothingHeld, Pause};
use fastcgi_codec::record::MAX_CONTENT_LEN;
use fastcgi_codec::{ProtocolStatus, RecordType, encoder};

/// Nobody is there any more to be answered. No fault of anybody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Lost {
    /// The connection is no more.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The peer has given the request up.
    #[error("the web server aborted the request")]
    Aborted,
}

/// STDOUT and STDERR of one request.
#[derive(Debug)]
pub(super) struct Sending {
    sink: Arc<dyn Sink>,
    ending: Ending,
    /// What has gone out on STDOUT.
    sent: u64,
    /// What was sent since the last pause, see [`LONGEST_HOLD`].
    unpaused: usize,
    /// Whether that is known to the sink, see [`LONG`].
    takes_long: bool,
    errors: Vec<u8>,
    errors_used: bool,
}

impl Sending {
    pub(super) fn new(sink: Arc<dyn Sink>, ending: Ending) -> Self {
        Self { sink, ending, sent: 0, unpaused: 0, takes_long: false, errors: Vec::new(), errors_used: false }
    }

    /// Bytes of STDOUT that are on their way.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    pub(super) fn destination(&self) -> *const () {
        Arc::as_ptr(&self.sink).cast()
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.sink.is_aborted(self.ending.request)
    }

    pub(super) fn check_abort(&self) -> Result<(), Lost> {
        if self.is_aborted() { Err(Lost::Aborted) } else { Ok(()) }
    }

    pub(super) fn on_abort(&self, listener: Arc<dyn AbortListener>) {
        self.sink.on_abort(self.ending.request, listener);
    }

    pub(super) fn abort_probe(&self) -> AbortProbe {
        AbortProbe::new(&self.sink, self.ending.request)
    }

    /// Text for STDERR, held back until there is something for STDOUT.
    pub(super) fn write_errors(&mut self, text: &[u8]) {
        self.errors.extend_from_slice(text);
    }

    /// Sends the parts, and if they are the last ends the answer in the same write; in `pause` if that may take long.
    pub(super) fn send(&mut self, parts: &[&[u8]], is_end: bool, pause: &dyn Pause) -> Result<(), Lost> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length == 0 && !is_end {
            return Ok(());
        }
        self.unpaused += length + SEND_COST;
        if self.unpaused < LONGEST_HOLD {
            return self.send_records(parts, length, is_end, pause);
        }
        self.unpaused = 0;
        self.note_length(length as u64);
        let mut result = Ok(());
        pause.step_aside(&mut || result = self.send_records(parts, length, is_end, &NothingHeld));
        result
    }

    /// Sends the parts, and then a file's bytes from `offset` to `end`, without copying these through this process.
    pub(super) fn send_file(
        &mut self,
        parts: &[&[u8]],
        file: File,
        offset: u64,
        end: u64,
        pause: &dyn Pause,
    ) -> Result<(), Lost> {
        let file = Arc::new(file);
        self.note_length(end - offset);
        let mut result = Ok(());
        pause.step_aside(&mut || {
            result = self.send(parts, false, &NothingHeld).and_then(|()| self.send_file_records(&file, offset, end));
        });
        result
    }

    /// Answers with these bytes, at most a record of them, and nothing else.
    pub(super) fn end_with(&mut self, document: &[u8], app_status: u32, status: ProtocolStatus) {
        let end = encoder::stdout_end(self.ending.request, app_status, status);
        let errors = self.take_errors(true);
        let header = encoder::header(RecordType::Stdout, self.ending.request, document.len());
        self.sink.end(self.ending, &[&errors[..], &header, document, &end].map(IoSlice::new));
    }

    /// The same with as many records as it takes.
    pub(super) fn end_with_records(&mut self, document: &[u8]) {
        let mut message = self.take_errors(true);
        for piece in document.chunks(MAX_CONTENT_LEN) {
            message.extend_from_slice(&encoder::header(RecordType::Stdout, self.ending.request, piece.len()));
            message.extend_from_slice(piece);
        }
        message.extend_from_slice(&encoder::stdout_end(self.ending.request, 0, ProtocolStatus::RequestComplete));
        self.sink.end(self.ending, &[IoSlice::new(&message)]);
    }

    /// Ends the answer where it is, as if that were its end.
    pub(super) fn end_here(&self) {
        let end = encoder::stdout_end(self.ending.request, 0, ProtocolStatus::RequestComplete);
        self.sink.end(self.ending, &[IoSlice::new(&end)]);
    }

    /// Breaks the connection off.
    pub(super) fn cut(&self) {
        self.sink.cut(self.ending);
    }

    /// That so many bytes are to be sent.
    fn note_length(&mut self, length: u64) {
        if !self.takes_long && self.sent + length >= LONG {
            self.takes_long = true;
            self.sink.takes_long();
        }
    }

    /// Sends a record at a time.
    fn send_records(&mut self, parts: &[&[u8]], mut left: usize, is_end: bool, pause: &dyn Pause) -> Result<(), Lost> {
        let mut parts = Parts { parts, offset: 0 };
        let mut errors = self.take_errors(is_end);
        let end = encoder::stdout_end(self.ending.request, 0, ProtocolStatus::RequestComplete);
        loop {
            let length = left.min(MAX_CONTENT_LEN);
            let header = encoder::header(RecordType::Stdout, self.ending.request, length);
            let joined;
            let mut pieces = SmallVec::<[IoSlice<'_>; 8]>::new();
            pieces.push(IoSlice::new(&errors));
            if length > 0 {
                pieces.push(IoSlice::new(&header));
            }
            if parts.are_many_for(length) {
                joined = parts.join(length);
                pieces.push(IoSlice::new(&joined));
            } else {
                parts.take(length, |piece| pieces.push(IoSlice::new(piece)));
            }
            left -= length;
            if is_end && left == 0 {
                pieces.push(IoSlice::new(&end));
                self.sink.end(self.ending, &pieces);
                self.sent += length as u64;
                return Ok(());
            }
            let room = self.sink.send(self.ending.request, &pieces)?;
            drop(pieces);
            self.sent += length as u64;
            self.wait(room, pause)?;
            if left == 0 {
                return Ok(());
            }
            errors.clear();
        }
    }

    fn send_file_records(&mut self, file: &Arc<File>, mut offset: u64, end: u64) -> Result<(), Lost> {
        let mut fetched = offset;
        while offset < end {
            if offset == fetched {
                let length = (end - offset).min(FETCH_LEN);
                self.sink.fetch(file, offset, length as usize);
                fetched += length;
            }
            let length = (end - offset).min(FILE_RECORD_LEN) as usize;
            let header = encoder::header(RecordType::Stdout, self.ending.request, length);
            let room = self.sink.send_file(self.ending.request, &header, file, offset, length)?;
            self.sent += length as u64;
            self.wait(room, &NothingHeld)?;
            offset += length as u64;
        }
        Ok(())
    }

    fn wait(&self, room: Room, pause: &dyn Pause) -> Result<(), Lost> {
        if room == Room::Full {
            pause.pause(&mut || self.sink.wait_for_room(self.ending.request));
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

/// Slices taken one after another at any length.
struct Parts<'a> {
    parts: &'a [&'a [u8]],
    offset: usize,
}

impl<'a> Parts<'a> {
    /// Whether so many bytes are more pieces than one would send apart.
    fn are_many_for(&self, length: usize) -> bool {
        let few = self.parts.iter().take(MAX_PIECES).map(|part| part.len()).sum::<usize>();
        self.parts.len() > MAX_PIECES && few - self.offset < length
    }

    fn join(&mut self, length: usize) -> Vec<u8> {
        let mut joined = Vec::with_capacity(length);
        self.take(length, |piece| joined.extend_from_slice(piece));
        joined
    }

    fn take(&mut self, mut length: usize, mut give: impl FnMut(&'a [u8])) {
        while let Some(part) = self.parts.first().filter(|_| length > 0) {
            let rest = &part[self.offset..];
            let taken = rest.len().min(length);
            if taken > 0 {
                give(&rest[..taken]);
            }
            length -= taken;
            self.offset += taken;
            if self.offset == part.len() {
                (self.parts, self.offset) = (&self.parts[1..], 0);
            }
        }
    }
}

/// About so many bytes may be sent with everything held: some 30 µs.
pub(super) const LONGEST_HOLD: usize = 64 * 1024;
/// What sending nothing would cost, in bytes.
const SEND_COST: usize = 1024;
/// To send an answer of this many bytes takes long: some 100 µs.
pub(super) const LONG: u64 = 256 * 1024;
/// Pieces of a record beyond this many are copied together: a system call takes 1024.
pub(super) const MAX_PIECES: usize = 64;
/// Content of a record of file bytes: as many whole pages as a record takes. Parts of pages cost sendfile(2) a second turn.
pub(super) const FILE_RECORD_LEN: u64 = 61_440;
/// So much of a file is fetched at once: whole records.
pub(super) const FETCH_LEN: u64 = 4 * FILE_RECORD_LEN;
