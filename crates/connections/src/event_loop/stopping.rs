//! The graceful end: what was sent before it is answered, and nothing that comes later is begun.

use std::time::Duration;

use super::connection::Connection;
use super::lifecycle::End;
use super::line::Duty;
use super::outbox::Status;
use super::{EventLoop, Stopped};
use crate::exchange::Refusal;
use shared::logging::codes;

impl EventLoop {
    /// What waits in the backlog, in the passage, on the line and in the sockets was sent before the stop, so it is served.
    pub(super) fn start_stopping(&mut self) {
        if !self.lifecycle.end(End::Stop, self.now, self.settings.graceful_timeout) {
            return;
        }
        // Before it looks who else serves, and perhaps ends: of those who stop, the last one to look must find nobody.
        self.show_presence(false);
        let running = self.unanswered() + self.inquiries.overdue();
        if running > 0 {
            log::info!(target: codes::STOP_WAITS, "stopping; waiting for running requests: {running}");
        }
        self.shut_entrance();
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        let mut newcomers = Vec::new();
        for key in keys {
            self.read(key, false);
            match self.connections.get_mut(key) {
                Some(connection) if connection.is_new() => newcomers.push(key),
                Some(connection) => connection.finish(),
                None => {}
            }
        }
        self.lifecycle.wait_for(newcomers);
    }

    /// Those that were new at the stop and had their moment.
    pub(super) fn finish_new(&mut self) {
        for key in self.lifecycle.late_newcomers(self.now) {
            self.connections.get_mut(key).into_iter().for_each(Connection::finish);
        }
    }

    /// Takes what has come so far, and nothing more.
    pub(super) fn shut_entrance(&mut self) {
        self.accept_again_at = None;
        if self.duty != Duty::Rest {
            self.enter_all();
        }
        if let Err(error) = self.acceptor.close() {
            log::error!(target: codes::LISTENERS_STILL_WATCHED, "the listening sockets are still watched: {error}");
        }
    }

    pub(super) fn stopped(&mut self) -> Option<Stopped> {
        let deadline = self.lifecycle.deadline()?;
        let is_new = self.lifecycle.waits_for_newcomers();
        let is_busy = |connection: &Connection| {
            let Status { open, stalled_since, phase, .. } = connection.outbox().status();
            open > 0 || stalled_since.is_some() || self.lifecycle.is_retiring() && !phase.is_over()
        };
        let is_busy = self.connections.iter().any(|(_, connection)| is_busy(connection));
        // Nobody waits for those that are overdue, but they may still be interrupted.
        match is_new || self.serves_line() || is_busy || self.inquiries.overdue() > 0 {
            true if self.now < deadline => None,
            true => Some(self.abandon("graceful-timeout is over", LAST_MOMENT)),
            false => Some(Stopped { abandoned: 0, deadline, end: deadline + LAST_MOMENT }),
        }
    }

    /// Whether somebody waits on the line, whom a process that is to stop serves, too, as soon as it has a worker: the whole pool stops.
    fn serves_line(&self) -> bool {
        self.duty == Duty::Serve && !self.lifecycle.is_retiring() && self.line.is_left_to_this()
    }

    fn unanswered(&self) -> usize {
        self.connections.iter().map(|(_, connection)| connection.unanswered()).sum()
    }

    /// Tells which requests have no answer, and will have none; those that nothing was done with are answered 503. What is left to be done
    /// may take a moment.
    pub(super) fn abandon(&mut self, why: &str, moment: Duration) -> Stopped {
        let queued: Vec<_> = self.queue.take_all_out().collect();
        self.refuse_all(queued, Refusal::Stopping);
        self.refusals.say_all_held_back();
        let abandoned = self.unanswered();
        if abandoned > 0 {
            log::warn!(target: codes::REQUESTS_UNANSWERED, "stopping; unanswered requests: {abandoned}");
            let names = self.connections.iter_mut().flat_map(|(_, connection)| connection.names_of_unanswered());
            names
                .take(MOST_NAMED)
                .for_each(|name| log::warn!(target: codes::REQUESTS_UNANSWERED, "{name} was not answered: {why}"));
        }
        Stopped { abandoned, deadline: self.now, end: self.now + moment }
    }
}

/// More would say nothing more.
const MOST_NAMED: usize = 8;
/// How long exit handlers may take after `graceful-timeout`: the supervisor kills what has not ended half a second after that.
const LAST_MOMENT: Duration = Duration::from_millis(200);
/// The same, when nothing was waited for.
pub(super) const QUICK_END: Duration = Duration::from_secs(1);
