//! The line: connections on which a request has come for which no process of the pool has a worker.
//!
//! Every process of a pool can put some into the line and take the first out of it. Who waits there is in nobody's hands but the
//! kernel's, so it survives whichever process ends. A child that has no worker to spare keeps the door, if no other has one either: it
//! accepts, lines up what has a request on it, and turns away what comes when as many wait as may. Where no child serves, the queue
//! process does the same, which has no worker ever.
//!
//! Nobody sees what comes on a connection that is on the line. So one on which several requests come at once is read where it is if nobody
//! has time, and each of its requests waits in that process, or is turned away.
//!
//! A request is read as soon as its beginning is there, and may be complete only when others have taken the workers: then it is taken back,
//! unless it is too long, and is on the line what its peer sent.
//!
//! ```text
//!   door ──▶ a worker has time ───────────────────────────────▶ read, dispatched
//!    │                                                             ▲
//!    └─────▶ none has ──▶ fewer wait than may ──▶ line ──▶ whoever has a worker first, or nobody in its queue who has waited for longer
//!                         as many wait ─────────▶ read, 503
//! ```
//!
//! Where peers always have several requests on a connection no worker ever has time for others. So the first on the line is taken as well by
//! a process whose queue has only requests that came later, and is the next one there. No process takes more than that beforehand: others
//! may be sooner.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::EventLoop;
use super::connection::Connection;
use super::handover::UNHEEDED;
use super::listener::Purpose;
use super::passage::{Missing, Passage, Traveller};
use super::stream::Stream;
use crate::scheduler::Place;
use shared::logging::codes;
use shared::scoreboard::{Presence, Seat, encode_since, parse_since};
use shared::sys::epoll;
use shared::sys::fd::{self, Spare};
use shared::sys::process::monotonic_time;

/// What an event loop does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It has workers for them.
    Serve,
    /// The queue process while children serve: nothing.
    Rest,
    /// While a child is about to: it lines them up.
    Hold,
    /// While none is: it turns them away, and who waits.
    Refuse,
}

/// The line, as one process has it.
#[derive(Debug)]
pub struct Line {
    pub(super) passage: Passage,
    pub(super) seat: Seat,
    most: usize,
    presence: Presence,
    connections: usize,
    is_watched: bool,
    pub(super) is_broken: bool,
}

impl Line {
    /// The line through `passage`, on which up to `most` requests of the pool wait.
    pub fn new(passage: Passage, seat: Seat, most: usize) -> Self {
        Self {
            passage,
            seat,
            most: most.max(1),
            presence: Presence::Absent,
            connections: 0,
            is_watched: false,
            is_broken: false,
        }
    }

    /// Says how this process is, if that has changed.
    pub fn set_presence(&mut self, presence: Presence) {
        if self.presence != presence {
            self.presence = presence;
            self.seat.set(presence);
        }
    }

    /// Says how many connections this process has, if that has changed.
    pub fn set_connections(&mut self, count: usize) {
        if self.connections != count {
            self.connections = count;
            self.seat.set_connections(count);
        }
    }

    /// Whether somebody waits whom nobody else will serve, since all others stop too, if there are any.
    pub fn is_left_to_this(&self) -> bool {
        !self.seat.others_serve() && !self.is_empty()
    }

    /// A place for one more request that waits, if there may be one.
    pub fn place(&self) -> Option<Place> {
        Place::take(&self.seat, self.most)
    }

    /// Whether somebody waits in the pool, as far as is known without looking.
    pub fn somebody_waits(&self) -> bool {
        !self.is_broken && self.seat.waiting() > 0
    }

