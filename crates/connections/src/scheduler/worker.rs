//! A thread that answers requests: where the next one comes from, and the panic barrier around each.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::queue::Queued;
use super::state::{State, Step, Taken, Waiting};
use super::{Patience, Scheduler, locking};
use crate::exchange::{Exchange, Pause};
use shared::logging::codes;

/// Answers requests on one worker. Waiting for the next request happens in [`Pause::pause`].
pub trait Handler: Pause {
    /// Answers one request. Dropping the exchange unanswered answers 500.
    fn handle(&mut self, exchange: Exchange);

    /// A request that came at `begun` was given up before its turn came.
    fn pass_over(&mut self, _begun: Instant) {}
}

/// Where requests come from: the event loop, as a worker sees it that the scheduler has given it to.
pub trait Source: fmt::Debug + Send + Sync {
    /// Puts the requests that come within `limit` into the queue; whether anything has come. Without a limit it is never called with
    /// anything held, see [`Pause`].
    fn turn(&self, limit: Option<Duration>) -> bool;
}

/// One worker's end of the queue. Run it on a thread of its own.
#[derive(Clone, Debug)]
pub struct Worker {
    receiver: Receiver<Queued>,
    patience: Patience,
    scheduler: Arc<Scheduler>,
    source: Option<Arc<dyn Source>>,
}

/// What a worker has to say when it asks for its next request.
#[derive(Default)]
struct Past {
    /// It has answered a request.
    has_answered: bool,
    /// It was the scout.
    is_scout: bool,
}

impl Worker {
    pub(super) fn new(receiver: Receiver<Queued>, patience: Patience, scheduler: Arc<Scheduler>) -> Self {
        Self { receiver, patience, scheduler, source: None }
    }

    /// The same worker, but it looks for requests itself when it has none. Without a source it has to be called.
    pub fn with_source(self, source: Arc<dyn Source>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Answers requests until the queue is closed and empty. A panic in the handler costs its request, not the worker.
    pub fn run(self, handler: &mut impl Handler) {
        self.scheduler.lock().add_worker();
        let mut past = Past::default();
        while let Some(exchange) = self.next(handler, past) {
            answer(handler, exchange);
            past = Past { has_answered: true, is_scout: false };
        }
        self.scheduler.lock().remove_worker();
    }

    /// Takes what is queued without putting anything down, so that under load a worker keeps what it holds. Right after a request,
    /// under load, a look at the source takes no time and finds another, so nothing is put down for that either; but only once,
    /// because what happens may be no request.
    fn next(&self, handler: &impl Handler, mut past: Past) -> Option<Exchange> {
        let mut may_look = true;
        if handler.is_to_give_way() {
            // That may take long, and it has time.
            self.note_answer(std::mem::take(&mut past));
            handler.give_way();
        }
        loop {
            match self.step(std::mem::take(&mut past), std::mem::take(&mut may_look)) {
                Ok(exchange) => return Some(exchange),
                Err(Step::End) => return None,
                Err(Step::Look) if self.turn(Some(Duration::ZERO)) => {}
                Err(Step::Turn) => handler.pause(&mut || {
                    self.turn(None);
                }),
                Err(Step::Take | Step::Look | Step::Wait) => handler.pause(&mut || past.is_scout = self.wait()),
            }
        }
    }

    fn note_answer(&self, past: Past) {
        if past.has_answered {
            self.scheduler.lock().note_answer();
        }
    }

    /// The next request if there is one, or what to do without.
    fn step(&self, past: Past, may_look: bool) -> Result<Exchange, Step> {
        let Past { has_answered, is_scout } = past;
        let mut state = self.scheduler.lock();
        if has_answered {
            state.note_answer();
        }
        let step = state.step(self.source.is_some(), may_look);
        if is_scout {
            state.report_back();
        }
        if step != Step::Take {
            return Err(step);
        }
        let (queued, has_late) = self.take(&mut state);
        let rings = state.is_turn_outside() || has_late;
        let wakes = is_scout && state.call_for_work().wakes;
        drop(state);
        if wakes {
            self.scheduler.called.notify_one();
        }
        if rings {
            self.scheduler.ring();
        }
        // Its place is given back here.
        queued.map(|queued| queued.exchange).ok_or(step)
    }

    /// Takes all that are queued, and says since when they wait.
    #[cfg(all(test, not(shuttle)))]
    pub fn queued_since(&self) -> Vec<Instant> {
        let mut state = self.scheduler.lock();
        std::iter::from_fn(|| self.take(&mut state).0).map(|queued| queued.since).collect()
    }

    /// The first that is queued, and whether some before it have waited for too long: the event loop refuses them.
    fn take(&self, state: &mut State) -> (Option<Queued>, bool) {
        let mut has_late = false;
        while let Some(taken) = state.take(|since| self.patience.is_over_by_now(since)) {
            // What the state counts is in the channel.
            let Ok(queued) = self.receiver.try_recv() else { break };
            match taken {
                Taken::ToAnswer => return (Some(queued), has_late),
                Taken::Late => locking::lock(&self.scheduler.late).push(queued.exchange),
            }
            has_late = true;
        }
        (None, has_late)
    }

    /// Turns the loop until something has happened, or sits until it is called; whether it is the scout then.
    fn wait(&self) -> bool {
        let waiting = self.scheduler.lock().wait(self.source.is_some());
        match waiting {
            Waiting::Not { is_scout } => is_scout,
            Waiting::Turn => {
                self.turn(None);
                false
            }
            Waiting::Sit { opens } => {
                self.scheduler.sit(opens);
                true
            }
        }
    }

    fn turn(&self, limit: Option<Duration>) -> bool {
        self.source.as_ref().is_some_and(|source| source.turn(limit))
    }
}

fn answer(handler: &mut impl Handler, exchange: Exchange) {
    if exchange.reply.is_aborted() {
        let Exchange { mut reply, begun, .. } = exchange;
        reply.end_aborted();
        return handler.pass_over(begun);
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| handler.handle(exchange)));
    if outcome.is_err() {
        log::error!(target: codes::HANDLER_PANICKED, "a request handler panicked; its request was answered 500 or cut");
    }
}
