//! Why a request was answered 503 instead of by a worker, and where such are counted.

use super::{GIL_KEPT, NOT_SERVING, QUEUE_FULL, QUEUE_TIMEOUT};

/// Why nobody had a worker for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFor {
    /// As many waited as may.
    QueueFull,
    /// No worker has had time for it within `queue-timeout`.
    QueueTimeout,
    /// No process of the pool served, and the last one that was started had failed.
    NotServing,
    /// A worker had time for it and could not begin it, since a thread kept Python's GIL.
    GilKept,
}

impl RefusedFor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::QueueTimeout, Self::NotServing, Self::GilKept];

    /// A word for it, as it stands in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::QueueTimeout => "queue-timeout",
            Self::NotServing => "not-serving",
            Self::GilKept => "gil-kept",
        }
    }

    /// Why, for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::QueueFull => "because the queue was full (max-queue)",
            Self::QueueTimeout => "because no worker had time for them (queue-timeout)",
            Self::NotServing => "because no process had started",
            Self::GilKept => "because a thread kept Python's GIL",
        }
    }

    /// Which word of the scoreboard counts them.
    pub(super) const fn place(self) -> usize {
        match self {
            Self::QueueFull => QUEUE_FULL,
            Self::QueueTimeout => QUEUE_TIMEOUT,
            Self::NotServing => NOT_SERVING,
            Self::GilKept => GIL_KEPT,
        }
    }
}
