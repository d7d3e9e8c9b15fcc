//! What goes in and out: what has happened to the children, and what is to be done.

use std::time::Duration;

use log::Level;

use shared::link::{Command, Failure, Report};
use shared::logging::codes::Code;

/// A child's number within its pool. Counts up and is never used again, unlike a process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(pub u32);

/// Counts the reloads: what a child was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// What the pool's settings say of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Fewest children.
    pub min: usize,
    /// Most children.
    pub max: usize,
    /// How long each may take.
    pub limits: Limits,
    /// After how long without need the pool shrinks; `None` is never.
    pub idle_timeout: Option<Duration>,
    /// After how long a child is replaced; `None` is never.
    pub max_lifetime: Option<Duration>,
}

/// How long a child may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until it serves.
    pub startup_timeout: Duration,
    /// To finish its requests, after a stop or a retirement.
    pub graceful_timeout: Duration,
}

/// What a program that takes over is told of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Whether it is on its way out, so that its exit is no surprise.
    pub is_leaving: bool,
    /// How long that has been so, or how long it has served.
    pub age: Duration,
    /// Its own limit.
    pub graceful_timeout: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a child.
    Spawn(ChildId, Generation),
    /// Send it a command.
    Tell(ChildId, Command),
    /// End it while it starts, when it does not listen to commands.
    Terminate(ChildId),
    /// Kill it.
    Kill(ChildId),
    /// For whoever waits for it.
    Report(Outcome),
    /// For the log: all is as it should be (info), something is wrong (warn), or it is, and the pool does not serve (error).
    Log(Level, Code, String),
}

/// What has come of a start, a reload or a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first child of the new generation is ready, and waits.
    Tried,
    /// It does not come up; whatever served serves on.
    Refused(Failure),
    /// All children of the new generation serve, and no other begins a request.
    Rolled,
    /// The first child serves, and a later one does not come up. Others are tried.
    Short(Failure),
    /// No child is left.
    Stopped,
}

/// How fast to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// When the running requests have been answered.
    Gracefully,
    /// At once.
    Now,
}

/// Something that has happened to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has reported this.
    Said(Report),
    /// It has reached a limit and is to be replaced.
    Worn,
    /// It has requests that do not end although their time is over, and is to be replaced.
    Overdue,
    /// No thread of it runs Python any more; what that is about, in words. It is to be killed.
    Hung(String),
    /// It has no connection, and had no request for the idle timeout.
    Unused,
    /// It says what no child of ours does, or nothing any more; what, in words. It is to be killed.
    Broken(String),
    /// The process has ended.
    Exited {
        /// How, in words.
        how: String,
        /// The signal of somebody else that has told it to.
        told: Option<&'static str>,
    },
}
