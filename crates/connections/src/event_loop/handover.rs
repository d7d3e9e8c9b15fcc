//! Giving connections to other processes of the pool: all of them when this one retires, and those on which a request has come when it
//! has no worker for it, through the line. Nothing is lost on the way, because a FastCGI connection has no state between requests.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::acceptor::Door;
use super::connection::{Connection, Unread};
use super::lifecycle::End;
use super::line::{Duty, Line};
use super::passage::{Missing, Traveller};
use super::probes::Probes;
use shared::link::Report;
use shared::logging::codes;
use shared::scoreboard::Presence;
use shared::sys::fd::is_out_of_descriptors;

impl EventLoop {
    /// Whether a request that came now had better go to another process.
    pub(super) fn is_saturated(&self) -> bool {
        self.saturation.is_stalled() || self.queue.is_saturated()
    }

    /// Whether the workers were all busy at the beginning of this turn, which then a worker does not make, and none has had time since.
    pub(super) fn is_noted(&self) -> bool {
        self.saturation.is_noted() && self.queue.is_shut()
    }

    /// Whether what comes now is not read. A process alone reads it as long as its workers are quick and nobody waits before it: nobody
    /// else would be sooner.
    fn defers(&self) -> bool {
        let is_quick = || !self.is_noted() && !self.line.is_used();
        self.lifecycle.is_serving() && (self.settings.spread || !is_quick()) && self.is_saturated()
    }

    /// At the start of a turn: whether connections are taken, and what becomes of those that wait. It is only saturated then if the
    /// standby turns the loop, which means that the workers have been busy for a while. Returns how many connections were read.
    ///
    /// Whoever waits for events while the acceptor is open may be the only one who is woken for a connection, so it must be shut
    /// before that.
    pub(super) fn open_or_shut(&mut self) -> io::Result<usize> {
        let has_no_time = self.note_saturation();
        let is_full = has_no_time && self.lifecycle.is_serving();
        self.is_shut_out = is_full && !self.keeps_door() && !self.is_left_alone();
        self.unheeded_since = self.unheeded_since.filter(|_| is_full);
        self.acceptor.watch(self.may_accept() && !self.is_shut_out && self.lifecycle.is_serving())?;
        self.show_presence(is_full);
        let has_descriptors = self.accept_again_at.is_none();
        let takes = self.duty == Duty::Serve && !has_no_time && !self.lifecycle.is_retiring() && has_descriptors;
        self.line.watch(self.acceptor.epoll(), takes)?;
        if is_full {
            self.line_up();
        }
        // Who waits comes before who comes.
        let taken = if self.line.somebody_waits() { self.take_from_line() } else { 0 };
        Ok(if is_full { taken } else { taken + self.read_deferred() })
    }

    /// Whether those who have time, as they say, let who comes stand at the door: somebody has stopped them, or what they say is old.
    /// That is so until this process has time itself.
    fn is_left_alone(&mut self) -> bool {
        if !self.acceptor.somebody_waits() {
            self.unheeded_since = self.unheeded_since.filter(|since| self.now.duration_since(*since) >= UNHEEDED);
        } else if self.unheeded_since.is_none() {
            self.unheeded_since = Some(self.now);
        }
        self.unheeded_since.is_some_and(|since| self.now.duration_since(since) >= UNHEEDED)
    }

    pub(super) fn show_presence(&mut self, is_full: bool) {
        let presence = match (self.duty, is_full) {
            (Duty::Serve, _) if !self.lifecycle.is_serving() => Presence::Absent,
            (Duty::Serve, false) => Presence::HasTime,
            (Duty::Serve, true) => Presence::Full,
            (Duty::Rest | Duty::Hold | Duty::Refuse, _) => Presence::Absent,
        };
        self.line.set_presence(presence);
    }

