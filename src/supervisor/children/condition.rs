//! How a pool is as a whole, for whoever asks, and what its queue process has to do then.

use std::time::Instant;

use super::{Children, Failure, PoolPhase};
use shared::link::Command;

/// Why a pool has no child that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Instant,
    /// What the last one has said.
    pub text: String,
}

/// The state of a pool, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// At least one child serves.
    Serving,
    /// None does yet, or again.
    Starting,
    /// None does, and the last one that was started has failed.
    Failing,
    /// None does, and none is needed.
    Sleeping,
    /// It ends.
    Stopping,
}

impl Children {
    /// The state of the pool.
    pub fn condition(&self) -> Condition {
        match self.phase {
            PoolPhase::Stopping(_) | PoolPhase::Stopped => Condition::Stopping,
            _ if self.serving().next().is_some() => Condition::Serving,
            _ if self.failing.is_some() => Condition::Failing,
            _ if self.is_asleep() => Condition::Sleeping,
            _ => Condition::Starting,
        }
    }

    /// Why it fails, and when it is tried again.
    pub fn failing(&self) -> Option<(&Failing, Option<Instant>)> {
        self.failing.as_ref().map(|failing| (failing, self.backoff.until()))
    }

    /// Whether no child that serves has a worker to spare, and one serves.
    pub fn are_all_full(&self) -> bool {
        let serving = self.serving().count();
        serving > 0 && self.saturated() == serving
    }

    /// What the queue process is to do.
    pub fn duty(&self) -> Command {
        match self.condition() {
            Condition::Serving => Command::Rest,
            Condition::Starting | Condition::Sleeping => Command::Hold,
            Condition::Failing => Command::Refuse,
            // Children answer what waits, as long as there are some.
            Condition::Stopping if self.count(|child| child.has_served) > 0 => Command::Rest,
            Condition::Stopping => Command::Refuse,
        }
    }

    pub(super) fn note_failing(&mut self, failure: &Failure, now: Instant) {
        self.backoff.note_failure(now);
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        self.failing = Some(Failing { since, text: failure.text.clone() });
    }
}
