//! The read side of one connection: bytes from the socket to complete requests in the queue.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::unix::SourceFd;

use super::Settings;
use super::intake::{Context, End, Intake, name};
use super::listener::Purpose;
use super::outbox::{ConnectionPhase, Input, Outbox, Status};
use super::passage::Passage;
use super::probes::Probes;
use super::stream::{PeerName, Stream};
use crate::exchange::{ConnectionId, Params, Refusal};
use crate::scheduler::Place;
use fastcgi_codec::record;
use fastcgi_codec::{Decoder, RecordType};
use shared::logging::codes::{self, Code};

mod taking_back;

/// One accepted socket.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    peer: PeerName,
    decoder: Decoder,
    /// Its requests, and the way of their answers.
    intake: Intake,
    /// Whether records may be in the decoder that nobody has looked at: they have come from another process, or go there.
    has_records: bool,
    last_read: Instant,
    has_read: bool,
    /// Whether reading has stopped because the peer does not read either.
    paused: bool,
    /// Whether it is on the list of those that are to be read later.
    deferred: bool,
    /// What of its memory counts among that of all uploads.
    counted: usize,
    /// Whether no less of it can be kept.
    is_stored: bool,
}

/// What becomes of a connection after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing more to read now.
    Done,
    /// There may be more, but others shall have their turn first.
    Again,
    /// A request was taken back for which no worker has time.
    Waits,
    /// The connection is to be closed.
    Close,
}

/// What there is in the socket of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nothing yet.
    Nothing,
    /// The beginning of a request.
    Some,
    /// What begins none, the end, or an error.
    Other,
}

impl Connection {
    /// The read side of an accepted socket whose write side is `outbox`.
    pub fn new(
        id: ConnectionId,
        (peer, purpose): (PeerName, Purpose),
        outbox: Arc<Outbox>,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        Self {
            id,
            peer,
            decoder: Decoder::new(),
            intake: Intake::new((id, purpose), outbox, settings),
            has_records: false,
            last_read: now,
            has_read: false,
            paused: false,
            deferred: false,
            counted: 0,
            is_stored: false,
        }
    }

