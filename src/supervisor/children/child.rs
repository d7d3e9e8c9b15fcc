//! One child, as the state machine sees it.

use std::time::{Duration, Instant};

use super::{ChildId, Generation, Limits, Stand};

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// Starting, until it says that it is ready.
    Booting,
    /// It could serve, and waits until it is to begin.
    Ready,
    /// Answering requests.
    Serving,
    /// Whether it has said that it begins no further request.
    Retiring(bool),
    /// Told to end, or failed; its exit is no surprise.
    Ending,
}

/// A child.
#[derive(Debug)]
pub struct Child {
    /// Its number.
    pub id: ChildId,
    /// What it was started with.
    pub generation: Generation,
    /// Its own limits, whatever those of its pool become by a reload.
    pub limits: Limits,
    /// What it is doing.
    pub state: ChildState,
    /// When it came into this state.
    pub since: Instant,
    /// Whether it is to be replaced.
    pub worn: bool,
    /// Whether it has requests that do not end.
    pub overdue: bool,
    /// Whether all its workers are busy.
    pub saturated: bool,
    /// Whether it has ever served, so that requests may run.
    pub has_served: bool,
    /// Whether it was sent SIGKILL.
    pub killed: bool,
}

impl Child {
    /// Begins another state.
    pub fn enter(&mut self, state: ChildState, now: Instant) {
        (self.state, self.since) = (state, now);
        self.has_served |= state == ChildState::Serving;
    }

    /// For a program that takes over. One that is not ready yet serves as soon as it is.
    pub fn stand(&self, now: Instant) -> Stand {
        Stand {
            is_leaving: matches!(self.state, ChildState::Retiring(_) | ChildState::Ending),
            age: now.saturating_duration_since(self.since),
            graceful_timeout: self.limits.graceful_timeout,
        }
    }

    /// Who has the lowest goes first.
    pub fn retirement_rank(&self, generation: Generation) -> (bool, i64) {
        let is_fresh = self.is_fresh(generation);
        let number = i64::from(self.id.0);
        (is_fresh, if is_fresh { -number } else { number })
    }

    /// Whether it is on its way out, and held up by requests that nobody waits for.
    pub fn is_held_up(&self) -> bool {
        self.overdue && !self.killed && matches!(self.state, ChildState::Retiring(_) | ChildState::Ending)
    }

    /// When a retiring child that has not said so counts as retired: it does not run, or not well.
    pub fn answer_due(&self) -> Option<Instant> {
        (self.state == ChildState::Retiring(false)).then(|| self.since + ANSWER_PATIENCE)
    }

    /// Whether it serves, or will, and need not be replaced.
    pub fn is_fresh(&self, generation: Generation) -> bool {
        matches!(self.state, ChildState::Booting | ChildState::Ready | ChildState::Serving)
            && self.generation == generation
            && !self.worn
    }

    /// So that children that were started together are not all replaced together: from 0.9 to 1.
    pub fn lifetime_share(&self) -> f64 {
        1.0 - f64::from(self.id.0.wrapping_mul(7) % 11) / 100.0
    }
}

/// How long a reload waits for a child to say that it begins no further request.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
