//! In which part of its life an event loop is.
//!
//! ```text
//!            retire                     stop, or the passage is lost
//! Serving ──────────────▶ Retiring ─────────────────────────────────▶ Stopping
//!   │ ▲                                                                  ▲
//!   │ └─ Entrance: Open ◀─── one closes, as many as may be open ──▶ Full │
//!   └──────────────────── stop, or retire without a passage ─────────────┘
//! ```
//!
//! The time that an end may take counts from its beginning: retiring and then stopping is one end. What an event loop does with requests
//! while it lives is its [`Duty`](super::Duty), and how busy its workers are is [`Saturation`](super::Saturation)'s: both go with each of
//! these.

use std::time::{Duration, Instant};

/// The part of its life.
#[derive(Debug)]
pub enum Lifecycle {
    /// Connections come in.
    Serving(Entrance),
    /// Others serve on: connections are given to them, and none is closed for it.
    Retiring {
        /// When what still runs is abandoned.
        deadline: Instant,
    },
    /// What was sent before is answered, and nothing that comes later is begun.
    Stopping {
        /// When what still runs is abandoned.
        deadline: Instant,
        /// Connections on which nothing had come when this began: whoever has just connected is about to send a request, and could not
        /// know.
        newcomers: Vec<usize>,
        /// When their moment is over.
        newcomers_until: Instant,
    },
}

/// Whether one more connection may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// It may.
    Open,
    /// As many are open as may be: when one closes.
    Full,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Others take over.
    Retire,
    /// All stop.
    Stop,
}

impl Lifecycle {
    /// Begins to end, or ends in another way; says whether that is news. An end takes up to `most`.
    pub fn end(&mut self, end: End, now: Instant, most: Duration) -> bool {
        let stopping = |deadline| Self::Stopping { deadline, newcomers: Vec::new(), newcomers_until: now + FIRST_REQUEST };
        *self = match (&*self, end) {
            (Self::Serving(_), End::Retire) => Self::Retiring { deadline: now + most },
            (Self::Serving(_), End::Stop) => stopping(now + most),
            (Self::Retiring { deadline }, End::Stop) => stopping(*deadline),
            (Self::Retiring { .. }, End::Retire) | (Self::Stopping { .. }, _) => return false,
        };
        true
    }

    /// Whether as many connections are open as may be, from now on.
    pub fn set_entrance(&mut self, entrance: Entrance) {
        if let Self::Serving(now) = self {
            *now = entrance;
        }
    }

    /// Whether no end has begun.
    pub fn is_serving(&self) -> bool {
        matches!(self, Self::Serving(_))
    }

    /// Whether it gives its connections away.
    pub fn is_retiring(&self) -> bool {
        matches!(self, Self::Retiring { .. })
    }

    /// Whether it ends and nobody takes over.
    pub fn is_stopping(&self) -> bool {
        matches!(self, Self::Stopping { .. })
    }

    /// Whether as many connections are open as may be.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Serving(Entrance::Full))
    }

    /// When what still runs is abandoned, once an end has begun.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Serving(_) => None,
            Self::Retiring { deadline } | Self::Stopping { deadline, .. } => Some(*deadline),
        }
    }

    /// These may send a first request for a moment.
    pub fn wait_for(&mut self, keys: Vec<usize>) {
        if let Self::Stopping { newcomers, .. } = self {
            *newcomers = keys;
        }
    }

    /// Whether some still may.
    pub fn waits_for_newcomers(&self) -> bool {
        matches!(self, Self::Stopping { newcomers, .. } if !newcomers.is_empty())
    }

    /// Those whose moment is over.
    pub fn late_newcomers(&mut self, now: Instant) -> Vec<usize> {
        match self {
            Self::Stopping { newcomers, newcomers_until, .. } if now >= *newcomers_until => std::mem::take(newcomers),
            _ => Vec::new(),
        }
    }
}

/// How soon after it has connected a web server sends its request.
const FIRST_REQUEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(30);

    #[test]
    fn an_end_begins_once_and_a_stop_takes_over_the_deadline_of_who_retires() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut life = Lifecycle::Serving(Entrance::Open);
        assert!(life.is_serving() && life.deadline().is_none());
        assert!(life.end(End::Retire, start, MOST) && life.is_retiring());
        assert!(!life.end(End::Retire, after(1), MOST));
        assert!(life.end(End::Stop, after(2), MOST) && life.is_stopping() && !life.is_retiring());
        assert_eq!(life.deadline(), Some(start + MOST));
        assert!(!life.end(End::Stop, after(3), MOST) && !life.end(End::Retire, after(3), MOST));
        assert!(life.is_stopping());
    }

    #[test]
    fn newcomers_have_a_moment_of_the_stop() {
        let start = Instant::now();
        let mut life = Lifecycle::Serving(Entrance::Open);
        life.wait_for(vec![1]);
        assert!(!life.waits_for_newcomers(), "nobody stops");
        life.end(End::Stop, start, MOST);
        life.wait_for(vec![1, 2]);
        assert!(life.late_newcomers(start + FIRST_REQUEST - Duration::from_millis(1)).is_empty());
        assert!(life.waits_for_newcomers());
        assert_eq!(life.late_newcomers(start + FIRST_REQUEST), [1, 2]);
        assert!(!life.waits_for_newcomers());
    }

    #[test]
    fn only_who_serves_can_be_full() {
        let mut life = Lifecycle::Serving(Entrance::Open);
        life.set_entrance(Entrance::Full);
        assert!(life.is_full());
        life.end(End::Stop, Instant::now(), MOST);
        life.set_entrance(Entrance::Full);
        assert!(!life.is_full());
    }
}