    /// When to look whether the workers have had time for long enough, and how the others are; nothing else may happen until then.
    pub(super) fn relief_in(&self, now: Instant) -> Option<Duration> {
        let relief = self.saturation.relief_due().filter(|_| !self.is_saturated());
        // Whoever keeps the door meanwhile may end without a word.
        let look_around = (self.is_shut_out && self.duty == Duty::Serve).then(|| now + LOOK_AROUND);
        [relief, self.saturation.stall_due(), look_around]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.saturating_duration_since(now))
    }

    fn note_saturation(&mut self) -> bool {
        let load = self.queue.load();
        self.saturation.note_progress(load, self.now);
        let is_stalled = self.saturation.is_stalled();
        let is_saturated = (is_stalled || load.is_saturated) && self.queue.shut_if_saturated(is_stalled);
        if is_saturated && self.saturation.note_saturated(self.now) {
            self.report_load(&Report::Saturated);
        }
        if !is_saturated && self.saturation.note_relieved(|| self.queue.is_shut(), self.now) {
            self.report_load(&Report::Relieved);
        }
        self.note_who_waits(load, is_saturated);
        is_saturated
    }

    /// The queue process has no workers, and says nothing of them.
    fn report_load(&mut self, report: &Report) {
        if self.duty == Duty::Serve {
            self.controls.report(report);
        }
    }

    /// Whether this connection is not to be read now. What is in its socket waits there, for whoever reads it in the end.
    pub(super) fn leaves_unread(&mut self, key: usize, closing: bool) -> bool {
        let defers = self.defers();
        let Some(connection) = self.connections.get_mut(key) else {
            return true;
        };
        if self.lifecycle.is_retiring() {
            return !closing && connection.has_whole_requests() && !connection.outbox().status().phase.is_over();
        }
        let defers = match if defers && connection.is_untouched() { connection.unread() } else { Unread::Other } {
            // What comes a moment later makes an event.
            Unread::Nothing => return true,
            Unread::Some if self.duty == Duty::Serve && waits_where_it_is(&self.line, connection) => false,
            Unread::Some => self.settings.probes.as_ref().is_none_or(|probes| waits_unread(self.duty, probes, connection)),
            Unread::Other => false,
        };
        if !defers {
            drop(connection.take_place());
        }
        // One that is read after all comes off the list: with a request on it, it must not be handed over.
        if !connection.set_deferred(defers) && defers {
            connection.begin_to_wait();
            self.deferred.push_back((connection.id(), key));
        }
        defers
    }

    /// Whether more had better not come in now. What comes in is safe in the line only after the next turn of the standby, and it may be
    /// the request just taken that ends the process.
    pub(super) fn has_enough(&self) -> bool {
        let lines_up = !self.settings.spread || self.is_noted();
        self.lifecycle.is_serving() && (self.is_shut_out || !lines_up) && self.is_saturated()
    }

    pub(super) fn read_deferred(&mut self) -> usize {
        let mut count = 0;
        while (!self.is_saturated() || self.duty == Duty::Refuse)
            && let Some(key) = self.pop_deferred()
        {
            self.connections.get_mut(key).and_then(Connection::take_place);
            self.read(key, true);
            count += 1;
        }
        count
    }

    pub(super) fn pop_deferred(&mut self) -> Option<usize> {
        while let Some((id, key)) = self.deferred.pop_front() {
            let connection = self.connections.get_mut(key).filter(|connection| connection.id() == id);
            if connection.is_some_and(|connection| connection.set_deferred(false)) {
                return Some(key);
            }
        }
        None
    }

    /// A request was taken back: it is tried again with the others.
    pub(super) fn defer(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.set_deferred(true)
        {
            self.deferred.push_back((connection.id(), key));
        }
    }

    /// The line does not take it now: it is the first to be tried again.
    pub(super) fn defer_first(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.set_deferred(true);
            self.deferred.push_front((connection.id(), key));
        }
    }

    /// Others serve on: connections go to them as soon as nothing is going on there.
    pub(super) fn start_retiring(&mut self) {
        if self.acceptor.passage().is_none() {
            return self.start_stopping();
        }
        if !self.lifecycle.end(End::Retire, self.now, self.settings.graceful_timeout) {
            return;
        }
        self.shut_entrance();
        self.deferred.clear();
        self.hand_over_idle();
        if self.lifecycle.is_retiring() {
            self.controls.report(&Report::Retired);
        }
    }

    /// While retiring, or resting: hands over what has become idle.
    pub(super) fn hand_over_idle(&mut self) {
        if !self.lifecycle.is_retiring() && self.duty != Duty::Rest {
            return;
        }
        self.line_up_queued();
        let idle = self.connections.iter().filter(|(_, connection)| connection.is_between_requests());
        for key in idle.map(|(key, _)| key).collect::<Vec<_>>() {
            if !self.hand_over(key) {
                return;
            }
        }
    }

    /// Requests that no worker here has taken wait on the line instead, as far as they can, for a worker of others. What the line does not
    /// take is handed over as what is idle.
    fn line_up_queued(&mut self) {
        let load = self.queue.load();
        if !load.has_work || load.is_held && !self.saturation.is_stalled() {
            return;
        }
        let keys: HashMap<_, _> = self.connections.iter().map(|(key, connection)| (connection.destination(), key)).collect();
        let mut taken_back = Vec::new();
        self.queue.sift(|queued| {
            let found =
                keys.get(&queued.exchange.reply.destination()).and_then(|key| Some((*key, self.connections.get_mut(*key)?)));
            let Some((key, connection)) = found else { return Some(queued) };
            let kept = connection.take_back_queued(queued, &self.line);
            taken_back.extend(kept.is_none().then_some(key));
            kept
        });
        taken_back.into_iter().for_each(|key| self.defer(key));
        self.line_up();
    }

    /// Connections stay from now on. Those that were to be given away end with what has begun on them.
    fn lose_passage(&mut self) {
        self.give_up(Door::Passage);
        if self.lifecycle.is_retiring() {
            self.start_stopping();
        }
    }

    fn hand_over(&mut self, key: usize) -> bool {
        let (Some(passage), Some(connection)) = (self.acceptor.passage(), self.connections.get(key)) else {
            return false;
        };
        if let Err(error) = connection.give(passage) {
            log::debug!("connection {} stays for now: {error}", connection.id());
            if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
                self.lose_passage();
            }
            return false;
        }
        self.forget(key).release(&self.mailbox.registry);
        true
    }

    /// At least one, as with accepting.
    pub(super) fn take_from_passage(&mut self) {
        let mut strays = 0;
        while strays < STRAYS_A_TURN && self.has_room() {
            if self.connections.len() >= self.settings.max_connections {
                return self.reach_limit();
            }
            match self.acceptor.take(&mut self.spare) {
                Ok(traveller) => self.resume(traveller),
                Err(error) => match self.missing(&error) {
                    Missing::Nothing => return,
                    Missing::Ended | Missing::Stray => strays += 1,
                    Missing::Door => return self.lose_passage(),
                },
            }
            self.line_up_at_once();
            if self.has_enough() {
                return;
            }
        }
    }

    /// What it means that no connection was taken, of which what is to be said is said.
    pub(super) fn missing(&mut self, error: &io::Error) -> Missing {
        match error.kind() {
            io::ErrorKind::WouldBlock => Missing::Nothing,
            io::ErrorKind::Interrupted => Missing::Stray,
            io::ErrorKind::NotConnected => Missing::Ended,
            io::ErrorKind::InvalidData => {
                self.note_stray();
                Missing::Stray
            }
            _ if is_out_of_descriptors(error) => {
                log::error!(target: codes::CONNECTION_LOST, "a connection from another process is lost: {error}");
                Missing::Stray
            }
            _ => Missing::Door,
        }
    }

    fn resume(&mut self, traveller: Traveller) {
        let key = self.admit(traveller);
        if let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.has_records()) {
            // What was taken back elsewhere may be so here, too.
            connection.begin_to_wait();
        }
        self.read(key, false);
    }

    pub(super) fn admit(&mut self, traveller: Traveller) -> usize {
        let Traveller { stream, peer, purpose, unread, has_read } = traveller;
        let key = self.insert(stream, peer, purpose);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.resume(&unread, has_read);
        }
        key
    }
}

