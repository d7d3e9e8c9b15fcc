//! Which children are worn, so that others take their places: a reason each. What is left to `max-lifetime` knows no child but its age:
//! `children/time.rs`.

use std::time::{Duration, Instant};

use log::Level;

use super::super::children::{ChildId, Event};
use super::super::process::Process;
use super::RunningPool;
use shared::logging::codes;
use shared::scoreboard::slot::Glance;
use shared::settings::format_size;
use shared::sys::process::{self, monotonic_time};

impl RunningPool {
    /// Whether it is looked after requests that have had their time and more.
    pub(super) fn limits_requests(&self) -> bool {
        let settings = self.settings();
        settings.interrupt_timeout.is_some() && (settings.request_timeout.is_some() || !settings.timeouts.is_empty())
    }

    /// Looks at every child for what it does not report itself.
    pub(super) fn replace_worn(&mut self, now: Instant) {
        self.replace_heavy(now);
        if let Some(patience) = self.settings().interrupt_timeout.filter(|_| self.limits_requests()) {
            self.replace_overdue(patience + SLACK, now);
        }
    }

    /// Children whose event loop does not look after the time: they are stopped, or the application holds it up.
    fn replace_overdue(&mut self, patience: Duration, now: Instant) {
        let time = monotonic_time();
        let is_over = |glance: Glance| glance.request.due.is_some_and(|due| due.saturating_add(patience) < time);
        for id in self.children.serving().collect::<Vec<_>>() {
            let process = self.processes.get(&id).filter(|_| !self.children.is_worn(id));
            if process.is_some_and(|process| self.busy(process).any(is_over)) {
                self.wear_out(id, Event::Overdue, "interrupt-timeout", now);
            }
        }
    }

    fn replace_heavy(&mut self, now: Instant) {
        let Some(limit) = self.settings().max_rss else {
            return;
        };
        for id in self.children.serving().collect::<Vec<_>>() {
            let memory = self.processes.get(&id).and_then(|child| process::usage(child.id)).map(|usage| usage.memory);
            if let Some(memory) = memory.filter(|memory| *memory > limit) {
                let (memory, most) = (memory >> 20, format_size(limit));
                let limit = format!("max-rss: its resident memory is {memory}M, the limit is {most}");
                self.wear_out(id, Event::Worn, &limit, now);
            }
        }
    }

    /// This child is to be replaced, since it has reached this limit: it is said once.
    pub(super) fn wear_out(&mut self, id: ChildId, event: Event, limit: &str, now: Instant) {
        if self.children.is_worn(id) {
            return;
        }
        if let Some(Process { id, .. }) = self.processes.get(&id) {
            let is_overdue = event == Event::Overdue;
            let code = if is_overdue { codes::CHILD_HAS_OVERDUE_REQUESTS } else { codes::CHILD_WORN };
            self.log(Level::Info, code, &format!("process {id} has reached {limit}; replacing it"));
        }
        self.children.handle(id, event, now);
    }
}

/// A child that keeps time itself has reported by then.
const SLACK: Duration = Duration::from_secs(2);
