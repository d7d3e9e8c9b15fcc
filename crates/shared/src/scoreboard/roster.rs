//! What only the supervisor knows of a pool, for those of its processes that are asked how it is: which children there are and where
//! they sit at the scoreboard, and what was counted over the whole life of the pool.
//!
//! The supervisor writes it whenever something has changed, and nobody else can. A reader waits for nothing: it reads again if what it
//! reads changes meanwhile, some times, and is content with what it has after that.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use super::tally::Tally;
use super::{SEATS, sequence};
use crate::sys::shared_memory::{PublishedWords, ReadOnlyWords};
use crate::sys::timeline::nanoseconds;

/// What is known of a pool. Moments are of the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When the pool began.
    pub started: Duration,
    /// How many minutes local time was ahead of UTC then. The pool's processes may have another zone.
    pub offset: i16,
    /// How it is: one of [`POOL_WORDS`].
    pub state: &'static str,
    /// The generation that serves.
    pub generation: u32,
    /// How many children there are to be now, at least, and at most.
    pub wanted: [usize; 3],
    /// The number of its queue process; 0 for none.
    pub queue_process: u32,
    /// How often it had more requests than workers.
    pub saturations: u64,
    /// How many reloads have succeeded, and how many have failed.
    pub reloads: [u64; 2],
    /// When the last one ended, and whether it succeeded.
    pub last_reload: Option<(Duration, bool)>,
    /// How many children have ended, by [`EXITS`].
    pub exits: [u64; EXITS.len()],
    /// Since when no child has come up, if that is so, and how far local time was ahead then.
    pub failing_since: Option<(Duration, i16)>,
    /// What was counted by children that have gone.
    pub past: Tally,
    /// Those that there are.
    pub children: Vec<Child>,
}

/// What is known of a child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Child {
    /// Its process.
    pub pid: u32,
    /// What it is doing: one of [`CHILD_WORDS`].
    pub state: &'static str,
    /// Whether a signal has stopped it.
    pub is_stopped: bool,
    /// Its generation.
    pub generation: u32,
    /// When it was started.
    pub started: Duration,
    /// How many minutes local time was ahead of UTC then.
    pub offset: i16,
    /// Its seat at the scoreboard.
    pub seat: usize,
    /// The slots of its workers there.
    pub slots: Range<usize>,
}

/// How a pool can be.
pub const POOL_WORDS: [&str; 7] = ["starting", "serving", "saturated", "sleeping", "failing", "stopping", STOPPED];
/// What a child can be doing.
pub const CHILD_WORDS: [&str; 6] = ["ended", "starting", "ready", "serving", "retiring", "ending"];
/// What one is that a signal has stopped, and a pool all of whose children are so.
pub const STOPPED: &str = "stopped";
/// How a child can end: with exit code 0, with another one, by a signal, or as nobody knows.
pub const EXITS: [&str; 6] = ["retired", "terminated", "exited", "signaled", "killed", "failed"];

fn place(words: &[&str], word: &str) -> u64 {
    words.iter().position(|known| *known == word).unwrap_or(0) as u64
}

/// The supervisor's end.
#[derive(Debug)]
pub struct Roster(PublishedWords);

/// That of everybody else.
#[derive(Debug)]
pub struct RosterView(ReadOnlyWords);

impl Roster {
    /// An empty one.
    ///
    /// # Errors
    /// Those of [`PublishedWords::new`].
    pub fn new() -> io::Result<Self> {
        PublishedWords::new(c"pyfcgid-roster", WORDS).map(Self)
    }

    /// That of the program before this one, in the same process.
    ///
    /// # Errors
    /// Those of [`PublishedWords::adopt`].
    pub fn adopt(file: OwnedFd) -> io::Result<Self> {
        PublishedWords::adopt(file, WORDS).map(Self)
    }

    /// What was said last.
    pub fn record(&self) -> Record {
        Record::read(|number| self.0.words()[number].load(Ordering::Relaxed))
    }

    /// What the pool's processes get.
    pub fn for_readers(&self) -> RawFd {
        self.0.for_readers()
    }

    /// What the next program in this process gets.
    pub fn for_successor(&self) -> RawFd {
        self.0.for_successor()
    }

    /// Says this, if it is something else than before. What does not fit is left out.
    pub fn publish(&self, record: &Record) {
        let (mut text, words) = (record.encode(), self.0.words());
        text.truncate(MOST_WORDS);
        let length = text.len() as u64;
        let is_same = |(word, value): (&AtomicU64, &u64)| word.load(Ordering::Relaxed) == *value;
        // Nobody else writes here.
        if words[LENGTH].load(Ordering::Relaxed) == length && words[HEADER..].iter().zip(&text).all(is_same) {
            return;
        }
        sequence::write(&words[SEQUENCE], || {
            words[LENGTH].store(length, Ordering::Relaxed);
            words[HEADER..].iter().zip(&text).for_each(|(word, value)| word.store(*value, Ordering::Relaxed));
        });
        // What is done to slots from now on is not seen by those who see the record before.
        fence(Ordering::Release);
    }
}

