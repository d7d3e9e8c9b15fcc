//! What an event loop is told when it begins.

use std::sync::Arc;
use std::time::Duration;

use super::{Line, Listener, Passage, Probes};
use crate::exchange::{AnswerLog, Limits};
use fastcgi_codec::SessionLimits;

/// What the event loop is to keep to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections open at once; more wait in the backlog.
    pub max_connections: usize,
    /// How long a kept connection may be without a request; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a peer may be silent inside a request, before its first, or while an answer waits; `None` for ever.
    pub socket_timeout: Option<Duration>,
    /// How long a request may wait for a worker; `None` for ever.
    pub queue_timeout: Option<Duration>,
    /// How long a graceful stop may take.
    pub graceful_timeout: Duration,
    /// After how many requests the supervisor is asked for a replacement; `None` is never.
    pub max_requests: Option<u64>,
    /// Whether other processes of the pool may have workers to spare when this one has none.
    pub spread: bool,
    /// What a peer is told that asks for our limits.
    pub session: SessionLimits,
    /// Limits on each request.
    pub request: Limits,
    /// Bytes of memory at most for requests that are not complete.
    pub uploads_memory: usize,
    /// Who is told of every answer, if anybody.
    pub answer_log: Option<Arc<dyn AnswerLog>>,
    /// Which requests are probes, if any: they are answered here, and wait for no worker.
    pub probes: Option<Probes>,
}

/// Where connections come from, and where they wait.
#[derive(Debug)]
pub struct Doors {
    /// The listening sockets.
    pub listeners: Vec<Listener>,
    /// From and to the other processes of the pool.
    pub passage: Passage,
    /// For those on which a request has come that no process has a worker for.
    pub line: Line,
}
