//! Accepts, reads, dispatches, and flushes what workers could not send at once.
//!
//! Owns connections from accept to close, or until another process of the pool takes them over. Blocks only in `poll`, and knows
//! neither Python nor what a worker does. It hears [`Command`]s on sockets. Which thread turns it is the scheduler's business.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::UnixStream;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::exchange::{ConnectionId, Refusal};
use crate::scheduler::{Queue, Saturation, Turned};
use shared::link::{Command, Report};
use shared::logging::codes;
use shared::sys::fd::{Spare, is_out_of_descriptors};

mod acceptor;
mod connection;
mod controls;
mod handover;
mod held;
mod inquiries;
mod intake;
mod lifecycle;
mod line;
mod listener;
mod mailbox;
mod outbox;
mod overdue;
mod passage;
mod probes;
mod refusals;
mod round;
mod settings;
mod shared_loop;
mod shortage;
mod stopping;
mod stream;
mod timers;
mod unsent;
mod uploads;

use acceptor::{Acceptor, Door};
use connection::{Connection, Turn};
use controls::{Controls, Heard};
use held::Held;
use inquiries::Inquiries;
pub use inquiries::{Attendant, Speaker};
use intake::Context;
use lifecycle::{Entrance, Lifecycle};
pub use line::{Duty, Line};
pub use listener::{Listener, Purpose};
use mailbox::Mailbox;
use outbox::Outbox;
use overdue::Overdue;
pub use passage::Passage;
pub use probes::{Probes, StatusPlace};
use refusals::Refusals;
pub use settings::{Doors, Settings};
pub use shared_loop::SharedLoop;
use stream::{PeerName, Stream};
use timers::Timers;
use uploads::Uploads;

/// One child's event loop.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    events: Events,
    settings: Settings,
    controls: Controls,
    acceptor: Acceptor,
    /// The first token of a connection; those before are the control sockets' and the acceptor's.
    first_connection: usize,
    connections: Slab<Connection>,
    timers: Timers<(ConnectionId, usize)>,
    queue: Queue,
    refusals: Refusals,
    mailbox: Arc<Mailbox>,
    /// Connections that were opened in this turn.
    unwatched: Vec<(ConnectionId, usize)>,
    /// Connections on which a request has come while no worker had time for it. They are untouched.
    deferred: VecDeque<(ConnectionId, usize)>,
    saturation: Saturation,
    overdue: Overdue,
    held: Held,
    duty: Duty,
    line: Line,
    /// Whether it does not accept, since others have time.
    is_shut_out: bool,
    /// Since when somebody has stood at the door all the same.
    unheeded_since: Option<Instant>,
    buffer: Option<Vec<u8>>,
    uploads: Uploads,
    unfinished: Vec<usize>,
    next_id: u64,
    lifecycle: Lifecycle,
    /// When to take in again, after no descriptor was left or one of too many has closed. No part of the life: who stops takes from the
    /// line, too.
    accept_again_at: Option<Instant>,
    accept_error_said: Option<Instant>,
    /// Has room for a connection when no descriptor is left.
    spare: Spare,
    stray_said: Option<Instant>,
    refused_said: Option<Instant>,
    limit_reported: bool,
    is_worn: bool,
    inquiries: Inquiries,
    now: Instant,
}

/// How the event loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Requests that had begun and were not answered.
    pub abandoned: usize,
    /// When the time is over that what still runs was given.
    pub deadline: Instant,
    /// When the process is to have ended.
    pub end: Instant,
}

