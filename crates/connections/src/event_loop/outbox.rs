//! The write side of a connection, shared by the workers that answer on it and the event loop.
//!
//! A worker writes to the socket itself. What the socket refuses is queued, and only then is the event loop asked (through
//! epoll) to go on when there is room. Asking for both directions from the start would be simpler, but a Unix socket reports
//! itself writable each time its peer reads, which would wake the loop once more for every answer.
//!
//! One thread at a time writes, and no lock is held meanwhile: who comes in between leaves what it has to say to the writer. So
//! nobody with a small answer, nor the event loop, ever waits for somebody else's long one.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::mailbox::Mailbox;
use super::stream::Stream;
use super::unsent::{Message, Part, Unit};
use crate::exchange::{AbortListener, Ending, Gone, Room, Sink};
use fastcgi_codec::RequestId;
use shared::logging::codes;
use shared::sys;

mod answers;
mod state;

pub use state::{ConnectionPhase, Input, Status};
use state::{HIGH_WATER, LOW_WATER, State};

/// The write side of one connection.
#[derive(Debug)]
pub struct Outbox {
    stream: Stream,
    token: Token,
    mailbox: Arc<Mailbox>,
    state: Mutex<State>,
    room: Condvar,
    /// Set with the state's lock held; read without it, so that a running application can ask often.
    any_aborted: AtomicBool,
    /// Whether more is queued of ended requests than [`HIGH_WATER`]; likewise.
    full: AtomicBool,
}

impl Outbox {
    /// The write side of `stream`, which is to be watched as `token`.
    pub fn new(stream: Stream, token: Token, mailbox: Arc<Mailbox>, now: Instant) -> Self {
        let (state, room) = (Mutex::new(State::new(now)), Condvar::new());
        let (any_aborted, full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { stream, token, mailbox, state, room, any_aborted, full }
    }

    /// The socket, for reading.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether many answers are queued, so that no further request should be read. One that is still being made does not count: its
    /// worker waits.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// What was queued of `request` waits for nobody any more but the peer.
    fn note_ended(&self, state: &mut State, request: RequestId) {
        if state.unsent.is_empty() {
            return;
        }
        state.unsent.end(request);
        if state.unsent.weight_of_ended() > HIGH_WATER {
            self.full.store(true, Ordering::Release);
        }
    }

    /// Where things stand.
    pub fn status(&self) -> Status {
        self.lock().status()
    }

    /// A request has begun.
    pub fn begin(&self, request: RequestId) {
        self.lock().answers.begin(request);
    }

    /// A request is none any more, since nothing was said of it: it begins again, perhaps in another process.
    pub fn take_back(&self, request: RequestId) {
        self.lock().answers.take_back(request);
    }

    /// Calls `forget` for each request that has ended since the last call, and returns what becomes of more input. An id may come
    /// again from the peer only after its END_REQUEST, and is in this list before that is written.
    pub fn take_ended(&self, forget: impl FnMut(RequestId)) -> Input {
        let mut state = self.lock();
        state.answers.take_ended(forget);
        state.input()
    }

    /// The peer has given one request up. Nobody reads what is queued for it.
    pub fn abort(&self, request: RequestId) {
        self.abort_now(&mut self.lock(), request);
    }

    fn abort_now(&self, state: &mut State, request: RequestId) {
        // Before anybody is told, who may ask at once.
        self.any_aborted.store(true, Ordering::Release);
        if state.answers.give_up(request) {
            state.unsent.withdraw(request);
            self.room.notify_all();
            self.advance(state);
        }
    }

    /// The connection is no more: whoever waits for it is woken, and every request on it counts as aborted.
    pub fn close(&self) {
        self.set_gone(&mut self.lock());
        self.stream.shutdown(Shutdown::Both);
    }

    /// Another process has the connection now: nothing is said on it any more, and it is not shut down.
    pub fn release(&self) {
        self.set_gone(&mut self.lock());
    }

    /// No further request is to be answered: closes as soon as the open ones have ended.
    pub fn close_when_idle(&self) {
        let mut state = self.lock();
        if state.phase == ConnectionPhase::Open {
            state.phase = ConnectionPhase::LastRequests;
            self.advance(&mut state);
        }
    }

    /// Sends an answer of the event loop's own, of a few bytes.
    ///
    /// # Errors
    /// [`Gone`] when the connection is no more.
    pub fn answer(&self, bytes: &[u8]) -> Result<(), Gone> {
        let (mut state, sent) = self.write(self.lock(), RequestId::MANAGEMENT, &Message::of_bytes(&[IoSlice::new(bytes)]));
        self.note_ended(&mut state, RequestId::MANAGEMENT);
        sent
    }

    /// The socket has room again.
    ///
    /// # Errors
    /// [`Gone`] when it turns out to be broken.
    pub fn flush(&self, now: Instant) -> Result<(), Gone> {
        let mut state = self.lock();
        if state.writing {
            return Ok(());
        }
        let before = state.unsent.length();
        let flushed = self.write_unsent(&mut state);
        if state.unsent.length() < before {
            state.progress = now;
        }
        if flushed? {
            self.interest(&state, Interest::READABLE);
            self.advance(&mut state);
        }
        Ok(())
    }

    /// Goes from phase to phase as far as it can.
    fn advance(&self, state: &mut State) {
        if state.phase == ConnectionPhase::LastRequests && state.answers.open() == 0 {
            state.phase = ConnectionPhase::Flushing;
        }
        if state.phase == ConnectionPhase::Flushing && state.unsent.is_empty() && !state.writing {
            state.phase = ConnectionPhase::Lingering;
            self.stream.shutdown(Shutdown::Write);
            self.mailbox.push_half_closed(self.token);
        }
    }

    /// Nothing more of a request that was given up: a worker that waits for room hears of it.
    fn send_message(&self, request: RequestId, message: &Message<'_>) -> Result<Room, Gone> {
        let state = self.lock();
        if state.answers.is_given_up(request) {
            return Ok(Room::Full);
        }
        let (state, sent) = self.write(state, request, message);
        sent.map(|()| state.room_for(request))
    }

    /// Writes `message`, or queues it if others are before it.
    fn write<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        request: RequestId,
        message: &Message<'_>,
    ) -> (MutexGuard<'a, State>, Result<(), Gone>) {
        if state.phase.is_over() {
            return (state, Err(Gone));
        }
        if state.writing || !state.unsent.is_empty() {
            let kept = match message.unit_behind(0) {
                Ok(unit) => {
                    state.unsent.push(request, unit);
                    Ok(())
                }
                Err(error) => Err(self.broken(&mut state, &error)),
            };
            return (state, kept);
        }
        state.writing = true;
        drop(state);
        let written = message.write_now(&self.stream);
        let mut state = self.lock();
        state.writing = false;
        let sent = self.finish_writing(&mut state, request, written);
        (state, sent)
    }

