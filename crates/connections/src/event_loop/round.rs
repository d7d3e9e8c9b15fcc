//! Looking through the line. Only the first one can be looked at, so all others go round, one by one: a process that is killed meanwhile
//! takes one of them along at most, and leaves the line turned.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::line::{Line, millis, open_message};
use super::passage::{Missing, Traveller};
use crate::scheduler::Place;
use shared::scoreboard::SINCE_LEN;
use shared::sys::fd::{self, Spare};
use shared::sys::process::monotonic_time;

/// Since when somebody waits, as the message on the line says it: what is greater came later.
pub type Since = [u8; SINCE_LEN];

/// What was seen of those who have gone round.
#[derive(Debug, Default)]
struct Round {
    first: Option<Since>,
    last: Option<Since>,
    least: Option<Since>,
    /// How many came earlier than the one before them.
    descents: usize,
}

impl Round {
    fn note(&mut self, since: Since) {
        self.first = self.first.or(Some(since));
        self.least = Some(self.least.map_or(since, |least| least.min(since)));
        self.descents += usize::from(self.last.is_some_and(|last| since < last));
        self.last = Some(since);
    }

    /// Whether this one has gone round before.
    fn is_closed_by(&self, head: Since) -> bool {
        self.first == Some(head)
    }

    /// Whether they are in their order, as soon as the first one of it is the first.
    fn is_in_order(&self) -> bool {
        self.descents == 0 || self.descents == 1 && self.last <= self.first
    }
}

/// What becomes of one who goes round.
enum Passed {
    /// Back on the line.
    On,
    /// The peer has gone.
    Gone,
    /// Taken off.
    Late(Traveller, Instant),
    /// The line does not take it back.
    Left(Traveller),
    /// It was none, or there is none.
    Not(io::Error),
}

impl Line {
    /// Since when the first one waits, as its message says it.
    pub(super) fn head(&self) -> Option<Since> {
        let mut head = [0; 1 + SINCE_LEN];
        let count = self.passage.peek(&mut head).ok()?;
        head.get(1..count)?.try_into().ok()
    }

    /// The first one goes to the end, unless it has gone or waits for too long.
    fn pass(&self, spare: &mut Spare, is_late: impl FnOnce(Instant) -> bool) -> Passed {
        let mut traveller = match self.passage.take(spare) {
            Ok(traveller) if fd::is_shut(traveller.stream.as_fd()) => return Passed::Gone,
            Ok(traveller) => traveller,
            Err(error) => return Passed::Not(error),
        };
        let message = traveller.unread.clone();
        match open_message(&mut traveller) {
            Ok(since) if is_late(since) => return Passed::Late(traveller, since),
            Ok(_) => {}
            Err(error) => return Passed::Not(error),
        }
        let given = self.passage.give(&traveller.stream, &message, (traveller.has_read, traveller.purpose));
        traveller.unread = message;
        if given.is_ok() { Passed::On } else { Passed::Left(traveller) }
    }
}

impl EventLoop {
    /// Whether somebody on the line has gone, or waited for too long.
    pub(super) fn make_room(&mut self) -> bool {
        let started = monotonic_time();
        if self.line.is_broken || !self.line.seat.begin_to_look(millis(started), millis(started + LOOK_AGAIN)) {
            return false;
        }
        let has_made_room = self.look_through_line();
        // It takes a twentieth of the time at most, also where the line is long.
        let now = monotonic_time();
        self.line.seat.look_again_at(millis(now + LOOK_AGAIN.max(20 * now.saturating_sub(started))));
        has_made_room.unwrap_or(false)
    }

    /// Takes those off who have gone, and refuses those who wait for too long; whether there were any. The others keep their order, and
    /// the one who came first is first. `None` if somebody looks already: two that did so at once would shuffle the line.
    pub(super) fn look_through_line(&mut self) -> Option<bool> {
        let lookout = self.line.seat.look_out(millis(monotonic_time()))?;
        // Also if this is the end of this process.
        self.line.seat.set_mixed(true);
        let (mut has_dropped, mut round) = (false, Round::default());
        for _ in 0..self.most_on_line() {
            let head = self.line.head();
            if head.is_some_and(|head| round.is_closed_by(head)) {
                break;
            }
            match self.pass() {
                Passed::On => head.into_iter().for_each(|head| round.note(head)),
                Passed::Gone => has_dropped = true,
                Passed::Late(traveller, since) => {
                    has_dropped = true;
                    self.refuse_traveller(traveller, since);
                }
                Passed::Left(traveller) => {
                    self.keep_traveller(traveller);
                    return Some(has_dropped);
                }
                Passed::Not(error) if self.is_stray(&error) => {}
                Passed::Not(_) => break,
            }
        }
        let is_in_order = match round.least {
            Some(least) => self.turn_line_to(least) && round.is_in_order(),
            None => self.line.is_empty(),
        };
        self.line.seat.set_mixed(!is_in_order);
        drop(lookout);
        Some(has_dropped)
    }

    /// The count may be wrong by those who were killed when they changed it.
    fn most_on_line(&self) -> usize {
        self.line.seat.waiting().saturating_add(MORE_THAN_COUNTED)
    }

    /// Whether it is this one who is first now.
    fn turn_line_to(&mut self, least: Since) -> bool {
        for _ in 0..self.most_on_line() {
            match self.line.head() {
                None => return false,
                Some(head) if head == least => return true,
                Some(_) => {}
            }
            match self.pass() {
                Passed::On | Passed::Gone => {}
                Passed::Late(traveller, since) => self.refuse_traveller(traveller, since),
                Passed::Left(traveller) => {
                    self.keep_traveller(traveller);
                    return false;
                }
                Passed::Not(error) if self.is_stray(&error) => {}
                Passed::Not(_) => return false,
            }
        }
        false
    }

    fn pass(&mut self) -> Passed {
        let patience = self.patience();
        let passed = match self.line.pass(&mut self.spare, |since| patience.is_over_by_now(since)) {
            Passed::Not(error) if error.kind() == io::ErrorKind::NotConnected => Passed::Gone,
            passed => passed,
        };
        if matches!(passed, Passed::Gone | Passed::Late(..)) {
            self.line.seat.take_off_line();
        }
        passed
    }

    /// Whether something was on the line that is no connection, which is said.
    fn is_stray(&mut self, error: &io::Error) -> bool {
        self.missing(error) == Missing::Stray
    }

    /// The line does not take it back: it is left to this process for now.
    pub(super) fn keep_traveller(&mut self, mut traveller: Traveller) {
        let place = Place::take_from_line(&self.line.seat);
        if let Ok(since) = open_message(&mut traveller) {
            let key = self.admit_waiting(traveller, since);
            if let Some(connection) = self.connections.get_mut(key) {
                connection.keep_place(place);
            }
            self.defer_first(key);
        }
    }
}

/// How soon to look again for those who have gone.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Who is counted nowhere, because somebody was killed.
const MORE_THAN_COUNTED: usize = 64;
