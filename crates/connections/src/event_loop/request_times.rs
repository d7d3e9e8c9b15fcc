//! When the requests of one connection have begun, where somebody wants to be told how long they took.

use std::sync::Arc;
use std::time::Instant;

use crate::exchange::{Account, AnswerLog, Params, Request};
use fastcgi_codec::{RequestId, Requests};

/// Costs nothing when nobody is to be told.
#[derive(Debug)]
pub struct RequestTimes {
    answer_log: Option<Arc<dyn AnswerLog>>,
    begun: Requests<Instant>,
}

impl RequestTimes {
    /// A connection without requests.
    pub fn new(answer_log: Option<Arc<dyn AnswerLog>>) -> Self {
        Self { answer_log, begun: Requests::new() }
    }

    /// Its first record has come.
    pub fn begin(&mut self, id: RequestId, now: Instant) {
        if self.answer_log.is_some() {
            self.begun.insert(id, now);
        }
    }

    /// What the answer to a complete request is to tell.
    pub fn open(&mut self, id: RequestId, request: &Request) -> Option<Account> {
        let (answer_log, begun) = self.take(id)?;
        Some(Account::of(request, answer_log, begun))
    }

    /// The same for a refused one.
    pub fn refuse(&mut self, id: RequestId, params: Params) -> Option<Account> {
        let (answer_log, begun) = self.take(id)?;
        Some(Account::of_params(params, answer_log, begun))
    }

    fn take(&mut self, id: RequestId) -> Option<(Arc<dyn AnswerLog>, Instant)> {
        let answer_log = self.answer_log.as_ref()?;
        Some((Arc::clone(answer_log), self.begun.remove(id)?))
    }
}
