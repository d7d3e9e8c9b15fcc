//! How long to wait before another child is started, when the last ones did not live.

use std::time::{Duration, Instant};

/// Counts children that ended soon.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// A child has ended that had served for `lived`. The first one that did not live is replaced at once. What crashes it may be
    /// one request among many good ones, so these never wait for long.
    pub fn note_end(&mut self, lived: Duration, now: Instant) {
        if lived >= LONG_ENOUGH {
            *self = Self::default();
            return;
        }
        self.delay(MAX_DELAY_AFTER_SERVING, now);
    }

    /// A child did not start: it is as if others had not before.
    pub fn note_failure(&mut self, now: Instant) {
        self.failures = self.failures.max(1);
        self.delay(MAX_DELAY, now);
    }

    fn delay(&mut self, most: Duration, now: Instant) {
        let delay = match self.failures {
            0 => Duration::ZERO,
            failures => (FIRST_DELAY * 2u32.saturating_pow(failures - 1)).min(most),
        };
        self.failures = (self.failures + 1).min(16);
        self.until = Some(now + delay);
    }

    /// A child serves. That it goes on to is to be seen, so only the wait ends.
    pub fn note_success(&mut self) {
        self.until = None;
    }

    /// When another child may be started, if not at once.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// A child that has served for this long has ended for a reason of its own.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
const FIRST_DELAY: Duration = Duration::from_millis(500);
const MAX_DELAY: Duration = Duration::from_secs(30);
const MAX_DELAY_AFTER_SERVING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_replaced_at_once_and_the_others_a_little_later() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..5)
            .map(|_| {
                backoff.note_end(Duration::ZERO, now);
                (backoff.until().expect("it failed") - now).as_millis()
            })
            .collect();
        assert_eq!(delays, [0, 500, 1000, 1000, 1000]);
        backoff.note_success();
        assert_eq!(backoff.until(), None);
    }

    #[test]
    fn one_that_does_not_come_up_is_tried_again_later() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.note_failure(now);
        assert_eq!(backoff.until(), Some(now + FIRST_DELAY));
        let delays: Vec<_> = (0..7)
            .map(|_| {
                backoff.note_failure(now);
                (backoff.until().expect("it failed") - now).as_millis()
            })
            .collect();
        assert_eq!(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn one_that_has_lived_is_replaced_at_once_however_often() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.note_end(LONG_ENOUGH, now);
            assert_eq!(backoff.until(), None);
        }
    }
}