impl RosterView {
    /// That of this pool's supervisor.
    ///
    /// # Errors
    /// Those of [`ReadOnlyWords::adopt`].
    pub fn share(file: OwnedFd) -> io::Result<Self> {
        ReadOnlyWords::adopt(file, WORDS).map(Self)
    }

    /// The record, and what `beside` makes of it, which looks at the scoreboard: both belong together, unless the supervisor has been
    /// writing whenever it was tried.
    pub fn read<T>(&self, beside: impl Fn(&Record) -> T) -> (Record, T) {
        self.read_whole(&beside).unwrap_or_else(|| self.read_once(&beside))
    }

    fn read_whole<T>(&self, beside: impl Fn(&Record) -> T) -> Option<(Record, T)> {
        sequence::read(|ordering| self.word(SEQUENCE, ordering), || self.read_once(&beside))
    }

    fn read_once<T>(&self, beside: impl Fn(&Record) -> T) -> (Record, T) {
        let record = Record::read(|number| self.word(number, Ordering::Relaxed));
        let found = beside(&record);
        (record, found)
    }

    fn word(&self, number: usize, ordering: Ordering) -> u64 {
        self.0.load(number, ordering).unwrap_or(0)
    }
}

impl Record {
    fn encode(&self) -> Vec<u64> {
        let mut words = vec![nanoseconds(self.started), self.offset as u64, place(&POOL_WORDS, self.state)];
        words.extend([self.generation, self.queue_process].map(u64::from));
        words.extend(self.wanted.map(|count| count as u64));
        words.push(self.saturations);
        words.extend(self.reloads);
        words.extend(self.last_reload.map_or([0, 0], |(at, is_good)| [nanoseconds(at), u64::from(is_good)]));
        words.extend(self.exits);
        words.extend(self.failing_since.map_or([0, 0], |(since, offset)| [nanoseconds(since), offset as u64]));
        words.extend(self.past.counts());
        words.extend(self.children.iter().flat_map(Child::encode));
        words
    }

    /// The one whose words these are, by their numbers.
    fn read(word: impl Fn(usize) -> u64) -> Self {
        let length = (word(LENGTH) as usize).min(MOST_WORDS);
        Self::parse(&(HEADER..HEADER + length).map(word).collect::<Vec<_>>())
    }

    /// What is not there is nothing.
    fn parse(words: &[u64]) -> Self {
        let mut words = Words(words.iter());
        Self {
            started: words.duration(),
            offset: words.next() as i16,
            state: words.one_of(&POOL_WORDS),
            generation: words.number(),
            queue_process: words.number(),
            wanted: std::array::from_fn(|_| words.count()),
            saturations: words.next(),
            reloads: words.array(),
            last_reload: words.last_reload(),
            exits: words.array(),
            failing_since: Some((words.duration(), words.next() as i16)).filter(|(since, _)| !since.is_zero()),
            past: Tally::read(&mut words.0.by_ref().copied()).unwrap_or_default(),
            children: std::iter::from_fn(|| words.child()).take(SEATS).collect(),
        }
    }
}

impl Child {
    /// What it is doing, in a word.
    pub fn word(&self) -> &'static str {
        if self.is_stopped { STOPPED } else { self.state }
    }

    fn encode(&self) -> [u64; CHILD_LEN] {
        let Self { pid, state, is_stopped, generation, started, offset, seat, slots } = self;
        let [seat, first, end] = [*seat, slots.start, slots.end].map(|number| number as u64);
        let state = [place(&CHILD_WORDS, state), u64::from(*is_stopped)];
        [(*pid).into(), state[0], state[1], (*generation).into(), nanoseconds(*started), *offset as u64, seat, first, end]
    }
}

/// Words that are read one after the other.
struct Words<'a>(std::slice::Iter<'a, u64>);

impl Words<'_> {
    fn next(&mut self) -> u64 {
        self.0.next().copied().unwrap_or(0)
    }

    fn array<const N: usize>(&mut self) -> [u64; N] {
        std::array::from_fn(|_| self.next())
    }

    fn count(&mut self) -> usize {
        usize::try_from(self.next()).unwrap_or(0)
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.count() % words.len()]
    }

    fn number(&mut self) -> u32 {
        u32::try_from(self.next()).unwrap_or(0)
    }

    fn duration(&mut self) -> Duration {
        Duration::from_nanos(self.next())
    }

    fn last_reload(&mut self) -> Option<(Duration, bool)> {
        let (at, is_good) = (self.duration(), self.next() != 0);
        (!at.is_zero()).then_some((at, is_good))
    }

    fn child(&mut self) -> Option<Child> {
        (self.0.len() >= CHILD_LEN).then(|| Child {
            pid: self.number(),
            state: self.one_of(&CHILD_WORDS),
            is_stopped: self.next() != 0,
            generation: self.number(),
            started: self.duration(),
            offset: self.next() as i16,
            seat: self.count(),
            slots: self.count()..self.count(),
        })
    }
}