    /// Queues what the socket has refused, or sends what others have queued meanwhile.
    fn finish_writing(&self, state: &mut State, request: RequestId, written: io::Result<Option<Unit>>) -> Result<(), Gone> {
        let refused = written.map_err(|error| self.broken(state, &error))?;
        let is_refused = refused.is_some();
        if state.phase == ConnectionPhase::Gone {
            // What went out before counts as sent; the next piece will not.
            return if is_refused { Err(Gone) } else { Ok(()) };
        }
        if let Some(rest) = refused {
            state.unsent.put_back(request, rest);
        }
        // When it has stopped reading meanwhile, only an event makes the event loop go on.
        let was_full = self.is_full();
        if is_refused || !self.write_unsent(state)? || was_full {
            self.wait_for_socket(state);
        }
        self.advance(state);
        Ok(())
    }

    /// The socket has refused: the event loop goes on when it has room.
    fn wait_for_socket(&self, state: &mut State) {
        state.progress = Instant::now();
        self.interest(state, Interest::READABLE | Interest::WRITABLE);
    }

    fn write_unsent(&self, state: &mut State) -> Result<bool, Gone> {
        if state.unsent.is_empty() {
            return Ok(true);
        }
        let written = state.unsent.write_to(&self.stream);
        if state.unsent.weight_of_ended() <= LOW_WATER {
            self.full.store(false, Ordering::Release);
        }
        self.wake_waiting(state);
        written.map_err(|error| self.broken(state, &error))
    }

    fn wake_waiting(&self, state: &State) {
        if state.answers.waiting().any(|request| state.may_go_on(request)) {
            self.room.notify_all();
        }
    }

