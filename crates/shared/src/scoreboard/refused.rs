//! Why a request was answered 503 instead of by a worker, and where such are counted.

use strum::IntoStaticStr;

/// Why nobody had a worker for a request: each by the word of the scoreboard that counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[repr(usize)]
pub enum RefusedFor {
    /// As many waited as may.
    QueueFull = 3,
    /// No worker has had time for it within `queue-timeout`.
    QueueTimeout = 6,
    /// No process of the pool served, and the last one that was started had failed.
    NotServing = 9,
    /// A worker had time for it and could not begin it, since a thread kept Python's GIL.
    GilKept = 10,
}

impl RefusedFor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::QueueTimeout, Self::NotServing, Self::GilKept];

    /// A word for it, as it stands in metrics.
    pub fn word(self) -> &'static str {
        self.into()
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
}
