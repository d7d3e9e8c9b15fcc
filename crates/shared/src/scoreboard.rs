//! What the children of a pool tell each other and the supervisor of what they do, in memory that they share.
//!
//! Each process has a seat, on which it says whether it has a worker to spare. Whoever has none learns from the others' seats whether
//! somebody else has. How many requests wait in the pool is one number for all: those that a process keeps, which its seat counts
//! too, and those on the line, which belong to nobody. Each worker has a slot, on which it says what it answers and counts what it has
//! answered ([`slot`]).
//!
//! ```text
//! header | a seat for each process | a slot for each worker
//! ```
//!
//! Its application may write here what it likes. It harms its own pool only: every value is taken as a number or as bytes from an
//! enemy, and nothing depends on one but who is asked next, who is answered 503, and what is told of this pool.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strum::FromRepr;

use crate::sys::shared_memory::SharedWords;
use crate::sys::timeline::nanoseconds;

mod lookout;
pub mod refused;
pub mod roster;
mod sequence;
pub mod slot;
pub mod tally;

pub use lookout::Lookout;
use refused::RefusedFor;
use slot::SLOT_WORDS;

/// The shared memory of one pool.
#[derive(Debug)]
pub struct Scoreboard {
    memory: SharedWords,
}

/// The place of one process.
#[derive(Clone, Debug)]
pub struct Seat {
    scoreboard: Arc<Scoreboard>,
    number: usize,
}

/// What a process says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRepr)]
#[repr(u64)]
pub enum Presence {
    /// It takes no requests, or there is none.
    Absent = 0,
    /// It has a worker to spare.
    HasTime = 1,
    /// It has none, and goes on.
    Full = 2,
}

impl Scoreboard {
    /// A pool without processes.
    ///
    /// # Errors
    /// Those of [`SharedWords::new`].
    pub fn new() -> io::Result<Self> {
        let scoreboard = Self { memory: SharedWords::new(c"pyfcgid-scoreboard", WORDS)? };
        scoreboard.word(VERSION_WORD).set(VERSION);
        Ok(scoreboard)
    }

    /// That of the program before this one.
    ///
    /// # Errors
    /// Those of [`SharedWords::adopt`], and `InvalidData` when it has another layout.
    pub fn adopt(file: OwnedFd) -> io::Result<Self> {
        let scoreboard = Self::share(file)?;
        match scoreboard.word(VERSION_WORD).get() {
            VERSION => Ok(scoreboard),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// That of this program's own supervisor. What stands in it is not asked for its layout: an application may have written anything.
    ///
    /// # Errors
    /// Those of [`SharedWords::adopt`].
    pub fn share(file: OwnedFd) -> io::Result<Self> {
        Ok(Self { memory: SharedWords::adopt(file, WORDS)? })
    }

    /// The seat of this number, below [`SEATS`].
    pub fn seat(self: &Arc<Self>, number: usize) -> Seat {
        let number = number.min(SEATS - 1);
        self.word(TAKEN).raise_to(number as u64 + 1);
        Seat { scoreboard: Arc::clone(self), number }
    }

    /// The process on this seat has gone, and what waited there with it.
    pub fn vacate(&self, number: usize) {
        self.word_of(number, PRESENCE).set(Presence::Absent as u64);
        self.pool_waiting().subtract(self.word_of(number, KEPT).replace(0));
        self.word_of(number, CONNECTIONS).set(0);
        self.end_lookout_of(number);
    }

    /// Seats that nobody has say nothing, whatever an application has written there: else it would be believed for ever. `taken` are the
    /// others.
    pub fn tidy(&self, taken: &BTreeSet<usize>) {
        for number in (0..SEATS).filter(|number| !taken.contains(number)) {
            (0..SEAT_WORDS).for_each(|index| self.word_of(number, index).set(0));
        }
        let end = taken.last().map_or(0, |last| last + 1);
        self.word(TAKEN).set(end.min(SEATS) as u64);
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.pool_waiting().get() as usize
    }

    /// Nothing is on the line. If nobody else keeps a request that waits, what is left of the count belongs to processes that were
    /// killed just while they changed it.
    pub fn line_is_empty(&self) {
        let counted = self.pool_waiting().get();
        if counted > 0 && (0..self.taken()).all(|number| self.word_of(number, KEPT).get() == 0) {
            // Not if somebody has begun to wait meanwhile.
            self.pool_waiting().change(counted, 0);
        }
    }

    /// How many requests were refused for this reason.
    pub fn refused(&self, reason: RefusedFor) -> u64 {
        self.word(reason as usize).get()
    }

    /// What the process on this seat says.
    pub fn presence(&self, number: usize) -> Presence {
        Presence::from_repr(self.word_of(number, PRESENCE).get()).unwrap_or(Presence::Absent)
    }

    /// How many requests wait in the process on this seat.
    pub fn kept(&self, number: usize) -> u64 {
        self.word_of(number, KEPT).get()
    }

    /// How many connections the process on this seat has.
    pub fn connections(&self, number: usize) -> u64 {
        self.word_of(number, CONNECTIONS).get()
    }

    fn taken(&self) -> usize {
        (self.word(TAKEN).get() as usize).min(SEATS)
    }

    fn pool_waiting(&self) -> Word<'_> {
        self.word(WAITING)
    }

    fn word_of(&self, seat: usize, index: usize) -> Word<'_> {
        self.word(HEADER + SEAT_WORDS * seat.min(SEATS - 1) + index)
    }

