//! What is known of a connection's write side.

use std::time::Instant;

use super::answers::Answers;
use crate::event_loop::unsent::Unsent;
use crate::exchange::{Ending, Room};
use fastcgi_codec::RequestId;

/// What the lock of an outbox guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: ConnectionPhase,
    /// Whether the event loop watches the socket.
    pub(super) watched: bool,
    /// Whether a thread writes to the socket. It sends what is queued meanwhile, or has the event loop do so.
    pub(super) writing: bool,
    pub(super) answers: Answers,
    /// Apart from the answers: it is in the order in which they take turns, may outlive them, and is empty as a rule.
    pub(super) unsent: Unsent,
    /// When the socket last took something while there was a queue.
    pub(super) progress: Instant,
    /// When the last request ended.
    pub(super) ended: Instant,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: ConnectionPhase::Open,
            watched: false,
            writing: false,
            answers: Answers::default(),
            unsent: Unsent::default(),
            progress: now,
            ended: now,
        }
    }

    pub(super) fn status(&self) -> Status {
        let stalled_since = (!self.unsent.is_empty() && !self.writing).then_some(self.progress);
        let open = self.answers.open() + usize::from(self.writing);
        Status { phase: self.phase, open, ended: self.ended, stalled_since }
    }

    pub(super) fn input(&self) -> Input {
        match self.phase {
            phase if phase.is_over() => Input::Over,
            ConnectionPhase::LastRequests if self.answers.open() == 0 => Input::Unwanted,
            _ => Input::Wanted,
        }
    }

    pub(super) fn is_aborted(&self, request: RequestId) -> bool {
        self.phase.is_over() || self.answers.is_given_up(request)
    }

    /// A request ends: its last bytes are about to be written.
    pub(super) fn end(&mut self, ending: Ending) {
        self.ended = Instant::now();
        self.answers.end(ending.request);
        if !ending.keep_connection && self.phase == ConnectionPhase::Open {
            self.phase = ConnectionPhase::LastRequests;
        }
    }

    pub(super) fn room_for(&self, request: RequestId) -> Room {
        if self.unsent.is_empty() || self.unsent.weight_of(request) <= HIGH_WATER { Room::Plenty } else { Room::Full }
    }

    /// Whether the worker of this request need not wait.
    pub(super) fn may_go_on(&self, request: RequestId) -> bool {
        self.answers.is_given_up(request) || self.unsent.weight_of(request) <= LOW_WATER
    }
}

/// Where the connection's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionPhase {
    /// Requests come and answers go.
    Open,
    /// No further request is taken; closes when the open ones have ended.
    LastRequests,
    /// Everything has been said; closes when the queue is empty.
    Flushing,
    /// Half-closed: what the peer still sends is thrown away until it closes too.
    Lingering,
    /// No more.
    Gone,
}

impl ConnectionPhase {
    /// Whether nothing more may be said.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Flushing | Self::Lingering | Self::Gone)
    }
}

/// What becomes of what the peer still sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// It is handled.
    Wanted,
    /// It is thrown away: the last request has ended, whose last bytes are perhaps still being written.
    Unwanted,
    /// The same, and nothing more is written.
    Over,
}

/// What the event loop needs to know of the write side before it reads.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Where the connection's end is.
    pub phase: ConnectionPhase,
    /// Requests begun and not ended, or whose end is being written.
    pub open: usize,
    /// When the last request ended, or the connection was accepted.
    pub ended: Instant,
    /// Since when the socket has refused to take anything, if it has.
    pub stalled_since: Option<Instant>,
}

/// Above this many queued bytes of its request, or sixteen times as many of a file, a worker waits, and above this many of ended ones the
/// event loop reads no further request.
pub(super) const HIGH_WATER: usize = 256 * 1024;
/// It goes on below this.
pub(super) const LOW_WATER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The peer has the last bytes before the thread that writes them goes on, and may send more at once.
    #[test]
    fn nothing_more_is_wanted_from_the_end_of_the_last_request_on() {
        let [first, last] = [1, 2].map(RequestId::new);
        let mut state = State::new(Instant::now());
        [first, last].into_iter().for_each(|request| state.answers.begin(request));
        state.end(Ending { request: first, keep_connection: false });
        assert_eq!(state.input(), Input::Wanted, "the other one's body");
        state.end(Ending { request: last, keep_connection: true });
        assert_eq!((state.phase, state.input()), (ConnectionPhase::LastRequests, Input::Unwanted));
        state.phase = ConnectionPhase::Flushing;
        assert_eq!(state.input(), Input::Over);
    }
}
