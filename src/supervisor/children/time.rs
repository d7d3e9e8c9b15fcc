//! What passing time does: children that take too long, or have lived long enough, and more of them than are needed.

use std::time::{Duration, Instant};

use log::Level;

use super::child::{Child, ChildState};
use super::{Action, Children, Failure, PoolPhase, Stop};
use shared::logging::codes;
use shared::sys::process::EX_SOFTWARE;

impl Children {
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.children.len() {
            if self.deadline(&self.children[index]).is_some_and(|deadline| deadline <= now) {
                self.expire(index, now);
            }
        }
        for child in &mut self.children {
            if child.answer_due().is_some_and(|due| due <= now) {
                child.state = ChildState::Retiring(true);
                let text = "a retiring child does not answer; the others go on without it".to_owned();
                self.actions.push(Action::Log(Level::Warn, codes::RETIRING_CHILD_SILENT, text));
            }
        }
        if self.shrinks_at().is_some_and(|when| when <= now) {
            self.shrink(now);
        }
        self.plan(now);
    }

    /// A child says only once that it has too much to do, so it is still so until it says otherwise. Nor may the last one that has
    /// time go, or there would soon have to be another.
    fn shrink(&mut self, now: Instant) {
        let saturated = self.saturated();
        if saturated > 0 && saturated + 1 >= self.serving().count() {
            self.last_need = now;
            return;
        }
        self.last_need += SHRINK_INTERVAL;
        self.wanted -= 1;
    }

    /// When [`Self::handle_timeout`] is to be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let of_children = self.children.iter().filter_map(|child| self.deadline(child));
        let retry = self.backoff.until().filter(|_| self.is_to_refill());
        let answers = self.children.iter().filter_map(Child::answer_due);
        of_children.chain(answers).chain(self.shrinks_at()).chain(retry).min()
    }

    /// The last child never goes this way: see [`Event::Unused`](super::Event::Unused).
    fn shrinks_at(&self) -> Option<Instant> {
        let may = self.may_shrink() && self.wanted > 1 && self.serving().count() >= self.wanted;
        self.policy.idle_timeout.filter(|_| may).map(|timeout| self.last_need + timeout)
    }

    fn deadline(&self, child: &Child) -> Option<Instant> {
        let patience = match (child.state, &self.phase) {
            _ if child.killed => return None,
            (ChildState::Booting, _) => child.limits.startup_timeout + BOOT_SLACK,
            (ChildState::Ready, _) => return None,
            (ChildState::Serving, _) if child.worn => return None,
            (ChildState::Serving, _) => self.policy.max_lifetime?.mul_f64(child.lifetime_share()),
            (ChildState::Ending, PoolPhase::Stopping(Stop::Now)) => QUICK_END,
            (ChildState::Ending, _) if !child.has_served => QUICK_END,
            (ChildState::Retiring(_) | ChildState::Ending, _) => child.limits.graceful_timeout + END_SLACK,
        };
        Some(child.since + patience)
    }

    fn expire(&mut self, index: usize, now: Instant) {
        let Child { id, state, limits, has_served, .. } = self.children[index];
        match state {
            ChildState::Serving => {
                let text = "a child has reached max-lifetime; replacing it".to_owned();
                self.actions.push(Action::Log(Level::Info, codes::CHILD_WORN, text));
                return self.children[index].worn = true;
            }
            ChildState::Booting | ChildState::Ready => {
                let limit = limits.startup_timeout.as_secs_f64();
                let text = format!("a child was not ready within startup-timeout ({limit} s)");
                self.fail(index, Failure::new(EX_SOFTWARE, text), now);
            }
            ChildState::Retiring(_) | ChildState::Ending => {
                let limit = format!("within graceful-timeout ({} s)", limits.graceful_timeout.as_secs_f64());
                let limit = if has_served { &limit } else { "when told to" };
                let text = format!("a child did not exit {limit}; killing it");
                self.actions.push(Action::Log(Level::Warn, codes::CHILD_KILLED, text));
            }
        }
        let child = &mut self.children[index];
        (child.killed, child.state) = (true, ChildState::Ending);
        self.actions.push(Action::Kill(id));
    }
}

/// How long a child may take beyond `startup-timeout` to say itself where it hangs.
const BOOT_SLACK: Duration = Duration::from_secs(1);
/// How long a child may take beyond `graceful-timeout` before it is killed. It has limits of its own, which come first
/// (`event_loop/stopping.rs`).
pub const END_SLACK: Duration = Duration::from_millis(500);
/// The same, when it was told to end at once, or runs no request.
const QUICK_END: Duration = Duration::from_secs(2);
const SHRINK_INTERVAL: Duration = Duration::from_secs(1);