    /// A broken connection is closed by the event loop, which hears of it because the socket is shut down here.
    fn broken(&self, state: &mut State, error: &io::Error) -> Gone {
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                log::error!(target: codes::FILE_SHRANK, "a file became shorter while it was being sent: connection cut");
            }
            ErrorKind::OutOfMemory => {
                log::error!(target: codes::RESPONSE_NOT_KEPT, "no memory for what the web server does not read yet: connection cut");
            }
            _ => log::debug!("the web server left before its response was sent: {error}"),
        }
        self.set_gone(state);
        self.stream.shutdown(Shutdown::Both);
        Gone
    }

    fn set_gone(&self, state: &mut State) {
        state.phase = ConnectionPhase::Gone;
        state.unsent.clear();
        self.full.store(false, Ordering::Release);
        self.any_aborted.store(true, Ordering::Release);
        state.answers.tell_all_aborted();
        self.room.notify_all();
    }

    /// Has the event loop's `Poll` watch the socket from now on.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn watch(&self) -> io::Result<()> {
        let mut state = self.lock();
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if state.unsent.is_empty() { Interest::READABLE } else { both };
        self.mailbox.registry.register(&mut SourceFd(&self.stream.as_raw_fd()), self.token, interest)?;
        state.watched = true;
        Ok(())
    }

    fn interest(&self, state: &State, interest: Interest) {
        if !state.watched {
            return;
        }
        let result = self.mailbox.registry.reregister(&mut SourceFd(&self.stream.as_raw_fd()), self.token, interest);
        if let Err(error) = result {
            log::debug!("a connection that is being closed was not watched again: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Outbox {
    fn send(&self, request: RequestId, pieces: &[IoSlice<'_>]) -> Result<Room, Gone> {
        self.send_message(request, &Message::of_bytes(pieces))
    }

    fn fetch(&self, file: &File, offset: u64, length: usize) {
        // The event loop sends what the socket refuses, and must not wait for a disk. If it can't be read, sending says so.
        let _ = sys::fd::fetch(file, offset, length);
    }

    fn send_file(&self, request: RequestId, header: &[u8], file: &Arc<File>, offset: u64, length: usize) -> Result<Room, Gone> {
        let file = Some(Part { file: Arc::clone(file), offset, length });
        self.send_message(request, &Message { pieces: &[IoSlice::new(header)], file })
    }

    fn wait_for_room(&self, request: RequestId) {
        let mut state = self.lock();
        state.answers.set_waiting(request, true);
        while !state.may_go_on(request) {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.answers.set_waiting(request, false);
    }

    fn takes_long(&self) {
        self.mailbox.relief.call();
    }

    fn end(&self, ending: Ending, pieces: &[IoSlice<'_>]) {
        let mut state = self.lock();
        state.end(ending);
        let (mut state, _) = self.write(state, ending.request, &Message::of_bytes(pieces));
        self.note_ended(&mut state, ending.request);
        self.advance(&mut state);
    }

    fn cut(&self, ending: Ending) {
        let mut state = self.lock();
        state.end(ending);
        // nginx takes a bare close as a regular end if it does not keep connections, or does not buffer; but not bytes that are no record.
        let (mut state, sent) = self.write(state, ending.request, &Message::of_bytes(&[IoSlice::new(&POISON)]));
        if sent.is_ok() {
            state.phase = ConnectionPhase::Flushing;
            self.any_aborted.store(true, Ordering::Release);
            state.answers.tell_all_aborted();
            self.advance(&mut state);
        }
    }

    fn is_aborted(&self, request: RequestId) -> bool {
        if !self.any_aborted.load(Ordering::Acquire) {
            return false;
        }
        let state = self.lock();
        state.is_aborted(request)
    }

    fn give_up(&self, request: RequestId) {
        let mut state = self.lock();
        state.answers.forget_listener(request);
        self.abort_now(&mut state, request);
    }

    fn on_abort(&self, request: RequestId, listener: Arc<dyn AbortListener>) {
        let mut state = self.lock();
        if state.is_aborted(request) {
            listener.aborted();
        } else {
            state.answers.listen(request, listener);
        }
    }
}

/// No version of FastCGI begins so.
const POISON: [u8; 16] = [0xff; 16];