    /// What was read of it in another process comes first.
    pub fn resume(&mut self, mut unread: &[u8], has_read: bool) {
        (self.has_read, self.has_records) = (has_read, !unread.is_empty());
        while !unread.is_empty() {
            let space = self.decoder.space();
            let (now, later) = unread.split_at(unread.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            self.decoder.advance(now.len());
            unread = later;
            if now.is_empty() {
                return;
            }
        }
    }

    /// Whether there may be records in it that nobody has looked at.
    pub fn has_records(&self) -> bool {
        self.has_records
    }

    /// Whether nothing is going on, so that it could as well be in another process.
    pub fn is_between_requests(&self) -> bool {
        let Status { phase, open, stalled_since, .. } = self.intake.outbox.status();
        self.has_whole_requests() && phase == ConnectionPhase::Open && open == 0 && stalled_since.is_none()
    }

    /// The same, and no byte of the next request was read.
    pub fn is_untouched(&self) -> bool {
        self.decoder.is_empty() && self.is_between_requests()
    }

    /// Whether every request that has begun is complete.
    pub fn has_whole_requests(&self) -> bool {
        self.intake.assembler.is_empty() && !self.paused
    }

    /// Puts it on the list of those that are to be read later, or off; says whether it was on it.
    pub fn set_deferred(&mut self, deferred: bool) -> bool {
        std::mem::replace(&mut self.deferred, deferred)
    }

    /// What has come and was not read.
    pub fn unread(&self) -> Unread {
        let mut bytes = [0; BEGIN.len()];
        match self.intake.outbox.stream().peek(&mut bytes) {
            Ok(count @ 1..) if BEGIN.starts_with(&bytes[..count]) => Unread::Some,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Unread::Nothing,
            Ok(_) | Err(_) => Unread::Other,
        }
    }

    /// Whether what was not read begins with a probe; `None` if more has to come to say so. It stays unread.
    pub fn begins_with(&self, probes: &Probes) -> Option<bool> {
        let mut bytes = [0; PROBE_LEN];
        match self.intake.outbox.stream().peek(&mut bytes) {
            Ok(count) if count < PROBE_LEN => probes.begins(&bytes[..count]),
            // A probe is shorter.
            Ok(count) => Some(probes.begins(&bytes[..count]) == Some(true)),
            Err(_) => Some(false),
        }
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.intake.purpose
    }

    /// Whether it has ever carried several requests at once.
    pub fn multiplexes(&self) -> bool {
        self.intake.multiplexes
    }

    /// Whether what was not read has the beginnings of several requests. It stays unread.
    pub fn begins_several(&self) -> bool {
        let mut bytes = [0; SEVERAL_LEN];
        self.intake.outbox.stream().peek(&mut bytes).is_ok_and(|count| record::begins_several(&bytes[..count]))
    }

    /// Its place among those that wait, if it has one.
    pub fn take_place(&mut self) -> Option<Place> {
        self.intake.place.take()
    }

    /// Its next request is counted so. Whoever reads that because it is its turn leaves it the place.
    pub fn keep_place(&mut self, place: Place) {
        self.intake.place = Some(place);
    }

    /// Its next request has come then, and had to wait.
    pub fn has_waited(&mut self, since: Instant) {
        self.intake.waits_since = Some(since);
    }

    /// Its next request has come, and has to wait.
    pub fn begin_to_wait(&mut self) {
        self.intake.waits_since.get_or_insert_with(Instant::now);
    }

    /// Since when that waits.
    pub fn waits_since(&self) -> Option<Instant> {
        self.intake.waits_since
    }

    /// Sends it into the line with `give`. It is then to be forgotten here.
    ///
    /// # Errors
    /// When the line does not take it: it stays.
    pub fn give_to_line(&mut self, give: impl FnOnce(&Stream, &[u8], bool, Instant) -> io::Result<()>) -> io::Result<()> {
        let since = *self.intake.waits_since.get_or_insert_with(Instant::now);
        give(self.intake.outbox.stream(), self.decoder.unread(), self.has_read, since)
    }

    /// Requests whose parameters are complete from now on are refused, or no longer.
    pub fn set_turning_away(&mut self, turns_away: Option<Refusal>) {
        self.intake.assembler.set_turning_away(turns_away);
    }

    /// Bytes of memory that requests take which are not complete.
    pub fn memory(&self) -> usize {
        if self.has_records {
            return 0;
        }
        self.intake.assembler.memory() + self.decoder.memory()
    }

    /// Counts that, and says what did before.
    pub fn count(&mut self) -> usize {
        let memory = self.memory();
        self.is_stored &= memory <= self.counted;
        std::mem::replace(&mut self.counted, memory)
    }

    /// What counts of it.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// When something came last.
    pub fn last_read(&self) -> Instant {
        self.last_read
    }

    /// Whether its bodies are in temp files, as far as they can be, and nothing has come since.
    pub fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Frees what memory it can: bodies go to temp files.
    pub fn store_uploads(&mut self) {
        self.is_stored = true;
        self.intake.assembler.store_bodies();
        self.decoder.shrink();
    }

    /// Sends it through the passage. It is then to be forgotten here.
    ///
    /// # Errors
    /// When the passage does not take it: it stays.
    pub fn give(&self, passage: &Passage) -> io::Result<()> {
        passage.give(self.intake.outbox.stream(), self.decoder.unread(), (self.has_read, self.purpose()))
    }

    /// Forgets a connection that is in another process now. Must be watched no longer before: what is watched is the connection, and
    /// that is still open there.
    pub fn release(self, registry: &Registry) {
        let result = registry.deregister(&mut SourceFd(&self.intake.outbox.stream().as_raw_fd()));
        if let Err(error) = result {
            log::trace!("connection {} was not watched yet: {error}", self.id);
        }
        self.intake.outbox.release();
    }

    /// The write side.
    pub fn outbox(&self) -> &Outbox {
        &self.intake.outbox
    }

    /// Where its answers go, as their replies say.
    pub fn destination(&self) -> *const () {
        Arc::as_ptr(&self.intake.outbox).cast()
    }

    /// Whether nothing has come yet.
    pub fn is_new(&self) -> bool {
        !self.has_read
    }

    /// What has begun is finished, and nothing more: a peer that multiplexes may always have something more.
    pub fn finish(&mut self) {
        self.intake.assembler.refuse_new();
        self.intake.outbox.close_when_idle();
    }

    /// Ends the connection. If a worker still answers on it, the worker is told; else dropping the socket is all it takes.
    pub fn close(self, registry: &Registry) {
        if Arc::strong_count(&self.intake.outbox) > 1 {
            let result = registry.deregister(&mut SourceFd(&self.intake.outbox.stream().as_raw_fd()));
            if let Err(error) = result {
                log::debug!("connection {} was not watched any more: {error}", self.id);
            }
            self.intake.outbox.close();
        }
    }

    /// The connection's number.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Reads what is there. `closing` says that the peer has closed its side, so the end must be read too.
    pub fn read(&mut self, closing: bool, context: &mut Context<'_>) -> Turn {
        if let Some(spare) = context.spare.take() {
            self.decoder.lend_buffer(spare);
        }
        let result = self.read_some(closing, context);
        if let Some(buffer) = self.decoder.take_buffer() {
            *context.spare = Some(buffer);
        }
        result.unwrap_or_else(|end| {
            self.report(&end);
            Turn::Close
        })
    }

    /// Whether reading has stopped until the peer takes what is queued for it.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    fn read_some(&mut self, closing: bool, context: &mut Context<'_>) -> Result<Turn, End> {
        if self.paused && self.intake.outbox.is_full() {
            return Ok(Turn::Done);
        }
        let closing = closing || self.paused;
        let has_records = std::mem::take(&mut self.has_records);
        let mut over = self.paused.then_some(Turn::Done);
        if (self.paused || has_records) && self.intake.free_ended() == Input::Wanted {
            over = self.handle_records(context)?;
        }
        for _ in 0..READS_A_TURN {
            if let Some(turn) = over {
                return Ok(turn);
            }
            let space = self.decoder.space();
            let room = space.len();
            let count = match self.intake.outbox.stream().read(space) {
                Ok(0) => return Err(End::PeerClosed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::Done),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(End::Broken(error)),
            };
            (self.last_read, self.has_read) = (context.now, true);
            // Not before it was read: the answer that the peer had waited for may have gone out just then.
            if self.intake.free_ended() == Input::Wanted {
                self.decoder.advance(count);
                over = self.handle_records(context)?;
            }
            if over.is_none() && count < room && !closing {
                return Ok(Turn::Done);
            }
        }
        Ok(over.unwrap_or(Turn::Again))
    }

