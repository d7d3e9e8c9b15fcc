//! How long a request may wait for a worker.

use std::time::{Duration, Instant};

/// That time; without one, for ever.
#[derive(Clone, Copy, Debug)]
pub struct Patience(pub Option<Duration>);

impl Patience {
    /// When it is over for one that has waited since then.
    pub fn due(self, since: Instant) -> Option<Instant> {
        since.checked_add(self.0?)
    }

    /// Whether it is.
    pub fn is_over(self, since: Instant, now: Instant) -> bool {
        self.due(since).is_some_and(|due| due <= now)
    }

    /// The same by the clock, which is read only if it may ever end.
    pub fn is_over_by_now(self, since: Instant) -> bool {
        self.0.is_some() && self.is_over(since, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_when_the_time_is_over_and_not_before() {
        let since = Instant::now();
        let after = |millis| since + Duration::from_millis(millis);
        let patience = Patience(Some(Duration::from_millis(10)));
        assert!(!patience.is_over(since, after(9)) && patience.is_over(since, after(10)));
        assert_eq!(patience.due(since), Some(after(10)));
        assert!(!patience.is_over(after(10), since), "a clock that was read before");
        for endless in [Patience(None), Patience(Some(Duration::MAX))] {
            assert!(!endless.is_over(since, after(1_000_000)) && endless.due(since).is_none());
        }
    }
}