    fn word(&self, index: usize) -> Word<'_> {
        Word(&self.memory.words()[index])
    }
}

/// One number of the scoreboard, which every process of the pool may change at any time.
#[derive(Clone, Copy)]
struct Word<'a>(&'a AtomicU64);

impl Word<'_> {
    fn get(self) -> u64 {
        self.0.load(ORDER)
    }

    fn set(self, value: u64) {
        self.0.store(value, ORDER);
    }

    fn raise_to(self, value: u64) {
        self.0.fetch_max(value, ORDER);
    }

    /// The value before.
    fn replace(self, value: u64) -> u64 {
        self.0.swap(value, ORDER)
    }

    /// The value before.
    fn add_one(self) -> u64 {
        self.0.fetch_add(1, ORDER)
    }

    /// Never below zero, whatever somebody has written there.
    fn subtract(self, count: u64) {
        self.0.fetch_update(ORDER, ORDER, |value| Some(value.saturating_sub(count))).ok();
    }

    /// Whether it was `from` and is `to` now.
    fn change(self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, ORDER, ORDER).is_ok()
    }
}

impl AsRawFd for Scoreboard {
    fn as_raw_fd(&self) -> RawFd {
        self.memory.as_raw_fd()
    }
}

impl Seat {
    /// Says how this process is.
    pub fn set(&self, presence: Presence) {
        self.word(PRESENCE).set(presence as u64);
    }

    /// Says how many connections this process has.
    pub fn set_connections(&self, count: usize) {
        self.word(CONNECTIONS).set(count as u64);
    }

    /// This process has no scoreboard but this: those of other pools, which its parent has, are none of its business.
    ///
    /// # Errors
    /// Those of [`SharedWords::share_no_others`].
    pub fn have_no_others(&self) -> io::Result<()> {
        self.scoreboard.memory.share_no_others()
    }

    /// Whether another process has a worker to spare.
    pub fn others_have_time(&self) -> bool {
        self.others().any(|presence| presence == Presence::HasTime)
    }

    /// Whether another process takes requests.
    pub fn others_serve(&self) -> bool {
        self.others().any(|presence| presence != Presence::Absent)
    }

    fn others(&self) -> impl Iterator<Item = Presence> {
        let others = (0..self.scoreboard.taken()).filter(|number| *number != self.number);
        others.map(|number| self.scoreboard.presence(number))
    }

    /// How many requests wait in the pool.
    pub fn waiting(&self) -> usize {
        self.scoreboard.waiting()
    }

    /// One more request waits in this process, unless `most` do in the pool.
    pub fn begin_to_wait(&self, most: usize) -> bool {
        let pool = self.scoreboard.pool_waiting();
        if pool.add_one() as usize >= most {
            pool.subtract(1);
            return false;
        }
        self.word(KEPT).add_one();
        true
    }

    /// A request is refused.
    pub fn note_refusal(&self, reason: RefusedFor) {
        self.scoreboard.word(reason as usize).add_one();
    }

