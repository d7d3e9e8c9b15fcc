//! When the requests of one connection have begun, where somebody wants to be told how long they took.

use std::sync::Arc;
use std::time::Instant;

use crate::exchange::{Account, Journal, Params, Request};
use fastcgi_codec::{RequestId, Requests};

/// Costs nothing when nobody is to be told.
#[derive(Debug)]
pub struct Ledger {
    journal: Option<Arc<dyn Journal>>,
    begun: Requests<Instant>,
}

impl Ledger {
    /// A connection without requests.
    pub fn new(journal: Option<Arc<dyn Journal>>) -> Self {
        Self { journal, begun: Requests::new() }
    }

    /// Its first record has come.
    pub fn begin(&mut self, id: RequestId, now: Instant) {
        if self.journal.is_some() {
            self.begun.insert(id, now);
        }
    }

    /// What the answer to a complete request is to tell.
    pub fn open(&mut self, id: RequestId, request: &Request) -> Option<Account> {
        let (journal, begun) = self.take(id)?;
        Some(Account::of(request, journal, begun))
    }

    /// The same for a refused one.
    pub fn refuse(&mut self, id: RequestId, params: Params) -> Option<Account> {
        let (journal, begun) = self.take(id)?;
        Some(Account::of_params(params, journal, begun))
    }

    fn take(&mut self, id: RequestId) -> Option<(Arc<dyn Journal>, Instant)> {
        let journal = self.journal.as_ref()?;
        Some((Arc::clone(journal), self.begun.remove(id)?))
    }
}
