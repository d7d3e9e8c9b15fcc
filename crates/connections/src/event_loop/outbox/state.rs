//! What is known of a connection's write side.

use std::sync::Arc;
use std::time::Instant;

use crate::event_loop::unsent::Unsent;
use crate::exchange::{AbortListener, Ending, Room};
use fastcgi_codec::RequestId;

/// What the lock of an outbox guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: ConnectionPhase,
    /// Whether the event loop watches the socket.
    pub(super) watched: bool,
    /// Whether a thread writes to the socket. It sends what is queued meanwhile, or has the event loop do so.
    pub(super) writing: bool,
    pub(super) unsent: Unsent,
    /// Workers that wait until less of their requests is queued.
    pub(super) waiting: Vec<RequestId>,
    /// When the socket last took something while there was a queue.
    pub(super) progress: Instant,
    pub(super) open: usize,
    /// When the last request ended.
    pub(super) ended: Instant,
    pub(super) finished: Vec<RequestId>,
    pub(super) aborted: Vec<RequestId>,
    /// Who is to be told of aborts. Invariant: of open requests only.
    pub(super) listeners: Vec<(RequestId, Arc<dyn AbortListener>)>,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: ConnectionPhase::Open,
            watched: false,
            writing: false,
            unsent: Unsent::default(),
            waiting: Vec::new(),
            progress: now,
            open: 0,
            ended: now,
            finished: Vec::new(),
            aborted: Vec::new(),
            listeners: Vec::new(),
        }
    }

    pub(super) fn status(&self) -> Status {
        let stalled_since = (!self.unsent.is_empty() && !self.writing).then_some(self.progress);
        let open = self.open + usize::from(self.writing);
        Status { phase: self.phase, open, ended: self.ended, stalled_since }
    }

    pub(super) fn is_aborted(&self, request: RequestId) -> bool {
        self.phase.is_over() || self.aborted.contains(&request)
    }

    /// Tells those listeners that listen for one of these requests, for the last time.
    pub(super) fn tell_aborted(&mut self, is_aborted: impl Fn(RequestId) -> bool) {
        self.listeners.retain(|(request, listener)| {
            let told = is_aborted(*request);
            if told {
                listener.aborted();
            }
            !told
        });
    }

    /// A request ends: its last bytes are about to be written.
    pub(super) fn finish(&mut self, ending: Ending) {
        self.open = self.open.saturating_sub(1);
        self.ended = Instant::now();
        self.finished.push(ending.request);
        self.aborted.retain(|aborted| *aborted != ending.request);
        self.listeners.retain(|(request, _)| *request != ending.request);
        if !ending.keep_connection && self.phase == ConnectionPhase::Open {
            self.phase = ConnectionPhase::LastRequests;
        }
    }

    pub(super) fn room_for(&self, request: RequestId) -> Room {
        if self.unsent.is_empty() || self.unsent.weight_of(request) <= HIGH_WATER { Room::Plenty } else { Room::Full }
    }

    /// Whether the worker of this request need not wait.
    pub(super) fn may_go_on(&self, request: RequestId) -> bool {
        self.aborted.contains(&request) || self.unsent.weight_of(request) <= LOW_WATER
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
