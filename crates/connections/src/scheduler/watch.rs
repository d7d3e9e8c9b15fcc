//! What the standby has seen of the workers' turns of the event loop, tick by tick.

/// Counts the ticks in which nothing has happened.
#[derive(Debug, Default)]
pub struct Watch {
    turns: u64,
    quiet_ticks: u32,
    missed_ticks: u32,
}

impl Watch {
    /// Whether nothing has happened for long, while a worker waits for it.
    pub fn may_sleep(&self) -> bool {
        self.quiet_ticks >= QUIET_TICKS
    }

    /// Whether nobody has turned the loop for two ticks, and nobody is about to.
    pub fn is_missed(&mut self, turns: u64, waiting: bool) -> bool {
        let has_turned = std::mem::replace(&mut self.turns, turns) != turns;
        self.quiet_ticks = if waiting && !has_turned { self.quiet_ticks + 1 } else { 0 };
        self.missed_ticks = if waiting || has_turned { 0 } else { self.missed_ticks + 1 };
        if self.missed_ticks < MISSED_TICKS {
            return false;
        }
        self.missed_ticks = 0;
        true
    }
}

/// Nobody has turned the loop for this long: take over. Two, because one may have begun just before.
const MISSED_TICKS: u32 = 2;
/// Nothing has happened for this long: sleep.
const QUIET_TICKS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_nobody_turns_is_missed_after_two_ticks() {
        let mut watch = Watch::default();
        assert!(!watch.is_missed(1, false));
        assert!(!watch.is_missed(1, false));
        assert!(watch.is_missed(1, false));
        assert!(!watch.is_missed(1, false));
    }

    #[test]
    fn a_turn_or_a_worker_that_waits_for_events_is_not_missed() {
        let mut watch = Watch::default();
        for turns in 1..10 {
            assert!(!watch.is_missed(turns, false));
        }
        for _ in 0..10 {
            assert!(!watch.is_missed(9, true));
        }
    }

    #[test]
    fn the_standby_sleeps_when_nothing_happens_for_long_and_a_worker_waits_for_it() {
        let mut watch = Watch::default();
        for _ in 0..QUIET_TICKS {
            assert!(!watch.may_sleep());
            watch.is_missed(0, true);
        }
        assert!(watch.may_sleep());
        watch.is_missed(1, true);
        assert!(!watch.may_sleep());
    }
}
