//! What is told of a request when it has been answered, whoever has answered it and however that has ended.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use shared::logging::access::Answered;
use shared::sys::cpu_clock::CpuClock;

use super::{Params, Request};

/// Is told of every answer, by the thread that has ended it.
pub trait AnswerLog: Send + Sync + fmt::Debug {
    /// Whether what [`Answered::cpu_time`] says is told: it costs system calls.
    fn tells_cpu_time(&self) -> bool;

    /// Called once for each request, after its last bytes were given to the connection.
    fn note(&self, answered: &Answered<'_>);
}

/// What a [`Reply`](super::Reply) keeps of its request until it can be told.
#[derive(Debug)]
pub struct Account {
    answer_log: Arc<dyn AnswerLog>,
    params: Params,
    body_length: u64,
    request_id: String,
    /// What the application got as its X-Request-ID, if the web server sent none.
    made_id: Option<[u8; 32]>,
    begun: Instant,
    taken: Option<Taken>,
}

/// A worker has begun it.
#[derive(Debug)]
struct Taken {
    at: Instant,
    worker: usize,
    clock: Option<CpuClock>,
}

impl Account {
    /// Of a complete request, whose first record came at `begun`.
    pub fn of(request: &Request, answer_log: Arc<dyn AnswerLog>, begun: Instant) -> Self {
        Self { body_length: request.body.length(), ..Self::of_params(request.params.clone(), answer_log, begun) }
    }

    /// Of a request that is refused.
    pub fn of_params(params: Params, answer_log: Arc<dyn AnswerLog>, begun: Instant) -> Self {
        Self { answer_log, params, body_length: 0, request_id: String::new(), made_id: None, begun, taken: None }
    }

    pub(super) fn begin(&mut self, id: &str, worker: usize, at: Instant) {
        id.clone_into(&mut self.request_id);
        let clock = if self.answer_log.tells_cpu_time() { CpuClock::start() } else { None };
        self.taken = Some(Taken { at, worker, clock });
    }

    pub(super) fn set_x_request_id(&mut self, id: [u8; 32]) {
        self.made_id = Some(id);
    }

    pub(super) fn settle(&self, status: u16, detail: Option<&'static str>, body_sent: u64) {
        let Self { answer_log, params, body_length, request_id, made_id, begun, taken } = self;
        let param = |name: &[u8]| match made_id {
            Some(id) if name == X_REQUEST_ID => Some(&id[..]),
            _ => params.get(name),
        };
        answer_log.note(&Answered {
            param: &param,
            request_id,
            status,
            body_sent,
            request_length: params.length() + body_length,
            time: begun.elapsed(),
            queue_time: taken.as_ref().map(|taken| taken.at.duration_since(*begun)),
            worker: taken.as_ref().map(|taken| taken.worker),
            cpu_time: taken.as_ref().and_then(|taken| taken.clock?.elapsed()),
            detail,
        });
    }
}

/// The parameter that has a request's X-Request-ID.
pub const X_REQUEST_ID: &[u8] = b"HTTP_X_REQUEST_ID";
