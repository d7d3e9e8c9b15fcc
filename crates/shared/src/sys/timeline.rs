//! Moments as numbers: nanoseconds of the monotonic clock, which processes of one machine have in common.

use std::time::{Duration, Instant};

use super::process::monotonic_time;

/// What makes numbers of moments, and moments of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    /// A moment, and its number.
    base: (Instant, u64),
}

impl Default for Timeline {
    /// The one of this machine.
    fn default() -> Self {
        Self { base: (Instant::now(), nanoseconds(monotonic_time())) }
    }
}

impl Timeline {
    /// The number of a moment; one before this was made counts as that.
    pub fn number(&self, moment: Instant) -> u64 {
        self.base.1.saturating_add(nanoseconds(moment.saturating_duration_since(self.base.0)))
    }

    /// The moment of a number.
    pub fn moment(&self, number: u64) -> Instant {
        self.base.0 + Duration::from_nanos(number.saturating_sub(self.base.1))
    }
}

/// As many as there are; more than 584 years are that.
pub fn nanoseconds(length: Duration) -> u64 {
    length.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(length.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_its_number() {
        let timeline = Timeline::default();
        let later = Instant::now() + Duration::from_secs(5);
        assert_eq!(timeline.moment(timeline.number(later)), later);
        let clock = nanoseconds(monotonic_time()).abs_diff(timeline.number(Instant::now()));
        assert!(clock < 1_000_000_000, "{clock}");
        assert!(timeline.number(later - Duration::from_secs(999)) <= timeline.number(later));
    }
}
