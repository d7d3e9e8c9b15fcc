//! Requests in the queue that no worker begins although one has time: it waits for the GIL, which somebody keeps. Nothing was done with
//! them, so they are answered 503 when their time is over, and whoever asks again is answered elsewhere.

use std::time::{Duration, Instant};

use super::EventLoop;
use crate::exchange::{Exchange, Refusal};
use crate::scheduler::{Load, Patience};

/// When to look at them.
#[derive(Debug, Default)]
pub struct Held {
    taken: u64,
    at: Option<Instant>,
}

impl Held {
    fn note(&mut self, load: Load, now: Instant) {
        let begun = std::mem::replace(&mut self.taken, load.taken) != load.taken;
        // A worker that has just come back takes a moment.
        self.at = load.is_held.then(|| self.at.filter(|_| !begun).unwrap_or(now + A_MOMENT));
    }

    /// When to look.
    pub fn next(&self) -> Option<Instant> {
        self.at
    }
}

impl EventLoop {
    /// At the start of a turn.
    pub(super) fn note_held(&mut self, load: Load) {
        self.held.note(load, self.now);
    }

    /// Refuses those whose time is over.
    pub(super) fn refuse_held(&mut self) {
        if self.held.at.is_some_and(|at| at <= self.now) {
            let over = self.take_held();
            self.refuse_all(over, Refusal::NobodyRuns);
        }
        if self.inquiries.is_nobody_served() {
            let all: Vec<_> = self.queue.take_all_out().collect();
            self.refuse_all(all, Refusal::NobodyRuns);
        }
    }

    /// Takes them out, and notes when to look at the others.
    fn take_held(&mut self) -> Vec<Exchange> {
        let (inquiries, now) = (&self.inquiries, self.now);
        let mut next = now + LOOK_AGAIN;
        let over = self.queue.take_out(|exchange, since| {
            let due = Patience(inquiries.request_timeout(&exchange.request.params)).due(since);
            next = due.filter(|due| *due > now).map_or(next, |due| next.min(due));
            due.is_some_and(|due| due <= now)
        });
        self.held.at = Some(next);
        over
    }
}

/// As long as no application keeps the GIL that is well.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Who comes meanwhile may have less time than those that are there.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_begins_is_looked_at_when_a_moment_has_passed_in_which_none_was_begun() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let load = |taken, is_held| Load { taken, has_work: true, is_saturated: true, is_held, oldest: Some(start) };
        let mut held = Held::default();
        held.note(load(1, false), after(5_000));
        assert_eq!(held.next(), None, "all workers are busy");
        held.note(load(1, true), after(6_000));
        held.note(load(1, true), after(6_500));
        assert_eq!(held.next(), Some(after(7_000)), "one comes back, perhaps to begin it");
        held.note(load(2, true), after(6_600));
        assert_eq!(held.next(), Some(after(7_600)), "one was begun");
        held.note(load(2, false), after(6_700));
        assert_eq!(held.next(), None);
    }
}
