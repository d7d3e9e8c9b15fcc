//! What crosses from the event loop to a worker: a complete request and the right to answer it.
//!
//! Owns the assembly of requests from events, their bodies, the response head and the answer's framing. Knows no socket (an
//! answer goes into a [`Sink`]), no thread and no Python.

use std::time::Instant;

pub mod abort;
pub mod answer_log;
pub mod assembler;
pub mod body;
pub mod head;
mod incoming;
pub mod page;
pub mod pause;
mod reason;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod roles;
mod sending;
pub mod sink;
pub mod site_path;

pub use abort::AbortListener;
pub use answer_log::{Account, AnswerLog};
pub use assembler::{Assembler, Limits, Outcome};
pub use body::Body;
pub use fastcgi_codec::Role;
pub use head::{BodySource, Head, HeadError};
pub use pause::{NothingHeld, Pause};
pub use refusal::Refusal;
pub use reply::{Demand, Reply, ReplyError, TimedOut};
pub use request::{ConnectionId, Pair, Params, ParamsView, Request};
pub use roles::Roles;
pub use sending::Lost;
pub use sink::{AbortProbe, Ending, Gone, Room, Sink};
pub use site_path::SitePath;

/// A complete request and the right to answer it, once.
#[derive(Debug)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// Where the answer goes. It changes hands often.
    pub reply: Box<Reply>,
    /// When its first record has come.
    pub begun: Instant,
}