    /// How many requests wait on the line or in other processes.
    pub fn waiting_elsewhere(&self) -> usize {
        let own = self.word(KEPT).get() as usize;
        self.scoreboard.waiting().saturating_sub(own)
    }

    /// A peer of the pool sends several requests at once on a connection.
    pub fn note_multiplexing(&self) {
        let word = self.scoreboard.word(MULTIPLEXED);
        if word.get() == 0 {
            word.set(1);
        }
    }

    /// Whether one has done that.
    pub fn is_multiplexed(&self) -> bool {
        self.scoreboard.word(MULTIPLEXED).get() != 0
    }

    /// A request that has waited here waits on the line now.
    pub fn put_on_line(&self) {
        self.word(KEPT).subtract(1);
    }

    /// A request that has waited on the line waits here now.
    pub fn take_to_itself(&self) {
        self.word(KEPT).add_one();
    }

    /// A request was taken off the line, and waits no more.
    pub fn take_off_line(&self) {
        self.scoreboard.pool_waiting().subtract(1);
    }

    /// A request that waited here is begun, or dropped.
    pub fn end_to_wait(&self) {
        self.word(KEPT).subtract(1);
        self.scoreboard.pool_waiting().subtract(1);
    }

    /// See [`Scoreboard::line_is_empty`].
    pub fn line_is_empty(&self) {
        self.scoreboard.line_is_empty();
        if self.is_mixed() {
            self.set_mixed(false);
        }
    }

    fn word(&self, index: usize) -> Word<'_> {
        self.scoreboard.word_of(self.number, index)
    }
}

/// How a message on the line begins, behind its flag: since when its request waits, by the system's monotonic clock.
pub fn encode_since(since: Duration) -> [u8; SINCE_LEN] {
    nanoseconds(since).to_be_bytes()
}

/// The other way round, and what is behind it.
pub fn parse_since(bytes: &[u8]) -> Option<(Duration, &[u8])> {
    let (nanoseconds, rest) = bytes.split_first_chunk::<SINCE_LEN>()?;
    Some((Duration::from_nanos(u64::from_be_bytes(*nanoseconds)), rest))
}

/// Bytes of that.
pub const SINCE_LEN: usize = 8;

/// Processes of a pool at one time: the most children there may be, as many that retire, and the queue process.
pub const SEATS: usize = 2 * 1024 + 1;

/// Workers of a pool at one time that say what they do: those of all its processes together. Only what is used takes memory.
pub const SLOTS: usize = 16 * 1024;

/// Of all words: there is no lock between processes, any of which may be killed with it, and whoever looks at several words concludes
/// something from them together, as that nothing waits when the seats count nothing. None of this is on the way of a request for which
/// a worker has time, but for reads, which cost nothing more.
const ORDER: Ordering = Ordering::SeqCst;