    /// How many wait in the pool.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.seat.waiting()
    }

    /// Whether somebody is on the line, as far as is known without looking.
    pub fn is_used(&self) -> bool {
        !self.is_broken && self.seat.waiting_elsewhere() > 0
    }

    /// Whether there is nobody on the line, which takes a look.
    pub fn is_empty(&self) -> bool {
        self.is_broken || !self.passage.is_readable()
    }

    /// Since when the first one waits.
    fn first_since(&self) -> Option<Instant> {
        let head = self.head()?;
        parse_since(&head).map(|(since, _)| instant(since))
    }

    /// Is told when somebody is on the line, or no longer.
    ///
    /// # Errors
    /// Those of epoll_ctl(2).
    pub fn watch(&mut self, epoll: RawFd, watched: bool) -> io::Result<()> {
        if watched == self.is_watched || self.is_broken {
            return Ok(());
        }
        self.is_watched = watched;
        match watched {
            true => epoll::add_exclusive(epoll, self.passage.as_raw_fd(), TOKEN),
            false => epoll::remove(epoll, self.passage.as_raw_fd()),
        }
    }

    fn give(&self, stream: &Stream, unread: &[u8], has_read: bool, since: Instant) -> io::Result<()> {
        // It would come before others who go round.
        if self.seat.somebody_looks(millis(monotonic_time())) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.passage.give(stream, &message(unread, since), (has_read, Purpose::Site))
    }

    /// The same with one who was taken off in error. Who came first is first no more.
    pub(super) fn put_back(&self, traveller: &mut Traveller, since: Instant) -> io::Result<()> {
        self.seat.set_mixed(true);
        traveller.unread = message(&traveller.unread, since);
        self.passage.give(&traveller.stream, &traveller.unread, (traveller.has_read, traveller.purpose))
    }

    pub(super) fn take(&self, spare: &mut Spare) -> io::Result<(Traveller, Instant)> {
        let mut traveller = self.passage.take(spare)?;
        // Nobody reads the answer any more.
        if fd::is_shut(traveller.stream.as_fd()) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let since = open_message(&mut traveller)?;
        Ok((traveller, since))
    }
}

/// As the scoreboard keeps it: the clock goes round.
pub(super) fn millis(time: Duration) -> u32 {
    time.as_millis() as u32
}

/// What is on the line beside the connection. Whoever is stopped meanwhile says a later time: nobody is to be refused too early for it.
fn message(unread: &[u8], since: Instant) -> Vec<u8> {
    let waited = since.elapsed();
    [&encode_since(monotonic_time().saturating_sub(waited)), unread].concat()
}

/// Since when its request waits; what was read of it remains.
pub(super) fn open_message(traveller: &mut Traveller) -> io::Result<Instant> {
    let (since, unread) = parse_since(&traveller.unread).ok_or(io::ErrorKind::InvalidData)?;
    let unread = unread.to_vec();
    traveller.unread = unread;
    Ok(instant(since))
}

/// That time of the monotonic clock.
fn instant(since: Duration) -> Instant {
    let waited = monotonic_time().saturating_sub(since).min(LONGEST_WAIT);
    Instant::now().checked_sub(waited).unwrap_or_else(Instant::now)
}

impl EventLoop {
    /// What is to become of the requests that come from now on.
    pub(super) fn set_duty(&mut self, duty: Duty) {
        if self.duty == Duty::Serve || self.duty == duty {
            return;
        }
        self.duty = duty;
        if duty == Duty::Refuse {
            self.take_from_line();
            self.read_deferred();
        }
    }

    /// Says how many connections there are, if that has changed.
    pub(super) fn show_connections(&mut self) {
        self.line.set_connections(self.connections.len());
    }

    /// Whether whatever is read now is refused: nobody would answer it.
    pub(super) fn turns_all_away(&self) -> bool {
        self.duty == Duty::Refuse || self.duty != Duty::Serve && self.lifecycle.is_stopping()
    }

    /// Whether it accepts although it has no worker to spare.
    pub(super) fn keeps_door(&self) -> bool {
        match self.duty {
            Duty::Serve => !self.line.seat.others_have_time(),
            Duty::Rest => false,
            Duty::Hold | Duty::Refuse => true,
        }
    }

    /// The request that runs may end the process: none that waits is to be in its hands for longer than it takes.
    pub(super) fn line_up_at_once(&mut self) {
        if self.is_noted() {
            self.line_up();
        }
    }

    /// Puts the connections on which a request waits into the line, and answers those for which there is no place.
    pub(super) fn line_up(&mut self) {
        while let Some(key) = self.pop_deferred() {
            match self.give_to_line(key) {
                Ok(true) => {}
                Ok(false) if self.make_room() => self.defer_first(key),
                Ok(false) => self.turn_away(key),
                Err(error) => {
                    if is_of_line(&error) {
                        self.lose_line();
                    }
                    return self.defer_first(key);
                }
            }
        }
    }