    /// Handles those that are there; how the turn ends if no more may be read in it.
    fn handle_records(&mut self, context: &mut Context<'_>) -> Result<Option<Turn>, End> {
        loop {
            self.paused = self.intake.outbox.is_full();
            if self.paused {
                return Ok(Some(Turn::Done));
            }
            let Some(record) = self.decoder.next_record().map_err(End::Misbehaved)? else { return Ok(None) };
            let Some(assembled) = self.intake.handle(record, context)? else { continue };
            match self.take_back(assembled, context) {
                Some(assembled) => self.intake.dispatch(assembled, context),
                None => return Ok(Some(Turn::Waits)),
            }
        }
    }

    /// How many requests are not answered, or not taken by the peer.
    pub fn unanswered(&self) -> usize {
        let Status { open, stalled_since, .. } = self.intake.outbox.status();
        open.max(usize::from(stalled_since.is_some()))
    }

    /// Their names for the log.
    pub fn names_of_unanswered(&mut self) -> impl Iterator<Item = String> {
        // Of an answer that is only to be sent nothing is known any more.
        let nameless = name(self.id, &Params::default());
        self.intake.names().into_iter().chain(std::iter::repeat(nameless)).take(self.unanswered())
    }

    /// Whether everything has been said on both sides, so that closing can't lose the answer: unread input would.
    pub fn is_over(&mut self) -> bool {
        self.intake.free_ended() == Input::Over && !self.intake.input_left && self.decoder.is_empty()
    }

