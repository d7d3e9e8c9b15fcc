//! What one event loop makes of how busy its workers are: whether they stall, and what was said of it. No clock: the time comes in.

use std::time::{Duration, Instant};

use super::state::Load;

/// Whether the workers have too much to do, and who was told.
#[derive(Debug)]
pub struct Saturation {
    stall: Stall,
    /// Whether the loop was shut in this turn.
    is_noted: bool,
    is_reported: bool,
    /// When that was last said or was still so.
    since: Instant,
}

impl Saturation {
    /// Nothing is going on.
    pub fn new(now: Instant) -> Self {
        Self { stall: Stall::new(now), is_noted: false, is_reported: false, since: now }
    }

    /// Workers that do not take what is queued are as good as busy: they wait for the GIL.
    pub fn note_progress(&mut self, load: Load, now: Instant) {
        self.stall.note(load.taken, load.has_work, now);
    }

    /// Whether requests are queued that no worker takes.
    pub fn is_stalled(&self) -> bool {
        self.stall.is_there
    }

    /// When they will be, if nothing happens before.
    pub fn stall_due(&self) -> Option<Instant> {
        self.stall.due()
    }

    /// All are busy; whether that is to be said.
    pub fn note_saturated(&mut self, now: Instant) -> bool {
        (self.is_noted, self.since) = (true, now);
        !std::mem::replace(&mut self.is_reported, true)
    }

    /// They are not; whether that is to be said. `is_shut`: none of them has said so yet.
    pub fn note_relieved(&mut self, is_shut: impl FnOnce() -> bool, now: Instant) -> bool {
        self.is_noted = self.is_noted && is_shut();
        let is_said = self.is_reported && now.duration_since(self.since) > RELIEF;
        self.is_reported &= !is_said;
        is_said
    }

    /// Whether all were busy at the beginning of this turn. That may be over by now.
    pub fn is_noted(&self) -> bool {
        self.is_noted
    }

    /// When it is to be said that they are not, if that was not said yet.
    pub fn relief_due(&self) -> Option<Instant> {
        self.is_reported.then(|| self.since + RELIEF + Duration::from_millis(1))
    }
}

/// Requests that are queued and that no worker takes.
#[derive(Debug)]
struct Stall {
    is_there: bool,
    /// How many were taken so far, and since when it has been that many.
    taken: u64,
    since: Instant,
    has_work: bool,
}

impl Stall {
    fn new(now: Instant) -> Self {
        Self { is_there: false, taken: 0, since: now, has_work: false }
    }

    fn note(&mut self, taken: u64, has_work: bool, now: Instant) {
        if !has_work || taken != self.taken || !self.has_work {
            (self.taken, self.since) = (taken, now);
        }
        self.has_work = has_work;
        self.is_there = has_work && now.duration_since(self.since) >= STALL;
    }

    /// When it is one, if nothing happens before.
    fn due(&self) -> Option<Instant> {
        (self.has_work && !self.is_there).then(|| self.since + STALL)
    }
}

/// Nobody takes what is queued for so long: the workers wait for the GIL.
const STALL: Duration = Duration::from_millis(50);
/// For how long the workers must have had time before that is said.
const RELIEF: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_and_not_taken_for_a_while_is_a_stall() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut stall = Stall::new(start);
        stall.note(0, true, after(10));
        assert_eq!(stall.due(), Some(after(10) + STALL));
        stall.note(1, true, after(50));
        stall.note(1, true, after(99));
        assert!(!stall.is_there);
        stall.note(1, true, after(100));
        assert!(stall.is_there && stall.due().is_none());
        stall.note(2, true, after(101));
        assert!(!stall.is_there);
        stall.note(2, false, after(300));
        stall.note(2, true, after(400));
        assert!(!stall.is_there);
    }

    #[test]
    fn that_workers_are_busy_is_said_once_and_that_they_are_not_when_it_has_lasted() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut saturation = Saturation::new(start);
        assert!(!saturation.note_relieved(|| true, after(1)) && saturation.relief_due().is_none());
        assert!(saturation.note_saturated(after(2)) && !saturation.note_saturated(after(3)));
        assert!(!saturation.note_relieved(|| true, after(4)) && saturation.is_noted());
        assert!(!saturation.note_relieved(|| false, after(53)) && !saturation.is_noted());
        assert_eq!(saturation.relief_due(), Some(after(54)));
        assert!(saturation.note_relieved(|| false, after(54)) && saturation.relief_due().is_none());
        assert!(!saturation.note_relieved(|| false, after(200)));
    }
}
