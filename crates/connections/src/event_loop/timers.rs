//! Deadlines by token. Pure: the time is passed in.
//!
//! A connection has one entry for its whole life. When it comes due the owner says when to look again, so that a request costs
//! nothing here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Entries ordered by when they come due. `K` names what is due.
#[derive(Debug, Default)]
pub struct Timers<K: Ord> {
    entries: BinaryHeap<Reverse<(Instant, K)>>,
}

impl<K: Ord> Timers<K> {
    /// No entries.
    pub fn new() -> Self {
        Self { entries: BinaryHeap::new() }
    }

    /// `key` comes due at `when`.
    pub fn insert(&mut self, when: Instant, key: K) {
        self.entries.push(Reverse((when, key)));
    }

    /// How long after `now` the next entry comes due; zero if it already has.
    pub fn next_in(&self, now: Instant) -> Option<Duration> {
        self.entries.peek().map(|Reverse((when, _))| when.saturating_duration_since(now))
    }

    /// Takes out one entry that has come due.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let Reverse((when, _)) = self.entries.peek()?;
        if *when > now {
            return None;
        }
        self.entries.pop().map(|Reverse((_, key))| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_due_in_the_order_of_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new();
        timers.insert(at(5), "b");
        timers.insert(at(2), "a");
        assert_eq!(timers.next_in(at(1)), Some(Duration::from_secs(1)));
        assert_eq!(timers.pop_due(at(1)), None);
        assert_eq!(timers.pop_due(at(9)), Some("a"));
        assert_eq!(timers.next_in(at(9)), Some(Duration::ZERO));
        assert_eq!(timers.pop_due(at(9)), Some("b"));
        assert_eq!(timers.next_in(at(9)), None);
    }
}