    /// When this connection is to be closed if nothing happens before, and what to say then.
    pub fn deadline(&self, settings: &Settings) -> Option<(Instant, Expiry)> {
        let Status { phase, open, ended, stalled_since } = self.intake.outbox.status();
        let socket_timeout = |since: Instant, expiry| settings.socket_timeout.map(|timeout| (since + timeout, expiry));
        if let Some(since) = stalled_since {
            return socket_timeout(since, Expiry::Unread);
        }
        if phase.is_over() {
            return Some((ended + LINGER, Expiry::Lingered));
        }
        if !self.has_read {
            return socket_timeout(self.last_read, Expiry::Silent);
        }
        if self.has_records {
            return None;
        }
        if !self.intake.assembler.is_empty() || !self.decoder.is_empty() {
            return socket_timeout(self.last_read, Expiry::Stalled);
        }
        if open > 0 {
            return None;
        }
        settings.idle_timeout.map(|timeout| (self.last_read.max(ended) + timeout, Expiry::Idle))
    }

    /// Says why the connection is closed by its deadline.
    pub fn report_expiry(&self, expiry: Expiry) {
        let Self { id, peer, .. } = self;
        match expiry.meaning() {
            Some(code) => log::warn!(target: code, "connection {id} ({peer}) closed: {expiry}"),
            None => log::debug!("connection {id} ({peer}) closed: {expiry}"),
        }
    }

    fn report(&self, end: &End) {
        let Self { id, peer, .. } = self;
        let is_inside = !self.intake.assembler.is_empty() || !self.decoder.is_empty();
        match end {
            End::PeerClosed if is_inside => {
                log::info!(
                    target: codes::CLOSED_BY_WEB_SERVER,
                    "connection {id} ({peer}) was closed by the web server during a request"
                );
            }
            End::PeerClosed => log::trace!("connection {id} ({peer}) was closed by the web server"),
            End::Broken(error) if is_inside => {
                log::info!(target: codes::CONNECTION_BROKEN, "connection {id} ({peer}) is broken: {error}")
            }
            // As a rule somebody has left who did not read to the end.
            End::Broken(error) => log::debug!("connection {id} ({peer}) is broken: {error}"),
            End::Misbehaved(error) => log::warn!(target: codes::PROTOCOL_VIOLATED, "connection {id} ({peer}) closed: {error}"),
        }
    }
}

/// Why a deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing came since the connection was accepted.
    Silent,
    /// A request stopped in the middle.
    Stalled,
    /// The same, and its memory is needed.
    Crowded,
    /// An answer is not read.
    Unread,
    /// Kept open for long enough without a request.
    Idle,
    /// The peer did not close after the last answer.
    Lingered,
}

impl Expiry {
    /// What the log says that it means; nothing where nothing is wrong.
    const fn meaning(self) -> Option<Code> {
        match self {
            Self::Silent => Some(codes::CONNECTION_SILENT),
            Self::Stalled => Some(codes::REQUEST_STALLED),
            Self::Crowded => Some(codes::UPLOADS_MEMORY_FULL),
            Self::Unread => Some(codes::RESPONSE_NOT_READ),
            Self::Idle | Self::Lingered => None,
        }
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "nothing was sent on it within socket-timeout",
            Self::Stalled => "no more of a request arrived within socket-timeout",
            Self::Crowded => "its request has been stalled the longest, and uploads-memory is used up",
            Self::Unread => "the web server did not read a response within socket-timeout",
            Self::Idle => "no request arrived within idle-timeout",
            Self::Lingered => "the web server did not close it after the last response",
        })
    }
}

/// How a request begins: the version of FastCGI, and FCGI_BEGIN_REQUEST.
const BEGIN: [u8; 2] = [record::VERSION_1, RecordType::BeginRequest.value()];
/// A probe is shorter.
const PROBE_LEN: usize = 4096;
/// Two short requests are.
const SEVERAL_LEN: usize = 8192;
/// So that one busy connection does not keep the others waiting.
const READS_A_TURN: usize = 16;
/// How long a peer may take to close after the last answer.
const LINGER: Duration = Duration::from_secs(10);
