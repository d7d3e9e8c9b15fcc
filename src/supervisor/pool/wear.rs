//! Which children are worn, so that others take their places: a reason each. What is left to `max-lifetime` knows no child but its age:
//! `children/time.rs`.

use std::fmt;
use std::time::Instant;

use super::super::children::{ChildId, Event};
use super::super::process::Process;
use super::RunningPool;
use shared::logging::codes;
use shared::settings::format_size;

/// The limit that a child has reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// `max-requests`: it counts them itself, and reports.
    MaxRequests,
    /// `max-rss`: it is weighed.
    MaxRss {
        /// Its resident memory, in bytes.
        memory: u64,
        /// How much it may have.
        limit: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MaxRequests => f.write_str("max-requests"),
            Self::MaxRss { memory, limit } => {
                write!(f, "max-rss: its resident memory is {}M, the limit is {}", memory >> 20, format_size(limit))
            }
        }
    }
}

impl RunningPool {
    /// Whether [`Self::replace_worn`] has something to look at.
    pub(super) fn looks_for_wear(&self) -> bool {
        self.settings().max_rss.is_some()
    }

    /// Looks at every child for what it does not report itself.
    pub(super) fn replace_worn(&mut self, now: Instant) {
        let Some(limit) = self.settings().max_rss else {
            return;
        };
        for id in self.children.serving().collect::<Vec<_>>() {
            let memory = self.processes.get(&id).and_then(Process::usage).map(|usage| usage.memory);
            if let Some(memory) = memory.filter(|memory| *memory > limit) {
                self.wear_out(id, Reason::MaxRss { memory, limit }, now);
            }
        }
    }

    /// This child is to be replaced, which is said once.
    pub(super) fn wear_out(&mut self, id: ChildId, reason: Reason, now: Instant) {
        if self.children.is_worn(id) {
            return;
        }
        if let Some(process) = self.processes.get(&id) {
            log::info!(
                target: codes::CHILD_WORN,
                "pool {}: process {} has reached {reason}; replacing it",
                self.name,
                process.id
            );
        }
        self.children.handle(id, Event::Worn, now);
    }
}
