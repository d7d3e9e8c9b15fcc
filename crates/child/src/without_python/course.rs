//! What becomes of a request that takes its time. Pure: the time is passed in.
//!
//! ```text
//! Running ──slow──▶ Slow ──due──▶ Ending ──its answer has ended──▶ Overdue ──interrupt-timeout──▶ GivenUp
//!    └───────────────due────────────▲ │
//!                                   └─┘ its worker is sending: again in a moment
//! ```
//!
//! The next request of the worker begins at the beginning.

use std::time::{Duration, Instant};

/// How far the request of one worker is.
#[derive(Debug, Default)]
pub struct Course {
    request: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    Slow,
    /// Until then, when to try again.
    Ending(Instant),
    /// Since then.
    Overdue(Instant),
    GivenUp,
}

/// The request that a worker answers, and when what is due. `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub request: u64,
    pub slow: Option<Instant>,
    pub due: Option<Instant>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is to be said that it is slow.
    TellSlow,
    /// Its answer is to be ended.
    End,
    /// Its process is to be replaced.
    GiveUp,
}

impl Course {
    /// What is to be done now. Whoever is told to end the answer says what has come of it.
    pub fn step(&mut self, times: Times, interrupt: Option<Duration>, now: Instant) -> Option<Step> {
        if self.request != times.request {
            *self = Self { request: times.request, stage: Stage::Running };
        }
        if self.next(times, interrupt)? > now {
            return None;
        }
        let is_due = times.due.is_some_and(|due| due <= now);
        let (stage, step) = match self.stage {
            Stage::Running if !is_due => (Stage::Slow, Step::TellSlow),
            Stage::Running | Stage::Slow | Stage::Ending(_) => (Stage::Ending(now + A_MOMENT), Step::End),
            Stage::Overdue(_) | Stage::GivenUp => (Stage::GivenUp, Step::GiveUp),
        };
        self.stage = stage;
        Some(step)
    }

    /// The answer has ended.
    pub fn note_ended(&mut self, now: Instant) {
        self.stage = Stage::Overdue(now);
    }

    /// When to look again.
    pub fn next(&self, Times { slow, due, .. }: Times, interrupt: Option<Duration>) -> Option<Instant> {
        match self.stage {
            Stage::Running => slow.into_iter().chain(due).min(),
            Stage::Slow => due,
            Stage::Ending(again) => Some(again),
            Stage::Overdue(since) => interrupt.map(|interrupt| since + interrupt),
            Stage::GivenUp => None,
        }
    }
}

/// Until a worker that was woken has noticed.
const A_MOMENT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    const INTERRUPT: Option<Duration> = Some(Duration::from_secs(5));

    struct Clock(Instant);

    impl Clock {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }

        fn times(&self, request: u64, slow: u64, due: u64) -> Times {
            let at = |seconds| Some(self.at(seconds)).filter(|_| seconds > 0);
            Times { request, slow: at(slow), due: at(due) }
        }
    }

    #[test]
    fn a_request_is_slow_then_ended_then_given_up_and_each_once() {
        let (clock, mut course) = (Clock(Instant::now()), Course::default());
        let times = clock.times(7, 10, 30);
        assert_eq!(course.step(times, INTERRUPT, clock.at(9)), None);
        assert_eq!(course.next(times, INTERRUPT), Some(clock.at(10)));
        assert_eq!(course.step(times, INTERRUPT, clock.at(10)), Some(Step::TellSlow));
        assert_eq!(course.step(times, INTERRUPT, clock.at(29)), None);
        assert_eq!(course.step(times, INTERRUPT, clock.at(30)), Some(Step::End));
        assert_eq!(course.step(times, INTERRUPT, clock.at(30)), None);
        assert_eq!(course.step(times, INTERRUPT, clock.at(31)), Some(Step::End), "it was not said that it has ended");
        course.note_ended(clock.at(31));
        assert_eq!(course.step(times, INTERRUPT, clock.at(35)), None);
        assert_eq!(course.step(times, INTERRUPT, clock.at(36)), Some(Step::GiveUp));
        assert_eq!((course.step(times, INTERRUPT, clock.at(999)), course.next(times, INTERRUPT)), (None, None));
    }

    #[test]
    fn the_next_request_begins_at_the_beginning() {
        let (clock, mut course) = (Clock(Instant::now()), Course::default());
        assert_eq!(course.step(clock.times(7, 10, 30), INTERRUPT, clock.at(30)), Some(Step::End), "late to look");
        course.note_ended(clock.at(30));
        let next = clock.times(8, 40, 60);
        assert_eq!(course.step(next, INTERRUPT, clock.at(36)), None);
        assert_eq!(course.step(next, INTERRUPT, clock.at(40)), Some(Step::TellSlow));
    }

    #[test]
    fn what_was_given_more_time_has_it() {
        let (clock, mut course) = (Clock(Instant::now()), Course::default());
        assert_eq!(course.step(clock.times(7, 10, 30), INTERRUPT, clock.at(12)), Some(Step::TellSlow));
        assert_eq!(course.step(clock.times(7, 10, 90), INTERRUPT, clock.at(31)), None);
        assert_eq!(course.next(clock.times(7, 10, 90), INTERRUPT), Some(clock.at(90)));
    }

    #[test]
    fn without_limits_nothing_is_done() {
        let (clock, mut course) = (Clock(Instant::now()), Course::default());
        assert_eq!(course.step(clock.times(7, 0, 0), INTERRUPT, clock.at(9_999)), None);
        course.note_ended(clock.at(1));
        assert_eq!(course.step(clock.times(7, 0, 0), None, clock.at(9_999)), None);
    }
}