const VERSION_WORD: usize = 0;
const WAITING: usize = 1;
/// Seats from this number on have never been taken.
const TAKEN: usize = 2;
// 3, 6, 9 and 10 are those of [`RefusedFor`].
const MULTIPLEXED: usize = 4;
const LOOK_AT: usize = 5;
const LOOKOUT: usize = 7;
const MIXED: usize = 8;
const HEADER: usize = 16;
/// Of a seat: how full its process is, how many requests wait there, and how many connections it has.
const PRESENCE: usize = 0;
const KEPT: usize = 1;
const CONNECTIONS: usize = 2;
/// The rest is for what comes.
const SEAT_WORDS: usize = 8;
const FIRST_SLOT: usize = HEADER + SEAT_WORDS * SEATS;
const WORDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(FIRST_SLOT + SLOT_WORDS * SLOTS - 1);
/// Of the layout. A board of another one is not adopted.
const VERSION: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fd;

    fn scoreboard() -> Arc<Scoreboard> {
        Arc::new(Scoreboard::new().unwrap())
    }

    #[test]
    fn as_many_requests_wait_as_may_wherever_they_do() {
        let scoreboard = scoreboard();
        let (one, other) = (scoreboard.seat(0), scoreboard.seat(7));
        assert!(one.begin_to_wait(2));
        one.put_on_line();
        assert!(other.begin_to_wait(2));
        assert!(!one.begin_to_wait(2) && !other.begin_to_wait(2));
        assert_eq!(scoreboard.waiting(), 2);
        other.take_off_line();
        assert!(one.begin_to_wait(2));
        assert_eq!(one.waiting(), 2);
    }

    #[test]
    fn what_waited_in_a_process_that_has_gone_waits_no_more() {
        let scoreboard = scoreboard();
        let (dead, alive) = (scoreboard.seat(0), scoreboard.seat(1));
        for seat in [&dead, &dead, &dead, &alive] {
            assert!(seat.begin_to_wait(10));
        }
        dead.put_on_line();
        dead.set(Presence::HasTime);
        assert!(alive.others_have_time());
        scoreboard.vacate(0);
        assert_eq!((scoreboard.waiting(), scoreboard.presence(0)), (2, Presence::Absent));
        assert!(!alive.others_have_time());
    }

    #[test]
    fn a_process_is_no_other_for_itself() {
        let scoreboard = scoreboard();
        let (one, other) = (scoreboard.seat(0), scoreboard.seat(SEATS));
        one.set(Presence::HasTime);
        other.set(Presence::Full);
        assert!(!one.others_have_time() && other.others_have_time());
    }

    #[test]
    fn whatever_is_written_there_is_only_a_number() {
        let scoreboard = scoreboard();
        scoreboard.memory.words().iter().skip(1).for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        let seat = scoreboard.seat(3);
        assert_eq!(scoreboard.presence(3), Presence::Absent);
        assert!(!seat.others_have_time());
        seat.end_to_wait();
        scoreboard.vacate(3);
        scoreboard.memory.words().iter().skip(1).for_each(|word| word.store(0, Ordering::Relaxed));
        seat.put_on_line();
        seat.end_to_wait();
        assert_eq!(scoreboard.waiting(), 0);
    }

    #[test]
    fn what_one_process_learns_of_the_peers_all_know() {
        let scoreboard = scoreboard();
        let (one, other) = (scoreboard.seat(0), scoreboard.seat(1));
        assert!(!other.is_multiplexed());
        one.note_multiplexing();
        assert!(other.is_multiplexed());
        assert!(one.begin_to_wait(10));
        assert_eq!((one.waiting_elsewhere(), other.waiting_elsewhere()), (0, 1));
    }

    #[test]
    fn what_was_scribbled_is_gone_when_those_who_sat_there_are() {
        for scribble in [1, 2, 7, 0x7fff_ffff, 0x8000_0000, u64::MAX] {
            let scoreboard = scoreboard();
            (0..3).for_each(|number| drop(scoreboard.seat(number)));
            scoreboard.memory.words().iter().skip(1).for_each(|word| word.store(scribble, Ordering::Relaxed));
            // The next one comes, and the others go.
            scoreboard.tidy(&[0, 1, 2].into());
            let next = scoreboard.seat(3);
            (0..3).for_each(|number| scoreboard.vacate(number));
            assert!(!next.others_have_time());
            next.line_is_empty();
            assert!(scoreboard.waiting() == 0 && next.begin_to_wait(1), "{scribble:#x}: {} wait", scoreboard.waiting());
        }
    }

    #[test]
    fn a_count_that_nobody_stands_for_is_forgotten_when_the_line_is_empty() {
        let scoreboard = scoreboard();
        let seat = scoreboard.seat(0);
        assert!(seat.begin_to_wait(10));
        seat.put_on_line();
        assert!(seat.begin_to_wait(10));
        seat.line_is_empty();
        assert_eq!(scoreboard.waiting(), 2, "one is still kept by a process");
        seat.end_to_wait();
        seat.line_is_empty();
        assert_eq!(scoreboard.waiting(), 0);
    }

    #[test]
    fn the_next_program_finds_what_was_there() {
        let scoreboard = scoreboard();
        assert!(scoreboard.seat(0).begin_to_wait(10));
        let next = Scoreboard::adopt(fd::duplicate(scoreboard.as_raw_fd()).unwrap()).unwrap();
        assert_eq!(next.waiting(), 1);
        scoreboard.memory.words()[VERSION_WORD].store(99, Ordering::Relaxed);
        assert!(Scoreboard::adopt(fd::duplicate(scoreboard.as_raw_fd()).unwrap()).is_err());
    }
}
