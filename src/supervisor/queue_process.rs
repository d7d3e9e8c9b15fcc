//! The queue process of a pool, which keeps the door where no child serves: when it is started, what it is told and when it is killed.
//! Pure; it is [`QUEUE`] among the pool's processes.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use super::children::ChildId;
use shared::link::Command;

/// Its number. Those of children begin with 1.
pub const QUEUE: ChildId = ChildId(0);
/// Its seat at the scoreboard.
pub const SEAT: usize = 0;

/// As ps(1) shows it.
pub const NAME: &CStr = c"pyfcgid: queue";

/// What is known of it.
#[derive(Debug, Default)]
pub struct Queue {
    is_wanted: bool,
    /// The pool has ended, and wants none any more.
    is_dismissed: bool,
    is_there: bool,
    told: Option<Command>,
    /// Not to be started before.
    retry_at: Option<Instant>,
    /// To be killed then.
    kill_at: Option<Instant>,
    is_killed: bool,
}

impl Queue {
    /// The pool is about to serve, unless it is told so after its end.
    pub fn want(&mut self) {
        self.is_wanted = !self.is_dismissed;
    }

    /// The pool ends, and it is to end within `patience`.
    pub fn dismiss(&mut self, now: Instant, patience: Duration) {
        (self.is_wanted, self.is_dismissed) = (false, true);
        self.limit(now + patience);
    }

    /// Another one is to take its place, with other settings.
    pub fn renew(&mut self, now: Instant, patience: Duration) {
        if self.is_there {
            self.limit(now + patience);
        }
    }

    /// What was said before holds: one that does not obey gains nothing by further reloads.
    fn limit(&mut self, until: Instant) {
        self.kill_at = Some(self.kill_at.map_or(until, |earlier| earlier.min(until)));
    }

    /// Whether it is to be started.
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_wanted && !self.is_there && self.retry_at.is_none_or(|at| at <= now)
    }

    /// It was started, or could not be.
    pub fn note_start(&mut self, is_there: bool, now: Instant) {
        (self.is_there, self.told, self.kill_at, self.is_killed) = (is_there, None, None, false);
        self.retry_at = Some(now + PAUSE);
    }

    /// It has ended; whether that is a surprise.
    pub fn note_end(&mut self) -> bool {
        let is_expected = self.kill_at.take().is_some();
        self.is_there = false;
        self.retry_at.take_if(|_| is_expected);
        !is_expected
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// Whether it is to be told this: it is there, and was told something else.
    pub fn tell(&mut self, command: Command) -> bool {
        self.is_there && self.told.replace(command) != Some(command)
    }

    /// Whether it has had its time, and is to be killed now.
    pub fn is_late(&mut self, now: Instant) -> bool {
        let is_late = self.is_there && !self.is_killed && self.kill_at.is_some_and(|at| at <= now);
        self.is_killed |= is_late;
        is_late
    }

    /// When to look again.
    pub fn next_deadline(&self) -> Option<Instant> {
        match (self.is_there, self.is_wanted) {
            (true, _) => self.kill_at.filter(|_| !self.is_killed),
            (false, true) => self.retry_at,
            (false, false) => None,
        }
    }
}

/// One that ends at once is not started at once.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(3);

    #[test]
    fn it_is_started_when_it_is_wanted_and_again_when_it_ends_but_not_at_once() {
        let now = Instant::now();
        let mut queue = Queue::default();
        assert!(!queue.is_due(now));
        queue.want();
        assert!(queue.is_due(now));
        queue.note_start(true, now);
        assert!(!queue.is_due(now + SOON) && queue.next_deadline().is_none());
        assert!(queue.note_end(), "a surprise");
        assert!(!queue.is_due(now) && queue.is_due(now + PAUSE));
        assert_eq!(queue.next_deadline(), Some(now + PAUSE));
    }

    #[test]
    fn it_is_told_what_has_changed_and_a_new_one_everything() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want();
        assert!(!queue.tell(Command::Hold), "there is none");
        queue.note_start(true, now);
        assert!(queue.tell(Command::Hold) && !queue.tell(Command::Hold) && queue.tell(Command::Rest));
        queue.note_end();
        queue.note_start(true, now);
        assert!(queue.tell(Command::Rest));
    }

    #[test]
    fn one_that_does_not_obey_gains_nothing_by_further_reloads() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want();
        queue.note_start(true, now);
        (0..3).for_each(|second| queue.renew(now + Duration::from_secs(second), SOON));
        assert!(queue.is_late(now + SOON));
    }

    #[test]
    fn one_that_is_renewed_or_dismissed_is_killed_when_it_is_late() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want();
        queue.note_start(true, now);
        queue.renew(now, SOON);
        assert!(!queue.is_late(now) && queue.is_late(now + SOON));
        assert!(!queue.is_late(now + SOON) && queue.next_deadline().is_none(), "once");
        assert!(!queue.note_end() && queue.is_due(now), "the next one comes at once");
        queue.note_start(true, now);
        queue.dismiss(now, SOON);
        assert!(queue.is_late(now + SOON));
        queue.note_end();
        assert!(!queue.is_due(now + SOON) && queue.next_deadline().is_none());
        queue.want();
        assert!(!queue.is_due(now + SOON), "a first child that is ready in the turn in which the pool was stopped");
    }
}