/// Whether the requests on a connection wait here one by one: on the line it would be one that waits, whatever else comes on it.
fn waits_where_it_is(line: &Line, connection: &Connection) -> bool {
    let is_expected = || connection.is_new() && line.seat.is_multiplexed();
    !line.seat.others_have_time() && (connection.multiplexes() || is_expected() || connection.begins_several())
}

/// Whether what has come on a connection is not read although there are probes. As long as it may be one it is read where there are
/// workers: on the line nobody would see that. If it is none, it goes there when it is complete.
fn waits_unread(duty: Duty, probes: &Probes, connection: &mut Connection) -> bool {
    let is_probe = connection.begins_with(probes);
    if is_probe.is_none() && duty == Duty::Serve {
        connection.begin_to_wait();
        return false;
    }
    is_probe != Some(true)
}

/// The token of the event that a worker makes.
pub const WAKE_UP: usize = usize::MAX;
/// How soon to try again what the passage did not take.
pub const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// More that is no connection waits for the next turn.
const STRAYS_A_TURN: usize = 64;
/// How often to look whether another process still has time.
const LOOK_AROUND: Duration = Duration::from_millis(50);
/// Nobody takes in who comes for so long.
pub const UNHEEDED: Duration = Duration::from_millis(100);

#[cfg(test)]
pub(super) mod tests;
