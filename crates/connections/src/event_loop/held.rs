//! Requests in the queue that no worker begins although one has time: it waits for the GIL, which somebody keeps. Nothing was done with
//! them, so they are answered 503 when their time is over, and whoever asks again is answered elsewhere.

use std::time::{Duration, Instant};

use super::EventLoop;
use super::intake::name_alone;
use crate::exchange::{Exchange, Refusal};
use crate::scheduler::{Load, Patience};

/// Since when none has been begun.
#[derive(Debug, Default)]
pub struct Held {
    taken: u64,
    since: Option<Instant>,
    /// When those that are there have had their time.
    at: Option<Instant>,
}

impl Held {
    fn note(&mut self, load: Load, limit: Option<Duration>, now: Instant) {
        let begun = std::mem::replace(&mut self.taken, load.taken) != load.taken;
        self.since = self.since.filter(|_| load.is_held && !begun);
        self.at = None;
        if load.is_held {
            let since = *self.since.get_or_insert(now);
            // A worker that has just come back takes a moment.
            self.at = load.oldest.zip(limit).map(|(oldest, limit)| (oldest + limit).max(since + A_MOMENT));
        }
    }

    /// When to look.
    pub fn next(&self) -> Option<Instant> {
        self.at
    }
}

impl EventLoop {
    /// At the start of a turn.
    pub(super) fn note_held(&mut self, load: Load) {
        self.held.note(load, self.settings.request_timeout, self.now);
    }

    /// Refuses those whose time is over.
    pub(super) fn refuse_held(&mut self) {
        if self.held.at.is_some_and(|at| at <= self.now) {
            self.held.at = None;
            let over = self.queue.take_late_by(Patience(self.settings.request_timeout), self.now);
            self.refuse_all(over);
        }
        if self.inquiries.is_nobody_served() {
            let all = self.queue.take_all_out().collect();
            self.refuse_all(all);
        }
    }

    fn refuse_all(&mut self, exchanges: Vec<Exchange>) {
        for Exchange { request, mut reply, .. } in exchanges {
            reply.refuse(Refusal::NobodyRuns);
            self.refusals.note(Refusal::NobodyRuns, self.now, || name_alone(&request.params));
        }
    }
}

/// As long as no application keeps the GIL that is well.
const A_MOMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_begins_is_due_when_its_time_is_over_and_a_moment_has_passed() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let load = |taken, is_held, oldest| Load { taken, has_work: true, is_saturated: true, is_held, oldest: Some(oldest) };
        let limit = Some(Duration::from_secs(2));
        let mut held = Held::default();
        held.note(load(1, false, start), limit, after(5_000));
        assert_eq!(held.next(), None, "all workers are busy");
        held.note(load(1, true, start), limit, after(6_000));
        assert_eq!(held.next(), Some(after(7_000)), "one comes back, perhaps to begin it");
        held.note(load(2, true, start), limit, after(6_100));
        assert_eq!(held.next(), Some(after(7_100)), "one was begun");
        held.note(load(2, true, after(6_050)), limit, after(6_200));
        assert_eq!(held.next(), Some(after(8_050)));
        held.note(load(2, true, start), None, after(6_200));
        assert_eq!(held.next(), None);
    }
}