    /// Whether there was a place for it.
    fn give_to_line(&mut self, key: usize) -> io::Result<bool> {
        let (line, Some(connection)) = (&self.line, self.connections.get_mut(key)) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        // One that the line did not take before has its place.
        let Some(place) = connection.take_place().or_else(|| line.place()) else {
            return Ok(false);
        };
        if line.is_broken {
            connection.keep_place(place);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let given = connection.give_to_line(|stream, unread, has_read, since| line.give(stream, unread, has_read, since));
        if let Err(error) = given {
            connection.keep_place(place);
            return Err(error);
        }
        place.leave();
        self.forget(key).release(&self.mailbox.registry);
        Ok(true)
    }

    /// Takes those who wait for as many workers as have time, and those who have waited for longer than all that are queued here.
    pub(super) fn take_from_line(&mut self) -> usize {
        let (mut strays, mut count) = (0, 0);
        while strays < STRAYS_A_TURN && self.takes_from_line() {
            match self.take_one_from_line() {
                Ok((traveller, since)) => {
                    count += 1;
                    self.resume_waiting(traveller, since);
                }
                Err(Missing::Nothing | Missing::Door) => break,
                Err(Missing::Ended | Missing::Stray) => strays += 1,
            }
        }
        count
    }

    /// Takes the first, who is counted there until that is taken back.
    pub(super) fn take_one_from_line(&mut self) -> Result<(Traveller, Instant), Missing> {
        if self.line.is_broken || !self.has_room() {
            return Err(Missing::Nothing);
        }
        self.line.take(&mut self.spare).map_err(|error| {
            let missing = self.missing(&error);
            match missing {
                Missing::Nothing => self.line.seat.line_is_empty(),
                Missing::Ended => self.line.seat.take_off_line(),
                Missing::Stray => {}
                Missing::Door => self.lose_line(),
            }
            missing
        })
    }

    fn takes_from_line(&self) -> bool {
        match self.duty {
            Duty::Serve => !self.lifecycle.is_retiring() && (!self.is_saturated() || self.is_turn_of_first()),
            Duty::Refuse => true,
            Duty::Rest | Duty::Hold => false,
        }
    }

    /// Whether the first on the line is to be served before all that are queued here. Others who have time take it sooner, unless somebody
    /// has stopped them.
    fn is_turn_of_first(&self) -> bool {
        let is_left = |since: Instant| !self.line.seat.others_have_time() || since.elapsed() >= UNHEEDED;
        let is_turn = |since| is_left(since) && self.queue.is_turn_of(since);
        self.line.is_used() && self.line.first_since().is_some_and(is_turn)
    }

    /// Reads one who waits since then, and is counted on the line.
    fn resume_waiting(&mut self, traveller: Traveller, since: Instant) {
        let key = self.admit_waiting(traveller, since);
        if self.duty == Duty::Serve && self.is_saturated() {
            self.read_in_turn(key);
        } else {
            self.line.seat.take_off_line();
            match self.duty {
                Duty::Refuse => self.turn_away(key),
                _ => self.read(key, false),
            }
        }
        self.finish_if_over(key);
    }

    /// No worker has time, but its turn has come: it waits on, and is not put on the line again. Who is not complete by now does not wait
    /// for a worker.
    fn read_in_turn(&mut self, key: usize) {
        let place = Place::take_from_line(&self.line.seat);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.keep_place(place);
        }
        self.read_now(key, false);
        self.connections.get_mut(key).and_then(Connection::take_place);
    }

    pub(super) fn admit_waiting(&mut self, traveller: Traveller, since: Instant) -> usize {
        let key = self.admit(traveller);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.has_waited(since);
        }
        if self.settings.queue_timeout.is_some() {
            // Whether that was too long is seen by this.
            self.now = Instant::now();
        }
        key
    }

    pub(super) fn finish_if_over(&mut self, key: usize) {
        if !self.lifecycle.is_serving() {
            self.connections.get_mut(key).into_iter().for_each(Connection::finish);
        }
    }

    fn lose_line(&mut self) {
        if self.line.watch(self.acceptor.epoll(), false).is_err() {
            log::debug!("the line was not watched any more");
        }
        self.line.is_broken = true;
        log::error!(
            target: codes::LINE_LOST,
            "the line of waiting requests was shut down, perhaps by the application: each process keeps its own until a reload"
        );
    }
}

fn is_of_line(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// The token of its events.
pub const TOKEN: usize = usize::MAX - 1;
/// More that is no connection waits for the next turn.
const STRAYS_A_TURN: usize = 64;
/// What an application writes as the time is no time.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
