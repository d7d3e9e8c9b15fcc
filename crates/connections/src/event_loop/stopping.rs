//! The graceful end: what was sent before it is answered, and nothing that comes later is begun.

use std::time::Duration;

use super::connection::Connection;
use super::line::{Duty, Line};
use super::outbox::Status;
use super::{Accept, EventLoop, Stopped};

impl EventLoop {
    /// What waits in the backlog, in the passage, on the line and in the sockets was sent before the stop, so it is served.
    pub(super) fn start_stopping(&mut self) {
        if self.stop_at.is_some() && !self.retiring {
            return;
        }
        self.stop_at.get_or_insert(self.now + self.settings.graceful_timeout);
        self.retiring = false;
        let running = self.unanswered();
        if running > 0 {
            log::info!("stopping; waiting for running requests: {running}");
        }
        self.shut_entrance();
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.read(key, false);
            match self.connections.get_mut(key) {
                Some(connection) if connection.is_new() => self.new_at_stop.push((key, self.now + FIRST_REQUEST)),
                Some(connection) => connection.finish(),
                None => {}
            }
        }
    }

    /// Whoever has just connected is about to send a request, and could not know of the stop.
    pub(super) fn finish_new(&mut self) {
        if self.new_at_stop.first().is_some_and(|(_, until)| self.now >= *until) {
            for (key, _) in std::mem::take(&mut self.new_at_stop) {
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.finish();
                }
            }
        }
    }

    /// Takes what has come so far, and nothing more.
    pub(super) fn shut_entrance(&mut self) {
        self.accept = Accept::Ready;
        if self.duty != Duty::Rest {
            self.enter_all();
        }
        if let Err(error) = self.acceptor.close() {
            log::error!("the listening sockets are still watched: {error}");
        }
    }

    pub(super) fn stopped(&mut self) -> Option<Stopped> {
        let deadline = self.stop_at?;
        let is_new = !self.new_at_stop.is_empty();
        let is_busy = |connection: &Connection| {
            let Status { open, stalled_since, phase, .. } = connection.outbox().status();
            open > 0 || stalled_since.is_some() || self.retiring && !phase.is_over()
        };
        match is_new || self.serves_line() || self.connections.iter().any(|(_, connection)| is_busy(connection)) {
            true if self.now < deadline => None,
            true => Some(self.abandon("graceful-timeout is over", LAST_MOMENT)),
            false => Some(Stopped { abandoned: 0, deadline, end: deadline + LAST_MOMENT }),
        }
    }

    /// Whether somebody waits on the line, whom a process that is to stop serves, too, as soon as it has a worker: the whole pool stops.
    fn serves_line(&self) -> bool {
        self.duty == Duty::Serve && !self.retiring && self.line.as_ref().is_some_and(Line::is_left_to_this)
    }

    fn unanswered(&self) -> usize {
        self.connections.iter().map(|(_, connection)| connection.unanswered()).sum()
    }

    /// Tells which requests have no answer, and will have none. What is left to be done may take a moment.
    pub(super) fn abandon(&mut self, why: &str, moment: Duration) -> Stopped {
        let abandoned = self.unanswered();
        if abandoned > 0 {
            log::warn!("stopping; unanswered requests: {abandoned}");
            let names = self.connections.iter_mut().flat_map(|(_, connection)| connection.names_of_unanswered());
            names.take(MOST_NAMED).for_each(|name| log::warn!("{name} was not answered: {why}"));
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
/// How soon after it has connected a web server sends its request.
const FIRST_REQUEST: Duration = Duration::from_millis(100);