impl EventLoop {
    /// Watches the doors and `controls`, of which the first is the link to the supervisor, and puts requests into `queue`.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn new(
        Doors { listeners, passage, line }: Doors,
        controls: Vec<UnixStream>,
        duty: Duty,
        queue: Queue,
        settings: Settings,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let controls = Controls::new(controls, &registry)?;
        let acceptor = Acceptor::new(poll.as_raw_fd(), controls.count(), listeners, passage);
        let now = Instant::now();
        let inquiries = Inquiries::new(&registry, &queue)?;
        Ok(Self {
            saturation: Saturation::new(now),
            mailbox: Arc::new(Mailbox::new(registry, queue.relief())),
            poll,
            events: Events::with_capacity(EVENTS_A_TURN),
            controls,
            first_connection: acceptor.end_token(),
            acceptor,
            connections: Slab::new(),
            timers: Timers::new(),
            queue,
            refusals: Refusals::default(),
            unwatched: Vec::new(),
            deferred: VecDeque::new(),
            overdue: Overdue::default(),
            held: Held::default(),
            duty,
            line,
            is_shut_out: false,
            unheeded_since: None,
            buffer: None,
            uploads: Uploads::new(settings.uploads_memory),
            settings,
            unfinished: Vec::new(),
            next_id: 1,
            lifecycle: Lifecycle::Serving(Entrance::Open),
            accept_again_at: None,
            accept_error_said: None,
            spare: Spare::default(),
            stray_said: None,
            refused_said: None,
            limit_reported: false,
            is_worn: false,
            inquiries,
            now,
        })
    }

    /// Turns it until it ends, where no worker does.
    ///
    /// # Errors
    /// Those of epoll.
    pub fn run(mut self) -> io::Result<Stopped> {
        loop {
            if let Turned::Ended(stopped) = self.turn(None)? {
                return Ok(stopped);
            }
        }
    }

    /// Handles what has happened, after waiting for at most `limit` until something has. Requests are queued, but no worker is
    /// called for them.
    ///
    /// # Errors
    /// Those of epoll.
    fn turn(&mut self, limit: Option<Duration>) -> io::Result<Turned<Stopped>> {
        self.close_half_closed();
        self.watch_opened();
        let continued = self.open_or_shut()?;
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        // What is due is not asked for where nobody waits for it.
        let waits = continued == 0 && limit != Some(Duration::ZERO);
        let timeout = if waits { limit.into_iter().chain(self.poll_timeout()).min() } else { Some(Duration::ZERO) };
        let polled = self.poll.poll(&mut events, timeout);
        if let Err(error) = polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        self.now = Instant::now();
        let count = continued + events.iter().count();
        let stopped = events.iter().find_map(|event| self.handle_event(event));
        self.events = events;
        self.continue_unfinished();
        self.continue_accepting();
        self.line_up_at_once();
        self.expire();
        self.refuse_overdue();
        self.inquiries.keep_time(self.now);
        self.uploads.give_back(self.now);
        self.hand_over_idle();
        self.finish_new();
        self.refusals.say_held_back(self.now);
        self.report_wear();
        self.show_connections();
        Ok(stopped.or_else(|| self.stopped()).map_or(Turned::Handled(count), Turned::Ended))
    }

    fn handle_event(&mut self, event: &Event) -> Option<Stopped> {
        let Token(token) = event.token();
        if token < self.controls.count() {
            return self.handle_control(token);
        }
        match self.acceptor.door(token) {
            Some(Door::Listener(index)) => self.accept_from(index),
            Some(Door::Passage) => self.take_from_passage(),
            None if token == handover::WAKE_UP => {
                self.inquiries.pass_on(&mut self.controls);
                self.refuse_late();
            }
            None if token == line::TOKEN => drop(self.take_from_line()),
            None => self.handle_ready(token - self.first_connection, event),
        }
        None
    }

    fn handle_control(&mut self, index: usize) -> Option<Stopped> {
        for heard in self.controls.read(index) {
            match heard {
                Heard::Command(Command::StopNow) => {
                    return Some(self.abandon("pyfcgid was told to stop at once", stopping::QUICK_END));
                }
                Heard::Command(Command::Terminate) => self.stop_by_signal(&Report::Terminated),
                Heard::Command(Command::Quit) => self.stop_by_signal(&Report::Quit),
                Heard::Command(Command::StopGracefully) | Heard::LinkEnded => self.start_stopping(),
                Heard::Command(Command::Retire) => self.start_retiring(),
                Heard::Command(Command::Hold) => self.set_duty(Duty::Hold),
                Heard::Command(Command::Refuse) => self.set_duty(Duty::Refuse),
                Heard::Command(Command::Rest) => self.set_duty(Duty::Rest),
                Heard::Command(Command::Look) => self.inquiries.look(),
                Heard::Command(Command::TellStacks) => self.inquiries.tell_stacks(),
                // It has begun before.
                Heard::Command(Command::Begin) => {}
            }
        }
        None
    }

    fn stop_by_signal(&mut self, report: &Report) {
        self.controls.report(report);
        self.start_stopping();
    }

    fn report_wear(&mut self) {
        self.controls.flush();
        if !self.is_worn && self.settings.max_requests.is_some_and(|most| self.queue.dispatched() >= most) {
            self.is_worn = true;
            self.controls.report(&Report::Worn);
        }
    }

    fn handle_ready(&mut self, key: usize, event: &Event) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        if event.is_writable() && connection.outbox().flush(self.now).is_err() {
            return self.close(key);
        }
        if event.is_write_closed() && connection.outbox().status().phase.is_over() {
            return self.close(key);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() || connection.is_paused() {
            self.read(key, event.is_read_closed());
        }
    }

    fn read(&mut self, key: usize, closing: bool) {
        if self.is_for_probes(key) {
            return self.turn_away(key);
        }
        if !self.turns_all_away() && self.leaves_unread(key, closing) {
            return;
        }
        match self.duty {
            Duty::Serve => self.read_now(key, closing),
            // It has no worker: what it reads it refuses.
            Duty::Rest | Duty::Hold | Duty::Refuse => self.turn_away(key),
        }
    }

    /// Reads a connection on which what begins now is refused.
    fn turn_away(&mut self, key: usize) {
        let refusal = match (self.turns_all_away(), self.lifecycle.is_serving()) {
            (true, false) => Refusal::Stopping,
            (true, true) => Refusal::NotServing,
            (false, _) => Refusal::Overloaded,
        };
        self.connections.get_mut(key).into_iter().for_each(|connection| connection.set_turning_away(Some(refusal)));
        self.read_now(key, true);
        self.connections.get_mut(key).into_iter().for_each(|connection| connection.set_turning_away(None));
    }

    fn read_now(&mut self, key: usize, closing: bool) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let gives_away =
            self.duty == Duty::Serve && self.lifecycle.is_serving() && self.settings.spread && !self.line.is_broken;
        let mut context = Context {
            queue: &self.queue,
            line: gives_away.then_some(&self.line),
            is_stalled: self.saturation.is_stalled(),
            probes: self.settings.probes.as_ref(),
            refusals: &mut self.refusals,
            spare: &mut self.buffer,
            now: self.now,
        };
        let turn = connection.read(closing, &mut context);
        match turn {
            Turn::Done | Turn::Waits => {}
            Turn::Again => self.unfinished.push(key),
            Turn::Close => return self.close(key),
        }
        if connection.multiplexes() {
            self.line.seat.note_multiplexing();
        }
        self.count_uploads(key);
        if turn == Turn::Waits {
            self.defer(key);
        }
    }

    /// Saves waiting for peers to close too, where nothing can come from them any more.
    fn close_half_closed(&mut self) {
        while let Some(Token(token)) = self.mailbox.pop_half_closed() {
            let key = token - self.first_connection;
            if self.connections.get_mut(key).is_some_and(Connection::is_over) {
                self.close(key);
                // Nothing else may happen for long after this.
                self.show_connections();
            }
        }
    }

    fn continue_unfinished(&mut self) {
        for key in std::mem::take(&mut self.unfinished) {
            self.read(key, true);
        }
    }

    fn close(&mut self, key: usize) {
        self.forget(key).close(&self.mailbox.registry);
    }

    /// Takes a connection off the list, on which there is room for another one then.
    fn forget(&mut self, key: usize) -> Connection {
        let connection = self.connections.remove(key);
        if connection.counted() > 0 {
            self.uploads.change(connection.counted(), 0, self.now);
        }
        if self.lifecycle.is_full() {
            self.lifecycle.set_entrance(Entrance::Open);
            self.accept_again_at.get_or_insert(self.now);
        }
        connection
    }

    /// At least one, since others were not woken for it, and more as long as there are workers for them.
    fn accept_from(&mut self, index: usize) {
        let mut has_accepted = false;
        while self.may_accept() {
            if self.connections.len() >= self.settings.max_connections && self.lifecycle.is_serving() {
                return self.reach_limit();
            }
            match self.acceptor.accept(index) {
                Ok((stream, peer, purpose)) => self.open(stream, peer, purpose),
                // A Unix socket that was shut down is ready for ever, and has nothing.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !has_accepted && self.acceptor.is_shut(index) => {
                    return self.give_up(Door::Listener(index));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if listener::is_not_allowed(&error) => self.say_who_may_not_connect(&error),
                Err(error) if is_out_of_descriptors(&error) => return self.pass_on(index, &error),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return self.give_up(Door::Listener(index)),
                Err(error) => self.pause_accepting(&error),
            }
            has_accepted = true;
            self.line_up_at_once();
            if self.has_enough() {
                return;
            }
        }
    }

    /// Whether connections may be waiting that were not accepted, and can be.
    fn may_accept(&self) -> bool {
        self.accept_again_at.is_none() && !self.lifecycle.is_full()
    }

    fn enter_all(&mut self) {
        for door in self.acceptor.doors() {
            match door {
                Door::Listener(index) => self.accept_from(index),
                Door::Passage => self.take_from_passage(),
            }
        }
    }

    fn open(&mut self, stream: Stream, peer: PeerName, purpose: Purpose) {
        let key = self.insert(stream, peer, purpose);
        // A web server sends its request right after it has connected, so it is there by now as a rule.
        self.read(key, false);
    }

    fn insert(&mut self, stream: Stream, peer: PeerName, purpose: Purpose) -> usize {
        let id = ConnectionId::new(self.next_id);
        self.next_id += 1;
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let token = Token(self.first_connection + key);
        let outbox = Arc::new(Outbox::new(stream, token, Arc::clone(&self.mailbox), self.now));
        entry.insert(Connection::new(id, (peer, purpose), outbox, &self.settings, self.now));
        self.unwatched.push((id, key));
        key
    }

    /// Watches the connections that were opened in the turn before. One that has been answered and closed since, as one that is
    /// not kept is under load, need not be.
    fn watch_opened(&mut self) {
        while let Some((id, key)) = self.unwatched.pop() {
            let Some(connection) = self.connections.get(key).filter(|connection| connection.id() == id) else {
                continue;
            };
            if let Err(error) = connection.outbox().watch() {
                log::error!(target: codes::CONNECTION_NOT_WATCHED, "connection {id} closed: it cannot be watched: {error}");
                self.close(key);
                continue;
            }
            self.timers.insert(self.now + self.check_interval(), (id, key));
        }
    }

    /// Looks at the connections whose entry has come due: each says itself when it is to be closed.
    fn expire(&mut self) {
        while let Some((id, key)) = self.timers.pop_due(self.now) {
            let Some(connection) = self.connections.get(key).filter(|connection| connection.id() == id) else {
                continue;
            };
            let next = self.now + self.check_interval();
            match connection.deadline(&self.settings) {
                Some((deadline, expiry)) if deadline <= self.now => {
                    connection.report_expiry(expiry);
                    self.close(key);
                }
                Some((deadline, _)) => self.timers.insert(deadline.min(next), (id, key)),
                None => self.timers.insert(next, (id, key)),
            }
        }
    }

    /// No deadline that starts later can pass within this time.
    fn check_interval(&self) -> Duration {
        let timeouts = [self.settings.socket_timeout, self.settings.idle_timeout];
        timeouts.into_iter().flatten().min().unwrap_or(MAX_CHECK_INTERVAL).min(MAX_CHECK_INTERVAL)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let accept = self.accept_again_at.map(|when| when.saturating_duration_since(now));
        let stop = (!self.lifecycle.is_serving()).then_some(STOP_CHECK_INTERVAL);
        let unfinished = (!self.unfinished.is_empty()).then_some(Duration::ZERO);
        let deferred = (!self.deferred.is_empty()).then_some(handover::RETRY_INTERVAL);
        let overdue = self.overdue.next().into_iter().chain(self.held.next()).min();
        let overdue = overdue.map(|when| when.saturating_duration_since(now));
        let own = [self.timers.next_in(now), self.refusals.next_in(now), self.relief_in(now), self.uploads.next_in(now)];
        let own = own.into_iter().chain([self.inquiries.next_in(now), overdue]);
        own.chain([accept, stop, unfinished, deferred]).flatten().min()
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.connections.iter().for_each(|(_, connection)| connection.outbox().close());
    }
}

/// Errors of accept(2) that say something of the connection, not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset)
}

const EVENTS_A_TURN: usize = 256;
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Not longer than a connection may linger.
const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(10);