const SEQUENCE: usize = 0;
const LENGTH: usize = 1;
const HEADER: usize = 2;
const CHILD_LEN: usize = 9;
/// Of a record: one with as many children as there are seats.
const MOST_WORDS: usize = 256 + CHILD_LEN * SEATS;
const WORDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(HEADER + MOST_WORDS - 1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fd;

    fn record() -> Record {
        let mut past = Tally { classes: [1, 2, 3, 4, 5, 6], aborted: 7, slow: 20, timeouts: [21, 22], ..Tally::default() };
        (past.duration.sum, past.duration.buckets[15], past.queue_wait.buckets[0]) = (8, 9, 10);
        let child = |number: u32| Child {
            pid: number,
            state: "serving",
            is_stopped: number == 101,
            generation: 3,
            started: Duration::from_millis(number.into()),
            offset: 330,
            seat: number as usize,
            slots: 4..8,
        };
        Record {
            started: Duration::from_secs(5),
            offset: -210,
            state: "failing",
            generation: 3,
            wanted: [2, 1, 4],
            queue_process: 77,
            saturations: 11,
            reloads: [12, 13],
            last_reload: Some((Duration::from_secs(6), false)),
            exits: [14, 15, 16, 17, 18, 19],
            failing_since: Some((Duration::from_secs(7), -60)),
            past,
            children: vec![child(100), child(101)],
        }
    }

    fn roster() -> (Roster, RosterView) {
        let roster = Roster::new().unwrap();
        let view = RosterView::share(fd::duplicate(roster.for_readers()).unwrap()).unwrap();
        (roster, view)
    }

    fn read(view: &RosterView) -> Record {
        view.read(|_| ()).0
    }

    #[test]
    fn what_the_supervisor_says_is_read_as_it_was_said() {
        let (roster, view) = roster();
        assert_eq!(read(&view), Record { state: "starting", ..Record::default() });
        roster.publish(&record());
        assert_eq!(read(&view), record());
        let less = Record { failing_since: None, last_reload: None, children: Vec::new(), ..record() };
        roster.publish(&less);
        assert_eq!(read(&view), less);
        let [first, second] = [0, 1].map(|index| record().children[index].word());
        assert_eq!((read(&view).state, first, second), ("failing", "serving", "stopped"));
    }

    #[test]
    fn what_has_not_changed_is_not_written() {
        let (roster, view) = roster();
        roster.publish(&record());
        let before = view.word(SEQUENCE, Ordering::Relaxed);
        roster.publish(&record());
        assert_eq!(view.word(SEQUENCE, Ordering::Relaxed), before);
        roster.publish(&Record { saturations: 12, ..record() });
        assert_eq!(view.word(SEQUENCE, Ordering::Relaxed), before + 2);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let (roster, view) = roster();
        roster.publish(&Record { children: vec![record().children[0].clone(); 2 * SEATS], ..record() });
        let found = read(&view);
        assert_eq!((found.children.len(), &found.children[SEATS - 1]), (SEATS, &record().children[0]));
    }

    #[test]
    fn a_supervisor_that_was_stopped_in_the_middle_costs_a_reader_nothing() {
        let (roster, view) = roster();
        roster.publish(&record());
        roster.0.words()[SEQUENCE].store(7, Ordering::Relaxed);
        assert_eq!(read(&view), record());
        roster.0.words().iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        let found = read(&view);
        assert!(found.children.len() <= SEATS && POOL_WORDS.contains(&found.state));
    }

    #[test]
    fn what_a_child_has_counted_is_never_missing_while_it_goes() {
        let (roster, view) = roster();
        let counted = AtomicU64::new(0);
        let record =
            |past, children| Record { saturations: past, children: vec![Child::default(); children], ..Record::default() };
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..20_000 {
                    roster.publish(&record(round, 1));
                    counted.store(1, Ordering::Relaxed);
                    roster.publish(&record(round + 1, 0));
                    counted.store(0, Ordering::Relaxed);
                }
            });
            let mut before = 0;
            while !writer.is_finished() {
                let beside = |record: &Record| counted.load(Ordering::Relaxed) * record.children.len() as u64;
                if let Some((record, beside)) = view.read_whole(beside) {
                    let sum = record.saturations + beside;
                    assert!(sum >= before, "{sum} after {before}");
                    before = sum;
                }
            }
        });
    }
}
