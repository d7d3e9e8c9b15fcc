//! Requests for which no worker has had time within `queue-timeout`: they are refused wherever they wait.
//!
//! ```text
//!   the queue of this process ──▶ when the oldest is due
//!   here, unread ───────────────▶ looked at some times while there are any
//!   the line ───────────────────▶ whoever has no time for it looks at the first one when that is due, and every PERIOD
//! ```
//!
//! A request that waits for nobody costs nothing here: nothing is looked at while workers have time.

use std::time::{Duration, Instant};

use super::EventLoop;
use super::connection::Connection;
use super::line::{Duty, millis};
use super::passage::{Missing, Traveller};
use crate::exchange::Refusal;
use crate::scheduler::{Load, Patience};
use shared::scoreboard::parse_since;
use shared::sys::process::monotonic_time;

/// When to look where.
#[derive(Debug, Default)]
pub struct Overdue {
    queue_at: Option<Instant>,
    deferred_at: Option<Instant>,
    line_at: Option<Instant>,
}

impl Overdue {
    /// When to look next.
    pub fn next(&self) -> Option<Instant> {
        [self.queue_at, self.deferred_at, self.line_at].into_iter().flatten().min()
    }
}

impl EventLoop {
    pub(super) fn patience(&self) -> Patience {
        Patience(self.settings.queue_timeout)
    }

    /// At the start of a turn: when somebody may have waited for too long.
    pub(super) fn note_who_waits(&mut self, load: Load, has_no_time: bool) {
        self.note_held(load);
        self.overdue.queue_at = self.queue.late_at(load);
        if self.settings.queue_timeout.is_none() {
            return;
        }
        // Others look at the line when this process retires; while the queue process refuses, nobody is left there.
        let looks_at_line = match self.duty {
            Duty::Serve => has_no_time && !self.lifecycle.is_retiring(),
            Duty::Hold => true,
            Duty::Rest | Duty::Refuse => false,
        };
        let soon = self.now + PERIOD;
        self.overdue.line_at = looks_at_line.then(|| self.overdue.line_at.unwrap_or(soon));
    }

    /// Refuses those who have waited for too long.
    pub(super) fn refuse_overdue(&mut self) {
        self.refuse_held();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= self.now);
        let Overdue { queue_at, deferred_at, line_at } = self.overdue;
        let (queue, deferred, line) = (is_due(queue_at), is_due(deferred_at), is_due(line_at));
        if queue {
            self.refuse_late();
        }
        if deferred {
            self.refuse_deferred();
        }
        if line {
            self.overdue.line_at = Some(self.look_at_line());
        }
        let waits_here = self.settings.queue_timeout.is_some() && !self.deferred.is_empty();
        self.overdue.deferred_at = waits_here.then(|| self.overdue.deferred_at.unwrap_or(self.now + LOOK_AGAIN));
    }

    /// Those of the queue, and those that a worker has found there.
    pub(super) fn refuse_late(&mut self) {
        let late = self.queue.take_late(self.now);
        self.refuse_all(late, Refusal::WaitedTooLong);
        self.overdue.queue_at = None;
    }

    fn refuse_deferred(&mut self) {
        let (patience, now) = (self.patience(), self.now);
        let is_late = |connection: &Connection| connection.waits_since().is_some_and(|since| patience.is_over(since, now));
        let found = self.deferred.iter().filter(|(id, key)| {
            self.connections.get(*key).is_some_and(|connection| connection.id() == *id && is_late(connection))
        });
        let late: Vec<_> = found.copied().collect();
        self.deferred.retain(|place| !late.contains(place));
        for (_, key) in late {
            if self.connections.get_mut(key).is_some_and(|connection| connection.set_deferred(false)) {
                self.connections.get_mut(key).and_then(Connection::take_place);
                self.refuse_overdue_on(key);
            }
        }
        self.overdue.deferred_at = None;
    }

    /// Looks at the first on the line as long as that has waited for too long. Says when to look again.
    fn look_at_line(&mut self) -> Instant {
        if self.line.is_broken {
            return self.now + PERIOD;
        }
        if self.line.seat.is_mixed() {
            let started = Instant::now();
            self.look_through_line();
            return Instant::now() + PERIOD.max(3 * started.elapsed());
        }
        let Some(_lookout) = self.line.seat.look_out(millis(monotonic_time())) else {
            return self.now + LOOK_AGAIN;
        };
        for _ in 0..MOST_AT_ONCE {
            match self.time_of_first() {
                Some(Duration::ZERO) => {}
                Some(left) => return Instant::now() + left.min(PERIOD),
                None if self.line.is_empty() => return Instant::now() + PERIOD,
                // No message of ours.
                None => {}
            }
            match self.take_one_from_line() {
                Ok((traveller, since)) if self.patience().is_over_by_now(since) => {
                    self.line.seat.take_off_line();
                    self.refuse_traveller(traveller, since);
                }
                // Somebody has had time for the one that was first.
                Ok((mut traveller, since)) => {
                    if self.line.put_back(&mut traveller, since).is_err() {
                        self.keep_traveller(traveller);
                    }
                    return self.now + LOOK_AGAIN;
                }
                Err(Missing::Nothing | Missing::Door) => return Instant::now() + PERIOD,
                Err(Missing::Ended | Missing::Stray) => {}
            }
        }
        self.now
    }

    /// How long the first one on the line may still wait.
    fn time_of_first(&self) -> Option<Duration> {
        let head = self.line.head()?;
        let (since, _) = parse_since(&head)?;
        let waited = monotonic_time().saturating_sub(since);
        Some(self.settings.queue_timeout?.saturating_sub(waited))
    }

    /// Refuses one that is counted on the line no more.
    pub(super) fn refuse_traveller(&mut self, traveller: Traveller, since: Instant) {
        let key = self.admit_waiting(traveller, since);
        self.refuse_overdue_on(key);
    }

    /// Reads a connection whose next request has waited for too long. Others that come with it are treated as if they came now.
    fn refuse_overdue_on(&mut self, key: usize) {
        match self.duty {
            Duty::Serve => self.read_now(key, true),
            Duty::Rest | Duty::Hold | Duty::Refuse => self.turn_away(key),
        }
        self.finish_if_over(key);
    }
}

/// How often to look at the line while no worker has time: who comes last on it may have been put there by a process that has gone.
const PERIOD: Duration = Duration::from_millis(200);
/// How often to look at what waits here, and how soon again while somebody else looks at the line.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// More wait for the next turn.
const MOST_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests;
